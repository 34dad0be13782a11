"""What the documents say of the course's parts: each lesson, corpus and version stands where it is looked for."""

import re
import tomllib

import pytest
import yaml

from course_utils.data import OWN_CORPORA, sources
from course_utils.data.corpora import SCORED_SENTENCES, load_corpus
from course_utils.embedding import CATALOG
from course_utils.paths import ROOT


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


PROJECT = tomllib.loads(read("pyproject.toml"))["project"]
LESSONS = tomllib.loads(read("lessons/course.toml"))["lesson"]
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson["name"])
def test_every_lesson_has_a_paragraph_for_instructors(lesson):
    assert f"\n**{int(lesson['name'][:2])} {lesson['title']}.** " in read("docs/instructor_guide.md")


def public_corpora() -> set[str]:
    """The names that `load_corpus` lists, without the course's own."""
    with pytest.raises(ValueError, match="The course has") as found:
        load_corpus("no such corpus")
    return set(re.findall(r"\w+", str(found.value).partition("The course has")[2].partition(";")[0])) - set(OWN_CORPORA)


def test_every_corpus_is_described():
    public, own = read("datasets/README.md").split("\n## The course's own sets")
    names = public_corpora()
    assert names > set(SCORED_SENTENCES)
    headings = " ".join(re.findall(r"^### (.*)$", public, re.MULTILINE))
    lacking = [name for name in sorted(names | (sources().keys() & CATALOG.keys())) if f"`{name}`" not in headings]
    assert not lacking, f"datasets/README.md, 'Public corpora', has no heading with {lacking}"
    lacking = [name for name in OWN_CORPORA if f"`{name}`" not in own and f"[{name}.csv]" not in public]
    assert not lacking, f"datasets/README.md, 'The course's own sets', has no line with {lacking}"
    lacking = [name for name in sorted(names - set(SCORED_SENTENCES)) if f'"{name}"' not in str(load_corpus.__doc__)]
    assert not lacking, f"the docstring of load_corpus does not name {lacking}"


def test_the_version_stands_in_one_place_and_has_its_changes():
    version = PROJECT["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert yaml.safe_load(read("CITATION.cff"))["version"] == version  # written by tools/build.py
    newest = re.findall(r"^## (\S+)", read("CHANGELOG.md"), re.MULTILINE)[0]
    assert newest in (version, "Unreleased")


def test_the_citation_has_what_its_format_asks_for():
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0" and citation["license"] == PROJECT["license"]
    assert all(citation[key] for key in ("message", "title", "authors"))


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_the_forms_of_issues_are_whole(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.name == "config.yml":
        assert form["blank_issues_enabled"] in (True, False)
        return
    assert form["name"] and form["description"]
    asked = [part for part in form["body"] if part["type"] != "markdown"]
    assert asked and len({part["id"] for part in asked}) == len(asked)
    assert all(part["type"] in ("input", "textarea") and part["attributes"]["label"] for part in asked)


def test_the_form_for_bugs_asks_for_the_doctor():
    form = yaml.safe_load(read(".github/ISSUE_TEMPLATE/bug.yml"))
    (doctor,) = [part for part in form["body"] if part.get("id") == "doctor"]
    assert "python start.py doctor" in doctor["attributes"]["label"] and doctor["validations"]["required"]


def test_the_tests_and_files_that_contributing_names_are_there():
    text = read("CONTRIBUTING.md")
    written = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    tests = set(re.findall(r"`(test_\w+)`", text))
    assert len(tests) >= 8 and [name for name in tests if f"def {name}(" not in written] == []
    files = set(re.findall(r"(?:course_utils|datasets|docs|lessons|tests|tools)/[\w/]+\.(?:md|py|toml)", text))
    assert [name for name in files if "NN" not in name and not (ROOT / name).exists()] == []
