"""Lesson 4's exercises: right answers written differently, and plausible wrong ones with what they should hear."""

import math

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge, RidgeCV

# Exercise 1 ---------------------------------------------------------------------------------------------------------


def ridge(X, y, alpha):
    return np.linalg.solve(X.T @ X + alpha * np.eye(X.shape[1]), X.T @ y)


def ridge_by_more_rows(X, y, alpha):
    dim = X.shape[1]
    return np.linalg.lstsq(np.vstack([X, np.sqrt(alpha) * np.eye(dim)]), np.append(y, np.zeros(dim)))[0]


def ridge_by_svd(X, y, alpha):
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    return Vt.T @ (s / (s**2 + alpha) * (U.T @ y))


def ridge_by_loops(X, y, alpha):
    n, dim = X.shape
    A = [[sum(X[t, i] * X[t, j] for t in range(n)) + (alpha if i == j else 0) for j in range(dim)] for i in range(dim)]
    b = [sum(X[t, i] * y[t] for t in range(n)) for i in range(dim)]
    return np.linalg.solve(A, b).tolist()


def ridge_in_place(X, y, alpha):
    X -= X.mean(axis=0)
    return ridge(X, y, alpha)


def ridge_centred(X, y, alpha):
    return ridge(X - X.mean(axis=0), y - y.mean(), alpha)


# Exercise 2 ---------------------------------------------------------------------------------------------------------


def leaks_by_loop(groups, train, test):
    leaks = []
    for i in train:
        for j in test:
            if groups[i] == groups[j] and groups[i] not in leaks:
                leaks.append(groups[i])
    return sorted(leaks)


def leaks_by_frame(groups, train, test):
    side = pd.concat([pd.Series("train", groups[train]), pd.Series("test", groups[test])])
    sides = side.groupby(level=0).nunique()
    return sides.index[sides == 2]


def leaks_by_merging(groups, train, test):
    there = set(groups[test])
    leaks = [group for group in dict.fromkeys(groups[train].tolist()) if group in there]
    leaks.sort()
    return tuple(leaks)


def leaks_sorting_the_groups(groups, train, test):
    result = np.intersect1d(groups[train], groups[test])
    train.sort()
    return result


# Exercise 3 ---------------------------------------------------------------------------------------------------------


def ranked(texts, scores):
    return sorted(zip(texts, scores, strict=True), key=lambda pair: -pair[1])


def ranked_by_frame(texts, scores):
    frame = pd.DataFrame({"text": texts, "score": scores}).sort_values("score", ascending=False, kind="stable")
    return list(frame.itertuples(index=False, name=None))


def ranked_by_inserting(texts, scores):
    result = []
    for text, score in zip(texts, scores, strict=True):
        place = sum(other >= score for _, other in result)
        result.insert(place, [text, score])
    return result


def ranked_by_taking(texts, scores):
    left = list(range(len(texts)))
    result = []
    while left:
        best = max(left, key=lambda i: scores[i])
        left.remove(best)
        result.append((texts[best], np.float64(scores[best])))
    return result


def ranked_by_lexsort(texts, scores):
    order = np.lexsort((np.arange(len(texts)), -np.asarray(scores)))
    return [(texts[i], scores[i]) for i in order]


def ranked_in_place(texts, scores):
    result = ranked(texts, scores)
    texts.sort()
    return result


# Exercise 4 ---------------------------------------------------------------------------------------------------------


def left_out(X, y, alpha, divide=lambda h: 1 - h):
    hat = X @ np.linalg.inv(X.T @ X + alpha * np.eye(X.shape[1])) @ X.T
    return (y - hat @ y) / divide(np.diag(hat))


def mse(errors):
    return np.mean(errors**2)


def alpha_by(measure=mse, change=lambda X, y: (X, y), pick=min, **how):
    return lambda X, y, alphas: pick(alphas, key=lambda alpha: measure(left_out(*change(X, y), alpha, **how)))


def refitted(X, y, alpha, n_folds=None, fit_intercept=False):
    fold = np.arange(len(y)) % (n_folds or len(y))
    errors = []
    for i in range(fold.max() + 1):
        learned = fold != i
        shift, level = (X[learned].mean(axis=0), y[learned].mean()) if fit_intercept else (0, 0)
        w = ridge(X[learned] - shift, y[learned] - level, alpha)
        errors.extend(y[~learned] - level - (X[~learned] - shift) @ w)
    return mse(np.array(errors))


def alpha_by_loop(X, y, alphas):
    best, smallest = None, float("inf")
    for alpha in alphas:
        total = 0.0
        for i in range(len(y)):
            others = [j for j in range(len(y)) if j != i]
            total += (y[i] - X[i] @ ridge(X[others], y[others], alpha)) ** 2
        if total < smallest:
            best, smallest = alpha, total
    return best


def alpha_by_svd(X, y, alphas):
    U, s, _ = np.linalg.svd(X, full_matrices=False)
    errors = pd.Series(
        {a: mse((y - U @ (s**2 / (s**2 + a) * (U.T @ y))) / (1 - (U**2) @ (s**2 / (s**2 + a)))) for a in alphas}
    )
    return errors.idxmin()


def after_centring_in_place(X, y, alphas):
    y -= y.mean()
    return alpha_by()(X, y, alphas)


# Exercise 5 ---------------------------------------------------------------------------------------------------------


def width_by_index(errors, confidence, n_plus=1, index=-1, rounded=np.ceil, reverse=False, size=abs):
    sizes = sorted(map(size, errors), reverse=reverse)
    place = int(rounded((len(errors) + n_plus) * confidence)) + index
    return sizes[place] if place < len(sizes) else float("inf")


def width_by_counting(errors, confidence):
    needed = math.ceil((len(errors) + 1) * confidence)
    for width in sorted(abs(error) for error in errors):
        if (abs(errors) <= width).sum() >= needed:
            return float(width)
    return math.inf


def width_by_rank(errors, confidence):
    sizes = pd.Series(errors).abs()
    inside = sizes[sizes.rank(method="first") >= (len(sizes) + 1) * confidence]
    return inside.min() if len(inside) else np.inf


def width_by_partition(errors, confidence):
    k = math.ceil((len(errors) + 1) * confidence)
    return np.partition(np.abs(errors), k - 1)[k - 1] if k <= len(errors) else np.float32("inf")


def width_of_the_different(errors, confidence):
    sizes, position = sorted(set(abs(errors))), math.ceil((len(errors) + 1) * confidence)
    return sizes[position - 1] if position <= len(errors) else np.inf


def width_in_place(errors, confidence):
    errors[:] = np.sort(np.abs(errors))
    return width_by_index(errors, confidence)


RIGHT = {
    "q1": [
        lambda X, y, alpha: np.linalg.inv(X.T @ X + alpha * np.identity(X.shape[1])) @ X.T @ y,
        lambda X, y, alpha: X.T @ np.linalg.solve(X @ X.T + alpha * np.eye(len(X)), y),
        lambda X, y, alpha: Ridge(alpha=alpha, fit_intercept=False).fit(X, y).coef_,
        ridge_by_more_rows,
        ridge_by_svd,
        ridge_by_loops,
    ],
    "q2": [
        lambda groups, train, test: np.intersect1d(groups[train], groups[test]),
        lambda groups, train, test: sorted({g for g in groups[train] if g in groups[test]}),
        lambda groups, train, test: np.unique(groups[train][np.isin(groups[train], groups[test])]).tolist(),
        leaks_by_loop,
        leaks_by_frame,
        leaks_by_merging,
    ],
    "q3": [
        lambda texts, scores: sorted(zip(texts, scores, strict=True), key=lambda pair: pair[1], reverse=True),
        lambda texts, scores: [(texts[i], scores[i]) for i in np.argsort(-np.array(scores), kind="stable")],
        ranked_by_frame,
        ranked_by_inserting,
        ranked_by_taking,
        ranked_by_lexsort,
    ],
    "q4": [
        lambda X, y, alphas: RidgeCV(alphas, fit_intercept=False).fit(X, y).alpha_,
        lambda X, y, alphas: min(alphas, key=lambda alpha: refitted(X, y, alpha)),
        alpha_by(lambda errors: np.sqrt(np.sum(errors**2))),
        lambda X, y, alphas: np.array(alphas)[np.argsort([mse(left_out(X, y, alpha)) for alpha in alphas])][0],
        alpha_by_loop,
        alpha_by_svd,
    ],
    "q5": [
        width_by_index,
        lambda errors, confidence: [*sorted(map(abs, errors)), np.inf][
            min(math.ceil((len(errors) + 1) * confidence), len(errors) + 1) - 1
        ],
        lambda errors, confidence: np.append(np.sort(np.abs(errors)), np.inf)[
            int(np.ceil((len(errors) + 1) * confidence)) - 1
        ],
        width_by_counting,
        width_by_rank,
        width_by_partition,
    ],
}

WRONG = {
    "q1": [
        (lambda X, y, alpha: np.linalg.pinv(X) @ y, "least squares"),
        (lambda X, y, alpha: np.linalg.solve(X.T @ X + alpha, X.T @ y), "Only the diagonal"),
        (lambda X, y, alpha: (X.T @ X + alpha * np.eye(X.shape[1])) @ (X.T @ y), "np.linalg.solve(A, b), not A @ b"),
        (lambda X, y, alpha: ridge(X, y, alpha**2), "alpha is squared"),
        (lambda X, y, alpha: ridge(X, y, 1 / alpha), "divide by alpha"),
        (lambda X, y, alpha: ridge(X, y, -alpha), "alpha is subtracted"),
        (lambda X, y, alpha: ridge(X, y, 1), "alpha is not used"),
        (lambda X, y, alpha: ridge(X / len(X) ** 0.5, y / len(X) ** 0.5, alpha), "sums, not means"),
        (lambda X, y, alpha: ridge(X, y, alpha / len(X)), "alpha is divided by n"),
        (lambda X, y, alpha: X @ ridge(X, y, alpha), "a prediction. Return the weights"),
        (lambda X, y, alpha: ridge(X, y[:, None], alpha), "stand in a column"),
        (lambda X, y, alpha: np.linalg.solve(X.T @ X + alpha * np.eye(12), X.T @ y), "ValueError"),
        (lambda X, y, alpha: np.linalg.solve(X.T @ X + alpha * np.eye(3), X.T @ y), "ValueError"),
        (lambda X, y, alpha: ridge(X, y, 2.5), "alpha = 0.3"),
        (ridge_centred, "an intercept"),
        (lambda X, y, alpha: Ridge(alpha=alpha).fit(X, y).coef_, "an intercept"),
        (lambda X, y, alpha: ridge(X, y, alpha).round(2), "Do not round"),
        (lambda X, y, alpha: ridge(X, y, alpha) * 1.1, "For a test array"),
        (lambda X, y, alpha: str(ridge(X, y, alpha)), "should return"),
        (ridge_in_place, "in place"),
    ],
    "q2": [
        (lambda groups, train, test: sorted(set(groups)), "all groups"),
        (lambda groups, train, test: sorted({*groups[train], *groups[test]}), "groups on either side"),
        (lambda groups, train, test: sorted(set(groups[train]) ^ set(groups[test])), "on one side only"),
        (lambda groups, train, test: sorted(set(groups[train])), "groups of the training rows. Only"),
        (lambda groups, train, test: sorted(set(groups[test]) - set(groups[train])), "the test rows only"),
        (lambda groups, train, test: bool(set(groups[train]) & set(groups[test])), "a list of groups, not a bool"),
        (lambda groups, train, test: sorted({*train, *test}), "These are positions"),
        (lambda groups, train, test: sorted(set(train) & set(test)), "No position is on both sides"),
        (lambda groups, train, test: [g for g in groups if g in groups[train] and g in groups[test]], "named once"),
        (lambda groups, train, test: sorted(g for g in groups[train] if g in groups[test]), "named once"),
        (lambda groups, train, test: sorted(set(groups[train]) & set(groups[test]))[::-1], "should be sorted"),
        (lambda groups, train, test: list(set(groups[train]) & set(groups[test])), "should be sorted"),
        (lambda groups, train, test: set(groups[train]) & set(groups[test]), "A set has no order"),
        (
            lambda groups, train, test: sorted(map(int, set(groups[train]) & set(groups[test]))),
            "invalid literal for int()",
        ),
        (lambda groups, train, test: leaks_by_loop(groups, train, test) or None, "returns None"),
        (lambda groups, train, test: np.isin(groups[train], groups[test]), "True or False"),
        (lambda groups, train, test: sorted(set(groups[train]) & set(groups[test]))[:3], "both sides are missing"),
        (lambda groups, train, test: sorted(i for i in train if groups[i] in groups[test]), "These are positions"),
        (lambda groups, train, test: np.flatnonzero(np.isin(groups[train], groups[test])), "These are positions"),
        (lambda groups, train, test: pd.Series(groups).value_counts().loc[lambda n: n > 1].index, "more than once"),
        (
            lambda groups, train, test: sorted(
                pd.Series(groups[[*train, *test]]).value_counts().loc[lambda n: n > 1].index
            ),
            "more than once",
        ),
        (leaks_sorting_the_groups, "in place"),
    ],
    "q3": [
        (lambda texts, scores: list(dict(ranked(texts, scores)).items()), "keep every copy"),
        (lambda texts, scores: sorted(zip(texts, scores, strict=True), key=lambda pair: pair[1]), "worst first"),
        (
            lambda texts, scores: [pair[::-1] for pair in sorted(zip(scores, texts, strict=True), reverse=True)],
            "the order in which they came: plum",
        ),
        (
            lambda texts, scores: [(texts[i], scores[i]) for i in np.argsort(scores, kind="stable")[::-1]],
            "the order in which they came: plum",
        ),
        (
            lambda texts, scores: [(texts[i], scores[i]) for i in np.argsort(-np.array(scores))],
            "the order in which they came, among many texts",
        ),
        (lambda texts, scores: list(zip(texts, scores, strict=True)), "should fall"),
        (lambda texts, scores: sorted(zip(texts, scores, strict=True), key=lambda pair: -int(pair[1])), "should fall"),
        (lambda texts, scores: sorted(zip(texts, scores, strict=True), key=lambda pair: -abs(pair[1])), "its size"),
        (
            lambda texts, scores: sorted(zip(texts, scores, strict=True), key=lambda pair: str(pair[1]), reverse=True),
            "should fall",
        ),
        (lambda texts, scores: sorted(texts), "(text, score) pairs"),
        (lambda texts, scores: [(score, text) for text, score in ranked(texts, scores)], "the text first"),
        (lambda texts, scores: [(text, str(score)) for text, score in ranked(texts, scores)], "one number"),
        (lambda texts, scores: [(text, int(score)) for text, score in ranked(texts, scores)], "unchanged"),
        (lambda texts, scores: list(zip(texts, sorted(scores, reverse=True), strict=True)), "keep its own score"),
        (lambda texts, scores: dict(ranked(texts, scores)), "a list of (text, score) pairs"),
        (
            lambda texts, scores: [(texts[scores.index(score)], score) for score in sorted(scores, reverse=True)],
            "more often than it went in",
        ),
        (lambda texts, scores: [(text, round(score, 2)) for text, score in ranked(texts, scores)], "no rounding"),
        (lambda texts, scores: [(text, float(f"{score:.2f}")) for text, score in ranked(texts, scores)], "no rounding"),
        (
            lambda texts, scores: sorted(zip(texts, scores, strict=True), key=lambda pair: -round(pair[1], 1)),
            "not rounded",
        ),
        (
            lambda texts, scores: sorted(zip(texts, scores, strict=True), key=lambda pair: -round(pair[1], 4)),
            "not rounded",
        ),
        (lambda texts, scores: [(text.strip(), score) for text, score in ranked(texts, scores)], "as it came"),
        (lambda texts, scores: [(text.lower(), score) for text, score in ranked(texts, scores)], "as it came"),
        (lambda texts, scores: [pair for pair in ranked(texts, scores) if pair[0]], "an empty one as well"),
        (ranked_in_place, "in place"),
    ],
    "q4": [
        (alpha_by(divide=lambda h: 1), "Divide each error"),
        (alpha_by(pick=max), "largest leave-one-out error"),
        (lambda X, y, alphas: min(mse(left_out(X, y, alpha)) for alpha in alphas), "Return the alpha that reaches it"),
        (
            lambda X, y, alphas: int(np.argmin([mse(left_out(X, y, alpha)) for alpha in alphas])),
            "the position of the best alpha",
        ),
        (lambda X, y, alphas: [mse(left_out(X, y, alpha)) for alpha in alphas], "should return one number"),
        (lambda X, y, alphas: alphas[0], "you return the first alpha"),
        (lambda X, y, alphas: 0.5, "On test arrays these alphas are best"),
        (alpha_by(lambda errors: np.mean(abs(errors))), "Square them first"),
        (alpha_by(lambda errors: np.median(errors**2)), "Take their mean"),
        (alpha_by(lambda errors: max(errors**2)), "the largest error only"),
        (alpha_by(lambda errors: abs(np.mean(errors))), "cancel in your mean"),
        (alpha_by(np.mean), "Errors below zero"),
        (alpha_by(divide=lambda h: 1 - h.mean()), "by the same number"),
        (alpha_by(divide=lambda h: np.sqrt(1 - h)), "before you square them"),
        (alpha_by(change=lambda X, y: (X - X.mean(axis=0), y - y.mean())), "took the mean off X and y"),
        (alpha_by(change=lambda X, y: (X, y - y.mean())), "took the mean off y"),
        (alpha_by(change=lambda X, y: (np.c_[np.ones(len(X)), X], y)), "a column of ones"),
        (lambda X, y, alphas: RidgeCV(alphas).fit(X, y).alpha_, "fit_intercept=False"),
        (lambda X, y, alphas: min(alphas, key=lambda alpha: refitted(X, y, alpha, fit_intercept=True)), "an intercept"),
        (lambda X, y, alphas: min(alphas, key=lambda alpha: refitted(X, y, alpha, n_folds=5)), "several rows"),
        (after_centring_in_place, "in place"),
    ],
    "q5": [
        (lambda errors, confidence: np.quantile(np.abs(errors), confidence), "np.quantile goes between"),
        (lambda errors, confidence: np.quantile(errors, confidence), "Errors to both sides count"),
        (lambda errors, confidence: width_by_index(errors, confidence, index=0), "One position too far"),
        (lambda errors, confidence: width_by_index(errors, confidence, index=-2), "One position too early"),
        (lambda errors, confidence: width_by_index(errors, confidence, n_plus=0), "use n + 1"),
        (lambda errors, confidence: width_by_index(errors, confidence, rounded=np.floor), "neither down"),
        (lambda errors, confidence: width_by_index(errors, confidence, rounded=round), "not to the nearest"),
        (lambda errors, confidence: width_by_index(errors, confidence, reverse=True), "from the largest error"),
        (lambda errors, confidence: width_by_index(errors, confidence, size=float), "Errors to both sides count"),
        (lambda errors, confidence: abs(width_by_index(errors, confidence, size=float)), "and sort these"),
        (lambda errors, confidence: abs(errors)[int(np.ceil((len(errors) + 1) * confidence)) - 1], "Sort the sizes"),
        (lambda errors, confidence: 2 * width_by_index(errors, confidence), "the whole width"),
        (lambda errors, confidence: np.ceil((len(errors) + 1) * confidence), "That is the position"),
        (lambda errors, confidence: max(abs(errors)), "the largest error. Take"),
        (lambda errors, confidence: np.mean(abs(errors)), "the mean size"),
        (
            lambda errors, confidence: width_by_index(
                errors if (len(errors) + 1) * confidence < len(errors) else [np.inf], confidence, index=-1
            ),
            "The largest error has position n",
        ),
        (
            lambda errors, confidence: sorted(abs(errors))[
                min(math.ceil((len(errors) + 1) * confidence), len(errors)) - 1
            ],
            "5 errors are too few for 0.9",
        ),
        (
            lambda errors, confidence: sorted(abs(errors))[math.ceil((len(errors) + 1) * confidence) - 1],
            "5 errors are too few for 0.9",
        ),
        (lambda errors, confidence: np.sort(np.abs(errors)), "should return one number"),
        (lambda errors, confidence: 1.96 * np.std(errors), "number 8 in size"),
        (lambda errors, confidence: width_by_index(errors, confidence, size=lambda e: abs(round(e, 1))), "in size"),
        (width_of_the_different, "Errors of equal size count each"),
        (lambda errors, confidence: width_by_index(np.unique(abs(errors)), confidence), "Errors of equal size"),
        (width_in_place, "in place"),
    ],
}

EQUIVALENT = {
    "q2": {
        "groups = groups": "the groups come as an array",
        "pass": "the groups come as an array",
        "return sorted(list(set(groups[train].tolist()) & set(groups[test].tolist()))[::-1])": "what is equal is one",
        "return sorted(set(groups[train]) & set(groups[test].tolist()))": "NumPy's numbers equal Python's",
        "return sorted(set(groups[train].tolist()) & set(groups[test]))": "NumPy's numbers equal Python's",
    },
    "q4": {
        "errors.append(np.mean(((H @ y - y) / (1 - np.diag(H))) ** 2))": "the sign of an error falls to its square",
        "errors.append(np.mean(((y - H @ y) / (np.diag(H) - 1)) ** 2))": "the sign of an error falls to its square",
        "errors.append(np.mean(((y - y @ H) / (1 - np.diag(H))) ** 2))": "H is symmetric",
        "errors.append(np.sum(((y - H @ y) / (1 - np.diag(H))) ** 2))": "sum and mean are smallest at the same alpha",
        "return abs(alphas[int(np.argmin(errors))])": "no alpha is below zero",
        "return alphas[np.argmin(errors)]": "NumPy's whole numbers index a list as well",
    },
    "q5": {
        "position = int(int(np.ceil((len(sizes) + 1) * confidence)))": "a whole number stays what it is",
        "return abs(sizes[position - 1] if position <= len(sizes) else np.inf)": "no size is below zero",
    },
}
