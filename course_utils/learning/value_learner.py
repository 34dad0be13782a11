"""Learn from scored texts what somebody likes, and score other texts: ridge regression on embeddings.

:class:`TextEmbedder` turns texts into vectors inside scikit-learn's pipelines and searches; on top of it
:class:`EmbeddingValueLearner` collects examples, learns, predicts with intervals, ranks, explains, goes on learning
example by example, and can be saved. It assumes that the score is a linear function of the vector, which lesson 4
puts to the test against simpler guesses and against people.
"""

import json
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.exceptions import NotFittedError

from course_utils.data import TensorFileError, read_tensors, write_tensors
from course_utils.embedding import (
    DEFAULT_MODEL,
    Embedder,
    EmbeddingCache,
    ModelUnavailableError,
    UnknownModelError,
    load_embedder,
)

logger = logging.getLogger(__name__)

#: What leave-one-out chooses from when no alpha is given: from hardly any shrinking to nearly all.
ALPHAS = tuple(10.0 ** np.arange(-3, 3.5, 0.5))

_FORMAT, _VERSION = "text-embeddings-course value learner", 1


@dataclass(frozen=True)
class RankingExample:
    """A text with the score that somebody gave it; ``metadata`` is anything that JSON can hold, and is only kept."""

    text: str
    score: float
    metadata: dict | None = None


@dataclass(frozen=True)
class Explanation:
    """What moves the score of one text, strongest first.

    Attributes
    ----------
    score : the predicted score.
    examples : DataFrame with ``text``, ``score`` and ``effect``: how much lower the prediction would be without this
        training example, alpha kept.
    words : DataFrame with ``word``, ``position`` (from 0) and ``effect``: how much lower the prediction is for the text
        without this word.
    """

    score: float
    examples: pd.DataFrame
    words: pd.DataFrame


class _Secret(str):
    """A key that no listing of parameters shows."""

    def __repr__(self) -> str:
        return "'…'"


class TextEmbedder(TransformerMixin, BaseEstimator):
    """Texts in, unit vectors out, as a scikit-learn transformer: for ``make_pipeline(TextEmbedder(), Ridge())``.

    Parameters
    ----------
    embedder : an :class:`~course_utils.embedding.Embedder`, or a name for
        :func:`~course_utils.embedding.load_embedder`, which is then loaded at first use. Clones share it.
    instruction : a task in words, put into the model's own template.
    embedding_dim : keep only the first so many dimensions (Matryoshka); None for all. A warning is logged for a model
        that was not trained to be cut.
    cache_dir : folder for the vectors, with a name only; None for the course's own.
    api_key : key of an endpoint, with a name such as ``"openai:text-embedding-3-small"`` only. None reads the
        endpoint's environment variable, a safer place than a notebook. It is never saved or shown.
    """

    def __init__(
        self,
        embedder: str | Embedder = DEFAULT_MODEL,
        *,
        instruction: str | None = None,
        embedding_dim: int | None = None,
        cache_dir: str | Path | None = None,
        api_key: str | None = None,
    ):
        self.embedder, self.instruction, self.embedding_dim = embedder, instruction, embedding_dim
        self.cache_dir, self.api_key = cache_dir, None if api_key is None else _Secret(api_key)
        self._opened: tuple | None = None  # the parameters that were used, and the embedder they gave

    def __sklearn_clone__(self):
        return type(self)(**self.get_params(deep=False))  # a model of many megabytes is shared, never copied

    def fit(self, X=None, y=None):
        """Load the model; there is nothing to learn."""
        self._open()
        return self

    def transform(self, X: Sequence[str]) -> np.ndarray:
        """Embed n texts: float32 array of shape (n, dim), rows of length 1."""
        texts = [X] if isinstance(X, str) else X
        return self._open().encode(texts, instruction=self.instruction, truncate_dim=self.embedding_dim)

    def _open(self) -> Embedder:
        wanted = (self.embedder, self.embedding_dim, self.cache_dir, self.api_key)
        if self._opened is None or self._opened[0] != wanted:
            self._opened = (wanted, self._load())
        return self._opened[1]

    def _load(self) -> Embedder:
        if isinstance(self.embedder, Embedder):
            if self.cache_dir is not None or self.api_key is not None:
                raise ValueError("cache_dir and api_key go with the name of a model; an Embedder has its own.")
            embedder = self.embedder
        else:
            cache = EmbeddingCache(Path(self.cache_dir) / "vectors.sqlite") if self.cache_dir is not None else True
            if self.api_key is None:
                embedder = load_embedder(self.embedder, cache=cache)
            else:
                from course_utils.embedding import RemoteEmbedder

                endpoint, _, model = str(self.embedder).partition(":")
                if not model:
                    raise ValueError(f"api_key is for a model behind an endpoint ('openai:…'), not {self.embedder!r}.")
                embedder = RemoteEmbedder(endpoint, model, api_key=self.api_key, cache=cache)
        if self.embedding_dim is None:  # how many there are is not asked needlessly: an endpoint would have to answer
            return embedder
        dim, most, card = self.embedding_dim, embedder.embedding_dim, embedder.card
        if isinstance(dim, bool) or not isinstance(dim, (int, np.integer)) or not 1 <= dim <= most:
            raise ValueError(f"embedding_dim={dim!r} must be a whole number from 1 to {most}, the size of {card.name}.")
        if dim < most and not (card.matryoshka_dims or card.matryoshka_min):
            logger.warning("%s was not trained for fewer dimensions; its first %d are used.", card.name, dim)
        return embedder


class EmbeddingValueLearner(RegressorMixin, TextEmbedder):
    """Learn scores of texts by ridge regression on their vectors. Also a scikit-learn regressor on lists of texts.

    To learn from more than the vector, override :meth:`transform` in a subclass and append your columns to what
    ``super().transform(X)`` gives; the vectors' columns have a standard deviation of about 1/√dim, and so should yours.

    Parameters
    ----------
    embedder, instruction, embedding_dim, cache_dir, api_key : see :class:`TextEmbedder`.
    ridge_alpha : how strongly weights are held back, above 0. None: the one of :data:`ALPHAS` with the smallest mean
        squared error by leave-one-out.

    Attributes
    ----------
    alpha_ : the alpha in use.
    coef_, intercept_ : float64 array of shape (dim,), and a number: score = vector @ coef_ + intercept_.
    loo_errors_ : sizes of the leave-one-out errors of the last training, smallest first: float64 of shape (n,).
    n_samples_ : how many of the examples are in the model; those added later wait for the next training.
    intervals_stale_ : whether examples came by :meth:`partial_fit` since ``loo_errors_`` were computed.

    Notes
    -----
    A text may occur with several scores (people disagree): each is an example, and the model goes between them; such
    copies are never on two sides of a split. Texts must not be empty and scores must be finite numbers; otherwise
    nothing of that call is added. Examples stay when training fails.
    """

    def __init__(
        self,
        embedder: str | Embedder = DEFAULT_MODEL,
        *,
        instruction: str | None = None,
        embedding_dim: int | None = None,
        ridge_alpha: float | None = None,
        cache_dir: str | Path | None = None,
        api_key: str | None = None,
    ):
        super().__init__(
            embedder, instruction=instruction, embedding_dim=embedding_dim, cache_dir=cache_dir, api_key=api_key
        )
        self.ridge_alpha = ridge_alpha
        self._examples: list[RankingExample] = []

    # --- examples -------------------------------------------------------------------------------------------------

    @property
    def training_texts(self) -> list[str]:
        """The texts of all examples, in the order in which they came."""
        return [example.text for example in self._examples]

    @property
    def training_scores(self) -> np.ndarray:
        """Their scores: float64 array of shape (n,)."""
        return np.array([example.score for example in self._examples], dtype=np.float64)

    @property
    def embedding_cache(self) -> EmbeddingCache | None:
        """The vectors on disk, which all notebooks share unless ``cache_dir`` was given; ``.clear()`` empties it."""
        return self._open().cache

    def add_training_example(self, text: str, score: float, metadata: dict | None = None) -> None:
        """Add one example; the model learns it at the next training."""
        self._examples.append(_checked_example(text, score, metadata))

    def add_training_examples(
        self,
        examples: Iterable[RankingExample] | pd.DataFrame | str | Path,
        *,
        text_column: str = "text",
        score_column: str = "score",
    ) -> int:
        """Add a list of examples, the rows of a DataFrame, or a CSV file in UTF-8; return how many. All or none.

        Raises
        ------
        TypeError, ValueError
            If an example is not usable; the message says which one.
        """
        if isinstance(examples, (str, Path)):
            from course_utils.data import read_texts

            frame = read_texts(examples, text_column=text_column, label_column=score_column)
            examples, text_column, score_column = frame, "text", "label"
        if isinstance(examples, pd.DataFrame):
            missing = [name for name in (text_column, score_column) if name not in examples]
            if missing:
                raise ValueError(f"The table lacks the column {missing[0]!r}; it has {list(examples.columns)}.")
            rows = zip(examples[text_column], examples[score_column], [None] * len(examples), strict=True)
        else:
            examples = list(examples)
            strange = [type(example).__name__ for example in examples if not isinstance(example, RankingExample)]
            if strange:
                raise TypeError(f"examples must be a list of RankingExample, a table or a path; found {strange[0]}.")
            rows = ((example.text, example.score, example.metadata) for example in examples)
        new = [_checked_example(*row, where=f"examples[{i}]: ") for i, row in enumerate(rows)]
        self._examples += new
        return len(new)

    # --- learning -------------------------------------------------------------------------------------------------

    def train(
        self, validation_split: float = 0.2, cv_folds: int = 5, groups: Sequence | None = None, *, random_state: int = 0
    ) -> dict[str, float]:
        """Measure how well the examples can be learned, then learn all of them.

        Parameters
        ----------
        validation_split : share of the groups to hold out for the validation values; 0 for none.
        cv_folds : number of cross-validation folds, 2 or more; 0 for none.
        groups : n values; examples with the same value (sentences of one review) are never on two sides of a split.
            None: each text is a group of its own.

        Returns
        -------
        Mean squared errors ``train_mse``, ``val_mse``, ``cv_mse_mean`` and ``cv_mse_std`` (of the folds, in squared
        units of the score), ``train_r2`` and ``val_r2``, the rank correlation ``val_spearman``, and ``mean_val_mse``:
        what guessing the mean of the training part gets. All are of a model that saw the training part only, alpha
        included; NaN where not asked for or not defined. ``alpha`` is that of the final model, ``alpha_``.

        Raises
        ------
        ValueError
            With fewer than two examples, scores that are all equal, or fewer groups than folds.
        """
        from sklearn.metrics import r2_score
        from sklearn.model_selection import GroupKFold, GroupShuffleSplit

        X, y = self._checked_training()
        groups = self._checked_groups(groups, max(cv_folds, 2 if validation_split else 0))
        names = "train_mse train_r2 val_mse val_r2 val_spearman mean_val_mse cv_mse_mean cv_mse_std"
        result = dict.fromkeys(names.split(), math.nan)
        if validation_split:
            splitter = GroupShuffleSplit(1, test_size=validation_split, random_state=random_state)
            train, held = next(splitter.split(X, y, groups))
            ridge = self._ridge(X[train], y[train])
            for name, part in (("train", train), ("val", held)):
                result[f"{name}_mse"] = _mse(y[part], ridge.predict(X[part]))
                result[f"{name}_r2"] = r2_score(y[part], ridge.predict(X[part])) if len(part) > 1 else math.nan
            result["val_spearman"] = _spearman(y[held], ridge.predict(X[held]))
            result["mean_val_mse"] = _mse(y[held], y[train].mean())
        if cv_folds:
            folds = GroupKFold(cv_folds, shuffle=True, random_state=random_state).split(X, y, groups)
            errors = [_mse(y[held], self._ridge(X[train], y[train]).predict(X[held])) for train, held in folds]
            result["cv_mse_mean"], result["cv_mse_std"] = float(np.mean(errors)), float(np.std(errors))
        self._learn(X, y)
        logger.debug("trained on %d examples: %s", len(y), result)
        return {name: float(value) for name, value in result.items()} | {"alpha": self.alpha_}

    def fit(self, X: Sequence[str], y: Sequence[float]):
        """Learn these texts and scores in place of all examples so far; as scikit-learn's estimators do it."""
        X, y = list(X), list(y)
        if len(X) != len(y):
            raise ValueError(f"There are {len(X)} texts and {len(y)} scores.")
        before, self._examples = self._examples, []
        try:
            self.add_training_examples(list(map(RankingExample, X, y)))
            self._learn(*self._checked_training())
        except Exception:
            self._examples = before
            raise
        return self

    def optimize_hyperparameters(
        self,
        alpha_range: Sequence[float] = (0.01, 0.1, 1, 10, 100),
        cv_folds: int = 5,
        groups: Sequence | None = None,
        *,
        random_state: int = 0,
    ) -> dict:
        """Choose alpha by cross-validation, set ``ridge_alpha`` to the best and learn all examples with it.

        Returns
        -------
        ``best_alpha``, ``best_mse`` (mean over the folds) and ``results``, alpha to mean squared error. A warning is
        logged when the best is the first or last of ``alpha_range``: then the true best may lie outside.
        """
        from sklearn.linear_model import Ridge
        from sklearn.model_selection import GridSearchCV, GroupKFold

        alphas = sorted({_checked_alpha(alpha, "alpha_range") for alpha in alpha_range})
        if not alphas:
            raise ValueError("alpha_range is empty.")
        X, y = self._checked_training()
        groups = self._checked_groups(groups, cv_folds)
        folds = GroupKFold(cv_folds, shuffle=True, random_state=random_state)
        search = GridSearchCV(Ridge(), {"alpha": alphas}, scoring="neg_mean_squared_error", cv=folds, refit=False)
        search.fit(X, y, groups=groups)
        results = dict(zip(alphas, (-search.cv_results_["mean_test_score"]).tolist(), strict=True))
        best = search.best_params_["alpha"]
        _warn_at_edge(best, alphas)
        self.ridge_alpha = best
        self._learn(X, y)
        return {"best_alpha": best, "best_mse": results[best], "results": results}

    def partial_fit(self, texts: str | Sequence[str], scores: float | Sequence[float]):
        """Learn more examples exactly, at the alpha in use: the model is what batch training on all would give.

        One example costs a rank-one update of a (dim, dim) matrix, however many were seen before, after those that
        :meth:`add_training_example` left waiting. The intervals keep the width of the last training.

        Raises
        ------
        NotFittedError
            If there is no alpha yet: train first, or give ``ridge_alpha``.

        References
        ----------
        Sherman and Morrison (1950) for the inverse; Welford (1962) for means and centred sums.
        """
        texts, scores = ([texts], [scores]) if isinstance(texts, str) else (list(texts), list(scores))
        if len(texts) != len(scores):
            raise ValueError(f"There are {len(texts)} texts and {len(scores)} scores.")
        if not hasattr(self, "alpha_") and self.ridge_alpha is None:
            raise NotFittedError("partial_fit keeps alpha, and there is none yet: call train(), or give ridge_alpha=.")
        pairs = enumerate(zip(texts, scores, strict=True))
        new = [_checked_example(text, score, where=f"texts[{i}]: ") for i, (text, score) in pairs]
        waiting = self._examples[getattr(self, "n_samples_", 0) :] + new
        if not waiting:
            return self
        rows = self._features([example.text for example in waiting])
        if not hasattr(self, "alpha_"):
            self._start(rows.shape[1], _checked_alpha(self.ridge_alpha, "ridge_alpha"))
        self._check_columns(rows)
        for row, example in zip(rows, waiting, strict=True):
            self._update(row, example.score)
        self._examples += new
        self.intervals_stale_ = True
        logger.debug("%d examples learned one by one, %d in all", len(waiting), self.n_samples_)
        return self

    def _start(self, dim: int, alpha: float) -> None:
        self.alpha_, self.n_samples_ = alpha, 0
        self._mean, self._score_mean, self._moment = np.zeros(dim), 0.0, np.zeros(dim)
        self._inverse = np.eye(dim) / alpha
        self.loo_errors_ = np.empty(0)

    def _update(self, row: np.ndarray, score: float) -> None:
        n = self.n_samples_
        off, score_off = row - self._mean, score - self._score_mean
        share = n / (n + 1)  # what a new point adds to sums around a mean that it moves as well
        direction = self._inverse @ off
        self._inverse -= np.outer(direction, direction) * (share / (1 + share * (off @ direction)))
        self._moment += share * score_off * off
        self._mean += off / (n + 1)
        self._score_mean += score_off / (n + 1)
        self.n_samples_ = n + 1
        self.coef_ = self._inverse @ self._moment
        self.intercept_ = float(self._score_mean - self._mean @ self.coef_)

    def _learn(self, X: np.ndarray, y: np.ndarray) -> None:
        """Set everything that is learned, from all examples at once."""
        ridge = self._ridge(X, y)
        if self.ridge_alpha is None:
            _warn_at_edge(ridge.alpha_, ALPHAS)
        self.alpha_, self.n_samples_ = float(ridge.alpha_), len(y)
        self._mean, self._score_mean = X.mean(axis=0), float(y.mean())
        centred = X - self._mean
        self._moment = centred.T @ (y - self._score_mean)
        self._inverse = np.linalg.inv(centred.T @ centred + self.alpha_ * np.eye(X.shape[1]))
        self.coef_, self.intercept_ = ridge.coef_, float(ridge.intercept_)
        column = list(ridge.alphas).index(ridge.alpha_)
        self.loo_errors_ = np.sort(np.sqrt(ridge.cv_results_[:, column]))
        self.intervals_stale_ = False

    def _ridge(self, X: np.ndarray, y: np.ndarray):
        """A fitted ``RidgeCV``; its ``cv_results_`` are squared leave-one-out errors, one column an alpha."""
        from sklearn.linear_model import RidgeCV

        if len(y) < 2:
            raise ValueError(f"A model or fold would have {len(y)} example to learn from; it takes two or more.")
        alphas = ALPHAS if self.ridge_alpha is None else [_checked_alpha(self.ridge_alpha, "ridge_alpha")]
        return RidgeCV(alphas, store_cv_results=True, gcv_mode="svd").fit(X, y)

    def _checked_training(self) -> tuple[np.ndarray, np.ndarray]:
        scores = self.training_scores
        if len(scores) < 2:
            raise ValueError(
                f"There is {'one example' if len(scores) else 'no example'} to learn from; add at least two, better 50."
            )
        if np.ptp(scores) == 0:
            raise ValueError(f"All {len(scores)} scores are {scores[0]:g}: there is nothing to tell apart. Add others.")
        return self._features(self.training_texts), scores

    def _checked_groups(self, groups, at_least: int) -> np.ndarray:
        groups = self.training_texts if groups is None else list(groups)
        if len(groups) != len(self._examples):
            raise ValueError(f"groups must have one value for each of the {len(self._examples)} examples.")
        # as numbers: an array of strings takes the room of its longest text for each of them
        numbers, distinct = pd.factorize(pd.Series(groups, dtype=object), use_na_sentinel=False)
        if len(distinct) < at_least:
            raise ValueError(
                f"{at_least} parts cannot be made of {len(distinct)} different groups (or texts). Add examples, or "
                "give a smaller cv_folds."
            )
        return numbers

    def _features(self, texts: Sequence[str]) -> np.ndarray:
        """What ridge sees, in float64; checked, because :meth:`transform` may be somebody else's."""
        X = np.asarray(self.transform(texts), dtype=np.float64)
        if not np.isfinite(X).all():
            raise ValueError("transform() gives NaN or infinite values.")
        return X

    def _check_columns(self, X: np.ndarray) -> None:
        if X.shape[1] != len(self._mean):
            raise ValueError(
                f"transform() gives {X.shape[1]} columns, and the model learned from {len(self._mean)}. Put "
                "embedding_dim and extra columns back as they were, or train() again."
            )

    # --- predicting -----------------------------------------------------------------------------------------------

    def predict(self, X: str | Sequence[str], *, return_interval: bool = False, confidence: float = 0.9):
        """Score texts, in the units of the training scores.

        Parameters
        ----------
        X : n texts, or one. An empty text has the vector that the model gives for "no text"; it is logged.
        return_interval : give an interval for each score as well.
        confidence : share of new texts, above 0 and below 1, whose score shall lie in its interval.

        Returns
        -------
        float64 array of shape (n,), or a float for one text; with ``return_interval`` the pair of that and of the
        limits, shape (n, 2) or (2,). All intervals have the same width, because it comes from all leave-one-out errors
        together: the coverage holds on average over texts like those learned from, not for each kind of text. Too few
        examples for the confidence (fewer than 9 for 0.9) give infinite limits.

        References
        ----------
        The jackknife of Barber, Candès, Ramdas and Tibshirani, Predictive inference with the jackknife+ (2021),
        section 1.1, with the correction for n of conformal prediction; it holds for methods as stable as ridge.
        """
        self._check_trained()
        rows = self._features([X] if isinstance(X, str) else X)
        self._check_columns(rows)
        scores = rows @ self.coef_ + self.intercept_
        if return_interval:
            width = self._half_width(confidence)
            limits = np.column_stack([scores - width, scores + width])
            return (float(scores[0]), limits[0]) if isinstance(X, str) else (scores, limits)
        return float(scores[0]) if isinstance(X, str) else scores

    def _half_width(self, confidence: float) -> float:
        if not 0 < confidence < 1:
            raise ValueError(f"confidence={confidence!r} must lie between 0 and 1.")
        if not len(self.loo_errors_):
            raise ValueError("There are no leave-one-out errors yet to make intervals from: call train().")
        if self.intervals_stale_:
            logger.warning("The intervals know nothing of the examples since the last training; train() renews them.")
        position = math.ceil((len(self.loo_errors_) + 1) * confidence)
        return math.inf if position > len(self.loo_errors_) else float(self.loo_errors_[position - 1])

    def rank_texts(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        """Sort texts by predicted score, best first, as pairs of text and score.

        Repeated texts are kept, and get exactly the same score; those of equal score keep their order. A progress bar
        shows for more than 256 texts that are not in the cache.
        """
        texts = list(texts)
        distinct = list(dict.fromkeys(texts))
        score = dict(zip(distinct, self.predict(distinct).tolist(), strict=True)) if texts else {}
        return sorted(((text, score[text]) for text in texts), key=lambda pair: -pair[1])

    def explain(self, text: str, k: int = 5) -> Explanation:
        """Name the ``k`` training examples and the ``k`` words of the text that move its score most.

        Both are found by leaving out: one example from the training (exact, in closed form), one word from the text
        (which is embedded again, once for each word). Effects do not add up to the score: words work together.
        """
        self._check_trained()
        examples = self._examples[: self.n_samples_]
        score = self.predict(text)
        rows = self._features([example.text for example in examples])
        scores = np.array([example.score for example in examples])
        centred, new = rows - self._mean, self._features([text])[0]
        leverage = 1 / len(scores) + np.sum((centred @ self._inverse) * centred, axis=1)
        pull = 1 / len(scores) + centred @ (self._inverse @ (new - self._mean))
        effect = pull * (scores - rows @ self.coef_ - self.intercept_) / np.maximum(1 - leverage, 1e-12)
        words = text.split()
        shorter = [" ".join(words[:i] + words[i + 1 :]) for i in range(len(words))] if len(words) > 1 else []
        without = self.predict(shorter) if shorter else np.empty(0)
        named = pd.DataFrame({"text": [e.text for e in examples], "score": scores, "effect": effect})
        places = range(len(shorter))
        worded = pd.DataFrame({"word": [words[i] for i in places], "position": places, "effect": score - without})
        return Explanation(score, _strongest(named, "effect", k), _strongest(worded, "effect", k))

    def feature_importance(self, k: int = 10) -> pd.DataFrame:
        """List the ``k`` dimensions with the largest weights: a DataFrame with ``dimension`` and ``weight``.

        Caveat: a single dimension has no meaning. Rotating all vectors changes no prediction and makes other dimensions
        "important", as lesson 4 shows; :meth:`explain` answers the question that is usually meant.
        """
        self._check_trained()
        weights = pd.DataFrame({"dimension": range(len(self.coef_)), "weight": self.coef_})
        return _strongest(weights, "weight", k)

    def _check_trained(self) -> None:
        if not hasattr(self, "coef_"):
            raise NotFittedError("This learner has learned nothing yet: add examples and call train().")

    # --- keeping --------------------------------------------------------------------------------------------------

    def save_model(self, path: str | Path) -> Path:
        """Write all that was learned, with the examples, to one ``….safetensors`` file, in one step.

        The encoder itself is not in it, only its name and fingerprint; nor is the API key.

        Raises
        ------
        OSError
            If the file cannot be written; an older one is then still there.
        TypeError
            If an example's metadata is nothing that JSON can hold.
        """
        self._check_trained()
        path = Path(path).expanduser()
        if path.suffix != ".safetensors":
            raise ValueError(f"path={path.name!r} needs a name that ends in .safetensors.")
        embedder = self._open()
        name = embedder.card.name if isinstance(self.embedder, Embedder) else str(self.embedder)
        examples = json.dumps([[example.text, example.score, example.metadata] for example in self._examples])
        about = {
            "format": _FORMAT,
            "version": _VERSION,
            # where a folder lies on this machine is nobody's business
            "embedder": Path(name).name if Path(name).exists() else name,
            "fingerprint": embedder.fingerprint,
            "parameters": {k: getattr(self, k) for k in ("instruction", "embedding_dim", "ridge_alpha")},
            "learned": {k: getattr(self, k) for k in _NUMBERS},
        }
        # The header of the format has a limit that texts could reach.
        tensors = {"examples": np.frombuffer(examples.encode(), dtype=np.uint8)}
        write_tensors(path, tensors | {name: getattr(self, name) for name in _ARRAYS}, about)
        return path

    @classmethod
    def load_model(
        cls, path: str | Path, *, embedder: str | Embedder | None = None, cache_dir=None, api_key: str | None = None
    ):
        """Read what :meth:`save_model` wrote; predicting, explaining and updating go on where they were.

        Parameters
        ----------
        embedder : the encoder, where the saved name does not load here (a folder, a file of vectors). None: that name.
        cache_dir, api_key : as in the constructor; they are not saved.

        Raises
        ------
        TensorFileError
            If the file is not such a model, not the whole of it, or of a newer version of the course; or if the encoder
            is another one than the model was trained with.
        """
        path = Path(path).expanduser()
        tensors, about = read_tensors(path)
        if about.get("format") != _FORMAT:
            raise TensorFileError(f"{path.name!r} is not a saved value learner.")
        if about["version"] > _VERSION:
            raise TensorFileError(f"{path.name!r} was written by a newer version of the course. Update the course.")
        learner = cls(embedder or about["embedder"], cache_dir=cache_dir, api_key=api_key, **about["parameters"])
        try:
            opened = learner._open()
        except (UnknownModelError, ModelUnavailableError) as error:
            raise TensorFileError(
                f"{path.name!r} was trained with the encoder {about['embedder']!r}, which does not load here. Give "
                f"embedder=, for example the path of its folder. ({error})"
            ) from error
        if opened.fingerprint != about["fingerprint"]:
            raise TensorFileError(
                f"{path.name!r} was trained with another encoder ({about['embedder']}) than {opened.card.name} as it "
                "is here: the same name can stand for other weights. Give the right one as embedder=, or train again."
            )
        learner._examples = [RankingExample(*example) for example in json.loads(tensors.pop("examples").tobytes())]
        for name, value in (about["learned"] | tensors).items():
            setattr(learner, name, value)
        return learner


# what a model consists of, besides its examples
_NUMBERS = ("alpha_", "n_samples_", "intercept_", "intervals_stale_", "_score_mean")
_ARRAYS = ("coef_", "loo_errors_", "_mean", "_moment", "_inverse")


def predict_ensemble(
    learners: Sequence, texts: Sequence[str], weights: Sequence[float] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Average the predictions of several trained models of the same scores, and say how far they are apart.

    Parameters
    ----------
    learners : anything with ``predict(texts)``: learners, or scikit-learn pipelines.
    weights : one number a learner, not negative; None for equal ones.

    Returns
    -------
    Weighted mean and weighted standard deviation over the learners, float64 arrays of shape (n,). The spread shows
    where models disagree; it is no interval, because they may be wrong together.
    """
    weights = np.ones(len(learners)) if weights is None else np.asarray(weights, dtype=np.float64)
    if weights.shape != (len(learners),) or not np.isfinite(weights).all() or (weights < 0).any() or not weights.sum():
        raise ValueError(f"weights must be {len(learners)} numbers from 0 up, not all 0.")
    predictions = np.array([learner.predict(texts) for learner in learners])
    mean = np.average(predictions, axis=0, weights=weights)
    return mean, np.sqrt(np.average((predictions - mean) ** 2, axis=0, weights=weights))


def _checked_example(text, score, metadata=None, where: str = "") -> RankingExample:
    if not isinstance(text, str):
        raise TypeError(f"{where}text is a {type(text).__name__} and not a string.")
    if not text.strip():
        raise ValueError(f"{where}text is empty.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{where}text holds half a character at position {error.start} (a lone surrogate).") from None
    if isinstance(score, (bool, np.bool)) or not isinstance(score, Real):
        raise TypeError(f"{where}score is a {type(score).__name__} and not a number (for yes and no, give 1 and 0).")
    if not math.isfinite(score):
        raise ValueError(f"{where}score={score!r} is not finite. Leave examples without a score out.")
    return RankingExample(text, float(score), metadata)


def _checked_alpha(alpha, name: str) -> float:
    if isinstance(alpha, bool) or not isinstance(alpha, Real) or not 0 < alpha < math.inf:
        raise ValueError(f"{name}: {alpha!r} must be a number above 0.")
    return float(alpha)


def _warn_at_edge(best: float, alphas: Sequence[float]) -> None:
    if len(alphas) > 1 and best in (min(alphas), max(alphas)):
        logger.warning(
            "The best alpha, %g, is at the edge of those tried (%g to %g); the true best may lie beyond.",
            best,
            min(alphas),
            max(alphas),
        )


def _strongest(frame: pd.DataFrame, column: str, k: int) -> pd.DataFrame:
    return frame.iloc[np.argsort(-frame[column].abs().to_numpy(), kind="stable")[:k]].reset_index(drop=True)


def _mse(scores: np.ndarray, predicted) -> float:
    return float(np.mean((scores - predicted) ** 2))


def _spearman(scores: np.ndarray, predicted: np.ndarray) -> float:
    from scipy.stats import spearmanr

    if min(np.ptp(scores), np.ptp(predicted)) == 0:  # no order to compare; scipy would warn
        return math.nan
    return float(spearmanr(scores, predicted).statistic)
