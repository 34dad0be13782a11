"""Models side by side: cases and intervals, models that cannot be had, timings without a cache, memory of a process."""

import gc
import weakref
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers import CARD, fake_embedder
from scipy import stats

from course_utils.data import load_corpus
from course_utils.embedding import ModelUnavailableError
from course_utils.measuring import Classification, Contender, Retrieval, Similarity, benchmark, metrics, timing
from course_utils.measuring.benchmark import difference, evaluate, leaders, summarize
from course_utils.measuring.timing import cut_pieces, measure_memory, measure_speed, time_calls

WORDS = ["red apple", "green pear", "blue sky", "grey cloud", "loud drum", "soft flute", "old oak", "young fir"]
SEARCH = Retrieval(
    "search", [f"a {word}" for word in WORDS], [f"the {word} here" for word in WORDS], [[i] for i in range(8)]
)
PAIRS = Similarity("pairs", WORDS, WORDS[:4] + WORDS[:4], [5, 5, 5, 5, 0, 0, 1, 1])
LABELS = Classification(
    "labels", [f"{word} {i}" for i in range(5) for word in WORDS], ["fruit", "fruit", *"wwmmtt"] * 5
)


@pytest.fixture
def fake(monkeypatch):
    """Contenders called "fake" get a stand-in; the list tells how each was loaded."""
    loaded = []

    def load_embedder(name, *, dtype, cache, download):
        if name != "fake":
            raise ModelUnavailableError(f"The weights of {name!r} are not here.")
        loaded.append((fake_embedder(), dtype, cache))
        return loaded[-1][0]

    monkeypatch.setattr(benchmark, "load_embedder", load_embedder)
    return loaded


# --- contenders ---------------------------------------------------------------------------------------------------


def test_baselines_need_no_model_and_give_unit_vectors():
    for model in ("random", "tf-idf", "bm25"):
        encoder = Contender(model, model).load()
        encoder.fit(WORDS)
        vectors = encoder.encode(WORDS)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
        assert np.array_equal(vectors, encoder.encode(WORDS))
    words = Contender("words", "tf-idf").load()
    words.fit(WORDS)
    assert not words.encode(["something else"]).any()
    assert (words.encode(["an apple", "a red pear"]) @ words.encode(WORDS[:2]).T > 0).tolist() == [
        [True, False],
        [True, True],
    ]


@pytest.fixture
def bm25():
    return Contender("BM25", "bm25").load()


def test_bm25_gives_the_scores_of_bm25s(bm25):
    """Over the course's questions: words that come twice in a question, unknown ones, texts of different lengths."""
    import bm25s

    questions = [*load_corpus("trace_questions")["question"], "Refund refund REFUND, xyzzy: a refund?"]
    traces = load_corpus("traces")
    documents = [*(traces["pattern"] + " " + traces["approach"]), "one", "refund " * 9]
    theirs = bm25s.BM25(dtype="float64")
    split = {"token_pattern": r"\w+", "stopwords": None, "show_progress": False}
    theirs.index(bm25s.tokenize(documents, **split), show_progress=False)
    asked = bm25s.tokenize(questions, return_ids=False, **split)
    expected = np.array([theirs.get_scores(words) for words in asked])
    bm25.fit(documents)
    found = bm25.encode(questions, "query") @ bm25.encode(documents, "document").T
    assert found == pytest.approx(expected, abs=1e-9) and found[-1].argmax() == len(documents) - 1
    best, scores = theirs.retrieve(asked, k=1, show_progress=False)
    assert found[np.arange(len(questions)), best.ravel()] == pytest.approx(scores.ravel(), abs=1e-9)
    assert found.max(axis=1) == pytest.approx(scores.ravel(), abs=1e-9)
    # a document by itself, out of order or in other company is the same document
    alone = np.concatenate([bm25.encode([text], "document") for text in documents[::-1]])
    assert np.array_equal(alone[::-1], bm25.encode(documents, "document"))
    away = bm25.encode(["a refund that nobody has written about"], "document")
    assert away.any() and away.shape == alone[:1].shape


def test_bm25_by_hand(bm25):
    """Two documents of 1 and 3 words, 2 on average. "cat" is in both: idf = ln(1 + 0.5 / 2.5)."""
    bm25.fit(["cat", "cat cat dog"])
    (score,) = bm25.encode(["cat"], "query") @ bm25.encode(["cat", "cat cat dog"], "document").T
    idf = np.log(1.2)
    assert score == pytest.approx([idf * 1 / (1 + 1.5 * (0.25 + 0.75 / 2)), idf * 2 / (2 + 1.5 * (0.25 + 0.75 * 1.5))])


def test_random_vectors_know_nothing_but_equality():
    vectors = Contender("random", "random").load().encode([*WORDS, WORDS[0]])
    cosines = vectors @ vectors.T
    assert cosines[0, 8] == pytest.approx(1)
    assert np.abs(cosines[0, 1:8]).max() < 0.25


def test_options_and_prompts_reach_the_model(fake):
    encoder = Contender("f", "fake", truncate_dim=3, max_length=9, dtype="bfloat16").load()
    embedder, dtype, cache = fake[0]
    assert (dtype, cache) == ("bfloat16", True)
    assert encoder.encode(["x"]).shape == (1, 3)
    encoder.encode(["x"], "query")
    encoder.encode(["x"], "document")
    assert [prompt for _, prompt in embedder.model.calls] == ["", CARD.query_prompt, CARD.document_prompt]
    assert np.array_equal(encoder.encode(["123456789 and more"]), encoder.encode(["123456789 or less"]))
    longer = Contender("f", "fake", max_length=99).load()  # above the model's own limit: that one holds
    assert longer.encode(["x"]).shape == (1, 8)


# --- quality ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cases():
    return evaluate([Contender("words", "tf-idf"), Contender("random", "random")], [SEARCH, PAIRS, LABELS])


def test_one_row_a_model_task_measure_and_case(cases):
    sizes = cases.groupby(["model", "task", "metric"], sort=False).size()
    retrieval = {("search", metric): 8 for metric in ("recall_at_1", "mrr_at_10", "ndcg_at_10")}
    each = retrieval | {("pairs", "cosine_spearman"): 8, ("labels", "accuracy"): 40}
    assert sizes.to_dict() == {(model, *key): n for model in ("words", "random") for key, n in each.items()}
    assert cases["target"].notna().sum() == 16 and (cases["why"] == "").all()


def test_the_values_are_those_of_the_measures(cases):
    words = Contender("words", "tf-idf").load()
    words.fit(SEARCH.documents)
    similarity = words.encode(SEARCH.queries) @ words.encode(SEARCH.documents).T
    of_words = cases[(cases["model"] == "words") & (cases["task"] == "search")].set_index("metric")["value"]
    assert np.array_equal(of_words["recall_at_1"], metrics.recall_at_k(similarity, SEARCH.relevant, 1))
    assert np.array_equal(of_words["ndcg_at_10"], metrics.ndcg_at_10(similarity, SEARCH.relevant))
    estimates = summarize(cases).set_index(["model", "metric"])["estimate"]
    words.fit(PAIRS.corpus)
    expected = metrics.cosine_spearman(words.encode(PAIRS.sentences1), words.encode(PAIRS.sentences2), PAIRS.scores)
    assert estimates["words", "cosine_spearman"] == pytest.approx(expected)
    assert estimates["words", "accuracy"] > 0.9 and estimates["words", "recall_at_1"] == 1


def test_a_model_that_cannot_be_had_is_a_row_that_says_why(fake):
    table = evaluate([Contender("gone", "owner/gone"), Contender("here", "fake")], [PAIRS])
    assert table.loc[table["model"] == "gone", "why"].tolist() == ["The weights of 'owner/gone' are not here."]
    summary = summarize(table).set_index("model")
    assert np.isnan(summary.loc["gone", "estimate"]) and "are not here" in summary.loc["gone", "why"]
    assert not np.isnan(summary.loc["here", "estimate"])
    with pytest.raises(ValueError, match="gone / pairs / cosine_spearman was not measured. The weights of"):
        difference(table, "gone", "here", "pairs", "cosine_spearman")
    speed = measure_speed(
        [Contender("gone", "owner/gone")], WORDS * 9, words=[1], batch_sizes=[1], n_texts=1, n_repeats=1
    )
    assert speed["model"].tolist() == ["gone"] and "are not here" in speed["why"][0]


def test_models_that_were_measured_take_no_more_memory(monkeypatch):
    """A model refers to itself: to forget it is not enough, and a lesson that measures a dozen would hold them all."""
    load, models = benchmark.load_embedder, []

    def watched(name, **options):
        embedder = load(name, **options)
        models.append(weakref.ref(getattr(embedder, "model", None) or embedder._model))
        return embedder

    monkeypatch.setattr(benchmark, "load_embedder", watched)
    contenders = [Contender("MiniLM"), Contender("USE", "use-multilingual-v3")]
    gc.disable()
    try:
        evaluate(contenders, [SEARCH])
        measure_speed(contenders, [" ".join(map(str, range(99)))], words=[2], batch_sizes=[1], n_texts=1)
        assert len(models) == 4 and all(model() is None for model in models)
    finally:
        gc.enable()


def test_two_contenders_of_one_name_are_refused():
    with pytest.raises(ValueError, match="contenders: two have one name"):
        evaluate([Contender("a", "random"), Contender("a", "tf-idf")], [PAIRS])
    with pytest.raises(ValueError, match="contenders: two have one name"):
        measure_speed([Contender("a", "random")] * 2, WORDS, words=[1], batch_sizes=[1], n_texts=1, n_repeats=1)


def table_of(values, metric="recall_at_1", units=None, target=np.nan):
    parts = []
    for model, row in values.items():
        n = np.arange(len(row))
        columns = {"model": model, "case": n, "unit": n if units is None else units, "value": row, "target": target}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts).assign(task="t", metric=metric, why="")


def test_an_interval_is_that_of_theory_and_a_paired_one_is_narrower():
    chance = np.random.default_rng(0)
    common = chance.normal(size=800)
    table = table_of({"a": common + chance.normal(0.2, 0.1, size=800), "b": common + chance.normal(0, 0.1, size=800)})
    row = summarize(table).set_index("model").loc["a"]
    values = table.loc[table["model"] == "a", "value"]
    low, high = stats.norm.interval(0.95, values.mean(), values.std() / np.sqrt(800))
    assert (row["low"], row["high"]) == pytest.approx((low, high), abs=0.01)
    gap = difference(table, "a", "b", "t", "recall_at_1")
    assert gap.estimate == pytest.approx(0.2, abs=0.02)
    assert gap.high - gap.low == pytest.approx(2 * 1.96 * 0.1 * np.sqrt(2 / 800), rel=0.1)
    assert gap.high - gap.low < (high - low) / 4
    turned = difference(table, "b", "a", "t", "recall_at_1")
    assert (turned.estimate, turned.low) == pytest.approx((-gap.estimate, -gap.high), abs=0.002)


def test_whole_units_are_drawn():
    chance = np.random.default_rng(1)
    single = chance.normal(size=100)
    alone, repeated = table_of({"a": single}), table_of({"a": np.repeat(single, 3)}, units=np.repeat(np.arange(100), 3))
    single, copied = (summarize(table).iloc[0] for table in (alone, repeated))
    assert copied["n"] == 300
    # three copies are no more evidence than one
    assert (copied["low"], copied["high"]) == pytest.approx((single["low"], single["high"]))
    uneven = table_of({"a": [1, 1, 1, 0]}, units=["x", "x", "x", "y"])
    assert summarize(uneven).loc[0, ["estimate", "low", "high"]].tolist() == [0.75, 0, 1]


def test_the_interval_of_a_rank_correlation():
    chance = np.random.default_rng(2)
    scores = chance.normal(size=300)
    good, bad = scores + chance.normal(0, 0.5, size=300), scores + chance.normal(0, 3, size=300)
    table = table_of({"good": good, "bad": bad}, metric="cosine_spearman", target=scores)
    rows = summarize(table).set_index("model")
    for model, values in (("good", good), ("bad", bad)):
        rho = stats.spearmanr(values, scores).statistic
        assert rows.loc[model, "estimate"] == pytest.approx(rho)
        # Fisher's transformation, with the correction for ranks
        error = 1.96 * np.sqrt((1 + rho**2 / 2) / 297)
        expected = np.tanh([np.arctanh(rho) - error, np.arctanh(rho) + error])
        assert rows.loc[model, ["low", "high"]].tolist() == pytest.approx(expected, abs=0.03)
    gap = difference(table, "good", "bad", "t", "cosine_spearman")
    assert gap.estimate == pytest.approx(rows.loc["good", "estimate"] - rows.loc["bad", "estimate"])
    assert 0.3 < gap.low < gap.high < 0.9


def test_leaders_are_those_of_the_summary_with_paired_gaps(cases):
    found = leaders(cases)
    estimates = summarize(cases).set_index(["model", "task", "metric"])["estimate"]
    keys = [("search", metric) for metric in ("recall_at_1", "mrr_at_10", "ndcg_at_10")]
    assert list(found) == [*keys, ("pairs", "cosine_spearman"), ("labels", "accuracy")]
    for key, leader in found.items():
        (other, gap), *_ = leader.gaps.items()
        assert leader.mean == estimates[(leader.name, *key)] >= estimates[(other, *key)]
        assert (gap.confidence, gap.among) == (0.95, 5)
        alone = difference(cases, leader.name, other, *key)
        strict = difference(cases, leader.name, other, *key, confidence=0.99)  # five pairs in all
        assert (gap.low, gap.high) == (strict.low, strict.high) and gap.low <= alone.low
    assert leaders(cases[cases["task"] == "search"])["search", "recall_at_1"].gaps["random"].among == 3
    assert leaders(cases[cases["model"] == "words"])["pairs", "cosine_spearman"].gaps == {}


def test_the_best_of_equals_is_tied_in_every_task():
    """Six tables of four tasks and six equal contenders: one by one, pairs of them would seem to differ."""
    told = alone = 0
    for seed in range(6):
        chance = np.random.default_rng(seed)
        tasks = []
        for task in "abc":
            tasks.append(
                table_of({str(i): row for i, row in enumerate(chance.random((6, 40)) < 0.7)}).assign(task=task)
            )
        target = chance.normal(size=40)
        rows = target + chance.normal(size=(6, 40))
        of_pairs = table_of({str(i): row for i, row in enumerate(rows)}, metric="cosine_spearman", target=target)
        table = pd.concat([*tasks, of_pairs])
        for key, found in leaders(table).items():
            told += len(found.ties) < 5
            alone += any(difference(table, found.name, other, *key).sign for other in found.gaps)
    assert told == 0 < alone


def test_a_difference_names_what_there_is(cases):
    with pytest.raises(
        ValueError, match="words / search / accuracy was not measured. There is: words / search / recall_at_1"
    ):
        difference(cases, "words", "random", "search", "accuracy")
    fewer = cases.drop(cases[(cases["model"] == "random") & (cases["case"] == 0)].index)
    with pytest.raises(ValueError, match="were not asked the same cases"):
        difference(fewer, "words", "random", "search", "recall_at_1")


# --- time and memory ----------------------------------------------------------------------------------------------


def test_pieces_are_different_and_of_one_length():
    pieces = cut_pieces(["one two three four five", "six seven", "one two"], words=2, n=3)
    assert pieces == ["one two", "three four", "five six"]
    assert len(cut_pieces(["one two one two three four"], words=2, n=2)) == 2
    with pytest.raises(ValueError, match="n=3 pieces of 2 words need a larger corpus: texts give 2"):
        cut_pieces(["one two one two three four"], words=2, n=3)


def test_each_repeat_gets_texts_of_its_own():
    calls = []
    seconds = time_calls(calls.append, [str(i) for i in range(11)], batch_size=2, n_repeats=3)
    assert calls == [["0", "1"], ["2"], ["3", "4"], ["5"], ["6", "7"], ["8"]]
    assert seconds.shape == (3,) and (seconds >= 0).all()
    with pytest.raises(ValueError, match="some come twice"):
        time_calls(calls.append, ["a", "b", "a"], batch_size=1, n_repeats=1)
    with pytest.raises(ValueError, match="2 are not enough for 3 repeats"):
        time_calls(calls.append, ["a", "b"], batch_size=1, n_repeats=3)


def test_timings_bypass_the_cache_and_no_text_is_encoded_twice(fake):
    corpus = [" ".join(f"word{i}-{j}" for j in range(50)) for i in range(40)]
    speed = measure_speed([Contender("f", "fake")], corpus, words=(2, 5), batch_sizes=(1, 4), n_texts=8, n_repeats=3)
    ((embedder, _, cache),) = fake
    assert cache is False and embedder.cache is None
    encoded = [text for texts, _ in embedder.model.calls for text in texts]
    assert len(encoded) == len(set(encoded)) == 1 + 2 * 2 * 8 * (1 + 3)  # the first call; warm-up and repeats
    sizes = [len(texts) for texts, _ in embedder.model.calls]
    assert sizes == [1, *([1] * 32 + [4] * 8) * 2]
    assert [len(text.split()) for text in encoded[1:]] == [2] * 64 + [5] * 64
    assert speed[["words", "batch_size"]].to_numpy().tolist() == [[2, 1], [2, 4], [5, 1], [5, 4]]
    assert (speed["q1"] <= speed["ms_per_text"]).all() and (speed["ms_per_text"] <= speed["q3"]).all()
    assert (speed["first_ms"] > 0).all()


def test_timings_are_medians_and_quartiles_in_milliseconds(fake, monkeypatch):
    clock = iter(np.cumsum([0, 5, 0, 4, 0, 1, 0, 2, 0, 3, 0, 90, 0, 8]))  # begin and end of what is timed
    monkeypatch.setattr(timing.time, "perf_counter", lambda: float(next(clock)))
    speed = measure_speed(
        [Contender("f", "fake")], [" ".join(map(str, range(99)))], words=[2], batch_sizes=[1], n_texts=2, n_repeats=5
    )
    # the first call 5 s, the warm-up 4 s, then 1, 2, 3, 90 and 8 s for two texts each
    assert speed.loc[0, "first_ms"] == 5000
    assert speed.loc[0, "rounds"].tolist() == [500, 1000, 1500, 45000, 4000]
    assert speed.loc[0, ["q1", "ms_per_text", "q3"]].tolist() == [1000, 1500, 4000]


def test_models_take_turns_with_the_same_texts(fake):
    contenders = [Contender("one", "fake"), Contender("gone", "owner/gone"), Contender("two", "fake")]
    corpus = [" ".join(map(str, range(60)))]
    speed = measure_speed(contenders, corpus, words=[2], batch_sizes=[2], n_texts=4, n_repeats=3)
    first, second = (embedder.model.calls for embedder, _, _ in fake)
    assert first == second and len(first) == 1 + 2 * (1 + 3)
    assert speed["model"].tolist() == ["one", "gone", "two"]
    with pytest.raises(ValueError, match="no call can have more than n_texts=4"):
        measure_speed(contenders, corpus, batch_sizes=(1, 5), n_texts=4)


class Machine:
    """A computer whose time is made up: models take turns on it, while other work comes and goes or it slows down."""

    def __init__(self, seed, *, busy=0.0, quiet=np.inf, drift=0.0):
        self.chance, self.now, self.is_busy, self.drift = np.random.default_rng(seed), 0.0, False, drift
        self.spells = (quiet, busy)
        self.change = self.chance.exponential(quiet) if busy else np.inf

    def contender(self, name, seconds):
        def encode(texts, side=""):
            left = seconds * len(texts) * np.exp(0.05 * self.chance.normal())
            while left > 0:
                slower = (5 if self.is_busy else 1) * np.exp(self.drift * self.now)
                step = min(left * slower, self.change - self.now)
                self.now, left = self.now + step, max(left - step / slower, 0) if step < left * slower else 0
                if self.now >= self.change:
                    self.is_busy = not self.is_busy
                    self.change = self.now + self.chance.exponential(self.spells[self.is_busy])

        return SimpleNamespace(name=name, try_load=lambda cache: (benchmark.Encoder(encode), ""))

    def ratio(self, monkeypatch, times, n_repeats=12):
        """The interval of how long the first takes against the last, out of ``measure_speed``."""
        monkeypatch.setattr(timing.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(benchmark.gc, "collect", lambda: 0)  # here there are no models to let go, and it takes long
        first, *_, last = contenders = [self.contender(f"model {i}", each) for i, each in enumerate(times)]
        options = {"words": [1], "batch_sizes": [1], "n_texts": 1, "n_repeats": n_repeats}
        speed = measure_speed(contenders, [" ".join(map(str, range(99)))], **options)
        return timing.speed_ratio(speed, first.name, last.name)


LOADS = {
    "quiet": {},
    "short bursts": {"busy": 0.5, "quiet": 5},
    "bursts as long as rounds": {"busy": 3, "quiet": 15},
    "long bursts": {"busy": 30, "quiet": 60},
    "slower and slower": {"drift": 0.005},
    "faster and faster": {"drift": -0.005},
}


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("times", [(1, 1), (0.7, 5, 0.7), (3, 1)], ids=["one network twice", "and another", "3 to 1"])
def test_a_ratio_of_speeds_is_covered_on_a_busy_machine(times, load, monkeypatch, request):
    n_samples = 1000 if request.config.getoption("--long") else 40
    found = [Machine(seed, **LOADS[load]).ratio(monkeypatch, times) for seed in range(n_samples)]
    truth = times[0] / times[-1]
    assert np.mean([each.low <= truth <= each.high for each in found]) >= 0.93 - 1.64 * np.sqrt(0.07 / n_samples)
    assert np.median([each.high / each.low for each in found]) < 4, "wide, but not without meaning"


def test_few_rounds_give_no_ratio_and_a_clear_one_is_found(monkeypatch):
    few = Machine(0).ratio(monkeypatch, (3, 1), n_repeats=5)
    assert few.too_few and (few.low, few.high) == (0, np.inf) and few.estimate == pytest.approx(3, rel=0.2)
    assert "too few to say: 5" in str(few) and "inf" not in str(few)
    assert Machine(0).ratio(monkeypatch, (3, 1)).low > 2.8
    equal = pd.DataFrame({"model": ["a", "b"], "words": 8, "batch_size": 1, "rounds": [[1.0] * 12] * 2})
    assert timing.speed_ratio(equal, "a", "b").identical


def test_a_ratio_is_of_one_setting(fake):
    corpus = [" ".join(f"{i}-{j}" for j in range(50)) for i in range(9)]
    contenders = [Contender("f", "fake"), Contender("gone", "owner/gone"), Contender("g", "fake")]
    speed = measure_speed(contenders, corpus, words=(2, 5), batch_sizes=(1, 2), n_texts=2, n_repeats=3)
    assert timing.speed_ratio(speed, "f", "g", words=5, batch_size=1).n == 3
    with pytest.raises(ValueError, match=r"need one setting [^\n]* There is:\n.*\n +f +2\.0 +1\.0\n +f +5"):
        timing.speed_ratio(speed, "f", "g", batch_size=1)
    with pytest.raises(ValueError, match="f and gone need one setting"):
        timing.speed_ratio(speed, "f", "gone", words=5, batch_size=1)


def test_memory_is_that_of_a_fresh_process():
    contenders = [Contender("none", "random"), Contender("MiniLM"), Contender("gone", "not_a_model")]
    memory = measure_memory(contenders, WORDS).set_index("model")
    assert memory.loc["none", "memory_mib"] < 30
    assert memory.loc["MiniLM", "memory_mib"] > memory.loc["none", "memory_mib"] + 100  # the weights alone are 87 MiB
    # where the libraries are there anyway, little more than the weights
    assert 60 < memory.loc["MiniLM", "model_mib"] < memory.loc["MiniLM", "memory_mib"] - 100
    assert memory.loc["MiniLM", "load_s"] > memory.loc["none", "load_s"] >= 0
    assert np.isnan(memory.loc["gone", "memory_mib"]) and "not_a_model" in memory.loc["gone", "why"]


def test_speed_is_that_of_one_core():
    import torch

    before, seen = torch.get_num_threads(), []

    def encode(texts):
        seen.append(torch.get_num_threads())
        raise ZeroDivisionError

    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError):
            timing.time_calls(encode, ["a"], batch_size=1, n_repeats=1)
        assert seen == [1] and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
