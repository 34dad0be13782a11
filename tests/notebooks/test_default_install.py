"""Every lesson, as a student runs it: papermill, in an empty folder, with the default install and no extra.

A smaller sample and another seed are taken than those of the committed outputs. An environment with exactly what the
default install brings is put together from links into the one that runs the tests: seconds instead of gigabytes.
"""

import json
import subprocess
import sys
import sysconfig
from importlib.metadata import Distribution, distribution
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from parts import CHECK, LESSONS, NAMES, code_cells, question, read

#: Packages of the extras that no default package brings along.
EXTRAS_ONLY = tuple(
    [
        "accelerate",
        "datasets",
        "fastapi",
        "jupytext",
        "mteb",
        "mypy",
        "nbval",
        "openai",
        "openvino",
        "peft",
        "playwright",
    ]
)
SCRIPT = """
import json, sys
from course_utils.app.run import execute
report = execute("lesson.ipynb", "executed.ipynb", json.loads(sys.argv[1]), cwd="an empty folder")
print(report.peak_mib)
"""


def closure(name: str) -> list[Distribution]:
    """The installed distributions that `name` requires without extras, directly or not, itself included."""
    todo, seen = [(name, "")], set()
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for requirement in map(Requirement, distribution(name).requires or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                todo += [(canonicalize_name(requirement.name), wanted) for wanted in ("", *requirement.extras)]
    return [distribution(name) for name in sorted({name for name, _ in seen})]


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The Python of an environment that holds the default install only."""
    if sys.platform == "win32":
        return Path(sys.executable)  # links need special rights there; the lessons run with all extras
    folder = tmp_path_factory.mktemp("default_install")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    site_packages = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(folder), "platbase": str(folder)}))
    for dist in closure("text-embeddings-course"):
        # the first part of each path; those with '..' are scripts and data outside of site-packages
        for top in {file.parts[0] for file in dist.files} - {"..", "__pycache__"}:
            link = site_packages / top
            if not link.exists():
                link.symlink_to(dist.locate_file(top))
    return folder / "bin/python"


@pytest.mark.parametrize("lesson", LESSONS, ids=NAMES)
def test_lesson(lesson, python, tmp_path):
    notebook = read("lessons", lesson)
    if sys.platform != "win32":
        proof = f"import importlib.util\nassert not any(map(importlib.util.find_spec, {EXTRAS_ONLY}))"
        notebook.cells.insert(0, new_code_cell(proof))
    nbformat.write(notebook, tmp_path / "lesson.ipynb")
    (tmp_path / "an empty folder").mkdir()
    command = [python, "-c", SCRIPT, json.dumps(lesson["test_parameters"])]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", errors="replace")
    assert done.returncode == 0, done.stderr[-6000:]

    cells = code_cells(nbformat.read(tmp_path / "executed.ipynb", as_version=4).cells)
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    outcomes = {
        check.group(1): output.data["text/plain"].partition(":")[0]
        for cell in cells
        for output in cell.outputs
        if (check := CHECK.search(cell.source)) and "text/plain" in output.get("data", {})
    }
    assert outcomes == {name: "not attempted" for name in map(question, cells) if name}
    # generous: it is to notice a lesson that grew out of a small machine, not one that ran beside another
    assert float(done.stdout.split()[-1]) < 1.5 * lesson["budget"]["memory_mib"]
