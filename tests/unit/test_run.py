"""`course run` on notebooks of anybody: what was named runs, what hangs ends, and what came of it is kept."""

import json
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import nbformat
import psutil
import pytest
from typer.testing import CliRunner

from course_utils.app import cli, lab, results, run

HANGS = {
    "sleeps": "import time\ntime.sleep(600)",
    # neither an interrupt nor another thread gets through
    "holds": "x = 1\nsum(range(10**13))",
    "ignores": (
        "import subprocess, sys\nwhile True:\n    try:\n"
        "        subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "    except BaseException:\n        pass"
    ),
}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Put back what a run sets, and wait less for what does not end."""
    monkeypatch.setenv("JUPYTER_PATH", "")
    monkeypatch.setattr(run, "GRACE_S", 1.0)
    monkeypatch.setattr(cli.signal, "signal", lambda *words: None)


def notebook(path: Path, *cells: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(made, path)
    return path


def printed(path: Path) -> str:
    """What an executed notebook printed."""
    cells = nbformat.read(path, as_version=4).cells
    return "".join(o.get("text", "") for cell in cells for o in cell.get("outputs", []) if o.output_type == "stream")


def cases(file: Path) -> dict[str, ET.Element]:
    return {f"{case.get('classname')}/{case.get('name')}": case for case in ET.parse(file).iter("testcase")}


def course(*words: object):
    return CliRunner().invoke(cli.app, list(map(str, words)))


# --- what runs ----------------------------------------------------------------------------------------------------


def test_a_path_means_that_file_and_a_number_the_lesson(tmp_path, monkeypatch):
    lesson = notebook(tmp_path / "lessons/01_embedding_basics.ipynb", "1")
    own = notebook(tmp_path / "my wörk 数/01_embedding_basics.ipynb", "2")
    monkeypatch.chdir(own.parent)
    for name in ("1", "01", "01_embedding_basics"):
        assert lab.notebooks_to_run([name], lesson.parent) == [lesson]
    for name in (own, own.name, f"./{own.name}", f"../{own.parent.name}/{own.name}"):
        (found,) = lab.notebooks_to_run([str(name)], lesson.parent)
        assert found.is_absolute() and found.samefile(own)
    assert lab.notebooks_to_run([], lesson.parent) == [lesson]
    monkeypatch.chdir(tmp_path)
    # neither a file of that name that is elsewhere, nor the lesson of that number
    for name in (own.name, "nowhere/01_embedding_basics.ipynb", "01.ipynb", "https://example.org/x.ipynb"):
        with pytest.raises(ValueError, match="There is no file .*give its number"):
            lab.notebooks_to_run(["01", name], lesson.parent)
    (tmp_path / "notes.txt").touch()
    for name in (".", "./notes.txt", f"{own.parent.name}/"):
        with pytest.raises(ValueError, match="is no notebook"):
            lab.notebooks_to_run([name], lesson.parent)


def test_two_files_of_one_name_run_in_their_folders_and_keep_their_results(tmp_path):
    cells = ("NAME = 'nobody'", "from pathlib import Path\nprint(NAME, Path('here').read_text())")
    paths = [notebook(tmp_path / folder / name, *cells) for folder, name in (("a", "x.ipynb"), ("b é", "X.ipynb"))]
    for path in paths:
        (path.parent / "here").write_text(path.parent.name, encoding="utf-8")
    out, junit = tmp_path / "out {0}", tmp_path / "deep/junit.xml"
    answer = course("run", *paths, "-p", "NAME=me", "--out", out, "--junit", junit)
    assert answer.exit_code == 0, answer.output
    assert [printed(out / name).strip() for name in ("x.ipynb", "X_2.ipynb")] == ["me a", "me b é"]
    assert all(float(case.get("time")) > 0 and case.find("failure") is None for case in cases(junit).values())
    assert list(cases(junit)) == ["a/x.ipynb", "b é/X.ipynb"]
    again = course("run", paths[0], "--out", out)
    assert isinstance(again.exception, ValueError) and "not empty" in str(again.exception)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a/x", "b/x", "c/x_2", "d/x"], ["x", "x_2", "x_2_2", "x_3"]),
        (["a/x", "b/X", "c/\u00e9", "d/e\u0301"], ["x", "X_2", "\u00e9", "e\u0301_2"]),
    ],
)
def test_results_have_names_that_differ_on_any_file_system(names, expected):
    outputs = run._outputs([Path(f"{name}.ipynb") for name in names], Path("out"))
    assert outputs == [Path("out", f"{name}.ipynb") for name in expected]


def test_runs_of_the_same_second_and_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run.time, "strftime", lambda form: "now")
    assert [run.results_folder(None).name for _ in range(3)] == ["now", "now_2", "now_3"]
    (tmp_path / "file").touch()
    monkeypatch.setattr(run, "ROOT", tmp_path / "file")
    with pytest.raises(ValueError, match="--out"):
        run.results_folder(None)


# --- what fails ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """One run of notebooks that fail in all ways, and a good one at the end; with its folder and what was printed."""
    folder = tmp_path_factory.mktemp("failing")
    leaves = (
        f"import subprocess, sys\nleft = subprocess.Popen([sys.executable, '-c', '{SLEEP}'], start_new_session=True)"
    )
    notebooks = [
        notebook(folder / f"{name}.ipynb", "print('before')", cell, "print('no')") for name, cell in HANGS.items()
    ]
    notebooks += [
        notebook(folder / "dies.ipynb", "print('before')", "import os\nos._exit(3)", "print('no')"),
        notebook(folder / "leaves.ipynb", "print('before')", f"{leaves}\nprint(left.pid)"),
        notebook(folder / "raises.ipynb", "def f(x):\n    raise ValueError(x)", f"y = 1\n\nprint('before')\n{CALL}"),
        notebook(folder / "good.ipynb", "print('before')"),
    ]
    (folder / "broken.ipynb").write_text('{"cells": ', encoding="utf-8")
    notebooks.insert(0, folder / "broken.ipynb")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("JUPYTER_PATH", "")
        patched.setattr(run, "GRACE_S", 1.0)
        patched.setattr(cli.signal, "signal", lambda *words: None)
        begun = time.monotonic()
        words = ["--timeout", 4, "--html", "--out", folder / "out", "--junit", folder / "junit.xml"]
        answer = course("run", *notebooks, *words)
    assert answer.exit_code == 1 and time.monotonic() - begun < 200
    return folder, answer.output


SLEEP = "import time; time.sleep(600)"
CALL = r"f('\x1b[1m]]>\x08 & é')"
WHERE = {
    "sleeps": "cell [2], line 2 'time.sleep(600)': stopped after 4 s (--timeout): KeyboardInterrupt",
    "holds": "cell [2] 'x = 1': stopped after 4 s (--timeout): it did not heed the interrupt and was killed",
    "ignores": "cell [2] 'import subprocess, sys': stopped after 4 s (--timeout): it did not heed the interrupt",
    "dies": "cell [2] 'import os': the kernel died",
    "leaves": "it left processes running, which were killed: ",
    "raises": f"cell [2], line 4 {CALL!r}: ValueError: ]]> & é",
    "broken": "NotJSONError: ",
}


@pytest.mark.parametrize("name", WHERE)
def test_a_failure_says_where_and_keeps_what_ran(failed, name):
    folder, output = failed
    (case,) = (case for title, case in cases(folder / "junit.xml").items() if title.endswith(f"/{name}.ipynb"))
    failure = case.find("failure")
    assert failure.get("message").startswith(WHERE[name])
    assert f"FAILED {name}.ipynb, " in output
    if name != "broken":
        assert printed(folder / "out" / f"{name}.ipynb").startswith("before\n")
        assert "no" not in printed(folder / "out" / f"{name}.ipynb")
        assert "before" in (folder / "out" / f"{name}.html").read_text(encoding="utf-8")
        assert 0.2 < float(case.get("time")) < 60
    if name in ("holds", "ignores", "dies"):
        shown = (folder / "out" / f"{name}.html").read_text(encoding="utf-8")
        assert WHERE[name].rpartition(": ")[2] in shown
    if name in ("sleeps", "raises"):
        assert "Traceback (most recent call last)" in failure.text and "----> " in failure.text


def test_after_failures_the_next_one_ran_and_no_process_is_left(failed):
    folder, output = failed
    assert printed(folder / "out/good.ipynb") == "before\n"
    (suite,) = ET.parse(folder / "junit.xml").iter("testsuite")
    assert (suite.get("tests"), suite.get("failures")) == ("8", "7")
    assert "Python 3." in suite.find("properties/property").get("value")
    assert "ok" in next(line for line in output.splitlines() if line.startswith("good")).split()
    child = int(printed(folder / "out/leaves.ipynb").split()[1])
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    assert not [each for each in psutil.Process().children(recursive=True) if "ipykernel" in " ".join(each.cmdline())]


def test_a_kernel_that_does_not_start_is_no_cells_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "use_own_kernels", lambda: monkeypatch.setenv("JUPYTER_PATH", str(tmp_path)))
    (tmp_path / "kernels/python3").mkdir(parents=True)
    spec = {"argv": [str(tmp_path / "no python")], "display_name": "x", "language": "python"}
    (tmp_path / "kernels/python3/kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    answer = course("run", notebook(tmp_path / "x.ipynb", "1"), "--out", tmp_path / "out")
    assert answer.exit_code == 1 and "FAILED x.ipynb, FileNotFoundError: " in answer.output


def test_ctrl_c_keeps_what_is_done_and_leaves_no_kernel(tmp_path):
    quick = notebook(tmp_path / "quick.ipynb", "print('done')")
    slow = notebook(tmp_path / "slow.ipynb", "from pathlib import Path\nPath('begun').touch()", HANGS["ignores"])
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from course_utils.app.cli import main; main()"
    )
    words = ["run", quick, slow, quick, "--html", "--out", tmp_path / "out", "--junit", tmp_path / "junit.xml"]
    group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if sys.platform == "win32" else {}
    running = subprocess.Popen([sys.executable, "-c", code, *map(str, words)], stdout=subprocess.PIPE, **group)
    try:
        while not (tmp_path / "begun").exists():
            assert running.poll() is None
            time.sleep(0.1)
        time.sleep(0.5)
        kernels = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(signal.CTRL_BREAK_EVENT if sys.platform == "win32" else signal.SIGTERM)
        output = running.communicate(timeout=60)[0].decode(errors="replace")
    finally:
        running.kill()
    assert running.returncode != 0 and kernels
    assert psutil.wait_procs(kernels, 5)[1] == []
    assert {path.name for path in (tmp_path / "out").glob("*.html")} == {"quick.html", "slow.html"}
    assert "FAILED slow.ipynb, cell [2] 'import subprocess, sys': interrupted" in output and "quick_2" not in output
    assert [case.find("failure") is None for case in cases(tmp_path / "junit.xml").values()] == [True, False]


# --- what is said -------------------------------------------------------------------------------------------------


def test_the_table_has_the_budget_of_lessons_and_says_what_is_over():
    took = {"01_embedding_basics": (60, 500), "02_model_benchmarking": (60, 99_999), "03_task_instructions": (9e9, 1)}
    reports = [results.Result(Path(f"{name}.ipynb"), results.RunReport(*t), None) for name, t in took.items()]
    reports.append(results.Result(Path("mine.ipynb"), results.RunReport(6, 50), results.Failure("it")))
    first, *rows = (line.split() for line in results.table(reports))
    assert first == ["notebook", "minutes", "budget", "MiB", "budget"]
    assert rows[0] == ["01_embedding_basics", "ok", "1.0", "2-5", "500", "2,048"]
    assert [row[1] for row in rows] == ["ok", "over", "over", "failed"] and rows[3][3] == rows[3][5] == "-"


def test_any_text_makes_a_well_formed_file(tmp_path):
    nasty = "".join(map(chr, range(0x250))) + "\ud800\ufffe\uffff]]>\U0001f600<&\"'\x1b[31mred\x1b[0m"
    path = Path("a & b") / "<x>\x07.ipynb"
    failure = results.Failure(nasty, f"{nasty}\n  at")
    results.write_junit(tmp_path / "junit.xml", [results.Result(path, results.RunReport(1.5, 2), failure)])
    (case,) = cases(tmp_path / "junit.xml").values()
    assert case.get("name") == "<x>.ipynb" and case.get("time") == "1.500"
    assert "\U0001f600<&\"'red" in case.find("failure").text and "\x1b" not in case.find("failure").text
    assert list(tmp_path.iterdir()) == [tmp_path / "junit.xml"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Cell In[4], line 2\n      1 a\n----> 2 b\n\nCell In[3], line 1, in f(x)", "cell [4], line 2 'b'"),
        ("Cell In[4], line 3\nCell In[4], line 1, in f()", "cell [4], line 1 'a'"),
        ("  Cell In[4], line 3\n    c = =\n", "cell [4], line 3 'c'"),
        ("Cell In[4], line 99", "cell [4] 'a'"),
        ("", "cell [4] 'a'"),
    ],
)
def test_a_traceback_leads_to_the_line(said, expected):
    assert results.place("a\n  b\nc", 4, said) == expected
    shifted = expected.replace("line 3", "line 5").replace("line 2", "line 4").replace("line 1", "line 3")
    assert results.place("\n \na\n  b\nc", 4, said) == shifted  # IPython counts from the first line with words


@pytest.mark.parametrize("junit", ["folder", "file/junit.xml"])
def test_a_junit_file_that_cannot_be_written_is_told_before_anything_runs(tmp_path, junit):
    ran = notebook(tmp_path / "x.ipynb", "open('ran', 'w')")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    assert course("run", ran, "--out", tmp_path / "out", "--junit", tmp_path / junit).exit_code != 0
    assert not (tmp_path / "ran").exists() and not list(tmp_path.glob("out/*"))
