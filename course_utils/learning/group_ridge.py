"""Ridge regression by groups as a scikit-learn estimator: for pipelines and searches over arrays.

:class:`GroupRidge` is what the value learner does with vectors, without texts: scikit-learn's ``RidgeCV`` where rows
are copies or belong together.
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from course_utils.data import joined_groups
from course_utils.learning.ridge import ALPHAS, RidgeModel, checked_alpha, equal_rows


class GroupRidge(RegressorMixin, BaseEstimator):
    """Ridge regression whose alpha is chosen by leaving out whole groups; equal rows are of one group.

    Parameters
    ----------
    alphas : sequence of float, default :data:`ALPHAS`
        What to choose from, each above 0.

    Attributes
    ----------
    alpha_ : float
        The best: with the smallest mean squared error on groups left out, each group counting once.
    coef_, intercept_ : ndarray of float64, shape (n_columns,), and float
        A prediction is ``row @ coef_ + intercept_``.
    model_ : RidgeModel
        All that was learned; its ``half_width`` makes intervals.
    n_features_in_ : int
        Columns of the rows learned from.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from course_utils.learning import GroupRidge, TextEmbedder
    >>> texts, stars, writers = ["a walk", "a canoe", "a queue", "a bill"], [4, 5, 1, 2], ["me", "me", "you", "he"]
    >>> model = make_pipeline(TextEmbedder(), GroupRidge([0.1, 1, 10]))
    >>> model.fit(texts, stars, groupridge__groups=writers).predict(["a boat"]).shape
    (1,)
    """

    def __init__(self, alphas: Sequence[float] = ALPHAS):
        self.alphas = alphas

    def fit(self, X: np.ndarray, y: np.ndarray, groups: Sequence | None = None) -> Self:
        """Learn rows.

        Parameters
        ----------
        X : array of shape (n, n_columns)
            The rows; finite numbers.
        y : array of shape (n,)
            Their scores; finite numbers.
        groups : sequence of length n, optional
            What each row belongs to.

        Returns
        -------
        GroupRidge
            Itself.

        Raises
        ------
        ValueError
            If an input is not usable, or rows are of fewer than two groups.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        alphas = [checked_alpha(alpha, "alphas") for alpha in self.alphas]
        if groups is not None and len(groups) != len(y):
            raise ValueError(f"groups has {len(groups)} entries for {len(y)} rows.")
        length = np.linalg.norm(X, axis=1).mean() or 1.0
        numbers = joined_groups([None] * len(y) if groups is None else groups, equal_rows(X / length))
        self.model_ = RidgeModel.fit(X, y.astype(np.float64), alphas, numbers)
        self.alpha_, self.coef_, self.intercept_ = self.model_.alpha_, self.model_.coef_, self.model_.intercept_
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict the scores of rows.

        Parameters
        ----------
        X : array of shape (n, n_columns)
            The rows.

        Returns
        -------
        ndarray of float64, shape (n,)
            In the units of the scores.
        """
        check_is_fitted(self)
        return self.model_.predict(validate_data(self, X, dtype=np.float64, reset=False))
