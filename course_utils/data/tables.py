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
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from course_utils.data.console import tell
from course_utils.data.headers import Row, check_header, extra_headers, fold, header_at, is_name
from course_utils.data.json_rows import is_json, json_rows

#: What files of rows are called; how one is written is seen in its content.
SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".gz")
# how files begin that are no tables
_NO_TABLES = {
    b"%PDF": "a PDF file",
    b"\xd0\xcf\x11\xe0": "an old workbook or document (.xls, .doc)",
    b"{\\rtf": "a document (RTF)",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"<?xml": "an XML file",
    b"SQLite format": "a database (SQLite)",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"version https://git-lfs": "a pointer of Git LFS in the place of a file",
    b"WEBVTT": "a file of subtitles",
}
Names = Sequence[str] | None
_SEPARATORS = [",", ";", "\t", "|"]
_NO_SEPARATOR = "\x1f"  # made to separate, and in no text
_SAVE_AS = "Save it as .xlsx, or as 'CSV UTF-8'."


def read_table(
    path: str | Path,
    *,
    sep: str = "auto",
    encoding: str = "auto",
    columns: str | Sequence[str] | None = None,
    expected: Iterable[str | None] = (),
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
    columns : str or sequence of str, optional
        Names of the columns of a file without a header, as a list or with commas between. With one name every line is
        a text, whatever it holds.
    expected : iterable of str, optional
        Names that the caller asks for: a line that holds one of them is the header.

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
    path = Path(path).expanduser()
    columns = [name.strip() for name in columns.split(",")] if isinstance(columns, str) else columns
    wanted = {name.strip().casefold() for name in expected if name}
    if path.is_dir():
        return frame(_arrow_rows(path), "row")
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
        return frame(_parquet(data, name), "row")
    if data.startswith(b"PK\3\4"):
        rows = _sheet(data, name)
        return named(rows, name, columns, "row", header_at(rows, wanted), wanted)
    start = data[:100].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    for begins, kind in _NO_TABLES.items():
        if start.startswith(begins.lower()):
            raise ValueError(f"{name} is {kind} and no table. {_SAVE_AS}")
    text, suffix = decoded(data, name, encoding), Path(name.lower().removesuffix(".gz")).suffix
    if suffix in (".json", ".jsonl", ".ndjson") or is_json(text):
        objects, word = json_rows(text, name, lines=suffix in (".jsonl", ".ndjson"))
        return frame(objects.values(), word, objects)
    found = split_csv(text, name, sep, suffix, columns, wanted)
    return named(found.rows, name, columns, "line", found.header, wanted)


# --- what is no plain text ------------------------------------------------------------------------------------------


def needs(module: str, name: str) -> Any:
    """Import what reads files of this kind, or name the way to it."""
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
    arrow = needs("pyarrow", folder.name)
    files = json.loads((folder / "state.json").read_text(encoding="utf-8"))["_data_files"]
    tables = [arrow.ipc.open_stream((folder / file["filename"]).read_bytes()).read_all() for file in files]
    return arrow.concat_tables(tables).to_pylist()


def _sheet(data: bytes, name: str) -> list[Row]:
    """Rows of the first sheet with columns, or else with anything, that is not hidden."""
    openpyxl = needs("openpyxl", name)
    try:
        sheets = openpyxl.load_workbook(io.BytesIO(data), data_only=True).worksheets
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ValueError(f"{name} is no whole workbook ({error}). {_SAVE_AS}") from None
    found: dict[str, list[Row]] = {}
    for sheet in (sheet for sheet in sheets if sheet.sheet_state == "visible"):
        rows = enumerate(sheet.iter_rows(values_only=True), 1)
        found[sheet.title] = [(number, list(row)) for number, row in rows if any(cell is not None for cell in row)]
    wide = [title for title, rows in found.items() if any(sum(cell is not None for cell in row) > 1 for _, row in rows)]
    read = [*wide, *(title for title, rows in found.items() if rows), *found][0]
    if len(sheets) > 1:
        tell(f"{name}: of its {len(sheets)} sheets {read!r} is read")
    return found[read]


def _parquet(data: bytes, name: str) -> list[dict]:
    parquet = needs("pyarrow.parquet", name)
    try:
        return parquet.read_table(io.BytesIO(data)).to_pylist()
    except (OSError, ValueError) as error:  # pyarrow's own are of these kinds
        raise ValueError(f"{name} cannot be read as Parquet ({str(error).splitlines()[0]}). Write it anew.") from None


def decoded(data: bytes, name: str, encoding: str) -> str:
    """The characters of a file; what was assumed is said."""
    codec = likely_codec(data) if encoding == "auto" else encoding
    try:
        text = re.sub("(^|[\r\n])\ufeff+", r"\1", data.decode(codec))  # in the middle where files were joined
        if "\0" in text:
            raise UnicodeError("it holds zero bytes")
        n_plain, n_letters = len(re.findall("[A-Za-z]", text)), sum(map(str.isalpha, text))
        if codec == "cp1252" and encoding == "auto" and 2 * n_plain < n_letters:
            raise UnicodeError("it is not in UTF-8, and not in western European letters")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{name}, line {line}: holds bytes that are none of encoding={codec!r}. Name the right one, such as "
            "'cp1251', or save the file as UTF-8, which Excel calls 'CSV UTF-8'."
        ) from None
    except (UnicodeError, LookupError) as error:
        raise ValueError(
            f"{name} cannot be read with encoding={encoding!r} ({error}). Name the right one, such as 'cp1251', or "
            "save the file as UTF-8, which Excel calls 'CSV UTF-8'."
        ) from None
    if encoding == "auto" and codec != "utf-8":
        hint = ". Are letters wrong? Name encoding=, for example 'cp1251'" if codec == "cp1252" else ""
        tell(f"{name}: is not in UTF-8 and is read as {codec}{hint}")
    return text


def likely_codec(data: bytes) -> str:
    """How characters are probably stored: UTF-8, UTF-16 or cp1252."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    first, second = data[::2].count(0), data[1::2].count(0)  # one is the rule for letters in UTF-16
    if 8 * max(first, second) > len(data):
        return "utf-16-le" if second > first else "utf-16-be"
    text = data.decode(errors="replace")
    n_wrong = text.count("\ufffd")
    # a few wrong bytes among many right ones are damage
    return "cp1252" if n_wrong and 2 * n_wrong > sum(letter > "\x7f" for letter in text) else "utf-8"


def frame(rows: Iterable[dict], word: str, numbers: Iterable[int] | None = None) -> pd.DataFrame:
    """A table of objects, each row called by a word and its number."""
    rows = list(rows)
    index = [f"{word} {number}" for number in numbers or range(1, len(rows) + 1)]
    table = pd.DataFrame(rows, index=index, dtype=object)
    return table.where(table.notna(), None)


# --- rows of cells --------------------------------------------------------------------------------------------------


class Split(NamedTuple):
    """A text under one separator: its rows, which of them is the header, and the first thing that does not fit."""

    sep: str
    rows: list[Row]
    header: int
    names: list[str]
    problem: str
    dialect: dict[str, Any]
    bare: bool = False


def split_csv(text: str, name: str, sep: str, suffix: str, columns: Names, wanted: set[str]) -> Split:
    """All rows of a text, which of them is the header, and how they are written."""
    sep = "\t" if sep == "\\t" else sep
    csv.field_size_limit(2**31 - 1)  # a cell may hold a whole book
    # the first line of some of Excel's files
    excel = re.match(r'"?sep=(.)\1*"?\s*?(\r\n|\n|\r)', text, re.IGNORECASE)
    marks = [excel[1]] if excel else ["\t"] if suffix in (".tsv", ".tab") else _SEPARATORS
    marks = [sep] if sep != "auto" else marks[:1] + [mark for mark in marks[1:] if mark in text[: 2**16]]
    marks = [_NO_SEPARATOR] if sep == "auto" and columns is not None and len(columns) == 1 else marks
    tried = [_split(text, mark, int(excel is not None), wanted) for mark in marks]
    fitting = [split for split in tried if len(split.names) > 1 and not split.problem]
    if len(fitting) > 1:
        ways = " and by ".join(repr(split.sep) for split in fitting)
        raise ValueError(f"{name} falls into columns by {ways}. Name the right one, for example sep={marks[0]!r}.")
    found = (fitting or [max(tried, key=lambda split: len(split.names))])[0]
    is_named = found.problem and len(found.names) == 1 and (is_name(found.names[0]) or fold(found.names[0]) in wanted)
    if is_named and suffix == ".txt":
        alone = _split(text, _NO_SEPARATOR, int(excel is not None), wanted)  # one column, whatever its texts hold
        found = found if alone.problem else alone
    if found.problem:
        header = [cell.strip() for cell in found.names]
        check_header(header, found.rows[found.header + 1 :] if columns is None else [], name, wanted)
        raise misfit(name, found.sep, header, found.problem)
    if found.bare:
        tell(f"{name}: double quotes are read as parts of the texts")
    return found


def misfit(name: str, sep: str, header: list[str], problem: str) -> ValueError:
    """What to say of a text that does not fall into columns."""
    return ValueError(
        f"{name} does not fall into its columns {header} with sep={sep!r}: {problem}. Texts that contain {sep!r} must "
        "stand in double quotes, and a double quote in them is written twice. If another character separates the "
        "columns, name it, for example sep='|'."
    )


def _split(text: str, sep: str, skip: int, wanted: set[str]) -> Split:
    """Split a text; a quote in quotes is doubled, or if only that gives columns, after a backslash or by itself."""
    plain = _split_as(text, sep, skip, wanted)
    if plain.names[1:] and all(cell.startswith(" ") for cell in plain.names[1:]):  # a, b, c
        if not any(map(is_name, plain.names)) and not wanted & set(map(fold, plain.names)):
            return plain._replace(problem=f"line 1: a blank follows each {sep!r}, as in sentences")
        plain = _split_as(text, sep, skip, wanted, skipinitialspace=True)
    escaped = _split_as(text, sep, skip, wanted, escapechar="\\") if '\\"' in text else plain
    if not escaped.problem and plain.rows != escaped.rows:
        twice = 'quotes after a backslash, \\", can be read in two ways; write them twice, ""'
        return escaped if plain.problem else plain._replace(problem=twice)
    if sep == "\t" and '"' in text:
        bare = _split_as(text, sep, skip, wanted, quoting=csv.QUOTE_NONE)._replace(bare=True)
        if not bare.problem and len(bare.names) > 1 and not any(name.startswith('"') for name in bare.names):
            if plain.problem:
                return bare
            if len(bare.rows) > len(plain.rows):
                return plain._replace(problem="a text in quotes holds what could be another row")
    return plain


def _split_as(text: str, sep: str, skip: int, wanted: set[str], **dialect: Any) -> Split:
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
    header = header_at(rows, wanted)
    names = rows[header][1] if rows else []
    least = max((place for place, cell in enumerate(names, 1) if cell.strip()), default=0)
    problem = next((off for row in rows[header + 1 :] if (off := off_count(row, len(names), least))), problem)
    return Split(sep, rows, header, names, problem, dialect)


def off_count(row: Row, n_names: int, least: int) -> str:
    """Say what is wrong with the number of a row's cells; ``least`` is the place of the last column with a name."""
    line, cells = row
    more = any(cell.strip() for cell in cells[n_names:])
    if not more and len(cells) >= least:
        return ""
    count = "more cells than the" if more else f"{len(cells)} cells, fewer than the"
    return f"line {line}: has {count} {n_names} of the first line"


def column_names(header: list[str]) -> list[str]:
    """Names of the columns: one that is missing or comes twice gets a number."""
    names = [cell or f"column {place}" for place, cell in enumerate(header, 1)]
    return [cell if cell not in names[:place] else f"{cell} ({place + 1})" for place, cell in enumerate(names)]


def named(rows: list[Row], name: str, columns: Names, word: str, at: int, wanted: set[str]) -> pd.DataFrame:
    """Make a table of rows, of which the one at this place names the columns, if ``columns`` does not."""
    rows = [(number, [None if cell == "" else cell for cell in cells]) for number, cells in rows]
    if columns is not None:
        widest = max((len(cells) for _, cells in rows), default=0)
        if len(columns) != widest:
            raise ValueError(f"columns= has {len(columns)} names, and {name} has {widest} columns.")
        has_header = bool(rows) and list(map(fold, rows[0][1])) == list(map(fold, columns))
        rows, at = [(0, list(columns)), *rows[has_header:]], 0
    if at:
        titles = [" ".join(str(cell).strip() for cell in cells if cell is not None) for _, cells in rows[:at]]
        above = ", ".join(repr(title) for title in titles if title)
        tell(f"{name}: {above} above the header is taken for a title and left out")
    header = ["" if cell is None else str(cell).strip() for cell in (rows[at][1] if rows else [])]
    body = rows[at + 1 :]
    if columns is None:
        again = body[: extra_headers(header, body)]
        again += [row for row in body[len(again) :] if len(header) > 1 and row[1] == rows[at][1]]
        if again:
            lines = ", ".join(str(number) for number, _ in again)
            tell(f"{name}: {word} {lines} names or describes the columns once more and is left out")
            body = [row for row in body if row not in again]
        check_header(header, body, name, wanted)
        if body and not any(map(is_name, header)) and not wanted & set(map(fold, header)):
            tell(f"{name}: its first line is taken for the header, {header[:4]}; if it is data, give columns=")
    elif len(rows) > 1 and all(is_name(str(cell)) for cell in rows[1][1] if cell is not None):
        tell(f"{name}: its first line, {rows[1][1][:4]}, is read as data because columns= is given")
    if any(len(cells) > len(header) for _, cells in body):
        tell(f"{name}: rows end in separators without a cell, which are left out")
    names = column_names(header)
    cells = [(row + [None] * len(names))[: len(names)] for _, row in body]
    table = pd.DataFrame(cells, index=[f"{word} {number}" for number, _ in body], columns=names, dtype=object)
    nameless = [column for column, cell in zip(names, header, strict=True) if not cell]
    table = table.drop(columns=[column for column in nameless if table[column].isna().all()])
    unnamed = nameless[header[:1] == [""] :]
    unclear = [column for column in table if column in unnamed and 2 * table[column].count() > len(body)]
    if unclear and columns is None and not again:
        raise ValueError(
            f"{name}: its header has no name for {unclear[0]}, which has a cell in {table[unclear[0]].count()} of "
            f"{len(body)} rows. Give each column a name, or all names as columns=."
        )
    for column in (column for column in table if column not in header):
        what = "a column without a name" if column in nameless else "the second column of that name"
        tell(f"{name}: {column!r} is {what}, and holds {table[column].count()} cells")
    table.attrs["cells"] = True  # a list in one of them can only be written out
    return table
