"""The workflows of CI: what they may do, what they run, and files that are the same bytes on every system."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from course_utils.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TESTS = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def zizmor(folder: Path) -> subprocess.CompletedProcess:
    command = [Path(sys.executable).with_name("zizmor"), "--offline", "--no-progress", "--no-config", folder]
    return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")


def test_zizmor_finds_nothing():
    done = zizmor(ROOT / ".github")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("right", "wrong", "finding"),
    [
        (r"@[0-9a-f]{40} # v", "@v", "unpinned-uses"),
        (r"permissions:\n +contents: read", "permissions: write-all", "excessive-permissions"),
        (r"persist-credentials: false", "fetch-depth: 1", "artipacked"),
        (r"run: \.ci/run", "run: echo ${{ github.head_ref }}", "template-injection"),
    ],
)
def test_zizmor_finds_what_is_wrong(tmp_path, right, wrong, finding):
    text = (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "test.yml").write_text(re.sub(right, wrong, text), encoding="utf-8")
    done = zizmor(tmp_path)
    assert done.returncode and finding in done.stdout


@every_workflow
def test_an_action_is_named_by_its_hash_and_its_version(path):
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    wrong = [line for line in lines if not re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line)]
    assert lines and wrong == []
    assert len({re.sub(r".*uses: ", "", line) for line in lines}) == len(
        {re.sub(r".*uses: |@.*", "", line) for line in lines}
    )


@every_workflow
def test_a_workflow_may_do_little_and_ends(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {} and workflow["concurrency"]["cancel-in-progress"] is True
    assert "workflow_dispatch" in workflow[True]  # "on", which YAML takes for true
    for job in workflow["jobs"].values():
        assert job["permissions"] and job["timeout-minutes"] <= 90
        written = {name for name, right in job["permissions"].items() if right == "write"}
        # what may write runs no code of this repository
        assert not written or not [step for step in job["steps"] if "run" in step or "checkout" in step["uses"]]


def test_every_python_and_system_that_is_claimed_is_tried():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    minors = [f"3.{n}" for n in range(8, 20) if f"3.{n}" in SpecifierSet(project["requires-python"])]
    linux, others = TESTS["jobs"]["linux"], TESTS["jobs"]["others"]
    assert linux["strategy"]["matrix"]["python"] == minors
    assert {name.partition("-")[0] for name in others["strategy"]["matrix"]["system"]} == {"macos", "windows"}
    for job in (linux, others):
        said = yaml.safe_dump(job)
        assert "--junitxml=test-artefacts/" in said and said.count("test-artefacts/") >= 2
        (python,) = [step["with"] for step in job["steps"] if "setup-python" in step.get("uses", "")]
        assert python["cache-dependency-path"].split() == ["constraints.txt", "pyproject.toml"]
        (cache,) = [step["with"] for step in job["steps"] if "actions/cache@" in step.get("uses", "")]
        assert "datasets/sources.toml" in cache["key"]


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, encoding="utf-8").stdout


@needs_git
def test_a_clone_on_windows_has_the_same_bytes(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    git(here, "init", "--quiet")
    shutil.copy(ROOT / ".gitattributes", here)
    files = {
        "a.csv": b"text\nx\n",
        "b.ipynb": b"{\n}\n",
        "run": b"#!/bin/sh\n",
        "c.safetensors": b"1\r\n2\n3",
        "d.png": b"\n\r\n",
    }
    for name, content in files.items():
        (here / name).write_bytes(content)
    git(here, "add", ".")
    git(here, "commit", "--quiet", "-m", "x")
    git(tmp_path, "clone", "--quiet", "-c", "core.autocrlf=true", "-c", "core.eol=crlf", str(here), str(there))
    assert {name: (there / name).read_bytes() for name in files} == files


@needs_git
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only a git checkout knows what is tracked")
def test_no_tracked_text_has_other_ends_of_lines():
    lines = git(ROOT, "ls-files", "--eol").splitlines()
    assert lines and [line for line in lines if not line.startswith(("i/lf ", "i/-text ", "i/none "))] == []
    binary = {Path(line.partition("\t")[2]).suffix for line in lines if line.startswith("i/-text")}
    attributes = (ROOT / ".gitattributes").read_text(encoding="utf-8")
    assert [ending for ending in binary if f"*{ending} binary" not in attributes] == []
