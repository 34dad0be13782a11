"""Five pictures of a trained retriever, each with the numbers under it.

The pictures are for finding out what happened; whether training helped is decided by ranks, which are the affair of
:mod:`course_utils.measuring.retrieval`. Every picture sets one model, or several, side by side.
"""

import logging
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple, Self

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

from course_utils.data import Pairs
from course_utils.drawing.maps import map_quality, project
from course_utils.drawing.plots import PALETTE, plain
from course_utils.embedding import Embedder, EmbeddingOptions
from course_utils.learning import ProjectionHead
from course_utils.measuring import AnswerRanking, explain_misses, first_ranks

logger = logging.getLogger(__name__)

_BLUE, _ORANGE, _PURPLE, _DARK_ORANGE, _GREY = (PALETTE[i] for i in (0, 1, 4, 6, 8))
_SMALL = 7.5  # points of a text in a cell
# with the letters that matplotlib's own font lacks, on Linux, Windows and macOS
_FURTHER_FONTS = (
    *("Noto Sans CJK SC", "WenQuanYi Micro Hei", "Microsoft YaHei", "PingFang SC", "Hiragino Sans GB"),
    *("Arial Unicode MS", "Noto Emoji", "Segoe UI Emoji", "Segoe UI Symbol", "Apple Symbols"),
)


class Picture(NamedTuple):
    """A figure and the numbers under it.

    Attributes
    ----------
    figure : matplotlib Figure
    numbers : DataFrame
        One row a model.

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> from course_utils.drawing import Picture
    >>> Picture(Figure(), pd.DataFrame({"margin": [0.5]}, index=["stock"])).numbers
           margin
    stock     0.5
    """

    figure: Figure
    numbers: pd.DataFrame


class EmbeddingVisualizer(AnswerRanking):
    """One encoder, with or without a head, on one set of questions and answers, which it embeds when it is made.

    Every picture also takes other models on the same pairs. Questions search among all candidates of the pairs; a map
    shows their own answers.

    Parameters
    ----------
    embedder : Embedder
        The encoder.
    pairs : Pairs
        At least five questions with their answers.
    head : ProjectionHead, optional
        A trained head on top of the encoder. None: the stock model.
    name : str, optional
        What the model is called in pictures and tables. Default: stock, or head.
    max_length : int, optional
        Tokens at which texts are cut.
    batch_size : int, default 32
        Texts a forward pass; halved, with a warning, when memory does not suffice.

    Raises
    ------
    CheckpointError
        If the head does not fit the encoder.
    ValueError
        If there are too few pairs, or a vector is not finite.

    Examples
    --------
    >>> from course_utils.data import Pairs
    >>> from course_utils.drawing import EmbeddingVisualizer
    >>> from course_utils.embedding import load_embedder
    >>> animals = ["cat", "dog", "horse", "bird", "fish"]
    >>> pairs = Pairs.from_columns([f"What is a {name}?" for name in animals], [f"A {name}." for name in animals])
    >>> picture = EmbeddingVisualizer(load_embedder(), pairs).plot_similarity_distribution()
    >>> list(picture.numbers.index), list(picture.numbers)[-2:]
    (['stock'], ['margin', 'separation in σ'])
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
        if len(pairs) < 5:
            raise ValueError(f"{len(pairs)} pairs are too few: pictures and means take at least 5.")
        if head is not None:
            head.check_encoder(embedder)
        self.embedder, self.head, self.max_length, self.batch_size = embedder, head, max_length, batch_size
        self._maps: dict[tuple, tuple[np.ndarray, dict[str, float]]] = {}
        vectors = self.encode_batch(pairs.queries, query=True), self.encode_batch(pairs.candidates)
        super().__init__(pairs, *vectors, name or ("stock" if head is None else "head"))

    def encode_batch(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        """Embed texts as questions or as answers, through the head: float32 unit rows of shape (n, dim)."""
        encode = self.embedder.encode_query if query else self.embedder.encode_document
        try:
            vectors = encode(list(texts), max_length=self.max_length, batch_size=self.batch_size)
        except (MemoryError, RuntimeError) as error:
            full = isinstance(error, MemoryError) or "memory" in str(error).lower()
            if not full or self.batch_size == 1:
                raise
            self.batch_size //= 2
            logger.warning("Out of memory; going on with batches of %d texts.", self.batch_size)
            return self.encode_batch(texts, query=query)
        bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(bad):
            raise ValueError(
                f"{len(bad)} vectors of {self.embedder.card.name} hold NaN or infinite values, the first that of text "
                f"{bad[0]}. A half-precision or damaged model does that: load it with dtype='float32'."
            )
        return vectors if self.head is None else self.head.transform(vectors)

    def explain_misses(self, baseline: Self | None = None) -> pd.DataFrame:
        """List what this model or the baseline answers wrongly, and likely causes, also of texts that are cut.

        See :func:`course_utils.measuring.explain_misses`.
        """
        return explain_misses(self, baseline, is_cut=self._is_cut)

    def _is_cut(self, texts: Sequence[str], query: bool) -> np.ndarray:
        prompt = self.embedder.card.query_prompt if query else self.embedder.card.document_prompt
        return self.embedder.is_cut(texts, EmbeddingOptions(prompt=prompt, max_length=self.max_length))

    def plot_similarity_distribution(self, *others: Self) -> Picture:
        """Draw how similar questions are to right and to wrong answers: histograms, and boxes below them.

        Under it: mean and standard deviation of both, the margin (difference of the means) and the separation, which
        is the margin in units of the root of the mean of both variances.
        """
        models = self.side_by_side(*others)
        figure, axes = _panels(models, (5.2 * len(models), 4.6), rows=2, sharex=True, height_ratios=[3, 1])
        bins = np.linspace(-1, 1, 81)
        for (top, bottom), model in zip(axes.T, models, strict=True):
            right, wrong = model.cosines()
            style = {"density": True, "alpha": 0.6, "edgecolor": "white"}
            top.hist(wrong, bins, color=_ORANGE, hatch="//", label="wrong answers", **style)
            top.hist(right, bins, color=_BLUE, label="right answers", **style)
            top.set(title=plain(model.name), ylabel="density")
            style = {"orientation": "horizontal", "widths": 0.6, "patch_artist": True, "sym": "", "whis": (5, 95)}
            boxes = bottom.boxplot([wrong, right], medianprops={"color": "black"}, **style)["boxes"]
            for box, color in zip(boxes, (_ORANGE, _BLUE), strict=True):
                box.set(facecolor=color, alpha=0.6)
            bottom.set(yticks=[1, 2], yticklabels=["wrong", "right"], xlabel="cosine of question and answer")
        axes[0, 0].set_xlim(min(np.min(model.similarity) for model in models) - 0.05, 1.02)
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
        return Picture(_with_all_letters(figure), pd.DataFrame({model.name: model.separation() for model in models}).T)

    def plot_tsne(self, *others: Self, perplexity: float = 30, seed: int = 42, reveal: bool = True) -> Picture:
        """Draw questions and their answers with t-SNE, a line from each question to its answers.

        Each model is drawn on its own, so neither direction nor place can be compared between panels. Under it: how
        far to trust the map (:func:`~course_utils.drawing.map_quality`), and the share of questions with a right answer
        among the ten nearest that are drawn, in the vectors and on the map.

        Parameters
        ----------
        *others : EmbeddingVisualizer
        perplexity : float, default 30
            See :meth:`map_points`.
        seed : int, default 42
        reveal : bool, default True
            Whether colour and shape of a question say if a right answer comes first. False: all look alike, so that the
            map is judged by its lines.
        """
        models = self.side_by_side(*others)
        maps = [model.map_points("tsne", seed, perplexity=perplexity) for model in models]
        return _draw_maps(models, "t-SNE", maps, reveal)

    def plot_umap(self, *others: Self, n_neighbors: int = 15, seed: int = 42, reveal: bool = True) -> Picture:
        """Draw the same with UMAP; see :meth:`plot_tsne`."""
        models = self.side_by_side(*others)
        maps = [model.map_points("umap", seed, n_neighbors=n_neighbors) for model in models]
        return _draw_maps(models, "UMAP", maps, reveal)

    def map_points(
        self, method: str, seed: int = 42, *, perplexity: float = 30, n_neighbors: int = 15
    ) -> tuple[np.ndarray, dict[str, float]]:
        """Place questions, then answers, on a map; drawn once for the same settings.

        Parameters
        ----------
        method : str
            ``"tsne"`` or ``"umap"``.
        seed : int, default 42
        perplexity : float, default 30
            Of t-SNE; below a third of the points.
        n_neighbors : int, default 15
            Of UMAP; below the number of points.

        Returns
        -------
        points : ndarray of float32, shape (n + m, 2)
            The n questions first, then their m own answers (``pairs.answers``).
        numbers : dict of str to float
            How far to trust the map.
        """
        options: dict[str, float] = {"perplexity": perplexity} if method == "tsne" else {"n_neighbors": n_neighbors}
        key = (method, seed, *options.values())
        if key not in self._maps:
            n, m = len(self.pairs), len(self.pairs.answers)  # the rest of the candidates would crowd the map
            both = np.concatenate([self.query_vectors, self.candidate_vectors[:m]])
            points = _place(both, method, seed, options)
            k = min(10, (len(both) - 1) // 2)
            numbers = map_quality(both, points, k)
            sample = np.random.default_rng(seed).permutation(len(both))[:500]  # the floor hardly depends on how many
            floor = map_quality(both[sample], points[: len(sample)], k)["trustworthiness"]
            distances = np.linalg.norm(points[:n, None] - points[None, n:], axis=2)
            numbers["trustworthiness of shuffled points"] = floor
            for where, similarity in (("in the vectors", self.similarity[:, :m]), ("on the map", -distances)):
                near = first_ranks(similarity, self.is_right[:, :m]) <= 10
                numbers[f"right answer near, {where}"] = float(near.mean())
            self._maps[key] = points, numbers
        return self._maps[key]

    def map_lines(self, points: np.ndarray) -> np.ndarray:
        """Give the ends of a line from each question to each right answer, and a gap, for all links: (3 links, 2)."""
        rows, columns = np.nonzero(self.is_right)  # right answers come before the rest of the candidates
        ends = points[rows], points[len(self.pairs) + columns], np.full((len(rows), 2), np.nan)
        return np.stack(ends, axis=1).reshape(-1, 2)

    def plot_similarity_heatmap(self, *others: Self, n: int = 40) -> Picture:
        """Draw the first ``n`` questions against the first right answer of each, on a scale fixed from 0 to 1.

        Under it, for what is drawn: the mean of the diagonal and of everything else, and the share of rows whose
        largest value is on the diagonal.
        """
        models, n = self.side_by_side(*others), min(n, len(self.pairs))
        figure, axes = _panels(models, (4.6 * len(models) + 0.8, 4.6))
        numbers = {}
        for axis, model in zip(axes.flat, models, strict=True):
            shown = model.similarity[:n, [columns[0] for columns in model.relevant[:n]]]
            image = axis.imshow(shown, vmin=0, vmax=1, cmap="viridis", interpolation="nearest")
            axis.set(title=plain(model.name), xlabel="answer, in the order of the questions", ylabel="question")
            axis.locator_params(integer=True)
            diagonal = np.diag(shown)
            numbers[model.name] = {
                "diagonal": diagonal.mean(),
                "off the diagonal": shown[~np.eye(n, dtype=bool)].mean(),
                "largest on the diagonal": (shown.max(axis=1) == diagonal).mean(),
            }
        label = "cosine similarity (below 0 as 0)"
        figure.colorbar(image, ax=axes.ravel().tolist(), label=label, extend="min", shrink=0.8)
        return Picture(_with_all_letters(figure), pd.DataFrame(numbers).T)

    def plot_top_k_predictions(
        self, *others: Self, k: int = 10, n: int = 10, labels: Sequence[str] | None = None, seed: int = 42
    ) -> Picture:
        """Draw the ``k`` most similar answers of ``n`` questions with their texts: right ones with a tick, in blue.

        Texts are shortened to fit their cells, which hold the cosine below. Models stand one below the other. Under it,
        over all questions: the shares with a right answer first and among the first ``k``, and the mean reciprocal
        rank.

        Parameters
        ----------
        *others : EmbeddingVisualizer
        k, n : int, default 10
        labels : sequence of str, optional
            A name for each question of the set. Default: the question.
        seed : int, default 42
            Which questions are drawn.
        """
        models = self.side_by_side(*others)
        names = self.pairs.queries if labels is None else labels
        drawn = np.sort(np.random.default_rng(seed).permutation(len(self.pairs))[:n])
        width, most = np.clip(9.4 / k, 1.2, 3), 3 if k <= 6 else 4  # inches of a cell, lines of a text
        asked = [_fold(names[row], 2.1, most) for row in drawn]
        tables, numbers = [], {}
        for model in models:
            top = model.top_k(k)
            top = top[top["question"].isin(drawn)]
            ticked = (
                "✔ " * right + self.candidates[answer] for right, answer in zip(top.right, top.answer, strict=True)
            )
            tables.append(top.assign(lines=[_fold(text, 0.84 * width - 0.08, most) for text in ticked]))
            numbers[model.name] = {
                "right answer first": model.right_first.mean(),
                f"right answer in {k}": model.hits(k).mean(),
                "mrr at 10": (model.hits(10) / model.ranks).mean(),
            }
        height = (max(map(len, [*asked, *(lines for table in tables for lines in table.lines)])) * 9.5 + 19) / 72
        size = 2.4 + k * width, len(models) * (len(drawn) * height + 0.4) + 0.4
        figure, axes = _panels(models, size, down=True)
        for axis, model, table in zip(axes.flat, models, tables, strict=True):
            for y, (_, cells) in enumerate(table.groupby("question")):
                for cell in cells.itertuples():
                    _draw_cell(axis, cell, y)
            axis.set(title=plain(model.name), xticks=range(1, k + 1))
            axis.set(xlim=(0.5, k + 0.5), ylim=(len(drawn) - 0.5, -0.5))
            axis.set_yticks(range(len(drawn)), [plain("\n".join(lines)) for lines in asked], fontsize=_SMALL)
            axis.spines[:].set_visible(False)
            axis.tick_params(length=0)
        axes.flat[-1].set_xlabel("rank of the answer (✔ right; number: cosine)")
        return Picture(_with_all_letters(figure), pd.DataFrame(numbers).T)


def _place(vectors: np.ndarray, method: str, seed: int, options: dict[str, Any]) -> np.ndarray:
    """Points of a map, with smaller options where there are few points, and a remedy where umap is not installed."""
    n = len(vectors)
    most = {"perplexity": max((n - 1) // 3, 1), "n_neighbors": n - 1}
    for name, value in options.items():
        if value > most[name]:
            logger.warning("%s=%g is too much for %d points; %d is taken.", name, value, n, most[name])
    options = {name: min(value, most[name]) for name, value in options.items()}
    try:
        return project(vectors, method, random_state=seed, **options)
    except ImportError as error:
        raise ValueError(f"{error}. Install it with `pip install umap-learn`, or leave this map out.") from error


def _panels(
    models: Sequence[EmbeddingVisualizer], size: tuple[float, float], rows: int = 1, *, down: bool = False, **options
):
    """A figure of this size in inches with a column for each model, or a row, and its axes: shape (rows, models)."""
    shape = (len(models), 1) if down else (rows, len(models))
    figure, axes = plt.subplots(*shape, figsize=size, squeeze=False, layout="constrained", **options)
    plt.close(figure)  # the notebook shows what is returned, once
    return figure, axes


def _fold(text: str, width: float, most: int) -> list[str]:
    """Break a text into at most so many lines of at most so many inches, at spaces where there are some."""
    rest = " ".join(text.split())
    lines: list[str] = []
    while rest and len(lines) < most:
        mark = "…" if len(lines) == most - 1 else ""
        ends = np.cumsum([_width(letter) for letter in rest[:200]])
        n = len(rest)
        if ends[-1] > width * 72:
            n = max(int(np.searchsorted(ends, width * 72 - sum(map(_width, mark)), side="right")), 1)
            space = rest.rfind(" ", n // 3, n + 1)  # an endless word begins in a line with others
            n = space if space > 0 else n
            while n > 1 and unicodedata.category(rest[n])[0] in "MC":  # an accent stays with its letter
                n -= 1
        lines.append((rest[:n].rstrip(" .,;:") + mark) if mark and n < len(rest) else rest[:n].rstrip())
        rest = rest[n:].lstrip()
    return lines


@cache
def _width(letter: str) -> float:
    """The points that a letter takes in a cell; what another font than the usual one draws is as wide as high."""
    if unicodedata.east_asian_width(letter) in "WF":
        return _SMALL * 1.2
    return text_to_path.get_text_width_height_descent(letter, FontProperties(size=_SMALL), ismath=False)[0]


def _draw_cell(axis: Axes, cell: Any, y: int) -> None:
    """An answer at its rank, in the row ``y``: its lines from the side on which they begin, its cosine below."""
    color = _BLUE if cell.right else "#e8e8e8"
    axis.add_patch(plt.Rectangle((cell.rank - 0.48, y - 0.46), 0.96, 0.92, facecolor=color))
    kinds = (unicodedata.bidirectional(letter) for line in cell.lines for letter in line)
    first = next((kind for kind in kinds if kind in ("L", "R", "AL")), "L")
    side, edge = ("left", -0.45) if first == "L" else ("right", 0.45)
    text = plain("\n".join(cell.lines))
    axis.text(cell.rank + edge, y - 0.41, text, ha=side, va="top", fontsize=_SMALL, linespacing=1.1)
    axis.text(cell.rank + 0.45, y + 0.41, f"{cell.similarity:.2f}", ha="right", va="baseline", fontsize=_SMALL - 1)


def _with_all_letters(figure: Figure) -> Figure:
    """Let further fonts of this machine draw what the usual one lacks, such as Chinese."""
    further = [name for name in _FURTHER_FONTS if name in fontManager.get_font_names()]
    for text in figure.findobj(Text):
        text.set_fontfamily([*text.get_fontfamily(), *further])
    return figure


def _draw_maps(models: Sequence[EmbeddingVisualizer], label: str, maps: list, reveal: bool) -> Picture:
    figure, axes = _panels(models, (5.2 * len(models), 5.2))
    for axis, model, (points, _) in zip(axes.flat, models, maps, strict=True):
        asked, answers = points[: len(model.pairs)], points[len(model.pairs) :]
        axis.plot(*model.map_lines(points).T, color=_GREY, linewidth=0.5, alpha=0.5, zorder=1)
        shrink = min(1, np.sqrt(250 / len(asked)))  # many points are small points
        axis.scatter(*answers.T, s=12 * shrink, marker="D", color=_GREY, alpha=0.7, linewidths=0, label="answer")
        hit = model.right_first
        kinds = [
            (hit, "o", _BLUE, "question, right answer first"),
            (~hit, "X", _DARK_ORANGE, "question, wrong answer first"),
        ]
        for shown, marker, color, name in kinds if reveal else [(hit | True, "o", _PURPLE, "question")]:
            axis.scatter(*asked[shown].T, s=22 * shrink, marker=marker, color=color, linewidths=0, zorder=2, label=name)
        axis.set(title=plain(model.name), xlabel=f"{label} 1 (no unit)", ylabel=f"{label} 2 (no unit)")
        axis.set(xticks=[], yticks=[])
    n_columns = 3 if len(models) > 1 else 1  # where they fit side by side
    handles = axes.flat[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=n_columns, frameon=False)
    numbers = {model.name: numbers for model, (_, numbers) in zip(models, maps, strict=True)}
    return Picture(_with_all_letters(figure), pd.DataFrame(numbers).T)
