"""Sentences follow the numbers: higher, lower, or not to be told apart."""

import pytest

from course_utils.measuring import Interval, bootstrap_interval
from course_utils.teaching.say import choose, comparison, sentence


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (Interval(0.12, 0.04, 0.2), "**A** has a higher accuracy than **B**, by 0.12 (95% interval of the"),
        (Interval(-0.12, -0.2, -0.04), "**A** has a lower accuracy than **B**, by 0.12 (95% interval of the"),
        (Interval(0.12, -0.01, 0.25, 0.9), "**A** and **B** cannot be told apart in accuracy on this sample (90%"),
        (Interval(-0.1, -0.2, 0.0), "cannot be told apart"),
        (Interval(0.1, 0.0, 0.2), "cannot be told apart"),
        (Interval(0, 0, 0), "cannot be told apart"),
    ],
)
def test_a_difference_is_one_only_if_its_interval_excludes_zero(difference, words):
    assert words in comparison("A", "B", difference, "accuracy")


def test_turning_the_comparison_round_turns_the_words_round():
    first, second = [0.9, 0.8, 0.95, 0.85] * 10, [0.5, 0.6, 0.4, 0.55] * 10
    assert "**A** has a higher" in comparison("A", "B", bootstrap_interval(first, second), "score")
    assert "**B** has a lower" in comparison("B", "A", bootstrap_interval(second, first), "score")
    assert "cannot be told apart" in comparison("A", "B", bootstrap_interval(first, first), "score")


def test_choose_takes_the_first_threshold_that_is_reached():
    words = [choose(x, (0.9, "nearly all"), (0.5, "most"), otherwise="few") for x in (1, 0.9, 0.89, 0.5, 0.49, -1)]
    assert words == ["nearly all", "nearly all", "most", "most", "few", "few"]
    assert choose(0.5, otherwise="nothing to choose from") == "nothing to choose from"


def test_a_sentence_is_markdown():
    assert sentence("**bold**").data == "**bold**"
