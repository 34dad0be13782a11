"""What a model does not get of somebody's texts, in one line: words behind its limit, languages it does not know."""

import re
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, replace
from typing import Any, Self

# Words that are frequent in English and in no other language; and in others of Latin letters, and not in English. Names
# begin with capitals, so words that do are not counted.
_ENGLISH = re.compile(r"(?<![\w'’])(the|and|of|to|it|that|for|you|not|with|this|my|are|have|but|from|they|we)(?!\w)")
_FOREIGN = re.compile(
    r"(?<![\w'’])(der|und|ist|nicht|ein|eine|mit|das|auf|aus|für|sehr|ich|wir|auch|kann|le|les|des|est|une|pas|dans|pour|"
    r"mais|très|avec|je|suis|el|los|las|una|por|con|del|que|muy|pero|lo|di|che|il|non|sono|uma|não|het|een|van|niet|och|"
    r"det|som|jest|nie|się|bir)(?!\w)"
)
_ACCENTED = re.compile(r"(?<![\w'’])[a-z]*[à-öø-ɏḁ-ỹ][\wà-ỹ]*")  # English has borrowed some
_NO_PROSE = re.compile(r"\S*(://|[/\\@_])\S*")  # addresses, paths, names in code
# a word, or a letter of a script that puts no blanks between words
_WORD = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]|[^\\s\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]+")


@dataclass(frozen=True)
class Unread:
    """How much of some texts a model does not read, and how many look like a language that it was not made for.

    Those of several parts of a corpus add up. As a string it is "" where all is read and known, else for example
    "3 of 10 texts are longer than 256 tokens: 41 % of their words are not read".

    Attributes
    ----------
    n_texts, n_cut, n_foreign : int
        Texts, those longer than ``max_length``, those not in the model's language.
    n_words, n_read : int
        Words of the texts that are cut, and how many of them are read.
    max_length : float
        The tokens after which texts are cut.

    Examples
    --------
    >>> from course_utils.embedding import Unread
    >>> print(Unread(3, 1, 100, 60, 0, 256) + Unread(7, 2, 100, 58, 0, 256))
    3 of 10 texts are longer than 256 tokens: 41 % of their words are not read
    """

    n_texts: int = 0
    n_cut: int = 0
    n_words: int = 0
    n_read: int = 0
    n_foreign: int = 0
    max_length: float = 0

    def __add__(self, other: Self) -> Self:
        mine, theirs = astuple(self), astuple(other)
        counts: list[Any] = [a + b for a, b in zip(mine[:-1], theirs[:-1], strict=True)]
        return replace(self, **dict(zip(asdict(self), [*counts, max(mine[-1], theirs[-1])], strict=True)))

    def __str__(self) -> str:
        said = []
        if self.n_cut:
            which = f"{self.n_cut} of {self.n_texts} texts are longer than {self.max_length} tokens"
            said.append(f"{which}: {100 * (1 - self.n_read / self.n_words):.0f} % of their words are not read")
        if self.n_foreign:
            which = f"{self.n_foreign} or more of {self.n_texts} texts"
            said.append(f"{which} are not in English, the only language the model knows")
        return "; ".join(said)


def count_unread(
    texts: Sequence[str], tokenizer: Any, prompt: str, max_length: float, languages: Sequence[str]
) -> Unread:
    """Count what a model does not get.

    Parameters
    ----------
    texts : sequence of str
        n texts.
    tokenizer : Any
        The model's, a fast one of transformers; with any other nothing is said of lengths.
    prompt : str
        What stands before each text, and takes from its room.
    max_length : float
        The tokens after which texts are cut.
    languages : sequence of str
        ISO 639-3 codes of the model's languages; only of models for English alone is anything said.

    Returns
    -------
    Unread
        The counts.
    """
    ends = read_until(texts, tokenizer, prompt, max_length)
    cut = [(len(_WORD.findall(texts[i])), len(_WORD.findall(texts[i][:end]))) for i, end in ends.items()]
    n_words, n_read = (sum(counts) for counts in zip(*cut, strict=True)) if cut else (0, 0)
    n_foreign = sum(map(_is_foreign, texts)) if tuple(languages) == ("eng",) else 0
    return Unread(len(texts), len(cut), n_words, n_read, n_foreign, max_length if cut else 0)


def read_until(texts: Sequence[str], tokenizer: Any, prompt: str, max_length: float) -> dict[int, int]:
    """For each text that is cut: its position, and how many of its letters are read. Parameters as above."""
    # a token is a byte or more
    long = [i for i, text in enumerate(texts) if len((prompt + text).encode()) + 2 > max_length]
    if not long or not getattr(tokenizer, "is_fast", False):
        return {}
    options = {"truncation": True, "max_length": max_length, "return_offsets_mapping": True}
    tokens = tokenizer([prompt + texts[i] for i in long], **options)["offset_mapping"]
    ends = [max(end for _, end in places) - len(prompt) for places in tokens]
    return {
        i: max(end, 0)
        for i, end, places in zip(long, ends, tokens, strict=True)
        if len(places) >= max_length and end < len(texts[i].rstrip())
    }


def _is_foreign(text: str) -> bool:
    """Whether it is certain: most letters are not Latin, or two words are of other languages and more than English."""
    start = text[:1000].strip()
    start = start[:1].lower() + start[1:]
    if start.isascii() and len(set(_FOREIGN.findall(start))) < 2:  # most texts of a large corpus
        return False
    start = _NO_PROSE.sub(" ", start)
    letters = [letter for letter in start if letter.isalpha()]
    n_foreign = len(set(_FOREIGN.findall(start))) + len(set(_ACCENTED.findall(start))) // 2
    other_letters = len(letters) > 3 and 2 * sum(letter > "\u024f" for letter in letters) > len(letters)
    return other_letters or (n_foreign > 1 and n_foreign > len(set(_ENGLISH.findall(start))))
