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
# The cell below holds what you may want to change: the model, the number of texts, the seed. The model is the
# course's own small one, which was taught to follow a few kinds of instruction and comes with the course. The
# cell after it loads the model, the instructions and the course's posts; every section needs these two cells and
# nothing else.
#
# A large model takes its time on a laptop: for section 4 at its full size, `Qwen3-Embedding-0.6B` needs about an hour
# on two cores, and 3 GB of memory. Set `N_PER_GROUP` to 5 for such a model, or let a server or another machine
# compute the vectors (`docs/large_models.md` shows how).

# %% tags=["parameters"]
MODEL = "course-instruct"  # any model of the catalogue; 5 posts a group if it is a large one on this machine
N_PER_GROUP = 80  # newsgroup posts a group; a tenth as many of the course's own posts of each kind
MAX_LENGTH = 128  # tokens read of each newsgroup post; more is slower
SEED = 0  # which posts are drawn, and the maps

# %% tags=["setup"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from course_utils.data import load_corpus, load_tasks
from course_utils.drawing import maps, plots
from course_utils.embedding import find_model, load_embedder
from course_utils.measuring import intervals, metrics
from course_utils.teaching import exercises, say

q1, q2, q3, q4, q5 = exercises(3)
embedder = load_embedder(MODEL)
tasks = load_tasks()  # datasets/task_prompts.json
FOUR = ("default", "sentiment", "topic", "toxicity")
FACTORS = {"topic": "topic", "sentiment": "sentiment", "toxicity": "tone"}  # what each of them asks for
kinds = load_corpus("posts").groupby(["topic", "sentiment", "tone"])
posts = kinds.sample(n=max(1, min(8, N_PER_GROUP // 10)), random_state=SEED).reset_index(drop=True)


def embed(texts, instruction="", **options):
    """Embed texts under an instruction; "" is none."""
    return embedder.encode(texts, **({"instruction": instruction} if instruction else {}), **options)


embedder

# %% [markdown] tags=["core", "workshop"]
# ## 1. What should be near this post?
#
# Here is a post about food. Its writer is happy, and rude. And here are four others, each of which has
# one thing in common with it, or nothing.

# %% tags=["core"]
post = "Best soup of my life, all from one burnt onion! And you clowns told me to throw the pan away."
others = {
    "the same topic": "The onions went black and bitter, so we had to throw the stew away. A pity.",
    "the same mood": "What a lovely morning for a ride: dry roads, no wind, and the new tyres just sing.",
    "the same tone": "Only an idiot would defend that film. Ninety minutes of nothing, and you clowns clap.",
    "nothing": "The update takes ten minutes and restarts the router once.",
}

# %% [markdown] tags=["core"]
# Which of the four should be nearest? That depends on who asks. A cook wants the onions, somebody who
# collects good news wants the ride, and a moderator wants the clowns. One vector a text cannot please all
# three. An **instruction** is a sentence that tells the model what to look at, and an instruction that the model
# follows opens another space. The table shows the cosine of our post to each of the others, in four of these spaces.

# %% tags=["core"]
table = {}
for name in FOUR:
    words = tasks[name].instruction
    table[name] = embed(list(others.values()), words) @ embed(post, words)
table = pd.DataFrame(table, index=others)
plots.plot_similarity_heatmap(
    table.to_numpy(), list(others), columns=list(table), title="One post, four questions (cosine to it)"
)

# %% tags=["core", "folded"]
rise = table.sub(table["default"], axis="index")
statements = [f"- Under **default**: {say.top(table['default'], 'cosine')}"]
for name in FOUR[1:]:
    closer = f"Compared with default: {say.top(rise[name], 'gain')}"
    moved = "Nothing has moved." if rise[name].abs().max() < 0.005 else closer
    statements.append(f"- Under **{name}**: {say.top(table[name], 'cosine')} {moved}")
say.sentence("\n".join(statements) + "\n\nFour texts are an illustration, and may mislead. Section 3 measures.")

# %% [markdown] tags=["core"]
# How is the model told? By characters that are put before the text, in exactly the form that it was
# trained with. Each model has its own form, its **template**, and the catalogue keeps it to the byte.

# %% tags=["core", "nbval-check-output"]
for name in ("Qwen3-Embedding-0.6B", "embeddinggemma-300m", "course-instruct", "all-MiniLM-L6-v2"):
    print(f"{name:22}", repr(find_model(name).instruction_prompt))

# %% [markdown] tags=["core"]
# Look closely at the first line: there is a line break before `Query:`, written `\n`, and no space after
# the colon. Many tutorials add one. A model takes other characters for another text, so its vectors change,
# without any warning. The last line is empty: that model was never taught to follow instructions.
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

# %% [markdown] tags=["core"]
# And who is told? There are two cases. To sort, group or compare texts, **every text** is asked the same.
# To search, only the **query** says what is wanted; the documents are embedded once, plainly, and serve
# every kind of query. That is how models for search are trained. The course's own was not taught to search, so
# expect no gain from it; here is what the side does on the notice board of lesson 1.

# %% tags=["core"]
board, questions = load_corpus("noticeboard"), load_corpus("noticeboard_questions")
search = tasks["web_search"].instruction
right = questions["relevant"].map({notice: i for i, notice in enumerate(board["id"])}).to_numpy()
found = {
    side: (embed(questions["question"], on_query) @ embed(board["message"], on_text).T).argmax(axis=1) == right
    for side, on_query, on_text in (
        ("no instruction", "", ""),
        ("on the query", search, ""),
        ("on the notices", "", search),
        ("on both", search, search),
    )
}
pd.Series({side: hits.mean() for side, hits in found.items()}, name="answers in first place").round(2)

# %% tags=["core", "folded"]
comparisons = {side: (found[side], found["no instruction"]) for side in ("on the query", "on the notices", "on both")}
statements = [
    f"- {say.comparison(side, 'no instruction', difference, 'share of answers in first place')}"
    for side, difference in intervals.simultaneous(intervals.difference_interval, comparisons).items()
]
shift = metrics.shift(embed(questions["question"]), embed(questions["question"], search)).mean()
untouched = "- This model takes the search instruction for none: it leaves the vectors where they were."
say.sentence(untouched if abs(shift) < 0.005 else "\n".join(statements))

# %% [markdown] tags=["core"]
# ### Exercise 2: which side?
#
# A task has the words of its `instruction` and a `side`: `"query"` or `"text"`. Write a function that
# returns two lists, the queries and the documents as the model reads them, in the template given. With
# `"text"` both get the instruction.


# %% tags=["core", "exercise", "q2"]
def put_instruction(task, template, queries, documents):
    ### BEGIN SOLUTION
    prompt = template.replace("{instruction}", task.instruction)
    asked = [prompt + query for query in queries]
    if task.side == "query":
        return asked, list(documents)
    return asked, [prompt + document for document in documents]
    ### END SOLUTION


# %% tags=["core"]
q2.check(put_instruction)
# q2.hint()
# q2.solution()

# %% [markdown] tags=["core", "workshop"]
# ## 2. A model that was never taught
#
# Before we believe in instructions we need a control. all-MiniLM-L6-v2 has no idea what an instruction is.
# It reads the words as a part of the text. The course has posts to measure on, written for it: ten topics,
# three sentiments, and a tone that is civil or rude, each combined with each, equally often.

# %% tags=["core"]
print(len(posts), "posts:", posts["topic"].nunique(), "topics x 3 sentiments x 2 tones")
posts.groupby(["sentiment", "tone"])["text"].first().to_frame()

# %% [markdown] tags=["core"]
# We put the words in front and look at the ten nearest neighbours of each post. Two questions: how many of
# them are others than before? And how many share what was asked for?

# %% tags=["core"]
minilm = load_embedder("all-MiniLM-L6-v2")
plain = minilm.encode(posts["text"])
rows, comparisons = [], {}
for name, factor in (*FACTORS.items(), ("irrelevant_control", "sentiment")):
    worded = minilm.encode(posts["text"], prompt=tasks[name].instruction + "\n")
    before, after = (metrics.knn_accuracy(vectors, posts[factor]) for vectors in (plain, worded))
    overlap = metrics.knn_overlap(plain, worded, metric="cosine")
    rows.append((name, factor, 1 - overlap.mean(), before.mean(), after.mean()))
    comparisons[name] = after, before
control = pd.DataFrame(rows, columns=["words in front", "factor", "new neighbours", "share before", "share after"])
control.style.format(precision=2).hide(axis="index")

# %% [markdown] tags=["core"]
# *Share* is the share of neighbours with the post's own topic, sentiment or tone. The last row is the control
# of the control: words that ask for a translation, which have nothing to do with any factor. The figure shows
# the change of the share, with its interval; at the dashed line nothing has changed. Four changes are looked at together,
# so their intervals are made to hold together, as in lesson 1.

# %% tags=["core", "folded"]
gains = intervals.simultaneous(intervals.difference_interval, comparisons)
figure, axis = plt.subplots(figsize=(7, 2.8), layout="constrained")
for i, gain in enumerate(gains.values()):
    errors = np.clip([[gain.estimate - gain.low], [gain.high - gain.estimate]], 0, 1)
    axis.errorbar(gain.estimate, i, xerr=errors, fmt="o", capsize=4, color=plots.PALETTE[i])
axis.axvline(0, linestyle="--", color="black")
axis.set_ylim(len(control) - 0.5, -0.5)
axis.set_yticks(range(len(control)), control["words in front"] + " → " + control["factor"])
axis = axis.set(xlabel="change of the share of neighbours", title="Words in front, for a model that knows none")

# %% tags=["core", "folded"]
say.sentence(
    f"With words in front, {control['new neighbours'].min():.0%} to {control['new neighbours'].max():.0%} of the "
    "neighbours are new.\n"
    + "\n".join(
        f"- {say.comparison(f'{name} in front', 'no words', gains[name], f'share of neighbours with the same {factor}')}"
        for name, factor, *_ in rows
    )
)

# %% [markdown] tags=["core"]
# So "the neighbours changed" proves nothing. Any words move the vectors; what counts is whether they move
# *towards what was asked*. From here on we always measure that.

# %% [markdown] tags=["core"]
# ### Exercise 3: measure an instruction's effect
#
# Write the measure yourself. Given the vectors of the same texts before and after (one a row, all of length
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

# %% [markdown] tags=["core", "workshop"]
# ## 3. A model that was taught
#
# Now the model of the parameters cell. Unless you changed it, it is the course's own: MiniLM with small adapters and
# a head that reads the instruction and chooses among them. It was taught a few kinds of question on
# texts that are not in this lesson; it is a stand-in for the large models, and its model card says what it
# cannot do. Each row of the table asks for a factor, each column gives an instruction; *default* is none. Three
# cells are *right*: the instruction names the factor. The others in those columns are *wrong* instructions. The last column
# but one is an *irrelevant* instruction, and the last is what chance would give.

# %% tags=["core"]
asked = (*FOUR, "irrelevant_control")
spaces = {name: embed(posts["text"], tasks[name].instruction) for name in asked}
shares = {
    (factor, name): metrics.knn_accuracy(vectors, posts[factor])
    for name, vectors in spaces.items()
    for factor in FACTORS.values()
}
table = pd.Series({cell: share.mean() for cell, share in shares.items()}).unstack()
table = table.loc[list(FACTORS.values()), list(asked)]
table["chance"] = [1 / posts[factor].nunique() for factor in table.index]

# %% tags=["core", "folded"]
figure, axis = plt.subplots(figsize=(8.5, 3.2), layout="constrained")
named = {"label": "share of neighbours"}
sns.heatmap(table, annot=True, fmt=".2f", vmin=0, vmax=1, cmap="viridis", cbar_kws=named, ax=axis)
axis = axis.set(
    xlabel="instruction (last column: by chance)",
    ylabel="neighbours with the same …",
    title="Do instructions turn neighbours where they say?",
)

# %% [markdown] tags=["core"]
# Read it by rows: does the share rise where the instruction names the factor, and only there? Where a *wrong*
# instruction raises it too, the model does not keep the two questions apart. Now the same with intervals, against no
# instruction. An interval says how much depends on which posts were asked about; all in the table hold together.

# %% tags=["core"]
gains = intervals.simultaneous(
    intervals.difference_interval,
    {
        f"{factor}, {name}": (shares[factor, name], shares[factor, "default"])
        for factor in FACTORS.values()
        for name in asked[1:]
    },
)
shown = pd.DataFrame(index=list(FACTORS.values()), columns=list(asked[1:]))
for cell, gain in gains.items():
    shown.loc[tuple(cell.split(", "))] = f"{gain.estimate:+.2f} ({gain.low:+.2f} to {gain.high:+.2f})"
shown

# %% tags=["core", "folded"]
statements = []
for name, factor in FACTORS.items():
    same = np.allclose(spaces["default"], spaces[name], atol=1e-6)
    quantity = f"share of neighbours with the same {factor}"
    said = say.comparison(f"the {name} instruction", "none", gains[f"{factor}, {name}"], quantity, same_vectors=same)
    shift = metrics.shift(spaces["default"], spaces[name]).mean()
    statements.append(f"- {said} Mean shift of the vectors (1 − cosine): {max(shift, 0):.2f}.")
price = say.comparison("sentiment", "none", gains["topic, sentiment"], "share of neighbours with the same topic")
say.sentence("\n".join([*statements, f"- A price? {price}"]))

# %% [markdown] tags=["core"]
# How much is there to be had? If the vectors hold a factor at all, a classifier can learn to read it. A
# **linear probe** is a simple one, trained on labels, here on the vectors without instruction. Sentiment and tone
# are tested on topics that were held out of its training. It needs labelled examples; an instruction needs none. Beside it
# stands the *vote*: under the right instruction, the label that most of a post's ten neighbours have, and how often that is
# the post's own.

# %% tags=["core"]
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_score
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict

probe = LogisticRegression(C=10, max_iter=2000)
rows, ahead = [], {}
for name, factor in FACTORS.items():
    folds = {"cv": StratifiedKFold(5)} if factor == "topic" else {"cv": GroupKFold(5), "groups": posts["topic"]}
    probed = cross_val_predict(probe, spaces["default"], posts[factor], **folds) == posts[factor]
    vectors = spaces[name]
    labels = posts[factor].to_numpy()
    votes = pd.DataFrame(labels[metrics.nearest_neighbors(vectors, k=10)]).mode(axis=1)[0] == labels
    silhouettes = [silhouette_score(spaces[which], labels, metric="cosine") for which in ("default", name)]
    rows.append((factor, *silhouettes, votes.mean(), probed.mean()))
    ahead[factor] = probed.to_numpy().astype(float) - votes.to_numpy()
columns = ["factor", "silhouette, no instruction", "silhouette, right one", "vote of 10 neighbours", "linear probe"]
pd.DataFrame(rows, columns=columns).style.format(precision=2).hide(axis="index")

# %% tags=["core", "folded"]
say.sentence(
    "The **silhouette** says how well a factor parts the space: 0 not at all, 1 fully. How far is the probe ahead of the "
    f"neighbours' vote? {say.leader(intervals.leader(ahead), 'lead of the probe')} What a probe can read in the vectors "
    "need not show among neighbours."
)

# %% [markdown] tags=["core", "workshop"]
# ## 4. Eight hundred posts, four maps
#
# Real texts have no labels for mood and tone. These are the newsgroup posts of lesson 1 under four
# instructions. First four maps, each drawn **independently**; colours and shapes are the groups.

# %% tags=["core"]
news = load_corpus("newsgroups", n_per_group=N_PER_GROUP, seed=SEED)
spaces = {name: embed(news["text"], tasks[name].instruction, max_length=MAX_LENGTH) for name in FOUR}
alone = {name: maps.project(vectors, random_state=SEED) for name, vectors in spaces.items()}
plots.plot_map_grid(alone, news["group"], columns=2, title="Independent maps: places cannot be compared")

# %% [markdown] tags=["core"]
# Each map was free to turn, mirror and place its islands as it liked, so a change of place need not mean
# anything. **Aligned** maps start from the first one and are turned onto it. Large moves now have a reason,
# though the amount still has no unit. Rest the mouse on a marker to read the post and its nearest neighbours *in the
# vectors*; a click in the legend rules all four panels.

# %% tags=["core", "external-text"]
aligned = maps.project_aligned(spaces, random_state=SEED)
nearest = {name: metrics.nearest_neighbors(vectors, k=10) for name, vectors in spaces.items()}
four_maps = plots.plot_task_maps(
    aligned, news["group"], news["text"], nearest, title="The same posts under four instructions, aligned"
)
four_maps

# %% [markdown] tags=["core"]
# Did alignment cost anything? The measures are those of lesson 1, for each map against its own vectors, and
# the last column is how far points lie from their place on the first map, in units of that map's spread.

# %% tags=["core"]
rows = []
first = aligned["default"] - aligned["default"].mean(axis=0)
for kind, drawn in (("independent", alone), ("aligned", aligned)):
    for name, points in drawn.items():
        moved = (
            np.linalg.norm(points - points.mean(axis=0) - first, axis=1).mean() / np.linalg.norm(first, axis=1).mean()
        )
        rows.append({"maps": kind, "instruction": name} | maps.map_quality(spaces[name], points) | {"moved": moved})
quality = pd.DataFrame(rows)
quality.style.format(precision=2).hide(axis="index")

# %% tags=["core", "folded"]
kept = [
    np.concatenate(
        [metrics.knn_overlap(spaces[name], drawn[name], metric=("cosine", "euclidean")) for name in FOUR[1:]]
    )
    for drawn in (aligned, alone)
]
post = np.tile(np.arange(len(news)), 3)  # three maps of one post are one case
change = intervals.difference_interval(*kept, groups=post)
say.sentence(say.comparison("aligned", "independent", change, "share of neighbours kept on the map"))

# %% [markdown] tags=["core"]
# Keep the maps: five files that open in any browser, without a network, in the folder `visualizations`
# beside this notebook.

# %% tags=["core"]
from pathlib import Path

Path("visualizations").mkdir(exist_ok=True)
four_maps.write_html("visualizations/multitask_comparison.html", include_plotlyjs=True)
for name in FOUR:
    one = {name: aligned[name]}
    figure = plots.plot_task_maps(one, news["group"], news["text"], nearest, title=f"Newsgroup posts: {name}")
    figure.write_html(f"visualizations/{name}_embeddings.html", include_plotlyjs=True)
sorted(path.name for path in Path("visualizations").glob("*.html"))

# %% [markdown] tags=["core"]
# To see the points glide from one map to the next, type `python start.py demo` in a terminal: a web page
# of the course's posts opens. `python start.py embed --corpus newsgroups --tasks task_prompts.json --model
# course-instruct --out my_work/page` makes one of these posts, or of a CSV file of yours.
#
# Now the questions that the maps raise, answered in the vectors. **Which groups are most alike, and do the
# sciences form a region?** For each pair of groups we count the neighbours that they have in each other. Then we look
# only at neighbours from *other* groups, and ask how many of a science post's are from the sciences.

# %% tags=["core"]
from itertools import combinations

groups = news["group"].to_numpy()
of_neighbours = groups[nearest["default"]]
foreign = of_neighbours != groups[:, None]
to_group = {name: (of_neighbours == name).mean(axis=1) for name in dict.fromkeys(groups)}
between = {
    f"{one} with {two}": (to_group[two][groups == one] + to_group[one][groups == two]) / 2
    for one, two in combinations(to_group, 2)
}
is_science = np.char.startswith(groups.astype(str), "sci.")
has_foreign = foreign.any(axis=1) & is_science
among = (np.char.startswith(of_neighbours.astype(str), "sci.") & foreign).sum(axis=1) / np.maximum(
    foreign.sum(axis=1), 1
)
by_chance = 2 / (len(set(groups)) - 1)

# %% tags=["core", "folded"]
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

# %% [markdown] tags=["core"]
# **Are hobby groups more positive, politics more extreme, and do toxicity and sentiment go together?**
# Nobody has labelled these posts, so the scores come from two linear probes on the vectors without
# instruction, and we show how often they err. The *mood probe* learns from sentences of product reviews
# that twenty people have scored; the *tone probe* from the course's posts, civil or rude. Both are
# trained on lower-case letters only, which is how the newsgroup posts come, and tested on reviews and topics that they
# never saw. *Hobby* means baseball and cars here. The figure has one box a group: it spans the middle half of the
# group's posts, and the line in it is their median.

# %% tags=["core"]
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict

reviews = load_corpus("reviews", n=12 * N_PER_GROUP, seed=SEED)
reviews = reviews[reviews["text"].str.contains("[A-Za-z]")].reset_index(drop=True)
letters = {"pat": r"[^a-z]+", "repl": " ", "regex": True}
X_mood = embed(reviews["text"].str.lower().str.replace(**letters), max_length=MAX_LENGTH)
X_tone = embed(posts["text"].str.lower().str.replace(**letters), max_length=MAX_LENGTH)
mood_probe, tone_probe = RidgeCV(np.logspace(-2, 3, 11)), LogisticRegression(C=10, max_iter=2000)
folds = GroupKFold(5)
guessed = cross_val_predict(mood_probe, X_mood, reviews["score"], groups=reviews["review"], cv=folds)
chances = cross_val_predict(
    tone_probe, X_tone, posts["tone"] == "rude", groups=posts["topic"], cv=folds, method="predict_proba"
)[:, 1]

# %% tags=["core"]
news["mood"] = mood_probe.fit(X_mood, reviews["score"]).predict(spaces["default"])
news["rude"] = tone_probe.fit(X_tone, posts["tone"] == "rude").predict_proba(spaces["default"])[:, 1]
mood_right = reviews["score"].corr(pd.Series(guessed), method="spearman")
tone_right = roc_auc_score(posts["tone"] == "rude", chances)
say.sentence(
    f"Held out, the mood probe's scores follow people's with a rank correlation of **{mood_right:.2f}**, and the tone "
    f"probe puts a rude post above a civil one in **{tone_right:.0%}** of all pairs (guessing: 50%). On newsgroup posts, "
    f"which are longer and older, they are likely to be worse: of these the tone probe calls {(news['rude'] > 0.5).mean():.0%} "
    "rude, and you can read a few to judge. So no level below means anything; an order may."
)

# %% tags=["core", "folded"]
figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
for axis, score, label in zip(axes, ("mood", "rude"), ("mood (−4 to 4)", "rude (0 to 1)"), strict=True):
    sns.boxplot(news, x=score, y="group", color=plots.PALETTE[0], fliersize=2, ax=axis)
    axis.set(xlabel=f"{label}, by the probe", ylabel="")
figure.suptitle("What two probes read into the posts, group by group")
plt.close(figure)
figure

# %% tags=["core", "folded"]
kind = news.groupby("group")["group"].first().str.split(".").str[:2].str.join(".")
hobby, politics = kind.index[kind.isin(["rec.sport", "rec.autos"])], kind.index[kind == "talk.politics"]
positive = intervals.group_difference(news["mood"], news["group"], first=hobby)
far = (news["mood"] - news["mood"].mean()).abs()
extreme = intervals.group_difference(far, news["group"], first=politics)
together = intervals.spearman_interval(news["mood"], news["rude"])
say.sentence(
    f"- {say.groups('hobby talk', 'other talk', positive, 'mean mood')}\n"
    f"- {say.groups('politics', 'other talk', extreme, 'mean distance from the average mood')}\n"
    f"- The rank correlation of mood and rudeness over these posts is **{together}**."
)

# %% [markdown] tags=["core"]
# However many posts a group has, hobby talk is two groups here and politics two, against eight others. What is said of
# *kinds of groups* goes by whole groups: we deal out anew which two are called hobby, in all ways, and count how often
# two groups differ as much.

# %% [markdown] tags=["core"]
# **And what did the instructions do here?** If the sentiment instruction works, neighbours under it should
# have a mood like the post's own. We measure how far a post's score is from the mean of its neighbours, in
# units of the standard deviation: smaller is closer. The test is a hard one: the probes read the vectors *without*
# instruction, so neighbours in that space have similar scores to begin with. No gain here is no proof that the
# instruction does nothing; for that we would need labels given by people. The last two rows ask what the topic
# instruction adds, and whether two instructions open the same space (by chance, two spaces share ten neighbours out of all
# the posts).


# %% tags=["core"]
def distance(score, name):
    values = news[score].to_numpy()
    return np.abs(values[nearest[name]].mean(axis=1) - values) / values.std()


own_group = {name: metrics.knn_accuracy(spaces[name], groups) for name in FOUR}
asked_for = {  # instruction and what it should change: the values under it and without
    ("sentiment", "distance of mood to the neighbours"): [distance("mood", name) for name in ("sentiment", "default")],
    ("toxicity", "distance of rudeness to the neighbours"): [
        distance("rude", name) for name in ("toxicity", "default")
    ],
    ("topic", "share of neighbours from the own group"): [own_group[name] for name in ("topic", "default")],
}

# %% tags=["core", "folded"]
changes = intervals.simultaneous(intervals.difference_interval, asked_for)
same = metrics.knn_overlap(spaces["sentiment"], spaces["toxicity"], metric="cosine").mean()
statements = [
    "- "
    + say.comparison(
        name, "none", change, quantity, same_vectors=np.allclose(spaces[name], spaces["default"], atol=1e-6)
    )
    for (name, quantity), change in changes.items()
]
statements.append(f"- The sentiment and the toxicity space share **{same:.0%}** of their neighbours.")
say.sentence("\n".join(statements))

# %% [markdown] tags=["core"]
# ## 5. Your own instruction
#
# Write an instruction, say **before you run it** which of the three factors it should bring forward, and
# measure. `datasets/task_prompts.json` holds many more to try; a few of them follow for comparison.

# %% tags=["core"]
MY_INSTRUCTION = "Decide whether the writer of the given text is friendly or hostile"
MY_PREDICTION = "tone"  # topic, sentiment or tone

tried = {"mine": MY_INSTRUCTION} | {
    name: tasks[name].instruction for name in ("emotion", "politeness", "formality", "similarity")
}
few = posts.groupby(["topic", "tone"]).sample(n=min(6, len(posts) // 20), random_state=SEED)
before = embed(few["text"])

# %% tags=["core"]
rows, comparisons = [], {}
for name, words in tried.items():
    after = embed(few["text"], words)
    rows.append({"instruction": name, "mean shift": max(metrics.shift(before, after).mean(), 0)})
    for factor in FACTORS.values():
        comparisons[name, factor] = [metrics.knn_accuracy(vectors, few[factor]) for vectors in (after, before)]
shown = pd.DataFrame(rows).set_index("instruction")
for (name, factor), gain in intervals.simultaneous(intervals.difference_interval, comparisons).items():
    shown.loc[name, factor] = f"{gain.estimate:+.2f} ({gain.low:+.2f} to {gain.high:+.2f})"
shown.style.format({"mean shift": "{:.2f}"})

# %% tags=["core"]
gain = intervals.difference_interval(*comparisons["mine", MY_PREDICTION])
verdict = {
    1: "came true",
    -1: "did not come true: the share fell",
    0: "can be neither confirmed nor denied on these posts",
}
say.sentence(
    f"The columns with a name are the change of the share of neighbours with the same topic, sentiment or tone; their "
    f"intervals hold together. Your prediction was one, made before, so it is judged by an interval of its own: "
    f"**{MY_PREDICTION}** {verdict[gain.sign]}: change {gain}. An instruction whose shift is 0.00 was taken for something this "
    "model was not taught, and left the vectors where they were."
)

# %% [markdown] tags=["core"]
# ## Recap
#
# - An **instruction** can open another space for the same texts. It helps only a model that was **taught** to
#   follow it, in exactly the **template** it was taught with.
# - To sort or group, every text gets it; to search, the **query** alone, if the model was trained so.
# - New neighbours are no proof: any words move vectors. Measure whether neighbours turn **towards what was
#   asked**, beside a wrong and an irrelevant instruction, with an interval.
# - What an instruction brings forward may push something else back.
# - Maps can be compared only when they are **aligned**, and even then the answer comes from the vectors.
# - Scores for texts without labels come from a **probe**; its held-out error belongs beside them.

# %% [markdown] tags=["deep"]
# ## 6. The same in other words
#
# A person understands a question however it is put. Does the model? Six wordings of one instruction, and
# how far the results are apart. Mind how the course's model works: it first decides which of its few kinds an
# instruction is, and wordings of the same kind then give the same vectors. A large model reads every word, so expect a
# spread there.

# %% tags=["deep"]
wordings = [
    tasks["sentiment"].instruction,
    "Is the writer pleased or displeased?",
    "Identify whether the following message is positive or negative",
    "Group these texts by the mood that they express",
    "What feeling does this post convey: good, bad or neither?",
    "Sort by sentiment",
]
few = posts.groupby(["topic", "sentiment"]).sample(n=min(4, len(posts) // 30), random_state=SEED)
before = metrics.knn_accuracy(embed(few["text"]), few["sentiment"])
by_wording = np.stack([metrics.knn_accuracy(embed(few["text"], words), few["sentiment"]) for words in wordings])

# %% tags=["deep"]
gains = intervals.simultaneous(
    intervals.difference_interval, {words: (values, before) for words, values in zip(wordings, by_wording, strict=True)}
)
table = pd.DataFrame({"wording": wordings, "share": by_wording.mean(axis=1)})
table["gain"] = [f"{gain.estimate:+.2f} ({gain.low:+.2f} to {gain.high:+.2f})" for gain in gains.values()]
table.style.format(precision=2).hide(axis="index")

# %% tags=["deep", "folded"]
say.sentence(
    say.leader(
        intervals.leader(dict(zip(wordings, by_wording, strict=True))), "share of neighbours with the same sentiment"
    )
    + f" The shares in the table lie up to **{np.ptp(table['share']):.2f}** apart. A result that was found with one wording "
    "should be reported with that spread."
)

# %% [markdown] tags=["deep"]
# ### Exercise 4: write a control
#
# Does a model follow the sentence, or does it only catch a word in it? A good control keeps all the words and
# loses the sense. Write a function that returns an instruction's words in another order, drawn with `seed`:
# every word as often as before, separated by single spaces, and never in the old order unless all words are the same.


# %% tags=["deep", "exercise", "q4"]
def scrambled(instruction, seed):
    ### BEGIN SOLUTION
    words = instruction.split()
    generator = np.random.default_rng(seed)
    mixed = list(generator.permutation(words))
    while mixed == words and len(set(words)) > 1:
        mixed = list(generator.permutation(words))
    return " ".join(mixed)
    ### END SOLUTION


# %% tags=["deep"]
q4.check(scrambled)
# q4.hint()
# q4.solution()

# %% [markdown] tags=["deep"]
# With your control, once it is written:

# %% tags=["deep", "folded"]
mixed = scrambled(tasks["sentiment"].instruction, SEED)
if mixed is None:
    told = say.sentence("Write the function above first.")
else:
    after = metrics.knn_accuracy(embed(few["text"], mixed), few["sentiment"])
    difference = metrics.gain(after, by_wording[0])
    told = say.sentence(say.comparison("the sentence", "its words, mixed", difference, "share of neighbours"))
told

# %% [markdown] tags=["deep"]
# ## 7. Moved far, or moved among each other?
#
# A whole space can move without any neighbourhood changing: turn all vectors in the same way. So there are two
# measures: the **shift** of each text (1 minus the cosine of its two vectors) and the share of its ten
# neighbours that are new.

# %% tags=["deep", "folded"]
before = embed(posts["text"])
figure, axis = plt.subplots(figsize=(7, 4.5), layout="constrained")
rows = []
for name, color, marker in zip((*FOUR[1:], "irrelevant_control"), plots.PALETTE, "oDs^", strict=False):
    after = embed(posts["text"], tasks[name].instruction)
    shift, new = metrics.shift(before, after), 1 - metrics.knn_overlap(before, after, metric="cosine")
    axis.scatter(shift, new, s=12, color=color, marker=marker, alpha=0.6, label=name)
    rows.append((name, max(shift.mean(), 0), new.mean()))
axis.legend()
axis = axis.set(xlabel="shift (1 − cosine)", ylabel="share of new neighbours", title="One marker a post")

# %% tags=["deep", "folded"]
say.sentence(
    "\n".join(f"- **{name}**: mean shift {shift:.2f}, {new:.0%} of the neighbours new" for name, shift, new in rows)
)

# %% [markdown] tags=["deep"]
# ## 8. What alignment costs, three ways
#
# Three ways to make maps comparable. *Turned*: independent maps, turned onto the first one. *Started alike*: what
# `project_aligned` does. *Tied*: umap's own `AlignedUMAP`, which pulls each text towards its place on the neighbouring
# map while it draws. A tie makes points lie close together on all maps, whether their neighbours changed or
# not, so look at both columns. Fewer posts are used, because the last way is slow.

# %% tags=["deep"]
import warnings

from umap import AlignedUMAP

news = load_corpus("newsgroups", n_per_group=min(N_PER_GROUP, 20), seed=SEED)
spaces = {name: embed(news["text"], tasks[name].instruction, max_length=MAX_LENGTH) for name in FOUR}
drawn = {"independent": {name: maps.project(vectors, random_state=SEED) for name, vectors in spaces.items()}}
drawn["started alike"] = maps.project_aligned(spaces, random_state=SEED)
same_text = [{i: i for i in range(len(news))}] * 3
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
table.style.format(precision=2).hide(axis="index")

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
# ## 9. Through an endpoint, many requests at once
#
# A large model often runs elsewhere: on a server in the next room or at a company that charges by the
# token. Texts then travel in batches, and waiting is most of the time. We try that here against an endpoint that
# lives in this notebook, on this very machine, and is slow on purpose. It speaks the same protocol as the
# real ones, and every fifth request it says that it is too busy. This section needs the extra `remote`.

# %% tags=["deep"]
import http.server
import json
import threading
import time


class SlowEndpoint(http.server.BaseHTTPRequestHandler):
    requests = 0

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        SlowEndpoint.requests += 1
        busy = SlowEndpoint.requests % 5 == 0
        time.sleep(0.2)  # as if the answer came from far away
        vectors = embedder.encode(asked["input"]).tolist()
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
embedder.encode(texts)  # into the cache, so that only the waiting is measured
times = {}
try:
    for connections in (1, 8):
        remote = RemoteEmbedder(url, "slow-model", connections=connections, cache=False)
        start = time.perf_counter()
        far_away = remote.encode(texts, batch_size=8)
        times[connections] = time.perf_counter() - start
except EndpointError as error:
    print("EndpointError:", error)
server.shutdown()

# %% tags=["deep"]
if len(times) == 2:
    difference = np.abs(far_away - embedder.encode(texts)).max()
    told = (
        f"{len(texts)} texts came back in {times[1]:.1f} s one request at a time and in {times[8]:.1f} s with eight under "
        f"way (timings vary). Largest difference to the model itself: {difference:.1e}. The endpoint was asked "
        f"{SlowEndpoint.requests} times; refused requests were repeated."
    )
else:
    told = 'No vectors came. The message above says why; the extra is installed with `pip install -e ".[remote]"`.'
say.sentence(told)

# %% [markdown] tags=["deep"]
# For a real endpoint, set `ENDPOINT` to one of those that `docs/large_models.md` lists, such as
# `"ollama:qwen3-embedding:0.6b"`, and the price of a million tokens if it charges. As it stands, nothing leaves
# your computer.

# %% tags=["deep"]
ENDPOINT = ""
PRICE = 0.0  # for a million tokens

if ENDPOINT:
    remote = load_embedder(ENDPOINT)
    tokens = sum(len(text) for text in texts) / 4 * len(FOUR)
    print(f"about {tokens:,.0f} tokens for {len(FOUR)} instructions: {tokens / 1e6 * PRICE:.4f}")
    for name in FOUR[1:]:
        vectors = remote.encode(texts, instruction=tasks[name].instruction)
        share = {factor: metrics.knn_accuracy(vectors, posts[factor].head(120)).mean() for factor in FACTORS.values()}
        print(name, {factor: round(float(value), 2) for factor, value in share.items()})
else:
    print("No endpoint is set, so nothing was sent.")

# %% [markdown] tags=["deep"]
# ## 10. A model that follows any instruction
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
rows = [(*cell, f"{gain.estimate:+.2f} ({gain.low:+.2f} to {gain.high:+.2f})") for cell, gain in gains.items()]
pd.DataFrame(rows, columns=["model", "instruction", "factor", "gain"]).style.hide(axis="index")

# %% [markdown] tags=["deep"]
# ## 11. Bring your own texts
#
# Put the path of a CSV file into the next cell, say which column holds the texts, and choose two instructions. As it
# stands, it shows the course's notice board. Nothing leaves your computer.

# %% tags=["deep"]
from course_utils.paths import ROOT

MY_FILE = ROOT / "datasets" / "noticeboard.csv"
TEXT_COLUMN = "message"
MY_TASKS = ("default", "intent")
mine = load_corpus(MY_FILE, text_column=TEXT_COLUMN).head(1000)
my_spaces = {name: embed(mine["text"], tasks[name].instruction) for name in MY_TASKS}

# %% tags=["deep"]
my_nearest = {name: metrics.nearest_neighbors(vectors, k=5) for name, vectors in my_spaces.items()}
my_labels = mine["label"] if "label" in mine else ["text"] * len(mine)
my_maps = maps.project_aligned(my_spaces, "tsne", random_state=SEED)
plots.plot_task_maps(my_maps, my_labels, mine["text"], my_nearest, title="Your texts, aligned", method="t-SNE")

# %% tags=["deep", "folded"]
first, second = my_spaces.values()
new = 1 - metrics.knn_overlap(first, second, k=5, metric="cosine").mean()
say.sentence(
    f"Between your two instructions **{new:.0%}** of the five nearest neighbours changed. Which question would tell you "
    "whether they changed for the better, and which labels would you need to answer it?"
)
