"""A model hub on loopback with one model, which is cut off or spoilt on demand."""

import contextlib
import hashlib
import http.server
import json
import threading
from pathlib import Path

from course_utils.embedding import DEFAULT_MODEL


class Hub(http.server.ThreadingHTTPServer):
    """Serves ``folder`` as the model ``name``; files of weights have a sha256, all others a git hash, as on the hub."""

    daemon_threads = True

    def __init__(self, name: str, revision: str, folder: Path):
        super().__init__(("127.0.0.1", 0), Handler)
        self.name, self.revision = name, revision
        self.files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        self.cut_after = None  # bytes of a file of weights, after which the connection ends
        self.spoilt = 0  # so many times the weights arrive with a wrong byte
        self.ranges = []  # what was asked for of the weights
        self.on_weights = self.ranges.append

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server, path = self.server, self.path.partition("?")[0].strip("/")
        files = f"{server.name}/resolve/{server.revision}/"
        if path == f"api/models/{DEFAULT_MODEL}":
            self.answer(200, b"{}", {"Content-Type": "application/json"})
        elif path == f"api/models/{server.name}/tree/{server.revision}":
            tree = json.dumps([self.entry(name, body) for name, body in server.files.items()])
            self.answer(200, tree.encode(), {"Content-Type": "application/json"})
        elif path.startswith(files) and path.removeprefix(files) in server.files:
            self.send_file(path.removeprefix(files))
        else:
            self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})

    do_HEAD = do_GET

    @staticmethod
    def entry(name, body):
        git = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
        entry = {"type": "file", "path": name, "size": len(body), "oid": git}
        if name.endswith(".safetensors"):
            entry["lfs"] = {"oid": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 134}
        return entry

    def send_file(self, name):
        server, body = self.server, self.server.files[name]
        entry = self.entry(name, body)
        weights = "lfs" in entry and self.command == "GET"
        etag = entry["lfs"]["oid"] if "lfs" in entry else entry["oid"]
        headers = {"X-Repo-Commit": server.revision, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if "lfs" in entry:
            headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(body))}
        if weights and server.spoilt:
            server.spoilt -= 1
            body = body[:-1] + bytes([body[-1] ^ 1])
        status, start = 200, 0
        asked = self.headers.get("Range")
        if asked:
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        cut_after = server.cut_after if weights else None
        if weights:
            server.on_weights(asked)
        self.answer(status, body[start:], headers, cut_after)

    def answer(self, status, body, headers, cut_after=None):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:cut_after])
            self.close_connection = self.close_connection or cut_after is not None

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving_hub(name: str, revision: str, folder: Path):
    hub = Hub(name, revision, folder)
    threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
