"""Our numbers are mteb's, where both compute the same measure; without a hub."""

import sys

import pytest

from course_utils.data import load_corpus
from course_utils.measuring import Classification, Contender, Retrieval, Similarity, evaluate_with_mteb
from course_utils.measuring.benchmark import evaluate, summarize


def test_our_numbers_are_mtebs():
    pytest.importorskip("mteb")
    traces, questions, pairs = load_corpus("traces"), load_corpus("trace_questions"), load_corpus("sts_b", n=100)
    position = {trace: i for i, trace in enumerate(traces["id"])}
    # some questions have several right answers, so that recall and nDCG have something to share out
    right = questions["relevant"].map(position)
    relevant = [[(i + 7 * j) % 60 for j in range((1, 2, 1, 12)[row % 4])] for row, i in enumerate(right)]
    tasks = [
        # long enough that no two are equally similar: such ours count against a model, mteb's stand in the order of ids
        Retrieval("traces", questions["question"], traces["pattern"] + " " + traces["approach"], relevant),
        Similarity("pairs", pairs["sentence1"], pairs["sentence2"], pairs["score"]),
        Classification("kinds", questions["question"], questions["difficulty"]),
    ]
    contenders = [
        Contender("words", "tf-idf"),
        Contender("bm25", "bm25"),
        Contender("MiniLM, cut", truncate_dim=100, max_length=32),
    ]
    ours, theirs = summarize(evaluate(contenders, tasks)), evaluate_with_mteb(contenders, tasks)
    both = ours.merge(theirs, on=["model", "task", "metric"])
    assert len(both) == len(ours) == len(theirs) == 3 * 5
    assert both["mteb"].tolist() == pytest.approx(both["estimate"].tolist(), abs=1e-4)
    assert both["mteb"].abs().between(0.05, 0.95).all()  # no measure is at an end, where all would agree


def test_what_is_said_without_mteb(monkeypatch):
    monkeypatch.setitem(sys.modules, "mteb", None)
    with pytest.raises(ImportError, match=r"mteb is not installed. Run `pip install .*\[bench\]"):
        evaluate_with_mteb([], [])
