"""How many of the nearest vectors an index finds, how soon, and what it takes to make: 1,000 to 1,000,000 vectors.

`python benchmarks/index.py` writes index.md (an hour on two cores, 4 GB in the temporary folder); `--quick` only
prints, from a few vectors. Each index is made and searched in a process of its own, so that memory can be told apart.
Real vectors are those of overlapping pieces of all public corpora; the questions are pieces of texts that are not in
the index. The libraries were compared once, see the table below.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before any import of huggingface_hub: weights are in packages

import json
import re
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from run import alternate, cell, machine, markdown, with_quartiles, write_report

from course_utils.measuring import Index, index, mean_interval

SIZES, QUICK = (1_000, 10_000, 100_000, 1_000_000), (300, 2_000)
LOOKED_AT = (64, 256, 1024)
N_QUERIES, DIM, SHARD_ROWS = 500, 256, 8192
WORDS, STEP = 20, 3  # a piece has so many words, and the next one begins so many words later
TEXTS = {
    **{"boolq": ("question", "passage"), "code": ("text",), "editorials": ("text",), "fiqa": ("question", "answer")},
    **{"friends": ("text",), "movie_sentences": ("text",), "movie_snippets": ("text",), "newsgroups": ("text",)},
    **{"reviews": ("text",), "sts_b": ("sentence1", "sentence2"), "toxicity_prompts": ("text",), "tweets": ("text",)},
}
#: Measured once, on 100,000 real pieces, by the libraries themselves; two threads to build, one to search. Wheels are
#: those for CPython 3.11 to 3.14 on Linux (x86-64, ARM), macOS (ARM) and Windows.
LIBRARIES = [
    dict(
        zip(
            ("library", "wheels", "installed, MB", "built, s", "file, MB", "recall@10 at ms", "own, mapped MiB"),
            row,
            strict=True,
        )
    )
    for row in (
        ("**usearch 2.26.6**, 8 bits, with cosines", "all", 55, 10.8, 40, "0.928 at 0.29, 0.961 at 0.52", "6, 39"),
        ("usearch, 32 bits", "all", 55, 26.4, 117, "0.931 at 0.59, 0.964 at 1.1", "6, 112"),
        ("faiss-cpu 1.15.1, HNSW, 8 bits", "all", 66, 11.4, 40, "0.937 at 0.20, 0.964 at 0.38", "1, 40"),
        ("faiss-cpu, HNSW, 32 bits", "all", 66, 13.4, 117, "0.940 at 0.24, 0.967 at 0.45", "1, 113"),
        ("faiss-cpu, IVF, 8 bits", "all", 66, 4.1, 28, "0.802 at 1.3, 0.901 at 1.6", "1, 26"),
        ("hnswlib 0.8.0", "none", 8, 12.2, 117, "0.927 at 0.22, 0.967 at 0.41", "124, 0"),
        ("lancedb 0.40.0, IVF and HNSW, 8 bits", "all", 180, 34.0, 149, "0.907 at 3.0", "46, 48"),
        ("DuckDB 2.0.1 with vss", "all, but not of vss", 3, "–", "–", "–", "–"),
    )
]


# --- vectors -----------------------------------------------------------------------------------------------------


def pieces(n: int) -> tuple[list[str], list[str], str]:
    """Up to ``n`` different pieces of real texts in random order, questions from other texts, and what they are."""
    from course_utils.data import load_corpus

    try:
        load_corpus("newsgroups", groups="?")
    except ValueError as error:  # which names all twenty
        groups = re.findall(r"[a-z]+(?:\.[a-z-]+)+", str(error))
    options = {"newsgroups": {"groups": groups, "n_per_group": None}}
    frames = {name: load_corpus(name, **options.get(name, {})) for name in TEXTS}
    texts = list(
        dict.fromkeys(text for name, columns in TEXTS.items() for each in columns for text in frames[name][each])
    )
    rng = np.random.default_rng(0)
    order = rng.permutation(len(texts))
    held_out, searched = order[: 4 * N_QUERIES], order[4 * N_QUERIES :]
    found = list(dict.fromkeys(piece for row in searched for piece in cut(texts[row])))
    known = set(found)
    asked = [piece for row in held_out if (piece := str(rng.choice(cut(texts[row])))) not in known]
    queries = [piece for piece in dict.fromkeys(asked) if len(piece.split()) >= 8][:N_QUERIES]
    kept = [found[row] for row in rng.permutation(len(found))[:n]]
    n_words = sum(len(text.split()) for text in texts)
    about = (
        f"{len(texts):,} different texts of {len(TEXTS)} public corpora, {n_words:,} words, cut into pieces of "
        f"{WORDS} words, each {STEP} words after the one before (shorter texts whole): {len(found):,} different "
        f"pieces, of which a random {len(kept):,} were taken, and of these the first ones. Neighbouring pieces share "
        f"most of their words, so many vectors lie close together. The {len(queries)} questions are one piece each, "
        "of 8 words and more, of texts that were kept out. The model is wordllama-l2-supercat-256."
    )
    return kept, queries, about


def cut(text: str) -> list[str]:
    """The pieces of a text."""
    words = text.split()
    return [" ".join(words[i : i + WORDS]) for i in range(0, max(len(words) - WORDS, 0) + 1, STEP)]


def real(n: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Vectors of real pieces, of questions, and what they are."""
    from course_utils.embedding import load_embedder

    embedder = load_embedder("wordllama-l2-supercat-256", cache=False)
    texts, queries, about = pieces(n)
    parts = [embedder.encode(texts[i : i + 20_000], show_progress_bar=False) for i in range(0, len(texts), 20_000)]
    return np.concatenate(parts), embedder.encode(queries), about


def uniform(n: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Random directions, which have no near neighbours: nothing is harder for a graph."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((n, DIM), dtype=np.float32)
    about = (
        f"uniform on the sphere in {DIM} dimensions, and questions likewise. All are nearly equally far from each "
        "other, so that the nearest are hardly nearer than the rest. Nothing is harder for a graph, and nothing real "
        "is like it."
    )
    return vectors, rng.standard_normal((N_QUERIES, DIM), dtype=np.float32), about


def write_folder(folder: Path, vectors: np.ndarray) -> None:
    """Write vectors as `course embed --out` does, without texts."""
    from course_utils.app.shards import write_shard
    from course_utils.embedding import FOLDER_FORMAT, MANIFEST

    folder.mkdir()
    shards = []
    for start in range(0, len(vectors), SHARD_ROWS):
        part, name = vectors[start : start + SHARD_ROWS], f"vectors-{len(shards):06d}.parquet"
        ids = list(map(str, range(start, start + len(part))))
        write_shard(folder / name, ids, ids, part, {}, keep_text=False)
        shards.append({"name": name, "rows": len(part)})
    manifest = {"format": FOLDER_FORMAT, "dim": vectors.shape[1], "shards": shards, "complete": True}
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


# --- in processes of their own -----------------------------------------------------------------------------------


def own_process(work: str, folder: Path) -> tuple[dict, float]:
    """What a function of this file says of a folder, and the most memory it took, in MiB."""
    settings = os.environ | {"CI": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # of exact search
    command = [sys.executable, __file__, f"--{work}", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=settings)
    watched, peak = psutil.Process(process.pid), 0
    while process.poll() is None:
        try:
            peak = max(peak, watched.memory_info().rss)
        except psutil.Error:
            break
        time.sleep(0.05)
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{work} failed; its error stands above.")
    return json.loads(said), peak / 2**20


def memory() -> np.ndarray:
    """Memory of this process in MiB: its own, and of files that it reads where they lie (Linux)."""
    info = psutil.Process().memory_info()
    mapped = getattr(info, "shared", 0)
    return np.array([info.rss - mapped, mapped]) / 2**20


def build(folder: Path) -> dict:
    """Make an index, with a graph however few vectors there are."""
    index.EXACT_BELOW, before, start = 0, memory(), time.perf_counter()
    Index.build(folder)
    return {"s": time.perf_counter() - start, "before": float(before.sum())}


def search(folder: Path) -> dict:
    """Open an index, ask it, and compare with exact search, in turns."""
    queries = np.load(folder.parent / "queries.npy")
    Index(folder), np.ones((9, 9)) @ np.ones((9, 9))  # what the libraries take is not the index's
    before, start = memory(), time.perf_counter()
    opened = Index(folder)
    seconds = time.perf_counter() - start
    at_once = memory() - before
    for query in queries[:100]:
        opened.search(query[None])
    found: dict = {"open s": seconds, "opened": at_once.tolist(), "asked": (memory() - before).tolist(), "ways": []}
    exact, _ = opened.search(queries, exact=True)
    for looked_at in LOOKED_AT:
        index.LOOKED_AT = looked_at
        graph, _ = opened.search(queries)
        ways = {"graph": opened.search, "exact": partial(opened.search, exact=True)}
        rounds = []
        for some in np.array_split(queries[:100], 10):
            calls = {name: partial(one_by_one, way, some) for name, way in ways.items()}
            rounds.append(alternate(calls, 1)[0] / len(some))
        hits = [len(set(one) & set(other)) / 10 for one, other in zip(graph.tolist(), exact.tolist(), strict=True)]
        found["ways"].append({"looked at": looked_at, "hits": hits, "seconds": pd.concat(rounds).to_dict("list")})
    return found


def one_by_one(way, queries: np.ndarray) -> None:
    """Search for each query on its own."""
    for query in queries:
        way(query[None])


# --- the page ----------------------------------------------------------------------------------------------------


def measure(kind: str, vectors: np.ndarray, n: int, folder: Path) -> tuple[list[dict], dict]:
    """Rows of both tables for the first ``n`` vectors."""
    write_folder(folder, vectors[:n])
    built, peak = own_process("build", folder)
    sizes = {path.suffix: path.stat().st_size / 1e6 for path in folder.glob("index-*")}
    found, _ = own_process("search", folder)
    rows = []
    for way in found["ways"]:
        seconds, recall = pd.DataFrame(way["seconds"]), mean_interval(way["hits"])
        rows.append(
            {
                "vectors": kind,
                "n": n,
                "looked at": way["looked at"],
                "recall@10": f"{recall.estimate:.3f} ({recall.low:.3f}–{recall.high:.3f})",
                "times as fast as exact": with_quartiles(seconds["exact"] / seconds["graph"]),
                "ms a query": with_quartiles(seconds["graph"] * 1000),
                "exact, ms": with_quartiles(seconds["exact"] * 1000),
            }
        )
    shown = {
        f"{name}, MiB: own, mapped": ", ".join(f"{each:.0f}" for each in found[name]) for name in ("opened", "asked")
    }
    making = {
        "vectors": kind,
        "n": n,
        "built, s": float(built["s"]),
        "memory to build, MiB": round(peak - built["before"]),
    }
    making |= {"vectors, MB": cell(float(sizes[".npy"])), "graph, MB": cell(float(sizes[".usearch"]))}
    return rows, making | {"to open, s": float(found["open s"])} | shown


def main() -> None:
    """Measure all sizes of both kinds and write the page."""
    for work in (build, search):
        if f"--{work.__name__}" in sys.argv:
            return print(json.dumps(work(Path(sys.argv[2]))))
    quick = "--quick" in sys.argv[1:]
    sizes, about, searching, making, kinds = QUICK if quick else SIZES, machine(), [], [], {}
    with tempfile.TemporaryDirectory() as temporary:
        for kind, make in (("real", real), ("random", uniform)):
            vectors, queries, kinds[kind] = make(sizes[-1])
            np.save(Path(temporary) / "queries.npy", queries)
            for n in sizes:
                folder = Path(temporary) / f"{kind}-{n}"
                rows, made = measure(kind, vectors, n, folder)
                searching, making = [*searching, *rows], [*making, made]
                print(markdown(rows), markdown([made]), sep="\n", flush=True)
                for path in folder.iterdir():
                    path.unlink()
    told = "\n".join(f"- **{kind}**: {words}" for kind, words in kinds.items())
    write_report(
        __file__,
        "Search by an index",
        about,
        PAGE.format(
            told=told,
            searching=markdown(searching),
            making=markdown(making),
            libraries=markdown(LIBRARIES),
            dim=DIM,
            links=index.LINKS,
            add=index.LOOKED_AT_TO_ADD,
            default=256,
            below=index.EXACT_BELOW,
        ),
        keep=not quick,
    )


PAGE = """`Index` of `course_utils.measuring` over vectors of {dim} dimensions: a graph with links for {links}
neighbours, {add} vectors looked at when one is added. `Index` looks at {default} when it searches, and makes no graph
of fewer than {below:,} vectors; here it made one of each. Exact search compares with all vectors.

{told}

## Searching

One question at a time, with the files in the system's memory; graph and exact search in turns, each by one thread.
Recall@10 is the share of the ten nearest by exact search that the graph finds, a mean over the questions with its 95 %
interval; elsewhere in brackets: the quartiles over ten rounds.

{searching}

## Making and opening

`Index.build` on all cores, which other programs may have used as well; its memory is what came above the libraries.
*opened* and *asked*: new memory of a process that opened the index, and then asked it 100 questions: its own,
and pages of the files that it looked at, which the system may take back. The vectors of exact search are not in it.

{making}

## Why usearch

The libraries by themselves, measured once on 100,000 of the real vectors with links for 16 neighbours and 128 looked at
when one is added; two threads to build, one to search. Wheels: for CPython 3.11 to 3.14 on Linux (x86-64, ARM), macOS
(ARM) and Windows. The last column is new memory after 100 questions. "With cosines": candidates of the graph in the
order of the cosines of the vectors themselves.

{libraries}

faiss is the fastest to search, but brings an OpenMP of its own: on macOS two of them in a process, its and that of
torch, which runs the model of the question, end it or worse (faiss-wheels, 73: open since 2023; not tried here).
hnswlib has no wheels, so that it needs a compiler, and reads its whole file. lancedb is a database, with pyarrow and
pydantic. DuckDB fetches vss from a server of its own, and without a network there is none. usearch has no OpenMP, reads
the file where it lies, in eight bits a number, and with one thread makes the same bytes each time. It is mostly the
work of one person, as is numkong, which it brings; its file can be made anew from the shards at any time.
"""


if __name__ == "__main__":
    main()
