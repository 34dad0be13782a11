"""Finds what an exercise's answer needs of a notebook, so that grading runs those lines and no more.

Every check of the course calls the student's function with data of its own. What such a function needs of the notebook
is what its cell names: imports, helpers, perhaps a value. So a notebook is read as top-level statements. From the cell
of the answer one goes backwards, by names: a name that is used brings in the statements that bind or change it, with
what those use, in the notebook's order. ``import numpy as np`` of the set-up cell is run, the loading of a model beside
it is not, unless the answer names the model. Names hidden in strings or ``globals()`` are not seen.
"""

import ast
import builtins
import re
from dataclasses import dataclass
from symtable import symtable
from typing import NamedTuple


class Block(NamedTuple):
    """Some statements of a cell: what it is called in messages, its source, and which statements are run."""

    name: str
    source: str
    statements: list[int]

    def tree(self) -> ast.Module:
        """The statements, with the line numbers of their cell."""
        body = ast.parse(self.source).body
        return ast.Module([body[i] for i in self.statements], type_ignores=[])


@dataclass(frozen=True)
class Answer:
    """Where an answer stands.

    Attributes
    ----------
    state : {"missing", "untouched", "broken", "written"}
        "broken" for a cell that is no Python.
    cell : int
        Its number in the notebook, from 1; 0 for none.
    source : str
        What is written there; for a broken cell, ``message`` says what is off.
    blocks : list of Block
        What is run, the answer last.
    names : list of str
        What the answer may be called, the most likely first.
    """

    state: str
    cell: int = 0
    source: str = ""
    message: str = ""
    blocks: list[Block] = ()  # type: ignore[assignment]
    names: list[str] = ()  # type: ignore[assignment]


class _Statement(NamedTuple):
    cell: int
    number: int
    node: ast.stmt
    binds: set[str]
    uses: set[str]


def code_cells(notebook: dict) -> list[tuple[int, dict, str]]:
    """Number, cell and source of each cell with code."""
    return [
        (number, cell, source_of(cell))
        for number, cell in enumerate(notebook["cells"], start=1)
        if cell.get("cell_type") == "code"
    ]


def source_of(cell: dict) -> str:
    """What is written in a cell; lines of IPython's own (``%``, ``!``) are left out."""
    lines = "".join(cell.get("source", "")).splitlines()
    return "\n".join(re.sub(r"^(\s*)[%!?].*|^\s*[\w.]+\?+$", r"\1pass", line) for line in lines)


def tags_of(cell: dict) -> set[str]:
    """The tags of a cell, none where its metadata are of another form."""
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return {each for each in tags if isinstance(each, str)} if isinstance(tags, list) else set()


def find_answer(notebook: dict, lesson: dict, exercise: str) -> Answer:
    """Find an exercise's answer in a student's notebook, by the lesson that it was copied from.

    Any cell that defines it, by the lesson's name or by that which is passed to the check, is an attempt, and so is the
    lesson's cell, known by its id or its tags, that is no Python any more. Of several attempts the last counts.
    """
    stub = next(cell for _, cell, _ in code_cells(lesson) if {"exercise", exercise} <= tags_of(cell))
    wanted = [node.name for node in ast.parse(source_of(stub)).body if isinstance(node, ast.FunctionDef)]
    unchanged = {source.strip() for _, _, source in code_cells(lesson)}
    cells, broken = code_cells(notebook), dict[int, str]()
    statements: list[_Statement] = []
    for number, _, source in cells:
        try:
            statements += _statements(number, source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None)
            broken[number] = f"{type(error).__name__}: {getattr(error, 'msg', error)}" + (
                f" (line {line})" if line else ""
            )
    place = next((n for n, cell, _ in cells if "id" in stub and cell.get("id") == stub["id"]), 0)
    place = place or next((n for n, cell, _ in cells if {"exercise", exercise} <= tags_of(cell)), 0)
    text = {number: source for number, _, source in cells}
    own = {number for number in text if text[number].strip() not in unchanged}
    names = wanted + [each for each in _checked(statements, exercise) if each not in wanted]
    attempts = [each.cell for each in statements if each.cell in own and each.binds & set(names)]
    begun = re.compile(rf"^\s*(?:async\s+)?def\s+(?:{'|'.join(map(re.escape, names))})\b", re.MULTILINE)
    attempts += [number for number in broken if number in own and (number == place or begun.search(text[number]))]
    if not attempts:
        is_there = source_of(stub).strip() in {source.strip() for source in text.values()}
        return Answer("untouched", place) if is_there else Answer("missing")
    cell = max(attempts)
    if cell in broken:
        return Answer("broken", cell, text[cell], broken[cell])
    bound = {name for each in statements for name in each.binds}
    for number, _, source in code_cells(lesson):  # of cells that the student has removed
        text[number - len(lesson["cells"]) - 1] = source
        lost = _statements(number - len(lesson["cells"]) - 1, source)
        statements += [each for each in lost if each.binds and not each.binds & bound]
    return Answer("written", cell, text[cell], "", _blocks(statements, cell, text, names), names)


def _statements(cell: int, source: str) -> list[_Statement]:
    return [_Statement(cell, number, node, *_names(node)) for number, node in enumerate(ast.parse(source).body)]


def _names(node: ast.stmt) -> tuple[set[str], set[str]]:
    """Names of the notebook that a statement binds or changes, and those that it uses, in functions too."""
    table = symtable(ast.unparse(node), "cell", "exec")
    binds = {each.get_name() for each in table.get_symbols() if each.is_assigned() or each.is_imported()}
    uses = {each.get_name() for each in table.get_symbols() if each.is_referenced()}
    inner = list(table.get_children())
    while inner:
        scope = inner.pop()
        uses |= {each.get_name() for each in scope.get_symbols() if each.is_global()}
        inner += scope.get_children()
    changed = _changed(node)
    return binds | changed, uses | changed


def _changed(node: ast.stmt) -> set[str]:
    """Names whose value a statement changes: ``table["a"] = 1``, ``model.x = 2``, ``found.append(3)``."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = list(node.targets)
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        targets = [node.target]
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        targets = [node.value.func]
    found = set()
    for target in targets:
        while isinstance(target, ast.Attribute | ast.Subscript):
            target = target.value
            if isinstance(target, ast.Name):
                found.add(target.id)
    return found


def _is_question(node: ast.stmt) -> bool:
    """Whether a statement only asks an exercise: ``q1.check(…)``."""
    call: ast.expr | None = node.value if isinstance(node, ast.Expr) else None
    while isinstance(call, ast.Call | ast.Attribute):
        call = call.func if isinstance(call, ast.Call) else call.value
    return isinstance(call, ast.Name) and re.fullmatch(r"q\d+", call.id) is not None


def _checked(statements: list[_Statement], exercise: str) -> list[str]:
    """What the notebook passes to the exercise's check, where that is a name."""
    return [
        call.args[0].id
        for each in statements
        for call in ast.walk(each.node)
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) == f"{exercise}.check"
        and call.args
        and isinstance(call.args[0], ast.Name)
    ]


def _blocks(statements: list[_Statement], cell: int, text: dict[int, str], names: list[str]) -> list[Block]:
    """All that the answer's cell needs, in the notebook's order, and that cell, which comes last."""
    imported = {
        name for each in statements if isinstance(each.node, ast.Import | ast.ImportFrom) for name in each.binds
    }
    chosen = {each[:2]: each for each in statements if each.cell == cell and not _is_question(each.node)}
    waiting, known = list(chosen.values()), set(dir(builtins)) | set(names)
    while waiting:
        for name in waiting.pop().uses - known:
            known.add(name)
            for each in statements:
                # `np.seterr(…)` is no change of a value that the answer needs, nor is what only tries the answer out
                idle = isinstance(each.node, ast.Expr) and (name in imported or each.uses & set(names))
                if name in each.binds and each[:2] not in chosen and not idle and not _is_question(each.node):
                    chosen[each[:2]] = each
                    waiting.append(each)
    numbers: dict[int, list[int]] = {}
    for of_cell, number in sorted(chosen):
        numbers.setdefault(of_cell, []).append(number)
    ordered = sorted(numbers, key=lambda each: (each == cell, each))
    return [Block(f"cell {each}" if each > 0 else "the lesson", text[each], numbers[each]) for each in ordered]
