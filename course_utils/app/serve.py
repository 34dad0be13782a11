"""A small web service around a saved value learner: ``course serve MODEL``.

Requests that arrive together are scored together. Answers to bad requests name the field, and no answer ever tells
where files lie or what went wrong inside: that goes to the server's own log. It has no passwords, so it belongs on this
machine or behind something that has.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

import numpy as np
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, StringConstraints
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from course_utils.learning import EmbeddingValueLearner

MAX_CHARACTERS = 20_000  # a text; the models read some thousand characters at most
MAX_TEXTS = 1_000  # a request to rank
MAX_BYTES = 5_000_000  # a request; above what anyone sends by hand, below what fills the memory
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
    """Refuse a request as soon as more than ``MAX_BYTES`` of it have arrived, whatever it says of its size.

    Parameters
    ----------
    app : ASGI application
        What gets the requests that are small enough.

    Examples
    --------
    >>> app = FastAPI()
    >>> app.add_middleware(SizeLimit)
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on once all of it has come.

        Parameters
        ----------
        scope, receive, send
            As ASGI has them.
        """
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        chunks, size = [], 0
        while True:
            message = await receive()
            if message["type"] != "http.request":  # the client has gone
                return None
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > MAX_BYTES:
                refusal = JSONResponse({"detail": f"The request has more than {MAX_BYTES:,} bytes."}, status_code=413)
                return await refusal(scope, receive, send)
            if not message.get("more_body", False):
                break
        whole = [{"type": "http.request", "body": b"".join(chunks), "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        return await self.app(scope, replay, send)


def create_app(learner: EmbeddingValueLearner) -> FastAPI:
    """Make the service around a trained learner; ``/docs`` describes it, for people and as OpenAPI.

    Parameters
    ----------
    learner : EmbeddingValueLearner
        What answers.

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

    app = FastAPI(title="Value learner", description="Scores texts as it learned from examples.", lifespan=lifespan)
    app.add_middleware(SizeLimit)

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

    @app.exception_handler(RequestValidationError)
    async def name_the_field(request: Request, error: RequestValidationError) -> JSONResponse:
        # FastAPI's own answer repeats the input, which may be long, private or no valid UTF-8.
        detail = [{"field": ".".join(map(str, found["loc"][1:])), "message": found["msg"]} for found in error.errors()]
        return JSONResponse({"detail": detail}, 422)

    @app.exception_handler(Exception)
    async def say_nothing(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "The service could not answer. Its log says why."}, 500)

    return app


def serve(learner: EmbeddingValueLearner, host: str, port: int) -> None:
    """Run the service until Ctrl-C.

    Parameters
    ----------
    learner : EmbeddingValueLearner
        What answers.
    host : str
        The address to listen on; 127.0.0.1 is this machine only.
    port : int
        The port.

    Examples
    --------
    >>> serve(learner, "127.0.0.1", 8000)  # doctest: +SKIP
    """
    import uvicorn

    uvicorn.run(create_app(learner), host=host, port=port, log_level="info")
