"""What is wrong with a lesson: prose that a new run could make false, sections that disagree with the
manifest, outputs that may not be committed.

A lesson can be run with another model, sample or seed, so a measured number or a direction ("UMAP is better
than PCA") belongs in a code cell, where `course_utils.teaching.say` words it from the values. Flagged, in Markdown and
in figure titles, are decimals, percentages, "3 of 10", "3 times as", "twice as" and comparisons. Whole
numbers alone are let through: nearly always we set them ourselves. A line whose statement holds whatever a
run gives (a definition, a published figure) ends with ``<!-- fixed: why -->``. What code says of a best or a first is
read by `lint_order`.
"""

import ast
import re

from lesson import code_cells, first_line, has_solution, minutes, question, sections, solved, tags
from lint_order import unmeasured_orders
from nbformat import NotebookNode

CORE_MINUTES = 60
EXERCISE_MINUTES = 20
MAX_CODE_LINES = 15
# The manifest's minutes are held against an estimate: an unhurried reader of technical prose, who runs each code cell,
# looks at what it shows, and reads the lines of those that stand open. Exercises have minutes of their own
# (`exercise_minutes`) and are left out.
WORDS_A_MINUTE = 150
MINUTES_A_CODE_CELL = 0.25
MINUTES_A_LINE = 0.1
# What the core of a lesson whose manifest says `short_core` may hold at most: words, open code cells and their lines.
CORE_MOST = {"words": 1600, "code cells": 25, "lines of code": 120}

# Of the names that set-up cells give: those that a section is meant to set anew for all that follow.
CHOSEN_IN_A_SECTION = {"foreign", "mix"}

_COUNT = r"(?:\d+|eight|five|four|nine|seven|six|ten|three|two)"
_RUN_DEPENDENT = re.compile(
    r"\d+\.\d+"
    r"|\d\s?(?:%|percent\b|per\s+cent\b)"
    rf"|\b{_COUNT}\s+(?:out\s+)?of\s+{_COUNT}\b"
    rf"|\b{_COUNT}\s+times\s+(?:as|more|less|faster|slower|better|larger|smaller|longer)\b|\btwice\s+as\b"
    r"|\b(?:higher|lower|better|worse|faster|slower|stronger|weaker|more\s+accurate|less\s+accurate)\s+than\b"
    r"|\b(?:outperform|improve|beat)s\b",
    re.IGNORECASE,
)
# code, formulas, comments, tags, links and headings hold names, definitions and addresses, not results
_NOT_PROSE = re.compile(
    r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]+\$|<!--.*?-->|<[a-z/][^>]*>"
    r"|\[[^\]]*\]\([^)]*\)|https?://\S+|^#+ [^\n]*$",
    re.DOTALL | re.MULTILINE,
)
_FIXED = re.compile(r"<!-- fixed: \S.*-->\s*$")
_FIGURE_TITLE = re.compile(r"""(?:\btitle\w*\s*=|set_title\(|suptitle\()\s*[rf]*(["'])(.*?)\1""")


def lint_markdown(source: str) -> list[str]:
    """Run-dependent statements in the source of a Markdown cell."""
    lines = source.splitlines()
    # blanked, not removed, so that positions still count lines
    prose = _NOT_PROSE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), source)
    found = []
    for match in _RUN_DEPENDENT.finditer(prose):
        start, end = (prose.count("\n", 0, position) for position in match.span())
        if not any(_FIXED.search(line) for line in lines[start : end + 1]):
            found.append(f"{match.group()!r} in the line {lines[start].strip()!r}")
    return found


def lint_titles(source: str) -> list[str]:
    """Run-dependent statements in figure titles of a code cell, apart from what an f-string fills in."""
    titles = (re.sub(r"\{.*?\}", "", match.group(2)) for match in _FIGURE_TITLE.finditer(source))
    return [f"the figure title {title!r}" for title in titles if _RUN_DEPENDENT.search(title)]


def cell_problems(cell: NotebookNode) -> list[str]:
    """What is wrong with one cell of a source."""
    lint = lint_markdown if cell.cell_type == "markdown" else lint_titles
    problems = [f"{found} depends on the run: say it from the values" for found in lint(cell.source)]
    if cell.cell_type == "markdown" and "\n## " in cell.source:
        problems.append("a section's heading must begin its own cell")
    if "### BEGIN SOLUTION" in solved(cell.source) or "### END SOLUTION" in solved(cell.source):
        problems.append("'### BEGIN SOLUTION' and '### END SOLUTION' do not match up")
    if {"external-text", "nbval-check-output"} <= set(tags(cell)):
        problems.append("an output that is dropped (external-text) cannot be compared (nbval-check-output)")
    if has_solution(cell.source) != bool(question(cell)):
        problems.append("a solution and the tags 'exercise' and 'qN' go together")
    return problems


def source_problems(lesson: dict, cells: list[NotebookNode]) -> list[str]:
    """What is wrong with a lesson's source and its entry in the manifest."""
    problems = [f"cell {first_line(cell)}: {problem}" for cell in cells for problem in cell_problems(cell)]
    code = code_cells(cells)
    for number, said in unmeasured_orders(solved(cell.source) for cell in code):
        where, said = first_line(code[number]), " ".join(said.split())[:80]
        problems.append(f"cell {where}: {said} … says what was picked by its value: use say.leader or say.top")
    written, planned = sections(cells), lesson["section"]
    titles = [title for title, _ in written]
    if titles != [part["title"] for part in planned]:
        problems.append(f"its headings {titles} are not the manifest's {[part['title'] for part in planned]}")
        return problems
    problems += exercise_problems(cells)
    taken = {name for cell in code if {"setup", "parameters"} & set(tags(cell)) for name in assigned(cell)}
    for (title, members), part in zip(written, planned, strict=True):
        own = {name for cell in code_cells(members) if "setup" not in tags(cell) for name in assigned(cell)}
        if lost := sorted(own & taken - CHOSEN_IN_A_SECTION):
            problems.append(f"section {title!r} sets {', '.join(lost)} anew, which other sections have from the set-up")
        path = "core" if "core" in part["tags"] else "deep"
        if path not in tags(members[0]):
            problems.append(f"section {title!r}: the cell of its heading lacks the tag {path!r}")
        estimate, stated = estimate_minutes(members), part["minutes"]
        # a factor of two, and a minute for short sections, where the estimate is rougher still
        if estimate > 2 * stated + 1 or stated > 2 * estimate + 1:
            problems.append(f"section {title!r}: {stated} minutes in the manifest, {estimate:.1f} by its text")
        if any(map(question, members)) != ("exercise_minutes" in part):
            problems.append(f"section {title!r}: an exercise and `exercise_minutes` in the manifest go together")
        if not 1 <= part.get("exercise_minutes", 1) <= EXERCISE_MINUTES:
            problems.append(f"section {title!r}: `exercise_minutes` must be from 1 to {EXERCISE_MINUTES}")
    if lesson.get("short_core"):
        core = [
            cell
            for (_, members), part in zip(written, planned, strict=True)
            for cell in members
            if "core" in part["tags"]
        ]
        found = size(core)
        problems += [
            f"its core has {found[what]} {what}, more than {most}"
            for what, most in CORE_MOST.items()
            if found[what] > most
        ]
    if minutes(lesson, "core") > CORE_MINUTES:
        problems.append(f"the core takes {minutes(lesson, 'core')} minutes, more than {CORE_MINUTES}")
    return problems


def exercise_problems(cells: list[NotebookNode]) -> list[str]:
    """Whether headings, tags and the line of the set-up agree on the exercises: 1, 2, … and q1, q2, …"""
    headed = [int(n) for cell in cells for n in re.findall(r"^### Exercise (\d+): ", cell.source, re.MULTILINE)]
    tagged = [name for cell in cells if (name := question(cell))]
    opened = [
        re.findall(r"\bq\d+\b", line) for cell in cells for line in cell.source.splitlines() if "= exercises(" in line
    ]
    problems = []
    if headed != list(range(1, len(headed) + 1)) or tagged != [f"q{n}" for n in headed]:
        problems.append(f"exercises must be numbered from 1 on: its headings say {headed}, its tags {tagged}")
    if tagged and opened != [tagged]:
        problems.append(f"the set-up must have one line `{', '.join(tagged)} = exercises(…)`")
    return problems


def assigned(cell: NotebookNode) -> set[str]:
    """The global names that a code cell gives values to; what it imports is left out."""
    names, todo = set(), list(ast.parse(solved(cell.source)).body)
    while todo:
        match todo.pop():
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            # what these set is their own
            case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                pass
            case node:
                todo += ast.iter_child_nodes(node)
    return names


def code_lines(cell: NotebookNode) -> int:
    """Lines of a code cell, blank ones and comments left out."""
    return sum(1 for line in cell.source.splitlines() if line.strip() and not line.strip().startswith("#"))


def size(cells: list[NotebookNode]) -> dict[str, int]:
    """Words of these cells, and the code cells and lines that stand open; exercises left out."""
    open_code = [cell for cell in code_cells(cells) if not question(cell) and "folded" not in tags(cell)]
    words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    return {"words": words, "code cells": len(open_code), "lines of code": sum(map(code_lines, open_code))}


def estimate_minutes(cells: list[NotebookNode]) -> float:
    """Minutes to read and run these cells, exercises left out."""
    found, ran = size(cells), sum(1 for cell in code_cells(cells) if not question(cell))
    return found["words"] / WORDS_A_MINUTE + ran * MINUTES_A_CODE_CELL + found["lines of code"] * MINUTES_A_LINE


def long_cells(cells: list[NotebookNode]) -> list[str]:
    """Notes on code cells that are longer than a reader takes in at once; worth a look, not an error."""
    notes = []
    for cell in code_cells(cells):
        if code_lines(cell) > MAX_CODE_LINES and "folded" not in tags(cell):
            notes.append(f"{code_lines(cell)} lines of code in the cell {first_line(cell)}")
    return notes


def output_problems(notebook: NotebookNode) -> list[str]:
    """What is wrong with the stored outputs of a notebook."""
    problems = []
    for cell in code_cells(notebook.cells):
        where = f"cell {first_line(cell)}"
        if cell.execution_count is None:
            problems.append(f"{where} was not executed: run tools/execute.py")
            break  # nor was anything behind it
        for output in cell.outputs:
            kinds = set(output.get("data", {}))
            if output.output_type == "error":
                problems.append(f"{where} holds an error: {output.ename}: {output.evalue}")
            elif "application/vnd.plotly.v1+json" in kinds:
                problems.append(f"{where} holds an interactive figure, not its picture: run tools/execute.py")
            elif "image/png" in kinds and not output.metadata.get("image/png", {}).get("alt"):
                problems.append(f"{where} holds a picture without alternative text: run tools/execute.py")
            elif "external-text" in tags(cell) and kinds != {"image/png"}:
                problems.append(f"{where} is tagged external-text and holds text: run tools/execute.py")
    return problems
