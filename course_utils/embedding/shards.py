"""Vectors of a corpus of any size: a folder of Parquet files, each whole or not there, and a manifest.

`course embed --out FOLDER` writes it, and any program that reads Parquet can use it. A shard has the columns ``id``,
``text_sha256``, ``text`` (unless it was left out) and ``vector``, a list of fixed size that is stored as it lies in
memory; its metadata say which model made it, under which prompt. What writes them is :mod:`course_utils.app.shards`.
"""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

#: What a folder of vectors says that it is.
FOLDER_FORMAT = "text-embeddings-course folder of vectors 1"
#: The file that describes a folder of vectors.
MANIFEST = "manifest.json"


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


def _parquet() -> Any:
    try:
        return import_module("pyarrow.parquet")
    except ImportError:
        command = 'python -m pip install -c constraints.txt -e ".[files]"'
        raise ValueError(f"A folder of vectors needs the package pyarrow: {command}") from None


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
        lacking = {"complete", "shards"} - set(manifest)
    except (OSError, KeyError, TypeError, ValueError):
        raise ShardError(
            f"{Path(folder).name} is no folder of vectors: `course embed --corpus FILE --out FOLDER` writes one."
        ) from None
    if lacking or (complete and not manifest["complete"]):
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
            table = _parquet().read_table(path, columns=["id", "vector"], memory_map=True)
            vectors = table["vector"].combine_chunks().values.to_numpy(zero_copy_only=False)
            yield Shard(table["id"].to_pylist(), vectors.reshape(shard["rows"], manifest["dim"]))
        except (OSError, KeyError, ValueError) as error:
            raise ShardError(
                f"{path.name} in {path.parent.name} is missing or damaged ({str(error).splitlines()[0]}). Run the "
                "`course embed` that made it once more: it makes what is missing."
            ) from None
