"""Qwen3-Embedding as it comes from the hub, proven on a tiny random one; the real one where its weights are."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_qwen3 import DIM, END, build_tiny_qwen3
from transformers import AutoModel, AutoTokenizer

from course_utils.embedding import EmbeddingOptions, ModelUnavailableError, find_model, load_embedder

NAMES = ["Qwen3-Embedding-0.6B", "Qwen3-Embedding-4B", "Qwen3-Embedding-8B"]
TASK = "Identify the topic of the text"
# ten languages, source code, and characters that tokenizers trip over
TEXTS = [
    "The weather is lovely today.",
    "Das Wetter ist heute schön, und morgen wird es regnen; darüber reden wir dann noch einmal ausführlich.",
    "Il fait très beau aujourd'hui.",
    "Hoy hace un tiempo precioso, ¿verdad?",
    "今天天气很好。",
    "今日はとてもいい天気ですね。",
    "오늘 날씨가 정말 좋네요.",
    "الطقس جميل اليوم.",
    "Сегодня прекрасная погода.",
    "आज मौसम बहुत अच्छा है।",
    'def add(a: int, b: int = 1) -> int:\n    """Sum."""\n\treturn a + b  # 1 ≤ 2\n',
    '<div class="x">{{ y }}</div>\r\n  trailing spaces   ',
    "🙂👩‍👩‍👧 e\u0301 \u200b zero width",
    "a",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return build_tiny_qwen3(tmp_path_factory.mktemp("models") / "Qwen3-Embedding-0.6B")


@pytest.fixture(scope="module")
def tiny(folder):
    return load_embedder(folder, cache=False)


@pytest.fixture(scope="module")
def tokenizer(folder):
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def reference(folder, tokenizer):
    """The formula of Qwen3-Embedding's README, text by text, so that nothing can go wrong with padding."""
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    def embed(text, max_length=8192, dim=DIM):
        ids = tokenizer(text, max_length=max_length, truncation=True, return_tensors="pt")
        with torch.no_grad():
            last = model(**ids).last_hidden_state[0, -1, :dim]
        return torch.nn.functional.normalize(last, dim=0).numpy()

    return embed


def test_equal_to_the_reference_formula(tiny, reference):
    assert tiny.model.dtype == torch.float32  # published in bfloat16, computed in what was asked for
    assert np.abs(tiny.encode(TEXTS) - [reference(text) for text in TEXTS]).max() < 1e-6
    queries = [reference(f"Instruct: {TASK}\nQuery:{text}") for text in TEXTS]
    assert np.abs(tiny.encode(TEXTS, instruction=TASK) - queries).max() < 1e-6


def test_many_at_once_equal_one_at_a_time(tiny):
    many = tiny.encode(TEXTS, batch_size=len(TEXTS))
    assert np.abs(many - [tiny.encode(text) for text in TEXTS]).max() < 1e-6
    assert np.abs(many - tiny.encode(TEXTS, batch_size=3)).max() < 1e-6


def test_left_and_right_padding_give_the_same(tiny, reference):
    assert tiny.tokenizer.padding_side == find_model(tiny.card.name).padding_side == "left"
    left = tiny.encode(TEXTS)
    try:
        tiny.tokenizer.padding_side = "right"
        assert np.abs(tiny.encode(TEXTS) - left).max() < 1e-6
    finally:
        tiny.tokenizer.padding_side = "left"


def test_a_copy_that_lost_the_side_of_its_padding_gets_it_from_the_card(folder, tiny, tmp_path):
    copy = shutil.copytree(folder, tmp_path / folder.name)
    for name, keys in (("tokenizer_config.json", ["padding_side"]), ("tokenizer.json", ["padding"])):
        settings = json.loads((copy / name).read_text(encoding="utf-8"))
        for key in keys:
            settings.pop(key, None)
        (copy / name).write_text(json.dumps(settings), encoding="utf-8")
    copied = load_embedder(copy, cache=False)
    assert copied.tokenizer.padding_side == "left"
    assert np.abs(copied.encode(TEXTS) - tiny.encode(TEXTS)).max() < 1e-6


def test_the_classic_mistake_would_be_noticed(folder, tokenizer, tiny):
    """Right padding with the last position: the check above can fail."""
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        batch = tokenizer(TEXTS, padding=True, padding_side="right", return_tensors="pt")
        last = model(**batch).last_hidden_state[:, -1]
    wrong = torch.nn.functional.normalize(last, dim=1).numpy()
    assert np.abs(wrong - tiny.encode(TEXTS)).max() > 0.1


def seen(tiny, texts, prompt="", max_length=32768):
    """The token ids that the model is given for each text, without the padding."""
    given = []
    handle = tiny.model[0].register_forward_pre_hook(lambda module, arguments: given.append(arguments[0]))
    try:
        tiny.encode(texts, prompt=prompt, max_length=max_length, batch_size=len(texts))
    finally:
        handle.remove()
    (batch,) = given
    rows = [row[mask.bool()] for row, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)]
    return sorted((row.tolist() for row in rows), key=len)  # sentence-transformers sorts by length


@pytest.mark.parametrize("prompt", ["", f"Instruct: {TASK}\nQuery:"])
@pytest.mark.parametrize("max_length", [32768, 12, 3])
def test_the_end_token_is_there_once_and_truncation_keeps_it(tiny, prompt, max_length):
    for ids in seen(tiny, TEXTS, prompt, max_length):
        assert ids.count(tiny.tokenizer.convert_tokens_to_ids(END)) == 1
        assert tiny.tokenizer.decode(ids[-1:]) == END
        assert len(ids) <= max_length


def test_texts_go_through_unchanged(tiny):
    for text in TEXTS:
        (ids,) = seen(tiny, [text], f"Instruct: {TASK}\nQuery:")
        assert tiny.tokenizer.decode(ids) == f"Instruct: {TASK}\nQuery:{text}{END}"


def test_a_cut_text_equals_the_reference(tiny, reference):
    long = " ".join(TEXTS)
    for max_length in (3, 10, 64):
        assert np.abs(tiny.encode(long, max_length=max_length) - reference(long, max_length)).max() < 1e-6


def test_32k_tokens_are_read(tiny, reference):
    assert tiny.max_length == tiny.card.max_tokens == 32768
    text = "a " * 5000
    (ids,) = seen(tiny, [text])
    assert len(ids) > 5000
    assert np.abs(tiny.encode(text) - reference(text, 32768)).max() < 1e-5
    with pytest.raises(ValueError, match="max_length=32769 must be a whole number from 3 to 32768 for Qwen/Qwen3"):
        tiny.encode("a", max_length=32769)


@pytest.mark.parametrize("dim", [1, 32, 33, 48, 64])
def test_any_matryoshka_dimension_has_unit_norm(dim, tiny, reference):
    vectors = tiny.encode(TEXTS, truncate_dim=dim)
    assert vectors.shape == (len(TEXTS), dim) and vectors.dtype == np.float32
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6
    assert np.abs(vectors - [reference(text, dim=dim) for text in TEXTS]).max() < 1e-6


@pytest.mark.parametrize("wrong", [0, -1, 65, 1.5])
def test_a_dimension_out_of_range(wrong, tiny):
    with pytest.raises(ValueError, match="truncate_dim=.* must be a whole number from 1 to 64 for Qwen/Qwen3"):
        tiny.encode("a", options=EmbeddingOptions(truncate_dim=wrong))


def test_bfloat16(folder, tiny):
    half = load_embedder(folder, dtype="bfloat16", cache=False)
    assert half.model.dtype == torch.bfloat16
    vectors, exact = half.encode(TEXTS), tiny.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6  # it was off by up to 4e-4 before
    assert (vectors * exact).sum(axis=1).min() > 0.995
    assert np.abs(vectors - exact).max() > 1e-5
    with pytest.raises(ValueError, match="dtype='float16' must be"):
        load_embedder(folder, dtype="float16")


@pytest.mark.parametrize("name", NAMES)
def test_each_card_puts_its_template_to_the_byte(name, folder, tmp_path):
    embedder = load_embedder(shutil.copytree(folder, tmp_path / name), cache=False)
    assert embedder.card is find_model(name)
    given = []
    embedder.model.encode = lambda texts, *, prompt, **options: (
        given.extend((prompt + text).encode() for text in texts) or np.ones((len(texts), DIM), np.float32)
    )
    embedder.encode("Is it hot?", instruction=TASK)
    embedder.encode_query("Is it hot?")
    embedder.encode_document("Is it hot?")
    embedder.encode("Is it hot?")
    web = b"Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:Is it hot?"
    assert given == [b"Instruct: Identify the topic of the text\nQuery:Is it hot?", web, b"Is it hot?", b"Is it hot?"]


def test_a_space_after_the_colon_gives_another_vector(tiny):
    right = tiny.encode(TEXTS, instruction=TASK)
    wrong = tiny.encode(TEXTS, prompt=f"Instruct: {TASK}\nQuery: ")
    assert (right * wrong).sum(axis=1).max() < 0.999


def test_an_instruction_moves_vectors_and_none_is_none(tiny):
    plain = tiny.encode(TEXTS)
    assert np.array_equal(plain, tiny.encode(TEXTS, instruction=""))
    assert (plain * tiny.encode(TEXTS, instruction=TASK)).sum(axis=1).max() < 0.999


def test_a_model_without_instructions_says_what_happens(caplog, minilm):
    with caplog.at_level(logging.WARNING):
        minilm.encode("a", instruction=TASK)
    assert "was not trained to follow instructions: the words are put in front" in caplog.text


def test_saving_and_loading(tiny, tmp_path):
    tiny.model.save(str(tmp_path / "saved" / "Qwen3-Embedding-0.6B"))
    again = load_embedder(tmp_path / "saved" / "Qwen3-Embedding-0.6B", cache=False)
    assert (again.card, again.max_length) == (tiny.card, 32768)
    assert np.array_equal(again.encode(TEXTS, instruction=TASK), tiny.encode(TEXTS, instruction=TASK))
    assert [tiny.tokenizer.decode(ids[-1:]) for ids in seen(again, TEXTS)] == [END] * len(TEXTS)


def test_a_folder_of_another_name_is_known_by_what_it_says_itself(folder, tiny, tmp_path):
    other = load_embedder(shutil.copytree(folder, tmp_path / "my-own-qwen"), cache=False)
    assert other.card.query_prompt == tiny.card.query_prompt and other.card.max_tokens == 32768
    assert np.array_equal(other.encode_query(TEXTS), tiny.encode_query(TEXTS))


# --- weights in several files, as the 4B and the 8B have ------------------------------------------------------------


def test_all_files_of_the_weights_are_needed(folder, tiny, tmp_path):
    split = build_tiny_qwen3(tmp_path / folder.name, max_shard_size="100KB")
    weights = sorted(split.glob("model-*.safetensors"))
    assert len(weights) > 2
    assert np.array_equal(load_embedder(split, cache=False).encode(TEXTS), tiny.encode(TEXTS))
    weights[1].unlink()
    with pytest.raises(ModelUnavailableError, match=f"lacks {weights[1].name}"):
        load_embedder(split)


def test_the_hub_names_the_weights_so_that_they_are_not_read_for_it(folder, tiny, tmp_path, monkeypatch):
    import huggingface_hub.constants

    card = find_model("Qwen3-Embedding-0.6B")
    snapshot = tmp_path / "models--Qwen--Qwen3-Embedding-0.6B" / "snapshots" / card.revision
    shutil.copytree(folder, snapshot)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    embedder = load_embedder("Qwen/Qwen3-Embedding-0.6B", cache=False)
    assert embedder.fingerprint == card.revision and embedder.card is card
    assert np.array_equal(embedder.encode_query(TEXTS), tiny.encode_query(TEXTS))
    assert tiny.fingerprint != card.revision  # a plain folder may hold anything, and is read


# --- the real one ---------------------------------------------------------------------------------------------------


def real_weights():
    from huggingface_hub import try_to_load_from_cache

    card = find_model("Qwen3-Embedding-0.6B")
    found = try_to_load_from_cache(card.name, "model.safetensors", revision=card.revision)
    return isinstance(found, str) and Path(found).exists()


@pytest.mark.skipif(not real_weights(), reason="needs `course prefetch Qwen/Qwen3-Embedding-0.6B` (1.2 GB) first")
def test_the_check_values_of_the_readme():
    embedder = load_embedder("Qwen/Qwen3-Embedding-0.6B", cache=False)
    queries = embedder.encode_query(["What is the capital of China?", "Explain gravity"])
    documents = embedder.encode_document(
        [
            "The capital of China is Beijing.",
            "Gravity is a force that attracts two bodies towards each other. It gives weight to physical objects and "
            "is responsible for the movement of planets around the sun.",
        ]
    )
    assert queries @ documents.T == pytest.approx(np.array([[0.7646, 0.1414], [0.1355, 0.6000]]), abs=0.005)
