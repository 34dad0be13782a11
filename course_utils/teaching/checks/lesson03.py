"""Checkers for lesson 3. Each tries the student's function on small inputs and names the first thing that is off."""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from course_utils.data import Task
from course_utils.teaching.checks.asserts import NotYet, call, items, number, require, word
from course_utils.teaching.checks.compare import about, close, flat

_TEMPLATE = "Instruct: {instruction}\nQuery:"
_STRIPPED = "Blanks and line breaks belong to a template, an instruction and a text: nothing may be stripped or added."
_LETTERS = "Capital letters stay as they are: to a model they are other characters. "
_GLUED = "Between 'Query:' and the text stands something that the template does not have. Add the text right behind it."
_OWN_LINE = "With an empty template the instruction stands on a line of its own."
_BLANK = 'Blanks alone are an instruction as well, and nothing is stripped: only "" is none.'
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
            "Name the animalA hen.": "The template is not used, and there is one here.",
            "Instruct: {Name the animal}\nQuery:A hen.": "The curly brackets of {instruction} are replaced as well.",
            "A hen.": "The instruction is lost, and there is one here.",
        },
    ),
    (
        ("\n Text for {instruction}: ", " finding birds ", "  Two hens.\n"),
        "\n Text for  finding birds :   Two hens.\n",
        {
            "Instruct:  finding birds \nQuery:  Two hens.\n": "Use the template that is passed in: here it holds "
            "'Text for'."
        },
    ),
    (
        (_TEMPLATE, "", " A hen.\n"),
        " A hen.\n",
        {
            "Instruct: \nQuery: A hen.\n": "Without an instruction the model reads the text alone: no template either.",
            "\n A hen.\n": "Without an instruction there is no line for it either: the text alone.",
        },
    ),
    (
        ("", " Name it\n", " A hen. "),
        " Name it\n\n A hen. ",
        {
            " A hen. ": "With an empty template the instruction gets lost. Put it in front, on a line of its own.",
            " Name it\n A hen. ": _OWN_LINE,
            " Name it\n  A hen. ": _OWN_LINE,
            " A hen. \n Name it\n": "The instruction stands in front, also where the template is empty.",
            "Instruct:  Name it\n\nQuery: A hen. ": "The template is empty here: this model was never taught words "
            "like 'Instruct:' and 'Query:'.",
        },
    ),
    (
        ("", "", " A hen."),
        " A hen.",
        {"\n A hen.": "Without an instruction there is no line for it either, also where the template is empty."},
    ),
    ((_TEMPLATE, " ", "A hen."), "Instruct:  \nQuery:A hen.", {"A hen.": _BLANK}),
    (("", "\n", "A hen."), "\n\nA hen.", {"A hen.": _BLANK}),
)


def _kept(answer: str, right: str) -> str:
    """What is off where an answer differs from the right one in blanks or in capital letters alone."""
    if "".join(answer.split()) == "".join(right.split()):
        return _STRIPPED + " "
    return _LETTERS if answer.lower() == right.lower() else ""


def check_build_prompt(function) -> None:
    """A function of a template, an instruction and a text."""
    for (template, instruction, text), right, mistakes in _PROMPTS:
        nothing = "" if instruction else "Without an instruction yours returns None. It is the text alone then."
        answer = word(call(function, template, instruction, text, nothing=nothing), "build_prompt")
        require(
            answer == right,
            mistakes.get(answer)
            or _kept(answer, right)
            + f"For the template {template!r}, the instruction {instruction!r} and the text {text!r} the model should "
            f"read {right!r}, not {answer!r:.80}.",
        )
    with about("A backslash is an ordinary character: replace() takes it as it is, and re.sub() does not."):
        answer = word(call(function, _TEMPLATE, r"Name it \g<0> \n", "A hen."), "build_prompt")
        require(answer == "Instruct: Name it \\g<0> \\n\nQuery:A hen.", f"With one yours gives {answer!r:.80}.")
    with about("Curly brackets in an instruction or a text are ordinary characters."):
        answer = word(call(function, _TEMPLATE, "Name the {animal}", "{hen} {instruction}"), "build_prompt")
        right = "Instruct: Name the {animal}\nQuery:{hen} {instruction}"
        require(answer == right, f"With some of them yours gives {answer!r:.80}.")


_NOTHING_JOINED = (
    "Your function returns None. Does it end with `return …`? And mind that shuffle() mixes a list in place and gives "
    'nothing back: after it, return " ".join(words).'
)
_SAME_AGAIN = (
    " If it draws until the order is another: a generator that is made anew from the same seed draws the same order "
    "again. Make it once, before the loop."
)


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
    behind = set(itertools.pairwise(instruction.split()))
    kept = [len(behind.intersection(itertools.pairwise(result.split()))) for result in results]
    require(
        np.mean(kept) < 5,
        "Most words still stand behind the same word as before (a few were swapped, or the row was turned), so much of "
        "the sense is left. Draw among all orders.",
    )
    two = "For an instruction of two words some seeds leave the old order. Draw again until it differs."
    same = "Two equal words changed places, so it reads as before. Compare the words, not their positions."
    back = "Of words that read the same backwards some orders are the old one. Draw again until it differs."
    blanks = (
        "Between words there may be several blanks or line breaks: split() without an argument drops all. Then compare "
        "the words, not the whole strings."
    )
    for words, unchanged in (("Yes, no", two), ("no no yes", same), ("no yes no", back), (" Yes,\n  no ", blanks)):
        for seed in range(30):
            _in_new_order(function, words, seed, unchanged)
    for alone in ("no no no", "Summarize", " no  no "):
        with about(f"{alone!r} has one order only, so its words stay where they are, with single spaces."):
            answer = word(call(function, alone, 1, nothing=_NOTHING_JOINED), "scrambled")
            require(answer == " ".join(alone.split()), f"Your function gives {answer!r:.80}.")


def _in_new_order(function, instruction: str, seed: int, unchanged: str = "") -> str:
    """Return an answer, which has all the words in another order."""
    try:
        answer = word(call(function, instruction, seed, nothing=_NOTHING_JOINED), "scrambled")
    except NotYet as finding:
        raise NotYet(f"{finding}{_SAME_AGAIN if 'never end' in str(finding) else ''}") from None
    require(
        answer.split() != instruction.split(),
        unchanged or f"With seed {seed} the words are still in the old order: that is the instruction, and no control.",
    )
    before, after = Counter(instruction.split()), Counter(answer.split())
    if after != before:
        letters = Counter(re.findall(r"\w", answer)) == Counter(re.findall(r"\w", instruction))
        glued = len(after) == 1 or Counter(re.findall(r"\w+", answer)) == Counter(re.findall(r"\w+", instruction))
        require(not (letters and glued), "Separate the words by single spaces, and leave each word as it is.")
        require(not letters, "The letters are mixed, not the words. A word must stay whole.")
        require(Counter(answer.lower().split()) != Counter(instruction.lower().split()), _LETTERS.strip())
        other = next((each for each in before if after[each] != before[each]), "")
        raise NotYet(
            f"A control keeps the words, so each must come as often as before: {other!r} came {before[other]} times in "
            f"{instruction!r} and comes {after[other]} times in yours, {answer!r:.80}."
        )
    require(
        answer == " ".join(answer.split()),
        "Separate the words by single spaces, none at the ends. split() alone drops all.",
    )
    return answer


def _nearest(vectors: np.ndarray, k: int, own: float = -np.inf, sign: int = -1, other=None) -> np.ndarray:
    """Neighbours; a text's similarity to itself, the order and the space of the neighbours are to choose."""
    similarity = vectors @ (vectors if other is None else other).T
    np.fill_diagonal(similarity, own)
    return np.argsort(sign * similarity, axis=1)[:, :k]


def _share(vectors: np.ndarray, labels: np.ndarray, k: int, **how) -> float:
    """Share of neighbours of the own label."""
    return (labels[_nearest(vectors, k, **how)] == labels[:, None]).mean()


def _new(before: np.ndarray, after: np.ndarray, k: int) -> float:
    """Share of neighbours that were none before."""
    both = zip(_nearest(before, k), _nearest(after, k), strict=True)
    return float(np.mean([len(set(now) - set(then)) / k for then, now in both]))


def _moved(groups: Sequence[int], dim: int, shift: float, seed: int) -> list[np.ndarray]:
    """Random unit vectors, and the same after a step towards a direction of their group."""
    before = np.random.default_rng(seed).normal(size=(len(groups), dim))
    both = before, before + shift * np.eye(dim)[list(groups)]
    return [vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in both]


def _effect(before: np.ndarray, after: np.ndarray, labels: np.ndarray, k: int) -> tuple[float, dict[str, float]]:
    """Give the effect, and what the usual mistakes give in its place."""
    n = len(labels)

    def gain(k: int = k, **how) -> float:
        return _share(after, labels, k, **how) - _share(before, labels, k, **how)

    right, start, end = gain(), _share(before, labels, k), _share(after, labels, k)
    return right, {
        "The sign is turned round: the share of neighbours with the same label after, minus that before."
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
        "Yours is 0, and there is an effect. Do you measure the same vectors twice, or cut off what is below 0?": 0,
        "That is the share of new neighbours, and any words bring new ones. Count those with the text's own label.": (
            _new(before, after, k)
        ),
        "Before and after are two spaces: look for neighbours within each, not from one in the other.": (
            _share(before, labels, k, other=after) - start
        ),
        "Here k is 1 with you. Use the k that is passed in.": gain(k=1),
        "Here k is 10 with you. Use the k that is passed in.": gain(k=10),
        "Return the difference as it is, without rounding it.": round(right, 2),
    }


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
        right, mistakes = _effect(before, after, labels, k)
        close(
            value,
            right,
            mistakes,
            f"For {n} texts and k = {k} the share changes by {right:+.3f} here; your function says {value:+.3f}.",
        )
    apart = _moved([0, 1] * 7, 4, 1.0, seed=2)[0]
    paired = np.repeat(apart[:7], 2, axis=0)
    own = np.array(["a", "b", "c", "b", "c", "a", "a", "c", "b", "a", "c", "b", "a", "b"])
    told = "Texts may come twice: which of the two stands first is chance, so the first place is not always the text "
    with about(told + "itself. Leave each out by its position."):
        value, change = number(call(function, apart, paired, own, 3), "effect"), _effect(apart, paired, own, 3)[0]
        close(value, change, {}, f"Here the share changes by {change:+.3f}; your function says {value:+.3f}.")
    with about("Labels may come as a plain list: np.asarray(labels) lets you compare and index them."):
        value = number(call(function, before, after, labels.tolist(), k), "effect")
        close(value, right, {}, f"With a list your function says {value:.3f} in place of {right:.3f}.")


def check_put_instruction(function) -> None:
    """A function of a task, a template, queries and documents."""
    name = "put_instruction"
    for template, instruction, queries, documents in (
        (_TEMPLATE, "Find it", ["How?", "Why?"], ["So.", "Because.", "Never."]),
        ("{instruction}: ", "Say more", [" Who {instruction}?", "When?", "What?", "How?"], ["Me.\n"]),
    ):
        prompt = template.replace("{instruction}", instruction)
        asked, told = ([prompt + text for text in texts] for texts in (queries, documents))
        for side in ("query", "text"):
            with about("Curly brackets in a text are ordinary characters." if "{" in queries[0] else ""):
                nothing = f"With side {side!r} yours returns None. Does it end with `return …` in both cases?"
                task = Task("a name", instruction, side)
                answer = call(function, task, template, queries, documents, nothing=nothing)
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
            for part, expected, texts in zip(parts, right, (queries, documents), strict=True):
                require(len(part) == len(expected), f"{len(expected)} texts came in on one side, {len(part)} went out.")
                for given, wanted, text in zip(part, expected, texts, strict=True):
                    named = {
                        text + prompt: "The prompt stands before a text, not behind it. ",
                        template + text: "The template still holds {instruction}: fill in the task's words. ",
                        template.replace("{instruction}", "a name") + text: "That is task.name. Its words are "
                        "task.instruction. ",
                        instruction + "\n" + text: "There is a template here, and it is not used. ",
                        wanted.replace(
                            "{instruction}", instruction
                        ): "Curly brackets in a text are ordinary characters: "
                        "fill in the template first, then add the text. ",
                    }
                    require(
                        given == wanted,
                        (named.get(given) or _kept(str(given), wanted))
                        + f"With side {side!r} the model should read {wanted!r}, not {given!r:.80}.",
                    )


# of each group: the directions of its texts in degrees, and where it is drawn
_MAP: dict[str, tuple[list[float], list[float]]] = {
    "cats": ([-30, 0, 10, 50], [0, 0]),
    "dogs": ([20, 35, 65], [9, 9]),
    "cars": ([118, 120, 125], [1, 0]),  # drawn beside the cats
    "plants": ([60, 62, 64, 66, 68, 70, 72] * 3, [5, -6]),  # many
    "birds": ([10, 110, 120], [-7, 2]),  # of which one is close to the cats
    "bees": ([4, 5, 6, 150, 175], [-5, -5]),  # of which some point away
    "hats": ([50, 50], [4, 8]),
    "fish": ([-55, 64], [-8, 8]),  # whose mean vector is short
    "tax": ([135, 140, 150], [-9, 4]),
}
_FAR: dict[str, tuple[list[float], list[float]]] = {  # all of them from the ice
    "ice": ([-30, 0, 40], [0, 0]),
    "sun": ([178, 185], [7, 7]),
    "fire": ([100, 115], [9, 9]),
    "ash": ([140, 150, 155], [0, 1]),
}
_MIXED: dict[str, tuple[list[float], list[float]]] = {  # where nearly every text counts
    name: (np.random.default_rng(i).uniform(0, 360, size=24 - i).tolist(), [i, -i * (-1) ** i])
    for i, name in enumerate(("oak", "elm", "fir", "ivy", "fern", "moss", "reed", "rose"))
}
_TRUSTED = "You trusted the map: what is drawn side by side may be far apart. Use the vectors."
_ALL_PAIRS = "Take the mean of the cosines of all pairs, a text of one group with a text of the other"
# how similar two groups are said to be, from their vectors a and b and their points p and q
_MISMEASURED: tuple[tuple[Callable, str], ...] = (
    (lambda a, b, p, q: -np.linalg.norm(p.mean(axis=0) - q.mean(axis=0)), _TRUSTED),
    (lambda a, b, p, q: -np.linalg.norm(p[:, None] - q, axis=2).mean(), _TRUSTED),
    (lambda a, b, p, q: (p @ q.T).mean(), _TRUSTED),
    (lambda a, b, p, q: -np.linalg.norm(p[:, None] - q, axis=2).min(), _TRUSTED),
    (
        lambda a, b, p, q: -(a @ b.T).mean(),
        "That is the group that is least similar. Look for the largest mean cosine.",
    ),
    (lambda a, b, p, q: (a @ b.T).sum(), "A large group has a large sum: take the mean."),
    (
        lambda a, b, p, q: (a @ b.T).max(),
        "One pair of texts is close, the others are not: take the mean over all pairs.",
    ),
    (
        lambda a, b, p, q: (a @ b.T).min(),
        "You compare the least similar texts of two groups. Take the mean over all pairs.",
    ),
    (lambda a, b, p, q: len(b), "That is the largest of the other groups. How many texts it has does not matter."),
    (
        lambda a, b, p, q: (a @ b.T).mean(axis=0).max(),
        f"You look for the one text that is closest, and it need not be like the others of its group. {_ALL_PAIRS}.",
    ),
    (
        lambda a, b, p, q: (a @ b.T).max(axis=1).mean(),
        f"Of each text only the closest one of the other group counts with you. {_ALL_PAIRS}.",
    ),
    (
        lambda a, b, p, q: -np.linalg.norm(a[:, None] - b, axis=2).mean(),
        f"That is the mean distance, whose order may be another than that of the mean cosine. {_ALL_PAIRS}.",
    ),
    (lambda a, b, p, q: np.median(a @ b.T), "That is the median of the cosines: take the mean."),
    (
        lambda a, b, p, q: abs(a @ b.T).mean(),
        "A cosine near −1 is as far as it gets. Take the cosines with their signs.",
    ),
    (lambda a, b, p, q: abs((a @ b.T).mean()), "A cosine near −1 is as far as it gets. Take the mean with its sign."),
    (
        lambda a, b, p, q: a.mean(axis=0) @ b.mean(axis=0) / np.linalg.norm(b.mean(axis=0)),
        f"The mean vector of texts that differ is short. {_ALL_PAIRS}, and divide by no length.",
    ),
    (
        lambda a, b, p, q: -np.linalg.norm(a.mean(axis=0) - b.mean(axis=0)),
        f"That is the distance of the mean vectors, which depends on their lengths. {_ALL_PAIRS}.",
    ),
    (lambda a, b, p, q: (a @ b[0]).mean(), f"Of the other group only the first text counts with you. {_ALL_PAIRS}."),
    (lambda a, b, p, q: (b @ a[0]).mean(), f"Only the group's first text counts with you. {_ALL_PAIRS}."),
    (lambda a, b, p, q: (b @ a[-1]).mean(), f"Only the group's last text counts with you. {_ALL_PAIRS}."),
    (
        lambda a, b, p, q: np.mean([first @ second for first, second in zip(a, b, strict=False)]),
        f"You pair the first with the first, the second with the second. {_ALL_PAIRS}.",
    ),
)


def _drawn(groups: dict, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors, points on a map and labels of the texts of some groups, in any order."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(list(groups), [len(angles) for angles, _ in groups.values()]))
    angles, points = np.empty(len(labels)), np.empty((len(labels), 2))
    for group, (directions, place) in groups.items():
        angles[labels == group] = np.deg2rad(generator.permutation(directions))
        points[labels == group] = place + 0.1 * generator.normal(size=(len(directions), 2))
    return np.column_stack([np.cos(angles), np.sin(angles), np.zeros(len(labels))]), points, labels


def check_closest_group(function) -> None:
    """A function of (n, dim) unit vectors, (n, 2) points, labels and a group."""
    cases, answers = [], []
    for seed, (groups, group) in enumerate([(each, group) for each in (_MAP, _FAR, _MIXED) for group in each]):
        vectors, points, labels = _drawn(groups, seed)
        with about("All other groups may have a mean cosine below zero." if groups is _FAR else ""):
            answer = word(call(function, vectors, points, labels, group), "closest_group")
            require(answer in groups, f"closest_group should return one of the labels, not {answer!r:.80}.")
            require(answer != group, f"{group!r} is closest to itself, of course. Leave it out.")
        cases.append((vectors, points, labels, group))
        answers.append(answer)
    rights = [_most_similar(lambda a, b, p, q: (a @ b.T).mean(), *case) for case in cases]
    for mistake, message in _MISMEASURED:
        wrong = [_most_similar(mistake, *case) for case in cases]
        require(answers == rights or answers != wrong, message)
    for answer, right, (*_, group) in zip(answers, rights, cases, strict=True):
        require(
            answer == right,
            f"For {group!r} of a test set it is {right!r}; your function says {answer!r}. {_ALL_PAIRS}.",
        )
    with about("Labels may come as a plain list: np.asarray(labels) lets you compare them."):
        answer = word(call(function, vectors, points, labels.tolist(), group), "closest_group")
        require(answer == right, f"With a list your function says {answer!r:.80} in place of {right!r}.")


def _most_similar(measure: Callable, vectors, points, labels, group: str) -> str:
    """Return the other group for which a measure of two groups is largest."""
    mine, others = labels == group, [other for other in dict.fromkeys(labels.tolist()) if other != group]
    measured = {
        other: measure(vectors[mine], vectors[labels == other], points[mine], points[labels == other])
        for other in others
    }
    return max(measured, key=measured.__getitem__)


EXERCISES = {
    "q1": (
        check_build_prompt,
        (
            "There are three cases: no instruction, a template, no template. Deal with the first one at once.",
            'template.replace("{instruction}", instruction) fills the words in; then + text, and nothing in between.',
        ),
        "To the byte what the model was trained to read.",
    ),
    "q2": (
        check_scrambled,
        (
            "instruction.split() gives the words; np.random.default_rng(seed).permutation(words) draws an order.",
            "Make the generator once. While the drawn order is the old one, draw again from it, but not where all "
            "words are equal: they have no other order.",
        ),
        "The same words, and the sentence is gone. If this moves as many neighbours as the sentence does, then new "
        "neighbours do not mean that the model obeyed.",
    ),
    "q3": (
        check_effect,
        (
            "Write the share for one set of vectors first: similarities, the k nearest others, their labels.",
            "np.fill_diagonal(similarity, -np.inf) leaves each text out; labels[nearest] == labels[:, None] compares.",
        ),
        "New neighbours are no proof; neighbours of the right kind are.",
    ),
    "q4": (
        check_put_instruction,
        (
            "Build the prompt once from template and task.instruction. The queries get it in both cases.",
            "Only task.side decides about the documents: 'text' puts the prompt before each, 'query' leaves them.",
        ),
        "Documents without an instruction can be embedded once and searched in many ways.",
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
