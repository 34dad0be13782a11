"""course-instruct: MiniLM's own vectors without an instruction, others with one, and an honest card."""

import json
import shutil
import sys
import tomllib
from functools import partial

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples

from course_utils.data import NEWSGROUPS, load_corpus
from course_utils.embedding import EmbeddingCache, EmbeddingOptions, ModelUnavailableError, load_embedder
from course_utils.embedding import instruct as instruct_model
from course_utils.embedding.instruct import HEAD
from course_utils.measuring import knn_accuracy, knn_overlap
from course_utils.measuring.metrics import gain
from course_utils.paths import ROOT

sys.path.insert(0, str(ROOT / "tools" / "course_instruct"))
from card import model_card, targets  # noqa: E402

SENTIMENT = "Classify the sentiment of the given text as positive, negative, or neutral"
TOXICITY = "Classify the given text as either toxic or not toxic"
TOPIC = "Identify the topic or theme of the given text"
TEXTS = [
    "The soup was cold and the waiter shrugged.",
    "What a lovely, patient teacher!",
    "Trains to the coast leave every hour.",
    "No.",
    "A longer text, so that a batch holds texts of very different lengths and has to be padded: " + "and so on, " * 150,
]
FOUND = json.loads((HEAD / "evaluation.json").read_text(encoding="utf-8"))
PUBLISHED = json.loads((HEAD / "published.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def instruct(tmp_path_factory):
    cache = EmbeddingCache(tmp_path_factory.mktemp("instruct") / "vectors.sqlite")
    return load_embedder("course-instruct", cache=cache)


@pytest.fixture(scope="module")
def posts():
    return load_corpus("posts")


# --- vectors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"instruction": ""}, {"prompt": " \n"}, {"max_length": 12, "truncate_dim": 99}]
)
def test_without_an_instruction_the_vectors_are_minilms_to_the_byte(instruct, minilm, options):
    plain = minilm.encode(TEXTS, **{k: v for k, v in options.items() if k not in ("instruction", "prompt")})
    assert instruct.encode(TEXTS, **options).tobytes() == plain.tobytes()


def test_an_instruction_moves_the_vectors_and_another_one_elsewhere(instruct):
    none, feeling, abuse = (instruct.encode(TEXTS, instruction=words) for words in (None, SENTIMENT, TOXICITY))
    assert feeling.shape == (5, 384) and feeling.dtype == np.float32
    assert np.linalg.norm(feeling, axis=1) == pytest.approx(1, abs=1e-6)
    for one, other in ((none, feeling), (none, abuse), (feeling, abuse)):
        assert (np.sum(one * other, axis=1) < 0.95).all()


def test_the_instruction_is_not_part_of_the_text(instruct):
    # what comes in front of a text would push its end out of the window
    long = TEXTS[-1]
    assert np.allclose(
        instruct.encode(long, instruction=SENTIMENT), instruct.encode(long + "!!!", instruction=SENTIMENT), atol=1e-6
    )
    short = [instruct.encode(TEXTS, instruction=words, max_length=4) for words in (None, SENTIMENT, TOXICITY)]
    assert np.abs(short[1] - short[2]).max() > 0.1 and np.abs(short[0] - short[1]).max() > 0.1


def test_only_the_words_of_the_instruction_count(instruct):
    with_template = instruct.encode(TEXTS, instruction=SENTIMENT)
    assert np.array_equal(with_template, instruct.encode(TEXTS, prompt=f"  {SENTIMENT} "))


def test_batches_and_the_cache_do_not_change_vectors(instruct):
    alone = np.stack([instruct.encode(text, instruction=TOXICITY) for text in TEXTS])
    fresh = load_embedder("course-instruct", cache=False)
    assert np.allclose(alone, fresh.encode(TEXTS, instruction=TOXICITY, batch_size=5), atol=1e-5)
    assert np.array_equal(alone, instruct.encode(TEXTS, instruction=TOXICITY))


@pytest.mark.parametrize("words", ["Translate the text to French", "Count the words", "Identify the longest word"])
def test_what_asks_for_no_factor_leaves_the_vectors_to_the_byte(instruct, words):
    assert instruct.encode(TEXTS, instruction=words).tobytes() == instruct.encode(TEXTS).tobytes()


def test_strength_goes_from_no_instruction_to_all_of_it_without_a_further_pass(instruct, monkeypatch):
    plain, given = instruct.encode(TEXTS), instruct.encode(TEXTS, instruction=SENTIMENT)
    monkeypatch.setattr(instruct, "_run_model", None)  # both are in the cache
    assert np.allclose(instruct.encode(TEXTS, instruction=SENTIMENT, strength=0), plain, atol=1e-6)
    own = instruct.encode(TEXTS, instruction=SENTIMENT, strength=instruct.card.strength)
    assert np.allclose(own, given, atol=1e-6)
    monkeypatch.undo()
    fully = load_embedder("course-instruct", cache=False)
    for strength in (0.3, 1):
        monkeypatch.setattr(fully.model[2], "strength", strength)
        expected = fully.encode(TEXTS, instruction=SENTIMENT)
        assert np.allclose(instruct.encode(TEXTS, instruction=SENTIMENT, strength=strength), expected, atol=1e-4)


def test_the_card_says_the_heads_own_strength(instruct):
    assert instruct.card.strength == instruct.model[2].strength == FOUND["training"]["settings"]["strength"]


def test_strength_of_other_models_mixes_with_and_without_the_words(minilm):
    plain, given = minilm.encode(TEXTS), minilm.encode(TEXTS, prompt="query: ")
    half = minilm.encode(TEXTS, prompt="query: ", strength=0.5, truncate_dim=100, normalize_embeddings=False)
    both = plain + given
    assert np.allclose(half, (both / np.linalg.norm(both, axis=1, keepdims=True))[:, :100], atol=1e-6)
    assert np.allclose(minilm.encode(TEXTS, prompt="query: ", strength=1), given, atol=1e-6)
    assert np.array_equal(minilm.encode(TEXTS, strength=0.5), plain)


@pytest.mark.parametrize("strength", [-0.1, 1.01, "much", True, float("nan")])
def test_a_strength_out_of_range_is_named(minilm, strength):
    with pytest.raises(ValueError, match="strength="):
        minilm.encode(TEXTS, strength=strength)


def test_the_instruction_takes_none_of_a_texts_room(instruct, minilm):
    text = "word " * 250
    assert instruct.receipt([text], EmbeddingOptions(instruction=SENTIMENT)) == ""
    assert "1 of 1 texts" in minilm.receipt([text], EmbeddingOptions(prompt=SENTIMENT))


def test_what_is_not_read_is_said_once_under_an_instruction(instruct, caplog):
    for _ in range(2):
        instruct.encode(["word " * 300], instruction=SENTIMENT)
    assert [record.message for record in caplog.records if "not read" in record.message] == [
        "1 of 1 texts are longer than 256 tokens: 15 % of their words are not read."
    ]


def test_bfloat16(instruct):
    half = load_embedder("course-instruct", dtype="bfloat16", cache=False).encode(TEXTS, instruction=SENTIMENT)
    assert (np.sum(half * instruct.encode(TEXTS, instruction=SENTIMENT), axis=1) > 0.95).all()


def test_the_cache_key_holds_the_heads_weights(instruct, tmp_path, monkeypatch):
    other = shutil.copytree(HEAD, tmp_path / "head")
    monkeypatch.setattr(instruct_model, "HEAD", other)
    assert load_embedder("course-instruct", cache=False).fingerprint == instruct.fingerprint
    head = instruct_model.InstructionHead.load(str(other))
    head.keep.data += 1
    head.save(str(other))
    assert load_embedder("course-instruct", cache=False).fingerprint != instruct.fingerprint


def test_a_saved_copy_is_a_sentence_transformers_folder(instruct, tmp_path):
    from sentence_transformers import SentenceTransformer

    folder = tmp_path / "copy"
    instruct.model.save_pretrained(str(folder))
    copy = SentenceTransformer(str(folder), trust_remote_code=True, local_files_only=True)
    vectors = copy.encode(TEXTS, prompt=SENTIMENT)
    assert np.allclose(vectors, instruct.encode(TEXTS, instruction=SENTIMENT), atol=1e-5)
    # the course itself runs no code that a folder names
    with pytest.raises(ModelUnavailableError, match="does not load"):
        load_embedder(folder)


def test_a_damaged_head_is_a_clear_error(tmp_path, monkeypatch):
    other = shutil.copytree(HEAD, tmp_path / "head")
    weights = other / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    monkeypatch.setattr(instruct_model, "HEAD", other)
    with pytest.raises(ModelUnavailableError, match="'course-instruct'"):
        load_embedder("course-instruct")


def test_the_weights_are_small_and_in_the_package_data():
    assert sum(path.stat().st_size for path in HEAD.iterdir()) < 12e6
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["course_utils"]
    kept = {path for pattern in patterns for path in (ROOT / "course_utils").glob(pattern)}
    assert set(HEAD.iterdir()) <= kept


def test_the_card_counts_the_parameters(instruct):
    assert instruct.card.n_parameters == sum(p.numel() for p in instruct.model.parameters())
    assert FOUND["parameters"] == sum(p.numel() for p in instruct.model[2].parameters())


# --- what it was trained on ---------------------------------------------------------------------------------------


def trained_on(texts) -> float:
    from texts import text_hash

    trained = set(np.load(HEAD / "training_hashes.npy", allow_pickle=False).tolist())
    return np.mean([text_hash(text) in trained for text in texts])


def test_lesson_data_was_never_trained_on(posts):
    held_out = [load_corpus(name)["text"] for name in ("reviews", "editorials", "movie_snippets", "newsgroups")]
    held_out += [load_corpus("newsgroups", groups=NEWSGROUPS, n_per_group=None)["text"], posts["text"]]
    for texts in held_out:
        assert trained_on(texts) == 0


def test_the_hashes_do_find_what_was_trained_on():
    tweets = load_corpus("tweets")["text"]
    assert trained_on(tweets[tweets.str.split().str.len() >= 3]) > 0.99
    assert trained_on(tweets.str.upper() + " !!") > 0.95  # the same letters
    assert 0.3 < trained_on(load_corpus("movie_sentences")["text"]) < 0.9  # those that are no snippets


def test_wordings_of_the_tests_are_no_wordings_of_the_training():
    from train import STAYS, wordings

    names = (*FOUND["training"]["labels"], "person", "numbers")
    trained = {words.lower() for name in (*FOUND["training"]["labels"], *STAYS) for words in wordings(name)}
    looked_at = {words.lower() for name in (*names, *STAYS) for words in wordings(name, "validation")}
    parts = ("held_out", "lesson")
    tested = {words.lower() for name in (*names, *STAYS) for part in parts for words in wordings(name, part)}
    assert len(trained) > 4000 and len(tested) > 90
    assert not tested & (trained | looked_at)


# --- the card -----------------------------------------------------------------------------------------------------


def test_the_model_card_is_made_from_what_was_measured():
    card = model_card(FOUND, PUBLISHED)
    assert (HEAD / "README.md").read_text(encoding="utf-8") == card
    assert card.count("**no**") == sum(not met for _, met, _ in targets(FOUND, PUBLISHED))


def test_the_targets_notice_a_worse_model():
    worse = json.loads(json.dumps(FOUND))
    worse["sets"]["sentiment/reviews"]["seeds"][0]["knn_accuracy"] |= {"gain": -0.1, "low": -0.2, "high": -0.05}
    lost = {aim for aim, met, _ in targets(FOUND, PUBLISHED) if met}
    lost -= {aim for aim, met, _ in targets(worse, PUBLISHED) if met}
    assert "sentiment/reviews: kNN higher, the interval clear of zero" in lost
    assert all(aim.startswith("sentiment/reviews: kNN") for aim in lost)


@pytest.mark.parametrize(
    ("factor", "column", "words"), [("toxicity", "tone", TOXICITY), ("sentiment", "sentiment", SENTIMENT)]
)
def test_the_figures_of_the_card_come_out_again(instruct, posts, factor, column, words):
    labels = posts[column]
    none, moved = instruct.encode(posts["text"]), instruct.encode(posts["text"], instruction=words)
    about = FOUND["sets"][f"{factor}/posts"]
    assert knn_accuracy(none, labels).mean() == pytest.approx(about["none"]["knn_accuracy"], abs=0.002)
    for name, measure in (("knn_accuracy", knn_accuracy), ("silhouette", partial(silhouette_samples, metric="cosine"))):
        change = gain(measure(none, labels), measure(moved, labels))
        expected = about["lesson"][name]
        assert (change.estimate, change.low, change.high) == pytest.approx(
            (expected["gain"], expected["low"], expected["high"]), abs=0.005
        )
    kept = knn_overlap(none, moved, metric="cosine").mean()
    assert kept == pytest.approx(about["overlap"]["lesson"], abs=0.01)


def test_the_words_of_the_posts_tell_as_much_as_the_card_says(posts):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
    from sklearn.pipeline import make_pipeline

    words = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10, max_iter=2000))
    for factor, about in FOUND["posts_words_alone"].items():
        by_topic = cross_val_score(words, posts["text"], posts[factor], groups=posts["topic"], cv=LeaveOneGroupOut())
        assert len(by_topic) == 10
        assert by_topic.mean() == pytest.approx(about["accuracy"], abs=0.005)


def test_similarity_without_an_instruction_is_minilms():
    assert len(set(FOUND["sts_b"].values())) == 1


# --- training -----------------------------------------------------------------------------------------------------


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(minilm, tmp_path, monkeypatch):
    import pandas as pd
    import train

    posts = pd.read_csv(train.TOOLS / "posts.csv", encoding="utf-8").assign(source="posts")
    settings = train.SETTINGS | {"adapter": train.SETTINGS["adapter"] | {"steps": 27, "batch": 4, "rank": 2}}
    settings["adapter"]["max_length"] = {"sentiment": 6}
    model = instruct_model.load_instruct_model(
        train.packaged_weights(minilm.card), head=train.new_head(settings)
    ).requires_grad_(False)
    whole = train.train_adapter(posts, "sentiment", model, settings, 0, tmp_path / "whole.pt")
    steps, draw = iter(range(26)), train.draw
    monkeypatch.setattr(train, "draw", lambda *parts: (next(steps), draw(*parts))[1])
    with pytest.raises(StopIteration):
        train.train_adapter(posts, "sentiment", model, settings, 0, tmp_path / "part.pt")
    steps = iter(range(2))  # 25 of 27 are kept
    rest = train.train_adapter(posts, "sentiment", model, settings, 0, tmp_path / "part.pt")
    assert next(steps, None) is None
    for one, other in zip(whole.state_dict().values(), rest.state_dict().values(), strict=True):
        assert np.array_equal(one.numpy(), other.numpy())
    assert float(whole.up[0].detach().abs().max()) > 0


def test_feeling_and_tone_are_independent_in_the_posts_of_the_training(posts):
    import pandas as pd
    from train import TOOLS

    written = pd.read_csv(TOOLS / "posts.csv", encoding="utf-8")
    counts = pd.crosstab([written["topic"], written["sentiment"]], written["tone"])
    assert counts.shape == (54, 2) and (counts == 4).all(axis=None)
    assert not set(written["topic"]) & set(posts["topic"])


def test_measuring_another_file_than_the_published_one_is_refused(tmp_path, capsys, monkeypatch):
    import published

    monkeypatch.setattr(sys, "argv", ["published.py", str(tmp_path / "data.json")])
    (tmp_path / "data.json").write_text("[]", encoding="utf-8")
    with pytest.raises(SystemExit):
        published.main()
    assert published.SHA256 in capsys.readouterr().err


def test_the_published_run_is_measured_as_it_was_drawn():
    import published

    random = np.random.default_rng(0)
    groups = np.repeat(["a", "b"], 400)
    mood = random.normal(size=800)
    apart = np.c_[(groups == "b") * 100.0, np.zeros(800)] + random.normal(size=(800, 2))
    by_mood = np.c_[(groups == "b") * 100.0, mood]
    found = published.measure_map(apart, groups, {"mood": mood + (groups == "b") * 5})
    assert found["own group"]["estimate"] == 1 and abs(found["mood"]["estimate"]) < 0.15
    assert published.measure_map(by_mood, groups, {"mood": mood + (groups == "b") * 5})["mood"]["low"] > 0.9
