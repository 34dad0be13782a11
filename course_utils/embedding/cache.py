"""Vectors on disk, so that a text is embedded once and every notebook that asks again gets the answer at once.

One SQLite file is shared by all kernels of one user. One that may only be read, as a class shares it, is read, and new
vectors go to the user's own. The cache never stops a lesson: where the disk cannot be used it warns once and remembers
in memory only. It stores vectors as the model gave them; cutting and normalising is the embedder's business.
"""

import logging
import os
import sqlite3
import threading
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import numpy as np
import psutil

from course_utils.paths import cache_dir, own_cache_dir, reason

logger = logging.getLogger(__name__)

# A plain rowid table with large pages: several rows of 1.5 KB fit on a page, which reads and writes several times
# faster than SQLite's default here.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, checksum INTEGER NOT NULL, vector BLOB NOT NULL
)
"""
_COLUMNS = ["id", "key", "checksum", "vector"]
_PAGES_KIB = 32 * 1024  # at most, and only what was read
_KEYS_PER_QUERY = 500  # below SQLite's oldest limit on the number of ? in one statement
# WAL keeps an index in shared memory, which network and some shared-folder file systems do not offer.
_REMOTE_FILE_SYSTEMS = ("nfs", "cifs", "smb", "9p", "fuse", "vboxsf", "drvfs", "virtiofs", "afs", "ceph", "lustre")


def _checksum(key: bytes, vector: bytes) -> int:
    return zlib.crc32(vector, zlib.crc32(key))


def wal_is_safe(folder: Path) -> bool:
    """Say whether SQLite's write-ahead log can be trusted in ``folder`` (not on network file systems)."""
    if str(folder).startswith(r"\\"):
        return False
    mounts = [p for p in psutil.disk_partitions(all=True) if folder.is_relative_to(p.mountpoint)]
    # From the last one: an automounter's entry comes before what it has mounted at the same place.
    nearest = max(reversed(mounts), key=lambda p: len(p.mountpoint), default=None)
    if nearest is None:
        return True
    return not nearest.fstype.lower().startswith(_REMOTE_FILE_SYSTEMS) and "remote" not in nearest.opts.split(",")


class EmbeddingCache:
    """A persistent ``key -> vector`` store that several processes may use at once.

    Parameters
    ----------
    path : str or Path, optional
        The SQLite file. None: ``vectors.sqlite`` in the course's cache folder.

    Notes
    -----
    What is stored in a file that can no longer be written (it is read-only, or its disk is full) is still read.
    A row whose checksum does not fit is logged, deleted and reported as missing, so that the caller computes it again.
    When two processes add the same key, the first one wins and both read the same bytes back.

    Examples
    --------
    >>> from course_utils.embedding import EmbeddingCache, load_embedder
    >>> cache = EmbeddingCache("vectors.sqlite")
    >>> vector = load_embedder(cache=cache).encode("good morning")
    >>> len(cache)
    1
    """

    def __init__(self, path: str | Path | None = None):
        self.path = self._file = Path(path) if path is not None else cache_dir() / "vectors.sqlite"
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(":memory:")  # until the file is open
        self._only_read: list[sqlite3.Connection] = []
        self._connect_file()

    def __reduce__(self) -> tuple:
        return type(self), (self.path,)  # an open file cannot be copied, nor sent to another process

    def _connect_file(self) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._connect(str(self._file))
        except (OSError, sqlite3.Error) as error:
            self._connect_elsewhere(error)

    def _connect(self, database: str) -> None:
        self._connection.close()
        # 60 s: another kernel that is writing holds the lock for milliseconds, but laptops go to sleep.
        self._connection = sqlite3.connect(database, timeout=60, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA page_size = 16384")
        mode = "WAL" if wal_is_safe(self._file.parent.resolve()) else "DELETE"
        with suppress(sqlite3.OperationalError):  # locked at once, where another kernel is making the same switch
            self._connection.execute(f"PRAGMA journal_mode = {mode}")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        # Texts come in any order, and each page holds several rows: with SQLite's own 2 MB pages are read repeatedly.
        self._connection.execute(f"PRAGMA cache_size = {-_PAGES_KIB}")
        self._connection.execute(_SCHEMA)
        # A column more, and rows would be ignored without a word.
        if [row[1] for row in self._connection.execute("PRAGMA table_info(vectors)")] != _COLUMNS:
            raise sqlite3.OperationalError("another version of the course made it")
        # There is no text in a sound file, and a damaged one need not be UTF-8.
        self._connection.text_factory = bytes
        # A read-only file opens without complaint, and would fail only after the first texts were embedded.
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")

    def _connect_elsewhere(self, error: Exception) -> None:
        """Set a damaged file aside and begin a new one; one that cannot be written is read, and another one written."""
        self._connection.close()
        # These very classes say that the content is damaged. The others say that the file cannot be used right now
        # (a full disk, no permission, a lock): it may be sound.
        if type(error) in (sqlite3.DatabaseError, sqlite3.IntegrityError):
            damaged = f"{self._file.name}.damaged"
            words = "The vector cache %s is damaged (%s). It is kept as %s beside it and a new one begins."
            logger.warning(words, self._file.name, reason(error), damaged)
            try:
                self._file.replace(self._file.with_name(damaged))
                for suffix in ("-wal", "-shm"):
                    self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)
                return self._connect(str(self._file))
            except (OSError, sqlite3.Error) as second_error:
                error = second_error
        stored, own = _open_to_read(self._file), own_cache_dir() / "vectors.sqlite"
        self._only_read += [stored] if stored else []
        # What is full or damaged is a fault, and the user hears of it; to share a file that may only be read is none.
        may_not = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
        if stored and may_not and self._file != own:
            logger.info("The cache %s can only be read; new vectors go to your own.", self._file.name)
            self._file = own
            return self._connect_file()
        logger.warning(
            "Vectors cannot be kept in %s on disk (%s). They are kept in memory until this kernel stops. To keep them, "
            "free some space in the folder that `course doctor` names, or set COURSE_CACHE_DIR to another.",
            self._file.name,
            reason(error),
        )
        self._connect(":memory:")

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        """Look up ``keys``; the result holds only those found, each a float32 array of shape (dim,)."""
        wanted = list(dict.fromkeys(keys))
        found: dict[bytes, np.ndarray] = {}
        with self._lock:
            try:
                found, broken = _find(self._connection, wanted)
                if broken:
                    logger.warning("%d damaged vectors in %s will be computed again.", len(broken), self._file.name)
                    self._connection.execute("REINDEX vectors")  # where the key is damaged, the index knows another
                    self._connection.executemany("DELETE FROM vectors WHERE id = ?", broken)
            except sqlite3.Error as error:
                self._connect_elsewhere(error)
            for stored in self._only_read:
                with suppress(sqlite3.Error):  # what cannot be read is computed
                    found |= _find(stored, [key for key in wanted if key not in found])[0]
        return found

    def put_many(self, vectors: Mapping[bytes, np.ndarray]) -> None:
        """Store ``vectors`` in one transaction: after a kill, all of them are there or none."""
        blobs = {key: np.ascontiguousarray(vector, dtype="<f4").tobytes() for key, vector in vectors.items()}
        rows = [(key, _checksum(key, blob), blob) for key, blob in blobs.items()]
        insert = "INSERT OR IGNORE INTO vectors (key, checksum, vector) VALUES (?, ?, ?)"
        with self._lock:
            for _ in range(3):  # into the file, or a new one in its place, or memory
                try:
                    with self._connection:  # also after Ctrl-C: no lock is left that other kernels would wait for
                        self._connection.execute("BEGIN IMMEDIATE")
                        self._connection.executemany(insert, rows)
                    return
                except sqlite3.Error as error:
                    self._connect_elsewhere(error)

    def __len__(self) -> int:
        """Count the stored vectors."""
        with self._lock:
            connections = [self._connection, *self._only_read]
            return sum(each.execute("SELECT count(*) FROM vectors").fetchone()[0] for each in connections)

    def clear(self) -> None:
        """Forget every vector, of all models, and give the disk space back; what can only be read stays."""
        with self._lock:
            self._connection.execute("DELETE FROM vectors")
            self._connection.execute("VACUUM")


#: What a model is told of its cache: True for the course's own, False for none, or which.
Cache = EmbeddingCache | bool


def _open_to_read(path: Path) -> sqlite3.Connection | None:
    """Open a cache that cannot be written; None where it cannot be read either."""
    name = os.fsencode(path.absolute().as_posix())
    for option in ("mode=ro", "immutable=1"):  # the second where the log's index, too, would have to be written
        with suppress(sqlite3.Error):
            address = f"file://{'' if name.startswith(b'/') else '/'}{quote(name)}?{option}"
            stored = sqlite3.connect(address, timeout=5, isolation_level=None, check_same_thread=False, uri=True)
            stored.text_factory = bytes
            _find(stored, [b"any"])
            return stored
    return None


def _find(connection: sqlite3.Connection, keys: list[bytes]) -> tuple[dict[bytes, np.ndarray], list[tuple[int]]]:
    """The sound vectors of those keys that are there, and the numbers of the damaged rows."""
    found: dict[bytes, np.ndarray] = {}
    broken = []
    for start in range(0, len(keys), _KEYS_PER_QUERY):
        part = keys[start : start + _KEYS_PER_QUERY]
        marks = ",".join("?" * len(part))
        query = f"SELECT id, key, checksum, vector FROM vectors WHERE key IN ({marks})"
        for row, key, checksum, blob in connection.execute(query, part):
            # a flipped bit may also turn a blob into a number
            if isinstance(blob, bytes) and checksum == _checksum(key, blob):
                found[key] = np.frombuffer(blob, dtype="<f4")
            else:
                broken.append((row,))
    return found, broken
