"""A small head on a frozen encoder: trained from cached vectors in seconds, kept as safetensors and JSON.

The head is one or two matrices, so it is applied with NumPy; torch trains it. It can be exported as part of an
ordinary sentence-transformers folder. What the loss is and why it works stands in lesson 5.
"""

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from course_utils.embedding import Embedder
from course_utils.measuring import normalize

_FORMAT = "text-embeddings-course projection head 1"


class CheckpointError(ValueError):
    """A checkpoint is damaged, is none of this course's, or does not fit what it is used with."""


@dataclass(frozen=True)
class ProjectionHead:
    """A linear map, or one hidden layer with ReLU, whose results are scaled to length 1.

    Attributes
    ----------
    weights : ``weight`` of shape (dim, dim_in); or ``hidden.weight`` (hidden, dim_in), ``hidden.bias`` (hidden,),
        ``weight`` (dim, hidden) and ``bias`` (dim,). All float32.
    about : what is known of it, as it stands in the checkpoint's JSON: encoder, dimensions, data, settings, metrics.
    """

    weights: dict[str, np.ndarray]
    about: dict = field(default_factory=dict)

    @property
    def dim_in(self) -> int:
        """Number of dimensions of the vectors that it takes."""
        return self.weights["hidden.weight" if "hidden.weight" in self.weights else "weight"].shape[1]

    @property
    def dim(self) -> int:
        """Number of dimensions of the vectors that it gives."""
        return self.weights["weight"].shape[0]

    def transform(self, vectors: np.ndarray) -> np.ndarray:
        """Project vectors of the encoder: float32 of shape (n, dim_in) in, unit rows of shape (n, dim) out.

        Raises
        ------
        CheckpointError
            If the vectors have another number of dimensions than those it was trained on.
        """
        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != self.dim_in:
            raise CheckpointError(
                f"The head takes vectors of {self.dim_in} dimensions, and these have the shape {vectors.shape}. It was "
                f"trained on {self.about.get('encoder', 'another encoder')}."
            )
        if "hidden.weight" in self.weights:
            vectors = np.maximum(vectors @ self.weights["hidden.weight"].T + self.weights["hidden.bias"], 0)
        return normalize(vectors @ self.weights["weight"].T + self.weights.get("bias", np.float32(0)))

    def check_encoder(self, embedder: Embedder) -> None:
        """Raise :class:`CheckpointError` unless the head was trained on this encoder's vectors."""
        fits = embedder.embedding_dim == self.dim_in
        if not fits or self.about.get("encoder_fingerprint", embedder.fingerprint) != embedder.fingerprint:
            raise CheckpointError(
                f"The head was trained on {self.about.get('encoder', 'another encoder')} ({self.dim_in} dimensions) "
                f"and does not fit {embedder.card.name} ({embedder.embedding_dim} dimensions"
                f"{', but other weights' if fits else ''}). Load the encoder that it names."
            )

    def save(self, path: str | Path) -> None:
        """Write ``path`` (a ``.safetensors`` file) and the ``.json`` beside it, each in one step, the JSON last."""
        path = Path(path)
        about = self.about | {"format": _FORMAT, "dim_in": self.dim_in, "dim": self.dim}
        _write_tensors(path, self.weights)
        about["sha256"] = _digest(about, self.weights)
        _write(path.with_suffix(".json"), json.dumps(about, indent=1, ensure_ascii=False).encode())

    @classmethod
    def load(cls, path: str | Path) -> "ProjectionHead":
        """Read a checkpoint; of a folder, the best one in it. Nothing in it is ever run.

        Raises
        ------
        CheckpointError
            If a file is missing, damaged, or not written by :meth:`save`.
        """
        path = Path(path).expanduser()
        path = path / "best.safetensors" if path.is_dir() else path
        for file in (path, path.with_suffix(".json")):
            if not file.is_file():
                raise CheckpointError(
                    f"There is no file {file.name!r} where the path leads to. A checkpoint is a .safetensors file "
                    "with its .json beside it, or a folder that `course train` wrote."
                )
        if path.suffix != ".safetensors":
            raise CheckpointError(f"{path.name} is no safetensors file. Other formats can run code and are not opened.")
        weights = _read_tensors(path)
        try:
            about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            written, known = about.pop("sha256"), about["format"] == _FORMAT
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise CheckpointError(f"{path.with_suffix('.json').name} does not describe a projection head.") from error
        if not known:
            raise CheckpointError(f"{path.name} is of the format {about['format']!r}; this version reads {_FORMAT!r}.")
        if written != _digest(about, weights):
            raise CheckpointError(f"{path.name} or its .json has changed since it was written. Copy both again.")
        if not all(np.isfinite(array).all() for array in weights.values()):
            raise CheckpointError(f"{path.name} holds weights that are not finite: its training went wrong.")
        return cls(weights, about)

    def export(self, embedder: Embedder, folder: str | Path) -> Path:
        """Write encoder and head as one sentence-transformers folder, for ``SentenceTransformer(folder)``.

        Parameters
        ----------
        embedder : the encoder that the head was trained on; it must run on this machine.
        folder : is made, or filled if it is empty.

        Raises
        ------
        CheckpointError
            If the head does not fit the encoder.
        ValueError
            If the encoder has no modules here, or the folder is not empty.
        """
        self.check_encoder(embedder)
        folder = Path(folder).expanduser()
        if embedder.model is None:
            raise ValueError(f"{embedder!r} does not run on this machine, so there is nothing to export with the head.")
        if folder.is_dir() and any(folder.iterdir()):
            raise ValueError(f"The folder {folder.name!r} is not empty. Choose another.")
        import torch
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Dense, Normalize

        tensors = {name: torch.tensor(array) for name, array in self.weights.items()}
        layers = []
        if "hidden.weight" in tensors:
            hidden = tensors["hidden.weight"]
            layers.append(Dense(self.dim_in, len(hidden), True, torch.nn.ReLU(), hidden, tensors["hidden.bias"]))
        weight = tensors["weight"]
        layers.append(
            Dense(weight.shape[1], self.dim, "bias" in tensors, torch.nn.Identity(), weight, tensors.get("bias"))
        )
        modules = list(embedder.model)
        if not isinstance(modules[-1], Normalize):
            modules.append(Normalize())  # the head was trained on vectors of length 1
        card = embedder.card
        prompts = {"query": card.query_prompt, "document": card.document_prompt}
        model = SentenceTransformer(modules=[*modules, *layers, Normalize()], prompts=prompts, device="cpu")
        model.save(str(folder), create_model_card=False)
        return folder


@dataclass(frozen=True)
class Training:
    """What a training gave: the best ``head``, the ``history`` (one row an epoch) and the best epoch's number.

    ``history`` has the columns ``epoch``, ``loss`` (mean InfoNCE in nats; of epoch 0, before the first step),
    ``recall_at_1`` and ``mrr`` (both on the validation questions).
    """

    head: ProjectionHead
    history: pd.DataFrame
    best_epoch: int


def train_projection_head(
    queries: np.ndarray,
    positives: np.ndarray,
    validation: tuple[np.ndarray, np.ndarray],
    *,
    negatives: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    dim: int = 256,
    hidden: int | None = None,
    epochs: int = 20,
    patience: int = 5,
    batch_size: int = 64,
    learning_rate: float = 3e-4,
    weight_decay: float = 0.01,
    temperature: float = 0.05,
    seed: int = 0,
    folder: str | Path | None = None,
    about: dict | None = None,
    on_epoch=None,
) -> Training:
    """Train a head with InfoNCE on pairs of vectors and keep the epoch with the best validation recall.

    Every other positive of a batch serves a question as a negative, unless it is a right answer as well: a pair with
    the same question, the same answer or the same group is never held against it. A linear head begins as the
    principal directions of the training vectors, which is the stock encoder squeezed into ``dim`` dimensions; one
    with a hidden layer begins at random.

    Parameters
    ----------
    queries, positives : float arrays of shape (n, dim_in), row i of one belonging to row i of the other.
    validation : queries and positives of other pairs, (v, dim_in) each. They are searched for among the positives of
        both parts. Recall at 1 decides, the mean reciprocal rank where it ties.
    negatives : hard negatives of shape (n, m, dim_in), m for each question; they serve the whole batch.
    groups : n labels.
    dim : dimensions of the result, at most ``dim_in`` for a linear head.
    hidden : width of the hidden layer. None: a linear head.
    epochs, patience : train at most so long, and stop when so many epochs in a row were no better.
    temperature : what similarities are divided by; small values look at the hardest negatives only.
    folder : keeps a checkpoint of each epoch and the best, and goes on from there after a kill. None: keeps nothing.
    about : goes into the checkpoints: encoder, encoder_fingerprint and whatever identifies the data.
    on_epoch : is called with the epoch's row of the history and its head.

    Raises
    ------
    ValueError
        If shapes do not fit, or a vector is not finite.
    CheckpointError
        If the folder holds another training.

    References
    ----------
    van den Oord et al., Representation Learning with Contrastive Predictive Coding (2018), arXiv 1807.03748;
    Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019) for AdamW.
    """
    import torch

    arrays = [np.asarray(array, dtype=np.float32) for array in (queries, positives, *validation)]
    if negatives is not None:
        arrays.append(np.asarray(negatives, dtype=np.float32))
    _check_vectors(*arrays)
    queries, positives, *validation = arrays[:4]
    dim_in = queries.shape[1]
    if dim < 1 or (hidden is None and dim > dim_in):
        raise ValueError(f"dim={dim} must be from 1 to {dim_in}, the dimensions of the encoder, for a linear head.")
    settings = {
        "hidden": hidden,
        "dim": dim,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "temperature": temperature,
        "seed": seed,
        "vectors_sha256": _hash_arrays(arrays + ([] if groups is None else [np.asarray(groups)])),
    }
    about = (about or {}) | {"settings": settings}

    network = _network(queries, positives, dim, hidden, seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=weight_decay)
    x, y = torch.tensor(queries), torch.tensor(positives)
    wrong = torch.empty(len(x), 0, dim_in) if negatives is None else torch.tensor(arrays[4])
    is_right = _right_answers(queries, positives, wrong.numpy())
    answers, target = np.unique(np.concatenate([validation[1], positives]), axis=0, return_inverse=True)

    def batch_loss(rows):
        candidates = torch.cat([y[rows], wrong[rows].flatten(0, 1)])
        asked, offered = (torch.nn.functional.normalize(network(part), dim=1) for part in (x[rows], candidates))
        hide = is_right(rows)
        if groups is not None:
            hide[:, : len(rows)] |= np.asarray(groups)[rows][:, None] == np.asarray(groups)[rows]
        np.fill_diagonal(hide, False)
        logits = (asked @ offered.T / temperature).masked_fill(torch.tensor(hide), -torch.inf)
        return torch.nn.functional.cross_entropy(logits, torch.arange(len(rows)))

    def batches(epoch):  # chance of its own for each epoch, so that a resumed training draws the same batches
        order = np.random.default_rng([seed, epoch]).permutation(len(queries))
        return [part for part in np.array_split(order, -(-len(order) // batch_size)) if len(part) > 1]

    def close(epoch, losses):
        head = _head(network, about)
        similarity = head.transform(validation[0]) @ head.transform(answers).T
        mine = similarity[np.arange(len(similarity)), target.ravel()[: len(similarity)]]
        ranks = (similarity >= mine[:, None]).sum(axis=1)
        row = {"epoch": epoch, "loss": float(np.mean(losses)), "recall_at_1": float((ranks == 1).mean())}
        history.append(row | {"mrr": float((1 / ranks).mean())})
        head = ProjectionHead(head.weights, about | {"metrics": history[-1]})
        if folder is not None:
            _keep(folder, head, history, optimizer)
        if on_epoch is not None:
            on_epoch(history[-1], head)
        return head

    history: list[dict] = []
    if folder is not None:
        folder = Path(folder).expanduser()
        history = _resume(folder, network, optimizer, settings)
    if history:
        best = ProjectionHead.load(folder / _name(_best(history)))
    else:
        with torch.no_grad():
            best = close(0, [batch_loss(rows).item() for rows in batches(1)])
    while history[-1]["epoch"] < epochs and history[-1]["epoch"] - _best(history) < patience:
        epoch, losses = history[-1]["epoch"] + 1, []
        for rows in batches(epoch):
            loss = batch_loss(rows)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        if not np.isfinite(losses).all():
            raise ValueError(f"The loss is not finite in epoch {epoch}: lower learning_rate={learning_rate}.")
        head = close(epoch, losses)
        best = head if _best(history) == epoch else best
    return Training(best, pd.DataFrame(history), _best(history))


def _check_vectors(queries, positives, val_queries, val_positives, negatives=None) -> None:
    names = {"queries": queries, "positives": positives, "validation[0]": val_queries, "validation[1]": val_positives}
    for name, array in names.items():
        if array.ndim != 2 or len(array) < 2 or array.shape[1] != queries.shape[-1]:
            raise ValueError(f"{name} must have the shape (n, {queries.shape[-1]}) with n ≥ 2, not {array.shape}.")
    if len(queries) != len(positives) or len(val_queries) != len(val_positives):
        raise ValueError("Each query needs its positive: the two arrays of a pair must have the same number of rows.")
    if negatives is not None:
        names["negatives"] = negatives
        if negatives.ndim != 3 or negatives.shape[::2] != queries.shape:
            raise ValueError(f"negatives must have the shape ({len(queries)}, m, {queries.shape[1]}).")
    for name, array in names.items():
        bad = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))
        if len(bad):
            raise ValueError(f"{name} holds NaN or infinite values in {len(bad)} rows, the first is row {bad[0]}.")


def _network(queries, positives, dim, hidden, seed):
    import torch

    dim_in = queries.shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if hidden is not None:
            layers = [torch.nn.Linear(dim_in, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, dim)]
            return torch.nn.Sequential(*layers)
        network = torch.nn.Sequential(torch.nn.Linear(dim_in, dim, bias=False))
    together = np.concatenate([queries, positives]).astype(np.float64)
    # eigenvectors come in the order of rising spread
    directions = np.linalg.eigh(together.T @ together)[1][:, ::-1][:, :dim]
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor(directions.T.astype(np.float32)))
    return network


def _head(network, about: dict) -> ProjectionHead:
    arrays = [parameter.detach().numpy().copy() for parameter in network.parameters()]
    names = ["weight"] if len(arrays) == 1 else ["hidden.weight", "hidden.bias", "weight", "bias"]
    return ProjectionHead(dict(zip(names, arrays, strict=True)), about)


def _right_answers(queries: np.ndarray, positives: np.ndarray, negatives: np.ndarray):
    """Return a function of the rows of a batch that says which of its candidates are right for which question.

    Candidates are the positives of the rows, then their negatives. Equal vectors are taken for the same text, so an
    answer counts as right wherever in the data it was given for the question.
    """
    asked = np.unique(queries, axis=0, return_inverse=True)[1].ravel()
    texts = np.concatenate([positives, negatives.reshape(-1, positives.shape[1])])
    number = np.unique(texts, axis=0, return_inverse=True)[1].ravel()
    answer, extra = number[: len(positives)], number[len(positives) :].reshape(len(positives), -1)
    right = np.unique(asked * len(number) + answer)

    def is_right(rows) -> np.ndarray:
        offered = np.concatenate([answer[rows], extra[rows].ravel()])
        return np.isin(asked[rows][:, None] * len(number) + offered, right)

    return is_right


def _best(history: list[dict]) -> int:
    # the earliest of equals: what training did not improve is left as it was
    return max(history, key=lambda row: (row["recall_at_1"], row["mrr"], -row["epoch"]))["epoch"]


# --- checkpoints -------------------------------------------------------------------------------------------------


def _name(epoch: int) -> str:
    return f"epoch_{epoch:03d}.safetensors"


def _keep(folder: Path, head: ProjectionHead, history: list[dict], optimizer) -> None:
    """Write the epoch's checkpoint and the best one; last, in one step, what a resumed training starts from."""
    folder.mkdir(parents=True, exist_ok=True)
    epoch = history[-1]["epoch"]
    head.save(folder / _name(epoch))
    if _best(history) == epoch:
        head.save(folder / "best.safetensors")
    tensors = dict(head.weights)
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{key}": value.numpy() for key, value in state.items()}
    resume = {"history": history, "settings": head.about["settings"]}
    _write_tensors(folder / "resume.safetensors", tensors, {"resume": json.dumps(resume)})


def _resume(folder: Path, network, optimizer, settings: dict) -> list[dict]:
    """Put network and optimizer back to where the training in ``folder`` was; return its history, perhaps empty."""
    import torch
    from safetensors import safe_open

    path = folder / "resume.safetensors"
    if not path.is_file():
        return []
    tensors = _read_tensors(path)
    try:
        with safe_open(path, framework="numpy") as file:
            resume = json.loads(file.metadata()["resume"])
        history, other = resume["history"], resume["settings"]
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path.name!r} is not what a training left there. Choose another folder.") from error
    differ = sorted(key for key in settings.keys() | other.keys() if settings.get(key) != other.get(key))
    if differ:
        names = ", ".join("the data" if key == "vectors_sha256" else key for key in differ)
        raise CheckpointError(
            f"The folder {folder.name!r} holds another training (different: {names}). Choose another folder."
        )
    with torch.no_grad():
        for name, parameter in zip(_head(network, {}).weights, network.parameters(), strict=True):
            parameter.copy_(torch.tensor(tensors[name]))
    state = optimizer.state_dict()
    for name in (name for name in tensors if name.startswith("optimizer.")):
        _, number, key = name.split(".")
        state["state"].setdefault(int(number), {})[key] = torch.tensor(tensors[name])
    optimizer.load_state_dict(state)
    return history


def _read_tensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path.name} is not a safetensors file, or not the whole of it ({error}).") from error


def _write_tensors(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> None:
    from safetensors.numpy import save

    _write(path, save(tensors, metadata))


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)  # a kill leaves the old file or the new one
    finally:
        temporary.unlink(missing_ok=True)


def _hash_arrays(arrays: list[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape} ".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _digest(about: dict, weights: dict[str, np.ndarray]) -> str:
    head = json.dumps({key: value for key, value in about.items() if key != "sha256"}, sort_keys=True)
    return hashlib.sha256((head + _hash_arrays([weights[name] for name in sorted(weights)])).encode()).hexdigest()
