"""What stands behind `course search`: a question finds its nearest texts in a folder of vectors."""

import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np

from course_utils.app.embed import maker_of
from course_utils.embedding import RemoteEmbedder, ShardError, load_embedder, read_manifest
from course_utils.measuring import Index, IndexUnavailableError
from course_utils.paths import shown


def search(
    folder: Path, question: str, k: int, *, model: str | None = None, endpoint: str | None = None, as_json: bool = False
) -> None:
    """Print the ``k`` texts nearest to a question: similarity, id, and the text where the folder holds it."""
    if not question.strip():
        raise ValueError("The question is empty.")
    vector = embed_question(read_manifest(folder), question, model, endpoint)
    index = open_index(folder)
    positions, cosines = index.search(vector[None], min(k, len(index)))
    found = index.rows(positions[0]).assign(similarity=cosines[0].astype(float))
    if as_json:
        print(json.dumps({"question": question, "found": found.to_dict("records")}))  # in ASCII, for any console
        return
    width = max(shutil.get_terminal_size().columns, 40)
    for row in found.to_dict("records"):
        print(one_line(f"{row['similarity']:.3f}  {row['id']}  {row.get('text', '')}", width))


def embed_question(manifest: dict, question: str, model: str | None = None, endpoint: str | None = None) -> np.ndarray:
    """The vector of a question by the model that made a folder.

    Where texts have the model's prompt for what is searched, the question has that for questions; else the same prompt
    as the texts, such as an instruction.
    """
    maker, name = manifest["fingerprint"], model or manifest["card"]["name"]
    dtype = "bfloat16" if maker.endswith("bfloat16") else "float32"
    remote = RemoteEmbedder(endpoint, name, cache=False) if endpoint else None
    embedder = remote or load_embedder(name, dtype=dtype, cache=False)
    if maker_of(embedder) != maker:
        raise ShardError(
            f"The vectors were made by {manifest['card']['name']!r} with other weights, precision or endpoint than "
            f"{shown(name)!r} has here, and cannot be compared with its. Name what made them with --model or "
            "--endpoint, or make the folder anew with `course embed`."
        )
    if manifest["prompt"] == embedder.card.document_prompt:
        return embedder.encode_query(question)
    return embedder.encode(question, prompt=manifest["prompt"])


def open_index(folder: Path) -> Index:
    """The index of a folder, made first where there is none that fits."""
    try:
        return Index(folder)
    except IndexUnavailableError as error:
        # beside the results, which another program may read
        print(f"{str(error).partition('. ')[0]}. It is made now, once …", file=sys.stderr, flush=True)
    start = time.perf_counter()
    index = Index.build(folder)
    print(f"{len(index)} vectors, ready after {time.perf_counter() - start:.1f} s.", file=sys.stderr)
    return index


def one_line(text: str, width: int) -> str:
    """A text on one line, cut at a width; what would move a terminal's cursor is a blank."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
