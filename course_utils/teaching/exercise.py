"""Exercises that answer back: ``q1.check(answer)``, ``q1.hint()``, ``q1.solution()``.

A check never raises and never marks: it says *not attempted*, *not yet* (and what is off) or *correct*. The
checkers of a lesson are plain functions in ``checks/lessonNN.py``; the solutions shown are the lesson's own lines.
"""

import dis
import html
import importlib
import json
import types
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from course_utils.teaching.checks.guard import NotYet, quiet

_LOOKS = {"correct": ("✔", "#2e7d32"), "not yet": ("✎", "#b26a00"), "not attempted": ("…", "#5f6b7a")}


@dataclass(frozen=True)
class Result:
    """What a check found.

    Attributes
    ----------
    outcome : {"not attempted", "not yet", "correct"}
        How far the answer is.
    message : str
        What the student is told.

    Examples
    --------
    >>> from course_utils.teaching.exercise import Result
    >>> Result("not yet", "Take the median.")
    not yet: Take the median.
    """

    outcome: str
    message: str

    def __repr__(self) -> str:
        return f"{self.outcome}: {self.message}"

    def _repr_html_(self) -> str:
        sign, color = _LOOKS[self.outcome]
        return _box(f"<b>{sign} {self.outcome}.</b> {html.escape(self.message)}", color)


class _Shown:
    """A hint or a solution, as text and as HTML."""

    def __init__(self, text: str, code: bool = False):
        self._text, self._code = text, code

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        return _box(f"<pre>{html.escape(self._text)}</pre>" if self._code else html.escape(self._text), "#3f90da")


def _box(body: str, color: str) -> str:
    return f'<div style="border-left: 5px solid {color}; padding: .4em .8em; margin: .3em 0">{body}</div>'


class Exercise:
    """One exercise of a lesson. Made by :func:`exercises`.

    Parameters
    ----------
    name : str
        What it is called in the lesson.
    checker : callable
        Takes the answer, and raises :class:`NotYet` where it is not right.
    hints : tuple of str
        From faint to clear.
    solution : str
        The lesson's own lines.
    praise : str
        What a right answer is told.

    Examples
    --------
    >>> from course_utils.teaching.checks.asserts import require
    >>> from course_utils.teaching.exercise import Exercise
    >>> q1 = Exercise("q1", lambda x: require(x == 4, "Not four."), ("Twice two.",), "4", "Four it is.")
    >>> q1.check(5), q1.check(4), q1.hint()
    (not yet: Not four., correct: Four it is., Hint 1 of 1: Twice two.)
    """

    def __init__(self, name: str, checker: Callable, hints: tuple[str, ...], solution: str, praise: str):
        self._name, self._checker, self._solution, self._praise = name, checker, solution, praise
        self._hints = cycle([f"Hint {i} of {len(hints)}: {hint}" for i, hint in enumerate(hints, 1)])

    def __repr__(self) -> str:
        return f"Exercise {self._name}: use {self._name}.check(…), {self._name}.hint() or {self._name}.solution()"

    def check(self, answer: Any) -> Result:
        """Say whether ``answer`` (a value, or the function you wrote) is right; never raises, never hangs."""
        try:
            if is_placeholder(answer):
                return Result("not attempted", "Replace the ... in the cell above, run it, then run this cell again.")
            with quiet():
                self._checker(answer)
        except NotYet as finding:
            return Result("not yet", str(finding))
        except KeyboardInterrupt:
            return Result("not yet", "The check was interrupted. Run this cell again when you are ready.")
        except Exception as error:  # of the checker: the notebook goes on
            return Result("not yet", f"This check cannot read your answer ({type(error).__name__}: {error}).")
        return Result("correct", self._praise)

    def hint(self) -> _Shown:
        """Show the next hint; after the last one, the first again."""
        return _Shown(next(self._hints))

    def solution(self) -> _Shown:
        """Show the lesson's own solution."""
        return _Shown(self._solution, code=True)


def exercises(lesson: int) -> tuple[Exercise, ...]:
    """Return the exercises of a lesson.

    Parameters
    ----------
    lesson : int
        Its number, from 1.

    Returns
    -------
    tuple of Exercise
        In their order: ``q1, q2, q3, q4, q5 = exercises(1)``.

    Examples
    --------
    >>> from course_utils.teaching import exercises
    >>> q1, *others = exercises(1)
    >>> q1
    Exercise q1: use q1.check(…), q1.hint() or q1.solution()
    """
    module = importlib.import_module(f"course_utils.teaching.checks.lesson{lesson:02d}")
    solutions = json.loads((Path(__file__).parent / f"checks/lesson{lesson:02d}.json").read_text(encoding="utf-8"))
    return tuple(
        Exercise(name, checker, hints, solutions[name], praise)
        for name, (checker, hints, praise) in module.EXERCISES.items()
    )


def is_placeholder(answer: Any) -> bool:
    """Tell whether nothing was written yet.

    Parameters
    ----------
    answer : object
        What was handed in.

    Returns
    -------
    bool
        Whether it is ``...``, or a function that does nothing.

    Examples
    --------
    >>> from course_utils.teaching.exercise import is_placeholder
    >>> is_placeholder(...), is_placeholder(lambda: None), is_placeholder(lambda: 1)
    (True, True, False)
    """
    if type(answer) is not types.FunctionType:
        return answer is ...
    # A stub's body is `...`: it does nothing but return None. One that forgets to return does something first.
    idle = {"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE", "COPY_FREE_VARS"}
    steps = list(dis.get_instructions(answer))
    constants = [step.argval for step in steps if step.opname in ("LOAD_CONST", "RETURN_CONST")]
    return all(step.opname in idle for step in steps) and constants in ([None], [...])
