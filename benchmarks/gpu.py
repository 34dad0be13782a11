"""How fast models of two sizes embed on a GPU: `python benchmarks/gpu.py FOLDER` writes benchmarks/gpu.md.

FOLDER holds all-MiniLM-L6-v2's tokenizer and config.json. The weights are drawn at random: how long a network takes
does not depend on what they are, so nothing is downloaded. It needs torch with CUDA, transformers and
sentence-transformers.
"""

import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import sentence_transformers
import torch
import transformers
from sentence_transformers import SentenceTransformer
from transformers import AutoTokenizer, BertConfig, BertModel, Qwen3Config, Qwen3Model

ROUNDS = 3
HEAD = """# Embedding on a GPU

Written by `python benchmarks/gpu.py`; do not edit. Weights are drawn at random, as they do not change how long a
network takes. Of the small model whole calls of `encode` are measured, tokenizing on the processor included; of the
large one the network alone.

**Machine:** {about}.

| model | precision | tokens a text | batch | texts a second | slowest to fastest round | thousand tokens a second |
| --- | --- | --- | --- | --- | --- | --- |
"""
# Qwen3-Embedding-0.6B's own config.json
LARGE = {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16}
LARGE |= {"num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151669, "max_position_embeddings": 32768}


def seconds(work) -> list[float]:
    """Seconds of each round, after one that is not counted."""
    times = []
    for _ in range(ROUNDS + 1):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return times[1:]


def rates(n: int, times: list[float]) -> dict[str, float]:
    """Texts a second, by the median round and by the slowest and fastest."""
    return {"texts_a_second": n / statistics.median(times), "slowest": n / max(times), "fastest": n / min(times)}


def small_model(folder: Path, dtype: torch.dtype) -> SentenceTransformer:
    """MiniLM with random weights as a SentenceTransformer, which tokenizes, sorts by length and pools."""
    with torch.device("cuda"):
        network = BertModel(BertConfig.from_pretrained(folder)).to(dtype)
    saved = folder / "random"
    network.save_pretrained(saved)
    AutoTokenizer.from_pretrained(folder).save_pretrained(saved)
    return SentenceTransformer(str(saved), device="cuda", model_kwargs={"dtype": dtype})


def measure_small(folder: Path) -> list[dict]:
    """Whole calls of encode, tokenizing and sorting included, on texts of words drawn at random."""
    generator = np.random.default_rng(0)
    words = [word for word in (folder / "vocab.txt").read_text("utf-8").split() if word.isalpha() and len(word) > 2]
    rows = []
    for dtype in (torch.float32, torch.bfloat16):
        model = small_model(folder, dtype)
        for tokens, n in ((13, 8192), (60, 4096), (250, 2048)):
            texts = [" ".join(generator.choice(words, tokens - 2)) for _ in range(n)]
            for batch_size in (32, 512):
                times = seconds(
                    lambda t=texts, b=batch_size, m=model: m.encode(t, batch_size=b, show_progress_bar=False)
                )
                about = {
                    "model": "MiniLM, 22.7 M weights",
                    "dtype": str(dtype)[6:],
                    "tokens": tokens,
                    "batch": batch_size,
                }
                rows.append(about | rates(n, times))
    return rows


def measure_large() -> list[dict]:
    """The network alone, on token numbers drawn at random."""
    with torch.device("cuda"):
        model = Qwen3Model(Qwen3Config(**LARGE)).to(torch.bfloat16).eval()
    n_weights = sum(weight.numel() for weight in model.parameters())
    rows = []
    for tokens in (64, 256, 512):
        for batch_size in (32, 128):
            ids = torch.randint(0, LARGE["vocab_size"], (batch_size, tokens), device="cuda")

            def work(ids=ids):
                with torch.inference_mode():
                    for _ in range(8):
                        torch.nn.functional.normalize(model(ids).last_hidden_state[:, -1].float())

            about = {"model": f"Qwen3-Embedding-0.6B's shape, {n_weights / 1e6:.0f} M weights", "dtype": "bfloat16"}
            rows.append(about | {"tokens": tokens, "batch": batch_size} | rates(8 * batch_size, seconds(work)))
    return rows


def main() -> None:
    """Measure, and write the table."""
    rows = measure_small(Path(sys.argv[1])) + measure_large()
    versions = ", ".join(
        f"{module.__name__} {module.__version__}" for module in (torch, transformers, sentence_transformers)
    )
    about = f"{torch.cuda.get_device_name()}, {os.cpu_count()} processor cores; {versions}"
    about += f"; peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"
    (Path(__file__).with_name("gpu.md")).write_text(report(rows, about), encoding="utf-8")


def report(rows: list[dict], about: str) -> str:
    """The table as Markdown."""
    lines = [
        f"| {row['model']} | {row['dtype']} | {row['tokens']} | {row['batch']} | {row['texts_a_second']:,.0f} | "
        f"{row['slowest']:,.0f} to {row['fastest']:,.0f} | {row['texts_a_second'] * row['tokens'] / 1000:,.0f} |"
        for row in rows
    ]
    return HEAD.format(about=about) + "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
