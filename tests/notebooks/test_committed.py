"""The committed notebooks run with their own parameters, and print again what they print (nbval).

Only cells tagged `nbval-check-output` are compared; their values are rounded and stable. nbval runs in a
process of its own, one a notebook: what it says about a failing cell stands in the assertion, and
pytest-xdist cannot split a notebook.
"""

import os
import shutil
import subprocess
import sys

import pytest
from parts import LESSONS, NAMES, ROOT


@pytest.mark.parametrize("folder", ["lessons", "solutions"])
@pytest.mark.parametrize("lesson", LESSONS, ids=NAMES)
def test_outputs_are_reproduced(lesson, folder, tmp_path):
    notebook = shutil.copy(ROOT / folder / f"{lesson['name']}.ipynb", tmp_path)
    nbval = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=600"]
    pytest_alone = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", tmp_path]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *pytest_alone, *nbval, notebook],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
