"""How a model ranks the answers of a set for its questions: hits, thresholds on cosines, and a verdict by ranks.

Everything is computed from vectors; encoders, heads and pictures are the affair of others. Whether training helped is
decided by ranks, with intervals, on questions that were not trained on. Thresholds on cosines are habits of one model
and come second.
"""

from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from course_utils.data import Pairs
from course_utils.measuring.intervals import Interval, bootstrap_interval
from course_utils.measuring.metrics import mrr_at_10, recall_at_k


class Verdict(NamedTuple):
    """What to do with a model, and why.

    Attributes
    ----------
    advice : str
        deploy, train more or fix the data.
    reason : str
        A sentence or two.
    evidence : DataFrame
        Based on ranks; it decides. A row a measure, columns value, low, high.
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


class AnswerRanking:
    """One model on one set of questions, each of which searches among all answers of the set.

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
        """Recall at ``k`` of each question, 0 to 1: float array of shape (n,)."""
        return recall_at_k(self.similarity, self.relevant, k)

    @property
    def right_first(self) -> np.ndarray:
        """Whether the most similar answer is a right one: bool array of shape (n,)."""
        return self.hits(1) > 0

    def gain_over(self, other: Self) -> Interval:
        """Paired difference of the shares of right answers first: this model's minus another's on the same pairs."""
        self.side_by_side(other)
        return bootstrap_interval(self.right_first.astype(float) - other.right_first)

    def scores(self) -> dict[str, Interval]:
        """Mean reciprocal rank and recall at 1, 5 and 10, each with its interval over the questions."""
        values = {"mrr_at_10": mrr_at_10(self.similarity, self.relevant)}
        values |= {f"recall_at_{k}": self.hits(k) for k in (1, 5, 10) if k <= len(self.candidates)}
        return {name: bootstrap_interval(each) for name, each in values.items()}

    def top_k(self, k: int = 10) -> pd.DataFrame:
        """The ``k`` most similar answers of every question: columns question, rank, answer, similarity, right."""
        if not 1 <= k <= len(self.candidates):
            raise ValueError(f"k={k} must be from 1 to {len(self.candidates)}, the number of answers.")
        columns = np.argsort(-self.similarity, axis=1, kind="stable")[:, :k].ravel()
        rows, ranks = np.divmod(np.arange(len(columns)), k)
        table = pd.DataFrame({"question": rows, "rank": ranks + 1, "answer": columns})
        return table.assign(similarity=self.similarity[rows, columns], right=self.is_right[rows, columns])

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
            ("right answer among the 10 nearest", (self.hits(min(10, len(self.candidates))) > 0).mean(), ">", 0.9, {}),
        ]
        rows = []
        for name, value, sign, limit, remarks in checks:
            passed = value > limit if sign == ">" else value < limit
            remark = next((words for words, below in remarks.items() if value < below), "")
            rows.append((name, float(value), f"{sign} {limit:g}", "pass" if passed else "fail", remark))
        return pd.DataFrame(rows, columns=["check", "value", "wanted", "result", "remark"]).set_index("check")

    def verdict(self, baseline: Self | None = None, out_of_domain: tuple[Self, Self] | None = None) -> Verdict:
        """Decide by ranks, with intervals, what to do with this model; and list the usual thresholds beside it.

        Parameters
        ----------
        baseline : model of the same kind, optional
            The stock model on the same pairs.
        out_of_domain : two models of the same kind, optional
            This model and the stock model on pairs of another subject.

        Returns
        -------
        Verdict
            By the rules of :func:`decide`.
        """
        first = bootstrap_interval(self.right_first.astype(float))
        evidence = {"right answer first": first} | self.scores()
        ten = evidence.get("recall_at_10", first)
        gain = harm = None
        if baseline is not None:
            gain = evidence[f"gain over {baseline.name}"] = self.gain_over(baseline)
        if out_of_domain is not None:
            harm = evidence["change out of domain"] = out_of_domain[0].gain_over(out_of_domain[1])
        rows = {name: {"value": each.estimate, "low": each.low, "high": each.high} for name, each in evidence.items()}
        return Verdict(*decide(ten, first, gain, harm), pd.DataFrame(rows).T, self.checklist())


def decide(ten: Interval, first: Interval, gain: Interval | None, harm: Interval | None) -> tuple[str, str]:
    """The rules of the verdict; the first that applies.

    (1) Not even ten answers hold the right one for most questions: fix the data. Without a baseline: deploy where
    right answers come first for surely more than 0.85, else train more. (2) Worse than the baseline: fix the data.
    (3) Better, and no worse out of domain: deploy. (4) Better, but worse out of domain: train more, with other subjects
    mixed in. (5) Not to be told apart: train more. "Worse" and "better" mean that the interval of the paired difference
    excludes zero.

    Parameters
    ----------
    ten, first : Interval
        Recall at 10, and the share of questions whose right answer comes first.
    gain, harm : Interval or None
        Paired differences of that share from the stock model's, here and on another subject; None: not measured.

    Returns
    -------
    tuple of str
        Advice and reason.

    Examples
    --------
    >>> from course_utils.measuring import Interval
    >>> from course_utils.measuring.retrieval import decide
    >>> decide(Interval(0.3, 0.2, 0.4), Interval(0.1, 0.0, 0.2), None, None)[0]
    'fix the data'
    """
    if ten.high < 0.5:
        return "fix the data", (
            f"for most questions not even the ten nearest hold the right answer (recall at 10: {ten}). Read some: is "
            "the answer given really the one, and are there others as good?"
        )
    if gain is None:
        advice, where = ("deploy", "above") if first.low > 0.85 else ("train more", "not safely above")
        return advice, (
            f"the right answer comes first for {first}, {where} the usual 0.85. Whether training, or another model, "
            "does better is seen when the other stands beside it as the baseline."
        )
    if gain.high < 0:
        return "fix the data", (
            f"training made it worse than the stock model (gain {gain}). Look for wrong pairs, for negatives that are "
            "right answers, and for too high a learning rate or too many epochs."
        )
    if gain.low <= 0:
        return "train more", (
            f"it cannot be told apart from the stock model on these questions (gain {gain}). Until more data or "
            "another method changes that, the stock model does."
        )
    if harm is None:
        return "deploy", f"it beats the stock model (gain {gain}). What it does to other subjects was not measured."
    if harm.high < 0:
        return "train more", (
            f"it beats the stock model here (gain {gain}) and loses elsewhere (change {harm}). Mix pairs of other "
            "subjects into the training, or use it for this subject only."
        )
    return "deploy", f"it beats the stock model (gain {gain}), and other subjects show no loss (change {harm})."
