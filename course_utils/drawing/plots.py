"""The course's figures: one palette, one layout.

Colours are Petroff's ten, which stay apart for most kinds of colour vision; maps use a marker shape as well, so that
no reading rests on colour alone. The pictures of a retriever are in :mod:`course_utils.drawing.visualizer`.
"""

import html
import itertools
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from course_utils.measuring.intervals import Leader

Arrays = Mapping[str, np.ndarray]
Leaders = Mapping[tuple[str, str], Leader] | None
Styles = Mapping[str, Mapping[str, str]] | None

#: Ten colours from Petroff, Accessible Color Sequences for Data Visualization (2021), arXiv 2107.02270.
PALETTE = ("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd")
_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "x", "hexagon", "pentagon", "bowtie")
_INSIDE = np.array([530, 400])  # pixels between the outer marks of a map that glides
_UP, _ACROSS = {"bottom": -1, "top": 1, "middle": 0}, {"center": 0, "right": 1, "left": -1}
_MARKERS = ("o", "D", "s", "^", "P", "*", "X", "h", "p", "v")


def preview(text: str, length: int = 160, width: int = 50) -> str:
    """Shorten a text for a hover box, broken into lines; tags in it are shown, not interpreted.

    Parameters
    ----------
    text : str
        Any text.
    length : int, default 160
        Characters after which it is cut, at a space where there is one.
    width : int, default 50
        Characters of a line.

    Returns
    -------
    str
        HTML as Plotly reads it.

    Examples
    --------
    >>> from course_utils.drawing import preview
    >>> preview("a < b, and so on and on", length=12)
    'a &lt; b, and …'
    """
    return "<br>".join(_escape(line) for line in textwrap.wrap(shorten(str(text), length), width))


def shorten(text: str, length: int) -> str:
    """Put a text in one line, cut after so many letters, at a space where there is one: not all scripts have them.

    Examples
    --------
    >>> from course_utils.drawing import plots
    >>> plots.shorten("a < b,  and so on and on", 12)
    'a < b, and …'
    """
    text = " ".join(text.split())
    return text if len(text) <= length else text[:length].rsplit(" ", 1)[0] + " …"


def _escape(text: str) -> str:
    # Plotly shows &quot; as it is, takes what stands between two dollars for a formula, and fills in what %{} names
    return html.escape(text, quote=False).replace("$", "&#36;").replace("{", "&#123;")


def plain(text: object) -> str:
    """Write words so that matplotlib shows them as they are, and no formula between two dollars.

    Parameters
    ----------
    text : object
        A title, a label or anything else that users may have written.

    Returns
    -------
    str
        The same words, for a figure only.

    Examples
    --------
    >>> from course_utils.drawing import plots
    >>> print(plots.plain("from $5 to $10"))
    from \\$5 to \\$10
    """
    return str(text).replace("$", r"\$")


def _by_label(labels: Sequence, known: Iterable[str] = ()) -> Iterator[tuple[str, np.ndarray, str, int]]:
    """Give each label, known ones first, then by first rows, with its rows, its colour and the number of its shape."""
    names = np.asarray([str(label) for label in labels])
    for i, name in enumerate(dict.fromkeys([*known, *names.tolist()])):
        turn, colour = divmod(i, len(PALETTE))
        yield name, names == name, PALETTE[colour], (i + turn) % len(_SYMBOLS)  # the colours return with other shapes


def plot_map(
    points: np.ndarray, labels: Sequence, texts: Sequence[str] | None = None, *, title: str, method: str = "UMAP"
) -> Any:
    """Draw an interactive map: one marker a text, coloured by label, with a preview on hover.

    Parameters
    ----------
    points : array of shape (n, 2)
        Where the texts are, as :func:`~course_utils.drawing.project` gives them.
    labels : sequence
        n values of any kind. A click on a label hides it, a double click shows it alone.
    texts : sequence of str, optional
        n texts for the hover boxes; the labels by default.
    title : str
        Stands above the map.
    method : str, default "UMAP"
        Names the axes.

    Returns
    -------
    plotly.graph_objects.Figure
        One trace a label.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.drawing import plots
    >>> figure = plots.plot_map(np.eye(4)[:, :2], list("abab"), title="Four points")
    >>> [trace.name for trace in figure.data]
    ['a', 'b']
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    _add_markers(figure, points, labels, [preview(text) for text in (labels if texts is None else texts)], size=8)
    figure.update_xaxes(title=f"{method} 1 (no unit)")
    figure.update_yaxes(title=f"{method} 2 (no unit)")
    return _laid_out(figure, title, width=900, height=600)


def _add_markers(
    figure: Any, points: np.ndarray, labels: Sequence, hovers: list[str], size: int, known: Iterable = (), **place: Any
) -> None:
    texts, edge = np.asarray(hovers), {"width": 0.5, "color": "white"}
    listed = {trace.name for trace in figure.data if trace.showlegend is not False}
    for label, rows, color, shape in _by_label(labels, known):
        if rows.any():
            name, (x, y) = _escape(label), points[rows].T
            marker = {"color": color, "symbol": _SYMBOLS[shape], "size": size, "line": edge}
            looks = {"mode": "markers", "marker": marker, "hovertemplate": f"<b>{name}</b><br>%{{text}}<extra></extra>"}
            legend = {"legendgroup": name, "showlegend": name not in listed}
            figure.add_scatter(x=x, y=y, text=texts[rows], name=name, **legend, **looks, **place)


def _add_values(
    figure: Any, points: np.ndarray, values: np.ndarray, hovers: list[str], size: int, name: str, **place: Any
) -> None:
    name, (low, high) = preview(name, width=28), (np.nanmin(values), np.nanmax(values))
    bars = {trace.name for trace in figure.data if trace.marker.showscale}
    scale: Any = "Cividis"
    if low < 0 < high:
        low, high = -max(-low, high), max(-low, high)
        scale = [(0, PALETTE[2]), (0.5, "#d8d8d8"), (1, PALETTE[0])]
    bar = {"orientation": "h", "thickness": 10, "lenmode": "pixels", "len": 180, "x": 1.02, "xanchor": "left"}
    bar |= {"y": 0.13 * len(bars), "yanchor": "bottom", "title": {"text": name, "side": "top"}}
    bar |= {"tickvals": [low, (low + high) / 2, high], "tickformat": ".2~f"}
    marker = {"color": values, "colorscale": scale, "cmin": low, "cmax": high, "colorbar": bar, "size": size}
    marker |= {"showscale": name not in bars, "line": {"width": 0.5, "color": "grey"}}
    looks: dict[str, Any] = {"mode": "markers", "hovertemplate": "<b>%{marker.color:.2f}</b><br>%{text}<extra></extra>"}
    looks |= {"x": points[:, 0], "y": points[:, 1], "text": hovers, "name": name, "showlegend": False}
    figure.add_scatter(marker=marker, **looks, **place)


def _laid_out(figure: Any, title: str, width: int, height: int) -> Any:
    legend = {"title": "click hides, double click isolates"}
    figure.update_layout(title=_escape(title), width=width, height=height, template="plotly_white", legend=legend)
    figure.update_xaxes(showticklabels=False, zeroline=False)
    figure.update_yaxes(showticklabels=False, zeroline=False)
    return figure.for_each_yaxis(lambda axis: axis.update(scaleanchor=axis.anchor or "x"))


def plot_task_maps(
    maps: Arrays,
    labels: Sequence | Mapping[str, Sequence],
    texts: Sequence[str],
    neighbours: Arrays,
    *,
    title: str,
    method: str = "UMAP",
    coloured_by: Mapping[str, str] | None = None,
) -> Any:
    """Draw the interactive maps of the same texts under several instructions, with one legend that rules all panels.

    Parameters
    ----------
    maps : mapping of str to array of shape (n, 2)
        The title of each panel and its points; one map fills the figure, more stand in two columns. Where all points
        lie as on the first map, the title says that no vector moved.
    labels : sequence, or mapping of str to sequence
        n values for all panels, or for each its own. Floats are drawn on a scale of colours, which has grey at zero
        where some are below and some above. Others are categories: a click on one hides it in every panel.
    texts : sequence of str
        n texts for the hover boxes.
    neighbours : mapping of str to array of int, shape (n, k)
        For each panel the indices of every text's nearest neighbours, taken in the vectors and not on the map; the
        first two are read out on hover.
    title : str
        Stands above the maps.
    method : str, default "UMAP"
        Names the axes.
    coloured_by : mapping of str to str, optional
        What a panel's labels are, for the legend or beside the scale; the panel's name by default.

    Returns
    -------
    plotly.graph_objects.Figure
        ``figure.write_html(path, include_plotlyjs=True)`` saves it with all that it needs.

    Raises
    ------
    ValueError
        If a panel has no labels.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.drawing import plots
    >>> points, nearest = np.eye(4)[:, :2], {"a": np.zeros((4, 2), int), "b": np.ones((4, 2), int)}
    >>> maps = {"a": points, "b": -points}
    >>> len(plots.plot_task_maps(maps, [0, 0, 1, 1], ["text"] * 4, nearest, title="Two maps").data)
    4
    """
    from plotly.subplots import make_subplots

    of_panel = labels if isinstance(labels, Mapping) else dict.fromkeys(maps, labels)
    if missing := [name for name in maps if name not in of_panel]:
        raise ValueError(f"labels has nothing for the map {missing[0]!r}. It has {', '.join(map(repr, of_panel))}.")
    values = {name: np.asarray(of_panel[name]) for name in maps}
    words = {name: [f"{v:.2f}" if own.dtype.kind == "f" else str(v) for v in own] for name, own in values.items()}
    known = dict.fromkeys(word for name in maps if values[name].dtype.kind != "f" for word in words[name])
    whole, short = ([preview(text, length) for text in texts] for length in (160, 60))
    columns, size = (1, 8) if len(maps) == 1 else (2, 6)
    first, rows = next(iter(maps)), -(-len(maps) // columns)
    still = [name != first and np.array_equal(points, maps[first]) for name, points in maps.items()]
    titles = [_escape(name) + " (no vector moved)" * same for name, same in zip(maps, still, strict=True)]
    figure = make_subplots(rows, columns, subplot_titles=titles, horizontal_spacing=0.03, vertical_spacing=0.06)
    for panel, (name, points) in enumerate(maps.items()):
        hovers = [
            f"{text}<br><i>nearest in the vectors:</i>"
            + "".join(f"<br>– {_escape(words[name][j])}: {short[j]}" for j in nearest[:2])
            for text, nearest in zip(whole, neighbours[name], strict=True)
        ]
        place = {"row": panel // columns + 1, "col": panel % columns + 1}
        called = (coloured_by or {}).get(name, name if of_panel is labels else "")
        if values[name].dtype.kind == "f":
            _add_values(figure, points, values[name], hovers, size, called, **place)
        else:
            before = len(figure.data)
            _add_markers(figure, points, words[name], hovers, size, known, **place)
            if (new := [trace for trace in figure.data[before:] if trace.showlegend]) and called:
                new[0].legendgrouptitle.text = _escape(called)
        if place["row"] == rows:
            figure.update_xaxes(title=f"{method} 1 (no unit)", **place)
        if place["col"] == 1:
            figure.update_yaxes(title=f"{method} 2 (no unit)", **place)
    figure.update_layout(legend_tracegroupgap=2, margin={"l": 50, "r": 20, "t": 80, "b": 50})
    side = 430 if columns == 1 else 340  # two maps and the legend fit into a JupyterLab window on a laptop
    return _laid_out(figure, title, width=side * columns + 210, height=side * rows + 120)


def plot_glide(maps: Arrays, labels: Mapping[str, Sequence], texts: Sequence[str], *, title: str) -> Any:
    """Draw a few texts on one map, with a button for each other map: a click, and they glide to their places there.

    Parameters
    ----------
    maps : mapping of str to array of shape (n, 2)
        The name of each button and the points on its map; the first is shown to begin with.
    labels : mapping of str to sequence
        For each map n categories, which give the marks their colour and shape there.
    texts : sequence of str
        About twelve texts, of which the first words are written beside the marks, and more in the hover boxes.
    title : str
        Stands above the map.

    Returns
    -------
    plotly.graph_objects.Figure
        The first trace holds the texts, one frame a map their places. The others are the legend.
        ``figure.write_html(path, include_plotlyjs=True, auto_play=False)`` saves it so that it waits for a click.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.drawing import plots
    >>> maps = {"topic": np.eye(4)[:, :2], "mood": -np.eye(4)[:, :2]}
    >>> labels = {"topic": list("ffcc"), "mood": list("ghgh")}
    >>> [frame.name for frame in plots.plot_glide(maps, labels, ["text"] * 4, title="Two questions").frames]
    ['topic', 'mood']
    """
    import plotly.graph_objects as go

    every = np.concatenate(list(maps.values()))
    low, high = every.min(axis=0), every.max(axis=0)
    room = 0.15 * (high - low)
    looks = {
        name: {"color": color, "symbol": _SYMBOLS[shape], "size": 13}
        for name, _, color, shape in _by_label([label for name in maps for label in labels[name]])
    }
    figure, frames = go.Figure(), []
    words, whole = [preview(text, 40, 24) for text in texts], [preview(text) for text in texts]
    for name, points in maps.items():
        own = [str(label) for label in labels[name]]
        marks = {key: [looks[label][key] for label in own] for key in ("color", "symbol")}
        hovers = [f"<b>{_escape(label)}</b><br>{text}" for label, text in zip(own, whole, strict=True)]
        places = _beside((points - low) / (high - low) * _INSIDE, words)
        state = go.Scatter(x=points[:, 0], y=points[:, 1], mode="markers+text", marker=marks, text=words)
        state.update(marker_size=13, textposition=places, hovertext=hovers, hoverinfo="text", showlegend=False)
        frames.append(go.Frame(name=_escape(name), data=[state], traces=[0]))
    figure.add_trace(frames[0].data[0])
    for label, marker in looks.items():  # empty traces, which stand in the legend
        group = _escape(", ".join(name for name in maps if label in map(str, labels[name])))
        entry = {"name": _escape(label), "legendgroup": group, "legendgrouptitle": {"text": group}}
        figure.add_scatter(x=[None], y=[None], mode="markers", marker=marker, **entry)
    figure.frames = frames
    pace = {"mode": "immediate", "transition": {"duration": 1500}, "frame": {"duration": 1500, "redraw": False}}
    buttons = [{"label": frame.name, "method": "animate", "args": [[frame.name], pace]} for frame in frames]
    row = {"type": "buttons", "direction": "right", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}
    _laid_out(figure, title, width=890, height=650)
    for axis, start, end in zip((figure.layout.xaxis, figure.layout.yaxis), low - room, high + room, strict=True):
        axis.update(range=[start, end], showgrid=False, scaleanchor=None)
    legend = {"title": "", "itemclick": False, "itemdoubleclick": False}
    margin = {"l": 20, "r": 20, "t": 110, "b": 20}
    return figure.update_layout(updatemenus=[{"buttons": buttons, **row}], legend=legend, margin=margin)


def _beside(points: np.ndarray, words: list[str]) -> list[str]:
    """Say on which side of each point, in pixels, its words cover the fewest marks, other words and edges."""
    taken, chosen = [np.array([point - 9, point + 9]) for point in points], []
    for point, lines in zip(points, (text.split("<br>") for text in words), strict=True):
        size, sides = np.array([3.3 * max(map(len, lines)), 8 * len(lines)]), {}
        for (up, y), (across, x) in itertools.product(_UP.items(), _ACROSS.items()):
            centre = point + np.array([x, y]) * (size + 9)
            box = np.array([centre - size, centre + size])
            cost = (abs(box - _INSIDE / 2) > 0.65 * _INSIDE).any() + len(points) * (x == y == 0)
            covered = sum(((box[0] < other[1]) & (other[0] < box[1])).all() for other in taken)
            sides[f"{up} {across}"] = covered + cost, box
        chosen.append(min(sides, key=lambda side: sides[side][0]))
        taken.append(sides[chosen[-1]][1])
    return chosen


def plot_map_grid(maps: Arrays, labels: Sequence, *, columns: int = 3, title: str = "") -> Any:
    """Draw several static maps of the same texts side by side, with one legend.

    Parameters
    ----------
    maps : mapping of str to array of shape (n, 2)
        The title of each panel and its points, row by row.
    labels : sequence
        n values of any kind.
    columns : int, default 3
        Panels in a row.
    title : str, optional
        Stands above the panels.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.drawing import plots
    >>> figure = plots.plot_map_grid({"one": np.eye(2), "two": -np.eye(2)}, ["a", "b"], columns=2)
    >>> [axis.get_title() for axis in figure.axes]
    ['one', 'two']
    """
    import matplotlib.pyplot as plt

    rows = -(-len(maps) // columns)
    size = np.clip(3000 / len(labels), 10, 60)
    figure, axes = plt.subplots(rows, columns, figsize=(3.4 * columns, 3.1 * rows), squeeze=False, layout="constrained")
    for axis, (title_of_map, points) in zip(axes.flat, maps.items(), strict=False):
        for name, own, color, shape in _by_label(labels):
            axis.scatter(*points[own].T, s=size, linewidths=0, label=plain(name), color=color, marker=_MARKERS[shape])
        axis.set(title=plain(title_of_map), xticks=[], yticks=[])
    for axis in axes.flat[len(maps) :]:
        axis.set_axis_off()
    drawn = axes.flat[0].get_legend_handles_labels()
    figure.legend(*drawn, loc="outside right center", markerscale=np.sqrt(50 / size), frameon=False)
    figure.suptitle(plain(title))
    plt.close(figure)  # returned, so that the notebook shows it once
    return figure


def plot_similarity_heatmap(
    similarity: np.ndarray, labels: Sequence[str], *, title: str, columns: Sequence[str] | None = None, limit: float = 1
) -> Any:
    """Draw a matrix of cosine similarities on a fixed scale.

    Parameters
    ----------
    similarity : array of shape (n, m)
        Values from −1 to 1; up to 36 of them are written into the cells.
    labels : sequence of str
        The n names of the rows.
    title : str
        Stands above the matrix.
    columns : sequence of str, optional
        The m names of the columns; those of the rows by default.
    limit : float, default 1
        The scale runs from −limit to limit; values beyond have the colour of its end.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.drawing import plots
    >>> plots.plot_similarity_heatmap(np.eye(2), ["a", "b"], title="Two texts").axes[0].get_title()
    'Two texts'
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    size = 3 + 0.33 * max(similarity.shape)
    figure, axis = plt.subplots(figsize=(size + 1.5, size), layout="constrained")
    across = labels if columns is None else columns
    names = {"xticklabels": list(map(plain, across)), "yticklabels": list(map(plain, labels))}
    numbers = {"annot": similarity.size <= 36, "fmt": ".2f"}
    bar = {"label": "cosine similarity", "shrink": 0.7, "extend": "neither" if limit == 1 else "both"}
    scale = {"vmin": -limit, "vmax": limit, "cmap": "vlag", "cbar_kws": bar}
    sns.heatmap(similarity, square=True, ax=axis, **scale, **names, **numbers)
    axis.set_title(plain(title))
    plt.close(figure)
    return figure


def styles_of(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Give each contender a colour and a marker, to be handed to every figure, so that none changes its own.

    Parameters
    ----------
    names : iterable of str
        All contenders, in the order in which figures list them.

    Returns
    -------
    dict of str to dict
        ``color`` and ``marker`` by name, as matplotlib takes them.

    Examples
    --------
    >>> from course_utils.drawing import plots
    >>> plots.styles_of(["BM25", "MiniLM"])["MiniLM"]
    {'color': '#ffa90e', 'marker': 'D'}
    """
    return {name: {"color": color, "marker": _MARKERS[shape]} for name, _, color, shape in _by_label(list(names))}


def plot_scores(summary: pd.DataFrame, *, title: str, leaders: Leaders = None, styles: Styles = None) -> Any:
    """Draw what models scored, one panel a task and measure, three in a row, with intervals.

    Parameters
    ----------
    summary : DataFrame
        Table of :func:`course_utils.measuring.benchmark.summarize`. Models without a value are left out.
    title : str
        Stands above the panels.
    leaders : mapping, optional
        Of :func:`course_utils.measuring.benchmark.leaders`: then the leader is ringed, and who can be told apart from
        it is hollow.
    styles : mapping of str to mapping, optional
        Of :func:`styles_of`, in the order of the rows. Default: by the order of the table.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from course_utils.drawing import plots
    >>> row = {"model": "a", "task": "t", "metric": "accuracy", "estimate": 0.5, "low": 0.4, "high": 0.6}
    >>> plots.plot_scores(pd.DataFrame([row]), title="Scores").axes[0].get_title()
    't'
    """
    import matplotlib.pyplot as plt

    summary = summary.dropna(subset="estimate")
    styles = styles_of(summary["model"]) if styles is None else styles
    models = [name for name in styles if name in set(summary["model"])][::-1]  # the first at the top
    panels = list(summary.groupby(["task", "metric"], sort=False))
    columns = 2 if len(panels) == 4 else min(3, len(panels))
    n_rows = -(-len(panels) // columns)
    same = summary["metric"].nunique() == 1  # then lengths can be compared across panels
    size = (1.8 + 2.5 * columns, 0.5 + n_rows * (0.8 + 0.36 * len(models)))
    figure, axes = plt.subplots(
        n_rows, columns, figsize=size, sharex=same, sharey=True, squeeze=False, layout="constrained"
    )
    for axis, ((task, metric), rows) in zip(axes.flat, panels, strict=False):
        first, metric = leaders[task, metric] if leaders else None, plain(metric.replace("_at_", "@"))
        for row in rows.itertuples():
            ends = [[row.estimate - row.low], [row.high - row.estimate]]
            looks: dict[str, Any] = dict(styles[row.model])
            if first and row.model not in (first.name, *first.ties):
                looks["mfc"] = "white"
            if first and row.model == first.name:
                looks |= {"mec": "black", "mew": 1.5, "ms": 9}
            axis.errorbar(row.estimate, models.index(row.model), xerr=ends, ls="", capsize=3, **looks)
        axis.set(title=plain(task), xlabel=f"{metric}\n(95 % interval)", ylim=(-0.5, len(models) - 0.5))
        axis.set_yticks(range(len(models)), list(map(plain, models)))
        axis.locator_params(axis="x", nbins=4)
        axis.tick_params(labelbottom=True)
        axis.grid(axis="x", alpha=0.4)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    figure.suptitle(plain(title))
    if leaders:
        figure.supxlabel("ringed: highest; filled: cannot be told apart from it; hollow: surely behind", fontsize=9)
    plt.close(figure)  # returned, so that the notebook shows it once
    return figure


def plot_frontier(
    table: pd.DataFrame, *, title: str, quality: str, threshold: float | None = None, styles: Styles = None
) -> Any:
    """Draw quality against time, with the frontier: those than which no other is at once faster and better.

    Parameters
    ----------
    table : DataFrame
        Index: names of up to about eight contenders. Columns ``quality``, ``low`` and ``high`` (its interval),
        ``ms_per_text``, and ``memory_mib`` if it is to stand with the names. Rows without quality or time are left out.
    title : str
        Stands above the figure.
    quality : str
        What quality is: names its axis.
    threshold : float, optional
        Quality that a rule asks for.
    styles : mapping of str to mapping, optional
        Of :func:`styles_of`. Default: by the order of the table.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from course_utils.drawing import plots
    >>> columns = {"quality": [0.5, 0.7, 0.6], "low": 0.4, "high": 0.8, "ms_per_text": [0.1, 9, 20]}
    >>> table = pd.DataFrame(columns, index=["words", "small", "slow"])
    >>> figure = plots.plot_frontier(table, title="What quality costs", quality="recall@1", threshold=0.8)
    >>> figure.axes[0].lines[0].get_ydata().tolist()
    [0.5, 0.7]
    """
    import matplotlib.pyplot as plt

    table = table.dropna(subset=["quality", "ms_per_text"])
    styles = styles_of(table.index) if styles is None else styles
    figure, axis = plt.subplots(figsize=(8.5, 5), layout="constrained")
    by_time = table.sort_values(["ms_per_text", "quality"], ascending=[True, False])
    best = by_time[by_time["quality"] > by_time["quality"].cummax().shift(fill_value=-np.inf)]
    axis.step(best["ms_per_text"], best["quality"], where="post", color="grey", lw=1, label="frontier")
    if threshold is not None:
        axis.axhline(threshold, color="black", linestyle="--", lw=1, label=f"wanted: {threshold:g}")
    names = {}
    for row in table.itertuples():
        ends = [[row.quality - row.low], [row.high - row.quality]]
        axis.errorbar(row.ms_per_text, row.quality, yerr=ends, ls="", capsize=4, ms=8, **styles[row.Index])
        memory = getattr(row, "memory_mib", np.nan)
        words = plain(row.Index) + ("" if np.isnan(memory) else f"\n{memory:,.0f} MiB")
        names[row.Index] = (words, row.ms_per_text, row.quality, row.low, row.high)
    wide = table["ms_per_text"].max() > 1000 * table["ms_per_text"].min()
    axis.set(xscale="log", title=plain(title), ylabel=f"{plain(quality)} (95 % interval)")
    axis.set_xlabel("ms per text, one core (log scale)")
    axis.xaxis.set_major_locator(plt.LogLocator(subs=(1,) if wide else (1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("")
    axis.margins(x=0.15, y=0.1)
    axis.grid(alpha=0.3)
    figure.legend(loc="outside lower right", ncols=2, frameon=False, fontsize=9)
    _name_points(figure, axis, list(names.values()), threshold)
    plt.close(figure)
    return figure


def _name_points(figure: Any, axis: Any, points: list[tuple], line: float | None) -> None:
    """Write a name beside each point, where no marker, bar, line or other name is: the nearest free place."""
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()  # only now it is known where things are
    taken = []
    for _, x, y, low, high in points:
        (left, bottom), (right, top) = axis.transData.transform([(x, min(low, y)), (x, max(high, y))])
        taken.append(Bbox.from_extents(left - 8, bottom - 8, right + 8, top + 8))
    heights = [] if line is None else [axis.transData.transform((1, line))[1]]
    taken += [Bbox.from_extents(axis.bbox.x0, y - 3, axis.bbox.x1, y + 3) for y in heights]
    ways = np.round([(np.cos(angle), np.sin(angle)) for angle in np.arange(16) * np.pi / 8], 3)
    paper = {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1}
    looks = {"ha": "center", "va": "center", "fontsize": 9, "bbox": paper}
    arrow = {"arrowstyle": "-", "color": "grey", "lw": 0.6}
    for words, x, y, *_ in points:
        note = axis.annotate(words, (x, y), (0, 0), textcoords="offset points", arrowprops=arrow, **looks)
        size, middle = np.array(Text.get_window_extent(note).size), axis.transData.transform((x, y))
        for radius, way in itertools.product(range(14, 400, 12), ways):
            centre = middle + way * radius + np.sign(way) * size / 2
            box = Bbox([centre - size / 2, centre + size / 2])
            if axis.bbox.contains(*box.min) and axis.bbox.contains(*box.max) and not box.count_overlaps(taken):
                break
        note.set_position((centre - middle) * 72 / figure.dpi)
        taken.append(box)
