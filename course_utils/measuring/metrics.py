"""Measures of how well vectors do their work, on plain arrays, with intervals.

All values lie between 0 and 1 unless said otherwise, and are taken in the space of the vectors, never in a picture of
it. Names are mteb's where mteb has the measure.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from course_utils.measuring.intervals import Interval, bootstrap_interval


def normalize(vectors: np.ndarray) -> np.ndarray:
    """Scale each row of an (n, dim) array to length 1; a row of zeros stays as it is."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms == 0, 1, norms)


def nearest_neighbors(vectors: np.ndarray, k: int = 10, *, metric: str = "cosine") -> np.ndarray:
    """Indices of the ``k`` nearest other rows of each row: int array of shape (n, k), nearest first.

    A row is never its own neighbour, even where another row equals it.

    Parameters
    ----------
    metric : ``"cosine"`` for vectors, ``"euclidean"`` for points on a map.
    """
    from sklearn.neighbors import NearestNeighbors

    n = vectors.shape[0]  # len() is not defined for sparse matrices
    if not 1 <= k < n:
        raise ValueError(f"k={k} must be from 1 to {n - 1}, one less than the number of rows.")
    # kneighbors() without an argument asks for each row's neighbours among the others
    return NearestNeighbors(n_neighbors=k, metric=metric).fit(vectors).kneighbors(return_distance=False)


def knn_overlap(vectors: np.ndarray, points: np.ndarray, k: int = 10, *, metric: str = "euclidean") -> np.ndarray:
    """Share of each row's ``k`` nearest neighbours (cosine) that are also its neighbours in another space.

    Returns a float array of shape (n,). Points placed at random keep k / (n − 1) of the neighbours on average.

    Parameters
    ----------
    points : the same rows elsewhere: positions on a map (``metric="euclidean"``), or other vectors of the same texts,
        such as those under an instruction (``metric="cosine"``).
    """
    before = nearest_neighbors(vectors, k)
    after = nearest_neighbors(points, k, metric=metric)
    return np.array([len(set(a) & set(b)) / k for a, b in zip(before, after, strict=True)])


def knn_accuracy(vectors: np.ndarray, labels, k: int = 10) -> np.ndarray:
    """Share of each row's ``k`` nearest neighbours that carry its own label: float array of shape (n,)."""
    labels = np.asarray(labels)
    return (labels[nearest_neighbors(vectors, k)] == labels[:, None]).mean(axis=1)


def cosine_spearman(vectors1: np.ndarray, vectors2: np.ndarray, scores: np.ndarray) -> float:
    """Rank correlation (−1 to 1) of the cosine of each pair of rows with human scores: mteb's measure for STS."""
    from scipy.stats import spearmanr

    cosines = np.sum(normalize(np.asarray(vectors1)) * normalize(np.asarray(vectors2)), axis=1)
    return float(spearmanr(cosines, scores).statistic)


# --- retrieval and classification, one value a case, so that bootstrap_interval takes them ----------------------


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
    if len(relevant) != len(similarity):
        raise ValueError(f"relevant has {len(relevant)} entries for {len(similarity)} queries.")
    is_relevant = np.zeros(similarity.shape, dtype=bool)
    for i, positions in enumerate(relevant):
        columns = list(positions)
        if not columns or not all(0 <= column < similarity.shape[1] for column in columns):
            raise ValueError(
                f"relevant[{i}] is {columns}: it takes the positions of one or more of the {similarity.shape[1]} "
                "documents."
            )
        is_relevant[i, columns] = True
    order = np.lexsort((is_relevant, -similarity), axis=1)
    return np.take_along_axis(is_relevant, order, axis=1), is_relevant.sum(axis=1)


def recall_at_k(similarity: np.ndarray, relevant: Sequence[Iterable[int]], k: int) -> np.ndarray:
    """Share of all relevant documents that are among the first ``k`` of each query: float array of shape (n,).

    Parameters
    ----------
    similarity : array of shape (n queries, m documents); larger is nearer. Documents of equal similarity count against
        the system: relevant ones are ranked last among them.
    relevant : for each query the positions (columns) of its relevant documents, at least one.
    k : 1 to m.

    Raises
    ------
    ValueError
        If ``similarity`` is not a finite matrix, or ``relevant`` or ``k`` does not fit it.
    """
    hits, n_relevant = _hits(similarity, relevant)
    if not 1 <= k <= hits.shape[1]:
        raise ValueError(f"k={k} must be from 1 to {hits.shape[1]}, the number of documents.")
    return hits[:, :k].sum(axis=1) / n_relevant


def mrr_at_10(similarity: np.ndarray, relevant: Sequence[Iterable[int]]) -> np.ndarray:
    """1 / rank of the first relevant document of each query, 0 below rank 10: float array of shape (n,).

    Arguments as for :func:`recall_at_k`. The mean over queries is the mean reciprocal rank.
    """
    hits = _hits(similarity, relevant)[0][:, :10]
    return np.where(hits.any(axis=1), 1 / (hits.argmax(axis=1) + 1), 0.0)


def ndcg_at_10(similarity: np.ndarray, relevant: Sequence[Iterable[int]]) -> np.ndarray:
    """Normalised discounted cumulative gain of the first 10 documents of each query: float array of shape (n,).

    A relevant document at rank r gains 1 / log2(r + 1); the sum is divided by the largest possible one. Arguments as
    for :func:`recall_at_k`.

    References
    ----------
    Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques (2002).
    """
    hits, n_relevant = _hits(similarity, relevant)
    discount = 1 / np.log2(np.arange(2, 12))
    gain = hits[:, :10] @ discount[: hits.shape[1]]
    return gain / np.cumsum(discount)[np.minimum(n_relevant, 10) - 1]


def accuracy(train_vectors: np.ndarray, train_labels, vectors: np.ndarray, labels) -> np.ndarray:
    """Whether a logistic regression on other vectors predicts each row's label: float array of shape (n,), 0 or 1.

    mteb's measure for classification: the vectors stay as they are, and scikit-learn's ``LogisticRegression`` learns
    the labels from ``train_vectors``.
    """
    from sklearn.linear_model import LogisticRegression

    classifier = LogisticRegression(max_iter=1000).fit(train_vectors, train_labels)
    return (classifier.predict(vectors) == np.asarray(labels)).astype(np.float64)


# --- what an instruction does ------------------------------------------------------------------------------------


def shift(vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How far each row moved: 1 − cosine with the same row of ``others``, 0 to 2; float array of shape (n,)."""
    return 1 - np.sum(normalize(np.asarray(vectors)) * normalize(np.asarray(others)), axis=1)


def silhouette(vectors: np.ndarray, labels) -> np.ndarray:
    """How much nearer each row is to its own label than to the nearest other one: float array of shape (n,), −1 to 1.

    0 means that the labels do not part the vectors; a label with one row counts as 0. The distance is 1 − cosine.

    References
    ----------
    Rousseeuw, Silhouettes (1987), Journal of Computational and Applied Mathematics 20; computed by scikit-learn.
    """
    from sklearn.metrics import silhouette_samples

    return silhouette_samples(vectors, labels, metric="cosine")


def gain(without: np.ndarray, instructed: np.ndarray, **options) -> Interval:
    """Mean of (instructed − without) over the same texts, with a paired bootstrap interval.

    The bootstrap draws texts again, not their neighbours, so an interval says how much depends on which texts of this
    collection are asked about.

    Parameters
    ----------
    without, instructed : arrays of shape (n,), a value for each text: of :func:`knn_accuracy` or :func:`silhouette`.
    options : those of :func:`bootstrap_interval`.
    """
    without, instructed = np.asarray(without, dtype=np.float64), np.asarray(instructed, dtype=np.float64)
    if without.shape != instructed.shape:
        raise ValueError(f"without has shape {without.shape} and instructed {instructed.shape}: give the same texts.")
    return bootstrap_interval(instructed - without, **options)


def paraphrase_spread(values: np.ndarray) -> float:
    """How much a measure depends on how the instruction was worded: its highest mean minus its lowest.

    Parameters
    ----------
    values : array of shape (n_wordings, n_texts), one row a wording: of :func:`knn_accuracy` or :func:`silhouette`.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or len(values) < 2:
        raise ValueError(f"values must have one row for each of at least two wordings, not shape {values.shape}.")
    return float(np.ptp(values.mean(axis=1)))
