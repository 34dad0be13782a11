"""Turns Plotly figures into pictures, with Chromium and the plotly.js that its package ships: no network."""

import base64
import shutil
from pathlib import Path

import plotly
from playwright.sync_api import sync_playwright

# no sandbox, so that it also starts as root in a container; the rest keeps Chromium from calling home
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTH, HEIGHT = 900, 500  # where a figure does not say
SCALE = 1.25  # readable on a dense screen, and a map of 800 points stays below 200 kB

_DRAW = """async ([figure, width, height, scale]) => {
    const size = {width: figure.layout?.width ?? width, height: figure.layout?.height ?? height};
    return await Plotly.toImage(figure, {format: "png", scale, ...size});
}"""


def find_chromium() -> str | None:
    """The path of an installed Chromium or Chrome, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    return next(filter(None, map(shutil.which, names)), None)


def draw(figures: list[dict]) -> list[bytes]:
    """PNG bytes of Plotly figures, given as the JSON objects that notebooks store; one browser draws all.

    Raises RuntimeError when no Chromium is installed.
    """
    if not figures:
        return []
    executable = find_chromium()
    if executable is None:
        raise RuntimeError(
            "Figures are stored as pictures, which needs Chromium or Chrome on the PATH. apt install chromium"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
        page = browser.new_page()
        page.add_script_tag(path=Path(plotly.__file__).parent / "package_data/plotly.min.js")
        pictures = [page.evaluate(_DRAW, [figure, WIDTH, HEIGHT, SCALE]) for figure in figures]
        browser.close()
    return [base64.b64decode(picture.partition(",")[2]) for picture in pictures]
