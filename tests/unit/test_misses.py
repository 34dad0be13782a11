"""What is won, lost and missed, and causes that hold by hand-made cases and are not claimed otherwise."""

import numpy as np
import pandas as pd
import pytest

from course_utils.data import Pairs
from course_utils.measuring import AnswerRanking, explain_misses, normalize
from course_utils.measuring.misses import HUB_QUESTIONS


def ranking(asked, answers, pairs, name="head"):
    return AnswerRanking(pairs, normalize(np.asarray(asked, float)), normalize(np.asarray(answers, float)), name)


def firsts(places, n_answers):
    """Vectors of questions of which each finds the answer at its place first, then that at the place after."""
    return 1.0 * np.eye(n_answers)[places] + 0.5 * np.eye(n_answers)[(np.asarray(places) + 1) % n_answers]


PAIRS = Pairs.from_columns([f"q{i}" for i in range(5)], [f"a{i}" for i in range(5)])


def test_outcomes_and_what_came_first_instead():
    stock = ranking(firsts([0, 1, 3, 4, 4], 5), np.eye(5), PAIRS, "stock")
    head = ranking(firsts([0, 2, 2, 0, 4], 5), np.eye(5), PAIRS)
    table = explain_misses(head, stock).set_index("question")
    assert table["outcome"].to_dict() == {1: "lost", 2: "won", 3: "still missed"}
    # of the won one it is what the stock model put first; of the others the head's own
    assert table["first"].to_dict() == {1: 2, 2: 3, 3: 0} and table["wanted"].to_dict() == {1: 1, 2: 2, 3: 3}
    assert (table["rank"] > 1).to_dict() == {1: True, 2: False, 3: True} and table.loc[1, "rank before"] == 1
    assert set(table["cause"]) == {""}  # nothing is known
    alone = explain_misses(head)
    assert alone["outcome"].tolist() == ["missed", "missed"] and alone["rank before"].isna().all()
    assert len(explain_misses(ranking(np.eye(5), np.eye(5), PAIRS))) == 0
    with pytest.raises(ValueError, match="same pairs"):
        explain_misses(head, ranking(np.eye(5)[:4], np.eye(5), PAIRS.take(range(4)), "stock"))


def test_a_copy_of_a_right_answer_and_one_that_is_nearly_the_same():
    texts = ["The Cat  sat", "the cat\nsat", "A dog", "One dog", "x", "y"]
    pairs = Pairs.from_columns([f"q{i}" for i in range(6)], texts)
    answers = np.eye(6)
    answers[3] = [0, 0, 1, 0.1, 0, 0]  # cosine 0.995 with the other dog
    asked = firsts([1, 1, 3, 3, 5, 5], 6)
    causes = dict(explain_misses(ranking(asked, answers, pairs))[["question", "cause"]].to_numpy())
    assert causes[0] == "same text as a right answer" and causes[4] == ""
    far, near = ranking(asked, np.eye(6), pairs, "stock"), ranking(asked, answers, pairs)
    # the stock model's vectors decide: a head may have pulled the two together
    assert explain_misses(far, near).set_index("question").loc[2, "cause"] == "nearly a right answer"
    assert explain_misses(near, far).set_index("question").loc[2, "cause"] == ""


def test_a_text_that_is_cut_and_a_question_with_several_answers():
    pairs = Pairs(("q0", "q1", "q2"), (("a0", "b0"), ("a1",), ("a2",)), ((),) * 3)
    model = ranking(firsts([2, 3, 2], 4), np.eye(4), pairs)
    asked = []

    def is_cut(texts, query):
        asked.append((texts, query))
        return np.array([text in ("q1", "a2") for text in texts])

    causes = explain_misses(model, is_cut=is_cut)["cause"].tolist()
    assert causes == ["several right answers", "question cut", "right answer cut"]
    assert asked == [(["q0", "q1", "q2"], True), (["a0", "a1", "a2"], False)]  # only what is missed, and each side


def hubs(n, n_answers, places, positives=None):
    """The causes that are named where these answers come first; each question wants an answer of its own."""
    positives = positives or [(f"a{i}",) for i in range(n)]
    rest = tuple(f"r{i}" for i in range(n_answers - len({text for texts in positives for text in texts})))
    pairs = Pairs(tuple(f"q{i}" for i in range(n)), tuple(positives), ((),) * n, rest)
    asked = np.eye(len(pairs.candidates))[places]
    return explain_misses(ranking(asked, np.eye(len(pairs.candidates)), pairs))


def test_a_hub_comes_first_for_many_and_more_than_chance_explains():
    n = HUB_QUESTIONS + 2
    table = hubs(40, 50, [45] * n + list(range(n, 40)))
    assert table["wrongly first"].tolist() == [n] * n and set(table["cause"]) == {"hub"}
    table = hubs(40, 50, [45] * (HUB_QUESTIONS - 1) + list(range(HUB_QUESTIONS - 1, 40)))
    assert set(table["cause"]) == {""}  # too few
    # forty mistakes on eight of 48 answers: five each are not so many
    assert set(hubs(40, 48, [40 + i % 8 for i in range(40)])["cause"]) == {""}


def test_questions_that_share_an_answer_make_no_hub():
    n = HUB_QUESTIONS + 2
    shared = [("one",)] * n + [(f"a{i}",) for i in range(n, 40)]
    table = hubs(40, 50, [45] * n + list(range(1, 41 - n)), shared)
    assert len(table) == n and table["wrongly first"].tolist() == [1] * n and set(table["cause"]) == {""}


@pytest.mark.parametrize("n_answers", [20, 200])
def test_no_hub_is_claimed_where_answers_come_first_by_chance(n_answers):
    claimed = 0
    for seed in range(200):
        places = np.random.default_rng(seed).integers(n_answers, size=n_answers)
        table = hubs(n_answers, n_answers, places)
        claimed += table["cause"].str.contains("hub").any()
    assert claimed <= 6  # 0.01 of 200 are 2; more than 6 in one of 200 cases


def test_the_columns_hold_plain_numbers():
    table = explain_misses(ranking(firsts([1, 2, 3, 4, 0], 5), np.eye(5), PAIRS))
    assert isinstance(table, pd.DataFrame) and len(table) == 5
    assert all(table[name].dtype.kind == "i" for name in ("question", "rank", "first", "wanted", "wrongly first"))
