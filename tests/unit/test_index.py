"""`Index` and `course search`: what is nearest is found, and an index of anything else is found out."""

import json
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from endpoint import serving
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_qwen3 import build_tiny_qwen3
from typer.testing import CliRunner

from course_utils.app import cli
from course_utils.app.search import embed_question, one_line
from course_utils.app.shards import write_shard
from course_utils.embedding import FOLDER_FORMAT, MANIFEST, ShardError, load_embedder, read_manifest
from course_utils.measuring import Index, IndexUnavailableError, index, normalize


def write_folder(folder, vectors, *, shard_rows=1000, keep_text=True, complete=True):
    """A folder as `course embed` writes it; row i is called "row i"."""
    folder.mkdir(exist_ok=True)
    shards = []
    for start in range(0, len(vectors), shard_rows):
        part, name = vectors[start : start + shard_rows], f"vectors-{len(shards):06d}.parquet"
        ids = [f"row {i}" for i in range(start, start + len(part))]
        texts = [f"text\nof {each}" for each in ids]
        write_shard(folder / name, ids, texts, part, {}, keep_text=keep_text)
        shards.append({"name": name, "rows": len(part)})
    manifest = {"format": FOLDER_FORMAT, "dim": vectors.shape[1], "shards": shards, "complete": complete}
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def clustered(n, seed=0, dim=32):
    """Vectors of different lengths around a few hundred directions, as texts on some subjects have them."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(200, dim))[rng.integers(200, size=n)]
    return ((centres + 0.5 * rng.normal(size=(n, dim))) * rng.uniform(0.1, 9, size=(n, 1))).astype(np.float32)


def recall(found, truth):
    return np.mean([len(set(one) & set(other)) / len(other) for one, other in zip(found, truth, strict=True)])


@pytest.fixture
def with_graph(monkeypatch):
    """A graph, however few vectors there are."""
    monkeypatch.setattr(index, "EXACT_BELOW", 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a graph, its vectors, and questions."""
    folder = write_folder(tmp_path_factory.mktemp("Käthes 数据") / "some vectors", clustered(6000), shard_rows=1700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "EXACT_BELOW", 0)
        return Index.build(folder), clustered(6000), clustered(6300)[6000:]


@pytest.fixture
def copied(made, tmp_path):
    return shutil.copytree(made[0].folder, tmp_path / "copy")


# --- what is found --------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), n=st.integers(1, 90), dim=st.integers(1, 9), block=st.integers(1, 99), data=st.data())
def test_exact_search_is_that_of_numpy(tmp_path_factory, seed, n, dim, block, data):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, dim)).astype(np.float32) * rng.integers(0, 2, size=(n, 1))  # some are zeros
    vectors[rng.integers(n, size=n // 3)] = vectors[0]
    queries, k = rng.normal(size=(data.draw(st.integers(0, 5)), dim)), data.draw(st.integers(1, n))
    made = Index.build(write_folder(tmp_path_factory.mktemp("f") / "f", vectors, shard_rows=37))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "_ROWS", block)
        patch.setattr(index, "_QUERIES", 2)
        positions, cosines = made.search(queries, k)
    truth = normalize(queries) @ normalize(vectors.astype(np.float64)).T
    assert positions.shape == cosines.shape == (len(queries), k)
    np.testing.assert_allclose(cosines, -np.sort(-truth, axis=1)[:, :k], atol=1e-5)
    np.testing.assert_allclose(cosines, np.take_along_axis(truth, positions, axis=1), atol=1e-5)
    assert all(len(set(row)) == k for row in positions.tolist())


def test_the_graph_finds_nearly_all_and_says_their_cosines(made):
    opened, vectors, queries = made
    positions, cosines = opened.search(queries)
    truth, _ = opened.search(queries, exact=True)
    assert recall(positions, truth) > 0.95
    expected = np.take_along_axis(normalize(queries) @ normalize(vectors).T, positions, axis=1)
    np.testing.assert_allclose(cosines, expected, atol=1e-6)
    assert (np.diff(cosines, axis=1) <= 0).all()
    for i in (0, 7):  # one question alone
        assert recall(opened.search(queries[i : i + 1])[0], positions[i : i + 1]) == 1


def test_the_graph_of_other_vectors_would_be_seen(made, tmp_path, with_graph):
    opened, vectors, queries = made
    other = Index.build(write_folder(tmp_path / "other", vectors[::-1].copy()))
    truth, _ = opened.search(queries, exact=True)
    opened._graph, own = other._graph, opened._graph
    try:
        assert recall(opened.search(queries)[0], truth) < 0.5
    finally:
        opened._graph = own


def test_a_graph_that_finds_too_few_is_helped_out(tmp_path, with_graph):
    vectors = np.zeros((1000, 4), dtype=np.float32)
    vectors[[5, 500, 900]] = np.eye(4)[:3]
    positions, cosines = Index.build(write_folder(tmp_path / "zeros", vectors)).search(np.array([[3, 2, 1, 0]]))
    assert positions[0, :3].tolist() == [5, 500, 900] and cosines[0, 3:].tolist() == [0] * 7


def test_few_vectors_have_no_graph_and_need_no_library(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    folder = write_folder(tmp_path / "few", clustered(300))
    positions, _ = Index.build(folder).search(clustered(300)[:3], 1)
    assert positions.ravel().tolist() == [0, 1, 2]
    assert sorted(path.suffix for path in folder.glob("index*")) == [".json", ".npy"]


def test_rows_have_ids_and_texts(made, tmp_path):
    opened, _, _ = made
    found = opened.rows([5999, 0, 1700, 0, 1699])
    assert found["id"].tolist() == ["row 5999", "row 0", "row 1700", "row 0", "row 1699"]
    assert found["text"].tolist() == [f"text\nof {each}" for each in found["id"]]
    assert opened.rows([])["id"].tolist() == []
    bare = Index.build(write_folder(tmp_path / "bare", clustered(9), keep_text=False))
    assert bare.rows([3]).to_dict("list") == {"id": ["row 3"]}


def test_one_thread_makes_the_same_graph_each_time(tmp_path, with_graph):
    made = [Index.build(write_folder(tmp_path / name, clustered(2000)), threads=1) for name in "ab"]
    one, other = (next(each.folder.glob("*.usearch")).read_bytes() for each in made)
    assert one == other


def test_opening_reads_no_vectors(tmp_path, monkeypatch):
    n_bytes = 4 * 80_000 * 256
    monkeypatch.setattr(index, "EXACT_BELOW", 10**9)
    folder = write_folder(tmp_path / "large", clustered(80_000, dim=256), shard_rows=20_000, keep_text=False)
    Index.build(folder)
    code = (
        "import psutil, sys, numpy as np\nfrom course_utils.measuring import Index\nfrom filelock import FileLock\n"
        "Index(sys.argv[1])\nhere = psutil.Process()\nbefore = here.memory_info().rss\nindex = Index(sys.argv[1])\n"
        "print(here.memory_info().rss - before)\nindex.search(np.ones((1, 256)))\n"
        "print(here.memory_info().rss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, encoding="utf-8", check=True)
    opened, searched = map(int, done.stdout.split())
    assert opened < 0.2 * n_bytes
    assert searched > 0.6 * n_bytes  # exact search looks at all: the measure would have seen it


# --- what is refused ------------------------------------------------------------------------------------------------


def test_searches_that_cannot_be_answered(made):
    opened, _, queries = made
    for k in (0, -1, 6001, 2.0, True):
        with pytest.raises(ValueError, match=r"k=.* from 1 to 6000"):
            opened.search(queries, k)
    for wrong in (queries[0], queries[:, :5]):
        with pytest.raises(ValueError, match=r"must be \(m, 32\)"):
            opened.search(wrong)
    for value in (0, np.nan, np.inf):
        some = queries[:3].copy()
        some[1] = value
        with pytest.raises(ValueError, match=r"query_vectors\[1\] has no direction"):
            opened.search(some)
    assert opened.search(queries[:0])[0].shape == (0, 10)


def test_folders_of_which_no_index_is_made(tmp_path, monkeypatch):
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(ShardError, match="no folder of vectors"):
            Index.build(folder)
    with pytest.raises(ShardError, match="not finished"):
        Index.build(write_folder(tmp_path / "half", clustered(5), complete=False))
    with pytest.raises(ShardError, match="holds no vectors"):
        Index.build(write_folder(tmp_path / "empty", clustered(0)))
    vectors = clustered(40)
    vectors[33, 2] = np.nan
    with pytest.raises(ShardError, match="'row 33' in wrong is not finite"):
        Index.build(write_folder(tmp_path / "wrong", vectors, shard_rows=20))
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    monkeypatch.setattr(index, "EXACT_BELOW", 10)
    with pytest.raises(ValueError, match=r"usearch.*\[scale\]"):
        Index.build(write_folder(tmp_path / "many", clustered(40)))
    for folder in ("wrong", "many"):
        assert not list((tmp_path / folder).glob("index*"))


def test_without_an_index_the_way_to_one_is_named(tmp_path):
    with pytest.raises(IndexUnavailableError, match=r"some has no index.*course search"):
        Index(write_folder(tmp_path / "some", clustered(5)))


def other_shard(folder):
    write_folder(folder.parent / "new", clustered(1700, seed=1), shard_rows=1700)
    (folder.parent / "new" / "vectors-000000.parquet").replace(folder / "vectors-000001.parquet")
    return "stale: vectors-000001.parquet"


def one_more_shard(folder):
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    shutil.copy(folder / "vectors-000000.parquet", folder / "vectors-000009.parquet")
    manifest["shards"].append({"name": "vectors-000009.parquet", "rows": 1700})
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return "stale: vectors-000009.parquet"


def fewer_shards(folder):
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    manifest["shards"].pop()
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return "stale: vectors-000003.parquet"


def another_order(folder):
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    manifest["shards"].reverse()
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return "another order"


def foreign_index(folder):
    other = Index.build(write_folder(folder.parent / "foreign", clustered(6000, seed=1), shard_rows=1700))
    for path in other.folder.glob("index*"):
        shutil.copy(path, folder)
    return "stale: vectors-000000.parquet"


def broken_off(folder):
    path = next(folder.glob("*.usearch"))
    path.write_bytes(path.read_bytes()[:-100])
    return f"{path.name} in copy is missing or damaged"


def no_vectors(folder):
    path = next(folder.glob("*.npy"))
    path.unlink()
    return f"{path.name} in copy is missing or damaged"


def end_of_zeros(folder):
    path = next(folder.glob("*.npy"))
    path.write_bytes(path.read_bytes()[:-3000] + bytes(3000))
    return f"{path.name} in copy is missing or damaged"


def no_json(folder):
    (folder / "index.json").write_text("{", encoding="utf-8")
    return "index.json in copy is damaged"


def other_version(folder):
    (folder / "index.json").write_text('{"format": "index 9"}', encoding="utf-8")
    return "index.json in copy is damaged, or of another version"


DAMAGES = [other_shard, one_more_shard, fewer_shards, another_order, foreign_index]
DAMAGES += [broken_off, no_vectors, end_of_zeros, no_json, other_version]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_stale_foreign_or_damaged_index_is_named_and_made_anew(copied, damage, with_graph):
    Index(copied)
    words = damage(copied)
    with pytest.raises(IndexUnavailableError, match=words):
        Index(copied)
    index.EXACT_BELOW = 10**9  # the rest is quicker without; with_graph puts it back
    again = Index.build(copied)
    assert len(again) == sum(shard["rows"] for shard in again.manifest["shards"])
    assert len(list(copied.glob("index-*"))) == 1


# --- killed, and two at once ----------------------------------------------------------------------------------------

BUILD = "import sys\nfrom course_utils.measuring import Index\nprint(len(Index.build(sys.argv[1])))"


def test_a_kill_leaves_no_half_index(tmp_path):
    folder = write_folder(tmp_path / "many", clustered(40_000), shard_rows=500, keep_text=False)
    process = subprocess.Popen([sys.executable, "-c", BUILD, folder], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    while process.poll() is None and not any(path.stat().st_size > 10**5 for path in folder.glob("index-*")):
        time.sleep(0.01)
    process.kill()
    assert process.communicate()[0] == b"" and list(folder.glob("index-*"))
    with pytest.raises(IndexUnavailableError, match="has no index"):
        Index(folder)
    left = set(folder.glob("index-*"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "EXACT_BELOW", 10**9)
        assert len(Index.build(folder)) == 40_000
    assert not left & set(folder.glob("index-*"))


def test_an_error_on_the_way_leaves_nothing(copied, monkeypatch, with_graph):
    other_shard(copied)
    n_synced = []

    def fail_at_the_second(_):
        n_synced.append(1)
        if len(n_synced) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(index.os, "fsync", fail_at_the_second)
    with pytest.raises(OSError, match="No space"):
        Index.build(copied)
    assert not list(copied.glob("index-*"))
    with pytest.raises(IndexUnavailableError, match="copy is missing or damaged"):
        Index(copied)


def test_two_at_once_make_one(tmp_path):
    folder = write_folder(tmp_path / "some", clustered(3000))
    command = [sys.executable, "-c", BUILD, folder]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate()[0].split() for process in both] == [[b"3000"]] * 2
    assert len(list(folder.glob("index-*"))) == 1


# --- course search --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build_tiny_qwen3(tmp_path_factory.mktemp("models") / "Qwen3-Embedding-0.6B")


def course(*words):
    done = CliRunner().invoke(cli.app, [*map(str, words)])
    if done.exception is not None:
        raise done.exception
    return done


@pytest.fixture(scope="module")
def embedded(model, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "notes é"
    course("embed", "--model", model, "--corpus", "noticeboard", "--out", out)
    return out


def test_a_search_says_what_it_makes_and_prints_a_line_each(model, embedded, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    first = course("search", embedded, "a lost cat", "--model", model)
    assert "notes é has no index. It is made now" in first.stderr and "40 vectors, ready after" in first.stderr
    lines = first.stdout.splitlines()
    assert len(lines) == 5 and all(len(line) <= 60 for line in lines)
    again = course("search", embedded, "a lost cat", "--model", model, "-k", 2)
    assert again.stderr == "" and again.stdout.splitlines() == lines[:2]


def test_programs_get_json(model, embedded):
    answer = json.loads(course("search", embedded, "where is münster?", "--model", model, "-k", 99, "--json").stdout)
    assert answer["question"] == "where is münster?" and len(answer["found"]) == 40
    similarities = [each["similarity"] for each in answer["found"]]
    assert similarities == sorted(similarities, reverse=True)
    embedder = load_embedder(model, cache=False)
    text, query = answer["found"][0]["text"], embedder.encode_query("where is münster?")
    assert similarities[0] == pytest.approx(float(embedder.encode_document(text) @ query), abs=1e-5)


def test_the_question_has_the_prompt_that_belongs_to_the_texts(model, embedded, tmp_path):
    embedder = load_embedder(model, cache=False)
    manifest = read_manifest(embedded)
    own = embedder.encode_query("a cat")
    np.testing.assert_allclose(embed_question(manifest, "a cat", model), own, atol=1e-6)
    task = embedder.card.prompt_for("Identify the topic")
    same = embed_question(manifest | {"prompt": task}, "a cat", model)
    np.testing.assert_allclose(same, embedder.encode("a cat", prompt=task), atol=1e-6)
    assert float(own @ same) < 0.999


def test_another_model_is_refused(embedded, tmp_path, model):
    with pytest.raises(ShardError, match="--model"):
        embed_question(read_manifest(embedded) | {"fingerprint": "other torch.float32"}, "a cat", model)


def test_a_folder_that_a_server_made_is_asked_through_it(tmp_path, own_cache_dir):
    with serving() as server:
        made = ["--endpoint", server.url, "--model", "some-model", "--out", tmp_path / "far"]
        course("embed", "--corpus", "noticeboard", *made)
        done = course("search", tmp_path / "far", "a cat", "--endpoint", server.url, "-k", 3)
    assert len(done.stdout.splitlines()) == 3


def test_questions_and_folders_that_are_none(tmp_path, embedded):
    with pytest.raises(ShardError, match="no folder of vectors"):
        course("search", tmp_path / "none", "a cat")
    with pytest.raises(ValueError, match="question is empty"):
        course("search", embedded, " ")


def test_texts_are_shown_on_one_line():
    assert one_line("a\nb\x1b[2Jc\tdé", 99) == "a b [2Jc dé"
    assert one_line("abcdef", 4) == "abc…"


def test_vectors_of_an_index_that_changed_in_the_middle_are_not_believed(tmp_path):
    folder = tmp_path / "vectors"
    write_folder(folder, clustered(3000))
    Index.build(folder)
    (path,) = folder.glob("index-*.npy")
    content = bytearray(path.read_bytes())
    for place in (5000, 200_000):
        content[place : place + 2000] = b"\xff" * 2000
    path.write_bytes(content)
    with pytest.raises(IndexUnavailableError, match="The index of vectors is (damaged|stale)|is missing or damaged"):
        Index(folder).search(clustered(5, seed=1), k=3)
