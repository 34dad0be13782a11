"""Learn from scored texts what somebody likes, and score other texts: ridge regression on embeddings.

:class:`EmbeddingValueLearner` collects examples, learns, predicts with intervals, ranks, explains, goes on learning
example by example, and can be saved. It assumes that the score is a linear function of the vector, which lesson 4
puts to the test against simpler guesses and against people.
"""

import copy
import json
import logging
import math
import string
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from sklearn.base import RegressorMixin
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, GroupShuffleSplit

from course_utils.data import TensorFileError, joined_groups, read_tensors, write_tensors
from course_utils.embedding import Embedder, EmbeddingCache, ModelUnavailableError, UnknownModelError
from course_utils.learning import measures, ridge
from course_utils.learning.measures import Measures
from course_utils.learning.scored_examples import RankingExample, ScoredExamples, checked, ends, paired
from course_utils.learning.text_embedder import alone
from course_utils.measuring import intervals

logger = logging.getLogger(__name__)

_FORMAT, _VERSION = "text-embeddings-course value learner", 2
_SAVED = ("instruction", "embedding_dim", "ridge_alpha", "score_range")
_MARKS = string.punctuation + " ”’»。、؟।"
# attributes of the model that are the learner's as well
_LEARNED = ("alpha_", "coef_", "intercept_", "loo_errors_", "n_samples_", "n_groups_", "intervals_stale_")


class Explanation(NamedTuple):
    """What moves the score of one text, strongest first.

    Attributes
    ----------
    score : float
        The predicted score.
    examples : DataFrame
        ``text``, ``score`` and ``effect``: how much lower the prediction would be without this training example, alpha
        kept.
    words : DataFrame
        ``word``, ``position`` (from 0) and ``effect``: how much lower the prediction is for the text without this word.

    Examples
    --------
    >>> from course_utils.learning import EmbeddingValueLearner
    >>> learner = EmbeddingValueLearner(ridge_alpha=1).fit(["a walk", "a queue", "a canoe"], [9, 1, 10])
    >>> learner.explain("a walk by the river").examples.columns.tolist()
    ['text', 'score', 'effect']
    """

    score: float
    examples: pd.DataFrame
    words: pd.DataFrame


@dataclass(eq=False, repr=False, kw_only=True)
class EmbeddingValueLearner(RegressorMixin, ScoredExamples):
    """Learn scores of texts by ridge regression on their vectors. Also a scikit-learn regressor on lists of texts.

    To learn from more than the vector, override :meth:`transform` in a subclass and append your columns to what
    ``super().transform(X)`` gives; the vectors' columns have a standard deviation of about 1/√dim, and so should yours.

    Parameters
    ----------
    embedder, instruction, embedding_dim, cache_dir, api_key
        See :class:`TextEmbedder`.
    ridge_alpha : float, optional
        How strongly weights are held back, above 0. Default: the one of :data:`ALPHAS` with the smallest mean squared
        error on groups left out one after the other, each group counting once.
    score_range : (float, float), optional
        The ends of the scale: predictions and the limits of intervals are moved onto it, ranks and explanations are
        made before. A score outside is refused. Default: no ends.

    Attributes
    ----------
    training_examples : list of RankingExample
        All examples, in the order in which they came.
    model_ : RidgeModel
        All that was learned; the attributes below are parts of it.
    alpha_ : float
        The alpha in use.
    coef_, intercept_ : ndarray of float64, shape (dim,), and float
        score = vector @ coef_ + intercept_.
    loo_errors_ : ndarray of float64, shape (n,)
        Sizes of the errors of the last training, each by a model that left the example's group out; smallest first.
    n_samples_ : int
        How many of the examples are in the model; those added later wait for the next training.
    n_groups_ : int
        How many groups the last training saw.
    intervals_stale_ : bool
        Whether examples came by :meth:`partial_fit` since ``loo_errors_`` were computed.

    Notes
    -----
    Examples of one group, as :class:`RankingExample`, :meth:`train` or :meth:`fit` were told, are never on two sides:
    of a split, of what chooses alpha, of what makes intervals. Copies of a text are always of one group: the same text
    but for case, blanks and marks at the end, or the same vector. So a text may occur with several scores (people
    disagree): each is an example, and the model goes between them. Texts must not be empty and scores must be finite
    numbers; otherwise nothing of that call is added. Examples stay when training fails.

    Examples
    --------
    >>> from course_utils.learning import EmbeddingValueLearner
    >>> learner = EmbeddingValueLearner(ridge_alpha=0.1).fit(
    ...     ["a canoe on a quiet river", "a queue at the shopping centre"], [10, 1]
    ... )
    >>> [text for text, score in learner.rank_texts(["wait at the counter", "paddle across the lake"])]
    ['paddle across the lake', 'wait at the counter']
    """

    ridge_alpha: float | None = None
    # an alpha that was found, and what it was chosen from: where it is measured it has to be chosen again
    _searched: dict[float | None, Sequence[float]] = field(default_factory=dict, init=False)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_LEARNED]

    def __getattr__(self, name: str) -> Any:
        if name in _LEARNED:
            return getattr(self.model_, name)
        if name == "model_":
            raise NotFittedError("This learner has learned nothing yet: add examples and call train().")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    @property
    def embedding_cache(self) -> EmbeddingCache | None:
        """The vectors on disk, which all notebooks share unless ``cache_dir`` was given; ``.clear()`` empties it."""
        return self._open().cache

    # --- learning -------------------------------------------------------------------------------------------------

    @alone
    def train(
        self, validation_split: float = 0.2, cv_folds: int = 5, groups: Sequence | None = None, *, random_state: int = 0
    ) -> Measures:
        """Measure how well the examples can be learned, then learn all of them.

        Parameters
        ----------
        validation_split : float, default 0.2
            Share of the groups to hold out for the validation values, below 1; 0 for none.
        cv_folds : int, default 5
            Number of cross-validation folds, 2 or more; 0 for none.
        groups : sequence of length n, optional
            What each example belongs to (the review of a sentence), in place of the groups that the examples have; kept
            with them. Default: those. Copies of a text are of one group in any case.
        random_state : int, default 0
            Seed of the splits.

        Returns
        -------
        Measures
            A dict of floats that prints as sentences: how far off it is on the folds (without folds, on the part held
            out), against guessing the mean, with the interval of the difference (``gain``), and whether anything was
            learned (``learned``). By name: mean squared errors ``train_mse``, ``val_mse``, ``cv_mse_mean`` and
            ``cv_mse_std`` (of the folds, in squared units of the score), ``train_r2`` and ``val_r2``, the rank
            correlation ``val_spearman``, and ``mean_val_mse``: what guessing the mean of the training part gets. All
            are of a model that saw the training part only, alpha included, also where
            :meth:`optimize_hyperparameters` chose it; NaN where not asked for or not defined. ``p_value`` is of all
            examples: how often they look as good when the scores of whole groups change places
            (:func:`~course_utils.learning.ridge.shuffle_p_value`), so that 0.05 or less says that something was
            learned; NaN with fewer than :data:`~course_utils.measuring.intervals.MIN_UNITS` groups, too few to say.
            ``alpha`` is that of the final model.

        Raises
        ------
        ValueError
            With fewer than two examples, scores that are all equal, one group only, fewer groups than folds, or not one
            value of ``groups`` for each example.
        """
        choice, examples = self._searched.get(self.ridge_alpha, self._alphas()), self._grouped(groups)
        X, y, numbers = self._arrays(examples, cv_folds)
        measured, parts = dict.fromkeys(ridge.MEASURES, math.nan), list[tuple[np.ndarray, np.ndarray]]()
        if validation_split:
            hold_out = GroupShuffleSplit(1, test_size=validation_split, random_state=random_state)
            parts = list(hold_out.split(X, y, numbers))
            measured = ridge.held_out_scores(X, y, numbers, parts[0], choice)
        if cv_folds:
            parts = list(GroupKFold(cv_folds, shuffle=True, random_state=random_state).split(X, y, numbers))
        errors, guessing = np.full((2, len(y)), math.nan)
        for train, held in parts:
            guess = ridge.held_out_predictions(X, y, numbers, (train, held), choice)[1]
            errors[held], guessing[held] = (guess - y[held]) ** 2, (y[train].mean() - y[held]) ** 2
        of_folds = [errors[held].mean() for _, held in parts if cv_folds] or [math.nan]
        measured |= {"cv_mse_mean": float(np.mean(of_folds)), "cv_mse_std": float(np.std(of_folds))}
        n_groups, out = int(numbers.max()) + 1, np.isfinite(errors)
        few = n_groups < intervals.MIN_UNITS
        measured["p_value"] = math.nan if few else ridge.shuffle_p_value(X, y, numbers, choice)
        gain = intervals.difference_interval(guessing[out], errors[out], groups=numbers[out]) if parts else None
        self.model_ = ridge.RidgeModel.fit(X, y, choice, numbers, self.ridge_alpha)
        self.training_examples = examples
        logger.debug("trained on %d examples: %s", len(y), measured)
        measured["alpha"] = self.alpha_
        return measures.of_training(
            measured, float(np.mean(guessing[out])) if parts else math.nan, gain, len(y), n_groups
        )

    # a transformer does without scores, a regressor cannot
    @alone
    def fit(self, X: Iterable[str], y: Iterable[float], groups: Iterable | None = None) -> Self:  # type: ignore[override]
        """Learn these texts and scores in place of all examples so far; as scikit-learn's estimators do it.

        Parameters
        ----------
        X : iterable of str, length n
            The texts.
        y : iterable of float, length n
            Their scores.
        groups : iterable of length n, optional
            What each belongs to; see :class:`RankingExample`.

        Returns
        -------
        EmbeddingValueLearner
            Itself.

        Raises
        ------
        TypeError, ValueError
            As :meth:`add_training_examples` and :meth:`train`; then all examples so far stay.
        """
        examples = paired(X, y, groups, score_range=self.score_range)
        rows, scores, numbers = self._arrays(examples)
        self.model_, self.training_examples = ridge.RidgeModel.fit(rows, scores, self._alphas(), numbers), examples
        return self

    @alone
    def optimize_hyperparameters(
        self, alpha_range: Sequence[float] = (0.01, 0.1, 1, 10, 100), cv_folds: int = 5, groups: Sequence | None = None
    ) -> Measures:
        """Choose alpha by cross-validation, set ``ridge_alpha`` to the best and learn all examples with it.

        The best alpha has seen all examples. What :meth:`train` measures afterwards is therefore of alphas chosen anew
        from the same range, each by the training part only.

        Parameters
        ----------
        alpha_range : sequence of float
            What to choose from, each above 0.
        cv_folds, groups
            See :meth:`train`.

        Returns
        -------
        Measures
            A dict that prints as sentences: ``best_alpha``, ``best_mse`` (mean over the folds; as the smallest of
            several it flatters) and ``results``, alpha to mean squared error. A warning is logged when the best is the
            first or last of ``alpha_range``: then the true best may lie outside.
        """
        alphas = sorted({ridge.checked_alpha(alpha, "alpha_range") for alpha in alpha_range})
        examples = self._grouped(groups)
        X, y, numbers = self._arrays(examples, cv_folds)
        # to leave out folds one after the other is to leave out groups, which are larger
        path = ridge.RidgePath(X, np.random.default_rng(0).permutation(numbers.max() + 1)[numbers] % cv_folds)
        results = {alpha: float(path.mean_squared(y, alpha)) for alpha in alphas}
        best = self.ridge_alpha = min(results, key=results.__getitem__)
        self._searched = {best: alphas}
        self.model_, self.training_examples = ridge.RidgeModel.fit(X, y, alphas, numbers, best), examples
        return measures.of_search(results, best, float(path.mean_squared(y, math.inf)))

    @alone
    def partial_fit(self, texts: str | Sequence[str], scores: float | Sequence[float], groups: Any = None) -> Self:
        """Learn more examples exactly, at the alpha in use: the model is what batch training on all would give.

        One example costs a rank-one update of a (dim, dim) matrix, however many were seen before, after those that
        :meth:`add_training_example` left waiting. The intervals keep the width of the last training.

        Parameters
        ----------
        texts : sequence of str, or str
            The texts, or one.
        scores : sequence of float, or float
            As many scores.
        groups : sequence, optional
            What each text belongs to, for the next training.

        Returns
        -------
        EmbeddingValueLearner
            Itself.

        Raises
        ------
        NotFittedError
            If there is no alpha yet: train first, or give ``ridge_alpha``.
        """
        new = paired(texts, scores, groups, score_range=self.score_range)
        model: ridge.RidgeModel | None = getattr(self, "model_", None)
        if model is None and self.ridge_alpha is None:
            raise NotFittedError("partial_fit keeps alpha, and there is none yet: call train(), or give ridge_alpha=.")
        waiting = self.training_examples[model.n_samples_ if model else 0 :] + new
        if not waiting:
            return self
        rows = self._features([example.text for example in waiting], model)
        # a new one takes the place of the old one, from which others may be predicting, or which an interrupt leaves
        model = copy.deepcopy(model) or ridge.RidgeModel(rows.shape[1], self._alphas()[0])
        for row, example in zip(rows, waiting, strict=True):
            model.update(row, example.score)
        self.model_, self.training_examples = model, self.training_examples + new
        logger.debug("%d examples learned one by one, %d in all", len(waiting), self.n_samples_)
        return self

    def _alphas(self) -> Sequence[float]:
        return ridge.ALPHAS if self.ridge_alpha is None else [ridge.checked_alpha(self.ridge_alpha, "ridge_alpha")]

    def _grouped(self, groups: Sequence | None) -> list[RankingExample]:
        """All examples, with these groups in place of their own where there are any."""
        if groups is None:
            return self.training_examples
        metadata = [example.metadata for example in self.training_examples]
        return paired(self.training_texts, self.training_scores, groups, metadata)

    def _arrays(self, examples: list[RankingExample], n_parts: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Vectors, scores and numbers of the groups; at least as many groups as parts, and two."""
        scores = np.array([example.score for example in examples])
        _check_scores(scores, self.score_range)
        texts = [example.text for example in examples]
        # 7, 7.0 and "7" are one writer: tables of different kinds store a number in different ways
        given = [None if each.group is None else str(each.group).removesuffix(".0") for each in examples]
        X = self._features(texts)
        groups = joined_groups(given, map(_without_form, texts), ridge.equal_rows(X))
        n_parts, n_groups = max(n_parts, 2), groups.max() + 1
        if n_groups < n_parts:
            copies = "copies of a text are one. Add examples, or lower cv_folds."
            raise ValueError(f"{n_parts} parts cannot be made of {n_groups} different groups; {copies}")
        return X, scores, groups

    def _features(self, texts: Sequence[str], model: ridge.RidgeModel | None = None) -> np.ndarray:
        """What ridge sees, in float64; checked, because :meth:`transform` may be somebody else's."""
        X = np.asarray_chkfinite(self.transform(texts), dtype=np.float64)
        if model is not None and X.shape[1] != len(model.coef_):
            raise ValueError(
                f"transform() gives {X.shape[1]} columns, and the model learned from {len(model.coef_)}. Put "
                "embedding_dim and extra columns back as they were, or train() again."
            )
        return X

    # --- predicting -----------------------------------------------------------------------------------------------

    def predict(self, X: str | Sequence[str], *, return_interval: bool = False, confidence: float = 0.9) -> Any:
        """Score texts, in the units of the training scores.

        Parameters
        ----------
        X : sequence of str, length n, or str
            The texts, or one. An empty text has the vector that the model gives for "no text"; it is logged.
        return_interval : bool, default False
            Give an interval for each score as well.
        confidence : float, default 0.9
            Share of new texts, above 0 and below 1, whose score shall lie in its interval.

        Returns
        -------
        scores : ndarray of float64, shape (n,), or float for one text
            The predicted scores.
        limits : ndarray of float64, shape (n, 2), or (2,) for one text
            Only with ``return_interval``. The promise: of texts of new groups like those learned from, one of each, at
            least the share ``confidence`` has its score inside, on average over trainings. All have the same width,
            because it comes from all errors on groups left out together; for a single kind of text nothing is promised.
            Too few groups (fewer than 12; for 0.95 fewer than 19) give infinite limits, and the log says how many it
            takes. Source: :meth:`~course_utils.learning.ridge.RidgeModel.half_width`.
            With ``score_range`` limits stop at the ends of the scale: intervals there are shorter, and hold as many
            scores as before, since no score lies beyond; infinite limits become the whole scale.
        """
        model = self.model_
        free = self._predict_freely([X] if isinstance(X, str) else X, model)
        scores = np.clip(free, *ends(self.score_range))
        if not return_interval:
            return float(scores[0]) if isinstance(X, str) else scores
        width = model.half_width(confidence)
        limits = np.clip(np.column_stack([free - width, free + width]), *ends(self.score_range))
        return (float(scores[0]), limits[0]) if isinstance(X, str) else (scores, limits)

    def _predict_freely(self, texts: Sequence[str], model: ridge.RidgeModel) -> np.ndarray:
        return model.predict(self._features(texts, model))

    def rank_texts(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        """Sort texts by predicted score, best first.

        Parameters
        ----------
        texts : sequence of str
            The texts. A progress bar shows for more than 256 that are not in the cache.

        Returns
        -------
        list of (str, float)
            Pairs of text and score. Repeated texts are kept, and get exactly the same score; those of equal score keep
            their order.
        """
        texts = list(texts)
        distinct = list(dict.fromkeys(texts))
        free = self._predict_freely(distinct, self.model_) if texts else np.empty(0)
        on_scale = np.clip(free, *ends(self.score_range))
        values = dict(zip(distinct, np.column_stack([free, on_scale]).tolist(), strict=True))
        return [(text, values[text][1]) for text in sorted(texts, key=lambda text: -values[text][0])]

    @alone
    def explain(self, text: str, k: int = 5) -> Explanation:
        """Name the training examples and the words of the text that move its score most.

        Both are found by leaving out: one example from the training (exact, in closed form), one word from the text
        (which is embedded again, once for each word). Effects do not add up to the score: words work together.

        Parameters
        ----------
        text : str
            The text.
        k : int, default 5
            How many examples, and how many words.

        Returns
        -------
        Explanation
            The score and two tables.
        """
        (score,) = self._predict_freely([text], self.model_).tolist()
        table = pd.DataFrame(self.training_examples[: self.n_samples_])[["text", "score"]]
        rows, row = self._features(table["text"].tolist()), self._features([text])[0]
        table["effect"] = self.model_.effects(rows, table["score"].to_numpy(), row)
        words = text.split()
        shorter = [" ".join(words[:i] + words[i + 1 :]) for i in range(len(words))] if len(words) > 1 else []
        effects = score - self._predict_freely(shorter, self.model_) if shorter else np.empty(0)
        by_word = pd.DataFrame({"word": words[: len(shorter)], "position": range(len(shorter)), "effect": effects})
        return Explanation(score, _strongest(table, "effect", k), _strongest(by_word, "effect", k))

    def feature_importance(self, k: int = 10) -> pd.DataFrame:
        """List the dimensions with the largest weights.

        Caveat: a single dimension has no meaning. Rotating all vectors changes no prediction and makes other dimensions
        "important", as lesson 4 shows; :meth:`explain` answers the question that is usually meant.

        Parameters
        ----------
        k : int, default 10
            How many.

        Returns
        -------
        DataFrame
            ``dimension`` (from 0) and ``weight``.
        """
        weights = pd.DataFrame({"dimension": range(len(self.coef_)), "weight": self.coef_})
        return _strongest(weights, "weight", k)

    # --- keeping --------------------------------------------------------------------------------------------------

    @alone
    def save_model(self, path: str | Path) -> Path:
        """Write all that was learned, with the examples, to one ``….safetensors`` file, in one step.

        The encoder itself is not in it, only its name and fingerprint; nor is the API key.

        Parameters
        ----------
        path : str or Path
            Ends in ``.safetensors``.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        OSError
            If the file cannot be written; an older one is then still there.
        TypeError
            If an example's metadata is nothing that JSON can hold.
        """
        path, learned, embedder = Path(path).expanduser(), vars(self.model_), self._open()
        name = embedder.card.name if isinstance(self.embedder, Embedder) else str(self.embedder)
        scale = None if self.score_range is None else ends(self.score_range)
        about = {
            "format": _FORMAT,
            "version": _VERSION,
            # where a folder lies on this machine is nobody's business
            "embedder": Path(name).name if Path(name).exists() else name,
            "fingerprint": embedder.fingerprint,
            "parameters": {key: getattr(self, key) for key in _SAVED} | {"score_range": scale},
            "learned": {name: value for name, value in learned.items() if not isinstance(value, np.ndarray)},
            "searched": self._searched.get(self.ridge_alpha),
        }
        # as a tensor: the header of the format has a limit that texts could reach
        tensors = {"examples": np.frombuffer(json.dumps(self.training_examples).encode(), dtype=np.uint8)}
        tensors |= {name: value for name, value in learned.items() if isinstance(value, np.ndarray)}
        write_tensors(path, tensors, about)
        return path

    @classmethod
    def load_model(
        cls, path: str | Path, *, embedder: str | Embedder | None = None, cache_dir=None, api_key: str | None = None
    ) -> "EmbeddingValueLearner":
        """Read what :meth:`save_model` wrote; predicting, explaining and updating go on where they were.

        Parameters
        ----------
        path : str or Path
            The file.
        embedder : str or Embedder, optional
            The encoder, where the saved name does not load here (a folder, a file of vectors). Default: that name.
        cache_dir, api_key
            See :class:`TextEmbedder`; they are not saved.

        Returns
        -------
        EmbeddingValueLearner
            As it was saved.

        Raises
        ------
        TensorFileError
            If the file is not such a model, not the whole of it, or of a newer version of the course; or if the encoder
            is another one than the model was trained with.
        """
        path = Path(path).expanduser()
        model, examples, parameters, searched, name, fingerprint = _read(path)
        learner = cls(embedder or name, cache_dir=cache_dir, api_key=api_key, **parameters)
        try:
            opened = learner._open()
        except (UnknownModelError, ModelUnavailableError) as error:
            raise TensorFileError(
                f"{path.name!r} was trained with the encoder {name!r}, which does not load here. Give "
                f"embedder=, for example the path of its folder. ({error})"
            ) from error
        if opened.fingerprint != fingerprint:
            raise TensorFileError(
                f"{path.name!r} was trained with another encoder ({name}) than {opened.card.name} as it "
                "is here: the same name can stand for other weights. Give the right one as embedder=, or train again."
            )
        learner.training_examples, learner.model_ = examples, model
        learner._searched = {learner.ridge_alpha: searched or learner._alphas()}
        return learner


def predict_ensemble(
    learners: Sequence, texts: Sequence[str], weights: Sequence[float] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Average the predictions of several trained models of the same scores, and say how far they are apart.

    Parameters
    ----------
    learners : sequence
        Anything with ``predict(texts)``: learners, or scikit-learn pipelines.
    texts : sequence of str, length n
        The texts.
    weights : sequence of float, optional
        One number a learner, not negative. Default: equal ones.

    Returns
    -------
    mean : ndarray of float64, shape (n,)
        Weighted mean over the learners.
    spread : ndarray of float64, shape (n,)
        Weighted standard deviation over the learners. It shows where models disagree; it is no interval, because they
        may be wrong together.

    Examples
    --------
    >>> from course_utils.learning import EmbeddingValueLearner, predict_ensemble
    >>> texts, scores = ["a walk", "a queue", "a canoe"], [9, 1, 10]
    >>> learners = [EmbeddingValueLearner(ridge_alpha=alpha).fit(texts, scores) for alpha in (0.1, 10)]
    >>> mean, spread = predict_ensemble(learners, ["a boat", "a bill"], weights=[3, 1])
    >>> mean.shape, bool(mean[0] > mean[1])
    ((2,), True)
    """
    shares = np.ones(len(learners)) if weights is None else np.asarray(weights, dtype=np.float64)
    if shares.shape != (len(learners),) or not np.isfinite(shares).all() or (shares < 0).any() or not shares.sum():
        raise ValueError(f"weights must be {len(learners)} numbers from 0 up, not all 0.")
    predictions = np.array([learner.predict(texts) for learner in learners])
    mean = np.average(predictions, axis=0, weights=shares)
    return mean, np.sqrt(np.average((predictions - mean) ** 2, axis=0, weights=shares))


def _read(path: Path) -> tuple[ridge.RidgeModel, list[RankingExample], dict[str, Any], list[float], str, str]:
    """Model, examples, parameters, the alphas searched, name and fingerprint of the encoder: all checked before use."""
    tensors, about = read_tensors(path)
    version = about.get("version")
    if about.get("format") != _FORMAT or not isinstance(version, int) or version > _VERSION:
        reason = "not a saved value learner, or one of a newer version of the course. Update the course."
        raise TensorFileError(f"{path.name!r} is {reason}")
    try:
        examples = [checked(RankingExample(*row)) for row in json.loads(tensors.pop("examples").tobytes())]
        n = len(tensors["loo_errors_"])  # files of version 1 know of no groups
        single = {"n_groups_": n, "loo_levels_": np.arange(1, n + 1) / (n + 1)}
        model = ridge.RidgeModel.restored(single | about["learned"] | tensors)
        parameters = {name: about["parameters"][name] for name in _SAVED}
        instruction, dim, alpha, score_range = parameters.values()
        sound = isinstance(instruction, str | None) and (dim is None or type(dim) is int)
        parameters["score_range"] = None if score_range is None else ends(score_range)
        searched = [ridge.checked_alpha(each, "searched") for each in about.get("searched") or ()]
        ridge.checked_alpha(1 if alpha is None else alpha, "ridge_alpha")
        if not sound or model.n_samples_ > len(examples):
            raise ValueError("The parts of the file do not go together.")
        return model, examples, parameters, searched, str(about["embedder"]), str(about["fingerprint"])
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise TensorFileError(f"{path.name!r} is not a model that this course wrote, or not all of it.") from error


def _check_scores(scores: np.ndarray, score_range: tuple[float, float] | None) -> None:
    if len(scores) < 2:
        count = "one example" if len(scores) else "no example"
        raise ValueError(f"There is {count} to learn from; add at least two, better 50.")
    if np.ptp(scores) == 0:
        raise ValueError(f"All {len(scores)} scores are {scores[0]:g}: there is nothing to tell apart. Add others.")
    low, high = ends(score_range)
    outside = np.flatnonzero((scores < low) | (scores > high))
    if len(outside):
        named = f"{scores[outside[0]]:g} of training_examples[{outside[0]}]"
        raise ValueError(f"score_range=({low:g}, {high:g}) leaves out {len(outside)} of the scores, first {named}.")


def _without_form(text: str) -> str:
    """What copies of a text have in common: the same whatever the case, the blanks and the marks at its end."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return plain.rstrip(_MARKS) or plain


def _strongest(table: pd.DataFrame, column: str, k: int) -> pd.DataFrame:
    return table.sort_values(column, key=np.abs, ascending=False, kind="stable", ignore_index=True).head(k)
