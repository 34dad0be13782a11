"""Lesson 1's exercises: right answers written differently, and plausible wrong ones with what they should hear."""

import math

import numpy as np

RIGHT = {
    "q1": [
        lambda a, b: np.dot(a, b) / math.sqrt(np.dot(a, a) * np.dot(b, b)),
        lambda a, b: (
            sum(x * y for x, y in zip(a, b, strict=True)) / sum(x * x for x in a) ** 0.5 / sum(y * y for y in b) ** 0.5
        ),
    ],
    "q2": [
        lambda vectors: np.argsort(vectors @ vectors.sum(axis=0))[0],
        lambda vectors: min(
            range(len(vectors)), key=lambda i: float(vectors[i] @ np.delete(vectors, i, 0).mean(axis=0))
        ),
    ],
    "q3": [
        lambda query, documents, k: np.argsort(documents @ query)[::-1][:k],
        lambda query, documents, k: sorted(range(len(documents)), key=lambda i: -float(documents[i] @ query))[:k],
    ],
    "q4": [
        lambda tokens, mask: np.stack([t[m == 1].mean(axis=0) for t, m in zip(tokens, mask, strict=True)]),
        lambda tokens, mask: np.einsum("ntd,nt->nd", tokens, mask) / mask.sum(axis=1, keepdims=True),
    ],
    "q5": [
        lambda vectors, i, k: [j for j in np.argsort(-(vectors @ vectors[i])) if j != i][:k],
        lambda vectors, i, k: sorted(set(range(len(vectors))) - {i}, key=lambda j: -float(vectors[j] @ vectors[i]))[:k],
    ],
}


def _forgets_to_return(a, b):
    a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


WRONG = {
    "q1": [
        (lambda a, b: a @ b, "dot product"),
        (lambda a, b: a @ b / np.linalg.norm(a), "Only one of the two lengths"),
        (lambda a, b: 1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), "distance"),
        (lambda a, b: abs(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b)), "Opposite directions"),
        (lambda a, b: a @ b / ((a @ a) * (b @ b)), "0.4472"),
        (lambda a, b: a * b, "shape ()"),
        (lambda a, b: "0.5 or so", "numbers, not str"),
        (_forgets_to_return, "returns None"),
        (lambda a: a, "TypeError"),
        (0.4472, "Pass the function itself"),
    ],
    "q2": [
        (lambda vectors: int((vectors @ vectors.T).sum(axis=1).argmax()), "fits in best"),
        (lambda vectors: 0, "points away"),
        (lambda vectors: (vectors @ vectors.T).sum(axis=1), "one position"),
        (lambda vectors: (vectors @ vectors.T).sum(axis=1).min(), "a whole number"),
        (lambda vectors: vectors[99], "IndexError"),
    ],
    "q3": [
        (lambda query, documents, k: np.argsort(documents @ query)[:k], "least similar"),
        (lambda query, documents, k: np.argsort(documents @ query)[-k:], "worst first"),
        (lambda query, documents, k: np.sort(-(documents @ query))[:k], "positions (whole numbers)"),
        (lambda query, documents, k: np.argsort(-(documents @ query)), "k = 1"),
        (lambda query, documents, k: sorted(np.argsort(-(documents @ query))[:k]), "not sorted"),
        (lambda query, documents, k: documents[:k], "flat list"),
    ],
    "q4": [
        (lambda tokens, mask: tokens.mean(axis=1), "mask is not used"),
        (lambda tokens, mask: (tokens * mask[..., None]).mean(axis=1), "still counted"),
        (lambda tokens, mask: (tokens * mask[..., None]).sum(axis=1), "That is the sum"),
        (lambda tokens, mask: tokens[:, 0], "CLS"),
        (lambda tokens, mask: (tokens * mask[..., None]).sum(axis=1) / mask.sum(), "Not the mean"),
        (lambda tokens, mask: tokens * mask, "ValueError"),
        (lambda tokens, mask: tokens.mean(axis=2), "shape (2, 3)"),
    ],
    "q5": [
        (lambda vectors, i, k: np.argsort(-(vectors @ vectors[i]))[:k], "its own neighbours"),
        (lambda vectors, i, k: np.argsort(vectors @ vectors[i])[:k], "furthest"),
        (lambda vectors, i, k: (vectors @ vectors[i])[:k], "whole numbers"),
        (
            lambda vectors, i, k: [j for j in np.argsort(-(vectors @ vectors[i])) if vectors[j] @ vectors[i] < 0.999][
                :k
            ],
            "Rows 2 and 6",
        ),
        (lambda vectors, i, k: [(i + n) % len(vectors) for n in range(1, k + 1)], "the nearest are"),
    ],
}
