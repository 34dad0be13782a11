"""What goes wrong on other people's machines: odd paths, a read-only clone, old encodings, two kernels at once.

Other faults are tested beside what they hit: a kill, a full disk and damaged files in test_cache.py, missing or changed
weights and a hub that does not answer in test_embedder.py, an interrupted or wrong download in test_corpora.py.
"""

import json
import os
from pathlib import Path

import nbformat
import numpy as np
import pytest
from helpers import output_of, run_python, start_python, with_mounts
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from course_utils.data import load_corpus
from course_utils.embedding import EmbeddingCache, load_embedder
from course_utils.paths import ROOT

WESTERN = {"PYTHONUTF8": "0", "LC_ALL": "C", "LANG": "C", "PYTHONIOENCODING": ""}  # as Windows had it


def test_two_kernels_load_the_model_and_embed_the_same_texts_at_once(minilm, own_cache_dir, tmp_path):
    code = """
import sys
import numpy as np
import pytest
from course_utils.data import load_corpus
from course_utils.embedding import load_embedder
np.save(sys.argv[1], load_embedder().encode(load_corpus("noticeboard")["message"]))
"""
    results = [tmp_path / "0.npy", tmp_path / "1.npy"]
    for process in [start_python(code, result, OMP_NUM_THREADS="1") for result in results]:
        output_of(process)
    first, second = (np.load(result) for result in results)
    assert np.array_equal(first, second)
    messages = load_corpus("noticeboard")["message"]
    assert np.abs(first - minilm.encode(messages)).max() < 1e-6
    assert len(EmbeddingCache(own_cache_dir / "vectors.sqlite")) == len(messages)
    assert " " in str(own_cache_dir) and not str(own_cache_dir).isascii()  # in such a folder it all works as well


def test_a_clone_that_cannot_be_written(own_cache_dir):
    code = """
import sys
from pathlib import Path
from course_utils.data import OWN_CORPORA, load_corpus
from course_utils.embedding import load_embedder
from course_utils.teaching import exercises
try:
    Path(sys.argv[1], "datasets", "new").touch()
except OSError:
    print(len(exercises(1)) >= 5, sum(len(load_corpus(name)) > 0 for name in OWN_CORPORA) == len(OWN_CORPORA))
    print(load_embedder().encode("a").shape)
"""
    prefix = with_mounts(f"mount --bind '{ROOT}' '{ROOT}'; mount -o remount,ro,bind '{ROOT}'")
    assert run_python(code, ROOT, prefix=prefix, OMP_NUM_THREADS="1").splitlines() == ["True True", "(384,)"]
    assert len(EmbeddingCache(own_cache_dir / "vectors.sqlite")) == 1


READ_EVERYTHING = """
import json, locale, sys
from course_utils.embedding import CATALOG
from course_utils.data import OWN_CORPORA, load_corpus
from course_utils.data.corpora import sts_b
from course_utils.teaching import exercises
assert locale.getencoding().upper() in ("ANSI_X3.4-1968", "US-ASCII", "CP1252"), locale.getencoding()
own = {name: load_corpus(name) for name in OWN_CORPORA}
assert all(len(frame) for frame in (*own.values(), sts_b())) and CATALOG
texts = load_corpus(sys.argv[1])["text"].tolist()
solutions = [repr(exercise.solution()) for exercise in exercises(1)]
print(json.dumps([texts, own["minimal_pairs"]["b"].tolist(), solutions]))
"""


def test_files_are_read_as_utf8_whatever_the_system_thinks(tmp_path):
    path = tmp_path / "Sätze.csv"
    path.write_text("text\nZwölf Boxkämpfer 🥊\nстол\n", encoding="utf-8")
    said, answer = run_python(READ_EVERYTHING, path, **WESTERN).splitlines()
    texts, others, solutions = json.loads(answer)
    assert said.endswith("tze.csv: texts from column 'text', 2 of 2 rows")  # letters that it lacks are no error
    assert texts == ["Zwölf Boxkämpfer 🥊", "стол"]
    assert "Der Laden öffnet um neun." in others and "Asumme täällä jo kymmenettä vuotta." in others
    assert all("def " in solution for solution in solutions)


CELLS = [
    "import locale\n"
    "from course_utils.embedding import EmbeddingCache\n"
    "from course_utils.measuring import Interval\n"
    "from course_utils.teaching import exercises, say\n"
    "from helpers import fake_embedder\n"
    "q1, *_ = exercises(1)\n"
    "print(locale.getencoding())",
    "print(say.comparison('Müller', '日本', Interval(0.5, 0.2, 0.8), 'Genauigkeit'))",
    "q1.check(lambda a, b: a @ b)",
    "print(q1.check(...))\nq1.hint()",
    "print(q1.solution())",
    "print(fake_embedder(EmbeddingCache()).encode(['Zwölf 🥊', 'стол']).shape)",
    "say.sentence('**größer** −1')",
]


def test_a_kernel_in_an_old_encoding_shows_every_sign(own_cache_dir, monkeypatch):
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in CELLS])
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    for name, value in WESTERN.items():
        monkeypatch.setenv(name, value)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown = nbformat.writes(notebook)
    assert "ANSI_X3.4-1968" in shown or "cp1252" in shown
    for words in (
        "**Müller** has a higher Genauigkeit than **日本**",
        "not yet",
        "✎",
        "not attempted",
        "Hint 1 of",
        "def cosine_similarity",
        "(2, 8)",
        "**größer** −1",
    ):
        assert words in shown, words


def test_no_error_or_warning_says_where_a_users_files_are(tmp_path, own_cache_dir, caplog):
    (tmp_path / "broken").mkdir()
    (tmp_path / "texts.csv").write_text("text,n\nfirst,1\n,2\nlast,3\n", encoding="utf-8")
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    (tmp_path / "damaged.sqlite").write_bytes(b"no database" * 1000)
    load_corpus(tmp_path / "texts.csv")
    EmbeddingCache(tmp_path / "damaged.sqlite")
    EmbeddingCache(tmp_path / "file" / "vectors.sqlite")
    attempts = [
        lambda: load_embedder(tmp_path / "none"),
        lambda: load_embedder(tmp_path / "broken"),
        lambda: load_embedder(tmp_path / "none.safetensors"),
        lambda: load_corpus(tmp_path / "none.csv"),
        lambda: load_corpus(tmp_path / "texts.csv", text_column="message"),
        lambda: load_corpus(tmp_path / "none"),
    ]
    said = list(caplog.messages)
    for attempt in attempts:
        with pytest.raises((ValueError, RuntimeError)) as caught:
            attempt()
        said.append(str(caught.value))
    assert len(said) == len(attempts) + 3
    assert [message for message in said if str(tmp_path) in message or str(Path.home()) in message] == []
