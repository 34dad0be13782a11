"""The measures: against cases worked out by hand, against scikit-learn and SciPy, and in simulation."""

import numpy as np
import pytest
import scipy.sparse
from scipy import stats
from sklearn.metrics.pairwise import cosine_similarity, euclidean_distances

from course_utils.metrics import (
    Interval,
    bootstrap_interval,
    cosine_spearman,
    gain,
    knn_accuracy,
    knn_overlap,
    nearest_neighbors,
    normalize,
    paraphrase_spread,
    shift,
    silhouette,
)

RANDOM = np.random.default_rng(0)
CLOUD = RANDOM.normal(size=(60, 8))
# six directions on a quarter circle, at 0, 10, 20, 45, 70 and 90 degrees
ANGLES = np.deg2rad([0, 10, 20, 45, 70, 90])
QUARTER = np.column_stack([np.cos(ANGLES), np.sin(ANGLES)])


def test_normalize():
    vectors = np.array([[3.0, 4.0], [0.0, 0.0], [-2.0, 0.0]])
    assert np.allclose(normalize(vectors), [[0.6, 0.8], [0, 0], [-1, 0]])
    assert vectors[0, 0] == 3
    assert normalize(vectors.astype(np.float32)).dtype == np.float32


# --- neighbours ---------------------------------------------------------------------------------------------------


def test_neighbours_by_hand():
    assert nearest_neighbors(QUARTER, 2).tolist() == [[1, 2], [0, 2], [1, 0], [2, 4], [5, 3], [4, 3]]
    lengths = np.array([[1], [50], [1], [3], [0.1], [7]])
    assert nearest_neighbors(QUARTER * lengths, 2).tolist() == nearest_neighbors(QUARTER, 2).tolist()
    line = np.array([[0.0, 0], [1, 0], [3, 0], [7, 0]])
    assert nearest_neighbors(line, 3, metric="euclidean").tolist() == [[1, 2, 3], [0, 2, 3], [1, 0, 3], [2, 1, 0]]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_neighbours_equal_a_sort_of_all_distances(metric):
    distance = -cosine_similarity(CLOUD) if metric == "cosine" else euclidean_distances(CLOUD)
    np.fill_diagonal(distance, np.inf)
    expected = np.argsort(distance, axis=1)[:, :7]
    assert np.array_equal(nearest_neighbors(CLOUD, 7, metric=metric), expected)
    assert np.array_equal(nearest_neighbors(scipy.sparse.csr_matrix(CLOUD), 7, metric=metric), expected)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 5, 19, 30])
def test_a_row_is_never_its_own_neighbour_even_among_equal_rows(metric, k):
    rows = np.repeat(CLOUD[:3], 20, axis=0)[RANDOM.permutation(60)]
    found = nearest_neighbors(rows, k, metric=metric)
    assert found.shape == (60, k)
    assert not (found == np.arange(60)[:, None]).any()
    assert all(len(set(row)) == k for row in found.tolist())
    if k < 20:
        assert np.array_equal(rows[found], np.repeat(rows[:, None], k, axis=1))


@pytest.mark.parametrize("k", [0, 60, -1])
def test_a_k_that_does_not_fit(k):
    with pytest.raises(ValueError, match=f"k={k} must be from 1 to 59"):
        nearest_neighbors(CLOUD, k)


def test_knn_accuracy_by_hand():
    # neighbours: 0 → 1, 2; 1 → 0, 2; 2 → 1, 0; 3 → 2, 4; 4 → 5, 3; 5 → 4, 3
    assert knn_accuracy(QUARTER, list("aabbbb"), k=2).tolist() == [0.5, 0.5, 0, 1, 1, 1]
    assert knn_accuracy(QUARTER, np.array([1, 1, 1, 2, 2, 2]), k=1).tolist() == [1, 1, 1, 0, 1, 1]


def test_knn_overlap_by_hand():
    swapped = QUARTER[[0, 1, 5, 3, 4, 2]]
    # on the map the neighbours of the rows are: 0 → 1, 5; 1 → 0, 5; 2 → 4, 3; 3 → 5, 4; 4 → 2, 3; 5 → 1, 0
    assert knn_overlap(QUARTER, swapped, k=2).tolist() == [0.5, 0.5, 0, 0.5, 0.5, 0]
    line = np.column_stack([1 + ANGLES, 1 + ANGLES])  # one direction, but as far apart as the angles
    assert knn_overlap(QUARTER, line, k=2).tolist() == [1] * 6


def test_knn_overlap_of_a_perfect_and_of_a_random_map():
    unit = normalize(CLOUD)
    assert (knn_overlap(CLOUD, unit) == 1).all()
    first_two = knn_overlap(CLOUD, unit[:, :2], k=10).mean()
    by_chance = np.mean([knn_overlap(CLOUD, unit[RANDOM.permutation(60)], k=10).mean() for _ in range(20)])
    assert by_chance == pytest.approx(10 / 59, abs=0.02)
    assert by_chance + 0.05 < first_two < 0.8


def test_overlap_of_two_spaces_of_vectors():
    swapped = QUARTER[[0, 1, 5, 3, 4, 2]]
    lengths = np.array([[1], [50], [1], [3], [0.1], [7]])
    assert (knn_overlap(QUARTER, QUARTER * lengths, k=2, metric="cosine") == 1).all()
    assert knn_overlap(QUARTER, swapped * lengths, k=2, metric="cosine").tolist() == [0.5, 0.5, 0, 0.5, 0.5, 0]


# --- what an instruction does -------------------------------------------------------------------------------------


def test_shift_by_hand():
    first = np.array([[2.0, 0], [1, 0], [1, 0], [0, 3]])
    second = np.array([[5.0, 0], [0, 1], [-4, 0], [1, 1]])
    assert shift(first, second) == pytest.approx([0, 1, 2, 1 - np.sqrt(0.5)])


def test_silhouette_by_hand():
    # the first row is 10 degrees from its own label and 45, 70 and 90 from the other
    rows, labels = QUARTER[[0, 1, 3, 4, 5]], list("aabbb")
    own = 1 - np.cos(np.deg2rad(10))
    other = np.mean(1 - np.cos(np.deg2rad([45, 70, 90])))
    assert silhouette(rows, labels)[0] == pytest.approx((other - own) / other)
    assert silhouette(rows * 7, labels) == pytest.approx(silhouette(rows, labels))
    assert silhouette(rows, list("aabbc"))[-1] == 0
    assert abs(silhouette(CLOUD, RANDOM.integers(0, 2, 60)).mean()) < 0.1


def test_gain_is_paired():
    without = RANDOM.uniform(size=200)
    change = gain(without, without + 0.1)
    assert (change.estimate, change.low, change.high) == pytest.approx((0.1, 0.1, 0.1))
    unpaired = gain(without, RANDOM.permutation(without) + 0.1)
    assert unpaired.estimate == pytest.approx(0.1) and unpaired.low < 0.08 < 0.12 < unpaired.high
    assert gain(without, without, confidence=0.5).confidence == 0.5
    with pytest.raises(ValueError, match="give the same texts"):
        gain(without, without[:-1])


def test_paraphrase_spread():
    assert paraphrase_spread([[0, 1, 1, 0], [1, 1, 1, 1], [1, 0, 1, 1]]) == pytest.approx(0.5)
    assert paraphrase_spread(np.ones((2, 3))) == 0
    with pytest.raises(ValueError, match="at least two wordings, not shape"):
        paraphrase_spread([[1, 2, 3]])


# --- similarity ---------------------------------------------------------------------------------------------------


def test_cosine_spearman_by_hand():
    ones = np.tile([2.0, 0.0], (6, 1))
    scores = np.array([5, 4, 3, 2, 1, 0])
    assert cosine_spearman(ones, QUARTER, scores) == pytest.approx(1)
    assert cosine_spearman(ones, QUARTER * 9, -scores) == pytest.approx(-1)
    # ranks 1 … 6 against 2, 1, 3, 4, 6, 5: 1 − 6 · 4 / (6 · 35)
    assert cosine_spearman(ones, QUARTER, [4, 5, 3, 2, 0, 1]) == pytest.approx(1 - 6 * 4 / 210)


def test_cosine_spearman_equals_scipy_on_the_cosines():
    others, scores = RANDOM.normal(size=CLOUD.shape), RANDOM.integers(0, 5, size=60)
    expected = stats.spearmanr(np.diag(cosine_similarity(CLOUD, others)), scores).statistic
    assert cosine_spearman(CLOUD, others, scores) == pytest.approx(expected)


# --- intervals ----------------------------------------------------------------------------------------------------


def test_an_interval_of_a_large_sample_is_that_of_theory():
    values = RANDOM.normal(3, 2, size=2000)
    interval = bootstrap_interval(values)
    assert interval.estimate == pytest.approx(values.mean())
    low, high = stats.norm.interval(0.95, values.mean(), values.std() / np.sqrt(2000))
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.01)
    narrow = bootstrap_interval(values, confidence=0.5)
    assert low < narrow.low < narrow.high < high and narrow.confidence == 0.5


def test_an_interval_of_a_difference_is_that_of_theory():
    first, second = RANDOM.normal(1, 1, size=1500), RANDOM.normal(0, 3, size=700)
    interval = bootstrap_interval(first, second)
    error = np.sqrt(first.var() / 1500 + second.var() / 700)
    assert interval.estimate == pytest.approx(first.mean() - second.mean())
    low, high = stats.norm.interval(0.95, interval.estimate, error)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.03)


def test_intervals_cover_the_true_mean_as_often_as_they_say():
    generator = np.random.default_rng(1)
    intervals = [bootstrap_interval(generator.normal(size=40), n_resamples=500) for _ in range(200)]
    assert 0.88 <= np.mean([interval.low <= 0 <= interval.high for interval in intervals]) <= 0.99
    pairs = [(generator.normal(1, 1, size=40), generator.normal(0, 2, size=30)) for _ in range(200)]
    intervals = [bootstrap_interval(*pair, n_resamples=500) for pair in pairs]
    assert 0.88 <= np.mean([interval.low <= 1 <= interval.high for interval in intervals]) <= 0.99


def test_an_interval_of_a_skewed_sample_is_skewed():
    # the mean of ten draws is the number of tens: 0 in 35 % of cases, above 3 in 1.3 %, above 2 in 7 %
    assert bootstrap_interval([0] * 9 + [10]) == Interval(1, 0, 3)


def test_the_seed_decides():
    values = RANDOM.normal(size=30)
    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert bootstrap_interval(values) != bootstrap_interval(values, random_state=1)


def test_intervals_of_extreme_samples():
    assert bootstrap_interval([2, 2, 2]) == Interval(2, 2, 2)
    assert bootstrap_interval(np.array([True, False])) == Interval(0.5, 0, 1)


@pytest.mark.parametrize("values", [[], [1], [1, np.nan], [1, np.inf], [[1, 2], [3, 4]]])
def test_what_has_no_interval(values):
    with pytest.raises(ValueError, match="at least two finite numbers"):
        bootstrap_interval(values)
    with pytest.raises(ValueError, match="at least two finite numbers"):
        bootstrap_interval([1, 2, 3], values)


def test_an_interval_in_words():
    assert str(Interval(0.5, -0.25, 1.0)) == "0.50 (95% interval -0.25 to 1.00)"
