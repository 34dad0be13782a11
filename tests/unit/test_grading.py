"""Hand-ins tell nothing about who or where, and a class is graded by what its answers do, whatever its code tries."""

import csv
import importlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest
from typer.testing import CliRunner

from course_utils.app import cli, grade, inbox, lab, slicing
from course_utils.app.child import Limits, decode, encode
from course_utils.paths import ROOT

EXERCISES = ROOT / "tests" / "exercises"
LAST = "def read_heatmap(similarity):\n    return 'healthy'\n"
LESSONS = {name: lab.without_results(json.loads(json.dumps(lesson))) for name, lesson in grade.lessons().items()}
FIVE = "05_finetuning_visualization"
RIGHT = "def kept_epoch(recalls, patience):\n" + "\n".join(
    f"    {line}"
    for line in (
        "best = 0",
        "for epoch, recall in enumerate(recalls):",
        "    if recall > recalls[best]:",
        "        best = epoch",
        "    elif epoch - best >= patience:",
        "        break",
        "return best",
    )
)
WRONG = "def kept_epoch(recalls, patience):\n    return max(recalls)\n"
HEARS = "That is the largest recall of all"
MARKUP = "<img src=x onerror=alert(1)>&\u202e"


def course(*words):
    return CliRunner().invoke(cli.app, [str(word) for word in words])


def notebook(lesson=FIVE, **answers) -> dict:
    """A lesson with other sources in the cells of some exercises; None removes the cell."""
    copy = json.loads(json.dumps(LESSONS[lesson]))
    for cell in list(copy["cells"]):
        name = next((tag for tag in slicing.tags_of(cell) if tag in answers), None)
        if name and answers[name] is None:
            copy["cells"].remove(cell)
        elif name:
            cell["source"] = answers[name]
    return copy


def solved(lesson=FIVE, **answers) -> dict:
    """A solved lesson, with other answers to some exercises."""
    complete = json.loads((ROOT / "solutions" / f"{lesson}.ipynb").read_text(encoding="utf-8"))
    given = {
        tag: cell["source"]
        for cell in complete["cells"]
        for tag in slicing.tags_of(cell)
        if re.fullmatch(r"q\d", tag) and "exercise" in slicing.tags_of(cell)
    }
    return notebook(lesson, **(given | answers))


def write(path: Path, content: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def zipped(**members: dict | bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content if isinstance(content, bytes) else json.dumps(content))
    return file.getvalue()


def table_of(out: Path) -> dict[str, dict[str, str]]:
    with (out / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


# --- what student code may try ------------------------------------------------------------------------------------


def inside(*lines: str) -> str:
    """An answer that does something first, and is right after it."""
    return RIGHT.replace("    best = 0", "\n".join(f"    {line}" for line in (*lines, "best = 0")))


HOSTILE = {
    "right": (RIGHT, "correct", ""),
    "wrong": (WRONG, "wrong", HEARS),
    "raises": (inside("1 / 0"), "error", "ZeroDivisionError"),
    "endless": (inside("while True:", "    pass"), "timed out", "never end"),
    "swallows": (
        inside("while True:", "    try:", "        while True: pass", "    except BaseException: pass"),
        "timed out",
        "never end",
    ),
    "sleeps outside": (f"import time\ntime.sleep(1000)\n{RIGHT}", "timed out", ""),
    "in C": (inside("sum(range(10**13))"), "timed out", ""),
    "hoards": (inside("kept = []", "while True: kept.append(bytearray(10**8))"), "out of memory", ""),
    "hoards at once": (inside("np.ones(10**13)"), "out of memory", ""),
    "floods": (f"while True: print('x' * 10**6)\n{RIGHT}", "too much output", "prints"),
    "a gigabyte": (inside("for _ in range(1000): print('x' * 10**6)"), "too much output", ""),
    "floods below Python": (inside("import os", "while True: os.write(1, b'x' * 10**6)"), "too much output", ""),
    "no Python": ("def kept_epoch(recalls, patience)\n    return 0", "error", "SyntaxError"),
    "exits": (f"import sys\nsys.exit()\n{RIGHT}", "error", "exit()"),
    "exits inside": (inside("import sys", "sys.exit(0)"), "error", "exit()"),
    "leaves": (inside("import os", "os._exit(0)"), "error", "ended itself"),
    "leaves at once": (f"import os\nos._exit(0)\n{RIGHT}", "error", "ended itself"),
    "asks": (inside("input('?')"), "error", "input()"),
    "deletes": (
        inside("import os, shutil", "shutil.rmtree(os.getcwd(), ignore_errors=True)", "shutil.rmtree('.', True)"),
        "correct",
        "",
    ),
    "connects": (inside("import socket", "socket.create_connection(('127.0.0.1', 9))"), "error", "no network"),
    "its own q4": (f"class q4:\n    check = staticmethod(print)\nprint('correct')\n{WRONG}", "wrong", HEARS),
    "patches the course": (
        "from course_utils.teaching import exercise\nfrom course_utils.teaching.checks import asserts, lesson05\n"
        "exercise.Exercise.check = lambda *_: exercise.Result('correct', 'Yes.')\n"
        "lesson05.close = lesson05.require = asserts.require = lambda *_: None\n"
        f"lesson05.check_kept_epoch = lambda *_: None\n{WRONG}",
        "wrong",
        HEARS,
    ),
    "patches the answers": (
        f"from course_utils.teaching.checks import guard\nguard.run = lambda *_: object()\n{WRONG}",
        "wrong",
        "should return one number",
    ),
    "equal to all": (
        "class Yes:\n    __eq__ = __ne__ = lambda *_: True\n    __hash__ = None\n"
        "def kept_epoch(recalls, patience):\n    return Yes()\n",
        "wrong",
        "Yes",
    ),
    "shouts into every pipe": (
        "import os\nfor channel in range(3, 200):\n    try:\n        os.write(channel, b'\\0\\0\\0\\4true')\n"
        f"    except OSError:\n        pass\n{WRONG}",
        "error",
        "cannot be read",
    ),
    "kills its family": (
        inside("import os, psutil", "for each in psutil.Process(os.getppid()).children(): each.kill()"),
        "error",
        "",
    ),
    "kills its parent": (inside("import os", "os.kill(os.getppid(), 9)"), "error", ""),
    "markup": (inside(f"raise ValueError({MARKUP!r})"), "error", "onerror"),
    "commented stub": ("def kept_epoch(recalls, patience):\n    # I do not know yet\n    ...", "not answered", ""),
    "removed": (None, "missing cell", "No cell defines"),
    "another function": ("def another(a):\n    return a", "missing cell", ""),
    "no function": ("kept_epoch = 3", "wrong", "not its result; this is an int"),
    "other arguments": ("def kept_epoch(recalls):\n    return 0", "wrong", "takes (recalls)"),
    "changes what it gets": (inside("recalls.append(0)", "recalls.pop(0)"), "wrong", "changes its argument"),
    "magics": (f"%timeit 1\n!ls\nkept_epoch?\n{RIGHT}", "correct", ""),
    "helper elsewhere": ("def kept_epoch(recalls, patience):\n    return helper(recalls, patience)", "correct", ""),
    "moved": ("def kept_epoch(recalls, patience):\n    # YOUR CODE HERE\n    ...", "correct", ""),
    "renamed": (RIGHT.replace("kept_epoch", "my_epoch"), "correct", ""),
    "no marks": (RIGHT, "correct", ""),
    "forged output": ("def kept_epoch(recalls, patience):\n    # YOUR CODE HERE\n    ...", "not answered", ""),
}


def hostile(name: str) -> dict:
    """A solved lesson whose fourth answer is hostile, with what else belongs to it."""
    made = notebook(q4=HOSTILE[name][0], q5=LAST)
    extra = {"helper elsewhere": RIGHT.replace("kept_epoch", "helper"), "moved": RIGHT, "renamed": "q4.check(my_epoch)"}
    if name in extra:
        new = {"cell_type": "code", "id": "new", "metadata": {}, "outputs": [], "execution_count": None}
        made["cells"].append(new | {"source": extra[name]})
    for cell in made["cells"]:
        if name == "no marks":
            cell.pop("id", None)
            cell["metadata"] = {}
        if name == "forged output" and "q4.check" in "".join(cell["source"]):
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["correct: The best epoch."]}]
    return made


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A folder of hostile hand-ins, what was said of it, and the folder of the results."""
    place = tmp_path_factory.mktemp("class of é")
    for name in HOSTILE:
        write(place / "inbox" / name / "renamed (1).ipynb", hostile(name))
    write(place / "inbox" / MARKUP / "a.ipynb", solved(q1=f"# {MARKUP}\ndef info_nce(a, b):\n    return 'x{MARKUP}'"))
    (place / "inbox" / "right" / "notes.pdf").write_bytes(b"%PDF")
    said = course("grade", place / "inbox", "--out", place / "out", "--timeout", 4, "--workers", 2)
    assert said.exit_code == 0, said.output
    return place / "out", said.output, place


@pytest.mark.parametrize("name", HOSTILE)
def test_each_answer_gets_what_it_deserves(graded, name):
    row = table_of(graded[0])[name]
    _, expected, words = HOSTILE[name]
    page = next(graded[0].glob(f"student_*_{re.sub(r'[^a-zA-Z0-9]+', '_', name)}.html")).read_text(encoding="utf-8")
    if name == "kills its parent":  # which it finds where it has no processes of its own
        expected = row["05 q4"] if row["05 q4"] in ("correct", "error") else expected
    assert row["05 q4"] == expected, page
    assert words in page.replace("&#x27;", "'")
    if grade.IS_FORKED:  # elsewhere the answers of a notebook share a process
        assert row["05 q5"] == "wrong" and "beside the diagonal" in page, "the other answers are graded all the same"


def test_the_counts_and_the_three_reports_agree(graded):
    out, said, _ = graded
    rows = table_of(out)
    assert len(rows) == len(HOSTILE) + 1 and f"{len(rows)} students" in said
    for row in rows.values():
        cells = [row[f"05 q{i}"] for i in range(1, 6)]
        assert {outcome: str(cells.count(outcome)) for outcome in grade.OUTCOMES}.items() <= row.items()
    cases = ElementTree.parse(out / "junit.xml").findall(".//testcase")
    assert len(cases) == 5 * len(rows)
    correct = sum(row[f"05 q{i}"] == "correct" for row in rows.values() for i in range(1, 6))
    assert sum(len(case) == 0 for case in cases) == correct
    table = (out / "table.html").read_text(encoding="utf-8")
    assert re.search(rf"\d+ × {HEARS}", table) and "helper" not in table


def test_names_and_answers_are_shown_as_text(graded):
    out, said, _ = graded
    pages = [page.read_text(encoding="utf-8") for page in out.glob("*.html")]
    assert len(pages) == len(HOSTILE) + 2
    assert not any("<img" in page or "<script" in page for page in pages)
    assert all("default-src 'none'" in page for page in pages)
    assert any("&lt;img" in page for page in pages)
    assert "right/notes.pdf" in said and "Ignored" in said


def test_the_inbox_is_as_it_was_and_nothing_runs_on(graded):
    _, _, place = graded
    assert (place / "inbox" / "deletes" / "renamed (1).ipynb").is_file()
    left = [each for each in psutil.Process().children(recursive=True) if "grade_" in "".join(each.environ().values())]
    assert left == []


# --- every lesson -------------------------------------------------------------------------------------------------


def grade_one(lesson: str, content: dict) -> list[grade.Outcome]:
    made = inbox.Notebook("Ada", lesson, json.dumps(content).encode(), "", datetime.now())
    return grade.grade_notebook(made, Limits(20))


def test_untouched_lessons_are_not_answered_and_nothing_is_run(monkeypatch):
    monkeypatch.setattr(grade.Student, "begin", None)
    for name, lesson in LESSONS.items():
        assert [each.outcome for each in grade_one(name, lesson)] == ["not answered"] * 5


@pytest.fixture(scope="module")
def outcomes(request):
    """Grade notebooks of several lessons side by side."""

    def of(notebooks: list[tuple[str, dict]]) -> list[list[grade.Outcome]]:
        made = [inbox.Notebook("Ada", name, json.dumps(each).encode(), "", datetime.now()) for name, each in notebooks]
        found = dict(grade.grade_all(made, Limits(20), 2))
        return [found[each] for each in made]

    return of


def test_the_solutions_are_correct_in_every_lesson(outcomes):
    for found in outcomes([(name, solved(name)) for name in LESSONS]):
        assert [each.outcome for each in found] == ["correct"] * 5, found


def borrowed(lesson: str, kind: str, number: int) -> tuple[dict, dict[str, str]]:
    """A lesson with answers of tests/exercises/answersNN.py, and what a wrong one hears, by exercise."""
    module = f"answers{lesson[:2]}"
    table = getattr(importlib.import_module(module), kind)
    given, hears = {}, {}
    for name, answers in table.items():
        if number < len(answers):
            answer = f"{kind}[{name!r}][{number}]" + ("[0]" if kind == "WRONG" else "")
            own = slicing.find_answer(solved(lesson), LESSONS[lesson], name).names[0]
            head = f"import sys\nsys.path.insert(0, {str(EXERCISES)!r})\nfrom {module} import {kind}\n"
            given[name], hears[name] = f"{head}{own} = {answer}", answers[number][1] if kind == "WRONG" else ""
    return notebook(lesson, **given), hears


@pytest.mark.parametrize("kind", ["WRONG", "RIGHT"])
def test_answers_of_every_kind_hear_what_the_check_says(outcomes, kind, monkeypatch, request):
    monkeypatch.syspath_prepend(EXERCISES)
    every = request.config.getoption("--long")
    cases = [(lesson, number) for lesson in LESSONS for number in (range(60) if every else (0,))]
    made = [(lesson, *borrowed(lesson, kind, number)) for lesson, number in cases]
    made = [each for each in made if each[2]]
    for (lesson, _, hears), found in zip(made, outcomes([each[:2] for each in made]), strict=True):
        for each in found:
            if each.exercise in hears:
                assert (each.outcome == "correct") == (kind == "RIGHT"), (lesson, each)
                assert hears[each.exercise] in each.message, (lesson, each)


# --- what an answer needs -----------------------------------------------------------------------------------------


def test_an_answer_runs_with_what_it_names_and_no_more():
    sources = [
        "import numpy as np\nimport pandas as pd\nmodel = load()",
        "scale = 2\ntable = {}",
        "table['a'] = scale\nmodel.fit(table)",
        "def helper(x):\n    model = 3\n    return x * table['a'] + np.pi",
        "def kept_epoch(recalls, patience):\n    similarity = helper(recalls)\n    return similarity",
        "q4.check(kept_epoch)\nsimilarity = model.encode()\nprint(kept_epoch([1], 1))",
    ]
    made = {"cells": [{"cell_type": "code", "metadata": {}, "source": each} for each in sources]}
    answer = slicing.find_answer(made, LESSONS[FIVE], "q4")
    run = "\n".join(str(block.statements) + block.name for block in answer.blocks)
    assert run == "[0]cell 1\n[0, 1]cell 2\n[0]cell 3\n[0]cell 4\n[0]cell 5"


@pytest.mark.parametrize("value", [None, True, -1.5, 2 + 1j, "é", b"\0", [1, (2, {3})], {"a": [None]}, float("inf")])
def test_plain_values_travel_whole(value):
    assert decode(encode(value)) == value


@pytest.mark.parametrize(
    "data", [b"", b"{}x", b'["array", "|O", [1], "AAAA"]', b'["no"]', b"[" * 10**5, b'["list", 3]', b'["dict", [[[]]]]']
)
def test_a_forged_message_is_refused(data):
    with pytest.raises(ValueError, match="cannot be read"):
        decode(data)


# --- the inbox ----------------------------------------------------------------------------------------------------


def read(folder: Path) -> inbox.Found:
    return inbox.read_inbox(folder, LESSONS)


def test_hand_ins_are_found_in_every_form(tmp_path):
    one, two = LESSONS["01_embedding_basics"], LESSONS["02_model_benchmarking"]
    write(tmp_path / "Ada" / "my_work" / "x.ipynb", one)
    write(tmp_path / "Ben Cole_1234567_assignsubmission_file_" / "anything.ipynb", one)
    write(tmp_path / "Dora Ende_7654321_assignsubmission_file_my lesson.ipynb", two)
    write(tmp_path / "02_model_benchmarking - Emil.ipynb", two)
    own = zipped(**{"a.ipynb": one, inbox.MANIFEST: {"name": "Flora  Grün"}})
    (tmp_path / "all.zip").write_bytes(
        zipped(
            **{
                "some/hand-in.zip": own,
                "Gül_99999_assignsubmission_file_/w.zip": zipped(**{"my_work/w.ipynb": two}),
                "Hal.zip": zipped(**{"folder/b.ipynb": one, "__MACOSX/folder/._b.ipynb": b"\0"}),
            }
        )
    )
    (tmp_path / "group.zip").write_bytes(zipped(**{"Ida/1.ipynb": one, "Jan/1.ipynb": two, "Jan/.DS_Store": b"x"}))
    (tmp_path / "essay.pdf").write_bytes(b"%PDF")
    write(tmp_path / "other.ipynb", {"cells": []})
    (tmp_path / "broken.ipynb").write_text("half", encoding="utf-8")
    found = read(tmp_path)
    assert {each.student: each.lesson[:2] for each in found.notebooks} == {
        "Ada": "01", "Ben Cole": "01", "Dora Ende": "02", "Emil": "02", "Flora Grün": "01",
        "Gül": "02", "Hal": "01", "Ida": "01", "Jan": "02",
    }  # fmt: skip
    assert found.refused == ["broken.ipynb: no notebook that can be read"]
    assert {each.split("/")[-1] for each in found.ignored} == {
        "essay.pdf", "other.ipynb (no lesson of this course)", "._b.ipynb", ".DS_Store",
    }  # fmt: skip


def test_of_two_hand_ins_the_later_one_counts(tmp_path):
    early, late = notebook(q4=WRONG), notebook(q4=RIGHT)
    write(tmp_path / "Ada" / "z.ipynb", early)
    os.utime(tmp_path / "Ada" / "z.ipynb", (10**9, 10**9))
    write(tmp_path / "again" / "ADA_12345_assignsubmission_file_" / "a.ipynb", late)
    found = read(tmp_path)
    assert [json.loads(each.content) for each in found.notebooks] == [late]
    assert [each.place for each in found.superseded] == ["Ada/z.ipynb"]


def test_what_a_zip_must_not_hold_is_refused_and_said(tmp_path, monkeypatch):
    monkeypatch.setattr(inbox, "FILE_BYTES", 2**21)
    monkeypatch.setattr(inbox, "ZIP_BYTES", 2**22)
    lesson = LESSONS[FIVE]
    escaping = ["../up.ipynb", "/abs.ipynb", "C:\\x.ipynb", "a/../../b.ipynb"]
    (tmp_path / "escape.zip").write_bytes(zipped(**dict.fromkeys(escaping, lesson), **{"fine.ipynb": lesson}))
    (tmp_path / "bomb.zip").write_bytes(zipped(**{"b.ipynb": b"0" * 2**23}))
    nest = zipped(**{f"{i}.ipynb": b"0" * 2**21 for i in range(4)})
    (tmp_path / "bombs.zip").write_bytes(zipped(**{f"{i}.zip": nest for i in range(9)}))
    deep = zipped(**{"n.ipynb": lesson})
    for _ in range(4):
        deep = zipped(**{"n.zip": deep})
    (tmp_path / "deep.zip").write_bytes(deep)
    (tmp_path / "many.zip").write_bytes(zipped(**{f"{i}.txt": b"" for i in range(inbox.MEMBERS + 1)}))
    (tmp_path / "broken.zip").write_bytes(b"PK\3\4 no zip")
    link = zipfile.ZipInfo("link.ipynb")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    found = read(tmp_path)
    assert [each.place for each in found.notebooks] == ["escape.zip/fine.ipynb"]
    for name, words in {
        "escape.zip": "outside", "bomb.zip": "larger", "bombs.zip": "larger", "deep.zip": "deep",
        "many.zip": "more than", "broken.zip": "no zip", "link.zip": "outside",
    }.items():  # fmt: skip
        assert any(each.startswith(name) and words in each for each in found.refused), (name, found.refused)
    assert sum(each.startswith("escape.zip") for each in found.refused) == len(escaping)
    assert not list(tmp_path.parent.glob("up.ipynb"))


# --- results ------------------------------------------------------------------------------------------------------


def test_a_second_run_replaces_its_own_files_only_and_numbers_stay(tmp_path):
    box, out = tmp_path / "in", tmp_path / "out"
    for name in ("Ada", "=Ben", "Cleo"):
        write(box / name / "5.ipynb", LESSONS[FIVE])
    assert course("grade", box, "--out", out, "--anonymous").exit_code == 0
    (out / "mine.txt").write_text("kept", encoding="utf-8")
    first = table_of(out)
    shutil.rmtree(box / "Ada")
    write(box / "Dora" / "5.ipynb", LESSONS[FIVE])
    said = course("grade", box, "--out", out, "--anonymous").output
    names = {"Ada", "Ben", "Cleo", "Dora"}
    every = said + "".join(file.read_text(encoding="utf-8") + file.name for file in out.iterdir())
    assert not any(name in every for name in names)
    assert set(first) == {"Student 1", "Student 2", "Student 3"}
    assert len(set(table_of(out)) & set(first)) == 2 and "Student 4" in table_of(out)
    assert len(list(out.glob("student_*.html"))) == 3 and (out / "mine.txt").exists()
    assert course("grade", box, "--out", out).exit_code == 0
    assert set(table_of(out)) == {"'=Ben", "Cleo", "Dora"} and not list(out.glob("*.part"))


def test_what_cannot_be_graded_is_a_sentence(tmp_path):
    def refusal(*words):
        error = course("grade", *words).exception
        assert isinstance(error, ValueError), error
        return str(error)

    empty, out = tmp_path / "empty", tmp_path / "out"
    empty.mkdir()
    assert "no notebook of a lesson" in refusal(empty, "--out", out)
    assert not out.exists()
    write(empty / "a.ipynb", LESSONS[FIVE])
    assert "outside of the inbox" in refusal(empty, "--out", empty / "out")
    assert "folder of hand-ins" in refusal(empty / "a.ipynb", "--out", out)
    out.mkdir()
    (out / "grades.csv").write_text("mine", encoding="utf-8")
    assert "did not write" in refusal(empty, "--out", out)
    assert (out / "grades.csv").read_text(encoding="utf-8") == "mine"


# --- handing in ---------------------------------------------------------------------------------------------------


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A student's folder below a home of its own, with one lesson worked on and one that was only opened."""
    home = tmp_path / "home" / "zaphodbeeble"
    monkeypatch.setattr(Path, "home", lambda: home)
    monkeypatch.setattr(lab, "MY_WORK", home / "my work")
    lab.MY_WORK.mkdir(parents=True)
    lab.copy_lessons()
    made = notebook(q4=f"place = {str(home / 'x.csv')!r}\nother = r'C:\\Users\\zaphodbeeble\\y'\n{RIGHT}")
    made["cells"][0]["metadata"]["execution"] = {"user": "zaphodbeeble"}
    made["metadata"]["kernelspec"] = {"name": "zaphodbeeble", "display_name": str(home)}
    made["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": [str(home)]}]
    write(lab.MY_WORK / f"{FIVE}.ipynb", made)
    return lab.MY_WORK


def test_a_hand_in_tells_nothing_about_who_or_where_and_is_graded(work, tmp_path):
    said = course(
        "hand-in", "05", "1", "--name", "Ada <Lovelace>", "--work", work, "--out", tmp_path / "in" / "ada.zip"
    )
    assert said.exit_code == 0, said.exception
    assert "ada.zip is ready" in said.output and f"{FIVE}.ipynb\n" in said.output
    assert "01_embedding_basics.ipynb: it is as it came" in said.output
    raw = (tmp_path / "in" / "ada.zip").read_bytes()
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert not any("zaphod" in text or str(tmp_path) in text for text in (raw.decode("latin-1"), *texts.values()))
    manifest = json.loads(texts[inbox.MANIFEST])
    assert manifest["name"] == "Ada <Lovelace>" and re.fullmatch(r"[\d.]+", manifest["course"])
    assert manifest["notebooks"][f"{FIVE}.ipynb"]["copied_from"] == lab.hash_of(lab.LESSONS / f"{FIVE}.ipynb")
    cells = json.loads(texts[f"{FIVE}.ipynb"])["cells"]
    assert all(not cell.get("outputs") and set(cell["metadata"]) <= {"tags"} for cell in cells)
    found = read(tmp_path / "in").notebooks
    assert [(each.student, each.lesson) for each in found] == [
        ("Ada <Lovelace>", name) for name in (list(LESSONS)[0], FIVE)
    ]
    assert slicing.find_answer(json.loads(found[1].content), LESSONS[FIVE], "q4").source.endswith("return best")


def test_what_cannot_be_handed_in_is_a_sentence(work, tmp_path):
    def refusal(*words, name="Ada"):
        error = course("hand-in", *words, "--name", name, "--work", work).exception
        assert isinstance(error, ValueError), error
        return str(error)

    (work / "02_model_benchmarking.ipynb").write_text("half", encoding="utf-8")
    (work / "03_task_instructions.ipynb").unlink()
    assert "no notebook that can be read" in refusal("02") and "reset 02" in refusal("02")
    assert "not opened lesson 03" in refusal("03")
    assert "no lesson '09'" in refusal("09")
    assert "no notebook gone.ipynb" in refusal("gone.ipynb")
    assert "--name" in refusal("05", name="  ")
    assert "end in .zip" in refusal("05", "--out", tmp_path / "x.tar")
    assert not list(work.glob("*.zip")) + list(work.glob(".*part"))


def test_a_grading_that_is_stopped_leaves_nothing_behind(tmp_path):
    write(tmp_path / "in" / "Ada" / "5.ipynb", notebook(q4=inside("import time", "time.sleep(1000)")))
    words = [sys.executable, "-m", "course_utils.app.cli", "grade", "in", "--out", "out", "--timeout", "60"]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and "1 notebooks" in process.stdout.readline()
    time.sleep(3)
    started = psutil.Process(process.pid).children(recursive=True)
    assert started
    process.kill()
    process.wait()
    assert psutil.wait_procs(started, timeout=20)[1] == []
    assert not (tmp_path / "out").exists()
