"""Checkers for lesson 5. Each tries the student's function on small cases and names the first thing that is off."""

import numpy as np

from course_utils.teaching.checks.asserts import call, number, require


def _softmax(logits: np.ndarray, axis: int = 1) -> np.ndarray:
    odds = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return odds / odds.sum(axis=axis, keepdims=True)


def check_info_nce(function) -> None:
    """A function of an (n, n) array and a temperature."""
    similarity = np.array([[0.8, 0.1, 0.3], [0.2, 0.5, 0.6], [0.0, 0.4, 0.7]])
    temperature = 0.2
    value = number(call(function, similarity.copy(), temperature), "info_nce")
    p = _softmax(similarity / temperature)
    right = -np.log(np.diag(p)).mean()
    others = np.where(np.eye(3, dtype=bool), 0, np.exp(similarity / temperature)).sum(axis=1)

    def is_(wrong: float) -> bool:
        return bool(np.isclose(value, wrong, rtol=1e-6))

    require(
        not is_(-right), "The sign is off: a loss is small when the right pair is likely, so take minus the logarithm."
    )
    require(not is_(3 * right), "That is the sum over the questions. Take the mean.")
    require(
        not is_(-np.log(np.diag(_softmax(similarity))).mean()),
        "The temperature is not used. Divide the similarities by it before the exponential.",
    )
    require(
        not is_(-np.log(np.diag(_softmax(similarity * temperature))).mean()),
        "You multiply by the temperature. Divide by it: a small one makes differences large.",
    )
    require(
        not is_(-np.log(np.diag(_softmax(similarity / temperature, axis=0))).mean()),
        "You let the questions compete for each answer (columns). Let the answers compete for each question (rows).",
    )
    require(
        not is_((np.log(others) - np.diag(similarity) / temperature).mean()),
        "The right answer is missing from the sum in the denominator: it runs over all answers, the right one too.",
    )
    require(
        not is_(np.diag(p).mean()), "That is the mean probability of the right pair. The loss is minus its logarithm."
    )
    require(is_(right), f"For a test matrix the loss is {right:.4f}; your function says {value:.4f}.")
    small = number(call(function, similarity + 10, 0.01), "info_nce")
    require(
        np.isfinite(small),
        "With a temperature of 0.01 and large similarities the exponential overflows. Subtract each row's maximum "
        "first; the probabilities do not change.",
    )


def check_margin_and_separation(function) -> None:
    """A function of an (n, n) array with the right pairs on the diagonal."""
    generator = np.random.default_rng(4)
    similarity = generator.normal(0.1, 0.1, size=(12, 12)) + 0.5 * np.diag(generator.uniform(0.5, 1, size=12))
    answer = call(function, similarity.copy())
    require(
        isinstance(answer, (tuple, list, np.ndarray)) and len(answer) == 2,
        "Return two numbers, the margin and then the separation: `return margin, separation`.",
    )
    margin, separation = (number(value, "margin_and_separation") for value in answer)
    right, wrong = np.diag(similarity), similarity[~np.eye(12, dtype=bool)]
    expected = right.mean() - wrong.mean()
    spread = np.sqrt((right.var() + wrong.var()) / 2)
    require(
        not np.isclose(margin, right.mean() - similarity.mean()),
        "The wrong answers' mean still holds the diagonal. Leave it out: similarity[~np.eye(n, dtype=bool)].",
    )
    require(not np.isclose(margin, -expected), "The margin is right minus wrong, not the other way round.")
    require(
        np.isclose(margin, expected), f"The margin of a test matrix is {expected:.4f}; your function says {margin:.4f}."
    )
    for other, message in (
        (np.sqrt(right.var() + wrong.var()), "Take the mean of the two variances, not their sum."),
        ((right.var() + wrong.var()) / 2, "The root is missing: divide by the root of the mean variance."),
        ((right.std() + wrong.std()) / 2, "Average the variances, then take the root; not the standard deviations."),
        (similarity.std(), "Take the spread within each kind, not that of all cosines together."),
    ):
        require(not np.isclose(separation, expected / other), message)
    require(not np.isclose(separation, expected * spread), "Divide the margin by the spread; you multiply.")
    unbiased = np.sqrt((right.var(ddof=1) + wrong.var(ddof=1)) / 2)
    require(
        np.isclose(separation, expected / spread) or np.isclose(separation, expected / unbiased),
        f"The separation of a test matrix is {expected / spread:.4f}; your function says {separation:.4f}.",
    )


def check_is_it_real(function) -> None:
    """A function of two arrays of 0 and 1, question by question."""
    generator = np.random.default_rng(2)
    hard = (generator.random(400) < 0.5).astype(float)
    gained = hard.copy()
    gained[np.flatnonzero(hard == 0)[:10]] = 1  # ten more right, none lost: real when paired, noise when not
    swapped = hard.copy()
    swapped[np.flatnonzero(hard == 0)[:42]] = 1
    swapped[np.flatnonzero(hard == 1)[:38]] = 0  # four more right out of eighty changes
    allowed = ("better", "worse", "cannot tell")
    cases = (
        (hard, hard, "cannot tell", "Both systems gave the same answers, so nothing can be told."),
        (
            hard,
            gained,
            "better",
            "Ten more questions are right and none is lost. If you draw from the two systems separately, that drowns "
            "in how hard the questions are: draw questions, and take the difference of each.",
        ),
        (gained, hard, "worse", "Ten questions were lost and none was won: the whole interval is below zero."),
        (
            hard,
            swapped,
            "cannot tell",
            "42 questions were won and 38 lost. The mean is above zero, but the interval holds zero.",
        ),
    )
    for before, after, expected, message in cases:
        answer = call(function, before.copy(), after.copy())
        require(answer in allowed, f"Return one of {', '.join(map(repr, allowed))}, not {answer!r}.")
        require(answer == expected, f"{message} Your function says {answer!r}.")


def check_kept_epoch(function) -> None:
    """A function of a list of recalls and a patience."""
    cases = (
        (
            [0.5, 0.6, 0.7, 0.65, 0.64, 0.6, 0.9],
            3,
            2,
            "Training stops after three epochs without gain, before the 0.9 that would have come.",
        ),
        ([0.5, 0.6, 0.7, 0.65, 0.64, 0.8], 3, 5, "Two bad epochs are not three: the patience of 3 is not used up."),
        ([0.6, 0.5, 0.55, 0.58], 2, 0, "Nothing was better than epoch 0, so epoch 0 is kept."),
        ([0.5, 0.7, 0.7, 0.7], 5, 1, "Equal is not better: the first epoch with the best recall is kept."),
        ([0.1, 0.2, 0.3], 2, 2, "Every epoch was better, and the list ends: the last one is kept."),
        (
            [0.5, 0.4, 0.6, 0.5, 0.7, 0.6, 0.6],
            2,
            4,
            "The patience counts epochs since the best one, and begins again with each gain.",
        ),
    )
    for recalls, patience, expected, message in cases:
        value = number(call(function, list(recalls), patience), "kept_epoch")
        shown = f"kept_epoch({recalls}, {patience})"
        require(
            value == expected or value not in recalls or value in range(len(recalls)),
            f"Return the number of the epoch, not its recall. {shown} should be {expected}.",
        )
        require(value == expected, f"{message} {shown} should be {expected}, and is {value:g}.")


def check_read_heatmap(function) -> None:
    """A function of an (n, n) array with the right pairs on the diagonal."""
    generator = np.random.default_rng(8)
    base = generator.uniform(0, 0.2, size=(10, 10))
    healthy = base + 0.6 * np.eye(10)
    low = base + 0.25 * np.eye(10)
    few = healthy.copy()
    few[:4, 9] = 1.0  # four of ten rows are tempted by one answer: still healthy by our rule
    collapsed = 0.93 + 0.1 * base + 0.03 * np.eye(10)
    allowed = ("collapsed", "mismatched", "healthy")
    cases = (
        (healthy, "healthy", "A bright diagonal on a dark ground is healthy."),
        (low, "healthy", "How high the diagonal is does not count, only whether it is the largest of its row."),
        (np.roll(healthy, 3, axis=1), "mismatched", "Every row has its largest value beside the diagonal."),
        (collapsed, "collapsed", "Everything is above nine tenths, on the diagonal and off it."),
        (
            np.roll(collapsed, 3, axis=1),
            "collapsed",
            "Look for a collapse first: it comes before the question of order.",
        ),
        (few, "healthy", "Six of ten rows have their largest value on the diagonal, which is not fewer than half."),
        (np.eye(10) * 0 + 0.85 + healthy * 0.06, "healthy", "The mean off the diagonal is below nine tenths here."),
    )
    for similarity, expected, message in cases:
        answer = call(function, similarity.copy())
        require(
            isinstance(answer, str) and answer in allowed,
            f"Return one of {', '.join(map(repr, allowed))}, not {answer!r}.",
        )
        require(answer == expected, f"{message} The answer is {expected!r}; your function says {answer!r}.")


EXERCISES = {
    "q1": (
        check_info_nce,
        (
            "Divide by the temperature, subtract each row's maximum, take the exponential, divide by the row's sum.",
            "np.diag picks the probabilities of the right pairs. The loss is minus the mean of their logarithms.",
        ),
        "Each question picks its answer out of the batch, and the loss says how surely.",
    ),
    "q2": (
        check_margin_and_separation,
        (
            "np.diag(similarity) are the right pairs; similarity[~np.eye(len(similarity), dtype=bool)] all the others.",
            "The margin is the difference of the means. Divide it by np.sqrt((right.var() + wrong.var()) / 2).",
        ),
        "How far apart the two heaps are, in cosines and in units of their spread.",
    ),
    "q3": (
        check_is_it_real,
        (
            "One array is enough: after − before, question by question. Draw from that.",
            "rng.choice(difference, size=(2000, len(difference))).mean(axis=1), then np.quantile at 0.025 and 0.975.",
        ),
        "The same questions for both: that is what makes small differences visible.",
    ),
    "q4": (
        check_kept_epoch,
        (
            "Go through the epochs and remember the best one so far.",
            "Stop when epoch − best has reached the patience; return best.",
        ),
        "The best epoch so far is kept, and nobody waits for a miracle.",
    ),
    "q5": (
        check_read_heatmap,
        (
            "Begin with the mean of similarity[~np.eye(len(similarity), dtype=bool)].",
            "similarity.argmax(axis=1) == np.arange(n) says which rows have their largest value on the diagonal.",
        ),
        "First the ground, then the diagonal: two looks tell a broken model from broken data.",
    ),
}
