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
# The cell below holds what you may want to change. Run it as it is the first time. The two after it load
# the model and the questions of a chatbot; every section of this lesson needs these three cells and nothing
# else.

# %% tags=["parameters"]
MODEL = "all-MiniLM-L6-v2"  # the model in question, any one of the catalogue
N_PAIRS = 300  # scored pairs of sentences
N_QUESTIONS = 200  # questions to an encyclopedia
N_PASSAGES = 1000  # passages that are searched for them
N_PER_GROUP = 20  # newsgroup posts a group
N_TIMED = 16  # texts in one timing
MAX_LENGTH = 128  # tokens read of each text; more is slower
SEED = 0  # which pairs, questions and posts are drawn

# %% tags=["setup"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from course_utils.data import load_corpus
from course_utils.drawing import plots
from course_utils.embedding import load_embedder, variants
from course_utils.measuring import Classification, Contender, Retrieval, Similarity
from course_utils.measuring import benchmark, intervals, metrics, recommend, timing
from course_utils.teaching import exercises, say

q1, q2, q3, q4, q5 = exercises(2)
embedder = load_embedder(MODEL)
name = embedder.card.name.split("/")[-1]
main = Contender(name, MODEL, max_length=MAX_LENGTH)
embedder

# %% tags=["setup"]
traces = load_corpus("traces")
questions = load_corpus("trace_questions")
traces["text"] = traces["pattern"] + " " + traces["approach"] + " Tools: " + traces["tools"]
answer = questions["relevant"].map({trace: i for i, trace in enumerate(traces["id"])}).to_numpy()
chatbot = Retrieval("chatbot", questions["question"], traces["text"], answer[:, None], units=answer)
traces.shape, questions.shape

# %% [markdown] tags=["core"]
# ## 1. A brief
#
# A company that sells broadband, energy and gadgets has a support chatbot. Its best answers have been
# written down as **reasoning traces**: what kind of question it was, how to go about it, which tools to
# use. When a new question comes in, the chatbot should find the trace that fits and follow it. We are asked
# which embedding model it needs.

# %% tags=["core"]
traces.loc[[0, 1], ["id", "pattern", "approach", "tools"]].style.hide(axis="index")

# %% [markdown] tags=["core"]
# For each trace there are three questions of which we know that this trace is the right one: an **easy**
# one in much the same words, a **paraphrase**, and a **hard** one. Hard questions use the words of
# another trace: somebody speaks of a charge on the card, and what went wrong is the delivery. A third of the questions are so on
# purpose; a real chatbot would have an easier time. Here are those of the first trace.

# %% tags=["core"]
questions.head(3).style.hide(axis="index")

# %% [markdown] tags=["core"]
# What would "good" be? A chatbot follows one trace, so what counts is whether the right one comes first.
# That is **recall@1**: the share of questions whose right trace is the most similar one. If the bot could
# show five traces to a person who picks one, it would be recall@5. The measure comes from the brief, never
# from what a model is good at.

# %% tags=["core"]
query_vectors = embedder.encode_query(questions["question"], max_length=MAX_LENGTH)
trace_vectors = embedder.encode_document(traces["text"], max_length=MAX_LENGTH)
similarity = query_vectors @ trace_vectors.T
similarity.shape

# %% [markdown] tags=["core"]
# ### Exercise 1: recall@k
#
# Write a function that takes such a matrix (one row a question, one column a document), the position of
# the right document of each question, and `k`. It returns the share of questions whose right document is
# among the `k` most similar ones.


# %% tags=["core", "exercise", "q1"]
def recall_at_k(similarity, answer, k):
    ### BEGIN SOLUTION
    order = np.argsort(-similarity, axis=1)
    found = order[:, :k] == np.asarray(answer)[:, None]
    return found.any(axis=1).mean()
    ### END SOLUTION


# %% tags=["core"]
q1.check(recall_at_k)
# q1.hint()      # take away the # for a hint; run the cell again for the next one
# q1.solution()

# %% [markdown] tags=["core"]
# The library has the same, with one value a question, so that we can look at parts: how does the model do
# on each kind of question, and how large would the list have to be?

# %% tags=["core"]
recall = {f"recall@{k}": metrics.recall_at_k(similarity, answer[:, None], k) for k in (1, 3, 5)}
by_kind = pd.DataFrame(recall).groupby(questions["difficulty"], sort=False).mean()
by_kind.loc["all"] = pd.DataFrame(recall).mean()
by_kind.round(2)

# %% [markdown] tags=["core"]
# Before we look for another model we write down the rule by which we will decide, while we do not yet know
# whom it favours: **stay with the small model if recall@1 reaches 0.8, else upgrade or fine-tune.** <!-- fixed: the rule we set -->
# To upgrade is to take a better model, mostly a larger one; to fine-tune is to train this one further on texts of the task
# (lesson 5).
# A share measured on a few questions is uncertain, so the rule is applied to an **interval**, the range in
# which the true value plausibly lies. If the threshold lies inside of it, the honest answer is "undecided".
#
# One trap on the way: the three questions of a trace need not be three independent pieces of evidence. If an odd
# trace spoils them all, they count for little more than one; if each trace has an easy and a hard one, they differ
# more than questions of different traces do. So the interval goes over whole traces (`groups`), whichever it is. Both
# intervals tell which it is.

# %% tags=["core"]
interval = intervals.mean_interval(recall["recall@1"], groups=answer)
alone = intervals.mean_interval(recall["recall@1"])
wider = (interval.high - interval.low) / (alone.high - alone.low)
together = say.choose(
    wider,
    (1.1, "succeed and fail together more than others do"),
    (0.9, "are about as good as independent"),
    otherwise="differ more than questions of different traces do",
)
say.sentence(
    f"**{name}** has a recall@1 of **{interval}**, over {interval.n} traces. By the rule: "
    f"**{recommend.stay_or_upgrade(interval)}**. Taken for independent, the {alone.n} questions would give {alone.low:.2f} "
    f"to {alone.high:.2f}; over traces the interval is {wider:.2f} times as wide: here the questions of a trace {together}."
)

# %% [markdown] tags=["core"]
# Keep this result in mind. The rest of the lesson asks what one would upgrade *to*, what that costs, and
# how sure we may be that it helps.

# %% [markdown] tags=["core"]
# ## 2. Fair timing
#
# "How fast is it?" sounds like the easy question. Let us time the same work twelve times: a call with a few
# short texts, right after the model was loaded. The texts are different each time, and the cache is off;
# otherwise we would measure the disk.

# %% tags=["core", "external-text"]
posts = load_corpus("newsgroups", n_per_group=80, seed=SEED)
pieces = timing.cut_pieces(posts["text"], words=12, n=12 * N_TIMED)
fresh = load_embedder(MODEL, cache=False)
seconds = timing.time_calls(fresh.encode, pieces, batch_size=N_TIMED, n_repeats=12)
(seconds * 1000).round(0)

# %% [markdown] tags=["core"]
# Each marker is one call, in milliseconds; the dashed line is the median of all but the first, the shaded
# band its **interquartile range**, which holds the middle half of the timings.

# %% tags=["core"]
q25, median, q75 = np.quantile(seconds[1:] * 1000, [0.25, 0.5, 0.75])
figure, axis = plt.subplots(figsize=(7, 3.5))
axis.plot(np.arange(1, 13), seconds * 1000, "o", color=plots.PALETTE[0])
axis.axhline(median, linestyle="--", color="black")
axis.axhspan(q25, q75, color=plots.PALETTE[0], alpha=0.2)
axis.set(xlabel="call", ylabel=f"ms for {N_TIMED} texts", title="The same work, twelve times", xticks=range(1, 13))
axis = axis.set_ylim(bottom=0)

# %% tags=["core"]
rest = seconds[1:] * 1000
say.sentence(
    f"The first call took **{seconds[0] * 1000:.0f} ms**, {seconds[0] * 1000 / median:.1f} times the median of the others. "
    f"Among those the slowest took {rest.max() / rest.min():.1f} times as long as the fastest. Somebody who timed two models "
    f"once each could have found that a model is {rest.max() / rest.min():.1f} times faster than itself."
)

# %% [markdown] tags=["core"]
# Whatever else your computer does goes into every single timing. So: **warm up** first (libraries set
# things up in the first call), **repeat**, and report the **median** with the quartiles. Numbers from two
# machines cannot be compared. Compare models on one machine, and expect even their ratio to differ somewhat on another.
#
# The next question is: of *what* is the speed? We time three lengths of text, one by one (somebody waits
# for one answer) and in batches (a whole collection is embedded). Of the longest, the model leaves out the last
# words: it stops at `MAX_LENGTH` tokens.

# %% tags=["core"]
speed = timing.measure_speed([main], posts["text"], words=(8, 32, 128), batch_sizes=(1, N_TIMED), n_texts=N_TIMED)
speed.drop(columns=["model", "why"]).round(2)

# %% [markdown] tags=["core"]
# The figure has one line a batch size: time per text against its length, with bars for the quartiles. Both
# axes are logarithmic, so a straight line with a slope of one would mean "double the words, double the
# time".

# %% tags=["core"]
figure, axis = plt.subplots(figsize=(7, 4))
for (size, rows), color, marker in zip(speed.groupby("batch_size"), plots.PALETTE, "oD", strict=False):
    errors = [rows["ms_per_text"] - rows["q1"], rows["q3"] - rows["ms_per_text"]]
    axis.errorbar(rows["words"], rows["ms_per_text"], yerr=errors, color=color, marker=marker, capsize=4, label=size)
axis.set(xscale="log", yscale="log", xlabel="words a text", ylabel="ms per text", title="Speed depends on the texts")
axis.set_xticks([8, 32, 128], ["8", "32", "128"])
axis.yaxis.set_major_formatter("{x:g}")
axis.yaxis.set_minor_formatter("{x:g}")
axis = axis.legend(title="texts a call")

# %% tags=["core"]
ms = speed.set_index(["words", "batch_size"])["ms_per_text"]
say.sentence(
    f"A text of 128 words takes **{ms[128, N_TIMED] / ms[8, N_TIMED]:.1f} times** as long as one of 8 words in batches, and "
    f"{ms[128, 1] / ms[8, 1]:.1f} times one by one. Batches make short texts {ms[8, 1] / ms[8, N_TIMED]:.1f} times cheaper, long "
    f"ones {ms[128, 1] / ms[128, N_TIMED]:.1f} times. A speed without length and batch size says nothing."
)

# %% [markdown] tags=["core"]
# ## 3. One quality table
#
# Is a model that is good at one thing good at others? Four tasks: **similarity** (do cosines follow
# people's scores of sentence pairs?), **retrieval** twice (questions to an encyclopedia; our chatbot) and
# **classification** (which newsgroup is a post from, learned from the vectors of other posts?).

# %% tags=["core", "external-text"]
pairs = load_corpus("sts_b", n=N_PAIRS, seed=SEED)
wiki = load_corpus("boolq", n=max(N_PASSAGES, N_QUESTIONS), seed=SEED)
posts = load_corpus("newsgroups", n_per_group=N_PER_GROUP, seed=SEED)
asked = wiki["question"].head(N_QUESTIONS)
tasks = [
    Similarity("similarity", pairs["sentence1"], pairs["sentence2"], pairs["score"]),
    Retrieval("encyclopedia", asked, wiki["passage"], [[i] for i in range(len(asked))]),
    chatbot,
    Classification("newsgroups", posts["text"], posts["group"]),
]

# %% [markdown] tags=["core"]
# And who takes part? A model is only ever better *than something*. **Random vectors** are the floor.
# **TF-IDF** compares words, and needs no model at all. A **static** model has one fixed vector for each
# **token** (a word or a piece of one) and takes their mean: no network runs. It is made from MiniLM here on your machine, the first
# time for about a minute (how, is shown in *Going further*). Last, the model itself, and the same with only
# a **third of its dimensions**, for a smaller index.

# %% tags=["core"]
third = embedder.embedding_dim // 3
static = variants.distill_static(load_embedder("all-MiniLM-L6-v2"))
contenders = [
    Contender("random", "random"),
    Contender("TF-IDF", "tf-idf"),
    Contender("static", static),
    Contender(f"first {third} dimensions", MODEL, truncate_dim=third, max_length=MAX_LENGTH),
    main,
]
cases = benchmark.evaluate(contenders, tasks)
cases.groupby(["task", "metric"], sort=False)["case"].agg(cases=lambda column: column.nunique())

# %% [markdown] tags=["core"]
# The result has one row for every single case: without cases there is no interval. From them, one number a
# task. `mrr_at_10` and `ndcg_at_10` also count right documents in places two to ten, less and less; `cosine_spearman` is a
# rank correlation; `accuracy` is the share of posts put into the right group.

# %% tags=["core"]
chosen = cases[cases["metric"].isin(["cosine_spearman", "recall_at_1", "accuracy"])]
summary = benchmark.summarize(chosen)
summary.pivot_table(index="model", columns=["task", "metric"], values="estimate", sort=False).round(2)

# %% [markdown] tags=["core"]
# The same with intervals: one panel a task, one row a model, the bar is where the true value plausibly
# lies. Mind that each panel has a scale of its own.

# %% tags=["core"]
plots.plot_scores(summary, title="Who is good at what?")

# %% tags=["core"]
measured = summary[["task", "metric"]].drop_duplicates().to_numpy()
statements = []
for task, metric in measured:
    rows = chosen[(chosen["task"] == task) & (chosen["metric"] == metric)]
    values = {model: part["value"].to_numpy() for model, part in rows.groupby("model", sort=False)}
    if metric == "cosine_spearman":  # a correlation is no mean over cases
        estimates = summary[summary["task"] == task].set_index("model")["estimate"]
        statements.append(f"- {task}: {say.top(estimates, metric)}")
    else:
        units = rows.loc[rows["model"] == name, "unit"]
        statements.append(f"- {task}: {say.leader(intervals.leader(values, groups=units), metric)}")
    gap = benchmark.difference(cases, name, "TF-IDF", task, metric)
    statements.append(f"- {task}: {say.comparison(name, 'TF-IDF', gap, metric)}")
say.sentence("\n".join(statements))

# %% [markdown] tags=["core"]
# There is a folk claim about larger models:
# *three times slower, fifteen percent better*. <!-- fixed: a saying, quoted -->
# Let us see what such a sentence looks like when it is measured: our model against the static one.

# %% tags=["core"]
timed = timing.measure_speed(
    [Contender("static", static), main], wiki["passage"], words=[32], batch_sizes=[N_TIMED], n_texts=N_TIMED
)
ms = timed.set_index("model")["ms_per_text"]
statements = [f"**{name}** is **{ms[name] / ms['static']:.0f} times slower** than the static model, and"]
for task, metric in measured:
    gap = benchmark.difference(cases, name, "static", task, metric)
    base = summary.set_index(["model", "task"]).loc[("static", task), "estimate"]
    percent = [f"{100 * value / base:+.0f} %" for value in (gap.estimate, gap.low, gap.high)]
    statements.append(f"- {percent[0]} in {metric} on {task} (interval {percent[1]} to {percent[2]})")
say.sentence("\n".join(statements))

# %% [markdown] tags=["core"]
# One sentence has become one per task, and each has an interval. Whoever gives you a single percentage has
# chosen the task for you.

# %% [markdown] tags=["core"]
# ## 4. Is the difference real?
#
# Two models were asked the same questions. One has a higher recall@1. Would it still have with other
# questions? We cannot ask other questions, but we can pretend: draw as many questions from ours, **with
# replacement**, so that some come twice and some not at all, and measure again, thousands of times. This is
# the **bootstrap**. How much the difference varies between draws tells how much it would vary between
# sets of questions.

# %% tags=["core"]
third = embedder.embedding_dim // 3
short = Contender(f"first {third} dimensions", MODEL, truncate_dim=third, max_length=MAX_LENGTH)
cases = benchmark.evaluate([main, short, Contender("TF-IDF", "tf-idf")], [chatbot])
hits = cases[cases["metric"] == "recall_at_1"].pivot_table(index="unit", columns="model", values="value")
hits.head(4).round(2)

# %% [markdown] tags=["core"]
# One row a trace: the share of its three questions that each model got right. We compare the model with
# its own first third. By hand: take the difference of each row, draw rows, take the mean; at the end leave out the
# most extreme means on both sides, one in twenty together, as in lesson 1.

# %% tags=["core"]
differences = (hits[name] - hits[short.name]).to_numpy()
chance = np.random.default_rng(SEED)
drawn = chance.integers(0, len(differences), size=(2000, len(differences)))
means = differences[drawn].mean(axis=1)
low, high = np.quantile(means, [0.025, 0.975])

# %% [markdown] tags=["core"]
# **Paired** means: both models are judged on the same draw, so that an easy draw is easy for both and
# drops out of the difference. To see what that is worth, we also draw for each model separately.

# %% tags=["core"]
again = chance.integers(0, len(differences), size=(2000, len(differences)))
unpaired = hits[name].to_numpy()[drawn].mean(axis=1) - hits[short.name].to_numpy()[again].mean(axis=1)
unpaired_low, unpaired_high = np.quantile(unpaired, [0.025, 0.975])

# %% [markdown] tags=["core"]
# Both histograms show the same difference over two thousand draws, paired and not; the solid line marks no
# difference at all.

# %% tags=["core"]
figure, axis = plt.subplots(figsize=(7, 4))
bins = np.linspace(min(means.min(), unpaired.min()), max(means.max(), unpaired.max()) + 1e-9, 40)
axis.hist(unpaired, bins, color=plots.PALETTE[1], alpha=0.6, label="each model its own draw")
axis.hist(means, bins, color=plots.PALETTE[0], alpha=0.6, label="paired")
axis.axvline(0, color="black")
axis.legend()
axis = axis.set(xlabel="difference in recall@1", ylabel="draws", title="The difference, drawn again and again")

# %% tags=["core"]
paired = intervals.Interval(differences.mean(), low, high)
say.sentence(
    say.comparison(name, short.name, paired, "recall@1")
    + f" Without pairing the interval would be {(unpaired_high - unpaired_low) / max(high - low, 1e-9):.1f} times as wide."
)

# %% [markdown] tags=["core"]
# ### Exercise 2: a bootstrap interval
#
# Put it into a function: two arrays with one value a case (the same cases in the same order), and the
# number of draws. Return the 95 % interval of the difference `first − second` as `(low, high)`. <!-- fixed: the convention -->


# %% tags=["core", "exercise", "q2"]
def paired_interval(first, second, n_resamples=2000):
    ### BEGIN SOLUTION
    differences = np.asarray(first) - np.asarray(second)
    chance = np.random.default_rng(0)
    drawn = chance.integers(0, len(differences), size=(n_resamples, len(differences)))
    low, high = np.quantile(differences[drawn].mean(axis=1), [0.025, 0.975])
    return low, high
    ### END SOLUTION


# %% tags=["core"]
q2.check(paired_interval)
# q2.hint()
# q2.solution()

# %% [markdown] tags=["core"]
# The library has an interval for any two models and any measure. It is made in another way and is a little wider: where
# cases are few, or nearly all of them agree, draws from them vary too little. Here is the difference that matters for
# the brief, by kind of question.

# %% tags=["core"]
statements = []
for kind in questions["difficulty"].unique():
    these = cases[cases["case"].isin(np.flatnonzero(questions["difficulty"] == kind))]
    gap = benchmark.difference(these, name, "TF-IDF", "chatbot", "recall_at_1")
    statements.append(f"- {kind} questions: {say.comparison(name, 'TF-IDF', gap, 'recall@1')}")
say.sentence("\n".join(statements))

# %% [markdown] tags=["core"]
# "Cannot be told apart" is not "equal". It says that these questions do not suffice. The width of an
# interval shrinks with the square root of the number of independent cases, here of traces: for half the width you
# need four times the traces, each with its questions. More questions about the same traces help less.

# %% [markdown] tags=["core"]
# ## 5. Decide
#
# Quality is one of three columns. The second is speed, here for one question at a time, because a customer
# is waiting. The third is **memory**: each contender is loaded in a fresh process, and we note by how much
# that process grows, libraries included.

# %% tags=["core"]
third = embedder.embedding_dim // 3
contenders = [
    Contender("TF-IDF", "tf-idf"),
    Contender("static", variants.distill_static(load_embedder("all-MiniLM-L6-v2"))),
    Contender(f"first {third} dimensions", MODEL, truncate_dim=third, max_length=MAX_LENGTH),
    main,
]
speed = timing.measure_speed(contenders, traces["text"], words=[16], batch_sizes=[1], n_texts=N_TIMED)
memory = timing.measure_memory(contenders, questions["question"].head(32))

# %% tags=["core"]
quality = benchmark.summarize(benchmark.evaluate(contenders, [chatbot])).query("metric == 'recall_at_1'")
columns = {"ms_per_text": speed, "q1": speed, "q3": speed, "memory_mib": memory}
columns |= {"estimate": quality, "low": quality, "high": quality}
table = pd.DataFrame({column: frame.set_index("model")[column] for column, frame in columns.items()})
table = table.loc[[contender.name for contender in contenders]]
table.round(2)

# %% [markdown] tags=["core"]
# One figure: to the left is faster, up is better, and a larger marker takes more memory; the bars are the
# quartiles of the timings and the intervals of the quality. A model is worth considering if no other is at
# once faster, better and smaller.

# %% tags=["core"]
figure, axis = plt.subplots(figsize=(8.5, 5), layout="constrained")
for (model, row), color, marker in zip(table.iterrows(), plots.PALETTE, "oDs^P*Xhpv", strict=False):
    at = (row["ms_per_text"], row["estimate"])
    quartiles = [[row["ms_per_text"] - row["q1"]], [row["q3"] - row["ms_per_text"]]]
    interval = [[row["estimate"] - row["low"]], [row["high"] - row["estimate"]]]
    axis.errorbar(*at, xerr=quartiles, yerr=interval, color=color, capsize=4, zorder=3)
    axis.scatter(*at, s=20 + 1.2 * row["memory_mib"], color=color, alpha=0.75, marker=marker, zorder=2)
    label = f"{model}\n{row['memory_mib']:,.0f} MiB"
    axis.annotate(label, at, xytext=(18, 0), textcoords="offset points", fontsize=9, va="center")
axis.set(xscale="log", xlabel="ms per text (log scale, quartiles)", ylabel="recall@1 of the chatbot (95 % interval)")
axis.set(title="Quality, speed and memory")
axis.set_xlim(table["ms_per_text"].min() / 3, table["ms_per_text"].max() * 8)  # room for the names
axis.grid(alpha=0.3)

# %% [markdown] tags=["core"]
# A control comes for free: the first dimensions are cut off *after* the network has run, so these two
# contenders do the same work. However much their timings differ, any two may differ as much by chance. The factor of
# the static model is another than in section 3, where texts were longer and came in batches; here it is one text a call.

# %% tags=["core"]
same = table.loc[[f"first {third} dimensions", name], "ms_per_text"]
say.sentence(
    f"The two timings of the same network are a factor of **{same.max() / same.min():.2f}** apart. The static model is "
    f"faster by a factor of **{table.loc[name, 'ms_per_text'] / table.loc['static', 'ms_per_text']:.0f}**."
)

# %% [markdown] tags=["core"]
# Now the rule of section 1, for every contender.

# %% tags=["core"]
statements = []
for model, row in table.iterrows():
    interval = intervals.Interval(row["estimate"], row["low"], row["high"], n=len(traces))
    statements.append(f"- **{model}**, recall@1 {interval}: **{recommend.stay_or_upgrade(interval)}**")
say.sentence("\n".join(statements))

# %% [markdown] tags=["core"]
# If the answer is "upgrade", to what? What you have not measured, others may have: **published scores**. The
# table below holds some (`sts` is similarity, `NaN` not published). It is kept apart from ours, because these are means over other people's texts, and
# it says with which version of the benchmark it was made: scores of two versions cannot be mixed.

# %% tags=["core", "nbval-check-output"]
published = recommend.published_scores()
print(published.attrs["benchmark"], "|", published.attrs["source"])
published.head(12)

# %% [markdown] tags=["core"]
# A decision needs constraints as well. `recommend` takes them, looks at what was measured here, at the
# models' cards and at published scores, and ranks what fits or may fit. It says why, and it says what it
# does not know.

# %% tags=["core"]
measured = table.rename(columns={"estimate": "quality"})[["quality", "ms_per_text", "memory_mib"]]
measured = measured.rename(index={name: embedder.card.name})
brief = {"languages": ["eng"], "licenses": ["apache-2.0", "mit"], "memory_mib": 2000}
shortlist = recommend.recommend(brief, measured=measured)
shortlist[["verdict", "quality", "published", "reasons", "unknown"]].round(2)

# %% tags=["core"]
statements = [f"- {model}: {why}" for model, why in shortlist.attrs["rejected"].items()]
say.sentence("Not on the list:\n\n" + "\n".join(statements) if statements else "Nothing was rejected.")

# %% [markdown] tags=["core"]
# What if nothing can meet the brief? Then it says so, model by model, instead of handing you the least bad.

# %% tags=["core"]
try:
    recommend.recommend({"memory_mib": 300, "instructions": True, "max_tokens": 8000})
except ValueError as error:
    print(str(error)[:400], "…")

# %% [markdown] tags=["core"]
# ### Exercise 3: pick a model
#
# Write the simplest such function. It takes a table like ours (index: model; columns `quality`,
# `ms_per_text`, `memory_mib`) and two limits, and returns the name of the model with the highest quality
# among those within both. A value equal to the limit is within it; one that is missing (`NaN`) is not. If none
# is left, return `"none"`.


# %% tags=["core", "exercise", "q3"]
def pick(table, max_ms, max_mib):
    ### BEGIN SOLUTION
    fits = table[(table["ms_per_text"] <= max_ms) & (table["memory_mib"] <= max_mib)]
    if fits.empty:
        return "none"
    return fits["quality"].idxmax()
    ### END SOLUTION


# %% tags=["core"]
q3.check(pick)
# q3.hint()
# q3.solution()

# %% [markdown] tags=["core"]
# Three briefs to try it on: a kiosk with little memory, a web service whose users wait, a nightly job with
# time and memory in plenty. (Until your function is written, each pick is None.)

# %% tags=["core"]
briefs = {"kiosk": (1000, 250), "web service": (10, 4000), "nightly job": (1000, 4000)}
pd.DataFrame({brief: [pick(measured, *limits)] for brief, limits in briefs.items()}, index=["pick"])

# %% [markdown] tags=["core"]
# ## Recap
#
# - The measure comes from the **brief**, and so does the rule by which you decide. Write both down before you measure.
# - A timing without warm-up, repeats, length and batch size is an anecdote.
# - A score without a **floor**, a **baseline** and an **interval** is one too. On the same cases, compare **paired**.
# - Published scores are about other people's texts. They tell you what to try, not what to take.
# - "Cannot be told apart" and "not known" are results. A good shortlist shows them.
#
# If you are here within the hour, well done. What follows goes deeper; each section stands on its own.

# %% [markdown] tags=["deep"]
# ## 6. A static model, distilled in the open
#
# Where did the static model come from? We make it again, step by step, and measure what each step
# contributes. This section opens one model, all-MiniLM-L6-v2. Step one: every token of its vocabulary,
# embedded on its own. Pieces of words (`##ing`) are embedded as the letters they have.

# %% tags=["deep"]
minilm = load_embedder("all-MiniLM-L6-v2")
tokens = variants.vocabulary(minilm)
token_vectors = minilm.encode(list(tokens), max_length=16, batch_size=256)
print(token_vectors.shape, list(tokens)[2000:2008])

# %% [markdown] tags=["deep"]
# A text becomes the mean of its tokens' vectors. Nothing is read in context any more: *river bank* and
# *savings bank* share the same *bank*, and the order of words is gone.

# %% tags=["deep"]
row = {i: position for position, ids in enumerate(tokens.values()) for i in ids}


def mean_of_tokens(texts, table):
    ids = [minilm.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    return metrics.normalize(np.stack([table[[row[i] for i in line if i in row]].mean(axis=0) for line in ids]))


# %% [markdown] tags=["deep"]
# Step two: **PCA** keeps the directions along which tokens differ most, and takes their mean out. Step
# three: **weights**. In a plain mean, *the* counts as much as *volcano*. The vocabulary is roughly in order
# of frequency, and by Zipf's law the probability $p$ of a token of rank $r$ is roughly proportional to $1/r$; the
# weight $a / (a + p)$, with a small constant $a$, turns frequent tokens down.

# %% tags=["deep"]
from sklearn.decomposition import PCA

reduced = PCA(256, random_state=0).fit_transform(token_vectors)
weights = variants.token_weights(len(tokens))[:, None]
steps = {
    "tokens": token_vectors,
    "tokens, PCA": reduced,
    "tokens, weights": token_vectors * weights,
    "tokens, PCA, weights": reduced * weights,
}

# %% [markdown] tags=["deep"]
# The figure shows the weight of a token against its rank: rare tokens have nearly the full weight.

# %% tags=["deep"]
figure, axis = plt.subplots(figsize=(7, 3))
axis.plot(np.arange(1, len(tokens) + 1), weights, color=plots.PALETTE[0])
axis = axis.set(xscale="log", xlabel="rank of the token", ylabel="weight", title="How much a token counts")

# %% tags=["deep"]
pairs = load_corpus("sts_b", n=N_PAIRS, seed=SEED)
cosines = {
    step: (mean_of_tokens(pairs["sentence1"], part) * mean_of_tokens(pairs["sentence2"], part)).sum(axis=1)
    for step, part in steps.items()
}
similarity_task = Similarity("similarity", pairs["sentence1"], pairs["sentence2"], pairs["score"])
static = Contender("static, library", variants.distill_static(minilm))
cosines["MiniLM"] = similarity_task.run(Contender("MiniLM").load())["cosine_spearman"]
cosines["static, library"] = similarity_task.run(static.load())["cosine_spearman"]

# %% [markdown] tags=["deep"]
# The table of cases has a plain format, so that results of your own making can be put into it, too.

# %% tags=["deep"]
cases = pd.concat(
    [
        pd.DataFrame({"model": step, "case": range(len(values)), "unit": range(len(values)), "value": values})
        for step, values in cosines.items()
    ]
).assign(task="similarity", metric="cosine_spearman", why="")
cases["target"] = cases["case"].map(pairs["score"])
plots.plot_scores(benchmark.summarize(cases), title="What each step contributes")

# %% tags=["deep"]
last = "tokens, PCA, weights"
statements = [
    f"- {say.comparison(last, other, benchmark.difference(cases, last, other, 'similarity', 'cosine_spearman'), 'cosine_spearman')}"
    for other in ("tokens", "tokens, weights", "MiniLM")
]
apart = np.abs(cosines[last] - cosines["static, library"]).max()
say.sentence("\n".join(statements) + f"\n\nOur steps and the library's model differ by at most **{apart:.1e}**.")

# %% [markdown] tags=["deep"]
# So a static model is a dictionary, made by a network that then stays at home. Models such as potion are
# made in this way and then trained further.

# %% [markdown] tags=["deep"]
# ## 7. Fewer layers, fewer bits
#
# Three ways to make the same network cheaper: drop its upper **layers**; calculate in **bfloat16**, which has
# fewer digits; store the weights as **int8**, whole numbers from 0 to 255 with a scale for each row. The
# last needs the extra `bench`; without it, its row says so and the others go on. This section takes
# all-MiniLM-L6-v2.

# %% tags=["deep"]
variants_of_minilm = [
    Contender("MiniLM", max_length=MAX_LENGTH),
    Contender("3 of its 6 layers", max_length=MAX_LENGTH, n_layers=3),
    Contender("bfloat16", max_length=MAX_LENGTH, dtype="bfloat16"),
    Contender("int8", max_length=MAX_LENGTH, int8=True),
    *(Contender(f"{dim} dimensions", max_length=MAX_LENGTH, truncate_dim=dim) for dim in (256, 128, 64)),
]
pairs = load_corpus("sts_b", n=N_PAIRS, seed=SEED)
similarity_task = Similarity("similarity", pairs["sentence1"], pairs["sentence2"], pairs["score"])
cases = benchmark.evaluate(variants_of_minilm, [similarity_task, chatbot])
shown = cases[cases["metric"].isin(["cosine_spearman", "recall_at_1"]) | (cases["why"] != "")]
plots.plot_scores(benchmark.summarize(shown), title="Variants of one model")

# %% tags=["deep"]
posts = load_corpus("newsgroups", n_per_group=N_PER_GROUP, seed=SEED)
speed = timing.measure_speed(
    variants_of_minilm[:4], posts["text"], words=[32], batch_sizes=[1, N_TIMED], n_texts=N_TIMED, n_repeats=4
)
ms = speed.pivot_table(index="model", columns="batch_size", values="ms_per_text", sort=False)
(ms.loc["MiniLM"] / ms).round(2).rename(columns="{} a call: times as fast".format)

# %% tags=["deep"]
statements = []
for contender in variants_of_minilm[1:]:
    missing = cases.loc[(cases["model"] == contender.name) & (cases["why"] != ""), "why"]
    if len(missing):
        statements.append(f"- **{contender.name}** is missing: {missing.iloc[0]}")
        continue
    gap = benchmark.difference(cases, contender.name, "MiniLM", "chatbot", "recall_at_1")
    statements.append(f"- {say.comparison(contender.name, 'MiniLM', gap, 'recall@1 of the chatbot')}")
say.sentence("\n".join(statements))

# %% [markdown] tags=["deep"]
# Dropping layers saves in proportion and needs training afterwards to be of use, which is how small models
# are made. Fewer bits change little in the vectors, but what they save depends on the processor: old ones do
# not calculate in bfloat16 and get slower. Fewer dimensions cost no less to compute; they make the *index*
# smaller and the search through it quicker.

# %% [markdown] tags=["deep"]
# ### Exercise 4: fair timing
#
# Write a function that takes `encode` and a list of batches (each a list of texts, no text twice). It warms
# up with the first batch, times each of the others with `time.perf_counter()`, and returns the median in
# seconds.


# %% tags=["deep", "exercise", "q4"]
def fair_timing(encode, batches):
    ### BEGIN SOLUTION
    import time

    encode(batches[0])
    seconds = []
    for batch in batches[1:]:
        start = time.perf_counter()
        encode(batch)
        seconds.append(time.perf_counter() - start)
    return np.median(seconds)
    ### END SOLUTION


# %% tags=["deep"]
q4.check(fair_timing)
# q4.hint()
# q4.solution()

# %% [markdown] tags=["deep"]
# ## 8. The same data as mteb tasks
#
# Leaderboards are made with the library **mteb**, mostly on data from a hub. It runs on your own texts, too,
# without any network: a task is a class whose `load_data` we overwrite (`course_utils/measuring/mteb_tasks.py` shows
# how; a retrieval task takes three dictionaries). This needs the extra `bench`. If our numbers are right,
# mteb must find the same ones.

# %% tags=["deep"]
from course_utils.measuring import evaluate_with_mteb

pairs = load_corpus("sts_b", n=N_PAIRS, seed=SEED)
tasks = [chatbot, Similarity("similarity", pairs["sentence1"], pairs["sentence2"], pairs["score"])]
try:
    theirs = evaluate_with_mteb([main], tasks)
except ImportError as error:
    theirs = pd.DataFrame(columns=["model", "task", "metric", "mteb"])
    print(error)

# %% tags=["deep"]
ours = benchmark.summarize(benchmark.evaluate([main], tasks)).rename(columns={"estimate": "ours"})
both = ours.drop(columns="why").merge(theirs, on=["model", "task", "metric"])
both["apart"] = (both["ours"] - both["mteb"]).abs()
both[["task", "metric", "ours", "mteb", "apart", "low", "high"]].round(5)

# %% tags=["deep"]
say.sentence(
    f"The largest difference between the two libraries is **{both['apart'].max():.0e}**: mteb rounds some of its values. "
    "What it does not give is the interval."
    if len(both)
    else "Without mteb there is nothing to compare."
)

# %% [markdown] tags=["deep"]
# ## 9. Other languages
#
# Customers write in other languages. The names of emoji have been translated by people: a small phrase such
# as *woman running*, the same in fourteen languages. We search the English names with those of each
# other language. A model that has learned one meaning for all languages finds them. A control: TF-IDF, which can
# only find names that are spelled alike.

# %% tags=["deep", "external-text"]
names = load_corpus("emoji_names")
names = names.sample(min(N_QUESTIONS, 100), random_state=SEED)
others = [code for code in names.columns if code != "en"]
names.head(3)

# %% [markdown] tags=["deep"]
# A multilingual model joins in: multilingual-e5-small, squeezed to 4 bits a weight, in a package of its own. It
# comes with the extra `bench`; without it, its row says so and the others go on.

# %% tags=["deep"]
multilingual = Contender("multilingual, 4 bits", "multilingual-e5-small-4bit")
right = [[i] for i in range(len(names))]
languages = [Retrieval(code, names[code], names["en"], right) for code in others]
cases = benchmark.evaluate([Contender("TF-IDF", "tf-idf"), main, multilingual], languages)

# %% [markdown] tags=["deep"]
# One group of markers a language (by its two-letter code), one marker a model: the share of names whose
# English counterpart comes first, with its interval.

# %% tags=["deep"]
summary = benchmark.summarize(cases).query("metric == 'recall_at_1'")
figure, axis = plt.subplots(figsize=(9, 4))
for i, (model, rows) in enumerate(summary.groupby("model", sort=False)):
    rows = rows.set_index("task").loc[others]
    errors = [rows["estimate"] - rows["low"], rows["high"] - rows["estimate"]]
    axis.errorbar(
        np.arange(len(others)) + 0.2 * i,
        rows["estimate"],
        yerr=errors,
        fmt="oDs"[i],
        color=plots.PALETTE[i],
        capsize=3,
        label=model,
    )
axis.set(xlabel="language of the query", ylabel="recall@1", title="From other languages to English")
axis.set_xticks(np.arange(len(others)) + 0.2, others)
axis = axis.legend(loc="upper left", bbox_to_anchor=(1, 1))

# %% tags=["deep"]
rivals = [model for model in summary["model"].unique() if model not in (name, "TF-IDF")]


hits = cases[cases["metric"] == "recall_at_1"].pivot_table(index="case", columns=["model", "task"], values="value")


def ahead(first, second):
    """Languages in which the first model surely finds more than the second, all of them taken together."""
    compared = {code: (hits[first, code], hits[second, code]) for code in others}
    gaps = intervals.simultaneous(intervals.difference_interval, compared)
    return [code for code, gap in gaps.items() if gap.sign > 0]


better = ahead(name, "TF-IDF")
most = intervals.leader({code: hits[name, code] for code in others})
missing = "".join(cases.loc[cases["why"] != "", "why"].head(1))
say.sentence(
    f"Of the languages, {say.leader(most, f'share of names that {name} finds')} A random order would find "
    f"{1 / len(names):.3f}. It finds more than spelling does in {len(better)} of {len(others)} languages "
    f"({', '.join(better) or 'none'}). "
    + "".join(f"**{rival}** finds more than it in {len(ahead(rival, name))} of {len(others)}. " for rival in rivals)
    + missing
)

# %% [markdown] tags=["deep"]
# Where a model that was made for English does well, look at the script and the vocabulary before you call it
# multilingual.

# %% [markdown] tags=["deep"]
# ## 10. Several memories at once
#
# Our chatbot has more than traces: **facts** (opening hours, prices) and summaries of past **conversations**.
# A question may be for any of the three. Should we search them all as one pile, or find out first where to
# look? We know for each question which store holds the answer, so we can compare one pile with an oracle
# that always opens the right store.

# %% tags=["deep"]
facts, conversations = load_corpus("memory_facts"), load_corpus("memory_conversations")
stores = {"traces": traces["text"], "facts": facts["fact"], "conversations": conversations["summary"]}
ids = {"traces": traces["id"], "facts": facts["id"], "conversations": conversations["id"]}
mixed = load_corpus("memory_questions")
mixed.groupby("store").size()

# %% tags=["deep"]
pile = pd.concat(
    [pd.DataFrame({"store": store, "id": ids[store], "text": texts}) for store, texts in stores.items()],
    ignore_index=True,
)
similarity = (
    embedder.encode_query(mixed["question"], max_length=MAX_LENGTH)
    @ embedder.encode_document(pile["text"], max_length=MAX_LENGTH).T
)
first = pile.iloc[similarity.argmax(axis=1)].reset_index(drop=True)
found_in_pile = (first["id"] == mixed["relevant"]).to_numpy(dtype=float)

# %% tags=["deep"]
other_store = mixed["store"].to_numpy()[:, None] != pile["store"].to_numpy()
oracle = pile["id"].to_numpy()[np.where(other_store, -np.inf, similarity).argmax(axis=1)]
found_by_oracle = (oracle == mixed["relevant"]).to_numpy(dtype=float)
pd.crosstab(mixed["store"], first["store"].rename("store of what came first"))

# %% tags=["deep"]
gap = intervals.difference_interval(found_by_oracle, found_in_pile)
say.sentence(
    f"As one pile, recall@1 is **{intervals.mean_interval(found_in_pile)}**, and in "
    f"{(first['store'] == mixed['store']).mean():.0%} of the questions the first hit is at least in the right store. "
    + say.comparison("the oracle", "one pile", gap, "recall@1")
)

# %% [markdown] tags=["deep"]
# The oracle is a ceiling: no way of choosing a store, however clever, gains more than that difference. Measure it
# before you build a router. Similarities of short and long texts are not on one scale, so one store can
# crowd out another; the table shows whether that happened here.
#
# ### Exercise 5: where words win
#
# Find a question for which TF-IDF puts the right trace first and MiniLM does not. Your function returns the
# question, the id of the trace that is right in your opinion, and the **word** that makes the difference: it stands in
# both, and without it TF-IDF fails, too.


# %% tags=["deep", "exercise", "q5"]
def my_query():
    ### BEGIN SOLUTION
    return "It blinks at me all day. Why?", "t29", "blinks"
    ### END SOLUTION


# %% tags=["deep"]
q5.check(my_query)
# q5.hint()
# q5.solution()

# %% [markdown] tags=["deep"]
# ## 11. Larger models
#
# The same cells take any model, by name or by the path of a folder. Here are some that are worth a try, with what
# they would download. Put True into the cell below them to fetch those that are not here.

# %% tags=["deep"]
from course_utils.embedding import find_model

larger = ["all-mpnet-base-v2", "bge-small-en-v1.5", "e5-small-v2", "Qwen3-Embedding-0.6B"]
pd.DataFrame([vars(find_model(model)) for model in larger])[
    ["name", "download_mb", "embed_dim", "max_tokens", "license"]
]

# %% tags=["deep"]
import os

DOWNLOAD = False
if not DOWNLOAD:
    os.environ["HF_HUB_OFFLINE"] = "1"
cases = benchmark.evaluate([main, *(Contender(model, model, max_length=MAX_LENGTH) for model in larger)], [chatbot])
summary = benchmark.summarize(cases)
summary[["model", "metric", "estimate", "low", "high", "why"]].round(2)

# %% tags=["deep"]
there = [model for model in larger if (cases.loc[cases["model"] == model, "why"] == "").all()]
statements = [
    f"- {say.comparison(model, name, benchmark.difference(cases, model, name, 'chatbot', 'recall_at_1'), 'recall@1')}"
    for model in there
]
say.sentence(
    "\n".join(statements) if there else "None of them is on this machine: the column *why* tells the ways out."
)

# %% [markdown] tags=["deep"]
# ## 12. Bring your own questions
#
# A decision about your texts needs your questions: fifty are a beginning. Put two CSV files here: the
# documents with an id, and questions with the id of the document that answers each. As it stands, the
# cell shows the notice board of lesson 1. Nothing leaves your computer.

# %% tags=["deep"]
from course_utils.paths import ROOT

my_documents = pd.read_csv(ROOT / "datasets" / "noticeboard.csv", encoding="utf-8")
my_questions = pd.read_csv(ROOT / "datasets" / "noticeboard_questions.csv", encoding="utf-8")
ID, DOCUMENT, QUESTION, RELEVANT = "id", "message", "question", "relevant"

# %% tags=["deep"]
position = {value: i for i, value in enumerate(my_documents[ID])}
my_answers = [position[value] for value in my_questions[RELEVANT]]  # questions about one document are one unit
right = [[i] for i in my_answers]
my_task = Retrieval("yours", my_questions[QUESTION], my_documents[DOCUMENT], right, units=my_answers)
my_cases = benchmark.evaluate([Contender("random", "random"), Contender("TF-IDF", "tf-idf"), main], [my_task])
plots.plot_scores(benchmark.summarize(my_cases), title="Your questions")

# %% tags=["deep"]
hits = my_cases.query("model == @name and metric == 'recall_at_1'")["value"].to_numpy()
interval = intervals.mean_interval(hits, groups=my_answers)
gap = benchmark.difference(my_cases, name, "TF-IDF", "yours", "recall_at_1")
say.sentence(
    f"recall@1 of **{name}** on your {len(hits)} questions: **{interval}**. By the rule: "
    f"**{recommend.stay_or_upgrade(interval)}**. {say.comparison(name, 'TF-IDF', gap, 'recall@1')}"
)
