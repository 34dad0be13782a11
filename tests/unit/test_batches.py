"""Corpora in batches: what is read in parts is what is read whole, and memory does not grow with the file."""

import gzip
import json
import math
import subprocess
import sys

import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from course_utils.data import batches, read_batches, read_texts

WORDS = ["a river", "so, so", 'he said "no"', "two\nlines", "Käse 数据", " ", "", "ends;", "tab\there", "\u2028 x"]


@pytest.fixture
def in_parts(monkeypatch):
    """Every file is long, and batches are short."""
    monkeypatch.setattr(batches, "WHOLE", 0)
    monkeypatch.setattr(batches, "HEAD", 300)
    monkeypatch.setattr(batches, "ROWS", 7)


def read(path, **options):
    parts = list(read_batches(path, **options))
    assert all(1 <= len(part) <= batches.ROWS for part in parts)
    return pd.concat(parts, ignore_index=True)


def csv_of(texts, sep=",", end="\n"):
    rows = [f'{i}{sep}"{text.replace(chr(34), 2 * chr(34))}"' for i, text in enumerate(texts)]
    return end.join([f"id{sep}text", *rows]) + end


FORMS = {
    "a.csv": lambda texts: csv_of(texts).encode(),
    "semicolons.csv": lambda texts: csv_of(texts, ";", "\r\n").encode("utf-8-sig"),
    "a.tsv": lambda texts: csv_of(texts, "\t").encode(),
    "a.csv.gz": lambda texts: gzip.compress(csv_of(texts).encode()),
    "a.jsonl": lambda texts: "".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in enumerate(texts)).encode(),
    "gaps.ndjson": lambda texts: "\n".join(
        json.dumps({"text": t} | ({"more": i} if i % 3 else {}), ensure_ascii=False) + "\n" * (i % 4 == 0)
        for i, t in enumerate(texts)
    ).encode(),
    "list.json": lambda texts: json.dumps([{"text": t} for t in texts]).encode(),
    "utf16.csv": lambda texts: csv_of(texts).encode("utf-16"),
}


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.sampled_from(WORDS), min_size=40, max_size=90))
@example(texts=WORDS * 9)
def test_in_parts_as_whole(tmp_path, in_parts, form, texts):
    texts = ["the first row is a plain text", "and so is the second one", *texts]
    path = tmp_path / form
    path.write_bytes(FORMS[form](texts))
    whole = read_texts(path)["text"].tolist()
    assert read(path, text_column="text")["text"].tolist() == whole == [text for text in texts if text.strip()]


def test_ids_say_where_a_text_stands(tmp_path, in_parts):
    path = tmp_path / "a.csv"
    path.write_text(csv_of(WORDS * 5), encoding="utf-8", newline="")
    found = read(path)
    lines = path.read_bytes().decode().split("\n")
    for name, text in zip(found["id"], found["text"], strict=True):
        file, line = name.split(":")
        begins = lines[int(line) - 1].partition(",")[2].removeprefix('"').removesuffix('"').replace('""', '"')
        assert file == "a.csv" and text.split("\n")[0] == begins
    assert found["id"].is_unique
    named = read(path, id_column="id")
    assert named["id"].tolist() == [str(i) for i, text in enumerate(WORDS * 5) if text.strip()]


def test_parquet_in_parts(tmp_path, in_parts):
    texts = [f"text {i}" if i % 5 else None for i in range(50)]
    table = pyarrow.table({"name": [f"n{i}" for i in range(50)], "text": texts, "other": [[1.0]] * 50})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=11)
    found = read(tmp_path / "a.parquet")
    assert found["text"].tolist() == [text for text in texts if text]
    assert found["id"].tolist() == [f"a.parquet:{i + 1}" for i in range(50) if i % 5]
    assert read(tmp_path / "a.parquet", id_column="name")["id"].iloc[0] == "n1"
    (tmp_path / "half.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:200])
    with pytest.raises(ValueError, match="half.parquet cannot be read as Parquet"):
        read(tmp_path / "half.parquet")


@pytest.mark.parametrize(
    ("late", "message"),
    [
        (b'60,"a, b","c"\n', "line 62: has more cells than the 2"),
        (b"60\n", "line 62: has 1 cells, fewer than the 2"),
        (b'60,"open\n', "line 6[23]: unexpected end of data"),
        (b"60,caf\xe9\n", "begins in utf-8, and holds bytes later on"),
    ],
)
def test_what_is_wrong_late_is_said_with_its_line(tmp_path, in_parts, late, message):
    path = tmp_path / "a.csv"
    path.write_bytes(csv_of(["a plain text"] * 60).encode() + late)
    with pytest.raises(ValueError, match=message):
        read(path)


def test_late_lines_of_json_and_ids_that_lack(tmp_path, in_parts):
    path = tmp_path / "a.jsonl"
    path.write_bytes(FORMS["a.jsonl"](["a plain text"] * 60) + b'{"text": \n')
    with pytest.raises(ValueError, match="a.jsonl is not JSON: line 61"):
        read(path)
    path.write_bytes(FORMS["a.jsonl"](["a plain text"] * 60) + b'{"text": "x", "id": null}\n')
    with pytest.raises(ValueError, match="line 61, column 'id': is empty"):
        read(path, id_column="id")


def test_a_damaged_gzip_file_is_named(tmp_path, in_parts, monkeypatch):
    path = tmp_path / "a.csv.gz"
    texts = [f"text {math.sin(i)}" for i in range(3000)]
    path.write_bytes(gzip.compress(csv_of(texts).encode())[:-2000])
    with pytest.raises(ValueError, match="a.csv.gz is a damaged gzip file"):
        read(path)


def test_memory_does_not_grow_with_the_file(tmp_path):
    """Of 20 and 120 MB; the second would take more than a gigabyte if it were read whole."""
    code = """
import sys, psutil
from course_utils.data import read_batches
peak = n = 0
for batch in read_batches(sys.argv[1]):
    n, peak = n + len(batch), max(peak, psutil.Process().memory_info().rss)
print(n, peak // 2**20)
"""
    peaks = []
    for n in (70_000, 350_000):
        path = tmp_path / f"{n}.jsonl"
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f'{{"text": "{i} is a number and {"so it goes on " * 25}"}}\n' for i in range(n))
        assert path.stat().st_size > 22e6
        done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, encoding="utf-8", check=True)
        count, peak = map(int, done.stdout.split()[-2:])
        assert count == n
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 100
