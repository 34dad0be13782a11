"""`course embed --tasks` and `course demo`: the data of the page, what it says, and what the command refuses."""

import base64
import hashlib
import html
import json
import math
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from endpoint import DIM as SERVED_DIM
from endpoint import fake_vectors, serving
from helpers import fake_embedder, kill_at_line, output_of, start_python
from safetensors import safe_open
from tiny_qwen3 import build_tiny_qwen3
from typer.testing import CliRunner

from course_utils.app import cli, task_maps
from course_utils.app.embed import add_vectors
from course_utils.data import Task, load_corpus, load_tasks
from course_utils.drawing import map_quality
from course_utils.embedding import load_embedder
from course_utils.measuring import Interval, knn_accuracy, nearest_neighbors, normalize

FOUR = ["default", "sentiment", "topic", "toxicity"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return build_tiny_qwen3(tmp_path_factory.mktemp("models") / "Qwen3-Embedding-0.6B")


def course(*words):
    done = CliRunner().invoke(cli.app, list(map(str, words)))
    if done.exception is not None:
        raise done.exception
    return done.output


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory):
    """What the command makes of the notice board, and what it says."""
    out = tmp_path_factory.mktemp("made") / "page"
    output = course("embed", "--model", folder, "--tasks", "task_prompts.json", "--out", out)
    return out, output, json.loads((out / "data.json").read_text(encoding="utf-8"))


def test_progress_is_told_task_by_task(made):
    out, output, _ = made
    assert "Without a graphics card this takes" in output
    assert "1 of 5  default: no instruction" in output and "4 of 5  toxicity: Classify the given text" in output
    assert "5 of 5  irrelevant_control: Translate" in output
    assert output.rstrip().endswith(f"Open {out / 'index.html'} in a browser.")


def test_the_data_are_those_of_the_vectors(made, folder):
    out, _, data = made
    texts = load_corpus("noticeboard")["message"]
    assert data["format"] == task_maps.FORMAT and data["corpus"] == "noticeboard" and data["taught"]
    assert [task["name"] for task in data["tasks"]] == FOUR
    assert [" ".join(text.split()) for text in texts] == [point["text_preview"] for point in data["points"]]
    embedder, stored = load_embedder(folder, cache=False), load_embedder(out / "vectors.safetensors")
    for task in data["tasks"]:
        name, words = task["name"], {"instruction": task["instruction"]} if task["instruction"] else {}
        vectors = embedder.encode(texts, **words)
        assert np.allclose(stored.encode(texts, **words), vectors, atol=1e-5)
        near = np.array([point[f"{name}_neighbours"] for point in data["points"]])
        assert (near == nearest_neighbors(vectors, 10)).mean() > 0.98  # rounding may swap two that are equally near
        places = np.array([[point[f"{name}_x"], point[f"{name}_y"]] for point in data["points"]])
        assert task["measures"]["map"] == pytest.approx(map_quality(vectors, places), abs=0.03)


def test_the_folder_can_be_made_again(made, folder):
    out, _, data = made
    course(
        "embed",
        "--model",
        folder,
        "--tasks",
        "task_prompts.json",
        "--task",
        "default",
        "--task",
        "stance",
        "--out",
        out,
    )
    again = json.loads((out / "data.json").read_text(encoding="utf-8"))
    assert [task["name"] for task in again["tasks"]] == ["default", "stance"]
    assert again["points"][3]["default_x"] == data["points"][3]["default_x"]
    with safe_open(out / "vectors.safetensors", framework="numpy") as file:
        assert len(json.loads(file.metadata()["about"])["prompts"]) == 3  # with the unrelated one


LABELLED = pd.DataFrame(
    {"text": [f"text {i}" for i in range(60)], "a": ["x", "y"] * 30, "b": ["p"] * 20 + ["q"] * 20 + [None] * 20}
)


def described(spaces, frame=LABELLED, **options):
    tasks = [Task(name, "" if name == "default" else f"do {name}", "text") for name in spaces]
    tasks = [task for task in tasks if task != options.get("control")]
    about = {"corpus": "c", "model": "m", "taught": False}
    return task_maps.describe(spaces, frame.fillna("(none)"), tasks, about, **options)


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    default = random.normal(size=(60, 6))
    by_a = random.normal(size=(60, 6)) + 5 * np.eye(6)[np.arange(60) % 2]
    return described({"default": normalize(default), "by_a": normalize(by_a)})


def test_what_is_said_follows_the_numbers(data):
    default, by_a = data["tasks"]
    same = by_a["measures"]["same_a"]
    assert same["estimate"] > 0.9 and same["low"] <= same["estimate"] <= same["high"]
    assert same["chance"] == pytest.approx(29 / 59, abs=1e-6)
    assert same["minus_first"]["low"] > 0
    said = re.fullmatch(
        r"Of 100 neighbours (.*) more have the same a than with no question asked \(95% interval: (.*) to (.*)\)\.",
        by_a["effect"][1],
    )
    gain = [100 * same["minus_first"][end] for end in ("estimate", "low", "high")]
    assert [float(number) for number in said.groups()] == pytest.approx(gain, abs=0.06)
    assert data["comparisons"] == 2  # two labels, so two comparisons
    other = by_a["measures"]["same_b"]["minus_first"]
    word = " more have" if other["low"] > 0 else " fewer have" if other["high"] < 0 else "may be chance"
    assert word in by_a["effect"][2] and "the same b" in by_a["effect"][2]
    assert by_a["measures"]["new_neighbours"]["estimate"] > 0.5
    said = re.fullmatch(
        r"This question gave the texts (.*) of 10 new neighbours on average \(95% interval: (.*) to (.*)\)\.",
        by_a["effect"][0],
    )
    change = [10 * by_a["measures"]["new_neighbours"][end] for end in ("estimate", "low", "high")]
    assert [float(number) for number in said.groups()] == pytest.approx(change, abs=0.06)
    unchanged = default["measures"]["new_neighbours"]
    assert unchanged["estimate"] == unchanged["low"] == 0 < unchanged["high"]
    assert default["effect"][0].endswith("by chance it would be 49.") and len(default["effect"]) == 2


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (Interval(0.2, 0.1, 0.3), "20.0 more have the same x than before (95% interval: 10.0 to 30.0)."),
        (Interval(-0.2, -0.3, -0.1), "20.0 fewer have the same x than before (95% interval: 10.0 to 30.0)."),
        (Interval(0.02, 0.0002, 0.04), "2.0 more have the same x than before (95% interval: 0.02 to 4.0)."),
        (Interval(0.02, -0.01, 0.05), "the difference, +2.0, may be chance (95% interval: -1.0 to +5.0)."),
        (Interval(0.0, -0.01, 0.01, identical=True), "exactly as many have the same x as before."),
        (Interval(0.5, 0.1, 0.9, n=4), "the difference, +50.0, may be chance (95% interval: +10.0 to +90.0)."),
    ],
)
def test_more_or_fewer_is_said_only_where_it_is_known(gain, said):
    words = task_maps._said(gain, "x", "before")
    assert words.startswith("Of 100 neighbours ") and words.endswith(said)
    assert ("more" in words or "fewer" in words) == (gain.sign != 0 and not gain.identical)


def test_each_question_has_the_label_that_answers_it():
    space = normalize(np.random.default_rng(0).normal(size=(60, 6)))
    turned = {
        name: normalize(np.roll(space, shift, axis=0))
        for shift, name in enumerate(("default", "sentiment", "toxicity", "politeness", "spam"))
    }
    frame = LABELLED.rename(columns={"a": "Mood", "b": "tone"})
    told = described(turned, frame)["tasks"]
    labels = {task["name"]: task["label"] for task in told}
    assert labels == {"default": "Mood", "sentiment": "Mood", "toxicity": "tone", "politeness": "tone", "spam": "Mood"}
    assert "same tone" in told[2]["effect"][1]  # what answers the question is said before other things


def test_those_that_moved_most_have_the_most_new_neighbours(data):
    default, by_a = data["tasks"]
    assert default["movers"] == []
    new = [1 - len({*point["default_neighbours"]} & {*point["by_a_neighbours"]}) / 10 for point in data["points"]]
    listed = by_a["movers"]
    assert [mover["new"] for mover in listed] == pytest.approx(sorted(new, reverse=True)[:10])
    assert all(mover["new"] == pytest.approx(new[mover["point"]]) for mover in listed)
    assert listed == sorted(listed, key=lambda mover: (-mover["new"], -mover["shift"]))
    assert len({mover["point"] for mover in listed}) == task_maps.MOVERS


def test_an_unrelated_question_stands_beside_and_gets_no_map():
    random, control = np.random.default_rng(0), Task(task_maps.CONTROL, "do irrelevant_control", "text")
    space, other = (normalize(random.normal(size=(60, 6))) for _ in range(2))
    for third, least, most in ((space, 0, 0), (other, 0.5, 1)):
        data = described({"default": space, "x": other, control.name: third}, control=control)
        assert [task["name"] for task in data["tasks"]] == ["default", "x"]
        assert f"{control.name}_x" not in data["points"][0] and data["control"]["instruction"] == control.instruction
        assert least <= data["control"]["new_neighbours"]["estimate"] <= most
    assert described({"default": space})["control"] is None


def islands(points, values):
    return task_maps._islands(points, values, nearest_neighbors(points, task_maps.K, metric="euclidean"))


def test_a_name_is_written_only_where_its_texts_lie_together():
    random = np.random.default_rng(0)
    values = np.array(["lump", "spread", "torn"])[np.arange(300) % 3]
    points = random.normal(size=(300, 2))
    points[values == "lump"] += [20, 0]
    half = np.arange(300) % 2 == 0
    points[(values == "torn") & half] += [0, 30]
    points[(values == "torn") & ~half] -= [0, 30]
    found = {island["category"]: island for island in islands(points, values)}
    assert set(found) == {"lump", "spread", "torn"}  # nobody else is where they are
    assert abs(points[found["torn"]["point"]][1]) > 25 and points[found["lump"]["point"]] == pytest.approx(
        [20, 0], abs=1
    )
    mixed = islands(random.normal(size=(300, 2)), values)
    assert mixed == [] and islands(points, np.array(["all"] * 300)) == []
    two = np.array(["left", "right"] * 150)  # half of the neighbours are no island where half of all are such
    assert islands(random.normal(size=(300, 2)), two) == []


@pytest.mark.parametrize(
    "control", [Task(task_maps.CONTROL, "do irrelevant_control", "text"), Task("c", "do c", "text")]
)
@pytest.mark.parametrize("most_exact", [4096, 40])
def test_neighbours_are_searched_once_a_space_and_once_a_map(most_exact, control, monkeypatch):
    """Whatever the labels; and of many texts only a sample is compared with all."""
    import sklearn.metrics.pairwise
    from sklearn.neighbors import NearestNeighbors

    searches, compared = [], []
    search, compare = NearestNeighbors.kneighbors, sklearn.metrics.pairwise.euclidean_distances

    def counted(self, *arguments, **options):
        searches.append(self._fit_X.shape)
        return search(self, *arguments, **options)

    def noted(rows, others, **options):
        compared.append((len(rows), *others.shape))
        return compare(rows, others, **options)

    monkeypatch.setattr(NearestNeighbors, "kneighbors", counted)
    monkeypatch.setattr(sklearn.metrics.pairwise, "euclidean_distances", noted)
    monkeypatch.setattr("umap.umap_.nearest_neighbors", None)
    monkeypatch.setattr(task_maps, "MOST_EXACT", most_exact)
    monkeypatch.setattr(task_maps, "SAMPLE", 25)
    random = np.random.default_rng(0)
    spaces = {name: normalize(random.normal(size=(60, 20))) for name in ("default", "b", "c", control.name)}
    tasks = [Task(name, name, "text") for name in ("default", "b", "c")]
    tasks = [control if task.name == control.name else task for task in tasks]
    about = {"corpus": "c", "model": "m", "taught": False}
    told = task_maps.describe(spaces, LABELLED.fillna("(none)"), tasks, about, control)
    assert sorted(searches) == [(60, 2)] * 3 + [(60, 20)] * len(spaces)
    rows = 60 if most_exact > 60 else 25
    assert sum(n for n, m, dim in compared if (m, dim) == (60, 20)) == 3 * rows
    assert sum(n for n, m, dim in compared if (m, dim) == (60, 2)) == 3 * rows
    assert told["control"]["new_neighbours"]["estimate"] > 0.5


def test_of_many_texts_a_sample_says_how_far_to_trust_a_map(monkeypatch):
    random = np.random.default_rng(0)
    spaces = {"default": normalize(random.normal(size=(60, 6)))}
    exact = described(spaces)["tasks"][0]["measures"]["map"]
    assert set(exact) == {"trustworthiness", "continuity", "knn_overlap"}
    monkeypatch.setattr(task_maps, "MOST_EXACT", 59)
    monkeypatch.setattr(task_maps, "SAMPLE", 40)
    found = described(spaces)["tasks"][0]["measures"]["map"]
    sample = found.pop("sample")
    assert found["knn_overlap"] == pytest.approx(exact["knn_overlap"], abs=1e-12)  # known of all
    assert sample.pop("texts") == 40 and set(sample) == {"trustworthiness", "continuity"}
    for name, interval in sample.items():
        assert interval["low"] <= exact[name] <= interval["high"]
        assert found[name] == pytest.approx(interval["estimate"], abs=1e-4) != pytest.approx(exact[name], abs=1e-9)


DESCRIBE_MANY = """
import sys, threading, time
import numpy as np, pandas as pd, psutil
from pathlib import Path
from course_utils.app import task_maps
from course_utils.data import Task
from course_utils.measuring import normalize

n, n_tasks = map(int, sys.argv[1:])
seen, own = [], psutil.Process()


def watch():  # the system's own record of the peak begins, on Linux, with that of the process that started this one
    while True:
        seen.append(own.memory_info().rss)
        time.sleep(0.01)


threading.Thread(target=watch, daemon=True).start()
random = np.random.default_rng(0)
of_a, of_b = random.integers(10, size=n), random.integers(3, size=n)
centres = random.normal(size=(13, 384)).astype(np.float32)
names = ("default", "sentiment", "topic", "toxicity", "control")
spaces = {}
for name in names:
    noise = random.normal(size=(n, 384)).astype(np.float32)
    spaces[name] = normalize(centres[of_a] + 0.5 * centres[10 + of_b] + noise)
frame = pd.DataFrame({"text": [f"text {i}" for i in range(n)], "a": of_a.astype(str), "b": of_b.astype(str)})
tasks = [Task(name, name, "text") for name in names]
about = {"corpus": "c", "model": "m", "taught": True}
task_maps.write_page(task_maps.describe(spaces, frame, tasks[:n_tasks], about, tasks[4]), Path("page"))
print(max(seen))
"""


@pytest.mark.parametrize(("n", "n_tasks", "most"), [(6000, 1, 750), (20_000, 4, 2048)])
def test_the_memory_of_a_page_of_many_texts_is_bounded(n, n_tasks, most, tmp_path, monkeypatch, pytestconfig):
    if n > 6000 and not pytestconfig.getoption("--long"):
        pytest.skip("runs for minutes; --long runs it")
    monkeypatch.chdir(tmp_path)
    peak = int(output_of(start_python(DESCRIBE_MANY, n, n_tasks), timeout=900)) / 2**20
    assert 100 < peak < most
    measures = json.loads((tmp_path / "page" / "data.json").read_text(encoding="utf-8"))["tasks"][0]["measures"]
    assert measures["map"]["sample"]["texts"] == task_maps.SAMPLE


def test_shares_are_those_of_the_neighbours(data):
    near = np.array([point["by_a_neighbours"] for point in data["points"]])
    a = LABELLED["a"].to_numpy()
    assert data["tasks"][1]["measures"]["same_a"]["estimate"] == pytest.approx((a[near] == a[:, None]).mean(), abs=1e-3)
    assert [point["category"] for point in data["points"]] == list(a)
    assert data["labels"] == ["a", "b"] and data["chance"] == pytest.approx(10 / 59)


def test_an_instruction_that_leaves_the_vectors_is_no_result():
    space = normalize(np.random.default_rng(0).normal(size=(60, 6)))
    data = described({"default": space, "ignored": space.copy()})
    ignored = data["tasks"][1]
    assert ignored["effect"] == ["No vector moved: the map is the same."] and data["comparisons"] == 0
    assert ignored["same_vectors"] and ignored["movers"] == [] and "minus_first" not in ignored["measures"]["same_a"]
    assert not data["tasks"][0]["same_vectors"]


def test_a_range_without_ends_is_null():
    assert task_maps._numbers(Interval(0.5, -math.inf, math.inf)) == {"estimate": 0.5, "low": None, "high": None}
    json.dumps(task_maps._numbers(Interval(np.float64(0.5), 0.25, 1)), allow_nan=False)


def test_texts_without_labels_are_described_too():
    spaces = {"default": normalize(np.random.default_rng(0).normal(size=(60, 6)))}
    data = described(spaces, LABELLED[["text"]])
    assert data["labels"] == [] and data["tasks"][0]["effect"] == [] and data["points"][0]["category"] == ""
    assert set(data["points"][0]) == {
        "text_preview",
        "category",
        "labels",
        "default_x",
        "default_y",
        "default_neighbours",
    }


def test_the_script_of_the_page_is_the_same_as_the_data_and_cannot_be_left(data, tmp_path):
    evil = "</script><script>alert(1)</script> \u2028 \u2029 <!-- \" ' \\"
    task_maps.write_page(data | {"corpus": evil}, tmp_path)
    script = (tmp_path / "data.js").read_text(encoding="utf-8")
    assert "<" not in script and "\u2028" not in script and "\u2029" not in script
    assert script.startswith("window.DATA = ") and script.endswith(";\n")
    written = json.loads((tmp_path / "data.json").read_text(encoding="utf-8"))
    assert json.loads(script.removeprefix("window.DATA = ").removesuffix(";\n")) == written
    assert written["corpus"] == evil
    files = {"index.html", "style.css", "page.js", "live.js", "data.js", "data.json", task_maps.MARK}
    assert {path.name for path in tmp_path.iterdir()} == files


def test_the_page_as_one_text_holds_all_and_lets_run_only_that(data, tmp_path):
    evil = '</script><script src=\'page.js\'></script> \u2028 <link rel="stylesheet" href="style.css"> " \' &quot;'
    task_maps.write_page(data | {"corpus": evil}, tmp_path)
    page = task_maps.page_html(tmp_path)
    scripts, styles = (re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL) for tag in ("script", "style"))
    assert [script.strip() for script in scripts] == [
        (tmp_path / name).read_text(encoding="utf-8").strip() for name in ("data.js", "page.js")
    ]
    (policy,) = re.findall('Content-Security-Policy" content="([^"]*)"', page)
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert allowed["default-src"] == "'none'" and set(allowed) == {"default-src", "img-src", "script-src", "style-src"}
    for words, rule in ((scripts, "script-src"), (styles, "style-src")):
        digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in words]
        assert allowed[rule] == " ".join(f"'sha256-{digest}'" for digest in digests)
    (shown,) = re.findall('srcdoc="([^"]*)"', task_maps.frame(tmp_path, 500).data)
    assert html.unescape(shown) == page and "<" not in shown and "height: 500px" in task_maps.frame(tmp_path, 500).data
    with pytest.raises(ValueError, match="holds no page of maps"):
        task_maps.page_html(tmp_path / "no")


def test_a_long_text_is_shortened_at_a_word():
    frame = LABELLED.assign(text=[f"{i} " + "word " * 200 for i in range(60)])
    text = described({"default": np.random.default_rng(0).normal(size=(60, 6))}, frame)["points"][0]["text_preview"]
    assert len(text) < task_maps.PREVIEW + 5 and text.endswith("word …")


# --- what comes in --------------------------------------------------------------------------------------------------


def test_a_csv_with_several_columns_to_colour_by(tmp_path):
    path = tmp_path / "mine.csv"
    LABELLED.rename(columns={"text": "words"}).to_csv(path, index=False)
    frame = task_maps.labelled_texts(str(path), "words", ["a", "b"])
    assert list(frame.columns) == ["text", "a", "b"] and list(frame["b"].unique()) == ["p", "q", "(none)"]
    assert list(task_maps.labelled_texts(str(path), "words").columns) == ["text"]
    assert len(task_maps.labelled_texts(str(path), "words", ["a"], 30)) == 30


def test_a_corpus_of_the_course_knows_its_labels():
    frame = task_maps.labelled_texts("newsgroups", n_per_group=3)
    assert list(frame.columns) == ["text", "group"] and len(frame) == 30
    frame = task_maps.labelled_texts("minimal_pairs", "b", ["kind"])
    assert list(frame.columns) == ["text", "kind"] and frame["text"].is_unique


def test_what_the_command_refuses(folder, tmp_path):
    tasks = ["embed", "--model", folder, "--tasks", "task_prompts.json"]
    out = ["--out", tmp_path / "page"]
    for words, message in (
        (tasks, "--tasks needs a folder in --out"),
        ([*tasks, *out, "--query"], "takes one --corpus and no --instruction or --query"),
        ([*tasks, *out, "--corpus", "meanings", "--corpus", "noticeboard"], "takes one --corpus"),
        ([*tasks, *out, "--corpus", "meanings"], "meanings gives 16 different texts; .* at least 22"),
        ([*tasks, *out, "--label-column", "no"], "noticeboard has no column 'no'. It has id, message"),
        ([*tasks, *out, "--task", "no"], "--task no: the file has default, sentiment"),
        ([*tasks, *out, "--task", "web_search"], "web_search goes on search queries and leaves texts alone"),
        (["embed", "--task", "topic"], "--task and --label-column go with --tasks"),
        ([*tasks[:3], "--tasks", "no.json", *out], "no file of instructions 'no.json'"),
    ):
        with pytest.raises(ValueError, match=message):
            course(*words)
    assert not (tmp_path / "page").exists()


def test_nothing_of_somebody_elses_is_overwritten(folder, tmp_path):
    out = tmp_path / "site"
    out.mkdir()
    (out / "index.html").write_text("my home page", encoding="utf-8")
    with pytest.raises(ValueError, match="holds index.html, not made by this command"):
        course("embed", "--model", folder, "--tasks", "task_prompts.json", "--out", out)
    with pytest.raises(ValueError, match="is a file. With --tasks, --out is a folder"):
        course("embed", "--model", folder, "--tasks", "task_prompts.json", "--out", out / "index.html")
    assert [path.name for path in out.iterdir()] == ["index.html"]
    assert (out / "index.html").read_text(encoding="utf-8") == "my home page"


@pytest.mark.parametrize("name", task_maps.FILES)
def test_a_file_of_a_name_of_the_pages_is_the_users_until_the_mark_says_else(name, data, tmp_path):
    mine = tmp_path / name
    mine.write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match=f"holds {name}, not made by this command"):
        task_maps.write_page(data, tmp_path, write_vectors)
    assert [(path.name, path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()] == [(name, "mine")]
    mine.unlink()
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    task_maps.write_page(data, tmp_path, write_vectors)
    task_maps.write_page(data | {"corpus": "another"}, tmp_path, write_vectors)
    assert {path.name for path in tmp_path.iterdir()} == {*task_maps.FILES, task_maps.MARK, "notes.txt"}
    mine.write_text("mine", encoding="utf-8")  # what was changed by hand since is the user's again
    with pytest.raises(ValueError, match=f"holds {name}, .* changed since"):
        task_maps.write_page(data, tmp_path, write_vectors)
    assert mine.read_text(encoding="utf-8") == "mine"


def test_vectors_that_were_added_to_those_of_a_page_are_not_lost(data, tmp_path):
    task_maps.write_page(data, tmp_path, write_vectors)
    write_vectors(tmp_path / "vectors.safetensors", texts=["one more"])
    with pytest.raises(ValueError, match="holds vectors.safetensors, .* changed since"):
        task_maps.write_page(data, tmp_path, write_vectors)
    assert len(load_embedder(tmp_path / "vectors.safetensors").matrix) == 2


def test_a_kill_at_any_line_leaves_whole_files_and_the_same_command_goes_on(data, tmp_path, request):
    old, new, clean = data | {"corpus": "old"}, data | {"corpus": "new"}, tmp_path / "clean"
    task_maps.write_page(new, clean, write_vectors)
    expected = {path.name: path.read_bytes() for path in clean.iterdir() if path.name != task_maps.MARK}
    step = 1 if request.config.getoption("--long") else 17
    for has_old in (False, True):
        line, killed = 0, True
        while killed:
            out, line = tmp_path / f"{has_old} {line}", line + step
            if has_old:
                task_maps.write_page(old, out, write_vectors)
            out.mkdir(exist_ok=True)
            (out / "notes.txt").write_text("mine", encoding="utf-8")
            killed = kill_at_line(line, task_maps.write_page, new, out, write_vectors) == 9
            for file in (out / "data.json", out / "data.js"):
                if file.exists():
                    written = file.read_text(encoding="utf-8").removeprefix("window.DATA = ").removesuffix(";\n")
                    assert json.loads(written) in (old, new)
            if (out / "vectors.safetensors").exists():
                assert load_embedder(out / "vectors.safetensors").encode(["a text"]).shape == (1, 8)
            task_maps.write_page(new, out, write_vectors)
            left = {path.name: path.read_bytes() for path in out.iterdir() if path.name != task_maps.MARK}
            assert left == expected | {"notes.txt": b"mine"}
            shutil.rmtree(out)
        assert line > 60


def write_vectors(path, texts=("a text",)):
    embedder = fake_embedder()
    add_vectors(path, embedder, texts, {"": embedder.encode(texts, normalize_embeddings=False)}, max_length=16)


def test_without_names_the_first_four_on_the_text():
    query, text = Task("q", "x", "query"), [Task(f"t{i}", f"x{i}", "text") for i in range(5)]
    assert task_maps.choose_tasks({task.name: task for task in [query, *text]}, []) == text[:4]
    assert [task.name for task in task_maps.choose_tasks(load_tasks(), [])] == FOUR
    with pytest.raises(ValueError, match="Every task of the file goes on search queries"):
        task_maps.choose_tasks({"q": query}, [])


def test_a_run_that_broke_off_goes_on_where_it_stopped(own_cache_dir, tmp_path):
    from course_utils.embedding import EmbeddingCache

    embedder = fake_embedder(cache=EmbeddingCache())
    texts, tasks = [f"text {i}" for i in range(30)], list(load_tasks().values())[:4]
    right = embedder.model.encode

    def breaks(texts, *, prompt, **options):
        if "topic" in prompt:
            raise KeyboardInterrupt
        return right(texts, prompt=prompt, **options)

    embedder.model.encode = breaks
    with pytest.raises(KeyboardInterrupt):
        task_maps.embed_tasks(embedder, texts, tasks, None, 32)
    embedder.model.encode, before = right, embedder.model.n_texts
    assert len(task_maps.embed_tasks(embedder, texts, tasks, None, 32)) == 4
    assert embedder.model.n_texts == before + 60


def test_a_page_from_an_endpoint(own_cache_dir, tmp_path):
    with serving(lambda texts: np.tile(fake_vectors(texts), 1024 // SERVED_DIM)) as server:
        course(
            "embed",
            "--endpoint",
            server.url,
            "--model",
            "qwen3-embedding:0.6b",
            "--limit",
            30,
            "--tasks",
            "task_prompts.json",
            "--out",
            tmp_path / "page",
        )
        asked = {text.partition("\n")[0] for request in server.asked for text in request["input"]}
    data = json.loads((tmp_path / "page" / "data.json").read_text(encoding="utf-8"))
    assert len(data["points"]) == 30 and [task["name"] for task in data["tasks"]] == FOUR
    assert "Instruct: Identify the topic or theme of the given text" in asked


def test_knn_accuracy_and_the_page_count_alike(data):
    near = np.array([point["default_neighbours"] for point in data["points"]])
    a = LABELLED["a"].to_numpy()
    space = normalize(np.random.default_rng(0).normal(size=(60, 6)))
    assert (a[near] == a[:, None]).mean() == pytest.approx(knn_accuracy(space, a).mean())
