"""The page of maps with a box for a visitor's text: `course demo --live` and a real Chromium, and what other pages get.

Pictures of what was seen are kept in `test-artefacts/`.
"""

import functools
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from playwright.sync_api import expect

from course_utils.app import task_maps
from course_utils.data import load_tasks
from course_utils.embedding import load_embedder

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "test-artefacts"
EVIL = "<img src=x onerror=\"window.hurt = 1\"> </script><script>window.hurt = 2</script> & 'quoted' \u2028 {{text}}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A page of some posts under two questions, and one text that would like to be a script."""
    frame = task_maps.labelled_texts("posts").iloc[::11].reset_index(drop=True)
    frame.loc[7, "text"], tasks = EVIL, load_tasks()
    out = tmp_path_factory.mktemp("site") / "Käthes Karten"
    with pytest.MonkeyPatch.context() as patch:  # exact maps, which take no time
        patch.setattr(task_maps, "project_aligned", functools.partial(task_maps.project_aligned, method="pca"))
        task_maps.make_page(out, "posts", frame, [tasks["default"], tasks["topic"]], load_embedder("course-instruct"))
    return out


@pytest.fixture(scope="module")
def served(folder):
    """Address of the page as the command serves it; at the end the command ends well when it is interrupted."""
    command = [sys.executable, "-m", "course_utils.app.cli", "demo", "--live", "--no-browser", "--out", str(folder)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    server = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONIOENCODING": "utf-8"}, **pipes)
    try:
        line = server.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert found, line + server.stderr.read()
        yield found.group()
        if sys.platform != "win32":  # where Ctrl-C goes to all of a console, this test too
            server.send_signal(signal.SIGINT)
            _, errors = server.communicate(timeout=60)
            assert server.returncode == 0 and "Traceback" not in errors, errors
    finally:
        server.kill()


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A folder on a plain web server on another port of this machine, and its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    root = tmp_path_factory.mktemp("elsewhere")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=root))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield root, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def open_page(browser):
    """A function that opens a page, and what was told in its console and asked of the network."""
    told, asked = [], []

    def open_it(url, **options):
        page = browser.new_context(**{"viewport": {"width": 1400, "height": 1000}} | options).new_page()
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda asking: asked.append((asking.method, asking.url)))
        page.goto(url)
        return page

    open_it.told, open_it.asked = told, asked
    return open_it


def send(page, text, instruction=""):
    """Type into the box, send it with the keyboard, and wait for the answer; return the line that says how it went."""
    page.get_by_label("A text of your own").fill(text)
    page.get_by_label("An instruction of your own").fill(instruction)
    page.get_by_label("A text of your own").press("Control+Enter")
    said = page.locator("#live-status")
    expect(said).not_to_have_text(re.compile("…$|^$"), timeout=60_000)
    return said.inner_text()


def shown(page, selector):
    return [" ".join(text.split()) for text in page.locator(selector).all_inner_texts()]


def texts(data, indices):
    return [" ".join(data["points"][i]["text_preview"].split()) for i in indices]


def test_a_hostile_text_lands_among_its_neighbours_and_stays_a_text(served, open_page, data):
    page = open_page(served)
    PICTURES.mkdir(exist_ok=True)
    assert send(page, EVIL).startswith("Your text is on the map")
    near = [data["points"][7]["default_neighbours"], data["points"][7]["topic_neighbours"]]
    columns = page.locator("#columns > section")
    expect(columns).to_have_count(2)
    for number in (0, 1):
        listed = [" ".join(text.split()) for text in columns.nth(number).locator("li .clamp").all_inner_texts()]
        assert listed == texts(data, [7, *near[number][:9]])
    assert "onerror" in page.locator("#pinned-text").inner_text()
    assert page.evaluate("window.hurt") is None and page.locator("img, main script").count() == 0
    page.screenshot(path=PICTURES / "live.png", full_page=True)
    page.get_by_role("button", name="Take it away").click()
    expect(page.locator("#columns > section")).to_have_count(0)
    assert page.locator("#live-status").inner_text() == "It is gone."
    assert open_page.told == [] and {method for method, _ in open_page.asked} == {"GET", "POST"}
    assert all(url.startswith((served, "data:")) for _, url in open_page.asked)


def test_an_instruction_lists_its_own_neighbours_and_nonsense_has_no_opinion(served, open_page, data):
    page = open_page(served)
    assert "no opinion" not in send(page, data["points"][3]["text_preview"], data["tasks"][1]["instruction"])
    assert shown(page, "#live-asked li") == texts(data, [3, *data["points"][3]["topic_neighbours"][:9]])
    assert "There is no map of your instruction." in page.locator("#live-asked").inner_text()
    said = send(page, "xqzv blorp 77 fnord wibble kzzt", "<i>Count</i> the vowels")
    assert "no opinion" in said and page.locator("#tasks button").first.inner_text() in said
    assert "leaves the vectors where they are" in page.locator("#live-asked").inner_text()
    assert "<i>Count</i>" in page.locator("#live-asked h3").inner_text() and page.locator("#live i").count() == 0
    send(page, "A walk")
    assert shown(page, "#live-asked li") == []
    assert open_page.told == []


def test_with_a_thumb_on_a_phone(served, open_page, data):
    page = open_page(served, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.get_by_label("A text of your own").fill(data["points"][3]["text_preview"])
    page.get_by_role("button", name="Show where it lies").tap()
    expect(page.locator("#columns > section")).to_have_count(2, timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#live").screenshot(path=PICTURES / "live-phone.png")
    box = page.get_by_label("A text of your own")
    assert box.bounding_box()["width"] > 250
    names = page.locator("#live :is(textarea, input, button)").evaluate_all(
        "all => all.filter(e => !(e.labels?.[0]?.textContent || e.textContent).trim())"
    )
    assert names == []


def answering(status, body):
    return lambda route: route.fulfill(status=status, body=body)


def test_errors_are_said_in_words(served, open_page):
    page = open_page(served)
    for status, detail, words in (
        (503, "The model is at work.", "The model is at work."),
        (422, [{"field": "text", "message": "<b>too long</b>"}], "text: <b>too long</b>."),
        (500, None, "The server does not answer."),
    ):
        body = json.dumps({"detail": detail}) if detail else "<html>"
        page.route("**/place", answering(status, body))
        assert send(page, f"A walk {status}").startswith(words)
        page.unroute("**/place")
    page.route("**/place", lambda route: route.abort())
    assert send(page, "A walk").startswith("The server does not answer. Does `course demo --live` still run?")
    page.unroute("**/place")
    assert send(page, "A walk").startswith("Your text is on the map") and page.locator("#live b").count() == 0


@pytest.mark.parametrize("way", ["file", "http"])
def test_without_the_server_there_is_no_box_and_nothing_is_asked(way, folder, elsewhere, open_page):
    root, address = elsewhere
    for name in task_maps.FILES:
        (root / name).write_bytes((folder / name).read_bytes())
    base = f"{folder.as_uri()}/" if way == "file" else address
    page = open_page(base + "index.html")
    expect(page.locator("#tasks button")).to_have_count(2)
    assert page.locator("#live").is_hidden() and page.locator("#live *").count() == 0
    assert page.locator("textarea").count() == 0 and open_page.told == []
    files = {url for _, url in open_page.asked if not url.startswith("data:")}
    assert files <= {base + name for name in task_maps.FILES} and base + "live.js" in files


def test_a_page_of_others_gets_neither_the_data_nor_an_answer(served, elsewhere, open_page):
    root, address = elsewhere
    (root / "thief.html").write_text(
        f"""<!doctype html><title>-</title><script src="{served}data.js"></script><iframe src="{served}"></iframe>""",
        encoding="utf-8",
    )
    page = open_page(address + "thief.html")
    assert page.evaluate("[typeof window.DATA, typeof window.LIVE]") == ["undefined", "undefined"]
    assert page.frames[1].locator("#tasks").count() == 0
    steal = """async url => {
        const body = '{"text": "a"}', tries = [{}, {method: "POST", body}, {method: "POST", body, mode: "no-cors"},
            {method: "POST", body, headers: {"Content-Type": "application/json", "X-Course-Token": "guess"}}];
        return Promise.all(tries.map(options => fetch(url, options).then(a => a.text(), () => "refused")));
    }"""
    for path in ("place", "data.json"):
        assert set(page.evaluate(steal, served + path)) <= {"refused", ""}
