"""Executes notebooks headless and measures them: for `course run`, and for the notebook tests.

A notebook runs in a kernel of this very environment, whatever kernel its file names. What a run takes is
sampled from outside, so that a notebook cannot forget to measure itself.
"""

import ast
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from course_utils.paths import ROOT

#: A kernel warns that its talk with this very machine is not encrypted, which would alarm for nothing.
QUIET_KERNEL = ["--IPKernelApp.log_level=ERROR"]


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


def use_own_kernels() -> None:
    """Make ``python3`` mean this environment's kernel, also where the user has a global one of that name."""
    own = str(Path(sys.prefix) / "share" / "jupyter")
    others = [path for path in os.environ.get("JUPYTER_PATH", "").split(os.pathsep) if path not in ("", own)]
    os.environ["JUPYTER_PATH"] = os.pathsep.join([own, *others])


def execute(
    notebook: Path, output: Path, parameters: dict[str, Any] | None = None, cwd: Path | None = None
) -> RunReport:
    """Run a notebook with papermill and keep the executed copy.

    Parameters
    ----------
    notebook, output : Path
        What is run, and where the executed copy goes.
    parameters : dict, optional
        Values for the notebook's cell tagged ``parameters``.
    cwd : Path, optional
        The kernel's working folder; the current one by default.

    Returns
    -------
    RunReport
        Time and memory.

    Raises
    ------
    papermill.PapermillExecutionError
        If a cell raised; ``output`` then holds everything up to that cell.
    nbclient.exceptions.DeadKernelError
        If the kernel died, mostly for want of memory.
    """
    import papermill

    use_own_kernels()
    process = psutil.Process()
    others = set(process.children())
    stop, samples = threading.Event(), [0]

    def sample() -> None:
        while not stop.wait(0.2):
            samples.append(sum(memory_of(child) for child in set(process.children()) - others))

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    start = time.perf_counter()
    try:
        papermill.execute_notebook(
            str(notebook),
            str(output),
            parameters,
            kernel_name="python3",
            cwd=cwd,
            progress_bar=False,
            extra_arguments=QUIET_KERNEL,
        )
    finally:
        stop.set()
        sampler.join()
    return RunReport(time.perf_counter() - start, max(samples) / 2**20)


def memory_of(process: psutil.Process) -> int:
    """Bytes in memory of a process and those below it; they come and go while they are counted."""
    total = 0
    with suppress(psutil.Error):
        total += process.memory_info().rss
        for child in process.children(recursive=True):
            with suppress(psutil.Error):
                total += child.memory_info().rss
    return total


def run_all(notebooks: list[Path], parameters: dict[str, Any]) -> bool:
    """Run notebooks one by one, keep them below ``runs/``, print a table; return whether all passed."""
    from nbclient.exceptions import DeadKernelError
    from papermill import PapermillExecutionError

    folder = ROOT / "runs" / time.strftime("%Y-%m-%d_%H%M%S")
    folder.mkdir(parents=True)
    rows, failures = [("notebook", "minutes", "MiB")], []
    for notebook in notebooks:
        print(f"running {notebook.parent.name}/{notebook.name} …", flush=True)
        try:
            report = execute(notebook, folder / notebook.name, parameters, folder)
            rows.append((notebook.stem, f"{report.seconds / 60:.1f}", f"{report.peak_mib:,.0f}"))
            continue
        except PapermillExecutionError as error:
            cell = f"cell [{error.exec_count}] {error.source.strip().splitlines()[0]!r}"
            failures.append(f"{notebook.name}, {cell}: {error.ename}: {error.evalue}")
        except DeadKernelError:
            failures.append(f"{notebook.name}: the kernel died, mostly for want of memory: close programs")
        rows.append((notebook.stem, "failed", ""))
    width = max(len(name) for name, *_ in rows)
    print("", *(f"{name:{width}}  {minutes:>7}  {mib:>6}" for name, minutes, mib in rows), sep="\n")
    print(f"executed notebooks: {folder}", *(f"FAILED {failure}" for failure in failures), sep="\n")
    return not failures


def parse_parameter(text: str) -> tuple[str, object]:
    """Split ``NAME=VALUE``; a value that looks like a Python literal (``80``, ``[1, 2]``) becomes one."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ValueError(f"-p takes NAME=VALUE, for example -p N_PER_GROUP=40, not {text!r}.")
    with suppress(SyntaxError, ValueError):
        return name, ast.literal_eval(value)
    return name, value


@contextmanager
def naming_options(parameters: Mapping[str, object]) -> Iterator[None]:
    """Let errors about somebody's file name the options of a command, of which some came with -p, not a function's."""
    try:
        yield
    except (TypeError, AttributeError, KeyError, ArithmeticError) as error:
        if not parameters:
            raise
        given = ", ".join(f"-p {name}={value!r}" for name, value in parameters.items())
        raise ValueError(
            f"{given} cannot be used here: {error}. A file takes sep=, encoding= and columns=, a file of pairs also "
            "query_column=, pos_column= and neg_column=, a corpus what its function in course_utils.data.corpora takes."
        ) from error
    except ValueError as error:
        message = re.sub(r"\b(text|label)_column=(?=\w|')", r"--\1-column ", str(error))
        message = re.sub(r"\b(text|label)_column=", r"--\1-column", message)
        raise ValueError(re.sub(r"\b(sep|encoding|columns|\w+_column)=", r"-p \1=", message)) from None
