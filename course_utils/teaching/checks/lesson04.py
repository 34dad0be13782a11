"""Checkers for lesson 4. Each tries the student's function on small cases and names the first thing that is off."""

import numpy as np

from course_utils.teaching.checks.asserts import NotYet, call, number, require


def check_closed_form_ridge(function) -> None:
    """A function of an (n, dim) array, an (n,) array and alpha."""
    generator = np.random.default_rng(4)
    X, y, alpha = generator.normal(size=(12, 3)), generator.normal(size=12), 2.5
    gram, moment = X.T @ X, X.T @ y
    answer = np.asarray(call(function, X, y, alpha), dtype=np.float64)
    require(
        answer.shape == (3,),
        f"closed_form_ridge should return one weight a dimension, shape (3,) for a 12 x 3 array, not {answer.shape}.",
    )
    others = {
        "alpha has no effect: that is least squares. Add alpha times np.eye(dim) to X.T @ X.": np.linalg.solve(
            gram, moment
        ),
        "alpha was added to every entry of X.T @ X. Only the diagonal gets it: alpha * np.eye(dim).": np.linalg.solve(
            gram + alpha, moment
        ),
        "alpha is squared or divided by n somewhere. The formula has alpha as it is.": np.linalg.solve(
            gram + alpha**2 * np.eye(3), moment
        ),
        "The matrix still has to be inverted: use np.linalg.solve(A, b), not A @ b.": (gram + alpha * np.eye(3))
        @ moment,
    }
    for message, wrong in others.items():
        require(not np.allclose(answer, wrong), message)
    averaged = np.linalg.solve(gram / 12 + alpha * np.eye(3), moment / 12)
    require(not np.allclose(answer, averaged), "Use sums, not means: do not divide X.T @ X and X.T @ y by n.")
    right = np.linalg.solve(gram + alpha * np.eye(3), moment)
    require(
        np.allclose(answer, right),
        f"For a test array the weights are {right.round(3)}; your function says {answer.round(3)}.",
    )
    wide = call(function, X[:2], y[:2], alpha)  # more dimensions than rows
    require(
        np.allclose(wide, np.linalg.solve(X[:2].T @ X[:2] + alpha * np.eye(3), X[:2].T @ y[:2])),
        "With fewer rows than dimensions your function gives other weights than the formula.",
    )


def check_leaking_groups(function) -> None:
    """A function of the groups of all rows and the positions of the training and test rows."""
    groups = np.array([7, 7, 3, 3, 5, 9, 9, 5])
    answer = call(function, groups, np.array([0, 2, 3, 4]), np.array([1, 5, 6, 7]))
    require(
        not isinstance(answer, (bool, np.bool)) and np.ndim(list(answer) if isinstance(answer, set) else answer) == 1,
        f"leaking_groups should return a list of groups, not {type(answer).__name__}.",
    )
    answer = list(answer)
    require(answer != [3, 5, 7, 9], "These are all groups. Only those on both sides leak.")
    require(
        set(answer) != {0, 4, 1, 7} and set(answer) != {3, 9},
        "Those are not the groups on both sides. Look up the groups of the rows first: groups[train].",
    )
    require(len(answer) == len(set(answer)), "Each leaking group should be named once.")
    require(
        answer == [5, 7],
        f"In a test case 5 and 7 stand on both sides, so the sorted list is [5, 7]; your function says {answer}.",
    )
    clean = call(function, groups, np.array([0, 1, 4, 7]), np.array([2, 3, 5, 6]))
    require(len(list(clean)) == 0, f"A split without a leak should give an empty list, not {list(clean)}.")
    names = call(function, np.array(["b", "a", "a", "b"]), np.array([0, 1]), np.array([2, 3]))
    require(list(names) == ["a", "b"], "Groups may be words, and the list should be sorted.")


def check_rank_with_duplicates(function) -> None:
    """A function of a list of texts and their scores."""
    texts = ["plum", "fig", "pear", "fig", "apple", "quince"]
    scores = [2.0, 3.0, 1.0, 3.0, 2.0, 2.0]
    answer = call(function, list(texts), list(scores))
    try:
        answer = [(text, float(score)) for text, score in answer]
    except (TypeError, ValueError):
        raise NotYet("rank_with_duplicates should return a list of (text, score) pairs.") from None
    right = [("fig", 3.0), ("fig", 3.0), ("plum", 2.0), ("apple", 2.0), ("quince", 2.0), ("pear", 1.0)]
    require(
        len(answer) == len(texts),
        f"{len(texts)} texts came in and {len(answer)} went out: keep every copy of a repeated text.",
    )
    values = [score for _, score in answer]
    require(values != sorted(values), "That is worst first. Begin with the best.")
    require(values == sorted(values, reverse=True), "From each pair to the next the score should fall, or stay equal.")
    require(sorted(answer) == sorted(right), "Each text should keep its own score.")
    require(
        answer == right,
        "Texts of equal score should stay in the order in which they came: plum, apple, quince. Sort by score "
        "alone, with a sort that is stable.",
    )


def check_pick_alpha(function) -> None:
    """A function of an (n, dim) array, an (n,) array and a list of alphas."""
    generator = np.random.default_rng(0)
    alphas = [1e-6, 0.1, 1.0, 10.0, 100.0, 1000.0]
    for n, noise in ((20, 1.0), (40, 3.0), (15, 0.01)):
        X = generator.normal(size=(n, 10))
        y = X @ generator.normal(size=10) + noise * generator.normal(size=n)
        plain, left_out = [], []
        for alpha in alphas:
            hat = X @ np.linalg.solve(X.T @ X + alpha * np.eye(10), X.T)
            plain.append(np.mean((y - hat @ y) ** 2))
            left_out.append(np.mean(((y - hat @ y) / (1 - np.diag(hat))) ** 2))
        right = alphas[int(np.argmin(left_out))]
        answer = number(call(function, X, y, list(alphas)), "pick_alpha")
        require(
            not (answer == int(np.argmin(left_out)) and answer not in alphas),
            "That is the position of the best alpha. Return the alpha itself.",
        )
        require(not np.isclose(answer, min(left_out)), "That is the smallest error. Return the alpha that reaches it.")
        require(
            answer == right or answer != alphas[int(np.argmin(plain))],
            "That alpha has the smallest error on what was learned from. Divide each error by 1 − H[i, i] first.",
        )
        require(
            answer == right or answer != alphas[int(np.argmax(left_out))],
            "That alpha has the largest leave-one-out error.",
        )
        require(answer == right, f"On a test array alpha = {right:g} is best; your function says {answer:g}.")


def check_half_width(function) -> None:
    """A function of signed errors and a confidence."""
    errors = np.array([0.5, -3.0, 1.0, -2.0, 4.0, -0.1, 2.5, 0.2, -1.5])
    answer = number(call(function, errors, 0.72), "half_width")
    require(answer != 2.5, "Nearly right: use n + 1 in place of n, because the errors are few.")
    require(answer != 4.0, "One position too far: Python counts from 0, so position k of the formula is index k − 1.")
    require(
        not np.isclose(answer, np.quantile(errors, 0.72)),
        "Errors to both sides count: take their sizes, np.abs(errors).",
    )
    require(
        not np.isclose(answer, np.quantile(np.abs(errors), 0.72)),
        "np.quantile goes between two errors and forgets the correction for n. Take the error at the position.",
    )
    require(answer == 3.0, f"For nine errors and 0.72 it is the eighth in size, 3.0; your function says {answer:g}.")
    require(
        number(call(function, errors[::-1], 0.5), "half_width") == 1.5,
        "For 0.5 it is the fifth in size, 1.5, in whatever order the errors come.",
    )
    few = number(call(function, errors[:5], 0.9), "half_width")
    require(
        few == np.inf,
        f"Five errors are too few for 0.9 (position 6), so the half width is np.inf; your function says {few:g}.",
    )


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
