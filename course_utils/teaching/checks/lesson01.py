"""Checkers for lesson 1. Each tries the student's function on small arrays and names the first thing that is off."""

import numpy as np

from course_utils.teaching.checks.asserts import NotYet, call, require


def _array(value, shape: tuple, name: str) -> np.ndarray:
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise NotYet(f"{name} should return numbers, not {type(value).__name__}.") from None
    require(array.shape == shape, f"{name} should return shape {shape}, not {array.shape}.")
    return array


def _indices(value, k: int, name: str) -> list[int]:
    array = np.asarray(value)
    require(array.ndim == 1, f"{name} should return a flat list of indices, not something of shape {array.shape}.")
    require(len(array) == k, f"{name} should return k = {k} indices, not {len(array)}.")
    require(
        np.issubdtype(array.dtype, np.integer),
        f"{name} should return positions (whole numbers), not {array.dtype} values such as similarities.",
    )
    return array.tolist()


def check_cosine_similarity(function) -> None:
    """A function of two vectors."""
    east, north = np.array([1.0, 0.0]), np.array([0.0, 2.0])
    value = float(_array(call(function, 3 * east, north + east), (), "cosine_similarity"))
    require(abs(value - 3.0) > 1e-6, "That is the dot product. Divide it by the lengths of both vectors.")
    right = 1 / np.sqrt(5)
    require(
        abs(value - 1.0) > 1e-6 and abs(value - 3 / np.sqrt(5)) > 1e-6,
        "Only one of the two lengths was divided out. The cosine does not change when either vector is made longer.",
    )
    require(abs(value - (1 - right)) > 1e-6, "That is the cosine distance, 1 − cosine. Return the similarity.")
    require(
        abs(value - 3 / 10**0.5 / 18**0.5) > 1e-6,
        "Divide by the lengths, not by the sums of squares: a root is missing.",
    )
    require(
        abs(value - right) < 1e-6, f"For (3, 0) and (1, 2) the cosine is {right:.4f}; your function says {value:.4f}."
    )
    opposite = float(call(function, east, -2 * east))
    require(abs(opposite + 1) < 1e-6, f"Opposite directions have cosine −1; your function says {opposite:.4f}.")


def check_odd_one_out(function) -> None:
    """A function of an (n, dim) array of unit vectors."""
    generator = np.random.default_rng(7)
    for odd in (2, 0, 4):
        vectors = np.array([1.0, 1.0, 0.0, 0.0]) + 0.1 * generator.normal(size=(5, 4))
        vectors[odd] = [0.2, -0.1, 1.0, 0.3]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        answer = np.asarray(call(function, vectors))
        require(answer.shape == (), f"odd_one_out should return one position, not something of shape {answer.shape}.")
        require(float(answer).is_integer(), f"odd_one_out should return a position (a whole number), not {answer}.")
        total = (vectors @ vectors.T).sum(axis=1)
        require(
            int(answer) != int(total.argmax()) or int(answer) == odd,
            "That is the row that fits in best. We look for the one that is least similar to the others.",
        )
        require(
            int(answer) == odd, f"Row {odd} of a test array points away from the others; your function says {answer}."
        )


def check_search(function) -> None:
    """A function of a query vector, an (n, dim) array and k."""
    generator = np.random.default_rng(3)
    documents = generator.normal(size=(30, 8))
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    query = documents[11] + 0.05 * documents[4]
    query /= np.linalg.norm(query)
    order = np.argsort(-(documents @ query)).tolist()
    for k in (1, 5):
        answer = _indices(call(function, query, documents, k), k, "search")
        require(
            answer != order[::-1][:k], "These are the least similar documents. argsort puts the smallest value first."
        )
        require(answer != order[:k][::-1] or k == 1, "These are the right documents, worst first. Put the best first.")
        require(
            set(answer) != set(order[:k]) or answer == order[:k],
            "These are the right documents, but not sorted, best first.",
        )
        require(
            answer == order[:k],
            f"For k = {k} the best rows of a test array are {order[:k]}; your function says {answer}.",
        )


def check_mean_pooling(function) -> None:
    """A function of (n, tokens, dim) token vectors and an (n, tokens) mask."""
    generator = np.random.default_rng(5)
    tokens = generator.normal(size=(2, 4, 3))
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0]])
    pooled = _array(call(function, tokens, mask), (2, 3), "mean_pooling")
    right = np.stack([tokens[0].mean(axis=0), tokens[1, :2].mean(axis=0)])
    require(
        not np.allclose(pooled, tokens.mean(axis=1)),
        "The mask is not used: padding is averaged in. Multiply the token vectors by the mask first.",
    )
    masked = tokens * mask[..., None]
    require(
        not np.allclose(pooled, masked.mean(axis=1)),
        "The padding is out of the sum, but still counted: divide by the number of real tokens, mask.sum(…).",
    )
    require(not np.allclose(pooled, masked.sum(axis=1)), "That is the sum. Divide it by the number of real tokens.")
    require(not np.allclose(pooled, tokens[:, 0]), "That is the first token's vector (CLS pooling). We want the mean.")
    require(
        np.allclose(pooled, right, atol=1e-6), "Not the mean of the real tokens yet. Work the second text out by hand."
    )


def check_neighbours(function) -> None:
    """A function of an (n, dim) array, a row and k; rows may repeat."""
    generator = np.random.default_rng(9)
    vectors = generator.normal(size=(12, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for i in (6, 3):
        similarity = vectors @ vectors[i]
        order = [j for j in np.argsort(-similarity).tolist() if j != i]
        answer = _indices(call(function, vectors, i, 4), 4, "neighbours")
        require(i not in answer, f"Row {i} is among its own neighbours. Every text is nearest to itself: leave it out.")
        require(
            answer != order[::-1][:4], "These are the rows that are furthest away. argsort puts the smallest first."
        )
        require(
            answer == order[:4],
            f"For row {i} of a test array the nearest are {order[:4]}; your function says {answer}.",
        )
    vectors[2] = vectors[6]  # a repeated post
    answer = _indices(call(function, vectors, 6, 4), 4, "neighbours")
    require(
        6 not in answer and answer[0] == 2,
        "Rows 2 and 6 of this test array are equal. Leaving out the first of the sorted list may leave out the "
        "wrong one: leave out row i itself.",
    )


EXERCISES = {
    "q1": (
        check_cosine_similarity,
        (
            "Three quantities are needed: the dot product a @ b and the two lengths.",
            "np.linalg.norm(a) is the length of a. Divide the dot product by both lengths.",
        ),
        "The cosine compares directions and forgets lengths.",
    ),
    "q2": (
        check_odd_one_out,
        (
            "How similar is each row to all others together? vectors @ vectors.T holds every pair.",
            "Sum each row of that matrix; np.argmin finds the position of the smallest sum.",
        ),
        "The row with the smallest sum of similarities is the one that does not belong.",
    ),
    "q3": (
        check_search,
        (
            "document_vectors @ query_vector gives one cosine for each document, because all lengths are 1.",
            "np.argsort sorts upwards: sort the negative cosines and keep the first k positions.",
        ),
        "Embed, compare, sort: that is a search engine.",
    ),
    "q4": (
        check_mean_pooling,
        (
            "Give the mask a third axis, mask[..., None], so that it can be multiplied with the token vectors.",
            "Sum over the tokens (axis=1) and divide by the number of real tokens of each text, mask.sum(axis=1).",
        ),
        "Padding neither adds to the sum nor counts as a token.",
    ),
    "q5": (
        check_neighbours,
        (
            "Begin as in the search engine: the similarity of row i to every row.",
            "Set the similarity of row i to itself to -np.inf before sorting. That works with repeated texts too.",
        ),
        "Row i is left out by its position, so repeated texts are kept.",
    ),
}
