"""A small head on a frozen encoder: trained from cached vectors in seconds, kept in one safetensors file.

The head is one or two matrices, so it is applied with NumPy; torch trains it. What the loss is and why it works stands
in lesson 5; reading pairs from files and writing encoder and head as one model are the affair of the command line.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from course_utils.data import TensorFileError, read_tensors, write_tensors
from course_utils.embedding import Embedder
from course_utils.measuring import first_ranks, normalize

_FORMAT = "text-embeddings-course projection head 2"
_BATCH_SIZE = 64  # pairs a step: each question has so many answers, less one, to be told from its own


class CheckpointError(ValueError):
    """A checkpoint is damaged, is none of this course's, or does not fit what it is used with."""


@dataclass(frozen=True)
class ProjectionHead:
    """A linear map, or one hidden layer with ReLU, whose results are scaled to length 1.

    Attributes
    ----------
    weights : dict of str to ndarray of float32
        ``weight`` of shape (dim, dim_in); or ``hidden.weight`` (hidden, dim_in), ``hidden.bias`` (hidden,), ``weight``
        (dim, hidden) and ``bias`` (dim,).
    about : dict
        What is known of it, as JSON can hold it: encoder, data, settings of the training, metrics.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.learning import ProjectionHead
    >>> head = ProjectionHead({"weight": np.eye(2, 3, dtype=np.float32)})
    >>> head.transform(np.array([[3.0, 4.0, 12.0]])).round(2)
    array([[0.6, 0.8]], dtype=float32)
    """

    weights: dict[str, np.ndarray]
    about: dict = field(default_factory=dict)

    @property
    def dim_in(self) -> int:
        """Number of dimensions of the vectors that it takes."""
        return self.weights["hidden.weight" if "hidden.weight" in self.weights else "weight"].shape[1]

    def transform(self, vectors: np.ndarray) -> np.ndarray:
        """Project vectors of the encoder.

        Parameters
        ----------
        vectors : array of shape (n, dim_in)

        Returns
        -------
        ndarray of float32, shape (n, dim)
            Rows of length 1.

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
        """Write weights and ``about`` to one ``.safetensors`` file, in one step."""
        write_tensors(Path(path), self.weights, self.about | {"format": _FORMAT})

    @classmethod
    def load(cls, path: str | Path) -> "ProjectionHead":
        """Read a checkpoint; of a folder, the ``best.safetensors`` in it. Nothing in it is ever run.

        Raises
        ------
        CheckpointError
            If the file is missing, damaged, or not written by :meth:`save`.
        """
        path = Path(path).expanduser()
        path = path / "best.safetensors" if path.is_dir() else path
        try:
            weights, about = read_tensors(path)
            if about.get("format") != _FORMAT:
                raise TensorFileError(f"{path.name!r} holds no projection head that this version of the course reads.")
        except TensorFileError as error:
            raise CheckpointError(
                f"{error} A checkpoint is a .safetensors file, or a folder that `course train` wrote; one of an "
                "earlier version, with a .json beside it, cannot be read: train it again, into another folder."
            ) from error
        head = cls(weights, about)
        try:
            fits = head.transform(np.zeros((1, head.dim_in))).ndim == 2
        except (LookupError, TypeError, ValueError):
            fits = False
        if not fits:
            raise CheckpointError(f"{path.name!r} holds other weights than those of a projection head.")
        if not all(np.isfinite(array).all() for array in weights.values()):
            raise CheckpointError(f"{path.name} holds weights that are not finite: its training went wrong.")
        return head


class HeadSettings(NamedTuple):
    """What :func:`train_projection_head` may be told of how to train.

    Attributes
    ----------
    dim : int, default 256
        Dimensions of the result, at most those of the encoder for a linear head.
    hidden : int, optional
        Width of the hidden layer. None: a linear head.
    epochs : int, default 20
        Train at most so long.
    patience : int, default 5
        Stop when so many epochs in a row were no better.
    learning_rate : float, default 3e-4
        Size of the steps of AdamW.
    temperature : float, default 0.05
        What similarities are divided by, above 0; small values look at the hardest negatives only.
    seed : int, default 0
        Decides the batches, and the first weights of a head with a hidden layer.

    Examples
    --------
    >>> from course_utils.learning import HeadSettings
    >>> HeadSettings(dim=64, epochs=3).patience
    5
    """

    dim: int = 256
    hidden: int | None = None
    epochs: int = 20
    patience: int = 5
    learning_rate: float = 3e-4
    temperature: float = 0.05
    seed: int = 0


class Training(NamedTuple):
    """What a training gave.

    Attributes
    ----------
    head : ProjectionHead
        The head of the best epoch.
    history : DataFrame
        A row an epoch, with the columns ``epoch``, ``loss`` (mean InfoNCE in nats; of epoch 0, before the first step),
        ``recall_at_1`` and ``mrr`` (both on the validation questions).
    best_epoch : int
        Number of the best epoch.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.learning import train_projection_head
    >>> x = np.random.default_rng(0).normal(size=(40, 8))
    >>> training = train_projection_head(x[:30], x[:30], (x[30:], x[30:]), dim=4, epochs=2)
    >>> list(training.history)
    ['epoch', 'loss', 'recall_at_1', 'mrr']
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
    corpus: np.ndarray | None = None,
    on_epoch: Callable[[dict[str, float], ProjectionHead], object] | None = None,
    **settings: Any,
) -> Training:
    """Train a head with InfoNCE on pairs of vectors and keep the epoch with the best validation recall.

    Every other positive of a batch serves a question as a negative, unless it is a right answer as well: a pair with
    the same question, the same answer or the same group is never held against it. A linear head begins as the
    principal directions of the training vectors, which is the stock encoder squeezed into ``dim`` dimensions; one
    with a hidden layer begins at random. The same arguments give the same head.

    Parameters
    ----------
    queries, positives : float arrays of shape (n, dim_in)
        Row i of one belongs to row i of the other.
    validation : tuple of two float arrays of shape (v, dim_in)
        Queries and positives of other pairs; rows of the same query are one question with several right answers, of
        which the first found counts. They search among the positives of both parts. Recall at 1 decides, the mean
        reciprocal rank where it ties.
    negatives : float array of shape (n, m, dim_in), optional
        Hard negatives, m for each question; they serve the whole batch.
    groups : array of shape (n,), optional
        Labels.
    corpus : float array of shape (m, dim_in), optional
        Further texts among which the validation queries search.
    on_epoch : callable, optional
        Is called with the epoch's row of the history and its head.
    **settings
        Those of :class:`HeadSettings`, which says what each does: ``dim=256``, ``hidden=None``, ``epochs=20``,
        ``patience=5``, ``learning_rate=3e-4``, ``temperature=0.05``, ``seed=0``.

    Returns
    -------
    Training
        The best head, its ``about`` holding settings and metrics, and the history.

    Raises
    ------
    ValueError
        If shapes do not fit, a vector is not finite, or the loss is not.

    References
    ----------
    van den Oord et al., Representation Learning with Contrastive Predictive Coding (2018), arXiv 1807.03748;
    Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019) for AdamW.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.learning import train_projection_head
    >>> x = np.random.default_rng(0).normal(size=(40, 8))
    >>> training = train_projection_head(x[:30], x[:30], (x[30:], x[30:]), dim=4, epochs=2)
    >>> training.head.transform(x).shape, len(training.history)
    ((40, 4), 3)
    """
    chosen = HeadSettings(**settings)
    if negatives is None:
        negatives = np.empty((len(queries), 0, np.shape(queries)[-1]))
    corpus = np.empty((0, np.shape(queries)[-1])) if corpus is None else corpus
    arrays = [np.asarray(array, dtype=np.float32) for array in (queries, positives, *validation, negatives, corpus)]
    _check_vectors(arrays)
    learner = _Learner(arrays, np.arange(len(queries)) if groups is None else np.asarray(groups), chosen)
    history: list[dict[str, float]] = []
    best_score, best_epoch = (-1.0, -1.0), 0
    for epoch in range(chosen.epochs + 1):
        loss, head = learner.run_epoch(epoch), learner.head()
        if not np.isfinite(loss):
            raise ValueError(f"The loss is not finite in epoch {epoch}: lower learning_rate={chosen.learning_rate}.")
        score = recall, mrr = learner.measure(head)
        history.append({"epoch": epoch, "loss": loss, "recall_at_1": recall, "mrr": mrr})
        head.about.update(settings=chosen._asdict(), metrics=history[-1])
        if on_epoch is not None:
            on_epoch(history[-1], head)
        if score > best_score:  # the earliest of equals: what training did not improve is left as it was
            best, best_score, best_epoch = head, score, epoch
        if epoch - best_epoch >= chosen.patience:
            break
    return Training(best, pd.DataFrame(history), best_epoch)


def _check_vectors(arrays: list[np.ndarray]) -> None:
    queries, positives, asked, wanted, negatives, corpus = arrays
    names = ("queries", "positives", "validation[0]", "validation[1]", "negatives", "corpus")
    for name, array in zip(names[:4], arrays[:4], strict=True):
        if array.ndim != 2 or len(array) < 2 or array.shape[1] != queries.shape[-1]:
            raise ValueError(f"{name} must have the shape (n, {queries.shape[-1]}) with n ≥ 2, not {array.shape}.")
    if len(queries) != len(positives) or len(asked) != len(wanted):
        raise ValueError("Each query needs its positive: the two arrays of a pair must have the same number of rows.")
    if negatives.ndim != 3 or negatives.shape[::2] != queries.shape:
        raise ValueError(f"negatives must have the shape ({len(queries)}, m, {queries.shape[1]}).")
    if corpus.ndim != 2 or corpus.shape[1] != queries.shape[1]:
        raise ValueError(f"corpus must have the shape (m, {queries.shape[1]}), not {corpus.shape}.")
    for name, array in zip(names, arrays, strict=True):
        bad = np.flatnonzero(~np.isfinite(array).all(axis=tuple(range(1, array.ndim))))
        if len(bad):
            raise ValueError(f"{name} holds NaN or infinite values in {len(bad)} rows, the first is row {bad[0]}.")


class _Learner:
    """A network on its way to a head, with the pairs that it learns from and those that it is examined on."""

    def __init__(self, arrays: list[np.ndarray], groups: np.ndarray, settings: HeadSettings):
        import torch

        queries, positives, asked, wanted, negatives, corpus = arrays
        self.settings, self.groups = settings, groups
        texts = np.concatenate([positives, negatives.reshape(-1, positives.shape[1])])
        self.negatives = np.arange(len(positives), len(texts)).reshape(len(positives), -1)  # their rows in texts
        self.queries, self.texts = torch.tensor(queries), torch.tensor(texts)
        # Equal vectors are taken for the same text, so an answer counts as right wherever it was given for a question.
        self.question_ids = np.unique(queries, axis=0, return_inverse=True)[1]
        self.text_ids = np.unique(texts, axis=0, return_inverse=True)[1]
        self.right = self.question_ids * len(texts) + self.text_ids[: len(queries)]
        searched = np.concatenate([wanted, positives, corpus])
        self.candidates, ids = np.unique(searched, axis=0, return_inverse=True)
        self.asked, rows = np.unique(asked, axis=0, return_inverse=True)
        self.is_right = np.zeros((len(self.asked), len(self.candidates)), dtype=bool)
        self.is_right[rows, ids[: len(wanted)]] = True
        self.network = _network(queries, positives, settings)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=settings.learning_rate)

    def run_epoch(self, epoch: int) -> float:
        """Mean loss of the batches, with a step after each; epoch 0 looks at those of epoch 1 and takes no step."""
        order = np.random.default_rng([self.settings.seed, max(epoch, 1)]).permutation(len(self.queries))
        losses = []
        for rows in np.array_split(order, -(-len(order) // _BATCH_SIZE)):
            loss = self.batch_loss(rows)
            losses.append(loss.item())
            if epoch > 0:
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
        return float(np.mean(losses))

    def batch_loss(self, rows: np.ndarray):
        """InfoNCE of a batch: each question against the positives of its rows, then against their negatives."""
        import torch
        from torch.nn.functional import cross_entropy, normalize

        offered = np.concatenate([rows, self.negatives[rows].ravel()])
        hide = np.isin(self.question_ids[rows][:, None] * len(self.texts) + self.text_ids[offered], self.right)
        hide[:, : len(rows)] |= self.groups[rows][:, None] == self.groups[rows]
        np.fill_diagonal(hide, False)
        asked, found = (normalize(self.network(part), dim=1) for part in (self.queries[rows], self.texts[offered]))
        logits = (asked @ found.T / self.settings.temperature).masked_fill(torch.tensor(hide), -torch.inf)
        return cross_entropy(logits, torch.arange(len(rows)))

    def head(self) -> ProjectionHead:
        """The network as it is now."""
        arrays = [parameter.detach().numpy().copy() for parameter in self.network.parameters()]
        names = ["weight"] if len(arrays) == 1 else ["hidden.weight", "hidden.bias", "weight", "bias"]
        return ProjectionHead(dict(zip(names, arrays, strict=True)))

    def measure(self, head: ProjectionHead) -> tuple[float, float]:
        """Recall at 1 and mean reciprocal rank on the validation questions."""
        ranks = first_ranks(head.transform(self.asked) @ head.transform(self.candidates).T, self.is_right)
        return float((ranks == 1).mean()), float((1 / ranks).mean())


def _network(queries: np.ndarray, positives: np.ndarray, settings: HeadSettings):
    import torch
    from torch import nn

    dim_in, dim, hidden = queries.shape[1], settings.dim, settings.hidden
    if dim < 1 or (hidden is None and dim > dim_in):
        raise ValueError(f"dim={dim} must be from 1 to {dim_in}, the encoder's dimensions, for a linear head.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        if hidden is not None:
            return nn.Sequential(nn.Linear(dim_in, hidden), nn.ReLU(), nn.Linear(hidden, dim))
        network = nn.Linear(dim_in, dim, bias=False)
    together = np.concatenate([queries, positives]).astype(np.float64)
    # eigenvectors come in the order of rising spread
    directions = np.linalg.eigh(together.T @ together)[1][:, ::-1][:, :dim]
    network.weight = nn.Parameter(torch.tensor(directions.T.astype(np.float32)))
    return network
