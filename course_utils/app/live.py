"""What stands behind `course demo --live`: the page of maps, served to this machine with a box for a visitor's text.

The text goes through the model and the options that made the page, and lands on each map by its nearest neighbours in
the vectors; nothing of it is kept. Where it is farther from all texts than these are from each other, that is said.
"""

import json
import secrets
import socket
import threading
import time
import webbrowser
from collections.abc import Awaitable, Callable
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, StringConstraints
from starlette.middleware.trustedhost import TrustedHostMiddleware

from course_utils.app.serve import SizeLimit, answer_plainly
from course_utils.app.task_maps import FILES, PAGE, K, check_folder
from course_utils.embedding import EmbeddingOptions, RemoteEmbedder, StoredVectors, load_embedder
from course_utils.measuring import nearest_neighbors, normalize

MAX_TEXT, MAX_INSTRUCTION = 5_000, 500  # characters
MAX_BYTES = 100_000  # a request: so many characters, of twelve bytes each where JSON escapes them
SECONDS = 60.0  # that the texts may take to be read under a visitor's instruction; what is done by then is kept
PATIENCE = 5.0  # seconds that a visitor waits for the one before
CHUNK = 32  # texts between two looks at the clock
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json"}
# Nothing is kept by a browser, put into the page of somebody else, or taken for what it is not.
GUARDS = {"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin"}
GUARDS |= {"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff"}
FAR = "It is farther from every text here than 95 of 100 of them are from their nearest: its neighbours mean little."


class Visitor(BaseModel):
    """What is typed into the box."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT, strip_whitespace=True)]
    instruction: Annotated[str, StringConstraints(max_length=MAX_INSTRUCTION, strip_whitespace=True)] = ""


class LivePage:
    """A page of maps in a folder, and the model that made it.

    Raises
    ------
    ValueError
        If there is none, another version of the course made it, or its model is not here as it was.
    """

    def __init__(self, folder: Path):
        check_folder(folder)
        stored = StoredVectors(folder / "vectors.safetensors")
        names = [name for name in FILES if Path(name).suffix in TYPES and (folder / name).exists()]
        self.files = {name: (folder / name).read_bytes() for name in names}
        data = json.loads(self.files["data.json"])
        points, n = data["points"], len(data["points"])
        dtype = "bfloat16" if stored.fingerprint.endswith("bfloat16") else "float32"
        self.embedder = load_embedder(data["model"], dtype=dtype, download=False)
        made_by = f"{self.embedder.fingerprint} {self.embedder.precision}".strip()
        self.prompts = {task["name"]: self.embedder.card.prompt_for(task["instruction"]) for task in data["tasks"]}
        current = all(self.files.get(path.name) == path.read_bytes() for path in PAGE.iterdir())
        whole = set(self.prompts.values()) <= set(stored.prompts) and len(stored.matrix) == n * len(stored.prompts)
        if isinstance(self.embedder, RemoteEmbedder) or made_by != stored.fingerprint or not current or not whole:
            raise ValueError(
                f"The page in {folder} was made by another version of the course, or by another {data['model']} than "
                "is on this machine. Make it again, with the command that made it."
            )
        self.private = copy(self.embedder)
        self.private.cache = None  # what a visitor types stays in memory
        self.max_length = None if stored.max_length == self.embedder.max_length else stored.max_length
        self.texts = [point["text_preview"] for point in points]
        # a file that was written at once holds them prompt by prompt, each in the order of the texts
        by_prompt = normalize(stored.matrix).reshape(len(stored.prompts), n, -1)
        self.spaces = {name: by_prompt[stored.prompts.index(prompt)] for name, prompt in self.prompts.items()}
        self.far = {name: far_from(space) for name, space in self.spaces.items()}
        self.places = {name: np.array([[p[f"{name}_x"], p[f"{name}_y"]] for p in points]) for name in self.prompts}
        self.lock, self.deadline = threading.Lock(), 0.0

    def options(self, prompt: str) -> EmbeddingOptions:
        """What the page was made with."""
        return EmbeddingOptions(prompt=prompt, max_length=self.max_length)

    def answer(self, visitor: Visitor) -> dict[str, Any]:
        """Where a text lies under each task, and, under an instruction of the visitor, beside which texts."""
        if not self.lock.acquire(timeout=PATIENCE):
            raise HTTPException(503, "The model is at work on what was asked before. Try again in a moment.")
        try:
            self.deadline = time.monotonic() + SECONDS
            note = (
                f"The maps are not drawn anew: it is placed between its {K} nearest neighbours, closer to the nearer."
            )
            unread = self.private.receipt([visitor.text], self.options(""))
            tasks = {name: self.place(visitor.text, name) for name in self.prompts}
            answer = {"text": visitor.text, "tasks": tasks, "note": f"{note} {unread}." if unread else note}
            return answer | {"asked": self.ask(visitor)} if visitor.instruction else answer
        finally:
            self.lock.release()

    def place(self, text: str, task: str) -> dict[str, Any]:
        """Where a text lies on the map of a task."""
        vector = self.private.encode(text, options=self.options(self.prompts[task]))
        found, cosines = nearest(vector, self.spaces[task], self.far[task])
        weights = 1 / (1 - cosines + 1e-6)  # so that a text of the page lands on itself
        x, y = (weights @ self.places[task][found["neighbours"]] / weights.sum()).round(3).tolist()
        return found | {"x": x, "y": y}

    def ask(self, visitor: Visitor) -> dict[str, Any]:
        """The texts nearest to a visitor's under an instruction that the page has no map of."""
        options = self.options(self.embedder.card.prompt_for(visitor.instruction))
        plain, asked = self.read(self.options("")), self.read(options)
        found, _ = nearest(self.private.encode(visitor.text, options=options), asked, far_from(asked))
        notes = [found["note"]]
        if not self.embedder.card.use_instructions:
            notes.append("This model was not taught to follow instructions: it reads the words as part of each text.")
        elif np.allclose(asked, plain, atol=1e-5):
            notes.append("This model leaves the vectors where they are for that instruction, which it was not taught.")
        if any(text.endswith(" …") for text in self.texts):
            notes.append("Of long texts only the beginning was read, as the page shows it.")
        return found | {"instruction": visitor.instruction, "note": " ".join(filter(None, notes))}

    def read(self, options: EmbeddingOptions) -> np.ndarray:
        """Embed the page's texts, as far as there is time; the cache has what was done before."""
        parts: list[np.ndarray] = []
        for start in range(0, len(self.texts), CHUNK):
            if time.monotonic() > self.deadline:
                done = f"{start:,} of the {len(self.texts):,} texts were read under that instruction"
                raise HTTPException(503, f"In {SECONDS:g} seconds {done}. Send it again, and it goes on from there.")
            parts.append(self.embedder.encode(self.texts[start : start + CHUNK], options=options))
        return np.concatenate(parts)


def far_from(vectors: np.ndarray) -> float:
    """The cosine to its nearest that 95 of 100 texts reach."""
    return float(np.percentile((vectors * vectors[nearest_neighbors(vectors, 1)[:, 0]]).sum(axis=1), 5))


def nearest(vector: np.ndarray, vectors: np.ndarray, far: float) -> tuple[dict[str, Any], np.ndarray]:
    """Say which texts are nearest to a unit vector, and whether that means anything; and their cosines."""
    cosines = np.clip(vectors @ vector, -1, 1)
    near = np.argsort(-cosines, kind="stable")[:K]
    note = FAR if cosines[near[0]] < far else ""
    return {"neighbours": near.tolist(), "cosine": round(float(cosines[near[0]]), 4), "note": note}, cosines[near]


def create_app(page: LivePage) -> FastAPI:
    """Make the service of a page: its files, and POST /place for who was given the token that stands in ``data.js``."""
    token = secrets.token_urlsafe()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    live = {"token": token, "maxText": MAX_TEXT, "maxInstruction": MAX_INSTRUCTION}
    files = page.files | {"data.js": page.files["data.js"] + f"window.LIVE = {json.dumps(live)};\n".encode()}

    @app.middleware("http")
    async def guard(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        told = request.headers.get
        known = secrets.compare_digest(told("x-course-token", "").encode(), token.encode())
        if request.method != "GET" and not (known and told("origin") == f"http://{told('host')}"):
            words = "Only the page itself may ask. If the server was started anew since it was opened, reload it."
            return JSONResponse({"detail": words}, 403)
        response = await answer(request)
        response.headers.update(GUARDS)
        return response

    app.add_middleware(SizeLimit, max_bytes=MAX_BYTES)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=("127.0.0.1", "localhost"), www_redirect=False)
    answer_plainly(app)

    app.post("/place")(page.answer)

    @app.get("/{name:path}")
    def file(name: str) -> Response:
        name = name or "index.html"
        if name not in files:
            raise HTTPException(404, "The page has no such file.")
        return Response(files[name], media_type=TYPES[Path(name).suffix])

    return app


def serve_page(out: Path, make: Callable[[], Any], browser: bool, port: int | None, anew: bool) -> None:
    """Serve the page of a folder until Ctrl-C; make it first where there is none, or (``anew``) none that fits."""
    try:
        listener = socket.create_server(("127.0.0.1", port or 0))
    except OSError:
        raise ValueError(f"Port {port} is taken, or not yours to take. Without --port it is a free one.") from None
    with listener:
        try:
            page = LivePage(out)
        except (KeyError, ValueError):
            if (out / "data.json").exists() and not anew:
                raise
            make()
            page = LivePage(out)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        print(f"The page is {url} on this machine, until Ctrl-C. What is typed there is not kept.")
        if browser:  # apart, because one in the terminal waits for the page
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        server: Any = uvicorn.Server(
            uvicorn.Config(create_app(page), log_level="warning", timeout_graceful_shutdown=30)
        )
        stop = server.handle_exit

        def end(*signal: Any) -> None:
            page.deadline = 0  # what is still being read ends as well
            stop(*signal)

        server.handle_exit = end
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
