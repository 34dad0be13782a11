"""Vectors made elsewhere: on a machine with a graphics card, or through an endpoint, for texts that are known here.

``course embed --out FILE`` writes such a file, and ``load_embedder("FILE.safetensors")`` answers from it, so that a
room full of laptops works with the vectors of a model that none of them could run. Of a text the file holds only the
sha256: each lookup checks text and prompt to the byte, and any other text is an error, never a guess.
"""

import hashlib
from pathlib import Path

import numpy as np

from course_utils.data import TensorFileError, read_tensors
from course_utils.embedding.base import Embedder, EmbeddingOptions, Parts
from course_utils.embedding.catalog import CATALOG, card_of

#: What a file of vectors says that it is.
VECTORS_FORMAT = "text-embeddings-course vectors 1"


class StoredVectorsError(ValueError):
    """A file of vectors is damaged, or does not hold what is asked of it."""


class StoredVectors(Embedder):
    """The vectors of one model in a file, with the methods and options of a model that runs here.

    Parameters
    ----------
    path : str or Path
        A file that ``course embed --out`` wrote.

    Raises
    ------
    StoredVectorsError
        If it is not such a file or has changed since; and, from ``encode``, if a text is not in it.

    Examples
    --------
    >>> from course_utils.app.embed import add_vectors
    >>> from course_utils.embedding import StoredVectors, load_embedder
    >>> embedder, texts = load_embedder(), ["good morning", "good night"]
    >>> vectors = embedder.encode(texts, normalize_embeddings=False)
    >>> n_vectors = add_vectors("greetings.safetensors", embedder, texts, {"": vectors}, max_length=256)
    >>> stored = StoredVectors("greetings.safetensors")
    >>> stored
    StoredVectors(2 of 'sentence-transformers/all-MiniLM-L6-v2', 384 dimensions)
    >>> bool((stored.encode(texts) == embedder.encode(texts)).all())
    True
    """

    def __init__(self, path: str | Path):
        path = Path(path).expanduser()
        try:
            tensors, about = read_tensors(path)
            if about.get("format") != VECTORS_FORMAT:
                raise TensorFileError(f"{path.name!r} is no file that this version of `course embed` wrote.")
            self._take(tensors, about)
        except TensorFileError as error:
            raise StoredVectorsError(str(error)) from error
        except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise StoredVectorsError(f"{path.name!r} lacks a part of what `course embed` writes.") from error

    def _take(self, tensors: dict[str, np.ndarray], about: dict) -> None:
        self.matrix, self.prompts = tensors["vectors"], about["prompts"]
        if self.matrix.ndim != 2 or len(tensors["prompts"]) != len(self.matrix) or not isinstance(self.prompts, list):
            raise ValueError("not one vector, text and prompt a row")
        # The catalogue's own card, where there is one, so that its prompts are those of every other embedder.
        card = CATALOG.get(about["card"]["name"], card_of(about["card"]))
        super().__init__(card, about["fingerprint"], about["max_length"], self.matrix.shape[1], cache=False)
        keys = zip(tensors["prompts"].tolist(), tensors["texts"], strict=True)
        self.rows = {(self.prompts[prompt], digest.tobytes()): row for row, (prompt, digest) in enumerate(keys)}

    def __repr__(self) -> str:
        return f"StoredVectors({len(self.matrix)} of {self.card.name!r}, {self.embedding_dim} dimensions)"

    def _parts(self, texts: list[str], positions: list[int], options: EmbeddingOptions, batch_size: int) -> Parts:
        keys = [(options.prompt, text_digest(text)) for text in texts]
        missing = [position for position, key in enumerate(keys) if key not in self.rows]
        if missing or options.max_length != self.max_length:
            problem = f"its texts were cut at {self.max_length} tokens and not at {options.max_length}"
            if missing:
                how_many = f"{len(missing)} of {len(texts)} texts"
                problem = f"{how_many} are not in it under this prompt, the first at position {missing[0]}"
            raise StoredVectorsError(
                f"{self!r} cannot answer: {problem}. It knows texts with the prompts "
                f"{', '.join(map(repr, self.prompts))}. Either make a file of these very texts with `course embed`, or "
                "load the model itself."
            )
        yield positions, self.matrix[[self.rows[keys[position]] for position in positions]]


def text_digest(text: str) -> bytes:
    """What a file of vectors knows a text by.

    Parameters
    ----------
    text : str
        The text.

    Returns
    -------
    bytes
        Its sha256, 32 of them.

    Examples
    --------
    >>> from course_utils.embedding import text_digest
    >>> text_digest("good morning").hex()[:8]
    'cdf71dea'
    """
    return hashlib.sha256(text.encode()).digest()
