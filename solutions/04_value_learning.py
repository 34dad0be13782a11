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
N_REVIEWS = 300  # product reviews, about a dozen sentences each: 40 to 300
N_EDITORIALS = 200  # newspaper editorials, about ten sentences each: 40 to 500
SEED = 0  # which reviews, folds and examples are drawn

# %% tags=["setup", "folded"]
import logging
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import kendalltau, linregress, spearmanr, zscore
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.metrics import ndcg_score
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline

from course_utils.data import load_corpus
from course_utils.drawing import plots
from course_utils.embedding import load_embedder
from course_utils.learning import ALPHAS, EmbeddingValueLearner, GroupRidge, TextEmbedder, predict_ensemble
from course_utils.measuring import intervals
from course_utils.teaching import exercises, finder, say

q1, q2, q3, q4, q5 = exercises(4)
# of the many trainings on few examples some take an alpha at the edge of those tried; section 15 wants to know
logging.getLogger("course_utils.learning.ridge").setLevel(logging.ERROR)
embedder = load_embedder(MODEL)
tfidf = make_pipeline(TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)), Ridge(alpha=1))  # sees words, no meaning


def load_reviews():
    """Sentences of product reviews with the scores that about twenty people gave each."""
    reviews = load_corpus("reviews")
    some = reviews["review"].drop_duplicates().sample(np.clip(N_REVIEWS, 40, 300), random_state=SEED)
    return reviews[reviews["review"].isin(some)].reset_index(drop=True)


def load_editorials():
    """Sentences of newspaper editorials, and the mean score of the editorial that each is from."""
    editorials = load_corpus("editorials").rename(columns={"review": "editorial"})
    some = editorials["editorial"].drop_duplicates().sample(np.clip(N_EDITORIALS, 40, 500), random_state=SEED)
    editorials = editorials[editorials["editorial"].isin(some)].reset_index(drop=True)
    return editorials.assign(of_all=editorials.groupby("editorial")["score"].transform("mean"))


def held_out(model, X, y, folds, groups=None):
    """Predict each row by a model that did not learn from its fold; one that takes groups is told them."""
    guess = np.empty(np.shape(y))
    for train, test in folds:
        told = {} if groups is None else {"groups": np.asarray(groups)[train]}
        guess[test] = model.fit(X[train], y[train], **told).predict(X[test])
    return guess


# %% [markdown] tags=["core", "workshop"]
# ## 1. It picks your Saturday
#
# How would you like to spend a free Saturday? Read these twenty ideas and give each a score from 0 ("never") to 10 ("at once").

# %% tags=["core"]
ideas = load_corpus("saturdays")
shown, new = ideas.head(20), ideas.tail(16)
say.table(shown[["text"]])

# %% [markdown] tags=["core"]
# Put your own numbers into this list, in the order of the table. Those that stand there were **made up by us** for a person
# who does not exist, so that the lesson runs without you.

# %% tags=["core"]
my_scores = [9, 1, 8, 2, 8, 4, 8, 1, 9, 7, 2, 8, 0, 9, 1, 6, 2, 8, 2, 10]
taste = EmbeddingValueLearner(embedder, ridge_alpha=1).fit(shown["text"], my_scores)

# %% [markdown] tags=["core"]
# Texts, scores, `fit`: that is all. Now sixteen ideas that it has never seen. Before you run on: which three would *you* take
# first, and which three last?

# %% tags=["core"]
say.table(new[["text"]])

# %% [markdown] tags=["core"]
# And what does the machine think that you would do?

# %% tags=["core"]
order = [text for text, _ in taste.rank_texts(new["text"])]
say.table(pd.DataFrame({"take first": order[:3], "take last": order[:-4:-1]}, index=["1", "2", "3"]))

# %% [markdown] tags=["core"]
# The vectors know which ideas are alike (lesson 1); your twenty scores told which of them you like. How well did it do? Put *your*
# scores of the sixteen into `my_answers`. The **rank correlation** (Spearman) compares two orders: 1 for the same, 0 for
# nothing in common, −1 for the reverse.

# %% tags=["core"]
my_answers = new["score"].tolist()  # the invented person's; put yours: [3, 7, …], in the order of the table
agreement = intervals.spearman_interval(my_answers, taste.predict(new["text"]))

# %% tags=["core", "folded"]
X, X_new = embedder.encode(shown["text"]).astype(float), embedder.encode(new["text"]).astype(float)
deal = np.random.default_rng(SEED)
dealt = [Ridge(alpha=1).fit(X, deal.permutation(my_scores)).predict(X_new) for _ in range(1000)]
as_good = np.mean([spearmanr(my_answers, guess).statistic >= agreement.estimate for guess in dealt])
guess = taste.predict(new["text"])
off, off_mean = np.abs(guess - my_answers).mean(), np.abs(np.mean(my_scores) - my_answers).mean()
say.sentence(
    "Sixteen scores that are all the same have no order, and nothing can be compared with them."
    if len(set(my_answers)) < 2
    else f"Rank correlation: **{agreement}**. Is that luck? A **control**: we dealt the same twenty scores out to the twenty ideas at random, a "
    f"thousand times. The sixteen were then ordered as well in {as_good:.1%} of all tries, so "
    + say.choose(as_good, (0.05, "it may be luck."), otherwise="luck seldom does that.")
    + f" Trust the order, not the numbers: they go from {guess.min():.1f} to {guess.max():.1f}, the true ones from "
    f"{min(my_answers):g} to {max(my_answers):g}. On average a guess is off by {off:.1f} points; the mean of the twenty, guessed for all, by {off_mean:.1f}."
)

# %% [markdown] tags=["core"]
# A demonstration: for the invented person one hand wrote the ideas and the scores. From here on, texts are real, and so are the people.

# %% [markdown] tags=["core", "workshop"]
# ## 2. Ridge, by hand
#
# A vector has hundreds of numbers. The learner gives each a **weight**, multiplies, and adds up; learning means finding good
# weights. Begin with one number $x$ a text (here its count of words) and a score $y$, both with their means taken off.
# **Least squares** takes the weight with the smallest squared errors. **Ridge** adds a fine for large weights:
#
# $$\text{minimise} \; \sum_i (y_i - w x_i)^2 + \alpha w^2 \quad \Rightarrow \quad w = \frac{\sum_i x_i y_i}{\sum_i x_i^2 + \alpha}$$

# %% tags=["core", "nbval-check-output"]
ideas = load_corpus("saturdays").head(20)
x = ideas["text"].str.split().str.len().to_numpy(dtype=float)
y = ideas["score"].to_numpy(dtype=float)
x, y = x - x.mean(), y - y.mean()
pd.Series({alpha: x @ y / (x @ x + alpha) for alpha in (0, 10, 100, 1000)}, name="weight").round(4)

# %% [markdown] tags=["core"]
# The larger **alpha**, the closer the weight to zero. For a table $X$ with a row a text and a column a number, there is a weight for each
# column. At the smallest sum its derivative is zero, $-2 X^\top (y - X w) + 2 \alpha w = 0$; solved for $w$, these are the **normal equations**:
#
# $$w = (X^\top X + \alpha I)^{-1} X^\top y$$
#
# ### Exercise 1: closed-form ridge
#
# Write it as a function of an (n, dim) array `X`, an (n,) array `y` and `alpha`. `np.eye(dim)` is the matrix $I$;
# `np.linalg.solve(A, b)` finds the $w$ with $A w = b$.


# %% tags=["core", "exercise", "q1"]
def closed_form_ridge(X, y, alpha):
    ### BEGIN SOLUTION
    return np.linalg.solve(X.T @ X + alpha * np.eye(X.shape[1]), X.T @ y)
    ### END SOLUTION


# %% tags=["core"]
q1.check(closed_form_ridge)
# q1.hint()      # take away the # for a hint; run the cell again for the next one
# q1.solution()

# %% [markdown] tags=["core"]
# Why hold weights back? These are sentences from reviews of cameras, phones and other devices. About **twenty people** gave
# each sentence a score from −4 (very negative) to 4 (very positive); we learn the mean of the twenty.

# %% tags=["core", "external-text"]
reviews = load_reviews()
print(f"{len(reviews):,} sentences of {reviews['review'].nunique()} reviews")
say.table(reviews[["text", "score"]].sample(4, random_state=SEED))

# %% [markdown] tags=["core"]
# We learn from 100 sentences, from 300, from all of four fifths of the reviews, with ever larger alpha, and ask for the
# sentences of the other reviews. Your bet: with the smallest alpha, hardly any fine, do 300 examples do more for us than 100?

# %% tags=["core"]
vectors, scores = embedder.encode(reviews["text"]).astype(float), reviews["score"].to_numpy()
groups = reviews["review"].to_numpy()
train, held = next(GroupShuffleSplit(1, test_size=0.2, random_state=SEED).split(vectors, scores, groups))
draw = np.random.default_rng(SEED)
examples = {n: [draw.choice(train, n, replace=False) for _ in range(5)] for n in (100, 300)} | {len(train): [train]}

# %% tags=["core"]
errors = {}  # of each size: squared errors, a row a draw, then a row an alpha
for n, draws in examples.items():
    models = [[Ridge(alpha=alpha).fit(vectors[some], scores[some]) for alpha in ALPHAS] for some in draws]
    errors[n] = np.array([[(scores[held] - model.predict(vectors[held])) ** 2 for model in each] for each in models])

# %% tags=["core", "folded"]
guessing = np.mean((scores[held] - scores[train].mean()) ** 2)
figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
for (n, values), color, marker in zip(errors.items(), plots.PALETTE, "oDs", strict=False):
    axis.loglog(ALPHAS, values.mean(axis=(0, 2)), color=color, marker=marker, label=f"{n:,} examples")
    axis.fill_between(ALPHAS, *(end(values.mean(axis=2), axis=0) for end in (np.min, np.max)), color=color, alpha=0.2)
axis.axhline(guessing, linestyle="--", color="black", label="guessing the mean")
axis.set_yticks([1, 2, 4, 8], labels=["1", "2", "4", "8"])
axis.minorticks_off()
axis.legend()
axis = axis.set(
    xlabel="alpha",
    ylabel="mean squared error, other reviews",
    title="How strongly to hold the weights back (bands: five draws)",
)

# %% tags=["core", "folded"]
hardly = intervals.difference_interval(errors[300][:, 0], errors[100][:, 0], groups=groups[held])
chosen = {}  # of each size: errors with the alpha that its examples chose, and these alphas
for n, draws in examples.items():
    models = [GroupRidge().fit(vectors[some], scores[some], groups[some]) for some in draws]
    off = np.mean([(scores[held] - model.predict(vectors[held])) ** 2 for model in models])
    chosen[n] = off, " or ".join(f"{alpha:.2g}" for alpha in sorted({model.alpha_ for model in models}))
sizes_of_weights = {
    n: np.mean([np.linalg.norm(Ridge(alpha=ALPHAS[0]).fit(vectors[some], scores[some]).coef_) for some in draws])
    for n, draws in examples.items()
}
said = [f"{off:.2f} from {n:,} (alpha {alphas})" for n, (off, alphas) in chosen.items()]
say.sentence(
    f"With alpha = {ALPHAS[0]:g} the mean squared error is {', '.join(f'**{values[:, 0].mean():.2f}** from {n:,} examples' for n, values in errors.items())}; guessing the mean "
    f"of all scores gets {guessing:.2f}. {say.comparison('300 examples', '100 examples', hardly, 'error with hardly any fine')} "
    f"The vectors have {vectors.shape[1]} numbers. With fewer examples than weights, every example can be fitted, noise and all; with nearly as many, "
    f"that takes huge weights: as one vector they have the length {', '.join(f'{size:.0f} ({n:,} examples)' for n, size in sizes_of_weights.items())}. Holding them back mends it: with an alpha found from the examples alone (section 3 says how), it is "
    + ", ".join(said)
    + "."
)

# %% [markdown] tags=["core", "workshop"]
# ## 3. An exam with dice
#
# Scores are dear. So many people take the one number that a whole document has, its stars or its grade, and give it to each
# of its sentences. We do so with newspaper editorials: each sentence gets the mean score of its editorial. Then comes the exam
# that everybody sets: sentences are dealt out **at random**, four fifths to learn from and the rest to be asked, until each was asked once.
#
# Two pupils sit it. *Ridge*, and the *nearest neighbour*, who learns by heart and answers with the score of the most similar
# sentence. They sit it twice. The second time the scores are **dice**: each editorial gets a number from 1 to 6,
# at random, thrown twenty times anew. There is nothing to learn. Your bet: which rank correlation do the two get on dice?

# %% tags=["core"]
editorials = load_editorials()
vectors, groups = embedder.encode(editorials["text"]).astype(float), editorials["editorial"].to_numpy()
dice = np.random.default_rng(SEED).integers(1, 7, (1000, 20))  # a column a throw
marks = {"people's scores": editorials["of_all"].to_numpy(), "dice": dice[groups].astype(float)}
pupils = {"ridge": RidgeCV(ALPHAS, alpha_per_target=True), "nearest neighbour": KNeighborsRegressor(1)}

# %% [markdown] tags=["core"]
# Beside the random exam we set another, in which **whole editorials** are asked for.

# %% tags=["core"]
exams = {
    "random sentences": list(KFold(5, shuffle=True, random_state=SEED).split(vectors)),
    "whole editorials": list(GroupKFold(5, shuffle=True, random_state=SEED).split(vectors, groups=groups)),
}
guesses = {
    (mark, exam, pupil): held_out(model, vectors, y, folds)
    for mark, y in marks.items()
    for exam, folds in exams.items()
    for pupil, model in pupils.items()
}

# %% tags=["core", "folded"]
found = {}
for (mark, exam, pupil), guess in guesses.items():
    if mark == "dice":
        ranks = [spearmanr(*columns).statistic for columns in zip(marks[mark].T, guess.T, strict=True)]
        found[mark, exam, pupil] = intervals.mean_interval(ranks)
    else:
        found[mark, exam, pupil] = intervals.spearman_interval(marks[mark], guess, groups=groups)
figure, axes = plt.subplots(1, 2, figsize=(10, 2.6), sharex=True, sharey=True, layout="constrained")
for (mark, exam, pupil), each in found.items():
    axis, kind = axes[list(marks).index(mark)], list(exams).index(exam)
    axis.errorbar(
        each.estimate,
        list(pupils).index(pupil) + 0.2 * kind - 0.1,
        xerr=[[each.estimate - each.low], [each.high - each.estimate]],
        fmt="oD"[kind],
        color=plots.PALETTE[kind],
        capsize=4,
        label=exam if (mark, pupil) == ("dice", "ridge") else None,
    )
for axis, mark in zip(axes, marks, strict=True):
    axis.axvline(0, linestyle="--", color="black")
    axis.set(xlabel="rank correlation", title=mark.capitalize(), yticks=range(len(pupils)), yticklabels=pupils)
axes[0].set(ylim=(1.4, -0.4))
axis = figure.legend(loc="outside right center", title="exam of", fontsize=9)

# %% tags=["core", "folded"]
duels = intervals.simultaneous(
    intervals.spearman_interval,
    {
        exam: (
            marks["people's scores"],
            guesses["people's scores", exam, "nearest neighbour"],
            guesses["people's scores", exam, "ridge"],
        )
        for exam in exams
    },
    groups=groups,
)
say.sentence(
    "On **dice**, the mean of twenty throws:\n"
    + "\n".join(
        f"- {exam}: " + ", ".join(f"{pupil} **{found['dice', exam, pupil]}**" for pupil in pupils) for exam in exams
    )
    + "\n\nWhoever recognises an editorial by its other sentences needs to know nothing else. "
    + (
        "(Ridge falls a little below zero, which is no discovery: it guesses about the mean of the other folds, and that is low just where its own fold is high.) "
        if found["dice", "whole editorials", "ridge"].sign < 0
        else ""
    )
    + "On people's scores:\n"
    + "\n".join(
        f"- {exam}: {say.comparison('nearest neighbour', 'ridge', duel, 'rank correlation')}"
        for exam, duel in duels.items()
    )
    + "\n\n"
    + say.choose(
        float(duels["random sentences"].sign > 0 > duels["whole editorials"].sign),
        (1, "The random exam does not only flatter. **It crowns the wrong pupil.**"),
        otherwise="Here the two exams do not contradict each other clearly.",
    )
)

# %% [markdown] tags=["core"]
# Rows that belong together stood on both sides: a **leak**. Does it matter where people scored each sentence for itself? Our reviews:

# %% tags=["core", "folded"]
reviews = load_reviews()
of_reviews, which = embedder.encode(reviews["text"]).astype(float), reviews["review"].to_numpy()
sat = [
    held_out(RidgeCV(ALPHAS), of_reviews, reviews["score"].to_numpy(), list(folds))
    for folds in (
        KFold(5, shuffle=True, random_state=SEED).split(of_reviews),
        GroupKFold(5, shuffle=True, random_state=SEED).split(of_reviews, groups=which),
    )
]
flattery = intervals.spearman_interval(reviews["score"], sat[0], minus=sat[1], groups=which)
say.sentence(
    say.comparison("the random exam", "the exam of whole reviews", flattery, "rank correlation of ridge")
    + " How large a leak is depends on what is asked, and nobody knows it beforehand."
)

# %% [markdown] tags=["core"]
# ### Exercise 2: spot the leak
#
# Write a function that takes the groups of all rows (an array of numbers or of words) and the positions of the training and the test
# rows, and returns the **sorted list of groups that stand on both sides**. A split without a leak gives an empty list.


# %% tags=["core", "exercise", "q2"]
def leaking_groups(groups, train, test):
    ### BEGIN SOLUTION
    groups = np.asarray(groups)
    return sorted(set(groups[train].tolist()) & set(groups[test].tolist()))
    ### END SOLUTION


# %% tags=["core"]
q2.check(leaking_groups)
# q2.hint()
# q2.solution()

# %% tags=["core", "folded"]
if q2.check(leaking_groups).outcome == "correct":
    yours = [(exam, list(leaking_groups(groups, *folds[0]))) for exam, folds in exams.items()]
    told = ", ".join(f"{exam}: **{len(leaks)} editorials on both sides**" for exam, leaks in yours)
else:
    told = "this cell asks it about the two exams once exercise 2 is done."
say.sentence(f"Your function, and the first fold: {told}")

# %% [markdown] tags=["core"]
# So you hold out whole editorials, and all is well? Look *inside*. Ridge needs an alpha, and `RidgeCV` finds it by an exam of its
# own: it leaves out one **row** after the other, while the rest of the editorial stays. The same leak, one floor down. The
# course's `GroupRidge` leaves out one **group** after the other. The second set is three hundred sentences of our reviews,
# as they arrive when somebody collects everything twice.

# %% tags=["core"]
some = pd.concat([load_reviews().sample(300, random_state=SEED)] * 2)
sets = {
    "editorials": (vectors, marks["people's scores"], groups),
    "300 sentences, each twice": (
        embedder.encode(some["text"]).astype(float),
        some["score"].to_numpy(),
        some["review"].to_numpy(),
    ),
}

# %% tags=["core"]
rows, inner = [], {}
for name, (X, y, which) in sets.items():
    folds = list(GroupKFold(5, shuffle=True, random_state=SEED).split(X, groups=which))
    for inside, model, told in (("one row", RidgeCV(ALPHAS), None), ("one group", GroupRidge(), which)):
        inner[name, inside] = held_out(model, X, y, folds, told)
        rank = spearmanr(y, inner[name, inside]).statistic
        rows.append(
            {"data": name, "left out inside": inside, "alpha (last fold)": model.alpha_, "rank correlation": rank}
        )
say.table(pd.DataFrame(rows).set_index(["data", "left out inside"]))


# %% tags=["core", "folded"]
def gain(name, **options):
    """What leaving out groups inside brings."""
    _, y, which = sets[name]
    return intervals.spearman_interval(
        y, inner[name, "one group"], minus=inner[name, "one row"], groups=which, **options
    )


gains = intervals.simultaneous(gain, {name: (name,) for name in sets})
say.sentence(
    "In both columns whole groups were held out for the exam. Leaving out groups *inside* as well, against rows:\n"
    + "\n".join(
        f"- {name}: {say.comparison('one group', 'one row', each, 'rank correlation')}" for name, each in gains.items()
    )
    + "\n\nWho looks at copies or siblings while choosing trusts the examples too much, and holds back too little. "
    + say.choose(
        max(each.estimate for each in gains.values()),
        (
            0.05,
            "**With few examples that is section 2's disaster**: the smallest alpha looks best, because a copy gives each answer away.",
        ),
        otherwise="It costs little here. But nothing warns of it.",
    )
)

# %% [markdown] tags=["core", "workshop"]
# ## 4. A hundred examples
#
# Now the question of this lesson, where it can be measured: how much does the writer of a review like the product, as some twenty people read
# it? First: how good could anybody be? We split the people into two halves and compare their means, the **ceiling**: hardly more can
# be asked of anything. And we compare one person with the mean of the others, a mark on the way.

# %% tags=["core"]
reviews = load_reviews()
texts, scores, groups = reviews["text"].to_numpy(), reviews["score"].to_numpy(), reviews["review"].to_numpy()
people = np.random.default_rng(SEED).permuted(np.array(reviews["ratings"].tolist()), axis=1)  # the first is anybody
ceiling = spearmanr(people[:, ::2].mean(axis=1), people[:, 1::2].mean(axis=1)).statistic
one_person = spearmanr(people[:, 0], people[:, 1:].mean(axis=1)).statistic

# %% tags=["core", "folded"]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
axes[0].hist(scores, bins=32, color=plots.PALETTE[0])
axes[0].set(xlabel="mean score of a sentence", ylabel="sentences", title="The scores")
spread_out = np.random.default_rng(SEED).uniform(-0.2, 0.2, len(scores))
axes[1].scatter(people[:, 0] + spread_out, people[:, 1:].mean(axis=1), s=6, alpha=0.3, color=plots.PALETTE[4])
axis = axes[1].set(
    xlabel="one person's score (spread out a little)", ylabel="mean of the others", title="One and the others"
)

# %% tags=["core", "folded"]
say.sentence(
    f"Two halves agree with a rank correlation of **{ceiling:.2f}**, one person with the others with **{one_person:.2f}**. A third of the sentences "
    f"lie within {np.quantile(np.abs(scores), 1 / 3):.1f} points of zero; a good order has to tell those apart, too."
)

# %% [markdown] tags=["core"]
# We learn from ever more sentences, by **embeddings** and by counting words (**TF-IDF**), and predict other reviews: the reviews are
# cut into twelve parts, each predicted from the rest. A control gets its scores **shuffled**, and one learner the scores of a **single
# person** a sentence. Your bet: how many examples does ridge on words need to get as far as ridge on embeddings with a hundred?

# %% tags=["core"]
draw = np.random.default_rng(SEED)
parts = [
    (draw.permutation(train), test)
    for train, test in GroupKFold(12, shuffle=True, random_state=SEED).split(texts, groups=groups)
]
sizes = [n for n in (25, 50, 100, 200, 400, 800, 1600) if n < 0.8 * len(texts)]


def curve(model, X, y=scores, groups=None, sizes=sizes):
    """Rank correlation with n examples (a row each) on each of the twelve parts (a column each)."""
    table = pd.DataFrame(index=sizes, columns=range(12), dtype=float)
    for n in sizes:
        guess = held_out(model, X, y, [(mixed[:n], test) for mixed, test in parts], groups)
        table.loc[n] = [spearmanr(scores[test], guess[test]).statistic for _, test in parts]
    return table


# %% tags=["core"]
vectors = embedder.encode(texts).astype(float)
curves = {
    "ridge on embeddings": curve(GroupRidge(), vectors, groups=groups),
    "ridge on words": curve(tfidf, texts),
    "scores of one person": curve(GroupRidge(), vectors, people[:, 0], groups, sizes=[100]),
    "scores shuffled": curve(GroupRidge(), vectors, draw.permutation(scores), groups, sizes=[100]),
}


# %% tags=["core", "folded"]
def draw_curves(names):
    """Means over the parts with their intervals; the people as lines."""
    figure, axis = plt.subplots(figsize=(9, 4), layout="constrained")
    for name in names:
        found = [intervals.mean_interval(row) for row in curves[name].to_numpy()]
        middle, i = np.array([each.estimate for each in found]), list(curves).index(name)
        ends = middle - [each.low for each in found], [each.high for each in found] - middle
        place = np.maximum(curves[name].index, 12) * 1.04 ** (
            i - 2
        )  # 0 has no place on this scale, and stands at the left
        axis.errorbar(place, middle, yerr=ends, capsize=3, label=name, color=plots.PALETTE[i], marker="oDsvX^P"[i])
    axis.axhline(ceiling, linestyle=":", color="black", label="ceiling: half of the people")
    axis.axhline(one_person, linestyle="--", color="black", label="one person")
    axis.set_xscale("log")
    ticks = {12: "0"} if any(0 in curves[name].index for name in names) else {}
    ticks |= {n: f"{n:,}" for n in sizes}
    axis.set_xticks(list(ticks), labels=ticks.values())
    axis.minorticks_off()
    figure.legend(loc="outside right center", fontsize=9)
    axis.set(xlabel="scored examples", ylabel="rank correlation, other reviews", title="What more examples bring")


draw_curves(list(curves))

# %% tags=["core", "folded"]
mean = pd.DataFrame({name: values.mean(axis=1) for name, values in curves.items()})
goal, words = curves["ridge on embeddings"].loc[100], curves["ridge on words"]
ahead = intervals.difference_interval(goal, words.loc[100])
against = intervals.simultaneous(intervals.difference_interval, {n: (words.loc[n], goal) for n in sizes[3:]})
behind, past = ([n for n, each in against.items() if each.sign == sign] for sign in (-1, 1))
level = words.index[words.mean(axis=1) >= goal.mean()]  # fixed: a crossing, named with both its ends
between = (
    f"**between {sizes[sizes.index(level[0]) - 1]:,} and {level[0]:,}**"
    if len(level)
    else f"**more than {sizes[-1]:,}**"
)
say.sentence(
    f"With **a hundred** examples, ridge on embeddings reaches **{goal.mean():.2f}**, on words {words.loc[100].mean():.2f}. "
    + say.comparison("ridge on embeddings", "ridge on words", ahead, "rank correlation")
    + f" How many do words need to get that far? On average {between}; sure is that {'with ' + format(behind[-1], ',') if behind else 'with a hundred'} they are still behind"
    + (f", and with {past[0]:,} past it. " if past else ". ")
    + f"Learned from one person's scores, embeddings reach {mean.loc[100, 'scores of one person']:.2f}, from shuffled ones {mean.loc[100, 'scores shuffled']:.2f}."
)

# %% [markdown] tags=["core"]
# The curve flattens out below the people. Would *more* examples get us there? That can be worked out.
#
# ### Exercise 3: more data, or the ceiling?
#
# Call what is missing to the ceiling the **gap**. The logarithm of the gap, drawn over the logarithm of the number of examples, often lies near a
# straight line. Write a function of the `sizes` (an array, in any order), the `values` reached with them (an array, all below
# `ceiling`), the `ceiling` and a `goal`. It draws the line through **all** points by least squares (`np.log`, and `np.polyfit(x, y, 1)`, which gives the line's
# slope and its height at 0) and returns the number of examples, not rounded, at which the line reaches the goal's gap, also for
# a goal that was reached already. If the gap grows, or the goal is the ceiling or beyond, it returns `np.inf`.


# %% tags=["core", "exercise", "q3"]
def examples_needed(sizes, values, ceiling, goal):
    ### BEGIN SOLUTION
    slope, start = np.polyfit(np.log(sizes), np.log(ceiling - values), 1)
    if slope >= 0 or goal >= ceiling:
        return np.inf
    return np.exp((np.log(ceiling - goal) - start) / slope)
    ### END SOLUTION


# %% tags=["core"]
q3.check(examples_needed)
# q3.hint()
# q3.solution()

# %% [markdown] tags=["core"]
# Is such a line worth anything? We draw one through all sizes but the two largest, say what those should bring, and look. Then we
# ask for one person.


# %% tags=["core", "folded"]
def line_through(values):
    """The line through the logarithms of the gaps, and where it reaches one person."""
    line = linregress(np.log(values.index), np.log(np.maximum(ceiling - values, 1e-3)))
    at = np.log(max(ceiling - one_person, 1e-3))
    return line, np.exp((at - line.intercept) / line.slope) if line.slope < 0 else np.inf


by_part = curves["ridge on embeddings"]
early, _ = line_through(by_part.iloc[:-2].mean(axis=1))
forecasts = {n: ceiling - np.exp(early.intercept + early.slope * np.log(n)) for n in by_part.index[-2:]}
came = {n: intervals.mean_interval(by_part.loc[n]) for n in forecasts}
drawn_anew = [line_through(by_part.iloc[:, draw.integers(12, size=12)].mean(axis=1))[1] for _ in range(200)]
hopeful = np.quantile(drawn_anew, 0.025)
about = f"{float(f'{hopeful:.0e}'):,.0f}" if hopeful < 1e12 else "a million million"
is_ready = q3.check(examples_needed).outcome == "correct"
yours = examples_needed(np.array(sizes), by_part.mean(axis=1).to_numpy(), ceiling, one_person) if is_ready else None
say.sentence(
    "\n".join(f"- with {n:,} examples: forecast {forecasts[n]:.2f}, and it was **{each}**" for n, each in came.items())
    + "\n\n"
    + (
        "The line promised too much: the gap to the *people's* ceiling does not go on shrinking as fast. Ridge on these vectors has a lower ceiling of its own. "
        if all(each.high < forecasts[n] for n, each in came.items())
        else ""
    )
    + f"And how many would it take to reach one person ({one_person:.2f})? The line through all points, with the twelve parts drawn anew two hundred times, hardly ever asks "
    f"(and it promises too much) for fewer than **{about}** scored sentences: "
    + say.choose(hopeful, (1e5, "**for this learner more scores are not the way.**"), otherwise="**score on.**")
    + (f" (Your function, asked about the whole curve: about {float(format(yours, '.1e')):,.0f}.)" if is_ready else "")
)

# %% [markdown] tags=["core"]
# So change something else. **Others have scored before you.** The course has tweets that people scored for mood. Ridge learns two thousand of their
# scores, and what it would say of our sentences becomes one more column beside the vector. We do so with the model of lesson 3, which
# was taught with thousands of such scores, of tweets and of film sentences, and can be **asked**: not asked (its vectors are then those of
# all-MiniLM-L6-v2), asked how much the writer likes the product and, as a control, for the topic. It has not seen a product review. We begin with *none* of your
# scores, tweets alone. Your bet: what will a hundred of yours add?

# %% tags=["core"]
tweets = load_corpus("tweets", n=2000, seed=SEED)
asked = load_embedder("course-instruct")
questions = {
    "with others' scores": None,  # not asked
    "asked how it is liked": "Judge how much the writer likes the product",
    "asked for the topic": "Identify the topic of the text",
}

# %% tags=["core"]
for name, question in questions.items():
    of_tweets, X = (asked.encode(some, instruction=question).astype(float) for some in (tweets["text"], texts))
    none = GroupRidge().fit(of_tweets, tweets["score"].to_numpy()).predict(X)  # none of your scores
    X = np.hstack([X, zscore(none)[:, None]])  # a wide column, which ridge hardly holds back
    curves[name] = curve(GroupRidge(), X, groups=groups)
    curves[name].loc[0] = [spearmanr(scores[test], none[test]).statistic for _, test in parts]
    curves[name] = curves[name].sort_index()

# %% tags=["core", "folded"]
draw_curves(["ridge on embeddings", "ridge on words", *questions])

# %% tags=["core", "folded"]
names = ("ridge on embeddings", "asked how it is liked", "with others' scores", "asked for the topic")
plain, right, others, topic = (curves[name] for name in names)
pairs = {
    ("asked, none of yours", "a hundred of yours alone"): (right.loc[0], plain.loc[100]),
    ("asked, none of yours", "not asked, none of yours"): (right.loc[0], others.loc[0]),
    ("asked, a hundred of yours", "asked, none of yours"): (right.loc[100], right.loc[0]),
    ("asked for the topic, none of yours", "not asked, none of yours"): (topic.loc[0], others.loc[0]),
}
against = intervals.simultaneous(intervals.difference_interval, pairs)
say.sentence(
    f"**None of your scores**, only tweets: {others.loc[0].mean():.2f}; with the question **{right.loc[0].mean():.2f}**. A hundred of yours without others' help: {plain.loc[100].mean():.2f}.\n"
    + "\n".join(f"- {say.comparison(*pair, each, 'rank correlation')}" for pair, each in against.items())
    + "\n\nWhether praise is praise, most people agree, and others have scored it already. Your own hundred are for what only you can say: which Saturday you like."
)

# %% [markdown] tags=["core"]
# ## 5. Where it is wrong, and how sure
#
# An average hides the mistakes. Here are predictions without a question, for reviews that were held out, beside what people said. On
# the diagonal they would be equal.

# %% tags=["core"]
reviews = load_reviews()
train, held = next(GroupShuffleSplit(1, test_size=0.2, random_state=SEED).split(reviews, groups=reviews["review"]))
learned_from, asked_for = reviews.iloc[train], reviews.iloc[held]
learner = EmbeddingValueLearner(embedder).fit(
    learned_from["text"], learned_from["score"], groups=learned_from["review"]
)
guess, limits = learner.predict(asked_for["text"], return_interval=True, confidence=0.9)

# %% tags=["core", "folded"]
inside = (limits[:, 0] <= asked_for["score"]) & (asked_for["score"] <= limits[:, 1])
figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
for part, color, marker, name in (
    (inside, plots.PALETTE[0], "o", "inside its interval"),
    (~inside, plots.PALETTE[1], "D", "outside"),
):
    axis.scatter(guess[part], asked_for["score"][part], s=12, alpha=0.5, color=color, marker=marker, label=name)
axis.plot([-4, 4], [-4, 4], linestyle="--", color="black", label="equal")
for side, label in ((-1, None), (1, "limits of the intervals")):
    axis.plot([-4, 4], np.array([-4, 4]) + side * np.ptp(limits[0]) / 2, linestyle=":", color="black", label=label)
axis.legend(fontsize=8)
axis.set(xlim=(-4.2, 4.2), ylim=(-4.2, 4.2))
axis = axis.set(xlabel="predicted score", ylabel="mean score of the people", title="Predicted, and what people said")

# %% tags=["core", "folded"]
off = np.abs(asked_for["score"] - guess)
say.sentence(
    f"Half of the predictions are off by less than **{off.median():.2f}** points, one in ten by more than **{off.quantile(0.9):.2f}**. They spread "
    f"{guess.std() / asked_for['score'].std():.0%} as wide as the scores: who is unsure stays near the mean. For nine in ten, the learner says, the score lies within "
    f"±{np.ptp(limits[0]) / 2:.1f} points: it was so for {inside.mean():.0%} of these. (A single split may lie above the promise or below it; section 8 counts over five.)"
)

# %% [markdown] tags=["core"]
# The worst mistakes, read aloud, teach more than any average. Look for irony, for *not*, for words that praise one device and
# blame another.

# %% tags=["core", "external-text"]
worst = asked_for.assign(predicted=guess).iloc[np.argsort(-off.to_numpy(), kind="stable")[:6]]
say.table(worst[["text", "score", "predicted"]])  # fixed: the worst by what they are

# %% [markdown] tags=["core"]
# The **interval** comes from errors on texts that were left out, and there the leak lurks again. Take 25 reviews only and ask for
# nine in ten: once the learner is told which sentences belong together, once not. What share of the sentences of all *other*
# reviews lies inside, and what share if each review counts the same?

# %% tags=["core", "folded"]
n_parts, rows = max(2, reviews["review"].nunique() // 25), []
for _, part in GroupKFold(n_parts, shuffle=True, random_state=SEED).split(reviews, groups=reviews["review"]):
    few, others = reviews.iloc[part], reviews.drop(part)
    for told in ("told", "not told"):
        learner = EmbeddingValueLearner(embedder).fit(
            few["text"], few["score"], few["review"] if told == "told" else None
        )
        _, limits = learner.predict(others["text"], return_interval=True, confidence=0.9)
        inside = (limits[:, 0] <= others["score"]) & (others["score"] <= limits[:, 1])
        rows.append(
            {
                "told": told,
                "of sentences": inside.mean(),
                "by review": inside.groupby(others["review"]).mean().mean(),
                "width": np.diff(limits[0])[0],
            }
        )

# %% tags=["core", "folded"]
kept = pd.DataFrame(rows).set_index("told")
keys = [(told, unit) for told in ("told", "not told") for unit in ("of sentences", "by review")]
promise = intervals.simultaneous(
    intervals.difference_interval, {key: (kept.loc[key].to_numpy(), np.full(n_parts, 0.9)) for key in keys}
)
verdicts = {1: "more than promised", 0: "cannot be told apart from the promise", -1: "**less than promised**"}
say.sentence(
    "Promised: 90 %.\n"
    + "\n".join(
        f"- {told} (width {kept.loc[told, 'width'].mean():.1f} points), {unit}: **{kept.loc[(told, unit)].mean():.1%}**, {verdicts[promise[told, unit].sign]}"
        for told, unit in keys
    )
    + f"\n\nFew groups make it wide: of 25 errors, one a group, the one that nine in ten asks for is number 24, and that promises {24 / 26:.0%}. "
    "(The sets of other reviews overlap, so that these intervals are a little too short.)"
)

# %% [markdown] tags=["core"]
# Last, **your own finder** of lesson 1. Should taste have a say in a search? To how near a notice is we add how much the person of section 1 would
# like it: once with the same weight, once with double. Say first what becomes of the questions.

# %% tags=["core", "folded"]
ideas, board, found = load_corpus("saturdays").head(20), finder.load(), {}
taste = EmbeddingValueLearner(embedder, ridge_alpha=1).fit(ideas["text"], ideas["score"])
asking, notices = embedder.encode_query(board.questions["question"]), embedder.encode_document(board.notices)
liked = zscore(taste.predict(board.notices))[:, None] * (asking @ notices.T).std()  # spread as wide as the cosines
for name, weight in ((MODEL, 0), (f"{MODEL}, taste", 1), (f"{MODEL}, taste twice", 2)):
    query_vectors = np.hstack([asking, np.full((len(asking), 1), weight)])
    found[name] = board.score(name, query_vectors, np.hstack([notices, liked]))
say.table(board.scoreboard())

# %% tags=["core", "folded"]
without, *with_taste = found
losses = intervals.simultaneous(
    intervals.difference_interval, {name: (found[name], found[without]) for name in with_taste}
)
first = ((asking @ notices.T) + liked.T).argmax(axis=1)
gone = np.flatnonzero((found[without] == 1) & (first != board.questions["answer"]))[:2]
say.sentence(
    " ".join(say.comparison(name, without, each, "share of questions found") for name, each in losses.items())
    + "".join(f"\n- “{board.questions['question'][i]}” now finds: *{board.notices[first[i]]}*" for i in gone)
    + "\n\nTaste answers another question than the one that was asked."
)

# %% [markdown] tags=["core"]
# ## Recap
#
# - **Can we?** How much a writer likes a product, as people read it: a hundred scores order other reviews far from chance, where counting words needs many
#   more; and what most people agree on, others may have scored already. What only *you* like: an order worth trying, tested here on sixteen ideas.
# - With as many weights as examples, only a fine (**alpha**) keeps the weights from going wild.
# - **A random split is no fair exam** where rows belong together: it may find something in dice, and crown the wrong model. Hold out whole
#   groups, inside as well, where alpha and intervals are made.
# - The **learning curve** and the people's **ceiling** say whether to score more or to change something else.
# - An **interval** promises something about new groups; check it on some, and read the worst mistakes.

# %% [markdown] tags=["deep"]
# ## 6. Ranking
#
# Often nobody needs the score, only the order: what to read first. Three measures of an order. **Spearman** correlates the
# ranks. **Kendall** is the share of pairs in the right order minus the share in the wrong one. **nDCG@10** looks at
# the first ten only, because nobody reads further: it adds up their scores, the first places counting most, and divides by the
# best sum possible, so that 1 is perfect. What does an order drawn by lot get? That is the **floor**. We take it over many draws.

# %% tags=["deep"]
reviews = load_reviews()
vectors, scores = embedder.encode(reviews["text"]).astype(float), reviews["score"].to_numpy()
groups, texts = reviews["review"].to_numpy(), reviews["text"].to_numpy()
parts = list(GroupKFold(12, shuffle=True, random_state=SEED).split(texts, groups=groups))
people = np.random.default_rng(SEED).permuted(np.array(reviews["ratings"].tolist()), axis=1)
others = people[:, 1:].mean(axis=1)
guesses = {
    "ridge on embeddings": held_out(GroupRidge(), vectors, scores, parts, groups),
    "ridge on words": held_out(tfidf, texts, scores, parts),
    "one person": people[:, 0].astype(float),
}

# %% tags=["deep"]
measures = {
    "Spearman": lambda y, guess: spearmanr(y, guess).statistic,
    "Kendall": lambda y, guess: kendalltau(y, guess).statistic,
    "nDCG@10": lambda y, guess: ndcg_score(y[None] + 4, guess[None], k=10),  # gains must not be negative: 0 to 8
}
lots, values = np.random.default_rng(SEED), {}
for name, measure in measures.items():
    for who, guess in guesses.items():
        y = others if who == "one person" else scores  # nobody is held against an answer that holds the own one
        values[who, name] = [measure(y[test], guess[test]) for _, test in parts]
    drawn = [[measure(scores[test], lots.normal(size=len(test))) for _ in range(50)] for _, test in parts]
    values["by lot", name] = np.mean(drawn, axis=1)
    values["by lot, best of 50", name] = np.max(drawn, axis=1)

# %% tags=["deep"]
shown = {key: intervals.mean_interval(each) for key, each in values.items()}
rows = {key: f"{each.estimate:.2f} ({each.low:.2f} to {each.high:.2f})" for key, each in shown.items()}
say.table(pd.Series(rows).unstack()[list(measures)])

# %% tags=["deep", "folded"]
ahead = intervals.simultaneous(
    intervals.difference_interval,
    {
        (first, second, name): (values[first, name], values[second, name])
        for name in measures
        for first, second in (("ridge on embeddings", "ridge on words"), ("one person", "ridge on embeddings"))
    },
)
say.sentence(
    "Each number is the mean over twelve parts of the reviews, with its 95 % interval. An order by lot has next to nothing of the first two, but an "
    f"nDCG@10 of {shown['by lot', 'nDCG@10'].estimate:.2f}, and with luck {shown['by lot, best of 50', 'nDCG@10'].estimate:.2f}, because careless picks have *some* worth, too: "
    f"nDCG says nothing without its floor. It sees only ten places of the {len(parts[0][1])} or so in a part:\n"
    + "\n".join(f"- {say.comparison(first, second, each, name)}" for (first, second, name), each in ahead.items())
)

# %% [markdown] tags=["deep"]
# The same predictions rank whole **reviews**, by the mean over their sentences. Errors of single sentences cancel there; people's would
# cancel too, so do not hold that number against one person's on sentences.

# %% tags=["deep", "folded"]
whole = (
    pd.DataFrame({"score": scores, "guess": guesses["ridge on embeddings"], "review": groups}).groupby("review").mean()
)
sentences = intervals.spearman_interval(scores, guesses["ridge on embeddings"], groups=groups)
say.sentence(
    f"Rank correlation of single sentences **{sentences}**, of the {len(whole)} reviews **{intervals.spearman_interval(whole['score'], whole['guess'])}**."
)

# %% [markdown] tags=["deep"]
# ## 7. Leave-one-out without learning again
#
# Hold out one example, learn from all others, predict the one; repeat for each example. That is the most thorough
# test of an alpha, and seems to need as many trainings as there are examples. For ridge it needs **one**. Let
# $H = X (X^\top X + \alpha I)^{-1} X^\top$ be the matrix that turns scores into predictions, $\hat y = H y$. Then the error
# on example $i$ when it is left out is
#
# $$e_i = \frac{y_i - \hat y_i}{1 - H_{ii}}$$
#
# The more an example pulls its own prediction towards itself (large $H_{ii}$), the more its error grows when it is
# gone. Do not believe it: compare with learning anew for each example. (For groups the same holds with a block of $H$ in place of the
# one number; that is what `GroupRidge` computes.)

# %% tags=["deep"]
ideas = load_corpus("saturdays")
X, y = embedder.encode(ideas["text"]).astype(float), ideas["score"].to_numpy() - ideas["score"].mean()
alpha = 0.5
H = X @ np.linalg.inv(X.T @ X + alpha * np.eye(X.shape[1])) @ X.T
closed = (y - H @ y) / (1 - np.diag(H))

everything = np.arange(len(y))
again = [
    y[i] - Ridge(alpha=alpha, fit_intercept=False).fit(X[everything != i], y[everything != i]).predict(X[[i]])[0]
    for i in everything
]
say.sentence(f"Largest difference between the formula and {len(y)} trainings: **{np.abs(closed - again).max():.1e}**.")

# %% [markdown] tags=["deep"]
# ### Exercise 4: pick alpha
#
# Write a function that takes `X`, `y` and a list of alphas and returns the alpha with the smallest **mean squared
# leave-one-out error**, by the formula. Use `X` and `y` as they are, without an intercept.


# %% tags=["deep", "exercise", "q4"]
def pick_alpha(X, y, alphas):
    ### BEGIN SOLUTION
    errors = []
    for alpha in alphas:
        H = X @ np.linalg.inv(X.T @ X + alpha * np.eye(X.shape[1])) @ X.T
        errors.append(np.mean(((y - H @ y) / (1 - np.diag(H))) ** 2))
    return alphas[int(np.argmin(errors))]
    ### END SOLUTION


# %% tags=["deep"]
q4.check(pick_alpha)
# q4.hint()
# q4.solution()

# %% [markdown] tags=["deep"]
# ## 8. Intervals that keep their promise
#
# The errors on texts left out are just what an interval needs: they say how far the model is off on what it did not learn from. For a
# **confidence** of nine in ten, take a width that nearly nine in ten of these errors stay within, a bit more because the
# errors are few: of $n$ errors, sorted by size, the one at position $\lceil (n + 1) \cdot \text{confidence} \rceil$.
#
# What such an interval promises, it promises for new texts like those learned from. If texts belong together, new ones come from
# a new group, and the errors have to do so as well: then the learner leaves out one **group** after the other, each group counts
# once, and $n$ is the number of groups.
#
# ### Exercise 5: an interval with the right coverage
#
# Write a function that takes the leave-one-out errors (with their signs) and a confidence and returns that half width.
# If the position lies beyond the last error, there are too few: return `np.inf`.


# %% tags=["deep", "exercise", "q5"]
def half_width(errors, confidence):
    ### BEGIN SOLUTION
    sizes = np.sort(np.abs(errors))
    position = int(np.ceil((len(sizes) + 1) * confidence))
    return sizes[position - 1] if position <= len(sizes) else np.inf
    ### END SOLUTION


# %% tags=["deep"]
q5.check(half_width)
# q5.hint()
# q5.solution()

# %% [markdown] tags=["deep"]
# A promise is there to be checked: on reviews held out, for four confidences, in five splits, each review counting the same.

# %% tags=["deep"]
reviews = load_reviews()
rows, asked = [], []
for seed in range(5):
    split = GroupShuffleSplit(1, test_size=0.3, random_state=seed).split(reviews, groups=reviews["review"])
    train, held = (reviews.iloc[rows_of] for rows_of in next(split))
    learner = EmbeddingValueLearner(embedder).fit(train["text"], train["score"], groups=train["review"])
    for confidence in (0.5, 0.8, 0.9, 0.95):
        guess, limits = learner.predict(held["text"], return_interval=True, confidence=confidence)
        inside = (limits[:, 0] <= held["score"]) & (held["score"] <= limits[:, 1])
        by_review = inside.groupby(held["review"]).mean()
        rows.append({"promised": confidence, "kept": by_review.mean(), "width": np.diff(limits[0])[0]})
        if confidence == 0.9:
            asked.append(held.assign(guess=guess, inside=inside))
coverage = pd.DataFrame(rows).groupby("promised").mean()
say.table(coverage)

# %% [markdown] tags=["deep"]
# That is an average. All intervals are equally wide, so they hold more of some *kinds* of text than of others. Only a kind that can be
# told **beforehand** helps: strong or middling *predictions*, sentences with or without a *no* or *not*. (Picking texts by what people *said* is a
# trap: any model, even one that guesses, is off the most where the score is extreme.)

# %% tags=["deep"]
asked = pd.concat(asked)
kinds = {
    "predictions beyond ±1": np.abs(asked["guess"]) > 1,
    "sentences with a no or not": asked["text"].str.contains(r"\b(?:no|not|never|cannot)\b|n't\b"),
}


# %% tags=["deep", "folded"]
def against_others(kind, **options):
    """How much more often texts of a kind lie inside their interval."""
    review = asked["review"].to_numpy()
    return intervals.difference_interval(
        asked["inside"][kind].to_numpy(float),
        asked["inside"][~kind].to_numpy(float),
        paired=False,
        groups=np.concatenate([review[kind], review[~kind]]),
        **options,
    )


found = intervals.simultaneous(against_others, {name: (kind,) for name, kind in kinds.items()})
inside = {
    name: intervals.mean_interval(asked["inside"][kind].to_numpy(float), groups=asked["review"][kind])
    for name, kind in kinds.items()
}
say.sentence(
    "\n".join(
        f"- {name}: **{each}** of the sentences inside, "
        + say.choose(
            int(each.low > 0.9) - int(each.high < 0.9),
            (1, "more than promised. "),
            (0, "which may be what was promised. "),
            otherwise="**less than promised.** ",
        )
        + say.comparison(name, "the others", found[name], "share inside")
        for name, each in inside.items()
    )
)

# %% [markdown] tags=["deep"]
# ## 9. Why did it say that?
#
# It is tempting to read the weights: which dimension matters most? Here is a trap. **Rotate** the whole space: every
# vector gets new numbers, all distances and angles stay, and so do all predictions of ridge.

# %% tags=["deep"]
reviews = load_reviews()
learner = EmbeddingValueLearner(embedder).fit(reviews["text"], reviews["score"], groups=reviews["review"])
vectors = embedder.encode(reviews["text"]).astype(float)
rotation = np.linalg.qr(np.random.default_rng(SEED).normal(size=(vectors.shape[1],) * 2))[0]
turned = Ridge(alpha=learner.alpha_).fit(vectors @ rotation, reviews["score"])

# %% tags=["deep"]
before = learner.feature_importance(10)["dimension"].tolist()  # fixed: shown to be no order at all
after = np.argsort(-np.abs(turned.coef_))[:10].tolist()  # fixed: shown to be no order at all
change = np.abs(turned.predict(vectors @ rotation) - learner.predict(reviews["text"])).max()
say.sentence(
    f"The ten “most important” dimensions before: {before}; after: {after}; in common: {len(set(before) & set(after))}. Largest "
    f"change of a prediction: **{change:.1e}**. A property that comes and goes with the choice of axes is none of the text's."
)

# %% [markdown] tags=["deep"]
# What can be asked instead: which **words** move the score of a text, and which **training examples**? Both are found by leaving out and
# looking again. One sentence where that works, and one where it does not:

# %% tags=["deep"]
reasons = {
    text: learner.explain(text, k=12)
    for text in ("i love this camera", "the screen is bright but the battery is a disappointment")
}
words = [each.words.assign(text=text, score=each.score) for text, each in reasons.items()]
say.table(pd.concat(words, ignore_index=True)[["text", "score", "word", "effect"]])

# %% tags=["deep", "external-text"]
say.table(reasons["i love this camera"].examples.head(5))

# %% [markdown] tags=["deep"]
# A positive effect means that the score would be *lower* without the word, in *this* text. Effects do not add up, since
# words work together. Look for a control in the table: do *the*, *but* or *a* move the score as much as the words that
# you would have named, and does *disappointment* lower it at all? If not, this is how the vector reacts to a missing
# word, and no reason. How often do words that people find good or bad on their own move the score to their side?

# %% tags=["deep"]
mood = load_corpus("mood_words").set_index("word")["score"]
train, held = next(GroupShuffleSplit(1, test_size=0.2, random_state=SEED).split(reviews, groups=reviews["review"]))
learner = EmbeddingValueLearner(embedder).fit(*(reviews.iloc[train][name] for name in ("text", "score", "review")))
asked = reviews.iloc[held].sample(min(150, len(held)), random_state=SEED)
effects = pd.concat(
    [
        learner.explain(text, k=200).words.assign(review=review)
        for text, review in zip(asked["text"], asked["review"], strict=True)
    ]
)
effects["word"] = effects["word"].str.strip(".,!?").str.lower()
scored = effects[effects["word"].isin(mood.index)]
people_say = scored["word"].map(mood).to_numpy()
as_people = (np.sign(scored["effect"]) == np.sign(people_say)).to_numpy()

# %% tags=["deep", "folded"]
deal = np.random.default_rng(SEED)
dealt = [np.mean(np.sign(scored["effect"]) == np.sign(deal.permutation(people_say))) for _ in range(1000)]
plain = effects["word"].isin(ENGLISH_STOP_WORDS) | (effects["word"].str.len() < 3)  # the, and, it: compared with none
others = effects[~effects["word"].isin(mood.index) & ~plain]
size = intervals.difference_interval(
    np.abs(scored["effect"]),
    np.abs(others["effect"]),
    paired=False,
    groups=np.concatenate([scored["review"], others["review"]]),
)
as_often = np.mean(np.array(dealt) >= as_people.mean())
sides = {
    words: intervals.mean_interval(as_people[side], groups=scored["review"][side])
    for words, side in (("good words", people_say > 0), ("bad words", people_say < 0))
    if side.any()
}
say.sentence(
    f"Of {len(scored)} words that ten people scored for mood, in {len(asked)} sentences held out, to their own side: **{as_people.mean():.2f}**. "
    f"Most of these words are good ones, so one half is no floor: with their moods dealt out anew among them it is {np.mean(dealt):.2f}, and as often as that in {round(1000 * as_often)} of a thousand deals. "
    + "One by one: "
    + ", ".join(f"{words} **{each}**" for words, each in sides.items())
    + ". "
    + say.comparison("a word with a mood", "another word of some weight", size, "size of the effect (score points)")
)

# %% [markdown] tags=["deep"]
# ## 10. One example at a time
#
# New scores trickle in. Learning everything anew each time works, and wastes effort that grows with all that was seen.
# Ridge can be updated **exactly**: an example changes $X^\top X$ by one product $x x^\top$, and the inverse of such a matrix
# can be corrected without inverting again (Sherman and Morrison, 1950). `partial_fit` does that.

# %% tags=["deep"]
reviews = load_reviews()
held_reviews = set(reviews["review"].drop_duplicates().sample(frac=0.5, random_state=SEED))
rest = reviews[reviews["review"].isin(held_reviews)]
both = reviews.drop(rest.index)
both = both.sample(min(250, len(both)), random_state=SEED)
first, later = both.iloc[:50], both.iloc[50:]
online = EmbeddingValueLearner(embedder, ridge_alpha=1).fit(first["text"], first["score"], first["review"])
course = [spearmanr(rest["score"], online.predict(rest["text"])).statistic]
for start in range(0, len(later), 40):
    some = later.iloc[start : start + 40]
    online.partial_fit(some["text"], some["score"], some["review"])
    course.append(spearmanr(rest["score"], online.predict(rest["text"])).statistic)

# %% tags=["deep"]
batch = EmbeddingValueLearner(embedder, ridge_alpha=1).fit(both["text"], both["score"], both["review"])
largest = np.abs(batch.predict(rest["text"]) - online.predict(rest["text"])).max()
say.sentence(
    f"Rank correlation on other reviews after every forty examples: {', '.join(f'{value:.2f}' for value in course)}. The final model "
    f"and one trained on all {online.n_samples_} at once differ by at most **{largest:.1e}**. The intervals are "
    f"{'out of date until the next train()' if online.intervals_stale_ else 'up to date'}."
)

# %% [markdown] tags=["deep"]
# ## 11. Several models together
#
# Models that err in different ways can be averaged. Which members help? Look at each alone before you praise the choir. The
# **spread** of their predictions is often sold as a measure of doubt: if it is one, errors are larger where the members disagree.

# %% tags=["deep"]
reviews = load_reviews()
split = GroupShuffleSplit(1, test_size=0.3, random_state=SEED).split(reviews, groups=reviews["review"])
train, held = (reviews.iloc[rows] for rows in next(split))
members = {
    "ridge on embeddings": EmbeddingValueLearner(embedder),
    "ridge on words": tfidf,
    "15 neighbours": make_pipeline(TextEmbedder(embedder), KNeighborsRegressor(15)),
}
for name, member in members.items():
    member.fit(train["text"], train["score"], **({"groups": train["review"]} if name == "ridge on embeddings" else {}))

# %% tags=["deep"]
mean, spread = predict_ensemble(list(members.values()), held["text"])
pair = [members[name] for name in ("ridge on embeddings", "ridge on words")]
guesses = {name: np.asarray(member.predict(held["text"])) for name, member in members.items()}
guesses |= {"all three": mean, "the two ridges": predict_ensemble(pair, held["text"])[0]}

# %% tags=["deep", "folded"]
ranks = {
    name: intervals.spearman_interval(held["score"], guess, groups=held["review"]) for name, guess in guesses.items()
}
rivals = [name for name in guesses if name != "the two ridges"]
gains = intervals.simultaneous(
    intervals.spearman_interval,
    {name: (held["score"], guesses["the two ridges"], guesses[name]) for name in rivals},
    groups=held["review"],
)
error = np.abs(held["score"] - mean)
signs = {
    "the spread": spread,
    "how near zero the mean prediction is": -np.abs(mean),
    "the length": held["text"].str.len(),
}
doubts = intervals.simultaneous(
    intervals.spearman_interval, {name: (error, sign) for name, sign in signs.items()}, groups=held["review"]
)
say.sentence(
    "\n".join(f"- {name}: rank correlation {each}" for name, each in ranks.items())
    + "\n\n"
    + " ".join(say.comparison("the two ridges", name, gain, "rank correlation") for name, gain in gains.items())
    + "\n\nRank correlation with the size of the error, of the spread and of two rivals that need no choir:\n"
    + "\n".join(f"- {name}: {each}" for name, each in doubts.items())
)

# %% [markdown] tags=["deep"]
# ## 12. Three uses: complaints, quality, a search
#
# **Customer reviews.** Somebody answers for the product, and can read thirty sentences of a fifth of the reviews. Which thirty? Those with the lowest predicted
# score, by a learner that was given 100 scored sentences of other reviews. A *complaint* is what people scored below −1.

# %% tags=["deep"]
reviews = load_reviews()
vectors, texts = embedder.encode(reviews["text"]).astype(float), reviews["text"].to_numpy()
scores, groups = reviews["score"].to_numpy(), reviews["review"].to_numpy()
folds = list(GroupKFold(5, shuffle=True, random_state=SEED).split(texts, groups=groups))
draw = np.random.default_rng(SEED)
hundred = [(draw.choice(train, 100, replace=False), test) for train, test in folds]
guesses = {
    "ridge on embeddings": held_out(GroupRidge(), vectors, scores, hundred, groups),
    "ridge on words": held_out(tfidf, texts, scores, hundred),
    "by lot": draw.normal(size=len(scores)),
}

# %% tags=["deep"]
read = {
    who: np.concatenate(
        [test[np.argsort(guess[test], kind="stable")[:30]] for _, test in folds]
    )  # fixed: judged by people
    for who, guess in guesses.items()
}
complaints = {who: (scores < -1)[rows] for who, rows in read.items()}


# %% tags=["deep", "folded"]
def against(who, **options):
    """How much larger the share of complaints is among what embeddings picked."""
    rows = read["ridge on embeddings"], read[who]
    both = complaints["ridge on embeddings"].astype(float), complaints[who].astype(float)
    return intervals.difference_interval(*both, paired=False, groups=groups[np.concatenate(rows)], **options)


gains = intervals.simultaneous(against, {who: (who,) for who in ("ridge on words", "by lot")})
say.sentence(
    f"Of the {30 * len(folds)} sentences read in the five folds, complaints are: "
    + ", ".join(f"{who} {each.mean():.0%}" for who, each in complaints.items())
    + ". "
    + " ".join(say.comparison("ridge on embeddings", who, gain, "share of complaints") for who, gain in gains.items())
)

# %% [markdown] tags=["deep"]
# **Content quality.** Is a text clear, deep, well made? No set with people's marks for that comes with the course, and a proxy such as reading time or
# shares has a slant of its own. The nearest that we have: how far some twenty people **disagree** about what a writer thinks of the product (the standard
# deviation of their scores). A sentence that divides its readers is unclear in one way. Rivals: its length, and the mean score itself, by
# the hundred sentences with the nearest one.

# %% tags=["deep"]
divided = reviews["score_sd"].to_numpy()
length = np.log1p([len(text.split()) for text in texts])
guesses = {
    "ridge on embeddings": held_out(GroupRidge(), vectors, divided, folds, groups),
    "ridge on words": held_out(tfidf, texts, divided, folds),
    "length": length,
    "the mean score, free to bend": held_out(KNeighborsRegressor(100), scores[:, None], divided, folds),
}

# %% tags=["deep", "folded"]
ranks = {who: intervals.spearman_interval(divided, guess, groups=groups) for who, guess in guesses.items()}
people = np.random.default_rng(SEED).permuted(np.array(reviews["ratings"].tolist()), axis=1)
halves = intervals.spearman_interval(people[:, ::2].std(axis=1), people[:, 1::2].std(axis=1), groups=groups)
gains = intervals.simultaneous(
    intervals.spearman_interval,
    {who: (divided, guesses["ridge on embeddings"], guesses[who]) for who in guesses if who != "ridge on embeddings"},
    groups=groups,
)
say.sentence(
    "Rank correlation with how far people disagree:\n"
    + "\n".join(f"- {who}: {each}" for who, each in ranks.items())
    + "\n\n"
    + " ".join(say.comparison("ridge on embeddings", who, gain, "rank correlation") for who, gain in gains.items())
    + f" How much could it be? Two halves of the people agree on how divided they are with **{halves}**. For all of them together that makes "
    f"{(whole := 2 * halves.estimate / (1 + halves.estimate)):.2f} (the formula of Spearman and Brown), and a guess that knows what lies behind their scores would reach about its root, **{whole**0.5:.2f}**."
)

# %% [markdown] tags=["deep"]
# **A search that learns from clicks.** A shop searches by words and keeps its log: what was shown, what was clicked. Clicks lie: people click on what stands
# on top, because they look there. Questions and passages are real; the clicks are **simulated**, so that we know the truth: of a hundred visitors a share of
# 1/place looks at a place, and clicks with chance one half if the passage answers, else one tenth. Ridge learns from the clicks how much *words* and how much *meaning* should count.

# %% tags=["deep"]
asked = load_corpus("boolq", n=2 * N_REVIEWS, seed=SEED)
counted = TfidfVectorizer(sublinear_tf=True).fit(asked["passage"])
words = (counted.transform(asked["question"]) @ counted.transform(asked["passage"]).T).toarray()
meaning = embedder.encode_query(asked["question"]) @ embedder.encode_document(asked["passage"]).T

# %% tags=["deep"]
n = len(asked)
top = np.argsort(-words, axis=1, kind="stable")[:, :10]  # what the search by words shows
answers = top == np.arange(n)[:, None]
features = np.stack([np.take_along_axis(each, top, axis=1) for each in (words, meaning)], axis=-1)
features /= features.std(axis=(0, 1))
looked = 1 / np.arange(1, 11)
clicks = np.random.default_rng(SEED).binomial(100, looked * np.where(answers, 0.5, 0.1)) / 100
targets = {"raw clicks": clicks, "clicks ÷ share who looked": clicks / looked, "the truth": answers.astype(float)}

# %% tags=["deep"]
first, second = np.arange(n // 2), np.arange(n // 2, n)  # learn from half of the questions, judge on the others
hits = {"words alone": answers[second, 0], "meaning alone": answers[second, features[second, :, 1].argmax(axis=1)]}
weights = {}
for name, target in targets.items():
    model = GroupRidge().fit(features[first].reshape(-1, 2), target[first].ravel(), np.repeat(first, 10))
    place = model.predict(features[second].reshape(-1, 2)).reshape(-1, 10).argmax(axis=1)
    hits[name], weights[name] = answers[second, place], model.coef_[0] / model.coef_[1]

# %% tags=["deep", "folded"]
gains = intervals.simultaneous(
    intervals.difference_interval,
    {
        ("raw clicks", "words alone"): (hits["raw clicks"], hits["words alone"]),
        ("clicks ÷ share who looked", "raw clicks"): (hits["clicks ÷ share who looked"], hits["raw clicks"]),
        ("clicks ÷ share who looked", "meaning alone"): (hits["clicks ÷ share who looked"], hits["meaning alone"]),
    },
)
say.sentence(
    f"Share of {len(second)} other questions with the answer on top: "
    + ", ".join(f"{name} {each.mean():.2f}" for name, each in hits.items())
    + ". Weight of words against meaning: "
    + ", ".join(f"{name} {each:.1f}" for name, each in weights.items())
    + ". "
    + " ".join(say.comparison(*pair, gain, "share found") for pair, gain in gains.items())
    + (
        " Mind the last: even with the truth to learn from, ridge does not get as far as meaning alone, since it fits all ten places, which were picked by words already, and not who comes first. "
        "Hold whatever was learned against the plain thing beside it."
        if hits["the truth"].mean() < hits["meaning alone"].mean()
        else ""
    )
    + " Here we knew who looked. In a real log that share has to be estimated, for example by showing some results in random order."
)

# %% [markdown] tags=["deep"]
# ## 13. What people know already
#
# A vector need not be all that ridge sees. **Features of your own** become further columns: override `transform` in a subclass. Ours is the mood of a sentence's words by a
# list that ten people scored (the same study as the reviews). As a control, the same list with its scores shuffled. With a hundred examples:

# %% tags=["deep"]
mood = load_corpus("mood_words").set_index("word")["score"]


class WithMood(EmbeddingValueLearner):
    mood = mood.to_dict()

    def transform(self, X):
        found = [[self.mood.get(word, 0) for word in re.findall("[a-z']+", text.lower())] for text in X]
        return np.hstack([super().transform(X), np.array([[sum(each) / 10] for each in found])])


class Shuffled(WithMood):
    mood = dict(zip(mood.index, np.random.default_rng(SEED).permutation(mood), strict=True))


# %% tags=["deep"]
reviews = load_reviews()
texts, scores, groups = reviews["text"].to_numpy(), reviews["score"].to_numpy(), reviews["review"].to_numpy()
draw = np.random.default_rng(SEED)
parts = [
    (draw.permutation(train)[:100], test)
    for train, test in GroupKFold(12, shuffle=True, random_state=SEED).split(texts, groups=groups)
]
learners = {
    "the vector": EmbeddingValueLearner(embedder),
    "and the mood": WithMood(embedder),
    "and a shuffled mood": Shuffled(embedder),
}

# %% tags=["deep", "folded"]
values = {}
for name, learner in learners.items():
    guess = held_out(learner, texts, scores, parts, groups)
    values[name] = [spearmanr(scores[test], guess[test]).statistic for _, test in parts]
gains = intervals.simultaneous(
    intervals.difference_interval,
    {name: (each, values["the vector"]) for name, each in values.items() if name != "the vector"},
)
say.sentence(
    " ".join(say.comparison(name, "the vector alone", gain, "rank correlation") for name, gain in gains.items())
    + f" (The vector alone: {np.mean(values['the vector']):.2f}.) The right question of section 4 is another way to bring in what people know: "
    '`EmbeddingValueLearner("course-instruct", instruction="Judge how much the writer likes the product")`.'
)

# %% [markdown] tags=["deep"]
# ## 14. Keeping it, and asking it over the web
#
# A model that was trained is worth keeping: one file, with examples and all. It holds numbers and text and nothing that could
# run, and it knows the encoder it belongs to, because weights mean nothing with other vectors.

# %% tags=["deep"]
import json
import tempfile
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from course_utils.app.serve import running

ideas = load_corpus("saturdays")
taste = EmbeddingValueLearner(embedder, ridge_alpha=1).fit(ideas["text"], ideas["score"])
with tempfile.TemporaryDirectory() as folder:
    path = taste.save_model(Path(folder) / "taste.safetensors")
    again = EmbeddingValueLearner.load_model(path, embedder=embedder)
    size = path.stat().st_size / 1e6
say.sentence(
    f"Saved in {size:.1f} MB; the loaded model says the same: **{again.predict('a walk') == taste.predict('a walk')}**."
)

# %% [markdown] tags=["deep"]
# On the command line, `course serve taste.safetensors` makes a web service of the file, with a page to try it at `/docs`. The same service
# runs here, beside the cells and on this computer only, until the `with` block ends. We ask it over HTTP, as any program would, and once wrongly: then it
# answers with the number 422 and names the field.


# %% tags=["deep"]
def ask(address, body):
    """What the service answers."""
    try:
        with urlopen(Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})) as answer:
            return json.load(answer)
    except HTTPError as refused:
        return f"{refused.code}: {json.load(refused)}"


with running(again) as address:
    best_first = ask(f"{address}/rank", {"texts": ["Sail across the bay", "Stand in a queue for hours"]})
    wrong = ask(f"{address}/predict", {"text": ""})
print(best_first, wrong, sep="\n")

# %% [markdown] tags=["deep"]
# **Many texts.** Ask for them in parts: a bar shows how far it is, memory stays small, and what was embedded is kept on disk. Stop it half-way and run the
# cell again: it goes on where it was.

# %% tags=["deep"]
from tqdm.auto import tqdm

snippets = load_corpus("movie_snippets").query("kind != 'plot'")["text"].head(300).tolist()
scored = []
for start in tqdm(range(0, len(snippets), 64), disable=None):
    scored.extend(taste.predict(snippets[start : start + 64]))
say.sentence(f"{len(scored)} texts scored, from {min(scored):.1f} to {max(scored):.1f}.")

# %% [markdown] tags=["deep"]
# ## 15. Bring your own
#
# Put the path of a table (CSV, Excel and others) into the next cell, and name the columns with the texts and the scores. As it stands, it takes the
# course's own Saturdays. Nothing leaves your computer.

# %% tags=["deep"]
from course_utils.paths import ROOT

logging.getLogger("course_utils.learning.ridge").setLevel(logging.WARNING)
MY_FILE = ROOT / "datasets" / "saturdays.csv"
TEXT_COLUMN, SCORE_COLUMN = "text", "score"
GROUP_COLUMN = None  # the column that says which texts belong together (their review, their writer)
ALPHA = 1  # a good start for a few dozen texts; with hundreds None, which chooses by leaving out
mine = EmbeddingValueLearner.from_file(
    MY_FILE,
    embedder=embedder,
    text_column=TEXT_COLUMN,
    score_column=SCORE_COLUMN,
    group_column=GROUP_COLUMN,
    ridge_alpha=ALPHA,
)
axis = pd.Series(mine.training_scores).plot.hist(bins=20, figsize=(5, 2), title="Your scores", xlabel="score")

# %% tags=["deep"]
print(mine.train(cv_folds=5, random_state=SEED))  # fewer folds where there are fewer texts or groups

# %% [markdown] tags=["deep"]
# A control: the same texts, with your scores dealt out anew, whole groups of them where you named groups. There is nothing to learn then. It cannot see a
# **leak**: if one number was given to all sentences of a document, name the document in `GROUP_COLUMN`.

# %% tags=["deep"]
deal, learned = np.random.default_rng(SEED), []
rows = pd.DataFrame(mine.training_examples)
rows["group"] = rows["group"].fillna(pd.Series(range(len(rows)), dtype=object))
for _ in range(5):
    names = rows["group"].unique()
    giver = dict(zip(names, deal.permutation(names), strict=True))  # each group gets the scores of another
    of = {name: part["score"].to_numpy() for name, part in rows.groupby("group", sort=False)}
    dealt = [float(deal.choice(of[giver[name]])) for name in rows["group"]]
    control = EmbeddingValueLearner(embedder, ridge_alpha=ALPHA).fit(rows["text"], dealt, rows["group"])
    learned.append(control.train(cv_folds=5, random_state=SEED).learned)

# %% tags=["deep", "folded"]
scores = rows["score"].to_numpy()
alike, by_lot = (np.mean(np.diff(each) == 0) for each in (scores, deal.permutation(scores)))
say.sentence(
    f"Dealt out anew, something was “learned” in {sum(map(bool, learned))} of {len(learned)} tries."
    + (
        f" **Mind**: {alike:.0%} of your rows have the same score as the row before, by lot it would be {by_lot:.0%}. Do several rows belong to one document? Then name it in `GROUP_COLUMN`, "
        "or what was “learned” above may be the document."
        if GROUP_COLUMN is None and alike > by_lot + 0.2
        else ""
    )
)

# %% tags=["deep"]
mine.rank_texts(["Draw a map of the neighbourhood", "Wait at the airport", "Pick apples with a friend"])

# %% [markdown] tags=["deep"]
# If it does not go as you like:
#
# | what you see | what it may be |
# | --- | --- |
# | "nothing was learned" | too few examples; scores that do not depend on what a text says; or another model or question is needed (sections 4 and 13) |
# | "too few to say" | fewer than twelve independent texts or groups: score more |
# | "alpha is at the edge" | few examples and clean scores: set `ALPHA = 1`; at the upper edge there is probably little to learn |
# | good here, bad on new texts | a leak: name the column of groups; look for copies |
# | intervals without ends | too few groups for the confidence asked; the log says how many it takes |
#
# More in [docs/value_learner.md](../docs/value_learner.md).
