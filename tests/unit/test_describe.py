"""The alternative texts of stored figures say what is drawn, and change with it."""

import sys
from pathlib import Path

import matplotlib
import nbformat
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import plotly.graph_objects as go  # noqa: E402
import seaborn as sns  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from describe import LONGEST, describe, describe_plotly  # noqa: E402

RANDOM = np.random.default_rng(0)
PILES = np.repeat([[0, 0], [9, 9]], 20, axis=0) + RANDOM.random((40, 2))


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def words(axes) -> str:
    axes.figure.canvas.draw()
    return describe(axes.figure)


def test_titles_axes_and_the_ends_of_a_line(axes):
    axes.plot([1, 2, 3], [0.5, 0.9, 0.7], label="ours")
    axes.axhline(0.25, label="guessing")
    axes.set(title="Growth", xlabel="examples", ylabel="recall")
    assert words(axes) == (
        "Growth, recall against examples: “ours” from 0.5 at 1 to 0.7 at 3, highest 0.9 at 2; "
        "a line “guessing” at y = 0.25."
    )


def test_a_cliff_is_said(axes):
    axes.plot(range(10), [9, 8.9, 8.8, 8.7, 8.6, 1, 0.9, 0.8, 0.7, 0.6])
    assert "most of it between 4 and 5" in words(axes)


@pytest.mark.parametrize("across", [True, False])
def test_values_come_with_their_intervals_and_the_words_of_their_axis(axes, across):
    names, middle, ends = ["BM25", "model"], [0.5, 0.75], [[0.1, 0.2], [0.05, 0.1]]
    x, y = (middle, names) if across else (names, middle)
    axes.errorbar(x, y, fmt="o", **{"xerr" if across else "yerr": ends})
    assert words(axes) == "BM25 0.5 (0.4 to 0.55), model 0.75 (0.55 to 0.85)."


def test_panels_that_share_an_axis_share_its_words():
    figure, (one, other) = plt.subplots(1, 2, sharey=True)
    one.barh(["a", "b"], [1, 2])
    other.errorbar([3], [1], xerr=[1], fmt="o")
    figure.canvas.draw()
    assert describe(figure) == "2 panels. a 1, b 2. b 3 (2 to 4)."
    plt.close(figure)


def test_panels_that_share_a_legend_share_its_names():
    figure, (one, other) = plt.subplots(1, 2)
    for axes in (one, other):
        for colour, name in (("red", "ours"), ("blue", "theirs")):
            axes.errorbar(["a"], [2], yerr=[1], fmt="o", color=colour, label=name if axes is other else None)
    other.legend()
    figure.canvas.draw()
    panel = "“ours”: a 2 (1 to 3); “theirs”: a 2 (1 to 3)."
    assert describe(figure) == f"2 panels. {panel} {panel}"
    plt.close(figure)


def test_bars_are_listed_and_many_are_a_distribution(axes):
    axes.bar(["a", "b"], [3, 4])
    assert words(axes) == "a 3, b 4."
    axes.clear()
    axes.hist(np.repeat([1, 2, 2, 3], 5), bins=20, label="scores")
    assert words(axes).startswith("“scores”: 20 bars, the highest 10 at ")


def test_boxes_and_the_names_that_stand_at_points(axes):
    axes.boxplot([[1, 2, 3, 4, 5]], patch_artist=True, orientation="horizontal", tick_labels=["right"])
    assert words(axes) == "the middle half of “right” from 2 to 4."
    axes.clear()
    axes.errorbar([2.5], [0.5], yerr=[0.25], ls="")
    axes.annotate("BM25\n132 MiB", (2.5, 0.5))
    assert words(axes) == "BM25 at 2.5: 0.5 (0.25 to 0.75)."


def test_a_heatmap_says_its_ends_and_its_diagonal(axes):
    sns.heatmap(np.eye(4) / 2, ax=axes, annot=True, cbar_kws={"label": "cosine"})
    assert words(axes) == "4 by 4 cells of cosine, 0 to 0.5, on the diagonal 0.5 on average, beside it 0."


@pytest.mark.parametrize("labels, share", [(["left"] * 20 + ["right"] * 20, 100), (["left", "right"] * 20, None)])
def test_a_map_says_whether_colours_keep_together(axes, labels, share):
    axes.set_axis_off()
    sns.scatterplot(x=PILES[:, 0], y=PILES[:, 1], hue=labels, ax=axes)
    said = words(axes)
    assert "40 points: 20 of each: “left”, “right”; the nearest point has the same colour for " in said
    assert "(by chance 50%)" in said
    assert ("for 100% of them" in said) == (share == 100)


def test_lines_that_join_pairs_are_counted_and_measured(axes):
    axes.plot([0, 3, np.nan, 1, 1, np.nan, 2, 2], [0, 4, np.nan, 1, 2, np.nan, 2, 3], color="grey")
    assert words(axes) == "3 lines join points, half of them shorter than 20% of the picture's diagonal."


def test_points_on_axes_with_units_have_a_middle_and_a_correlation(axes):
    axes.scatter(range(30), range(30), label="rising")
    axes.set(xlabel="predicted", ylabel="said")
    assert words(axes) == "said against predicted: “rising”: 30 points around 14.5, 14.5 (rank correlation 1.00)."


def test_a_rank_correlation_shares_the_ranks_of_equal_values(axes):
    axes.scatter(np.arange(40), np.maximum(np.arange(40) - 30, 0))
    assert "(rank correlation 0.73)" in words(axes)  # 0.68, if equal values were counted once


def test_words_in_a_figure_are_not_repeated_for_others_may_have_written_them(axes):
    axes.set_axis_off()
    axes.scatter(*PILES.T)
    axes.text(0, 0, "somebody's post")
    assert "post" not in words(axes) and "1 of them with words beside" in words(axes)


def test_nothing_drawn_is_said_as_nothing_for_the_build_to_refuse(axes):
    assert words(axes) == ""


def test_odd_figures_are_described_without_an_error(axes):
    axes.plot([], [])
    axes.scatter([], [])
    axes.plot([np.nan] * 3, [1, 2, 3])
    axes.plot(pd.to_datetime(["2020-01-01", "2021-01-01", "2022-01-01"]), [1, 2, 3], "s")
    axes.imshow(RANDOM.random((3, 3, 3)))
    axes.boxplot([[1, 2, 3, 9]], patch_artist=True)
    axes.fill_between([1, 2], [1, 2], [3, 4])
    assert words(axes)
    for many in range(300):
        axes.plot([1, 2, 3], [1, many, 3], label=f"a line of a long name, number {many}")
    assert len(words(axes)) <= LONGEST + 2


def test_plotly_maps_lines_buttons_and_shades():
    figure = go.Figure()
    for name, rows in (("left", PILES[:20]), ("right", PILES[20:])):
        figure.add_scatter(x=rows[:, 0], y=rows[:, 1], mode="markers", name=name)
    figure.add_scatter(x=[0, 9, None], y=[0, 9, None], mode="lines", name="joins")
    buttons = [{"label": "default", "method": "skip"}, {"label": "topic", "method": "skip"}]
    figure.update_layout(title="Two <b>piles</b>", updatemenus=[{"buttons": buttons}])
    figure.update_xaxes(title="UMAP 1 (no unit)")
    said = describe_plotly(figure.to_plotly_json() | {"layout": figure.layout.to_plotly_json()})
    assert said.startswith("Two piles. UMAP 1 (no unit): 40 points: 20 of each: “left”, “right”; the nearest point")
    assert (
        "for 100% of them" in said
        and "1 lines join points, half" in said
        and said.endswith(". Buttons: default, topic.")
    )
    shaded = go.Figure(go.Scatter(x=PILES[:, 0], y=PILES[:, 1], mode="markers", marker={"color": PILES[:, 0]}))
    assert "coloured from 0.0" in describe_plotly(shaded.to_plotly_json())


def test_plotly_bars_and_bytes():
    figure = {"data": [{"type": "bar", "x": ["a", "b"], "y": {"dtype": "f8", "bdata": "AAAAAAAA8D8AAAAAAAAAQA=="}}]}
    assert describe_plotly(figure) == "a 1, b 2."


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("[ls]*s/0*.ipynb")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_each_stored_picture_has_an_alternative_text_of_its_own(path):
    cells = nbformat.read(path, as_version=4).cells
    pictures = [output for cell in cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
    texts = [output.metadata["image/png"]["alt"] for output in pictures]
    assert texts and all(20 < len(text) <= LONGEST + 2 for text in texts)
    assert len(set(texts)) == len(texts)
