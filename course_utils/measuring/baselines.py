"""What a comparison holds models against: random vectors, and two ways to weigh words.

Each turns texts into vectors with no :class:`~course_utils.embedding.Embedder`. How they are called in a comparison
says :class:`~course_utils.measuring.Contender`.
"""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from course_utils.measuring.metrics import normalize

_WORD = r"\w+"  # one letter is a word too, and a number more so


def random_vectors(texts: Sequence[str], side: str = "") -> np.ndarray:
    """Random directions, the same for the same text: the floor of every comparison.

    Parameters
    ----------
    texts : sequence of n strings
        Nothing of them counts but whether two are equal.
    side : str
        Taken because every encoder takes it; not used.

    Returns
    -------
    ndarray of float64, shape (n, 384)
        Rows of length 1.

    Examples
    --------
    >>> from course_utils.measuring.baselines import random_vectors
    >>> vectors = random_vectors(["a cat", "a dog", "a cat"])
    >>> (vectors @ vectors[0]).round(1) == 1
    array([ True, False,  True])
    """
    # from a hash, so that the same text has the same vector
    seeds = [list(hashlib.sha256(text.encode()).digest()) for text in texts]
    return normalize(np.stack([np.random.default_rng(seed).normal(size=384) for seed in seeds]))


def word_weights() -> tuple[Callable[..., np.ndarray], Callable[..., object]]:
    """Weighted word counts (TF-IDF), whose weights are learned from texts without labels.

    Returns
    -------
    encode : callable
        Takes n texts and a side, which it does not use; returns an array of shape (n, words) with rows of length 1, or
        of zeros for a text without a known word.
    fit : callable
        Takes texts and learns the weights; call it first.

    Examples
    --------
    >>> from course_utils.measuring.baselines import word_weights
    >>> encode, fit = word_weights()
    >>> vectorizer = fit(["red apple", "green pear"])
    >>> encode(["an apple"]) @ encode(["red apple", "green pear"]).T > 0
    array([[ True, False]])
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(token_pattern=_WORD, sublinear_tf=True)

    def encode(texts: Sequence[str], side: str = "") -> np.ndarray:
        return normalize(vectorizer.transform(texts).toarray())

    return encode, vectorizer.fit


def bm25_weights() -> tuple[Callable[..., np.ndarray], Callable[..., object]]:
    """BM25 as vectors: the dot product of a query and a document is the score that the package bm25s gives.

    A query counts its words, a document holds a weight for each of its own, and a score is the sum over the query's
    words. Words are those of :func:`word_weights` (no list of stop words, no stems), so the two differ in the weights
    alone. Settings are bm25s's own (Lucene's variant, k1 = 1.5, b = 0.75).

    Returns
    -------
    encode : callable
        Takes n texts and a side; returns an array of shape (n, words). ``"query"`` gives counts, ``"document"`` weights
        as they are, ``""`` weights scaled to length 1 (BM25 knows no similarity of two equals; this is the cosine of
        two documents). Words that fitting did not see are left out, of the length of a text too.
    fit : callable
        Takes texts and learns how rare each word and how long a text is; call it first.

    References
    ----------
    Robertson and Zaragoza, The probabilistic relevance framework: BM25 and beyond (2009); Lù, BM25S: orders of
    magnitude faster lexical search via eager sparse scoring (2024).

    Examples
    --------
    >>> from course_utils.measuring.baselines import bm25_weights
    >>> encode, fit = bm25_weights()
    >>> fit(["red apple", "green pear"])
    >>> (encode(["an apple"], "query") @ encode(["red apple", "green pear"], "document").T).round(2)
    array([[0.28, 0.  ]])
    """
    import bm25s
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer, settings = CountVectorizer(token_pattern=_WORD, dtype=np.float64), bm25s.BM25()
    idf, mean_length = np.empty(0), 0.0

    def fit(texts: Sequence[str]) -> None:
        nonlocal idf, mean_length
        counts = vectorizer.fit_transform(texts)
        rarity = bm25s.scoring._select_idf_scorer(settings.idf_method)
        idf = np.array([rarity(int(n), N=len(texts)) for n in (counts > 0).sum(axis=0).flat])
        mean_length = counts.sum() / len(texts)

    def encode(texts: Sequence[str], side: str = "") -> np.ndarray:
        counts = csr_array(vectorizer.transform(texts))
        if side == "query":
            return counts.toarray()
        lengths = np.repeat(counts.sum(axis=1), np.diff(counts.indptr))
        saturation = bm25s.scoring._select_tfc_scorer(settings.method)
        weights = saturation(counts.data, lengths, mean_length, settings.k1, settings.b) * idf[counts.indices]
        vectors = csr_array((weights, counts.indices, counts.indptr), shape=counts.shape).toarray()
        return vectors if side == "document" else normalize(vectors)

    return encode, fit
