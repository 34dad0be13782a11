"""Questions with their right answers, as training and evaluating a retriever need them: read, checked and split.

A pair file is a table of any usual kind with ``query``, ``pos`` (one text or several) and, if you have them, ``neg``
(texts that look right and are not), as FlagEmbedding has them; or with the names of sentence-transformers.
"""

import ast
import json
import logging
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from course_utils.data.columns import find_column
from course_utils.data.console import tell
from course_utils.data.groups import shared_groups
from course_utils.data.headers import names_something_else
from course_utils.data.tables import read_table

logger = logging.getLogger(__name__)

_ROLES = {"query": r"query|anchor", "pos": r"pos|positives?", "neg": r"neg|negatives?|(neg|negative)_?\d+"}
# what a column is called that says how right an answer is, where a row need not be a right pair
_JUDGED = re.compile(r"label|score|simil|relevan|correct|duplicate|judg|rating|bewertung", re.IGNORECASE)
_NOT = re.compile(r"-\d.*|0(\.0*)?|false|falsch|no?|nein|non|not .*|ir+elevant|contradiction", re.IGNORECASE)
# what columns of questions and answers are often called: near enough to propose, not to take
_NEAR = {
    "query": r"quer|quest|^q$|title|prompt|instruct|sentence_?1|frage",
    "pos": r"^pos|answ|repl|resp|^passage|^a$|output|completion|sentence_?2|antwort",
}


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
            parts = [f"{len(self.queries)} rows hold {len(right)} questions"] if len(right) < len(self.queries) else []
            copies = f"{left_out} copies, or wrong answers that are right in another row, are left out"
            parts += [copies] if left_out else []
            logger.warning("%s.", "; ".join(parts))
        positives = tuple(map(tuple, right.values()))
        vars(self).update(queries=tuple(right), negatives=tuple(only_wrong), positives=positives)

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
        return shared_groups(self.positives)

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
    first = np.arange(len(after))
    after = np.maximum.accumulate(np.clip(after - first, 1, len(begins) - len(after))) + first  # no part without one
    parts = np.split(rows, begins[np.minimum(after, len(begins) - 1)])
    if min(map(len, parts)) < 2:
        raise ValueError(f"{len(pairs)} pairs are too few, or share too many answers, for {len(shares)} parts.")
    return [pairs.take(np.sort(part)) for part in parts]


def read_pairs(
    path: str | Path,
    *,
    query_column: str | None = None,
    pos_column: str | None = None,
    neg_column: str | None = None,
    **reading: Any,
) -> Pairs:
    """Read a file of pairs, of any kind that :func:`~course_utils.data.read_texts` reads, or a BEIR folder.

    Parameters
    ----------
    path : str or Path
        The file; or a folder with ``corpus.jsonl``, ``queries.jsonl`` and one file in ``qrels``, as BEIR has it. Where
        it has several, name one: ``folder/qrels/test.tsv``.
    query_column, pos_column, neg_column : str, optional
        Where they stand. Default: ``query``, ``pos``, ``neg``, or ``anchor``, ``positive``, ``negative`` and
        ``negative_1``, ``negative_2``, …
    **reading
        ``sep``, ``encoding``, ``columns``: see :func:`course_utils.data.tables.read_table`.

    Returns
    -------
    Pairs
        All of its rows, in their order.

    Raises
    ------
    ValueError
        If the file cannot be read, it is not clear what its columns hold, or a row lacks a question or an answer;
        every such row up to the tenth is named by its line and column. Wrong answers that are empty, or right answers
        of their row, are left out, and logged in the same way.

    Examples
    --------
    >>> from pathlib import Path
    >>> from course_utils.data import read_pairs
    >>> Path("pairs.csv").write_text("query,pos\\nWhere?,In the hall\\n", encoding="utf-8")
    29
    >>> read_pairs("pairs.csv").positives
    (('In the hall',),)
    """
    path = Path(path).expanduser()
    is_beir = (path / "qrels").is_dir() or (path.parent.name == "qrels" and path.is_file())
    table, corpus = _beir(path) if is_beir else (read_table(path, **reading), ())
    named = {"query": query_column, "pos": pos_column, "neg": neg_column}
    roles = {
        role: [find_column(table, column, f"{role}_column", path.name)]
        if column
        else [name for name in table if re.fullmatch(_ROLES[role], name.strip(), re.IGNORECASE)]
        for role, column in named.items()
    }
    if len(table.columns) and (len(roles["query"]) != 1 or len(roles["pos"]) != 1):
        raise ValueError(_what_is_wanted(list(table.columns), roles, path.name))
    check_judged(table, [name for name in table if all(name not in names for names in roles.values())], path.name)
    if table.attrs.get("cells"):
        for name in (*roles["pos"], *roles["neg"]):
            table[name] = pd.Series(list(map(_as_list, table[name])), table.index, dtype=object)
    problems: list[str] = []
    left_out: list[str] = []
    rows = [_checked_row(str(place), row, roles, problems, left_out) for place, row in table.to_dict("index").items()]
    if problems:
        raise ValueError(f"{path.name} has rows that cannot be used:\n{_first_ten(problems)}")
    if not rows:
        raise ValueError(f"{path.name} holds no pairs.")
    if left_out:
        logger.warning("%s: wrong answers that are left out:\n%s", path.name, _first_ten(left_out))
    queries, positives, negatives = zip(*rows, strict=True)
    return Pairs(queries, positives, negatives, corpus)


def check_judged(table: pd.DataFrame, others: list[str], file: str) -> None:
    """Refuse rows that another column marks as wrong; say where one might, since every row is taken for right."""
    for name in others:
        values = table[name].dropna().map(lambda cell: str(cell).strip().casefold())
        two = set(values) <= {"0", "1", "true", "false", "yes", "no", "0.0", "1.0"}
        two &= not names_something_else(name) and re.search("^(?!column )[a-z]{4}", name) is not None
        if values.empty or not (_JUDGED.search(name) or two) or name.casefold() in ("pos_scores", "neg_scores"):
            continue
        wrong = values.index[values.map(lambda cell: _NOT.fullmatch(cell) is not None)]
        if len(wrong) and values.nunique() > 2 and pd.to_numeric(values, errors="coerce").notna().all():
            kinds = f"column {name!r} sorts the rows by {values.nunique()} numbers, from {values.min()} on"
            raise ValueError(f"{file}: {kinds}. Keep the rows that are right pairs, and leave the column out.")
        if len(wrong):
            where = f"{file}, {wrong[0]}, column {name!r}"
            raise ValueError(f"{where}: marks a wrong answer. Leave such rows out, or put their texts into neg.")
        tell(f"{file}: column {name!r} is not read; the pos of every row is taken for a right answer")


def _what_is_wanted(columns: list[str], roles: dict[str, list[str]], file: str) -> str:
    near: dict[str, str] = {}
    for role, pattern in _NEAR.items():
        found = [column for column in columns if re.search(pattern, column, re.IGNORECASE)]
        near |= {role: found[0]} if len(found) == 1 and len(roles[role]) != 1 else {}
    proposal = ", ".join(f"{role}_column={column!r}" for role, column in near.items())
    return (
        f"{file} has the columns {columns}; wanted are one called query and one called pos (and perhaps neg). Name "
        f"them: {proposal or 'query_column=…, pos_column=…'}. If its first line names no columns, give columns=."
    )


def _beir(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Rows of a BEIR folder, in which the ids that qrels joins are texts; and its whole corpus."""
    folder, qrels = (path.parents[1], [path]) if path.is_file() else (path, sorted((path / "qrels").glob("*.tsv")))
    if len(qrels) != 1:
        found = ", ".join(path.name for path in qrels)
        one = f"Name one of them, for example {folder.name}/qrels/{qrels[-1].name}." if qrels else ""
        raise ValueError(f"{folder.name}/qrels should hold one .tsv file, and holds {found or 'none'}. {one}".strip())
    parts = {name: read_table(folder / name) for name in ("corpus.jsonl", "queries.jsonl")}
    for name, part in parts.items():
        if lacking := {"_id", "text"} - set(part.columns):
            raise ValueError(f"{name} of {folder.name} lacks {' and '.join(sorted(lacking))}: BEIR has both.")
        if (double := part["_id"].map(str).duplicated()).any():
            raise ValueError(f"{name} of {folder.name}, {part.index[double][0]}: its _id stands in an earlier line.")
        part.index = part["_id"].map(str)
        for column in {"text", "title"} & set(part.columns):
            bad = part.index[part[column].map(lambda cell: not isinstance(cell, str | None))]
            if len(bad):
                raise ValueError(f"{name} of {folder.name}, _id {bad[0]}: its {column} is no text.")
    corpus, queries = (part.fillna("") for part in parts.values())
    passages = (corpus.get("title", "") + " " + corpus["text"]).str.strip()
    links = read_table(qrels[0])
    if len(links.columns) != 3:
        wanted = "a header, then the ids of a question and a passage and a score, with tabs between"
        raise ValueError(f"{qrels[0].name} has the columns {list(links.columns)}; BEIR has {wanted}.")
    links = links.set_axis(["query", "passage", "score"], axis="columns")
    unknown = links.index[~(links["query"].isin(queries.index) & links["passage"].isin(passages.index))]
    if len(unknown):
        raise ValueError(f"{qrels[0].name}, {unknown[0]}: its ids are not in queries.jsonl and corpus.jsonl.")
    links["passage"], links["query"] = links["passage"].map(passages), links["query"].map(queries["text"])
    scores = pd.to_numeric(links["score"], errors="coerce")
    if scores.isna().any():
        place = scores.index[scores.isna()][0]
        raise ValueError(f"{qrels[0].name}, {place}: the score {links.at[place, 'score']!r} is no number.")
    right = scores > 0
    sides = [links[side].groupby("query", sort=False)["passage"].agg(list) for side in (right, ~right)]
    table = pd.concat(sides, axis="columns", keys=["pos", "neg"]).reindex(sides[0].index).reset_index()
    return table.astype(object).where(table.notna(), None), tuple(filter(None, passages))


def _checked_row(
    place: str, row: dict[str, Any], roles: dict[str, list[str]], problems: list[str], left_out: list[str]
) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Question, right and wrong answers of a row; what cannot be used of it goes into the lists."""
    kept: dict[str, list[str]] = {role: [] for role in roles}
    for role, name in ((role, name) for role, names in roles.items() for name in names):
        where, value = f"{place}, column {name!r}", row[name]
        texts = [value] if role == "query" or not isinstance(value, list | None) else value or []
        if role == "pos" and not texts:
            problems.append(f"{where}: there is no right answer")
        for text in texts:
            is_text = isinstance(text, str) and text.strip()
            flaw = "missing" if text is None else "empty" if isinstance(text, str) else f"a {type(text).__name__}"
            if is_text and not (role == "neg" and text in kept["pos"]):
                kept[role].append(text)
            elif role == "neg" and (text is None or isinstance(text, str)):
                left_out.append(f"{where}: {'the same text is also a right answer' if is_text else flaw}")
            else:
                problems.append(f"{where}: should be a text, and is {flaw}")
    return "".join(kept["query"]), tuple(kept["pos"]), tuple(kept["neg"])


def _as_list(value: Any) -> Any:
    """A list that was written into a cell of a text file, as JSON or as Python writes it; anything else as it is.

    What is written like one and is no list of texts comes back as a list in a list, which no answer is.
    """
    written = value.strip() if isinstance(value, str) else ""
    if not re.fullmatch(r"""[\[({]\s*(['"].*)?[\])}]""", written, re.DOTALL) or written in ("()", "{}"):
        return value
    found: Any = None
    with suppress(ValueError):
        found = json.loads(written)
    # Python would join texts without a comma between them, as NumPy writes them
    if found is None and not re.search(r"""(?<=\w)['"]\s*['"]""", written):
        with suppress(ValueError, SyntaxError):
            found = ast.literal_eval(written)
    return found if isinstance(found, list) and all(isinstance(text, str) for text in found) else [[written]]


def _first_ten(lines: list[str]) -> str:
    return "\n".join(lines[:10] + ([f"… and {len(lines) - 10} more"] if len(lines) > 10 else []))
