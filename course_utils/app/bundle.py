"""What stands behind `course bundle`: the course in one folder for a stick, from which it is set up without a network.

The folder is a copy of the course with three things more: ``bundle/`` (wheels for each kind of machine, and a cache
folder with data and vectors), which start.py finds beside itself; SHA256SUMS; and START.html, which says what to do and
what is in it. It is made as NAME.part and gets its name when it is whole. Texts that may not be handed on stay out:
`not_handed_on` in datasets/sources.toml.
"""

import contextlib
import errno
import fnmatch
import html
import importlib.util
import os
import shutil
import sqlite3
import subprocess
import zipfile
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from filelock import FileLock, Timeout

from course_utils.app.kept_back import kept_back
from course_utils.app.platforms import PLATFORMS
from course_utils.app.wheels import ANY, Target, Wheel, fetch_wheels
from course_utils.data import CorpusUnavailableError, fetch, sources
from course_utils.paths import ROOT, cache_dir, file_sha256, reason

#: What the platforms are called on the command line.
NAMES = dict(zip(("linux", "linux-aarch64", "macos", "windows"), PLATFORMS, strict=True))
SUMS, PAGE, SHELF = "SHA256SUMS", "START.html", "bundle/wheels"


def make_bundle(out: Path, pythons: str, platforms: str, packed: bool) -> Path:
    """Make the folder, or with ``packed`` a zip of it, and say what is in it.

    Parameters
    ----------
    out : Path
        The folder, which must not be there yet and not lie in the course.
    pythons, platforms : str
        ``"3.11,3.12"`` and ``"windows,macos"``: the kinds of machine.
    packed : bool
        Whether to make ``out``.zip instead.

    Returns
    -------
    Path
        What was made.

    Raises
    ------
    ValueError
        If an argument will not do.
    OSError
        If there is no network or no space. What was fetched is kept in ``out``.part for the next time.
    """
    targets, out = read_targets(pythons, platforms), out.expanduser().absolute()
    made = out.with_name(f"{out.name}.zip") if packed else out
    if made.exists():
        raise ValueError(f"OUT: {made.name} is there already. Delete it, or give another name.")
    if out.resolve().is_relative_to(ROOT):
        raise ValueError("OUT lies in the course, of which it would hold a copy. Give a folder elsewhere.")
    part, lock = out.with_name(f"{out.name}.part"), out.with_name(f"{out.name}.lock")
    try:
        part.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=0):
            try:
                _fill(part, targets)
                _finish(part, made, packed)
            finally:
                with contextlib.suppress(OSError):  # Windows deletes no file that is open
                    lock.unlink()
    except Timeout:
        raise ValueError(f"OUT: another `course bundle` is at work on {out.name}. Wait until it has ended.") from None
    except (OSError, sqlite3.Error) as error:
        raise OSError(f"{_explained(error)} What was fetched is kept in {part.name} for the next time.") from error
    return made


def _explained(error: OSError | sqlite3.Error) -> str:
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT) or getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
        return "The disk is full: free some space and run the same again."
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"OUT cannot be written ({reason(error)}): give a folder elsewhere."
    return (
        str(error)
        if number is None
        else f"{Path(str(getattr(error, 'filename', None) or 'A file')).name}: {reason(error)}."
    )


def read_targets(pythons: str, platforms: str) -> list[Target]:
    """Read ``3.11,3.12`` and ``windows,macos``; ValueError names what is not among those that the course runs on."""
    allowed = [f"3.{minor}" for minor in range(11, 15)]
    chosen = [word.strip() for word in pythons.split(",")], [word.strip() for word in platforms.split(",")]
    for option, words, known in (("--python", chosen[0], allowed), ("--for", chosen[1], sorted(NAMES))):
        if unknown := [word for word in words if word not in known]:
            raise ValueError(f"{option}: {', '.join(map(repr, unknown))} is not among {', '.join(known)}.")
    pairs = [(name, minor) for name in dict.fromkeys(chosen[1]) for minor in dict.fromkeys(chosen[0])]
    return [Target(NAMES[name], int(minor.partition(".")[2])) for name, minor in pairs]


def _fill(part: Path, targets: list[Target]) -> None:
    """Put everything into the folder; only the wheels of an earlier run are kept."""
    for path in part.iterdir():
        if path.name != "bundle":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(part / "bundle/cache", ignore_errors=True)
    names = course_files(ROOT)
    for name in names:
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, part / name)
    print(f"course   {len(names)} files, {_megabytes(part / name for name in names)}")
    shelf, wheels = part / SHELF, {}
    for target in targets:
        print(f"wheels   for {target.shown} …", end=" ", flush=True)
        wheels[target] = fetch_wheels(target, shelf, ROOT, _index_options(target))
        print(f"{len(wheels[target])}, {_megabytes(wheel.path for wheel in wheels[target])}")
    keep = {wheel.path for chosen in wheels.values() for wheel in chosen}
    for path in [path for path in shelf.glob("*/*") if path not in keep]:
        path.unlink()
    for folder in [folder for folder in shelf.iterdir() if not any(folder.iterdir())]:
        folder.rmdir()
    left_out = _copy_data(part / "bundle/cache/data")
    n_vectors = _copy_vectors(part / "bundle/cache/vectors.sqlite")
    page = start_page(part, wheels, left_out, n_vectors)
    (part / PAGE).write_text(page, encoding="utf-8", newline="\n")


def _finish(part: Path, made: Path, packed: bool) -> None:
    files = sorted(path.relative_to(part).as_posix() for path in part.rglob("*") if path.is_file())
    lines = [f"{file_sha256(part / name)}  {name}\n" for name in files if name != SUMS]
    (part / SUMS).write_text("".join(lines), encoding="utf-8", newline="\n")
    print(f"in all   {len(files) + 1} files, {_megabytes(path for path in part.rglob('*') if path.is_file())}")
    if not packed:
        part.replace(made)
        return
    half = made.with_name(f"{made.name}.part")
    with zipfile.ZipFile(half, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in (*files, SUMS):
            stored = zipfile.ZIP_STORED if name.endswith(".whl") else None  # it is a zip itself
            archive.write(part / name, f"{made.stem}/{name}", stored)
    half.replace(made)
    shutil.rmtree(part)


def course_files(root: Path) -> list[str]:
    """Names of the files of the course: those that git tracks, or without git all that .gitignore lets pass."""
    try:
        listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=root, stderr=subprocess.DEVNULL).decode("utf-8")
    except (OSError, subprocess.SubprocessError):
        listed = ""
    names = [name for name in listed.split("\0") if (root / name).is_file()]
    if names:
        return names
    lines = (root / ".gitignore").read_text(encoding="utf-8").split()
    ignored = [".git", *(line.strip("/") for line in lines)]

    def passes(path: Path) -> bool:
        name = path.relative_to(root).as_posix()
        return not any(fnmatch.fnmatch(each, pattern) for pattern in ignored for each in (name, path.name))

    found: list[str] = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(each for each in folders if passes(Path(folder, each)))
        found += [
            Path(folder, each).relative_to(root).as_posix() for each in sorted(files) if passes(Path(folder, each))
        ]
    return found


def _index_options(target: Target) -> list[str]:
    """As start.py has it: for Linux, PyTorch's own index too, where it answers."""
    start = _start_script()
    linux = target.platform.startswith("Linux") and start.answers(f"{start.CPU_INDEX}/torch/")
    return ["--extra-index-url", start.CPU_INDEX] if linux else []


def _start_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("start", ROOT / "start.py")
    if spec is None or spec.loader is None:
        raise OSError("start.py is missing.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _copy_data(to: Path) -> dict[str, str]:
    """Copy the data that may be handed on, fetching it where needed; return what was left out and why."""
    left_out: dict[str, str] = {}
    copied: list[Path] = []
    for name, source in sources().items():
        back = kept_back(source)
        if len(back) == len(source["members"]):
            left_out[name] = next(iter(back.values()))
            continue
        left_out |= {f"{'/'.join(Path(file).parts[-2:])} of {name}": why for file, why in back.items()}
        try:
            paths = fetch(name)
        except CorpusUnavailableError as error:
            raise OSError(str(error)) from error
        for file, path in paths.items():
            if not any(member.endswith(f"/{file}") for member in back):
                copied.append(to / path.relative_to(cache_dir() / "data"))
                copied[-1].parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copied[-1])
    print(f"data     {len(copied)} files, {_megabytes(copied)}")
    for what, why in left_out.items():
        print(f"left out {what}: {why}")
    if left_out:
        print("         Lessons 3 to 5 need some of it; `python start.py setup` fetches it where there is a network.")
    return left_out


def _copy_vectors(to: Path) -> int:
    """Copy the cache of vectors, whole even while others write to it; return how many there are."""
    source = cache_dir() / "vectors.sqlite"
    if not source.is_file():
        print("vectors  none: `python start.py run` makes those of the lessons, which saves your class the waiting")
        return 0
    with (
        contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as original,
        contextlib.closing(sqlite3.connect(to)) as copy,
    ):
        original.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, which can be read where nothing can be written
        (number,) = copy.execute("SELECT count(*) FROM vectors").fetchone()
    print(f"vectors  {number:,}, {_megabytes([to])}: of all that was embedded here, your own texts too (no texts)")
    return number


def _megabytes(paths: Iterable[Path]) -> str:
    return f"{sum(path.stat().st_size for path in paths) / 1e6:,.1f} MB"


def start_page(part: Path, wheels: dict[Target, list[Wheel]], left_out: dict[str, str], n_vectors: int) -> str:
    """The page that is opened first: what to type, what is in the folder and under which licence, and what is not."""
    shelf = part / SHELF
    everything = {wheel.path: wheel for chosen in wheels.values() for wheel in chosen}
    common = _megabytes(path for path in everything if path.parent.name == ANY)
    kinds = [(target.shown, target.folder, _megabytes((shelf / target.folder).iterdir())) for target in wheels]
    pythons = " or ".join(sorted({f"3.{target.minor}" for target in wheels}))
    data = [
        (
            name,
            f"{source['package']} {source['version']} (https://pypi.org/project/{source['package']}/)",
            source["licence"],
        )
        for name, source in sources().items()
        if len(kept_back(source)) < len(source["members"])
    ]
    parts = sorted({(wheel.name, wheel.version, wheel.licence) for wheel in everything.values()})
    filled = {
        "python": pythons,
        "size": _megabytes(path for path in part.rglob("*") if path.is_file()),
        "common": common,
        "kinds": _rows(kinds),
        "vectors": f"{n_vectors:,}",
        "data": _rows(data),
        "left_out": _rows(left_out.items()),
        "parts": _rows(parts),
    }
    page = (Path(__file__).parent / "stick" / "start.html").read_text(encoding="utf-8")
    for name, text in filled.items():
        page = page.replace(f"[[{name}]]", text)
    return page


def _rows(table: Iterable[tuple[str, ...]]) -> str:
    lines = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in table]
    return "\n".join(f"<tr>{line}</tr>" for line in lines)
