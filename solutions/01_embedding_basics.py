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

# %% tags=["parameters", "folded"]
MODEL = "all-MiniLM-L6-v2"  # any model of the catalogue
N_PER_GROUP = 80  # newsgroup posts per group
N_WORDS = 60  # words read of each post; more is slower
SEED = 0  # which sentences, posts and codes are drawn

# %% tags=["setup", "folded"]
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from sklearn.feature_extraction.text import TfidfVectorizer

from course_utils.data import load_corpus
from course_utils.drawing import maps, plots
from course_utils.embedding import LocalEmbedder, load_embedder, randomize
from course_utils.measuring import intervals, metrics
from course_utils.teaching import exercises, finder, say

q1, q2, q3, q4, q5 = exercises(1)
embedder = load_embedder(MODEL)
# a network before any training, every weight drawn at random: the model's own, where it is one of transformers
is_network = isinstance(embedder, LocalEmbedder) and hasattr(embedder.model[0], "model")
untrained = randomize(load_embedder(MODEL if is_network else "all-MiniLM-L6-v2", cache=False), seed=SEED)
twin = "The same network" if is_network else "Another network, that of all-MiniLM-L6-v2,"
board = load_corpus("noticeboard")


def count_words(texts):
    """A search by words: which words each text holds, rare ones count more; words like "the" or "my" do not count."""
    return TfidfVectorizer(token_pattern=r"\w+", stop_words="english", sublinear_tf=True).fit(texts)


def middle_of(posts):
    """Words of each post from the 26th on; of short posts the second half."""
    words = posts["text"].str.split()
    return posts.assign(text=[" ".join(each[min(25, len(each) // 2) :][:N_WORDS]) for each in words])


def ask_both(question, target):
    """The first three notices by words and by meaning; the one that was meant is ticked."""
    if target not in set(board["id"]):
        raise ValueError(f"target={target!r} must be one of the notices n01 to n{len(board)}.")
    words = count_words(board["message"])
    scores = {
        "by words": (words.transform(board["message"]) @ words.transform([question]).T).toarray().ravel(),
        "by meaning": embedder.encode_document(board["message"]) @ embedder.encode_query(question),
    }
    shown = {}
    for name, values in scores.items():
        best = [i for i in np.argsort(-values, kind="stable")[:3] if name == "by meaning" or values[i] > 0]
        ticked = [f"{'✓' if board['id'][i] == target else '·'} {board['message'][i]}" for i in best]
        shown[name] = ticked + ["nothing: no word in common"] * (not ticked) + [""] * (3 - max(1, len(ticked)))
    places = pd.Index(["first", "second", "third"], name=f"“{question}”")
    return say.table(pd.DataFrame(shown, index=places))  # fixed: a search, and its first is what it says


# %% [markdown] tags=["core", "workshop"]
# ## 1. Say it in other words
#
# A housing co-operative has a notice board. These are six of its forty notices (`board` holds them all).

# %% tags=["core"]
say.table(board.iloc[[0, 6, 8, 9, 10, 32]]).hide(axis="index")

# %% [markdown] tags=["core"]
# A game. Pick a notice, and ask for it **without using any of its words**. A search by words then comes back with empty
# hands. Will the other one find it?

# %% tags=["core"]
target, question = "n10", "My son fails his maths test"  # change both, run the cell again
ask_both(question, target)

# %% [markdown] tags=["core"]
# The tick marks the notice you meant. Try three of your own, and one that you think is too hard. The one on the right is an
# **embedding model**. It has never seen this board. How does it do that? It reads a text and returns a list of numbers, a **vector**:

# %% tags=["core"]
question_vector = embedder.encode_query(question)
notice_vector = embedder.encode_document(board.set_index("id")["message"][target])
print(len(question_vector), "numbers:", question_vector[:6].round(3), "…")

# %% [markdown] tags=["core"]
# Think of a vector as an arrow. Texts that mean similar things get arrows that point in similar directions, and the **cosine** of
# the angle between two arrows says how similar:
#
# $$\cos(a, b) = \frac{a \cdot b}{\lVert a \rVert \, \lVert b \rVert} = \frac{\sum_i a_i b_i}{\sqrt{\sum_i a_i^2} \sqrt{\sum_i b_i^2}}$$
#
# It is 1 for the same direction, 0 for a right angle and −1 for opposite directions, however long the arrows are.
#
# ### Exercise 1: cosine similarity
#
# Write the formula as a function of two NumPy vectors of any length.


# %% tags=["core", "exercise", "q1"]
def cosine_similarity(a, b):
    ### BEGIN SOLUTION
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
    ### END SOLUTION


# %% tags=["core"]
q1.check(cosine_similarity)
# q1.hint()      # take away the # for a hint; run the cell again for the next one
# q1.solution()

# %% tags=["core"]
cosine_similarity(question_vector, notice_vector)  # your question, and the notice you had in mind

# %% [markdown] tags=["core"]
# That was one example. The course has twelve questions that put it in other words than the notice. How often does the right
# notice come first? (`found` is 1 where it does. All vectors here have length 1, so `@`, the dot product, gives cosines.)

# %% tags=["core"]
twelve = load_corpus("noticeboard_questions").query("kind == 'in other words'")
answer = board.set_index("id").index.get_indexer(twelve["relevant"])
cosines = embedder.encode_query(twelve["question"]) @ embedder.encode_document(board["message"]).T
found = cosines.argmax(axis=1) == answer

# %% [markdown] tags=["core"]
# Twelve questions are few; twelve others would give another share. To see how much it may vary, draw twelve from the twelve,
# with repeats, and do that two thousand times. The middle 95% of these shares is an **interval**. <!-- fixed: a definition -->

# %% tags=["core"]
chance = np.random.default_rng(SEED)
again = [chance.choice(found, len(found)).mean() for _ in range(2000)]
print(f"found {found.mean():.2f}, interval {np.quantile(again, 0.025):.2f} to {np.quantile(again, 0.975):.2f}")

# %% tags=["core", "folded"]
words = count_words(board["message"])
in_words = (words.transform(twelve["question"]) @ words.transform(board["message"]).T).toarray()
by_words = metrics.recall_at_k(in_words, answer[:, None], 1)
by_nothing = untrained.encode_query(twelve["question"]) @ untrained.encode_document(board["message"]).T
by_nothing = metrics.recall_at_k(by_nothing, answer[:, None], 1)
say.sentence(
    f"By meaning **{found.sum()} of {len(found)}** come first: {intervals.mean_interval(found)}. By words **{by_words.sum():.0f}** do, "
    f"as these questions have hardly a word of the notice. {twin} before "
    f"training, with random weights (one draw of them), finds **{by_nothing.sum():.0f}**"
    + (
        ": what it can do was learned"
        if is_network and intervals.difference_interval(found, by_nothing).sign > 0
        else ""
    )
    + ".\n\n"
    "<details><summary>About the intervals in this course</summary>\n\nDrawing with repeats (the <i>bootstrap</i>) is honest for "
    "many cases and too narrow for few; where all twelve are found it has no width at all. The library's intervals mend that: exact "
    "ones for shares of yes and no (Clopper–Pearson), t intervals with a correction for means. That is why the "
    "one above is not quite yours. Below twelve cases it says <i>too few</i>. Where several comparisons stand together "
    "(“4 together”), each interval is wider, so that all of them hold at once.</details>"
)

# %% [markdown] tags=["core"]
# ### Sixteen sentences, four subjects
#
# Here are sixteen plain sentences, shuffled. Sort them into four piles in your head.

# %% tags=["core"]
sentences = load_corpus("plain_sentences").sample(frac=1, random_state=SEED, ignore_index=True)
say.table(sentences[["text"]]).hide(axis="index")

# %% [markdown] tags=["core"]
# Now the model sorts. It is told no subject: we embed the sentences and draw a **map**, on which each sentence lies near those whose
# vectors are near its own (section 4 asks how far to trust such a drawing).

# %% tags=["core"]
vectors = embedder.encode(sentences["text"])  # one row per sentence, one column per number
places = maps.project(vectors, "tsne", random_state=SEED)

# %% tags=["core", "folded"]
piles = list(dict.fromkeys(sentences["meaning"]))
figure, axis = plt.subplots(figsize=(11, 7.5), layout="constrained")
for pile, color, marker in zip(piles, plots.PALETTE, "oDs^", strict=False):
    chosen = (sentences["meaning"] == pile).to_numpy()
    axis.scatter(*places[chosen].T, color=color, marker=marker, s=60, label=pile)
for (x, y), text in zip(places, sentences["text"], strict=True):
    axis.annotate(
        textwrap.fill(text, 15), (x, y), (0, -7), textcoords="offset points", ha="center", va="top", fontsize=8
    )
axis.legend(title="our piles")
axis.margins(0.14)
axis = axis.set(xticks=[], yticks=[], title="Sixteen sentences, placed by their vectors")

# %% [markdown] tags=["core"]
# The same without a drawing: all cosines at once, sentences in the order of our piles.

# %% tags=["core"]
similarity = vectors @ vectors.T
order = sentences.sort_values("meaning").index
ordered = similarity[np.ix_(order, order)]
rows = [f"{pile}: {text}  {i}" for i, (text, pile) in enumerate(sentences.loc[order].itertuples(index=False), 1)]
plots.plot_similarity_heatmap(ordered, rows, columns=range(1, 17), title="Cosines, pile by pile", limit=0.5)

# %% [markdown] tags=["core"]
# Where a pile holds together, its square on the diagonal is redder than what lies around it. In a number: of the three **nearest neighbours** of each sentence, which
# share is of its own pile? Beside it stand three **controls**, readers that should know less: counted words (hardly two of these
# sentences share one, so counting can only guess), the network with random weights, and guessing itself.

# %% tags=["core"]
readers = {
    "counted words": count_words(sentences["text"]).transform(sentences["text"]),
    "random weights": untrained.encode(sentences["text"]),
    "trained": vectors,
}
own = {name: metrics.knn_accuracy(rows, sentences["meaning"], k=3) for name, rows in readers.items()}

# %% tags=["core", "folded"]
figure, axis = plt.subplots(figsize=(7, 2.2), layout="constrained")
bars = axis.barh(list(own), [each.mean() for each in own.values()], color=plots.PALETTE[0])
axis.bar_label(bars, fmt="%.2f", padding=12)
axis.axvline(3 / 15, color="black", linestyle="--", label="guessing")
axis.legend(loc="upper right")
axis.set(
    xlim=(0, 1), xlabel="share of the three nearest neighbours that are of the own pile", title="Who sees the piles?"
)
axis.invert_yaxis()

# %% tags=["core", "folded"]
difference = intervals.difference_interval(own["trained"], own["random weights"])
say.sentence(
    say.comparison("trained", "random weights", difference, "share of own neighbours")
    + (" Nobody wrote a rule about cats or soup: the two differ in training alone." if is_network else "")
)

# %% [markdown] tags=["core"]
# How does such a network learn? all-MiniLM-L6-v2 read about a billion pairs of texts that belong together: a question and its
# answer, a title and its article. In each step it saw a batch of pairs and was changed a little, so that the partners' vectors
# moved together and all others in the batch apart. Nobody told it what a subject is. Lesson 5 does that with your own hands.
#
# And sentences that hardly name their subject ("Saying goodbye at the station made her cry.")? Sixteen of those, in four piles again:

# %% tags=["core", "folded"]
hard = load_corpus("meanings")
of_hard = metrics.knn_accuracy(embedder.encode(hard["text"]), hard["meaning"], k=3)
say.sentence(
    f"Share of own neighbours: plain {own['trained'].mean():.2f}, hard **{of_hard.mean():.2f}**, guessing {3 / 15:.2f}. (Four piles "
    "against four are too few for an interval, so take it as a warning, not as a measurement.)"
)

# %% [markdown] tags=["core", "workshop"]
# ## 2. Your own search engine
#
# The whole of a search by meaning: embed the documents once, embed the query, sort by cosine.
#
# ### Exercise 2: a tiny search engine
#
# Write a function that takes the vector of a query, the vectors of the documents (one per row, all of length 1) and `k`, and
# returns the positions of the `k` most similar documents, best first.


# %% tags=["core", "exercise", "q2"]
def search(query_vector, document_vectors, k):
    ### BEGIN SOLUTION
    similarity = document_vectors @ query_vector
    return np.argsort(-similarity)[:k]
    ### END SOLUTION


# %% tags=["core"]
q2.check(search)
# q2.hint()
# q2.solution()

# %% [markdown] tags=["core"]
# This is **your finder**. Once the check calls it right, it is kept, comes along through all five lessons, and each adds a row to its
# scoreboard. (It may use `np`, `pd` and functions that you wrote here; other imports go inside it.) Give it ten or so questions of your own, each with the notice that answers it; your worst surprises of the game are good ones.

# %% tags=["core"]
my_questions = [  # take away the # and write your own
    # ("My son fails his maths test", "n10"),
]
mine = finder.keep(search, my_questions, exercise=q2)
say.table(mine.questions.groupby("kind", sort=False).head(2)[["question", "kind", "relevant"]]).hide(axis="index")

# %% [markdown] tags=["core"]
# Twelve of the course's questions are put in other words, twelve ask **by a name**: a number, a code, a person. Each text gets two
# vectors, and a third that is both of them side by side: its dot product is the sum of both cosines. So three searches.


# %% tags=["core"]
def in_three_ways(questions, documents):
    words = count_words(documents)
    by_words = [words.transform(texts).toarray() for texts in (questions, documents)]
    by_meaning = [embedder.encode_query(questions), embedder.encode_document(documents)]
    merged = [np.hstack(both) for both in zip(by_words, by_meaning, strict=True)]
    return {"words": by_words, "meaning": by_meaning, "merged": merged}


hits = {way: mine.score(way, *both) for way, both in in_three_ways(mine.questions["question"], mine.notices).items()}
say.table(mine.scoreboard())

# %% [markdown] tags=["core"]
# On this board each name stands in one notice or two. So here is a list that no reader would like: a hundred notices that differ in a code
# and a house number.

# %% tags=["core"]
codes = [f"7{'BCKT'[i % 4]}-{1000 + 83 * i}" for i in range(100)]
parcels = [f"Parcel {code} is waiting at number {1 + 7 * i % 29}." for i, code in enumerate(codes)]
for way, (queries, rows) in in_three_ways([f"Where is parcel {code}?" for code in codes], parcels).items():
    hits[way] = np.append(hits[way], metrics.recall_at_k(queries @ rows.T, np.arange(100)[:, None], 1))

# %% tags=["core", "folded"]
kind_of = np.append(mine.questions["kind"], ["parcels, by code"] * len(codes))
shares = pd.DataFrame({way: pd.Series(found).groupby(kind_of, sort=False).mean() for way, found in hits.items()})
say.table(shares.T.rename_axis("search by"))

# %% tags=["core", "folded"]
sides = {
    (kind, way): (hits["merged"][kind_of == kind], hits[way][kind_of == kind])
    for kind, way in (("in other words", "words"), ("in other words", "meaning"), ("parcels, by code", "meaning"))
}
differences = intervals.simultaneous(intervals.difference_interval, sides)
say.sentence(
    "\n".join(
        f"- {kind}: {say.comparison('merged', way, difference, 'share found first')}"  # fixed: named beforehand
        for (kind, way), difference in differences.items()
    )
)

# %% [markdown] tags=["core"]
# Zero inside an interval means: these questions cannot tell the two apart. It does not mean that they are equal. Each way of searching
# has questions that it cannot answer. If you do not know which will come, merge. Section 8 hunts for what makes a code
# hard to find.

# %% [markdown] tags=["core", "workshop"]
# ## 3. A map of real texts
#
# Sixteen sentences of ours prove little. Here are posts from ten internet discussion groups of 1993: two on religion, two on
# politics, three on science, and computers, sport and cars. People sorted them, by posting. In this copy everything but letters is gone,
# and we cut off the beginning, where subject and addresses give a thread away. Every reader below gets the same words.

# %% tags=["core", "external-text"]
posts = middle_of(load_corpus("newsgroups", n_per_group=N_PER_GROUP, seed=SEED))
say.table(posts.groupby("group", sort=False).first())

# %% [markdown] tags=["core"]
# We embed them. The first time this takes a while; then the vectors come from a **cache** on your disk. Another method, **UMAP**,
# draws the map (its first run compiles for half a minute). Rest the mouse on a marker to read the post; click a group to hide it.

# %% tags=["core"]
post_vectors = embedder.encode(posts["text"])
points = maps.project(post_vectors, "umap", random_state=SEED)

# %% tags=["core", "external-text", "folded"]
plots.plot_map(points, posts["group"], posts["text"], title="Newsgroup posts, placed by what they say")

# %% [markdown] tags=["core"]
# The model was never told a group. Which groups run into each other? Not the map but the vectors answer: for each post we take
# the ten nearest others and count their groups. Each row of the figure adds up to 1.

# %% tags=["core"]
groups = posts["group"].to_numpy()
nearest = metrics.nearest_neighbors(post_vectors, k=10)
share = pd.crosstab(np.repeat(groups, 10), groups[nearest].ravel(), normalize="index")

# %% tags=["core", "folded"]
names = list(dict.fromkeys(groups))
figure, axis = plt.subplots(figsize=(8, 6), layout="constrained")
scale = {"cmap": "viridis", "vmin": 0, "vmax": 1, "cbar_kws": {"label": "share of neighbours"}}
sns.heatmap(share.reindex(index=names, columns=names, fill_value=0), annot=True, fmt=".2f", ax=axis, **scale)
axis = axis.set(xlabel="group of the neighbour", ylabel="group of the post", title="Whose neighbours are they?")

# %% [markdown] tags=["core"]
# Could counted words do that too? They get the same text and the same measure: the share of the ten neighbours that come from the
# post's own group.

# %% tags=["core"]
own_by_meaning = metrics.knn_accuracy(post_vectors, groups, k=10)
own_by_words = metrics.knn_accuracy(count_words(posts["text"]).transform(posts["text"]), groups, k=10)

# %% tags=["core", "folded"]
difference = intervals.difference_interval(own_by_meaning, own_by_words)
guess = (N_PER_GROUP - 1) / (len(posts) - 1)
say.sentence(
    f"By meaning **{own_by_meaning.mean():.2f}**, by words **{own_by_words.mean():.2f}**, by guessing {guess:.2f}. "
    + say.comparison("meaning", "words", difference, "share of own neighbours")
)

# %% [markdown] tags=["core", "workshop"]
# ## 4. How far to trust a map
#
# A plane cannot hold what hundreds of numbers hold, so every map leaves something out. Three methods are common. **PCA** looks along the two
# directions in which the vectors spread most. **t-SNE** and **UMAP** try to keep neighbours together and give up the rest. Both begin
# with a rough map, their *start*, and then move the points with some luck, set by a *seed*. We change one at a time.

# %% tags=["core"]
posts = middle_of(load_corpus("newsgroups", n_per_group=N_PER_GROUP, seed=SEED))
post_vectors = embedder.encode(posts["text"])
drawn = {}
for method, shown in {"tsne": "t-SNE", "umap": "UMAP"}.items():
    drawn[shown] = maps.project(post_vectors, method, random_state=SEED)
    drawn[f"{shown}, other seed"] = maps.project(post_vectors, method, random_state=SEED + 1)
    drawn[f"{shown}, other start"] = maps.project(post_vectors, method, random_state=SEED, init="random")
pca = maps.project(post_vectors, "pca")

# %% tags=["core", "folded"]
first, second = list(drawn.items())[:3], list(drawn.items())[3:]
plots.plot_map_grid(
    dict([*first, ("PCA", pca), *second]), posts["group"], columns=4, title="The same vectors, drawn anew"
)

# %% [markdown] tags=["core"]
# Which shapes come back, and are those the true ones? A map shows neighbours. We take the ten nearest of each post on a map, and ask
# how many of them are among its ten nearest in the vectors: those are *true*. Then we keep only what comes back, in both methods and
# at last in all six drawings. That leaves few neighbours, so the control is a map's three nearest. The floor: points dealt out at random.


# %% tags=["core", "folded"]
def neighbours_on(where, k=10):
    """A table of yes and no: is the post of the column among the k nearest of the post of the row?"""
    near = np.zeros((len(where), len(where)), dtype=bool)
    np.put_along_axis(near, metrics.nearest_neighbors(where, k=k, metric="euclidean"), True, axis=1)
    return near


in_vectors = neighbours_on(metrics.normalize(post_vectors))
on_map = {name: neighbours_on(where) for name, where in drawn.items()}
shown = {
    "PCA": neighbours_on(pca),
    "t-SNE": on_map["t-SNE"],
    "UMAP": on_map["UMAP"],
    "t-SNE, three nearest": neighbours_on(drawn["t-SNE"], k=3),
    "UMAP, three nearest": neighbours_on(drawn["UMAP"], k=3),
    "t-SNE and UMAP": on_map["t-SNE"] & on_map["UMAP"],
    "all six drawings": np.logical_and.reduce(list(on_map.values())),
    "dealt out at random": neighbours_on(np.random.default_rng(SEED).permutation(drawn["UMAP"])),
}
table = {name: (near.sum() / len(near), (near & in_vectors).sum() / near.sum()) for name, near in shown.items()}
table = pd.DataFrame(table, index=["neighbours per post", "share that is true"]).T
say.table(table.rename_axis("on"))

# %% tags=["core", "folded"]
recurs = {
    (method, change): metrics.knn_overlap(
        drawn[method], drawn[f"{method}, other {change}"], k=10, metric="euclidean"
    ).mean()
    for method in ("t-SNE", "UMAP")
    for change in ("seed", "start")
}
many, few = "all six drawings", ("t-SNE, three nearest", "UMAP, three nearest")
there = shown[many].any(axis=1)
true = {
    name: ((shown[name] & in_vectors).sum(axis=1) / np.maximum(1, shown[name].sum(axis=1)))[there]
    for name in (many, *few)
}
differences = intervals.simultaneous(intervals.difference_interval, {name: (true[many], true[name]) for name in few})
say.sentence(
    "Another seed keeps "
    + " and ".join(f"{recurs[method, 'seed']:.0%} ({method})" for method in ("t-SNE", "UMAP"))
    + " of the neighbours on the map, another start "
    + " and ".join(f"{recurs[method, 'start']:.0%} ({method})" for method in ("t-SNE", "UMAP"))
    + f". {there.sum()} of {len(there)} posts have neighbours that come back in all six. For those, post by post:\n\n"
    + "\n".join(
        f"- {say.comparison(many, name, difference, 'share of true neighbours')}"
        for name, difference in differences.items()
    )
    + (
        "\n\nWhat comes back is truer than what is merely close on one map."
        if min(each.sign for each in differences.values()) > 0
        else "\n\n**What is close on one map can be as true as what comes back in all six.** Drawing again shows which shapes are luck, "
        "and no more."
    )
)

# %% [markdown] tags=["core"]
# So believe close neighbours before you believe a shape; islands, gaps and distances are hints. Use a map to find questions, and answer them from the vectors, as section 3 did.

# %% [markdown] tags=["core"]
# ## 5. Where it fails
#
# What does a high cosine mean? First, ordinary pairs of sentences that people have scored, from 0 ("nothing in common") to 5 ("the
# same"). Does the cosine follow people? Do shared words?


# %% tags=["core", "folded"]
def word_overlap(one, other):
    """Words that both sentences have, as a share of all words that one of them has."""
    first, second = (set(TfidfVectorizer(token_pattern=r"\w+").build_analyzer()(text)) for text in (one, other))
    return len(first & second) / len(first | second)


def compare(ones, others):
    """Cosine and word overlap of each pair."""
    cosine = np.sum(embedder.encode(ones) * embedder.encode(others), axis=1)
    return pd.DataFrame({"cosine": cosine, "word overlap": list(map(word_overlap, ones, others))})


scored = load_corpus("sts_b", split="dev", n=500, seed=SEED)
with_people = compare(scored["sentence1"], scored["sentence2"])
follows = {name: intervals.spearman_interval(with_people[name], scored["score"]) for name in with_people}
say.sentence(
    "Rank correlation with people's scores (1: the same order, 0: no relation): "
    + "; ".join(f"{name} **{interval}**" for name, interval in follows.items())
    + "."
)

# %% [markdown] tags=["core"]
# Those were ordinary pairs. Now pairs that differ in one small thing which changes what is said: a *not*, a number,
# who did it to whom, an opposite. Three kinds mean the same: paraphrases, pairs with one word replaced by a **synonym** (an
# edit of equal size that changes nothing), and translations.

# %% tags=["core"]
pairs = load_corpus("minimal_pairs")
pairs = pairs.join(compare(pairs["a"], pairs["b"]))
say.table(pairs.groupby("kind", sort=False).first()[["a", "b", "same_meaning"]])

# %% [markdown] tags=["core"]
# Each marker is a pair. To the right: a high cosine. Upwards: many words in common. The dashed line is the median paraphrase.

# %% tags=["core", "folded", "picture-what_the_model_notices"]
median = pairs.loc[pairs["kind"] == "paraphrase", "cosine"].median()
figure, axis = plt.subplots(figsize=(8.5, 5), layout="constrained")
nudged = pairs.assign(overlap=pairs["word overlap"] + np.random.default_rng(0).uniform(-0.012, 0.012, len(pairs)))
kinds = list(pairs["kind"].unique())
markers = dict(zip(kinds, "oPXsD^v.", strict=True))
colors = dict(zip(kinds, plots.PALETTE, strict=False))
means = pairs.groupby("kind")["same_meaning"].first()
for kind in kinds:
    chosen = nudged[nudged["kind"] == kind]
    label = f"{kind} ({'same' if means[kind] else 'not the same'})"
    axis.scatter(
        chosen["cosine"], chosen["overlap"], color=colors[kind], marker=markers[kind], s=45, alpha=0.8, label=label
    )
axis.axvline(median, color="black", linestyle="--")
axis.legend(title="kind (does it mean the same?)", loc="upper left", fontsize=8)
axis = axis.set(
    xlabel="cosine of the two sentences",
    ylabel="words in common (share)",
    title="What changes, and what the model notices",
)

# %% tags=["core", "folded"]
changed = pairs["kind"].isin(["negation", "number", "word order", "antonym"])
synonyms, above = pairs["kind"] == "synonym", pairs["cosine"] > median
edits = {
    kind: (
        pairs.loc[pairs["kind"] == kind, "cosine"].to_numpy(),
        pairs.loc[pairs["kind"] == "synonym", "cosine"].to_numpy(),
    )
    for kind in ("negation", "number", "word order", "antonym")
}
differences = intervals.simultaneous(intervals.difference_interval, edits, paired=False)
related = intervals.spearman_interval(pairs["cosine"], pairs["word overlap"], groups=pairs["a"])
edited = pairs[pairs["kind"].isin(["negation", "number", "antonym", "synonym"])]
among_edits = intervals.spearman_interval(edited["cosine"], edited["word overlap"], groups=edited["a"])
abroad = pairs.loc[pairs["kind"] == "other language", "cosine"].mean()
say.sentence(
    f"**{(changed & above).sum()} of {changed.sum()}** pairs that do *not* say the same have a higher cosine than half of the "
    f"paraphrases, as have **{(synonyms & above).sum()} of {synonyms.sum()}** synonyms, which do. Over all kinds the cosine goes with the words in common: rank correlation {related}; among "
    f"pairs that differ in a word or two ({len(edited)} of them) it is {among_edits}. Translations, which say the same, reach a mean "
    f"cosine of {abroad:.2f}"
    + (": this model knows English alone" if embedder.card.languages == ("eng",) else "")
    + ".\n\nAgainst a synonym, "
    "one word changed and nothing said anew (word order changes no word at all):\n\n"
    + "\n".join(
        f"- {say.comparison(kind, 'synonym', difference, 'mean cosine')}" for kind, difference in differences.items()
    )
)

# %% [markdown] tags=["core"]
# So a high cosine says *about the same thing*. It does not say *the same*. With a dozen pairs of each kind, only large
# differences show.
#
# ### Exercise 3: fool it
#
# Write two sentences that **contradict each other**, with a cosine above that of the median paraphrase (the dashed line). The check
# measures the cosine with all-MiniLM-L6-v2. It cannot read meaning either, so it wants a plain form: both sentences begin with **one
# definite thing** (*the*, *my*, *this*, a name, *he*, *she*) and say what it is, has, costs, can or must do, in one clause and the same tense.
# **One thing changes**: a *not* (or *never*, *no*), a number (how much, how many), an opposite, or who is more than whom. Otherwise both might be true.


# %% tags=["core", "exercise", "q3"]
def my_pair():
    ### BEGIN SOLUTION
    return "The patient is allergic to penicillin.", "The patient is not allergic to penicillin."
    ### END SOLUTION


# %% tags=["core"]
q3.check(my_pair)
# q3.hint()
# q3.solution()

# %% [markdown] tags=["core"]
# Think of your pair before you let a similarity decide about doses, contracts or refusals.

# %% [markdown] tags=["core"]
# ## Recap
#
# *What does a model think my sentence means?* A direction: near those of texts **about the same thing**.
#
# - A model turns a text into a **vector**; the **cosine** compares two. It finds what no shared word could, because it was trained to.
# - **Search by meaning** and by words see different things; they can be merged. Measure on your own questions.
# - A **map** shows close neighbours at best. Draw it again to see which shapes are luck; the vectors answer.
# - A high cosine does not mean *the same*: look at what changed.
# - A number without a **control** and an **interval** is an anecdote.
#
# What follows goes deeper; each section stands on its own.

# %% [markdown] tags=["deep"]
# ## 6. Inside the box
#
# How does a text become a vector? This section opens one model, all-MiniLM-L6-v2. First the **tokenizer** cuts the text into
# pieces that the model has in its vocabulary, **tokens**; rare words become several.

# %% tags=["deep", "nbval-check-output"]
minilm = load_embedder("all-MiniLM-L6-v2", cache=False)
texts = ["Embeddings are lists of numbers.", "A zymurgist brews."]
batch = minilm.tokenizer(texts, padding=True, return_tensors="pt")
for row in batch["input_ids"]:
    print(minilm.tokenizer.convert_ids_to_tokens(row))

# %% [markdown] tags=["deep"]
# `[CLS]` and `[SEP]` mark beginning and end, `##` a piece that continues a word, and `[PAD]` fills up the shorter text. The
# **attention mask** says which tokens are real. Then six layers of the network turn each token into a vector that depends on all
# the others.

# %% tags=["deep", "nbval-check-output"]
import torch


def read_tokens(texts):
    """Vectors of all tokens, shape (texts, tokens, dimensions), and the mask, shape (texts, tokens)."""
    batch = minilm.tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        return minilm.model[0].model(**batch).last_hidden_state.numpy(), batch["attention_mask"].numpy()


token_vectors, mask = read_tokens(texts)
print("token vectors:", token_vectors.shape, " mask:", mask.shape)

# %% [markdown] tags=["deep"]
# ### Exercise 4: mean pooling with a mask
#
# One vector per token is too many; the model takes the mean over the tokens of each text. The padding must not count; it may stand
# on either side. Write it for an array of shape (texts, tokens, dimensions) and a mask of shape (texts, tokens).


# %% tags=["deep", "exercise", "q4"]
def mean_pooling(token_vectors, mask):
    ### BEGIN SOLUTION
    weights = mask[..., None]
    return (token_vectors * weights).sum(axis=1) / weights.sum(axis=1)
    ### END SOLUTION


# %% tags=["deep"]
q4.check(mean_pooling)
# q4.hint()
# q4.solution()

# %% [markdown] tags=["deep"]
# Now put it to use. Is your pooling what the library does? And why the mean: the vector of `[CLS]`, the first token, has seen the
# whole text, too. We hold both against people's scores of two hundred pairs of sentences, and on the sixteen sentences of section 1.
# (While your function is not right, PyTorch's masked mean steps in.)


# %% tags=["deep"]
def by_torch(token_vectors, mask):
    real = torch.tensor(token_vectors).masked_fill(torch.tensor(mask[..., None] == 0), torch.nan)
    return real.nanmean(dim=1).numpy()


pool = mean_pooling if q4.check(mean_pooling).outcome == "correct" else by_torch
poolings = {
    "mean": pool,
    "CLS": lambda vectors, mask: vectors[:, 0],
    "mean with padding": lambda v, mask: v.mean(axis=1),
}
sentences, scored = load_corpus("plain_sentences"), load_corpus("sts_b", split="dev", n=200, seed=SEED)
of_sixteen, sides = read_tokens(sentences["text"]), [read_tokens(scored[side]) for side in ("sentence1", "sentence2")]

# %% tags=["deep", "folded"]
cosines, own = {}, {}
for name, pooling in poolings.items():
    one, other = (metrics.normalize(pooling(*side)) for side in sides)
    cosines[name] = np.sum(one * other, axis=1)
    own[name] = metrics.knn_accuracy(pooling(*of_sixteen), sentences["meaning"], k=3)
closer = intervals.spearman_interval(scored["score"], cosines["mean"], minus=cosines["CLS"])
people = {name: intervals.spearman_interval(values, scored["score"]) for name, values in cosines.items()}
apart = np.abs(metrics.normalize(pool(token_vectors, mask)) - minilm.encode(texts)).max()
of_sentences = intervals.difference_interval(own["CLS"], own["mean"])
say.sentence(
    f"Largest difference of your vectors to the library's, both scaled to length 1: **{apart:.1e}**.\n\n"
    + "\n".join(f"- {name}: rank correlation with people **{interval}**" for name, interval in people.items())
    + f"\n\n{say.comparison('mean', 'CLS', closer, 'rank correlation with people')} On the sixteen sentences alone: {say.comparison('CLS', 'mean', of_sentences, 'share of own neighbours')}"
)

# %% [markdown] tags=["deep"]
# A model works with the pooling it was trained with. Which one that is stands in its files, and the library reads it there.

# %% [markdown] tags=["deep"]
# ## 7. The end of a long text, and chunks
#
# Most models read a limited number of tokens and silently drop the rest. We take all-MiniLM-L6-v2 and a short story whose last
# sentence holds the point, and put more and more empty talk before it. The limit is set low here, so that you need not wait.

# %% tags=["deep"]
filler = "We talked about this and that and nothing in particular. "
point = "Then the volcano erupted and buried the village."
reader = load_embedder("all-MiniLM-L6-v2")
question = reader.encode_query("a volcanic eruption")
counts = np.arange(0, 13)
cosines = [reader.encode(filler * n + point, max_length=66) @ question for n in counts]
tokens = [len(reader.tokenizer(filler * n + point)["input_ids"]) for n in counts]

# %% [markdown] tags=["deep"]
# The dashed line is the limit. The dotted one is a control: the filler alone, without the volcano.

# %% tags=["deep", "folded"]
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
axis.plot(tokens, cosines, marker="o", color=plots.PALETTE[0], label="filler, then the point")
alone = reader.encode(filler * 12, max_length=66) @ question
axis.axhline(alone, linestyle=":", color=plots.PALETTE[2], label="filler alone")
axis.axvline(66, linestyle="--", color="black", label="limit")
axis.legend()
axis = axis.set(xlabel="length of the text (tokens)", ylabel="cosine to the question", title="Past the limit, unread")

# %% [markdown] tags=["deep"]
# So long texts are cut into **chunks** before they are embedded. Chunks also help to see inside a text: which sentence of the
# story does not belong to the others?
#
# ### Exercise 5: odd one out
#
# Given the vectors of a few texts, one per row and all of length 1, find the row that is least similar to the others together: the
# sum of its cosines with them is smallest. Return its position.


# %% tags=["deep", "exercise", "q5"]
def odd_one_out(vectors):
    ### BEGIN SOLUTION
    similarity = vectors @ vectors.T
    return int(np.argmin(similarity.sum(axis=1)))
    ### END SOLUTION


# %% tags=["deep"]
q5.check(odd_one_out)
# q5.hint()
# q5.solution()

# %% tags=["deep"]
story = ["We talked about this and that.", "Everybody had something to say.", "Then one talked about another.", point]
story += ["Nobody remembered who had begun.", "In the end we talked about nothing in particular."]
odd_one_out(reader.encode(story))  # which one is it, without a question being asked?

# %% tags=["deep", "folded"]
sums = (lambda rows: rows @ rows.T)(reader.encode(story)).sum(axis=1)
say.sentence(f"{say.top(pd.Series(sums, index=story), 'sum of cosines', lowest=True)} Positions count from 0.")

# %% [markdown] tags=["deep"]
# How should one cut? We glue eight passages of an encyclopedia into one long page, twelve times, and ask the questions that
# people typed to which these passages are the answers. A question has to find **its page**. Four ways: the page as one text (the
# model reads as far as it can); chunks of eighty words that may break a sentence; the same, overlapping by half; and the
# passages as they were written. A page is as near as its nearest chunk. The control reads everything, too, but keeps **one**
# vector: the mean of all its passages.

# %% tags=["deep"]
facts = load_corpus("boolq", n=96, seed=SEED)
passages = facts["passage"].to_numpy().reshape(12, 8)
pages = [" ".join(page) for page in passages]
page_of = np.repeat(np.arange(12), 8)


def cut(text, length, step):
    words = text.split()
    return [" ".join(words[i : i + length]) for i in range(0, max(1, len(words) - length + step), step)]


ways = {
    "one text": [[page] for page in pages],
    "80 words": [cut(page, 80, 80) for page in pages],
    "80 words, overlapping": [cut(page, 80, 40) for page in pages],
    "as written": [list(page) for page in passages],
}

# %% tags=["deep"]
asked = reader.encode_query(facts["question"])
hits, n_chunks = {}, {}
for way, chunks in ways.items():
    owner = np.repeat(np.arange(12), [len(page) for page in chunks])  # the page of each chunk
    rows = reader.encode_document([chunk for page in chunks for chunk in page])
    nearest = np.stack([(asked @ rows[owner == page].T).max(axis=1) for page in range(12)], axis=1)
    hits[way], n_chunks[way] = metrics.recall_at_k(nearest, page_of[:, None], 1), len(rows)
means = metrics.normalize(rows.reshape(12, 8, -1).mean(axis=1))
hits["mean of all"], n_chunks["mean of all"] = metrics.recall_at_k(asked @ means.T, page_of[:, None], 1), 12

# %% tags=["deep", "folded"]
shares = {way: intervals.mean_interval(found) for way, found in hits.items()}
figure, axis = plt.subplots(figsize=(7.5, 2.8), layout="constrained")
for row, interval in enumerate(shares.values()):
    ends = [[interval.estimate - interval.low], [interval.high - interval.estimate]]
    axis.errorbar(interval.estimate, row, xerr=ends, fmt="o", color=plots.PALETTE[0])
axis.axvline(1 / 12, color="black", linestyle="--", label="guessing")
axis.set_yticks(range(len(shares)), [f"{way} ({n_chunks[way]} vectors)" for way in shares])
axis.set(
    xlim=(0, 1.02),
    xlabel="share of questions whose page comes first",
    title="Twelve long pages, and how often the right one is found",
)
axis.legend(loc="lower left")
axis.invert_yaxis()

# %% tags=["deep", "folded"]
compared = {
    pair: (hits[pair[0]], hits[pair[1]])
    for pair in (
        ("80 words", "one text"),
        ("80 words, overlapping", "80 words"),
        ("as written", "80 words, overlapping"),
        ("mean of all", "one text"),
    )
}
differences = intervals.simultaneous(intervals.difference_interval, compared)
say.sentence(
    "\n".join(
        f"- {say.comparison(*pair, difference, 'share of pages found')}" for pair, difference in differences.items()
    )
    + "\n\nThe last line says how much of it is reading to the end alone, with no more vectors than pages."
)

# %% [markdown] tags=["deep"]
# ## 8. The hunt for the parcels
#
# On the notice board, names were found. Now a list of parcels that differ in nothing but a code and a house number. We ask for a
# hundred of them by code, and let the list grow.

# %% tags=["deep"]
chance = np.random.default_rng(SEED)
letters, numbers = chance.choice(list("BCKT"), 800), chance.integers(1000, 10000, 800)
codes = list(dict.fromkeys(f"7{letter}-{number}" for letter, number in zip(letters, numbers, strict=True)))
house = chance.integers(1, 30, len(codes))
lists = {
    "with house number": [f"Parcel {code} is waiting at number {n}." for code, n in zip(codes, house, strict=True)],
    "with the same words for all": [f"Parcel {code} is waiting at the corner shop." for code in codes],
    "without": [f"Parcel {code} is waiting." for code in codes],
}
asked_for = [f"Where is parcel {code}?" for code in codes[:100]]

# %% [markdown] tags=["deep"]
# Suspect one: "a vector has too few dimensions for so many codes". The control: TF-IDF vectors, thrown on 8 and on 32 random
# directions, which is far fewer than the model has. Suspect two: the house number, which the question does not name. Suspect three: any words
# around the code. So we write the list in three ways.


# %% tags=["deep"]
def ranks_first(queries, documents, n):
    return metrics.recall_at_k((queries @ documents.T)[:, :n], np.arange(100)[:, None], 1)


lengths, found = [100, 200, 400, len(codes)], {}
for way, parcels in lists.items():
    rows = embedder.encode_document(parcels)
    found[f"model, {way}"] = [ranks_first(embedder.encode_query(asked_for), rows, n) for n in lengths]
words = TfidfVectorizer(token_pattern=r"\w+").fit(lists["with house number"])
by_words = [words.transform(texts).toarray() for texts in (asked_for, lists["with house number"])]
for n_directions in (8, 32):
    thrown = np.random.default_rng(SEED).normal(size=(by_words[0].shape[1], n_directions))
    squeezed = [metrics.normalize(rows @ thrown) for rows in by_words]
    found[f"words, {n_directions} random directions"] = [ranks_first(*squeezed, n) for n in lengths]

# %% tags=["deep", "folded"]
figure, axis = plt.subplots(figsize=(8, 4.2), layout="constrained")
for (name, rows), color, marker in zip(found.items(), plots.PALETTE, "oDs^v", strict=False):
    share = [intervals.mean_interval(row) for row in rows]
    errors = [[i.estimate - i.low for i in share], [i.high - i.estimate for i in share]]
    axis.errorbar(lengths, [i.estimate for i in share], yerr=errors, color=color, marker=marker, capsize=4, label=name)
axis.legend(title="search by", bbox_to_anchor=(1.01, 1), loc="upper left")
axis.set(xlabel="parcels in the list", ylabel="share found first", title="Needles in a stack of needles")
axis = axis.set_ylim(0, 1.05)

# %% tags=["deep", "folded"]
longest = {name: rows[-1] for name, rows in found.items()}
suspects = {
    ("words, 32 random directions", "model, with house number"): "dimensions",
    ("model, without", "model, with house number"): "house number",
    ("model, without", "model, with the same words for all"): "words around the code",
}
differences = intervals.simultaneous(
    intervals.difference_interval, {pair: (longest[pair[0]], longest[pair[1]]) for pair in suspects}
)
verdicts = {
    "dimensions": ("few dimensions are not the cause.", "dimensions may be the cause."),
    "house number": ("leaving the house number out helps.", "leaving it out does not help."),
    "words around the code": (
        "words that say nothing, and are the same for all, do harm too: the code is drowned in what stands around it.",
        "words that are the same for all do no harm that shows.",
    ),
}
say.sentence(
    f"In the longest list, {len(codes)} parcels:\n\n"
    + "\n".join(
        f"- {say.comparison(*pair, difference, 'share found first')} So {verdicts[suspects[pair]][difference.sign < 1]}"
        for pair, difference in differences.items()
    )
)

# %% [markdown] tags=["deep"]
# In most models the vector of a text is a mean over its tokens, and a code is a handful of pieces among them. A search by words does not mean
# anything by a code; it compares it letter by letter, and finds it. That is why systems that serve both kinds of questions merge
# both kinds of search.

# %% [markdown] tags=["deep"]
# ## 9. Two more measures for a map
#
# The share of neighbours kept does not say what went wrong. **Trustworthiness** falls when the map shows neighbours that are none;
# **continuity** falls when neighbours are torn apart. For points dealt out at random both are close to one half, not zero, so that floor belongs
# beside them.

# %% tags=["deep"]
posts = middle_of(load_corpus("newsgroups", n_per_group=min(N_PER_GROUP, 40), seed=SEED))
post_vectors = embedder.encode(posts["text"])
methods = {"PCA": "pca", "t-SNE": "tsne", "UMAP": "umap"}
places = {shown: maps.project(post_vectors, method, random_state=SEED) for shown, method in methods.items()}
places["dealt out at random"] = np.random.default_rng(SEED).permutation(places["UMAP"])
quality = pd.DataFrame({method: maps.map_quality(post_vectors, where) for method, where in places.items()}).T
quality.round(3)

# %% tags=["deep", "folded"]
floor = quality.loc["dealt out at random", "trustworthiness"]
of_maps = quality.drop("dealt out at random")
say.sentence(
    f"- {say.top(of_maps['trustworthiness'], 'trustworthiness')}\n"
    f"- {say.top(of_maps['continuity'], 'continuity')}\n"
    f"- Points dealt out at random get a trustworthiness of {floor:.2f}: read every value against that, not against zero."
)

# %% [markdown] tags=["deep"]
# ## 10. King − man + woman
#
# You may have heard that vectors can be calculated with: *king* minus *man* plus *woman* gives *queen*. Let us look closely. Among
# which words do we search? Are the three words of the question allowed as an answer? And would *king* alone do? We take frequent English
# words, ask eight such questions of the form *b* − *a* + *c*, and note the **rank** of the expected answer.

# %% tags=["deep"]
vocabulary = load_embedder("all-MiniLM-L6-v2").tokenizer.vocab
in_order = sorted(vocabulary, key=vocabulary.get)  # fixed: the vocabulary is in order of frequency
frequent = [word for word in in_order if word.isalpha() and len(word) > 2][:2000]
analogies = """man king woman queen
boy brother girl sister
france paris italy rome
small large short long
walk walked play played
hand fingers foot toes
good better bad worse
cat cats dog dogs"""
asked = [line.split() for line in analogies.splitlines()]
candidates = list(dict.fromkeys(frequent + [word for line in asked for word in line]))
word_vectors = dict(zip(candidates, embedder.encode(candidates), strict=True))


# %% tags=["deep"]
def rank_of(word, target, without=()):
    allowed = [other for other in candidates if other not in without]
    cosines = np.array([word_vectors[other] @ target for other in allowed])
    return 1 + int((cosines > word_vectors[word] @ target).sum())


rows = []
for a, b, c, expected in asked:
    man, king, woman = word_vectors[a], word_vectors[b], word_vectors[c]
    targets = {"b − a + c": king - man + woman, "b alone": king, "c alone": woman, "b + c": king + woman}
    ranks = {name: rank_of(expected, target, without=(a, b, c)) for name, target in targets.items()}
    everything = rank_of(expected, king - man + woman)
    rows.append({"question": f"{b} − {a} + {c} = {expected}", "inputs allowed": everything, **ranks})
ranks = pd.DataFrame(rows).set_index("question")
say.table(ranks)

# %% tags=["deep", "folded"]
firsts = (ranks == 1).sum()
say.sentence(
    f"Among {len(candidates):,} words the expected answer comes first in **{firsts['inputs allowed']} of {len(ranks)}** questions, "
    f"and in **{firsts['b − a + c']}** once the three input words are forbidden. With the same ban, *b* alone gives it in "
    f"{firsts['b alone']}, *c* alone in {firsts['c alone']}, and *b + c*, without any subtraction, in {firsts['b + c']}."
)

# %% [markdown] tags=["deep"]
# The famous examples are shown with the ban, mostly without saying so. Eight questions
# are an illustration, not a measurement, and this is a model of sentences, not of words.

# %% [markdown] tags=["deep"]
# ## 11. Bring your own texts
#
# Put the path of a file into the next cell: CSV, Excel, JSON Lines and more, with commas or semicolons, in any usual encoding. What is
# assumed about it is printed. Where that is wrong, say `text_column="…"`, `label_column="…"` (a column to colour by), `sep=";"`,
# `encoding="cp1252"`, or `columns="text"` for a file of nothing but texts, one per line. As it stands, the cell takes the course's notice board. Nothing leaves your computer.

# %% tags=["deep"]
from course_utils.data import read_texts
from course_utils.paths import ROOT

MY_FILE = ROOT / "datasets" / "noticeboard.csv"
my_texts = read_texts(MY_FILE).head(2000)  # more take minutes
my_vectors = embedder.encode_document(my_texts["text"])

# %% [markdown] tags=["deep"]
# First, search it:

# %% tags=["deep"]
MY_QUESTION = "who can help me with sums?"
cosines = my_vectors @ embedder.encode_query(MY_QUESTION)
my_texts.assign(cosine=cosines.round(2)).nlargest(5, "cosine").style.format({"cosine": "{:.2f}"}).hide(axis="index")

# %% [markdown] tags=["deep"]
# Then a map of it. From four texts on one can be drawn; under thirty the two largest directions (PCA) are safer than methods that
# look for neighbours.

# %% tags=["deep", "external-text"]
method = "pca" if len(my_texts) < 30 else "tsne"
my_labels = my_texts["label"].fillna("no label") if "label" in my_texts else ["text"] * len(my_texts)
try:
    my_points = maps.project(my_vectors, method, random_state=SEED)
    axes = {"pca": "PCA", "tsne": "t-SNE"}[method]
    my_map = plots.plot_map(my_points, my_labels, my_texts["text"], title="Your texts", method=axes)
except ValueError:
    my_points, my_map = None, say.sentence("No map: it takes four texts or more that are not all alike.")
my_map

# %% tags=["deep", "folded"]
k = max(1, min(5, len(my_texts) - 2))
told = "Without a map there is nothing to measure; the search works with any number of texts."
if my_points is not None:
    kept = metrics.knn_overlap(my_vectors, my_points, k=k, metric=("cosine", "euclidean")).mean()
    told = (
        f"Your map keeps **{kept:.0%}** of each text's {k} nearest neighbours; chance would keep {k / (len(my_texts) - 1):.0%}. "
        "Which question does it raise, and which number would answer it?"
    )
say.sentence(told)
