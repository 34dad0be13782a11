"""The `course` command: students' copies are safe, runs are measured, findings have remedies, statuses are right."""

import ast
import errno
import json
import os
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from typer.testing import CliRunner

from course_utils import data, embedding
from course_utils.app import cli, doctor, lab, pieces, run
from course_utils.paths import ROOT

SCHEMAS = Path(sys.prefix) / "share/jupyter/lab/schemas"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Put back what `use_own_kernels` sets."""
    monkeypatch.setenv("JUPYTER_PATH", "")


def course(*words: str):
    return CliRunner().invoke(cli.app, words)


# --- students' copies ---------------------------------------------------------------------------------------------


@pytest.fixture
def lessons(tmp_path, monkeypatch):
    """A folder with two lessons, and none copied yet."""
    for name in ("LESSONS", "MY_WORK"):
        monkeypatch.setattr(lab, name, tmp_path / "my course é" / name.lower())
    lab.LESSONS.mkdir(parents=True)
    for name in ("01_embedding_basics", "02_model_benchmarking"):
        write(lab.LESSONS / f"{name}.ipynb", f"{name} as it came")
    return lab.LESSONS


def write(path: Path, source: str, **metadata) -> None:
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)], metadata=metadata), path)


def copies() -> dict[str, str]:
    """What is written in the students' copies."""
    read = {path: json.loads(path.read_text(encoding="utf-8")) for path in sorted(lab.MY_WORK.glob("*.ipynb"))}
    return {path.name: "".join(notebook["cells"][0]["source"]) for path, notebook in read.items()}


def test_copies_come_without_results(lessons):
    ran = nbformat.v4.new_code_cell("1 + 1", execution_count=1, outputs=[nbformat.v4.new_output("stream", text="2")])
    nbformat.write(nbformat.v4.new_notebook(cells=[ran]), lessons / "01_embedding_basics.ipynb")
    lab.copy_lessons()
    (cell,) = nbformat.read(lab.MY_WORK / "01_embedding_basics.ipynb", as_version=4).cells
    assert cell.source == "1 + 1" and cell.outputs == [] and cell.execution_count is None


def test_lessons_are_copied_once(lessons):
    assert len(lab.copy_lessons()) == 2
    assert copies()["01_embedding_basics.ipynb"] == "01_embedding_basics as it came"
    assert lab.copy_lessons() == []


def test_an_edited_copy_is_never_overwritten_and_a_newer_lesson_is_told(lessons):
    lab.copy_lessons()
    write(lab.MY_WORK / "01_embedding_basics.ipynb", "mine")
    assert lab.copy_lessons() == []
    for lesson in lessons.iterdir():
        write(lesson, "newer")
    edited, untouched = lab.copy_lessons()
    assert "newer 01_embedding_basics" in edited and "reset 01" in edited
    assert untouched.startswith("Renewed in my_work: 02")
    assert list(copies().values()) == ["mine", "newer"]
    assert lab.copy_lessons() == [edited]  # said again, as it is still so


@pytest.mark.parametrize("memory", ["", "{", "[]", '["a", 1]', "3", "null", "[" * 100_000, "\udcff", None])
def test_without_its_memory_every_copy_counts_as_edited(lessons, memory):
    lab.copy_lessons()
    record = lab.MY_WORK / ".course.json"
    record.write_text(memory, "utf-8", "surrogateescape") if memory is not None else record.unlink()
    assert lab.copy_lessons() == []
    write(lessons / "01_embedding_basics.ipynb", "newer")
    assert "stays as it is" in lab.copy_lessons()[0]
    assert copies()["01_embedding_basics.ipynb"] == "01_embedding_basics as it came"


def test_a_copy_that_was_only_opened_and_run_is_no_edited_one(lessons):
    lab.copy_lessons()
    write(lab.MY_WORK / "01_embedding_basics.ipynb", "01_embedding_basics as it came", language_info={"name": "python"})
    write(lessons / "01_embedding_basics.ipynb", "newer")
    assert "Renewed" in lab.copy_lessons()[0]


def test_a_copy_that_is_no_notebook_any_more_is_named_with_the_remedy(lessons):
    lab.copy_lessons()
    (lab.MY_WORK / "01_embedding_basics.ipynb").write_text("half a file", encoding="utf-8")
    (message,) = lab.copy_lessons()
    assert "my_work/01_embedding_basics.ipynb is empty or no notebook" in message and "start.py reset 01" in message
    write(lessons / "01_embedding_basics.ipynb", "newer")
    assert lab.copy_lessons() == [message]
    (lab.MY_WORK / "01_embedding_basics.ipynb").write_text("", encoding="utf-8")
    assert lab.copy_lessons() == [message]
    lab.reset_lesson("01")
    assert lab.copy_lessons() == []


@pytest.mark.parametrize(
    "content",
    [
        "3",
        "[]",
        "null",
        '{"cells": 3}',
        '{"cells": [3]}',
        '{"cells": [{}]}',
        "[" * 100_000,
        "\udcff",
        "a folder",
        "denied",
    ],
)
def test_an_unreadable_copy_stops_nothing_and_is_kept_by_reset(lessons, monkeypatch, content):
    lab.copy_lessons()
    copy, read = lab.MY_WORK / "01_embedding_basics.ipynb", Path.read_text

    def denied(path, *words, **options):
        if path == copy:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read(path, *words, **options)

    if content == "a folder":
        copy.unlink()
        copy.mkdir()
    else:
        copy.write_text(content, "utf-8", "surrogateescape")
    with monkeypatch.context() as patched:
        if content == "denied":
            patched.setattr(Path, "read_text", denied)
        (message,) = lab.copy_lessons()
    assert "no notebook that can be read" in message and "start.py reset 01" in message
    kept = lab.reset_lesson("01")
    assert kept.is_dir() if content == "a folder" else kept.read_text("utf-8", "surrogateescape") == content
    assert lab.copy_lessons() == []


def test_a_merge_conflict_in_a_lesson_is_a_sentence(lessons):
    lesson = lessons / "01_embedding_basics.ipynb"
    lesson.write_text(f"<<<<<<< HEAD\n{lesson.read_text(encoding='utf-8')}=======\n>>>>>>> main\n", encoding="utf-8")
    with pytest.raises(ValueError, match="lessons/01_embedding_basics.ipynb is no whole notebook, .* merge conflict"):
        lab.copy_lessons()


def test_a_copy_that_was_deleted_comes_again(lessons):
    lab.copy_lessons()
    (lab.MY_WORK / "01_embedding_basics.ipynb").unlink()
    assert len(lab.copy_lessons()) == 1 and len(copies()) == 2


def test_reset_keeps_the_old_copy(lessons):
    lab.copy_lessons()
    write(lab.MY_WORK / "01_embedding_basics.ipynb", "mine")
    kept = lab.reset_lesson("1")
    assert kept.name.startswith("01_embedding_basics_2") and copies()[kept.name] == "mine"
    assert copies()["01_embedding_basics.ipynb"] == "01_embedding_basics as it came"
    write(lessons / "01_embedding_basics.ipynb", "newer")
    assert "Renewed" in lab.copy_lessons()[0]  # the fresh copy is untouched
    (lab.MY_WORK / "02_model_benchmarking.ipynb").unlink()
    assert lab.reset_lesson("02") is None and len(copies()) == 3


def works() -> list[str]:
    """All that a student wrote, whatever its file is called now."""
    return sorted(set(copies().values()) - {"01_embedding_basics as it came", "02_model_benchmarking as it came"})


def test_resets_within_a_second_or_with_the_clock_set_back_lose_nothing(lessons, monkeypatch):
    lab.copy_lessons()
    for attempt in range(12):
        write(lab.MY_WORK / "01_embedding_basics.ipynb", f"mine {attempt:02}")
        monkeypatch.setattr(lab.time, "strftime", lambda pattern, it=attempt: f"2026-01-01_00000{it % 2}")
        kept = lab.reset_lesson("01")
        assert copies()[kept.name] == f"mine {attempt:02}"
    assert works() == [f"mine {attempt:02}" for attempt in range(12)]
    assert copies()["01_embedding_basics.ipynb"] == "01_embedding_basics as it came"


def test_resets_at_once_lose_nothing(lessons):
    for attempt in range(5):
        lab.copy_lessons()
        write(lab.MY_WORK / "01_embedding_basics.ipynb", f"mine {attempt}")
        code = (
            "import sys; from pathlib import Path; from course_utils.app import lab\n"
            "lab.LESSONS, lab.MY_WORK = map(Path, sys.argv[1:])\n"
            "print('ready', flush=True); input(); lab.reset_lesson('01')"
        )
        command = [sys.executable, "-c", code, str(lab.LESSONS), str(lab.MY_WORK)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "cwd": ROOT}
        resets = [subprocess.Popen(command, **pipes) for _ in range(3)]
        for reset in resets:
            reset.stdout.readline()
        for reset in resets:
            reset.stdin.write(b"\n")
            reset.stdin.flush()
        assert [reset.wait(60) for reset in resets] == [0, 0, 0]
        for reset in resets:
            reset.stdin.close()
            reset.stdout.close()
    assert works() == [f"mine {attempt}" for attempt in range(5)]


class Killed(BaseException):
    """What happens at a step instead of the step; nothing catches it."""


def killed_at(step: int, monkeypatch, *methods: str):
    """Let methods of `Path` work `step` times in all, and then no more; a half-written file is half there."""
    left = [step]

    def counted(name, do):
        def method(path, *words, **options):
            left[0] -= 1
            if left[0] < 0:
                if name == "write_text":
                    do(path, words[0][: len(words[0]) // 2], *words[1:], **options)
                raise Killed
            return do(path, *words, **options)

        return method

    for name in methods:
        monkeypatch.setattr(Path, name, counted(name, getattr(Path, name)))


def test_a_reset_that_is_killed_at_any_step_loses_nothing_and_the_next_one_works(lessons, monkeypatch):
    lab.copy_lessons()
    for step in range(20):
        write(lab.MY_WORK / "01_embedding_basics.ipynb", f"mine {step:02}")
        try:
            with monkeypatch.context() as patched:
                killed_at(step, patched, "touch", "replace", "rename", "unlink", "write_text")
                lab.reset_lesson("01")
            break
        except Killed:
            kept = {path: path.read_bytes() for path in lab.MY_WORK.glob("*.ipynb")}
            assert any(f"mine {step:02}".encode() in content for content in kept.values())
            assert not any("reset" in message for message in lab.copy_lessons())
            lab.reset_lesson("01")
            assert lab.copy_lessons() == []
            for path in lab.MY_WORK.glob("*.ipynb"):
                if not path.stat().st_size:
                    path.unlink()  # a name that was only reserved
    assert step >= 5
    assert works() == [f"mine {number:02}" for number in range(step + 1)]


@pytest.mark.parametrize("name", ["1", "01", "01_embedding_basics", "01_embedding_basics.ipynb"])
def test_a_lesson_answers_to_its_names(lessons, name):
    assert [path.stem for path in lab.find_notebooks([name], lessons)] == ["01_embedding_basics"]


def test_an_unknown_lesson_is_told_which_there_are(lessons):
    assert len(lab.find_notebooks([], lessons)) == 2
    for name in ("3", "embedding", ""):
        with pytest.raises(ValueError, match="01_embedding_basics, 02_model_benchmarking"):
            lab.find_notebooks([name], lessons)


# --- JupyterLab ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", lab.JUPYTERLAB_SETTINGS)
def test_jupyterlab_knows_the_settings(name):
    extension, plugin = name.split(":")
    schema = json.loads((SCHEMAS / extension / f"{plugin}.json").read_text(encoding="utf-8"))
    for key, value in lab.JUPYTERLAB_SETTINGS[name].items():
        assert key in schema["properties"]
        choices = schema["properties"][key].get("oneOf")
        assert choices is None or value in [choice["const"] for choice in choices]
        assert isinstance(value, {"boolean": bool, "string": str}[schema["properties"][key]["type"]])


def test_jupyterlab_starts_on_the_copy_and_registers_nothing_elsewhere(tmp_path, monkeypatch):
    from jupyterlab.labapp import LabApp

    started = []
    monkeypatch.setattr(LabApp, "launch_instance", started.append)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    (tmp_path / "share/jupyter/lab").mkdir(parents=True)
    lab.open_jupyterlab(Path("01_embedding_basics.ipynb"), browser=False)
    (options,) = started
    assert "--LabApp.default_url=/lab/tree/my_work/01_embedding_basics.ipynb" in options and "--no-browser" in options
    written = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert written == [Path("share/jupyter/lab/settings/overrides.json")]
    lab.open_jupyterlab(Path("01_embedding_basics.ipynb"), browser=True)
    assert "--no-browser" not in started[1]


def test_a_foreign_kernel_of_the_same_name_does_not_win(tmp_path, monkeypatch):
    from jupyter_client.kernelspec import KernelSpecManager

    foreign = tmp_path / "kernels" / "python3"
    foreign.mkdir(parents=True)
    spec = {"argv": ["foreign"], "display_name": "foreign", "language": "python"}
    (foreign / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert KernelSpecManager().get_kernel_spec("python3").argv == ["foreign"]
    run.use_own_kernels()
    assert KernelSpecManager().get_kernel_spec("python3").argv != ["foreign"]
    once = os.environ["JUPYTER_PATH"]
    run.use_own_kernels()
    assert os.environ["JUPYTER_PATH"] == once


# --- running notebooks --------------------------------------------------------------------------------------------


def notebook(path: Path, *cells: str) -> Path:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.cells[0].metadata["tags"] = ["parameters"]
    made.metadata.kernelspec = {"name": "somebody-elses", "display_name": "x", "language": "python"}
    nbformat.write(made, path)
    return path


def test_a_run_is_measured_and_kept(tmp_path):
    source = notebook(
        tmp_path / "a.ipynb",
        "MIB = 1",
        "import time; from pathlib import Path; filled = b'x' * (MIB * 2**20); time.sleep(1)",
        "Path('here').touch(); print(len(filled) // 2**20)",
    )
    working = tmp_path / "an empty folder é"
    working.mkdir()
    report = run.execute(source, tmp_path / "out.ipynb", {"MIB": 200}, working)
    executed = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert executed.cells[-1].outputs[0].text.strip() == "200"
    assert (working / "here").exists()
    assert 1 < report.seconds < 60
    assert 220 < report.peak_mib < 600


def test_a_table_ends_the_runs_and_a_failure_names_cell_and_error(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "ROOT", tmp_path)
    good = notebook(tmp_path / "01_good.ipynb", "MODEL = 'a'", "assert MODEL == 'b'")
    bad = notebook(tmp_path / "02_bad.ipynb", "MODEL = 'a'", "\nnumbers = [1]\nnumbers[3]")
    assert run.run_all([bad, good], {"MODEL": "b"}) is False
    output = capsys.readouterr().out
    assert "02_bad.ipynb, cell [3], line 3 'numbers[3]': IndexError: list index out of range" in output
    table = [line.split() for line in output.splitlines() if line.startswith("0")]
    assert table[0][:2] == ["02_bad", "failed"]
    assert table[1][:2] == ["01_good", "ok"] and float(table[1][2]) < 1 and float(table[1][4]) > 20
    assert sorted(path.name for path in (tmp_path / "runs").glob("*/*")) == ["01_good.ipynb", "02_bad.ipynb"]
    assert run.run_all([], {}) is True


@pytest.mark.parametrize(
    ("text", "expected"),
    [("N=40", 40), ("MODEL=all-MiniLM-L6-v2", "all-MiniLM-L6-v2"), ("GROUPS=['a', 'b']", ["a", "b"]), ("A=b=c", "b=c")],
)
def test_a_parameter_is_read_as_what_it_looks_like(text, expected):
    assert run.parse_parameter(text) == (text.partition("=")[0], expected)


@pytest.mark.parametrize("text", ["N", "=3", "a b=3"])
def test_a_parameter_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="NAME=VALUE"):
        run.parse_parameter(text)


# --- the doctor ---------------------------------------------------------------------------------------------------


def memory(free_gib: float):
    return lambda: SimpleNamespace(available=free_gib * 2**30, total=8 * 2**30)


@pytest.mark.parametrize(("free", "state"), [(3, "ok"), (1.5, "warn"), (0.5, "fail")])
def test_memory(monkeypatch, free, state):
    monkeypatch.setattr(doctor.psutil, "virtual_memory", memory(free))
    monkeypatch.setattr(doctor, "CGROUP", Path("missing"))
    line = doctor.check_memory()
    assert line.state == state and f"{free:.1f} GiB" in line.text and bool(line.remedy) == (state != "ok")


@pytest.mark.parametrize(("limit", "state"), [("max\n", "ok"), (f"{4 * 2**30}\n", "ok"), (f"{2 * 2**30}\n", "warn")])
def test_memory_of_a_container(monkeypatch, tmp_path, limit, state):
    monkeypatch.setattr(doctor.psutil, "virtual_memory", memory(7))
    monkeypatch.setattr(doctor, "CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text(limit, encoding="ascii")
    (tmp_path / "memory.current").write_text(str(2**29), encoding="ascii")
    assert doctor.check_memory().state == state


@pytest.mark.parametrize(("free", "state"), [(5, "ok"), (0.5, "warn"), (0.1, "fail")])
def test_disk(monkeypatch, free, state):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=free * 2**30))
    line = doctor.check_disk()
    assert line.state == state and str(ROOT) in line.text
    assert ("COURSE_CACHE_DIR" in line.remedy) == (state != "ok")


def test_a_folder_that_cannot_be_written(monkeypatch):
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: False)
    line = doctor.check_disk()
    assert line.state == "warn" and "cannot be written" in line.text


def test_python_version(monkeypatch):
    assert doctor.check_python().state == "ok"
    monkeypatch.setattr(doctor.sys, "version_info", (3, 10, 2))
    line = doctor.check_python()
    assert line.state == "fail" and "Python 3.12" in line.remedy


def test_packages_against_constraints(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    numpy, hub = metadata.version("numpy"), metadata.version("huggingface_hub")
    pinned = f"numpy=={numpy}\ntorch==2.13.0\nHuggingface.Hub=={hub}\n"
    (tmp_path / "constraints.txt").write_text(pinned, encoding="utf-8")
    line = doctor.check_packages()
    assert line.state == "ok" and line.text.startswith("3 as tested")
    (tmp_path / "constraints.txt").write_text(pinned + "psutil==0.1\n", encoding="utf-8")
    line = doctor.check_packages()
    assert line.state == "warn" and f"psutil {metadata.version('psutil')} (tested: 0.1)" in line.text
    monkeypatch.setattr(pieces, "damaged_packages", lambda: ["not-there"])
    line = doctor.check_packages()
    assert line.state == "fail" and line.text == "missing or not whole: not-there" and line.remedy == doctor.MEND


def test_weights(monkeypatch):
    assert doctor.check_weights().state == "ok"

    def changed(name):
        raise embedding.ModelUnavailableError("model.safetensors has changed")

    monkeypatch.setattr(embedding, "find_weights", changed)
    line = doctor.check_weights()
    assert line.state == "fail" and "has changed" in line.text and line.remedy


def test_data(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path))
    digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # of "hello"
    source = {"package": "p", "version": "1", "members": {"deep/in/a.tab": digest, "deep/b.tab": digest}}
    monkeypatch.setattr(data, "sources", lambda: {"greetings": source})
    line = doctor.check_data()
    assert line.state == "warn" and "in/a.tab of greetings, b.tab of greetings" in line.text and "setup" in line.remedy
    (tmp_path / "data/p-1/in").mkdir(parents=True)
    for name in ("in/a.tab", "b.tab"):
        (tmp_path / "data/p-1" / name).write_bytes(b"hello")
    assert doctor.check_data().state == "ok"
    (tmp_path / "data/p-1/in/a.tab").write_bytes(b"hellO")
    assert doctor.check_data().state == "warn"


def test_network(monkeypatch):
    for answers, state in ((True, "ok"), (False, "warn")):
        monkeypatch.setattr(embedding, "hub_answers", lambda answers=answers: answers)
        assert doctor.check_network().state == state


def test_kernel(monkeypatch):
    assert doctor.check_kernel() == ("ok", "starts and answers", "")
    monkeypatch.setattr(doctor.sys, "prefix", "/somewhere/else")
    line = doctor.check_kernel()
    assert line.state == "fail" and "another Python" in line.text
    from jupyter_client import manager

    def refuse(**options):
        raise RuntimeError("Kernel died before replying to kernel_info")

    monkeypatch.setattr(manager, "start_new_kernel", refuse)
    line = doctor.check_kernel()
    assert line.state == "fail" and "Kernel died" in line.text and "firewall" in line.remedy


def test_windows_lines(monkeypatch):
    def missing(name):
        raise OSError(f"Could not find module {name!r}")

    monkeypatch.setattr(doctor.ctypes, "CDLL", missing)
    line = doctor.check_windows_runtime()
    assert line.state == "fail" and "vcruntime140_1.dll" in line.text and "vc_redist" in line.remedy
    monkeypatch.setattr(doctor.ctypes, "CDLL", lambda name: None)
    assert doctor.check_windows_runtime().state == "ok"

    class Key:
        def __enter__(self):
            return self

        def __exit__(self, *details):
            pass

    deep = "C:/" + "long/" * 20
    for long_paths, root, state in ((1, deep, "ok"), (0, "C:/course", "ok"), (0, deep, "warn")):
        found = (long_paths, 4)
        registry = {"HKEY_LOCAL_MACHINE": 0, "OpenKey": lambda *path: Key(), "QueryValueEx": lambda *key, it=found: it}
        monkeypatch.setitem(sys.modules, "winreg", SimpleNamespace(**registry))
        monkeypatch.setattr(doctor, "ROOT", Path(root))
        assert doctor.check_windows_paths().state == state


def test_a_report_names_neither_home_nor_user(monkeypatch):
    home = Path("/home/erika")
    monkeypatch.setattr(doctor.Path, "home", lambda: home)
    text = doctor.anonymous(f"{home}/course, /mnt/erika/data, erikas, /media/erika")
    assert text == "~/course, /mnt/…/data, erikas, /media/…"


def test_a_check_that_breaks_is_a_finding(capsys):
    def broken():
        raise KeyError("torch")

    assert doctor.report("packages", broken) is False
    assert capsys.readouterr().out.startswith("fail  packages     KeyError: 'torch'")


# --- the command line ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "status"), [("ok", 0), ("warn", 0), ("fail", 1)])
def test_doctor_and_check_exit_1_only_on_a_failure(monkeypatch, state, status):
    good, line = (lambda: doctor.Line("ok", "fine")), (lambda: doctor.Line(state, "something", "do this"))
    monkeypatch.setattr(doctor, "CHECKS", {"first": line, "second": good})
    monkeypatch.setattr(doctor, "check_notebook", good)
    for command in ("doctor", "check"):
        result = course(command)
        assert result.exit_code == status
        assert f"{state:4}  first        something\n{'':17}  -> do this\nok    second" in result.output
    monkeypatch.setattr(doctor, "CHECKS", {"first": good})
    monkeypatch.setattr(doctor, "check_notebook", line)
    assert course("check").exit_code == status


def test_the_smoke_notebook_notices_a_wrong_vector(monkeypatch, tmp_path):
    assert doctor.check_notebook().state == "ok"
    (tmp_path / "sitecustomize.py").write_text(
        "import numpy\nimport course_utils.embedding.loading as e\n"
        "e.load_embedder = lambda **k: type('Wrong', (), {'encode': lambda self, texts: numpy.eye(2)})()",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    result = []
    monkeypatch.setattr("builtins.print", lambda *words, **options: result.append(words[0]))
    assert doctor.report("notebook", doctor.check_notebook) is False
    assert "the cosine is 0.0000, not 0.6660" in result[0]


def test_run_passes_its_options_on(monkeypatch):
    asked = []
    monkeypatch.setattr(cli, "notebooks_to_run", lambda names, folder: [folder / name for name in names])
    monkeypatch.setattr(cli.signal, "signal", lambda *words: None)
    monkeypatch.setattr(cli, "run_all", lambda *received: asked.append(received) or False)
    assert course("run", "01", "--solutions", "--model", "m", "-p", "N=4", "-p", "SEED=1").exit_code == 1
    assert asked == [([ROOT / "solutions/01"], {"N": 4, "SEED": 1, "MODEL": "m"}, run.TIMEOUT_S, None, None, False)]
    monkeypatch.setattr(cli, "run_all", lambda *received: True)
    assert course("run").exit_code == 0


@pytest.mark.parametrize("failing", [None, "ruff check", "ruff format", "mypy", "build.py", "pytest"])
def test_the_tests_stop_at_the_first_failure_with_its_status(monkeypatch, failing):
    commands = []

    def call(command, **options):
        commands.append(" ".join(command))
        return 3 if failing and failing in commands[-1] else 0

    monkeypatch.setattr(cli.subprocess, "call", call)
    monkeypatch.setattr(cli, "fetch_data", lambda: None)
    assert course("test", "tests/unit", "-k", "x").exit_code == (3 if failing else 0)
    order = ["ruff check", "ruff format", "mypy", "build.py", "pytest"]
    assert len(commands) == (order.index(failing) + 1 if failing else 5)
    assert failing or commands[4].endswith("-m pytest -n 2 --dist loadscope --no-loadscope-reorder tests/unit -k x")


def in_a_process(*words: str, **environment: str):
    command = [sys.executable, "-m", "course_utils.app.cli", *words]
    options = {"capture_output": True, "encoding": "utf-8", "errors": "replace", "timeout": 120}
    return subprocess.run(command, env=os.environ | environment, **options)


def test_an_error_is_a_sentence_and_a_status():
    done = in_a_process("reset", "99")
    assert done.returncode == 1 and "There is no lesson '99'" in done.stderr and "Traceback" not in done.stderr
    assert "Traceback" in in_a_process("reset", "99", COURSE_TRACEBACK="1").stderr
    assert in_a_process("no-such-command").returncode == 2


def test_a_folder_that_cannot_be_written_is_named_with_the_remedy(lessons, monkeypatch, capsys):
    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system", str(lab.MY_WORK))

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(sys, "argv", ["course", "reset", "01"])
    with pytest.raises(SystemExit) as status:
        cli.main()
    message = capsys.readouterr().err
    assert status.value.code == 1 and "my_work cannot be written" in message and "folder of your own" in message
    assert str(lab.MY_WORK) not in message


def test_prefetch_without_the_hub_says_so_soon(tmp_path):
    start = time.monotonic()
    done = in_a_process("prefetch", "BAAI/bge-m3", HF_HOME=str(tmp_path))
    assert done.returncode == 1 and "bge-m3" in done.stderr and "Traceback" not in done.stderr
    assert time.monotonic() - start < 30


def test_help_loads_nothing_heavy():
    code = (
        "import sys; import course_utils.app.cli\n"
        "print({'torch', 'sklearn', 'pandas', 'jupyterlab', 'papermill'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], encoding="utf-8").strip() == "set()"


def test_the_library_never_imports_the_app():
    for path in (ROOT / "course_utils").rglob("*.py"):
        if "app" in path.relative_to(ROOT / "course_utils").parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            assert not any(name.startswith("course_utils.app") or name == "app" for name in names), path
