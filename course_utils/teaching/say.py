"""Sentences that follow the numbers.

What a run shows is said by code, so that the words stay true with another model, sample or seed: a difference is called
one only if its interval excludes zero.
"""

from course_utils.measuring import Interval


def sentence(text: str):
    """Show ``text`` (Markdown) under a cell; use an f-string over the values the cell computed."""
    from IPython.display import Markdown

    return Markdown(text)


def comparison(first: str, second: str, difference: Interval, quantity: str) -> str:
    """Say whether ``first`` has more of ``quantity`` than ``second``, as one sentence.

    Parameters
    ----------
    difference : interval of (first − second), in units of ``quantity``.
    """
    size = f"{abs(difference.estimate):.2f}"
    interval = (
        f"{difference.confidence:.0%} interval of the difference: {difference.low:+.2f} to {difference.high:+.2f}"
    )
    if difference.low > 0:
        return f"**{first}** has a higher {quantity} than **{second}**, by {size} ({interval})."
    if difference.high < 0:
        return f"**{first}** has a lower {quantity} than **{second}**, by {size} ({interval})."
    return f"**{first}** and **{second}** cannot be told apart in {quantity} on this sample ({interval})."


def choose(value: float, *steps: tuple[float, str], otherwise: str) -> str:
    """Pick the wording whose threshold ``value`` reaches first; thresholds from high to low.

    >>> choose(0.42, (0.9, "nearly all"), (0.5, "most"), otherwise="less than half")
    'less than half'
    """
    return next((words for threshold, words in steps if value >= threshold), otherwise)
