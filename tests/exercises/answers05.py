"""Lesson 5's exercises: right answers written differently, and plausible wrong ones with what they should hear."""

import numpy as np


def _log_sum_exp(values):
    top = max(values)
    return top + float(np.log(np.sum(np.exp(np.asarray(values) - top))))


def _interval_of(means):
    low, high = np.quantile(means, [0.025, 0.975])
    return "better" if low > 0 else "worse" if high < 0 else "cannot tell"


def _with_a_loop(before, after):
    rng, n = np.random.default_rng(5), len(before)
    means = []
    for _ in range(1500):
        rows = rng.integers(n, size=n)
        means.append(after[rows].mean() - before[rows].mean())
    return _interval_of(means)


def _normal_theory(before, after):
    difference = after - before
    error = 1.96 * difference.std(ddof=1) / len(difference) ** 0.5
    return _interval_of([difference.mean() - error] * 50 + [difference.mean() + error] * 50)


def _unpaired(before, after):
    rng, n = np.random.default_rng(5), len(before)
    return _interval_of(rng.choice(after, (2000, n)).mean(axis=1) - rng.choice(before, (2000, n)).mean(axis=1))


def _by_the_mean(before, after):
    gain = np.mean(after) - np.mean(before)
    return "better" if gain > 0 else "worse" if gain < 0 else "cannot tell"


def _stops_late(recalls, patience):
    best, waited = 0, 0
    for epoch in range(1, len(recalls)):
        if recalls[epoch] > recalls[best]:
            best, waited = epoch, 0
            continue
        waited += 1
        if waited == patience:
            return best
    return best


def _never_resets(recalls, patience):
    best, waited = 0, 0
    for epoch, recall in enumerate(recalls[1:], 1):
        if recall > recalls[best]:
            best = epoch
        else:
            waited += 1
            if waited >= patience:
                break
    return best


def _takes_equals(recalls, patience):
    best = 0
    for epoch, recall in enumerate(recalls):
        if recall >= recalls[best]:
            best = epoch
        elif epoch - best >= patience:
            break
    return best


def _off(similarity):
    return similarity[~np.eye(len(similarity), dtype=bool)]


def _margin(similarity):
    return np.diag(similarity).mean() - _off(similarity).mean()


def _right(similarity):
    return similarity.argmax(axis=1) == np.arange(len(similarity))


def _ground(similarity, limit):
    return "collapsed" if _off(similarity).mean() > limit else "healthy"


def _order(similarity, share=0.5):
    return "mismatched" if _right(similarity).mean() < share else "healthy"


def _softmax(logits, axis=1):
    odds = np.exp(logits)
    return odds / odds.sum(axis=axis, keepdims=True)


RIGHT = {
    "q1": [
        lambda similarity, temperature: np.mean(
            [_log_sum_exp(row / temperature) - row[i] / temperature for i, row in enumerate(similarity)]
        ),
        lambda similarity, temperature: float(
            np.logaddexp.reduce(similarity / temperature, axis=1).mean() - np.diag(similarity).mean() / temperature
        ),
    ],
    "q2": [
        lambda s: (
            (m := np.diag(s).mean() - (s.sum() - np.trace(s)) / (s.size - len(s))),
            m / np.sqrt(np.mean([np.diag(s).std() ** 2, _off(s).std() ** 2])),
        ),
        lambda s: [
            np.diag(s).mean() - _off(s).mean(),
            (np.diag(s).mean() - _off(s).mean()) / ((np.diag(s).var(ddof=1) + _off(s).var(ddof=1)) / 2) ** 0.5,
        ],
    ],
    "q3": [_with_a_loop, _normal_theory],
    "q4": [
        _stops_late,
        lambda recalls, patience: next(
            e for e, recall in enumerate(recalls) if recall == max(recalls[: e + patience + 1])
        ),
    ],
    "q5": [
        lambda s: "collapsed" if _off(s).mean() > 0.9 else "healthy" if _right(s).sum() >= len(s) / 2 else "mismatched",
        lambda s: (
            "collapsed"
            if (s.sum() - np.trace(s)) / (s.size - len(s)) > 0.9
            else ("healthy", "mismatched")[int((np.diag(s) >= s.max(axis=1)).mean() < 0.5)]
        ),
    ],
}

WRONG = {
    "q1": [
        (lambda s, t: np.log(np.diag(_softmax(s / t))).mean(), "sign is off"),
        (lambda s, t: -np.log(np.diag(_softmax(s / t))).sum(), "Take the mean"),
        (lambda s, t: -np.log(np.diag(_softmax(s))).mean(), "temperature is not used"),
        (lambda s, t: -np.log(np.diag(_softmax(s * t))).mean(), "Divide by it"),
        (lambda s, t: -np.log(np.diag(_softmax(s / t, axis=0))).mean(), "rows"),
        (
            lambda s, t: np.mean([_log_sum_exp(np.delete(row, i) / t) - row[i] / t for i, row in enumerate(s)]),
            "missing from the sum",
        ),
        (lambda s, t: np.diag(_softmax(s / t)).mean(), "mean probability"),
        (lambda s, t: -np.log(np.diag(_softmax(s / t))), "one number"),
        (lambda s, t: -np.log(np.diag(_softmax(s / t))).mean(), "overflows"),
        (lambda s, t: 0.5, "your function says 0.5"),
    ],
    "q2": [
        (lambda s: np.diag(s).mean() - _off(s).mean(), "two numbers"),
        (lambda s: (np.diag(s).mean() - s.mean(), 1.0), "still holds the diagonal"),
        (lambda s: (_off(s).mean() - np.diag(s).mean(), 1.0), "right minus wrong"),
        (lambda s: (0.1, 1.0), "The margin of a test matrix"),
        *(
            (lambda s, spread=spread: (_margin(s), _margin(s) / spread(np.diag(s), _off(s), s)), words)
            for spread, words in (
                (lambda r, w, s: np.sqrt(r.var() + w.var()), "not their sum"),
                (lambda r, w, s: (r.var() + w.var()) / 2, "root is missing"),
                (lambda r, w, s: (r.std() + w.std()) / 2, "Average the variances"),
                (lambda r, w, s: s.std(), "within each kind"),
                (lambda r, w, s: 1 / np.sqrt((r.var() + w.var()) / 2), "you multiply"),
                (lambda r, w, s: 1.0, "The separation of a test matrix"),
            )
        ),
    ],
    "q3": [
        (_unpaired, "drowns"),
        (_by_the_mean, "holds zero"),
        (lambda before, after: "cannot tell", "drowns"),
        (lambda before, after: _with_a_loop(after, before), "drowns"),
        (lambda before, after: np.mean(after - before), "Return one of"),
        (lambda before, after: "better", "nothing can be told"),
        (lambda before, after: _with_a_loop(before, after).replace("worse", "cannot tell"), "Ten questions were lost"),
    ],
    "q4": [
        (lambda recalls, patience: int(np.argmax(recalls)), "before the 0.9"),
        (_never_resets, "begins again"),
        (_takes_equals, "Equal is not better"),
        (lambda recalls, patience: max(recalls), "not its recall"),
        (lambda recalls, patience: _stops_late(recalls, patience - 1), "not used up"),
        (lambda recalls, patience: recalls[_stops_late(recalls, patience)], "not its recall"),
        (lambda recalls, patience: min(len(recalls) - 1, _stops_late(recalls, patience) + patience), "before the 0.9"),
    ],
    "q5": [
        (lambda s: "healthy" if np.diag(s).mean() > 0.5 else "mismatched", "largest of its row"),
        (lambda s: "healthy" if _right(s).mean() >= 0.5 else "mismatched", "off it"),
        (lambda s: "mismatched" if _right(s).mean() < 0.5 else _ground(s, 0.9), "collapse first"),
        (lambda s: "collapsed" if _ground(s, 0.9) != "healthy" else _order(s, 1.0), "not fewer than half"),
        (lambda s: "collapsed" if _ground(s, 0.8) != "healthy" else _order(s), "below nine tenths"),
        (lambda s: _off(s).mean(), "Return one of"),
    ],
}
