"""A server on loopback that answers like an OpenAI-compatible endpoint, and misbehaves on demand."""

import contextlib
import hashlib
import http.server
import json
import threading
import time

import numpy as np

DIM = 32


def fake_vectors(texts):
    """Vectors that depend on the text alone."""
    seeds = [list(hashlib.sha256(text.encode()).digest()) for text in texts]
    return np.stack([np.random.default_rng(seed).normal(size=DIM) for seed in seeds])


class Server(http.server.ThreadingHTTPServer):
    """``mishap(texts)`` says what goes wrong with a request: nothing (None), a status, or one of the words below."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, embed=fake_vectors):
        super().__init__(("127.0.0.1", 0), Handler)
        self.embed, self.mishap = embed, lambda texts: None
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
            mishap = server.mishap(texts) if self.path == "/v1/embeddings" else 404
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
        vectors = self.server.embed(texts)
        if request.get("dimensions"):
            vectors = vectors[:, : request["dimensions"]]
        if mishap == "dimension":
            vectors = vectors[:, :-1]
        data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors.tolist())]
        if mishap == "order":
            data = data[::-1]
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
        body = json.dumps({"object": "list", "model": request["model"], "data": data})
        if mishap == "truncated":
            body = body[: len(body) // 2]
        elif mishap == "html":
            body = "<html>Welcome to the hotel"
        if self.send(body, short=mishap == "drop midway") and mishap in (None, "order"):
            with self.server.lock:
                self.server.answered += texts

    def send(self, body, status=200, short=False):
        body = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status != 200:
            # The client reads it; real ones say "Retry-After: 20".
            self.send_header("Retry-After", "0.01")
        self.end_headers()
        with contextlib.suppress(OSError):
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
