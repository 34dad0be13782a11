"""The five-picture report and its parts, against plain scikit-learn and umap-learn on the same vectors.

`python benchmarks/visualizer.py` writes visualizer.md (about ten minutes on two quiet cores); `--quick` only prints,
at tiny sizes. Encoding is left out: the vectors are made beforehand. Times are wall-clock, and what is compared runs
in turns. The pairs are questions and passages of BoolQ, the model is the course's default.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before any import of huggingface_hub: the default model's weights are a package

import argparse
import time
from functools import partial

import matplotlib

matplotlib.use("Agg")

import numpy as np
from run import alternate, machine, markdown, with_quartiles, write_report

from course_utils.data import Pairs, load_corpus
from course_utils.drawing import EmbeddingVisualizer, map_quality, project
from course_utils.drawing.visualizer import FEWER_STEPS
from course_utils.embedding import load_embedder


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


def measure(embedder, pairs: Pairs, rounds: int) -> list[dict]:
    """The rows of one size: two maps against the plain calls, then the other parts and the whole."""
    from sklearn.manifold import TSNE
    from umap import UMAP

    once = EmbeddingVisualizer(embedder, pairs, max_length=64)
    ready = ReadyVectors(once.query_vectors, once.candidate_vectors)
    both = np.concatenate([once.query_vectors, once.candidate_vectors])

    def ours(draw):
        return lambda: draw(EmbeddingVisualizer(ready, pairs))  # a new one has drawn nothing yet

    def everything(model):
        for draw in (
            model.plot_similarity_distribution,
            model.plot_tsne,
            model.plot_umap,
            model.plot_similarity_heatmap,
            model.plot_top_k_predictions,
        ):
            draw().figure.canvas.draw()
        return model.verdict()

    methods = {
        "tsne": (lambda: TSNE(random_state=42).fit_transform(both), {"perplexity": 30}),
        "umap": (lambda: UMAP(random_state=42, n_jobs=1).fit_transform(both), {"n_neighbors": 15}),
    }
    project(both[:60], "umap"), project(both[:60], "tsne")  # umap compiles itself at the first call
    rows = []
    for method, (plain, options) in methods.items():
        calls = {
            f"plain {method}": plain,
            f"our {method}, the map alone": partial(project, both, method, **options | FEWER_STEPS.get(method, {})),
            f"our {method} and its measures": ours(partial(map_points, method=method, options=options)),
        }
        seconds, points = alternate(calls, rounds)
        for call in calls:
            quality = map_quality(both, points[call])
            faster = with_quartiles(seconds[f"plain {method}"] / seconds[call])
            row = {"pairs": len(pairs), "what": call, "times as fast": faster, "s": with_quartiles(seconds[call])}
            rows.append(row | {measure: f"{value:.3f}" for measure, value in quality.items()})
    parts = {
        "distribution": ours(lambda model: model.plot_similarity_distribution()),
        "heatmap": ours(lambda model: model.plot_similarity_heatmap()),
        "top 10": ours(lambda model: model.plot_top_k_predictions()),
        "verdict": ours(lambda model: model.verdict()),
        "five pictures, drawn, and the verdict": ours(everything),
    }
    seconds, _ = alternate(parts, rounds)
    whole = seconds["five pictures, drawn, and the verdict"]
    for call in parts:
        share = f"{(seconds[call] / whole).median():.2f} of the whole"
        row = {"pairs": len(pairs), "what": call, "times as fast": share, "s": with_quartiles(seconds[call])}
        rows.append(row | dict.fromkeys(quality, ""))
    return rows


def main() -> None:
    """Measure every size and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try it out")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is timed")
    arguments = parser.parse_args()
    sizes, rounds, quick = (60,) if arguments.quick else (100, 500, 2000), arguments.rounds, arguments.quick
    began, about = time.perf_counter(), machine()
    questions = load_corpus("boolq").drop_duplicates("title").drop_duplicates("passage")
    embedder, rows = load_embedder(), []
    for n in sizes:
        some = questions.sample(n, random_state=0)
        rows += measure(embedder, Pairs.from_columns(some["question"], some["passage"]), rounds)
    minutes = (time.perf_counter() - began) / 60
    body = f"Rounds: {rounds}.\n\n{markdown(rows)}\n\nThe whole run took {minutes:.1f} minutes.\n"
    write_report(__file__, "The five pictures", about, body, keep=not quick)


if __name__ == "__main__":
    main()
