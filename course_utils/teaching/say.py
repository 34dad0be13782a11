"""Sentences that follow the numbers.

What a run shows is said by code, so that the words stay true with another model, sample or seed: a difference is called
one only if its interval excludes zero.
"""

from typing import Any

from course_utils.measuring import Interval


def sentence(text: str) -> Any:
    """Show a sentence under a cell.

    Parameters
    ----------
    text : str
        Markdown; an f-string over the values that the cell computed.

    Returns
    -------
    IPython.display.Markdown
        What a notebook shows as formatted text.

    Examples
    --------
    >>> from course_utils.teaching import say
    >>> say.sentence(f"The sum is **{1 + 2}**.").data
    'The sum is **3**.'
    """
    from IPython.display import Markdown

    return Markdown(text)


def comparison(first: str, second: str, difference: Interval, quantity: str) -> str:
    """Say whether the first has more of a quantity than the second, as one sentence.

    Parameters
    ----------
    first, second : str
        What is compared.
    difference : Interval
        Interval of (first − second), in units of ``quantity``.
    quantity : str
        What is measured.

    Returns
    -------
    str
        Markdown. "Higher" or "lower" stands there only if the interval excludes zero.

    Examples
    --------
    >>> from course_utils.measuring import Interval
    >>> from course_utils.teaching import say
    >>> say.comparison("A", "B", Interval(0.2, 0.1, 0.3), "recall")
    '**A** has a higher recall than **B**, by 0.20 (95% interval of the difference: +0.10 to +0.30).'
    """
    share, low, high = difference.confidence, difference.low, difference.high
    interval = f"({share:.0%} interval of the difference: {low:+.2f} to {high:+.2f})"
    if low > 0 or high < 0:
        word, size = "higher" if low > 0 else "lower", abs(difference.estimate)
        return f"**{first}** has a {word} {quantity} than **{second}**, by {size:.2f} {interval}."
    return f"**{first}** and **{second}** cannot be told apart in {quantity} on this sample {interval}."


def choose(value: float, *steps: tuple[float, str], otherwise: str) -> str:
    """Pick the wording whose threshold a value reaches first.

    Parameters
    ----------
    value : float
        What was measured.
    *steps : tuple of (float, str)
        Threshold and wording, thresholds from high to low.
    otherwise : str
        The wording below the last threshold.

    Returns
    -------
    str
        One of the wordings.

    Examples
    --------
    >>> from course_utils.teaching import say
    >>> say.choose(0.42, (0.9, "nearly all"), (0.5, "most"), otherwise="less than half")
    'less than half'
    """
    return next((words for threshold, words in steps if value >= threshold), otherwise)
