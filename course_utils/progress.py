"""One progress bar for the whole course, quiet where nobody watches."""

import os
import sys
from collections.abc import Iterable
from typing import Any


def progress_bar(
    *, total: int, desc: str, unit: str, show: bool = True, iterable: Iterable | None = None, initial: int = 0
) -> Any:
    """Open a progress bar, which is a widget in notebooks and hidden under CI.

    Parameters
    ----------
    total : int
        Steps in all.
    desc : str
        What is going on.
    unit : str
        What a step is.
    show : bool, default True
        False hides the bar.
    iterable : iterable, optional
        What the bar goes along with, in a ``for`` loop.
    initial : int, default 0
        Steps that an earlier run has done: they count for the bar, and not for its rate.

    Returns
    -------
    tqdm.tqdm
        To be used in a ``with`` statement, or in a loop.

    Examples
    --------
    >>> from course_utils.progress import progress_bar
    >>> with progress_bar(total=3, desc="Counting", unit="number", show=False) as bar:
    ...     bar.update(3)
    """
    quiet = not show or bool(os.environ.get("CI")) or bool(os.environ.get("PYTEST_CURRENT_TEST"))
    if quiet or "ipykernel" not in sys.modules:
        from tqdm import tqdm
    else:
        from tqdm.auto import tqdm
    # leave=False: a finished bar would be stored in the notebook, where it says nothing
    return tqdm(iterable, total=total, desc=desc, unit=unit, initial=initial, disable=quiet, leave=False)
