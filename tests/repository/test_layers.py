"""The library's rooms: who may call whom, in at the door only, and nobody in a circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from size import PACKAGE, ROOT

#: A room may import from the rooms before it, never from those behind.
LAYERS = ("data", "embedding", "measuring", "learning", "drawing", "teaching", "app")
FILES = sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Modules of the library that a file imports, at its top or inside a function: dotted names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    assert not [name for name in found if name.startswith(".")], "relative imports hide the room"
    return {name for name in found if name.partition(".")[0] == "course_utils"}


def room(name: str) -> str:
    """The room of a dotted name, "" for what lies beside the rooms."""
    part = [*name.split("."), ""][1]
    return part if part in LAYERS else ""


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_a_room_imports_only_from_the_rooms_before_it(path):
    own = room(module_of(path))
    rooms = {room(name) for name in imported(path)} - {own, ""}
    before = LAYERS if own == "app" else LAYERS[: LAYERS.index(own)] if own else ()
    assert rooms <= set(before)


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_other_rooms_are_entered_by_the_door(path):
    # a door is the package itself; what it does not offer is the room's own affair
    own = room(module_of(path))
    windows = {
        name
        for name in imported(path)
        if room(name) not in (own, "")
        and (PACKAGE / f"{'/'.join(name.split('.')[1:])}.py").exists()
        and name.split(".")[-1] not in door(room(name))
    }
    assert windows == set()


def door(name: str) -> dict[str, str]:
    """Public names of a room, and the module that each comes from ("" for a module of the room)."""
    tree = ast.parse((PACKAGE / name / "__init__.pyi").read_text(encoding="utf-8"))
    return {
        alias.asname or alias.name: node.module or ""
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_nothing_is_imported_in_a_circle():
    graph: dict[str, set[str]] = {}
    for path in FILES:
        edges = set()
        for name in imported(path):
            parts = name.split(".")
            if (
                len(parts) == 3 and room(name) not in ("", "app") and parts[2] in door(parts[1])
            ):  # a lazy name stands for its module
                edges.add(f"course_utils.{parts[1]}.{door(parts[1])[parts[2]] or parts[2]}")
            elif (PACKAGE / f"{'/'.join(parts[1:])}.py").exists():
                edges.add(name)
        graph[module_of(path)] = edges - {module_of(path)}
    list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle
