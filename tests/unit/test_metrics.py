"""The measures: against cases worked out by hand, against scikit-learn and SciPy, and in simulation."""

import numpy as np
import pytest
import scipy.sparse
from scipy import stats
from sklearn.metrics.pairwise import cosine_similarity, euclidean_distances

from course_utils.measuring import (
    knn_accuracy,
    knn_overlap,
    mrr_at_10,
    ndcg_at_10,
    nearest_neighbors,
    normalize,
    recall_at_k,
)
from course_utils.measuring.metrics import cosine_spearman, gain, shift

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
    on_map = ("cosine", "euclidean")
    swapped = QUARTER[[0, 1, 5, 3, 4, 2]]
    # on the map the neighbours of the rows are: 0 → 1, 5; 1 → 0, 5; 2 → 4, 3; 3 → 5, 4; 4 → 2, 3; 5 → 1, 0
    assert knn_overlap(QUARTER, swapped, k=2, metric=on_map).tolist() == [0.5, 0.5, 0, 0.5, 0.5, 0]
    line = np.column_stack([1 + ANGLES, 1 + ANGLES])  # one direction, but as far apart as the angles
    assert knn_overlap(QUARTER, line, k=2, metric=on_map).tolist() == [1] * 6
    lengths = np.array([[1], [50], [1], [3], [0.1], [7]])
    assert knn_overlap(QUARTER, swapped * lengths, k=2, metric="cosine").tolist() == [0.5, 0.5, 0, 0.5, 0.5, 0]


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "manhattan"])
def test_knn_overlap_compares_both_spaces_in_the_way_stated(metric):
    other = RANDOM.normal(size=(60, 2))
    neighbours = [nearest_neighbors(each, metric=metric) for each in (CLOUD, other)]
    expected = [len({*one} & {*two}) / 10 for one, two in zip(*neighbours, strict=True)]
    assert knn_overlap(CLOUD, other, metric=metric).tolist() == expected
    assert knn_overlap(other, CLOUD, metric=metric).tolist() == expected
    with pytest.raises(TypeError, match="metric"):  # what is compared with what is always said
        knn_overlap(CLOUD, other)


def test_knn_overlap_of_neighbours_that_are_known_searches_no_more(monkeypatch):
    random = np.random.default_rng(1)
    other = CLOUD + random.normal(size=CLOUD.shape)
    expected = knn_overlap(CLOUD, other, 7, metric=("cosine", "euclidean")).tolist()
    wide = nearest_neighbors(CLOUD, 12), nearest_neighbors(other, 12, metric="euclidean")
    half = knn_overlap(CLOUD, wide[1], 7, metric=("cosine", "neighbors")).tolist()
    monkeypatch.setattr("sklearn.neighbors.NearestNeighbors.kneighbors", None)
    assert knn_overlap(*wide, 7, metric="neighbors").tolist() == half == expected


def test_knn_overlap_of_a_perfect_and_of_a_random_map():
    unit, on_map = normalize(CLOUD), ("cosine", "euclidean")
    assert (knn_overlap(CLOUD, unit, metric=on_map) == 1).all()
    first_two = knn_overlap(CLOUD, unit[:, :2], metric=on_map).mean()
    by_chance = np.mean([knn_overlap(CLOUD, unit[RANDOM.permutation(60)], metric=on_map).mean() for _ in range(20)])
    assert by_chance == pytest.approx(10 / 59, abs=0.02)
    assert by_chance + 0.05 < first_two < 0.8


# --- what an instruction does -------------------------------------------------------------------------------------


def test_shift_by_hand():
    first = np.array([[2.0, 0], [1, 0], [1, 0], [0, 3]])
    second = np.array([[5.0, 0], [0, 1], [-4, 0], [1, 1]])
    assert shift(first, second) == pytest.approx([0, 1, 2, 1 - np.sqrt(0.5)])


def test_gain_is_paired():
    without = RANDOM.uniform(size=200)
    paired, unpaired = gain(without, without + 0.1), gain(without, RANDOM.permutation(without) + 0.1)
    assert paired.estimate == pytest.approx(0.1) and unpaired.estimate == pytest.approx(0.1)
    assert 0.08 < paired.low < paired.high < 0.12
    assert unpaired.low < 0.08 < 0.12 < unpaired.high
    assert gain(without, without).identical and not paired.identical
    with pytest.raises(ValueError, match="of the same cases, and there are 199 and 200"):
        gain(without, without[:-1])


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


# --- retrieval and classification ---------------------------------------------------------------------------------

SIMILARITY = np.array([[0.9, 0.8, 0.7, 0.1], [0.1, 0.2, 0.3, 0.4], [0.5, 0.9, 0.2, 0.1]])
RELEVANT = [[1], [3, 0], {2, 3}]  # at the ranks 2; 1 and 4; 3 and 4


def test_retrieval_measures_by_hand():
    assert recall_at_k(SIMILARITY, RELEVANT, 1).tolist() == [0, 0.5, 0]
    assert recall_at_k(SIMILARITY, RELEVANT, 3).tolist() == [1, 0.5, 0.5]
    assert recall_at_k(SIMILARITY, RELEVANT, 4).tolist() == [1, 1, 1]
    assert mrr_at_10(SIMILARITY, RELEVANT) == pytest.approx([1 / 2, 1, 1 / 3])
    ideal = 1 + 1 / np.log2(3)
    gains = [1 / np.log2(3), (1 + 1 / np.log2(5)) / ideal, (1 / 2 + 1 / np.log2(5)) / ideal]
    assert ndcg_at_10(SIMILARITY, RELEVANT) == pytest.approx(gains)


def test_only_the_first_ten_count():
    falling = -np.arange(30.0)[None]
    assert ndcg_at_10(falling, [[9]]) == pytest.approx([1 / np.log2(11)])
    assert mrr_at_10(falling, [[9]]) == pytest.approx([0.1])
    assert ndcg_at_10(falling, [[10]]).tolist() == mrr_at_10(falling, [[10]]).tolist() == [0]
    everything = ndcg_at_10(falling, [range(30)])  # more relevant ones than places
    assert everything == pytest.approx([1])


def test_documents_that_a_system_cannot_tell_apart_count_against_it():
    same = np.zeros((1, 4))
    assert recall_at_k(same, [[0]], 3).tolist() == [0]
    assert mrr_at_10(same, [[0]]).tolist() == [1 / 4]
    assert ndcg_at_10(same, [[0, 1]]) < 0.8
    assert recall_at_k(np.array([[0.5, 0.5, 0.1]]), [[2]], 3).tolist() == [1]


def test_retrieval_measures_equal_independent_libraries():
    pytrec_eval = pytest.importorskip("pytrec_eval")
    from sklearn.metrics import ndcg_score

    similarity = RANDOM.normal(size=(40, 25))
    relevant = [RANDOM.choice(25, size=RANDOM.integers(1, 14), replace=False).tolist() for _ in range(40)]
    truth = np.zeros(similarity.shape)
    for i, columns in enumerate(relevant):
        truth[i, columns] = 1
    assert ndcg_at_10(similarity, relevant).mean() == pytest.approx(ndcg_score(truth, similarity, k=10))

    judged = {f"q{i}": {f"d{j}": 1 for j in columns} for i, columns in enumerate(relevant)}
    run = {f"q{i}": {f"d{j}": float(s) for j, s in enumerate(row)} for i, row in enumerate(similarity)}
    evaluator = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10", "recall.1,5,10", "recip_rank"})
    rows = [scores for _, scores in sorted(evaluator.evaluate(run).items(), key=lambda item: int(item[0][1:]))]
    assert ndcg_at_10(similarity, relevant) == pytest.approx([row["ndcg_cut_10"] for row in rows])
    for k in (1, 5, 10):
        assert recall_at_k(similarity, relevant, k) == pytest.approx([row[f"recall_{k}"] for row in rows])
    first_ten = [row["recip_rank"] if row["recip_rank"] >= 0.1 else 0 for row in rows]
    assert mrr_at_10(similarity, relevant) == pytest.approx(first_ten)


@pytest.mark.parametrize(
    ("similarity", "relevant", "k", "words"),
    [
        (np.zeros(3), [[0]], 1, "one row a query and one column a document, not shape"),
        (np.array([[0.1, np.nan]]), [[0]], 1, "finite numbers.* with NaN or infinity"),
        (np.zeros((2, 3)), [[0]], 1, "relevant has 1 entries for 2 queries"),
        (np.zeros((1, 3)), [[]], 1, r"relevant\[0\] is \[\]: it takes the positions of one or more of the 3 documents"),
        (np.zeros((1, 3)), [[3]], 1, r"relevant\[0\] is \[3\]"),
        (np.zeros((1, 3)), [[-1]], 1, r"relevant\[0\] is \[-1\]"),
        (np.zeros((1, 3)), [[0]], 0, "k=0 must be from 1 to 3, the number of documents"),
        (np.zeros((1, 3)), [[0]], 4, "k=4 must be from 1 to 3"),
    ],
)
def test_retrieval_measures_say_what_does_not_fit(similarity, relevant, k, words):
    with pytest.raises(ValueError, match=words):
        recall_at_k(similarity, relevant, k)
