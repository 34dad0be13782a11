"""Models that other packages run are embedders like any other: what holds for one holds for all."""

import os
import pickle
import random
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from course_utils.data import load_corpus
from course_utils.embedding import (
    BACKENDS,
    CATALOG,
    EmbeddingCache,
    ModelUnavailableError,
    PackagedEmbedder,
    find_model,
    find_weights,
    keep_layers,
    load_embedder,
    quantize,
    variants,
    weights,
)
from course_utils.measuring import Contender, Retrieval, recommend
from course_utils.measuring.benchmark import evaluate

CARDS = {card.name: card for card in CATALOG.values() if card.backend in BACKENDS}
USE, FOUR_BITS, STATIC = CARDS
TEXTS = [
    "a cat",
    "eine Katze",
    "猫がいる",
    "",
    "  two\tblanks\n",
    "a cat",
    "x" * 500,
    "\U0001f600 and a zero\0behind",
    "cat a",
]
each = pytest.mark.parametrize("name", CARDS)


@pytest.fixture(scope="module")
def opened():
    """Each of them once, without a cache; a test of one that has no version for this system is skipped."""
    embedders = {}

    def open_it(name):
        if CARDS[name].extra:
            pytest.importorskip(CARDS[name].package)
        return embedders.setdefault(name, load_embedder(name, cache=False))

    return open_it


@each
def test_it_gives_unit_vectors_in_the_order_of_the_texts(name, opened):
    embedder = opened(name)
    vectors = embedder.encode(TEXTS)
    assert vectors.dtype == np.float32 and vectors.shape == (len(TEXTS), CARDS[name].embed_dim)
    norms = np.linalg.norm(vectors, axis=1)
    assert norms[norms > 0] == pytest.approx(1, abs=1e-5)
    assert (norms > 0).tolist() == [bool(text) or name != STATIC for text in TEXTS]  # a mean of no tokens is 0
    assert (vectors == embedder.encode(TEXTS)).all()
    assert vectors == pytest.approx(np.stack([embedder.encode(text) for text in TEXTS]), abs=1e-5)
    assert vectors[::-1] == pytest.approx(embedder.encode(TEXTS[::-1], batch_size=2), abs=1e-5)
    assert embedder.encode([]).shape[0] == 0
    short = embedder.encode(TEXTS[:3], truncate_dim=7)
    cut = embedder.encode(TEXTS[:3], normalize_embeddings=False)[:, :7]
    assert short == pytest.approx(cut / np.linalg.norm(cut, axis=1, keepdims=True), abs=1e-5)


@each
def test_what_comes_after_the_limit_is_not_read_and_without_one_all_is(name, opened):
    embedder, start = opened(name), "the sun shines " * 50
    ends = [start + "on cats", start + "for the bank and its shares " * 20]
    assert embedder.max_length == np.inf
    one, other = embedder.encode(ends, max_length=20)
    assert one == pytest.approx(other, abs=1e-5)
    assert one != pytest.approx(embedder.encode("the sun", max_length=20), abs=1e-3)
    one, other = embedder.encode(ends)
    assert np.abs(one - other).max() > 1e-3
    with pytest.raises(ValueError, match="max_length=2 must be a whole number from 3"):
        embedder.encode(ends, max_length=2)


@each
def test_a_prompt_is_characters_before_the_text(name, opened):
    embedder, card = opened(name), CARDS[name]
    query, document = embedder.encode_query("cats"), embedder.encode_document("cats")
    assert (query == embedder.encode("cats", prompt=card.query_prompt)).all()
    assert (document == embedder.encode("cats", prompt=card.document_prompt)).all()
    assert (np.abs(query - document).max() > 1e-3) == (card.query_prompt != card.document_prompt)
    told = embedder.encode("cats", instruction="Name the animal")
    assert (told == embedder.encode("Name the animal\ncats")).all() and np.abs(told - query).max() > 1e-3


def test_the_four_bit_model_reads_a_prefix_once(opened):
    embedder = opened(FOUR_BITS)
    assert "OMP_WAIT_POLICY" not in os.environ  # what it was loaded with is for it alone
    assert (embedder.encode("cats") == embedder.encode_query("cats")).all()  # it knows no text without one of the two
    for prefix, encode in (("query: ", embedder.encode_query), ("passage: ", embedder.encode_document)):
        assert embedder.encode([f"{prefix}cats", "dogs"])[0] == pytest.approx(encode("cats"), abs=1e-6)
    # for the library in C a text ends at the first zero
    assert np.abs(embedder.encode("one\0two") - embedder.encode("one")).max() > 1e-3


def test_cutting_early_gives_the_tokens_that_cutting_late_gives(opened):
    model, dice = opened(USE)._model, random.Random(0)
    parts = [*"abc åß猫の.,-12", " ", "\t", "  \n", "understanding ", "government ", "internationale "]
    for _ in range(300):
        text = "".join(dice.choices(parts, k=dice.randrange(200)))
        n = dice.randrange(3, 13)
        model.max_length = np.inf
        whole = model.encode(text, add_bos=True, add_eos=True)
        model.max_length = n
        cut = whole if len(whole) <= n else [*whole[: n - 1], whole[-1]]
        assert model.encode(text, add_bos=True, add_eos=True) == cut, text


def test_a_long_text_is_not_tokenized_whole(opened, monkeypatch):
    seen, model = [], opened(USE)._model
    right = model.tokenizer.encode
    monkeypatch.setattr(model.tokenizer, "encode", lambda text, **marks: seen.append(text) or right(text, **marks))
    opened(USE).encode("the sun " * 10_000, max_length=20)
    assert max(map(len, seen)) < 20 * 17


def test_the_static_model_is_what_sentence_transformers_makes_of_the_same_weights(opened):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    model = opened(STATIC)._model
    other = SentenceTransformer(modules=[StaticEmbedding(model.tokenizer, embedding_weights=model.table)], device="cpu")
    ours = opened(STATIC).encode(TEXTS, normalize_embeddings=False)
    assert ours == pytest.approx(other.encode(TEXTS), abs=1e-5)


@each
def test_vectors_are_kept_and_a_copy_keeps_them_in_the_same_place(name, opened, tmp_path, monkeypatch):
    opened(name)
    embedder = load_embedder(name, cache=EmbeddingCache(tmp_path / "vectors.sqlite"))
    vectors = embedder.encode(TEXTS)
    again = pickle.loads(pickle.dumps(embedder))
    monkeypatch.setattr(BACKENDS[CARDS[name].backend], "read", None)
    assert (again.encode(TEXTS) == vectors).all() and repr(again) == repr(embedder)


@each
def test_threads_do_not_disturb_each_other(name, opened):
    embedder, texts = opened(name), ["the sun shines on all the cats " * 9, "a dog"]
    lengths = [None, 8, 16, None, 8, 16]
    alone = [embedder.encode(texts, max_length=length) for length in lengths]
    found = [None] * len(lengths)

    def work(i):
        found[i] = embedder.encode(texts, max_length=lengths[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(lengths))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.stack(found) == pytest.approx(np.stack(alone), abs=1e-5)


@each
def test_nothing_opens_a_network_that_is_not_there(name, opened):
    embedder = opened(name)
    for change in (
        lambda: keep_layers(embedder, 1),
        lambda: quantize(embedder),
        lambda: variants.distill_static(embedder),
    ):
        with pytest.raises(ValueError, match=f"{name}.*has no network of transformers here.*all-MiniLM"):
            change()
    with pytest.raises(ModelUnavailableError, match=f"{name}.*has no tokenizer of transformers here"):
        embedder.tokenizer
    with pytest.raises(ValueError, match=f"dtype='bfloat16' is for models that torch runs; {name}"):
        load_embedder(name, dtype="bfloat16")


def test_they_need_no_torch(opened):
    names = [name for name in CARDS if not CARDS[name].extra]
    code = f"""
import sys
from course_utils.embedding import load_embedder
for name in {names}:
    load_embedder(name, cache=False).encode(["a cat"])
print({{"torch", "transformers", "sentence_transformers"}} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "set()"


# --- what may be missing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [USE, FOUR_BITS])
def test_a_missing_package_is_named_with_the_way_out(name, monkeypatch):
    monkeypatch.setitem(sys.modules, CARDS[name].package, None)
    with pytest.raises(ModelUnavailableError) as caught:
        find_weights(name)
    assert f"package {CARDS[name].package}, which is not complete here" in str(caught.value)
    assert ("'.[bench]'" if name == FOUR_BITS else "start.py setup") in str(caught.value)
    (why,) = evaluate([Contender("it", name)], [])["why"]
    assert why == str(caught.value)


@each
def test_other_bytes_are_refused_and_other_code_has_other_vectors(name, opened, tmp_path, monkeypatch):
    embedder, card = opened(name), CARDS[name]
    with pytest.raises(ModelUnavailableError, match=f"{name} is there but does not load"):
        PackagedEmbedder(tmp_path, card)
    if card.package:
        monkeypatch.setattr(sys.modules[card.package], "__version__", "99")
        assert load_embedder(name, cache=False).fingerprint == embedder.fingerprint.replace(
            embedder.fingerprint.split()[1], "99"
        )
        package = tmp_path / "changed_package"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / card.weights).write_bytes(b"other")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(ModelUnavailableError, match=f"{card.weights} of the package changed_package has changed"):
            weights.packaged_weights(replace(card, package="changed_package"))


def test_the_tokenizer_counts_for_the_fingerprint(tmp_path):
    folder = find_weights(USE)[0]
    for file in ("sp.model", "weights.npz"):
        (tmp_path / file).write_bytes((folder / file).read_bytes())
    same = weights.fingerprint(tmp_path)
    assert same == weights.fingerprint(folder)
    for file in ("sp.model", "weights.npz"):
        content = bytearray((folder / file).read_bytes())
        content[1000] ^= 1
        (tmp_path / file).write_bytes(content)
        assert weights.fingerprint(tmp_path) != same
        (tmp_path / file).write_bytes((folder / file).read_bytes())


def test_nothing_is_fetched_that_was_not_asked_for(own_cache_dir, monkeypatch):
    monkeypatch.setattr(weights, "hub_answers", lambda: pytest.fail("the network was asked"))
    monkeypatch.setattr(weights, "fetch", lambda name: pytest.fail("the network was asked"))
    for name in (STATIC, "BAAI/bge-large-en-v1.5", "somebody/anything"):
        with pytest.raises(ModelUnavailableError, match="not on this machine, and downloading was not asked for"):
            find_weights(name, download=False)
        encoder, why = Contender("larger", name, download=False).try_load()
        assert encoder is None and "downloading was not asked for" in why
    assert load_embedder(download=False).card.name  # what is here is taken
    # and it is no longer out of reach than until it is asked for
    monkeypatch.setattr(weights, "hub_answers", lambda: False)
    with pytest.raises(ModelUnavailableError, match="the hub cannot be reached"):
        find_weights("BAAI/bge-large-en-v1.5")


def test_an_archive_that_cannot_be_had_makes_the_model_unavailable(own_cache_dir, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ModelUnavailableError, match=f"{STATIC}.*could not be fetched.*course setup"):
        load_embedder(STATIC)


# --- what they are good for ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [USE, FOUR_BITS])
def test_it_finds_names_in_another_language(name, opened):
    opened(name)
    names = load_corpus("emoji_names")[["de", "en"]].sample(40, random_state=0)
    task = Retrieval("de", names["de"], names["en"], [[i] for i in range(40)])
    cases = evaluate([Contender("model", name), Contender("words", "tf-idf")], [task])
    found = cases[cases["metric"] == "recall_at_1"].groupby("model")["value"].mean()
    assert found["model"] > 0.6 > found["words"] + 0.2


def test_a_recommendation_knows_what_they_read():
    table = recommend.recommend({"languages": ["deu", "tha"], "max_tokens": 100_000, "licenses": ["apache-2.0"]})
    assert list(table.index) == [USE]
    assert table["reasons"].iloc[0] == "made for deu, tha; reads texts of any length; licence apache-2.0"
    assert find_model(STATIC).name in table.attrs["rejected"]
