"""How long models take and how much memory, measured so that no cache answers and no single disturbance decides.

Timings hold for one machine and for texts of one length and batch size. How good a model is, is measured by
:mod:`~course_utils.measuring.benchmark`.
"""

import importlib
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from itertools import islice, product

import numpy as np
import pandas as pd

from course_utils.measuring.benchmark import Contender, Encoder, models_let_go, with_different_names
from course_utils.measuring.intervals import Interval, difference_interval
from course_utils.progress import progress_bar


def cut_pieces(texts: Iterable[str], words: int, n: int) -> list[str]:
    """Cut a corpus into different pieces of one length, to time a model at that length.

    Parameters
    ----------
    texts : iterable of str
        The corpus, which is read as one long row of words.
    words : int
        Words a piece.
    n : int
        Pieces.

    Returns
    -------
    list of n str
        The first pieces, each once.

    Raises
    ------
    ValueError
        If the corpus is too small for that.

    Examples
    --------
    >>> from course_utils.measuring import timing
    >>> timing.cut_pieces(["one two three four five", "six seven"], words=2, n=3)
    ['one two', 'three four', 'five six']
    """
    corpus = [word for text in texts for word in text.split()]
    starts = range(0, len(corpus) - words + 1, words)
    pieces = list(dict.fromkeys(" ".join(corpus[start : start + words]) for start in starts))
    if len(pieces) < n:
        raise ValueError(f"n={n} pieces of {words} words need a larger corpus: texts give {len(pieces)}.")
    return pieces[:n]


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch calculate on one core meanwhile.

    Several threads wait for the slowest of them at every step: on an idle machine that is quicker, but next to any
    other program the same call can take several times as long (``benchmarks/README.md``). On one core a busy machine
    costs what it takes away.

    Examples
    --------
    >>> import torch
    >>> from course_utils.measuring import timing
    >>> with timing.one_thread():
    ...     torch.get_num_threads()
    1
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@one_thread()
def time_calls(
    encode: Callable[[list[str]], object], texts: Sequence[str], *, batch_size: int, n_repeats: int
) -> np.ndarray:
    """Time a function on texts it has not seen before, on one core (:func:`one_thread`).

    Parameters
    ----------
    encode : callable
        Called with ``batch_size`` texts at a time.
    texts : sequence of str
        All different; each repeat gets its own share of them.
    batch_size : int
        Texts a call.
    n_repeats : int
        How often to time a share.

    Returns
    -------
    ndarray of float64, shape (n_repeats,)
        Seconds of each repeat.

    Raises
    ------
    ValueError
        If a text comes twice (some cache would answer), or there are fewer texts than repeats.

    Examples
    --------
    >>> from course_utils.measuring import timing
    >>> seconds = timing.time_calls(sorted, ["a", "b", "c", "d"], batch_size=2, n_repeats=2)
    >>> seconds.shape, bool((seconds >= 0).all())
    ((2,), True)
    """
    texts = list(texts)
    if len(set(texts)) < len(texts):
        raise ValueError("texts: some come twice. A cache may know them, so time with different texts.")
    share = len(texts) // n_repeats
    if share == 0:
        raise ValueError(f"texts: {len(texts)} are not enough for {n_repeats} repeats.")
    seconds = []
    for first in range(0, share * n_repeats, share):
        new_texts = texts[first : first + share]
        start = time.perf_counter()
        for position in range(0, share, batch_size):
            encode(new_texts[position : position + batch_size])
        seconds.append(time.perf_counter() - start)
    return np.array(seconds)


@models_let_go()
@one_thread()
def measure_speed(
    contenders: Iterable[Contender],
    texts: Iterable[str],
    *,
    words: Sequence[int] = (8, 32, 128),
    batch_sizes: Sequence[int] = (1, 32),
    n_texts: int = 32,
    n_repeats: int = 5,
) -> pd.DataFrame:
    """Time contenders on one core at several lengths and batch sizes, with every cache bypassed.

    All models are loaded anew. For each length and batch size comes a round to warm up, then ``n_repeats`` rounds. In
    each round every model gets the same ``n_texts`` texts, which it has not seen before: models take turns, every other
    round from last to first, so that whatever else the machine does in between disturbs all of them alike, and one that
    gets warm or slow favours none. How much faster one is than another, see :func:`speed_ratio`.

    Parameters
    ----------
    contenders : iterable of Contender
        Whom to time.
    texts : iterable of str
        A corpus, cut into pieces of ``words`` words.
    words : sequence of int
        Lengths of a text.
    batch_sizes : sequence of int
        Texts a call, at most ``n_texts`` (1 is somebody who waits for one answer).
    n_texts : int
        Texts a round.
    n_repeats : int
        Rounds that count; 12 or more for :func:`speed_ratio`.

    Returns
    -------
    DataFrame
        One row a model, length and batch size: ``model``, ``words``, ``batch_size``, ``ms_per_text`` (median of the
        repeats), ``q1`` and ``q3`` (their quartiles), ``first_ms`` (the first call after loading, with one text of the
        first length), ``rounds`` (ms per text of each repeat: an array) and ``why`` (of a model that cannot be had: its
        only value).

    Raises
    ------
    ValueError
        If a batch is larger than a round, two contenders have one name, or the corpus is too small.

    Examples
    --------
    >>> from course_utils.measuring import Contender, timing
    >>> corpus = [" ".join(str(number) for number in range(100))]
    >>> speed = timing.measure_speed([Contender("floor", "random")], corpus, words=[4], batch_sizes=[1, 2], n_texts=2)
    >>> speed[["model", "words", "batch_size"]]
       model  words  batch_size
    0  floor      4           1
    1  floor      4           2
    """
    if max(batch_sizes) > n_texts:
        raise ValueError(f"batch_sizes={batch_sizes}: no call can have more than n_texts={n_texts} texts.")
    texts, n_rounds = list(texts), n_repeats + 1  # the first round is to warm up
    n_pieces = n_texts * n_rounds * len(batch_sizes) + 1
    pieces = {length: iter(cut_pieces(texts, length, n_pieces)) for length in words}
    first_text = next(pieces[words[0]])
    started = [_start(contender, texts, first_text) for contender in with_different_names(contenders)]
    encoders = {facts["model"]: encoder.encode for encoder, facts in started if encoder is not None}
    settings, timed = list(product(words, batch_sizes)), []
    for length, size in progress_bar(iterable=settings, total=len(settings), desc="Timing", unit="setting"):
        rounds = np.empty((n_rounds, len(encoders)))
        for i in range(n_rounds):
            sample = list(islice(pieces[length], n_texts))
            for j, encode in list(enumerate(encoders.values()))[:: (-1) ** i]:
                rounds[i, j] = time_calls(encode, sample, batch_size=size, n_repeats=1)[0] * 1000 / n_texts
        quartiles = np.quantile(rounds[1:], [0.25, 0.5, 0.75], axis=0)
        table = pd.DataFrame(quartiles.T, columns=["q1", "ms_per_text", "q3"])
        timed.append(table.assign(model=list(encoders), words=length, batch_size=size, rounds=list(rounds[1:].T)))
    table = pd.DataFrame([facts for _, facts in started]).merge(pd.concat(timed), on="model", how="left")
    return table[["model", "words", "batch_size", "ms_per_text", "q1", "q3", "first_ms", "rounds", "why"]]


def speed_ratio(
    speed: pd.DataFrame, slower: str, faster: str, *, words: int | None = None, batch_size: int | None = None
) -> Interval:
    """How many times as long one model takes as another, paired by rounds: 1 where they take the same time.

    The mean of the logarithms of each round's ratio has the interval of
    :func:`~course_utils.measuring.difference_interval`. What disturbs whole rounds drops out, what strikes one model
    widens the interval. It holds for one core of this machine. Where rounds of one take dozens of times as long,
    disturbances shorter than they are strike it more often; time on a quiet machine then.

    Parameters
    ----------
    speed : DataFrame
        The table of :func:`measure_speed`.
    slower, faster : str
        Names of two contenders, in either order.
    words, batch_size : int, optional
        Which of the settings, where there are several.

    Returns
    -------
    Interval
        Of the ratio, above 0. A sign has no meaning here: ask whether it holds 1. With fewer than 12 rounds it is
        endless, and says that they are too few.

    Raises
    ------
    ValueError
        If one of the two was not timed in this setting, or the setting is not clear.

    Examples
    --------
    >>> import pandas as pd
    >>> from course_utils.measuring import timing
    >>> rounds = [[3.1, 2.9] * 6, [1.0] * 12]
    >>> speed = pd.DataFrame({"model": ["A", "B"], "words": 8, "batch_size": 1, "rounds": rounds})
    >>> print(timing.speed_ratio(speed, "A", "B"))
    3.00 (95% interval 2.94 to 3.06)
    """
    rows = speed.dropna(subset="rounds")
    for column, wanted in (("words", words), ("batch_size", batch_size)):
        rows = rows[rows[column] == (wanted or rows[column])]
    found = [rows.loc[rows["model"] == model, "rounds"] for model in (slower, faster)]
    if [len(each) for each in found] != [1, 1]:
        there = rows[["model", "words", "batch_size"]].to_string(index=False)
        raise ValueError(f"{slower} and {faster} need one setting of words= and batch_size= each. There is:\n{there}")
    gap = difference_interval(*(np.log(each.iloc[0]) for each in found))
    return replace(gap, estimate=math.exp(gap.estimate), low=math.exp(gap.low), high=math.exp(gap.high))


def _start(contender: Contender, texts: list[str], first_text: str) -> tuple[Encoder | None, dict]:
    """Load a contender anew, and let it encode one text: with how long that took."""
    encoder, why = contender.try_load(cache=False)
    facts = {"model": contender.name, "first_ms": np.nan, "why": why}
    if encoder is not None:
        encoder.fit(texts)
        facts["first_ms"] = time_calls(encoder.encode, [first_text], batch_size=1, n_repeats=1)[0] * 1000
    return encoder, facts


def measure_memory(contenders: Iterable[Contender], texts: Iterable[str]) -> pd.DataFrame:
    """Measure what each contender adds to the memory of a process, and how long it takes to load, in fresh processes.

    A new Python that has loaded NumPy and pandas notes its resident memory, loads the contender with every library it
    needs, embeds ``texts``, and notes it again. So the libraries count (they are most of a small model); memory that
    two processes could share counts as well. A second one, which has imported the same libraries before, tells what the
    contender adds where they are in use anyway.

    Parameters
    ----------
    contenders : iterable of Contender
        Whom to measure.
    texts : iterable of str
        What they embed.

    Returns
    -------
    DataFrame
        One row a model: ``model``, ``memory_mib`` (2^20 bytes, libraries included), ``model_mib`` (without),
        ``load_s`` (until it can embed, libraries included) and ``why`` (of a model that cannot be had).

    Raises
    ------
    RuntimeError
        If a process ends in an error; the message has its last words.

    Examples
    --------
    >>> from course_utils.measuring import Contender, timing
    >>> memory = timing.measure_memory([Contender("floor", "random")], ["a cat"])
    >>> list(memory.columns), bool(memory["memory_mib"][0] < 30)
    (['model', 'memory_mib', 'model_mib', 'load_s', 'why'], True)
    """
    contenders, texts, rows = list(contenders), list(texts), []
    for contender in progress_bar(iterable=contenders, total=len(contenders), desc="Measuring memory", unit="model"):
        row = {"model": contender.name, "memory_mib": np.nan, "model_mib": np.nan, "load_s": np.nan}
        added, seconds, row["why"], modules = _in_fresh_process(contender, texts, [])
        if not row["why"]:
            row |= {"memory_mib": added / 2**20, "load_s": seconds}
            # a part of the other: what is above it is the noise between two processes
            row["model_mib"] = min(added, _in_fresh_process(contender, texts, modules)[0]) / 2**20
        rows.append(row)
    return pd.DataFrame(rows)


def _in_fresh_process(contender: Contender, texts: list[str], modules: list[str]) -> tuple:
    # not multiprocessing: it imports the notebook's own namespace, which a student may have wiped
    command = [sys.executable, "-c", "from course_utils.measuring import timing; timing._report_own_growth()"]
    given = json.dumps([asdict(contender), texts, modules], default=str)
    done = subprocess.run(command, input=given, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        raise RuntimeError(f"The process that loads {contender.name} ended badly: {done.stderr[-2000:]}")
    return tuple(json.loads(done.stdout.splitlines()[-1]))


def _report_own_growth() -> None:
    """The work of a child process: read a contender, texts and what to import first; print what the contender added.

    Bytes, seconds to load, why it cannot be had, and which modules it brought.
    """
    import psutil

    contender, texts, modules = json.load(sys.stdin)
    for module in modules:
        with suppress(Exception):  # some are made by others, and cannot be imported by name
            importlib.import_module(module)
    known, start, before = set(sys.modules), time.perf_counter(), psutil.Process().memory_info().rss
    encoder, why = Contender(**contender).try_load(cache=False)
    if encoder is not None:
        encoder.fit(texts)
    seconds = time.perf_counter() - start
    if encoder is not None:
        encoder.encode(texts)
    added = psutil.Process().memory_info().rss - before
    print(json.dumps([added, seconds, why, sorted(sys.modules.keys() - known)]))
