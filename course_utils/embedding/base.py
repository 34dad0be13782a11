"""Text in, float32 matrix out: what all embedders have in common, wherever their vectors come from.

An :class:`Embedder` checks texts and options, puts the exact prompt before each text that the model's makers trained
it with, and finishes the vectors (fewer dimensions, length 1). How full vectors come about is for its four children:
models of sentence-transformers, models that other packages run, models behind an endpoint, and files of vectors.
"""

import hashlib
import json
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import numpy as np

from course_utils.embedding.cache import Cache, EmbeddingCache
from course_utils.embedding.catalog import DEFAULT_MODEL, ModelCard
from course_utils.embedding.receipt import Unread, count_unread, read_until
from course_utils.embedding.weights import ModelUnavailableError
from course_utils.progress import progress_bar

logger = logging.getLogger(__name__)

TEXTS_PER_SAVE = 256  # what a kill may cost: a few seconds of work on two cores
_SHORTEST = 3  # tokens: a text has a start and an end mark, and below that the tokenizer does not cut at all

#: Vectors part by part, each as soon as it is there: positions of n texts, and an array of shape (n, dim).
Parts = Generator[tuple[list[int], np.ndarray], None, None]


@dataclass(frozen=True)
class EmbeddingOptions:
    """How texts become vectors, as one value; :meth:`Embedder.encode` takes the same names one by one.

    Attributes
    ----------
    instruction : str, optional
        A task in words ("Identify the topic of the text"), put into the model's own template.
    prompt : str, optional
        Exact characters to put before every text instead of a template. Give one of the two, not both.
    normalize_embeddings : bool, default True
        Scale every vector to length 1 (after truncation, in float32).
    truncate_dim : int, optional
        Keep only the first so many dimensions, 1 to the model's own. None: all.
    max_length : int, optional
        Cut texts after so many tokens, start and end marks included, 3 to the model's own. None: the model's own limit.
    strength : float, optional
        How far an instruction or prompt bends the vectors, from 0, as without it, to 1, as far as the model can: a mix
        of both unit vectors, before truncation. None: as the model itself does, which the card's ``strength`` says.

    Examples
    --------
    >>> from course_utils.embedding import EmbeddingOptions, load_embedder
    >>> options = EmbeddingOptions(truncate_dim=64)
    >>> load_embedder().encode(["good morning", "good night"], options=options).shape
    (2, 64)
    """

    instruction: str | None = None
    prompt: str | None = None
    normalize_embeddings: bool = True
    truncate_dim: int | None = None
    max_length: int | None = None
    strength: float | None = None


class Embedder(ABC):
    """What turns texts into vectors. Made by :func:`~course_utils.embedding.load_embedder`.

    Attributes
    ----------
    card : ModelCard
        What is known of the model.
    fingerprint : str
        What decides the vectors, besides options and text: weights, modules, tokenizer; or an endpoint.
    max_length : int
        Longest text in tokens; what comes after is not read. ``inf``: all is.
    precision : str
        The precision of the computation as torch names it ("torch.float32"); "" where it happens elsewhere.
    cache : EmbeddingCache or None
        Where vectors are kept, so that a text is embedded once.

    Examples
    --------
    >>> from course_utils.embedding import load_embedder
    >>> embedder = load_embedder()
    >>> embedder
    Embedder('sentence-transformers/all-MiniLM-L6-v2', 384 dimensions, 256 tokens)
    >>> weather, sunny = embedder.encode(["The weather is lovely today.", "It's so sunny outside!"])
    >>> round(float(weather @ sunny), 3)
    0.666
    """

    precision = ""

    def __init__(self, card: ModelCard, fingerprint: str, max_length: float, dim: int, cache: Cache):
        self.card, self.fingerprint, self._dim = card, fingerprint, dim
        self.max_length: Any = max_length
        self.cache = (EmbeddingCache() if cache else None) if isinstance(cache, bool) else cache
        self._receipts: deque[int] = deque(maxlen=1000)  # for which texts it was said, of late, what is not read

    def __repr__(self) -> str:
        return f"Embedder({self.card.name!r}, {self.embedding_dim} dimensions, {self.max_length} tokens)"

    @property
    def embedding_dim(self) -> int:
        """Number of dimensions of a full vector."""
        return self._dim

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer, a transformers object; :class:`ModelUnavailableError` where there is none here."""
        raise ModelUnavailableError(
            f"{self!r} has no tokenizer of transformers here. To look inside a model, use one that has, such as "
            f"{DEFAULT_MODEL}."
        )

    def encode(
        self,
        sentences: str | Sequence[str],
        *,
        instruction: str | None = None,
        prompt: str | None = None,
        normalize_embeddings: bool = True,
        truncate_dim: int | None = None,
        max_length: int | None = None,
        strength: float | None = None,
        options: EmbeddingOptions | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
    ) -> np.ndarray:
        """Embed texts, in their order, duplicates included.

        Parameters
        ----------
        sentences : str, or sequence of str
            A list (or column) of n strings, or one string. An empty string gives the vector that the model has for
            "no text"; texts beyond ``max_length`` tokens are cut there.
        instruction, prompt, normalize_embeddings, truncate_dim, max_length, strength : optional
            See :class:`EmbeddingOptions`.
        options : EmbeddingOptions, optional
            The same as one value; then none of the six may be given.
        batch_size : int, default 32
            Texts a forward pass; affects speed and memory, not the result.
        show_progress_bar : bool, optional
            None shows one for more than 256 texts that are not in the cache.

        Returns
        -------
        ndarray of float32, shape (n, dim)
            Or (dim,) for one string. An empty list gives shape (0, dim).

        Raises
        ------
        TypeError
            If a text is not a string; the message names its position.
        ValueError
            If an option is out of range, or both ``instruction`` and ``prompt`` are given.
        """
        given = EmbeddingOptions(instruction, prompt, normalize_embeddings, truncate_dim, max_length, strength)
        return self._encode(sentences, self._checked(options, given, ""), batch_size, show_progress_bar)

    _like_encode: Any = wraps(encode, assigned=())  # the same parameters, which stand there once

    @_like_encode
    def encode_query(self, sentences: str | Sequence[str], **options: Any) -> np.ndarray:
        """Embed questions with the model's own query prompt, or with ``instruction=``; else as :meth:`encode`."""
        return self._encode_as(self.card.query_prompt, sentences, **options)

    @_like_encode
    def encode_document(self, sentences: str | Sequence[str], **options: Any) -> np.ndarray:
        """Embed the texts that are searched, with the model's own document prompt; else as :meth:`encode`."""
        return self._encode_as(self.card.document_prompt, sentences, **options)

    def receipt(self, sentences: Sequence[str], options: EmbeddingOptions | None = None) -> str:
        """Say how many texts are too long and what share of their words is unread, and how many look foreign.

        :meth:`encode` logs it for a list of texts, once.

        Parameters
        ----------
        sentences : sequence of str
            The texts.
        options : EmbeddingOptions, optional
            The prompt and length they are embedded with.

        Returns
        -------
        str
            One line; "" where all is read.
        """
        return str(self.unread(sentences, options))

    def unread(self, sentences: Sequence[str], options: EmbeddingOptions | None = None) -> Unread:
        """The receipt as numbers, which add up over the parts of a corpus. Parameters are those of :meth:`receipt`."""
        texts = list(sentences)
        tokenizer, prompt, max_length = self._reading(options or EmbeddingOptions())
        self._receipts.append(hash((prompt, max_length, *texts)))
        return count_unread(texts, tokenizer, prompt, max_length, self.card.languages)

    def is_cut(self, sentences: Sequence[str], options: EmbeddingOptions | None = None) -> np.ndarray:
        """Which texts are longer than what is read: bool array of shape (n,); all False where nobody can tell.

        Parameters are those of :meth:`receipt`.
        """
        texts = list(sentences)
        ends = read_until(texts, *self._reading(options or EmbeddingOptions()))
        return np.isin(np.arange(len(texts)), list(ends))

    def _reading(self, options: EmbeddingOptions) -> tuple[Any, str, Any]:
        """The tokenizer, if it is here, what stands before a text and takes from its room, and how many tokens fit."""
        prompt = self.card.prompt_for(options.instruction or "") if options.prompt is None else options.prompt
        _check_encodable(options.instruction or prompt, "instruction" if options.instruction else "prompt")
        try:
            tokenizer = self.tokenizer
        except ModelUnavailableError:
            tokenizer = None  # it is elsewhere
        return tokenizer, self._in_front(prompt), options.max_length or self.max_length

    def _in_front(self, prompt: str | None) -> str:
        """The part of a prompt that takes from a text's room."""
        return "" if self.card.prompt_apart else prompt or ""

    def _encode_as(self, own_prompt: str, sentences: Any, options: Any = None, **given: Any) -> np.ndarray:
        running = given.pop("batch_size", 32), given.pop("show_progress_bar", None)
        return self._encode(sentences, self._checked(options, EmbeddingOptions(**given), own_prompt), *running)

    def _encode(
        self, sentences: str | Sequence[str], options: EmbeddingOptions, batch_size: int, show: bool | None
    ) -> np.ndarray:
        texts = _checked_texts([sentences] if isinstance(sentences, str) else sentences)
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size} must be 1 or more.")
        if not texts:
            return np.empty((0, options.truncate_dim or 0), dtype=np.float32)
        n_empty = sum(not text.strip() for text in texts)
        if n_empty:
            logger.warning("%d of %d texts are empty; their vectors mean nothing.", n_empty, len(texts))
        known = hash((self._in_front(options.prompt), options.max_length, *texts))
        if not isinstance(sentences, str) and known not in self._receipts:
            unread = self.receipt(texts, options)
            if unread:
                logger.warning("%s.", unread)
        vectors = self._compute(texts, options, batch_size, show)
        if options.strength is not None and options.prompt:
            plain = self._compute(texts, replace(options, prompt=""), batch_size, show)
            vectors = _bend(plain, vectors, self.card.strength, options.strength)
        vectors = vectors[:, : options.truncate_dim]
        if options.normalize_embeddings:  # after truncation: a cut unit vector is no longer one
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors = vectors / np.maximum(norms, np.finfo(np.float32).tiny)
        return vectors[0] if isinstance(sentences, str) else np.ascontiguousarray(vectors)

    def _checked(self, options: EmbeddingOptions | None, given: EmbeddingOptions, own_prompt: str) -> EmbeddingOptions:
        """The options, which come as one value or one by one, with nothing left open: the exact prompt, and numbers.

        ``own_prompt``, the model's, stands where they name no words.
        """
        if options is None:
            options = given
        elif given != EmbeddingOptions():
            raise ValueError("encode() takes either options=… or the single parameters, not both.")
        prompt = own_prompt if options.prompt is None else options.prompt
        if options.instruction is not None:
            if options.prompt is not None:
                raise ValueError("Give either instruction= (put into the model's template) or prompt= (as it is).")
            prompt = self.card.prompt_for(options.instruction)
            if not self.card.instruction_prompt:
                logger.warning(
                    "%s was not trained to follow instructions: the words are put in front of each text and embedded "
                    "with it.",
                    self.card.name,
                )
        _check_encodable(options.instruction or prompt, "instruction" if options.instruction else "prompt")
        max_length = self._checked_length(options.max_length)
        dim = self._checked_range("truncate_dim", options.truncate_dim, 1, self.embedding_dim)
        if dim < self.embedding_dim and not self.card.matryoshka_dims:
            logger.info("%s was not trained for fewer dimensions; its first %d are used.", self.card.name, dim)
        strength = options.strength
        is_number = isinstance(strength, (int, float, np.number)) and not isinstance(strength, bool)
        if strength is not None and not (is_number and 0 <= strength <= 1):
            raise ValueError(f"strength={strength!r} must be a number from 0 (no instruction) to 1, or None.")
        return EmbeddingOptions(None, prompt, options.normalize_embeddings, dim, max_length, strength)

    def _checked_length(self, max_length: int | None) -> int:
        return self._checked_range("max_length", max_length, _SHORTEST, self.max_length)

    def _checked_range(self, name: str, value: int | None, smallest: int, largest: Any) -> int:
        if value is None:
            return largest
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not smallest <= value <= largest:
            raise ValueError(
                f"{name}={value!r} must be a whole number from {smallest} to {largest} for {self.card.name}."
            )
        return int(value)

    def _compute(self, texts: list[str], options: EmbeddingOptions, batch_size: int, show: bool | None) -> np.ndarray:
        """Vectors of all dimensions, as the model gives them, for checked texts and options.

        The texts are looked up in the cache, those that are missing are computed, each once, and every part of them
        is kept as soon as it is there.
        """
        keys = self._keys(texts, options)
        vectors_of = {} if self.cache is None else self.cache.get_many(keys)
        missing: dict[bytes, int] = {}  # key -> first position of its text
        for position, key in enumerate(keys):
            if key not in vectors_of:
                missing.setdefault(key, position)
        if missing:
            show = len(missing) > TEXTS_PER_SAVE if show is None else show
            bar = progress_bar(total=len(missing), desc="Embedding", unit="text", show=show)
            # Texts of like length share a batch, so little is padded.
            positions = sorted(missing.values(), key=lambda position: len(texts[position]))
            with bar, closing(self._parts(texts, positions, options, batch_size)) as parts:
                for part, vectors in parts:
                    new = {keys[position]: vector for position, vector in zip(part, vectors, strict=True)}
                    if self.cache is not None:
                        self.cache.put_many(new)
                        # Where two kernels computed the same text, both go on with the vector that was stored first.
                        new |= self.cache.get_many(list(new))
                    vectors_of |= new
                    bar.update(len(new))
        # joined end to end first: np.stack looks at every row on its own
        return np.concatenate([vectors_of[key] for key in keys]).reshape(len(keys), -1)

    @abstractmethod
    def _parts(self, texts: list[str], positions: list[int], options: EmbeddingOptions, batch_size: int) -> Parts:
        """The vectors of the texts at these positions, in parts that are worth keeping."""

    def _keys(self, texts: Sequence[str], options: EmbeddingOptions) -> list[bytes]:
        # JSON has an end of its own, so the text cannot run into the prompt.
        shared = json.dumps([self.fingerprint, self.precision, options.max_length, options.prompt]).encode()
        return [hashlib.sha256(shared + text.encode()).digest() for text in texts]


def _bend(plain: np.ndarray, prompted: np.ndarray, own: float, strength: float) -> np.ndarray:
    """Unit vectors with the direction of (1 − strength) v + strength t, for unit vectors v without the prompt.

    The model gives the direction m of (1 − own) v + own t, with ``own`` from 0.5; so t = c m − k v with
    k = (1 − own) / own, and c is what makes it a unit vector: no text needs to be read again.
    """
    v, m = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (plain, prompted))
    k, cosines = (1 - own) / own, np.sum(v * m, axis=1, keepdims=True)
    t = (k * cosines + np.sqrt(np.maximum(1 - k**2 * (1 - cosines**2), 0))) * m - k * v
    bent = (1 - strength) * v + strength * t
    return np.asarray(bent / np.maximum(np.linalg.norm(bent, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def _checked_texts(sentences: Sequence[str]) -> list[str]:
    # A set has no order, and what a DataFrame lists are the names of its columns.
    no_list = not hasattr(sentences, "__iter__") or isinstance(sentences, (bytes, dict, set))
    if no_list or getattr(sentences, "ndim", 1) != 1:
        raise TypeError(
            f"sentences must be a string or a list (or one column) of strings, not {type(sentences).__name__}."
        )
    texts = list(sentences)
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            # What has no letters may be shown; anything else may hold somebody's text.
            value = f"{text!r}, " if text is None or isinstance(text, (int, float)) else ""
            raise TypeError(
                f"sentences[{position}] is {value}a {type(text).__name__} and not a string. Drop such rows, for "
                "example with df.dropna(subset=['text']), or turn them into strings yourself."
            )
        _check_encodable(text, f"sentences[{position}]")
    return texts


def _check_encodable(text: str, name: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name} holds half a character at position {error.start} (a lone surrogate). Read the file with "
            "encoding='utf-8', errors='replace'."
        ) from None
