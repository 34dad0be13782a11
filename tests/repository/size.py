"""How large the library is: lines of code of each room, its longest functions and classes.

    python tests/repository/size.py

prints the table. Blank lines, comments and docstrings do not count; the rooms' lists of public names
(``__init__.pyi``) are counted apart.
"""

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "course_utils"
_NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Definition(NamedTuple):
    """A class or function: where it stands, how many lines of code it has, how many parameters (self apart)."""

    place: str
    kind: str
    lines: int
    parameters: int
    decorators: tuple[str, ...]


def code_lines(source: str) -> set[int]:
    """Numbers of the lines that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
            lines.difference_update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return lines


def definitions(path: Path) -> Iterator[Definition]:
    """Every class and function of a file, those inside others too."""
    source = path.read_text(encoding="utf-8")
    lines = code_lines(source)
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        n_lines = len(lines.intersection(range(node.lineno, node.end_lineno + 1)))
        place = f"{path.relative_to(ROOT).as_posix()}:{node.lineno} {node.name}"
        decorators = tuple(ast.unparse(each) for each in node.decorator_list)
        if isinstance(node, ast.ClassDef):
            yield Definition(place, "class", n_lines, 0, decorators)
            continue
        names = [each.arg for each in (*node.args.posonlyargs, *node.args.args)]
        names = names[1:] if names[:1] in (["self"], ["cls"]) else names
        n_parameters = len(names) + len(node.args.kwonlyargs) + bool(node.args.vararg) + bool(node.args.kwarg)
        yield Definition(place, "function", n_lines, n_parameters, decorators)


def room(path: Path) -> str:
    """The first folder below the package, ``checks`` for the checkers, "" for what lies beside the rooms."""
    parts = path.relative_to(PACKAGE).parts
    return "checks" if "checks" in parts else parts[0] if len(parts) > 1 else ""


def sizes() -> dict[str, dict[str, int]]:
    """Lines of code of each module, by room."""
    found: dict[str, dict[str, int]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        n_lines = len(code_lines(path.read_text(encoding="utf-8")))
        found.setdefault(room(path), {})[path.relative_to(PACKAGE).as_posix()] = n_lines
    return found


def totals() -> dict[str, int]:
    """Lines of code of the library without application and checkers, of those two, and of the lists of names."""
    by_room = {name: sum(files.values()) for name, files in sizes().items()}
    app, checks = by_room.pop("app"), by_room.pop("checks")
    names = sum(len(code_lines(path.read_text(encoding="utf-8"))) for path in PACKAGE.rglob("*.pyi"))
    return {"library": sum(by_room.values()), "app": app, "checks": checks, "lists of public names": names}


def main() -> None:
    """Print the table."""
    for name, files in sizes().items():
        print(f"{sum(files.values()):5}  {name or 'course_utils'}")
        for file, n_lines in files.items():
            print(f"{'':5}  {n_lines:5}  {file}")
    print(*(f"{n_lines:5}  {name} in all" for name, n_lines in totals().items()), sep="\n")
    every = [each for path in PACKAGE.rglob("*.py") for each in definitions(path)]
    for kind in ("class", "function"):
        for each in sorted((each for each in every if each.kind == kind), key=lambda each: -each.lines)[:5]:
            print(f"{each.lines:5}  {kind} {each.place}")


if __name__ == "__main__":
    main()
