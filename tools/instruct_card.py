"""Writes the model card of course-instruct from what was measured; every figure in it comes from ``evaluation.json``."""

SENTIMENT_SOURCES = ("reviews", "editorials", "movie_snippets", "posts")

_HEADER = """# course-instruct

A small stand-in that follows the kinds of instruction it was taught: frozen all-MiniLM-L6-v2 and a head of {parameters:,}
weights ({megabytes:.1f} MB) that embeds the instruction on its own and bends the text's vector. Without an instruction its
vectors are MiniLM's, byte for byte. It is made for a lesson, so that instructions can be tried without a network; its
figures say nothing about models such as Qwen3-Embedding, which were trained to follow any instruction.

This card is written by `tools/evaluate_instruct_model.py` from `evaluation.json`; do not edit it.

## How to use it

```python
embedder = load_embedder("course-instruct")
vectors = embedder.encode(texts, instruction="Classify the sentiment of the given text as positive, negative, or neutral")
```

## What it was taught

{n_texts:,} English texts, read up to {max_length} tokens; seeds {seeds}, of which the first is the one that ships.

| factor | labels (texts) | who labelled | training wordings |
| --- | --- | --- | --- |
{factors}

The topic is not taught: its instructions ({topic_wordings} wordings) are tied to MiniLM's own vectors, as are
{irrelevant_wordings} instructions that have nothing to do with any factor and {unknown_wordings} that ask for attributes that it was
not taught. Sources: {sources}.

Never trained on: the product reviews, the newspaper editorials, the movie snippets (and any movie sentence that shares eight words in a
row with one), the ten newsgroups of the lessons, the posts corpus, the transcripts of *Friends* and the Reuters news. `training_hashes.npy`
holds a hash of every training text; a test compares them.

## What was measured

All on sources, texts and wordings that it never saw. **kNN** is the share of a text's {k} nearest neighbours (cosine) with its own label,
labels balanced; **vote** the accuracy of the majority among them; **silhouette** (cosine) from −1 to 1. *Right* is the mean over the held-out
wordings of the factor's instruction; in brackets the gain over no instruction with its paired 95 % bootstrap interval, for the seed that
ships. *Seeds* are the gains of all seeds. *Probe* is a logistic regression on MiniLM's own vectors of that source in five folds, to
be compared with *vote*.

"""

_LABELLERS = {
    "sentiment": "people's mean scores (tweets, movie sentences), stars (IMDb); encyclopedia sentences count as neutral",
    "toxicity": "Perspective scores (prompts); elsewhere alt-profanity-check 1.9.1, its sure cases",
    "formality": "the kind of source",
    "question": "the mark at the end, which half of the examples lost; searches",
    "subjectivity": "the kind of source",
    "tense": "a rule on verbs and adverbs of time",
    "urgency": "templates: no archive has real texts for it",
}


def _gain(about: dict, points: bool = False) -> str:
    return f"{about['mean']:.3f} ({about['gain']:+.3f}, {about['low']:+.3f} to {about['high']:+.3f})"


def _table(sets: dict, measure: str) -> list[str]:
    rows = [
        "| factor / source | texts | none | right | seeds | the lessons' wording | wrong | irrelevant | words in front of MiniLM | spread |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, about in sets.items():
        ships = about["seeds"][0]
        seeds = " ".join(f"{seed['paraphrases'][measure]['gain']:+.3f}" for seed in about["seeds"])
        cells = [
            name, str(about["texts"]), f"{about['none'][measure]:.3f}", _gain(ships["paraphrases"][measure]), seeds,
            f"{ships['lesson'][measure]['gain']:+.3f}", f"{ships['wrong'][measure]['gain']:+.3f}",
            f"{ships['irrelevant'][measure]['gain']:+.3f}", f"{about['words_in_front'][measure]['gain']:+.3f}",
            f"{ships['spread'][measure]:.3f}",
        ]  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def targets(found: dict) -> list[tuple[str, bool, str]]:
    """What the model was to reach, whether it does, and by how much: (aim, reached, figures)."""
    sets, checks = found["sets"], []

    def right(name: str, measure: str) -> dict:
        return sets[name]["seeds"][0]["paraphrases"][measure]

    for source in SENTIMENT_SOURCES:
        about = right(f"sentiment/{source}", "knn_accuracy")
        checks.append((f"kNN up for sentiment on {source}, interval clear of 0", about["low"] > 0, _gain(about)))
    about = right("sentiment/reviews", "knn_accuracy")
    checks.append(("kNN up by 0.10 or more for sentiment on reviews", about["gain"] >= 0.1, f"{about['gain']:+.3f}"))
    for name in (n for n in sets if n.startswith(("toxicity/", "topic/"))):
        about = right(name, "knn_accuracy")
        checks.append((f"kNN not lower for {name}", about["high"] >= 0, _gain(about)))
    for factor, aim in (("sentiment", 0.2), ("toxicity", 0.4)):
        for name in (n for n in sets if n.startswith(f"{factor}/")):
            about = right(name, "silhouette")
            checks.append((f"silhouette up by {aim} or more for {name}", about["gain"] >= aim, f"{about['gain']:+.3f}"))
    for name in (n for n in sets if n.startswith(("sentiment/", "toxicity/"))):
        ships = sets[name]["seeds"][0]
        gained = ships["paraphrases"]["knn_accuracy"]["gain"]
        wrong, irrelevant = (ships[kind]["knn_accuracy"]["gain"] for kind in ("wrong", "irrelevant"))
        checks.append((f"a wrong instruction gains nothing on {name}", ships["wrong"]["knn_accuracy"]["low"] <= 0, f"{wrong:+.3f}"))
        checks.append((f"an irrelevant one gains under a tenth on {name}", irrelevant < gained / 10, f"{irrelevant:+.3f} of {gained:+.3f}"))
    for name in (n for n in sets if n.startswith(("person/", "numbers/"))):
        about = right(name, "knn_accuracy")
        checks.append((f"at most 0.03 lost for a factor never taught, {name}", about["gain"] >= -0.03, f"{about['gain']:+.3f}"))
    same = found["sts_b"]
    checks.append(("STS-B without an instruction is MiniLM's", len(set(same.values())) == 1, str(next(iter(same.values())))))
    return checks


def _topic(found: dict) -> str:
    about = found["sets"]["topic/newsgroups"]["seeds"][0]["paraphrases"]["knn_accuracy"]
    if about["low"] > 0:
        return "On the lessons' ten newsgroups the topic instruction adds to none."
    return (
        "On the lessons' ten newsgroups **the topic instruction adds nothing to no instruction** "
        f"(kNN {about['gain']:+.3f}, {about['low']:+.3f} to {about['high']:+.3f}): MiniLM's own vectors are about topics already, "
        "and the model was made to leave them there."
    )


def model_card(found: dict) -> str:
    """The card as Markdown."""
    training, sets = found["training"], found["sets"]
    factors = [
        f"| {factor} | {', '.join(f'{label} {n:,}' for label, n in labels.items())} | {_LABELLERS[factor]} | {training['wordings'][factor]} |"
        for factor, labels in training["labels"].items()
    ]
    text = _HEADER.format(
        parameters=found["parameters"], megabytes=found["parameters"] * 4 / 1e6, n_texts=training["texts"],
        max_length=training["settings"]["max_length"], seeds=", ".join(map(str, found["seeds"])), factors="\n".join(factors),
        topic_wordings=training["wordings"]["topic"], irrelevant_wordings=training["wordings"]["irrelevant"],
        unknown_wordings=training["wordings"]["unknown"], k=found["k"],
        sources=", ".join(f"{name} {n:,}" for name, n in training["sources"].items()),
    )  # fmt: skip
    lines = ["### kNN accuracy", "", *_table(sets, "knn_accuracy"), "", "### Silhouette", "", *_table(sets, "silhouette")]
    lines += ["", "### Majority vote and the linear probe", "", "| factor / source | none | right | probe |", "| --- | --- | --- | --- |"]
    for name, about in sets.items():
        vote = about["seeds"][0]["paraphrases"]["vote_accuracy"]
        lines.append(f"| {name} | {about['none']['vote_accuracy']:.3f} | {_gain(vote)} | {about['probe']:.3f} |")
    lines += ["", "### How far vectors move", "", "| factor / source | shift (right) | neighbours kept (right) | shift (irrelevant) "
              "| neighbours kept (irrelevant) | neighbours kept (words in front of MiniLM) |", "| --- | --- | --- | --- | --- | --- |"]
    for name, about in sets.items():
        ships = about["seeds"][0]
        values = (ships["shift"]["lesson"], ships["overlap"]["lesson"], ships["shift"]["irrelevant"],
                  ships["overlap"]["irrelevant"], about["words_in_front"]["overlap"])
        lines.append(f"| {name} | {' | '.join(f'{value:.3f}' for value in values)} |")
    lines += ["", "## What was aimed at", "", "| aim | reached | figures |", "| --- | --- | --- |"]
    lines += [f"| {aim} | {'yes' if reached else '**no**'} | {figures} |" for aim, reached, figures in targets(found)]
    words = found["posts_words_alone"]
    lines += ["", "## Limits", "", _topic(found), "",
        "It knows seven factors and the topic, in English, and nothing else. Toxicity is what a word-based teacher and the scores of one "
        "service call toxic; formality and subjectivity were learned from kinds of sources and are confounded with what these are about; "
        "urgency was learned from templates and measured on templates by the same hand, which is friendly. The movie sentences it was "
        "trained on and the movie snippets it is measured on are different texts of the same kind of writer.", "",
        "The posts corpus: " + "; ".join(
            f"words alone (TF-IDF, one topic held out at a time) tell the {factor} of {about['accuracy']:.0%} of the posts "
            f"({about['low']:.0%} to {about['high']:.0%}; chance {about['chance']:.0%})" for factor, about in words.items()
        ) + ".", ""]  # fmt: skip
    return text + "\n".join(lines)
