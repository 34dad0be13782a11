# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] tags=["core"]
# Run the next two cells as they are (they are folded): settings, and the model. Every section needs these two and nothing else.
# Some posts in this lesson are rude; the course's own were written to be, and those of 1993 simply are.

# %% tags=["parameters", "folded"]
MODEL = "course-instruct"  # any model of the catalogue; a large one on a laptop: set the next line to 5 (docs/large_models.md)
N_PER_GROUP = 80  # newsgroup posts a group; a tenth as many of the course's own posts of each kind
N_PER_LABEL = 60  # texts a label in section 3
N_WORDS = 60  # words read of each newsgroup post; more is slower
SEED = 0  # which texts are drawn, and the maps

# %% tags=["setup", "folded"]
import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from course_utils.data import load_corpus, load_tasks
from course_utils.drawing import maps, plots
from course_utils.embedding import find_model, load_embedder
from course_utils.embedding.instruct import HEAD
from course_utils.measuring import intervals, metrics
from course_utils.teaching import exercises, finder, say

q1, q2, q3, q4, q5 = exercises(3)
embedder = load_embedder(MODEL)
tasks = load_tasks()  # datasets/task_prompts.json
FOUR = ("default", "sentiment", "topic", "toxicity")  # the first of them asks nothing
FACTORS = {"topic": "topic", "sentiment": "sentiment", "toxicity": "tone"}  # what each of the others asks for
kinds = load_corpus("posts").groupby(["topic", "sentiment", "tone"])
posts = kinds.sample(n=max(1, min(8, N_PER_GROUP // 10)), random_state=SEED).reset_index(drop=True)


def embed(texts, instruction="", **options):
    """Embed texts under an instruction; "" asks nothing."""
    return embedder.encode(texts, **({"instruction": instruction} if instruction else {}), **options)


MOOD = load_corpus("mood_words").set_index("word")["score"].to_dict()  # −4 to 4, the mean of ten people's
RUDE = set(load_corpus("rude_words")["word"])


def count(texts):
    """Mood and tone of each text, by its words: the mean score of those in MOOD, the share of those in RUDE."""
    words = texts.str.lower().str.findall("[a-z']+")
    moods = [np.mean([MOOD[word] for word in each if word in MOOD] or [0]) for each in words]
    return pd.DataFrame({"mood": moods, "tone": [np.mean([word in RUDE for word in each] or [0]) for each in words]})


def load_news(n_per_group=N_PER_GROUP, n_words=N_WORDS):
    """Newsgroup posts with their mood and tone against the average of their group.

    Of each post so many words from the 26th on (of a short one from the middle), as in lesson 1: the subject stands before.
    """
    news = load_corpus("newsgroups", n_per_group=n_per_group, seed=SEED)
    words = news["text"].str.split()
    news["text"] = [" ".join(each[min(25, len(each) // 2) :][:n_words]) for each in words]
    counted = count(news["text"])
    news["is_rude"] = counted["tone"] > 0
    return news.join(counted - counted.groupby(news["group"]).transform("mean"))


def thinned(texts, listed):
    """Texts without the words of a list (a set) and, as a control, without as many other words, drawn by the seed."""
    draw, bare, control = np.random.default_rng(SEED), [], []
    for text in texts:
        words = text.split()
        is_listed = [
            not listed.isdisjoint(re.findall("[a-z]+", word) + re.findall("[a-z']+", word))
            for word in text.lower().split()
        ]
        others = np.flatnonzero(~np.array(is_listed, dtype=bool))
        gone = set(draw.choice(others, min(sum(is_listed), len(others)), replace=False))
        bare.append(" ".join(word for word, hit in zip(words, is_listed, strict=True) if not hit) or "-")
        control.append(" ".join(word for i, word in enumerate(words) if i not in gone) or "-")
    return bare, control


def three_columns(sentence):
    """The three posts nearest to a sentence under each question, each with what was asked for in front."""
    shown = {}
    for name, factor in FACTORS.items():
        words = tasks[name].instruction
        cosines = embed(posts["text"], words) @ embed(sentence, words)
        nearest = posts.iloc[np.argsort(-cosines, kind="stable")[:3]]
        shown[f"asked for the {factor}"] = list("[" + nearest[factor] + "] " + nearest["text"])
    return say.table(
        pd.DataFrame(shown, index=["nearest", "second", "third"])
    )  # fixed: a search, and its first is what it says


# %% [markdown] tags=["core", "workshop"]
# ## 1. One sentence, three questions
#
# The course has 480 short posts from a forum that does not exist: on ten topics, happy, neutral or unhappy, civil or rude. Which of them
# lie nearest to this sentence? It depends on what you ask. Here the **same model** is asked three times.

# %% tags=["core"]
sentence = "Disgusting recipe, the rice was mush. Whoever wrote it is an idiot."
three_columns(sentence)

# %% [markdown] tags=["core"]
# Change the sentence and run the cell again. Praise something. Insult somebody about a bicycle.
#
# What is going on? One list of numbers cannot please a cook, who wants recipes, somebody who collects good news, and a moderator, who looks for
# insults. So the model is told what to look at, in words, before it reads: an **instruction**. Each instruction that it
# follows gives every text *another vector*. In this lesson *sentiment* asks for the mood, *toxicity* for the tone (civil or rude),
# *topic* for the subject, and *default* asks nothing:

# %% tags=["core", "nbval-check-output"]
for name in FOUR:
    print(f"{name:10}", tasks[name].instruction or "(nothing is asked)")

# %% [markdown] tags=["core"]
# How often does it work? The sentence above is one of twelve that were written before the model was tried on them: three topics,
# happy or unhappy, civil or rude, each combination once. For each of the twelve we count, among its three nearest posts, those with its own topic, its own
# sentiment, its own tone.

# %% tags=["core"]
twelve = load_corpus("twelve_texts")
shares = pd.DataFrame(index=FOUR)
for name in FOUR:
    words = tasks[name].instruction
    cosines = embed(twelve["text"], words) @ embed(posts["text"], words).T
    nearest = np.argsort(-cosines, axis=1)[:, :3]
    for factor in FACTORS.values():
        own = posts[factor].to_numpy()[nearest] == twelve[factor].to_numpy()[:, None]
        shares.loc[name, f"same {factor}"] = own.mean()
shares.loc["by chance"] = [1 / posts[factor].nunique() for factor in FACTORS.values()]
say.table(shares)


# %% tags=["core", "folded"]
alike = ""
if MODEL == "course-instruct":
    card = json.loads((HEAD / "evaluation.json").read_text(encoding="utf-8"))["sets"]
    seeds, control = (
        [card[f"{factor}/posts"][which] for factor in ("sentiment", "toxicity")] for which in ("seeds", "control")
    )
    now, then = [seed[0]["knn_accuracy"]["gain"] for seed in seeds], [each["knn_accuracy"]["gain"] for each in control]
    alike = (
        " **Mind**: this model was taught on 432 posts of the same kind, by other hands and on other topics. Its model card says what is left on these "
        f"posts when it is taught without them (ten neighbours, other wordings): for sentiment {then[0]:+.2f} of {now[0]:+.2f}, for toxicity {then[1]:+.2f} of "
        f"{now[1]:+.2f}. Section 3 asks about texts that others wrote."
    )


def share_of_three(name, factor):
    """Of each of the posts' three nearest other posts, the share with its own label."""
    return metrics.knn_accuracy(embed(posts["text"], tasks[name].instruction), posts[factor], k=3)


gains = intervals.simultaneous(
    intervals.difference_interval,
    {
        (name, factor): (share_of_three(name, factor), share_of_three("default", factor))
        for name, factor in FACTORS.items()
    },
)
say.sentence(
    "Read down a column: the question that names it against the other three. Twelve are few, so the "
    f"same with each of the {len(posts)} posts in turn:\n"
    + "\n".join(
        f"- {say.comparison(name, 'default', gain, f'share of posts with the same {factor}')}"
        for (name, factor), gain in gains.items()
    )
    + "\n\n(“3 together”: the three intervals hold at once.)"
    + alike
)

# %% [markdown] tags=["core"]
# The same twelve texts among themselves, on a map for each question (lesson 1 says how far to trust a map). Press a button, and watch them
# go where the question sends them. Colour and shape show what was asked for.

# %% tags=["core"]
spaces = {name: embed(twelve["text"], tasks[name].instruction) for name in FOUR}
labels = {name: twelve[FACTORS.get(name, "topic")] for name in FOUR}
plots.plot_glide(
    maps.project_aligned(spaces, random_state=SEED), labels, twelve["text"], title="Twelve texts, four questions"
)

# %% tags=["core", "folded"]
partners = {
    name: twelve[factor].to_numpy()[metrics.nearest_neighbors(spaces[name], k=1)[:, 0]] == twelve[factor]
    for name, factor in FACTORS.items()
}
before = metrics.nearest_neighbors(spaces["default"], k=1)[:, 0]
say.sentence(
    "In the vectors, not on the drawing: how many of the twelve have a nearest text that shares with them\n"
    + "\n".join(
        f"- the {factor}: **{partners[name].sum()}** when asked for it, {(twelve[factor].to_numpy()[before] == twelve[factor]).sum()} "
        "when nothing is asked"
        for name, factor in FACTORS.items()
    )
)

# %% [markdown] tags=["core"]
# How is the model told? Usually by characters put in front of the text, in exactly the form that it was trained with:
# its **template**. The catalogue keeps each to the byte.

# %% tags=["core", "nbval-check-output"]
for name in ("Qwen3-Embedding-0.6B", "embeddinggemma-300m", "course-instruct", "all-MiniLM-L6-v2"):
    print(f"{name:22}", repr(find_model(name).instruction_prompt))

# %% [markdown] tags=["core"]
# Look closely at the first line. Before `Query:` is a line break, written `\n`; after the colon is *no* space. Many tutorials
# add one. To a model that is another text, so the vectors change, and nothing warns you. (The third is the model of this lesson, which
# reads the instruction apart from the text.) The last line is empty: that model was never
# taught to follow instructions.
#
# ### Exercise 1: build the prompt
#
# Write a function that returns all the characters that a model reads: the template with the instruction
# filled in, then the text. Without an instruction (`""`) it is the text alone. Where the template is empty,
# the instruction goes in front on a line of its own. Nothing is stripped, and curly brackets in an instruction
# or a text are ordinary characters.


# %% tags=["core", "exercise", "q1"]
def build_prompt(template, instruction, text):
    ### BEGIN SOLUTION
    if not instruction:
        return text
    return (template or "{instruction}\n").replace("{instruction}", instruction) + text
    ### END SOLUTION


# %% tags=["core"]
q1.check(build_prompt)
# q1.hint()
# q1.solution()

# %% [markdown] tags=["core", "workshop"]
# ## 2. New neighbours prove nothing
#
# A friend is excited: "I put *Classify the sentiment* in front of my texts, and half of their neighbours changed. It obeys!" Does it? To find out
# you need a **control**: something that should *not* work, and is treated in the same way. A good one keeps all the words of the
# instruction and loses its sense.
#
# ### Exercise 2: write a control
#
# Write a function that returns an instruction's words in another order, drawn with `seed`:
# every word as often as before, separated by single spaces, and never in the old order unless all words are the same. Capital
# letters and signs stay on their words.


# %% tags=["core", "exercise", "q2"]
def scrambled(instruction, seed):
    ### BEGIN SOLUTION
    words = instruction.split()
    generator = np.random.default_rng(seed)
    mixed = list(generator.permutation(words))
    while mixed == words and len(set(words)) > 1:
        mixed = list(generator.permutation(words))
    return " ".join(mixed)
    ### END SOLUTION


# %% tags=["core"]
q2.check(scrambled)
# q2.hint()
# q2.solution()

# %% [markdown] tags=["core"]
# Your friend's model is all-MiniLM-L6-v2, never taught instructions: it reads the words as text. We put
# three lines in front of every post: the instruction, your mixture of its words (where the exercise is still open, its words backwards), and a
# sentence about something else.

# %% tags=["core"]
asks = tasks["sentiment"].instruction
in_front = {
    "the instruction": asks,
    "its words, mixed": scrambled(asks, SEED) or " ".join(asks.split()[::-1]),
    "something else": tasks["irrelevant_control"].instruction,
}
minilm = load_embedder("all-MiniLM-L6-v2")
plain = minilm.encode(posts["text"])
worded = {name: minilm.encode(posts["text"], prompt=words + "\n") for name, words in in_front.items()}

# %% [markdown] tags=["core"]
# Two measures. *New neighbours*: the share of each post's ten nearest that were not among them before. *Same sentiment*: the share of the ten that
# have the post's own.

# %% tags=["core"]
new = {name: 1 - metrics.knn_overlap(plain, vectors, metric="cosine") for name, vectors in worded.items()}
same = {name: metrics.knn_accuracy(vectors, posts["sentiment"]) for name, vectors in worded.items()}
same_before = metrics.knn_accuracy(plain, posts["sentiment"])

# %% tags=["core", "folded"]
gains = intervals.simultaneous(
    intervals.difference_interval, {name: (values, same_before) for name, values in same.items()}
)
figure, axes = plt.subplots(1, 2, figsize=(10, 2.4), sharey=True, layout="constrained")
axes[0].barh(list(new), [each.mean() for each in new.values()], color=plots.PALETTE[0])
for i, gain in enumerate(gains.values()):
    axes[1].errorbar(
        gain.estimate,
        i,
        xerr=[[gain.estimate - gain.low], [gain.high - gain.estimate]],
        fmt="o",
        capsize=4,
        color=plots.PALETTE[0],
    )
axes[1].axvline(0, linestyle="--", color="black")
axes[0].invert_yaxis()
axes[0].set(xlim=(0, 1), xlabel="new neighbours (share)", title="It moves …")
axis = axes[1].set(
    xlim=(-0.25, 0.25), xlabel="change of the neighbours with the same sentiment (share)", title="… but where to?"
)

# %% tags=["core", "folded"]
helped = [name for name, gain in gains.items() if gain.sign > 0]
against = intervals.difference_interval(same["the instruction"], same["its words, mixed"])
say.sentence(
    f"Of each post's neighbours {new['the instruction'].mean():.0%} are new with the instruction in front, {new['its words, mixed'].mean():.0%} with its "
    f"words mixed, {new['something else'].mean():.0%} with something else. And towards the sentiment? "
    + "; ".join(f"{name} {gain}" for name, gain in gains.items())
    + ". "
    + (
        f"Only {' and '.join(helped)} brought more of the same sentiment. "
        if helped
        else "All three brought *less* of the same sentiment. "
        if all(gain.sign < 0 for gain in gains.values())
        else "None of the three brought more of the same sentiment. "
    )
    + say.comparison("the instruction", "its words, mixed", against, "share of neighbours with the same sentiment")
)

# %% [markdown] tags=["core"]
# So **new neighbours do not mean that a model obeyed**. Any words move vectors. What counts is whether they move *towards what was
# asked*, and whether the right question does it and the wrong one does not.

# %% [markdown] tags=["core", "workshop"]
# ## 3. The right question, and the wrong ones
#
# First the measure, by your hands.
#
# ### Exercise 3: measure an instruction's effect
#
# Given the vectors of the same texts before and after (one a row, all of length
# 1), their labels (a list or an array) and `k`: by how much does the share of the `k` nearest neighbours that carry a text's own
# label rise? A text is no neighbour of itself.


# %% tags=["core", "exercise", "q3"]
def effect(before, after, labels, k):
    ### BEGIN SOLUTION
    labels = np.asarray(labels)
    shares = []
    for vectors in (before, after):
        similarity = vectors @ vectors.T
        np.fill_diagonal(similarity, -np.inf)
        nearest = np.argsort(-similarity, axis=1)[:, :k]
        shares.append((labels[nearest] == labels[:, None]).mean())
    return shares[1] - shares[0]
    ### END SOLUTION


# %% tags=["core"]
q3.check(effect)
# q3.hint()
# q3.solution()

# %% [markdown] tags=["core"]
# Now the model of this lesson. Unless you changed it, it is the course's own: MiniLM with small added parts that were taught eight kinds of
# question. It is a stand-in for the large models; its model card (`course_utils/embedding/models/course-instruct/README.md`) says what it
# cannot do.
#
# Six sets of **real texts**, none of which it was taught on. Who says what is right? People, or a rule that anybody can check. (Some rules are kin to those of
# its teaching: it knows tenses by such words, questions by their mark, and toxicity from a teacher that looks at words; and it was taught on other newsgroups and other
# sentences about films.)


# %% tags=["core", "folded"]
def pick(frame, labels):
    """As many texts of each label, drawn by the seed."""
    frame = frame.assign(label=labels).dropna(subset="label")
    n = min(N_PER_LABEL, frame["label"].value_counts().min())
    return frame.groupby("label").sample(n, random_state=SEED)[["text", "label"]].reset_index(drop=True)


def one_of(text, **patterns):
    """The name of the one pattern that is found in a text; None where both are, or neither."""
    found = pd.DataFrame({name: text.str.contains(pattern, case=False) for name, pattern in patterns.items()})
    return found.idxmax(axis=1).where(found.sum(axis=1) == 1)


reviews, lines = load_corpus("reviews"), load_corpus("friends")
editorials, snippets = load_corpus("editorials"), load_corpus("movie_snippets")
editorials = editorials[editorials["text"].str.split().str.len() <= 40]
ends = one_of(editorials["text"], question=r"\?\W*$", statement=r"\.\W*$")
told_in = one_of(
    editorials["text"], past=r"\b(?:was|were|had|did|said|ago)\b", future=r"\b(?:will|won't|shall|going to)\b"
)
is_rude = [bool(RUDE & set(words)) for words in lines["text"].str.lower().str.findall("[a-z]+")]
plot = snippets["kind"] == "plot"
told_plots = snippets.loc[plot, "text"].str.split(r"(?<=[.!?])\s+", regex=True).explode()
told_plots = told_plots[told_plots.str.split().str.len().between(6, 40)].to_frame()
views = pd.concat(
    [snippets.loc[~plot, ["text"]].assign(kind="opinion"), told_plots.assign(kind="plot")], ignore_index=True
)
some = load_news(max(2, min(N_PER_GROUP, N_PER_LABEL // 5)), n_words=40)
sets = {  # factor: (its instruction, the texts, who labelled them)
    "sentiment": (
        "sentiment",
        pick(reviews, np.select([reviews["score"] >= 0.6, reviews["score"] <= -0.6], ["good", "bad"], None)),
        "product reviews: good or bad, the mean of 20 people's scores",
    ),
    "toxicity": (
        "toxicity",
        pick(lines, np.where(is_rude, "rude", "clean")),
        "lines of a comedy: with or without a word of the list `rude_words`",
    ),
    "question": (
        "question_or_statement",
        pick(editorials.assign(text=editorials["text"].str.rstrip("?.!\"' ")), ends),
        "editorials: question or statement by the mark at the end, which is then taken off",
    ),
    "tense": ("time", pick(editorials, told_in), "editorials: words such as *was* or words such as *will*, not both"),
    "subjectivity": (
        "subjectivity",
        pick(views, views["kind"]),
        "films: a critic's opinion, or a sentence that tells the plot",
    ),
    "topic": (
        "topic",
        some.rename(columns={"group": "label"}),
        "the first 40 words of newsgroup posts: which of ten groups each was sent to",
    ),
}
about = pd.DataFrame({name: (len(texts), texts["label"].nunique(), who) for name, (_, texts, who) in sets.items()}).T
say.table(
    about.set_axis(["texts", "labels", "which texts, and who says what is right"], axis="columns")
)  # fixed: counts of texts, and who labelled them

# %% [markdown] tags=["core"]
# Each set under no question and under all six. A row is what we look for, a column what the model was asked; a cell says by how much the share of
# neighbours with the same label rose over no question at all. On the diagonal is the *right* question.

# %% tags=["core"]
comparisons = {}
for factor, (_, texts, _) in sets.items():
    before = metrics.knn_accuracy(embed(texts["text"]), texts["label"])
    for asked, (task, _, _) in sets.items():
        vectors = embed(texts["text"], tasks[task].instruction)
        comparisons[factor, asked] = metrics.knn_accuracy(vectors, texts["label"]), before
gains = intervals.simultaneous(intervals.difference_interval, comparisons)

# %% tags=["core", "folded"]
table = pd.Series({cell: gain.estimate for cell, gain in gains.items()}).unstack().loc[list(sets), list(sets)]
marks = pd.Series({cell: f"{gain.estimate:+.2f}" + "*" * bool(gain.sign) for cell, gain in gains.items()}).unstack()
marks = marks.loc[list(sets), list(sets)].replace({"+0.00": "0.00", "-0.00": "0.00"})
none = {factor: comparisons[factor, factor][1].mean() for factor in sets}
figure, axis = plt.subplots(figsize=(8.5, 4), layout="constrained")
named = {"label": "change of the share of neighbours"}
rows = [f"{factor}  (none: {none[factor]:.2f})" for factor in sets]
sns.heatmap(
    table, annot=marks, fmt="", center=0, vmin=-0.3, vmax=0.3, cmap="RdBu", cbar_kws=named, yticklabels=rows, ax=axis
)
axis = axis.set(
    xlabel="what the model was asked",
    ylabel="what we look for",
    title="Right questions on the diagonal (* : the interval excludes zero)",
)

# %% tags=["core", "folded"]
right_against_wrong = intervals.simultaneous(
    intervals.difference_interval,
    {
        factor: (
            comparisons[factor, factor][0],
            np.mean([comparisons[factor, asked][0] for asked in sets if asked != factor], axis=0),
        )
        for factor in sets
    },
)
wrong = [gain for (factor, asked), gain in gains.items() if factor != asked]
statements = [f"- **{factor}**: {gain}" for factor, gain in right_against_wrong.items()]
rose = [factor for factor in sets if gains[factor, factor].sign > 0]
rising = ", ".join(
    f"{asked} for {factor}" for (factor, asked), gain in gains.items() if factor != asked and gain.sign > 0
)
rising = f" ({rising})" * bool(rising)
say.sentence(  # fixed: counts of intervals that exclude zero
    f"The right question brings clearly more of what was asked for in **{len(rose)} of {len(sets)}** rows ({', '.join(rose) or 'none'}), the wrong ones in "
    f"{sum(gain.sign > 0 for gain in wrong)} of {len(wrong)} cells{rising}, and less in {sum(gain.sign < 0 for gain in wrong)}. "
    "(All intervals of the table hold together.) Right against the mean of the five wrong ones:\n"
    + "\n".join(statements)
    + "\n\nA set whose neighbours share the label already, without being asked, has little left to gain: the number in brackets beside each row."
)

# %% [markdown] tags=["core"]
# It obeys, doesn't it? Not so fast. Here is your **control** on *this* model, for all six sets; and, for the first, a sentence that forbids to look at the mood.

# %% tags=["core"]
control = {}
for factor, (task, texts, _) in sets.items():
    words = tasks[task].instruction
    mixed = " ".join(np.random.default_rng(SEED).permutation(words.split()))
    vectors = embed(texts["text"], mixed)
    control[factor, "mixed"] = metrics.knn_accuracy(vectors, texts["label"]), comparisons[factor, factor][1]
texts, forbidden = sets["sentiment"][1], "Pay no attention to the sentiment of the text"
vectors = embed(texts["text"], forbidden)
control["sentiment", "forbidden"] = (
    metrics.knn_accuracy(vectors, texts["label"]),
    comparisons["sentiment", "sentiment"][1],
)

# %% tags=["core", "folded"]
held = intervals.simultaneous(intervals.difference_interval, control)
n_same = sum(np.array_equal(control[factor, "mixed"][0], comparisons[factor, factor][0]) for factor in sets)
n_up = sum(held[factor, "mixed"].sign > 0 for factor in sets)
say.sentence(  # fixed: counts of equal results, and of intervals above zero
    f"With its words mixed the right question still brings more of what was asked for in **{n_up} of {len(sets)}** sets, in {n_same} of them exactly as much as the "
    f"sentence itself. And “{forbidden}”: {held['sentiment', 'forbidden']}. "
    + (
        "So this model does not understand the question. It looks for *words* in it, and throws a **switch**: a few kinds of question, each with its own "
        "way of reading. The effect of the switch is real; the obedience is not."
        if n_up and held["sentiment", "forbidden"].sign > 0
        else "Of a model that read the sentence one would expect nothing from either."
    )
)

# %% [markdown] tags=["core"]
# And what does it read in the *texts*? Some of our labels were given by words. Take these words out of the texts and ask again; as a control take out as many
# others.

# %% tags=["core"]
listed = {
    "toxicity": RUDE,
    "sentiment": set(MOOD),
    "tense": {"was", "were", "had", "did", "said", "ago", "will", "won't", "shall", "going"},
}
changes = {}
for factor, words in listed.items():
    task, texts, _ = sets[factor]
    for name, variant in zip(
        ("without the listed words", "without as many others"), thinned(texts["text"], words), strict=True
    ):
        shares = [
            metrics.knn_accuracy(embed(variant, asked), texts["label"]) for asked in (tasks[task].instruction, "")
        ]
        changes[factor, name] = tuple(shares)

# %% tags=["core", "folded"]
found = intervals.simultaneous(intervals.difference_interval, changes)
table = pd.DataFrame(
    {
        "as they are": {factor: f"{gains[factor, factor].estimate:+.2f}" for factor in listed},
        **{
            name: {
                factor: f"{found[factor, name].estimate:+.2f} ({found[factor, name].low:+.2f} to {found[factor, name].high:+.2f})"
                for factor in listed
            }
            for name in ("without the listed words", "without as many others")
        },
    }
)
say.table(table.rename_axis("change of the share, asked the right question"))  # fixed: a row a set, named before

# %% tags=["core", "folded"]
lines = [
    f"- **{factor}**: of {gains[factor, factor].estimate:+.2f} stays {found[factor, 'without the listed words'].estimate:+.2f}"
    + say.choose(  # fixed: by the sign of its interval
        found[factor, "without the listed words"].sign,
        (1, ", more than nothing"),
        otherwise=", which cannot be told from nothing",
    )
    + f"; without as many others {found[factor, 'without as many others'].estimate:+.2f}"
    for factor in listed
]
say.sentence(  # fixed: each set named before, with its numbers
    "\n".join(lines)
    + "\n\nWhat goes with the words was in the words: the model was taught to look for such words, though not with this list. What stays is what it reads "
    "beyond them. A label that a rule gave by words cannot show more than that."
)

# %% [markdown] tags=["core", "workshop"]
# ## 4. Eight hundred posts, four maps
#
# Now texts that nobody labelled: posts of ten newsgroups of 1993. We know their group. For mood and tone we need an **instrument**, and not one that
# reads the vectors, or they would be their own judge. So we count words. *Mood*: the mean of the scores that ten people gave each word of a list. *Tone*: the
# share of words from a list of insults, swearing and contempt (`rude_words`, written for this course). Does such counting see anything? First we
# try it where the answer is known. (One team had the words of mood and the reviews and editorials scored, so for mood this is a friendly test.)

# %% tags=["core"]
labelled = {name: load_corpus(name) for name in ("reviews", "editorials", "toxicity_prompts", "posts")}
counted = {name: count(frame["text"]) for name, frame in labelled.items()}
counted["reviews"].head(3)

# %% tags=["core", "folded"]
seen = {
    f"mood, {name} (people's scores)": intervals.spearman_interval(
        labelled[name]["score"], counted[name]["mood"], groups=labelled[name]["review"]
    )
    for name in ("reviews", "editorials")
}
prompts, by_hand = labelled["toxicity_prompts"]["toxicity"], labelled["posts"]["tone"] == "rude"
seen["tone, beginnings of sentences from the web (scored by a service for moderators)"] = intervals.spearman_interval(
    prompts, counted["toxicity_prompts"]["tone"]
)
hard = seen["tone, the course's posts (written to be rude or civil)"] = intervals.spearman_interval(
    by_hand, counted["posts"]["tone"]
)
say.sentence(
    "Rank correlation of what is counted with the known answer (1: the same order, 0: none):\n"
    + "\n".join(f"- {name}: **{each.estimate:.2f}** ({each.low:.2f} to {each.high:.2f})" for name, each in seen.items())
    + "\n\nCounting words is a coarse instrument, and it sees. On the course's own posts, rude in well-chosen words, it sees "
    + say.choose(hard.estimate, (0.3, "something, too."), otherwise="little: we use it for the newsgroups alone.")
)

# %% [markdown] tags=["core"]
# And now the posts, under the four questions. A group has its own average mood, so every post is measured *against its group*: else we should only
# see the groups again.

# %% tags=["core"]
news = load_news()
spaces = {name: embed(news["text"], tasks[name].instruction) for name in FOUR}
nearest = {name: metrics.nearest_neighbors(vectors, k=10) for name, vectors in spaces.items()}

# %% tags=["core", "folded"]
drawn = maps.project_aligned(spaces, random_state=SEED)
groups = news["group"].to_numpy()
place = news["mood"].groupby(groups).rank(pct=True)
labels = pd.DataFrame(
    {
        "group": news["group"],
        "mood": pd.cut(
            place, [0, 1 / 3, 2 / 3, 1], labels=["gloomy third", "middle third", "cheerful third"]
        ).cat.reorder_categories(
            ["cheerful third", "middle third", "gloomy third"]  # blue, orange, red on the page, as on the map
        ),
        "tone": np.where(news["is_rude"], "a rude word", "none"),
    }
)

# %% [markdown] tags=["core"]
# Four maps, **coloured by what was asked**: by group; by mood (of a post's ten neighbours, in the vectors, as single posts are a confetti); by group; by
# tone. They are *aligned*: each is drawn from the first and turned onto it, so that a post can be followed. Rest the mouse on a mark to read it.
# (A mean of ten is smooth by itself; how much of the pattern is real, the numbers below the page say.)

# %% tags=["core", "external-text"]
colours = {name: labels["tone" if name == "toxicity" else "group"] for name in FOUR}
colours["sentiment"] = news["mood"].to_numpy()[nearest["sentiment"]].mean(axis=1)
plots.plot_task_maps(
    drawn,
    colours,
    news["text"],
    nearest,
    title="The same posts, four questions",
    coloured_by={"sentiment": "mood of its 10 nearest"},
)

# %% [markdown] tags=["core"]
# The same as a page on which the posts *glide*. A post that you choose is marked on every map, and the *movers* are listed. (In a browser:
# `visualizations/page/index.html`; in a terminal `python start.py demo --live`, with a box for your texts.)

# %% tags=["core", "external-text", "folded"]
from pathlib import Path

from course_utils.app import task_maps

folder = Path("visualizations") / "page"
shown = news[["text"]].join(labels)
about = {"corpus": "newsgroups", "model": embedder.card.name, "taught": embedder.card.use_instructions}
data = task_maps.describe(spaces, shown, [tasks[name] for name in FOUR], about, drawn=drawn)
task_maps.write_page(data, folder)
task_maps.frame(folder)

# %% [markdown] tags=["core"]
# (The page's measure of tone counts all posts. Nearly all have no rude word, so it is almost blind. Here we look closer.)
# Maps raise questions; the vectors answer them. **Do posts of like mood stand together when we ask for sentiment? Rude posts when we ask for toxicity? And what
# does the question cost?** *Agreement* of mood is the rank correlation of a post's mood with the mean of its ten neighbours. Most posts have no rude word, so
# for tone we count: of the ten neighbours of a post with one, how many have one too, *beyond* what is usual in their groups?

# %% tags=["core"]
mood, rude = news["mood"].to_numpy(), news["is_rude"].to_numpy(dtype=float)
beyond = rude - news.groupby("group")["is_rude"].transform("mean").to_numpy()
around = {name: mood[nearest[name]].mean(axis=1) for name in FOUR}
rude_beyond = {name: 10 * beyond[nearest[name]].mean(axis=1)[rude == 1] for name in FOUR}
own_group = {name: metrics.knn_accuracy(spaces[name], news["group"]) for name in FOUR}

# %% tags=["core", "folded"]
figure, axes = plt.subplots(1, 3, figsize=(11, 2.8), sharey=True, layout="constrained")
panels = (
    (
        "Neighbours of like mood",
        "agreement (0: none, 1: full)",
        (-0.1, 0.7),
        lambda name: intervals.spearman_interval(mood, around[name]),
    ),
    (
        "Rude neighbours of rude posts",
        "of ten, beyond the usual (0: none)",
        (-0.5, 4),
        lambda name: intervals.mean_interval(rude_beyond[name]),
    ),
    ("Neighbours from the own group", "share", (0, 1), lambda name: intervals.mean_interval(own_group[name])),
)
for axis, (title, label, limits, measure) in zip(axes, panels, strict=True):
    for i, name in enumerate(FOUR):
        each = measure(name)
        ends = np.clip([[each.estimate - each.low], [each.high - each.estimate]], 0, 10)
        axis.errorbar(each.estimate, i, xerr=ends, fmt="o", capsize=4, color=plots.PALETTE[0])
    axis.axvline(0, linestyle="--", color="black")
    axis.set(xlim=limits, xlabel=label, title=title)
axes[0].set_yticks(range(4), FOUR)
axes[0].invert_yaxis()
plt.close(figure)
figure

# %% tags=["core", "folded"]
moods = intervals.simultaneous(
    intervals.spearman_interval, {name: (mood, around[name], around["default"]) for name in FOUR[1:]}
)
tones = intervals.simultaneous(
    intervals.difference_interval, {name: (rude_beyond[name], rude_beyond["default"]) for name in FOUR[1:]}
)
costs = intervals.simultaneous(
    intervals.difference_interval, {name: (own_group[name], own_group["default"]) for name in FOUR[1:]}
)
told = {
    "agreement of mood": moods,
    "rude neighbours of ten, beyond the usual": tones,
    "share from the own group": costs,
}
rows = {
    what: {name: f"{each.estimate:+.2f} ({each.low:+.2f} to {each.high:+.2f})" for name, each in found.items()}
    for what, found in told.items()
}
say.table(
    pd.DataFrame(rows).rename_axis("change, against asking nothing")
)  # fixed: a row a question, as they were asked

# %% tags=["core", "folded"]
cheerful = (labels["mood"] == "cheerful third").to_numpy()
cheer = {name: 10 * cheerful[nearest[name]].mean(axis=1)[cheerful].mean() for name in FOUR}
wrong = [
    f"{name} for {what}"
    for what, found, right in (("mood", moods, "sentiment"), ("tone", tones, "toxicity"))
    for name, each in found.items()
    if name != right and each.sign > 0
]
say.sentence(  # fixed: named by the sign of each interval
    "- "
    + " and ".join(
        f"{say.choose(each.sign, (1, 'yes'), otherwise='not for certain')} for {what}"
        for what, each in (("mood", moods["sentiment"]), ("tone", tones["toxicity"]))
    ).capitalize()
    + f". Of the wrong questions {' and '.join(wrong) + ' rose as well' if wrong else 'none rose for certain'}. (In each column the three intervals hold at once.)\n"
    f"- How large is that? Of the ten neighbours of a post from its group's cheerful third, {cheer['sentiment']:.1f} are from such a third when asked for sentiment, "
    f"{cheer['default']:.1f} when nothing is asked, {10 * cheerful.mean():.1f} by chance: small, and hardly to be seen post by post. For rudeness it is {rude_beyond['toxicity'].mean():.1f} of ten beyond the "
    f"usual, instead of {rude_beyond['default'].mean():.1f}."
)

# %% tags=["core", "folded"]
qwen = json.loads((HEAD / "published.json").read_text(encoding="utf-8"))
both = {
    "Qwen3-Embedding-0.6B": dict(zip(FOUR, FOUR, strict=True)),
    "course-instruct": {name: f"{name}, 0.5" for name in FOUR[1:]},
}
both["course-instruct"]["default"] = "default"
lines = [
    f"| {model} | {name} | "
    + " | ".join(f"{qwen[model][both[model][name]][what]['estimate']:.2f}" for what in ("own group", "mood"))
    + " |"
    for model in both
    for name in FOUR
]
say.sentence(
    "<details><summary>And a large model? Published figures of Qwen3-Embedding-0.6B</summary>\n\nSomebody else embedded other copies of "
    f"such posts with the real model and published the maps ({qwen['source']}). Measured on those {qwen['posts']} posts, with VADER for the mood, and on maps, because the "
    "vectors were not published. (The strength of course-instruct was lowered to one half with such maps of these posts in view, so what it keeps of the groups is no test.)\n\n"
    "| model | asked | own group | agreement of mood |\n| --- | --- | --- | --- |\n" + "\n".join(lines) + "\n</details>"
)

# %% [markdown] tags=["core"]
# **When to ask nothing?** Rather than for mood or tone, whenever you look for the same *subject*: the last column has what such a question throws away.

# %% [markdown] tags=["core"]
# ## 5. How far to bend, and a question of your own
#
# A question for the mood may cost subject. Must it be all or nothing? Mix: with $v$ the vector without a question and $t$ the one with it, take the direction of $(1 - s)\,v + s\,t$. The
# **strength** $s$ goes from 0 to 1. (The course's model mixes inside, with a strength of one half. Here it gives us $t$ itself.)

# %% tags=["core"]
news = load_news()
options = {"strength": 1} if MODEL == "course-instruct" else {}
plain, whole = embed(news["text"]), embed(news["text"], tasks["sentiment"].instruction, **options)
group, mood = news["group"].to_numpy(), news["mood"].to_numpy()
curve = []
for s in (0, 0.2, 0.4, 0.5, 0.6, 0.8, 1):
    near = metrics.nearest_neighbors((1 - s) * plain + s * whole, k=10)
    there = intervals.spearman_interval(mood, mood[near].mean(axis=1))
    curve.append((s, (group[near] == group[:, None]).mean(), there.estimate, there.low, there.high))
curve = pd.DataFrame(curve, columns=["strength", "own group", "mood", "low", "high"])

# %% tags=["core", "folded"]
figure, axis = plt.subplots(figsize=(7, 3.2), layout="constrained")
axis.plot(
    curve["strength"], curve["own group"], "o-", color=plots.PALETTE[0], label="neighbours from the own group (share)"
)
axis.plot(curve["strength"], curve["mood"], "s--", color=plots.PALETTE[2], label="agreement of mood (rank correlation)")
axis.fill_between(curve["strength"], curve["low"], curve["high"], color=plots.PALETTE[2], alpha=0.2)
axis.legend()
axis = axis.set(ylim=(0, 1), xlabel="strength", ylabel="0 to 1", title="How far to bend towards sentiment")

# %% tags=["core", "folded"]
half = curve.set_index("strength").loc[0.5]
zero, full = curve.iloc[0], curve.iloc[-1]
say.sentence(
    f"From strength 0 to 1 the neighbours from the own group go from {zero['own group']:.2f} to {full['own group']:.2f}, the agreement of mood from {zero['mood']:.2f} to {full['mood']:.2f}. "
    f"Half-way they are {half['own group']:.2f} and {half['mood']:.2f}: bending on from there changes the mood by {full['mood'] - half['mood']:+.2f} and the groups by "
    f"{full['own group'] - half['own group']:+.2f}." + " The band is the interval of each point by itself."
)

# %% [markdown] tags=["core"]
# Last, **your own question**. Write it, write down *before you run it* what it will bring together, and measure on all the course's posts. Then try “Ignore
# the topic”, “polite”, and a question that the model may not know.

# %% tags=["core"]
MY_INSTRUCTION = "Decide whether the writer of the given text is friendly or hostile"
MY_PREDICTION = "tone"  # topic, sentiment or tone

before, after = embed(posts["text"]), embed(posts["text"], MY_INSTRUCTION)
mine = {
    factor: (metrics.knn_accuracy(after, posts[factor]), metrics.knn_accuracy(before, posts[factor]))
    for factor in FACTORS.values()
}
moved = metrics.shift(before, after).mean()

# %% tags=["core", "folded"]
gain = intervals.difference_interval(*mine[MY_PREDICTION])
verdict = {
    1: "came true",
    -1: "did not come true: the share fell",
    0: "can be neither confirmed nor denied on these posts",
}
others = [factor for factor in FACTORS.values() if factor != MY_PREDICTION]
beside = intervals.simultaneous(intervals.difference_interval, {factor: mine[factor] for factor in others})
say.sentence(
    "This model took your question for something it was not taught, and left every vector where it was."
    if moved < 0.005
    else f"You predicted **{MY_PREDICTION}**. That {verdict[gain.sign]}: the share of neighbours with the same {MY_PREDICTION} changed by {gain}. Beside it: "
    + "; ".join(f"{factor} {each}" for factor, each in beside.items())
    + "."
)

# %% [markdown] tags=["core"]
# And **your own finder** of lesson 1? A new row for its scoreboard, with both sides asked for the topic. Say first whether that helps.

# %% tags=["core"]
board, topic = finder.load(), tasks["topic"].instruction
found = {
    name: board.score(f"{MODEL}, {name}", embed(board.questions["question"], words), embed(board.notices, words))
    for name, words in (("asked nothing", ""), ("asked for the topic", topic))
}
say.table(board.scoreboard())

# %% tags=["core", "folded"]
difference = intervals.difference_interval(found["asked for the topic"], found["asked nothing"])
say.sentence(
    say.comparison("asked for the topic", "asked nothing", difference, "share of questions whose notice came first")
)

# %% [markdown] tags=["core"]
# ## Recap
#
# - An **instruction** gives every text another vector, in exactly the **template** that the model was taught with.
# - **New neighbours prove nothing**: any words move vectors. Measure whether neighbours turn *towards what was asked*, beside the wrong questions.
# - A **control** that keeps the words and loses the sense tells whether a model follows the question, or finds words in it and throws a switch.
# - What is not labelled needs an **instrument** that does not read the vectors, tried first where the answer is known. Take out the words that it counts, and see
#   what is left.
# - A question that brings one thing forward may push others back. Bend as far as you need; to find the same subject, do not ask
#   for mood or tone.

# %% [markdown] tags=["deep"]
# ## 6. The same in other words, and in no words
#
# A reader understands a question however it is put, leaves out what is forbidden, and asks "what?" when the words are mixed. Section 3 showed the last two on
# reviews; here are four wordings as well, on the course's posts.

# %% tags=["deep"]
asks = tasks["sentiment"].instruction
wordings = {
    "as in the lesson": asks,
    "another": "Is the writer pleased or displeased?",
    "a third": "Group these texts by the mood that they express",
    "a fourth": "What feeling does this post convey: good, bad or neither?",
    "mixed": " ".join(np.random.default_rng(SEED).permutation(asks.split())),
    "forbidden": "Pay no attention to the sentiment of the text",
}
plain = embed(posts["text"])
before = metrics.knn_accuracy(plain, posts["sentiment"])
worded = {name: embed(posts["text"], words) for name, words in wordings.items()}
by_wording = {name: metrics.knn_accuracy(vectors, posts["sentiment"]) for name, vectors in worded.items()}

# %% tags=["deep", "folded"]
gains = intervals.simultaneous(
    intervals.difference_interval, {name: (values, before) for name, values in by_wording.items()}
)
table = pd.DataFrame(
    {
        "instruction": wordings,
        "mean shift": {name: metrics.shift(plain, vectors).mean().clip(0) for name, vectors in worded.items()},
        "change of the neighbours with the same sentiment": {name: str(gain) for name, gain in gains.items()},
    }
)
say.table(table)

# %% tags=["deep", "folded"]
spread = [by_wording[name].mean() for name in list(wordings)[:4]]
odd = [name for name in ("mixed", "forbidden") if gains[name].sign > 0]
say.sentence(
    (
        f"The four real wordings lie {np.ptp(spread):.2f} apart: a result found with one of them should be reported with that spread. "
        if np.ptp(spread) > 0
        else "The four real wordings give the very same vectors. "
    )
    + (
        f"And **{' and '.join(odd)}** brought more of the same sentiment, too. A reader would not have done that: this model catches *words*, and throws a switch. "
        "For the kinds of question that it was taught that is enough; it is not understanding."
        if odd
        else "What was mixed or forbidden brought no more of the same sentiment: as a reader would have it."
    )
)

# %% [markdown] tags=["deep"]
# ## 7. Query or document?
#
# Who is told? To sort, group or compare texts, **every text** is asked the same.
# To search, only the **query** says what is wanted; the documents are embedded once, plainly, and serve
# every kind of query. That is how models for search are trained. The course's own was not taught to search, so
# expect no gain from it; here is what the side does on the notice board of lesson 1.

# %% tags=["deep"]
notices, questions = load_corpus("noticeboard"), load_corpus("noticeboard_questions")
search = tasks["web_search"].instruction
right = pd.Index(notices["id"]).get_indexer(questions["relevant"])
found = {
    side: (embed(questions["question"], on_query) @ embed(notices["message"], on_text).T).argmax(axis=1) == right
    for side, on_query, on_text in (
        ("no instruction", "", ""),
        ("on the query", search, ""),
        ("on the notices", "", search),
        ("on both", search, search),
    )
}
pd.Series({side: hits.mean() for side, hits in found.items()}, name="answers in first place").round(2)

# %% tags=["deep", "folded"]
comparisons = {side: (found[side], found["no instruction"]) for side in ("on the query", "on the notices", "on both")}
statements = [
    f"- {say.comparison(side, 'no instruction', difference, 'share of answers in first place')}"
    for side, difference in intervals.simultaneous(intervals.difference_interval, comparisons).items()
]
shift = metrics.shift(embed(questions["question"]), embed(questions["question"], search)).mean()
untouched = "This model takes the search instruction for none: it leaves the vectors where they were."
say.sentence(untouched if abs(shift) < 0.005 else "\n".join(statements))

# %% [markdown] tags=["deep"]
# ### Exercise 4: which side?
#
# A task has the words of its `instruction` and a `side`: `"query"` or `"text"`. Write a function that
# returns two lists, the queries and the documents as the model reads them, in the template given (which is never empty here, and neither is the
# instruction). With `"text"` both get the instruction.


# %% tags=["deep", "exercise", "q4"]
def put_instruction(task, template, queries, documents):
    ### BEGIN SOLUTION
    prompt = template.replace("{instruction}", task.instruction)
    asked = [prompt + query for query in queries]
    if task.side == "query":
        return asked, list(documents)
    return asked, [prompt + document for document in documents]
    ### END SOLUTION


# %% tags=["deep"]
q4.check(put_instruction)
# q4.hint()
# q4.solution()

# %% [markdown] tags=["deep"]
# ## 8. More questions to the eight hundred posts
#
# **Which groups are most alike, and do the sciences form a region?** For each pair of groups we count the neighbours that they have in each other. Then we
# look only at neighbours from *other* groups, and ask how many of a science post's are from the sciences.

# %% tags=["deep"]
from itertools import combinations

news = load_news()
spaces = {name: embed(news["text"], tasks[name].instruction) for name in FOUR}
nearest = {name: metrics.nearest_neighbors(vectors, k=10) for name, vectors in spaces.items()}
groups = news["group"].to_numpy()
of_neighbours = groups[nearest["default"]]
to_group = {name: (of_neighbours == name).mean(axis=1) for name in dict.fromkeys(groups)}
between = {
    f"{one} with {two}": (to_group[two][groups == one] + to_group[one][groups == two]) / 2
    for one, two in combinations(to_group, 2)
}

# %% tags=["deep", "folded"]
foreign = of_neighbours != groups[:, None]
is_science = np.char.startswith(groups.astype(str), "sci.")
has_foreign = foreign.any(axis=1) & is_science
of_science = np.char.startswith(of_neighbours.astype(str), "sci.") & foreign
among = of_science.sum(axis=1) / np.maximum(foreign.sum(axis=1), 1)
by_chance = 2 / (len(set(groups)) - 1)
interval = intervals.mean_interval(among[has_foreign])
region = say.choose(
    interval.low - by_chance,
    (1e-9, "more than chance would give, so they lean together"),
    otherwise="not clearly more than chance would give",
)
say.sentence(
    f"- {say.leader(intervals.leader(between), 'share of neighbours in each other')}\n"
    f"- Of the neighbours that science posts have outside their group, {interval} are from the other sciences, and chance "
    f"would give {by_chance:.2f}: {region}."
)

# %% [markdown] tags=["deep"]
# **Are hobby groups more cheerful? Is politics more extreme? Do toxicity and sentiment go together? What does the topic add?** *Hobby* is baseball and cars
# here, and *extreme* is far from the average mood, either way.

# %% tags=["deep"]
counted = count(news["text"])
kind = news.groupby("group")["group"].first().str.split(".").str[:2].str.join(".")
hobby, politics = kind.index[kind.isin(["rec.sport", "rec.autos"])], kind.index[kind == "talk.politics"]
cheerful = intervals.group_difference(counted["mood"], news["group"], first=hobby)
far = (counted["mood"] - counted["mood"].mean()).abs()
extreme = intervals.group_difference(far, news["group"], first=politics)
gloom = intervals.mean_interval(news["mood"][news["is_rude"]])  # the average of a post's group is 0

# %% tags=["deep", "folded"]
same = metrics.knn_overlap(spaces["sentiment"], spaces["toxicity"], metric="cosine").mean()
added = intervals.difference_interval(*(metrics.knn_accuracy(spaces[name], groups) for name in ("topic", "default")))
say.sentence(
    f"- {say.groups('hobby talk', 'other talk', cheerful, 'mean mood')}\n"
    f"- {say.groups('politics', 'other talk', extreme, 'mean distance from the average mood')}\n"
    f"- Posts with a rude word have a mood of **{gloom}** (−4 to 4) against the average of their groups"
    + say.choose(-gloom.high, (1e-9, ": who swears is gloomier"), otherwise="")
    + f". And the two spaces, asked for sentiment and for toxicity, share **{same:.0%}** of their neighbours (by chance {10 / (len(news) - 1):.0%}).\n"
    f"- {say.comparison('topic', 'default', added, 'share of neighbours from the own group')}"
)

# %% [markdown] tags=["deep"]
# **Are politics groups ruder than technical ones?** Eighty posts a group look like many. But the claim is about *groups*, and there are six:

# %% tags=["deep"]
first = news["group"].str.startswith("talk.politics")
second = news["group"].str.startswith(("sci.", "comp."))
chosen = first | second
ruder = intervals.group_difference(news["is_rude"][chosen], news["group"][chosen], first=set(news["group"][first]))

# %% tags=["deep", "folded"]
say.sentence(
    f"Share of posts with a rude word: politics {news.is_rude[first].mean():.2f}, technical {news.is_rude[second].mean():.2f}. "
    + say.groups("politics", "the technical groups", ruder, "share of posts with a rude word")
    + " We deal out anew which groups are called politics, in all ways, and count how often they differ as much: with two groups against "
    "four there are fifteen ways, so even the most extreme one comes up by chance more often than we allow."
)

# %% [markdown] tags=["deep"]
# **Do the model and the instrument look at the same words?** All words of the list are taken out of the posts; as a control, as many others. Mood is still counted in the posts as they were.

# %% tags=["deep"]
rises = {}
for name, variant in zip(
    ("without the words of mood", "without as many others"), thinned(news["text"], set(MOOD)), strict=True
):
    around = []
    for asked in (tasks["sentiment"].instruction, ""):
        near = metrics.nearest_neighbors(embed(variant, asked), k=10)
        around.append(news["mood"].to_numpy()[near].mean(axis=1))
    rises[name] = news["mood"], *around
rises = intervals.simultaneous(intervals.spearman_interval, rises)

# %% tags=["deep", "folded"]
say.sentence(
    "Rise of the agreement of mood, asked for sentiment:\n"
    + "\n".join(f"- {name}: {rise}" for name, rise in rises.items())
    + "\n\nWhat goes when these words go, and stays when as many others go, was in the words."
)

# %% [markdown] tags=["deep"]
# **Whom does a question help?** The course's posts are the hard case: one hand wrote them, in well-chosen words. Class by class, asked for what the class is about:

# %% tags=["deep", "folded"]
rows, comparisons = {}, {}
for name, factor in list(FACTORS.items())[1:]:
    before, after = (
        metrics.knn_accuracy(embed(posts["text"], tasks[which].instruction), posts[factor])
        for which in ("default", name)
    )
    for label in posts[factor].unique():
        its = (posts[factor] == label).to_numpy()
        rows[f"{factor}: {label}"] = before[its].mean(), after[its].mean()
        comparisons[f"{factor}: {label}"] = after[its], before[its]
table = pd.DataFrame(rows, index=["asked nothing", "asked for it"]).T
table["change"] = pd.Series(intervals.simultaneous(intervals.difference_interval, comparisons)).map(str)
say.table(table)

# %% [markdown] tags=["deep"]
# ## 9. Moved far, or moved among each other?
#
# A whole space can move without any neighbourhood changing: turn all vectors in the same way. So there are two
# measures: the **shift** of each text (1 minus the cosine of its two vectors) and the share of its ten
# neighbours that are new.

# %% tags=["deep", "folded"]
before = embed(posts["text"])
figure, axes = plt.subplots(1, 4, figsize=(11, 3), sharex=True, sharey=True, layout="constrained")
rows = []
for axis, name in zip(axes, (*FOUR[1:], "irrelevant_control"), strict=True):
    after = embed(posts["text"], tasks[name].instruction)
    shift, new = metrics.shift(before, after).clip(0), 1 - metrics.knn_overlap(before, after, metric="cosine")
    axis.scatter(shift, new, s=8, color=plots.PALETTE[0], alpha=0.5)
    axis.set(title=name, xlabel="shift (1 − cosine)", xlim=(-0.02, None), ylim=(-0.05, 1.05))
    rows.append((name, shift.mean(), new.mean()))
axes[0].set_ylabel("share of new neighbours")
plt.close(figure)
figure

# %% tags=["deep", "folded"]
say.sentence(
    "One mark a post.\n"
    + "\n".join(f"- **{name}**: mean shift {shift:.2f}, {new:.0%} of the neighbours new" for name, shift, new in rows)
)

# %% [markdown] tags=["deep"]
# ## 10. What alignment costs, three ways
#
# Three ways to make maps comparable. *Turned*: independent maps, turned onto the first one. *Started alike*: what
# `project_aligned` does. *Tied*: umap's own `AlignedUMAP`, which pulls each text towards its place on the neighbouring
# map while it draws. A tie makes points lie close together on all maps, whether their neighbours changed or
# not, so look at both columns. Fewer posts are used, because the last way is slow.

# %% tags=["deep"]
import warnings

from umap import AlignedUMAP

some = load_news(min(N_PER_GROUP, 20))
spaces = {name: embed(some["text"], tasks[name].instruction) for name in FOUR}
drawn = {"independent": {name: maps.project(vectors, random_state=SEED) for name, vectors in spaces.items()}}
drawn["started alike"] = maps.project_aligned(spaces, random_state=SEED)
same_text = [{i: i for i in range(len(some))}] * 3
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it complains of a number of jobs that nobody gave
    tied = AlignedUMAP(random_state=SEED).fit(list(spaces.values()), relations=same_text)
drawn["tied"] = dict(zip(FOUR, map(np.asarray, tied.embeddings_), strict=True))

# %% tags=["deep"]
from scipy.spatial import procrustes

rows, kept = [], {}
for way, points in drawn.items():
    overlaps = [metrics.knn_overlap(spaces[name], points[name], metric=("cosine", "euclidean")) for name in FOUR[1:]]
    kept[way] = np.mean(overlaps, axis=0)
    turned = [procrustes(points["default"], points[name])[2] for name in FOUR[1:]]
    rows.append((way, kept[way].mean(), np.mean(turned)))
table = pd.DataFrame(rows, columns=["maps", "neighbours kept", "difference after turning (0 to 1)"])
say.table(table).hide(axis="index")

# %% tags=["deep", "folded"]
apart = table.set_index("maps").iloc[:, 1]
say.sentence(
    f"- {say.leader(intervals.leader(kept), 'share of neighbours kept')}\n"
    f"- {say.top(apart, 'difference after turning', lowest=True)}"
)

# %% [markdown] tags=["deep"]
# ### Exercise 5: read a misleading map
#
# Somebody shows you a map and says: "The nearest group to ours is that one, you can see it." Write a
# function that gives the answer worth having. You get the vectors (one a row, of length 1), the points of
# the map, the label of each row (a list or an array), and a group; return the *other* group whose texts are
# most similar to those of this group on average.


# %% tags=["deep", "exercise", "q5"]
def closest_group(vectors, points, labels, group):
    ### BEGIN SOLUTION
    labels = np.asarray(labels)
    mine = vectors[labels == group]
    others = [other for other in dict.fromkeys(labels.tolist()) if other != group]
    return max(others, key=lambda other: (mine @ vectors[labels == other].T).mean())
    ### END SOLUTION


# %% tags=["deep"]
q5.check(closest_group)
# q5.hint()
# q5.solution()

# %% [markdown] tags=["deep"]
# ## 11. Through an endpoint, many requests at once
#
# A large model often runs elsewhere: on a server in the next room or at a company that charges by the
# token. Texts then travel in batches, and waiting is most of the time. We try that here against an endpoint that
# lives in this notebook, on this very machine, and is slow on purpose. It speaks the same protocol as the
# real ones, and every fifth request it says that it is too busy. This section needs the extra `remote`.

# %% tags=["deep"]
import http.server
import threading
import time


class SlowEndpoint(http.server.BaseHTTPRequestHandler):
    requests = 0

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        SlowEndpoint.requests += 1
        busy = SlowEndpoint.requests % 5 == 0
        time.sleep(0.2)  # as if the answer came from far away
        instruction = asked["input"][0].rpartition("\n")[0]  # an instruction comes in front of each text, on a line
        vectors = embed([text.rpartition("\n")[2] for text in asked["input"]], instruction).tolist()
        answer = {"data": [{"index": i, "embedding": vector} for i, vector in enumerate(vectors)]}
        self.send_response(429 if busy else 200)
        self.send_header("Retry-After", "0.1")
        self.end_headers()
        self.wfile.write(json.dumps({} if busy else answer).encode())

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), SlowEndpoint)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1"

# %% [markdown] tags=["deep"]
# The same texts, one request at a time and then eight at once. The client repeats what was refused, by
# itself, and checks every answer. The results must be those of the model itself.

# %% tags=["deep"]
from course_utils.embedding import EndpointError, RemoteEmbedder

texts = posts["text"].head(120).tolist()
embed(texts)  # into the cache, so that only the waiting is measured
times = {}
try:
    for connections in (1, 8):
        remote = RemoteEmbedder(url, "course-instruct", connections=connections, cache=False)
        start = time.perf_counter()
        far_away = remote.encode(texts, batch_size=8)
        times[connections] = time.perf_counter() - start
except EndpointError as error:
    print("EndpointError:", error)

# %% tags=["deep", "folded"]
if len(times) == 2:
    difference = np.abs(far_away - embed(texts)).max()
    told = (
        f"{len(texts)} texts came back in {times[1]:.1f} s one request at a time and in {times[8]:.1f} s with eight under "
        f"way (timings vary). Largest difference to the model itself: {difference:.1e}. The endpoint was asked "
        f"{SlowEndpoint.requests} times; refused requests were repeated."
    )
else:
    told = 'No vectors came. The message above says why; the extra is installed with `pip install -e ".[remote]"`.'
say.sentence(told)

# %% [markdown] tags=["deep"]
# And the whole lesson in a few lines, through an endpoint. As it stands that is the one above, and nothing leaves your computer. For a real one put its
# name in place of `own`, as `docs/large_models.md` lists them (`load_embedder("ollama:qwen3-embedding:0.6b")`), and the price of a million tokens if it charges.

# %% tags=["deep"]
own = RemoteEmbedder(url, "course-instruct", connections=8, cache=False) if times else None
remote, price = own, 0.0  # the price is for a million tokens

if remote:
    tokens = sum(len(text) for text in texts) / 4 * len(FOUR)
    print(f"about {tokens:,.0f} tokens for {len(FOUR)} questions: {tokens / 1e6 * price:.4f}")
    rows = {}
    for name in FOUR:
        vectors = remote.encode(texts, instruction=tasks[name].instruction or None, batch_size=8)
        rows[name] = {
            f"same {factor}": metrics.knn_accuracy(vectors, posts[factor].head(120)).mean()
            for factor in FACTORS.values()
        }
    print(pd.DataFrame(rows).T.round(2))
server.shutdown()

# %% [markdown] tags=["deep"]
# ## 12. A model that follows any instruction
#
# The course's model is a learned switch between a few questions. Qwen3-Embedding was trained on many kinds of
# instructions. If its weights are on this machine (`python start.py prefetch Qwen/Qwen3-Embedding-0.6B`, more than a
# gigabyte), the next cell puts both to the same test on a few posts; if not, it says so and goes on.

# %% tags=["deep"]
from course_utils.embedding import ModelUnavailableError

few = posts.groupby(["topic", "sentiment", "tone"]).head(1)
models = {MODEL: embedder}
try:
    models["Qwen3-Embedding-0.6B"] = load_embedder("Qwen/Qwen3-Embedding-0.6B")
except ModelUnavailableError as error:
    print("ModelUnavailableError:", error)

# %% tags=["deep"]
comparisons = {}
for label, model in models.items():
    before = model.encode(few["text"])
    for name, factor in FACTORS.items():
        after = model.encode(few["text"], instruction=tasks[name].instruction)
        comparisons[label, name, factor] = [
            metrics.knn_accuracy(vectors, few[factor], k=5) for vectors in (after, before)
        ]
gains = intervals.simultaneous(intervals.difference_interval, comparisons)
rows = [(*cell, str(gain)) for cell, gain in gains.items()]
say.table(pd.DataFrame(rows, columns=["model", "instruction", "factor", "gain"])).hide(axis="index")

# %% [markdown] tags=["deep"]
# ## 13. Bring your own texts
#
# Put the path of a CSV file into the next cell, say which column holds the texts, and choose two questions. As it
# stands, it shows the course's own posts. Nothing leaves your computer.

# %% tags=["deep"]
from course_utils.paths import ROOT

MY_FILE = ROOT / "datasets" / "posts.csv"
TEXT_COLUMN, LABEL_COLUMN = "text", "sentiment"  # None where your file has no labels
MY_TASKS = ("default", "sentiment")
mine = load_corpus(MY_FILE, text_column=TEXT_COLUMN, label_column=LABEL_COLUMN).head(3000)
my_labels = mine["label"] if LABEL_COLUMN else ["text"] * len(mine)
my_spaces = {name: embed(mine["text"], tasks[name].instruction) for name in MY_TASKS}

# %% tags=["deep"]
k = max(1, min(5, (len(mine) - 1) // 2))  # of three texts, one is near
my_nearest = {name: metrics.nearest_neighbors(vectors, k=k) for name, vectors in my_spaces.items()}
my_maps = maps.project_aligned(my_spaces, "tsne", random_state=SEED)
plots.plot_task_maps(my_maps, my_labels, mine["text"], my_nearest, title="Your texts, aligned", method="t-SNE")

# %% tags=["deep", "folded"]
first, second = my_spaces.values()
new = 1 - metrics.knn_overlap(first, second, k=k, metric="cosine").mean()
told = f"Between your two questions **{new:.0%}** of the {k} nearest neighbours changed."
if np.allclose(first, second, atol=1e-6):
    told = "No vector moved between your two questions: this model takes the second for one that it was not taught, so there is one map."
elif LABEL_COLUMN:
    change = intervals.difference_interval(
        *(metrics.knn_accuracy(vectors, my_labels, k) for vectors in (second, first))
    )
    told += " " + say.comparison(MY_TASKS[1], MY_TASKS[0], change, f"share of neighbours with the same {LABEL_COLUMN}")
else:
    told += " Whether for the better only labels can tell."
say.sentence(told)
