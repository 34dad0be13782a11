"""Reads from two sentences whether one contradicts the other, by what changed between them, word by word.

No model of this course can say that, which is what lesson 1's "fool it" is about. So four changes that turn a sentence
round are known here: a negation, another number, an opposite, and who does what to whom. One of them with the rest
unchanged is a contradiction; two may come back to the same, and everything else is not judged.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
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
        (r"\bwon't\b", "will not"),
        (r"\bshan't\b", "shall not"),
        (r"\bain't\b", "is not"),
        (r"n't\b", " not"),
        (r"'m\b", " am"),
        (r"'re\b", " are"),
        (r"'ve\b", " have"),
        (r"'ll\b", " will"),
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
        (r"\btwice\b", "two times"),
        (r"\bthrice\b", "three times"),
        (r"\b(all|both) (?=(?:the|my|your|his|her|our|their|these|those)\b)", r"\1 of "),
        (r"(?<=\d),(?=\d{3}\b)", ""),
        (r"(?<=\d)(?:st|nd|rd|th)\b", "th"),
        (r"%", " percent"),
        (r"\bno one\b", "nobody"),
        (r"\bno (?:longer|more)\b(?! than)", "no_longer"),
        (r"\bany ?(?:more|longer)\b(?! than)", "any_more"),
        (r"\bat all\b", "at_all"),
        (r"\bhalf (?=an?\b)", "half_ "),
        (r"\b(out|in front) of\b", lambda m: m[0].replace(" ", "_")),
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
_ALIKE = ({"and", "nor"}, {"or", "nor"}, {"'s", "has"})
_DETERMINERS = [[word] for word in _WORDS["before_nouns"]]
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
    reasons: list[tuple[int, str]] = []
    for one, other in product(_readings(first), _readings(second)):
        reasons.append(_judged(one, other))
    return max(reasons)[1]


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

    found = words(text)
    foreign, english = (
        len(_WORDS["foreign"].intersection(found)),
        len((ENGLISH_STOP_WORDS - _WORDS["foreign"]).intersection(found)),
    )
    repeats = any(one == other != "had" and one != "that" for one, other in pairwise(found))
    return not repeats and foreign <= max(1, english) and not _verbs().union(ENGLISH_STOP_WORDS).isdisjoint(found)


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
        texts.append(
            _REFUSES.sub(lambda m: ("did" if m[2].endswith("d") or m[1] == "forgot" else "do") + " not ", text)
        )
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
        if stem != word and len(stem) > 2 and not word.endswith(("eed", "ss", "us", "is")):
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
    return list(_clock(found))


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
        elif not (token == "and" and tokens[i - 1] in _SCALES and part is not None and _follows(tokens, i)):
            break
        i += 1
    return (total + part, i - start) if part is not None else (0.0, 0)


def _follows(tokens: list[str], i: int) -> bool:
    return tokens[i + 1 : i + 2] != [] and tokens[i + 1] in _VALUES


def _clock(tokens: list[str]) -> Iterator[str]:
    """Join what is said of a clock: half past #7, #10 to #8, #7 #15."""
    i = 0
    while i < len(tokens):
        minutes = {"half": 30, "quarter": 15}.get(tokens[i]) or (
            int(tokens[i][1:]) if re.fullmatch(r"#[1-5]?\d", tokens[i]) else None
        )
        rest = [each for each in tokens[i + 1 : i + 4] if each != "minutes"][:2]
        if minutes and len(rest) == 2 and rest[0] in ("past", "to") and re.fullmatch(r"#1?\d", rest[1]):
            to = rest[0] == "to" and (tokens[i] == "quarter" or minutes % 5 == 0) and "from" not in tokens[:i][-1:]
            if rest[0] == "past" or to:
                hour = int(rest[1][1:])
                yield f"#{(hour - 2) % 12 + 1}:{60 - minutes:02d}" if to else f"#{hour}:{minutes:02d}"
                i += 3 + (tokens[i + 1] == "minutes")
                continue
        yield tokens[i]
        i += 1


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
    if any(":" in text for text in texts) and abs(x - y) == 12:
        return True
    rough = min((f"{x:g}", f"{y:g}"), key=len)
    decimals = len(rough.partition(".")[2])
    precise = x % 1 != 0 or y % 1 != 0
    near = abs(x - y) <= 0.02 * max(abs(x), abs(y)) and (x % 100 == 0 or y % 100 == 0) and not (1800 < x < 2100)
    return x == y or (precise and round(x, decimals) == round(y, decimals)) or near


# -------------------------------------------------------------------------------------------------------- opposites


@cache
def _lists() -> tuple[dict[tuple[str, str], str], dict[str, tuple[str, bool | None]]]:
    """Of two opposite words their kind, in both orders; of the forms of irregular verbs, the verb and its tense."""
    verbs = {line.split()[0]: tuple(line.split()) for line in re.split(r"[;\n]", _LISTS["irregular"]) if line.strip()}
    forms: dict[str, tuple[str, bool | None]] = {}
    for base, past, participle in verbs.values():
        forms |= {participle: (base, None), past: (base, None if past == base else True)}
        forms.setdefault(base, (base, None if past == base else False))
    be: dict[str, bool | None] = {
        "is": False,
        "am": False,
        "are": False,
        "was": True,
        "were": True,
        "been": None,
        "'s": False,
    }
    forms |= {word: ("be", past) for word, past in be.items()} | {"has": ("have", False), "does": ("do", False)}
    forms |= {_s(base): (base, False) for base in verbs if base not in ("be", "have", "do")}
    forms |= {_ing(base): (base, None) for base in verbs}
    kinds: dict[tuple[str, str], str] = {}
    made: dict[str, Callable[[str], list[str]]] = {
        "quantities": lambda word: [word],
        "adjectives": lambda word: [word, _er(word, "er"), _er(word, "est")],
        "verbs": lambda word: [word, _s(word), _ing(word), *(verbs.get(word) or (word, _ed(word), _ed(word)))[1:]],
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


def _ed(word: str) -> str:
    return _er(word, "ed")


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
        return (3, swap) if swap else (2, _both_true(a, b, [], "places"))
    turned = [edit for edit in edits if edit.kind in _FLIPS]
    rest = [edit for edit in edits if edit.kind == "rest"]
    if rest:
        return 0, _unread(a, b, rest)
    if any(edit.kind == "tense" for edit in edits):
        tense = next(_said(edit, a, b) for edit in edits if edit.kind == "tense")
        return 4, f"The two speak of different times ({tense}), so both can be true. Keep the tense."
    n = sum(edit.kind != "number" for edit in turned) + any(edit.kind == "number" for edit in turned)
    if not turned:
        return 4, "They mean the same. Change one thing, so that only one of them can be true."
    if n > 1:
        said = ", ".join(_said(edit, a, b) for edit in turned)
        return 4, (
            f"Two changes turn it round ({said}), and may come back to the same: what is not closed is open. "
            "Turn one thing only."
        )
    return 2, _both_true(a, b, turned, turned[0].kind)


def _unread(a: list[_Word], b: list[_Word], rest: list[_Edit]) -> str:
    told = [Counter(word.key for word in sentence if _tells(word)) for sentence in (a, b)]
    if 2 * (told[0] & told[1]).total() < min(each.total() for each in told):
        return (
            "These are two different subjects, which cannot contradict each other. Keep the words of the first "
            "sentence and turn one thing round."
        )
    changed = ", ".join(dict.fromkeys(_said(edit, a, b) for edit in rest))
    return _UNKNOWN.format(f"{changed:.60}")


def _tells(word: _Word) -> bool:
    return not (word.text in _SMALL | _NEGATORS | _AUXILIARIES | _WORDS["before_nouns"] or len(word.text) < 3)


def _both_true(a: list[_Word], b: list[_Word], turned: list[_Edit], kind: str) -> str:
    """Why both sentences can be true although one thing was turned round; empty if they cannot."""
    texts = [[word.text for word in each] for each in (a, b)]
    moved = (
        {at for edit in turned for at in (edit.a,) if at is not None},
        {at for edit in turned for at in (edit.b,) if at is not None},
    )
    kept = [{text for i, text in enumerate(each) if i not in at} for each, at in zip(texts, moved, strict=True)]
    shared = kept[0] & kept[1]
    vague = sorted(shared & _WORDS["vague"] - ({"may"} if _is_month(texts[0]) else set()))
    if vague:
        return f'With "{vague[0]}" both can be true: some do, some do not. Leave that word out.'
    if not (_NEGATORS | _WORDS["deniers"]).isdisjoint(kept[0] | kept[1]):
        return "Both sentences deny something, so both can be true. Deny nothing in one of them."
    if not turned and any(word.under for word in a):
        return 'A condition or a "who" stands beside it, so both can be true. Write a sentence without.'
    under = [each[i].under for each, at in zip((a, b), moved, strict=True) for i in at if each[i].under]
    if under:
        return f'The change stands after "{under[0]}", so both can be true. Make it in the main clause.'
    if kind != "negation" and shared & {"can", "could", "or"}:
        word = sorted(shared & {"can", "could", "or"})[0]
        return f'With "{word}" both can be true. Leave that word out.'
    if kind != "number" and any(
        text.startswith("#")
        and (i == 0 or texts[0][i + 1 : i + 2] == ["of"] or texts[0][i - 1] in ("least", "most", "than"))
        for i, text in enumerate(texts[0])
    ):
        return 'Others may be meant the second time, so both can be true. Say "the two" or "all" for "two".'
    reasons = [_both_numbers(texts, moved)] if kind == "number" else []
    return next(filter(None, [*reasons, *(_another_subject(texts[0], texts[1], edit) for edit in turned)]), "")


def _is_month(texts: list[str]) -> bool:
    at = texts.index("may") if "may" in texts else 0
    before = texts[at - 1] if at else ""
    return before in _WORDS["before_may"] or before[:1] == "#"


def _both_numbers(texts: list[list[str]], moved: tuple[set[int], set[int]]) -> str:
    for each, at in zip(texts, moved, strict=True):
        for i in at:
            beside = {*each[max(0, i - 1) : i], *(["up to"] if each[max(0, i - 2) : i] == ["up", "to"] else [])}
            bound = sorted(beside & (_WORDS["bounds"] | {"up to"})) or (
                ["or"] if each[i + 1 : i + 2] == ["or"] or beside & {"or"} else []
            )
            if bound:
                return f'"{bound[0]}" leaves room for both numbers. Leave it out.'
    values = [[each[i] for i in sorted(at)] for each, at in zip(texts, moved, strict=True)]
    if len(values[0]) > 1 and Counter(values[0]) == Counter(values[1]):
        first, last = min(moved[0]), max(moved[0])
        if set(texts[0][first:last]) & {"and", "plus", "times", "with"}:
            return "The numbers changed places, which leaves a list or a sum as it was. Write another number."
    return ""


def _another_subject(said: list[str], other: list[str], edit: _Edit) -> str:
    """Say so where the change is in what the sentence speaks of: the left shoe, the third train, room 5."""
    if edit.a is None or edit.b is None:
        return ""
    at, one, new = edit.a, said[edit.a], other[edit.b]
    if {one, new} == {"with", "without"} and _describes(said[at - 1]):  # happy with it
        return _UNKNOWN.format(f"{said[at - 1]} {one}/{new}")
    acts = [i for i, word in enumerate(said) if word in _verbs() and said[i - 1 : i] not in _DETERMINERS]
    before_verb, next_verb = not acts or acts[0] >= at, at + 1 in acts
    named = at == 1 and said[0] in _WORDS["before_nouns"]
    if not {one, new}.isdisjoint(_WORDS["frequency"]):
        found = False
    elif edit.kind == "number":
        counts = one.startswith("#") and not one.endswith("th")
        dated = (at == 1 and said[0] in _WORDS["no_thing"]) or (at == 0 and counts)
        labels = (before_verb and next_verb) or (at > 0 and not _AUXILIARIES.isdisjoint(said[at + 1 : at + 2]))
        found = (named and (not counts or said[0] == "the")) or (labels and not dated)
    else:
        kind = _opposite(one, new)
        begins = at == 0 and (kind == "adjectives" or next_verb)
        aside = kind == "adjectives" and before_verb and acts[-1:] > [at]
        found = kind != "quantities" and (named or begins or aside)
    pair = f"{one}/{new}".replace("#", "")
    return f"These are two different subjects ({pair}), so both can be true. Say it of the same thing." if found else ""


def _describes(word: str) -> bool:
    return any(word in pair and kind == "adjectives" for pair, kind in _lists()[0].items())


@cache
def _verbs() -> set[str]:
    kinds, forms = _lists()
    known = {word for pair, kind in kinds.items() if kind == "verbs" for word in pair}
    common = {form for word in _WORDS["verbs_besides"] for form in (word, _s(word), _ed(word))}
    return known.union(forms, common, _AUXILIARIES)


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
    if any(part[0] in _WORDS["no_thing"] | _WORDS["weekdays"] or _is_adverb(part[0]) for part in (one, other)):
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


def _is_adverb(word: str) -> bool:
    return word.endswith("ly") and word not in _WORDS["things_ly"]
