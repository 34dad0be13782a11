"""A small web service around a saved value learner: ``course serve MODEL``.

Requests that arrive together are scored together. Answers to bad requests name the field, and no answer ever tells
where files lie or what went wrong inside: that goes to the server's own log. It has no passwords, so it belongs on this
machine or behind something that has; there it answers only who calls it by a name of this machine, which the page of
a stranger that a browser shows does not.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

import numpy as np
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, Field, StringConstraints
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from course_utils.learning import EmbeddingValueLearner

LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]")
MAX_CHARACTERS = 20_000  # a text; the models read some thousand characters at most
MAX_TEXTS = 1_000  # a request to rank
MAX_BYTES = 5_000_000  # a request; above what anyone sends by hand, below what fills the memory
MAX_HELD = 10 * MAX_BYTES  # of all requests together
SECONDS = 30.0  # that a request may take to arrive
BATCH = 256  # single texts scored in one call

Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CHARACTERS, strip_whitespace=True)]


class TextIn(BaseModel):
    """One text."""

    text: Text


class TextsIn(BaseModel):
    """Texts to rank."""

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
    ...     scores = await asyncio.gather(batcher.score("a walk"), batcher.score("a queue"))
    ...     worker.cancel()
    ...     return scores
    >>> asyncio.run(ask())
    [6.0, 7.0]
    """

    def __init__(self, predict: Callable[[Sequence[str]], np.ndarray]):
        self.predict = predict
        self.waiting: asyncio.Queue[tuple[str, asyncio.Future]] = asyncio.Queue()

    async def score(self, text: str) -> float:
        """Wait for the score of a text.

        Parameters
        ----------
        text : str
            The text.

        Returns
        -------
        float
            Its score.
        """
        answer = asyncio.get_running_loop().create_future()
        await self.waiting.put((text, answer))
        return await answer

    async def work(self) -> None:
        """Serve until cancelled; an error reaches those whose texts were in that call, and nobody else."""
        while True:
            jobs = [await self.waiting.get()]
            while not self.waiting.empty() and len(jobs) < BATCH:
                jobs.append(self.waiting.get_nowait())
            try:
                # In a thread, so that new requests are taken in meanwhile.
                scores = (await run_in_threadpool(self.predict, [text for text, _ in jobs])).tolist()
            except Exception as error:
                for _, answer in jobs:
                    if not answer.done():  # done: the client has gone
                        answer.set_exception(error)
                continue
            for (_, answer), score in zip(jobs, scores, strict=True):
                if not answer.done():
                    answer.set_result(score)


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
    batcher = Batcher(learner.predict)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
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
        return ScoredText(text=request.text, score=await batcher.score(request.text))

    @app.post("/rank")
    async def rank(request: TextsIn) -> list[ScoredText]:
        """Score texts and sort them, best first; repeated texts stay, those of equal score keep their order."""
        ranked = await run_in_threadpool(learner.rank_texts, request.texts)
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
