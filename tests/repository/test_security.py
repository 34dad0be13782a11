"""SECURITY.md promises nothing that no test holds, and these hold what no other test does."""

import ast
import pickle
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course_utils.app import lab
from course_utils.data import load_corpus
from course_utils.paths import ROOT

SECURITY = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
SOURCES = [ROOT / "start.py", *(ROOT / "course_utils").rglob("*.py")]
# Calls by their full names, as they are written.
RUNS = r"eval|exec|compile|__import__|.*\b(pickle|marshal)\b.*|(torch|joblib|dill|yaml)\.load|os\.(system|popen)"
LISTENS = r".*\.(listen|create_server|start_server|serve_forever)|.*(HTTP|TCP|UDP)Server"


def calls(source: str) -> list[tuple[str, set[str]]]:
    """The calls in a module: what is called, and the keywords that are given as True."""
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [
        (ast.unparse(node.func), {word.arg for word in node.keywords if ast.unparse(word.value) == "True" and word.arg})
        for node in found
    ]


def offences(source: str, pattern: str) -> list[str]:
    bad_words = {"shell", "trust_remote_code", "allow_pickle"}
    return [name for name, words in calls(source) if re.fullmatch(pattern, name) or words & bad_words]


def test_every_promise_names_a_test_that_is_there():
    promises = re.findall(r"^- .*(?:\n  .*)*", SECURITY, re.MULTILINE)
    named = [re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", promise) for promise in promises]
    assert len(promises) > 20 and all(named), [
        promise for promise, tests in zip(promises, named, strict=True) if not tests
    ]
    for file, test in {each for tests in named for each in tests}:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, (file, test)


def test_the_library_has_no_call_that_runs_what_it_reads():
    found = {path.name: offences(path.read_text(encoding="utf-8"), RUNS) for path in SOURCES}
    # two exceptions, compiled and handed to exec: the search that a student wrote, and answers that are graded
    exceptions = {"finder.py": ["compile"], "child.py": ["compile"]}
    assert {name: names for name, names in found.items() if names} == exceptions


def test_nothing_else_listens():
    found = {path.name: offences(path.read_text(encoding="utf-8"), LISTENS) for path in SOURCES}
    # of loopback, held by the tests of the command and of what runs in a notebook
    loopback = {"live.py": ["socket.create_server"], "serve.py": ["socket.create_server"]}
    assert {name: names for name, names in found.items() if names} == loopback
    listeners = r"uvicorn\.run|uvicorn\.Server|LabApp\.launch_instance"
    places = [path.name for path in SOURCES if offences(path.read_text(encoding="utf-8"), listeners)]
    assert sorted(places) == ["lab.py", "live.py", "serve.py"]


@pytest.mark.parametrize(
    ("code", "pattern"),
    [
        ("eval('1')", RUNS),
        ("pickle.loads(b'')", RUNS),
        ("torch.load(path)", RUNS),
        ("os.system('ls')", RUNS),
        ("subprocess.run('ls', shell=True)", RUNS),
        ("np.load(path, allow_pickle=True)", RUNS),
        ("SentenceTransformer(name, trust_remote_code=True)", RUNS),
        ("socket.create_server(address)", LISTENS),
        ("http.server.ThreadingHTTPServer(address, Handler)", LISTENS),
    ],
)
def test_such_a_call_would_be_seen(code, pattern):
    assert offences(code, pattern)


class Evil:
    def __reduce__(self):
        return (print, ("IT WAS RUN",))


@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "jsonl", "txt", "parquet", "xlsx", "pkl"])
def test_a_file_of_data_that_is_a_pickle_is_not_run(ending, tmp_path, capsys):
    path = tmp_path / f"texts.{ending}"
    path.write_bytes(pickle.dumps({"text": Evil()}))
    with pytest.raises(ValueError, match=path.name):
        load_corpus(path)
    assert "IT WAS RUN" not in capsys.readouterr().out


def test_a_notebook_of_others_is_run_only_by_its_path(tmp_path, monkeypatch):
    foreign = tmp_path / "06_mine.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("print(1)")]), foreign)
    with pytest.raises(ValueError, match="no lesson"):
        lab.find_notebooks([str(foreign)], lab.LESSONS)
    same_name = tmp_path / "01_embedding_basics.ipynb"
    foreign.rename(same_name)
    assert lab.find_notebooks([str(same_name)], lab.LESSONS) == [lab.LESSONS / same_name.name]
    monkeypatch.chdir(tmp_path)
    assert lab.notebooks_to_run(["1"], lab.LESSONS) == [lab.LESSONS / same_name.name]
    assert lab.notebooks_to_run([str(same_name)], lab.LESSONS) == [same_name]  # it was named, and no other is run


def test_copying_a_lesson_runs_no_cell(tmp_path, monkeypatch):
    for name in ("LESSONS", "MY_WORK"):
        monkeypatch.setattr(lab, name, tmp_path / name)
    lab.LESSONS.mkdir()
    cell = new_code_cell(f"open({str(tmp_path / 'run')!r}, 'w')")
    nbformat.write(new_notebook(cells=[cell]), lab.LESSONS / "01_evil.ipynb")
    lab.copy_lessons()
    lab.reset_lesson("01")
    assert (lab.MY_WORK / "01_evil.ipynb").exists() and not (tmp_path / "run").exists()


def test_jupyterlab_keeps_its_address_and_its_token(tmp_path, monkeypatch):
    from jupyter_server.serverapp import ServerApp
    from jupyterlab.labapp import LabApp

    started = []
    monkeypatch.setattr(LabApp, "launch_instance", started.append)
    monkeypatch.setattr(lab.os, "environ", lab.os.environ.copy())
    monkeypatch.setattr(lab.sys, "prefix", str(tmp_path))
    lab.open_jupyterlab(lab.LESSONS / "01_embedding_basics.ipynb", browser=False)
    (options,) = started
    given = " ".join(options)
    assert re.findall(r"(?i)token|password|\bip\b|allow_origin|allow_remote|disable_check", given) == []
    server = ServerApp()
    assert server.ip == "localhost" and server.identity_provider_class().token
    assert lab.JUPYTERLAB_SETTINGS["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
