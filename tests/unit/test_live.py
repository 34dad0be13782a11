"""`course demo --live`: a visitor's text among its neighbours, no opinion on what is far, answers to the page alone."""

import errno
import json
import math
import re
import signal
import socket
import threading
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import uvicorn
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from course_utils.app import cli, live, task_maps
from course_utils.app.task_maps import K
from course_utils.data import Task, load_tasks
from course_utils.embedding import load_embedder

HERE = "http://127.0.0.1:8000"
NONSENSE = ("xqzv blorp 77 fnord wibble kzzt", "asdkjh qwe zxcmnb", "for i in range(10): x[i] += 1", "0x3f 0x7a 0xc2")
EVERY = 11  # so many posts that the page has one of
UNTAUGHT = "Count the vowels of the third word"


def make(out, frame, tasks, embedder, **options):
    with pytest.MonkeyPatch.context() as patch:  # exact maps, which take no time
        patch.setattr(task_maps, "project_aligned", partial(task_maps.project_aligned, method="pca"))
        return task_maps.make_page(out, "some posts", frame, tasks, embedder, **options)


@pytest.fixture(scope="module")
def posts():
    return task_maps.labelled_texts("posts")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache folder of these tests' own, for the page's model too."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory, posts, cache):
    """The page of some posts, the first of them long and with blanks in it."""
    frame = posts.iloc[::EVERY].reset_index(drop=True)
    frame.loc[0, "text"] = "It rained for days, \n\n" + "and the river rose. " * 30
    out, tasks = tmp_path_factory.mktemp("made") / "page", load_tasks()
    make(out, frame, [tasks["default"], tasks["topic"]], load_embedder("course-instruct"))
    return out


@pytest.fixture(scope="module")
def page(folder):
    return live.LivePage(folder)


@pytest.fixture(scope="module")
def data(folder):
    return json.loads((folder / "data.json").read_text(encoding="utf-8"))


@pytest.fixture
def client(page):
    with TestClient(live.create_app(page), HERE, raise_server_exceptions=False) as opened:
        script = opened.get("/data.js").text.splitlines()[-1]
        told = json.loads(script.removeprefix("window.LIVE = ").removesuffix(";"))
        opened.headers |= {"Origin": HERE, "X-Course-Token": told["token"]}
        yield opened


def place(client, text, **more):
    answer = client.post("/place", json={"text": text} | more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_text_of_the_page_is_its_own_nearest_and_lies_on_itself(client, data):
    for i in (1, 20, 40):
        point = data["points"][i]
        answer = place(client, f"  {point['text_preview']}\n")
        assert answer["text"] == point["text_preview"] and "between its 10 nearest" in answer["note"]
        for name in ("default", "topic"):
            found = answer["tasks"][name]
            assert found["neighbours"] == [i, *point[f"{name}_neighbours"][: K - 1]]
            assert found["cosine"] == pytest.approx(1, abs=1e-4) and found["note"] == ""
            assert [found["x"], found["y"]] == pytest.approx([point[f"{name}_x"], point[f"{name}_y"]], abs=0.02)


def test_another_text_lies_among_its_neighbours_as_the_model_has_them(client, data, posts):
    text = posts["text"][1]
    answer, embedder = place(client, text), load_embedder("course-instruct", cache=False)
    texts = [" ".join(text.split()) for text in posts["text"].iloc[::EVERY]]
    for task in data["tasks"]:
        words = {"instruction": task["instruction"]} if task["instruction"] else {}
        cosines = (embedder.encode(texts, **words) @ embedder.encode(text, **words))[1:]
        found, near = answer["tasks"][task["name"]], 1 + np.argsort(-cosines)[:K]
        assert found["neighbours"] == near.tolist() and found["cosine"] == pytest.approx(cosines.max(), abs=1e-3)
        places = np.array([[data["points"][i][f"{task['name']}_{axis}"] for axis in "xy"] for i in near])
        assert (places.min(axis=0) <= [found["x"], found["y"]]).all()
        assert (places.max(axis=0) >= [found["x"], found["y"]]).all()


def test_of_nonsense_it_has_no_opinion_and_of_most_other_posts_it_has(client, posts):
    for text in NONSENSE:
        assert place(client, text)["tasks"]["default"]["note"] == live.FAR
    others = posts["text"].iloc[1::40]
    notes = [found["note"] for text in others for found in place(client, text)["tasks"].values()]
    assert 0 <= np.mean([note == live.FAR for note in notes]) < 0.2 and set(notes) <= {"", live.FAR}


def test_what_the_model_does_not_read_is_said(client):
    assert "longer than 256 tokens" in place(client, "The river rose. " * 300)["note"]
    assert "not in English" in place(client, "Der Zug war nicht auf dem Gleis, und ich bin sehr müde")["note"]


def test_an_instruction_of_ones_own_lists_the_nearest_under_it(client, data, posts):
    task, text = data["tasks"][1], posts["text"][1]
    answer = place(client, text, instruction=f" {task['instruction']} ")
    asked, found = answer["asked"], answer["tasks"]["topic"]
    assert asked["instruction"] == task["instruction"] and asked["neighbours"] == found["neighbours"]
    assert asked["cosine"] == pytest.approx(found["cosine"], abs=1e-3)
    assert asked["note"] == "Of long texts only the beginning was read, as the page shows it."
    assert "asked" not in place(client, text, instruction=" ")


def test_an_instruction_that_moves_nothing_is_said_to_move_nothing(client, posts):
    answer = place(client, posts["text"][1], instruction=UNTAUGHT)
    assert "leaves the vectors where they are" in answer["asked"]["note"]
    assert answer["asked"]["neighbours"] == answer["tasks"]["default"]["neighbours"]
    assert place(client, NONSENSE[0], instruction=UNTAUGHT)["asked"]["note"].startswith(live.FAR)


def test_a_model_that_was_not_taught_says_so_and_is_cut_as_the_page_was(tmp_path, posts, cache, caplog):
    frame, tasks = (
        posts.iloc[::20].reset_index(drop=True),
        [Task("default", "", "text"), Task("mood", "Name it", "text")],
    )
    make(tmp_path, frame, tasks, load_embedder(), max_length=8)
    caplog.clear()
    page = live.LivePage(tmp_path)
    answer = page.answer(live.Visitor(text=frame["text"][3], instruction="Name the colour"))
    assert answer["tasks"]["mood"]["neighbours"][0] == 3 and answer["tasks"]["mood"]["cosine"] > 0.9999
    assert "was not taught to follow instructions" in answer["asked"]["note"]
    assert "instructions" not in caplog.text  # said to the visitor, not over and over in the terminal


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "text: Field required"),
        ({"text": ""}, "text: String should have at least 1 character"),
        ({"text": " \n "}, "text: String should have at least 1 character"),
        ({"text": "x" * 5001}, "text: String should have at most 5000 characters"),
        ({"text": "a", "instruction": "x" * 501}, "instruction: String should have at most 500 characters"),
        ({"text": 3}, "text: Input should be a valid string"),
        ({"text": "half \ud83d"}, "text: Input should be a valid string"),
        ({"text": None}, "text: Input should be a valid string"),
        (["a"], ": Input should be a valid dictionary"),
    ],
)
def test_a_bad_request_hears_what_is_wrong_and_gets_nothing_repeated(client, body, words):
    answer = client.post("/place", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == 422 and len(answer.content) < 300
    (found,) = answer.json()["detail"]
    assert f"{found['field']}: {found['message']}".startswith(words)


def test_what_is_no_json_or_too_large_is_refused(client):
    for content, kind in (
        (b"{", "application/json"),
        (b'{"text": "a"}', "text/plain"),
        (b"[" * 90_000, "application/json"),
    ):
        answer = client.post("/place", content=content, headers={"Content-Type": kind})
        assert 400 <= answer.status_code < 500 and answer.json()["detail"]
    assert client.post("/place", content=b" " * (live.MAX_BYTES + 1)).status_code == 413
    longest = json.dumps({"text": "\U0001f600" * 5000, "instruction": "\U0001f600" * 500})
    assert "\\ud83d" in longest and len(longest) < live.MAX_BYTES


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "", "127.0.0.1.evil.example", "10.0.0.1", "0.0.0.0"]
)
def test_who_calls_it_by_a_foreign_name_gets_nothing(host, client):
    for path in ("/", "/data.js", "/data.json"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 400 and "token" not in answer.text and "points" not in answer.text
    answer = client.post("/place", json={"text": "a"}, headers={"Host": host, "Origin": f"http://{host}"})
    assert answer.status_code == 400 and "neighbours" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:9999"},  # another server of this machine
        {"Origin": "https://127.0.0.1:8000"},
        {"Origin": "http://localhost:8000"},  # not the name by which it was called
        {"X-Course-Token": ""},
        {"X-Course-Token": "guessed"},
        {"X-Course-Token": "ü".encode("latin-1")},
    ],
)
def test_who_is_not_the_page_itself_gets_no_answer(headers, client):
    answer = client.post("/place", json={"text": "a"}, headers=headers)
    assert answer.status_code == 403 and "Only the page itself" in answer.json()["detail"]


def test_without_origin_and_token_there_is_no_answer_to_any_method(page):
    with TestClient(live.create_app(page), HERE) as stranger:
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            assert stranger.request(method, "/place", json={"text": "a"}).status_code == 403
        assert "access-control-allow-origin" not in stranger.get("/data.js", headers={"Origin": HERE}).headers


def test_it_serves_the_files_of_the_page_and_no_others(client, folder, data):
    for name in ("index.html", "page.js", "live.js", "style.css", "data.json"):
        answer = client.get(f"/{name}")
        assert answer.content == (folder / name).read_bytes()
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"  # no page of others may load it
        assert answer.headers["x-frame-options"] == "DENY" and answer.headers["cache-control"] == "no-store"
    assert client.get("/").content == client.get("/index.html").content
    assert client.get("/live.js").headers["content-type"].startswith("text/javascript")
    script = client.get("/data.js").text
    assert script.startswith((folder / "data.js").read_text(encoding="utf-8")) and script.count("window.LIVE") == 1
    names = ("vectors.safetensors", ".course_page", "../page/data.json", "..%2fpage%2fdata.json", "%2e%2e/data.json")
    for name in (*names, "/etc/passwd", "..\\data.json", "docs", "openapi.json", "data.json/", "\x00", "place", "C:/x"):
        answer = client.get(f"http://127.0.0.1:8000/{name}".replace("\x00", "%00"))
        assert answer.status_code in (404, 405), name


def test_each_server_has_a_token_of_its_own(page):
    tokens = {TestClient(live.create_app(page), HERE).get("/data.js").text[-80:] for _ in range(3)}
    assert len(tokens) == 3


def test_while_the_model_is_at_work_others_hear_so_in_words(client, page, monkeypatch):
    monkeypatch.setattr(live, "PATIENCE", 0.05)
    with page.lock:
        answer = client.post("/place", json={"text": "a", "instruction": "Name it"})
    assert answer.status_code == 503 and "at work" in answer.json()["detail"]
    place(client, "a")


def test_the_model_reads_for_one_visitor_at_a_time(client, page, monkeypatch):
    at_once, most, encode = [], [], page.private.encode

    def counting(*arguments, **options):
        at_once.append(1)
        most.append(len(at_once))
        try:
            return encode(*arguments, **options)
        finally:
            at_once.pop()

    monkeypatch.setattr(page.private, "encode", counting)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(place(client, "A walk"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert max(most) == 1 and len(answers) == 4 and all(answer == answers[0] for answer in answers)


def test_an_instruction_that_takes_too_long_goes_on_when_it_is_sent_again(client, page, monkeypatch):
    words, done = {"instruction": "Name the feeling that the writer wants to share"}, []
    monkeypatch.setattr(live, "CHUNK", 8)
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: 40.0 * page.embedder.model.calls))
    monkeypatch.setattr(page.embedder, "model", Counted(page.embedder.model))
    for _ in range(20):
        answer = client.post("/place", json={"text": "A walk"} | words)
        if answer.status_code == 200:
            break
        assert answer.status_code == 503 and "Send it again, and it goes on from there." in answer.json()["detail"]
        done.append(int(re.search(r"In 60 seconds (\d+) of the 44 texts", answer.json()["detail"]).group(1)))
    assert answer.json()["asked"]["neighbours"] and len(done) >= 2 and done == sorted(set(done))
    assert not page.lock.locked()


class Counted:
    """A model of sentence-transformers that counts how often it is called."""

    def __init__(self, model):
        self.own, self.calls = model, 0

    def __getattr__(self, name):
        return getattr(self.own, name)

    def encode(self, *arguments, **options):
        self.calls += 1
        return self.own.encode(*arguments, **options)


def test_a_fault_inside_is_told_to_nobody_and_the_server_goes_on(client, page, monkeypatch):
    def fails(*arguments, **options):
        raise RuntimeError("/home/somebody/secret is broken")

    monkeypatch.setattr(page.private, "encode", fails)
    answer = client.post("/place", json={"text": "a"})
    assert answer.status_code == 500 and "secret" not in answer.text
    monkeypatch.undo()
    place(client, "a")


def test_nothing_of_a_visitor_is_kept(client, page, cache, folder, tmp_path):
    secret = "My neighbour Petronella hides the key under the third flowerpot"
    before, kept = len(page.embedder.cache), {path: path.read_bytes() for path in folder.iterdir()}
    place(client, secret)
    assert len(page.embedder.cache) == before
    place(client, secret, instruction="Is somebody's secret told?")
    assert {path: path.read_bytes() for path in folder.iterdir()} == kept
    files = [path for path in cache.rglob("*") if path.is_file()]
    assert files and not any(word in path.read_bytes() for path in files for word in (b"Petronella", b"secret is told"))


# --- the command ---


@pytest.fixture
def started(monkeypatch):
    """What the command would serve, and which pages it opened."""
    seen = {"opened": []}

    def run(self, sockets):
        seen.update(app=self.config.app, address=sockets[0].getsockname(), server=self)

    monkeypatch.setattr(uvicorn.Server, "run", run)
    opened = threading.Event()
    monkeypatch.setattr(live.webbrowser, "open", lambda url: (seen["opened"].append(url), opened.set()))
    seen["wait"] = opened.wait
    return seen


def demo(*words):
    return CliRunner().invoke(cli.app, ["demo", "--live", *map(str, words)])


def test_a_page_that_is_there_is_served_on_this_machine_as_it_is(folder, started, monkeypatch):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(cli, "make_demo", lambda out: pytest.fail("there is a page"))
    done = demo("--out", folder)
    assert done.exit_code == 0, done.output
    host, port = started["address"]
    assert host == "127.0.0.1" and f"The page is http://127.0.0.1:{port}/ on this machine, until Ctrl-C." in done.output
    assert started["wait"](10) and started["opened"] == [f"http://127.0.0.1:{port}/"]
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert "some posts" in TestClient(started["app"], f"http://127.0.0.1:{port}").get("/data.json").text


def test_without_a_browser_none_is_opened_and_without_a_page_one_is_made(folder, started, monkeypatch, tmp_path):
    made = []

    def copy_page(out):
        made.append(out)
        out.mkdir()
        for path in folder.iterdir():
            (out / path.name).write_bytes(path.read_bytes())

    monkeypatch.setattr(cli, "make_demo", copy_page)
    assert demo("--out", tmp_path / "new", "--no-browser").exit_code == 0
    assert made == [tmp_path / "new"] and not started["wait"](0.2)


def test_ctrl_c_ends_what_is_being_read_as_well(folder, page, started, monkeypatch):
    monkeypatch.setattr(live, "LivePage", lambda out: page)
    demo("--out", folder, "--no-browser")
    page.deadline = math.inf
    assert len(page.read(page.options(""))) == 44
    started["server"].handle_exit(signal.SIGINT, None)
    with pytest.raises(live.HTTPException):
        page.read(page.options(""))
    assert started["server"].should_exit


@pytest.mark.parametrize("stale", ["page.js", "vectors.safetensors", "model"])
def test_a_page_that_no_longer_fits_is_made_anew_only_where_it_is_the_courses_own(
    stale, folder, started, monkeypatch, tmp_path
):
    out = tmp_path / "page"
    out.mkdir()
    for path in folder.iterdir():
        (out / path.name).write_bytes(path.read_bytes())
    if stale == "page.js":
        (out / stale).unlink()
    elif stale == "model":
        monkeypatch.setattr(live, "load_embedder", lambda name, **options: load_embedder("all-MiniLM-L6-v2"))
    else:
        (out / stale).unlink()
    said = str(demo("--out", out).exception)
    assert "Make it again" in said or "There is no file 'vectors.safetensors'" in said
    monkeypatch.setattr(cli, "DEMO", out)
    made = []
    monkeypatch.setattr(cli, "make_demo", lambda out: made.append(out))
    demo("--out", out)
    assert made == [out]


def test_texts_of_visitors_go_to_no_endpoint(folder, monkeypatch):
    class Elsewhere(live.RemoteEmbedder):
        def __init__(self, like):
            self.__dict__.update(like.__dict__)

    monkeypatch.setattr(live, "load_embedder", lambda name, **options: Elsewhere(load_embedder("course-instruct")))
    with pytest.raises(ValueError, match="than is on this machine"):
        live.LivePage(folder)


def test_a_taken_port_is_said_in_one_line(folder, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = demo("--out", folder, "--port", port)
    assert str(done.exception) == f"Port {port} is taken, or not yours to take. Without --port it is a free one."
    assert demo("--port", 70_000).exit_code == 2
    assert "--port goes with --live" in str(CliRunner().invoke(cli.app, ["demo", "--port", "8000"]).exception)
    foreign = tmp_path / "mine"
    foreign.mkdir()
    (foreign / "data.json").write_text("{}", encoding="utf-8")
    assert "not made by this command" in str(demo("--out", foreign).exception)


def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path, monkeypatch, capsys):
    def refuse(out):
        raise PermissionError(errno.EACCES, "Permission denied", str(out))

    monkeypatch.setattr(cli, "make_demo", refuse)
    monkeypatch.setattr("sys.argv", ["course", "demo", "--live", "--out", str(tmp_path / "locked")])
    with pytest.raises(SystemExit):
        cli.main()
    assert "locked cannot be written (Permission denied)" in capsys.readouterr().err
