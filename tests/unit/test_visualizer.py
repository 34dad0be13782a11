"""The five pictures and the verdict: numbers against hand-made cases, models that cannot stand together, no memory."""

import re
import sys

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest
from helpers import CARD, FORMULAS, shown_in
from scipy.stats import binom, multinomial

from course_utils.data import Pairs
from course_utils.drawing import EmbeddingVisualizer, visualizer
from course_utils.learning import CheckpointError, ProjectionHead
from course_utils.measuring import AnswerRanking, Interval, difference_interval, normalize
from course_utils.measuring.intervals import MIN_UNITS
from course_utils.measuring.retrieval import decide

RNG = np.random.default_rng(0)


class Table:
    """An encoder with a vector for each text that was written down beforehand."""

    card, fingerprint, model = CARD, "table", None

    def __init__(self, vectors):
        self.vectors = {text: np.asarray(vector, dtype=np.float32) for text, vector in vectors.items()}
        self.embedding_dim = len(next(iter(self.vectors.values())))
        self.asked = []

    def encode_query(self, texts, *, max_length, batch_size):
        self.asked.append((len(texts), batch_size))
        return normalize(np.stack([self.vectors[text] for text in texts])).astype(np.float32)

    encode_document = encode_query


def random_case(n=60, noise=1.0, dim=16, seed=0):
    rng = np.random.default_rng(seed)
    meaning = rng.normal(size=(n, dim))
    sides = [meaning + noise * rng.normal(size=(n, dim)) for _ in range(2)]
    table = {f"{side} {i}": v for side, rows in zip("qa", sides, strict=True) for i, v in enumerate(rows)}
    return Table(table), Pairs.from_columns([f"q {i}" for i in range(n)], [f"a {i}" for i in range(n)])


def squeeze(dim_in, dim):
    return ProjectionHead({"weight": RNG.normal(size=(dim, dim_in)).astype(np.float32)})


@pytest.fixture(scope="module")
def case():
    return random_case()


@pytest.fixture(scope="module")
def both(case):
    embedder, pairs = case
    return EmbeddingVisualizer(embedder, pairs), EmbeddingVisualizer(embedder, pairs, head=squeeze(16, 3))


def by_hand():
    """Five questions in three dimensions; the first has two right answers, the last finds a wrong one first."""
    east, north, up = np.eye(3)
    questions = {"q0": east, "q1": north, "q2": up, "q3": east + north, "q4": north + up}
    right = {"a0": east, "b0": east + up, "a1": north, "a2": up, "a3": east + north, "a4": -up}
    table = Table(questions | right | {"x": -east})
    answers = ("a0", "b0"), ("a1",), ("a2",), ("a3",), ("a4",)
    return EmbeddingVisualizer(table, Pairs(("q0", "q1", "q2", "q3", "q4"), answers, ((), (), (), (), ("x",))))


def test_the_similarity_matrix_and_the_ranks_by_hand():
    model = by_hand()
    assert model.candidates == ("a0", "b0", "a1", "a2", "a3", "a4", "x")
    half = 1 / np.sqrt(2)
    assert np.allclose(model.compute_similarity_matrix()[0], [1, half, 0, 0, half, 0, -1], atol=1e-6)
    assert model.right_first.tolist() == [True, True, True, True, False]
    assert model.ranks.tolist() == [1, 1, 1, 1, 7]  # one of two right answers suffices
    scores = model.scores()
    assert list(scores) == ["right answer first", "right answer in 5", "right answer in 10", "mrr_at_10"]
    assert scores["mrr_at_10"].estimate == pytest.approx((4 + 1 / 7) / 5)
    assert scores["right answer in 5"].estimate == 0.8 and scores["right answer in 10"].estimate == 1
    top = model.top_k(2)
    assert top[top["question"] == 0]["answer"].tolist()[0] == 0
    assert top[top["question"] == 4]["right"].tolist() == [False, False]


def test_margin_and_separation_by_hand():
    model = by_hand()
    right, wrong = model.cosines()
    assert len(right) == 6 and len(wrong) == 5 * 7 - 6
    numbers = model.separation()
    assert numbers["margin"] == pytest.approx(right.mean() - wrong.mean())
    assert numbers["separation in σ"] == pytest.approx(numbers["margin"] / np.sqrt((right.var() + wrong.var()) / 2))


def test_a_constant_dimension_moves_every_cosine_and_no_rank(case):
    """Why thresholds on cosines do not carry over from one model to another."""
    embedder, pairs = case
    longer = Table({text: np.append(v / np.linalg.norm(v), 2) for text, v in embedder.vectors.items()})
    stock, moved = EmbeddingVisualizer(embedder, pairs), EmbeddingVisualizer(longer, pairs)
    assert np.allclose(moved.compute_similarity_matrix(), (stock.compute_similarity_matrix() + 4) / 5, atol=1e-5)
    assert np.array_equal(moved.right_first, stock.right_first)
    one, two = stock.separation(), moved.separation()
    assert two["separation in σ"] == pytest.approx(one["separation in σ"], rel=1e-4)
    assert two["margin"] == pytest.approx(one["margin"] / 5, rel=1e-4)
    results = [model.checklist()["result"] for model in (stock, moved)]
    assert results[0]["diagonal (right answers)"] == "fail" and results[1]["diagonal (right answers)"] == "pass"
    assert results[0]["margin"] == "pass" and results[1]["margin"] == "fail"


@pytest.mark.parametrize(
    ("name", "options", "columns"),
    [
        ("plot_similarity_distribution", {}, {"margin", "separation in σ", "right, mean", "wrong, sd"}),
        ("plot_tsne", {"perplexity": 10}, {"trustworthiness", "right answer near, in the vectors"}),
        ("plot_umap", {"n_neighbors": 10}, {"trustworthiness of shuffled points", "right answer near, on the map"}),
        ("plot_similarity_heatmap", {"n": 20}, {"diagonal", "off the diagonal", "largest on the diagonal"}),
        ("plot_top_k_predictions", {"k": 5}, {"right answer first", "right answer in 5", "mrr at 10"}),
    ],
)
def test_every_picture_has_a_panel_and_a_row_for_each_model(both, name, options, columns):
    stock, head = both
    figure, numbers = getattr(stock, name)(head, **options)
    assert numbers.index.tolist() == ["stock", "head"] and columns <= set(numbers)
    assert np.isfinite(numbers.to_numpy()).all()
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles == ["stock", "head"]
    assert len({tuple(row) for row in numbers.to_numpy().round(6)}) == 2  # two models, two results
    labels = [axis.get_xlabel() for axis in figure.axes if axis.get_title()]
    assert any(labels) or name == "plot_similarity_distribution"


def test_the_heatmap_runs_from_0_to_1_and_holds_the_numbers(both):
    figure, numbers = both[0].plot_similarity_heatmap(n=15)
    image = figure.axes[0].images[0]
    assert image.get_clim() == (0, 1)
    shown = both[0].compute_similarity_matrix()[:15, :15]
    assert np.allclose(image.get_array(), shown)
    assert numbers.loc["stock", "diagonal"] == pytest.approx(np.diag(shown).mean())


def test_right_and_wrong_are_told_apart_by_more_than_colour():
    figure, _ = by_hand().plot_top_k_predictions(k=3, n=5)
    texts, cosines = figure.axes[0].texts[::2], figure.axes[0].texts[1::2]
    cells = {tuple(np.round(text.get_position())): text.get_text() for text in texts}
    assert cells[(1, 0)] == "✔ a0" and cells[(2, 0)] == "✔ b0" and cells[(1, 4)] == "a1"
    assert sum(text.startswith("✔") for text in cells.values()) == 6 - 1  # the last one's answer is not among three
    assert [text.get_text() for text in cosines[:3]] == ["1.00", "0.71", "0.71"]
    assert cosines[0].get_fontsize() < texts[0].get_fontsize()


ENDLESS = "supercalifragilistic" * 12
ARABIC, CHINESE = "عود قديم من خشب الجوز يعزف عليه الناس " * 4, "小提琴是一种弦乐器，常用于管弦乐队" * 8


@pytest.mark.parametrize(("k", "n_models", "dpi"), [(1, 1, 100), (5, 3, 72), (5, 3, 85), (5, 3, 120), (10, 1, 72)])
@pytest.mark.filterwarnings("ignore:Glyph")  # no font of Chinese, perhaps
def test_the_answers_stand_in_their_cells(k, n_models, dpi):
    long = "A passage of many words, WITH SOME LOUD ONES. " * 9
    texts = [long, ENDLESS, ARABIC, CHINESE, "short", "from $5 to $10 <b>", "harp 😀🦄", "e\u0301" * 200]
    texts += [f"{i} {long}" for i in range(4)]
    table, _ = random_case(12)
    table.vectors = dict(zip([*(f"{t}?" for t in texts), *texts], table.vectors.values(), strict=True))
    pairs = Pairs.from_columns([f"{text}?" for text in texts], texts)
    models = [EmbeddingVisualizer(table, pairs, name=str(i)) for i in range(n_models)]
    figure = models[0].plot_top_k_predictions(*models[1:], k=k, n=12).figure
    figure.set_dpi(dpi)  # with few dots, letters are rounded to wider ones
    figure.draw_without_rendering()
    assert len(figure.axes) == n_models and figure.get_figwidth() < 15
    tops = [axis.get_window_extent().y1 for axis in figure.axes]
    assert tops == sorted(tops, reverse=True)  # one below the other
    shown = []
    for axis in figure.axes:
        boxes = [patch.get_window_extent() for patch in axis.patches]
        for box, text, cosine in zip(boxes, axis.texts[::2], axis.texts[1::2], strict=True):
            words, number = text.get_window_extent(), cosine.get_window_extent()
            assert box.x0 <= words.x0 and words.x1 <= box.x1 and number.y1 < words.y0 + 2
            assert box.y0 <= number.y0 and words.y1 <= box.y1
            shown.append(text.get_text())
            assert text.get_ha() == ("right" if "عود" in shown[-1] else "left")
    for text in texts:
        whole = next((each.removeprefix("✔ ").replace("\n", " ") for each in shown if text[:5] in each), "…")
        assert whole == text.strip().replace("$", r"\$") or whole.endswith("…")
    ends = {each.removesuffix("…").split()[-1] for each in shown if each.endswith("…") and "LOUD" in each}
    assert ends and ends <= set(re.findall(r"\w+", long))  # cut at a space
    assert any("short" in each for each in shown)


def test_a_long_text_ends_at_a_space_and_a_word_without_end_is_broken():
    fold = visualizer._fold
    assert fold("one  two\nthree", 3, 3) == ["one two three"]
    lines = fold("one two three four five six seven eight nine ten", 0.7, 2)
    assert (
        len(lines) == 2
        and lines[1].endswith("…")
        and " ".join(lines).removesuffix("…")
        in ("one two three four", "one two three four five", "one two three four five six")
    )
    lines = fold("a " + ENDLESS, 1, 2)
    assert lines[0].startswith("a super") and "".join(lines).removesuffix("…") in "a " + ENDLESS
    assert all(not line.startswith("\u0301") for line in fold("e\u0301" * 99, 0.5, 9))


def test_fonts_of_this_machine_draw_what_the_usual_one_lacks(both, monkeypatch):
    monkeypatch.setattr(visualizer, "_FURTHER_FONTS", ("STIXGeneral", "no such font"))  # matplotlib brings the first
    for figure in (both[0].plot_top_k_predictions().figure, both[0].plot_similarity_heatmap().figure):
        assert figure.axes[0].title.get_fontfamily()[1:] == ["STIXGeneral"]


@pytest.mark.parametrize("draw", ["plot_tsne", "plot_umap"])
def test_a_map_that_reveals_nothing_draws_all_questions_alike(both, draw):
    assert 0 < both[1].right_first.sum() < 60  # there is something to give away
    maps = [getattr(both[0], draw)(both[1], reveal=reveal) for reveal in (False, True)]
    for (figure, numbers), kinds in zip(maps, (1, 2), strict=True):
        for axis in figure.axes:
            answers, *questions = axis.collections
            assert len(questions) == kinds and len(answers.get_offsets()) == 60
            assert sum(len(each.get_offsets()) for each in questions) == 60
            assert len(axis.lines) == 1 and len(axis.lines[0].get_xdata()) == 3 * 60
        words = [text.get_text() for text in figure.legends[0].get_texts()]
        assert len(words) == kinds + 1 and (kinds == 2 or words == ["answer", "question"])
        assert numbers.equals(maps[1].numbers)
    places = [np.concatenate([each.get_offsets() for each in m.figure.axes[1].collections[1:]]) for m in maps]
    assert np.array_equal(*(np.sort(each, axis=0) for each in places))  # nothing has moved


def test_misses_know_which_texts_are_cut_with_the_prompts_and_the_length_of_this_model(minilm):
    places = ["mill", "lake", "barn", "hut", "yard"]
    asked = [f"Where is the {place}?" for place in places]
    asked[0] = "the lake " * 8 + asked[0]  # what it asks for comes too late
    pairs = Pairs.from_columns(asked, [f"Behind the {place}." for place in places])
    short, whole = (EmbeddingVisualizer(minilm, pairs, max_length=n, name=str(n)) for n in (8, None))
    missed = short.explain_misses().set_index("question")
    assert missed.loc[0, "cause"] == "question cut" and missed.loc[0, "first"] == 1
    assert "question cut" not in set(whole.explain_misses()["cause"])
    assert set(short.explain_misses(whole)["outcome"]) <= {"won", "lost", "still missed"}


def test_maps_are_drawn_once_and_answers_lie_near_on_an_easy_set():
    embedder, pairs = random_case(noise=0.05)
    model = EmbeddingVisualizer(embedder, pairs)
    points, numbers = model.map_points("tsne", perplexity=10)
    lines = model.map_lines(points).reshape(60, 3, 2)
    assert np.array_equal(lines[:, 0], points[:60]) and np.array_equal(lines[:, 1], points[60:])
    assert np.isnan(lines[:, 2]).all()
    assert points.shape == (120, 2) and model.map_points("tsne", perplexity=10)[0] is points
    assert numbers["right answer near, in the vectors"] == 1 and numbers["right answer near, on the map"] > 0.9
    assert numbers["trustworthiness"] > 0.8 > numbers["trustworthiness of shuffled points"]


def test_neighbours_follow_the_number_of_points(case, caplog):
    embedder, pairs = case
    few = EmbeddingVisualizer(embedder, pairs.take(range(5)))
    assert {few.map_points(method)[0].shape[1] for method in ("tsne", "umap")} == {2}
    assert "perplexity=30 is too much for 10 points; 3 is taken" in caplog.text
    assert "n_neighbors=15 is too much for 10 points; 9 is taken" in caplog.text


def test_what_cannot_be_drawn_is_said(case, both):
    embedder, pairs = case
    with pytest.raises(ValueError, match="4 pairs are too few: .* at least 5"):
        EmbeddingVisualizer(embedder, pairs.take(range(4)))
    with pytest.raises(ValueError, match="k=61 must be from 1 to 60"):
        both[0].plot_top_k_predictions(k=61)
    with pytest.raises(ValueError, match="same pairs"):
        both[0].plot_tsne(EmbeddingVisualizer(embedder, pairs.take(range(9)), name="other"))
    with pytest.raises(ValueError, match="a name of its own"):
        both[0].plot_similarity_heatmap(both[0])


def test_without_umap_the_way_out_is_named(case, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ValueError, match="pip install umap-learn"):
        EmbeddingVisualizer(*case).plot_umap()


def test_nan_vectors_are_refused(case):
    embedder, pairs = case
    broken = Table(embedder.vectors | {"a 7": np.full(16, np.nan)})
    with pytest.raises(ValueError, match="1 vectors of test/fake hold NaN .* text 7"):
        EmbeddingVisualizer(broken, pairs).plot_similarity_heatmap()


def test_a_head_of_another_encoder_is_refused(case):
    embedder, pairs = case
    with pytest.raises(CheckpointError, match=r"\(9 dimensions\) and does not fit test/fake \(16 dimensions"):
        EmbeddingVisualizer(embedder, pairs, head=squeeze(9, 3))
    stranger = ProjectionHead(squeeze(16, 3).weights, {"encoder": "E", "encoder_fingerprint": "other"})
    with pytest.raises(CheckpointError, match="trained on E .* but other weights"):
        EmbeddingVisualizer(embedder, pairs, head=stranger)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")])
def test_out_of_memory_means_smaller_batches_said_aloud(case, error, caplog):
    embedder, pairs = case

    class Small(Table):
        def encode_query(self, texts, *, max_length, batch_size):
            if batch_size > 8:
                raise error
            return super().encode_query(texts, max_length=max_length, batch_size=batch_size)

        encode_document = encode_query

    small = Small(embedder.vectors)
    model = EmbeddingVisualizer(small, pairs, batch_size=32)
    expected = EmbeddingVisualizer(embedder, pairs).compute_similarity_matrix()
    assert np.array_equal(model.compute_similarity_matrix(), expected)
    assert [record.getMessage()[-9:] for record in caplog.records] == ["16 texts.", " 8 texts."]
    assert model.batch_size == 8 and {batch for _, batch in small.asked} == {8}


def test_other_errors_are_not_taken_for_a_lack_of_memory(case):
    embedder, pairs = case

    class Broken(Table):
        def encode_query(self, texts, **options):
            raise RuntimeError("size mismatch")

    with pytest.raises(RuntimeError, match="size mismatch"):
        EmbeddingVisualizer(Broken(embedder.vectors), pairs).compute_similarity_matrix()


# --- the verdict ----------------------------------------------------------------------------------------------------


GOOD, ZERO, BAD = (Interval(mid, mid - 0.05, mid + 0.05) for mid in (0.1, 0.0, -0.1))
HIGH, LOW = Interval(0.9, 0.85, 0.95), Interval(0.3, 0.25, 0.35)
FEW = Interval(1.0, 0.7, 1.0, n=9)
KEEP, COLLECT, MEND, TOO_FEW = "keep the stock model", "collect more pairs", "mend the data", "too few to say"


@pytest.mark.parametrize(
    ("ten", "gain", "harm", "advice", "words"),
    [
        (LOW, ZERO, ZERO, f"{MEND} or change the model", "not even the ten nearest"),
        (LOW, GOOD, ZERO, COLLECT, "but few find an answer in ten"),  # right data, and much to learn
        (LOW, GOOD, BAD, COLLECT, "loses elsewhere"),
        (HIGH, None, None, COLLECT, "not safely above the usual 0.85"),
        (HIGH, BAD, ZERO, MEND, "worse than the stock model"),
        (HIGH, ZERO, ZERO, KEEP, "cannot be told apart from"),
        (HIGH, Interval(0, -0.1, 0.1, n=40, identical=True), None, KEEP, "first for the same questions as"),
        (HIGH, ZERO, BAD, MEND, "worse on the other subject"),
        (HIGH, GOOD, None, "deploy", "is not known"),
        (HIGH, GOOD, Interval(-1, -1, 1, n=4), "deploy", "is not known"),
        (HIGH, GOOD, BAD, COLLECT, "loses elsewhere"),
        (HIGH, GOOD, ZERO, "deploy", "on the other subject cannot be told apart from it"),
        (HIGH, GOOD, GOOD, "deploy", "on the other subject beats it"),
    ],
)
def test_the_rules_of_the_verdict(ten, gain, harm, advice, words):
    said = decide(ten, HIGH, gain, harm)
    assert said[0] == advice and words in said[1]


def test_a_model_on_its_own_must_be_right_nearly_always():
    said = decide(HIGH, Interval(0.95, 0.9, 0.98), None, None)
    assert said[0] == "deploy" and "as the baseline" in said[1]
    said = decide(HIGH, Interval(0.5, 0.4, 0.6), None, None)
    assert said[0] == COLLECT and "below the usual 0.85" in said[1]


def test_a_handful_of_questions_decides_nothing_but_what_is_so_by_design():
    few = Interval(0.0, -1.0, 1.0, n=9)
    for gain in (None, few):
        advice, why = decide(FEW, FEW, gain, None)
        assert advice == TOO_FEW and "9 independent questions" in why and "12 or more" in why
    assert decide(Interval(0, 0, 0.34, n=9), Interval(0, 0, 0.34, n=9), None, None)[0] == TOO_FEW
    advice, why = decide(FEW, FEW, few, None, same_cosines=True)
    assert advice == KEEP and "the same cosines" in why
    assert decide(FEW, FEW, few, BAD)[0] == MEND  # many questions elsewhere do say something


def test_ranks_decide_and_not_the_checklist(case):
    """A head that passes fewer checks may be the one to deploy, and the other way round."""
    embedder, pairs = random_case(n=120, noise=0.5, seed=3)
    # what is noise lies in eight more dimensions; the head that drops them is right
    rng = np.random.default_rng(1)
    table = Table({t: np.concatenate([v, 2 * rng.normal(size=8), [9]]) for t, v in embedder.vectors.items()})
    keep = ProjectionHead({"weight": np.hstack([np.eye(16), np.zeros((16, 9))]).astype(np.float32)})
    stock, head = EmbeddingVisualizer(table, pairs), EmbeddingVisualizer(table, pairs, head=keep)
    found = head.verdict(stock, (head, stock))
    assert found.advice == "deploy" and found.evidence.loc["gain over stock", "low"] > 0
    assert (found.checklist["result"] == "fail").any() and (found.evidence["n"] == 120).all()
    back = EmbeddingVisualizer(table, pairs, name="a").verdict(EmbeddingVisualizer(table, pairs, head=keep, name="b"))
    assert back.advice == MEND and back.evidence.loc["gain over b", "high"] < 0
    same = EmbeddingVisualizer(table, pairs, name="twin").verdict(stock)
    assert same.advice == KEEP and "the same cosines" in same.reason
    turn = np.linalg.qr(rng.normal(size=(25, 25)))[0].astype(np.float32)
    turned = EmbeddingVisualizer(table, pairs, head=ProjectionHead({"weight": turn})).verdict(stock)
    assert turned.advice == KEEP and "the same cosines" in turned.reason


def ranking(vectors, answers, pairs, name):
    return AnswerRanking(pairs, normalize(vectors), normalize(answers), name)


def test_many_right_answers_are_no_fault_of_the_data():
    """Of 24 right answers each, ten cannot hold more than ten: what counts is whether any is there."""
    topics = np.random.default_rng(0).normal(size=(30, 16))
    answers = np.repeat(topics, 24, axis=0) + 0.1 * np.random.default_rng(1).normal(size=(720, 16))
    texts = [f"a {i}" for i in range(720)]
    pairs = Pairs(
        tuple(f"q {i}" for i in range(30)), tuple(tuple(texts[24 * i : 24 * i + 24]) for i in range(30)), ((),) * 30
    )
    model = ranking(topics, answers, pairs, "stock")
    assert model.scores()["mrr_at_10"].estimate == 1
    assert model.verdict().advice == "deploy"


def test_held_out_questions_search_among_all_answers():
    embedder, pairs = random_case(n=60, noise=0.9)
    everything, held_out = EmbeddingVisualizer(embedder, pairs), EmbeddingVisualizer(embedder, pairs.take(range(9)))
    assert held_out.similarity.shape == (9, 60) and held_out.ranks.tolist() == everything.ranks[:9].tolist()
    alone = Pairs.from_columns(held_out.pairs.queries, held_out.pairs.answers)
    assert EmbeddingVisualizer(embedder, alone).right_first.mean() > held_out.right_first.mean()  # an easier search
    points, numbers = held_out.map_points("tsne", perplexity=4)
    assert points.shape == (18, 2) and numbers["right answer near, in the vectors"] == 1  # nine are drawn


def test_questions_that_share_an_answer_count_as_one():
    embedder, pairs = random_case(n=60, noise=0.1)
    shared = Pairs(pairs.queries, tuple((f"a {i // 10}",) for i in range(60)), ((),) * 60)
    stock, head = (EmbeddingVisualizer(embedder, shared, head=head) for head in (None, squeeze(16, 3)))
    assert stock.verdict().advice == TOO_FEW and "6 independent questions" in stock.verdict().reason
    assert head.gain_over(stock).n == 6 and head.verdict(stock).advice == TOO_FEW


@pytest.mark.parametrize("n", [12, 13, 14, 17, 20, 30, 60])
def test_a_gain_is_seldom_claimed_where_there_is_none_and_mostly_where_there_is_one(n):
    """All samples of n questions of which a were won and b lost; a and b are as likely under the null.

    Two models that are right independently of each other win and lose at most a quarter each.
    """
    counts = np.array([(a, b, n - a - b) for a in range(n + 1) for b in range(n + 1 - a)])
    advice = np.array([_advice_after(a, b, n) for a, b, _ in counts])
    claimed = (advice == "deploy") | (advice == MEND)
    for chance in (0.005, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.25):
        assert multinomial.pmf(counts, n, [chance, chance, 1 - 2 * chance])[claimed].sum() <= 0.05
    # of a hundred questions forty are won and five lost
    power = multinomial.pmf(counts, n, [0.4, 0.05, 0.55])[advice == "deploy"].sum()
    assert power >= {12: 0.2, 13: 0.25, 14: 0.3, 17: 0.45, 20: 0.55, 30: 0.8, 60: 0.99}[n]


def _advice_after(won, lost, n):
    after, before = np.arange(n) < won, (np.arange(n) >= won) & (np.arange(n) < won + lost)
    return decide(HIGH, HIGH, difference_interval(after, before), None)[0]


@pytest.mark.parametrize("n", [5, 12, 40, 200])
def test_noise_is_no_reason_to_deploy(n, request):
    """Stock model and head are equally noisy, here and elsewhere; neither of the two comparisons may make a claim."""
    n_draws = (600 if request.config.getoption("--long") else 60) if n >= MIN_UNITS else 5
    generator, claimed = np.random.default_rng(n), 0
    pairs = Pairs.from_columns([f"q {i}" for i in range(n)], [f"a {i}" for i in range(n)])
    for _ in range(n_draws):
        models = {}
        for place in ("here", "elsewhere"):
            meaning = generator.normal(size=(n, 8))
            asked, answers = (meaning + 0.6 * generator.normal(size=(n, 8)) for _ in range(2))
            for name in ("stock", "head"):  # both are noisy copies, so that neither is better
                noisy = [side + 0.3 * generator.normal(size=(n, 8)) for side in (asked, answers)]
                models[name, place] = ranking(*noisy, pairs, name)
        verdict = models["head", "here"].verdict(
            models["stock", "here"], (models["head", "elsewhere"], models["stock", "elsewhere"])
        )
        claimed += verdict.advice not in (KEEP, TOO_FEW)
        assert n >= MIN_UNITS or verdict.advice == TOO_FEW
    assert claimed <= binom.ppf(0.99, n_draws, 0.05)


def test_the_checklist_names_what_is_wanted(both):
    checks = both[0].checklist()
    assert checks["wanted"].tolist() == ["> 0.25", "> 2", "> 0.8", "< 0.6", "> 0.85", "> 0.1", "> 0.9"]
    assert set(checks["result"]) <= {"pass", "fail"} and isinstance(checks, pd.DataFrame)
    worst = EmbeddingVisualizer(*random_case(noise=8)).checklist()
    assert worst.loc["margin", "remark"] == "bad" and worst.loc["separation in σ", "remark"] == "bad"


def test_questions_and_names_are_no_formulas_in_the_pictures():
    words, (table, pairs) = FORMULAS[2], random_case(12)
    asked = [f"{words} {query}" for query in pairs.queries]
    table.vectors |= {text: table.vectors[query] for text, query in zip(asked, pairs.queries, strict=True)}
    model = EmbeddingVisualizer(table, Pairs.from_columns(asked, pairs.candidates), name=words)
    other = EmbeddingVisualizer(table, model.pairs, name=f"{words} two")
    assert shown_in(model.plot_top_k_predictions(other, n=6).figure).count(words) == 2 * (6 + 1)
    for draw in (model.plot_similarity_distribution, model.plot_similarity_heatmap, model.plot_tsne):
        assert shown_in(draw(other).figure).count(words) == 2
