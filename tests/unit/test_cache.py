"""The embedding cache: shared, killed, damaged and refused by the disk, and still right."""

import functools
import json
import logging
import random
import sqlite3
import time
import unicodedata
from contextlib import closing
from pathlib import PureWindowsPath
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from helpers import fake_embedder, output_of, run_python, start_python, with_mounts

from course_utils.embedding import EmbeddingCache, EmbeddingOptions
from course_utils.embedding.cache import wal_is_safe
from course_utils.embedding.weights import fingerprint

TEXTS = [f"text number {i}" for i in range(2000)]
LONG = {"dim": 384, "max_seq_length": 64}  # vectors as large as MiniLM's


def file_of(cache):
    """Close the cache and put all of it into its one file, so that bytes can be changed there."""
    cache._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    cache._connection.close()
    return cache.path


def flip(path, position, bits=0xFF):
    data = bytearray(path.read_bytes())
    data[position] ^= bits
    path.write_bytes(data)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vectors.sqlite"


@pytest.fixture
def cache(path):
    return EmbeddingCache(path)


def test_vectors_come_back_as_they_were_given(cache):
    vectors = {bytes([i]) * 32: np.random.default_rng(i).normal(size=384).astype(np.float32) for i in range(3)}
    cache.put_many(vectors)
    assert cache.get_many([]) == {}
    found = cache.get_many([*vectors, b"unknown" * 5])
    assert found.keys() == vectors.keys()
    for key, vector in found.items():
        assert vector.dtype == np.float32
        assert np.array_equal(vector, vectors[key])


def test_another_session_finds_them_and_computes_nothing(path):
    first = fake_embedder(EmbeddingCache(path)).encode(TEXTS)
    second = fake_embedder(EmbeddingCache(path))
    assert np.array_equal(second.encode(TEXTS), first)
    assert second.model.calls == []


def test_nothing_is_looked_up_twice(cache, monkeypatch):
    get_many, looked_up = cache.get_many, []
    monkeypatch.setattr(cache, "get_many", lambda keys: looked_up.append(len(keys)) or get_many(keys))
    embedder = fake_embedder(cache)
    embedder.encode(TEXTS[:300])
    assert looked_up == [300, 256, 44]  # what is there, and after each part which vectors were stored first
    embedder.encode(TEXTS[:300])
    assert looked_up[3:] == [300]


def test_more_keys_than_sqlite_takes_in_one_query(cache):
    vectors = {i.to_bytes(32, "big"): np.float32([i]) for i in range(40_000)}
    cache.put_many(vectors)
    assert len(cache.get_many(list(vectors))) == 40_000


def test_the_first_vector_stored_stays(cache):
    cache.put_many({b"key": np.float32([1])})
    cache.put_many({b"key": np.float32([2])})
    assert cache.get_many([b"key"])[b"key"] == 1


def test_clear_forgets_all_and_the_cache_goes_on(cache):
    embedder = fake_embedder(cache)
    embedder.encode(TEXTS[:20])
    assert len(cache) == 20
    cache.clear()
    assert len(cache) == 0
    embedder.encode(TEXTS[:5])
    assert len(cache) == 5


# --- what the key keeps apart, and what it does not ---------------------------------------------------------------

SEPARATED = {
    "text": ({}, ("a", {}), {}, ("b", {})),
    "capitals": ({}, ("a", {}), {}, ("A", {})),
    "spaces": ({}, ("a", {}), {}, ("a ", {})),
    "composed letters": ({}, ("ä", {}), {}, (unicodedata.normalize("NFD", "ä"), {})),
    "prompt": ({}, ("a", {}), {}, ("a", {"prompt": "p"})),
    "prompt and text": ({}, ("c", {"prompt": "ab"}), {}, ("bc", {"prompt": "a"})),
    "quotes": ({}, ('b", "c', {"prompt": "a"}), {}, ("c", {"prompt": 'a", "b'})),
    "instruction": ({}, ("a", {"instruction": "topic"}), {}, ("a", {"instruction": "mood"})),
    "an instruction or none": ({}, ("a", {}), {}, ("a", {"instruction": "topic"})),
    "max_length": ({}, ("a", {"max_length": 5}), {}, ("a", {"max_length": 6})),
    "dtype": ({}, ("a", {}), {"dtype": "bfloat16"}, ("a", {})),
    "model": ({}, ("a", {}), {"fingerprint": "other weights"}, ("a", {})),
}


@pytest.mark.parametrize("case", SEPARATED)
def test_the_key_separates(case, cache):
    one, (text1, options1), other, (text2, options2) = SEPARATED[case]
    first, second = fake_embedder(cache, **one), fake_embedder(cache, **other)
    first.encode(text1, **options1)
    second.encode(text2, **options2)
    assert second.model.n_texts == (1 if first.model is not second.model else 2)
    assert len(cache) == 2


def test_one_row_serves_all_that_is_done_on_the_way_out(cache):
    embedder = fake_embedder(cache)
    raw = embedder.encode("a", normalize_embeddings=False)
    assert np.linalg.norm(raw) > 1.5
    assert np.allclose(embedder.encode("a"), raw / np.linalg.norm(raw))
    assert np.allclose(embedder.encode("a", truncate_dim=3), raw[:3] / np.linalg.norm(raw[:3]))
    assert np.array_equal(embedder.encode("a", truncate_dim=3, normalize_embeddings=False), raw[:3])
    embedder.encode(["a", "a"], batch_size=1, max_length=16, options=None, prompt="")
    embedder.encode("a", options=EmbeddingOptions(max_length=16))
    assert embedder.model.n_texts == len(cache) == 1


def test_an_instruction_and_the_prompt_it_makes_share_a_row(cache):
    embedder = fake_embedder(cache)
    embedder.encode("a", instruction="topic")
    embedder.encode("a", prompt="Instruct: topic\nQuery:")
    assert embedder.model.n_texts == len(cache) == 1


def test_the_fingerprint_follows_every_file_that_decides_the_vectors(tmp_path):
    folder = tmp_path / "model"
    files = ["model.safetensors", "config.json", "1_Pooling/config.json", "2_Dense/pytorch_model.bin", "vocab.txt"]
    for name in files:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name, encoding="utf-8")
    prints = [fingerprint(folder)]
    for name in files:
        (folder / name).write_text("changed", encoding="utf-8")
        prints.append(fingerprint(folder))
    (folder / "vocab.txt").rename(folder / "merges.txt")
    prints.append(fingerprint(folder))
    assert len(set(prints)) == len(files) + 2
    for name in ("README.md", "training.log"):
        (folder / name).write_text("any", encoding="utf-8")
    assert fingerprint(folder.rename(tmp_path / "moved")) == prints[-1]


# --- several processes --------------------------------------------------------------------------------------------

EMBED = """
import sys
import numpy as np
from helpers import fake_embedder
from course_utils.embedding import EmbeddingCache
path, result, shift, n, seconds = sys.argv[1:]
embedder = fake_embedder(
    EmbeddingCache(path), dim=384, max_seq_length=64, shift=float(shift), seconds_a_call=float(seconds)
)
print("ready", flush=True)
sys.stdin.readline()
np.save(result, embedder.encode([f"text number {i}" for i in range(int(n))], normalize_embeddings=False))
print(embedder.model.n_texts)
"""


def test_two_processes_with_the_same_texts_end_with_one_row_a_text_and_equal_vectors(path, tmp_path):
    # Their arithmetic differs a little, so equal results can only be the stored ones.
    results = [tmp_path / "0.npy", tmp_path / "1.npy"]
    processes = [
        start_python(EMBED, path, result, shift, 2000, 0.05) for result, shift in zip(results, (0, 0.01), strict=True)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    computed = [int(output_of(process)) for process in processes]
    first, second = (np.load(result) for result in results)
    assert np.array_equal(first, second)
    assert np.allclose(first, fake_embedder(**LONG).encode(TEXTS, normalize_embeddings=False), atol=0.011)
    assert len(EmbeddingCache(path)) == 2000
    assert min(computed) > 0  # they did run side by side


def test_a_killed_run_keeps_what_it_had_and_the_next_computes_only_the_rest(path, tmp_path):
    process = start_python(EMBED, path, tmp_path / "never.npy", 0, 2000, 0.1)
    process.stdin.write("go\n")
    process.stdin.flush()
    process.stdout.readline()
    watcher = EmbeddingCache(path)
    give_up = time.monotonic() + 60
    while len(watcher) < 512 and time.monotonic() < give_up:
        time.sleep(0.01)
    process.kill()  # SIGKILL
    process.communicate()
    kept = len(EmbeddingCache(path))
    assert 512 <= kept < 2000
    after = fake_embedder(EmbeddingCache(path), **LONG)
    vectors = after.encode(TEXTS)
    assert after.model.n_texts == 2000 - kept
    assert np.array_equal(vectors, fake_embedder(**LONG).encode(TEXTS))


OPEN_NEW = """
import logging, sys, time
import numpy as np
from course_utils.embedding import EmbeddingCache
logging.basicConfig()  # warnings go to stderr
folder, me = sys.argv[1:]
print("ready", flush=True)
start = float(sys.stdin.readline())
for i in range(30):
    while time.time() < start + 0.05 * i:
        pass
    EmbeddingCache(f"{folder}/{i}.sqlite").put_many({bytes([int(me)]) * 32: np.ones(4)})
"""


def test_eight_processes_open_a_new_cache_at_once(tmp_path):
    processes = [start_python(OPEN_NEW, tmp_path, me) for me in range(8)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write(f"{time.time() + 0.2}\n")
        process.stdin.flush()
    for process in processes:
        errors = process.communicate(timeout=60)[1]
        assert (process.returncode, errors) == (0, "")  # no 'database is locked' either
    assert [len(EmbeddingCache(tmp_path / f"{i}.sqlite")) for i in range(30)] == [8] * 30


def test_an_interrupt_leaves_no_lock_whatever_it_interrupts(path, monkeypatch):
    calls = 0

    class Interrupted(sqlite3.Connection):
        def execute(self, *arguments):
            return self.interrupt(super().execute(*arguments))

        def executemany(self, *arguments):
            return self.interrupt(super().executemany(*arguments))

        def interrupt(self, result):
            nonlocal calls
            calls += 1
            if calls == step:
                raise KeyboardInterrupt
            return result

    original = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", functools.partial(original, factory=Interrupted))
    for step in range(1, 100):
        calls, cache, stopped, key = 0, None, None, step.to_bytes(32, "big")
        try:
            cache = EmbeddingCache(path)
            cache.put_many({key: np.ones(4)})
            cache.get_many([key])
        except KeyboardInterrupt as error:
            stopped = error  # a kernel keeps it, and all that it refers to
        calls = 1000  # no more of them
        with closing(original(path, timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")  # "database is locked" while the first one is still writing
        cache = cache or EmbeddingCache(path)
        cache.put_many({key: np.ones(4)})
        assert np.array_equal(cache.get_many([key])[key], np.ones(4))
        with closing(original(path)) as other:
            assert other.execute("SELECT 1 FROM vectors WHERE key = ?", [key]).fetchone()
        if stopped is None:
            break
    assert step > 5


# --- damage -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", [["vector"], ["checksum"], ["vector", "key"]], ids=" and ".join)
def test_a_flipped_bit_is_noticed_logged_and_computed_again(where, path, caplog):
    texts = TEXTS[:50]
    embedder = fake_embedder(EmbeddingCache(path), **LONG)
    sound = embedder.encode(texts)
    vector = embedder.encode(texts[20], normalize_embeddings=False).tobytes()
    data = file_of(embedder.cache).read_bytes()
    with sqlite3.connect(path) as connection:
        key = connection.execute("SELECT key FROM vectors WHERE vector = ?", [vector]).fetchone()[0]
    # In a row the key (32 bytes), the checksum and the vector follow one another.
    vector_at = data.index(vector)
    key_at = data.rindex(key, 0, vector_at)
    for place in where:
        flip(path, {"vector": vector_at + 700, "checksum": key_at + 34, "key": key_at + 9}[place], bits=4)

    with caplog.at_level(logging.WARNING):
        again = fake_embedder(EmbeddingCache(path), **LONG)
        assert np.array_equal(again.encode(texts), sound)
    assert len(caplog.messages) == 1 and "1 damaged" in caplog.text
    assert again.model.calls == [([texts[20]], "")]

    caplog.clear()
    third = fake_embedder(EmbeddingCache(path), **LONG)
    assert np.array_equal(third.encode(texts), sound)
    assert (third.model.calls, caplog.messages) == ([], [])  # it was repaired


@pytest.mark.parametrize("value", ["5", "0.5", "'a text'", "CAST(x'ff' AS TEXT)", "x''", "x'616263'"])
def test_a_row_that_holds_something_else_is_computed_again(value, path, caplog):
    embedder = fake_embedder(EmbeddingCache(path))
    sound = embedder.encode("a")
    with embedder.cache._connection as connection:
        connection.execute(f"UPDATE vectors SET vector = {value}")
    assert np.array_equal(embedder.encode("a"), sound)
    assert len(caplog.messages) == 1 and "1 damaged" in caplog.text
    embedder.encode("a")
    assert embedder.model.n_texts == 2


def test_wherever_a_byte_flips_vectors_are_right_and_nothing_is_raised(path):
    texts = TEXTS[:60]
    embedder = fake_embedder(EmbeddingCache(path), **LONG)
    sound = embedder.encode(texts)
    data = file_of(embedder.cache).read_bytes()
    page = 16384
    generator = random.Random(0)
    begins = [start + generator.randrange(140) for start in range(0, len(data), page) for _ in range(6)]
    anywhere = [generator.randrange(len(data)) for _ in range(40)]
    logging.disable(logging.CRITICAL)
    try:
        for position in begins + anywhere:
            for old in path.parent.glob("vectors.sqlite*"):
                old.unlink()
            path.write_bytes(data)
            flip(path, position)
            cache = EmbeddingCache(path)
            for _ in range(2):
                assert np.array_equal(fake_embedder(cache, **LONG).encode(texts), sound), position
            if cache._connection:
                cache._connection.close()
    finally:
        logging.disable(logging.NOTSET)


def damage_head(path):
    path.write_bytes(b"this is no database" * 1000)


def damage_pages(path):
    data = bytearray(path.read_bytes())
    data[16384:] = bytes(len(data) - 16384)
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [damage_head, damage_pages])
def test_a_damaged_file_is_set_aside_and_a_new_one_begins(damage, path, caplog):
    embedder = fake_embedder(EmbeddingCache(path), **LONG)
    sound = embedder.encode(TEXTS[:200])
    damage(file_of(embedder.cache))
    damaged = path.read_bytes()

    assert np.array_equal(fake_embedder(EmbeddingCache(path), **LONG).encode(TEXTS[:200]), sound)
    assert len(caplog.messages) == 1 and "vectors.sqlite.damaged" in caplog.text
    assert path.with_name("vectors.sqlite.damaged").read_bytes() == damaged
    fake_embedder(EmbeddingCache(path), **LONG).encode(TEXTS[:200])
    after = fake_embedder(EmbeddingCache(path), **LONG)
    assert np.array_equal(after.encode(TEXTS[:200]), sound)
    assert after.model.calls == []  # kept on disk again
    assert len(caplog.messages) == 1


# --- a disk that refuses ------------------------------------------------------------------------------------------

# Prints what was logged, and how many texts are computed when the same are asked for once more.
REFUSED = """
import json, logging, sys
import numpy as np
from helpers import fake_embedder
from course_utils.embedding import EmbeddingCache
messages = []
logging.getLogger("course_utils.embedding.cache").addFilter(lambda record: messages.append(record.getMessage()))
size = {"dim": 384, "max_seq_length": 64}
texts = [f"text number {i}" for i in range(2000)]
cache = EmbeddingCache(sys.argv[1])
vectors = fake_embedder(cache, **size).encode(texts)
assert np.array_equal(vectors, fake_embedder(**size).encode(texts))
again = fake_embedder(cache, **size)
assert np.array_equal(again.encode(texts), vectors)
print(json.dumps([messages, again.model.n_texts]))
"""


def fell_back(path, prefix):
    """Check that one warning said all; return how many texts had to be computed again."""
    messages, n_again = json.loads(run_python(REFUSED, path, prefix=prefix))
    assert len(messages) == 1, messages
    assert path.name in messages[0] and str(path.parent) not in messages[0]
    assert "in memory" in messages[0] and "COURSE_CACHE_DIR" in messages[0]
    return n_again


def test_a_folder_that_cannot_be_made(tmp_path, caplog):
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    embedder = fake_embedder(EmbeddingCache(tmp_path / "file" / "vectors.sqlite"))
    vectors = embedder.encode(TEXTS)
    assert np.array_equal(embedder.encode(TEXTS), vectors)
    assert embedder.model.n_texts == len(embedder.cache) == 2000
    assert len(caplog.messages) == 1 and "in memory" in caplog.text and "COURSE_CACHE_DIR" in caplog.text
    embedder.cache.clear()
    assert len(embedder.cache) == 0


def test_a_read_only_folder(tmp_path):
    prefix = with_mounts(f"mount --bind '{tmp_path}' '{tmp_path}'; mount -o remount,ro,bind '{tmp_path}'")
    assert fell_back(tmp_path / "vectors.sqlite", prefix) == 0


@pytest.mark.parametrize("journal", ["wal", "wal left behind", "delete"])
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_may_only_be_read_is_read_and_new_vectors_go_to_the_users_own(what, journal, tmp_path):
    path = tmp_path / "a stick, 100 %?" / "vectors.sqlite"
    first = EmbeddingCache(path)
    fake_embedder(first, **LONG).encode(TEXTS[:300])
    if journal == "wal left behind":
        names = [file.name for file in path.parent.iterdir()]
        copies = [(path.parent / name).read_bytes() for name in names]  # as a kill would leave them
        first._connection.close()
        for name, content in zip(names, copies, strict=True):
            (path.parent / name).write_bytes(content)
    else:
        first._connection.execute(f"PRAGMA journal_mode = {journal}")
        first._connection.close()
    place = path if what == "file" else path.parent
    prefix = with_mounts(f"mount --bind '{place}' '{place}'; mount -o remount,ro,bind '{place}'")
    code = REFUSED + "print(len(cache))"
    own = tmp_path / "home" / "text-embeddings-course" / "vectors.sqlite"
    for _ in range(2):
        answer = run_python(code, path, prefix=prefix, XDG_CACHE_HOME=str(tmp_path / "home"))
        assert answer.splitlines() == ["[[], 0]", "2000"]
        assert len(EmbeddingCache(own)) == 1700
    assert len(EmbeddingCache(path)) == 300


@pytest.mark.parametrize("free_kib", [0, 8, 100, 1500])  # the vectors take 3,000
def test_a_full_disk(free_kib, tmp_path):
    prefix = with_mounts(
        f"mount -t tmpfs -o size=2m none '{tmp_path}'; head -c {2048 - free_kib}k /dev/zero > '{tmp_path}/other'"
    )
    assert fell_back(tmp_path / "vectors.sqlite", prefix) == 0  # what the disk took is still read


def test_a_disk_that_fills_up_on_any_platform(cache, caplog):
    # SQLite says the same when its own limit on the size of a file is reached.
    embedder = fake_embedder(cache, **LONG)
    embedder.encode(TEXTS[:10])
    cache._connection.execute("PRAGMA max_page_count = 40")
    vectors = embedder.encode(TEXTS)
    assert np.array_equal(vectors, fake_embedder(**LONG).encode(TEXTS))
    assert len(caplog.messages) == 1 and "full" in caplog.text and "in memory" in caplog.text
    assert np.array_equal(embedder.encode(TEXTS), vectors)
    assert embedder.model.n_texts == len(cache) == 2000
    assert 10 <= len(EmbeddingCache(cache.path)) < 2000


@pytest.mark.parametrize("change", ["ADD COLUMN made REAL NOT NULL DEFAULT 0", "RENAME COLUMN checksum TO sha256"])
def test_a_file_of_another_version_is_said_to_be_one_and_left_alone(change, path, caplog):
    EmbeddingCache(path).put_many({b"old": np.ones(4)})
    with sqlite3.connect(path) as connection:
        connection.execute(f"ALTER TABLE vectors {change}")
    cache = EmbeddingCache(path)
    cache.put_many({b"new": np.ones(4)})
    assert len(caplog.messages) == 1 and "another version" in caplog.text and "in memory" in caplog.text
    found = set(cache.get_many([b"old", b"new"]))
    assert found == {b"old", b"new"} if "ADD" in change else found == {b"new"}
    assert connection.execute("SELECT key FROM vectors").fetchall() == [(b"old",)]


# --- file systems without shared memory ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "safe"),
    [
        ("/home/ann/cache", False),
        ("/home/ann/local/cache", True),
        ("/homely", True),
        ("/auto/ann", False),
        ("/mnt/share/x", False),
        ("/win/x", False),
    ],
)
def test_wal_is_used_on_local_file_systems_only(folder, safe, tmp_path, monkeypatch):
    mounts = [
        ("/", "ext4", "rw"),
        ("/home", "nfs4", "rw"),
        ("/home/ann/local", "xfs", "rw"),
        ("/auto", "autofs", "rw"),
        ("/auto", "nfs4", "rw"),
        ("/mnt/share", "CIFS", "rw"),
        ("/win", "NTFS", "rw,remote"),
    ]
    partitions = [
        SimpleNamespace(mountpoint=str(tmp_path) + mountpoint, fstype=fstype, opts=options)
        for mountpoint, fstype, options in mounts
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: partitions)
    place = tmp_path / folder[1:]
    assert wal_is_safe(place) == safe
    cache = EmbeddingCache(place / "vectors.sqlite")
    cache.put_many({b"key": np.ones(3)})
    mode = sqlite3.connect(cache.path).execute("PRAGMA journal_mode").fetchone()[0]
    assert mode == ("wal" if safe else "delete")
    assert len(EmbeddingCache(cache.path)) == 1


def test_a_windows_share_is_not_safe_and_an_unknown_mount_is(tmp_path, monkeypatch):
    assert not wal_is_safe(PureWindowsPath(r"\\server\home\cache"))
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: [])
    assert wal_is_safe(tmp_path)
