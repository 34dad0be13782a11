"""No checker accepts a wrong answer: each mutant of a solution is refused, or listed as equivalent, with the reason."""

import numpy as np
import pytest
from mutate import mutants
from test_exercises import ANSWERS, CASES, exercise

from course_utils.teaching.checks import guard
from course_utils.teaching.exercise import Result


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("lesson", "name"), CASES)
def test_every_mutant_is_refused(lesson, name, monkeypatch):
    monkeypatch.setattr(guard, "SECONDS", 0.3)
    asked = exercise(lesson, name)
    made = mutants(repr(asked.solution()), asked.check)
    survivors = {label for label, mutant in made.items() if asked.check(mutant).outcome != "not yet"}
    equivalent = getattr(ANSWERS[lesson], "EQUIVALENT", {}).get(name, {})
    accepted = sorted(survivors - set(equivalent))
    assert not accepted, (
        f"{len(accepted)} of {len(made)} changed solutions are accepted; mend the checker, or name those that are "
        f"no mistake in EQUIVALENT of answers{lesson:02d}.py:\n" + "\n".join(accepted)
    )
    monkeypatch.setattr(guard, "SECONDS", 5.0)  # on a busy machine a right answer may take longer than a loop was given
    for label in set(equivalent) - survivors:
        assert label in made, f"listed as equivalent, but no longer made: {label}"
        assert asked.check(made[label]).outcome == "correct", f"listed as equivalent, but refused: {label}"


TOY = """
def best(values, k):
    order = np.argsort(-values, kind="stable")[:k]
    total = 0.0
    for i in order:
        total += abs(values[i])
    return total / values.sum(axis=0) if k > 1 and k < 9 else float(-1)
"""
KINDS = [
    'order = np.argsort(values, kind="stable")[:k]',
    "order = np.argsort(-values)[:k]",
    'order = np.sort(-values, kind="stable")[:k]',
    'order = np.argsort(values, kind="stable")[::-1][:k]',
    'order = np.argsort(-values, kind="stable")',
    'order = np.argsort(-values, kind="stable")[:k + 1]',
    'order = np.argsort(-values, kind="stable")[:2]',
    "total -= abs(values[i])",
    "total += values[i]",
    "for i in list(order)[:-1]:",
    "return total / np.mean(values, axis=0) if k > 1 and k < 9 else float(-1)",
    "return total / values.sum(axis=1) if k > 1 and k < 9 else float(-1)",
    "return total // values.sum(axis=0) if k > 1 and k < 9 else float(-1)",
    "return total if k > 1 and k < 9 else float(-1)",
    "return total / values.sum(axis=0) if k > 1 or k < 9 else float(-1)",
    "return total / values.sum(axis=0) if k >= 1 and k < 9 else float(-1)",
    "return total / values.sum(axis=0) if k > 1 and k < 10 else float(-1)",
    "return total / values.sum(axis=0) if k > 1 and k < 9 else -1",
    "return _spoiled(total / values.sum(axis=0) if k > 1 and k < 9 else float(-1), values)",
]


def test_mistakes_of_every_kind_are_made():
    def check(function):
        function(np.array([1.0, 3.0, -2.0]), 2)
        return Result("correct", "")

    made = {label.replace("'", '"') for label in mutants(TOY, check)}
    assert [kind for kind in KINDS if kind not in made] == []
