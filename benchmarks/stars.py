"""Stars from 1 to 5: ridge against a plain ordinal model, both on the same vectors and held out by whole reviews.

`python benchmarks/stars.py` writes stars.md (about a minute), whose table docs/value_learner.md discusses; `--quick`
only prints, from fewer texts. The ordinal model is four
logistic regressions, "more than k stars?", whose probabilities add up to the expected stars; whole stars are where they
pass one half. Its C is chosen as ridge's alpha is: on groups of the training part left out.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before any import of huggingface_hub: the default model's weights are a package

import sys

import numpy as np
import pandas as pd
from run import machine, markdown, write_report
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, GroupShuffleSplit

from course_utils.data import load_corpus
from course_utils.embedding import load_embedder
from course_utils.learning import ALPHAS
from course_utils.learning.ridge import held_out_predictions
from course_utils.measuring import intervals

CS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
SIZES = (200, None)


def made_of(scores: pd.DataFrame) -> dict[str, np.ndarray]:
    """Stars of three kinds: the rounded mean of some twenty people, one person's, and as in shops, where most are 5."""
    mean, one = scores["score"].to_numpy(), scores["ratings"].map(lambda each: each[0]).to_numpy()
    return {
        "mean of people": np.clip(np.rint(mean / 2) + 3, 1, 5),
        "one person": np.clip(np.rint(one / 2) + 3, 1, 5),
        "most are 5": 1.0 + np.searchsorted(np.quantile(mean, [0.1, 0.17, 0.27, 0.45]), mean),
    }


def more_than(X: np.ndarray, stars: np.ndarray, new: np.ndarray, C: float) -> np.ndarray:
    """Probabilities of more than 1, 2, 3 and 4 stars, a row for each new text."""
    found = np.empty((len(new), 4))
    for k in range(1, 5):
        above = stars > k
        if above.all() or not above.any():
            found[:, k - 1] = above.mean()
        else:
            found[:, k - 1] = LogisticRegression(C=C, max_iter=2000).fit(X, above).predict_proba(new)[:, 1]
    return found


def chosen(X: np.ndarray, stars: np.ndarray, groups: np.ndarray) -> float:
    """The C with the smallest squared error of expected stars, on groups left out."""
    folds = list(GroupKFold(3, shuffle=True, random_state=0).split(X, stars, groups))

    def error(C: float) -> float:
        guesses = [1 + more_than(X[train], stars[train], X[held], C).sum(axis=1) - stars[held] for train, held in folds]
        return float(np.mean(np.concatenate(guesses) ** 2))

    return min(CS, key=error)


def compare(X: np.ndarray, stars: np.ndarray, groups: np.ndarray, n: int | None, confidence: float) -> dict[str, str]:
    """Measure guessing the mean, ridge and the ordinal model on a quarter of the groups; and ridge against ordinal."""
    train, held = next(GroupShuffleSplit(1, test_size=0.25, random_state=0).split(X, stars, groups))
    order = np.random.default_rng(0).permutation(groups.max() + 1)  # whole groups until there are n rows
    train = train[np.argsort(order[groups[train]], kind="stable")][:n]
    above = more_than(X[train], stars[train], X[held], chosen(X[train], stars[train], groups[train]))
    guesses = {
        "mean": np.full(len(held), stars[train].mean()),
        "ridge": held_out_predictions(X, stars, groups, (train, held), ALPHAS)[1],
        "ordinal": 1 + above.sum(axis=1),
    }
    whole = {name: np.clip(np.rint(guess), 1, 5) for name, guess in guesses.items()}
    whole["ordinal"] = 1 + (above > 0.5).sum(axis=1)
    how = {"groups": groups[held], "confidence": confidence}
    found = {}
    for what, off in {
        "squared error: mean, ridge, ordinal": {name: (each - stars[held]) ** 2 for name, each in guesses.items()},
        "whole stars off: mean, ridge, ordinal": {name: np.abs(each - stars[held]) for name, each in whole.items()},
    }.items():
        found[what] = ", ".join(f"{each.mean():.2f}" for each in off.values())
        found[f"less {what.split()[0]}"] = signed(intervals.difference_interval(off["ridge"], off["ordinal"], **how))
    one, other = (intervals.spearman_interval(stars[held], guesses[name], **how) for name in ("ridge", "ordinal"))
    more = intervals.spearman_interval(stars[held], guesses["ordinal"], minus=guesses["ridge"], **how)
    found["rank correlation: ridge, ordinal"] = f"{one.estimate:.2f}, {other.estimate:.2f}"
    return found | {"more": signed(more)}


def signed(gain: intervals.Interval) -> str:
    """Write what the ordinal model gains, with its interval, and a star where that is above zero."""
    return f"{gain.estimate:+.2f} ({gain.low:+.2f} to {gain.high:+.2f})" + " ★" * (gain.sign > 0)


def main() -> None:
    """Measure all kinds of stars and write the page."""
    embedder, rows, quick = load_embedder(), [], "--quick" in sys.argv[1:]
    about = machine()
    confidence = 1 - 0.05 / (3 * 12)  # all intervals of the table hold together
    for corpus in ("reviews", "tweets"):
        scored = load_corpus(corpus).head(400 if quick else None)
        X, groups = embedder.encode(scored["text"]).astype(float), pd.factorize(scored["review"])[0]
        for kind, stars in made_of(scored).items():
            for n in SIZES[: 1 if quick else None]:
                case = {"texts": corpus, "stars": kind, "learned from": n or "all others"}
                rows.append(case | compare(X, stars, groups, n, confidence))
    note = "Held out by whole reviews. In brackets: intervals that hold together; a star where one is above zero.\n\n"
    write_report(__file__, "Stars", about, f"{note}{markdown(rows)}\n", keep=not quick)


if __name__ == "__main__":
    main()
