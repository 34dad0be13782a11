"""What stands behind `course train` and `course evaluate`: a retriever on a file of pairs.

Training and scores are the library's; here they are read from files, said aloud, and written to a folder. The report of
`course visualize` is made in :mod:`course_utils.app.report`.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

from course_utils.app.run import naming_options
from course_utils.data import Pairs, read_pairs, split_pairs
from course_utils.drawing import EmbeddingVisualizer
from course_utils.embedding import Embedder, LocalEmbedder, load_embedder
from course_utils.learning import CheckpointError, HeadSettings, ProjectionHead, train_projection_head
from course_utils.measuring import AnswerRanking, intervals

Models = list[EmbeddingVisualizer]
SHARE = 0.15  # of the pairs for validation, and again set aside for evaluate and visualize; more of few pairs
FOLDS = 5  # where what is set aside is too little


def open_encoder(name: str, device: str | None) -> Embedder:
    """Load an encoder of this machine and move it to a device (cpu, cuda, mps)."""
    embedder = load_embedder(name)
    if isinstance(embedder, LocalEmbedder) and device is not None:
        try:
            embedder.model.to(device)
        except (RuntimeError, AssertionError) as error:  # torch was built without it
            raise ValueError(f"--device {device} cannot be used here: {str(error).splitlines()[0]}") from error
    return embedder


def digests(pairs: Pairs) -> list[str]:
    """A short hash of each question with its answers, by which it is recognised without its text."""
    rows = zip(pairs.queries, pairs.positives, strict=True)
    return [hashlib.sha256(json.dumps(row).encode()).hexdigest()[:16] for row in rows]


def pairs_sha256(pairs: Pairs) -> str:
    """The hash of all texts in their order."""
    return hashlib.sha256(json.dumps([pairs.queries, pairs.positives, pairs.negatives]).encode()).hexdigest()


def train(
    data: Path,
    model: str,
    out: Path,
    settings: HeadSettings,
    device: str | None,
    batch_size: int,
    export: Path | None,
    reading: dict[str, Any] | None = None,
    keep: Sequence[int] = (),
) -> None:
    """Train a head on a file of pairs, say how it goes, and leave the best epoch's in ``out``.

    Those of the epochs in ``keep`` are left beside it, as far as training comes.

    Raises
    ------
    CheckpointError
        If ``out`` holds the head of another training.
    """
    with naming_options(reading or {}):
        pairs = read_pairs(data, **reading or {})
    share = min(max(SHARE, intervals.MIN_UNITS / (pairs.groups.max() + 1)), 0.3)
    training, validation, aside = split_pairs(pairs, (1 - 2 * share, share, share), seed=settings.seed)
    n_training, n_validation, n_aside = map(len, (training, validation, aside))
    print(f"{len(pairs)} questions: {n_training} to train, {n_validation} to choose the epoch, {n_aside} set aside")
    embedder = open_encoder(model, device)
    about = {
        "encoder": Path(embedder.card.name).name if Path(embedder.card.name).exists() else embedder.card.name,
        "encoder_fingerprint": embedder.fingerprint,
        "data": data.name,
        "data_sha256": pairs_sha256(pairs),
        "used": sorted({*digests(training), *digests(validation)}),
        "settings": settings._asdict(),
    }
    checkpoint = out / "best.safetensors"
    for old in (*out.glob("best.safetensors"), *out.glob("epoch_*.safetensors")):
        if not about.items() <= ProjectionHead.load(old).about.items():
            raise CheckpointError(f"The folder {out.name!r} holds another training. Choose another folder.")
    out.mkdir(parents=True, exist_ok=True)
    if (n_groups := aside.groups.max() + 1) < intervals.MIN_UNITS:
        many = f"it takes {intervals.MIN_UNITS} to show whether a head helps"
        print(f"Of those set aside {n_groups} share no answer with another; {many}.")
        if pairs.groups.max() + 1 >= intervals.MIN_UNITS:
            gain = cross_validate(embedder, pairs, settings, batch_size)
            print(f"{FOLDS} heads, each asked what it was not trained on; gain in right answers first: {gain}")
    kept: dict[int, ProjectionHead] = {}

    def on_epoch(row: dict[str, float], head: ProjectionHead) -> None:
        kept[int(row["epoch"])] = head
        print(
            f"epoch {row['epoch']:3d}  loss {row['loss']:.3f}  recall@1 {row['recall_at_1']:.3f}  MRR {row['mrr']:.3f}"
        )

    head = _fit(embedder, training, validation, settings, batch_size, on_epoch)
    best_epoch = head.about["metrics"]["epoch"]
    head = replace(head, about=head.about | about)
    beside = {f"epoch_{epoch}": kept[epoch] for epoch in sorted({*keep} & {*kept})}
    for name, each in beside.items():
        replace(each, about=each.about | about).save(out / f"{name}.safetensors")
    head.save(checkpoint)
    print(f"Best: epoch {best_epoch}, in {checkpoint}" + (f"; beside it: {', '.join(beside)}" if beside else ""))
    if best_epoch == 0:
        print("No epoch was better on the validation questions than the head before its first step.")
    if export is not None:
        export_model(embedder, head, export)
        print(f"Encoder and head, for SentenceTransformer(…): {export}")


def cross_validate(embedder: Embedder, pairs: Pairs, settings: HeadSettings, batch_size: int) -> intervals.Interval:
    """The gain of heads over the stock model in right answers first, each question under a head not trained on it.

    The interval holds for other questions, not for other training pairs: the heads share most of theirs.
    """
    first = np.zeros((2, len(pairs)))
    folds = [rows for _, rows in GroupKFold(FOLDS).split(first.T, groups=pairs.groups)]
    for left_out, chooses, *rest in (folds[fold:] + folds[:fold] for fold in range(FOLDS)):
        asked, validation, training = map(pairs.take, (left_out, chooses, np.concatenate(rest)))
        head = _fit(embedder, training, validation, settings, batch_size)
        queries = embedder.encode_query(list(asked.queries), batch_size=batch_size)
        answers = embedder.encode_document(list(asked.candidates), batch_size=batch_size)
        stock, trained = (queries, answers), (head.transform(queries), head.transform(answers))
        first[:, left_out] = [AnswerRanking(asked, q, a, name="").right_first for q, a in (stock, trained)]
    return intervals.difference_interval(first[1], first[0], groups=pairs.groups)


def _fit(
    embedder: Embedder,
    training: Pairs,
    validation: Pairs,
    settings: HeadSettings,
    batch_size: int,
    on_epoch: Callable[[dict[str, float], ProjectionHead], object] | None = None,
) -> ProjectionHead:
    corpus = embedder.encode_document(list(training.candidates), batch_size=batch_size)
    answers = dict(zip(training.candidates, corpus, strict=True))
    x, y, wrong = _rows(embedder, training, answers, batch_size)
    asked = _rows(embedder, validation, answers, batch_size)[:2]
    options = settings._asdict() | {"negatives": wrong, "corpus": corpus, "on_epoch": on_epoch}
    return train_projection_head(x, y, asked, **options).head


def export_model(embedder: Embedder, head: ProjectionHead, folder: Path) -> None:
    """Write encoder and head as one sentence-transformers folder, for ``SentenceTransformer(folder)``.

    Parameters
    ----------
    embedder : Embedder
        The encoder that the head was trained on; it must run on this machine.
    head : ProjectionHead
        The head.
    folder : Path
        Is made, or filled if it is empty.

    Raises
    ------
    CheckpointError
        If the head does not fit the encoder.
    ValueError
        If the encoder has no modules here, or the folder is not empty.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize
    from torch import nn, tensor

    head.check_encoder(embedder)
    if not isinstance(embedder, LocalEmbedder):
        raise ValueError(f"{embedder!r} has no modules of sentence-transformers here to export with the head.")
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"The folder {folder.name!r} is not empty. Choose another.")
    modules = list(embedder.model)
    if not isinstance(modules[-1], Normalize):
        modules.append(Normalize())  # the head was trained on vectors of length 1
    weights = {name: tensor(array) for name, array in head.weights.items()}
    for layer, activation in (("hidden.", nn.ReLU()), ("", nn.Identity())):
        if f"{layer}weight" in weights:
            weight, bias = weights[f"{layer}weight"], weights.get(f"{layer}bias")
            modules.append(Dense(weight.shape[1], weight.shape[0], bias is not None, activation, weight, bias))
    prompts = {"query": embedder.card.query_prompt, "document": embedder.card.document_prompt}
    model = SentenceTransformer(modules=[*modules, Normalize()], prompts=prompts, device="cpu")
    model.save(str(folder), create_model_card=False)


def _rows(
    embedder: Embedder, pairs: Pairs, answers: dict[str, np.ndarray], batch_size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Vectors of questions and answers, a row for each right answer; and of hard negatives, if there are any."""
    links = [(row, text) for row, texts in enumerate(pairs.positives) for text in texts]
    rows = [row for row, _ in links]
    queries = embedder.encode_query(list(pairs.queries), batch_size=batch_size)[rows]
    positives = np.stack([answers[text] for _, text in links])
    most = max(map(len, pairs.negatives))
    if not most:
        return queries, positives, None
    # Where a question has fewer negatives, its own answer fills up: a right answer is never held against a question.
    filled = [(list(pairs.negatives[row]) + [text] * most)[:most] for row, text in links]
    return queries, positives, np.stack([[answers[text] for text in texts] for texts in filled])


def find_heads(checkpoints: Sequence[Path], epochs: Sequence[str] = ()) -> dict[str, ProjectionHead]:
    """Load heads, each under a name of its own: that of its file or folder, or its epoch.

    Parameters
    ----------
    checkpoints : sequence of Path
        Files, or folders of `course train`.
    epochs : sequence of str
        Numbers, or "best": which heads of each folder. None: the best, under the folder's name.

    Raises
    ------
    CheckpointError
        If a folder has no head of an epoch, or no folder is given; the message says which there are.
    """
    heads: dict[str, ProjectionHead] = {}
    for path in checkpoints:
        if epochs and not path.is_dir():
            raise CheckpointError(f"--epoch goes with a folder of `course train`, and {path.name!r} is none.")
        found = {file.stem.removeprefix("epoch_"): file for file in path.glob("epoch_*.safetensors")} if epochs else {}
        for epoch in epochs or [""]:
            if epoch in ("", "best"):
                head = ProjectionHead.load(path)
                name = f"best (epoch {head.about.get('metrics', {}).get('epoch', '?')})"
            elif epoch in found:
                head, name = ProjectionHead.load(found[epoch]), f"epoch {epoch}"
            else:
                there = ", ".join([*sorted(found, key=lambda each: (len(each), each)), "best"])
                raise CheckpointError(
                    f"The folder {path.name!r} has no head of epoch {epoch}. It has: {there}. `course train --keep` "
                    "keeps those of other epochs, as far as training comes."
                )
            if not epochs:
                name = path.stem if path.suffix else path.name
            elif len(checkpoints) > 1:
                name = f"{path.name}: {name}"
            heads[name if name not in ("stock", *heads) else f"{name} ({len(heads) + 1})"] = head
    return heads


def open_models(
    data: Path,
    model: str,
    checkpoints: list[Path],
    *,
    device: str | None,
    batch_size: int,
    max_samples: int | None,
    reading: dict[str, Any] | None = None,
    epochs: Sequence[str] = (),
) -> Models:
    """Put the stock model and each checkpoint on the same pairs; questions that a checkpoint was trained on go.

    Those that are left, and drawn, search among all answers of the file. ``epochs`` as in :func:`find_heads`.
    """
    with naming_options(reading or {}):
        pairs = read_pairs(data, **reading or {})
    found = find_heads(checkpoints, epochs)
    heads: dict[str, ProjectionHead | None] = {"stock": None, **found}
    used = {digest for head in found.values() for digest in head.about.get("used", ())}
    rows = [row for row, digest in enumerate(digests(pairs)) if digest not in used]
    if len(rows) < len(pairs):
        print(f"{len(pairs) - len(rows)} of {len(pairs)} questions were used in training and are left out.")
    if max_samples is not None and len(rows) > max_samples:
        print(f"{max_samples} of {len(rows)} questions are drawn (--max-samples).")
        rows = sorted(np.random.default_rng(0).permutation(rows)[:max_samples])
    embedder, pairs = open_encoder(model, device), pairs.take(rows)
    models = [
        EmbeddingVisualizer(embedder, pairs, head=head, name=name, batch_size=batch_size)
        for name, head in heads.items()
    ]
    print(f"{data.name}: {len(pairs)} questions, {len(models[0].candidates)} answers")
    return models


def evaluate(models: Models) -> pd.DataFrame:
    """Hits and mean reciprocal rank with intervals, one column a model, and the paired gain over the first."""
    stock, *others = models
    columns = {model.name: {name: str(interval) for name, interval in model.scores().items()} for model in models}
    gains = intervals.simultaneous(EmbeddingVisualizer.gain_over, {model.name: (model, stock) for model in others})
    for name, gain in gains.items():
        columns[name]["gain in right answers first"] = str(gain)
    return pd.DataFrame(columns).fillna("")
