"""RemoteEmbedder against a real server on loopback that misbehaves: nothing lost, nothing duplicated, nothing told."""

import asyncio
import itertools
import json
import logging
import random
import socket
import sys
import threading
import time
import traceback

import numpy as np
import pytest
from endpoint import DIM, NUMBERINGS, OTHER_FORMS, fake_vectors, serving

import course_utils.embedding.endpoint
from course_utils.embedding import (
    ENDPOINTS,
    EmbeddingCache,
    EmbeddingOptions,
    EndpointError,
    ModelUnavailableError,
    RemoteEmbedder,
    UnknownModelError,
    find_model,
    load_embedder,
)
from course_utils.embedding.answers import Failure, read_answer

KEY = "sk-test-1234567890-do-not-tell"
SECRET = "terces"[::-1]  # so that no line of source shows it
TRIAL = ["How long is a vector?", "Tomorrow it will rain."]  # what the course itself asks, to see what it has before it
TEXTS = [f"Text number {i}, of no great length." for i in range(40)]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(course_utils.embedding.endpoint, "_PAUSE", 0.01)


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture
def cache(tmp_path):
    return EmbeddingCache(tmp_path / "vectors.sqlite")


def remote(server, cache=False, model="some-model", max_retries=6, **options):
    embedder = RemoteEmbedder(server.url, model, **{"cache": cache, "api_key": KEY} | options)
    embedder.max_retries = max_retries
    return embedder


def units(texts, dim=DIM):
    vectors = fake_vectors(texts)[:, :dim]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


# --- what it gives --------------------------------------------------------------------------------------------------


def test_minilm_over_http_is_minilm(minilm, tmp_path):
    texts = ["The weather is lovely today.", "It's so sunny outside!", "", "天气很好", "a" * 5000] + TEXTS
    with serving(lambda texts: minilm.encode(texts, normalize_embeddings=False)) as server:
        embedder = remote(server, EmbeddingCache(tmp_path / "v.sqlite"), model="all-MiniLM-L6-v2")
        assert embedder.card is minilm.card
        assert np.abs(embedder.encode(texts) - minilm.encode(texts)).max() < 1e-6
        options = EmbeddingOptions(truncate_dim=100, normalize_embeddings=False, instruction="Name the topic")
        given = embedder.encode(texts, options=options)
        assert np.abs(given - minilm.encode(texts, options=options)).max() < 1e-6
        assert embedder.encode(texts[0]).shape == (384,) and embedder.encode([]).shape == (0, 384)


@pytest.mark.parametrize("cached", [False, True])
def test_order_and_duplicates_are_kept_and_each_text_is_asked_for_once(cached, server, cache):
    texts = random.Random(0).choices(TEXTS, k=100)
    embedder = remote(server, cache if cached else False)
    assert np.allclose(embedder.encode(texts, batch_size=7), units(texts), atol=1e-6)
    assert sorted(server.answered) == sorted({*texts, *TRIAL})


def test_two_thousand_texts_through_eight_connections(server, cache):
    texts = [f"{i} {'word ' * (i % 30)}" for i in range(2000)]
    luck, calls, gate = random.Random(1), itertools.count(), threading.Barrier(8)
    mishaps = [429, 500, 503, "truncated", "nan", "twice", "order"] + [None] * 13
    server.mishap = lambda texts: luck.choice(mishaps) if len(server.asked) > 8 else None

    def embed(texts):
        if next(calls) < 8:
            gate.wait(20)  # the first eight wait for each other
        return fake_vectors(texts)

    server.embed = embed
    vectors = remote(server, cache, dimensions=DIM, max_retries=50).encode(texts, batch_size=16)
    assert np.allclose(vectors, units(texts), atol=1e-6)
    assert len(cache) == 2000 and server.most_under_way == 8
    assert sorted(server.answered) == sorted(texts)
    server.always(500)
    again = remote(server, cache, dimensions=DIM).encode(texts[::-1])
    assert np.array_equal(again, vectors[::-1])  # nothing is asked for twice


def test_batches_by_count_and_characters(server):
    embedder = remote(server, connections=1)
    limit = embedder.endpoint.characters
    texts = ["b" * (limit // 2), "c" * (limit // 2), "d" * (limit + 5), *TEXTS]
    assert np.allclose(embedder.encode(texts, batch_size=1000), units(texts), atol=1e-6)
    sent = [request["input"] for request in server.asked[1:]]  # the first asks for the number of dimensions
    assert max(map(len, sent)) == embedder.endpoint.texts == 32
    assert all(sum(map(len, batch)) <= limit or len(batch) == 1 for batch in sent)
    assert sorted(sum(sent, [])) == sorted(texts)


def test_one_text_tells_the_dimensions_of_an_unknown_model(server, cache):
    embedder = remote(server, cache)
    assert "? dimensions" in repr(embedder)
    assert embedder.embedding_dim == embedder.embedding_dim == DIM
    assert f"{DIM} dimensions" in repr(embedder) and len(server.asked) == 1
    assert remote(server, cache).embedding_dim == DIM and len(server.asked) == 1


def test_dimensions_are_asked_of_the_server(server, cache):
    short = remote(server, cache, dimensions=8)
    assert np.allclose(short.encode(TEXTS), units(TEXTS, 8), atol=1e-6)
    assert {request["dimensions"] for request in server.asked} == {8}
    with pytest.raises(ValueError, match="truncate_dim=9 must be a whole number from 1 to 8"):
        short.encode("a", truncate_dim=9)


def test_max_length_is_the_servers_business(server, caplog):
    assert np.allclose(remote(server).encode(TEXTS, max_length=10), units(TEXTS), atol=1e-6)
    assert "max_length is not used" in caplog.text


@pytest.mark.parametrize("wrong", [0, -3])
def test_a_bad_batch_size(wrong, server):
    with pytest.raises(ValueError, match=f"batch_size={wrong}"):
        remote(server).encode("a", batch_size=wrong)


def test_inside_a_running_event_loop(server):
    async def cell_of_a_notebook():
        return remote(server).encode(TEXTS)

    assert np.allclose(asyncio.run(cell_of_a_notebook()), units(TEXTS), atol=1e-6)


def test_the_pace_is_kept(server):
    begin = time.monotonic()
    remote(server, requests_per_minute=1200, dimensions=DIM).encode(TEXTS, batch_size=8)
    assert len(server.times) == 5 and server.times[-1] - begin >= 0.199


@pytest.mark.parametrize("form", [*NUMBERINGS, "base64", "order"])
def test_every_form_that_can_mean_one_thing_is_read(form, server, cache):
    server.always(form)
    assert np.allclose(remote(server, cache).encode(TEXTS), units(TEXTS), atol=1e-6)
    assert len(server.asked) == 3 and not any("encoding_format" in request for request in server.asked)


def test_how_much_was_cut_is_said_by_the_servers_own_count(server, caplog):
    long = [" ".join(f"word{i}" for i in range(n)) for n in (90, 100, 110)]
    server.tokens = lambda texts: sum(min(len(text.split()), 60) for text in texts)
    remote(server).encode(long)
    assert "by its own count it did not read 40 % of the words, or more" in caplog.text
    caplog.clear()
    for count in (lambda texts: 0, lambda texts: sum(2 + len(text.split()) for text in texts), lambda texts: None):
        server.tokens = count
        remote(server).encode(long)
    assert not caplog.text


# --- what goes wrong and comes right --------------------------------------------------------------------------------

PASSING = [
    408,
    409,
    429,
    500,
    502,
    503,
    "timeout",
    "drop",
    "drop midway",
    "order",
    "dimension",
    "nan",
    "ragged",
    "missing",
    "twice",
    "no numbers",
    "truncated",
    "html",
]


@pytest.mark.parametrize("mishap", PASSING)
def test_what_goes_wrong_once_is_put_right(mishap, server, cache):
    embedder = remote(server, cache, dimensions=DIM, timeout=0.3 if mishap == "timeout" else 30, connections=2)
    server.once(mishap, None, mishap)
    assert np.allclose(embedder.encode(TEXTS, batch_size=15), units(TEXTS), atol=1e-6)
    assert sorted(server.answered) == sorted(TEXTS) and len(cache) == len(TEXTS)
    assert len(server.asked) == (3 if mishap == "order" else 5)


def test_as_long_as_the_server_says_is_waited(server, monkeypatch):
    from endpoint import Handler

    send_header = Handler.send_header
    monkeypatch.setattr(
        Handler, "send_header", lambda self, name, value: send_header(self, name, {"0.01": "1"}.get(value, value))
    )
    server.once(429)
    remote(server, dimensions=DIM).encode(["a", "b"])
    assert len(server.times) == 2 and server.times[1] - server.times[0] >= 0.999


# --- what stays wrong -----------------------------------------------------------------------------------------------


def told(error):
    """All that a reader could see of an error, those behind it included."""
    seen = [error]
    while seen[-1].__cause__ or seen[-1].__context__:
        seen.append(seen[-1].__cause__ or seen[-1].__context__)
    shown = [str(e) + repr(e) + str(vars(e)) for e in seen]
    return "".join(shown + traceback.format_exception(error))


LASTING = {
    400: "HTTP 400, the request was refused",
    401: "HTTP 401, the key was refused",
    402: "no credit left",
    403: "gives no right to this model",
    404: "mostly ends in /v1",
    422: "too long",
    429: "requests_per_minute=",
    500: "HTTP 500, the server failed",
    503: "HTTP 503",
    "timeout": "no whole answer within 0.2 seconds",
    "drop": "no connection",
    "dimension": "vectors of 31 dimensions came, not of 32",
    "nan": r"no numbers \(NaN\)",
    "ragged": "one vector of one length for each text|vectors of 31 dimensions",
    "missing": "one vector of one length for each text",
    "truncated": "the answer breaks off",
    "html": "no embeddings answer came, but a web page",
}


@pytest.mark.parametrize("mishap", LASTING)
def test_what_stays_wrong_is_said_without_key_or_text(mishap, server, cache, caplog):
    texts = [f"secret-{i}" for i in range(20)]
    embedder = remote(
        server, cache, dimensions=DIM, timeout=0.2 if mishap == "timeout" else 30, max_retries=1, connections=4
    )
    server.once(None)
    server.always(mishap)
    with caplog.at_level(logging.INFO), pytest.raises(EndpointError, match=LASTING[mishap]) as caught:
        embedder.encode(texts, batch_size=5)
    assert caught.value.positions == () and "ask again" in str(caught.value)
    everything = told(caught.value) + caplog.text
    assert KEY not in everything and "secret" not in everything and "Bearer" not in everything
    assert len(server.asked) <= 100  # and then it gives up


@pytest.mark.parametrize("mishap", [400, 413, 422, 500, "nan", "truncated", "zeros", "no data"])
def test_one_bad_text_is_found_and_the_others_are_kept(mishap, server, cache):
    texts = [*TEXTS, "the bad one", *TEXTS[:5], "good " * 100]
    server.always(mishap, only="the bad one")
    embedder = remote(server, cache, dimensions=DIM, max_retries=1)
    with pytest.raises(EndpointError, match=r"1 of 47 texts have no vector: sentences\[40\]\.") as caught:
        embedder.encode(texts)
    assert caught.value.positions == (40,) and "the bad one" not in told(caught.value)
    assert sorted(server.answered) == sorted({*texts} - {"the bad one"}) and len(cache) == 41
    texts.remove("the bad one")
    n_asked = len(server.asked)
    assert np.allclose(embedder.encode(texts), units(texts), atol=1e-6) and len(server.asked) == n_asked


@pytest.mark.parametrize(
    ("texts", "batch_size", "card"),
    [(["one text"], 32, "Qwen3-Embedding-0.6B"), (TEXTS, 1, None), (TEXTS, 32, "Qwen3-Embedding-0.6B")],
)
@pytest.mark.parametrize("mishap", ["zeros", "same", "empty", "of tokens", "nan"])
def test_vectors_that_say_nothing_are_refused_and_not_kept(mishap, texts, batch_size, card, server, cache):
    def embedder():
        return remote(server, cache, card=card, dimensions=DIM if card else None, connections=2)

    server.always(mishap)
    with pytest.raises(EndpointError) as caught:
        embedder().encode(texts, batch_size=batch_size)
    assert len(cache) == 0
    expected = {"same": "one vector for all texts", "zeros": "a vector of zeros", "nan": "no numbers"}
    assert expected.get(mishap, "one vector of one length") in str(caught.value)
    server.always(None)
    assert np.allclose(embedder().encode(texts), units(texts), atol=1e-6)


def test_texts_that_mean_the_same_to_a_model_may_have_one_vector(server, cache):
    server.embed = lambda texts: fake_vectors([text.lower() for text in texts])
    vectors = remote(server, cache, dimensions=DIM).encode(["Hello", "hello", "HELLO"])
    assert np.allclose(vectors, units(["hello"] * 3), atol=1e-6) and len(cache) == 3


TOO_LARGE = {
    "input (992 tokens) is too large to process. increase the physical batch size (current: 512)": "--ubatch",
    "the input length exceeds the context length": "OLLAMA_CONTEXT_LENGTH",
    "This model's maximum context length is 512 tokens. However, you requested 600 tokens": "--max-model-len",
    "`inputs` must have less than 512 tokens. Given: 600": "--auto-truncate",
}


@pytest.mark.parametrize(
    ("status", "says"), [*zip([500, 400, 200, 413], TOO_LARGE, strict=True), (503, [*TOO_LARGE][1])]
)
def test_a_text_that_is_too_large_is_named_at_once_with_what_to_raise(status, says, server, cache):
    texts = ["word " * n for n in (5, 700, 6, 800, 900, 1000)]
    server.mishap = lambda batch: (status, says) if any(len(text) > 3000 for text in batch) else None
    with pytest.raises(EndpointError, match=f"4 of 6 texts have no vector: sentences.1.*{TOO_LARGE[says]}") as caught:
        remote(server, cache, dimensions=DIM, connections=1).encode(texts)
    assert caught.value.positions == (1, 3, 4, 5) and len(cache) == 2
    sent = [tuple(request["input"]) for request in server.asked]
    assert len(sent) == len(set(sent)) == 12  # six texts, their halves, the course's own: no request twice
    with pytest.raises(EndpointError, match="4 of 4 texts have no vector"):  # so it is the texts
        remote(server, cache, dimensions=DIM).encode([text for text in texts if len(text) > 3000])


REASONS = {
    (
        400,
        "Pooling type 'none' is not OAI compatible.",
    ): "no embeddings answer: .* pooling is 'none'; start it with --pool",
    (
        501,
        "This server does not support embeddings. Start it with `--embeddings`",
    ): "no embeddings answer: .* not started",
    (404, 'model "x" not found, try pulling it first'): "HTTP 404, the server has no model of that name .*ollama pull",
    (400, "Model does not support matryoshka representation"): "leave dimensions= out",
}


@pytest.mark.parametrize("mishap", REASONS)
def test_a_reason_that_is_known_is_said_once_and_not_blamed_on_a_text(mishap, server):
    server.always(mishap)
    with pytest.raises(EndpointError, match=REASONS[mishap]) as caught:
        remote(server, dimensions=DIM).encode(TEXTS)
    assert caught.value.positions == () and len(server.asked) <= 8


@pytest.mark.parametrize(
    ("form", "end"), [*dict.fromkeys(OTHER_FORMS, "").items(), ("html", "/v1"), ("ollama", "/api")]
)
def test_what_is_no_embeddings_answer_is_called_that(form, end, server, cache, monkeypatch):
    import endpoint

    monkeypatch.setattr(endpoint, "PATHS", (f"{end}/embeddings",))
    server.always(form)
    embedder = RemoteEmbedder(server.url.removesuffix("/v1") + end, "some-model", cache=cache)
    with pytest.raises(EndpointError, match="no embeddings answer came, but") as caught:
        embedder.encode([f"a {SECRET}"])
    if end == "/v1":
        assert "is this the address of a server that speaks OpenAI's" in str(caught.value)
    else:
        assert f"is /v1 missing at the end of the address? Try {server.url}" in str(caught.value)
    assert caught.value.positions == () and len(cache) == 0 and SECRET not in told(caught.value)


@pytest.mark.parametrize("status", [400, 422, 500])
def test_what_fails_before_any_text_of_the_users_is_not_blamed_on_one(status, server):
    server.always(status)
    with pytest.raises(EndpointError, match="refuses two short texts of the course's own") as caught:
        remote(server, max_retries=0).encode("Is it me?")
    assert caught.value.positions == () and "sentences[" not in str(caught.value)
    assert {text for request in server.asked for text in request["input"]} == {*TRIAL}


def test_a_server_that_trickles_has_no_more_time_than_another(server):
    server.always("trickle")
    begin = time.monotonic()
    with pytest.raises(EndpointError, match="no whole answer within 0.3 seconds"):
        remote(server, timeout=0.3, max_retries=0).encode("a")
    assert time.monotonic() - begin < 5


def test_texts_follow_a_redirect_within_the_host_and_none_to_another(server):
    with serving() as other:
        server.mishap = lambda texts: f"{other.url}/embeddings"
        with pytest.raises(EndpointError, match="HTTP 307, the address has moved to another host, and texts are not"):
            remote(server, dimensions=DIM).encode(TEXTS)
        assert not other.asked
    server.once(f"{server.url}/embeddings")
    assert np.allclose(remote(server, dimensions=DIM).encode(TEXTS[:9]), units(TEXTS[:9]), atol=1e-6)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_proxy_is_not_asked_for_a_server_of_this_machine(host, server, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        url = server.url.replace("127.0.0.1", host)
        embedder = RemoteEmbedder(url, "some-model", cache=False, timeout=5)
        embedder.max_retries = 0
        assert np.allclose(embedder.encode(TEXTS), units(TEXTS), atol=1e-6)


def test_several_bad_texts_are_all_named(server, cache):
    texts = [f"bad {i}" if i % 6 == 0 else f"good {i}" for i in range(60)]
    server.mishap = lambda batch: 400 if any(text.startswith("bad") for text in batch) else None
    with pytest.raises(EndpointError, match=r"10 of 60 .* sentences\[24\] and 5 more") as caught:
        remote(server, cache, dimensions=DIM).encode(texts)
    assert caught.value.positions == tuple(range(0, 60, 6)) and len(cache) == 50


def test_a_service_that_goes_down_midway_keeps_what_it_gave(server, cache):
    given = []
    server.mishap = lambda texts: given.append(texts) if len(given) < 4 else 503
    embedder = remote(server, cache, dimensions=DIM, max_retries=1, connections=2)
    with pytest.raises(EndpointError, match="HTTP 503"):
        embedder.encode(TEXTS, batch_size=5)
    assert len(cache) == 20
    server.mishap = lambda texts: None
    assert np.allclose(embedder.encode(TEXTS, batch_size=5), units(TEXTS), atol=1e-6)
    assert sorted(server.answered) == sorted(TEXTS)


def test_an_interrupt_keeps_what_came_and_asks_for_nothing_new(server, cache, monkeypatch):
    put_many, kept = cache.put_many, []

    def interrupted(vectors):
        put_many(vectors)
        kept.append(len(vectors))
        if len(kept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(cache, "put_many", interrupted)
    slow = server.embed
    server.embed = lambda texts: server.released.wait(0.05) or slow(texts)
    with pytest.raises(KeyboardInterrupt):
        remote(server, cache, dimensions=DIM, connections=2).encode(TEXTS, batch_size=1)
    assert len(cache) == 3 and len(server.asked) < 12


def test_an_interrupt_cancels_what_is_under_way(server, cache, monkeypatch):
    number, both_wait = itertools.count(1), threading.Event()

    def all_but_the_second_wait(texts):
        request = next(number)
        if request == 3:
            both_wait.set()
        if request != 2:
            server.released.wait(30)
        return fake_vectors(texts)

    def interrupted(vectors):
        assert both_wait.wait(30)  # else a request that is on its way might be counted late
        raise KeyboardInterrupt

    server.embed = all_but_the_second_wait
    monkeypatch.setattr(cache, "put_many", interrupted)
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        remote(server, cache, dimensions=DIM, connections=2).encode(TEXTS, batch_size=2)
    assert time.monotonic() - begin < 10
    server.released.set()
    time.sleep(0.3)
    assert len(server.asked) == 3


@pytest.mark.parametrize("model", ["qwen/qwen3-embedding-0.6b", "some-model"])
def test_no_server(model):
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(EndpointError, match="nothing answers there; is the server running"):
        RemoteEmbedder(url, model, cache=False).encode("a")


def test_without_the_client(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(EndpointError, match="the package openai is missing"):
        remote(server).encode("a")


# --- key, cache and presets -----------------------------------------------------------------------------------------


def test_the_key_comes_from_the_environment_and_goes_to_the_server_only(server, cache, monkeypatch, caplog):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-service")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-another-service")
    monkeypatch.setenv("EMBEDDINGS_API_KEY", f"{KEY}\n")  # as `export X=$(cat file)` does not, but Windows does
    with caplog.at_level(logging.DEBUG):
        embedder = remote(server, cache, api_key=None)
        embedder.encode(TEXTS)
    assert {headers["authorization"] for headers in server.headers} == {f"Bearer {KEY}"}
    assert "another-service" not in str(server.headers)
    for place in (caplog.text, repr(embedder), str(vars(embedder)), embedder.fingerprint):
        assert KEY not in place
    cache._connection.close()
    assert all(KEY.encode() not in file.read_bytes() for file in cache.path.parent.iterdir())


def test_a_server_without_a_key_is_sent_none(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("EMBEDDINGS_API_KEY", raising=False)
    remote(server, api_key=None).encode("a")
    assert KEY not in str(server.headers)


@pytest.mark.parametrize("endpoint", ["siliconflow", "openrouter", "openai"])
def test_a_missing_key_is_told_before_anything_is_sent(endpoint, monkeypatch):
    monkeypatch.delenv(ENDPOINTS[endpoint].key_variable, raising=False)
    embedder = RemoteEmbedder(endpoint, "Qwen/Qwen3-Embedding-8B", cache=False)
    with pytest.raises(EndpointError, match=f"needs a key in the environment variable {endpoint.upper()}_API_KEY"):
        embedder.encode("a")


def test_a_key_with_odd_characters_is_not_shown(server):
    key = f"sk-“{'quoted'[::-1]}”"  # so that this line of source does not show it
    with pytest.raises(EndpointError, match="characters that no key has") as caught:
        remote(server, api_key=key).encode("a")
    assert "detouq" not in told(caught.value)


@pytest.mark.parametrize(
    "url", ["http://me:secret@host/v1", "https://host/v1?key=secret", "host/v1", "ollma", "ftp://h"]
)
def test_an_address_that_is_none_or_tells_too_much(url):
    with pytest.raises(ValueError, match="endpoint must") as caught:
        RemoteEmbedder(url, "some-model")
    assert "secret" not in told(caught.value)


@pytest.mark.parametrize(("wrong", "meant"), [("olama", "ollama"), ("OpenAI", "openai"), ("lama.cpp", "llama.cpp")])
def test_a_misspelt_endpoint_gets_a_suggestion(wrong, meant, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=f"Did you mean '{meant}'"):
        RemoteEmbedder(wrong, "some-model")
    with pytest.raises(UnknownModelError, match=f"did you mean '{meant}:qwen3-embedding:0.6b'"):
        load_embedder(f"{wrong}:qwen3-embedding:0.6b")


def test_endpoint_model_and_dimensions_decide_the_key_of_the_cache_and_the_api_key_does_not(server, cache):
    remote(server, cache, dimensions=DIM).encode(["a", "b"])
    for same in ({}, {"api_key": "sk-other"}, {"connections": 1}, {"timeout": 1.0}):
        remote(server, cache, **{"dimensions": DIM} | same).encode(["a", "b"])
    assert len(cache) == 2 * len(server.asked) == 2
    for other in ({"model": "other"}, {"dimensions": 8}):
        remote(server, cache, **{"dimensions": DIM} | other).encode(["a", "b"])
    with serving() as elsewhere:
        remote(elsewhere, cache, dimensions=DIM).encode(["a", "b"])
    assert len(cache) == 8
    again = RemoteEmbedder(f"{server.url}/embeddings/", "some-model", dimensions=DIM, cache=cache)
    assert np.allclose(again.encode(["a", "b"]), units(["a", "b"]), atol=1e-6) and len(cache) == 8


def test_the_presets():
    assert set(ENDPOINTS) == {"siliconflow", "openrouter", "openai", "ollama", "llama.cpp", "vllm", "tei"}
    for endpoint in ENDPOINTS.values():
        local = endpoint.base_url.startswith("http://localhost:")
        assert endpoint.base_url.endswith("/v1") and (local or endpoint.base_url.startswith("https://"))
        assert endpoint.needs_key != local and endpoint.texts > 0 < endpoint.connections


@pytest.mark.parametrize(
    ("name", "served"),
    [
        ("siliconflow:Qwen/Qwen3-Embedding-0.6B", "Qwen/Qwen3-Embedding-0.6B"),
        ("openrouter:qwen/qwen3-embedding-0.6b", "qwen/qwen3-embedding-0.6b"),
        ("ollama:qwen3-embedding:0.6b", "qwen3-embedding:0.6b"),
    ],
)
def test_a_lesson_names_it_in_its_parameters(name, served, cache):
    embedder = load_embedder(name, cache=cache)
    assert isinstance(embedder, RemoteEmbedder) and embedder.served_model == served and embedder.cache is cache
    assert embedder.card is find_model("Qwen3-Embedding-0.6B") and embedder.embedding_dim == 1024
    assert name.partition(":")[0] in embedder.endpoint.base_url + "ollama"
    with pytest.raises(ModelUnavailableError, match="has no tokenizer of transformers here"):
        embedder.tokenizer  # noqa: B018
    with pytest.raises(ValueError, match="dtype='bfloat16' is for models that run here"):
        load_embedder(name, dtype="bfloat16")


def test_the_template_of_the_card_goes_over_the_wire(server):
    embedder = remote(server, model="qwen.gguf", card="Qwen3-Embedding-0.6B", dimensions=DIM)
    embedder.encode(["Is it hot?", "Is it cold?"], instruction="Name the topic")
    embedder.encode_query("Is it hot?")
    embedder.encode_document("Is it hot?")
    web = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:Is it hot?"
    sent = [request["input"] for request in server.asked]
    assert sent == [[f"Instruct: Name the topic\nQuery:Is it {how}?" for how in ("hot", "cold")], [web], ["Is it hot?"]]
    with pytest.raises(ValueError, match="no model name='nothing'"):
        remote(server, card="nothing")


@pytest.mark.parametrize(
    ("numbers", "order"),
    [
        ([None, None], [0, 1]),
        ([1, None], [1, 0]),  # where a number that is zero is left out
        (["1", "0"], [1, 0]),
        ([1, 2], [0, 1]),
        ([7, 8], None),
        ([0, 0], [0, 1]),
        ([0, 2], None),
    ],
)
def test_numbers_of_rows_are_read_or_refused(numbers, order):
    rows = [{"embedding": [float(place), 1.0]} | ({} if n is None else {"index": n}) for place, n in enumerate(numbers)]
    answer = read_answer(json.dumps({"data": rows, "usage": {"prompt_tokens": True}}), 2, 2, "")
    if order is None:
        assert isinstance(answer, Failure)
    else:
        assert answer.vectors[:, 0].tolist() == order and answer.tokens == 0


@pytest.mark.parametrize("values", [[True, False], [1e39, 1.0], [1e-30, 0.0], [1e9, 1.0], [None, 1.0]])
def test_what_is_no_vector_is_refused(values):
    assert isinstance(read_answer(json.dumps({"data": [{"embedding": values}]}), 1, 2, ""), Failure)
