"""Search that stays fast over a folder of vectors: a graph of neighbours finds candidates, their cosines decide.

:class:`Index` puts two files beside the shards of ``course embed --out FOLDER``: the vectors, of length 1, read
where they lie on the disk; and, where there are many, a graph (HNSW, made by the package usearch) that leads to the
nearest of them without a look at the others. It may miss some: how many is measured in ``benchmarks/index.md``.
``exact=True`` compares with every vector, and misses none.
"""

import hashlib
import json
import mmap
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from course_utils.embedding import ShardError, read_manifest, read_shards
from course_utils.measuring.metrics import normalize
from course_utils.progress import progress_bar

#: What an index says that it is.
INDEX_FORMAT = "text-embeddings-course index 1"
#: So many vectors are compared as fast one by one as by a graph, so none is made below (``benchmarks/index.md``).
EXACT_BELOW = 20_000

# Links of a vector in the graph, how many are looked at when one is added, and at least when one is searched for:
# on a million pieces of real texts, recall@10 as benchmarks/index.md has it.
LINKS, LOOKED_AT_TO_ADD, LOOKED_AT = 24, 200, 256
_CANDIDATES = 4  # times k: the graph holds numbers of eight bits, and ranks are decided by the vectors themselves
_ROWS, _QUERIES = 8192, 256  # a block of vectors, and the questions that are compared with it at once
_NOTE = "index.json"


class IndexUnavailableError(ValueError):
    """A folder of vectors has no index, or one that is damaged or was made of other vectors."""


class Index:
    """The nearest vectors of a folder, by cosine.

    Opening it reads no vectors: they stay on the disk, and the system keeps in memory what is looked at, as long as
    there is room. What was made of other shards, or has another size or other bytes in places that are looked at, is
    refused; a single bit that changed elsewhere is not noticed. Of a folder from somebody else, make the index anew: a
    graph is read by code that trusts it.

    Parameters
    ----------
    folder : str or Path
        What ``course embed --out FOLDER`` wrote, with the files that :meth:`build` puts beside it.

    Attributes
    ----------
    manifest : dict
        What the folder says of itself: ``card``, ``fingerprint``, ``prompt``, ``dim``, ``shards``, …
    vectors : float32 array of shape (n, dim)
        Of length 1, or zeros; in the order of the corpus, read-only, on the disk.

    Raises
    ------
    IndexUnavailableError
        If there is no index, or none of these vectors.
    ShardError
        If it is no folder of vectors, or unfinished.
    ValueError
        If the index has a graph and the package usearch is not installed.

    Examples
    --------
    >>> import json
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from course_utils.app.shards import write_shard
    >>> from course_utils.embedding import FOLDER_FORMAT
    >>> from course_utils.measuring import Index
    >>> folder, shards = Path("vectors"), [{"name": "vectors-000000.parquet", "rows": 3}]
    >>> folder.mkdir()
    >>> vectors = np.array([[3.0, 4.0], [2.0, 0.0], [-1.0, 2.0]])
    >>> write_shard(folder / "vectors-000000.parquet", list("abc"), ["one", "two", "three"], vectors, {})
    >>> manifest = {"format": FOLDER_FORMAT, "dim": 2, "shards": shards, "complete": True}
    >>> (folder / "manifest.json").write_text(json.dumps(manifest)) > 0
    True
    >>> index = Index.build(folder)
    >>> positions, cosines = index.search(np.array([[1.0, 1.0]]), k=2)
    >>> index.rows(positions[0])["id"].tolist(), cosines.round(2)
    (['a', 'b'], array([[0.99, 0.71]], dtype=float32))
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder).expanduser()
        self.manifest = read_manifest(self.folder)
        note = self._checked_note()
        self.vectors = np.load(self.folder / note["vectors"], mmap_mode="r")
        self._graph: Any = self._open_graph(self.folder / note["graph"]) if note["graph"] else None

    def __len__(self) -> int:
        return len(self.vectors)

    def __repr__(self) -> str:
        return f"Index({len(self)} vectors of {self.vectors.shape[1]} dimensions{'' if self._graph else ', no graph'})"

    @classmethod
    def build(cls, folder: str | Path, *, threads: int = 0) -> Self:
        """Make the index of a folder, if it has none that fits; a shard of it is in memory at a time, and the graph.

        Parameters
        ----------
        folder : str or Path
            What ``course embed --out FOLDER`` wrote.
        threads : int, default 0
            To make the graph with; 0 for all cores. With 1 the same vectors give the same graph, else not quite.

        Returns
        -------
        Index
            The folder's index. It is there once all of it is written: a kill leaves none, and costs room on the disk
            until the next one is made. Several processes may build at once; the first one does it for all.

        Raises
        ------
        ShardError
            If it is no folder of vectors, is unfinished, holds none, or a vector that is not finite.
        ValueError
            If there are many vectors and the package usearch is not installed.
        OSError
            If it cannot be written.
        """
        from filelock import FileLock

        folder = Path(folder).expanduser()
        manifest = read_manifest(folder)
        with FileLock(folder / ".index.lock"):
            with suppress(IndexUnavailableError):
                return cls(folder)
            for left in folder.glob("index-*"):  # by a build that was killed, or of older vectors
                with suppress(OSError):  # on Windows one that somebody searches
                    left.unlink()
            _write_index(folder, manifest, threads)
        return cls(folder)

    def search(self, query_vectors: np.ndarray, k: int = 10, *, exact: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Find the ``k`` most similar vectors of each query.

        Parameters
        ----------
        query_vectors : array of shape (m, dim)
            Of any length but zero.
        k : int, default 10
            1 to the number of vectors.
        exact : bool, default False
            Compare with all vectors, as is always done where there are few of them or ``k`` is a large part of them.

        Returns
        -------
        positions : int64 array of shape (m, k)
            Rows of :attr:`vectors`, most similar first, equally similar ones in their order.
        similarities : float32 array of shape (m, k)
            Their cosines.

        Raises
        ------
        ValueError
            If ``k`` is out of range, or the queries have other dimensions or no direction.
        """
        queries = self._checked(query_vectors, k)
        n_candidates = max(_CANDIDATES * k, 10 * _CANDIDATES)
        by_graph = self._graph is not None and not exact and n_candidates < len(self) / 10
        rows, cosines = np.empty((len(queries), k), dtype=np.int64), np.empty((len(queries), k), dtype=np.float32)
        for start in range(0, len(queries), _QUERIES):
            part = slice(start, start + _QUERIES)
            some = self._by_graph(queries[part], k, n_candidates) if by_graph else self._exact(queries[part], k)
            rows[part], cosines[part] = some
        if not (np.abs(cosines) < 1.001).all():  # no cosine of two vectors of length 1
            name = self.folder.name
            raise IndexUnavailableError(
                f"The index of {name} is damaged. Delete {_NOTE} in {name}, and it is made anew."
            )
        return rows, cosines

    def rows(self, positions: np.ndarray) -> pd.DataFrame:
        """What stands at some positions.

        Parameters
        ----------
        positions : sequence of int, shape (n,)
            As :meth:`search` gives them.

        Returns
        -------
        DataFrame
            Columns ``id`` and, where the shards hold it, ``text``; a row a position, in the same order.
        """
        positions = np.asarray(positions, dtype=np.int64)
        starts = np.cumsum([0, *(shard["rows"] for shard in self.manifest["shards"])])
        shards = np.searchsorted(starts, positions, side="right") - 1
        parts = [pd.DataFrame({"id": []}, dtype=object)]
        for shard in np.unique(shards):
            own = np.flatnonzero(shards == shard)
            part = _read_texts(self.folder / self.manifest["shards"][shard]["name"], positions[own] - starts[shard])
            parts.append(part.set_axis(own))
        return pd.concat(parts).sort_index()

    def _checked(self, query_vectors: np.ndarray, k: int) -> np.ndarray:
        queries = np.asarray(query_vectors, dtype=np.float32)
        n, dim = self.vectors.shape
        if queries.ndim != 2 or queries.shape[1] != dim:
            raise ValueError(
                f"query_vectors has shape {queries.shape} and must be (m, {dim}): embed the questions with the model "
                "that made the folder."
            )
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= n:
            raise ValueError(f"k={k!r} must be a whole number from 1 to {n}, the number of vectors.")
        wrong = np.flatnonzero(~np.isfinite(queries).all(axis=1) | ~queries.any(axis=1))
        if len(wrong):
            raise ValueError(f"query_vectors[{wrong[0]}] has no direction: it is all zeros, or not finite.")
        return normalize(queries)

    def _exact(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The nearest of all, a block of vectors at a time."""
        best = np.empty((len(queries), 0), dtype=np.float32)
        rows = np.empty((len(queries), 0), dtype=np.int64)
        for start in range(0, len(self), _ROWS):
            cosines = queries @ self.vectors[start : start + _ROWS].T
            near = np.broadcast_to(np.arange(cosines.shape[1]), cosines.shape)
            if k < cosines.shape[1]:
                near = np.argpartition(cosines, -k, axis=1)[:, -k:]
            best = np.concatenate([best, np.take_along_axis(cosines, near, axis=1)], axis=1)
            rows = np.concatenate([rows, near + start], axis=1)
            order = np.lexsort((rows, -best), axis=1)[:, :k]
            best, rows = np.take_along_axis(best, order, axis=1), np.take_along_axis(rows, order, axis=1)
        return rows, best

    def _by_graph(self, queries: np.ndarray, k: int, n_candidates: int) -> tuple[np.ndarray, np.ndarray]:
        self._graph.expansion_search = max(LOOKED_AT, n_candidates)
        matches = self._graph.search(queries, n_candidates)
        rows, cosines = np.empty((len(queries), k), dtype=np.int64), np.empty((len(queries), k), dtype=np.float32)
        keys = np.atleast_2d(matches.keys)
        counts = getattr(matches, "counts", [keys.shape[1]])  # of a single query it gives what it found, and no more
        for i, query in enumerate(queries):
            near = np.sort(keys[i, : counts[i]].astype(np.int64))  # in the order in which they lie on the disk
            if len(near) < k:
                rows[i], cosines[i] = (each[0] for each in self._exact(query[None], k))
                continue
            similar = self.vectors[near] @ query
            order = np.argsort(-similar, kind="stable")[:k]
            rows[i], cosines[i] = near[order], similar[order]
        return rows, cosines

    def _checked_note(self) -> dict[str, Any]:
        name = self.folder.name
        remedy = f"Index.build({name!r}) or `course search` makes it."
        try:
            note = json.loads((self.folder / _NOTE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise IndexUnavailableError(f"{name} has no index. {remedy}") from None
        except (OSError, ValueError):
            note = {}
        if not isinstance(note, dict) or note.get("format") != INDEX_FORMAT:
            raise IndexUnavailableError(f"{_NOTE} in {name} is damaged, or of another version. {remedy}")
        for each, digest in note["files"].items():
            if _digest(self.folder / each) != digest:
                raise IndexUnavailableError(f"{each} in {name} is missing or damaged. {remedy}")
        now, then = _shard_digests(self.folder, self.manifest), note["shards"]
        changed = [shard for shard in {**then, **now} if then.get(shard) != now.get(shard)]
        if changed or list(then) != list(now):
            what = f"{changed[0]} is not as it was" if changed else "its shards are in another order"
            raise IndexUnavailableError(f"The index of {name} is stale: {what}. {remedy}")
        return note

    @staticmethod
    def _open_graph(path: Path) -> Any:
        with path.open("rb") as file:  # by Python: usearch opens no file whose name Windows has in other letters
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        graph = _usearch().restore(mapped, view=True)
        graph.mapped = mapped  # usearch itself does not keep what it reads from being closed
        return graph


def _usearch() -> Any:
    try:
        return import_module("usearch.index").Index
    except ImportError:
        raise ValueError(
            f"An index of {EXACT_BELOW} vectors and more needs the package usearch: "
            'python -m pip install -c constraints.txt -e ".[scale]"'
        ) from None


def _write_index(folder: Path, manifest: dict[str, Any], threads: int) -> None:
    """Write vectors and graph, then the note that makes them the index of the folder."""
    n, dim, token = sum(shard["rows"] for shard in manifest["shards"]), manifest["dim"], uuid.uuid4().hex[:12]
    if not n:
        raise ShardError(f"{folder.name} holds no vectors: `course embed` it once more, with texts.")
    graph, before = None, _shard_digests(folder, manifest)
    if n >= EXACT_BELOW:
        options = {"connectivity": LINKS, "expansion_add": LOOKED_AT_TO_ADD}
        graph = _usearch()(ndim=dim, metric="cos", dtype="i8", **options)
    names = [f"index-{token}.npy", *([f"index-{token}.usearch"] if graph is not None else [])]
    with _whole_or_gone([folder / name for name in names]):
        with (folder / names[0]).open("xb") as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": (n, dim)}
            np.lib.format.write_array_header_1_0(file, header)
            with progress_bar(total=n, desc="Index", unit="vector", show=graph is not None) as bar:
                for start, unit in _unit_vectors(folder):
                    file.write(unit.tobytes())
                    if graph is not None:
                        keys = np.flatnonzero(unit.any(axis=1))  # zeros are near to nothing
                        graph.add((start + keys).astype(np.uint64), unit[keys], threads=threads)
                    bar.update(len(unit))
            os.fsync(file.fileno())
        if graph is not None:
            with (folder / names[1]).open("xb") as file:
                file.write(graph.save())
                os.fsync(file.fileno())
        note: dict[str, Any] = {
            "format": INDEX_FORMAT,
            "vectors": names[0],
            "graph": names[1] if graph is not None else None,
        }
        note["files"] = {name: _digest(folder / name) for name in names}
        note["shards"] = before
        part = folder / f"index-{token}.part"
        part.write_text(json.dumps(note, indent=1), encoding="utf-8", newline="\n")
        part.replace(folder / _NOTE)


@contextmanager
def _whole_or_gone(paths: list[Path]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for path in paths:
            with suppress(OSError):
                path.unlink()
        raise


def _unit_vectors(folder: Path) -> Iterator[tuple[int, np.ndarray]]:
    """The vectors of each shard, of length 1, and where they begin."""
    start = 0
    for shard in read_shards(folder):
        wrong = np.flatnonzero(~np.isfinite(shard.vectors).all(axis=1))
        if len(wrong):
            raise ShardError(
                f"The vector of {shard.ids[wrong[0]]!r} in {folder.name} is not finite. Embed its text once more; in "
                "float32, if it was another precision."
            )
        yield start, np.ascontiguousarray(normalize(shard.vectors), dtype="<f4")
        start += len(shard.vectors)


def _read_texts(path: Path, rows: np.ndarray) -> pd.DataFrame:
    """Ids of these rows of a shard, and texts if it holds them."""
    parquet = import_module("pyarrow.parquet")
    columns = [name for name in ("id", "text") if name in parquet.read_schema(path).names]
    return parquet.read_table(path, columns=columns).take(rows).to_pandas().astype(object)


def _shard_digests(folder: Path, manifest: dict[str, Any]) -> dict[str, str | None]:
    return {shard["name"]: _digest(folder / shard["name"]) for shard in manifest["shards"]}


def _digest(path: Path) -> str | None:
    """A hash of a file's size and of 16 places in it, the last among them; None where there is no such file.

    Other vectors differ in each, a copy that broke off in the size and the last; all of it would take too long to read.
    """
    with suppress(OSError), path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        found = hashlib.sha256(str(size).encode())
        for place in np.linspace(0, max(size - 4096, 0), 16, dtype=np.int64).tolist():
            file.seek(place)
            found.update(file.read(4096))
        return found.hexdigest()
    return None
