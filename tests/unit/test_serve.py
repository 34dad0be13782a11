"""The web service: right answers to many at once, clear refusals, and nothing told that is nobody's business."""

import asyncio
import json
import socket
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from copy import copy

import numpy as np
import pytest
import uvicorn
from fastapi import HTTPException
from fastapi.testclient import TestClient
from helpers import fake_embedder
from typer.testing import CliRunner

from course_utils.app import cli
from course_utils.app import serve as service
from course_utils.app.serve import (
    BATCH,
    LOOPBACK,
    MAX_BYTES,
    MAX_CHARACTERS,
    MAX_TEXTS,
    MAX_WAITING,
    Batcher,
    create_app,
    serve,
)
from course_utils.embedding import EndpointError
from course_utils.learning import EmbeddingValueLearner

HERE = "http://localhost"


def make_learner(**model):
    scores = np.random.default_rng(0).normal(size=30)
    return EmbeddingValueLearner(fake_embedder(**model)).fit([f"text {i}" for i in range(30)], scores)


@pytest.fixture
def client():
    with TestClient(create_app(make_learner(), LOOPBACK), HERE, raise_server_exceptions=False) as opened:
        yield opened


def test_it_predicts_and_ranks_as_the_learner_does(client):
    learner = make_learner()
    assert client.post("/predict", json={"text": "text 3"}).json() == {
        "text": "text 3",
        "score": pytest.approx(learner.predict("text 3")),
    }
    texts = ["b", "a", "b", "c"]
    ranked = client.post("/rank", json={"texts": texts}).json()
    assert [found["text"] for found in ranked] == [text for text, _ in learner.rank_texts(texts)]
    assert [found["score"] for found in ranked] == pytest.approx([score for _, score in learner.rank_texts(texts)])
    given = client.post("/predict_batch", json={"texts": texts}).json()
    assert [found["text"] for found in given] == texts
    assert [found["score"] for found in given] == pytest.approx(learner.predict(texts).tolist())
    for path in ("/rank", "/predict_batch"):
        assert client.post(path, json={"texts": []}).json() == []
    assert client.get("/health").json() == {"status": "ok", "examples": 30}


def test_it_describes_itself(client):
    page = client.get("/docs").text
    assert "POST /predict" in page and "Sort" not in page and "sort them" in page
    assert "http" not in page and "src" not in page and "<script" not in page  # nothing comes from elsewhere
    assert client.get("/redoc").status_code == 404
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/predict", "/predict_batch", "/rank", "/health"}


def test_it_can_be_opened_again():
    app = create_app(make_learner())
    for _ in range(2):
        with TestClient(app) as client, ThreadPoolExecutor(8) as pool:
            answers = pool.map(lambda i: client.post("/predict", json={"text": f"text {i}"}).json()["text"], range(8))
            assert list(answers) == [f"text {i}" for i in range(8)]


@pytest.mark.parametrize(
    ("path", "body", "field", "message"),
    [
        ("/predict", {}, "text", "Field required"),
        ("/predict", {"text": 3}, "text", "valid string"),
        ("/predict", {"text": ""}, "text", "at least 1 character"),
        ("/predict", {"text": "  \n"}, "text", "at least 1 character"),
        ("/predict", {"text": "x" * (MAX_CHARACTERS + 1)}, "text", f"at most {MAX_CHARACTERS} characters"),
        ("/predict", {"text": "half \ud83d"}, "text", "unicode"),
        ("/rank", {"texts": "one"}, "texts", "valid list"),
        ("/rank", {"texts": ["a", None]}, "texts.1", "valid string"),
        ("/rank", {"texts": ["a"] * (MAX_TEXTS + 1)}, "texts", f"at most {MAX_TEXTS} items"),
        ("/predict_batch", {"text": "one"}, "texts", "Field required"),
        ("/predict_batch", {"texts": ["a", " "]}, "texts.1", "at least 1 character"),
        ("/predict_batch", {"texts": ["x" * (MAX_CHARACTERS + 1)]}, "texts.0", f"at most {MAX_CHARACTERS} characters"),
        ("/predict_batch", {"texts": ["a"] * (MAX_TEXTS + 1)}, "texts", f"at most {MAX_TEXTS} items"),
    ],
)
def test_a_bad_request_hears_which_field_and_gets_nothing_repeated(client, path, body, field, message):
    answer = client.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    (found,) = answer.json()["detail"]
    assert found["field"] == field and message in found["message"]
    assert len(answer.content) < 300


def test_what_is_no_json_and_what_is_too_large(client):
    answer = client.post("/predict", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 422 and "JSON" in answer.text
    for path in ("/predict", "/predict_batch", "/rank"):
        assert client.post(path, content=b"x" * (MAX_BYTES + 1)).status_code == 413
    chunks = (b"x" * 1_000_000 for _ in range(8))  # says nothing of its length beforehand
    answer = client.post("/predict", content=chunks)
    assert answer.status_code == 413 and "more than 5,000,000 bytes" in answer.text


@pytest.mark.parametrize(
    ("path", "body"), [("/predict", {"text": "a"}), ("/predict_batch", {"texts": ["a"]}), ("/rank", {"texts": ["a"]})]
)
def test_an_error_tells_nothing_and_the_service_goes_on(path, body):
    learner = make_learner()

    def fails(*args, **kwargs):
        raise RuntimeError("/home/somebody/secret.safetensors is broken")

    with TestClient(create_app(learner), raise_server_exceptions=False) as client:
        encode, learner.embedder.model.encode = learner.embedder.model.encode, fails
        answer = client.post(path, json=body)
        assert answer.status_code == 500
        assert answer.json() == {"detail": "The service could not answer. Its log says why."}
        learner.embedder.model.encode = encode
        assert client.post(path, json=body).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "evil.example:8000", "", "127.0.0.1.evil.example"]
)
@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/health", "/predict"])
def test_who_calls_it_by_a_foreign_name_gets_no_answer(host, path, client):
    for answer in (
        client.get(path, headers={"Host": host}),
        client.post(path, headers={"Host": host}, json={"text": "a"}),
    ):
        assert answer.status_code == 400 and "score" not in answer.text


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST"])
def test_every_name_of_this_machine_is_answered(host, client):
    assert client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2", "0.0.0.0", "192.168.1.5"])
def test_opened_to_the_network_it_answers_to_any_name(host, monkeypatch):
    asked = {}
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: asked.update(app=app))
    serve(make_learner(), host, 8000)
    status = TestClient(asked["app"], "http://my.machine").get("/health").status_code
    assert status == (400 if host in ("127.0.0.1", "localhost", "127.0.0.2") else 200)
    assert TestClient(asked["app"], f"http://{host}").get("/health").status_code == 200


@pytest.fixture
def running():
    """The service on a port of loopback, with a model that takes a while; and the learner behind it."""
    learner = make_learner(seconds_a_call=0.05)
    learner.embedder.model.calls.clear()
    with service.running(learner) as address:
        yield address, learner


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_it_runs_beside_a_notebook_and_leaves_nothing_behind():
    learner, before = make_learner(seconds_a_call=0.2), set(threading.enumerate())
    expected = learner.predict("text 3")

    async def in_a_cell():  # in a notebook a loop runs already
        with service.running(learner) as address, service.running(make_learner()) as another:
            assert address != another and address.startswith("http://127.0.0.1:")
            assert post(f"{another}/predict", {"text": "a"})["text"] == "a"
            assert post(f"{address}/predict", {"text": "text 3"})["score"] == pytest.approx(expected)
            return address

    address = asyncio.run(in_a_cell())
    with pytest.raises(OSError):
        post(f"{address}/predict", {"text": "a"})
    with pytest.raises(KeyboardInterrupt), service.running(learner) as address:
        raise KeyboardInterrupt
    with service.running(learner):
        pass  # the end comes before it is up
    deadline = time.monotonic() + 20  # the loop's threads are told to end, and end
    while (left := set(threading.enumerate()) - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left


def test_what_was_asked_before_the_end_is_answered():
    learner = make_learner()
    go_on, began = threading.Event(), threading.Event()
    encode = learner.embedder.model.encode

    def waits(texts, **options):
        began.set()
        go_on.wait(20)
        return encode(texts, **options)

    learner.embedder.model.encode = waits
    with ThreadPoolExecutor(3) as pool:
        with service.running(learner) as address:
            asked = [pool.submit(post, f"{address}/predict", {"text": f"text {i}"}) for i in range(3)]
            began.wait(20)
            threading.Timer(0.3, go_on.set).start()  # while the block is left
        learner.embedder.model.encode = encode
        first = [each.result() for each in asked if each.exception() is None]
    assert first and all(answer["score"] == pytest.approx(learner.predict(answer["text"])) for answer in first)


def test_fifty_clients_at_once_lose_nothing_and_share_calls(running):
    url, learner = running
    clients, each = 50, 6

    def ask(number):
        answers = []
        for i in range(each):
            text = f"{number}, {i}"
            if i == 3:
                answers += [(post(f"{url}/rank", {"texts": [text]})[0], text)]
            else:
                answers += [(post(f"{url}/predict", {"text": text}), text)]
        return answers

    with ThreadPoolExecutor(clients) as pool:
        answers = [pair for some in pool.map(ask, range(clients)) for pair in some]
    calls = [texts for texts, _ in learner.embedder.model.calls]
    assert len(answers) == clients * each == sum(map(len, calls))
    assert len(calls) < clients * each / 2  # waiting texts went together
    expected = make_learner().predict([text for _, text in answers])
    assert [answer["text"] for answer, _ in answers] == [text for _, text in answers]
    assert [answer["score"] for answer, _ in answers] == pytest.approx(expected.tolist())


def test_each_of_many_threads_gets_what_the_learner_says_of_its_text_alone(minilm):
    uncached = copy(minilm)
    uncached.cache = None
    words = ["walk", "along", "the", "river", "until", "the", "lights", "of", "the", "town", "come", "on"]
    learner = EmbeddingValueLearner(uncached, ridge_alpha=1).fit(words, np.arange(len(words), dtype=float))
    texts = [" ".join(words[: 1 + i % len(words)]) + f" {i}" for i in range(12)]
    with TestClient(create_app(learner)) as client, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda text: client.post("/predict", json={"text": text}).json(), texts))
        together = client.post("/predict_batch", json={"texts": texts}).json()
    alone = [learner.predict(text) for text in texts]
    for found in (answers, together):
        assert [answer["text"] for answer in found] == texts
        assert [answer["score"] for answer in found] == pytest.approx(alone, abs=1e-5)


def test_a_text_that_fails_takes_no_neighbour_with_it():
    learner = make_learner(seconds_a_call=0.05)
    encode = learner.embedder.model.encode

    def fails(texts, **options):
        found = encode(texts, **options)
        if any("poison" in text for text in texts):
            raise ValueError("no such text")
        return found

    learner.embedder.model.encode = fails
    texts = [f"{'poison' if i % 7 == 3 else 'text'} {i}" for i in range(40)]
    with TestClient(create_app(learner), raise_server_exceptions=False) as client, ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda text: client.post("/predict", json={"text": text}), texts))
        assert client.post("/predict_batch", json={"texts": texts[:4]}).status_code == 500
        assert client.post("/predict_batch", json={"texts": texts[:3]}).status_code == 200
    assert max(len(asked) for asked, _ in learner.embedder.model.calls[1:]) > 1  # they did go together
    expected = make_learner()
    for text, answer in zip(texts, answers, strict=True):
        if "poison" in text:
            assert answer.status_code == 500 and "such" not in answer.text
        else:
            assert answer.json() == {"text": text, "score": pytest.approx(expected.predict(text))}


def lengths(texts):
    return np.array([float(len(text)) for text in texts])


def with_worker(batcher, ask):
    """Run a coroutine function while the batcher works."""

    async def run():
        worker = asyncio.create_task(batcher.work())
        try:
            return await ask()
        finally:
            worker.cancel()

    return asyncio.run(run())


def test_no_more_than_a_fixed_number_of_texts_waits_and_who_leaves_makes_room():
    go_on, calls = threading.Event(), []

    def predict(texts):
        calls.append(len(texts))
        go_on.wait(20)
        if "bad" in texts:
            raise ValueError("bad")
        return lengths(texts)

    batcher = Batcher(predict)

    async def ask():
        waiting = [asyncio.create_task(batcher.scores([f"{i}"])) for i in range(MAX_WAITING - 1)]
        waiting.append(asyncio.create_task(batcher.scores(["bad"])))
        await asyncio.sleep(0)  # all of them are in the queue
        for refused in (batcher.scores(["one"]), batcher.alone(list, ["one"]), batcher.scores(["one"] * 9)):
            with pytest.raises(HTTPException, match="503: 2,000 texts are waiting") as caught:
                await asyncio.wait_for(refused, 10)
            assert caught.value.headers == {"Retry-After": "1"}
        for gone in waiting[100:200]:
            gone.cancel()
        await asyncio.sleep(0)
        later = asyncio.create_task(batcher.scores(["later"] * 100))
        go_on.set()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        kinds = {type(each) for each in found}
        assert kinds == {list, asyncio.CancelledError, ValueError} and isinstance(found[-1], ValueError)
        assert await later == [5.0] * 100
        return await batcher.scores(["one"])

    assert with_worker(batcher, ask) == [3.0]
    assert batcher.n_held == 0 and max(calls) == BATCH


def test_a_full_service_says_so_and_goes_on(client, monkeypatch):
    monkeypatch.setattr(service, "MAX_WAITING", 3)
    for path in ("/predict_batch", "/rank"):
        answer = client.post(path, json={"texts": ["a"] * 4})
        assert answer.status_code == 503 and answer.headers["Retry-After"] == "1"
        assert answer.json()["detail"] == "0 texts are waiting, and no more than 3 may. Try again later."
        assert client.post(path, json={"texts": ["a"] * 3}).status_code == 200


def test_one_text_does_not_wait_for_all_of_a_large_request():
    calls = []
    batcher = Batcher(lambda texts: calls.append(list(texts)) or lengths(texts))

    async def ask():
        many = asyncio.create_task(batcher.scores([f"of many {i}" for i in range(10 * BATCH)]))
        await asyncio.sleep(0)
        await batcher.scores(["alone"])
        assert not many.done()
        return await many

    assert len(with_worker(batcher, ask)) == 10 * BATCH
    assert "alone" in calls[1]


def test_an_endpoint_that_gives_nothing_is_asked_once():
    calls = []

    def predict(texts):
        calls.append(len(texts))
        raise EndpointError("It does not answer.")

    batcher = Batcher(predict)

    async def ask():
        return await asyncio.gather(*(batcher.scores([f"{i}"]) for i in range(BATCH)), return_exceptions=True)

    assert {type(each) for each in with_worker(batcher, ask)} == {EndpointError}
    assert calls == [BATCH]


def test_large_requests_leave_threads_for_single_texts():
    go_on, batcher = threading.Event(), Batcher(lengths)

    async def ask():
        ranks = [asyncio.create_task(batcher.alone(lambda texts: go_on.wait(20) and texts, ["a"])) for _ in range(60)]
        await asyncio.sleep(0)
        score = await asyncio.wait_for(batcher.scores(["one"]), 20)  # there are 40 threads
        assert not go_on.is_set()
        go_on.set()
        await asyncio.gather(*ranks)
        return score

    assert with_worker(batcher, ask) == [3.0]


def test_a_client_that_goes_away_takes_nobody_with_it(running):
    url, _ = running
    with ThreadPoolExecutor(20) as pool:
        others = [pool.submit(post, f"{url}/predict", {"text": f"other {i}"}) for i in range(10)]
        host, port = url.removeprefix("http://").split(":")
        for _ in range(5):
            with socket.create_connection((host, int(port))) as gone:
                gone.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{")
        assert all(np.isfinite(other.result()["score"]) for other in others)
    assert post(f"{url}/predict", {"text": "after"})["text"] == "after"


def test_what_never_arrives_whole_is_held_within_limits_and_the_service_goes_on(running, monkeypatch):
    url, _ = running
    host, port = url.removeprefix("http://").split(":")
    monkeypatch.setattr(service, "MAX_HELD", 1_000_000)
    monkeypatch.setattr(service, "SECONDS", 1.0)
    head = b"POST /rank HTTP/1.1\r\nHost: localhost\r\nContent-Length: 400000\r\n\r\n"
    clients = [socket.create_connection((host, int(port)), timeout=20) for _ in range(12)]
    for client in clients:
        client.sendall(head + b" " * 300_000)
    answers = []
    assert post(f"{url}/predict", {"text": "meanwhile"})["text"] == "meanwhile"
    for client in clients:
        answers.append(client.recv(1000).split(b" ")[1])
        client.close()
    assert set(answers) == {b"503", b"408"} and answers.count(b"408") <= 3
    monkeypatch.undo()
    assert post(f"{url}/predict", {"text": "after"})["text"] == "after"


def test_the_command_loads_the_model_and_serves_on_this_machine_only(tmp_path, monkeypatch):
    learner = EmbeddingValueLearner("all-MiniLM-L6-v2", cache_dir=tmp_path).fit(["good", "bad"], [1, -1])
    path = learner.save_model(tmp_path / "taste.safetensors")
    asked = {}
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: asked.update(options, app=app))
    done = CliRunner().invoke(cli.app, ["serve", str(path), "--port", "8123"])
    assert done.exit_code == 0, done.output
    assert (asked["host"], asked["port"]) == ("127.0.0.1", 8123)
    with TestClient(asked["app"], HERE) as client:
        assert client.post("/predict", json={"text": "good"}).json()["score"] == pytest.approx(learner.predict("good"))


def test_the_command_says_what_is_missing(tmp_path):
    done = CliRunner().invoke(cli.app, ["serve", str(tmp_path / "none.safetensors")])
    assert "There is no file 'none.safetensors'" in str(done.exception)
