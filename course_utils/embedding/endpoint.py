"""The same embedder over any OpenAI-compatible endpoint: a hosted model, or a server on this machine or the next.

A :class:`RemoteEmbedder` sends the texts that are not in the cache to ``BASE_URL/embeddings``, several requests at a
time. Waiting and asking again where a server is busy or a line drops is the ``openai`` client's own; what is added is
that every answer is checked (:mod:`course_utils.embedding.answers`), kept as soon as it is there, and asked for again
if it is broken.
"""

import asyncio
import difflib
import hashlib
import json
import logging
import os
import socket
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.util import find_spec
from queue import SimpleQueue
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from course_utils.embedding.answers import KNOWN, Answer, Failure, is_loopback, open_client, read_answer, read_refusal
from course_utils.embedding.base import Embedder, EmbeddingOptions, Parts
from course_utils.embedding.cache import Cache
from course_utils.embedding.catalog import ModelCard, UnknownModelError, find_model

logger = logging.getLogger(__name__)

_TRIES = 3  # of a request whose answer is broken; what HTTP itself calls an error is the client's to count
_PAUSE = 0.5  # seconds before the second of them
_GIVE_UP = 3  # texts that were refused before any was accepted: then it is not the texts
#: Short and of two meanings: they tell the dimensions of a vector, and whether the server looks at a text at all.
_TRIAL = ("How long is a vector?", "Tomorrow it will rain.")


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

    @property
    def doubt(self) -> str:
        """What may be wrong with the address, as a question."""
        if self.base_url.endswith("/v1"):
            return "is this the address of a server that speaks OpenAI's /v1/embeddings?"
        return f"is /v1 missing at the end of the address? Try {self.base_url.removesuffix('/api')}/v1"


#: Name -> Endpoint, in the order of endpoints.toml.
ENDPOINTS = {name: Endpoint(**preset) for name, preset in KNOWN["presets"].items()}
#: Two queries, two documents, and for some models the similarities that its makers state.
PUBLISHED_SIMILARITIES = KNOWN["published"]


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
        Seconds to wait for a whole answer.
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
        cache: Cache = True,
    ):
        self.endpoint = ENDPOINTS.get(endpoint) or Endpoint(_checked_url(endpoint))
        self.served_model, self.dimensions = model, dimensions
        self.connections = connections or self.endpoint.connections
        self.requests_per_minute, self.timeout = requests_per_minute, timeout
        self._varied = False  # whether two texts were seen to get two vectors
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

    def __getstate__(self) -> dict[str, Any]:
        raise TypeError(
            f"{self!r} is not copied, nor sent to another process, because it may hold a key. Pass its name on "
            f"(as 'openai:text-embedding-3-small'), and the key in the variable {self.endpoint.key_variable}."
        )

    def __repr__(self) -> str:
        return f"RemoteEmbedder({self.served_model!r} at {self.endpoint.base_url}, {self._dim or '?'} dimensions)"

    @property
    def embedding_dim(self) -> int:
        """Number of dimensions of a full vector; for a model that the catalogue does not know, two texts are sent."""
        if not self._dim:
            options = EmbeddingOptions(prompt="", max_length=self.max_length)
            self._dim = self._compute(list(_TRIAL), options, len(_TRIAL), False).shape[1]
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
        end = "" if why.endswith("?") else "."
        return EndpointError(f"{self!r} stopped: {why}{end} {self._kept()}; ask again to go on.")

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
        if is_loopback(url.hostname):  # the client would try for 20 seconds
            try:
                port = url.port or {"http": 80, "https": 443}[url.scheme]
                socket.create_connection((url.hostname, port), timeout=self.timeout).close()
            except OSError:
                raise self._stop("nothing answers there; is the server running?") from None

    async def _ask_all(self, texts: dict[int, str], batch_size: int, answers: SimpleQueue) -> dict[int, str]:
        """Put the vectors of all texts but those that are refused into a queue; return these positions, with reasons.

        A batch that is refused is halved until the text is found that is to blame.
        """
        todo, pace = self._batches(texts, batch_size), asyncio.Lock()
        refused: dict[int, str] = {}
        accepted, n_words, n_unread = False, 0, 0

        async def work() -> None:
            nonlocal accepted, n_words, n_unread
            while todo:
                batch = todo.popleft()
                if self.requests_per_minute:
                    await pace.acquire()
                    asyncio.get_running_loop().call_later(60 / self.requests_per_minute, pace.release)
                asked = [texts[position] for position in batch]
                answer = await self._request(client, asked)
                if isinstance(answer, Answer):
                    await self._check_varied(client, answer.vectors)
                    accepted = True
                    n_words += (sent := sum(len(text.split()) for text in asked))
                    n_unread += max(sent - answer.tokens, 0) if answer.tokens else 0  # a word is a token at least
                    answers.put((batch, answer.vectors))
                elif not answer.may_be_one_text:
                    raise self._stop(answer.why)
                elif len(batch) > 1:
                    todo.extendleft([batch[len(batch) // 2 :], batch[: len(batch) // 2]])
                else:
                    refused[batch[0]] = answer.why
                    if not self._dim:  # only the course's own texts are sent before it is known
                        raise self._stop(_refused(answer.why))
                    if not accepted and not answer.is_one_text and len(refused) >= _GIVE_UP:
                        raise self._stop(f"it refuses every text ({answer.why})")

        key = self._key_now() or "none"
        try:
            # where one of the workers stops, the others are cancelled
            async with (
                open_client(self.endpoint.base_url, key, self.timeout, self.max_retries) as client,
                asyncio.TaskGroup() as workers,
            ):
                for _ in range(self.connections):
                    workers.create_task(work())
        except ExceptionGroup as stops:
            raise stops.exceptions[0] from None
        if n_unread:
            unread = f"{100 * n_unread / n_words:.0f} % of the words, or more"
            logger.warning("%r cuts texts: by its own count it did not read %s.", self, unread)
        return refused

    async def _check_varied(self, client: Any, vectors: np.ndarray) -> None:
        """Ask for two texts of our own where nothing has shown yet that vectors depend on their texts."""
        if not self._varied and np.allclose(vectors, vectors[0], rtol=1e-3):
            trial = await self._request(client, list(_TRIAL))
            if isinstance(trial, Failure):
                raise self._stop(_refused(trial.why))
            if np.allclose(trial.vectors, trial.vectors[0], rtol=1e-3):
                raise self._stop("it gives one vector for all texts, as a model does that did not load")
        self._varied = True

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

    async def _request(self, client: Any, texts: list[str]) -> Answer | Failure:
        import httpx2
        import openai

        body: dict[str, Any] = {"input": texts, "model": self.served_model}
        body |= {"dimensions": self.dimensions} if self.dimensions else {}
        for attempt in range(_TRIES):
            await asyncio.sleep(_PAUSE * attempt)
            try:
                raw = await client.post("/embeddings", body=body, cast_to=httpx2.Response)
                answer = read_answer(raw.text, len(texts), self._dim, self.endpoint.doubt)
            except openai.APIStatusError as error:
                return read_refusal(error.status_code, error.response.text, self.endpoint.doubt)
            except openai.APIConnectionError:
                why = f"no whole answer within {self.timeout:g} seconds, or no connection"
                return Failure(f"{why}; is the server running?")
            except Exception as error:  # its words are not ours, and may hold a key or a text
                return Failure(f"{type(error).__name__} in the client")
            if isinstance(answer, Answer) or answer.is_one_text:
                break
        return answer


def nearest_endpoint(name: str) -> str:
    """The preset that may be meant by a misspelt name, or ""."""
    return next(iter(difflib.get_close_matches(name.strip().lower(), ENDPOINTS, n=1)), "")


def _refused(why: str) -> str:
    return f"it refuses two short texts of the course's own, sent to try it ({why})"


def _checked_url(url: str) -> str:
    """A base URL without its end; its words are kept out of the message, as it may hold a password."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        hint = f" Did you mean {close!r}?" if (close := nearest_endpoint(url)) else ""
        raise ValueError(f"endpoint must be one of {', '.join(ENDPOINTS)}, or an address that begins with http.{hint}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("endpoint must not hold a user name, a password or what follows a ?; give api_key= instead.")
    return url.rstrip("/").removesuffix("/embeddings")
