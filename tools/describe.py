"""Says in words what a figure shows, for those who do not see it: the alternative text of stored figures.

Everything is read off the figure itself, so that the words change with it: titles, axes, groups, the ends and the
turn of a line, values with their intervals, how far the colours of a map keep together. Texts that stand within a
figure are counted and not repeated, for others may have written them.

`tools/execute.py` loads this module into the kernel as an extension of IPython; every matplotlib figure then
comes with its description. Plotly's figures are described from what is stored of them.
"""

import base64
import html
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from scipy.stats import spearmanr

LONGEST = 1800  # letters; longer than this nobody listens to
MANY = 5  # a line of so many points may have a cliff that is worth a word
MANY_BARS = 12  # from here on bars are a distribution, and its peak says more than each of them


def number(value: float) -> str:
    """A number as one would say it: three digits, no leading zeros of precision that nobody has."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def ends(xs: Iterable[float], ys: Iterable[float], names: dict[float, str] | None = None) -> str:
    """Where a line begins and ends, and its highest and lowest point where they lie between."""
    x, y = np.asarray(xs, float), np.asarray(ys, float)
    x, y = x[np.isfinite(x) & np.isfinite(y)], y[np.isfinite(x) & np.isfinite(y)]
    if not len(x):
        return "nothing"
    said = f"from {number(y[0])} at {place(x[0], names)} to {number(y[-1])} at {place(x[-1], names)}"
    for word, at in (("highest", int(y.argmax())), ("lowest", int(y.argmin()))):
        if 0 < at < len(y) - 1 and y[at] not in (y[0], y[-1]):
            said += f", {word} {number(y[at])} at {place(x[at], names)}"
    steps = np.abs(np.diff(y))
    if len(y) > MANY and steps.max() > np.ptp(y) / 2:
        at = int(steps.argmax())
        said += f", most of it between {place(x[at], names)} and {place(x[at + 1], names)}"
    return said


def joins(points: np.ndarray) -> str:
    """How many lines lie between the gaps of a broken line, and how long they are, beside the whole picture."""
    gaps = ~np.isfinite(points).all(axis=1)
    ends = np.split(points[~gaps], np.unique(np.cumsum(~gaps)[gaps]))
    lengths = [np.hypot(*(end[-1] - end[0])) for end in ends if len(end) > 1]
    if not lengths:
        return ""
    half = np.median(lengths) / np.hypot(*np.ptp(points[~gaps], axis=0))
    return f"{len(lengths)} lines join points, half of them shorter than {half:.0%} of the picture's diagonal"


def place(value: float, names: dict[float, str] | None) -> str:
    """The word that an axis has for a value, also of a mark set a little beside the others; else the number."""
    nearest_name = min(names or {}, key=lambda at: abs(at - value), default=np.inf)
    return names[nearest_name] if names and abs(nearest_name - value) <= 0.5 else number(value)


def groups_of(points: np.ndarray, groups: np.ndarray, is_map: bool) -> str:
    """How many points each group has, and where: on a map whether a colour keeps together, else its middle."""
    counts = Counter(groups.tolist())
    if is_map:
        each = "" if len(set(counts.values())) > 1 else f"{counts.most_common(1)[0][1]:,} of each: "
        named = [f"{'' if each else f'{n:,} '}{f'“{group}”' if group else 'unnamed'}" for group, n in counts.items()]
        return f"{len(points):,} points" + f": {each}{', '.join(named)}" * (len(counts) > 1) + together(points, groups)
    said = []
    for group, n in counts.items():
        x, y = points[groups == group].T
        many = f"{n:,} points around" if n > 1 else "one point at"
        middle = f"{number(np.median(x))}, {number(np.median(y))}"
        said.append(f"“{group}”: {many} {middle}" if group else f"{many} {middle}")
        if n > 20 and np.ptp(x) and np.ptp(y):
            said[-1] += f" (rank correlation {spearmanr(x, y).statistic:.2f})"
    return "; ".join(said)


def nearest(points: np.ndarray) -> np.ndarray:
    """The row of the nearest other point of each point."""
    distances = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    return distances.argmin(axis=1)


def shading(points: np.ndarray, shades: np.ndarray) -> str:
    """The ends of a scale of colours, and whether a point's colour is that of the point nearest to it."""
    seen = np.isfinite(shades) & np.isfinite(points).all(axis=1)
    if seen.sum() < 10 or not np.ptp(shades[seen]):
        return ""
    points, shades = points[seen], shades[seen]
    alike = np.corrcoef(shades, shades[nearest(points)])[0, 1]
    low, high = number(shades.min()), number(shades.max())
    return f", coloured from {low} to {high}; the colours of nearest points correlate ({alike:.2f})"


def together(points: np.ndarray, groups: np.ndarray) -> str:
    """The share of points whose nearest point in the picture has the same colour, and what chance would bring."""
    share = np.array([(groups == group).mean() for group in set(groups.tolist())])
    if len(share) < 2 or len(points) < 10:
        return ""
    same = (groups[nearest(points)] == groups).mean()
    return f"; the nearest point has the same colour for {same:.0%} of them (by chance {(share**2).sum():.0%})"


def tidy(text: Any) -> str:
    """A label in one line, without marks of layout."""
    text = html.unescape(re.sub(r"<[^>]*>", " ", str(text or ""))).replace("\\$", "$")
    return " ".join(text.split())


def compose(title: str, panels: list[str], controls: Iterable[str] = ()) -> str:
    """The whole description, cut where nobody listens any more."""
    panels = [panel for panel in panels if panel]
    for again in re.findall(r"points: ([^;]*)", panels[0] if panels else ""):
        panels[1:] = [panel.replace(again, "as before") for panel in panels[1:]]
    count = f"{len(panels)} panels. " if len(panels) > 1 else ""
    said = f"{title}. " * bool(title) + count + ". ".join([*panels, *controls])
    said = textwrap.shorten(said, LONGEST, placeholder=" …").rstrip(".")
    return said and said + "."


def heading(title: str, x: str, y: str) -> str:
    """What a panel is called and what its axes say."""
    axes = f"{y} against {x}" if x and y else x or y
    return ", ".join(filter(None, [title, axes]))


# --- matplotlib ----------------------------------------------------------------------------------------------------


def describe(figure: Any) -> str:
    """Describe a drawn figure of matplotlib."""
    panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>" and axes.get_visible()]
    legends = [*figure.legends, *filter(None, (axes.get_legend() for axes in figure.axes))]
    names = dict(pair for legend in legends for pair in _named_colours(legend))  # panels share a legend
    return compose(tidy(figure.get_suptitle()), [_panel(axes, names) for axes in panels])


def _panel(axes: Any, shared: dict[tuple, str]) -> str:
    legend = axes.get_legend()
    names = shared | (dict(_named_colours(legend)) if legend else {})
    x_names, y_names = _tick_names(axes, "x"), _tick_names(axes, "y")
    title = tidy(" ".join(axes.get_title(loc) for loc in ("left", "center", "right")))
    parts = [
        *_meshes(axes),
        *_bars(axes, x_names, y_names, names),
        *_intervals(axes, x_names, y_names, names),
        *_lines(axes, x_names, names),
        *_points(axes, names),
    ]
    return ": ".join(filter(None, [heading(title, tidy(axes.get_xlabel()), tidy(axes.get_ylabel())), "; ".join(parts)]))


def _named_colours(legend: Any) -> Iterator[tuple[tuple, str]]:
    for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=False):
        kind = _kind(handle)
        first = {"line": "get_color", "mark": "get_markerfacecolor"}.get(kind, "get_facecolor")
        getters = (getattr(handle, name, tuple) for name in (first, "get_facecolor", "get_edgecolor"))
        colour = next(filter(None, (_colour(getter()) for getter in getters)), ())
        if colour:
            yield (kind, *colour), tidy(text.get_text())


def _kind(artist: Any) -> str:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    if isinstance(artist, Line2D):
        return "line" if artist.get_marker() in (None, "None", "", " ") else "mark"
    return "patch" if isinstance(artist, Patch) else "mark"


def _colour(colour: Any) -> tuple:
    from matplotlib.colors import to_rgb

    one = np.asarray(colour, dtype=object)
    if not one.size or (isinstance(colour, str) and colour == "none"):
        return ()
    return tuple(np.round(to_rgb(one[0] if one.ndim > 1 else colour), 2).tolist())


def _tick_names(axes: Any, which: str) -> dict[float, str]:
    """Positions and words of an axis whose marks are words; empty where they are numbers.

    Panels that share an axis show its words once.
    """
    numbers = re.compile(r"[−+-]?[\d.,]*\s?(%|×)?|\$.*\$")
    shared = {"x": axes.get_shared_x_axes, "y": axes.get_shared_y_axes}[which]()
    for each in (axes, *shared.get_siblings(axes)):
        axis = getattr(each, f"{which}axis")
        texts = [tidy(label.get_text()) for label in axis.get_ticklabels()]
        if not all(numbers.fullmatch(text) for text in texts):
            return {round(float(at), 2): text for at, text in zip(axis.get_ticklocs(), texts, strict=False) if text}
    return {}


def _named(artist: Any, names: dict[tuple, str], colour: Any, kind: str = "mark") -> str:
    label = str(artist.get_label() or "")
    return tidy(label) if label and not label.startswith("_") else names.get((kind, *_colour(colour)), "")


def _meshes(axes: Any) -> Iterator[str]:
    from matplotlib.collections import QuadMesh

    for mesh in [*axes.images, *(item for item in axes.collections if isinstance(item, QuadMesh))]:
        cells = np.ma.masked_invalid(np.ma.asarray(mesh.get_array()))
        if mesh in axes.images and cells.ndim == 3:
            continue
        rows, columns = cells.shape if cells.ndim == 2 else (int(cells.size**0.5),) * 2
        cells = cells.reshape(rows, columns)
        bar = getattr(mesh, "colorbar", None)
        what = tidy(bar.ax.get_ylabel() or bar.ax.get_xlabel()) if bar else ""
        said = (
            f"{rows} by {columns} cells{f' of {what}' if what else ''}, {number(cells.min())} to {number(cells.max())}"
        )
        if rows == columns > 1:
            other = ~np.eye(rows, dtype=bool)
            own, others = number(cells.diagonal().mean()), number(cells[other].mean())
            said += f", on the diagonal {own} on average, beside it {others}"
        yield said


def _bars(axes: Any, x_names: dict, y_names: dict, names: dict[tuple, str]) -> Iterator[str]:
    from matplotlib.container import BarContainer
    from matplotlib.patches import PathPatch, Rectangle

    for bars in (item for item in axes.containers if isinstance(item, BarContainer) and len(item)):
        across = getattr(bars, "orientation", "vertical") == "horizontal"
        lengths = [bar.get_width() if across else bar.get_height() for bar in bars]
        middles = [bar.get_y() + bar.get_height() / 2 if across else bar.get_x() + bar.get_width() / 2 for bar in bars]
        name = _named(bars, {}, "none") or _named(
            bars[0], names, bars[0].get_facecolor(), "patch"
        )  # a histogram names its bars
        if len(bars) > MANY_BARS or not (y_names if across else x_names):
            top = int(np.argmax(lengths))
            said = f"{len(bars)} bars, the highest {number(lengths[top])} at {number(middles[top])}"
        else:
            words = [place(at, y_names if across else x_names) for at in middles]
            said = ", ".join(f"{word} {number(length)}" for word, length in zip(words, lengths, strict=True))
        yield f"“{name}”: {said}" if name else said
    for box in (patch for patch in axes.patches if isinstance(patch, PathPatch)):
        (x0, y0), (x1, y1) = box.get_path().get_extents().get_points()
        name, low, high = (
            (place((y0 + y1) / 2, y_names), x0, x1) if y_names else (place((x0 + x1) / 2, x_names), y0, y1)
        )
        yield f"the middle half of “{name}” from {number(low)} to {number(high)}"
    loose = Counter(_colour(patch.get_facecolor()) for patch in axes.patches if type(patch) is Rectangle)
    for bars in axes.containers:
        loose -= Counter(_colour(patch.get_facecolor()) for patch in getattr(bars, "patches", ()))
    if sum(loose.values()) > 3:
        marked = sum(loose.values()) - max(loose.values())
        yield f"a table of {sum(loose.values())} cells, {marked} of them marked by colour"


def _intervals(axes: Any, x_names: dict, y_names: dict, names: dict[tuple, str]) -> Iterator[str]:
    from matplotlib.container import ErrorbarContainer

    notes = {
        tuple(np.round(note.xy, 6)): tidy(note.get_text().partition("\n")[0])
        for note in axes.texts
        if hasattr(note, "xy")
    }
    by_name: dict[str, list[str]] = {}
    for item in (item for item in axes.containers if isinstance(item, ErrorbarContainer)):
        line, _, bars = item.lines
        along = 1 if item.has_yerr else 0
        segments = np.array([np.asarray(segment) for segment in bars[0].get_segments() if len(segment) == 2])
        if not len(segments):
            continue
        middle = segments.mean(axis=1) if line is None else line.get_xydata()
        colour = bars[0].get_color() if line is None else line.get_color()
        for at, (low, high) in zip(middle, np.sort(segments[:, :, along], axis=1), strict=False):
            word = place(at[1 - along], x_names if along else y_names)
            if note := notes.get(tuple(np.round(at, 6))):
                word = f"{note} at {word}:"
            said = f"{word} {number(at[along])} ({number(low)} to {number(high)})"
            by_name.setdefault(_named(item, names, colour), []).append(said)
    for name, said in by_name.items():
        yield f"“{name}”: {', '.join(said)}" if name else ", ".join(said)


def _lines(axes: Any, x_names: dict, names: dict[tuple, str]) -> Iterator[str]:
    from matplotlib.container import ErrorbarContainer

    taken = {
        part
        for item in axes.containers
        if isinstance(item, ErrorbarContainer)
        for part in (item.lines[0], *item.lines[1])
    }
    for line in (line for line in axes.lines if line not in taken and line.get_visible()):
        x, y = np.asarray(line.get_xydata(), float).reshape(-1, 2).T
        name = _named(line, names, line.get_color(), _kind(line))
        if not len(x):
            continue
        if len(x) == 2 and line.get_transform() != axes.transData:
            level, on = (y[0], "y") if y[0] == y[1] else (x[0], "x")
            yield f"a line {f'“{name}” ' if name else ''}at {on} = {number(level)}"
        elif str(line.get_linestyle()) in ("None", "", " ") and len(x):
            yield f"{f'“{name}”: ' if name else ''}{groups_of(np.column_stack([x, y]), np.full(len(x), ''), False)}"
        elif not np.isfinite(x + y).all() and (said := joins(np.column_stack([x, y]))):
            yield said
        elif len(x) > 2 or (len(x) == 2 and name):
            yield f"{f'“{name}”' if name else 'a line'} {ends(x, y, x_names)}"


def _points(axes: Any, names: dict[tuple, str]) -> Iterator[str]:
    from matplotlib.collections import LineCollection, PathCollection

    is_map = not axes.axison or not len(axes.get_xticks()) or "no unit" in axes.get_xlabel()
    points, groups = [], []
    for item in (item for item in axes.collections if isinstance(item, PathCollection)):
        offsets = np.ma.filled(np.ma.asarray(item.get_offsets(), float), np.nan).reshape(-1, 2)
        colours = item.get_facecolor()
        colours = colours if len(colours) else item.get_edgecolor()
        one = len(colours) == 1
        own = [_named(item, names, colours[0 if one else i]) for i in range(len(offsets))] if len(colours) else []
        points.append(offsets)
        groups += own or [""] * len(offsets)
    if points and len(groups):
        where = np.concatenate(points)
        real = np.isfinite(where).all(axis=1)
        yield groups_of(where[real], np.array(groups)[real], is_map)
    errors = {part for item in axes.containers for part in (getattr(item, "lines", ((), (), ()))[2] or ())}
    n_lines = sum(
        len(item.get_segments()) for item in axes.collections if isinstance(item, LineCollection) and item not in errors
    )
    if n_lines:
        yield f"{n_lines} short lines"
    if axes.texts and is_map:
        yield f"{len(axes.texts)} of them with words beside"


# --- Plotly --------------------------------------------------------------------------------------------------------


def describe_plotly(figure: dict) -> str:
    """Describe a figure of Plotly, given as the JSON object that a notebook stores."""
    layout, panels = figure.get("layout", {}), {}
    for trace in figure.get("data", []):
        panels.setdefault((trace.get("xaxis", "x"), trace.get("yaxis", "y")), []).append(trace)
    titles = [tidy(note.get("text")) for note in layout.get("annotations", []) if note.get("yref") == "paper"]
    titles = titles if len(titles) == len(panels) > 1 else [""] * len(panels)
    said = [
        _plotly_panel(name, traces, *(_axis(layout, axis) for axis in key))
        for name, (key, traces) in zip(titles, panels.items(), strict=True)
    ]
    buttons = [tidy(button.get("label")) for menu in layout.get("updatemenus", []) for button in menu["buttons"]]
    steps = [tidy(step.get("label")) for slider in layout.get("sliders", []) for step in slider["steps"]]
    controls = [f"{what}: {', '.join(words)}" for what, words in (("Buttons", buttons), ("A slider", steps)) if words]
    title = layout.get("title", "")
    return compose(tidy(title.get("text") if isinstance(title, dict) else title), said, controls)


def _axis(layout: dict, key: str) -> str:
    title = layout.get(f"{key[0]}axis{key[1:]}", {}).get("title", "")
    return tidy(title.get("text") if isinstance(title, dict) else title)


def _plotly_panel(title: str, traces: list[dict], x: str, y: str) -> str:
    points, groups, shades, parts = [], [], [], []
    for trace in traces:
        if trace.get("type") == "bar":
            words, lengths = (trace.get(key) for key in ("yx" if trace.get("orientation") == "h" else "xy"))
            said = _values(lengths)
            named = range(len(said)) if words is None else words if isinstance(words, list) else _values(words)
            parts += [", ".join(f"{tidy(word)} {number(value)}" for word, value in zip(named, said, strict=True))]
            continue
        across, up = _values(trace.get("x")), _values(trace.get("y"))
        if "markers" in trace.get("mode", "markers") and len(across):
            points.append(np.column_stack([across, up]))
            groups += [tidy(trace.get("name"))] * len(across)
            shade = trace.get("marker", {}).get("color")
            shades.append(_values(shade) if isinstance(shade, list | dict) else np.full(len(across), np.nan))
        elif len(across):
            broken = joins(np.column_stack([across, up])) if np.isnan(across).any() else ""
            parts.append(broken or f"“{tidy(trace.get('name'))}” {ends(across, up)}")
    if points:
        where = np.concatenate(points)
        real = np.isfinite(where).all(axis=1)
        is_map = "no unit" in x or not x
        parts.insert(0, groups_of(where[real], np.array(groups)[real], is_map) + shading(where, np.concatenate(shades)))
    return ": ".join(filter(None, [heading(title, x, y), "; ".join(parts)]))


def _values(stored: Any) -> np.ndarray:
    """Numbers as Plotly stores them: a list, or bytes with the name of their type; what is none becomes NaN."""
    if isinstance(stored, dict):
        return np.frombuffer(base64.b64decode(stored["bdata"]), stored["dtype"]).astype(float)
    return np.array([value if isinstance(value, int | float) else np.nan for value in stored or []], dtype=float)


# --- in the kernel ---------------------------------------------------------------------------------------------------


def load_ipython_extension(shell: Any) -> None:
    """Let every figure of matplotlib that the kernel shows come with its description."""
    from IPython.core import pylabtools

    draw = pylabtools.print_figure

    def draw_and_describe(figure: Any, *args: Any, **options: Any) -> Any:
        picture = draw(figure, *args, **options)
        return picture and (picture, {"alt": describe(figure)})

    pylabtools.print_figure = draw_and_describe
