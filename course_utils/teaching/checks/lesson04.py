"""Checkers for lesson 4. Each tries the student's function on small cases and names the first thing that is off."""

from collections.abc import Callable

import numpy as np

from course_utils.teaching.checks.asserts import array, call, number, require
from course_utils.teaching.checks.compare import about, close, flat
from course_utils.teaching.checks.guard import NotYet


def _data(n: int, dim: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of different length that do not lie around zero, and scores that do not either."""
    generator = np.random.default_rng(seed)
    X = (generator.normal(size=(n, dim)) + 0.5) * generator.uniform(0.3, 2, size=(n, 1))
    return X, X @ generator.normal(size=dim) + 2 + noise * generator.normal(size=n)


def _ridge(X: np.ndarray, y: np.ndarray, fine: float | np.ndarray) -> np.ndarray:
    return np.linalg.solve(X.T @ X + fine, X.T @ y)


def _met(answer, ways):
    """Of the ways that a mistake comes in, the one that gives this answer, or the first."""
    return next((way for way in ways if np.allclose(answer, way)), ways[0])


def _weights_by_mistake(X: np.ndarray, y: np.ndarray, alpha: float) -> dict[str, list[np.ndarray]]:
    """What else the weights may be, by the message that names it; some mistakes come in several ways."""
    (n, dim), lengths = X.shape, np.linalg.norm(X, axis=0)
    one, ones = np.eye(dim), np.column_stack([X, np.ones(n)])
    centred, level = X - X.mean(axis=0), y - y.mean()
    fines = {
        "alpha was added to every entry of X.T @ X. Only the diagonal gets it: alpha * np.eye(dim).": alpha,
        "alpha is squared somewhere. The formula has it as it is.": alpha**2 * one,
        "That is with the root of alpha. The formula has it as it is.": alpha**0.5 * one,
        "alpha is doubled somewhere. The formula has it as it is.": 2 * alpha * one,
        "alpha is halved somewhere. The formula has it as it is.": alpha / 2 * one,
        "You divide by alpha somewhere. The formula multiplies by it.": one / alpha,
        "alpha is subtracted. The fine makes the diagonal larger.": -alpha * one,
        "alpha is not used: np.eye(dim) has to be multiplied by it.": one,
        "alpha is added to np.eye(dim). Multiply the two: alpha * np.eye(dim).": alpha + one,
        "Use sums, not means: do not divide X.T @ X and X.T @ y by n, nor multiply alpha by it.": n * alpha * one,
        "alpha is divided by n. The formula has it as it is.": alpha * one / n,
    }
    fine = alpha * one
    wrong = {message: [_ridge(X, y, other)] for message, other in fines.items()}
    return wrong | {
        "The matrix still has to be inverted: use np.linalg.solve(A, b), not A @ b.": [(X.T @ X + fine) @ (X.T @ y)],
        # with X around zero it makes no difference whether y is
        "The mean was taken off X, as for an intercept. Use X and y as they are.": [
            _ridge(centred, y, fine),
            *(_ridge(X - X.mean(), scores, fine) for scores in (y, level)),
        ],
        "The mean was taken off y. Use it as it is.": [_ridge(X, level, fine)],
        "A column of ones was added to X. Use X as it is, without an intercept.": [
            _ridge(ones, y, alpha * np.eye(dim + 1))[:dim]
        ],
        "X was scaled. Use it as it is.": [
            _ridge(scaled, y, fine)
            for scaled in (
                centred / X.std(axis=0),
                X / X.std(axis=0),
                X / lengths,
                X / np.linalg.norm(X, axis=1, keepdims=True),
            )
        ],
        "Each column was taken on its own. The weights depend on each other: solve with all of X.T @ X.": [
            X.T @ y / (lengths**2 + alpha)
        ],
        "The signs are turned round: it is X.T @ y, with plus.": [-_ridge(X, y, fine)],
        "alpha has no effect: that is least squares. Add alpha times np.eye(dim) to X.T @ X.": [
            np.linalg.lstsq(X, y)[0]
        ],
        **{
            f"Do not round: the weights are wanted with all their decimals, not {d}.": [_ridge(X, y, fine).round(d)]
            for d in range(1, 6)
        },
    }


def check_closed_form_ridge(function) -> None:
    """A function of an (n, dim) array, an (n,) array and alpha."""
    for n, dim, alpha in ((12, 3, 2.5), (7, 5, 0.3), (3, 4, 10)):
        X, y = _data(n, dim, 1.0, seed=n)
        answer = call(function, X, y, alpha)
        require(
            getattr(answer, "shape", ()) != (dim, 1),
            "The weights stand in a column. y has one dimension: do not reshape it.",
        )
        require(
            getattr(answer, "shape", ()) != (n,),
            "That is one number a row: a prediction, or the weight of each example (with X @ X.T). Return the weights "
            "of the columns, one a dimension (with X.T @ X).",
        )
        require(
            getattr(answer, "shape", ()) != (dim + 1,),
            "That is one weight too many. Use X as it is, without a column of ones for an intercept.",
        )
        answer = array(answer, (dim,), "closed_form_ridge")
        right = _ridge(X, y, alpha * np.eye(dim))
        wrong = {message: _met(answer, ways) for message, ways in _weights_by_mistake(X, y, alpha).items()}
        shown = f"{answer.round(3)} in place of {right.round(3)}"
        few = "There are fewer rows than dimensions here. " if n < dim else ""
        otherwise = f"{few}For a test array of shape {X.shape} and alpha = {alpha:g} your function gives {shown}."
        in_single_precision = np.allclose(answer, right, rtol=0, atol=2e-6)  # as right, with fewer digits
        close(right if in_single_precision else answer, right, wrong, otherwise)


_NUMBERED = np.array([24, 24, 3, 3, 8, 8, 8, 9, 24, 24, 8, 3, 9, 17, 5, 5])
_WORDS = np.array(
    ["pear", "fig", "nut", "fig", "kiwi", "pear", "nut", "plum", "kiwi", "date", "date", "lime", "yam", "sloe", "yam"]
)
# groups, training and test rows; of the numbers, the first and the last rows of both sides could be left out
_SPLITS = (
    (_NUMBERED, [0, 4, 3, 12, 8, 5], [13, 6, 1, 10, 11, 9]),
    (_NUMBERED, [13, 0, 14, 2, 1], [4, 3, 15, 6]),
    (_NUMBERED, [0, 1, 8, 9, 7, 12, 13], [2, 3, 4, 6]),
    # here each group that leaks has one row on either side: each row counts, at both ends of both sides and of all
    (_WORDS, [1, 0, 2, 7, 8, 12, 10], [4, 3, 11, 5, 9, 14, 6]),
    (_WORDS, [7, 10, 1], [11, 9, 0]),
)


def _leaks(function, groups: np.ndarray, train: list[int], test: list[int], leaks: bool) -> list:
    """What a student's function says about one split."""
    name = "leaking_groups"
    try:
        answer = call(function, groups, np.array(train), np.array(test), nothing="" if leaks else "Yours returns None.")
    except NotYet as finding:  # the words of NumPy and Python, which do not tell that the numbers went well
        stopped = groups.dtype.kind == "U" and "Your code stopped with" in str(finding)
        raise NotYet(
            f"{finding} The groups may be words, too, as they are here." if stopped else f"{finding}"
        ) from None
    require(not isinstance(answer, set | frozenset), f"{name} should return a sorted list. A set has no order.")
    answer = flat(answer, name, "groups")
    yes_or_no = any(isinstance(each, bool) for each in answer)
    require(not yes_or_no, f"{name} should return groups; yours says of each row whether it leaks, True or False.")
    return answer


def _groups_by_mistake(groups: np.ndarray, train: list[int], test: list[int]) -> list[tuple[set, str]]:
    """What else the groups may be, with the message that names it."""
    left, right = set(groups[train].tolist()), set(groups[test].tolist())
    leaking = [[i for i in rows if groups[i] in left & right] for rows in (train, test)]
    look_up = "These are positions. Look up the groups of the rows: groups[train]."
    twice = "These are the groups that occur more than once. Both times may be on one side: only those on both leak."
    empty = (
        "Your list is empty, but there are groups on both sides. Positions are not: look up the groups of the rows "
        "first, groups[train]."
    )
    row_by_row = (
        "You compare the first training row with the first test row, the second with the second, and so on. "
        "Compare each with all."
    )
    ends = {
        "first row of train": (train[1:], test),
        "last row of train": (train[:-1], test),
        "first row of test": (train, test[1:]),
        "last row of test": (train, test[:-1]),
        "first row of train and of test": (train[1:], test[1:]),
        "last row of train and of test": (train[:-1], test[:-1]),
        "first row of all": ([i for i in train if i > 0], [i for i in test if i > 0]),
        "last row of all": tuple([i for i in rows if i < len(groups) - 1] for rows in (train, test)),
    }
    return [
        (set(groups.tolist()), "These are all groups. Only those on both sides leak."),
        (left | right, "These are the groups on either side. Only those on both sides leak."),
        (left ^ right, "These are the groups on one side only. Those on both sides leak."),
        (left, "These are the groups of the training rows. Only those that the test rows have too leak."),
        (right, "These are the groups of the test rows. Only those that the training rows have too leak."),
        (left - right, "These are the groups of the training rows only. Those on both sides leak."),
        (right - left, "These are the groups of the test rows only. Those on both sides leak."),
        *(({*rows}, look_up) for rows in (train, test, train + test, *leaking, sum(leaking, []))),
        *(({*map(rows.index, some)}, look_up) for rows, some in zip((train, test), leaking, strict=True)),
        ({g for g in groups.tolist() if (groups == g).sum() > 1}, twice),
        ({g for g in left | right if (groups[train + test] == g).sum() > 1}, twice),
        (set(), empty),
        ({groups[i].item() for i, j in zip(train, test, strict=False) if groups[i] == groups[j]}, row_by_row),
        *(
            (set(groups[a].tolist()) & set(groups[b].tolist()), f"You leave out the {end}. Look at all rows.")
            for end, (a, b) in ends.items()
        ),
    ]


def check_leaking_groups(function) -> None:
    """A function of the groups of all rows and the positions of the training and test rows."""
    for groups, train, test in _SPLITS:
        leaks = set(groups[train].tolist()) & set(groups[test].tolist())
        with about("" if leaks else "A split without a leak gives an empty list, []."):
            answer = _leaks(function, groups, train, test, bool(leaks))
        for wrong, message in _groups_by_mistake(groups, train, test):
            require(set(answer) == leaks or set(answer) != wrong, message)
        both = ", ".join(map(str, sorted(leaks))) or "no group"
        stand = "stand" if len(leaks) > 1 else "stands"
        said = f"In a test case {both} {stand} on both sides; your function says {answer!s:.80}."
        require(not set(answer) < leaks, f"Some groups that stand on both sides are missing. {said}")
        require(set(answer) == leaks, said)
        require(len(answer) == len(set(answer)), f"Each leaking group should be named once. {said}")
        require(answer == sorted(answer), f"The list should be sorted, from small to large. {said}")


# in the last two the goal lies below what was reached; the values do not only rise, and not all sizes are sorted
_RISING = (
    ([20, 40, 80, 160, 320, 640], [0.31, 0.42, 0.47, 0.58, 0.56, 0.68], 0.82, 0.74),
    ([10, 30, 100, 300, 1000], [0.42, 0.51, 0.63, 0.62, 0.75], 1.0, 0.83),
    ([400, 50, 200, 25, 100], [0.68, 0.39, 0.66, 0.27, 0.53], 0.9, 0.8),
    ([16, 64, 256, 1024], [0.24, 0.45, 0.43, 0.61], 0.7, 0.4),
    ([12, 90, 6, 40, 20], [0.37, 0.6, 0.29, 0.46, 0.48], 0.75, 0.25),
)
# the gap grows; in the second the last value still lies above the first, and in the third not even the sizes are sorted
_FALLING = (
    ([20, 40, 80, 160, 320], [0.5, 0.46, 0.47, 0.41, 0.35], 0.8, 0.7),
    ([10, 20, 40, 80, 160], [0.5, 0.62, 0.45, 0.4, 0.53], 0.9, 0.75),
    ([320, 20, 160, 40, 80], [0.31, 0.44, 0.33, 0.39, 0.41], 1.0, 0.6),
)


def _reach(x: np.ndarray, y: np.ndarray, height: float) -> float:
    """Where the straight line through the points is at a height."""
    slope, start = np.polyfit(x, y, 1)
    return (height - start) / slope


def _read(x: np.ndarray, y: np.ndarray, height: float) -> list[float]:
    """The number there, without and with asking whether the line falls."""
    found = np.exp(_reach(x, y, height))
    return [found, found if np.polyfit(x, y, 1)[0] < 0 else np.inf]


def _sizes_by_mistake(n: np.ndarray, v: np.ndarray, top: float, goal: float) -> dict[str, list[float]]:
    """What else an answer may be for one curve, by the message that names it; some mistakes come in several ways."""
    x, y, g = np.log(n), np.log(top - v), np.log(top - goal)
    slope, start = np.polyfit(x, y, 1)
    log = (g - start) / slope
    right = np.exp(log)
    more = right - np.array([n.max(), n[-1]])
    sizes, gaps, gap = np.log1p(n), np.log1p(top - v), np.log1p(top - goal)
    return {
        "That is the logarithm of the number. np.exp makes the number of it.": [log, log / np.log(10), log / np.log(2)],
        "That is how many more than the largest size are needed. Return how many are needed in all.": [
            *more,
            *np.ceil(more),
        ],
        "That is how many times the largest size is needed. Return the number itself.": [
            right / n.max(),
            right / n[-1],
        ],
        "That is how often the largest size has to be doubled. Return the number itself.": [
            np.log2(right / n.max()),
            *np.ceil(np.log2([right / n.max(), right / n[-1]])),
            np.log2(right / n[-1]),
        ],
        "Do not round: the number is wanted as it comes.": [
            np.ceil(right),
            np.floor(right),
            *(right.round(d) for d in range(-2, 4)),
        ],
        "The logarithms have different bases. Use np.log for all of them, and np.exp to undo it.": [
            *(np.exp(log / np.log(base)) for base in (2, 10)),
            *(base**log for base in (2, 10)),
            *(np.exp(_reach(x, y / np.log(base), g)) for base in (2, 10)),
            *(np.exp(_reach(x, y, g / np.log(base))) for base in (2, 10)),
        ],
        "np.log1p adds 1 before it takes the logarithm. Use np.log, and np.exp to undo it.": [
            back(_reach(*line))
            for line in ((sizes, y, g), (x, gaps, gap), (sizes, gaps, gap))
            for back in (np.exp, np.expm1)
        ],
        "Neither the sizes nor the gaps are logarithms. The line is straight in the logarithms of both.": [
            _reach(n, v, goal)
        ],
        "The line goes through the values or the gaps as they are. Take the logarithm of the gaps: "
        "np.log(ceiling - values).": [np.exp(_reach(x, v, goal)), np.exp(_reach(x, top - v, g))],
        "The line is drawn over the sizes as they are. Take their logarithm, np.log(sizes), and np.exp at the end.": [
            _reach(n, y, g),
            np.exp(_reach(n, y, g)),
        ],
        "The line goes through the logarithm of the values. Take that of the gaps, np.log(ceiling - values).": [
            np.exp(_reach(x, np.log(v), np.log(goal))),
            np.exp(_reach(x, np.log(v), g)),
        ],
        "You look where the line reaches the goal. It is a line of gaps: look for np.log(ceiling - goal).": [
            np.exp(_reach(x, y, np.log(goal))),
            np.exp(_reach(x, y, goal)),
        ],
        "The goal's gap needs its logarithm, too: np.log(ceiling - goal).": [np.exp(_reach(x, y, top - goal))],
    } | _sizes_by_other_lines(n, v, top, goal)


def _sizes_by_other_lines(n: np.ndarray, v: np.ndarray, top: float, goal: float) -> dict[str, list[float]]:
    """The same for mistakes with the line itself, or with where it is read."""
    x, y, g = np.log(n), np.log(top - v), np.log(top - goal)
    slope, start = np.polyfit(x, y, 1)
    swapped, swapped_start = np.polyfit(y, x, 1)
    scaled_start, scaled = np.polynomial.Polynomial.fit(x, y, 1).coef
    upside_down = np.exp((g - slope) / start)
    return {
        "np.polyfit's arguments are swapped: first the logarithm of the sizes, then that of the gaps.": [
            np.exp(swapped * g + swapped_start),
            np.exp((g - swapped_start) / swapped),
        ],
        "Slope and height are mixed up. np.polyfit returns the slope first, then the height at 0.": [
            upside_down,
            upside_down if start < 0 else np.inf,
        ],
        "Polynomial.fit moves and stretches x before it fits. Call .convert() first, or use np.polyfit.": [
            np.exp((g - scaled_start) / scaled)
        ],
        "The logarithm of the goal's gap is a height, and you put it in for x. Look for the x at which the line has "
        "that height.": [np.exp(slope * g + start), slope * g + start],
        "The sign is turned round: the line has the height h at x = (h - height at 0) / slope.": [
            np.exp((start - g) / slope)
        ],
        "Brackets are missing: the line has the height h at x = (h - height at 0) / slope.": [
            np.exp(g - start / slope)
        ],
        "Divide by the slope: the line has the height h at x = (h - height at 0) / slope.": [
            np.exp((g - start) * slope)
        ],
        "The line's height at 0 is left out: take it off the logarithm of the goal's gap.": [np.exp(g / slope)],
    } | _sizes_by_other_points(n, v, top, goal)


def _sizes_by_other_points(n: np.ndarray, v: np.ndarray, top: float, goal: float) -> dict[str, list[float]]:
    """The same for mistakes with the points that the line goes through."""
    x, y, g = np.log(n), np.log(top - v), np.log(top - goal)
    bent = np.polyfit(x, y, 2)
    crossings = np.sort(np.roots(bent - [0, 0, g]).real)
    rows, rising = np.argsort(n), np.argsort(v)
    return {
        "You use two of the points only. The line goes through all of them (least squares).": [
            way
            for two in (rows[-2:], rows[:2], rows[[0, -1]], slice(-2, None), slice(2), [0, -1])
            for way in _read(x[two], y[two], g)
        ],
        "One point is left out, at the beginning or the end. The line goes through all of them.": [
            way for some in (slice(1, None), slice(-1), rows[1:], rows[:-1]) for way in _read(x[some], y[some], g)
        ],
        "np.interp goes from point to point and ends at the last. Draw one line through all, and go along it.": [
            np.interp(goal, v, n),
            np.interp(goal, v[rows], n[rows]),
            *(np.interp(goal, v[rising], n[some]) for some in (rising, rows)),
            *(np.exp(np.interp(goal, v[some], x[some])) for some in (rising, rows)),
            *(np.exp(np.interp(-g, -y[some], x[some])) for some in (rising, rows)),
        ],
        "That is a curve (degree 2). A straight line has degree 1: np.polyfit(x, y, 1).": [
            *np.exp(crossings),
            np.exp((g - bent[1]) / bent[0]),
            np.exp((g - bent[2]) / bent[1]),
        ],
        "The gaps are shares of the ceiling in one place and not in the other. Use ceiling - … in both.": [
            np.exp(_reach(x, y - np.log(top), g)),
            np.exp(_reach(x, y, g - np.log(top))),
        ],
        "Your gaps are those to 1. Use the ceiling that comes in, which may be lower.": [
            np.exp(_reach(x, np.log(1 - v), np.log(1 - goal))),
            np.exp(_reach(x, y, np.log(1 - goal))),
            np.exp(_reach(x, np.log(1 - v), g)),
        ],
        "Sizes and values belong together, the first to the first: sort neither without the other.": [
            *_read(np.sort(x), y, g),
            *_read(x, y[rising], g),
            *_read(np.sort(x), y[rising], g),
        ],
    }


def _needed(function, case: tuple) -> float:
    """What a student's function says about a curve that rises."""
    order = "A number below zero has no logarithm. The gaps are ceiling - values and ceiling - goal, in this order."
    try:
        value = call(function, *case)
    except NotYet as finding:  # NumPy's and Python's words for such a logarithm, which do not tell where it comes from
        words = ("LinAlgError", "math domain error", "expected a positive input", "contains NaN")
        raise NotYet(f"{finding} {order}" if any(map(str(finding).count, words)) else f"{finding}") from None
    require(not _is_nan(value), f"Your function returns NaN. {order}")
    return number(value, "examples_needed")


def _is_nan(value) -> bool:
    return isinstance(value, float | np.floating | np.ndarray) and np.shape(value) == () and str(value) == "nan"


def check_examples_needed(function) -> None:
    """A function of two arrays, the ceiling and the goal."""
    cases = [(np.array(sizes), np.array(values), top, goal) for sizes, values, top, goal in _RISING]
    lines = [np.polyfit(np.log(n), np.log(top - v), 1) for n, v, top, _ in cases]
    right = np.array([np.exp(_reach(np.log(n), np.log(top - v), np.log(top - goal))) for n, v, top, goal in cases])
    answer = np.array([_needed(function, case) for case in cases])
    with np.errstate(all="ignore"):  # some mistakes leave the numbers that there are
        told = [_sizes_by_mistake(*case) for case in cases]
    mistakes = {}
    for message in told[0]:
        mistakes[message] = _met(answer, list(zip(*(each[message] for each in told), strict=True)))
    off = next((i for i in range(len(cases)) if not np.isclose(answer[i], right[i])), 0)
    sizes, values, top, goal = _RISING[off]
    slope, start = lines[off]
    reached = "A goal below what was reached gets its number from the line as well. " if goal < max(values) else ""
    infinite = (
        " The slope is below zero and the goal below the ceiling, so it will be reached. "
        "Is yours the line through np.log(ceiling - values)?"
    )
    otherwise = (
        f"{reached}For the sizes {sizes}, the values {values}, the ceiling {top} and the goal {goal} the line has the "
        f"slope {slope:.3f} and the height {start:.3f} at 0, and the answer is {right[off]:.2f}; "
        f"your function says {answer[off]:.6g}.{infinite if answer[off] == np.inf else ''}"
    )
    close(answer, right, mistakes, otherwise)
    for sizes, values, top, goal in _FALLING:
        slope = np.polyfit(np.log(sizes), np.log(top - np.array(values)), 1)[0]
        with about("Where the gap does not shrink (the slope is zero or above) no number is enough: return np.inf."):
            said = f"For the values {values}, reached with {sizes}, the slope is {slope:.2f}"
            _never(function, (np.array(sizes), np.array(values), top, goal), said)
    for (n, v, top, _), beyond in zip(cases, (0, 0.03, 0.15, 0.05, 0), strict=True):
        with about("A goal at the ceiling or beyond is never reached: ask for that first, and return np.inf."):
            _never(function, (n, v, top, top + beyond), f"For the ceiling {top} and the goal {top + beyond:g}")


def _never(function, case: tuple, said: str) -> None:
    """Require np.inf."""
    value = call(function, *case, nothing="Yours returns None.")
    require(not _is_nan(value), f"{said}; your function returns NaN.")
    value = number(value, "examples_needed")
    require(value == np.inf, f"{said}; your function says {value:.6g}.")


def _whole(X: np.ndarray, y: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Errors on what was learned from, and the hat matrix."""
    hat = X @ np.linalg.solve(X.T @ X + alpha * np.eye(X.shape[1]), X.T)
    return y - hat @ y, hat


def _hat(X: np.ndarray, y: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Errors on what was learned from, and the diagonal of the hat matrix."""
    errors, hat = _whole(X, y, alpha)
    return errors, np.diag(hat)


def _divided(by: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray, np.ndarray, float], float]:
    """The mean squared error where each is divided by something else, made of the hat matrix."""

    def curve(X: np.ndarray, y: np.ndarray, alpha: float) -> float:
        errors, hat = _whole(X, y, alpha)
        return np.mean((errors / by(hat)) ** 2)

    return curve


def _left_out(X: np.ndarray, y: np.ndarray, alpha: float) -> np.ndarray:
    errors, own = _hat(X, y, alpha)
    return errors / (1 - own)


def _folds(X: np.ndarray, y: np.ndarray, alpha: float, n_folds: int = 5) -> np.ndarray:
    fold = np.arange(len(y)) % n_folds
    parts = [(fold != i, fold == i) for i in range(n_folds)]
    one = alpha * np.eye(X.shape[1])
    return np.concatenate([y[rest] - X[rest] @ _ridge(X[fit], y[fit], one) for fit, rest in parts])


def _centred(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return X - X.mean(axis=0), y - y.mean()


# what else an answer may take the smallest value of, by the message that names it
_CURVES = {
    "That alpha has the smallest error on what was learned from. Divide each error by 1 − H[i, i] first.": (
        lambda X, y, alpha: np.mean(_hat(X, y, alpha)[0] ** 2)
    ),
    "That alpha has the largest leave-one-out error.": lambda X, y, alpha: -np.mean(_left_out(X, y, alpha) ** 2),
    "You take the mean size of the errors. Square them first.": (
        lambda X, y, alpha: np.mean(np.abs(_left_out(X, y, alpha)))
    ),
    "You take the median of the squared errors. Take their mean.": (
        lambda X, y, alpha: np.median(_left_out(X, y, alpha) ** 2)
    ),
    "You look at the largest error only. Take the mean of their squares.": (
        lambda X, y, alpha: np.max(_left_out(X, y, alpha) ** 2)
    ),
    "Errors to both sides cancel in your mean. Square each of them first.": (
        lambda X, y, alpha: np.abs(np.mean(_left_out(X, y, alpha)))
    ),
    "Errors below zero count as small in your mean. Square each of them first.": (
        lambda X, y, alpha: np.mean(_left_out(X, y, alpha))
    ),
    "You divide all errors by the same number. Each has its own H[i, i], which np.diag(H) picks.": (
        lambda X, y, alpha: np.mean((_hat(X, y, alpha)[0] / (1 - _hat(X, y, alpha)[1].mean())) ** 2)
    ),
    "You divide by 1 − H, the whole matrix. Take its diagonal only, 1 − np.diag(H).": _divided(lambda hat: 1 - hat),
    "You divide by np.eye(n) − H, the whole matrix. Take its diagonal only, 1 − np.diag(H).": (
        _divided(lambda hat: np.eye(len(hat)) - hat)
    ),
    "You divide by 1 + H[i, i]. It is 1 − H[i, i].": _divided(lambda hat: 1 + np.diag(hat)),
    "You multiply by 1 − H[i, i]. Divide by it.": _divided(lambda hat: 1 / (1 - np.diag(hat))),
    "Divide the errors by 1 − H[i, i] before you square them, not after.": (
        lambda X, y, alpha: np.mean(_hat(X, y, alpha)[0] ** 2 / (1 - _hat(X, y, alpha)[1]))
    ),
    "Brackets are missing: the whole error is divided, (y − H @ y) / (1 − H[i, i]).": (
        lambda X, y, alpha: np.mean((y - (y - _hat(X, y, alpha)[0]) / (1 - _hat(X, y, alpha)[1])) ** 2)
    ),
    "Brackets are missing: square what comes out of the division, not 1 − H[i, i].": (
        lambda X, y, alpha: np.mean(_hat(X, y, alpha)[0] / (1 - _hat(X, y, alpha)[1]) ** 2)
    ),
    "You take the spread of the errors around their mean. Take the mean of their squares.": (
        lambda X, y, alpha: np.std(_left_out(X, y, alpha))
    ),
    "You took the mean off X and y. Use both as they are.": (
        lambda X, y, alpha: np.mean(_left_out(*_centred(X, y), alpha) ** 2)
    ),
    "You took the mean off y. Use it as it is.": lambda X, y, alpha: np.mean(_left_out(X, y - y.mean(), alpha) ** 2),
    "You added a column of ones to X. Use X as it is, without an intercept.": (
        lambda X, y, alpha: np.mean(_left_out(np.column_stack([X, np.ones(len(X))]), y, alpha) ** 2)
    ),
    "Your model has an intercept. Use X and y as they are (in scikit-learn, fit_intercept=False).": (
        lambda X, y, alpha: np.mean(
            (_hat(*_centred(X, y), alpha)[0] / (1 - 1 / len(y) - _hat(*_centred(X, y), alpha)[1])) ** 2
        )
    ),
    "You leave out several rows at a time (five folds). Leave out one.": (
        lambda X, y, alpha: np.mean(_folds(X, y, alpha) ** 2)
    ),
}


def check_pick_alpha(function) -> None:
    """A function of an (n, dim) array, an (n,) array and a list of alphas."""
    alphas = np.geomspace(1e-3, 1e3, 13)
    # the best is the last of one, the first of one, and the first is no end of the grid in one
    orders = (np.roll(alphas[::-1], -1), np.roll(alphas, 1), np.roll(alphas, -4))
    # data in each of which every usual mistake picks another alpha than the right one; no two pick the same three
    sizes = ((12, 6, 3.0, 2044), (30, 10, 5.0, 3541), (14, 20, 2.0, 1853))
    cases = [(*_data(*size), order.tolist()) for size, order in zip(sizes, orders, strict=True)]
    answer = np.array([number(call(function, *case), "pick_alpha") for case in cases])

    def best(curve) -> np.ndarray:
        return np.array([min(alphas, key=lambda alpha: curve(X, y, alpha)) for X, y, alphas in cases])

    right = best(lambda X, y, alpha: np.mean(_left_out(X, y, alpha) ** 2))
    places = [alphas.index(alpha) for (*_, alphas), alpha in zip(cases, right, strict=True)]
    smallest = [np.mean(_left_out(X, y, alpha) ** 2) for (X, y, _), alpha in zip(cases, right, strict=True)]
    mistakes = {
        "That is the position of the best alpha. Return the alpha itself.": places,
        "That is the smallest error. Return the alpha that reaches it.": smallest,
        "Whatever the data, you return the first alpha of the list.": [alphas[0] for *_, alphas in cases],
        "Whatever the data, you return the last alpha of the list.": [alphas[-1] for *_, alphas in cases],
        "You return the largest alpha each time. Divide y − H @ y by 1 − H[i, i] once, then square.": [
            max(alphas) for *_, alphas in cases
        ],
        **{message: best(curve) for message, curve in _CURVES.items()},
    }
    otherwise = f"On test arrays these alphas are best: {right.round(3)}; your function says {answer.round(3)}."
    close(answer, right, mistakes, otherwise)


def _at(errors: np.ndarray, position: float) -> float:
    """The error at a position in size, counted from 1; infinite beyond the last."""
    sizes = np.sort(np.abs(errors))
    return sizes[int(position) - 1] if 1 <= position <= len(sizes) else np.inf


# what else an answer may return for errors e and k = (n + 1) * confidence, which is not rounded, by its message;
# some mistakes come in several ways
_WIDTHS = {
    "Nearly right: use n + 1 in place of n, because the errors are few.": (
        lambda e, k: _at(e, np.ceil(k * len(e) / (len(e) + 1)))
    ),
    "One position too far: Python counts from 0, so position k of the formula is index k − 1.": (
        lambda e, k: _at(e, np.ceil(k) + 1)
    ),
    "One position too early: position k of the formula is the k-th error, which has index k − 1.": (
        lambda e, k: _at(e, np.ceil(k) - 1)
    ),
    "Round the position up: np.ceil, neither down nor to the nearest.": lambda e, k: _at(e, max(np.floor(k), 1)),
    "Round the position up: np.ceil, not to the nearest.": lambda e, k: _at(e, round(k)),
    "Where (n + 1) * confidence is a whole number, it is the position: use np.ceil, not int(…) + 1.": (
        lambda e, k: _at(e, np.floor(k) + 1)
    ),
    "Brackets are missing: the position is (n + 1) * confidence, rounded up.": (
        lambda e, k: _at(e, np.ceil(k * len(e) / (len(e) + 1) + 1))
    ),
    "You return np.inf each time. It is for positions beyond n. Has (n + 1) * confidence its brackets?": (
        lambda e, k: np.inf
    ),
    "n is the number of errors that came in. You count one more or less.": lambda e, k: [
        _at(e, np.ceil(k / (len(e) + 1) * (len(e) + more))) for more in (-1, 2)
    ],
    "You use a fixed confidence, such as 0.9. Use the one that comes in.": lambda e, k: [
        _at(e, np.ceil((len(e) + 1) * fixed)) for fixed in (0.9, 0.8, 0.95)
    ],
    "You use 1 − confidence, the share outside. Use confidence, the share inside.": (
        lambda e, k: _at(e, np.ceil(len(e) + 1 - k))
    ),
    "(1 + confidence) / 2 is for one side of two. Sizes hold both: use confidence as it is.": (
        lambda e, k: _at(e, np.ceil((len(e) + 1 + k) / 2))
    ),
    "The errors are squared. Take their sizes, np.abs(errors).": lambda e, k: _at(e, np.ceil(k)) ** 2,
    "The mean was taken off the errors. Use them as they are.": lambda e, k: _at(e - e.mean(), np.ceil(k)),
    "Sort the sizes of the errors first, from small to large.": lambda e, k: np.abs(e)[int(np.ceil(k)) - 1],
    "You count from the largest error. Sort from small to large.": lambda e, k: np.sort(np.abs(e))[-int(np.ceil(k))],
    "Errors to both sides count: take their sizes, np.abs(errors).": lambda e, k: np.sort(e)[int(np.ceil(k)) - 1],
    "Take the sizes of the errors, np.abs(errors), and sort these.": lambda e, k: np.abs(
        np.sort(e)[int(np.ceil(k)) - 1]
    ),
    "np.quantile goes between two errors and forgets the correction for n. Take the error at the position.": (
        lambda e, k: np.quantile(np.abs(e), k / (len(e) + 1))
    ),
    "np.quantile goes between two errors, at the corrected level, too. Take the error at the position.": lambda e, k: [
        *np.quantile(np.abs(e), [k / len(e), np.ceil(k) / len(e)]),
        np.quantile(np.abs(e), k / (len(e) + 1), method="weibull"),
    ],
    "np.quantile forgets the correction for n, whatever its method. Take the error at the position.": lambda e, k: [
        np.quantile(np.abs(e), k / (len(e) + 1), method=method) for method in ("higher", "lower", "nearest")
    ],
    "np.quantile goes between two errors. Errors to both sides count: take their sizes, np.abs(errors).": (
        lambda e, k: np.quantile(e, k / (len(e) + 1))
    ),
    "That is the position. Return the error that stands there.": lambda e, k: [np.ceil(k), np.ceil(k) - 1],
    "That is the whole width. Half of it is asked for.": lambda e, k: 2 * _at(e, np.ceil(k)),
    "That is half of the half width. Return the error at the position as it is.": lambda e, k: _at(e, np.ceil(k)) / 2,
    "That is the largest error. Take the one at the position.": lambda e, k: np.abs(e).max(),
    "That is the mean size of the errors. Take the one at the position.": lambda e, k: np.abs(e).mean(),
}


def check_half_width(function) -> None:
    """A function of signed errors and a confidence."""
    nine = np.array([0.5, -3.0, 1.0, -2.0, 4.0, -0.1, 2.5, 0.2, -1.5])
    many = 10 * np.random.default_rng(3).normal(size=43)
    cases = ((nine, 0.72), (many, 0.9), (many[:19], 0.8), (many[13:37], 0.5), (nine[:6], 0.4))
    answer = [number(call(function, *case), "half_width") for case in cases]
    ranks = [(len(errors) + 1) * confidence for errors, confidence in cases]
    right = [_at(errors, np.ceil(rank)) for (errors, _), rank in zip(cases, ranks, strict=True)]
    mistakes = {
        message: _met(
            answer,
            list(zip(*(np.atleast_1d(width(e, rank)) for (e, _), rank in zip(cases, ranks, strict=True)), strict=True)),
        )
        for message, width in _WIDTHS.items()
    }
    off = next((i for i in range(len(cases)) if not np.isclose(answer[i], right[i])), 0)
    otherwise = (
        f"Of {len(cases[off][0])} errors, for {cases[off][1]}, it is number {np.ceil(ranks[off]):.0f} in size, "
        f"{right[off]:.3f}; your function says {answer[off]:.3f}."
    )
    close(answer, right, mistakes, otherwise)
    ties = np.array([1.0, 3.0, -1.0, 5.0, 1.0, -2.0, 2.0, -3.0, -4.0, 5.0])
    for confidence, wanted in ((0.7, 4.0), (0.4, 2.0), (0.2, 1.0)):
        with about("Errors of equal size count each on its own: keep all of them, the equal ones, too."):
            value = number(call(function, ties, confidence), "half_width")
            require(np.isclose(value, wanted), f"Of ten errors, for {confidence}, it is {wanted:g}; you say {value:g}.")
    with about("The largest error has position n and is in the list. Only beyond it are there too few."):
        value = number(call(function, nine[3:7], 0.8), "half_width")
        require(value == 4.0, f"For four errors and 0.8 your function says {value:g}.")
    for n, confidence in ((5, 0.9), (8, 0.9), (3, 0.99)):
        with about(f"{n} errors are too few for {confidence}: the position lies beyond the last, so it is np.inf."):
            value = number(call(function, nine[:n], confidence, nothing="Yours returns None."), "half_width")
            require(value == np.inf, f"Your function says {value:g}.")


EXERCISES = {
    "q1": (
        check_closed_form_ridge,
        (
            "X.T @ X has the shape (dim, dim). Add alpha * np.eye(dim) to it; dim is X.shape[1].",
            "np.linalg.solve(X.T @ X + …, X.T @ y) gives the weights.",
        ),
        "That is all of ridge regression; the rest is choosing alpha and telling the truth about the error.",
    ),
    "q2": (
        check_leaking_groups,
        (
            "groups[train] are the groups of the training rows; set(...) keeps each once.",
            "The & of two sets holds what is in both; sorted(...) makes a sorted list of it.",
        ),
        "One line that belongs into every project: assert not leaking_groups(groups, train, test).",
    ),
    "q3": (
        check_examples_needed,
        (
            "slope, height = np.polyfit(np.log(sizes), np.log(ceiling - values), 1) is the line through the gaps.",
            "It reaches the goal's gap at (np.log(ceiling - goal) - height) / slope, a logarithm: np.exp undoes it.",
        ),
        "Far beyond the last point the number is rough, but it tells twice as many from a thousand times as many.",
    ),
    "q4": (
        check_pick_alpha,
        (
            "For each alpha: H = X @ np.linalg.inv(X.T @ X + alpha * np.eye(dim)) @ X.T, and the errors are y - H @ y.",
            "Divide the errors by 1 - np.diag(H), take the mean of their squares, and return the best alpha.",
        ),
        "Every example was test data once, and nothing was learned twice.",
    ),
    "q5": (
        check_half_width,
        (
            "Sort np.abs(errors). The position is int(np.ceil((n + 1) * confidence)), counted from 1.",
            "Python counts from 0, so take index position - 1; if position is larger than n, return np.inf.",
        ),
        "The plus one is what keeps the promise when there are few errors.",
    ),
}
