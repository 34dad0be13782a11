"""From measurements to a decision: constraints in, a ranked shortlist out, with reasons and with what is not known.

What was measured on your texts and what others published are kept apart throughout: a published mean says how a model
did on other people's texts.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from course_utils.embedding import CATALOG, ModelCard
from course_utils.measuring.metrics import Interval


@cache
def _published() -> dict:
    return tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))


def published_scores() -> pd.DataFrame:
    """Scores that others published: one row a model, with ``mean_task``, ``retrieval`` and ``sts``, from 0 to 100.

    ``.attrs["benchmark"]`` names the benchmark with its version, ``.attrs["source"]`` where the numbers were read.
    """
    table = pd.DataFrame(_published()["score"]).set_index("model")
    table.attrs = {name: _published()[name] for name in ("benchmark", "source")}
    return table


def stay_or_upgrade(recall_at_1: Interval, threshold: float = 0.8) -> str:
    """Apply the rule "stay with the small model while recall@1 on your own questions is at least ``threshold``".

    Parameters
    ----------
    recall_at_1 : with its interval, as :func:`~course_utils.measuring.benchmark.summarize` or
        :func:`~course_utils.measuring.bootstrap_interval` gives it.

    Returns
    -------
    ``"stay"`` if the whole interval reaches the threshold, ``"upgrade or fine-tune"`` if none of it does, else
    ``"undecided"``: then more questions are needed, not another model.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold={threshold} must be above 0 and at most 1: it is a share of questions.")
    if recall_at_1.low >= threshold:
        return "stay"
    return "upgrade or fine-tune" if recall_at_1.high < threshold else "undecided"


def recommend(
    constraints: Mapping, *, measured: pd.DataFrame | None = None, cards: Mapping[str, ModelCard] | None = None
) -> pd.DataFrame:
    """Rank the models that meet, or may meet, all constraints.

    Parameters
    ----------
    constraints : any of these; what is left out does not matter.
        ``languages`` (list of ISO 639-3 codes that the texts are in), ``memory_mib`` (at most), ``ms_per_text`` (at
        most), ``max_tokens`` (texts are that long), ``licenses`` (list of those allowed, as the hub writes them),
        ``instructions`` (True: must follow an instruction in words).
    measured : index: names of models; any of the columns ``quality`` (larger is better), ``memory_mib`` and
        ``ms_per_text``, all from this machine and these texts.
    cards : what to choose from, by name. Default: the catalogue.

    Returns
    -------
    DataFrame indexed by model, best first, with ``verdict`` ("fits" or "may fit"), ``quality`` (measured),
    ``published`` (retrieval, see :func:`published_scores`), ``reasons`` and ``unknown``. Models that fit come before
    those that may, then measured ones by their quality before others, which come by their published score. What does
    not fit is in ``.attrs["rejected"]``: model to reason.

    Raises
    ------
    ValueError
        If a constraint is unknown or makes no sense, or if no model can meet all of them: then the message says on
        which constraint each model fails.
    """
    _check(constraints)
    cards = CATALOG if cards is None else cards
    measured = pd.DataFrame() if measured is None else measured
    scores = published_scores()["retrieval"]
    rows, rejected = [], {}
    for name, card in cards.items():
        mine = measured.loc[name] if name in measured.index else {}
        failed, met, unknown = [], [], []
        for constraint, wanted in constraints.items():
            verdict, words = _judge(constraint, wanted, card, mine)
            {True: met, False: failed, None: unknown}[verdict].append(words)
        if failed:
            rejected[name] = "; ".join(failed)
            continue
        quality = mine.get("quality", np.nan)
        rows.append(
            {
                "model": name,
                "verdict": "may fit" if unknown else "fits",
                "quality": quality,
                "published": scores.get(card.name, np.nan),
                "reasons": "; ".join(met),
                "unknown": "; ".join([*unknown, *(["quality on your texts"] if np.isnan(quality) else [])]),
            }
        )
    if not rows:
        reasons = "".join(f"\n- {name}: {reason}" for name, reason in rejected.items())
        raise ValueError(f"No model meets all constraints. Loosen one:{reasons}")
    table = pd.DataFrame(rows).sort_values(
        ["verdict", "quality", "published"], ascending=[True, False, False], na_position="last", kind="stable"
    )
    table = table.set_index("model")
    table.attrs["rejected"] = rejected
    return table


_LIMITS = {"memory_mib": "MiB", "ms_per_text": "ms a text", "max_tokens": "tokens"}
_LISTS = ("languages", "licenses")


def _check(constraints: Mapping) -> None:
    for name, wanted in constraints.items():
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


def _judge(name: str, wanted, card: ModelCard, measured) -> tuple[bool | None, str]:
    """Say whether a model meets one constraint (None: not known), and why."""
    if name == "languages":
        missing = sorted(set(wanted) - set(card.languages))
        if not card.languages:
            return None, "languages"
        if missing and "mul" in card.languages:
            return None, f"whether {', '.join(missing)} is among its many languages"
        return (
            (False, f"made for {', '.join(card.languages)}, not {', '.join(missing)}")
            if missing
            else (True, f"made for {', '.join(wanted)}")
        )
    if name == "licenses":
        return (None, "licence") if not card.license else (card.license in wanted, f"licence {card.license}")
    if name == "max_tokens":
        return card.max_tokens >= wanted, f"reads {card.max_tokens:,.0f} tokens"
    if name == "instructions":
        taught = bool(card.instruction_prompt)
        return taught, "follows instructions" if taught else "was not trained to follow instructions"
    value = measured.get(name, np.nan)
    if not np.isnan(value):
        return bool(value <= wanted), f"{value:,.3g} {_LIMITS[name]} measured"
    # the weights alone have to fit, whatever else comes on top; 1 MiB is 1.05 MB
    weights = card.download_mb * 1e6 / 2**20
    if name == "memory_mib" and weights > wanted:
        return False, f"its weights alone are {weights:,.0f} MiB"
    return None, f"{name} on this machine"
