"""Vectors of a corpus of any size: a folder of Parquet files, each whole or not there, and a manifest.

`course embed --out FOLDER` writes it, and any program that reads Parquet can use it. A shard has the columns ``id``,
``text_sha256``, ``text`` (unless it was left out) and ``vector``, a list of fixed size that is stored as it lies in
memory; its metadata say which model made it, under which prompt.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from course_utils.embedding.stored import text_digest

#: What a folder of vectors says that it is.
FOLDER_FORMAT = "text-embeddings-course folder of vectors 1"
#: The file that describes a folder of vectors.
MANIFEST = "manifest.json"
_ABOUT = b"text-embeddings-course"  # the key of a shard's metadata


class ShardError(ValueError):
    """A folder of vectors is damaged, unfinished, or none."""


class Shard(NamedTuple):
    """Rows of a folder of vectors, those of one file.

    Attributes
    ----------
    ids : list of str
        n names.
    vectors : ndarray of float32, shape (n, dim)
        As the model gave them, not normalised. Read-only.
    """

    ids: list[str]
    vectors: np.ndarray


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
    flat = arrays.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    write_table(path, columns | {"vector": arrays.FixedSizeListArray.from_arrays(flat, dim)}, about)


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


def read_manifest(folder: str | Path, *, complete: bool = True) -> dict[str, Any]:
    """Read what a folder of vectors says of itself.

    Parameters
    ----------
    folder : str or Path
        What `course embed --out` wrote.
    complete : bool, default True
        Refuse a folder that a run has not finished.

    Returns
    -------
    dict
        ``card`` (of the model), ``fingerprint``, ``prompt``, ``max_length``, ``dim``, ``complete`` and ``shards``, a
        list of ``name`` and ``rows``.

    Raises
    ------
    ShardError
        If it is no such folder, or unfinished.

    Examples
    --------
    >>> from typer.testing import CliRunner
    >>> from course_utils.app.cli import app
    >>> from course_utils.embedding import read_manifest
    >>> command = "embed --corpus posts --model wordllama-l2-supercat-256 --out posts"
    >>> done = CliRunner().invoke(app, command.split())
    >>> manifest = read_manifest("posts")
    >>> manifest["dim"], manifest["shards"]
    (256, [{'name': 'vectors-000000.parquet', 'rows': 480}])
    """
    path = Path(folder).expanduser() / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] != FOLDER_FORMAT:
            raise KeyError("format")
    except (OSError, KeyError, TypeError, ValueError):
        raise ShardError(
            f"{Path(folder).name} is no folder of vectors: `course embed --corpus FILE --out FOLDER` writes one."
        ) from None
    if complete and not manifest["complete"]:
        raise ShardError(f"{Path(folder).name} is not finished: run the `course embed` that made it once more.")
    return manifest


def read_shards(folder: str | Path) -> Iterator[Shard]:
    """Read a folder of vectors, a shard at a time, in the order of the corpus.

    Parameters
    ----------
    folder : str or Path
        What `course embed --out` wrote.

    Yields
    ------
    Shard
        Ids and vectors: one shard is in memory at a time.

    Raises
    ------
    ShardError
        If it is no such folder, is unfinished, or a shard is missing or damaged.

    Examples
    --------
    >>> from typer.testing import CliRunner
    >>> from course_utils.app.cli import app
    >>> from course_utils.embedding import read_shards
    >>> command = "embed --corpus posts --model wordllama-l2-supercat-256 --out posts"
    >>> done = CliRunner().invoke(app, command.split())
    >>> [(shard.ids[0], shard.vectors.shape) for shard in read_shards("posts")]
    [('posts:1', (480, 256))]
    """
    manifest = read_manifest(folder)
    for shard in manifest["shards"]:
        path = Path(folder).expanduser() / shard["name"]
        try:
            table = arrow("pyarrow.parquet").read_table(path, columns=["id", "vector"], memory_map=True)
            vectors = table["vector"].combine_chunks().values.to_numpy(zero_copy_only=False)
            yield Shard(table["id"].to_pylist(), vectors.reshape(shard["rows"], manifest["dim"]))
        except (OSError, KeyError, ValueError) as error:
            raise ShardError(
                f"{path.name} in {path.parent.name} is missing or damaged ({str(error).splitlines()[0]}). Run the "
                "`course embed` that made it once more: it makes what is missing."
            ) from None
