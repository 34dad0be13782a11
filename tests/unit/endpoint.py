"""A server on loopback that answers like an OpenAI-compatible endpoint, and misbehaves on demand."""

import base64
import contextlib
import hashlib
import http.server
import json
import threading
import time

import numpy as np

DIM = 32
PATHS = ("/v1/embeddings",)  # where it answers


def fake_vectors(texts):
    """Vectors that depend on the text alone."""
    seeds = [list(hashlib.sha256(text.encode()).digest()) for text in texts]
    return np.stack([np.random.default_rng(seed).normal(size=DIM) for seed in seeds])


def rows_of(vectors, index=lambda i: {"index": i}):
    """The rows of an answer; ``index`` gives the part of a row that numbers it."""
    return [{"object": "embedding", "embedding": v} | index(i) for i, v in enumerate(vectors.tolist())]


#: How programs number the rows of an answer in which every text has its vector. Their order in it is that of the texts.
NUMBERINGS = {
    "no index": lambda i: {},
    "no index for the first": lambda i: {"index": i} if i else {},  # what leaves out zeros, as protobuf does
    "null": lambda i: {"index": None},
    "strings": lambda i: {"index": str(i)},
    "decimals": lambda i: {"index": float(i)},
    "always 0": lambda i: {"index": 0},
    "from 1": lambda i: {"index": i + 1},
}
#: Whole bodies that are no answer of this kind, under HTTP 200.
OTHER_FORMS = {
    "html": "<html>Welcome to the hotel",
    "words": "Ollama is running",
    "nothing": "",
    "ollama": '{"model": "x", "embeddings": [[0.1, 0.2], [0.3, 0.1]]}',
    "tei": "[[0.1, 0.2], [0.3, 0.1]]",
    "error": '{"error": "Unexpected endpoint or method. (POST /embeddings)"}',
    "no data": '{"object": "list", "data": null, "error": {"message": "Failed to load model"}}',
}


class Server(http.server.ThreadingHTTPServer):
    """``mishap(texts)`` says what goes wrong with a request: nothing (None), a status, a status and what is said with
    it, the address of a redirect, or one of the words below."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, embed=fake_vectors):
        super().__init__(("127.0.0.1", 0), Handler)
        self.embed, self.mishap = embed, lambda texts: None
        self.tokens = lambda texts: 0  # what it counts
        self.released = threading.Event()  # ends the requests that wait for a timeout
        self.lock = threading.Lock()
        self.asked, self.answered, self.headers, self.times = [], [], [], []
        self.under_way = self.most_under_way = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"

    def once(self, *mishaps):
        """Let these things go wrong with the first requests, one each, and then nothing."""
        todo = list(mishaps)
        self.mishap = lambda texts: todo.pop(0) if todo else None

    def always(self, mishap, only=None):
        self.mishap = lambda texts: mishap if only is None or only in texts else None

    def handle_error(self, request, client_address):
        pass  # a client that gave up


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        server, request = self.server, json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        texts = request["input"]
        with server.lock:
            server.asked.append(request)
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
            server.times.append(time.monotonic())
            server.under_way += 1
            server.most_under_way = max(server.most_under_way, server.under_way)
            mishap = server.mishap(texts) if self.path in PATHS else 404
        try:
            self.answer(mishap, texts, request)
        finally:
            with server.lock:
                server.under_way -= 1

    def answer(self, mishap, texts, request):
        if mishap == "timeout":
            self.server.released.wait(30)
        if mishap in ("timeout", "drop"):
            self.close_connection = True
            return self.connection.close()
        if isinstance(mishap, int):
            # Servers like to quote: none of it may come out at the other end.
            quoted = f"wrong key {self.headers['Authorization']} for {texts}"
            body = {"error": {"message": quoted, "type": quoted, "code": quoted}}
            return self.send(json.dumps(body), mishap)
        if isinstance(mishap, tuple):
            return self.send(json.dumps({"error": {"message": mishap[1]}}), mishap[0])
        if str(mishap).startswith("http"):
            return self.send("", 307, location=mishap)
        vectors = self.server.embed(texts)
        if request.get("dimensions"):
            vectors = vectors[:, : request["dimensions"]]
        if mishap == "dimension":
            vectors = vectors[:, :-1]
        data = rows_of(vectors, *([NUMBERINGS[mishap]] if mishap in NUMBERINGS else []))
        if mishap == "order":
            data = data[::-1]
        elif mishap == "base64":
            for row, vector in zip(data, vectors, strict=True):
                row["embedding"] = base64.b64encode(vector.astype("<f4").tobytes()).decode()
        elif mishap == "zeros":
            data[-1]["embedding"] = [0.0] * vectors.shape[1]
        elif mishap == "same":
            data = rows_of(np.ones_like(vectors))
        elif mishap == "empty":
            data = rows_of(vectors[:, :0])
        elif mishap == "of tokens":  # what llama.cpp gives without pooling, at an address of its own
            data = rows_of(vectors[:, None])
        elif mishap == "nan":
            data[-1]["embedding"][3] = float("nan")
        elif mishap == "ragged":
            data[-1]["embedding"].pop()
        elif mishap == "missing":
            data.pop()
        elif mishap == "twice":
            data[-1] = data[0]
        elif mishap == "no numbers":
            data[0]["embedding"] = ["a"] * len(data[0]["embedding"])
        usage = {"prompt_tokens": self.server.tokens(texts)}
        body = json.dumps({"object": "list", "model": request["model"], "data": data, "usage": usage})
        if mishap == "truncated":
            body = body[: len(body) // 2]
        body = OTHER_FORMS.get(mishap, body)
        if self.send(body, short=mishap == "drop midway", slow=mishap == "trickle") and mishap in (None, "order"):
            with self.server.lock:
                self.server.answered += texts

    def send(self, body, status=200, short=False, slow=False, location=None):
        body = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status != 200:
            # The client reads it; real ones say "Retry-After: 20".
            self.send_header("Retry-After", "0.01")
        if location:
            self.send_header("Location", location)
        self.end_headers()
        with contextlib.suppress(OSError):
            for i in range(len(body) if slow else 0):
                self.wfile.write(body[i : i + 1])
                self.wfile.flush()
                if self.server.released.wait(0.05):
                    break
            if slow:
                return False
            self.wfile.write(body[: len(body) // 2] if short else body)
            if short:
                self.close_connection = True
            return True
        return False

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving(embed=fake_vectors):
    server = Server(embed)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
