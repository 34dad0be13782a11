"""The library stays small, and no class or function grows beyond what one reads at a time."""

import pytest
from size import PACKAGE, code_lines, definitions, totals

# a sixth of the library reads what other people hand in: files of any kind, and the answers of servers
MOST_LINES = {"library": 6095, "app": 4615}
DEFINITIONS = [each for path in PACKAGE.rglob("*.py") for each in definitions(path)]


@pytest.mark.parametrize("part", MOST_LINES)
def test_lines_of_code(part):
    assert totals()[part] <= MOST_LINES[part], "`python tests/repository/size.py` says where they are"


def test_classes_and_functions_are_short():
    most = {"class": 200, "function": 60}
    assert [each for each in DEFINITIONS if each.lines > most[each.kind]] == []


def test_no_function_takes_more_than_ten_parameters():
    # a command's parameters are its options; encode() has those of sentence-transformers and three of ours
    assert [each for each in DEFINITIONS if each.parameters > 10 and "app.command()" not in each.decorators] == []


def test_only_code_counts():
    source = (
        '"""Docstring\nof two lines."""\n\n# a comment\ndef f(x):\n    """Doc."""\n    return (x +\n            1)\n'
    )
    assert code_lines(source) == {5, 7, 8}
