"""The core of every lesson runs with the default install, without any extra.

A virtual environment with only the distributions that the default install brings is put together from links
into the one that runs the tests: seconds instead of gigabytes.
"""

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
from parts import LESSONS, NAMES, part, read

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need special rights on Windows")

#: Packages of the extras that no default package brings along.
EXTRAS_ONLY = (
    "accelerate",
    "datasets",
    "fastapi",
    "jupytext",
    "mteb",
    "nbval",
    "openai",
    "openvino",
    "peft",
    "playwright",
)


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
def test_the_core_needs_no_extra(lesson, python, tmp_path):
    core = [section["title"] for section in lesson["section"] if "core" in section["tags"]]
    lesson_notebook = read("lessons", lesson)
    proof = f"import importlib.util\nassert not any(map(importlib.util.find_spec, {EXTRAS_ONLY}))"
    lesson_notebook.cells = [new_code_cell(proof), *part(lesson_notebook, core)]
    nbformat.write(lesson_notebook, tmp_path / "core.ipynb")
    script = (
        "from course_utils.app.run import execute\n"
        f"execute('core.ipynb', 'executed.ipynb', {lesson['test_parameters']!r})"
    )
    done = subprocess.run([python, "-c", script], cwd=tmp_path, capture_output=True, encoding="utf-8", errors="replace")
    assert done.returncode == 0, done.stderr[-6000:]
