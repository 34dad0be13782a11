"""Sentences that follow the numbers.

What a run shows is said by code, so that the words stay true with another model, sample or seed: a difference is called
one only if its interval excludes zero, and a first is named with how close the next one is.
"""

from typing import Any

import pandas as pd

from course_utils.measuring import Interval, intervals


def sentence(text: str) -> Any:
    """Show a sentence under a cell.

    Parameters
    ----------
    text : str
        Markdown; an f-string over the values that the cell computed. A dollar sign in them begins no formula.

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

    return Markdown(text.replace("$", r"\$"))


def table(frame: pd.DataFrame) -> Any:
    """Show a table whole: pandas cuts words after 50 characters, and this wraps them.

    Parameters
    ----------
    frame : DataFrame
        Of any columns; stays as it is. Words of other people stay words, and no HTML; numbers get two digits.

    Returns
    -------
    pandas.io.formats.style.Styler
        What a notebook shows as a table.

    Examples
    --------
    >>> import pandas as pd
    >>> from course_utils.teaching import say
    >>> words = "a reason of many words, which goes on beyond the fiftieth character"
    >>> words in say.table(pd.DataFrame({"why": [words]})).to_html()
    True
    """
    from pandas.io.formats.style import Styler

    # a fixed uuid, as the same run has to give the same notebook
    styler = Styler(frame, uuid="whole", cell_ids=False, precision=2, na_rep="–", escape="html")
    return styler.set_properties(**{"text-align": "left", "white-space": "normal", "vertical-align": "top"})


def comparison(first: str, second: str, difference: Interval, quantity: str, *, same_vectors: bool = False) -> str:
    """Say whether the first has more of a quantity than the second, as one sentence.

    Parameters
    ----------
    first, second : str
        What is compared.
    difference : Interval
        Interval of (first − second), in units of ``quantity``.
    quantity : str
        What is measured.
    same_vectors : bool, default False
        Whether both have the same vectors, so that nothing can differ.

    Returns
    -------
    str
        Markdown. "Higher" or "lower" stands there only if the interval excludes zero.

    Examples
    --------
    >>> from course_utils.measuring import Interval
    >>> from course_utils.teaching import say
    >>> say.comparison("A", "B", Interval(0.2, 0.1, 0.3), "recall")
    '**A** has a higher recall than **B**: difference 0.20 (95% interval 0.10 to 0.30).'
    >>> say.comparison("A", "B", Interval(0.2, -0.1, 0.3), "recall")
    '**A** and **B** cannot be told apart in recall on this sample: difference 0.20 (95% interval -0.10 to 0.30).'
    """
    both = f"**{first}** and **{second}** are identical in {quantity}"
    if same_vectors:
        return f"{both} by design: the same vectors."
    if difference.identical:
        cases = "every case" if difference.n is None else f"all {difference.n} independent cases"
        return f"{both} here, in {cases}: difference {_finite(difference)}."
    return groups(first, second, difference, quantity)


def groups(first: str, others: str, difference: Interval | intervals.GroupDifference, quantity: str) -> str:
    """Say whether some groups have more of a quantity than the others, as one sentence.

    Parameters
    ----------
    first, others : str
        What the groups on each side are called.
    difference : GroupDifference
        Of :func:`~course_utils.measuring.intervals.group_difference`.
    quantity : str
        What is measured.

    Returns
    -------
    str
        Markdown. "Higher" or "lower" stands there only if whole groups, dealt out anew, seldom differ as much.

    Examples
    --------
    >>> from course_utils.measuring.intervals import GroupDifference
    >>> from course_utils.teaching import say
    >>> say.groups("A", "B", GroupDifference(0.2, 0.4, 2, 8), "mood").partition(":")[0]
    '**A** and **B** cannot be told apart in mood on this sample'
    """
    if difference.too_few:
        statement = f"Whether **{first}** or **{others}** has the higher {quantity} cannot be said"
    elif difference.sign == 0:
        statement = f"**{first}** and **{others}** cannot be told apart in {quantity} on this sample"
    else:
        word = "higher" if difference.sign > 0 else "lower"
        statement = f"**{first}** has a {word} {quantity} than **{others}**"
    return f"{statement}: difference {_finite(difference)}."


def leader(found: intervals.Leader, quantity: str) -> str:
    """Say who has the highest value, and who cannot be told apart from it, as one sentence.

    Parameters
    ----------
    found : Leader
        Of :func:`~course_utils.measuring.intervals.leader`.
    quantity : str
        What is measured.

    Returns
    -------
    str
        Markdown. Without the word "here" only if all others can be told apart.

    Examples
    --------
    >>> from course_utils.measuring import intervals
    >>> from course_utils.teaching import say
    >>> found = intervals.leader({"A": [1] * 30, "B": [1] * 29 + [0], "C": [0, 0, 1] * 10})
    >>> say.leader(found, "recall").partition(";")[0]
    '**A** has the highest recall here, 1.00, but **B** cannot be told apart from it'
    """
    start = f"**{found.name}** has the highest {quantity}"
    if not found.gaps:
        return f"{start}, {found.mean:.2f}: there is no other."
    if all(gap.identical for gap in found.gaps.values()):
        return f"**{found.name}** and all others are identical in {quantity} here, {found.mean:.2f}, in every case."
    second, gap = next(iter(found.gaps.items()))
    behind = f"the next, **{second}**, is behind by {_finite(gap)}."
    if gap.too_few:
        return f"{start} here, {found.mean:.2f}, and whether that holds cannot be said: {behind}"
    if not found.ties:
        return f"{start}, {found.mean:.2f}, told apart from all others: {behind}"
    named = [f"**{name}**" for name in found.ties[:3]] + [f"{len(found.ties) - 3} more"] * (len(found.ties) > 3)
    ties = " and ".join([", ".join(named[:-1]), named[-1]] if named[1:] else named)
    if found.ties == (second,):
        behind = f"its estimate is lower by {_finite(gap)}."
    return f"{start} here, {found.mean:.2f}, but {ties} cannot be told apart from it; {behind}"


def top(values: pd.Series, quantity: str, *, lowest: bool = False) -> str:
    """Say which of a few values is the highest, and how close the next one is, where no cases give an interval.

    Parameters
    ----------
    values : Series
        Two or more numbers by name.
    quantity : str
        What they are.
    lowest : bool, default False
        Whether the lowest is meant.

    Returns
    -------
    str
        Markdown.

    Examples
    --------
    >>> import pandas as pd
    >>> from course_utils.teaching import say
    >>> print(say.top(pd.Series({"A": 0.5073, "B": 0.5075}), "trustworthiness"))
    Of these, **B** has the highest trustworthiness, 0.5075, and **A** the next, 0.5073, without an interval.
    """
    (first, one), (second, two), *_ = values.sort_values(ascending=lowest).items()
    start = f"Of these, **{first}** has the {'lowest' if lowest else 'highest'} {quantity}, {one:.4g}"
    return f"{start}, and **{second}** the next, {two:.4g}, without an interval."


def _finite(difference: Interval | intervals.GroupDifference) -> str:
    """A difference in words; a range is endless where nothing in the values says how far another case may lie."""
    return str(difference).replace("-inf to inf", "without ends")


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
