"""The value learner: exact learning, honest measures, intervals that cover, and nothing lost when it goes wrong."""

import copy
import functools
import json
import logging
import math
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from helpers import fake_embedder, run_python, with_mounts
from safetensors.numpy import save_file
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted

from course_utils.data import TensorFileError, read_tensors, write_tensors
from course_utils.embedding import EmbeddingCache, ModelCard, RemoteEmbedder
from course_utils.learning import (
    ALPHAS,
    EmbeddingValueLearner,
    RankingExample,
    TextEmbedder,
    measures,
    predict_ensemble,
    ridge,
    text_embedder,
)
from course_utils.measuring import intervals


def texts_and_scores(n, seed=0, noise=0.3, start=0):
    """Texts whose scores are a linear function of their (fake) vectors, and noise."""
    texts = [f"text {i}" for i in range(start, start + n)]
    generator = np.random.default_rng(seed)
    weights = np.random.default_rng(99).normal(size=8)
    return texts, fake_embedder().encode(texts) @ weights + 2 + noise * generator.normal(size=n)


@pytest.fixture
def learner():
    made = EmbeddingValueLearner(fake_embedder())
    made.add_training_examples(list(map(RankingExample, *texts_and_scores(60))))
    return made


def batch(learner, alpha=None):
    """scikit-learn's own ridge on all examples of a learner."""
    ridge = Ridge(alpha=alpha or learner.alpha_)
    return ridge.fit(learner.transform(learner.training_texts).astype(float), learner.training_scores)


# --- the transformer and scikit-learn ----------------------------------------------------------------------------


def test_the_transformer_gives_unit_vectors_in_pipelines_clones_and_searches():
    texts, scores = texts_and_scores(40)
    embedder = fake_embedder()
    transformer = TextEmbedder(embedder)
    assert clone(transformer).embedder is embedder
    vectors = transformer.fit_transform(texts)
    assert vectors.dtype == np.float32 and np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert transformer.transform("text 0").shape == (1, 8)
    pipeline = make_pipeline(transformer, Ridge())
    grid = {"textembedder__embedding_dim": [2, 8], "ridge__alpha": [0.01, 1.0]}
    search = GridSearchCV(pipeline, grid, cv=4).fit(texts, scores)
    assert search.best_params_ == {"textembedder__embedding_dim": 8, "ridge__alpha": 0.01}
    assert search.predict(texts[:3]).shape == (3,)


def test_the_learner_is_a_scikit_learn_regressor():
    texts, scores = texts_and_scores(40)
    search = GridSearchCV(EmbeddingValueLearner(fake_embedder()), {"ridge_alpha": [0.01, 100.0]}, cv=4)
    search.fit(texts, scores)
    assert search.best_params_ == {"ridge_alpha": 0.01}
    learner = EmbeddingValueLearner(fake_embedder(), ridge_alpha=0.1)
    assert learner.fit(texts, scores) is learner
    assert learner.training_texts == texts
    expected = batch(learner).score(learner.transform(texts), scores)
    assert learner.score(texts, scores) == pytest.approx(expected, abs=1e-6)
    assert clone(learner).get_params() == learner.get_params()
    assert clone(learner).training_texts == []
    assert cross_val_score(learner, pd.Series(texts), scores, cv=4).mean() > 0.5


def test_an_instruction_reaches_the_texts_in_the_models_own_template():
    embedder = fake_embedder()
    TextEmbedder(embedder, instruction="Judge it").transform(["a"])
    assert embedder.model.calls[0][1] == "Instruct: Judge it\nQuery:"


def test_dimensions_too_many_and_not_trained_for(caplog):
    for wrong in (9, 0, 2.0, True):
        with pytest.raises(ValueError, match=r"_dim=.* must be a whole number from 1 to 8 for test/fake"):
            TextEmbedder(fake_embedder(), embedding_dim=wrong).transform(["a"])
    caplog.clear()
    assert TextEmbedder(fake_embedder(), embedding_dim=8).transform(["a"]).shape == (1, 8)
    assert not caplog.records
    cut = TextEmbedder(fake_embedder(), embedding_dim=4)
    assert np.allclose(np.linalg.norm(cut.transform(["a", "b"]), axis=1), 1)
    assert [record.getMessage() for record in caplog.records] == [
        "test/fake was not trained for fewer dimensions; its first 4 are used."
    ]
    caplog.clear()
    trained = ModelCard("test/doll", n_parameters=1, embed_dim=8, max_tokens=16, matryoshka_dims=(4,))
    TextEmbedder(fake_embedder(card=trained), embedding_dim=4).fit()
    assert not caplog.records


def test_a_name_is_loaded_at_first_use_with_a_cache_of_its_own(minilm, tmp_path):
    transformer = TextEmbedder("all-MiniLM-L6-v2", cache_dir=tmp_path / "vectors")
    assert not (tmp_path / "vectors").exists()
    assert np.abs(transformer.transform(["one text"]) - minilm.encode(["one text"])).max() < 1e-6
    learner = EmbeddingValueLearner("all-MiniLM-L6-v2", cache_dir=tmp_path / "vectors")
    assert len(learner.embedding_cache) == 1
    learner.embedding_cache.clear()
    assert len(learner.embedding_cache) == 0


def test_a_key_is_neither_shown_nor_lost_and_needs_an_endpoint(monkeypatch):
    opened = []
    monkeypatch.setattr(
        text_embedder,
        "RemoteEmbedder",
        lambda *args, api_key, cache: opened.append((*args, api_key)) or fake_embedder(),
    )
    learner = EmbeddingValueLearner("openai:some-model", api_key="sk-secret")
    shown = repr(learner) + repr(learner.get_params()) + learner._repr_html_()
    assert "api_key" in shown and "sk-secret" not in shown
    assert clone(learner).transform(["a"]).shape == (1, 8)
    learner.set_params(api_key="sk-other").transform(["a"])
    assert opened == [("openai", "some-model", "sk-secret"), ("openai", "some-model", "sk-other")]
    with pytest.raises(ValueError, match="api_key is for a model behind an endpoint"):
        EmbeddingValueLearner("all-MiniLM-L6-v2", api_key="sk-secret").transform(["a"])
    with pytest.raises(ValueError, match="an Embedder has its own"):
        EmbeddingValueLearner(fake_embedder(), cache_dir="here").transform(["a"])


# --- examples ----------------------------------------------------------------------------------------------------


def test_examples_come_singly_as_a_list_a_table_or_a_file(tmp_path):
    learner = EmbeddingValueLearner(fake_embedder())
    learner.add_training_example("one", 1, {"by": "me"})
    assert learner.add_training_examples([RankingExample("two", 2.5)]) == 1
    assert learner.training_examples == [("one", 1, {"by": "me"}, None), ("two", 2.5, None, None)]
    table = pd.DataFrame({"what": ["three", "four"], "how much": [3, np.float32(4)]})
    assert learner.add_training_examples(table, text_column="what", score_column="how much") == 2
    (tmp_path / "mine.csv").write_text("text,score\nfive,5\nsix,6.5\n,9\n", encoding="utf-8")
    assert learner.add_training_examples(tmp_path / "mine.csv") == 2  # a row without a text is left out
    assert learner.training_texts == ["one", "two", "three", "four", "five", "six"]
    assert learner.training_scores.tolist() == [1, 2.5, 3, 4, 5, 6.5]


@pytest.mark.parametrize(
    ("text", "score", "error", "message"),
    [
        ("", 1, ValueError, "text is empty"),
        (" \n", 1, ValueError, "text is empty"),
        (None, 1, TypeError, "text is a NoneType"),
        (3.5, 1, TypeError, "text is a float"),
        ("half \ud83d", 1, ValueError, "half a character at position 5"),
        ("a", float("nan"), ValueError, "score=nan is not finite"),
        ("a", -np.inf, ValueError, "score=-inf is not finite"),
        ("a", -1e200, ValueError, "score=-1e.200 is too large to calculate with; divide"),
        ("a", "4", TypeError, "score is .4., a str and not a number"),
        ("a", True, TypeError, "give 1 and 0"),
        ("a", None, TypeError, "score is None, a NoneType"),
    ],
)
def test_an_unusable_example_is_named_and_none_of_its_call_is_added(text, score, error, message, learner):
    before = learner.training_texts
    with pytest.raises(error, match=message):
        learner.add_training_example(text, score)
    with pytest.raises(error, match=rf"examples\[1\]: .*{message}"):
        learner.add_training_examples([RankingExample("good", 1), RankingExample(text, score)])
    with pytest.raises(error, match=rf"examples\[1\]: .*{message}"):
        learner.add_training_examples(pd.DataFrame({"text": ["good", text], "score": [1, score]}, dtype=object))
    learner.train()
    coef = learner.coef_.copy()
    with pytest.raises(error, match=rf"texts\[1\]: .*{message}"):
        learner.partial_fit(["good", text], [1, score])
    with pytest.raises(error, match=message):
        learner.fit(["good", text], [1, score])
    assert learner.training_texts == before and (learner.coef_ == coef).all()


def test_wrong_lists_tables_and_lengths(learner, tmp_path):
    with pytest.raises(TypeError, match="a list of RankingExample, a table or a path; found tuple"):
        learner.add_training_examples([("a", 1)])
    with pytest.raises(ValueError, match=r"lacks the column 'score'; it has \['text', 'stars'\]"):
        learner.add_training_examples(pd.DataFrame({"text": ["a"], "stars": [1]}))
    (tmp_path / "mine.csv").write_text("text,score\nfive,many\n", encoding="utf-8")
    with pytest.raises(ValueError, match="mine.csv, line 2, column 'score': 'many' is no number"):
        learner.add_training_examples(tmp_path / "mine.csv")
    for call in (learner.fit, learner.partial_fit):
        with pytest.raises(ValueError, match="2 texts and 1 scores"):
            call(["a", "b"], [1])
    assert len(learner.training_texts) == 60


def test_too_few_examples_and_constant_scores_are_said_and_kept(recwarn):
    learner = EmbeddingValueLearner(fake_embedder())
    with pytest.raises(ValueError, match="There is no example to learn from"):
        learner.train()
    learner.add_training_example("a", 3)
    with pytest.raises(ValueError, match="There is one example to learn from"):
        learner.train()
    learner.add_training_example("b", 3)
    with pytest.raises(ValueError, match="All 2 scores are 3: there is nothing to tell apart"):
        learner.train()
    learner.add_training_example("c", 4)
    with pytest.raises(ValueError, match="5 parts cannot be made of 3 different groups"):
        learner.train()
    assert learner.training_texts == ["a", "b", "c"]
    result = learner.train(validation_split=0, cv_folds=0)
    assert np.isnan(result["val_mse"]) and np.isnan(result["cv_mse_mean"])
    result = learner.train(cv_folds=3)
    assert np.isnan(result["val_r2"]) and np.isnan(result["val_spearman"]) and np.isfinite(result["cv_mse_mean"])
    assert not recwarn.list
    assert learner.predict(["a", "c"]).shape == (2,)
    with pytest.raises(ValueError, match=r"would have 1 group .or text. to learn from"):
        learner.train(validation_split=0.6, cv_folds=0)


def test_examples_outlive_an_encoder_that_fails(learner, monkeypatch):
    def fails(*args, **kwargs):
        raise RuntimeError("out of memory")

    learner.train()
    coef = learner.coef_.copy()
    with monkeypatch.context() as broken:
        broken.setattr(learner.embedder.model, "encode", fails)
        for attempt in (learner.train, lambda: learner.fit(["a", "b"], [1, 2]), lambda: learner.partial_fit("c", 1)):
            with pytest.raises(RuntimeError, match="out of memory"):
                attempt()
    assert len(learner.training_texts) == learner.n_samples_ == 60 and (learner.coef_ == coef).all()
    learner.partial_fit("c", 1)
    assert learner.n_samples_ == 61


def test_two_scores_for_one_text_are_two_examples_and_never_split(learner):
    both = EmbeddingValueLearner(fake_embedder(), ridge_alpha=1e-6)
    both.fit(["a", "a", "b"], [1.0, 3.0, 5.0])
    assert both.predict(["a", "b"]) == pytest.approx([2, 5], abs=1e-3)
    # noise only, each text twice with one score: a split through the copies would look like knowledge
    texts = [f"noise {i}" for i in range(20)]
    scores = np.random.default_rng(3).normal(size=20)
    copies = EmbeddingValueLearner(fake_embedder(dim=64, max_seq_length=99), ridge_alpha=1e-3)
    copies.add_training_examples(list(map(RankingExample, texts * 2, [*scores, *scores])))
    honest = copies.train()
    assert honest["cv_mse_mean"] > 0.7 * np.var(scores) and copies.n_groups_ == 20
    assert copies.train(groups=range(40)) == honest


# --- training ----------------------------------------------------------------------------------------------------


def test_training_is_ridge_and_its_measures_are_of_texts_not_seen(learner):
    result = learner.train()
    ridge = batch(learner)
    assert np.abs(learner.coef_ - ridge.coef_).max() < 1e-8
    assert learner.intercept_ == pytest.approx(ridge.intercept_, abs=1e-8)
    assert learner.alpha_ in ALPHAS and result["alpha"] == learner.alpha_
    assert result["val_mse"] < 0.5 * result["mean_val_mse"]
    assert result["train_mse"] < result["cv_mse_mean"]
    assert 0.5 < result["val_spearman"] <= 1
    assert all(type(value) is float for value in result.values())
    # labels without any relation to the texts: nothing can be learned, and that is what it says
    noise = EmbeddingValueLearner(fake_embedder())
    noise.fit(learner.training_texts, np.random.default_rng(1).normal(size=60))
    assert noise.train()["val_r2"] < 0.2


@pytest.fixture
def seen(learner, monkeypatch):
    """For each time that something is learned, the groups of the rows learned from, and those left out together."""
    parts, groups = [], np.repeat(range(12), 5)
    X = learner.transform(learner.training_texts)
    rows = {tuple(row): int(group) for row, group in zip(X.round(5).tolist(), groups, strict=True)}

    class Spy(ridge.RidgePath):
        def __init__(self, part, numbers):
            found = [rows.get(tuple(row)) for row in part.astype(np.float32).round(5).tolist()]
            left_out = {number: {g for g, n in zip(found, numbers, strict=True) if n == number} for number in numbers}
            if None not in found:  # else it is a path within a path, on axes of its own
                parts.append((set(found), sorted(map(sorted, left_out.values()))))
            super().__init__(part, numbers)

    monkeypatch.setattr(ridge, "RidgePath", Spy)
    return parts


def test_groups_are_never_split_nor_left_out_in_parts(learner, seen):
    groups = np.repeat(range(12), 5)
    learner.train(groups=groups)
    validation, *folds, test, everything = seen
    assert len(validation[0]) == 9 and len(folds) == 5 and test[0] == everything[0] == set(range(12))
    assert sorted(group for learned, _ in folds for group in set(range(12)) - learned) == list(range(12))
    for learned, left_out in seen:
        assert left_out == [[group] for group in sorted(learned)]
    assert learner.n_groups_ == 12
    with pytest.raises(ValueError, match="There are 60 texts and 60 scores, and 59 groups"):
        learner.train(groups=groups[:-1])


def test_groups_stay_with_their_examples(learner, seen, tmp_path):
    groups = np.repeat(range(12), 5)
    learner.train(groups=groups)
    again, names = learner.train(), [example.group for example in learner.training_examples]
    assert names == groups.tolist() and all(type(name) is int for name in names)
    examples = learner.training_examples
    assert clone(learner).fit(learner.training_texts, learner.training_scores, groups).training_examples == examples
    learner.optimize_hyperparameters()
    assert [len(left_out) for _, left_out in seen[-2:]] == [5, 12]
    assert [sorted(sum(left_out, [])) for _, left_out in seen[-2:]] == [list(range(12))] * 2
    learner.ridge_alpha = None
    learner.train()
    loaded = EmbeddingValueLearner.load_model(learner.save_model(tmp_path / "m.safetensors"), embedder=fake_embedder())
    assert loaded.training_examples == examples and loaded.n_groups_ == 12 and loaded.train() == again
    # examples that come later are of no group, unless one is named; intervals wait for the next training
    learner.partial_fit(["text 70", "text 71", "text 72"], [1, 2, 3], ["new", "new", 3])
    learner.partial_fit("text 73", 4)
    learner.add_training_example("text 74", 5, group=11)
    assert learner.intervals_stale_ and learner.n_groups_ == 12
    assert [example.group for example in learner.training_examples[60:]] == ["new", "new", 3, None, 11]


def test_groups_of_a_table_a_file_and_of_odd_kinds(tmp_path):
    table = pd.DataFrame(
        {"text": ["one", "two", "three", "four"], "score": [1, 2, 3, 4.5], "by": ["a", None, "a", "b"]}
    )
    table.to_csv(tmp_path / "mine.csv", index=False)
    for source in (table, tmp_path / "mine.csv"):
        learner = EmbeddingValueLearner(fake_embedder(), ridge_alpha=1)
        assert learner.add_training_examples(source, group_column="by") == 4
        assert [example.group for example in learner.training_examples] == ["a", None, "a", "b"]
        assert [example.metadata for example in learner.training_examples] == [None] * 4
    learner.train(cv_folds=0)
    assert learner.n_groups_ == 3
    with pytest.raises(ValueError, match="lacks the column 'who'"):
        learner.add_training_examples(table, group_column="who")
    learner.train(cv_folds=0, groups=[np.int64(3), ("a", 1), ("a", 1), pd.NA])
    assert [example.group for example in learner.training_examples] == [3, "('a', 1)", "('a', 1)", None]
    learner.save_model(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="2 parts cannot be made of 1 different groups; copies of a text are one"):
        learner.train(cv_folds=0, groups=["all"] * 4)
    with pytest.raises(ValueError, match="3 texts and 3 scores, and 2 groups"):
        learner.fit(["a", "b", "c"], [1, 2, 3], ["x", "y"])


@pytest.mark.parametrize(
    ("first", "second", "copies"),
    [
        ("The film was good.", "the film  was GOOD", True),
        ("The film was good!", "The film was good …", True),
        ("“Good!”", "“good", True),
        ("Straße", "STRASSE.", True),
        ("ｆｕｌｌ　width", "full width", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("well-read", "well read", False),
        ("good", "not good", False),
        ("?!", "...", False),
        ("same16characters, then A", "same16characters, then B", True),  # equal vectors: the fake model stops there
    ],
)
def test_copies_and_near_copies_are_one_group(first, second, copies):
    learner = EmbeddingValueLearner(fake_embedder(), ridge_alpha=1)
    learner.fit([first, second, "something else", "and more"], [1, 2, 3, 4])
    assert learner.n_groups_ == (3 if copies else 4)
    # copies join the groups that they are in
    learner.fit([first, second, "something else", "and more"], [1, 2, 3, 4], groups=["a", "b", "a", None])
    assert learner.n_groups_ == (2 if copies else 3)


def test_random_scores_of_near_copies_are_not_learned():
    """Each text four times with its random score, in other forms: a split through them looked like R² = 1."""
    found = []
    for seed in range(12):
        texts = [f"Idea {i} of {seed}" for i in range(40)]
        scores = np.random.default_rng(seed).normal(size=40)
        forms = [form for text in texts for form in (text, text.lower(), f"{text}.", text.replace(" ", "  "))]
        learner = EmbeddingValueLearner(fake_embedder(dim=64, max_seq_length=99))
        learner.fit(forms, np.repeat(scores, 4))
        found.append(learner.train()["val_r2"])
        assert learner.n_groups_ == 40
    assert np.mean(found) < 0.05 and np.max(found) < 0.5


def leaky(seed):
    """Vectors and scores that have nothing in common but the group: of new groups nothing can be known."""
    generator, groups = np.random.default_rng(seed), np.repeat(np.arange(24), 5)
    X = generator.normal(size=(24, 40))[groups] + 0.3 * generator.normal(size=(120, 40))
    return X / 40**0.5, generator.normal(size=24)[groups] + 0.3 * generator.normal(size=120), groups


def all_that_it_says(X, y, groups, names):
    """Every number of the learner that could flatter: the errors as shares of what guessing the mean gets."""
    learner = EmbeddingValueLearner(fake_embedder())
    learner.transform = lambda texts: X[[int(text.split()[1]) for text in texts]]
    learner.fit([f"row {i}" for i in range(len(y))], y, names)
    width, alpha = learner.model_.half_width(0.9) / np.quantile(np.abs(y - y.mean()), 0.9), learner.alpha_
    found = learner.train(groups=names)
    best = learner.optimize_hyperparameters(ALPHAS, groups=names)["best_mse"]
    return {
        "held out": found["val_mse"] / found["mean_val_mse"],
        "folds": found["cv_mse_mean"] / np.var(y),
        "search": best / np.var(y),
        "interval": width,
        "alpha": math.log10(alpha / ALPHAS[-1]) / 6 + 1,  # 1 at the end that hardly learns
        "p": found["p_value"],
    }


def test_a_planted_leak_through_groups_flatters_no_number():
    honest = pd.DataFrame([all_that_it_says(*leaky(seed), leaky(seed)[2]) for seed in range(10)]).mean()
    naive = pd.DataFrame([all_that_it_says(*leaky(seed), None) for seed in range(2)]).mean()
    flattering = ["held out", "folds", "search", "interval"]
    assert (naive[flattering] < 0.75).all() and naive["p"] < 0.01  # by rows all looks splendid
    assert (honest[flattering] > 0.9).all() and honest["p"] > 0.2
    assert honest["alpha"] > naive["alpha"] + 0.3


def test_a_planted_leak_through_copies_flatters_no_number():
    """Each text five times, in vectors that are equal, without any group being named; and some copies name two."""
    for names in (None, [f"writer {i % 7}" if i < 14 else None for i in range(120)]):
        found = []
        for seed in range(3):
            X, y, groups = leaky(seed)
            once = np.flatnonzero(np.diff(groups, prepend=-1))
            found.append(all_that_it_says(X[once][groups], y[once][groups], groups, names))
        means = pd.DataFrame(found).mean()
        assert (means[["held out", "folds", "search", "interval"]] > 0.9).all() and (means["p"] > 0.2 or names)


def test_one_writer_is_one_group_however_a_table_stores_the_number(learner):
    learner.train(0, 0, groups=[str(7 + i % 20) if i < 20 else float(7 + i % 20) for i in range(40)] + [7] * 20)
    assert learner.n_groups_ == 20
    assert type(learner.training_examples[-1].group) is int  # kept as it was given


def test_groups_reach_a_search_inside_a_cross_validation():
    """As scikit-learn passes them on: ``set_fit_request`` holds for clones of clones."""
    texts, scores = texts_and_scores(36)
    seen = []

    class Noted(EmbeddingValueLearner):
        def fit(self, X, y, groups=None):
            seen.append(groups)
            return super().fit(X, y, groups)

    with config_context(enable_metadata_routing=True):
        learner = Noted(fake_embedder()).set_fit_request(groups=True)
        search = GridSearchCV(learner, {"ridge_alpha": [0.1, 10.0]}, cv=GroupKFold(2))
        cross_val_score(search, texts, scores, cv=GroupKFold(3), params={"groups": np.repeat(range(9), 4)})
    assert len(seen) == 3 * (2 * 2 + 1) and all(len(set(groups)) in (3, 6) for groups in seen)


def test_alpha_by_leave_one_out_is_the_one_that_refitting_finds(learner):
    learner.train()
    X, y = learner.transform(learner.training_texts).astype(float), learner.training_scores
    errors = {}
    for alpha in ALPHAS:
        refitted = [Ridge(alpha=alpha).fit(np.delete(X, i, 0), np.delete(y, i)).predict(X[[i]])[0] for i in range(60)]
        errors[alpha] = np.abs(y - refitted)
    assert learner.alpha_ == min(errors, key=lambda alpha: np.mean(errors[alpha] ** 2))
    fixed = clone(learner).set_params(ridge_alpha=learner.alpha_).fit(learner.training_texts, y)
    assert np.abs(np.sort(errors[learner.alpha_]) - fixed.loo_errors_).max() < 1e-8


def test_a_warning_at_the_edge_of_the_grid(learner, caplog):
    noise = EmbeddingValueLearner(fake_embedder())
    noise.fit(learner.training_texts, np.random.default_rng(8).normal(size=60))
    assert noise.alpha_ == ALPHAS[-1] and "1000, is at the edge of those tried (0.001 to 1000)" in caplog.text
    caplog.clear()
    found = learner.optimize_hyperparameters(alpha_range=(10, 100, 1000))
    assert found["best_alpha"] == 10 and "10, is at the edge of those tried (10 to 1000)" in caplog.text
    caplog.clear()
    learner.fit(*texts_and_scores(60, noise=1))
    caplog.clear()
    found = learner.optimize_hyperparameters(alpha_range=(1e-9, 3, 1e6))
    assert found["best_alpha"] == learner.ridge_alpha == learner.alpha_ == 3 and not caplog.records
    assert found["best_mse"] == found["results"][3] == min(found["results"].values())
    assert np.abs(learner.coef_ - batch(learner, 3).coef_).max() < 1e-8


def test_an_alpha_that_was_searched_for_is_chosen_anew_for_what_is_measured(tmp_path):
    """With the alpha that all examples chose, the examples held out would have had a say."""
    texts, scores = texts_and_scores(30, noise=3)
    searched = EmbeddingValueLearner(fake_embedder()).fit(texts, scores)
    alphas = [0.01, 1.0, 3.0, 10.0, 1000.0]
    best = searched.optimize_hyperparameters(alphas)["best_alpha"]
    fixed = EmbeddingValueLearner(fake_embedder(), ridge_alpha=best).fit(texts, scores)
    measured, naive = searched.train(), fixed.train()
    assert measured["alpha"] == naive["alpha"] == best
    groups, X = np.arange(30), searched.transform(texts).astype(float)
    folds = GroupKFold(5, shuffle=True, random_state=0).split(X, scores, groups)
    nested = [ridge.held_out_scores(X, scores, groups, fold, alphas)["val_mse"] for fold in folds]
    assert measured["cv_mse_mean"] == pytest.approx(np.mean(nested)) != naive["cv_mse_mean"]
    path = searched.save_model(tmp_path / "m.safetensors")
    assert EmbeddingValueLearner.load_model(path, embedder=fake_embedder()).train() == measured
    searched.ridge_alpha = 2.0  # set by hand: nothing was searched for
    assert searched.train() == EmbeddingValueLearner(fake_embedder(), ridge_alpha=2.0).fit(texts, scores).train()


def test_whether_anything_was_learned_is_tested_by_shuffling_or_not_said(learner):
    assert learner.train()["p_value"] == 0.005
    noise = EmbeddingValueLearner(fake_embedder())
    noise.fit(learner.training_texts, np.random.default_rng(1).permutation(learner.training_scores))
    assert noise.train()["p_value"] > 0.05
    assert np.isnan(learner.train(groups=np.arange(60) % (intervals.MIN_UNITS - 1))["p_value"])
    assert np.isfinite(learner.train(groups=np.arange(60) % intervals.MIN_UNITS)["p_value"])


def says(kind, n):
    """What training says of scores that have nothing to do with the texts, or all ("effect"): means over n data sets.

    They are of single texts, copies with one score in three forms, or groups that are alike in vectors and scores.
    """
    found = []
    for seed in range(n):
        generator, learner = np.random.default_rng([seed, 7]), EmbeddingValueLearner(fake_embedder())
        texts, scores, groups = [f"{seed} {i}" for i in range(40)], generator.normal(size=40), None
        if kind == "copies":
            texts, scores = [text + "." * i for text in texts for i in range(3)], np.repeat(scores, 3)
        elif kind == "effect":
            scores = fake_embedder().encode(texts) @ generator.normal(size=8)
        elif kind != "single":
            X, scores, groups = leaky(seed)
            texts = [f"row {i}" for i in range(len(X))]
            learner.transform = lambda asked, X=X: X[[int(text.split()[1]) for text in asked]]
        learner.add_training_examples(list(map(RankingExample, texts, scores)))
        measured = learner.train(groups=groups if kind == "alike" else None)
        claims = "It has learned something" in str(measured)
        found.append((measured.learned, claims, measured["val_r2"], measured.gain.estimate / np.var(scores)))
    return pd.DataFrame(found, columns=["learned", "claims", "R2", "gain"]).mean()


@pytest.mark.parametrize("kind", ["single", "copies", "alike"])
def test_of_noise_nothing_says_that_it_has_learned_something(kind, request):
    n = 400 if request.config.getoption("--long") else 25
    found = says(kind, n)
    assert found["learned"] <= found["claims"] <= 0.05 + 1.64 * math.sqrt(0.05 * 0.95 / n)  # false alarms, and chance
    assert found["R2"] < 0.02 and found["gain"] < 0.01


@pytest.mark.parametrize("kind", ["effect", "alike, but nobody named the groups"])
def test_where_there_is_something_it_says_so_and_a_leak_would_be_taken_for_it(kind):
    """The simulation can see."""
    found = says(kind, 5)
    assert found["learned"] == found["claims"] == 1 and found["R2"] > 0.3


def test_what_was_measured_prints_as_sentences_and_is_a_dict(learner):
    found = learner.train()
    assert isinstance(found, dict) and pd.Series(found)["p_value"] == 0.005 and found == dict(found)
    X, y = learner.transform(learner.training_texts).astype(float), learner.training_scores
    errors, guessing = np.empty((2, 60))
    for train, held in GroupKFold(5, shuffle=True, random_state=0).split(X, y, range(60)):
        guess = ridge.held_out_predictions(X, y, np.arange(60), (train, held), ALPHAS)[1]
        errors[held], guessing[held] = (y[held] - guess) ** 2, (y[held] - y[train].mean()) ** 2
    expected = intervals.difference_interval(guessing, errors)
    assert str(found.gain) == str(expected) and found.gain.low > 0 and found.learned is True
    said = str(found)
    assert said == repr(found) and said.startswith("Learned 60 examples (60 independent groups) with alpha ")
    assert f"squared error is {errors.mean():.3g}, in squared units of the score" in said
    assert f"guessing the mean gets {guessing.mean():.3g}. The gain is {expected.estimate:.3g} (95% interval " in said
    assert f"R² {found['val_r2']:.2f} (1 is perfect" in said and "nan" not in said
    assert said.endswith("in 0.5% of all tries. It has learned something, and predicts better than guessing the mean.")
    again = pickle.loads(pickle.dumps(found))
    assert again == found and (str(again), again.gain) == (said, found.gain)
    found = learner.optimize_hyperparameters(alpha_range=(0.1, 1, 1000))
    assert str(found).startswith(f"Of 3 alphas from 0.1 to 1e+03, {found['best_alpha']:.3g} has the smallest mean squ")
    assert f"held out, {found['best_mse']:.3g}; guessing the mean gets " in str(found) and "it flatters" in str(found)


def test_what_cannot_be_said_is_not(learner):
    shuffled = np.random.default_rng(1).permutation(learner.training_scores)
    noise = EmbeddingValueLearner(fake_embedder()).fit(learner.training_texts, shuffled)
    found = noise.train()
    assert found.learned is False and "nothing was learned that guessing the mean would not give" in str(found)
    found = learner.train(groups=np.arange(60) % 11, cv_folds=3)
    assert found.learned is None and found.gain.too_few and "interval" not in str(found)
    assert "Too few to say whether anything was learned: 11 groups, 12 are needed." in str(found)
    assert "R²" not in str(found)  # two groups held out: -141 is possible, and says nothing
    found = clone(learner).fit(learner.training_texts, learner.training_scores).train(0, cv_folds=0)
    assert found.gain is None and "nan" not in str(found) and str(found).endswith("It has learned something.")
    found = clone(learner).fit(learner.training_texts, learner.training_scores).train(0.5, cv_folds=0)
    assert found.gain.n == 30 and f"squared error is {found['val_mse']:.3g}," in str(found)
    assert "No alpha is better than guessing the mean." in str(measures.of_search({0.1: 3.0, 1.0: 2.0}, 1.0, 1.9))


def test_a_rank_without_a_gain_is_not_called_better():
    values = dict.fromkeys([*ridge.MEASURES, "cv_mse_mean", "cv_mse_std"], 1.0) | {"alpha": 1.0, "p_value": 0.01}
    found = measures.of_training(values, 2.0, intervals.Interval(0.1, -0.1, 0.3, n=20), 20, 20)
    assert found.learned is False and "but cannot be said to predict better than guessing the mean" in str(found)


@pytest.mark.parametrize("wrong", [0, -1, np.nan, np.inf, "1", True])
def test_a_wrong_alpha(wrong, learner):
    learner.ridge_alpha = wrong
    with pytest.raises(ValueError, match="ridge_alpha: .* must be a number above 0"):
        learner.train()
    with pytest.raises(ValueError, match="alpha_range: .* must be a number above 0"):
        learner.optimize_hyperparameters(alpha_range=[wrong])


def test_what_training_did_is_logged_for_debugging(learner, caplog):
    with caplog.at_level(logging.DEBUG, logger="course_utils.learning.value_learner"):
        learner.train()
        learner.partial_fit("new", 1)
    assert "trained on 60 examples" in caplog.text and "1 examples learned one by one, 61 in all" in caplog.text
    assert "text 1" not in caplog.text


# --- one by one --------------------------------------------------------------------------------------------------


def test_a_thousand_single_updates_equal_batch_training():
    texts, scores = texts_and_scores(1100)
    learner = EmbeddingValueLearner(fake_embedder(), ridge_alpha=0.5).fit(texts[:100], scores[:100])
    for text, score in zip(texts[100:], scores[100:], strict=True):
        learner.partial_fit(text, score)
    ridge = batch(learner, 0.5)
    assert learner.n_samples_ == 1100 and learner.coef_.dtype == np.float64
    assert np.abs(learner.coef_ - ridge.coef_).max() < 1e-8
    assert abs(learner.intercept_ - ridge.intercept_) < 1e-8


def test_a_thousand_updates_of_real_vectors_equal_batch_training(monkeypatch):
    """In 384 dimensions, from nothing, with the smallest alpha of the grid: the hardest case for rounding."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(1000, 384)) + 0.5
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = X @ generator.normal(size=384) + generator.normal(size=1000)
    learner = EmbeddingValueLearner(fake_embedder(), ridge_alpha=ALPHAS[0])
    monkeypatch.setattr(learner, "transform", lambda texts: X[[int(text) for text in texts]])
    for i in range(1000):
        learner.partial_fit(str(i), y[i])
    ridge = Ridge(alpha=ALPHAS[0]).fit(X, y)
    assert np.abs(learner.predict([str(i) for i in range(1000)]) - ridge.predict(X)).max() < 1e-8


def test_updates_from_nothing_keep_alpha_and_take_up_what_was_waiting():
    texts, scores = texts_and_scores(20)
    learner = EmbeddingValueLearner(fake_embedder())
    with pytest.raises(NotFittedError, match="partial_fit keeps alpha, and there is none yet"):
        learner.partial_fit(texts, scores)
    learner = EmbeddingValueLearner(fake_embedder(), ridge_alpha=2)
    assert learner.partial_fit([], []) is learner
    learner.add_training_example("waiting", 5)
    learner.partial_fit(texts[0], scores[0])
    assert learner.training_texts == ["waiting", "text 0"] and learner.n_samples_ == 2
    learner.partial_fit(texts[1:], scores[1:])
    assert np.abs(learner.coef_ - batch(learner, 2).coef_).max() < 1e-10
    with pytest.raises(ValueError, match="no errors on groups left out yet"):
        learner.predict("text 0", return_interval=True)


def test_intervals_are_stale_after_an_update_until_training(learner, caplog):
    learner.train()
    assert not learner.intervals_stale_
    before = np.diff(learner.predict("a", return_interval=True)[1])
    learner.partial_fit("new", 100.0)
    assert learner.intervals_stale_ and not caplog.records
    assert np.diff(learner.predict("a", return_interval=True)[1]) == pytest.approx(before)
    assert "know nothing of the examples since the last training" in caplog.text
    learner.train()
    assert not learner.intervals_stale_


# --- predicting --------------------------------------------------------------------------------------------------


def test_predicting_before_training():
    learner = EmbeddingValueLearner(fake_embedder())
    for call in (learner.predict, learner.rank_texts, learner.explain, learner.save_model):
        with pytest.raises(NotFittedError, match="learned nothing yet"):
            call(["a"]) if call == learner.rank_texts else call("a.safetensors")
    for call in (learner.feature_importance, lambda: learner.coef_, lambda: check_is_fitted(learner)):
        with pytest.raises(NotFittedError):
            call()
    assert not hasattr(learner, "coef_") and not hasattr(learner, "classes_")
    assert check_is_fitted(learner.fit(["a", "b"], [1, 2])) is None and learner.coef_.shape == (8,)


def test_one_text_gives_a_number_and_an_empty_one_is_logged(learner, caplog):
    learner.train()
    assert type(learner.predict("text 1")) is float
    assert learner.predict([]).shape == (0,) and learner.rank_texts([]) == []
    assert np.isfinite(learner.predict(["", "text 1"])).all()
    assert "1 of 2 texts are empty" in caplog.text
    with pytest.raises(TypeError, match=r"sentences\[1\] is None"):
        learner.predict(["a", None])


@pytest.mark.parametrize(("n", "confidence"), [(30, 0.8), (60, 0.9), (200, 0.9), (200, 0.5)])
def test_intervals_cover_what_they_promise(n, confidence):
    """Over 40 data sets the share covered may be off by four standard errors (of sets and texts together)."""
    shares = []
    for seed in range(40):
        texts, scores = texts_and_scores(n + 50, seed=seed, noise=1.0, start=1000 * seed)
        learner = EmbeddingValueLearner(fake_embedder()).fit(texts[:n], scores[:n])
        predicted, limits = learner.predict(texts[n:], return_interval=True, confidence=confidence)
        assert np.allclose(limits.mean(axis=1), predicted)
        shares.append(np.mean((limits[:, 0] <= scores[n:]) & (scores[n:] <= limits[:, 1])))
    slack = 4 * np.std(shares) / np.sqrt(len(shares)) + 0.01
    assert abs(np.mean(shares) - confidence) < slack


def test_too_few_examples_for_an_interval_say_so():
    texts, scores = texts_and_scores(12)
    learner = EmbeddingValueLearner(fake_embedder(), ridge_alpha=1)
    assert np.isfinite(learner.fit(texts, scores).predict("a", return_interval=True)[1]).all()
    assert np.isinf(learner.fit(texts[:11], scores[:11]).predict("a", return_interval=True)[1]).all()
    for wrong in (0, 1, 90, np.nan):
        with pytest.raises(ValueError, match="confidence=.* must lie between 0 and 1"):
            learner.predict("a", return_interval=True, confidence=wrong)


def test_ranking_keeps_duplicates_and_the_order_of_ties(learner):
    learner.train()
    asked = ["text 3", "text 1", "text 3", "text 2", "same16characters, then A", "same16characters, then B", "text 3"]
    ranked = learner.rank_texts(asked)
    assert sorted(text for text, _ in ranked) == sorted(asked)
    scores = [score for _, score in ranked]
    assert scores == sorted(scores, reverse=True) and all(type(score) is float for score in scores)
    assert len({score for text, score in ranked if text == "text 3"}) == 1
    # the fake model reads 16 characters only, so these two have one score
    tied = [text for text, _ in ranked if text.startswith("same16")]
    assert tied == ["same16characters, then A", "same16characters, then B"]
    assert [t for t, _ in learner.rank_texts(asked[::-1]) if t.startswith("same16")] == tied[::-1]


def test_extra_columns_go_into_transform_and_have_to_stay(learner):
    class WithLength(EmbeddingValueLearner):
        def transform(self, X):
            return np.hstack([super().transform(X), [[len(text) / 10] for text in X]])

    texts = ["x" * i for i in range(1, 16)]
    scores = np.arange(15.0)
    longer = WithLength(fake_embedder(), ridge_alpha=1e-4).fit(texts, scores)
    assert longer.predict("y" * 7) == pytest.approx(6, abs=1)
    assert len(longer.coef_) == 9
    learner.train()
    learner.embedding_dim = 4
    with pytest.raises(ValueError, match="transform.. gives 4 columns, and the model learned from 8"):
        learner.predict("a")
    learner.train()
    assert learner.predict(["a"]).shape == (1,)
    learner.transform = lambda texts: np.full((len(texts), 4), np.nan)
    with pytest.raises(ValueError, match="infs or NaNs"):
        learner.predict("a")


# --- explaining --------------------------------------------------------------------------------------------------


def test_an_explanation_is_what_leaving_out_does():
    texts, scores = texts_and_scores(30)
    learner = EmbeddingValueLearner(fake_embedder(max_seq_length=99), ridge_alpha=0.7).fit(texts, scores)
    found = learner.explain("one two three", k=30)
    for row in found.examples.itertuples():
        rest = [i for i, text in enumerate(texts) if text != row.text]
        without = EmbeddingValueLearner(learner.embedder, ridge_alpha=0.7).fit([texts[i] for i in rest], scores[rest])
        assert row.effect == pytest.approx(found.score - without.predict("one two three"), abs=1e-8)
        assert row.score == scores[texts.index(row.text)]
    assert (found.examples["effect"].abs().diff().dropna() <= 0).all() and len(found.examples) == 30
    shorter = {"one": "two three", "two": "one three", "three": "one two"}
    for row in found.words.itertuples():
        assert row.effect == pytest.approx(found.score - learner.predict(shorter[row.word]), abs=1e-9)
        assert ["one", "two", "three"][row.position] == row.word
    assert len(learner.explain("one two three", k=2).words) == 2
    assert learner.explain("word").words.empty


def test_important_dimensions_change_when_the_space_is_rotated_and_predictions_do_not(learner):
    learner.ridge_alpha = 0.3
    learner.train()
    turned = EmbeddingValueLearner(fake_embedder(), ridge_alpha=0.3)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0]
    turned.transform = lambda texts: learner.transform(texts) @ rotation
    turned.fit(learner.training_texts, learner.training_scores)
    assert np.abs(turned.predict(["a", "b"]) - learner.predict(["a", "b"])).max() < 1e-6
    top = learner.feature_importance(3)
    assert list(top.columns) == ["dimension", "weight"] and len(top) == 3
    assert top["weight"].abs().iloc[0] == np.abs(learner.coef_).max()
    assert turned.feature_importance(8)["dimension"].tolist() != learner.feature_importance(8)["dimension"].tolist()


def test_an_ensemble_averages_with_weights_and_says_how_far_its_members_are_apart(learner):
    learner.train()
    other = clone(learner).fit(*texts_and_scores(60, seed=5))
    a, b = learner.predict(["x", "y"]), other.predict(["x", "y"])
    mean, spread = predict_ensemble([learner, other], ["x", "y"], weights=[3, 1])
    assert mean == pytest.approx(0.75 * a + 0.25 * b)
    assert spread == pytest.approx(np.sqrt(0.75 * 0.25) * np.abs(a - b))
    assert predict_ensemble([learner, learner], ["x"])[1] == pytest.approx(0)
    for wrong in ([1], [-1, 2], [0, 0], [np.nan, 1]):
        with pytest.raises(ValueError, match="weights must be 2 numbers from 0 up"):
            predict_ensemble([learner, other], ["x"], wrong)


# --- several threads and processes -----------------------------------------------------------------------------------


@pytest.fixture
def hasty():
    """Threads that change places all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_four_threads_learn_as_one_and_predictions_are_never_of_half_a_model(hasty):
    texts, scores = texts_and_scores(240)
    learner = EmbeddingValueLearner(fake_embedder(), ridge_alpha=1).fit(texts[:40], scores[:40])
    stop, seen = threading.Event(), []

    def predict():
        while not stop.is_set():
            coef, found = learner.model_, learner.predict(texts[:2])
            seen.append((coef.n_samples_, found, learner.explain("a b").score))

    def learn(part):
        for i in part:
            if i % 10 == 0:
                learner.add_training_example(texts[i], scores[i])
            else:
                learner.partial_fit(texts[i], scores[i])
            if i % 50 == 7:
                learner.train(cv_folds=0)

    watcher = threading.Thread(target=predict)
    watcher.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(learn, [range(40 + start, 240, 4) for start in range(4)]))
    finally:
        stop.set()
        watcher.join()
    learner.partial_fit([], [])
    assert sorted(learner.training_texts) == sorted(texts) and learner.n_samples_ == 240
    assert np.abs(learner.coef_ - batch(learner).coef_).max() < 1e-8
    assert seen and np.isfinite([found for _, found, _ in seen]).all()


def test_an_interrupted_update_has_learned_all_of_its_examples_or_none(learner, monkeypatch):
    learner.train()
    update, before = ridge.RidgeModel.update, learner.predict(["a", "b"])
    calls = []

    def interrupted(self, row, score):
        update(self, row, score)
        calls.append(score)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(ridge.RidgeModel, "update", interrupted)
    texts, scores = texts_and_scores(5, start=100)
    with pytest.raises(KeyboardInterrupt):
        learner.partial_fit(texts, scores)
    assert (learner.predict(["a", "b"]) == before).all() and learner.n_samples_ == 60
    learner.partial_fit(texts, scores)
    assert np.abs(learner.coef_ - batch(learner).coef_).max() < 1e-8


COPIES = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda learner: pickle.loads(pickle.dumps(learner))}


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_predicts_alike_and_learns_for_itself(way, learner, tmp_path):
    learner.embedder = fake_embedder(EmbeddingCache(tmp_path / "vectors.sqlite"))
    learner.train()
    before = learner.predict(["a", "b"])
    other = COPIES[way](learner)
    assert (other.predict(["a", "b"]) == before).all()
    assert (other.embedder is learner.embedder) == ("copy" in way)  # a model is shared where it can be
    other.partial_fit("b", 100.0).add_training_example("c", 100.0)
    assert (learner.predict(["a", "b"]) == before).all() and len(learner.training_texts) == 60
    assert other.predict("b") > before[1]


def test_joblib_takes_a_learner_to_two_processes(tmp_path, pytestconfig):
    if not pytestconfig.getoption("--long"):
        pytest.skip("processes of joblib's take seconds to start; the pickling is tested above")
    texts, scores = texts_and_scores(40)
    learner = EmbeddingValueLearner(fake_embedder(EmbeddingCache(tmp_path / "vectors.sqlite")))
    alone = cross_val_score(learner, texts, scores, cv=GroupKFold(4), groups=range(40))
    together = cross_val_score(learner.fit(texts, scores), texts, scores, cv=GroupKFold(4), groups=range(40), n_jobs=2)
    assert together == pytest.approx(alone)


def test_no_key_goes_into_a_pickle():
    learner = TextEmbedder("openai:some-model", api_key="sk-secret")
    assert b"sk-secret" not in pickle.dumps(learner) and copy.deepcopy(learner).api_key == "sk-secret"
    embedder = RemoteEmbedder("openai", "some-model", api_key="sk-secret", cache=False)
    with pytest.raises(TypeError, match="may hold a key. Pass its name on .* in the variable OPENAI_API_KEY"):
        pickle.dumps(EmbeddingValueLearner(embedder))
    assert copy.deepcopy(TextEmbedder(embedder)).embedder is embedder


# --- keeping -----------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(learner, tmp_path):
    learner.add_training_example("with a note", 4.5, {"by": "Zoë", "when": [2026, 11]})
    learner.train()
    learner.partial_fit("and one more", 1.0)
    return learner.save_model(tmp_path / "model.safetensors")


def test_a_loaded_model_predicts_explains_and_goes_on_learning(saved, learner):
    loaded = EmbeddingValueLearner.load_model(saved, embedder=fake_embedder())
    assert loaded.get_params() | {"embedder": None} == learner.get_params() | {"embedder": None}
    assert (loaded.predict(["a", "b"]) == learner.predict(["a", "b"])).all()
    assert loaded.intervals_stale_ and loaded.n_samples_ == 62
    assert loaded.training_examples == learner.training_examples
    pd.testing.assert_frame_equal(loaded.explain("a b").examples, learner.explain("a b").examples)
    for one in (loaded, learner):
        one.partial_fit("later", 2.0)
    assert (loaded.coef_ == learner.coef_).all()
    assert np.abs(loaded.coef_ - batch(loaded).coef_).max() < 1e-8
    assert loaded.train()["alpha"] == learner.train()["alpha"]


@pytest.mark.parametrize("way", ["fit", "train", "partial_fit"])
def test_a_whole_number_as_alpha_is_saved_and_loaded(way, tmp_path):
    learner = EmbeddingValueLearner(fake_embedder(), ridge_alpha=1).fit(*texts_and_scores(20))
    if way == "train":
        assert type(learner.train()["alpha"]) is float
    elif way == "partial_fit":
        learner = clone(learner).partial_fit(*texts_and_scores(20))
    path = learner.save_model(tmp_path / "m.safetensors")
    assert EmbeddingValueLearner.load_model(path, embedder=fake_embedder()).predict("a") == learner.predict("a")
    tensors, about = read_tensors(path)
    about["learned"]["alpha_"] = 1  # as train() wrote it once
    write_tensors(path, tensors, about)
    assert EmbeddingValueLearner.load_model(path, embedder=fake_embedder()).predict("a") == learner.predict("a")


def test_a_file_of_an_older_version_still_loads(saved, learner, tmp_path):
    """Files of version 1 know neither groups nor what alpha was chosen from."""
    tensors, about = read_tensors(saved)
    del tensors["loo_levels_"], about["learned"]["n_groups_"], about["searched"]
    rows = [list(example)[:3] for example in learner.training_examples]
    tensors["examples"] = np.frombuffer(json.dumps(rows).encode(), dtype=np.uint8)
    write_tensors(tmp_path / "old.safetensors", tensors, about | {"version": 1})
    loaded = EmbeddingValueLearner.load_model(tmp_path / "old.safetensors", embedder=fake_embedder())
    for confidence in (0.5, 0.9, 0.99):
        assert loaded.model_.half_width(confidence) == learner.model_.half_width(confidence)
    assert loaded.n_groups_ == 61 and loaded.training_examples == learner.training_examples
    assert loaded.partial_fit("more", 2).train() == learner.partial_fit("more", 2).train()


def test_a_model_of_a_named_encoder_loads_by_itself_in_a_new_process(tmp_path):
    learner = EmbeddingValueLearner("all-MiniLM-L6-v2", cache_dir=tmp_path / "cache", embedding_dim=64)
    learner.fit(["good", "bad", "fine", "awful"], [2, -2, 1, -3])
    path = learner.save_model(tmp_path / "taste.safetensors")
    code = """
import sys
from course_utils.learning import EmbeddingValueLearner
print(repr(EmbeddingValueLearner.load_model(sys.argv[1], cache_dir=sys.argv[2]).predict("good")))
"""
    assert float(run_python(code, path, tmp_path / "cache")) == pytest.approx(learner.predict("good"), abs=1e-6)
    assert str(tmp_path).encode() not in path.read_bytes()


def test_another_encoder_is_refused(saved):
    for other in (fake_embedder(fingerprint="other weights"), fake_embedder(fingerprint="other", dim=4)):
        with pytest.raises(TensorFileError, match="trained with another encoder .test/fake. .* or train again"):
            EmbeddingValueLearner.load_model(saved, embedder=other)
    with pytest.raises(TensorFileError, match="encoder 'test/fake', which does not load here. Give embedder="):
        EmbeddingValueLearner.load_model(saved)


@pytest.mark.parametrize("damage", ["the end", "a byte", "empty", "foreign", "vectors", "not there", "pickle", "newer"])
def test_a_file_that_is_no_sound_model_is_refused(damage, saved, tmp_path):
    data = saved.read_bytes()
    message = "not a file that this course wrote, or not the whole of it"
    if damage == "not there":
        saved.unlink()
        message = "There is no file"
    elif damage == "foreign":
        save_file({"weights": np.ones(3)}, saved)
    elif damage == "vectors":
        write_tensors(saved, {"vectors": np.ones(3)}, {"format": "text-embeddings-course vectors 1"})
        message = "not a saved value learner"
    elif damage == "newer":
        about = {"format": "text-embeddings-course value learner", "version": 3}
        write_tensors(saved, {"a": np.ones(1)}, about)
        message = "newer version of the course. Update"
    else:
        changed = data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]
        saved.write_bytes({"the end": data[:-20], "a byte": changed, "empty": b"", "pickle": b"\x80\x04N."}[damage])
        message = "has changed since it was written" if damage == "a byte" else message
    with pytest.raises(TensorFileError, match=message):
        EmbeddingValueLearner.load_model(saved, embedder=fake_embedder())


NOTHING, NESTED = object(), functools.reduce(lambda inside, _: [inside], range(900), [])
CRAFTED = [NOTHING, None, [], {}, "x", -1, 2, 10**400, 0.5, float("nan"), True, [1, 2, 3], ["a", "b"], {"a": 1}, NESTED]


def crafted(tensors, about):
    """Every part of a file in turn replaced by what does not belong there."""
    for holder in (about, about["parameters"], about["learned"]):
        for key in [*holder, "predict", "__class__"]:
            for value in CRAFTED:
                before = dict(holder)
                holder[key] = value
                if value is NOTHING:
                    del holder[key]
                yield f"{key} = {str(value)[:30]}", tensors, about
                holder.clear()
                holder.update(before)
    rows = json.loads(tensors["examples"].tobytes())
    for value in [*CRAFTED[1:], ["a"], [1, 2], ["a", "b"], ["a", 1, None, None, 5], ["a", 1e300]]:
        for wrong in (value, [value], [*rows, value]):
            yield f"examples = {str(value)[:30]}", tensors | {"examples": as_bytes(wrong)}, about
    yield "examples", tensors | {"examples": np.frombuffer(b"[" * 100_000, dtype=np.uint8)}, about
    for name, array in tensors.items():
        others = [array[:-1], array[None], array.astype(np.float32), np.zeros(0), np.array(1.0)]
        for other in [*others, np.full_like(array, np.nan, dtype=float), -array.astype(float)]:
            yield name, tensors | {name: other}, about
    yield "a tensor more", tensors | {"predict": np.ones(3)}, about


def as_bytes(rows):
    return np.frombuffer(json.dumps(rows).encode(), dtype=np.uint8)


def test_a_crafted_file_is_refused_or_works_and_sets_nothing_else(saved, learner, tmp_path):
    path, n_refused = tmp_path / "crafted.safetensors", 0
    for what, tensors, about in crafted(*read_tensors(saved)):
        write_tensors(path, tensors, about)
        try:
            loaded = EmbeddingValueLearner.load_model(path, embedder=fake_embedder())
        except TensorFileError:
            n_refused += 1
            continue
        assert vars(loaded).keys() == vars(learner).keys(), what
        assert {name: type(value) for name, value in vars(loaded.model_).items()} == {
            name: type(value) for name, value in vars(learner.model_).items()
        }, what
        try:
            assert np.isfinite(loaded.predict("a")), what
            loaded.predict("a", return_interval=True)
            loaded.explain("a b")
            loaded.partial_fit("more", 3)
        except ValueError as error:
            assert "embedding_dim" in str(error) or "truncate_dim" in str(error) or "leaves out" in str(error), what
    assert n_refused > 300


@pytest.mark.parametrize("depth", [500, 5_000, 100_000])
def test_a_header_nested_without_end_is_refused(depth, tmp_path):
    path = tmp_path / "deep.safetensors"
    save_file({"a": np.ones(1)}, path, metadata={"about": '{"sha256": "", "a": ' + "[" * depth + "]" * depth + "}"})
    with pytest.raises(TensorFileError):
        EmbeddingValueLearner.load_model(path)


def test_saving_replaces_in_one_step_or_not_at_all(saved, learner, tmp_path, monkeypatch):
    before = saved.read_bytes()
    learner.training_examples[0] = RankingExample("a", 1, {"what": object()})
    with pytest.raises(TypeError, match="JSON"):
        learner.save_model(saved)
    learner.training_examples[0] = RankingExample("a", 1)
    with pytest.raises(ValueError, match="ends in .safetensors"):
        learner.save_model(tmp_path / "model.pkl")
    (tmp_path / "a file").touch()
    for folder in ("a file", "no such folder"):
        with pytest.raises(OSError, match="cannot be written to .* Choose a folder"):
            learner.save_model(tmp_path / folder / "model.safetensors")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("safetensors.numpy.save_file", full)
        with pytest.raises(OSError, match="No space left .* disk is full"):
            learner.save_model(saved)
    assert saved.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a file", "model.safetensors"]
    assert len(learner.training_texts) == 62


def test_a_folder_that_cannot_be_written(tmp_path):
    code = """
import sys
from helpers import fake_embedder
from course_utils.learning import EmbeddingValueLearner
learner = EmbeddingValueLearner(fake_embedder()).fit(["a", "b", "c"], [1, 2, 3])
try:
    learner.save_model(sys.argv[1] + "/model.safetensors")
except OSError as error:
    print(error, learner.training_texts)
"""
    prefix = with_mounts(f"mount --bind '{tmp_path}' '{tmp_path}'; mount -o remount,ro,bind '{tmp_path}'")
    said = run_python(code, tmp_path, prefix=prefix)
    assert "cannot be written to" in said and "Choose a folder" in said and "['a', 'b', 'c']" in said


def test_no_key_is_saved(tmp_path):
    learner = EmbeddingValueLearner("openai:some-model", api_key="sk-secret", ridge_alpha=1)
    learner.transform = fake_embedder().encode  # nothing is asked of the endpoint
    path = learner.fit(["a", "b", "c"], [1, 2, 3]).save_model(tmp_path / "m.safetensors")
    assert b"sk-secret" not in path.read_bytes() and b"openai:some-model" in path.read_bytes()
    loaded = EmbeddingValueLearner.load_model(path, api_key="sk-other")
    assert loaded.api_key == "sk-other" and loaded.training_texts == ["a", "b", "c"]


def test_the_header_of_a_model_is_small_whatever_its_texts(saved):
    tensors, about = read_tensors(saved)
    assert "with a note" not in json.dumps(about) and b"with a note" in tensors["examples"].tobytes()
    assert about["embedder"] == "test/fake"


def test_predictions_stay_on_the_scale_and_ranks_do_not_notice(minilm, tmp_path):
    texts = ["a canoe on a quiet river", "a walk in the woods", "a queue at the counter", "a tax form", "a bill"]
    free = EmbeddingValueLearner(minilm, ridge_alpha=1e-4).fit(texts, [5, 5, 1, 1, 1])
    kept = EmbeddingValueLearner(minilm, ridge_alpha=1e-4, score_range=(1, 5)).fit(texts, [5, 5, 1, 1, 1])
    new = ["paddle on a lake", "a quiet canoe in the woods", "wait at the counter", "a bill and a form", "a form"]
    scores, (low, high) = kept.predict(new), kept.predict(new, return_interval=True)[1].T
    assert (scores == np.clip(free.predict(new), 1, 5)).all() and (scores != free.predict(new)).any()
    assert (low >= 1).all() and (high <= 5).all() and (low <= scores).all() and (scores <= high).all()
    assert [text for text, _ in kept.rank_texts(new)] == [text for text, _ in free.rank_texts(new)]
    assert kept.explain(new[1]).words.equals(free.explain(new[1]).words)
    again = EmbeddingValueLearner.load_model(kept.save_model(tmp_path / "kept.safetensors"), embedder=minilm)
    assert (again.predict(new) == scores).all()
    with pytest.raises(ValueError, match=r"texts\[2\]: score=1 lies outside score_range=\(2, 5\)"):
        kept.set_params(score_range=(2, 5)).fit(texts, [5, 5, 1, 1, 1])
    with pytest.raises(
        ValueError, match=r"score_range=\(2, 5\) leaves out 3 of the scores, first 1 of training_ex.*\[2\]"
    ):
        kept.train()
    with pytest.raises(ValueError, match="the smaller first"):
        kept.set_params(score_range=(5, 1)).predict(new)


def test_groups_and_any_names_come_from_a_file_as_from_a_table(tmp_path):
    learner = EmbeddingValueLearner(fake_embedder())
    table = pd.DataFrame({"said": ["good lamp", "bad lamp"], "stars": [4.5, 2], "who": ["07", "8"]})
    table.assign(stars=["4,5", "2"]).to_csv(tmp_path / "mine.csv", sep=";", index=False)
    columns = {"text_column": "said", "score_column": "stars", "group_column": "who"}
    assert learner.add_training_examples(tmp_path / "mine.csv", **columns) == 2
    assert learner.add_training_examples(table, **columns) == 2
    assert learner.training_examples[:2] == learner.training_examples[2:]
    assert [example.group for example in learner.training_examples][:2] == ["07", "8"]
    with pytest.raises(ValueError, match="group_column='writer' is not in mine.csv"):
        learner.add_training_examples(tmp_path / "mine.csv", **columns | {"group_column": "writer"})


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "csv.gz"])
def test_a_learner_is_made_of_a_file_and_says_what_it_left_out(suffix, tmp_path, capsys, caplog):
    texts, scores = texts_and_scores(30)
    table = pd.DataFrame(
        {"said": [*texts, None, " "], "stars": [*scores.round(2), 3, 4], "who": [*range(15)] * 2 + [1, 2]}
    )
    path, way = tmp_path / f"mine.{suffix}", {"sep": "\t"} if suffix == "tsv" else {}
    table.to_json(path, orient="records", lines=True) if suffix == "jsonl" else table.to_csv(path, index=False, **way)
    columns = {"text_column": "said", "score_column": "stars", "group_column": "who"}
    learner = EmbeddingValueLearner.from_file(
        path, embedder=fake_embedder(), score_range=(-9, 9), **columns, ridge_alpha=1
    )
    assert f"mine.{suffix}: texts from column 'said', 30 of 32 rows" in capsys.readouterr().out
    assert "2 of 32 rows of mine" in caplog.text and "have no text and are left out" in caplog.text
    assert learner.training_texts == texts and (learner.score_range, learner.ridge_alpha) == ((-9, 9), 1)
    assert np.isfinite(learner.train()["p_value"]) and learner.n_groups_ == 15
    by_hand = EmbeddingValueLearner(fake_embedder(), ridge_alpha=1).fit(texts, scores.round(2), [*range(15)] * 2)
    assert learner.predict(["a", "b"]) == pytest.approx(by_hand.predict(["a", "b"]))
    with pytest.raises(ValueError, match=f"score_column='points' is not in mine.{suffix}, which has the columns"):
        EmbeddingValueLearner.from_file(path, embedder=fake_embedder(), **columns | {"score_column": "points"})


def test_a_subclass_is_made_of_a_file_read_as_told(tmp_path):
    class Mine(EmbeddingValueLearner):
        pass

    (tmp_path / "mine.csv").write_bytes("für mich|4\nfür dich|2".encode("cp1252"))
    learner = Mine.from_file(
        tmp_path / "mine.csv",
        embedder=fake_embedder(),
        sep="|",
        encoding="cp1252",
        columns="text,score",
        instruction="x",
    )
    assert type(learner) is Mine and learner.instruction == "x"
    assert learner.training_examples == [("für mich", 4, None, None), ("für dich", 2, None, None)]
    with pytest.raises(TypeError, match="unexpected keyword argument 'alfa'"):
        Mine.from_file(tmp_path / "mine.csv", alfa=1)
    with pytest.raises(ValueError, match="There is no file 'none.csv'"):
        Mine.from_file(tmp_path / "none.csv")


def test_a_score_outside_the_scale_is_named_in_every_way_that_examples_come(tmp_path):
    texts, scores = texts_and_scores(20)
    learner = EmbeddingValueLearner(fake_embedder(), ridge_alpha=1, score_range=(-50, 50)).fit(texts, scores)
    before, coef = learner.training_examples, learner.coef_.copy()
    outside = r"score=51\.?0? lies outside score_range=\(-50, 50\)"
    for call in (learner.fit, learner.partial_fit):
        with pytest.raises(ValueError, match=rf"texts\[1\]: {outside}"):
            call(["a", "b"], [50, 51])
    with pytest.raises(ValueError, match=outside):
        learner.add_training_example("a", 51)
    for examples in (
        [RankingExample("a", 1), RankingExample("b", 51)],
        pd.DataFrame({"text": ["a", "b"], "score": [1, 51]}),
    ):
        with pytest.raises(ValueError, match=rf"examples\[1\]: {outside}"):
            learner.add_training_examples(examples)
    (tmp_path / "mine.csv").write_text("text,score\na,1\n,99\nb,51\nc,-70\n", encoding="utf-8")
    message = r"mine.csv, line 4, column 'score': '51' lies outside score_range=\(-50, 50\) \(and 1 more\)"
    with pytest.raises(ValueError, match=message):
        learner.add_training_examples(tmp_path / "mine.csv")
    with pytest.raises(ValueError, match=message):
        EmbeddingValueLearner.from_file(tmp_path / "mine.csv", embedder=fake_embedder(), score_range=(-50, 50))
    assert learner.training_examples == before and (learner.coef_ == coef).all()


@pytest.mark.parametrize("scale", [(0, 5), [0, 5], np.array([0, 5]), (np.int64(0), np.float32(5)), (0, math.inf), None])
def test_a_scale_of_any_kind_of_numbers_is_saved_and_loaded(scale, tmp_path):
    learner = EmbeddingValueLearner(fake_embedder(), ridge_alpha=1e-6, score_range=scale)
    learner.fit([f"text {i}" for i in range(20)], np.random.default_rng(0).choice([0, 5], 20))
    new = [f"new {i}" for i in range(50)]
    predicted = learner.predict(new)
    assert scale is None or (predicted.min() == 0 and predicted.max() <= scale[1])
    loaded = EmbeddingValueLearner.load_model(learner.save_model(tmp_path / "m.safetensors"), embedder=fake_embedder())
    assert (loaded.predict(new) == predicted).all()
    assert loaded.score_range == (None if scale is None else tuple(map(float, scale)))


@pytest.mark.parametrize("wrong", [(1,), (1, 2, 3), ("low", "high"), 5, (None, 5), (5, 5), (math.nan, 5), "1-5"])
def test_a_scale_that_is_none(wrong):
    with pytest.raises(ValueError, match="score_range=.* must be two numbers, the smaller first"):
        EmbeddingValueLearner(fake_embedder(), score_range=wrong).add_training_example("a", 3)
