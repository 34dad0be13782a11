"""Writes the model card of course-instruct from what was measured; each figure in it comes from ``evaluation.json``."""

_HEADER = """# course-instruct

A small stand-in that follows the kinds of instruction it was taught: frozen all-MiniLM-L6-v2, a head and {adapters}
adapters inside MiniLM, {parameters:,} weights together ({megabytes:.1f} MB). The head reads the instruction on its
own and recognises which of its factors is asked for, if any. For {adapted} an adapter then changes how MiniLM
reads the text; for the others the text's vector is changed. Without an instruction the vectors are MiniLM's, byte
for byte. It is made for a lesson, so that instructions can be tried without a network; it knows some factors and
not, like Qwen3-Embedding, instructions of any kind.

This card is written by `tools/course_instruct/evaluate.py` from `evaluation.json` and `published.json`; do not edit
it.

## How to use it

```python
embedder = load_embedder("course-instruct")
vectors = embedder.encode(texts, instruction="Classify the given text as either toxic or not toxic")
further = embedder.encode(texts, instruction="Classify the given text as either toxic or not toxic", strength=1)
```

`strength` says how far a text's vector is bent, from 0 (not at all) to 1: the direction is that of
(1 − strength) v + strength t, with the text's own unit vector v and the vector t that the factor's adapter or
change gives. By itself the model bends by **{strength}**, so that much of what a text is about is kept.

The weights come with the course and MiniLM's with its package; the course puts them together. `embedder.model`
is a SentenceTransformer and its `save_pretrained` writes an ordinary folder, which sentence-transformers loads
with `trust_remote_code=True` only, because the classes are the course's own. The course itself leaves that off.

## What it was taught

{n_texts:,} English texts; the adapters read them up to 48 or 64 tokens, the rest up to {max_length}; seeds {seeds},
of which the first is the one that ships.

| factor | labels (texts) | who labelled | wordings |
| --- | --- | --- | --- |
{factors}

{irrelevant_wordings} instructions that have nothing to do with any factor, and {unknown_wordings} that ask for other
attributes, are taught to leave the vectors where they are. Sources: {sources}. The {posts} *posts* among them were
written for this training, on other topics than the lessons' posts and by other hands, so that sentiment and tone are
independent: in the archives the rude are mostly displeased too. *Control*, below, is the same training without them.

Never trained on: the product reviews, the newspaper editorials, the movie snippets (nor any movie sentence that
shares eight words in a row with one), the ten newsgroups of the lessons, the lessons' posts, the transcripts of
*Friends*, the Reuters news. `training_hashes.npy` holds a hash of every training text, and a test compares
them.

## What was measured

All on sources, texts and wordings that it never saw. **kNN** is the share of a text's {k} nearest neighbours
(cosine) with its own label; but for the topic, labels are balanced. **Silhouette** (cosine) goes from −1 to 1.
*Right* is the mean over {wordings} held-out wordings of the factor's instruction, with the gain over none and
its paired 95 % interval, for the seed that ships; *seeds* are the gains of all seeds. The other
columns are gains too: *lesson*, the wording of the lessons; *wrong*, the mean over instructions for the other
factors; *irrelevant*, the mean over {aside} held-out ones that ask for nothing of the kind (translate, count,
small talk) or for other attributes (language, author, length), of which {opened:.0%} move a vector at all;
*scrambled*, the lessons' wording with its words in another order; *in front*, plain MiniLM with the words in front.
*Spread* is the difference between the best and the worst wording. Most held-out wordings were written by somebody who
had seen none of the others.

"""

_LABELLERS = {
    "sentiment": "people's mean scores, stars (IMDb), writers (posts); encyclopedia sentences count as neutral",
    "toxicity": "Perspective scores (prompts), writers (posts); elsewhere alt-profanity-check 1.9.1, its sure cases",
    "topic": "the newsgroup, another than the lessons' ten; writers (posts)",
    "formality": "the kind of source; contractions",
    "question": "the mark at the end, taken off half of the examples; searches",
    "subjectivity": "the kind of source",
    "tense": "a rule on verbs and adverbs of time",
    "urgency": "templates: no archive has real texts for it",
}

_LIMITS = """
It knows eight factors, in English, and nothing else: a new question gets MiniLM's vectors back, or nearly. A scrambled
instruction is followed like the right one: what counts is which words are in it. Toxicity is
what a word-based teacher, the scores of one service and the writers of the posts call toxic, and the test labels of
*Friends* and the newsgroups are the teacher's too: they are reported and are no aim. The lessons' posts and those of
the training are of one kind, short messages to a forum with a clear feeling and a clear tone, and that is why so
much is gained on them. No pinned archive holds more comments whose tone people labelled. Formality and subjectivity
were learned from kinds of sources and are confounded with what these are about. Urgency was learned from templates
and is measured on templates by the same hand, which is friendly. Tense, person, numbers and the marks of questions are
labelled by rules on words. Movie sentences (trained on) and movie snippets (measured on) are different texts by
the same kind of writer. Settings and layers were chosen on training sources only; how the strength was chosen stands
above. The topic adapter's settings had one trial, and the combination that ships none on held-out training sources."""


_PUBLISHED = """
## Beside the real Qwen3-Embedding-0.6B

Measured on {posts} newsgroup posts in {n} groups under the lessons' own wordings, from the maps of
{source}; course-instruct's
maps are by the same UMAP, and the number behind an instruction is the strength. *Own group* is the share of a post's
{k} neighbours on the map in its own group: what is kept of the topic. The other columns are rank correlations of a
post's score with its neighbours' mean, after taking out the groups' means: *mood* by VADER, *tone* by
alt-profanity-check (the teacher, which flatters course-instruct) and by the share of words that better-profanity
lists, which labelled no training text.
"""

_CHOSEN = """
The strength that ships, {strength}, was chosen by the same maps of ten other newsgroups, a source of the training (the
topic adapter was trained on some of these very posts). The first choice, by neighbours and silhouettes in the training
sources, was 0.65; the maps of the published posts were seen beside these when it was lowered, so what is kept of the
published posts' groups is no test of that choice.
"""


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]


def with_gain(about: dict) -> str:
    """A mean with its gain over no instruction and the interval."""
    return f"{about['mean']:.3f} ({about['gain']:+.3f}, {about['low']:+.3f} to {about['high']:+.3f})"


def _measured(sets: dict, measure: str) -> list[str]:
    others = {name: name for name in ("lesson", "wrong", "irrelevant", "scrambled")} | {"in front": "words_in_front"}
    rows = [
        [name, str(about["texts"]), f"{about['none'][measure]:.3f}", with_gain(about["seeds"][0][measure])]
        + [" ".join(f"{seed[measure]['gain']:+.3f}" for seed in about["seeds"])]
        + [f"{about[kind][measure]['gain']:+.3f}" for kind in others.values()]
        + [f"{about['spread'][measure]:.3f}"]
        for name, about in sets.items()
    ]
    return table(["factor / source", "texts", "none", "right", "seeds", *others, "spread"], rows)


def targets(found: dict, published: dict) -> list[tuple[str, bool, str]]:
    """What the model was to reach, whether it does, and the figures: (aim, reached, figures)."""
    sets, checks = found["sets"], []

    def of(*factors: str) -> list[str]:
        return [name for name in sets if name.split("/")[0] in factors]

    def right(name: str, measure: str = "knn_accuracy") -> dict:
        return sets[name]["seeds"][0][measure]

    up_by = {"sentiment/reviews": 0.12, "sentiment/editorials": 0.12, "sentiment/movie_snippets": 0.1}
    up_by |= {"sentiment/posts": 0.08, "toxicity/posts": 0.1}
    for name in [*of("sentiment"), "toxicity/posts", "topic/newsgroups"]:
        clear = right(name)["low"] > 0
        checks.append((f"{name}: kNN higher, the interval clear of zero", clear, with_gain(right(name))))
        if name in up_by:
            reached = right(name)["gain"] >= up_by[name]
            checks.append((f"{name}: kNN up by {up_by[name]:.2f}", reached, with_gain(right(name))))
    for label in ("positive", "negative"):
        about = sets["sentiment/posts"]["classes"][label]["knn_accuracy"]
        checks.append(
            (f"sentiment/posts, the {label} ones: kNN higher, clear of zero", about["low"] > 0, with_gain(about))
        )
    about = right("sentiment/reviews", "silhouette")
    checks.append(("sentiment/reviews: silhouette up by 0.25", about["gain"] >= 0.25, with_gain(about)))
    for name in of("sentiment", "toxicity"):
        against, aside = (sets[name][kind]["knn_accuracy"] for kind in ("right_against_wrong", "irrelevant"))
        checks.append(
            (f"{name}: kNN above a wrong instruction's, clear of zero", against["low"] > 0, with_gain(against))
        )
        checks.append((f"{name}: an irrelevant one changes nothing", abs(aside["gain"]) < 0.001, with_gain(aside)))
    for name in of("person", "numbers"):
        kept = right(name)["gain"] >= -0.03
        checks.append((f"{name}, a factor never taught: at most 0.03 of kNN lost", kept, with_gain(right(name))))
    same = len(set(found["sts_b"].values())) == 1
    checks.append(("STS-B without an instruction: MiniLM's", same, str(found["sts_b"])))
    ours, strength = published["course-instruct"], found["training"]["settings"]["strength"]
    for task, measure, aim in (
        ("sentiment", "mood", 0.28),
        ("sentiment", "own group", 0.5),
        ("toxicity", "own group", 0.6),
    ):
        value, real = ours[f"{task}, {strength}"][measure], published[_REAL][task][measure]["estimate"]
        words = f"{_with_interval(value)}; {_REAL}: {real:.2f}"
        checks.append((f"published posts, {task}: {measure} at least {aim:.2f}", value["estimate"] >= aim, words))
    return checks


_REAL = "Qwen3-Embedding-0.6B"


def _with_interval(about: dict) -> str:
    return f"{about['estimate']:.2f} ({about['low']:.2f} to {about['high']:.2f})"


def _published(published: dict, strength: float) -> list[str]:
    """The section on the published run."""
    measures = list(published[_REAL]["default"])
    header = ["model", "instruction", *measures]
    rows = [
        [name, task, *(_with_interval(about[measure]) for measure in measures)]
        for name in (_REAL, "course-instruct")
        for task, about in published[name].items()
    ]
    chosen = [
        [task, *(_with_interval(about[measure]) for measure in measures)]
        for task, about in published["other newsgroups"].items()
    ]
    words = _PUBLISHED.format(
        source=published["source"], posts=published["posts"], n=published["groups"], k=published["k"]
    )
    return [words, *table(header, rows), _CHOSEN.format(strength=strength), *table(["instruction", *measures], chosen)]


def _strengths(sets: dict) -> list[str]:
    """What is gained and kept as the vectors are bent further."""
    rows = []
    for name, about in sets.items():
        for asked, at in about.get("strengths", {}).items():
            cells = [f"{about['none']['knn_accuracy']:.3f}", *(f"{one['knn_accuracy']:.3f}" for one in at.values())]
            rows.append([name, asked, *cells])
    steps = next(iter(next(one["strengths"] for one in sets.values() if "strengths" in one).values()))
    return table(["factor / source", "asked for", "0", *steps], rows)


def _controls(sets: dict) -> list[str]:
    rows = [
        [name, with_gain(about["seeds"][0]["knn_accuracy"]), with_gain(about["control"]["knn_accuracy"])]
        + [f"{about['control']['posts_add']['knn_accuracy'][key]:+.3f}" for key in ("gain", "low", "high")]
        for name, about in sets.items()
        if "control" in about
    ]
    return table(["factor / source", "right", "control", "the posts add", "from", "to"], rows)


def _label_counts(labels: dict[str, int]) -> str:
    if len(labels) > 6:
        return f"{len(labels)} topics, {sum(labels.values()):,}"
    return ", ".join(f"{label} {n:,}" for label, n in labels.items())


def model_card(found: dict, published: dict) -> str:
    """The card as Markdown, from what ``evaluation.json`` and ``published.json`` hold."""
    training, sets = found["training"], found["sets"]
    held_out = {name.removesuffix("/held_out"): n for name, n in found["wordings"].items() if "held_out" in name}
    aside = held_out.pop("irrelevant") + held_out.pop("unknown")
    factors = [
        [factor, _label_counts(labels), _LABELLERS[factor]] + [f"{training['wordings'][factor]:,}"]
        for factor, labels in training["labels"].items()
    ]
    header = _HEADER.format(
        parameters=found["parameters"],
        megabytes=found["parameters"] * 2 / 1e6,
        n_texts=training["texts"],
        max_length=training["settings"]["max_length"],
        seeds=", ".join(map(str, found["seeds"])),
        factors="\n".join(table([], factors)[2:]),
        k=found["k"],
        wordings=f"{min(held_out.values())} to {max(held_out.values())}",
        aside=aside,
        opened=next(iter(sets.values()))["opened"],
        sources=", ".join(f"{name} {n:,}" for name, n in training["sources"].items()),
        adapters=len(found["adapted"]),
        adapted=" and ".join(filter(None, [", ".join(found["adapted"][:-1]), found["adapted"][-1]])),
        strength=training["settings"]["strength"],
        posts=training["sources"]["posts"],
        **{f"{name}_wordings": f"{training['wordings'][name]:,}" for name in ("irrelevant", "unknown")},
    )
    lines = ["### kNN accuracy", "", *_measured(sets, "knn_accuracy")]
    lines += ["", "### Silhouette", "", *_measured(sets, "silhouette")]
    lines += ["", "### Right against wrong, and each label", ""]
    lines += [
        "The gain in kNN of the right instruction over the mean of the wrong ones; and over none, text by text, for"
    ]
    lines += ["each label.", ""]
    fair = [
        [name, with_gain(about["right_against_wrong"]["knn_accuracy"])]
        + ["; ".join(f"{label} {with_gain(one['knn_accuracy'])}" for label, one in about["classes"].items())]
        for name, about in sets.items()
        if len(about["classes"]) <= 3
    ]
    lines += table(["factor / source", "right against wrong", "by label"], fair)
    lines += ["", "### With and without the posts of the training", "", *_controls(sets)]
    lines += ["", "### How far to bend", ""]
    lines += [
        "kNN accuracy at five strengths, the lessons' wordings: what is asked for comes forward, the rest recedes.",
        "",
    ]
    lines += _strengths(sets)
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
    lines += _published(published, training["settings"]["strength"])
    lines += ["", "## What was aimed at", ""]
    aims = [[aim, "yes" if reached else "**no**", figures] for aim, reached, figures in targets(found, published)]
    lines += table(["aim", "reached", "figures"], aims)
    words = [
        f"the {factor} of {about['accuracy']:.0%} "
        f"({about['low']:.0%} to {about['high']:.0%}; chance {about['chance']:.0%})"
        for factor, about in found["posts_words_alone"].items()
    ]
    worse = [name for name, about in sets.items() if about["seeds"][0]["knn_accuracy"]["high"] < 0]
    lines += ["", "## Limits", ""]
    lines += [f"kNN is lower than without an instruction on: {', '.join(worse) or 'none'}."]
    lines += [_LIMITS, "", "## The posts, by their words alone", ""]
    lines += [f"TF-IDF and a logistic regression, with one topic held out at a time, tell {' and '.join(words)}.", ""]
    return header + "\n".join(lines)
