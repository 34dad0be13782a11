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
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import numpy as np

from course_utils.embedding.cache import EmbeddingCache
from course_utils.embedding.catalog import ModelCard, UnknownModelError, find_model
from course_utils.embedding.embedder import Embedder

logger = logging.getLogger(__name__)

_TRIES = 3  # of a request whose answer is broken; what HTTP itself calls an error is the client's to count
_PAUSE = 0.5  # seconds before the second of them
_GIVE_UP = 3  # texts that were refused before any was accepted: then it is not the texts
_REFUSED = "the request was refused; is a text empty or too long, and does the model take these options?"
_WHY = dict.fromkeys((400, 413, 422), _REFUSED) | {
    401: "the key was refused",
    402: "the account has no credit left",
    403: "the key gives no right to this model",
    404: "there is no such model or address; a base URL mostly ends in /v1",
    429: "too many requests, or no credit left; wait, or give fewer connections= or requests_per_minute=",
}
_MAY_BE_ONE_TEXT = (400, 413, 422, 500)  # some servers answer 500 where one text of a batch gives no number


class EndpointError(RuntimeError):
    """An endpoint did not give all the vectors; those that came are in the cache.

    ``positions`` tells which texts were refused (``sentences[i]``); it is empty where the whole run stopped.
    """

    def __init__(self, message: str, positions: tuple[int, ...] = ()):
        super().__init__(message)
        self.positions = positions


@dataclass(frozen=True)
class Endpoint:
    """Where a server is (without ``/embeddings``), which variable holds its key, and what it takes at once."""

    base_url: str
    key_variable: str = "EMBEDDINGS_API_KEY"
    needs_key: bool = False
    texts: int = 32  # a request
    characters: int = 60_000  # a request; a longer text goes alone
    connections: int = 8  # at once; a server on a laptop has enough to do with two


#: The presets. Limits are those of the services' documentation where it gives any, else careful guesses.
ENDPOINTS = {
    "siliconflow": Endpoint("https://api.siliconflow.com/v1", "SILICONFLOW_API_KEY", needs_key=True),
    "openrouter": Endpoint("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", needs_key=True),
    "openai": Endpoint("https://api.openai.com/v1", "OPENAI_API_KEY", needs_key=True, texts=2048, characters=200_000),
    "ollama": Endpoint("http://localhost:11434/v1", "OLLAMA_API_KEY", texts=8, characters=20_000, connections=2),
    "llama.cpp": Endpoint("http://localhost:8080/v1", "LLAMA_API_KEY", texts=8, characters=20_000, connections=2),
    "vllm": Endpoint("http://localhost:8000/v1", "VLLM_API_KEY"),
    "tei": Endpoint("http://localhost:8080/v1", "TEI_API_KEY"),  # Hugging Face's text-embeddings-inference
}


class RemoteEmbedder(Embedder):
    """A model behind an endpoint, with the same methods, options and cache as one that runs here.

    Parameters
    ----------
    endpoint : a name in :data:`ENDPOINTS`, or a base URL such as ``"http://localhost:8080/v1"``.
    model : the model's name at that endpoint.
    card : catalogue name of the model, for its prompts. None: found by ``model`` where that is possible
        (``"qwen3-embedding:0.6b"`` is Qwen3-Embedding-0.6B).
    api_key : the key. None reads the endpoint's environment variable, a safer place than a notebook.
    dimensions : ask the server for shorter vectors; not every server can. ``truncate_dim`` works everywhere.
    connections : requests under way at once; None is the endpoint's own number.
    requests_per_minute : begin no more than that; None for no limit. The client's own repeats are not counted.
    timeout : seconds to wait for an answer.
    max_retries : how often the client asks again after a refusal for load, an error of the server, a timeout or a
        dropped connection, waiting longer each time, or as long as the server says (up to two minutes).
    cache : as in :func:`~course_utils.embedding.load_embedder`. Without one, what came before an error is lost.
    """

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
        max_retries: int = 6,
        cache: EmbeddingCache | bool | None = True,
    ):
        self.endpoint = ENDPOINTS.get(endpoint) or Endpoint(_checked_url(endpoint))
        self.served_model, self.dimensions = model, dimensions
        self.connections = connections or self.endpoint.connections
        self.requests_per_minute, self.timeout, self.max_retries = requests_per_minute, timeout, max_retries
        # In a function, so that nothing that lists attributes shows the key.
        self._key_now = lambda: (api_key or os.environ.get(self.endpoint.key_variable, "")).strip()
        try:
            known = find_model(card or model.replace(":", "-"))
        except UnknownModelError:
            if card is not None:
                raise
            known = ModelCard(model, n_parameters=0, embed_dim=0, max_tokens=0)
        self._dim = dimensions or known.embed_dim  # 0: not known yet
        decides = json.dumps([self.endpoint.base_url, model, dimensions])
        if isinstance(cache, bool):
            cache = EmbeddingCache() if cache else None
        # Hashed, because files of vectors carry it, and the name of a server may be nobody's business.
        super().__init__(None, known, hashlib.sha256(decides.encode()).hexdigest(), cache)

    def __repr__(self) -> str:
        return f"RemoteEmbedder({self.served_model!r} at {self.endpoint.base_url}, {self._dim or '?'} dimensions)"

    @property
    def embedding_dim(self) -> int:
        """Number of dimensions of a full vector; for a model that the catalogue does not know, one text is sent."""
        if not self._dim:
            self._dim = self._full_vectors(["How long is a vector?"], "", self.max_length, 1, False).shape[1]
        return self._dim

    def _encode(self, sentences, options, batch_size, show_progress_bar) -> np.ndarray:
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size} must be 1 or more.")
        if options.max_length is not None:
            logger.warning("An endpoint decides itself where a text is cut: max_length is not used.")
            options = replace(options, max_length=None)
        return super()._encode(sentences, options, batch_size, show_progress_bar)

    def _compute(self, texts, prompt, max_length, batch_size, show_progress_bar) -> np.ndarray:
        todo = {text.encode(): position for position, text in reversed(list(enumerate(texts)))}
        found = {}
        for new in self._compute_in_parts(texts, todo, prompt, max_length, batch_size):
            found |= new
        return np.stack([found[text.encode()] for text in texts])

    def _compute_in_parts(self, texts, todo, prompt, max_length, batch_size) -> Iterator[dict[bytes, np.ndarray]]:
        run = _Run(self, {key: prompt + texts[position] for key, position in todo.items()}, batch_size)
        # In a thread with an event loop of its own, because a notebook has one running already.
        threading.Thread(target=run.work, daemon=True).start()
        try:
            while (new := run.arrived.get()) is not None:
                yield new
        finally:
            run.stopped = True  # also after Ctrl-C: nothing new is asked for
        kept = "There is no cache, so what came is lost" if self.cache is None else "What came is in the cache"
        if run.why:
            raise EndpointError(f"{self!r} stopped: {run.why}. {kept}; ask again to go on.")
        if run.refused:
            positions = sorted(todo[key] for key in run.refused)
            named = ", ".join(f"sentences[{position}]" for position in positions[:5])
            more = f" and {len(positions) - 5} more (the error's positions)" if len(positions) > 5 else ""
            raise EndpointError(
                f"{len(positions)} of {len(texts)} texts have no vector: {named}{more}. The last answer to one: "
                f"{list(run.refused.values())[-1]}. {kept}; leave these out, or change them, and ask again.",
                tuple(positions),
            )


class _Run:
    """The requests of one call of ``encode``: their batches, their pace, what arrived and what went wrong."""

    def __init__(self, embedder: RemoteEmbedder, texts: dict[bytes, str], batch_size: int):
        self.embedder, self.texts = embedder, texts
        self.most_texts = min(batch_size, embedder.endpoint.texts)
        self.arrived = queue.SimpleQueue()  # of {key: vector}; None at the end
        self.refused: dict[bytes, str] = {}  # key -> why
        self.accepted = self.stopped = False
        self.why = ""  # the whole run stopped
        self.next_start = 0.0

    def work(self) -> None:
        try:
            asyncio.run(self.ask_all())
        except Exception as error:  # its words are not ours, and may hold a key or a text
            self.stop(f"{type(error).__name__} in the client")
        finally:
            self.arrived.put(None)

    def stop(self, why: str) -> None:
        self.stopped, self.why = True, self.why or why

    def batches(self) -> Iterator[list[bytes]]:
        batch, characters = [], 0
        for key, text in self.texts.items():
            if batch and (len(batch) == self.most_texts or characters + len(text) > self.embedder.endpoint.characters):
                yield batch
                batch, characters = [], 0
            batch.append(key)
            characters += len(text)
        if batch:
            yield batch

    async def ask_all(self) -> None:
        try:
            from openai import AsyncOpenAI
        except ImportError:
            remedy = 'python -m pip install -c constraints.txt -e ".[remote]"'
            return self.stop(f"the package openai is missing; install it with `{remedy}`")
        remote, key = self.embedder, self.embedder._key_now()
        url = urlsplit(remote.endpoint.base_url)
        if remote.endpoint.needs_key and not key:
            return self.stop(f"it needs a key in the environment variable {remote.endpoint.key_variable}")
        if not (key.isascii() and key.isprintable()):
            return self.stop("the key holds characters that no key has; was it copied whole, and nothing else?")
        if url.hostname in ("localhost", "127.0.0.1"):  # the client would try for 20 seconds
            try:
                port = url.port or {"http": 80, "https": 443}[url.scheme]
                (await asyncio.open_connection(url.hostname, port))[1].close()
            except OSError:
                return self.stop("nothing answers there; is the server running?")
        self.slots = asyncio.Semaphore(remote.connections)
        async with AsyncOpenAI(
            api_key=key or "none",
            base_url=remote.endpoint.base_url,
            timeout=remote.timeout,
            max_retries=remote.max_retries,
        ) as self.client:
            self.client.organization = self.client.project = None  # read from OPENAI_… whatever the endpoint is
            await asyncio.gather(*map(self.ask, self.batches()))

    async def ask(self, keys: list[bytes]) -> None:
        """Get the vectors of a batch; where it is refused, halve it until the text is found that is to blame."""
        async with self.slots:
            vectors, why, may_be_one_text = await self.request([self.texts[key] for key in keys])
        if vectors is not None:
            self.accepted = True
            self.arrived.put(dict(zip(keys, vectors, strict=True)))
        elif self.stopped or not may_be_one_text:
            self.stop(why)
        elif len(keys) > 1:
            await asyncio.gather(self.ask(keys[: len(keys) // 2]), self.ask(keys[len(keys) // 2 :]))
        else:
            self.refused[keys[0]] = why
            if not self.accepted and len(self.refused) >= _GIVE_UP:
                self.stop(f"it refuses every text ({why})")

    async def request(self, texts: list[str]) -> tuple[np.ndarray | None, str, bool]:
        """Return the vectors; or None, why, and whether a single text may be the reason."""
        import openai

        options = {"dimensions": self.embedder.dimensions} if self.embedder.dimensions else {}
        for attempt in range(_TRIES):
            await self.wait_for_turn(attempt)
            if self.stopped:
                return None, "", False
            try:
                raw = await self.client.embeddings.with_raw_response.create(
                    input=texts, model=self.embedder.served_model, encoding_format="float", **options
                )
                return _checked_vectors(raw.text, len(texts), self.embedder._dim), "", False
            except _BrokenAnswer as broken:
                why = str(broken)
            except openai.APIStatusError as error:
                code = error.status_code
                return None, f"HTTP {code}, {_WHY.get(code, 'the server failed')}", code in _MAY_BE_ONE_TEXT
            except openai.APIConnectionError:
                why = f"no answer within {self.embedder.timeout:g} seconds, or no connection; is the server running?"
                return None, why, False
        return None, why, True

    async def wait_for_turn(self, attempt: int) -> None:
        if self.embedder.requests_per_minute:
            now = time.monotonic()
            mine = max(now, self.next_start)
            self.next_start = mine + 60 / self.embedder.requests_per_minute
            await asyncio.sleep(mine - now)
        elif attempt:
            await asyncio.sleep(_PAUSE * attempt)


class _BrokenAnswer(ValueError):
    pass


def _checked_vectors(answer: str, n_texts: int, dim: int) -> np.ndarray:
    """Return the vectors of an answer in the order of the texts; ``dim`` 0 takes any number of dimensions."""
    try:
        data = json.loads(answer)["data"]
        rows = {row["index"]: row["embedding"] for row in data}
        vectors = np.array([rows[position] for position in range(n_texts)], dtype=np.float32)
    except (ValueError, TypeError, KeyError):
        data, vectors = [], np.empty(0)
    if len(data) != n_texts or vectors.ndim != 2:
        raise _BrokenAnswer("the answer is not one vector of one length for each text of the request")
    if dim and vectors.shape[1] != dim:
        raise _BrokenAnswer(f"vectors of {vectors.shape[1]} dimensions came, not of {dim}; is it the right model?")
    if not np.isfinite(vectors).all():
        raise _BrokenAnswer("a vector holds values that are no numbers (NaN)")
    return vectors


def _checked_url(url: str) -> str:
    """Return a base URL without its end; its words are kept out of the message, as it may hold a password."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"endpoint must be one of {', '.join(ENDPOINTS)}, or an address that begins with http.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("endpoint must not hold a user name, a password or what follows a ?; give api_key= instead.")
    return url.rstrip("/").removesuffix("/embeddings")
