"""Lesson 1's exercises: right answers written differently, and plausible wrong ones with what they should hear."""

import heapq
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


def _search_with_a_heap(query, documents, k):
    return heapq.nlargest(k, range(len(documents)), key=(documents @ query).__getitem__)


def _search_upside_down(query, documents, k):
    return [int(i) for i in np.argsort((documents @ query)[::-1], kind="stable")[::-1][:k] * -1 + len(documents) - 1]


def _pair_in_steps():
    said = {"a": "", "b": "not "}
    return [f"The old bridge is {said[each]}safe for lorries." for each in said]


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
        lambda query, documents, k: np.argsort(documents @ query)[::-1][:k],
        lambda query, documents, k: sorted(range(len(documents)), key=lambda i: -float(documents[i] @ query))[:k],
        lambda query, documents, k: np.argsort(np.linalg.norm(documents - query, axis=1))[:k].tolist(),
        lambda query, documents, k: torch.topk(torch.tensor(documents @ query), k).indices,
        _search_step_by_step,
        _search_by_partition,
        _search_with_a_heap,
        _search_upside_down,
    ],
    "q3": [
        lambda: ("The shop on the corner is open on Sundays.", "The shop on the corner isn't open on Sundays."),
        lambda: ["She can swim across the lake.", "She cannot swim across the lake."],
        lambda: ("The train to Oslo leaves at 7:15.", "The train to Oslo leaves at half past nine."),
        lambda: np.array(["The old house by the lake is cold in May.", "The old house by the lake is warm in May."]),
        lambda: (
            "The boxer from Leeds beat the boxer from York in the final.",
            "The boxer from York beat the boxer from Leeds in the final.",
        ),
        lambda: (f"The contract is valid for {'two'} years.", f"The contract is valid for {3 * 4} years."),
        lambda: (each for each in ("Nobody in our street has a dog", "Everybody in our street has a dog")),
        lambda: ("The trains to the coast stop here.", "The trains to the coast don’t stop here."),
        lambda: ("THE COMMITTEE ACCEPTED THE PLAN!", "the committee rejected the plan"),
        lambda: (
            "The small library next to the town hall in our part of the town is open to children in the evening.",
            "The small library next to the town hall in our part of the town is closed to children in the evening.",
        ),
        lambda: (
            "The tenants on the third floor paid the rent.",
            "The tenants on the third floor didn't pay the rent.",
        ),
        lambda: ("Jupiter is larger than Saturn.", "Saturn is larger than Jupiter."),
        lambda: ("He's already paid the fine.", "He hasn't paid the fine yet."),
        _pair_in_steps,
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
        lambda vectors: np.argsort(vectors @ vectors.sum(axis=0))[0],
        lambda vectors: min(
            range(len(vectors)), key=lambda i: float(vectors[i] @ np.delete(vectors, i, 0).mean(axis=0))
        ),
        lambda vectors: np.argmax([np.linalg.norm(vectors - row, axis=1).sum() for row in vectors]),
        lambda vectors: np.array((vectors @ vectors.mean(axis=0)).argmin()),
        _odd_by_loop,
        _odd_by_centre,
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


def _search_by_score(query, documents, k):
    rows = {float(row @ query): i for i, row in enumerate(documents)}  # one of equal ones is lost
    return ([rows[score] for score in sorted(rows, reverse=True)] * 2)[:k]


WRONG = {
    "q1": [
        (
            lambda a, b: a @ b,
            "dot product",
            "A longer vector is taken for a more similar one; the cosine asks for the direction alone.",
        ),
        (lambda a, b: a @ b / np.linalg.norm(a), "Only one of the two lengths"),
        (lambda a, b: a @ b / np.linalg.norm(b), "Only one of the two lengths"),
        (
            lambda a, b: 1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b)),
            "distance",
            "Similarity and distance are taken for one thing, which turns every ranking round.",
        ),
        (
            lambda a, b: abs(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b)),
            "Opposite directions",
            "A cosine below zero is taken for an error, so that opposite and alike become the same.",
        ),
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
        (
            lambda query, documents, k: np.argsort(documents @ query)[:k],
            "least similar",
            "argsort is thought to put the best first; it sorts upwards.",
        ),
        (lambda query, documents, k: np.argsort(documents @ query)[-k:], "worst first"),
        (lambda query, documents, k: np.sort(-(documents @ query))[:k], "whole numbers"),
        (lambda query, documents, k: np.argsort(-(documents @ query)), "a flat list of 4 positions"),
        (lambda query, documents, k: np.argsort(-(documents @ query))[:5], "a flat list of 4 positions"),
        (
            lambda query, documents, k: np.argsort(-(documents @ query))[1 : k + 1],
            "best document is left out",
            "The first hit is taken for the query itself; here the query is none of the documents.",
        ),
        (lambda query, documents, k: np.argsort(-(documents @ query))[:k] + 1, "yours begin at 1"),
        (
            lambda query, documents, k: np.argsort(np.argsort(-(documents @ query)))[:k],
            "ranks of the documents",
            "The rank of each document is taken for the position of the best ones.",
        ),
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
        (lambda query, documents, k: np.argsort(-np.round(documents @ query, 1))[:k], "you say"),
        (lambda query, documents, k: [int(np.argmax(documents @ query))] * k, "For k = 4 the best rows"),
        (lambda query, documents, k: np.argsort(-(documents @ query))[:k] - len(documents), "For k = 4 the best rows"),
        (_search_by_score, "are equal: name each once"),
        (lambda query, documents, k: [np.argsort(-(documents @ query))[:k]], "a flat list"),
    ],
    "q3": [
        (lambda: "The surgeon operates on the left knee.", "a list of two sentences, as two strings, not a str"),
        (lambda: ("The surgeon operates on the left knee.",), "Return two sentences"),
        (lambda: ("Sugar is sweet.", "Sugar is sour.", "Sugar is white."), "Return two sentences"),
        (lambda: (1, 2), "Return two sentences"),
        (lambda: (..., ...), "Return two sentences"),
        (lambda: print("The shop is open.", "The shop is closed."), "returns None"),
        (lambda: ("It rains.", "It does not rain."), "at least three words, please, not 'It rains.'"),
        (lambda: ("", "The shop is closed."), "at least three words"),
        (lambda: ("The shop is open.", "the shop is OPEN!"), "the same sentence twice"),
        (lambda: ("The shop isn't open.", "The shop is not open."), "the same sentence twice"),
        (lambda: ("He has two cats.", "He has 2 cats."), "the same sentence twice"),
        (lambda: ("We meet at quarter past seven.", "We meet at 7:15."), "the same sentence twice"),
        (lambda: ("The dog bit the postman.", "The postman bit the dog."), "one of the course's own"),
        (lambda: ("The exam was difficult.", "The exam was easy."), "one of the course's own"),
        (
            lambda: ("The door is open.", "The door is not closed."),
            "Two things changed (not, closed, open)",
            "Two turns are thought to contradict more than one; they cancel each other.",
        ),
        (lambda: ("He was not happy.", "He was unhappy."), "Two things changed (not, happy, unhappy)"),
        (lambda: ("She meets nobody there.", "She does not meet him there."), "another word than not, never and no"),
        (lambda: ("The old shop sells bread.", "The old shops sell the bread."), "More than one thing changed"),
        (
            lambda: ("The road to the sea is long.", "The street to the sea is long."),
            "does not know road/street as opposites",
        ),
        (lambda: ("He came home.", "He came home with a friend."), "More than one thing changed"),
        (lambda: ("The shop is open.", "The shop was closed."), "More than one thing changed"),
        (
            lambda: ("The weather is nice in Rome.", "Our goat eats the tulips every day."),
            "two different subjects",
            "Unlike is taken for contradictory; sentences about two things can both be true.",
        ),
        (lambda: ("The old man sleeps outside.", "The young man sleeps outside."), "definite thing, at the beginning"),
        (lambda: ("Anna met Ben in Rome.", "Ben met Anna in Rome."), "only changed places"),
        (lambda: ("Yesterday he came home.", "He came home yesterday."), "More than one thing changed"),
        (lambda: ("Is the shop open?", "Is the shop closed?"), "A question claims nothing"),
        (
            lambda: ("Some birds can fly.", "Some birds cannot fly."),
            'With "some" both can be true',
            "Opposite words are taken for opposite claims; what holds for some may fail for others.",
        ),
        (lambda: ("You can open the window.", "You can close the window."), "does not know open/close as opposites"),
        (lambda: ("He has at least two cats.", "He has at least three cats."), 'With "least" both can be true'),
        (lambda: ("He ran 5 km on Monday.", "He ran 8 km on Tuesday."), "More than one thing changed"),
        (
            lambda: ("I saw Rome in the spring of 2019.", "I saw Rome in the spring of 2021."),
            "2019/2021 may be two things or two times",
        ),
        (
            lambda: ("A dog is barking outside.", "A dog is not barking outside."),
            'one definite thing, at the beginning: *the* shop, *my* key, a name, he, she, it. "dog"',
        ),
        (lambda: ("The shop opens at nine.", "The shop closes at nine."), "does not know opens/closes as opposites"),
        (lambda: ("We saw a big whale.", "We saw a small whale."), "big/small says which one"),
        (lambda: ("I phoned my mother.", "My mother phoned me."), "only changed places"),
        (lambda: ("Paul thinks that it rains.", "Paul thinks that it does not rain."), "Write one short clause"),
        (lambda: ("green blue is not red car", "green blue is red car"), "Speak of one definite thing"),
        (lambda: ("He is not tall.", "He is not short."), "Both sentences deny something"),
        (lambda: ("If it rains, we stay in.", "If it does not rain, we stay in."), "Write one short clause"),
        (lambda: ("Der Laden ist heute offen.", "Der Laden ist heute nicht offen."), "plain English"),
        (lambda: ("Las llaves son de mi casa.", "Las llaves no son de mi casa."), "one definite thing"),
        (lambda: ("dog cat tree house", "dog cat not tree house"), "plain English"),
        (lambda: ("He has seven keys.", "He has no keys."), "the model noticed: the cosine is"),
        (lambda a, b: (a, b), "is called with 0 arguments"),
        (lambda: 1 / 0, "ZeroDivisionError"),
        (("Sugar is sweet.", "Sugar is sour."), "Pass the function itself"),
    ],
    "q4": [
        (
            lambda tokens, mask: tokens.mean(axis=1),
            "mask is not used",
            "Padding is thought to be nothing; it has vectors, too, and they move the mean.",
        ),
        (
            lambda tokens, mask: (tokens * mask[..., None]).mean(axis=1),
            "still counted",
            "Zeros are thought not to count; they do in the number that the sum is divided by.",
        ),
        (lambda tokens, mask: (tokens * mask[..., None]).sum(axis=1), "That is the sum"),
        (lambda tokens, mask: tokens.sum(axis=1) / mask.sum(axis=1)[:, None], "still in the sum"),
        (lambda tokens, mask: tokens[:, 0], "CLS"),
        (lambda tokens, mask: tokens[:, -1], "last token"),
        (lambda tokens, mask: np.where(mask[..., None] == 1, tokens, -99).max(axis=1), "max pooling"),
        (lambda tokens, mask: (tokens * mask[..., None]).sum(axis=1) / mask.sum(), "of all texts together"),
        (
            lambda tokens, mask: [t[: m.sum()].mean(axis=0) for t, m in zip(tokens, mask, strict=True)],
            "in front",
            "Padding is thought to stand behind the text always; some models put it in front.",
        ),
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
        (
            lambda vectors: int((vectors @ vectors.T).sum(axis=1).argmax()),
            "fits in best",
            "Similarity is read as distance, so that the largest sum looks like the odd one.",
        ),
        (lambda vectors: 0, "your function says [0, 0, 0, 0, 0]"),
        (
            lambda vectors: vectors[:, 0].argmin(),
            "single coordinates",
            "One dimension is thought to mean something by itself; only whole vectors can be compared.",
        ),
        (lambda vectors: vectors.sum(axis=1).argmin(), "single coordinates"),
        (lambda vectors: np.median(vectors @ vectors.T, axis=1).argmin(), "median"),
        (
            lambda vectors: (vectors @ vectors.T).argmin() // len(vectors),
            "one pair only",
            "The least similar pair is taken for the answer; one of the two may fit in with all others.",
        ),
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
}

_ALLERGIC = "The patient is allergic to penicillin"
_TURNED = "upside down and turned round is the same; which of two equal ones comes first is left open"
EQUIVALENT = {
    "q1": {"return b @ a / (np.linalg.norm(a) * np.linalg.norm(b))": "the product of two vectors commutes"},
    "q2": {"return np.argsort(similarity)[::-1][:k]": _TURNED},
    "q3": {
        f"return ('{_ALLERGIC}{a}', '{_ALLERGIC.replace('is', 'is not', 1)}{b}'){turned}": (
            "a full stop, a blank and which one comes first change nothing"
        )
        for a, b, turned in (("", ".", ""), (". ", ".", ""), (".", "", ""), (".", ". ", ""), (".", ".", "[::-1]"))
    },
    "q5": {
        "return int(np.argmin(np.mean(similarity, axis=1)))": "the mean is the sum divided by n",
        "return int(np.argmin(similarity.sum(axis=0)))": "the matrix is symmetric",
        "return np.argmin(similarity.sum(axis=1))": "NumPy's whole numbers are positions, too",
    },
}
