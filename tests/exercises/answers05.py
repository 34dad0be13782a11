"""Lesson 5's exercises: right answers written differently, and plausible wrong ones with what they should hear."""

import numpy as np
import pandas as pd
import torch
from scipy.special import log_softmax, logsumexp
from scipy.stats import bootstrap

# Exercise 1 ---------------------------------------------------------------------------------------------------------


def softmax(logits, axis=1):
    odds = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return odds / odds.sum(axis=axis, keepdims=True)


def loss_of(similarity, temperature, axis=1):
    return -np.log(np.diag(softmax(similarity / temperature, axis))).mean()


def without_keepdims(similarity, temperature):
    logits = similarity / temperature - (similarity / temperature).max(axis=1)
    return -np.diag(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).mean()


def loss_by_plain_exponentials(similarity, temperature):
    odds = np.exp(similarity / temperature)
    return -np.log(np.diag(odds) / odds.sum(axis=1)).mean()


def loss_by_rows(similarity, temperature):
    total = 0.0
    for i, row in enumerate(similarity):
        top = max(row)
        total += np.log(sum(np.exp((each - top) / temperature) for each in row)) - (row[i] - top) / temperature
    return total / len(similarity)


def loss_by_torch(similarity, temperature):
    logits = torch.tensor(similarity, requires_grad=True) / temperature
    return torch.nn.functional.cross_entropy(logits, torch.arange(len(logits)))


def loss_in_place(similarity, temperature):
    similarity /= temperature
    return loss_of(similarity, 1)


# Exercise 2 ---------------------------------------------------------------------------------------------------------


def off(similarity):
    return similarity[~np.eye(len(similarity), dtype=bool)]


def margin_of(similarity):
    return np.diag(similarity).mean() - off(similarity).mean()


def spread_of(similarity, ddof=0):
    return np.sqrt((np.diag(similarity).var(ddof=ddof) + off(similarity).var(ddof=ddof)) / 2)


def both_by_loops(similarity):
    right = [similarity[i, i] for i in range(len(similarity))]
    wrong = [similarity[i, j] for i in range(len(similarity)) for j in range(len(similarity)) if i != j]
    means = [sum(each) / len(each) for each in (right, wrong)]
    variances = [
        sum((x - mean) ** 2 for x in each) / len(each) for each, mean in zip((right, wrong), means, strict=True)
    ]
    return means[0] - means[1], (means[0] - means[1]) / (sum(variances) / 2) ** 0.5


def both_by_series(similarity):
    frame = pd.DataFrame(similarity).stack().reset_index()
    kinds = frame.groupby(frame["level_0"] == frame["level_1"])[0]
    margin = kinds.mean()[True] - kinds.mean()[False]
    return pd.Series({"margin": margin, "separation": margin / kinds.var().mean() ** 0.5})


def both_by_masking(similarity):
    masked = similarity.astype(float).copy()
    np.fill_diagonal(masked, np.nan)
    right = similarity.diagonal()
    margin = right.mean() - np.nanmean(masked)
    return np.array([margin, margin / np.sqrt(np.mean([np.var(right), np.nanvar(masked)]))])


def divided_by(spread):
    return lambda s: (margin_of(s), margin_of(s) / spread(np.diag(s), off(s), s))


def both_in_place(similarity):
    result = margin_of(similarity), margin_of(similarity) / spread_of(similarity)
    np.fill_diagonal(similarity, 0)
    return result


# Exercise 3 ---------------------------------------------------------------------------------------------------------


def verdict(means, outside=2.5):
    low, high = np.percentile(means, [outside, 100 - outside])
    return "better" if low > 0 else "worse" if high < 0 else "cannot tell"


def with_a_loop(before, after):
    rng, n = np.random.default_rng(5), len(before)
    means = []
    for _ in range(1500):
        rows = rng.integers(n, size=n)
        means.append(after[rows].mean() - before[rows].mean())
    return verdict(means)


def by_counting(before, after):
    n, won, lost = len(before), (after > before).sum(), (after < before).sum()
    drawn = np.random.default_rng(8).multinomial(n, [won / n, lost / n, 1 - (won + lost) / n], size=5000)
    means = np.sort((drawn[:, 0] - drawn[:, 1]) / n)
    if means[125] > 0:
        return "better"
    return "worse" if means[-126] < 0 else "cannot tell"


def by_signs(before, after):
    difference = np.subtract(after, before)
    means = np.random.RandomState(1).choice(difference, (3000, len(difference))).mean(1)
    if np.mean(means <= 0) < 0.025:
        return np.str_("better")
    return np.str_("worse" if np.mean(means >= 0) < 0.025 else "cannot tell")


def by_scipy(before, after):
    if np.array_equal(before, after):
        return "cannot tell"
    found = bootstrap((after - before,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(2))
    low, high = found.confidence_interval
    return {(True, False): "better", (False, True): "worse"}.get((low > 0, high < 0), "cannot tell")


def by_frame(before, after):
    frame = pd.DataFrame({"before": before, "after": after}).diff(axis=1)["after"]
    draws = frame.sample(1000 * len(frame), replace=True, random_state=3).reset_index(drop=True)
    means = draws.groupby(draws.index % 1000).mean()
    low, high = means.quantile(0.025), means.quantile(0.975)
    return "cannot tell" if low <= 0 <= high else "better" if low > 0 else "worse"


def normal_theory(before, after):
    difference = after - before
    error = 1.96 * difference.std(ddof=1) / len(difference) ** 0.5
    return verdict([difference.mean() - error] * 50 + [difference.mean() + error] * 50)


def drawn(outside=2.5, n_draws=2000, size=None, replace=True):
    def is_it_real(before, after):
        rng, n = np.random.default_rng(0), size or len(before)
        draws = [rng.choice(after - before, n, replace=replace).mean() for _ in range(n_draws)]
        return verdict(draws, outside)

    return is_it_real


def by_halves(before, after):
    return drawn(size=len(before) // 2)(before, after)


def by_the_wrong_percents(before, after):
    low, high = np.percentile(drawn_means(after - before), [0.025, 0.975])
    return "better" if low > 0 else "worse" if high < 0 else "cannot tell"


def drawn_means(difference):
    return np.random.default_rng(4).choice(difference, (2000, len(difference))).mean(axis=1)


def unpaired(before, after):
    rng, n = np.random.default_rng(5), len(before)
    return verdict(rng.choice(after, (2000, n)).mean(axis=1) - rng.choice(before, (2000, n)).mean(axis=1))


def by_the_mean(limit=0.0, sign=1):
    def is_it_real(before, after):
        gain = sign * (np.mean(after) - np.mean(before))
        return "better" if gain > limit else "worse" if gain < -limit else "cannot tell"

    return is_it_real


def by_the_count(before, after):
    gain = after.sum() - before.sum()
    return "better" if gain > 7 else "worse" if gain < -7 else "cannot tell"


def by_the_quotient(before, after):
    won, lost = (after > before).sum() + 1, (after < before).sum() + 1
    return "better" if won / lost > 3 else "worse" if lost / won > 3 else "cannot tell"


# Exercise 4 ---------------------------------------------------------------------------------------------------------


def counted(
    recalls, patience, better=lambda recall, best: recall > best, resets=True, against_last=False, returned="best"
):
    best, last, waited, epoch = 0, recalls[0], 0, 0
    for epoch in range(1, len(recalls)):
        gained = better(recalls[epoch], last if against_last else recalls[best])
        last = recalls[epoch]
        if gained:
            best, waited = epoch, waited * (not resets)
        else:
            waited += 1
            if waited == patience:
                break
    return {"best": best, "stop": epoch, "recall": recalls[best], "one": best + 1}[returned]


def stopped_early(recalls, patience):
    best = 0
    for epoch, recall in enumerate(recalls):
        if recall > recalls[best]:
            best = epoch
        elif epoch - best >= patience - 1:
            break
    return best


def by_recursion(recalls, patience, best=0):
    for epoch in range(best + 1, min(best + 1 + patience, len(recalls))):
        if recalls[epoch] > recalls[best]:
            return by_recursion(recalls, patience, epoch)
    return best


def by_cumulated_maxima(recalls, patience):
    best = np.maximum.accumulate(recalls)
    gains = np.flatnonzero(np.diff(best, prepend=-np.inf) > 0)
    waits = np.diff(np.append(gains, len(recalls) + patience + 1))
    return gains[np.argmax(waits > patience)]


def by_series(recalls, patience):
    recalls = pd.Series(recalls)
    for epoch in range(len(recalls)):
        if epoch - recalls[: epoch + 1].idxmax() >= patience:
            break
    return recalls[: epoch + 1].idxmax()


def while_waiting(recalls, patience):
    best, epoch = 0, 0
    while epoch < len(recalls) and epoch - best <= patience:
        if recalls[epoch] > recalls[best]:
            best = epoch
        epoch += 1
    return float(best)


def takes_equals(recalls, patience):
    best = 0
    for epoch, recall in enumerate(recalls):
        if recall >= recalls[best]:
            best = epoch
        elif epoch - best >= patience:
            break
    return best


def begins_at_zero(recalls, patience):
    best, kept, waited = 0.0, 0, 0
    for epoch, recall in enumerate(recalls):
        waited += 1
        if recall > best:
            best, kept, waited = recall, epoch, 0
        if waited == patience:
            break
    return kept


def returns_inside_the_loop(recalls, patience):
    best = 0
    for epoch, recall in enumerate(recalls):
        if recall > recalls[best]:
            best = epoch
        elif epoch - best >= patience:
            return best


def cut_in_place(recalls, patience):
    best = counted(recalls, patience)
    del recalls[best + 1 :]
    return best


# Exercise 5 ---------------------------------------------------------------------------------------------------------


def hits(similarity, axis=1):
    return similarity.argmax(axis=axis) == np.arange(len(similarity))


def looked_at(ground=lambda s: off(s).mean(), order=lambda s: hits(s).mean(), limit=0.9, share=0.5):
    return lambda s: "collapsed" if ground(s) > limit else "mismatched" if order(s) < share else "healthy"


def read_by_loops(similarity):
    n, ground, right = len(similarity), 0.0, 0
    for i in range(n):
        ground += sum(similarity[i, j] for j in range(n) if j != i)
        right += all(similarity[i, i] > similarity[i, j] for j in range(n) if j != i)
    if ground / (n * (n - 1)) > 0.9:
        return "collapsed"
    return "healthy" if 2 * right >= n else "mismatched"


def read_by_frame(similarity):
    frame = pd.DataFrame(similarity)
    if np.nanmean(frame.mask(np.eye(len(frame), dtype=bool))) > 9 / 10:
        return "collapsed"
    return ("healthy", "mismatched")[int((frame.idxmax(axis=1) == frame.index).mean() < 1 / 2)]


def read_by_torch(similarity):
    t = torch.tensor(similarity)
    rest = (t.sum() - t.trace()) / (t.numel() - len(t))
    right = (t.argmax(dim=1) == torch.arange(len(t))).float().mean()
    return "collapsed" if rest > 0.9 else "mismatched" if right < 0.5 else "healthy"


def read_in_place(similarity):
    result = looked_at()(similarity)
    np.fill_diagonal(similarity, np.nan)
    return result


RIGHT = {
    "q1": [
        loss_by_rows,
        lambda s, t: torch.nn.functional.cross_entropy(torch.tensor(s, dtype=torch.float32) / t, torch.arange(len(s))),
        loss_by_torch,
        lambda s, t: float(np.logaddexp.reduce(s / t, axis=1).mean() - np.diag(s).mean() / t),
        lambda s, t: np.mean([logsumexp(row / t) - row[i] / t for i, row in enumerate(s)]),
        lambda s, t: -np.trace(log_softmax(s / t, axis=1)) / len(s),
        lambda s, t: np.log(np.exp((s - s.max(1)[:, None]) / t).sum(1)).mean() - (np.diag(s) - s.max(1)).mean() / t,
    ],
    "q2": [
        lambda s: (
            (m := np.diag(s).mean() - (s.sum() - np.trace(s)) / (s.size - len(s))),
            m / np.sqrt(np.mean([np.diag(s).std() ** 2, off(s).std() ** 2])),
        ),
        lambda s: [margin_of(s), margin_of(s) / spread_of(s, ddof=1)],
        lambda s: [margin_of(s).astype(np.float32), 2**0.5 * margin_of(s) / np.hypot(np.diag(s).std(), off(s).std())],
        both_by_loops,
        both_by_series,
        both_by_masking,
    ],
    "q3": [with_a_loop, by_counting, by_signs, by_scipy, by_frame, normal_theory],
    "q4": [
        counted,
        lambda recalls, patience: next(
            e for e, recall in enumerate(recalls) if recall == max(recalls[: e + patience + 1])
        ),
        by_recursion,
        by_cumulated_maxima,
        by_series,
        while_waiting,
    ],
    "q5": [
        lambda s: "collapsed" if off(s).mean() > 0.9 else "healthy" if hits(s).sum() >= len(s) / 2 else "mismatched",
        lambda s: (
            "collapsed"
            if (s.sum() - np.trace(s)) / (s.size - len(s)) > 0.9
            else ("healthy", "mismatched")[int((np.diag(s) >= s.max(axis=1)).mean() < 0.5)]
        ),
        looked_at(ground=lambda s: np.mean([np.delete(row, i) for i, row in enumerate(s)])),
        read_by_loops,
        read_by_frame,
        read_by_torch,
    ],
}

WRONG = {
    "q1": [
        (lambda s, t: -loss_of(s, t), "sign is off"),
        (lambda s, t: len(s) * loss_of(s, t), "Take the mean"),
        (lambda s, t: max(-np.log(np.diag(softmax(s / t)))), "the worst question"),
        (lambda s, t: np.median(-np.log(np.diag(softmax(s / t)))), "the median"),
        (lambda s, t: loss_of(s, 1), "temperature is not used"),
        (lambda s, t: loss_of(s, 1 / t), "Divide by it"),
        (
            lambda s, t: loss_of(s, t, axis=0),
            "compete for each question (rows)",
            "Which question suits an answer is taken for which answer suits a question.",
        ),
        (lambda s, t: (loss_of(s, t) + loss_of(s, t, axis=0)) / 2, "over rows and columns"),
        (lambda s, t: -np.log(np.diag(np.exp(s / t)) / np.exp(s / t).sum()).mean(), "share one denominator"),
        (
            lambda s, t: np.mean([logsumexp(np.delete(row, i) / t) - row[i] / t for i, row in enumerate(s)]),
            "missing from the sum",
            "The right answer is thought not to compete with itself; without it there is no probability.",
        ),
        (lambda s, t: -np.diag(s / t).mean(), "The denominator is missing"),
        (lambda s, t: np.diag(softmax(s / t)).mean(), "mean probability"),
        (lambda s, t: -np.log(np.diag(softmax(s / t)).mean()), "the logarithm of each probability first"),
        (lambda s, t: -np.log(softmax(s / t)).mean(), "over all pairs"),
        (lambda s, t: -np.log2(np.diag(softmax(s / t))).mean(), "to the base 2"),
        (lambda s, t: -np.log10(np.diag(softmax(s / t))).mean(), "to the base 10"),
        (lambda s, t: -np.diag(softmax(s / t)).mean(), "The logarithm is missing"),
        (lambda s, t: loss_of(s, 0.05), "whatever is asked"),
        (without_keepdims, "keepdims=True"),
        (lambda s, t: np.nan_to_num(loss_by_plain_exponentials(s, t)), "overflow"),
        (lambda s, t: logsumexp(s / t, axis=1).mean() - np.diag(s).mean(), "Divide the whole matrix by it"),
        (lambda s, t: -np.log(np.diag(softmax(s / t))), "should return one number"),
        (
            lambda s, t: -np.log(np.diag(np.exp(s / t) / np.exp(s / t).sum(axis=1, keepdims=True))).mean(),
            "overflows",
            "A formula is taken for a program; to the machine the exponential of a large number is infinite.",
        ),
        (lambda s, t: loss_of(s - s.min(axis=1, keepdims=True), t) if t > 0.01 else np.inf, "overflows"),
        (lambda s, t: -np.log(np.diag(softmax(s / t)))[:3].mean(), "your function says"),
        (lambda s, t: loss_of(s, 0.2), "your function says"),
        (lambda s, t: 0.5, "your function says 0.5"),
        (lambda s, t: loss_of(s, t), "logit of the right pair minus the log-sum-exp"),
        (lambda s, t: -np.log(np.diag(softmax(s / t)) + 1e-9).mean(), "neither clip nor add"),
        (lambda s, t: -np.log(np.clip(np.diag(softmax(s / t)), 1e-12, 1)).mean(), "neither clip nor add"),
        (
            lambda s, t: -np.log(np.diag(np.exp((s - s.max()) / t) / np.exp((s - s.max()) / t).sum(1))).mean(),
            "Subtract each row's own maximum",
        ),
        (
            lambda s, t: (np.log(np.exp((s - s.max()) / t).sum(1)) - (np.diag(s) - s.max()) / t).mean(),
            "ubtract each row's own maximum",
        ),
        (lambda s, t: round(loss_by_rows(s, t), 4), "Do not round"),
        (loss_in_place, "in place"),
    ],
    "q2": [
        (margin_of, "two numbers"),
        (lambda s: (margin_of(s), spread_of(s), margin_of(s) / spread_of(s)), "two numbers"),
        (lambda s: (margin_of(s) / spread_of(s), margin_of(s)), "The margin comes first"),
        (
            lambda s: (np.diag(s).mean() - s.mean(), 1.0),
            "still holds the diagonal",
            "All cosines are taken for the wrong ones; the right pairs among them make the margin smaller.",
        ),
        (lambda s: (-margin_of(s), 1.0), "right minus wrong"),
        (
            lambda s: (abs(margin_of(s)), 1.0),
            "the margin is below zero",
            "The margin is taken for a distance; below zero it says that the wrong pairs are closer.",
        ),
        (lambda s: (np.diag(s).mean(), 1.0), "Subtract that of the wrong ones"),
        (lambda s: (np.trace(s) - off(s).sum(), 1.0), "You subtract sums"),
        (lambda s: (np.median(np.diag(s)) - np.median(off(s)), 1.0), "You subtract medians"),
        (
            lambda s: (np.mean(np.diag(s) - (s - 9 * np.eye(len(s))).max(axis=1)), 1.0),
            "largest wrong cosine of each row",
        ),
        (lambda s: (0.1, 1.0), "The margin of a test matrix"),
        (lambda s: (np.diag(s).mean() - (s * (1 - np.eye(len(s)))).mean(), 1.0), "still counted"),
        (lambda s: (np.diag(s).mean() - s[np.triu_indices(len(s), 1)].mean(), 1.0), "above the diagonal only"),
        (lambda s: (np.diag(s).mean() - s[np.tril_indices(len(s), -1)].mean(), 1.0), "below the diagonal only"),
        (lambda s: (round(margin_of(s), 3), 1.0), "Do not round"),
        (lambda s: (margin_of(s), round(margin_of(s) / spread_of(s), 2)), "Do not round"),
        (lambda s: (np.diag(s) - off(s).mean(), 1.0), "two single numbers"),
        (lambda s: (np.diag(s).mean() - s[~np.isin(s, np.diag(s))].mean(), 1.0), "by its place, not by its values"),
        (divided_by(lambda r, w, s: np.sqrt(r.var() + w.var())), "not their sum"),
        (divided_by(lambda r, w, s: (r.var() + w.var()) / 2), "root is missing"),
        (divided_by(lambda r, w, s: np.sqrt(r.var() + w.var()) / 2), "belongs under the root"),
        (divided_by(lambda r, w, s: (r.std() + w.std()) / 2), "Average the variances"),
        (divided_by(lambda r, w, s: np.sqrt((r.std() + w.std()) / 2)), "Average their squares"),
        (divided_by(lambda r, w, s: s.std()), "within each kind"),
        (divided_by(lambda r, w, s: np.sqrt((r.var() + s.var()) / 2)), "still holds the diagonal"),
        (divided_by(lambda r, w, s: r.std()), "of the right cosines only"),
        (divided_by(lambda r, w, s: w.std()), "of the wrong cosines only"),
        (divided_by(lambda r, w, s: np.sqrt((len(r) * r.var() + len(w) * w.var()) / s.size)), "You weight"),
        (divided_by(lambda r, w, s: 1 / np.sqrt((r.var() + w.var()) / 2)), "you multiply"),
        (
            divided_by(lambda r, w, s: 1.0),
            "That is the margin again",
            "The margin alone is thought to say how well two kinds are told apart; that depends on their spread.",
        ),
        (lambda s: (margin_of(s), abs(margin_of(s)) / spread_of(s)), "has the sign of the margin"),
        (lambda s: (margin_of(s), 2.0), "The separation of a test matrix"),
        (both_in_place, "in place"),
    ],
    "q3": [
        (
            unpaired,
            "You draw from the two systems apart",
            "Pairing is missed: both systems answered the same questions, hard ones and easy ones.",
        ),
        (lambda before, after: verdict(after - before), "not of the single differences"),
        (
            lambda before, after: "cannot tell",
            "no fixed limit",
            "A gain is thought to be real by its size; how many questions there are decides.",
        ),
        (
            by_the_mean(),
            "holds zero",
            "A mean above zero is taken for better; where the interval holds zero it may be chance.",
        ),
        (drawn(replace=False), "without replacement"),
        (by_the_mean(0.02), "so few questions make a wide interval"),
        (by_the_mean(0.0105), "so few questions make a wide interval"),
        (by_the_count, "No fixed limit"),
        (by_the_quotient, "280 questions were won"),
        (drawn(size=30), "as many questions as there are"),
        (drawn(outside=5), "too narrow"),
        (drawn(outside=10), "too narrow"),
        (drawn(outside=0.5), "too wide"),
        (drawn(outside=1.25), "too wide"),
        (by_halves, "as many questions as there are"),
        (by_the_wrong_percents, "counts in hundredths"),
        (drawn(n_draws=100), "too few draws"),
        (drawn(n_draws=200), "too few draws"),
        (lambda before, after: drawn(outside=5)(before, after).replace("better", "cannot tell"), "no fixed limit"),
        (drawn(n_draws=10), "too few draws"),
        (drawn(n_draws=5), "too few draws"),
        (lambda before, after: verdict(drawn_means(np.logical_xor(after, before))), "no exclusive or"),
        (lambda before, after: verdict(drawn_means(after.astype(np.uint8) - before.astype(np.uint8))), "uint8"),
        (lambda before, after: verdict(drawn_means(abs(after - before))), "take no size"),
        (lambda before, after: with_a_loop(after, before), "The sign is turned round"),
        (lambda before, after: np.mean(after - before), "one of 'better', 'worse', 'cannot tell', not a float"),
        (lambda before, after: np.array(["better", "worse"]), "one of 'better', 'worse', 'cannot tell', not an array"),
        (
            lambda before, after: with_a_loop(before, after).title(),
            "one of 'better', 'worse', 'cannot tell', not 'Cannot",
        ),
        (lambda before, after: "better", "nothing can be told"),
        (lambda before, after: with_a_loop(before, after).replace("worse", "cannot tell"), "Ten questions were lost"),
    ],
    "q4": [
        (
            lambda recalls, patience: int(np.argmax(recalls)),
            "before the 0.9",
            "The best of all epochs is looked for; training that has stopped never sees it.",
        ),
        (
            lambda recalls, patience: counted(recalls, patience, resets=False),
            "begins again",
            "Patience is counted over all epochs without gain, not over those in a row.",
        ),
        (
            takes_equals,
            "Equal is not better",
            "The same recall is taken for progress; the later epoch has trained for nothing.",
        ),
        (lambda recalls, patience: counted(recalls, patience, lambda a, b: a >= b), "Equal is not better"),
        (lambda recalls, patience: counted(recalls, patience, lambda a, b: a > b + 0.001), "However small"),
        (lambda recalls, patience: counted(recalls, patience, against_last=True), "Compare each epoch with the best"),
        (lambda recalls, patience: 1 + counted(recalls[1:] or recalls, patience), "epoch 0 included"),
        (lambda recalls, patience: max(recalls), "the largest recall of all"),
        (lambda recalls, patience: counted(recalls, patience, returned="recall"), "not its recall"),
        (lambda recalls, patience: counted(recalls, patience, returned="one"), "counted from 0"),
        (lambda recalls, patience: counted(recalls, patience, returned="stop"), "at which training stops"),
        (lambda recalls, patience: len(recalls) - 1, "the last epoch of the list"),
        (lambda recalls, patience: counted(recalls, patience - 1), "not used up"),
        (lambda recalls, patience: counted(recalls, patience + 1), "one epoch late"),
        (stopped_early, "one epoch early"),
        (lambda recalls, patience: counted(recalls, 1), "Use `patience`"),
        (lambda recalls, patience: counted(recalls, 3), "Use `patience`"),
        (lambda recalls, patience: counted(recalls, 2), "Use `patience`"),
        (begins_at_zero, "epoch 0 is the best so far whatever"),
        (returns_inside_the_loop, "on every path"),
        (lambda recalls, patience: str(counted(recalls, patience)), "should return one number"),
        (cut_in_place, "in place"),
    ],
    "q5": [
        (
            looked_at(order=lambda s: np.diag(s).mean()),
            "largest of its row",
            "Bright is taken for good; what counts is whether the right answer beats the others of its row.",
        ),
        (
            looked_at(ground=lambda s: 0),
            "off it",
            "A bright diagonal is taken for health, though all the rest is as bright.",
        ),
        (lambda s: "mismatched" if hits(s).mean() < 0.5 else looked_at()(s), "collapse first"),
        (looked_at(share=1.0), "Six of ten rows"),
        (looked_at(share=0.55), "Three of six rows"),
        (looked_at(share=0.4), "Two of five rows"),
        (looked_at(share=0.49), "Fifty of a hundred and one rows"),
        (looked_at(share=0.45), "Fifty of a hundred and one rows"),
        (looked_at(order=lambda s: hits(s, axis=0).mean()), "of each row, not of each column"),
        (looked_at(order=lambda s: (np.diag(s) > s.mean(axis=1)).mean()), "Two of nine rows"),
        (looked_at(order=lambda s: hits(s).sum(), share=5), "Three of six rows"),
        (looked_at(limit=0.8), "below nine tenths here"),
        (lambda s: "collapsed" if off(s).mean() >= 0.9 else looked_at()(s), "exactly nine tenths"),
        (looked_at(ground=np.mean), "leave the diagonal out"),
        (looked_at(ground=np.max), "not above nine tenths"),
        (looked_at(ground=lambda s: off(s).max()), "not above nine tenths"),
        (looked_at(ground=lambda s: s[np.triu_indices(len(s), 1)].mean()), "both sides of the diagonal"),
        (looked_at(ground=lambda s: s[np.tril_indices(len(s), -1)].mean()), "both sides of the diagonal"),
        (looked_at(ground=lambda s: off(s).min()), "though one value is low"),
        (looked_at(ground=lambda s: np.median(off(s))), "Take the mean"),
        (looked_at(ground=lambda s: abs(off(s)).mean()), "Cosines below zero are far below"),
        (lambda s: off(s).mean(), "one of 'collapsed', 'mismatched', 'healthy', not a float"),
        (lambda s: looked_at()(s).upper(), "one of 'collapsed', 'mismatched', 'healthy', not 'HEALTHY'"),
        (read_in_place, "in place"),
    ],
}

EQUIVALENT = {
    "q1": {
        "log_p = logits - np.log(np.exp(logits).sum(axis=1))": "on the diagonal, row and column have the same number",
        "log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=False))": "the same",
        "return abs(-np.diag(log_p).mean())": "no loss is below zero",
    },
    "q3": {
        "difference = after - np.asarray(before, dtype=float)": "both come as arrays of floats",
        "difference = np.asarray(after, dtype=float) - before": "both come as arrays of floats",
        "difference = np.asarray(after) - np.asarray(before, dtype=float)": "both come as arrays of floats",
        "difference = np.asarray(after, dtype=float) - np.asarray(before)": "both come as arrays of floats",
        "means = np.sum(rng.choice(difference, size=(2000, len(difference))), axis=1)": "sums have the signs of means",
        "means = rng.choice(difference, size=(2000, len(difference) + 1)).mean(axis=1)": (
            "one question more in a draw moves an interval by less than another seed does"
        ),
        "means = rng.choice(difference, size=(2000, len(difference) - 1)).mean(axis=1)": (
            "one question less in a draw moves an interval by less than another seed does"
        ),
        "rng = np.random.default_rng()": "any seed will do, and none as well",
    },
    "q4": {
        "for epoch, recall in list(enumerate(recalls))[1:]:": "epoch 0 is the best so far before it is looked at",
        "return float(best)": "the same number",
    },
    "q5": {
        "return 'mismatched' if np.median(on_diagonal) < 0.5 else 'healthy'": (
            "of zeros and ones, the median is below a half where the mean is"
        )
    },
}
