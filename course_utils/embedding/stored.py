"""Vectors made elsewhere: on a machine with a graphics card, or through an endpoint, for texts that are known here.

``course embed --out FILE`` writes such a file, and ``load_embedder("FILE.safetensors")`` answers from it, so that a
room full of laptops works with the vectors of a model that none of them could run. Of a text the file holds only the
sha256: each lookup checks text and prompt to the byte, and any other text is an error, never a guess.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from course_utils.data import TensorFileError, read_tensors, write_tensors
from course_utils.embedding.catalog import CATALOG, ModelCard
from course_utils.embedding.embedder import Embedder

_FORMAT = "text-embeddings-course vectors 1"


class StoredVectorsError(ValueError):
    """A file of vectors is damaged, or does not hold what is asked of it."""


class StoredVectors(Embedder):
    """The vectors of one model in a file, with the methods and options of a model that runs here.

    Parameters
    ----------
    path : a file written by :func:`add_vectors` or ``course embed --out``.

    Raises
    ------
    StoredVectorsError
        If it is not such a file or has changed since; and, from ``encode``, if a text is not in it.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path).expanduser()
        try:
            tensors, about = read_tensors(self.path)
            if about.get("format") != _FORMAT:
                raise TensorFileError(f"{self.path.name!r} is no file that this version of `course embed` wrote.")
        except TensorFileError as error:
            raise StoredVectorsError(str(error)) from error
        card = ModelCard(**{k: tuple(v) if isinstance(v, list) else v for k, v in about["card"].items()})
        # The catalogue's own card, where there is one, so that its prompts are those of every other embedder.
        super().__init__(None, CATALOG.get(card.name, card), about["fingerprint"])
        self.about = about
        self.max_length = about["max_length"]
        self.matrix = tensors["vectors"]
        keys = zip(tensors["prompts"].tolist(), tensors["texts"], strict=True)
        self.rows = {(about["prompts"][prompt], digest.tobytes()): row for row, (prompt, digest) in enumerate(keys)}

    def __repr__(self) -> str:
        return f"StoredVectors({len(self.matrix)} of {self.card.name!r}, {self.embedding_dim} dimensions)"

    @property
    def embedding_dim(self) -> int:
        """Number of dimensions of a full vector."""
        return self.matrix.shape[1]

    def _compute(self, texts, prompt, max_length, batch_size, show_progress_bar) -> np.ndarray:
        rows = [self.rows.get((prompt, _digest(text))) for text in texts]
        missing = [position for position, row in enumerate(rows) if row is None]
        if missing or max_length != self.max_length:
            problem = f"{len(missing)} of {len(texts)} texts are not in it under this prompt, the first at position "
            if not missing:
                problem = f"its texts were cut at {self.max_length} tokens and not at "
            raise StoredVectorsError(
                f"{self!r} cannot answer: {problem}{missing[0] if missing else max_length}. It knows texts with the "
                f"prompts {', '.join(map(repr, self.about['prompts']))}. Either make a file of these very texts with "
                "`course embed`, or load the model itself."
            )
        return self.matrix[rows]


def add_vectors(
    path: str | Path, embedder: Embedder, texts: Sequence[str], vectors: np.ndarray, *, prompt: str, max_length: int
) -> int:
    """Write vectors to a file, beside those that it holds already; return how many it holds then.

    Parameters
    ----------
    path : the file, ``….safetensors``. It is replaced in one step.
    embedder : what made the vectors.
    texts, vectors : n strings and their vectors, full and not normalised: float32 of shape (n, dim).
    prompt : the exact characters that stood before each text.
    max_length : the tokens at which texts were cut.

    Raises
    ------
    StoredVectorsError
        If the file holds vectors of another model, precision or length.
    """
    path = Path(path).expanduser()
    if path.suffix != ".safetensors":
        raise ValueError("The file of vectors needs a name that ends in .safetensors.")
    precision = "" if embedder.model is None else str(embedder.model.dtype)
    maker = {"fingerprint": f"{embedder.fingerprint} {precision}".strip(), "max_length": max_length}
    rows: dict[tuple[str, bytes], np.ndarray] = {}
    if path.exists():
        old = StoredVectors(path)
        if {key: old.about[key] for key in maker} != maker or old.embedding_dim != vectors.shape[1]:
            raise StoredVectorsError(
                f"{path.name} holds vectors of {old.card.name!r} that were made in another way (other weights, "
                "precision, endpoint or length). Choose another file."
            )
        rows |= {key: old.matrix[row] for key, row in old.rows.items()}
    rows |= {(prompt, _digest(text)): vector for text, vector in zip(texts, vectors, strict=True)}
    prompts = list(dict.fromkeys(prompt for prompt, _ in rows))
    tensors = {
        "vectors": np.stack(list(rows.values())).astype(np.float32),
        "texts": np.array([list(digest) for _, digest in rows], dtype=np.uint8),
        "prompts": np.array([prompts.index(prompt) for prompt, _ in rows], dtype=np.int32),
    }
    card = embedder.card
    if card.name not in CATALOG and Path(card.name).exists():
        card = replace(card, name=Path(card.name).name)  # where a folder lies on this machine is nobody's business
    about = {"format": _FORMAT, "card": asdict(card), "prompts": prompts, **maker}
    write_tensors(path, tensors, about)
    return len(rows)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@dataclass(frozen=True)
class Cost:
    """What it roughly takes to embed texts on this machine's processor: seconds, and GB of memory."""

    seconds: float
    gigabytes: float

    def __str__(self) -> str:
        time = f"{max(self.seconds, 1):.0f} s" if self.seconds < 90 else f"{self.seconds / 60:.0f} minutes"
        if self.seconds > 90 * 60:
            time = f"{self.seconds / 3600:.1f} hours"
        return f"roughly {time} on {os.cpu_count()} cores and {self.gigabytes:.1f} GB of memory"


def cost_here(card: ModelCard, texts: Sequence[str], *, prompt: str = "", max_length: int | None = None) -> Cost:
    """Estimate what ``texts`` cost on this machine's processor, before anything is loaded.

    Two calculations a parameter and token, 5e10 of them a second and core, as Qwen3-Embedding-0.6B was measured
    (1.3 seconds for a text of 100 tokens on two cores); four characters a token; four bytes a parameter. It may be
    wrong by a factor of two either way, and knows nothing of graphics cards.
    """
    longest = max_length or card.max_tokens
    tokens = sum(min(longest, 2 + (len(prompt) + len(text)) // 4) for text in texts)
    return Cost(2 * card.n_parameters * tokens / (5e10 * (os.cpu_count() or 1)), 0.6 + 4e-9 * card.n_parameters)
