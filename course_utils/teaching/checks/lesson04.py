"""Checkers for lesson 4. Each tries the student's function on small cases and names the first thing that is off."""

import numpy as np

from course_utils.teaching.checks.asserts import array, call, items, number, require
from course_utils.teaching.checks.compare import about, close, flat


def _data(n: int, dim: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of different length that do not lie around zero, and scores that do not either."""
    generator = np.random.default_rng(seed)
    X = (generator.normal(size=(n, dim)) + 0.5) * generator.uniform(0.3, 2, size=(n, 1))
    return X, X @ generator.normal(size=dim) + 2 + noise * generator.normal(size=n)


def _ridge(X: np.ndarray, y: np.ndarray, fine: float | np.ndarray) -> np.ndarray:
    return np.linalg.solve(X.T @ X + fine, X.T @ y)


def check_closed_form_ridge(function) -> None:
    """A function of an (n, dim) array, an (n,) array and alpha."""
    for n, dim, alpha in ((12, 3, 2.5), (7, 5, 0.3), (2, 4, 10)):
        X, y = _data(n, dim, 1.0, seed=n)
        answer = call(function, X, y, alpha)
        require(
            getattr(answer, "shape", ()) != (dim, 1),
            "The weights stand in a column. y has one dimension: do not reshape it.",
        )
        require(
            getattr(answer, "shape", ()) != (n,),
            "That is one number a row, a prediction. Return the weights, one a dimension.",
        )
        answer = array(answer, (dim,), "closed_form_ridge")
        one, centred = np.eye(dim), X - X.mean(axis=0)
        mistakes = {
            "alpha was added to every entry of X.T @ X. Only the diagonal gets it: alpha * np.eye(dim).": alpha,
            "alpha is squared somewhere. The formula has it as it is.": alpha**2 * one,
            "You divide by alpha somewhere. The formula multiplies by it.": one / alpha,
            "alpha is subtracted. The fine makes the diagonal larger.": -alpha * one,
            "alpha is not used: np.eye(dim) has to be multiplied by it.": one,
            "Use sums, not means: do not divide X.T @ X and X.T @ y by n, nor multiply alpha by it.": n * alpha * one,
            "alpha is divided by n. The formula has it as it is.": alpha * one / n,
        }
        wrong = {message: _ridge(X, y, fine) for message, fine in mistakes.items()}
        wrong |= {
            "The matrix still has to be inverted: use np.linalg.solve(A, b), not A @ b.": (X.T @ X + alpha * one)
            @ (X.T @ y),
            "That is the solution without the mean of X and y (an intercept). Use both as they are.": _ridge(
                centred, y - y.mean(), alpha * one
            ),
            "alpha has no effect: that is least squares. Add alpha times np.eye(dim) to X.T @ X.": np.linalg.lstsq(
                X, y
            )[0],
        }
        right = _ridge(X, y, alpha * one)
        wrong |= {
            f"Do not round: the weights are wanted with all their decimals, not {d}.": right.round(d)
            for d in range(1, 7)
        }
        shown = f"{answer.round(3)} in place of {right.round(3)}"
        few = "There are fewer rows than dimensions here. " if n < dim else ""
        otherwise = f"{few}For a test array of shape {X.shape} and alpha = {alpha:g} your function gives {shown}."
        close(answer, right, wrong, otherwise)


def check_leaking_groups(function) -> None:
    """A function of the groups of all rows and the positions of the training and test rows."""
    name = "leaking_groups"
    numbered = np.array([24, 24, 3, 3, 8, 8, 8, 9, 24, 24, 8, 3, 9, 17, 5, 5])
    words = np.array(["pear", "fig", "nut", "fig", "kiwi", "pear", "nut", "plum", "kiwi", "date", "date", "lime"])
    cases = (
        (numbered, [0, 4, 8, 12, 5, 3], [11, 1, 13, 6, 9, 10]),
        (numbered, [0, 1, 8, 9, 7, 12, 13], [2, 3, 4, 6]),
        (words, [0, 1, 2, 7, 8, 10], [3, 4, 5, 6, 9, 11]),
        (words, [10, 1], [9, 0]),
    )
    for groups, train, test in cases:
        left, right = set(groups[train].tolist()), set(groups[test].tolist())
        answer = call(function, groups, np.array(train), np.array(test))
        require(not isinstance(answer, set | frozenset), f"{name} should return a sorted list. A set has no order.")
        answer = flat(answer, name, "groups")
        yes_or_no = any(isinstance(each, bool) for each in answer)
        require(not yes_or_no, f"{name} should return groups; yours says of each row whether it leaks, True or False.")
        leaking = [[i for i in rows if groups[i] in left & right] for rows in (train, test)]
        look_up = "These are positions. Look up the groups of the rows: groups[train]."
        twice = (
            "These are the groups that occur more than once. Both times may be on one side: only those on both leak."
        )
        mistakes = (
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
            ({*train} & {*test}, "No position is on both sides. Look up the groups of the rows first: groups[train]."),
        )
        for wrong, message in mistakes:
            require(set(answer) == left & right or set(answer) != wrong, message)
        both = ", ".join(map(str, sorted(left & right))) or "no group"
        said = f"In a test case {both} stand on both sides; your function says {answer!s:.80}."
        require(not set(answer) < left & right, f"Some groups that stand on both sides are missing. {said}")
        require(set(answer) == left & right, said)
        require(len(answer) == len(set(answer)), f"Each leaking group should be named once. {said}")
        require(answer == sorted(answer), f"The list should be sorted, from small to large. {said}")


def check_rank_with_duplicates(function) -> None:
    """A function of a list of texts and their scores."""
    generator = np.random.default_rng(6)
    fruit = ["plum", "fig", "pear", "fig", "apple", "quince"], [2.0, 10.0, -3.0, 10.0, 2.0, 2.0]
    near = ["b", "a", "c"], [1.5, 1.25, 1.75]
    many = [f"text {i}" for i in generator.integers(40, size=90)], generator.choice([-1.5, 0.0, 0.5, 3.0], 90).tolist()
    fine = ["b", "a", "c", "d", "e"], [0.42, 0.44, 0.4137, 0.4139, 0.4139004]
    rough = ["  Fig", "fig", "", "FIG ", ""], [0.5, 1.23456, 2.5, 0.5, -0.98765]
    for texts, scores in (fruit, near, many, fine, rough, (["one"], [1])):
        answer = _pairs(call(function, texts, scores))
        given = list(zip(texts, scores, strict=True))
        require(
            len(answer) == len(texts),
            f"{len(texts)} texts came in and {len(answer)} went out: keep every "
            + ("text, an empty one as well." if "" in texts else "copy of a repeated text."),
        )
        require(
            {text for text, _ in answer} <= set(texts),
            "Return each text as it came, with its spaces and capital letters; yours changes some.",
        )
        require(
            {score for _, score in answer} <= set(scores),
            "Each text should keep its own score, unchanged: no rounding.",
        )
        require(set(answer) <= set(given), "Each text should keep its own score.")
        require(
            sorted(answer) == sorted(given), "Some text came out more often than it went in, and another less often."
        )
        values = [score for _, score in answer]
        require(
            values == sorted(values, reverse=True) or values != sorted(values),
            "That is worst first. Begin with the best.",
        )
        sizes = [abs(score) for score in values]
        require(
            values == sorted(values, reverse=True) or sizes != sorted(sizes, reverse=True),
            "A score below zero is a low one: do not take its size.",
        )
        require(
            values == sorted(values, reverse=True),
            f"From each pair to the next the score should fall, or stay equal; yours has the scores {values!s:.60}."
            + (" Compare the scores as they are, not rounded." if texts is fine[0] else ""),
        )
        require(
            answer == sorted(given, key=lambda pair: -pair[1]),
            "Texts of equal score should stay in the order in which they came"
            + (": plum, apple, quince." if texts is fruit[0] else ", among many texts as well: not every sort does.")
            + " Sort by score alone, with a sort that is stable.",
        )


def _pairs(answer) -> list[tuple[str, float]]:
    """Read (text, score) pairs from what came back."""
    name, pairs = "rank_with_duplicates", []
    for pair in items(answer, name, "(text, score) pairs"):
        pair = items(pair, name, "(text, score) pairs") if not isinstance(pair, str) else [pair]
        require(
            len(pair) == 2 and isinstance(pair[0], str), f"{name} should return (text, score) pairs, the text first."
        )
        pairs.append((pair[0], number(pair[1], f"In each pair, {name}")))
    return pairs


def _hat(X: np.ndarray, y: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Errors on what was learned from, and the diagonal of the hat matrix."""
    hat = X @ np.linalg.solve(X.T @ X + alpha * np.eye(X.shape[1]), X.T)
    return y - hat @ y, np.diag(hat)


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
    "Divide the errors by 1 − H[i, i] before you square them, not after.": (
        lambda X, y, alpha: np.mean(_hat(X, y, alpha)[0] ** 2 / (1 - _hat(X, y, alpha)[1]))
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
    orders = (alphas[::-1], np.roll(alphas, 3), np.roll(alphas, -7))  # the best is the last of one, the first of one
    # data in each of which every usual mistake picks another alpha than the one that is right
    sizes = ((20, 6, 3.0, 26), (30, 10, 5.0, 24), (14, 20, 2.0, 55))
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
        **{message: best(curve) for message, curve in _CURVES.items()},
    }
    otherwise = f"On test arrays these alphas are best: {right.round(3)}; your function says {answer.round(3)}."
    close(answer, right, mistakes, otherwise)


def _at(errors: np.ndarray, position: float) -> float:
    """The error at a position in size, counted from 1; infinite beyond the last."""
    sizes = np.sort(np.abs(errors))
    return sizes[int(position) - 1] if 1 <= position <= len(sizes) else np.inf


# what else an answer may return for errors e and k = (n + 1) * confidence, which is not rounded, by its message
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
    "Sort the sizes of the errors first, from small to large.": lambda e, k: np.abs(e)[int(np.ceil(k)) - 1],
    "You count from the largest error. Sort from small to large.": lambda e, k: np.sort(np.abs(e))[-int(np.ceil(k))],
    "Errors to both sides count: take their sizes, np.abs(errors).": lambda e, k: np.sort(e)[int(np.ceil(k)) - 1],
    "Take the sizes of the errors, np.abs(errors), and sort these.": lambda e, k: np.abs(
        np.sort(e)[int(np.ceil(k)) - 1]
    ),
    "np.quantile goes between two errors and forgets the correction for n. Take the error at the position.": (
        lambda e, k: np.quantile(np.abs(e), k / (len(e) + 1))
    ),
    "np.quantile goes between two errors. Errors to both sides count: take their sizes, np.abs(errors).": (
        lambda e, k: np.quantile(e, k / (len(e) + 1))
    ),
    "That is the position. Return the error that stands there.": lambda e, k: np.ceil(k),
    "That is the whole width. Half of it is asked for.": lambda e, k: 2 * _at(e, np.ceil(k)),
    "That is the largest error. Take the one at the position.": lambda e, k: np.abs(e).max(),
    "That is the mean size of the errors. Take the one at the position.": lambda e, k: np.abs(e).mean(),
}


def check_half_width(function) -> None:
    """A function of signed errors and a confidence."""
    nine = np.array([0.5, -3.0, 1.0, -2.0, 4.0, -0.1, 2.5, 0.2, -1.5])
    many = 10 * np.random.default_rng(3).normal(size=43)
    cases = ((nine, 0.72), (many, 0.9), (many[:19], 0.8), (many[:24], 0.5), (nine[:6], 0.4))
    answer = [number(call(function, *case), "half_width") for case in cases]
    ranks = [(len(errors) + 1) * confidence for errors, confidence in cases]
    right = [_at(errors, np.ceil(rank)) for (errors, _), rank in zip(cases, ranks, strict=True)]
    mistakes = {
        message: [width(errors, rank) for (errors, _), rank in zip(cases, ranks, strict=True)]
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
        check_rank_with_duplicates,
        (
            "Python's sorted is stable: items of equal key stay in their order. What is the key for the best first?",
            "Sort the pairs zip(texts, scores) with key=lambda pair: -pair[1].",
        ),
        "No copy is lost, and ties are decided by the order, not by chance.",
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
