"""Writes constraints.txt anew; with ``--check`` proves instead that what it pins can be installed everywhere.

    python tools/refresh_constraints.py              the newest versions that pyproject.toml allows
    python tools/refresh_constraints.py ruff mypy    of these packages only; the others stay where they are
    python tools/refresh_constraints.py --check      writes nothing

uv resolves pyproject.toml with all extras, for every platform and Python at once, and lists the files that the package
index has of each version: a lock file (pylock.toml), which is read here and not kept. Needs a network. The proof: each
package has a wheel for each Python that pyproject.toml allows on each platform of course_utils/app/platforms.py, where
anything asks for it.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from lesson import ROOT
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from uv import find_uv_bin

from course_utils.app.platforms import PLATFORMS, environment

#: Wheels that are lacking, and why the course pins the package all the same: both come with the extra bench only.
KNOWN_HOLES = {
    ("openvino", "Linux aarch64"): "needs glibc 2.35",
    ("pytrec-eval-terrier", "Linux aarch64"): "is built by pip, which needs a C compiler",
}
#: Come along where PyTorch's own index did not answer; torch itself pins them.
BROUGHT_BY_TORCH = re.compile(r"nvidia-|cuda-|triton$")


class NoVersionsError(Exception):
    """uv could not resolve; its own words."""


def resolve(root: Path, pins: list[str]) -> list[dict]:
    """What the index has: the packages of uv's lock, each with name, version, wheels and, for some, a marker.

    Raises NoVersionsError when there is no resolution, or no network.
    """
    python = min(minors(root))
    with tempfile.TemporaryDirectory() as folder:
        held, lock = Path(folder, "pins.txt"), Path(folder, "pylock.toml")
        held.write_text("\n".join(pins) + "\n", encoding="utf-8")
        words = "pip compile --no-config --quiet --universal --fork-strategy fewest --all-extras --only-binary :all:"
        words += f" --python-version 3.{python} pyproject.toml"
        command = [find_uv_bin(), *words.split(), "--constraints", str(held), "--output-file", str(lock)]
        done = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8")
        if done.returncode:
            raise NoVersionsError(done.stderr.strip())
        return tomllib.loads(lock.read_text(encoding="utf-8"))["packages"]


def minors(root: Path) -> list[int]:
    """The minor versions of Python 3 that pyproject.toml allows."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    allowed = SpecifierSet(project["requires-python"])
    return [minor for minor in range(8, 30) if f"3.{minor}.0" in allowed]


def environments(root: Path) -> dict[str, tuple[dict[str, str], set[Tag]]]:
    """Every Python on every platform: what markers see, and the tags of wheels that fit."""
    pairs = [(minor, name) for minor in minors(root) for name in PLATFORMS]
    return {f"Python 3.{minor} on {name}": environment(name, minor) for minor, name in pairs}


def wheel_tags(package: dict) -> set[Tag]:
    """The tags of all wheels of a package in the lock."""
    tags: set[Tag] = set()
    for wheel in package.get("wheels", []):
        name = wheel.get("name") or wheel["url"].rpartition("/")[2]
        try:
            tags |= parse_wheel_filename(name)[3]
        except InvalidWheelFilename:
            continue  # of old releases; nothing installs it
    return tags


def asked_for(package: dict, seen: dict[str, str]) -> bool:
    """Whether anything asks for a package in such an environment."""
    return "marker" not in package or Marker(package["marker"]).evaluate(seen)


def own(packages: list[dict], root: Path) -> list[dict]:
    """The packages that constraints.txt pins: those that some environment asks for, without what torch pins."""
    everywhere = [seen for seen, _ in environments(root).values()]
    return [
        package
        for package in packages
        if not BROUGHT_BY_TORCH.match(package["name"]) and any(asked_for(package, seen) for seen in everywhere)
    ]


def holes(packages: list[dict], root: Path, known: dict[tuple[str, str], str]) -> list[str]:
    """Where a package is asked for and has no wheel, known holes apart; and known ones that are none any more."""
    found, seen_holes = [], set()
    for package in packages:
        tags, lacking = wheel_tags(package), []
        for name, (seen, fit) in environments(root).items():
            if asked_for(package, seen) and not tags & fit:
                hole = package["name"], name.partition(" on ")[2]
                seen_holes.add(hole)
                lacking += [] if hole in known else [name]
        if lacking:
            found.append(f"{package['name']} {package['version']} has no wheel for {', '.join(lacking)}")
    return found + [
        f"{name} has wheels for {place} now: take it out of KNOWN_HOLES" for name, place in known.keys() - seen_holes
    ]


def split(root: Path) -> tuple[list[str], list[str]]:
    """The comment lines and the pins of constraints.txt."""
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("#")], [line for line in lines if line and line[0] != "#"]


def pins_of(packages: list[dict], before: list[str]) -> list[str]:
    """The lines of constraints.txt for these packages; a name keeps the spelling that it had before."""
    spelled = {canonicalize_name(line.partition("==")[0]): line.partition("==")[0] for line in before}
    lines = {f"{spelled.get(each['name'], each['name'])}=={each['version'].partition('+')[0]}" for each in packages}
    return sorted(lines, key=str.lower)


def main(arguments: list[str] | None = None, root: Path = ROOT, known: dict[tuple[str, str], str] = KNOWN_HOLES) -> int:
    """Refresh or check; the exit status is 1 when something does not fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="packages to move; all when left out")
    parser.add_argument("--check", action="store_true", help="write nothing, prove what is pinned")
    options = parser.parse_args(arguments)
    comments, before = split(root)
    moved = {canonicalize_name(name) for name in options.names}
    held = [
        line for line in before if options.check or moved and canonicalize_name(line.partition("==")[0]) not in moved
    ]
    try:
        packages = own(resolve(root, held), root)
    except NoVersionsError as error:
        print(f"{error}\nuv found no versions that fit, or reached no index.")
        return 1
    after, problems = pins_of(packages, before), holes(packages, root, known)
    names = [line.partition("==")[0] for line in after]
    problems += [f"No one version serves all: {line}" for line in after if names.count(line.partition("==")[0]) > 1]
    for line in sorted({*before} ^ {*after}, key=str.lower):
        if options.check:
            problems.append(
                f"{line} is {'pinned, but nothing asks for it' if line in before else 'asked for, but not pinned'}"
            )
        else:
            print(f"{'-' if line in before else '+'} {line}")
    if problems:
        print("\n".join(problems))
        return 1
    if not options.check:
        (root / "constraints.txt").write_text("\n".join([*comments, *after]) + "\n", encoding="utf-8", newline="\n")
    for (name, place), why in known.items():
        print(f"known: on {place}, {name} {why}")
    machines = f"all {len(environments(root))} pairs of a Python and a platform"
    print(
        f"{len(after)} packages have wheels wherever they are asked for, among {machines}, but for what is said above."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
