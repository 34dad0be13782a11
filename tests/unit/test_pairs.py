"""Files of pairs: three formats, every bad row named, and parts that share no answer."""

import json

import numpy as np
import pytest

from course_utils.app.retriever import digests, pairs_sha256
from course_utils.data import Pairs, read_pairs, split_pairs

ROWS = [
    {"query": "Wo?", "pos": "hier, 今日", "neg": ["dort", "nirgends"]},
    {"query": "Wer?", "pos": ["ich", "du"]},
    {"query": "Was?", "pos": "hier, 今日"},
]


def written(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_three_formats_say_the_same(tmp_path):
    as_json = read_pairs(written(tmp_path, "a.json", json.dumps(ROWS)))
    as_jsonl = read_pairs(written(tmp_path, "a.jsonl", "\n".join(map(json.dumps, ROWS)) + "\n\n"))
    assert as_json == as_jsonl and len(as_json) == 3
    assert as_json.positives == (("hier, 今日",), ("ich", "du"), ("hier, 今日",))
    assert as_json.negatives == (("dort", "nirgends"), (), ())
    table = 'query,pos,neg\nWo?,"hier, 今日",dort\nWer?,ich,\n'
    as_csv = read_pairs(written(tmp_path, "a.csv", "\ufeff" + table))
    assert as_csv == Pairs(("Wo?", "Wer?"), (("hier, 今日",), ("ich",)), (("dort",), ()))


SPREAD = [
    {"query": "Wo?", "pos": "hier", "neg": "dort"},
    {"query": "Wer?", "pos": ["ich"]},
    {"query": "Wo?", "pos": ["da", "hier"], "neg": ["nirgends", "dort"]},
    {"query": "Wo?", "pos": "dort"},
]
MERGED = [{"query": "Wo?", "pos": ["hier", "da", "dort"], "neg": "nirgends"}, {"query": "Wer?", "pos": ["ich"]}]


def test_rows_of_one_question_are_one_question_with_several_right_answers(tmp_path, caplog):
    spread, merged = (
        read_pairs(written(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows)))) for rows in (SPREAD, MERGED)
    )
    assert spread == merged and digests(spread) == digests(merged) and pairs_sha256(spread) == pairs_sha256(merged)
    assert spread.queries == ("Wo?", "Wer?")  # where the first row stands
    (said,) = caplog.messages
    assert said == "4 rows hold 2 questions; 3 copies, or wrong answers that are right in another row, are left out."
    by_hand = Pairs.from_columns(["Wo?", "Wer?", "Wo?", "Wo?"], ["hier", "ich", "da", "hier"])
    assert by_hand.positives == (("hier", "da"), ("ich",)) and len(by_hand) == 2
    assert Pairs(("a", "b", "a"), (("x",), ("y",), ("z",)), ((), (), ())).positives == (("x", "z"), ("y",))
    assert merged.take([1, 0, 1]).queries == ("Wer?", "Wo?")


def test_what_is_taken_from_a_set_searches_among_all_its_answers():
    pairs = Pairs(("p", "q", "r"), (("a",), ("b", "a"), ("c",)), ((), ("x",), ()))
    few = pairs.take([2])
    assert few.answers == ("c",) and few.candidates == ("c", "a", "b", "x") and set(pairs.candidates) == {*"abcx"}
    assert few.relevant(few.candidates) == [[0]]
    assert few.take([0]).candidates == few.candidates and few != Pairs(("r",), (("c",),), ((),))
    for part in split_pairs(Pairs.from_columns("abcdefgh", "ABCDEFGH"), (0.5, 0.5)):
        assert set(part.candidates) == {*"ABCDEFGH"} and len(part.answers) == 4


def test_questions_that_share_a_right_answer_are_one_group():
    pairs = Pairs(tuple("pqrst"), (("a",), ("a", "b"), ("b",), ("c",), ("d",)), ((), (), (), (), ("c",)))
    assert pairs.groups.tolist() == [0, 0, 0, 1, 2]  # a wrong answer in common links nothing


def test_candidates_hold_each_text_once_and_know_what_is_right():
    answers = ("hier, 今日",), ("ich", "du"), ("hier, 今日",)
    pairs = Pairs(("Wo?", "Wer?", "Was?"), answers, (("dort", "nirgends"), (), ()))
    assert pairs.candidates == ("hier, 今日", "ich", "du", "dort", "nirgends")
    assert pairs.relevant(pairs.candidates) == [[0], [1, 2], [0]]
    assert pairs.take([2, 0]).queries == ("Was?", "Wo?")
    assert len(set(digests(pairs))) == 3 and digests(pairs.take([0])) == digests(pairs)[:1]
    assert pairs_sha256(pairs) != pairs_sha256(pairs.take([1, 0, 2]))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"query": "a", "pos": "b"}\n{"query": "", "pos": "b"}', "line 2, column 'query': .* is empty"),
        ("a.jsonl", '{"query": "a", "pos": "b"}\n{"query": 3, "pos": "b"}', "line 2, column 'query': .* a int"),
        ("a.jsonl", '{"query": "a"}\n{"query": "a", "pos": "b"}', "line 1, column 'pos': there is no right answer"),
        ("a.jsonl", '{"query": "a"}', "wanted are one called query and one called pos"),
        ("a.jsonl", '{"query": "a", "pos": ["b", null]}', "line 1, column 'pos': .* is missing"),
        ("a.jsonl", '{"query": "a", "pos": {"b": 1}}', "line 1, column 'pos': .* a dict"),
        ("a.jsonl", '{"query": "a", "pos": "b", "neg": [1]}', "line 1, column 'neg': .* a int"),
        ("a.jsonl", '{"query": "a", "pos": "b"}\n{"query":', "a.jsonl is not JSON: line 2, column 10"),
        ("a.jsonl", '["a", "b"]', "entry 1: is not an object"),
        ("a.json", '[{"query": "a", "pos": "b"}, {"query": "c"}]', "entry 2, column 'pos'"),
        ("a.json", '{"query": "a"}', "should hold a list of objects, .*one object with 'query'"),
        ("a.json", '[{"query": "a",]', "line 1, column 16"),
        ("a.csv", "question,answer\na,b\n", "query_column='question', pos_column='answer'"),
        ("a.csv", "q,a\na,b\n", "columns .'q', 'a'.; wanted are one called query and one called pos"),
        ("a.csv", 'query,pos\na,"b\nb"\nc,\n', "line 4, column 'pos'"),
        ("a.csv", "query,pos\na,b,c\n", "line 2: has more cells than the 2"),
        ("a.csv", "query,pos\n", "holds no pairs"),
        ("a.jsonl", "\n", "holds no pairs"),
        ("a.txt", "x", "wanted are one called query"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, text, message):
    with pytest.raises(ValueError, match=message):
        read_pairs(written(tmp_path, name, text))


def test_wrong_answers_that_are_right_or_empty_are_left_out_and_named(tmp_path, caplog):
    mined = {"query": "a", "pos": "b", "neg": ["b", "c", "", None]}, {"query": "d", "pos": "e", "neg": None}
    pairs = read_pairs(written(tmp_path, "a.jsonl", "\n".join(map(json.dumps, mined))))
    assert pairs.negatives == (("c",), ())
    place = "line 1, column 'neg': "
    assert f"{place}the same text is also a right answer\n{place}empty\n{place}missing" in caplog.text


def test_many_bad_rows_are_counted_and_ten_named(tmp_path):
    path = written(tmp_path, "a.jsonl", '{"query": "a", "pos": ""}\n' * 25)
    with pytest.raises(ValueError, match="and 15 more") as caught:
        read_pairs(path)
    assert str(caught.value).count("column 'pos'") == 10


def test_a_file_that_is_not_utf_8_or_not_there(tmp_path):
    (tmp_path / "a.csv").write_bytes("query,pos\nü,b\n".encode("latin-1"))
    assert read_pairs(tmp_path / "a.csv").queries == ("ü",)
    with pytest.raises(ValueError, match="no file 'b.json'") as caught:
        read_pairs(tmp_path / "b.json")
    assert str(tmp_path) not in str(caught.value)


def test_parts_have_their_shares_and_share_no_answer():
    rng = np.random.default_rng(0)
    pairs = Pairs.from_columns(map(str, range(200)), (f"answer {i}" for i in rng.integers(120, size=200)))
    parts = split_pairs(pairs, (0.6, 0.2, 0.2), seed=3)
    assert sorted(query for part in parts for query in part.queries) == sorted(pairs.queries)
    assert [abs(len(part) - n) <= 6 for part, n in zip(parts, (120, 40, 40), strict=True)] == [True] * 3
    answers = [set(part.answers) for part in parts]
    assert not answers[0] & answers[1] and not answers[0] & answers[2] and not answers[1] & answers[2]
    assert split_pairs(pairs, (0.6, 0.2, 0.2), seed=3) == parts != split_pairs(pairs, (0.6, 0.2, 0.2), seed=4)


def test_parts_that_cannot_be():
    with pytest.raises(ValueError, match="too few"):
        split_pairs(Pairs.from_columns("abc", "def"), (0.6, 0.2, 0.2))
    with pytest.raises(ValueError, match="share too many answers"):
        split_pairs(Pairs.from_columns("abcdefghij", "x" * 10), (0.5, 0.5))
    with pytest.raises(ValueError, match="3 queries and 2 answers"):
        Pairs.from_columns("abc", "de")


TRIPLETS = [
    {"anchor": "Where is the pump?", "positive": "Behind the shed.", "negative": "On the roof."},
    {"anchor": "Where is the flag?", "positive": "On the roof.", "negative": "Behind the shed."},
]
WHERE = (("Where is the pump?", "Where is the flag?"), (("Behind the shed.",), ("On the roof.",)))


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.txt"])
def test_the_names_of_other_tools_are_known_whatever_the_file_is_called(tmp_path, name):
    for text in (json.dumps(TRIPLETS), "\n".join(map(json.dumps, TRIPLETS))):
        pairs = read_pairs(written(tmp_path, name, text))
        assert (pairs.queries, pairs.positives, pairs.negatives) == (*WHERE, (("On the roof.",), ("Behind the shed.",)))
    extra = {"pos_scores": [0.9], "neg_scores": [0.2], "prompt": "Answer", "type": "normal"}
    rows = [{"query": row["anchor"], "pos": [row["positive"]], "neg": [row["negative"]]} | extra for row in TRIPLETS]
    assert read_pairs(written(tmp_path, name, "\n".join(map(json.dumps, rows)))) == pairs
    mined = [{"Anchor": "a", "Positive": "b", "negative_1": "c", "negative_2": "d"}]
    assert read_pairs(written(tmp_path, "b.json", json.dumps(mined))).negatives == (("c", "d"),)


def test_columns_of_any_name_are_named_and_suggested(tmp_path):
    faq = written(tmp_path, "faq.csv", ";Frage;Antwort\n0;Where is the pump?;Behind the shed.\n")
    with pytest.raises(
        ValueError, match="wanted are one called query and .* query_column='Frage', pos_column='Antwort'"
    ):
        read_pairs(faq)
    pairs = read_pairs(faq, query_column="Frage", pos_column="antwort")
    assert pairs == Pairs(("Where is the pump?",), (("Behind the shed.",),), ((),))
    triples = written(tmp_path, "triples.tsv", "where is the pump\tBehind the shed.\tOn the roof.\n")
    with pytest.raises(ValueError, match="names no columns, give columns="):
        read_pairs(triples)
    assert read_pairs(triples, columns=["query", "pos", "neg"]).negatives == (("On the roof.",),)


def test_a_beir_folder(tmp_path):
    passages = [{"_id": "p1", "title": "Shed", "text": "The pump is behind it."}, {"_id": "p2", "text": "On the roof."}]
    written(tmp_path, "corpus.jsonl", "\n".join(map(json.dumps, passages)))
    written(tmp_path, "queries.jsonl", json.dumps({"_id": "q1", "text": "Where is the pump?"}))
    (tmp_path / "qrels").mkdir()
    with pytest.raises(ValueError, match="qrels should hold one .tsv file, and holds none"):
        read_pairs(tmp_path)
    written(tmp_path, "qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\tp1\t1\nq1\tp2\t0\n")
    pairs = read_pairs(tmp_path)
    assert pairs.queries == ("Where is the pump?",) and pairs.positives == (("Shed The pump is behind it.",),)
    assert pairs.negatives == (("On the roof.",),)
    written(tmp_path, "qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\tp1\t1\nq1\tp9\t1\n")
    with pytest.raises(ValueError, match="test.tsv, line 3: its ids are not in"):
        read_pairs(tmp_path)
    dev = written(tmp_path, "qrels/dev.tsv", "query-id\tcorpus-id\tscore\nq1\tp2\tyes\n")
    with pytest.raises(ValueError, match="holds dev.tsv, test.tsv. Name one of them, for example .*/qrels/test.tsv"):
        read_pairs(tmp_path)
    with pytest.raises(ValueError, match="dev.tsv, line 2: the score 'yes' is no number"):
        read_pairs(dev)
    written(tmp_path, "qrels/dev.tsv", "query-id\tcorpus-id\tscore\nq1\tp2\t1\n")
    assert read_pairs(dev).positives == (("On the roof.",),)
    written(tmp_path, "qrels/dev.tsv", "q1 0 p2 1\n")
    with pytest.raises(ValueError, match="dev.tsv has the columns"):
        read_pairs(dev)
    written(tmp_path, "corpus.jsonl", json.dumps({"id": "p1", "text": "On the roof."}))
    with pytest.raises(ValueError, match="corpus.jsonl of .* lacks _id: BEIR has both"):
        read_pairs(dev)


def test_a_column_that_judges_the_rows_is_named_and_lists_in_cells_are_lists(tmp_path, capsys):
    path = written(tmp_path, "a.csv", 'query,pos,label\nWho?,"[""Me"", ""You""]",1\nWhere?,[here],1\n')
    assert read_pairs(path).positives == (("Me", "You"), ("[here]",))
    assert "column 'label' is not read; the pos of every row is taken for a right answer" in capsys.readouterr().out
    path = written(tmp_path, "a.csv", "query,pos,neg,neg2\nWho?,\"['Me', 'You']\",[],Her\n")
    assert read_pairs(path).positives == (("Me", "You"),) and read_pairs(path).negatives == (("Her",),)
    path = written(tmp_path, "a.csv", "query,pos\nWho?,\"['Me' 'You']\"\n")
    with pytest.raises(ValueError, match="line 2, column 'pos': should be a text, and is a list"):
        read_pairs(path)
    path = written(tmp_path, "a.csv", 'query,pos\nWho?,"[""hi \\ud83d\\ude00"", ""a\\/b""]"\n')
    assert read_pairs(path).positives == (("hi 😀", "a/b"),)
    for cell in ("['a', 5]", "['a', ['b']]", "('a', 'b')", "['It''s', 'x']", "{'text': 'a'}"):
        written(tmp_path, "a.csv", f'query,pos\nWho?,"{cell}"\n')
        with pytest.raises(ValueError, match="line 2, column 'pos': should be a text, and is a list"):
            read_pairs(path)


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("label", "1", "0"),
        ("label", "1", "-1"),
        ("is_relevant", "Y", "N"),
        ("gold_label", "entailment", "contradiction"),
        ("is_correct", "True", "False"),
        ("kept", "yes", "no"),
        ("similarity_score", "0.9", "0.00"),
    ],
)
def test_a_row_that_is_marked_as_wrong_is_no_right_answer(tmp_path, capsys, name, right, wrong):
    path = written(tmp_path, "a.csv", f"query,pos,{name}\nWho?,Me,{right}\nWho?,The moon,{wrong}\n")
    with pytest.raises(ValueError, match=f"a.csv, line 3, column '{name}': marks a wrong answer"):
        read_pairs(path)
    written(tmp_path, "a.csv", f"query,pos,{name},empty\nWho?,Me,{right},\n")
    assert read_pairs(path).positives == (("Me",),)
    assert f"column '{name}' is not read" in capsys.readouterr().out


def test_kinds_of_rows_in_numbers_are_not_guessed(tmp_path):
    path = written(
        tmp_path, "a.csv", "query,pos,label\nHe eats,He is eating,0\nHe runs,He moves,1\nHe runs,He sleeps,2\n"
    )
    with pytest.raises(ValueError, match="column 'label' sorts the rows by 3 numbers, from 0 on"):
        read_pairs(path)


def test_few_groups_of_questions_are_dealt_out_so_that_no_part_is_empty():
    pairs = Pairs.from_columns(map(str, range(60)), (f"page {i % 4}" for i in range(60)))
    for shares in ((0.7, 0.15, 0.15), (0.6, 0.2, 0.2), (0.9, 0.05, 0.05)):
        assert [len(part) for part in split_pairs(pairs, shares)] == [30, 15, 15]
    with pytest.raises(ValueError, match="60 pairs are too few, or share too many answers, for 5 parts"):
        split_pairs(pairs, (0.2,) * 5)


def test_where_lists_are_lists_a_text_may_look_like_one(tmp_path):
    code = ["['a', 'b']", "('a', 'b')", '{"a": 1}', '["a", 5]']
    path = written(
        tmp_path, "a.json", json.dumps([{"query": f"What is {i}?", "pos": text} for i, text in enumerate(code)])
    )
    assert read_pairs(path).positives == tuple((text,) for text in code)
