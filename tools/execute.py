"""Runs the generated notebooks and stores their outputs as they may be committed.

Rules for a stored output: a Plotly figure is kept as a PNG picture only; a cell tagged `external-text` keeps
its pictures and nothing else, for it shows text that others wrote; progress bars, warnings and addresses in
memory go, because they change from run to run. Each picture has its alternative text, made by `describe`.
"""

import argparse
import base64
import os
import re
import tempfile
from pathlib import Path

import nbformat
from build import METADATA, to_text
from describe import describe_plotly
from figures import draw
from lesson import ROOT, code_cells, read_manifest, tags
from nbclient import NotebookClient
from nbformat import NotebookNode

from course_utils.app.run import QUIET_KERNEL, use_own_kernels

PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
CELL_TIMEOUT_S = 600


def execute(notebook: NotebookNode) -> None:
    """Run all cells of `notebook` in place, in an empty folder, as for a student who keeps copies anywhere.

    Raises nbclient's CellExecutionError when a cell raises.
    """
    use_own_kernels()
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=CELL_TIMEOUT_S,
            record_timing=False,
            coalesce_streams=True,  # what is printed may arrive in any number of pieces
            resources={"metadata": {"path": folder}},
            extra_arguments=[*QUIET_KERNEL, "--IPKernelApp.extra_extensions=describe"],
        )
        tools = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
        # the course's progress bars are quiet where CI is set
        client.execute(env=os.environ | {"CI": "1", "PYTHONPATH": tools})


def clean(notebook: NotebookNode) -> None:
    """Bring the outputs of an executed notebook into the form that is committed."""
    # nbclient has added the exact Python version and the state of widgets
    notebook.metadata = nbformat.from_dict(METADATA)
    cells = code_cells(notebook.cells)
    for output in (output for cell in cells for output in cell.outputs if output.output_type == "error"):
        raise RuntimeError("\n".join(output.traceback))  # a figure that could not be shown stops no cell
    figures = [output for cell in cells for output in cell.outputs if _has(output, PLOTLY)]
    for output, picture in zip(figures, draw([output.data[PLOTLY] for output in figures]), strict=True):
        output.metadata = nbformat.from_dict({"image/png": {"alt": describe_plotly(output.data[PLOTLY])}})
        output.data = nbformat.from_dict({"image/png": base64.b64encode(picture).decode()})
    for cell in cells:
        external = "external-text" in tags(cell)
        cell.outputs = [output for output in cell.outputs if _is_kept(output, external)]
        for output in cell.outputs:
            if "data" in output:
                kinds = ["image/png"] if external else output.data
                output.data = nbformat.from_dict({kind: _steady(output.data[kind], cell.id) for kind in kinds})
            else:
                output.text = _steady(output.text, cell.id)


def save_pictures(notebook: NotebookNode, folder: Path) -> None:
    """Write the figure of each cell tagged ``picture-NAME`` to ``NAME.png``, for the README and the guides."""
    for cell in code_cells(notebook.cells):
        for name in (tag.removeprefix("picture-") for tag in tags(cell) if tag.startswith("picture-")):
            png = next(output.data["image/png"] for output in cell.outputs if _has(output, "image/png"))
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.png").write_bytes(base64.b64decode(png))


def _has(output: NotebookNode, kind: str) -> bool:
    return kind in output.get("data", {})


def _is_kept(output: NotebookNode, external: bool) -> bool:
    if external:
        return _has(output, "image/png")
    return output.get("name") != "stderr" and not _has(output, WIDGET)


def _steady(value: str, cell_id: str) -> str:
    """Take out what differs between equal runs: addresses in memory, the random names of styled tables."""
    value = re.sub(r" at 0x[0-9a-fA-F]+", "", value)
    return re.sub(r"\bT_[0-9a-f]{5}(?=\b|_)", f"T_{cell_id[:5]}", value)


def main(arguments: list[str] | None = None, root: Path = ROOT) -> None:
    """Execute every notebook of the manifest, or those of one lesson."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="NN", help="the number of one lesson, such as 01")
    only = parser.parse_args(arguments).only
    for lesson in read_manifest(root):
        if only and not lesson["name"].startswith(only):
            continue
        for folder in ("lessons", "solutions"):
            path = root / folder / f"{lesson['name']}.ipynb"
            notebook = nbformat.read(path, as_version=4)
            execute(notebook)
            clean(notebook)
            save_pictures(notebook, root / "docs/pictures")
            path.write_text(to_text(notebook), encoding="utf-8", newline="\n")
            print(f"{path.relative_to(root)}: {path.stat().st_size / 1e6:.2f} MB", flush=True)


if __name__ == "__main__":
    main()
