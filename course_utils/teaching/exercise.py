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
from pathlib import Path

import numpy as np

_COLORS = {"correct": "#2e7d32", "not yet": "#b26a00", "not attempted": "#5f6b7a"}
_SIGNS = {"correct": "✔", "not yet": "✎", "not attempted": "…"}


class NotYet(Exception):
    """Raised by a checker, with a message for the student that names what is off."""


@dataclass(frozen=True)
class Result:
    """What a check found: ``outcome`` is "not attempted", "not yet" or "correct"; ``message`` is for the student."""

    outcome: str
    message: str

    def __repr__(self) -> str:
        return f"{self.outcome}: {self.message}"

    def _repr_html_(self) -> str:
        return _box(f"<b>{_SIGNS[self.outcome]} {self.outcome}.</b> {html.escape(self.message)}", _COLORS[self.outcome])


class _Shown:
    """A hint or a solution, as text and as HTML."""

    def __init__(self, text: str, code: bool = False):
        self._text, self._code = text, code

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        body = html.escape(self._text)
        return _box(f"<pre>{body}</pre>" if self._code else body, "#3f90da")


def _box(body: str, color: str) -> str:
    return f'<div style="border-left: 5px solid {color}; padding: .4em .8em; margin: .3em 0">{body}</div>'


class Exercise:
    """One exercise of a lesson. Made by :func:`exercises`."""

    def __init__(self, name: str, checker: Callable, hints: tuple[str, ...], solution: str, praise: str):
        self._name, self._checker, self._hints, self._solution, self._praise = (name, checker, hints, solution, praise)
        self._shown = 0

    def __repr__(self) -> str:
        return f"Exercise {self._name}: use {self._name}.check(…), {self._name}.hint() or {self._name}.solution()"

    def check(self, answer) -> Result:
        """Say whether ``answer`` (a value, or the function you wrote) is right; never raises."""
        if _is_placeholder(answer):
            return Result("not attempted", "Replace the ... in the cell above, run it, then run this cell again.")
        try:
            self._checker(answer)
        except NotYet as finding:
            return Result("not yet", str(finding))
        except Exception as error:  # whatever a student's code may do, the notebook goes on
            return Result("not yet", f"Your code stopped with {type(error).__name__}: {error}")
        return Result("correct", self._praise)

    def hint(self) -> _Shown:
        """Show the next hint; after the last one, the first again."""
        number = self._shown % len(self._hints)
        self._shown += 1
        return _Shown(f"Hint {number + 1} of {len(self._hints)}: {self._hints[number]}")

    def solution(self) -> _Shown:
        """Show the lesson's own solution."""
        return _Shown(self._solution, code=True)


def exercises(lesson: int) -> tuple[Exercise, ...]:
    """Return the exercises of a lesson, in their order: ``q1, q2, q3, q4, q5 = exercises(1)``."""
    module = importlib.import_module(f"course_utils.teaching.checks.lesson{lesson:02d}")
    path = Path(module.__file__).with_suffix(".json")
    solutions = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    missing = "The solutions are made by `python tools/build.py`."
    return tuple(
        Exercise(name, checker, hints, solutions.get(name, missing), praise)
        for name, (checker, hints, praise) in module.EXERCISES.items()
    )


def _is_placeholder(answer) -> bool:
    if answer is ...:
        return True
    if not isinstance(answer, types.FunctionType):
        return False
    # A stub's body is `...`: it does nothing but return None. One that forgets to return does something first.
    idle = {"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE", "COPY_FREE_VARS"}
    steps = list(dis.get_instructions(answer))
    constants = [step.argval for step in steps if step.opname in ("LOAD_CONST", "RETURN_CONST")]
    return all(step.opname in idle for step in steps) and constants in ([None], [...])


# --- for checkers ------------------------------------------------------------------------------------------------


def call(function, *arguments):
    """Call a student's function; say clearly when it is none or returns nothing."""
    if not callable(function):
        raise NotYet(f"Pass the function itself to check(), not its result; this is {type(function).__name__}.")
    result = function(*arguments)
    if result is None:
        raise NotYet(f"{getattr(function, '__name__', 'Your function')} returns None. Does it end with `return …`?")
    return result


def require(condition, message: str) -> None:
    """Raise :class:`NotYet` with ``message`` unless the condition holds."""
    if not condition:
        raise NotYet(message)


def number(value, name: str) -> float:
    """Turn what a student's function returned into a number; say what is off where it is none."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise NotYet(f"{name} should return a number, not {type(value).__name__}.") from None
    require(array.shape == (), f"{name} should return one number, not something of shape {array.shape}.")
    return float(array)
