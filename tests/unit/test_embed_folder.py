"""`course embed --out FOLDER`: shards that are whole or not there, and a run that goes on exactly where it stopped."""

import random
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import psutil
import pyarrow.parquet
import pytest
from helpers import fake_embedder, kill_at_line
from typer.testing import CliRunner

from course_utils.app import cli
from course_utils.app.embed import Encoding
from course_utils.app.embed_folder import Corpus, Engine, Job, ShardWriter, check_folder, embed_folder, estimate
from course_utils.app.shards import read_about, write_shard
from course_utils.embedding import LocalEmbedder, ShardError, load_embedder, read_manifest, read_shards, text_digest

STATIC = "wordllama-l2-supercat-256"
TEXTS = [f"text {i} is {'long ' * (i % 7)}and ends" for i in range(23)]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "my texts é.csv"
    rows = [f"name {i},{text}" for i, text in enumerate(TEXTS)]
    path.write_text("\n".join(["id,text", *rows, "empty,"]), encoding="utf-8")
    return path


def job_in(folder, **changes):
    return replace(Job(Encoding("fake", None, "float32", None, 32), folder, keep_text=True, shard_rows=5), **changes)


def corpus_of(*names, **changes):
    return replace(Corpus(tuple(map(str, names)), [], "id", None, {}), **changes)


def run(folder, table, embedder=None, names=(), **changes):
    embed_folder(job_in(folder, **changes), corpus_of(*names or [table]), Engine(), embedder or fake_embedder())


def rows_of(folder):
    """Everything that the shards say, as one comparable value."""
    files = [pyarrow.parquet.read_table(folder / shard["name"]) for shard in read_manifest(folder)["shards"]]
    return [row for file in files for row in file.to_pylist()]


def course(*words):
    done = CliRunner().invoke(cli.app, ["embed", *map(str, words)])
    if done.exception is not None:
        raise done.exception
    return done.output


# --- what is in the folder -------------------------------------------------------------------------------------------


def test_rows_vectors_and_what_made_them(tmp_path, table, capsys):
    embedder = fake_embedder()
    run(tmp_path / "out", table, embedder)
    rows = rows_of(tmp_path / "out")
    assert [row["id"] for row in rows] == [f"name {i}" for i in range(23)]
    assert [row["text"] for row in rows] == TEXTS
    assert [row["text_sha256"] for row in rows] == list(map(text_digest, TEXTS))
    wanted = embedder.encode(TEXTS, normalize_embeddings=False)
    assert np.array_equal(np.array([row["vector"] for row in rows], dtype=np.float32), wanted)
    shards = list(read_shards(tmp_path / "out"))
    assert [len(shard.ids) for shard in shards] == [5, 5, 5, 5, 3]
    assert np.array_equal(np.concatenate([shard.vectors for shard in shards]), wanted)
    manifest, schema = (
        read_manifest(tmp_path / "out"),
        pyarrow.parquet.read_schema(tmp_path / "out/vectors-000000.parquet"),
    )
    assert schema.field("vector").type.list_size == manifest["dim"] == 8
    about = read_about(tmp_path / "out/vectors-000004.parquet")
    assert about["rows"] == 3
    for name in ("fingerprint", "prompt", "max_length", "card"):
        assert about[name] == manifest[name]
    assert not (tmp_path / "out/texts").exists() and not list((tmp_path / "out").glob(".*.part"))
    said = capsys.readouterr().out
    assert "out holds 23 vectors of 8 dimensions" in said and "each text once, as planned" in said


def test_without_texts_and_without_names(tmp_path, table):
    embed_folder(job_in(tmp_path / "out", keep_text=False), corpus_of(table, id_column=None), Engine(), fake_embedder())
    rows = rows_of(tmp_path / "out")
    assert set(rows[0]) == {"id", "text_sha256", "vector"}
    assert [row["id"] for row in rows] == [f"{table.name}:{i + 2}" for i in range(23)]


def test_texts_of_like_length_share_a_batch(tmp_path, table, minilm, monkeypatch):
    seen, real = [], minilm.model.forward
    monkeypatch.setattr(minilm.model, "forward", lambda given, **more: (seen.append(given), real(given, **more))[1])
    job = job_in(tmp_path / "out", encoding=Encoding("minilm", None, "float32", None, 4), shard_rows=None)
    uncached = LocalEmbedder(minilm.model, minilm.card, fingerprint=minilm.fingerprint)
    embed_folder(job, corpus_of(table), Engine(), uncached)
    counts = [batch["attention_mask"].sum(axis=1) for batch in seen]
    assert len(counts) == 6
    assert sum(int(len(c) * c.max() - c.sum()) for c in counts) < 0.1 * sum(int(c.sum()) for c in counts)


def test_the_receipt_is_that_of_the_whole_corpus(tmp_path, minilm, capsys):
    path = tmp_path / "long.csv"
    texts = ["river " * 508, "short", "der die das und ist nicht", "river " * 508]
    path.write_text("text\n" + "\n".join(texts), encoding="utf-8")
    encoding = Encoding("minilm", None, "float32", None, 32)
    embed_folder(Job(encoding, tmp_path / "out", True, 1), corpus_of(path, id_column=None), Engine(), minilm)
    assert minilm.receipt(texts) in capsys.readouterr().out


# --- a run that stops ------------------------------------------------------------------------------------------------


def test_killed_at_any_line_the_next_run_gives_what_a_whole_one_gives(tmp_path, table, pytestconfig):
    run(tmp_path / "whole", table)
    wanted, draw, killed = rows_of(tmp_path / "whole"), random.Random(0), 0
    n_lines = 4000
    for trial in range(60 if pytestconfig.getoption("long") else 20):
        folder = tmp_path / f"out{trial}"
        for _ in range(draw.randint(1, 3)):
            killed += kill_at_line(draw.randrange(n_lines), run, folder, table) == 9
        run(folder, table)
        assert rows_of(folder) == wanted
        assert sorted(path.name for path in folder.iterdir() if path.name[0] != ".") == sorted(
            path.name for path in (tmp_path / "whole").iterdir() if path.name[0] != "."
        )
        shutil.rmtree(folder)
    assert killed > 10


@pytest.mark.parametrize("when", ["reading", "embedding", "late"])
def test_an_interrupted_run_keeps_whole_shards_and_says_that_it_is_unfinished(tmp_path, table, when):
    class Stops(type(fake_embedder().model)):
        def encode(self, texts, **options):
            if len(self.calls) == {"embedding": 2, "late": 4}[when]:
                raise KeyboardInterrupt
            return super().encode(texts, **options)

    embedder = fake_embedder()
    if when == "reading":
        with table.open("a", encoding="utf-8") as file:
            file.write('\nlate,"open')
        with pytest.raises(ValueError, match="does not fall into"):
            run(tmp_path / "out", table)
        table.write_text("id,text\n" + "\n".join(f"name {i},{text}" for i, text in enumerate(TEXTS)), encoding="utf-8")
    else:
        embedder.model.__class__ = Stops
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "out", table, embedder)
        assert len(list((tmp_path / "out").glob("vectors-*"))) == {"embedding": 2, "late": 4}[when]
        with pytest.raises(ShardError, match="out is not finished"):
            list(read_shards(tmp_path / "out"))
    fresh = fake_embedder()
    run(tmp_path / "out", table, fresh)
    assert fresh.model.n_texts == {"reading": 23, "embedding": 13, "late": 3}[when]


def test_a_second_run_embeds_nothing(tmp_path, table, capsys):
    run(tmp_path / "out", table)
    before, embedder = (tmp_path / "out/manifest.json").read_bytes(), fake_embedder()
    run(tmp_path / "out", table, embedder)
    assert embedder.model.n_texts == 0 and (tmp_path / "out/manifest.json").read_bytes() == before
    assert "23 of them were done before" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["lost", "empty", "cut", "bytes", "rows", "order", "text", "textless", "model"])
def test_a_shard_that_is_not_as_planned_is_made_again(tmp_path, table, damage):
    run(tmp_path / "out", table)
    wanted, shard = rows_of(tmp_path / "out"), tmp_path / "out/vectors-000002.parquet"
    ids, texts = [f"name {i}" for i in range(10, 15)], TEXTS[10:15]
    about = {name: value for name, value in read_about(shard).items() if name != "rows"}
    vectors = np.ones((5, 8), dtype=np.float32)
    if damage == "lost":
        shard.unlink()
    elif damage in ("empty", "cut"):
        shard.write_bytes(shard.read_bytes()[: 0 if damage == "empty" else 300])
    elif damage == "bytes":
        whole = shard.read_bytes()
        at = whole.index(np.float32(wanted[11]["vector"][2]).tobytes())
        shard.write_bytes(whole[:at] + bytes(4) + whole[at + 4 :])
    elif damage == "textless":
        write_shard(shard, ids, texts, vectors, about | {"with_text": False}, keep_text=False)
    elif damage == "rows":
        write_shard(shard, ids[:4], texts[:4], vectors[:4], about)
    elif damage == "order":
        write_shard(shard, ids[::-1], texts, vectors, about)
    elif damage == "text":
        write_shard(shard, ids, [*texts[:4], "another"], vectors, about)
    else:
        write_shard(shard, ids, texts, vectors, about | {"fingerprint": "another"})
    embedder = fake_embedder()
    run(tmp_path / "out", table, embedder)
    assert rows_of(tmp_path / "out") == wanted and embedder.model.n_texts == 5


def test_a_disk_that_is_full_leaves_no_half_shard(tmp_path, table, monkeypatch):
    real, calls = pyarrow.parquet.write_table, []

    def full(table, file, **options):
        calls.append(file)
        if len(calls) == 8:  # five parts, then the third shard
            file.write(b"PAR1 half")
            raise OSError(28, "No space left on device")
        real(table, file, **options)

    monkeypatch.setattr(pyarrow.parquet, "write_table", full)
    with pytest.raises(OSError, match="No space left"):
        run(tmp_path / "out", table)
    assert len(list((tmp_path / "out").glob("vectors-*"))) == 2 and not list((tmp_path / "out").glob(".*.part"))
    run(tmp_path / "out", table)
    assert len(rows_of(tmp_path / "out")) == 23


# --- what cannot be --------------------------------------------------------------------------------------------------


def test_a_folder_of_other_vectors_is_left_alone(tmp_path, table):
    run(tmp_path / "out", table)
    before = rows_of(tmp_path / "out")
    for changes, message in (
        ({"embedder": fake_embedder(fingerprint="another")}, "by another model, prompt or length"),
        ({"prompt": "query: "}, "by another model, prompt or length"),
        ({"keep_text": False}, "by another model|with other columns"),
    ):
        with pytest.raises(ValueError, match=message):
            run(tmp_path / "out", table, **changes)
    table.write_text("id,text\n1,other\n", encoding="utf-8")
    with pytest.raises(ValueError, match="of other files"):
        run(tmp_path / "out", table)
    assert rows_of(tmp_path / "out") == before


def test_folders_that_are_none(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/letter.txt").write_text("x", encoding="utf-8")
    for name, message in (("file", "takes a folder"), ("x.npz", "takes a folder"), ("full", "holds letter.txt")):
        with pytest.raises(ValueError, match=message):
            check_folder(tmp_path / name)
    check_folder(tmp_path / "new")
    for name in ("new", "full"):
        with pytest.raises(ShardError, match=f"{name} is no folder of vectors"):
            read_manifest(tmp_path / name)


@pytest.mark.parametrize("words", ["", "{", "{}", '{"parts": [{}]}'])
def test_a_plan_that_is_damaged_is_named(tmp_path, table, words):
    run(tmp_path / "out", table)
    (tmp_path / "out/plan.json").write_text(words, encoding="utf-8")
    with pytest.raises(ValueError, match="plan.json in out is not what the run wrote"):
        run(tmp_path / "out", table)


def test_a_plan_that_was_edited_is_not_believed(tmp_path, table):
    run(tmp_path / "out", table)
    plan = tmp_path / "out/plan.json"
    plan.write_text(plan.read_text(encoding="utf-8").replace('"rows": 5', '"rows": 4'), encoding="utf-8")
    with pytest.raises(ValueError, match="plan.json in out is not what the run wrote"):
        run(tmp_path / "out", table)


def test_a_shard_too_many_and_a_folder_without_a_plan(tmp_path, table):
    run(tmp_path / "out", table)
    shutil.copy(tmp_path / "out/vectors-000000.parquet", tmp_path / "out/vectors-000009.parquet")
    with pytest.raises(ValueError, match="vectors-000009.parquet does not belong to it"):
        run(tmp_path / "out", table)
    (tmp_path / "out/plan.json").unlink()
    with pytest.raises(ValueError, match="no plan.json that says"):
        check_folder(tmp_path / "out")


def test_one_file_under_two_names(tmp_path, table):
    copied = shutil.copy(table, tmp_path / "copy.csv")
    with pytest.raises(ValueError, match="copy.csv is a copy of my texts é.csv"):
        run(tmp_path / "out", table, names=(table, copied))
    with pytest.raises(ValueError, match="my texts é.csv is given twice"):
        corpus_of(table, tmp_path / "x" / ".." / table.name).files()


def test_ids_that_come_twice_are_named_across_shards_and_files(tmp_path, table):
    other = tmp_path / "other.csv"
    other.write_text("id,text\nfresh,one\nname 3,two\n", encoding="utf-8")
    with pytest.raises(ValueError, match="texts 4 and 25 have the same id, 'name 3'"):
        embed_folder(job_in(tmp_path / "out"), corpus_of(table, other), Engine(), fake_embedder())


def test_two_runs_at_once(tmp_path, table):
    class Waits(type(fake_embedder().model)):
        def encode(self, texts, **options):
            if not self.calls:
                with pytest.raises(ValueError, match="out is being written by another run"):
                    run(tmp_path / "out", table)
            return super().encode(texts, **options)

    embedder = fake_embedder()
    embedder.model.__class__ = Waits
    run(tmp_path / "out", table, embedder)
    assert len(rows_of(tmp_path / "out")) == 23


def test_vectors_that_are_no_numbers_stop_the_run(tmp_path, table):
    class Breaks(type(fake_embedder().model)):
        def vector(self, text):
            return super().vector(text) * (np.nan if "text 7 " in text else 1)

    embedder = fake_embedder()
    embedder.model.__class__ = Breaks
    with pytest.raises(ValueError, match="no numbers for the text name 7"):
        run(tmp_path / "out", table, embedder)


# --- which texts -----------------------------------------------------------------------------------------------------


def test_files_folders_and_patterns(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name in ("one.csv", "two.csv"):
            (tmp_path / folder / name).write_text(f"text\n{folder} {name}\n", encoding="utf-8")
    (tmp_path / "a" / "notes.md").write_text("no table", encoding="utf-8")

    def ids(*names, **changes):
        batches = corpus_of(*names, **{"id_column": None, **changes}).batches()
        return [name for batch in batches for name in batch["id"]]

    assert ids(tmp_path / "a") == ids(tmp_path / "a/*.csv") == ["one.csv:2", "two.csv:2"]
    both = ids(tmp_path / "a", tmp_path / "b")
    assert both == ["a/one.csv:2", "a/two.csv:2", "b/one.csv:2", "b/two.csv:2"]
    assert ids(tmp_path / "a", tmp_path / "b", limit=3) == both[:3]
    assert ids("noticeboard")[:2] == ["noticeboard:1", "noticeboard:2"]
    for name, message in (("x*.csv", "no file has such a name"), (".", "the folder holds no table")):
        with pytest.raises(ValueError, match=message):
            ids(tmp_path / "a" / ".." / name)
    with pytest.raises(ValueError, match="one.csv is given twice"):
        ids(tmp_path / "a/one.csv", tmp_path / "a/one.csv")
    with pytest.raises(ValueError, match="choose one with --text-column"):
        ids("sts_b")


def test_dry_run_says_what_there_is_and_writes_nothing(tmp_path, table, minilm, capsys):
    estimate(job_in(tmp_path / "out", shard_rows=None), corpus_of(table), Engine(), minilm)
    said = capsys.readouterr().out
    n_tokens = sum(len(minilm.tokenizer(text)["input_ids"]) for text in TEXTS)
    assert re.search(f"23 texts, about {n_tokens} tokens, \\d+ s, by 23 of them; 1 shard, 0.0 MB of vectors", said)
    assert not (tmp_path / "out").exists()


def test_a_sample_speaks_for_a_long_corpus(tmp_path, minilm, capsys):
    texts = ["word " * (1 + i % 20) for i in range(5000)]
    path = tmp_path / "many.csv"
    path.write_text("text\n" + "\n".join(texts), encoding="utf-8")
    estimate(job_in(tmp_path / "out"), corpus_of(path, id_column=None), Engine(), minilm)
    said = capsys.readouterr().out
    counted, error = float(said.split("about ")[1].split()[0]), float(said.split("± ")[1].split()[0])
    exact = sum(3 + i % 20 for i in range(5000))
    assert abs(counted - exact) <= 2 * error / 100 * exact and 1 < error < 6


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_from_end_to_end(tmp_path, table):
    said = course("--corpus", table, "--id-column", "ID", "--model", STATIC, "--out", tmp_path / "out")
    assert "my texts é.csv: texts from column 'text', 23 of 24 rows" in said and "holds 23 vectors of 256" in said
    (shard,) = read_shards(tmp_path / "out")
    assert np.array_equal(shard.vectors, load_embedder(STATIC).encode(TEXTS, normalize_embeddings=False))
    with pytest.raises(ValueError, match="one --instruction"):
        course("--corpus", table, "--instruction", "a", "--query", "--model", STATIC, "--out", tmp_path / "x")
    with pytest.raises(ValueError, match="go with a folder in --out"):
        course("--corpus", table, "--id-column", "id", "--out", tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="max_length=1 must be"):
        course("--corpus", table, "--max-length", 1, "--model", STATIC, "--out", tmp_path / "x")
    with pytest.raises(ValueError, match="--engine spark: it is local or ray"):
        course("--corpus", table, "--engine", "spark", "--out", tmp_path / "x")
    with pytest.raises(ValueError, match="--workers and --address go with"):
        course("--corpus", table, "--workers", 2, "--out", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_without_ray_the_way_to_it_is_named(tmp_path, table, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"needs the package ray: .*\[scale\]"):
        course("--corpus", table, "--model", STATIC, "--out", tmp_path / "out", "--engine", "ray")
    assert "holds 23 vectors" in course("--corpus", table, "--model", STATIC, "--out", tmp_path / "out")


def kill_tree(process):
    for each in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
        each.kill()
    process.wait()


def test_what_stops_a_worker_comes_back_in_words(tmp_path, table):
    embedder = fake_embedder()
    embedder.encode = None  # and no model is asked where there is nothing to do
    job = job_in(tmp_path / "out")
    (tmp_path / "out/texts").mkdir(parents=True)
    said = ShardWriter(job, embedder)({"part": np.array([3])})["said"]
    assert "000003.parquet" in said[0]


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_killed_processes_lose_nothing(tmp_path, engine, pytestconfig):
    """Two workers of Ray in processes of their own give the vectors of one process; killed and run again, too."""
    path, long = tmp_path / "texts.csv", pytestconfig.getoption("long")
    texts = [f"text {i} {'of some length ' * (i % 9)}" for i in range(400)]
    path.write_text("text\n" + "\n".join(texts), encoding="utf-8")
    words = ["--corpus", path, "--model", STATIC, "--shard-rows", "20"]
    course(*words, "--out", tmp_path / "whole")
    words += ["--engine", engine, *(["--workers", "2"] if engine == "ray" else [])]
    command = [sys.executable, "-m", "course_utils.app.cli", "embed", *map(str, words), "--out"]
    draw, n_kills = (
        random.Random(1),
        {("local", False): 4, ("local", True): 20, ("ray", True): 5}.get((engine, long), 0),
    )
    for kill in range(n_kills):
        process = subprocess.Popen(
            [*command, str(tmp_path / "out")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(draw.uniform(0.5, 4 if engine == "local" else 25))
        kill_tree(process)
        if kill % 5 == 4 and (tmp_path / "out/manifest.json").exists():
            shutil.rmtree(tmp_path / "out")  # a new beginning
    done = subprocess.run([*command, str(tmp_path / "out")], capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "whole")
