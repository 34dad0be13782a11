"""Rows of JSON in any of the forms in which programs write tables: lists, lines, columns, and lists in an object."""

import json
import re
from itertools import islice
from typing import Any

from course_utils.data.console import tell

# the keys by which other tools' files of questions and answers are known
_OTHER_FORMS = {"relevant_docs": ", which is LlamaIndex's form", "version": ", which is SQuAD's form"}
_WANTED = 'a list of objects, or an object a line: {"text": "Hello"}; for pairs {"query": "Where?", "pos": "Here"}'


def is_json(text: str) -> bool:
    """Tell whether a text begins with an object or a list of JSON."""
    try:
        return text.lstrip()[:1] in ("{", "[") and json.JSONDecoder().raw_decode(text.lstrip())[1] > 0
    except json.JSONDecodeError:
        return False
    except (RecursionError, ValueError):  # Python's own limits
        return True


def json_rows(text: str, name: str, lines: bool, first: int = 1) -> tuple[dict[int, dict], str]:
    """The objects of a text by their numbers, and what is numbered: "entry" or "line".

    It may be a list of objects, an object a line, or one object that holds the rows; ``lines`` is what the name of the
    file promises, ``first`` the number of the text's first line.
    """
    rows: Any
    try:
        rows, word = _load(text, name), "entry"
    except json.JSONDecodeError as error:
        if error.msg != "Extra data" and not lines:
            raise _no_json(name, error) from None
        rows, word = {}, "line"
        for number, line in enumerate(text.splitlines() if "\n" not in text else text.split("\n"), first):
            try:
                rows |= {number: _load(line, name)} if line.strip() else {}
            except json.JSONDecodeError as error:
                raise _no_json(name, error, number) from None
    else:
        rows, word = ([rows], "line") if isinstance(rows, dict) and lines else (rows, word)
        rows = _rows_of_object(rows, name) if isinstance(rows, dict) else rows
        if not isinstance(rows, list):
            keys = rows if isinstance(rows, dict) else {}
            held = f"one object with {', '.join(map(repr, islice(keys, 8)))}" if keys is rows else repr(rows)[:40]
            form = next((form for key, form in _OTHER_FORMS.items() if key in keys), "")
            raise ValueError(f"{name} should hold {_WANTED}. It holds {held}{form}.")
        if rows and not lines and all(isinstance(row, str) for row in rows):
            rows = [{"text": row} for row in rows]
        rows = dict(enumerate(rows, first))
    escaped = "\\u" in text  # looked up once: a text of a hundred thousand lines is long
    for number, row in rows.items():
        if not isinstance(row, dict):
            raise ValueError(f"{name}, {word} {number}: is not an object. Wanted is {_WANTED}.")
        if escaped and re.search("[\ud800-\udfff]", json.dumps(row, ensure_ascii=False)):
            raise ValueError(f"{name}, {word} {number}: holds half a character (a lone surrogate).")
    return rows, word


def _load(text: str, name: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError):  # Python's own limits
        raise ValueError(f"{name} holds a number of thousands of digits, or lists in lists without an end.") from None


def _object(items: list[tuple[str, Any]]) -> dict:
    entry = dict(items)
    if len(entry) < len(items):
        raise json.JSONDecodeError(f"an object has a key twice, among {list(entry)}", "", 0)
    return entry


def _rows_of_object(entry: dict, name: str) -> Any:
    """The rows of one object in the forms of pandas and datasets, or in which a service answers; else the object."""
    if not entry or _OTHER_FORMS.keys() & entry.keys():
        return entry
    lists = {key: value for key, value in entry.items() if isinstance(value, list)}
    objects = [key for key, value in lists.items() if value and all(isinstance(cell, dict) for cell in value)]
    if {"columns", "data"} <= lists.keys() and "data" not in objects:  # orient="split"
        names, rows = entry["columns"], entry["data"]
        fit = all(isinstance(cells, list) and len(cells) == len(names) for cells in rows)
        if not fit or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
            return entry
        return [dict(zip(names, cells, strict=True)) for cells in rows]
    if len(objects) == 1 and objects != ["errors"]:
        tell(f"{name}: the {len(entry[objects[0]])} objects of its list {objects[0]!r} are read")
        return entry[objects[0]]
    if len(lists) == len(entry) and len(set(map(len, lists.values()))) == 1 and not objects:  # orient="list"
        return [dict(zip(entry, cells, strict=True)) for cells in zip(*lists.values(), strict=True)]
    if all(isinstance(value, dict) for value in entry.values()):
        inner = [set(value) for value in entry.values()]
        if all(map(str.isdigit, entry)):  # orient="index"
            return list(entry.values())
        if all(keys == inner[0] and all(map(str.isdigit, keys)) for keys in inner):  # orient="columns"
            return [{key: value[place] for key, value in entry.items()} for place in next(iter(entry.values()))]
    return entry


def _no_json(name: str, error: json.JSONDecodeError, line: int = 1) -> ValueError:
    return ValueError(f"{name} is not JSON: line {line + error.lineno - 1}, column {error.colno}: {error.msg}.")
