"""Lesson 4's exercises: right answers written differently, and plausible wrong ones with what they should hear."""

import math

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.linear_model import LinearRegression, Ridge, RidgeCV

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


def ridge_with_ones(X, y, alpha):
    return ridge(np.column_stack([X, np.ones(len(X))]), y, alpha)


def ridge_of_each_column(X, y, alpha):
    return np.array([x @ y / (x @ x + alpha) for x in X.T])


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


def leaks_after(change):
    """The right groups of other rows."""

    def leaks(groups, train, test):
        train, test = change(train, test)
        return sorted(set(groups[train]) & set(groups[test]))

    return leaks


def leaks_without_row(row):
    def leaks(groups, train, test):
        kept = [[i for i in rows if i != row % len(groups)] for rows in (train, test)]
        return leaks_by_loop(groups, *kept)

    return leaks


def leaks_by_counting(groups, train, test):
    n = max(groups) + 1
    return np.flatnonzero(np.bincount(groups[train], minlength=n) * np.bincount(groups[test], minlength=n))


def leaks_by_numbers(groups, train, test):
    return [group for group in range(30) if np.any(groups[train] - group == 0) and np.any(groups[test] - group == 0)]


def leaks_sorting_the_groups(groups, train, test):
    result = np.intersect1d(groups[train], groups[test])
    train.sort()
    return result


# Exercise 3 ---------------------------------------------------------------------------------------------------------


def log_gap(values, ceiling):
    return np.log(ceiling - values)


def straight(x, y):
    return np.polyfit(x, y, 1)


def needed_by(
    across=np.log,
    gap=log_gap,
    goal_gap=None,
    line=straight,
    solve=lambda height, slope, start: (height - start) / slope,
    back=np.exp,
    never=lambda slope, goal, ceiling: slope >= 0 or goal >= ceiling,
):
    """A way to the number of examples, in which each step may be another one."""

    @np.errstate(all="ignore")
    def needed(sizes, values, ceiling, goal):
        slope, start = line(across(sizes), gap(values, ceiling))
        if never(slope, goal, ceiling):
            return np.inf
        return back(solve((goal_gap or gap)(goal, ceiling), slope, start))

    return needed


def after_needed(change):
    """The right number, changed at the end where it is finite."""

    def needed(sizes, values, ceiling, goal):
        number = needed_by()(sizes, values, ceiling, goal)
        return change(number, sizes) if np.isfinite(number) else number

    return needed


def line_by_polynomial(x, y):
    return np.polynomial.Polynomial.fit(x, y, 1).convert().coef[::-1]


def line_by_scipy(x, y):
    fit = stats.linregress(x, y)
    return fit.slope, fit.intercept


def line_by_sklearn(x, y):
    fit = LinearRegression().fit(x.reshape(-1, 1), y)
    return fit.coef_[0], fit.intercept_


def line_by_lstsq(x, y):
    return np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y)[0]


def line_by_covariance(x, y):
    slope = np.cov(x, y)[0, 1] / np.var(x, ddof=1)
    return slope, y.mean() - slope * x.mean()


def needed_by_loops(sizes, values, ceiling, goal):
    if goal >= ceiling:
        return math.inf
    x = [math.log(size) for size in sizes]
    y = [math.log(ceiling - value) for value in values]
    middle, level = sum(x) / len(x), sum(y) / len(y)
    up = sum((a - middle) * (b - level) for a, b in zip(x, y, strict=True))
    slope = up / sum((a - middle) ** 2 for a in x)
    return math.exp(middle + (math.log(ceiling - goal) - level) / slope) if slope < 0 else float("inf")


def needed_asking_late(sizes, values, ceiling, goal):
    """Works with what NumPy makes of the logarithms of 0 and of a number below it."""
    slope, start = straight(np.log(sizes), log_gap(values, ceiling))
    number = np.exp((np.log(ceiling - goal) - start) / slope)
    return number if slope < 0 and not np.isnan(number) else np.float64("inf")


def needed_by_curve(sizes, values, ceiling, goal):
    if goal >= ceiling or straight(np.log(sizes), log_gap(values, ceiling))[0] >= 0:
        return np.inf
    return np.exp(
        max(np.roots(np.polyfit(np.log(sizes), log_gap(values, ceiling), 2) - [0, 0, np.log(ceiling - goal)]))
    )


def needed_from_one_point_to_the_next(sizes, values, ceiling, goal):
    order = np.argsort(values)
    return np.interp(goal, values[order], sizes[order])


def needed_by_ends(sizes, values, ceiling, goal):
    """Asks the first and the last value whether the gap shrinks."""
    grows = values[-1] <= values[0]
    return needed_by(never=lambda slope, goal, ceiling: grows or goal >= ceiling)(sizes, values, ceiling, goal)


def needed_by_sorted_ends(sizes, values, ceiling, goal):
    order = np.argsort(sizes)
    return needed_by_ends(sizes[order], values[order], ceiling, goal)


def needed_where_it_was_reached(sizes, values, ceiling, goal):
    return sizes[values >= goal].min() if goal <= values.max() else needed_by()(sizes, values, ceiling, goal)


def needed_beyond_the_last(sizes, values, ceiling, goal):
    return max(needed_by()(sizes, values, ceiling, goal), sizes.max())


def needed_printed(sizes, values, ceiling, goal):
    print(needed_by()(sizes, values, ceiling, goal))


def needed_sorting(sizes, values, ceiling, goal):
    result = needed_by()(sizes, values, ceiling, goal)
    sizes.sort()
    return result


def needed_in_place(sizes, values, ceiling, goal):
    values -= ceiling
    return needed_by(gap=lambda values, ceiling: np.log(-values), goal_gap=log_gap)(sizes, values, ceiling, goal)


def needed_with_math(sizes, values, ceiling, goal):
    slope, start = straight(np.log(sizes), log_gap(values, ceiling))
    return np.inf if slope >= 0 else math.exp((math.log(ceiling - goal) - start) / slope)


# Exercise 4 ---------------------------------------------------------------------------------------------------------


def left_out(X, y, alpha, divide=lambda h: 1 - h):
    hat = X @ np.linalg.inv(X.T @ X + alpha * np.eye(X.shape[1])) @ X.T
    return (y - hat @ y) / divide(np.diag(hat))


def alpha_by_matrix(measure):
    """The alpha by what is measured of the errors and the whole hat matrix."""

    def picked(X, y, alphas):
        def curve(alpha):
            hat = X @ np.linalg.inv(X.T @ X + alpha * np.eye(X.shape[1])) @ X.T
            return measure(y - hat @ y, hat)

        return min(alphas, key=curve)

    return picked


def alpha_with_brackets_missing(X, y, alphas):
    def curve(alpha):
        hat = X @ np.linalg.inv(X.T @ X + alpha * np.eye(X.shape[1])) @ X.T
        return mse(y - hat @ y / (1 - np.diag(hat)))

    return min(alphas, key=curve)


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


def width_at(position, among=abs):
    """The size at another position, which a function of n and the confidence gives."""

    def width(errors, confidence):
        sizes, place = np.sort(among(errors)), math.ceil(position(len(errors), confidence))
        return sizes[place - 1] if place <= len(sizes) else np.inf

    return width


def width_by_quantile(level, **how):
    return lambda errors, confidence: np.quantile(abs(errors), min(level(len(errors), confidence), 1), **how)


def width_in_place(errors, confidence):
    errors[:] = np.sort(np.abs(errors))
    return width_by_index(errors, confidence)


RIGHT = {
    "q1": [
        lambda X, y, alpha: np.linalg.inv(X.T @ X + alpha * np.identity(X.shape[1])) @ X.T @ y,
        lambda X, y, alpha: X.T @ np.linalg.solve(X @ X.T + alpha * np.eye(len(X)), y),
        lambda X, y, alpha: Ridge(alpha=alpha, fit_intercept=False).fit(X, y).coef_,
        ridge_by_more_rows,
        lambda X, y, alpha: ridge(X.astype(np.float32), y.astype(np.float32), np.float32(alpha)),
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
        needed_by(),
        needed_by(line=line_by_polynomial),
        needed_by(line=line_by_scipy),
        needed_by(line=line_by_sklearn),
        needed_by(line=line_by_lstsq),
        needed_by(line=line_by_covariance),
        needed_by(across=np.log2, gap=lambda v, c: np.log2(c - v), back=np.exp2),
        needed_by(across=np.log10, back=lambda log: 10**log),
        needed_by(gap=lambda v, c: np.log10(1 - v / c)),
        needed_by(gap=lambda v, c: -np.log(c - v), never=lambda slope, goal, ceiling: slope <= 0 or goal >= ceiling),
        needed_by(never=lambda slope, goal, ceiling: slope > 0 or not goal < ceiling, back=math.exp),
        needed_by_loops,
        needed_asking_late,
        after_needed(lambda number, sizes: number * (1 + 1e-6)),
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
        width_at(lambda n, confidence: (n + 1) * confidence),
        lambda errors, confidence: np.sqrt(
            width_at(lambda n, confidence: (n + 1) * confidence, among=np.square)(errors, confidence)
        ),
        lambda errors, confidence: (
            np.quantile(abs(errors), (len(errors) + 1) * confidence / len(errors), method="inverted_cdf")
            if (len(errors) + 1) * confidence <= len(errors)
            else np.inf
        ),
    ],
}

WRONG = {
    "q1": [
        (
            lambda X, y, alpha: np.linalg.pinv(X) @ y,
            "least squares",
            "A close fit to the examples is taken for the goal; alpha is what keeps the weights from following noise.",
        ),
        (
            lambda X, y, alpha: np.linalg.solve(X.T @ X + alpha, X.T @ y),
            "Only the diagonal",
            "A number added to a matrix is thought to land on the diagonal; NumPy adds it to every entry.",
        ),
        (lambda X, y, alpha: (X.T @ X + alpha * np.eye(X.shape[1])) @ (X.T @ y), "np.linalg.solve(A, b), not A @ b"),
        (lambda X, y, alpha: ridge(X, y, alpha**2), "alpha is squared"),
        (lambda X, y, alpha: ridge(X, y, 1 / alpha), "divide by alpha"),
        (lambda X, y, alpha: ridge(X, y, -alpha), "alpha is subtracted"),
        (lambda X, y, alpha: ridge(X, y, 1), "alpha is not used"),
        (lambda X, y, alpha: ridge(X / len(X) ** 0.5, y / len(X) ** 0.5, alpha), "sums, not means"),
        (lambda X, y, alpha: ridge(X, y, alpha / len(X)), "alpha is divided by n"),
        (lambda X, y, alpha: ridge(X, y, np.sqrt(alpha)), "the root of alpha"),
        (lambda X, y, alpha: ridge(X, y, 2 * alpha), "alpha is doubled"),
        (lambda X, y, alpha: ridge(X, y, alpha / 2), "alpha is halved"),
        (lambda X, y, alpha: np.linalg.solve(X.T @ X + alpha + np.eye(X.shape[1]), X.T @ y), "Multiply the two"),
        (lambda X, y, alpha: ridge(X, y - y.mean(), alpha), "The mean was taken off y"),
        (lambda X, y, alpha: ridge(X - X.mean(axis=0), y, alpha), "The mean was taken off X"),
        (lambda X, y, alpha: ridge(X - X.mean(), y, alpha), "The mean was taken off X"),
        (lambda X, y, alpha: ridge(X - X.mean(), y - y.mean(), alpha), "The mean was taken off X"),
        (lambda X, y, alpha: ridge((X - X.mean(axis=0)) / X.std(axis=0), y, alpha), "X was scaled"),
        (lambda X, y, alpha: ridge(X / np.linalg.norm(X, axis=1, keepdims=True), y, alpha), "X was scaled"),
        (lambda X, y, alpha: ridge_with_ones(X, y, alpha)[:-1], "A column of ones"),
        (ridge_with_ones, "one weight too many"),
        (ridge_of_each_column, "Each column was taken on its own"),
        (lambda X, y, alpha: -ridge(X, y, alpha), "The signs are turned round"),
        (
            lambda X, y, alpha: X @ ridge(X, y, alpha),
            "a prediction, or the weight of each example",
            "Examples and dimensions are mixed up; the model has a weight for each dimension.",
        ),
        (lambda X, y, alpha: np.linalg.solve(X @ X.T + alpha * np.eye(len(X)), y), "with X @ X.T). Return the weights"),
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
        (
            lambda groups, train, test: sorted(set(train) & set(test)),
            "Positions are not: look up",
            "A leak is thought to be a row on both sides; it is a group that has rows on both.",
        ),
        (
            lambda groups, train, test: [groups[i] for i, j in zip(train, test, strict=False) if i == j],
            "look up the groups",
        ),
        (lambda groups, train, test: [], "Your list is empty, but there are groups on both sides"),
        (
            lambda groups, train, test: sorted(
                {one for one, other in zip(groups[train], groups[test], strict=False) if one == other}
            ),
            "Compare each with all",
            "The two sides are compared row by row, as if they were in the same order.",
        ),
        (lambda groups, train, test: np.unique(groups[train][groups[train] == groups[test]]), "Compare each with all"),
        (
            lambda groups, train, test: sorted({g for g in set(groups[train]) if g in groups[test][:-1]}),
            "the last row of test",
        ),
        (leaks_after(lambda train, test: (train, test[1:])), "the first row of test"),
        (leaks_after(lambda train, test: (train[:-1], test)), "the last row of train"),
        (leaks_after(lambda train, test: (train[1:], test)), "the first row of train. Look"),
        (leaks_after(lambda train, test: (train[1:], test[1:])), "the first row of train and of test"),
        (leaks_after(lambda train, test: (train[:-1], test[:-1])), "the last row of train and of test"),
        (leaks_after(lambda train, test: (train[1:-1], test)), "both sides are missing"),
        (leaks_without_row(0), "the first row of all"),
        (leaks_without_row(-1), "the last row of all"),
        (lambda groups, train, test: leaks_by_loop(groups, train, test)[1:], "both sides are missing"),
        (lambda groups, train, test: leaks_by_loop(groups, train, test)[:-1], "both sides are missing"),
        (leaks_by_counting, "The groups may be words, too"),
        (leaks_by_numbers, "The groups may be words, too"),
        (lambda groups, train, test: [g for g in groups if g in groups[train] and g in groups[test]], "named once"),
        (lambda groups, train, test: sorted(g for g in groups[train] if g in groups[test]), "named once"),
        (lambda groups, train, test: sorted(set(groups[train]) & set(groups[test]))[::-1], "should be sorted"),
        (lambda groups, train, test: list(set(groups[train]) & set(groups[test])), "should be sorted"),
        (lambda groups, train, test: set(groups[train]) & set(groups[test]), "A set has no order"),
        (
            lambda groups, train, test: sorted(map(int, set(groups[train]) & set(groups[test]))),
            "invalid literal for int()",
        ),
        (lambda groups, train, test: leaks_by_loop(groups, train, test) or None, "gives an empty list, []. Yours"),
        (lambda groups, train, test: leaks_by_loop(groups, train, test) or False, "gives an empty list, []."),
        (lambda groups, train, test: None if leaks_by_loop(groups, train, test) else [], "Does it end with"),
        (lambda groups, train, test: np.isin(groups[train], groups[test]), "True or False"),
        (lambda groups, train, test: sorted(set(groups[train]) & set(groups[test]))[:3], "both sides are missing"),
        (lambda groups, train, test: sorted(i for i in train if groups[i] in groups[test]), "These are positions"),
        (lambda groups, train, test: np.flatnonzero(np.isin(groups[train], groups[test])), "These are positions"),
        (
            lambda groups, train, test: pd.Series(groups).value_counts().loc[lambda n: n > 1].index,
            "more than once",
            "A group with several rows is taken for a leak; all of them may be on one side.",
        ),
        (
            lambda groups, train, test: sorted(
                pd.Series(groups[[*train, *test]]).value_counts().loc[lambda n: n > 1].index
            ),
            "more than once",
        ),
        (leaks_sorting_the_groups, "in place"),
    ],
    "q3": [
        (needed_by(back=float), "the logarithm of the number"),
        (needed_by(across=np.log10, back=float), "the logarithm of the number"),
        (needed_by(across=np.log10), "different bases"),
        (needed_by(across=np.log2), "different bases"),
        (needed_by(back=lambda log: 10**log), "different bases"),
        (needed_by(gap=lambda v, c: np.log10(c - v), goal_gap=log_gap), "different bases"),
        (needed_by(goal_gap=lambda v, c: np.log2(c - v)), "different bases"),
        (needed_by(across=np.log1p, back=np.expm1), "np.log1p adds 1"),
        (needed_by(gap=lambda v, c: np.log1p(c - v)), "np.log1p adds 1"),
        (
            needed_by(gap=lambda v, c: c - v),
            "as they are. Take the logarithm of the gaps",
            "Scores are thought to grow along a straight line; they flatten towards the ceiling.",
        ),
        (needed_by(gap=lambda v, c: c - v, goal_gap=log_gap), "as they are. Take the logarithm of the gaps"),
        (
            needed_by(gap=lambda v, c: v, never=lambda slope, goal, ceiling: slope <= 0 or goal >= ceiling),
            "as they are. Take the logarithm of the gaps",
        ),
        (needed_by(gap=lambda v, c: v), "Is yours the line through np.log(ceiling - values)?"),
        (
            needed_by(gap=lambda v, c: np.log(v), never=lambda slope, goal, ceiling: goal >= ceiling),
            "through the logarithm of the values",
        ),
        (needed_by(gap=lambda v, c: np.log(v)), "so it will be reached"),
        (needed_by(never=lambda slope, goal, ceiling: slope <= 0 or goal >= ceiling), "so it will be reached"),
        (
            needed_by(across=np.asarray),
            "over the sizes as they are",
            "The next hundred examples are thought to bring as much as the last; it is each doubling that does.",
        ),
        (needed_by(across=np.asarray, back=float), "over the sizes as they are"),
        (needed_by(across=np.asarray, gap=lambda v, c: c - v, back=float), "Neither the sizes nor the gaps"),
        (needed_by(goal_gap=lambda v, c: np.log(v)), "where the line reaches the goal"),
        (needed_by(goal_gap=lambda v, c: v), "where the line reaches the goal"),
        (needed_by(goal_gap=lambda v, c: c - v), "The goal's gap needs its logarithm"),
        (
            needed_by(line=lambda x, y: straight(y, x), solve=lambda height, slope, start: slope * height + start),
            "arguments are swapped",
        ),
        (needed_by(line=lambda x, y: straight(y, x)), "arguments are swapped"),
        (needed_by(line=lambda x, y: straight(x, y)[::-1]), "Slope and height are mixed up"),
        (needed_by(solve=lambda height, slope, start: (height - slope) / start), "Slope and height are mixed up"),
        (needed_by(line=lambda x, y: np.polynomial.Polynomial.fit(x, y, 1).coef[::-1]), "Call .convert() first"),
        (needed_by(solve=lambda height, slope, start: slope * height + start), "you put it in for x"),
        (needed_by(solve=lambda height, slope, start: (start - height) / slope), "The sign is turned round"),
        (needed_by(solve=lambda height, slope, start: height - start / slope), "Brackets are missing"),
        (needed_by(solve=lambda height, slope, start: (height - start) * slope), "Divide by the slope"),
        (needed_by(solve=lambda height, slope, start: height / slope), "height at 0 is left out"),
        (needed_by(line=lambda x, y: straight(x[-2:], y[-2:]), never=lambda *_: False), "two of the points only"),
        (needed_by(line=lambda x, y: straight(x[[0, -1]], y[[0, -1]])), "two of the points only"),
        (needed_by(line=lambda x, y: straight(np.sort(x)[-2:], y[np.argsort(x)][-2:])), "two of the points only"),
        (needed_by(line=lambda x, y: straight(x[:2], y[:2])), "two of the points only"),
        (needed_by(line=lambda x, y: straight(x[1:], y[1:])), "One point is left out"),
        (needed_by(line=lambda x, y: straight(x[:-1], y[:-1])), "One point is left out"),
        (needed_by(line=lambda x, y: straight(np.sort(x)[:-1], y[np.argsort(x)][:-1])), "One point is left out"),
        (needed_from_one_point_to_the_next, "np.interp goes from point to point"),
        (lambda sizes, values, ceiling, goal: np.interp(goal, values, sizes), "np.interp goes from point to point"),
        (needed_by_curve, "A straight line has degree 1"),
        (needed_by(line=lambda x, y: np.polyfit(x, y, 2)[:2], never=lambda *_: False), "A straight line has degree 1"),
        (needed_by(line=lambda x, y: np.polyfit(x, y, 2)), "too many values to unpack"),
        (needed_by(gap=lambda v, c: np.log((c - v) / c), goal_gap=log_gap), "shares of the ceiling in one place"),
        (needed_by(goal_gap=lambda v, c: np.log(1 - v / c)), "shares of the ceiling in one place"),
        (needed_by(gap=lambda v, c: np.log(1 - v)), "Your gaps are those to 1"),
        (needed_by(goal_gap=lambda v, c: np.log(1 - v)), "Your gaps are those to 1"),
        (needed_by(line=lambda x, y: straight(np.sort(x), y)), "sort neither without the other"),
        (needed_by(line=lambda x, y: straight(np.sort(x), np.sort(y)[::-1])), "sort neither without the other"),
        (after_needed(lambda number, sizes: number - sizes.max()), "how many more"),
        (after_needed(lambda number, sizes: np.ceil(number - sizes[-1])), "how many more"),
        (after_needed(lambda number, sizes: number / sizes.max()), "how many times"),
        (after_needed(lambda number, sizes: np.log2(number / sizes.max())), "has to be doubled"),
        (after_needed(lambda number, sizes: math.ceil(number)), "Do not round"),
        (after_needed(lambda number, sizes: int(number)), "Do not round"),
        (after_needed(lambda number, sizes: round(number)), "Do not round"),
        (after_needed(lambda number, sizes: round(number, 1)), "Do not round"),
        (after_needed(lambda number, sizes: number * 1.001), "and the answer is 5396.76; your function says 5402.16"),
        (needed_by(gap=lambda v, c: np.log(v - c)), "A number below zero has no logarithm"),
        (needed_by(goal_gap=lambda v, c: np.log(v - c)), "A number below zero has no logarithm"),
        (needed_by(goal_gap=lambda v, c: math.log(v - c)), "A number below zero has no logarithm"),
        (needed_by(gap=lambda v, c: np.log(v - c), line=line_by_sklearn), "A number below zero has no logarithm"),
        (needed_by_ends, "so it will be reached"),
        (needed_by_sorted_ends, "Where the gap does not shrink"),
        (needed_where_it_was_reached, "A goal below what was reached"),
        (needed_beyond_the_last, "A goal below what was reached"),
        (needed_by(never=lambda slope, goal, ceiling: goal >= ceiling), "Where the gap does not shrink"),
        (
            needed_by(never=lambda slope, goal, ceiling: slope >= 0),
            "A goal at the ceiling or beyond",
            "More data is thought to reach any goal.",
        ),
        (needed_by(never=lambda slope, goal, ceiling: slope >= 0 or goal >= 1), "A goal at the ceiling or beyond"),
        (needed_by(never=lambda slope, goal, ceiling: slope >= 0 or goal == ceiling), "your function returns NaN"),
        (needed_with_math, "A goal at the ceiling or beyond"),
        (
            lambda sizes, values, ceiling, goal: None if goal >= ceiling else needed_by()(sizes, values, ceiling, goal),
            "Yours returns None",
        ),
        (
            lambda sizes, values, ceiling, goal: -1 if goal >= ceiling else needed_by()(sizes, values, ceiling, goal),
            "your function says -1",
        ),
        (needed_by(back=lambda log: np.array([np.exp(log)])), "should return one number"),
        (needed_by(back=lambda log: (np.exp(log), log)), "should return one number"),
        (needed_by(back=lambda log: f"{np.exp(log):.0f}"), "should return one number"),
        (needed_printed, "returns None"),
        (needed_sorting, "in place"),
        (needed_in_place, "in place"),
    ],
    "q4": [
        (
            alpha_by(divide=lambda h: 1),
            "Divide each error",
            "The error on what was learned from is taken for that on new examples; it prefers the smallest alpha.",
        ),
        (alpha_by_matrix(lambda e, hat: mse(e / (1 - hat))), "by 1 − H, the whole matrix"),
        (alpha_by_matrix(lambda e, hat: mse(e[:, None] / (1 - hat))), "by 1 − H, the whole matrix"),
        (alpha_by_matrix(lambda e, hat: mse(e / (np.eye(len(e)) - hat))), "by np.eye(n) − H, the whole matrix"),
        (alpha_by(divide=lambda h: 1 + h), "You divide by 1 + H[i, i]"),
        (alpha_by(divide=lambda h: 1 / (1 - h)), "You multiply by 1 − H[i, i]"),
        (alpha_by(divide=lambda h: (1 - h) ** 2), "You return the largest alpha each time"),
        (alpha_with_brackets_missing, "the whole error is divided"),
        (alpha_by_matrix(lambda e, hat: np.mean(e / (1 - np.diag(hat)) ** 2)), "square what comes out of the division"),
        (alpha_by(np.std), "the spread of the errors"),
        (lambda X, y, alphas: max(alphas), "You return the largest alpha each time"),
        (lambda X, y, alphas: alphas[-1], "you return the last alpha"),
        (lambda X, y, alphas: alpha_by()(X, y, alphas[1:]), "these alphas are best"),
        (lambda X, y, alphas: alpha_by()(X, y, alphas[:-1]), "these alphas are best"),
        (alpha_by(lambda errors: mse(errors[1:])), "these alphas are best"),
        (alpha_by(lambda errors: mse(errors[:-1])), "these alphas are best"),
        (alpha_by(change=lambda X, y: (X[1:], y[1:])), "these alphas are best"),
        (alpha_by(change=lambda X, y: (X[:-1], y[:-1])), "these alphas are best"),
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
        (
            alpha_by(lambda errors: abs(np.mean(errors))),
            "cancel in your mean",
            "Errors to both sides are averaged with their signs; a bad model then looks perfect.",
        ),
        (alpha_by(np.mean), "Errors below zero"),
        (alpha_by(divide=lambda h: 1 - h.mean()), "by the same number"),
        (alpha_by(divide=lambda h: np.sqrt(1 - h)), "before you square them"),
        (alpha_by(change=lambda X, y: (X - X.mean(axis=0), y - y.mean())), "took the mean off X and y"),
        (alpha_by(change=lambda X, y: (X, y - y.mean())), "took the mean off y"),
        (alpha_by(change=lambda X, y: (np.c_[np.ones(len(X)), X], y)), "a column of ones"),
        (lambda X, y, alphas: RidgeCV(alphas).fit(X, y).alpha_, "fit_intercept=False"),
        (lambda X, y, alphas: min(alphas, key=lambda alpha: refitted(X, y, alpha, fit_intercept=True)), "an intercept"),
        (
            lambda X, y, alphas: min(alphas, key=lambda alpha: refitted(X, y, alpha, n_folds=5)),
            "several rows",
            "Any cross-validation is thought to be the same; five folds learn from fewer examples.",
        ),
        (after_centring_in_place, "in place"),
    ],
    "q5": [
        (
            lambda errors, confidence: np.quantile(np.abs(errors), confidence),
            "np.quantile goes between",
            "A quantile of the errors seen is taken for a promise about the next; with few it is too narrow.",
        ),
        (
            lambda errors, confidence: np.quantile(errors, confidence),
            "Errors to both sides count",
            "Errors below zero are thought to be none; an interval has two sides.",
        ),
        (width_by_quantile(lambda n, confidence: (n + 1) * confidence / n), "at the corrected level, too"),
        (width_by_quantile(lambda n, confidence: np.ceil((n + 1) * confidence) / n), "at the corrected level, too"),
        (width_by_quantile(lambda n, confidence: confidence, method="weibull"), "at the corrected level, too"),
        (width_by_quantile(lambda n, confidence: confidence, method="higher"), "whatever its method"),
        (
            width_by_quantile(lambda n, confidence: np.ceil((n + 1) * confidence) / n, method="higher"),
            "One position too far",
        ),
        (width_at(lambda n, confidence: (n + 1) * confidence, among=np.square), "The errors are squared"),
        (width_at(lambda n, confidence: (n + 1) * 0.9), "a fixed confidence, such as 0.9"),
        (width_at(lambda n, confidence: (n + 1) * 0.95), "a fixed confidence, such as 0.9"),
        (width_at(lambda n, confidence: (n + 1) * (1 - confidence)), "the share outside"),
        (width_at(lambda n, confidence: (n + 1) * (1 + confidence) / 2), "one side of two"),
        (width_at(lambda n, confidence: int((n + 1) * confidence) + 1), "use np.ceil, not int"),
        (width_at(lambda n, confidence: n * confidence + 1), "Brackets are missing"),
        (width_at(lambda n, confidence: n + 1 * confidence), "You return np.inf each time"),
        (width_at(lambda n, confidence: (n + 2) * confidence), "You count one more or less"),
        (width_at(lambda n, confidence: (n - 1) * confidence), "You count one more or less"),
        (
            width_at(lambda n, confidence: (n + 1) * confidence, among=lambda e: abs(e - e.mean())),
            "The mean was taken off the errors",
        ),
        (lambda errors, confidence: width_by_index(errors, confidence) / 2, "half of the half width"),
        (lambda errors, confidence: width_by_index(errors[1:], confidence), "in size"),
        (lambda errors, confidence: width_by_index(errors[:-1], confidence), "in size"),
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
            "Any number of examples is thought to support any confidence; the largest of five holds five in six.",
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
    "q3": {
        "if slope > 0 or goal >= ceiling:": "whether a flat curve has the slope 0 is a matter of rounding",
        "if slope >= 0 or goal > ceiling:": "for NumPy the logarithm of 0 is -inf, which the line reaches at inf",
        "return abs(np.exp((np.log(ceiling - goal) - start) / slope))": "np.exp is never below zero",
        "return np.exp((np.log(abs(ceiling - goal)) - start) / slope)": "the goal lies below the ceiling there",
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
