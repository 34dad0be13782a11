"""Tells a mistake by its result.

Each checker works out what the usual mistakes would return for its test input, so that the message names what was
done and not only that the result is off.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from course_utils.teaching.checks.asserts import items, kind, require
from course_utils.teaching.checks.guard import NotYet


def close(value: Any, right: Any, mistakes: Mapping[str, Any], otherwise: str) -> None:
    """Let the right number or array pass; say which mistake gives another.

    Parameters
    ----------
    value : float or ndarray
        What came back, of the shape of ``right``.
    right : float or ndarray
        What was wanted.
    mistakes : mapping of str to float or ndarray
        What each usual mistake gives, by the message that names it; the first one met is told.
    otherwise : str
        What is said where the value is none of these.

    Raises
    ------
    NotYet
        If the value is not right.

    Examples
    --------
    >>> from course_utils.teaching.checks.compare import close
    >>> close(0.1 + 0.2, 0.3, {"That is the difference.": -0.1}, "Add the two.")
    """
    if not np.allclose(value, right):
        raise NotYet(next((message for message, wrong in mistakes.items() if np.allclose(value, wrong)), otherwise))


def flat(value: Any, name: str, wanted: str) -> list:
    """Read a list of single numbers or strings; see :func:`course_utils.teaching.checks.asserts.items`.

    Parameters
    ----------
    value : object
        What came back from ``call``, or a part of it.
    name : str
        The function's name.
    wanted : str
        What the list holds, for the message: "groups", "texts".

    Returns
    -------
    list of str or number
        Its items.

    Raises
    ------
    NotYet
        If it is none, or holds something else.

    Examples
    --------
    >>> from course_utils.teaching.checks.compare import flat
    >>> flat((3, 1), "leaking_groups", "groups")
    [3, 1]
    """
    found = items(value, name, wanted)
    for each in found:
        single = isinstance(each, str | int | float | np.number)
        require(single, f"{name} should return a flat list of {wanted}; yours holds {kind(each)}.")
    return [each.item() if isinstance(each, np.number) else each for each in found]


@contextmanager
def about(message: str) -> Iterator[None]:
    """Put before whatever is found inside what the test case is about.

    Parameters
    ----------
    message : str
        One or two sentences.

    Examples
    --------
    >>> from course_utils.teaching.checks.compare import about
    >>> with about("A list may be empty."):
    ...     len([])
    0
    """
    try:
        yield
    except NotYet as finding:
        raise NotYet(f"{message} {finding}".strip()) from None
