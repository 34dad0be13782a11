"""What the documents say of the course's parts: each lesson, corpus and version stands where it is looked for."""

import re
import shlex
import sys
import tomllib

import pytest
import yaml
from markdown_it import MarkdownIt
from typer.main import get_command

from course_utils.app import cli
from course_utils.data import OWN_CORPORA, sources
from course_utils.data.corpora import SCORED_SENTENCES, load_corpus
from course_utils.embedding import CATALOG
from course_utils.paths import ROOT

sys.path.insert(0, str(ROOT / "tools"))

import answer_key  # noqa: E402
import documents  # noqa: E402


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


PROJECT = tomllib.loads(read("pyproject.toml"))["project"]
LESSONS = tomllib.loads(read("lessons/course.toml"))["lesson"]
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson["name"])
def test_every_lesson_has_a_paragraph_for_instructors(lesson):
    assert f"\n**{int(lesson['name'][:2])} {lesson['title']}.** " in read("docs/instructor_guide.md")


def commands(text: str) -> list[list[str]]:
    """The words behind `course`, or `python start.py`, in the code of a Markdown text."""
    found = []
    tokens = [each for block in MarkdownIt().parse(text) for each in (block, *(block.children or ()))]
    code = [each.content for each in tokens if each.type in ("code_inline", "fence")]
    for line in "\n".join(code).replace("\\\n", " ").splitlines():
        for part in line.removeprefix("- run: ").split("&&"):
            try:
                words = shlex.split(part, comments=True)
            except ValueError:
                continue
            while words and re.match(r"[A-Z_]+=", words[0]):
                words = words[1:]
            if words[:1] == ["python"] and words[1:] and words[1].endswith("start.py"):
                found.append(words[2:])
            elif words[:1] == ["course"]:
                found.append(words[1:])
    return found


def unknown(words: list[str]) -> list[str]:
    """What the command line does not know of a command."""
    known = get_command(cli.app).commands  # type: ignore[attr-defined]
    name, *rest = words if words and not words[0].startswith("-") else ["lab", *words]
    if name not in known:
        return [] if name in ("WORD", "WORD …") else [name]
    if name == "test":  # further words go to pytest
        return []
    options = {"--help"}.union(*(each.opts + each.secondary_opts for each in known[name].params))
    return [f"{name} {word}" for word in rest if re.match("--?[a-z]", word) and word.partition("=")[0] not in options]


DOCUMENTS = ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_and_options_that_a_document_names_are_there(name):
    assert [each for words in commands(read(name)) for each in unknown(words)] == []


def test_the_guide_leads_through_the_commands_of_a_class():
    named = {words[0] for words in commands(read("docs/instructor_guide.md")) if words}
    assert named >= {"setup", "check", "run", "bundle", "doctor", "hand-in", "grade"}


def test_a_command_or_option_that_is_not_there_is_found():
    text = "`course no` `python start.py run --htm` `X=1 python start.py && course reset 01 -q`"
    text += "\n\n```\ncourse lab --x=1\n```\n"
    assert [each for words in commands(text) for each in unknown(words)] == ["no", "run --htm", "reset -q", "lab --x=1"]
    text = "`course test -k x` `python a/start.py --no-browser --lesson 02` `course WORD` `course.toml`"
    assert len(commands(text)) == 3 and [each for words in commands(text) for each in unknown(words)] == []


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson["name"])
def test_the_answer_key_has_every_exercise(lesson):
    number, key = int(lesson["name"][:2]), read("docs/answer_key.md")
    part = key.partition(f"## Lesson {number}: ")[2].partition("\n## ")[0]
    wrong = answer_key.wrong_answers(ROOT, lesson["name"][:2])
    assert re.findall(r"^### (q\d+) of lesson \d: \w", part, re.MULTILINE) == sorted(wrong)
    assert sum(map(int, re.findall(r", (\d+) minutes\.$", part, re.MULTILINE))) == sum(
        each.get("exercise_minutes", 0) for each in lesson["section"]
    )
    for answers in wrong.values():
        for _, words, *behind in answers:
            assert all(sentence in part for sentence in behind), words


def test_the_licences_are_those_of_the_lists():
    table = documents.licences(ROOT)
    assert all(f"| `{name}` | {source['licence']} |" in table for name, source in sources().items())
    handed_out = [line for line in table.splitlines() if line.startswith("| the model ")]
    assert len(handed_out) == 2 and all(CATALOG[line.split("`")[1]].license in line for line in handed_out)


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
