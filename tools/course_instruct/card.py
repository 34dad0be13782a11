"""Writes the model card of course-instruct from what was measured; each figure in it comes from ``evaluation.json``."""

_HEADER = """# course-instruct

A small stand-in that follows the kinds of instruction it was taught: frozen all-MiniLM-L6-v2 and a head of
{parameters:,} weights ({megabytes:.1f} MB). The head reads the instruction on its own, recognises which of its
factors is asked for, if any, and bends the text's vector. Without an instruction the vectors are MiniLM's, byte
for byte. It is made for a lesson, so that instructions can be tried without a network; its figures say nothing
about models such as Qwen3-Embedding, which were trained to follow instructions of any kind.

This card is written by `tools/course_instruct/evaluate.py` from `evaluation.json`; do not edit it.

## How to use it

```python
embedder = load_embedder("course-instruct")
vectors = embedder.encode(texts, instruction="Classify the given text as either toxic or not toxic")
```

The weights come with the course and MiniLM's with its package; the course puts them together. `embedder.model`
is a SentenceTransformer and its `save_pretrained` writes an ordinary folder, which sentence-transformers loads
with `trust_remote_code=True` only, because the classes are the course's own. The course itself leaves that off.

## What it was taught

{n_texts:,} English texts, read up to {max_length} tokens; seeds {seeds}, of which the first is the one that
ships.

| factor | labels (texts) | who labelled | wordings |
| --- | --- | --- | --- |
{factors}

The topic is not taught. Its instructions ({topic_wordings} wordings), {irrelevant_wordings} that have nothing
to do with any factor, and {unknown_wordings} that ask for other attributes are taught to leave the vectors
where they are. Sources: {sources}.

Never trained on: the product reviews, the newspaper editorials, the movie snippets (nor any movie sentence that
shares eight words in a row with one), the ten newsgroups of the lessons, the posts, the transcripts of
*Friends*, the Reuters news. `training_hashes.npy` holds a hash of every training text, and a test compares
them.

## What was measured

All on sources, texts and wordings that it never saw. **kNN** is the share of a text's {k} nearest neighbours
(cosine) with its own label; but for the topic, labels are balanced. **Silhouette** (cosine) goes from −1 to 1.
*Right* is the mean over {wordings} held-out wordings of the factor's instruction, with the gain over none and
its paired 95 % interval, for the seed that ships; *seeds* are the gains of all seeds. The other
columns are gains too: *lesson*, the wording of the lessons; *wrong*, the mean over instructions for the other
factors; *irrelevant*, such as translate or count; *in front*, plain MiniLM with the words in front of each
text. *Spread* is the difference between the best and the worst wording.

"""

_LABELLERS = {
    "sentiment": "people's mean scores, stars (IMDb); encyclopedia sentences count as neutral",
    "toxicity": "Perspective scores (prompts); elsewhere alt-profanity-check 1.9.1, its sure cases",
    "formality": "the kind of source; contractions",
    "question": "the mark at the end, taken off half of the examples; searches",
    "subjectivity": "the kind of source",
    "tense": "a rule on verbs and adverbs of time",
    "urgency": "templates: no archive has real texts for it",
}

_LIMITS = """
It knows seven factors, in English, and nothing else: a new question gets MiniLM's vectors back, or nearly. Toxicity is
what a word-based teacher and the scores of one service call toxic, and what the test labels of *Friends* and
the newsgroups call so too: only the posts have labels of another kind. Formality and subjectivity were learned
from kinds of sources and are confounded with what these are about. Urgency was learned from templates and is
measured on templates by the same hand, which is friendly. Tense, person, numbers and the marks of questions are
labelled by rules on words. Movie sentences (trained on) and movie snippets (measured on) are different texts by
the same kind of writer. An
earlier design, whose gates shared what they read, was measured on these sources once and given up because a wrong
instruction gained nearly as much as the right one; the settings of this one were chosen on training sources only."""


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]


def with_gain(about: dict) -> str:
    """A mean with its gain over no instruction and the interval."""
    return f"{about['mean']:.3f} ({about['gain']:+.3f}, {about['low']:+.3f} to {about['high']:+.3f})"


def _measured(sets: dict, measure: str) -> list[str]:
    others = {"lesson": "lesson", "wrong": "wrong", "irrelevant": "irrelevant", "in front": "words_in_front"}
    rows = [
        [name, str(about["texts"]), f"{about['none'][measure]:.3f}", with_gain(about["seeds"][0][measure])]
        + [" ".join(f"{seed[measure]['gain']:+.3f}" for seed in about["seeds"])]
        + [f"{about[kind][measure]['gain']:+.3f}" for kind in others.values()]
        + [f"{about['spread'][measure]:.3f}"]
        for name, about in sets.items()
    ]
    return table(["factor / source", "texts", "none", "right", "seeds", *others, "spread"], rows)


def targets(found: dict) -> list[tuple[str, bool, str]]:
    """What the model was to reach, whether it does, and the figures: (aim, reached, figures)."""
    sets, checks = found["sets"], []

    def of(*factors: str) -> list[str]:
        return [name for name in sets if name.split("/")[0] in factors]

    def right(name: str, measure: str = "knn_accuracy") -> dict:
        return sets[name]["seeds"][0][measure]

    for name in of("sentiment"):
        clear = right(name)["low"] > 0
        checks.append((f"{name}: kNN higher, the interval clear of zero", clear, with_gain(right(name))))
    reviews = right("sentiment/reviews")
    checks.append(("sentiment/reviews: kNN up by 0.10", reviews["gain"] >= 0.1, with_gain(reviews)))
    for name in of("toxicity", "topic"):
        checks.append((f"{name}: kNN not lower", right(name)["high"] >= 0, with_gain(right(name))))
    for factor, aim in (("sentiment", 0.2), ("toxicity", 0.4)):
        for name in of(factor):
            about = right(name, "silhouette")
            checks.append((f"{name}: silhouette up by {aim}", about["gain"] >= aim, with_gain(about)))
    for name in of("sentiment", "toxicity"):
        wrong, aside = (sets[name][kind]["knn_accuracy"] for kind in ("wrong", "irrelevant"))
        checks.append((f"{name}: no kNN gained by a wrong instruction", wrong["low"] <= 0, with_gain(wrong)))
        tenth = right(name)["gain"] / 10
        checks.append((f"{name}: under a tenth gained by an irrelevant one", aside["gain"] < tenth, with_gain(aside)))
    for name in of("person", "numbers"):
        kept = right(name)["gain"] >= -0.03
        checks.append((f"{name}, a factor never taught: at most 0.03 of kNN lost", kept, with_gain(right(name))))
    same = len(set(found["sts_b"].values())) == 1
    checks.append(("STS-B without an instruction: MiniLM's", same, str(found["sts_b"])))
    return checks


def _topic(found: dict) -> str:
    about = found["sets"]["topic/newsgroups"]["seeds"][0]["knn_accuracy"]
    if about["low"] > 0:
        return f"On the lessons' ten newsgroups the topic instruction adds to none: kNN {with_gain(about)}."
    return (
        "On the lessons' ten newsgroups **the topic instruction adds nothing to no instruction**: kNN "
        f"{with_gain(about)}.\nMiniLM's own vectors are about topics already, and the model was made to leave them."
    )


def model_card(found: dict) -> str:
    """The card as Markdown, from what ``evaluation.json`` holds."""
    training, sets = found["training"], found["sets"]
    counts = [int(n) for name, n in found["wordings"].items() if name.endswith("held_out")]
    factors = [
        [factor, ", ".join(f"{label} {n:,}" for label, n in labels.items()), _LABELLERS[factor]]
        + [f"{training['wordings'][factor]:,}"]
        for factor, labels in training["labels"].items()
    ]
    header = _HEADER.format(
        parameters=found["parameters"],
        megabytes=found["parameters"] * 4 / 1e6,
        n_texts=training["texts"],
        max_length=training["settings"]["max_length"],
        seeds=", ".join(map(str, found["seeds"])),
        factors="\n".join(table([], factors)[2:]),
        k=found["k"],
        wordings=f"{min(counts)} to {max(counts)}",
        sources=", ".join(f"{name} {n:,}" for name, n in training["sources"].items()),
        **{f"{name}_wordings": f"{training['wordings'][name]:,}" for name in ("topic", "irrelevant", "unknown")},
    )
    lines = ["### kNN accuracy", "", *_measured(sets, "knn_accuracy")]
    lines += ["", "### Silhouette", "", *_measured(sets, "silhouette")]
    lines += ["", "### Majority vote and the linear probe", ""]
    lines += [
        "Accuracy of the majority among the same neighbours, and of a logistic regression on MiniLM's own vectors"
    ]
    lines += ["of the same source in five folds: what a straight line can tell at best.", ""]
    votes = [
        [name, f"{about['none']['vote_accuracy']:.3f}", with_gain(about["seeds"][0]["vote_accuracy"])]
        + [f"{about['probe']:.3f}"]
        for name, about in sets.items()
    ]
    lines += table(["factor / source", "none", "right", "probe"], votes)
    lines += ["", "### How far vectors move", ""]
    lines += ["Mean shift (1 − cosine) from no instruction, and the share of the nearest neighbours that stay.", ""]
    kinds = {"lesson": "the lessons' wording", "irrelevant": "irrelevant", "words_in_front": "in front of MiniLM"}
    moves = [
        [name, *(f"{about[what][kind]:.3f}" for kind in kinds for what in ("shift", "overlap"))]
        for name, about in sets.items()
    ]
    columns = [f"{kind}: {what}" for kind in kinds.values() for what in ("shift", "kept")]
    lines += table(["factor / source", *columns], moves)
    lines += ["", "## What was aimed at", ""]
    aims = [[aim, "yes" if reached else "**no**", figures] for aim, reached, figures in targets(found)]
    lines += table(["aim", "reached", "figures"], aims)
    words = [
        f"the {factor} of {about['accuracy']:.0%} "
        f"({about['low']:.0%} to {about['high']:.0%}; chance {about['chance']:.0%})"
        for factor, about in found["posts_words_alone"].items()
    ]
    worse = [name for name, about in sets.items() if about["seeds"][0]["knn_accuracy"]["high"] < 0]
    lines += ["", "## Limits", "", _topic(found), ""]
    lines += [f"kNN is lower than without an instruction on: {', '.join(worse) or 'none'}."]
    lines += [_LIMITS, "", "## The posts, by their words alone", ""]
    lines += [f"TF-IDF and a logistic regression, with one topic held out at a time, tell {' and '.join(words)}.", ""]
    return header + "\n".join(lines)
