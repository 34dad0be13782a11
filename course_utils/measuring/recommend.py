"""From measurements to a decision: constraints in, a ranked shortlist out, with reasons and with what is not known.

What was measured on your texts and what others published are kept apart throughout: a published mean says how a model
did on other people's texts.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from course_utils.embedding import CATALOG, ModelCard, UnknownModelError, find_model
from course_utils.measuring.intervals import Interval, mean_interval, questions_needed


def published_scores() -> pd.DataFrame:
    """Scores that others published.

    Returns
    -------
    DataFrame
        Indexed by model, with ``mean_task``, ``retrieval`` and ``sts``, from 0 to 100, and ``family`` (models that were
        made in the same way, at several sizes), ``n_parameters`` and ``embed_dim`` of their cards.
        ``.attrs["benchmark"]`` names the benchmark with its version, ``.attrs["source"]`` where the numbers were read.

    Examples
    --------
    >>> from course_utils.measuring import recommend
    >>> float(recommend.published_scores().loc["sentence-transformers/all-MiniLM-L6-v2", "retrieval"])
    42.92
    >>> published = recommend.published_scores()
    >>> bge = published[published["family"] == "bge-en-v1.5"].sort_values("n_parameters")["retrieval"]  # other size
    >>> peers = published[published["embed_dim"] == 384]["retrieval"]  # same size, other family
    >>> print(f"{bge.iloc[-1] / bge.iloc[0] - 1:+.1%} and {peers.max() / peers.min() - 1:+.1%}")
    +2.9% and +25.5%
    """
    published = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))
    sizes = {name: {"n_parameters": card.n_parameters, "embed_dim": card.embed_dim} for name, card in CATALOG.items()}
    table = pd.DataFrame([sizes.get(each["model"], {}) | each for each in published.pop("score")]).set_index("model")
    table.attrs = published
    return table[["family", "n_parameters", "embed_dim", "mean_task", "retrieval", "sts"]]


def stay_or_upgrade(recall_at_1: Interval, unit: str = "questions") -> str:
    """Apply the rule "stay with the small model while recall@1 on your own questions is at least 0.8".

    Parameters
    ----------
    recall_at_1 : Interval
        As :func:`~course_utils.measuring.mean_interval` gives it, from questions that are independent or grouped.
    unit : str, default "questions"
        What is independent: of grouped questions what they are grouped by, such as "documents".

    Returns
    -------
    str
        ``"stay"`` if the whole interval reaches the threshold, ``"upgrade or fine-tune"`` if none of it does, else
        ``"undecided"`` or, from a handful of questions, ``"too few to say"``: then more questions are needed, not
        another model, and it says how many it takes until the interval is expected to be clear of the threshold (see
        :func:`~course_utils.measuring.intervals.questions_needed`); about every second sample of that size decides.

    Examples
    --------
    >>> from course_utils.measuring import Interval, recommend
    >>> recommend.stay_or_upgrade(Interval(0.9, 0.79, 0.95))
    'undecided'
    >>> recommend.stay_or_upgrade(Interval(1.0, 0.29, 1.0, n=3))
    'too few to say: 3 independent questions; about 17 might do, and twice as many should, if the share stays at 1.00'
    """
    if not recall_at_1.too_few and recall_at_1.low >= 0.8:
        return "stay"
    if not recall_at_1.too_few and recall_at_1.high < 0.8:
        return "upgrade or fine-tune"
    if recall_at_1.n is None:
        return "undecided"
    gap, share = abs(recall_at_1.estimate - 0.8), recall_at_1.estimate
    enough = questions_needed(max(gap, 0.01), share, confidence=recall_at_1.confidence)
    # shares of groups, or weighted ones, spread less than single hits do, and fewer of them suffice
    hits = mean_interval(np.arange(recall_at_1.n) < round(share * recall_at_1.n), confidence=recall_at_1.confidence)
    narrower = (recall_at_1.high - recall_at_1.low) / (hits.high - hits.low)
    narrower = 1.0 if recall_at_1.too_few else min(narrower, 1.0)
    needed = f"{'about' if gap >= 0.01 else 'more than'} {max(round(enough * narrower**2), recall_at_1.n + 1):,}"
    outcome = "too few to say" if recall_at_1.too_few else "undecided"
    needed += f" might do, and twice as many should, if the share stays at {share:.2f}"
    return f"{outcome}: {recall_at_1.n} independent {unit}; {needed}"


def recommend(
    constraints: Mapping, *, measured: pd.DataFrame | None = None, cards: Mapping[str, ModelCard] | None = None
) -> pd.DataFrame:
    """Rank the models that meet, or may meet, all constraints.

    Parameters
    ----------
    constraints : mapping
        Any of these; what is left out does not matter. ``quality`` (at least), ``languages`` (list of ISO 639-3 codes
        that the texts are in), ``memory_mib`` (at most), ``ms_per_text`` (at most), ``max_tokens`` (texts are that
        long), ``licenses`` (list of those allowed, as the hub writes them), ``instructions`` (True: must follow an
        instruction in words).
    measured : DataFrame, optional
        Index: names of contenders; any of the columns ``quality`` (larger is better), ``low`` and ``high`` (its
        interval), ``memory_mib`` and ``ms_per_text``, all from this machine and these texts.
    cards : mapping of str to ModelCard, optional
        What to choose from, by name, besides what was measured. Default: the catalogue. A measured name without a card
        here has that of the catalogue (the last part of a hub name will do), or none: then what only a card says is
        not known, but for ``BM25``, ``TF-IDF`` and ``random``, which are no models.

    Returns
    -------
    DataFrame
        Indexed by model, best first, with ``verdict`` ("fits" or "may fit"), ``quality`` (measured), ``published``
        (retrieval, see :func:`published_scores`), ``reasons`` and ``unknown``. Models that fit come before those that
        may, then measured ones by their quality before others, which come by their published score. A quality whose
        interval holds the limit is not known to reach it. What does not fit is in ``.attrs["rejected"]``: model to
        reason. ``.attrs["outcome"]`` says how many fit and may. To show a table whole, see
        :func:`course_utils.teaching.say.table`.

    Raises
    ------
    ValueError
        If a constraint is unknown or makes no sense, or if no model can meet all of them: then the message says on
        which constraint each model fails.

    Examples
    --------
    >>> import pandas as pd
    >>> from course_utils.measuring import recommend
    >>> shortlist = recommend.recommend({"max_tokens": 8000, "licenses": ["mit", "apache-2.0"], "instructions": True})
    >>> shortlist.index[0], shortlist["reasons"].iloc[0]
    ('Qwen/Qwen3-Embedding-8B', 'reads 32,768 tokens; licence apache-2.0; follows instructions')
    >>> measured = pd.DataFrame({"quality": [0.72], "low": [0.59], "high": [0.84]}, index=["BM25"])
    >>> found = recommend.recommend({"quality": 0.8}, measured=measured, cards={})
    >>> found.attrs["outcome"], found["unknown"].iloc[0]
    ('nothing is known to fit; 1 may', 'whether quality 0.72 (0.59 to 0.84) reaches 0.8')
    """
    for name, wanted in constraints.items():
        _check(name, wanted)
    cards = dict(CATALOG if cards is None else cards)
    measured_here = {} if measured is None else measured.to_dict("index")
    published = published_scores()["retrieval"]
    candidates: dict[str, ModelCard | None] = dict(cards)
    for name in (name for name in measured_here if name not in cards):
        candidates[name] = card = _card_of(name)
        if card is not None and card.name != name:
            candidates.pop(card.name, None)  # the same model under its full name
    rows, rejected = [], {}
    for name, card in candidates.items():
        values = measured_here.get(name, {})
        said: dict[bool | None, list[str]] = {True: [], False: [], None: []}
        for constraint, wanted in constraints.items():
            is_met, words = _judge(constraint, wanted, card, values)
            said[is_met].append(words)
        if said[False]:
            rejected[name] = "; ".join(said[False])
            continue
        quality = values.get("quality", np.nan)
        verdict = "may fit" if said[None] else "fits"
        unknown = dict.fromkeys(said[None] + (["quality on your texts"] if np.isnan(quality) else []))
        score = published.get(card.name, np.nan) if card else np.nan
        rows.append((name, verdict, quality, score, "; ".join(said[True]), "; ".join(unknown)))
    if not rows:
        reasons = "".join(f"\n- {name}: {reason}" for name, reason in rejected.items())
        raise ValueError(f"No model meets all constraints. Loosen one:{reasons}")
    table = pd.DataFrame(rows, columns=["model", "verdict", "quality", "published", "reasons", "unknown"])
    table = table.set_index("model")
    table = table.sort_values(["verdict", "quality", "published"], ascending=[True, False, False], kind="stable")
    n_fit, n_may = (int((table["verdict"] == verdict).sum()) for verdict in ("fits", "may fit"))
    outcome = f"{n_fit} known to fit" if n_fit else "nothing is known to fit"
    table.attrs = {"rejected": rejected, "outcome": f"{outcome}; {n_may} may"}
    return table


_LIMITS = {"quality": "units of what was measured"}
_LIMITS |= {"memory_mib": "MiB", "ms_per_text": "ms a text", "max_tokens": "tokens"}
_LISTS = ("languages", "licenses")
_NO_MODEL = {"languages": "language", "licenses": "licence", "max_tokens": "length", "instructions": "instruction"}


def _card_of(name: str) -> ModelCard | None:
    """The catalogue's card, one without parameters for what is no model, or None."""
    if name.lower() in ("random", "tf-idf", "bm25"):
        return ModelCard(name, n_parameters=0, embed_dim=0, max_tokens=0)
    try:
        return find_model(name)
    except UnknownModelError:
        return None


def _check(name: str, wanted) -> None:
    if name in _LIMITS:
        if isinstance(wanted, bool) or not isinstance(wanted, (int, float)) or not 0 < wanted < np.inf:
            raise ValueError(f"{name}={wanted!r} must be a number above 0, in {_LIMITS[name]}.")
    elif name in _LISTS:
        if isinstance(wanted, str) or not wanted or not all(isinstance(item, str) for item in wanted):
            raise ValueError(f"{name}={wanted!r} must be a list of one or more names. To allow any, leave it out.")
        if name == "languages" and not all(len(code) == 3 and code.islower() for code in wanted):
            raise ValueError(f"languages={wanted!r} must be ISO 639-3 codes: 'eng', not 'en' or 'English'.")
    elif name != "instructions":
        known = ", ".join([*_LISTS, *_LIMITS, "instructions"])
        raise ValueError(f"There is no constraint {name!r}. There are {known}.")
    elif wanted is not True:
        raise ValueError(f"instructions={wanted!r} must be True. If they are not needed, leave it out.")


def _judge(name: str, wanted, card: ModelCard | None, measured: Mapping[str, float]) -> tuple[bool | None, str]:
    """Say whether a contender meets one constraint (None: not known), and why."""
    value = measured.get(name, np.nan)
    if name == "quality":
        low, high = (measured.get(end, value) for end in ("low", "high"))
        if np.isnan(value):
            return None, "quality on your texts"
        words = f"quality {value:.2f}" + (f" ({low:.2f} to {high:.2f})" if low < high else "")
        if not (low >= wanted or high < wanted):
            return None, f"whether {words} reaches {wanted:g}"
        return bool(low >= wanted), f"{words} measured"
    if not np.isnan(value):
        return bool(value <= wanted), f"{value:,.3g} {_LIMITS[name]} measured"
    # the weights alone have to fit, whatever else comes on top; 1 MiB is 1.05 MB
    weights = card.download_mb * 1e6 / 2**20 if card else 0
    if name == "memory_mib" and weights > wanted:
        return False, f"its weights alone are {weights:,.0f} MiB"
    if name in _NO_MODEL and card:
        return _judge_card(name, wanted, card)
    return None, _NO_MODEL.get(name, f"{name} on this machine")


def _judge_card(name: str, wanted, card: ModelCard) -> tuple[bool | None, str]:
    if not card.n_parameters:
        return name != "instructions", f"no model, so {'no' if name == 'instructions' else 'any'} {_NO_MODEL[name]}"
    if name == "languages":
        missing = ", ".join(sorted(set(wanted) - set(card.languages)))
        if not card.languages:
            return None, "languages"
        if not missing:
            return True, f"made for {', '.join(wanted)}"
        if "mul" in card.languages:
            return None, f"whether {missing} is among its many languages"
        return False, f"not made for {missing}"
    if name == "licenses":
        return (card.license in wanted, f"licence {card.license}") if card.license else (None, "licence")
    if name == "max_tokens":
        limit = "texts of any length" if card.max_tokens == np.inf else f"{card.max_tokens:,} tokens"
        return card.max_tokens >= wanted, f"reads {limit}"
    words = "follows instructions" if card.instruction_prompt else "was not trained to follow instructions"
    return bool(card.instruction_prompt), words
