"""Gives students their own copies of the lessons, and opens JupyterLab on them.

Copies live in ``my_work/``. What a student has changed is never overwritten: a small file beside the copies,
``.course.json``, remembers a hash of what was copied, which tells an untouched copy from an edited one. Where
``COURSE_WORK_DIR`` names another folder than the course's, ``my_work/`` lies there, beside links to what its lessons
lead to.
"""

import hashlib
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from course_utils.app.run import use_own_kernels
from course_utils.paths import ROOT

LESSONS = ROOT / "lessons"


def work_dir() -> Path:
    """The folder that holds ``my_work/``: ``$COURSE_WORK_DIR``, in which ``~`` is the home folder, or the course's."""
    named = os.environ.get("COURSE_WORK_DIR") or ROOT
    return Path(os.path.expanduser(named)).absolute()  # noqa: PTH111  (Path's own fails where there is no home)


MY_WORK = work_dir() / "my_work"

#: No news popup (it asks the outside). A kernel ends with its notebook's tab, as a few of them fill a laptop.
JUPYTERLAB_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"kernelShutdown": True},
}


def find_notebooks(names: list[str], folder: Path) -> list[Path]:
    """Return the notebooks of a folder that ``01``, ``1`` or ``01_embedding_basics`` name; all for no name.

    Parameters
    ----------
    names : list of str
        Numbers or names of lessons.
    folder : Path
        Where the notebooks are.

    Returns
    -------
    list of Path
        In the order of the names.

    Raises
    ------
    ValueError
        If a name fits no notebook; the message lists those that are there.
    """
    notebooks = {path.stem: path for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
    found = []
    for name in names or notebooks:
        stem = Path(name).stem
        fitting = [path for key, path in notebooks.items() if stem == key or stem.zfill(2) == key[:2]]
        if not fitting:
            available = ", ".join(notebooks) or "none"
            raise ValueError(f"There is no lesson {name!r} in {folder}. The lessons are: {available}.")
        found += fitting
    return found


def notebooks_to_run(names: list[str], folder: Path) -> list[Path]:
    """Return the notebooks that numbers, names of lessons and paths name; all lessons for none.

    Parameters
    ----------
    names : list of str
        What has no folder in front and no ``.ipynb`` behind it names a lesson; all else is a path.
    folder : Path
        Where the lessons are.

    Returns
    -------
    list of Path
        In the order of the names.

    Raises
    ------
    ValueError
        If a name fits no lesson, or a path leads to no notebook.
    """
    found = []
    for name in names:
        path = Path(name).expanduser()
        if name == path.name and path.suffix.lower() != ".ipynb":
            found += find_notebooks([name], folder)
        elif not path.exists():
            raise ValueError(f"There is no file {name!r}. For a lesson of the course give its number, such as 01.")
        elif path.is_dir() or path.suffix.lower() != ".ipynb":
            raise ValueError(f"{name!r} is no notebook: name files that end in .ipynb.")
        else:
            found.append(path.absolute())
    return found if names else find_notebooks([], folder)


def copy_lessons() -> list[str]:
    """Copy new lessons to ``my_work/`` and renew copies that nobody edited; return what there is to tell."""
    messages = []
    _link_what_is_read()
    for lesson in find_notebooks([], LESSONS):
        copy, copied = MY_WORK / lesson.name, copied_hashes().get(lesson.name)
        if not copy.exists():
            _copy(lesson)
            messages.append(f"New in my_work: {lesson.name}")
        elif cells_of(copy) is None:
            messages.append(
                f"my_work/{copy.name} is empty or no notebook that can be read, so JupyterLab cannot open it. "
                f"`python start.py reset {lesson.stem[:2]}` puts a fresh one beside it."
            )
        elif hash_of(lesson) not in (copied, hash_of(copy)):
            if copied == hash_of(copy):
                _copy(lesson)
                messages.append(f"Renewed in my_work: {lesson.name} (you had not changed its cells)")
            else:
                messages.append(
                    f"There is a newer {lesson.name}. Yours holds your work and stays as it is; "
                    f"`python start.py reset {lesson.stem[:2]}` puts a fresh one beside it."
                )
    return messages


def reset_lesson(name: str) -> Path | None:
    """Put a fresh copy of a lesson into ``my_work/``; return where the old one is kept, None without one."""
    _link_what_is_read()
    (lesson,) = find_notebooks([name], LESSONS)
    copy, kept = MY_WORK / lesson.name, None
    if copy.exists():
        kept = _reserve_name(copy)
        if copy.is_dir():
            kept.unlink()  # a folder does not go over a file
        with suppress(FileNotFoundError):  # another reset was quicker, and keeps it
            copy.replace(kept)
        if kept.is_file() and not kept.stat().st_size:
            kept.unlink()
            kept = None
    _copy(lesson)
    return kept


def open_jupyterlab(lesson: Path, browser: bool) -> None:
    """Run JupyterLab on a student's copy until it is stopped; nothing is registered outside of .venv."""
    use_own_kernels()
    application = Path(sys.prefix) / "share" / "jupyter" / "lab"
    os.environ |= {"JUPYTER_PREFER_ENV_PATH": "1", "JUPYTERLAB_DIR": str(application)}
    # so that `course` works in JupyterLab's terminal
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    with suppress(OSError):  # a shared, read-only installation also runs without them
        (application / "settings").mkdir(exist_ok=True)
        overrides = json.dumps(JUPYTERLAB_SETTINGS, indent=2)
        (application / "settings" / "overrides.json").write_text(overrides, encoding="utf-8")

    from jupyterlab.labapp import LabApp

    options = [f"--ServerApp.root_dir={MY_WORK.parent}", f"--LabApp.default_url=/lab/tree/{MY_WORK.name}/{lesson.name}"]
    if not browser:
        options.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")  # containers often have no other user; it listens on localhost only
    LabApp.launch_instance(options)


def _link_what_is_read() -> None:
    """Put links to the course's own folders beside a ``my_work/`` that lies elsewhere: the lessons lead there.

    Where the system or something of that name stands against it, the last cell of a lesson says where they lead.
    """
    here, course = MY_WORK.parent, LESSONS.parent
    for name in () if here == course else ("docs", "lessons", "solutions"):
        with suppress(OSError):
            here.mkdir(parents=True, exist_ok=True)
            if (here / name).is_symlink() and not (here / name).exists():
                (here / name).unlink()  # the course has moved
            (here / name).symlink_to(course / name, target_is_directory=True)


def _reserve_name(copy: Path) -> Path:
    """Make an empty file of a name that nothing has: two resets at once, or a wrong clock, never take the same."""
    kept = stem = f"{copy.stem}_{time.strftime('%Y-%m-%d_%H%M%S')}"
    for number in range(2, sys.maxsize):
        with suppress(FileExistsError):
            copy.with_name(f"{kept}.ipynb").touch(exist_ok=False)
            break
        kept = f"{stem}_{number}"
    return copy.with_name(f"{kept}.ipynb")


def copied_hashes(work: Path | None = None) -> dict[str, str]:
    """The hash of what each copy in ``my_work/``, or in another such folder, was copied from."""
    try:
        copied = json.loads(((work or MY_WORK) / ".course.json").read_text(encoding="utf-8"))
    except (OSError, RecursionError, ValueError):
        copied = None
    return copied if isinstance(copied, dict) else {}  # every copy then counts as edited, which loses nothing


def _copy(lesson: Path) -> None:
    MY_WORK.mkdir(parents=True, exist_ok=True)
    if cells_of(lesson) is None:
        raise ValueError(
            f"lessons/{lesson.name} is no whole notebook, perhaps because git left a merge conflict in it. "
            f"`git checkout HEAD -- lessons` takes the last good ones; your copies in my_work stay as they are."
        )
    notebook = without_results(json.loads(lesson.read_text(encoding="utf-8")))
    half = MY_WORK / f".{lesson.name}.{os.getpid()}.part"
    half.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    half.replace(MY_WORK / lesson.name)
    copied = json.dumps(copied_hashes() | {lesson.name: hash_of(lesson)}, indent=2)
    half.write_text(copied, encoding="utf-8")
    half.replace(MY_WORK / ".course.json")


def without_results(notebook: dict) -> dict:
    """Empty a notebook's outputs: a lesson's are for readers on the web, and a student is to find them."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return notebook


def cells_of(notebook: Path) -> list[list[str]] | None:
    """Kind and source of each cell; None for what is no notebook."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        return [[cell["cell_type"], "".join(cell["source"])] for cell in cells]
    except (KeyError, OSError, RecursionError, TypeError, ValueError):
        return None


def hash_of(notebook: Path) -> str:
    """Hash what is written in the cells; the rest changes when JupyterLab only opens a notebook and saves it."""
    cells = cells_of(notebook)
    # what is no notebook any more is an edited one
    written = notebook.read_bytes().hex() if cells is None else json.dumps(cells)
    return hashlib.sha256(written.encode()).hexdigest()
