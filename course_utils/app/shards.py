"""Writes the shards of a folder of vectors, whole or not at all, and looks into them.

What they hold is said in :mod:`course_utils.embedding.shards`, which reads them.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from course_utils.embedding import text_digest

_ABOUT = b"text-embeddings-course"  # the key of a shard's metadata


def arrow(name: str = "pyarrow") -> Any:
    """pyarrow or a module of it, or the way to it."""
    try:
        return import_module(name)
    except ImportError:
        command = 'python -m pip install -c constraints.txt -e ".[files]"'
        raise ValueError(f"A folder of vectors needs the package pyarrow: {command}") from None


def rows_digest(ids: Sequence[str], digests: Sequence[bytes]) -> str:
    """One hash of rows in their order, by which a shard is known to hold exactly them: 64 hex digits."""
    whole = hashlib.sha256()
    for name, digest in zip(ids, digests, strict=True):
        whole.update(name.encode() + b"\0" + digest)
    return whole.hexdigest()


def write_table(path: Path, columns: dict[str, Any], about: dict[str, Any] | None = None) -> None:
    """Write a Parquet file whole or not at all: under another name first, and onto the disk, then in one step.

    Parameters
    ----------
    path : Path
        The file; one that is there is replaced.
    columns : dict of str to pyarrow array
        What it holds. Vectors are stored as they are; all else is compressed.
    about : dict, optional
        Metadata, as JSON.
    """
    table = arrow().table(columns)
    table = table.replace_schema_metadata({_ABOUT: json.dumps(about)} if about is not None else None)
    compression = dict.fromkeys(columns, "zstd") | {"vector.list.element": "none"}
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")  # several may write at once
    try:
        with part.open("xb") as file:
            arrow("pyarrow.parquet").write_table(table, file, compression=compression, use_dictionary=False)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_shard(
    path: Path, ids: Sequence[str], texts: Sequence[str], vectors: np.ndarray, about: dict, *, keep_text: bool = True
) -> None:
    """Write vectors and what they belong to as one shard.

    Parameters
    ----------
    path : Path
        The file.
    ids, texts : sequence of str
        n names, and n texts.
    vectors : ndarray of float32, shape (n, dim)
        Not normalised.
    about : dict
        Which model, prompt and length made them; anything that JSON can say.
    keep_text : bool, default True
        False leaves the texts out; their sha256 stays.
    """
    arrays, dim = arrow(), vectors.shape[1]
    columns = {"id": arrays.array(ids, arrays.string())}
    columns |= {"text_sha256": arrays.array(list(map(text_digest, texts)), arrays.binary(32))}
    columns |= {"text": arrays.array(texts, arrays.string())} if keep_text else {}
    flat = np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1)
    columns |= {"vector": arrays.FixedSizeListArray.from_arrays(arrays.array(flat), dim)}
    write_table(path, columns, about | {"vectors_sha256": hashlib.sha256(flat.data).hexdigest()})


def vectors_are_whole(path: Path) -> bool:
    """Whether a shard's vectors are those that were written, to the bit."""
    table = arrow("pyarrow.parquet").read_table(path, columns=["vector"], memory_map=True)
    flat = table["vector"].combine_chunks().values.to_numpy(zero_copy_only=False)
    return hashlib.sha256(flat.data).hexdigest() == read_about(path)["vectors_sha256"]


def read_about(path: Path) -> dict[str, Any]:
    """The metadata of a shard, and its number of rows as ``rows``."""
    found = arrow("pyarrow.parquet").read_metadata(path)
    return json.loads((found.metadata or {})[_ABOUT]) | {"rows": found.num_rows}


def read_columns(path: Path, *names: str) -> list[list]:
    """Columns of a file that :func:`write_table` wrote."""
    table = arrow("pyarrow.parquet").read_table(path, columns=list(names))
    return [table[name].to_pylist() for name in names]


def read_digest(path: Path) -> str:
    """The :func:`rows_digest` of what a shard holds."""
    return rows_digest(*read_columns(path, "id", "text_sha256"))
