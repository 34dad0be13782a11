"""The one reader of users' files: what is written comes back the same or is refused, and no case is guessed."""

import csv
import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from course_utils.data.tables import read_table

PACKAGE = Path(__file__).parents[2] / "course_utils"
quick = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

NAMES = st.text("abcdefghijkxyzÄß_", min_size=1, max_size=8)
CELLS = st.one_of(
    st.text(st.sampled_from(list("ab ,;|\t\n\"'\\äÄ€🥊日.0:-=#{}[]")), max_size=12),
    st.sampled_from(["007", "12:30", "1e3", "3,5", "NA", "None", "", "  blanks  ", "=1+1", "two\nlines", '"quoted"']),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=8),
)


@st.composite
def tables(draw, cells=CELLS):
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    rows = draw(st.lists(st.lists(cells, min_size=len(names), max_size=len(names)), min_size=1, max_size=5))
    assume(all(row != names for row in rows))  # a header that comes again is left out
    assume(len(names) > 1 or all(row[0] for row in rows))
    return names, rows


def read_or_none(tmp_path_factory, content, name, **options):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    try:
        return read_table(path, **options)
    except ValueError as error:
        assert name in str(error) or "sep=" in str(error)
        return None


def as_written(table, names, rows):
    """Whether a table is what was written: empty cells are None, and nothing else has changed or moved."""
    return list(table.columns) == names and table.where(table.notna(), "").to_numpy().tolist() == rows


@pytest.fixture(scope="module")
def seen():
    """How many tables came back, so that a reader that refuses everything does not pass."""
    counts = {"read": 0, "refused": 0}
    yield counts
    assert counts["read"] > 3 * counts["refused"], counts


@quick
@given(
    table=tables(),
    sep=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
    excel=st.booleans(),
    packed=st.booleans(),
    told=st.booleans(),
)
@example(
    table=(["a", "b"], [['"', ', x"']]),
    sep=",",
    encoding="utf-8",
    quoting=0,
    end="\n",
    excel=False,
    packed=False,
    told=False,
)
def test_a_csv_file_comes_back_or_is_refused(
    tmp_path_factory, seen, table, sep, encoding, quoting, end, excel, packed, told
):
    names, rows = table
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=sep, quoting=quoting, lineterminator=end)
    writer.writerows([names, *rows])
    written = (f"sep={sep}{end}" if excel else "") + out.getvalue()
    content = written.encode(encoding)
    content = gzip.compress(content) if packed else content
    options = {"sep": sep, "encoding": encoding} if told else {}
    found = read_or_none(tmp_path_factory, content, "a.csv.gz" if packed else "a.csv", **options)
    assert found is None or as_written(found, names, rows), (written, found)
    seen["refused" if found is None else "read"] += 1


@quick
@given(table=tables(), sep=st.sampled_from([",", ";", "\t"]))
def test_quotes_after_a_backslash(tmp_path_factory, table, sep):
    names, rows = table
    assume(any('"' in cell for row in rows for cell in row))
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=sep, doublequote=False, escapechar="\\", quoting=csv.QUOTE_ALL)
    writer.writerows([names, *rows])
    found = read_or_none(tmp_path_factory, out.getvalue().encode(), "a.csv")
    assert found is None or as_written(found, names, rows), (out.getvalue(), found)


@quick
@given(
    table=tables(), lines=st.booleans(), name=st.sampled_from(["a.json", "a.jsonl", "a.ndjson.gz", "a.csv", "a.txt"])
)
def test_json_comes_back_whatever_the_file_is_called(tmp_path_factory, table, lines, name):
    names, rows = table
    assume(len(rows) > 1)
    objects = [dict(zip(names, row, strict=True)) for row in rows]
    dump = json.dumps if len(names) % 2 else lambda value: json.dumps(value, ensure_ascii=False)
    content = "\n".join(map(dump, objects)) if lines else dump(objects)
    packed = gzip.compress(content.encode()) if name.endswith(".gz") else content.encode()
    found = read_or_none(tmp_path_factory, packed, name)
    assert found is not None and as_written(found, names, rows)


@quick
@given(
    table=tables(st.text("abäöü ß,;é", min_size=1, max_size=10)), codec=st.sampled_from(["cp1252", "cp1251", "latin-1"])
)
def test_old_encodings_come_back_when_they_are_named_and_cp1252_without(tmp_path_factory, table, codec):
    names, rows = table
    out = io.StringIO(newline="")
    csv.writer(out).writerows([names, *rows])
    try:
        content = out.getvalue().encode(codec)
    except UnicodeEncodeError:
        assume(False)
    found = read_or_none(tmp_path_factory, content, "a.csv", encoding=codec)
    assert found is None or as_written(found, names, rows)
    if codec == "cp1252":
        found = read_or_none(tmp_path_factory, content, "a.csv")
        assert found is None or as_written(found, names, rows)


@quick
@given(table=tables(), cut=st.integers(1, 4))
def test_a_row_that_lost_or_gained_cells_never_shifts_the_others(tmp_path_factory, table, cut):
    names, rows = table
    assume(len(names) > 1 and all(any(row) for row in rows))
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([names, rows[0] + ["x"] * cut, *rows[1:]])
    assert read_or_none(tmp_path_factory, out.getvalue().encode(), "a.csv") is None
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([names, rows[0][:-1], *rows[1:]])
    assert read_or_none(tmp_path_factory, out.getvalue().encode(), "a.csv") is None
