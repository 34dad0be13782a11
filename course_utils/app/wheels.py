"""Wheels of the course's default install for another machine than this one.

pip follows markers of the machine that it runs on, so what is needed elsewhere is found here: from the requirements in
pyproject.toml by those of each wheel that arrived, round by round. pip only fetches, one list of names a round.
"""

import errno
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from email.parser import HeaderParser
from pathlib import Path
from typing import NamedTuple

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from course_utils.app.platforms import PLATFORMS, environment
from course_utils.paths import ROOT

#: Wheels that fit every machine lie in a folder of this name, each once.
ANY = "any"
#: What PyPI's PyTorch for Linux does not start without, and the builds of PyTorch's own index have no need of.
FOR_CARDS = ("cuda-", "nvidia-", "triton")
NOT_FOR_CARDS = (
    "{}: PyTorch's own index (https://download.pytorch.org/whl/cpu) gave pip no build, and PyPI's comes with 2.5 GB of "
    "libraries for NVIDIA cards, most of which their licence lets nobody hand on. Try another network or a mirror, or "
    "leave this platform out of --for."
)


class Target(NamedTuple):
    """A kind of machine: a platform of :data:`PLATFORMS` and a minor version of Python 3."""

    platform: str
    minor: int

    @property
    def folder(self) -> str:
        """As start.py names it: Windows-AMD64-3.12."""
        return f"{self.platform.replace(' ', '-')}-3.{self.minor}"

    @property
    def shown(self) -> str:
        """In words."""
        return f"{self.platform.replace('Darwin', 'macOS')}, Python 3.{self.minor}"


class Wheel(NamedTuple):
    """A wheel of the closure, and what its metadata says."""

    path: Path
    name: str
    version: str
    licence: str
    requires: list[Requirement]


def fetch_wheels(target: Target, shelf: Path, root: Path = ROOT, options: Iterable[str] = ()) -> list[Wheel]:
    """Fetch the wheels that a kind of machine needs into its folder of ``shelf``, and list them.

    Parameters
    ----------
    target : Target
        The kind of machine.
    shelf : Path
        Folder of such folders. What is there from an earlier run is compared with the index and kept.
    root : Path
        The course: pyproject.toml and constraints.txt.
    options : iterable of str
        More words for pip, such as an index.

    Returns
    -------
    list of Wheel
        By name. Other files are removed from the folder.

    Raises
    ------
    OSError
        If a wheel cannot be fetched; the message says why.
    """
    seen, tags = environment(target.platform, target.minor)
    folder, common = shelf / target.folder, shelf / ANY
    folder.mkdir(parents=True, exist_ok=True)
    common.mkdir(exist_ok=True)
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    # the course itself is built on each laptop, by what the build system asks for
    lines = project["project"]["dependencies"] + project["build-system"]["requires"]
    to_ask = [(requirement, "") for requirement in map(Requirement, lines)]
    wheels: dict[str, Wheel] = {}
    asked: set[tuple[str, str]] = set()
    while to_ask:
        here = [requirement for requirement, extra in to_ask if _applies(requirement.marker, seen, extra)]
        lacking = {canonicalize_name(each.name): each for each in here if canonicalize_name(each.name) not in wheels}
        if any(name.startswith(FOR_CARDS) for name in lacking):
            raise OSError(NOT_FOR_CARDS.format(target.shown))
        stored = _fitting(lacking, [common], tags, pins := _pins(root))
        _download([each for name, each in lacking.items() if name not in stored], target, folder, root, options)
        wheels |= _fitting(lacking, [common, folder], tags, pins)
        if missing := sorted(lacking.keys() - wheels.keys()):
            raise OSError(f"For {target.shown}, no wheel arrived of {', '.join(missing)}.")
        to_ask = []
        for requirement in here:
            name = canonicalize_name(requirement.name)
            for extra in {"", *requirement.extras} - {extra for other, extra in asked if other == name}:
                asked.add((name, extra))
                to_ask += [(each, extra) for each in wheels[name].requires]
    return [_shelved(wheels[name], folder, common) for name in sorted(wheels)] if _tidy(folder, wheels) else []


def _pins(root: Path) -> dict[str, str]:
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {
        canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines) if version
    }


def _applies(marker: Marker | None, seen: dict[str, str], extra: str) -> bool:
    """Whether a marker holds on such a machine, with the first or with a late release of its Python."""
    if marker is None:
        return True
    late = {"python_full_version": f"{seen['python_version']}.99"}
    return any(marker.evaluate(seen | {"extra": extra} | more) for more in ({}, late))


def _download(asked: list[Requirement], target: Target, folder: Path, root: Path, options: Iterable[str]) -> None:
    if not asked:
        return
    words = [f"--platform={tag}" for tag in PLATFORMS[target.platform][1]]
    words += [f"--python-version=3.{target.minor}", "--implementation=cp", f"--abi=cp3{target.minor}"]
    words += ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--quiet"]
    words += ["--retries", "2", "--timeout", "15", *options]
    # a marker would be read as of this machine
    names = [f"{each.name}{each.specifier}{f' @ {each.url}' if each.url else ''}" for each in asked]
    command = [sys.executable, "-m", "pip", "download", *words, "-c", str(root / "constraints.txt")]
    done = subprocess.run(
        [*command, "--dest", str(folder), *names], capture_output=True, encoding="utf-8", errors="replace"
    )
    if done.returncode == 0:
        return
    if "No space left" in done.stderr or "Errno 28" in done.stderr:
        raise OSError(errno.ENOSPC, "No space left on device")
    if "Retrying (Retry(" in done.stderr:
        raise OSError(f"The wheels for {target.shown} could not be fetched: the package index cannot be reached.")
    errors = [line.strip() for line in done.stderr.splitlines() if line.startswith("ERROR: ")] or ["pip said nothing."]
    raise OSError(f"The wheels for {target.shown} could not be fetched: {errors[0].removeprefix('ERROR: ')}")


def _fitting(names: Iterable[str], folders: list[Path], tags: set[Tag], pins: dict[str, str]) -> dict[str, Wheel]:
    """Of each name the wheel in the folders that fits the machine and is of the pinned version."""
    found: dict[str, tuple[Version, Path]] = {}
    for path in (path for folder in folders for path in sorted(folder.glob("*.whl"))):
        try:
            name, version, _, built_for = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue
        if name in names and built_for & tags and pins.get(name, version.public) == version.public:
            # 2.13.0+cpu is built without libraries for graphics cards, and comes after 2.13.0
            found[str(name)] = max(found.get(str(name), (version, path)), (version, path))
    return {name: _read(path, name, str(version)) for name, (version, path) in found.items()}


def _read(path: Path, name: str, version: str) -> Wheel:
    try:
        with zipfile.ZipFile(path) as opened:
            (inside,) = (
                each for each in opened.namelist() if each.endswith(".dist-info/METADATA") and each.count("/") == 1
            )
            said = HeaderParser().parsestr(opened.read(inside).decode("utf-8", "replace"))
    except (zipfile.BadZipFile, ValueError):
        path.unlink()
        raise OSError(
            f"{path.name} arrived cut short or damaged and was not kept. Run the same command again."
        ) from None
    requires = [Requirement(line) for line in said.get_all("Requires-Dist", [])]
    return Wheel(path, name, version, _licence(said), requires)


def _licence(said) -> str:
    """The licence in a few words, as the metadata has it in one of three places."""
    classifiers = [
        line.rpartition(" :: ")[2] for line in said.get_all("Classifier", []) if line.startswith("License ::")
    ]
    classifiers = [line for line in classifiers if line != "OSI Approved"]
    written = (said.get("License") or "").strip().splitlines()
    short = written[0][:60] if written and written[0].upper() != "UNKNOWN" else ""
    return said.get("License-Expression") or ", ".join(classifiers) or short or "see its files"


def _tidy(folder: Path, wheels: dict[str, Wheel]) -> bool:
    """Remove what an earlier run left and nothing asks for any more."""
    wanted = {wheel.path for wheel in wheels.values()}
    for path in [path for path in folder.iterdir() if path not in wanted]:
        path.unlink()
    return True


def _shelved(wheel: Wheel, folder: Path, common: Path) -> Wheel:
    if wheel.path.parent == folder and wheel.path.name.endswith("-none-any.whl"):
        return wheel._replace(path=wheel.path.replace(common / wheel.path.name))
    return wheel
