"""What is said of speed stands on a page of results, and the scripts that write the pages work."""

import ast
import re
import subprocess
import sys

import pytest

from course_utils.paths import ROOT

BENCHMARKS = ROOT / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import run  # noqa: E402

_MANY = r"(?:[\d.,]+|two|three|four|five|six|seven|eight|nine|ten|twenty|several|many|dozens? of|hundreds? of|half)"
#: "three times as fast", "2.5x faster", "twice as slow", "takes ten times as long", "in a third of the time"
CLAIM = re.compile(
    rf"\b(?:{_MANY}(?: times|x|-fold)|twice|half)(?: as)? (?:fast|faster|slow|slower|quick|quicker|long|longer)\b"
    r"|\b(?:third|quarter|half|tenth) (?:of )?the time\b|\b[\d.,]+ (?:ms|milliseconds)\b",
    re.I,
)
#: No claims of what this code takes: a rule of text lengths, what a measure would say, and a limit that is kept.
NONE = {
    "texts at least twice as long",
    "How many times as long one model takes",
    "Where rounds of one take dozens of times as long",
}


def paragraphs() -> list[tuple[str, str]]:
    """Where a paragraph stands, and its words on one line: of the README, the guides and all docstrings."""
    found = []
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        found += [(path.name, part) for part in re.split(r"\n\s*\n|\n(?=\||- )", path.read_text(encoding="utf-8"))]
    for path in sorted((ROOT / "course_utils").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                parts = re.split(r"\n\s*\n", ast.get_docstring(node) or "")
                found += [(f"{path.name}, {getattr(node, 'name', 'module')}", part) for part in parts]
    return [(where, " ".join(part.split())) for where, part in found]


def unsupported(where_and_words: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Claims of speed in whose paragraph no page of results is named."""
    return [
        (where, claim.group())
        for where, words in where_and_words
        for claim in CLAIM.finditer(words)
        if "benchmarks/" not in words and not any(known in words for known in NONE)
    ]


def test_claims_of_speed_name_a_page_of_results():
    assert unsupported(paragraphs()) == []


@pytest.mark.parametrize(
    "claim",
    ["It is three times as fast.", "2.5x faster", "takes ten times as long", "in half the time", "answers in 5 ms"],
)
def test_a_claim_without_a_page_is_found(claim):
    assert unsupported([("here", claim)])
    assert not unsupported([("here", f"{claim} ([page](../benchmarks/README.md))")])


def test_named_pages_are_there():
    named = {page for _, words in paragraphs() for page in re.findall(r"benchmarks/(\w+\.(?:md|py))", words)}
    assert named and [page for page in sorted(named) if not (BENCHMARKS / page).exists()] == []


def test_every_script_is_run():
    assert {path.stem for path in BENCHMARKS.glob("*.py")} == {"run", "gpu", "index", *run.SCRIPTS}


def test_what_is_compared_takes_turns():
    heard = []
    calls = {name: lambda name=name: heard.append(name) or name for name in "AB"}
    seconds, results = run.alternate(calls, 2, repeats=2, slow="A")
    assert heard == [*"ABB"] * 2 and seconds.shape == (2, 2) and results == {"A": "A", "B": "B"}


def test_a_page_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    run.keep_page(page, "one\n")
    monkeypatch.setattr(type(page), "replace", lambda *_: (_ for _ in ()).throw(OSError))
    with pytest.raises(OSError):
        run.keep_page(page, "two\n")
    assert page.read_bytes() == b"one\n"


def test_every_measurement_can_be_tried(pytestconfig):
    if not pytestconfig.getoption("--long"):
        pytest.skip("it starts some thirty processes; python -m pytest --long tries it")
    before = {path: path.read_bytes() for path in BENCHMARKS.glob("*.md")}
    subprocess.run([sys.executable, BENCHMARKS / "run.py", "--quick"], check=True)
    assert {path: path.read_bytes() for path in BENCHMARKS.glob("*.md")} == before
