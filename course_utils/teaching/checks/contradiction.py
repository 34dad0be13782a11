"""Reads whether two sentences contradict each other, from the one thing that changed between them.

No model of this course can say that, which is what lesson 1's "fool it" is about. So the sentences must have a form in
which a small change cannot leave both true: one definite thing, what it is, has, costs, can or must do, one tense; and
the change is a negation, a number, an opposite, or who is more than whom. Everything else is refused, with a reason.
"""

import re
import tomllib
from functools import cache
from itertools import combinations, pairwise, product
from pathlib import Path

_LISTS = tomllib.loads((Path(__file__).parents[1] / "english.toml").read_text(encoding="utf-8"))
_WORDS = {name: set(text.split()) for name, text in _LISTS.items()}
_AUXILIARIES, _COPULAS, _JOINTS = (_WORDS[name] for name in ("auxiliaries", "copulas", "joints"))
_NEGATORS, _DETERMINERS, _PERSONS = (_WORDS[name] for name in ("negators", "determiners", "persons"))
_DO = {"do", "does", "did"}
_RELATION = re.compile("|".join(f"({line})" for line in _LISTS["relations"].strip().split("\n")))
_REWRITES = [
    (re.compile(pattern), new)
    for pattern, new in (
        (r"[‘’`´]", "'"),
        (r"(?<=\w)[-–](?=\w)", " "),
        (r"\b(can|do|does|did|is|are|was|were|has|have|had|would|could|should)nt\b", r"\1 not"),
        (r"\bcan(?:not|'t)(?!\w)", "can not"),
        (r"\b(wo|sha)n't\b", lambda m: {"wo": "will not", "sha": "shall not"}[m[1]]),
        (r"n't\b", " not"),
        (r"'(m|re|ve|ll)\b", lambda m: {"m": " am", "re": " are", "ve": " have", "ll": " will"}[m[1]]),
        (r"\b(he|she|it|that|this)'s\b", r"\1 be_s"),
        (r"'s (?=not\b|never\b)", " be_s "),
        (r"'s\b", " 's"),
        (r"(?<=\d)\s*([ap])\.?m\b\.?", r" \1m_"),
        (r"\s*\bo'?clock\b", ""),
        (r"\b(?:noon|midday)\b", "12"),
        (r"\bmidnight\b", "12 am_"),
        (r"\b(1[3-9]|2[0-3]):(?=[0-5]\d\b)", lambda m: f"{int(m[1]) - 12}:"),
        (r"(?<=\d),(?=\d{3}\b)", ""),
        (r"(?<=\d)(?:st|nd|rd|th)\b", "th"),
        (r"%", " percent"),
        (r"[€£$]\s*(\d[\d.]*)", r"\1 euros"),
        (r"\b(in|of|since|until|till|by|last|next|this|on|from|to|\d+(?:th)?) may\b", r"\1 may_"),
        (r"\bno one\b", "nobody"),
        (r"\b(all|both) (?=(?:the|my|your|his|her|our|their|these|those)\b)", r"\1 of "),
        (r"\b(is|are|am|can|will) no longer\b", r"\1 not"),
        (r"\bno longer (?=\w+s\b)", "never "),
        (r"\b((?:is|are|am|do|does|can|will) not [^.]*?)\bany ?(?:more|longer)\b", r"\1"),
        (r"\bat all\b", "at_all"),
        (r"\bup to\b", "up_to"),
        (r"\bdied in(?= the\b)", "died_in"),
        (r"\ban\b", "a"),
    )
]
_TOKEN = re.compile(r"\d+(?:[.:]\d+)*(?:th\b)?|[^\W\d]+|'s")

_THING = (
    'Speak of one definite thing, at the beginning: *the* shop, *my* key, a name, he, she, it. "{}" is none that the '
    "check knows."
)
_STATE = (
    "Say what it is, has, costs, can or must do: {}, so both can be true. Try *The shop is open* and *is not open*."
)


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
    >>> why_not("The shop is open.", "The shop is not closed.")[:24]
    'Two things changed (not,'
    """
    if "?" in first + second:
        return "A question claims nothing that could be contradicted. Write two statements."
    reasons = [_judged(one, other) for one, other in product(_readings(first), _readings(second))]
    return min(reasons, key=bool)


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
    return _readings(text)[0]


# ------------------------------------------------------------------------------------------------- reading a sentence


def _readings(text: str) -> list[list[str]]:
    """Its words; an 's after he or she may be is or has."""
    text = " ".join(text.lower().split())
    for pattern, new in _REWRITES:
        text = pattern.sub(new, text)
    return [_numbers(_TOKEN.findall(text.replace("be_s", be))) for be in (("is", "has") if "be_s" in text else ("",))]


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
    return {"first": 1.0, "second": 2.0}.get(word)


def _same_number(one: str, other: str, clock: bool) -> bool:
    """Whether two numbers are one, said more or less precisely, or a clock's of twelve and of twenty-four hours."""
    x, y = _value(one) or 0.0, _value(other) or 0.0
    year = 1000 < x < 2100 and x == int(x)
    return x == y or (clock and abs(x - y) == 12) or (abs(x - y) <= 0.02 * max(x, y) and not year)


# ------------------------------------------------------------------------------------------------------ forms of words


@cache
def _past() -> dict[str, str]:
    return dict(pair.split() for pair in re.split(r"[;\n]", _LISTS["irregular"].strip()))


def _doubled(word: str) -> str:
    return word + word[-1] if re.fullmatch(r"[^aeiou]*[aeiou][^aeiouwxy]|.*(mit|fer|pel|quit|ban)", word) else word


def _s(word: str) -> str:
    if word == "have":
        return "has"
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "sh", "ch", "x", "z", "o")) else "s")


def _er(word: str, ending: str) -> str:
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "i" + ending
    return (word[:-1] if word.endswith("e") else _doubled(word)) + ending


@cache
def _opposites(kind: str) -> set[tuple[str, str]]:
    """Pairs of opposite words, in both orders."""
    made = {
        "adjectives": lambda word: [word, _er(word, "er"), _er(word, "est")],
        "verbs": lambda word: [word, _s(word)],
        "outcomes": lambda word: [word],
    }[kind]
    pairs: set[tuple[str, str]] = set()
    for entry in re.split(r"[;\n]", _LISTS[kind].strip()):
        left, right = (side.split() for side in entry.split("|"))
        for one, other in product(left, right):
            pairs |= {pair for x, y in zip(made(one), made(other), strict=True) for pair in ((x, y), (y, x))}
    return pairs


def _are_opposite(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    denied = re.fullmatch(r"(?:un|in|im|ir|il)(.{4,})", long)
    return (one, other) in _opposites("adjectives") or (
        denied is not None and denied[1] == short and short not in _WORDS["not_denied"]
    )


# ---------------------------------------------------------------------------------------------------------- the form


def _is_definite(thing: list[str]) -> bool:
    """Whether words name one definite thing: my brother's car, the shop on the corner, all of the seats, Anna."""
    if not thing or len(thing) > 18:
        return False
    if thing[0] in ("all", "everybody", "everyone") and thing[1:2] in (["of"], ["in"], ["at"], ["on"]):
        return thing[2:3] != [] and thing[2] in _DETERMINERS and _is_definite(thing[2:])
    if thing[0] in _PERSONS and len(thing) == 1:
        return True
    names, run = _WORDS["names"], 0  # run: words since the last joint
    if thing[0] not in _DETERMINERS | names or thing[-1] in _JOINTS | {"'s", "a"} | _DETERMINERS:
        return False
    for i, (before, word) in enumerate(pairwise(thing)):
        run = 0 if word in _JOINTS or before == "'s" else run + 1
        begins = word in _DETERMINERS | _PERSONS and before not in _JOINTS
        begins = begins or (
            word in names and before not in _JOINTS | names | _DETERMINERS and i > 0 and word not in _WORDS["titles"]
        )
        if begins or run > 4 or word in _AUXILIARIES | _NEGATORS | _WORDS["deniers"] | {"if", "a"}:
            return False
        if i == 0 and before in names - _WORDS["titles"] and word not in _JOINTS | names | {"'s"}:
            return False
    return True


def _unfit(said: list[str]) -> str:
    """What one sentence has that the form has not."""
    hedge = next((word for word in said if word in _WORDS["hedges"]), "")
    if hedge:
        return f'With "{hedge}" both can be true. Leave that word out.'
    clauses, finite = [word for word in said if word in _WORDS["clauses"]], []
    for before, word in pairwise(["", *said]):
        if word in _AUXILIARIES | _DO and (word != "have" or before not in ("to", "not", *_AUXILIARIES)):
            finite.append(word)
        if (word == "that" and before not in {"", "than", *_JOINTS, *_COPULAS}) or (
            before in ("before", "after", "since", "as", "so") and word in _PERSONS
        ):
            clauses.append(word)
    if clauses or len(finite) > 1:
        return f'Write one short clause: with "{[*clauses, *finite][-1]}" begins another, and both can be true.'
    starts = _DETERMINERS - {"her", "his", "this", "that", "these", "those"} | {"a"}
    after_the = _AUXILIARIES | _NEGATORS | starts | {"of", "and", "in", "at", "to", "for", "with", "from", "by"}
    for before, word in pairwise([*said, ""]):
        wrong = before == word or (before in starts and word in after_the)
        wrong = wrong or (word == "of" and before in _AUXILIARIES | {"not"})
        wrong = wrong or (not word and before in starts | {"of", "and", "is", "are", "not"})
        if wrong or (word == "not" and before not in _AUXILIARIES | _DO | _WORDS["small"] and before[-2:] != "ly"):
            return f'Write plain English sentences: the check cannot read "{before} {word}".'
    return ""


def _verb_at(said: list[str], verbs: set[str]) -> int:
    """Where one of these verbs stands after a definite subject, or 0."""
    return next((i for i, word in enumerate(said) if word in verbs and _is_definite(said[:i])), 0)


# ------------------------------------------------------------------------------------------------- what has changed


def _without_do(said: list[str]) -> list[str]:
    """A do, does or did before a not goes into its verb: does not drink, not drinks; and the day in front goes."""
    out = list(said)
    for i, (word, after) in enumerate(pairwise(said)):
        if word in _DO and after in ("not", "never"):
            out[i] = ""
            at = [j for j in range(i + 2, len(said)) if said[j] not in _WORDS["small"] and said[j][-2:] != "ly"][:1]
            for j, verb in ((j, said[j]) for j in at):
                out[j] = {"do": verb, "does": _s(verb), "did": _past().get(verb) or _er(verb, "ed")}[word]
    return [word for i, word in enumerate(out) if word and (i or word not in ("today", "tomorrow", "now", "yesterday"))]


def _judged(a: list[str], b: list[str]) -> str:
    """Why two sentences are no contradiction; empty if they are one."""
    reason = next(filter(None, map(_unfit, (a, b))), "")
    a, b = (_without_do(said) for said in (a, b))
    plain = [[word for word in said if word not in _NEGATORS | _WORDS["small"]] for said in (a, b)]
    n = [sum(word in _NEGATORS for word in said) for said in (a, b)]
    if plain[0] == plain[1] and n[0] == n[1] == 0:
        return "They mean the same. Change one thing, so that only one of them can be true."
    if reason:
        return reason
    if min(n) > 0:
        return "Both sentences deny something, so both can be true. Deny nothing in one of them."
    heads = {said[0] for said in (a, b) if said}
    if heads in ({"all", "none"}, {"everybody", "nobody"}, {"everyone", "nobody"}):
        return _everybody(a, b)
    if not (_WORDS["deniers"] - {"without"}).isdisjoint(a + b):
        return "One sentence denies something by another word than not, never and no. Use one of those, once."
    if plain[0] == plain[1]:
        return _negation(a if n[0] else b) if max(n) == 1 else "Deny it once: two negations may come back to the same."
    a, b = (["#0" if word == "no" else word for word in said] for said in (a, b))
    changed = [i for i, (x, y) in enumerate(zip(*map(_singular, (a, b)), strict=False)) if x != y]
    if len(a) == len(b) and len(changed) == 1:
        return _one_word(a, b, changed[0])
    if max(n):
        other = sorted(set(plain[0]) ^ set(plain[1]))
        return (
            f"Two things changed ({', '.join(['not', *other])[:60]}), and that may come back to the same. Change one."
        )
    if sorted(_cased(a)) == sorted(_cased(b)):
        return _compared(_cased(a), _cased(b))
    if (set(plain[0]) & set(plain[1])) <= _DETERMINERS | _AUXILIARIES | _JOINTS:
        return (
            "These are two different subjects, which cannot contradict each other. Keep the first and change one thing."
        )
    said = " / ".join(" ".join(w for w in x if w not in y) for x, y in ((a, b), (b, a))).replace("#", "")
    return (
        f'More than one thing changed, or one that the check does not know ("{said:.60}"). Change one: a *not*, a '
        "number, an opposite, or who is more than whom."
    )


def _singular(said: list[str]) -> list[str]:
    """One goal, seven goals: what is counted, in the singular."""
    return [word.removesuffix("s") if before.startswith("#") else word for before, word in pairwise(["", *said])]


def _negation(said: list[str]) -> str:
    """Why the denial in a sentence leaves room for both."""
    said = [word for word in said if word not in _WORDS["small"]]
    at = next(i for i, word in enumerate(said) if word in _NEGATORS)
    denial, before, after = said[at], said[:at], [*said[at + 1 :], ""][0]
    verb = before[-1] if before else ""
    acts = verb in _AUXILIARIES | set(_past().values()) or (
        verb.endswith(("s", "ed")) and verb not in _WORDS["no_verbs"]
    )
    subject = before[:-1] if verb in _AUXILIARIES or denial == "no" else before
    if not _is_definite(subject):
        return _THING.format(" ".join((subject or said)[:4]))
    if (
        {"until", "till"} & set(said)
        or after in _WORDS["idioms"] | _AUXILIARIES - {"have", "has", "had"}
        or not after
        or (denial == "no" and not acts)
    ):
        return f'"{denial} {after}" does not deny it for certain. Deny the verb: *is not*, *does not*, *never*.'
    number = next((i for i in range(at + 1, len(said)) if said[i][0] == "#"), 0)
    if number and said[number - 1] not in _JOINTS | _WORDS["states"] | _WORDS["towards"] | _WORDS["months"] | {"not"}:
        return "Others may be meant the second time, so both can be true. Leave the number out."
    return ""


def _everybody(a: list[str], b: list[str]) -> str:
    rest = [_cased(said[1:]) for said in (a, b)]
    if rest[0] != rest[1]:
        return "More than one thing changed. Change *all of the* into *none of the*, and nothing else."
    positive = a if a[0] not in _WORDS["deniers"] else b
    return (
        ""
        if _NEGATORS.isdisjoint(a) and any(_is_definite(positive[:i]) for i in range(3, len(a)))
        else _THING.format(" ".join(a[:4]))
    )


def _one_word(a: list[str], b: list[str], at: int) -> str:
    """Why another word in one place leaves room for both."""
    one, other, after = a[at], b[at], [*a[at + 1 :], ""][0]
    pair = f"{one}/{other}".replace("#", "").replace("_", " ")
    dated = any({one, other} <= _WORDS[name] for name in ("weekdays", "months"))
    if dated or None not in (_value(one), _value(other)):
        return _number(a, at, pair, dated)
    if {one, other} <= _AUXILIARIES:
        return f"The two speak of different times ({pair}). Keep the tense, and change another word."
    if (one, other) in _opposites("outcomes") | _opposites("verbs"):
        if not _is_definite(a[:at]):
            return _THING.format(" ".join(a[: max(at, 2)]))
        once = after in ("the", "this", "that") or "died_in" in (one, other)
        if (one, other) in _opposites("outcomes"):
            return (
                ""
                if once or (one in _WORDS["trends"] and "last" in a[at:])
                else _STATE.format(f"it may have happened twice ({pair})")
            )
        return _STATE.format(f'"{after}" may mean another one') if after == "a" or after.startswith("#") else ""
    if not _are_opposite(one, other):
        return f"Both may be true, or the check does not know {pair} as opposites. Try a *not*, or *open* and *closed*."
    verb = _verb_at(a[:at], _COPULAS)
    between = [word for word in a[verb + 1 : at] if word not in _WORDS["degree"]] if verb else ["", ""]
    ends = not after or after in _WORDS["follows"] or (after in _DETERMINERS and one in _WORDS["places"])
    if between == ["the"]:
        ends = len(a) <= at + 2 or ends or a[at + 2] in _WORDS["follows"]
    if ends and between in ([], ["a"], ["the"], *([word, "the"] for word in ("on", "in", "at"))):
        return ""
    return _thing_or(a, at, f"{pair} says which one, or how it was done")


def _thing_or(a: list[str], at: int, why: str) -> str:
    """What to say of a change that stands behind no fitting verb: is a definite subject there?"""
    if any(_is_definite(a[:i]) for i in range(1, at)):
        return _STATE.format(why)
    return _THING.format(" ".join(a[: max(at, 2)]))


def _number(a: list[str], at: int, pair: str, dated: bool) -> str:
    """Why another number leaves room for both: at least, another room, another day."""
    one, other = (f"#{each}" for each in pair.split("/"))
    before, after = a[at - 1] if at else "", [*a[at + 1 :], ""][0]
    if not dated and _same_number(one, other, before in ("at", "until") or ":" in pair):
        return f"The two numbers come to the same ({pair}). Take one that is farther off."
    if before in _WORDS["bounds"]:
        return f'"{before}" leaves room for both numbers. Leave it out.'
    at_verb = _verb_at(a[:at], _WORDS["states"])
    verb, between = a[at_verb], a[at_verb + 1 : at]
    date = dated or not _WORDS["months"].isdisjoint(a[at - 1 : at + 2]) or re.fullmatch(r"#(19|20)\d\d", one)
    fits = at_verb > 0 and set(between) <= _WORDS["towards"] | {"the"}
    if dated:
        fits = at_verb > 0 and all(word in ("on", "in") or word[0] == "#" for word in between)
    if verb in _WORDS["events"]:
        fits = fits and between[:1] in (["at"], ["on"], ["in"], ["from"])
    if dated or (date and between and "valid" not in between):
        fits = fits and verb in _WORDS["once"]
    if verb in ("takes", "take", "took"):
        fits = fits and after.removesuffix("s") in _WORDS["durations"]
    if "the" in between:
        fits = fits and verb in ("is", "are", "was")
    return "" if fits else _thing_or(a, at, f"{pair} may be two things or two times")


def _cased(said: list[str]) -> list[str]:
    cases = {"him": "he", "them": "they", "us": "we", "me": "i", "am": "is", "are": "is", "were": "was", "have": "has"}
    return [cases.get(word, word) for word in said]


def _compared(x: list[str], y: list[str]) -> str:
    """Why two things may change places and both be true; empty if one of them is more than the other."""
    for i, j, k in combinations(range(1, len(x) + 1), 3):
        tail, fits = x[k:], _RELATION.fullmatch(" ".join(x[i:j])) and y == x[j:k] + x[i:j] + x[:i] + x[k:]
        if x[i:j] == ["beat"]:
            fits = fits and tail[:2] in (["in", "the"], ["in", "this"]) and tail[-1] in _WORDS["contests"]
        if fits and _is_definite(x[:i]) and _is_definite(x[j:k]):
            return ""
    return (
        "Words only changed places: both may have happened, or it means the same. Say who is more than whom, of two "
        "definite things: *Anna is taller than Ben*, *my car costs more than your boat*."
    )
