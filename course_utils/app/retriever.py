"""What stands behind `course train`, `course evaluate` and `course visualize`: a retriever on a file of pairs."""

import base64
import html
import json
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from course_utils.data import Pairs, read_pairs, split_pairs
from course_utils.drawing import PALETTE, EmbeddingVisualizer, Picture, preview
from course_utils.embedding import Embedder, load_embedder
from course_utils.learning import ProjectionHead, train_projection_head
from course_utils.measuring import bootstrap_interval

SHARES = (0.7, 0.15, 0.15)  # training, validation, and questions set aside for evaluate and visualize


def open_encoder(name: str, device: str | None) -> Embedder:
    """Load an encoder of this machine and move it to a device (cpu, cuda, mps)."""
    embedder = load_embedder(name)
    if embedder.model is not None and device is not None:
        try:
            embedder.model.to(device)
        except (RuntimeError, AssertionError) as error:  # torch was built without it
            raise ValueError(f"--device {device} cannot be used here: {str(error).splitlines()[0]}") from error
    return embedder


def train(
    data: Path,
    model: str,
    out: Path,
    *,
    device: str | None,
    batch_size: int,
    seed: int,
    export: Path | None,
    **settings,
) -> None:
    """Train a head on a file of pairs, say how it goes, and keep every epoch in ``out``."""
    pairs = read_pairs(data)
    training, validation, aside = split_pairs(pairs, SHARES, seed=seed)
    parts = f"{len(training)} to train, {len(validation)} to choose the epoch, {len(aside)} set aside"
    print(f"{len(pairs)} questions: {parts}")
    embedder = open_encoder(model, device)
    x, y, wrong = _rows(embedder, training, batch_size)
    asked, answers, _ = _rows(embedder, validation, batch_size)
    about = {
        "encoder": Path(embedder.card.name).name if Path(embedder.card.name).exists() else embedder.card.name,
        "encoder_fingerprint": embedder.fingerprint,
        "data": data.name,
        "data_sha256": pairs.sha256,
        "used": sorted({*training.digests, *validation.digests}),
    }
    done = train_projection_head(
        x, y, (asked, answers), negatives=wrong, seed=seed, folder=out, about=about, on_epoch=_say_epoch, **settings
    )
    print(f"Best: epoch {done.best_epoch}, in {out / 'best.safetensors'}")
    if done.best_epoch == 0:
        print("No epoch was better on the validation questions than the head before its first step.")
    if export is not None:
        print(f"Encoder and head, for SentenceTransformer(…): {done.head.export(embedder, export)}")


def _rows(embedder: Embedder, pairs: Pairs, batch_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Vectors of questions and answers, a row for each right answer; and of hard negatives, if there are any."""
    links = [(row, text) for row, texts in enumerate(pairs.positives) for text in texts]
    rows = [row for row, _ in links]
    queries = embedder.encode_query(list(pairs.queries), batch_size=batch_size)[rows]
    positives = embedder.encode_document([text for _, text in links], batch_size=batch_size)
    most = max(map(len, pairs.negatives))
    if not most:
        return queries, positives, None
    # Where a question has fewer negatives, its own answer fills up: a right answer is never held against a question.
    filled = [(list(pairs.negatives[row]) + [text] * most)[:most] for row, text in links]
    wrong = embedder.encode_document([text for texts in filled for text in texts], batch_size=batch_size)
    return queries, positives, wrong.reshape(len(links), most, -1)


def _say_epoch(row: dict, head: ProjectionHead) -> None:
    print(f"epoch {row['epoch']:3d}  loss {row['loss']:.3f}  recall@1 {row['recall_at_1']:.3f}  MRR {row['mrr']:.3f}")


def open_models(
    data: Path, model: str, checkpoints: Iterable[Path], *, device: str | None, batch_size: int, max_samples: int | None
) -> list[EmbeddingVisualizer]:
    """Put the stock model and each checkpoint on the same pairs; questions that a checkpoint was trained on go."""
    pairs = read_pairs(data)
    heads = {}
    for path in checkpoints:
        name = path.stem if path.suffix else path.name
        heads[name if name not in heads else f"{name} ({len(heads) + 1})"] = ProjectionHead.load(path)
    used = {digest for head in heads.values() for digest in head.about.get("used", ())}
    rows = [row for row, digest in enumerate(pairs.digests) if digest not in used]
    if len(rows) < len(pairs):
        print(f"{len(pairs) - len(rows)} of {len(pairs)} questions were used in training and are left out.")
    if max_samples is not None and len(rows) > max_samples:
        print(f"{max_samples} of {len(rows)} questions are drawn (--max-samples).")
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:max_samples])
    embedder = open_encoder(model, device)
    pairs = pairs.take(rows)
    models = [EmbeddingVisualizer(embedder, pairs, name="stock", batch_size=batch_size)]
    models += [
        EmbeddingVisualizer(embedder, pairs, head=head, name=name, batch_size=batch_size)
        for name, head in heads.items()
    ]
    print(f"{data.name}: {len(pairs)} questions, {len(models[0].candidates)} answers")
    return models


def evaluate(models: list[EmbeddingVisualizer]) -> pd.DataFrame:
    """Mean reciprocal rank and recall with intervals, one row a model, and the paired gain over the first."""
    rows = {}
    for model in models:
        rows[model.name] = {name: str(interval) for name, interval in model.scores().items()}
        if model is not models[0]:
            gain = bootstrap_interval(model.right_first.astype(float) - models[0].right_first)
            rows[model.name]["gain in right answers first"] = str(gain)
    return pd.DataFrame(rows).fillna("")


def visualize(
    models: list[EmbeddingVisualizer],
    output: Path,
    *,
    elsewhere: list[EmbeddingVisualizer] | None,
    perplexity: float,
    skip_tsne: bool,
    skip_umap: bool,
) -> None:
    """Write the pictures, their interactive twins, report.json and report.html; say what is ready.

    ``elsewhere`` are the same models, in the same order, on pairs of another subject, for the verdict; or None.

    Raises
    ------
    RuntimeError
        If in the end a picture is not there.
    """
    output.mkdir(parents=True, exist_ok=True)
    first, *others = models
    calls = {
        "similarity_distribution": lambda: first.plot_similarity_distribution(*others),
        "tsne_projection": None if skip_tsne else lambda: first.plot_tsne(*others, perplexity=perplexity),
        "umap_projection": None if skip_umap else lambda: first.plot_umap(*others),
        "similarity_heatmap": lambda: first.plot_similarity_heatmap(*others),
        "top_k_predictions": lambda: first.plot_top_k_predictions(*others, k=min(10, len(first.candidates))),
    }
    pictures: dict[str, Picture] = {}
    for name, call in calls.items():
        if call is not None:
            (output / f"{name}.png").unlink(missing_ok=True)  # an older one would pass for this one
            pictures[name] = call()
            pictures[name].figure.savefig(output / f"{name}.png", dpi=120)
            twin = _twin(name, models, perplexity)
            twin.write_html(output / f"{name}.html", include_plotlyjs="directory")
            print(f"{name}.png and .html")
    outside = [(model, elsewhere[0]) for model in elsewhere[1:]] if elsewhere else [None] * len(others)
    verdicts = {model.name: model.verdict(first, pair) for model, pair in zip(others, outside, strict=True)}
    verdicts = verdicts or {first.name: first.verdict()}
    report = {
        "encoder": Path(first.embedder.card.name).name,
        "questions": len(first.pairs),
        "answers": len(first.candidates),
        "data_sha256": first.pairs.sha256,
        "other_data_sha256": elsewhere[0].pairs.sha256 if elsewhere else None,
        "pictures": {name: json.loads(picture.numbers.to_json(orient="index")) for name, picture in pictures.items()},
        "verdicts": {
            name: {
                "advice": v.advice,
                "reason": v.reason,
                "evidence": json.loads(v.evidence.to_json(orient="index")),
                "checklist": json.loads(v.checklist.to_json(orient="index")),
            }
            for name, v in verdicts.items()
        },
    }
    (output / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False), encoding="utf-8")
    (output / "report.html").write_text(_page(first, pictures, verdicts, output), encoding="utf-8")
    missing = [name for name in pictures if not (output / f"{name}.png").is_file()]
    if missing:
        raise RuntimeError(f"Not written: {', '.join(missing)}.")
    for name, verdict in verdicts.items():
        print(f"{name}: {verdict}")
    print(f"Everything on one page: {output / 'report.html'}")


# --- the interactive twins and the page ------------------------------------------------------------------------------


def _twin(name: str, models: list[EmbeddingVisualizer], perplexity: float):
    """Draw a picture again with Plotly, the texts on hover."""
    from plotly.subplots import make_subplots

    figure = make_subplots(1, len(models), subplot_titles=[html.escape(model.name) for model in models])
    for column, model in enumerate(models, 1):
        if name == "similarity_distribution":
            traces, x, y = _bars(model), "cosine of question and answer", "density"
        elif name == "similarity_heatmap":
            traces, x, y = [_cells(model)], "answer", "question"
        elif name == "top_k_predictions":
            traces, x, y = [_ranking(model)], "rank of the answer", "question"
        else:
            method = name.partition("_")[0]
            options = {"perplexity": perplexity} if method == "tsne" else {"n_neighbors": 15}
            x, y = (f"{'t-SNE' if method == 'tsne' else 'UMAP'} {axis} (no unit)" for axis in (1, 2))
            traces = _dots(model, model.map_points(method, **options)[0])
        for trace in traces:
            figure.add_trace(trace.update(showlegend=column == 1 and bool(trace.name)), 1, column)
        figure.update_xaxes(title=x, col=column)
        figure.update_yaxes(title=y, col=column, autorange="reversed" if y == "question" else None)
    figure.update_layout(
        template="plotly_white", width=520 * len(models) + 200, height=560, barmode="overlay", bargap=0
    )
    return figure


def _bars(model: EmbeddingVisualizer) -> list:
    import plotly.graph_objects as go

    edges = np.linspace(-1, 1, 81)
    right, wrong = model.cosines()
    bars = []
    for values, name, color in ((wrong, "wrong answers", PALETTE[1]), (right, "right answers", PALETTE[0])):
        density = np.histogram(values, edges, density=True)[0]
        bars.append(go.Bar(x=edges[:-1] + 0.0125, y=density, name=name, marker_color=color, opacity=0.6))
        bars[-1].marker.pattern.shape = "/" if values is wrong else ""
    return bars


def _dots(model: EmbeddingVisualizer, points: np.ndarray) -> list:
    import plotly.graph_objects as go

    n = len(model.pairs)
    texts = np.array([preview(text) for text in (*model.pairs.queries, *model.candidates)], dtype=object)
    asked, first = np.arange(len(points)) < n, np.zeros(len(points), dtype=bool)
    first[:n] = model.right_first
    kinds = [
        ("answer", ~asked, PALETTE[8], "diamond"),
        ("question, right answer first", first, PALETTE[0], "circle"),
        ("question, wrong answer first", asked & ~first, PALETTE[6], "x"),
    ]
    return [
        go.Scatter(
            x=points[mine, 0],
            y=points[mine, 1],
            text=texts[mine],
            name=kind,
            legendgroup=kind,
            mode="markers",
            hovertemplate="%{text}<extra></extra>",
            marker={"color": color, "symbol": symbol, "size": 7},
        )
        for kind, mine, color, symbol in kinds
    ]


def _cells(model: EmbeddingVisualizer):
    import plotly.graph_objects as go

    n = min(40, len(model.pairs))
    columns = [right[0] for right in model.relevant[:n]]
    shown = model.compute_similarity_matrix()[:n, columns]
    asked = [preview(text) for text in model.pairs.queries[:n]]
    answers = [preview(model.candidates[column]) for column in columns]
    hover = [[f"{one}<br>→ {other}" for other in answers] for one in asked]
    template = "%{text}<br>%{z:.3f}<extra></extra>"
    return go.Heatmap(z=shown, zmin=0, zmax=1, colorscale="Viridis", text=hover, hovertemplate=template)


def _ranking(model: EmbeddingVisualizer):
    import plotly.graph_objects as go

    top = model.top_k(min(10, len(model.candidates)))
    shape = (len(model.pairs), -1)
    asked, answers = (list(map(preview, texts)) for texts in (model.pairs.queries, model.candidates))
    hover = [f"{asked[row.question]}<br>→ {answers[row.answer]}<br>{row.similarity:.3f}" for row in top.itertuples()]
    z = top["right"].to_numpy(float).reshape(shape)
    scale = [[0, "#e8e8e8"], [1, PALETTE[0]]]
    return go.Heatmap(
        z=z,
        x=np.arange(1, z.shape[1] + 1),
        zmin=0,
        zmax=1,
        colorscale=scale,
        showscale=False,
        xgap=1,
        ygap=1,
        text=np.reshape(hover, z.shape),
        hovertemplate="%{text}<extra></extra>",
    )


_TITLES = {
    "similarity_distribution": "How similar right and wrong answers are",
    "tsne_projection": "Map of questions and answers (t-SNE)",
    "umap_projection": "Map of questions and answers (UMAP)",
    "similarity_heatmap": "Questions against their answers",
    "top_k_predictions": "What comes first",
}


_STYLE = """body { font: 16px/1.5 sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em }
img { max-width: 100% } table { border-collapse: collapse }
td, th { padding: .2em .8em; border-bottom: 1px solid #ccc; text-align: right }"""


def _page(first: EmbeddingVisualizer, pictures: dict[str, Picture], verdicts: dict, output: Path) -> str:
    encoder = html.escape(Path(first.embedder.card.name).name)
    parts = [f"<p>{len(first.pairs)} questions, {len(first.candidates)} answers, encoder {encoder}.</p>"]
    for name, verdict in verdicts.items():
        parts.append(f"<h2>{html.escape(name)}: {verdict.advice}</h2><p>{html.escape(verdict.reason)}</p>")
        parts.append(f"{_table(verdict.evidence)}<p>The usual thresholds, for diagnosis only:</p>")
        parts.append(_table(verdict.checklist))
    for name, picture in pictures.items():
        image = base64.b64encode((output / f"{name}.png").read_bytes()).decode()
        parts.append(f'<h2>{_TITLES[name]}</h2><img src="data:image/png;base64,{image}" alt="{_TITLES[name]}">')
        parts.append(f'{_table(picture.numbers)}<p><a href="{name}.html">interactive</a></p>')
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Report on a retriever</title>'
        f"<style>{_STYLE}</style><h1>Report on a retriever</h1>{''.join(parts)}</html>"
    )


def _table(frame: pd.DataFrame) -> str:
    return frame.to_html(float_format=lambda value: "" if math.isnan(value) else f"{value:.3f}", border=0)
