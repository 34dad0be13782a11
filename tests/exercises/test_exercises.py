"""Every exercise is proven: starter, solution, right answers written differently, wrong ones with their message."""

import importlib
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

from course_utils.teaching import exercises
from course_utils.teaching.checks import guard

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))
ANSWERS = {
    int(path.stem[-2:]): importlib.import_module(path.stem) for path in Path(__file__).parent.glob("answers*.py")
}
CASES = [(lesson, name) for lesson, answers in ANSWERS.items() for name in answers.RIGHT]


def exercise(lesson: int, name: str):
    return exercises(lesson)[int(name[1:]) - 1]


def answer_in(folder: str, lesson: int, name: str):
    """Run one exercise cell of a built notebook and return what it defines."""
    notebook = nbformat.read(next((ROOT / folder).glob(f"{lesson:02d}_*.ipynb")), as_version=4)
    cells = [cell for cell in notebook.cells if {"exercise", name} <= set(cell.metadata.get("tags", []))]
    assert len(cells) == 1, f"one cell is tagged exercise and {name}"
    namespace = {"np": np}
    exec(cells[0].source, namespace)
    return [value for key, value in namespace.items() if key not in ("np", "__builtins__")][-1]


def test_every_lesson_has_its_answers():
    lessons = {int(path.name[:2]) for path in (ROOT / "solutions").glob("[0-9][0-9]_*.py")}
    assert lessons == set(ANSWERS)


@pytest.mark.parametrize("lesson", ANSWERS)
def test_every_exercise_is_proven(lesson):
    names = {f"q{i}" for i in range(1, len(exercises(lesson)) + 1)}
    assert len(names) >= 5
    notebook = nbformat.read(next((ROOT / "lessons").glob(f"{lesson:02d}_*.ipynb")), as_version=4)
    tagged = {
        tag for cell in notebook.cells for tag in cell.metadata.get("tags", []) if tag[0] == "q" and tag[1:].isdigit()
    }
    assert tagged == names, (
        f"the lesson has {sorted(tagged)}, EXERCISES of checks/lesson{lesson:02d}.py {sorted(names)}"
    )
    place = f"tests/exercises/answers{lesson:02d}.py"
    for table, least in ((ANSWERS[lesson].RIGHT, 6), (ANSWERS[lesson].WRONG, 10)):
        assert set(table) == names, f"{place} has answers to {sorted(table)}, the lesson {sorted(names)}"
        few = {name: len(answers) for name, answers in table.items() if len(answers) < least}
        assert not few, f"{place} has too few answers, at least {least} are wanted: {few}"


@pytest.mark.parametrize(("lesson", "name"), CASES)
def test_the_starter_is_not_attempted(lesson, name):
    assert exercise(lesson, name).check(answer_in("lessons", lesson, name)).outcome == "not attempted"


@pytest.mark.parametrize(("lesson", "name"), CASES)
def test_the_solution_is_correct(lesson, name):
    result = exercise(lesson, name).check(answer_in("solutions", lesson, name))
    assert result.outcome == "correct", result


@pytest.mark.parametrize(("lesson", "name"), CASES)
def test_the_solution_shown_is_the_lessons_own(lesson, name):
    shown = repr(exercise(lesson, name).solution())
    namespace = {"np": np}
    exec(shown, namespace)
    assert "SOLUTION" not in shown
    assert exercise(lesson, name).check(namespace[shown.split("(")[0].removeprefix("def ")]).outcome == "correct"


@pytest.mark.parametrize(("lesson", "name"), CASES)
def test_right_answers_written_differently_are_correct(lesson, name):
    for i, answer in enumerate(ANSWERS[lesson].RIGHT[name], start=1):
        result = exercise(lesson, name).check(answer)
        assert result.outcome == "correct", f"right answer {i}: {result}"


@pytest.mark.parametrize(("lesson", "name"), CASES)
def test_wrong_answers_hear_what_is_off(lesson, name, monkeypatch):
    monkeypatch.setattr(guard, "SECONDS", 1.0)  # some never end
    for i, (answer, expected, *_) in enumerate(ANSWERS[lesson].WRONG[name], start=1):
        result = exercise(lesson, name).check(answer)
        assert result.outcome == "not yet", f"wrong answer {i}, to hear {expected!r}: {result}"
        assert expected in result.message, f"wrong answer {i}, to hear {expected!r}: {result}"


@pytest.mark.parametrize(("lesson", "name"), CASES)
def test_a_few_wrong_answers_say_what_they_reveal(lesson, name):
    told = [words for _, _, *words in ANSWERS[lesson].WRONG[name] if words]
    assert 2 <= len(told) <= 3, f"{name}: two or three wrong answers want a sentence on what is behind them"
    for (sentence,) in told:
        assert sentence.endswith(".") and sentence[0].isupper() | sentence.startswith(
            ("recall@k", "argsort", "format()")
        )
        assert len(sentence.split()) >= 6


@pytest.mark.parametrize(("lesson", "name"), CASES)
def test_there_are_two_hints_and_they_come_in_turn(lesson, name):
    asked = exercise(lesson, name)
    shown = [repr(asked.hint())[:13] for _ in range(3)]
    assert shown == ["Hint 1 of 2: ", "Hint 2 of 2: ", "Hint 1 of 2: "], f"{name} wants two hints in EXERCISES"


def test_a_check_never_raises_and_shows_text_safely():
    for answer in (None, ..., 3, "x", [], object(), lambda *args: 1 / 0, type):
        for asked in exercises(1):
            assert asked.check(answer).outcome in ("not attempted", "not yet")

    def breaks(*args):
        raise ValueError("<script>alert(1)</script>")

    assert "<script>" not in exercises(1)[0].check(breaks)._repr_html_()
