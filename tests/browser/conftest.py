"""What the browser tests share: a Chromium, and empty pages of it."""

import json
import os
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from figures import CHROMIUM_ARGUMENTS, find_chromium  # noqa: E402


@pytest.fixture(scope="module")
def chromium():
    """The path of a Chromium. Without one the test is skipped, but never in CI."""
    executable = find_chromium()
    if executable is None and os.environ.get("CI"):
        pytest.fail("CI must run the browser test, and there is no Chromium or Chrome on the PATH.")
    if executable is None:
        pytest.skip("needs Chromium or Chrome on the PATH")
    return executable


@pytest.fixture(scope="module")
def data(folder):
    """What the page in a module's folder shows."""
    return json.loads((folder / "data.json").read_text(encoding="utf-8"))


@pytest.fixture
def browser(chromium):
    """A Chromium of the test's own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()
