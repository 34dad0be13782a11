"""What was measured, as a dict by name that prints as sentences.

A number alone does not say whether it is good: here it stands beside what guessing the mean gets, with its interval,
and whether anything was learned is said or left open. What is measured stands in
:mod:`course_utils.learning.value_learner`.
"""

import math
from typing import Any

from course_utils.measuring.intervals import MIN_UNITS, Interval


class Measures(dict[str, Any]):
    """Measured values by name, as any dict; printed or shown in a notebook they are sentences.

    Attributes
    ----------
    gain : Interval or None
        By how much the mean squared error on examples held out is lower than that of guessing the mean, in squared
        units of the score, by independent groups. None: nothing was held out.
    learned : bool or None
        Whether anything was learned: shuffled scores look as good in 5 % of all tries at most, and the interval of the
        gain, if there is one, lies above zero. None: too few to say, or not asked.

    Examples
    --------
    >>> from course_utils.learning import Measures
    >>> found = Measures({"val_mse": 1.5}, "The error is 1.5.")
    >>> found["val_mse"], found | {"alpha": 1}
    (1.5, {'val_mse': 1.5, 'alpha': 1})
    >>> found
    The error is 1.5.
    """

    def __init__(self, values: dict, text: str, gain: Interval | None = None, learned: bool | None = None):
        super().__init__(values)
        self._text, self.gain, self.learned = text, gain, learned

    def __repr__(self) -> str:
        return self._text


def of_training(values: dict[str, float], guessing: float, gain: Interval | None, n: int, n_groups: int) -> Measures:
    """What :meth:`EmbeddingValueLearner.train` measured, with the mean squared error that guessing the mean got."""
    p_value, is_better = values["p_value"], gain is None or gain.sign > 0
    learned = None if math.isnan(p_value) else bool(p_value <= 0.05 and is_better)
    lines = [f"Learned {n} examples ({n_groups} independent groups) with alpha {values['alpha']:.3g}."]
    if gain is not None:
        sure = "" if gain.too_few else f" ({gain.confidence:.0%} interval {gain.low:.3g} to {gain.high:.3g})"
        lines.append(
            f"On examples held out its mean squared error is {guessing - gain.estimate:.3g}, in squared units of the "
            f"score; guessing the mean gets {guessing:.3g}. The gain is {gain.estimate:.3g}{sure}."
        )
    # the R² of a handful of texts may be anything
    if math.isfinite(values["val_r2"]) and n_groups >= 5 * MIN_UNITS:
        order = f", rank correlation {values['val_spearman']:.2f}" if math.isfinite(values["val_spearman"]) else ""
        lines.append(
            f"Of the part held out for validation: R² {values['val_r2']:.2f} (1 is perfect, 0 no better than one "
            f"guess for all){order}; of what it learned from, R² {values['train_r2']:.2f}."
        )
    if learned is None:
        lines.append(f"Too few to say whether anything was learned: {n_groups} groups, {MIN_UNITS} are needed.")
        return Measures(values, "\n".join(lines), gain, learned)
    verdict = "As far as these examples say, nothing was learned that guessing the mean would not give."
    if p_value <= 0.05:
        better = "and predicts better" if is_better else "but cannot be said to predict better"
        verdict = "It has learned something" + ("." if gain is None else f", {better} than guessing the mean.")
    lines.append(f"Scores shuffled look as good in {p_value:.1%} of all tries. {verdict}")
    return Measures(values, "\n".join(lines), gain, learned)


def of_search(results: dict[float, float], best: float, guessing: float) -> Measures:
    """What :meth:`EmbeddingValueLearner.optimize_hyperparameters` found."""
    text = (
        f"Of {len(results)} alphas from {min(results):.3g} to {max(results):.3g}, {best:.3g} has the smallest mean "
        f"squared error on examples held out, {results[best]:.3g}; guessing the mean gets {guessing:.3g}. "
    )
    flatters = "As the best of several it flatters: train() measures anew, and says whether anything was learned."
    nothing = "No alpha is better than guessing the mean."
    values = {"best_alpha": best, "best_mse": results[best], "results": results}
    return Measures(values, text + (flatters if results[best] < guessing else nothing))
