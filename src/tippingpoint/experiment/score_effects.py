"""What scores say of the actions' effects: whether these differ along a score, by groups of it, and its ranking."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.data.model_output import effects
from tippingpoint.offpolicy.effect_line import direction, effect_line
from tippingpoint.offpolicy.evidence import Evidence
from tippingpoint.offpolicy.ranking import autoc, qini, uplift_at
from tippingpoint.offpolicy.score_groups import score_groups
from tippingpoint.offpolicy.statistics import Estimate, together, units
from tippingpoint.offpolicy.support import Basis
from tippingpoint.reports.estimates import interval

AREAS = autoc, qini
ByAction = Mapping[str, Mapping[str, np.ndarray]]
"""By model and action the (n,) numbers that rank users for it: the effect in wanted outcomes where the model predicts
it, else the score."""
SHARES = (0.1, 0.2, 0.3, 0.5)
"""Of users, for uplift@k."""
EFFECT = "reward model's effect"
"""The targeting rule that no score is: whom the reward model expects an action to move most first."""
WORDS = {
    "rises": "rises with it",
    "falls": "falls with it",
    "inconclusive": "is not shown to differ along it: nothing says that a cut-off beats everyone or none",
}


def ranks_by(
    found: np.ndarray, model: tuple[str, ...] | None, actions: tuple[str, ...], good: bool
) -> Mapping[str, np.ndarray]:
    """By action what ranks users for it, of what a model gives; `model` are the actions whose effects it predicts."""
    if found.ndim == 1 or model is None:
        return dict.fromkeys(actions, found)
    return dict(zip(model, effects(found).T * (1 if good else -1), strict=True))


def ranking(
    scores: ByAction,
    predicted_effect: np.ndarray | None,
    evidence: Evidence,
    actions: tuple[str, ...],
    good: bool,
) -> pd.DataFrame:
    """How well each score, and the effect the reward model predicts, rank users for each action.

    Parameters
    ----------
    predicted_effect
        (n, K) outcomes under each action less those under none, as the reward model predicts them; None where there is
        no reward model.

    Returns
    -------
    table
        Effects in wanted outcomes per user; z is value / SE, which is far from 0 where the ranking says something.
        `autoc_over` and `qini_over` a score are what the reward model's effect has over it, user by user.
    """
    rows, over = [], []
    for k, action, effect, _ in _effects(evidence, actions, good):
        group, predicted = evidence.group, None if predicted_effect is None else predicted_effect[:, k]
        rules = _rules(scores, action, predicted, good)
        for rule, score in rules.items():
            found: dict[str, Estimate] = {"autoc": autoc(score, effect, group), "qini": qini(score, effect, group)}
            found |= {f"uplift_at_{share:.0%}": uplift_at(share, score, effect, group) for share in SHARES}
            rows += [_row(rule, action, name, e, evidence) for name, e in found.items()]
        for other in rules if EFFECT in rules else ():
            if other == EFFECT:
                continue
            found = {f"{of.__name__}_over {other}": of(rules[EFFECT], effect, group, rules[other]) for of in AREAS}
            over += [_row(EFFECT, action, name, e, evidence) for name, e in found.items()]
    return pd.DataFrame(rows + over)


def _rules(scores: ByAction, action: str, predicted: np.ndarray | None, good: bool) -> dict[str, np.ndarray]:
    """What ranks users for an action, by model, and the effect that the reward model predicts, in wanted outcomes."""
    rules = {model: of[action] for model, of in scores.items() if action in of}
    return rules if predicted is None else rules | {EFFECT: predicted * (1 if good else -1)}


def _row(rule: str, action: str, measure: str, estimate: Estimate, evidence: Evidence) -> dict[str, Any]:
    e = estimate if evidence.measured else Estimate(estimate.value)
    ends = {"value": e.value, "se": e.se, "low": e.low, "high": e.high, "z": e.value / e.se if e.se else None}
    return {"rule": rule, "action": action, "measure": measure, "evidence": evidence.kind, **ends}


def along_scores(
    scores: ByAction,
    predicted_effect: np.ndarray | None,
    evidence: Evidence,
    actions: tuple[str, ...],
    good: bool,
    predicts: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Whether effects differ along each score, and the effect in groups of users sorted by it; nothing of `assumed`.

    Parameters as in `ranking`; `predicts` says that scores are effects, so that their level is theirs to get right.

    Returns
    -------
    heterogeneity, groups
        One row a rule and action: mean effect, its slope along the score with an interval that holds for all actions
        together, and the direction that both are told to have. One row a group, from low to high score, with intervals
        that hold for all groups of a row of the first together; where effects are told to rise or fall, also read as
        doing so throughout. Effects are in wanted outcomes per user.
    """
    lines, groups = [], []
    if not evidence.measured:
        return pd.DataFrame(), pd.DataFrame()
    z = together(len(actions) - 1)
    for k, action, effect, basis in _effects(evidence, actions, good):
        predicted = None if predicted_effect is None else predicted_effect[:, k]
        for rule, score in _rules(scores, action, predicted, good).items():
            about: dict[str, Any] = {"rule": rule, "action": action, "evidence": evidence.kind}
            line = effect_line(score, effect, evidence.group, basis)
            slope = line.slope.at(z)
            row = about | _ends("average", line.average) | _ends("slope", slope)
            row |= _ends("level", line.level if predicts or rule == EFFECT else Estimate(np.nan))
            of = score_groups(score, effect, group=evidence.group, basis=basis)
            lines.append(row | {"effect": direction(slope), "groups": of.direction})
            for g, e in enumerate(of.effects):
                ends = {"score_from": float(of.low[g]), "score_to": float(of.high[g])}
                read = of.monotone[g] if of.monotone else Estimate(np.nan)
                ends |= _ends("effect", e) | _ends("effect_monotone", read)
                groups.append(about | {"group": g + 1, "users": int(of.users[g])} | ends)
    return _shared(lines, ("level",)), _shared(groups, ("effect_monotone",))


def _shared(rows: list[dict[str, Any]], optional: tuple[str, ...]) -> pd.DataFrame:
    """Rows as a table, without optional columns that no row fills."""
    table = pd.DataFrame(rows)
    return table.drop(columns=[c for c in map(str, table) if c.startswith(optional) and table[c].isna().all()])


def shown(groups: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """Groups of one rule as people read them: per 1,000 users, with the evidence in the head."""
    if not len(groups):
        return groups
    each = groups[["action", "group", "users"]].copy()
    each["score"] = [f"{row.score_from:.3f} to {row.score_to:.3f}" for row in groups.itertuples()]
    head = f"uplift, {outcome} per 1,000 ({groups['evidence'].iloc[0]})"
    ends = groups[["effect", "effect_low", "effect_high"]].itertuples(index=False)
    each[head] = [interval(Estimate(v, None, *(None if e != e else e for e in of)).scaled(1000), 1) for v, *of in ends]
    return each


def heterogeneity_in_words(table: pd.DataFrame, rule: str, outcome: str) -> str:
    """Whether there is any heterogeneity along a score, in one sentence; empty where nothing is known."""
    rows = table[table["rule"] == rule].to_dict("records") if len(table) else []
    told: dict[str, list[str]] = {}
    for row in rows:
        ends = (None if row[end] != row[end] else row[end] for end in ("average_low", "average_high"))
        average = interval(Estimate(row["average"], None, *ends).scaled(1000), 1)
        told.setdefault(row["effect"], []).append(f"{row['action']} ({average} per 1,000 of all)")
    said = [f"that of {' and '.join(of)} {WORDS[way]}" for way, of in told.items()]
    head = f"Effect on {outcome} along the score of {rule}"
    return f"{head} ({rows[0]['evidence']}): {'; '.join(said)}." if said else ""


def _effects(
    evidence: Evidence, actions: tuple[str, ...], good: bool
) -> Iterator[tuple[int, str, np.ndarray, Basis | None]]:
    """Yield each action but none: its code, its name, (n,) effects in wanted outcomes, and what they rest on."""
    support, scores = evidence.support.get("phi"), evidence.outcome_scores
    for k, action in enumerate(actions[1:], start=1):
        weight = np.zeros(len(actions))
        weight[[0, k]] = (-1, 1) if good else (1, -1)
        apart = units(len(scores), evidence.group) / max(len(scores), 1)
        basis = None if support is None else support.behind(np.broadcast_to(weight, scores.shape), apart=apart)
        yield k, action, (scores[:, k] - scores[:, 0]) * (1 if good else -1), basis


def _ends(name: str, e: Estimate) -> dict[str, float]:
    ends = {"": e.value, "_low": e.low, "_high": e.high}
    return {f"{name}{end}": np.nan if value is None else float(value) for end, value in ends.items()}
