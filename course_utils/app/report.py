"""The report of `course visualize`: pictures, interactive twins of those that hold texts, and one page that has it all.

Pictures, verdicts and likely causes are the library's; here they are written to a folder and said aloud.
"""

import base64
import html
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from course_utils.app.retriever import Models, pairs_sha256
from course_utils.drawing import PALETTE, EmbeddingVisualizer, Picture, preview
from course_utils.drawing.plots import shorten
from course_utils.measuring import Verdict, misses


def visualize(
    models: Models, elsewhere: Models, output: Path, *, perplexity: float, skip_tsne: bool, skip_umap: bool
) -> None:
    """Write the pictures, interactive twins of those that hold texts, report.json and report.html; say what is ready.

    ``elsewhere`` are the same models, in the same order, on pairs of another subject, for the verdict; or none.
    """
    output.mkdir(parents=True, exist_ok=True)
    first, *others = models
    skipped = {"tsne_projection": skip_tsne, "umap_projection": skip_umap}
    pictures: dict[str, Picture] = {}
    for name in (name for name in _TITLES if not skipped.get(name)):
        (output / f"{name}.png").unlink(missing_ok=True)  # an older one would pass for this one
        pictures[name], twin = _draw(name, models, perplexity)
        save_picture(pictures[name], output / f"{name}.png", few_colors=name == "top_k_predictions")
        if twin is not None:
            twin.write_html(output / f"{name}.html", include_plotlyjs="directory")
        print(f"{name}.png" if twin is None else f"{name}.png and .html")
    outside = [(model, elsewhere[0]) for model in elsewhere[1:]] if elsewhere else [None] * len(others)
    confidence = 1 - 0.05 / max(len(others), 1)  # of all verdicts together 0.95
    pairs = zip(others, outside, strict=True)
    verdicts = {model.name: model.verdict(first, pair, confidence=confidence) for model, pair in pairs}
    verdicts = verdicts or {first.name: first.verdict()}
    missed = {model.name: model.explain_misses(first) for model in others} or {first.name: first.explain_misses()}
    report = {
        "encoder": Path(first.embedder.card.name).name,
        "questions": len(first.pairs),
        "answers": len(first.candidates),
        "data_sha256": pairs_sha256(first.pairs),
        "other_data_sha256": pairs_sha256(elsewhere[0].pairs) if elsewhere else None,
        "pictures": {name: picture.numbers for name, picture in pictures.items()},
        "verdicts": {name: verdict._asdict() for name, verdict in verdicts.items()},
        "misses": {name: count_misses(table) for name, table in missed.items()},
    }
    text = json.dumps(
        report, indent=1, ensure_ascii=False, default=lambda table: json.loads(table.to_json(orient="index"))
    )
    (output / "report.json").write_text(text, encoding="utf-8")
    (output / "report.html").write_text(_page(first, pictures, verdicts, missed, output), encoding="utf-8")
    for name, verdict in verdicts.items():
        print(f"{name}: {verdict}")
    print(f"Everything on one page: {output / 'report.html'}")


def save_picture(picture: Picture, path: Path, *, dpi: int = 120, few_colors: bool = False) -> None:
    """Write a picture; where it is mostly words, with few colours, which makes it four times smaller."""
    from PIL import Image

    picture.figure.savefig(path, dpi=dpi)
    if few_colors:
        options: dict[str, Any] = {"method": Image.Quantize.FASTOCTREE, "dither": Image.Dither.NONE}
        Image.open(path).convert("RGB").quantize(64, **options).save(path, optimize=True)


def _draw(name: str, models: Models, perplexity: float):
    """A picture and, where hovering shows texts that have no place on it, its interactive twin; else None."""
    first, *others = models
    if name == "similarity_distribution":
        return first.plot_similarity_distribution(*others), None
    if name == "tsne_projection":
        return first.plot_tsne(*others, perplexity=perplexity), _map_twin(models, "tsne", perplexity)
    if name == "umap_projection":
        return first.plot_umap(*others), _map_twin(models, "umap", perplexity)
    if name == "similarity_heatmap":
        return first.plot_similarity_heatmap(*others), _cell_twin(models, ranked=False)
    k = min(10, len(first.candidates))
    return first.plot_top_k_predictions(*others, k=k), _cell_twin(models, ranked=True)


def _map_twin(models: Models, method: str, perplexity: float):
    import plotly.express as px

    kinds = ["question, right answer first", "question, wrong answer first", "answer"]
    frames = []
    own = models[0].pairs.answers
    axes = [f"{'t-SNE' if method == 'tsne' else 'UMAP'} {number} (no unit)" for number in (1, 2)]
    for model in models:
        frame = pd.DataFrame(model.map_points(method, perplexity=perplexity)[0], columns=axes)
        frame["model"] = preview(model.name)
        frame["text"] = [*_said_of_questions(model), *map(preview, own)]
        frame["kind"] = [kinds[0 if right else 1] for right in model.right_first] + kinds[2:] * len(own)
        frames.append(frame)
    figure = px.scatter(
        pd.concat(frames),
        *axes,
        facet_col="model",
        color="kind",
        symbol="kind",
        custom_data="text",
        category_orders={"kind": kinds},
        color_discrete_sequence=[PALETTE[0], PALETTE[6], PALETTE[8]],
        symbol_sequence=["circle", "x", "diamond"],
    )
    figure.update_traces(hovertemplate="%{customdata[0]}<extra></extra>")
    style = {"mode": "lines", "line": {"color": PALETTE[8], "width": 0.5}, "hoverinfo": "skip", "showlegend": False}
    for column, (model, frame) in enumerate(zip(models, frames, strict=True), start=1):
        x, y = model.map_lines(frame[axes].to_numpy()).T
        figure.add_scatter(x=x, y=y, row=1, col=column, **style)
    figure.data = figure.data[-len(models) :] + figure.data[: -len(models)]  # the lines below the points
    free = {"matches": None, "showticklabels": False}  # no two maps can be laid over each other
    figure.update_xaxes(free).update_yaxes(free)
    return figure.update_layout(template="plotly_white")


def _said_of_questions(model: EmbeddingVisualizer) -> list[str]:
    """What resting on a question shows: its text, and where a wrong answer comes first, that one and the right one."""
    said = []
    places = zip(model.nearest(right=False), model.nearest(right=True), strict=True)
    for query, right, answers in zip(model.pairs.queries, model.right_first, places, strict=True):
        came, wanted = (preview(model.candidates[answer]) for answer in answers)
        instead = "" if right else f"<br><b>came first instead:</b> {came}<br><b>wanted:</b> {wanted}"
        said.append(preview(query) + instead)
    return said


def _cell_twin(models: Models, *, ranked: bool):
    """A panel a model and a row a question: its nearest answers, right ones in blue; or own answers, by cosine."""
    import plotly.express as px

    asked, answers = (list(map(preview, texts)) for texts in (models[0].pairs.queries, models[0].candidates))
    own, k = [right[0] for right in models[0].relevant[:40]], min(10, len(answers))
    values, texts, hover = [], [], "{}<br>→ {}<br>{:.3f}".format
    for model in models:
        cells = model.top_k(k)["answer"].to_numpy().reshape(-1, k) if ranked else np.tile(own, (len(own), 1))
        colours = model.is_right.astype(float) if ranked else model.similarity
        values.append(np.take_along_axis(colours[: len(cells)], cells, axis=1))
        texts.append(
            [[hover(asked[i], answers[j], model.similarity[i, j]) for j in row] for i, row in enumerate(cells)]
        )
    scale, label = (["#e8e8e8", PALETTE[0]], "rank of the answer") if ranked else ("Viridis", "answer")
    style = {"aspect": "auto", "color_continuous_scale": scale, "labels": {"x": label, "y": "question"}}
    figure = px.imshow(np.stack(values), facet_col=0, range_color=(0, 1), **style)
    for trace, title, model, hovers in zip(figure.data, figure.layout.annotations, models, texts, strict=True):
        trace.update(x0=int(ranked), customdata=hovers, hovertemplate="%{customdata}<extra></extra>")
        title.text = f"model={preview(model.name)}"
    return figure.update_layout(template="plotly_white", coloraxis_showscale=not ranked)


# --- the page ---------------------------------------------------------------------------------------------------------

_TITLES = {
    "similarity_distribution": "How similar right and wrong answers are",
    "tsne_projection": "Map of questions and answers (t-SNE)",
    "umap_projection": "Map of questions and answers (UMAP)",
    "similarity_heatmap": "Questions against their answers",
    "top_k_predictions": "What comes first",
}


_STYLE = """body { font: 16px/1.5 sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em }
img { max-width: 100% } table { border-collapse: collapse }
td, th { padding: .2em .8em; border-bottom: 1px solid #ccc; text-align: right; vertical-align: top }
td[dir] { text-align: start; overflow-wrap: anywhere; width: 25% } details { font-size: 14px; line-height: 1.35 }
details th:nth-child(-n+3) { text-align: start }"""
SHOWN = 10  # questions of each kind on the page
LETTERS = 180  # of a text there

_RULES = f"""<p>What came first is a wrong answer; wanted is the nearest right one. {SHOWN} questions of each kind are
shown, drawn at random. A cause is named only where it can be checked:</p><ul>
<li><i>same text as a right answer</i>, but for case and blanks;</li>
<li><i>nearly a right answer</i>: the cosine of the two is above {misses.SAME_COSINE} in the stock model, so perhaps
nobody said that it is right too;</li>
<li><i>question cut</i>, <i>right answer cut</i>: longer than %s, and what comes after is not read;</li>
<li><i>hub</i>: it comes first wrongly for {misses.HUB_QUESTIONS} independent questions or more (of which no two share a
right answer), and for so many that if the wrong first places were dealt out by chance, any answer would get as many in
at most {100 * misses.HUB_CHANCE:g} of 100 cases;</li>
<li><i>several right answers</i>: the question has.</li></ul><p>Where nothing is named, nothing of this holds.</p>"""


def _page(
    first: EmbeddingVisualizer,
    pictures: dict[str, Picture],
    verdicts: dict[str, Verdict],
    missed: dict[str, pd.DataFrame],
    output: Path,
) -> str:
    encoder = html.escape(Path(first.embedder.card.name).name)
    parts = [f"<p>{len(first.pairs)} questions, {len(first.candidates)} answers, encoder {encoder}.</p>"]
    for name, verdict in verdicts.items():
        parts.append(f'<h2 dir="auto">{html.escape(name)}: {verdict.advice}</h2><p>{html.escape(verdict.reason)}</p>')
        parts.append(f"{_table(verdict.evidence)}<p>The usual thresholds, for diagnosis only:</p>")
        parts.append(_table(verdict.checklist))
    for name, picture in pictures.items():
        image = base64.b64encode((output / f"{name}.png").read_bytes()).decode()
        parts.append(f'<h2>{_TITLES[name]}</h2><img src="data:image/png;base64,{image}" alt="{_TITLES[name]}">')
        parts.append(_table(picture.numbers))
        if name != "similarity_distribution":
            parts.append(f'<p><a href="{name}.html">interactive</a></p>')
    limit = first.max_length or first.embedder.max_length
    parts.append(f"<h2>What is missed</h2>{_RULES % (f'{limit:g} tokens' if np.isfinite(limit) else 'the limit')}")
    parts += [_missed(first, name, table) for name, table in missed.items()]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Report on a retriever</title>'
        f"<style>{_STYLE}</style><h1>Report on a retriever</h1>{''.join(parts)}</html>"
    )


def count_misses(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count the rows of :func:`~course_utils.measuring.explain_misses` for each outcome, and of these each cause."""
    counts = {}
    for outcome, rows in table.groupby("outcome"):
        causes = rows["cause"].replace("", "no cause found").str.split("; ").explode()
        counts[str(outcome)] = {"questions": len(rows), **causes.value_counts().to_dict()}
    return counts


def _missed(first: EmbeddingVisualizer, name: str, table: pd.DataFrame) -> str:
    """The section of a head: counts of all, and some questions of each outcome with their texts."""
    both, right = "" if name == first.name else " with both models", len(first.pairs) - len(table)
    parts = [f'<h3 dir="auto">{html.escape(name)}</h3><p>A right answer came first{both}: {right} questions.</p>']
    counts = count_misses(table)
    for outcome, said in _OUTCOMES.items():
        rows = table[table["outcome"] == outcome]
        if len(rows):
            n, *causes = counts[outcome].items()
            found = "; ".join(f"{cause}: {number}" for cause, number in causes)
            parts.append(f"<details open><summary>{n[1]} {outcome}: {said} ({found})")
            drawn = rows.sample(min(SHOWN, len(rows)), random_state=0).sort_index()
            parts.append(f"</summary>{_texts(first, drawn)}</details>")
    return "".join(parts)


_OUTCOMES = {
    "lost": "a right answer came first with the stock model, and no longer does",
    "still missed": "a wrong answer comes first with both",
    "missed": "a wrong answer comes first",
    "won": "a right answer comes first, and with the stock model it was the wrong one that stands here",
}


def _texts(first: EmbeddingVisualizer, rows: pd.DataFrame) -> str:
    head = ["question", "came first instead", "wanted", "rank of a right answer", "cosine of the two"]
    lines = ["".join(f"<th>{each}</th>" for each in [*head, "wrongly first for", "likely cause"])]
    for row in rows.to_dict("records"):
        texts = first.pairs.queries[row["question"]], first.candidates[row["first"]], first.candidates[row["wanted"]]
        ranks = f"{row['rank before']:.0f} → {row['rank']}" if row["outcome"] != "missed" else str(row["rank"])
        cells = [f'<td dir="auto">{html.escape(shorten(text, LETTERS))}</td>' for text in texts]
        numbers = ranks, f"{row['cosine']:.2f}", row["wrongly first"], row["cause"]
        lines.append("".join([*cells, *(f"<td>{each}</td>" for each in numbers)]))
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _table(frame: pd.DataFrame) -> str:
    return frame.to_html(float_format="{:.3f}".format, na_rep="", border=0)
