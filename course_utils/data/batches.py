"""A corpus of any size, a batch of rows at a time: what is in memory does not grow with the file.

Parquet, CSV and JSON lines are read in parts. How a long file of text is written is found out in its beginning, by the
same rules as :mod:`course_utils.data.tables` reads short ones, and the rest has to follow.
"""

import csv
import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from course_utils.data.columns import find_column, find_text_column, rows_with_text, say_kept
from course_utils.data.headers import Row, fold
from course_utils.data.json_rows import json_rows
from course_utils.data.tables import (
    Names,
    Split,
    column_names,
    decoded,
    frame,
    likely_codec,
    misfit,
    named,
    needs,
    off_count,
    read_table,
    split_csv,
)

ROWS = 10_000  # rows of a batch at most,
LETTERS = 2**22  # and letters of text, if a row has no more
HEAD = 2**22  # bytes in which is found out how a file is written
WHOLE = 2**25  # a file of so many bytes is read at once
Tables = Callable[[list[str]], Iterator[pd.DataFrame]]  # with at least these columns


def read_batches(
    path: str | Path, *, text_column: str | None = None, id_column: str | None = None, **reading: Any
) -> Iterator[pd.DataFrame]:
    """Read the texts of a file of any size, in its order; what was taken is printed.

    Parameters
    ----------
    path : str or Path
        What :func:`course_utils.data.read_texts` reads. Parquet, CSV and lines of JSON are read in parts, also in
        gzip; the rest whole.
    text_column : str, optional
        As for :func:`course_utils.data.read_texts`; without a name the first rows decide.
    id_column : str, optional
        A column with a name for each text.
    **reading
        ``sep``, ``encoding``, ``columns``: see :func:`course_utils.data.tables.read_table`.

    Yields
    ------
    DataFrame
        Up to 10,000 rows, ``id`` and ``text``, both strings. Rows without a text are left out. Without ``id_column``
        an id is the file's name and the line (of Parquet and workbooks the row), ``texts.csv:2``.

    Raises
    ------
    ValueError
        As :func:`course_utils.data.read_texts`, when the part that is wrong is reached; and if a text has no id.

    Examples
    --------
    >>> from pathlib import Path
    >>> from course_utils.data import read_batches
    >>> Path("notes.csv").write_text("text,label\\nHello,1\\nBye,2\\n", encoding="utf-8")
    25
    >>> [batch.to_dict("list") for batch in read_batches("notes.csv")]
    notes.csv: texts from column 'text', 2 of 2 rows
    [{'id': ['notes.csv:2', 'notes.csv:3'], 'text': ['Hello', 'Bye']}]
    """
    path = Path(path).expanduser()
    sample, tables = _opened(path, [text_column, id_column], **reading)
    column = find_text_column(sample, text_column, path.name)
    name = find_column(sample, id_column, "id_column", path.name) if id_column else None
    n_rows = n_kept = 0
    for table in tables([column, *([name] if name else [])]):
        kept = rows_with_text(table, column, path.name)
        ids = [f"{path.name}:{place.rpartition(' ')[2]}" for place in kept.index]
        if name is not None:
            lacking = kept.index[kept[name].isna()]
            if len(lacking):
                raise ValueError(
                    f"{path.name}, {lacking[0]}, column {name!r}: is empty; wanted is an id for each text."
                )
            ids = [str(cell) for cell in kept[name]]
        n_rows, n_kept = n_rows + len(table), n_kept + len(kept)
        if len(kept):
            yield pd.DataFrame({"id": ids, "text": kept["text"].tolist()}, dtype=object)
    say_kept(path.name, column, n_kept, n_rows)


def _opened(path: Path, expected: Sequence[str | None], **reading: Any) -> tuple[pd.DataFrame, Tables]:
    """Rows by which columns are chosen, and all rows in tables of a batch each."""
    head = b""
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(4)
    if head == b"PAR1":
        return _parquet(path)
    packed = head[:2] == b"\x1f\x8b"
    if head and head != b"PK\3\4" and path.stat().st_size > (WHOLE // 8 if packed else WHOLE):
        found = _long(path, gzip.open if packed else open, expected, **reading)
        if found:
            return found
    table = read_table(path, expected=expected, **reading)
    return table, lambda columns: (table.iloc[start : start + ROWS] for start in range(0, len(table), ROWS))


def _parquet(path: Path) -> tuple[pd.DataFrame, Tables]:
    parquet = needs("pyarrow.parquet", path.name)

    def tables(columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
        n_rows = 0
        try:
            with parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(ROWS, columns=columns):
                    yield frame(batch.to_pylist(), "row", range(n_rows + 1, n_rows + len(batch) + 1))
                    n_rows += len(batch)
                if not n_rows:
                    yield pd.DataFrame(columns=file.schema_arrow.names, dtype=object)
        except (OSError, ValueError) as error:  # pyarrow's own are of these kinds
            raise ValueError(
                f"{path.name} cannot be read as Parquet ({str(error).splitlines()[0]}). Write it anew."
            ) from None

    return next(tables()), tables


def _long(
    path: Path,
    opener: Callable[..., Any],
    expected: Sequence[str | None],
    *,
    sep: str = "auto",
    encoding: str = "auto",
    columns: Names | str = None,
) -> tuple[pd.DataFrame, Tables] | None:
    """A long file of CSV or lines of JSON; None if it has to be read whole, or is wrong in its beginning."""
    with suppress(OSError, EOFError, zlib.error), opener(path, "rb") as file:
        start = file.read(HEAD)
        start = start[: start.rfind(b"\n") + 1]  # no letter is cut in two
        codec = likely_codec(start) if encoding == "auto" else encoding
        if start and "16" not in codec and "32" not in codec:
            text = decoded(start, path.name, encoding)
            read = partial(opener, path, "rt", encoding="utf-8-sig" if codec == "utf-8" else codec)
            suffix = Path(path.name.lower().removesuffix(".gz")).suffix
            if suffix in (".json", ".jsonl", ".ndjson") or text.lstrip()[:1] in ("{", "["):
                return _json_lines(read, text, path.name)
            names = [name.strip() for name in columns.split(",")] if isinstance(columns, str) else columns
            return _csv(read, text, path.name, sep, suffix, names, {fold(name) for name in expected if name})
    return None


def _json_lines(read: Callable[..., Any], text: str, name: str) -> tuple[pd.DataFrame, Tables] | None:
    with suppress(ValueError):
        rows, word = json_rows(text, name, lines=False)
        if word == "line":
            return frame(rows.values(), word, rows), partial(_lines, read, name)
    return None


def _lines(read: Callable[..., Any], name: str, columns: list[str]) -> Iterator[pd.DataFrame]:
    with _until_damage(name), read(newline="\n") as file:
        first = 1
        for lines in _batched(file, len):
            part = "".join(lines)
            rows, word = json_rows(part, name, lines=True, first=first) if part.strip() else ({}, "")
            table = frame(rows.values(), word, rows).reindex(columns=columns)
            yield table.where(table.notna(), None)
            first += len(lines)


def _csv(
    read: Callable[..., Any], text: str, name: str, sep: str, suffix: str, given: Names, wanted: set[str]
) -> tuple[pd.DataFrame, Tables] | None:
    found = split_csv(_closed(text), name, sep, suffix, given, wanted)
    table = named(found.rows, name, given, "line", found.header, wanted)
    if table.empty:
        return None
    header = [cell.strip() for cell in found.rows[found.header][1]] if given is None else list(given)
    least = max((place for place, cell in enumerate(header, 1) if cell), default=0)

    def tables(columns: list[str]) -> Iterator[pd.DataFrame]:
        places = [column_names(header).index(column) for column in columns]
        rows = _rows(read, name, found, header, least, begin=int(table.index[0].split()[1]))
        for batch in _batched(rows, lambda row: sum(map(len, row[1]))):
            cells = [[row[place] or None if place < len(row) else None for place in places] for _, row in batch]
            yield pd.DataFrame(cells, [f"line {line}" for line, _ in batch], columns, dtype=object)

    return table, tables


def _batched(rows: Iterable[Any], n_letters: Callable[[Any], int]) -> Iterator[list]:
    batch, letters = [], 0
    for row in rows:
        batch.append(row)
        letters += n_letters(row)
        if len(batch) == ROWS or letters > LETTERS:
            yield batch
            batch, letters = [], 0
    if batch:
        yield batch


def _closed(text: str) -> str:
    """Up to the last line's end with an even number of quotes before it: no text in quotes is open there."""
    n_quotes, end = text.count('"'), len(text)
    while n_quotes % 2 and (before := text.rfind("\n", 0, end - 1) + 1):
        n_quotes, end = n_quotes - text.count('"', before, end), before
    return text[:end] if n_quotes % 2 == 0 else text


def _rows(
    read: Callable[..., Any], name: str, found: Split, header: list[str], least: int, begin: int
) -> Iterator[Row]:
    """The rows of a CSV file from this line on, each where it begins."""
    names, line = found.rows[found.header][1], 1
    with _until_damage(name), read(newline="") as file:
        reader = csv.reader(file, delimiter=found.sep, strict=True, **found.dialect)
        try:
            for cells in reader:
                if cells and line >= begin and (cells != names or len(names) == 1):
                    if off := off_count((line, cells), len(header), least):
                        raise misfit(name, found.sep, header, off)
                    yield line, cells
                line = reader.line_num + 1
        except csv.Error as error:
            raise misfit(name, found.sep, header, f"line {reader.line_num}: {error}") from None


@contextmanager
def _until_damage(name: str) -> Iterator[None]:
    """Say what is wrong with bytes that are reached late."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} begins in {error.encoding}, and holds bytes later on that are none of it. Name the right one, as "
            "encoding=, or save the file as UTF-8."
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{name} is a damaged gzip file: {error}. Fetch or pack it again.") from None
