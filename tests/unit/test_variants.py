"""Cheaper variants: what they compute, under which fingerprint, and what is said when a package is missing."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest
from helpers import run_python
from tiny_qwen3 import build_tiny_qwen3

from course_utils.embedding import (
    EmbeddingOptions,
    ModelUnavailableError,
    keep_layers,
    load_embedder,
    quantize,
    randomize,
)
from course_utils.embedding.catalog import DEFAULT_MODEL
from course_utils.embedding.variants import distill_static, token_weights, vocabulary
from course_utils.measuring import normalize

TEXTS = ["A short text.", "Another one, which is a little longer than the first.", "Rain"]


@pytest.fixture(scope="module")
def tiny_path(tmp_path_factory):
    return build_tiny_qwen3(tmp_path_factory.mktemp("tiny") / "tiny-model")


@pytest.fixture(scope="module")
def tiny(tiny_path):
    return load_embedder(tiny_path, cache=False)


def test_rare_tokens_weigh_more():
    # p ∝ 1/2, 1/3, 1/4, that is 6/13, 4/13, 3/13
    assert token_weights(3, a=1) == pytest.approx([13 / 19, 13 / 17, 13 / 16])
    weights = token_weights(30_000)
    assert (np.diff(weights) > 0).all() and 0 < weights[0] < 0.01 and 0.9 < weights[-1] < 1


def test_the_vocabulary_of_minilm(minilm):
    tokens = vocabulary(minilm)
    assert 26_000 < len(tokens) < 28_000
    assert not {"[CLS]", "[PAD]", "[unused5]"} & set(tokens)
    ids = minilm.tokenizer.get_vocab()
    assert tokens["ing"] == sorted([ids["ing"], ids["##ing"]] if "ing" in ids else [ids["##ing"]])
    assert list(tokens).index("the") < list(tokens).index("volcano")


def test_a_static_model_is_the_weighted_mean_of_reduced_token_vectors(tiny, own_cache_dir):
    from sklearn.decomposition import PCA

    folder = distill_static(tiny, dim=16)
    assert folder.parent == own_cache_dir / "models"
    static = load_embedder(folder, cache=False)
    assert static.embedding_dim == 16

    tokens = vocabulary(tiny)
    table = PCA(16, random_state=0).fit_transform(tiny.encode(list(tokens))) * token_weights(len(tokens))[:, None]
    row = {i: position for position, ids in enumerate(tokens.values()) for i in ids}
    ids = [tiny.tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    expected = normalize(np.stack([table[[row[i] for i in line]].mean(axis=0) for line in ids]))
    assert static.encode(TEXTS) == pytest.approx(expected, abs=1e-5)


def test_a_static_model_reads_everything_and_is_made_once(tiny, own_cache_dir):
    before = tiny.encode(TEXTS)
    folder = distill_static(tiny, dim=16)
    assert np.array_equal(tiny.encode(TEXTS), before)  # the model and its tokenizer are left as they were
    made = (folder / "model.safetensors").stat().st_mtime_ns
    assert distill_static(tiny, dim=16) == folder and (folder / "model.safetensors").stat().st_mtime_ns == made
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # nothing unfinished is left
    static = load_embedder(folder, cache=False)
    long = "rain " * 1000
    assert np.abs(static.encode(long + "sun " * 500) - static.encode(long)).max() > 0.01


def test_a_cut_network_gives_the_states_of_its_last_layer():
    import torch

    whole, cut = load_embedder(cache=False), keep_layers(load_embedder(cache=False), 3)
    batch = whole.tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = whole.model[0].model(**batch, output_hidden_states=True).hidden_states[3].numpy()
    mask = batch["attention_mask"].numpy()[..., None]
    assert cut.encode(TEXTS) == pytest.approx(normalize((states * mask).sum(axis=1) / mask.sum(axis=1)), abs=1e-5)
    assert cut.fingerprint != whole.fingerprint  # the cache must not mix them up
    for n in (0, 4):
        with pytest.raises(ValueError, match=f"n_layers={n} must be from 1 to 3"):
            keep_layers(cut, n)


def test_an_untrained_network_is_as_it_was_before_training():
    import torch

    state = torch.get_rng_state()
    trained, *others = (load_embedder(cache=False) for _ in range(4))
    first, again, other = (randomize(each, seed) for each, seed in zip(others, (0, 0, 1), strict=True))
    assert torch.equal(state, torch.get_rng_state())
    assert np.array_equal(first.encode(TEXTS), again.encode(TEXTS)) and first.fingerprint == again.fingerprint
    assert not np.allclose(first.encode(TEXTS), other.encode(TEXTS), atol=0.01)
    assert len({each.fingerprint for each in (trained, first, other)}) == 3
    sizes = [[weight.shape for weight in each.model[0].model.parameters()] for each in (trained, first)]
    assert sizes[0] == sizes[1]
    old, new = (each.model[0].model.encoder.layer[0].output.dense.weight for each in (trained, first))
    assert abs(np.corrcoef(*(weight.detach().numpy().ravel() for weight in (old, new)))[0, 1]) < 0.02
    alike = [np.median(each.encode(TEXTS) @ each.encode(TEXTS).T) for each in (trained, first)]
    assert alike[0] < alike[1]  # to it all texts are alike


def test_a_network_of_another_family_is_not_cut(tiny):
    with pytest.raises(ValueError, match="not of BERT's family"):
        keep_layers(tiny, 1)


needs_openvino = pytest.mark.skipif(not all(map(find_spec, ("nncf", "openvino"))), reason="needs the extra bench")


@needs_openvino
def test_eight_bits_change_little():
    whole, small = load_embedder(cache=False), quantize(load_embedder(cache=False))
    cosines = (whole.encode(TEXTS) * small.encode(TEXTS)).sum(axis=1)
    assert (cosines > 0.99).all() and (cosines < 1 - 1e-6).all()
    assert small.fingerprint != whole.fingerprint
    assert small.encode([]).shape == (0, 384)


@needs_openvino
def test_openvino_gives_the_same_vectors(minilm):
    same = load_embedder(backend="openvino", cache=False)
    rough = load_embedder(backend="openvino", dtype="bfloat16", cache=False)
    assert same.encode(TEXTS) == pytest.approx(minilm.encode(TEXTS), abs=1e-5)
    assert same.encode(TEXTS[1], max_length=4) == pytest.approx(minilm.encode(TEXTS[1], max_length=4), abs=1e-5)
    assert ((rough.encode(TEXTS) * minilm.encode(TEXTS)).sum(axis=1) > 0.999).all()
    keys = [each._keys(TEXTS, each._checked(None, EmbeddingOptions(), "")) for each in (minilm, same, rough)]
    assert len({key for each in keys for key in each}) == 3 * len(TEXTS)  # the cache keeps them apart


def test_a_network_of_another_family_stays_with_torch(tiny_path, tiny):
    for convert in (lambda: load_embedder(tiny_path, backend="openvino", cache=False), lambda: quantize(tiny)):
        with pytest.raises(ValueError, match="not of BERT's family, for which alone"):
            convert()


@pytest.mark.parametrize(
    ("name", "backend", "message"),
    [
        (DEFAULT_MODEL, "onnx", "backend='onnx' must be 'torch' or 'openvino'"),
        ("course-instruct", "openvino", "backend='openvino' is for models of sentence-transformers alone"),
        ("ollama:all-minilm", "openvino", "backend='openvino' is for models that run here"),
    ],
)
def test_what_cannot_run_with_a_backend(name, backend, message):
    with pytest.raises(ValueError, match=message):
        load_embedder(name, backend=backend, cache=False)


@needs_openvino
def test_nobody_is_told_about_it():
    """OpenVINO and NNCF would report each use to their maker, from a process of their own."""
    code = """
import sys, psutil
from course_utils.embedding import load_embedder
from course_utils.embedding import quantize
quantize(load_embedder(cache=False)).encode("a text")
print(sys.modules["openvino_telemetry"], psutil.Process().children(recursive=True))
"""
    assert run_python(code).splitlines()[-1] == "None []"


def test_eight_bits_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "nncf", None)
    embedder = load_embedder(cache=False)
    before = embedder.fingerprint
    with pytest.raises(ModelUnavailableError, match=r"need the packages openvino and nncf .*\[bench\]"):
        quantize(embedder)
    assert embedder.fingerprint == before
    with pytest.raises(ModelUnavailableError, match=r"OpenVINO .*\[bench\]"):
        load_embedder(backend="openvino", cache=False)
