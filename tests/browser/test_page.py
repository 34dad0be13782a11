"""The web page of maps in a real Chromium: every button, and nothing from outside.

It is opened from a folder, from a web server, and as one text in a sandboxed frame, as a notebook shows it.

Pictures of what was seen are kept in `test-artefacts/`.
"""

import functools
import http.server
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
CONTROL = Task(task_maps.CONTROL, "Say </script> it in French", "text")
HEAD = '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
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
    texts[7], texts[8] = EVIL, "endless" * 60
    labels = {"colour": np.array(COLOURS)[colour], "shape": np.array(SHAPES)[shape]}
    frame = pd.DataFrame({"text": texts} | labels)
    about = {"corpus": "made up", "model": "somebody/<b>model</b>", "taught": False}
    spaces = {name: normalize(space) for name, space in spaces.items()}
    spaces[CONTROL.name] = spaces["default"]
    return task_maps.describe(spaces, frame, TASKS, about, control=CONTROL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The page, in a folder whose name not all software likes."""
    out = tmp_path_factory.mktemp("site") / "Käthes Karten #1"
    out.mkdir()
    task_maps.write_page(made_up(90), out)
    return out


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


class InFrame:
    """A page in a frame that fills the window: places and keys are those of the window, all else is inside."""

    def __init__(self, page):
        self.page, self.inside = page, page.frames[1]

    def __getattr__(self, name):
        of_the_window = name in ("mouse", "keyboard", "touchscreen", "screenshot")
        return getattr(self.page if of_the_window else self.inside, name)


@pytest.fixture(params=["file", "http", "frame"])
def open_page(request, browser, folder, served, tmp_path):
    """A function that opens the page; at the end nothing may have been wrong, or asked for from outside."""
    url = served if request.param == "http" else (folder / "index.html").as_uri()
    told, asked = [], []

    def open_it(after="", **options):
        options = {"viewport": {"width": 1400, "height": 1000}} | options
        page = browser.new_context(**options).new_page()
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda asking: asked.append(asking.url))
        page.on("requestfailed", lambda asking: told.append(f"failed: {asking.url}"))
        if request.param == "frame":
            around = tmp_path / "notebook.html"
            shown = task_maps.frame(folder, options["viewport"]["height"]).data
            around.write_text(f'{HEAD}<body style="margin: 0">{shown}', encoding="utf-8")
            page.goto(around.as_uri())
            page = InFrame(page)
        else:
            page.goto(url + after)
        page.wait_for_function("window.placeOf")
        return page

    open_it.kind = request.param
    yield open_it
    assert told == []
    if request.param == "frame":
        assert {address.rpartition("/")[2] for address in asked if not address.startswith("data:")} == {"notebook.html"}
        return
    base = url.rsplit("/", 1)[0] + "/"
    inside = [asked_for for asked_for in asked if asked_for.startswith(base)]
    assert len(inside) >= 5 and set(asked) - set(inside) <= {u for u in asked if u.startswith("data:")}


def opened(*kinds, sizes=None):
    """Open the page in these ways only, perhaps each in a window of another size."""
    if sizes is None:
        return pytest.mark.parametrize("open_page", kinds, indirect=True)
    cases = [(kind, *size) for kind, size in zip(kinds, sizes, strict=True)]
    return pytest.mark.parametrize(("open_page", "width", "height"), cases, indirect=["open_page"])


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
    names = ["no question asked", "colour", "shape"]
    assert buttons.all_inner_texts() == names
    seen = [place(page, 3)]
    for number, task in enumerate(data["tasks"]):
        buttons.nth(number).click()
        if number:  # it glides: there is a place on the way
            page.wait_for_timeout(400)
            on_the_way = place(page, 3)
        after_the_glide(page)
        seen.append(place(page, 3))
        assert page.locator("#tasks [aria-pressed=true]").all_inner_texts() == [names[number]]
        shown = page.locator("#instructions .now").inner_text()
        assert shown == (f"“{task['instruction']}”" if number else "Nothing is asked: the text alone is read.")
        assert page.locator("#control").is_visible() == bool(number)
        assert page.locator("#effects .now li").all_inner_texts() == task["effect"]
        kept = round(100 * task["measures"]["map"]["knn_overlap"])
        assert f"this one shows {kept}\u00a0% close by" in page.locator("#effects .now .note").inner_text()
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
    assert legend(page) == sorted(COLOURS)
    mine = page.locator("#filter .now label", has_text=data["points"][i]["category"])
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
    assert legend(page) == sorted(SHAPES)


def legend(page):
    return sorted(page.locator("#filter .now label span:nth-of-type(1)").all_inner_texts())


@opened("frame")
def test_the_colours_follow_the_question_until_they_are_fixed(open_page):
    page = open_page()
    for number, wanted in ((2, SHAPES), (1, COLOURS), (0, COLOURS)):
        page.locator("#tasks button").nth(number).click()
        assert legend(page) == sorted(wanted)
        assert page.locator("#colour option:checked").inner_text() == "question"
    page.locator("#filter .now input").first.uncheck()
    page.select_option("#colour", label="shape")
    page.locator("#tasks button").nth(1).click()
    assert legend(page) == sorted(SHAPES) and page.locator("#filter .now input:checked").count() == 2
    page.select_option("#colour", label="question")
    assert legend(page) == sorted(COLOURS) and page.locator("#filter .now input:checked").count() == 2


@opened("file", "http", "frame", sizes=[(1400, 900), (390, 844), (900, 720)])
def test_the_map_is_whole_on_the_first_screen(open_page, width, height):
    page = open_page(viewport={"width": width, "height": height})
    box = page.evaluate(
        "(({top, bottom, left, right, height}) => ({top, bottom, left, right, height}))(canvas.getBoundingClientRect())"
    )
    assert box["top"] < 300 and box["bottom"] <= height and box["height"] >= 230
    assert box["left"] >= 0 and box["right"] <= width
    on_it = [place(page, i) for i in range(90)]
    assert all(box["left"] <= x <= box["right"] and box["top"] <= y <= box["bottom"] for x, y in on_it)
    page.screenshot(path=PICTURES / f"page-{width}.png")


@opened("file", "frame", sizes=[(320, 700), (390, 844)])
def test_nothing_is_cut_off_on_a_narrow_screen(open_page, width, height):
    page = open_page(viewport={"width": width, "height": height}, has_touch=True, is_mobile=True)
    page.evaluate("i => PAGE.showVisitor({text: 'mine '.repeat(80), note: 'n'.repeat(200), tasks: {}})")
    page.locator("summary").tap()
    for number in range(3):
        page.locator("#tasks button").nth(number).tap()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = page.evaluate(
        "[...document.querySelectorAll('button, select, p, li, h2, h3, label, td, th')].filter(e => e.offsetWidth > 1"
        " && !e.closest('.columns, .spoken') && e.getBoundingClientRect().right > innerWidth).map(e => e.outerHTML)"
    )
    assert outside == []
    words = page.evaluate("document.body.innerText")
    assert "Tap" in words and "Click" not in words and "keys" not in words


@opened("frame")
def test_the_texts_that_moved_most_are_listed_beside_an_unrelated_question(open_page, data):
    page = open_page()
    assert page.locator("#mover-list button").count() == 0
    page.locator("#tasks button").nth(1).click()
    movers, change = data["tasks"][1]["movers"], data["tasks"][1]["measures"]["new_neighbours"]["estimate"]
    said = page.locator("#moved").inner_text()
    assert f"{10 * change:.1f} of 10 new neighbours on average; an unrelated one (“{CONTROL.instruction}”) 0.0." in said
    shown = page.locator("#mover-list button")
    texts = [data["points"][mover["point"]]["text_preview"] for mover in movers]
    assert [" ".join(text.split()) for text in shown.locator(".clamp").all_inner_texts()] == [
        " ".join(text.split()) for text in texts
    ]
    assert shown.locator(".new").all_inner_texts() == [f"{round(10 * mover['new'])} of 10 new" for mover in movers]
    shown.nth(2).click()
    assert page.locator("#pinned-text").inner_text() == texts[2]
    assert page.evaluate("document.activeElement.id") == "pinned"


@opened("file")
def test_the_map_in_words_is_that_of_the_neighbours(open_page, data):
    page = open_page()
    page.locator("summary").click()
    page.locator("#tasks button").nth(2).click()
    rows = [row.split("\t") for row in page.locator("#table tbody tr").all_inner_texts()]
    shapes = np.array([point["labels"][1] for point in data["points"]])
    near = np.array([point["shape_neighbours"] for point in data["points"]])
    for name, n, own, chance in rows:
        mine = shapes == name
        assert int(n) == mine.sum()
        assert own == f"{round(100 * (shapes[near[mine]] == name).mean())}\u00a0%"
        assert chance == f"{round(100 * (mine.sum() - 1) / 89)}\u00a0%"
    assert sorted(row[0] for row in rows) == sorted(SHAPES)
    assert rows[0][2] in page.locator("#table-said").inner_text()


def test_the_address_keeps_the_view(open_page, data):
    page = open_page()
    page.locator("#tasks button").nth(2).click()
    page.select_option("#colour", label="colour")
    page.locator("#filter .now label", has_text="<i>blue</i>").locator("input").uncheck()
    page.fill("#search", "text 1")
    page.locator("#results button").first.click()
    pinned, found = page.locator("#pinned-text").inner_text(), page.locator("#found").inner_text()
    if open_page.kind == "frame":
        assert page.evaluate("location.href") == "about:srcdoc"  # it cannot be written, and nothing was thrown
        return
    address = page.evaluate("location.hash")
    again = open_page(after=address)
    assert again.locator("#tasks [aria-pressed=true]").inner_text() == "shape"
    assert again.locator("#colour option:checked").inner_text() == "colour"
    assert again.locator("#pinned-text").inner_text() == pinned and again.locator("#found").inner_text() == found
    assert again.input_value("#search") == "text 1"
    assert not again.locator("#filter .now label", has_text="<i>blue</i>").locator("input").is_checked()
    odd = open_page(after="#task=none&colour=%FF&text=1e9&hide=&search=%3Cscript%3E")
    assert odd.locator("#tasks [aria-pressed=true]").inner_text() == "no question asked"
    odd.evaluate("location.hash = '#task=colour&text=4'")
    odd.wait_for_function("document.querySelector('#pinned-text').textContent")
    assert odd.locator("#pinned-text").inner_text() == data["points"][4]["text_preview"]


def test_a_visitors_text_stands_on_every_map_and_beside_its_neighbours(open_page, data):
    page = open_page()
    near = {"default": [1, 2, 3], "colour": [3, 4, 5]}
    visitor = {
        "text": EVIL,
        "note": "<b>embedded</b> here",
        "tasks": {
            name: {
                "x": float(np.mean([data["points"][j][f"{name}_x"] for j in each])),
                "y": float(np.mean([data["points"][j][f"{name}_y"] for j in each])),
                "neighbours": [*each, 90, -1, 1.5],
                "cosine": 0.456,
                "note": f"note of {name}",
            }
            for name, each in near.items()
        },
    }
    before = page.evaluate("canvas.toDataURL()")
    page.evaluate("visitor => PAGE.showVisitor(visitor)", visitor)
    assert page.evaluate("PAGE.task()") == "default"
    assert page.locator("#pinned-title").inner_text().lower() == "your text"
    assert page.locator("#pinned-text").inner_text().startswith("<img src=x onerror=")
    assert page.locator("#pinned-note").inner_text() == "<b>embedded</b> here"
    columns = page.locator("#columns > section")
    for number, name in enumerate(ASKED):
        listed = columns.nth(number).locator("li .clamp").all_inner_texts()
        assert listed == [data["points"][j]["text_preview"] for j in near.get(name, [])]
    assert "0.46" in columns.nth(1).inner_text() and "note of colour" in columns.nth(1).inner_text()
    assert columns.nth(1).locator(".new").count() == 2 and "not asked" in columns.nth(2).inner_text()
    page.wait_for_timeout(100)
    assert page.evaluate("canvas.toDataURL()") != before
    x, y = place(page, 90)
    middle = np.mean([place(page, j) for j in near["default"]], axis=0)
    assert (x, y) == pytest.approx(tuple(middle), abs=1)
    page.locator("#tasks button").nth(1).click()
    assert page.evaluate("PAGE.task()") == "colour"
    page.wait_for_timeout(400)
    on_the_way = place(page, 90)
    after_the_glide(page)
    assert place(page, 90) == pytest.approx(tuple(np.mean([place(page, j) for j in near["colour"]], axis=0)), abs=1)
    assert on_the_way not in ([x, y], place(page, 90))
    page.screenshot(path=PICTURES / "page-visitor.png")
    page.locator("#columns li button").first.click()
    assert page.locator("#pinned-title").inner_text().lower() == "pinned text"
    page.locator("#canvas").scroll_into_view_if_needed()
    page.mouse.click(*place(page, 90))
    assert page.locator("#pinned-title").inner_text().lower() == "your text"
    page.evaluate("PAGE.clearVisitor()")
    assert columns.count() == 0 and page.evaluate("window.hurt") is None
    page.locator("#tasks button").nth(2).click()


def test_a_question_that_moved_no_vector_says_so(browser, tmp_path):
    data = made_up(40)
    data["tasks"][1] |= {"same_vectors": True, "movers": [], "effect": ["No vector moved: the map is the same."]}
    page = browser.new_page()
    page.goto(task_maps.write_page(data, tmp_path).as_uri())
    page.locator("#tasks button").nth(1).click()
    assert page.locator("#effects .now li").all_inner_texts() == ["No vector moved: the map is the same."]
    assert page.locator("#moved").inner_text().startswith("No vector moved")
    assert not page.locator("#bars .first").first.is_visible() and page.locator("#mover-list button").count() == 0


def test_of_many_texts_a_sample_says_how_far_to_trust_the_map(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(task_maps, "MOST_EXACT", 80)
    monkeypatch.setattr(task_maps, "SAMPLE", 60)
    page, data = browser.new_page(), made_up(90)
    page.goto(task_maps.write_page(data, tmp_path).as_uri())
    found = data["tasks"][0]["measures"]["map"]["sample"]["trustworthiness"]
    said = f"estimated from 60 of the texts, is {found['estimate']:.3f} (95% interval: {found['low']:.3f} to"
    assert said in page.locator("body").inner_text()


@opened("http")
def test_names_are_written_where_a_category_lies_together(open_page, data):
    page = open_page()
    (colour,) = [task for task in data["tasks"] if task["name"] == "colour"]
    assert {island["category"] for island in colour["islands"]["colour"]} == set(COLOURS)
    page.evaluate(
        """() => {
            const pen = CanvasRenderingContext2D.prototype, {fillText} = pen;
            window.said = [];
            pen.fillText = function (...written) { said.push(written); return fillText.apply(this, written); };
        }"""
    )
    page.locator("#tasks button").nth(1).click()
    after_the_glide(page)
    at = {text: (x, y) for text, x, y in page.evaluate("said.slice(-3)")}
    assert set(at) == set(COLOURS)
    left, top = page.evaluate("(({left, top}) => [left, top])(canvas.getBoundingClientRect())")
    for island in colour["islands"]["colour"]:
        x, y = at[island["category"]]
        assert (x + left, y + top) == pytest.approx(tuple(place(page, island["point"])), abs=60)
    page.locator("#filter .now input").first.uncheck()
    page.evaluate("() => { said.length = 0; }")
    page.wait_for_timeout(100)
    page.evaluate("window.dispatchEvent(new Event('resize'))")
    page.click("#zoom-reset")
    page.wait_for_timeout(100)
    assert len({text for text, *_ in page.evaluate("said")}) == 2


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
    assert page.locator("#spoken").inner_text().startswith("shape. Name it Of 100 neighbours")
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
    whole = task_maps.page_html(folder)
    assert whole.count("<script>") == whole.count("</script>") == 2 and " src=" not in whole.partition("window.DATA")[0]
    page = "".join((folder / name).read_text(encoding="utf-8") for name in ("index.html", "style.css", "page.js"))
    assert re.findall(r"(?:https?:)?//[\w.]+\w", page.replace("http://www.w3.org/2000/svg", "")) == []
    assert "innerHTML" not in page and "insertAdjacentHTML" not in page and "eval" not in page
