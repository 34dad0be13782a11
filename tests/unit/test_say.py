"""Sentences follow the numbers: higher, lower, identical, not to be told apart, too few to say; and who comes first."""

import math

import numpy as np
import pandas as pd
import pytest

from course_utils.measuring import Interval, difference_interval, intervals
from course_utils.measuring.intervals import GroupDifference, Leader
from course_utils.teaching import say

FEW, ENOUGH = intervals.MIN_UNITS - 1, intervals.MIN_UNITS


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (
            Interval(0.12, 0.04, 0.2),
            "**A** has a higher accuracy than **B**: difference 0.12 (95% interval 0.04 to 0.20).",
        ),
        (
            Interval(-0.12, -0.2, -0.04),
            "**A** has a lower accuracy than **B**: difference -0.12 (95% interval -0.20 to",
        ),
        (
            Interval(0.12, -0.01, 0.25, 0.9),
            "**A** and **B** cannot be told apart in accuracy on this sample: difference",
        ),
        (Interval(-0.1, -0.2, 0.0), "cannot be told apart"),
        (Interval(0.1, 0.0, 0.2), "cannot be told apart"),
        (Interval(0, -0.1, 0.1), "cannot be told apart"),
        (
            Interval(0.3, 0.1, 0.5, n=FEW),
            "Whether **A** or **B** has the higher accuracy cannot be said: difference 0.30",
        ),
        (Interval(0.3, 0.1, 0.5, n=FEW), f"too few to say: {FEW} independent cases, {ENOUGH} are needed"),
        (Interval(0.3, 0.1, 0.5, n=ENOUGH), "**A** has a higher accuracy than **B**"),
        (
            Interval(0, -0.1, 0.1, n=40, identical=True),
            "are identical in accuracy here, in all 40 independent cases: difference 0.00",
        ),
        (
            Interval(0, -1, 1, n=3, identical=True),
            "in all 3 independent cases: difference 0.00 (95% interval -1.00 to 1.00; too few",
        ),
        (Interval(0, -0.1, 0.1, identical=True), "are identical in accuracy here, in every case: "),
        (Interval(0.1, -0.1, 0.3, n=40, among=5), "95% interval, 5 together -0.10 to 0.30"),
    ],
)
def test_a_difference_is_one_only_if_its_interval_excludes_zero(difference, words):
    assert words in say.comparison("A", "B", difference, "accuracy")


def test_the_same_vectors_are_not_a_result():
    said = say.comparison("A", "B", Interval(0, 0, 0, n=40, identical=True), "accuracy", same_vectors=True)
    assert said == "**A** and **B** are identical in accuracy by design: the same vectors."


def test_turning_the_comparison_round_turns_the_words_round():
    first, second = [0.9, 0.8, 0.95, 0.85] * 10, [0.5, 0.6, 0.4, 0.55] * 10
    assert "**A** has a higher" in say.comparison("A", "B", difference_interval(first, second), "score")
    assert "**B** has a lower" in say.comparison("B", "A", difference_interval(second, first), "score")
    assert "identical in score here" in say.comparison("A", "B", difference_interval(first, first), "score")


@pytest.mark.parametrize("n", [3, 40])
def test_no_sentence_names_infinity(n):
    endless = Interval(1.5, -math.inf, math.inf, n=n)
    for said in (say.comparison("A", "B", endless, "length"), say.leader(Leader("A", 2.0, {"B": endless}), "length")):
        assert "inf" not in said and ("too few to say" in said) == (n == 3)


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (GroupDifference(0.2, 0.02, 4, 8), "**A** has a higher mood than **B**: difference 0.20 (4 groups against 8; "),
        (GroupDifference(-0.2, 0.02, 4, 8), "**A** has a lower mood than **B**"),
        (GroupDifference(0.2, 0.4, 2, 8), "**A** and **B** cannot be told apart in mood on this sample"),
        (GroupDifference(0.2, 0.1, 1, 2), "Whether **A** or **B** has the higher mood cannot be said"),
    ],
)
def test_groups_are_told_apart_by_whole_groups(difference, words):
    assert words in say.groups("A", "B", difference, "mood")


def test_a_leader_is_named_with_what_cannot_be_told_apart_from_it():
    near, far = Interval(0.1, -0.1, 0.3, n=40), Interval(0.4, 0.1, 0.7, n=40)
    gaps = {name: near for name in "BCDEF"}
    for found, words in (
        (Leader("A", 0.9, {}), "**A** has the highest recall, 0.90: there is no other."),
        (
            Leader("A", 0.9, {"B": far}),
            "**A** has the highest recall, 0.90, told apart from all others: the next, **B**",
        ),
        (
            Leader("A", 0.9, {"B": near, "C": far}),
            "here, 0.90, but **B** cannot be told apart from it; its estimate is lower by 0.10",
        ),
        (Leader("A", 0.9, {"B": near, "C": near}), "but **B** and **C** cannot be told apart from it; the next, **B**"),
        (
            Leader("A", 0.9, {"B": Interval(0, -0.1, 0.1, n=40, identical=True)}),
            "**A** and all others are identical in recall here, 0.90, in every case.",
        ),
        (Leader("A", 0.9, gaps), "but **B**, **C**, **D** and 2 more cannot be told apart from it"),
        (
            Leader("A", 0.9, {"B": Interval(0.1, -1, 1, n=FEW)}),
            "here, 0.90, and whether that holds cannot be said: the",
        ),
    ):
        assert words in say.leader(found, "recall")


def test_noise_has_no_leader_and_a_real_one_is_found():
    generator = np.random.default_rng(0)
    noise = {name: generator.normal(size=60) for name in "ABCD"}
    assert "cannot be told apart" in say.leader(intervals.leader(noise), "score")
    said = say.leader(intervals.leader(noise | {"E": generator.normal(2, 1, size=60)}), "score")
    assert said.startswith("**E** has the highest score, ") and "told apart from all others" in said


def test_a_first_without_cases_is_named_with_the_next():
    values = pd.Series({"pca": 0.2, "umap": 0.5075, "tsne": 0.5073})
    said = say.top(values, "continuity")
    assert said.startswith(
        "Of these, **umap** has the highest continuity, 0.5075, and **tsne** the next, 0.5073, without"
    )
    assert say.top(values, "cost", lowest=True).startswith(
        "Of these, **pca** has the lowest cost, 0.2, and **tsne** the"
    )


def test_choose_takes_the_first_threshold_that_is_reached():
    words = [say.choose(x, (0.9, "nearly all"), (0.5, "most"), otherwise="few") for x in (1, 0.9, 0.89, 0.5, 0.49, -1)]
    assert words == ["nearly all", "nearly all", "most", "most", "few", "few"]
    assert say.choose(0.5, otherwise="nothing to choose from") == "nothing to choose from"


def test_a_sentence_is_markdown():
    assert say.sentence("**bold**").data == "**bold**"


def test_dollars_in_names_are_no_formula():
    assert say.sentence("**$a$** and **$b$**").data == r"**\$a\$** and **\$b\$**"
