"""What checkers say an answer with: each names what is off, by raising :class:`NotYet`, or lets the answer pass.

A checker calls the student's function through :func:`call` only, and reads what came back with :func:`number`,
:func:`array`, :func:`positions`, :func:`word` or :func:`items`, which say what is off with a value of any other kind.
"""

import copy
import inspect
from collections.abc import Collection
from typing import Any

import numpy as np

from course_utils.teaching.checks.guard import NotYet, run, shown


def call(function: Any, *arguments: Any, nothing: str = "") -> Any:
    """Call a student's function with copies of the arguments; say clearly what is off with the call itself.

    Parameters
    ----------
    function : object
        What was passed to ``check``.
    *arguments
        What it is called with.
    nothing : str, optional
        What the student is told if it returns None.

    Returns
    -------
    object
        What it returned, which is not None, in plain values (:func:`course_utils.teaching.checks.guard.plain`).

    Raises
    ------
    NotYet
        If it is no function, takes other arguments, returns None, changes an argument, raises, or does not end.

    Examples
    --------
    >>> from course_utils.teaching.checks.asserts import call
    >>> call(max, 1, 3)
    3
    """
    if not callable(function):
        raise NotYet(f"Pass the function itself to check(), not its result; this is {kind(function)}.")
    names = _parameters(function, arguments)
    given = copy.deepcopy(arguments)
    result = run(function, *given)
    for name, before, after in zip(names, arguments, given, strict=True):
        require(
            _same(before, after),
            f"Your function changes its argument {name} in place, so that whoever calls it has lost the old values. "
            "Work on a copy.",
        )
    if result is None:
        own = getattr(function, "__name__", "Your function")
        raise NotYet(nothing or f"{own} returns None. Does it end with `return …`?")
    return result


def _parameters(function: Any, arguments: tuple) -> list[str]:
    """What the function calls these arguments; raises :class:`NotYet` where it takes others."""
    names = [f"{i}" for i in range(1, len(arguments) + 1)]
    try:
        signature = inspect.signature(function)
    except Exception:  # some built-in functions have none
        return names
    try:
        signature.bind(*arguments)
    except TypeError:
        raise NotYet(
            f"Your function takes {signature}, but is called with {len(arguments)} arguments. Leave its first line as "
            "it was."
        ) from None
    positional = [each.name for each in signature.parameters.values() if each.kind < each.VAR_POSITIONAL]
    return [f"`{name}`" for name in positional[: len(names)]] + names[len(positional) :]


def _same(before: Any, after: Any) -> bool:
    """Whether an argument still is what it was."""
    if isinstance(before, np.ndarray):
        floats = before.dtype.kind in "fc"
        return before.dtype == after.dtype and np.array_equal(before, after, equal_nan=floats)
    if isinstance(before, list | tuple):
        return len(before) == len(after) and all(map(_same, before, after))
    if hasattr(before, "equals"):  # Series and DataFrames
        return before.equals(after)
    return before is after or before == after


def kind(value: Any) -> str:
    """Name the kind of a value, for a message.

    Parameters
    ----------
    value : object
        Anything.

    Returns
    -------
    str
        Its type; of an array, the shape as well.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.teaching.checks.asserts import kind
    >>> kind(np.zeros(3)), kind([])
    ('an array of shape (3,)', 'a list')
    """
    if isinstance(value, np.ndarray) and value.shape:
        return f"an array of shape {value.shape}"
    name = type(value).__name__
    return name if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def require(condition: Any, message: str) -> None:
    """Raise :class:`NotYet` unless a condition holds.

    Parameters
    ----------
    condition : bool
        What has to be true of the answer.
    message : str
        What the student is told where it is not.

    Examples
    --------
    >>> from course_utils.teaching.checks.asserts import require
    >>> require(1 < 2, "One is less than two.")
    """
    if not condition:
        raise NotYet(message)


def array(value: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Read numbers of one shape from what a student's function returned.

    Parameters
    ----------
    value : object
        What came back from :func:`call`, as it is or a part of it.
    shape : tuple of int
        What it should have.
    name : str
        The function's name.

    Returns
    -------
    ndarray of float64

    Raises
    ------
    NotYet
        If it is of another kind or shape, or holds a value that is not a number.

    Examples
    --------
    >>> from course_utils.teaching.checks.asserts import array
    >>> array([1, 2.5], (2,), "interval")
    array([1. , 2.5])
    """
    wanted = "one number" if shape == () else f"numbers of shape {shape}"
    try:
        found = np.asarray(value)
    except (TypeError, ValueError):
        raise NotYet(f"{name} should return {wanted}, not lists of different lengths.") from None
    require(
        found.shape == shape or found.dtype.kind in "OSU", f"{name} should return {wanted}, not {_shape_of(found)}."
    )
    require(found.dtype.kind in "iuf" and found.shape == shape, f"{name} should return {wanted}, not {kind(value)}.")
    require(
        not np.isnan(found).any(),
        f"{name} returns NaN, which is not a number. Was nothing averaged, or 0 divided by 0?",
    )
    return found.astype(np.float64)


def _shape_of(found: np.ndarray) -> str:
    return "one number" if found.shape == () else f"numbers of shape {found.shape}"


def number(value: Any, name: str) -> float:
    """Read a number from what a student's function returned; see :func:`array`.

    Parameters
    ----------
    value : object
        What came back from :func:`call`, or a part of it.
    name : str
        The function's name.

    Returns
    -------
    float
        The number, which may be infinite.

    Raises
    ------
    NotYet
        If it is no single number, or NaN.

    Examples
    --------
    >>> from course_utils.teaching.checks.asserts import number
    >>> import numpy as np
    >>> number(np.float32(0.5), "share")
    0.5
    """
    return float(array(value, (), name))


def positions(value: Any, n: int | None, name: str) -> list[int]:
    """Read positions, which are whole numbers, from what a student's function returned.

    Parameters
    ----------
    value : object
        What came back from :func:`call`.
    n : int or None
        How many there should be; None for a single one.
    name : str
        The function's name.

    Returns
    -------
    list of int
        The positions; with ``n`` None, of length 1.

    Raises
    ------
    NotYet
        If they are not whole numbers, or of another shape.

    Examples
    --------
    >>> from course_utils.teaching.checks.asserts import positions
    >>> positions((2, 0), 2, "search")
    [2, 0]
    """
    wanted = "one position" if n is None else f"a flat list of {n} positions"
    try:
        found = np.asarray(value)
    except (TypeError, ValueError):
        raise NotYet(f"{name} should return {wanted}, not lists of different lengths.") from None
    require(
        found.dtype.kind not in "bOSUc" and not isinstance(value, dict),
        f"{name} should return {wanted}, not {kind(value)}.",
    )
    require(found.shape == (() if n is None else (n,)), f"{name} should return {wanted}, not {_shape_of(found)}.")
    require(
        found.dtype.kind in "iu",
        f"{name} should return {wanted} (whole numbers), not values such as {shown(found.ravel()[0])}.",
    )
    return found.reshape(-1).tolist()


def word(value: Any, name: str, allowed: Collection[str] = ()) -> str:
    """Read a string from what a student's function returned.

    Parameters
    ----------
    value : object
        What came back from :func:`call`, or a part of it.
    name : str
        The function's name.
    allowed : collection of str, optional
        What it may be; anything if empty.

    Returns
    -------
    str

    Raises
    ------
    NotYet
        If it is no string, or not one of those allowed.

    Examples
    --------
    >>> from course_utils.teaching.checks.asserts import word
    >>> word("better", "is_it_real", ("better", "worse"))
    'better'
    """
    if isinstance(value, np.ndarray) and value.shape == ():
        value = value.item()
    wanted = f"one of {', '.join(map(repr, allowed))}" if allowed else "a string"
    require(isinstance(value, str), f"{name} should return {wanted}, not {kind(value)}.")
    require(not allowed or value in allowed, f"{name} should return {wanted}, not {shown(repr(value))}.")
    return value


def items(value: Any, name: str, wanted: str) -> list:
    """Read a list from what a student's function returned: a tuple, a flat array and an iterator will do, too.

    Parameters
    ----------
    value : object
        What came back from :func:`call`, or a part of it.
    name : str
        The function's name.
    wanted : str
        What the list holds, for the message: "two lists", "groups".

    Returns
    -------
    list
        Its items in plain Python values.

    Raises
    ------
    NotYet
        If it is none.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.teaching.checks.asserts import items
    >>> items(np.array([3, 1]), "leaking_groups", "groups")
    [3, 1]
    """
    flat = isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.shape != ())
    require(flat, f"{name} should return a list of {wanted}, not {kind(value)}.")
    return value.tolist() if isinstance(value, np.ndarray) else list(value)
