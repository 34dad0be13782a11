"""Lesson 2's exercises: right answers written differently, and plausible wrong ones with what they should hear."""

import datetime
import math
import random
import statistics
import time
import time as clock
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from scipy.stats import bootstrap, rankdata


def _recall_by_rank(similarity, answer, k):
    right = similarity[np.arange(len(answer)), answer]
    return float(np.mean([(row > own).sum() < k for row, own in zip(similarity, right, strict=True)]))


def _recall_by_loop(similarity, answer, k):
    found = 0
    for row, right in zip(similarity, answer, strict=True):
        found += right in sorted(range(len(row)), key=lambda column: -row[column])[:k]
    return found / len(answer)


def _recall_by_sets(similarity, answer, k):
    hits = [{int(answer[i])} <= set(np.argpartition(similarity[i], -k)[-k:].tolist()) for i in range(len(answer))]
    return statistics.fmean(hits)


def _recall_by_torch(similarity, answer, k):
    best = torch.topk(torch.tensor(similarity), k, dim=1).indices
    return (best == torch.tensor(answer)[:, None]).any(dim=1).double().mean()


def _recall_spoiling(similarity, answer, k):
    similarity *= -1
    return (np.argsort(similarity, axis=1)[:, :k] == answer[:, None]).any(axis=1).mean()


def _interval_with_choice(first, second, n_resamples=2000):
    generator = np.random.default_rng()
    differences = np.subtract(first, second)
    means = [generator.choice(differences, size=len(differences)).mean() for _ in range(n_resamples)]
    return np.percentile(means, 2.5), np.percentile(means, 97.5)


def _interval_of_pairs(first, second, n_resamples=4000):
    generator = np.random.default_rng(5)
    drawn = generator.integers(0, len(first), size=(n_resamples, len(first)))
    means = np.sort(first[drawn].mean(axis=1) - second[drawn].mean(axis=1))
    return [means[int(0.025 * n_resamples)], means[math.ceil(0.975 * n_resamples) - 1]]


def _interval_of_scipy(first, second, n_resamples=2000):
    drawn = bootstrap((first - second,), np.mean, n_resamples=n_resamples, method="percentile", rng=3)
    return drawn.confidence_interval


def _interval_in_plain_python(first, second, n_resamples=1000):
    differences = [float(a - b) for a, b in zip(first, second, strict=True)]
    means = sorted(statistics.fmean(random.choices(differences, k=len(differences))) for _ in range(n_resamples))
    cut = round(0.025 * n_resamples)
    return means[cut], means[n_resamples - 1 - cut]


def _interval_of_weights(first, second, n_resamples=2000):
    n = len(first)
    weights = np.random.default_rng(1).multinomial(n, [1 / n] * n, size=n_resamples) / n
    return np.quantile(weights @ (first - second), (0.025, 0.975))


def _interval_with_pandas(first, second, n_resamples=2000):
    differences = pd.Series(first) - pd.Series(second)
    drawn = np.random.default_rng(9).integers(len(first), size=n_resamples * len(first))
    means = differences.iloc[drawn].groupby(np.repeat(range(n_resamples), len(first))).mean()
    return means.quantile([0.025, 0.975])


def _interval(make, low=2.5, high=97.5):
    def interval(first, second, n_resamples=2000):
        return np.percentile(make(first, second, np.random.default_rng(2), n_resamples), [low, high])

    return interval


def _drawn(values, generator, n_resamples=2000):
    return values[generator.integers(0, len(values), size=(n_resamples, len(values)))].mean(axis=1)


def _without_replacement(first, second, generator, n_resamples):
    differences = first - second
    return [generator.permutation(differences)[: len(first) // 2].mean() for _ in range(n_resamples)]


def _fewer(first, second, generator, n_resamples):
    differences = first - second
    return differences[generator.integers(0, len(first), size=(n_resamples, len(first) // 4))].mean(axis=1)


def _half(first, second, generator, n_resamples):
    differences = first - second
    return differences[generator.integers(0, len(first), size=(n_resamples, len(first) // 2))].mean(axis=1)


def _over_the_draws(first, second, generator, n_resamples):
    differences = first - second
    return differences[generator.integers(0, len(first), size=(n_resamples, len(first)))].mean(axis=0)


def _formula(first, second, n_resamples=2000):
    differences = first - second
    error = differences.std() / len(first) ** 0.5
    return differences.mean() - 1.96 * error, differences.mean() + 1.96 * error


def _pick_by_sorting(table, max_ms, max_mib):
    for name, row in table.sort_values("quality", ascending=False).iterrows():
        if row["ms_per_text"] <= max_ms and row["memory_mib"] <= max_mib:
            return name
    return "none"


def _pick_by_query(table, max_ms, max_mib):
    left = table.query("ms_per_text <= @max_ms and memory_mib <= @max_mib")
    return left.nlargest(1, "quality").index[0] if len(left) else "none"


def _pick_by_dict(table, max_ms, max_mib):
    quality = {
        name: row["quality"]
        for name, row in table.to_dict("index").items()
        if not (math.isnan(row["ms_per_text"]) or row["ms_per_text"] > max_ms)
        and not (math.isnan(row["memory_mib"]) or row["memory_mib"] > max_mib)
    }
    return max(quality, key=quality.get, default="none")


def _pick_after_dropping(table, max_ms, max_mib):
    known = table.dropna(subset=["ms_per_text", "memory_mib"])
    known = known.loc[known.ms_per_text.le(max_ms)].loc[lambda left: left.memory_mib <= max_mib]
    known = known.sort_values("quality")
    return str(known.index[-1]) if known.shape[0] else "none"


def _pick_with_numpy(table, max_ms, max_mib):
    fits = (table["ms_per_text"].to_numpy() <= max_ms) & (table["memory_mib"].to_numpy() <= max_mib)
    if not fits.any():
        return "none"
    return table.index[np.where(fits, table["quality"].to_numpy(), -1).argmax()]


def _pick_or_stop(table, max_ms, max_mib):
    fits = table.where((table["ms_per_text"] <= max_ms) & (table["memory_mib"] <= max_mib)).dropna(how="all")
    try:
        return fits["quality"].idxmax()
    except ValueError:
        return "none"


def _pick_ignoring(column):
    def pick(table, max_ms, max_mib):
        limits = {"ms_per_text": max_ms, "memory_mib": max_mib}
        del limits[column]
        ((other, limit),) = limits.items()
        left = table[table[other] <= limit]
        return left["quality"].idxmax() if len(left) else "none"

    return pick


def _fits(table, max_ms, max_mib):
    return table[(table["ms_per_text"] <= max_ms) & (table["memory_mib"] <= max_mib)]


def _pick_misplaced(table, max_ms, max_mib):
    fits = _fits(table, max_ms, max_mib)
    return table.index[fits.quality.argmax()] if len(fits) else "none"


def _pick_strictly(table, max_ms, max_mib):
    fits = table[(table["ms_per_text"] < max_ms) & (table["memory_mib"] < max_mib)]
    return fits["quality"].idxmax() if len(fits) else "none"


def _pick_with_gaps(table, max_ms, max_mib):
    fits = table[~(table["ms_per_text"] > max_ms) & ~(table["memory_mib"] > max_mib)]
    return fits["quality"].idxmax() if len(fits) else "none"


def _pick_with_a_new_column(table, max_ms, max_mib):
    table["fits"] = (table["ms_per_text"] <= max_ms) & (table["memory_mib"] <= max_mib)
    return _pick_by_query(table, max_ms, max_mib)


def _pick_the(column, largest=False):
    def pick(table, max_ms, max_mib):
        left = _fits(table, max_ms, max_mib).sort_values(column, ascending=not largest)
        return left.index[0] if len(left) else "none"

    return pick


def _timings(encode, batches):
    seconds = []
    for batch in batches:
        start = time.perf_counter()
        encode(batch)
        seconds.append(time.perf_counter() - start)
    return seconds


def _timing_with_statistics(encode, batches):
    from statistics import median

    return median(_timings(encode, batches)[1:])


def _timing_sorted(encode, batches):
    first, *others = batches
    encode(first)
    ordered, n = sorted(_timings(encode, others)), len(others)
    return (ordered[n // 2] + ordered[(n - 1) // 2]) / 2


def _timing_from_the_top(encode, batches):
    seconds = []
    for i, batch in enumerate(batches):
        start = perf_counter()
        encode(batch)
        if i > 0:
            seconds.append(perf_counter() - start)
    return np.quantile(seconds, 0.5)


def _timing_by_another_name(encode, batches):
    marks = []
    for batch in batches:
        encode(batch)
        marks.append(clock.perf_counter())
    return np.median(np.diff(marks))


def _timing_in_nanoseconds(encode, batches):
    encode(batches[0])
    seconds = []
    for batch in batches[1:]:
        start = time.perf_counter_ns()
        encode(batch)
        seconds.append((time.perf_counter_ns() - start) / 1e9)
    return np.float32(np.median(seconds))


def _timing_in_a_function(encode, batches):
    def seconds(batch):
        start = time.monotonic()
        encode(batch)
        return time.monotonic() - start

    return pd.Series(map(seconds, batches)).iloc[1:].median()


def _timing_repeated(encode, batches):
    encode(batches[0])
    return np.median([_timings(encode, [batches[1]])[0] for _ in range(5)])


def _timing_of_work(encode, batches):
    encode(batches[0])
    seconds = []
    for batch in batches[1:]:
        start = time.process_time()
        encode(batch)
        seconds.append(time.process_time() - start)
    return np.median(seconds)


def _timing_running_on(encode, batches):
    encode(batches[0])
    start, seconds = time.perf_counter(), []
    for batch in batches[1:]:
        encode(batch)
        seconds.append(time.perf_counter() - start)
    return np.median(seconds)


def _timing_with_dates(encode, batches):
    encode(batches[0])
    seconds = []
    for batch in batches[1:]:
        start = datetime.datetime.now()
        encode(batch)
        seconds.append((datetime.datetime.now() - start).total_seconds())
    return np.median(seconds)


def _timing_with(clock_read):
    def timing(encode, batches):
        encode(batches[0])
        seconds = []
        for batch in batches[1:]:
            start = clock_read()
            encode(batch)
            seconds.append(clock_read() - start)
        return np.median(seconds)

    return timing


def _timing_the_last_first(encode, batches):
    encode(batches[-1])
    return np.median(_timings(encode, batches[:-1]))


def _timing_in_any_order(encode, batches):
    encode(batches[0])
    return np.median(_timings(encode, batches[:0:-1]))


def _timing_rounded(digits):
    return lambda encode, batches: np.median([round(each, digits) for each in _timings(encode, batches)[1:]])


def _timing_popping(encode, batches):
    encode(batches.pop(0))
    return np.median(_timings(encode, batches))


def _order(similarity):
    return np.argsort(-similarity, axis=1)


RIGHT = {
    "q1": [
        _recall_by_rank,
        _recall_by_loop,
        _recall_by_sets,
        _recall_by_torch,
        lambda s, a, k: np.mean(rankdata(-s, axis=1)[range(len(a)), a] <= k),
        lambda s, a, k: sum(a[i] in np.argsort(s[i])[::-1][:k] for i in range(len(a))) / len(s),
        lambda s, a, k: (pd.DataFrame(s).rank(axis=1, ascending=False).to_numpy()[np.arange(len(a)), a] <= k).mean(),
    ],
    "q2": [
        _interval_with_choice,
        _interval_of_pairs,
        _interval_of_scipy,
        _interval_in_plain_python,
        _interval_of_weights,
        _interval_with_pandas,
    ],
    "q3": [_pick_by_sorting, _pick_by_query, _pick_by_dict, _pick_after_dropping, _pick_with_numpy, _pick_or_stop],
    "q4": [
        _timing_with_statistics,
        _timing_sorted,
        _timing_from_the_top,
        _timing_by_another_name,
        _timing_in_nanoseconds,
        _timing_in_a_function,
        _timing_in_any_order,
    ],
    "q5": [
        lambda: ("What do you do for loyal customers?", "t23", "customers"),
        lambda: ["Do I need new firmware?", "t29", "Firmware"],
        lambda: np.array(["Do I need new FIRMWARE?", "t29", "firmware"]),
        lambda: iter(("It happened at the prepayment all day. Why?", "t26", "prepayment")),
        lambda: ("What do you do with prepayment here?", "t26", "prepayment"),
        lambda: pd.Series({"question": "It blinks at me.", "trace": "t29", "word": "blinks"}),
    ],
}

WRONG = {
    "q1": [
        (lambda s, a, k: (_order(s)[:, :k] == a[:, None]).any(axis=1).sum(), "number of questions"),
        (lambda s, a, k: (np.argsort(s, axis=1)[:, :k] == a[:, None]).any(axis=1).mean(), "least similar"),
        (
            lambda s, a, k: (_order(s)[:, :k] == a[:, None]).mean(),
            "Do not divide by k",
            "Recall is taken for precision; of k places only one can be right here.",
        ),
        (lambda s, a, k: (_order(s)[:, :k] == a[:, None]).sum() / s.size, "by the number of documents"),
        (
            lambda s, a, k: (_order(s)[:, 0] == a).mean(),
            "k is not used",
            "recall@k is taken for the share of right first places.",
        ),
        (
            lambda s, a, k: (np.argsort(-s, axis=0)[:, :k] == a[:, None]).any(axis=1).mean(),
            "down the columns",
            "Which question suits a document is taken for which document answers a question.",
        ),
        (lambda s, a, k: 100 * (_order(s)[:, :k] == a[:, None]).any(axis=1).mean(), "a percentage"),
        (lambda s, a, k: print((_order(s)[:, :k] == a[:, None]).any(axis=1).mean()), "return"),
        (lambda s, a, k: (_order(s)[:, : min(k, 5)] == a[:, None]).any(axis=1).mean(), "In a test matrix"),
        (lambda s, a, k: (_order(s)[:, :3] == a[:, None]).any(axis=1).mean(), "In a test matrix"),
        (lambda s, a, k: (_order(s)[:, : k + 1] == a[:, None]).any(axis=1).mean(), "one document too many"),
        (lambda s, a, k: (_order(s)[:, : k - 1] == a[:, None]).any(axis=1).mean(), "one document too few"),
        (lambda s, a, k: (_order(s)[:, k - 1] == a).mean(), "at place k"),
        (lambda s, a, k: (_order(s)[:, :k] != a[:, None]).all(axis=1).mean(), "that fail"),
        (lambda s, a, k: (1 / (np.argmax(_order(s) == a[:, None], axis=1) + 1)).mean(), "1 / rank"),
        (lambda s, a, k: float((_order(s)[:, :k] == a[:, None]).any()), "any question's document"),
        (lambda s, a, k: (_order(s)[:, :k] == a[:, None]).any(axis=1), "one number"),
        (lambda s, a, k: (_order(s)[:, :k] == a[:, None]).any(axis=1).all(), "not a bool"),
        (lambda s, a, k: (_order(s)[:, :k] == a).any(axis=1).mean(), "stopped with"),
        (_recall_spoiling, "changes its argument `similarity` in place"),
    ],
    "q2": [
        (_interval(lambda a, b, g, n: _drawn(b - a, g, n)), "second − first"),
        (
            _interval(lambda a, b, g, n: _drawn(a, g, n) - _drawn(b, g, n)),
            "its own draw",
            "Pairing is missed: what makes a case hard for both models cancels only in the difference of that case.",
        ),
        (_interval(lambda a, b, g, n: _drawn(a - b, g, n), 5, 95), "90 % interval"),
        (_interval(lambda a, b, g, n: _drawn(a - b, g, n), 0.5, 99.5), "99 % interval"),
        (
            _interval(lambda a, b, g, n: _drawn(a - b, g, n), 16, 84),
            "one standard error",
            "One standard error is taken for an interval of 95 %; it is about half as wide.",
        ),
        (_interval(lambda a, b, g, n: _drawn(a, g, n)), "first model alone"),
        (
            _interval(lambda a, b, g, n: a - b),
            "single differences",
            "The spread of the cases is taken for the uncertainty of their mean.",
        ),
        (_interval(_without_replacement), "the interval should be about"),
        (_interval(_half), "half of the cases"),
        (_interval(_fewer), "how many cases a draw holds"),
        (_interval(_fewer), "the interval should be about"),
        (_interval(_without_replacement), "with replacement (one may come twice)"),
        (_interval(_over_the_draws), "Far too narrow"),
        (_interval(lambda a, b, g, n: _drawn(a - b, g, 2000)), "Is the number of draws used?"),
        (_interval(lambda a, b, g, n: _drawn((a - b)[:-1], g, n)), "each of them equally often"),
        (_formula, "Is the number of draws used?"),
        (lambda a, b, n=2000: [np.mean(a - b)] * 2, "Both ends are the same"),
        (lambda a, b, n=2000: np.mean(a - b), "(low, high)"),
        (lambda a, b, n=2000: _interval_of_pairs(a, b, n)[::-1], "lower end"),
        (lambda a, b: _interval_of_pairs(a, b), "Leave its first line as it was"),
    ],
    "q3": [
        (lambda table, max_ms, max_mib: table["quality"].idxmax(), "The limits are not used"),
        (_pick_ignoring("ms_per_text"), "The limit of speed is not used"),
        (_pick_ignoring("memory_mib"), "The limit of memory is not used"),
        (
            lambda table, max_ms, max_mib: table[table["ms_per_text"] <= max_ms]["quality"].max(),
            "a string, not a float",
        ),
        (lambda table, max_ms, max_mib: _fits(table, max_ms, max_mib)["quality"].argmax(), "a string, not an int"),
        (
            _pick_misplaced,
            "idxmax gives the name",
            "A position among the rows that are left is taken for one among all rows.",
        ),
        (_pick_strictly, "use <="),
        (lambda table, *limits: _pick_by_query(table.fillna(np.inf), *limits), "is missing (NaN)"),
        (
            _pick_with_gaps,
            "A value that is missing (NaN)",
            "Not known to be too slow is taken for fast enough; NaN > limit is false as well.",
        ),
        (_pick_the("quality"), "the worst of the models"),
        (_pick_the("ms_per_text"), "the fastest", "A limit is taken for the goal; within the limits quality decides."),
        (_pick_the("memory_mib"), "the smallest"),
        (lambda table, max_ms, max_mib: _pick_by_query(table, max_mib, max_ms), "turned round"),
        (lambda table, max_ms, max_mib: _pick_by_query(table, 20, max_mib), "the best model is"),
        (lambda table, max_ms, max_mib: _fits(table, max_ms, max_mib)["quality"].idxmax(), "ValueError"),
        (lambda table, max_ms, max_mib: _pick_by_query(table, max_ms, max_mib).replace("none", ""), "in the index"),
        (lambda table, *limits: _pick_by_query(table.round({"quality": 1}), *limits), "the best model is"),
        (lambda table, *limits: _pick_by_query(table.dropna(), *limits), "the best model is"),
        (lambda *args: print(_pick_by_query(*args)), "returns None. Does it end"),
        (lambda *args: _pick_by_query(*args).replace("none", "None"), "in small letters"),
        (lambda *args: None if (name := _pick_by_query(*args)) == "none" else name, "the word 'none'"),
        (_pick_with_a_new_column, "changes its argument `table` in place"),
    ],
    "q4": [
        (
            lambda encode, batches: np.median(_timings(encode, batches)),
            "warm up",
            "The first call is taken for one like the others; it also pays for loading.",
        ),
        (
            lambda encode, batches: np.mean(_timings(encode, batches)[1:]),
            "mean",
            "The mean is thought to be the fair summary; one pause of the machine decides it.",
        ),
        (lambda encode, batches: min(_timings(encode, batches)[1:]), "fastest"),
        (lambda encode, batches: max(_timings(encode, batches)[1:]), "slowest"),
        (lambda encode, batches: sum(_timings(encode, batches)[1:]), "all batches together"),
        (lambda encode, batches: _timings(encode, batches)[-1], "last batch"),
        (lambda encode, batches: 1000 * np.median(_timings(encode, batches)[1:]), "milliseconds"),
        (lambda encode, batches: np.median(_timings(encode, batches)[1:]) / len(batches[0]), "single text"),
        (lambda encode, batches: -np.median(_timings(encode, batches)[1:]), "sign"),
        (_timing_running_on, "runs on from batch to batch"),
        (
            _timing_of_work,
            "process_time()",
            "Computing is taken for waiting; who waits, waits by the clock on the wall.",
        ),
        (lambda encode, batches: sorted(ts := _timings(encode, batches)[1:])[len(ts) // 2], "the upper one"),
        (lambda encode, batches: statistics.median_high(_timings(encode, batches)[1:]), "the upper one"),
        (lambda encode, batches: statistics.median_low(_timings(encode, batches)[1:]), "the lower one"),
        (lambda encode, batches: np.mean(sorted(_timings(encode, batches)[1:])[1:-1]), "without the fastest and"),
        (lambda encode, batches: np.median(_timings(encode, batches)[1:][-5:]), "the last five times"),
        (lambda encode, batches: np.median(_timings(encode, batches)[1:6]), "the first five times"),
        (lambda encode, batches: np.median(_timings(encode, batches)[2:]), "the median is"),
        (_timing_the_last_first, "yours begins with another"),
        (_timing_with(lambda: time.time()), "time.time() jumps"),
        (_timing_with(lambda: time.time_ns() / 1e9), "time.time() jumps"),
        (_timing_rounded(6), "Do not round: you kept 6"),
        (_timing_rounded(3), "Do not round: you kept 3"),
        (_timing_rounded(1), "Do not round"),
        (lambda encode, batches: round(np.median(_timings(encode, batches)[1:]), 4), "Do not round: you kept 4"),
        (_timing_with_dates, "Nobody called time.perf_counter()"),
        (_timing_popping, "changes its argument `batches` in place"),
        (_timing_repeated, "more than once"),
        (lambda encode, batches: np.median(_timings(encode, batches[1:])), "never encoded, as it is. Warm up"),
        (lambda encode, batches: np.median(_timings(encode, batches[:-1])), "Not every batch"),
        (lambda encode, batches: np.median(_timings(encode, sum(batches, []))), "never encoded, as it is"),
        (lambda encode, batches: _timings(encode, batches)[1:], "one number"),
        (lambda encode, batches: 0.2, "never called"),
    ],
    "q5": [
        (lambda: ("My parcel is late, I want a refund.", "t01", "parcel"), "does not put t01 first"),
        (lambda: ("It blinks at me all day and all night. Why?", "t29", "all"), "not in trace t29"),
        (lambda: ("It blinks at me all day. Why?", "t29", "blink"), "not in your question"),
        (lambda: ("It blinks at me all day. Why?", "t29", ""), "Return one word"),
        (lambda: ("It blinks at me all day. Why?", "t29", "blinks at"), "Return one word"),
        (lambda: {"It blinks at me all day. Why?", "t29", "blinks"}, "a list of three strings"),
        (
            lambda: ("Does the ring blink amber when I hold the button?", "t29", "button"),
            "without the word",
            "A word is thought to decide because it stands out; the others find the trace without it.",
        ),
        (
            lambda: ("My order waits for weeks, when is the dispatch?", "t50", "dispatch"),
            "MiniLM puts t50 first, too",
            "A question that shares words is thought to be lost on the model; it reads these words as well.",
        ),
        (lambda: ("Do I need new firmware?", "t99", "firmware"), "no trace 't99'"),
        (lambda: ("Do I need new firmware?", "t29", "amber"), "not in your question"),
        (lambda: ("Do I need a new giraffe?", "t29", "giraffe"), "not in trace t29"),
        (lambda: "Do I need new firmware?", "three strings"),
        (lambda: ("firmware", "t29", "firmware"), "at least three words"),
        (lambda: ("blinks blinks blinks", "t29", "blinks"), "at least three words"),
        (lambda: ("My parcel hasn't shown up and it is a week overdue. blinks", "t29", "blinks"), "TF-IDF"),
        (lambda: ("order_lookup or refund_calculator or blinks", "t29", "blinks"), "without the names of tools"),
        (lambda: ("Xq zzv wop blinks?", "t29", "blinks"), "Could a customer ask that?"),
    ],
}

EQUIVALENT = {
    "q1": {
        "found = order[:, :k] == answer[:, None]": "the positions come as an array, where nothing else is said",
        "order = np.argsort(-similarity)": "the last axis is the default",
        "return abs(found.any(axis=1).mean())": "a share is never negative",
    },
    "q2": {
        "chance = np.random.default_rng()": "the draws may differ from run to run",
        "differences = first - np.asarray(second)": "both are arrays",
        "differences = np.asarray(first) - second": "both are arrays",
        "drawn = chance.integers(len(differences), size=(n_resamples, len(differences)))": "it begins at 0 anyway",
    },
    "q4": {"return abs(np.median(seconds))": "the clock never runs backwards"},
    "q5": {
        "return ('It blinks at me all day. Why', 't29', 'blinks')": "a mark at the end changes nothing",
        "return ('It blinks at me all day. Why? ', 't29', 'blinks')": "nor does a blank",
        "return ('It blinks at me all day. Why?', 't29', 'blinks ')": "nor does one behind the word",
    },
}
