"""Writes what `course grade` found: a table, a page for each student, one for the room, and a report for machines.

All is made before anything is written, and a second run replaces what an earlier one wrote and nothing else. Whatever
students wrote is shown as text.
"""

import csv
import hashlib
import html
import io
import json
import os
import re
import secrets
from collections import Counter
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

from course_utils.app.child import IS_FORKED, Limits
from course_utils.app.grade import (
    CORRECT,
    ERROR,
    MISSING,
    OPEN,
    OUTCOMES,
    WRONG,
    Outcome,
    exercises_of,
    grade_all,
    lessons,
)
from course_utils.app.inbox import Found, Notebook, read_inbox

_RECORD = ".grades.json"
Marks = dict[str, dict[tuple[str, str], Outcome]]
_NOT_HANDED_IN = "not handed in"
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse } th, td { text-align: left; vertical-align: top; padding: .3em .7em;
border-bottom: 1px solid #ccc } td.n { text-align: right } pre { background: #f5f5f5; padding: .6em; overflow: auto;
white-space: pre-wrap } .correct { color: #1b5e20 } .wrong, .error, .timed, .out, .too { color: #8a4b00 }
.not, .missing { color: #555 } section { margin: 1.5em 0 }
"""


def grade(inbox: Path, out: Path, anonymous: bool, workers: int | None, seconds: float) -> None:
    """Grade all that is in an inbox, write the results to a folder, and say what was read, left out and found."""
    if not 0.1 <= seconds <= 3600:
        raise ValueError(f"--timeout must be from 0.1 to 3600 seconds, not {seconds:g}.")
    check_folder(out, inbox)
    found = read_inbox(inbox, lessons())
    if not found.notebooks:
        left_out = "; ".join(found.refused + found.ignored)[:500]
        raise ValueError(
            f"{inbox.name} holds no notebook of a lesson." + (f" Left out: {left_out}" if left_out else "")
        )
    n_workers = workers or max(1, min(os.cpu_count() or 1, 8, len(found.notebooks)))
    students = len({notebook.student for notebook in found.notebooks})
    print(f"{len(found.notebooks)} notebooks of {students} students, {n_workers} at a time …", flush=True)
    if not IS_FORKED:
        print("On this system every notebook needs a fresh Python, which takes several seconds each.")
    outcomes: dict[Notebook, list[Outcome]] = {}
    for notebook, answers in grade_all(found.notebooks, Limits(seconds), n_workers):
        outcomes[notebook] = answers
    ordered = {notebook: outcomes[notebook] for notebook in found.notebooks}
    for line in write_marks(out, found, ordered, anonymous):
        print(line)


def check_folder(out: Path, inbox: Path) -> None:
    """Refuse a folder for the results that is a file, lies in the inbox, or holds files of others by their names."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out.name} must be a folder.")
    if out.resolve() == inbox.resolve() or inbox.resolve() in out.resolve().parents:
        raise ValueError("--out must be a folder outside of the inbox, or its files would be read as hand-ins.")
    own = _record(out)["files"]
    foreign = [name for name in ("grades.csv", "table.html", "junit.xml") if (out / name).exists() and name not in own]
    if foreign:
        raise ValueError(f"{out.name} has a {foreign[0]} that this command did not write. Give another --out.")


def write_marks(out: Path, found: Found, outcomes: dict[Notebook, list[Outcome]], anonymous: bool) -> list[str]:
    """Write all files; return what there is to tell."""
    record = _record(out)
    names = list(dict.fromkeys(notebook.student for notebook in outcomes))
    numbers = _numbers(names, record)
    shown = {name: f"Student {numbers[name]}" if anonymous else name for name in names}
    marks: Marks = {shown[name]: {} for name in names}
    for notebook, answers in outcomes.items():
        marks[shown[notebook.student]] |= {(each.lesson, each.exercise): each for each in answers}
    marks = dict(
        sorted(
            marks.items(),
            key=lambda each: [int(part) if part.isdigit() else part.casefold() for part in re.split(r"(\d+)", each[0])],
        )
    )
    given = sorted({notebook.lesson for notebook in outcomes})
    columns = [each for lesson in given for each in exercises_of(lesson)]
    pages = {shown[name]: f"student_{numbers[name]:03d}{'' if anonymous else '_' + _slug(name)}.html" for name in names}
    notes = _notes(found, shown, anonymous)
    files = {
        "grades.csv": _csv(marks, columns),
        "table.html": _room(marks, columns),
        "junit.xml": _junit(marks, columns),
    }
    for student, page in pages.items():
        files[page] = _page(student, marks[student], given, found, shown, anonymous)
    _write(out, files, record)
    totals = Counter(each.outcome for answers in marks.values() for each in answers.values())
    counts = ", ".join(f"{totals[outcome]} {outcome}" for outcome in OUTCOMES if totals[outcome])
    return [
        *notes,
        f"{len(names)} students, {sum(totals.values())} answers: {counts}.",
        f"{out / 'grades.csv'}, table.html for the room, junit.xml, and a page for each student beside them.",
    ]


def _notes(found: Found, shown: dict[str, str], anonymous: bool) -> list[str]:
    """What was left out, and why; file names hold names, so that without names there are numbers only."""
    notes = []
    for older in found.superseded:
        where = "" if anonymous else f" ({older.place})"
        twice = f"{shown[older.student]} has handed in lesson {older.lesson[:2]} more than once"
        notes.append(f"{twice}: the later one counts{where}.")
    if anonymous:
        told = ((found.refused, "refused"), (found.ignored, "ignored"))
        return list(dict.fromkeys(notes)) + [f"{len(each)} files were {word}." for each, word in told if each]
    return notes + [f"Refused: {each}" for each in found.refused] + [f"Ignored: {each}" for each in found.ignored]


# --- files --------------------------------------------------------------------------------------------------------


def _record(out: Path) -> dict:
    """What an earlier run noted: its files, and the numbers of students, by hashes with a salt of this folder's."""
    empty: dict = {"files": [], "salt": secrets.token_hex(16), "numbers": {}}
    with suppress(OSError, ValueError, RecursionError):
        record = json.loads((out / _RECORD).read_text(encoding="utf-8"))
        if isinstance(record, dict) and all(isinstance(record.get(key), type(each)) for key, each in empty.items()):
            return record
    return empty


def _numbers(names: list[str], record: dict) -> dict[str, int]:
    """A number for each student, the same in the next run, in an order that says nothing of the names."""
    keys = {name: hashlib.sha256((record["salt"] + name.casefold()).encode()).hexdigest() for name in names}
    for key in sorted(set(keys.values()) - set(record["numbers"])):
        record["numbers"][key] = len(record["numbers"]) + 1
    return {name: record["numbers"][keys[name]] for name in names}


def _write(out: Path, files: dict[str, str], record: dict) -> None:
    """Write every file under another name first, then put all in place and take away what is no longer there."""
    out.mkdir(parents=True, exist_ok=True)
    old = [name for name in record["files"] if isinstance(name, str) and Path(name).name == name]
    record["files"] = sorted(files)
    halves = {name: out / f".{name}.{os.getpid()}.part" for name in (*files, _RECORD)}
    try:
        for name, text in (files | {_RECORD: json.dumps(record)}).items():
            # Excel takes a table without the mark for one of another encoding
            encoding = "utf-8-sig" if name.endswith(".csv") else "utf-8"
            halves[name].write_text(text, encoding=encoding, errors="replace", newline="\n")
        for name, half in halves.items():
            half.replace(out / name)
    finally:
        for half in halves.values():
            half.unlink(missing_ok=True)
    for name in set(old) - set(files):
        (out / name).unlink(missing_ok=True)


def _slug(name: str) -> str:
    return re.sub(r"[^\w-]+", "_", name)[:60].strip("_")


def _csv(marks: Marks, columns: list[tuple[str, str]]) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["student", *(f"{lesson[:2]} {name}" for lesson, name in columns), *OUTCOMES])
    for student, answers in marks.items():
        cells = [answers[each].outcome if each in answers else _NOT_HANDED_IN for each in columns]
        safe = f"'{student}" if student[:1] in "=+-@" else student  # a spreadsheet would take it for a formula
        writer.writerow([safe, *cells, *(cells.count(outcome) for outcome in OUTCOMES)])
    return table.getvalue()


def _junit(marks: Marks, columns: list[tuple[str, str]]) -> str:
    root = ElementTree.Element("testsuites", name="course grade")
    for student, answers in marks.items():
        suite = ElementTree.SubElement(root, "testsuite", name=_xml(student), tests=str(len(columns)))
        counts = Counter({"failures": 0, "errors": 0, "skipped": 0})
        for lesson, name in columns:
            each = answers.get((lesson, name), Outcome(lesson, name, _NOT_HANDED_IN))
            case = ElementTree.SubElement(suite, "testcase", classname=lesson, name=name)
            if each.outcome == CORRECT:
                continue
            kind = {WRONG: "failure", OPEN: "skipped", MISSING: "skipped", _NOT_HANDED_IN: "skipped"}.get(
                each.outcome, "error"
            )
            ElementTree.SubElement(case, kind, message=_xml(f"{each.outcome}: {each.message}".strip(": ")))
            counts[{"failure": "failures", "error": "errors"}.get(kind, kind)] += 1
        suite.attrib |= {name: str(count) for name, count in counts.items()}
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _xml(text: str) -> str:
    """Without the characters that XML has no way to write."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "�", text)


# --- pages --------------------------------------------------------------------------------------------------------


def _document(title: str, body: list[str]) -> str:
    policy = "default-src 'none'; style-src 'unsafe-inline'"  # nothing on the page may run or be fetched
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>\n'
        + "\n".join([f'<h1 dir="auto">{html.escape(title)}</h1>', *body])
        + "\n</body></html>\n"
    )


def _title(lesson: str) -> str:
    return html.escape(f"Lesson {int(lesson[:2])}: {lesson[3:].replace('_', ' ')}")


def _page(
    student: str,
    answers: dict[tuple[str, str], Outcome],
    given: list[str],
    found: Found,
    shown: dict[str, str],
    anonymous: bool,
) -> str:
    """What one student reads."""
    right = sum(each.outcome == CORRECT for each in answers.values())
    body = [
        f"<p>{right} of {len(answers)} answers are correct. Each was run anew and asked by the lesson's own check. "
        "This is to help you on, not to rank you.</p>"
    ]
    again = sorted({each.lesson for each in found.superseded if shown[each.student] == student})
    body += [f"<p>{_title(lesson)} was handed in more than once: the later one counts.</p>" for lesson in again]
    for lesson in given:
        body.append(f"<h2>{_title(lesson)}</h2>")
        own = [each for each in answers.values() if each.lesson == lesson]
        body += ["<p>Not handed in.</p>"] if not own else []
        for each in own:
            place = f" (cell {each.cell})" if each.cell else ""
            body.append(f'<section><h3>{each.exercise}: <span class="{each.outcome}">{each.outcome}</span>{place}</h3>')
            body += [f'<p dir="auto">{html.escape(each.message)}</p>'] if each.message else []
            if each.source and not anonymous:  # comments may hold names
                body.append(f"<pre>{html.escape(each.source[:5000])}</pre>")
            body.append("</section>")
    return _document(student, body)


def _room(marks: Marks, columns: list[tuple[str, str]]) -> str:
    """What a room sees together: how many, and by which message, and nobody's name."""
    body = [f"<p>{len(marks)} students. The messages are those of the checks, the most frequent first.</p>"]
    for lesson in dict.fromkeys(lesson for lesson, _ in columns):
        of_lesson = [answers for answers in marks.values() if any(each == lesson for each, _ in answers)]
        body.append(f"<h2>{_title(lesson)}</h2><p>Handed in by {len(of_lesson)}.</p><table><tr><th>exercise</th>")
        body += [f"<th>{outcome}</th>" for outcome in OUTCOMES] + ["<th>what was said</th></tr>"]
        for name in (name for each, name in columns if each == lesson):
            answers = [each[lesson, name] for each in of_lesson if (lesson, name) in each]
            counts = Counter(each.outcome for each in answers)
            said = Counter(each.message for each in answers if each.outcome in (WRONG, ERROR) and each.message)
            words = "<br>".join(f"{count} × {html.escape(text)}" for text, count in said.most_common(8))
            cells = "".join(f'<td class="n {outcome}">{counts[outcome] or ""}</td>' for outcome in OUTCOMES)
            body.append(f'<tr><th>{name}</th>{cells}<td dir="auto">{words}</td></tr>')
        body.append("</table>")
    return _document("What the room answered", body)
