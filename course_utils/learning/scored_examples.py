"""Texts and the scores that somebody gave them, checked one by one: what a value learner learns from.

They come singly, as a list, a table or a file, and each that cannot be used is named. What is learned from them stands
in :mod:`course_utils.learning.value_learner`.
"""

import math
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from course_utils.data import read_scored
from course_utils.embedding import DEFAULT_MODEL, Embedder
from course_utils.learning.text_embedder import TextEmbedder, alone

_LARGEST = 1e100  # a score; the squares of larger ones are beyond float64


class RankingExample(NamedTuple):
    """A text with the score that somebody gave it.

    Attributes
    ----------
    text : str
        The text.
    score : float
        In whatever unit; larger is better.
    metadata : dict or None
        Anything that JSON can hold. It is only kept.
    group : str, number or None
        What the text belongs to (a review, a writer): examples of one group are learned from and held out together.
        None: nothing but its own copies.

    Examples
    --------
    >>> from course_utils.learning import RankingExample
    >>> RankingExample("a walk in the woods", 9, {"by": "me"}).score
    9
    """

    text: str
    score: float
    metadata: dict | None = None
    group: str | float | None = None


@dataclass(eq=False, repr=False, kw_only=True)
class ScoredExamples(TextEmbedder):
    """A text embedder that collects scored examples; see :class:`~course_utils.learning.EmbeddingValueLearner`."""

    score_range: tuple[float, float] | None = None
    training_examples: list[RankingExample] = field(default_factory=list, init=False)

    @property
    def training_texts(self) -> list[str]:
        """The texts of all examples, in the order in which they came."""
        return [example.text for example in self.training_examples]

    @property
    def training_scores(self) -> np.ndarray:
        """Their scores: float64 array of shape (n,)."""
        return np.array([example.score for example in self.training_examples], dtype=np.float64)

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        embedder: str | Embedder = DEFAULT_MODEL,
        text_column: str | None = None,
        score_column: str = "score",
        group_column: str | None = None,
        score_range: tuple[float, float] | None = None,
        **options: Any,
    ) -> Self:
        """Make a learner of a file of scored texts, ready for :meth:`train`.

        Which column holds the texts, and how many rows have one, is printed; rows without a text are left out and
        logged.

        Parameters
        ----------
        path : str or Path
            A table of any usual kind; see :func:`~course_utils.data.read_scored`.
        embedder, score_range
            See :class:`EmbeddingValueLearner`.
        text_column, score_column, group_column
            See :meth:`add_training_examples`.
        **options
            Other parameters of the learner (``instruction``, ``ridge_alpha``), or of the reader (``sep``, ``encoding``,
            ``columns``).

        Returns
        -------
        EmbeddingValueLearner
            With all examples of the file, of which it has learned none yet.

        Raises
        ------
        ValueError
            If the file cannot be read, lacks a column, or holds a score that is none; the message names the line.

        Examples
        --------
        >>> from pathlib import Path
        >>> from course_utils.learning import EmbeddingValueLearner
        >>> rows = ["said;stars", "a canoe trip;5", "a walk;4", "a queue;1", "a tax form;1"]
        >>> Path("mine.csv").write_text("\\n".join(rows), encoding="utf-8")
        57
        >>> learner = EmbeddingValueLearner.from_file(
        ...     "mine.csv", text_column="said", score_column="stars", score_range=(1, 5), ridge_alpha=1
        ... )
        mine.csv: texts from column 'said', 4 of 4 rows
        >>> learner.train(cv_folds=0)["mean_val_mse"] > 0, learner.predict("a boat") <= 5
        (True, True)
        """
        own = {name: options.pop(name) for name in cls._get_param_names() if name in options}
        learner = cls(embedder, score_range=score_range, **own)
        learner.add_training_examples(
            path, text_column=text_column, score_column=score_column, group_column=group_column, **options
        )
        return learner

    @alone
    def add_training_example(self, text: str, score: float, metadata: dict | None = None, group: Any = None) -> None:
        """Add one example; the model learns it at the next training.

        Parameters
        ----------
        text : str
            Must not be empty.
        score : float
            A finite number, within ``score_range`` if there is one.
        metadata : dict, optional
            Anything that JSON can hold. It is only kept.
        group : str or number, optional
            What the text belongs to; see :class:`RankingExample`.

        Raises
        ------
        TypeError, ValueError
            If the text or the score is not usable.
        """
        self.training_examples += [checked(RankingExample(text, score, metadata, group), "", self.score_range)]

    @alone
    def add_training_examples(
        self,
        examples: Any,
        *,
        text_column: str | None = None,
        score_column: str = "score",
        group_column: str | None = None,
        **reading: Any,
    ) -> int:
        """Add several examples: all or none.

        Parameters
        ----------
        examples : iterable of RankingExample, DataFrame, or path of a file
            The examples. Rows of a file that have no text are left out and logged.
        text_column, score_column : str, default "text" and "score"
            Columns of the table or file; for a file see :func:`~course_utils.data.read_scored`.
        group_column : str, optional
            The column that says what each text belongs to.
        **reading
            For a file: ``sep``, ``encoding``, ``columns``; see :func:`course_utils.data.tables.read_table`.

        Returns
        -------
        int
            How many were added.

        Raises
        ------
        TypeError, ValueError
            If an example is not usable; the message says which one.
        """
        columns = [text_column or "text", score_column, *([group_column] if group_column else [])]
        if isinstance(examples, (str, Path)):
            reading |= {"text_column": text_column, "score_column": score_column, "group_column": group_column}
            reading["score_range"] = ends(self.score_range)
            examples = read_scored(examples, **reading).set_axis(columns, axis="columns")
        if isinstance(examples, pd.DataFrame):
            examples = _from_table(examples, columns)
        new = [checked(example, f"examples[{i}]: ", self.score_range) for i, example in enumerate(examples)]
        self.training_examples += new
        return len(new)


def ends(score_range: tuple[float, float] | None) -> tuple[float, float]:
    """The ends of a scale as floats, infinite without one."""
    try:
        low, high = map(float, (-math.inf, math.inf) if score_range is None else score_range)
    except (TypeError, ValueError):
        low = high = math.nan
    if not low < high:
        raise ValueError(f"score_range={score_range!r} must be two numbers, the smaller first.")
    return low, high


def _from_table(table: pd.DataFrame, columns: list[str]) -> list[RankingExample]:
    """Examples of a table, in whose columns stand text, score and perhaps group."""
    missing = [name for name in columns if name not in table]
    if missing:
        raise ValueError(f"The table lacks the column {missing[0]!r}; it has {list(table.columns)}.")
    rows = table[columns].itertuples(index=False)
    return [RankingExample(row[0], row[1], None, *row[2:]) for row in rows]


def checked(example: Any, where: str = "", score_range: tuple[float, float] | None = None) -> RankingExample:
    """An example as it can be learned and saved; an error says what is wrong with it, and ``where``."""
    low, high = ends(score_range)
    if not isinstance(example, RankingExample):
        found = type(example).__name__
        raise TypeError(f"examples must be a list of RankingExample, a table or a path; found {found}.")
    text, score, metadata, group = example
    if not isinstance(text, str):
        raise TypeError(f"{where}text is a {type(text).__name__} and not a string.")
    if not text.strip():
        raise ValueError(f"{where}text is empty.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{where}text holds half a character at position {error.start} (a lone surrogate).") from None
    if isinstance(score, (bool, np.bool)) or not isinstance(score, Real):
        found = f"{score!r}, a {type(score).__name__}"
        raise TypeError(f"{where}score is {found} and not a number (for yes and no, give 1 and 0).")
    if not math.isfinite(score):
        raise ValueError(f"{where}score={score!r} is not finite. Leave examples without a score out.")
    if abs(score) > _LARGEST:
        raise ValueError(f"{where}score={score!r} is too large to calculate with; divide all scores by a number.")
    if not low <= score <= high:
        raise ValueError(f"{where}score={score!r} lies outside score_range=({low:g}, {high:g}).")
    return RankingExample(text, float(score), metadata, _label(group))


def _label(group: Any) -> Any:
    """A group as JSON can hold it; None where it is missing."""
    if pd.isna(group) is True:
        return None
    plain = group.item() if isinstance(group, np.generic) else group
    return plain if isinstance(plain, (str, int, float)) else str(plain)


def paired(texts, scores, groups=None, metadata=None, score_range=None) -> list[RankingExample]:
    """Examples of lists of the same length, or of one text and its score."""
    texts, scores = ([texts], [scores]) if isinstance(texts, str) else (list(texts), list(scores))
    groups = [None] * len(texts) if groups is None else list(groups)
    if not len(texts) == len(scores) == len(groups):
        raise ValueError(f"There are {len(texts)} texts and {len(scores)} scores, and {len(groups)} groups.")
    examples = map(RankingExample, texts, scores, metadata or [None] * len(texts), groups)
    return [checked(example, f"texts[{i}]: ", score_range) for i, example in enumerate(examples)]
