"""Every notebook runs from top to bottom in an empty folder, with a smaller sample and another seed."""

import re

import nbformat
import pytest
from parts import LESSONS, NAMES, ROOT, code_cells, question
from tiny_qwen3 import build_tiny_qwen3

from course_utils.app.run import execute


@pytest.mark.parametrize(("folder", "outcome"), [("lessons", "not attempted"), ("solutions", "correct")])
@pytest.mark.parametrize("lesson", LESSONS, ids=NAMES)
def test_notebook(lesson, folder, outcome, tmp_path):
    working = tmp_path / "an empty folder"
    working.mkdir()
    executed = tmp_path / "executed.ipynb"
    source = ROOT / folder / f"{lesson['name']}.ipynb"
    report = execute(source, executed, lesson["test_parameters"], working)

    cells = code_cells(nbformat.read(executed, as_version=4).cells)
    errors = [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert not errors
    outcomes = {
        check.group(1): output.data["text/plain"].partition(":")[0]
        for cell in cells
        for output in cell.outputs
        if (check := re.search(r"^(q\d+)\.check\(", cell.source, re.MULTILINE))
        and "text/plain" in output.get("data", {})
    }
    assert outcomes == {name: outcome for name in map(question, cells) if name}
    # generous: it is to notice a lesson that grew out of a small machine, not one that ran beside another
    assert report.peak_mib < 1.5 * lesson["budget"]["memory_mib"]


@pytest.mark.parametrize("lesson", LESSONS, ids=NAMES)
def test_notebook_with_another_model(lesson, tmp_path):
    """Any lesson runs with any model; this one's vectors mean nothing, which the lesson's words have to bear."""
    model = build_tiny_qwen3(tmp_path / "tiny")
    parameters = lesson["test_parameters"] | {"MODEL": str(model)}
    execute(ROOT / f"lessons/{lesson['name']}.ipynb", tmp_path / "executed.ipynb", parameters, tmp_path)
