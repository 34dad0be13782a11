"""How a model ranks the answers of a set for its questions: hits, thresholds on cosines, and a verdict by ranks.

Everything is computed from vectors; encoders, heads and pictures are the affair of others. Whether training helped is
decided by ranks among all answers, with intervals, on questions that were not trained on; a question counts as
answered by any of its right answers. Thresholds on cosines are habits of one model and come second.
"""

from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from course_utils.data import Pairs
from course_utils.measuring.intervals import MIN_UNITS, Interval, difference_interval, mean_interval, simultaneous


class Verdict(NamedTuple):
    """What to do with a model, and why.

    Attributes
    ----------
    advice : str
        keep the stock model, deploy, collect more pairs, mend the data, mend the data or change the model, or too few
        to say.
    reason : str
        A sentence or two.
    evidence : DataFrame
        Based on ranks; it decides. A row a measure, columns value, low, high, n (independent questions).
    checklist : DataFrame
        The usual thresholds, for diagnosis; see :meth:`AnswerRanking.checklist`.

    Examples
    --------
    >>> import pandas as pd
    >>> from course_utils.measuring import Verdict
    >>> print(Verdict("deploy", "it ranks best", pd.DataFrame(), pd.DataFrame()))
    deploy: it ranks best
    """

    advice: str
    reason: str
    evidence: pd.DataFrame
    checklist: pd.DataFrame

    def __str__(self) -> str:
        return f"{self.advice}: {self.reason}"


def first_ranks(similarity: np.ndarray, is_right: np.ndarray) -> np.ndarray:
    """Place of the first right answer of each question, from 1; among equally similar answers it comes last.

    Parameters
    ----------
    similarity : float array of shape (n, m)
        Finite; larger is nearer.
    is_right : bool array of shape (n, m)
        At least one in a row.

    Returns
    -------
    int array of shape (n,)

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.measuring import first_ranks
    >>> first_ranks(np.array([[0.9, 0.5, 0.1], [0.2, 0.8, 0.4]]), np.array([[1, 1, 0], [0, 0, 1]], dtype=bool))
    array([1, 2])
    """
    best = np.where(is_right, similarity, -np.inf).max(axis=1, keepdims=True)
    return 1 + ((similarity >= best) & ~is_right).sum(axis=1)


class AnswerRanking:
    """One model on one set of questions, each of which searches among all answers of the set.

    Questions that share a right answer are not independent; intervals take them as one (:attr:`Pairs.groups`).

    Parameters
    ----------
    pairs : Pairs
        n questions with their answers; m different answers in all.
    query_vectors : float array of shape (n, dim)
        Vectors of the questions, of length 1.
    candidate_vectors : float array of shape (m, dim)
        Vectors of ``pairs.candidates``, of length 1.
    name : str
        What the model is called in tables.

    Attributes
    ----------
    similarity : float array of shape (n, m)
        Cosine of each question with each answer.
    is_right : bool array of shape (n, m)
        Whether the answer is a right one.
    ranks : int array of shape (n,)
        By :func:`first_ranks`.

    Raises
    ------
    ValueError
        If a cosine is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.data import Pairs
    >>> from course_utils.measuring import AnswerRanking
    >>> pairs = Pairs.from_columns(["Who?", "When?"], ["Me.", "Now."])
    >>> ranking = AnswerRanking(pairs, np.array([[1, 0], [0.8, 0.6]]), np.array([[0.8, 0.6], [0, 1]]), "some model")
    >>> ranking.right_first.tolist(), round(ranking.separation()["margin"], 2)
    ([True, False], 0.2)
    """

    def __init__(self, pairs: Pairs, query_vectors: np.ndarray, candidate_vectors: np.ndarray, name: str):
        self.pairs, self.name = pairs, name
        self.query_vectors, self.candidate_vectors = query_vectors, candidate_vectors
        self.candidates = pairs.candidates
        self.relevant = pairs.relevant(self.candidates)
        self.similarity = self.compute_similarity_matrix()
        self.is_right = np.array([np.isin(np.arange(len(self.candidates)), right) for right in self.relevant])
        if not np.isfinite(self.similarity).all():
            raise ValueError("query_vectors and candidate_vectors must be finite.")
        self.ranks = first_ranks(self.similarity, self.is_right)

    def side_by_side(self, *others: Self) -> list[Self]:
        """This model and others, if they are on the same pairs and each has a name of its own."""
        models = [self, *others]
        if any(other.pairs != self.pairs for other in others):
            raise ValueError("Only models on the same pairs can stand side by side.")
        names = [model.name for model in models]
        if len(set(names)) < len(names):
            raise ValueError(f"Each model needs a name of its own (name=…), and these are called {names}.")
        return models

    def compute_similarity_matrix(self) -> np.ndarray:
        """Cosine of each question with each answer: float32 of shape (n, m)."""
        return self.query_vectors @ self.candidate_vectors.T

    def hits(self, k: int = 1) -> np.ndarray:
        """Whether any right answer is among the ``k`` most similar ones: bool array of shape (n,)."""
        return self.ranks <= k

    @property
    def right_first(self) -> np.ndarray:
        """Whether the most similar answer is a right one: bool array of shape (n,)."""
        return self.hits(1)

    def gain_over(self, other: Self, *, confidence: float = 0.95) -> Interval:
        """Paired difference of the shares of right answers first: this model's minus another's on the same pairs."""
        self.side_by_side(other)
        groups = self.pairs.groups
        return difference_interval(self.right_first, other.right_first, groups=groups, confidence=confidence)

    def scores(self) -> dict[str, Interval]:
        """Shares of questions with a right answer among the first 1, 5 and 10, and the mean reciprocal rank."""
        values = {"right answer first": self.right_first} | {f"right answer in {k}": self.hits(k) for k in (5, 10)}
        values["mrr_at_10"] = self.hits(10) / self.ranks
        return {name: mean_interval(each, groups=self.pairs.groups) for name, each in values.items()}

    def top_k(self, k: int = 10) -> pd.DataFrame:
        """The ``k`` most similar answers of every question: columns question, rank, answer, similarity, right."""
        if not 1 <= k <= len(self.candidates):
            raise ValueError(f"k={k} must be from 1 to {len(self.candidates)}, the number of answers.")
        columns = np.argsort(-self.similarity, axis=1, kind="stable")[:, :k].ravel()
        rows, ranks = np.divmod(np.arange(len(columns)), k)
        table = pd.DataFrame({"question": rows, "rank": ranks + 1, "answer": columns})
        return table.assign(similarity=self.similarity[rows, columns], right=self.is_right[rows, columns])

    def nearest(self, *, right: bool) -> np.ndarray:
        """Position of the most similar right, or else wrong, answer of each question: int array of shape (n,)."""
        return np.where(self.is_right == right, self.similarity, -np.inf).argmax(axis=1)

    def cosines(self) -> tuple[np.ndarray, np.ndarray]:
        """Cosines of the questions with their right answers, and with all others: two flat arrays."""
        return self.similarity[self.is_right], self.similarity[~self.is_right]

    def separation(self) -> dict[str, float]:
        """Means and standard deviations of the cosines of right and wrong answers, margin and separation in σ.

        The margin is the difference of the means, the separation the margin in units of the root of the mean of both
        variances.
        """
        right, wrong = self.cosines()
        margin = right.mean() - wrong.mean()
        numbers = {"right, mean": right.mean(), "right, sd": right.std()}
        numbers |= {"wrong, mean": wrong.mean(), "wrong, sd": wrong.std(), "margin": margin}
        numbers["separation in σ"] = margin / np.sqrt((right.var() + wrong.var()) / 2)
        return {name: float(value) for name, value in numbers.items()}

    def checklist(self) -> pd.DataFrame:
        """Hold the usual thresholds against this model: value, what is wanted, pass or fail, a remark.

        They are habits, worked out on models whose cosines spread from 0 to 1. Another model may rank as well or
        better and fail them all, or pass them and rank worse: see the experiment in lesson 5.
        """
        numbers, best = self.separation(), -np.sort(-self.similarity, axis=1)[:, :2]
        checks = [
            # name, value, sign and limit, and what to say of a value below further limits
            ("margin", numbers["margin"], ">", 0.25, {"bad": 0.15, "train more": 0.2}),
            ("separation in σ", numbers["separation in σ"], ">", 2, {"bad": 1.5}),
            ("diagonal (right answers)", numbers["right, mean"], ">", 0.8, {"bad": 0.6}),
            ("off the diagonal", numbers["wrong, mean"], "<", 0.6, {}),
            ("right answer first", self.right_first.mean(), ">", 0.85, {}),
            ("gap of ranks 1 and 2", (best[:, 0] - best[:, -1]).mean(), ">", 0.1, {}),
            ("right answer among the 10 nearest", self.hits(10).mean(), ">", 0.9, {}),
        ]
        rows = []
        for name, value, sign, limit, remarks in checks:
            passed = value > limit if sign == ">" else value < limit
            remark = next((words for words, below in remarks.items() if value < below), "")
            rows.append((name, float(value), f"{sign} {limit:g}", "pass" if passed else "fail", remark))
        return pd.DataFrame(rows, columns=["check", "value", "wanted", "result", "remark"]).set_index("check")

    def verdict(
        self, baseline: Self | None = None, out_of_domain: tuple[Self, Self] | None = None, *, confidence: float = 0.95
    ) -> Verdict:
        """Decide by ranks, with intervals, what to do with this model; and list the usual thresholds beside it.

        Parameters
        ----------
        baseline : model of the same kind, optional
            The stock model on the same pairs.
        out_of_domain : two models of the same kind, optional
            This model and the stock model on pairs of another subject.
        confidence : float, default 0.95
            How often "better" and "worse" are right, here and elsewhere together. Where five models get a verdict each,
            0.99 makes it 0.95 for all of them.

        Returns
        -------
        Verdict
            By the rules of :func:`decide`.
        """
        same = baseline is not None and np.allclose(self.similarity, baseline.similarity, rtol=0, atol=1e-6)
        here, elsewhere = f"gain over {baseline.name}" if baseline else "", "change out of domain"
        compared = {here: (self, baseline)} if baseline else {}
        compared |= {elsewhere: out_of_domain} if out_of_domain else {}
        gains = {name: model.gain_over(other) for name, (model, other) in compared.items()}
        able = {name: compared[name] for name, gain in gains.items() if not gain.too_few}
        gains |= simultaneous(AnswerRanking.gain_over, able, confidence=confidence)
        scores = self.scores()
        rows = {name: (each.estimate, each.low, each.high, each.n) for name, each in (scores | gains).items()}
        evidence = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high", "n"])
        ten, first = scores["right answer in 10"], scores["right answer first"]
        advice = decide(ten, first, gains.get(here), gains.get(elsewhere), same_cosines=same)
        return Verdict(*advice, evidence, self.checklist())


def decide(
    ten: Interval, first: Interval, gain: Interval | None, harm: Interval | None, *, same_cosines: bool = False
) -> tuple[str, str]:
    """The rules of the verdict; the first that applies.

    (1) Worse elsewhere, and not better here: mend the data. (2) Fewer than ``MIN_UNITS`` independent questions: too few
    to say, unless the cosines are the baseline's. (3) Not even ten answers hold a right one for most questions: mend
    the data or change the model; collect more pairs where it beats the baseline. Without a baseline: deploy where right
    answers come first for surely more than 0.85, else collect more pairs. (4) Worse than the baseline: mend the data.
    (5) The same as the baseline, or not to be told apart: keep the stock model. (6) Better, but worse elsewhere:
    collect more pairs, of other subjects. (7) Better: deploy. "Worse" and "better" mean that the interval of the paired
    difference excludes zero.

    Parameters
    ----------
    ten, first : Interval
        Shares of questions with a right answer among the first ten, and in first place.
    gain, harm : Interval or None
        Paired differences of the second share from the stock model's, here and on another subject; None: not measured.
    same_cosines : bool, default False
        Whether this model and the stock model give the same cosines.

    Returns
    -------
    tuple of str
        Advice and reason.

    Examples
    --------
    >>> from course_utils.measuring import Interval
    >>> from course_utils.measuring.retrieval import decide
    >>> decide(Interval(0.3, 0.2, 0.4), Interval(0.1, 0.0, 0.2), None, None)[0]
    'mend the data or change the model'
    """
    sign = 0 if gain is None else gain.sign
    look = "Look for wrong pairs, negatives that are right answers, too high a learning rate or too many epochs."
    if harm is not None and harm.sign < 0 and sign <= 0:
        return "mend the data", f"training made it worse on the other subject (change {harm}), not better here. {look}"
    if first.too_few and not same_cosines:
        few = f"{first.n} independent questions (those that share a right answer count as one)"
        return "too few to say", f"there are {few}, and it takes {MIN_UNITS} or more."
    if ten.high < 0.5 and not first.too_few and sign <= 0:
        return "mend the data or change the model", (
            f"for most questions not even the ten nearest hold a right answer (they do for {ten}). Read some: if "
            "the answers given are not the right ones, the data are to blame; else the model cannot read this."
        )
    if gain is None:
        where = "above" if first.low > 0.85 else "below" if first.high < 0.85 else "not safely above"
        return "deploy" if where == "above" else "collect more pairs", (
            f"a right answer comes first for {first}, {where} the usual 0.85. Whether training, or another model, does "
            "better is seen when the other stands beside it as the baseline."
        )
    if sign < 0:
        return "mend the data", f"training made it worse than the stock model (gain {gain}). {look}"
    if sign == 0:
        same = "gives the same cosines as" if same_cosines else "puts a right answer first for the same questions as"
        words = same if same_cosines or gain.identical else "cannot be told apart from"
        return "keep the stock model", f"it {words} the stock model on these questions (gain {gain})."
    if harm is not None and harm.sign < 0:
        return "collect more pairs", (
            f"it beats the stock model here (gain {gain}) and loses elsewhere (change {harm}). Use it for "
            "this subject only, or train with pairs of other subjects mixed in."
        )
    if ten.high < 0.5:
        return "collect more pairs", f"it beats the stock model (gain {gain}), but few find an answer in ten ({ten})."
    if harm is None or harm.too_few:
        return "deploy", f"it beats the stock model (gain {gain}). What it does to other subjects is not known."
    elsewhere = "beats it" if harm.sign > 0 else "cannot be told apart from it"
    return "deploy", f"it beats the stock model (gain {gain}), and on the other subject {elsewhere} (change {harm})."
