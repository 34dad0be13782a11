"""What is kept and said of executed notebooks: where one failed, a table, a JUnit file, and pages to look at.

The pages ask nothing of the network: plotly.js lies beside them once, and formulas stay as they were typed.
"""

import os
import platform
import re
import shutil
import tomllib
import xml.etree.ElementTree as ET
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from course_utils.paths import ROOT

PLOTLY = "application/vnd.plotly.v1+json"
PACKAGES = ("ipykernel", "numpy", "pandas", "scikit-learn", "plotly", "torch", "transformers", "sentence-transformers")
# nbconvert's own page, without what it fetches from other servers
TEMPLATE = """{% extends "lab/index.html.j2" %}
{% block html_head_js %}<script src="plotly.min.js"></script>{% endblock %}
{% block jupyter_widgets %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
"""
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class RunReport:
    """What a run took.

    Attributes
    ----------
    seconds : float
        Time, with the start of the kernel.
    peak_mib : float
        The most memory that the kernel's process tree held, in MiB.
    """

    seconds: float
    peak_mib: float


@dataclass(frozen=True)
class Failure:
    """Why a notebook failed: a sentence that says where, and what Python said."""

    message: str
    traceback: str = ""


@dataclass(frozen=True)
class Result:
    """What came of a notebook: ``failure`` is None when it passed, ``interrupted`` true after Ctrl-C."""

    notebook: Path
    report: RunReport
    failure: Failure | None
    interrupted: bool = False


def explain(error: BaseException, output: Path, timeout: float | None = None) -> Failure:
    """Say where and why a run ended, and write it into the executed copy where the kernel no longer could.

    Parameters
    ----------
    error : BaseException
        What `execute` raised.
    output : Path
        The executed copy, as far as it got; it may be missing.
    timeout : float, optional
        Seconds that the run was allowed, if they were up.

    Returns
    -------
    Failure
        Cell, line of its source, and traceback.
    """
    from nbclient.exceptions import DeadKernelError
    from papermill import PapermillExecutionError

    up = f"stopped after {timeout:g} s (--timeout): " if timeout else ""
    if isinstance(error, PapermillExecutionError):
        said = _COLOUR.sub("", "\n".join(error.traceback))
        what = f"{error.ename}: {_COLOUR.sub('', error.evalue)}".removesuffix(": ")
        return Failure(f"{place(error.source, error.exec_count, said)}: {up}{what}", said)
    if timeout:
        why = f"{up}it did not heed the interrupt and was killed"
    elif isinstance(error, DeadKernelError):
        why = "the kernel died, mostly for want of memory: close programs"
    elif isinstance(error, KeyboardInterrupt):
        why = "interrupted"
    else:
        why = f"{type(error).__name__}: {error}"
    where = _note(output, "Timeout" if timeout else type(error).__name__, why)
    return Failure(f"{where}: {why}" if where else why)


def place(source: str, count: int | None, traceback: str = "") -> str:
    """Name a cell by its number and the line that a traceback points at, else by its first line."""
    lines = source.splitlines()
    # the last frame in this cell, as a function further up in it may have been called from further down
    told = re.findall(rf"^\s*(?:File|Cell) .*?In ?\[{count}\], line (\d+)", traceback, re.MULTILINE)
    blank = next(
        (n for n, line in enumerate(lines) if line.strip()), 0
    )  # IPython counts from the first line with words
    number = blank + int(told[-1]) if told else 0
    if 0 < number <= len(lines):
        return f"cell [{count}], line {number} {lines[number - 1].strip()!r}"
    return f"cell [{count}] {''.join(lines[blank : blank + 1]).strip()!r}"


def _note(output: Path, name: str, why: str) -> str:
    """Put an error into the cell that ran last, and name the cell; "" where none ran."""
    import nbformat

    with suppress(OSError, ValueError, KeyError):
        notebook = nbformat.read(output, as_version=4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        # not its status, which is "completed" for all cells in the end
        ran = [cell for cell in code if cell.metadata.get("papermill", {}).get("start_time")]
        if ran:
            ran[-1].outputs.append(
                nbformat.v4.new_output("error", ename=name, evalue=why, traceback=[f"{name}: {why}"])
            )
            _replace(output, nbformat.writes(notebook) + "\n")
            counts = [cell.execution_count or 0 for cell in ran]
            return place(ran[-1].source, counts[-1] or max(counts) + 1)
    return ""


def table(results: list[Result]) -> list[str]:
    """Lines of a table: what each notebook took, beside what the manifest allows a lesson of that name."""
    manifest = ROOT / "lessons" / "course.toml"
    lessons = tomllib.loads(manifest.read_text(encoding="utf-8"))["lesson"] if manifest.exists() else []
    budgets = {lesson["name"]: lesson["budget"] for lesson in lessons}
    rows = [("notebook", "", "minutes", "budget", "MiB", "budget")]
    for result in results:
        report, budget = result.report, budgets.get(result.notebook.stem)
        over = budget and (report.seconds > budget["cold_s"] or report.peak_mib > budget["memory_mib"])
        state = "failed" if result.failure else "over" if over else "ok"
        minutes = f"{budget['warm_s'] / 60:g}-{budget['cold_s'] / 60:g}" if budget else "-"
        mib = f"{budget['memory_mib']:,}" if budget else "-"
        row = (f"{report.seconds / 60:.1f}", minutes, f"{report.peak_mib:,.0f}", mib)
        rows.append((result.notebook.stem, state, *row))
    first, second, *others = (max(map(len, column)) for column in zip(*rows, strict=True))
    return [
        "  ".join([row[0].ljust(first), row[1].ljust(second), *map(str.rjust, row[2:], others)]).rstrip()
        for row in rows
    ]


def versions() -> str:
    """Python and the main packages that are installed, in a line."""
    found = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found.append(f"{name} {metadata.version(name)}")
    return ", ".join(found)


def write_junit(file: Path, results: list[Result]) -> None:
    """Write results as JUnit has them, one case a notebook, with its seconds and, if it failed, where and why.

    Parameters
    ----------
    file : Path
        It is replaced as a whole.
    results : list of Result
        What there is by now.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    failed = sum(result.failure is not None for result in results)
    total = f"{sum(result.report.seconds for result in results):.3f}"
    counts = {"name": "notebooks", "tests": str(len(results)), "failures": str(failed), "errors": "0", "time": total}
    suites = ET.Element("testsuites", counts)
    suite = ET.SubElement(suites, "testsuite", counts | {"skipped": "0"})
    properties = ET.SubElement(suite, "properties")
    ET.SubElement(properties, "property", name="versions", value=versions())
    for result in results:
        path, seconds = _clean(str(result.notebook)), f"{result.report.seconds:.3f}"
        names = {"classname": _clean(result.notebook.parent.name), "name": _clean(result.notebook.name), "file": path}
        case = ET.SubElement(suite, "testcase", names | {"time": seconds})
        if result.failure:
            message = _clean(result.failure.message)
            failure = ET.SubElement(case, "failure", message=message, type="notebook")
            failure.text = f"{message}\n\n{_clean(result.failure.traceback)}".rstrip()
        ET.SubElement(case, "system-out").text = f"{result.report.peak_mib:,.0f} MiB at most"
    file.parent.mkdir(parents=True, exist_ok=True)
    ET.indent(suites)
    _replace(file, f"<?xml version='1.0' encoding='utf-8'?>\n{ET.tostring(suites, encoding='unicode')}\n")


def write_page(notebook: Path, source: Path) -> None:
    """Make a page of an executed notebook, beside it, with its figures as alive as in JupyterLab.

    Parameters
    ----------
    notebook : Path
        ``NAME.ipynb``; the page is ``NAME.html``, and ``plotly.min.js`` comes beside it.
    source : Path
        The folder from which the notebook's pictures are taken.

    Raises
    ------
    OSError
        If it cannot be read or written.
    """
    import nbformat
    import plotly
    from nbconvert import HTMLExporter
    from plotly.io import to_html

    content = nbformat.read(notebook, as_version=4)
    for cell in content.cells:
        for output in cell.get("outputs", []):
            if figure := output.get("data", {}).get(PLOTLY):
                known = {key: figure[key] for key in ("data", "layout", "frames") if key in figure}
                options = {"include_plotlyjs": False, "full_html": False, "validate": False, "default_height": "450px"}
                output.data = nbformat.from_dict({"text/html": to_html(known, figure.get("config"), **options)})
    exporter = HTMLExporter(raw_template=TEMPLATE, embed_images=True)
    resources = {"metadata": {"name": notebook.stem, "path": str(source)}}
    page, _ = exporter.from_notebook_node(content, resources=resources)
    script = notebook.with_name("plotly.min.js")
    if not script.exists():
        shutil.copyfile(Path(plotly.__file__).parent / "package_data" / "plotly.min.js", script)
    _replace(notebook.with_suffix(".html"), page)


def _clean(text: str) -> str:
    """Leave out what XML cannot hold."""
    return _NOT_IN_XML.sub("", _COLOUR.sub("", text))


def _replace(file: Path, text: str) -> None:
    half = file.with_name(f".{file.name}.{os.getpid()}.part")
    half.write_text(text, encoding="utf-8", newline="\n", errors="replace")
    half.replace(file)
