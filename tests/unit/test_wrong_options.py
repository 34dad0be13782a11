"""Each option of each command with values that it cannot take: the answer is a sentence, never a traceback."""

import re
import sys
import typing

import pytest

from course_utils.app import cli

PAGE = ["--tasks", "task_prompts.json", "--out", "page"]


@pytest.fixture
def answer(tmp_path, monkeypatch, capsys):
    """What a command in a folder with a table and a file of pairs says when it refuses."""
    rows = "".join(f"text {i} of some,{i % 3},more\n" for i in range(30))
    (tmp_path / "table.csv").write_text(f"text,label,other\n{rows}", encoding="utf-8")
    (tmp_path / "pairs.csv").write_text("query,pos\n" + "".join(f"q {i},a {i}\n" for i in range(30)), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURSE_TRACEBACK", "")
    monkeypatch.setenv("COLUMNS", "1000")

    def refused(*words):
        monkeypatch.setattr(sys, "argv", ["course", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr().err
        assert ended.value.code in (1, 2) and "Traceback" not in said and "The command failed" not in said
        assert not (tmp_path / "page").exists()
        return said

    return refused


NUMBERS = [
    (command.callback.__name__.replace("_", "-"), f"--{name.replace('_', '-')}")
    for command in cli.app.registered_commands
    for name, kind in typing.get_type_hints(command.callback).items()
    if {int, float} & {kind, *typing.get_args(kind)}
]


@pytest.mark.parametrize(("command", "option"), NUMBERS)
def test_numbers_that_are_none_or_out_of_range(command, option, answer):
    needed = {
        "train": ["--data", "pairs.csv"],
        "evaluate": ["--data", "pairs.csv"],
        "visualize": ["--data", "pairs.csv"],
    }
    needed |= {"grade": ["table.csv", "--out", "marks"], "search": ["vectors", "a question"]}
    needed |= {"check-endpoint": ["http://127.0.0.1:1/v1", "model"], "serve": ["no.safetensors"]}
    for value in ("abc", "", "nan", "0x10", "-1"):
        said = answer(command, *needed.get(command, []), f"{option}={value}")
        assert option in said, value


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--corpus", "newsgroups", "-p", "foo=1"], "-p foo=1 cannot be used here: .* 'foo'"),
        (["--corpus", "newsgroups", "-p", "n_per_group=abc"], "n_per_group='abc' must be from 1 to 375"),
        (["--corpus", "newsgroups", "-p", "n_per_group=1.5"], "n_per_group=1.5 must be from 1 to 375"),
        (["--corpus", "newsgroups", "-p", "groups=5"], "-p groups=5 cannot be used here"),
        (["--corpus", "newsgroups", "-p", "name=x"], "-p name='x' cannot be used here"),
        (["--corpus", "newsgroups", "-p", "=1"], "-p takes NAME=VALUE"),
        (["--corpus", "sts_b", "-p", "n=abc"], "n='abc' must be from 1 to"),
        (["--corpus", "sts_b", "-p", "n=[1]"], r"n=\[1\] must be from 1 to"),
        (["--corpus", "posts", "-p", "n=1"], "'posts' has no options such as n"),
        (["--corpus", "table.csv", "-p", "foo=1"], "-p foo=1 cannot be used here: .* A file takes sep=, encoding="),
        (["--corpus", "table.csv", "-p", "encoding=5"], "-p encoding=5 cannot be used here"),
        (["--corpus", "table.csv", "-p", "columns=5"], "-p columns=5 cannot be used here"),
        (["--corpus", "table.csv", "-p", "columns=a,b"], "-p columns= has 2 names, and table.csv has 3 columns"),
        (["--corpus", "table.csv", "-p", "sep=5"], "-p sep=5 must be one character"),
        (["--corpus", "table.csv", "-p", "text_column=other"], "-p text_column='other' cannot be used here"),
        (["--corpus", "emoji_names"], "emoji_names has (the columns|no column 'text'. It has) en"),
    ],
)
@pytest.mark.parametrize("more", [[], PAGE])
def test_parameters_of_a_corpus(words, message, more, answer):
    assert re.search(message, answer("embed", *words, *more))


@pytest.mark.parametrize("command", ["train", "evaluate", "visualize"])
@pytest.mark.parametrize(
    "given",
    [
        "foo=1",
        "encoding=None",
        "columns=5",
        "path=x",
        "query_column=5",
        "pos_column=['a']",
        "data=x",
        "device=7",
        "model=x",
    ],
)
def test_parameters_of_pairs(command, given, answer):
    assert f"-p {given.partition('=')[0]}=" in answer(command, "--data", "pairs.csv", "-p", given)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--corpus", "table.csv", "--label-column", "text"], "--label-column text: .* Name another"),
        (["--corpus", "table.csv", "--text-column", "other", "--label-column", "other"], "--label-column other: "),
        (["--corpus", "posts", "--label-column", "text"], "--label-column text: "),
        (["--corpus", "posts", "--text-column", "topic", "--label-column", "text"], "--label-column text: "),
        (
            ["--corpus", "noticeboard", "--text-column", "message", "--label-column", "message"],
            "--label-column message: ",
        ),
        (["--corpus", "table.csv", "--label-column", ""], "--label-column '' is not in table.csv"),
        (["--corpus", "table.csv", "--task", ""], "--task : the file has default"),
    ],
)
def test_columns_and_tasks_of_a_page(words, message, answer):
    assert re.search(message, answer("embed", *words, *PAGE))


def test_a_file_of_vectors_is_refused_before_anything_is_embedded(answer):
    for name, said in (
        ("v.npy", "a file whose name ends in .safetensors"),
        ("none/v.safetensors", "folder that exists"),
    ):
        assert said in answer("embed", "--model", "never/loaded", "--out", name)


def test_what_nobody_has_thought_of_is_one_sentence_too(answer, monkeypatch, capsys):
    def fails(*arguments):
        raise KeyError("x")

    monkeypatch.setattr(cli, "reset_lesson", fails)
    monkeypatch.setattr(sys, "argv", ["course", "reset", "01"])
    with pytest.raises(SystemExit):
        cli.main()
    said = capsys.readouterr().err
    assert "The command failed: KeyError: 'x'" in said and "COURSE_TRACEBACK=1" in said and "Traceback" not in said
