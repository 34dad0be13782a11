"""A course that nobody writes to: with COURSE_WORK_DIR each student's copies lie elsewhere, and their links work."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote, urljoin
from urllib.request import Request, urlopen

import nbformat
import pytest
from helpers import fake_embedder, run_python, with_mounts
from typer.testing import CliRunner

from course_utils import embedding
from course_utils.app import cli, lab
from course_utils.paths import ROOT

GUIDE = (ROOT / "docs/instructor_guide.md").read_text(encoding="utf-8")
READ_ONLY = f"mount --bind '{ROOT}' '{ROOT}'; mount -o remount,ro,bind '{ROOT}'"
COPY = "from course_utils.app.lab import copy_lessons\nprint(*copy_lessons(), sep='\\n')"


def test_it_is_the_courses_own_folder_or_the_one_that_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for named, expected in (
        ("", ROOT),
        (str(tmp_path / "a b"), tmp_path / "a b"),
        ("~/my é", tmp_path / "my é"),
        ("here", tmp_path / "here"),
    ):
        monkeypatch.setenv("COURSE_WORK_DIR", named)
        assert lab.work_dir() == expected
    monkeypatch.delenv("COURSE_WORK_DIR")
    assert lab.work_dir() == ROOT


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A work folder that is not there yet, apart from the course."""
    monkeypatch.setattr(lab, "MY_WORK", tmp_path / "work of é" / "my_work")
    return lab.MY_WORK


def lead_nowhere(copy: Path) -> list[str]:
    cells = [cell.source for cell in nbformat.read(copy, as_version=4).cells if cell.cell_type == "markdown"]
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", "\n".join(cells))
    assert {"../docs/glossary.md", f"../solutions/{copy.name}"} <= set(links)
    return [link for link in links if not (copy.parent / link).exists()]


def test_links_in_copies_lead_somewhere_and_the_lessons_are_not_the_students(elsewhere):
    lab.reset_lesson("01")
    assert len(lab.copy_lessons()) == 4
    if not (elsewhere.parent / "docs").is_symlink():
        pytest.skip("this system makes no links")
    assert [link for copy in elsewhere.glob("*.ipynb") for link in lead_nowhere(copy)] == []
    assert sorted(path.name for path in elsewhere.parent.iterdir()) == ["docs", "lessons", "my_work", "solutions"]
    assert (elsewhere.parent / "lessons").resolve() == ROOT / "lessons"
    assert lab.copy_lessons() == []


def test_jupyterlab_opens_in_the_work_folder(elsewhere, monkeypatch):
    from jupyterlab.labapp import LabApp

    started: list[list[str]] = []
    monkeypatch.setattr(LabApp, "launch_instance", started.append)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr(sys, "prefix", str(elsewhere))
    lab.open_jupyterlab(Path("01_embedding_basics.ipynb"), browser=False)
    assert f"--ServerApp.root_dir={elsewhere.parent}" in started[0]
    assert "--LabApp.default_url=/lab/tree/my_work/01_embedding_basics.ipynb" in started[0]


def test_setup_makes_the_copies_that_binder_opens(elsewhere, monkeypatch):
    monkeypatch.setattr(cli, "fetch_data", lambda: None)
    monkeypatch.setattr(embedding, "load_embedder", lambda **_: fake_embedder())
    done = CliRunner().invoke(cli.app, ["setup"])
    assert done.exit_code == 0 and "New in my_work: 01_embedding_basics.ipynb" in done.output
    assert len(list(elsewhere.glob("*.ipynb"))) == 5
    assert "my_work" not in CliRunner().invoke(cli.app, ["setup"]).output


def test_links_follow_a_course_that_moved_and_replace_nothing_else(elsewhere, tmp_path):
    elsewhere.parent.mkdir()
    (elsewhere.parent / "docs").mkdir()
    (elsewhere.parent / "docs" / "mine.txt").write_text("mine", encoding="utf-8")
    try:
        (elsewhere.parent / "solutions").symlink_to(tmp_path / "gone")
    except OSError:
        pytest.skip("this system makes no links")
    lab.copy_lessons()
    assert (elsewhere.parent / "docs" / "mine.txt").read_text(encoding="utf-8") == "mine"
    assert (elsewhere.parent / "solutions").resolve() == ROOT / "solutions"


def test_without_links_there_are_copies_that_say_where_theirs_work(elsewhere, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(1314, "A required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    assert len(lab.copy_lessons()) == 5
    for copy in elsewhere.glob("*.ipynb"):
        assert "These links work within the course's own folder" in nbformat.read(copy, as_version=4).cells[-1].source


def test_a_read_only_course_gives_copies_that_keep_what_was_written(tmp_path):
    prefix, work = with_mounts(READ_ONLY), tmp_path / "work of é"
    options = {"prefix": prefix, "COURSE_WORK_DIR": str(work)}
    assert len(run_python(COPY, tmp_path, **options).splitlines()) == 5
    copy = work / "my_work" / "01_embedding_basics.ipynb"
    notebook = nbformat.read(copy, as_version=4)
    notebook.cells[0].source = "mine"
    nbformat.write(notebook, copy)
    assert run_python(COPY, tmp_path, **options).strip() == ""
    reset = "import sys\nfrom course_utils.app.cli import main\nsys.argv = ['course', 'reset', '01']\nmain()"
    assert "my_work has a fresh copy. Your old one is 01_" in run_python(reset, tmp_path, **options)
    works = [nbformat.read(path, as_version=4).cells[0].source for path in (work / "my_work").glob("01_*.ipynb")]
    assert len(works) == 2 and works.count("mine") == 1


def test_a_read_only_course_without_the_variable_names_it(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom course_utils.app import cli, lab\n"
        "lab.MY_WORK = Path(sys.argv[1]) / 'my_work'\nsys.argv = ['course', 'reset', '01']\ncli.main()"
    )
    prefix = with_mounts(f"mount --bind '{tmp_path}' '{tmp_path}'; mount -o remount,ro,bind '{tmp_path}'")
    command = [*prefix, sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=ROOT, timeout=60)
    assert done.returncode == 1 and "my_work cannot be written" in done.stderr and "COURSE_WORK_DIR" in done.stderr


@pytest.fixture
def hub(tmp_path):
    """A Jupyter server as a hub starts it: with the guide's lines, in a home folder, on a course that is read-only."""
    (lines,) = [code for code in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL) if "copy_lessons()" in code]
    home, config = tmp_path / "home of é", tmp_path / "config"
    for folder in (home, config):
        folder.mkdir()
    (config / "jupyter_server_config.py").write_text(lines, encoding="utf-8")
    options = ["--no-browser", "--allow-root", "--ServerApp.port=0", "--IdentityProvider.token=x"]
    own = {f"JUPYTER_{name}_DIR": str(tmp_path / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"HOME": str(home), "COURSE_WORK_DIR": "~/text embeddings", "PYTHONPATH": str(ROOT)}
    command = [*with_mounts(READ_ONLY), sys.executable, "-m", "jupyter_server", *options]
    log = (tmp_path / "log").open("w", encoding="utf-8")
    server = subprocess.Popen(command, cwd=home, env=os.environ | own, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not (found := list((tmp_path / "runtime").glob("jpserver-*.json"))):
            running = server.poll() is None and time.monotonic() < deadline
            assert running, (tmp_path / "log").read_text(encoding="utf-8")
            time.sleep(0.1)
        yield json.loads(found[0].read_text(encoding="utf-8"))["url"] + "api/contents/"
    finally:
        server.terminate()
        server.wait(timeout=30)
        log.close()


def ask(address: str, path: str, sent: dict | None = None) -> dict:
    data = None if sent is None else json.dumps(sent).encode()
    request = Request(address + quote(path), data, {"Authorization": "token x"}, method="PUT" if sent else "GET")
    with urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_on_a_hub_every_link_of_a_copy_opens_and_only_the_copy_can_be_saved(hub):
    here = "text embeddings/my_work/"
    copies = [each["path"] for each in ask(hub, here)["content"] if each["type"] == "notebook"]
    assert len(copies) == 5
    for path in copies:
        copy = ask(hub, path)
        assert ask(hub, path, copy)["writable"]
        text = "\n".join(cell["source"] for cell in copy["content"]["cells"] if cell["cell_type"] == "markdown")
        links = set(re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text))
        assert "../docs/glossary.md" in links
        for link in links:  # as JupyterLab does: relative to the copy, within the server's folder
            assert ask(hub, urljoin(here, link).removeprefix("/"))["content"]
    solution = "text embeddings/solutions/01_embedding_basics.ipynb"
    with pytest.raises(HTTPError):
        ask(hub, solution, ask(hub, solution))
