"""Ridge regression on arrays: choosing alpha, measuring on rows held out, intervals, and learning row by row.

Rows come in groups (sentences of one review, copies of one text), and whatever is measured is measured on groups that
were left out whole: what scikit-learn's ``RidgeCV`` does in closed form for single rows, :class:`RidgePath` does for
groups. A model goes on learning exactly, one row at a time, and says what each row it learned from does to a
prediction. Texts and embedders are not known here.
"""

import logging
import math
import warnings
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from sklearn.cluster import DBSCAN
from sklearn.metrics import mean_squared_error, r2_score

from course_utils.measuring import intervals

logger = logging.getLogger(__name__)

#: What is chosen from when no alpha is given: from hardly any shrinking to nearly all.
ALPHAS = tuple(10.0 ** np.arange(-3, 3.5, 0.5))

_FEW_GROUPS = 200  # of more, none has a say in alpha that would narrow its interval

#: What :func:`held_out_scores` gives.
MEASURES = ("train_mse", "train_r2", "val_mse", "val_r2", "val_spearman", "mean_val_mse")


class RidgePath:
    """Ridge regression on the same rows with any alpha, and its errors on groups left out: from one decomposition.

    Parameters
    ----------
    X : ndarray of float64, shape (n, n_columns)
        The rows.
    groups : ndarray of int, shape (n,)
        Numbers of the groups, two or more.

    Attributes
    ----------
    n_groups : int
        How many groups there are.
    shares : ndarray of float64, shape (n,)
        What each row counts: each group the same, however many rows it has, because the next text comes from a group
        that nobody has seen, and not more likely from a large one. They add up to 1.

    Raises
    ------
    ValueError
        With fewer than two groups.

    Notes
    -----
    With the intercept as a column that is not held back, predictions are H y, and the errors on a group g of a model
    that never saw it are (I − H_gg)⁻¹ (y − H y)_g exactly. For a group with more rows than columns the inverse is taken
    on the other side (Woodbury).

    References
    ----------
    Hastie, Tibshirani and Friedman, The Elements of Statistical Learning (2009), section 7.10, for single rows.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.learning.ridge import RidgePath
    >>> path = RidgePath(np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1]))
    >>> path.errors(np.array([0.0, 1.0, 2.0, 4.0]), 1e-9).round(3)
    array([2., 1., 0., 1.])
    """

    def __init__(self, X: np.ndarray, groups: np.ndarray):
        self._groups = groups = np.unique(groups, return_inverse=True)[1]
        sizes = np.bincount(groups)
        self.n_groups, self.shares = len(sizes), 1 / sizes[groups] / len(sizes)
        if self.n_groups < 2:
            raise ValueError(f"A model or fold would have {self.n_groups} group (or text) to learn from; it takes two.")
        self._mean = X.mean(axis=0)
        centred = X - self._mean
        # the same axes twice, by the way that is fast for many rows, or for few
        many = X.shape[0] > X.shape[1]
        self._axes = (
            np.linalg.eigh(centred.T @ centred)[1] if many else np.linalg.svd(centred, full_matrices=False)[2].T
        )
        self._turned = centred @ self._axes
        self._squares = (self._turned**2).sum(axis=0)
        starts, order = np.cumsum(sizes) - sizes, np.argsort(groups, kind="stable")
        # the rows of all groups of one size, an array of shape (groups, size), are solved for together
        self._batches = [order[starts[sizes == size][:, None] + np.arange(size)] for size in np.unique(sizes)]

    def errors(self, y: np.ndarray, alpha: float) -> np.ndarray:
        """Compute actual minus predicted for each row, by the model that learned all groups but the row's.

        Parameters
        ----------
        y : ndarray of float64, shape (n,) or (n, k)
            The scores, or k columns of them.
        alpha : float
            Above 0; infinity for guessing the mean.

        Returns
        -------
        ndarray of float64, shape of y
            In the units of the scores.
        """
        held_back = self._turned / np.sqrt(self._squares + alpha)
        root = np.hstack([np.full((len(y), 1), len(y) ** -0.5), held_back])  # H is root @ root.T
        columns = y.reshape(len(y), -1)
        errors = columns - root @ (root.T @ columns)
        for rows in self._batches:
            part, inside = root[rows], errors[rows]
            turned = part.swapaxes(1, 2)
            if rows.shape[1] <= root.shape[1]:
                errors[rows] = np.linalg.solve(np.eye(rows.shape[1]) - part @ turned, inside)
            else:
                errors[rows] += part @ np.linalg.solve(np.eye(root.shape[1]) - turned @ part, turned @ inside)
        return errors.reshape(y.shape)

    def mean_squared(self, y: np.ndarray, alpha: float) -> np.ndarray:
        """Compute the mean squared error on groups left out, each group counting once.

        Parameters
        ----------
        y, alpha
            See :meth:`errors`.

        Returns
        -------
        ndarray of float64, shape () or (k,)
            In squared units of the scores.
        """
        return self.shares @ self.errors(y, alpha) ** 2

    def best_alpha(self, y: np.ndarray, alphas: Sequence[float]) -> float:
        """Choose the alpha with the smallest mean squared error on groups left out.

        Parameters
        ----------
        y : ndarray of float64, shape (n,)
            The scores.
        alphas : sequence of float
            What to choose from; the first of several that are as good.

        Returns
        -------
        float
            One of them.
        """
        return float(min(alphas, key=lambda alpha: self.mean_squared(y, alpha)))

    def errors_of_choosing(self, y: np.ndarray, alphas: Sequence[float], alpha: float) -> np.ndarray:
        """Compute the errors on groups left out; of few groups alpha is chosen without those as well.

        Parameters
        ----------
        y, alphas
            See :meth:`best_alpha`.
        alpha : float
            The one that all groups chose, for many groups.

        Returns
        -------
        ndarray of float64, shape (n,)
            In the units of the scores.
        """
        errors = self.errors(y, alpha)
        if len(alphas) > 1 and intervals.MIN_UNITS <= self.n_groups <= _FEW_GROUPS:
            part = np.random.default_rng(0).permutation(self.n_groups)[self._groups] % 20
            for out in (part == number for number in np.unique(part)):
                others = RidgePath(self._turned[~out], self._groups[~out])
                errors[out] = self.errors(y, others.best_alpha(y[~out], alphas))[out]
        return errors

    def solution(self, y: np.ndarray, alpha: float) -> tuple[np.ndarray, float]:
        """Compute the weights and the intercept that all rows give.

        Parameters
        ----------
        y, alpha
            See :meth:`errors`.

        Returns
        -------
        coef : ndarray of float64, shape (n_columns,)
            A prediction is ``row @ coef + intercept``.
        intercept : float
            In the units of the scores.
        """
        coef = self._axes @ (self._turned.T @ (y - y.mean()) / (self._squares + alpha))
        return coef, float(y.mean() - self._mean @ coef)


class RidgeModel:
    """A ridge regression that can go on learning and knows its errors on groups left out.

    Parameters
    ----------
    n_columns : int
        Columns of the rows to come. The new model has seen no row and predicts 0; :meth:`fit` makes one from rows.
    alpha : float
        How strongly weights are held back, above 0.

    Attributes
    ----------
    alpha_ : float
        The alpha in use.
    coef_, intercept_ : ndarray of float64, shape (n_columns,), and float
        A prediction is ``row @ coef_ + intercept_``.
    n_samples_ : int
        Rows learned.
    n_groups_ : int
        Groups that :meth:`fit` learned.
    loo_errors_ : ndarray of float64, shape (n,)
        Sizes of the errors of :meth:`fit` on groups left out, smallest first.
    loo_levels_ : ndarray of float64, shape (n,)
        For each, the confidence up to which it is half the width of an interval.
    intervals_stale_ : bool
        Whether rows came by :meth:`update` since ``loo_errors_`` were computed.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.learning.ridge import RidgeModel
    >>> X, y = np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 3.0, 5.0])
    >>> model = RidgeModel.fit(X[:2], y[:2], [1e-9], groups=np.arange(2))
    >>> model.update(X[2], y[2])
    >>> model.predict(np.array([[3.0]])).round(3)
    array([7.])
    """

    def __init__(self, n_columns: int, alpha: float):
        self.alpha_, self.n_samples_, self.n_groups_, self.intervals_stale_ = alpha, 0, 0, False
        self._mean, self._moment, self.coef_ = np.zeros(n_columns), np.zeros(n_columns), np.zeros(n_columns)
        self._score_mean, self.intercept_ = 0.0, 0.0
        self._inverse: np.ndarray = np.eye(n_columns) / alpha
        self.loo_errors_, self.loo_levels_ = np.empty(0), np.empty(0)

    @classmethod
    def fit(
        cls, X: np.ndarray, y: np.ndarray, alphas: Sequence[float], groups: np.ndarray, alpha: float | None = None
    ) -> "RidgeModel":
        """Learn all rows at once, with the alpha that leaving out one group after the other finds best.

        Parameters
        ----------
        X : ndarray of float64, shape (n, n_columns)
            The rows.
        y : ndarray of float64, shape (n,)
            Their scores.
        alphas : sequence of float
            What to choose from. A warning is logged when the best of several is the smallest or the largest.
        groups : ndarray of int, shape (n,)
            See :class:`RidgePath`.
        alpha : float, optional
            The one of ``alphas`` that was chosen in another way.

        Returns
        -------
        RidgeModel
            A new model.

        Raises
        ------
        ValueError
            With fewer than two groups.
        """
        path = RidgePath(X, groups)
        alpha = path.best_alpha(y, alphas) if alpha is None else float(alpha)
        warn_at_edge(alpha, alphas)
        model, n_groups = cls(X.shape[1], alpha), path.n_groups
        model._mean, model._score_mean, model.n_samples_ = X.mean(axis=0), float(y.mean()), len(y)
        centred = X - model._mean
        model._moment = centred.T @ (y - model._score_mean)
        model._inverse = np.linalg.inv(centred.T @ centred + alpha * np.eye(X.shape[1]))
        model.coef_, model.intercept_ = path.solution(y, alpha)
        errors = np.abs(path.errors_of_choosing(y, alphas, alpha))
        order, model.n_groups_ = np.argsort(errors), n_groups
        model.loo_errors_, model.loo_levels_ = errors[order], np.cumsum(path.shares[order]) * n_groups / (n_groups + 1)
        return model

    @classmethod
    def restored(cls, learned: dict[str, Any]) -> "RidgeModel":
        """Make a model again from its attributes, which may have come from anywhere.

        Parameters
        ----------
        learned : dict
            All that ``vars`` gave of a model.

        Returns
        -------
        RidgeModel
            The same model.

        Raises
        ------
        ValueError
            If these are not the attributes of a model, all of them, and such as go together.
        """
        model, n = cls(1, 1.0), len(learned["coef_"])
        learned = learned | {"alpha_": checked_alpha(learned["alpha_"], "alpha_")}  # some files have a whole number
        shapes = dict.fromkeys(("_mean", "_moment", "coef_"), (n,)) | {"_inverse": (n, n)}
        for name, like in vars(model).items():
            value = learned[name]
            fits = np.shape(value) == shapes.get(name, np.shape(learned["loo_levels_"]))
            is_array = isinstance(like, np.ndarray) and fits and value.dtype == like.dtype and value.ndim == like.ndim
            if not (is_array or type(value) is type(like) is not np.ndarray) or not np.isfinite(value).all():
                raise ValueError(f"{name} is not what a model has there.")
        n_groups, levels = learned["n_groups_"], learned["loo_levels_"]
        sound = learned["n_samples_"] >= 0 and 0 <= n_groups <= len(levels)
        reached = (levels[-1:] >= n_groups / (n_groups + 1) - 1e-9).all()  # else a width would be looked for beyond
        if learned.keys() != vars(model).keys() or not sound or not reached:
            raise ValueError("These are not the attributes of a model.")
        vars(model).update(learned)
        return model

    def update(self, row: np.ndarray, score: float) -> None:
        """Learn one more row exactly: the model is what :meth:`fit` would give for all rows at this alpha.

        Parameters
        ----------
        row : ndarray of float64, shape (n_columns,)
            The row. The cost grows with the square of its length, and not with the rows learned before.
        score : float
            Its score.

        References
        ----------
        Sherman and Morrison (1950) for the inverse; Welford (1962) for means and centred sums.
        """
        n = self.n_samples_
        off, score_off = row - self._mean, score - self._score_mean
        share = n / (n + 1)  # what a new point adds to sums around a mean that it moves as well
        direction = self._inverse @ off
        self._inverse -= np.outer(direction, direction) * (share / (1 + share * (off @ direction)))
        self._moment += share * score_off * off
        self._mean += off / (n + 1)
        self._score_mean += score_off / (n + 1)
        self.n_samples_ = n + 1
        self.coef_ = self._inverse @ self._moment
        self.intercept_ = float(self._score_mean - self._mean @ self.coef_)
        self.intervals_stale_ = True

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict the scores of rows.

        Parameters
        ----------
        X : ndarray of float64, shape (n, n_columns)
            The rows.

        Returns
        -------
        ndarray of float64, shape (n,)
            In the units of the scores learned from.
        """
        # not X @ coef_, whose rounding depends on where a row stands: equal rows have exactly equal scores
        return np.einsum("ij,j->i", X, self.coef_) + self.intercept_

    def half_width(self, confidence: float) -> float:
        """Half the width of intervals around predictions, from the errors on groups left out.

        Parameters
        ----------
        confidence : float
            How often, above 0 and below 1, a row of a new group shall have its score in its interval.

        Returns
        -------
        float
            In the units of the scores; infinite, and logged, with too few groups: fewer than
            :data:`~course_utils.measuring.intervals.MIN_UNITS`, or than the confidence takes (19 for 0.95).

        Raises
        ------
        ValueError
            If ``confidence`` is out of range, or there are no errors.

        Notes
        -----
        Of G groups each counts 1 / (G + 1), and so does the next one, whose errors may be of any size: the width is the
        smallest that errors of the share ``confidence`` stay within. Groups of one row give the usual conformal
        quantile, the ⌈(G + 1) · confidence⌉-th smallest error. Where groups are few, alpha is chosen without the one
        that an error is measured on as well: the best of many alphas suits the groups that it was chosen by.

        References
        ----------
        Lee, Barber and Willett, Distribution-free inference with hierarchical data (2023); with errors of models that
        left the group out in place of a second sample, as in Barber, Candès, Ramdas and Tibshirani, Predictive
        inference with the jackknife+ (2021), section 1.1. That holds as far as one group more or less moves a
        prediction little, which an alpha that hardly shrinks does not see to where there are about as many groups as
        columns.
        """
        if not 0 < confidence < 1:
            raise ValueError(f"confidence={confidence!r} must lie between 0 and 1.")
        if not len(self.loo_errors_):
            raise ValueError("There are no errors on groups left out yet to make intervals from: call train().")
        if self.intervals_stale_:
            logger.warning("The intervals know nothing of the examples since the last training; train() renews them.")
        needed = max(intervals.MIN_UNITS, math.ceil(confidence / (1 - confidence) - 1e-9))
        if self.n_groups_ < needed:
            message = "Too few to say: intervals that hold %g of the scores take %d independent groups; there are %d."
            logger.warning(message, confidence, needed, self.n_groups_)
            return math.inf
        return float(self.loo_errors_[np.searchsorted(self.loo_levels_, confidence - 1e-9)])  # shares are rounded

    def effects(self, X: np.ndarray, y: np.ndarray, row: np.ndarray) -> np.ndarray:
        """What each row learned from adds to the prediction for another row: exact, in closed form, alpha kept.

        Parameters
        ----------
        X : ndarray of float64, shape (n, n_columns)
            All rows that the model learned from.
        y : ndarray of float64, shape (n,)
            Their scores.
        row : ndarray of float64, shape (n_columns,)
            The row that is predicted.

        Returns
        -------
        ndarray of float64, shape (n,)
            How much lower the prediction would be without each.
        """
        centred, new = X - self._mean, row - self._mean
        leverage = 1 / len(y) + np.sum((centred @ self._inverse) * centred, axis=1)
        pull = 1 / len(y) + centred @ (self._inverse @ new)
        return pull * (y - X @ self.coef_ - self.intercept_) / np.maximum(1 - leverage, 1e-12)


def held_out_predictions(
    X: np.ndarray, y: np.ndarray, groups: np.ndarray, split: tuple[np.ndarray, np.ndarray], alphas: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Learn some rows, and predict them and others.

    Parameters
    ----------
    X, y, groups, split, alphas
        See :func:`held_out_scores`.

    Returns
    -------
    learned, held : ndarrays of float64
        Predictions for the two parts of the split.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.learning.ridge import held_out_predictions
    >>> X, split = np.arange(4.0)[:, None], (np.arange(3), np.array([3]))
    >>> held_out_predictions(X, 2 * X[:, 0], np.arange(4), split, [1e-9])[1].round(3)
    array([6.])
    """
    train, held = split
    path = RidgePath(X[train], groups[train])
    coef, intercept = path.solution(y[train], path.best_alpha(y[train], alphas))
    return X[train] @ coef + intercept, X[held] @ coef + intercept


def held_out_scores(
    X: np.ndarray, y: np.ndarray, groups: np.ndarray, split: tuple[np.ndarray, np.ndarray], alphas: Sequence[float]
) -> dict[str, float]:
    """Measure how well ridge that learned some rows predicts others.

    Parameters
    ----------
    X : ndarray of float64, shape (n, dim)
        The rows.
    y : ndarray of float64, shape (n,)
        Their scores.
    groups : ndarray of int, shape (n,)
        Numbers of their groups; none should be on both sides.
    split : (ndarray of int, ndarray of int)
        Positions of the rows to learn and of those held out.
    alphas : sequence of float
        What to choose from, by leaving out groups of the rows to learn.

    Returns
    -------
    dict of str to float
        ``train_mse``, ``train_r2``, ``val_mse``, ``val_r2``, ``val_spearman``, and ``mean_val_mse``: what guessing the
        mean of the rows to learn gets. NaN where not defined.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.learning.ridge import held_out_scores
    >>> X = np.arange(10.0)[:, None]
    >>> split = (np.arange(7), np.arange(7, 10))
    >>> scores = held_out_scores(X, 2 * X[:, 0], np.arange(10), split, [1e-9, 1.0])
    >>> round(scores["val_mse"], 6), round(scores["val_r2"], 6), scores["mean_val_mse"]
    (0.0, 1.0, 102.66...)
    """
    train, held = split
    learned, predicted = held_out_predictions(X, y, groups, split, alphas)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NaN says that a value is not defined, for one row or equal scores
        return {
            "train_mse": mean_squared_error(y[train], learned),
            "train_r2": r2_score(y[train], learned),
            "val_mse": mean_squared_error(y[held], predicted),
            "val_r2": r2_score(y[held], predicted),
            "val_spearman": float(spearmanr(y[held], predicted).statistic),
            "mean_val_mse": float(np.mean((y[held] - y[train].mean()) ** 2)),
        }


def shuffle_p_value(
    X: np.ndarray, y: np.ndarray, groups: np.ndarray, alphas: Sequence[float], n_shuffles: int = 199
) -> float:
    """Test whether rows say anything about scores of other groups: how often do shuffled scores look as good?

    Parameters
    ----------
    X : ndarray of float64, shape (n, n_columns)
        The rows.
    y : ndarray of float64, shape (n,)
        Their scores, not all equal.
    groups : ndarray of int, shape (n,)
        Numbers of their groups, from 0.
    alphas : sequence of float
        What each shuffle, too, chooses from.
    n_shuffles : int, default 199
        How often the scores are shuffled.

    Returns
    -------
    float
        Above 0, up to 1. Where there is nothing to learn, it is 0.05 or less in at most 5 % of all data sets.

    Notes
    -----
    Compared is the mean squared error on groups left out, as a share of what guessing the mean gets. The scores of
    whole groups change places, because those of one group may be alike; a group that is larger than the one whose
    scores it gets takes some of them again, and a smaller one takes as many as it has rows.

    References
    ----------
    Good, Permutation, Parametric and Bootstrap Tests of Hypotheses (2005), chapter 3.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.learning.ridge import shuffle_p_value
    >>> X = np.arange(20.0)[:, None]
    >>> shuffle_p_value(X, 3 * X[:, 0], np.arange(20), [0.1, 1.0])
    0.005
    """
    order, generator = np.argsort(groups, kind="stable"), np.random.default_rng(0)
    X, y, groups, sizes = X[order], y[order], groups[order], np.bincount(groups)
    starts = np.cumsum(sizes) - sizes
    place, columns = np.arange(len(y)) - starts[groups], [y]
    for _ in range(n_shuffles):
        mixed = y[np.lexsort([generator.random(len(y)), groups])]  # within each group
        source = generator.permutation(len(sizes))[groups]
        columns.append(mixed[starts[source] + place % sizes[source]])
    path, scores = RidgePath(X, groups), np.column_stack(columns)
    errors = np.min([path.mean_squared(scores, alpha) for alpha in alphas], axis=0)
    guessing = path.mean_squared(scores, math.inf)
    return float(np.mean(errors * guessing[0] <= errors[0] * guessing * (1 + 1e-9)))


def equal_rows(X: np.ndarray) -> np.ndarray:
    """Number the rows so that equal ones have one number; they may differ by what arithmetic in float32 does.

    Parameters
    ----------
    X : ndarray of float64, shape (n, n_columns)
        The rows, of a length of about 1.

    Returns
    -------
    ndarray of int64, shape (n,)
        Numbers from 0.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.learning.ridge import equal_rows
    >>> equal_rows(np.array([[0.6, 0.8], [1.0, 0.0], [0.6, 0.8 + 1e-7]]))
    array([0, 1, 0])
    """
    # eight random directions tell apart as well as all columns do, and a tree can search them
    directions = np.random.default_rng(0).normal(size=(X.shape[1], 8))
    return DBSCAN(eps=1e-5, min_samples=1).fit_predict(X @ directions)


def checked_alpha(alpha: float, name: str) -> float:
    """Say that an alpha is none.

    Parameters
    ----------
    alpha : float
        Should be above 0 and finite.
    name : str
        The parameter, for the message.

    Returns
    -------
    float
        The alpha.

    Raises
    ------
    ValueError
        If it is no such number.

    Examples
    --------
    >>> from course_utils.learning.ridge import checked_alpha
    >>> checked_alpha(1, "ridge_alpha")
    1.0
    """
    if isinstance(alpha, bool) or not isinstance(alpha, Real) or not 0 < alpha < math.inf:
        raise ValueError(f"{name}: {alpha!r} must be a number above 0.")
    return float(alpha)


def warn_at_edge(best: float, alphas: Sequence[float]) -> None:
    """Log a warning where the best of several alphas is the smallest or the largest.

    Parameters
    ----------
    best : float
        The one chosen.
    alphas : sequence of float
        What it was chosen from.

    Examples
    --------
    >>> from course_utils.learning.ridge import warn_at_edge
    >>> warn_at_edge(1.0, [0.1, 1.0, 10.0])
    """
    if len(alphas) > 1 and best in (min(alphas), max(alphas)):
        message = "The best alpha, %g, is at the edge of those tried (%g to %g); the true best may lie beyond."
        logger.warning(message, best, min(alphas), max(alphas))
