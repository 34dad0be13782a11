"""How sure a number is: the one place where intervals are made.

Every interval is a percentile bootstrap: the independent units of the data are drawn again, with replacement, as many
as there are, and what the estimate would have been is noted each time. Which numbers to estimate is the business of
:mod:`~course_utils.measuring.metrics`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

_BATCH = 200  # resamples at a time: all at once would take gigabytes for a large sample


@dataclass(frozen=True)
class Interval:
    """An estimate with the range in which the true value plausibly lies.

    Attributes
    ----------
    estimate : float
        The value found in the data as they are.
    low, high : float
        The two ends of the range.
    confidence : float, default 0.95
        How often a range made in this way holds the true value, 0 to 1.

    Examples
    --------
    >>> from course_utils.measuring import Interval
    >>> print(Interval(0.82, 0.74, 0.89))
    0.82 (95% interval 0.74 to 0.89)
    """

    estimate: float
    low: float
    high: float
    confidence: float = 0.95

    def __str__(self) -> str:
        return f"{self.estimate:.2f} ({self.confidence:.0%} interval {self.low:.2f} to {self.high:.2f})"


def bootstrap_interval(
    values: np.ndarray, minus: np.ndarray | None = None, *, groups: np.ndarray | None = None, n_resamples: int = 2000
) -> Interval:
    """95 % interval of a mean: its spread over samples drawn again, with replacement, from the data.

    Parameters
    ----------
    values : array of shape (n,)
        One value for each case. For two systems on the same cases give the differences case by case (a paired
        bootstrap).
    minus : array of shape (m,), optional
        Other cases; the interval is then that of mean(values) − mean(minus).
    groups : array of shape (n,), optional
        Values of one group (questions about one document) are drawn together, because they are not independent.
        Default: each value by itself.
    n_resamples : int, default 2000
        How often the data are drawn again.

    Returns
    -------
    Interval
        The mean (or difference of means) and its range.

    Raises
    ------
    ValueError
        With fewer than two values or groups, or values that are not finite.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.

    Examples
    --------
    >>> from course_utils.measuring import bootstrap_interval
    >>> print(bootstrap_interval([1, 1, 0, 1, 1, 0, 1, 1, 1, 0]))
    0.70 (95% interval 0.40 to 0.90)
    """
    samples = [np.asarray(sample, dtype=np.float64) for sample in (values, minus) if sample is not None]
    for sample in samples:
        if sample.ndim != 1 or len(sample) < 2 or not np.isfinite(sample).all():
            raise ValueError(f"An interval takes at least two finite numbers in one row, not shape {sample.shape}.")
    members = _members(groups, len(samples[0]))
    # of a group the sum and the size are drawn together
    totals, sizes = np.bincount(members, weights=samples[0]), np.bincount(members)
    if len(sizes) < 2:
        raise ValueError("An interval takes at least two groups: how they differ says how sure their mean is.")

    def statistic(drawn: np.ndarray, *others: np.ndarray) -> np.ndarray:
        means = totals[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
        return means - samples[1][others[0]].mean(axis=1) if others else means

    return _bootstrap(statistic, [len(sizes), *map(len, samples[1:])], n_resamples)


def spearman_interval(
    scores: np.ndarray,
    predicted: np.ndarray,
    minus: np.ndarray | None = None,
    *,
    groups: np.ndarray | None = None,
    n_resamples: int = 500,
) -> Interval:
    """95 % interval of the rank correlation (−1 to 1) of predictions with scores, from draws of whole groups.

    Parameters
    ----------
    scores, predicted : arrays of shape (n,)
        Predictions that are all equal have no order, and count as 0.
    minus : array of shape (n,), optional
        Other predictions; the interval is then that of the difference of the two correlations, both taken on the same
        resamples.
    groups : array of shape (n,), optional
        Rows of one group (sentences of one review) are drawn together, because they are not independent. Default:
        each row by itself.
    n_resamples : int, default 500
        How often the data are drawn again.

    Returns
    -------
    Interval
        Spearman's correlation (or the difference of two) and its range.

    Raises
    ------
    ValueError
        With fewer than two groups (or rows), rows of different lengths, or values that are not finite.

    References
    ----------
    The cluster bootstrap of Davison and Hinkley, Bootstrap Methods and their Application (1997), section 3.8.

    Examples
    --------
    >>> from course_utils.measuring import spearman_interval
    >>> round(spearman_interval([1, 2, 3, 4, 5], [1, 3, 2, 4, 5]).estimate, 2)
    0.9
    """
    columns = [np.asarray(column, dtype=np.float64) for column in (scores, predicted, minus) if column is not None]
    members = _members(groups, len(columns[0]))
    sizes = np.bincount(members)
    if len(sizes) < 2 or not all(column.shape == members.shape and np.isfinite(column).all() for column in columns):
        raise ValueError("An interval of a rank correlation takes two or more groups of finite numbers.")
    rows = np.split(np.argsort(members, kind="stable"), np.cumsum(sizes)[:-1])

    def correlation(drawn: np.ndarray) -> np.ndarray:
        truth, *predictions = (_ranks(column[drawn]) for column in columns)
        values = [(truth * ranks).sum(axis=1) for ranks in predictions]
        return values[0] - values[1] if len(values) > 1 else values[0]

    def statistic(draws: np.ndarray) -> np.ndarray:
        if groups is None:
            return correlation(draws)
        # groups differ in size, so that resamples differ in length
        return np.concatenate([correlation(np.concatenate([rows[i] for i in draw])[None]) for draw in draws])

    return _bootstrap(statistic, [len(sizes)], n_resamples)


def _members(groups: np.ndarray | None, n: int) -> np.ndarray:
    """Number of the group of each of n cases, from 0."""
    return np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]


def _ranks(values: np.ndarray) -> np.ndarray:
    """Centred ranks of each row, scaled to length 1: their dot product is Spearman's correlation."""
    from scipy.stats import rankdata

    ranks = rankdata(values, axis=1) - (values.shape[1] + 1) / 2
    lengths = np.linalg.norm(ranks, axis=1, keepdims=True)
    return ranks / np.where(lengths == 0, 1, lengths)  # equal values have no order: a correlation of 0


def _bootstrap(statistic: Callable[..., np.ndarray], n_units: Sequence[int], n_resamples: int) -> Interval:
    """Percentile bootstrap: draw the units of one or several samples again, each sample on its own.

    ``statistic`` takes for each sample the positions of its units, an int array of shape (resamples, units of the
    sample), and returns one value a resample.
    """
    from scipy.stats import quantile

    generator = np.random.default_rng(0)
    values = []
    for start in range(0, n_resamples, _BATCH):
        n_rows = min(_BATCH, n_resamples - start)
        values.append(statistic(*(generator.integers(n, size=(n_rows, n)) for n in n_units)))
    low, high = quantile(np.concatenate(values), np.array([(1 - 0.95) / 2, 1 - (1 - 0.95) / 2]))
    estimate = statistic(*(np.arange(n)[None] for n in n_units))[0]
    return Interval(float(estimate), float(low), float(high))
