"""The page of a comparison, read from top to bottom: problem, signal, model, decision, recommendation."""

from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from tippingpoint.comparison.decision import of_comparison
from tippingpoint.comparison.figures import Choices, calibration, heat, pairs, roc, surface
from tippingpoint.comparison.report import verdict_in_words
from tippingpoint.comparison.result import Comparison
from tippingpoint.comparison.treated import treated
from tippingpoint.config.retyped import retyped
from tippingpoint.core.overrides import override
from tippingpoint.core.run_reference import RunReference
from tippingpoint.evaluation.association import Association, associations
from tippingpoint.evaluation.calibration_bins import calibration_bins
from tippingpoint.experiment.report import about, beyond_the_log
from tippingpoint.experiment.score_effects import heterogeneity_in_words, shown
from tippingpoint.experiment.treated_figure import figure
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.reports.estimates import evidence_in_words, interval
from tippingpoint.reports.html import Figure, render
from tippingpoint.reports.palette import colour
from tippingpoint.reports.user_figures import WITH, WITHOUT, by_category, by_number

DRAWN, LISTED = 4, 30
"""Columns drawn and listed, those that tell most."""
AGREE = 3
"""Columns at the top of a ranking."""
INTEREST = 0.01
"""A difference in ROC AUC worth knowing of."""


def page(comparison: Comparison, choices: dict[str, Choices], filed: RunReference) -> str:
    """One HTML page, about 5 MB, that loads nothing from anywhere.

    Parameters
    ----------
    choices
        By family; empty for a policy without one or two cut-offs.
    """
    question = comparison.question
    users, kind, currency = question.users, question.evidence.kind, question.economics.currency
    unit = f"{currency} per user ({question.evidence.label})"
    rate = float(users.outcome.mean())
    found = associations(users)
    figures: dict[str, Figure] = {}

    def put(drawn: Figure) -> dict[str, Any]:
        key = f"f{len(figures)}"
        figures[key] = drawn
        return {"id": key, "height": drawn["layout"]["height"]}

    outcome, scores = question.parts.test.outcome, {c.family: c.score for c in comparison.candidates}
    shares, board, by_share = importance(comparison), _board(comparison), treated(comparison)
    context = {
        "comparison": comparison,
        "question": question,
        "contract": users.contract,
        "evidence": evidence_in_words(kind, question.evidence.vetoed),
        "findings": comparison.findings,
        "lines": [line.plain for line in about(question)],
        "rate": rate,
        "unit": unit,
        "named": METRICS,
        "decision": of_comparison(comparison, filed),
        "verdict": verdict_in_words(comparison),
        "beyond": beyond_the_log(comparison.values, len(comparison.candidates)),
        "sides": {f"not {users.contract.outcome}": WITHOUT, users.contract.outcome: WITH},
        "columns": found[:LISTED],
        "unlisted": max(len(found) - LISTED, 0),
        "signal": [{"of": a, **put(_alone(a, comparison, rate))} for a in found[:DRAWN]],
        "board": board,
        "span": _span([row["uplift"] for row in board if row["uplift"] is not None]),
        "colours": {c.family: colour(c.family) for c in comparison.candidates},
        "pairs": {name: {"verdicts": of, **put(drawn)} for name, of, drawn in _pairs(comparison, unit)},
        "roc": put(roc({c.family: c.evaluation.curves.roc for c in comparison.candidates})),
        "calibration": put(calibration(calibration_bins(outcome, scores))),
        "shares": shares,
        "shap": put(heat(shares, users.contract)),
        "agreed": agreement(shares.rename(index=users.contract.label)),
        "surface": [{"name": name, **put(drawn)} for name, drawn in surface(choices, comparison, unit).items()],
        "treated": {"verdict": by_share.verdict, **put(figure(by_share))},
        "along": _along(comparison),
        "gain": f"uplift_per_user_{kind}",
        "inf": np.inf,
        "steps": next_steps(comparison, filed),
        "registered": filed.registered,
    }
    return render("compare.html.j2", figures, **context)


METRICS = {"roc_auc": "ROC AUC", "pr_auc": "PR AUC", "log_loss": "log loss", "brier": "Brier score", "value": "value"}
"""What people read of the metrics that winners are chosen by."""


def _pairs(comparison: Comparison, unit: str) -> list[tuple[str, list[Any], Figure]]:
    """What pairs are compared by, their verdicts, and the figure of them."""
    each = (
        ("ROC AUC", comparison.auc, "difference in ROC AUC"),
        ("Policy uplift", comparison.shown_uplift, f"difference, {unit}"),
    )
    return [(name, of, pairs(of, what)) for name, of, what in each if of]


def _along(comparison: Comparison) -> list[dict[str, Any]]:
    """By candidate, whether effects differ along its score, and those of its groups."""
    wanted = comparison.question.wanted
    return [
        {"words": heterogeneity_in_words(c.heterogeneity, c.family, wanted), "groups": shown(c.score_groups, wanted)}
        for c in comparison.candidates
        if len(c.score_groups)
    ]


def readable(comparison: Comparison) -> dict[str, pd.DataFrame]:
    """Leaderboard and verdicts as text with intervals; the UI compares what stands in the second column first."""
    question = comparison.question
    kind, currency, outcome = question.evidence.kind, question.economics.currency, question.users.contract.outcome
    heads = {
        "roc_auc": ("ROC AUC", 3),
        "uplift": (f"uplift, {currency} per user ({kind})", 3),
        "per_1000": (f"{outcome} per 1,000 ({kind})", 1),
        "pr_auc": ("PR AUC", 3),
        "log_loss": ("log loss", 4),
        "calibration_slope": ("calibration slope", 2),
        "validation": (f"{METRICS[question.select_by]} on validation", 3),
    }
    board = [
        {"model": row["model"]}
        | {head: interval(row[name], digits) if row[name] else "" for name, (head, digits) in heads.items()}
        for row in _board(comparison)
    ]
    measures = {"ROC AUC": comparison.auc, f"{currency} per user ({kind})": comparison.uplift}
    told = [
        {
            "first − second": f"{v.first} − {v.second}: {measure}",
            "first is": v.verdict,
            "difference": interval(v.difference, 4),
        }
        for measure, verdicts in measures.items()
        for v in verdicts
    ]
    return {"leaderboard": pd.DataFrame(board)} | ({"verdicts": pd.DataFrame(told)} if told else {})


def importance(comparison: Comparison) -> pd.DataFrame:
    """Share of all mean |SHAP| that each column has in each family, columns by their mean share."""
    shares = {}
    for candidate in comparison.candidates:
        of = candidate.explanation.importance().set_index("feature")["mean_abs_shap"]
        shares[candidate.family] = of / (of.sum() or 1.0)
    table = pd.DataFrame(shares)
    return table.loc[table.mean(axis=1).sort_values(ascending=False, kind="stable").index]


def agreement(shares: pd.DataFrame) -> list[str]:
    """What families agree on, in words; nothing where there is but one family or column."""
    if shares.shape[1] < 2 or len(shares) < 2:
        return []
    told = []
    taus = [kendalltau(shares[a], shares[b]).statistic for a, b in combinations(shares.columns, 2)]
    if np.isfinite(taus).all():
        lowest = f", the lowest {min(taus):.2f}" if len(taus) > 1 else ""
        told.append(f"Their rankings of the {len(shares)} columns agree with a mean Kendall tau of"
                    f" {np.mean(taus):.2f}{lowest} (1: the same order; 0: none in common).")  # fmt: skip
    tops = [set(shares[family].nlargest(AGREE).index) for family in shares]
    common = [str(name) for name in shares.index if all(name in top for top in tops)]
    top = min(AGREE, len(shares))
    told.append(f"Among the {top} columns that move the score most in every family: {', '.join(common)}."
                if common else f"No column is among the {top} that move the score most in every family.")  # fmt: skip
    return told


def next_steps(comparison: Comparison, filed: RunReference) -> list[tuple[str, str]]:
    """What to do, and the line to type for it; only lines that there are."""
    question, winner = comparison.question, comparison.winner
    again = f"tippingpoint simulate {override('models', [filed.run_id])}"
    if question.evidence.measured:
        better = "Look for better cut-offs, chosen on validation and valued on test, and for what other prices or a"
        steps = [(f"{better} budget would change.", again)]
    elif question.evidence.vetoed:
        codes = ", ".join(question.evidence.vetoed)
        why = f"Intervals are vetoed ({codes}). Correct what section 1 names, and compare again."
        steps = [(why, f"tippingpoint diagnostics {question.evidence.vetoed[0]}")]
    else:
        lots = "What the actions do is assumed. Give them to users drawn by lot, log who got what, and compare again"
        line = "tippingpoint compare data=csv data.path=… data.action=… data.logging_probability=…"
        steps = [
            (f"{lots} with the log: then the uplift has an interval, and families can be told apart in money.", line),
            ("Until then, see at which prices and responses each action pays.", again),
        ]
    if idle := next((finding.said for finding in winner.findings if finding.code == "TP401"), ""):
        line = f"tippingpoint compare {retyped(question.config, ('data', 'economics', 'split', 'evidence'))}".rstrip()
        line += " policy=top_fraction"
        steps.insert(0, (f"{idle} Take a share of the users instead, or other cut-offs.", line))
    elif empty := winner.segments.loc[winner.segments["users"] == 0, "segment"].tolist():
        nobody = f"Nobody on test reaches {' or '.join(map(str, empty))} with {winner.family}: try other cut-offs."
        learners = f" learner=[{','.join(question.config['learner'])}]" if question.learners else ""
        line = f"tippingpoint compare {retyped(question.config)}{learners}".rstrip()
        steps.append((nobody, f"{line} policy.cuts='[…]' policy.version=…"))
    users = len(question.parts.test)
    untold = [v.users_needed(INTEREST) for v in comparison.auc if v.verdict == "inconclusive"]
    if (needed := max((n for n in untold if n is not None), default=0)) > users:
        to_tell = (
            f"To tell {INTEREST} of ROC AUC between families that cannot be told apart, about {needed:,} test users"
        )
        steps.append((f"{to_tell} are needed; there are {users:,}.", ""))
    if question.families[winner.family].search:
        line = f"tippingpoint tune {retyped(question.config)}".rstrip()
        of = question.learners.get(winner.family)
        line += f" model={of.family} learner={of.learner}" if of else f" model={winner.family}"
        line += " tune.trials=200"
        steps.append((f"See whether tuning {winner.family} gains more than chance, on the same data and prices.", line))
    return steps


def _alone(association: Association, comparison: Comparison, rate: float) -> Figure:
    users = comparison.question.users
    return by_number(association, users, rate, 380) if association.kind == "number" else by_category(association, rate)


def _board(comparison: Comparison) -> list[dict[str, Any]]:
    """Rows of the leaderboard as estimates by name; what a row lacks is None."""
    table = comparison.leaderboard()
    rows = []
    for row in table.to_dict("records"):

        def of(name: str, row: dict[Any, Any] = row) -> Estimate | None:
            ends = [row.get(f"{name}{end}") for end in ("", "_low", "_high")]
            value, low, high = (None if v is None or pd.isna(v) else float(v) for v in ends)
            return None if value is None else Estimate(value, None, low, high)

        kind = comparison.question.evidence.kind
        rows.append(
            {
                "model": row["model"],
                "validation": of(f"validation/{comparison.question.select_by}"),
                **{name: of(f"test/{name}") for name in ("roc_auc", "pr_auc", "log_loss", "calibration_slope")},
                "per_1000": of(f"policy/{kind}/uplift_per_1000"),
                "uplift": of(f"policy/{kind}/uplift_per_user"),
            }
        )
    return rows


def _span(estimates: list[Estimate]) -> tuple[float, float]:
    values = [v for e in estimates for v in asdict(e).values() if v is not None]
    return min(0.0, *values), max(0.0, *values)
