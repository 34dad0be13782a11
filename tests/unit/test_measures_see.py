"""Every measure sees an effect that was planted, of the size planted, and nothing where there is none.

Vectors are drawn so that a known share of the texts behaves as the measure is to notice, and the others by chance. A
new measure without an entry in :data:`PLANTED` fails here.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple, get_args

import numpy as np
import pytest
from scipy import stats

from course_utils.data import Pairs
from course_utils.drawing import map_quality
from course_utils.measuring import AnswerRanking, benchmark, difference_interval, metrics
from course_utils.measuring.benchmark import Classification, Encoder, Retrieval, Similarity
from course_utils.measuring.metrics import normalize

K = 10
N_CLUSTERS, SIZE = 14, K + 1  # the nearest ten of a row are the others of its cluster
N = N_CLUSTERS * SIZE
CLUSTER = np.repeat(np.arange(N_CLUSTERS), SIZE)


class Change(NamedTuple):
    """What may be done to the space without moving any measure: by default nothing."""

    turn: bool = False
    scale: float = 1.0
    mixed: bool = False

    def space(self, *spaces: np.ndarray) -> list[np.ndarray]:
        """The same turn (or mirror) and scale for all these arrays of one space."""
        dim = spaces[0].shape[1]
        rotation = np.linalg.qr(np.random.default_rng(dim).normal(size=(dim, dim)))[0] if self.turn else np.eye(dim)
        return [self.scale * each @ rotation for each in spaces]

    def rows(self, n: int) -> np.ndarray:
        return np.random.default_rng(n).permutation(n) if self.mixed else np.arange(n)


UNCHANGED = Change()


def directions(chance, n, dim=24):
    return normalize(chance.normal(size=(n, dim)))


def chosen(share, n, chance):
    """Which of n are planted: exactly this share."""
    return chance.permutation(n) < round(share * n)


def clusters(chance):
    return directions(chance, N_CLUSTERS)[CLUSTER] + 0.002 * chance.normal(size=(N, 24))


def in_order(values, rows):
    """Values of mixed rows, put back into the order before."""
    return np.asarray(values)[np.argsort(rows)]


def kept_clusters(share, chance):
    """For each row where it goes: clusters stay whole with this share, rows of the others are dealt out."""
    dealt = np.flatnonzero((np.arange(N_CLUSTERS) >= round(share * N_CLUSTERS))[CLUSTER])
    places = np.arange(N)
    places[dealt] = chance.permutation(dealt)
    return places


# --- what is seen: each takes the share that is planted, a seed and a change, and returns a value a case -----------


def neighbours(share, seed, change):
    """The nearest of each row is its twin."""
    chance = np.random.default_rng(seed)
    vectors = directions(chance, N)
    twin = np.arange(N) ^ 1
    planted = np.repeat(np.arange(N // 2) < round(share * N / 2), 2) & (np.arange(N) % 2 == 1)
    vectors[planted] = vectors[twin][planted] + 0.002 * chance.normal(size=(planted.sum(), 24))
    rows = change.rows(N)
    found = metrics.nearest_neighbors(*change.space(vectors[rows]), k=1)[:, 0]
    return in_order(rows[found] == twin[rows], rows)


def overlap(share, seed, change):
    chance = np.random.default_rng(seed)
    vectors, places, rows = clusters(chance), kept_clusters(share, chance), change.rows(N)
    other = clusters(chance)[places][:, :20]
    (first,), (second,) = change.space(vectors[rows]), change.space(other[rows])
    return in_order(metrics.knn_overlap(first, second, K, metric="cosine"), rows)


def same_label(share, seed, change):
    """Rows carry the label of their cluster with this share, else any."""
    chance = np.random.default_rng(seed)
    own, rows = chosen(share, N, chance), change.rows(N)
    labels = np.where(own, chance.integers(4, size=N_CLUSTERS)[CLUSTER], chance.integers(4, size=N))
    return in_order(metrics.knn_accuracy(*change.space(clusters(chance)[rows]), labels[rows], K), rows)


def similar_pairs(share, chance, n=200):
    """Pairs whose cosine follows a score, with this correlation of the normal variables behind the two."""
    score, noise = chance.normal(size=(2, n))
    cosine = 0.9 * np.tanh(share * score + np.sqrt(1 - share**2) * noise)[:, None]
    first, other = directions(chance, n), chance.normal(size=(n, 24))
    across = normalize(other - np.sum(other * first, axis=1, keepdims=True) * first)
    return first, cosine * first + np.sqrt(1 - cosine**2) * across, score


def correlation(share, seed, change):
    chance = np.random.default_rng(seed)

    def one():
        *sides, score = similar_pairs(share, chance)
        rows = change.rows(len(score))
        return metrics.cosine_spearman(*change.space(*(side[rows] for side in sides)), score[rows])

    return np.array([one() for _ in range(20)])


def searched(share, seed, change, n=120, m=40):
    """Queries whose right document is the nearest with this share, else any."""
    chance = np.random.default_rng(seed)
    queries, documents, rows = directions(chance, n), directions(chance, m), change.rows(n)
    right = np.where(chosen(share, n, chance), (queries @ documents.T).argmax(axis=1), chance.integers(m, size=n))
    return *change.space(queries[rows], documents), right[rows][:, None], rows


def retrieval(measure, **options):
    def see(share, seed, change):
        queries, documents, right, rows = searched(share, seed, change)
        return in_order(measure(queries @ documents.T, right, **options), rows)

    return see


def moved(share, seed, change):
    """A share of the rows is turned by 60 degrees."""
    chance = np.random.default_rng(seed)
    first, other, rows = directions(chance, N), chance.normal(size=(N, 24)), change.rows(N)
    across = normalize(other - np.sum(other * first, axis=1, keepdims=True) * first)
    angle = np.where(chosen(share, N, chance)[:, None], np.pi / 3, 0.01)
    spaces = change.space(first[rows], (np.cos(angle) * first + np.sin(angle) * across)[rows])
    return in_order(metrics.shift(*spaces), rows)


def gained(share, seed, change):
    chance = np.random.default_rng(seed)
    before, rows = chance.uniform(size=(20, N)), change.rows(N)
    after = before + 0.1 * (chance.uniform(size=before.shape) < share) + 0.05 * chance.normal(size=before.shape)
    return [metrics.gain(*each).estimate for each in zip(before[:, rows], after[:, rows], strict=True)]


@functools.cache
def drawn(share, seed, change):
    """Maps of islands: clusters stay together with this share, the others are dealt out."""
    made = []
    for chance in np.random.default_rng(seed).spawn(12):
        at = chance.permutation(N_CLUSTERS)[CLUSTER]
        islands = np.column_stack([at % 4, at // 4]) + 0.02 * chance.normal(size=(N, 2))
        points, rows = islands[kept_clusters(share, chance)], change.rows(N)
        (vectors,), (points,) = change.space(clusters(chance)[rows]), change.space(points[rows])
        made.append(map_quality(vectors, points, K))
    return made


def on_map(name):
    return lambda share, seed, change: [quality[name] for quality in drawn(share, seed, change)]


def ranking(share, chance, change, n=60):
    """Questions that lie by their answer with this share, else anywhere."""
    answers, rows = directions(chance, n), change.rows(n)
    near = chosen(share, n, chance)[:, None]
    questions = np.where(near, 0.8 * answers + 0.6 * directions(chance, n), directions(chance, n))
    pairs = Pairs.from_columns([f"q{i}" for i in rows], [f"a{i}" for i in rows])
    return AnswerRanking(pairs, *map(normalize, change.space(questions[rows], answers[rows])), "planted")


def ranked(measure):
    def see(share, seed, change):
        found = ranking(share, np.random.default_rng(seed), change)
        return in_order(measure(found), change.rows(60))

    return see


def separated(name):
    def see(share, seed, change):
        return [ranking(share, chance, change).separation()[name] for chance in np.random.default_rng(seed).spawn(20)]

    return see


def lookup(*sides):
    """An encoder that knows the vectors of its texts."""
    known = {text: vector for texts, vectors in sides for text, vector in zip(texts, normalize(vectors), strict=True)}
    return Encoder(lambda texts, side="": np.array([known[text] for text in texts]))


def of_pairs(share, seed, change):
    def one(chance):
        *sides, score = similar_pairs(share, chance)
        rows = change.rows(len(score))
        names = [[f"{side}{i}" for i in rows] for side in "ab"]
        encoder = lookup(*zip(names, change.space(*(side[rows] for side in sides)), strict=True))
        cosines = Similarity("pairs", *names, score[rows]).run(encoder)["cosine_spearman"]
        return stats.spearmanr(score[rows], cosines).statistic

    return [one(chance) for chance in np.random.default_rng(seed).spawn(20)]


def of_search(metric):
    def see(share, seed, change):
        queries, documents, right, rows = searched(share, seed, change)
        names = [f"q{i}" for i in rows], [f"d{i}" for i in range(len(documents))]
        encoder = lookup((names[0], queries), (names[1], documents))
        return in_order(Retrieval("search", *names, right).run(encoder)[metric], rows)

    return see


def of_labels(share, seed, change, n=200):
    """Texts lie by the centre of their label with this share, else by any. (Folds go by the order of rows.)"""
    chance = np.random.default_rng(seed)
    labels, any_label = chance.integers(4, size=(2, n))
    place = np.where(chosen(share, n, chance), labels, any_label)
    names, vectors = [f"t{i}" for i in range(n)], directions(chance, 4)[place] + 0.05 * chance.normal(size=(n, 24))
    encoder = lookup((names, *change.space(vectors)))
    return Classification("labels", names, labels).run(encoder)["accuracy"]


# --- how large it is --------------------------------------------------------------------------------------------------


class Planted(NamedTuple):
    see: Callable[[float, int, Change], np.ndarray]
    truth: Callable[[float], float]  # the mean, for the share planted
    tolerance: float = 0.04


def or_chance(floor, ceiling=1.0):
    return lambda share: share * ceiling + (1 - share) * floor


def dealt_out(share):
    """Neighbours kept where rows of some clusters were dealt out among them."""
    kept = round(share * N_CLUSTERS) / N_CLUSTERS
    return kept + (1 - kept) * K / max(N * (1 - kept) - 1, 1)


def floor_of_ranks(share):
    """Trustworthiness where the rows dealt out have neighbours of any rank among all others."""
    kept = round(share * N_CLUSTERS) / N_CLUSTERS
    return 1 - (1 - kept) * (N - 1 - K) * (N - K) / ((N - 1) * (2 * N - 3 * K - 1))


def spearman(share):
    return 6 / np.pi * np.arcsin(share / 2)


def separation(share):
    """In units of the spread: right cosines are 0.8 or chance, and chance has the variance 1 / dim."""
    right = share * (1 - share) * 0.8**2 + (share * 0.6**2 + 1 - share) / 24
    return 0.8 * share / np.sqrt((right + 1 / 24) / 2)


def harmonic(m):
    return float(np.sum(1 / np.arange(1, 11))) / m


DCG = float(np.sum(1 / np.log2(np.arange(2, 12)))) / 40
PLANTED = {
    "metrics.nearest_neighbors": Planted(neighbours, or_chance(1 / (N - 1))),
    "metrics.knn_overlap": Planted(overlap, dealt_out),
    "metrics.knn_accuracy": Planted(same_label, lambda share: share**2 + (1 - share**2) / 4, 0.06),
    "metrics.cosine_spearman": Planted(correlation, spearman),
    "metrics.recall_at_k": Planted(retrieval(metrics.recall_at_k, k=5), or_chance(5 / 40), 0.1),
    "metrics.mrr_at_10": Planted(retrieval(metrics.mrr_at_10), or_chance(harmonic(40)), 0.1),
    "metrics.ndcg_at_10": Planted(retrieval(metrics.ndcg_at_10), or_chance(DCG), 0.1),
    "metrics.shift": Planted(moved, lambda share: share / 2, 0.05),
    "metrics.gain": Planted(gained, lambda share: 0.1 * share, 0.01),
    "map_quality.trustworthiness": Planted(on_map("trustworthiness"), floor_of_ranks),
    "map_quality.continuity": Planted(on_map("continuity"), floor_of_ranks),
    "map_quality.knn_overlap": Planted(on_map("knn_overlap"), dealt_out),
    "AnswerRanking.right answer first": Planted(ranked(lambda found: found.hits(1)), or_chance(1 / 60), 0.12),
    "AnswerRanking.right answer in 5": Planted(ranked(lambda found: found.hits(5)), or_chance(5 / 60), 0.12),
    "AnswerRanking.right answer in 10": Planted(ranked(lambda found: found.hits(10)), or_chance(10 / 60), 0.12),
    "AnswerRanking.mrr_at_10": Planted(
        ranked(lambda found: found.hits(10) / found.ranks), or_chance(harmonic(60)), 0.12
    ),
    "AnswerRanking.margin": Planted(separated("margin"), lambda share: 0.8 * share, 0.05),
    "AnswerRanking.separation in σ": Planted(separated("separation in σ"), separation, 0.15),
    "Similarity.cosine_spearman": Planted(of_pairs, spearman, 0.06),
    "Retrieval.recall_at_1": Planted(of_search("recall_at_1"), or_chance(1 / 40), 0.1),
    "Retrieval.mrr_at_10": Planted(of_search("mrr_at_10"), or_chance(harmonic(40)), 0.1),
    "Retrieval.ndcg_at_10": Planted(of_search("ndcg_at_10"), or_chance(DCG), 0.1),
    "Classification.accuracy": Planted(of_labels, or_chance(1 / 4), 0.1),
}
TOOLS = {"metrics.normalize"}  # they measure nothing


# --- the tests --------------------------------------------------------------------------------------------------------


def public_measures():
    """Names of all measures of vectors, as the library offers them."""
    functions = {name for name, each in vars(metrics).items() if getattr(each, "__module__", "") == metrics.__name__}
    found = {f"metrics.{name}" for name in functions if not name.startswith("_")} - TOOLS
    found |= {f"map_quality.{name}" for name in map_quality(CLOUD, CLOUD)}
    answers = ranking(0.5, np.random.default_rng(0), UNCHANGED)
    found |= {f"AnswerRanking.{name}" for name in answers.scores()}
    found |= {f"AnswerRanking.{name}" for name in answers.separation() if not name.endswith((", mean", ", sd"))}
    words = ["a", "b"] * 10
    examples = [Similarity("", words, words, range(20)), Retrieval("", words, words, [[0]] * 20)]
    examples.append(Classification("", words, words))
    assert {type(each) for each in examples} == set(get_args(benchmark.Task))
    encoder = lookup((["a", "b"], np.eye(2)))
    return found | {f"{type(each).__name__}.{name}" for each in examples for name in each.run(encoder)}


def test_every_measure_is_here():
    assert set(PLANTED) == public_measures()


CLOUD = np.random.default_rng(0).normal(size=(60, 8))
every_measure = pytest.mark.parametrize("name", PLANTED)


def against_nothing(planted, share, seed):
    """Interval of what is seen where an effect was planted, minus what is seen where there is none."""
    values = [np.asarray(planted.see(each, seed + i, UNCHANGED), dtype=float) for i, each in enumerate((share, 0))]
    units = (
        CLUSTER if len(values[0]) == N else np.arange(len(values[0]))
    )  # rows of one cluster are no independent cases
    return difference_interval(*values, groups=units), values[0].mean()


@every_measure
def test_an_effect_is_found_and_its_size(name):
    planted = PLANTED[name]
    difference, value = against_nothing(planted, 0.5, seed=1)
    expected = planted.truth(0.5) - planted.truth(0)
    assert difference.sign == np.sign(expected) and not difference.too_few
    assert value == pytest.approx(planted.truth(0.5), abs=planted.tolerance)
    assert difference.low - planted.tolerance / 4 < expected < difference.high + planted.tolerance / 4


@every_measure
def test_nothing_is_found_where_there_is_nothing(name):
    planted = PLANTED[name]
    found = [against_nothing(planted, 0, seed=10 * trial) for trial in range(5)]
    assert sum(difference.sign != 0 for difference, _ in found) <= 1  # at 95 % one of twenty may be
    assert np.mean([value for _, value in found]) == pytest.approx(planted.truth(0), abs=planted.tolerance)


@every_measure
@pytest.mark.parametrize("change", [Change(turn=True), Change(scale=7.0), Change(mixed=True)], ids=str)
def test_a_turn_a_scale_and_another_order_of_rows_move_nothing(name, change):
    if name.startswith("Classification") and change.mixed:
        pytest.skip("its folds go by the order of rows")
    see = PLANTED[name].see
    assert see(0.5, 3, change) == pytest.approx(np.asarray(see(0.5, 3, UNCHANGED), dtype=float), abs=1e-3)


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "manhattan"])
@pytest.mark.parametrize("space", ["cloud", "float32", "map", "copies"])
def test_a_space_overlaps_with_itself_wholly(space, metric):
    vectors = {"float32": CLOUD.astype(np.float32), "map": CLOUD[:, :2], "copies": np.repeat(CLOUD[:6], 10, axis=0)}
    vectors = vectors.get(space, CLOUD)
    for k in (1, 10, 40):
        assert (metrics.knn_overlap(vectors, vectors.copy(), k, metric=metric) == 1).all()


def test_whatever_compares_two_finds_no_difference_between_a_thing_and_itself():
    unit = normalize(CLOUD)
    assert map_quality(unit, unit) == {"trustworthiness": 1, "continuity": 1, "knn_overlap": 1}
    assert metrics.shift(CLOUD, CLOUD) == pytest.approx(0, abs=1e-12)
    assert metrics.gain(CLOUD[:, 0], CLOUD[:, 0]).identical
    own = [[i] for i in range(60)]
    for measure in (metrics.mrr_at_10, metrics.ndcg_at_10, lambda *search: metrics.recall_at_k(*search, 1)):
        assert (measure(unit @ unit.T, own) == 1).all()
    others = np.roll(CLOUD, 1, axis=0)
    assert metrics.cosine_spearman(CLOUD, others, np.sum(unit * normalize(others), axis=1)) == pytest.approx(1)
