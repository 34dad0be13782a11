"""A user's own documents and questions: what people's files look like, and what must not pass in silence."""

import json
import logging

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from course_utils.data import load_corpus, read_questions
from course_utils.paths import ROOT

DOCUMENTS = "id,message\nn1,The lift is out of order.\nn2,A red helmet was found.\nn3,No water on Monday.\n"
QUESTIONS = "question,relevant\nWhy the stairs?,n1\nWho lost a helmet?,n2\n"


@pytest.fixture
def write(tmp_path):
    def write(documents=DOCUMENTS, questions=QUESTIONS, encoding="utf-8", suffix=".csv"):
        paths = tmp_path / f"my notes{suffix}", tmp_path / f"my questions{suffix}"
        for path, text in zip(paths, (documents, questions), strict=True):
            path.write_bytes(text.encode(encoding))
        return paths

    return write


def relevant_of(paths, **options):
    return read_questions(*paths, **options).relevant


def test_the_notice_board():
    notices, questions = load_corpus("noticeboard"), load_corpus("noticeboard_questions")
    mine = read_questions(ROOT / "datasets" / "noticeboard.csv", ROOT / "datasets" / "noticeboard_questions.csv")
    assert mine.documents == notices["message"].tolist() and mine.ids == notices["id"].tolist()
    assert mine.queries == questions["question"].tolist()
    assert [mine.ids[i] for [i] in mine.relevant] == questions["relevant"].tolist()
    shares = questions["relevant"].to_numpy()[:, None] == questions["relevant"].to_numpy()
    assert np.array_equal(mine.units[:, None] == mine.units, shares) and mine.units.max() < len(mine.queries) - 1


def test_a_file_of_western_excel(write, capsys):
    """Semicolons, cp1252, several ids in a cell, an empty line, other names of the columns."""
    documents = (
        "Nr;Meldung\r\n1;Der Aufzug in Haus B fährt nicht.\r\n2;Müll wird später abgeholt.\r\n3;Kein Wasser.\r\n"
    )
    questions = "Frage;Relevant\r\nWarum muss ich zu Fuß gehen?;1\r\nWas fällt aus?;1, 3\r\n;\r\n"
    mine = read_questions(*write(documents, questions, "cp1252"))
    assert mine.documents[1] == "Müll wird später abgeholt." and mine.ids == ["1", "2", "3"]
    assert mine.relevant == [[0], [0, 2]] and mine.units.tolist() == [0, 0]
    said = capsys.readouterr().out
    assert "read as cp1252" in said and "2 questions from column 'Frage', documents from column 'Relevant'" in said


def test_semicolons_in_one_file_and_commas_in_the_other(write):
    assert relevant_of(write(DOCUMENTS.replace(",", ";"))) == [[0], [1]]


@pytest.mark.parametrize(
    "cell",
    [
        "n1;n3",
        "n1, n3",
        '"n1,n3"',
        "n1|n3",
        " n1 ; n3 ;",
        "n1\r\nn3",
        '["n1", "n3"]',
        "['n1', 'n3']",
        "[n1, n3]",
        "n1;n3,n1",
    ],
)
def test_several_documents_in_a_cell(write, cell):
    cell = cell if cell.startswith('"') else '"' + cell.replace('"', '""') + '"'
    assert relevant_of(write(questions=f"question,relevant\nWhat is off?,{cell}\n")) == [[0, 2]]


def test_several_rows_of_a_question(write):
    mine = read_questions(*write(questions=QUESTIONS + "Why the stairs? ,n3\nWhy the stairs?,n1\n"))
    assert mine.queries == ["Why the stairs?", "Who lost a helmet?"] and mine.relevant == [[0, 2], [1]]
    assert mine.units.tolist() == [0, 1]


def test_questions_that_share_a_document_through_others_are_one_unit(write):
    questions = 'question,relevant\na?,n1\nb?,n2\nc?,"n1,n3"\nd?,n3\n'
    assert read_questions(*write(questions=questions)).units.tolist() == [0, 1, 0, 0]


def test_a_mark_in_an_id_does_not_divide_it(write):
    documents = DOCUMENTS.replace("n1", '"a,1"').replace("n3", '"b;2"')
    questions = 'question,relevant\nWhich?,"a,1"\nWhat?,"b;2"\nBoth?,"a,1;n2"\n'
    assert relevant_of(write(documents, questions)) == [[0], [2], [0, 1]]


@pytest.mark.parametrize("ids", [("7", "8", "9"), (7, 8, 9), (7.0, 8.0, 9.0), ("7.0", " 8", "9")])
@pytest.mark.parametrize("asked", [["7", "9"], [7, 9], [7.0, 9.0], "7,9", "[7, 9]", "7.0; 9.0"])
def test_numbers_as_ids_are_compared_as_text(write, ids, asked):
    documents = "\n".join(json.dumps({"id": key, "text": f"text of {key}"}) for key in ids)
    questions = json.dumps({"query": "Which?", "relevant": asked})
    assert relevant_of(write(documents, questions, suffix=".jsonl")) == [[0, 2]]


ids_of_any_kind = st.one_of(
    st.text(st.sampled_from(list("ab71.;,|[]\"'- ")), min_size=1, max_size=5).map(str.strip).filter(bool),
    st.integers(0, 20),
    st.sampled_from(["[7]", '["a"]', "a;b", "7.0", "007", "None"]),
)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_the_ids_are_the_same_documents_come_back(tmp_path, data):
    ids = data.draw(
        st.lists(ids_of_any_kind, min_size=1, max_size=6, unique_by=lambda key: str(key).removesuffix(".0"))
    )
    right = data.draw(
        st.lists(st.lists(st.sampled_from(range(len(ids))), min_size=1, unique=True), min_size=1, max_size=4)
    )
    write_down = data.draw(st.sampled_from([lambda keys: keys, json.dumps, lambda keys: None]))  # None: a row each
    rows = []
    for number, places in enumerate(right):
        keys = [ids[place] for place in places]
        cells = keys if write_down(keys) is None else [write_down(keys)]
        rows += [{"question": f"number {number}?", "relevant": cell} for cell in cells]
    paths = tmp_path / "documents.jsonl", tmp_path / "questions.jsonl"
    for path, entries in zip(
        paths, ([{"id": key, "text": f"text {i}"} for i, key in enumerate(ids)], rows), strict=True
    ):
        path.write_text("\n".join(map(json.dumps, entries)), encoding="utf-8")
    assert read_questions(*paths).relevant == right


def test_ids_that_only_look_like_numbers_stay_as_they_are(write):
    documents = "id,text\n007,a text\n7,another text\n1.10,a third\n1.1,a fourth\n"
    assert relevant_of(write(documents, "question,relevant\na?,7\nb?,007\nc?,1.1\nd?,1.10\n")) == [[1], [0], [3], [2]]


def test_texts_in_place_of_ids(write):
    documents = 'text\n"The lift is out of order; take the stairs."\n"No water on Monday, from eight."\n'
    questions = (
        'question,answer\nWhy?,"No water on Monday, from eight. "\nWhich?,The lift is out of order; take the stairs.\n'
    )
    mine = read_questions(*write(documents, questions))
    assert mine.relevant == [[1], [0]] and mine.ids == ["line 2", "line 3"]


def test_equal_texts_are_one_document_under_both_ids(write, capsys):
    mine = read_questions(*write(DOCUMENTS + "n4,No water on Monday.\n", QUESTIONS + "Tea?,n4\nCoffee?,n3\n"))
    assert mine.ids == ["n1", "n2", "n3"] and mine.relevant == [[0], [1], [2], [2]]
    assert "1 texts are those of earlier rows" in capsys.readouterr().out


def test_documents_without_a_text_are_left_out_and_counted(write, caplog):
    with caplog.at_level(logging.WARNING):
        mine = read_questions(*write(DOCUMENTS.replace("A red helmet was found.", " "), "question,relevant\nTea?,n3\n"))
    assert mine.ids == ["n1", "n3"] and mine.relevant == [[1]]
    assert "1 of 3 rows of my notes.csv have no text" in caplog.text


@pytest.mark.parametrize(
    ("documents", "questions", "message"),
    [
        (
            DOCUMENTS + "n2,Another text.\n",
            QUESTIONS,
            r"my notes.csv, line 5, column 'id': 'n2' is the id of another text too.*id_column=",
        ),
        (DOCUMENTS + ",Another text.\n", QUESTIONS, "my notes.csv, line 5, column 'id': there is no id"),
        (
            DOCUMENTS,
            QUESTIONS + 'x?,"n2,n12"\ny?,N3\nz?,q\nw?,r\n',
            r"my questions.csv, column 'relevant': 4 values .* no document .*:\n"
            r"line 4: 'n12' \(nearest: 'n[12]'\)\nline 5: 'N3'.*\nline 6: 'q'\nCorrect.* or id_column=",
        ),
        (DOCUMENTS + "n4, \n", QUESTIONS + "x?,n4\n", r"1 values .* no document .*:\nline 4: 'n4'"),
        (
            DOCUMENTS,
            QUESTIONS + "x?,\ny?,[]\n",
            r"column 'relevant': 2 of 4 questions have no document.*\n'x\?'\n'y\?'",
        ),
        (DOCUMENTS, QUESTIONS + ",n3\n", "line 4, column 'question': there is no question. .*'n3'"),
        (DOCUMENTS, "question,relevant\n", "0 of 0 questions|looks like data|holds no"),
        (
            DOCUMENTS.replace("id,", "label,"),
            "question,relevant\nx?,0\ny?,2\n",
            r"2 values .*:\nline 2: '0'.*\n(.*\n)?.*notes.csv has no column called id.* from 0 or from 1.* id_column=",
        ),
        (
            DOCUMENTS,
            "question,document,answer\nx?,n1,n2\n",
            r"'document', 'answer'\]; name the right one with relevant_column=",
        ),
        (DOCUMENTS, "foo,relevant\nx?,n1\n", "query_column="),
        ("doc_id,user_id,text\n1,2,Hello you\n", QUESTIONS, "name the right one with id_column="),
        ("id,pattern,approach\n1,Hello you there,Bye bye then\n", QUESTIONS, "text_column="),
        (
            DOCUMENTS,
            "question,relevant,correct\nx?,n1,yes\ny?,n2,no\n",
            "line 3, column 'correct': marks a wrong answer",
        ),
    ],
)
def test_what_is_refused(write, documents, questions, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        read_questions(*write(documents, questions))


def test_columns_can_be_named(write):
    documents = "doc_id,user_id,title,body text\n1,2,Hello,Hello you\n2,2,Bye,Bye you\n"
    questions = "what,a_id,b_id\nWho?,2,1\n"
    named = {"id_column": "doc_id", "text_column": "title", "query_column": "what", "relevant_column": "A_ID"}
    mine = read_questions(*write(documents, questions), **named)
    assert (mine.documents, mine.queries, mine.relevant) == (["Hello", "Bye"], ["Who?"], [[1]])


def test_a_workbook_and_the_ids_that_excel_makes_numbers(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    rows = {
        "notes.xlsx": [("id", "text"), (1, "The lift."), (2, "The bike.")],
        "asked.xlsx": [("q", "relevant"), ("Which?", 2.0), ("All?", "1; 2")],
    }
    for name, cells in rows.items():
        book = openpyxl.Workbook()
        for row in cells:
            book.active.append(row)
        book.save(tmp_path / name)
    assert relevant_of((tmp_path / "notes.xlsx", tmp_path / "asked.xlsx")) == [[1], [0, 1]]


def test_a_beir_folder_and_a_file_of_pairs(tmp_path):
    lines = {
        "corpus.jsonl": [("d1", "The lift."), ("d2", "The bike."), ("d3", "Water.")],
        "queries.jsonl": [("q1", "Which?"), ("q2", "Dry?")],
    }
    for name, rows in lines.items():
        objects = [json.dumps({"_id": key, "text": text}) for key, text in rows]
        (tmp_path / name).write_text("\n".join(objects), encoding="utf-8")
    (tmp_path / "qrels").mkdir()
    qrels = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td3\t1\nq2\td3\t1\n"
    (tmp_path / "qrels" / "test.tsv").write_text(qrels, encoding="utf-8")
    mine = read_questions(tmp_path)
    assert [[mine.documents[i] for i in row] for row in mine.relevant] == [["The lift.", "Water."], ["Water."]]
    assert set(mine.documents) == {"The lift.", "The bike.", "Water."} and mine.units.tolist() == [0, 0]
    (tmp_path / "pairs.csv").write_text("query,pos\nWhich?,The lift.\nDry?,Water.\n", encoding="utf-8")
    alone = read_questions(tmp_path / "pairs.csv")
    (tmp_path / "wrong.csv").write_text("a,b\nWhich?,The lift.\n", encoding="utf-8")
    with pytest.raises(ValueError, match="Name them: relevant_column="):
        read_questions(tmp_path / "wrong.csv")
    assert (alone.documents, alone.relevant, alone.ids) == (["The lift.", "Water."], [[0], [1]], ["1", "2"])
