"""The figures: what they show, once, and that texts in them stay texts."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from helpers import FORMULAS, shown_in
from matplotlib.text import Text

from course_utils.drawing import PALETTE, preview
from course_utils.drawing.plots import (
    plot_frontier,
    plot_glide,
    plot_map,
    plot_map_grid,
    plot_scores,
    plot_similarity_heatmap,
    plot_task_maps,
    styles_of,
)
from course_utils.measuring import Interval
from course_utils.measuring.intervals import Leader

POINTS = np.random.default_rng(0).normal(size=(24, 2)).astype(np.float32)


def as_plotly_shows(text):
    """Undo what plotly.js undoes: line breaks, and the few entities that it knows."""
    known = {"amp": "&", "lt": "<", "gt": ">", "nbsp": "\xa0"}
    text = text.replace("<br>", " ")
    text = re.sub("%{[^}]*}", "(filled in)", text)
    text = re.sub(r"&#(\d+);", lambda match: chr(int(match[1])), text)
    return re.sub("&([a-z]+);", lambda match: known.get(match[1], match[0]), text)


@pytest.mark.parametrize(
    "text",
    [
        "a < b && c > d",
        "<script>alert(1)</script>",
        "<b>bold</b>",
        "\"Ich\", sagte er, 'bin's'",
        "&lt;already&gt; &quot; &#36;",
        "from $5 to $10, or $$x^2$$",
        "100 %{x} of %{text:.2f}",
    ],
)
def test_a_preview_shows_the_text_as_it_is(text):
    shown = preview(text)
    assert "<" not in shown.replace("<br>", "") and "$" not in shown and "%{" not in shown
    assert as_plotly_shows(shown) == text


def test_a_preview_is_short_and_broken_into_lines():
    text = "many words\nin a  post " * 50
    lines = preview(text).split("<br>")
    assert all(len(line) <= 50 for line in lines) and len(lines) == 4
    assert lines[-1].endswith(" …") and lines[0].startswith("many words in a post many")
    assert all(len(line) <= 20 for line in preview(text, width=20).split("<br>"))
    assert preview("short") == "short"
    assert preview("") == ""
    assert preview(3.5) == "3.5"


@pytest.mark.parametrize("text", ["汉" * 500, "x" * 500])
def test_a_preview_of_a_text_without_spaces(text):
    shown = preview(text).replace("<br>", "")
    assert shown.startswith(text[:150]) and shown.endswith("…") and len(shown) < 170


def test_every_label_is_named_once_with_its_own_points():
    labels = ["b", "a", "b", "c"] * 6
    figure = plot_map(POINTS, labels, [f"text {i}" for i in range(24)], title="A map", method="PCA")
    assert [trace.name for trace in figure.data] == ["b", "a", "c"]
    for trace in figure.data:
        mine = np.array(labels) == trace.name
        assert np.array_equal(np.column_stack([trace.x, trace.y]), POINTS[mine])
        assert list(trace.text) == [f"text {i}" for i in np.flatnonzero(mine)]
    assert figure.layout.title.text == "A map"
    assert figure.layout.xaxis.title.text == "PCA 1 (no unit)"
    assert figure.layout.yaxis.title.text == "PCA 2 (no unit)"


def test_hovers_and_names_do_not_interpret_what_others_wrote():
    evil = "<img src=x onerror=alert(1)> $5$ %{x}"
    for texts in ([evil] * 24, None):
        figure = plot_map(POINTS, [evil] * 24, texts, title=evil)
        (trace,) = figure.data
        shown = [*trace.text, trace.name, trace.hovertemplate]
        assert all("<img" not in words and "$" not in words and "%{x}" not in words for words in shown)
        assert as_plotly_shows(trace.name) == as_plotly_shows(figure.layout.title.text) == evil
        assert as_plotly_shows(trace.hovertemplate) == f"<b>{evil}</b> (filled in)<extra></extra>"
        assert "%{text}" in trace.hovertemplate
        assert as_plotly_shows(trace.text[0]) == evil


def test_labels_of_any_kind():
    assert [trace.name for trace in plot_map(POINTS, [1, 2.0] * 12, title="t").data] == ["1", "2.0"]
    names = [trace.name for trace in plot_map(POINTS, ["a", None] * 12, title="t").data]
    assert names == ["a", "None"]


def test_twenty_four_labels_look_different_from_one_another():
    figure = plot_map(POINTS, range(24), title="t")
    assert len({(trace.marker.color, trace.marker.symbol) for trace in figure.data}) == 24
    assert {trace.marker.color for trace in figure.data} == set(PALETTE)


def collections_of(axis):
    return [points for points in axis.collections if len(points.get_offsets())]


def test_a_grid_of_maps_has_one_panel_a_map_and_one_legend():
    labels = [f"label {i}" for i in range(12)] * 2
    maps = {"one": POINTS, "two": POINTS + 1, "three": POINTS * 2, "four": -POINTS}
    figure = plot_map_grid(maps, labels, columns=3, title="Four maps")
    assert len(figure.axes) == 6
    assert [axis.get_title() for axis in figure.axes[:4]] == list(maps)
    assert not any(axis.axison for axis in figure.axes[4:])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == labels[:12]
    drawn = np.concatenate([points.get_offsets() for points in figure.axes[1].collections])
    assert np.allclose(np.sort(drawn, axis=0), np.sort(POINTS + 1, axis=0))
    styles = {
        (tuple(points.get_facecolor()[0]), points.get_paths()[0].vertices.tobytes())
        for points in figure.axes[0].collections
    }
    assert len(styles) == 12


def test_a_heatmap_shows_the_matrix_on_a_fixed_scale():
    similarity = np.array([[1.0, -0.25, 0.5], [0.1, 0.2, 0.3]])
    figure = plot_similarity_heatmap(
        similarity, ["r1", "r2"], columns=["c1", "c2", "c3"], title="Similarity", limit=0.6
    )
    axis = figure.axes[0]
    mesh = axis.collections[0]
    assert np.array_equal(np.asarray(mesh.get_array()).reshape(2, 3), similarity)
    assert mesh.get_clim() == (-0.6, 0.6)
    assert [label.get_text() for label in axis.get_xticklabels()] == ["c1", "c2", "c3"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["r1", "r2"]
    assert [text.get_text() for text in axis.texts] == ["1.00", "-0.25", "0.50", "0.10", "0.20", "0.30"]
    square = plot_similarity_heatmap(np.eye(10), [str(i) for i in range(10)], title="t").axes[0]
    assert [label.get_text() for label in square.get_xticklabels()] == [str(i) for i in range(10)]
    assert len(square.texts) == 0  # numbers would not fit


def test_a_matplotlib_figure_is_not_left_open_to_be_shown_twice():
    import matplotlib.pyplot as plt

    plt.close("all")
    plot_map_grid({"one": POINTS}, ["a"] * 24)
    plot_similarity_heatmap(np.eye(3), list("abc"), title="t")
    assert plt.get_fignums() == []


def test_a_figure_shows_once_in_a_notebook_and_needs_nothing_from_outside():
    figure = plot_map(POINTS, ["a"] * 24, title="t")
    import plotly.io

    page = plotly.io.to_html(figure, include_plotlyjs=False)
    assert "http" not in re.sub(r'"plotlyServerURL":\s*"[^"]*"', "", page)


SUMMARY = pd.DataFrame(
    {
        "model": ["a", "b", "a", "b", "gone"],
        "task": ["t1", "t1", "t2", "t2", None],
        "metric": ["accuracy"] * 4 + [None],
        "estimate": [0.5, 0.6, 0.7, 0.2, np.nan],
        "low": [0.4, 0.5, 0.6, 0.1, np.nan],
        "high": [0.6, 0.9, 0.8, 0.3, np.nan],
    }
)


def test_scores_have_one_panel_a_task_with_the_first_model_on_top():
    figure = plot_scores(SUMMARY, title="Scores")
    assert [axis.get_title() for axis in figure.axes] == ["t1", "t2"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["b", "a"]  # from below
    drawn = [container[0].get_xydata().tolist() for container in figure.axes[0].containers]
    assert drawn == [[[0.5, 1]], [[0.6, 0]]]
    bars = [segment for container in figure.axes[0].containers for segment in container[2][0].get_segments()]
    assert sorted(round(x, 6) for segment in bars for x in segment[:, 0]) == [0.4, 0.5, 0.6, 0.9]
    assert "accuracy" in figure.axes[0].get_xlabel() and "95 % interval" in figure.axes[0].get_xlabel()


def looks(figure, panel):
    """Colour, marker, whether it is filled and whether it is ringed, by the height of each marker in a panel."""
    points = [container[0] for container in figure.axes[panel].containers]
    return {
        int(point.get_ydata()[0]): (
            point.get_color(),
            point.get_marker(),
            point.get_markerfacecolor() != "white",
            point.get_markeredgecolor() == "black",
        )
        for point in points
    }


def test_a_contender_has_one_colour_in_every_figure_and_ties_are_drawn_as_ties():
    styles = styles_of(["gone", "b", "a", "c"])
    assert len({(each["color"], each["marker"]) for each in styles.values()}) == 4
    gaps = [{"a": Interval(0.1, -0.1, 0.3)}, {"b": Interval(0.5, 0.4, 0.6)}]
    leaders = {("t1", "accuracy"): Leader("b", 0.6, gaps[0]), ("t2", "accuracy"): Leader("a", 0.7, gaps[1])}
    figure = plot_scores(SUMMARY, title="Scores", leaders=leaders, styles=styles)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "b"]  # the order of the styles
    a, b = (tuple(styles[name].values()) for name in "ab")
    assert looks(figure, 0) == {0: (*a, True, False), 1: (*b, True, True)}
    assert looks(figure, 1) == {0: (*a, True, True), 1: (*b, False, False)}
    assert "cannot be told apart" in figure.get_supxlabel()
    alone = plot_scores(SUMMARY[SUMMARY["model"] == "a"], title="One", styles=styles)
    assert looks(alone, 0) == {0: (*a, True, False)} and alone.get_supxlabel() == ""
    table = pd.DataFrame({"quality": [0.5], "low": 0.4, "high": 0.6, "ms_per_text": 2}, index=["a"])
    (drawn,) = plot_frontier(table, title="t", quality="q", styles=styles).axes[0].containers
    assert (drawn[0].get_color(), drawn[0].get_marker()) == a


def test_panels_stand_in_rows_and_their_ticks_apart():
    parts = [SUMMARY.dropna().assign(task=f"task {i}", low=0.0001 * i, high=0.9999) for i in range(5)]
    figure = plot_scores(pd.concat(parts), title="Scores")
    assert len(figure.axes) == 6 and not figure.axes[5].axison
    figure.draw_without_rendering()
    for axis in figure.axes[:5]:
        boxes = [label.get_window_extent() for label in axis.get_xticklabels() if label.get_text()]
        assert len(boxes) > 2 and all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


def crowd(seed, spread):
    """Eight contenders with long names that stand as close as ``spread`` lets them."""
    chance = np.random.default_rng(seed)
    quality = 0.6 + 0.2 * spread * chance.normal(size=8)
    columns = {"quality": quality, "low": quality - 0.05, "high": quality + 0.05, "memory_mib": 100.0}
    names = [f"the model of number {i}" for i in range(8)]
    return pd.DataFrame(columns | {"ms_per_text": np.exp(3 * spread * chance.normal(size=8))}, index=names)


@pytest.mark.parametrize("spread", [0.02, 0.1, 1])
@pytest.mark.parametrize("seed", range(3))
def test_names_in_the_frontier_do_not_collide(seed, spread):
    table = crowd(seed, spread)
    figure = plot_frontier(table, title="What quality costs", quality="recall@1", threshold=0.8)
    figure.draw_without_rendering()
    (axis,) = figure.axes
    boxes = {note.get_text(): Text.get_window_extent(note) for note in axis.texts}
    assert list(boxes) == [f"{name}\n100 MiB" for name in table.index]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes.values(), 2))
    markers = axis.transData.transform(table[["ms_per_text", "quality"]])
    assert not any(box.contains(*marker) for box in boxes.values() for marker in markers)
    rule = axis.transData.transform((1, 0.8))[1]
    assert not any(box.y0 <= rule <= box.y1 for box in boxes.values())
    assert all(axis.bbox.contains(box.x0, box.y0) and axis.bbox.contains(box.x1, box.y1) for box in boxes.values())


def test_the_frontier_holds_what_nothing_beats_at_once_in_both():
    columns = {"quality": [0.6, 0.4, 0.9, 0.85, 0.4, np.nan], "ms_per_text": [2, 1, 50, 60, 1.5, 3]}
    table = pd.DataFrame(columns, index=list("abcdef")).assign(low=0.3, high=0.95)
    axis = plot_frontier(table, title="t", quality="recall@1", threshold=0.8).axes[0]
    frontier, rule = axis.lines[:2]
    assert frontier.get_xydata().tolist() == [[1, 0.4], [2, 0.6], [50, 0.9]]
    assert list(rule.get_ydata()) == [0.8, 0.8] and axis.get_xscale() == "log"
    assert [note.get_text() for note in axis.texts] == list("abcde")
    assert axis.get_ylabel() == "recall@1 (95 % interval)"


def test_task_maps_share_one_legend_and_read_out_neighbours():
    labels = ["b", "a", "b", "c"] * 6
    texts = [f"text {i}" for i in range(24)]
    maps = {"default": POINTS, "a <b>task</b>": POINTS * 2, "third": -POINTS}
    neighbours = {name: (np.arange(24)[:, None] + [[1 + shift, 2 + shift, 5]]) % 24 for shift, name in enumerate(maps)}
    figure = plot_task_maps(maps, labels, texts, neighbours, title="Tasks")
    assert len(figure.data) == 9
    assert [trace.name for trace in figure.data if trace.showlegend] == ["b", "a", "c"]
    for label in "abc":  # a click on one hides all of its group
        assert [trace.legendgroup for trace in figure.data if trace.name == label] == [label] * 3
    assert [as_plotly_shows(note.text) for note in figure.layout.annotations] == list(maps)
    drawn = {(trace.xaxis, trace.yaxis) for trace in figure.data}
    assert drawn == {("x", "y"), ("x2", "y2"), ("x3", "y3")}
    second = next(trace for trace in figure.data if trace.xaxis == "x2" and trace.name == "a")
    assert np.array_equal(np.column_stack([second.x, second.y]), 2 * POINTS[1::4])
    assert "text 1" in second.text[0] and "– c: text 3" in second.text[0] and "– b: text 4" in second.text[0]
    alone = plot_task_maps({"one": POINTS}, labels, texts, {"one": neighbours["default"]}, title="One")
    assert len(alone.data) == 3 and alone.layout.width < figure.layout.width


FOUR = {"default": POINTS, "mood": POINTS * 2, "topic": POINTS.copy(), "tone": -POINTS}
NEAREST = dict.fromkeys(FOUR, (np.arange(24)[:, None] + [[1, 2]]) % 24)


def four_maps(labels, **options):
    return plot_task_maps(FOUR, labels, [f"text {i}" for i in range(24)], NEAREST, title="Four", **options)


def test_colour_follows_the_question():
    mood, kinds = np.linspace(-0.5, 1, 24), ["b", "a", "b", "c"] * 6
    labels = {"default": kinds, "mood": mood, "topic": pd.Series(kinds), "tone": ["rude", "b"] * 12}
    figure = four_maps(labels, coloured_by={"default": "kind", "mood": "mood <list>"})
    by_panel = {panel: [trace for trace in figure.data if trace.xaxis == panel] for panel in ("x", "x2", "x3", "x4")}
    (values,) = by_panel["x2"]
    assert np.array_equal(values.marker.color, mood) and not values.showlegend
    assert (values.marker.cmin, values.marker.cmax) == (-1, 1)  # so that zero has the colour between
    assert values.marker.showscale and as_plotly_shows(values.marker.colorbar.title.text) == "mood <list>"
    assert "text 0" in values.text[0] and f"– {mood[1]:.2f}: text 1" in values.text[0]
    assert "%{marker.color:.2f}" in values.hovertemplate
    # one legend: a label is listed once, looks alike in all panels, and a click on it hides it in all
    assert [trace.name for trace in figure.data if trace.showlegend] == ["b", "a", "c", "rude"]
    looks = {}
    for trace in by_panel["x"] + by_panel["x3"] + by_panel["x4"]:
        assert trace.legendgroup == trace.name
        looks.setdefault(trace.name, set()).add((trace.marker.color, trace.marker.symbol))
    assert all(len(own) == 1 for own in looks.values()) and len(set.union(*looks.values())) == 4
    headings = {trace.name: trace.legendgrouptitle.text for trace in figure.data if trace.legendgrouptitle.text}
    assert headings == {"b": "kind", "rude": "tone"}
    titles = [as_plotly_shows(note.text) for note in figure.layout.annotations]
    assert titles == ["default", "mood", "topic (no vector moved)", "tone"]


@pytest.mark.parametrize("values", [np.arange(24.0), [0.5] * 24, [np.nan] + [1.5] * 23, -np.arange(24, dtype="f4")])
def test_values_on_one_side_of_zero_take_the_whole_scale(values):
    figure = four_maps(values)
    assert [trace.marker.showscale for trace in figure.data] == [True, False, False, False]  # the same for all
    for trace in figure.data:
        assert (trace.marker.cmin, trace.marker.cmax) == (np.nanmin(values), np.nanmax(values))


def test_two_scales_and_the_legend_do_not_overlap():
    scales = {"default": ["a"] * 24, "mood": POINTS[:, 0], "topic": POINTS[:, 1], "tone": POINTS[:, 0] ** 2}
    figure = four_maps(scales, coloured_by={"mood": "a description that needs more than one line, and then some"})
    bars = [trace.marker.colorbar for trace in figure.data if trace.marker.showscale]
    assert len({bar.y for bar in bars}) == 3 and all(bar.x > 1 for bar in bars)
    assert all(len(line) <= 28 for bar in bars for line in bar.title.text.split("<br>"))
    assert figure.layout.width <= 890 and figure.layout.height <= 800


def test_a_panel_without_labels_is_named():
    with pytest.raises(ValueError, match="labels has nothing for the map 'mood'. It has 'default'"):
        four_maps({"default": range(24)})


TWELVE = {"none": POINTS[:12], "mood": 9 * POINTS[12:], "tone": POINTS[12:] - 2}
ASKED = {"none": ["food", "cars"] * 6, "mood": ["glad", "sad", "calm"] * 4, "tone": pd.Series(["rude", "food"] * 6)}
WORDS = [f"a text of number {i}, which goes on and on and will not fit beside a mark" for i in range(12)]


def test_texts_glide_to_each_map_in_its_colours():
    figure = plot_glide(TWELVE, ASKED, WORDS, title="Glide")
    texts, *legend = figure.data
    looks = {trace.name: (trace.marker.color, trace.marker.symbol) for trace in legend}
    assert list(looks) == ["food", "cars", "glad", "sad", "calm", "rude"] and len(set(looks.values())) == 6
    assert [trace.legendgroup for trace in legend] == ["none, tone", "none", "mood", "mood", "mood", "tone"]
    assert all(trace.showlegend is not False and trace.x == (None,) for trace in legend) and not texts.showlegend
    (menu,) = figure.layout.updatemenus
    for button, frame, (name, points) in zip(menu.buttons, figure.frames, TWELVE.items(), strict=True):
        assert (button.label, button.method, button.args[0], frame.name) == (name, "animate", (name,), name)
        assert list(frame.traces) == [0]
        (state,) = frame.data
        assert np.array_equal(np.column_stack([state.x, state.y]), points)
        drawn = list(zip(state.marker.color, state.marker.symbol, strict=True))
        assert drawn == [looks[label] for label in ASKED[name]]
        assert all(f"<b>{label}</b>" in words for label, words in zip(ASKED[name], state.hovertext, strict=True))
        for axis, values in ((figure.layout.xaxis, state.x), (figure.layout.yaxis, state.y)):  # one range for all
            assert axis.range[0] < min(values) and max(values) < axis.range[1]
    shown_first = figure.frames[0].data[0].to_plotly_json()
    assert str(texts.to_plotly_json()) == str(shown_first)  # as a picture it is the first map
    assert all(words.startswith("a text of number") and len(words) < 60 for words in texts.text)
    assert not (figure.layout.xaxis.showticklabels or figure.layout.xaxis.title.text)
    assert figure.layout.width <= 890 and figure.layout.height <= 800


def test_words_stand_beside_their_marks_and_not_on_others():
    grid = np.array([(x, y) for x in range(3) for y in range(4)]) * 1.0
    for seed in range(5):
        points = grid + np.random.default_rng(seed).uniform(-0.2, 0.2, size=grid.shape)
        figure = plot_glide({"one": points}, {"one": ["a"] * 12}, WORDS, title="t")
        inside = (points - points.min(axis=0)) / np.ptp(points, axis=0) * (530, 400)
        boxes = []
        for place, side, words in zip(inside, figure.data[0].textposition, figure.data[0].text, strict=True):
            up, across = side.split()
            way = np.array([("left", "center", "right").index(across) - 1, ("bottom", "middle", "top").index(up) - 1])
            half = np.array([3.2 * max(map(len, words.split("<br>"))), 7.5 * len(words.split("<br>"))])
            assert way.any()
            boxes.append((place + way * (half + 9) - half, place + way * (half + 9) + half))
        pairs = itertools.combinations(boxes, 2)
        overlaps = sum(bool(((one[0] < two[1]) & (two[0] < one[1])).all()) for one, two in pairs)
        on_marks = sum(bool(((box[0] < mark) & (mark < box[1])).all()) for box in boxes for mark in inside)
        assert (overlaps, on_marks) == (0, 0)


def test_task_maps_do_not_interpret_what_others_wrote():
    evil = "<img src=x onerror=alert(1)> $5$ %{x}"
    neighbours = {evil: np.tile([[1, 2]], (24, 1))}
    for labels in ([evil] * 24, {evil: [evil] * 24}, {evil: POINTS[:, 0]}):
        figure = plot_task_maps({evil: POINTS}, labels, [evil] * 24, neighbours, title=evil, coloured_by={evil: evil})
        assert not re.search(r"<img|[$]|%{x}", str(figure.to_dict()))
    figure = plot_glide({evil: POINTS}, {evil: [evil] * 24}, [evil] * 24, title=evil)
    assert not re.search(r"<img|[$]|%{x}", str(figure.to_dict()))


@pytest.mark.parametrize("words", FORMULAS)
def test_no_words_of_users_are_formulas_in_a_picture(words):
    """Half a formula would be an error, and a whole one would be shown without its dollars."""
    labels, table = [words] * 24, SUMMARY.assign(model=words, task=words, metric=words).dropna().iloc[:1]
    for figure, times in (
        (plot_map_grid({words: POINTS}, labels, title=words), 3),
        (plot_similarity_heatmap(np.eye(3), [words] * 3, columns=[words] * 2 + ["x"], title=words), 6),
        (plot_scores(table, title=words), 4),
        (plot_frontier(crowd(0, 1)[:1].rename(index=lambda _: words), title=words, quality=words), 3),
    ):
        assert shown_in(figure).count(words) == times


def test_a_saved_figure_stands_alone(tmp_path):
    figure = plot_task_maps({"one": POINTS}, ["a"] * 24, ["x"] * 24, {"one": np.ones((24, 2), int)}, title="t")
    figure.write_html(tmp_path / "one.html", include_plotlyjs=True)
    assert not re.search(r"<(?:script|link|img)[^>]*(?:src|href)=", (tmp_path / "one.html").read_text(encoding="utf-8"))
