"""Makes wrong answers out of a right one: each mutant is the reference solution with one small mistake of a usual kind.

Which numbers are sizes that could be hard-coded, and what is a list, is seen from the checker's first call.
"""

import ast
import difflib
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import pandas as pd

# names that are taken for one another
_NAMES = {
    "mean": ("sum", "median", "max"),
    "median": ("mean",),
    "sum": ("mean", "prod"),
    "max": ("min", "sum"),
    "min": ("max",),
    "argmax": ("argmin",),
    "argmin": ("argmax",),
    "idxmax": ("idxmin",),
    "any": ("all",),
    "argsort": ("sort",),
    "sort": ("argsort",),
    "var": ("std",),
    "std": ("var",),
    "ceil": ("floor", "round"),
    "norm": ("sum",),
    "exp": ("exp2",),
    "log": ("log2", "log1p"),
    "permutation": ("choice",),
    "perf_counter": ("process_time",),
}
_OPERATORS = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult, ast.FloorDiv),
    ast.Pow: (ast.Mult,),
    ast.BitAnd: (ast.BitOr, ast.BitXor),
    ast.BitOr: (ast.BitAnd,),
    ast.Lt: (ast.LtE, ast.Gt, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
_MUTABLE = (np.ndarray, list, pd.DataFrame)
_MODULES = ("np", "time", "math")
Seen = dict[tuple, Any]  # an expression's place: its first value if it is a number or a string, else its type


def mutants(source: str, check: Callable[[Callable], Any]) -> dict[str, Callable]:
    """Functions with one mistake each, by the lines that are new in them.

    `source` defines the right function, and `check` calls it on the test cases.
    """
    lines = ast.unparse(ast.parse(source)).splitlines()
    found: dict[str, Callable] = {}
    texts = {"\n".join(lines)}
    for text in _texts(source, _seen(source, check)):
        if text not in texts:
            texts.add(text)
            label = _label(lines, text.splitlines())
            found[label if label not in found else f"{label} ({len(found)})"] = _function(ast.parse(text))
    return found


def _function(tree: ast.Module, **names: Any) -> Callable:
    namespace = {"np": np, "_spoiled": _spoiled, **names}
    exec(compile(tree, "<mutant>", "exec"), namespace)
    return namespace[next(node.name for node in tree.body if isinstance(node, ast.FunctionDef))]


def _label(old: list[str], new: list[str]) -> str:
    changes = [line for line in difflib.ndiff(old, new) if line[0] in "+-"]
    added = [line[2:].strip() for line in changes if line[0] == "+"]
    return " | ".join(added) or " | ".join("without " + line[2:].strip() for line in changes)


# ------------------------------------------------------------------ what the expressions of the reference are at first


def _place(node: ast.AST) -> tuple:
    return type(node).__name__, node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


class _Watched(ast.NodeTransformer):
    """Has each expression reported to `_watch(place, value)`."""

    def visit_Call(self, node):
        if isinstance(node.func, ast.Attribute):
            node.func.value = self.visit(node.func.value)
        node.args = [self.visit(each) for each in node.args]
        node.keywords = [self.visit(each) for each in node.keywords]
        return self._wrapped(node)

    def visit(self, node):
        if isinstance(node, ast.Call):
            return self.visit_Call(node)
        watched = isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
        part = isinstance(node, ast.Slice | ast.Starred | ast.JoinedStr | ast.Lambda | ast.GeneratorExp | ast.Constant)
        index = isinstance(node, ast.Tuple) and any(isinstance(each, ast.Slice) for each in node.elts)
        module = ast.unparse(node).split(".")[0] in _MODULES
        self.generic_visit(node)
        return self._wrapped(node) if watched and not (part or index or module) else node

    def _wrapped(self, node):
        place = ast.Constant(_place(node))
        return ast.copy_location(ast.Call(ast.Name("_watch", ast.Load()), [place, node], []), node)


def _seen(source: str, check: Callable) -> Seen:
    seen: Seen = {}

    def watch(place, value):
        if place not in seen:
            scalar = value.item() if isinstance(value, np.generic) else value
            seen[place] = scalar if isinstance(scalar, int | float | str) else type(value)
        return value

    tree = ast.fix_missing_locations(_Watched().visit(ast.parse(source)))
    result = check(_function(tree, _watch=watch))
    assert result.outcome == "correct", result
    return seen


def _spoiled(result: Any, argument: Any) -> Any:
    """Change an argument in place, once the result is known."""
    result = deepcopy(result)
    if isinstance(argument, np.ndarray):
        argument[...] = np.roll(argument, 1) if argument.dtype.kind in "US" else argument + 1
    elif isinstance(argument, list):
        argument.append(argument[-1])
    elif isinstance(argument, pd.DataFrame):
        argument["new"] = 0
    return result


# ---------------------------------------------------------------------------------------------------------- mistakes


def _texts(source: str, seen: Seen) -> Iterator[str]:
    tree = ast.parse(source)
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef))
    for owner in ast.walk(tree):
        for field, value in ast.iter_fields(owner):
            holder = value if isinstance(value, list) else vars(owner)
            for key in list(range(len(value))) if isinstance(value, list) else [field]:
                node = holder[key]
                if not isinstance(node, ast.AST) or node is function:
                    continue
                for other in _mistakes(node, owner, seen):
                    holder[key] = other
                    yield ast.unparse(ast.fix_missing_locations(tree))
                holder[key] = node
    yield from _in_place(tree, function, seen)


def _in_place(tree: ast.Module, function: ast.FunctionDef, seen: Seen) -> Iterator[str]:
    read = {node.id: seen.get(_place(node)) for node in ast.walk(function) if isinstance(node, ast.Name)}
    for returned in [node for node in ast.walk(function) if isinstance(node, ast.Return) and node.value]:
        value = returned.value
        for name in [each.arg for each in function.args.args if read.get(each.arg) in _MUTABLE]:
            returned.value = _call(_name("_spoiled"), value, _name(name))
            yield ast.unparse(tree)
        returned.value = value


def _mistakes(node: ast.AST, owner: ast.AST, seen: Seen) -> Iterator[ast.AST]:
    if isinstance(node, ast.stmt):
        yield from _statements(node)
    elif isinstance(node, ast.comprehension):
        yield from (_with(node, ifs=[each for each in node.ifs if each is not one]) for one in node.ifs)
        yield _with(node, iter=_sliced(node.iter, upper=_negative(1)))
    elif isinstance(node, ast.operator | ast.cmpop | ast.boolop):
        yield from (kind() for kind in _OPERATORS.get(type(node), ()))
    elif isinstance(node, ast.Slice):
        yield from (_with(node, **{part: None}) for part in ("lower", "upper", "step") if getattr(node, part))
    elif isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        is_function = isinstance(owner, ast.Call) and node is owner.func
        is_module = isinstance(node, ast.Name) and node.id in _MODULES
        is_seed = isinstance(owner, ast.Call) and ast.unparse(owner.func).endswith("default_rng")
        if not is_function and not is_module and not is_seed:
            yield from _expressions(node, owner)
            yield from _values(node, owner, seen)


def _statements(node: ast.stmt) -> Iterator[ast.AST]:
    if not isinstance(node, ast.Return | ast.FunctionDef | ast.Import | ast.ImportFrom):
        yield ast.Pass()
    if isinstance(node, ast.While | ast.If):
        yield _with(node, test=ast.Constant(True))
        yield ast.If(node.test, node.body, node.orelse)
    if isinstance(node, ast.If):
        yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.For):
        listed = _call(_name("list"), node.iter)
        yield _with(node, iter=_sliced(listed, lower=ast.Constant(1)))
        yield _with(node, iter=_sliced(listed, upper=_negative(1)))


def _expressions(node: ast.expr, owner: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp):
        yield from (node.left, node.right)
        if not isinstance(node.op, ast.Add | ast.Mult | ast.BitAnd | ast.BitOr):
            yield _with(node, left=node.right, right=node.left)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.BoolOp):
        yield from node.values
    elif isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse, _with(node, body=node.orelse, orelse=node.body))
    elif isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant):
        yield node.value
    elif isinstance(node, ast.Constant):
        yield from map(ast.Constant, _other_constants(node.value))
    elif isinstance(node, ast.Call):
        yield from _calls(node)


def _other_constants(value: Any) -> list:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1] if value < 100 else [value // 100]
    if isinstance(value, float):
        return [value / 2, value * 2]
    return ["", value[:-1], value + " "] if isinstance(value, str) else []


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    method = isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value).split(".")[0] not in _MODULES
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    subject = node.func.value if method else node.args[0] if node.args else None
    if subject is not None and not isinstance(subject, ast.Starred):
        yield subject  # the call dropped
    for other in _NAMES.get(name, ()):
        if method and hasattr(np, other):
            yield _with(node, func=_numpy(other), args=[subject, *node.args])
        elif isinstance(node.func, ast.Attribute):
            yield _with(node, func=_with(node.func, attr=other))
        else:
            yield _with(node, func=_name(other))
    for i in range(len(node.args)):
        yield _with(node, args=node.args[:i] + node.args[i + 1 :])
    for one in node.keywords:
        yield _with(node, keywords=[each for each in node.keywords if each is not one])
    if len(node.args) == 2:
        yield _with(node, args=node.args[::-1])
    if name in ("var", "std"):
        yield _with(node, keywords=[*node.keywords, ast.keyword("ddof", ast.Constant(1))])
    if name in ("sorted", "argsort", "sort") and subject is not None:
        yield from _sorts(node, name, subject, method)


def _sorts(node: ast.Call, name: str, subject: ast.expr, method: bool) -> Iterator[ast.AST]:
    """Upside down, and with equal ones in another order."""
    if name == "sorted":
        yield _with(node, keywords=[*node.keywords, ast.keyword("reverse", ast.Constant(True))])
        yield _with(node, args=[_reversed(_call(_name("list"), subject)), *node.args[1:]])
    if isinstance(subject, ast.UnaryOp) and not method:
        yield _sliced(_with(node, args=[subject.operand, *node.args[1:]]), step=_negative(1))
    yield _sliced(node, step=_negative(1))


def _values(node: ast.expr, owner: ast.AST, seen: Seen) -> Iterator[ast.AST]:
    value = seen.get(_place(node))
    returned = isinstance(owner, ast.Return)
    scalar = isinstance(value, int | float | str)
    if scalar:
        yield ast.Constant(value)  # hard-coded
    if isinstance(value, int) and not isinstance(value, bool):
        yield from (ast.BinOp(node, kind(), ast.Constant(1)) for kind in (ast.Add, ast.Sub))
    if isinstance(value, float):
        yield _call(_name("int"), node)
    if isinstance(value, float) and (returned or isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)):
        yield _call(_name("abs"), node)
    if returned and scalar:
        yield from (_call(_name(kind.__name__), node) for kind in (int, float, str) if not isinstance(value, kind))
        yield ast.List([node], ast.Load())
        yield ast.UnaryOp(ast.USub(), node)
    if returned and value in (np.ndarray, list, tuple):
        yield _reversed(node)
        yield _sliced(node, upper=_negative(1))


# ------------------------------------------------------------------------------------------------------------- pieces


def _with(node: ast.AST, **fields: Any) -> Any:
    return type(node)(**{**dict(ast.iter_fields(node)), **fields})


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _numpy(name: str) -> ast.Attribute:
    return ast.Attribute(_name("np"), name, ast.Load())


def _call(function: ast.expr, *arguments: ast.expr) -> ast.Call:
    return ast.Call(function, list(arguments), [])


def _negative(number: int) -> ast.UnaryOp:
    return ast.UnaryOp(ast.USub(), ast.Constant(number))


def _sliced(node: ast.expr, **parts: ast.expr) -> ast.Subscript:
    return ast.Subscript(node, ast.Slice(**parts), ast.Load())


def _reversed(node: ast.expr) -> ast.Subscript:
    return _sliced(node, step=_negative(1))
