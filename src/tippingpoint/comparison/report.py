"""What the terminal, the card and the parent run's files say of a comparison and of a run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tippingpoint.comparison.decision import of_comparison
from tippingpoint.comparison.result import Comparison
from tippingpoint.comparison.treated import treated
from tippingpoint.core.run_reference import RunReference
from tippingpoint.experiment.candidate import Candidate
from tippingpoint.experiment.decided import of_candidate
from tippingpoint.experiment.diagnostics import diagnosed, vetoes
from tippingpoint.experiment.diagnostics.policy import reads
from tippingpoint.experiment.diagnostics.registry import OF_A_WORD
from tippingpoint.experiment.evaluation_figures import calibration, ranking
from tippingpoint.experiment.findings import all_of
from tippingpoint.experiment.guardrails import in_words
from tippingpoint.experiment.guardrails import table as guardrail_table
from tippingpoint.experiment.report import about, beyond_the_log, uplift_heads
from tippingpoint.experiment.score_effects import heterogeneity_in_words
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.experiment.treated_figure import picture
from tippingpoint.offpolicy.contest import Contrast
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.offpolicy.value import PolicyValue
from tippingpoint.reports.console import links, plain_table
from tippingpoint.reports.estimates import evidence_in_words, interval, stacked
from tippingpoint.reports.markdown import render

NAME = 20
"""Characters of a line of a name."""


def compare_summary(comparison: Comparison, filed: RunReference | None) -> RenderableType:
    """A comparison on one screen."""
    question = comparison.question
    table = plain_table(
        f"Best first by {question.select_by} on validation; {question.policy.name} on test",
        ["model", "ROC AUC", "log\nloss", "calib.\nslope", *uplift_heads(question), "fit\ns"],
    )
    for candidate in comparison.candidates:
        uplift = ["", ""] if comparison.alike else _uplift(candidate.value)
        table.add_row(
            candidate.family,
            stacked(candidate.metrics["roc_auc"], 3),
            f"{candidate.metrics['log_loss'].value:.4f}",
            f"{candidate.metrics['calibration_slope'].value:.2f}",
            *uplift,
            f"{candidate.seconds['fit']:.1f}",
            style="bold" if candidate is comparison.winner else "",
        )
    for row in comparison.without_model:
        scored = (
            [stacked(row.metrics["roc_auc"], 3), f"{row.metrics['log_loss'].value:.4f}"] if row.metrics else ["", ""]
        )
        table.add_row(
            Text("\n".join(_short(part) for part in row.name.split(" ", 1))),
            *scored,
            "",
            *(["", ""] if row.value is None else _uplift(row.value)),
            "",
            style="bold" if row.name == comparison.alike else "dim",
        )
    return Group(
        of_comparison(comparison, filed).render(),
        *about(question),
        table,
        *_ceiling(question),
        Text(f"Uplift over everyone getting none: {_evidence(question)}.", style="dim"),
        _reached(comparison.winner),
        *along_the_score(question, comparison.winner),
        *_beside(comparison),
        Text(verdict_in_words(comparison)),
        *map(Text, beyond_the_log(comparison.values, len(comparison.candidates))),
        *map(Text, in_words(comparison.guardrails, question.evidence.label)),
        *_diagnosed(comparison),
        *(links(filed) if filed else []),
    )


def _uplift(value: PolicyValue) -> list[str]:
    """Cells of what a policy brings: outcomes and money. Where it does nothing there is no interval to look at."""
    of = value.outcomes_per_1000, value.uplift
    return [stacked(e if e.se else Estimate(e.value), digits, plus=True) for e, digits in zip(of, (1, 3), strict=True)]


def run_summary(question: ExperimentSpec, candidate: Candidate, filed: RunReference | None) -> RenderableType:
    """One run on one screen."""
    metrics = plain_table(f"{candidate.family} on {len(question.parts.test):,} test users", ["metric", "value"])
    for name, estimate in candidate.metrics.items():
        metrics.add_row(name.replace("_", " "), interval(estimate, 3))
    heads = [head.replace("\n", " ") for head in uplift_heads(question)]
    metrics.add_row(heads[0], interval(candidate.value.outcomes_per_1000, 1))
    metrics.add_row(heads[1], interval(candidate.value.uplift, 3))
    segments = _segments(question, candidate)
    beyond = map(Text, beyond_the_log({candidate.family: candidate.value}))
    kept = map(Text, in_words({candidate.family: candidate.guardrails}, question.evidence.label))
    found = [*along_the_score(question, candidate), *beyond, *kept, *diagnosed(all_of(question, candidate))]
    box = of_candidate(question, candidate, filed).render()
    return Group(box, *about(question), metrics, segments, *found, *(links(filed) if filed else []))


def _diagnosed(comparison: Comparison) -> list[Text]:
    """Findings of users, evidence and winner; of the others vetoes only, which take an interval off the screen."""
    winner = comparison.winner.family
    shown = [f for f in comparison.findings if f.of in ("", winner) or (f.level == "veto" and f.code not in OF_A_WORD)]
    more = len(comparison.findings) - len(shown)
    rest = [Text(f"{more} more, of other models, stand on their cards.", style="dim")] if more else []
    return [*diagnosed(shown), *rest]


def _evidence(question: ExperimentSpec) -> str:
    return evidence_in_words(question.evidence.kind, question.evidence.vetoed)


def verdict_in_words(comparison: Comparison) -> str:
    """Who wins, and what of it can be told."""
    question, winner = comparison.question, comparison.winner.family
    if len(comparison.candidates) == 1:
        parts = [f"{winner} stands alone."]
    else:
        on_validation = [f"{candidate.validation:.3f}" for candidate in comparison.candidates]
        against = f"{on_validation[0]} against {' and '.join(on_validation[1:])}"
        wins = "wins" if has_won(comparison.winner) else "comes first"
        parts = [f"{winner} {wins} on validation ({question.select_by} {against})."]
        parts.append(f"On test, paired user by user, its ROC AUC {_against(winner, comparison.auc)}.")
    if comparison.alike:
        parts.append(_alike(comparison))
    if comparison.uplift:
        whose = "The policy's uplift" if comparison.alike else "Its policy uplift"
        parts.append(f"{whose} ({question.evidence.label}) {_against(comparison.contestant, comparison.uplift)}.")
    elif not question.evidence.measured:
        why = (
            f"it is vetoed ({', '.join(question.evidence.vetoed)})"
            if question.evidence.vetoed
            else "there is no experiment behind it"
        )
        parts.append(f"Which policy uplift is larger is inconclusive: {why}.")
    return " ".join(parts + _beside_in_words(comparison))


def _beside_in_words(comparison: Comparison) -> list[str]:
    """What all users, and further splits, say of the winner."""
    question, parts = comparison.question, []
    if (of := comparison.crossfit) and of.contrasts:
        whose = "the policy's uplift" if comparison.alike else "its policy uplift"
        of_all = f"On all {of.users:,} users, by {of.folds.number} folds, {whose} ({question.evidence.label})"
        parts.append(f"{of_all} {_against(comparison.contestant, of.contrasts)}.")
    if comparison.repeats:
        parts.append(comparison.repeats.words(comparison.winner.family, question.economics.currency))
    return parts


def _beside(comparison: Comparison) -> list[RenderableType]:
    """The policy on all users, and what that is; nothing where it was not asked for."""
    question, of = comparison.question, comparison.crossfit
    if of is None:
        return []
    heads = [*uplift_heads(question), "error on test\n/ this"]
    table = plain_table(f"{question.policy.name} on all {of.users:,} users, by {of.folds.number} folds", ["", *heads])
    for name, value in of.values.items():
        ratio = of.error_ratio(name)
        style = "bold" if name == comparison.contestant else "" if name in of.learnt else "dim"
        table.add_row(Text(_short(name)), *_uplift(value), "" if ratio is None else f"{ratio:.2f}", style=style)
    return [table, Text(f"Estimated: {of.folds.estimated}.", style="dim")]


def has_won(candidate: Candidate) -> bool:
    """Whether who comes first on validation has won: no policy without a model does better, and its scores rank."""
    low = candidate.metrics["roc_auc"].low
    return "TP403" not in vetoes(candidate.findings) and low is not None and low > 0.5


def _alike(comparison: Comparison) -> str:
    """Why the policy brings the same with every model."""
    question = comparison.question
    name = question.policy.name
    if not reads(comparison.winner.policy, question.parts.test.features):
        return f"{name} reads no score: its uplift is the same for every model."
    return f"{name} decides alike for these users with every model: its uplift is the same."


def _against(name: str, verdicts: Sequence[Contrast]) -> str:
    """What is said of one against the others: each in the clause its interval allows."""
    by_word: dict[str, list[str]] = {}
    for verdict in verdicts:
        if (of := verdict.seen_from(name)) is not None:
            by_word.setdefault("same" if of.same else of.verdict, []).append(of.second)
    said = {
        "better": "is better than that of {}",
        "worse": "is worse than that of {}",
        "inconclusive": "cannot be told from that of {}",
        "same": "is that of {}, user by user",
    }
    return "; ".join(clause.format(_listed(by_word[word])) for word, clause in said.items() if word in by_word)


def _short(text: str) -> str:
    return text if len(text) <= NAME else f"{text[: NAME - 1]}…"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _segments(question: ExperimentSpec, candidate: Candidate) -> Table:
    uplift = f"uplift_per_user_{question.evidence.kind}"
    money = f"{question.economics.currency} per user\n({question.evidence.label})"
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


def _ceiling(question: ExperimentSpec) -> list[Text]:
    if question.best_auc is None:
        return []
    return [
        Text(
            f"Best achievable ROC AUC on this test set: about {question.best_auc:.3f}.",
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
    return Text(
        f"Test users by segment, {candidate.family}: {'; '.join(parts)}. {candidate.policy.learnt_in_words}".rstrip()
    )


def along_the_score(question: ExperimentSpec, candidate: Candidate) -> list[Text]:
    """Whether there is any heterogeneity along a candidate's score; nothing where effects are not measured."""
    words = heterogeneity_in_words(candidate.heterogeneity, candidate.family, question.wanted)
    return [Text(words)] if words else []


def comparison_card(comparison: Comparison, filed: RunReference) -> str:
    """A comparison: the decision, the leaderboard and what can be told of it."""
    return render(
        "comparison.md.j2",
        comparison=comparison,
        question=comparison.question,
        decision=of_comparison(comparison, filed),
        words=verdict_in_words(comparison),
        beyond=beyond_the_log(comparison.values, len(comparison.candidates)),
        findings=comparison.findings,
    )


def write_comparison(folder: Path, comparison: Comparison) -> None:
    """ROC, PR and calibration of all families overlaid; leaderboard, verdicts, and what there is to read in each."""
    question, candidates = comparison.question, comparison.candidates
    outcome, metrics = question.parts.test.outcome, {c.family: c.metrics for c in candidates}
    of = {c.family: c.evaluation.curves for c in candidates}
    ranking(folder / "figures/roc.png", of, metrics, float(outcome.mean()))
    calibration(folder / "figures/calibration.png", outcome, {c.family: c.score for c in candidates}, metrics)
    shares = treated(comparison)
    picture(folder / "figures/uplift_by_share.png", shares)
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    shares.frame().to_csv(folder / "tables/uplift_by_share.csv", index=False)
    comparison.leaderboard().to_csv(folder / "tables/leaderboard.csv", index=False)
    comparison.verdicts().to_csv(folder / "tables/verdicts.csv", index=False)
    if (guarded := guardrail_table(comparison.guardrails)).size:
        guarded.to_csv(folder / "tables/guardrails.csv", index=False)
    comparison.interpretability.to_csv(folder / "tables/interpretability.csv", index=False)
    if comparison.crossfit:
        comparison.crossfit.table(question.evidence.kind).to_csv(folder / "tables/crossfit.csv", index=False)
    if comparison.repeats:
        comparison.repeats.rows.to_csv(folder / "tables/repeats.csv", index=False)
