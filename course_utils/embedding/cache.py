"""Vectors on disk, so that a text is embedded once and every notebook that asks again gets the answer at once.

One SQLite file is shared by all kernels of one user. The cache never stops a lesson: where the disk cannot be used it
warns once and remembers in memory only. It stores vectors as the model gave them; cutting and normalising is the
embedder's business.
"""

import logging
import sqlite3
import threading
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil

from course_utils.paths import cache_dir, reason

logger = logging.getLogger(__name__)

# A plain rowid table with large pages: several rows of 1.5 KB fit on a page, which reads and writes several times
# faster than SQLite's default here.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, checksum INTEGER NOT NULL, vector BLOB NOT NULL
)
"""
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
    remote = nearest is not None and (
        nearest.fstype.lower().startswith(_REMOTE_FILE_SYSTEMS) or "remote" in nearest.opts.split(",")
    )
    return not remote


class EmbeddingCache:
    """A persistent ``key -> vector`` store that several processes may use at once.

    Parameters
    ----------
    path : path of the SQLite file. Default: ``vectors.sqlite`` in the course's cache folder.

    Notes
    -----
    A row whose checksum does not fit is logged, deleted and reported as missing, so that the caller computes it again.
    When two processes add the same key, the first one wins and both read the same bytes back.
    """

    def __init__(self, path: str | Path | None = None):
        self.path = Path(path) if path is not None else cache_dir() / "vectors.sqlite"
        self._memory: dict[bytes, np.ndarray] = {}  # what the disk refused
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        try:
            self._open()
        except (OSError, sqlite3.Error) as error:
            self._recover(error)

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # 60 s: another kernel that is writing holds the lock for milliseconds, but laptops go to sleep.
        connection = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA page_size = 16384")
            mode = "WAL" if wal_is_safe(self.path.parent.resolve()) else "DELETE"
            with suppress(sqlite3.OperationalError):  # locked at once, where another kernel is making the same switch
                connection.execute(f"PRAGMA journal_mode = {mode}")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_SCHEMA)
            connection.text_factory = bytes  # there is no text in a sound file, and a damaged one need not be UTF-8
            # A read-only file opens without complaint, and would fail only after the first texts were embedded.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
        except sqlite3.Error:
            connection.close()
            raise
        self._connection = connection

    def _recover(self, error: Exception) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        # These very classes say that the content is damaged. The others say that the file cannot be used right now
        # (a full disk, no permission, a lock): it may be sound.
        if type(error) in (sqlite3.DatabaseError, sqlite3.IntegrityError):
            self._set_aside(error)
        else:
            self._give_up_disk(error)

    def _set_aside(self, error: Exception) -> None:
        damaged = self.path.with_name(self.path.name + ".damaged")
        logger.warning(
            "The vector cache %s is damaged (%s). It is kept as %s beside it and a new one begins.",
            self.path.name,
            reason(error),
            damaged.name,
        )
        try:
            self.path.replace(damaged)
            for suffix in ("-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            self._open()
        except (OSError, sqlite3.Error) as second_error:
            self._give_up_disk(second_error)

    def _give_up_disk(self, error: Exception) -> None:
        logger.warning(
            "Vectors cannot be kept in %s on disk (%s). They are kept in memory until this kernel stops. To keep them, "
            "free some space in the folder that `course doctor` names, or set COURSE_CACHE_DIR to another.",
            self.path.name,
            reason(error),
        )

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        """Look up ``keys``; the result holds only those found, each a float32 array of shape (dim,)."""
        with self._lock:
            found = {key: self._memory[key] for key in keys if key in self._memory}
            if self._connection is None:
                return found
            broken = []
            wanted = [key for key in dict.fromkeys(keys) if key not in found]
            try:
                for start in range(0, len(wanted), _KEYS_PER_QUERY):
                    part = wanted[start : start + _KEYS_PER_QUERY]
                    marks = ",".join("?" * len(part))
                    query = f"SELECT id, key, checksum, vector FROM vectors WHERE key IN ({marks})"
                    for row, key, checksum, blob in self._connection.execute(query, part):
                        # a flipped bit may also turn a blob into a number
                        if isinstance(blob, bytes) and checksum == _checksum(key, blob):
                            found[key] = np.frombuffer(blob, dtype="<f4")
                        else:
                            broken.append((row,))
                if broken:
                    logger.warning("%d damaged vectors in %s will be computed again.", len(broken), self.path.name)
                    self._connection.execute("REINDEX vectors")  # where the key is damaged, the index knows another
                    self._connection.executemany("DELETE FROM vectors WHERE id = ?", broken)
            except sqlite3.Error as error:
                self._recover(error)
            return found

    def put_many(self, vectors: Mapping[bytes, np.ndarray]) -> None:
        """Store ``vectors`` in one transaction: after a kill, all of them are there or none."""
        with self._lock:
            if self._connection is not None:
                blobs = ((key, np.ascontiguousarray(v, dtype="<f4").tobytes()) for key, v in vectors.items())
                rows = [(key, _checksum(key, blob), blob) for key, blob in blobs]
                try:
                    self._connection.execute("BEGIN IMMEDIATE")
                    self._connection.executemany(
                        "INSERT OR IGNORE INTO vectors (key, checksum, vector) VALUES (?, ?, ?)", rows
                    )
                    self._connection.execute("COMMIT")
                    return
                except sqlite3.Error as error:
                    self._recover(error)
            self._memory |= {key: np.asarray(vector, dtype=np.float32) for key, vector in vectors.items()}

    def __len__(self) -> int:
        """Count the stored vectors."""
        with self._lock:
            if self._connection is None:
                return len(self._memory)
            return self._connection.execute("SELECT count(*) FROM vectors").fetchone()[0]

    def clear(self) -> None:
        """Forget every vector, of all models, and give the disk space back."""
        with self._lock:
            self._memory.clear()
            if self._connection is not None:
                self._connection.execute("DELETE FROM vectors")
                self._connection.execute("VACUUM")
