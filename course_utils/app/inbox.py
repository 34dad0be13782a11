"""Reads a folder of hand-ins as instructors have it: zips of `course hand-in`, zips in zips, Moodle's download, folders
per student, bare notebooks.

Nothing is unpacked to a disk. What a zip declares is not believed: names that lead elsewhere, links, encrypted members
and sizes beyond the limits are refused and said. A lesson is known by its cells, whatever the file is called.
"""

import io
import json
import re
import stat
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from course_utils.app.hand_in import MANIFEST
from course_utils.app.slicing import source_of, tags_of

MEMBERS, FILE_BYTES, ZIP_BYTES, DEPTH = 2_000, 30 * 2**20, 200 * 2**20, 3  # of a zip, with the zips in it
_BESIDE_BYTES = 5 * 2**20
_MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d{3,})_assignsubmission_file_?(?P<rest>.*)", re.DOTALL)
_JUNK = re.compile(r"^(\.|~|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)
_BESIDE = {".csv", ".json", ".jsonl", ".py", ".toml", ".tsv", ".txt"}
_WORK_FOLDERS = {"my_work", "lessons", "notebooks", "work"}


@dataclass(eq=False)
class Notebook:
    """One notebook of a student that is graded.

    Attributes
    ----------
    student : str
        The name, as it is shown.
    lesson : str
        Name of the lesson that its cells are from.
    content : bytes
        The file.
    place : str
        Where it was found, below the inbox.
    when : datetime
        When it was last changed.
    beside : dict of bytes
        Small files from the same folder.
    """

    student: str
    lesson: str
    content: bytes
    place: str
    when: datetime
    beside: dict[str, bytes] = field(default_factory=dict)


class Found(NamedTuple):
    """Of an inbox: the notebooks that count, older ones that do not, what is refused, and what is none of this."""

    notebooks: list[Notebook]
    superseded: list[Notebook]
    refused: list[str]
    ignored: list[str]


class _File(NamedTuple):
    """A file with the folders and zips that it is in, and where it is said to have been changed last."""

    parts: tuple[str, ...]
    content: bytes
    when: datetime


def read_inbox(inbox: Path, lessons: dict[str, dict]) -> Found:
    """Find the notebooks of an inbox, and whose they are.

    Raises
    ------
    ValueError
        If the inbox is no folder and no zip.
    """
    if not inbox.is_dir() and not zipfile.is_zipfile(inbox):
        raise ValueError(f"INBOX {inbox.name} must be a folder of hand-ins, or a zip of them.")
    refused: list[str] = []
    files = list(_walk(inbox, refused))
    names = _manifest_names(files)
    marks = {name: _marks(lesson) for name, lesson in lessons.items()}
    ignored, notebooks = [], []
    for file in files:
        shown = "/".join(file.parts)
        if file.parts[-1] == MANIFEST:
            continue
        if not file.parts[-1].lower().endswith(".ipynb") or not _is_wanted(file.parts):
            ignored.append(shown)
            continue
        lesson = _lesson_of(file.content, marks)
        if lesson is None:
            refused.append(f"{shown}: no notebook that can be read")
        elif not lesson:
            ignored.append(f"{shown} (no lesson of this course)")
        else:
            student = _student_of(file.parts, names, lesson, files)
            notebooks.append(Notebook(student, lesson, file.content, shown, file.when, _beside(file, files)))
    return Found(*_latest(notebooks), refused, [each for each in ignored if not _is_beside(each)])


def _is_beside(shown: str) -> bool:
    """Whether a file is one that goes along with a notebook, of which there is nothing to say."""
    return PurePosixPath(shown).name in ("my_finder.py", "my_questions.csv", "my_scoreboard.csv", ".course.json")


def _latest(notebooks: list[Notebook]) -> tuple[list[Notebook], list[Notebook]]:
    """Of each student and lesson the one that was changed last; the rest."""
    latest: dict[tuple[str, str], Notebook] = {}
    older = []
    spelled: dict[str, str] = {}
    for each in sorted(notebooks, key=lambda each: (each.when, each.place)):
        each.student = spelled.setdefault(each.student.casefold(), each.student)
        key = (each.student, each.lesson)
        older += [latest[key]] if key in latest else []
        latest[key] = each
    return sorted(latest.values(), key=lambda each: (each.student.casefold(), each.lesson)), older


# --- files --------------------------------------------------------------------------------------------------------


def _walk(inbox: Path, refused: list[str]) -> Iterator[_File]:
    for path in sorted(inbox.rglob("*")) if inbox.is_dir() else [inbox]:
        parts = path.relative_to(inbox).parts if inbox.is_dir() else (path.name,)
        shown = "/".join(parts)
        if path.is_symlink():
            refused.append(f"{shown}: a link")
        elif path.is_file():
            try:
                if path.suffix.lower() == ".zip":
                    with path.open("rb") as file:
                        yield from _unzip(file, parts, refused, _Budget())
                    continue
                known = _is_wanted(parts)
                if known and path.stat().st_size > FILE_BYTES:
                    refused.append(f"{shown}: larger than {FILE_BYTES >> 20} MiB")
                    continue
                yield _File(parts, path.read_bytes() if known else b"", datetime.fromtimestamp(path.stat().st_mtime))
            except OSError as error:
                refused.append(f"{shown}: {error.strerror or error}")


def _is_wanted(parts: tuple[str, ...]) -> bool:
    """Whether a file is read at all."""
    if any(_JUNK.match(part) or part == "__MACOSX" for part in parts):
        return False
    return Path(parts[-1]).suffix.lower() in {".ipynb", *_BESIDE}


class _Budget:
    """What one zip may hold, with all zips in it."""

    def __init__(self) -> None:
        self.members, self.bytes = MEMBERS, ZIP_BYTES


def _unzip(file, parts: tuple[str, ...], refused: list[str], budget: _Budget, depth: int = 1) -> Iterator[_File]:
    place = "/".join(parts)
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        refused.append(f"{place}: no zip that can be read ({error})")
        return
    with archive:
        for member in archive.infolist():
            budget.members -= 1
            if budget.members < 0:
                refused.append(f"{place}: more than {MEMBERS:,} files")
                return
            if member.is_dir():
                continue
            inside = _safe_parts(member)
            if inside is None:
                refused.append(f"{place}: {member.filename[:100]!r} would lead outside of its folder")
                continue
            whole, is_zip = (*parts, *inside), inside[-1].lower().endswith(".zip")
            content = b""
            if _is_wanted(whole) or is_zip and not any(part == "__MACOSX" or _JUNK.match(part) for part in inside):
                try:
                    content = _read_member(archive, member, budget)
                except _Refusal as error:
                    refused.append(f"{'/'.join(whole)}: {error}")
                    if budget.bytes <= 0:
                        return
                    continue
            if is_zip and content:
                if depth >= DEPTH:
                    refused.append(f"{'/'.join(whole)}: zips more than {DEPTH} deep")
                else:
                    yield from _unzip(io.BytesIO(content), whole, refused, budget, depth + 1)
                continue
            yield _File(whole, content, _time_of(member))


class _Refusal(Exception):
    """A member of a zip that is not read, with the reason."""


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: _Budget) -> bytes:
    """Read one member, and no more of it than the limits; its declared size may be a lie."""
    if member.flag_bits & 1:
        raise _Refusal("it is encrypted")
    most = min(FILE_BYTES, budget.bytes)
    try:
        with archive.open(member) as file:
            content = file.read(most + 1)
    except Exception as error:  # zipfile raises many kinds for what is broken
        raise _Refusal(f"it cannot be read ({error})") from error
    budget.bytes -= len(content)
    if len(content) > most:
        raise _Refusal(f"unpacked it is larger than {most >> 20} MiB")
    return content


def _safe_parts(member: zipfile.ZipInfo) -> tuple[str, ...] | None:
    """The parts of a member's name, None where it is no plain file below the zip's own folder."""
    name = member.filename.replace("\\", "/")
    mode = member.external_attr >> 16
    parts = PurePosixPath(name).parts
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in parts or not parts or "\0" in name:
        return None
    return None if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG) else parts


def _time_of(member: zipfile.ZipInfo) -> datetime:
    try:
        return datetime(*member.date_time)
    except ValueError:
        return datetime(1980, 1, 1)


def _beside(file: _File, files: list[_File]) -> dict[str, bytes]:
    """Small files from a notebook's folder, as its lines may read them."""
    found, left = {}, _BESIDE_BYTES
    for other in files:
        suffix = Path(other.parts[-1]).suffix.lower()
        if other.parts[:-1] == file.parts[:-1] and suffix in _BESIDE and other.parts[-1] != MANIFEST:
            left -= len(other.content)
            if left >= 0:
                found[other.parts[-1]] = other.content
    return found


# --- whose, and which lesson --------------------------------------------------------------------------------------


def _manifest_names(files: list[_File]) -> dict[tuple[str, ...], str]:
    """By folder or zip, the name that its student gave to `course hand-in`."""
    names = {}
    for file in files:
        if file.parts[-1] == MANIFEST:
            try:
                name = json.loads(file.content)["name"]
            except (KeyError, TypeError, ValueError, RecursionError):
                continue
            if isinstance(name, str) and _clean(name):
                names[file.parts[:-1]] = _clean(name)
    return names


def _clean(name: str) -> str:
    """A name on one line, without what cannot be seen."""
    kept = "".join(
        each for each in unicodedata.normalize("NFC", name) if unicodedata.category(each)[0] != "C" or each == " "
    )
    return " ".join(kept.split())[:100]


def _student_of(parts: tuple[str, ...], names: dict[tuple[str, ...], str], lesson: str, files: list[_File]) -> str:
    """Whose a notebook is: by Moodle, by the hand-in's own word, by zip or folder, else by the file's name."""
    for part in parts:
        if match := _MOODLE.fullmatch(part):
            return _clean(match["name"])
    for depth in range(len(parts) - 1, 0, -1):
        if parts[:depth] in names:
            return names[parts[:depth]]
    zips = [i for i, part in enumerate(parts[:-1]) if part.lower().endswith(".zip")]
    last = zips[-1] if zips else -1
    folders = [part for part in parts[last + 1 : -1] if part.lower() not in _WORK_FOLDERS]
    tops = {
        file.parts[last + 1]
        for file in files
        if file.parts[: last + 1] == parts[: last + 1]
        and len(file.parts) > last + 2
        and file.parts[-1].endswith(".ipynb")
        and _is_wanted(file.parts)
    }
    if folders and (last < 0 or len(tops) > 1):
        return _clean(folders[0])
    if zips:
        return _clean(Path(parts[last]).stem) or "no name"
    stem = Path(parts[-1]).stem
    return _clean(stem.replace(lesson, "").strip(" _-.()")) or _clean(stem) or "no name"


def _marks(notebook: dict) -> set[str]:
    """What a lesson is known by: the ids and sources of its cells."""
    found = set()
    for cell in notebook["cells"]:
        source = source_of(cell).strip()
        found |= {each for each in (f"id {cell.get('id')}", source) if len(each) > 12}
    return found


def _lesson_of(content: bytes, marks: dict[str, set[str]]) -> str | None:
    """The lesson that most of a notebook's marks are from; "" for none, None for what is no notebook."""
    try:
        notebook = json.loads(content)
        if not isinstance(notebook["cells"], list):
            return None
        for cell in notebook["cells"]:
            _, _ = source_of(cell), tags_of(cell)
        found = _marks(notebook)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return None
    shared = {name: len(found & known) for name, known in marks.items()}
    best = max(shared, key=lambda name: shared[name], default="")
    return best if best and shared[best] >= 2 else ""
