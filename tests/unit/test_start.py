"""start.py says what is missing, takes no half installation for a whole one, and lets in one at a time."""

import ast
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

START = Path(__file__).parents[2] / "start.py"
GOOD = ("3", "12", "Linux", "x86_64", "linux-x86_64", "-", "ensurepip")


@pytest.fixture
def start(tmp_path, monkeypatch):
    """The module, at home in a folder of its own with a space and letters beyond ASCII in its path."""
    spec = importlib.util.spec_from_file_location("start", START)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    here = tmp_path / "my course é ü"
    here.mkdir()
    for name in ("pyproject.toml", "constraints.txt"):
        (here / name).write_text(name, encoding="utf-8")
    monkeypatch.setattr(module, "HERE", here)
    monkeypatch.setattr(module, "VENV", here / ".venv")
    monkeypatch.setattr(module, "OLD", here / ".venv.old")
    monkeypatch.setattr(module, "VENV_PYTHON", here / ".venv" / START.parent.joinpath(module.VENV_PYTHON).name)
    monkeypatch.setattr(module, "STAMP", here / ".venv" / "course-setup.txt")
    monkeypatch.setattr(module, "WHEELS", here / "bundle" / "wheels")
    monkeypatch.setattr(module, "SUMS", here / "SHA256SUMS")
    return module


@pytest.fixture
def calls(start, monkeypatch):
    """The commands that start.py runs; none is run. `calls.status` is what they return."""

    class Calls(list):
        status = 0
        damage = ()

        def __call__(self, command, **options):
            self.append(command)
            if "venv" in command:
                start.VENV.mkdir(exist_ok=True)
                start.VENV_PYTHON.write_text("a Python", encoding="utf-8")
            return self.status

    made = Calls()
    monkeypatch.setattr(start.subprocess, "call", made)
    monkeypatch.setattr(start, "describe", lambda command: GOOD if Path(command[0]).exists() else None)
    monkeypatch.setattr(start, "answers", lambda url: False)
    monkeypatch.setattr(start, "damaged", lambda extras: set(made.damage))
    return made


KNOWN_TO_PYTHON_2 = """
Add And Assign Attribute AugAssign BinOp BitOr BoolOp Break Call ClassDef Compare Constant Continue Dict DictComp Div Eq
ExceptHandler Expr For FunctionDef GeneratorExp Gt GtE If IfExp Import ImportFrom In Is IsNot List ListComp Load Lt LtE
Mod Module Mult Name Not NotEq NotIn Or Pass Pow Raise Return Set SetComp Slice Store Sub Subscript Try Tuple USub
UnaryOp While With Yield alias arg arguments comprehension keyword withitem
"""


def too_new_for_python_2(source: str) -> bool:
    """Tell whether Python 2.7 cannot read it, as far as a newer one's syntax tree shows that."""
    tree = ast.parse(source)
    # f(*words) it knows, where nothing but named arguments follows
    stars = {node.args[-1] for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args}
    return not source.isascii() or any(
        type(node).__name__ not in KNOWN_TO_PYTHON_2.split()
        and not (isinstance(node, ast.Starred) and node in stars)
        or (isinstance(node, ast.Call) and node.keywords and ast.unparse(node.func) == "print")
        or (isinstance(node, ast.arguments) and (node.posonlyargs or node.kwonlyargs))
        or (isinstance(node, ast.arg) and node.annotation)
        or (isinstance(node, ast.FunctionDef) and node.returns)
        or (isinstance(node, ast.ClassDef) and node.keywords)
        or (isinstance(node, ast.Dict) and None in node.keys)
        or (isinstance(node, ast.Raise) and node.cause)
        for node in ast.walk(tree)
    )


@pytest.mark.parametrize(
    "source",
    ["f'{a}'", "[*a]", "f(*a, b)", "{**a}", "def f(a: int): 0", "def f(a, *, b): 0", "(a := 1)", "a: int = 1", "'…'",
     "raise a from b", "print(a, file=b)", "class A(b, c=d): 0", "async def f(): 0", "def f():\n nonlocal a", "a @ b",
     "def f(): yield from a", "def f() -> int: 0"],
)  # fmt: skip
def test_what_python_2_cannot_read_is_noticed(source):
    assert too_new_for_python_2(source)


def test_an_old_python_can_read_it_and_needs_nothing_else():
    source = START.read_text(encoding="utf-8")
    assert not too_new_for_python_2(source)
    assert not re.search(r"\*\w+,\s*\)", source)  # f(*words,), which the formatter might make of a long line
    tree = ast.parse(source)
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {getattr(node, "module", None) or node.names[0].name for node in imports}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def run_as(version: str, path: Path) -> subprocess.CompletedProcess:
    """Run start.py in a Python that says that it is another, and lacks what that lacked."""
    code = (
        "import runpy, sys\n"
        f"sys.version_info, sys.argv = {version}, [{str(START)!r}, 'setup']\n"
        "sys.modules['pathlib'] = sys.modules['urllib.request'] = None\n"
        f"runpy.run_path({str(START)!r}, run_name='__main__')"
    )
    environment = os.environ | {"PATH": str(path)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, encoding="utf-8")


@pytest.mark.parametrize("version", ["(2, 7, 18)", "(3, 6, 15)"])
def test_an_old_python_says_what_is_missing(tmp_path, version):
    done = run_as(version, tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"this is Python {version[1]}.{version[4]}. Install one from https://www.python.org" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="the newer Python is a script of a POSIX shell here")
def test_an_old_python_lets_a_newer_one_go_on(tmp_path):
    for minor, answer in ((11, "exit 127"), (12, 'echo "went on with $@"')):  # the first is a shim without a version
        newer = tmp_path / f"python3.{minor}"
        newer.write_text(f"#!/bin/sh\n{answer}\n", encoding="utf-8")
        newer.chmod(0o755)
    assert run_as("(2, 7, 18)", tmp_path).stdout == f"went on with {START} setup\n"


@pytest.mark.parametrize("name", ["python2.7", "python3.6", "python3.7"])
def test_an_old_python_that_is_here_reads_it(tmp_path, name):
    old = shutil.which(name)
    if not old or subprocess.run([old, "-c", ""], capture_output=True).returncode:
        pytest.skip(f"there is no {name}")
    executable = subprocess.check_output([old, "-c", "import sys; print(sys.executable)"], encoding="utf-8").strip()
    done = subprocess.run([executable, START], env=os.environ | {"PATH": str(tmp_path)}, capture_output=True)
    assert done.returncode == 1 and f"this is Python {name[6:]}.".encode() in done.stderr


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, []),
        ({1: "11"}, []),
        ({1: "14"}, []),
        ({1: "10"}, ["3.11", "3.14", "this is Python 3.10", "python.org", "installation.md"]),
        ({1: "15"}, ["this is Python 3.15", "installation.md"]),
        ({2: "Darwin", 3: "x86_64", 5: "14.5"}, ["Intel", "installation.md"]),
        ({2: "Darwin", 3: "arm64", 5: "13.6"}, ["macOS 14", "13.6", "installation.md"]),
        ({2: "Darwin", 3: "arm64", 5: "15.1"}, []),
        ({2: "Windows", 3: "ARM64", 4: "win-arm64"}, ["Windows on ARM", "installation.md"]),
        ({2: "Windows", 3: "AMD64", 4: "win32"}, ["32-bit", "64-bit"]),
        ({2: "Windows", 3: "AMD64", 4: "win-amd64"}, []),
        ({3: "aarch64"}, []),
        ({3: "riscv64"}, ["riscv64", "installation.md"]),
        ({6: "-"}, ["apt install python3.12-venv"]),
    ],
)
def test_an_unsuitable_python_is_told_why_and_what_to_do(start, changed, words):
    message = start.objection(*[changed.get(i, word) for i, word in enumerate(GOOD)])
    assert bool(message) == bool(words)
    assert [word for word in words if word not in message] == []
    assert all((START.parent / name).is_file() for name in re.findall(r"\S+\.md", message))


def test_a_python_describes_itself_and_a_broken_one_does_not(start, tmp_path):
    facts = start.describe([sys.executable])
    assert facts[:2] == [str(part) for part in sys.version_info[:2]] and len(facts) == len(GOOD)
    assert start.describe([str(tmp_path / "missing")]) is None
    assert start.describe([sys.executable, "-c", "raise SystemExit(127)"]) is None  # a shim without a version


def test_the_running_python_comes_first_then_those_on_the_path(start, monkeypatch):
    names = ["py" if os.name == "nt" else f"python3.{minor}" for minor in range(11, 15)]
    monkeypatch.setattr(start, "describe", lambda command: GOOD)
    assert start.find_python() == [sys.executable]
    old = ("3", "9", *GOOD[2:])
    monkeypatch.setattr(start, "describe", lambda command: old if command == [sys.executable] else GOOD)
    assert start.find_python()[0] == names[0]
    monkeypatch.setattr(start, "describe", lambda command: old if command == [sys.executable] else None)
    with pytest.raises(start.SetupError, match=r"this is Python 3\.9"):
        start.find_python()


def test_of_several_pythons_one_that_the_packages_beside_the_course_fit_comes_first(start, monkeypatch):
    newest = ["py", "-3.14"] if os.name == "nt" else ["python3.14"]
    others = {"3.13": [sys.executable], "3.14": newest}
    known = {tuple(command): ("3", version[2:], *GOOD[2:]) for version, command in others.items()}
    monkeypatch.setattr(start, "describe", lambda command: known.get(tuple(command)))
    monkeypatch.setattr(start, "answers", lambda url: False)
    assert start.find_python() == [sys.executable]  # there are no packages
    (start.WHEELS / "Linux-x86_64-3.14").mkdir(parents=True)
    (start.WHEELS / "any").mkdir()
    assert start.find_python() == newest
    del known[tuple(newest)]
    with pytest.raises(
        start.SetupError, match=r"for Linux-x86_64-3\.14; this is Linux-x86_64-3\.13\. Install Python 3\.14"
    ):
        start.find_python()
    monkeypatch.setattr(start, "answers", lambda url: True)
    assert start.find_python() == [sys.executable]


def test_packages_beside_the_course_are_all_that_pip_sees_unless_extras_are_wanted(start, calls):
    folder = start.WHEELS / "Linux-x86_64-3.12"
    folder.mkdir(parents=True)
    start.SUMS.write_text("", encoding="utf-8")
    for extras, alone in ((set(), True), ({"dev"}, False)):
        start.install(extras)
        assert str(folder) in calls[-1] and ("--no-index" in calls[-1]) == alone
    start.SUMS.write_text("0123  bundle/wheels/any/alpha.whl\n0123  start.py\n", encoding="utf-8")
    with pytest.raises(start.SetupError, match=r"missing: bundle/wheels/any/alpha\.whl\. Copy"):
        start.install(set())
    start.SUMS.unlink()
    with pytest.raises(start.SetupError, match="missing: SHA256SUMS"):
        start.install(set())
    folder.rename(start.WHEELS / "Darwin-arm64-3.12")
    start.install(set())
    assert "--find-links" not in calls[-1]


def test_an_installation_is_ready_until_something_changes(start, calls):
    assert not start.ready(set())
    start.install(set())
    assert start.ready(set()) and not start.ready({"dev"})
    for path, text in (
        (start.HERE / "constraints.txt", "newer"),
        (start.STAMP, "unfinished"),
        (start.VENV_PYTHON, None),
    ):
        kept = path.read_text(encoding="utf-8")
        path.write_text(text, encoding="utf-8") if text is not None else path.unlink()
        assert not start.ready(set())
        path.write_text(kept, encoding="utf-8")
        assert start.ready(set())


def test_an_update_keeps_the_folder_and_the_extras(start, calls):
    start.install({"dev"})
    (start.VENV / "kept").touch()
    (start.HERE / "constraints.txt").write_text("newer", encoding="utf-8")
    calls.clear()
    start.install(set())
    assert (start.VENV / "kept").exists() and start.ready({"dev"})
    assert [command[1:3] for command in calls] == [["-m", "pip"]]
    assert calls[0][-2:] == ["-e", ".[dev]"] and "constraints.txt" in calls[0]


def test_a_failed_update_deletes_nothing_and_the_old_one_stays_in_use(start, calls, capsys, handed_over):
    start.install({"dev"})
    (start.VENV / "kept").touch()
    (start.HERE / "constraints.txt").write_text("newer", encoding="utf-8")
    calls.status = 1
    for _ in range(2):
        with pytest.raises(SystemExit):
            start.main(["lab"])
        assert "run the same again" in (output := capsys.readouterr().out) and "goes on as it was" in output
    assert len(handed_over) == 2 and (start.VENV / "kept").exists() and not start.ready(set())
    assert start.main(["setup"]) == 1  # who asks for it is told that it failed
    calls.status = 0
    with pytest.raises(SystemExit):
        start.main(["lab"])
    assert start.ready({"dev"}) and (start.VENV / "kept").exists()


def test_extras_that_cannot_be_had_are_no_damage(start, calls, handed_over):
    start.install(set())
    calls.status = 1
    assert start.main(["test"]) == 1
    n_calls = len(calls)
    with pytest.raises(SystemExit):
        start.main(["lab"])
    assert start.ready(set()) and len(calls) == n_calls


@pytest.mark.parametrize("stamp", ["", "- unfinished", "0123 dev unfinished", "0123 dev", None])
@pytest.mark.parametrize("damage", [(), ("alpha", "beta"), ("pip",)])
def test_what_was_cut_short_is_mended_and_deleted_by_nobody(start, calls, handed_over, stamp, damage):
    start.install(set())
    (start.VENV / "kept").touch()
    start.STAMP.unlink() if stamp is None else start.STAMP.write_text(stamp, encoding="utf-8")
    calls.status, calls.damage = 1, damage
    usable = not damage or stamp == "0123 dev"  # what is said to be whole may miss a package that nobody uses
    if usable:
        with pytest.raises(SystemExit):
            start.main(["lab"])
    else:
        assert start.main(["lab"]) == 1
    assert (start.VENV / "kept").exists() and not start.OLD.exists()
    calls.clear()
    calls.status = 0
    with pytest.raises(SystemExit):
        start.main(["lab"])
    assert start.ready({"dev"} if "dev" in (stamp or "") else set()) and (start.VENV / "kept").exists()
    mended = [command for command in calls if "--force-reinstall" in command or start.RESTORE_PIP in command]
    assert bool(mended) == bool(damage)


def test_the_folder_is_never_taken_from_an_index(start, calls):
    start.install(set())
    calls.damage = ("text-embeddings-course",)
    start.install(set())
    assert not any("--force-reinstall" in command for command in calls)


@pytest.mark.parametrize("command", ["setup", "test"])
def test_set_up_and_tests_look_for_damage_and_mend_it(start, calls, handed_over, command):
    for damage, mends in (((), False), (("alpha",), True)):
        calls.status = 0
        with pytest.raises(SystemExit):
            start.main([command])
        calls.clear()
        calls.damage = damage
        with pytest.raises(SystemExit):
            start.main([command])
        assert len([call for call in calls if call[-1] == "alpha"]) == 2 * mends


def test_one_whose_python_is_gone_is_kept_until_the_new_one_works(start, calls):
    start.install(set())
    (start.VENV / "old").touch()
    for failing in (True, True, False):
        if start.VENV_PYTHON.exists():
            start.VENV_PYTHON.unlink()
        calls.status = int(failing)
        if failing:
            with pytest.raises(start.SetupError):
                start.install(set())
            assert (start.OLD / "old").exists()
    start.install(set())
    assert start.ready(set()) and not (start.VENV / "old").exists() and not start.OLD.exists()


class Killed(BaseException):
    """What happens at a step instead of the step; nothing catches it."""


@pytest.mark.parametrize("python_gone", [False, True])
def test_after_a_kill_at_any_step_the_next_start_works(start, calls, handed_over, monkeypatch, python_gone):
    for step in range(40):
        start.install({"dev"})
        (start.HERE / "constraints.txt").write_text(f"newer {step}", encoding="utf-8")
        if python_gone:
            start.VENV_PYTHON.unlink()
        (start.VENV / "kept").touch()
        left = [step]

        def counted(do, left=left):
            def method(*words, **options):
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
                return do(*words, **options)

            return method

        try:
            with monkeypatch.context() as patched:
                for owner, names in (
                    (Path, ("rename", "replace", "write_text")),
                    (start.shutil, ("rmtree",)),
                    (start.subprocess, ("call",)),
                ):
                    for name in names:
                        patched.setattr(owner, name, counted(getattr(owner, name)))
                start.install(set())
            break
        except Killed:
            kept = [folder for folder in (start.VENV, start.OLD) if (folder / "kept").exists()]
            assert kept or start.VENV_PYTHON.exists()
            with pytest.raises(SystemExit):
                start.main(["lab"])
            assert start.ready(set()) and not start.OLD.exists()
            assert python_gone or start.ready({"dev"}) and (start.VENV / "kept").exists()
    assert step >= 5
    assert not start.OLD.exists()


def test_the_index_without_nvidia_libraries_is_used_where_it_answers(start, calls, monkeypatch):
    monkeypatch.setattr(start.sys, "platform", "linux")
    start.install(set())
    assert "--extra-index-url" not in calls[-1]
    monkeypatch.setattr(start, "answers", lambda url: url.startswith(start.CPU_INDEX))
    start.install(set())
    assert calls[-1][calls[-1].index("--extra-index-url") + 1] == start.CPU_INDEX
    monkeypatch.setattr(start.sys, "platform", "darwin")
    start.install(set())
    assert "--extra-index-url" not in calls[-1]


def test_too_little_disk_is_said_before_anything_is_made(start, calls, monkeypatch):
    monkeypatch.setattr(start.shutil, "disk_usage", lambda path: SimpleNamespace(free=2**30))
    with pytest.raises(start.SetupError, match="1.0 GB are free"):
        start.install(set())
    assert not calls and not start.VENV.exists()


def test_a_server_answers_or_not_within_the_time(start):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert not start.answers(f"http://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.3)
        assert time.monotonic() - began < 3
    serve = (
        "import http.server\n"
        "server = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)\n"
        "print(server.server_port, flush=True)\nserver.handle_request()"
    )
    with subprocess.Popen([sys.executable, "-c", serve], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert start.answers(f"http://127.0.0.1:{int(server.stdout.readline())}/", seconds=20)


def test_a_second_start_waits_until_the_first_is_done_or_dead(tmp_path):
    code = (
        f"import sys, time; sys.path.insert(0, {str(START.parent)!r}); import start; from pathlib import Path\n"
        f"with start.locked(Path({str(tmp_path / 'lock')!r})): print('in', flush=True); time.sleep(float(sys.argv[1]))"
    )
    command = [sys.executable, "-u", "-c", code]
    with subprocess.Popen([*command, "600"], stdout=subprocess.PIPE) as first:
        assert first.stdout.readline().strip() == b"in"
        with subprocess.Popen([*command, "0"], stdout=subprocess.PIPE) as second:
            assert b"Another start.py" in second.stdout.readline()
            assert second.poll() is None
            first.kill()
            assert second.stdout.readline().strip() == b"in"


@pytest.mark.skipif(os.name == "nt", reason="Windows ends children with their console")
def test_a_pip_that_outlives_a_killed_start_keeps_the_others_out(tmp_path):
    code = (
        f"import sys, subprocess; sys.path.insert(0, {str(START.parent)!r}); import start; from pathlib import Path\n"
        f"with start.locked(Path({str(tmp_path / 'lock')!r})):\n"
        "    print('in', flush=True)\n"
        "    subprocess.call([sys.executable, '-c', 'input()'], close_fds=False) if sys.argv[1:] else None"
    )
    command = [sys.executable, "-u", "-c", code]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([*command, "first"], **pipes) as first:
        assert first.stdout.readline().strip() == b"in"
        time.sleep(0.5)
        first.kill()
        first.wait()
        with subprocess.Popen(command, **pipes) as second:
            assert b"Another start.py" in second.stdout.readline()
            time.sleep(1)
            assert second.poll() is None
            first.stdin.close()  # its child ends
            assert second.stdout.readline().strip() == b"in"


@pytest.fixture
def handed_over(start, monkeypatch):
    """What was handed over to the `course` command."""
    received = []

    def execve(path, command, environment):
        received.append((command, environment))
        raise SystemExit  # the real one does not return

    monkeypatch.setattr(start.os, "execve", execve)
    return received


@pytest.mark.skipif(os.name == "nt", reason="Windows has no exec")
@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ([], ["lab"]),
        (["--no-browser"], ["lab", "--no-browser"]),
        (["run", "01", "-p", "SEED=1"], ["run", "01", "-p", "SEED=1"]),
        (["test", "-k", "x"], ["test", "-k", "x"]),
    ],
)
def test_words_are_passed_on(start, calls, handed_over, monkeypatch, given, passed):
    monkeypatch.setenv("PYTHONPATH", "/another/python")
    with pytest.raises(SystemExit):
        start.main(given)
    ((command, environment),) = handed_over
    assert command == [str(start.VENV_PYTHON), "-c", start.COMMAND, *passed]
    assert "PYTHONPATH" not in environment
    assert start.ready({"dev"}) == (given[:1] == ["test"])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no exec")
def test_a_second_time_nothing_is_installed(start, calls, handed_over):
    for _ in range(2):
        first_calls = list(calls)
        with pytest.raises(SystemExit):
            start.main([])
    assert len(first_calls) == 2 and calls == first_calls
    assert len(handed_over) == 2


def test_a_folder_that_cannot_be_written_is_named(start, calls, monkeypatch, capsys):
    def read_only(path):
        raise PermissionError(30, "Read-only file system", str(path))

    monkeypatch.setattr(start, "locked", read_only)
    assert start.main(["setup"]) == 1
    output = capsys.readouterr().out
    assert str(start.HERE) in output and "Read-only" in output and "folder of your own" in output


def test_a_failed_installation_is_a_sentence_and_a_status(start, calls, capsys):
    calls.status = 1
    assert start.main(["setup"]) == 1
    assert "venv failed" in capsys.readouterr().out
