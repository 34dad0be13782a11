"""What the authoring tools and the tests know about a lesson: its manifest, tags, sections and exercises."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import jupytext
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent

_SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION$", re.DOTALL | re.MULTILINE)


def read_manifest(root: Path = ROOT) -> list[dict]:
    """The lessons of ``lessons/course.toml``, in order."""
    return tomllib.loads((root / "lessons/course.toml").read_text(encoding="utf-8"))["lesson"]


def read_workshop(root: Path = ROOT) -> list[dict]:
    """The slots of the workshop in ``lessons/course.toml``, perhaps none: ``what`` and ``minutes``, or a ``lesson``."""
    return tomllib.loads((root / "lessons/course.toml").read_text(encoding="utf-8")).get("workshop", [])


def read_source(path: Path) -> list[NotebookNode]:
    """The cells of a lesson's py:percent source."""
    return jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent").cells


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell, perhaps none."""
    return cell.metadata.get("tags", [])


def code_cells(cells: Iterable[NotebookNode]) -> list[NotebookNode]:
    """The code cells among these."""
    return [cell for cell in cells if cell.cell_type == "code"]


def first_line(cell: NotebookNode) -> str:
    """The beginning of a cell's source, to name it in a message."""
    return repr(cell.source.partition("\n")[0][:60])


def sections(cells: Iterable[NotebookNode]) -> list[tuple[str, list[NotebookNode]]]:
    """Heading and cells of each section: from a Markdown cell that begins with ``## `` up to the next one."""
    found: list[tuple[str, list[NotebookNode]]] = []
    for cell in cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            found.append((cell.source.partition("\n")[0].removeprefix("## ").strip(), []))
        if found:
            found[-1][1].append(cell)
    return found


def minutes(lesson: dict, tag: str) -> int:
    """Minutes of the manifest's sections with this tag, exercises included."""
    return sum(part["minutes"] + part.get("exercise_minutes", 0) for part in lesson["section"] if tag in part["tags"])


def question(cell: NotebookNode) -> str | None:
    """The name of the exercise that a cell holds (``q1``), or None."""
    named = [tag for tag in tags(cell) if re.fullmatch(r"q\d+", tag)]
    return named[0] if "exercise" in tags(cell) and named else None


def has_solution(source: str) -> bool:
    """Whether a pair of solution markers stands in a cell."""
    return bool(_SOLUTION.search(source))


def stub(source: str) -> str:
    """The source of an exercise as a student gets it: each solution replaced by a placeholder."""
    return _SOLUTION.sub(r"\1# YOUR CODE HERE\n\1...", source)


def solved(source: str) -> str:
    """The source of an exercise with its solution, without the marker lines."""
    return _SOLUTION.sub(lambda match: match.group(2).removesuffix("\n"), source)
