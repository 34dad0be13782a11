"""Lesson 2's exercises: right answers written differently, and plausible wrong ones with what they should hear."""

import time

import numpy as np


def _recall_by_rank(similarity, answer, k):
    right = similarity[np.arange(len(answer)), answer]
    return float(np.mean([(row > own).sum() < k for row, own in zip(similarity, right, strict=True)]))


def _recall_by_loop(similarity, answer, k):
    found = 0
    for row, right in zip(similarity, answer, strict=True):
        found += right in sorted(range(len(row)), key=lambda column: -row[column])[:k]
    return found / len(answer)


def _interval_with_choice(first, second, n_resamples=2000):
    generator = np.random.default_rng()
    differences = np.subtract(first, second)
    means = [generator.choice(differences, size=len(differences)).mean() for _ in range(n_resamples)]
    return np.percentile(means, 2.5), np.percentile(means, 97.5)


def _interval_of_pairs(first, second):
    generator = np.random.default_rng(5)
    drawn = generator.integers(0, len(first), size=(4000, len(first)))
    means = np.sort(first[drawn].mean(axis=1) - second[drawn].mean(axis=1))
    return [means[100], means[3899]]


def _interval(make, low=2.5, high=97.5):
    return lambda first, second: np.percentile(make(first, second, np.random.default_rng(2)), [low, high])


def _drawn(values, generator):
    return values[generator.integers(0, len(values), size=(2000, len(values)))].mean(axis=1)


def _pick_by_sorting(table, max_ms, max_mib):
    for name, row in table.sort_values("quality", ascending=False).iterrows():
        if row["ms_per_text"] <= max_ms and row["memory_mib"] <= max_mib:
            return name
    return "none"


def _pick_by_query(table, max_ms, max_mib):
    left = table.query("ms_per_text <= @max_ms and memory_mib <= @max_mib")
    return left.nlargest(1, "quality").index[0] if len(left) else "none"


def _pick_ignoring(column):
    def pick(table, max_ms, max_mib):
        limits = {"ms_per_text": max_ms, "memory_mib": max_mib}
        del limits[column]
        ((other, limit),) = limits.items()
        return table[table[other] <= limit]["quality"].idxmax()

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
    return sorted(_timings(encode, others))[len(others) // 2]


def _timing_repeated(encode, batches):
    encode(batches[0])
    return np.median([_timings(encode, [batches[1]])[0] for _ in range(5)])


RIGHT = {
    "q1": [_recall_by_rank, _recall_by_loop],
    "q2": [_interval_with_choice, _interval_of_pairs],
    "q3": [_pick_by_sorting, _pick_by_query],
    "q4": [_timing_with_statistics, _timing_sorted],
    "q5": [
        lambda: ("What do you do for loyal customers?", "t23", "customers"),
        lambda: ["Do I need new firmware?", "t29", "Firmware"],
    ],
}

WRONG = {
    "q1": [
        (lambda s, a, k: (np.argsort(-s, axis=1)[:, :k] == a[:, None]).any(axis=1).sum(), "number of questions"),
        (lambda s, a, k: (np.argsort(s, axis=1)[:, :k] == a[:, None]).any(axis=1).mean(), "least similar"),
        (lambda s, a, k: (np.argsort(-s, axis=1)[:, :k] == a[:, None]).mean(), "Do not divide by k"),
        (lambda s, a, k: (np.argsort(-s, axis=1)[:, 0] == a).mean(), "among the first 3"),
        (lambda s, a, k: (np.argsort(-s, axis=1)[:, : k + 1] == a[:, None]).any(axis=1).mean(), "among the first 1"),
        (lambda s, a, k: (np.argsort(-s, axis=1)[:, :k] == a[:, None]).any(axis=1), "one number"),
    ],
    "q2": [
        (_interval(lambda a, b, g: _drawn(b - a, g)), "second − first"),
        (_interval(lambda a, b, g: _drawn(a, g) - _drawn(b, g)), "its own draw"),
        (_interval(lambda a, b, g: _drawn(a - b, g), 5, 95), "90 % interval"),
        (_interval(lambda a, b, g: a - b), "single differences"),
        (lambda a, b: [np.mean(a - b)] * 2, "Both ends are the same"),
        (lambda a, b: np.mean(a - b), "(low, high)"),
        (lambda a, b: _interval_of_pairs(a, b)[::-1], "lower end"),
    ],
    "q3": [
        (lambda table, max_ms, max_mib: table["quality"].idxmax(), "Nobody knows"),
        (_pick_ignoring("ms_per_text"), "Nobody knows"),
        (_pick_ignoring("memory_mib"), "not within both"),
        (lambda table, max_ms, max_mib: table[table["ms_per_text"] <= max_ms]["quality"].max(), "the name of a model"),
        (
            lambda table, max_ms, max_mib: _pick_by_query(table.sort_values("memory_mib"), 5, max_mib),
            "the best model is",
        ),
        (lambda table, max_ms, max_mib: _pick_by_query(table, max_ms, max_mib).replace("none", ""), "the word 'none'"),
    ],
    "q4": [
        (lambda encode, batches: np.median(_timings(encode, batches)), "warm up"),
        (lambda encode, batches: np.mean(_timings(encode, batches)[1:]), "mean"),
        (lambda encode, batches: min(_timings(encode, batches)[1:]), "fastest"),
        (lambda encode, batches: sum(_timings(encode, batches)[1:]), "all batches together"),
        (_timing_repeated, "more than once"),
        (lambda encode, batches: np.median(_timings(encode, batches[1:])), "Not every batch"),
        (lambda encode, batches: 0.2, "never called"),
    ],
    "q5": [
        (lambda: ("My parcel is late, I want a refund.", "t01", "parcel"), "does not put t01 first"),
        (lambda: ("It blinks at me all day and all night. Why?", "t29", "all"), "not in trace t29"),
        (lambda: ("Does the ring blink amber when I hold the button?", "t29", "button"), "without the word"),
        (lambda: ("My order waits for weeks, when is the dispatch?", "t50", "dispatch"), "MiniLM puts t50 first, too"),
        (lambda: ("Do I need new firmware?", "t99", "firmware"), "no trace 't99'"),
        (lambda: ("Do I need new firmware?", "t29", "amber"), "not in your question"),
        (lambda: ("Do I need a new giraffe?", "t29", "giraffe"), "not in trace t29"),
        (lambda: "Do I need new firmware?", "three strings"),
        (lambda: ("firmware", "t29", "firmware"), "at least three words"),
    ],
}
