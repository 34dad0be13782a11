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
# The first cell holds what you may want to change. The second loads the model and the questions, and deals
# them out into three parts. The third says which settings of a training we are going to try. Every section of
# this lesson needs these three cells and nothing else.

# %% tags=["parameters"]
MODEL = "all-MiniLM-L6-v2"  # any model of the catalogue
N_QUESTIONS = 648  # finance questions; 648 is all of them
N_OTHER = 300  # questions of another domain, and pairs of sentences, for the bill
MAX_LENGTH = 256  # tokens read of each text; more is slower
SEED = 0  # how questions are dealt out, and what training draws

# %% tags=["setup"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from course_utils.data import Pairs, load_corpus, split_pairs
from course_utils.drawing import EmbeddingVisualizer, maps, plots
from course_utils.embedding import load_embedder
from course_utils.learning import train_projection_head
from course_utils.measuring import intervals, metrics
from course_utils.teaching import exercises, say

q1, q2, q3, q4, q5 = exercises(5)
embedder = load_embedder(MODEL)
DIM = min(256, embedder.embedding_dim)  # dimensions of the head

fiqa = load_corpus("fiqa", n=N_QUESTIONS, seed=SEED)
pairs = Pairs.from_columns(fiqa["question"], fiqa["answer"])
train, validation, test = split_pairs(pairs, (0.6, 0.2, 0.2), seed=SEED)
embedder

# %% tags=["setup"]
GRID = [{"learning_rate": rate, "temperature": t} for rate in (1e-4, 1e-3) for t in (0.02, 0.1)]
GRID.append({"learning_rate": 1e-3, "temperature": 0.05, "hidden": 512})


def train_all(*parts, seed=SEED):
    """A head for each setting of the grid."""
    return [train_projection_head(*parts, dim=DIM, seed=seed, patience=4, **setting) for setting in GRID]


def best_of(trainings):
    """The training that did best on the validation questions."""
    return max(  # fixed: what is chosen here is judged by other questions
        trainings, key=lambda one: tuple(one.history.loc[one.best_epoch, ["recall_at_1", "mrr"]])
    )


def embed(some):
    """Vectors of questions, and of their answers."""
    answers = [texts[0] for texts in some.positives]
    asked = embedder.encode_query(some.queries, max_length=MAX_LENGTH)
    return asked, embedder.encode_document(answers, max_length=MAX_LENGTH)


# %% [markdown] tags=["core"]
# ## 1. Before touching anything
#
# People ask about money: taxes, pensions, shares. For each question we know the one answer that was written
# for it. An assistant should find that answer among all the others. Can we teach the model to do that better?
# First we look at what we have.

# %% tags=["core", "external-text"]
print(fiqa.attrs["source"])
fiqa.sample(3, random_state=SEED).style.hide(axis="index")

# %% [markdown] tags=["core"]
# The questions have been dealt out: most are for **training**, some for **validation** (to choose between
# settings), and the rest, the **test**, we promise not to look at until everything has been chosen. We embed all
# of them once; the encoder will stay as it is, so these vectors serve the whole lesson. The first time this
# takes about a minute.

# %% tags=["core"]
queries, answers = embed(pairs)
print(f"{len(train)} to train, {len(validation)} to validate, {len(test)} to test")
queries.shape, answers.shape

# %% [markdown] tags=["core"]
# The baseline: for every question, is its own answer the most similar of all? That share is called **recall at
# 1**. The control is the search by words, TF-IDF.

# %% tags=["core"]
from sklearn.feature_extraction.text import TfidfVectorizer

words = TfidfVectorizer(sublinear_tf=True).fit(fiqa["answer"])
by_words = (words.transform(fiqa["question"]) @ words.transform(fiqa["answer"]).T).toarray()
own = np.arange(len(pairs))
stock_right = ((queries @ answers.T).argmax(axis=1) == own).astype(float)
words_right = (by_words.argmax(axis=1) == own).astype(float)

# %% tags=["core", "folded"]
difference = intervals.difference_interval(stock_right, words_right)
say.sentence(
    f"Among {len(pairs)} answers the stock model puts the right one first for a share of "
    f"**{intervals.mean_interval(stock_right)}** of the questions; guessing would give {1 / len(pairs):.3f}. "
    + say.comparison("the stock model", "the search by words", difference, "recall at 1")
)

# %% [markdown] tags=["core"]
# Where it goes wrong, is it really wrong? Read a few of its mistakes: the question, the answer we wanted, and
# the one that came first.

# %% tags=["core", "external-text"]
missed = np.flatnonzero(stock_right == 0)[:3]
came_first = (queries @ answers.T).argmax(axis=1)
pd.DataFrame(
    {
        "question": fiqa["question"].to_numpy()[missed],
        "wanted": fiqa["answer"].str[:200].to_numpy()[missed],
        "came first": fiqa["answer"].str[:200].to_numpy()[came_first[missed]],
    }
).style.hide(axis="index")

# %% [markdown] tags=["core"]
# Some of those would serve the person who asked. The data know one right answer for each question, the world
# knows several. Keep that in mind: no model can reach a perfect score here, and none should.

# %% [markdown] tags=["core"]
# ## 2. The loss, by hand
#
# How do we tell a model that a question belongs to its answer? We take a small **batch**, here four questions
# to a notice board with the notice that answers each, and compare every question with every notice. The right
# pairs are on the diagonal.

# %% tags=["core"]
asked = load_corpus("noticeboard_questions").iloc[[0, 1, 2, 3]]
board = load_corpus("noticeboard").set_index("id")["message"]
notices = board[asked["relevant"]].tolist()
similarity = embedder.encode_query(asked["question"]) @ embedder.encode_document(notices).T
pd.DataFrame(similarity, index=asked["question"], columns=[f"notice {i}" for i in range(4)]).round(2)

# %% [markdown] tags=["core"]
# Read a row as a contest: the question must pick its own notice out of the four. The other three, which
# nobody had to label, are called **in-batch negatives**. We divide the row by a small number, the
# **temperature** $\tau$, and let the softmax turn it into probabilities:
#
# $$p_{ij} = \frac{e^{s_{ij}/\tau}}{\sum_k e^{s_{ik}/\tau}} \qquad \text{loss} = -\frac{1}{n} \sum_i \log p_{ii}$$
#
# This is **InfoNCE**. The smaller the temperature, the more only the hardest rival counts. The table shows the
# probability of the right notice, for each question.

# %% tags=["core"]
rows = {}
for temperature in (1, 0.2, 0.05, 0.01):
    odds = np.exp((similarity - similarity.max(axis=1, keepdims=True)) / temperature)
    rows[f"temperature {temperature}"] = np.diag(odds / odds.sum(axis=1, keepdims=True))
pd.DataFrame(rows, index=asked["question"]).round(3)

# %% [markdown] tags=["core"]
# ### Exercise 1: InfoNCE
#
# Write the loss as a function of a square matrix of similarities, with the right pairs on the diagonal, and the
# temperature. It returns one number, also at a temperature so low that a plain `np.exp` overflows.


# %% tags=["core", "exercise", "q1"]
def info_nce(similarity, temperature):
    ### BEGIN SOLUTION
    logits = similarity / temperature
    logits = logits - logits.max(axis=1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -np.diag(log_p).mean()
    ### END SOLUTION


# %% tags=["core"]
q1.check(info_nce)
# q1.hint()      # take away the # for a hint; run the cell again for the next one
# q1.solution()

# %% [markdown] tags=["core"]
# In-batch negatives have a flaw. Suppose the same notice is in the batch twice, because two people asked for it.
# Then each row holds a right notice against itself: a **false negative**. PyTorch computes the same loss; we
# double the batch and compare, once as it is and once with the doubles masked out, that is, left out of the sum.
# (Even then it is not quite the loss of the four alone, since each of the other notices stands there twice.)

# %% tags=["core"]
import torch

doubled = torch.tensor(np.tile(similarity, (2, 2))) / 0.05
target = torch.arange(8)
double = (target[:, None] % 4 == target % 4) & (target[:, None] != target)
plain = torch.nn.functional.cross_entropy(doubled[:4, :4], target[:4]).item()
careless = torch.nn.functional.cross_entropy(doubled, target).item()
masked = torch.nn.functional.cross_entropy(doubled.masked_fill(double, -torch.inf), target).item()

# %% tags=["core", "folded"]
say.sentence(
    f"Loss of the four pairs: **{plain:.3f}**. With every notice in the batch twice: **{careless:.3f}**. With the doubles "
    f"masked: **{masked:.3f}**. The careless loss could never fall below log 2 = {np.log(2):.3f}, however good the model: it "
    "would push right pairs apart for ever."
)

# %% [markdown] tags=["core"]
# ## 3. A head, trained in seconds
#
# To train all of the encoder takes patience on a laptop. We freeze it and put a small **projection head** on
# top: one matrix that turns each vector into another of fewer dimensions, scaled to length 1. The vectors are
# computed already, so an epoch, one pass over the training pairs, takes a blink. A head of one matrix begins
# as the directions of largest spread, which is the stock model squeezed. One with a **hidden layer** (two matrices, and
# between them every negative number becomes 0) begins with random numbers, and has to catch up first.
#
# Which **learning rate** (how large each step of the training is), which temperature, and should there be a hidden layer? We try the settings of the set-up
# cells, choose by the **validation** questions only, and show all of what we tried. Of each training the epoch with
# the best validation recall is kept. Equal recalls are told apart by the mean reciprocal rank, `mrr`: a right answer in first
# place counts 1, in second 1/2, in third 1/3, and so on.

# %% tags=["core"]
trainings = train_all(*embed(train), embed(validation))
tried = pd.DataFrame(GRID).assign(
    best_epoch=[one.best_epoch for one in trainings],
    recall_at_1=[one.history["recall_at_1"].max() for one in trainings],
    mrr=[one.history["mrr"][one.best_epoch] for one in trainings],
)
tried.round(4)

# %% [markdown] tags=["core"]
# Epoch 0 is the head before its first step. A setting whose best epoch is 0 has learned nothing that helps.
# We go on with the best setting, and look at how it got there: the loss on the training pairs to the left, the
# recall on the validation questions to the right, the kept epoch marked.

# %% tags=["core"]
chosen = best_of(trainings)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.plot(chosen.history["epoch"], chosen.history["loss"], marker="o", color=plots.PALETTE[0])
left.set(xlabel="epoch", ylabel="InfoNCE on training batches (nats)", title="What training minimises")
right.plot(chosen.history["epoch"], chosen.history["recall_at_1"], marker="o", color=plots.PALETTE[0])
right.axvline(chosen.best_epoch, linestyle="--", color="black")
right = right.set(xlabel="epoch", ylabel="recall at 1", ylim=(0, 1), title="What we want, on validation questions")

# %% tags=["core", "folded"]
loss, recall = chosen.history["loss"], chosen.history["recall_at_1"]
say.sentence(
    f"From epoch 0 to epoch {len(loss) - 1} the loss went from **{loss[0]:.2f}** to **{loss.iloc[-1]:.2f}**, "
    f"a change of {loss.iloc[-1] / loss[0] - 1:+.0%}. The recall on validation questions went from **{recall[0]:.3f}** to at "
    f"most **{recall.max():.3f}**: {round((recall.max() - recall[0]) * len(validation))} of {len(validation)} questions. And "
    f"that is the largest of {len(GRID)} settings, chosen because it is the largest."
)

# %% [markdown] tags=["core"]
# A loss that falls says that the head gets better at the pairs it is shown. Whether it gets better at *your*
# next question is another matter, and the test will say.

# %% [markdown] tags=["core"]
# ## 4. Five pictures
#
# Now we look at three models side by side, on the test questions: the **stock** model, the **head** we chose, and
# for contrast a head that we give a hidden layer and train **too long**, against the advice of the validation. The test
# questions search among the answers of *all* questions, as they would in use.

# %% tags=["core"]
last = {}
parts = (*embed(train), embed(validation))
chosen = best_of(train_all(*parts))
train_projection_head(
    *parts,
    dim=DIM,
    hidden=512,
    learning_rate=1e-3,
    epochs=30,
    patience=30,
    seed=SEED,
    on_epoch=lambda row, head: last.update(head=head),
)
stock = EmbeddingVisualizer(embedder, test, max_length=MAX_LENGTH)
head = EmbeddingVisualizer(embedder, test, head=chosen.head, max_length=MAX_LENGTH)
too_long = EmbeddingVisualizer(embedder, test, head=last["head"], name="too long", max_length=MAX_LENGTH)

# %% [markdown] tags=["core"]
# **The distribution.** Orange and hatched: the cosine of each question with all wrong answers. Blue: with the
# right one. Below, the same as boxes: the middle half, the median, and whiskers from the fifth to the
# ninety-fifth percentile. The further apart, the better, one should think.

# %% tags=["core"]
picture = stock.plot_similarity_distribution(head, too_long)
picture.figure

# %% [markdown] tags=["core"]
# Two numbers sum it up. The **margin** is the mean of the right cosines minus the mean of the wrong ones. The
# **separation** divides the margin by the spread: $\sqrt{(\sigma_r^2 + \sigma_w^2)/2}$, the two standard deviations
# squared, averaged, and the root of that.

# %% tags=["core"]
picture.numbers.round(3)

# %% [markdown] tags=["core"]
# ### Exercise 2: margin and separation
#
# Compute both from a square matrix of similarities whose right pairs are on the diagonal. Return the margin, then
# the separation.


# %% tags=["core", "exercise", "q2"]
def margin_and_separation(similarity):
    ### BEGIN SOLUTION
    right = np.diag(similarity)
    wrong = similarity[~np.eye(len(similarity), dtype=bool)]
    margin = right.mean() - wrong.mean()
    return margin, margin / np.sqrt((right.var() + wrong.var()) / 2)
    ### END SOLUTION


# %% tags=["core"]
q2.check(margin_and_separation)
# q2.hint()
# q2.solution()

# %% [markdown] tags=["core"]
# **The maps.** A blue dot is a question whose right answer comes first, an orange cross one whose does not; grey
# diamonds are the answers to the test questions, and a line ties each question to its own. Short lines are what we hope
# for. First t-SNE, then UMAP. Each panel is a map of its own, so only what lies near what may be compared.

# %% tags=["core"]
perplexity = min(30, len(test) // 2)
tsne = stock.plot_tsne(head, too_long, perplexity=perplexity)
tsne.figure

# %% tags=["core"]
umap = stock.plot_umap(head, too_long)
umap.figure

# %% [markdown] tags=["core"]
# Long lines are no proof of anything: the map has to put hundreds of dimensions on a plane. The table holds how
# many questions have their answer among the ten nearest of those drawn, in the vectors and on the map; by chance it would
# be ten out of all answers of the test. **Trustworthiness** says whether neighbours on the map are neighbours in the vectors: 1 if all
# are, about one half for shuffled points.

# %% tags=["core"]
near = ["right answer near, in the vectors", "right answer near, on the map", "trustworthiness"]
pd.concat({"t-SNE": tsne.numbers[near], "UMAP": umap.numbers[near]}).round(2)

# %% [markdown] tags=["core"]
# **The heatmap.** The first forty questions down, their answers across, in the same order, on a scale that is the same in every
# panel: dark is 0, bright is 1. We look for a bright diagonal on a dark ground.

# %% tags=["core"]
stock.plot_similarity_heatmap(head, too_long).figure

# %% [markdown] tags=["core"]
# **The first ten.** A row a question, its ten most similar answers from left to right with their cosines. The right
# one is blue and ticked. This is the only one of the five pictures that a user of the search would notice.

# %% tags=["core"]
top = stock.plot_top_k_predictions(head, too_long, n=8, labels=[f"question {i}" for i in range(len(test))], seed=SEED)
top.figure

# %% tags=["core", "folded"]
panels = {model.name: model for model in (stock, head, too_long)}
own = np.arange(len(test))  # the test questions' answers come first
margins = {}
for name, model in panels.items():
    right = model.similarity[own, own]
    margins[name] = right - (model.similarity.sum(axis=1) - right) / (len(model.candidates) - 1)
best = intervals.leader({name: model.right_first for name, model in panels.items()})
say.sentence(
    f"- {say.leader(intervals.leader(margins), 'margin')}\n- {say.leader(best, 'share of right answers first')}\n"
    f"- {say.comparison('too long', 'stock', too_long.gain_over(stock), 'share of right answers first')}\n\n"
    "A user does not see margins."
)

# %% [markdown] tags=["core"]
# ## 5. The verdict, and the bill
#
# The decision is made by ranks, with intervals, on questions that played no part in training. Thresholds on
# cosines come second, to find out *why*. Here is both for the head, with yes-or-no questions from an encyclopaedia as
# the other domain: what does finance training do to those?

# %% tags=["core"]
chosen = best_of(train_all(*embed(train), embed(validation)))
boolq = load_corpus("boolq").drop_duplicates("title").sample(N_OTHER, random_state=SEED)
other = Pairs.from_columns(boolq["question"], boolq["passage"])
models = {
    (name, where): EmbeddingVisualizer(embedder, some, head=head, name=name, max_length=MAX_LENGTH)
    for where, some in (("finance", test), ("elsewhere", other))
    for name, head in (("stock", None), ("head", chosen.head))
}
stock, head = models["stock", "finance"], models["head", "finance"]
verdict = head.verdict(stock, (models["head", "elsewhere"], models["stock", "elsewhere"]))
verdict.evidence.round(3)

# %% tags=["core", "folded"]
say.sentence(f"Verdict: **{verdict.advice}**, because {verdict.reason}")

# %% [markdown] tags=["core"]
# And the usual checklist, with the thresholds that are handed around:

# %% tags=["core"]
verdict.checklist.round(2)

# %% [markdown] tags=["core"]
# Do not believe such thresholds before you know what they measure. We take the stock vectors and give every one
# of them, questions and answers alike, **one more dimension with the same number in it**. Nobody has learned
# anything. Which answers come first, and what does the checklist make of it?

# %% tags=["core"]
rows = []
for extra in (0, 1, 2):
    longer = [
        np.pad(v, ((0, 0), (0, 1)), constant_values=extra) for v in (stock.query_vectors, stock.candidate_vectors)
    ]
    cosines = metrics.normalize(longer[0]) @ metrics.normalize(longer[1]).T
    right, wrong = cosines[stock.is_right], cosines[~stock.is_right]
    first = (cosines.argmax(axis=1) == np.arange(len(cosines))).mean()
    rows.append((extra, right.mean(), wrong.mean(), right.mean() - wrong.mean(), first))
pd.DataFrame(rows, columns=["constant", "diagonal", "off the diagonal", "margin", "right first"]).round(3)

# %% [markdown] tags=["core"]
# The ranks stay, and all cosines move: with a constant $c$ every cosine $s$ becomes $(s + c^2)/(1 + c^2)$. Models do
# differ like that, by the temperature they were trained with and the direction all their vectors share. So a
# threshold on cosines that was found on one model says nothing about another.
#
# The test part is small, and it is one draw. For the bill we let **every** question be a test question once: five
# folds, of which three teach, one chooses among the settings, and one is held out and searched among *all* answers.
# And all that with three seeds.

# %% tags=["core"]
queries, answers = embed(pairs)


def out_of_fold(seed):
    """Whether the right answer comes first, for each question, by a head that has not seen it."""
    right = np.zeros(len(pairs))
    folds = np.array_split(np.random.default_rng(seed).permutation(len(pairs)), 5)
    for i in range(5):
        held_out, choosing = folds[i], folds[i - 1]
        learning = np.setdiff1d(np.arange(len(pairs)), [*held_out, *choosing])
        choices = queries[choosing], answers[choosing]
        best = best_of(train_all(queries[learning], answers[learning], choices, seed=seed))
        found = best.head.transform(queries[held_out]) @ best.head.transform(answers).T
        right[held_out] = found.argmax(axis=1) == held_out
    return right


# %% tags=["core"]
before = ((queries @ answers.T).argmax(axis=1) == np.arange(len(pairs))).astype(float)
after = {seed: out_of_fold(seed) for seed in (SEED, SEED + 1, SEED + 2)}
gains = {f"seed {seed}": intervals.difference_interval(right, before) for seed, right in after.items()}
gains["all three"] = intervals.difference_interval(np.array(list(after.values())), before)
pd.DataFrame({name: {"gain": g.estimate, "low": g.low, "high": g.high} for name, g in gains.items()}).T.round(3)

# %% tags=["core", "folded"]
together = np.mean(list(after.values()), axis=0)
say.sentence(
    f"Recall at 1 over all {len(pairs)} questions: **{before.mean():.3f}** before, **{together.mean():.3f}** after. "
    + say.comparison("the head", "the stock model", gains["all three"], "recall at 1")
    + f" That is {100 * gains['all three'].estimate:+.1f} in a hundred questions ({100 * gains['all three'].low:+.1f} to "
    f"{100 * gains['all three'].high:+.1f}). With one seed or another {int((together > before).sum())} questions were won and "
    f"{int((together < before).sum())} lost."
)

# %% [markdown] tags=["core"]
# ### Exercise 3: is this improvement real?
#
# Two systems answered the same questions; `before` and `after` (arrays) hold a 1 for right and a 0 for wrong,
# question by question. Draw the questions again, with replacement, a thousand times or more; take the mean **difference** each time, and
# the middle ninety-five in a hundred of those. Return `"better"`, `"worse"` or `"cannot tell"`.


# %% tags=["core", "exercise", "q3"]
def is_it_real(before, after):
    ### BEGIN SOLUTION
    difference = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    rng = np.random.default_rng(0)
    means = rng.choice(difference, size=(2000, len(difference))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return "better" if low > 0 else "worse" if high < 0 else "cannot tell"
    ### END SOLUTION


# %% tags=["core"]
q3.check(is_it_real)
# q3.hint()
# q3.solution()

# %% [markdown] tags=["core"]
# Last, what did it cost elsewhere? Encyclopaedia questions as above, and the rank correlation with human scores of
# sentence pairs (STS-B), both before and after, with intervals of the change.

# %% tags=["core"]
scored = load_corpus("sts_b", n=N_OTHER, seed=SEED)
sides = [embedder.encode(scored[column]) for column in ("sentence1", "sentence2")]
projected = [chosen.head.transform(side) for side in sides]
cosines = [(one * two).sum(axis=1) for one, two in (projected, sides)]
sts = intervals.spearman_interval(scored["score"], *cosines)

# %% tags=["core", "folded"]
elsewhere = models["head", "elsewhere"].gain_over(models["stock", "elsewhere"])
say.sentence(
    "- Encyclopaedia: "
    + say.comparison("the head", "the stock model", elsewhere, "recall at 1")
    + "\n- Sentence pairs: "
    + say.comparison("the head", "the stock model", sts, "rank correlation")
)

# %% [markdown] tags=["core"]
# A small gain, or one that cannot be told from zero, **is a result**, and a valuable one: it took little time to get, and
# says whether it would be worth running one more model. A few hundred pairs and one matrix are little to teach a
# model that has read hundreds of millions of pairs, some of them on money. The interval is one over questions like
# these, with this recipe; it does not speak of more data or of another method. Sections 9 and 10 show what else can be
# tried, and where a head does make a difference.

# %% [markdown] tags=["core"]
# ## Recap
#
# - **Measure first.** Without the stock model beside it, no score of a trained model means anything.
# - **InfoNCE** lets each question pick its answer out of the batch; the temperature says how much only the hardest rival
#   counts; false negatives must be masked.
# - A loss that falls, a wider margin, a prettier map: none of them is the thing a user notices. **Ranks on unseen questions** are.
# - **Thresholds on cosines** belong to one model. Do not carry them over.
# - Settings are chosen on validation questions, all that was tried is disclosed, and the **bill** lists where it hurt.
#
# If you are here within the hour, well done. What follows goes deeper; each section stands on its own.

# %% [markdown] tags=["deep"]
# ## 6. Watching it learn
#
# How do the points move while a head is trained? We keep the head of several epochs and draw one map of each. The maps
# are **aligned**: each starts from the first and is turned to fit it, so that a point can be followed. To see
# something move we take the head with a hidden layer, which starts from chance.

# %% tags=["deep"]
heads = {}
train_projection_head(
    *embed(train),
    embed(validation),
    dim=DIM,
    hidden=512,
    learning_rate=1e-3,
    epochs=24,
    patience=24,
    seed=SEED,
    on_epoch=lambda row, head: heads.update({row["epoch"]: head}),
)
epochs = (0, 1, 2, 4, 8, 16, 24)
queries, answers = embed(test)
spaces = {epoch: np.concatenate([heads[epoch].transform(side) for side in (queries, answers)]) for epoch in epochs}
drawn = maps.project_aligned({str(epoch): space for epoch, space in spaces.items()}, "tsne", random_state=SEED)

# %% [markdown] tags=["deep"]
# Press *play*, or drag the slider. One frame an epoch; circles are questions, diamonds answers.

# %% tags=["deep"]
import plotly.express as px

frames = pd.concat(
    pd.DataFrame(points, columns=["x", "y"]).assign(
        epoch=epoch, what=["question"] * len(test) + ["answer"] * len(test), point=np.arange(len(points))
    )
    for epoch, points in drawn.items()
)
reach = 1.05 * frames[["x", "y"]].abs().max().max()
figure = px.scatter(
    frames,
    x="x",
    y="y",
    color="what",
    symbol="what",
    animation_frame="epoch",
    animation_group="point",
    range_x=(-reach, reach),
    range_y=(-reach, reach),
    width=700,
    height=650,
    template="plotly_white",
    color_discrete_sequence=[plots.PALETTE[0], plots.PALETTE[8]],
    title="One map an epoch, aligned",
    labels={"x": "t-SNE 1 (no unit)", "y": "t-SNE 2 (no unit)"},
)
figure

# %% [markdown] tags=["deep"]
# Beside the film, its numbers: how many neighbours each map keeps of its own vectors, how many neighbours of the first
# epoch are still neighbours *in the vectors*, and how often the right answer comes first.

# %% tags=["deep"]
rows = {}
for epoch in epochs:
    one, two = spaces[epoch][: len(test)], spaces[epoch][len(test) :]
    nearest, first = (metrics.nearest_neighbors(space, 10) for space in (spaces[epoch], spaces[0]))
    rows[epoch] = {
        "neighbours kept by the map": metrics.knn_overlap(
            spaces[epoch], drawn[str(epoch)], metric=("cosine", "euclidean")
        ).mean(),
        "neighbours as at epoch 0": np.mean([len({*a} & {*b}) / 10 for a, b in zip(nearest, first, strict=True)]),
        "right answer first": ((one @ two.T).argmax(axis=1) == np.arange(len(test))).mean(),
    }
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for (name, values), color, marker in zip(pd.DataFrame(rows).T.items(), plots.PALETTE, "oDs", strict=False):
    axis.plot(values.index, values, color=color, marker=marker, label=name)
axis.legend(frameon=False)
axis = axis.set(xlabel="epoch", ylabel="share", ylim=(0, 1), title="What moves while the head is trained")

# %% tags=["deep", "folded"]
kept = pd.DataFrame(rows).T
say.sentence(
    f"Between epoch 0 and {epochs[-1]} only {kept['neighbours as at epoch 0'].iloc[-1]:.0%} of the neighbours stayed "
    f"the same, and the share of right answers first went from {kept['right answer first'].iloc[0]:.2f} to "
    f"{kept['right answer first'].iloc[-1]:.2f}. The maps keep {kept['neighbours kept by the map'].min():.0%} to "
    f"{kept['neighbours kept by the map'].max():.0%} of the neighbours in the vectors: what the film shows is "
    + say.choose(
        kept["neighbours kept by the map"].min(), (0.5, "mostly real."), otherwise="in good part the work of the map."
    )
)

# %% [markdown] tags=["deep"]
# ## 7. Learning by heart
#
# A head with a hidden layer has more numbers in it than all our questions have words. We train it for forty epochs
# and ask it two things after each: the questions it was trained on, and those it has not seen.

# %% tags=["deep"]
taught, unseen = embed(train), embed(validation)
answers = np.concatenate([taught[1], unseen[1]])
curves = {"training questions": [], "validation questions": []}


def examine(row, head):
    """Recall at 1 of both kinds of questions, among the answers of both."""
    for curve, (asked, _), start in zip(curves.values(), (taught, unseen), (0, len(taught[0])), strict=True):
        found = head.transform(asked) @ head.transform(answers).T
        curve.append((found.argmax(axis=1) == np.arange(len(asked)) + start).mean())


training = train_projection_head(
    *taught, unseen, dim=DIM, hidden=512, learning_rate=1e-3, epochs=40, patience=40, seed=SEED, on_epoch=examine
)

# %% tags=["deep", "folded"]
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for (name, curve), color, marker in zip(curves.items(), plots.PALETTE, "oD", strict=False):
    axis.plot(curve, color=color, marker=marker, label=name)
axis.axvline(training.best_epoch, linestyle="--", color="black", label="best on validation")
axis.legend(frameon=False)
axis = axis.set(xlabel="epoch", ylabel="recall at 1", ylim=(0, 1.02), title="The same head, two kinds of questions")

# %% tags=["deep", "folded"]
seen, new = (np.array(curve) for curve in curves.values())
say.sentence(
    f"After {len(seen) - 1} epochs the head answers **{seen[-1]:.0%}** of the questions it was trained on and **{new[-1]:.0%}** of "
    f"the others, a gap of {seen[-1] - new[-1]:.0%}; before the first step the gap was {seen[0] - new[0]:+.0%}."
)

# %% [markdown] tags=["deep"]
# **Early stopping** ends a training when nothing has become better for a while, and keeps the best epoch.
#
# ### Exercise 4: early stopping
#
# `recalls` holds the validation recall after each epoch, beginning with epoch 0. Training stops as soon as `patience`
# epochs in a row have brought nothing above the best so far. Return the number of the epoch that is kept.


# %% tags=["deep", "exercise", "q4"]
def kept_epoch(recalls, patience):
    ### BEGIN SOLUTION
    best = 0
    for epoch, recall in enumerate(recalls):
        if recall > recalls[best]:
            best = epoch
        elif epoch - best >= patience:
            break
    return best
    ### END SOLUTION


# %% tags=["deep"]
q4.check(kept_epoch)
# q4.hint()
# q4.solution()

# %% [markdown] tags=["deep"]
# ## 8. Hard negatives, and reading a heatmap
#
# Most in-batch negatives are easy: a question on pensions is not tempted by an answer on credit cards. A **hard
# negative** is a wrong answer that the stock model ranks high. We mine one a question among the training answers, and
# train with and without. The danger: an answer that ranks high and is not *the* one may still be *a* right one.

# %% tags=["deep"]
asked, right = embed(train)
similarity = asked @ right.T
np.fill_diagonal(similarity, -1)
hardest = right[similarity.argmax(axis=1)][:, None]
parts = (asked, right, embed(validation))
trained = {
    "with hard negatives": train_projection_head(*parts, negatives=hardest, dim=DIM, seed=SEED),
    "without": train_projection_head(*parts, dim=DIM, seed=SEED),
}

# %% tags=["deep", "folded"]
models = {
    name: EmbeddingVisualizer(embedder, test, head=one.head, name=name, max_length=MAX_LENGTH)
    for name, one in trained.items()
}
difference = models["with hard negatives"].gain_over(models["without"])
say.sentence(say.comparison("with hard negatives", "without", difference, "share of right answers first"))

# %% [markdown] tags=["deep"]
# A heatmap of questions against their answers shows at a glance what may be wrong with a model, or with the data. Here are
# three, made from the test vectors: as they are; with all vectors drawn towards one direction (**collapsed**); and with
# the answers in the wrong order (**mismatched**), as a slip in a table would do it.

# %% tags=["deep", "folded"]
one, two = (side[:30] for side in embed(test))
pull = 4 * metrics.normalize(one.mean(axis=0, keepdims=True))
cases = {
    "as it is": one @ two.T,
    "collapsed": metrics.normalize(one + pull) @ metrics.normalize(two + pull).T,
    "mismatched": one @ np.roll(two, 7, axis=0).T,
}
figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
for axis, (name, values) in zip(axes, cases.items(), strict=True):
    image = axis.imshow(values, vmin=0, vmax=1, cmap="viridis")
    axis.set(title=name, xlabel="answer", ylabel="question")
colorbar = figure.colorbar(image, ax=axes, label="cosine similarity")

# %% [markdown] tags=["deep"]
# ### Exercise 5: read a bad heatmap
#
# Write a function that looks at a square matrix of similarities and returns `"collapsed"` if the mean off the
# diagonal is above nine tenths, else `"mismatched"` if fewer than half of the rows have their largest value on the
# diagonal, else `"healthy"`.


# %% tags=["deep", "exercise", "q5"]
def read_heatmap(similarity):
    ### BEGIN SOLUTION
    off_diagonal = similarity[~np.eye(len(similarity), dtype=bool)]
    if off_diagonal.mean() > 0.9:
        return "collapsed"
    on_diagonal = similarity.argmax(axis=1) == np.arange(len(similarity))
    return "mismatched" if on_diagonal.mean() < 0.5 else "healthy"
    ### END SOLUTION


# %% tags=["deep"]
q5.check(read_heatmap)
# q5.hint()
# q5.solution()

# %% [markdown] tags=["deep"]
# What does your function say of the three above?

# %% tags=["deep"]
{name: read_heatmap(values) for name, values in cases.items()}

# %% [markdown] tags=["deep"]
# ## 9. When a head is enough
#
# Finance questions and their answers lie near each other in the stock model already. What if *your* notion of "belongs
# together" is another one than the model's? Say that two posts belong together when they come from the same newsgroup. We
# teach that to a head with pairs of posts from one group; posts of a group are never each other's negatives.

# %% tags=["deep"]
posts = load_corpus("newsgroups", n_per_group=60, seed=SEED)
vectors = embedder.encode(posts["text"], max_length=min(MAX_LENGTH, 128))
names = posts["group"].to_numpy()
chance = np.random.default_rng(SEED)
part = chance.permutation(np.arange(len(posts)) % 3)  # two thirds to teach and validate, a third to test


def partners(rows):
    """Another post of the same group for each of these."""
    return np.array([chance.choice([j for j in rows if names[j] == names[i] and j != i]) for i in rows])


teach, choose, held_out = (np.flatnonzero(part == i) for i in range(3))
training = train_projection_head(
    vectors[teach],
    vectors[partners(teach)],
    (vectors[choose], vectors[partners(choose)]),
    groups=names[teach],
    dim=DIM,
    patience=20,
    seed=SEED,
)

# %% [markdown] tags=["deep"]
# The measure: the share of a post's ten nearest neighbours that are of its own group, among posts that were not taught.
# And the bill: the same for posts of five **other** groups, of which the head has seen none. Chance would give about one
# in ten for the first and one in five for the second, so compare head and stock model, not the two kinds of groups.

# %% tags=["deep", "folded"]
unknown = ["comp.windows.x", "misc.forsale", "rec.sport.hockey", "sci.electronics", "soc.religion.christian"]
others = load_corpus("newsgroups", groups=unknown, n_per_group=40, seed=SEED)
other_vectors = embedder.encode(others["text"], max_length=min(MAX_LENGTH, 128))
statements = []
for where, some, labels in (
    ("groups it was taught", vectors[held_out], names[held_out]),
    ("groups it never saw", other_vectors, others["group"]),
):
    own = [metrics.knn_accuracy(space, labels, k=10) for space in (some, training.head.transform(some))]
    difference = intervals.difference_interval(own[1], own[0])
    statements.append(
        f"- {where}: {say.comparison('the head', 'the stock model', difference, 'share of own neighbours')}"
    )
say.sentence("\n".join(statements))

# %% [markdown] tags=["deep"]
# A head of one matrix can only turn, stretch and drop directions that the encoder already has. Where your notion of likeness is a
# matter of *which* directions count, that is enough. Where the encoder does not see the difference at all, no head will.

# %% [markdown] tags=["deep"]
# ## 10. Training the encoder itself, with LoRA
#
# sentence-transformers has a trainer of its own. **LoRA** adds two thin matrices to some layers of the encoder and trains
# only those. This needs the extra `finetune`, and patience: here are a few steps on short texts, so that you see how it is
# done. For a real training take all pairs, several epochs, and a graphics card.

# %% tags=["deep"]
import tempfile
from importlib.util import find_spec

from course_utils.embedding import LocalEmbedder

have_extra = all(map(find_spec, ("peft", "accelerate", "datasets"))) and isinstance(embedder, LocalEmbedder)
if not have_extra:
    print("Not run: it needs the extra `finetune` (pip install -e '.[finetune]') and a model on this machine.")

# %% tags=["deep"]
if have_extra:
    from datasets import Dataset
    from peft import LoraConfig
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    lora = load_embedder(MODEL, cache=False)
    lora.model.add_adapter(LoraConfig(r=8, lora_alpha=16, target_modules="all-linear"))
    trainable = sum(p.numel() for p in lora.model.parameters() if p.requires_grad)
    print(f"{trainable:,} of {lora.card.n_parameters:,} parameters are trained")

# %% tags=["deep"]
if have_extra:
    few = train.take(range(min(128, len(train))))
    columns = {"anchor": few.queries, "positive": [texts[0] for texts in few.positives]}
    lora.model.max_seq_length = 64
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=16,
            learning_rate=1e-3,
            seed=SEED,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            logging_strategy="no",
        )
        loss = MultipleNegativesRankingLoss(lora.model)
        SentenceTransformerTrainer(lora.model, arguments, Dataset.from_dict(columns), loss=loss).train()

# %% [markdown] tags=["deep"]
# The loss in there is the InfoNCE of section 2, with a temperature of one twentieth. Was it worth it? Stock model and
# adapter are compared on the same test questions, cut at the same length.

# %% tags=["deep"]
if have_extra:
    tuned = EmbeddingVisualizer(lora, test, name="LoRA, a few steps", max_length=64)
    plain = EmbeddingVisualizer(embedder, test, max_length=64)
    difference = tuned.gain_over(plain)
    moved = np.mean(np.sum(tuned.query_vectors * plain.query_vectors, axis=1))
    said = say.comparison("LoRA, a few steps", "stock", difference, "share of right answers first")
    said += f" The mean cosine of a question's old and new vector is **{moved:.3f}**."
else:
    said = "Not run, see above."
say.sentence(said)

# %% [markdown] tags=["deep"]
# ## 11. Bring your own pairs
#
# Put your questions and answers into a CSV file with the columns `query` and `pos` (and `neg`, if you have answers that
# look right and are not), and its path into the next cell. JSON and JSONL work too. As it stands, it takes the
# course's notice board. Nothing leaves your computer.

# %% tags=["deep"]
from course_utils.data import read_pairs

MY_FILE = None  # for example "my_pairs.csv"
asked = load_corpus("noticeboard_questions")
board = load_corpus("noticeboard").set_index("id")["message"]
mine = read_pairs(MY_FILE) if MY_FILE else Pairs.from_columns(asked["question"], board[asked["relevant"]])
mine = mine.take(range(min(len(mine), 500)))
my_model = EmbeddingVisualizer(embedder, mine)

# %% tags=["deep"]
my_model.plot_top_k_predictions(k=min(5, len(my_model.candidates)), n=12).figure

# %% tags=["deep", "folded"]
my_verdict = my_model.verdict()
say.sentence(
    f"On your pairs: right answer first for **{my_model.scores()['right answer first']}** of {len(mine)} "
    f"questions, among {len(my_model.candidates)} answers. Advice: **{my_verdict.advice}**, because {my_verdict.reason}"
)

# %% [markdown] tags=["deep"]
# The same from the command line, with training. `train` sets a part of your questions aside, and `evaluate` and
# `visualize` use only those, as the checkpoint remembers what it has seen:
#
# ```
# course train --data my_pairs.csv --epochs 10 --out my_head --export my_model
# course evaluate --data my_pairs.csv --checkpoint my_head
# course visualize --data my_pairs.csv --checkpoint my_head --output visualizations/
# ```
#
# `my_model` is then an ordinary folder for `SentenceTransformer("my_model")`, or for `load_embedder("my_model")` here.
