"""Which line of a table names its columns, and what the names say, is found out here.

A first line may be data, a title, or one of several lines that describe the columns. Where it is not clear, the line is
refused: else a text would be lost as a name, or a name be taken for a text.
"""

import re
import tomllib
from itertools import zip_longest
from pathlib import Path
from typing import Any

Row = tuple[int, list]  # where it stands in the file, from 1, and its cells

SAMPLE = 1000  # rows in which a header is told from data
_NAMES = tomllib.loads(Path(__file__).with_name("column_names.toml").read_text(encoding="utf-8"))
_TEXTS, _OTHERS = (set(_NAMES[kind].split()) for kind in ("texts", "others"))
# letters of scripts that put no blanks between words: some in a row are a text, many are no name
_WIDE_LETTER = "[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]"
WIDE, _LONG_WIDE = (re.compile(f"{_WIDE_LETTER}{{{least}}}") for least in (4, 7))
_DATE = r"(?<=\d)[TZ](?=\d|$)|\b(mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b"
_NO_WORDS = re.compile(_DATE + r"|(?<![a-z])(am|pm|utc|gmt|[cemp][ds]?t)\b|^[-+]?[\d.]+e[-+]?\d+$", re.IGNORECASE)


def is_value(cell: Any) -> bool:
    """Tell whether a cell holds a number, a date or a time, and no words."""
    if not isinstance(cell, str):
        return cell is not None
    return bool(re.search(r"\d", cell)) and not re.search(r"[^\W\d_]", _NO_WORDS.sub("", cell.strip()))


def names_texts(column: str) -> bool:
    """Tell whether a column is called as texts are: its name has a word for texts in it and none for other things."""
    return _holds(column, _TEXTS) and not names_something_else(column)


def names_something_else(column: str) -> bool:
    """Tell whether a column is called as one is that stands beside texts: id, author, date, title, reply, …"""
    return len(column.split()) < 5 and _holds(column, _OTHERS)  # longer ones are questions of a survey


def _parts(column: str) -> set[str]:
    """The words of a name such as reviewText, review_text or Review Text."""
    return set(re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-zäöü])(?=[A-Z])", " ", column).casefold()))


def _holds(column: str, words: set[str]) -> bool:
    """Whether a name has one of the words; at the end of a compound, or where there are no blanks anywhere, too."""
    parts, ends = _parts(column), tuple(word for word in words if len(word) > 3)
    wide = [word for word in words if word > "\u3000"]
    return any(part in words or part.endswith(ends) or any(word in part for word in wide) for part in parts)


def is_name(cell: str) -> bool:
    """Tell whether a cell would hardly be data: all its words are those of names of columns."""
    return len(cell.split()) < 4 and bool(_parts(cell)) and all(_holds(part, _TEXTS | _OTHERS) for part in _parts(cell))


def fold(cell: Any) -> str:
    """A name as it is compared: without blanks around and capitals."""
    return str(cell).strip().casefold()


def header_at(rows: list[Row], wanted: set[str]) -> int:
    """Where the header stands: in the row that holds the wanted names, else in the first or below titles.

    Titles have words in their first cell only, or begin with # as comments do.
    """
    filled = [[str(cell) for cell in cells if cell is not None and str(cell).strip()] for _, cells in rows[:6]]
    held = [wanted <= set(map(fold, cells)) for cells in filled]
    if wanted and any(held):
        return held.index(True)
    n_names = [sum(map(is_name, cells)) for cells in filled]
    is_comment = [
        bool(cells) and re.match(r"#\s.*\s", cells[0]) is not None and max(n_names) > max(own, 1)
        for cells, own in zip(filled, n_names, strict=True)
    ]
    wide = (place for place, cells in enumerate(filled[:-1]) if len(cells) > 1 and not is_comment[place])
    at = next(wide, 0)
    header = filled[at] if filled else []
    titles = [cells for cells, comment in zip(filled[:at], is_comment, strict=False) if cells and not comment]
    is_title = at and all(
        len(cells) == 1 and not cells[0].endswith("?") and (len(cells[0].split()) > 1 or len(header) > 2)
        for cells in titles
    )
    like_names = len(set(header)) == len(header) and not any(cell[:1].isspace() or is_value(cell) for cell in header)
    return at if is_title and like_names else 0


def extra_headers(header: list[str], body: list[Row]) -> int:
    """How many rows below the header describe the columns once more, as tools for surveys write them."""
    rows = [[fold(cell) if cell is not None else "" for cell in cells] for _, cells in body[:3]]
    if not rows:
        return 0
    is_monkey = fold(header[0]).startswith("respondent") and not rows[0][0]  # SurveyMonkey
    if is_monkey and {"response", "open-ended response"} & set(rows[0]):
        return 1
    for place, cells in reversed(list(enumerate(rows, 1))):  # Qualtrics
        if any(cells) and all(re.match(r'\{\s*"importid"', cell) for cell in cells if cell):
            return place
    names = list(zip(rows[0], map(fold, header), strict=False))
    return int(sum(cell != name == re.sub(r"\s", "", cell) for cell, name in names) > 1)  # "Start Date" below StartDate


def check_header(header: list[str], body: list[Row], name: str, wanted: set[str]) -> None:
    """Refuse a first line that names no columns: numbers, dates, prose, cells of the rows below; or a title."""
    if body and not wanted & set(map(fold, header)) and _is_data(header, body):
        raise ValueError(
            f"The first line of {name} looks like data: {', '.join(map(repr, header[:6]))}. Wanted is a line with a "
            "short name for each column, then a row a text. Put one above it, or give the names as columns=, for "
            "example columns='text'. If it is the header, name the column of the texts in it with text_column=."
        )


def _is_data(header: list[str], body: list[Row]) -> bool:
    n_names = sum(map(is_name, header))
    for _, cells in body[:5]:  # a later line is the header, or the line below it in a table of Markdown
        n_below = sum(isinstance(cell, str) and is_name(cell) for cell in cells)
        is_text = any(fold(cell) == "text" for cell in cells)
        if (
            n_below > n_names
            and (n_below > 1 or is_text)
            or (any(cells) and all(re.fullmatch(r"\s*:?-{3,}:?\s*", str(c)) for c in cells if c))
        ):
            return True
    columns = [[cell for cell in column if cell] for column in zip_longest(*(row for _, row in body[:SAMPLE]))]
    if len(header) == 1:
        return _is_text_of_one_column(header[0], list(map(str, columns[0])))
    for cell, column in zip(header, columns, strict=False):
        is_year = n_names and re.fullmatch(r"(19|20)\d\d", cell)
        # where nothing else stands below, it is a box to tick
        again = cell and not is_name(cell) and 5 * column.count(cell) >= len(column) > column.count(cell)
        if again or (is_value(cell) and not is_year) or (not n_names and _is_like(cell, column)):
            return True
    return re.match(r"\W?\d{1,4}[-./]\d{1,2}[-./]\d{1,4}\b", header[0]) is not None


def _is_like(cell: str, column: list) -> bool:
    """Whether a first line's cell is a sentence as those below it; a question may be one of a survey."""
    n_words = len(cell.split()) if not _LONG_WIDE.search(cell) else 4
    below = sorted(len(str(text).split()) if not WIDE.search(str(text)) else 4 for text in column)
    is_title = cell.endswith(("?", ":")) or _holds(cell, _TEXTS)
    return n_words > 3 and not is_title and 2 * below[len(below) // 2] >= n_words


def _is_text_of_one_column(cell: str, column: list[str]) -> bool:
    """Whether the first line of a file of one column is a text as well: it names nothing that texts are called."""
    if re.search(r"[,;|~\x00-\x1f]|\s{2,}", cell):
        return True
    if cell.endswith("?"):
        return 2 * sum(text.strip().endswith("?") for text in column) > len(column)
    words = sum(len(text.split()) if not WIDE.search(text) else 4 for text in column)
    is_word = re.fullmatch(r"[\w\u0900-\u0fff]+", cell) and not is_value(cell) and not _LONG_WIDE.search(cell)
    is_title = len(cell.split()) < 4 and _holds(cell, _TEXTS) and words >= 2 * len(cell.split()) * len(column)
    return not is_name(cell) and not is_title and not (is_word and words >= 2 * len(column))
