"""The page of an executed notebook has living figures, and asks nothing of any network."""

import nbformat
import plotly.graph_objects as go

from course_utils.app.results import PLOTLY, write_page


def test_figures_answer_without_a_network(browser, tmp_path):
    v4 = nbformat.v4
    figures = [go.Figure(go.Scatter(x=[1, 2], y=[3, 5], text=["</script><b>", name])) for name in ("é", "数")]
    data = [{PLOTLY: figure.to_plotly_json(), "text/plain": "Figure()"} for figure in figures]
    data[0]["image/png"] = "iVBORw0KGgo="
    cells = [v4.new_code_cell("f", outputs=[v4.new_output("display_data", each)]) for each in data]
    cells.append(v4.new_markdown_cell("# Formula\n\n$x^2$\n\n```mermaid\ngraph TD;\n```\n![](gone.png)"))
    widgets = {"application/vnd.jupyter.widget-state+json": {"state": {}, "version_major": 2, "version_minor": 0}}
    folder = tmp_path / "a page é"
    folder.mkdir()
    nbformat.write(v4.new_notebook(cells=cells, metadata={"widgets": widgets}), folder / "x #1.ipynb")
    write_page(folder / "x #1.ipynb", tmp_path)
    page, asked, wrong = browser.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto((folder / "x #1.html").as_uri())
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot .main-svg').length >= 4")
    plot = page.locator(".js-plotly-plot").nth(1)
    point = plot.locator(".scatterlayer .point").nth(1).bounding_box()
    page.mouse.move(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    plot.locator(".hovertext", has_text="数").wait_for(timeout=10_000)
    assert wrong == [] and all(url.startswith(("file:", "data:", "blob:")) for url in asked)
    assert sum("plotly.min.js" in url for url in asked) == 1
