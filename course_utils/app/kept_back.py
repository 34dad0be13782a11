"""Texts that others own and that the course puts on no stick: `not_handed_on` in datasets/sources.toml."""

import fnmatch

from course_utils.data import missing_files
from course_utils.paths import BUNDLE


def kept_back(source: dict) -> dict[str, str]:
    """The members of an archive that are on no stick, each with the reason."""
    patterns = source.get("not_handed_on", {})
    found = [
        (file, why) for file in source["members"] for match, why in patterns.items() if fnmatch.fnmatch(file, match)
    ]
    return dict(found)


def only_kept_back(source: dict) -> bool:
    """Whether this is a course from a stick, and all that lacks of an archive is what no stick has."""
    missing, back = missing_files(source) if BUNDLE.is_dir() else [], kept_back(source)
    return bool(missing) and all(any(member.endswith(f"/{file}") for member in back) for file in missing)
