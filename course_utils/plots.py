"""The course's figures: one palette, one layout.

Colours are Petroff's ten, which stay apart for most kinds of colour vision; maps use a marker shape as well, so that
no reading rests on colour alone.
"""

import html
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

#: Ten colours from Petroff, Accessible Color Sequences for Data Visualization (2021), arXiv 2107.02270.
PALETTE = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
_SYMBOLS = (
    "circle",
    "diamond",
    "square",
    "triangle-up",
    "cross",
    "star",
    "x",
    "hexagon",
    "pentagon",
    "bowtie",
)
_MARKERS = ("o", "D", "s", "^", "P", "*", "X", "h", "p", "v")


def preview(text: str, length: int = 160) -> str:
    """Shorten a text for a hover box, broken into lines; tags in it are shown, not interpreted."""
    text = " ".join(str(text).split())
    if len(text) > length:  # at a space where there is one: not all scripts have them
        text = text[:length].rsplit(" ", 1)[0] + " …"
    return "<br>".join(_escape(line) for line in textwrap.wrap(text, 50))


def _escape(text: str) -> str:
    return html.escape(text, quote=False)  # Plotly shows &quot; as it is


def _shape(i: int) -> int:
    return (i + i // len(PALETTE)) % len(_SYMBOLS)  # from the eleventh label on the colours return with other shapes


def plot_map(
    points: np.ndarray,
    labels: Sequence,
    texts: Sequence[str] | None = None,
    *,
    title: str,
    method: str = "UMAP",
):
    """Draw an interactive map: one marker a text, coloured by label, with a preview on hover.

    Parameters
    ----------
    points : array of shape (n, 2).
    labels, texts : n values each. A click on a label hides it, a double click shows it alone.

    Returns
    -------
    A plotly ``Figure``.
    """
    import plotly.graph_objects as go

    labels = np.asarray([str(label) for label in labels])
    previews = np.asarray([preview(text) for text in (labels if texts is None else texts)])
    figure = go.Figure()
    for i, label in enumerate(dict.fromkeys(labels)):
        mine = labels == label
        figure.add_scatter(
            x=points[mine, 0], y=points[mine, 1], name=_escape(label), mode="markers", text=previews[mine],
            marker={
                "color": PALETTE[i % len(PALETTE)], "symbol": _SYMBOLS[_shape(i)], "size": 8,
                "line": {"width": 0.5, "color": "white"},
            },
            hovertemplate=f"<b>{_escape(label)}</b><br>%{{text}}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(
        title=title,
        template="plotly_white",
        width=900,
        height=600,
        legend={"title": "click hides, double click isolates"},
    )
    figure.update_xaxes(title=f"{method} 1 (no unit)", showticklabels=False, zeroline=False)
    figure.update_yaxes(title=f"{method} 2 (no unit)", showticklabels=False, zeroline=False, scaleanchor="x")
    return figure


def plot_map_grid(maps: Mapping[str, np.ndarray], labels: Sequence, *, columns: int = 3, title: str = ""):
    """Draw several static maps of the same texts side by side; returns a matplotlib ``Figure``.

    Parameters
    ----------
    maps : the title of each panel and its points, shape (n, 2), row by row.
    """
    import matplotlib.pyplot as plt

    labels = np.asarray([str(label) for label in labels])
    rows = -(-len(maps) // columns)
    size = np.clip(3000 / len(labels), 10, 60)
    figure, axes = plt.subplots(rows, columns, figsize=(3.4 * columns, 3.1 * rows), squeeze=False, layout="constrained")
    for axis, (name, points) in zip(axes.flat, maps.items(), strict=False):
        for i, label in enumerate(dict.fromkeys(labels)):
            mine = labels == label
            style = {"color": PALETTE[i % len(PALETTE)], "marker": _MARKERS[_shape(i)]}
            axis.scatter(*points[mine].T, s=size, linewidths=0, label=label, **style)
        axis.set(title=name, xticks=[], yticks=[])
    for axis in axes.flat[len(maps) :]:
        axis.set_axis_off()
    figure.legend(
        *axes.flat[0].get_legend_handles_labels(),
        loc="outside right center",
        markerscale=np.sqrt(50 / size),
        frameon=False,
    )
    figure.suptitle(title)
    plt.close(figure)  # returned, so that the notebook shows it once
    return figure


def plot_similarity_heatmap(
    similarity: np.ndarray,
    labels: Sequence[str],
    *,
    title: str,
    columns: Sequence[str] | None = None,
    limit: float = 1,
):
    """Draw a matrix of cosine similarities on a fixed scale; returns a matplotlib ``Figure``.

    Parameters
    ----------
    similarity : array of shape (n, m).
    labels, columns : the n names of the rows and the m names of the columns (default: the same).
    limit : the scale runs from −limit to limit; values beyond have the colour of its end.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    columns = labels if columns is None else columns
    size = 3 + 0.33 * max(similarity.shape)
    figure, axis = plt.subplots(figsize=(size + 1.5, size), layout="constrained")
    sns.heatmap(
        similarity, vmin=-limit, vmax=limit, cmap="vlag", square=True, ax=axis, xticklabels=columns, yticklabels=labels,
        annot=similarity.size <= 36, fmt=".2f",
        cbar_kws={"label": "cosine similarity", "shrink": 0.7, "extend": "neither" if limit == 1 else "both"},
    )  # fmt: skip
    axis.set_title(title)
    plt.close(figure)
    return figure


def plot_scores(summary, *, title: str):
    """Draw what models scored, one panel a task and measure, with intervals; returns a matplotlib ``Figure``.

    Parameters
    ----------
    summary : table of :func:`course_utils.benchmark.summarize`. Models without a value are left out.
    """
    import matplotlib.pyplot as plt

    summary = summary.dropna(subset="estimate")
    models = list(dict.fromkeys(summary["model"]))[::-1]  # the first at the top
    panels = list(summary.groupby(["task", "metric"], sort=False))
    size = (1.8 + 2.5 * len(panels), 1.3 + 0.36 * len(models))
    figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for i, (axis, ((task, metric), rows)) in enumerate(zip(axes.flat, panels, strict=True)):
        rows = rows.set_index("model").reindex(models)
        errors = [rows["estimate"] - rows["low"], rows["high"] - rows["estimate"]]
        axis.errorbar(rows["estimate"], range(len(models)), xerr=errors, fmt=_MARKERS[i], capsize=3, color=PALETTE[i])
        axis.set(title=task, xlabel=f"{metric}\n(95 % interval)", yticks=range(len(models)), yticklabels=models)
        axis.grid(axis="x", alpha=0.4)
    figure.suptitle(title)
    plt.close(figure)
    return figure


def plot_tradeoff(table, *, quality: str, title: str):
    """Draw quality against speed, memory as the size of the marker; returns a matplotlib ``Figure``.

    Parameters
    ----------
    table : DataFrame indexed by model with ``ms_per_text``, its quartiles ``q1`` and ``q3``, ``estimate`` with ``low``
        and ``high``, and ``memory_mib``.
    quality : what ``estimate`` is, for the axis.
    """
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8.5, 5), layout="constrained")
    for i, (model, row) in enumerate(table.iterrows()):
        color, at = PALETTE[i % len(PALETTE)], (row["ms_per_text"], row["estimate"])
        errors = [[row["estimate"] - row["low"]], [row["high"] - row["estimate"]]]
        spread = [[row["ms_per_text"] - row["q1"]], [row["q3"] - row["ms_per_text"]]]
        axis.errorbar(*at, yerr=errors, xerr=spread, color=color, capsize=4, zorder=3)
        axis.scatter(*at, s=20 + 1.2 * row["memory_mib"], color=color, alpha=0.75, marker=_MARKERS[_shape(i)], zorder=2)
        label = f"{model}\n{row['memory_mib']:,.0f} MiB"
        axis.annotate(label, at, xytext=(18, 0), textcoords="offset points", fontsize=9, va="center")
    axis.set(
        xscale="log", xlabel="ms per text (log scale, quartiles)", ylabel=f"{quality} (95 % interval)", title=title
    )
    axis.set_xlim(table["ms_per_text"].min() / 3, table["ms_per_text"].max() * 8)  # room for the names
    axis.grid(alpha=0.3)
    plt.close(figure)
    return figure
