"""The five-picture report and its parts, against plain scikit-learn and umap-learn on the same vectors.

`python benchmarks/visualizer.py` writes visualizer.md (about a minute on two quiet cores); `--pairs 100 500 2000` takes
other sizes, `--quick` tiny ones, and both only print. Encoding is left out: the vectors are made beforehand. Times are
wall-clock, and what is compared runs in turns. The pairs are questions and passages of BoolQ, others in each round, and
the measures of the maps are means over the rounds, because a single map is noisy. The model is the course's default.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before any import of huggingface_hub: the default model's weights are a package

import argparse
import time
from functools import partial

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
from run import alternate, machine, markdown, with_quartiles, write_report

from course_utils.data import Pairs, load_corpus
from course_utils.drawing import EmbeddingVisualizer, map_quality, project
from course_utils.embedding import load_embedder

WHOLE = "five pictures, drawn, and the verdict"
TRIED = """
How the maps came to take less time than the plain calls:

- UMAP measures each pair of fewer than 4,096 points by a call of its own. `project` hands over the exact neighbours
  instead.
- t-SNE takes 400 steps instead of 1,000, reckons far points more coarsely (`angle` 0.8) and at first exaggerates the
  attraction of neighbours by 2 instead of 12.
- The measures count, in blocks, how many rows are nearer than a neighbour, where scikit-learn sorts all of them.
"""


class ReadyVectors:
    """Stands where an encoder would, with the vectors of some pairs, so that no time goes into encoding."""

    def __init__(self, query_vectors: np.ndarray, candidate_vectors: np.ndarray):
        self.query_vectors, self.candidate_vectors = query_vectors, candidate_vectors

    def encode_query(self, texts, **options) -> np.ndarray:
        """The vectors of the questions, whatever is asked."""
        return self.query_vectors

    def encode_document(self, texts, **options) -> np.ndarray:
        """The vectors of the answers, whatever is asked."""
        return self.candidate_vectors


def map_points(model: EmbeddingVisualizer, method: str, options: dict) -> np.ndarray:
    """The points of a map, as a picture draws them."""
    return model.map_points(method, **options)[0]


def everything(model: EmbeddingVisualizer):
    """The whole report."""
    for draw in (
        model.plot_similarity_distribution,
        model.plot_tsne,
        model.plot_umap,
        model.plot_similarity_heatmap,
        model.plot_top_k_predictions,
    ):
        draw().figure.canvas.draw()
    return model.verdict()


def one_round(embedder, pairs: Pairs, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The seconds of two maps against the plain calls and of the other parts, and the measures of the maps."""
    from sklearn.manifold import TSNE
    from umap import UMAP

    once = EmbeddingVisualizer(embedder, pairs, max_length=64)
    ready = ReadyVectors(once.query_vectors, once.candidate_vectors)
    both = np.concatenate([once.query_vectors, once.candidate_vectors])

    def ours(draw):
        return lambda: draw(EmbeddingVisualizer(ready, pairs))  # a new one has drawn nothing yet

    methods = {
        "tsne": (lambda: TSNE(random_state=seed).fit_transform(both), {"perplexity": 30}),
        "umap": (lambda: UMAP(random_state=seed, n_jobs=1).fit_transform(both), {"n_neighbors": 15}),
    }
    maps = {}
    for method, (plain, options) in methods.items():
        maps |= {
            f"plain {method}": plain,
            f"our {method}, the map alone": partial(project, both, method, random_state=seed, **options),
            f"our {method} and its measures": ours(
                partial(map_points, method=method, options=options | {"seed": seed})
            ),
        }
    parts = {
        "distribution": ours(lambda model: model.plot_similarity_distribution()),
        "heatmap": ours(lambda model: model.plot_similarity_heatmap()),
        "top 10": ours(lambda model: model.plot_top_k_predictions()),
        "verdict": ours(lambda model: model.verdict()),
        WHOLE: ours(everything),
    }
    seconds, results = alternate(maps | parts, 1)
    return seconds, pd.DataFrame({call: map_quality(both, results[call]) for call in maps})


def measure(embedder, sets: list[Pairs]) -> list[dict]:
    """The rows of one size, from a round with each set of pairs."""
    rounds = [one_round(embedder, pairs, seed) for seed, pairs in enumerate(sets)]
    seconds = pd.concat([of_one for of_one, _ in rounds])
    quality = sum(of_one for _, of_one in rounds) / len(rounds)
    rows = []
    for call in seconds:
        row = {"pairs": len(sets[0]), "what": call, "times as fast": "", "s": with_quartiles(seconds[call])}
        if call in quality:
            plain = f"plain {'tsne' if 'tsne' in call else 'umap'}"
            row["times as fast"] = with_quartiles(seconds[plain] / seconds[call])
            row |= {measure: f"{value:.3f}" for measure, value in quality[call].items()}
        else:
            row["times as fast"] = f"{(seconds[call] / seconds[WHOLE]).median():.2f} of the whole"
            row |= dict.fromkeys(quality.index, "")
        rows.append(row)
    return rows


def main() -> None:
    """Measure every size and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try it out")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is timed")
    parser.add_argument("--pairs", type=int, nargs="+", help="other sizes; nothing is written")
    arguments = parser.parse_args()
    sizes, rounds = arguments.pairs or ((60,) if arguments.quick else (100, 500)), arguments.rounds
    began, about = time.perf_counter(), machine()
    questions = load_corpus("boolq").drop_duplicates("title").drop_duplicates("passage")
    embedder, rows = load_embedder(), []
    from umap import UMAP

    some = np.random.default_rng(0).normal(size=(60, 8))  # umap compiles itself at the first call of either kind
    project(some, "tsne"), project(some, "umap"), UMAP(random_state=0, n_jobs=1).fit_transform(some)
    for n in sizes:
        samples = [questions.sample(n, random_state=seed) for seed in range(rounds)]
        rows += measure(embedder, [Pairs.from_columns(some["question"], some["passage"]) for some in samples])
    minutes = (time.perf_counter() - began) / 60
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    began_with = f"Rounds: {rounds}. OMP_NUM_THREADS, for all calls: {threads}."
    body = f"{began_with}\n\n{markdown(rows)}\n{TRIED}\nThe whole run took {minutes:.1f} minutes.\n"
    write_report(__file__, "The five pictures", about, body, keep=not (arguments.quick or arguments.pairs))


if __name__ == "__main__":
    main()
