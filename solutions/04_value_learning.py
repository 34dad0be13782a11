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
# The cell below holds what you may want to change: the model, how many product reviews we use, the seed.
# The one after it loads the model; every section of this lesson needs these two cells and nothing else.

# %% tags=["parameters"]
MODEL = "all-MiniLM-L6-v2"  # any model of the catalogue
N_REVIEWS = 300  # product reviews, about a dozen sentences each; there are 300
SEED = 0  # which reviews, folds and examples are drawn

# %% tags=["setup"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import kendalltau, spearmanr
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.metrics import ndcg_score
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, KFold, cross_val_predict
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline

from course_utils.data import load_corpus
from course_utils.drawing import plots
from course_utils.embedding import load_embedder
from course_utils.learning import ALPHAS, EmbeddingValueLearner, TextEmbedder, predict_ensemble
from course_utils.measuring import intervals
from course_utils.teaching import exercises, say

q1, q2, q3, q4, q5 = exercises(4)
embedder = load_embedder(MODEL)


def load_reviews():
    reviews = load_corpus("reviews")
    some = reviews["review"].drop_duplicates().sample(min(N_REVIEWS, 300), random_state=SEED)
    return reviews[reviews["review"].isin(some)].reset_index(drop=True)


# %% [markdown] tags=["core", "workshop"]
# ## 1. Twenty sentences, and your taste
#
# How would you like to spend a free Saturday? Here are twenty ideas. Read them, and give each a score from 0
# ("never") to 10 ("at once") in your head.

# %% tags=["core"]
ideas = load_corpus("saturdays")
shown, new = ideas.head(20), ideas.tail(16)
shown[["text"]]

# %% [markdown] tags=["core"]
# Now put your own numbers into the list, in the order of the table. The ones that stand there were **made up
# by us** for a person who does not exist, so that the lesson also runs without you.

# %% tags=["core"]
my_scores = [9, 1, 8, 2, 8, 4, 8, 1, 9, 7, 2, 8, 0, 9, 1, 6, 2, 8, 2, 10]

taste = EmbeddingValueLearner(embedder, ridge_alpha=1).fit(shown["text"], my_scores)

# %% [markdown] tags=["core"]
# That is all it takes: texts, scores, `fit`. Sixteen more ideas, which it has never seen, sorted by the score
# it predicts for you. Would you have chosen that one for the top, and that one for the bottom?

# %% tags=["core"]
ranked = pd.DataFrame(taste.rank_texts(new["text"]), columns=["text", "predicted score"])
pd.concat([ranked.head(4), ranked.tail(4)]).round(1)

# %% [markdown] tags=["core"]
# For our invented person we also made up the scores of these sixteen. How well does the *order* agree? The
# **rank correlation** (Spearman) is 1 for the same order, 0 for none in common, −1 for the reverse. If you gave
# your own scores, the number says how much like that person you are.

# %% tags=["core", "folded"]
agreement = intervals.spearman_interval(new["score"], taste.predict(new["text"]))
say.sentence(
    f"Rank correlation with the invented person's scores: **{agreement}**. The interval comes from sixteen sentences only, "
    "and one hand wrote them and the scores: a demonstration, not a measurement."
)

# %% [markdown] tags=["core"]
# For a measurement we need real texts and real people. These are sentences from reviews of cameras, phones and
# other devices; **twenty people** each gave each sentence a score from −4 (very negative) to 4 (very positive).

# %% tags=["core", "external-text"]
reviews = load_reviews()
print(f"{len(reviews)} sentences of {reviews['review'].nunique()} reviews")
reviews[["text", "score", "score_sd"]].sample(5, random_state=SEED)

# %% [markdown] tags=["core"]
# How good could a model be? That depends on how far people agree with each other, the **ceiling**. We split the
# twenty into two halves at random and compare their means: hardly more than that can be asked of anything. And we
# compare one person, drawn anew for each sentence, with the mean of the other nineteen: a mark on the way, not a limit.

# %% tags=["core", "folded"]
ratings = np.random.default_rng(SEED).permuted(np.array(reviews["ratings"].tolist()), axis=1)
half_a, half_b = ratings[:, :10].mean(axis=1), ratings[:, 10:].mean(axis=1)
one, others = ratings[:, 0], ratings[:, 1:].mean(axis=1)

figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharey=True)
axes[0].scatter(half_a, half_b, s=8, alpha=0.4, color=plots.PALETTE[0])
axes[1].scatter(
    one + np.random.default_rng(SEED).uniform(-0.2, 0.2, len(one)), others, s=8, alpha=0.4, color=plots.PALETTE[4]
)
axes[0].set(xlabel="mean score of ten people", ylabel="mean score of the others", title="Ten and the other ten")
axes = axes[1].set(xlabel="score of one person (spread out a little)", title="One and the other nineteen")

# %% tags=["core", "folded"]
halves = intervals.spearman_interval(half_a, half_b, groups=reviews["review"])
person = intervals.spearman_interval(others, one, groups=reviews["review"])
say.sentence(
    f"Two halves of the people agree with a rank correlation of **{halves}**; a single person agrees with the others with "
    f"**{person}**. A model that reached the second number would be as good a judge as one reader."
)

# %% [markdown] tags=["core"]
# Each marker is one sentence: on the left the two halves, on the right one person against the rest. The
# narrower the cloud, the more the people agree. Keep the number for *one person*: it will stand beside every result.

# %% [markdown] tags=["core", "workshop"]
# ## 2. Ridge: a weight for each dimension
#
# The learner multiplies each dimension of the vector by a **weight** and adds up. Learning means finding good
# weights. Begin with a single column, one number $x$ a text (here: how many words it has), and a score $y$, both
# with their means taken off. **Least squares** chooses the weight with the smallest squared errors, and **ridge**
# adds a fine for large weights:
#
# $$\text{minimise} \; \sum_i (y_i - w x_i)^2 + \alpha w^2 \quad \Rightarrow \quad w = \frac{\sum_i x_i y_i}{\sum_i x_i^2 + \alpha}$$

# %% tags=["core", "nbval-check-output"]
ideas = load_corpus("saturdays").head(20)
x = ideas["text"].str.split().str.len().to_numpy(dtype=float)
y = ideas["score"].to_numpy(dtype=float)
x, y = x - x.mean(), y - y.mean()
pd.Series({alpha: x @ y / (x @ x + alpha) for alpha in (0, 10, 100, 1000)}, name="weight").round(4)

# %% [markdown] tags=["core"]
# The larger **alpha**, the closer the weight is to zero. Why would anyone want that? Because a text has not
# one number but hundreds, and with more dimensions than examples, *without* a fine there are endlessly many weights
# that fit every example perfectly, noise included. For a matrix $X$ with one row a text the same derivation gives
# the **normal equations**:
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
# The library solves the same equations, takes care of the means (the **intercept**), and
# chooses alpha when you do not. To judge it we learn from some reviews and predict *others*: five **folds**, each
# review held out once. Beside it stand the simplest rivals: the **mean** of all scores, the **length**
# of the text, and ridge on **TF-IDF**, which sees words and no meaning.

# %% tags=["core"]
reviews = load_reviews()
vectors = embedder.encode(reviews["text"]).astype(float)
texts, scores, groups = reviews["text"], reviews["score"].to_numpy(), reviews["review"]
folds = GroupKFold(5, shuffle=True, random_state=SEED)
length = np.log1p(texts.str.split().str.len().to_numpy(dtype=float))[:, None]

# %% tags=["core"]
tfidf = make_pipeline(TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)), Ridge(alpha=1))
contenders = {
    "length": (Ridge(), length),
    "TF-IDF + ridge": (tfidf, texts),
    "embedding + ridge": (RidgeCV(ALPHAS), vectors),
}
predicted = {
    name: cross_val_predict(model, X, scores, cv=folds, groups=groups) for name, (model, X) in contenders.items()
}
predicted["mean"] = np.full(len(scores), scores.mean())
predicted["one person"] = np.random.default_rng(SEED).permuted(np.array(reviews["ratings"].tolist()), axis=1)[:, 0]

# %% [markdown] tags=["core"]
# Two measures: **R²**, the share of the spread of the scores that is explained (the mean has none, a perfect
# guess 1), and the rank correlation. Sentences of one review count as one case for the intervals, because they
# are about the same device by the same writer.

# %% tags=["core"]
rows = []
for name in ("mean", "length", "TF-IDF + ridge", "embedding + ridge", "one person"):
    ranks = intervals.spearman_interval(scores, predicted[name], groups=groups)
    r2 = 1 - np.mean((scores - predicted[name]) ** 2) / scores.var()
    rows.append({"predictor": name, "R²": r2, "rank correlation": ranks.estimate, "low": ranks.low, "high": ranks.high})
table = pd.DataFrame(rows).set_index("predictor")
table.round(3)

# %% tags=["core", "folded"]
figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
middle = table["rank correlation"]
errors = [middle - table["low"], table["high"] - middle]
axis.barh(table.index, middle, xerr=errors, color=[plots.PALETTE[i] for i in (3, 3, 1, 0, 4)], capsize=4)
axis.invert_yaxis()
axis = axis.set(xlabel="rank correlation with the mean of twenty people", title="Who judges reviews how well")

# %% tags=["core", "folded"]
pairs = [("embedding + ridge", "TF-IDF + ridge"), ("one person", "embedding + ridge")]
differences = intervals.simultaneous(
    intervals.spearman_interval,
    {pair: (scores, predicted[pair[0]], predicted[pair[1]]) for pair in pairs},
    groups=groups,
)
say.sentence(" ".join(say.comparison(*pair, found, "rank correlation") for pair, found in differences.items()))

# %% [markdown] tags=["core"]
# Each bar is a predictor, with its interval. If the bar of *length* lies below zero, that is no discovery: where
# there is little to learn, each fold is given about the mean of the other four, and that mean is low just when the fold
# itself is high. One person also sees only the sentence, and his or her score counts among the
# twenty, which flatters the person a little. R² is hard on a single person: whoever uses the scale more boldly than
# the mean of twenty loses there, though the order is right. So for ranking we look at the rank correlation.

# %% [markdown] tags=["core", "workshop"]
# ## 3. The leak
#
# We held out whole reviews. Most people would have held out sentences at random. What is wrong with that? Then
# sentences of one review stand on both sides, and a model may recognise the *review* and not the *judgement*. Such
# a **leak** flatters: the result will not hold for new reviews. How much does it matter here?

# %% tags=["core"]
reviews = load_reviews()
vectors = embedder.encode(reviews["text"]).astype(float)
scores, groups = reviews["score"].to_numpy(), reviews["review"].to_numpy()
grouped, careless = GroupKFold(5, shuffle=True, random_state=SEED), KFold(5, shuffle=True, random_state=SEED)

ridge = RidgeCV(ALPHAS)
honest = cross_val_predict(ridge, vectors, scores, cv=grouped, groups=groups)
leaking = cross_val_predict(ridge, vectors, scores, cv=careless)

# %% tags=["core", "folded"]
difference = intervals.spearman_interval(scores, leaking, minus=honest, groups=groups)
share = max(-difference.low, difference.high) / (1 - spearmanr(scores, honest).statistic)
say.sentence(
    say.comparison("random folds", "grouped folds", difference, "rank correlation")
    + f" Whatever it is within this interval, it is at most {share:.0%} of what is missing to a perfect order: "
    + say.choose(share, (0.25, "a leak that might mislead us."), otherwise="a small leak.")
)

# %% [markdown] tags=["core"]
# How large a leak is depends on how alike the rows of a group are, and on the model. So here is a control where
# we know the answer: we **copy every sentence**, as happens when the same text is collected twice, and either
# let the two copies fall on different sides or keep them together. Ridge is the course's learner here: where *it* holds out
# texts to choose alpha, it keeps copies together by itself. Beside it we try the **nearest neighbour**, a model that learns by heart.

# %% tags=["core"]
twice, twice_scores = np.vstack([vectors, vectors]), np.concatenate([scores, scores])
copies = np.concatenate([groups, groups])
models = {
    "ridge": (EmbeddingValueLearner(embedder), np.tile(reviews["text"], 2)),
    "nearest neighbour": (KNeighborsRegressor(1), twice),
}
guesses = {}
for name, (model, X) in models.items():
    for folds_name, folds in (
        ("random folds", careless.split(twice)),
        ("grouped folds", grouped.split(twice, groups=copies)),
    ):
        guesses[name, folds_name] = cross_val_predict(model, X, twice_scores, cv=list(folds))
copied = pd.Series({key: spearmanr(twice_scores, guess).statistic for key, guess in guesses.items()}).unstack()
copied.round(3)

# %% tags=["core"]
gains = intervals.simultaneous(
    intervals.spearman_interval,
    {name: (twice_scores, guesses[name, "random folds"], guesses[name, "grouped folds"]) for name in models},
    groups=copies,
)
same = intervals.spearman_interval(
    scores, guesses["ridge", "grouped folds"][: len(scores)], minus=honest, groups=groups
)
say.sentence(
    "Copied sentences. "
    + " ".join(
        say.comparison(f"{name}, random folds", f"{name}, grouped folds", gain, "rank correlation")
        for name, gain in gains.items()
    )
    + " Whatever copies on both sides bring, it is learning by heart. In grouped folds all copies of a review stay together. Do "
    "they still notice that there are copies? "
    + say.comparison("ridge with copies", "ridge without", same, "rank correlation")
)

# %% [markdown] tags=["core"]
# ### Exercise 2: spot the leak
#
# Write a function that takes the groups of all rows (an array) and the positions of the training and the test rows,
# and returns the **sorted list of groups that stand on both sides**. A split without a leak gives an empty list.


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

# %% [markdown] tags=["core"]
# With honest folds we can look at **alpha**. For each alpha the figure shows the error on the sentences that were
# learned from, and on held-out reviews. The dashed line is the error of guessing the mean, the dotted one the alpha that **leave-one-out** chooses (hold out one
# sentence at a time; *Going further* shows how that is done without learning thousands of times).

# %% tags=["core"]
train, held = next(GroupShuffleSplit(1, test_size=0.2, random_state=SEED).split(vectors, scores, groups))
fitted = [Ridge(alpha=alpha).fit(vectors[train], scores[train]) for alpha in ALPHAS]
error = {
    part: [np.mean((scores[rows] - model.predict(vectors[rows])) ** 2) for model in fitted]
    for part, rows in (("learned from", train), ("held out", held))
}
chosen = RidgeCV(ALPHAS).fit(vectors[train], scores[train]).alpha_

# %% tags=["core", "folded"]
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for (name, values), color, marker in zip(error.items(), plots.PALETTE, "oD", strict=False):
    axis.semilogx(ALPHAS, values, color=color, marker=marker, label=name)
axis.axvline(chosen, linestyle=":", color="black", label="chosen by leave-one-out")
axis.axhline(
    np.mean((scores[held] - scores[train].mean()) ** 2),
    linestyle="--",
    color=plots.PALETTE[3],
    label="guessing the mean",
)
axis.legend()
axis = axis.set(
    xlabel="alpha", ylabel="mean squared error (score points²)", title="How strongly to hold the weights back"
)

# %% tags=["core", "folded"]
correct = {
    f"alpha = {alpha:.3g}": -((scores[held] - model.predict(vectors[held])) ** 2)
    for alpha, model in zip(ALPHAS, fitted, strict=True)
}
say.sentence(
    f"Leave-one-out chose alpha = **{chosen:.3g}**. On the held-out reviews, with the mean squared error times −1, "
    + say.leader(intervals.leader(correct, groups=groups[held]), "value")
    + f" At the smallest alpha the error is {error['learned from'][0]:.2f} on what was learned from and "
    f"{error['held out'][0]:.2f} on what was held out. A gap between the two curves is called **overfitting**."
)

# %% [markdown] tags=["core", "workshop"]
# ## 4. How many examples are enough?
#
# Scores cost somebody's time. The **learning curve** says what the next hundred would bring: learn from ever
# more examples, always judged on the same held-out reviews. Which examples one happens to have matters when they
# are few, so each size is drawn several times; the bands reach from the worst draw to the best.

# %% tags=["core"]
reviews = load_reviews()
vectors = embedder.encode(reviews["text"]).astype(float)
texts, scores, groups = reviews["text"], reviews["score"].to_numpy(), reviews["review"]
train, held = next(GroupShuffleSplit(1, test_size=0.2, random_state=SEED).split(vectors, scores, groups))
sizes = [n for n in (25, 50, 100, 200, 400, 800, 1600) if n < len(train)] + [len(train)]

# %% tags=["core"]
chance = np.random.default_rng(SEED)
tfidf = make_pipeline(TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)), Ridge(alpha=1))
rows = []
for n in sizes:
    for draw in range(1 if n == len(train) else 6):
        some = chance.choice(train, n, replace=False)
        for name, model, X in (("embedding", RidgeCV(ALPHAS), vectors), ("TF-IDF", tfidf, texts.to_numpy())):
            guess = model.fit(X[some], scores[some]).predict(X[held])
            value = spearmanr(scores[held], guess).statistic
            rows.append({"examples": n, "draw": draw, "ridge on": name, "rank correlation": value})
curve = pd.DataFrame(rows)

# %% tags=["core", "folded"]
person = np.random.default_rng(SEED).permuted(np.array(reviews["ratings"].tolist()), axis=1)[held, 0]
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for (name, part), color, marker in zip(curve.groupby("ridge on", sort=False), plots.PALETTE, "oD", strict=False):
    spread = part.groupby("examples")["rank correlation"].agg(["min", "median", "max"])
    axis.semilogx(spread.index, spread["median"], color=color, marker=marker, label=name)
    axis.fill_between(spread.index, spread["min"], spread["max"], color=color, alpha=0.2)
ceiling = spearmanr(scores[held], person).statistic
axis.axhline(ceiling, linestyle="--", color=plots.PALETTE[4], label="one person")
axis.legend()
axis = axis.set(xlabel="scored examples", ylabel="rank correlation, held-out reviews", title="What more examples bring")

# %% tags=["core", "folded"]
middle = curve[curve["ridge on"] == "embedding"].groupby("examples")["rank correlation"].median()
reached = (
    (middle.loc[100] if 100 in middle.index else middle.iloc[0]) / middle.iloc[-1] if middle.iloc[-1] > 0 else np.nan
)
said = (
    f"With embeddings, 100 examples reach {reached:.0%} of that."
    if middle.iloc[-1] > 0.2
    else "There is little to learn here."
)
say.sentence(
    f"Medians on embeddings: {', '.join(f'{value:.2f} with {n:,}' for n, value in middle.items())}. {said} Read the bands before "
    "you believe a single draw of a few examples."
)

# %% [markdown] tags=["core"]
# Solid lines are medians, the dashed line is one person, and each step to the right about doubles the examples. Now
# look at the predictions themselves. On the left, predicted against actual score; on the
# diagonal they would be equal. On the right, the **residuals**, actual minus predicted: are they centred on zero, and
# are some far out?

# %% tags=["core", "folded"]
learner = EmbeddingValueLearner(embedder).fit(texts.iloc[train], scores[train])
guess = learner.predict(texts.iloc[held])
residual = scores[held] - guess
figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
axes[0].scatter(guess, scores[held], s=10, alpha=0.5, color=plots.PALETTE[0])
axes[0].plot([-3, 3], [-3, 3], linestyle="--", color="black")
axes[0].set(xlabel="predicted score", ylabel="mean score of twenty people", title="Predicted and actual")
axes[1].hist(residual, bins=40, color=plots.PALETTE[0])
axes = axes[1].set(xlabel="residual (score points)", ylabel="sentences", title="What is left over")

# %% tags=["core", "folded"]
spread = guess.std() / scores[held].std()
say.sentence(
    f"Half of the predictions are off by less than **{np.median(np.abs(residual)):.2f}** points, one in ten by more than "
    f"**{np.quantile(np.abs(residual), 0.9):.2f}**. The predictions spread {spread:.0%} as wide as the scores: a learner that is "
    "unsure plays safe and stays near the mean."
)

# %% [markdown] tags=["core"]
# The worst mistakes, read aloud, teach more than any average. Look for irony, for *not*, for words that are praise for one
# device and blame for another.

# %% tags=["core", "external-text"]
worst = reviews.iloc[held].assign(predicted=guess, residual=residual)
worst = worst.loc[np.abs(worst["residual"]).sort_values(ascending=False).index]
worst[["text", "score", "predicted"]].head(6).style.format(precision=1).hide(axis="index")

# %% [markdown] tags=["core"]
# ## 5. Ranking
#
# Often nobody needs the score, only the order: what to read first. Three measures of an order on the held-out
# sentences. **Spearman** correlates the ranks. **Kendall** compares all pairs: the share in the right order minus
# the share in the wrong one. **nDCG@10** looks at the first ten only, because
# nobody reads further: it adds up their scores, the first places counting most, and divides by the best sum possible, so that
# 1 is perfect.

# %% tags=["core"]
reviews = load_reviews()
train, held = next(GroupShuffleSplit(1, test_size=0.2, random_state=SEED).split(reviews, groups=reviews["review"]))
learner = EmbeddingValueLearner(embedder).fit(reviews["text"].iloc[train], reviews["score"].iloc[train])
asked = reviews.iloc[held].assign(predicted=learner.predict(reviews["text"].iloc[held]))
chance = np.random.default_rng(SEED).normal(size=len(asked))
people = np.random.default_rng(SEED).permuted(np.array(asked["ratings"].tolist()), axis=1)[:, 0]

# %% tags=["core"]
gain = asked["score"].to_numpy()[None] + 4  # gains of nDCG must not be negative: 0 to 8
rows = {
    name: {
        "Spearman": spearmanr(asked["score"], order).statistic,
        "Kendall": kendalltau(asked["score"], order).statistic,
        "nDCG@10": ndcg_score(gain, np.asarray(order, dtype=float)[None], k=10),
    }
    for name, order in {"random order": chance, "learner": asked["predicted"], "one person": people}.items()
}
pd.DataFrame(rows).T.round(3)

# %% [markdown] tags=["core"]
# Mind the first row. A random order has a Spearman and Kendall near zero, but an nDCG far above zero, because even
# careless picks have *some* worth. A value of nDCG says nothing without that floor.
#
# The same scores also rank whole **reviews**: the mean over the sentences of each.

# %% tags=["core", "folded"]
whole = asked.groupby("review")[["score", "predicted"]].mean()
sentences = intervals.spearman_interval(asked["score"], asked["predicted"], groups=asked["review"])
say.sentence(
    f"Rank correlation for single sentences: **{sentences}**; for the {len(whole)} held-out reviews as a whole: "
    f"**{intervals.spearman_interval(whole['score'], whole['predicted'])}**. Errors of single sentences can cancel in a mean. "
    "People's would cancel too, so do not hold the second number against one person's on sentences."
)

# %% [markdown] tags=["core"]
# Search and taste go together: first *find* what is about the question, then *sort* what was found by what is liked.

# %% tags=["core", "external-text"]
nearness = embedder.encode_document(asked["text"]) @ embedder.encode_query("how long does the battery last")
found = asked["text"].iloc[np.argsort(-nearness)[:8]]
pd.DataFrame(learner.rank_texts(found), columns=["text", "predicted score"]).round(2)

# %% [markdown] tags=["core"]
# ### Exercise 3: rank with duplicates
#
# Write a function that takes a list of texts and their scores and returns a list of `(text, score)` pairs, best first.
# The same text may occur more than once: keep every copy. Texts of equal score stay in the order in which they came.


# %% tags=["core", "exercise", "q3"]
def rank_with_duplicates(texts, scores):
    ### BEGIN SOLUTION
    order = sorted(range(len(texts)), key=lambda i: -scores[i])
    return [(texts[i], scores[i]) for i in order]
    ### END SOLUTION


# %% tags=["core"]
q3.check(rank_with_duplicates)
# q3.hint()
# q3.solution()

# %% [markdown] tags=["core"]
# ## Recap
#
# - **Ridge on embeddings** learns a score from texts: one weight a dimension, held back by **alpha**.
# - A result needs its neighbours: the mean, the length, TF-IDF below it, and **what people agree on** above it.
# - Rows that belong together go to **one side** of a split. How large the leak would be is a matter of measuring.
# - The **learning curve** tells you whether to score more examples or to look for a better model.
# - For an order, use measures of order, and know what a random order gets.
#
# If you are here within the hour, well done. What follows goes deeper; each section stands on its own.

# %% [markdown] tags=["deep"]
# ## 6. Leave-one-out without learning again
#
# Hold out one example, learn from all others, predict the one; repeat for each example. That is the most thorough
# test of an alpha, and seems to need as many trainings as there are examples. For ridge it needs **one**. Let
# $H = X (X^\top X + \alpha I)^{-1} X^\top$ be the matrix that turns scores into predictions, $\hat y = H y$. Then the error
# on example $i$ when it is left out is
#
# $$e_i = \frac{y_i - \hat y_i}{1 - H_{ii}}$$
#
# The more an example pulls its own prediction towards itself (large $H_{ii}$), the more its error grows when it is
# gone. Do not believe it: compare with learning anew for each example.

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
# ## 7. Intervals that keep their promise
#
# A predicted score without a margin invites false trust. The leave-one-out errors are just what is needed: they say
# how far the model is off on texts it did not learn from. For a **confidence** of nine in ten, take a width that nearly nine in
# ten of these errors stay within, a bit more because the errors are few: of $n$ errors, sorted by size, the one at position
# $\lceil (n + 1) \cdot \text{confidence} \rceil$.
#
# What such an interval promises, it promises for new texts like those learned from. If texts belong together, as the
# sentences of a review do, new ones come from a new review, and the errors have to do so as well: then the learner leaves
# out one **group** after the other, each group counts once, and $n$ is the number of groups.
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
# A promise is there to be checked. We learn from a part of the reviews, ask for intervals on the held-out ones, and count.

# %% tags=["deep"]
reviews = load_reviews()
rows = []
for seed in range(5):
    split = GroupShuffleSplit(1, test_size=0.3, random_state=seed).split(reviews, groups=reviews["review"])
    train, held = (reviews.iloc[rows_of] for rows_of in next(split))
    learner = EmbeddingValueLearner(embedder).fit(train["text"], train["score"], groups=train["review"])
    for confidence in (0.5, 0.8, 0.9, 0.95):
        _, limits = learner.predict(held["text"], return_interval=True, confidence=confidence)
        inside = (limits[:, 0] <= held["score"]) & (held["score"] <= limits[:, 1])
        rows.append({"promised": confidence, "kept": inside.mean(), "width": np.diff(limits[0])[0]})
coverage = pd.DataFrame(rows).groupby("promised").mean()
coverage.round(3)

# %% [markdown] tags=["deep"]
# On average over all texts. All intervals are equally wide, so for some *kinds* of text the promise may be broken.
# Which? Compare sentences for which the model predicts a score near its middle with those for which it predicts an extreme
# one. (To pick them by what people *said* would be a trap: any model, even one that guesses, is off the most where the
# score is extreme.)

# %% tags=["deep"]
guess, limits = learner.predict(held["text"], return_interval=True, confidence=0.9)
inside = ((limits[:, 0] <= held["score"]) & (held["score"] <= limits[:, 1])).to_numpy(dtype=float)
distance, review = np.abs(guess - np.median(guess)), held["review"].to_numpy()
strong = distance > np.median(distance)
difference = intervals.difference_interval(
    inside[~strong], inside[strong], paired=False, groups=np.concatenate([review[~strong], review[strong]])
)
say.sentence(
    f"Promised 90 %, kept {coverage.loc[0.9, 'kept']:.1%} on average. "
    + say.comparison("middling predictions", "extreme predictions", difference, "share inside the interval")
)

# %% [markdown] tags=["deep"]
# ## 8. Why did it say that?
#
# It is tempting to read the weights: which dimension matters most? Here is a trap. **Rotate** the whole space: every
# vector gets new numbers, all distances and angles stay, and so do all predictions of ridge.

# %% tags=["deep"]
reviews = load_reviews()
learner = EmbeddingValueLearner(embedder).fit(reviews["text"], reviews["score"])
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
# What can be asked instead: which **words** move the score of a text, and which **training examples**? Both are
# found by leaving out and looking again, so the answers do not depend on axes.

# %% tags=["deep"]
text = "the screen is bright but the battery is a disappointment"
reasons = learner.explain(text, k=6)
print(f"predicted score: {reasons.score:.2f}")
reasons.words.round(2)

# %% tags=["deep", "external-text"]
reasons.examples.head(5).round(3)

# %% [markdown] tags=["deep"]
# A positive effect means that the score would be *lower* without the word, in *this* text. Effects do not add up, since
# words work together. Look for a control in the table: do *the*, *but* or *a* move the score as much as the words that
# you would have named, and does *disappointment* lower it at all? If not, this is how the vector reacts to a missing
# word, and no reason. Ask again with another text before you tell anyone a story.

# %% [markdown] tags=["deep"]
# ## 9. One example at a time
#
# New scores trickle in. Learning everything anew each time works, and wastes effort that grows with all that was seen.
# Ridge can be updated **exactly**: an example changes $X^\top X$ by one product $x x^\top$, and the inverse of such a matrix
# can be corrected without inverting again (Sherman and Morrison, 1950). `partial_fit` does that.

# %% tags=["deep"]
reviews = load_reviews().sample(frac=1, random_state=SEED)
first, later, rest = reviews.iloc[:50], reviews.iloc[50:250], reviews.iloc[250:]
online = EmbeddingValueLearner(embedder, ridge_alpha=1).fit(first["text"], first["score"])
course = [spearmanr(rest["score"], online.predict(rest["text"])).statistic]
for start in range(0, len(later), 20):
    some = later.iloc[start : start + 20]
    online.partial_fit(some["text"], some["score"])
    course.append(spearmanr(rest["score"], online.predict(rest["text"])).statistic)

# %% tags=["deep"]
batch = EmbeddingValueLearner(embedder, ridge_alpha=1).fit(reviews["text"].iloc[:250], reviews["score"].iloc[:250])
largest = np.abs(batch.predict(rest["text"]) - online.predict(rest["text"])).max()
say.sentence(
    f"Rank correlation on the rest after every twenty examples: {', '.join(f'{value:.2f}' for value in course)}. The final model "
    f"and one trained on all {online.n_samples_} at once differ by at most **{largest:.1e}**. The intervals are "
    f"{'out of date until the next train()' if online.intervals_stale_ else 'up to date'}."
)

# %% [markdown] tags=["deep"]
# ## 10. Several models together
#
# Models that err in different ways can be averaged. The **spread** of their predictions is often sold as a measure
# of doubt. Is it? If so, errors should be larger where the members disagree.

# %% tags=["deep"]
reviews = load_reviews()
split = GroupShuffleSplit(1, test_size=0.3, random_state=SEED).split(reviews, groups=reviews["review"])
train, held = (reviews.iloc[rows] for rows in next(split))
members = [
    EmbeddingValueLearner(embedder),
    make_pipeline(TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)), Ridge(alpha=1)),
    make_pipeline(TextEmbedder(embedder), KNeighborsRegressor(15)),
]
for member in members:
    member.fit(train["text"], train["score"])
mean, spread = predict_ensemble(members, held["text"], weights=[2, 1, 1])

# %% tags=["deep"]
alone = members[0].predict(held["text"])
difference = intervals.spearman_interval(held["score"], mean, minus=alone, groups=held["review"])
doubt = intervals.spearman_interval(np.abs(held["score"] - mean), spread, groups=held["review"])
say.sentence(
    say.comparison("the ensemble", "ridge on embeddings alone", difference, "rank correlation")
    + f" The spread and the size of the error have a rank correlation of **{doubt}**"
    + say.choose(
        doubt.sign and doubt.low,
        (0.3, ": a useful sign of doubt."),
        (1e-9, ": a sign of doubt, perhaps a weak one."),
        otherwise=": that it is a sign of doubt cannot be said.",
    )
)

# %% [markdown] tags=["deep"]
# ## 11. Keeping it, and asking it over the web
#
# A model that was trained is worth keeping: one file, with examples and all. It holds numbers and text and nothing that could
# run, and it knows the encoder it belongs to, because weights mean nothing with other vectors.

# %% tags=["deep"]
import tempfile
from pathlib import Path

ideas = load_corpus("saturdays")
taste = EmbeddingValueLearner(embedder, ridge_alpha=1).fit(ideas["text"], ideas["score"])
folder = tempfile.TemporaryDirectory()
path = taste.save_model(Path(folder.name) / "taste.safetensors")
again = EmbeddingValueLearner.load_model(path, embedder=embedder)
say.sentence(
    f"Saved in {path.stat().st_size / 1e6:.1f} MB; the loaded model says the same: **{again.predict('a walk') == taste.predict('a walk')}**."
)

# %% [markdown] tags=["deep"]
# On the command line, `course serve taste.safetensors` makes a small web service of the file, with a page to try it at `/docs`.
# Here we ask the same service without leaving the notebook. It needs the extra `serve`.

# %% tags=["deep"]
from importlib.util import find_spec

answers = 'This needs more packages: python -m pip install -c constraints.txt -e ".[serve]"'
if find_spec("fastapi"):
    from fastapi.testclient import TestClient

    from course_utils.app.serve import create_app

    with TestClient(create_app(again)) as client:
        ranking = client.post("/rank", json={"texts": ["Sail across the bay", "Stand in a queue for hours"]}).json()
        refused = client.post("/predict", json={"text": ""}).json()
    answers = {"ranking": ranking, "refused": refused}
answers

# %% [markdown] tags=["deep"]
# ## 12. When nobody scores, but everybody clicks
#
# Scores are dear, clicks are free, and clicks lie: people click on what stands on top. The clicks here are
# **simulated**, so that we know the truth. Sentences play the part of headlines whose true **appeal** is the mean score of the
# twenty people; they were shown in a fixed order, the longest on top, and whoever looked clicked with a chance that grows with the
# appeal. But the further down, the fewer looked.

# %% tags=["deep"]
reviews = load_reviews()
chance = np.random.default_rng(SEED)
place = (-reviews["text"].str.len()).rank(method="first").to_numpy()
looked = 1 / np.sqrt(1 + 20 * place / len(place))  # share of 200 visitors who got as far as that place
appeal = 0.05 + 0.3 * (reviews["score"].to_numpy() + 4) / 8
clicks = chance.binomial(200, looked * appeal)
targets = {
    "clicks as they are": clicks / 200,
    "clicks ÷ share who looked": clicks / 200 / looked,
    "twenty people": reviews["score"],
}

# %% tags=["deep"]
vectors, groups = embedder.encode(reviews["text"]).astype(float), reviews["review"]
folds = GroupKFold(5, shuffle=True, random_state=SEED)
learned = {
    name: cross_val_predict(RidgeCV(ALPHAS), vectors, np.asarray(y), cv=folds, groups=groups)
    for name, y in targets.items()
}
rows = {name: intervals.spearman_interval(reviews["score"], guess, groups=groups) for name, guess in learned.items()}
pd.DataFrame(
    {name: {"rank correlation with the appeal": i.estimate, "low": i.low, "high": i.high} for name, i in rows.items()}
).T.round(3)

# %% tags=["deep", "folded"]
raw, corrected, _ = learned.values()
difference = intervals.spearman_interval(reviews["score"], corrected, minus=raw, groups=groups)
say.sentence(
    say.comparison("corrected clicks", "raw clicks", difference, "rank correlation with the appeal")
    + " Here we knew who looked. In real logs that share has to be estimated, for example by showing some results in random order."
)

# %% [markdown] tags=["deep"]
# The same holds for measures of **content quality** such as reading time or shares: each is a proxy with a slant of its own. Score a
# hundred texts by hand and compare before you trust a free label.

# %% [markdown] tags=["deep"]
# ## 13. Bring your own
#
# Put the path of a CSV file with a header line into the next cell, and name the columns with the texts and the scores.
# As it stands, it takes the course's own Saturdays. Nothing leaves your computer. With few examples and clean scores
# leave-one-out may choose an alpha at the edge of those it tries; the log says so then.

# %% tags=["deep"]
from course_utils.paths import ROOT

MY_FILE = ROOT / "datasets" / "saturdays.csv"
TEXT_COLUMN, SCORE_COLUMN = "text", "score"
GROUP_COLUMN = None  # the column that says which texts belong together (their review, their writer)
mine = EmbeddingValueLearner(embedder)
mine.add_training_examples(MY_FILE, text_column=TEXT_COLUMN, score_column=SCORE_COLUMN, group_column=GROUP_COLUMN)
measured = mine.train(random_state=SEED)
pd.Series(measured).round(3)

# %% tags=["deep", "folded"]
shuffled = f"Their scores, shuffled, look as good in {measured['p_value']:.1%} of all tries: "
verdict = say.choose(
    1 - measured["p_value"],  # NaN with too few texts
    (0.95, shuffled + "it has learned something."),
    (0, shuffled + "whether it has learned anything cannot be said yet."),
    otherwise=f"Too few to say whether it has learned anything: {mine.n_groups_} independent texts, and {intervals.MIN_UNITS} "
    "are needed.",
)
say.sentence(
    f"With {mine.n_samples_} examples the error on held-out texts is **{measured['val_mse']:.2f}**, and guessing the mean gets "
    f"**{measured['mean_val_mse']:.2f}**. One split says little, so all examples were held out once as well. {verdict}"
)

# %% tags=["deep"]
mine.rank_texts(["Draw a map of the neighbourhood", "Wait at the airport", "Pick apples with a friend"])
