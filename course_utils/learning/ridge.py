"""Ridge regression on arrays: choosing alpha, measuring on rows held out, intervals, and learning row by row.

scikit-learn fits and searches. What it does not offer stands here: a model that goes on learning exactly, one row at a
time, and that says what each row it learned from does to a prediction. Texts and embedders are not known here.
"""

import logging
import math
import warnings
from collections.abc import Sequence
from numbers import Real

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.linear_model import RidgeCV
from sklearn.metrics import mean_squared_error, r2_score

logger = logging.getLogger(__name__)

#: What leave-one-out chooses from when no alpha is given: from hardly any shrinking to nearly all.
ALPHAS = tuple(10.0 ** np.arange(-3, 3.5, 0.5))

#: What :func:`held_out_scores` gives.
MEASURES = ("train_mse", "train_r2", "val_mse", "val_r2", "val_spearman", "mean_val_mse")


class RidgeModel:
    """A ridge regression that can go on learning and knows its leave-one-out errors.

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
    loo_errors_ : ndarray of float64, shape (n,)
        Sizes of the leave-one-out errors of :meth:`fit`, smallest first.
    intervals_stale_ : bool
        Whether rows came by :meth:`update` since ``loo_errors_`` were computed.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.learning.ridge import RidgeModel
    >>> X, y = np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 3.0, 5.0])
    >>> model = RidgeModel.fit(X[:2], y[:2], [1e-9])
    >>> model.update(X[2], y[2])
    >>> model.predict(np.array([[3.0]])).round(3)
    array([7.])
    """

    def __init__(self, n_columns: int, alpha: float):
        self.alpha_, self.n_samples_, self.intervals_stale_ = alpha, 0, False
        self._mean, self._moment, self.coef_ = np.zeros(n_columns), np.zeros(n_columns), np.zeros(n_columns)
        self._score_mean, self.intercept_ = 0.0, 0.0
        self._inverse: np.ndarray = np.eye(n_columns) / alpha
        self.loo_errors_: np.ndarray = np.empty(0)

    @classmethod
    def fit(cls, X: np.ndarray, y: np.ndarray, alphas: Sequence[float]) -> "RidgeModel":
        """Learn all rows at once, with the alpha that leave-one-out finds best.

        Parameters
        ----------
        X : ndarray of float64, shape (n, n_columns)
            The rows.
        y : ndarray of float64, shape (n,)
            Their scores.
        alphas : sequence of float
            What to choose from. A warning is logged when the best of several is the smallest or the largest.

        Returns
        -------
        RidgeModel
            A new model.

        Raises
        ------
        ValueError
            With fewer than two rows.
        """
        ridge = fit_ridge(X, y, alphas)
        warn_at_edge(ridge.alpha_, alphas)
        model = cls(X.shape[1], float(ridge.alpha_))
        model._mean, model._score_mean, model.n_samples_ = X.mean(axis=0), float(y.mean()), len(y)
        centred = X - model._mean
        model._moment = centred.T @ (y - model._score_mean)
        model._inverse = np.linalg.inv(centred.T @ centred + model.alpha_ * np.eye(X.shape[1]))
        model.coef_, model.intercept_ = ridge.coef_, float(ridge.intercept_)
        model.loo_errors_ = np.sort(np.sqrt(ridge.cv_results_[:, list(alphas).index(ridge.alpha_)]))
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
        return X @ self.coef_ + self.intercept_

    def half_width(self, confidence: float) -> float:
        """Half the width of intervals around predictions, from the leave-one-out errors.

        Parameters
        ----------
        confidence : float
            Share of new rows, above 0 and below 1, whose score shall lie in its interval.

        Returns
        -------
        float
            In the units of the scores; infinite with too few rows for the confidence (fewer than 9 for 0.9).

        Raises
        ------
        ValueError
            If ``confidence`` is out of range, or there are no leave-one-out errors.
        """
        if not 0 < confidence < 1:
            raise ValueError(f"confidence={confidence!r} must lie between 0 and 1.")
        if not len(self.loo_errors_):
            raise ValueError("There are no leave-one-out errors yet to make intervals from: call train().")
        if self.intervals_stale_:
            logger.warning("The intervals know nothing of the examples since the last training; train() renews them.")
        position = math.ceil((len(self.loo_errors_) + 1) * confidence)  # counted from 1; behind the last is infinity
        return float(np.append(self.loo_errors_, math.inf)[position - 1])

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


def fit_ridge(X: np.ndarray, y: np.ndarray, alphas: Sequence[float]) -> RidgeCV:
    """Fit scikit-learn's ridge with the alpha of the smallest mean squared leave-one-out error.

    Parameters
    ----------
    X : ndarray of float64, shape (n, dim)
        The rows.
    y : ndarray of float64, shape (n,)
        Their scores.
    alphas : sequence of float
        What to choose from.

    Returns
    -------
    RidgeCV
        Fitted; its ``cv_results_`` are squared leave-one-out errors, one column an alpha.

    Raises
    ------
    ValueError
        With fewer than two rows.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.learning.ridge import fit_ridge
    >>> fit_ridge(np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 3.0, 5.0]), [0.1, 10.0]).coef_.round(1)
    array([1.9])
    """
    if len(y) < 2:
        raise ValueError(f"A model or fold would have {len(y)} example to learn from; it takes two or more.")
    return RidgeCV(alphas, store_cv_results=True, gcv_mode="svd").fit(X, y)


def held_out_scores(
    X: np.ndarray, y: np.ndarray, split: tuple[np.ndarray, np.ndarray], alphas: Sequence[float]
) -> dict[str, float]:
    """Measure how well ridge that learned some rows predicts others.

    Parameters
    ----------
    X : ndarray of float64, shape (n, dim)
        The rows.
    y : ndarray of float64, shape (n,)
        Their scores.
    split : (ndarray of int, ndarray of int)
        Positions of the rows to learn and of those held out.
    alphas : sequence of float
        What leave-one-out over the rows to learn chooses from.

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
    >>> scores = held_out_scores(X, 2 * X[:, 0], (np.arange(7), np.arange(7, 10)), [1e-9, 1.0])
    >>> round(scores["val_mse"], 6), round(scores["val_r2"], 6), scores["mean_val_mse"]
    (0.0, 1.0, 102.66...)
    """
    train, held = split
    ridge = fit_ridge(X[train], y[train], alphas)
    learned, predicted = ridge.predict(X[train]), ridge.predict(X[held])
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


def group_numbers(groups: Sequence, at_least: int) -> np.ndarray:
    """Number the groups of examples, because an array of texts takes the room of the longest for each of them.

    Parameters
    ----------
    groups : sequence of length n
        Any values; missing ones are a group.
    at_least : int
        How many different groups a split needs.

    Returns
    -------
    ndarray of int64, shape (n,)
        Numbers from 0 in the order in which the groups come.

    Raises
    ------
    ValueError
        If there are fewer groups.

    Examples
    --------
    >>> from course_utils.learning.ridge import group_numbers
    >>> group_numbers(["a", "b", "a"], 2)
    array([0, 1, 0])
    """
    numbers, distinct = pd.factorize(pd.Series(list(groups), dtype=object), use_na_sentinel=False)
    if len(distinct) < at_least:
        raise ValueError(
            f"{at_least} parts cannot be made of {len(distinct)} different groups (or texts). Add examples, or "
            "give a smaller cv_folds."
        )
    return numbers


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
