"""Checkers for lesson 3. Each tries the student's function on small inputs and names the first thing that is off."""

from collections import Counter

import numpy as np

from course_utils.data import Task
from course_utils.teaching.checks.asserts import NotYet, call, require

_TEMPLATE = "Instruct: {instruction}\nQuery:"


def check_build_prompt(function) -> None:
    """A function of a template, an instruction and a text."""
    right = "Instruct: Name the animal\nQuery:A hen."
    answer = call(function, _TEMPLATE, "Name the animal", "A hen.")
    require(isinstance(answer, str), f"build_prompt should return a string, not {type(answer).__name__}.")
    require("{instruction}" not in answer, "The template still holds {instruction}. Replace it with the words.")
    require(
        answer != right.replace("Query:", "Query: "),
        "There is a space after 'Query:' that the template does not have. Add the text without anything in between.",
    )
    require(answer != right.removesuffix("A hen."), "The text is missing behind the prompt.")
    require(answer.startswith("Instruct:"), "The prompt stands first, the text after it.")
    require("\n" in answer, "The line break of the template got lost.")
    require(answer == right, f"For a test template the model should read {right!r}, not {answer!r}.")
    alone = call(function, _TEMPLATE, "", "A hen.")
    require(
        alone == "A hen.", f"Without an instruction the model reads the text alone, 'A hen.'; yours reads {alone!r}."
    )
    untaught = call(function, "", "Name the animal", "A hen.")
    require(
        untaught != "A hen.", "With an empty template the instruction gets lost. Put it in front, on a line of its own."
    )
    require(
        untaught == "Name the animal\nA hen.",
        f"With an empty template the model should read 'Name the animal\\nA hen.', not {untaught!r}.",
    )
    braces = call(function, _TEMPLATE, "Name the {animal}", "{hen}")
    require(
        braces == "Instruct: Name the {animal}\nQuery:{hen}",
        f"Curly brackets in an instruction or a text are ordinary characters; yours reads {braces!r}.",
    )


def check_put_instruction(function) -> None:
    """A function of a task, a template, queries and documents."""
    queries, documents = ["How?", "Why?"], ["So.", "Because.", "Never."]
    prompt = "Instruct: Find it\nQuery:"
    asked = [prompt + query for query in queries]
    for side, expected in (("query", documents), ("text", [prompt + document for document in documents])):
        answer = call(function, Task("test", "Find it", side), _TEMPLATE, list(queries), list(documents))
        require(
            isinstance(answer, tuple | list) and len(answer) == 2,
            "put_instruction should return two lists: the queries and the documents.",
        )
        first, second = (list(part) for part in answer)
        require(
            (first, second) != (expected, asked), "The two lists are in the wrong order: queries first, then documents."
        )
        require(not (side == "query" and first == queries), "With side 'query' the queries must carry the instruction.")
        require(
            not (side == "query" and second != documents and first == asked),
            "With side 'query' the documents stay as they are: they are embedded once, for every kind of query.",
        )
        require(
            not (side == "text" and second == documents), "With side 'text' the documents get the instruction as well."
        )
        require(not (side == "text" and first == queries), "With side 'text' the queries get the instruction as well.")
        require(
            first == asked and second == expected,
            f"With side {side!r} the model should read {asked[0]!r} and {expected[0]!r}; yours reads {first[0]!r} "
            f"and {second[0]!r}.",
        )


def check_effect(function) -> None:
    """A function of two (n, dim) arrays of unit vectors, n labels and k."""
    generator = np.random.default_rng(11)
    labels = np.array(["a", "b", "c"] * 8)
    before = generator.normal(size=(24, 6))
    after = before + 1.2 * np.eye(6)[np.tile([0, 1, 2], 8)]
    before, after = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (before, after))
    for k in (5, 3):

        def share(vectors, own=0, sign=-1, k=k):
            similarity = vectors @ vectors.T
            if not own:
                np.fill_diagonal(similarity, sign * np.inf)
            nearest = np.argsort(sign * similarity, axis=1)[:, :k]
            return (labels[nearest] == labels[:, None]).mean()

        answer = call(function, before.copy(), after.copy(), list(labels), k)
        try:
            value = float(answer)
        except (TypeError, ValueError):
            raise NotYet("effect should return one number, the mean over all texts.") from None
        right = share(after) - share(before)
        if abs(value - right) < 1e-9:
            continue
        off = {
            "The sign is turned round: after minus before.": -right,
            "Every text is counted among its own neighbours. Leave it out before you sort.": (
                share(after, own=1) - share(before, own=1)
            ),
            "That is the share after. Subtract the share before.": share(after),
            "That is a number of neighbours. Divide it by k for a share.": k * right,
            "These are the least similar texts. argsort puts the smallest first.": (
                share(after, own=1, sign=1) - share(before, own=1, sign=1)
            ),
        }
        for message, wrong in off.items():
            require(abs(value - wrong) > 1e-9, message)
        raise NotYet(f"For k = {k} the share rises by {right:.3f} on a test array; your function says {value:.3f}.")


def check_scrambled(function) -> None:
    """A function of an instruction and a seed."""
    instruction = "Name the animal that the text is about and the place where it lives"
    words = instruction.split()
    results = []
    for seed in range(4):
        answer = call(function, instruction, seed)
        require(isinstance(answer, str), f"scrambled should return a string, not {type(answer).__name__}.")
        require(answer != instruction, f"With seed {seed} the words are still in the old order.")
        require(
            Counter(answer.replace(" ", "")) != Counter(instruction.replace(" ", "")) or len(answer.split()) > 1,
            "Separate the words by single spaces.",
        )
        require(
            set(answer.split()) == set(words) or Counter(answer) != Counter(instruction),
            "The letters are mixed, not the words. A word must stay whole.",
        )
        require(
            Counter(answer.split()) == Counter(words),
            "Every word must come as often as before: 'the' stands several times in the test instruction.",
        )
        require(answer == " ".join(answer.split()), "Separate the words by single spaces, none at the ends.")
        results.append(answer)
    require(len(set(results)) > 1, "Every seed gives the same order. Draw it with np.random.default_rng(seed).")
    require(
        call(function, instruction, 2) == results[2],
        "The same seed gives another order the second time, so nobody could repeat your control.",
    )
    short = [call(function, "yes no", seed) for seed in range(8)]
    require(
        set(short) == {"no yes"},
        "For an instruction of two words some seeds leave the old order. Draw again until it differs.",
    )


def check_closest_group(function) -> None:
    """A function of (n, dim) unit vectors, (n, 2) points, labels and a group."""
    generator = np.random.default_rng(4)
    centres = {"cats": [1, 0.1, 0, 0], "dogs": [0.9, 0.5, 0.1, 0], "cars": [0, 0.3, 1, 0], "tax": [-0.6, 0, 0.2, 1]}
    places = {"cats": [0, 0], "dogs": [9, 9], "cars": [1, 0], "tax": [-9, 4]}  # drawn beside each other: cats and cars
    labels = np.repeat(list(centres), [9, 8, 7, 6])
    vectors = np.array([centres[label] for label in labels]) + 0.1 * generator.normal(size=(30, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    points = np.array([places[label] for label in labels]) + 0.1 * generator.normal(size=(30, 2))
    for group, right in (("cats", "dogs"), ("dogs", "cats")):
        answer = call(function, vectors.copy(), points.copy(), labels.copy(), group)
        require(np.ndim(answer) == 0, "closest_group should return the name of one group.")
        require(answer != group, f"{group!r} is closest to itself, of course. Leave it out.")
        require(
            not (group == "cats" and answer == "cars"),
            "You trusted the map: 'cars' are drawn beside 'cats', but their vectors are far apart. Use the vectors.",
        )
        require(answer != "tax", "That is the group that is least similar. Look for the largest mean cosine.")
        require(answer == right, f"For {group!r} of a test set it is {right!r}; your function says {str(answer)!r}.")
    strings = call(function, vectors.copy(), points.copy(), list(labels), "cats")
    require(strings == "dogs", "Labels may come as a plain list: np.asarray(labels) lets you compare them.")


EXERCISES = {
    "q1": (
        check_build_prompt,
        (
            "Three cases: no instruction, a template, no template. Deal with the first one at once.",
            'template.replace("{instruction}", instruction) fills the words in; then + text, and nothing in between.',
        ),
        "To the byte what the model was trained to read.",
    ),
    "q2": (
        check_put_instruction,
        (
            "Build the prompt once from template and task.instruction. The queries get it in both cases.",
            "Only task.side decides about the documents: 'text' puts the prompt before each, 'query' leaves them.",
        ),
        "Documents without an instruction can be embedded once and searched in many ways.",
    ),
    "q3": (
        check_effect,
        (
            "Write the share for one set of vectors first: similarities, the k nearest others, own labels.",
            "np.fill_diagonal(similarity, -np.inf) leaves each text out; labels[nearest] == labels[:, None] compares.",
        ),
        "New neighbours are no proof; neighbours of the right kind are.",
    ),
    "q4": (
        check_scrambled,
        (
            "np.random.default_rng(seed).permutation(words) draws an order of a list of words.",
            "While the drawn order is the old one, draw again from the same generator; mind a list of equal words.",
        ),
        "The same words without the sense: what such a control gains, no sentence was needed for.",
    ),
    "q5": (
        check_closest_group,
        (
            "The points are there to tempt you. Cosines between the rows of two groups are vectors_a @ vectors_b.T.",
            "Take the mean of that product for each other group, and return the name with the largest one.",
        ),
        "The map raised the question, the vectors answered it.",
    ),
}
