"""Instructions as data: ``datasets/task_prompts.json``, or a file of your own of the same form.

Each entry has a name, the words of the instruction, and the side that gets them: ``"text"`` where every text is asked
the same (to classify, to group, to compare), ``"query"`` where only the search query is and documents are left alone.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_utils.paths import ROOT

TASK_PROMPTS = ROOT / "datasets" / "task_prompts.json"


@dataclass(frozen=True)
class Task:
    """One question to a text.

    Attributes
    ----------
    name : str
        Small letters, digits and ``_``.
    instruction : str
        The question in words; "" for none.
    side : {"text", "query"}
        What the instruction goes in front of.

    Examples
    --------
    >>> from course_utils.data import Task
    >>> Task("topic", "Identify the topic", "text").side
    'text'
    """

    name: str
    instruction: str
    side: str


def load_tasks(path: str | Path = TASK_PROMPTS) -> dict[str, Task]:
    """Read a file of instructions.

    Parameters
    ----------
    path : str or Path
        A JSON file of the form ``{"sentiment": {"instruction": "Classify …", "side": "text"}, …}``. A bare name that is
        not in the current folder is looked for in the course's ``datasets``.

    Returns
    -------
    dict of str to Task
        In the file's order.

    Raises
    ------
    ValueError
        If the file is missing, is no such table, or an entry of it is not as it should be; the message names the entry.

    Examples
    --------
    >>> from course_utils.data import load_tasks
    >>> list(load_tasks())[:4]
    ['default', 'sentiment', 'topic', 'toxicity']
    """
    path = Path(path).expanduser()
    if not path.is_file() and path == Path(path.name):
        path = TASK_PROMPTS.with_name(path.name)
    try:
        # Windows writes a mark in front
        entries = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_each_once)
    except FileNotFoundError:
        raise ValueError(f"There is no file of instructions {path.name!r}, neither here nor in datasets/.") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is not JSON in UTF-8 with names that come once ({error}).") from error
    if not isinstance(entries, dict) or not entries:
        raise ValueError(f'{path.name} must be a table of instructions, {{"name": {{"instruction": …, "side": …}}}}.')
    return {name: _checked_task(path.name, name, entry) for name, entry in entries.items()}


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if again := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"the name {again.pop()!r} comes twice")
    return dict(pairs)


def _checked_task(file: str, name: str, entry: Any) -> Task:
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise ValueError(f"{file}: the name {name!r} must be made of small letters, digits and _, as in 'sentiment'.")
    if not isinstance(entry, dict) or set(entry) != {"instruction", "side"}:
        raise ValueError(f"{file}: {name} must have an 'instruction' and a 'side', and nothing else.")
    if not isinstance(entry["instruction"], str) or entry["side"] not in ("text", "query"):
        raise ValueError(f"{file}: the instruction of {name} must be words, and its side 'text' or 'query'.")
    return Task(name, **entry)
