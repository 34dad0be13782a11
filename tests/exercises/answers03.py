"""Lesson 3's exercises: right answers written differently, and plausible wrong ones with what they should hear."""

import hashlib
import itertools
import random
import re

import numpy as np
import pandas as pd
import torch
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


def rotated(instruction, seed):
    words = instruction.split()
    steps = [step for step in range(1, len(words)) if words[step:] + words[:step] != words] or [0]
    step = steps[seed % len(steps)]
    return " ".join(words[step:] + words[:step])


def two_swapped(instruction, seed):
    words = instruction.split()
    for i, j in itertools.product(range(seed % len(words), len(words)), range(len(words))):
        mixed = list(words)
        mixed[i], mixed[j] = mixed[j], mixed[i]
        if mixed != words:
            return " ".join(mixed)
    return rotated(instruction, 0)


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


def drawn_by(make, shuffle):
    """Draw until the order is another, with a generator made from the seed."""

    def scrambled(instruction, seed):
        words, generator = instruction.split(), make(seed)
        mixed = words[:]
        while mixed == words and len(set(words)) > 1:
            shuffle(generator, mixed)
        return " ".join(mixed)

    return scrambled


def by_hash(instruction, seed):
    words, attempt = instruction.split(), 0
    while True:
        keys = [hashlib.sha256(f"{seed} {attempt} {i}".encode()).digest() for i in range(len(words))]
        mixed = [word for _, word in sorted(zip(keys, words, strict=True))]
        if mixed != words or len(set(words)) < 2:
            return " ".join(mixed)
        attempt += 1


def by_torch(instruction, seed):
    words, generator = instruction.split(), torch.Generator().manual_seed(seed)
    if len(set(words)) == 1:
        return " ".join(words)
    while True:
        mixed = [words[i] for i in torch.randperm(len(words), generator=generator)]
        if mixed != words:
            return " ".join(mixed)


def among_all_orders(instruction, seed):
    words = instruction.split()
    if len(words) > 5:
        return shuffled(instruction, seed)
    orders = sorted({order for order in itertools.permutations(words) if list(order) != words}) or [words]
    return " ".join(random.Random(seed).choice(orders))


def made_anew(instruction, seed):
    words = instruction.split()
    mixed = words
    while mixed == words and len(set(words)) > 1:
        mixed = list(np.random.default_rng(seed).permutation(words))
    return " ".join(mixed)


def shuffle_returned(instruction, seed):
    return random.Random(seed).shuffle(instruction.split())


def counted(instruction, seed, calls=[0]):  # noqa: B006
    calls[0] += 1
    return shuffled(instruction, seed + calls[0])


def no_word_in_its_place(instruction, seed):
    words, generator = np.array(instruction.split()), np.random.default_rng(seed)
    mixed = generator.permutation(words)
    while len(set(words)) > 1 and (mixed == words).any():
        mixed = generator.permutation(words)
    return " ".join(mixed)


def compared_as_arrays(instruction, seed):
    words, generator = instruction.split(), np.random.default_rng(seed)
    mixed = generator.permutation(words)
    while mixed == words:
        mixed = generator.permutation(words)
    return " ".join(mixed)


def letters_of_each_word(instruction, seed):
    generator = random.Random(seed)
    return " ".join("".join(generator.sample(each, len(each))) for each in instruction.split())


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


def effect_by_torch(before, after, labels, k):
    kinds, found = torch.tensor(np.unique(labels, return_inverse=True)[1]), []
    for vectors in map(torch.tensor, (before, after)):
        nearest = (vectors @ vectors.T).fill_diagonal_(-9).topk(k).indices
        found.append((kinds[nearest] == kinds[:, None]).double().mean())
    return found[1] - found[0]


def effect_by_frame(before, after, labels, k):
    labels, found = pd.Series(list(labels)), []
    for vectors in (before, after):
        cosines = pd.DataFrame(vectors @ vectors.T)
        found.append(np.mean([(labels[cosines[i].drop(i).nlargest(k).index] == labels[i]).mean() for i in cosines]))
    return found[1] - found[0]


def new_neighbours(before, after, labels, k):
    finders = [NearestNeighbors(n_neighbors=k).fit(vectors) for vectors in (before, after)]
    both = zip(*(finder.kneighbors(return_distance=False) for finder in finders), strict=True)
    return np.mean([len(set(now) - set(then)) / k for then, now in both])


def across(before, after, labels, k):
    similarity, labels = before @ after.T, np.asarray(labels)
    np.fill_diagonal(similarity, -np.inf)
    nearest = np.argsort(-similarity, axis=1)[:, :k]
    return (labels[nearest] == labels[:, None]).mean() - np.mean(shares(before, labels, k))


def labels_as_they_come(before, after, labels, k):
    found = []
    for vectors in (before, after):
        similarity = vectors @ vectors.T
        np.fill_diagonal(similarity, -np.inf)
        nearest = np.argsort(-similarity, axis=1)[:, :k]
        found.append((labels[nearest] == labels[:, None]).mean())
    return found[1] - found[0]


def fill_returned(before, after, labels, k):
    similarity = np.fill_diagonal(after @ after.T, -np.inf)
    return np.argsort(-similarity)


def never_ends(*arguments):
    while True:
        pass


# Exercise 4 ---------------------------------------------------------------------------------------------------------


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


def sides_as_generators(task, template, queries, documents):
    prompt = fill(template, task.instruction)
    return map(prompt.__add__, queries), (prompt + text if task.side == "text" else text for text in documents)


def sides_yielded(task, template, queries, documents):
    prompt = fill(template, task.instruction)
    yield [prompt + text for text in queries]
    yield [prompt + text for text in documents] if task.side == "text" else documents


def with_prompt(prompt_of, behind=False):
    """Answer with another prompt, or with one behind the texts."""

    def put_instruction(task, template, queries, documents):
        prompt = prompt_of(task, template)
        asked, told = ([text + prompt if behind else prompt + text for text in texts] for texts in (queries, documents))
        return asked, told if task.side == "text" else documents

    return put_instruction


def one_case_only(task, template, queries, documents):
    if task.side == "query":
        return sides(task, template, queries, documents)


def documents_in_place(task, template, queries, documents):
    asked, told = sides(task, template, queries, documents)
    documents[:] = told
    return asked, documents


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


def group_torch(vectors, points, labels, group):
    labels, vectors = np.asarray(labels), torch.tensor(vectors)
    cosines = (vectors @ vectors[torch.tensor(labels == group)].T).mean(dim=1)
    return max(others_of(labels, group), key=lambda other: cosines[torch.tensor(labels == other)].mean())


def group_one_hot(vectors, points, labels, group):
    names, inverse = np.unique(labels, return_inverse=True)
    member = np.eye(len(names))[inverse]
    means = (member / member.sum(axis=0)).T @ vectors
    cosines = pd.Series(means @ means[names == group][0], index=names).drop(group)
    return cosines.idxmax()


def group_squares(vectors, points, labels, group):
    """Among vectors of length 1 squared distances say the same as cosines."""
    labels = np.asarray(labels)
    squares = ((vectors[:, None] - vectors) ** 2).sum(axis=2)[labels == group]
    return min(others_of(labels, group), key=lambda other: squares[:, labels == other].mean())


def with_itself(vectors, points, labels, group):
    labels = np.asarray(labels)
    return max(set(labels.tolist()), key=lambda other: (vectors[labels == group] @ vectors[labels == other].T).mean())


def closest_text(vectors, points, labels, group):
    labels = np.asarray(labels)
    cosines = vectors @ vectors[labels == group].mean(axis=0)
    cosines[labels == group] = -np.inf
    return labels[cosines.argmax()]


def closest_point(vectors, points, labels, group):
    labels = np.asarray(labels)
    distance = np.linalg.norm(points[:, None] - points, axis=2)[labels == group]
    return min(others_of(labels, group), key=lambda other: distance[:, labels == other].min())


def mean_distance(vectors, points, labels, group):
    labels = np.asarray(labels)
    distance = np.linalg.norm(vectors[:, None] - vectors, axis=2)[labels == group]
    return min(others_of(labels, group), key=lambda other: distance[:, labels == other].mean())


def scaled(vectors, points, labels, group):
    vectors *= 2
    return group_means(vectors, points, labels, group)


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
        shuffled,
        sampled,
        drawn_one_by_one,
        by_recursion,
        swapped_if_equal,
        by_hash,
        by_torch,
        among_all_orders,
        drawn_by(random.seed, lambda _, words: random.shuffle(words)),
        drawn_by(np.random.seed, lambda _, words: np.random.shuffle(words)),
        drawn_by(np.random.default_rng, lambda generator, words: generator.shuffle(words)),
        drawn_by(random.Random, lambda generator, words: words.sort(key=lambda _: generator.random())),
    ],
    "q3": [
        effect_by_loop,
        lambda before, after, labels, k: np.mean(np.subtract(shares(after, labels, k), shares(before, labels, k))),
        effect_by_neighbors,
        effect_by_counting,
        effect_by_partition,
        by_diagonal(-2),
        effect_by_torch,
        effect_by_frame,
        lambda *arguments: np.array(effect_by_loop(*arguments)),
    ],
    "q4": [
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
        sides_as_generators,
        sides_yielded,
        with_prompt(lambda task, template: task.instruction.join(template.split("{instruction}"))),
    ],
    "q5": [
        group_means,
        group_frame,
        group_loops,
        group_unique,
        by(np.mean),
        by(lambda cosines: -cosines.sum() / cosines.size, pick=min),
        group_torch,
        group_one_hot,
        group_squares,
        lambda *arguments: np.array(group_means(*arguments)),
    ],
}

WRONG = {
    "q1": [
        (
            lambda template, instruction, text: f"Instruct: {instruction}\nQuery: {text}" if instruction else text,
            "a space",
            "A blank is taken for nothing; the model reads another prompt than it was trained with.",
        ),
        (lambda template, instruction, text: template + text, "still holds {instruction}"),
        (
            lambda template, instruction, text: (
                re.sub(r"\{instruction\}", instruction, template or "{instruction}\n") + text if instruction else text
            ),
            "A backslash is an ordinary character",
        ),
        (lambda template, instruction, text: text + fill(template, instruction), "stands first"),
        (
            lambda template, instruction, text: f"Instruct: {instruction} Query:{text}",
            "line break of the template got lost",
        ),
        (
            lambda template, instruction, text: fill(template, instruction) + text,
            "the text alone",
            "No instruction is taken for an empty one, and the template's own words stay in front of the text.",
        ),
        (lambda template, instruction, text: fill(template, instruction) + text if instruction else text, "gets lost"),
        (
            lambda template, instruction, text: (
                fill(template or "{instruction}\n", instruction) + text
                if instruction and "{" not in instruction
                else text
            ),
            "Curly brackets",
            "format() is taken for a plain replacement; it reads the brackets of a text as its own.",
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
        (lambda template, instruction, text: print(text), "Does it end with `return"),
        (
            lambda template, instruction, text: prompt_by_case(template, instruction, text) if instruction else None,
            "Without an instruction yours returns None",
        ),
        (lambda template, instruction, text: instruction + text, "The template is not used"),
        (
            lambda template, instruction, text: template.replace("instruction", instruction) + text,
            "curly brackets of {instruction} are replaced",
        ),
        (
            lambda template, instruction, text: prompt_by_case(template, instruction, text).lower(),
            "Capital letters stay",
        ),
        (
            lambda template, instruction, text: prompt_by_case(template, instruction.capitalize(), text),
            "Capital letters stay",
        ),
        (
            lambda template, instruction, text: prompt_by_case(template or "{instruction}\n\n", instruction, text),
            "nothing may be stripped or added",
        ),
        (lambda template, instruction, text: template[instruction], "Your code stopped with TypeError"),
        (lambda template, instruction, text: (fill(template, instruction), text), "a string, not a tuple"),
        (lambda template, instruction: fill(template, instruction), "Leave its first line as it was"),
    ],
    "q2": [
        (lambda instruction, seed: instruction, "still in the old order"),
        (lambda instruction, seed: " ".join(reversed(instruction.split())), "Every seed gives the same order"),
        (
            lambda instruction, seed: " ".join(sorted(instruction.split(), reverse=seed % 2)),
            "hardly any different orders",
        ),
        (
            lambda instruction, seed: " ".join(sorted(set(instruction.split()))),
            "as often as before",
            "Other words are taken for a fair control; then words and order have changed at once.",
        ),
        (
            lambda instruction, seed: " ".join(
                np.random.default_rng(seed).choice(instruction.split(), len(instruction.split()))
            ),
            "as often as before",
        ),
        (lambda instruction, seed: shuffled(instruction.lower(), seed), "Capital letters stay"),
        (lambda instruction, seed: shuffled(instruction, seed).capitalize(), "Capital letters stay"),
        (lambda instruction, seed: shuffled(instruction.replace(",", ""), seed), "leave each word as it is"),
        (lambda instruction, seed: shuffled(instruction, seed).replace(" ", "\n"), "single spaces"),
        (lambda instruction, seed: shuffled(instruction, seed).rpartition(" ")[0], "as often as before"),
        (lambda instruction, seed: shuffled(instruction, 7), "Every seed gives the same order"),
        (lambda instruction, seed: shuffled(instruction, seed % 3), "hardly any different orders"),
        (
            lambda instruction, seed: shuffled(instruction, random.getrandbits(64)),
            "the second time",
            "Chance without a seed is thought to do; nobody could repeat such a control.",
        ),
        (
            rotated,
            "still stand behind the same word",
            "A small change is taken for a control; most of the sense is left in it.",
        ),
        (two_swapped, "still stand behind the same word"),
        (counted, "the second time"),
        (drawn_by(lambda seed: None, lambda _, words: random.shuffle(words)), "the second time"),
        (drawn_by(lambda seed: None, lambda _, words: np.random.shuffle(words)), "the second time"),
        (made_anew, "Make it once, before the loop"),
        (no_word_in_its_place, "Does a loop in it never end"),
        (compared_as_arrays, "Your code stopped with ValueError"),
        (letters_of_each_word, "The letters are mixed"),
        (shuffle_returned, "shuffle() mixes a list in place"),
        (lambda instruction, seed: print(shuffled(instruction, seed)), "Does it end with `return"),
        (lambda instruction, seed: shuffled(instruction, seed).split(), "should return a string, not a list"),
        (
            lambda instruction, seed: shuffled(instruction, seed) * (len(set(instruction.split())) > 1),
            "'no no no' has one order only",
        ),
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
    "q3": [
        (
            by_diagonal(None),
            "among its own neighbours",
            "A text is counted as its own neighbour; it has its own label, so every share looks too good.",
        ),
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
        (
            new_neighbours,
            "any words bring new ones",
            "Change is taken for effect; only neighbours with the text's own label speak for the instruction.",
        ),
        (
            across,
            "two spaces",
            "Vectors of before and after are compared as if the instruction had not changed how texts are read.",
        ),
        (lambda before, after, labels, k: max(0, effect_by_loop(before, after, labels, k)), "cut off what is below 0"),
        (lambda before, after, labels, k: effect_by_loop(after, after, labels, k), "measure the same vectors twice"),
        (lambda before, after, labels, k: round(effect_by_loop(before, after, labels, k), 2), "without rounding"),
        (lambda before, after, labels, k: effect_by_loop(before, after, labels, 1), "k is 1 with you"),
        (lambda before, after, labels, k: effect_by_loop(before, after, labels, 10), "k is 10 with you"),
        (lambda before, after, labels, k: [effect_by_loop(before, after, labels, k)], "one number"),
        (lambda before, after, labels, k: f"{effect_by_loop(before, after, labels, k):.0%}", "one number, not a str"),
        (lambda before, after, labels, k: print(effect_by_loop(before, after, labels, k)), "Does it end with `return"),
        (lambda before, after, labels, k: np.random.random() - 0.5, "the share changes by"),
        (labels_as_they_come, "Labels may come as a plain list"),
        (fill_returned, "Your code stopped with TypeError"),
        (never_ends, "Does a loop in it never end"),
        (without_the_first, "Texts may come twice"),
        (without_the_same, "Texts may come twice"),
        (sorts_the_arrays, "in place"),
    ],
    "q4": [
        (
            lambda task, template, queries, documents: tuple(
                [(template + text).replace("{instruction}", task.instruction) if side else text for text in texts]
                for texts, side in ((queries, True), (documents, task.side == "text"))
            ),
            "Curly brackets",
        ),
        (
            lambda task, template, queries, documents: (
                [fill(template, task.instruction) + query for query in queries],
                [fill(template, task.instruction) + document for document in documents],
            ),
            "the documents stay as they are",
            "An instruction is thought to belong everywhere; in a search it says what the query wants.",
        ),
        (
            lambda task, template, queries, documents: (
                [fill(template, task.instruction) + query for query in queries],
                documents,
            ),
            "the documents get the instruction as well",
            "Every task is taken for a search; texts that are compared must be read alike.",
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
        (documents_in_place, "in place"),
        (one_case_only, "With side 'text' yours returns None"),
        (with_prompt(lambda task, template: template), "still holds {instruction}"),
        (with_prompt(lambda task, template: fill(template, task.name)), "That is task.name"),
        (with_prompt(lambda task, template: fill(template, str(task))), "the model should read"),
        (with_prompt(lambda task, template: task.instruction + "\n"), "There is a template here"),
        (with_prompt(lambda task, template: fill(template, task.instruction).strip()), "nothing may be stripped"),
        (with_prompt(lambda task, template: fill(template, task.instruction), behind=True), "not behind it"),
        (
            lambda task, template, queries, documents: sides(task, template, [*map(str.lower, queries)], documents),
            "Capital letters stay",
        ),
        (lambda task, template, queries, documents: dict(zip(queries, documents, strict=False)), "not a dict"),
        (lambda task, template, queries, documents: [*zip(queries, documents, strict=False)], "the model should read"),
        (lambda task, template, queries, documents: task["instruction"], "Your code stopped with TypeError"),
        (never_ends, "Does a loop in it never end"),
    ],
    "q5": [
        (
            on_the_map,
            "You trusted the map",
            "Side by side on the map is taken for similar; a map keeps neighbours, not how far apart groups are.",
        ),
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
        (
            by(np.sum),
            "A large group has a large sum",
            "Sums are compared though the groups differ in size, so that the largest group wins.",
        ),
        (by(np.max), "One pair of texts", "The closest two texts are thought to speak for their groups."),
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
        (closest_point, "You trusted the map"),
        (with_itself, "closest to itself"),
        (closest_text, "the one text that is closest"),
        (mean_distance, "That is the mean distance"),
        (by(lambda cosines: cosines.max(axis=1).mean()), "Of each text only the closest"),
        (by(lambda cosines: cosines.shape[1]), "the largest of the other groups"),
        (by(lambda cosines: (cosines**2).mean()), "of all pairs"),
        (by(lambda cosines: cosines.sum() / np.sqrt(cosines.shape[1])), "of all pairs"),
        (lambda vectors, points, labels, group: min(others_of(labels, group)), "of all pairs"),
        (lambda vectors, points, labels, group: random.choice(others_of(labels, group)), "of a test set"),
        (lambda vectors, points, labels, group: 3, "should return a string"),
        (lambda *arguments: print(group_means(*arguments)), "Does it end with `return"),
        (scaled, "in place"),
        (lambda vectors, points, labels, group: vectors[group], "Your code stopped with IndexError"),
        (never_ends, "Does a loop in it never end"),
    ],
}

EQUIVALENT = {
    "q3": {
        "nearest = np.argsort(-similarity)[:, :k]": "the last axis is what argsort sorts along if none is said",
        "np.fill_diagonal(similarity, -1e309)": "a number too large for a float is infinite",
    },
    "q4": {"return (asked, documents)": "the same list in place of a copy: its texts are the same"},
    "q5": {
        "others = [other for other in dict.fromkeys(labels) if other != group]": "NumPy's strings are strings as well"
    },
}
