"""Lesson 4's exercises: right answers written differently, and plausible wrong ones with what they should hear."""

import math

import numpy as np
from sklearn.linear_model import Ridge, RidgeCV

RIGHT = {
    "q1": [
        lambda X, y, alpha: np.linalg.inv(X.T @ X + alpha * np.identity(X.shape[1])) @ X.T @ y,
        lambda X, y, alpha: X.T @ np.linalg.solve(X @ X.T + alpha * np.eye(len(X)), y),
        lambda X, y, alpha: Ridge(alpha=alpha, fit_intercept=False).fit(X, y).coef_,
    ],
    "q2": [
        lambda groups, train, test: np.intersect1d(groups[train], groups[test]),
        lambda groups, train, test: sorted({g for g in groups[train] if g in groups[test]}),
    ],
    "q3": [
        lambda texts, scores: sorted(zip(texts, scores, strict=True), key=lambda pair: pair[1], reverse=True),
        lambda texts, scores: [(texts[i], scores[i]) for i in np.argsort(-np.array(scores), kind="stable")],
    ],
    "q4": [
        lambda X, y, alphas: RidgeCV(alphas, fit_intercept=False).fit(X, y).alpha_,
        lambda X, y, alphas: min(alphas, key=lambda alpha: _refitted(X, y, alpha)),
    ],
    "q5": [
        lambda errors, confidence: [*sorted(map(abs, errors)), np.inf][
            min(math.ceil((len(errors) + 1) * confidence), len(errors) + 1) - 1
        ],
        lambda errors, confidence: np.append(np.sort(np.abs(errors)), np.inf)[
            int(np.ceil((len(errors) + 1) * confidence)) - 1
        ],
    ],
}


def _refitted(X, y, alpha):
    others = ~np.eye(len(y), dtype=bool)
    models = [Ridge(alpha=alpha, fit_intercept=False).fit(X[rows], y[rows]) for rows in others]
    return np.mean([(y[i] - model.predict(X[[i]])[0]) ** 2 for i, model in enumerate(models)])


def _errors(X, y, alpha, left_out=True):
    hat = X @ np.linalg.inv(X.T @ X + alpha * np.eye(X.shape[1])) @ X.T
    return np.mean(((y - hat @ y) / (1 - np.diag(hat) if left_out else 1)) ** 2)


def _position(errors, confidence, n_plus=1, index=-1):
    sizes = sorted(abs(errors))
    position = int(np.ceil((len(errors) + n_plus) * confidence)) + index
    return sizes[min(position, len(errors) - 1)]


WRONG = {
    "q1": [
        (lambda X, y, alpha: np.linalg.solve(X.T @ X, X.T @ y), "least squares"),
        (lambda X, y, alpha: np.linalg.solve(X.T @ X + alpha, X.T @ y), "Only the diagonal"),
        (lambda X, y, alpha: (X.T @ X + alpha * np.eye(3)) @ (X.T @ y), "np.linalg.solve(A, b), not A @ b"),
        (lambda X, y, alpha: np.linalg.solve(X.T @ X + alpha**2 * np.eye(3), X.T @ y), "alpha as it is"),
        (lambda X, y, alpha: np.linalg.solve(X.T @ X / 12 + alpha * np.eye(3), X.T @ y / 12), "sums, not means"),
        (lambda X, y, alpha: X @ np.linalg.solve(X.T @ X + alpha * np.eye(3), X.T @ y), "one weight a dimension"),
        (lambda X, y, alpha: np.linalg.solve(X.T @ X + alpha * np.eye(12), X.T @ y), "ValueError"),
        (lambda X, y, alpha: np.linalg.solve(X.T @ X + 1.0 * np.eye(3), X.T @ y), "For a test array"),
    ],
    "q2": [
        (lambda groups, train, test: sorted(set(groups)), "all groups"),
        (lambda groups, train, test: sorted(set(groups[train]) ^ set(groups[test])), "not the groups on both sides"),
        (lambda groups, train, test: bool(set(groups[train]) & set(groups[test])), "a list of groups, not bool"),
        (lambda groups, train, test: sorted(set(train) & set(test)), "[5, 7]"),
        (lambda groups, train, test: [g for g in groups if g in groups[train] and g in groups[test]], "named once"),
        (lambda groups, train, test: sorted(set(groups[train]) & set(groups[test]))[::-1], "sorted list is [5, 7]"),
    ],
    "q3": [
        (lambda texts, scores: list(dict(zip(texts, scores, strict=True)).items()), "keep every copy"),
        (lambda texts, scores: sorted(zip(texts, scores, strict=True), key=lambda pair: pair[1]), "worst first"),
        (
            lambda texts, scores: [pair[::-1] for pair in sorted(zip(scores, texts, strict=True), reverse=True)],
            "the order in which they came",
        ),
        (
            lambda texts, scores: [(texts[i], scores[i]) for i in np.argsort(scores, kind="stable")[::-1]],
            "the order in which they came",
        ),
        (lambda texts, scores: list(zip(texts, scores, strict=True)), "should fall"),
        (lambda texts, scores: sorted(texts), "(text, score) pairs"),
        (lambda texts, scores: list(zip(texts, sorted(scores, reverse=True), strict=True)), "keep its own score"),
    ],
    "q4": [
        (lambda X, y, alphas: min(alphas, key=lambda a: _errors(X, y, a, left_out=False)), "Divide each error"),
        (lambda X, y, alphas: max(alphas, key=lambda a: _errors(X, y, a)), "largest leave-one-out error"),
        (lambda X, y, alphas: min(_errors(X, y, a) for a in alphas), "Return the alpha that reaches it"),
        (lambda X, y, alphas: int(np.argmin([_errors(X, y, a) for a in alphas])), "the position of the best alpha"),
        (lambda X, y, alphas: [_errors(X, y, a) for a in alphas], "one number, not something of shape"),
        (lambda X, y, alphas: 0.5, "On a test array"),
    ],
    "q5": [
        (lambda errors, confidence: np.quantile(np.abs(errors), confidence), "np.quantile goes between"),
        (lambda errors, confidence: np.quantile(errors, confidence), "Errors to both sides"),
        (lambda errors, confidence: _position(errors, confidence, index=0), "One position too far"),
        (lambda errors, confidence: _position(errors, confidence, n_plus=0), "use n + 1"),
        (lambda errors, confidence: _position(errors, confidence), "np.inf"),
        (lambda errors, confidence: np.sort(np.abs(errors)), "one number, not something of shape"),
        (lambda errors, confidence: 1.96 * np.std(errors), "the eighth in size"),
    ],
}
