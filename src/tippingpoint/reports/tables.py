"""What the terminal shows at the end of a job."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tippingpoint.association import Association
from tippingpoint.data.users import Users
from tippingpoint.evaluation import LOWER_IS_BETTER
from tippingpoint.findings import Candidate, Comparison, Filed, Question, Tuned
from tippingpoint.policies.clusters import Clusters
from tippingpoint.policies.lint import Difference, Lint
from tippingpoint.policies.policy import Policy
from tippingpoint.pricing import Simulation, Sweep
from tippingpoint.simulation.contest import Verdict
from tippingpoint.simulation.statistics import Estimate

SHOWN_TRIALS = 5
SHOWN = 12
"""Columns listed."""
EVIDENCE = {
    "truth": "truth, known because the users are generated",
    "experiment": "measured in an experiment with known chances of each action",
    "logged": "estimated from logged actions whose chances are not known",
    "assumed": "assumed, not measured; it rests on economics.actions.*.assumed_response",
}


def compare_summary(comparison: Comparison, filed: Filed) -> RenderableType:
    """A comparison on one screen."""
    question = comparison.question
    table = _table(
        f"Best first by {question.select_by} on validation; {question.policy.name} on test",
        ["model", "ROC AUC", "log\nloss", "calib.\nslope", *_uplift_heads(question), "fit\ns"],
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
    return Group(
        *_about(question),
        table,
        *_ceiling(question),
        Text(f"Uplift over everyone getting none: {EVIDENCE[question.evidence.kind]}.", style="dim"),
        _reached(comparison.winner),
        Text(verdict_in_words(comparison)),
        *_links(filed),
    )


def run_summary(question: Question, candidate: Candidate, filed: Filed) -> RenderableType:
    """One run on one screen."""
    metrics = _table(f"{candidate.family} on {len(question.parts.test):,} test users", ["metric", "value"])
    for name, estimate in candidate.metrics.items():
        metrics.add_row(name.replace("_", " "), interval(estimate, 3))
    heads = [head.replace("\n", " ") for head in _uplift_heads(question)]
    metrics.add_row(heads[0], interval(candidate.value.outcomes_per_1000, 1))
    metrics.add_row(heads[1], interval(candidate.value.uplift, 3))
    segments = _segments(question, candidate)
    return Group(*_about(question), metrics, segments, *_links(filed))


def tune_summary(question: Question, tuned: Tuned, filed: Filed) -> RenderableType:
    """A search on one screen."""
    objective, *more = tuned.objectives
    sign = -1 if objective in LOWER_IS_BETTER else 1
    best = sorted((t for t in tuned.tried if t.values), key=lambda t: -sign * t.values[objective])[:SHOWN_TRIALS]
    found = _table(
        f"{tuned.count('complete'):,} complete trials, {tuned.count('pruned'):,} ended early,"
        f" {tuned.count('failed'):,} failed; the best by cross-validation",
        ["model", "trial", *tuned.objectives, "parameters"],
    )
    found.columns[-1].justify, found.columns[-1].no_wrap = "left", False
    for trial in best:
        parameters = ", ".join(f"{name} {_short(value)}" for name, value in trial.parameters.items())
        told = [_judged(o, trial.values[o]) for o in (objective, *more)]
        found.add_row(trial.family, str(trial.number), *told, parameters, style="bold" if trial is tuned.best else "")
    for family, values in tuned.baseline.items():
        found.add_row(family, "–", *(_judged(*v) for v in values.items()), "as it is when nobody tunes it", style="dim")
    lines = [Text(f"Gain of {tuned.best.family} over its defaults, cross-validated: {_gain(tuned.gain, objective)}.")]
    if tuned.gain_on_test is not None:
        gain = _gain(tuned.gain_on_test, "roc_auc")
        lines.append(Text(f"On {len(question.parts.test):,} test users, looked at once: {gain}."))
    if tuned.candidate is None:
        lines.append(Text("The winner is filed already; nothing was left to do. More: raise tune.trials."))
    if tuned.put_back:
        lines.append(Text(f"{tuned.put_back} trials that killed processes left were tried again."))
    measured: list[RenderableType] = []
    if tuned.candidate is not None:
        metrics = _table("Winner, refitted on train and validation, on test", ["metric", "value"])
        for name in ("roc_auc", "pr_auc", "log_loss", "calibration_slope"):
            metrics.add_row(name.replace("_", " "), interval(tuned.candidate.metrics[name], 3))
        heads = [head.replace("\n", " ") for head in _uplift_heads(question)]
        metrics.add_row(heads[0], interval(tuned.candidate.value.outcomes_per_1000, 1))
        metrics.add_row(heads[1], interval(tuned.candidate.value.uplift, 3))
        measured.append(metrics)
    return Group(*_about(question), found, *measured, *lines, Text(f"Study: {tuned.storage}"), *_links(filed))


def _gain(gain: Estimate, objective: str) -> str:
    if gain.low is None or gain.high is None:
        return f"{objective} {gain.value:+.4f}, without an interval"
    word = "better" if gain.low > 0 else "worse" if gain.high < 0 else "cannot tell"
    return f"{objective} {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]: {word}"


def _judged(objective: str, value: float) -> str:
    return f"{value:,.0f}" if objective in ("features", "nodes") else f"{value:.4f}"


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def lint_summary(policy: Policy, found: Lint, clusters: Clusters | None = None) -> RenderableType:
    """What is to be answered about a policy."""
    remarks = _table(f"{policy.name} version {policy.version} ({policy.digest})", ["remark", "users", "what"])
    remarks.columns[2].justify, remarks.columns[2].no_wrap = "left", False
    for remark in found.remarks:
        remarks.add_row(remark.kind, f"{remark.users:,}" if remark.users else "–", remark.what)
    nothing = [] if found.remarks else [Text("Nothing to answer.")]
    sizes = _table("Segments", ["segment", "action", "users", "share"])
    for row in found.segments.to_dict("records"):
        sizes.add_row(row["segment"], row["action"], f"{row['users']:,}", f"{row['share']:.1%}")
    return Group(remarks, *nothing, sizes, *([] if clusters is None else _clusters(clusters)))


def _clusters(clusters: Clusters) -> list[RenderableType]:
    k, columns = len(clusters.table), list(clusters.columns)
    segments = [str(c) for c in clusters.table.columns]
    table = _table(
        f"K-means on {' and '.join(columns)}: users", ["cluster", *(f"mean {c}" for c in columns), *segments]
    )
    rows = zip(clusters.table.index, clusters.centres.to_numpy(), clusters.table.to_numpy(), strict=True)
    for label, centre, counts in rows:
        table.add_row(str(label), *(f"{mean:.1f}" for mean in centre), *(f"{n:,}" for n in counts))
    best = clusters.silhouettes[k]
    words = (
        f"k = {k} by the largest silhouette ({best:.2f}); agreement with the segments (ARI) {clusters.agreement:.2f}."
    )
    return [table, Text(words)]


def diff_summary(first: str, second: str, found: Difference) -> RenderableType:
    """What changes from one policy to another."""
    changed = [Text(line) for line in found.written] or [Text("They are written alike.")]
    table = _table(f"From {first} to {second}", ["from", "to", "users", "share", "action"])
    for row in found.movement.to_dict("records"):
        same = row["from_action"] == row["to_action"]
        action = row["to_action"] if same else f"{row['from_action']} → {row['to_action']}"
        table.add_row(row["from"], row["to"], f"{row['users']:,}", f"{row['share']:.1%}", action)
    total = int(found.movement["users"].sum())
    return Group(*changed, table, Text(f"{found.users:,} of {total:,} users get another action."))


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
    table = _table(
        f"{origin}: {len(users):,} users, {users.contract.outcome} {rate.value:.1%} [{rate.low:.1%}, {rate.high:.1%}]",
        ["column", "kind", "goes", "alone\nROC AUC", "missing"],
    )
    for association in found[:SHOWN]:
        table.add_row(
            Text(association.name),
            association.kind,
            association.shape,
            f"{association.separation:.3f}{'!' if association.suspect else ''}",
            f"{association.missing:,}",
        )
    more = [Text(f"{len(found) - SHOWN} more on the page.", style="dim")] if len(found) > SHOWN else []
    suspects = ", ".join(a.name for a in found if a.suspect)
    warned = [Text(f"! {suspects}: may know the outcome. If so: data.drop.")] if suspects else []
    where = Text(f"Page: {path}", no_wrap=True, overflow="ignore")
    return Group(table, *more, *warned, Text(f"Evidence at hand: {', '.join(evidence)}."), where)


def simulate_summary(simulation: Simulation, filed: Filed, seconds: float) -> RenderableType:
    """A simulation on one screen."""
    about, kind = simulation.gathered.about, simulation.kind
    unit = f"{simulation.currency}\nper user\n({kind})"
    users = about["users"]
    lines = [
        f"{about['origin']}: {users['all']:,} users; cut-offs chosen on {users['validation']:,} (validation), valued on"
        f" {users['test']:,} (test); answered in {seconds:.2f} s"
    ]
    lines += [f"Left out: {action} {why}." for action, why in about["excluded"].items()]
    words = {v.first if v.second == simulation.leader else v.second: v for v in simulation.verdicts}
    against = "against\nthe leader" if simulation.verdicts else ""
    regret = any("regret_per_user" in row for row in simulation.values.values())
    heads = ["contestant", unit, f"{about['outcome']}\nper 1,000\n({kind})", "acted\non, of\n1,000"]
    table = _table("Policies", [*heads, *(["regret"] if regret else []), *([against] if against else [])])
    for name, row in sorted(simulation.values.items(), key=lambda item: -item[1]["uplift_per_user"].value):
        cells = [stacked(row["uplift_per_user"], 3, plus=True), stacked(row["uplift_per_1000"], 1, plus=True)]
        cells.append(f"{row['contacts_per_1000'].value:.0f}")
        cells += [f"{row['regret_per_user'].value:.2f}" if "regret_per_user" in row else "–"] if regret else []
        cells += [_word(words[name], name) if name in words else ""] if against else []
        table.add_row(name, *cells, style="bold" if name == simulation.leader else "")
    best = simulation.sweep()
    lines_after = [f"Uplift over everyone getting none: {EVIDENCE[kind]}."]
    lines_after += _chosen(simulation, best) if best else []
    lines_after += [_needed(simulation)] if simulation.verdicts else []
    if kind == "assumed":
        lines_after += _assumed(simulation)
    if len(simulation.tornado):
        top = simulation.tornado.iloc[0]
        low, high = (top.iloc[1], top.iloc[2])
        lines_after.append(
            f"Most sensitive to {top['price']}: {low:+.3f} to {high:+.3f} when it is moved by"
            f" {simulation.asked.sensitivity:.0%} down and up ({kind})."
        )
    where = Text(f"MLflow: {filed.page}", no_wrap=True, overflow="ignore")
    anew = Text(f"Other prices, at once: tippingpoint simulate models=[{filed.run_id}] economics.price=…")
    return Group(*map(Text, lines), table, *map(Text, lines_after), where, anew)


def _signed(estimate: Estimate, digits: int) -> str:
    value = f"{estimate.value:+.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def _word(verdict: Verdict, name: str) -> str:
    if verdict.first == name or verdict.word == "cannot tell":
        return verdict.word
    return {"better": "worse", "worse": "better"}[verdict.word]


def _chosen(simulation: Simulation, sweep: Sweep) -> list[str]:
    """Cut-offs: honest beside apparent, the untold set, the budget."""
    if sweep.choice is None:
        return []
    unit = f"{simulation.currency} per user"
    lines = []
    for how in ("honest", "apparent"):
        of = getattr(sweep.choice, how)
        note = "chosen on validation, valued on test" if how == "honest" else "chosen and valued on test: too good"
        lines.append(f"{sweep.model}, {how} cut-offs {_cuts(of.cuts)}: {_signed(of.uplift, 3)} {unit} ({note})")
    if ranges := sweep.untold_ranges:
        spans = ", ".join(f"{low:.3f} to {high:.3f}" for low, high in ranges)
        lines.append(f"Cannot be told from the best: cut-offs of {spans}.")
    if sweep.budgeted is not None:
        of, asked = sweep.budgeted.honest, simulation.asked
        each = f"{asked.budget:.4g} {asked.budget_in} per user"
        lines.append(f"Within {each}: cut-offs {_cuts(of.cuts)}, {_signed(of.uplift, 3)} {unit}.")
    return lines


def _cuts(cuts: tuple[float, ...] | None) -> str:
    return "none (act on no one)" if cuts is None else " and ".join(f"{cut:.3f}" for cut in cuts)


def _needed(simulation: Simulation) -> str:
    smallest, leader = simulation.asked.smallest_uplift, simulation.leader
    rivals = [v for v in simulation.verdicts if leader in (v.first, v.second) and " · " in v.first + v.second]
    open_ = [v for v in rivals if v.word == "cannot tell" and v.first != v.second]
    needed = [v.users_needed(smallest) or 0 for v in open_]
    if not any(needed):
        return f"Intervals hold for all {len(simulation.verdicts)} pairs together (95 %, max-t)."
    return (
        f"To tell {smallest:g} {simulation.currency} per user between {leader} and all it cannot be told from:"
        f" {max(needed):,} test users."
    )


def _assumed(simulation: Simulation) -> list[str]:
    rows = simulation.segments
    if "break_even_response" not in rows:
        return []
    lines = []
    for row in rows[rows["break_even_response"].notna()].to_dict("records"):
        if f"{row['model']} · {row['policy']}" == simulation.leader:
            stated = simulation.asked.economics.actions[row["action"]].assumed_response
            lines.append(
                f"{row['segment']}: {row['action']} pays from a response of {row['break_even_response']:.3f} on"
                f" (assumed: {stated:.3f})."
            )
    return lines


def verdict_in_words(comparison: Comparison) -> str:
    """Who wins, and whether that can be told."""
    question, winner = comparison.question, comparison.winner.family
    if len(comparison.candidates) == 1:
        return f"{winner} stands alone."
    on_validation = [f"{candidate.validation:.3f}" for candidate in comparison.candidates]
    against = f"{on_validation[0]} against {' and '.join(on_validation[1:])}"
    parts = [f"{winner} wins on validation ({question.select_by} {against})."]
    parts.append(f"On test, paired user by user, its ROC AUC {_against(winner, comparison.auc)}.")
    if comparison.uplift:
        parts.append(f"Its policy uplift ({question.evidence.kind}) {_against(winner, comparison.uplift)}.")
    else:
        parts.append("Which policy uplift is larger cannot be told: there is no experiment behind it.")
    return " ".join(parts)


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


def _uplift_heads(question: Question) -> list[str]:
    kind = question.evidence.kind
    outcome = question.users.contract.outcome
    return [f"{outcome}\nper 1,000\n({kind})", f"{question.economics.currency}\nper user\n({kind})"]


def _segments(question: Question, candidate: Candidate) -> Table:
    uplift = f"uplift_per_user_{question.evidence.kind}"
    money = f"{question.economics.currency} per user\n({question.evidence.kind})"
    table = _table(
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
    return [Text(f"No score can have a ROC AUC above {question.best_auc:.3f} here, but by chance.", style="dim")]


def _reached(candidate: Candidate) -> Text:
    """How many test users each segment holds; for assumed evidence, from which response on its action pays."""
    parts = []
    for row in candidate.segments.to_dict("records"):
        pays = row.get("break_even_response")
        from_here = f", pays from response {pays:.3f}" if pays is not None and np.isfinite(pays) else ""
        parts.append(f"{row['segment']} {row['users']:,} ({row['action']}{from_here})")
    empty = candidate.segments.loc[candidate.segments["users"] == 0, "segment"].tolist()
    hint = f" Nobody reaches {' or '.join(empty)}: consider other policy.cuts." if empty else ""
    return Text(f"Test users by segment, {candidate.family}: {'; '.join(parts)}.{hint}")


def _about(question: Question) -> list[Text]:
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
    if contract.dropped:
        lines.append("Not seen by models: " + ", ".join(f"{c} ({why})" for c, why in contract.dropped.items()))
    return [Text(line) for line in lines]


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n} {one if n == 1 else many or one + 's'}"


def _links(filed: Filed) -> list[Text]:
    registered = f"Registered: {filed.registered}. " if filed.registered else ""
    page = Text(f"MLflow: {filed.page}", no_wrap=True, overflow="ignore")
    return [Text(f"{registered}Next: tippingpoint ui, which serves this page:"), page]


def _table(title: str, heads: Sequence[str]) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", header_style="dim", box=None, padding=(0, 1, 0, 0)
    )
    for at, head in enumerate(heads):
        table.add_column(head, justify="right" if at else "left", no_wrap=True)
    return table
