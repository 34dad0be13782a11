"""Questions with their right answers, as training and evaluating a retriever need them: read, checked and split.

A pair file is JSON (a list of objects), JSONL (an object a line) or CSV, with ``query``, ``pos`` (one text or several)
and, if you have them, ``neg`` (texts that look right and are not).
"""

import csv
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Pairs:
    """Questions and, for each, its right answers and perhaps some wrong ones that look right.

    Attributes
    ----------
    queries : n texts.
    positives : for each question a tuple of one or more texts.
    negatives : for each question a tuple of texts, perhaps empty.
    """

    queries: tuple[str, ...]
    positives: tuple[tuple[str, ...], ...]
    negatives: tuple[tuple[str, ...], ...]

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
        """Pick some of the pairs, in this order."""
        rows = list(rows)
        return Pairs(*(tuple(column[i] for i in rows) for column in (self.queries, self.positives, self.negatives)))

    @property
    def candidates(self) -> tuple[str, ...]:
        """All texts among which a question searches: every positive and negative, each once."""
        columns = (*self.positives, *self.negatives)
        return tuple(dict.fromkeys(text for texts in columns for text in texts))

    def relevant(self, candidates: Sequence[str]) -> list[list[int]]:
        """Positions of each question's right answers among the candidates."""
        at = {text: i for i, text in enumerate(candidates)}
        return [[at[text] for text in texts] for texts in self.positives]

    @property
    def digests(self) -> list[str]:
        """A short hash of each question with its answers, by which it is recognised without its text."""
        rows = zip(self.queries, self.positives, strict=True)
        return [hashlib.sha256(json.dumps(row).encode()).hexdigest()[:16] for row in rows]

    @property
    def sha256(self) -> str:
        """The hash of all texts in their order."""
        return hashlib.sha256(json.dumps([self.queries, self.positives, self.negatives]).encode()).hexdigest()


def split_pairs(pairs: Pairs, shares: Sequence[float], *, seed: int = 0) -> list[Pairs]:
    """Deal pairs out into parts of these shares, so that questions that share an answer stay in one part.

    An answer that was seen in training would make a question in the test easier than it is.

    Parameters
    ----------
    shares : for example ``(0.6, 0.2, 0.2)``; they add up to 1.
    seed : which pairs go where.

    Raises
    ------
    ValueError
        If a part would get fewer than two pairs.
    """
    group = _linked(pairs)
    order = np.random.default_rng(seed).permutation(group.max() + 1)
    rows = np.argsort(order[group], kind="stable")
    ends = np.round(np.cumsum(shares)[:-1] * len(pairs)).astype(int)
    # a border moves on to where the next group begins
    new = np.flatnonzero(np.diff(group[rows], prepend=-1))
    ends = [new[min(np.searchsorted(new, end), len(new) - 1)] for end in ends]
    parts = [pairs.take(np.sort(part)) for part in np.split(rows, ends)]
    if min(map(len, parts)) < 2:
        raise ValueError(f"{len(pairs)} pairs are too few, or share too many answers, for parts of {tuple(shares)}.")
    return parts


def _linked(pairs: Pairs) -> np.ndarray:
    """Number the groups of pairs that share a question or an answer, directly or not."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    texts: dict[tuple[str, str], int] = {}
    links = []
    for row, (query, positives) in enumerate(zip(pairs.queries, pairs.positives, strict=True)):
        keys = [("query", query), *(("answer", text) for text in positives)]
        links += [(row, len(pairs) + texts.setdefault(key, len(texts))) for key in keys]
    rows, columns = np.array(links).T
    size = len(pairs) + len(texts)
    graph = coo_array((np.ones(len(links)), (rows, columns)), shape=(size, size))
    labels = connected_components(graph, directed=False)[1][: len(pairs)]
    return np.unique(labels, return_inverse=True)[1]


def read_pairs(path: str | Path) -> Pairs:
    """Read a file of pairs: ``.json``, ``.jsonl`` or ``.csv``, in UTF-8.

    Raises
    ------
    ValueError
        If the file cannot be read, or holds a row without a question or an answer; every such row up to the tenth is
        named by its line and column, and nothing is silently left out.
    """
    path = Path(path).expanduser()
    readers = {".json": _read_json, ".jsonl": _read_jsonl, ".csv": _read_csv}
    if path.suffix.lower() not in readers:
        raise ValueError(f"{path.name}: pairs are read from .json, .jsonl and .csv files.")
    if not path.is_file():
        raise ValueError(f"There is no file {path.name!r} where the path leads to.")
    try:
        rows = list(readers[path.suffix.lower()](path))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not in UTF-8 ({error}). Save it as UTF-8.") from error
    problems: list[str] = []
    columns = [[], [], []]
    for where, row in rows:
        found = _checked_row(where, row, problems)
        for column, value in zip(columns, found, strict=True):
            column.append(value)
    if problems:
        more = f"\n… and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise ValueError(f"{path.name} has rows that cannot be used:\n" + "\n".join(problems[:10]) + more)
    if not rows:
        raise ValueError(f"{path.name} holds no pairs.")
    return Pairs(*map(tuple, columns))


def _checked_row(where: str, row, problems: list[str]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    if not isinstance(row, dict):
        problems.append(f"{where}: {row if isinstance(row, str) else 'is not an object with query and pos'}")
        return "", (), ()
    query, *answers = (row.get(name) for name in ("query", "pos", "neg"))
    if not isinstance(query, str) or not query.strip():
        problems.append(f"{where}, column 'query': should be a text, and is {_kind(query)}")
    texts = []
    for name, value in zip(("pos", "neg"), answers, strict=True):
        value = [value] if isinstance(value, str) else value or []
        if not isinstance(value, list) or not all(isinstance(text, str) and text.strip() for text in value):
            value = value if isinstance(value, list) else [value]
            wrong = next((text for text in value if not isinstance(text, str) or not text.strip()), None)
            problems.append(f"{where}, column {name!r}: should be a text or a list of texts, and holds {_kind(wrong)}")
        elif name == "pos" and not value:
            problems.append(f"{where}, column 'pos': there is no right answer")
        texts.append(tuple(dict.fromkeys(map(str, value))))
    if set(texts[0]) & set(texts[1]):
        problems.append(f"{where}, column 'neg': the same text is also a right answer")
    return str(query), texts[0], texts[1]


def _kind(value) -> str:
    return "missing" if value is None else "empty" if isinstance(value, str) else f"a {type(value).__name__}"


def _read_json(path: Path):
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}.") from None
    if not isinstance(rows, list):
        raise ValueError(f"{path.name} should hold a list of objects with query and pos, not a {type(rows).__name__}.")
    return [(f"entry {number}", row) for number, row in enumerate(rows, 1)]


def _read_jsonl(path: Path):
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    yield f"line {number}", json.loads(line)
                except json.JSONDecodeError as error:
                    yield f"line {number}", f"is not JSON: column {error.colno}: {error.msg}"


def _read_csv(path: Path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = {"query", "pos"} - set(reader.fieldnames or [])
        if missing:
            raise ValueError(
                f"{path.name} lacks the column {' and '.join(sorted(missing))}; its first line has "
                f"{', '.join(reader.fieldnames or ['nothing'])}."
            )
        before = 1
        for row in reader:
            begins, before = before + 1, reader.line_num  # a text in quotes may go over several lines
            if None in row:
                yield f"line {begins}", f"has more cells than the {len(reader.fieldnames)} of the first line"
            else:
                yield f"line {begins}", {name: value or None for name, value in row.items()}
