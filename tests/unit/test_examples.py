"""Each public name of the library has an example in its docstring, and all examples run as they stand."""

import doctest
import importlib
import inspect

import pytest

ROOMS = ("data", "embedding", "measuring", "learning", "drawing", "teaching")
DOORS = {name: importlib.import_module(f"course_utils.{name}") for name in ROOMS}


def public_names():
    """The functions and classes that the doors offer, with those of the modules that they offer whole."""
    found = {}
    for room, door in DOORS.items():
        for name in dir(door):
            thing = getattr(door, name)
            inside = vars(thing).items() if inspect.ismodule(thing) else [(name, thing)]
            for key, each in inside:
                made_here = getattr(each, "__module__", "").startswith(f"course_utils.{room}.")
                is_error = inspect.isclass(each) and issubclass(each, Exception)
                if made_here and callable(each) and not key.startswith("_") and not is_error:
                    found[f"{each.__module__}.{each.__qualname__}"] = each
    return found


PUBLIC = public_names()


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", PUBLIC)
def test_example(name):
    thing = PUBLIC[name]
    finder = doctest.DocTestFinder(recurse=False)
    examples = [test for test in finder.find(thing, name, globs={}) if test.examples]
    if inspect.isclass(thing):  # a class shows what it does as a whole; its methods may add to that
        members = [each for key, each in inspect.getmembers(thing, inspect.isroutine) if not key.startswith("_")]
        methods = [each for each in members if str(getattr(each, "__module__", "")).startswith("course_utils.")]
        examples += [
            test for each in methods for test in finder.find(each, each.__qualname__, globs={}) if test.examples
        ]
    assert examples and finder.find(thing, name, globs={})[0].examples, f"{name} shows no example"
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said = []
    for test in examples:
        runner.run(test, out=said.append)
    assert not said, "".join(said)
