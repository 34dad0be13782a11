"""Checkers for lesson 1. Most try the student's function on small arrays; one reads two sentences and asks a model."""

import re
from functools import cache
from typing import Any

import numpy as np

from course_utils.teaching.checks.asserts import array, call, items, number, positions, require
from course_utils.teaching.checks.compare import close
from course_utils.teaching.checks.contradiction import why_not, words


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def check_cosine_similarity(function) -> None:
    """A function of two vectors."""
    generator = np.random.default_rng(1)
    for dim, towards in ((3, 1.0), (7, -1.0), (2, 0.5), (40, 0.2)):
        a = 2 * generator.normal(size=dim)
        b = towards * a + 1.5 * generator.normal(size=dim)
        dot, lengths, squares = a @ b, np.linalg.norm(a) * np.linalg.norm(b), (a @ a) * (b @ b)
        right = dot / lengths
        value = number(call(function, a, b), "cosine_similarity")
        once = "Only one of the two lengths was divided out. The cosine does not change when either vector is longer."
        mistakes = {
            "That is the dot product. Divide it by the lengths of both vectors.": dot,
            once: dot / np.linalg.norm(a),
            once + " ": dot / np.linalg.norm(b),
            "That is the cosine distance, 1 − cosine. Return the similarity.": 1 - right,
            "Divide by the lengths, not by the sums of squares: a root is missing.": dot / squares,
            "Multiply the two lengths with each other; you add them.": dot / (np.linalg.norm(a) + np.linalg.norm(b)),
            "The length is the root of the sum of squares; you sum the sizes.": dot / abs(a).sum() / abs(b).sum(),
            "Opposite directions have a negative cosine: do not take the size of it.": abs(right),
            "The sign is turned round.": -right,
            "That is the distance of the two points. It changes when a vector is made longer; the cosine does not.": (
                np.linalg.norm(a - b)
            ),
            "That is the angle. Return its cosine.": np.arccos(right),
            "That is the correlation: you subtract each vector's mean first. The cosine does not.": (
                np.corrcoef(a, b)[0, 1]
            ),
            "Do not divide by the number of dimensions: the formula has a sum, not a mean.": right / dim,
            "You divide by the product before you multiply: mind the brackets.": dot
            / np.linalg.norm(a)
            * np.linalg.norm(b),
            "Your function uses the first two dimensions only. Vectors may be of any length.": (
                a[:2] @ b[:2] / np.linalg.norm(a[:2]) / np.linalg.norm(b[:2])
            ),
            **{
                f"Do not round: the cosine is wanted with all its decimals, not {d}.": right.round(d)
                for d in range(1, 7)
            },
        }
        close(
            value,
            right,
            mistakes,
            f"For two test vectors of length {dim} the cosine is {right:.4f}; your function says {value:.4f}.",
        )


def check_search(function) -> None:
    """A function of a query vector, an (n, dim) array and k."""
    generator = np.random.default_rng(3)
    for n, dim, k, copies in (
        (30, 8, 4, []),
        (12, 5, 1, []),
        (7, 3, 7, []),
        (50, 20, 10, []),
        (600, 16, 400, []),
        (12, 4, 5, [1, 9]),
        (9, 4, 2, [2, 7, 8]),
    ):
        documents = _unit(generator.normal(size=(n, dim)))
        documents[copies] = documents[n // 2]  # the same text again
        query = _unit(documents[n // 2] + 0.3 * generator.normal(size=dim))
        similarity = documents @ query
        order = np.argsort(-similarity, kind="stable").tolist()
        answer = positions(call(function, query, documents, k), k, "search")
        mistakes = {
            "These are the least similar documents. argsort puts the smallest value first.": order[::-1][:k],
            "These are the right documents, worst first. Put the best first.": order[:k][::-1],
            "The best document is left out. Here the query is none of the documents: keep it.": (order[1 : k + 1]),
            "Python counts positions from 0; yours begin at 1.": [i + 1 for i in order[:k]],
            "These are the ranks of the documents. Return the positions of the best.": (np.argsort(order)[:k].tolist()),
            "These are the first k documents, as they stand.": list(range(k)),
        }
        distinct = len(set(answer)) == k and set(answer) <= set(range(n))
        right = distinct and np.allclose(similarity[answer], similarity[order[:k]], rtol=0, atol=1e-12)
        require(  # of documents that are equally similar, either may come first
            right,
            next(
                (message for message, wrong in mistakes.items() if answer == wrong),
                "These are the right documents, but not sorted, best first."
                if set(answer) == set(order[:k])
                else f"For k = {k} the best rows of a test array are {order[:k]!s:.80}; you say {answer!s:.80}."
                + (f" Rows {n // 2} and {', '.join(map(str, copies))} are equal: name each once." if copies else ""),
            ),
        )


def check_my_pair(function) -> None:
    """A function without arguments that returns two sentences."""
    answer = items(call(function), "my_pair", "two sentences, as two strings")
    require(len(answer) == 2 and all(isinstance(part, str) for part in answer), "Return two sentences, as two strings.")
    embedder, own, median = _paraphrases()
    for sentence in answer:
        said = {word for word in words(sentence) if word[0] != "#"}
        require(len(said) >= 3, f"A sentence of at least three words, please, not {sentence!r:.80}.")
        spelt = set(re.findall(r"[^\W\d_]+", sentence.lower()))
        require(
            2 * len(spelt - embedder.tokenizer.vocab.keys()) < len(spelt),
            f"Write plain English sentences: the check cannot read {sentence!r:.80}.",
        )
    pair = frozenset(map(_plain, answer))
    require(len(pair) == 2, "That is the same sentence twice. Turn one thing round in the second.")
    require(pair not in own, "That pair is one of the course's own. Write one of your own.")
    reason = why_not(*answer)
    require(not reason, reason)
    first, second = embedder.encode(answer)
    cosine = float(first @ second)
    require(
        cosine > median,
        f"They contradict each other, but the model noticed: the cosine is {cosine:.3f}, the median paraphrase has "
        f"{median:.3f}. Change less, or make the rest of the sentence longer.",
    )


def _plain(sentence: str) -> str:
    return " ".join(words(sentence))


@cache
def _paraphrases() -> tuple[Any, set[frozenset[str]], float]:
    """The default model, the course's own pairs, and the median cosine of its paraphrases."""
    from course_utils.data import load_corpus
    from course_utils.embedding import load_embedder

    pairs, embedder = load_corpus("minimal_pairs"), load_embedder()
    same = pairs[pairs["kind"] == "paraphrase"]
    cosines = np.sum(embedder.encode(same["a"]) * embedder.encode(same["b"]), axis=1)
    own = {frozenset(map(_plain, pair)) for pair in zip(pairs["a"], pairs["b"], strict=True)}
    return embedder, own, float(np.median(cosines))


def check_mean_pooling(function) -> None:
    """A function of (n, tokens, dim) token vectors and an (n, tokens) mask."""
    generator = np.random.default_rng(5)
    masks = (
        [[1, 1, 1, 1], [1, 1, 0, 0]],
        [[1, 0, 0], [1, 1, 1], [1, 1, 0]],
        [[0, 0, 1, 1, 1], [1, 1, 1, 1, 0]],
        [[0, 1, 1, 0, 0], [0, 0, 1, 1, 0], [1, 1, 1, 0, 0]],
        [[1, 0, 1, 1], [0, 1, 0, 1]],
    )
    for mask, dim in zip(map(np.array, masks), (3, 5, 2, 4, 3), strict=True):
        tokens = generator.normal(size=(*mask.shape, dim))
        pooled = array(call(function, tokens, mask), (len(mask), dim), "mean_pooling")
        masked, n_tokens = tokens * mask[..., None], mask.sum(axis=1)
        right = masked.sum(axis=1) / n_tokens[:, None]
        rows = list(zip(tokens, mask, strict=True))
        mistakes = {
            "The mask is not used: padding is averaged in. Multiply the token vectors by the mask first.": (
                tokens.mean(axis=1)
            ),
            "The padding is out of the sum, but still counted: divide by the number of real tokens, mask.sum(…).": (
                masked.mean(axis=1)
            ),
            "That is the sum. Divide it by the number of real tokens.": masked.sum(axis=1),
            "The padding is still in the sum. Multiply the token vectors by the mask first.": (
                tokens.sum(axis=1) / n_tokens[:, None]
            ),
            "You divide by the real tokens of all texts together. Count them for each text: mask.sum(axis=1).": (
                masked.sum(axis=1) / mask.sum()
            ),
            "That is the first token's vector (CLS pooling). We want the mean.": tokens[:, 0],
            "That is the last token's vector. We want the mean.": tokens[:, -1],
            "That is the largest value (max pooling). We want the mean.": np.array(
                [t[m == 1].max(axis=0) for t, m in rows]
            ),
            "That is the median. We want the mean.": np.array([np.median(t[m == 1], axis=0) for t, m in rows]),
            "That is the mean of the padding.": np.array(
                [t[m == 0].sum(axis=0) / max(1, (m == 0).sum()) for t, m in rows]
            ),
            "You take the first tokens of each text, but padding may stand in front of them, too: use the mask.": (
                np.array([t[: m.sum()].mean(axis=0) for t, m in rows])
            ),
            "Padding may stand on both sides of one text: use the mask, which says of each token whether it counts.": (
                np.array([(t[: m.sum()] if m[0] else t[-m.sum() :]).mean(axis=0) for t, m in rows])
            ),
            "A mask may have holes. You take the tokens in one piece; use the mask of each token.": np.array(
                [t[m.argmax() : m.argmax() + m.sum()].mean(axis=0) for t, m in rows]
            ),
            "A mask may have holes. You take all tokens from the first real one to the last; use the mask of each.": (
                np.array([t[np.flatnonzero(m)[0] : np.flatnonzero(m)[-1] + 1].mean(axis=0) for t, m in rows])
            ),
            "You scaled the mean to length 1. That comes later; return the mean as it is.": _unit(right),
        }
        close(
            pooled,
            right,
            mistakes,
            "Not the mean of the real tokens yet. Work the second text of a small array out by hand.",
        )


def check_odd_one_out(function) -> None:
    """A function of an (n, dim) array of unit vectors."""
    # Seeds for which all measures of similarity agree on the odd one, and the usual mistakes find another row.
    answers, cases = [], []
    for seed, n, dim in ((26953, 5, 4), (2389, 8, 3), (470, 4, 9), (2531, 6, 6), (3234, 9, 5)):
        generator = np.random.default_rng(seed)
        vectors = _unit(generator.normal(size=(n, dim)) + generator.normal(size=dim))
        answers += positions(call(function, vectors), None, "odd_one_out")
        cases.append(_odd_ones(vectors))
    right = [odd for odd, _ in cases]
    for message in cases[0][1]:
        for found in zip(*(mistakes[message] for _, mistakes in cases), strict=True):
            require(answers != list(found), message)
    require(
        answers == right,
        f"In {len(right)} test arrays the rows {right} are least similar to the others together; your function says "
        f"{answers}.",
    )


def _odd_ones(vectors: np.ndarray) -> tuple[int, dict[str, list[int]]]:
    """The row that is least similar to the others, and the rows that the usual mistakes find."""
    similarity = vectors @ vectors.T
    others = np.array([np.delete(row, i) for i, row in enumerate(similarity)])
    total = others.sum(axis=1)
    odd = int(total.argmin())
    return odd, {
        "That is the row that fits in best. We look for the one that fits in least.": [total.argmax()],
        "You take the median, which forgets how far off the farthest are. To the others together: take the sum.": [
            np.median(similarity, axis=1).argmin(),
            np.median(others, axis=1).argmin(),
        ],
        "You compare single coordinates. Compare whole vectors: vectors @ vectors.T holds every pair.": [
            vectors[:, 0].argmin(),
            vectors.sum(axis=1).argmin(),
            (vectors.T @ vectors).sum(axis=1).argmin(),
        ],
        "You look at one pair only. The row should be least similar to all others together.": [
            similarity.min(axis=1).argmin(),
            others.max(axis=1).argmin(),
            similarity[0].argmin(),
        ],
        "You take the sizes of the cosines; a negative one is even less similar.": [
            abs(similarity).sum(axis=1).argmin()
        ],
        "Python counts rows from 0.": [odd + 1],
    }


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
        check_search,
        (
            "document_vectors @ query_vector gives one cosine for each document, because all lengths are 1.",
            "np.argsort sorts upwards: sort the negative cosines and keep the first k positions.",
        ),
        "Embed, compare, sort: that is a search engine.",
    ),
    "q3": (
        check_my_pair,
        (
            "Begin with one definite thing (the shop, my key, a name) and say what it is, has, costs, can or must do.",
            "Then change one thing: a not, a number, open for closed; or who is taller than whom, or costs more.",
        ),
        "A high cosine says *about the same thing*; whether both can be true it does not say.",
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
        check_odd_one_out,
        (
            "How similar is each row to all others together? vectors @ vectors.T holds every pair.",
            "Sum each row of that matrix; np.argmin finds the position of the smallest sum.",
        ),
        "The row with the smallest sum of similarities is the one that does not belong.",
    ),
}
