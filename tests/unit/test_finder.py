"""The student's own finder: no search stops it, nothing that was written is lost, and its rows stay comparable."""

import builtins
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from course_utils.teaching import exercises, finder
from course_utils.teaching.checks import guard

PAIRS = [("My son fails his maths test", "n10"), ("Käthe; who, she asked, has a ladder?", "n17")]
UNWRITTEN = "Your search is not ready yet: the course's own is used.\n"
BOARD = np.eye(40)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# fmt: off
def search(query_vector, document_vectors, k):
    similarity = document_vectors @ query_vector
    return np.argsort(-similarity)[:k]


def stub(query_vector, document_vectors, k):
    # YOUR CODE HERE
    ...
# fmt: on


def asked(mine):
    """Vectors for which the right search finds everything."""
    return BOARD[mine.questions["answer"]]


def files():
    return {path.name: path.read_bytes() for path in Path().iterdir()}


# --- searches of any kind -------------------------------------------------------------------------------------------

NO_SEARCHES = {
    "a word": "return 'n10'",
    "similarities": "return document_vectors @ query_vector",
    "a position": "return 3",
    "no row": "return [40]",
    "none": "return []",
    "nothing in it": "return [None]",
    "Ellipsis": "return ...",
    "None": "k += 1",
    "a stranger": "return helper(query_vector)",
    "an error": "return 1 / 0",
    "an exit": "raise SystemExit",
    "an end": "exit()",
    "a question": "return [int(input())]",
    "a generator": "yield 0",
    "recursion": "return search(query_vector, document_vectors, k)",
    "a syntax": "return (",
}


@pytest.mark.parametrize("body", NO_SEARCHES.values(), ids=NO_SEARCHES)
def test_the_course_steps_in_for_what_is_no_search(body, capsys):
    Path("my_finder.py").write_text(f"def search(query_vector, document_vectors, k):\n    {body}\n", encoding="utf-8")
    mine = finder.load()
    said = capsys.readouterr().out
    assert said.startswith("Your search ") and said.endswith(": the course's own is used.\n") and said.count("\n") == 1
    assert mine.score("words", asked(mine), BOARD).tolist() == [1.0] * 24
    assert mine.search(BOARD[3], BOARD, 2)[0] == 3
    assert capsys.readouterr().out == ""  # it was said once


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"x = (", b"search = 5", b"raise KeyError", b"\x00"])
def test_a_file_that_is_no_search_stays(content, capsys):
    Path("my_finder.py").write_bytes(content)
    mine = finder.load()
    assert mine.score("words", asked(mine), BOARD).all() and "the course's own is used" in capsys.readouterr().out
    assert files()["my_finder.py"] == content


def test_a_search_without_end_ends(monkeypatch, capsys):
    monkeypatch.setattr(guard, "SECONDS", 0.2)

    Path("my_finder.py").write_text("def search(q, d, k):\n    while True:\n        pass\n", encoding="utf-8")
    mine = finder.load()
    assert mine.score("words", asked(mine), BOARD).all()
    assert capsys.readouterr().out.count("the course's own is used") == 1


def test_a_shell_of_another_kind_stops_no_search(monkeypatch, capsys):
    monkeypatch.setattr(builtins, "get_ipython", SimpleNamespace, raising=False)
    assert finder.load("def search(q, d, k):\n    return np.argsort(-(d @ q))\n").code.startswith("def")


def test_a_search_that_fails_on_these_vectors_only(capsys):
    Path("my_finder.py").write_text(
        "def search(q, d, k):\n    assert q.max() == 1\n    return np.argsort(-(d @ q))\n", encoding="utf-8"
    )
    mine = finder.load()
    assert capsys.readouterr().out == ""
    assert mine.score("words", 2 * asked(mine), BOARD).all()
    assert capsys.readouterr().out.startswith("Your search fails with just np and pd (Your code stopped with Assertion")


@given(st.lists(st.integers(0, 39), min_size=40, max_size=40))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_positions_are_taken_as_they_are(capsys, wrong):
    code = f"def search(q, d, k):\n    return [{wrong}[int(np.argmax(d @ q))]]\n"
    mine = finder.load(code)
    answers = mine.questions["answer"]
    assert mine.score("words", asked(mine), BOARD).tolist() == [float(wrong[i] == i) for i in answers]
    assert capsys.readouterr().out == ""


def test_a_search_that_spoils_its_arguments_spoils_nothing():
    spoils = "q *= 0; d *= 0; return best"
    mine = finder.load(f"def search(q, d, k):\n    best = np.argsort(-(d @ q))[:k]; {spoils}\n")
    queries, documents = asked(mine), BOARD.copy()
    assert mine.score("words", queries, documents).all()
    assert (queries == asked(mine)).all() and (documents == BOARD).all()


def test_vectors_of_other_texts_are_refused():
    mine = finder.load()
    for queries, documents in ((asked(mine)[1:], BOARD), (asked(mine), BOARD[1:])):
        with pytest.raises(ValueError, match="a row for each text"):
            mine.score("words", queries, documents)


# --- what is kept ---------------------------------------------------------------------------------------------------


def test_what_is_kept_is_there_in_a_new_process(capsys):
    mine = finder.keep(search, PAIRS)
    mine.score("meaning", asked(mine), BOARD)
    code = """
import sys
from course_utils.teaching import exercises, finder
mine = finder.load()
assert not {"torch", "sklearn"} & set(sys.modules)
print(mine.code.count("similarity"), mine.questions.tail(2).to_dict("list"), mine.scoreboard().to_dict("index"))
"""
    root = Path(__file__).parents[2]
    said = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{code}"],
        capture_output=True,
        encoding="utf-8",
    )
    own = {"question": [words for words, _ in PAIRS], "kind": ["yours"] * 2, "relevant": ["n10", "n17"]}
    shares = {"meaning": {"in other words": 1.0, "by its name": 1.0, "yours": 1.0}}
    assert said.stdout == f"2 {own | {'answer': [9, 16]}} {shares}\n", said.stderr
    assert capsys.readouterr().out == ""


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), unique_by=lambda words: " ".join(words.split())))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_question_is_read_as_it_was_written(capsys, texts):
    pairs = [(words, f"n{1 + i % 40:02}") for i, words in enumerate(texts) if words.replace("\0", "").split()]
    pairs = pairs[:100] or PAIRS
    try:
        kept = finder.keep(search, pairs).questions
    except ValueError:  # two that differ in zero bytes only
        return
    assert kept.equals(finder.load().questions) and len(kept) == 24 + len(pairs)


@pytest.mark.parametrize("codec", ["cp1252", "utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("sep", [",", ";", "\t"])
def test_questions_may_be_edited_in_a_spreadsheet(codec, sep, capsys):
    lines = [["question", "relevant"], ["Wo ist Käthes Fön?", "n10"], [" ", ""], ["Who lends a ladder?", " n17 "]]
    Path("my_questions.csv").write_bytes("\r\n".join(sep.join(cells) for cells in lines).encode(codec))
    mine = finder.load()
    assert mine.questions.tail(2)["question"].tolist() == ["Wo ist Käthes Fön?", "Who lends a ladder?"]
    assert mine.questions.tail(2)["answer"].tolist() == [9, 16]
    assert capsys.readouterr().out == UNWRITTEN


@pytest.mark.parametrize(
    "content", [b"", b"question,relevant\nWhere?,n99\n", b"\x00\x01", b"question\nWhere?\n", b'question,relevant\n"Wh']
)
def test_questions_that_cannot_be_read_stay(content, capsys):
    Path("my_questions.csv").write_bytes(content)
    assert len(finder.load().questions) == 24
    assert capsys.readouterr().out.count("A file of yours stays as it is") == 1
    assert files() == {"my_questions.csv": content}
    assert len(finder.keep(search, PAIRS).questions) == 26  # and a copy of it when new ones take its place
    assert content in [kept for name, kept in files().items() if name != "my_questions.csv"] or not content


@pytest.mark.parametrize(
    "entry",
    [
        ("Where?", "n99"),
        ("Where?", "n1"),
        ("", "n10"),
        (" ", "n10"),
        "n10",
        ("Where?",),
        PAIRS[0],
        None,
        ("a", "b", "c"),
    ]
    + [("Where?", 10), (None, None), ("Where?", ["n10"]), ...],
)
def test_an_entry_that_cannot_be_used_is_named(entry):
    with pytest.raises(ValueError, match=r"questions, entry 3: .*n01 to n40"):
        finder.keep(search, [*PAIRS, entry])
    assert files() == {}


def test_questions_and_scoreboard_are_read_and_never_run(capsys):
    code = "open('run', 'w')"
    for name, columns in (
        ("my_questions.csv", "question,relevant"),
        ("my_scoreboard.csv", "finder,question,relevant,found"),
    ):
        Path(name).write_text(f'{columns}\n"{code}"{",1" * columns.count(",")}\n{code}', encoding="utf-8")
    finder.load().scoreboard()
    finder.keep(search, [(code, "n10")]).scoreboard()
    assert "run" not in files()


def test_a_hundred_are_the_most():
    many = [(f"Where is number {i}?", "n10") for i in range(101)]
    with pytest.raises(ValueError, match="entry 101"):
        finder.keep(search, many)
    assert len(finder.keep(search, many[:100]).questions) == 124


def test_the_starter_run_again_wipes_nothing(capsys):
    finder.keep(search, PAIRS)
    before = files()
    for unwritten in (stub, ...):
        mine = finder.keep(unwritten, [])
        assert files() == before and len(mine.questions) == 26 and "similarity" in mine.code
    assert capsys.readouterr().out == ""


def test_the_starter_alone_writes_nothing(capsys):
    mine = finder.keep(stub, [])
    assert files() == {} and capsys.readouterr().out == UNWRITTEN
    assert mine.scoreboard().shape == (0, 2) and files() == {}


def test_of_questions_that_are_replaced_a_copy_stays():
    finder.keep(search, PAIRS[:1])
    finder.keep(search, PAIRS)
    assert len(files()) == 2  # more of them replace none
    for pairs in (PAIRS[1:], [("Where?", "n01")], [("Who?", "n02")]):
        finder.keep(search, pairs)
    everything = b"".join(content for name, content in files().items() if "questions" in name).decode()
    assert all(words in everything for words in ("maths", "Käthe", "Where?", "Who?"))


class Killed(BaseException):
    """What a kill is in these tests: nobody catches it."""


@pytest.mark.parametrize("survives", range(8))
def test_killed_at_any_step_all_files_are_whole(survives, monkeypatch):
    finder.keep(search, PAIRS)
    before, steps = files(), [0]

    def dying(original, half):
        def step(self, content, *arguments, **options):
            steps[0] += 1
            if steps[0] > survives:
                if half:
                    original(self, content[: len(content) // 2], *arguments, **options)
                raise Killed
            return original(self, content, *arguments, **options)

        return step

    def other(query_vector, document_vectors, k):
        return np.argsort(-(document_vectors @ query_vector))[:k]

    with monkeypatch.context() as patched:
        for name in ("write_text", "write_bytes", "replace"):
            patched.setattr(Path, name, dying(getattr(Path, name), name != "replace"))
        with suppress(Killed):
            finder.keep(other, [("Where?", "n01")])
    after = files()
    whole = (before["my_questions.csv"], "\ufeffquestion,relevant\nWhere?,n01\n".encode())
    assert after["my_questions.csv"].replace(b"\r", b"") in [each.replace(b"\r", b"") for each in whole]
    assert b"argsort" in after["my_finder.py"]
    finder.keep(search, [("Where?", "n01")])
    assert before["my_questions.csv"] in files().values() or after["my_questions.csv"] == before["my_questions.csv"]
    assert finder.load().questions["question"].iloc[-1] == "Where?"


def test_a_folder_that_cannot_be_written_to(monkeypatch, capsys):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", "my_part")

    monkeypatch.setattr(Path, "write_text", refuse)
    mine = finder.keep(search, PAIRS)
    assert len(mine.questions) == 26 and "similarity" in mine.code
    mine.score("words", asked(mine), BOARD)
    assert mine.scoreboard().loc["words"].tolist() == [1, 1, 1]
    said = capsys.readouterr().out.splitlines()
    assert said and all(line.startswith("A file of yours stays as it is, and what is new is not kept") for line in said)
    assert files() == {}


# --- the scoreboard -------------------------------------------------------------------------------------------------


def test_rows_stay_in_their_order_and_are_replaced_in_place():
    first, second = finder.keep(search, PAIRS), finder.load()  # two notebooks, open at once
    for mine, name in ((first, "words"), (second, "meaning"), (first, "rival")):
        mine.score(name, asked(mine), BOARD)
    lost = second.score("words", np.roll(asked(second), 1, axis=1), BOARD)
    assert not lost.any()
    table = finder.load().scoreboard()
    assert table.index.tolist() == ["words", "meaning", "rival"]
    assert table.columns.tolist() == ["in other words", "by its name", "yours"]
    assert table.to_numpy().tolist() == [[0.0] * 3, [1.0] * 3, [1.0] * 3]
    long = Path("my_scoreboard.csv").read_text("utf-8-sig").splitlines()
    assert long[0] == "finder,question,relevant,found" and len(long) == 1 + 3 * 26


def test_rows_are_compared_on_the_same_questions():
    mine = finder.keep(search, PAIRS)
    vectors = asked(mine)
    vectors[-1] = 0  # finds the first notice, which is wrong
    mine.score("words", vectors, BOARD)
    more = finder.keep(search, [*PAIRS, ("Where?", "n02")])
    vectors = asked(more)
    vectors[-1] = 0  # the new one, which does not count beside a finder that was not asked it
    more.score("meaning", vectors, BOARD)
    assert more.scoreboard()["yours"].to_dict() == {"words": 0.5, "meaning": 1.0}
    other = finder.keep(search, [(PAIRS[0][0], "n11"), ("Where?", "n02")])  # another answer is another question
    assert other.scoreboard()["yours"].isna().tolist() == [True, False]
    assert other.scoreboard()["by its name"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x01\x02", b"finder,question\na,b\n", b'finder,question,relevant,found\n"a']
)
def test_a_broken_scoreboard_stays(content, capsys):
    Path("my_scoreboard.csv").write_bytes(content)
    mine = finder.keep(search, PAIRS)
    mine.score("words", asked(mine), BOARD)
    capsys.readouterr()
    assert mine.scoreboard().loc["words"].tolist() == [1, 1, 1]
    assert capsys.readouterr().out.count("\n") == 1
    assert files()["my_scoreboard.csv"] == content


def test_a_scoreboard_that_a_spreadsheet_saved():
    mine = finder.keep(search, PAIRS)
    mine.score("words", asked(mine), BOARD)
    text = "\r\n".join(
        ["finder;question;relevant;found"]
        + [f'été;"{q}";{n};1' for q, n in mine.questions[["question", "relevant"]].itertuples(index=False)]
    )
    Path("my_scoreboard.csv").write_bytes(text.encode("cp1252"))
    assert finder.load().scoreboard().loc["été"].tolist() == [1, 1, 1]


def test_a_question_that_shares_nothing_with_any_notice_finds_none():
    mine = finder.load()
    hits = mine.score("nothing", np.zeros((len(mine.questions), 3)), np.ones((len(mine.notices), 3)))
    assert (mine.questions["answer"] == 0).any() and hits.sum() == 0


def _helper(a, b):
    return a @ b


def _calls_a_helper(query_vector, document_vectors, k):
    return np.argsort([-_helper(row, query_vector) for row in document_vectors])[:k]


def test_functions_of_the_notebook_that_the_search_calls_are_kept_with_it():
    code = finder._source(_calls_a_helper)
    assert code.index("def _helper") < code.index("def _calls_a_helper")


@pytest.mark.parametrize("sign", [1, -1])
def test_only_a_search_that_the_exercise_calls_correct_is_kept(sign, capsys):
    lines = "def search(query_vector, document_vectors, k):", "similarity = document_vectors @ query_vector"
    code = "\n    ".join([*lines, f"return np.argsort({-sign} * similarity)[:k]"])
    Path("written.py").write_text(code, encoding="utf-8")
    space = {"np": np}
    exec(compile(code, str(Path("written.py").resolve()), "exec"), space)
    finder.keep(space["search"], [], exercises(1)[1])
    assert Path("my_finder.py").exists() == (sign == 1)
    assert ("not ready" in capsys.readouterr().out) == (sign == -1)
