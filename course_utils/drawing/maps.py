"""Maps: many dimensions drawn in two, and how far to trust the drawing.

A map is for finding questions. Every answer is a number from the original space (see :mod:`course_utils.measuring`).
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from course_utils.measuring import Interval, bounded_interval, nearest_neighbors, normalize


def project(
    vectors: np.ndarray,
    method: str = "umap",
    *,
    random_state: int = 42,
    neighbors: np.ndarray | None = None,
    **options: Any,
) -> np.ndarray:
    """Place each vector on a plane, so that what is near in the vectors is near on the map.

    Parameters
    ----------
    vectors : array of shape (n, dim)
        At least three rows, compared by direction (cosine).
    method : {"umap", "tsne", "pca"}
        Neighbours first, or (``"pca"``) the two directions of largest spread, exact. Three rows are drawn by PCA
        whatever the method, because their triangle fits on a plane as it is.
    random_state : int, default 42
        Seed of t-SNE and UMAP. On one machine the same seed gives the same map.
    neighbors : array of int, shape (n, m), optional
        The nearest other rows of each row, nearest first, where they are known, for UMAP, which then does not search:
        at least ``n_neighbors`` − 1 of them. Other methods have no use for them.
    **options
        Passed on to scikit-learn's ``PCA`` or ``TSNE``, or to ``umap.UMAP``. Defaults: t-SNE perplexity 30 (less for
        under 91 rows, where 30 cannot work) and fewer, gentler steps than scikit-learn takes
        (``max_iter=400, early_exaggeration=2, angle=0.8``, under 100 rows ``learning_rate=n / 2``); UMAP
        ``n_neighbors=15, min_dist=0.1``.

    Returns
    -------
    ndarray of float32, shape (n, 2)
        The axes have no unit, and for t-SNE and UMAP no meaning: these push apart what has no common neighbours, as
        far as it goes. What lies farther out than twice the distance within which nine in ten lie is drawn in, to less
        than four times that distance and in the same order, so that one text does not press the others into a spot.

    Raises
    ------
    ValueError
        If there are too few rows, values that are not finite, rows that all point the same way, or too few neighbors.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.drawing import project
    >>> project(np.eye(5), "pca").shape
    (5, 2)
    """
    vectors = np.asarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) < 3:
        raise ValueError(f"vectors must have the shape (n, dim) with at least 3 rows, not {vectors.shape}. Add texts.")
    if not np.isfinite(vectors).all():
        raise ValueError("vectors holds NaN or infinite values; look for them with np.isfinite(vectors).all(axis=1).")
    unit = normalize(vectors)  # on unit vectors Euclidean order is cosine order, so one metric serves all methods
    if np.allclose(unit, unit[0], atol=1e-6):  # scikit-learn's t-SNE would take the whole kernel down
        raise ValueError("All rows of vectors point the same way: there is nothing to draw apart.")
    if len(unit) == 3 and method in ("tsne", "umap"):
        method, options = "pca", {}
    defaults: dict[str, Any] = {}
    if method == "pca":
        from sklearn.decomposition import PCA as Reducer
    elif method == "tsne":
        from sklearn.manifold import TSNE as Reducer

        defaults = {"perplexity": min(30, (len(unit) - 1) / 3), "init": "pca"}
        # At least as trustworthy as scikit-learn's own settings (benchmarks/visualizer.md), in a third to a half of
        # the processor's time. Its learning rate is never below 50, with which a dozen points jump about.
        defaults |= {"max_iter": 400, "early_exaggeration": 2, "angle": 0.8}
        defaults |= {"learning_rate": len(unit) / 2} if len(unit) < 100 else {}
    elif method == "umap":
        from umap import UMAP as Reducer
        from umap.distances import euclidean

        # n_jobs=1 goes with a seed; without it UMAP warns that it overrides the number of jobs
        defaults = {"n_neighbors": min(15, len(unit) - 1), "min_dist": 0.1, "n_jobs": 1}
        # Below 4,096 rows umap measures each pair of them by a call of its own, which takes longer than all the rest.
        # Measuring only the neighbours so, in umap's arithmetic, gives the same map to the last bit.
        n, k = len(unit), (defaults | options)["n_neighbors"]
        if not {"metric", "unique"} & {*options} and 1 < k < n and (neighbors is not None or n < 4096):
            known = nearest_neighbors(unit, k - 1, metric="euclidean") if neighbors is None else neighbors
            if len(known) != n or known.shape[1] < k - 1:  # umap would only warn, and search all the same
                raise ValueError(f"neighbors must have the shape ({n}, {k - 1} or more), not {known.shape}.")
            near = np.column_stack([np.arange(n), known[:, : k - 1]])
            apart = [[euclidean(unit[row], unit[other]) for other in others] for row, others in enumerate(near)]
            defaults["precomputed_knn"] = near, np.array(apart, dtype=np.float32)
    else:
        raise ValueError(f"method={method!r} must be 'pca', 'tsne' or 'umap'.")
    from threadpoolctl import threadpool_limits

    # t-SNE's threads wait for each other by spinning: where another program holds a core, two threads take many times
    # as long as one, and on a quiet one they save a third at the sizes of the lessons. The map is the same.
    with threadpool_limits(1 if method == "tsne" else None), warnings.catch_warnings():
        # of neighbours handed over umap warns that new rows could not be placed on the map, which nobody asks for
        warnings.filterwarnings("ignore", r"precomputed_knn\[2\]")
        reducer = Reducer(n_components=2, random_state=random_state, **defaults | options)
        points = np.asarray(reducer.fit_transform(unit), dtype=np.float32)
    return points if method == "pca" else _drawn_in(points)


def _drawn_in(points: np.ndarray) -> np.ndarray:
    """Bring nearer what lies far out; see :func:`project`."""
    centre = np.median(points, axis=0)
    distance = np.linalg.norm(points - centre, axis=1, keepdims=True)
    beyond = distance / (2 * np.quantile(distance, 0.9) or np.inf)  # most may lie in one place
    nearer = centre + (points - centre) * (2 - 1 / np.maximum(beyond, 1)) / np.maximum(beyond, 1)
    return np.where(beyond > 1, nearer, points).astype(np.float32)


def project_aligned(
    spaces: Mapping[str, np.ndarray],
    method: str = "umap",
    *,
    random_state: int = 42,
    neighbors: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Draw several spaces of the same texts so that a point can be followed from map to map.

    The first space is drawn as :func:`project` draws it. Every other starts from the finished first map instead of from
    chance, and is then turned, mirrored and brought to its size, which have no meaning on a map. Each map still answers
    to its own vectors alone. A space whose vectors are those of the first one gets the first map itself, because a
    second drawing of it would show differences where there are none.

    Parameters
    ----------
    spaces : mapping of str to array of shape (n, dim)
        Row i is the same text in all of them; the dimensions may differ.
    method : {"umap", "tsne", "pca"}
        As in :func:`project`. Maps by ``"pca"``, which is exact, have nothing to start from.
    random_state : int, default 42
        Seed of all maps.
    neighbors : mapping of str to array of int, optional
        As for :func:`project`, for each space.

    Returns
    -------
    dict of str to ndarray of float32, shape (n, 2)
        The maps by name, in the order given.

    Raises
    ------
    ValueError
        If the spaces have different numbers of rows, or one cannot be drawn.

    Notes
    -----
    umap's own ``AlignedUMAP`` ties each point to itself across the maps. On 800 posts under four instructions it held
    points closer together, took several times as long and lost neighbours, which starting alike did not
    (``benchmarks/task_maps.md``); how far a point moves there is also the work of the tie.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.drawing import project_aligned
    >>> space = np.random.default_rng(0).normal(size=(9, 4))
    >>> maps = project_aligned({"one": space, "mirrored": -space}, "pca")
    >>> bool(np.allclose(maps["one"], maps["mirrored"], atol=1e-4))
    True
    """
    from scipy.linalg import orthogonal_procrustes

    sizes = {name: len(vectors) for name, vectors in spaces.items()}
    if len(set(sizes.values())) != 1:
        raise ValueError(f"spaces must hold the same texts in the same order, so as many rows each, not {sizes}.")
    name, *others = spaces
    before, near = np.asarray(spaces[name]), neighbors or {}
    first = project(before, method, random_state=random_state, neighbors=near.get(name))
    maps, centre = {name: first}, first.mean(axis=0)
    # t-SNE begins with points close together, as its own PCA start does, or it gets stuck
    starts = {"umap": {"init": first}, "tsne": {"init": 1e-4 * (first - centre) / first[:, 0].std()}}
    for name in others:
        maps[name] = first
        if np.shape(spaces[name]) == before.shape and np.allclose(spaces[name], before, atol=1e-6):
            continue
        start = starts.get(method, {})
        points = project(spaces[name], method, random_state=random_state, neighbors=near.get(name), **start)
        points = points - points.mean(axis=0)
        turn, _ = orthogonal_procrustes(points, first - centre)
        scale = np.linalg.norm(first - centre) / np.linalg.norm(points)
        maps[name] = (scale * points @ turn + centre).astype(np.float32)
    return maps


Near = tuple[np.ndarray, np.ndarray]


def map_quality(
    vectors: np.ndarray, points: np.ndarray, k: int = 10, *, neighbors: Near | None = None
) -> dict[str, float]:
    """Measure how well a map keeps the nearest neighbours.

    Parameters
    ----------
    vectors : array of shape (n, dim)
        The original space, compared by direction (cosine).
    points : array of shape (n, 2)
        The map.
    k : int, default 10
        Neighbours, fewer than n / 2.
    neighbors : tuple of two arrays of int, shape (n, k or more), optional
        The nearest other rows of each row, nearest first, in the vectors and on the map, where they are known.

    Returns
    -------
    dict of str to float
        Each from 0 to 1: ``trustworthiness`` (low when the map shows neighbours that are none), ``continuity`` (low
        when it tears neighbours apart) and ``knn_overlap`` (share of neighbours kept). Compare each with what shuffled
        points get: the first two are then near one half, not zero. Of rows equally far, none is nearer than the other.

    Raises
    ------
    ValueError
        If k is out of range, there is not a point for each vector, or a value is not finite.

    References
    ----------
    Venna and Kaski (2001), as implemented in ``sklearn.manifold.trustworthiness``; continuity is the same with the
    arguments swapped.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.drawing import map_quality
    >>> angle = np.linspace(0, 3, 30)
    >>> circle = np.column_stack([np.cos(angle), np.sin(angle)])
    >>> map_quality(circle, circle)
    {'trustworthiness': 1.0, 'continuity': 1.0, 'knn_overlap': 1.0}
    """
    n = len(vectors)
    beyond, kept = _ranks_beyond(vectors, points, k, neighbors, np.arange(n))
    trust, continuity = 1 - 2 * beyond.sum(axis=1) / (n * k * (2 * n - 3 * k - 1))
    return {
        "trustworthiness": float(trust),
        "continuity": float(continuity),
        "knn_overlap": float(kept.sum() / (n * k)),
    }


def sampled_quality(
    vectors: np.ndarray,
    points: np.ndarray,
    k: int = 10,
    *,
    sample: int = 2000,
    random_state: int = 42,
    neighbors: Near | None = None,
) -> dict[str, Interval]:
    """Estimate :func:`map_quality` from some of the rows, for maps of so many that comparing all pairs takes too long.

    Each row of the sample is ranked among all n, so that its part of the measure is exact, and the only error is that
    of a mean over a random sample; of a good map few rows lie wrong, and the intervals hold for such as well.

    Parameters
    ----------
    vectors, points, k, neighbors
        As for :func:`map_quality`, with the same errors.
    sample : int, default 2000
        Rows that are measured, drawn without replacement; all of them if there are fewer.
    random_state : int, default 42
        Seed of the draw.

    Returns
    -------
    dict of str to Interval
        The measures of :func:`map_quality`, each with the interval that holds the value over all rows.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.drawing import sampled_quality
    >>> cloud = np.random.default_rng(0).normal(size=(300, 8))
    >>> print(sampled_quality(cloud, cloud[::-1, :2], sample=100)["trustworthiness"])
    0.50 (95% interval 0.37 to 0.63)
    """
    n = len(vectors)
    rows = np.sort(np.random.default_rng(random_state).choice(n, min(sample, n), replace=False))
    beyond, kept = _ranks_beyond(vectors, points, k, neighbors, rows)
    trust, continuity = 1 - 2 * beyond / (k * (2 * n - 3 * k - 1))
    parts = {"trustworthiness": trust, "continuity": continuity, "knn_overlap": kept / k}
    return {name: bounded_interval(np.clip(values, 0, 1)) for name, values in parts.items()}


def _ranks_beyond(
    vectors: np.ndarray, points: np.ndarray, k: int, neighbors: Near | None, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return how far beyond k the neighbours of these rows rank in the other space, and how many they have in both.

    The first has the shape (2, rows): neighbours on the map ranked in the vectors, then the reverse.
    """
    from sklearn.metrics.pairwise import euclidean_distances

    n, spaces = len(vectors), (normalize(np.asarray(vectors, dtype=np.float32)), np.asarray(points))
    if len(points) != n or not 1 <= k < n / 2:
        raise ValueError(f"k={k} must be from 1 to less than half of the {n} vectors, and each needs a point.")
    beyond, kept = np.zeros((2, len(rows))), np.zeros(len(rows))
    for start in range(0, len(rows), 128):  # all distances at once would fill the memory
        part, here = rows[start : start + 128], slice(start, start + 128)
        blocks = [euclidean_distances(space[part], space, squared=True) for space in spaces]
        for block in blocks:
            block[np.arange(len(part)), part] = -np.inf  # each row comes before its neighbours
        if neighbors is None:
            near = [np.argpartition(block, k, axis=1)[:, : k + 1] for block in blocks]
        else:
            near = [np.column_stack([part, known[part, :k]]) for known in neighbors]
        kept[here] = (near[0][:, :, None] == near[1][:, None]).sum(axis=(1, 2)) - 1
        for i, (block, elsewhere) in enumerate(zip(blocks, reversed(near), strict=True)):
            limits = np.take_along_axis(block, elsewhere, axis=1)
            ranks = np.stack([(block < limit[:, None]).sum(axis=1) for limit in limits.T])
            beyond[i, here] = np.maximum(ranks - k, 0).sum(axis=0)
    return beyond, kept
