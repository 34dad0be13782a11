"""Measures of how well vectors do their work, on plain arrays.

All values lie between 0 and 1 unless said otherwise, and are taken in the space of the vectors, never in a picture of
it. Names are mteb's where mteb has the measure. How sure a value is says
:mod:`~course_utils.measuring.intervals`.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from course_utils.measuring.intervals import Interval, difference_interval


def normalize(vectors: np.ndarray) -> np.ndarray:
    """Scale each row to length 1; a row of zeros stays as it is.

    Parameters
    ----------
    vectors : array of shape (n, dim)
        Stays as it is.

    Returns
    -------
    ndarray of the same shape
        float32 for float32, else float64.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.measuring import normalize
    >>> normalize(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms == 0, 1, norms)


def nearest_neighbors(vectors: np.ndarray, k: int = 10, *, metric: str = "cosine") -> np.ndarray:
    """Indices of the ``k`` nearest other rows of each row.

    A row is never its own neighbour, even where another row equals it.

    Parameters
    ----------
    vectors : array or sparse matrix of shape (n, dim)
        Rows to compare with each other.
    k : int, default 10
        Neighbours, 1 to n − 1.
    metric : str, default "cosine"
        ``"cosine"`` for vectors, ``"euclidean"`` for points on a map.

    Returns
    -------
    ndarray of int64, shape (n, k)
        Nearest first.

    Raises
    ------
    ValueError
        If ``k`` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.measuring import nearest_neighbors
    >>> nearest_neighbors(np.array([[1.0, 0], [1, 0.1], [0, 1]]), k=1).ravel()
    array([1, 0, 1])
    """
    from sklearn import config_context
    from sklearn.neighbors import NearestNeighbors

    n = vectors.shape[0]  # len() is not defined for sparse matrices
    if not 1 <= k < n:
        most = f"from 1 to {n - 1}, fewer than there are rows" if n > 1 else "less than the rows, and there is one row"
        raise ValueError(f"k={k} must be {most}. Take a smaller k, or add texts.")
    # kneighbors() without an argument asks for each row's neighbours among the others
    with config_context(working_memory=128):  # MiB; scikit-learn's own measure, 1 GiB, comes twice over
        return NearestNeighbors(n_neighbors=k, metric=metric).fit(vectors).kneighbors(return_distance=False)


def knn_overlap(first: np.ndarray, second: np.ndarray, k: int = 10, *, metric: str | tuple[str, str]) -> np.ndarray:
    """Share of each row's ``k`` nearest neighbours in one space that are its neighbours in another one too.

    Parameters
    ----------
    first, second : arrays of shape (n, dim) and (n, other dim)
        The same rows in two places: vectors of the same texts by two models or under two instructions, their positions
        on a map.
    k : int, default 10
        Neighbours, 1 to n − 1.
    metric : str or tuple of two str
        How rows are compared, as for :func:`nearest_neighbors`: ``"cosine"`` for two spaces of vectors,
        ``"euclidean"`` for two maps, ``("cosine", "euclidean")`` for vectors and their map. ``"neighbors"`` for what
        :func:`nearest_neighbors` returned, so that it need not search again; of each row the first ``k`` count.

    Returns
    -------
    ndarray of float64, shape (n,)
        1 for a space and itself. Points placed at random keep k / (n − 1) of the neighbours on average.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.measuring import knn_overlap
    >>> corners = np.array([[1.0, 0], [1, 0.1], [0.1, 1], [0, 1]])
    >>> knn_overlap(corners, corners[[0, 1, 3, 2]], k=1, metric=("cosine", "euclidean"))
    array([1., 1., 1., 1.])
    """
    sides = zip((first, second), (metric, metric) if isinstance(metric, str) else metric, strict=True)
    near = [rows[:, :k] if how == "neighbors" else nearest_neighbors(rows, k, metric=how) for rows, how in sides]
    return np.array([len(set(before) & set(after)) / k for before, after in zip(*near, strict=True)])


def knn_accuracy(vectors: np.ndarray, labels: Sequence | np.ndarray, k: int = 10) -> np.ndarray:
    """Share of each row's ``k`` nearest neighbours (cosine) that carry its own label.

    Parameters
    ----------
    vectors : array of shape (n, dim)
        Rows are compared by direction.
    labels : array of shape (n,)
        What each row belongs to.
    k : int, default 10
        Neighbours, 1 to n − 1.

    Returns
    -------
    ndarray of float64, shape (n,)
        One share a row.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.measuring import knn_accuracy
    >>> knn_accuracy(np.array([[1.0, 0], [1, 0.1], [0.1, 1], [0, 1]]), ["a", "a", "b", "a"], k=1)
    array([1., 1., 0., 0.])
    """
    labels = np.asarray(labels)
    return (labels[nearest_neighbors(vectors, k)] == labels[:, None]).mean(axis=1)


def cosine_spearman(vectors1: np.ndarray, vectors2: np.ndarray, scores: np.ndarray) -> float:
    """Rank correlation (−1 to 1) of the cosine of each pair of rows with human scores: mteb's measure for STS.

    Parameters
    ----------
    vectors1, vectors2 : arrays of shape (n, dim)
        The two sides of each pair.
    scores : array of shape (n,)
        How similar people find each pair.

    Returns
    -------
    float
        Spearman's correlation.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.measuring import metrics
    >>> metrics.cosine_spearman(np.ones((3, 2)), np.array([[1, 1], [1, 0], [1, -1]]), [5, 3, 0])
    1.0
    """
    from scipy.stats import spearmanr

    cosines = np.sum(normalize(np.asarray(vectors1)) * normalize(np.asarray(vectors2)), axis=1)
    return float(spearmanr(cosines, scores).statistic)


# --- retrieval and classification, one value a case, so that mean_interval takes them ---------------------------


def _hits(similarity: np.ndarray, relevant: Sequence[Iterable[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Relevance (0 or 1) of the documents of each query, best first, and how many relevant ones there are.

    Among equally similar documents a relevant one comes last: a system that cannot tell them apart earns nothing by
    the order in which they happen to stand.
    """
    similarity = np.asarray(similarity, dtype=np.float64)
    if similarity.ndim != 2 or not np.isfinite(similarity).all():
        raise ValueError(
            f"similarity must be a matrix of finite numbers, one row a query and one column a document, not shape "
            f"{similarity.shape}{'' if similarity.ndim != 2 else ' with NaN or infinity'}."
        )
    n_queries, n_documents = similarity.shape
    if len(relevant) != n_queries:
        raise ValueError(f"relevant has {len(relevant)} entries for {n_queries} queries.")
    is_relevant = np.zeros(similarity.shape, dtype=bool)
    for i, positions in enumerate(relevant):
        columns = list(positions)
        if not columns or not all(0 <= column < n_documents for column in columns):
            which = f"positions of one or more of the {n_documents} documents"
            raise ValueError(f"relevant[{i}] is {columns}: it takes the {which}.")
        is_relevant[i, columns] = True
    order = np.lexsort((is_relevant, -similarity), axis=1)
    return np.take_along_axis(is_relevant, order, axis=1), is_relevant.sum(axis=1)


def recall_at_k(similarity: np.ndarray, relevant: Sequence[Iterable[int]], k: int) -> np.ndarray:
    """Share of all relevant documents that are among the first ``k`` of each query.

    Parameters
    ----------
    similarity : array of shape (n queries, m documents)
        Larger is nearer. Documents of equal similarity count against the system: relevant ones are ranked last among
        them.
    relevant : sequence of n iterables of int
        For each query the positions (columns) of its relevant documents, at least one.
    k : int
        1 to m.

    Returns
    -------
    ndarray of float64, shape (n,)
        One share a query.

    Raises
    ------
    ValueError
        If ``similarity`` is not a finite matrix, or ``relevant`` or ``k`` does not fit it.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.measuring import recall_at_k
    >>> recall_at_k(np.array([[0.9, 0.5, 0.1], [0.2, 0.8, 0.4]]), [[0], [0, 1]], k=1)
    array([1. , 0.5])
    """
    hits, n_relevant = _hits(similarity, relevant)
    if not 1 <= k <= hits.shape[1]:
        raise ValueError(f"k={k} must be from 1 to {hits.shape[1]}, the number of documents.")
    return hits[:, :k].sum(axis=1) / n_relevant


def mrr_at_10(similarity: np.ndarray, relevant: Sequence[Iterable[int]]) -> np.ndarray:
    """1 / rank of the first relevant document of each query, 0 below rank 10.

    Parameters
    ----------
    similarity : array of shape (n queries, m documents)
        As for :func:`recall_at_k`, with the same errors.
    relevant : sequence of n iterables of int
        As for :func:`recall_at_k`.

    Returns
    -------
    ndarray of float64, shape (n,)
        One value a query; their mean is the mean reciprocal rank.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.measuring import mrr_at_10
    >>> mrr_at_10(np.array([[0.9, 0.5, 0.1], [0.2, 0.8, 0.4]]), [[0], [2]])
    array([1. , 0.5])
    """
    hits = _hits(similarity, relevant)[0][:, :10]
    return np.where(hits.any(axis=1), 1 / (hits.argmax(axis=1) + 1), 0.0)


def ndcg_at_10(similarity: np.ndarray, relevant: Sequence[Iterable[int]]) -> np.ndarray:
    """Normalised discounted cumulative gain of the first 10 documents of each query.

    A relevant document at rank r gains 1 / log2(r + 1); the sum is divided by the largest possible one.

    Parameters
    ----------
    similarity : array of shape (n queries, m documents)
        As for :func:`recall_at_k`, with the same errors.
    relevant : sequence of n iterables of int
        As for :func:`recall_at_k`.

    Returns
    -------
    ndarray of float64, shape (n,)
        One value a query.

    References
    ----------
    Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques (2002).

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.measuring import ndcg_at_10
    >>> ndcg_at_10(np.array([[0.9, 0.5, 0.1], [0.2, 0.8, 0.4]]), [[0], [2]]).round(2)
    array([1.  , 0.63])
    """
    hits, n_relevant = _hits(similarity, relevant)
    discount = 1 / np.log2(np.arange(2, 12))
    gains = hits[:, :10] @ discount[: hits.shape[1]]
    return gains / np.cumsum(discount)[np.minimum(n_relevant, 10) - 1]


# --- what an instruction does ------------------------------------------------------------------------------------


def shift(vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How far each row moved: 1 − cosine with the same row elsewhere.

    Parameters
    ----------
    vectors, others : arrays of shape (n, dim)
        The same texts, embedded in two ways.

    Returns
    -------
    ndarray, shape (n,)
        0 to 2.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.measuring import metrics
    >>> metrics.shift(np.array([[2.0, 0], [1, 0]]), np.array([[5.0, 0], [0, 1]]))
    array([0., 1.])
    """
    return 1 - np.sum(normalize(np.asarray(vectors)) * normalize(np.asarray(others)), axis=1)


def gain(without: np.ndarray, instructed: np.ndarray) -> Interval:
    """Mean of (instructed − without) over the same texts, with its interval.

    The texts count as the units, not their neighbours, so an interval says how much depends on which texts of this
    collection are asked about.

    Parameters
    ----------
    without, instructed : arrays of shape (n,)
        A value for each text, such as those of :func:`knn_accuracy`.

    Returns
    -------
    Interval
        Of :func:`~course_utils.measuring.difference_interval`.

    Raises
    ------
    ValueError
        If the two differ in length.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.measuring import metrics
    >>> without = np.linspace(0.2, 0.6, 20)
    >>> print(metrics.gain(without, without[::-1] + 0.1))
    0.10 (95% interval -0.02 to 0.22)
    """
    return difference_interval(instructed, without)
