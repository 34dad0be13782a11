"""Checkers for lesson 3. Each tries the student's function on small inputs and names the first thing that is off."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from course_utils.data import Task
from course_utils.teaching.checks.asserts import NotYet, call, items, number, require, word
from course_utils.teaching.checks.compare import about, close, flat

_TEMPLATE = "Instruct: {instruction}\nQuery:"
_STRIPPED = "Blanks and line breaks belong to a template, an instruction and a text: nothing may be stripped or added."
_GLUED = "Between 'Query:' and the text stands something that the template does not have. Add the text right behind it."
_OWN_LINE = "With an empty template the instruction stands on a line of its own."
# template, instruction and text; what the model reads; what else an answer may give, and what is off then
_PROMPTS: tuple[tuple[tuple[str, str, str], str, dict[str, str]], ...] = (
    (
        (_TEMPLATE, "Name the animal", "A hen."),
        "Instruct: Name the animal\nQuery:A hen.",
        {
            "Instruct: Name the animal\nQuery: A hen.": f"There is a space after 'Query:'. {_GLUED}",
            "Instruct: Name the animal\nQuery:\nA hen.": f"There is a line break after 'Query:'. {_GLUED}",
            "Instruct: {instruction}\nQuery:A hen.": "The template still holds {instruction}: fill in the words.",
            "Instruct: Name the animal\nQuery:": "The text is missing behind the prompt.",
            "A hen.Instruct: Name the animal\nQuery:": "The prompt stands first, the text after it.",
            "Instruct: Name the animal Query:A hen.": "The line break of the template got lost.",
            "Instruct: A hen.\nQuery:Name the animal": "The instruction and the text have changed places.",
            "Name the animal\nA hen.": "The template is not used, and there is one here.",
            "A hen.": "The instruction is lost, and there is one here.",
        },
    ),
    (
        ("Text for {instruction}: ", " finding birds", "  Two hens.\n"),
        "Text for  finding birds:   Two hens.\n",
        {
            "Instruct:  finding birds\nQuery:  Two hens.\n": "Use the template that is passed in: here it begins with "
            "'Text for'."
        },
    ),
    (
        (_TEMPLATE, "", "A hen.\n"),
        "A hen.\n",
        {
            "Instruct: \nQuery:A hen.\n": "Without an instruction the model reads the text alone: no template either.",
            "\nA hen.\n": "Without an instruction there is no line for it either: the text alone.",
        },
    ),
    (
        ("", "Name the animal", " A hen."),
        "Name the animal\n A hen.",
        {
            " A hen.": "With an empty template the instruction gets lost. Put it in front, on a line of its own.",
            "Name the animal A hen.": _OWN_LINE,
            "Name the animal  A hen.": _OWN_LINE,
            " A hen.\nName the animal": "The instruction stands in front, also where the template is empty.",
            "Instruct: Name the animal\nQuery: A hen.": "The template is empty here: this model was never taught words "
            "like 'Instruct:' and 'Query:'.",
        },
    ),
    (
        ("", "", "A hen."),
        "A hen.",
        {"\nA hen.": "Without an instruction there is no line for it either, also where the template is empty."},
    ),
)


def check_build_prompt(function) -> None:
    """A function of a template, an instruction and a text."""
    for (template, instruction, text), right, mistakes in _PROMPTS:
        answer = word(call(function, template, instruction, text), "build_prompt")
        blanks = "".join(answer.split()) == "".join(right.split())
        require(
            answer == right,
            mistakes.get(answer)
            or (_STRIPPED + " " if blanks else "")
            + f"For the template {template!r}, the instruction {instruction!r} and the text {text!r} the model should "
            f"read {right!r}, not {answer!r:.80}.",
        )
    with about("Curly brackets in an instruction or a text are ordinary characters."):
        answer = word(call(function, _TEMPLATE, "Name the {animal}", "{hen} {instruction}"), "build_prompt")
        right = "Instruct: Name the {animal}\nQuery:{hen} {instruction}"
        require(answer == right, f"With some of them yours gives {answer!r:.80}.")


def check_put_instruction(function) -> None:
    """A function of a task, a template, queries and documents."""
    name = "put_instruction"
    for template, instruction, queries, documents in (
        (_TEMPLATE, "Find it", ["How?", "Why?"], ["So.", "Because.", "Never."]),
        ("{instruction}: ", "Say more", [" Who {is}?", "When?", "What?", "How?"], ["Me.\n"]),
    ):
        prompt = template.replace("{instruction}", instruction)
        asked, told = ([prompt + text for text in texts] for texts in (queries, documents))
        for side in ("query", "text"):
            with about("Curly brackets in a query are ordinary characters." if "{" in queries[0] else ""):
                answer = call(function, Task("test", instruction, side), template, queries, documents)
            answer = items(answer, name, "two lists, the queries and the documents")
            require(len(answer) == 2, f"{name} should return two lists, the queries and the documents.")
            parts = tuple(flat(part, name, "texts on each side") for part in answer)
            right = (asked, documents if side == "query" else told)
            mistakes = (
                (right[::-1], "The two lists are in the wrong order: queries first, then documents."),
                ((queries, documents), f"With side {side!r} the queries must carry the instruction."),
                ((queries, told), f"With side {side!r} the queries get the instruction as well."),
                ((asked, told), "With side 'query' the documents stay as they are: embedded once for all queries."),
                ((asked, documents), "With side 'text' the documents get the instruction as well."),
            )
            for wrong, message in mistakes:
                require(parts == right or parts != wrong, message)
            for part, expected in zip(parts, right, strict=True):
                require(len(part) == len(expected), f"{len(expected)} texts came in on one side, {len(part)} went out.")
                for given, wanted in zip(part, expected, strict=True):
                    require(given == wanted, f"With side {side!r} the model should read {wanted!r}, not {given!r:.80}.")


def _share(vectors: np.ndarray, labels: np.ndarray, k: int, own: float = -np.inf, sign: int = -1) -> float:
    """Share of neighbours of the own label; a text's similarity to itself and the order are to choose."""
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, own)
    nearest = np.argsort(sign * similarity, axis=1)[:, :k]
    return (labels[nearest] == labels[:, None]).mean()


def _moved(groups: Sequence[int], dim: int, shift: float, seed: int) -> list[np.ndarray]:
    """Random unit vectors, and the same after a step towards a direction of their group."""
    before = np.random.default_rng(seed).normal(size=(len(groups), dim))
    both = before, before + shift * np.eye(dim)[list(groups)]
    return [vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in both]


def check_effect(function) -> None:
    """A function of two (n, dim) arrays of unit vectors, n labels and k."""
    cases = (
        ([0, 1, 2, 0, 1, 0] * 4, 6, 1.2, 5),
        ([0, 1, 1, 0, 1, 2, 2, 0, 1, 1, 0, 2, 1, 1, 0, 1, 1], 4, -1.5, 3),  # the share falls
        ([0, 1, 1, 0, 1, 0, 1], 5, 0.9, 5),  # many cosines are below zero
        ([0, 1, 2, 0, 1, 0, 1, 1, 2], 3, 1.0, 1),
    )
    for groups, dim, shift, k in cases:
        before, after = _moved(groups, dim, abs(shift), seed=dim)[:: 1 if shift > 0 else -1]
        labels, n = np.array(["a", "b", "c"])[groups], len(groups)
        value = number(call(function, before, after, labels, k), "effect")

        def gain(k=k, before=before, after=after, labels=labels, **how) -> float:
            return _share(after, labels, k, **how) - _share(before, labels, k, **how)

        right, start, end = gain(), _share(before, labels, k), _share(after, labels, k)
        mistakes = {
            "The sign is turned round: after minus before."
            if right > 0
            else "Here the share falls, so the effect is below zero: do not take its size.": -right,
            "Every text is counted among its own neighbours. Leave it out before you sort.": gain(own=1),
            "With 0 on the diagonal a text still comes before all those whose cosine is below zero.": gain(own=0),
            "These are the least similar texts. argsort puts the smallest first.": gain(own=1, sign=1),
            "These are the least similar texts and each text itself. argsort puts the smallest first.": gain(sign=1),
            "That is the share after. Subtract the share before.": end,
            "That is the share before. Subtract it from the share after.": start,
            "That is a quotient. By how much the share rises is a difference.": end / start,
            "That is the rise relative to the share before. Only the difference is asked for.": end / start - 1,
            "That is a number of neighbours. Divide it by k for a share.": k * right,
            "That is a sum over the texts. Take the mean.": n * right,
            "That is the number of all such neighbours. Divide it by how many there are.": n * k * right,
            "That is a percentage. Leave the share between 0 and 1.": 100 * right,
            "You take k + 1 neighbours. Where does your slice end?": gain(k=k + 1),
            "You take k − 1 neighbours. Where does your slice end?": gain(k=max(k - 1, 1)),
        }
        close(
            value,
            right,
            mistakes,
            f"For {n} texts and k = {k} the share changes by {right:+.3f} here; your function says {value:+.3f}.",
        )
    with about("Labels may come as a plain list: np.asarray(labels) lets you compare and index them."):
        value = number(call(function, before, after, labels.tolist(), k), "effect")
        close(value, right, {}, f"With a list your function says {value:.3f} in place of {right:.3f}.")


def check_scrambled(function) -> None:
    """A function of an instruction and a seed."""
    instruction = "Name the animal that the text is about and the place where it lives"
    results = [_in_new_order(function, instruction, seed) for seed in range(12)]
    require(len(set(results)) > 1, "Every seed gives the same order. Draw it with np.random.default_rng(seed).")
    require(len(set(results)) > 6, "Twelve seeds give hardly any different orders. Draw among all orders of the words.")
    require(
        [call(function, instruction, seed) for seed in range(3)] == results[:3],
        "The same seed gives another order the second time, so nobody could repeat your control.",
    )
    two = "For an instruction of two words some seeds leave the old order. Draw again until it differs."
    same = "Two equal words changed places, so it reads as before. Compare the words, not their positions."
    for seed in range(30):
        _in_new_order(function, "Yes, no", seed, two)
        _in_new_order(function, "no no yes", seed, same)
    for alone in ("no no no", "Summarize"):
        with about(f"{alone!r} has one order only, so it stays as it is."):
            answer = word(call(function, alone, 1), "scrambled")
            require(answer == alone, f"Your function gives {answer!r:.80}.")


def _in_new_order(function, instruction: str, seed: int, unchanged: str = "") -> str:
    """Return an answer, which has all the words in another order."""
    answer = word(call(function, instruction, seed), "scrambled")
    require(answer != instruction, unchanged or f"With seed {seed} the words are still in the old order.")
    before, after = Counter(instruction.split()), Counter(answer.split())
    if after != before:
        letters = Counter(re.findall(r"\w", answer)) == Counter(re.findall(r"\w", instruction))
        glued = len(after) == 1 or Counter(re.findall(r"\w+", answer)) == Counter(re.findall(r"\w+", instruction))
        require(not (letters and glued), "Separate the words by single spaces, and leave each word as it is.")
        require(not letters, "The letters are mixed, not the words. A word must stay whole.")
        other = next((each for each in before if after[each] != before[each]), "")
        raise NotYet(
            f"Every word must come as often as before: {other!r} came {before[other]} times in {instruction!r} and "
            f"comes {after[other]} times in yours, {answer!r:.80}."
        )
    require(answer == " ".join(answer.split()), "Separate the words by single spaces, none at the ends.")
    return answer


# of each group: the directions of its texts in degrees, where it is drawn, and what an answer that names it did
_MAP: dict[str, tuple[list[float], list[float], str]] = {
    "cats": ([0, 10], [0, 0], ""),
    "dogs": ([20, 35, 65], [9, 9], ""),
    "cars": (
        [118, 120, 125],
        [1, 0],
        "You trusted the map: 'cars' are drawn beside 'cats', but their vectors are far apart. Use the vectors.",
    ),
    "plants": ([60, 62, 64, 66, 68, 70, 72] * 3, [5, -6], "A large group has a large sum: take the mean."),
    "birds": ([10, 110, 120], [-7, 2], "One pair of texts is close, the others are not: take the mean over all pairs."),
    "bees": (
        [4, 5, 6, 170, 175],
        [-5, -5],
        "Some of its texts are close, some point away: take the mean, with the signs.",
    ),
    "hats": ([50, 50], [4, 8], "You compare the least similar texts of two groups. Take the mean over all pairs."),
    "fish": (
        [-55, 65],
        [-8, 8],
        "The mean vector of 'fish' points to 'cats', but its texts point to both sides of them. Take the mean of the "
        "cosines of all pairs, and divide by no length.",
    ),
    "tax": ([135, 140, 150], [-9, 4], "That is the group that is least similar. Look for the largest mean cosine."),
}
_FAR: dict[str, tuple[list[float], list[float], str]] = {
    "ice": ([0, 5], [0, 0], ""),
    "sun": ([178, 185], [7, 7], "A cosine near −1 is as far as it gets. Take the cosines with their signs."),
    "fire": ([100, 115], [9, 9], ""),
    "ash": ([140, 150, 155], [0, 1], "You trusted the map: 'ash' is only drawn beside 'ice'. Use the vectors."),
}


def _drawn(groups: dict, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors, points on a map and labels of the texts of some groups, in any order."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(list(groups), [len(angles) for angles, *_ in groups.values()]))
    angles, points = np.empty(len(labels)), np.empty((len(labels), 2))
    for group, (directions, place, _) in groups.items():
        angles[labels == group] = np.deg2rad(directions)
        points[labels == group] = place + 0.1 * generator.normal(size=(len(directions), 2))
    return np.column_stack([np.cos(angles), np.sin(angles), np.zeros(len(labels))]), points, labels


def check_closest_group(function) -> None:
    """A function of (n, dim) unit vectors, (n, 2) points, labels and a group."""
    cases = ((_MAP, "cats", "dogs"), (_FAR, "ice", "fire"), (_MAP, "tax", "cars"))
    for seed, (groups, group, right) in enumerate(cases):
        vectors, points, labels = _drawn(groups, seed)
        with about("All other groups may have a mean cosine below zero." if groups is _FAR else ""):
            answer = word(call(function, vectors, points, labels, group), "closest_group")
        require(answer in groups, f"closest_group should return one of the labels, not {answer!r:.80}.")
        require(answer != group, f"{group!r} is closest to itself, of course. Leave it out.")
        told = groups[answer][2] if group in ("cats", "ice") else ""
        require(answer == right, told or f"For {group!r} of a test set it is {right!r}; your function says {answer!r}.")
    with about("Labels may come as a plain list: np.asarray(labels) lets you compare them."):
        answer = word(call(function, vectors, points, labels.tolist(), group), "closest_group")
        require(answer == right, f"With a list your function says {answer!r:.80} in place of {right!r}.")


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
