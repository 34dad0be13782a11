"""What a model does not get of somebody's texts, in one line: words behind its limit, languages it does not know."""

import re
from collections.abc import Sequence
from typing import Any

# words that are frequent in English, and in other languages of Latin letters
_ENGLISH = re.compile(r"\b(the|and|of|to|is|in|a|it|that|was|for|i|you|not|with|this|my|on|be|are|have|at|but)\b")
_FOREIGN = re.compile(
    r"\b(der|und|ist|nicht|ein|eine|mit|das|auf|für|le|les|des|est|une|pas|dans|pour|el|los|las|una|por|con|del|que|di|"
    r"che|il|non|per|sono|um|uma|não|het|een|van|niet|och|är|det|som|jest|się|nie|ve|bir)\b"
)


def receipt(texts: Sequence[str], tokenizer: Any, prompt: str, max_length: int, languages: Sequence[str]) -> str:
    """Say how much of the texts a model does not read, and how many look like a language that it was not made for.

    Parameters
    ----------
    texts : sequence of str
        n texts.
    tokenizer : Any
        The model's, a fast one of transformers; with any other nothing is said of lengths.
    prompt : str
        What stands before each text, and takes from its room.
    max_length : int
        The tokens after which texts are cut.
    languages : sequence of str
        ISO 639-3 codes of the model's languages; only of models for English alone is anything said.

    Returns
    -------
    str
        "" where all is read and known, else for example "3 of 10 texts are longer than 256 tokens: 41 % of their words
        are not read".
    """
    said = []
    # a token is a byte or more
    long = [text for text in texts if len((prompt + text).encode()) + 2 > max_length]
    if long and getattr(tokenizer, "is_fast", False):
        options = {"truncation": True, "max_length": max_length, "return_offsets_mapping": True}
        tokens = tokenizer([prompt + text for text in long], **options)["offset_mapping"]
        ends = [max(end for _, end in places) - len(prompt) for places in tokens]
        at_limit = [len(places) >= max_length for places in tokens]
        cut = [
            (len(text.split()), len(text[: max(end, 0)].split()))
            for text, end, full in zip(long, ends, at_limit, strict=True)
            if full and end < len(text.rstrip())
        ]
        if cut:
            n_words, n_read = map(sum, zip(*cut, strict=True))
            which = f"{len(cut)} of {len(texts)} texts are longer than {max_length} tokens"
            said.append(f"{which}: {100 * (1 - n_read / n_words):.0f} % of their words are not read")
    n_foreign = sum(map(_is_foreign, texts)) if tuple(languages) == ("eng",) else 0
    if n_foreign:
        said.append(f"{n_foreign} of {len(texts)} texts do not look like English, the only language the model knows")
    return "; ".join(said)


def _is_foreign(text: str) -> bool:
    start = text[:500].lower()
    letters = [letter for letter in start if letter.isalpha()]
    n_foreign = len(_FOREIGN.findall(start))
    other_letters = 2 * sum(letter > "\u024f" for letter in letters) > len(letters)  # behind the Latin ones
    return other_letters or (n_foreign > 1 and n_foreign > len(_ENGLISH.findall(start)))
