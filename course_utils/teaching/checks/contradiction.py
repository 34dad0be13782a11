"""Reads from two sentences whether one contradicts the other, by what changed between them, word by word.

No model of this course can say that, which is what lesson 1's "fool it" is about. So four changes that turn a sentence
round are known here: a negation, another number, an opposite, and who does what to whom. One of them, said of one
definite thing at one time, is a contradiction; two may come back to the same, and everything else is not judged.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import pairwise, product
from pathlib import Path
from typing import NamedTuple

_UNKNOWN = (
    "This pair may contradict or mean the same: the check cannot tell ({}). It recognises only a not, never or no; "
    "another number; an opposite; who does what to whom, with the rest unchanged. Write one of those."
)


class _Word(NamedTuple):
    text: str
    key: str  # what its forms have in common
    past: bool | None  # None where the form does not say
    under: str  # the word that begins the clause it stands in: "if", "who"
    comma: bool  # after it


class _Edit(NamedTuple):
    kind: str  # same, small, tense, rest, or one that turns the meaning round: negation, number, opposite
    a: int | None  # positions
    b: int | None


_FLIPS = ("negation", "number", "opposite")
_REWRITES = [
    (re.compile(pattern), new)
    for pattern, new in (
        (r"[‘’`´]", "'"),
        (r"(?<=\w)[-–](?=\w)", " "),
        (r"^\W*(yes|no),", r" answer_\1 "),
        (r"\b(can|do|does|did|is|are|was|were|has|have|had|would|could|should)nt\b", r"\1 not"),
        (r"\bcan(?:not|'t)(?!\w)", "can not"),
        (r"\b(wo|sha|ai)n't\b", lambda m: {"wo": "will not", "sha": "shall not", "ai": "is not"}[m[1]]),
        (r"n't\b", " not"),
        (r"'(m|re|ve|ll)\b", lambda m: {"m": " am", "re": " are", "ve": " have", "ll": " will"}[m[1]]),
        (r"'s (?=been\b|got\b|had\b|not been\b|never been\b)", " has "),
        (r"'s\b", " 's"),
        (r"'d (?=better\b|been\b|never\b|not been\b|\w+ed\b)", " had "),
        (r"'d\b", " would"),
        (r"(?<=\d)\s*([ap])\.?m\b\.?", r" \1m_"),
        (r"\s*\bo'?clock\b", ""),
        (r"\b(?:noon|midday)\b", "12 pm_"),
        (r"\bmidnight\b", "12 am_"),
        (r"\b(1[3-9]|2[0-3]):(?=[0-5]\d\b)", lambda m: f"pm_ {int(m[1]) - 12}:"),
        (r"\bonce (?=a\b|per\b|every\b|each\b)", "one time "),
        (r"\b(twice|thrice)\b", lambda m: {"twice": "two times", "thrice": "three times"}[m[1]]),
        (r"\b(all|both) (?=(?:the|my|your|his|her|our|their|these|those)\b)", r"\1 of "),
        (r"(?<=\d),(?=\d{3}\b)", ""),
        (r"(?<=\d)(?:st|nd|rd|th)\b", "th"),
        (r"%", " percent"),
        (r"\b(in|of|since|until|till|by|last|next|this|early|late|on|from|to|every|\d+(?:th)?) may\b", r"\1 may_"),
        (r"\bno one\b", "nobody"),
        (r"\bno (?:longer|more)\b(?! than)", "no_longer"),
        (r"\bany ?(?:more|longer)\b(?! than)", "any_more"),
        (r"\bat all\b", "at_all"),
        (r"\bhalf (?=an?\b)", "half_ "),
        (
            r"\b(out|in front) of\b|\b(?:up to|far from)\b|\bdied in(?= (?:the|an?|his|her|their)\b)",
            lambda m: m[0].replace(" ", "_"),
        ),
        (r"\bneed not\b|\b(?:do|does) not have to\b", "must no_need"),
        (r"\bha(?:s|ve) to\b", "must"),
        (r"\bnot guilty\b", "innocent"),
        (r"\bon time\b", "punctually"),
        (r"\btold the truth\b", "spoke truthfully"),
        (r"\blied\b|\btold (?:a lie|lies)\b", "spoke untruthfully"),
        (r"\b(\w+) enough(?= to\b| for\b|\W*$)", r"enough_ \1"),
        (r"^\W*it (?:is|'s) (?:not (?:true|so|the case)|untrue|false|wrong) that\b", "not_so"),
        (r"^\W*it (?:is|'s) (?:true|so|the case) that\b", ""),
        # what holds a negation and denies nothing
        (
            r"\b(can not|could not) (help \w+ing|wait to|but|agree more|care less|thank|be \w+er|have been \w+er)\b",
            r"\1_\2",
        ),
        (r"\b(nothing) (but|less|short)\b|\b(none) (other)\b|\b(never) (mind)\b|\b(or) (not)\b", r"\1\3\5\7_\2\4\6\8"),
        (r"\b(no) (doubt|less|fewer|sooner|matter|wonder|later|earlier)\b", r"\1_\2"),
        (r"\b(not) (only|just|merely|simply|until|till|to mention|least|without|unlike)\b", r"\1_\2"),
    )
]
_REFUSES = re.compile(r"\b(refuse|fail|decline|neglect|forget|forgot)(s|d|ed|) to (?=[a-z])")
_LISTS = tomllib.loads((Path(__file__).parents[1] / "english.toml").read_text(encoding="utf-8"))
_WORDS = {name: set(text.split()) for name, text in _LISTS.items()}
_NEGATORS, _SMALL, _AUXILIARIES = (_WORDS[name] for name in ("negators", "small", "auxiliaries"))
_ALIKE = ({"and", "nor"}, {"or", "nor"}, {"'s", "has"}, {"too", "enough_"})
_CASES = {"him": "he", "her": "she", "them": "they", "us": "we", "me": "i", "whom": "who"}


def why_not(first: str, second: str) -> str:
    """Say why a pair of sentences is not read as a contradiction.

    Parameters
    ----------
    first, second : str
        Two English sentences, in either order.

    Returns
    -------
    str
        One or two sentences; empty if they contradict each other.

    Examples
    --------
    >>> from course_utils.teaching.checks.contradiction import why_not
    >>> why_not("The shop is open.", "The shop isn't open.")
    ''
    >>> why_not("The shop is open.", "The shop is not closed.")[:27]
    'Two changes turn it round ('
    """
    if "?" in first + second or any(map(_asks, (first, second))):
        return "A question claims nothing that could be contradicted. Write two statements."
    return max(_judged(one, other) for one, other in product(_readings(first), _readings(second)))[1]


def words(text: str) -> list[str]:
    """Split a sentence into lower-case words, contractions written out and numbers in figures.

    Parameters
    ----------
    text : str
        A sentence.

    Returns
    -------
    list of str
        Numbers begin with ``#``; punctuation is left out.

    Examples
    --------
    >>> from course_utils.teaching.checks.contradiction import words
    >>> words("It won't cost twenty-five euros.")
    ['it', 'will', 'not', 'cost', '#25', 'euros']
    """
    return [word.text for word in _read(_rewritten(text))]


def _asks(text: str) -> bool:
    begin = [*words(text), "", ""][:2]
    return begin[0] in _WORDS["asking"] or (begin[0] in ("do", "have") and begin[1] in _WORDS["persons"])


def is_sentence(text: str) -> bool:
    """Whether words stand in a text that hold a sentence together, and none follows itself.

    Parameters
    ----------
    text : str
        Words.

    Returns
    -------
    bool

    Examples
    --------
    >>> from course_utils.teaching.checks.contradiction import is_sentence
    >>> is_sentence("Dogs love cats."), is_sentence("dog cat tree"), is_sentence("the the the")
    (True, False, False)
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    found, known = words(text), ENGLISH_STOP_WORDS - _WORDS["foreign"]
    foreign, english = (len(each.intersection(found)) for each in (_WORDS["foreign"], known))
    repeats = any(one == other != "had" and one != "that" for one, other in pairwise(found))
    acts = [i for i, word in enumerate(found) if word in _verbs()] or [len(found)]
    subject = found[: acts[0]]
    named = (
        len(subject) < 2 or subject[-1].endswith("s") or _describes(subject[0]) or "".join(text.split()[1:2]).istitle()
    )
    held = not _verbs().union(ENGLISH_STOP_WORDS).isdisjoint(found)
    return held and not repeats and foreign <= max(1, english) and (named or not known.isdisjoint(subject))


# ------------------------------------------------------------------------------------------------- reading a sentence


def _rewritten(text: str) -> str:
    text = " ".join(text.lower().split())
    for pattern, new in _REWRITES:
        text = pattern.sub(new, text)
    return text


def _readings(text: str) -> list[list[_Word]]:
    """As it stands; and "refused to agree" taken for "did not agree", too."""
    text = _rewritten(text)
    texts = [text]
    if _REFUSES.search(text):
        texts.append(_REFUSES.sub(lambda m: "did not " if m[2].endswith("d") or m[1] == "forgot" else "do not ", text))
    return [_read(each) for each in texts]


_TOKEN = re.compile(r"\d+(?:[.:]\d+)*(?:th\b)?|[^\W\d]+|'s|[,;]|(?<=\w)[.!](?=\s)")


def _read(text: str) -> list[_Word]:
    tokens = _numbers(_TOKEN.findall(text))
    found: list[_Word] = []
    under, told = "", None  # told: the tense that a do, does or did before has told
    for i, token in enumerate(tokens):
        after = tokens[i + 1] if i + 1 < len(tokens) else ""
        if token in (",", ";", ".", "!"):
            under = ""
            found[-1:] = [each._replace(comma=True) for each in found[-1:]]
            continue
        if token in _WORDS["under"] or (token == "that" and i > 1 and tokens[i - 2] in _WORDS["before_nouns"]):
            under = token
        if token in ("do", "does", "did") and after in ("not", "never", "hardly"):
            told = token == "did"
            continue
        if token == "not" and not _denies(tokens, i):
            token = "not_here"
        key, past = _form(token)
        if told is not None and token not in _NEGATORS | _SMALL | _WORDS["vague"] and not token.endswith("ly"):
            past, told = told if past is not None else None, None
        found.append(_Word(token, key, past, under, False))
        under = token if key in _keys("thinks") else under
    return found


def _denies(tokens: list[str], i: int) -> bool:
    """Whether a ``not`` stands where English has it."""
    second, before = ["", "", *tokens[:i]][-2:]
    after = [*tokens[i + 1 : i + 2], ""][0]
    beside = before.endswith("ly") or before in _WORDS["frequency"] | _WORDS["persons"] | {"still", "also"}
    placed = before in _AUXILIARIES or (second in _AUXILIARIES and beside)
    return (placed and after not in ("is", "are", "was", "were", "am", "will", "can")) or (
        after in ("to", "all", "every", "everyone", "everybody", "everything")
    )


@cache
def _form(word: str) -> tuple[str, bool | None]:
    """What the forms of a word have in common, and whether this one tells of the past."""
    _, irregular = _lists()
    if word in irregular:
        return irregular[word]
    if word.startswith("#"):
        return word, None
    for ending, past in (("ied", True), ("ies", False), ("ing", None), ("ed", True), ("es", False), ("s", False)):
        stem = word.removesuffix(ending)
        if (
            stem != word
            and len(stem) > (1 if ending in ("ied", "ies") else 2)
            and not word.endswith(("eed", "ss", "us", "is"))
        ):
            return _bare(stem + "y" if ending[0] == "i" and ending != "ing" else stem), past
    return _bare(word), False


def _bare(stem: str) -> str:
    if len(stem) > 3 and stem[-1] == stem[-2]:
        stem = stem[:-1]
    return stem.removesuffix("e") if len(stem) > 3 else stem


_ORDINALS = _LISTS["ordinals"].split()
_VALUES = {
    **{word: i for i, word in enumerate(_LISTS["units"].split())},
    **{word: 10 * i for i, word in enumerate(_LISTS["tens"].split(), 2)},
    **{word: i for i, word in enumerate(_ORDINALS) if i > 2},
}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "dozen": 12}


def _numbers(tokens: list[str]) -> list[str]:
    """Put numbers and clock times into figures: #1900, #7:15."""
    found: list[str] = []
    i = 0
    while i < len(tokens):
        value, length = _number_at(tokens, i)
        if not length:
            found.append(tokens[i])
            i += 1
            continue
        i += length
        ordinal = "th" if tokens[i - 1].endswith("th") or tokens[i - 1] in _ORDINALS else ""
        found.append((f"#{value:g}" if isinstance(value, float) else f"#{value}") + ordinal)
    return _clock(found)


def _number_at(tokens: list[str], start: int) -> tuple[float | str, int]:
    """The number that begins there, and of how many words it is made."""
    total, part, i = 0.0, None, start
    if tokens[i] == "a" and tokens[i + 1 : i + 2] and tokens[i + 1] in _SCALES:
        part, i = 1.0, i + 1
    while i < len(tokens):
        token = tokens[i]
        if ":" in token:
            return (token.removesuffix(":00"), 1) if i == start else (total + (part or 0), i - start)
        if token[0].isdigit() and part is None:
            if token.count(".") > 1:
                return token, 1
            part = float(token.removesuffix("th"))
        elif token in _VALUES and (part is None or (part % 100 >= 20 and part % 10 == 0 and _VALUES[token] < 10)):
            part = (part or 0) + _VALUES[token]
        elif token in _VALUES and part is not None and part % 100 == 0 and tokens[i - 1] in ("and", *_SCALES):
            part += _VALUES[token]
        elif token in _SCALES and part is not None:
            part *= _SCALES[token]
            if token in ("thousand", "million", "billion"):
                total, part = total + part, 0.0
        elif not (
            token == "and"
            and tokens[i - 1] in _SCALES
            and part is not None
            and not _VALUES.keys().isdisjoint(tokens[i + 1 : i + 2])
        ):
            break
        i += 1
    return (total + part, i - start) if part is not None else (0.0, 0)


def _clock(tokens: list[str]) -> list[str]:
    """Join what is said of a clock: half past #7, #10 to #8."""

    def joined(found: re.Match[str]) -> str:
        minutes, hour = {"half": 30, "quarter": 15}.get(found[1]) or int(found[1][1:]), int(found[3])
        return f"#{hour}:{minutes:02d}" if found[2] == "past" else f"#{(hour - 2) % 12 + 1}:{60 - minutes:02d}"

    clock = r"(?<!from )(half|quarter|#[1-5]?[05]) (?:minutes )?(past|to) #(1?\d)(?!\S)"
    return re.sub(clock, joined, " ".join(tokens)).split()


def _value(word: str) -> float | None:
    """A number; of a clock time, its minutes of twelve hours."""
    if word.startswith("#"):
        hours, colon, minutes = word[1:].removesuffix("th").partition(":")
        try:
            return (float(hours) % 12 or 12) + float(minutes) / 60 if colon else float(hours)
        except ValueError:
            return None
    return {"no": 0.0, "none": 0.0, "first": 1.0, "second": 2.0}.get(word)


def _same_number(x: float, y: float, texts: tuple[str, str]) -> bool:
    """Whether two numbers are one, said more or less precisely."""
    if any(":" in text for text in texts):
        return abs(x - y) in (0, 12)
    return x == y or (abs(x - y) <= 0.02 * max(abs(x), abs(y)) and not (1000 < x < 2100))


# -------------------------------------------------------------------------------------------------------- opposites


@cache
def _lists() -> tuple[dict[tuple[str, str], str], dict[str, tuple[str, bool | None]]]:
    """Of two opposite words their kind, in both orders; of the forms of irregular verbs, the verb and its tense."""
    verbs = {line.split()[0]: tuple(line.split()) for line in re.split(r"[;\n]", _LISTS["irregular"]) if line.strip()}
    forms: dict[str, tuple[str, bool | None]] = {}
    for base, past, participle in verbs.values():
        forms |= {participle: (base, None), past: (base, None if past == base else True)}
        forms.setdefault(base, (base, None if past == base else False))
    be = {"is": False, "am": False, "are": False, "'s": False, "was": True, "were": True, "been": None}
    forms |= {word: ("be", past) for word, past in be.items()} | {"has": ("have", False), "does": ("do", False)}
    forms |= {_s(base): (base, False) for base in verbs if base not in ("be", "have", "do")}
    forms |= {_ing(base): (base, None) for base in verbs}
    kinds: dict[tuple[str, str], str] = {}
    made: dict[str, Callable[[str], list[str]]] = {
        "quantities": lambda word: [word],
        "adjectives": lambda word: [word, _er(word, "er"), _er(word, "est")],
        "verbs": lambda word: [
            word,
            _s(word),
            _ing(word),
            *(verbs.get(word) or (word, _er(word, "ed"), _er(word, "ed")))[1:],
        ],
    }
    for kind, make in made.items():
        for line in re.split(r"[;\n]", _LISTS[kind]):
            left, _, right = line.partition("|")
            for one, other in product(left.split(), right.split()):
                for x, y in zip(make(one), make(other), strict=True):
                    kinds[x, y] = kinds[y, x] = kind
    return kinds, forms


def _doubled(word: str) -> str:
    return word + word[-1] if re.fullmatch(r"[^aeiou]*[aeiou][^aeiouwxy]|.*(mit|fer|pel|quit|ban)", word) else word


def _s(word: str) -> str:
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "sh", "ch", "x", "z", "o")) else "s")


def _ing(word: str) -> str:
    if word.endswith("ie"):
        return word[:-2] + "ying"
    return (word[:-1] if word.endswith("e") and word != "be" else _doubled(word)) + "ing"


def _er(word: str, ending: str) -> str:
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "i" + ending
    return (word[:-1] if word.endswith("e") else _doubled(word)) + ending


_DENIED = re.compile(
    r"(?:un|non)(.{3,})|(?:in|im|ir|il)(.{2,}(?:ble|bly|al|ally|ent|ently|ant|ate|ately|ect|ectly|ete|ive|ous|ar|ure|ite|ane|"
    r"ly|ct|ty|id|nce|ncy|ice))"
)


def _opposite(one: str, other: str) -> str:
    """The kind of two opposites, or nothing."""
    kinds, _ = _lists()
    denied = _DENIED.fullmatch(max(one, other, key=len))
    short = min(one, other, key=len)
    without = {re.sub(r"(ful|less)(ly)?$", "", word) for word in (one, other)}
    made = len(without) == 1 and "ful" in one + other and "less" in one + other
    made = made or (denied is not None and short in denied.groups() and short not in _WORDS["not_denied"])
    return kinds.get((one, other), "adjectives" if made else "")


# ------------------------------------------------------------------------------------------------- what has changed


def _pair(x: _Word, y: _Word) -> tuple[float, str]:
    """What it costs to take one word for the other, and what kind of change that is."""
    number, other = _value(x.text), _value(y.text)
    if x.key == y.key:
        tense = x.past is not None and y.past is not None and x.past != y.past
        return (0.5, "tense") if tense and x.text != y.text else (0.0, "same")
    if x.text in _NEGATORS and y.text in _NEGATORS or {x.text, y.text} in _ALIKE:
        return 0.1, "small"
    if number is not None and other is not None:
        return (0.1, "small") if _same_number(number, other, (x.text, y.text)) else (1.0, "number")
    if any(x.text in group and y.text in group for group in (_WORDS["weekdays"], _WORDS["months"])):
        return 1.0, "number"
    if _opposite(x.text, y.text):
        return 1.0, "opposite"
    return 9.0, "rest"


def _alone(word: _Word) -> tuple[float, str]:
    if word.text in _NEGATORS:
        return 1.0, "negation"
    return (0.6 if word.text.endswith("m_") else 0.2, "small") if word.text in _SMALL else (3.0, "rest")


def _edits(a: list[_Word], b: list[_Word]) -> list[_Edit]:
    """The least that turns one sentence into the other."""
    best: dict[tuple[int, int], tuple[float, list[_Edit]]] = {(0, 0): (0.0, [])}
    for i, j in product(range(len(a) + 1), range(len(b) + 1)):
        ways = []
        if i:
            cost, kind = _alone(a[i - 1])
            ways.append((best[i - 1, j], cost, _Edit(kind, i - 1, None)))
        if j:
            cost, kind = _alone(b[j - 1])
            ways.append((best[i, j - 1], cost, _Edit(kind, None, j - 1)))
        if i and j:
            cost, kind = _pair(a[i - 1], b[j - 1])
            ways.append((best[i - 1, j - 1], cost, _Edit(kind, i - 1, j - 1)))
        if ways:
            (before, edits), cost, edit = min(ways, key=lambda way: way[0][0] + way[1])
            best[i, j] = before + cost, [*edits, edit]
    return best[len(a), len(b)][1]


def _said(edit: _Edit, a: list[_Word], b: list[_Word]) -> str:
    parts = [words[at].text for words, at in ((a, edit.a), (b, edit.b)) if at is not None]
    return "/".join(parts).replace("not_here", "not").replace("_", " ").replace("#", "").strip()


def _judged(a: list[_Word], b: list[_Word]) -> tuple[int, str]:
    """How sure the reading is, and why it is no contradiction; the surest reading counts."""
    edits = _edits(a, b)
    swap = _changed_places(a, b)
    if swap is not None:
        return (3, swap) if swap else (2, _both_true(a, b, []))
    turned = [edit for edit in edits if edit.kind in _FLIPS]
    rest = [edit for edit in edits if edit.kind == "rest"]
    if rest:
        return 0, _unread(a, b, rest)
    if any(edit.kind == "tense" for edit in edits):
        tense = next(_said(edit, a, b) for edit in edits if edit.kind == "tense")
        return 4, f"The two speak of different times ({tense}), so both can be true. Keep the tense."
    at = [edit.a for edit in turned if edit.kind == "number" and edit.a is not None]
    n = len(turned) - (len(at) - 1 if at and at[-1] - at[0] < len(at) else 0)  # 3 March is one number
    if not turned:
        return 4, "They mean the same. Change one thing, so that only one of them can be true."
    if n > 1:
        said = ", ".join(_said(edit, a, b) for edit in turned)
        return 4, (
            f"Two changes turn it round ({said}), and may come back to the same: what is not closed is open. "
            "Turn one thing only."
        )
    return 2, _both_true(a, b, turned)


def _unread(a: list[_Word], b: list[_Word], rest: list[_Edit]) -> str:
    idle = _SMALL | _NEGATORS | _AUXILIARIES | _WORDS["before_nouns"]
    told = [Counter(each.key for each in said if len(each.text) > 2 and each.text not in idle) for said in (a, b)]
    if 2 * (told[0] & told[1]).total() < min(each.total() for each in told):
        return (
            "These are two different subjects, which cannot contradict each other. Keep the words of the first "
            "sentence and turn one thing round."
        )
    changed = ", ".join(dict.fromkeys(_said(edit, a, b) for edit in rest))
    return _UNKNOWN.format(f"{changed:.60}")


def _both_true(a: list[_Word], b: list[_Word], turned: list[_Edit]) -> str:
    """Why both sentences can be true although one thing was turned round; empty if they cannot."""
    texts = [[word.text for word in each] for each in (a, b)]
    moved = [{getattr(edit, side) for edit in turned} for side in "ab"]
    kept = [{text for i, text in enumerate(each) if i not in at} for each, at in zip(texts, moved, strict=True)]
    shared, kinds = kept[0] & kept[1], {edit.kind for edit in turned}
    vague = sorted(shared & _WORDS["vague"])
    if vague:
        return f'With "{vague[0]}" both can be true: some do, some do not. Leave that word out.'
    opens = [" ".join(each[:2]) for each in texts if each[:1] in (["a"], ["an"])]
    if len(opens) == 2 or (opens and not turned):
        return f'Both can be true: there may be two. Say "the", not "{opens[0]}": of one thing only one is true.'
    if not (_NEGATORS | _WORDS["deniers"]).isdisjoint(kept[0] | kept[1]):
        return "Both sentences deny something, so both can be true. Deny nothing in one of them."
    under = [each.under for i, each in enumerate(a) if (not turned or i in moved[0]) and each.under]
    under += [each.under for i, each in enumerate(b) if i in moved[1] and each.under]
    if under:
        return f'The change stands after "{under[0]}", so both can be true. Make it in the main clause.'
    room = sorted(shared & {"can", "could", "or"}) if kinds != {"negation"} else []
    if room:
        return f'With "{room[0]}" both can be true. Leave that word out.'
    counted = re.search(r"^#|(least|most|than) #|#\S+ of\b", " ".join(texts[0]))
    if kinds != {"number"} and counted:
        return 'Others may be meant the second time, so both can be true. Say "the two" or "all" for "two".'
    pairs = [(edit.a, edit.b) for edit in turned if edit.a is not None and edit.b is not None]
    return next(filter(None, (_two_things(texts, i, j) or _two_things(texts[::-1], j, i) for i, j in pairs)), "")


def _two_things(texts: list[list[str]], at: int, to: int) -> str:
    """Say so where the two may speak of two things or two times: the left shoe, room 5, on Monday, a big whale."""
    said, one, new = texts[0], texts[0][at], texts[1][to]
    pair = f"{one}/{new}".replace("#", "").replace("_", " ")
    before, after = said[at - 1] if at else "", [*said[at + 1 :], ""][0]
    kind, number = _opposite(one, new), None not in (_value(one), _value(new))
    acts = [i for i, each in enumerate(said[:at]) if _acts_at(each, ["", *said][i])]
    verb = said[acts[-1]] if acts else ""
    key, past = _form(verb)
    second = before in ("a", "an") and not _WORDS["between"].isdisjoint(said[acts[-1] : at] if acts else [])
    state = key in _keys("states") and (past is False or key == "be") and said[0] != "there"
    if number and (before in _WORDS["bounds"] or "or" in (before, after)):
        return f'"{before if after != "or" else after}" leaves room for both numbers. Leave it out.'
    if kind == "quantities" or not _WORDS["frequency"].isdisjoint((one, new)):
        return ""
    if before not in ("since", "until") and _is_time(said, at):
        is_then = key == "be" and _WORDS["before_times"].issuperset(said[acts[-1] + 1 : at])
        if is_then or (key in _keys("once") and verb not in ("open", "closed")):
            return ""
        return (
            f"It may happen at both times ({pair}). Say it of what happens once or by a timetable (was born, begins, "
            "leaves), or turn another word round."
        )
    noun = before in _WORDS["before_nouns"]
    if kind == "verbs" and not noun and (key == "be" or not one.endswith("ing")):
        done = _keys("reversible").issuperset((_form(one)[0], _form(new)[0]))
        if done and at > 0 and before not in ("is", "are", "am", "'s"):
            return f"Both may be done, one after the other ({pair}). Say how it is: *is open* and *is closed*."
        return _SECOND.format(pair) if after in ("a", "an") else ""
    if one in _WORDS["between"] | _WORDS["ways"] and verb and not noun:
        if {one, new} == {"with", "without"}:  # happy with it
            return _UNKNOWN.format(f"{before} {one}/{new}") if _describes(before) else ""
        if state or past is False or verb.endswith("ing"):
            return ""
        return f"Both may be done, one after the other ({pair}). Say how it is: *is on* and *is off*."
    content = after and not after.endswith("ly") and after not in _FUNCTION
    label = one.endswith("th") or one in _ORDINALS or after in _AUXILIARIES
    label = label or not (content or before in _FUNCTION | _verbs())
    if not verb and (not number or label or before in _FUNCTION):
        return f"These are two different subjects ({pair}), so both can be true. Say it of the same thing."
    if number and not label or (state and not second):
        return ""
    return _SECOND.format(pair) if label and number or not number and (content or noun) else ""


_SECOND = "Both can be true ({0}): there may be two things. Say it of one definite thing, as in *The water is warm*."
_FUNCTION = set().union(*(_WORDS[name] for name in ("between", "no_thing", "before_nouns", "auxiliaries", "persons")))
_FUNCTION |= _WORDS["times"] | _WORDS["weekdays"] | _WORDS["frequency"] | _NEGATORS


def _acts_at(word: str, before: str) -> bool:
    noun = _form(word)[1] is False and word[-1] != "s" and _describes(before)
    noun = noun or before in _WORDS["before_nouns"] | _WORDS["between"]
    return word in _AUXILIARIES or ((word in _verbs() or word.endswith("ed")) and not noun)


def _is_time(said: list[str], at: int) -> bool:
    """Whether a word says when."""
    word, before, after = said[at], said[at - 1] if at else "", [*said[at + 1 :], ""][0]
    if not word.startswith("#"):
        return word in _WORDS["weekdays"] | _WORDS["months"] | _WORDS["times"]
    clock = ":" in word or after in ("am_", "pm_") or not _WORDS["months"].isdisjoint((before, *said[at + 1 : at + 3]))
    return clock or (before in _WORDS["before_times"] and (not after or after in _FUNCTION))


@cache
def _describes(word: str) -> bool:
    kinds = {kind for pair, kind in _lists()[0].items() if word in pair}
    return "adjectives" in kinds and word not in _WORDS["frequency"]


@cache
def _verbs() -> set[str]:
    kinds, forms = _lists()
    known = {word for pair, kind in kinds.items() if kind == "verbs" for word in pair}
    bases = set().union(*(_WORDS[name] for name in ("verbs_besides", "once", "states", "reversible")))
    return known.union(forms, bases, map(_s, bases), (_er(word, "ed") for word in bases), _AUXILIARIES)


def _changed_places(a: list[_Word], b: list[_Word]) -> str | None:
    """Whether two parts of a sentence changed places: empty if that says something else, a reason, or None."""
    own = [[word for word in each if word.text not in ("a", "an", "the")] for each in (a, b)]
    x, y = ([_CASES.get(word.text, word.key) for word in each] for each in own)
    if x == y or Counter(x) != Counter(y):
        return None
    begin = next(i for i, (one, other) in enumerate(zip(x, y, strict=True)) if one != other)
    end = len(x) - next(i for i, (one, other) in enumerate(zip(x[::-1], y[::-1], strict=True)) if one != other)
    before, x, y = x[:begin], x[begin:end], y[begin:end]
    listed = any(word.comma for word in own[0][begin : end - 1]) or "back" in y + [word.key for word in own[0][end:]]
    for m, n in product(range(1, len(x) - 1), repeat=2):
        if m + n < len(x) and y == x[-n:] + x[m:-n] + x[:m] and not listed and _acts(x[:m], x[m:-n], x[-n:], before):
            return ""
    return (
        'Words only changed places, and that need not change what is said: in a list, around an "and", a "met" or an '
        '"is". Let it change who does what to whom.'
    )


def _acts(one: list[str], between: list[str], other: list[str], before: list[str]) -> bool:
    """Whether it matters which of two things stands first."""
    begins = {one[0], other[0]}
    manner = {word for word in begins if word.endswith("ly")} - _WORDS["things_ly"]
    if manner or begins & (_WORDS["no_thing"] | _WORDS["weekdays"]):
        return False
    if before[-1:] == ["from"] and between in (["to"], ["into"]):
        return not _keys("motion").isdisjoint(before)
    if before == between[-1:] and before[0] in _WORDS["no_thing"]:  # In summer … in Rome
        return False
    kin = not _keys("kin").isdisjoint(between) and not {"of", "to"}.isdisjoint(between)
    return not kin and _keys("mutual").isdisjoint(between) and not _WORDS["bare"].issuperset(between)


@cache
def _keys(name: str) -> set[str]:
    return {_form(word)[0] for word in _WORDS[name]}
