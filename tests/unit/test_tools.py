"""The authoring tools: what the build makes of a source, what it refuses, and what may be committed."""

import base64
import json
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import build  # noqa: E402
import lint  # noqa: E402
from execute import PLOTLY, clean, save_pictures  # noqa: E402
from figures import SCALE, find_chromium  # noqa: E402
from lint_order import unmeasured_orders  # noqa: E402

MANIFEST = """
[[lesson]]
name = "01_sample"
title = "Sample"
question = "What is a sample?"
goals = ["know one"]
needs = "Nothing."
extras = []
budget = { warm_s = 60, cold_s = 120, memory_mib = 1024 }
section = [
    { title = "First", tags = ["core"], minutes = 1, exercise_minutes = 5 },
    { title = "More", tags = ["deep"], minutes = 1 },
]
"""

SOURCE = '''# %% tags=["setup"]
import math
[q1] = exercises(1)

# %% [markdown] tags=["core"]
# ## First
# Twice is enough.
# ### Exercise 1: Twice

# %% tags=["core", "exercise", "q1"]
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    twice = 2 * x

    return twice
    ### END SOLUTION


# %% tags=["core"]
math.sqrt(16)

# %% [markdown] tags=["deep"]
# ## More

# %% tags=["deep"]
math.sqrt(16)
'''


@pytest.fixture
def course(tmp_path):
    """A course of one small lesson, built."""
    for name, text in (("lessons/course.toml", MANIFEST), ("solutions/01_sample.py", SOURCE)):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    assert build.main([], tmp_path) == 0
    return tmp_path


def notebook(course, folder="lessons"):
    return nbformat.read(course / folder / "01_sample.ipynb", as_version=4)


def edit(course, old, new, name="solutions/01_sample.py"):
    path = course / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def pretend_executed(course):
    for folder in ("lessons", "solutions"):
        made = notebook(course, folder)
        for number, cell in enumerate(build.code_cells(made.cells), start=1):
            cell.execution_count = number
            cell.outputs = [new_output("stream", text=f"output {number}\n")]
        (course / folder / "01_sample.ipynb").write_text(build.to_text(made), encoding="utf-8")


def ids(made):
    return [cell.id for cell in made.cells]


def test_the_student_gets_a_stub_and_the_solution_is_whole(course):
    stub, whole = (
        next(cell.source for cell in notebook(course, folder).cells if "q1" in build.tags(cell))
        for folder in ("lessons", "solutions")
    )
    assert stub == 'def double(x):\n    """Twice x."""\n    # YOUR CODE HERE\n    ...'
    assert whole == 'def double(x):\n    """Twice x."""\n    twice = 2 * x\n\n    return twice'
    shown = json.loads((course / "course_utils/teaching/checks/lesson01.json").read_text(encoding="utf-8"))
    assert shown == {"q1": whole}


def test_the_header_comes_from_the_manifest(course):
    first = notebook(course).cells[0].source
    assert first.startswith("# Lesson 1: Sample")
    for expected in ("What is a sample?", "About 6 minutes", "- know one", "| First | core | 1 | 5 |"):
        assert expected in first


def test_the_last_cell_leads_on_and_drops_no_output(course):
    url = "https://" + "example.org/somebody/their-course"
    pretend_executed(course)
    before = [cell.outputs for cell in build.code_cells(notebook(course).cells)]
    ends = [notebook(course, folder).cells[-1] for folder in ("lessons", "solutions")]
    assert {cell.cell_type for cell in ends} == {"markdown"} and "/issues" not in ends[0].source
    assert "(../solutions/01_sample.ipynb)" in ends[0].source and "(../lessons/01_sample.ipynb)" in ends[1].source
    (course / "pyproject.toml").write_text(f'[project]\nurls.Repository = "{url}"\n', encoding="utf-8")
    assert build.main(["--check"], course) == 1
    assert build.main([], course) == 0
    assert [cell.outputs for cell in build.code_cells(notebook(course).cells)] == before and all(before)
    assert f"[report the rest]({url}/issues)" in notebook(course).cells[-1].source
    assert f"<{url}>" in notebook(course).cells[-1].source
    edit(course, "https", "http", "pyproject.toml")
    assert build.main([], course) == 1


def test_the_last_cell_names_the_next_lesson_also_from_the_solutions():
    lessons = [{"name": f"0{number}_x", "title": f"X{number}"} for number in (1, 2)]
    made = {folder: build.footer(lessons, 0, folder, "") for folder in ("lessons", "solutions")}
    assert "[Next: lesson 2, X2](02_x.ipynb)" in made["lessons"]
    assert "[Next: lesson 2, X2](../lessons/02_x.ipynb)" in made["solutions"]
    assert "lesson 3" not in build.footer(lessons, 1, "lessons", "")


def test_a_second_build_gives_the_same_bytes(course):
    paths = [path for pattern in ("*/*.ipynb", "course_utils/teaching/checks/*") for path in course.glob(pattern)]
    before = {path: path.read_bytes() for path in paths}
    assert len(before) == 3
    assert build.main([], course) == 0
    assert {path: path.read_bytes() for path in before} == before


def test_unchanged_cells_keep_their_ids(course):
    before = ids(notebook(course))
    assert len(set(before)) == len(before)  # the two equal cells as well
    edit(course, "# ## First", '# A new cell before the others.\n\n# %% [markdown] tags=["core"]\n# ## First')
    build.main([], course)
    after = ids(notebook(course))
    assert [cell_id for cell_id in after if cell_id in before] == before


def test_outputs_are_kept_up_to_the_first_changed_cell(course):
    pretend_executed(course)
    assert build.main(["--check"], course) == 0
    edit(course, "Twice is enough.", "Prose may change.")
    build.main([], course)
    assert build.main(["--check"], course) == 0
    edit(course, "twice = 2 * x", "twice = x + x")  # seen in the solution only
    build.main([], course)
    counts = {
        folder: [cell.execution_count for cell in build.code_cells(notebook(course, folder).cells)]
        for folder in ("lessons", "solutions")
    }
    assert counts == {"lessons": [1, 2, 3, 4], "solutions": [1, None, None, None]}


def test_check_notices_what_is_stale_or_not_executed(course, capsys):
    assert build.main(["--check"], course) == 1
    assert "was not executed" in capsys.readouterr().out
    pretend_executed(course)
    edit(course, "math.sqrt(16)", "math.sqrt(25)")
    assert build.main(["--check"], course) == 1
    assert "lessons/01_sample.ipynb is stale" in capsys.readouterr().out
    assert "sqrt(16)" in (course / "lessons/01_sample.ipynb").read_text(encoding="utf-8")  # nothing written


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# ## More", "# ## Other", "are not the manifest's"),
        ("# ## More", "# Text\n# ## More", "must begin its own cell"),
        ("    ### END SOLUTION\n", "", "do not match up"),
        (', "exercise", "q1"]', "]", "go together"),
        ("[q1] = exercises(1)", "q1, q2 = exercises(1)", "must have one line `q1 = exercises(…)`"),
        ("### Exercise 1: ", "### Exercise 2: ", "its headings say [2], its tags ['q1']"),
        ('tags=["deep"]\nmath', 'tags=["external-text", "nbval-check-output"]\nmath', "cannot be compared"),
        ('[markdown] tags=["deep"]', "[markdown]", "lacks the tag 'deep'"),
        ("Twice is enough.", "word " * 3000, "1 minutes in the manifest, 20"),
        ("Twice is enough.", "UMAP is better than PCA.", "depends on the run"),
        ("math.sqrt(16)", 'say.sentence(f"The best is {table.idxmax()}.")', "use say.leader or say.top"),
        ("math.sqrt(16)", 'go.Figure(layout={"x": 1}).update_layout(title="Kept 93%")', "the figure title"),
    ],
)
def test_the_build_names_what_is_wrong_in_a_source(course, capsys, old, new, message):
    edit(course, old, new)
    assert build.main([], course) == 1
    assert message in capsys.readouterr().out


def test_a_folded_cell_is_closed_and_counts_no_lines(course):
    edit(course, 'tags=["deep"]\nmath', 'tags=["deep", "folded"]\nmath')
    build.main([], course)
    hidden = [cell.metadata.get("jupyter") for cell in build.code_cells(notebook(course).cells)]
    assert hidden == [None, None, None, {"source_hidden": True}]
    cells = build.code_cells(notebook(course).cells)
    assert lint.size(cells) == lint.size(cells[:-1]) != lint.size(cells[:-2])


def test_a_short_core_is_held_to_its_words(course, capsys):
    edit(course, "extras = []", "extras = []\nshort_core = true", "lessons/course.toml")
    assert build.main([], course) == 0
    edit(course, "Twice is enough.", "word " * 1600)
    assert build.main([], course) == 1
    assert "words, more than 1600" in capsys.readouterr().out


def test_an_exercise_has_its_minutes_and_no_other_section_has(course, capsys):
    edit(course, ", exercise_minutes = 5", "", "lessons/course.toml")
    assert build.main([], course) == 1
    assert "section 'First': an exercise and `exercise_minutes`" in capsys.readouterr().out
    edit(course, '["deep"], minutes = 1', '["deep"], minutes = 1, exercise_minutes = 5', "lessons/course.toml")
    assert build.main([], course) == 1
    assert "section 'More': an exercise and `exercise_minutes`" in capsys.readouterr().out


def test_a_core_over_an_hour_fails(course, capsys):
    edit(course, "exercise_minutes = 5", "exercise_minutes = 60", "lessons/course.toml")
    assert build.main([], course) == 1
    assert "the core takes 61 minutes" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line",
    [
        "The cosine is 0.67.",
        "It finds 93 % of them.",
        "It finds 93 percent.",
        "It was right in 7 of 10 queries.",
        "Seven out of ten were right.",
        "It is 3 times faster.",
        "It takes twice as long.",
        "UMAP keeps more, and is better\nthan PCA.",
        "The keyword search beats the model.",
        "The claim `x` holds: 0.5. <!-- fixed: -->",
    ],
)
def test_run_dependent_prose_is_found(line):
    assert lint.lint_markdown(line)


@pytest.mark.parametrize(
    "line",
    [
        "We take 800 posts in 10 groups.",
        "Set `min_dist=0.1` and $\\alpha = 0.5$.",
        "## 3 of 10 in a heading",
        "See [section 1.2](https://example.org/1.2).",
        "```\n0.93 of 1.0\n```",
        "A vector of norm 1.0 has length one. <!-- fixed: a definition -->",
        "Run it three times.",
    ],
)
def test_other_prose_is_let_through(line):
    assert lint.lint_markdown(line) == []


def test_titles_may_hold_computed_numbers():
    assert lint.lint_titles('fig.suptitle(f"Kept {share:.1%}")') == []
    assert lint.lint_titles('ax.set_title("Kept 0.93")')


@pytest.mark.parametrize(
    "cells",
    [
        ['say.sentence(f"The best is {table.idxmax()}.")'],
        ["say.sentence(max(scores, key=scores.get))"],
        ["say.sentence(str(sorted(scores)[0]))"],
        ['say.sentence(table.sort_values("score").index[0])'],
        ["best = names[np.argmax(scores)]", "words = f'The best is {best}.'", "say.sentence(words)"],
        ["one, two = scores.nlargest(2).index", "say.comparison(one, two, gap, 'recall')"],
        ["said = []\nfor name in ranked.nsmallest(3).index:\n    said.append(f'- {name}')", "say.sentence(said[0])"],
        ["table['best'] = scores.idxmax()", "say.sentence(table.to_string())"],
        ["say.sentence(', '.join(say.comparison(name, 'B', gap, 'x') for name in scores.nlargest(2).index))"],
        ["def best():\n    found = scores.idxmax()\n    return found", "say.sentence(best())"],
        ["told = 'A wins'\nif scores.idxmax() == 'A':\n    told = 'B wins'", "say.sentence(told)"],
        ["told = 'A wins' if scores.idxmax() == 'A' else 'B wins'", "say.sentence(told)"],
        ["for gap in gaps:\n    say.sentence(told)\n    told = gap.idxmin()"],
        ["if (first := scores.argmin()):\n    pass", "say.sentence(first)"],
        ["best: str = scores.idxmin()", "say.choose(best, otherwise='')"],
        ["say.sentence(table.idxmax())  # fixed:"],
    ],
)
def test_an_order_that_nothing_measured_is_found(cells):
    assert unmeasured_orders(cells)


@pytest.mark.parametrize(
    "cells",
    [
        ["found = intervals.leader(values)", "say.sentence(say.leader(found, 'recall'))"],
        ["say.sentence(say.top(scores.sort_values(), 'recall'))"],
        ["right = similarity.argmax(axis=1) == own", "say.sentence(f'{right.mean():.2f}')"],
        ["best = scores.idxmax()", "print(best)", "best = 'another'", "say.sentence(best)"],
        ["scores.nlargest(2)", "say.sentence(f'{scores.mean():.2f}')"],
        ["def best(scores):\n    return scores.idxmax()", "say.sentence('Write the function above.')"],
        ["def shown(best):\n    return best", "best = scores.idxmax()", "say.sentence(shown('A'))"],
        ["alpha = alphas[np.argmin(errors)]  # fixed: a setting, chosen on the validation part", "say.sentence(alpha)"],
        ["say.sentence(  # fixed: an order by name\n    f'{table.sort_values(0)}'\n)"],
        ["say.sentence(max(values))", "say.sentence(f'{sorted(names)}')"],
    ],
)
def test_what_is_measured_or_no_order_is_let_through(cells):
    assert unmeasured_orders(cells) == []


def test_an_order_is_reported_once_with_its_cell():
    cells = ["best = scores.idxmax()", "for _ in range(2):\n    say.sentence(best)"]
    assert unmeasured_orders(cells) == [(1, "say.sentence(best)")]


def test_a_section_may_not_set_names_of_the_set_up_anew():
    lesson = build.read_manifest(build.ROOT)[4]
    cells = build.read_source(build.ROOT / f"solutions/{lesson['name']}.py")
    assert not lint.source_problems(lesson, cells)
    for source in (
        "learn, others = 1, 2",
        "def train():\n    pass",
        "for held in []:\n    pass",
        "if True:\n    names = 0",
    ):
        problems = lint.source_problems(lesson, [*cells, new_code_cell(source, metadata={"tags": ["deep"]})])
        assert len(problems) == 1 and "from the set-up" in problems[0]
    harmless = "from numpy import pi as train\n[held for held in []]\nlambda learn: learn\ndef new():\n    names = 0"
    assert not lint.source_problems(lesson, [*cells, new_code_cell(harmless, metadata={"tags": ["deep"]})])


def test_long_cells_are_noted():
    cells = [new_code_cell("# a comment\n\n" + "x = 1\n" * 15), new_code_cell("x = 1\n" * 16)]
    assert len(lint.long_cells(cells)) == 1


def test_only_pictures_of_external_text_are_kept():
    picture = {"image/png": "AAAA", "text/plain": "somebody's words"}
    shown = [
        new_output("stream", text="somebody's words"),
        new_output("display_data", data=picture, metadata={"image/png": {"alt": "A map."}}),
        new_output("execute_result", data={"text/html": "<p>somebody's words</p>"}, execution_count=1),
    ]
    cell = new_code_cell("show()", metadata={"tags": ["external-text"]}, outputs=shown, execution_count=1)
    made = new_notebook(cells=[cell])
    assert any("holds text" in problem for problem in lint.output_problems(made))
    clean(made)
    assert [output.data for output in made.cells[0].outputs] == [{"image/png": "AAAA"}]
    assert lint.output_problems(made) == []


def test_outputs_that_change_from_run_to_run_are_dropped():
    shown = [
        new_output("stream", name="stderr", text="a warning"),
        new_output("display_data", data={"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}),
        new_output("stream", text="<object at 0x7f12ab>\n"),
        new_output("display_data", data={"text/html": '<style>#T_0a1b2_row0 {}</style><table id="T_0a1b2">'}),
    ]
    made = new_notebook(cells=[new_code_cell("show()", outputs=shown, execution_count=1)])
    made.metadata["widgets"] = {"state": {}}
    clean(made)
    printed, table = made.cells[0].outputs
    assert printed.text == "<object>\n"
    name = f"T_{made.cells[0].id[:5]}"  # another one in every cell, as styles are shared by the whole page
    assert table.data["text/html"] == f'<style>#{name}_row0 {{}}</style><table id="{name}">'
    assert made.metadata == build.METADATA


@pytest.mark.skipif(find_chromium() is None, reason="drawing a Plotly figure needs Chromium or Chrome")
def test_plotly_figures_become_pictures():
    figure = {"data": [{"type": "bar", "y": [1, 2]}], "layout": {"width": 300, "height": 200}}
    shown = [new_output("display_data", data={PLOTLY: figure, "text/html": "<div>"})]
    made = new_notebook(cells=[new_code_cell("show()", outputs=shown, execution_count=1)])
    clean(made)
    assert list(made.cells[0].outputs[0].data) == ["image/png"]
    png = base64.b64decode(made.cells[0].outputs[0].data["image/png"])
    assert png.startswith(b"\x89PNG")
    width, height = (int.from_bytes(png[start : start + 4], "big") for start in (16, 20))
    assert (width, height) == (300 * SCALE, 200 * SCALE)


def test_pictures_for_the_readme_are_saved(tmp_path):
    shown = [new_output("display_data", data={"image/png": base64.b64encode(b"a picture").decode()})]
    cell = new_code_cell("show()", metadata={"tags": ["core", "picture-map"]}, outputs=shown)
    save_pictures(new_notebook(cells=[cell, new_code_cell("show()", outputs=shown)]), tmp_path / "pictures")
    assert [path.name for path in tmp_path.glob("*/*")] == ["map.png"]
    assert (tmp_path / "pictures/map.png").read_bytes() == b"a picture"


def test_errors_and_interactive_figures_may_not_be_committed():
    shown = [
        new_output("error", ename="ValueError", evalue="no", traceback=[]),
        new_output("display_data", data={PLOTLY: {"data": []}}),
        new_output("display_data", data={"image/png": "AAAA"}, metadata={"image/png": {"alt": ""}}),
    ]
    made = new_notebook(cells=[new_code_cell("show()", outputs=shown, execution_count=1)])
    problems = "\n".join(lint.output_problems(made))
    for what in ("ValueError: no", "interactive figure", "without alternative text"):
        assert what in problems
