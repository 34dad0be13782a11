"""Makes the notebooks from the lessons' sources, and parts of other texts; with ``--check`` only says what is stale.

``solutions/NN_name.py`` (jupytext py:percent) is the one hand-written source of a lesson. From it come
``solutions/NN_name.ipynb`` (complete), ``lessons/NN_name.ipynb`` (solutions become stubs) and
``course_utils/teaching/checks/lessonNN.json`` (what ``qN.solution()`` shows). The header cell is made from the
manifest, ``lessons/course.toml``. Two builds of one source give the same bytes. `tools/execute.py` fills in
the outputs. The last cell and the parts of other texts (links to the repository, the table of lessons) are made in
`documents`.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import nbformat
from documents import address, build_texts, footer
from lesson import ROOT, code_cells, minutes, question, read_manifest, read_source, solved, stub, tags
from lint import long_cells, output_problems, source_problems
from nbformat import NotebookNode

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def header(lessons: list[dict], number: int) -> str:
    """The Markdown of the first cell of ``lessons[number]``, from the manifest."""
    lesson = lessons[number]
    core, deep = minutes(lesson, "core"), minutes(lesson, "deep")
    warm, cold = (f"{lesson['budget'][key] / 60:.0f}" for key in ("warm_s", "cold_s"))
    links = [
        f"[{text}]({lessons[other]['name']}.ipynb)"
        for other, text in ((number - 1, "← previous lesson"), (number + 1, "next lesson →"))
        if 0 <= other < len(lessons)
    ]
    extras = "".join(f" Some sections of *Going further* need the extra `{name}`." for name in lesson["extras"])
    lines = [
        f"# Lesson {int(lesson['name'][:2])}: {lesson['title']}",
        "",
        f"**{lesson['question']}** About {core} minutes, with *Going further* {core + deep}. At the end you can",
        "",
        *(f"- {goal}" for goal in lesson["goals"]),
        "",
        "<details><summary>What you need, and what is where</summary>",
        "",
        f"**What you need.** {lesson['needs']}{extras}",
        "",
        "**What it asks of your machine.** On two cores, without a GPU, running everything takes "
        f"up to {warm} minutes ({cold} the first time) and {lesson['budget']['memory_mib'] / 1024:g} GiB.",
        "",
        "**Late?** Run the set-up cells, then start at any section: none needs the ones before it.",
        "",
        "| section | path | minutes | exercise |",
        "| --- | --- | --: | --: |",
    ]
    for part in lesson["section"]:
        path = "core" if "core" in part["tags"] else "going further"
        lines.append(f"| {part['title']} | {path} | {part['minutes']} | {part.get('exercise_minutes', '')} |")
    folded = "Cells that only draw or word a result are folded; a click on the bar to the left of one opens it."
    return "\n".join([*lines, "", folded, "", "</details>", *(["", " · ".join(links)] if links else [])])


def make_notebook(first: str, cells: list[NotebookNode], last: str, transform: Callable[[str], str]) -> NotebookNode:
    """A notebook without outputs: the header `first`, `cells`, the exercises among them transformed, and `last`."""
    seen = Counter()
    made = []
    for cell in [nbformat.v4.new_markdown_cell(first), *cells, nbformat.v4.new_markdown_cell(last)]:
        source = transform(cell.source) if question(cell) else cell.source
        # the ordinal counts equal cells only, so that a cell keeps its id when another is put before it
        key = f"{cell.cell_type}\n{source}"
        seen[key] += 1
        new = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
        cell_id = hashlib.sha256(f"{key}\n{seen[key]}".encode()).hexdigest()[:12]
        metadata = {"tags": tags(cell)} if tags(cell) else {}
        if "folded" in tags(cell):
            metadata["jupyter"] = {"source_hidden": True}
        made.append(new(source, id=cell_id, metadata=metadata))
    return nbformat.v4.new_notebook(cells=made, metadata=METADATA)


def keep_outputs(new: NotebookNode, old: NotebookNode) -> None:
    """Carry stored outputs of `old` over to `new`, up to the first code cell that changed.

    What a cell shows depends on all that ran before it: behind a change every output counts as stale, also
    that of a cell whose own source is the same.
    """
    for cell, before in zip(code_cells(new.cells), code_cells(old.cells), strict=False):
        if cell.source != before.source:
            break
        cell.outputs, cell.execution_count = before.outputs, before.execution_count


def to_text(notebook: NotebookNode) -> str:
    """A notebook as it is written to disk."""
    return nbformat.writes(notebook) + "\n"


def build_lesson(root: Path, lessons: list[dict], number: int, url: str) -> dict[Path, str]:
    """The generated files of one lesson, path to content; outputs that are still true are kept.

    `url` is the repository's address, "" while it has none.
    """
    name = lessons[number]["name"]
    cells = read_source(root / f"solutions/{name}.py")
    solutions = {question(cell): solved(cell.source) for cell in cells if question(cell)}
    files = {root / f"course_utils/teaching/checks/lesson{name[:2]}.json": json.dumps(solutions, indent=1) + "\n"}
    for folder, transform in (("lessons", stub), ("solutions", solved)):
        path = root / folder / f"{name}.ipynb"
        notebook = make_notebook(header(lessons, number), cells, footer(lessons, number, folder, url), transform)
        if path.exists():
            keep_outputs(notebook, nbformat.read(path, as_version=4))
        files[path] = to_text(notebook)
    return files


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Build or check all lessons of the manifest, and the texts; the status is 1 when something is to be put right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a notebook is stale")
    check = parser.parse_args(arguments).check
    lessons = read_manifest(root)
    problems, url = [], ""
    try:
        url = address(root)
    except ValueError as error:
        problems.append(str(error))
    for number, lesson in enumerate(lessons):
        source = f"solutions/{lesson['name']}.py"
        cells = read_source(root / source)
        problems += [f"{source}: {problem}" for problem in source_problems(lesson, cells)]
        for note in long_cells(cells):
            print(f"note: {source}: {note}")
        for path, content in build_lesson(root, lessons, number, url).items():
            shown = path.relative_to(root).as_posix()
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content, encoding="utf-8", newline="\n")
            elif not path.exists() or path.read_text(encoding="utf-8") != content:
                problems.append(f"{shown} is stale: run tools/build.py, then tools/execute.py")
            elif path.suffix == ".ipynb":
                notebook = nbformat.reads(content, as_version=4)
                problems += [f"{shown}: {problem}" for problem in output_problems(notebook)]
    try:
        for path, content in build_texts(root, lessons).items():
            if not check:
                path.write_text(content, encoding="utf-8", newline="\n")
            elif path.read_text(encoding="utf-8") != content:
                problems.append(f"{path.relative_to(root).as_posix()} is stale: run tools/build.py")
    except ValueError as error:
        problems.append(str(error))
    print(
        "\n".join(dict.fromkeys(problems))
        if problems
        else f"All notebooks and texts are {'up to date' if check else 'built'}."
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
