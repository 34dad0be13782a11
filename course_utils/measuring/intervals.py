"""How sure a number is: the one door for every interval, and for what may be said of a difference.

Intervals go by independent units (cases, or whole groups of cases) and do not collapse where all units agree. What they
promise is measured: ``tests/unit/test_intervals.py`` draws samples of many kinds and counts how often the truth is
inside. Which numbers to estimate is the business of :mod:`~course_utils.measuring.metrics`.
"""

import itertools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

Groups = Sequence | np.ndarray | None
Ends = tuple[float, float]

#: Fewer independent units than this say too little: no method keeps its promise on any kind of data.
MIN_UNITS = 12

_MOST_WAYS = 20_000  # to deal out groups; of more a sample


@dataclass(frozen=True)
class Interval:
    """An estimate with the range in which the true value plausibly lies.

    Attributes
    ----------
    estimate : float
        The value found in the data as they are.
    low, high : float
        The two ends of the range; as wide as the values can be, or infinite, where there are too few units.
    confidence : float, default 0.95
        How often a range made in this way holds the true value, 0 to 1.
    n : int or None
        Independent units behind it: cases or groups. None: not known.
    identical : bool, default False
        Whether this is a difference that is exactly 0 in every case.
    among : int, default 1
        How many intervals hold together with the confidence given, see :func:`simultaneous`.

    Examples
    --------
    >>> from course_utils.measuring import Interval
    >>> print(Interval(0.82, 0.74, 0.89))
    0.82 (95% interval 0.74 to 0.89)
    >>> print(Interval(1.0, 0.29, 1.0, n=3))
    1.00 (95% interval 0.29 to 1.00; too few to say: 3 independent cases, 12 are needed)
    """

    estimate: float
    low: float
    high: float
    confidence: float = 0.95
    n: int | None = None
    identical: bool = False
    among: int = 1

    @property
    def too_few(self) -> bool:
        """Whether there are fewer than :data:`MIN_UNITS` independent units."""
        return self.n is not None and self.n < MIN_UNITS

    @property
    def sign(self) -> int:
        """1 above zero, −1 below, 0 where that cannot be said."""
        return 0 if self.too_few else int(self.low > 0) - int(self.high < 0)

    def __str__(self) -> str:
        together = f", {self.among} together" if self.among > 1 else ""
        # an end close to zero keeps its sign, which decides: -0.004, and neither 0.00 nor -0.00
        ends = [round(end, 9) + 0.0 for end in (self.low, self.high)]
        low, high = (f"{end:.1g}" if 0 < abs(end) < 0.005 else f"{end:.2f}" for end in ends)
        words = f"{self.confidence:.0%} interval{together} {low} to {high}"
        if self.too_few:
            few = f"too few to say: {self.n} independent cases, {MIN_UNITS} are needed"
            words = few if math.isinf(self.high - self.low) else f"{words}; {few}"
        return f"{self.estimate:.2f} ({words})"


class _Mean(NamedTuple):
    """A mean as far as an interval needs it: where it lies, how much it varies, and to which side more."""

    centre: float
    variance: float
    third_moment: float
    freedom: int
    estimate: float

    def minus(self) -> "_Mean":
        return self._replace(centre=-self.centre, third_moment=-self.third_moment, estimate=-self.estimate)


def mean_interval(values: np.ndarray, *, groups: Groups = None, confidence: float = 0.95) -> Interval:
    """Interval of a mean, or of a share.

    Shares of independent yes-or-no cases have the exact interval of Clopper and Pearson. All other means have a t
    interval over units, made safe in two ways: one more unit stands at each end of the range (of 0 and 1 or −1 and 1
    where values lie at these ends only; else as far to each side of the median as the farthest unit), so that it does
    not collapse where all units agree; and the side to which the values have their tail is longer.

    Parameters
    ----------
    values : array of shape (n,) or (seeds, n)
        One value for each case: bool, or finite numbers. With a row a seed, the mean over seeds and cases is meant, for
        new seeds and new cases. For two systems see :func:`difference_interval`.
    groups : sequence of length n, optional
        Values of one group (questions about one document) are not independent, and count as one unit. Default: each
        value by itself.
    confidence : float, default 0.95
        Above 0 and below 1.

    Returns
    -------
    Interval
        The mean and its range. Below :data:`MIN_UNITS` units the range is all that is possible, but for exact shares.

    Raises
    ------
    ValueError
        Without values, with values that are not finite, or ``confidence`` out of range.

    References
    ----------
    Clopper and Pearson, The use of confidence or fiducial limits (1934). The further units: Agresti and Caffo, Simple
    and effective confidence intervals for proportions and differences of proportions (2000); Bonett and Price, Adjusted
    Wald confidence interval for a difference of binomial proportions based on paired data (2012). The longer side:
    Johnson, Modified t tests and confidence intervals for asymmetrical populations (1978).

    Examples
    --------
    >>> from course_utils.measuring import mean_interval
    >>> print(mean_interval([1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 1]))
    0.75 (95% interval 0.43 to 0.95)
    >>> print(mean_interval([1] * 40, groups=[1, 2, 3, 4] * 10))
    1.00 (95% interval 0.00 to 1.00; too few to say: 4 independent cases, 12 are needed)
    """
    by_seed, members = _checked(values, confidence), _members(groups, np.shape(values)[-1])
    n_units = int(members.max()) + 1
    if len(by_seed) == 1 and n_units == len(members) and np.isin(by_seed, (0, 1)).all():
        low, high = _of_share(by_seed.sum(), n_units, confidence)
        return Interval(float(by_seed.mean()), float(low), float(high), confidence, n_units)
    ends = _ends(by_seed)
    return _interval([_of_units(by_seed.mean(axis=0), members, ends), *_of_seeds(by_seed)], ends, n_units, confidence)


def bounded_interval(values: np.ndarray, *, confidence: float = 0.95) -> Interval:
    """Interval of a mean of values from 0 to 1 that keeps its promise however they are distributed.

    It is for large samples in which few values matter, so that a sample may have hardly one of them and a t interval
    is too short; it is wider, by 0.005 to each side at 2,000 values that all agree.

    Parameters
    ----------
    values : array of shape (n,)
        At least two numbers from 0 to 1, of independent cases or of a sample without replacement.
    confidence : float, default 0.95
        Above 0 and below 1.

    Returns
    -------
    Interval
        The mean and its range, within 0 and 1.

    Raises
    ------
    ValueError
        With fewer values, values outside, or ``confidence`` out of range.

    References
    ----------
    Maurer and Pontil, Empirical Bernstein bounds and sample-variance penalization (2009), theorem 4, at each end with
    half of what may go wrong.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.measuring import bounded_interval
    >>> bounded_interval(np.ones(2000)).low > 0.99
    True
    """
    (values,) = _checked(values, confidence)
    n = len(values)
    if n < 2 or values.min() < 0 or values.max() > 1:
        raise ValueError("values must be two or more, each from 0 to 1.")
    odds = np.log(4 / (1 - confidence))
    error = np.sqrt(2 * values.var(ddof=1) * odds / n) + 7 * odds / (3 * (n - 1))
    mean = float(values.mean())
    return Interval(mean, float(max(mean - error, 0)), float(min(mean + error, 1)), confidence, n)


def difference_interval(
    first: np.ndarray, second: np.ndarray, *, paired: bool = True, groups: Groups = None, confidence: float = 0.95
) -> Interval:
    """Interval of mean(``first``) − mean(``second``): of two systems on the same cases, or of two kinds of cases.

    Parameters
    ----------
    first, second : arrays of shape (n,)
        One value for each case, bool or finite numbers; in the same order if paired. Either may have a row a seed, as
        for :func:`mean_interval`.
    paired : bool, default True
        Whether both are values of the same cases. False: of different ones, n and m of them.
    groups : sequence of length n, optional
        As for :func:`mean_interval`; of different cases those of ``first``, then those of ``second``.
    confidence : float, default 0.95
        Above 0 and below 1.

    Returns
    -------
    Interval
        The difference and its range; by the method of :func:`mean_interval`, with the same limits.

    Raises
    ------
    ValueError
        As for :func:`mean_interval`, or if paired values differ in number.

    Examples
    --------
    >>> from course_utils.measuring import difference_interval
    >>> before, after = [0, 0, 1, 0] * 5, [1, 0, 1, 1] * 5
    >>> print(difference_interval(after, before))
    0.50 (95% interval 0.19 to 0.72)
    >>> print(difference_interval(before, before))
    0.00 (95% interval -0.14 to 0.14)
    """
    by_seed, others = _checked(first, confidence), _checked(second, confidence)
    (low, high), (other_low, other_high) = ends = _ends(by_seed), _ends(others)
    within = low - other_high, high - other_low
    n, m = by_seed.shape[1], others.shape[1]
    if not paired:
        of_first, of_second = (None, None) if groups is None else (groups[:n], groups[n:])
        units, other_units = _members(of_first, n), _members(of_second, m)
        one = _of_units(by_seed.mean(axis=0), units, ends[0])
        other = _of_units(others.mean(axis=0), other_units, ends[1])
        fewest = min(int(units.max()), int(other_units.max())) + 1
        return _interval([one, other.minus(), *_of_seeds(by_seed), *_of_seeds(others)], within, fewest, confidence)
    if n != m:
        raise ValueError(f"Paired values are of the same cases, and there are {n} and {m}.")
    differences, members = by_seed - others, _members(groups, n)
    reach = np.ptp(np.append(by_seed, others)) or math.inf  # a further case may differ as much as any two values
    part = _of_units(differences.mean(axis=0), members, (-reach, reach) if math.isinf(within[0]) else within)
    found = _interval([part, *_of_seeds(differences)], within, int(members.max()) + 1, confidence)
    return replace(found, identical=not differences.any())


def spearman_interval(
    scores: np.ndarray,
    predicted: np.ndarray,
    minus: np.ndarray | None = None,
    *,
    groups: Groups = None,
    confidence: float = 0.95,
) -> Interval:
    """Interval of the rank correlation (−1 to 1) of predictions with scores.

    It is computed again without each group (or without each of 200 parts, where there are more groups), which gives a
    pseudo-value for each; their mean has the interval of :func:`mean_interval`. Of a single correlation that is done on
    Fisher's scale as well, and the wider end counts.

    Parameters
    ----------
    scores, predicted : arrays of shape (n,)
        Finite numbers. Predictions that are all equal have no order, and count as 0.
    minus : array of shape (n,), optional
        Other predictions; the interval is then that of the difference of the two correlations.
    groups : sequence of length n, optional
        Rows of one group (sentences of one review) are not independent, and count as one unit. Default: each row by
        itself.
    confidence : float, default 0.95
        Above 0 and below 1.

    Returns
    -------
    Interval
        Spearman's correlation (or the difference of two) and its range; all that is possible below :data:`MIN_UNITS`
        units.

    Raises
    ------
    ValueError
        With fewer than two groups (or rows), rows of different lengths, or values that are not finite.

    References
    ----------
    The jackknife's pseudo-values: Tukey, Bias and confidence in not-quite large samples (1958).

    Examples
    --------
    >>> from course_utils.measuring import spearman_interval
    >>> round(spearman_interval([1, 2, 3, 4, 5], [1, 3, 2, 4, 5]).estimate, 2)
    0.9
    """
    columns = [np.asarray(column, dtype=np.float64) for column in (scores, predicted, minus) if column is not None]
    members = _members(groups, len(columns[0]))
    if not all(column.shape == members.shape and np.isfinite(column).all() for column in columns):
        raise ValueError(f"Ranks are of finite numbers in rows of equal length, not {[*map(len, columns)]}.")
    n_units = int(members.max(initial=-1)) + 1
    if n_units < 2:
        raise ValueError("An interval of a rank correlation takes two or more groups.")

    def statistic(kept: np.ndarray) -> float:
        truth, *predictions = (_ranks(column[kept]) for column in columns)
        first, *second = (float(truth @ ranks) for ranks in predictions)
        return first - second[0] if second else first

    estimate = statistic(np.ones(len(members), dtype=bool))
    identical = minus is not None and np.array_equal(columns[1], columns[2])
    low, high = ends = (-1.0, 1.0) if minus is None else (-2.0, 2.0)
    if n_units >= MIN_UNITS:
        parts = np.random.default_rng(0).permutation(n_units) % min(n_units, 200)
        without = np.array([statistic(parts[members] != part) for part in range(int(parts.max()) + 1)])
        low, high = _of_pseudo_values(estimate, without, ends, confidence)
        if minus is None and abs(estimate) < 0.999:  # Fisher's scale has no place for 1
            on_scale = np.arctanh(without.clip(-0.999, 0.999))
            on_fishers = _of_pseudo_values(math.atanh(estimate), on_scale, ends, confidence)
            low, high = min(low, math.tanh(on_fishers[0])), max(high, math.tanh(on_fishers[1]))
    low, high = max(ends[0], min(low, estimate)), min(ends[1], max(high, estimate))
    return Interval(estimate, low, high, confidence, n_units, identical)


def _of_pseudo_values(estimate: float, without: np.ndarray, ends: Ends, confidence: float) -> Ends:
    """Ends of the jackknife's interval, from an estimate and what it is without each part."""
    n = len(without)
    return _limits([_of_units(n * estimate - (n - 1) * without, np.arange(n), ends)], confidence)


class GroupDifference(NamedTuple):
    """How far the mean of some groups lies above that of others, and how often chance does as much.

    Attributes
    ----------
    estimate : float
        Mean over the first groups minus mean over the others, each group counting once.
    p_value : float
        Share of all ways to deal out the groups that give a difference at least as large, to either side.
    n_first, n_others : int
        Groups on each side.

    Examples
    --------
    >>> from course_utils.measuring.intervals import GroupDifference
    >>> print(GroupDifference(0.2, 0.4, 2, 8))
    0.20 (2 groups against 8; dealt out anew, as much in 40% of all ways)
    """

    estimate: float
    p_value: float
    n_first: int
    n_others: int

    @property
    def too_few(self) -> bool:
        """Whether even the largest difference would be nothing rare: one way to deal of fewer than twenty."""
        return (1 + (self.n_first == self.n_others)) / math.comb(self.n_first + self.n_others, self.n_first) > 0.05

    @property
    def sign(self) -> int:
        """1 above, −1 below, 0 where chance does as much in more than 5 % of all ways."""
        return 0 if self.p_value > 0.05 else int(np.sign(self.estimate))

    def __str__(self) -> str:
        words = f"dealt out anew, as much in {self.p_value:.0%} of all ways"
        words = "too few groups to say" if self.too_few else words
        return f"{self.estimate:.2f} ({self.n_first} groups against {self.n_others}; {words})"


def group_difference(values: np.ndarray, groups: Sequence | np.ndarray, first: Collection) -> GroupDifference:
    """Compare some groups with the others by dealing out whole groups anew: a permutation test.

    What holds of two groups of posts need not hold of their kind, however many posts they have.

    Parameters
    ----------
    values : array of shape (n,)
        One finite number for each case.
    groups : sequence of length n
        The group of each case.
    first : collection
        Names of the groups on the first side.

    Returns
    -------
    GroupDifference
        The difference of the two sides' means of groups.

    Raises
    ------
    ValueError
        If one of the sides has no group.

    Examples
    --------
    >>> from course_utils.measuring import intervals
    >>> found = intervals.group_difference([9, 9, 8, 1, 2, 1, 2, 1], list("aabcdefg"), first=["a", "b"])
    >>> found.n_first, found.n_others, round(found.p_value, 2)
    (2, 5, 0.05)
    """
    names, members = np.unique(np.asarray(groups), return_inverse=True)
    means = np.bincount(members, weights=np.asarray(values, dtype=np.float64)) / np.bincount(members)
    is_first = np.isin(names, list(first))
    n, n_first = len(names), int(is_first.sum())
    if n_first in (0, n):
        raise ValueError(f"first={list(first)} leaves a side without groups; there are {names.tolist()}.")
    own = np.flatnonzero(is_first)[None]
    if math.comb(n, n_first) <= _MOST_WAYS:
        ways = np.array(list(itertools.combinations(range(n), n_first)))
    else:
        dealt = np.random.default_rng(0).permuted(np.tile(np.arange(n), (_MOST_WAYS, 1)), axis=1)
        ways = np.concatenate([own, dealt[:, :n_first]])
    sums = means[np.concatenate([own, ways])].sum(axis=1)
    estimate, *chance = sums / n_first - (means.sum() - sums) / (n - n_first)
    as_large = np.abs(chance) >= abs(estimate) - 1e-12
    return GroupDifference(float(estimate), float(np.mean(as_large)), n_first, n - n_first)


def questions_needed(
    margin: float, share: float = 0.5, *, disagree: float | None = None, confidence: float = 0.95, power: float = 0.8
) -> int:
    """How many independent questions to ask, worked out before any is.

    Parameters
    ----------
    margin : float
        Of one share: how far each end of its interval may lie from it. Of two models: the difference of their shares
        that is to be found. Above 0 and below 1.
    share : float, default 0.5
        The share expected, 0 to 1; in the middle it takes most. Does not matter for two models.
    disagree : float, optional
        Of two models on the same questions: the share of questions that only one of them gets right, ``margin`` to 1.
    confidence : float, default 0.95
        Of the interval. For the best of k contenders 1 − 0.05 / (k (k − 1) / 2).
    power : float, default 0.8
        How often the difference of two models is to be found where it is that large.

    Returns
    -------
    int
        At least :data:`MIN_UNITS`. If questions are in groups, so many groups.

    Raises
    ------
    ValueError
        If a number is out of range.

    References
    ----------
    One share: Clopper and Pearson (1934). Two: Connor, Sample size for testing differences in proportions for the
    paired-sample design (1987).

    Examples
    --------
    >>> from course_utils.measuring import intervals
    >>> intervals.questions_needed(0.05, share=0.8), intervals.questions_needed(0.1, disagree=0.3)
    (314, 234)
    """
    from scipy.stats import norm

    shares = {"share": share, "disagree": 1 if disagree is None else disagree}
    inner = {"margin": margin, "confidence": confidence, "power": power}
    if not all(0 <= each <= 1 for each in shares.values()) or not all(0 < each < 1 for each in inner.values()):
        raise ValueError(f"{inner | shares}: all of them are shares, and the first three lie between 0 and 1.")
    if margin > shares["disagree"]:
        raise ValueError(f"margin={margin} cannot exceed disagree={disagree}, by which alone two models can differ.")
    for_error, for_power = norm.ppf(0.5 + confidence / 2), norm.ppf(power)
    if disagree is not None:
        root = for_error * math.sqrt(disagree) + for_power * math.sqrt(disagree - margin**2)
        return max(math.ceil((root / margin) ** 2), MIN_UNITS)
    n = np.arange(MIN_UNITS, 2 * (for_error / 2 / margin) ** 2 + 9 / margin + MIN_UNITS)
    low, high = _of_share(np.round(share * n), n, confidence)
    is_wide = np.maximum(share - low, high - share) > margin
    return MIN_UNITS + int(np.flatnonzero(is_wide).max(initial=-1)) + 1


def simultaneous(
    function: Callable[..., Interval], comparisons: Mapping[str, tuple], *, confidence: float = 0.95, **options: Any
) -> dict[str, Interval]:
    """Intervals of several differences of which all are right together with the confidence given.

    Of twenty comparisons at 95 % each, one excludes zero where nothing differs. Here the largest differences are held
    to the strictest interval, and the bar falls with each that passes (Holm's steps).

    Parameters
    ----------
    function : callable
        :func:`difference_interval` or :func:`spearman_interval`.
    comparisons : mapping of str to tuple
        For each its arguments: ``(first, second)`` or ``(scores, predicted, minus)``.
    confidence : float, default 0.95
        How often no interval is on the wrong side of zero.
    **options
        Passed on to each, for example ``groups``.

    Returns
    -------
    dict of str to Interval
        In the order given.

    References
    ----------
    Holm, A simple sequentially rejective multiple test procedure (1979).

    Examples
    --------
    >>> from course_utils.measuring import difference_interval, intervals
    >>> before = [0, 0, 0, 1] * 5
    >>> gains = {"A": ([1, 1, 0, 1] * 5, before), "B": ([0, 0, 1, 1] * 5, before)}
    >>> found = intervals.simultaneous(difference_interval, gains)
    >>> {name: interval.sign for name, interval in found.items()}
    {'A': 1, 'B': 0}
    """
    waiting, settled = dict(comparisons), dict[str, Interval]()
    while waiting:
        level = 1 - (1 - confidence) / len(waiting)
        made = {name: function(*arguments, confidence=level, **options) for name, arguments in waiting.items()}
        settled |= {name: each for name, each in made.items() if each.sign} or made
        waiting = {name: arguments for name, arguments in waiting.items() if name not in settled}
    return {name: replace(settled[name], confidence=confidence, among=len(comparisons)) for name in comparisons}


class Leader(NamedTuple):
    """The highest of several means, and whether the others can be told apart from it.

    Attributes
    ----------
    name : str
        Whose mean is highest.
    mean : float
        That mean.
    gaps : dict of str to Interval
        How far it lies above each other one, highest first; they hold together, though the leader was chosen by them.

    Examples
    --------
    >>> from course_utils.measuring import Interval
    >>> from course_utils.measuring.intervals import Leader
    >>> Leader("A", 0.9, {"B": Interval(0.1, -0.1, 0.3), "C": Interval(0.4, 0.1, 0.7)}).ties
    ('B',)
    """

    name: str
    mean: float
    gaps: dict[str, Interval]

    @property
    def ties(self) -> tuple[str, ...]:
        """The others that cannot be told apart from the leader."""
        return tuple(name for name, gap in self.gaps.items() if gap.sign == 0)


def leader(values: Mapping[str, np.ndarray], *, groups: Groups = None, confidence: float = 0.95) -> Leader:
    """Find the highest mean, and say which others might as well be it.

    Parameters
    ----------
    values : mapping of str to array of shape (n,) or (seeds, n)
        For each contender a value a case, on the same cases (and seeds). For the lowest give the values times −1.
    groups : sequence of length n, optional
        As for :func:`mean_interval`.
    confidence : float, default 0.95
        How often nothing is told apart that is equal.

    Returns
    -------
    Leader
        Its gaps are paired. All pairs of contenders count as comparisons, because the leader is chosen by its result.

    Examples
    --------
    >>> from course_utils.measuring import intervals
    >>> found = intervals.leader({"A": [1] * 30, "B": [1] * 29 + [0], "C": [0, 0, 1] * 10})
    >>> found.name, found.ties
    ('A', ('B',))
    """
    columns = {name: np.asarray(each, dtype=np.float64) for name, each in values.items()}
    first, *others = sorted(columns, key=lambda name: -columns[name].mean())
    n_pairs = math.comb(len(columns), 2)
    level = 1 - (1 - confidence) / max(n_pairs, 1)
    gaps = {
        each: difference_interval(columns[first], columns[each], groups=groups, confidence=level) for each in others
    }
    gaps = {name: replace(gap, confidence=confidence, among=n_pairs) for name, gap in gaps.items()}
    return Leader(first, float(columns[first].mean()), gaps)


def _of_share(right: Any, n: Any, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the exact interval of Clopper and Pearson, of counts of right ones among n."""
    from scipy.stats import beta

    tail = (1 - confidence) / 2
    low, high = beta.ppf(tail, right, n - right + 1), beta.ppf(1 - tail, right + 1, n - right)
    return np.nan_to_num(low, nan=0.0), np.nan_to_num(high, nan=1.0)  # of none, and of all


def _checked(values: np.ndarray, confidence: float) -> np.ndarray:
    """Values in float64 with a row a seed."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence!r} must lie between 0 and 1.")
    rows = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if rows.ndim != 2 or not rows.size or not np.isfinite(rows).all():
        raise ValueError(f"An interval takes finite numbers, one for each case, not shape {np.shape(values)}.")
    whole = np.round(rows)  # a weighted mean of hits may miss 1 by its last bit, and 1 is the end of a range
    return np.where(np.abs(rows - whole) < 1e-9, whole, rows)


def _members(groups: Groups, n: int) -> np.ndarray:
    """Number of the group of each of n cases, from 0."""
    if groups is None:
        return np.arange(n)
    if len(groups) != n:
        raise ValueError(f"groups has {len(groups)} entries for {n} values.")
    return np.unique(np.asarray(groups), return_inverse=True)[1]


def _ends(values: np.ndarray) -> Ends:
    """The ends of the range that values can have, where some touch 0 or 1, or −1 or 1; else there are none."""
    for low, high in ((0.0, 1.0), (-1.0, 1.0)):
        if low <= values.min() and values.max() <= high and np.isin((low, high), values).any():
            return low, high
    return -math.inf, math.inf


def _of_units(values: np.ndarray, members: np.ndarray, ends: Ends) -> _Mean:
    """Mean of values by units, one further unit at each end of their range."""
    low, high = ends
    totals, sizes = np.bincount(members, weights=values), np.bincount(members).astype(np.float64)
    n, estimate = len(sizes), float(values.mean())
    means, size = totals / sizes, float(sizes.mean())
    median = np.median(means)
    reach = np.abs(means - median).max()
    all_agree = reach < 1e-9 * max(1.0, abs(median))
    if all_agree and math.isinf(high):
        return _Mean(estimate, math.inf, 0.0, 1, estimate)  # nothing says how far another unit may lie
    at_ends = all_agree or np.isin(values, (low, 0.0, high)).all()
    below, above = ends if at_ends else (max(median - reach, low), min(median + reach, high))
    deviations = (totals - estimate * sizes) / size
    skewed = n > 2 and not at_ends
    tail = float((deviations**3).mean() / deviations.std() ** 3) * math.sqrt(n - 1) / (n - 2) if skewed else 0.0
    totals, sizes = np.append(totals, [below * size, above * size]), np.append(sizes, [size, size])
    centre = totals.sum() / sizes.sum()
    variance = float((((totals - centre * sizes) / size) ** 2).sum()) / ((n + 2) * (n + 1))
    return _Mean(float(centre), variance, tail * variance**1.5, max(n - 1, 1), estimate)


def _of_seeds(by_seed: np.ndarray) -> list[_Mean]:
    """What new seeds add to the spread of a mean, where there are several."""
    seeds = len(by_seed)
    return [_Mean(0.0, float(by_seed.mean(axis=1).var(ddof=1)) / seeds, 0.0, seeds - 1, 0.0)] if seeds > 1 else []


def _interval(parts: list[_Mean], ends: Ends, n_units: int, confidence: float) -> Interval:
    """Interval of a sum of independent means, within the ends of its range."""
    estimate = sum(part.estimate for part in parts)
    low, high = _limits(parts, confidence) if n_units >= MIN_UNITS else (-math.inf, math.inf)
    low, high = max(low, ends[0]), min(high, ends[1])
    return Interval(estimate, min(low, estimate), max(high, estimate), confidence, n_units)


def _limits(parts: list[_Mean], confidence: float) -> Ends:
    """Ends of the interval of a sum of independent means, each with the t of its own degrees of freedom."""
    from scipy.stats import t

    centre, variance = sum(part.centre for part in parts), sum(part.variance for part in parts)
    if variance == 0 or math.isinf(variance):
        return centre - variance, centre + variance
    square = sum(float(t.ppf(0.5 + confidence / 2, part.freedom)) ** 2 * part.variance for part in parts)
    tail = sum(part.third_moment for part in parts) / variance * (2 * square / variance + 1) / 6
    return centre - math.sqrt(square) + min(tail, 0), centre + math.sqrt(square) + max(tail, 0)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Centred ranks, scaled to length 1: their dot product is Spearman's correlation."""
    from scipy.stats import rankdata

    ranks = rankdata(values) - (len(values) + 1) / 2
    length = np.linalg.norm(ranks)
    return ranks / (length or 1)  # equal values have no order: a correlation of 0
