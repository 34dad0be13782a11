"""Questions with their right answers, as training and evaluating a retriever need them: read, checked and split.

A pair file is JSON (a list of objects), JSONL (an object a line) or CSV, with ``query``, ``pos`` (one text or several)
and, if you have them, ``neg`` (texts that look right and are not).
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from course_utils.data.groups import joined_groups
from course_utils.data.tables import read_table

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pairs:
    """Questions and, for each, its right answers and perhaps some wrong ones that look right.

    Rows of one question are one question with several right answers: they are merged where the first stands, a text
    counts once, and what is right in one row is not wrong in another. The log says how many.

    Attributes
    ----------
    queries : tuple of str
        n texts.
    positives : tuple of tuple of str
        For each question one or more texts.
    negatives : tuple of tuple of str
        For each question texts, perhaps none.
    corpus : tuple of str, default ()
        What is searched besides the questions' own answers: pairs that were taken from others search all of theirs.

    Examples
    --------
    >>> from course_utils.data import Pairs
    >>> pairs = Pairs.from_columns(["Where?", "When?"], ["In the hall", "At noon"])
    >>> pairs.relevant(pairs.candidates)
    [[0], [1]]
    """

    queries: tuple[str, ...]
    positives: tuple[tuple[str, ...], ...]
    negatives: tuple[tuple[str, ...], ...]
    corpus: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        right: dict[str, dict[str, None]] = {}
        wrong: dict[str, dict[str, None]] = {}
        for column, merged in ((self.positives, right), (self.negatives, wrong)):
            for query, texts in zip(self.queries, column, strict=True):
                merged.setdefault(query, {}).update(dict.fromkeys(texts))
        only_wrong = [tuple(text for text in texts if text not in right[query]) for query, texts in wrong.items()]
        left_out = sum(map(len, self.positives + self.negatives)) - sum(map(len, (*right.values(), *only_wrong)))
        if left_out or len(right) < len(self.queries):
            message = "%d rows hold %d questions. Left out: %d copies, or wrong answers that are right in another row."
            logger.warning(message, len(self.queries), len(right), left_out)
        vars(self).update(
            queries=tuple(right), negatives=tuple(only_wrong), positives=tuple(map(tuple, right.values()))
        )

    @classmethod
    def from_columns(cls, queries: Iterable[str], answers: Iterable[str]) -> "Pairs":
        """Make pairs of two columns of equal length: one right answer a question."""
        queries, answers = tuple(queries), tuple(answers)
        if len(queries) != len(answers):
            raise ValueError(f"There are {len(queries)} queries and {len(answers)} answers; give one for each.")
        return cls(queries, tuple((answer,) for answer in answers), ((),) * len(queries))

    def __len__(self) -> int:
        return len(self.queries)

    def take(self, rows: Iterable[int]) -> "Pairs":
        """Pick the pairs at these positions, in this order; they still search among all answers of this set."""
        rows = list(rows)
        positives, negatives = (tuple(column[i] for i in rows) for column in (self.positives, self.negatives))
        return Pairs(tuple(self.queries[i] for i in rows), positives, negatives, self.candidates)

    @property
    def answers(self) -> tuple[str, ...]:
        """Every positive and negative of these questions, each once."""
        return tuple(dict.fromkeys(text for texts in (*self.positives, *self.negatives) for text in texts))

    @property
    def candidates(self) -> tuple[str, ...]:
        """All texts among which a question searches: the answers, then the rest of the corpus."""
        return tuple(dict.fromkeys((*self.answers, *self.corpus)))

    @cached_property
    def groups(self) -> np.ndarray:
        """Number the groups of questions that share a right answer, directly or not: int array of shape (n,).

        Questions of one group are not independent: a model that misplaces the answer fails them all.
        """
        links = pd.Series(self.positives).explode()
        return joined_groups(links.index, links)[~links.index.duplicated()]

    def relevant(self, candidates: Sequence[str]) -> list[list[int]]:
        """Positions of each question's right answers among the candidates."""
        at = {text: i for i, text in enumerate(candidates)}
        return [[at[text] for text in texts] for texts in self.positives]


def split_pairs(pairs: Pairs, shares: Sequence[float], *, seed: int = 0) -> list[Pairs]:
    """Deal pairs out into parts of these shares, so that questions that share an answer stay in one part.

    An answer that was seen in training would make a question in the test easier than it is.

    Parameters
    ----------
    pairs : Pairs
        What is dealt out.
    shares : sequence of float
        For example ``(0.6, 0.2, 0.2)``; they add up to 1.
    seed : int, default 0
        Which pairs go where.

    Returns
    -------
    list of Pairs
        One for each share; within a part the pairs keep their order.

    Raises
    ------
    ValueError
        If a part would get fewer than two pairs.

    Examples
    --------
    >>> from course_utils.data import Pairs, split_pairs
    >>> pairs = Pairs.from_columns([f"question {i}" for i in range(10)], [f"answer {i}" for i in range(10)])
    >>> [len(part) for part in split_pairs(pairs, (0.6, 0.4))]
    [6, 4]
    """
    group = pairs.groups
    order = np.random.default_rng(seed).permutation(group.max() + 1)
    rows = np.argsort(order[group], kind="stable")
    # a border moves on to where the next group begins
    begins = np.flatnonzero(np.diff(group[rows], prepend=-1))
    after = np.searchsorted(begins, np.round(np.cumsum(shares)[:-1] * len(pairs)))
    parts = np.split(rows, begins[np.minimum(after, len(begins) - 1)])
    if min(map(len, parts)) < 2:
        raise ValueError(f"{len(pairs)} pairs are too few, or share too many answers, for parts of {tuple(shares)}.")
    return [pairs.take(np.sort(part)) for part in parts]


def read_pairs(path: str | Path) -> Pairs:
    """Read a file of pairs: ``.json``, ``.jsonl`` or ``.csv``, in UTF-8.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Pairs
        All of its rows, in their order.

    Raises
    ------
    ValueError
        If the file cannot be read, or holds a row without a question or an answer; every such row up to the tenth is
        named by its line and column, and nothing is silently left out.

    Examples
    --------
    >>> from pathlib import Path
    >>> from course_utils.data import read_pairs
    >>> Path("pairs.csv").write_text("query,pos\\nWhere?,In the hall\\n", encoding="utf-8")
    29
    >>> read_pairs("pairs.csv").positives
    (('In the hall',),)
    """
    path = Path(path)
    if path.suffix.lower() not in (".json", ".jsonl", ".csv"):
        raise ValueError(f"{path.name}: pairs are read from .json, .jsonl and .csv files.")
    table = read_table(path)
    missing = sorted({"query", "pos"} - set(table.columns))
    if missing and path.suffix.lower() == ".csv":
        header = ", ".join(table.columns) or "nothing"
        raise ValueError(f"{path.name} lacks the column {' and '.join(missing)}; its first line has {header}.")
    problems: list[str] = []
    rows = [_checked_row(str(place), row, problems) for place, row in table.to_dict("index").items()]
    if problems:
        more = f"\n… and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise ValueError(f"{path.name} has rows that cannot be used:\n" + "\n".join(problems[:10]) + more)
    if not rows:
        raise ValueError(f"{path.name} holds no pairs.")
    queries, positives, negatives = zip(*rows, strict=True)
    return Pairs(queries, positives, negatives)


def _checked_row(place: str, row: dict[str, Any], problems: list[str]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    query = row.get("query")
    if not _is_text(query):
        problems.append(f"{place}, column 'query': should be a text, and is {_kind(query)}")
    answers = []
    for name in ("pos", "neg"):
        value = row.get(name)
        texts = value if isinstance(value, list) else [] if value is None else [value]
        wrong = [text for text in texts if not _is_text(text)]
        if wrong:
            problem = f"should be a text or a list of texts, and holds {_kind(wrong[0])}"
            problems.append(f"{place}, column {name!r}: {problem}")
        elif name == "pos" and not texts:
            problems.append(f"{place}, column 'pos': there is no right answer")
        answers.append(tuple(dict.fromkeys(map(str, texts))))
    if set(answers[0]) & set(answers[1]):
        problems.append(f"{place}, column 'neg': the same text is also a right answer")
    return str(query), answers[0], answers[1]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _kind(value: Any) -> str:
    return "missing" if value is None else "empty" if isinstance(value, str) else f"a {type(value).__name__}"
