"""No text that others wrote is committed: no run of eight words of a fetched corpus stands in a file of the
project.

That holds for the outputs of notebooks too, which is why their strings are read one by one.
"""

import bz2
import contextlib
import html
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from course_utils.data import fetch, sources
from course_utils.embedding import CATALOG
from course_utils.paths import ROOT

RUN = 8


def project_files(root: Path) -> list[Path]:
    """What git tracks below `root`, and what it would track after `git add --all`."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True).stdout.decode()
    return [path for name in sorted(set(filter(None, listed.split("\0")))) if (path := root / name).is_file()]


def strings(value) -> Iterator[str]:
    """All strings in a JSON value; a notebook's lists of lines are joined, as they are one text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        yield "".join(value)
        yield " ".join(value)
    else:
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from strings(item)


def texts(path: Path) -> list[str]:
    """The texts in a file: the strings of a JSON file or notebook, else all of it; none in a picture."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return []
    if path.suffix in (".ipynb", ".json"):
        with contextlib.suppress(json.JSONDecodeError):  # a JSON file with comments is read as plain text
            return list(strings(json.loads(text)))
    return [text]


def runs(text: str) -> set[str]:
    """All runs of eight words: lower case, letters only, tags taken out; one word said eight times is nobody's text."""
    words = re.findall(r"[^\W\d_]+", html.unescape(re.sub(r"<[^>]*>", " ", text)).lower())
    windows = (words[start : start + RUN] for start in range(len(words) - RUN + 1))
    return {" ".join(window) for window in windows if len({*window}) > 1}


def runs_of_corpora(root: Path) -> list[str]:
    """Runs of the fetched corpora that stand in a project file, each with the file's name."""
    ours: dict[str, Path] = {}
    for path in project_files(root):
        for text in texts(path):
            ours |= dict.fromkeys(runs(text), path)
    found = set()
    for name in sources().keys() - CATALOG.keys():  # a model has no texts
        for path in fetch(name).values():
            opener = bz2.open if path.suffix == ".bz2" else open
            with opener(path, "rt", encoding="utf-8") as lines:
                for line in lines:
                    found |= {f"{ours[run].relative_to(root)}: {name}: {run}" for run in runs(line) & ours.keys()}
    return sorted(found)


needs_git = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="only a git checkout knows what is tracked"
)


@needs_git
def test_no_fetched_text_is_in_the_project():
    found = runs_of_corpora(ROOT)
    assert not found, "these runs are from fetched corpora; tag the cell external-text:\n" + "\n".join(found[:20])


@needs_git
def test_a_planted_run_is_found(tmp_path):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    with fetch("newsgroups")["20newsgroups-train.tab"].open(encoding="utf-8") as lines:
        words = next(line for number, line in enumerate(lines) if number > 3 and len(line) > 500).split()[5:14]
    output = {"data": {"text/html": [f"<td>1 {' '.join(words[:4])}<br>\n", " ".join(words[4:]).title() + "</td>"]}}
    notebook = {"cells": [{"outputs": [output]}]}
    (tmp_path / "planted.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    (tmp_path / "too_short.txt").write_text(" ".join(words[:7]), encoding="utf-8")
    found = runs_of_corpora(tmp_path)
    assert found and all(line.startswith("planted.ipynb: newsgroups: ") for line in found)
