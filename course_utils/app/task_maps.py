"""What stands behind `course embed --tasks` and `course demo`: one corpus under several instructions, and its web page.

The folder holds ``data.json`` (places, neighbours and measures, for any program), ``vectors.safetensors`` (for
``load_embedder``) and the page: hand-written HTML, CSS and JavaScript that fetch nothing from outside, so it opens by a
double click as well as from any web server; :func:`frame` shows it in a notebook.
"""

import base64
import hashlib
import html
import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from course_utils.app.embed import TEXT_COLUMNS, Encoding, add_vectors, locked
from course_utils.data import Task, is_file_name, load_corpus, load_tasks
from course_utils.drawing import map_quality, project_aligned, sampled_quality
from course_utils.embedding import Embedder, EmbeddingOptions
from course_utils.measuring import (
    Interval,
    difference_interval,
    intervals,
    knn_overlap,
    mean_interval,
    nearest_neighbors,
    normalize,
)
from course_utils.paths import file_sha256

FORMAT = "text-embeddings-course task maps 1"
PAGE = Path(__file__).with_name("page")
FILES = ("vectors.safetensors", "data.json", "data.js", *sorted(path.name for path in PAGE.iterdir()))
MARK = ".course_page"  # in the folder of a page: the hashes of what was written there, by which it is known again
K = 10  # neighbours of a text that are measured and shown
DRAWN = 14  # neighbours of a text that its map is drawn by
MOST_EXACT = 4096  # texts; of more a sample says how far to trust a map
SAMPLE = 2000  # texts in it
FEWEST = 2 * (K + 1)  # texts; with fewer the K nearest would be most of what there is
PREVIEW = 400  # characters of a text that the page shows
# Where the course's corpora keep what their texts can be coloured by, the most telling first.
LABEL_COLUMNS = ("group", "topic", "sentiment", "tone", "meaning", "kind", "label")
# What a label may be called that answers the question of a task, beside the task's own name.
ANSWERS = {
    "sentiment": ("mood",),
    "emotion": ("mood", "sentiment"),
    "toxicity": ("toxic", "tone", "rude"),
    "politeness": ("polite", "tone", "rude"),
    "topic": ("group", "subject", "theme"),
    "genre": ("kind",),
}
CONTROL = "irrelevant_control"  # the task that should move nothing
MOVERS = 10  # texts that are listed as those that moved most


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
    file = load_tasks(tasks)
    chosen, control = choose_tasks(file, names), file.get(CONTROL)
    check_folder(out)
    embedder = encoding.open(frame["text"].tolist(), len(chosen) + (control is not None))
    return make_page(out, corpus, frame, chosen, embedder, encoding.max_length, encoding.batch_size, control)


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
    control: Task | None = None,
) -> Path:
    """Embed, measure and draw the texts under each task, with a line for each step; return the page's path.

    ``control`` is a task whose answer says nothing of the texts: it gets no map, only its effect is stated beside that
    of the others.
    """
    asked = [*tasks, *([control] if control and control not in tasks else [])]
    vectors = embed_tasks(embedder, frame["text"], asked, max_length, batch_size)
    spaces = {task.name: normalize(vectors[embedder.card.prompt_for(task.instruction)]) for task in asked}
    print("measuring, and drawing the maps …")
    about = {"corpus": Path(corpus).stem, "model": embedder.card.name, "taught": embedder.card.use_instructions}
    data = describe(spaces, frame, tasks, about, control)
    made_with = {"embedder": embedder, "texts": frame["text"], "max_length": max_length or embedder.max_length}
    return write_page(data, out, partial(add_vectors, vectors=vectors, **made_with))


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


def describe(
    spaces: dict[str, np.ndarray],
    frame: pd.DataFrame,
    tasks: Sequence[Task],
    about: dict,
    control: Task | None = None,
    drawn: Mapping[str, np.ndarray] | None = None,
) -> dict:
    """Place, compare and measure: everything that the page shows, as one JSON object.

    Neighbours and measures are taken in the vectors; of the maps only their own quality and their islands are stated.
    Intervals are over the texts. Each task is compared with the first, and what is said of all of them holds together.
    ``drawn`` are the maps, where there are some already. A label that is a pandas category is shown in its order.
    """
    labels, first = [column for column in frame.columns if column != "text"], tasks[0]
    names = [task.name for task in tasks]
    nearest = {name: _nearest(spaces[name]) for name in dict.fromkeys([*names, *([control.name] if control else [])])}
    maps = drawn or project_aligned({name: spaces[name] for name in names}, neighbors=nearest)
    shown = {name: near[:, :K] for name, near in nearest.items()}
    values = {label: frame[label].to_numpy() for label in labels}
    own = {
        (label, name): (values[label][shown[name]] == values[label][:, None]).mean(axis=1)
        for label in labels
        for name in names
    }
    gains = intervals.simultaneous(
        difference_interval,
        {
            f"{label} {task.name}": (own[label, task.name], own[label, first.name])
            for label in labels
            for task in tasks[1:]
            if not _same(spaces, task, first)
        },
    )
    described = []
    for task in tasks:
        place, near = maps[task.name], shown[task.name]
        new = 1 - knn_overlap(shown[first.name], near, K, metric="neighbors")
        told = _measured(spaces, new, own, frame, task, first, gains)
        beside_it = nearest_neighbors(place, K, metric="euclidean")
        told["measures"]["map"] = _map_measures(spaces[task.name], place, (near, beside_it))
        islands = {label: _islands(place, values[label], beside_it) for label in labels}
        described.append(asdict(task) | told | {"islands": islands})
    beside = None
    if control is not None and control != first:
        new = 1 - knn_overlap(shown[first.name], shown[control.name], K, metric="neighbors")
        beside = {"instruction": control.instruction, "new_neighbours": _numbers(mean_interval(new))}
    points = []
    for i, row in enumerate(frame.to_dict("records")):
        text = " ".join(row["text"].split())
        preview = text if len(text) <= PREVIEW else text[:PREVIEW].rsplit(" ", 1)[0] + " …"
        point: dict[str, Any] = {"text_preview": preview}
        point |= {"category": row[labels[0]] if labels else "", "labels": [row[label] for label in labels]}
        for name in names:
            x, y = maps[name][i].tolist()
            point |= {f"{name}_x": round(x, 3), f"{name}_y": round(y, 3)}
            point[f"{name}_neighbours"] = shown[name][i].tolist()
        points.append(point)
    orders = {label: frame[label].cat.categories.tolist() for label in frame.select_dtypes("category")}
    counts = {"k": K, "chance": K / (len(frame) - 1), "comparisons": len(gains)}
    return {
        "format": FORMAT, **about, **counts, "labels": labels, "orders": orders, "control": beside, "tasks": described,
        "points": points
    }  # fmt: skip


def _nearest(vectors: np.ndarray) -> np.ndarray:
    """Find the neighbours of a space, once for all that needs them: those shown, the measures and the map.

    In the form that :func:`project` draws, so that the map is the one that it would draw alone.
    """
    return nearest_neighbors(normalize(np.asarray(vectors, dtype=np.float32)), max(K, DRAWN), metric="euclidean")


def _map_measures(vectors: np.ndarray, points: np.ndarray, near: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    """Measure a map; of many texts by a sample, whose size and intervals then stand beside what was estimated."""
    if len(points) <= MOST_EXACT:
        return map_quality(vectors, points, K, neighbors=near)
    found = sampled_quality(vectors, points, K, sample=SAMPLE, neighbors=near)
    del found["knn_overlap"]  # which is known of all
    estimates = {name: interval.estimate for name, interval in found.items()}
    sample: dict[str, Any] = {"texts": SAMPLE} | {name: _numbers(interval) for name, interval in found.items()}
    return estimates | {"knn_overlap": float(knn_overlap(*near, K, metric="neighbors").mean()), "sample": sample}


def _answer(task: Task, labels: Sequence[str]) -> str:
    names = (task.name, *ANSWERS.get(task.name, ()))
    found = [label for name in names for label in labels if label.lower() == name]
    return (found or [*labels, ""])[0]


def _same(spaces: dict[str, np.ndarray], task: Task, first: Task) -> bool:
    return task != first and np.allclose(spaces[task.name], spaces[first.name], atol=1e-6)


def _measured(
    spaces: dict[str, np.ndarray],
    new: np.ndarray,
    own: dict,
    frame: pd.DataFrame,
    task: Task,
    first: Task,
    gains: dict[str, Interval],
) -> dict[str, Any]:
    """Measure a task against the first, say what was found (of its own label before others), and name what moved."""
    vectors, start, same = spaces[task.name], spaces[first.name], _same(spaces, task, first)
    change = mean_interval(new)
    measures: dict[str, dict[str, Any]] = {"new_neighbours": _numbers(change)}
    effect, than = [], f"under {first.name}" if first.instruction else "with no question asked"
    if same:
        effect.append("No vector moved: the map is the same.")
    elif task != first:
        ends = f"{K * max(change.low, 0):.1f} to {K * min(change.high, 1):.1f}"
        effect.append(
            f"This question gave the texts {K * change.estimate:.1f} of {K} new neighbours on average "
            f"(95% interval: {ends})."
        )
    labels = [column for column in frame.columns if column != "text"]
    answer = _answer(task, labels)
    for label in sorted(labels, key=lambda label: label != answer):
        counts = frame[label].value_counts()
        chance = float((counts * (counts - 1)).sum() / (len(frame) * (len(frame) - 1)))
        share = mean_interval(own[label, task.name])
        measures[f"same_{label}"] = _numbers(share) | {"chance": chance}
        if task == first:
            effect.append(
                f"Of 100 neighbours {100 * share.estimate:.0f} have the same {label}; by chance it would be "
                f"{100 * chance:.0f}."
            )
        elif not same:
            gain = gains[f"{label} {task.name}"]
            measures[f"same_{label}"]["minus_first"] = _numbers(gain)
            effect.append(_said(gain, label, than))
    shift = 1 - (vectors * start).sum(axis=1)
    most = [] if same else [i for i in np.lexsort((-shift, -new))[:MOVERS].tolist() if new[i] > 0]
    movers = [{"point": i, "new": round(float(new[i]), 4), "shift": round(float(shift[i]), 4)} for i in most]
    return {"label": answer, "measures": measures, "same_vectors": same, "effect": effect, "movers": movers}


def _said(gain: Interval, label: str, than: str) -> str:
    """Say of a difference between shares what it means among 100 neighbours, more or fewer only where that is known."""
    if gain.identical:
        return f"Of 100 neighbours exactly as many have the same {label} as {than}."
    if gain.sign == 0:
        size, *ends = (f"{100 * value:+.1f}" for value in (gain.estimate, gain.low, gain.high))
        said = f"about as many have the same {label} as {than}: the difference, {size}, may be chance"
    else:
        beyond = sorted(abs(end) for end in (gain.low, gain.high))
        # an end close to zero does not become it: that it lies beyond is what is said
        ends = [f"{100 * end:.1f}" if end >= 0.0005 else f"{100 * end:.1g}" for end in beyond]
        word = "more" if gain.sign > 0 else "fewer"
        said = f"{abs(100 * gain.estimate):.1f} {word} have the same {label} than {than}"
    return f"Of 100 neighbours {said} (95% interval: {' to '.join(ends)})."


def _islands(points: np.ndarray, values: np.ndarray, near: np.ndarray) -> list[dict[str, Any]]:
    """Return the categories that lie together on a map, and the point where to write each one's name.

    There at least half of the neighbours on the map (``near``) are of their own, and a third of the way from chance to
    all.
    """
    own = (values[near] == values[:, None]).mean(axis=1)
    found = []
    for category in pd.unique(values):
        (members,) = np.nonzero(values == category)
        chance = (len(members) - 1) / (len(values) - 1)
        if own[members].mean() < max(0.5, chance + (1 - chance) / 3) or len(members) == len(values):
            continue
        centre = members[own[members] >= own[members].mean()]  # those in the thick of it
        for _ in range(3):  # where they lie in two places, the middle is in neither
            apart = np.linalg.norm(points[members] - np.median(points[centre], axis=0), axis=1)
            centre = members[np.argsort(apart)[: max(len(members) // 3, 1)]]
        found.append({"category": category, "point": int(centre[0]), "share": round(float(own[members].mean()), 4)})
    return found


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


def page_html(folder: str | Path) -> str:
    """Return the page of a folder as one HTML text that needs no other file and can ask for none.

    Its Content-Security-Policy lets run only what it holds, by hash. What a server adds to the page is left out.
    """
    folder = Path(folder)
    if not (folder / "index.html").is_file():
        raise ValueError(f"{folder} holds no page of maps. `course demo` makes one, or `course embed --tasks`.")
    hashes: dict[str, list[str]] = {"script": [], "style": []}

    def inlined(found: re.Match) -> str:
        name = found["script"] or found["style"]
        if name == "live.js":
            return ""
        words, tag = (folder / name).read_text(encoding="utf-8"), "script" if found["script"] else "style"
        digest = base64.b64encode(hashlib.sha256(words.encode()).digest()).decode()
        hashes[tag].append(f"'sha256-{digest}'")
        return f"<{tag}>{words}</{tag}>"

    page = (folder / "index.html").read_text(encoding="utf-8")
    head, policy, rest = re.split('(?<=Policy" content=")([^"]*)', page)
    files = r'<script src="(?P<script>[\w.]+)"></script>|<link rel="stylesheet" href="(?P<style>[\w.]+)">'
    rest = re.sub(files, inlined, rest)
    policy = "; ".join(["default-src 'none'; img-src data:", *(f"{k}-src {' '.join(v)}" for k, v in hashes.items())])
    return head + policy + rest


def frame(folder: str | Path, height: int = 720) -> Any:
    """Show the page of a folder in a notebook, in a frame that cannot reach the notebook (IPython.display.HTML)."""
    from IPython.display import HTML

    page = html.escape(page_html(folder))
    return HTML(
        f'<div><iframe srcdoc="{page}" sandbox="allow-scripts" title="Maps of the same texts under several questions" '
        f'style="width: 100%; height: {int(height)}px; border: 0"></iframe></div>'
    )
