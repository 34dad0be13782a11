"""Intervals keep what they promise: samples of many kinds are drawn, and how often the truth is inside is counted.

Where all samples can be listed, the coverage is computed and not estimated. Seeds are fixed, so that a run decides as
the one before; ``--long`` takes many more samples.
"""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from course_utils.measuring import Interval, difference_interval, intervals, mean_interval, spearman_interval
from course_utils.measuring.intervals import MIN_UNITS, GroupDifference, Leader

SIZES = (MIN_UNITS, 20, 50, 200)


@pytest.fixture
def n_samples(request):
    return 3000 if request.config.getoption("--long") else 200


def covered(make, n_samples) -> float:
    """Share of samples whose interval holds the truth; ``make`` gives both for a generator."""
    generator = np.random.default_rng(0)
    found = [make(generator) for _ in range(n_samples)]
    return float(np.mean([interval.low - 1e-12 <= truth <= interval.high + 1e-12 for interval, truth in found]))


def assert_kept(make, n_samples) -> None:
    """At least 93 % where 95 are promised; of few samples less by what chance takes from one coverage in twenty."""
    chance = 1.64 * math.sqrt(0.93 * 0.07 / n_samples) if n_samples < 1000 else 0
    assert covered(make, n_samples) >= 0.93 - chance


def yes_or_no_by_groups(generator, n, p, alike):
    """Cases of n groups of one to eight; the groups' own shares are spread the more the more alike cases are."""
    sizes = generator.integers(1, 9, size=n)
    if p == 1:
        shares = np.ones(n)
    else:
        shares = generator.beta(p * (1 - alike) / alike, (1 - p) * (1 - alike) / alike, size=n) if alike else p
    groups = np.repeat(np.arange(n), sizes)
    return (generator.random(len(groups)) < np.broadcast_to(shares, n)[groups]).astype(float), groups


# --- yes or no ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 12, 20, 50, 200])
def test_a_share_is_covered_whatever_it_is(n):
    found = [mean_interval([True] * k + [False] * (n - k)) for k in range(n + 1)]
    for p in (*np.linspace(0, 1, 101), 0.995, 0.999):
        chance = stats.binom.pmf(np.arange(n + 1), n, p)
        assert sum(chance[k] for k, each in enumerate(found) if each.low - 1e-12 <= p <= each.high + 1e-12) >= 0.95


def test_three_of_three_is_little():
    found = mean_interval([1, 1, 1])
    assert (found.estimate, round(found.low, 2), found.high) == (1, 0.29, 1)
    assert found.too_few and "too few to say: 3 independent cases" in str(found)


@pytest.mark.parametrize("n", [12, 13, 20, 40])
def test_a_paired_difference_is_covered_whatever_it_is(n):
    """All samples of n questions of which a won and b lost, for a grid of the chances to win and to lose."""
    counts = [(a, b) for a in range(n + 1) for b in range(n + 1 - a)]
    found = {(a, b): difference_interval([1] * a + [0] * (n - a), [0] * (n - b) + [1] * b) for a, b in counts}
    ends = np.array([(found[each].low, found[each].high) for each in counts])
    for win, lose in itertools.product((0, 0.005, 0.01, 0.03, 0.05, 0.1, 0.2, 0.35, 0.6, 0.9, 1), repeat=2):
        if win + lose > 1 + 1e-9:
            continue
        rows = np.array([(a, b, n - a - b) for a, b in counts])
        chance = stats.multinomial.pmf(rows, n, np.clip([win, lose, 1 - win - lose], 0, 1))
        truth = win - lose
        held = chance[(ends[:, 0] - 1e-12 <= truth) & (truth <= ends[:, 1] + 1e-12)].sum()
        assert held >= 0.93, (win, lose, held)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(("p", "alike"), list(itertools.product((0.5, 0.8, 0.9, 0.95, 0.98, 1), (0, 0.3, 0.8))))
def test_a_share_is_covered_in_groups(n, p, alike, n_samples):
    def make(generator):
        values, groups = yes_or_no_by_groups(generator, n, p, alike)
        return mean_interval(values, groups=groups), p

    assert_kept(make, n_samples)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("chances", [(0.02, 0.02), (0.1, 0), (0.1, 0.1), (0.3, 0.05)])
def test_a_paired_difference_is_covered_in_groups(n, chances, n_samples):
    def make(generator):
        sizes = generator.integers(1, 6, size=n)
        groups = np.repeat(np.arange(n), sizes)
        own = generator.gamma(1.5 * np.array([*chances, 1 - sum(chances)]) + 1e-9, size=(n, 3))
        own /= own.sum(axis=1, keepdims=True)
        drawn = generator.random(len(groups))[:, None] < own.cumsum(axis=1)[groups]
        outcome = drawn.argmax(axis=1)
        return difference_interval(outcome == 0, outcome == 1, groups=groups), chances[0] - chances[1]

    assert_kept(make, n_samples)


# --- means --------------------------------------------------------------------------------------------------------


def reciprocal_rank(generator, n, p):
    rank = np.where(generator.random(n) < p, 1, generator.integers(2, 14, size=n))
    return np.where(rank > 10, 0, 1 / rank)


RECIPROCAL = np.mean([1 / rank if rank <= 10 else 0 for rank in range(2, 14)])
MEANS = {
    "reciprocal ranks": lambda g, n: (reciprocal_rank(g, n, 0.8), 0.8 + 0.2 * RECIPROCAL),
    "reciprocal ranks near 1": lambda g, n: (reciprocal_rank(g, n, 0.95), 0.95 + 0.05 * RECIPROCAL),
    "shares of ten neighbours": lambda g, n: (g.binomial(10, g.beta(4.5, 0.5, size=n)) / 10, 0.9),
    "cosines": lambda g, n: (g.normal(0.4, 0.1, size=n), 0.4),
    "sizes of errors": lambda g, n: (np.abs(g.normal(size=n)), math.sqrt(2 / math.pi)),
    "squared errors": lambda g, n: (g.normal(size=n) ** 2, 1),
    "times": lambda g, n: (g.lognormal(0, 0.7, size=n), math.exp(0.245)),
}
DIFFERENCES = {
    "reciprocal ranks": lambda g, n: (reciprocal_rank(g, n, 0.9), reciprocal_rank(g, n, 0.9), 0),
    "a few shares moved": lambda g, n: (0.5 + (g.random(n) < 0.1) * 0.2, np.full(n, 0.5), 0.02),
    "shares of ten neighbours": lambda g, n: (g.binomial(10, 0.6, size=n) / 10, g.binomial(10, 0.5, size=n) / 10, 0.1),
    "cosines": lambda g, n: (g.normal(0.5, 0.1, size=n), g.normal(0.4, 0.1, size=n), 0.1),
}


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", MEANS)
def test_a_mean_is_covered(kind, n, n_samples):
    def make(generator):
        values, truth = MEANS[kind](generator, n)
        return mean_interval(values), truth

    assert_kept(make, n_samples)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", DIFFERENCES)
def test_a_difference_is_covered(kind, n, n_samples):
    def paired(generator):
        first, second, truth = DIFFERENCES[kind](generator, n)
        return difference_interval(first, second), truth

    def unpaired(generator):
        first, truth = DIFFERENCES[kind](generator, n)[::2]
        second = DIFFERENCES[kind](generator, 2 * n)[1]
        return difference_interval(first, second, paired=False), truth

    assert_kept(paired, n_samples)
    assert_kept(unpaired, n_samples)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(("p", "q"), [(0.5, 0.5), (0.95, 0.8), (1, 0.98), (0.02, 0)])
def test_a_difference_of_two_kinds_of_cases_is_covered(p, q, n, n_samples):
    def make(generator):
        return difference_interval(generator.random(n) < p, generator.random(2 * n) < q, paired=False), p - q

    assert_kept(make, n_samples)


@pytest.mark.parametrize("seeds", [2, 3, 10])
def test_the_spread_of_seeds_counts(seeds, n_samples):
    def draw(generator, effect):
        own = effect * generator.normal(size=(seeds, 1))
        return generator.normal(size=40) + own + generator.normal(size=(seeds, 40))

    def make(generator):
        return mean_interval(draw(generator, 0.5)), 0

    def averaged(generator):
        return mean_interval(draw(generator, 0.5).mean(axis=0)), 0

    assert_kept(make, n_samples)
    assert covered(averaged, n_samples) < 0.9, "the seeds' own spread left out would be seen"
    assert_kept(lambda generator: (mean_interval(draw(generator, 0)), 0), n_samples)


def test_the_spread_of_seeds_counts_on_either_side():
    generator = np.random.default_rng(0)
    steady, shaky = generator.normal(size=40), generator.normal(size=(3, 40)) + [[-1], [0], [1]]
    for paired in (True, False):
        one, other = (
            difference_interval(shaky, steady, paired=paired),
            difference_interval(steady, shaky, paired=paired),
        )
        assert (other.low, other.high) == pytest.approx((-one.high, -one.low))
        assert one.high - one.low > 2 * np.ptp(stats.norm.interval(0.95, 0, 0.3)), (
            "three seeds that differ by 1 are few"
        )
    found = intervals.leader({"shaky": shaky, "steady": np.tile(steady - 0.5, (3, 1))})
    assert found.ties == ("steady",)
    assert difference_interval(shaky.mean(axis=0), steady - 0.5).sign == 1, (
        "the seeds' own spread left out would be seen"
    )


def test_copies_are_no_further_evidence():
    values = np.random.default_rng(0).normal(size=30)
    once, thrice = mean_interval(values), mean_interval(np.repeat(values, 3), groups=np.repeat(np.arange(30), 3))
    assert (thrice.low, thrice.high, thrice.n) == (pytest.approx(once.low), pytest.approx(once.high), 30)


def test_a_large_sample_has_the_interval_of_theory():
    values = np.random.default_rng(0).normal(3, 2, size=2000)
    low, high = stats.norm.interval(0.95, values.mean(), values.std() / np.sqrt(2000))
    assert (mean_interval(values).low, mean_interval(values).high) == pytest.approx((low, high), abs=0.002)


# --- rank correlations --------------------------------------------------------------------------------------------


def correlated(generator, n, strength, alike):
    sizes = generator.integers(1, 6, size=n) if alike else np.ones(n, dtype=int)
    groups = np.repeat(np.arange(n), sizes)
    own, shared = generator.normal(size=(3, len(groups))), generator.normal(size=(3, n))[:, groups]
    x, y, z = math.sqrt(1 - alike) * own + math.sqrt(alike) * shared
    rest = math.sqrt(1 - strength**2)
    return x, strength * x + rest * y, strength * x + rest * z, groups


@pytest.mark.parametrize("n", [MIN_UNITS, 40])
@pytest.mark.parametrize(("strength", "alike"), list(itertools.product((0, 0.6, 0.9), (0, 0.6))))
def test_a_rank_correlation_is_covered(n, strength, alike, n_samples):
    """For normal variables the true rank correlation is 6/π asin(r/2)."""

    def make(generator):
        x, y, _, groups = correlated(generator, n, strength, alike)
        return spearman_interval(x, y, groups=groups), 6 / math.pi * math.asin(strength / 2)

    def difference(generator):
        x, y, z, groups = correlated(generator, n, strength, alike)
        return spearman_interval(x, y, z, groups=groups), 0

    assert_kept(make, n_samples // 3)
    assert_kept(difference, n_samples // 3)


def test_a_rank_correlation_is_scipys_and_groups_widen_it():
    x, y, z, groups = correlated(np.random.default_rng(0), 60, 0.6, 0.9)
    alone, together = spearman_interval(x, y), spearman_interval(x, y, groups=groups)
    assert alone.estimate == together.estimate == pytest.approx(stats.spearmanr(x, y).statistic)
    assert together.n == 60 and together.high - together.low > 1.2 * (alone.high - alone.low)
    minus = spearman_interval(x, y, z)
    assert minus.estimate == pytest.approx(stats.spearmanr(x, y).statistic - stats.spearmanr(x, z).statistic)


def test_a_perfect_order_is_not_taken_for_certain():
    x = np.arange(30.0)
    assert spearman_interval(x, x).low < 0.97 < spearman_interval(x, x).high == 1
    assert spearman_interval(x, np.ones(30)).estimate == 0, "equal predictions have no order"
    assert spearman_interval(x, -x, -x).identical


# --- groups against groups, several comparisons, the best of several ----------------------------------------------


def test_two_groups_of_many_posts_are_two_groups(n_samples):
    """Ten groups that differ by themselves; two are singled out. Posts as units find what is not there."""
    groups = np.repeat(np.arange(10), 80)
    false = {"groups": 0, "posts": 0}
    for seed in range(n_samples // 2):
        generator = np.random.default_rng(seed)
        values = generator.normal(size=10)[groups] + generator.normal(size=800)
        chosen = np.isin(groups, (0, 1))
        false["groups"] += intervals.group_difference(values, groups, [0, 1]).sign != 0
        false["posts"] += difference_interval(values[chosen], values[~chosen], paired=False).sign != 0
    assert false["groups"] <= 0.06 * (n_samples // 2)
    assert false["posts"] > 0.5 * (n_samples // 2)


def test_a_difference_of_groups_is_found():
    values = np.random.default_rng(0).normal(size=12 * 20) + np.repeat([3] * 6 + [0] * 6, 20)
    found = intervals.group_difference(values, np.repeat(np.arange(12), 20), range(6))
    assert found.sign == 1 and found.p_value < 0.01 and found.estimate == pytest.approx(3, abs=0.3)
    # by hand: of all ways to deal one of seven out, one gives as much
    one = intervals.group_difference([9, 1, 2, 1, 2, 1, 2], list("abcdefg"), ["a"])
    assert one.p_value == pytest.approx(1 / 7) and one.too_few and "too few groups" in str(one)
    many = np.random.default_rng(0).normal(size=60)  # more ways than are tried
    chosen = range(30)
    found = intervals.group_difference(many, range(60), chosen)
    scipys = stats.ttest_ind(many[:30], many[30:]).pvalue
    assert found.p_value == pytest.approx(scipys, abs=0.03)
    assert intervals.group_difference([1, 1, 1, 1], list("abcd"), ["a", "b"]).sign == 0
    with pytest.raises(ValueError, match="a side without groups"):
        intervals.group_difference([1, 2], ["a", "b"], [])


@pytest.mark.parametrize("n_comparisons", [4, 26])
def test_of_many_comparisons_none_is_wrong(n_comparisons, n_samples):
    wrong = {"together": 0, "each by itself": 0}
    for seed in range(n_samples // 4):
        gains = np.random.default_rng(seed).normal(size=(n_comparisons, 30))
        comparisons = {str(i): (each, np.zeros(30)) for i, each in enumerate(gains)}
        found = intervals.simultaneous(difference_interval, comparisons)
        wrong["together"] += any(each.sign for each in found.values())
        wrong["each by itself"] += any(difference_interval(*each).sign for each in comparisons.values())
    assert wrong["together"] <= 0.05 * (n_samples // 4)
    if n_comparisons > 20:
        assert wrong["each by itself"] > 0.3 * (n_samples // 4)


def test_what_passes_lowers_the_bar_for_the_others():
    generator = np.random.default_rng(0)
    gains = {
        name: (size + 0.1 * generator.normal(size=40), np.zeros(40))
        for name, size in zip("abc", (1, 1, 0.038), strict=True)
    }
    found = intervals.simultaneous(difference_interval, gains)
    assert [each.sign for each in found.values()] == [1, 1, 1]
    strict = difference_interval(*gains["c"], confidence=1 - 0.05 / 3)
    assert strict.sign == 0, "at the strictest bar it would not have passed"
    assert {(each.confidence, each.among) for each in found.values()} == {(0.95, 3)}


def test_the_best_of_equals_is_not_told_apart(n_samples):
    told = 0
    for seed in range(n_samples // 4):
        right = np.random.default_rng(seed).random(size=(6, 40)) < 0.7
        told += len(intervals.leader({str(i): each for i, each in enumerate(right)}).ties) < 5
    assert told <= 0.05 * (n_samples // 4)
    assert intervals.leader({"only": [1, 2, 3]}) == Leader("only", 2.0, {})


# --- power: "cannot be told apart" and "too few" are no way out ---------------------------------------------------


@pytest.mark.parametrize(
    ("n", "win", "lose", "power"), [(12, 0.9, 0, 0.95), (20, 0.5, 0, 0.8), (30, 0.4, 0.05, 0.8), (100, 0.2, 0.05, 0.75)]
)
def test_a_real_gain_is_found(n, win, lose, power, n_samples):
    generator, found = np.random.default_rng(0), 0
    for _ in range(n_samples):
        outcome = generator.choice(3, p=(win, lose, 1 - win - lose), size=n)
        found += difference_interval(outcome == 0, outcome == 1).sign == 1
    assert found >= power * n_samples


@pytest.mark.parametrize(("gap", "disagree"), [(0.05, 0.1), (0.1, 0.3), (0.2, 0.2), (0.3, 0.5), (0.1, 1), (0.5, 0.5)])
def test_as_many_questions_as_planned_find_a_difference(gap, disagree, n_samples):
    """Two models that disagree on a share of the questions, of which one wins more: found in four of five samples."""
    n, generator = intervals.questions_needed(gap, disagree=disagree), np.random.default_rng(0)

    def found(n, win, lose):
        outcomes = generator.choice(3, p=(win, lose, max(1 - win - lose, 0)), size=(n_samples, n))
        return np.mean([difference_interval(each == 0, each == 1).sign == 1 for each in outcomes])

    chances, slack = ((disagree + gap) / 2, (disagree - gap) / 2), 2 * math.sqrt(0.16 / n_samples)
    assert 0.78 - slack <= found(n, *chances) <= 0.85 + slack
    assert n < 30 or found(n // 2, *chances) < 0.7, "half as many would not do"


@pytest.mark.parametrize("share", [0, 0.5, 0.8, 0.95, 1])
@pytest.mark.parametrize("margin", [0.03, 0.1, 0.3])
def test_as_many_questions_as_planned_give_the_margin(margin, share):
    n = intervals.questions_needed(margin, share)
    widths = {}
    for each in (n, n + 1, n + 7, 2 * n, n - 1):
        found = mean_interval(np.arange(each) < round(share * each))
        widths[each] = max(found.high - share, share - found.low)
    assert n == MIN_UNITS or widths.pop(n - 1) > margin, "one less would not do"
    assert max(list(widths.values())[:4]) <= margin


@pytest.mark.parametrize(
    ("margin", "options"), [(0, {}), (1, {}), (0.1, {"share": 1.1}), (0.1, {"power": 1}), (0.1, {"disagree": 0.05})]
)
def test_what_cannot_be_planned(margin, options):
    with pytest.raises(ValueError, match="margin"):
        intervals.questions_needed(margin, **options)


def test_intervals_are_hardly_wider_than_those_of_a_normal_sample():
    generator = np.random.default_rng(0)
    for n, most in ((12, 1.4), (30, 1.2), (200, 1.05)):
        ratio = []
        for values in generator.normal(size=(200, n)):
            low, high = stats.t.interval(0.95, n - 1, values.mean(), values.std(ddof=1) / math.sqrt(n))
            ratio.append((mean_interval(values).high - mean_interval(values).low) / (high - low))
        assert np.mean(ratio) < most


# --- edges and words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, MIN_UNITS - 1, MIN_UNITS, 100])
def test_an_interval_holds_its_estimate_and_never_collapses(n):
    generator = np.random.default_rng(n)
    for values in (np.zeros(n), np.ones(n), np.full(n, 0.5), np.full(n, 7.0), generator.normal(size=n)):
        for found in (mean_interval(values), difference_interval(values, values), difference_interval(values, -values)):
            assert found.low <= found.estimate <= found.high and found.low < found.high and found.n == n


def test_all_equal_outcomes_are_identical_here_and_not_certain():
    found = difference_interval([1] * 12, [1] * 12)
    assert found.identical and found.sign == 0 and found.low < -0.2 < 0.2 < found.high
    assert not difference_interval([1] * 12, [1] * 11 + [0]).identical


def test_too_few_units_have_no_sign():
    few = difference_interval(np.ones(MIN_UNITS - 1), np.zeros(MIN_UNITS - 1))
    assert few.too_few and few.sign == 0 and f"{MIN_UNITS} are needed" in str(few)
    grouped = difference_interval(np.ones(500), np.zeros(500), groups=[1, 2] * 250)
    assert grouped.too_few and grouped.n == 2
    assert difference_interval(np.ones(MIN_UNITS), np.zeros(MIN_UNITS)).sign == 1
    assert spearman_interval(range(5), range(5)).sign == 0


@pytest.mark.parametrize("values", [[], [1, np.nan], [1, np.inf], [[[1, 2]]]])
def test_what_has_no_interval(values):
    for function in (mean_interval, lambda values: difference_interval([1, 2], values, paired=False)):
        with pytest.raises(ValueError, match="finite numbers"):
            function(values)


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="there are 3 and 2"):
        difference_interval([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="groups has 2 entries for 3 values"):
        mean_interval([1, 2, 3], groups=[1, 2])
    with pytest.raises(ValueError, match="confidence=95"):
        mean_interval([1, 2, 3], confidence=95)
    with pytest.raises(ValueError, match="two or more groups"):
        spearman_interval([1, 2], [1, 2], groups=["a", "a"])
    with pytest.raises(ValueError, match="rows of equal length"):
        spearman_interval([1, 2, 3], [1, 2])


def test_an_interval_in_words():
    assert str(Interval(0.824, 0.741, 0.889)) == "0.82 (95% interval 0.74 to 0.89)"
    assert "95% interval, 4 together" in str(Interval(0.1, 0, 0.2, among=4))
    assert str(Interval(3, -math.inf, math.inf, n=4)).count("inf") == 0
    assert str(GroupDifference(0.2, 0.4, 3, 8)).endswith("as much in 40% of all ways)")


@pytest.mark.parametrize("factor", [1 - 2**-52, 1 + 2**-52])
def test_an_interval_does_not_hang_on_the_last_bit_of_a_float(factor):
    values = (np.random.default_rng(0).integers(0, 2, size=(60, 3)) @ [0.6, 0.3, 0.1]).round(9)
    assert values.max() == 1 != (values * factor).max()
    for function, rows in ((mean_interval, (values,)), (difference_interval, (values, values[::-1]))):
        found, other = function(*rows), function(*(row * factor for row in rows))
        assert (found.low, found.high) == pytest.approx((other.low, other.high), abs=1e-9)


def test_no_end_of_an_interval_is_written_as_minus_zero():
    assert "interval 0.00 to 0.08" in str(intervals.Interval(0.04, -1.9e-18, 0.08))
    ends = (-0.1, -0.004), (-0.0049, 0.1), (0.0002, 0.1), (-0.005, 0.1)
    words = [str(intervals.Interval(0, *each)).partition("interval ")[2] for each in ends]
    assert words == ["-0.10 to -0.004)", "-0.005 to 0.10)", "0.0002 to 0.10)", "-0.01 to 0.10)"]  # the sign decides
