"""`course embed` and `course prefetch`: the price said first, vectors for elsewhere, downloads that go on."""

import json
import shutil
import sys

import numpy as np
import pytest
from endpoint import DIM as SERVED_DIM
from endpoint import fake_vectors, serving
from hub import serving_hub
from safetensors import safe_open
from safetensors.numpy import save_file
from tiny_qwen3 import DIM, build_tiny_qwen3
from typer.testing import CliRunner

from course_utils.app import cli, embed
from course_utils.app.embed import add_vectors, cost_here
from course_utils.app.prefetch import fetch_model
from course_utils.data import load_corpus
from course_utils.embedding import (
    DEFAULT_MODEL,
    EmbeddingOptions,
    EndpointError,
    ModelUnavailableError,
    StoredVectors,
    StoredVectorsError,
    find_model,
    load_embedder,
)

QWEN = find_model("Qwen3-Embedding-0.6B")
TASK = "Identify the topic of the text"
CSV = 'id,words\n1,Das ist ein Text\n2,"one, two"\n3,Das ist ein Text\n4,天气很好\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return build_tiny_qwen3(tmp_path_factory.mktemp("models") / "Qwen3-Embedding-0.6B")


@pytest.fixture(scope="module")
def tiny(folder):
    return load_embedder(folder, cache=False)


@pytest.fixture(scope="module")
def messages():
    return load_corpus("noticeboard")["message"].tolist()


def course(*words):
    done = CliRunner().invoke(cli.app, ["embed", *map(str, words)])
    if done.exception is not None:
        raise done.exception
    return done.output


# --- course embed ---------------------------------------------------------------------------------------------------


def test_a_try_says_what_it_takes_and_what_came(folder, own_cache_dir):
    output = course("--model", folder, "--limit", 10)
    assert output.startswith("Without a graphics card this takes roughly ")
    assert "3.0 GB of memory" in output and "10 vectors of 64 dimensions" in output and "closest: texts" in output


def test_long_work_is_told_with_ways_out(capsys, monkeypatch):
    monkeypatch.setattr(embed.os, "cpu_count", lambda: 2)
    texts = ["x" * 400] * 3200
    cost = cost_here(QWEN, texts)
    assert 3600 < cost.seconds < 4800 and 2.9 < cost.gigabytes < 3.1
    embed.announce("Qwen/Qwen3-Embedding-0.6B", texts, 1, None)
    told = capsys.readouterr().out
    for words in ("minutes on 2 cores and 3.0 GB", "Ctrl-C keeps", "n_per_group=5", "--endpoint"):
        assert words in told
    embed.announce("Qwen3-Embedding-8B", texts, 2, None)
    assert "hours on 2 cores and 30.9 GB" in capsys.readouterr().out
    assert cost_here(QWEN, texts, max_length=10).seconds < cost.seconds / 5


def test_a_file_of_vectors_gives_what_the_model_gives(folder, tiny, messages, tmp_path, own_cache_dir):
    out = tmp_path / "vectors.safetensors"
    course("--model", folder, "--instruction", TASK, "--instruction", "", "--query", "--out", out)
    stored = load_embedder(out)
    assert isinstance(stored, StoredVectors) and stored.card is QWEN and stored.embedding_dim == DIM
    assert stored.max_length == 32768 and len(stored.matrix) == 3 * len(messages)
    for options in ({}, {"instruction": TASK}, {"truncate_dim": 32}, {"normalize_embeddings": False}):
        assert np.allclose(stored.encode(messages, **options), tiny.encode(messages, **options), atol=1e-6)
        assert np.array_equal(
            stored.encode(messages, options=EmbeddingOptions(**options)), stored.encode(messages, **options)
        )
    assert np.allclose(stored.encode_query(messages), tiny.encode_query(messages), atol=1e-6)
    assert np.allclose(stored.encode_document(messages[::-1]), tiny.encode_document(messages)[::-1], atol=1e-6)
    assert stored.encode([]).shape == (0, DIM) and stored.encode(messages[3]).shape == (DIM,)


def test_texts_are_checked_to_the_byte(folder, messages, tmp_path, own_cache_dir):
    out = tmp_path / "v.safetensors"
    course("--model", folder, "--instruction", TASK, "--out", out)
    stored = load_embedder(out)
    changed = [*messages[:4], messages[4] + " ", "another text of which nothing is told"]
    with pytest.raises(StoredVectorsError, match="2 of 6 texts are not in it under this prompt, .* at position 4") as e:
        stored.encode(changed, instruction=TASK)
    assert "nothing is told" not in str(e.value) and str(tmp_path) not in str(e.value)
    assert repr(f"Instruct: {TASK}\nQuery:") in str(e.value) and "course embed" in str(e.value)
    for wrong in ({"instruction": TASK + "."}, {}, {"prompt": f"Instruct: {TASK}\nQuery: "}):
        with pytest.raises(StoredVectorsError, match="not in it under this prompt"):
            stored.encode(messages, **wrong)
    with pytest.raises(StoredVectorsError, match="cut at 32768 tokens and not at 12"):
        stored.encode(messages, instruction=TASK, max_length=12)
    with pytest.raises(ValueError, match="truncate_dim=65"):
        stored.encode(messages, instruction=TASK, truncate_dim=65)
    with pytest.raises(ModelUnavailableError, match="no tokenizer of transformers here"):
        stored.tokenizer  # noqa: B018


def test_files_grow_and_take_one_maker_only(folder, tiny, messages, tmp_path, own_cache_dir):
    out, csv = tmp_path / "v.safetensors", tmp_path / "mine.csv"
    csv.write_text(CSV, encoding="utf-8")
    course("--model", folder, "--limit", 7, "--out", out)
    course("--model", folder, "--corpus", csv, "--text-column", "words", "--out", out)
    output = course("--model", folder, "--limit", 9, "--corpus", "noticeboard", "--corpus", csv, "--out", out)
    assert "holds 12 vectors now" in output
    stored = load_embedder(out)
    texts = [*messages[:9], "one, two", "天气很好", "Das ist ein Text"]
    assert np.allclose(stored.encode(texts), tiny.encode(texts), atol=1e-6)  # batches of other sizes round otherwise
    before = out.read_bytes()
    for other in (["--dtype", "bfloat16"], ["--max-length", "50"], ["--model", DEFAULT_MODEL]):
        with pytest.raises(StoredVectorsError, match="made in another way"):
            course("--model", folder, "--out", out, *other)
    assert out.read_bytes() == before and [p.name for p in tmp_path.glob("v.*")] == ["v.safetensors"]
    with pytest.raises(ValueError, match=r"ends in \.safetensors"):
        course("--model", folder, "--limit", 2, "--out", tmp_path / "v.npy")


def test_what_the_file_tells_of_the_machine_that_wrote_it(folder, messages, tmp_path, own_cache_dir):
    own = shutil.copytree(folder, tmp_path / "secret-folder" / "my-model")
    course("--model", own, "--out", tmp_path / "v.safetensors")
    written = (tmp_path / "v.safetensors").read_bytes()
    assert b"secret-folder" not in written and messages[0].encode() not in written
    assert load_embedder(tmp_path / "v.safetensors").card.name == "my-model"


@pytest.mark.parametrize("damage", ["a byte", "the end", "a name in the header", "no vectors", "empty", "not there"])
def test_a_damaged_file_is_refused(damage, tiny, tmp_path):
    path = tmp_path / "v.safetensors"
    add_vectors(path, tiny, ["a", "b"], {"": tiny.encode(["a", "b"])}, max_length=10)
    data = path.read_bytes()
    if damage == "not there":
        path.unlink()
    elif damage == "no vectors":
        save_file({"weights": np.ones(3)}, path)
    else:
        spoilt = {
            "a byte": data[:-3] + bytes([data[-3] ^ 1]) + data[-2:],
            "the end": data[:-20],
            "a name in the header": data.replace(b'prompts\\": [\\"\\"]', b'prompts\\": [\\"X\\"]'),
            "empty": b"",
        }[damage]
        assert spoilt != data
        path.write_bytes(spoilt)
    with pytest.raises(StoredVectorsError, match="v.safetensors") as caught:
        load_embedder(path)
    assert str(tmp_path) not in str(caught.value)


def test_a_corpus_of_ones_own(tiny, folder, tmp_path, own_cache_dir):
    csv = tmp_path / "mine.csv"
    csv.write_text(CSV, encoding="utf-8")
    assert "3 vectors" in course("--model", folder, "--corpus", csv, "--text-column", "words")
    with pytest.raises(ValueError, match="--text-column 'no' is not in mine.csv"):
        course("--model", folder, "--corpus", csv, "--text-column", "no")
    with pytest.raises(ValueError, match="--text-column no: noticeboard has the columns id, message"):
        course("--model", folder, "--text-column", "no")
    pairs = load_corpus("minimal_pairs")
    assert f"{len({*pairs['a'], *pairs['b']})} vectors" in course("--model", folder, "--corpus", "minimal_pairs")


def test_vectors_from_an_endpoint(messages, tmp_path, own_cache_dir, monkeypatch):
    key = "sk-do-not-tell"
    monkeypatch.setenv("EMBEDDINGS_API_KEY", key)
    out = tmp_path / "v.safetensors"
    with serving() as server:
        output = course("--endpoint", server.url, "--model", "some-model", "--query", "--instruction", "", "--out", out)
        assert "Without a graphics card" not in output and f"{SERVED_DIM} dimensions" in output
    stored = load_embedder(out)
    exact = fake_vectors(messages)
    assert np.allclose(stored.encode(messages, normalize_embeddings=False), exact, atol=1e-6)
    assert key.encode() not in out.read_bytes() and key not in output
    assert b"127.0.0.1" not in out.read_bytes()
    with safe_open(out, framework="numpy") as file:
        about = json.loads(file.metadata()["about"])
    assert about["card"]["name"] == "some-model" and about["prompts"] == [""]
    with serving() as server, pytest.raises(EndpointError, match="the key was refused"):
        server.always(401)
        course("--endpoint", server.url, "--model", "some-model", "--limit", 3)


# --- course prefetch ------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(folder, tmp_path, monkeypatch):
    import huggingface_hub.constants as constants
    from huggingface_hub import file_download

    with serving_hub(QWEN.name, QWEN.revision, folder) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        # read from the environment when huggingface_hub is imported
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", running.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        # 10 MB, of which nothing is kept if they do not arrive whole: the tiny model is smaller than that
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
        monkeypatch.setattr(file_download.time, "sleep", lambda seconds: None)
        yield running


def weights(tmp_path):
    (file,) = tmp_path.rglob("model.safetensors")
    return file.resolve()


def test_prefetch_says_the_size_and_a_lesson_finds_it_without_the_hub(hub, tiny, tmp_path, capsys, monkeypatch):
    fetch_model("qwen3-embedding-0.6b")
    told = capsys.readouterr().out
    assert "(1,192 MB, fetched once)" in told and "ready: 7 files, 0.2 MB, each as the hub states it" in told
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    embedder = load_embedder("Qwen/Qwen3-Embedding-0.6B", cache=False)
    assert np.array_equal(embedder.encode_query("a"), tiny.encode_query("a"))
    fetch_model("Qwen/Qwen3-Embedding-0.6B")
    assert "the hub cannot be reached to compare them" in capsys.readouterr().out
    assert hub.ranges == [None]


def test_a_download_that_broke_off_goes_on_where_it_stopped(hub, tmp_path, capsys):
    hub.cut_after = 50_000

    def cut_then_dead(asked):
        hub.ranges.append(asked)
        hub.cut_after = 0

    hub.on_weights = cut_then_dead
    with pytest.raises(ModelUnavailableError, match=r"broke off .* after 0\.1 of 0\.2 MB .* goes on from there"):
        fetch_model("Qwen/Qwen3-Embedding-0.6B")
    assert not list(tmp_path.rglob("model.safetensors"))
    assert hub.ranges[0] is None and set(hub.ranges[1:]) == {"bytes=50000-"}
    hub.cut_after, hub.ranges = None, []
    hub.on_weights = lambda asked: hub.ranges.append(asked)
    fetch_model("Qwen/Qwen3-Embedding-0.6B")
    assert hub.ranges == ["bytes=50000-"] and "ready" in capsys.readouterr().out
    assert weights(tmp_path).read_bytes() == hub.files["model.safetensors"]
    fetch_model("Qwen/Qwen3-Embedding-0.6B")
    assert len(hub.ranges) == 1


def test_what_changed_on_the_disk_is_fetched_again(hub, tmp_path, capsys):
    fetch_model("Qwen/Qwen3-Embedding-0.6B")
    sound = weights(tmp_path).read_bytes()
    config = next(tmp_path.rglob("config.json")).resolve()
    weights(tmp_path).write_bytes(sound[:-1] + b"x")
    config.write_bytes(b"{}")
    capsys.readouterr()
    fetch_model("Qwen/Qwen3-Embedding-0.6B")
    told = capsys.readouterr().out
    assert "2 of its files changed on this disk" in told and "each as the hub states it" in told
    assert weights(tmp_path).read_bytes() == sound


def test_what_arrives_changed_is_not_kept(hub, tmp_path):
    hub.spoilt = 1
    with pytest.raises(ModelUnavailableError, match="is not what the hub states, and was not kept"):
        fetch_model("Qwen/Qwen3-Embedding-0.6B")
    assert not list(tmp_path.rglob("model.safetensors"))
    fetch_model("Qwen/Qwen3-Embedding-0.6B")
    assert weights(tmp_path).read_bytes() == hub.files["model.safetensors"]


def test_a_model_that_the_hub_does_not_have(hub):
    with pytest.raises(ModelUnavailableError, match="did not give the weights of 'somebody/any-model'"):
        fetch_model("somebody/any-model")


def test_what_needs_no_hub_is_only_looked_at(folder, capsys):
    fetch_model(DEFAULT_MODEL)
    fetch_model(str(folder))
    assert capsys.readouterr().out.count("ready: ") == 2


def test_prefetch_loads_no_model(hub, monkeypatch):
    monkeypatch.setattr(sys.modules["sentence_transformers"], "SentenceTransformer", None)
    assert CliRunner().invoke(cli.app, ["prefetch", "Qwen/Qwen3-Embedding-0.6B", DEFAULT_MODEL]).exit_code == 0


def test_a_receipt_says_what_of_the_texts_is_not_read(tmp_path, own_cache_dir):
    file = tmp_path / "mine.csv"
    file.write_text("text\n" + "\n".join(["river " * 508, "river " * 509, "A short text."]) + "\n", encoding="utf-8")
    output = course("--corpus", file)
    assert "mine.csv: texts from column 'text', 3 of 3 rows" in output
    assert "2 of 3 texts are longer than 256 tokens: 50 % of their words are not read" in output
    assert "all texts are read whole" in course("--limit", 3)


@pytest.mark.parametrize("words", [[], ["--tasks", "tasks.json", "--out", "page"]])
def test_errors_name_the_options_of_the_command(tmp_path, words):
    file = tmp_path / "mine.csv"
    file.write_text("Id,Pros,Cons\n1,It is light,Too dim for me\n2,It was cheap,One leg broke\n", encoding="utf-8")
    with pytest.raises(ValueError, match="not clear; .* Name it with --text-column, for example --text-column 'Cons'"):
        course("--corpus", file, *words)
    with pytest.raises(ValueError, match="Name the right one, for example -p sep="):
        file.write_text("a;b,c\n1;2,3\n", encoding="utf-8")
        course("--corpus", file, *words)
