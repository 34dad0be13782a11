"""Checkers for lesson 2. Most try the student's function on made-up numbers; the last one asks the models."""

from unittest import mock

import numpy as np
import pandas as pd

from course_utils.teaching.checks.asserts import call, number, require


def check_recall_at_k(function) -> None:
    """A function of an (n, m) matrix, n positions and k."""
    ranks = [1, 1, 2, 2, 3, 5, 6, 6]  # of the right documents
    generator = np.random.default_rng(4)
    similarity, answer = np.empty((8, 6)), generator.integers(0, 6, size=8)
    for row, (rank, right) in enumerate(zip(ranks, answer, strict=True)):
        order = [column for column in generator.permutation(6) if column != right]
        order.insert(rank - 1, right)
        similarity[row, order] = [0.9, 0.7, 0.4, 0.2, 0.0, -0.3]
    for k, share in ((1, 2 / 8), (3, 5 / 8), (5, 6 / 8)):
        value = number(call(function, similarity.copy(), answer.copy(), k), "recall_at_k")
        require(abs(value - 8 * share) > 1e-9, "That is a number of questions. Divide it by how many there are.")
        upside_down = sum(rank > 6 - k for rank in ranks) / 8
        require(
            abs(value - upside_down) > 1e-9 or abs(value - share) < 1e-9,
            "You count the least similar documents. argsort puts the smallest value first.",
        )
        require(
            abs(value - share / k) > 1e-9 or k == 1,
            "Do not divide by k: each question has one right document, which is found or not.",
        )
        require(
            abs(value - share) < 1e-9,
            f"In a test matrix the right document is among the first {k} for {8 * share:.0f} of 8 questions, so "
            f"recall@{k} is {share:.3f}; your function says {value:.3f}.",
        )


def check_paired_interval(function) -> None:
    """A function of two arrays, which may also take the number of draws."""
    generator = np.random.default_rng(8)
    easy = generator.normal(0, 2, size=400)  # some cases are easy for both
    first, second = easy + generator.normal(0.3, 0.5, size=400), easy + generator.normal(0, 0.5, size=400)
    result = np.asarray(call(function, first.copy(), second.copy()), dtype=np.float64)
    require(result.shape == (2,), f"paired_interval should return (low, high), not something of shape {result.shape}.")
    low, high = result
    require(low <= high, "The first number should be the lower end.")
    difference, error = np.mean(first - second), np.std(first - second) / 20
    require(high > low, "Both ends are the same. Were rows drawn at random, with replacement, and averaged anew?")
    middle, width = (low + high) / 2, high - low
    require(abs(middle + difference) > 4 * error, "That is the interval of second − first. We want first − second.")
    alone = np.hypot(np.std(first), np.std(second)) / 20
    require(
        abs(width - 3.92 * alone) > 0.15 * 3.92 * alone,
        "Too wide: each model got its own draw. Take the differences case by case first, then draw those.",
    )
    require(
        width < 0.3 * np.std(first - second) * 3.92,
        "That is the range of the single differences. Average each draw, then look at the averages.",
    )
    require(
        abs(width - 3.29 * error) > 0.06 * 3.92 * error,
        "That is a 90 % interval. Leave out 2.5 % on each side, not 5 %.",
    )
    require(
        abs(width - 3.92 * error) < 0.1 * 3.92 * error,
        f"On test data the interval should be about {3.92 * error:.3f} wide; yours is {width:.3f} wide.",
    )
    require(abs(middle - difference) < 0.5 * error, "The interval does not lie around the mean difference.")


def check_pick(function) -> None:
    """A function of a table and two limits."""
    table = pd.DataFrame(
        {
            "quality": [0.4, 0.6, 0.8, 0.9, 0.95],
            "ms_per_text": [1.0, 20.0, 10.0, 60.0, np.nan],
            "memory_mib": [80.0, 500.0, 600.0, 600.0, 100.0],
        },
        index=["words", "small", "middle", "large", "unmeasured"],
    )
    for limits, right in (((30, 1000), "middle"), ((100, 1000), "large"), ((30, 550), "small"), ((5, 100), "words")):
        answer = call(function, table.copy(), *limits)
        require(isinstance(answer, str), f"pick should return the name of a model, not {type(answer).__name__}.")
        require(answer != "unmeasured", "Nobody knows how fast the model 'unmeasured' is, so it is not within a limit.")
        require(answer in table.index, f"{answer!r} is not in the index of the table.")
        within = table.loc[answer, "ms_per_text"] <= limits[0] and table.loc[answer, "memory_mib"] <= limits[1]
        require(within, f"With the limits {limits} your function picks {answer!r}, which is not within both.")
        require(
            answer == right, f"With the limits {limits} the best model is {right!r}; your function picks {answer!r}."
        )
    answer = function(table.copy(), 1, 10)
    require(answer is None or isinstance(answer, str), "If nothing is within the limits, return the word 'none'.")
    require(answer == "none", f"If nothing is within the limits, return the word 'none', not {answer!r}.")


def check_fair_timing(function) -> None:
    """A function of ``encode`` and batches; the clocks of the module ``time`` are set by hand meanwhile."""
    takes = [3.0, 0.2, 0.1, 9.0, 0.3, 0.2]  # seconds: a slow start, and a disturbance in the middle
    clock = [100.0]
    seen: list[tuple[str, ...]] = []

    def now() -> float:
        return clock[0]

    def encode(texts):
        clock[0] += takes[len(seen)] if len(seen) < len(takes) else 0.2
        seen.append(tuple(texts))

    batches = [[f"text {i}", f"other text {i}"] for i in range(len(takes))]
    with mock.patch.multiple("time", perf_counter=now, time=now, monotonic=now, process_time=now):
        value = number(call(function, encode, [list(batch) for batch in batches]), "fair_timing")
    require(len(seen) > 0, "encode was never called.")
    require(len(set(seen)) == len(seen), "A batch was encoded more than once. A cache may know it the second time.")
    require(set(seen) == {tuple(batch) for batch in batches}, "Not every batch was passed to encode, as it is.")
    median, timed = 0.2, takes[1:]
    require(abs(value - np.mean(timed)) > 1e-6, "That is the mean: one disturbance spoils it. Take the median.")
    require(abs(value - np.min(timed)) > 1e-6, "That is the fastest of them. Take the median.")
    require(abs(value - np.sum(timed)) > 1e-6, "That is the time of all batches together. Take the median of each.")
    require(abs(value - np.median(takes)) > 1e-6, "The first batch counts, too. It is there to warm up: leave it out.")
    require(
        abs(value - median) < 1e-6,
        f"With calls of {timed} seconds after the warm-up the median is {median}; your function says {value:.4g}. "
        "Is time.perf_counter() read right before and right after each call?",
    )


def check_my_query(function) -> None:
    """A function without arguments that returns a question, an id and a word."""
    from course_utils.data import load_corpus
    from course_utils.measuring import Contender

    answer = call(function)
    require(
        isinstance(answer, (tuple, list)) and len(answer) == 3 and all(isinstance(part, str) for part in answer),
        "Return three strings: the question, the id of the trace, the word.",
    )
    question, trace, word = answer
    traces = load_corpus("traces")
    require(trace in set(traces["id"]), f"There is no trace {trace!r}. Ids look like {traces['id'].iloc[0]!r}.")
    texts = (traces["pattern"] + " " + traces["approach"] + " Tools: " + traces["tools"]).tolist()
    right = traces["id"].tolist().index(trace)
    require(len(question.split()) >= 3, "A question of at least three words, please, as a person would ask it.")
    require(word.lower() in question.lower(), f"The word {word!r} is not in your question.")
    require(word.lower() in texts[right].lower(), f"The word {word!r} is not in trace {trace}.")
    words = Contender("TF-IDF", "tf-idf").load()
    words.fit(texts)
    without = " ".join(part for part in question.split() if word.lower() not in part.lower())
    scores, left = words.encode([question, without]) @ words.encode(texts).T
    first = traces["id"].iloc[int(scores.argmax())]
    require(scores.argmax() == right and scores.max() > 0, f"TF-IDF does not put {trace} first, but {first}.")
    require(
        left.argmax() != right or left.max() == 0,
        f"TF-IDF finds {trace} without the word {word!r} as well. Which word is it?",
    )
    model = Contender("MiniLM").load()
    meant = (model.encode([question], "query") @ model.encode(texts, "document").T)[0]
    require(meant.argmax() != right, f"MiniLM puts {trace} first, too. Ask for something that has a name or a code.")


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
            "Embeddings are weak at names and codes. Which word stands in one trace only? Look at traces['tools'].",
            "Ask for that word in a sentence that otherwise has nothing to do with the trace.",
        ),
        "A rare word counts much in TF-IDF, and little in a vector that must hold everything else, too.",
    ),
}
