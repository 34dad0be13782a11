"""Parts of texts that the build writes: the ends of lessons, tables of them, the version, every link to the repository.

A part stands between two comments, ``made by tools/build.py: NAME`` and ``end of NAME``. The address of the
repository stands in one place, as ``Repository`` in ``[project.urls]`` of pyproject.toml; while none is there, no link
is made, and the texts say what can be done with the folder that one has.
"""

import re
import tomllib
from pathlib import Path
from urllib.parse import quote

from answer_key import answer_key
from lesson import minutes, read_workshop

#: Which parts stand in which file. A file that is not there has none.
PARTS = {
    "README.md": ("start", "lessons"),
    "docs/installation.md": ("browser",),
    "docs/instructor_guide.md": ("workshop", "short", "licences"),
    "docs/answer_key.md": ("answers",),
    "docs/scale.md": ("measured",),
    "SECURITY.md": ("report",),
    "CITATION.cff": ("citation",),
    ".github/ISSUE_TEMPLATE/config.yml": ("contact",),
}
BRANCH = "main"
FIRST_LESSON = "lessons/01_embedding_basics.ipynb"
FIRST_COPY = "my_work/01_embedding_basics.ipynb"  # made by `course setup`, which postBuild runs

_PART = re.compile(
    r"(?P<begin>^(?:<!--|\#) made by tools/build\.py: (?P<name>\w+)(?: -->)?\n)"
    r".*?"
    r"(?P<end>^(?:<!--|\#) end of (?P=name)(?: -->)?$)",
    re.DOTALL | re.MULTILINE,
)


def project(root: Path) -> dict:
    """The table ``[project]`` of pyproject.toml; without the file an empty one."""
    path = root / "pyproject.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))["project"] if path.exists() else {}


def address(root: Path) -> str:
    """The repository's address as pyproject.toml has it, "" while it has none.

    Raises ValueError for one that is not ``https://HOST/OWNER/NAME``.
    """
    found = project(root).get("urls", {}).get("Repository", "")
    if found and (not re.fullmatch(r"https://[\w.-]+(?:/[\w.-]+){2,}", found) or found.endswith((".git", "."))):
        raise ValueError(f"[project.urls] in pyproject.toml: {found!r} is not of the form https://HOST/OWNER/NAME")
    return found


def start(url: str) -> str:
    """The two commands of the README."""
    if url:
        return f"```\ngit clone {url}\npython {url.rpartition('/')[2]}/start.py\n```\n"
    return (
        "Open a terminal, go to the folder that this file is in, and start it:\n\n"
        "```\ncd path/to/this/folder\npython start.py\n```\n"
    )


def report(url: str) -> str:
    """Where to go with a promise that was broken."""
    where = f"open an issue at <{url}/issues>" if url else "tell those from whom you have the course"
    return (
        f"Something that breaks one of them is a fault: please {where},\n"
        "without the text or file that shows it if it is private.\n"
    )


def pull_link(url: str) -> str:
    """The link of nbgitpuller to the first lesson, of the form that its documentation gives."""
    path = f"lab/tree/{url.rpartition('/')[2]}/{FIRST_LESSON}"
    options = f"repo={quote(url, safe='')}&branch={BRANCH}&urlpath={quote(path, safe='')}"
    return f"https://HUB/hub/user-redirect/git-pull?{options}"


def binder_link(place: str) -> str:
    """The link of Binder to the copy of the first lesson, for OWNER/NAME on GitHub."""
    return f"https://mybinder.org/v2/gh/{place}/{BRANCH}?urlpath=lab/tree/{FIRST_COPY}"


def browser(url: str) -> str:
    """How to run the course in a browser, which needs a public address; three services know those of GitHub only."""
    if not url:
        return (
            "**In a browser.** Binder, Codespaces, Colab and nbgitpuller fetch the course from a public address,\n"
            "and this copy names none. Who publishes it sets `[project.urls]` in `pyproject.toml` and runs\n"
            "`python tools/build.py`; how to use them, with their links, then stands here. Those of Binder and\n"
            "nbgitpuller have this form:\n\n"
            f"```\n{binder_link('OWNER/NAME')}\n{pull_link('https://github.com/OWNER/NAME')}\n```\n"
        )
    hub = (
        "**JupyterHub with nbgitpuller.** The hub needs the packages (`pip install -e . -c constraints.txt`).\n"
        f"Put your hub's address in front: `{pull_link(url)}`\n"
        "It puts the whole course into each student's home and opens the lesson there. Who follows it again gets\n"
        "what is new and keeps what they changed. A course that the hub keeps needs no such link, see the\n"
        "[instructor's guide](instructor_guide.md#on-a-jupyterhub).\n"
    )
    if not url.startswith("https://github.com/"):
        return hub
    place, name = url.removeprefix("https://github.com/"), url.rpartition("/")[2]
    colab = f"https://colab.research.google.com/github/{place}/blob/{BRANCH}/{FIRST_LESSON}"
    return (
        f"**In a browser.** [Binder]({binder_link(place)})\n"
        "opens your copy of lesson 1, needs no account, gives 2 GB of memory and forgets your work when you leave.\n"
        f"[Codespaces](https://codespaces.new/{place}) keeps it: open a notebook in `my_work` and choose the Python\n"
        "of `.venv`, or run `python start.py --no-browser` in its terminal and open the forwarded port 8888.\n\n"
        f"**[Colab]({colab}).**\n"
        "Put this cell first, run it once, choose *Runtime → Restart session*, and go on below it.\n"
        "The constraints are left out here, because they would replace the kernel that Colab itself runs on.\n\n"
        f"```\n!git clone -q --depth 1 {url}\n!pip install -q -e {name}\n```\n\n{hub}"
    )


def citation(url: str, version: str) -> str:
    """Version and address, as CITATION.cff has them."""
    return f'version: "{version}"\n' + (f'repository-code: "{url}"\n' if url else "")


def contact(url: str) -> str:
    """Where the page of new issues sends those with something that is private."""
    if not url:
        return ""
    link = {"name": "A promise about your machine was broken", "url": f"{url}/blob/{BRANCH}/SECURITY.md"}
    lines = [f"{key}: {value}" for key, value in link.items()] + ["about: What to do when it is private stands there."]
    return "contact_links:\n  - " + "\n    ".join(lines) + "\n"


def measured(root: Path) -> str:
    """What the page of benchmarks/scale.py says, from the machine on, as sections of another page."""
    page = root / "benchmarks" / "scale.md"
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    told = re.sub("^## ", "### ", text[text.find("**Machine:**") :], flags=re.MULTILINE).replace(
        "](gpu.md)", "](../benchmarks/gpu.md)"
    )
    return f"From [benchmarks/scale.md](../benchmarks/scale.md).\n\n{told.strip()}\n"


def lesson_table(lessons: list[dict]) -> str:
    """The lessons with their questions and minutes, from the manifest."""
    lines = ["| lesson | question | core | in all |", "| --- | --- | --- | --- |"]
    for lesson in lessons:
        core, deep = minutes(lesson, "core"), minutes(lesson, "deep")
        link = f"[{int(lesson['name'][:2])} {lesson['title']}](lessons/{lesson['name']}.ipynb)"
        lines.append(f"| {link} | {lesson['question']} | {core} min | {core + deep} min |")
    return "\n".join(lines) + "\n"


def tagged(lesson: dict, tag: str) -> str:
    """The sections of a lesson with this tag, by number, for a table."""
    names = [part["title"].partition(".")[0] for part in lesson["section"] if tag in part["tags"]]
    numbers = [name for name in names if name.isdecimal()]
    return f"sections {', '.join(numbers)}" + (" and the recap" if "Recap" in names else "")


def workshop_table(lessons: list[dict], slots: list[dict]) -> str:
    """The slots of the workshop; those of lessons take the minutes of their sections tagged ``workshop``."""
    known, rows = {lesson["name"]: lesson for lesson in lessons}, []
    for slot in slots:
        if lesson := known.get(slot.get("lesson")):
            what = f"lesson {int(lesson['name'][:2])}, {lesson['title']}: {tagged(lesson, 'workshop')}"
            rows.append((minutes(lesson, "workshop"), what))
        else:
            rows.append((slot["minutes"], slot["what"]))
    rows.append((sum(number for number, _ in rows), "**in all**"))
    return "".join(["| minutes | what |\n| --: | --- |\n", *(f"| {number} | {what} |\n" for number, what in rows)])


def short_table(lessons: list[dict]) -> str:
    """What each lesson keeps when there are 40 minutes for it."""
    lines = ["| lesson | in 40 minutes | minutes |", "| --- | --- | --: |"]
    for lesson in lessons:
        title = f"{int(lesson['name'][:2])} {lesson['title']}"
        lines.append(f"| {title} | {tagged(lesson, 'short')} | {minutes(lesson, 'short')} |")
    return "\n".join(lines) + "\n"


def licences(root: Path) -> str:
    """What a stick or a shared cache hands out, under which licence; "" where the lists are not."""
    lists = root / "datasets/sources.toml", root / "course_utils/embedding/models.toml"
    if not all(path.exists() for path in lists):
        return ""
    corpora, models = (tomllib.loads(path.read_text(encoding="utf-8")) for path in lists)
    rows = [("the course, its own texts and `course-instruct`", project(root)["license"], "")]
    # with the set-up come the models that are read from a package which no extra brings
    rows += [
        (f"the model `{card['name']}`", card["license"], "")
        for card in models["model"]
        if "package" in card and "extra" not in card and card["name"] != "course-instruct"
    ]
    for name, source in corpora.items():
        kept = source.get("not_handed_on", {})
        rest = "; ".join(f"{pattern.strip('*/') or 'all of it'} ({why})" for pattern, why in kept.items())
        rows.append((f"`{name}`", source["licence"], rest))
    lines = ["| what | licence | stays off a stick, and why |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def footer(lessons: list[dict], number: int, folder: str, url: str) -> str:
    """The Markdown of the last cell of ``lessons[number]``, for the notebook in ``lessons`` or ``solutions``.

    ``my_work`` lies beside both, and holds copies of all lessons: what leads on from ``lessons`` leads on from there.
    """
    name, beside = lessons[number]["name"], "" if folder == "lessons" else "../lessons/"
    if number + 1 < len(lessons):
        following = lessons[number + 1]
        title = f"lesson {int(following['name'][:2])}, {following['title']}"
        onwards = f"[Next: {title}]({beside}{following['name']}.ipynb)"
    else:
        onwards = "[Next: the tools behind the lessons](../docs/commands.md#the-tools-behind-the-lessons)"
    other = (
        f"[The solutions of this lesson](../solutions/{name}.ipynb)"
        if folder == "lessons"
        else f"[This lesson with its exercises open](../lessons/{name}.ipynb)"
    )
    rest = f"[report the rest]({url}/issues)" if url else "report the rest to those from whom you have the course"
    where = f"it is also at <{url}>" if url else "`python start.py` there opens the lessons"
    return (
        f"---\n\n{onwards} · {other} · [Glossary](../docs/glossary.md)\n\n"
        f"A problem? See [what helps](../docs/troubleshooting.md), and {rest}.\n\n"
        "These links work within the course's own folder. In a copy that lies elsewhere they lead nowhere: go to that "
        f"folder ({where})."
    )


def build_texts(root: Path, lessons: list[dict]) -> dict[Path, str]:
    """The texts that hold parts, path to content, with every part as it has to be.

    Raises ValueError when a part's comments are missing, or the address is none.
    """
    url = address(root)
    made = {"start": start(url), "lessons": lesson_table(lessons), "browser": browser(url), "report": report(url)}
    made |= {"citation": citation(url, project(root).get("version", "")), "contact": contact(url)}
    made |= {"workshop": workshop_table(lessons, read_workshop(root)), "short": short_table(lessons)}
    made |= {"licences": licences(root), "measured": measured(root)}
    texts = {}
    for name, parts in PARTS.items():
        path = root / name
        if not path.exists():
            continue
        if "answers" in parts:  # asks every checker, which takes seconds
            made["answers"] = answer_key(root, lessons)
        text = path.read_text(encoding="utf-8")
        found = tuple(match["name"] for match in _PART.finditer(text))
        if found != parts:
            raise ValueError(f"{name}: the comments around {' and '.join(parts)} are not there; found: {found}")
        texts[path] = _PART.sub(lambda match: f"{match['begin']}{made[match['name']]}{match['end']}", text)
    return texts
