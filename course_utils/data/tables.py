"""Files of users become tables: CSV, TSV, JSON, JSONL, Excel, Parquet, any of them in gzip, and folders of `datasets`.

:func:`read_table` is the one reader. It finds out how a file is written, says aloud what it had to assume, and refuses
what can be read in two ways. It keeps for each row where it stands in the file, so that whoever checks the rows can
name what is wrong by its line; what the columns hold is told apart in :mod:`course_utils.data.columns`.
"""

import codecs
import csv
import gzip
import importlib
import io
import json
import re
import sys
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

#: What files of rows are called; how one is written is seen in its content.
SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".gz")
# names of columns that no data would have
_PLAIN_NAMES = {"text", "label", "score", "id", "query", "pos", "neg", "question", "answer", "title"}
_SEPARATORS = [",", ";", "\t", "|"]
_SAMPLE = 1000  # rows in which a header is told from data
_DATE = r"(?<=\d)[TZ](?=\d|$)|\b(mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b"
_NO_WORDS = re.compile(_DATE + r"|(?<![a-z])(am|pm|utc|gmt|[cemp][ds]?t)\b|^[-+]?[\d.]+e[-+]?\d+$", re.IGNORECASE)
# the keys by which other tools' files of questions and answers are known
_OTHER_FORMS = {"relevant_docs": ", which is LlamaIndex's form", "version": ", which is SQuAD's form"}
_WANTED = 'a list of objects, or an object a line: {"text": "Hello"}; for pairs {"query": "Where?", "pos": "Here"}'

Row = tuple[int, list]  # where it stands in the file, from 1, and its cells


def read_table(
    path: str | Path, *, sep: str = "auto", encoding: str = "auto", columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Read a file of rows, however it is written; what is assumed is printed.

    Parameters
    ----------
    path : str or Path
        The file; or a folder that ``save_to_disk`` of the package datasets wrote.
    sep : str, default "auto"
        The character between the columns of a text file; "auto" finds comma, semicolon, tab and bar.
    encoding : str, default "auto"
        How its characters are stored, as Python names it ("cp1251"). "auto" takes UTF-8 and UTF-16, and where a file
        is neither, cp1252 (western European Windows), which is said.
    columns : sequence of str, optional
        Names of the columns of a file without a header; in one string with commas between them, too.

    Returns
    -------
    DataFrame of objects
        The index says where each row stands ("line 3", of JSON "entry 3", else "row 3"). Cells of a text file are
        strings; those of other files are what they are. An empty cell, and what an object of JSON lacks, is None.
        Blanks around names are gone, columns without name and content too; a name that comes twice gets a number.

    Raises
    ------
    ValueError
        If there is no such file, or it is no table or could be read in two ways; the message names the line and the
        parameter that helps.

    Examples
    --------
    >>> from pathlib import Path
    >>> from course_utils.data.tables import read_table
    >>> Path("notes.csv").write_text("text;label\\nHello, you;\\n", encoding="utf-8")
    24
    >>> read_table("notes.csv").to_dict("index")
    {'line 2': {'text': 'Hello, you', 'label': None}}
    """
    path, columns = Path(path).expanduser(), columns.split(",") if isinstance(columns, str) else columns
    if path.is_dir():
        return _frame(_arrow_rows(path), "row")
    if not path.is_file():
        raise ValueError(
            f"There is no file {path.name!r} where the path leads to. A relative path starts in the current folder, "
            f"here {Path.cwd().name}."
        )
    data, name = path.read_bytes(), path.name
    if data.startswith(b"\x1f\x8b"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{name} is a damaged gzip file: {error}. Fetch or pack it again.") from None
    if data.startswith(b"PAR1"):
        return _frame(_needs("pyarrow.parquet", name).read_table(io.BytesIO(data)).to_pylist(), "row")
    if data.startswith(b"PK\3\4"):
        rows = _sheet(data, name)
        return _named(rows, name, columns, "row", _header_at(rows))
    text, suffix = _decoded(data, name, encoding), Path(name.lower().removesuffix(".gz")).suffix
    if suffix in (".json", ".jsonl", ".ndjson") or _is_json(text):
        return _read_json(text, name, lines=suffix in (".jsonl", ".ndjson"))
    rows, header = _read_csv(text, name, sep, suffix, columns is None)
    return _named(rows, name, columns, "line", header)


def tell(message: str) -> None:
    """Print a line on any console: what its encoding lacks is shown as a question mark."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(message.encode(encoding, "replace").decode(encoding))


def is_value(cell: Any) -> bool:
    """Tell whether a cell holds a number, a date or a time, and no words."""
    if not isinstance(cell, str):
        return cell is not None
    return bool(re.search(r"\d", cell)) and not re.search(r"[^\W\d_]", _NO_WORDS.sub("", cell.strip()))


# --- what is no plain text ------------------------------------------------------------------------------------------


def _needs(module: str, name: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        command = 'python -m pip install -c constraints.txt -e ".[files]"'
        raise ValueError(f"Reading {name} needs the package {module.partition('.')[0]}: {command}") from None


def _arrow_rows(folder: Path) -> list[dict]:
    """What datasets' save_to_disk wrote: state.json lists the files of one part."""
    if not (folder / "state.json").is_file():
        inside = ", ".join(sorted(path.name for path in folder.glob("[!.]*"))[:10])
        raise ValueError(f"{folder.name} is a folder of {inside or 'nothing'}. Name one of them, as FOLDER/NAME.")
    arrow = _needs("pyarrow", folder.name)
    files = json.loads((folder / "state.json").read_text(encoding="utf-8"))["_data_files"]
    tables = [arrow.ipc.open_stream((folder / file["filename"]).read_bytes()).read_all() for file in files]
    return arrow.concat_tables(tables).to_pylist()


def _sheet(data: bytes, name: str) -> list[Row]:
    openpyxl = _needs("openpyxl", name)
    try:
        sheets = openpyxl.load_workbook(io.BytesIO(data), data_only=True).worksheets
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ValueError(f"{name} is no whole workbook ({error}). Save it as .xlsx, or as 'CSV UTF-8'.") from None
    if len(sheets) > 1:
        tell(f"{name}: of its {len(sheets)} sheets the first, {sheets[0].title!r}, is read")
    rows = enumerate(sheets[0].iter_rows(values_only=True), 1)
    return [(number, list(cells)) for number, cells in rows if any(cell is not None for cell in cells)]


def _decoded(data: bytes, name: str, encoding: str) -> str:
    codec = _likely_codec(data) if encoding == "auto" else encoding
    try:
        text = data.decode(codec).removeprefix("\ufeff")
        if "\0" in text:
            raise UnicodeError("it holds zero bytes")
    except (UnicodeError, LookupError) as error:
        raise ValueError(
            f"{name} cannot be read with encoding={encoding!r} ({error}). Name the right one, or save the file as "
            "UTF-8, which Excel calls 'CSV UTF-8'."
        ) from None
    if encoding == "auto" and codec != "utf-8":
        hint = ". Are letters wrong? Name encoding=, for example 'cp1251'" if codec == "cp1252" else ""
        tell(f"{name}: is not in UTF-8 and is read as {codec}{hint}")
    return text


def _likely_codec(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    first, second = data[::2].count(0), data[1::2].count(0)  # one is the rule for letters in UTF-16
    if 8 * max(first, second) > len(data):
        return "utf-16-le" if second > first else "utf-16-be"
    with suppress(UnicodeDecodeError):
        data.decode()
        return "utf-8"
    return "cp1252"


# --- JSON -----------------------------------------------------------------------------------------------------------


def _is_json(text: str) -> bool:
    try:
        return text.lstrip()[:1] in ("{", "[") and json.JSONDecoder().raw_decode(text.lstrip())[1] > 0
    except json.JSONDecodeError:
        return False


def _read_json(text: str, name: str, lines: bool) -> pd.DataFrame:
    """A list of objects, or an object a line, whichever it is; ``lines`` is what the name of the file promises."""
    rows: Any
    try:
        rows, word = json.loads(text), "entry"
    except json.JSONDecodeError as error:
        if error.msg != "Extra data" and not lines:
            raise _no_json(name, error) from None
        rows, word = {}, "line"
        for number, line in enumerate(text.split("\n"), 1):
            try:
                rows |= {number: json.loads(line)} if line.strip() else {}
            except json.JSONDecodeError as error:
                raise _no_json(name, error, number) from None
    else:
        rows, word = ([rows], "line") if isinstance(rows, dict) and lines else (rows, word)
        if not isinstance(rows, list):
            form = next((form for key, form in _OTHER_FORMS.items() if key in rows), "")
            keys = ", ".join(map(repr, islice(rows, 8)))
            raise ValueError(f"{name} should hold {_WANTED}. It holds one object with {keys}{form}.")
        rows = dict(enumerate(rows, 1))
    for number, row in rows.items():
        if not isinstance(row, dict):
            raise ValueError(f"{name}, {word} {number}: is not an object. Wanted is {_WANTED}.")
    return _frame(rows.values(), word, rows)


def _no_json(name: str, error: json.JSONDecodeError, line: int = 1) -> ValueError:
    return ValueError(f"{name} is not JSON: line {line + error.lineno - 1}, column {error.colno}: {error.msg}.")


def _frame(rows: Iterable[dict], word: str, numbers: Iterable[int] | None = None) -> pd.DataFrame:
    rows = list(rows)
    index = [f"{word} {number}" for number in numbers or range(1, len(rows) + 1)]
    table = pd.DataFrame(rows, index=index, dtype=object)
    return table.where(table.notna(), None)


# --- rows of cells --------------------------------------------------------------------------------------------------


class _Split(NamedTuple):
    """A text under one separator: its rows, which of them is the header, and the first thing that does not fit."""

    sep: str
    rows: list[Row]
    header: int
    names: list[str]
    problem: str


def _read_csv(text: str, name: str, sep: str, suffix: str, has_header: bool) -> tuple[list[Row], int]:
    """All rows of a text, and which of them is the header."""
    csv.field_size_limit(2**31 - 1)  # a cell may hold a whole book
    excel = re.match(r'"?sep=(.)"?\s*?(\r\n|\n|\r)', text)  # the first line of some of Excel's files
    marks = [excel[1]] if excel else ["\t"] if suffix in (".tsv", ".tab") else _SEPARATORS
    marks = [sep] if sep != "auto" else marks[:1] + [mark for mark in marks[1:] if mark in text[: 2**16]]
    tried = [_split(text, mark, int(excel is not None)) for mark in marks]
    fitting = [split for split in tried if len(split.names) > 1 and not split.problem]
    if len(fitting) > 1:
        ways = " and by ".join(repr(split.sep) for split in fitting)
        raise ValueError(f"{name} falls into columns by {ways}. Name the right one, for example sep={marks[0]!r}.")
    found = (fitting or [max(tried, key=lambda split: len(split.names))])[0]
    if found.problem:
        header = [cell.strip() for cell in found.names]
        _check_header(header, found.rows[found.header + 1 :] if has_header else [], name)
        raise ValueError(
            f"{name} does not fall into its columns {header} with sep={found.sep!r}: {found.problem}. Texts that "
            f"contain {found.sep!r} must stand in double quotes, and a double quote in them is written twice. If "
            "another character separates the columns, name it, for example sep=';'."
        )
    return found.rows, found.header


def _split(text: str, sep: str, skip: int) -> _Split:
    """Split a text; a quote in quotes is doubled, or stands after a backslash if only that gives columns."""
    plain = _split_as(text, sep, skip)
    if plain.names[1:] and all(cell.startswith(" ") for cell in plain.names[1:]):  # a, b, c
        plain = _split_as(text, sep, skip, skipinitialspace=True)
    escaped = _split_as(text, sep, skip, escapechar="\\") if '\\"' in text else plain
    if escaped.problem or plain.rows == escaped.rows:
        return plain
    twice = 'quotes after a backslash, \\", can be read in two ways; write them twice, ""'
    return escaped if plain.problem else plain._replace(problem=twice)


def _split_as(text: str, sep: str, skip: int, **dialect: Any) -> _Split:
    rows: list[Row] = []
    problem, begins = "", 1
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=sep, strict=True, **dialect)
    except (TypeError, ValueError):
        raise ValueError(f"sep={sep!r} must be one character, or 'auto'.") from None
    try:
        for cells in reader:
            if cells and begins > skip:
                rows.append((begins, cells))
            begins = reader.line_num + 1  # a text in quotes may go over several lines
    except csv.Error as error:
        problem = f"line {reader.line_num}: {error}"
    header = _header_at(rows)
    names = rows[header][1] if rows else []
    least = max((place for place, cell in enumerate(names, 1) if cell.strip()), default=0)
    for line, cells in rows[header + 1 :]:
        more = any(cell.strip() for cell in cells[len(names) :])
        if more or len(cells) < least:
            count = "more cells than the" if more else f"{len(cells)} cells, fewer than the"
            problem = f"line {line}: has {count} {len(names)} of the first line"
            break
    return _Split(sep, rows, header, names, problem)


def _header_at(rows: list[Row]) -> int:
    """Where the header stands: in the first row, or below titles, which have words in their first cell only."""
    filled = [[str(cell) for cell in cells if cell is not None and str(cell).strip()] for _, cells in rows[:6]]
    at = next((place for place, cells in enumerate(filled[:-1]) if len(cells) > 1), 0)
    titles, header = filled[:at], filled[at] if filled else []
    is_title = at and all(len(cells) == 1 and len(cells[0].split()) > 1 for cells in titles)
    like_names = len(set(header)) == len(header) and not any(cell[:1].isspace() or is_value(cell) for cell in header)
    return at if is_title and like_names else 0


def _named(rows: list[Row], name: str, columns: Sequence[str] | None, word: str, at: int) -> pd.DataFrame:
    """Make a table of rows, of which the one at this place names the columns, if ``columns`` does not."""
    rows = [(number, [None if cell == "" else cell for cell in cells]) for number, cells in rows]
    if columns is not None:
        widest = max((len(cells) for _, cells in rows), default=0)
        if len(columns) != widest:
            raise ValueError(f"columns= has {len(columns)} names, and {name} has {widest} columns.")
        rows, at = [(0, list(columns)), *rows], 0
    if at:
        above = ", ".join(repr(str(cells[0]).strip()) for _, cells in rows[:at])
        tell(f"{name}: {above} above the header is taken for a title and left out")
    header = ["" if cell is None else str(cell).strip() for cell in (rows[at][1] if rows else [])]
    body = rows[at + 1 :]
    if columns is None:
        again = body[: _extra_headers(body)]
        again += [row for row in body[len(again) :] if len(header) > 1 and row[1] == rows[at][1]]
        if again:
            lines = ", ".join(str(number) for number, _ in again)
            tell(f"{name}: {word} {lines} names or describes the columns once more and is left out")
            body = [row for row in body if row not in again]
        _check_header(header, body, name)
    if any(len(cells) > len(header) for _, cells in body):
        tell(f"{name}: rows end in separators without a cell, which are left out")
    names = [cell or f"column {place}" for place, cell in enumerate(header, 1)]
    names = [cell if cell not in names[:place] else f"{cell} ({place + 1})" for place, cell in enumerate(names)]
    cells = [(row + [None] * len(names))[: len(names)] for _, row in body]
    table = pd.DataFrame(cells, index=[f"{word} {number}" for number, _ in body], columns=names, dtype=object)
    nameless = [column for column, cell in zip(names, header, strict=True) if not cell]
    table = table.drop(columns=[column for column in nameless if table[column].isna().all()])
    for column in (column for column in table if column not in header):
        tell(f"{name}: {column!r} is a column without a name of its own, and holds {table[column].count()} cells")
    return table


def _extra_headers(body: list[Row]) -> int:
    """How many rows below the header describe the columns once more: marked as Qualtrics and SurveyMonkey do it."""
    if body and body[0][1][0] is None and {"Response", "Open-Ended Response"} & set(map(str, body[0][1])):
        return 1
    marked = [place for place, (_, cells) in enumerate(body[:3], 1) if any('"ImportId"' in str(cell) for cell in cells)]
    return max(marked, default=0)


def _check_header(header: list[str], body: list[Row], name: str) -> None:
    """Refuse a first line that names no columns: numbers, dates, prose, cells of the rows below; or a title."""
    if not body or _PLAIN_NAMES & {cell.casefold() for cell in header}:
        return
    columns = [[cell for cell in column if cell] for column in zip_longest(*(row for _, row in body[:_SAMPLE]))]
    n_words = len(header[0].split()) if len(header) == 1 and not header[0].endswith("?") else 0
    is_prose = n_words > (2 if header[0].endswith((".", "!")) else 4)
    is_title = any(str(cell).strip().casefold() == "text" for _, row in body[:5] for cell in row)
    is_date = re.match(r"\W?\d{1,4}[-./]\d{1,2}[-./]\d{1,4}\b", header[0])
    again = [cell and 5 * column.count(cell) >= len(column) > 0 for cell, column in zip(header, columns, strict=False)]
    if is_prose or is_title or is_date or any(again) or any(map(is_value, header)):
        raise ValueError(
            f"The first line of {name} looks like data: {', '.join(map(repr, header[:6]))}. Wanted is a line with a "
            "short name for each column, then a row a text. Put one above it, or give the names as columns=."
        )
