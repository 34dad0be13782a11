"""Texts become vectors inside scikit-learn's pipelines and searches.

:class:`TextEmbedder` is the embedding step alone; what is learned from vectors stands elsewhere. It opens the model at
first use and shares an open one with its clones.
"""

import copy
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, Self, TypeVar, cast

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from course_utils.embedding import DEFAULT_MODEL, Embedder, EmbeddingCache, RemoteEmbedder, load_embedder

logger = logging.getLogger(__name__)

_Method = TypeVar("_Method", bound=Callable)


def alone(method: _Method) -> _Method:
    """A method that changes the learner, or reads several parts of it: of several threads one has its turn."""

    @wraps(method)
    def locked(self: Any, *args: Any, **options: Any) -> Any:
        with self._lock:
            return method(self, *args, **options)

    return cast(_Method, locked)


@dataclass(eq=False, repr=False)  # scikit-learn prints and compares estimators in its own way
class TextEmbedder(TransformerMixin, BaseEstimator):
    """Texts in, unit vectors out, as a scikit-learn transformer: for ``make_pipeline(TextEmbedder(), Ridge())``.

    Parameters
    ----------
    embedder : str or Embedder, default the course's default model
        A loaded :class:`~course_utils.embedding.Embedder`, which clones share, or a name for
        :func:`~course_utils.embedding.load_embedder`, which is loaded at first use.
    instruction : str, optional
        A task in words, put into the model's own template.
    embedding_dim : int, optional
        Keep only the first so many dimensions (Matryoshka). Default: all. A warning is logged for a model that was not
        trained to be cut.
    cache_dir : str or Path, optional
        Folder for the vectors, with a name only. Default: the course's own.
    api_key : str, optional
        Key of an endpoint, with a name such as ``"openai:text-embedding-3-small"`` only. Default: the endpoint's
        environment variable, a safer place than a notebook. The key is never saved, shown or pickled.

    Examples
    --------
    >>> from course_utils.learning import TextEmbedder
    >>> TextEmbedder(embedding_dim=128).transform(["a walk", "a film"]).shape
    (2, 128)
    """

    embedder: str | Embedder = DEFAULT_MODEL
    _: KW_ONLY
    instruction: str | None = None
    embedding_dim: int | None = None
    cache_dir: str | Path | None = None
    api_key: str | None = None
    # the parameters that were used, and the embedder they gave
    _opened: tuple | None = field(default=None, init=False)
    # held while anything changes
    _lock: Any = field(default_factory=threading.RLock, init=False)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Give the parameters by name, None for the API key: whatever prints an estimator prints these.

        Parameters
        ----------
        deep : bool, default True
            As scikit-learn has it; there is nothing inside.

        Returns
        -------
        dict
            Name to value.
        """
        return super().get_params(deep) | {"api_key": None}

    def __sklearn_clone__(self) -> "TextEmbedder":
        # a model of many megabytes is shared, never copied
        other = type(self)(**(self.get_params(deep=False) | {"api_key": self.api_key}))
        # what set_fit_request() asked for, so that a search inside a cross-validation passes groups on
        other.__dict__.update((name, value) for name, value in vars(self).items() if name == "_metadata_request")
        return other

    def __copy__(self) -> Self:
        return copy.deepcopy(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        memo |= {id(shared): shared for shared in (self.embedder, self._opened, self._lock)}
        other = type(self).__new__(type(self))
        other.__setstate__(copy.deepcopy(self.__dict__, memo))
        return other

    def __getstate__(self) -> dict[str, Any]:
        # what goes to another process or into a file opens its model there, and finds the key in the environment
        return vars(self) | {"_opened": None, "_lock": None, "api_key": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.RLock())

    def fit(self, X: Any = None, y: Any = None) -> "TextEmbedder":
        """Load the model; there is nothing to learn.

        Parameters
        ----------
        X, y : any
            Not looked at.

        Returns
        -------
        TextEmbedder
            Itself.
        """
        self._open()
        return self

    def transform(self, X: str | Sequence[str]) -> np.ndarray:
        """Embed texts.

        Parameters
        ----------
        X : sequence of str, length n, or str
            The texts, or one.

        Returns
        -------
        ndarray of float32, shape (n, dim)
            Rows of length 1.

        Raises
        ------
        ValueError
            If ``embedding_dim`` is no whole number from 1 to the model's own dimensions.
        """
        texts = [X] if isinstance(X, str) else X
        return self._open().encode(texts, instruction=self.instruction, truncate_dim=self.embedding_dim)

    def _open(self) -> Embedder:
        parameters = (self.embedder, self.embedding_dim, self.cache_dir, self.api_key)
        opened = self._opened
        if opened is None or opened[0] != parameters:
            with self._lock:  # of several threads one loads the model
                opened = self._opened
                if opened is None or opened[0] != parameters:
                    opened = self._opened = (parameters, self._load())
        return opened[1]

    def _load(self) -> Embedder:
        embedder = self._find()
        dim, card = self.embedding_dim, embedder.card
        # how many there are is not asked needlessly: an endpoint would have to answer
        if dim is not None and dim < embedder.embedding_dim and not card.matryoshka_dims:
            logger.warning("%s was not trained for fewer dimensions; its first %d are used.", card.name, dim)
        return embedder

    def _find(self) -> Embedder:
        if isinstance(self.embedder, Embedder):
            if self.cache_dir is not None or self.api_key is not None:
                raise ValueError("cache_dir and api_key go with the name of a model; an Embedder has its own.")
            return self.embedder
        cache = EmbeddingCache(None if self.cache_dir is None else Path(self.cache_dir) / "vectors.sqlite")
        if self.api_key is None:
            return load_embedder(self.embedder, cache=cache)
        endpoint, _, model = str(self.embedder).partition(":")
        if not model:
            raise ValueError(f"api_key is for a model behind an endpoint ('openai:…'), not {self.embedder!r}.")
        return RemoteEmbedder(endpoint, model, api_key=self.api_key, cache=cache)
