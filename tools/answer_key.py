"""The answer key for instructors: each exercise with its place, solution, hints, and wrong answers that tell something.

All of it has a source elsewhere: the lesson's own lines, the hints beside its checkers, and the table of wrong answers
in ``tests/exercises``, of which those are shown that have a third entry, what is behind the mistake. What a student
hears is what the checker says when it is asked here.
"""

import importlib
import importlib.util
import re
import warnings
from pathlib import Path

from lesson import question, read_source, sections, solved

from course_utils.teaching.exercise import Exercise


def answer_key(root: Path, lessons: list[dict]) -> str:
    """The key to all lessons, as Markdown.

    Raises ValueError when a lesson has no checkers or no table of wrong answers.
    """
    return "\n\n".join(line for lesson in lessons for line in _of_lesson(root, lesson)) + "\n" if lessons else ""


def wrong_answers(root: Path, number: str) -> dict[str, list[tuple]]:
    """The table of wrong answers to the lesson's exercises: for each the answer, words of its message, perhaps more."""
    path = root / f"tests/exercises/answers{number}.py"
    if not path.exists():
        raise ValueError(f"docs/answer_key.md: {path.relative_to(root).as_posix()} is not there")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.WRONG


def _of_lesson(root: Path, lesson: dict) -> list[str]:
    name = lesson["name"]
    wrong, taught = wrong_answers(root, name[:2]), {part["title"]: part for part in lesson["section"]}
    checks = importlib.import_module(f"course_utils.teaching.checks.lesson{name[:2]}").EXERCISES
    links = f"[The lesson](../lessons/{name}.ipynb), [its solutions](../solutions/{name}.ipynb)."
    lines = [f"## Lesson {int(name[:2])}: {lesson['title']}", links]
    for title, cells in sections(read_source(root / f"solutions/{name}.py")):
        for before, cell in zip(cells, cells[1:], strict=False):
            if asked := question(cell):
                if not (asked in checks and wrong.get(asked)):
                    raise ValueError(
                        f"docs/answer_key.md: {asked} of lesson {name[:2]} has no checker or wrong answers"
                    )
                heading = re.search(r"^### Exercise \d+: (.+)$", before.source, re.MULTILINE)
                part = taught.get(title, {})
                path = "core" if "core" in part.get("tags", ()) else "going further"
                checker, hints, _ = checks[asked]
                told = wrong_table(Exercise(asked, checker, hints, "", ""), wrong[asked])
                lines += [
                    f"### {asked} of lesson {int(name[:2])}: {heading[1] if heading else title}",
                    f"In *{title}* ({path}), {part.get('exercise_minutes', 0)} minutes.",
                    f"```python\n{solved(cell.source)}\n```",
                    "\n".join(f"- Hint {i}: {_escaped(hint)}" for i, hint in enumerate(hints, 1)),
                    told,
                ]
    return lines


def wrong_table(exercise: Exercise, wrong: list[tuple]) -> str:
    """What a student hears who makes one of the telling mistakes, and what is behind it."""
    rows = ["| the check says | what is behind it |", "| --- | --- |"]
    for answer, _, *behind in wrong:
        if behind:
            with warnings.catch_warnings(action="ignore"):  # a wrong answer may well divide by zero
                message = exercise.check(answer).message
            rows.append(f"| {_escaped(message)} | {_escaped(behind[0])} |")
    return "\n".join(rows)


def _escaped(text: str) -> str:
    return re.sub(r"([|*<`\[\]])", r"\\\1", " ".join(text.split()))
