"""Dependencies stand in pyproject.toml once; constraints.txt, environment.yml and CI agree with it."""

import importlib.util
import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from course_utils.paths import ROOT


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


PROJECT = tomllib.loads(read("pyproject.toml"))["project"]
DIRECT = [
    Requirement(line)
    for extra in ([PROJECT["dependencies"]] + list(PROJECT["optional-dependencies"].values()))
    for line in extra
]
LINES = [line for line in read("constraints.txt").splitlines() if line and not line.startswith("#")]
PINNED = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in LINES)}


def test_constraints_are_exact_sorted_and_said_once():
    # no "+cpu" (only one index has it), no marker (the doctor reads this file too)
    assert [line for line in LINES if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    assert len(PINNED) == len(LINES)
    assert sorted(LINES, key=str.lower) == LINES


@pytest.mark.parametrize("requirement", DIRECT, ids=lambda requirement: requirement.name)
def test_a_direct_dependency_is_pinned_within_its_range(requirement):
    assert requirement.specifier, "a range is missing"
    assert PINNED[canonicalize_name(requirement.name)] in requirement.specifier


def closure(name: str, extra: str, seen: set[tuple[str, str]]) -> set[str]:
    """Names of what is installed because `name[extra]` asks for it, directly or not."""
    if (name, extra) not in seen:
        seen.add((name, extra))
        for requirement in map(Requirement, distribution(name).requires or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                for wanted in ("", *requirement.extras):
                    closure(canonicalize_name(requirement.name), wanted, seen)
    return {name for name, _ in seen}


def test_everything_that_comes_along_is_pinned_and_has_the_tested_version():
    try:
        extras = ("", *PROJECT["optional-dependencies"])
        names = set().union(*(closure("text-embeddings-course", extra, set()) for extra in extras))
    except PackageNotFoundError as error:
        pytest.fail(f"{error} is required but not installed: run `python start.py test`")
    names -= {"text-embeddings-course"}
    # libraries for NVIDIA cards come along only where PyTorch's own index did not answer; torch itself pins them
    nvidia = {name for name in names if name.startswith(("nvidia-", "cuda-")) or name == "triton"}
    installed = {name: distribution(name).version.partition("+")[0] for name in names - nvidia}
    assert installed == {name: PINNED.get(name) for name in installed}


def test_environment_yml_is_no_second_list(start):
    python, pip, extra = yaml.safe_load(read("environment.yml"))["dependencies"]
    assert python.removeprefix("python=") in SpecifierSet(PROJECT["requires-python"])
    assert pip == "pip"
    assert extra == {"pip": [f"--extra-index-url {start.CPU_INDEX}", "-c constraints.txt", "-e ."]}


@pytest.fixture
def start():
    spec = importlib.util.spec_from_file_location("start", ROOT / "start.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_start_py_takes_the_pythons_that_the_package_takes(start):
    python = SpecifierSet(PROJECT["requires-python"])
    for minor in range(8, 18):
        refused = start.objection("3", str(minor), "Linux", "x86_64", "linux-x86_64", "-", "ensurepip")
        assert (f"3.{minor}.0" in python) == (refused == "")


def test_ci_and_the_container_use_such_a_python():
    files = read(".github/workflows/test.yml") + read(".devcontainer/devcontainer.json")
    named = re.findall(r'"(3\.\d+)"|python:(3\.\d+)', files)
    versions = {one or other for one, other in named}
    assert len(versions) >= 3 and all(version in SpecifierSet(PROJECT["requires-python"]) for version in versions)
