"""What stands behind `course embed --tasks` and `course demo`: one corpus under several instructions, and its web page.

The folder holds ``data.json`` (places, neighbours and measures, for any program), ``vectors.safetensors`` (for
``load_embedder``) and the page: hand-written HTML, CSS and JavaScript that fetch nothing, so it opens by a double click
as well as from any web server.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from course_utils.app.embed import TEXT_COLUMNS, Encoding, add_vectors, locked
from course_utils.data import Task, is_file_name, load_corpus, load_tasks
from course_utils.drawing import map_quality, project_aligned
from course_utils.embedding import Embedder, EmbeddingOptions
from course_utils.measuring import (
    Interval,
    difference_interval,
    intervals,
    knn_accuracy,
    knn_overlap,
    mean_interval,
    nearest_neighbors,
    normalize,
)
from course_utils.paths import file_sha256
from course_utils.teaching import say

FORMAT = "text-embeddings-course task maps 1"
PAGE = Path(__file__).with_name("page")
FILES = ("vectors.safetensors", "data.json", "data.js", *sorted(path.name for path in PAGE.iterdir()))
MARK = ".course_page"  # in the folder of a page: the hashes of what was written there, by which it is known again
K = 10  # neighbours of a text that are measured and shown
FEWEST = 2 * (K + 1)  # texts; with fewer the K nearest would be most of what there is
PREVIEW = 400  # characters of a text that the page shows
# Where the course's corpora keep what their texts can be coloured by, the most telling first.
LABEL_COLUMNS = ("group", "topic", "sentiment", "tone", "meaning", "kind", "label")


def choose_tasks(tasks: dict[str, Task], names: Sequence[str]) -> list[Task]:
    """Return the tasks of these names; without names, the first four that go on the text."""
    unknown = [name for name in names if name not in tasks]
    if unknown:
        raise ValueError(f"--task {unknown[0]}: the file has {', '.join(tasks)}.")
    chosen = [tasks[name] for name in names] or [task for task in tasks.values() if task.side == "text"][:4]
    on_queries = [task.name for task in chosen if task.side == "query"]
    if on_queries or not chosen:
        raise ValueError(
            f"{', '.join(on_queries) or 'Every task of the file'} goes on search queries and leaves texts alone, so "
            "there is no map of the texts under it. Choose tasks whose side is 'text'."
        )
    return chosen


def labelled_texts(
    corpus: str, text_column: str | None = None, labels: Sequence[str] = (), limit: int | None = None, **options: Any
) -> pd.DataFrame:
    """Return the texts of a corpus, each once, in the column ``text``, and behind it the columns to colour by."""
    labels, text = list(dict.fromkeys(labels)), "text"
    if same := {text, text_column}.intersection(labels):
        raise ValueError(f"--label-column {same.pop()}: texts are not coloured by themselves. Name another column.")
    if is_file_name(corpus):
        frame = load_corpus(corpus, text_column=text_column, label_column=labels or None, **options)
    else:
        frame = load_corpus(corpus, **options)
        text = text_column or next((column for column in TEXT_COLUMNS if column in frame), text)
    if unknown := [column for column in (text, *labels) if column not in frame]:
        raise ValueError(f"{corpus} has no column {unknown[0]!r}. It has {', '.join(frame.columns)}.")
    labels = labels or [column for column in LABEL_COLUMNS if column in frame and column != text]
    shown = {label: frame[label].astype(object).where(frame[label].notna(), "(none)").astype(str) for label in labels}
    frame = pd.DataFrame({"text": frame[text].astype(str)} | shown).drop_duplicates("text").head(limit)
    if len(frame) < FEWEST:
        raise ValueError(f"{corpus} gives {len(frame)} different texts; maps with neighbours take at least {FEWEST}.")
    return frame.reset_index(drop=True)


def embed_page(encoding: Encoding, tasks: Path, names: list[str], corpus: str, frame: pd.DataFrame, out: Path) -> Path:
    """Make the page of a corpus under the tasks of a file; what cannot be is said before a model is loaded."""
    chosen = choose_tasks(load_tasks(tasks), names)
    check_folder(out)
    embedder = encoding.open(frame["text"].tolist(), len(chosen))
    return make_page(out, corpus, frame, chosen, embedder, encoding.max_length, encoding.batch_size)


def check_folder(out: Path) -> set[str]:
    """Refuse a folder where a file would be lost that this command did not write; return the hashes of those it did."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file. With --tasks, --out is a folder that receives several files.")
    mark = out / MARK
    own = set(mark.read_text(encoding="utf-8", errors="replace").split()) if mark.exists() else set()
    found = {name: file_sha256(out / name) for name in FILES if (out / name).exists()}
    if others := [name for name, digest in found.items() if digest not in own]:
        raise ValueError(
            f"{out} holds {', '.join(others)}, not made by this command or changed since. Choose another folder, or "
            "move that away."
        )
    return set(found.values())


def make_page(
    out: Path,
    corpus: str,
    frame: pd.DataFrame,
    tasks: Sequence[Task],
    embedder: Embedder,
    max_length: int | None = None,
    batch_size: int = 32,
) -> Path:
    """Embed, measure and draw the texts under each task, with a line for each step; return the page's path."""
    vectors = embed_tasks(embedder, frame["text"], tasks, max_length, batch_size)
    spaces = {task.name: normalize(vectors[embedder.card.prompt_for(task.instruction)]) for task in tasks}
    print("measuring, and drawing the maps …")
    about = {"corpus": Path(corpus).stem, "model": embedder.card.name, "taught": embedder.card.use_instructions}
    made_with = {"embedder": embedder, "texts": frame["text"], "max_length": max_length or embedder.max_length}
    return write_page(describe(spaces, frame, tasks, about), out, partial(add_vectors, vectors=vectors, **made_with))


def embed_tasks(
    embedder: Embedder, texts: Sequence[str], tasks: Sequence[Task], max_length: int | None, batch_size: int
) -> dict[str, np.ndarray]:
    """Embed the texts under each task, and return the vectors, as the model gave them, by prompt."""
    by_prompt = {}
    for number, task in enumerate(tasks, start=1):
        print(f"{number} of {len(tasks)}  {task.name}: {task.instruction or 'no instruction'}")
        options = EmbeddingOptions(task.instruction or None, max_length=max_length, normalize_embeddings=False)
        prompt = embedder.card.prompt_for(task.instruction)
        by_prompt[prompt] = embedder.encode(texts, options=options, batch_size=batch_size)
    return by_prompt


def describe(spaces: dict[str, np.ndarray], frame: pd.DataFrame, tasks: Sequence[Task], about: dict) -> dict:
    """Place, compare and measure: everything that the page shows, as one JSON object.

    Neighbours and measures are taken in the vectors; of the maps only their own quality is stated. Intervals are
    over the texts. Each task is compared with the first, and what is said of all of them holds together.
    """
    labels = [column for column in frame.columns if column != "text"]
    maps = project_aligned(spaces)
    nearest = {name: nearest_neighbors(vectors, K) for name, vectors in spaces.items()}
    first = tasks[0].name
    accuracies = {
        (label, name): knn_accuracy(vectors, frame[label], K) for label in labels for name, vectors in spaces.items()
    }
    gains = intervals.simultaneous(
        difference_interval,
        {
            f"{label} {task.name}": (accuracies[label, task.name], accuracies[label, first])
            for label in labels
            for task in tasks[1:]
        },
    )
    described = []
    for task in tasks:
        new = 1 - knn_overlap(spaces[first], spaces[task.name], K, metric="cosine")
        quality = map_quality(spaces[task.name], maps[task.name], K)
        measures: dict[str, dict[str, Any]] = {"map": quality, "new_neighbours": _numbers(mean_interval(new))}
        effect = []
        if task.name != first:
            effect.append(f"{new.mean():.0%} of each text's {K} nearest neighbours are others than under {first}.")
        for label in labels:
            own = accuracies[label, task.name]
            counts = frame[label].value_counts()
            chance = float((counts * (counts - 1)).sum() / (len(frame) * (len(frame) - 1)))
            measures[f"same_{label}"] = _numbers(mean_interval(own)) | {"chance": chance}
            quantity = f"share of neighbours with the same {label}"
            if task.name == first:
                effect.append(f"The {quantity} is {own.mean():.2f}; chance would give {chance:.2f}.")
            else:
                difference = gains[f"{label} {task.name}"]
                measures[f"same_{label}"]["minus_first"] = _numbers(difference)
                same = np.allclose(spaces[task.name], spaces[first], atol=1e-6)
                said = say.comparison(task.name, first, difference, quantity, same_vectors=same)
                effect.append(said.replace("**", ""))
        described.append(asdict(task) | {"measures": measures, "effect": effect})
    points = []
    for i, row in enumerate(frame.to_dict("records")):
        text = " ".join(row["text"].split())
        shown = text if len(text) <= PREVIEW else text[:PREVIEW].rsplit(" ", 1)[0] + " …"
        point: dict[str, Any] = {"text_preview": shown}
        point |= {"category": row[labels[0]] if labels else "", "labels": [row[label] for label in labels]}
        for name in spaces:
            x, y = maps[name][i].tolist()
            point |= {f"{name}_x": round(x, 3), f"{name}_y": round(y, 3)}
            point[f"{name}_neighbours"] = nearest[name][i].tolist()
        points.append(point)
    chance = K / (len(frame) - 1)
    return {"format": FORMAT, **about, "k": K, "chance": chance, "labels": labels, "tasks": described, "points": points}


def _numbers(interval: Interval) -> dict[str, float | None]:
    """Estimate and range; JSON has no word for infinity, so a range without ends is None."""
    numbers = {name: float(getattr(interval, name)) for name in ("estimate", "low", "high")}
    return {name: round(value, 4) if np.isfinite(value) else None for name, value in numbers.items()}


def write_page(data: dict[str, Any], out: Path, write_vectors: Callable[[Path], Any] | None = None) -> Path:
    """Write ``data.json``, the page that shows it and perhaps the vectors; return the path of its ``index.html``.

    All of it is made in a folder inside, noted in the mark, and only then moved to where the old lies: whenever this is
    killed, each file is whole and known for the command's own.
    """
    written = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # A page that was opened from a folder may not fetch its JSON, but may run a script, which no text in it may end.
    script = written.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    out.mkdir(parents=True, exist_ok=True)
    part = out / f"{MARK}.part"
    with locked(out / MARK):
        own = check_folder(out)
        shutil.rmtree(part, ignore_errors=True)  # left by a run that was killed
        part.mkdir()
        try:
            if write_vectors is not None:
                write_vectors(part / "vectors.safetensors")
            (part / "data.json").write_text(written, encoding="utf-8")
            (part / "data.js").write_text(f"window.DATA = {script};\n", encoding="utf-8")
            for path in PAGE.iterdir():
                shutil.copyfile(path, part / path.name)
            made = list(part.iterdir())
            (part / MARK).write_text("\n".join(sorted(own.union(map(file_sha256, made)))), encoding="utf-8")
            for path in (part / MARK, *made):
                path.replace(out / path.name)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return out / "index.html"
