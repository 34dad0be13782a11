"""The tool that refreshes constraints.txt, against made-up pages of an index on this machine."""

import hashlib
import http.server
import json
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import refresh_constraints as tool  # noqa: E402

PYPROJECT = """
[project]
name = "a-course"
version = "1"
requires-python = ">=3.11,<3.13"
dependencies = ["alpha>=1,<3"]
optional-dependencies = { more = ["Be_ta; sys_platform == 'win32'"] }
"""
EVERYWHERE = [
    *("cp31{}-manylinux_2_17_x86_64.manylinux2014_x86_64", "cp31{}-manylinux_2_28_aarch64"),
    *("cp31{}-macosx_11_0_arm64", "cp31{}-win_amd64"),
]
BOTH = [f"cp31{minor}-{tag.format(minor)}" for minor in (1, 2) for tag in EVERYWHERE]
# name: {version: (tags of its wheels, what it asks for)}
SHELF = {
    "alpha": {"1.0": (["py3-none-any"], ""), "2.0": (BOTH, "gamma"), "3.0": (["py3-none-any"], "")},
    "be-ta": {"1.0": (["cp311-abi3-win_amd64"], "")},
    "gamma": {"1.0": (["py3-none-any"], "triton; sys_platform == 'linux'"), "1.1": (["py3-none-any"], "")},
    "triton": {"9.0": (["cp311-cp311-manylinux_2_28_x86_64"], "")},
}
PINS = "# Why.\nalpha==2.0\nBe_ta==1.0\ngamma==1.1\n"


class Pages(http.server.BaseHTTPRequestHandler):
    """The simple pages of an index, and the metadata of its wheels."""

    shelf: dict = {}
    newer_python: dict = {}  # what a version asks of Python, by NAME-VERSION

    def do_GET(self):
        parts = self.path.strip("/").split("/")
        if self.path.endswith(".metadata"):
            name, version = parts[-1].split("-")[:2]
            lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
            if asks := self.shelf[name.replace("_", "-")][version][1]:
                lines.append(f"Requires-Dist: {asks}")
            if python := self.newer_python.get(f"{name}-{version}"):
                lines.append(f"Requires-Python: {python}")
            text = "\n".join(lines) + "\n"
            return self.say(text, "text/plain")
        if parts[-1] not in self.shelf:
            return self.send_error(404)
        wheels = [
            f"{parts[-1].replace('-', '_')}-{version}-{tag}.whl"
            for version, (tags, _) in self.shelf[parts[-1]].items()
            for tag in tags
        ]
        # uv tells files apart by their hashes
        files = [
            {"filename": wheel, "url": f"/files/{wheel}", "core-metadata": True}
            | {"hashes": {"sha256": hashlib.sha256(wheel.encode()).hexdigest()}}
            | {"requires-python": self.newer_python.get("-".join(wheel.split("-")[:2]))}
            for wheel in wheels
        ]
        page = {"meta": {"api-version": "1.1"}, "name": parts[-1], "files": files}
        return self.say(json.dumps(page), "application/vnd.pypi.simple.v1+json")

    def say(self, text, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *words):
        pass


@pytest.fixture
def shelf(monkeypatch):
    """What the index has; a test may change it."""
    monkeypatch.setattr(Pages, "shelf", {name: dict(versions) for name, versions in SHELF.items()})
    monkeypatch.setattr(Pages, "newer_python", {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in {
        **{"UV_DEFAULT_INDEX": f"http://127.0.0.1:{server.server_port}/simple", "UV_NO_CACHE": "1"},
        **{"NO_PROXY": "*", "UV_PYTHON": sys.executable},
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    yield Pages.shelf
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (tmp_path / "constraints.txt").write_text(PINS, encoding="utf-8")
    return tmp_path


def run(folder, *words, known=None):
    status = tool.main(list(words), folder, known or {})
    return status, (folder / "constraints.txt").read_text(encoding="utf-8")


def test_what_has_a_wheel_everywhere_passes_and_nothing_is_written(shelf, folder, capsys):
    assert run(folder, "--check") == (0, PINS)
    assert "3 packages" in capsys.readouterr().out


def test_a_wheel_that_is_lacking_is_named_with_its_machine(shelf, folder, capsys):
    shelf["alpha"]["2.0"] = ([tag for tag in BOTH if tag != BOTH[2] and "cp312-win" not in tag], "gamma")
    assert run(folder, "--check")[0] == 1
    said = capsys.readouterr().out
    assert "alpha 2.0 has no wheel for Python 3.11 on Darwin arm64, Python 3.12 on Windows AMD64\n" in said


@pytest.mark.parametrize(
    ("instead_of", "tag", "place"),
    [
        ("macosx", "cp311-cp311-macosx_15_0_arm64", "Python 3.11 on Darwin arm64"),
        ("x86_64", "cp311-cp311-manylinux_2_31_x86_64", "Python 3.11 on Linux x86_64"),
        ("win", "cp311-cp311-win_arm64", "Python 3.11 on Windows AMD64"),
        ("aarch64", "cp310-cp310-manylinux_2_28_aarch64", "Python 3.11 on Linux aarch64"),
        ("aarch64", "cp311-cp311t-manylinux_2_28_aarch64", "Python 3.11 on Linux aarch64"),
    ],
)
def test_a_wheel_for_another_machine_is_none(shelf, folder, capsys, instead_of, tag, place):
    others = [each for each in BOTH if not (each.startswith("cp311") and instead_of in each)]
    assert len(others) == len(BOTH) - 1
    shelf["alpha"]["2.0"] = ([*others, tag], "gamma")
    assert run(folder, "--check")[0] == 1
    assert f"alpha 2.0 has no wheel for {place}\n" in capsys.readouterr().out


def test_a_known_hole_passes_and_one_that_is_closed_is_named(shelf, folder, capsys):
    shelf["alpha"]["2.0"] = ([tag for tag in BOTH if "aarch64" not in tag], "gamma")
    assert run(folder, "--check", known={("alpha", "Linux aarch64"): "has none"})[0] == 0
    assert "on Linux aarch64, alpha has none" in capsys.readouterr().out
    assert run(folder, "--check", known={("gamma", "Linux aarch64"): "has none"})[0] == 1
    assert "gamma has wheels for Linux aarch64 now" in capsys.readouterr().out


def test_a_pin_too_many_or_too_few_is_named(shelf, folder, capsys):
    (folder / "constraints.txt").write_text("alpha==2.0\nBe_ta==1.0\ndelta==1.0\n", encoding="utf-8")
    assert run(folder, "--check")[0] == 1
    said = capsys.readouterr().out
    assert "delta==1.0 is pinned, but nothing asks for it" in said and "gamma==1.1 is asked for, but not pinned" in said


def test_a_refresh_takes_what_is_newest_and_keeps_comments_and_spelling(shelf, folder, capsys):
    (folder / "constraints.txt").write_text(PINS.replace("2.0", "1.0").replace("gamma==1.1\n", ""), encoding="utf-8")
    assert run(folder) == (0, PINS)
    assert "- alpha==1.0\n+ alpha==2.0\n+ gamma==1.1\n" in capsys.readouterr().out


def test_only_what_is_named_moves(shelf, folder):
    shelf["alpha"]["2.1"] = shelf["alpha"]["2.0"]
    old = PINS.replace("gamma==1.1", "gamma==1.0")  # which asks for what torch pins, and is not written
    (folder / "constraints.txt").write_text(old, encoding="utf-8")
    assert run(folder, "alpha") == (0, old.replace("alpha==2.0", "alpha==2.1"))
    assert run(folder, "gamma") == (0, PINS.replace("alpha==2.0", "alpha==2.1"))


def test_one_version_serves_all_even_if_some_could_have_a_newer_one(shelf, folder):
    shelf["gamma"]["2.0"] = (["py3-none-any"], "")
    Pages.newer_python["gamma-2.0"] = ">=3.12"
    assert run(folder) == (0, PINS)


def test_a_refresh_that_leaves_a_hole_writes_nothing(shelf, folder):
    shelf["gamma"]["2.0"] = (["cp311-cp311-win_amd64"], "")
    assert run(folder) == (1, PINS)


def test_without_an_index_uvs_own_words_are_told(shelf, folder, capsys, monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    assert run(folder, "--check") == (1, PINS)
    assert "uv found no versions that fit, or reached no index." in capsys.readouterr().out


def test_pins_no_machine_asks_for_are_left_out():
    web = {"name": "web", "version": "1", "marker": "sys_platform == 'emscripten'"}
    here = {"name": "here", "version": "1", "marker": "python_full_version == '3.12.*'"}
    assert tool.own([web, here], ROOT) == [here]
