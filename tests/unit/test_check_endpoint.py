"""`course check-endpoint`: each kind of wrong server is named, and a right one, of any precision, is not."""

import logging

import numpy as np
import pytest
import torch
from endpoint import serving
from tiny_qwen3 import END, build_tiny_qwen3
from typer.testing import CliRunner

from course_utils.app import cli
from course_utils.embedding import PUBLISHED_SIMILARITIES, load_embedder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return build_tiny_qwen3(tmp_path_factory.mktemp("models") / "Qwen3-Embedding-0.6B")


@pytest.fixture(scope="module")
def tiny(folder):
    return load_embedder(folder, cache=False)


def served(tiny, pooling=lambda hidden: hidden[-1], end=1, before="", cut=None, padding=None, scale=1.0):
    """The vectors of a server that runs the model by itself, one text at a time or padded as it likes."""

    def hidden(ids):
        with torch.inference_mode():
            return tiny.model[0].auto_model(input_ids=torch.tensor(ids)).last_hidden_state.numpy()

    def embed(texts):
        tokens = [tiny.tokenizer(before + text)["input_ids"][:-1][:cut] for text in texts]
        last = tiny.tokenizer.convert_tokens_to_ids(END)
        tokens = [ids + [last] * end for ids in tokens]
        if padding == "right":
            length = max(map(len, tokens))
            vectors = hidden([ids + [last] * (length - len(ids)) for ids in tokens])[:, -1]
        else:
            vectors = np.stack([pooling(hidden([ids])[0]) for ids in tokens])
        return scale * vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return embed


def check(server, *options):
    return CliRunner().invoke(cli.app, ["check-endpoint", server.url, "some-model", *map(str, options)])


def test_a_right_server_is_right(tiny, folder):
    with serving(served(tiny)) as server:
        result = check(server, "--against", folder, "--longest", 512)
    assert result.exit_code == 0, result.output
    assert [line[:4] for line in result.output.splitlines()] == ["ok  "] * 4
    assert "pooling, end token and template as in Qwen/Qwen3-Embedding-0.6B (cosine 1.0000)" in result.output
    assert "texts of 512 words are read whole" in result.output


QUERY = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
WRONG = {
    "mean": ({"pooling": lambda hidden: hidden.mean(axis=0)}, "pooling is mean, not lasttoken (cosine 1.0000"),
    "first token": ({"pooling": lambda hidden: hidden[0]}, "pooling is cls, not lasttoken (cosine 1.0000"),
    "no end": ({"end": 0}, "the end token is missing (cosine 1.0000"),
    "two ends": ({"end": 2}, "the end token is there twice (cosine 1.0000"),
    "template": ({"before": QUERY}, "a template of its own stands before what is sent (cosine 1.0000"),
    "two at once": (
        {"end": 0, "pooling": lambda hidden: hidden.mean(axis=0)},
        "pooling is mean, not lasttoken, and the end token is missing (cosine 1.0000",
    ),
    "padding": ({"padding": "right"}, "a text has another vector among others"),
    "cutting": ({"cut": 100}, "without an error"),
    "length": ({"scale": 7.0}, "vectors are not normalised: their lengths are 7.00 to 7.00"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_each_kind_of_wrong_server_is_named_and_nothing_else(kind, tiny, folder):
    mistake, words = WRONG[kind]
    with serving(served(tiny, **mistake)) as server:
        result = check(server, "--against", folder, "--longest", 256)
    assert words in f"{result.output} {result.exception}"
    lines = result.output.splitlines()
    n_wrong = 2 if kind == "first token" else 1  # then the rest of a long text is not read either
    assert result.exit_code == (kind != "length") and sum(line[:4] in ("fail", "warn") for line in lines) == n_wrong


def test_where_a_server_cuts_is_found(tiny, folder):
    with serving(served(tiny, cut=100)) as server:
        output = check(server, "--against", folder, "--longest", 256).output
    words = int(output.partition("cut after about ")[2].partition(" ")[0])
    n_tokens = len(tiny.tokenizer(" ".join(["sun"] * words))["input_ids"]) - 1
    assert abs(n_tokens - 100) <= 4


def test_a_server_that_refuses_long_texts_says_so_itself(tiny, folder):
    with serving(served(tiny)) as server:
        server.mishap = lambda texts: (400, "input is too long") if any(len(text) > 300 for text in texts) else None
        result = check(server, "--against", folder)
    assert result.exit_code == 0 and "refused with an error" in result.output


def test_fewer_bits_are_no_mistake_and_other_weights_are(tiny, folder, tmp_path):
    embed, noise = served(tiny), np.random.default_rng(0)
    with serving(lambda texts: (v := embed(texts)) + noise.normal(0, 0.01, v.shape)) as server:
        server.embed = lambda texts: np.round(embed(texts) * 12) / 12
        result = check(server, "--against", folder, "--longest", 64)
        assert "it may compute in fewer bits" in result.output and "fail  reading" not in result.output
        server.embed = lambda texts: embed([text[::-1] for text in texts])
        result = check(server, "--against", folder, "--longest", 64)
    assert result.exit_code == 1 and "no known mistake fits" in result.output


def test_the_default_model_needs_no_name_to_be_compared_with(minilm):
    with serving(lambda texts: minilm.encode(texts, normalize_embeddings=False)) as server:
        result = CliRunner().invoke(cli.app, ["check-endpoint", server.url, "all-MiniLM-L6-v2", "--longest", "512"])
        assert result.exit_code == 0, result.output
        assert "template as in sentence-transformers/all-MiniLM-L6-v2 (cosine 1.0000)" in result.output
        assert "as the model's 256 tokens allow" in result.output


@pytest.mark.parametrize(
    ("off", "said"), [(0, "ok    reading      the published similarities"), (0.1, "off the published")]
)
def test_published_values_do_where_the_model_is_not_here(off, said):
    published = PUBLISHED_SIMILARITIES

    def embed(texts):
        """Two documents at right angles, and queries that have the right cosines to them."""
        vectors = np.zeros((len(texts), 4096))
        for row, text in zip(vectors, texts, strict=True):
            query = text.removeprefix(QUERY)
            if text in published["documents"]:
                row[published["documents"].index(text)] = 1
            elif query in published["queries"]:
                row[:2] = published["similarities"]["Qwen/Qwen3-Embedding-8B"][published["queries"].index(query)]
                row[0] -= off
                row[2] = np.sqrt(1 - row @ row)
            else:
                row[3 + sum(text.encode()) % 4000] = 1
        return vectors

    with serving(embed) as server:
        result = CliRunner().invoke(cli.app, ["check-endpoint", server.url, "Qwen3-Embedding-8B", "--longest", "32"])
    assert said in result.output and result.exit_code == bool(off)


def test_without_anything_to_compare_with_that_is_said(tiny):
    with serving(served(tiny)) as server:
        result = check(server, "--longest", 64)
    assert result.exit_code == 0 and "nothing to compare with" in result.output and "--against" in result.output


def test_a_server_that_gives_no_vectors_ends_it_with_its_reason(folder, caplog):
    with serving() as server, caplog.at_level(logging.ERROR):
        server.always("html")
        result = check(server, "--against", folder)
    assert result.exit_code == 1 and "no embeddings answer came" in str(result.exception)
