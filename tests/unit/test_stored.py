"""Files of vectors: several prompts at once, and one maker only."""

import numpy as np
import pytest
from helpers import fake_embedder

from course_utils.app.embed import add_vectors
from course_utils.embedding import LocalEmbedder, StoredVectorsError, keep_layers, load_embedder

TEXTS = ["first", "second", "third"]


def raw(embedder, texts, *prompts):
    return {prompt: embedder.encode(texts, prompt=prompt, normalize_embeddings=False) for prompt in prompts}


def test_all_prompts_are_written_at_once_and_more_are_added(tmp_path):
    embedder, path = fake_embedder(), tmp_path / "v.safetensors"
    assert add_vectors(path, embedder, TEXTS, raw(embedder, TEXTS, "", "a: "), max_length=16) == 6
    assert add_vectors(path, embedder, ["fourth"], raw(embedder, ["fourth"], "a: "), max_length=16) == 7
    assert add_vectors(path, embedder, TEXTS, raw(embedder, TEXTS, ""), max_length=16) == 7
    stored = load_embedder(path)
    assert not isinstance(stored, LocalEmbedder) and (stored.max_length, stored.embedding_dim) == (16, 8)
    for texts, prompt in ((TEXTS, ""), ([*TEXTS, "fourth"], "a: ")):
        assert np.array_equal(stored.encode(texts, prompt=prompt), embedder.encode(texts, prompt=prompt))
    with pytest.raises(StoredVectorsError, match="1 of 4 texts are not in it under this prompt, .* at position 3"):
        stored.encode([*TEXTS, "fourth"])


@pytest.mark.parametrize("other", [{"fingerprint": "other"}, {"dtype": "bfloat16"}, {"dim": 9}])
def test_one_maker_only(other, tmp_path):
    path, first, second = tmp_path / "v.safetensors", fake_embedder(), fake_embedder(**other)
    add_vectors(path, first, TEXTS, raw(first, TEXTS, ""), max_length=16)
    with pytest.raises(StoredVectorsError, match="made in another way"):
        add_vectors(path, second, TEXTS, raw(second, TEXTS, ""), max_length=16)
    with pytest.raises(ValueError, match="does not run on this machine"):
        keep_layers(load_embedder(path), 1)
