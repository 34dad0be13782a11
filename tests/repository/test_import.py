"""Importing the library is quick and loads nothing heavy, until something heavy is asked for."""

import json
import pkgutil
import subprocess
import sys

import pytest

import course_utils

HEAVY = {"torch", "transformers", "sentence_transformers", "umap", "sklearn", "scipy", "plotly", "matplotlib"}
ROOMS = [f"course_utils.{module.name}" for module in pkgutil.iter_modules(course_utils.__path__) if module.ispkg]


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    return done.stdout


def loaded_by(code: str) -> set[str]:
    return set(json.loads(run_python(f"import json, sys\n{code}\nprint(json.dumps([*sys.modules]))")))


def test_importing_the_package_takes_less_than_a_tenth_of_a_second():
    code = "import time; begin = time.perf_counter(); import course_utils; print(time.perf_counter() - begin)"
    # one of the two promises about time; it takes a tenth of that, and a busy machine gets three tries
    assert min(float(run_python(code)) for _ in range(3)) < 0.1


def test_opening_every_room_loads_nothing_heavy():
    loaded = loaded_by(f"import {', '.join(ROOMS)}")
    assert set(ROOMS) <= loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "course_utils.app"])
def test_a_door_offers_what_it_lists(room):
    names = run_python(
        f"import {room} as room\nprint(*(name for name in room.__all__ if getattr(room, name, ...) is ...))"
    )
    assert names.strip() == ""


def test_what_a_lesson_begins_with_loads_nothing_heavy():
    lesson = (
        "from course_utils.data import load_corpus\n"
        "from course_utils.drawing import maps, plots\n"
        "from course_utils.embedding import load_embedder\n"
        "from course_utils.measuring import intervals, metrics\n"
        "from course_utils.teaching import exercises, say\n"
    )
    loaded = loaded_by(lesson)
    assert loaded & HEAVY == set()
    assert not [name for name in loaded if name.startswith("course_utils.app")]


def test_the_application_loads_nothing_heavy_either():
    assert loaded_by("import course_utils.app.cli") & HEAVY == set()
