"""A late-comer can start at any section, with any model: each runs after the set-up and parameters cells alone.

The sections run one after the other in one kernel, whose names are wiped before each, so that imports cost once. The
model is a tiny Qwen3 of random weights, whose vectors mean nothing, which the lesson's words have to bear.
"""

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from parts import LESSONS, NAMES, part, read, tags
from tiny_qwen3 import build_tiny_qwen3

from course_utils.app.run import QUIET_KERNEL, use_own_kernels


@pytest.mark.parametrize("lesson", LESSONS, ids=NAMES)
def test_every_section_runs_on_its_own(lesson, tmp_path):
    committed = read("lessons", lesson)
    parameters = lesson["test_parameters"] | {"MODEL": str(build_tiny_qwen3(tmp_path / "tiny"))}
    smaller = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    cells = []
    for section in lesson["section"]:
        at = {"metadata": {"section": section["title"]}}
        cells.append(new_code_cell("%reset -f", **at))
        for cell in part(committed, [section["title"]]):
            cells.append(new_code_cell(cell.source, **at))
            if "parameters" in tags(cell):
                cells.append(new_code_cell(smaller, **at))
    made = new_notebook(cells=cells)
    resources = {"metadata": {"path": tmp_path}}
    use_own_kernels()
    NotebookClient(
        made, kernel_name="python3", timeout=600, allow_errors=True, resources=resources, extra_arguments=QUIET_KERNEL
    ).execute()
    failures = [
        f"{cell.metadata.section!r}: {output.ename}: {output.evalue}\nin the cell\n{cell.source}"
        for cell in made.cells
        for output in cell.outputs
        if output.output_type == "error"
    ]
    assert not failures, "\n\n".join(failures)
