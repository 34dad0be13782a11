"""The files of instructions: the course's own, and what is wrong with others."""

import json

import pytest

from course_utils.data import Task, load_tasks
from course_utils.paths import ROOT

FOUR = {
    "default": "",
    "sentiment": "Classify the sentiment of the given text as positive, negative, or neutral",
    "topic": "Identify the topic or theme of the given text",
    "toxicity": "Classify the given text as either toxic or not toxic",
}


def test_the_courses_own_begin_with_the_four_of_the_lesson():
    tasks = load_tasks()
    assert {name: tasks[name].instruction for name in list(tasks)[:4]} == FOUR
    assert all(tasks[name].side == "text" for name in FOUR)
    assert len(tasks) >= 24
    assert len({task.instruction for task in tasks.values()}) == len(tasks)
    assert {task.side for task in tasks.values()} == {"text", "query"}
    assert all(task.instruction == task.instruction.strip() and "\n" not in task.instruction for task in tasks.values())
    assert [name for name, task in tasks.items() if not task.instruction] == ["default"]


def test_a_bare_name_is_found_in_the_courses_datasets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_tasks("task_prompts.json") == load_tasks(ROOT / "datasets" / "task_prompts.json")
    own = {"mine": {"instruction": "Name the animal", "side": "text"}}
    (tmp_path / "task_prompts.json").write_text(json.dumps(own), encoding="utf-8")
    assert load_tasks("task_prompts.json") == {"mine": Task("mine", "Name the animal", "text")}


GOOD = {"instruction": "x", "side": "text"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "must be a table of instructions"),
        ("{}", "must be a table of instructions"),
        (json.dumps({"A b": GOOD}), "the name 'A b' must be made of small letters"),
        (json.dumps({"<script>": GOOD}), "the name '<script>'"),
        (json.dumps({"a": "x"}), "a must have an 'instruction' and a 'side'"),
        (json.dumps({"a": {"instruction": "x"}}), "a must have an 'instruction' and a 'side'"),
        (json.dumps({"a": GOOD | {"sides": "text"}}), "and nothing else"),
        (json.dumps({"a": GOOD | {"side": "document"}}), "its side 'text' or 'query'"),
        (json.dumps({"a": GOOD | {"instruction": None}}), "the instruction of a must be words"),
        ('{"a": {"instruction": "x", "side": "text"}, "a": {"instruction": "y", "side": "text"}}', "'a' comes twice"),
        ('{"a": {"instruction": "x", "instruction": "y", "side": "text"}}', "'instruction' comes twice"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_what_is_wrong_is_said(content, message, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        load_tasks(path)
    assert "mine.json" in str(caught.value)


def test_the_mark_that_windows_writes_in_front_is_no_part_of_it(tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps({"a": GOOD}), encoding="utf-8-sig")
    assert load_tasks(tmp_path / "mine.json") == {"a": Task("a", "x", "text")}


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="no file of instructions 'no.json', neither here nor in datasets"):
        load_tasks("no.json")
    with pytest.raises(ValueError, match="no file of instructions 'no.json'"):
        load_tasks(tmp_path / "no.json")
