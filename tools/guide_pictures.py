"""Makes the pictures of docs/visualization_guide.md: each with a good example, one that looks bad and one that is.

The texts are the course's own: questions to a support desk and the traces that answer them. The other two models are
made, not trained: one pulls all vectors towards one direction, one keeps three dimensions drawn at random. The heads of
several epochs are trained, on Spanish names of emoji.
"""

from pathlib import Path

import numpy as np

from course_utils.app.report import count_misses, save_picture
from course_utils.data import Pairs, load_corpus, split_pairs
from course_utils.drawing import EmbeddingVisualizer
from course_utils.embedding import load_embedder
from course_utils.learning import ProjectionHead, train_projection_head
from course_utils.paths import ROOT


def support_desk() -> Pairs:
    """The easy questions of the traces corpus, each with the pattern and approach of its trace."""
    traces = load_corpus("traces").set_index("id")
    questions = load_corpus("trace_questions").query("difficulty == 'easy'")
    answers = (traces["pattern"] + " " + traces["approach"])[questions["relevant"]]
    return Pairs.from_columns(questions["question"], answers)


def spanish_names() -> Pairs:
    """Spanish names of emoji, each with the English one, where they differ: what the stock model was not taught."""
    names = load_corpus("emoji_names")
    names = names[names["es"].str.casefold() != names["en"].str.casefold()].drop_duplicates("es")
    return Pairs.from_columns(names["es"], names["en"])


def checkpoints() -> list[EmbeddingVisualizer]:
    """The stock model and the heads of epochs 1, 5 and the best, on Spanish names that none was trained on."""
    embedder, kept = load_embedder(), {}
    training, validation, aside = split_pairs(spanish_names(), (0.6, 0.2, 0.2))
    sides = [
        (embedder.encode_query(part.queries), embedder.encode_document(part.answers)) for part in (training, validation)
    ]
    recipe = {"dim": embedder.embedding_dim, "learning_rate": 3e-3}
    trained = train_projection_head(
        *sides[0], sides[1], **recipe, on_epoch=lambda row, head: kept.update({row["epoch"]: head})
    )
    heads = {"stock": None, "epoch 1": kept[1], "epoch 5": kept[5], f"best (epoch {trained.best_epoch})": trained.head}
    return [EmbeddingVisualizer(embedder, aside, head=head, name=name) for name, head in heads.items()]


def main(folder: Path = ROOT / "docs" / "pictures") -> None:
    """Draw the pictures and write them to ``folder``; print the numbers under each."""
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
    stock, *heads = checkpoints()
    for name, picture in {
        "similarity_distribution": good.plot_similarity_distribution(*others),
        "tsne_projection": good.plot_tsne(*others),
        "umap_projection": good.plot_umap(*others),
        "similarity_heatmap": good.plot_similarity_heatmap(*others, n=30),
        "top_k_predictions": good.plot_top_k_predictions(*others, k=5, n=8),
        "checkpoints": stock.plot_top_k_predictions(*heads, k=5, n=8),
    }.items():
        words = name in ("top_k_predictions", "checkpoints")
        save_picture(picture, folder / f"guide_{name}.png", dpi=85 if words else 70, few_colors=words)
        print(f"\n{name}\n{picture.numbers.round(2).T.to_string()}")
    for head in heads:
        print(f"\n{head.name}: {len(head.pairs)} questions, gain over stock {head.gain_over(stock)}")
        for outcome, counts in count_misses(head.explain_misses(stock)).items():
            print(f"  {outcome}: {counts}")
    missed = heads[-1].explain_misses(stock)
    texts = missed.assign(question=[stock.pairs.queries[row] for row in missed["question"]])
    for column in ("first", "wanted"):
        texts[column] = [stock.candidates[row] for row in missed[column]]
    print(texts[texts["cause"] != ""].to_string())


if __name__ == "__main__":
    main()
