"""The same embedder over any OpenAI-compatible endpoint: a hosted model, or a server on this machine or the next.

A :class:`RemoteEmbedder` sends the texts that are not in the cache to ``BASE_URL/embeddings``, several requests at a
time. Waiting and asking again where a server is busy or a line drops is the ``openai`` client's own; what is added is
that every answer is checked, kept as soon as it is there, and asked for again if it is broken. Nothing that a server
says is repeated in an error, because servers like to quote the key or the text.
"""

import asyncio
import hashlib
import json
import logging
import os
import socket
import tomllib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from course_utils.embedding.base import Embedder, EmbeddingOptions, Parts
from course_utils.embedding.cache import EmbeddingCache
from course_utils.embedding.catalog import ModelCard, UnknownModelError, find_model

logger = logging.getLogger(__name__)

_TRIES = 3  # of a request whose answer is broken; what HTTP itself calls an error is the client's to count
_PAUSE = 0.5  # seconds before the second of them
_GIVE_UP = 3  # texts that were refused before any was accepted: then it is not the texts
_MAY_BE_ONE_TEXT = (400, 413, 422, 500)  # some servers answer 500 where one text of a batch gives no number


class EndpointError(RuntimeError):
    """An endpoint did not give all the vectors; those that came are in the cache.

    ``positions`` tells which texts were refused (``sentences[i]``); it is empty where the whole run stopped.
    """

    def __init__(self, message: str, positions: tuple[int, ...] = ()):
        super().__init__(message)
        self.positions = positions


class Endpoint(NamedTuple):
    """Where a server is (without ``/embeddings``), which variable holds its key, and what it takes at once."""

    base_url: str
    key_variable: str = "EMBEDDINGS_API_KEY"
    needs_key: bool = False
    texts: int = 32  # a request
    characters: int = 60_000  # a request; a longer text goes alone
    connections: int = 8  # at once; a server on a laptop has enough to do with two


_KNOWN = tomllib.loads(Path(__file__).with_name("endpoints.toml").read_text(encoding="utf-8"))
#: Name -> Endpoint, in the order of endpoints.toml.
ENDPOINTS = {name: Endpoint(**preset) for name, preset in _KNOWN["presets"].items()}


class _Failure(NamedTuple):
    """Why a request gave no vectors, and whether one of its texts may be the reason; if not, the whole run stops."""

    why: str
    may_be_one_text: bool = False


class RemoteEmbedder(Embedder):
    """A model behind an endpoint, with the same methods, options and cache as one that runs here.

    Parameters
    ----------
    endpoint : str
        A name in :data:`ENDPOINTS`, or a base URL such as ``"http://localhost:8080/v1"``.
    model : str
        The model's name at that endpoint.
    card : str, optional
        Catalogue name of the model, for its prompts. None: found by ``model`` where that is possible
        (``"qwen3-embedding:0.6b"`` is Qwen3-Embedding-0.6B).
    api_key : str, optional
        The key. None reads the endpoint's environment variable, a safer place than a notebook.
    dimensions : int, optional
        Ask the server for shorter vectors; not every server can. ``truncate_dim`` works everywhere.
    connections : int, optional
        Requests under way at once; None is the endpoint's own number.
    requests_per_minute : float, optional
        Begin no more than that; None for no limit. A request that is repeated counts once.
    timeout : float, default 120.0
        Seconds to wait for an answer.
    cache : EmbeddingCache or bool, default True
        As in :func:`~course_utils.embedding.load_embedder`. Without one, what came before an error is lost.

    Attributes
    ----------
    max_retries : int
        How often the client asks again after a refusal for load, an error of the server, a timeout or a dropped
        connection, waiting longer each time, or as long as the server says (up to two minutes).

    Examples
    --------
    >>> from course_utils.embedding import RemoteEmbedder
    >>> RemoteEmbedder("ollama", "qwen3-embedding:0.6b", cache=False)
    RemoteEmbedder('qwen3-embedding:0.6b' at http://localhost:11434/v1, 1024 dimensions)
    """

    max_retries = 6

    def __init__(
        self,
        endpoint: str,
        model: str,
        *,
        card: str | None = None,
        api_key: str | None = None,
        dimensions: int | None = None,
        connections: int | None = None,
        requests_per_minute: float | None = None,
        timeout: float = 120.0,
        cache: EmbeddingCache | bool = True,
    ):
        self.endpoint = ENDPOINTS.get(endpoint) or Endpoint(_checked_url(endpoint))
        self.served_model, self.dimensions = model, dimensions
        self.connections = connections or self.endpoint.connections
        self.requests_per_minute, self.timeout = requests_per_minute, timeout
        # In a function, so that nothing that lists attributes shows the key.
        self._key_now = lambda: (api_key or os.environ.get(self.endpoint.key_variable, "")).strip()
        try:
            described = find_model(card or model.replace(":", "-"))
        except UnknownModelError:
            if card is not None:
                raise
            described = ModelCard(model, n_parameters=0, embed_dim=0, max_tokens=0)
        # Hashed, because files of vectors carry it, and the name of a server may be nobody's business.
        decides = hashlib.sha256(json.dumps([self.endpoint.base_url, model, dimensions]).encode()).hexdigest()
        dim = dimensions or described.embed_dim  # 0: not known yet
        super().__init__(described, decides, described.max_tokens, dim, cache)

    def __repr__(self) -> str:
        return f"RemoteEmbedder({self.served_model!r} at {self.endpoint.base_url}, {self._dim or '?'} dimensions)"

    @property
    def embedding_dim(self) -> int:
        """Number of dimensions of a full vector; for a model that the catalogue does not know, one text is sent."""
        if not self._dim:
            options = EmbeddingOptions(prompt="", max_length=self.max_length)
            self._dim = self._compute(["How long is a vector?"], options, 1, False).shape[1]
        return self._dim

    def _checked_length(self, max_length: int | None) -> int:
        if max_length is not None:
            logger.warning("An endpoint decides itself where a text is cut: max_length is not used.")
        return self.max_length

    def _parts(self, texts: list[str], positions: list[int], options: EmbeddingOptions, batch_size: int) -> Parts:
        self._check_way()
        prompted = {position: f"{options.prompt}{texts[position]}" for position in positions}
        answers: SimpleQueue = SimpleQueue()
        loop = asyncio.new_event_loop()  # of its own, in a thread, because a notebook has one running already
        asking = loop.create_task(self._ask_all(prompted, batch_size, answers))
        with closing(loop), ThreadPoolExecutor(1) as thread:
            end = thread.submit(loop.run_until_complete, asking)
            end.add_done_callback(answers.put)
            try:
                while (answer := answers.get()) is not end:
                    yield answer
            finally:  # also after Ctrl-C: nothing new is asked for, and what is under way is cancelled
                loop.call_soon_threadsafe(asking.cancel)
        refused = asking.result()
        if refused:
            positions = sorted(refused)
            named = ", ".join(f"sentences[{position}]" for position in positions[:5])
            more = f" and {len(positions) - 5} more (the error's positions)" if len(positions) > 5 else ""
            raise EndpointError(
                f"{len(positions)} of {len(texts)} texts have no vector: {named}{more}. The last answer to one: "
                f"{list(refused.values())[-1]}. {self._kept()}; leave these out, or change them, and ask again.",
                tuple(positions),
            )

    def _stop(self, why: str) -> EndpointError:
        return EndpointError(f"{self!r} stopped: {why}. {self._kept()}; ask again to go on.")

    def _kept(self) -> str:
        return "There is no cache, so what came is lost" if self.cache is None else "What came is in the cache"

    def _check_way(self) -> None:
        """Raise what stands in the way before anything is sent."""
        key, url = self._key_now(), urlsplit(self.endpoint.base_url)
        if find_spec("openai") is None:
            remedy = 'python -m pip install -c constraints.txt -e ".[remote]"'
            raise self._stop(f"the package openai is missing; install it with `{remedy}`")
        if self.endpoint.needs_key and not key:
            raise self._stop(f"it needs a key in the environment variable {self.endpoint.key_variable}")
        if not (key.isascii() and key.isprintable()):
            raise self._stop("the key holds characters that no key has; was it copied whole, and nothing else?")
        if url.hostname in ("localhost", "127.0.0.1"):  # the client would try for 20 seconds
            try:
                port = url.port or {"http": 80, "https": 443}[url.scheme]
                socket.create_connection((url.hostname, port), timeout=self.timeout).close()
            except OSError:
                raise self._stop("nothing answers there; is the server running?") from None

    async def _ask_all(self, texts: dict[int, str], batch_size: int, answers: SimpleQueue) -> dict[int, str]:
        """Put the vectors of all texts but those that are refused into a queue; return these positions, with reasons.

        A batch that is refused is halved until the text is found that is to blame.
        """
        from openai import AsyncOpenAI

        todo, pace = self._batches(texts, batch_size), asyncio.Lock()
        refused: dict[int, str] = {}
        accepted = False

        async def work() -> None:
            nonlocal accepted
            while todo:
                batch = todo.popleft()
                if self.requests_per_minute:
                    await pace.acquire()
                    asyncio.get_running_loop().call_later(60 / self.requests_per_minute, pace.release)
                answer = await self._request(client, [texts[position] for position in batch])
                if isinstance(answer, np.ndarray):
                    accepted = True
                    answers.put((batch, answer))
                elif not answer.may_be_one_text:
                    raise self._stop(answer.why)
                elif len(batch) > 1:
                    todo.extendleft([batch[len(batch) // 2 :], batch[: len(batch) // 2]])
                else:
                    refused[batch[0]] = answer.why
                    if not accepted and len(refused) >= _GIVE_UP:
                        raise self._stop(f"it refuses every text ({answer.why})")

        settings = {"base_url": self.endpoint.base_url, "timeout": self.timeout, "max_retries": self.max_retries}
        try:
            async with AsyncOpenAI(api_key=self._key_now() or "none", **settings) as client:
                client.organization = client.project = None  # read from OPENAI_… whatever the endpoint is
                async with asyncio.TaskGroup() as workers:  # where one of them stops, the others are cancelled
                    for _ in range(self.connections):
                        workers.create_task(work())
        except ExceptionGroup as stops:
            raise stops.exceptions[0] from None
        return refused

    def _batches(self, texts: dict[int, str], batch_size: int) -> deque[list[int]]:
        batches: deque[list[int]] = deque()
        characters_left = 0
        for position, text in texts.items():
            full = not batches or len(batches[-1]) == min(batch_size, self.endpoint.texts)
            if full or len(text) > characters_left:
                batches.append([])
                characters_left = self.endpoint.characters
            batches[-1].append(position)
            characters_left -= len(text)
        return batches

    async def _request(self, client: Any, texts: list[str]) -> np.ndarray | _Failure:
        import openai

        options = {"dimensions": self.dimensions} if self.dimensions else {}
        for attempt in range(_TRIES):
            await asyncio.sleep(_PAUSE * attempt)
            try:
                raw = await client.embeddings.with_raw_response.create(
                    input=texts, model=self.served_model, encoding_format="float", **options
                )
                answer = _checked_vectors(raw.text, len(texts), self._dim)
                if isinstance(answer, np.ndarray):
                    break
            except openai.APIStatusError as error:
                code = error.status_code
                return _Failure(
                    f"HTTP {code}, {_KNOWN['refusals'].get(str(code), 'the server failed')}", code in _MAY_BE_ONE_TEXT
                )
            except openai.APIConnectionError:
                return _Failure(f"no answer within {self.timeout:g} seconds, or no connection; is the server running?")
            except Exception as error:  # its words are not ours, and may hold a key or a text
                return _Failure(f"{type(error).__name__} in the client")
        return answer


def _checked_vectors(answer: str, n_texts: int, dim: int) -> np.ndarray | _Failure:
    """The vectors of an answer in the order of the texts; ``dim`` 0 takes any number of dimensions."""
    try:
        data = json.loads(answer)["data"]
        vector_of = {row["index"]: row["embedding"] for row in data}
        vectors = np.array([vector_of[position] for position in range(n_texts)], dtype=np.float32)
        if len(data) != n_texts or vectors.ndim != 2:
            raise ValueError("too many rows, or numbers in place of vectors")
    except (ValueError, TypeError, KeyError):
        return _Failure("the answer is not one vector of one length for each text of the request", True)
    if dim and vectors.shape[1] != dim:
        return _Failure(f"vectors of {vectors.shape[1]} dimensions came, not of {dim}; is it the right model?", True)
    if not np.isfinite(vectors).all():
        return _Failure("a vector holds values that are no numbers (NaN)", True)
    return vectors


def _checked_url(url: str) -> str:
    """A base URL without its end; its words are kept out of the message, as it may hold a password."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"endpoint must be one of {', '.join(ENDPOINTS)}, or an address that begins with http.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("endpoint must not hold a user name, a password or what follows a ?; give api_key= instead.")
    return url.rstrip("/").removesuffix("/embeddings")
