"""The web page of maps in a real Chromium, from a folder and from a web server: every button, and nothing from outside.

Pictures of what was seen are kept in `test-artefacts/`.
"""

import functools
import http.server
import json
import re
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from course_utils.app import task_maps
from course_utils.data import Task
from course_utils.measuring import normalize

PICTURES = Path(__file__).resolve().parents[2] / "test-artefacts"
EVIL = "<img src=x onerror=\"window.hurt = 1\"> </script><script>window.hurt = 2</script> & 'quoted' \u2028 {{text}}"
ASKED = {"default": "", "colour": "Name the <b>colour</b>", "shape": "Name it"}
TASKS = [Task(name, words, "text") for name, words in ASKED.items()]
COLOURS, SHAPES = ("red", "green", "<i>blue</i>"), ("round", "square")


def made_up(n: int) -> dict:
    """Texts with two known factors, one of which rules each of the two spaces with an instruction."""
    random = np.random.default_rng(0)
    colour, shape = random.integers(3, size=n), random.integers(2, size=n)
    noise = [random.normal(size=(n, 8)) for _ in TASKS]
    spaces = {
        "default": noise[0],
        "colour": 0.5 * noise[1] + 6 * np.eye(8)[colour],
        "shape": 0.5 * noise[2] + 6 * np.eye(8)[shape + 3],
    }
    texts = [f"Text {i} is {COLOURS[c]} and {SHAPES[s]}." for i, (c, s) in enumerate(zip(colour, shape, strict=True))]
    texts[7] = EVIL
    labels = {"colour": np.array(COLOURS)[colour], "shape": np.array(SHAPES)[shape]}
    frame = pd.DataFrame({"text": texts} | labels)
    about = {"corpus": "made up", "model": "somebody/<b>model</b>", "taught": False}
    return task_maps.describe({name: normalize(space) for name, space in spaces.items()}, frame, TASKS, about)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The page, in a folder whose name not all software likes."""
    out = tmp_path_factory.mktemp("site") / "Käthes Karten #1"
    out.mkdir()
    task_maps.write_page(made_up(90), out)
    return out


@pytest.fixture(scope="module")
def data(folder):
    return json.loads((folder / "data.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def served(folder):
    """Address of the same folder on a plain web server."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["file", "http"])
def open_page(request, browser, folder, served):
    """A function that opens the page; at the end nothing may have been wrong, or asked for from outside."""
    url = (folder / "index.html").as_uri() if request.param == "file" else served
    told, asked = [], []

    def open_it(**options):
        page = browser.new_context(**{"viewport": {"width": 1400, "height": 1000}} | options).new_page()
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda asking: asked.append(asking.url))
        page.on("requestfailed", lambda asking: told.append(f"failed: {asking.url}"))
        page.goto(url)
        page.wait_for_function("window.placeOf")
        return page

    yield open_it
    assert told == []
    base = url.rsplit("/", 1)[0] + "/"
    inside = [asked_for for asked_for in asked if asked_for.startswith(base)]
    assert len(inside) >= 4 and set(asked) - set(inside) <= {u for u in asked if u.startswith("data:")}


def place(page, i):
    return page.evaluate("i => placeOf(i)", i)


def hover(page, i):
    page.mouse.move(5, 5)
    page.mouse.move(*place(page, i), steps=3)


def alone(data, task, among=range(90)):
    """A text with no other near it on the map, so that the mouse means it."""
    at = np.array([[point[f"{task}_x"], point[f"{task}_y"]] for point in data["points"]])
    apart = np.linalg.norm(at[:, None] - at, axis=2) + 1e9 * np.eye(len(at))
    return max(among, key=lambda i: apart[i].min())


def after_the_glide(page):
    page.wait_for_timeout(1300)


def test_every_button_moves_the_points_and_says_what_it_asks(open_page, data):
    page = open_page()
    PICTURES.mkdir(exist_ok=True)
    buttons = page.locator("#tasks button")
    assert buttons.all_inner_texts() == [task["name"] for task in data["tasks"]]
    seen = [place(page, 3)]
    for number, task in enumerate(data["tasks"]):
        buttons.nth(number).click()
        if number:  # it glides: there is a place on the way
            page.wait_for_timeout(400)
            on_the_way = place(page, 3)
        after_the_glide(page)
        seen.append(place(page, 3))
        assert page.locator("#tasks [aria-pressed=true]").all_inner_texts() == [task["name"]]
        shown = page.locator("#instructions .now").inner_text()
        assert shown == (f"“{task['instruction']}”" if number else "Nothing: the text alone is read.")
        assert page.locator("#control").is_visible() == bool(number)
        assert page.locator("#effects .now li").all_inner_texts() == task["effect"]
        kept = round(100 * task["measures"]["map"]["knn_overlap"])
        assert f"keeps {kept}\u00a0% of the 10 nearest" in page.locator("#effects .now .note").inner_text()
        assert ("It is aligned" in page.locator("#effects .now .note").inner_text()) == bool(number)
        shares = [task["measures"][f"same_{label}"]["estimate"] for label in data["labels"]]
        assert page.locator("#bars .value").all_inner_texts() == [f"{round(100 * share)}\u00a0%" for share in shares]
        page.screenshot(path=PICTURES / f"page-{task['name']}.png")
        if number:
            assert np.linalg.norm(np.subtract(seen[-1], seen[-2])) > 3
            assert on_the_way not in (seen[-1], seen[-2])
    buttons.nth(0).click()
    after_the_glide(page)
    assert place(page, 3) == pytest.approx(seen[0], abs=0.5)


def test_hovering_reads_a_text_out_as_text(open_page, data):
    page = open_page()
    for i in (alone(data, "default"), 7):
        tip = page.locator("#tooltip")
        if i == 7:  # where others lie on top, the search leaves it alone
            page.fill("#search", "onerror")
        hover(page, i)
        assert tip.is_visible()
        assert tip.locator("span").inner_text() == data["points"][i]["text_preview"]
        assert tip.locator("b").inner_text() == ", ".join(data["points"][i]["labels"])
    page.mouse.move(5, 5)
    assert not tip.is_visible()
    page.mouse.click(*place(page, 7))
    assert page.locator("#pinned-text").inner_text().startswith("<img src=x onerror=")
    assert page.evaluate("window.hurt") is None and page.locator("img").count() == 0
    assert page.locator("main i, main b b, main script").count() == 2  # the key of the bars


def test_a_click_pins_and_shows_neighbours_under_each_instruction(open_page, data):
    page = open_page()
    i = alone(data, "default")
    page.mouse.click(*place(page, i))
    assert page.locator("#pinned-text").inner_text() == data["points"][i]["text_preview"]
    chips = [f"{label}: {value}" for label, value in zip(data["labels"], data["points"][i]["labels"], strict=True)]
    assert page.locator("#pinned-labels .chip").all_inner_texts() == chips
    columns = page.locator("#columns > section")
    assert columns.count() == 3
    for number, task in enumerate(data["tasks"]):
        column, near = columns.nth(number), data["points"][i][f"{task['name']}_neighbours"]
        texts = [" ".join(text.split()) for text in column.locator("li .clamp").all_inner_texts()]
        assert texts == [" ".join(data["points"][j]["text_preview"].split()) for j in near]
        others = set(near) - set(data["points"][i]["default_neighbours"])
        assert column.locator(".new").count() == len(others) if number else column.locator(".new").count() == 0
        same = sum(data["points"][j]["labels"][0] == data["points"][i]["labels"][0] for j in near)
        assert f"same colour {same} of 10" in column.locator(".tally").inner_text()
    page.locator("#tasks button").nth(1).click()
    assert "now" in columns.nth(1).get_attribute("class")
    columns.nth(1).locator("li button").first.click()
    neighbour = data["points"][i]["colour_neighbours"][0]
    assert page.locator("#pinned-text").inner_text() == data["points"][neighbour]["text_preview"]
    page.click("#unpin")
    assert columns.count() == 0 and page.locator("#pinned-empty").is_visible()


def test_filter_search_and_colours(open_page, data):
    page = open_page()
    i = alone(data, "default")
    names = page.locator("#filter label span:nth-of-type(1)").all_inner_texts()
    assert sorted(names) == sorted(COLOURS)
    mine = page.locator("#filter label", has_text=data["points"][i]["category"])
    mine.locator("input").uncheck()
    others = [point for point in data["points"] if point["category"] != data["points"][i]["category"]]
    assert page.locator("#found").inner_text() == f"{len(others)} of 90 texts are shown."
    hover(page, i)
    assert not page.locator("#tooltip").is_visible()
    page.click("#none")
    assert page.locator("#found").inner_text() == "0 of 90 texts are shown."
    page.click("#all")
    hover(page, i)
    assert page.locator("#tooltip").is_visible()
    page.fill("#search", "TEXT 1")
    matching = [point for point in data["points"] if "text 1" in point["text_preview"].lower()]
    assert page.locator("#found").inner_text() == f"{len(matching)} of 90 texts hold these letters."
    listed = page.locator("#results button")
    assert listed.count() == len(matching)
    listed.first.click()
    assert page.locator("#pinned-text").inner_text() == matching[0]["text_preview"]
    page.fill("#search", "")
    page.select_option("#colour", label="shape")
    assert sorted(page.locator("#filter label span:nth-of-type(1)").all_inner_texts()) == sorted(SHAPES)


def test_with_the_keyboard_alone(open_page, data):
    page = open_page()
    page.focus("#canvas")
    page.keyboard.press("ArrowRight")
    first = page.locator("#spoken").inner_text()
    said = [f"{', '.join(point['labels'])}: {point['text_preview']}" for point in data["points"]]
    assert first in said
    page.keyboard.press("ArrowRight")
    assert page.locator("#spoken").inner_text() in set(said) - {first}
    current = said.index(page.locator("#spoken").inner_text())
    page.keyboard.press("Enter")
    assert page.locator("#pinned-text").inner_text() == data["points"][current]["text_preview"]
    assert "Pinned" in page.locator("#spoken").inner_text()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    assert not page.locator("#pinned-text").is_visible()
    before = place(page, 3)
    page.keyboard.press("+")
    assert place(page, 3) != before
    page.click("#zoom-reset")
    assert place(page, 3) == pytest.approx(before, abs=0.5)
    page.locator("#tasks button").nth(2).focus()
    page.keyboard.press("Enter")
    assert page.locator("#spoken").inner_text() == "shape. Name it"
    names = page.evaluate(
        "() => [...document.querySelectorAll('button, input, select, canvas[tabindex]')].map(e =>"
        " e.ariaLabel || e.textContent.trim() || e.labels?.[0]?.textContent.trim() || '')"
    )
    assert all(names)


def contrast(page, selector):
    """Contrast of a text and the ground under it, by the formula of WCAG 2."""
    return page.evaluate(
        """selector => {
            const light = colour => {
                const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
                    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
                return .2126 * r + .7152 * g + .0722 * b;
            };
            const element = document.querySelector(selector), ink = light(getComputedStyle(element).color);
            let at = element;
            while (getComputedStyle(at).backgroundColor === "rgba(0, 0, 0, 0)") at = at.parentElement;
            const ground = light(getComputedStyle(at).backgroundColor);
            return (Math.max(ink, ground) + .05) / (Math.min(ink, ground) + .05);
        }""",
        selector,
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_by_day_and_by_night(open_page, data, scheme):
    page = open_page(viewport={"width": 360, "height": 740}, color_scheme=scheme, has_touch=True, device_scale_factor=2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator("#tasks button").nth(1).tap()
    after_the_glide(page)
    page.locator("#canvas").scroll_into_view_if_needed()
    i = alone(data, "colour")
    page.touchscreen.tap(*place(page, i))
    assert page.locator("#tooltip").is_visible()
    assert page.locator("#pinned-text").inner_text() == data["points"][i]["text_preview"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    said = ("#about", "#instructions .now", "#effects .now li", "#effects .now .note")
    for selector in (*said, "#tasks [aria-pressed=true]", ".tally", ".new"):
        assert contrast(page, selector) >= 4.5, selector
    sizes = page.evaluate("[...document.querySelectorAll('#tasks button, .zoom button')].map(e => e.offsetHeight)")
    assert min(sizes) >= 40
    page.screenshot(path=PICTURES / f"page-phone-{scheme}.png", full_page=True)


def test_who_asks_for_less_motion_gets_none(open_page, data):
    page = open_page(reduced_motion="reduce")
    page.locator("#tasks button").nth(1).click()
    at_once = place(page, 3)
    after_the_glide(page)
    assert place(page, 3) == at_once


def test_the_files_hold_no_address_and_no_open_end(folder):
    script = (folder / "data.js").read_text(encoding="utf-8")
    assert "<" not in script and "\u2028" not in script
    page = "".join((folder / name).read_text(encoding="utf-8") for name in ("index.html", "style.css", "page.js"))
    assert re.findall(r"(?:https?:)?//[\w.]+\w", page.replace("http://www.w3.org/2000/svg", "")) == []
    assert "innerHTML" not in page and "insertAdjacentHTML" not in page and "eval" not in page
