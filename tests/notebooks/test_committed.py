"""The complete notebooks run with their own parameters and all extras, and print again what they print (nbval).

Compared are the cells tagged `nbval-check-output`, whose values are rounded and stable, and the checks of the
exercises, which must say "correct". nbval runs in a process of its own, one a notebook: what it says about a failing
cell stands in the assertion, and pytest-xdist cannot split a notebook.
"""

import os
import subprocess
import sys

import nbformat
import pytest
from parts import CHECK, LESSONS, NAMES, code_cells, question, read, tags


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
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *pytest_alone, *nbval, "lesson.ipynb"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
