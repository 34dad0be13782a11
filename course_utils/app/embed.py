"""What stands behind `course embed`: the vectors of a corpus, with their price said first.

A file that `embed` writes is read back by ``load_embedder("FILE.safetensors")`` on a machine that could not run the
model itself. The pages of maps, `course embed --tasks`, are made in :mod:`course_utils.app.task_maps`.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from course_utils.data import is_file_name, load_corpus, write_tensors
from course_utils.embedding import (
    BACKENDS,
    CATALOG,
    VECTORS_FORMAT,
    Embedder,
    EmbeddingOptions,
    LocalEmbedder,
    ModelCard,
    StoredVectors,
    StoredVectorsError,
    UnknownModelError,
    find_model,
    text_digest,
)

# Where the course's corpora keep their texts.
TEXT_COLUMNS = ("text", "message", "question", "sentence1", "sentence2", "a", "b")


@dataclass(frozen=True)
class Encoding:
    """Which model embeds, where, and how.

    Attributes
    ----------
    model : str
        A catalogued model, a hub name or a folder.
    endpoint : str or None
        Where it runs, if not on this machine.
    dtype : {"float32", "bfloat16"}
        The precision on this machine.
    max_length : int or None
        The tokens after which texts are cut.
    batch_size : int
        Texts a forward pass or request.
    """

    model: str
    endpoint: str | None
    dtype: str
    max_length: int | None
    batch_size: int

    def open(self, texts: list[str], n_prompts: int) -> Embedder:
        """Say what it will take on this machine, and load the model; or meet the endpoint."""
        from course_utils.embedding import RemoteEmbedder, load_embedder

        if self.endpoint is None:
            announce(self.model, texts, n_prompts, self.max_length)
            return load_embedder(self.model, dtype=self.dtype)
        return RemoteEmbedder(self.endpoint, self.model)


def embed_texts(encoding: Encoding, texts: list[str], instructions: list[str], query: bool, out: Path | None) -> None:
    """Embed texts under each instruction, say how it went, and write the vectors to a file if one is given."""
    if out is not None and (out.suffix != ".safetensors" or not out.expanduser().absolute().parent.is_dir()):
        raise ValueError(f"--out {out.name}: it takes a name that ends in .safetensors, in a folder that exists.")
    embedder = encoding.open(texts, max(len(instructions) + query, 1))
    prompts = [embedder.card.prompt_for(words) for words in instructions or ([] if query else [""])]
    prompts += [embedder.card.query_prompt] if query else []
    vectors = {}
    for prompt in prompts:
        start = time.perf_counter()
        options = EmbeddingOptions(prompt=prompt, max_length=encoding.max_length, normalize_embeddings=False)
        # of lengths only a tokenizer of transformers can tell
        cut = encoding.max_length and not isinstance(embedder, LocalEmbedder)
        read = f"texts are cut after {encoding.max_length} tokens" if cut else "all texts are read whole"
        print(f"  {embedder.receipt(texts, options) or read}")
        vectors[prompt] = embedder.encode(texts, options=options, batch_size=encoding.batch_size)
        _report(vectors[prompt], prompt, time.perf_counter() - start)
    if out is not None:
        held = add_vectors(out, embedder, texts, vectors, max_length=encoding.max_length or embedder.max_length)
        print(f"  {out.name} holds {held} vectors now")


def _report(vectors: np.ndarray, prompt: str, seconds: float) -> None:
    print(f"{len(vectors)} vectors of {vectors.shape[1]} dimensions in {seconds:.1f} s, with prompt {prompt!r}")
    if len(vectors) > 1:
        units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        pair = units[:1000] @ units[:1000].T - 2 * np.eye(min(len(units), 1000))
        first, second = np.unravel_index(pair.argmax(), pair.shape)
        print(f"  closest: texts {first} and {second}, similarity {pair.max():.3f}")


def collect_texts(corpora: list[str], columns: list[str], limit: int | None, options: dict) -> list[str]:
    """Return the texts of these columns, each once, in their order; without columns, those that hold the texts."""
    texts: dict[str, None] = {}
    for corpus in corpora:
        if is_file_name(corpus):
            chosen: Sequence[str | None] = columns or [None]
            found = [load_corpus(corpus, text_column=column, **options)["text"] for column in chosen]
        else:
            frame = load_corpus(corpus, **options)
            wanted = columns or [column for column in TEXT_COLUMNS if column in frame] or ["?"]
            if unknown := [column for column in wanted if column not in frame]:
                raise ValueError(f"--text-column {unknown[0]}: {corpus} has the columns {', '.join(frame.columns)}.")
            found = [frame[column].astype(str) for column in wanted]
        texts |= dict.fromkeys(text for column in found for text in column)
    return list(texts)[:limit]


@dataclass(frozen=True)
class Cost:
    """What it roughly takes to embed texts on this machine's processor.

    Attributes
    ----------
    seconds : float
        Time on all cores.
    gigabytes : float
        Memory, in GB (10^9 bytes).
    """

    seconds: float
    gigabytes: float

    def __str__(self) -> str:
        return f"roughly {duration(self.seconds)} on {os.cpu_count()} cores and {self.gigabytes:.1f} GB of memory"


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds > 90 * 60:
        return f"{seconds / 3600:.1f} hours"
    return f"{max(seconds, 1):.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"


def cost_here(card: ModelCard, texts: Sequence[str], *, max_length: int | None = None) -> Cost:
    """Estimate what ``texts`` cost on this machine's processor, before anything is loaded.

    Two calculations a parameter and token, 5e10 of them a second and core, as Qwen3-Embedding-0.6B was measured
    (1.3 seconds for a text of 100 tokens on two cores); four characters a token; four bytes a parameter. It may be
    wrong by a factor of two either way, and knows nothing of graphics cards.

    Parameters
    ----------
    card : ModelCard
        The model.
    texts : sequence of str
        What is to be embedded.
    max_length : int, optional
        Tokens at which texts are cut. None: the model's own limit.

    Returns
    -------
    Cost
        Its text is a sentence's part: "roughly 34 minutes on 2 cores and 3.0 GB of memory".

    Examples
    --------
    >>> from course_utils.app.embed import cost_here
    >>> from course_utils.embedding import find_model
    >>> cost = cost_here(find_model("Qwen3-Embedding-8B"), ["A text of some length."] * 100)
    >>> round(cost.gigabytes, 1)
    30.9
    """
    longest = max_length or card.max_tokens
    tokens = sum(min(longest, 2 + len(text) // 4) for text in texts)
    return Cost(2 * card.n_parameters * tokens / (5e10 * (os.cpu_count() or 1)), 0.6 + 4e-9 * card.n_parameters)


def announce(name: str, texts: list[str], n_prompts: int, max_length: int | None) -> None:
    """Say what a model of the catalogue will take here, before it is loaded."""
    try:
        card = find_model(Path(name).name)
    except UnknownModelError:
        return
    if card.backend in BACKENDS:  # their pace is not that of torch, and most of their weights are only looked up
        return
    cost = cost_here(card, texts * n_prompts, max_length=max_length)
    print(f"Without a graphics card this takes {cost}.")
    if cost.seconds > 300:
        print(
            "Ctrl-C keeps what is done, and the same command goes on from there. Less: --limit 100, or "
            "-p n_per_group=5 for newsgroups. Faster: --endpoint (docs/large_models.md)."
        )


def maker_of(embedder: Embedder) -> str:
    """What made vectors: only those of one maker can be compared."""
    return f"{embedder.fingerprint} {embedder.precision}".strip()


def fields_of(card: ModelCard) -> dict:
    """A card for a file that others may read: where a folder lies on this machine is nobody's business."""
    if card.name not in CATALOG and Path(card.name).exists():
        card = replace(card, name=Path(card.name).name)
    return asdict(card)


def add_vectors(
    path: str | Path, embedder: Embedder, texts: Sequence[str], vectors: Mapping[str, np.ndarray], *, max_length: int
) -> int:
    """Write vectors to a file, beside those that it holds already.

    Parameters
    ----------
    path : str or Path
        The file, ``….safetensors``. It is replaced in one step.
    embedder : Embedder
        What made the vectors.
    texts : sequence of str
        n texts.
    vectors : mapping of str to array of shape (n, dim)
        For each prompt, which is the exact characters that stood before each text: the texts' vectors, full and not
        normalised, float32.
    max_length : int
        The tokens at which texts were cut.

    Returns
    -------
    int
        How many vectors the file holds then.

    Raises
    ------
    StoredVectorsError
        If the file holds vectors of another model, precision or length.
    ValueError
        If its name does not end in ``.safetensors``.
    OSError
        If it cannot be written.

    Notes
    -----
    Several processes may add to one file at once: each waits until the one before it has written.
    """
    path = Path(path).expanduser()
    with locked(path):
        return _merge_vectors(path, embedder, texts, vectors, max_length)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Keep a file or folder to this thread while it is read, changed and written; a kill ends that as well."""
    from filelock import FileLock, Timeout

    lock = path.with_name(f".{path.name}.lock")
    try:
        held = FileLock(lock).acquire(timeout=-1 if wait else 0)
    except Timeout:
        raise ValueError(f"{path.parent.name} is being written by another run. Wait for it, or stop it.") from None
    with held:
        try:
            yield
        finally:
            with suppress(OSError):  # Windows keeps it until it is free; who waits for it elsewhere makes a new one
                lock.unlink()


def _merge_vectors(
    path: Path, embedder: Embedder, texts: Sequence[str], vectors: Mapping[str, np.ndarray], max_length: int
) -> int:
    maker = maker_of(embedder)
    rows: dict[tuple[str, bytes], np.ndarray] = {}
    if path.exists():
        old = StoredVectors(path)
        dims = {matrix.shape[1] for matrix in vectors.values()}
        if (old.fingerprint, old.max_length) != (maker, max_length) or dims - {old.embedding_dim}:
            raise StoredVectorsError(
                f"{path.name} holds vectors of {old.card.name!r} that were made in another way (other weights, "
                "precision, endpoint or length). Choose another file."
            )
        rows = {key: old.matrix[row] for key, row in old.rows.items()}
    digests = [text_digest(text) for text in texts]
    for prompt, matrix in vectors.items():
        rows |= {(prompt, digest): vector for digest, vector in zip(digests, matrix, strict=True)}
    prompts = list(dict.fromkeys(prompt for prompt, _ in rows))
    tensors: dict[str, np.ndarray] = {
        "vectors": np.stack(list(rows.values())).astype(np.float32),
        "texts": np.array([list(digest) for _, digest in rows], dtype=np.uint8),
        "prompts": np.array([prompts.index(prompt) for prompt, _ in rows], dtype=np.int32),
    }
    about = {"card": fields_of(embedder.card), "prompts": prompts, "fingerprint": maker, "max_length": max_length}
    write_tensors(path, tensors, {"format": VECTORS_FORMAT, **about})
    return len(rows)
