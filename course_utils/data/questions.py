"""Your own documents, and questions with the documents that answer them, read from two files and checked.

What cannot be used is refused with its row, because a measure would hide it: an id that is in no document, two
documents under one id, a question that nothing answers.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from course_utils.data.columns import find_column, with_text
from course_utils.data.console import tell
from course_utils.data.groups import shared_groups
from course_utils.data.pairs import check_judged, read_pairs
from course_utils.data.tables import read_table

# what columns are called, the likeliest first
_ID = "_?id", r"(.*[\W_])?(doc|document)?(id|nr|no|number|nummer|key|code)\.?"
_QUERY = "quer(y|ies)|questions?", "q|anchor|search|frage|fragen|pregunta|domanda"
_RELEVANT = (
    "relevant",
    r"relevan.*|gold|target|expected|pos|positives?|(?!q).*[\W_]ids?|docids?|answers?|documents?",
    "ids?",
)


class Questions(NamedTuple):
    """Documents, and questions to them, as :class:`~course_utils.measuring.Retrieval` takes them.

    Attributes
    ----------
    documents : list of m str
        Each text once.
    ids : list of m str
        What each is called in the file.
    queries : list of n str
        Each question once.
    relevant : list of n lists of int
        Positions of the documents that answer it, one or more.
    units : int32 array of shape (n,)
        Questions that share a document, directly or through others, have the same number: they are not independent.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.data import Questions
    >>> Questions(["In the hall."], ["n1"], ["Where?"], [[0]], np.array([0])).relevant
    [[0]]
    """

    documents: list[str]
    ids: list[str]
    queries: list[str]
    relevant: list[list[int]]
    units: np.ndarray


def read_questions(
    documents: str | Path,
    questions: str | Path | None = None,
    *,
    id_column: str | None = None,
    text_column: str | None = None,
    query_column: str | None = None,
    relevant_column: str | None = None,
    **reading: Any,
) -> Questions:
    """Read your documents and your questions to them from tables of any usual kind; what is assumed is printed.

    Parameters
    ----------
    documents : str or Path
        A row a document: its text and its id. Rows without a text are left out; equal texts are one document.
    questions : str or Path, optional
        A row a question: its text and the ids (or, word for word, the texts) of the documents that answer it. Several
        stand in rows of the same question, or in one cell, as a list or with ``;``, ``,`` or ``|`` between. Without
        it, ``documents`` is a file of pairs or a BEIR folder; see :func:`~course_utils.data.read_pairs`.
    id_column, text_column : str, optional
        Columns of the documents. Default: the one called id, and the one that is clearly the texts.
    query_column, relevant_column : str, optional
        Columns of the questions. Default: by names such as question and relevant.
    **reading
        ``sep`` and ``encoding`` of both files, as for :func:`course_utils.data.tables.read_table`.

    Returns
    -------
    Questions
        ``documents``, ``ids``, ``queries``, ``relevant``, ``units``. Ids are compared as text: 7, "7" and 7.0 are one.

    Raises
    ------
    ValueError
        If a file cannot be read or a column is not clear, two documents have one id, an id is in no document, a
        question has none, or an id no question; the message names rows, values and the way out.

    Examples
    --------
    >>> from pathlib import Path
    >>> from course_utils.data import read_questions
    >>> Path("notes.csv").write_text("id,text\\n7,The lift is broken.\\n8,Bike found.\\n", encoding="utf-8")
    44
    >>> Path("asked.csv").write_text("question;relevant\\nAny news?;7, 8\\n", encoding="utf-8")
    33
    >>> mine = read_questions("notes.csv", "asked.csv")
    notes.csv: texts from column 'text', 2 of 2 rows
    asked.csv: 1 questions from column 'question', documents from column 'relevant'
    >>> mine.queries, mine.relevant
    (['Any news?'], [[0, 1]])
    """
    if questions is None:
        try:
            pairs = read_pairs(documents, query_column=query_column, pos_column=relevant_column, **reading)
        except ValueError as error:
            raise ValueError(str(error).replace("pos_column", "relevant_column")) from None
        numbers = [str(number) for number in range(1, len(pairs.candidates) + 1)]
        relevant = pairs.relevant(pairs.candidates)
        return Questions(list(pairs.candidates), numbers, list(pairs.queries), relevant, pairs.groups)
    table, file = read_table(documents, expected=[id_column, text_column], **reading), Path(documents).name
    id_column = _column(table, id_column, _ID, "id_column", file)
    kept = with_text(table, text_column, file)
    found, texts = pd.factorize(kept["text"].str.strip())
    if len(texts) < len(kept):
        tell(f"{file}: {len(kept) - len(texts)} texts are those of earlier rows, and one document with them")
    ids = _ids(kept[id_column] if id_column else kept.index.to_series(), found.tolist(), file)
    at = {_key(text): i for i, text in enumerate(texts)} | (ids if id_column else {})
    table, name = read_table(questions, expected=[query_column, relevant_column], **reading), Path(questions).name
    query_column = _column(table, query_column, _QUERY, "query_column", name, needed=True)
    relevant_column = _column(table, relevant_column, _RELEVANT, "relevant_column", name, needed=True)
    check_judged(table, [column for column in table if column not in (query_column, relevant_column)], name)
    no_ids = f"{file} has no column called id, and positions may count from 0 or from 1. Name its ids with id_column=."
    way_out = "If other columns are meant, name relevant_column= or id_column=." if id_column else no_ids
    right = _right(table[query_column], table[relevant_column], at, name, way_out)
    tell(f"{name}: {len(right)} questions from column {query_column!r}, documents from column {relevant_column!r}")
    first = {i: key for key, i in reversed(ids.items())}
    relevant = list(map(list, right.values()))
    return Questions(list(texts), [first[i] for i in range(len(texts))], list(right), relevant, shared_groups(relevant))


def _column(
    table: pd.DataFrame, wanted: str | None, patterns: Iterable[str], parameter: str, file: str, needed: bool = False
) -> Any:
    """The column of this name, or the only one that is called like the first pattern that fits any."""
    if wanted is not None:
        return find_column(table, wanted, parameter, file)
    called = ([name for name in table if re.fullmatch(each, name.strip(), re.IGNORECASE)] for each in patterns)
    found = next(filter(None, called), [])
    if len(found) > 1 or (needed and not found):
        raise ValueError(
            f"{file} has the columns {list(table.columns)}; name the right one with {parameter}=. If its first line is "
            "data, put one with names above it."
        )
    return found[0] if found else None


def _key(value: Any) -> str:
    """An id or a text as it is compared: 7, 7.0 and "7" are one."""
    return "" if value is None else re.sub(r"^(-?\d+)\.0+$", r"\1", str(value).strip())


def _ids(cells: pd.Series, positions: Iterable[int], file: str) -> dict[str, int]:
    """Positions of the texts by their ids."""
    ids: dict[str, int] = {}
    for (row, key), i in zip(cells.map(_key).items(), positions, strict=True):
        if not key or ids.setdefault(key, i) != i:
            what = f"{key!r} is the id of another text too" if key else "there is no id"
            raise ValueError(
                f"{file}, {row}, column {cells.name!r}: {what}. Give each text an id of its own, or name another "
                "column with id_column=."
            )
    return ids


def _named(cell: Any, at: Mapping[str, int]) -> list[str]:
    """The ids or texts in a cell, which is one, a list, or several with marks between."""
    whole, parts = "" if isinstance(cell, list) else _key(cell), list[str]()
    if whole in at:
        return [whole]
    if whole.startswith("["):
        with suppress(ValueError):
            cell = json.loads(whole)
    if isinstance(cell, list):
        return list(map(_key, cell))
    for marks in (";", r"\|", "\n", ",", r"[;|\n,]"):
        split = re.split(marks, whole.strip("[](){}"))
        parts = [key for part in split if (key := _key(part.strip(" \t\r'\"")))]
        if at.keys() >= set(parts):
            return parts
    return parts if at.keys() & set(parts) else [whole]


def _right(
    queries: pd.Series, cells: pd.Series, at: Mapping[str, int], file: str, way_out: str
) -> dict[str, dict[int, None]]:
    """Positions of the documents that answer each question, which is there once."""
    right: dict[str, dict[int, None]] = {}
    unknown: list[tuple[str, str]] = []
    for row, query, cell in zip(cells.index, queries.map(_key), cells, strict=True):
        keys = _named(cell, at)
        if keys and not query:
            raise ValueError(f"{file}, {row}, column {queries.name!r}: there is no question. Write one to {cell!r}.")
        if query:
            right.setdefault(query, {}).update((at[key], None) for key in keys if key in at)
        unknown += [(row, key) for key in keys if key not in at]
    where = f"{file}, column {cells.name!r}"
    if unknown:
        near = {key: difflib.get_close_matches(key, at, n=1, cutoff=0.5) for _, key in unknown[:3]}
        shown = [f"{row}: {key!r}" + "".join(f" (nearest: {one!r})" for one in near[key]) for row, key in unknown[:3]]
        problem = f"{where}: {len(unknown)} values stand for no document that has a text, neither as id nor as text"
        raise ValueError("\n".join([f"{problem}:", *shown, f"Correct them, or leave such rows out. {way_out}"]))
    without = [repr(query) for query, positions in right.items() if not positions]
    if without or not right:
        problem = f"{where}: {len(without)} of {len(right)} questions have no document. Name one, or leave them out:"
        raise ValueError("\n".join([problem, *without[:3]]))
    return right
