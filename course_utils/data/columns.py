"""What the columns of a user's table hold is told apart here: texts, labels to colour by, scores.

A column is taken by its name, or because it is clearly the one that is meant; which one was taken is printed. Nothing
is guessed in silence.
"""

import logging
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd

from course_utils.data.console import tell
from course_utils.data.headers import WIDE, is_value, names_something_else, names_texts
from course_utils.data.tables import read_table

logger = logging.getLogger(__name__)

# cells that programs fill: addresses, paths, lists and objects, browsers, times of the day in words
_OF_MACHINES = re.compile(
    r"\w+://|www\.|[A-Za-z]:[\\/]|/\w+/|[\[{].*[\]}]$|Mozilla/|"
    r"(\d+|an?) (second|minute|hour|day|week|month|year)s? ago$",
    re.IGNORECASE | re.DOTALL,
)


def read_texts(
    path: str | Path, *, text_column: str | None = None, label_column: str | list[str] | None = None, **reading: Any
) -> pd.DataFrame:
    """Read your own texts from a table of any usual kind: CSV, TSV, JSON, JSONL, Excel, Parquet, also in gzip.

    Parameters
    ----------
    path : str or Path
        The file, or a folder of the package datasets.
    text_column : str, optional
        The column with the texts. Default: the one called ``text`` (capitals and blanks around do not matter), or the
        only one, or one that is clearly meant: the only one called as texts are (review, comment, body, …), or else
        one with texts at least twice as long as in any other, mostly different, and not called title, author or date.
    label_column : str or list of str, optional
        A column to colour by. Default: the one called ``label``, if there is one. Those of a list keep their names.
    **reading
        ``sep``, ``encoding``, ``columns``: see :func:`course_utils.data.tables.read_table`.

    Returns
    -------
    DataFrame
        Column ``text`` and, where there is one, ``label``, in which numbers are numbers if each reads as it is written
        (007 and 1.10 do not); or the columns of the list. Rows without a text are left out and logged; "None" and "NA"
        are texts.

    Raises
    ------
    ValueError
        If the file cannot be read, lacks the column, or it is not clear which one holds the texts; the message names
        the columns that are there.

    Examples
    --------
    >>> from pathlib import Path
    >>> from course_utils.data import read_texts
    >>> Path("notes.csv").write_text("id,words,score\\n1,Hello,3\\n2,Bye,4\\n", encoding="utf-8")
    33
    >>> frame = read_texts("notes.csv", text_column="words", label_column="score")
    notes.csv: texts from column 'words', 2 of 2 rows
    >>> frame.to_dict("list")
    {'text': ['Hello', 'Bye'], 'label': [3, 4]}
    """
    wanted = {"label": label_column} if isinstance(label_column, str) else {name: name for name in label_column or ()}
    table, file = read_table(path, expected=[text_column, *wanted.values()], **reading), Path(path).name
    if label_column is None:
        found = _called("label", table)
        labels = {"label": found[0]} if len(found) == 1 else {}
    else:
        labels = {name: find_column(table, column, "label_column", file) for name, column in wanted.items()}
    kept = with_text(table, text_column, file)
    frame = pd.DataFrame({"text": kept["text"]} | {name: _label(kept[column]) for name, column in labels.items()})
    frame.attrs["source"] = file
    return frame.reset_index(drop=True)


def read_scored(
    path: str | Path,
    *,
    text_column: str | None = None,
    score_column: str = "score",
    group_column: str | None = None,
    score_range: tuple[float, float] = (-math.inf, math.inf),
    **reading: Any,
) -> pd.DataFrame:
    """Read texts with their scores, from any file that :func:`read_texts` reads.

    Parameters
    ----------
    path, text_column, **reading
        See :func:`read_texts`.
    score_column : str, default "score"
        The column with the scores: finite numbers, with a decimal point or, all of them, a decimal comma.
    group_column : str, optional
        A column that says what each text belongs to.
    score_range : (float, float), optional
        The ends of the scale, which belong to it. Default: no ends.

    Returns
    -------
    DataFrame
        ``text``, ``score``, float64, and ``group``, if its column was named. Rows without a text are left out and
        logged.

    Raises
    ------
    ValueError
        If a row with a text has no score, something else than a number, or one outside ``score_range``; the message
        names its line and the value.

    Examples
    --------
    >>> from pathlib import Path
    >>> from course_utils.data import read_scored
    >>> Path("notes.csv").write_text("text;score\\nHello;3,5\\nBye;4\\n", encoding="utf-8")
    27
    >>> read_scored("notes.csv")["score"].tolist()
    notes.csv: texts from column 'text', 2 of 2 rows
    notes.csv: column 'score' has decimal commas (3,5)
    [3.5, 4.0]
    """
    table, file = read_table(path, expected=[text_column, score_column, group_column], **reading), Path(path).name
    column = find_column(table, score_column, "score_column", file)
    group = [find_column(table, group_column, "group_column", file)] if group_column else []
    kept = with_text(table, text_column, file)
    columns = [kept["text"], _scores(kept[column], file, score_range), *(kept[name] for name in group)]
    return pd.DataFrame(dict(zip(["text", "score", "group"], columns, strict=False))).reset_index(drop=True)


def find_column(table: pd.DataFrame, wanted: str, parameter: str, file: str) -> str:
    """Return the column of this name, capitals and blanks around apart; ``parameter`` is where it was asked for."""
    wanted = str(wanted)  # a column may be called 2024
    found = [wanted] if wanted in table else _called(wanted, table)
    if len(found) != 1:
        raise ValueError(f"{parameter}={wanted!r} is not in {file}, which has the columns {list(table.columns)}.")
    return found[0]


def _called(name: str, table: pd.DataFrame) -> list[str]:
    return [column for column in table if column.strip().casefold() == name.strip().casefold()]


def with_text(table: pd.DataFrame, text_column: str | None, file: str) -> pd.DataFrame:
    """The rows that have a text, with the texts as strings in the column ``text``; what was taken is said."""
    column = find_text_column(table, text_column, file)
    kept = rows_with_text(table, column, file)
    n_values = kept[column].map(is_value).sum()
    say_kept(file, column, len(kept), len(table))
    if 2 * n_values > len(kept):
        logger.warning("%d of %d texts of column %r are numbers, dates or times.", n_values, len(kept), column)
    return kept


def find_text_column(table: pd.DataFrame, wanted: str | None, file: str) -> str:
    """Return the column that holds the texts."""
    if not len(table.columns):
        raise ValueError(f"{file} is empty.")
    return find_column(table, wanted, "text_column", file) if wanted else _text_column(table, file)


def rows_with_text(table: pd.DataFrame, column: str, file: str) -> pd.DataFrame:
    """The rows that have a text in this column, with the texts as strings in the column ``text``."""
    kept = table[table[column].notna() & (table[column].astype(str).str.strip() != "")]
    nested = kept.index[kept[column].map(lambda cell: isinstance(cell, (list, dict))).astype(bool)]
    if len(nested):
        kind = type(kept.at[nested[0], column]).__name__
        raise ValueError(
            f"{file}, {nested[0]}, column {column!r}: holds a {kind}; wanted is a text. Write a row for each text, or "
            "name another column with text_column=."
        )
    return kept.assign(text=kept[column].astype(str))


def say_kept(file: str, column: str, n_kept: int, n_rows: int) -> None:
    """Say how many rows of a file have a text in this column."""
    if not n_kept:
        raise ValueError(f"Column {column!r} of {file} holds no text.")
    tell(f"{file}: texts from column {column!r}, {n_kept} of {n_rows} rows")
    if n_kept < n_rows:
        logger.warning("%d of %d rows of %s have no text and are left out.", n_rows - n_kept, n_rows, file)


def _text_column(table: pd.DataFrame, file: str) -> str:
    named = _called("text", table) or (list(table.columns) if len(table.columns) == 1 else [])
    if len(named) == 1:
        return named[0]
    lengths = {}
    for column in table:
        cells = table[column].dropna()
        words = cells[cells.map(_has_words)]
        prose = words[words.map(_is_prose)]
        likely = prose if not names_texts(column) else words
        n_different = len(words) if names_texts(column) else min(len(words), words.nunique())
        if len(likely) and 2 * n_different >= len(cells):
            lengths[column] = words.str.len().sum() / len(table)
    # what is called as texts are comes before what is long
    called = [column for column in lengths if names_texts(column)]
    order = sorted(called or lengths, key=lambda name: -lengths[name])
    first, second = [*order, "", ""][:2]
    clear = len(called) == 1 or (not called and first and lengths[first] >= 2 * lengths.get(second, 0))
    if not clear or (names_something_else(first) and not called):
        meant = [column for column in order if not names_something_else(column)] or order
        example = f", for example text_column={meant[0]!r}" if meant else ""
        raise ValueError(
            f"Which column of {file} holds the texts is not clear; it has {list(table.columns)}. Name it with "
            f"text_column={example}."
        )
    return first


def _has_words(cell: Any) -> bool:
    """Whether a cell is a string of words and no number, date, address, path, code or list."""
    return isinstance(cell, str) and not is_value(cell) and not _OF_MACHINES.match(cell.strip())


def _is_prose(cell: str) -> bool:
    return sum(any(map(str.isalpha, word)) for word in cell.split()) > 1 or WIDE.search(cell) is not None


def _label(cells: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(cells, errors="coerce")
    return numbers if numbers.map(str).equals(cells.map(str)) else cells.infer_objects()


def _scores(cells: pd.Series, file: str, score_range: tuple[float, float]) -> pd.Series:
    # of a date of Excel's pandas would make a number
    written = cells.map(
        lambda cell: cell if type(cell) is float or (type(cell) is int and abs(cell) < 1e300) else str(cell).strip()
    )
    strings = written[written.map(lambda cell: isinstance(cell, str))]
    commas = strings[strings.str.fullmatch(r"[-+]?\d+,\d+")] if len(strings) else strings
    if len(commas) and not strings.str.fullmatch(r"[-+]?\d*\.\d+").any():
        both = commas[commas.str.fullmatch(r"[-+]?[1-9]\d{0,2},\d{3}")]
        if len(both):
            raise ValueError(
                f"{file}, {both.index[0]}, column {cells.name!r}: {both.iloc[0]!r} may have a decimal comma or one "
                "between thousands. Write it without."
            )
        tell(f"{file}: column {cells.name!r} has decimal commas ({commas.iloc[0]})")
        written = written.where(~written.index.isin(commas.index), written.astype(str).str.replace(",", "."))
    scores = pd.to_numeric(written, errors="coerce").astype(float)
    is_number, (low, high) = scores.abs() < math.inf, score_range
    wrong = scores.index[~(is_number & scores.between(low, high))]
    if len(wrong):
        value = cells[wrong[0]]
        what = (
            f"{value!r} lies outside score_range=({low:g}, {high:g})"
            if is_number[wrong[0]]
            else f"{value!r} is no number"
        )
        what = "there is no score" if value is None or value == "" else what
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise ValueError(
            f"{file}, {wrong[0]}, column {cells.name!r}: {what}{more}. Correct the file, leave such rows out of it, or "
            "name another column with score_column=."
        )
    return scores
