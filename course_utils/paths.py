"""Where things live: the course's own checkout and the user's cache folder.

Everything that is downloaded or computed goes below one cache folder, so that an instructor can copy it to a USB
stick and a student can delete it in one go.
"""

import hashlib
import os
from pathlib import Path

import platformdirs

#: The root of the checkout. The package is installed in editable mode, so its parent is the course itself.
ROOT = Path(__file__).resolve().parent.parent

#: What `course bundle` puts into a copy of the course for a stick: wheels and a cache folder; mostly not there.
BUNDLE = ROOT / "bundle"


def cache_dir() -> Path:
    """Folder for downloaded data and cached vectors.

    Returns
    -------
    Path
        ``$COURSE_CACHE_DIR``, else the one that came with the course on a stick, else the platform's user cache
        folder. It need not exist yet.

    Examples
    --------
    >>> isinstance(cache_dir(), Path)
    True
    """
    override = os.environ.get("COURSE_CACHE_DIR")
    if override:
        return Path(override)
    return BUNDLE / "cache" if (BUNDLE / "cache").is_dir() else own_cache_dir()


def own_cache_dir() -> Path:
    """The user's own cache folder, also where ``COURSE_CACHE_DIR`` names one that several people share.

    Returns
    -------
    Path
        The platform's user cache folder.

    Examples
    --------
    >>> own_cache_dir().is_absolute()
    True
    """
    return Path(platformdirs.user_cache_path("text-embeddings-course"))


def shown(name: str | Path) -> str:
    """Name a file, folder or model in a message: of a path the last part, as the rest is nobody else's business.

    Parameters
    ----------
    name : str or Path
        As it was given.

    Returns
    -------
    str
        What may be shown.

    Examples
    --------
    >>> shown("~/secret/texts.csv"), shown("BAAI/bge-m3")
    ('texts.csv', 'BAAI/bge-m3')
    """
    path = Path(name)
    return path.name if path.is_absolute() or str(name).startswith((".", "~")) else str(name)


def reason(error: Exception) -> str:
    """What an error of the system says, without the path that Python adds to it.

    Parameters
    ----------
    error : Exception
        Mostly an :class:`OSError`.

    Returns
    -------
    str
        Its words.

    Examples
    --------
    >>> reason(OSError(2, "No such file or directory", "/home/me/texts.csv"))
    'No such file or directory'
    """
    return getattr(error, "strerror", None) or str(error)


def file_sha256(path: Path) -> str:
    """Hash a file.

    Parameters
    ----------
    path : Path
        A file of any size.

    Returns
    -------
    str
        Its sha256 as 64 hex digits.

    Examples
    --------
    >>> len(file_sha256(ROOT / "pyproject.toml"))
    64
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
