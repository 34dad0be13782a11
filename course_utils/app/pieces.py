"""Names the packages that the course needs and that are missing here, or have lost or changed files.

start.py runs this file by its path, with the extras that were installed, in an environment where anything may be
missing: it needs the standard library and pip alone.
"""

import csv
import hashlib
import sys
import sysconfig
from base64 import urlsafe_b64decode
from collections.abc import Iterable
from importlib.metadata import Distribution
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name

SITE = Path(sysconfig.get_path("purelib"))


def damaged_packages(extras: Iterable[str] = ()) -> list[str]:
    """Follow the course's requirements, and pip's, through the environment; name what is missing or not whole."""
    # a name that begins with ~ is what pip set aside while it replaced a package
    infos = {canonicalize_name(info.name.partition("-")[0]): info for info in SITE.glob("[!~]*.dist-info")}
    damaged, asked = set(), set()
    to_ask = [("text-embeddings-course", frozenset(extras)), ("pip", frozenset[str]())]
    while to_ask:
        asked.add(each := to_ask.pop())
        name, wanted = each
        info = infos.get(canonicalize_name(name))
        if info is None or not (info / "METADATA").is_file() or not _is_whole(info):
            damaged.add(name)
            continue
        for requirement in map(Requirement, Distribution.at(info).requires or []):
            marker, needed = requirement.marker, (canonicalize_name(requirement.name), frozenset(requirement.extras))
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *wanted)):
                to_ask += [needed] if needed not in asked else []
    return sorted(damaged)


def _is_whole(info: Path) -> bool:
    """Compare sizes with pip's list of files; of a model's weights, which may differ unseen, the sha256 too."""
    record = info / "RECORD"
    if not record.is_file() or not record.stat().st_size:
        # its installation was cut short; with a list of files pip can take it away
        files = [*(path for path in info.rglob("*") if path.is_file()), info / "cut-short"]
        record.write_text("".join(f"{path.relative_to(SITE).as_posix()},,\n" for path in files), encoding="utf-8")
    for name, digest, size in csv.reader(record.read_text(encoding="utf-8").splitlines()):
        path = SITE / name
        if path.suffix == ".pyc":
            continue
        if not path.is_file() or size and path.stat().st_size != int(size):
            return False
        if path.suffix == ".safetensors":
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").digest()
            if found != urlsafe_b64decode(digest.removeprefix("sha256=") + "="):
                return False
    return True


if __name__ == "__main__":
    print(*damaged_packages(sys.argv[1:]))
