"""Lesson 3's exercises: right answers written differently, and plausible wrong ones with what they should hear."""

import random
import re

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

# Exercise 1 ---------------------------------------------------------------------------------------------------------


INSTRUCT = "Instruct: {instruction}\nQuery:"


def fill(template, instruction):
    return template.replace("{instruction}", instruction)


def prompt_by_case(template, instruction, text):
    if instruction == "":
        return text
    if template == "":
        return instruction + "\n" + text
    return fill(template, instruction) + text


def prompt_by_partition(template, instruction, text):
    before, _, after = (template or "{instruction}\n").partition("{instruction}")
    return f"{before}{instruction}{after}{text}" if instruction else text


def prompt_in_one(template, instruction, text):
    return (fill(template, instruction) if template else f"{instruction}\n") + text if instruction else text


# Exercise 2 ---------------------------------------------------------------------------------------------------------


def sides(task, template, queries, documents):
    return tuple(
        [fill(template, task.instruction) + text if role == "query" or task.side == "text" else text for text in texts]
        for role, texts in (("query", queries), ("document", documents))
    )


def sides_in_a_loop(task, template, queries, documents):
    asked, told = [], []
    for query in queries:
        asked.append(template.format(instruction=task.instruction) + query)
    for document in documents:
        told.append(template.format(instruction=task.instruction) + document if task.side == "text" else document)
    return [asked, told]


def sides_as_arrays(task, template, queries, documents):
    prompt = fill(template, task.instruction)
    told = np.array(documents) if task.side == "query" else np.char.add(prompt, documents)
    return np.char.add(prompt, queries), told


def sides_as_series(task, template, queries, documents):
    prompt = fill(template, task.instruction)
    return prompt + pd.Series(queries), (prompt if task.side == "text" else "") + pd.Series(documents)


def in_place(task, template, queries, documents):
    result = sides(task, template, queries, documents)
    queries[:] = result[0]
    return queries, result[1]


# Exercise 3 ---------------------------------------------------------------------------------------------------------


def shares(vectors, labels, k):
    labels = np.asarray(labels)
    similarity = vectors @ vectors.T - 10 * np.eye(len(vectors))
    return [(labels[np.argsort(row)[::-1][:k]] == own).mean() for row, own in zip(similarity, labels, strict=True)]


def effect_by_loop(before, after, labels, k):
    return float(np.mean(shares(after, labels, k)) - np.mean(shares(before, labels, k)))


def effect_by_neighbors(before, after, labels, k):
    labels, found = np.array(labels), []
    for vectors in (before, after):
        nearest = NearestNeighbors(n_neighbors=k).fit(vectors).kneighbors(return_distance=False)
        found.append((labels[nearest] == labels[:, None]).mean())
    return found[1] - found[0]


def effect_by_counting(before, after, labels, k):
    gained = 0
    for sign, vectors in ((1, after), (-1, before)):
        for i, vector in enumerate(vectors):
            others = sorted((j for j in range(len(vectors)) if j != i), key=lambda j: -(vector @ vectors[j]))  # noqa: B023
            gained += sign * sum(labels[j] == labels[i] for j in others[:k])
    return gained / (len(labels) * k)


def effect_by_partition(before, after, labels, k):
    labels = pd.Series(list(labels)).to_numpy()
    found = []
    for vectors in (before, after):
        distance = np.linalg.norm(vectors[:, None] - vectors, axis=2)
        distance[np.diag_indices(len(distance))] = np.inf
        found.append((labels[np.argpartition(distance, k - 1, axis=1)[:, :k]] == labels[:, None]).mean())
    return np.float32(found[1] - found[0])


def by_diagonal(own, sign=-1, axis=1):
    def effect(before, after, labels, k):
        labels, found = np.asarray(labels), []
        for vectors in (before, after):
            similarity = vectors @ vectors.T
            if own is not None:
                np.fill_diagonal(similarity, own)
            nearest = np.argsort(sign * similarity, axis=axis)[:, :k]
            found.append((labels[nearest] == labels[:, None]).mean())
        return found[1] - found[0]

    return effect


def without_the_first(before, after, labels, k):
    labels, found = np.asarray(labels), []
    for vectors in (before, after):
        nearest = np.argsort(-vectors @ vectors.T, axis=1)[:, 1 : k + 1]
        found.append((labels[nearest] == labels[:, None]).mean())
    return found[1] - found[0]


def without_the_same(before, after, labels, k):
    labels, found = np.asarray(labels), []
    for vectors in (before, after):
        similarity = vectors @ vectors.T
        similarity[similarity > 1 - 1e-9] = -np.inf
        found.append((labels[np.argsort(-similarity, axis=1)[:, :k]] == labels[:, None]).mean())
    return found[1] - found[0]


def sorts_the_arrays(before, after, labels, k):
    result = effect_by_loop(before, after, labels, k)
    before.sort(axis=0)
    return result


# Exercise 4 ---------------------------------------------------------------------------------------------------------


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


def sampled(instruction, seed):
    words = pd.Series(instruction.split())
    for attempt in range(1000):
        mixed = " ".join(words.sample(frac=1, random_state=seed + 100_000 * attempt))
        if mixed.split() != instruction.split():
            break
    return mixed


def drawn_one_by_one(instruction, seed):
    generator, drawn = np.random.default_rng(seed), instruction.split()
    while drawn == instruction.split() and len(set(drawn)) != 1:
        left, drawn = instruction.split(), []
        while left:
            drawn.append(left.pop(generator.integers(len(left))))
    return " ".join(drawn)


def by_recursion(instruction, seed):
    words = instruction.split()
    mixed = [words[i] for i in np.argsort(np.random.RandomState(seed).rand(len(words)))]
    return " ".join(mixed) if mixed != words or len(set(words)) < 2 else by_recursion(instruction, seed + 1000)


def swapped_if_equal(instruction, seed):
    words = np.array(instruction.split())
    mixed = np.random.default_rng(seed).permutation(words)
    if np.array_equal(mixed, words):
        other = np.flatnonzero(words != words[0])
        if other.size:
            mixed[[0, other[0]]] = mixed[[other[0], 0]]
    return " ".join(mixed)


def once(instruction, seed):
    return " ".join(np.random.default_rng(seed).permutation(instruction.split()))


def until_it_differs(instruction, seed):
    words, generator = instruction.split(), np.random.default_rng(seed)
    mixed = words
    while list(mixed) == words:
        mixed = generator.permutation(words)
    return " ".join(mixed)


def by_positions(instruction, seed):
    words, generator = instruction.split(), np.random.default_rng(seed)
    order = generator.permutation(len(words))
    while len(set(words)) > 1 and (order == np.arange(len(words))).all():
        order = generator.permutation(len(words))
    return " ".join(words[i] for i in order)


def turned_if_equal(instruction, seed):
    words = instruction.split()
    mixed = list(np.random.default_rng(seed).permutation(words))
    return " ".join(words[::-1] if mixed == words else mixed)


def until_the_string_differs(instruction, seed):
    generator, mixed = np.random.default_rng(seed), instruction
    while mixed == instruction and len(set(instruction.split())) > 1:
        mixed = " ".join(generator.permutation(instruction.split()))
    return mixed


def split_at(blank):
    def scrambled(instruction, seed):
        words, generator = re.split(blank, instruction), np.random.default_rng(seed)
        mixed = list(words)
        while " ".join(mixed).split() == instruction.split() and len(set(words)) > 1:
            mixed = list(generator.permutation(words))
        return " ".join(mixed)

    return scrambled


# Exercise 5 ---------------------------------------------------------------------------------------------------------


def others_of(labels, group):
    return [other for other in dict.fromkeys(np.asarray(labels).tolist()) if other != group]


def group_means(vectors, points, labels, group):
    labels = np.asarray(labels)
    centre = vectors[labels == group].mean(axis=0)
    cosines = {str(other): (vectors[labels == other] @ centre).mean() for other in set(labels) - {group}}
    return max(cosines, key=cosines.get)


def group_frame(vectors, points, labels, group):
    labels = pd.Series(list(labels))
    similarity = pd.DataFrame(vectors @ vectors[(labels == group).to_numpy()].T).mean(axis=1)
    return similarity.groupby(labels).mean().drop(group).idxmax()


def group_loops(vectors, points, labels, group):
    best, highest = None, -np.inf
    for other in sorted(set(labels)):
        if other == group:
            continue
        cosines = [
            float(np.dot(vectors[i], vectors[j]))
            for i in range(len(labels))
            for j in range(len(labels))
            if labels[i] == group and labels[j] == other
        ]
        if sum(cosines) / len(cosines) > highest:
            best, highest = other, sum(cosines) / len(cosines)
    return best


def group_unique(vectors, points, labels, group):
    names, inverse = np.unique(labels, return_inverse=True)
    means = np.array([vectors[inverse == i].mean(axis=0) for i in range(len(names))])
    cosines = means @ means[names == group][0]
    cosines[names == group] = -np.inf
    return names[cosines.argmax()]


def by(measure, pick=max, labels_of=np.asarray):
    def closest_group(vectors, points, labels, group):
        labels = labels_of(labels)
        return pick(
            others_of(labels, group), key=lambda other: measure(vectors[labels == group] @ vectors[labels == other].T)
        )

    return closest_group


def on_the_map(vectors, points, labels, group):
    labels = np.asarray(labels)
    centre = points[labels == group].mean(axis=0)
    return min(
        others_of(labels, group), key=lambda other: np.linalg.norm(points[labels == other].mean(axis=0) - centre)
    )


def by_direction(vectors, points, labels, group):
    labels, centres = np.asarray(labels), {}
    for other in set(labels.tolist()):
        centre = vectors[labels == other].mean(axis=0)
        centres[other] = centre / np.linalg.norm(centre)
    return max(others_of(labels, group), key=lambda other: centres[other] @ centres[group])


def by_centres(vectors, points, labels, group):
    return on_the_map(points, vectors, labels, group)


def of_a_part(mine, theirs):
    def closest_group(vectors, points, labels, group):
        labels = np.asarray(labels)
        first = vectors[labels == group][mine]
        return max(others_of(labels, group), key=lambda other: (first @ vectors[labels == other][theirs].T).mean())

    return closest_group


def by_points(vectors, points, labels, group):
    return group_means(points, vectors, labels, group)


def from_zero(vectors, points, labels, group):
    labels, best, highest = np.asarray(labels), group, 0
    for other in others_of(labels, group):
        mean = (vectors[labels == group] @ vectors[labels == other].T).mean()
        if mean > highest:
            best, highest = other, mean
    return best


RIGHT = {
    "q1": [
        prompt_by_case,
        prompt_by_partition,
        prompt_in_one,
        lambda template, instruction, text: "".join(
            [instruction.join((template or "{instruction}\n").split("{instruction}")) if instruction else "", text]
        ),
        lambda template, instruction, text: [
            text,
            (template or "{instruction}\n").format(instruction=instruction) + text,
        ][len(instruction) > 0],
        lambda template, instruction, text: (
            np.str_(re.sub(r"\{instruction\}", lambda match: instruction, template or "{instruction}\n") + text)
            if instruction
            else text
        ),
    ],
    "q2": [
        sides,
        sides_in_a_loop,
        sides_as_arrays,
        sides_as_series,
        lambda task, template, queries, documents: (
            [prompt_in_one(template, task.instruction, query) for query in queries],
            documents if task.side == "query" else [fill(template, task.instruction) + text for text in documents],
        ),
        lambda task, template, queries, documents: (
            tuple(map(fill(template, task.instruction).__add__, queries)),
            [{"text": fill(template, task.instruction), "query": ""}[task.side] + text for text in documents],
        ),
    ],
    "q3": [
        effect_by_loop,
        lambda before, after, labels, k: np.mean(np.subtract(shares(after, labels, k), shares(before, labels, k))),
        effect_by_neighbors,
        effect_by_counting,
        effect_by_partition,
        by_diagonal(-2),
    ],
    "q4": [rotated, shuffled, sampled, drawn_one_by_one, by_recursion, swapped_if_equal],
    "q5": [
        group_means,
        group_frame,
        group_loops,
        group_unique,
        by(np.mean),
        by(lambda cosines: -cosines.sum() / cosines.size, pick=min),
    ],
}

WRONG = {
    "q1": [
        (
            lambda template, instruction, text: f"Instruct: {instruction}\nQuery: {text}" if instruction else text,
            "a space",
        ),
        (lambda template, instruction, text: template + text, "still holds {instruction}"),
        (lambda template, instruction, text: text + fill(template, instruction), "stands first"),
        (
            lambda template, instruction, text: f"Instruct: {instruction} Query:{text}",
            "line break of the template got lost",
        ),
        (lambda template, instruction, text: fill(template, instruction) + text, "the text alone"),
        (lambda template, instruction, text: fill(template, instruction) + text if instruction else text, "gets lost"),
        (
            lambda template, instruction, text: (
                fill(template or "{instruction}\n", instruction) + text
                if instruction and "{" not in instruction
                else text
            ),
            "Curly brackets",
        ),
        (
            lambda template, instruction, text: (
                fill(template + text, instruction)
                if instruction and template
                else f"{instruction}\n{text}"
                if instruction
                else text
            ),
            "Curly brackets",
        ),
        (lambda template, instruction, text: fill(template, instruction), "The text is missing"),
        (lambda template, instruction, text: 1, "should return a string"),
        (
            lambda template, instruction, text: prompt_by_case(template.strip(), instruction, text),
            "nothing may be stripped",
        ),
        (
            lambda template, instruction, text: prompt_by_case(template, instruction, text).strip(),
            "nothing may be stripped",
        ),
        (
            lambda template, instruction, text: prompt_by_case(template, instruction, text.strip()),
            "nothing may be stripped",
        ),
        (
            lambda template, instruction, text: prompt_by_case(template, instruction.strip(), text),
            "nothing may be stripped",
        ),
        (
            lambda template, instruction, text: f"Instruct: {instruction}\nQuery:{text}" if instruction else text,
            "Use the template that is passed in",
        ),
        (
            lambda template, instruction, text: f"{instruction}\n{text}" if instruction else text,
            "The template is not used",
        ),
        (lambda template, instruction, text: prompt_by_case(template, text, instruction), "changed places"),
        (
            lambda template, instruction, text: (
                fill(template or "{instruction} ", instruction) + text if instruction else text
            ),
            "on a line of its own",
        ),
        (
            lambda template, instruction, text: (
                fill(template or "{instruction}\n", instruction) + text if instruction or not template else text
            ),
            "there is no line for it either",
        ),
        (
            lambda template, instruction, text: prompt_by_case(template.lstrip(), instruction, text),
            "nothing may be stripped",
        ),
        (
            lambda template, instruction, text: prompt_by_case(template, instruction, text).lstrip(),
            "nothing may be stripped",
        ),
        (
            lambda template, instruction, text: prompt_by_case(template, instruction.rstrip(), text),
            "nothing may be stripped",
        ),
        (
            lambda template, instruction, text: (
                prompt_by_case(template, instruction, text) if instruction.strip() else text
            ),
            'only "" is none',
        ),
        (lambda template, instruction, text: "", "should read"),
    ],
    "q2": [
        (
            lambda task, template, queries, documents: (
                [fill(template, task.instruction) + query for query in queries],
                [fill(template, task.instruction) + document for document in documents],
            ),
            "the documents stay as they are",
        ),
        (
            lambda task, template, queries, documents: (
                [fill(template, task.instruction) + query for query in queries],
                documents,
            ),
            "the documents get the instruction as well",
        ),
        (
            lambda task, template, queries, documents: (
                queries if task.side == "text" else sides(task, template, queries, documents)[0],
                sides(task, template, queries, documents)[1],
            ),
            "the queries get the instruction as well",
        ),
        (lambda task, template, queries, documents: (queries, documents), "the queries must carry"),
        (
            lambda task, template, queries, documents: sides(task, template, queries, documents)[::-1],
            "queries first, then documents",
        ),
        (lambda task, template, queries, documents: fill(template, task.instruction), "two lists"),
        (
            lambda task, template, queries, documents: sides(task, template, queries, documents)[0],
            "texts on each side, not a str",
        ),
        (lambda task, template, queries, documents: sum(sides(task, template, queries, documents), []), "two lists"),
        (
            lambda task, template, queries, documents: sides(task, template + " ", queries, documents),
            "the model should read",
        ),
        (lambda task, template, queries, documents: sides(task, INSTRUCT, queries, documents), "'Say more: "),
        (
            lambda task, template, queries, documents: (
                [(template + query).format(instruction=task.instruction) for query in queries],
                [(template * (task.side == "text") + text).format(instruction=task.instruction) for text in documents],
            ),
            "Curly brackets",
        ),
        (
            lambda task, template, queries, documents: tuple(
                [text.strip() for text in texts] for texts in sides(task, template, queries, documents)
            ),
            "the model should read",
        ),
        (
            lambda task, template, queries, documents: tuple(
                texts[:2] for texts in sides(task, template, queries, documents)
            ),
            "3 texts came in on one side, 2 went out",
        ),
        (in_place, "in place"),
    ],
    "q3": [
        (by_diagonal(None), "among its own neighbours"),
        (by_diagonal(0), "With 0 on the diagonal"),
        (by_diagonal(None, sign=1), "least similar"),
        (by_diagonal(-np.inf, sign=1), "and each text itself"),
        (by_diagonal(-np.inf, axis=0), "the share changes by"),
        (lambda before, after, labels, k: effect_by_loop(after, before, labels, k), "The sign is turned"),
        (lambda before, after, labels, k: abs(effect_by_loop(before, after, labels, k)), "do not take its size"),
        (lambda before, after, labels, k: np.mean(shares(after, labels, k)), "Subtract the share before"),
        (
            lambda before, after, labels, k: np.mean(shares(after, labels, k)) / np.mean(shares(before, labels, k)),
            "That is a quotient",
        ),
        (lambda before, after, labels, k: k * effect_by_loop(before, after, labels, k), "Divide it by k"),
        (
            lambda before, after, labels, k: sum(shares(after, labels, k)) - sum(shares(before, labels, k)),
            "Take the mean",
        ),
        (lambda before, after, labels, k: 100 * effect_by_loop(before, after, labels, k), "percentage"),
        (lambda before, after, labels, k: shares(after, labels, k), "one number"),
        (lambda before, after, labels, k: effect_by_loop(before, after, labels, k + 1), "You take k + 1"),
        (lambda before, after, labels, k: effect_by_loop(before, after, labels, k - 1), "You take k − 1"),
        (lambda before, after, labels, k: effect_by_loop(before, after, labels, 5), "k = 3"),
        (
            lambda before, after, labels, k: np.median(shares(after, labels, k)) - np.median(shares(before, labels, k)),
            "the share changes by",
        ),
        (without_the_first, "Texts may come twice"),
        (without_the_same, "Texts may come twice"),
        (sorts_the_arrays, "in place"),
    ],
    "q4": [
        (lambda instruction, seed: instruction, "still in the old order"),
        (lambda instruction, seed: " ".join(reversed(instruction.split())), "Every seed gives the same order"),
        (
            lambda instruction, seed: " ".join(sorted(instruction.split(), reverse=seed % 2)),
            "hardly any different orders",
        ),
        (lambda instruction, seed: " ".join(sorted(set(instruction.split()))), "as often as before"),
        (
            lambda instruction, seed: " ".join(
                np.random.default_rng(seed).choice(instruction.split(), len(instruction.split()))
            ),
            "as often as before",
        ),
        (lambda instruction, seed: once(instruction.lower(), seed), "as often as before"),
        (lambda instruction, seed: once(instruction, None), "the second time"),
        (once, "Draw again until it differs"),
        (turned_if_equal, "read the same backwards"),
        (until_the_string_differs, "compare the words, not the whole strings"),
        (split_at(" "), "Separate the words by single spaces"),
        (split_at(" +"), "Separate the words by single spaces"),
        (by_positions, "Two equal words changed places"),
        (until_it_differs, "'no no no' has one order only"),
        (
            lambda instruction, seed: "".join(np.random.default_rng(seed).permutation(list(instruction))),
            "The letters are mixed",
        ),
        (lambda instruction, seed: list(reversed(instruction.split())), "should return a string"),
        (lambda instruction, seed: once(instruction, seed).replace(" ", ""), "single spaces"),
        (lambda instruction, seed: once(instruction, seed).replace(" ", ", "), "single spaces"),
        (lambda instruction, seed: once(instruction, seed) + " ", "none at the ends"),
    ],
    "q5": [
        (on_the_map, "You trusted the map"),
        (by_points, "You trusted the map"),
        (of_a_part(slice(1), slice(None)), "Only the group's first text"),
        (of_a_part(slice(-1, None), slice(None)), "Only the group's last text"),
        (of_a_part(slice(None), slice(1)), "Of the other group only the first text"),
        (of_a_part(slice(3), slice(None)), "of all pairs"),
        (of_a_part(slice(None, None, 2), slice(None)), "of all pairs"),
        (of_a_part(slice(None), slice(3)), "of all pairs"),
        (by(lambda cosines: np.diag(cosines).mean()), "You pair the first with the first"),
        (lambda vectors, points, labels, group: group, "closest to itself"),
        (by(np.mean, pick=min), "least similar. Look"),
        (by(np.sum), "A large group has a large sum"),
        (by(np.max), "One pair of texts"),
        (by(np.min), "You compare the least similar texts"),
        (by(np.median), "take the mean"),
        (by(lambda cosines: abs(cosines).mean()), "with their signs"),
        (by(lambda cosines: abs(cosines.mean())), "with its sign"),
        (by_direction, "divide by no length"),
        (by_centres, "distance of the mean vectors"),
        (from_zero, "closest to itself"),
        (by(np.mean, labels_of=lambda labels: labels), "Labels may come as a plain list"),
        (lambda vectors, points, labels, group: ["dogs"], "should return a string"),
        (lambda vectors, points, labels, group: "horses", "one of the labels"),
    ],
}

EQUIVALENT = {
    "q2": {"return (asked, documents)": "the same list in place of a copy: its texts are the same"},
    "q3": {
        "nearest = np.argsort(-similarity)[:, :k]": "the last axis is what argsort sorts along if none is said",
        "np.fill_diagonal(similarity, -1e309)": "a number too large for a float is infinite",
    },
    "q5": {
        "others = [other for other in dict.fromkeys(labels) if other != group]": "NumPy's strings are strings as well"
    },
}
