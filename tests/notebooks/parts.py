"""What the notebook tests share: the lessons of the manifest, and notebooks made of parts of a lesson."""

import re
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from lesson import code_cells, question, read_manifest, sections, tags  # noqa: E402, F401

LESSONS = read_manifest(ROOT)
NAMES = [lesson["name"] for lesson in LESSONS]
#: The cell in which an exercise is checked; its group is the exercise's name.
CHECK = re.compile(r"^(q\d+)\.check\(", re.MULTILINE)


def read(folder: str, lesson: dict) -> NotebookNode:
    """A committed notebook of a lesson, from ``lessons`` or ``solutions``."""
    return nbformat.read(ROOT / folder / f"{lesson['name']}.ipynb", as_version=4)


def part(notebook: NotebookNode, titles: list[str]) -> list[NotebookNode]:
    """The code cells of these sections, with the set-up and parameters cells that any section may use."""
    wanted = {cell.id for title, cells in sections(notebook.cells) if title in titles for cell in cells}
    always = {"setup", "parameters"}
    return [cell for cell in code_cells(notebook.cells) if cell.id in wanted or always & set(tags(cell))]
