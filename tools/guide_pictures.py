"""Makes the pictures of docs/visualization_guide.md: each with a good example, one that looks bad and one that is.

The texts are the course's own: questions to a support desk and the traces that answer them. The other two models are
made, not trained: one pulls all vectors towards one direction, one keeps three dimensions drawn at random.
"""

from pathlib import Path

import numpy as np

from course_utils.data import Pairs, load_corpus
from course_utils.drawing import EmbeddingVisualizer
from course_utils.embedding import load_embedder
from course_utils.learning import ProjectionHead
from course_utils.paths import ROOT


def support_desk() -> Pairs:
    """The easy questions of the traces corpus, each with the pattern and approach of its trace."""
    traces = load_corpus("traces").set_index("id")
    questions = load_corpus("trace_questions").query("difficulty == 'easy'")
    answers = (traces["pattern"] + " " + traces["approach"])[questions["relevant"]]
    return Pairs.from_columns(questions["question"], answers)


def main(folder: Path = ROOT / "docs" / "pictures") -> None:
    """Draw the five pictures and write them to ``folder``; print the numbers under each."""
    embedder, pairs = load_embedder(), support_desk()
    good = EmbeddingVisualizer(embedder, pairs, name="good: the stock model")
    dim = embedder.embedding_dim
    pull = 3 * good.candidate_vectors.mean(axis=0) / np.linalg.norm(good.candidate_vectors.mean(axis=0))
    three = np.random.default_rng(0).normal(size=(3, dim)).astype(np.float32)
    collapsed = ProjectionHead({"weight": np.eye(dim, dtype=np.float32), "bias": pull.astype(np.float32)})
    others = [
        EmbeddingVisualizer(embedder, pairs, head=collapsed, name="looks bad: collapsed"),
        EmbeddingVisualizer(embedder, pairs, head=ProjectionHead({"weight": three}), name="bad: three dimensions"),
    ]
    for name, picture in {
        "similarity_distribution": good.plot_similarity_distribution(*others),
        "tsne_projection": good.plot_tsne(*others),
        "umap_projection": good.plot_umap(*others),
        "similarity_heatmap": good.plot_similarity_heatmap(*others, n=30),
        "top_k_predictions": good.plot_top_k_predictions(*others, k=8, n=8),
    }.items():
        picture.figure.savefig(folder / f"guide_{name}.png", dpi=70)
        print(f"\n{name}\n{picture.numbers.round(2).T.to_string()}")


if __name__ == "__main__":
    main()
