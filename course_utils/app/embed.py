"""What stands behind `course embed`: the vectors of a corpus, with their price said first.

A file that `embed` writes is read back by ``load_embedder("FILE.safetensors")`` on a machine that could not run the
model itself (:mod:`course_utils.embedding.stored`).
"""

import time
from pathlib import Path

import numpy as np

from course_utils.data import load_corpus
from course_utils.embedding import Embedder, UnknownModelError, add_vectors, cost_here, find_model, load_embedder

# Where the course's corpora keep their texts.
TEXT_COLUMNS = ("text", "message", "question", "sentence1", "sentence2", "a", "b")


def collect_texts(corpora: list[str], columns: list[str], limit: int | None, options: dict) -> list[str]:
    """Return the texts of these columns, each once, in their order; without columns, those that hold the texts."""
    texts = {}
    for corpus in corpora:
        if corpus.lower().endswith(".csv"):
            found = [load_corpus(corpus, text_column=column, **options)["text"] for column in columns or [None]]
        else:
            frame = load_corpus(corpus, **options)
            unknown = [column for column in columns if column not in frame]
            if unknown:
                raise ValueError(f"--text-column {unknown[0]}: {corpus} has the columns {', '.join(frame.columns)}.")
            found = [frame[column] for column in columns or TEXT_COLUMNS if column in frame]
        texts |= dict.fromkeys(text for column in found for text in column)
    return list(texts)[:limit]


def open_model(name: str, endpoint: str | None, dtype: str) -> Embedder:
    """Load a model of this machine or of an endpoint."""
    if endpoint is None:
        return load_embedder(name, dtype=dtype)
    from course_utils.embedding import RemoteEmbedder

    return RemoteEmbedder(endpoint, name)


def announce(name: str, texts: list[str], n_prompts: int, max_length: int | None) -> None:
    """Say what a model of the catalogue will take here, before it is loaded."""
    try:
        card = find_model(Path(name).name)
    except UnknownModelError:
        return
    cost = cost_here(card, texts * n_prompts, max_length=max_length)
    print(f"Without a graphics card this takes {cost}.")
    if cost.seconds > 300:
        print(
            "Ctrl-C keeps what is done, and the same command goes on from there. Less: --limit 100, or "
            "-p n_per_group=5 for newsgroups. Faster: --endpoint (docs/large_models.md)."
        )


def embed_texts(
    embedder: Embedder, texts: list[str], prompts: list[str], max_length: int | None, batch_size: int, out: Path | None
) -> None:
    """Embed texts under each prompt, say how it went, and write the vectors to a file if one is given."""
    for prompt in prompts:
        start = time.perf_counter()
        vectors = embedder.encode(
            texts, prompt=prompt, max_length=max_length, normalize_embeddings=False, batch_size=batch_size
        )
        seconds = time.perf_counter() - start
        print(f"{len(vectors)} vectors of {vectors.shape[1]} dimensions in {seconds:.1f} s, with prompt {prompt!r}")
        if len(vectors) > 1:
            units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
            pair = units[:1000] @ units[:1000].T - 2 * np.eye(min(len(units), 1000))
            first, second = np.unravel_index(pair.argmax(), pair.shape)
            print(f"  closest: texts {first} and {second}, similarity {pair.max():.3f}")
        if out is not None:
            length = max_length or embedder.max_length
            held = add_vectors(out, embedder, texts, vectors, prompt=prompt, max_length=length)
            print(f"  {out.name} holds {held} vectors now")
