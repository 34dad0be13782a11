"""A sentence-transformers model that runs on this machine. The encoding itself is sentence-transformers' own."""

import threading
from typing import Any

import numpy as np

from course_utils.embedding.base import TEXTS_PER_SAVE, Embedder, EmbeddingOptions, Parts
from course_utils.embedding.cache import Cache
from course_utils.embedding.catalog import ModelCard


class LocalEmbedder(Embedder):
    """A model on this machine, with its card, its prompts and a cache.

    Parameters
    ----------
    model : SentenceTransformer
        The model; it stays open to lessons that look inside, as the attribute of that name.
    card : ModelCard
        What is known of it.
    fingerprint : str
        A hash of all that decides the vectors: weights, modules, tokenizer.
    cache : EmbeddingCache or bool, default False
        As in :func:`~course_utils.embedding.load_embedder`.

    Examples
    --------
    >>> from course_utils.embedding import LocalEmbedder, load_embedder
    >>> embedder = load_embedder()
    >>> isinstance(embedder, LocalEmbedder), embedder.precision
    (True, 'torch.float32')
    >>> [type(module).__name__ for module in embedder.model]
    ['Transformer', 'Pooling', 'Normalize']
    """

    def __init__(self, model: Any, card: ModelCard, *, fingerprint: str, cache: Cache = False):
        super().__init__(card, fingerprint, model.max_seq_length, model.get_embedding_dimension(), cache)
        self.model, self.precision = model, str(model.dtype)
        self._lock = threading.Lock()  # max_seq_length is set on the model while it runs

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock())

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer, a transformers object."""
        return self.model.tokenizer

    def _compute(self, texts: list[str], options: EmbeddingOptions, batch_size: int, show: bool | None) -> np.ndarray:
        if self.cache is None:
            return self._run_model(texts, options, batch_size, bool(show))
        return super()._compute(texts, options, batch_size, show)

    def _parts(self, texts: list[str], positions: list[int], options: EmbeddingOptions, batch_size: int) -> Parts:
        for start in range(0, len(positions), TEXTS_PER_SAVE):
            part = positions[start : start + TEXTS_PER_SAVE]
            yield part, self._run_model([texts[position] for position in part], options, batch_size, False)

    def _run_model(self, texts: list[str], options: EmbeddingOptions, batch_size: int, show: bool) -> np.ndarray:
        settings = {"batch_size": batch_size, "show_progress_bar": show, "normalize_embeddings": False}
        with self._lock:
            own_length = self.model.max_seq_length
            try:
                if options.max_length != own_length:  # a static model has no limit, and none can be set
                    self.model.max_seq_length = options.max_length
                return np.asarray(self.model.encode(texts, prompt=options.prompt, **settings), dtype=np.float32)
            finally:
                if options.max_length != own_length:
                    self.model.max_seq_length = own_length
