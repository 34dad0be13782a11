"""The one reader of users' files: what is written comes back the same or is refused, and no case is guessed."""

import ast
import csv
import gzip
import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from course_utils.data import load_corpus, read_pairs, read_scored
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


# --- the kinds of files that people have ----------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    def write(content, name="a.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


EMPTY_COLUMNS = 'v1,v2,,,\r\nham,"We meet at the fountain",,,\r\nspam,"Claim your voucher, call now",,,\r\n'
REVIEWS = "Nr,Item,Stars,Head,Text\n1,A1,5,Fine lamp,It lights the desk.\n2,B7,2,Too dim,I can hardly read.\n"
SURVEY = (
    "EndDate,RecordId,Q7\n"
    '"End Date","Record ID","What should we change?"\n'
    '"{""ImportId"":""endDate""}","{""ImportId"":""_recordId""}","{""ImportId"":""QID7_TEXT""}"\n'
    "2024-02-01 09:00,R_7,Start later\n2024-02-01 09:30,R_8,More breaks please\n"
)
MONKEY = "Respondent ID,Date,What did you like?\n,,Open-Ended Response\n11,01/02/2024,The room\n12,02/02/2024,Food\n"
STORE = (
    "id,user,content,at\nx1,u7,It closes by itself,2024-03-01\nx2,u8,I like the look,2024-03-02\nx3,u9,,2024-03-03\n"
)
NOTES = (
    "annotation_id,by,sentiment,text,updated\n1,2,Negative,Bad sound,2024-03-01\n2,2,Positive,Warm light,2024-03-01\n"
)


@pytest.mark.parametrize(
    ("content", "name", "options", "texts", "said"),
    [
        (EMPTY_COLUMNS, "a.csv", {}, ["We meet at the fountain", "Claim your voucher, call now"], "'v2', 2 of 2"),
        (REVIEWS, "a.csv", {}, ["It lights the desk.", "I can hardly read."], "'Text', 2 of 2"),
        (SURVEY, "a.csv", {"text_column": "Q7"}, ["Start later", "More breaks please"], "line 2, 3 names or describes"),
        (MONKEY, "a.csv", {"text_column": "What did you like?"}, ["The room", "Food"], "line 2 names or desc"),
        (STORE, "a.csv", {}, ["It closes by itself", "I like the look"], "'content', 2 of 3"),
        (NOTES, "a.csv", {}, ["Bad sound", "Warm light"], "'text', 2 of 2"),
        (
            'id,text\n1,"she wrote \\"no\\", then left"\n2,fine\n',
            "a.csv",
            {},
            ['she wrote "no", then left', "fine"],
            "'text'",
        ),
        ("TEXT;Grade\nHello, you;2\n", "a.csv", {}, ["Hello, you"], "'TEXT'"),
        ("text\tlabel\r\nSchön\tb\r\n".encode("utf-16"), "a.csv", {}, ["Schön"], "is read as utf-16"),
        ("v1,v2\nspam,Only £9 a day\n".encode("latin-1"), "a.csv", {}, ["Only £9 a day"], "is read as cp1252"),
        ("id,text\n1,Too loud,\n2,Fine,\n", "a.csv", {}, ["Too loud", "Fine"], "end in separators"),
        (
            "Answers of the spring course\n\nid,text\n1,Too loud\n2,Fine\n",
            "a.csv",
            {},
            ["Too loud", "Fine"],
            "for a title",
        ),
        (
            '{"stars": 1, "text": "Too loud"}\n{"stars": 4, "text": "Fine"}\n',
            "a.jsonl",
            {},
            ["Too loud", "Fine"],
            "'text'",
        ),
        (
            '{"stars": 1, "text": "Too loud"}\n{"stars": 4, "text": "Fine"}\n',
            "a.json",
            {},
            ["Too loud", "Fine"],
            "'text'",
        ),
        (
            "text,text\nToo loud,x\n",
            "a.csv",
            {"text_column": "text"},
            ["Too loud"],
            "'text (2)' is the second column of that name",
        ),
        ("sep=;\r\ntext;b\r\nToo loud;x, y\r\n", "a.csv", {}, ["Too loud"], "'text'"),
        ('text,a\n"two\nlines 🥊",x\n', "a.csv", {}, ["two\nlines 🥊"], "'text'"),
        ("text,a\nFine,1\ntext,a\nLoud,2\n", "a.csv", {}, ["Fine", "Loud"], "line 3 names"),
        (
            "内容,标签\n这个产品非常好用,好\n声音太大了不喜欢,坏\n",
            "a.csv",
            {},
            ["这个产品非常好用", "声音太大了不喜欢"],
            "'内容'",
        ),
        ("5,Fine lamp\n1,Too dim\n", "a.csv", {"columns": ["stars", "text"]}, ["Fine lamp", "Too dim"], "'text'"),
        ('["Fine lamp", "Too dim"]', "a.json", {}, ["Fine lamp", "Too dim"], "'text', 2 of 2"),
        ('{"id": [1, 2], "text": ["Fine lamp", "Too dim"]}', "a.json", {}, ["Fine lamp", "Too dim"], "'text', 2 of 2"),
        ('{"columns": ["id", "text"], "index": [0], "data": [[1, "Fine"]]}', "a.json", {}, ["Fine"], "'text', 1 of 1"),
        ('{"text": {"0": "Fine"}, "id": {"0": 1}}', "a.json", {}, ["Fine"], "'text', 1 of 1"),
        (
            '{"page": 1, "reviews": [{"id": 1, "body": "Fine"}]}',
            "a.json",
            {},
            ["Fine"],
            "objects of its list 'reviews'",
        ),
        (
            "Id,Title,Body\n1,Tie a knot in a rope,Which knot holds best?\n2,Mend a net,Where do I begin with it?\n",
            "a.csv",
            {},
            ["Which knot holds best?", "Where do I begin with it?"],
            "'Body', 2 of 2",
        ),
        (
            "reviewer,review,at\nAnna Maria of Ulm,Good,2 days ago\nA. Bee,Bad,a week ago\n",
            "a.csv",
            {},
            ["Good", "Bad"],
            "",
        ),
        ("content,replyContent\ngood,We thank you a lot\nbad,We are very sorry\n", "a.csv", {}, ["good", "bad"], ""),
        ("text\nHello, you\nBye, then\n", "a.txt", {}, ["Hello, you", "Bye, then"], "2 of 2"),
        ("Hello, you\nBye, then\n", "a.txt", {"columns": "text"}, ["Hello, you", "Bye, then"], "2 of 2"),
        ("text\nHello, you\nBye, then\n", "a.csv", {"columns": ["text"]}, ["Hello, you", "Bye, then"], "2 of 2"),
        ("thanks\nbye\n", "a.txt", {"text_column": "thanks"}, ["bye"], "1 of 1"),
        ("SEP=;;\nid;comment\n1;I like it\n", "a.csv", {}, ["I like it"], "'comment'"),
        ("# exported by a tool, version 2\nid,review\n1,I like it\n", "a.csv", {}, ["I like it"], "above the header"),
        ('id\treview\n1\t"Great" is too much\n2\tfine\n', "a.tsv", {}, ['"Great" is too much', "fine"], "parts of the"),
        (
            "StartDate,ResponseId,Q2\nStart Date,Response ID,Why?\n2024-01-01,R1,It rained\n",
            "a.csv",
            {},
            ["It rained"],
            "line 2",
        ),
        (
            'id,text\n1,Hello\n2,"Why is ""ImportId"" in it?"\n',
            "a.csv",
            {},
            ["Hello", 'Why is "ImportId" in it?'],
            "2 of 2",
        ),
        ("Comment;2023;2024\nFine here;1;2\n", "a.csv", {}, ["Fine here"], "'Comment'"),
        ("# of stars,Kunde,Review\nfive,M,Good one\ntwo,S,Bad one\n", "a.csv", {}, ["Good one", "Bad one"], "'Review'"),
        (
            "text,stars\nIt is fine,none\nIt is dim,4\nIt broke,5\n",
            "a.csv",
            {},
            ["It is fine", "It is dim", "It broke"],
            "",
        ),
        ("text,label\nText.,Label!\nBye now,b\n", "a.csv", {}, ["Text.", "Bye now"], "2 of 2"),
        ("Sterne,Rezensionstext,Kundenname\n5,Gut,Anna von Ulm\n4,Passt,Bert\n", "a.csv", {}, ["Gut", "Passt"], ""),
        ("日期,评论内容\n2024-01-01,很好用\n2024-01-02,差\n", "a.csv", {}, ["很好用", "差"], "2 of 2"),
        ("id,comment\n" + "1,ok\n2,nice\n" * 20, "a.csv", {}, ["ok", "nice"] * 20, "40 of 40"),
        (
            "Bus,Bahn,Kommentar\nBus,,Er kommt zu spät\n,Bahn,Voll ist sie\n",
            "a.csv",
            {},
            ["Er kommt zu spät", "Voll ist sie"],
            "",
        ),
        (
            "Free text\nThe blender broke after two weeks\n",
            "a.csv",
            {},
            ["The blender broke after two weeks"],
            "1 of 1",
        ),
        (
            "Terrible\nVery poor service from start to end\n",
            "a.txt",
            {},
            ["Very poor service from start to end"],
            "if it is data, give columns=",
        ),
        ("Nr;Kommentar\n1;a b\n", "a.csv", {"columns": "id,text"}, ["Kommentar", "a b"], "is read as data because"),
        (
            '{"columns": ["id", "text"], "data": [{"id": 1, "text": "Fine"}]}',
            "a.json",
            {},
            ["Fine"],
            "of its list 'data'",
        ),
        ("Spring,,\n,,\nid,by,text\n1,a,Fine\n", "a.csv", {}, ["Fine"], "'Spring' above the header"),
    ],
)
def test_what_is_read_and_what_is_said(content, name, options, texts, said, file, capsys):
    assert load_corpus(file(content, name), **options)["text"].tolist() == texts
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            '"0","9","u1","my shoe has a hole"\n"4","8","u2","rain on the roof"\n',
            "looks like data: '0', '9'.*as columns=",
        ),
        ("ham,See you there\nham,Come at six\nspam,Win it\n", "looks like data"),
        ("I came home late.\nThe train was full.\n", "looks like data"),
        ("good morning\nsee you\nthanks\n", "looks like data.* columns='text'.* text_column="),
        ("thanks\nbye\nhello\n", "looks like data"),
        ("Where is my parcel?\nCan I pay by card?\n", "looks like data"),
        ("这个产品很好用我喜欢\n质量太差了不会再买\n", "looks like data"),
        ("love,I really love this phone\nanger,It is a bad phone and slow\n", "looks like data"),
        ("Well, hello\nSo, it goes\nYes, really\n", "a blank follows each ','"),
        ("Report:,Feedback\nDate:,today\n\nid,comment\n1,I like it\n", "looks like data"),
        ("| id | text |\n|----|------|\n| 1 | fine |\n", "looks like data"),
        ('"id,text"\n"1,hello you"\n', "looks like data"),
        ("id,author\n1,Anna of Ulm\n2,A. Bee\n", "not clear"),
        ("text,score,\nHello you there,4,5\nBye then man,3,5\n", "has no name for column 3"),
        ('id\treview\n1\t"Great for me\n2\tso bad"\n3\tfine\n', "could be another row"),
        ('[{"text": "a", "text": "b"}]', "a key twice"),
        ('[{"text": "half \\ud83d"}]', "entry 1: holds half a character"),
        ("null", "holds no text"),
        ('[{"title": "Trip to Rome", "mapping": {"a": 1}}]', "not clear"),
        ("id~text\n1~Hello you\n2~Bye now\n", "looks like data"),
        ("I like it a lot;pos\nI do not like it;neg\nFine by me;pos\n", "looks like data"),
        ("version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        ("Товар хороший\n".encode("cp1251"), "not in western European letters"),
        (
            "Sehr schön, größer\nund wärmer\n".encode() + b"\xff\n",
            "line 3: holds bytes that are none of encoding='utf-8'",
        ),
        ("one line of plain prose\nand another one\n", "looks like data"),
        ("Answers, 2024\nid,text\n1,Fine\n", "looks like data: 'Answers', '2024'"),
        ("Answers, spring\nid,text\n1,Fine\n", "looks like data: 'Answers', 'spring'"),
        ("2024-01-03 09:00 A: Good morning\n2024-01-03 09:01 B: Hi, you\n", "looks like data"),
        ("03/01/2024, 09:00 - A: Good morning\n03/01/2024, 09:01 - B: Hi\n", "looks like data.*then a row a text"),
        ("id,text,label\n1,It was good, I think,a\n2,Bad, very,b\n", "line 2: has more cells than the 3"),
        ("id,text,label\n4,It was good, I think,a\n9,Bad, very,b\n", "line 2: has more cells than the 3"),
        ("id,text,label\n1,Good,a\n2,Half\n a text,b\n", "line 3: has 2 cells, fewer than the 3"),
        ("a;b,c\n1;2,3\n", "falls into columns by ',' and by ';'.* sep="),
        ('{"version": "2.0", "data": []}', "SQuAD's form"),
        ('[{"talk": [{"by": "a", "says": "Hi"}]}]', "entry 1, column 'talk': holds a list; wanted is a text"),
        ("Was war gut?;\nSehr gut hier;ja\nSchlecht hier;nein\n", "has no name for column 2"),
        ("description,comment\nA lamp that is light,Too dim for me and mine\nA,B\n", "not clear"),
        ('{"columns": ["id", "text"], "data": [[1], [2, "x"]]}', "one object with 'columns'"),
        ('{"errors": [{"message": "Too many requests for now"}]}', "one object with 'errors'"),
        ("[" * 5000, "lists in lists without an end"),
        ("%PDF-1.7\n1 0 obj\n", "is a PDF file and no table"),
        ("\ufeff<!DOCTYPE html><p>Sorry, not found", "is a web page and no table"),
        ('{"queries": {}, "corpus": {}, "relevant_docs": {}}', "LlamaIndex's form"),
    ],
)
def test_what_is_refused(content, words, file):
    with pytest.raises(ValueError, match=words):
        load_corpus(file(content))


def test_numbers_as_texts_are_read_unchanged_with_a_warning(file, caplog):
    numbers = ["0042", "9:15", "2e5", "+33 1", "TRUE"]
    assert load_corpus(file("text\n" + "\n".join(numbers)))["text"].tolist() == numbers
    assert "4 of 5 texts of column 'text' are numbers, dates or times" in caplog.text


DIGITS = st.one_of(
    st.sampled_from(["007", "1.10", "1e3", "+5", "-0", " 7", "12345678901234567890123", "0x10", "1_000", "3,5", "inf"]),
    st.text("0123456789.-+e,", min_size=1, max_size=6),
    st.integers(-999, 10**20).map(str),
)


@quick
@given(st.lists(st.tuples(DIGITS, DIGITS), min_size=2, max_size=6))
@example([("1.10", "1.10"), ("1.1", "1.1")])
@example([("7", "7"), ("8", "")])
def test_texts_and_labels_of_digits_read_as_they_were_written(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "digits.csv"
    with path.open("w", encoding="utf-8", newline="") as written:
        csv.writer(written).writerows([("text", "label"), *rows])
    frame = load_corpus(path)
    assert frame["text"].tolist() == [text for text, _ in rows]
    shown = [str(label) for label in frame["label"].astype(object).where(frame["label"].notna(), "")]
    assert shown == [label for _, label in rows]


def test_labels_are_numbers_where_nothing_is_lost(file):
    assert load_corpus(file("text,label\na b,7\nc d,12\n"))["label"].tolist() == [7, 12]
    assert load_corpus(file("text,label\na b,0.5\nc d,12.25\n"))["label"].tolist() == [0.5, 12.25]


def test_names_of_columns_in_one_string(file):
    frame = load_corpus(file("a b,7\nc d,12\n"), columns="text,label")
    assert frame.to_dict("list") == {"text": ["a b", "c d"], "label": [7, 12]}


def test_a_cell_may_hold_a_book(file):
    book = "It was a dark night. " * 10_000
    assert load_corpus(file(f'text,label\n"{book}",a\nshort,b\n'))["text"].tolist() == [book, "short"]


@pytest.mark.parametrize(
    ("content", "options", "scores"),
    [
        ("Text ;Note\nSehr gut, danke;4,5\nNaja;2,0\n", {"score_column": "Note"}, [4.5, 2]),
        ("text;score\nSehr gut, danke;4,5\nNaja;2\n", {}, [4.5, 2]),
        ("Score,Text\n5,Fine lamp\n1,Too dim\n", {}, [5, 1]),
        ('[{"text": "a", "score": 1}, {"text": "b", "score": 2.5}]', {}, [1, 2.5]),
    ],
)
def test_scores_are_read(content, options, scores, file):
    assert read_scored(file(content), **options)["score"].tolist() == scores


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("text,score\na,5\nb,n/a\nc,1\n", "line 3, column 'score': 'n/a' is no number"),
        ("text,score\na,5\n,4\n  ,1\nc,\n", "line 5, column 'score': there is no score"),
        ("text,score\na,4 Sterne\nb,2 Sterne\n", "line 2, column 'score': '4 Sterne' is no number .and 1 more"),
        ('text,score\na,4.5\nb,"5,5"\n', "line 3, column 'score': '5,5' is no number"),
        ('text,score\na,"1,200"\nb,"3,400"\n', "line 2, column 'score': '1,200' may have a decimal comma"),
        ("text,score\na,inf\nb,1\n", "line 2, column 'score': 'inf' is no number"),
        ('[{"text": "a", "score": true}, {"text": "b", "score": 1}]', "entry 1, column 'score': True is no number"),
        ("text,label\na,5\nb,3\n", r"score_column='score' is not in a.csv, which has the columns \['text', 'label'\]"),
    ],
)
def test_a_score_that_is_none_is_named_by_line_and_value(content, words, file):
    with pytest.raises(ValueError, match=words):
        read_scored(file(content))


def test_workbooks_parquet_and_folders_of_datasets(tmp_path, capsys):
    import openpyxl
    import pyarrow
    import pyarrow.parquet

    import datasets

    book = openpyxl.Workbook()
    for row in (["Answers of the spring course"], ["id", "text", "score"], [1, "Too loud", 2.5], [2, "007", 4]):
        book.active.append(row)
    book.create_sheet("other")
    book.save(tmp_path / "a.xlsx")
    assert load_corpus(tmp_path / "a.xlsx")["text"].tolist() == ["Too loud", "007"]
    assert read_scored(tmp_path / "a.xlsx")["score"].tolist() == [2.5, 4]
    assert "of its 2 sheets 'Sheet' is read" in capsys.readouterr().out
    rows = {"text": ["Too loud", "Fine"], "score": [2.5, 4.0], "pos": [["a", "b"], ["c"]]}
    pyarrow.parquet.write_table(pyarrow.table(rows), tmp_path / "a.parquet")
    datasets.Dataset.from_dict(rows).save_to_disk(tmp_path / "folder")
    for name in ("a.parquet", "folder"):
        assert read_scored(tmp_path / name)["score"].tolist() == [2.5, 4]
        assert read_pairs(tmp_path / name, query_column="text").positives == (("a", "b"), ("c",))
        assert load_corpus(tmp_path / name)["text"].tolist() == ["Too loud", "Fine"]
    datasets.DatasetDict(train=datasets.Dataset.from_dict(rows)).save_to_disk(tmp_path / "dict")
    with pytest.raises(ValueError, match="dict is a folder of dataset_dict.json, train. Name one of them"):
        read_table(tmp_path / "dict")


def test_damaged_files_and_missing_packages(file, monkeypatch):
    with pytest.raises(ValueError, match="a.csv.gz is a damaged gzip file"):
        read_table(file(gzip.compress(b"text\nHi\n")[:-6], "a.csv.gz"))
    with pytest.raises(ValueError, match="a.xlsx is no whole workbook"):
        read_table(file(b"PK\3\4 and no more", "a.xlsx"))
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ValueError, match=r"Reading a.xlsx needs the package openpyxl: .*\[files\]"):
        read_table(file(b"PK\3\4", "a.xlsx"))


def test_a_users_file_is_read_in_one_place_only():
    """Other calls of a reader are of archives that the course fetched, of what it wrote itself, and of pip's lists."""
    readers = {
        "read_csv",
        "read_json",
        "read_excel",
        "read_parquet",
        "read_table",
        "reader",
        "DictReader",
        "read_feather",
    }
    found = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in readers:
                found.setdefault(path.relative_to(PACKAGE).as_posix(), []).append(ast.unparse(node.args[0]))
    ours = {"app/pieces.py", "app/shards.py", "embedding/shards.py", "measuring/index.py"}
    assert set(found) == {"data/tables.py", "data/batches.py", "data/corpora.py", *ours}
    assert all(argument.startswith(("_file(", "fetch(", "ROOT /", "path")) for argument in found["data/corpora.py"])
