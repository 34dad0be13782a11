"""Packs a student's notebooks into one zip for `course hand-in`: what was written, and nothing about who or where.

Results, kernels and what tools note in a notebook stay behind; the name is the one that the student gives.
"""

import json
import os
import re
import time
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

from course_utils.app import lab
from course_utils.app.slicing import tags_of

MANIFEST = "hand_in.json"
#: Homes of any user, with either stroke, and doubled as in a string.
_HOME = re.compile(r"(?:[A-Za-z]:)?[\\/]+(?:home|Users|Documents and Settings)[\\/]+[^\\/\s'\"`:;,<>|]+", re.IGNORECASE)


def hand_in(lessons: list[str], name: str, out: Path | None, work: Path) -> list[str]:
    """Pack notebooks; return what there is to tell, first where the zip is.

    Parameters
    ----------
    lessons : list of str
        Numbers or names of lessons in the work folder, or paths of notebooks.
    name : str
        The student's, as it is to be shown.
    out : Path or None
        The zip; else one named after the student, in the work folder.
    work : Path
        Where the student's copies are.

    Returns
    -------
    list of str
        Lines.

    Raises
    ------
    ValueError
        If the name is empty, a notebook is not there or cannot be read, or ``out`` is no name of a zip.
    """
    name = " ".join(name.split())
    if not name:
        raise ValueError('--name must be your name, as your instructor knows it: --name "Ada Lovelace".')
    own = re.sub(r"[^\w .-]", "_", name)[:60].strip(" .")
    out = out or work / f"hand-in {own}.zip"
    if out.suffix.lower() != ".zip":
        raise ValueError(f"--out {out.name} must end in .zip.")
    copied, told = lab.copied_hashes(work), []
    packed: dict[str, str] = {}
    about: dict[str, dict[str, str | None]] = {}
    for path in _find(lessons, work):
        if path.name in packed:
            raise ValueError(f"Two notebooks are called {path.name}. Rename one, and name both again.")
        notebook, note = _read(path), ""
        if lab.hash_of(path) == copied.get(path.name):
            note = ": it is as it came, nothing is written in it"
        packed[path.name] = json.dumps(_bare(notebook), ensure_ascii=False, indent=1) + "\n"
        about[path.name] = {"copied_from": copied.get(path.name)}
        told += [f"  {path.name}{note}", *_warnings(packed[path.name])]
    manifest = {"name": name, "course": metadata.version("text-embeddings-course"), "notebooks": about}
    packed[MANIFEST] = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
    _write(out, packed)
    return [f"{out.resolve()} is ready to be handed in, from {name}. In it, without results:", *told]


def _find(lessons: list[str], work: Path) -> list[Path]:
    """The notebooks that are meant."""
    found = []
    for lesson in lessons:
        if lesson.lower().endswith(".ipynb"):
            path = Path(lesson) if Path(lesson).exists() else work / Path(lesson).name
            if not path.is_file():
                raise ValueError(f"There is no notebook {path.name} here, nor in {work.name}.")
            found.append(path)
            continue
        (original,) = lab.find_notebooks([lesson], lab.LESSONS)
        path = work / original.name
        if not path.is_file():
            raise ValueError(
                f"{work.name} has no {original.name}: you have not opened lesson {original.stem[:2]} yet. "
                f"`python start.py lab --lesson {original.stem[:2]}` opens it; --work names another folder."
            )
        found.append(path)
    return list(dict.fromkeys(found))


def _read(path: Path) -> dict[str, Any]:
    if lab.cells_of(path) is None:
        raise ValueError(
            f"{path.name} is empty or no notebook that can be read. Open it in JupyterLab and save it again; "
            f"`python start.py reset {path.stem[:2]}` gives a fresh copy."
        )
    return json.loads(path.read_text(encoding="utf-8"))


def _bare(notebook: dict[str, Any]) -> dict[str, Any]:
    """What is written in a notebook, and nothing else."""
    cells = []
    for cell in notebook["cells"]:
        tags = sorted(tags_of(cell))
        bare = {"cell_type": cell["cell_type"], "metadata": {"tags": tags} if tags else {}}
        bare |= {"id": cell["id"]} if re.fullmatch(r"[\w-]{1,64}", str(cell.get("id"))) else {}
        bare["source"] = _without_places("".join(cell["source"])).splitlines(keepends=True)
        if cell["cell_type"] == "code":
            bare |= {"outputs": [], "execution_count": None}
        cells.append(bare)
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5 if all("id" in cell for cell in cells) else 4,
    }


def _without_places(source: str) -> str:
    """Take home folders and the course's own place out of a cell."""
    for place, short in ((lab.ROOT, "."), (Path.home(), "~")):
        if len(place.parts) > 1:  # "/" is no place
            spelled = r"[\\/]+".join(map(re.escape, re.split(r"[\\/]+", str(place).rstrip("\\/"))))
            source = re.sub(rf"{spelled}(?![\w-])", short, source, flags=re.IGNORECASE)
    return _HOME.sub("~", source)


def _warnings(text: str) -> list[str]:
    """Say where the user's name is left: it may be an ordinary word."""
    user = Path.home().name
    if len(user) < 3 or not re.search(rf"(?<!\w){re.escape(user)}(?!\w)", text):
        return []
    return [f"    The word {user!r}, which is your user name, stands in a cell, and stays: take it out if you like."]


def _write(out: Path, packed: dict[str, str]) -> None:
    """Write a zip whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    half = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(half, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in packed.items():
                # the time says which of two hand-ins is the later one
                member = zipfile.ZipInfo(name, time.localtime()[:6])
                archive.writestr(member, text, zipfile.ZIP_DEFLATED)
        half.replace(out)
    finally:
        half.unlink(missing_ok=True)
