"""Lesson 1's exercises: right answers written differently, and plausible wrong ones with what they should hear."""

import math

import numpy as np
import torch


def _cosine_in_steps(a, b):
    dot = squares_a = squares_b = 0.0
    for x, y in zip(a, b, strict=True):
        dot, squares_a, squares_b = dot + x * y, squares_a + x * x, squares_b + y * y
    return dot / math.sqrt(squares_a * squares_b)


def _cosine_of_copies(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    a /= np.linalg.norm(a)
    b /= np.linalg.norm(b)
    return (a * b).sum()


def _odd_by_loop(vectors):
    sums = [sum(float(a @ b) for j, b in enumerate(vectors) if j != i) for i, a in enumerate(vectors)]
    return sums.index(min(sums))


def _odd_by_centre(vectors):
    rest = vectors.sum(axis=0) - vectors
    return np.argmin(np.sum(vectors * rest, axis=1) / np.linalg.norm(rest, axis=1))


def _search_step_by_step(query, documents, k):
    left, found = list(range(len(documents))), []
    while len(found) < k:
        best = max(left, key=lambda i: documents[i] @ query)
        left.remove(best)
        found.append(best)
    return tuple(found)


def _search_by_partition(query, documents, k):
    similarity = documents @ query
    best = np.argpartition(similarity, -k)[-k:]
    return best[np.argsort(similarity[best])[::-1]].astype(np.uint16)


def _pool_by_loop(tokens, mask):
    pooled = np.zeros((tokens.shape[0], tokens.shape[2]))
    for i in range(len(tokens)):
        for j in range(tokens.shape[1]):
            if mask[i][j]:
                pooled[i] += tokens[i][j] / sum(mask[i])
    return pooled.tolist()


def _pool_with_nan(tokens, mask):
    return np.nanmean(np.where(mask[..., None] == 1, tokens, np.nan), axis=1)


def _neighbours_of_a_deleted_row(vectors, i, k):
    others = np.delete(np.arange(len(vectors)), i)
    return others[np.argsort(-(vectors[others] @ vectors[i]))[:k]]


def _neighbours_by_torch(vectors, i, k):
    similarity = torch.tensor(vectors) @ torch.tensor(vectors[i])
    similarity[i] = -2
    return similarity.topk(k).indices


RIGHT = {
    "q1": [
        lambda a, b: np.dot(a, b) / math.sqrt(np.dot(a, a) * np.dot(b, b)),
        lambda a, b: (
            sum(x * y for x, y in zip(a, b, strict=True)) / sum(x * x for x in a) ** 0.5 / sum(y * y for y in b) ** 0.5
        ),
        _cosine_in_steps,
        _cosine_of_copies,
        lambda a, b: np.inner(a / np.linalg.norm(a), b / np.linalg.norm(b)).astype(np.float32),
        lambda a, b: torch.cosine_similarity(torch.tensor(a), torch.tensor(b), dim=0),
        lambda a, b: np.array(a @ b / np.sqrt((a**2).sum()) / np.sqrt((b**2).sum())),
    ],
    "q2": [
        lambda vectors: np.argsort(vectors @ vectors.sum(axis=0))[0],
        lambda vectors: min(
            range(len(vectors)), key=lambda i: float(vectors[i] @ np.delete(vectors, i, 0).mean(axis=0))
        ),
        lambda vectors: np.argmax([np.linalg.norm(vectors - row, axis=1).sum() for row in vectors]),
        lambda vectors: np.array((vectors @ vectors.mean(axis=0)).argmin()),
        _odd_by_loop,
        _odd_by_centre,
    ],
    "q3": [
        lambda query, documents, k: np.argsort(documents @ query)[::-1][:k],
        lambda query, documents, k: sorted(range(len(documents)), key=lambda i: -float(documents[i] @ query))[:k],
        lambda query, documents, k: np.argsort(np.linalg.norm(documents - query, axis=1))[:k].tolist(),
        lambda query, documents, k: torch.topk(torch.tensor(documents @ query), k).indices,
        _search_step_by_step,
        _search_by_partition,
    ],
    "q4": [
        lambda tokens, mask: np.stack([t[m == 1].mean(axis=0) for t, m in zip(tokens, mask, strict=True)]),
        lambda tokens, mask: np.einsum("ntd,nt->nd", tokens, mask) / mask.sum(axis=1, keepdims=True),
        lambda tokens, mask: [list(np.average(t, axis=0, weights=m)) for t, m in zip(tokens, mask, strict=True)],
        lambda tokens, mask: ((mask / mask.sum(axis=1)[:, None])[:, None, :] @ tokens)[:, 0].astype(np.float32),
        _pool_by_loop,
        _pool_with_nan,
    ],
    "q5": [
        lambda vectors, i, k: [j for j in np.argsort(-(vectors @ vectors[i])) if j != i][:k],
        lambda vectors, i, k: sorted(set(range(len(vectors))) - {i}, key=lambda j: -float(vectors[j] @ vectors[i]))[:k],
        lambda vectors, i, k: np.argsort(-(vectors @ vectors.T - 9 * np.eye(len(vectors)))[i])[:k],
        lambda vectors, i, k: np.argsort(
            np.where(np.arange(len(vectors)) == i, np.inf, np.linalg.norm(vectors - vectors[i], axis=1))
        )[:k],
        _neighbours_of_a_deleted_row,
        _neighbours_by_torch,
    ],
}


def _forgets_to_return(a, b):
    a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


def _normalises_in_place(a, b):
    a /= np.linalg.norm(a)
    b /= np.linalg.norm(b)
    return a @ b


def _drops_itself_in_place(vectors):
    similarity = vectors @ vectors.T
    vectors[:] = 0
    return int(similarity.sum(axis=1).argmin())


def _masks_in_place(tokens, mask):
    tokens[mask == 0] = 0
    return tokens.sum(axis=1) / mask.sum(axis=1, keepdims=True)


def _removes_row_in_place(vectors, i, k):
    mine = vectors[i].copy()
    vectors[i] = -mine
    return np.argsort(-(vectors @ mine))[:k]


def _counts_past_itself(vectors, i, k):
    others = np.delete(vectors, i, axis=0)
    return np.argsort(-(others @ vectors[i]))[:k]


WRONG = {
    "q1": [
        (lambda a, b: a @ b, "dot product"),
        (lambda a, b: a @ b / np.linalg.norm(a), "Only one of the two lengths"),
        (lambda a, b: a @ b / np.linalg.norm(b), "Only one of the two lengths"),
        (lambda a, b: 1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), "distance"),
        (lambda a, b: abs(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b)), "Opposite directions"),
        (lambda a, b: a @ b / ((a @ a) * (b @ b)), "a root is missing"),
        (lambda a, b: a @ b / (np.linalg.norm(a) + np.linalg.norm(b)), "you add them"),
        (lambda a, b: a @ b / np.linalg.norm(a) * np.linalg.norm(b), "mind the brackets"),
        (lambda a, b: np.arccos(a @ b / (np.linalg.norm(a) * np.linalg.norm(b))), "the angle"),
        (lambda a, b: round(_cosine_in_steps(a, b), 4), "Do not round"),
        (lambda a, b: round(_cosine_in_steps(a, b), 2), "Do not round"),
        (lambda a, b: np.corrcoef(a, b)[0, 1], "correlation"),
        (lambda a, b: np.linalg.norm(a - b), "distance of the two points"),
        (lambda a, b: (a[0] * b[0] + a[1] * b[1]) / np.hypot(*a[:2]) / np.hypot(*b[:2]), "first two dimensions"),
        (lambda a, b: [[a @ b / (np.linalg.norm(a) * np.linalg.norm(b))]], "one number, not numbers of shape (1, 1)"),
        (lambda a, b: a * b, "one number"),
        (lambda a, b: "0.5 or so", "one number, not a str"),
        (lambda a, b: a @ b / (np.linalg.norm(a) * np.nan), "NaN"),
        (_forgets_to_return, "returns None"),
        (_normalises_in_place, "changes its argument `a` in place"),
        (lambda a: a, "takes (a), but is called with 2 arguments"),
        (lambda a, b: a.dot(b).norm, "Your code stopped with AttributeError"),
        (0.4472, "Pass the function itself"),
    ],
    "q2": [
        (lambda vectors: int((vectors @ vectors.T).sum(axis=1).argmax()), "fits in best"),
        (lambda vectors: 0, "your function says [0, 0, 0, 0, 0]"),
        (lambda vectors: vectors[:, 0].argmin(), "single coordinates"),
        (lambda vectors: vectors.sum(axis=1).argmin(), "single coordinates"),
        (lambda vectors: np.median(vectors @ vectors.T, axis=1).argmin(), "median"),
        (lambda vectors: (vectors @ vectors.T).argmin() // len(vectors), "one pair only"),
        (lambda vectors: (vectors @ vectors.T)[0].argmin(), "one pair only"),
        (lambda vectors: np.abs(vectors @ vectors.T).sum(axis=1).argmin(), "sizes of the cosines"),
        (lambda vectors: (vectors @ vectors.T).sum(axis=1).argmin() + 1, "counts rows from 0"),
        (lambda vectors: (vectors @ vectors.T).sum(axis=1), "one position"),
        (lambda vectors: [(vectors @ vectors.T).sum(axis=1).argmin()], "one position"),
        (lambda vectors: (vectors @ vectors.T).sum(axis=1).min(), "whole numbers"),
        (lambda vectors: vectors[(vectors @ vectors.T).sum(axis=1).argmin()], "one position"),
        (_drops_itself_in_place, "changes its argument `vectors` in place"),
        (lambda vectors: vectors[99], "IndexError"),
    ],
    "q3": [
        (lambda query, documents, k: np.argsort(documents @ query)[:k], "least similar"),
        (lambda query, documents, k: np.argsort(documents @ query)[-k:], "worst first"),
        (lambda query, documents, k: np.sort(-(documents @ query))[:k], "whole numbers"),
        (lambda query, documents, k: np.argsort(-(documents @ query)), "a flat list of 4 positions"),
        (lambda query, documents, k: np.argsort(-(documents @ query))[:5], "a flat list of 4 positions"),
        (lambda query, documents, k: np.argsort(-(documents @ query))[1 : k + 1], "best document is left out"),
        (lambda query, documents, k: np.argsort(-(documents @ query))[:k] + 1, "yours begin at 1"),
        (lambda query, documents, k: np.argsort(np.argsort(-(documents @ query)))[:k], "ranks of the documents"),
        (lambda query, documents, k: sorted(np.argsort(-(documents @ query))[:k]), "not sorted"),
        (
            lambda query, documents, k: (
                np.argpartition(-(documents @ query), k)[:k] if k < len(documents) else np.argsort(-(documents @ query))
            ),
            "not sorted",
        ),
        (lambda query, documents, k: np.argsort(-documents[:, 0])[:k], "For k = 4 the best rows"),
        (lambda query, documents, k: list(range(k)), "the first k documents"),
        (lambda query, documents, k: (documents @ query).argmax(), "a flat list"),
        (lambda query, documents, k: documents[:k], "a flat list"),
        (lambda query, documents, k: [np.argsort(-(documents @ query))[:k]], "a flat list"),
    ],
    "q4": [
        (lambda tokens, mask: tokens.mean(axis=1), "mask is not used"),
        (lambda tokens, mask: (tokens * mask[..., None]).mean(axis=1), "still counted"),
        (lambda tokens, mask: (tokens * mask[..., None]).sum(axis=1), "That is the sum"),
        (lambda tokens, mask: tokens.sum(axis=1) / mask.sum(axis=1)[:, None], "still in the sum"),
        (lambda tokens, mask: tokens[:, 0], "CLS"),
        (lambda tokens, mask: tokens[:, -1], "last token"),
        (lambda tokens, mask: np.where(mask[..., None] == 1, tokens, -99).max(axis=1), "max pooling"),
        (lambda tokens, mask: (tokens * mask[..., None]).sum(axis=1) / mask.sum(), "of all texts together"),
        (lambda tokens, mask: [t[: m.sum()].mean(axis=0) for t, m in zip(tokens, mask, strict=True)], "in front"),
        (
            lambda tokens, mask: [
                (t[: m.sum()] if m[0] else t[-m.sum() :]).mean(axis=0) for t, m in zip(tokens, mask, strict=True)
            ],
            "on both sides of one text",
        ),
        (
            lambda tokens, mask: [
                t[m.argmax() : len(m) - m[::-1].argmax()].mean(axis=0) for t, m in zip(tokens, mask, strict=True)
            ],
            "have holes",
        ),
        (
            lambda tokens, mask: [
                t[m.argmax() : m.argmax() + m.sum()].mean(axis=0) for t, m in zip(tokens, mask, strict=True)
            ],
            "in one piece",
        ),
        (
            lambda tokens, mask: [
                p / np.linalg.norm(p) for p in (tokens * mask[..., None]).sum(axis=1) / mask.sum(axis=1)[:, None]
            ],
            "length 1",
        ),
        (lambda tokens, mask: np.concatenate([t[m == 1] for t, m in zip(tokens, mask, strict=True)]), "shape (2, 3)"),
        (lambda tokens, mask: [t[m == 1] for t, m in zip(tokens, mask, strict=True)], "lists of different lengths"),
        (lambda tokens, mask: tokens * mask, "ValueError"),
        (lambda tokens, mask: tokens.mean(axis=2), "shape (2, 3)"),
        (lambda tokens, mask: tokens[0][mask[0] == 1].mean(axis=0), "shape (2, 3)"),
        (_masks_in_place, "changes its argument `tokens` in place"),
    ],
    "q5": [
        (lambda vectors, i, k: np.argsort(-(vectors @ vectors[i]))[:k], "its own neighbours"),
        (lambda vectors, i, k: np.argsort(vectors @ vectors[i])[:k], "furthest"),
        (lambda vectors, i, k: np.argsort(vectors @ vectors[i])[-k - 1 : -1], "worst first"),
        (lambda vectors, i, k: np.argsort(-(vectors @ vectors[i]))[2 : k + 2], "leave out row i itself, and no other"),
        (lambda vectors, i, k: (vectors @ vectors[i])[:k], "whole numbers"),
        (
            lambda vectors, i, k: [j for j in np.argsort(-(vectors @ vectors[i])) if vectors[j] @ vectors[i] < 0.999][
                :k
            ],
            "Rows 6 and 2",
        ),
        (lambda vectors, i, k: np.argsort(-(vectors @ vectors[i]), kind="stable")[1 : k + 1], "in place 0"),
        (
            lambda vectors, i, k: np.argsort(-np.round(vectors @ vectors[i] - 9 * (np.arange(len(vectors)) == i), 2))[
                :k
            ],
            "not rounded",
        ),
        (
            lambda vectors, i, k: np.argsort(-np.where(np.arange(len(vectors)) == i, 0, vectors @ vectors[i]))[:k],
            "a score of 0 does not put it last",
        ),
        (lambda vectors, i, k: [(i + n) % len(vectors) for n in range(1, k + 1)], "the nearest are"),
        (lambda vectors, i, k: [(i + 1) % len(vectors)] * k, "named once"),
        (lambda vectors, i, k: [len(vectors) + n for n in range(k)], "has the rows 0 to"),
        (lambda vectors, i, k: [j for j in np.argsort(-(vectors @ vectors[i]))[:k] if j != i], "a flat list of 4"),
        (_counts_past_itself, "the nearest are"),
        (_removes_row_in_place, "changes its argument `vectors` in place"),
    ],
}

_TURNED = "upside down and turned round is the same; which of two equal ones comes first is left open"
EQUIVALENT = {
    "q1": {"return b @ a / (np.linalg.norm(a) * np.linalg.norm(b))": "the product of two vectors commutes"},
    "q2": {
        "return int(np.argmin(np.mean(similarity, axis=1)))": "the mean is the sum divided by n",
        "return int(np.argmin(similarity.sum(axis=0)))": "the matrix is symmetric",
        "return np.argmin(similarity.sum(axis=1))": "NumPy's whole numbers are positions, too",
    },
    "q3": {"return np.argsort(similarity)[::-1][:k]": _TURNED},
    "q5": {
        "return np.argsort(similarity)[::-1][:k]": _TURNED,
        "similarity[i] = -1e309": "that is how Python writes minus infinity",
    },
}
