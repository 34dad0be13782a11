"""Finds sentences of a lesson that name a best, a first or an order which nothing measured.

Whatever is picked by its value (``idxmax``, ``nlargest``, ``argmin``, ``max(key=…)``, ``sort_values``, …) may come
first by chance. So it may reach ``say`` only through a function that knows how close the second was:
``intervals.leader`` with ``say.leader``, or ``say.top`` where there are no cases. A pick is followed by the names of
variables, through strings, lists and functions, from cell to cell. NumPy's picks along an axis, one for each row, are
the daily business of a search and let through. A line whose pick is no claim about a best (a threshold, a setting)
ends with ``# fixed: why``; so may the line where ``say`` is called.
"""

import ast
import re
from collections.abc import Iterable

_ALONG_AN_AXIS = {"argmax", "argmin", "nanargmax", "nanargmin", "argsort", "argpartition"}
_PICKS = {"idxmax", "idxmin", "nlargest", "nsmallest", "sort_values", *_ALONG_AN_AXIS}
_KNOW_THE_SECOND = {"leader", "top"}
_ADD = {"append", "extend", "insert", "add", "update", "setdefault"}
_FIXED = re.compile(r"# fixed: \S")


def unmeasured_orders(sources: Iterable[str]) -> list[tuple[int, str]]:
    """The calls of ``say`` that a pick by value reaches, in code cells run one after the other: cell from 0, code."""
    reader = _Reader()
    found: dict[tuple[int, str], None] = {}  # loops are read twice
    for number, source in enumerate(sources):
        reader.lines, reader.said = source.splitlines(), []
        reader.visit(ast.parse(source))
        found |= dict.fromkeys((number, said) for said in reader.said)
    return list(found)


class _Reader(ast.NodeVisitor):
    """Reads code from top to bottom; ``picked`` holds the names whose values were picked by value."""

    def __init__(self) -> None:
        self.picked: set[str] = set()
        self.lines: list[str] = []
        self.said: list[str] = []
        self.end = 0  # line where the statement that is being read ends

    def is_picked(self, node: ast.AST) -> bool:
        """Whether something picked by value is a part of this expression."""
        if isinstance(node, ast.Name):
            return node.id in self.picked
        if isinstance(node, ast.Call):
            name, given = _name(node.func), {keyword.arg for keyword in node.keywords}
            if name in _KNOW_THE_SECOND:
                return False
            by_value = name in _PICKS and not (name in _ALONG_AN_AXIS and "axis" in given)
            by_value |= isinstance(node.func, ast.Name) and name in {"max", "min", "sorted"} and "key" in given
            if (by_value or f"{name}()" in self.picked) and not self.is_fixed(node):
                return True
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Call) and _name(node.value.func) == "sorted":
            return not self.is_fixed(node)
        return any(self.is_picked(each) for each in ast.iter_child_nodes(node))

    def is_fixed(self, node: ast.expr) -> bool:
        return any(_FIXED.search(line) for line in self.lines[node.lineno - 1 : max(self.end, node.end_lineno)])

    def mark(self, target: ast.AST, picked: bool) -> None:
        """Note for the names that are given a value whether it was picked; what was picked into a table stays in it."""
        if isinstance(target, (ast.Tuple, ast.List)):
            for each in target.elts:
                self.mark(each, picked)
            return
        whole = isinstance(target, ast.Name)
        while isinstance(target, (ast.Subscript, ast.Attribute, ast.Starred)):
            target = target.value
        if isinstance(target, ast.Name):
            if picked:
                self.picked.add(target.id)
            elif whole:
                self.picked.discard(target.id)

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.stmt) and not hasattr(node, "body"):
            self.end = node.end_lineno
        super().visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            self.mark(target, self.is_picked(node.value))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.generic_visit(node)
        self.mark(node.target, node.value is not None and self.is_picked(node.value))

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.generic_visit(node)
        if self.is_picked(node.value):
            self.mark(node.target, True)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.generic_visit(node)
        self.mark(node.target, self.is_picked(node.value))

    def visit_For(self, node: ast.For) -> None:
        self.end = node.iter.end_lineno
        self.mark(node.target, self.is_picked(node.iter))
        for _ in range(2):  # what the end of the loop picks, its beginning has the next time
            self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self.mark(node.target, self.is_picked(node.iter))
        self.generic_visit(node)

    def _generators_first(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        for each in node.generators:
            self.visit(each)
        self.generic_visit(node)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _generators_first

    def visit_If(self, node: ast.If) -> None:
        self.generic_visit(node)
        self.end = node.test.end_lineno
        if self.is_picked(node.test):  # which branch was taken says it as well
            for each in ast.walk(node):
                if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                    self.picked.add(each.id)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """A function gives what it returns; its parameters and variables are its own."""
        outside = set(self.picked)
        self.picked -= {each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)}
        self.generic_visit(node)
        returned = [each for each in ast.walk(node) if isinstance(each, ast.Return) and each.value is not None]
        gives = any(self.is_picked(each.value) for each in returned)
        self.picked = outside
        self.mark(ast.Name(f"{node.name}()"), gives)  # what it gives, not the function, which may be handed on

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        function, given = node.func, [*node.args, *(keyword.value for keyword in node.keywords)]
        if not isinstance(function, ast.Attribute) or not any(self.is_picked(each) for each in given):
            return
        if function.attr in _ADD:
            self.mark(function.value, True)
        says = isinstance(function.value, ast.Name) and function.value.id == "say"
        if says and function.attr not in _KNOW_THE_SECOND and not self.is_fixed(node):
            self.said.append(ast.unparse(node))


def _name(function: ast.expr) -> str:
    """The last part of a function's name."""
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
