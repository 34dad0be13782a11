"""A shortlist: what meets the constraints, why, and what is not known; and the rule for staying with a model."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from course_utils.embedding import CATALOG, ModelCard, find_model
from course_utils.measuring import Interval, mean_interval
from course_utils.measuring.recommend import published_scores, recommend, stay_or_upgrade
from course_utils.teaching import say

SMALL = ModelCard("a/small", 1, 8, 256, license="mit", languages=("eng",), download_mb=100)
LARGE = ModelCard(
    "a/large",
    1,
    8,
    8192,
    license="gemma",
    languages=("eng", "mul"),
    download_mb=2000,
    instruction_prompt="{instruction}",
)
BARE = ModelCard("a/bare", 1, 8, 512)
CARDS = {"small": SMALL, "large": LARGE, "bare": BARE}


@pytest.mark.parametrize(
    ("interval", "outcome"),
    [
        (Interval(0.9, 0.8, 0.95), "stay"),
        (Interval(0.9, 0.79, 0.95), "undecided"),
        (Interval(0.7, 0.6, 0.8), "undecided"),
        (Interval(0.7, 0.6, 0.79), "upgrade or fine-tune"),
        (Interval(0.9, 0.8, 0.95, n=50), "stay"),
        (
            Interval(1.0, 0.8, 1.0, n=5),
            "too few to say: 5 independent questions; about 17 might do, and twice as many should, if the share stays",
        ),
        (Interval(0.0, 0.0, 0.7, n=4), "too few to say: 4 independent questions; about 12 might do"),
        (Interval(0.8, 0.7, 0.9, n=90), "undecided: 90 independent questions; more than 6,494 might do"),
    ],
)
def test_the_rule_needs_the_whole_interval_and_more_than_a_handful(interval, outcome):
    assert stay_or_upgrade(interval).startswith(outcome)
    assert (":" in outcome) == (":" in stay_or_upgrade(interval))


@pytest.mark.parametrize("n", [3, 5, 11, 12, 13, 20, 40, 60, 100, 200])
def test_few_questions_seldom_decide_wrongly_and_enough_decide(n):
    """All samples of n questions: how often the rule says what is not so, and how often what is."""
    outcomes = np.array([stay_or_upgrade(mean_interval(np.arange(n) < k)) for k in range(n + 1)])
    said = {p: {word: binom.pmf(np.arange(n + 1), n, p)[outcomes == word].sum() for word in WORDS} for p in SHARES}
    assert max(said[p]["stay"] for p in (0.6, 0.75, 0.79)) <= 0.05
    assert said[0.85]["upgrade or fine-tune"] <= 0.05
    assert n >= 12 or all(outcome.startswith("too few to say") for outcome in outcomes)
    if n >= 60:
        assert said[0.95]["stay"] >= 0.8 and said[0.6]["upgrade or fine-tune"] >= 0.9


WORDS, SHARES = ("stay", "upgrade or fine-tune"), (0.6, 0.75, 0.79, 0.85, 0.95)


def test_questions_about_one_document_are_no_independent_questions():
    """Sixty documents, three questions each that mostly succeed or fail together."""
    generator, groups = np.random.default_rng(0), np.repeat(np.arange(60), 3)
    said = {}
    for p in SHARES:
        shares = generator.beta(p * 0.5, (1 - p) * 0.5, size=(200, 60))
        right = generator.random((200, 180)) < shares[:, groups]
        outcomes = [stay_or_upgrade(mean_interval(row, groups=groups)) for row in right]
        said[p] = {word: outcomes.count(word) / 200 for word in WORDS}
    assert max(said[p]["stay"] for p in (0.6, 0.75, 0.79)) <= 0.05
    assert said[0.85]["upgrade or fine-tune"] <= 0.05 and said[0.95]["stay"] >= 0.8


def test_published_scores_have_a_version_and_a_source():
    table = published_scores()
    assert table.index.is_unique and len(table) >= 10
    assert "MTEB(eng, v2)" in table.attrs["benchmark"] and "mteb 2.26.24" in table.attrs["source"]
    scores = table[["mean_task", "retrieval", "sts"]]
    assert ((scores > 20) & (scores < 100) | scores.isna()).all(axis=None)
    assert scores.loc["sentence-transformers/all-MiniLM-L6-v2"].tolist() == [59.03, 42.92, 78.95]
    assert table[["family", "n_parameters", "embed_dim"]].notna().all(axis=None)
    assert table["family"].value_counts().head(2).to_dict() == {"qwen3-embedding": 3, "bge-en-v1.5": 3}
    assert np.isnan(table.loc["sentence-transformers/all-mpnet-base-v2", "mean_task"])  # it lacks tasks
    unknown = set(table.index) - set(CATALOG)
    assert unknown == {"intfloat/multilingual-e5-large-instruct", "minishlab/potion-base-8M"}


def test_what_fits_what_may_and_what_does_not():
    table = recommend({"languages": ["eng"], "licenses": ["mit"]}, cards=CARDS)
    assert table["verdict"].to_dict() == {"small": "fits", "bare": "may fit"}
    assert table.loc["small", "reasons"] == "made for eng; licence mit"
    assert table.loc["small", "unknown"] == "quality on your texts"
    assert table.loc["bare", "unknown"] == "languages; licence; quality on your texts"
    assert table.attrs["rejected"] == {"large": "licence gemma"}


@pytest.mark.parametrize(
    ("constraints", "left"),
    [
        ({"languages": ["deu"]}, {"large": "may fit", "bare": "may fit"}),
        ({"max_tokens": 500}, {"large": "fits", "bare": "fits"}),
        ({"max_tokens": 513}, {"large": "fits"}),
        ({"instructions": True}, {"large": "fits"}),
        ({"memory_mib": 1000}, {"small": "may fit", "bare": "may fit"}),
        ({"ms_per_text": 5}, {"small": "may fit", "large": "may fit", "bare": "may fit"}),
        ({}, {"small": "fits", "large": "fits", "bare": "fits"}),
    ],
)
def test_each_constraint(constraints, left):
    assert recommend(constraints, cards=CARDS)["verdict"].to_dict() == left


def test_what_was_measured_decides_before_what_was_published():
    cards = {name: find_model(name) for name in ("all-MiniLM-L6-v2", "bge-small-en-v1.5", "Qwen3-Embedding-0.6B")}
    assert list(recommend({}, cards=cards).index) == ["Qwen3-Embedding-0.6B", "bge-small-en-v1.5", "all-MiniLM-L6-v2"]
    measured = pd.DataFrame({"quality": [0.6], "memory_mib": [500.0]}, index=["all-MiniLM-L6-v2"])
    table = recommend({"memory_mib": 2000}, cards=cards, measured=measured)
    assert list(table.index) == ["all-MiniLM-L6-v2", "Qwen3-Embedding-0.6B", "bge-small-en-v1.5"]
    assert table.loc["all-MiniLM-L6-v2", ["verdict", "reasons", "unknown"]].tolist() == ["fits", "500 MiB measured", ""]
    assert table["quality"].notna().tolist() == [True, False, False]  # never filled up from the published column
    assert table.loc["bge-small-en-v1.5", "published"] == 53.86
    with pytest.raises(ValueError, match="all-MiniLM-L6-v2: 500 MiB measured"):
        recommend({"memory_mib": 120}, cards=cards, measured=measured)


def test_a_measured_value_beats_what_a_download_suggests():
    measured = pd.DataFrame({"memory_mib": [300.0], "ms_per_text": [np.nan]}, index=["large"])
    table = recommend({"memory_mib": 400, "ms_per_text": 9}, cards=CARDS, measured=measured)
    assert "300 MiB measured" in table.loc["large", "reasons"]
    assert "ms_per_text on this machine" in table.loc["large", "unknown"]


@pytest.mark.parametrize(
    ("row", "verdict", "words"),
    [
        ((0.59, 0.45, 0.72), None, "small: quality 0.59 (0.45 to 0.72) measured"),
        ((0.72, 0.59, 0.84), "may fit", "whether quality 0.72 (0.59 to 0.84) reaches 0.8"),
        ((0.9, 0.79, 0.95), "may fit", "whether quality 0.90 (0.79 to 0.95) reaches 0.8"),
        ((0.9, 0.8, 0.95), "fits", ""),
        ((0.7, 0.5, 0.8), "may fit", "whether quality 0.70 (0.50 to 0.80) reaches 0.8"),
        ((0.9, np.nan, np.nan), "may fit", "whether quality 0.90 reaches 0.8"),
        ((np.nan, np.nan, np.nan), "may fit", "quality on your texts"),
    ],
)
def test_a_minimum_of_quality_is_judged_by_the_whole_interval(row, verdict, words):
    measured = pd.DataFrame([row], columns=["quality", "low", "high"], index=["small"])
    table = recommend({"quality": 0.8}, cards={"small": SMALL, "bare": BARE}, measured=measured)
    assert table["verdict"].get("small") == verdict
    assert (table["unknown"]["small"] if verdict else "small: " + table.attrs["rejected"]["small"]) == words
    assert table.loc["bare", ["verdict", "unknown"]].tolist() == ["may fit", "quality on your texts"]
    assert table.attrs["outcome"] == (
        "1 known to fit; 1 may" if verdict == "fits" else f"nothing is known to fit; {1 + bool(verdict)} may"
    )


def test_a_model_that_the_rule_tells_to_upgrade_never_tops_the_list():
    measured = pd.DataFrame({"quality": [0.59], "low": [0.48], "high": [0.69]}, index=["all-MiniLM-L6-v2"])
    table = recommend({"quality": 0.8, "languages": ["eng"]}, measured=measured)
    assert "all-MiniLM-L6-v2" not in table.index and "all-MiniLM-L6-v2" in table.attrs["rejected"]
    assert table.attrs["outcome"].startswith("nothing is known to fit")
    # one row for one model, under whichever of its names it was measured
    assert not {"all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"} < {*table.index, *table.attrs["rejected"]}


def test_what_was_measured_takes_part_without_a_card():
    measured = pd.DataFrame({"quality": [0.7, 0.6, 0.5], "ms_per_text": 1.0}, index=["BM25", "static", "small"])
    brief = {"languages": ["eng"], "licenses": ["mit"], "max_tokens": 200, "ms_per_text": 5}
    table = recommend(brief, cards=CARDS, measured=measured)
    assert table["verdict"].to_dict() == {"BM25": "fits", "small": "fits", "static": "may fit", "bare": "may fit"}
    assert table.loc["BM25", "reasons"].startswith("no model, so any language; no model, so any licence")
    assert table.loc["static", "unknown"] == "language; licence; length"
    with pytest.raises(ValueError, match="BM25: no model, so no instruction"):
        recommend({"instructions": True}, cards={}, measured=measured[:1])


def test_languages_that_no_card_names():
    table = recommend({"languages": ["swh", "eng"]}, cards=CARDS)
    assert table.attrs["rejected"] == {"small": "not made for swh"}
    assert table.loc["large", "unknown"].startswith("whether swh is among its many languages")


def test_what_every_card_lists_is_never_unknown():
    """English is a language of every model, and of German it is known of which."""
    table = recommend({"languages": ["eng"]})
    assert set(table.index) == set(CATALOG) and not table["unknown"].str.contains("language").any()
    table = recommend({"languages": ["deu", "jpn"]})
    assert {"intfloat/multilingual-e5-small", "BAAI/bge-m3", "Qwen/Qwen3-Embedding-0.6B"} < set(table.index)
    assert not table["unknown"].str.contains("language").any()
    assert table.attrs["rejected"]["BAAI/bge-small-en-v1.5"] == "not made for deu, jpn"


def test_reasons_are_shown_whole():
    shortlist = recommend({"max_tokens": 8000, "licenses": ["mit", "apache-2.0"], "instructions": True, "quality": 0.8})
    longest = max(shortlist["reasons"], key=len)
    assert len(longest) > 50 and longest not in shortlist._repr_html_()  # this is what pandas cuts
    shown = say.table(shortlist).to_html()
    assert all(words in shown for words in [*shortlist["reasons"], *shortlist["unknown"]])
    assert shown == say.table(shortlist).to_html()
    assert "<b>" not in say.table(pd.DataFrame({"x": ["<b>bold</b>"]})).to_html()


def test_constraints_that_nothing_can_meet_name_where_each_model_fails():
    with pytest.raises(ValueError, match="No model meets all constraints") as caught:
        recommend({"memory_mib": 50, "instructions": True}, cards=CARDS)
    message = str(caught.value)
    assert "- small: its weights alone are 95 MiB; was not trained to follow instructions" in message
    assert "- large: its weights alone are 1,907 MiB" in message and "- bare: was not trained" in message


@pytest.mark.parametrize(
    ("constraints", "words"),
    [
        (
            {"speed": 3},
            "no constraint 'speed'. There are languages, licenses, quality, memory_mib, ms_per_text, max_tokens",
        ),
        ({"memory_mib": 0}, "memory_mib=0 must be a number above 0, in MiB"),
        ({"quality": "high"}, "quality='high' must be a number above 0"),
        ({"memory_mib": "2 GB"}, "memory_mib='2 GB' must be a number above 0"),
        ({"ms_per_text": float("nan")}, "ms_per_text=nan must be"),
        ({"max_tokens": True}, "max_tokens=True must be"),
        ({"languages": "eng"}, "languages='eng' must be a list"),
        ({"languages": ["en"]}, "must be ISO 639-3 codes: 'eng', not 'en'"),
        ({"licenses": []}, "To allow any, leave it out"),
        ({"instructions": False}, "If they are not needed, leave it out"),
    ],
)
def test_constraints_that_make_no_sense(constraints, words):
    with pytest.raises(ValueError, match=words):
        recommend(constraints)


def test_the_catalogue_is_the_default():
    table = recommend({"max_tokens": 8000, "licenses": ["apache-2.0", "mit"]})
    assert set(table.index) == {name for name, card in CATALOG.items() if card.max_tokens >= 8000}
    assert table.index[0] == "Qwen/Qwen3-Embedding-8B"


def _told(words):
    return int(re.search(r"about ([\d,]+)", words)[1].replace(",", ""))


def test_shares_that_spread_less_than_single_hits_need_fewer_questions():
    """Weighted hits of whole traces: about as many decide as the note says, by drawing that many anew."""
    random = np.random.default_rng(3)
    traces = (random.random((60, 3)) < [0.97, 0.53, 0.28]) @ np.array([0.6, 0.3, 0.1])
    interval = mean_interval(traces + 0.77 - traces.mean())
    words = stay_or_upgrade(interval)
    needed = _told(words)
    single = stay_or_upgrade(mean_interval(np.arange(60) < 46))
    assert needed < _told(single) / 2
    more = random.choice(traces + 0.77 - traces.mean(), size=(200, 2 * needed))
    assert np.mean([mean_interval(row).high < 0.8 for row in more]) > 0.8
    once = np.mean([mean_interval(row[:needed]).high < 0.8 for row in more])
    assert 0.4 < once < 0.8, "about every second, or two of three"
