"""A small web service around a saved value learner: ``course serve MODEL``.

Requests that arrive together are scored together. Answers to bad requests name the field, and no answer ever tells
where files lie or what went wrong inside: that goes to the server's own log. It has no passwords, so it belongs on this
machine or behind something that has; there it answers only who calls it by a name of this machine, which the page of
a stranger that a browser shows does not.
"""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated

import numpy as np
from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, Field, StringConstraints
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from course_utils.embedding import EndpointError
from course_utils.learning import EmbeddingValueLearner

LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]")
MAX_CHARACTERS = 20_000  # a text; the models read some thousand characters at most
MAX_TEXTS = 1_000  # a request
MAX_BYTES = 5_000_000  # a request; above what anyone sends by hand, below what fills the memory
MAX_HELD = 10 * MAX_BYTES  # of all requests together
SECONDS = 30.0  # that a request may take to arrive
MAX_WAITING = 2_000  # texts of all requests together that have no answer yet
BATCH = 32  # texts scored in one call; who comes meanwhile waits for no more than these

Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CHARACTERS, strip_whitespace=True)]


class TextIn(BaseModel):
    """One text."""

    text: Text


class TextsIn(BaseModel):
    """Several texts."""

    texts: Annotated[list[Text], Field(max_length=MAX_TEXTS)]


class ScoredText(BaseModel):
    """A text with its predicted score, in the units of the training scores."""

    text: str
    score: float


class Batcher:
    """Score the texts that wait at the same time in one call of the model.

    Parameters
    ----------
    predict : callable
        Texts in, array of as many scores out.

    Examples
    --------
    >>> batcher = Batcher(lambda texts: np.array([float(len(text)) for text in texts]))
    >>> async def ask():
    ...     worker = asyncio.create_task(batcher.work())
    ...     scores = await asyncio.gather(batcher.scores(["a walk"]), batcher.scores(["a queue", "a nap"]))
    ...     worker.cancel()
    ...     return scores
    >>> asyncio.run(ask())
    [[6.0], [7.0, 5.0]]
    """

    def __init__(self, predict: Callable[[Sequence[str]], np.ndarray]):
        self.predict, self.n_held = predict, 0
        self.waiting: asyncio.Queue[tuple[str, asyncio.Future]] = asyncio.Queue()
        self.turn = asyncio.Lock()

    async def scores(self, texts: Sequence[str]) -> list[float]:
        """Wait for the scores of texts. Many go in parts, between which others have their turn.

        Parameters
        ----------
        texts : sequence of str
            The texts.

        Returns
        -------
        list of float
            Their scores.

        Raises
        ------
        HTTPException
            503, if too many texts are waiting.
        """
        with self._room_for(len(texts)):
            parts = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
            return [score for part in parts for score in await self._queue(part)]

    async def alone(self, call: Callable[[Sequence[str]], list], texts: Sequence[str]) -> list:
        """Wait for a call with all texts at once; of such calls one runs at a time, so that threads are left.

        Parameters
        ----------
        call : callable
            What to call.
        texts : sequence of str
            The texts.

        Returns
        -------
        list
            What it gives.

        Raises
        ------
        HTTPException
            503, if too many texts are waiting.
        """
        with self._room_for(len(texts)):
            async with self.turn:
                return await run_in_threadpool(call, texts)

    async def work(self) -> None:
        """Serve until cancelled; an error reaches those whose text it is about, and nobody else."""
        while True:
            jobs = [await self.waiting.get()]
            while not self.waiting.empty() and len(jobs) < BATCH:
                jobs.append(self.waiting.get_nowait())
            # In a thread, so that new requests are taken in meanwhile.
            found = await run_in_threadpool(self._score_each, [text for text, _ in jobs])
            for (_, answer), score in zip(jobs, found, strict=True):
                if answer.done():
                    continue  # the client has gone
                if isinstance(score, Exception):
                    answer.set_exception(score)
                else:
                    answer.set_result(score)

    @contextmanager
    def _room_for(self, n_texts: int) -> Iterator[None]:
        if self.n_held + n_texts > MAX_WAITING:
            words = f"{self.n_held:,} texts are waiting, and no more than {MAX_WAITING:,} may. Try again later."
            raise HTTPException(503, words, {"Retry-After": "1"})
        self.n_held += n_texts
        try:
            yield
        finally:
            self.n_held -= n_texts

    async def _queue(self, texts: Sequence[str]) -> list[float]:
        answers = [asyncio.get_running_loop().create_future() for _ in texts]
        for job in zip(texts, answers, strict=True):
            self.waiting.put_nowait(job)
        return await asyncio.gather(*answers)

    def _score_each(self, texts: Sequence[str]) -> list[float | Exception]:
        """The score of each text, or its error; whose it is shows when halves are tried."""
        try:
            return self.predict(texts).tolist()
        except Exception as error:
            # an endpoint that gives nothing at all is not asked again and again
            if len(texts) == 1 or (isinstance(error, EndpointError) and not error.positions):
                return [error] * len(texts)
            middle = len(texts) // 2
            return self._score_each(texts[:middle]) + self._score_each(texts[middle:])


class SizeLimit:
    """Refuse a request as soon as too much of it has arrived, whatever it says of its size, or after ``SECONDS``.

    Too much is more than ``max_bytes`` of one, or ``MAX_HELD`` of all that are under way.

    Parameters
    ----------
    app : ASGI application
        What gets the requests that are small enough.
    max_bytes : int
        What is too much of one request. Default: ``MAX_BYTES``.

    Examples
    --------
    >>> app = FastAPI()
    >>> app.add_middleware(SizeLimit)
    """

    def __init__(self, app: ASGIApp, max_bytes: int = MAX_BYTES):
        self.app, self.max_bytes, self.held = app, max_bytes, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on once all of it has come.

        Parameters
        ----------
        scope, receive, send
            As ASGI has them.
        """
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        chunks: list[bytes] = []
        try:
            refusal = await self._read(receive, chunks)
            if refusal is not None:
                status, detail = refusal
                return await JSONResponse({"detail": detail}, status)(scope, receive, send)
            whole = [{"type": "http.request", "body": b"".join(chunks), "more_body": False}]

            async def replay() -> Message:
                return whole.pop() if whole else await receive()

            return await self.app(scope, replay, send)
        finally:
            self.held -= sum(map(len, chunks))

    async def _read(self, receive: Receive, chunks: list[bytes]) -> tuple[int, str] | None:
        """Read all of a request, or say with which status and words it is refused."""
        size = 0
        try:
            async with asyncio.timeout(SECONDS):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return 400, "The request broke off."  # nobody is there to read it
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
                    self.held += len(chunks[-1])
                    if size > self.max_bytes:
                        return 413, f"The request has more than {self.max_bytes:,} bytes."
                    if self.held > MAX_HELD:
                        return 503, "Too many large requests are under way. Try again later."
                    if not message.get("more_body", False):
                        return None
        except TimeoutError:
            return 408, f"The request did not arrive within {SECONDS:g} seconds."


def create_app(learner: EmbeddingValueLearner, hosts: Sequence[str] = ("*",)) -> FastAPI:
    """Make the service around a trained learner; ``/docs`` describes it to people, ``/openapi.json`` to programs.

    Parameters
    ----------
    learner : EmbeddingValueLearner
        What answers.
    hosts : sequence of str
        The names by which it may be called, such as those of :data:`LOOPBACK`. Default: any.

    Returns
    -------
    FastAPI
        The application.

    Examples
    --------
    >>> from fastapi.testclient import TestClient
    >>> learner = EmbeddingValueLearner(ridge_alpha=1).fit(["a walk", "a queue"], [9, 1])
    >>> with TestClient(create_app(learner)) as client:
    ...     client.get("/health").json()
    {'status': 'ok', 'examples': 2}
    """
    batcher: Batcher

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        nonlocal batcher
        batcher = Batcher(learner.predict)  # anew, because its queue belongs to the loop that runs
        worker = asyncio.create_task(batcher.work())
        yield
        worker.cancel()

    # FastAPI's own pages would load their scripts from the network
    about = {"title": "Value learner", "description": "Scores texts as it learned from examples."}
    app = FastAPI(**about, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(SizeLimit)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)  # asked before the other

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(_page(app))

    @app.get("/health")
    async def health() -> dict:
        """Say that the service is up, and what it learned from."""
        return {"status": "ok", "examples": learner.n_samples_}

    @app.post("/predict")
    async def predict(request: TextIn) -> ScoredText:
        """Score one text."""
        (score,) = await batcher.scores([request.text])
        return ScoredText(text=request.text, score=score)

    @app.post("/predict_batch")
    async def predict_batch(request: TextsIn) -> list[ScoredText]:
        """Score several texts, in their order."""
        scores = await batcher.scores(request.texts)
        return [ScoredText(text=text, score=score) for text, score in zip(request.texts, scores, strict=True)]

    @app.post("/rank")
    async def rank(request: TextsIn) -> list[ScoredText]:
        """Score texts and sort them, best first; repeated texts stay, those of equal score keep their order."""
        ranked = await batcher.alone(learner.rank_texts, request.texts)
        return [ScoredText(text=text, score=score) for text, score in ranked]

    answer_plainly(app)
    return app


def answer_plainly(app: FastAPI) -> None:
    """Let bad requests hear which field is wrong, and nobody what went wrong inside."""

    @app.exception_handler(RequestValidationError)
    async def name_the_field(request: Request, error: RequestValidationError) -> JSONResponse:
        # FastAPI's own answer repeats the input, which may be long, private or no valid UTF-8.
        detail = [{"field": ".".join(map(str, found["loc"][1:])), "message": found["msg"]} for found in error.errors()]
        return JSONResponse({"detail": detail}, 422)

    @app.exception_handler(Exception)
    async def say_nothing(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "The service could not answer. Its log says why."}, 500)


def _page(app: FastAPI) -> str:
    """What the service can do, in HTML that needs nothing else."""
    calls = [(method, path, about) for path, of in app.openapi()["paths"].items() for method, about in of.items()]
    lines = [
        f"<dt><code>{method.upper()} {path}</code></dt><dd>{about['description']}</dd>" for method, path, about in calls
    ]
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>{app.title}</title>
<h1>{app.title}</h1><p>{app.description}</p><dl>{"".join(lines)}</dl>
<pre>curl -s localhost:8000/predict -H 'Content-Type: application/json' -d '{{"text": "A walk in the woods"}}'
curl -s localhost:8000/rank -H 'Content-Type: application/json' -d '{{"texts": ["A walk", "A queue"]}}'</pre>
<p>Every field, for programs: <a href="openapi.json">openapi.json</a></p></html>"""


@contextmanager
def running(learner: EmbeddingValueLearner) -> Iterator[str]:
    """Run the service beside a notebook or a program, on this machine only, while a ``with`` block lasts.

    Parameters
    ----------
    learner : EmbeddingValueLearner
        What answers.

    Yields
    ------
    str
        Its address, on a free port. What was asked before the block ends is still answered.

    Examples
    --------
    >>> from urllib.request import urlopen
    >>> learner = EmbeddingValueLearner(ridge_alpha=1).fit(["a walk", "a queue"], [9, 1])
    >>> with running(learner) as address:
    ...     urlopen(f"{address}/health").read()
    b'{"status":"ok","examples":2}'
    """
    import uvicorn

    with socket.create_server(("127.0.0.1", 0)) as listener:  # it listens from here on, so nobody has to wait
        config = uvicorn.Config(create_app(learner, LOOPBACK), log_level="warning", timeout_graceful_shutdown=30)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), name="value service", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def serve(learner: EmbeddingValueLearner, host: str, port: int) -> None:
    """Run the service until Ctrl-C.

    Parameters
    ----------
    learner : EmbeddingValueLearner
        What answers.
    host : str
        The address to listen on; 127.0.0.1 is this machine only. With any other the service answers to any name.
    port : int
        The port.

    Examples
    --------
    >>> serve(learner, "127.0.0.1", 8000)  # doctest: +SKIP
    """
    import uvicorn

    here = host in LOOPBACK or host.startswith("127.")
    uvicorn.run(create_app(learner, (*LOOPBACK, host) if here else ("*",)), host=host, port=port, log_level="info")
