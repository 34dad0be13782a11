"""A late-comer can start at any section, with any model, and with the default install: no extra is needed.

Each section runs after the set-up and parameters cells alone, through papermill, in an empty folder, with a smaller
sample and another seed. The sections run one after the other in one kernel, whose names are wiped before each, so that
imports cost once. The model is a tiny Qwen3 of random weights, whose vectors mean nothing, which the lesson's words
have to bear. An environment with exactly what the default install brings is put together from links into the one that
runs the tests: seconds instead of gigabytes.
"""

import subprocess
import sys
import sysconfig
from importlib.metadata import Distribution, distribution
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from parts import LESSONS, NAMES, part, read, tags
from tiny_qwen3 import build_tiny_qwen3

#: Packages of the extras that no default package brings along.
EXTRAS_ONLY = tuple(
    ["accelerate", "datasets", "jupytext", "mteb", "mypy", "nbval", "openai", "openvino", "peft", "playwright"]
)
SCRIPT = 'from course_utils.app.run import execute; execute("sections.ipynb", "executed.ipynb", cwd="an empty folder")'


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
def test_every_section_runs_on_its_own(lesson, python, tmp_path):
    committed = read("lessons", lesson)
    parameters = lesson["test_parameters"] | {"MODEL": str(build_tiny_qwen3(tmp_path / "tiny"))}
    smaller = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    cells = []
    if sys.platform != "win32":
        proof = f"import importlib.util\nassert not any(map(importlib.util.find_spec, {EXTRAS_ONLY}))"
        cells.append(new_code_cell(proof))
    for section in lesson["section"]:
        cells.append(new_code_cell("%reset -f"))
        for cell in part(committed, [section["title"]]):
            cells.append(new_code_cell(f"# in the section {section['title']!r}\n{cell.source}"))
            if "parameters" in tags(cell):
                cells.append(new_code_cell(smaller))
    nbformat.write(new_notebook(cells=cells), tmp_path / "sections.ipynb")
    (tmp_path / "an empty folder").mkdir()
    done = subprocess.run([python, "-c", SCRIPT], cwd=tmp_path, capture_output=True, encoding="utf-8", errors="replace")
    assert done.returncode == 0, done.stderr[-6000:]
