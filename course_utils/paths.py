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


def cache_dir() -> Path:
    """Folder for downloaded data and cached vectors: ``$COURSE_CACHE_DIR``, else the platform's user cache folder."""
    override = os.environ.get("COURSE_CACHE_DIR")
    return Path(override) if override else Path(platformdirs.user_cache_path("text-embeddings-course"))


def shown(name: str | Path) -> str:
    """Name a file, folder or model in a message: of a path the last part, as the rest is nobody else's business."""
    path = Path(name)
    return path.name if path.is_absolute() or str(name).startswith((".", "~")) else str(name)


def reason(error: Exception) -> str:
    """What an error of the system says, without the path that Python adds to it."""
    return getattr(error, "strerror", None) or str(error)


def file_sha256(path: Path) -> str:
    """Hash a file: its sha256 as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
