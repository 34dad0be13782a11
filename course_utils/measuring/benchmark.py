"""Models side by side on your own texts: how good, and how sure of each difference.

A :class:`Contender` says how a model is had, a task (:class:`Similarity`, :class:`Retrieval`, :class:`Classification`)
what it is asked. :func:`evaluate` keeps one row for each single case, because only cases tell whether a difference
between two models is more than chance (:func:`summarize`, :func:`difference`). How fast and how large models are is
measured by :mod:`~course_utils.measuring.timing`.
"""

import gc
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from course_utils.embedding import DEFAULT_MODEL, ModelUnavailableError, UnknownModelError, load_embedder, variants
from course_utils.measuring import intervals, metrics
from course_utils.measuring.baselines import bm25_weights, random_vectors, word_weights
from course_utils.measuring.intervals import Interval, difference_interval, mean_interval, spearman_interval


class Encoder(NamedTuple):
    """A loaded contender.

    Attributes
    ----------
    encode : callable
        Takes a sequence of n texts and a side (``"query"``, ``"document"``, or by default ``""`` for texts that are
        neither); returns a float array of shape (n, dim) with rows of length 1 (or 0: a text without a known word), of
        ``"bm25"`` with longer ones for the first two. The dot product of a query and a document is their score.
    fit : callable
        Takes texts, from which a baseline learns its word weights; a model stays as it is.

    Examples
    --------
    >>> from course_utils.measuring import Contender
    >>> encoder = Contender("words", "tf-idf").load()
    >>> vectorizer = encoder.fit(["red apple", "green pear"])
    >>> encoder.encode(["a red pear"]).shape
    (1, 4)
    """

    encode: Callable[..., np.ndarray]
    fit: Callable[[Sequence[str]], object] = lambda texts: None


@dataclass(frozen=True)
class Contender:
    """A model as it takes part in a comparison.

    Attributes
    ----------
    name : str
        What it is called in tables and figures.
    model : str or Path, default ``DEFAULT_MODEL``
        Whatever :func:`~course_utils.embedding.load_embedder` takes, or one of three baselines: ``"random"`` (a
        random vector for each text, the floor), ``"tf-idf"`` and ``"bm25"`` (weighted word counts, whose weights are
        learned from the texts of the task, without any labels).
    truncate_dim, max_length : int, optional
        As for :meth:`~course_utils.embedding.Embedder.encode`; ``max_length`` applies to models that have a limit,
        where it is below their own.
    dtype : str, default "float32"
        As for ``load_embedder``.
    n_layers : int, optional
        Keep only the first so many layers (see :func:`~course_utils.embedding.keep_layers`).
    int8 : bool, default False
        Store the weights in 8 bits (see :func:`~course_utils.embedding.quantize`).
    untrained : bool, default False
        Draw the weights at random (see :func:`~course_utils.embedding.randomize`).
    download : bool, default True
        As for ``load_embedder``.

    Examples
    --------
    >>> from course_utils.measuring import Contender
    >>> Contender("the floor", "random").load().encode(["a cat", "a dog"]).shape
    (2, 384)
    """

    name: str
    model: str | Path = DEFAULT_MODEL
    truncate_dim: int | None = None
    max_length: int | None = None
    dtype: str = "float32"
    n_layers: int | None = None
    int8: bool = False
    untrained: bool = False
    download: bool = True

    def load(self, *, cache: bool = True) -> Encoder:
        """Load it; errors as for :func:`~course_utils.embedding.load_embedder`. ``cache=False``, as timings must."""
        if self.model == "random":
            return Encoder(random_vectors)
        if self.model in ("tf-idf", "bm25"):
            return Encoder(*(word_weights() if self.model == "tf-idf" else bm25_weights()))
        embedder = load_embedder(self.model, dtype=self.dtype, cache=cache, download=self.download)
        if self.n_layers is not None:
            embedder = variants.keep_layers(embedder, self.n_layers)
        if self.untrained:
            embedder = variants.randomize(embedder)
        if self.int8:
            embedder = variants.quantize(embedder)
        methods = {"": embedder.encode, "query": embedder.encode_query, "document": embedder.encode_document}
        is_cut = self.max_length is not None and self.max_length < embedder.max_length < np.inf
        max_length = self.max_length if is_cut else None

        def encode(texts: Sequence[str], side: str = "") -> np.ndarray:
            return methods[side](list(texts), truncate_dim=self.truncate_dim, max_length=max_length)

        return Encoder(encode)

    def try_load(self, *, cache: bool = True) -> tuple[Encoder | None, str]:
        """Load it, or say why it cannot be had: an encoder and "", or None and what is missing."""
        try:
            return self.load(cache=cache), ""
        except (ModelUnavailableError, UnknownModelError, ImportError) as error:
            return None, str(error)


# --- tasks --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Similarity:
    """How well the cosine of two sentences follows people's scores; measured by ``cosine_spearman``.

    Attributes
    ----------
    name : str
        What the task is called in tables and figures.
    sentences1, sentences2 : sequences of n str
        The pairs.
    scores : sequence of n float
        How similar people find each pair; larger is more similar.

    Examples
    --------
    >>> from course_utils.measuring import Contender, Similarity
    >>> task = Similarity("pairs", ["a cat", "a cat"], ["a cat", "the news"], [5, 0])
    >>> task.run(Contender("words", "random").load())["cosine_spearman"].round(1) == 1
    array([ True, False])
    """

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
    name : str
        What the task is called in tables and figures.
    queries : sequence of n str
        What is asked.
    documents : sequence of m str
        What is searched.
    relevant : sequence of n iterables of int
        For each query the positions of its relevant documents.
    units : sequence of n values, optional
        For each query what it has in common with others that are not independent of it, such as the document they are
        about: one case in all, for an interval. Default: each query is a unit.

    Examples
    --------
    >>> from course_utils.measuring import Contender, Retrieval
    >>> task = Retrieval("fruit", ["a pear"], ["green pear", "red apple"], [[0]])
    >>> encoder = Contender("words", "tf-idf").load()
    >>> vectorizer = encoder.fit(task.corpus)
    >>> task.run(encoder)["recall_at_1"]
    array([1.])
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
    """Learning labels from the vectors of other texts, in five folds (mteb's, for the same seed); ``accuracy``.

    Attributes
    ----------
    name : str
        What the task is called in tables and figures.
    texts : sequence of n str
        At least five.
    labels : sequence of n values
        What is to be learned.

    Examples
    --------
    >>> from course_utils.measuring import Classification, Contender
    >>> task = Classification("fruit", ["red apple", "grey cloud"] * 10, ["fruit", "sky"] * 10)
    >>> task.run(Contender("random", "random").load())["accuracy"].mean()
    np.float64(1.0)
    """

    name: str
    texts: Sequence[str]
    labels: Sequence

    @property
    def corpus(self) -> list[str]:
        """The texts that a baseline may learn word weights from."""
        return list(self.texts)

    def run(self, encoder: Encoder) -> dict[str, np.ndarray]:
        """Return for each text whether a logistic regression on the other folds predicts its label."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import KFold, cross_val_predict

        labels, folds = np.asarray(self.labels), KFold(5, shuffle=True, random_state=42)
        learned = cross_val_predict(LogisticRegression(max_iter=1000), encoder.encode(self.texts), labels, cv=folds)
        return {"accuracy": (learned == labels).astype(np.float64)}


Task = Similarity | Retrieval | Classification


@contextmanager
def models_let_go() -> Iterator[None]:
    """Give back the memory of the models that are loaded meanwhile, as soon as they are no longer in use.

    Models refer to themselves, and Python, which counts objects and not bytes, would let several pile up.

    Examples
    --------
    >>> from course_utils.measuring import Contender, benchmark
    >>> with benchmark.models_let_go():
    ...     vector = Contender("MiniLM").load().encode(["a cat"])
    """
    try:
        yield
    finally:
        gc.collect()


# --- quality ------------------------------------------------------------------------------------------------------


@models_let_go()
def evaluate(contenders: Iterable[Contender], tasks: Iterable[Task]) -> pd.DataFrame:
    """Ask every contender every task; one row a model, task, measure and case.

    Parameters
    ----------
    contenders : iterable of Contender
        Of different names.
    tasks : iterable of Similarity, Retrieval or Classification
        What to ask them.

    Returns
    -------
    DataFrame
        With the columns ``model``, ``task``, ``metric``, ``case`` (position in the task), ``unit`` (cases of one are
        not independent), ``value``, ``target`` (the human score of a similarity, else NaN) and ``why``. A contender
        that cannot be had is one row without a value whose ``why`` says what is missing.

    Raises
    ------
    ValueError
        If two contenders have one name.

    Examples
    --------
    >>> from course_utils.measuring import Contender, Retrieval, benchmark
    >>> task = Retrieval("fruit", ["a pear", "apples"], ["green pear", "red apple"], [[0], [1]])
    >>> benchmark.evaluate([Contender("words", "tf-idf")], [task])[["metric", "case", "value"]].head(2)
            metric  case  value
    0  recall_at_1     0    1.0
    1  recall_at_1     1    0.0
    """
    tasks, parts = list(tasks), []
    for contender in with_different_names(contenders):
        encoder, why = contender.try_load()
        if encoder is None:
            parts.append(pd.DataFrame({"model": [contender.name], "why": why}))
            continue
        for task in tasks:
            encoder.fit(task.corpus)
            units, scores = getattr(task, "units", None), getattr(task, "scores", np.nan)
            for metric, values in task.run(encoder).items():
                part = pd.DataFrame({"case": np.arange(len(values)), "value": values, "target": np.asarray(scores)})
                part["unit"] = part["case"] if units is None else np.asarray(units)
                parts.append(part.assign(model=contender.name, task=task.name, metric=metric, why=""))
    columns = ["model", "task", "metric", "case", "unit", "value", "target", "why"]
    return pd.concat([part.reindex(columns=columns).astype({"unit": object}) for part in parts], ignore_index=True)


def with_different_names(contenders: Iterable[Contender]) -> list[Contender]:
    """The contenders as they are; a table by name would mix up two of one name.

    Parameters
    ----------
    contenders : iterable of Contender
        Of different names.

    Returns
    -------
    list of Contender
        The same.

    Raises
    ------
    ValueError
        If two have one name.

    Examples
    --------
    >>> from course_utils.measuring import Contender, benchmark
    >>> len(benchmark.with_different_names([Contender("floor", "random"), Contender("words", "tf-idf")]))
    2
    """
    contenders = list(contenders)
    names = [contender.name for contender in contenders]
    if len(set(names)) < len(names):
        raise ValueError(f"contenders: two have one name among {names}.")
    return contenders


def summarize(cases: pd.DataFrame) -> pd.DataFrame:
    """Estimate each measure with its 95 % interval.

    Parameters
    ----------
    cases : DataFrame
        The table of :func:`evaluate`, or one with its columns.

    Returns
    -------
    DataFrame
        With the columns ``model``, ``task``, ``metric``, ``n`` (cases), ``estimate``, ``low``, ``high``, ``why``.

    Examples
    --------
    >>> from course_utils.measuring import Contender, Retrieval, benchmark
    >>> task = Retrieval("fruit", ["a pear", "apples"], ["green pear", "red apple"], [[0], [1]])
    >>> cases = benchmark.evaluate([Contender("words", "tf-idf")], [task])
    >>> benchmark.summarize(cases)[["metric", "estimate", "low", "high"]].head(1)
            metric  estimate       low      high
    0  recall_at_1       0.5  0.012579  0.987421
    """
    rows = []
    for keys, group in cases[cases["why"] == ""].groupby(["model", "task", "metric"], sort=False):
        found = _interval(keys[-1], group)
        rows.append((*keys, len(group), found.estimate, found.low, found.high, ""))
    table = pd.DataFrame(rows, columns=["model", "task", "metric", "n", "estimate", "low", "high", "why"])
    return pd.concat([table, cases.loc[cases["why"] != "", ["model", "why"]]], ignore_index=True)


def leaders(cases: pd.DataFrame, *, confidence: float = 0.95) -> dict[tuple[str, str], intervals.Leader]:
    """Who is best at each task and measure, and who cannot be told apart from that one.

    All pairs of contenders in all tasks count as comparisons (Bonferroni), because whoever leads was chosen by the
    result, and because one reads the whole table to see whether winners change.

    Parameters
    ----------
    cases : DataFrame
        The table of :func:`evaluate`, or the part of it that is shown: what is left out does not count.
    confidence : float, default 0.95
        How often nothing in the whole table is told apart that is equal.

    Returns
    -------
    dict of (str, str) to Leader
        By task and measure. ``mean`` is the estimate, of a rank correlation too; ``gaps`` are paired, highest first.

    Raises
    ------
    ValueError
        If contenders were not asked the same cases.

    Examples
    --------
    >>> from course_utils.measuring import Contender, Retrieval, benchmark
    >>> task = Retrieval("fruit", ["pear", "apple"] * 10, ["green pear", "red apple", "sky"], [[0], [1]] * 10)
    >>> cases = benchmark.evaluate([Contender("words", "tf-idf"), Contender("floor", "random")], [task])
    >>> found = benchmark.leaders(cases)["fruit", "recall_at_1"]
    >>> found.name, found.mean, found.ties
    ('words', 1.0, ())
    """
    summary = summarize(cases).dropna(subset="estimate")
    tables = dict(list(summary.groupby(["task", "metric"], sort=False)))
    n_pairs = sum(math.comb(len(table), 2) for table in tables.values())
    level, found = 1 - (1 - confidence) / max(n_pairs, 1), {}
    for key, table in tables.items():
        estimates = table.set_index("model")["estimate"].sort_values(ascending=False, kind="stable")
        first, *others = estimates.index
        gaps = {other: difference(cases, first, other, *key, confidence=level) for other in others}
        gaps = {other: replace(gap, confidence=confidence, among=n_pairs) for other, gap in gaps.items()}
        found[key] = intervals.Leader(first, float(estimates[first]), gaps)
    return found


def difference(
    cases: pd.DataFrame, first: str, second: str, task: str, metric: str, *, confidence: float = 0.95
) -> Interval:
    """Interval of (``first`` − ``second``) in one measure, paired by the cases both were asked.

    Parameters
    ----------
    cases : DataFrame
        The table of :func:`evaluate`, or one with its columns.
    first, second : str
        Names of two contenders.
    task, metric : str
        As they stand in the table.
    confidence : float, default 0.95
        Above 0 and below 1.

    Returns
    -------
    Interval
        The difference and its range.

    Raises
    ------
    ValueError
        If one of the two has no values for this task and measure (the message says what there is), or if they were
        not asked the same cases.

    Examples
    --------
    >>> from course_utils.measuring import Contender, Retrieval, benchmark
    >>> task = Retrieval("fruit", ["a pear", "an apple"], ["green pear", "red apple"], [[0], [1]])
    >>> cases = benchmark.evaluate([Contender("words", "tf-idf"), Contender("floor", "random")], [task])
    >>> benchmark.difference(cases, "words", "words", "fruit", "recall_at_1").estimate
    0.0
    """
    rows = cases[(cases["task"] == task) & (cases["metric"] == metric)]
    tables = {model: rows[rows["model"] == model].set_index("case") for model in (first, second)}
    for model, table in tables.items():
        if table.empty:
            why = "".join(cases.loc[(cases["model"] == model) & (cases["why"] != ""), "why"])
            known = cases.dropna(subset="value")[["model", "task", "metric"]].drop_duplicates().agg(" / ".join, axis=1)
            raise ValueError(f"{model} / {task} / {metric} was not measured. {why or 'There is: ' + '; '.join(known)}")
    minus = tables[second].reindex(tables[first].index)
    if len(minus) != len(tables[second]) or not np.array_equal(tables[first]["unit"], minus["unit"]):
        raise ValueError(f"{first} and {second} were not asked the same cases of {task}; evaluate() them together.")
    return _interval(metric, tables[first], minus["value"], confidence)


def _interval(metric: str, rows: pd.DataFrame, minus: pd.Series | None = None, confidence: float = 0.95) -> Interval:
    """Interval of a measure of one model, or of how far it is above another on the same cases."""
    if metric == "cosine_spearman":
        return spearman_interval(rows["target"], rows["value"], minus, confidence=confidence)
    units = pd.factorize(rows["unit"])[0]
    if minus is None:
        return mean_interval(rows["value"], groups=units, confidence=confidence)
    return difference_interval(rows["value"], minus, groups=units, confidence=confidence)
