"""Which questions a model wins, loses and still misses against another, and what can be checked about why.

Nothing here knows why a model errs. Each cause that is named is a fact about the texts or the ranking, which a reader
can look up; where no fact is found, none is claimed.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.stats import poisson

from course_utils.measuring.retrieval import AnswerRanking

#: Answers whose cosine is larger are taken for the same one, in other words.
SAME_COSINE = 0.98
#: A hub comes first, wrongly, for so many independent questions or more ...
HUB_QUESTIONS = 5
#: ... and would do so by chance, it or any other answer, with this probability at most.
HUB_CHANCE = 0.01


def explain_misses(
    model: AnswerRanking,
    baseline: AnswerRanking | None = None,
    *,
    is_cut: Callable[[Sequence[str], bool], np.ndarray] | None = None,
) -> pd.DataFrame:
    """List the questions that a model, or the baseline, answers wrongly: what came first instead, and likely causes.

    Parameters
    ----------
    model : AnswerRanking
        What is looked at.
    baseline : AnswerRanking, optional
        The stock model on the same pairs.
    is_cut : callable, optional
        Says which of some texts are longer than the encoder reads: takes texts, and whether they are questions; returns
        a bool array.

    Returns
    -------
    DataFrame
        A row a question, in their order, with the columns

        - question: its position;
        - outcome: won (only the baseline errs), lost (only the model), still missed (both); without a baseline: missed;
        - rank, rank before: of the first right answer, under the model and under the baseline (missing without one);
        - first, wanted: positions among the candidates of the wrong answer that came first and of the nearest right
          one, under the model that errs; of two, the one looked at;
        - cosine: of ``first`` and the right answer nearest to it, by the baseline's vectors if there is one, as a head
          may have pulled everything together;
        - wrongly first: for how many independent questions ``first`` comes first wrongly, under the model that errs;
        - cause: what holds of these, joined by "; ", or "": *same text as a right answer* (but for case and blanks),
          *nearly a right answer* (cosine above ``SAME_COSINE``: perhaps nobody said that it is right), *question
          cut*, *right answer cut*, *hub*, *several right answers*.

    Raises
    ------
    ValueError
        If the two are not on the same pairs.

    Notes
    -----
    A hub is an answer that comes first wrongly for ``HUB_QUESTIONS`` questions or more, of which no two share a right
    answer, where the wrong first places, dealt out by chance to all answers, would give any of them so many with a
    probability of at most ``HUB_CHANCE`` (Poisson, times the number of answers).

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.data import Pairs
    >>> from course_utils.measuring import AnswerRanking, explain_misses
    >>> pairs = Pairs.from_columns(["Who?", "When?"], ["At noon", "at  Noon"])
    >>> ranking = AnswerRanking(pairs, np.eye(2), np.array([[0.6, 0.8], [0.8, 0.6]]), "some model")
    >>> explain_misses(ranking)[["question", "outcome", "rank", "cause"]].to_numpy().tolist()
    [[0, 'missed', 2, 'same text as a right answer'], [1, 'missed', 2, 'same text as a right answer']]
    """
    before = model if baseline is None else baseline
    if baseline is not None:
        model.side_by_side(baseline)
    names = ["won", "lost", "still missed" if baseline is not None else "missed"]
    now, then = model.right_first, before.right_first
    outcomes = np.select([now & ~then, ~now & then, ~now & ~then], names, "")
    rows, hubs, counts = np.flatnonzero(outcomes), {}, {}
    for each in (model, before):
        counts[each.name], hubs[each.name] = _wrong_firsts(each)
    first, wanted = (np.where(now, before.nearest(right=side), model.nearest(right=side)) for side in (False, True))
    cut = {"question cut": _cut(is_cut, model.pairs.queries, rows, True)}
    cut["right answer cut"] = _cut(is_cut, model.candidates, wanted[rows], False)
    table = []
    for place, row in enumerate(rows):
        errs, right = before.name if now[row] else model.name, model.relevant[row]
        cosine = float((before.candidate_vectors[right] @ before.candidate_vectors[first[row]]).max())
        same = _folded(model.candidates[first[row]]) in {_folded(model.candidates[each]) for each in right}
        found = {
            "same text as a right answer": same,
            "nearly a right answer": not same and cosine > SAME_COSINE,
            **{name: bool(each[place]) for name, each in cut.items()},
            "hub": first[row] in hubs[errs],
            "several right answers": len(right) > 1,
        }
        cause = "; ".join(name for name, holds in found.items() if holds)
        ranks = model.ranks[row], None if baseline is None else before.ranks[row]
        table.append((row, outcomes[row], *ranks, first[row], wanted[row], cosine, counts[errs][first[row]], cause))
    columns = ["question", "outcome", "rank", "rank before", "first", "wanted", "cosine", "wrongly first", "cause"]
    return pd.DataFrame(table, columns=columns)


def _wrong_firsts(model: AnswerRanking) -> tuple[np.ndarray, set[int]]:
    """For how many independent questions each answer comes first wrongly, shape (m,), and which of them are hubs."""
    missed, m = ~model.right_first, len(model.candidates)
    places = np.unique(np.stack([model.nearest(right=False), model.pairs.groups])[:, missed], axis=1)
    counts = np.bincount(places[0], minlength=m)
    chance = m * poisson.sf(counts - 1, counts.sum() / m)
    return counts, set(np.flatnonzero((counts >= HUB_QUESTIONS) & (chance <= HUB_CHANCE)).tolist())


def _cut(is_cut: Callable | None, texts: Sequence[str], rows: np.ndarray, query: bool) -> np.ndarray:
    return np.zeros(len(rows), dtype=bool) if is_cut is None else is_cut([texts[row] for row in rows], query)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
