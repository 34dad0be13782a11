"""The maps: shapes, seeds, tiny inputs, and measures of how far to trust them."""

import warnings

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from course_utils.drawing import map_quality, project, project_aligned, sampled_quality
from course_utils.measuring import knn_overlap, nearest_neighbors, normalize

RANDOM = np.random.default_rng(0)
CENTRES = RANDOM.normal(size=(4, 32))
LABELS = np.repeat(np.arange(4), 30)
VECTORS = (CENTRES[LABELS] + 0.5 * RANDOM.normal(size=(120, 32))).astype(np.float32)
METHODS = ("pca", "tsne", "umap")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """On busy cores threads that wait for one another make t-SNE ten times slower."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def maps(one_thread):
    """One map by each method, and what was warned of on the way."""
    result = {}
    for method in METHODS:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            # as a notebook has it: warnings for the developers of libraries are not shown
            for kind in (ImportWarning, DeprecationWarning, PendingDeprecationWarning):
                warnings.simplefilter("ignore", kind)
            result[method] = project(VECTORS, method), [str(warning.message) for warning in caught]
    return result


@pytest.mark.parametrize("method", METHODS)
def test_a_map_is_two_finite_columns_made_without_a_warning(method, maps):
    points, warned = maps[method]
    assert (points.shape, points.dtype) == ((120, 2), np.float32)
    assert np.isfinite(points).all()
    assert warned == []


@pytest.mark.parametrize("method", METHODS)
def test_groups_lie_apart(method, maps):
    points = maps[method][0]
    centres = np.stack([points[label == LABELS].mean(axis=0) for label in range(4)])
    nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == LABELS).mean() > 0.8  # by chance 0.25


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_map(method, maps):
    assert np.array_equal(project(VECTORS, method), maps[method][0])


def test_rows_are_compared_by_direction(maps):
    lengths = RANDOM.uniform(1, 9, size=(120, 1))
    assert np.allclose(project(VECTORS * lengths, "pca"), maps["pca"][0], atol=1e-4)


@pytest.mark.parametrize(("method", "options"), [("tsne", {"init": "random"}), ("umap", {})])
def test_another_seed_gives_another_map(method, options):
    first, second = (project(VECTORS[:30], method, random_state=seed, **options) for seed in (1, 2))
    assert not np.allclose(first, second, atol=0.1)


def test_pca_is_the_exact_one_whatever_the_seed():
    many = RANDOM.normal(size=(700, 64)) / np.sqrt(np.arange(1, 65))  # from 500 on scikit-learn may take a short cut
    unit = normalize(many)
    left, lengths, _ = np.linalg.svd(unit - unit.mean(axis=0), full_matrices=False)
    expected = left[:, :2] * lengths[:2]
    for seed in (1, 42):
        points = project(many, "pca", random_state=seed)
        assert np.allclose(np.abs(points), np.abs(expected), atol=1e-3)


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("n", [3, 4, 5, 9, 10, 16])
@pytest.mark.parametrize("method", METHODS)
def test_a_handful_of_rows(method, n):
    points = project(VECTORS[::7][:n], method, **({"max_iter": 250} if method == "tsne" else {}))
    assert points.shape == (n, 2) and np.isfinite(points).all()


@pytest.mark.parametrize("method", METHODS)
def test_equal_rows(method):
    assert np.isfinite(project(np.repeat(VECTORS[:12], 3, axis=0), method)).all()
    # One direction only: t-SNE would end the kernel with a segmentation fault.
    for same in (np.ones((12, 4)), np.zeros((12, 4)), np.outer(np.arange(1, 13), np.ones(4))):
        with pytest.raises(ValueError, match="All rows of vectors .* nothing to draw apart"):
            project(same, method)


def test_three_rows_are_a_triangle_and_a_method_that_is_none_still_an_error():
    unit, points = normalize(VECTORS[:3]), project(VECTORS[:3], "tsne")
    sides = [np.linalg.norm(rows - np.roll(rows, 1, axis=0), axis=1) for rows in (unit, points)]
    assert np.allclose(*sides, atol=1e-5)
    assert len(project_aligned({"one": VECTORS[:3], "two": VECTORS[3:6]}, "umap")["two"]) == 3
    with pytest.raises(ValueError, match="method='mds'"):
        project(VECTORS[:3], "mds")


@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_a_text_far_out_leaves_room_for_the_others(method, monkeypatch):
    """A method that lays one row 1,128 units away, two at half of that, and half of the rows in one place."""
    reducer = {"tsne": "sklearn.manifold.TSNE", "umap": "umap.UMAP"}[method]
    module = pytest.importorskip(reducer.rpartition(".")[0])
    made = RANDOM.normal(size=(120, 2))
    made[:3] = [[1128, 0], [-564, 0], [-564, 1]]

    class Reducer:
        def __init__(self, **options):
            pass

        def fit_transform(self, vectors):
            return made

    monkeypatch.setattr(module, reducer.rpartition(".")[2], Reducer)
    points = project(VECTORS, method)
    assert np.allclose(points[3:], made[3:], atol=1e-5)  # the rest stays where it was
    distance = np.linalg.norm(points - np.median(points, axis=0), axis=1)
    assert distance[0] > distance[1:3].max() > distance[3:].max() > distance.max() / 4
    assert points[0, 0] > 0 > points[1, 0] and points[1, 1] < points[2, 1]
    made[:100] = 0
    assert np.array_equal(project(VECTORS, method)[:100], made[:100]) and np.isfinite(project(VECTORS, method)).all()
    made[:] = np.where(np.arange(120)[:, None] < 2, [[3, 0]], 0)  # all but two in one place: nothing to measure by
    assert np.array_equal(project(VECTORS, method), made)


def test_options_go_to_the_method():
    near, far = (project(VECTORS[:40], "umap", n_neighbors=k, min_dist=0.9) for k in (3, 30))
    assert not np.allclose(near, far, atol=0.1)
    near, far = (project(VECTORS[:40], "tsne", perplexity=k) for k in (3, 12))
    assert not np.allclose(near, far, atol=0.1)


@pytest.mark.parametrize(
    "options", [{}, {"n_neighbors": 5}, {"n_neighbors": 40, "init": "random"}, {"metric": "manhattan"}]
)
def test_umap_draws_the_very_map_that_it_draws_with_a_search_of_its_own(options):
    umap = pytest.importorskip("umap")
    own = umap.UMAP(random_state=42, n_jobs=1, **options).fit_transform(normalize(VECTORS))
    distance = np.linalg.norm(own - np.median(own, axis=0), axis=1)
    inner = distance < 2 * np.quantile(distance, 0.9)  # the rest is drawn in
    assert inner.mean() > 0.9 and np.array_equal(project(VECTORS, "umap", **options)[inner], own[inner])


@pytest.mark.parametrize(("n", "options"), [(120, {}), (4200, {"n_epochs": 3})])
def test_umap_takes_neighbours_that_are_known_at_any_size(n, options, monkeypatch):
    pytest.importorskip("umap")
    cloud = normalize((CENTRES[np.arange(n) % 4] + 0.5 * np.random.default_rng(2).normal(size=(n, 32))).astype("f4"))
    near = nearest_neighbors(cloud, 20, metric="euclidean")
    alone = project(cloud, "umap") if n < 4096 else None

    def searches(*_, **__):
        raise AssertionError("a search of its own")

    monkeypatch.setattr("sklearn.neighbors.NearestNeighbors.kneighbors", searches)
    monkeypatch.setattr("umap.umap_.nearest_neighbors", searches)
    monkeypatch.setattr("umap.umap_.NNDescent.__init__", searches)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        points = project_aligned({"one": cloud}, neighbors={"one": near})["one"] if n < 4096 else None
        points = project(cloud, "umap", neighbors=near, **options) if points is None else points
    assert alone is None or np.array_equal(points, alone)
    assert map_quality(cloud[:600], points[:600])["trustworthiness"] > 0.6
    shuffled = np.random.default_rng(3).permutation(near)  # the map is drawn by them, not by the vectors
    assert not np.allclose(project(cloud, "umap", neighbors=shuffled, **options), points, atol=0.1)


@pytest.mark.parametrize("shape", [(120, 13), (119, 14)])
def test_too_few_neighbours_are_an_error_and_no_second_search(shape):
    with pytest.raises(ValueError, match=r"neighbors must have the shape \(120, 14 or more\), not"):
        project(VECTORS, "umap", neighbors=np.zeros(shape, int))


def test_what_cannot_be_drawn():
    with pytest.raises(ValueError, match="method='t-sne' must be 'pca', 'tsne' or 'umap'"):
        project(VECTORS, "t-sne")
    for n in range(3):
        with pytest.raises(ValueError, match=rf"at least 3 rows, not \({n}, 32\). Add texts"):
            project(VECTORS[:n])
    with pytest.raises(ValueError, match=r"shape \(n, dim\) .* not \(32,\)"):
        project(VECTORS[0])
    for bad in (np.nan, np.inf):
        spoilt = VECTORS.copy()
        spoilt[5, 3] = bad
        with pytest.raises(ValueError, match="NaN or infinite .*np.isfinite"):
            project(spoilt, "pca")


def test_the_quality_of_a_perfect_and_of_a_shuffled_map():
    circle = np.deg2rad(RANDOM.permutation(120) * 2.5)
    vectors = np.column_stack([np.cos(circle), np.sin(circle)])
    assert map_quality(vectors, 3 * vectors) == pytest.approx(
        {"trustworthiness": 1, "continuity": 1, "knn_overlap": 1}, abs=1e-6
    )
    shuffled = [map_quality(vectors, vectors[RANDOM.permutation(120)]) for _ in range(10)]
    mean = {name: np.mean([quality[name] for quality in shuffled]) for name in shuffled[0]}
    assert mean["trustworthiness"] == pytest.approx(0.5, abs=0.03)
    assert mean["continuity"] == pytest.approx(0.5, abs=0.03)
    assert mean["knn_overlap"] == pytest.approx(10 / 119, abs=0.02)


def test_trustworthiness_and_continuity_name_the_two_errors():
    # Two far groups drawn on top of each other: false neighbours. One group drawn as two: torn neighbours.
    angles = np.deg2rad(np.concatenate([np.linspace(0, 40, 30), np.linspace(120, 160, 30)]))
    two = np.column_stack([np.cos(angles), np.sin(angles)])
    on_top = np.column_stack([np.tile(np.arange(30), 2), np.zeros(60)])
    crushed = map_quality(two, on_top, k=5)
    assert crushed["trustworthiness"] < crushed["continuity"] - 0.1
    angles = np.deg2rad(np.linspace(0, 80, 60))
    one = np.column_stack([np.cos(angles), np.sin(angles)])
    torn = map_quality(one, np.column_stack([np.arange(60), 1000.0 * (np.arange(60) % 2)]), k=5)
    assert torn["continuity"] < torn["trustworthiness"] - 0.005


@pytest.mark.parametrize("method", METHODS)
def test_real_maps_lie_between(method, maps):
    quality = map_quality(VECTORS, maps[method][0])
    assert 0.75 < quality["trustworthiness"] < 1 and 0.75 < quality["continuity"] < 1
    assert 0.15 < quality["knn_overlap"] < 0.9


@pytest.mark.parametrize("seed", range(12))
def test_the_measures_are_those_of_scikit_learn(seed):
    manifold = pytest.importorskip("sklearn.manifold")
    random = np.random.default_rng(seed)
    n, k = int(random.integers(20, 400)), int(random.integers(1, 10))  # several blocks of rows, or a part of one
    vectors = random.normal(size=(n, 24)).astype(np.float32)
    points = (vectors[:, :2] + random.normal(size=(n, 2))).astype([np.float32, np.float64][seed % 2])
    unit, found = normalize(vectors), map_quality(7 * vectors, points, k)
    near = 1e-6 + 2 / (n * k * (2 * n - 3 * k - 1))  # rounding may swap two rows, which moves one rank by one
    assert found["trustworthiness"] == pytest.approx(manifold.trustworthiness(unit, points, n_neighbors=k), abs=near)
    assert found["continuity"] == pytest.approx(manifold.trustworthiness(points, unit, n_neighbors=k), abs=near)
    overlap = knn_overlap(unit, points, k, metric=("cosine", "euclidean")).mean()
    assert found["knn_overlap"] == pytest.approx(overlap, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_of_rows_equally_far_none_is_nearer(seed):
    """Where scikit-learn's order of equal rows is that of a sort, ranks differ by at most the number of the equal."""
    manifold = pytest.importorskip("sklearn.manifold")
    random = np.random.default_rng(seed)
    vectors = normalize(np.repeat(random.normal(size=(40, 8)), 3, axis=0).astype(np.float32))
    points = random.normal(size=(120, 2))
    ours = map_quality(vectors, points, 10)["trustworthiness"]
    theirs = manifold.trustworthiness(vectors, points, n_neighbors=10)
    assert theirs - 1e-6 <= ours <= theirs + 2 * 2 / (2 * 120 - 3 * 10 - 1)
    assert map_quality(vectors, vectors, 10) == pytest.approx(
        {"trustworthiness": 1, "continuity": 1, "knn_overlap": 1}, abs=1e-6
    )
    in_one_place = map_quality(vectors, np.zeros((120, 2)), 10)
    assert in_one_place["continuity"] == 1 and 0.4 < in_one_place["trustworthiness"] < 0.6
    assert 0 <= in_one_place["knn_overlap"] < 0.3


def planted(kind, random, n=800):
    """Vectors in 20 close clusters and a map of them, whole or partly dealt out, with what is near on both."""
    cluster = np.arange(n) % 20
    vectors = normalize((random.normal(size=(20, 16))[cluster] + 0.2 * random.normal(size=(n, 16))).astype(np.float32))
    points = random.normal(size=(20, 2))[cluster] + 0.02 * random.normal(size=(n, 2))
    dealt = np.flatnonzero(
        random.uniform(size=n) < {"whole": 0, "rare": 0.01, "torn": 0.1, "half": 0.5, "shuffled": 1}[kind]
    )
    points[dealt] = points[random.permutation(dealt)]
    near = nearest_neighbors(vectors, 10, metric="euclidean"), nearest_neighbors(points, 10, metric="euclidean")
    return vectors, points, near


@pytest.mark.parametrize("kind", ["whole", "rare", "torn", "half", "shuffled"])
def test_the_interval_of_a_sample_holds_the_exact_value_as_often_as_it_says(kind, pytestconfig):
    draws, inside = 1000 if pytestconfig.getoption("--long") else 200, dict.fromkeys(map_quality(VECTORS, VECTORS), 0)
    for seed in range(draws):
        if seed % 20 == 0:
            vectors, points, near = planted(kind, np.random.default_rng(seed))
            exact = map_quality(vectors, points, neighbors=near)
        found = sampled_quality(vectors, points, sample=160, random_state=seed, neighbors=near)
        for name, interval in found.items():
            inside[name] += interval.low <= exact[name] <= interval.high
            assert interval.n == 160 and interval.high - interval.low < 0.4
    # 95 in 100, and so much less as a right interval falls short of by chance once in some thousand times
    assert min(inside.values()) > draws * 0.95 - 3.5 * np.sqrt(draws * 0.95 * 0.05), inside


def test_a_sample_sees_what_was_shuffled_and_one_of_all_is_exact():
    for kind, least, most in (("whole", 0.85, 1), ("half", 0.6, 0.85), ("shuffled", 0.45, 0.55)):
        vectors, points, near = planted(kind, np.random.default_rng(0))
        for name in ("trustworthiness", "continuity"):
            assert least < sampled_quality(vectors, points, sample=150)[name].estimate < most
        exact, of_all = map_quality(vectors, points), sampled_quality(vectors, points, sample=1000)
        assert {name: interval.estimate for name, interval in of_all.items()} == pytest.approx(exact, abs=1e-12)
        assert map_quality(vectors, points, neighbors=near) == pytest.approx(exact, abs=1e-6)
    overlap = knn_overlap(*near, metric="neighbors").mean()
    assert of_all["knn_overlap"].estimate == pytest.approx(overlap, abs=1e-12)
    narrow, wide = (sampled_quality(vectors, points, sample=size)["trustworthiness"] for size in (300, 30))
    assert narrow.high - narrow.low < 0.6 * (wide.high - wide.low)


def test_what_cannot_be_measured():
    for k in (0, 60, 120):
        with pytest.raises(ValueError, match=rf"k={k} must be from 1 to less than half of the 120 vectors"):
            map_quality(VECTORS, VECTORS[:, :2], k)
    for points in (VECTORS[:60, :2], np.vstack([VECTORS, VECTORS])[:, :2]):
        with pytest.raises(ValueError, match="each needs a point"):
            map_quality(VECTORS, points)
    with pytest.raises(ValueError, match="NaN"):
        map_quality(VECTORS, np.full((120, 2), np.nan))


@pytest.mark.parametrize(("n", "init"), [(12, "pca"), (16, "pca"), (48, "random"), (200, "pca"), (200, "random")])
def test_fewer_steps_cost_no_trust(n, init):
    """Against scikit-learn's own settings, from any start; the mean over sets, because one map is noisy."""
    clouds = [
        np.random.default_rng(seed).normal(size=(n, 24)) + 2 * CENTRES[:, :24].repeat(n // 4, axis=0)
        for seed in range(4 if n == 200 else 12)
    ]
    own = {"max_iter": 1000, "early_exaggeration": 12, "angle": 0.5, "learning_rate": "auto"}
    k = min(10, n // 4 - 1)  # no more than the rest of a group
    trust, plain = (
        np.array([[*map_quality(cloud, project(cloud, "tsne", init=init, **options), k).values()] for cloud in clouds])
        for options in ({}, own)
    )
    assert (trust.mean(axis=0) > plain.mean(axis=0) - [0.003, 0.003, 0.01]).all()


# --- aligned maps -------------------------------------------------------------------------------------------------


def moved(first, second):
    """Mean distance that points moved, in units of the first map's spread."""
    return np.linalg.norm(second - first, axis=1).mean() / np.linalg.norm(first - first.mean(axis=0), axis=1).mean()


@pytest.mark.parametrize("method", METHODS)
def test_aligned_maps_can_be_followed_and_keep_neighbours(method):
    # One cloud with four hills: where islands lie far apart, UMAP has nothing that holds them in place.
    cloud = (VECTORS + 2 * np.random.default_rng(1).normal(size=VECTORS.shape)).astype(np.float32)
    spaces = {"one": cloud, "two": np.hstack([cloud, cloud[:, :8]])}
    aligned = project_aligned(spaces, method)
    alone = {name: project(vectors, method) for name, vectors in spaces.items()}
    assert list(aligned) == ["one", "two"] and {points.dtype for points in aligned.values()} == {np.dtype(np.float32)}
    assert np.array_equal(aligned["one"], alone["one"])
    apart = {"pca": 1.01, "tsne": 0.7, "umap": 0.5}[method]
    assert moved(*aligned.values()) < apart * moved(*alone.values())
    kept = [map_quality(spaces["two"], maps["two"])["knn_overlap"] for maps in (aligned, alone)]
    assert kept[0] > kept[1] - 0.05
    assert np.array_equal(project_aligned(spaces, method)["two"], aligned["two"])


def test_a_turned_or_mirrored_space_is_turned_back():
    """PCA may mirror an axis at will: what is alike must then lie in the same place all the same."""
    stretched = VECTORS.copy()
    stretched[:, 0] += 1e-3
    aligned = project_aligned({"one": VECTORS, "two": -stretched}, "pca")
    assert moved(*aligned.values()) < 0.02


@pytest.mark.parametrize("method", METHODS)
def test_a_space_of_the_same_vectors_is_the_first_map_itself(method):
    spaces = {"one": VECTORS, "same": VECTORS + 1e-8, "wider": np.hstack([VECTORS, VECTORS]), "other": VECTORS[::-1]}
    aligned = project_aligned(spaces, method)
    assert np.array_equal(aligned["same"], aligned["one"])
    assert list(aligned) == list(spaces) and not np.array_equal(aligned["other"], aligned["one"])


def test_spaces_of_other_texts_cannot_be_aligned():
    with pytest.raises(ValueError, match="spaces must hold the same texts .* {'a': 120, 'b': 119}"):
        project_aligned({"a": VECTORS, "b": VECTORS[1:]})
    with pytest.raises(ValueError, match="method='mds'"):
        project_aligned({"a": VECTORS}, "mds")
