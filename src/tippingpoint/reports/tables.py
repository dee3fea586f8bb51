"""What the terminal shows at the end of a job."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tippingpoint.association import Association
from tippingpoint.compared import Comparison
from tippingpoint.data.users import Users
from tippingpoint.filed import Filed
from tippingpoint.findings import Candidate, Question
from tippingpoint.reports.idle import TO_TYPE, idle
from tippingpoint.reports.plain import plain_table
from tippingpoint.simulation.contest import Verdict
from tippingpoint.simulation.statistics import Estimate

SHOWN = 12
"""Columns listed."""
NAME = 24
"""Characters of a baseline's name."""
EVIDENCE = {
    "truth": "truth, known because the users are generated",
    "experiment": "measured in an experiment with known chances of each action",
    "logged": "estimated from logged actions whose chances are not known",
    "assumed": "assumed, not measured; it rests on economics.actions.*.assumed_response",
}


def compare_summary(comparison: Comparison, filed: Filed) -> RenderableType:
    """A comparison on one screen."""
    question = comparison.question
    table = plain_table(
        f"Best first by {question.select_by} on validation; {question.policy.name} on test",
        ["model", "ROC AUC", "log\nloss", "calib.\nslope", *uplift_heads(question), "fit\ns"],
    )
    for candidate in comparison.candidates:
        table.add_row(
            candidate.family,
            stacked(candidate.metrics["roc_auc"], 3),
            f"{candidate.metrics['log_loss'].value:.4f}",
            f"{candidate.metrics['calibration_slope'].value:.2f}",
            stacked(candidate.value.outcomes_per_1000, 1, plus=True),
            stacked(candidate.value.uplift, 3, plus=True),
            f"{candidate.seconds['fit']:.1f}",
            style="bold" if candidate is comparison.winner else "",
        )
    for baseline in question.baselines:
        table.add_row(
            Text(baseline.name if len(baseline.name) <= NAME else f"{baseline.name[: NAME - 1]}…"),
            stacked(baseline.metrics["roc_auc"], 3),
            f"{baseline.metrics['log_loss'].value:.4f}",
            "",
            stacked(baseline.value.outcomes_per_1000, 1, plus=True),
            stacked(baseline.value.uplift, 3, plus=True),
            "",
            style="dim",
        )
    return Group(
        *about(question),
        table,
        *_ceiling(question),
        Text(f"Uplift over everyone getting none: {EVIDENCE[question.evidence.kind]}.", style="dim"),
        _reached(comparison.winner),
        Text(verdict_in_words(comparison)),
        *links(filed),
    )


def run_summary(question: Question, candidate: Candidate, filed: Filed) -> RenderableType:
    """One run on one screen."""
    metrics = plain_table(f"{candidate.family} on {len(question.parts.test):,} test users", ["metric", "value"])
    for name, estimate in candidate.metrics.items():
        metrics.add_row(name.replace("_", " "), interval(estimate, 3))
    heads = [head.replace("\n", " ") for head in uplift_heads(question)]
    metrics.add_row(heads[0], interval(candidate.value.outcomes_per_1000, 1))
    metrics.add_row(heads[1], interval(candidate.value.uplift, 3))
    segments = _segments(question, candidate)
    return Group(*about(question), metrics, segments, *links(filed))


def doctor_summary(
    versions: dict[str, str], store: str, experiments: Sequence[str], models: Sequence[str], closed: int
) -> RenderableType:
    """What `doctor` found."""
    table = Table(title="tippingpoint doctor", title_justify="left", box=None, pad_edge=False, show_header=False)
    for name, found in versions.items():
        table.add_row(name, found)
    table.add_row("store", f"{store} (reachable, writable)")
    table.add_row("experiments", ", ".join(experiments))
    table.add_row("registered models", ", ".join(models) or "none yet")
    if closed:
        table.add_row("runs left open by killed processes", f"{closed}, now closed as KILLED")
    return Group(table, Text("Next: tippingpoint compare"))


def explore_summary(
    origin: str, users: Users, rate: Estimate, evidence: Sequence[str], found: Sequence[Association], path: str
) -> RenderableType:
    """What the page says first, and where it is."""
    table = plain_table(
        f"{origin}: {len(users):,} users, {users.contract.outcome} {rate.value:.1%} [{rate.low:.1%}, {rate.high:.1%}]",
        ["column", "kind", "goes", "alone\nROC AUC", "missing"],
    )
    for association in found[:SHOWN]:
        table.add_row(
            Text(association.name),
            association.kind,
            association.shape,
            f"{association.alone:.3f}{'!' if association.suspect else ''}",
            f"{association.missing:,}",
        )
    more = [Text(f"{len(found) - SHOWN} more on the page.", style="dim")] if len(found) > SHOWN else []
    suspects = ", ".join(a.name for a in found if a.suspect)
    warned = [Text(f"! {suspects}: may know the outcome. If so: data.drop.")] if suspects else []
    where = Text(f"Page: {path}", no_wrap=True, overflow="ignore")
    more += [Text(f"Log: {users.contract.log}.")] if users.contract.log else []
    return Group(table, *more, *warned, Text(f"Evidence at hand: {', '.join(evidence)}."), where)


def verdict_in_words(comparison: Comparison) -> str:
    """Who wins, and whether that can be told."""
    question, winner = comparison.question, comparison.winner.family
    if len(comparison.candidates) == 1:
        return " ".join([f"{winner} stands alone.", *_earns_more(comparison)])
    on_validation = [f"{candidate.validation:.3f}" for candidate in comparison.candidates]
    against = f"{on_validation[0]} against {' and '.join(on_validation[1:])}"
    parts = [f"{winner} wins on validation ({question.select_by} {against})."]
    parts.append(f"On test, paired user by user, its ROC AUC {_against(winner, comparison.auc)}.")
    if comparison.uplift:
        parts.append(f"Its policy uplift ({question.evidence.kind}) {_against(winner, comparison.uplift)}.")
    else:
        parts.append("Which policy uplift is larger cannot be told: there is no experiment behind it.")
    return " ".join([*parts, *_earns_more(comparison)])


def _earns_more(comparison: Comparison) -> list[str]:
    """The baseline that earns most, where under this policy that is more than the winner does."""
    question, winner = comparison.question, comparison.winner
    if not question.evidence.measured or not question.baselines:
        return []
    best = max(question.baselines, key=lambda baseline: baseline.value.uplift.value)
    gain = f"uplift_gain_{question.evidence.kind}"
    row = next(row for row in winner.beside(question).to_dict("records") if row["model"] == best.name)
    more, low, high = (-float(row[f"{gain}{end}"]) for end in ("", "_high", "_low"))
    if not more > 0:
        return []
    said = f"{winner.family} ranks users, but under this policy {best.name} alone earns more"
    said += f" ({interval(Estimate(more, None, low, high), 3)} {question.economics.currency} per user, paired)"
    return [f"{said}: its cut-offs fit {winner.family}'s scores worse." if low > 0 else f"{said}, which may be chance."]


def _against(winner: str, verdicts: Sequence[Verdict]) -> str:
    by_word: dict[str, list[str]] = {"better": [], "worse": [], "cannot tell": []}
    for verdict in verdicts:
        if winner == verdict.first:
            by_word[verdict.word].append(verdict.second)
        elif winner == verdict.second:
            opposite = {"better": "worse", "worse": "better", "cannot tell": "cannot tell"}[verdict.word]
            by_word[opposite].append(verdict.first)
    said = {
        "better": "is better than that of {}",
        "worse": "is worse than that of {}",
        "cannot tell": "cannot be told from that of {}",
    }
    return "; ".join(said[word].format(" and ".join(names)) for word, names in by_word.items() if names)


def interval(estimate: Estimate, digits: int) -> str:
    """`0.812 [0.801, 0.823]`, or just the value where there is no interval."""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.{digits}f}"
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def stacked(estimate: Estimate, digits: int, plus: bool = False) -> str:
    """The value, and under it its interval, for narrow columns."""
    value = f"{estimate.value:{'+' if plus else ''}.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value}\n{estimate.low:.{digits}f}, {estimate.high:.{digits}f}"


def uplift_heads(question: Question) -> list[str]:
    """Two column heads: uplift in outcomes and in money, with the evidence behind them."""
    kind = question.evidence.kind
    outcome = question.users.contract.outcome
    return [f"{outcome}\nper 1,000\n({kind})", f"{question.economics.currency}\nper user\n({kind})"]


def _segments(question: Question, candidate: Candidate) -> Table:
    uplift = f"uplift_per_user_{question.evidence.kind}"
    money = f"{question.economics.currency} per user\n({question.evidence.kind})"
    table = plain_table(
        f"Segments of {question.policy.name}",
        ["segment", "action", "users", "mean\nscore", "outcome\nrate", money],
    )
    for row in candidate.segments.to_dict("records"):
        ends = [None if pd.isna(row[f"{uplift}_{end}"]) else row[f"{uplift}_{end}"] for end in ("low", "high")]
        cells = ["–" if pd.isna(row[name]) else f"{row[name]:.3f}" for name in ("mean_score", "outcome_rate")]
        money = "–" if pd.isna(row[uplift]) else interval(Estimate(row[uplift], None, *ends), 3)
        table.add_row(row["segment"], row["action"], f"{row['users']:,}", *cells, money)
    return table


def _ceiling(question: Question) -> list[Text]:
    if question.best_auc is None:
        return []
    return [
        Text(
            f"No score can have a ROC AUC above {question.best_auc:.3f} on these test users, but by chance.",
            style="dim",
        )
    ]


def _reached(candidate: Candidate) -> Text:
    """How many test users each segment holds; for assumed evidence, from which response on its action pays."""
    parts = []
    for row in candidate.segments.to_dict("records"):
        pays = row.get("break_even_response")
        from_here = f", pays from response {pays:.3f}" if pays is not None and np.isfinite(pays) else ""
        parts.append(f"{row['segment']} {row['users']:,} ({row['action']}{from_here})")
    empty = candidate.segments.loc[candidate.segments["users"] == 0, "segment"].tolist()
    hint = f" Nobody reaches {' or '.join(empty)}: consider other policy.cuts." if empty else ""
    acted = int(candidate.segments.loc[candidate.segments["action"] != "none", "users"].sum())
    if few := idle(acted, int(candidate.segments["users"].sum()), "test users"):
        hint = f" {few} Type {TO_TYPE}."
    return Text(f"Test users by segment, {candidate.family}: {'; '.join(parts)}.{hint}")


def about(question: Question) -> list[Text]:
    """Whose users a job worked on, and what happened to them at the door."""
    users, contract, parts = question.users, question.users.contract, question.parts
    numbers, categories = len(contract.names("number")), len(contract.names("category"))
    sides = f"train {len(parts.train):,}, validation {len(parts.validation):,}, test {len(parts.test):,}"
    lines = [
        f"{question.origin}: {len(users):,} users ({sides}), {contract.outcome} = {contract.positive}"
        f" {users.outcome.mean():.1%}{'' if contract.good else ' (not wanted)'};"
        f" id {contract.user_id or 'by row number'}; {_count(numbers, 'number')},"
        f" {_count(categories, 'category', 'categories')}"
    ]
    lines += [f"{users.intake}."] if users.intake else []
    lines += [f"Log: {contract.log}."] if contract.log else []
    if contract.dropped:
        lines.append("Not seen by models: " + ", ".join(f"{c} ({why})" for c, why in contract.dropped.items()))
    return [Text(line) for line in lines]


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n} {one if n == 1 else many or one + 's'}"


def links(filed: Filed) -> list[Text]:
    """Where it is filed, and what to type next."""
    registered = f"Registered: {filed.registered}. " if filed.registered else ""
    pages = {"MLflow": filed.page} | filed.views
    lines = [Text(f"{name}: {page}", no_wrap=True, overflow="ignore") for name, page in pages.items()]
    return [Text(f"{registered}Next: tippingpoint ui, which serves these pages:"), *lines]
