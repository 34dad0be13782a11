"""Executes notebooks headless and measures them: for `course run`, and for the notebook tests.

A notebook runs in a kernel of this very environment, whatever kernel its file names. What a run takes is
sampled from outside, so that a notebook cannot forget to measure itself, and what does not end is ended from there.
"""

import ast
import math
import os
import re
import secrets
import sys
import threading
import time
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from course_utils.app.results import Failure, Result, RunReport, explain, table, versions, write_junit, write_page
from course_utils.paths import ROOT

#: A kernel warns that its talk with this very machine is not encrypted, which would alarm for nothing.
QUIET_KERNEL = ["--IPKernelApp.log_level=ERROR"]


#: How long a notebook may take, in seconds, where nobody says: no lesson needs a fifth of it.
TIMEOUT_S = 3600.0
#: Seconds that a kernel has for heeding an interrupt, and what a notebook has started for ending with it.
GRACE_S = 5.0
#: Set for a kernel and all that it starts, so that these are found again, also when their parents are gone.
MARK = "COURSE_RUN_MARK"


class Watch:
    """Times a run, measures its processes, and ends those that overstay.

    Parameters
    ----------
    timeout : float
        Seconds that the run may take; what still runs ``GRACE_S`` later is killed.

    Attributes
    ----------
    report : RunReport
        Time and memory, once the run is over.
    left : list of str
        Names of the processes that were still there ``GRACE_S`` after its end, and were killed.
    """

    def __init__(self, timeout: float = math.inf) -> None:
        self.timeout, self.report, self.left = timeout, RunReport(0, 0), list[str]()
        self._mark, self._peak, self._stop = secrets.token_hex(), 0, threading.Event()
        self._seen: set[psutil.Process] = set()

    def __enter__(self) -> "Watch":
        self._before, self._others = os.environ.get(MARK), set(psutil.Process().children())
        os.environ[MARK] = self._mark
        self._start = time.monotonic()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.report = RunReport(time.monotonic() - self._start, self._peak / 2**20)
        self._stop.set()
        self._sampler.join()
        try:
            if error[0] is None:  # after an error nobody waits for what the kernel started
                psutil.wait_procs(self._started(), GRACE_S)
        finally:
            self.left = self._kill()
            os.environ.pop(MARK)
            if self._before is not None:
                os.environ[MARK] = self._before

    @property
    def timed_out(self) -> bool:
        """Whether the run took longer than it may."""
        return self.report.seconds > self.timeout

    def seconds_left(self, cell: object = None) -> float:
        """Seconds that a cell may still take, never none, which would mean any number."""
        return max(0.1, self._start + self.timeout - time.monotonic())

    def _sample(self) -> None:
        while not self._stop.wait(0.2):
            own = set(psutil.Process().children()) - self._others
            self._peak = max(self._peak, sum(map(memory_of, own)))
            for process in own:
                with suppress(psutil.Error):
                    self._seen |= {process, *process.children(recursive=True)}
            if time.monotonic() > self._start + self.timeout + GRACE_S:
                self._kill()

    def _started(self) -> list[psutil.Process]:
        """What this run has started, as far as it is still there."""
        found = {process for process in self._seen if process.is_running()}
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.pid != os.getpid() and process.environ().get(MARK) == self._mark:
                    found.add(process)
        return [each for each in found if _is_alive(each)]

    def _kill(self) -> list[str]:
        killed = []
        for process in self._started():
            with suppress(psutil.Error):
                killed.append(process.name())
                process.kill()
        return killed


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def use_own_kernels() -> None:
    """Make ``python3`` mean this environment's kernel, also where the user has a global one of that name."""
    own = str(Path(sys.prefix) / "share" / "jupyter")
    others = [path for path in os.environ.get("JUPYTER_PATH", "").split(os.pathsep) if path not in ("", own)]
    os.environ["JUPYTER_PATH"] = os.pathsep.join([own, *others])


def execute(
    notebook: Path,
    output: Path,
    parameters: dict[str, Any] | None = None,
    cwd: Path | None = None,
    watch: Watch | None = None,
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
    watch : Watch, optional
        What measures the run and ends it when its time is up; without one it may take any time.

    Returns
    -------
    RunReport
        Time and memory.

    Raises
    ------
    papermill.PapermillExecutionError
        If a cell raised, or was interrupted; ``output`` then holds everything up to that cell.
    nbclient.exceptions.DeadKernelError
        If the kernel died, mostly for want of memory, or was killed.
    """
    import papermill

    use_own_kernels()
    watch = watch or Watch()
    limits = {"timeout_func": watch.seconds_left, "interrupt_on_timeout": True} if watch.timeout < math.inf else {}
    with watch:
        papermill.execute_notebook(
            # it takes braces in a path for places to fill in
            *(str(Path(path).absolute()).replace("{", "{{").replace("}", "}}") for path in (notebook, output)),
            parameters,
            kernel_name="python3",
            language="python",
            cwd=cwd,
            progress_bar=False,
            extra_arguments=QUIET_KERNEL,
            **limits,
        )
    return watch.report


def memory_of(process: psutil.Process) -> int:
    """Bytes in memory of a process and those below it; they come and go while they are counted."""
    total = 0
    with suppress(psutil.Error):
        total += process.memory_info().rss
        for child in process.children(recursive=True):
            with suppress(psutil.Error):
                total += child.memory_info().rss
    return total


def run_all(
    notebooks: list[Path],
    parameters: dict[str, Any],
    timeout: float = TIMEOUT_S,
    out: Path | None = None,
    junit: Path | None = None,
    html: bool = False,
) -> bool:
    """Run notebooks one by one, keep what came of each, print a table; return whether all passed.

    Parameters
    ----------
    notebooks : list of Path
        What to run. A lesson runs in the folder of the results, any other notebook in its own, as in JupyterLab.
    parameters : dict
        Values for their cells tagged ``parameters``.
    timeout : float
        Seconds that each may take.
    out : Path, optional
        A new or empty folder for the executed notebooks; left out: one in ``runs/`` that has the time for a name.
    junit : Path, optional
        A file for the results as JUnit has them; it is whole after each notebook.
    html : bool
        Whether to make a page of each executed notebook.

    Returns
    -------
    bool
        Whether all passed.

    Raises
    ------
    ValueError
        If there is no folder for the results.
    KeyboardInterrupt
        After Ctrl-C, when what was done is written and the table is printed.
    """
    folder, results, stopped = results_folder(out), list[Result](), False
    if junit:  # now, as what cannot be written is best known before an hour of work
        write_junit(junit, results)
    try:
        for notebook, output in zip(notebooks, _outputs(notebooks, folder), strict=True):
            print(f"running {notebook.parent.name}/{notebook.name} …", flush=True)
            results.append(_run_one(notebook, output, parameters, Watch(timeout), html))
            if junit:
                write_junit(junit, results)
            if stopped := results[-1].interrupted:
                break
    except KeyboardInterrupt:  # between two runs
        stopped = True
    print("", *table(results), versions(), f"executed notebooks: {folder}", sep="\n")
    print(
        *(f"FAILED {each.notebook.name}, {each.failure.message}\n" for each in results if each.failure), sep="", end=""
    )
    if stopped:
        raise KeyboardInterrupt
    return not any(result.failure for result in results)


def _run_one(notebook: Path, output: Path, parameters: dict[str, Any], watch: Watch, html: bool) -> Result:
    """Run a notebook and make its page; whatever ends it is told in the result, so that the next one runs."""
    cwd = output.parent if notebook.parent in (ROOT / "lessons", ROOT / "solutions") else notebook.parent
    failure, interrupted = None, False
    try:
        execute(notebook, output, parameters, cwd, watch)
        if watch.left:
            failure = Failure(f"it left processes running, which were killed: {', '.join(watch.left)}")
        if watch.timed_out:
            failure = Failure(f"it took longer than {watch.timeout:g} s (--timeout)")
    except (Exception, KeyboardInterrupt) as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        failure = explain(error, output, watch.timeout if watch.timed_out else None)
    if html and output.exists():
        try:
            write_page(output, notebook.parent)
        except Exception as error:
            failure = failure or Failure(f"no page could be made of it: {type(error).__name__}: {error}")
    return Result(notebook, watch.report, failure, interrupted)


def results_folder(out: Path | None) -> Path:
    """Make the folder for the results of one run; two that begin in the same second get two."""
    if out is not None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ValueError(f"--out {out} is there already and not empty: name a new folder.")
        out.mkdir(parents=True, exist_ok=True)
        return out.absolute()
    name = time.strftime("%Y-%m-%d_%H%M%S")
    try:
        for number in range(1, sys.maxsize):
            folder = ROOT / "runs" / (f"{name}_{number}" if number > 1 else name)
            with suppress(FileExistsError):
                folder.mkdir(parents=True)
                break
    except OSError as error:
        raise ValueError(
            f"The course's folder runs cannot be written ({error.strerror}): name one with --out."
        ) from None
    return folder


def _outputs(notebooks: list[Path], folder: Path) -> list[Path]:
    """One file a notebook; for some file systems names that differ in capitals or in how é is written are one."""
    outputs, taken = list[Path](), set[str]()
    for notebook in notebooks:
        name, number = notebook.stem, 1
        while (key := unicodedata.normalize("NFC", name).casefold()) in taken:
            number += 1
            name = f"{notebook.stem}_{number}"
        taken.add(key)
        outputs.append(folder / f"{name}.ipynb")
    return outputs


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
        message = re.sub(r"\b(text|label|id)_column=(?=\w|')", r"--\1-column ", str(error))
        message = re.sub(r"\b(text|label|id)_column=", r"--\1-column", message)
        raise ValueError(re.sub(r"\b(sep|encoding|columns|\w+_column)=", r"-p \1=", message)) from None
