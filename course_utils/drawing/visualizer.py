"""Five pictures of a trained retriever, the numbers under them, and a verdict.

The pictures are for finding out what happened; whether training helped is decided by ranks, with intervals, on
questions that were not trained on. Thresholds on cosines are habits of one model and come second.
"""

import logging
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from course_utils.data import Pairs
from course_utils.drawing.maps import map_quality, project
from course_utils.drawing.plots import PALETTE
from course_utils.embedding import Embedder
from course_utils.learning import ProjectionHead
from course_utils.measuring import Interval, bootstrap_interval, mrr_at_10, recall_at_k

logger = logging.getLogger(__name__)

_BLUE, _ORANGE, _GREY = PALETTE[0], PALETTE[1], PALETTE[8]
#: Half of scikit-learn's own steps: as trustworthy a map in half the time (``benchmarks/visualizer.py``).
FEWER_STEPS = {"tsne": {"max_iter": 500}}
_FEWEST = 5  # pairs below which a mean, let alone a map, says nothing


class Picture(NamedTuple):
    """A figure and the numbers under it, one row a model."""

    figure: object
    numbers: pd.DataFrame


@dataclass(frozen=True)
class Verdict:
    """``advice`` (deploy, train more or fix the data) with its ``reason``, and the two tables behind it.

    ``evidence`` is based on ranks and decides; ``checklist`` is the usual list of thresholds, for diagnosis.
    """

    advice: str
    reason: str
    evidence: pd.DataFrame
    checklist: pd.DataFrame

    def __str__(self) -> str:
        return f"{self.advice}: {self.reason}"


class EmbeddingVisualizer:
    """One model on one set of questions and answers. Every picture also takes other models on the same pairs.

    Parameters
    ----------
    embedder : the encoder.
    pairs : at least five questions with their answers; each question searches among all answers of the set.
    head : a trained head on top of the encoder. None: the stock model.
    name : what the model is called in pictures and tables.
    max_length : tokens at which texts are cut.
    batch_size : texts a forward pass; halved, with a warning, when memory does not suffice.

    Raises
    ------
    CheckpointError
        If the head does not fit the encoder.
    ValueError
        If there are too few pairs, or a vector is not finite.
    """

    def __init__(
        self,
        embedder: Embedder,
        pairs: Pairs,
        *,
        head: ProjectionHead | None = None,
        name: str | None = None,
        max_length: int | None = None,
        batch_size: int = 32,
    ):
        if len(pairs) < _FEWEST:
            raise ValueError(f"{len(pairs)} pairs are too few: pictures and means take at least {_FEWEST}.")
        if head is not None:
            head.check_encoder(embedder)
        self.embedder, self.pairs, self.head = embedder, pairs, head
        self.name = name or ("stock" if head is None else "head")
        self.max_length, self.batch_size = max_length, batch_size
        self.candidates = pairs.candidates
        self.relevant = pairs.relevant(self.candidates)
        self._points: dict[tuple, tuple[np.ndarray, dict]] = {}

    def encode_batch(self, texts, *, query: bool = False) -> np.ndarray:
        """Embed texts as questions or as answers, through the head: float32 unit rows of shape (n, dim)."""
        encode = self.embedder.encode_query if query else self.embedder.encode_document
        while True:
            try:
                vectors = encode(list(texts), max_length=self.max_length, batch_size=self.batch_size)
                break
            except (MemoryError, RuntimeError) as error:
                full = isinstance(error, MemoryError) or "memory" in str(error).lower()
                if not full or self.batch_size == 1:
                    raise
                self.batch_size //= 2
                logger.warning("Out of memory; going on with batches of %d texts.", self.batch_size)
        bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(bad):
            raise ValueError(
                f"{len(bad)} vectors of {self.embedder.card.name} hold NaN or infinite values, the first that of text "
                f"{bad[0]}. A half-precision or damaged model does that: load it with dtype='float32'."
            )
        return vectors if self.head is None else self.head.transform(vectors)

    @cached_property
    def query_vectors(self) -> np.ndarray:
        """Vectors of the questions: float32 of shape (n, dim)."""
        return self.encode_batch(self.pairs.queries, query=True)

    @cached_property
    def candidate_vectors(self) -> np.ndarray:
        """Vectors of all answers, each text once: float32 of shape (m, dim)."""
        return self.encode_batch(self.candidates)

    def compute_similarity_matrix(self) -> np.ndarray:
        """Cosine of each question with each answer: float32 of shape (n, m)."""
        return self.query_vectors @ self.candidate_vectors.T

    @cached_property
    def _similarity(self) -> np.ndarray:
        return self.compute_similarity_matrix()

    @cached_property
    def _is_right(self) -> np.ndarray:
        right = np.zeros(self._similarity.shape, dtype=bool)
        for row, columns in enumerate(self.relevant):
            right[row, columns] = True
        return right

    def hits(self, k: int = 1) -> np.ndarray:
        """Recall at ``k`` of each question, 0 to 1: float array of shape (n,)."""
        return recall_at_k(self._similarity, self.relevant, k)

    @property
    def right_first(self) -> np.ndarray:
        """Whether the most similar answer is a right one: bool array of shape (n,)."""
        return self.hits(1) > 0

    def scores(self) -> dict[str, Interval]:
        """Mean reciprocal rank and recall at 1, 5 and 10, each with its interval over the questions."""
        values = {"mrr_at_10": mrr_at_10(self._similarity, self.relevant)}
        values |= {f"recall_at_{k}": self.hits(k) for k in (1, 5, 10) if k <= len(self.candidates)}
        return {name: bootstrap_interval(each) for name, each in values.items()}

    def top_k(self, k: int = 10) -> pd.DataFrame:
        """The ``k`` most similar answers of every question: columns question, rank, answer, similarity, right."""
        if not 1 <= k <= len(self.candidates):
            raise ValueError(f"k={k} must be from 1 to {len(self.candidates)}, the number of answers.")
        order = np.argsort(-self._similarity, axis=1, kind="stable")[:, :k]
        rows = np.repeat(np.arange(len(order)), k)
        columns = order.ravel()
        return pd.DataFrame(
            {
                "question": rows,
                "rank": np.tile(np.arange(1, k + 1), len(order)),
                "answer": columns,
                "similarity": self._similarity[rows, columns],
                "right": self._is_right[rows, columns],
            }
        )

    # --- the pictures ---------------------------------------------------------------------------------------------

    def plot_similarity_distribution(self, *others: "EmbeddingVisualizer") -> Picture:
        """Draw how similar questions are to right and to wrong answers: histograms, and boxes below them.

        Under it: mean and standard deviation of both, the margin (difference of the means) and the separation, which
        is the margin in units of the root of the mean of both variances.
        """
        import matplotlib.pyplot as plt

        models = self._compared(others)
        size = (5.2 * len(models), 4.6)
        rows = {"sharex": True, "height_ratios": [3, 1], "squeeze": False, "layout": "constrained"}
        figure, axes = plt.subplots(2, len(models), figsize=size, **rows)
        bins = np.linspace(-1, 1, 81)
        for (top, bottom), model in zip(axes.T, models, strict=True):
            right, wrong = model.cosines()
            kinds = ((wrong, _ORANGE, "wrong answers", "//"), (right, _BLUE, "right answers", None))
            for values, color, label, hatch in kinds:
                style = {"color": color, "hatch": hatch, "label": label, "alpha": 0.6, "edgecolor": "white"}
                top.hist(values, bins, density=True, **style)
            top.set(title=model.name, ylabel="density")
            boxes = bottom.boxplot(
                [wrong, right], orientation="horizontal", widths=0.6, patch_artist=True, sym="", whis=(5, 95)
            )
            for box, color in zip(boxes["boxes"], (_ORANGE, _BLUE), strict=True):
                box.set(facecolor=color, alpha=0.6)
            plt.setp(boxes["medians"], color="black")
            bottom.set(yticks=[1, 2], yticklabels=["wrong", "right"], xlabel="cosine of question and answer")
        axes[0, 0].set_xlim(min(np.min(model.compute_similarity_matrix()) for model in models) - 0.05, 1.02)
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
        plt.close(figure)
        return Picture(figure, pd.DataFrame({model.name: model.separation() for model in models}).T)

    def plot_tsne(self, *others: "EmbeddingVisualizer", perplexity: float = 30, seed: int = 42) -> Picture:
        """Draw questions and their answers with t-SNE, a line from each question to its answers.

        Each model is drawn on its own, so neither direction nor place can be compared between panels. Under it: how
        far to trust the map (:func:`~course_utils.drawing.map_quality`), and the share of questions whose right answer
        is among the ten nearest in the vectors and on the map.

        Raises
        ------
        ValueError
            If the perplexity is too large for so few points.
        """
        return self._plot_maps(others, "tsne", seed, perplexity=perplexity)

    def plot_umap(self, *others: "EmbeddingVisualizer", n_neighbors: int = 15, seed: int = 42) -> Picture:
        """Draw the same with UMAP; see :meth:`plot_tsne`."""
        return self._plot_maps(others, "umap", seed, n_neighbors=n_neighbors)

    def map_points(self, method: str, seed: int = 42, **options) -> tuple[np.ndarray, dict[str, float]]:
        """Place questions, then answers, on a map; drawn once for the same settings.

        Returns
        -------
        float32 array of shape (n + m, 2), the n questions first; and the numbers under it.
        """
        key = (method, seed, *sorted(options.items()))
        if key not in self._points:
            both = np.concatenate([self.query_vectors, self.candidate_vectors])
            perplexity = options.get("perplexity", 0)
            if not 3 * perplexity < len(both):
                raise ValueError(
                    f"perplexity={perplexity:g} is too large for {len(both)} points, questions and answers together: "
                    "it should be below a third of them. Give more pairs, or a perplexity of "
                    f"{max(len(both) // 10, 2)}."
                )
            if not options.get("n_neighbors", 1) < len(both):
                raise ValueError(
                    f"n_neighbors={options['n_neighbors']} must be below {len(both)}, the number of points."
                )
            try:
                points = project(both, method, random_state=seed, **options | FEWER_STEPS.get(method, {}))
            except ImportError as error:
                raise ValueError(
                    f"{error}. Install it with `pip install umap-learn`, or leave this map out."
                ) from error
            k = min(10, (len(both) - 1) // 2)
            numbers = map_quality(both, points, k)
            some = np.random.default_rng(seed).permutation(len(both))[:500]  # the floor hardly depends on how many
            floor = map_quality(both[some], points[: len(some)], k)["trustworthiness"]
            numbers["trustworthiness of shuffled points"] = floor
            n, nearest = len(self.pairs), min(10, len(self.candidates))
            numbers["right answer near, in the vectors"] = float((self.hits(nearest) > 0).mean())
            apart = np.linalg.norm(points[:n, None] - points[None, n:], axis=2)
            numbers["right answer near, on the map"] = float((recall_at_k(-apart, self.relevant, nearest) > 0).mean())
            self._points[key] = points, numbers
        return self._points[key]

    def _plot_maps(self, others, method: str, seed: int, **options) -> Picture:
        import matplotlib.pyplot as plt

        models = self._compared(others)
        label = {"tsne": "t-SNE", "umap": "UMAP"}[method]
        figure, axes = plt.subplots(
            1, len(models), figsize=(5.2 * len(models), 5.2), squeeze=False, layout="constrained"
        )
        for axis, model in zip(axes.flat, models, strict=True):
            points, _ = model.map_points(method, seed, **options)
            asked, answers = points[: len(model.pairs)], points[len(model.pairs) :]
            for question, columns in zip(asked, model.relevant, strict=True):
                for column in columns:
                    axis.plot(*np.stack([question, answers[column]]).T, color=_GREY, linewidth=0.5, alpha=0.5, zorder=1)
            axis.scatter(*answers.T, s=12, marker="D", color=_GREY, alpha=0.7, linewidths=0, label="answer")
            hit = model.right_first
            for mine, color, marker, text in (
                (hit, _BLUE, "o", "question, right answer first"),
                (~hit, PALETTE[6], "X", "question, wrong answer first"),
            ):
                axis.scatter(*asked[mine].T, s=22, marker=marker, color=color, linewidths=0, label=text, zorder=2)
            axis.set(
                title=model.name, xticks=[], yticks=[], xlabel=f"{label} 1 (no unit)", ylabel=f"{label} 2 (no unit)"
            )
        figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
        plt.close(figure)
        numbers = {model.name: model.map_points(method, seed, **options)[1] for model in models}
        return Picture(figure, pd.DataFrame(numbers).T)

    def plot_similarity_heatmap(self, *others: "EmbeddingVisualizer", n: int = 40) -> Picture:
        """Draw the first ``n`` questions against the first right answer of each, on a scale fixed from 0 to 1.

        Under it, for what is drawn: the mean of the diagonal and of everything else, and the share of rows whose
        largest value is on the diagonal.
        """
        import matplotlib.pyplot as plt

        models = self._compared(others)
        n = min(n, len(self.pairs))
        figure, axes = plt.subplots(
            1, len(models), figsize=(4.6 * len(models) + 0.8, 4.6), squeeze=False, layout="constrained"
        )
        numbers = {}
        for axis, model in zip(axes.flat, models, strict=True):
            shown = model._similarity[:n, [columns[0] for columns in model.relevant[:n]]]
            image = axis.imshow(shown, vmin=0, vmax=1, cmap="viridis", interpolation="nearest")
            axis.set(title=model.name, xlabel="answer, in the order of the questions", ylabel="question")
            diagonal, rest = np.diag(shown), shown[~np.eye(n, dtype=bool)]
            numbers[model.name] = {
                "diagonal": diagonal.mean(),
                "off the diagonal": rest.mean(),
                "largest on the diagonal": (shown.max(axis=1) == diagonal).mean(),
            }
        figure.colorbar(
            image, ax=axes.ravel().tolist(), label="cosine similarity (below 0 as 0)", extend="min", shrink=0.8
        )
        plt.close(figure)
        return Picture(figure, pd.DataFrame(numbers).T)

    def plot_top_k_predictions(
        self, *others: "EmbeddingVisualizer", k: int = 10, n: int = 10, labels=None, seed: int = 42
    ) -> Picture:
        """Draw the ``k`` most similar answers of ``n`` questions: right ones with a tick in blue, wrong ones plain.

        Under it, over all questions: the share with a right answer first, recall at ``k`` and the mean reciprocal rank.

        Parameters
        ----------
        labels : a name for each question of the set. Default: its beginning.
        seed : which questions are drawn.
        """
        import matplotlib.pyplot as plt

        models = self._compared(others)
        names = list(labels) if labels is not None else [query[:40] for query in self.pairs.queries]
        rows = np.sort(np.random.default_rng(seed).permutation(len(self.pairs))[:n])
        figure, axes = plt.subplots(
            1,
            len(models),
            figsize=(5.4 * len(models) + 2, 0.42 * len(rows) + 1.4),
            squeeze=False,
            sharey=True,
            layout="constrained",
        )
        numbers = {}
        for axis, model in zip(axes.flat, models, strict=True):
            top = model.top_k(k).set_index(["question", "rank"])
            for y, row in enumerate(rows):
                for rank in range(1, k + 1):
                    similarity, right = top.loc[(row, rank), ["similarity", "right"]]
                    axis.add_patch(
                        plt.Rectangle((rank - 0.46, y - 0.42), 0.92, 0.84, facecolor=_BLUE if right else "#e8e8e8")
                    )
                    text = f"{'✔' if right else ''}{similarity:.2f}"
                    axis.text(rank, y, text, ha="center", va="center", fontsize=8, fontweight="bold" if right else None)
            axis.set(
                title=model.name,
                xlim=(0.4, k + 0.6),
                ylim=(len(rows) - 0.5, -0.5),
                xticks=range(1, k + 1),
                xlabel="rank of the answer (number: cosine)",
                yticks=range(len(rows)),
                yticklabels=[names[i] for i in rows],
            )
            axis.spines[:].set_visible(False)
            axis.tick_params(length=0)
            numbers[model.name] = {
                "right answer first": model.right_first.mean(),
                f"recall at {k}": model.hits(k).mean(),
                "mrr at 10": mrr_at_10(model._similarity, model.relevant).mean(),
            }
        plt.close(figure)
        return Picture(figure, pd.DataFrame(numbers).T)

    def _compared(self, others) -> list["EmbeddingVisualizer"]:
        models = [self, *others]
        if any(other.pairs != self.pairs for other in others):
            raise ValueError("Only models on the same pairs can stand side by side.")
        names = [model.name for model in models]
        if len(set(names)) < len(names):
            raise ValueError(f"Each model needs a name of its own (name=…), and these are called {names}.")
        return models

    # --- the verdict ----------------------------------------------------------------------------------------------

    def cosines(self) -> tuple[np.ndarray, np.ndarray]:
        """Cosines of the questions with their right answers, and with all others: two flat arrays."""
        return self._similarity[self._is_right], self._similarity[~self._is_right]

    def separation(self) -> dict[str, float]:
        """Means and standard deviations of the cosines of right and wrong answers, margin and separation in σ."""
        right, wrong = self.cosines()
        margin = right.mean() - wrong.mean()
        spread = np.sqrt((right.var() + wrong.var()) / 2)
        numbers = {
            "right, mean": right.mean(),
            "right, sd": right.std(),
            "wrong, mean": wrong.mean(),
            "wrong, sd": wrong.std(),
            "margin": margin,
            "separation in σ": margin / spread,
        }
        return {name: float(value) for name, value in numbers.items()}

    def checklist(self) -> pd.DataFrame:
        """Hold the usual thresholds against this model: value, what is wanted, and pass or fail.

        They are habits, worked out on models whose cosines spread from 0 to 1. Another model may rank as well or
        better and fail them all, or pass them and rank worse: see the lesson's experiment.
        """
        numbers, best = self.separation(), -np.sort(-self._similarity, axis=1)[:, :2]
        gap = float((best[:, 0] - best[:, -1]).mean())
        near = float((self.hits(min(10, len(self.candidates))) > 0).mean())
        checks = [
            # name, value, wanted, passed, a remark on how far it is off
            ("margin", numbers["margin"], "> 0.25", numbers["margin"] > 0.25, [(0.15, "bad"), (0.2, "train more")]),
            ("separation in σ", numbers["separation in σ"], "> 2", numbers["separation in σ"] > 2, [(1.5, "bad")]),
            ("diagonal (right answers)", numbers["right, mean"], "> 0.8", numbers["right, mean"] > 0.8, [(0.6, "bad")]),
            ("off the diagonal", numbers["wrong, mean"], "< 0.6", numbers["wrong, mean"] < 0.6, []),
            ("right answer first", self.right_first.mean(), "> 0.85", self.right_first.mean() > 0.85, []),
            ("gap of ranks 1 and 2", gap, "> 0.1", gap > 0.1, []),
            ("right answer among the 10 nearest", near, "> 0.9", near > 0.9, []),
        ]
        rows = []
        for name, value, wanted, passed, steps in checks:
            remark = next((words for limit, words in steps if value < limit), "")
            rows.append(
                {
                    "check": name,
                    "value": float(value),
                    "wanted": wanted,
                    "result": "pass" if passed else "fail",
                    "remark": "" if passed else remark,
                }
            )
        return pd.DataFrame(rows).set_index("check")

    def verdict(
        self,
        baseline: "EmbeddingVisualizer | None" = None,
        out_of_domain: "tuple[EmbeddingVisualizer, EmbeddingVisualizer] | None" = None,
    ) -> Verdict:
        """Decide by ranks, with intervals, what to do with this model; and list the usual thresholds beside it.

        Parameters
        ----------
        baseline : the stock model on the same pairs.
        out_of_domain : this model and the stock model on pairs of another subject.

        Returns
        -------
        :class:`Verdict`. The rules, the first that applies: (1) not even ten answers hold the right one for most
        questions: fix the data. Without a baseline: deploy where right answers come first for surely more than 0.85,
        else train more. (2) Worse than the baseline: fix the data. (3) Better, and no worse out of domain:
        deploy. (4) Better, but worse out of domain: train more, with other subjects mixed in. (5) Not to be told
        apart: train more. "Worse" and "better" mean that the interval of the paired difference excludes zero.
        """
        scores = self.scores()
        first = bootstrap_interval(self.right_first.astype(float))
        evidence = {"right answer first": first} | scores
        ten = scores.get("recall_at_10", first)
        gain = harm = None
        if baseline is not None:
            self._compared([baseline])
            gain = bootstrap_interval(self.right_first.astype(float) - baseline.right_first)
            evidence[f"gain over {baseline.name}"] = gain
        if out_of_domain is not None:
            mine, theirs = out_of_domain
            mine._compared([theirs])
            harm = bootstrap_interval(mine.right_first.astype(float) - theirs.right_first)
            evidence["change out of domain"] = harm
        advice, reason = _decide(ten, first, gain, harm)
        rows = {name: {"value": each.estimate, "low": each.low, "high": each.high} for name, each in evidence.items()}
        return Verdict(advice, reason, pd.DataFrame(rows).T, self.checklist())


def _decide(ten: Interval, first: Interval, gain: Interval | None, harm: Interval | None) -> tuple[str, str]:
    if ten.high < 0.5:
        return "fix the data", (
            f"for most questions not even the ten nearest hold the right answer (recall at 10: {ten}). Read some: is "
            "the answer given really the one, and are there others as good?"
        )
    if gain is None:
        alone = (
            "Whether training, or another model, does better is seen when the other stands beside it as the baseline."
        )
        if first.low > 0.85:
            return "deploy", f"the right answer comes first for {first}, above the usual 0.85. {alone}"
        return "train more", f"the right answer comes first for {first}, not safely above the usual 0.85. {alone}"
    if gain.high < 0:
        return "fix the data", (
            f"training made it worse than the stock model (gain {gain}). Look for wrong pairs, for negatives that are "
            "right answers, and for too high a learning rate or too many epochs."
        )
    if gain.low <= 0:
        return "train more", (
            f"it cannot be told apart from the stock model on these questions (gain {gain}). Until more data or "
            "another method changes that, the stock model does."
        )
    if harm is None:
        return "deploy", f"it beats the stock model (gain {gain}). What it does to other subjects was not measured."
    if harm.high < 0:
        return "train more", (
            f"it beats the stock model here (gain {gain}) and loses elsewhere (change {harm}). Mix pairs of other "
            "subjects into the training, or use it for this subject only."
        )
    return "deploy", f"it beats the stock model (gain {gain}), and other subjects show no loss (change {harm})."
