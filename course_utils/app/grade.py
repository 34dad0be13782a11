"""Grades hand-ins: reads an inbox, asks every answer anew, and writes what came out, for `course grade`.

No stored output counts. Of each notebook the lines that an answer needs (:mod:`course_utils.app.slicing`) run in a
process of their own (:mod:`course_utils.app.student`), which the course's own checkers, in this one, ask for results.
Notebooks are dealt out to a few processes like this one. Grades are formative: the solutions lie beside the lessons.
"""

import inspect
import json
import multiprocessing
import os
import shutil
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from course_utils.app.child import IS_FORKED, Limits
from course_utils.app.inbox import Notebook
from course_utils.app.lab import LESSONS
from course_utils.app.slicing import Answer, find_answer
from course_utils.app.student import OUT_OF_MEMORY, TIMED_OUT, TOO_MUCH, WORDS, Student
from course_utils.teaching.answering import asserts

CORRECT, WRONG, ERROR, OPEN, MISSING = "correct", "wrong", "error", "not answered", "missing cell"
OUTCOMES = (CORRECT, WRONG, ERROR, TIMED_OUT, OUT_OF_MEMORY, TOO_MUCH, OPEN, MISSING)
#: What answers import most; loaded once, and had by every fork. A model is loaded only for a check that asks one.
_PRELOADED = ["course_utils.app.grade", "numpy", "pandas", "scipy.stats", "sklearn.feature_extraction.text", "torch"]


class Outcome(NamedTuple):
    """What became of one answer: one of ``OUTCOMES``, what there is to say, where it stands, and its lines."""

    lesson: str
    exercise: str
    outcome: str
    message: str = ""
    cell: int = 0
    source: str = ""


@cache
def lessons() -> dict[str, dict]:
    """The lessons as they are given out, by their names."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(LESSONS.glob("[0-9]*_*.ipynb"))}


def grade_all(notebooks: Iterable[Notebook], limits: Limits, workers: int) -> Iterator[tuple[Notebook, list[Outcome]]]:
    """Grade notebooks side by side, as they get ready; one that takes its grader along is tried again alone."""
    waiting, alone = list(notebooks), False
    while waiting:
        broken: list[Notebook] = []
        for group in [[each] for each in waiting] if alone else [waiting]:
            with _pool(min(workers, len(group))) as pool:
                jobs = {pool.submit(grade_notebook, each, limits): each for each in group}
                for job in as_completed(jobs):
                    try:
                        yield jobs[job], job.result()
                    except BrokenProcessPool:
                        if alone:
                            said = "The notebook ended the process that grades it."
                            yield jobs[job], [Outcome(*each, ERROR, said) for each in exercises_of(jobs[job].lesson)]
                        else:
                            broken.append(jobs[job])
        waiting, alone = broken, True


def _pool(workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver" if IS_FORKED else "spawn")
    if IS_FORKED:
        context.set_forkserver_preload(_PRELOADED)
    # threads and forks do not go together, and there is a process for each core
    quiet = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "MPLBACKEND": "agg"}
    os.environ |= quiet
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)


def _begin() -> None:
    """Prepare a process that grades: no warnings of the cells, and an end when nobody waits for it."""
    warnings.simplefilter("ignore")
    parent = multiprocessing.parent_process()

    def end() -> None:
        if parent is not None:
            wait([parent.sentinel])
            os._exit(1)

    threading.Thread(target=end, daemon=True).start()


def exercises_of(lesson: str) -> list[tuple[str, str]]:
    """Lesson and name of each of its exercises."""
    return [(lesson, name) for name in _exercises(int(lesson[:2]))]


@cache
def _exercises(number: int) -> dict[str, Any]:
    from course_utils.teaching import exercises

    return {f"q{i}": each for i, each in enumerate(exercises(number), start=1)}


def grade_notebook(notebook: Notebook, limits: Limits) -> list[Outcome]:
    """Grade one notebook, in a copy of what lay beside it."""
    cells, place = json.loads(notebook.content), Path(tempfile.mkdtemp(prefix="grade_"))
    folder = place / "work"
    folder.mkdir()
    (folder / f"{notebook.lesson}.ipynb").write_bytes(notebook.content)
    for name, content in notebook.beside.items():
        (folder / name).write_bytes(content)
    student = Student(folder, limits)
    try:
        outcomes = []
        for lesson, exercise in exercises_of(notebook.lesson):
            answer = find_answer(cells, lessons()[lesson], exercise)
            outcome, message = _judge(answer, exercise, lesson, student)
            outcomes.append(Outcome(lesson, exercise, outcome, message, answer.cell, answer.source))
        return outcomes
    finally:
        student.stop()
        shutil.rmtree(place, ignore_errors=True)


def _judge(answer: Answer, exercise: str, lesson: str, student: Student) -> tuple[str, str]:
    """Say what an answer is, and what there is to say of it."""
    if answer.state != "written":
        outcome = {"untouched": OPEN, "missing": MISSING}.get(answer.state, ERROR)
        return outcome, answer.message or ("No cell defines it." if outcome == MISSING else "")
    student.begin()
    reply = student.ask("load", answer.blocks, answer.names)
    kind = reply[0] if reply else ""
    if kind == "placeholder":
        return OPEN, ""
    if kind == "missing":
        return MISSING, f"No cell defines {answer.names[0]}."
    if kind == "raised":
        return _ended(str(reply[-1]))
    try:
        function = _stand_in(student, *reply[1:]) if kind == "answer" else None
    except (TypeError, ValueError):
        return ERROR, "The process sent what cannot be read."
    if student.ended:
        return _ended(student.ended)
    with mock.patch.object(asserts, "run", student.call):
        result = _exercises(int(lesson[:2]))[exercise].check(function)
    if result.outcome == "correct" and not student.ended:
        return CORRECT, result.message
    if student.ended or student.raised:
        return _ended(student.ended or student.raised, result.message)
    return (OPEN, "") if result.outcome == "not attempted" else (WRONG, result.message)


def _ended(why: str, message: str = "") -> tuple[str, str]:
    """The outcome of an answer that ended otherwise than by returning, with words for the student."""
    if why in WORDS:
        return why, message or WORDS[why]
    out_of_memory = "MemoryError" in why[:60] or "not enough memory" in why
    return OUT_OF_MEMORY if out_of_memory else ERROR, message or why


def _stand_in(student: Student, name: str, value: Any, own_name: str | None, parameters: list | None) -> Any:
    """What a checker gets in place of the student's function: the calls go to the child."""
    if own_name is None:
        return value

    def function(*arguments: Any) -> Any:
        return student.call(function, *arguments)

    function.__name__ = str(own_name)
    if parameters is not None:
        function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(str(each), inspect._ParameterKind(kind), default=_default(default))
                for each, kind, default in parameters
            ]
        )
    return function


def _default(shown: str | None) -> Any:
    """A default value that is only looked at."""
    return inspect.Parameter.empty if shown is None else type("Default", (), {"__repr__": lambda self: str(shown)})()
