"""The complete notebooks run with their own parameters and all extras, and print again what they print (nbval).

Compared are the cells tagged `nbval-check-output`, whose values are rounded and stable, and the checks of the
exercises, which must say "correct". The students' notebooks hold the same cells and are compared as they are stored;
they run in the other tests. nbval runs in a process of its own, one a notebook: what it says about a failing
cell stands in the assertion, and pytest-xdist cannot split a notebook.
"""

import os
import subprocess
import sys
import time

import nbformat
import psutil
import pytest
from parts import CHECK, LESSONS, NAMES, code_cells, question, read, tags

from course_utils.app.run import memory_of


@pytest.mark.parametrize("lesson", LESSONS, ids=NAMES)
def test_outputs_are_reproduced(lesson, tmp_path):
    notebook = read("solutions", lesson)
    checked = {}
    for cell in code_cells(notebook.cells):
        if check := CHECK.search(cell.source):
            cell.metadata["tags"] = [*tags(cell), "nbval-check-output"]
            checked[check.group(1)] = cell.outputs[0].data["text/plain"].partition(":")[0]
    assert checked == {name: "correct" for name in map(question, notebook.cells) if name}

    nbformat.write(notebook, tmp_path / "lesson.ipynb")
    nbval = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=600"]
    pytest_alone = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", tmp_path]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", *pytest_alone, *nbval, "lesson.ipynb"]
    peak = 0
    with (tmp_path / "said.txt").open("w+", encoding="utf-8", errors="replace") as said:
        running = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=said, stderr=subprocess.STDOUT)
        while running.poll() is None:
            peak = max(peak, memory_of(psutil.Process(running.pid)))
            time.sleep(0.5)
        said.seek(0)
        assert running.returncode == 0, said.read()[-8000:]
    # generous: it is to notice a lesson that grew out of a small machine, not one that ran beside another
    assert peak / 2**20 < 1.5 * lesson["budget"]["memory_mib"]


@pytest.mark.parametrize("lesson", LESSONS, ids=NAMES)
def test_the_students_notebook_stores_the_same_with_its_exercises_open(lesson):
    complete = {cell.source: cell for cell in code_cells(read("solutions", lesson).cells)}
    for cell in code_cells(read("lessons", lesson).cells):
        if "nbval-check-output" in tags(cell):
            assert cell.outputs == complete[cell.source].outputs
        if CHECK.search(cell.source):
            assert cell.outputs[0].data["text/plain"].startswith("not attempted")
