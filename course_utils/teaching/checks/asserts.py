"""What checkers say an answer with: each names what is off, by raising :class:`NotYet`, or lets the answer pass."""

from typing import Any

import numpy as np


class NotYet(Exception):
    """Raised by a checker, with a message for the student that names what is off."""


def call(function: Any, *arguments: Any) -> Any:
    """Call a student's function; say clearly when it is none or returns nothing.

    Parameters
    ----------
    function : object
        What was passed to ``check``.
    *arguments
        What it is called with.

    Returns
    -------
    object
        What it returned, which is not None.

    Raises
    ------
    NotYet
        If it is no function, or returns None.

    Examples
    --------
    >>> from course_utils.teaching.checks.asserts import call
    >>> call(max, 1, 3)
    3
    """
    if not callable(function):
        raise NotYet(f"Pass the function itself to check(), not its result; this is {type(function).__name__}.")
    result = function(*arguments)
    if result is None:
        raise NotYet(f"{getattr(function, '__name__', 'Your function')} returns None. Does it end with `return …`?")
    return result


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


def number(value: Any, name: str) -> float:
    """Turn what a student's function returned into a number; say what is off where it is none.

    Parameters
    ----------
    value : object
        What came back.
    name : str
        The function's name.

    Returns
    -------
    float
        The number.

    Raises
    ------
    NotYet
        If it is no single number.

    Examples
    --------
    >>> from course_utils.teaching.checks.asserts import number
    >>> import numpy as np
    >>> number(np.float32(0.5), "share")
    0.5
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise NotYet(f"{name} should return a number, not {type(value).__name__}.") from None
    require(array.shape == (), f"{name} should return one number, not something of shape {array.shape}.")
    return float(array)
