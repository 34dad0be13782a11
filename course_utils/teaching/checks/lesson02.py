"""Checkers for lesson 2. Most try the student's function on made-up numbers; the last one asks the models."""

import re
import time
import timeit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np
import pandas as pd

from course_utils.teaching.checks.asserts import array, call, items, number, require, word
from course_utils.teaching.checks.compare import about, close


def check_recall_at_k(function) -> None:
    """A function of an (n, m) matrix, n positions and k."""
    generator = np.random.default_rng(4)
    values, cases, down = [], [], []
    for n, m, k in ((8, 6, 3), (12, 9, 1), (20, 7, 5), (5, 4, 4), (30, 30, 2), (25, 12, 8)):
        similarity, answer = generator.normal(size=(n, m)), generator.integers(0, m, size=n)
        own = similarity[np.arange(n), answer] + 0.8
        similarity[np.arange(n), answer] = own
        values.append(number(call(function, similarity, answer, k), "recall_at_k"))
        cases.append((n, k, (similarity > own[:, None]).sum(axis=1), m))
        down.append((np.argsort(-similarity, axis=0)[:, :k] == answer[:, None]).any(axis=1).mean())
    right = np.array([(rank < k).mean() for _, k, rank, _ in cases])
    mistakes = {
        message: np.array([mistake(*case) for case in cases], dtype=np.float64)
        for message, mistake in _MISCOUNTS.items()
    } | {"You sort down the columns, question against question. Sort each row: axis=1.": np.array(down)}
    off = int(np.argmax(np.abs(np.array(values) - right)))
    n, k, rank, _ = cases[off]
    close(
        np.array(values),
        right,
        mistakes,
        f"In a test matrix the right document is among the first {k} for {(rank < k).sum()} of {n} questions, so "
        f"recall@{k} is {right[off]:.3f}; your function says {values[off]:.3f}.",
    )


_MISCOUNTS: dict[str, Callable] = {  # of n questions, k, the ranks of the right documents from 0, m documents
    "That is a number of questions. Divide it by how many there are.": lambda n, k, rank, m: (rank < k).sum(),
    "That is a percentage. Return the share itself, from 0 to 1.": lambda n, k, rank, m: 100 * (rank < k).mean(),
    "You count the least similar documents. argsort puts the smallest value first.": (
        lambda n, k, rank, m: (rank >= m - k).mean()
    ),
    "Do not divide by k: each question has one right document, which is found or not.": (
        lambda n, k, rank, m: (rank < k).mean() / k
    ),
    "Do not divide by the number of documents: each question has one right document.": (
        lambda n, k, rank, m: (rank < k).mean() / m
    ),
    "That is the share of questions that fail. Count those whose right document is found.": (
        lambda n, k, rank, m: (rank >= k).mean()
    ),
    "k is not used: the first document alone counts.": lambda n, k, rank, m: (rank < 1).mean(),
    "That is one document too many.": lambda n, k, rank, m: (rank <= k).mean(),
    "That is one document too few.": lambda n, k, rank, m: (rank < k - 1).mean(),
    "Only the document at place k counts with you. Any of the first k will do.": (
        lambda n, k, rank, m: (rank == k - 1).mean()
    ),
    "That is the mean of 1 / rank. Here it counts only whether the document is found.": (
        lambda n, k, rank, m: (1 / (rank + 1)).mean()
    ),
    "You ask whether the documents of all questions are found. Ask each question on its own.": (
        lambda n, k, rank, m: rank.max() < k
    ),
    "You ask whether any question's document is found. Ask each question on its own, and take the share.": (
        lambda n, k, rank, m: rank.min() < k
    ),
}


def check_paired_interval(function) -> None:
    """A function of two arrays and the number of draws, which need not be given."""
    generator = np.random.default_rng(8)
    easy = generator.normal(0, 2, size=100)  # some cases are easy for both
    first, second = easy + generator.normal(0.3, 0.5, size=100), easy + generator.normal(0, 0.5, size=100)
    found = []
    for n_resamples in ((), (8_000,)):  # so many that the ends of a right answer hardly move
        low, high = _ends(call(function, first, second, *n_resamples))
        found.append((low, high))
        require(low <= high, "The first number should be the lower end.")
        require(
            high - low > 1e-9, "Both ends are the same. Were rows drawn at random, with replacement, and averaged anew?"
        )
    difference, spread = np.mean(first - second), np.std(first - second)
    error, alone = spread / 10, np.hypot(np.std(first), np.std(second)) / 10
    mistakes = {
        "That is the interval of second − first. We want first − second.": (-difference, 1.96 * error),
        "Too wide: each model got its own draw. Take the differences case by case first, then draw those.": (
            (difference, 1.96 * alone)
        ),
        "That is the range of the single differences. Average each draw, then look at the averages.": (
            (difference, 1.96 * spread)
        ),
        "That is a 90 % interval. Leave out 2.5 % on each side, not 5 %.": (difference, 1.645 * error),
        "That is a 99 % interval. Leave out 2.5 % on each side, not 0.5 %.": (difference, 2.576 * error),
        "As wide as if each draw held half of the cases: draw as many as there are, each time.": (
            (difference, 1.96 * 2**0.5 * error)
        ),
        "That is the mean plus and minus one standard error. Take the quantiles of the draws.": (difference, error),
        "That is the interval of the first model alone. Take the differences.": (first.mean(), np.std(first) * 0.196),
        "That is the interval of the second model alone. Take the differences.": (
            second.mean(),
            np.std(second) * 0.196,
        ),
    }
    narrow = (
        "Far too narrow. Take the mean of each draw, mean(axis=1), and of those the quantiles 0.025 and 0.975 (as "
        "percentiles: 2.5 and 97.5)."
    )
    require(high - low > error, narrow)
    off = {
        message: max(abs(low - middle + half), abs(high - middle - half)) / half
        for message, (middle, half) in mistakes.items()
    }
    ends = difference - 1.96 * error, difference + 1.96 * error
    right = max(abs(low - ends[0]), abs(high - ends[1]))
    nearest = min(off, key=lambda message: off[message])
    require(right < 0.15 * error or off[nearest] > 0.06, nearest)
    told = (
        f"On test data the interval should be about ({ends[0]:.3f}, {ends[1]:.3f}); yours is ({low:.3f}, {high:.3f}). "
        "Look at how many cases a draw holds, and how much is left out on each side."
    )
    require(right < 0.15 * error, told)
    few = np.abs(np.subtract(found[0], ends)).max()
    require(few < 0.42 * error, "With 8,000 draws it is right, without a third argument it is not: draw 2,000 then.")
    _check_few_cases(function)


def _check_few_cases(function) -> None:
    """Five cases, of which all 5 to the 5th draws are known."""
    differences = np.array([3.5, -1.5, -1.4, -3.6, 3.7])  # whose quantiles hardly move when one draws anew
    first = np.array([2.0, 9.0, 4.0, 7.0, 3.0])
    means = differences[np.indices((5,) * 5).reshape(5, -1)].mean(axis=0)
    low, high = _ends(call(function, first, first - differences, 8_000))
    ends = np.quantile(means, [0.025, 0.975])
    require(
        max(abs(low - ends[0]), abs(high - ends[1])) < 0.1 * means.std(),
        f"For five cases and 8,000 draws the interval should be about ({ends[0]:.2f}, {ends[1]:.2f}); yours is "
        f"({low:.2f}, {high:.2f}). Draw as many cases as there are, each of them equally often and with replacement "
        "(one may come twice), and leave out 2.5 % of the draws' means on each side.",
    )
    low, high = _ends(call(function, first, first - differences, 1))
    require(abs(high - low) < 1e-9, "With a single draw both ends are its mean. Is the number of draws used?")


def _ends(answer) -> tuple[float, float]:
    with about("Return two numbers, (low, high)."):
        low, high = array(answer, (2,), "paired_interval")
    return low, high


def check_pick(function) -> None:
    """A function of a table and two limits."""
    table = pd.DataFrame(
        {
            "quality": [0.95, 0.4, 0.8, 0.6, 0.92, 0.9, 0.97, 0.35, 0.82],
            "ms_per_text": [np.nan, 1.0, 10.0, 20.0, 5.0, 60.0, 300.0, 25.0, 12.0],
            "memory_mib": [100.0, 520.0, 600.0, 500.0, np.nan, 601.5, 2000.0, 700.0, 590.0],
            "model_mib": [np.nan] * 9,  # nobody asks for it
        },
        index=["untimed", "words", "middle", "small", "unweighed", "large", "huge", "old", "close"],
    )
    nothing = "If nothing is within the limits, return the word 'none'."
    limits = (
        (30, 1000),
        (60, 601.5),
        (59.5, 1000),
        (100, 601),
        (30, 550),
        (5, 530),
        (1000, 1000),
        (1000, 5000),
        (np.inf, 601.5),
        (1, 10),
    )
    cases = [(table.iloc[np.roll(np.arange(len(table)), i)], *limit) for i, limit in enumerate(limits)]
    cases.append((table.iloc[[3, 5]].rename({"small": "slow", "large": "slower"}), 10, 1000))
    rights = [_best(_within(*case)) for case in cases]
    hints = [nothing if right == "none" else "" for right in rights]
    answers = [word(call(function, *case, nothing=hint), "pick") for case, hint in zip(cases, hints, strict=True)]
    require("None" not in answers, "Return the word 'none' in small letters, as the text says.")
    for message, mistake in _MISPICKS.items():
        require(answers != [mistake(*case) for case in cases], message)
    for (each, *limit), right, answer in zip(cases, rights, answers, strict=True):
        require(answer == "none" or answer in each.index, f"{answer!r:.80} is not in the index of the table.")
        require(
            answer not in ("untimed", "unweighed"),
            f"One value of the model {answer!r} is missing (NaN): nobody knows whether it is within the limit.",
        )
        require(right != "none" or answer == "none", f"{nothing} Your function picks {answer!r}.")
        require(
            answer == "none" or answer in _within(each, *limit).index,
            f"With the limits {limit} your function picks {answer!r}, which is not within both.",
        )
        require(
            answer == right, f"With the limits {limit} the best model is {right!r}; your function picks {answer!r}."
        )


def _within(table: pd.DataFrame, max_ms: float, max_mib: float) -> pd.DataFrame:
    return table[(table["ms_per_text"] <= max_ms) & (table["memory_mib"] <= max_mib)]


def _best(fits: pd.DataFrame, column: str = "quality", sign: int = 1) -> str:
    return "none" if fits.empty else (sign * fits[column]).idxmax()


def _misplaced(table: pd.DataFrame, max_ms: float, max_mib: float) -> str:
    fits = _within(table, max_ms, max_mib)
    return "none" if fits.empty else table.index[fits["quality"].argmax()]


_MISPICKS: dict[str, Callable[[pd.DataFrame, float, float], str]] = {
    "The limits are not used: that is the best of all models.": lambda t, ms, mib: _best(t),
    "The limit of memory is not used.": lambda t, ms, mib: _best(t[t["ms_per_text"] <= ms]),
    "The limit of speed is not used.": lambda t, ms, mib: _best(t[t["memory_mib"] <= mib]),
    "A model must be within both limits; yours need only be within one of them.": (
        lambda t, ms, mib: _best(t[(t["ms_per_text"] <= ms) | (t["memory_mib"] <= mib)])
    ),
    "That is the worst of the models that fit. Take the highest quality.": (
        lambda t, ms, mib: _best(_within(t, ms, mib), sign=-1)
    ),
    "That is the fastest of the models that fit. Take the highest quality.": (
        lambda t, ms, mib: _best(_within(t, ms, mib), "ms_per_text", -1)
    ),
    "That is the smallest of the models that fit. Take the highest quality.": (
        lambda t, ms, mib: _best(_within(t, ms, mib), "memory_mib", -1)
    ),
    "That is the first of the models that fit. Take the one of the highest quality.": (
        lambda t, ms, mib: next(iter(_within(t, ms, mib).index), "none")
    ),
    "A model that takes exactly as much as the limit is still within it: use <=.": (
        lambda t, ms, mib: _best(_within(t, ms - 1e-9, mib - 1e-9))
    ),
    "A value that is missing (NaN) is not within a limit: ask for <= max_ms, not for the opposite of > max_ms.": (
        lambda t, ms, mib: _best(t[~(t["ms_per_text"] > ms) & ~(t["memory_mib"] > mib)])
    ),
    "argmax is a position among the rows that are left, and you look it up among all rows. idxmax gives the name.": (
        _misplaced
    ),
    "The limits are turned round: the first is that of milliseconds, the second that of memory.": (
        lambda t, ms, mib: _best(_within(t, mib, ms))
    ),
}


def check_fair_timing(function) -> None:
    """A function of ``encode`` and batches; the clocks are set by hand meanwhile."""
    for takes, size in _SECONDS:
        clock = [100.0, 0]  # seconds, and how often it was read
        seen: list[list[str]] = []
        batches = [[f"text {i} of batch {batch}" for i in range(size)] for batch in range(len(takes))]

        def encode(texts, takes=takes, clock=clock, seen=seen, batches=batches):
            loading = 0.0 if seen else 4.3217389  # whichever comes first
            seen.append(list(texts))
            clock[0] += loading + (takes[batches.index(seen[-1])] if seen[-1] in batches else 0.2)
            return np.ones((len(seen[-1]), 3))

        with clocks_set_by_hand(function, clock):
            value = number(call(function, encode, batches), "fair_timing")
        require(len(seen) > 0, "encode was never called.")
        require(
            all(batch not in seen[:i] for i, batch in enumerate(seen)),
            "A batch was encoded more than once. A cache may know it the second time.",
        )
        require(batches[0] in seen, "batches[0] was never encoded, as it is. Warm up with it.")
        require(
            all(batch in seen for batch in batches) and all(batch in batches for batch in seen),
            "Not every batch was passed to encode, as it is.",
        )
        require(seen[0] == batches[0], "Warm up with the first batch, batches[0]; yours begins with another.")
        require(clock[1] > 0, "Nobody called time.perf_counter(): read it before and after encode(batch).")
        right = np.median(takes[1:])
        close(
            value,
            right,
            _mistimed(takes[1:], takes[0] + 4.3217389, size),
            f"On a clock set by hand the {len(takes) - 1} batches take {', '.join(map(str, takes[1:]))} seconds, so "
            f"the median is {right:.7g}; your function says {value:.7g}.",
        )


_SECONDS = (  # of each batch, in an odd and an even number; and how many texts a batch has
    ([0.1437219, 0.3391738, 0.2548261, 9.0312483, 0.1072913, 0.2013147], 3),
    ([0.0412397, 0.7103128, 0.0143267, 0.4036179, 0.0327143], 2),
    ([0.1, 0.0097128, 0.0009123, 0.0051238, 0.00061827, 0.00021346, 0.00013726, 0.00083452, 0.00042194], 4),
)


def _mistimed(timed: list[float], first: float, size: int) -> dict[str, Any]:
    """What the usual mistakes give, from the seconds of the batches, of the warm-up, and the texts in a batch."""
    right, ordered = np.median(timed), np.sort(timed)
    rounded = {digits: np.median(np.round(timed, digits)) for digits in range(7)}
    mistakes = {
        "That is the mean: one disturbance spoils it. Take the median.": np.mean(timed),
        "That is the fastest of them. Take the median.": ordered[0],
        "That is the slowest of them. Take the median.": ordered[-1],
        "That is the mean without the fastest and the slowest. Take the median.": ordered[1:-1].mean(),
        "Of an even number of times the median is the mean of both in the middle; yours is the upper one.": (
            ordered[len(timed) // 2]
        ),
        "Of an even number of times the median is the mean of both in the middle; yours is the lower one.": (
            ordered[(len(timed) - 1) // 2]
        ),
        "That is the median of the last five times. Take all of them.": np.median(timed[-5:]),
        "That is the median of the first five times. Take all of them.": np.median(timed[:5]),
        "That is the time of all batches together. Take the median of each.": np.sum(timed),
        "The first batch is slow because everything is loaded then: warm up with it, do not time it.": (
            np.median([first, *timed])
        ),
        "That is the time of a single text. Return that of a batch.": right / size,
        "Return seconds, not milliseconds.": 1000 * right,
        "Start the clock anew for each batch: yours runs on from batch to batch.": np.median(np.cumsum(timed)),
        "That is the time of the last batch. Take the median of all.": timed[-1],
        "That is the time of the first batch after the warm-up. Take the median of all.": timed[0],
        "The sign is turned round: take the time after minus the time before.": -right,
        "time.process_time() stands still while the machine waits. Use time.perf_counter().": 0.4 * right,
        "time.time() jumps when the machine's clock is set. Use time.perf_counter().": 2.6 * right,
    }
    return mistakes | {f"Do not round: you kept {digits} digits.": value for digits, value in rounded.items()}


@contextmanager
def clocks_set_by_hand(function: Any, clock: list) -> Iterator[None]:
    """Set the clocks of the module ``time``, and those that the function's own module has imported by name.

    Examples
    --------
    >>> import time
    >>> from course_utils.teaching.checks.lesson02 import clocks_set_by_hand
    >>> with clocks_set_by_hand(lambda: None, [5.0, 0]):
    ...     time.perf_counter()
    5.0
    """

    def now() -> float:
        clock[1] += 1
        return clock[0]

    clocks = {
        id(time.perf_counter): now,
        id(time.monotonic): now,
        id(time.perf_counter_ns): lambda: round(now() * 1e9),
        id(time.process_time): lambda: now() * 0.4,  # which counts less than what passes
        id(time.time): lambda: now() * 2.6,  # which somebody sets meanwhile
        id(time.time_ns): lambda: round(now() * 2.6e9),
    }
    own = function.__globals__ if isinstance(function, FunctionType) else {}
    changed: list[tuple[dict[str, Any], str, Any]] = [
        (names, name, value)
        for names in (vars(time), vars(timeit), own)
        for name, value in list(names.items())
        if id(value) in clocks
    ]
    try:
        for names, name, value in changed:
            names[name] = clocks[id(value)]
        yield
    finally:
        for names, name, value in changed:
            names[name] = value


def check_my_query(function) -> None:
    """A function without arguments that returns a question, an id and a word."""
    answer = items(call(function), "my_query", "three strings: the question, the id of the trace, the word")
    require(
        len(answer) == 3 and all(isinstance(part, str) for part in answer),
        "Return three strings: the question, the id of the trace, the word.",
    )
    question, trace, rare = answer
    ids, texts, words, model, passages = _stores()
    require(trace in ids, f"There is no trace {trace!r:.80}. Ids look like {ids[0]!r}.")
    right = ids.index(trace)
    without = question.lower().replace(rare.lower().strip(), " ")
    for asked in (question.lower(), without):
        label = _labels().get(" ".join(_WORD.findall(asked)))
        require(label in (None, trace), f"That question is one of the lesson's, and its right trace is {label}.")
    asked = set(_WORD.findall(question.lower()))
    require(len(asked) >= 3, "A question of at least three words, please, as a person would ask it.")
    strange = sorted(asked - _plain_words())
    require(
        2 * len(strange) <= len(asked),
        f"Could a customer ask that? These are no words of the course's English texts: {', '.join(strange):.80}.",
    )
    require("_" not in question, "Write a question as a customer would, without the names of tools.")
    require(len(rare.split()) == 1, f"Return one word as the third string, not {rare!r:.80}.")
    whole = re.compile(rf"(?<!\w){re.escape(rare.strip())}(?!\w)", re.IGNORECASE)
    require(whole.search(question), f"The word {rare!r:.80} is not in your question.")
    require(whole.search(texts[right]), f"The word {rare!r:.80} is not in trace {trace}.")
    scores, left = words.encode([question, whole.sub(" ", question)]) @ words.encode(texts).T
    first = ids[int(scores.argmax())]
    require(scores.argmax() == right and scores.max() > 0, f"TF-IDF does not put {trace} first, but {first}.")
    require(
        left.argmax() != right or left.max() == 0,
        f"TF-IDF finds {trace} without the word {rare!r:.80} as well. Which word is it?",
    )
    meant = (model.encode([question], "query") @ passages.T)[0]
    require(meant.argmax() != right, f"MiniLM puts {trace} first, too. Ask for a rare word in another sentence.")


_WORD = re.compile(r"[^\W\d_]+")


@cache
def _plain_words() -> set[str]:
    """The words of the course's own support and board texts, and the small words that every text has."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    from course_utils.data import load_corpus

    board, asked = load_corpus("noticeboard")["message"], load_corpus("noticeboard_questions")["question"]
    return ENGLISH_STOP_WORDS.union(_WORD.findall(" ".join([*_stores()[1], *_labels(), *board, *asked]).lower()))


@cache
def _labels() -> dict[str, str]:
    """The lesson's own questions, in small letters, with the trace that is right."""
    from course_utils.data import load_corpus

    known = load_corpus("trace_questions")
    words = [" ".join(_WORD.findall(question)) for question in known["question"].str.lower()]
    return dict(zip(words, known["relevant"], strict=True))


@cache
def _stores() -> tuple[list[str], list[str], Any, Any, np.ndarray]:
    """Ids and texts of the traces, and both ways to search them; loaded once, because checks are repeated."""
    from course_utils.data import load_corpus
    from course_utils.measuring import Contender

    traces = load_corpus("traces")
    texts = (traces["pattern"] + " " + traces["approach"] + " Tools: " + traces["tools"]).tolist()
    words, model = Contender("TF-IDF", "tf-idf").load(), Contender("MiniLM").load()
    words.fit(texts)
    return traces["id"].tolist(), texts, words, model, model.encode(texts, "document")


EXERCISES = {
    "q1": (
        check_recall_at_k,
        (
            "np.argsort(-similarity, axis=1)[:, :k] holds the k most similar documents of each question.",
            "Compare those with np.asarray(answer)[:, None], ask .any(axis=1) for each question, and take the mean.",
        ),
        "Found or not, for each question, and then the share.",
    ),
    "q2": (
        check_paired_interval,
        (
            "Take first − second once, case by case. Then draw positions: n integers from 0 to n, many times.",
            "differences[drawn].mean(axis=1) is one mean a draw; np.quantile(…, [0.025, 0.975]) cuts off both ends.",
        ),
        "Differences first, then draws: what is hard for both models drops out.",
    ),
    "q3": (
        check_pick,
        (
            "Select the rows within both limits: table[(table['ms_per_text'] <= max_ms) & …]. NaN compares as False.",
            "Of what is left, ['quality'].idxmax() gives the name; first check .empty.",
        ),
        "The best of what fits, and an honest 'none'.",
    ),
    "q4": (
        check_fair_timing,
        (
            "Call encode(batches[0]) and forget the result. Then loop over batches[1:].",
            "Read time.perf_counter() before and after encode(batch), append the difference; np.median at the end.",
        ),
        "Warmed up, repeated, no text twice, and the median.",
    ),
    "q5": (
        check_my_query,
        (
            "TF-IDF gives most weight to a word that stands in one trace only. Read some approaches for a rare one.",
            "Ask for that word in a sentence in which little else tells what it is about.",
        ),
        "A rare word counts much in TF-IDF, and little in a vector that must hold everything else, too.",
    ),
}
