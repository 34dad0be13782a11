"""No checker accepts a wrong answer: each mutant of a solution is refused, or listed as equivalent, with the reason."""

import pytest
from mutate import mutants
from test_exercises import ANSWERS, CASES, exercise

from course_utils.teaching.checks import guard


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("lesson", "name"), CASES)
def test_every_mutant_is_refused(lesson, name, monkeypatch):
    monkeypatch.setattr(guard, "SECONDS", 0.5)
    asked = exercise(lesson, name)
    made = mutants(repr(asked.solution()), asked.check)
    survivors = {label for label, mutant in made.items() if asked.check(mutant).outcome != "not yet"}
    equivalent = getattr(ANSWERS[lesson], "EQUIVALENT", {}).get(name, {})
    accepted = sorted(survivors - set(equivalent))
    assert not accepted, f"{len(accepted)} of {len(made)} wrong answers are accepted:\n" + "\n".join(accepted)
    assert set(equivalent) <= survivors, "listed as equivalent, but refused or no longer made"
