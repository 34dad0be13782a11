"""Every lesson as a student meets it: a real JupyterLab in a real Chromium, which runs, draws, hovers and types.

With a smaller sample and another seed; with `--long` as it is, when what it prints is held against what is committed.
Pictures of what was seen are kept in `test-artefacts/`.
"""

import json
import os
import re
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from playwright.sync_api import ElementHandle, Page, TimeoutError

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from lesson import read_manifest, tags  # noqa: E402

LESSONS = read_manifest(ROOT)
PICTURES = ROOT / "test-artefacts"
PLOTLY = "application/vnd.plotly.v1+json"


# As `course lab` starts it, but on copies in another folder: the checkout's my_work/ belongs to a student.
START = """
import sys
from pathlib import Path
from course_utils.app import lab
lab.ROOT = Path(sys.argv[1])
lab.MY_WORK = lab.ROOT / "my_work"
lab.copy_lessons()
lab.open_jupyterlab(next(lab.MY_WORK.glob("*.ipynb")), browser=False)
"""


@pytest.fixture(scope="module")
def jupyterlab(chromium, tmp_path_factory, pytestconfig):
    """Address of a lesson's copy in a running JupyterLab with empty settings."""
    home = tmp_path_factory.mktemp("jupyter")
    (home / "CONFIG").mkdir()
    config = {"LabApp": {"expose_app_in_browser": True}}
    (home / "CONFIG/jupyter_lab_config.json").write_text(json.dumps(config), encoding="utf-8")
    own = {f"JUPYTER_{name}_DIR": str(home / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    own |= {f"JUPYTERLAB_{name}_DIR": str(home / name) for name in ("SETTINGS", "WORKSPACES")}
    log = home / "jupyterlab.log"
    with log.open("w", encoding="utf-8") as output:
        command = [sys.executable, "-c", START, home]
        server = subprocess.Popen(command, cwd=home, env=os.environ | own, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 60
        while not (found := list(home.glob("RUNTIME/jpserver-*.json"))):
            running = server.poll() is None and time.monotonic() < deadline
            assert running, log.read_text(encoding="utf-8", errors="replace")
            time.sleep(0.2)
        if not pytestconfig.getoption("--long"):
            for lesson in LESSONS:
                make_smaller(home / f"my_work/{lesson['name']}.ipynb", lesson["test_parameters"])
        at = json.loads(found[0].read_text(encoding="utf-8"))
        yield lambda name: f"{at['url']}lab/workspaces/test/tree/my_work/{name}.ipynb?reset&token={at['token']}"
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.fixture
def page(browser):
    """An empty page of a Chromium."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.add_init_script(path=Path(__file__).with_name("in_page.js"))
    return page


def show_cell(page: Page, index: int) -> ElementHandle:
    """Scroll to a cell; return its element."""
    return page.evaluate_handle("index => course.showCell(index)", index).as_element()


def hover(page: Page, figure: ElementHandle) -> None:
    """Move the mouse over points of a drawn figure until one answers."""
    figure.scroll_into_view_if_needed()
    inside = ((0, 0), (0, 6), (-6, 0))  # on a marker, below the top of a bar, left of the end of a bar
    for (x, y), (right, down) in product(figure.evaluate("figure => course.middles(figure)"), inside):
        page.mouse.move(x + right - 5, y + down - 5)
        page.mouse.move(x + right, y + down, steps=5)
        try:
            figure.wait_for_selector(".hoverlayer .hovertext", timeout=1500)
            return
        except TimeoutError:
            continue  # something else may lie on top there, such as the legend
    pytest.fail("no point of the figure answers a hover")


def press_buttons(page: Page, figure: ElementHandle) -> None:
    """Press each button of a drawn figure, and see its marks come to rest in other places after some of them."""
    rests = [figure.evaluate("course.places")]
    for button in figure.query_selector_all(".updatemenu-button"):
        button.click()
        places = [figure.evaluate("course.places")]
        while len(places) < 2 or places[-1] != places[-2]:
            page.wait_for_timeout(500)
            places.append(figure.evaluate("course.places"))
        rests.append(places[-1])
    assert len(rests) == 1 or any(each != rests[0] for each in rests), "nothing moves, whichever button is pressed"


def type_and_run(page: Page, index: int, source: str, expected: str) -> None:
    """Type the source of a cell anew, run it, and wait for the expected output ("" for none)."""
    node = show_cell(page, index)
    node.wait_for_selector(".cm-content").click()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.insert_text(source)
    assert page.evaluate("index => course.cells()[index].source", index) == source
    page.keyboard.press("Control+Enter")
    if expected:
        page.wait_for_function("([node, text]) => node.innerText.includes(text)", arg=[node, expected])


def make_smaller(path: Path, parameters: dict) -> None:
    """Put a cell behind a notebook's parameters that sets them anew."""
    notebook = nbformat.read(path, as_version=4)
    place = next(i for i, cell in enumerate(notebook.cells) if "parameters" in tags(cell)) + 1
    lines = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    notebook.cells.insert(place, nbformat.v4.new_code_cell(lines))
    nbformat.write(notebook, path)


def stable_outputs(cells: list[dict]) -> dict[str, str]:
    """What a run must print as the committed notebook does: rounded values."""
    found = {}
    for cell in cells:
        if "nbval-check-output" in cell["metadata"].get("tags", []):
            texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell["outputs"]]
            found["".join(cell["source"])] = "".join("".join(text) for text in texts)
    return found


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson["name"])
def test_lesson(lesson, jupyterlab, page, pytestconfig):
    PICTURES.mkdir(exist_ok=True)

    def picture(of: str) -> None:
        page.screenshot(path=PICTURES / f"{lesson['name']}-{of}.png")

    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))

    page.goto(jupyterlab(lesson["name"]))
    page.wait_for_function("course.isReady()", timeout=90_000)
    picture("opened")
    ran = page.evaluate("seconds => course.runAll(seconds)", lesson["budget"]["cold_s"])
    picture("ran")
    assert not page.query_selector_all(".Toastify__toast"), "a popup covers part of the lesson"
    cells = page.evaluate("course.cells()")
    outputs = [(index, output) for index, cell in enumerate(cells) for output in cell.get("outputs", [])]
    assert not [output for _, output in outputs if output["output_type"] == "error"]
    assert ran
    checks = [(cell["source"], cell["outputs"]) for cell in cells if re.search(r"^q\d+\.check\(", cell["source"], re.M)]
    assert len(checks) == sum("exercise" in cell["metadata"].get("tags", []) for cell in cells)
    assert all(output[0]["data"]["text/plain"].startswith("not attempted") for _, output in checks)
    if pytestconfig.getoption("--long"):
        committed = json.loads((ROOT / f"lessons/{lesson['name']}.ipynb").read_text(encoding="utf-8"))
        assert stable_outputs(cells) == stable_outputs(committed["cells"])

    for index in dict.fromkeys(index for index, output in outputs if PLOTLY in output.get("data", {})):
        figure = show_cell(page, index).wait_for_selector(".js-plotly-plot:has(.main-svg)")
        hover(page, figure)
        picture(f"figure-in-cell-{index}")
        press_buttons(page, figure)
        place = "figure.closest('.jp-OutputArea-output').clientWidth"
        drawn, room = figure.evaluate(f"figure => [figure.querySelector('.main-svg').clientWidth, {place}]")
        assert drawn <= room, f"the figure of cell {index} is {drawn} px wide, and {room} px of it can be seen"

    exercise = next(index for index, cell in enumerate(cells) if "q1" in cell["metadata"].get("tags", []))
    check, name = next(
        (index, call.group(1))
        for index, cell in enumerate(cells)
        if (call := re.search(r"^q1\.check\((\w+)\)", cell["source"], re.MULTILINE))
    )
    shown = ROOT / f"course_utils/teaching/checks/lesson{lesson['name'][:2]}.json"
    solutions = json.loads(shown.read_text(encoding="utf-8"))
    for answer, outcome in ((f"{name} = lambda *arguments: 0.0", "not yet"), (solutions["q1"], "correct")):
        type_and_run(page, exercise, answer, "")
        type_and_run(page, check, f"q1.check({name})", outcome)
        picture(outcome.replace(" ", "-"))
    type_and_run(page, check, "q1.hint()", "Hint 1 of")
    picture("hint")

    here = ("127.0.0.1", "localhost")
    outside = [url for url in asked if not url.startswith(("data:", "blob:")) and urlsplit(url).hostname not in here]
    assert asked and not outside
