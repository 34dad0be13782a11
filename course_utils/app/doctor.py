"""Looks at the machine and says, line by line, what is ok, what may hurt and what is broken, with the remedy.

The output can be pasted into a bug report: it names neither the user nor the home folder.
"""

import ctypes
import importlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import psutil

from course_utils.app.lab import MY_WORK
from course_utils.app.run import QUIET_KERNEL, use_own_kernels
from course_utils.paths import ROOT, cache_dir

GIB = 2**30
CGROUP = Path("/sys/fs/cgroup")  # where Linux keeps a container's own limits
MEND = "run `python start.py setup`"
INSTALL_AGAIN = f"delete the folder .venv and {MEND}"


class Line(NamedTuple):
    """One finding: ``state`` is "ok", "warn" or "fail"; the remedy is empty when all is well."""

    state: str
    text: str
    remedy: str = ""


def check_python() -> Line:
    """The course was made for Python 3.11 to 3.14."""
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    text = f"{platform.python_version()} on {system}, in {sys.prefix}"
    good = (3, 11) <= sys.version_info[:2] <= (3, 14)
    return Line("ok", text) if good else Line("fail", text, f"install Python 3.12, then {INSTALL_AGAIN}")


def check_packages() -> Line:
    """What is installed, against the versions that were tested."""
    from course_utils.app.pieces import damaged_packages

    if damaged := damaged_packages():
        return Line("fail", f"missing or not whole: {', '.join(damaged)}", MEND)
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    tested = {_plain(name): v for name, v in re.findall(r"^([\w.-]+)==(\S+)", constraints, re.MULTILINE)}
    # "2.13.0+cpu" is 2.13.0, built for machines without a graphics card
    installed = {_plain(dist.name): dist.version.partition("+")[0] for dist in metadata.distributions()}
    both = sorted(tested.keys() & installed.keys())
    moved = [f"{n} {installed[n]} (tested: {tested[n]})" for n in both if installed[n] != tested[n]]
    if moved:
        return Line("warn", f"{len(moved)} not as tested: {', '.join(moved[:8])}", INSTALL_AGAIN)
    return Line("ok", f"{len(both)} as tested, torch {metadata.version('torch')}")


def check_memory() -> Line:
    """A lesson may take up to 2 GiB."""
    memory = psutil.virtual_memory()
    free = memory.available
    limit, used = (CGROUP / name for name in ("memory.max", "memory.current"))
    if limit.is_file() and (most := limit.read_text(encoding="ascii").strip()).isdigit():
        free = min(free, int(most) - int(used.read_text(encoding="ascii")))
    text = f"{free / GIB:.1f} GiB free, the machine has {memory.total / GIB:.1f}"
    if free >= 2 * GIB:
        return Line("ok", text)
    return Line("warn" if free >= GIB else "fail", text, "close browsers, other notebooks and other kernels")


def check_disk() -> Line:
    """Notebooks go to the course's own folder or that of COURSE_WORK_DIR, data and vectors to the cache folder."""
    texts, states = [], ["ok"]
    for folder in (MY_WORK.parent, cache_dir()):
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        free, writable = shutil.disk_usage(existing).free / GIB, os.access(existing, os.W_OK)
        texts.append(f"{free:.1f} GiB free in {folder}{'' if writable else ', which cannot be written to'}")
        states.append("fail" if free < 0.2 else "ok" if free >= 1 and writable else "warn")
    state = max(states, key=["ok", "warn", "fail"].index)
    remedy = "free some space; COURSE_CACHE_DIR moves the cache to another folder, COURSE_WORK_DIR your notebooks"
    return Line(state, "; ".join(texts), "" if state == "ok" else remedy)


def check_weights() -> Line:
    """The default model's weights are there and are the pinned bytes."""
    from course_utils.embedding import DEFAULT_MODEL, ModelUnavailableError, find_weights

    try:
        find_weights(DEFAULT_MODEL)
    except ModelUnavailableError as error:
        return Line("fail", str(error), MEND)
    return Line("ok", f"{DEFAULT_MODEL}, sha256 as pinned")


def check_data() -> Line:
    """The public corpora were fetched and are the pinned bytes."""
    from course_utils.data import missing_files, sources

    missing = [f"{file} of {name}" for name, source in sources().items() for file in missing_files(source)]
    if missing:
        remedy = f"{MEND} while there is a network"
        return Line("warn", f"not there, or changed: {', '.join(missing)}", remedy)
    return Line("ok", f"{', '.join(sources())} in {cache_dir() / 'data'}")


def check_network() -> Line:
    """The model hub is only needed for models other than the default one."""
    from course_utils.embedding import hub_answers

    if hub_answers():
        return Line("ok", "the model hub answers")
    return Line("warn", "the model hub does not answer", "none needed unless you want another model")


def check_kernel() -> Line:
    """A notebook kernel starts, answers, and is the one of this environment."""
    from jupyter_client.manager import start_new_kernel

    use_own_kernels()
    try:
        manager, client = start_new_kernel(kernel_name="python3", extra_arguments=QUIET_KERNEL)
    except Exception as error:  # whatever keeps a kernel from starting is the finding
        remedy = f"let a firewall or virus scanner allow local connections; else {INSTALL_AGAIN}"
        return Line("fail", f"does not start: {type(error).__name__}: {error}", remedy)
    output: list[str] = []
    try:
        client.execute_interactive(
            "import sys; print(sys.prefix)",
            timeout=60,
            output_hook=lambda message: output.append(message["content"].get("text", "")),
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    if (prefix := "".join(output).strip()) != sys.prefix:
        return Line("fail", f"answers from another Python, {prefix}", INSTALL_AGAIN)
    return Line("ok", "starts and answers")


def check_windows_runtime() -> Line:
    """PyTorch on Windows needs Microsoft's C++ runtime."""
    try:
        for library in ("vcruntime140_1.dll", "msvcp140.dll"):
            ctypes.CDLL(library)
    except OSError as error:
        return Line("fail", str(error), "install https://aka.ms/vs/17/release/vc_redist.x64.exe")
    return Line("ok", "found")


def check_windows_paths() -> Line:
    """Windows cuts paths at 260 characters unless told otherwise; .venv needs about 180 of them."""
    winreg = importlib.import_module("winreg")  # a plain import is an error to type checkers on other systems
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
        long_paths = bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
    text = f"long paths are {'on' if long_paths else 'off'}, the course's own path has {len(str(ROOT))} letters"
    if long_paths or len(str(ROOT)) < 70:
        return Line("ok", text)
    remedy = "move the course to a short path (C:\\course), or turn on LongPathsEnabled"
    return Line("warn", text, remedy)


CHECKS = {
    "Python": check_python,
    "packages": check_packages,
    "memory": check_memory,
    "disk": check_disk,
    "weights": check_weights,
    "data": check_data,
    "network": check_network,
    "kernel": check_kernel,
}
if sys.platform == "win32":
    CHECKS |= {"C++ runtime": check_windows_runtime, "long paths": check_windows_paths}


def examine() -> bool:
    """Print one line for each check; return whether nothing failed."""
    return all([report(topic, check) for topic, check in CHECKS.items()])  # a list: not only up to a failure


def report(topic: str, check: Callable[[], Line]) -> bool:
    """Run one check and print its line; one that breaks is a finding too. Return whether it did not fail."""
    try:
        line = check()
    except Exception as error:
        line = Line("fail", f"{type(error).__name__}: {error}", "put all these lines into a bug report")
    print(anonymous(f"{line.state:4}  {topic:11}  {line.text}"), flush=True)
    if line.remedy:
        print(anonymous(f"{'':17}  -> {line.remedy}"), flush=True)
    return line.state != "fail"


def check_notebook() -> Line:
    """Run a tiny notebook in the kernel: two sentences must have the documented cosine of 0.666."""
    import nbformat
    from nbclient import NotebookClient

    use_own_kernels()
    cells = [
        "from course_utils.embedding import load_embedder",
        "embedder = load_embedder(cache=False)",
        'a, b = embedder.encode(["The weather is lovely today.", "It\'s so sunny outside!"])',
        'assert abs(a @ b - 0.6660) < 1e-3, f"the cosine is {a @ b:.4f}, not 0.6660"',
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, kernel_name="python3", timeout=300, extra_arguments=QUIET_KERNEL).execute()
    return Line("ok", "embeds two sentences as documented")


def anonymous(text: str) -> str:
    """Leave out the home folder and, in other paths, the user's name."""
    text = text.replace(str(Path.home()), "~")
    return re.sub(rf"(?<=[\\/]){re.escape(Path.home().name)}(?=[\\/]|$)", "…", text)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
