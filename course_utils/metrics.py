"""Measures of how well vectors do their work, on plain arrays, with intervals.

All values lie between 0 and 1 unless said otherwise, and are taken in the space of the vectors, never in a picture of
it. Names are mteb's where mteb has the measure.
"""

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
        samples, statistic, n_resamples=n_resamples, confidence_level=confidence, method="percentile",
        rng=np.random.default_rng(random_state), vectorized=True, batch=200,
    ).confidence_interval  # fmt: skip
    return Interval(float(statistic(*samples)), float(low), float(high), confidence)


def normalize(vectors: np.ndarray) -> np.ndarray:
    """Scale each row of an (n, dim) array to length 1; a row of zeros stays as it is."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms == 0, 1, norms)


def nearest_neighbors(vectors: np.ndarray, k: int = 10, *, metric: str = "cosine") -> np.ndarray:
    """Indices of the ``k`` nearest other rows of each row: int array of shape (n, k), nearest first.

    A row is never its own neighbour, even where another row equals it.

    Parameters
    ----------
    metric : ``"cosine"`` for vectors, ``"euclidean"`` for points on a map.
    """
    from sklearn.neighbors import NearestNeighbors

    n = vectors.shape[0]  # len() is not defined for sparse matrices
    if not 1 <= k < n:
        raise ValueError(f"k={k} must be from 1 to {n - 1}, one less than the number of rows.")
    # kneighbors() without an argument asks for each row's neighbours among the others
    return NearestNeighbors(n_neighbors=k, metric=metric).fit(vectors).kneighbors(return_distance=False)


def knn_overlap(vectors: np.ndarray, points: np.ndarray, k: int = 10) -> np.ndarray:
    """Share of each row's ``k`` nearest neighbours (cosine) that are also its neighbours on a map (Euclidean).

    Returns a float array of shape (n,). Points placed at random keep k / (n − 1) of the neighbours on average.
    """
    before = nearest_neighbors(vectors, k)
    after = nearest_neighbors(points, k, metric="euclidean")
    return np.array([len(set(a) & set(b)) / k for a, b in zip(before, after, strict=True)])


def knn_accuracy(vectors: np.ndarray, labels, k: int = 10) -> np.ndarray:
    """Share of each row's ``k`` nearest neighbours that carry its own label: float array of shape (n,)."""
    labels = np.asarray(labels)
    return (labels[nearest_neighbors(vectors, k)] == labels[:, None]).mean(axis=1)


def cosine_spearman(vectors1: np.ndarray, vectors2: np.ndarray, scores: np.ndarray) -> float:
    """Rank correlation (−1 to 1) of the cosine of each pair of rows with human scores: mteb's measure for STS."""
    from scipy.stats import spearmanr

    cosines = np.sum(normalize(np.asarray(vectors1)) * normalize(np.asarray(vectors2)), axis=1)
    return float(spearmanr(cosines, scores).statistic)


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
