"""Runs a student's function so that the notebook goes on, whatever that function does.

The function runs in a thread of its own, so that the kernel's main thread can give up waiting for it on every platform.
What it returns is turned into plain Python and NumPy values there, so that no checker runs a student's code by looking
at it.

What cannot be interrupted from inside a process: a single call into C that never lets go of the interpreter, such as
``sum(range(10**12))``, and ``os._exit()``. The kernel has to be restarted then. A call into C that does let go of it
(``time.sleep``, a large matrix product) gets its message in time, and ends on its own, out of sight; a loop around a
bare ``except:`` around another loop gets its message, too, but only a restart ends it.
"""

import builtins
import ctypes
import io
import linecache
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from itertools import islice
from threading import Event, Thread
from time import monotonic  # by name, because a checker may set the module's clocks
from typing import Any
from unittest import mock

import numpy as np

SECONDS = 5.0  # for one call of a student's function; the test cases take milliseconds
CHARACTERS = 2_000  # shown of what is printed during one check
_ITEMS = 100_000  # read of one answer
_EXIT = "Your function calls exit(), which would end the notebook. End it with `return …`."
_LETTERS = 500  # of each string in it


class NotYet(Exception):
    """Raised by a checker, with a message for the student that names what is off."""


class _Capped(io.TextIOBase):
    """Passes the first characters on to a stream, and says once that there were more."""

    def __init__(self, stream: Any):
        self._stream, self._left = stream, CHARACTERS

    def write(self, text: str) -> int:
        left, self._left = self._left, max(self._left - len(text), -1)
        if left >= 0:
            self._stream.write(text[:left] + (" … (and more)\n" if self._left < 0 else ""))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()


class _NoKeyboard(io.TextIOBase):
    """Stands in for ``sys.stdin``, so that neither a prompt nor a debugger waits for somebody."""

    def readline(self, *_: Any) -> Any:
        return _refuse_input()

    read = readline


def _refuse_input(*_: Any) -> str:
    raise NotYet("Your function asks for input(), and nobody is there to answer: it gets all it needs as arguments.")


def _refuse_exit() -> None:
    raise NotYet(_EXIT)


@contextmanager
def quiet() -> Iterator[None]:
    """Cap what is printed, and let nothing wait for the keyboard or end the kernel; all is put back afterwards.

    Examples
    --------
    >>> from course_utils.teaching.checks.guard import quiet
    >>> with quiet():
    ...     print("a" * 10)
    aaaaaaaaaa
    """
    shell = getattr(builtins, "get_ipython", lambda: None)()
    with ExitStack() as stack:
        for name in ("stdout", "stderr"):
            stack.enter_context(mock.patch.object(sys, name, _Capped(getattr(sys, name))))
        stack.enter_context(mock.patch.object(sys, "stdin", _NoKeyboard()))
        stack.enter_context(mock.patch.object(builtins, "input", _refuse_input))
        if shell is not None:  # IPython's own exit() goes through it
            stack.enter_context(mock.patch.object(shell, "ask_exit", _refuse_exit, create=True))
        yield


def run(function: Callable, *arguments: Any) -> Any:
    """Return what a student's function returns, in plain values; raise :class:`NotYet` if it fails or takes too long.

    Parameters
    ----------
    function : callable
        What was passed to ``check``.
    *arguments
        What it is called with.

    Returns
    -------
    object
        What it returned, as :func:`plain` has it.

    Raises
    ------
    NotYet
        If the function raises anything, asks for input, ends the program, or has not returned after ``SECONDS``.

    Examples
    --------
    >>> from course_utils.teaching.checks.guard import run
    >>> run(range, 3)
    [0, 1, 2]
    """
    outcome: list[Any] = []
    done = Event()  # not the thread's join(), after whose interruption Python 3.11 takes a running thread for ended

    def work() -> None:
        try:
            value = function(*arguments)
            outcome.append(_read(list(islice(value, _ITEMS + 1)) if isinstance(value, Iterator) else value))
        except BaseException as error:
            outcome.append(_finding(error))
        finally:
            done.set()

    thread = Thread(target=copy_context().run, args=(work,), daemon=True)
    thread.start()
    late = monotonic() + SECONDS
    try:
        while not done.wait(0.1) and monotonic() < late:
            pass  # in slices, because Windows does not interrupt a wait
    finally:
        in_time = done.is_set()
        if not in_time:
            _stop(thread, done)
    if not in_time:
        still = "" if done.is_set() else " It could not be stopped and still runs: restart the kernel soon."
        raise NotYet(
            f"Your function had not returned after {SECONDS:g} seconds. Does a loop in it never end? If it was only "
            f"importing something large, run this cell again.{still}"
        )
    if isinstance(outcome[0], NotYet):
        raise outcome[0]
    return outcome[0]


def _stop(thread: Thread, done: Event) -> None:
    """End a thread from outside, as often as it takes: ``except:`` in a loop may swallow an attempt."""

    def insist() -> None:
        pause = 0.01
        while not done.is_set() and thread.is_alive():
            # SystemExit ends a thread without a word
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))
            done.wait(pause)
            pause = min(2 * pause, 1.0)

    Thread(target=insist, daemon=True).start()
    done.wait(0.5)


def _finding(error: BaseException) -> NotYet:
    """What a student is told of an exception in the function."""
    if isinstance(error, NotYet):
        return error
    if isinstance(error, SystemExit):
        return NotYet(_EXIT)
    name = type(error).__name__
    try:
        words = f"{name}: {shown(str(error), 300)}" if str(error) else name
    except BaseException:  # an exception class may do what it likes when it is put into words
        words = name
    frame = error.__traceback__.tb_next if error.__traceback__ else None
    if frame is None:  # no line of Python ran
        return NotYet(f"Pass the function that you wrote to check(); what you passed stopped with {words}")
    own, line = frame.tb_frame.f_code.co_filename, ""
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == own:
            line = linecache.getline(own, frame.tb_lineno).strip()
        frame = frame.tb_next
    return NotYet(f"Your code stopped with {words}" + (f" (in the line `{shown(line, 100)}`)" if line else ""))


def _read(value: Any) -> Any:
    """Turn a value into plain ones, or into an empty stand-in where it refuses."""
    try:
        return plain(value)
    except NotYet:
        raise
    except Exception:  # whatever an odd class does when it is looked at
        return _stand_in(value)


def plain(value: Any) -> Any:
    """Turn a value into None, numbers, strings, lists, tuples, sets, dicts and numeric arrays, all the way down.

    Parameters
    ----------
    value : object
        Whatever a student's function returned: tensors, Series and DataFrames become arrays, iterators become lists.
        What is none of these becomes an empty object whose class has the same name.

    Returns
    -------
    object
        The same in plain values.

    Raises
    ------
    NotYet
        If it holds more items than a check can read.

    Examples
    --------
    >>> from course_utils.teaching.checks.guard import plain
    >>> plain(str(x) for x in (1, 2))
    ['1', '2']
    """
    if value is None or type(value) in (bool, float, complex, bytes) or isinstance(value, np.number | np.bool):
        return value
    if isinstance(value, str):
        return str(value)[:_LETTERS]
    if isinstance(value, int):
        return int(value) if int(value).bit_length() <= 64 else _stand_in(value, "huge int")
    if isinstance(value, float):
        return float(value)
    if isinstance(value, type) or callable(value):
        return _stand_in(value)
    if hasattr(value, "detach"):  # a tensor that gradients flow through
        value = value.detach()
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        return array if array.dtype.kind in "biufcSU" else plain(array.tolist())
    if isinstance(value, Mapping):
        return {plain(key): plain(each) for key, each in value.items()}
    if isinstance(value, Iterable):
        items = [plain(each) for each in islice(value, _ITEMS + 1)]
        if len(items) > _ITEMS:
            raise NotYet(f"Your function returns more than {_ITEMS:,} items, which is far too many here.")
        kind = next((each for each in (tuple, set, frozenset) if isinstance(value, each)), list)
        return items if kind is list else kind(items)
    return float(value) if hasattr(value, "__float__") else _stand_in(value)


def _stand_in(value: Any, name: str = "") -> object:
    return type(name or type(value).__name__, (), {})()


def shown(value: Any, most: int = 80) -> str:
    """Word a plain value for a message, shortened.

    Parameters
    ----------
    value : object
        As :func:`plain` returns it; strings stand without quotation marks.
    most : int, optional
        Characters.

    Returns
    -------
    str
        Its ``repr``, on one line.

    Examples
    --------
    >>> from course_utils.teaching.checks.guard import shown
    >>> shown([1, 2, 3], 7)
    '[1, 2,…'
    """
    text = " ".join((value if isinstance(value, str) else repr(value)).split())
    return text if len(text) <= most else text[: most - 1] + "…"
