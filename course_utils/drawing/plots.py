"""The course's figures: one palette, one layout.

Colours are Petroff's ten, which stay apart for most kinds of colour vision; maps use a marker shape as well, so that
no reading rests on colour alone.
"""

import html
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

#: Ten colours from Petroff, Accessible Color Sequences for Data Visualization (2021), arXiv 2107.02270.
PALETTE = ("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd")
_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "x", "hexagon", "pentagon", "bowtie")
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
    points: np.ndarray, labels: Sequence, texts: Sequence[str] | None = None, *, title: str, method: str = "UMAP"
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
    _add_markers(figure, points, labels, previews)
    figure.update_layout(title=title, width=900, height=600, **_LAYOUT)
    figure.update_xaxes(title=f"{method} 1 (no unit)", **_AXIS)
    figure.update_yaxes(title=f"{method} 2 (no unit)", scaleanchor="x", **_AXIS)
    return figure


_LAYOUT = {"template": "plotly_white", "legend": {"title": "click hides, double click isolates"}}
_AXIS = {"showticklabels": False, "zeroline": False}


def _add_markers(figure, points, labels, hovers, *, size: int = 8, **place) -> None:
    for i, label in enumerate(dict.fromkeys(labels)):
        mine = labels == label
        figure.add_scatter(
            x=points[mine, 0],
            y=points[mine, 1],
            name=_escape(label),
            mode="markers",
            text=hovers[mine],
            marker={
                "color": PALETTE[i % len(PALETTE)],
                "symbol": _SYMBOLS[_shape(i)],
                "size": size,
                "line": {"width": 0.5, "color": "white"},
            },
            hovertemplate=f"<b>{_escape(label)}</b><br>%{{text}}<extra></extra>",
            legendgroup=_escape(label),
            **place,
        )


def plot_task_maps(
    maps: Mapping[str, np.ndarray],
    labels: Sequence,
    texts: Sequence[str],
    neighbours: Mapping[str, np.ndarray],
    *,
    title: str,
    method: str = "UMAP",
):
    """Draw the interactive maps of the same texts under several instructions, with one legend that rules all panels.

    Parameters
    ----------
    maps : the title of each panel and its points, shape (n, 2); one map fills the figure, more stand in two columns.
    labels, texts : n values each. A click on a label hides it in every panel.
    neighbours : for each panel the indices of every text's nearest neighbours, shape (n, k), taken in the vectors and
        not on the map; the first two are read out on hover.

    Returns
    -------
    A plotly ``Figure``; ``figure.write_html(path, include_plotlyjs=True)`` saves it with all that it needs.
    """
    from plotly.subplots import make_subplots

    labels, texts = np.asarray([str(label) for label in labels]), [str(text) for text in texts]
    columns = min(len(maps), 2)
    rows = -(-len(maps) // columns)
    figure = make_subplots(
        rows, columns, subplot_titles=[_escape(name) for name in maps], horizontal_spacing=0.03, vertical_spacing=0.06
    )
    for panel, (name, points) in enumerate(maps.items()):
        hovers = [
            "<br>".join([preview(text), "<i>nearest in the vectors:</i>"])
            + "".join(f"<br>– {_escape(labels[j])}: {preview(texts[j], 60)}" for j in nearest[:2])
            for text, nearest in zip(texts, neighbours[name], strict=True)
        ]
        place = {"row": panel // columns + 1, "col": panel % columns + 1, "showlegend": panel == 0}
        _add_markers(figure, points, labels, np.asarray(hovers), size=8 if columns == 1 else 6, **place)
        axis = f"x{panel + 1}" if panel else "x"
        figure.update_xaxes(
            title=f"{method} 1 (no unit)" if place["row"] == rows else None, **_AXIS, row=place["row"], col=place["col"]
        )
        figure.update_yaxes(
            title=f"{method} 2 (no unit)" if place["col"] == 1 else None,
            scaleanchor=axis,
            **_AXIS,
            row=place["row"],
            col=place["col"],
        )
    side = 430 if columns == 1 else 340
    # two maps and the legend fit into a JupyterLab window on a laptop
    figure.update_layout(title=title, width=side * columns + 210, height=side * rows + 130, **_LAYOUT)
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
    similarity: np.ndarray, labels: Sequence[str], *, title: str, columns: Sequence[str] | None = None, limit: float = 1
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
        similarity,
        vmin=-limit,
        vmax=limit,
        cmap="vlag",
        square=True,
        ax=axis,
        xticklabels=columns,
        yticklabels=labels,
        annot=similarity.size <= 36,
        fmt=".2f",
        cbar_kws={"label": "cosine similarity", "shrink": 0.7, "extend": "neither" if limit == 1 else "both"},
    )
    axis.set_title(title)
    plt.close(figure)
    return figure


def plot_scores(summary, *, title: str):
    """Draw what models scored, one panel a task and measure, with intervals; returns a matplotlib ``Figure``.

    Parameters
    ----------
    summary : table of :func:`course_utils.measuring.benchmark.summarize`. Models without a value are left out.
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
