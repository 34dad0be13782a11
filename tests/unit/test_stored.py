"""Files of vectors: several prompts at once, and one maker only."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import fake_embedder, kill_at_line, output_of, start_python

from course_utils.app.embed import add_vectors
from course_utils.data import read_tensors, write_tensors
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


ADD = """
import sys
from helpers import fake_embedder
from course_utils.app.embed import add_vectors
embedder, path, name = fake_embedder(), *sys.argv[1:]
for number in range(8):
    text = f"{name} {number}"
    vectors = {"": embedder.encode([text], normalize_embeddings=False)}
    add_vectors(path, embedder, [text], vectors, max_length=16)
"""


def test_what_several_add_at_once_is_all_in_the_file(tmp_path):
    embedder, path = fake_embedder(), tmp_path / "v.safetensors"

    def add(text):
        add_vectors(path, embedder, [text], raw(embedder, [text], ""), max_length=16)

    others = [start_python(ADD, path, name) for name in "ab"]
    texts = [f"text {i}" for i in range(24)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, texts))
    for other in others:
        output_of(other)
    texts += [f"{name} {number}" for name in "ab" for number in range(8)]
    assert np.array_equal(load_embedder(path).encode(texts), embedder.encode(texts))
    assert [file.name for file in tmp_path.iterdir()] == ["v.safetensors"]


def test_a_kill_while_vectors_are_added_keeps_those_that_were_there(tmp_path, request):
    embedder, path, line, killed = fake_embedder(), tmp_path / "v.safetensors", 0, True
    add_vectors(path, embedder, TEXTS, raw(embedder, TEXTS, ""), max_length=16)
    before, more = path.read_bytes(), raw(embedder, ["more"], "")
    while killed:
        line += 1 if request.config.getoption("--long") else 5
        arguments = {"texts": ["more"], "vectors": more, "max_length": 16}
        killed = kill_at_line(line, add_vectors, path, embedder, **arguments) == 9
        assert np.array_equal(load_embedder(path).encode(TEXTS), embedder.encode(TEXTS))
        add_vectors(path, embedder, **arguments)  # the lock of what was killed is free
        assert len(load_embedder(path).matrix) == 4
        path.write_bytes(before)
    assert line > 20


@pytest.mark.parametrize("other", [{"fingerprint": "other"}, {"dtype": "bfloat16"}, {"dim": 9}])
def test_one_maker_only(other, tmp_path):
    path, first, second = tmp_path / "v.safetensors", fake_embedder(), fake_embedder(**other)
    add_vectors(path, first, TEXTS, raw(first, TEXTS, ""), max_length=16)
    with pytest.raises(StoredVectorsError, match="made in another way"):
        add_vectors(path, second, TEXTS, raw(second, TEXTS, ""), max_length=16)
    with pytest.raises(ValueError, match="has no network of transformers here"):
        keep_layers(load_embedder(path), 1)


@pytest.mark.parametrize(
    "broken", ["vectors", "texts", "prompts", "card", "fingerprint", "max_length", "no list", "row"]
)
def test_a_file_that_lacks_a_part_is_named(tmp_path, broken):
    path, embedder = tmp_path / "one.safetensors", fake_embedder()
    add_vectors(path, embedder, ["a", "b"], {"": embedder.encode(["a", "b"])}, max_length=32)
    tensors, about = read_tensors(path)
    tensors.pop(broken, None)
    about = {key: value for key, value in about.items() if key != broken} | (
        {"prompts": 7} if broken == "no list" else {}
    )
    if broken == "prompts":
        about["prompts"] = []
    if broken == "row":
        tensors["vectors"] = tensors["vectors"][:1]
    write_tensors(path, tensors, about)
    with pytest.raises(StoredVectorsError, match="'one.safetensors' lacks a part of what"):
        load_embedder(str(path))
