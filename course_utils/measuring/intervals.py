"""How sure a number is: the one place where intervals are made."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """An estimate with the range in which the true value plausibly lies."""

    estimate: float
    low: float
    high: float
    confidence: float = 0.95

    def __str__(self) -> str:
        return f"{self.estimate:.2f} ({self.confidence:.0%} interval {self.low:.2f} to {self.high:.2f})"


def bootstrap_interval(
    values: np.ndarray,
    minus: np.ndarray | None = None,
    *,
    n_resamples: int = 2000,
    confidence: float = 0.95,
    random_state: int = 0,
) -> Interval:
    """Percentile bootstrap of a mean: its spread over samples drawn again, with replacement, from the data.

    Parameters
    ----------
    values : array of shape (n,), one value for each independent case. For two systems on the same cases give the
        differences case by case (a paired bootstrap).
    minus : array of shape (m,), other cases; the interval is then that of mean(values) − mean(minus).

    Raises
    ------
    ValueError
        With fewer than two values, or values that are not finite.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; computed by ``scipy.stats.bootstrap``.
    """
    from scipy.stats import bootstrap

    samples = [np.asarray(sample, dtype=np.float64) for sample in (values, minus) if sample is not None]
    for sample in samples:
        if sample.ndim != 1 or len(sample) < 2 or not np.isfinite(sample).all():
            raise ValueError(f"An interval takes at least two finite numbers in one row, not shape {sample.shape}.")

    def statistic(first, *second, axis=-1):
        return np.mean(first, axis=axis) - (np.mean(second[0], axis=axis) if second else 0)

    low, high = bootstrap(
        samples,
        statistic,
        n_resamples=n_resamples,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(random_state),
        vectorized=True,
        batch=200,
    ).confidence_interval
    return Interval(float(statistic(*samples)), float(low), float(high), confidence)


def spearman_interval(
    scores: np.ndarray,
    predicted: np.ndarray,
    minus: np.ndarray | None = None,
    *,
    groups=None,
    n_resamples: int = 500,
    confidence: float = 0.95,
    random_state: int = 0,
) -> Interval:
    """Rank correlation (−1 to 1) of predictions with scores, with a percentile bootstrap over whole groups.

    Parameters
    ----------
    scores, predicted : arrays of shape (n,). Predictions that are all equal have no order, and count as 0.
    minus : other predictions, shape (n,); the interval is then that of the difference of the two correlations, both
        taken on the same resamples.
    groups : n values; rows of one group (sentences of one review) are drawn together, because they are not
        independent. None: each row by itself.

    Raises
    ------
    ValueError
        With fewer than two groups (or rows), rows of different lengths, or values that are not finite.

    References
    ----------
    The cluster bootstrap of Davison and Hinkley, Bootstrap Methods and their Application (1997), section 3.8.
    """
    from scipy.stats import rankdata

    columns = [np.asarray(column, dtype=np.float64) for column in (scores, predicted, minus) if column is not None]
    members = np.arange(len(columns[0])) if groups is None else np.unique(groups, return_inverse=True)[1]
    rows = np.split(np.argsort(members, kind="stable"), np.cumsum(np.bincount(members))[:-1])
    if len(rows) < 2 or any(c.shape != columns[0].shape or not np.isfinite(c).all() for c in columns):
        raise ValueError("An interval of a rank correlation takes two or more groups of finite numbers.")

    def statistic(drawn):
        ranks = [rankdata(column[drawn]) - (len(drawn) + 1) / 2 for column in columns]
        norms = [np.linalg.norm(rank) or np.inf for rank in ranks]
        values = [ranks[0] @ rank / norms[0] / norm for rank, norm in zip(ranks[1:], norms[1:], strict=True)]
        return values[0] - (values[1] if len(values) > 1 else 0)

    generator = np.random.default_rng(random_state)
    draws = generator.integers(len(rows), size=(n_resamples, len(rows)))
    resampled = [statistic(np.concatenate([rows[i] for i in draw])) for draw in draws]
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(statistic(np.arange(len(columns[0])))), float(low), float(high), confidence)
