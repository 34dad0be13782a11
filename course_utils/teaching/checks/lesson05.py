"""Checkers for lesson 5. Each tries the student's function on small cases and names the first thing that is off."""

from collections.abc import Callable, Iterable

import numpy as np

from course_utils.teaching.checks.asserts import call, items, number, require, word
from course_utils.teaching.checks.compare import about, close


def _softmax(logits: np.ndarray, axis: int = 1) -> np.ndarray:
    odds = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return odds / odds.sum(axis=axis, keepdims=True)


def _loss(probabilities: np.ndarray) -> float:
    return -np.log(np.diag(probabilities)).mean()


def _columns_less_row_maxima(s: np.ndarray, t: float) -> float:
    logits = s / t - (s / t).max(axis=1)
    return (np.log(np.exp(logits).sum(axis=1)) - np.diag(logits)).mean()


# what else an answer may return for similarities s and temperature t, by the message that names it
_LOSSES: dict[str, Callable[[np.ndarray, float], float]] = {
    "The sign is off: a loss is small when the right pair is likely, so take minus the logarithm.": (
        lambda s, t: -_loss(_softmax(s / t))
    ),
    "That is the sum over the questions. Take the mean.": lambda s, t: len(s) * _loss(_softmax(s / t)),
    "That is the loss of the worst question. Take the mean over all.": (
        lambda s, t: -np.log(np.diag(_softmax(s / t))).min()
    ),
    "You take the median of the questions. Take the mean.": lambda s, t: -np.median(np.log(np.diag(_softmax(s / t)))),
    "The temperature is not used. Divide the similarities by it before the exponential.": lambda s, t: _loss(
        _softmax(s)
    ),
    "You multiply by the temperature. Divide by it: a small one makes differences large.": (
        lambda s, t: _loss(_softmax(s * t))
    ),
    "You let the questions compete for each answer (columns). Let the answers compete for each question (rows).": (
        lambda s, t: _loss(_softmax(s / t, axis=0))
    ),
    "You average over rows and columns. Here only the answers compete for each question (rows).": (
        lambda s, t: (_loss(_softmax(s / t, axis=0)) + _loss(_softmax(s / t))) / 2
    ),
    "All pairs share one denominator. Each question has its own: the sum over its row.": (
        lambda s, t: _loss(np.exp(s / t) / np.exp(s / t).sum())
    ),
    "The right answer is missing from the sum in the denominator: it runs over all answers, the right one too.": (
        lambda s, t: (np.log(np.where(np.eye(len(s)), 0, np.exp(s / t)).sum(axis=1)) - np.diag(s) / t).mean()
    ),
    "The denominator is missing: that is the mean of the right similarities alone.": lambda s, t: (
        -np.diag(s / t).mean()
    ),
    "That is the mean probability of the right pair. The loss is minus its logarithm.": (
        lambda s, t: np.diag(_softmax(s / t)).mean()
    ),
    "The logarithm is missing: that is minus the mean probability of the right pair.": (
        lambda s, t: -np.diag(_softmax(s / t)).mean()
    ),
    "Each row's maximum is taken from a column. Keep it upright: max(axis=1, keepdims=True).": _columns_less_row_maxima,
    "You divide by 0.05 whatever is asked. Divide by `temperature`.": lambda s, t: _loss(_softmax(s / 0.05)),
    "Take the logarithm of each probability first, then the mean of the logarithms.": (
        lambda s, t: -np.log(np.diag(_softmax(s / t)).mean())
    ),
    "You average over all pairs. The loss counts the right ones only, on the diagonal.": (
        lambda s, t: -np.log(_softmax(s / t)).mean()
    ),
    "That is a logarithm to the base 2. Take the natural one, np.log.": (
        lambda s, t: _loss(_softmax(s / t)) / np.log(2)
    ),
    "That is a logarithm to the base 10. Take the natural one, np.log.": (
        lambda s, t: _loss(_softmax(s / t)) / np.log(10)
    ),
    "The temperature is missing from the right pair, or from the others. Divide the whole matrix by it.": (
        lambda s, t: (np.log(np.exp(s / t).sum(axis=1)) - np.diag(s)).mean()
    ),
}


def check_info_nce(function) -> None:
    """A function of an (n, n) array and a temperature."""
    generator = np.random.default_rng(7)
    three = np.array([[0.8, 0.1, 0.3], [0.2, 0.5, 0.6], [0.0, 0.4, 0.7]])
    cases = (
        (three, 0.2),
        (generator.uniform(-0.5, 0.9, size=(6, 6)), 0.3),
        (generator.normal(0, 0.3, size=(2, 2)), 1.5),
    )
    value = [number(call(function, *case), "info_nce") for case in cases]
    right = [_loss(_softmax(similarity / temperature)) for similarity, temperature in cases]
    mistakes = {message: [loss(*case) for case in cases] for message, loss in _LOSSES.items()} | _rounded(right)
    close(value, right, mistakes, _first_off("the loss of a test matrix is", value, right))
    small = np.array([[0.8, -0.7, -0.75], [-0.9, 0.65, 0.6], [-0.8, 0.7, 0.72]])
    with about(
        "With a temperature of 0.001 the exponential overflows. Subtract each row's maximum first; the probabilities "
        "do not change."
    ):
        value = [number(call(function, small, 0.001), "info_nce")]
        close(value, [_loss(_softmax(small / 0.001))], {}, f"Your function says {value[0]:g}.")
    low = np.array([[0.9, 0.899, 0.85], [-0.82, -0.8, -0.801], [0.1, 0.15, 0.1499]])
    far = np.array([[-0.2, 0.9, 0.1], [0.3, 0.35, -0.4], [0.4, 0.1, 0.35]])
    for similarity, message in (
        (
            low,
            "The exponentials of a row become 0, or overflow. Subtract each row's own maximum: one row is far below "
            "another.",
        ),
        (
            far,
            "A right pair is far below the best of its row, so that its probability becomes 0 and the logarithm is "
            "lost. Keep the logarithm as a difference: the logit of the right pair minus the log-sum-exp of its "
            "row. Do not go through the probability, and neither clip nor add a small number.",
        ),
    ):
        logits = (similarity - similarity.max(axis=1, keepdims=True)) / 0.001
        right = (np.log(np.exp(logits).sum(axis=1)) - np.diag(logits)).mean()
        with about(f"With a temperature of 0.001: {message[0].lower()}{message[1:]}"):
            said = number(call(function, similarity, 0.001), "info_nce")
            if not np.isclose(said, right, rtol=1e-4):  # as near as float32 comes
                close(said, right, {}, f"The loss is {right:.6g}; your function says {said:.6g}.")


def _rounded(right: list[float]) -> dict[str, list[float]]:
    """What a right answer becomes by rounding."""
    return {
        f"Do not round: the result is wanted with all its decimals, not {d}.": [round(each, d) for each in right]
        for d in range(1, 7)
    }


def _first_off(what: str, value: list[float], right: list[float]) -> str:
    """Word the first of several numbers that is not the right one."""
    pairs = zip(value, right, strict=True)
    given, wanted = next((pair for pair in pairs if not np.isclose(*pair)), (value[0], right[0]))
    return f"{what[0].upper()}{what[1:]} {wanted:.4f}; your function says {given:.4f}."


def _halves(similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.diag(similarity), similarity[~np.eye(len(similarity), dtype=bool)]


# what else an answer may take for the margin or the spread of all cosines s, the right ones r and the wrong ones w
_MARGINS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], float]] = {
    "The wrong answers' mean still holds the diagonal. Leave it out: similarity[~np.eye(n, dtype=bool)].": (
        lambda s, r, w: r.mean() - s.mean()
    ),
    "The margin is right minus wrong, not the other way round.": lambda s, r, w: w.mean() - r.mean(),
    "Where the wrong cosines are larger the margin is below zero: do not take its size.": (
        lambda s, r, w: abs(r.mean() - w.mean())
    ),
    "That is the mean of the right cosines. Subtract that of the wrong ones.": lambda s, r, w: r.mean(),
    "The diagonal is set to zero and still counted in the mean of the wrong ones. Leave it out.": (
        lambda s, r, w: r.mean() - w.sum() / s.size
    ),
    "You take the wrong cosines above the diagonal only. They stand below it as well.": (
        lambda s, r, w: r.mean() - s[np.triu_indices(len(s), 1)].mean()
    ),
    "You subtract sums. Take the mean of each kind.": lambda s, r, w: r.sum() - w.sum(),
    "A wrong cosine may equal a right one. Leave the diagonal out by its place, not by its values.": (
        lambda s, r, w: r.mean() - s[~np.isin(s, r)].mean()
    ),
    "You take the wrong cosines below the diagonal only. They stand above it as well.": (
        lambda s, r, w: r.mean() - s[np.tril_indices(len(s), -1)].mean()
    ),
    "You subtract medians. Take the mean of each kind.": lambda s, r, w: np.median(r) - np.median(w),
    "You compare with the largest wrong cosine of each row. Take the mean of all wrong ones.": (
        lambda s, r, w: np.mean(r - w.reshape(len(r), -1).max(axis=1))
    ),
    "The margin comes first, then the separation.": lambda s, r, w: (
        (r.mean() - w.mean()) / np.sqrt((r.var() + w.var()) / 2)
    ),
}
_SPREADS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], float]] = {
    "Take the mean of the two variances, not their sum.": lambda s, r, w: np.sqrt(r.var() + w.var()),
    "The root is missing: divide by the root of the mean variance.": lambda s, r, w: (r.var() + w.var()) / 2,
    "The half belongs under the root: average the variances, then take the root.": (
        lambda s, r, w: np.sqrt(r.var() + w.var()) / 2
    ),
    "Average the variances, then take the root; not the standard deviations.": lambda s, r, w: (r.std() + w.std()) / 2,
    "You take the root of the mean of two standard deviations. Average their squares, the variances.": (
        lambda s, r, w: np.sqrt((r.std() + w.std()) / 2)
    ),
    "Take the spread within each kind, not that of all cosines together.": lambda s, r, w: s.std(),
    "The spread of the wrong cosines still holds the diagonal. Leave it out.": (
        lambda s, r, w: np.sqrt((r.var() + s.var()) / 2)
    ),
    "That is the spread of the right cosines only. The wrong ones have theirs.": lambda s, r, w: r.std(),
    "That is the spread of the wrong cosines only. The right ones have theirs.": lambda s, r, w: w.std(),
    "You weight the variances by how many cosines there are of a kind. Take their plain mean.": (
        lambda s, r, w: np.sqrt((len(r) * r.var() + len(w) * w.var()) / s.size)
    ),
    "Divide the margin by the spread; you multiply.": lambda s, r, w: 1 / np.sqrt((r.var() + w.var()) / 2),
    "That is the margin again. Divide it by the spread.": lambda s, r, w: 1.0,
}


def check_margin_and_separation(function) -> None:
    """A function of an (n, n) array with the right pairs on the diagonal."""
    name, generator = "margin_and_separation", np.random.default_rng(4)
    cases = [
        generator.normal(0.1, 0.1, size=(n, n)) + lift * np.diag(generator.uniform(0.5, 1, size=n))
        for n, lift in ((12, 0.5), (5, 0.9), (7, -0.4))
    ]
    cases.append(np.round(2 * cases[0][:6, :6], 1) / 2)  # in which a wrong cosine equals a right one
    answers = []
    for similarity in cases:
        pair = items(call(function, similarity), name, "two numbers, the margin and then the separation")
        require(len(pair) == 2, f"{name} should return two numbers: `return margin, separation`.")
        require(
            all(getattr(each, "size", 1) == 1 for each in pair), f"{name} should return two single numbers, not arrays."
        )
        answers.append([number(each, name) for each in pair])
    margins, separations = map(list, zip(*answers, strict=True))
    halves = [(similarity, *_halves(similarity)) for similarity in cases]
    right = [r.mean() - w.mean() for _, r, w in halves]
    mistakes = {message: [margin(*case) for case in halves] for message, margin in _MARGINS.items()} | _rounded(right)
    close(margins, right, mistakes, _first_off("the margin of a test matrix is", margins, right))
    # of n or of n - 1: both are called the variance
    both = [
        [m / np.sqrt((r.var(ddof=ddof) + w.var(ddof=ddof)) / 2) for m, (_, r, w) in zip(right, halves, strict=True)]
        for ddof in (0, 1)
    ]
    if not np.allclose(separations, both[1]):
        wrong = {
            message: [m / spread(*case) for m, case in zip(right, halves, strict=True)]
            for message, spread in _SPREADS.items()
        }
        wrong |= _rounded(both[0])
        wrong["The separation has the sign of the margin: do not take its size."] = [abs(each) for each in both[0]]
        otherwise = _first_off("the separation of a test matrix is", separations, both[0])
        close(separations, both[0], wrong, otherwise)


def _answers(n: int, won: int, lost: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of n questions two systems answer, where the second wins some and loses some."""
    before = np.repeat([0.0, 1.0, 0.0, 1.0], [won, lost, (n - won - lost) // 2, n - won - lost - (n - won - lost) // 2])
    after = before.copy()
    after[: won + lost] = 1 - before[: won + lost]
    order = np.random.default_rng(n).permutation(n)
    return before[order], after[order]


# n, won, lost; what is to be said, and what is off with an answer that says something else
_CHANGES = (
    ((80, 0, 0), "cannot tell", "Both systems gave the same answers, so nothing can be told."),
    (
        (400, 10, 0),
        "better",
        "Of 400 questions ten more are right and none is lost, so nearly every draw has a mean difference above zero. "
        "Draw as many questions as there are, take the mean of each draw, and the middle of those means: not of the "
        "single differences, and no fixed limit.",
    ),
    ((400, 0, 10), "worse", "Ten questions were lost and none was won: the whole interval is below zero."),
    (
        (400, 42, 38),
        "cannot tell",
        "42 questions were won and 38 lost. The mean is above zero, but the interval holds zero. (If all your draws "
        "have the same mean, they are drawn without replacement.)",
    ),
    (
        (30, 5, 2),
        "cannot tell",
        "Of 30 questions 5 were won and 2 lost. The mean is large, but so few questions make a wide interval, if 95 % "
        "of the means are to lie in it.",
    ),
    (
        (1200, 24, 4),
        "better",
        "Of 1200 questions 24 were won and 4 lost. The mean is small, but so is its interval: no fixed limit will do.",
    ),
    (
        (600, 90, 75),
        "cannot tell",
        "90 questions were won and 75 lost: 15 more, but so many changes make a wide interval. No fixed limit will do.",
    ),
    (
        (1200, 280, 200),
        "better",
        "280 questions were won and 200 lost: that many more are outside the interval. No fixed limit will do.",
    ),
)
# n, won, lost: in the first ones an interval of 95 % just holds zero and one of 90 % does not; in the others one of
# 95 % just does not and one of 98 % does. A few draws of a right answer may fall on the other side, most do not
_HELD = ((150, 42, 27), (200, 52, 35), (260, 64, 45), (320, 78, 57), (400, 100, 76))
_CLEAR = ((150, 44, 26), (200, 54, 34), (260, 64, 42), (320, 81, 56), (400, 107, 78))


def _mostly(votes: Iterable[bool], needed: int = 3) -> bool:
    """Whether so many votes are for it before as many are against it; no more are asked for."""
    counts = [0, 0]
    for vote in votes:
        counts[vote] += 1
        if max(counts) == needed:
            break
    return counts[True] > counts[False]


def _unsteady(said: Callable[[np.ndarray, np.ndarray], str]) -> bool:
    """Whether the order of the questions turns some answers, at most half, where draws enough hold zero for good."""
    before, after = _answers(400, 41, 32)
    orders = [np.random.default_rng(seed).permutation(400) for seed in range(16)]
    return 0 < sum(said(before[order], after[order]) != "cannot tell" for order in orders) <= 8


def _falters(said: Callable[[np.ndarray, np.ndarray], str]) -> bool:
    """Whether some order of the questions brings another answer where 0.9 % of all draws are not above zero.

    That more than 2.5 % of a thousand draws are has a probability of 1 in 200,000; of a hundred draws, 1 in 50.
    """
    before, after = _answers(120, 34, 17)
    orders = (np.random.default_rng(seed).permutation(120) for seed in range(100))
    return any(said(before[order], after[order]) != "better" for order in orders)


def check_is_it_real(function) -> None:
    """A function of two arrays of 0 and 1, question by question."""

    def said(before: np.ndarray, after: np.ndarray) -> str:
        return word(call(function, before, after), "is_it_real", ("better", "worse", "cannot tell"))

    few = "You take too few draws: the answer changes with the order of the questions. Draw a thousand times or more."
    for (n, won, lost), expected, message in _CHANGES:
        answer = said(*_answers(n, won, lost))
        require(
            (answer, expected) != ("worse", "better"),
            f"The sign is turned round: after minus before. {won} questions were won, {lost} lost.",
        )
        require(
            (answer, won > lost) != ("worse", True),
            f"{won} questions were won and {lost} lost, and you say 'worse': its upper end is too low. "
            "np.percentile counts in hundredths (2.5 and 97.5), np.quantile in parts of one (0.025 and 0.975).",
        )
        require(
            (answer, expected) != ("better", "worse"),
            f"{lost} questions were lost and {won} won, and you say 'better', as for questions won. A lost question "
            "has the difference −1: take no size of it, no exclusive or, and no unsigned numbers (uint8).",
        )
        if answer != expected:
            require(not _unsteady(said), few)
            alike = np.repeat([0.0, 1.0], [n - won, won])  # the same gain, where nothing was right before
            require(
                (answer, expected, lost) != ("cannot tell", "better", 0) or said(np.zeros(n), alike) != "better",
                "You draw from the two systems apart, and the gain drowns in how hard the questions are. The same "
                "questions for both: draw questions, and take the difference of each.",
            )
        require(answer == expected, f"{message} Your function says {answer!r}.")
    for turn, expected in ((1, "better"), (-1, "worse")):
        held = (said(*_answers(*case)[::turn]) == "cannot tell" for case in _HELD)
        clear = (said(*_answers(*case)[::turn]) == expected for case in _CLEAR)
        side = "below" if turn > 0 else "above"
        narrow = not _mostly(held)
        require(not narrow or not (_unsteady(said) or _falters(said)), few)
        require(
            not narrow,
            f"Your interval is too narrow: draw as many questions as there are, not more, and leave out 2.5 % on each "
            f"side, not more. You say {expected!r} where it still "
            f"reaches {side} zero.",
        )
        require(
            _mostly(clear),
            f"Your interval is too wide: draw as many questions as there are, not fewer, and leave out 2.5 % on each "
            f"side, not less. You do not say {expected!r} where "
            f"less than 2 % of all draws are {side} zero.",
        )
    require(not _falters(said), few)


def _kept(recalls: list[float], patience: int) -> int:
    return next(e for e, recall in enumerate(recalls) if recall == max(recalls[: e + patience + 1]))


_FROM_ZERO = (
    "Nothing was better than epoch 0 until the patience ran out, so epoch 0 is kept. Compare each epoch with the best "
    "so far, epoch 0 included, not with the one before it."
)
# recalls, patience, the epoch that is kept, and what is off with an answer that keeps another
_EPOCHS: tuple[tuple[list[float], int, int, str], ...] = (
    (
        [0.5, 0.6, 0.7, 0.65, 0.64, 0.6, 0.9],
        3,
        2,
        "Training stops after three epochs without gain, before the 0.9 that would have come.",
    ),
    ([0.5, 0.6, 0.7, 0.65, 0.64, 0.8], 3, 5, "Two bad epochs are not three: the patience of 3 is not used up."),
    ([0.8, 0.5, 0.6, 0.7, 0.9], 3, 0, _FROM_ZERO),
    ([0.6, 0.5, 0.55, 0.58], 2, 0, _FROM_ZERO),
    ([0.5, 0.7, 0.7, 0.7], 5, 1, "Equal is not better: the first epoch with the best recall is kept."),
    ([0.5, 0.7, 0.7, 0.7, 0.9], 2, 1, "An epoch that only equals the best has brought nothing: the patience runs out."),
    ([0.1, 0.2, 0.3], 2, 2, "Every epoch was better, and the list ends: the last one is kept."),
    (
        [0.5, 0.4, 0.6, 0.5, 0.7, 0.6, 0.6],
        2,
        4,
        "The patience counts epochs since the best one, and begins again with each gain.",
    ),
    ([0.3, 0.2, 0.9], 1, 0, "With a patience of 1 the first epoch without gain ends the training."),
    ([0.3, 0.2, 0.1, 0.9], 1, 0, "With a patience of 1 the first epoch without gain ends the training."),
    ([0.5, 0.4, 0.6, 0.5, 0.4, 0.7], 3, 5, "Two bad epochs are not three: the patience of 3 is not used up."),
    ([0.5, 0.5001, 0.4, 0.4], 2, 1, "However small a gain is, it is one."),
    ([0.4], 1, 0, "One epoch alone is kept."),
    *(
        (recalls, patience, kept, "A recall may be 0: epoch 0 is the best so far whatever its recall is.")
        for recalls, patience, kept in (([0.0, 0.0, 0.5], 2, 2), ([0.0, 0.5], 1, 1), ([0.0, 0.0], 3, 0))
    ),
)


def check_kept_epoch(function) -> None:
    """A function of a list of recalls and a patience."""
    cases = _EPOCHS
    value = []
    for i, (recalls, patience, *_) in enumerate(cases):
        nothing = i and (
            f"kept_epoch({recalls}, {patience}) returns None. Return the best epoch on every path: also where the list "
            "ends before the patience is used up."
        )
        value.append(number(call(function, recalls, patience, nothing=nothing or ""), "kept_epoch"))
    right = [kept for _, _, kept, _ in cases]
    stopped = [min(kept + patience, len(recalls) - 1) for recalls, patience, kept, _ in cases]
    early, late = ([_kept(recalls, patience + by) for recalls, patience, *_ in cases] for by in (-1, 1))
    mistakes = {
        "You stop one epoch early: only when `patience` epochs in a row have brought nothing, training stops.": early,
        "You stop one epoch late: as soon as `patience` epochs in a row have brought nothing, training stops.": late,
        "Return the number of the epoch, not its recall.": [recalls[kept] for recalls, _, kept, _ in cases],
        "That is the largest recall of all. Return the number of an epoch.": [max(recalls) for recalls, *_ in cases],
        "The epochs are counted from 0.": [kept + 1 for kept in right],
        "That is the epoch at which training stops. Return the best one.": stopped,
        "That is the last epoch of the list. Return the best one before training stops.": [
            len(recalls) - 1 for recalls, *_ in cases
        ],
        **{
            f"You wait for a fixed number of epochs ({fixed}), whatever was asked for. Use `patience`.": [
                _kept(recalls, fixed) for recalls, *_ in cases
            ]
            for fixed in range(1, 4)
        },
    }
    off = next((i for i in range(len(cases)) if value[i] != right[i]), 0)
    recalls, patience, kept, message = cases[off]
    close(
        value, right, mistakes, f"{message} kept_epoch({recalls}, {patience}) should be {kept}, and is {value[off]:g}."
    )


def _tempted(n: int, rows: int) -> np.ndarray:
    """A healthy matrix in which some rows have their largest value in the last column."""
    similarity = np.random.default_rng(n).uniform(0, 0.2, size=(n, n)) + 0.6 * np.eye(n)
    similarity[:rows, -1] = 1.0
    return similarity


def _heatmaps() -> tuple[tuple[np.ndarray, str, str], ...]:
    """Similarities, what is to be said of them, and what is off with an answer that says something else."""
    healthy, off = _tempted(10, 0), ~np.eye(4, dtype=bool)
    low = healthy - 0.35 * np.eye(10)
    collapsed = 0.9 + healthy / 20
    halved = np.triu(np.full((5, 5), 0.99)) + np.tril(np.full((5, 5), 0.7), -1) + 0.01 * np.eye(5)
    torn = np.full((6, 6), 0.96)
    torn[4, 1] = 0.2
    far = np.where(np.eye(3), 0.5, -0.95)
    mixed = np.where(np.random.default_rng(1).random((8, 8)) < 0.6, 0.97, 0.1) + 0.02 * np.eye(8)
    np.fill_diagonal(mixed, 0.99)
    return (
        (healthy, "healthy", "A bright diagonal on a dark ground is healthy."),
        (low, "healthy", "How high the diagonal is does not count, only whether it is the largest of its row."),
        (np.roll(healthy, 3, axis=1), "mismatched", "Every row has its largest value beside the diagonal."),
        (collapsed, "collapsed", "Everything is above nine tenths, on the diagonal and off it."),
        (
            np.roll(collapsed, 3, axis=1),
            "collapsed",
            "Look for a collapse first: it comes before the question of order.",
        ),
        (_tempted(10, 4), "healthy", "Six of ten rows have their largest value on the diagonal: not fewer than half."),
        (_tempted(9, 7), "mismatched", "Two of nine rows have their largest value on the diagonal: fewer than half."),
        (_tempted(9, 7).T, "healthy", "Eight of nine rows have their largest value on the diagonal: not fewer."),
        (_tempted(6, 3), "healthy", "Three of six rows have their largest value on the diagonal: not fewer than half."),
        (_tempted(5, 3), "mismatched", "Two of five rows have their largest value on the diagonal: fewer than half."),
        (
            _tempted(5, 2),
            "healthy",
            "Three of five rows have their largest value on the diagonal: not fewer than half.",
        ),
        (
            _tempted(101, 51),
            "mismatched",
            "Fifty of a hundred and one rows have their largest value on the diagonal: fewer than half.",
        ),
        (0.85 + healthy * 0.06, "healthy", "The mean off the diagonal is below nine tenths here."),
        (
            np.where(off, 0.92, 0.3),
            "collapsed",
            "The mean off the diagonal is above nine tenths: leave the diagonal out.",
        ),
        (
            np.where(off, 0.88, 1.0),
            "healthy",
            "The mean off the diagonal is below nine tenths: leave the diagonal out.",
        ),
        (
            mixed,
            "healthy",
            "The mean off the diagonal is below nine tenths, though most values are above. Take the mean.",
        ),
        (halved, "healthy", "The mean off the diagonal is below nine tenths: it counts both sides of the diagonal."),
        (halved.T, "healthy", "The mean off the diagonal is below nine tenths: it counts both sides of the diagonal."),
        (torn, "collapsed", "The mean off the diagonal is above nine tenths, though one value is low. Take the mean."),
        (np.array([[1.0, 0.9], [0.9, 1.0]]), "healthy", "A mean of exactly nine tenths is not above nine tenths."),
        (far, "healthy", "Cosines below zero are far below nine tenths, however large their size."),
    )


# by what the answer should be, what one that looks at columns says of the matrix on its side, and as it stands
_BY_COLUMNS = {"mismatched": ("mismatched", "healthy"), "healthy": ("healthy", "mismatched")}


def check_read_heatmap(function) -> None:
    """A function of an (n, n) array with the right pairs on the diagonal."""

    def said(similarity: np.ndarray) -> str:
        return word(call(function, similarity), "read_heatmap", ("collapsed", "mismatched", "healthy"))

    for similarity, expected, message in _heatmaps():
        answer = said(similarity)
        if answer != expected and "of nine rows" in message and (said(similarity.T), answer) == _BY_COLUMNS[expected]:
            message = "Look for the largest value of each row, not of each column."
        if answer == "collapsed" and "nine tenths" not in message:
            message = f"The mean off the diagonal is {_halves(similarity)[1].mean():.2f} here, not above nine tenths."
        require(answer == expected, f"{message} The answer is {expected!r}; your function says {answer!r}.")


EXERCISES = {
    "q1": (
        check_info_nce,
        (
            "Divide by the temperature, subtract each row's maximum, take the exponential, divide by the row's sum.",
            "Probabilities may become 0. Their logarithm is the logit minus the log of its row's sum: np.diag.",
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
