"""Side-by-side measurements of the value learner, as ratios to plain scikit-learn in the same run.

`python benchmarks/value_learner.py` writes value_learner.md (about a minute); `--quick` only prints, at tiny sizes.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before any import of huggingface_hub: the default model's weights are a package

import sys
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
from run import alternate, machine, markdown, with_quartiles, write_report
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupShuffleSplit

from course_utils.data import load_corpus
from course_utils.embedding import EmbeddingCache, load_embedder
from course_utils.learning import ALPHAS, EmbeddingValueLearner
from course_utils.learning.ridge import RidgeModel

FULL = {"sentences": 3708, "rounds": 5, "updates": 100, "ranked": 10_000, "growth": [1000, 2000, 4000, 8000]}
FULL["dims"] = [256, 512, 1024, 2048]
QUICK = {"sentences": 300, "rounds": 2, "updates": 10, "ranked": 200, "growth": [100, 200]}
QUICK["dims"] = [8, 16]


def choosing_alpha(sizes: dict, embedder, reviews) -> tuple[list[dict], str]:
    """Compare leave-one-out over 13 alphas with a grid search of five folds over the same, held-out reviews judging."""
    X, y = embedder.encode(reviews["text"]).astype(float), reviews["score"].to_numpy()
    train, held = next(GroupShuffleSplit(1, test_size=0.2, random_state=0).split(X, y, reviews["review"]))
    calls = {
        "`GridSearchCV(Ridge(), cv=5)`": lambda X, y: GridSearchCV(Ridge(), {"alpha": ALPHAS}, cv=5).fit(X, y),
        "leave-one-out, as `train` does it": lambda X, y: RidgeModel.fit(X, y, ALPHAS, np.arange(len(y))),
    }
    alternate(calls, 1, X[train], y[train])  # to warm up
    seconds, fitted = alternate(calls, sizes["rounds"], X[train], y[train])
    faster = seconds.iloc[:, 0] / seconds.iloc[:, 1]
    errors = {name: float(np.mean((model.predict(X[held]) - y[held]) ** 2)) for name, model in fitted.items()}
    rows = [
        {
            "choosing by": name,
            "times as fast": with_quartiles(seconds.iloc[:, 0] / seconds[name]),
            "ms": with_quartiles(seconds[name] * 1000),
            "held-out mean squared error": f"{errors[name]:.4f}",
        }
        for name in calls
    ]
    before, ours = errors.values()
    return rows, (
        f"{len(train):,} x {X.shape[1]}, {len(ALPHAS)} alphas, the same matrix. Aim: four times as fast at an equal or "
        f"better held-out error (within a thousandth). {reached(faster.median() >= 4 and ours <= before * 1.001)}"
    )


def updating(sizes: dict, embedder, reviews) -> tuple[list[dict], str]:
    """Compare one exact update with refitting scikit-learn's ridge on everything, vectors given in both cases."""
    X, y = embedder.encode(reviews["text"]).astype(float), reviews["score"].to_numpy()
    learner = EmbeddingValueLearner(embedder, ridge_alpha=1).fit(reviews["text"], y)
    calls = {
        "refitting with `Ridge`": lambda: Ridge(alpha=1).fit(X, y),
        "one update, as `partial_fit` does it": lambda: learner.model_.update(X[0], y[0]),
    }
    alternate(calls, 1)
    seconds, _ = alternate(calls, sizes["rounds"], repeats=max(3, sizes["updates"] // 10))
    base = seconds.iloc[:, 0]
    rows = [
        {
            "what": name,
            "times as fast": with_quartiles(base / seconds[name]),
            "ms": with_quartiles(seconds[name] * 1000),
        }
        for name in calls
    ]
    fast = (base / seconds.iloc[:, 1]).median()
    return rows, (f"{len(y):,} x {X.shape[1]}, embedding not counted. Aim: 20 times as fast. {reached(fast >= 20)}")


def ranking(sizes: dict, embedder, reviews, folder: Path) -> tuple[list[dict], str]:
    """Compare ranking texts whose vectors are cached with reading the vectors alone, and with the arithmetic alone."""
    cached = load_embedder(cache=EmbeddingCache(folder / "rank.sqlite"))
    generator = np.random.default_rng(0)
    texts = [f"{text} {i}" for i, text in enumerate(generator.choice(reviews["text"], sizes["ranked"]))]
    # vectors of the right shape are enough here: what they say does not change how long it takes
    cached.model.encode = lambda texts, **options: generator.normal(size=(len(texts), 384)).astype(np.float32)
    cached.encode(texts)
    learner = EmbeddingValueLearner(cached, ridge_alpha=1)
    learner.fit(texts[:100], generator.normal(size=100))
    vectors = cached.encode(texts).astype(float)
    calls = {
        "`encode` from the cache": lambda: cached.encode(texts),
        "`rank_texts`": lambda: learner.rank_texts(texts),
        "product and `argsort` alone": lambda: np.argsort(-(vectors @ learner.coef_)),
    }
    alternate(calls, 1)
    seconds, _ = alternate(calls, sizes["rounds"])
    rows = [
        {
            "what": name,
            "times as long": with_quartiles(seconds[name] / seconds.iloc[:, 0]),
            "ms": with_quartiles(seconds[name] * 1000),
        }
        for name in calls
    ]
    return rows, f"{len(texts):,} texts whose vectors are in the cache. Nearly all of ranking is reading."


def memory(sizes: dict) -> tuple[list[dict], str]:
    """Measure the memory that training takes at its peak and that a trained learner keeps, as texts grow."""
    rows = []
    for n in sizes["growth"]:
        generator = np.random.default_rng(0)
        X = generator.normal(size=(n, 384)).astype(np.float32)
        learner = EmbeddingValueLearner(ridge_alpha=1)
        learner.transform = lambda texts, X=X: X[: len(texts)]
        scores, texts = generator.normal(size=n), [f"a text of some forty characters, {i:08}" for i in range(n)]
        tracemalloc.start()
        learner.fit(texts, scores)
        kept, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        rows.append(
            {
                "texts": n,
                "kept, MiB": kept / 2**20,
                "peak of training, MiB": peak / 2**20,
                "peak, times the matrix in float64": peak / (n * 384 * 8),
            }
        )
    return rows, "384 dimensions; Python's and NumPy's memory as tracemalloc counts it, without the encoder."


def dimensions(sizes: dict) -> tuple[list[dict], str]:
    """Measure how training and one update grow with the dimensions of the vectors."""
    rows, n = [], sizes["dims"][-1]
    for dim in sizes["dims"]:
        X, y = np.random.default_rng(0).normal(size=(n, dim)), np.random.default_rng(1).normal(size=n)
        model = RidgeModel.fit(X, y, [1.0], np.arange(n))
        calls = {
            "training": lambda X=X, y=y: RidgeModel.fit(X, y, [1.0], np.arange(len(y))),
            "update": lambda model=model, X=X, y=y: model.update(X[0], y[0]),
        }
        seconds, _ = alternate(calls, 3, repeats=3)
        rows.append({"dimensions": dim} | {f"{name}, ms": with_quartiles(seconds[name] * 1000) for name in calls})
        rows[-1] |= {f"_{name}": float(seconds[name].median()) for name in calls}
    x = np.log(sizes["dims"])
    powers = {name: np.polyfit(x, np.log([row.pop(f"_{name}") for row in rows]), 1)[0] for name in calls}
    told = ", ".join(f"{name} {power:.1f}" for name, power in powers.items())
    return rows, f"{n:,} examples, one alpha. Time grows with the dimensions to the power of: {told}."


def reached(yes: bool) -> str:
    """Say whether an aim was reached."""
    return "Reached." if yes else "Not reached."


def main(sizes: dict) -> None:
    """Measure everything and write the page."""
    about, body, embedder = machine(), [], load_embedder()
    reviews = load_corpus("reviews").head(sizes["sentences"])
    with tempfile.TemporaryDirectory() as folder:
        for title, (rows, note) in {
            "Choosing alpha": choosing_alpha(sizes, embedder, reviews),
            "One more example": updating(sizes, embedder, reviews),
            "Ranking": ranking(sizes, embedder, reviews, Path(folder)),
            "Memory": memory(sizes),
            "Dimensions": dimensions(sizes),
        }.items():
            body.append(f"## {title}\n\n{markdown(rows)}\n\n{note}\n")
    write_report(__file__, "The value learner", about, "\n".join(body), keep=sizes is FULL)


if __name__ == "__main__":
    main(QUICK if "--quick" in sys.argv[1:] else FULL)
