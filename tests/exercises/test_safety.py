"""Whatever is handed to a check, it ends within seconds in a message, leaves nothing behind, and reads any answer."""

import _thread
import ast
import builtins
import contextlib
import decimal
import fractions
import io
import itertools
import signal
import sys
import threading
import time
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from nbclient import NotebookClient
from test_exercises import CASES, ROOT, answer_in, exercise

from course_utils.teaching.checks import guard
from course_utils.teaching.checks.asserts import call, require
from course_utils.teaching.exercise import Exercise

CHECKERS = sorted((ROOT / "course_utils/teaching/checks").glob("lesson*.py"))
UNREADABLE, STOPPED = "cannot read your answer", "stopped with"


def four(function):
    require(call(function, [1, 2]) == 4, "Not four.")


def check(function):
    return Exercise("q1", four, ("", ""), "", "Four it is.").check(function)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(guard, "SECONDS", 0.3)


# ---------------------------------------------------------------------------------------- what a function may do


def loops(numbers):
    while True:
        pass


def swallows(numbers):
    while True:
        with contextlib.suppress(BaseException):
            numbers.missing  # noqa: B018


def swallows_all(numbers):
    end = time.perf_counter() + 2
    while time.perf_counter() < end:
        with contextlib.suppress(BaseException):
            while time.perf_counter() < end:
                pass


def loops_in_numpy(numbers):
    while True:
        np.ones((50, 50)) @ np.ones((50, 50))


def prints_for_ever(numbers):
    while True:
        print("x" * 1000)
        print("y" * 1000, file=sys.stderr)


def prints_a_gigabyte(numbers):
    for _ in range(1000):
        print("x" * 1_000_000)
    return 5


def raises(error):
    def wrong(numbers):
        raise error

    return wrong


class Mute(Exception):
    def __str__(self):
        raise self


MISDEEDS = [
    (loops, "had not returned"),
    (swallows, "had not returned"),
    (swallows_all, "still runs: restart the kernel"),
    (loops_in_numpy, "had not returned"),
    (lambda numbers: time.sleep(1), "had not returned"),
    (lambda numbers: itertools.repeat(3), "more than 100,000"),
    (lambda numbers: [iter(int, 1)], "more than 100,000"),
    (prints_for_ever, "had not returned"),
    (prints_a_gigabyte, "Not four"),
    (lambda numbers: input("Four? "), "input()"),
    (lambda numbers: sys.stdin.readline(), "input()"),
    (lambda numbers: sys.exit(3), "exit()"),
    (lambda numbers: exit(), "exit()"),
    (raises(KeyboardInterrupt), "Your code stopped with KeyboardInterrupt"),
    (raises(ValueError), "Your code stopped with ValueError (in the line `raise error`)"),
    (raises(ValueError("x" * 10**6)), "Your code stopped with ValueError: xxx"),
    (raises(Mute), "Your code stopped with Mute"),
    (raises(GeneratorExit), "Your code stopped with GeneratorExit"),
    (lambda numbers: numbers.missing, "`(lambda numbers: numbers.missing, "),
    (lambda numbers: (_ for _ in [1 / 0]), "ZeroDivisionError"),
    (lambda numbers: check.__globals__["MISDEEDS"].missing, "AttributeError"),
    (lambda numbers: numbers.append(3) or 4, "changes its argument `numbers` in place"),
    (lambda numbers, more: 4, "takes (numbers, more), but is called with 1 argument"),
    (type("Callable", (), {"__call__": lambda self, numbers: 5, "__signature__": 5})(), "not four"),
]


@pytest.mark.parametrize(("function", "expected"), MISDEEDS)
def test_no_misdeed_hangs_raises_floods_or_leaves_anything_behind(function, expected, impatient, capsys):
    def state():
        handler = signal.getsignal(signal.SIGINT)
        return sys.stdout, sys.stderr, sys.stdin, builtins.input, sys.gettrace(), threading.gettrace(), handler

    before, begun = state(), time.perf_counter()
    result = check(function)
    assert time.perf_counter() - begun < 5
    assert state() == before
    assert result.outcome == "not yet"
    assert expected.lower() in result.message.lower()
    assert len(result.message) < 600
    shown = capsys.readouterr()
    assert len(shown.out) < 1.1 * guard.CHARACTERS
    assert len(shown.err) < 1.1 * guard.CHARACTERS
    assert check(lambda numbers: 4).outcome == "correct"


def assert_no_thread_beside(before):
    deadline = time.perf_counter() + 5
    while threading.active_count() > before and time.perf_counter() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= before


def test_a_stopped_function_really_ends(impatient):
    before = threading.active_count()
    for function in (loops, swallows, loops_in_numpy, prints_for_ever):
        check(function)
    assert_no_thread_beside(before)


def test_what_a_student_prints_is_shown(capsys):
    assert check(lambda numbers: print("seen", numbers) or 4).outcome == "correct"
    assert capsys.readouterr().out == "seen [1, 2]\n"


@pytest.mark.parametrize("function", [loops, swallows, lambda numbers: time.sleep(1)])
def test_an_interrupt_ends_the_check_and_the_notebook_goes_on(function):
    before = threading.active_count()
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    threading.Timer(0.3, _thread.interrupt_main).start()
    begun = time.perf_counter()
    try:
        result = check(function)
    finally:
        signal.signal(signal.SIGINT, kept)
    assert time.perf_counter() - begun < 2
    assert str(result).startswith("not yet: The check was interrupted.")
    assert check(lambda numbers: 4).outcome == "correct"
    assert_no_thread_beside(before)


KERNEL = """
from course_utils.teaching import exercises
q1, q2, q3, q4, q5, *_ = exercises(1)
def first(a, b):
    while True:
        print("flood")
def second(a, b):
    return input("cosine? ")
def third(a, b):
    exit()
def fourth(a, b):
    display(a)
    breakpoint()
from course_utils.teaching.checks import guard
guard.SECONDS = 0.5
print([q1.check(each).message for each in (first, second, third, fourth)])
"""


def test_a_kernel_survives_it_all():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in (KERNEL, "print('alive')")])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    said = "".join(output.get("text", "") for output in notebook.cells[0].outputs)
    assert len(said) < 2 * guard.CHARACTERS
    for expected in ("flood", "more", "had not returned", "input()", "calls exit()"):
        assert expected in said
    assert notebook.cells[1].outputs[0]["text"] == "alive\n"


# ------------------------------------------------------------------------------------------ what a function may return

recursive: list = []
recursive.append(recursive)


class Odd:
    """Refuses everything."""

    def __getattr__(self, name):
        raise RuntimeError(name)

    __array__ = __len__ = __iter__ = __float__ = __eq__ = __bool__ = __repr__ = lambda self, *args: 1 / 0


ODD = {
    "None": None,
    "true": True,
    "numpy bool": np.True_,
    "zero": 0,
    "negative": -7,
    "huge": 10**400,
    "too many digits": 10**6000,
    "numpy int": np.int8(-3),
    "unsigned": np.uint64(2**63),
    "nan": float("nan"),
    "infinity": -np.inf,
    "numpy nan": np.float32("nan"),
    "complex": 1 + 2j,
    "numpy complex": np.complex64(1j),
    "fraction": fractions.Fraction(1, 7),
    "decimal": decimal.Decimal("NaN"),
    "empty string": "",
    "string": "0.5",
    "long string": "x" * 100_000,
    "numpy string": np.str_("none"),
    "bytes": b"none",
    "ellipsis": ...,
    "not implemented": NotImplemented,
    "function": lambda *args: 1,
    "class": int,
    "module": np,
    "exception": ValueError("returned"),
    "object": object(),
    "odd": Odd(),
    "simple": SimpleNamespace(x=1),
    "stream": io.StringIO("text"),
    "slice": slice(3),
    "empty list": [],
    "empty tuple": (),
    "ragged": [[1, 2], [3]],
    "list of None": [None, None],
    "list of strings": ["a", "b"],
    "mixed": [1, "a", None, 2.5],
    "pairs": [("a", 1.0), ("b", 2.0)],
    "pair of lists": ([1, 2], [3, 4]),
    "pair of None": (None, None),
    "nested": [[[1]]],
    "recursive": recursive,
    "huge in a list": [10**400, 2],
    "nan in a list": [float("nan"), 1.0],
    "set": {1, 2},
    "set of pairs": {(1, 2), (3, 4)},
    "dict": {"a": 1},
    "dict of arrays": {0: np.ones(2)},
    "deque": deque([1, 2]),
    "range": range(5),
    "bytes array": bytearray(b"ab"),
    "0-d": np.array(0.25),
    "0-d object": np.array(None),
    "empty array": np.array([]),
    "object array": np.array([None, "a", 1], dtype=object),
    "ragged object array": np.array([[1], [2, 3]], dtype=object),
    "bool array": np.array([True, False]),
    "complex array": np.ones(3) * 1j,
    "string array": np.array(["a", "b"]),
    "dates": np.array(["2024-01-01"], dtype="datetime64[D]"),
    "records": np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
    "masked": np.ma.masked_array([1.0, 2.0], mask=[True, False]),
    "matrix": np.arange(6.0).reshape(2, 3),
    "cube": np.zeros((2, 2, 2)),
    "nan array": np.full((2, 3), np.nan),
    "float16": np.ones(2, dtype=np.float16),
    "tensor": torch.ones(3),
    "0-d tensor": torch.tensor(0.25),
    "learning tensor": torch.ones(2, requires_grad=True),
    "bfloat16": torch.ones(2, dtype=torch.bfloat16),
    "sparse tensor": torch.eye(2).to_sparse(),
    "series": pd.Series([1.0, None]),
    "string series": pd.Series(["a", "b"]),
    "frame": pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
    "empty frame": pd.DataFrame(),
    "categories": pd.Categorical(["a", "b"]),
    "NA": pd.NA,
    "timestamp": pd.Timestamp("2024-01-01"),
}


def assert_read(result, of):
    assert result.outcome in ("not yet", "not attempted"), (of, result)
    assert result.message and len(result.message) < 900, (of, result)
    assert UNREADABLE not in result.message and STOPPED not in result.message, (of, result)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("lesson", "name"), CASES)
def test_odd_answers_get_a_message_of_the_exercise(lesson, name):
    asked = exercise(lesson, name)
    for kind, odd in ODD.items():
        if kind not in ("function", "class"):
            assert_read(asked.check(odd), kind)
        assert_read(asked.check(lambda *args, odd=odd: odd), f"a function that returns {kind}")
        assert_read(asked.check(lambda *args, odd=odd: (each for each in [odd, odd])), f"a generator of {kind}")
        assert_read(asked.check(lambda *args, odd=odd: [odd, odd]), f"a function that returns a list of {kind}")
    for function in (lambda: 1, lambda a, b, c, d, e, f: 1, lambda *, a: 1, dict, type, max, len, np.ones, Odd):
        result = asked.check(function)
        assert result.outcome == "not yet" and UNREADABLE not in result.message, (function, result)


def plain_dress(value):
    if isinstance(value, tuple):
        return tuple(map(plain_dress, value))
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def is_numeric(value):
    return all(isinstance(each, int | float | np.number) for each in (value if isinstance(value, tuple) else [value]))


def shape(value):
    return (len(value),) if isinstance(value, tuple | list) else np.shape(value)


def dressed(function, dress):
    return lambda *args: dress(function(*args))


DRESSES = {
    "plain": plain_dress,
    "numpy": lambda value: np.asarray(value) if is_numeric(value) else value,
    "tuple": lambda value: tuple(value) if isinstance(plain_dress(value), list) else value,
    "object": lambda value: np.array(value, dtype=object) if isinstance(value, float | np.ndarray) else value,
    "tensor": lambda value: torch.tensor(value) if isinstance(value, int | float | np.ndarray) else value,
    "series": lambda value: pd.Series(value) if isinstance(value, np.ndarray) and value.ndim == 1 else value,
}


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize(("lesson", "name"), CASES)
def test_a_right_answer_is_right_in_every_dress(lesson, name, dress):
    result = exercise(lesson, name).check(dressed(answer_in("solutions", lesson, name), DRESSES[dress]))
    assert result.outcome == "correct", result


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("lesson", "name"), CASES)
def test_answers_of_the_right_shape_and_wrong_kind_get_a_message_of_the_exercise(lesson, name):
    right = answer_in("solutions", lesson, name)
    dresses = {
        "nan": lambda value: np.full(shape(value), np.nan),
        "complex": lambda value: np.full(shape(value), 1j),
        "bool": lambda value: np.full(shape(value), True),
        "strings": lambda value: np.full(shape(value), "a"),
        "None": lambda value: np.full(shape(value), None),
        "huge": lambda value: np.full(shape(value), 10**400, dtype=object),
        "words": lambda value: str(value) + "!",
        "set": lambda value: {1, str(value)},
        "nested": lambda value: [value],
    }
    for kind, dress in dresses.items():
        assert_read(exercise(lesson, name).check(dressed(right, dress)), kind)


@pytest.mark.parametrize("path", CHECKERS, ids=lambda path: path.stem)
def test_checkers_call_a_students_function_through_the_guard_only(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    uses = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "function"]
    called = [node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == "function"]
    assert uses and called == []
