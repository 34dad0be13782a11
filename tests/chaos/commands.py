"""The commands that the chaos trials disturb: what stands there before, what is run, and what must be there after.

A new command is one entry in COMMANDS. Everything is looked at through the door that a user has (a file is loaded, a
Python is asked for its packages), so that an entry says nothing of how something is stored.
"""

import hashlib
import importlib.util
import json
import os
import re
import runpy
import shutil
import sqlite3
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

COURSE = Path(__file__).parents[2]
Seen = dict[str, object]


@dataclass(frozen=True)
class Command:
    """One entry; each function runs in a process of its own, in the folder of the trial.

    Attributes
    ----------
    run : callable
        The command, of (second, away): the second of two at once may do another part of the work, and where something
        is fetched it may be away.
    look : callable
        What can be read in the folder: name to value, only what is whole.
    prepare : callable
        What the folder holds before.
    kept : str
        Names (a pattern) of what may never be missing again once it is there.
    reported : callable
        Of (output, name): whether the output said that it is stored.
    needs_fetching : bool
        Whether the command is also run with its source away, which must lose nothing.
    """

    run: Callable[[bool, bool], None]
    look: Callable[[], Seen]
    prepare: Callable[[], None] = lambda: None
    kept: str = ".*"
    reported: Callable[[str, str], bool] = lambda output, name: False
    needs_fetching: bool = False


def course(*words: object) -> None:
    """Run the command line as a shell would."""
    from course_utils.app import cli

    sys.argv = ["course", *map(str, words)]
    cli.main()


# --- the cache -------------------------------------------------------------------------------------------------------

BATCHES, ROWS = 6, 8


def batch(number: int) -> dict[bytes, np.ndarray]:
    """Some vectors that depend on their number only."""
    rng = np.random.default_rng(number)
    return {f"{number} {row}".encode(): rng.normal(size=384).astype(np.float32) for row in range(ROWS)}


def open_cache():
    from course_utils.embedding import EmbeddingCache

    return EmbeddingCache(Path("vectors.sqlite"))


def fill_cache(second: bool = False, away: bool = False) -> None:
    """Store what is missing, as an embedder does, saying after each batch that it is stored."""
    cache = None
    try:
        cache = open_cache()
        for number in range(BATCHES * (1 + second), BATCHES * (2 + second)):
            wanted = batch(number)
            if len(cache.get_many(list(wanted))) < len(wanted):
                cache.put_many(wanted)
            print(f"stored batch {number}", flush=True)
    except KeyboardInterrupt:  # the kernel lives on: other kernels can write, and so can it
        with sqlite3.connect("vectors.sqlite", timeout=2) as other:
            other.execute("BEGIN IMMEDIATE")
        (cache or open_cache()).put_many(batch(BATCHES))
        print(f"stored batch {BATCHES}", flush=True)


def fill_cache_before() -> None:
    cache = open_cache()
    for number in range(BATCHES):
        cache.put_many(batch(number))


def look_into_cache() -> Seen:
    cache, seen = open_cache(), {}
    for number in range(3 * BATCHES):
        found = cache.get_many(list(batch(number)))
        if len(found) == ROWS:  # in one transaction
            seen[f"batch {number}"] = np.stack([found[key] for key in batch(number)])
    return seen


def said_by_cache(output: str, name: str) -> bool:
    on_disk = output.partition("cannot be kept")[0]  # from there on it is said that nothing is kept here
    return f"stored {name}\n" in on_disk


# --- course embed ----------------------------------------------------------------------------------------------------

WORDS = ["harbour", "violin", "lantern", "tax", "garden", "engine", "river", "clock", "bread", "moon"]
INPUTS = "COURSE_CHAOS_INPUTS"  # the folder that holds the model, which no trial changes


def texts() -> list[str]:
    return [f"The {word} is number {i}." for i, word in enumerate(WORDS)]


def embed_before() -> None:
    Path("texts.csv").write_text("\n".join(["text", *texts()]), encoding="utf-8")
    embed("")


def embed(instruction: str) -> None:
    model = Path(os.environ[INPUTS], "tiny")
    words = ("--corpus", "texts.csv", "--text-column", "text", "--instruction", instruction, "--batch-size", 3)
    course("embed", "--model", model, *words, "--out", "out.safetensors")


def look_at_vectors() -> Seen:
    from course_utils.embedding import StoredVectors

    if not Path("out.safetensors").exists():
        return {}
    stored, seen = StoredVectors("out.safetensors"), {}
    for (prompt, digest), row in stored.rows.items():
        number = [hashlib.sha256(text.encode()).digest() for text in texts()].index(digest)
        seen[f"{prompt!r} of text {number}"] = stored.matrix[row]
    return seen


# --- course train ----------------------------------------------------------------------------------------------------


def write_pairs() -> None:
    rows = [
        {"query": f"What about the {word} {i}?", "pos": [f"The {word} {i} is fine."]}
        for i, word in enumerate(WORDS * 6)
    ]
    Path("pairs.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def train(second: bool = False, away: bool = False) -> None:
    model = Path(os.environ[INPUTS], "tiny")
    course("train", "--data", "pairs.jsonl", "--model", model, "--dim", 8, "--epochs", 3, "--out", "head")


def train_before() -> None:
    write_pairs()
    train()


def look_at_head() -> Seen:
    from course_utils.learning import ProjectionHead

    if not Path("head", "best.safetensors").exists():  # heads of single epochs are written before it
        return {}
    head = ProjectionHead.load(Path("head"))
    return {"head": head.weights["weight"], "its score": head.about["metrics"]["recall_at_1"]}


# --- course reset ----------------------------------------------------------------------------------------------------

WORK = "my answer, an afternoon of work"


def reset(second: bool = False, away: bool = False) -> None:
    from course_utils.app import lab

    lab.MY_WORK = Path("my_work").absolute()
    course("reset", "04")


def work_on_lesson() -> None:
    reset()
    (notebook,) = Path("my_work").glob("*.ipynb")
    content = json.loads(notebook.read_text(encoding="utf-8"))
    content["cells"].append({"cell_type": "markdown", "id": "own", "metadata": {}, "source": [WORK]})
    notebook.write_text(json.dumps(content), encoding="utf-8")


def look_at_work() -> Seen:
    notebooks = {path: path.read_text(encoding="utf-8") for path in Path("my_work").glob("*.ipynb")}
    seen: Seen = {"the work": True} if any(WORK in text for text in notebooks.values()) else {}
    for path, text in notebooks.items():
        if path.stem == "04_value_learning" and WORK not in text:
            seen["a fresh copy"] = hashlib.sha256(text.encode()).hexdigest()
    return seen


# --- start.py, with a stub of an index -------------------------------------------------------------------------------

# What the stub index offers, by its name there; torch stays the same in an update.
PACKAGES = {"torch": "torch", "numpy": "numpy", "course": "text_embeddings_course"}


def set_up(second: bool = False, away: bool = False) -> None:
    """Run start.py as it is; only pip and its index are stubs, and `course` itself is not started."""

    def call(command, **options):
        if "venv" in command:
            return make_venv(Path(command[-1]))
        if "ensurepip" in " ".join(command):
            return restore_pip(Path(command[0]).parents[1])
        if command[1:4] == ["-m", "pip", "install"]:
            return stub_pip(command, away)
        raise AssertionError(f"nothing real is started here: {command}")

    def hand_over(path, command, environment):
        print("handed over")
        raise SystemExit(0)

    subprocess.call = call
    os.execve = hand_over
    shutil.disk_usage = lambda path: SimpleNamespace(free=2**40, total=2**40, used=0)
    sys.argv = ["start.py", "setup"]
    runpy.run_path(str(Path("start.py").absolute()), run_name="__main__")


def make_venv(folder: Path) -> int:
    """Make what `python -m venv` makes, with as much of a pip as start.py asks for; a whole one takes seconds."""
    try:
        venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
        return restore_pip(folder)
    except OSError as error:
        print("Error:", error)
        return 1


def restore_pip(folder: Path) -> int:
    """Copy what reads the names of packages. Never a link: what writes there would write into this Python's own."""
    try:
        site, own = next(folder.glob("lib/**/site-packages")), Path(str(importlib.util.find_spec("pip").origin)).parent
        shutil.copytree(own / "_vendor" / "packaging", site / "pip" / "_vendor" / "packaging", dirs_exist_ok=True)
        for package in ("pip", "pip/_vendor"):
            (site / package / "__init__.py").write_text("", encoding="utf-8")
        note_package(site, "pip", "pip", "pip/__init__.py")
    except OSError as error:
        print("Error:", error)
        return 1
    return 0


def note_package(site: Path, name: str, module: str, file: str) -> None:
    """Write what pip notes of a package, the list of its files last."""
    for old in site.glob(f"{name}-*.dist-info"):
        shutil.rmtree(old)
    info = site / f"{name}-1.dist-info"
    info.mkdir()
    needs = "".join(f"Requires-Dist: {each}\n" for each in PACKAGES if module == "course" != each)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n{needs}", encoding="utf-8")
    (info / "RECORD").write_text(f"{file},,\n", encoding="utf-8")


def stub_pip(command: list[str], away: bool) -> int:
    """Install what is missing or older, one file after the other, as pip does; its errors are its own words."""
    site = next(Path(command[0]).parents[1].glob("lib/**/site-packages"))
    again = "--force-reinstall" in command
    try:
        for module, name in PACKAGES.items():
            wanted, there = Path("index", module).read_text(encoding="utf-8"), site / f"{module}_stub.py"
            whole = there.exists() and there.read_text(encoding="utf-8") == wanted
            whole = whole and any(site.glob(f"{name}-*.dist-info/RECORD"))
            if whole and not again or again and module not in command:
                continue
            if away:
                print("ERROR: the index does not answer")
                return 1
            (site / "part").write_text(wanted, encoding="utf-8")
            (site / "part").replace(there)
            note_package(site, name, module, there.name)
    except OSError as error:
        print("ERROR:", error)
        return 1
    return 0


def offer(version: int) -> None:
    Path("index").mkdir(exist_ok=True)
    for name in PACKAGES:
        Path("index", name).write_text(f"version = {1 if name == 'torch' else version}\n", encoding="utf-8")
    for name in ("pyproject.toml", "constraints.txt"):
        Path(name).write_text(f"release {version}", encoding="utf-8")
    Path("course_utils", "app").mkdir(parents=True, exist_ok=True)
    for name in ("start.py", "course_utils/app/pieces.py"):
        if (COURSE / name).exists():
            shutil.copy(COURSE / name, name)


def set_up_before() -> None:
    offer(1)
    try:
        set_up()
    except SystemExit:
        offer(2)


def look_at_set_up() -> Seen:
    python = Path(".venv", "bin", "python").absolute()
    code = "import importlib, sys; print(importlib.import_module(sys.argv[1] + '_stub').version)"
    seen: Seen = {}
    for name in PACKAGES if python.exists() else ():
        done = subprocess.run([python, "-IB", "-c", code, name], capture_output=True)
        if not done.returncode:
            seen[name] = int(done.stdout)
    return seen


COMMANDS = {
    "the cache": Command(fill_cache, look_into_cache, fill_cache_before, reported=said_by_cache),
    "course embed": Command(
        run=lambda second, away: embed("Name the colour." if second else "Name the topic."),
        look=look_at_vectors,
        prepare=embed_before,
        reported=lambda output, name: "vectors now" in output and "topic" in name,
    ),
    "course train": Command(train, look_at_head, write_pairs, reported=lambda output, name: "Best: epoch" in output),
    "course train, again": Command(train, look_at_head, train_before),
    "course reset": Command(
        reset, look_at_work, work_on_lesson, "the work", lambda output, name: "has a fresh copy" in output
    ),
    "start.py, first set-up": Command(
        set_up, look_at_set_up, lambda: offer(1), reported=lambda output, name: "handed over" in output
    ),
    "start.py, an update": Command(
        set_up,
        look_at_set_up,
        set_up_before,
        reported=lambda output, name: "handed over" in output,
        needs_fetching=True,
    ),
}


def matches(command: Command, name: str) -> bool:
    """Whether a thing may never be missing again once it is there."""
    return re.fullmatch(command.kept, name) is not None
