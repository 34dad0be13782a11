"""Lesson 3's exercises: right answers written differently, and plausible wrong ones with what they should hear."""

import random

import numpy as np


def shares(vectors, labels, k):
    labels = np.asarray(labels)
    similarity = vectors @ vectors.T - 10 * np.eye(len(vectors))
    return [(labels[np.argsort(row)[::-1][:k]] == own).mean() for row, own in zip(similarity, labels, strict=True)]


def effect_by_loop(before, after, labels, k):
    return float(np.mean(shares(after, labels, k)) - np.mean(shares(before, labels, k)))


def effect_by_pairs(before, after, labels, k):
    return np.mean(np.subtract(shares(after, labels, k), shares(before, labels, k)))


def with_itself(before, after, labels, k):
    labels, result = np.asarray(labels), []
    for vectors in (before, after):
        nearest = np.argsort(-(vectors @ vectors.T), axis=1)[:, :k]
        result.append((labels[nearest] == labels[:, None]).mean())
    return result[1] - result[0]


def upside_down(before, after, labels, k):
    labels, result = np.asarray(labels), []
    for vectors in (before, after):
        nearest = np.argsort(vectors @ vectors.T, axis=1)[:, :k]
        result.append((labels[nearest] == labels[:, None]).mean())
    return result[1] - result[0]


def sides(task, template, queries, documents):
    prompt = template.replace("{instruction}", task.instruction)
    return tuple(
        [prompt + text if role == "query" or task.side == "text" else text for text in texts]
        for role, texts in (("query", queries), ("document", documents))
    )


def prompt_of(task, template):
    return template.replace("{instruction}", task.instruction)


def rotated(instruction, seed):
    words = instruction.split()
    steps = [step for step in range(1, len(words)) if words[step:] + words[:step] != words] or [0]
    step = steps[seed % len(steps)]
    return " ".join(words[step:] + words[:step])


def shuffled(instruction, seed):
    generator, words = random.Random(seed), instruction.split()
    mixed = words[:]
    while mixed == words and len(set(words)) > 1:
        generator.shuffle(mixed)
    return " ".join(mixed)


def once(instruction, seed):
    return " ".join(np.random.default_rng(seed).permutation(instruction.split()))


def group_means(vectors, points, labels, group):
    labels = np.asarray(labels)
    centre = vectors[labels == group].mean(axis=0)
    cosines = {str(other): (vectors[labels == other] @ centre).mean() for other in set(labels) - {group}}
    return max(cosines, key=cosines.get)


def group_frame(vectors, points, labels, group):
    import pandas as pd

    labels = pd.Series(list(labels))
    similarity = pd.DataFrame(vectors @ vectors[(labels == group).to_numpy()].T).mean(axis=1)
    return similarity.groupby(labels).mean().drop(group).idxmax()


def on_the_map(vectors, points, labels, group):
    labels = np.asarray(labels)
    centre = points[labels == group].mean(axis=0)
    others = [other for other in dict.fromkeys(labels.tolist()) if other != group]
    return min(others, key=lambda other: np.linalg.norm(points[labels == other].mean(axis=0) - centre))


RIGHT = {
    "q1": [
        lambda template, instruction, text: (
            (template.replace("{instruction}", instruction) if template else f"{instruction}\n") + text
            if instruction
            else text
        ),
        lambda template, instruction, text: "".join(
            [instruction.join((template or "{instruction}\n").split("{instruction}")) if instruction else "", text]
        ),
    ],
    "q2": [
        sides,
        lambda task, template, queries, documents: (
            [prompt_of(task, template) + query for query in queries],
            documents if task.side == "query" else [prompt_of(task, template) + document for document in documents],
        ),
    ],
    "q3": [effect_by_loop, effect_by_pairs],
    "q4": [rotated, shuffled],
    "q5": [group_means, group_frame],
}

WRONG = {
    "q1": [
        (
            lambda template, instruction, text: f"Instruct: {instruction}\nQuery: {text}" if instruction else text,
            "a space after 'Query:'",
        ),
        (lambda template, instruction, text: template + text, "still holds {instruction}"),
        (lambda template, instruction, text: text + template.replace("{instruction}", instruction), "stands first"),
        (lambda template, instruction, text: f"Instruct: {instruction} Query:{text}", "line break"),
        (lambda template, instruction, text: template.replace("{instruction}", instruction) + text, "the text alone"),
        (
            lambda template, instruction, text: (
                template.replace("{instruction}", instruction) + text if instruction else text
            ),
            "the instruction gets lost",
        ),
        (
            lambda template, instruction, text: (
                (template or "{instruction}\n").replace("{instruction}", instruction) + text
                if instruction and "{" not in instruction
                else text
            ),
            "Curly brackets",
        ),
        (lambda template, instruction, text: template.replace("{instruction}", instruction), "The text is missing"),
        (lambda template, instruction, text: 1, "should return a string"),
    ],
    "q2": [
        (
            lambda task, template, queries, documents: (
                [prompt_of(task, template) + query for query in queries],
                [prompt_of(task, template) + document for document in documents],
            ),
            "the documents stay as they are",
        ),
        (
            lambda task, template, queries, documents: (
                [prompt_of(task, template) + query for query in queries],
                documents,
            ),
            "the documents get the instruction as well",
        ),
        (lambda task, template, queries, documents: (queries, documents), "the queries must carry"),
        (
            lambda task, template, queries, documents: sides(task, template, queries, documents)[::-1],
            "queries first, then documents",
        ),
        (lambda task, template, queries, documents: prompt_of(task, template), "two lists"),
        (
            lambda task, template, queries, documents: sides(task, template + " ", queries, documents),
            "the model should read",
        ),
    ],
    "q3": [
        (with_itself, "among its own neighbours"),
        (lambda before, after, labels, k: effect_by_loop(after, before, labels, k), "The sign is turned"),
        (lambda before, after, labels, k: np.mean(shares(after, labels, k)), "Subtract the share before"),
        (lambda before, after, labels, k: k * effect_by_loop(before, after, labels, k), "Divide it by k"),
        (upside_down, "least similar"),
        (lambda before, after, labels, k: shares(after, labels, k), "one number"),
        (lambda before, after, labels, k: effect_by_loop(before, after, labels, k + 1), "on a test array"),
    ],
    "q4": [
        (lambda instruction, seed: instruction, "still in the old order"),
        (lambda instruction, seed: " ".join(reversed(instruction.split())), "Every seed gives the same order"),
        (lambda instruction, seed: " ".join(sorted(set(instruction.split()))), "as often as before"),
        (lambda instruction, seed: once(instruction, None), "the second time"),
        (once, "Draw again until it differs"),
        (
            lambda instruction, seed: "".join(np.random.default_rng(seed).permutation(list(instruction))),
            "The letters are mixed",
        ),
        (lambda instruction, seed: list(reversed(instruction.split())), "should return a string"),
        (lambda instruction, seed: once(instruction, seed).replace(" ", ""), "single spaces"),
    ],
    "q5": [
        (on_the_map, "You trusted the map"),
        (lambda vectors, points, labels, group: group, "closest to itself"),
        (
            lambda vectors, points, labels, group: min(
                set(labels.tolist()) - {group},
                key=lambda other: (vectors[labels == group] @ vectors[labels == other].T).mean(),
            ),
            "least similar",
        ),
        (lambda vectors, points, labels, group: ["dogs"], "the name of one group"),
    ],
}
