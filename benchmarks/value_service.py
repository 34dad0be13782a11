"""How fast the web service of a value learner answers, offered more and more requests a second.

`python benchmarks/value_service.py` writes value_service.md (about two minutes); `--quick` only prints, at tiny sizes.
The service runs in this process, on loopback; the requests come from another. They come when they come (at random
moments, whether or not the ones before are answered), and the time of each counts from the moment it was due.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before any import of huggingface_hub: the default model's weights are a package

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time

import numpy as np
import pandas as pd
import psutil
from run import machine, markdown, with_quartiles, write_report

from course_utils.app import serve
from course_utils.data import load_corpus
from course_utils.embedding import EmbeddingCache, load_embedder
from course_utils.learning import EmbeddingValueLearner

FULL = {"rates": [10, 50], "flood": 400, "seconds": 5, "rounds": 3}
QUICK = {"rates": [10], "flood": 20, "seconds": 1, "rounds": 1}
AIM = {"rate": 50, "p99 ms": 100}
TEXTS_A_CALL = {"one text a call": 1, "what waits together": serve.BATCH}


async def ask(port: int, due: float, text: str) -> float | None:
    """Send a text when it is due; return the ms until its answer has come, or None if that was no score."""
    await asyncio.sleep(due - time.perf_counter())
    body = json.dumps({"text": text}).encode()
    head = "POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    answer = await reader.read()
    writer.close()
    return (time.perf_counter() - due) * 1000 if b" 200 OK" in answer and b'"score":' in answer else None


async def offer(port: int, rate: float, n: int, seed: int) -> dict[str, float]:
    """Offer ``n`` requests at ``rate`` a second on average, at random moments; every text is a new one."""
    chance, began = random.Random(seed), time.perf_counter() + 0.1
    due = began
    asked = []
    for i in range(n):
        due += chance.expovariate(rate)
        asked.append(ask(port, due, f"A walk of {i} miles to house {seed}-{chance.randrange(10**6)} by the river"))
    took = await asyncio.gather(*asked)
    seconds, answered = time.perf_counter() - began, [each for each in took if each is not None]
    p50, p99 = np.percentile(answered, [50, 99])
    return {"answered a second": len(answered) / seconds, "p50 ms": p50, "p99 ms": p99, "failed": n - len(answered)}


def from_another_process(port: int, rate: float, n: int, seed: int) -> dict[str, float]:
    """Let another Python do the asking."""
    arguments = [str(each) for each in ("--offer", port, rate, n, seed)]
    done = subprocess.run([sys.executable, __file__, *arguments], check=True, capture_output=True, encoding="utf-8")
    return json.loads(done.stdout)


def measure(sizes: dict, address: str) -> pd.DataFrame:
    """Offer every rate to both ways of calling the model, in turns: a row each time."""
    port, rows = int(address.rsplit(":", 1)[1]), []
    from_another_process(port, 10, 20, 0)  # to warm up
    for round_ in range(sizes["rounds"]):
        for rate in (*sizes["rates"], sizes["flood"]):
            for way, serve.BATCH in TEXTS_A_CALL.items():
                n = rate * (sizes["seconds"] if rate in sizes["rates"] else 1)
                seed, busy = len(rows) + 1, others()
                found = from_another_process(port, rate, n, seed)
                rows.append({"round": round_, "way": way, "rate": rate} | found | {"others": busy})
    return pd.DataFrame(rows)


def others() -> float:
    """Look how many percent of the processor are in use while nothing is asked."""
    return psutil.cpu_percent(interval=0.3)


def report(sizes: dict, found: pd.DataFrame) -> str:
    """Make the tables and what is to be said of them."""
    single, shared = TEXTS_A_CALL
    of = {key: rows.reset_index(drop=True) for key, rows in found.groupby(["way", "rate"])}
    columns = ["answered a second", "p50 ms", "p99 ms"]
    rows = []
    for rate in found["rate"].unique():
        for way in TEXTS_A_CALL:
            here = of[way, rate]
            ratio = of[single, rate]["p99 ms"] / here["p99 ms"]
            rows.append(
                {"offered a second": int(rate), "calls of the model": way, "p99, times as short": with_quartiles(ratio)}
                | {name: with_quartiles(here[name]) for name in columns}
                | {"failed": int(here["failed"].sum())}
            )
    faster = of[shared, sizes["flood"]]["answered a second"] / of[single, sizes["flood"]]["answered a second"]
    return f"""{markdown(rows)}

`/predict` with a text of about 15 tokens that no cache knows, the default model, a new connection each. The two took
turns, {sizes["rounds"]} rounds of {sizes["seconds"]} s each (of 1 s where {sizes["flood"]} come a second, more than
can be answered). Medians and, in brackets, quartiles over the rounds. Asking takes its share of the same cores. Just
before the parts of the run, other programs used {with_quartiles(found["others"])} % of the processor.

Aim: {AIM["rate"]} requests a second with a p99 below {AIM["p99 ms"]} ms, where what waits together shares a call.
{verdict(of.get((shared, AIM["rate"])))}

Offered {sizes["flood"]} a second, the service answers {with_quartiles(faster)} times as many with up to
{TEXTS_A_CALL[shared]} texts in a call as with one.
"""


def verdict(at_aim: pd.DataFrame | None) -> str:
    """Say in which of the rounds the aim was reached, and what else ran then."""
    if at_aim is None:
        return "Not measured."
    reached = at_aim["p99 ms"] < AIM["p99 ms"]
    each = [f"{p99:.0f} ms (others used {busy:.0f} %)" for p99, busy in at_aim[["p99 ms", "others"]].to_numpy()]
    return f"Reached in {reached.sum()} of {len(reached)} rounds: {', '.join(each)}."


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try it out; nothing is written")
    parser.add_argument("--offer", nargs=4, type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.offer:
        port, rate, n, seed = arguments.offer
        return print(json.dumps(asyncio.run(offer(int(port), rate, int(n), int(seed)))))
    sizes, about = QUICK if arguments.quick else FULL, machine()
    posts = load_corpus("posts")["text"].head(100)
    with tempfile.TemporaryDirectory() as folder:
        embedder = load_embedder(cache=EmbeddingCache(f"{folder}/vectors.sqlite"))
        learner = EmbeddingValueLearner(embedder, ridge_alpha=1).fit(posts, posts.str.len())
        with serve.running(learner) as address:
            found = measure(sizes, address)
    print(found.round(1).to_string(), file=sys.stderr)
    write_report(__file__, "The web service of a value learner", about, report(sizes, found), keep=sizes is FULL)


if __name__ == "__main__":
    main()
