"""Files of users become tables: CSV with a header line, JSON (a list of objects) or JSONL (an object a line), in UTF-8.

:func:`read_table` is the one reader. It keeps for each row where it stands in the file, so that whoever checks the rows
can name what is wrong by its line; what the columns have to hold is for the caller.
"""

import csv
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

logger = logging.getLogger(__name__)


def read_table(path: str | Path, *, sep: str = ",") -> pd.DataFrame:
    """Read a file of rows, by the ending of its name: ``.json``, ``.jsonl``, and CSV for all others.

    Parameters
    ----------
    path : str or Path
        The file, in UTF-8.
    sep : str, default ","
        The character between the columns of a CSV file.

    Returns
    -------
    DataFrame of objects
        The index says where each row stands ("line 3", of JSON "entry 3"). Cells of a CSV file are strings; those of
        JSON are what they are. An empty cell of a CSV file, and what an object of JSON lacks, is None.

    Raises
    ------
    ValueError
        If there is no such file, or it is no table in UTF-8; the message names the file and the line.

    Examples
    --------
    >>> from pathlib import Path
    >>> from course_utils.data.tables import read_table
    >>> Path("notes.csv").write_text("text,label\\nHello,\\n", encoding="utf-8")
    18
    >>> read_table("notes.csv").to_dict("index")
    {'line 2': {'text': 'Hello', 'label': None}}
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ValueError(
            f"There is no file {path.name!r} where the path leads to. A relative path starts in the current folder, "
            f"here {Path.cwd().name}."
        )
    try:
        # -sig: Excel writes a mark at the beginning
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix.lower() not in (".json", ".jsonl"):
                return _read_csv(file, path.name, sep)
            rows = dict(_json_rows(file, path.name, lines=path.suffix.lower() == ".jsonl"))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path.name} is not in UTF-8 ({error}). Save it as UTF-8, which Excel calls 'CSV UTF-8'."
        ) from error
    return _frame(rows, list(dict.fromkeys(name for row in rows.values() for name in row)))


def _frame(rows: dict[str, dict], columns: list[str]) -> pd.DataFrame:
    cells = [[row.get(name) for name in columns] for row in rows.values()]
    return pd.DataFrame(cells, index=list(rows), columns=columns, dtype=object)


def _json_rows(file: TextIO, name: str, lines: bool) -> Iterator[tuple[str, dict]]:
    if lines:
        rows = [(f"line {n}", _parsed(line, name, n)) for n, line in enumerate(file, 1) if line.strip()]
    else:
        entries = _parsed(file.read(), name)
        if not isinstance(entries, list):
            raise ValueError(f"{name} should hold a list of objects, not a {type(entries).__name__}.")
        rows = [(f"entry {n}", entry) for n, entry in enumerate(entries, 1)]
    for place, row in rows:
        if not isinstance(row, dict):
            raise ValueError(f'{name}, {place}: is not an object, as in {{"text": "Hello"}}.')
        yield place, row


def _parsed(text: str, name: str, first_line: int = 1) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise ValueError(f"{name} is not JSON: line {line}, column {error.colno}: {error.msg}.") from None


def _read_csv(file: TextIO, name: str, sep: str) -> pd.DataFrame:
    csv.field_size_limit(2**31 - 1)  # a cell may hold a whole book
    reader = csv.DictReader(file, delimiter=sep, skipinitialspace=True, strict=True)
    rows, columns, problem = {}, [""], ""
    try:
        columns = list(reader.fieldnames or [])
        begins = reader.line_num + 1
        for row in reader:
            if None in row:
                problem = problem or f": line {begins}: has more cells than the {len(columns)} of the first line"
            rows[f"line {begins}"] = {name: value or None for name, value in row.items()}
            begins = reader.line_num + 1  # a text in quotes may go over several lines
    except csv.Error as error:
        problem = f": line {reader.reader.line_num}: {error}"
    if problem or (len(columns) == 1 and any(mark in columns[0] for mark in ";\t|")):
        raise ValueError(
            f"{name} does not fall into its columns {columns} with sep={sep!r}{problem}. Texts that contain {sep!r} "
            "must stand in double quotes, and a double quote in them is written twice. If another character separates "
            "the columns, name it, for example sep=';'."
        )
    return _frame(rows, columns)


def read_texts(
    path: str | Path, *, text_column: str | None = None, label_column: str | list[str] | None = None, sep: str = ","
) -> pd.DataFrame:
    """Read your own texts from a CSV file with a header line, in UTF-8.

    Parameters
    ----------
    path : str or Path
        The file.
    text_column : str, optional
        The column with the texts. Default: the one called ``text``, else the first.
    label_column : str or list of str, optional
        A column to colour by. Default: the one called ``label``, if there is one. Those of a list keep their names.
    sep : str, default ","
        The character between the columns. Excel writes ``";"`` in countries whose decimals have a comma.

    Returns
    -------
    DataFrame
        Column ``text`` and, where there is one, ``label``, in which numbers are numbers; or the columns of the list.
        Rows without a text are left out and logged; "None" and "NA" are texts.

    Raises
    ------
    ValueError
        If the file is empty, is not UTF-8, does not fall into columns, or lacks the column; the message names the
        columns that are there.

    Examples
    --------
    >>> from pathlib import Path
    >>> from course_utils.data import read_texts
    >>> Path("notes.csv").write_text("id,words,score\\n1,Hello,3\\n2,Bye,4\\n", encoding="utf-8")
    33
    >>> read_texts("notes.csv", text_column="words", label_column="score").to_dict("list")
    {'text': ['Hello', 'Bye'], 'label': [3, 4]}
    """
    table, file = read_table(path, sep=sep), Path(path).name
    columns = list(table.columns)
    if not columns:
        raise ValueError(f"{file} is empty.")
    text_column = text_column or ("text" if "text" in columns else columns[0])
    if label_column is None:
        label_column = "label" if "label" in columns else []
    labels = {"label": label_column} if isinstance(label_column, str) else {name: name for name in label_column}
    for name, column in (("text_column", text_column), *(("label_column", column) for column in labels.values())):
        if column not in columns:
            raise ValueError(f"{name}={column!r} is not in {file}, which has the columns {columns}.")
    has_text = table[text_column].notna() & (table[text_column].astype(str).str.strip() != "")
    if not has_text.any():
        raise ValueError(f"Column {text_column!r} of {file} holds no text.")
    if not has_text.all():
        logger.warning("%d of %d rows of %s have no text and are left out.", sum(~has_text), len(table), file)
    kept = table[has_text].reset_index(drop=True)
    frame = pd.DataFrame({"text": kept[text_column].astype(str)})
    for name, column in labels.items():
        numbers = pd.to_numeric(kept[column], errors="coerce")
        frame[name] = numbers if numbers.notna().equals(kept[column].notna()) else kept[column].infer_objects()
    frame.attrs["source"] = file
    return frame
