"""start.py with a real pip and a shelf of tiny packages: what is damaged is mended, and a kill loses nothing."""

import base64
import hashlib
import os
import random
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from course_utils.paths import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the kills are signals, and .venv is copied with its links")

#: Builds the course itself, without setuptools: a wheel that holds its requirements alone.
BACKEND = """
import tomllib, zipfile
from pathlib import Path

def build_wheel(folder, settings=None, metadata=None):
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    lines = [f"Requires-Dist: {each}" for each in project["dependencies"]]
    for extra, each in project["optional-dependencies"].items():
        lines += [f"Provides-Extra: {extra}"] + [f"Requires-Dist: {name}; extra == '{extra}'" for name in each]
    text = "\\n".join(["Metadata-Version: 2.1", "Name: text-embeddings-course", "Version: 0.1", *lines, ""])
    with zipfile.ZipFile(Path(folder, name := "text_embeddings_course-0.1-py3-none-any.whl"), "w") as opened:
        info = "text_embeddings_course-0.1.dist-info"
        opened.writestr(f"{info}/METADATA", text)
        opened.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        opened.writestr(f"{info}/RECORD", "")
    return name

build_editable = build_wheel
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
dependencies = ["alpha", "beta", "pip"]
optional-dependencies = {bench=[], dev=["gamma"], files=[], finetune=[], remote=[], scale=[], serve=[]}
"""
CLI = """
import alpha, beta.part
def main():
    print("the course runs with", alpha.version, beta.part.version)
"""
#: In .venv: counts what pip writes there, and kills it and the start.py above it at one of the steps.
KILLER = """
import os, signal, sys
if os.environ.get("STEPS") and "install" in sys.orig_argv and "-e" in sys.orig_argv:
    left = [int(os.environ["STEPS"])]
    def hook(event, words):
        if event == "open" and not (isinstance(words[2], int) and words[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir") and sys.prefix in str(words[0]):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getppid(), signal.SIGKILL)
                os._exit(9)
    sys.addaudithook(hook)
"""


def make_wheel(shelf: Path, name: str, version: str) -> None:
    info = f"{name}-{version}.dist-info"
    files = {f"{name}/{part}.py": f"version = {version!r}\n{'# ' * int(version)}" for part in ("__init__", "part")}
    files |= {f"{name}/model.safetensors": f"weights {version}"}
    files |= {f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}
    files |= {f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    record = f"{info}/RECORD,,\n"
    with zipfile.ZipFile(shelf / f"{name}-{version}-py3-none-any.whl", "w") as opened:
        for path, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record += f"{path},sha256={digest},{len(text)}\n"
            opened.writestr(path, text)
        opened.writestr(f"{info}/RECORD", record)


class Course:
    """A checkout with a .venv of its own, and the shelf that its packages come from."""

    def __init__(self, home: Path, shelf: Path) -> None:
        self.home, self.shelf = home, shelf
        (self.site,) = home.glob(".venv/lib/python*/site-packages")

    def start(self, *words: str, index: bool = True, steps: int = 0) -> subprocess.CompletedProcess:
        """Run start.py, with the shelf or with an index that has nothing; kill it at a step of pip's."""
        mine = {
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.shelf if index else self.shelf / "none"),
            "PIP_NO_COMPILE": "1",
        }
        mine |= {"PIP_CONFIG_FILE": os.devnull, "PYTHONDONTWRITEBYTECODE": "1", "STEPS": str(steps or "")}
        environment = {name: text for name, text in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
        command = [sys.executable, str(self.home / "start.py"), *words]
        options = {"env": environment | mine, "cwd": self.home, "stdin": subprocess.DEVNULL, "encoding": "utf-8"}
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100, **options)

    def update(self) -> None:
        (self.home / "constraints.txt").write_text("alpha==2\nbeta==2\ngamma==2\n", encoding="utf-8")

    def files(self) -> set[Path]:
        return {path for path in self.site.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A course that start.py has set up."""
    home = tmp_path_factory.mktemp("set up é ü") / "course"
    shelf = tmp_path_factory.mktemp("shelf")  # pip splits such a setting at spaces
    for name, version in (("alpha", "1"), ("alpha", "2"), ("beta", "1"), ("beta", "2"), ("gamma", "1"), ("gamma", "2")):
        make_wheel(shelf, name, version)
    (home / "course_utils" / "app").mkdir(parents=True)
    for name, text in (
        ("backend.py", BACKEND),
        ("pyproject.toml", PYPROJECT),
        ("constraints.txt", "alpha==1\nbeta==1\ngamma==1\n"),
        ("course_utils/__init__.py", ""),
        ("course_utils/app/__init__.py", ""),
        ("course_utils/app/cli.py", CLI),
    ):
        (home / name).write_text(text, encoding="utf-8")
    for name in ("start.py", "course_utils/app/pieces.py"):
        shutil.copy(ROOT / name, home / name)
    subprocess.run([sys.executable, "-m", "venv", home / ".venv"], check=True)
    course = Course(home, shelf)
    (course.site / "sitecustomize.py").write_text(KILLER, encoding="utf-8")
    done = course.start("lab")
    assert done.stdout.endswith("the course runs with 1 1\n"), done.stdout
    return course


@pytest.fixture
def course(installed, tmp_path):
    """A copy of it, to be damaged."""
    shutil.copytree(installed.home, tmp_path / "course", symlinks=True)
    copy = Course(tmp_path / "course", installed.shelf)
    assert copy.start("lab").stdout.endswith("the course runs with 1 1\n")  # it lies in another folder now
    return copy


@pytest.fixture
def long(request):
    if not request.config.getoption("--long"):
        pytest.skip("takes --long")


DAMAGES = {
    "a package": ["alpha*"],
    "a package that stays on pip's list": ["alpha"],
    "a file": ["beta/part.py"],
    "its list of files": ["beta-1.dist-info/RECORD", "beta/part.py"],
    "its metadata": ["beta-1.dist-info/METADATA"],
    "the weights": ["alpha/model.safetensors"],
    "pip": ["pip", "pip-*"],
    "pip, but not its list": ["pip"],
    "a part of pip": ["pip/_internal/commands/install.py"],
    "the course": ["text_embeddings_course*"],
    "nearly all": ["[!_s]*"],
}


@pytest.mark.parametrize("patterns", DAMAGES.values(), ids=DAMAGES)
def test_set_up_mends_what_is_missing_and_deletes_nothing_without_an_index(long, course, patterns):
    mend(course, patterns)


def test_set_up_mends_several_damages_at_once(course):
    mend(course, ["alpha", "beta-1.dist-info/RECORD", "beta/part.py", "pip/_internal/commands/install.py"])


def mend(course: Course, patterns: list[str]) -> None:
    for pattern in patterns:
        for path in course.site.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = course.files()
    done = course.start("setup", index=False)
    assert "Traceback" not in done.stdout and before <= course.files()
    if done.returncode:
        assert "installation did not finish" in done.stdout
    done = course.start("setup")
    assert done.returncode == 0 and done.stdout.endswith("the course runs with 1 1\n"), done.stdout
    assert course.start("setup", index=False).stdout == "the course runs with 1 1\n"  # and only looks now


@pytest.mark.parametrize("file", ["alpha/model.safetensors", "alpha/part.py", "alpha-1.dist-info/RECORD"])
def test_a_file_that_changed_is_mended_too(long, course, file):
    content = (course.site / file).read_bytes()
    for changed in (b"", content[:-1], b"W" + content[1:]) if file.endswith("safetensors") else (b"", content[:-1]):
        (course.site / file).write_bytes(changed)
        done = course.start("setup")
        assert done.returncode == 0 and done.stdout.endswith("the course runs with 1 1\n"), done.stdout
        assert (course.site / file).read_bytes() == content or file.endswith("RECORD")


def test_a_missing_piece_is_a_sentence_that_leads_out(course):
    shutil.rmtree(course.site / "alpha")
    done = course.start("lab", index=False)
    assert done.returncode == 1 and "Traceback" not in done.stdout
    assert "No module named 'alpha'" in done.stdout and "`python start.py setup`" in done.stdout
    assert course.start("setup").returncode == 0


def test_a_failed_update_leaves_the_old_one_in_use_and_the_extras_are_no_damage(course):
    before = course.files()
    done = course.start("test", index=False)
    assert done.returncode == 1 and "installation did not finish" in done.stdout
    assert course.start("lab", index=False).stdout == "the course runs with 1 1\n"
    course.update()
    for _ in range(2):
        done = course.start("lab", index=False)
        assert done.returncode == 0 and done.stdout.endswith("the course runs with 1 1\n"), done.stdout
        assert before == course.files()
    assert course.start("test").stdout.endswith("the course runs with 2 2\n")
    assert (course.site / "gamma").is_dir()


def test_an_update_that_is_killed_at_any_step_leaves_the_old_one_or_is_gone_on_with(course, request, tmp_path):
    """The course runs without an index as the old or the new one, or says what is to be done; with one it is mended."""
    shutil.copytree(course.home, tmp_path / "whole", symlinks=True)
    n_killed, n_ran = 0, 0
    long = request.config.getoption("--long")
    for step in range(1, 400) if long else random.Random(0).sample(range(1, 60), 2):
        shutil.rmtree(course.home)
        shutil.copytree(tmp_path / "whole", course.home, symlinks=True)
        course.update()
        killed = course.start("lab", steps=step)
        n_killed += killed.returncode == -9
        if killed.returncode != -9:
            break
        before = course.files()
        done = course.start("lab", index=False)
        assert "Traceback" not in done.stdout and before <= course.files()
        if done.returncode == 0:
            assert done.stdout.splitlines()[-1].startswith("the course runs with"), done.stdout
            n_ran += 1
        else:
            assert "Then run the same again" in done.stdout, done.stdout
        done = course.start("lab")
        assert done.returncode == 0 and done.stdout.endswith("the course runs with 2 2\n"), (step, done.stdout)
        assert course.start("setup", index=False).stdout == "the course runs with 2 2\n"
    print(n_killed, "kills; without an index the course ran on after", n_ran)
    assert n_killed >= (20 if long else 2)
