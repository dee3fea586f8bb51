"""What the terminal shows of a simulation: one screen."""

import math
from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text

from tippingpoint.core.overrides import override
from tippingpoint.core.run_reference import RunReference
from tippingpoint.experiment.assumption import wanted
from tippingpoint.experiment.diagnostics import diagnosed
from tippingpoint.experiment.guardrails import in_words
from tippingpoint.experiment.score_effects import EFFECT, heterogeneity_in_words
from tippingpoint.experiment.simulation_result import THEN, Simulation
from tippingpoint.experiment.thresholds import CutOffs
from tippingpoint.offpolicy.contest import Contrast
from tippingpoint.offpolicy.hidden_driver import FACTORS
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.offpolicy.sufficient_statistics import PAIR
from tippingpoint.policies.policy_tree import said
from tippingpoint.reports.console import pages, plain_table
from tippingpoint.reports.estimates import evidence_in_words, hidden_driver_in_words, odds_times
from tippingpoint.reports.markdown import render
from tippingpoint.simulation.decision import of_simulation

MOST = 16
"""Contestants listed; all are in the run's tables."""
SEGMENTS = 8
"""Break-even responses listed."""
LEAST_TIED = 0.005
"""Share of users that tie at a cut-off from which on it is said: one user alone is not worth a line."""
MOST_ODDS = float(FACTORS[-1])
"""The largest change of the odds of an action that is looked at."""

REGRET = "Regret: by how much it falls short of each user's best action, known here; money per user."


def simulate_summary(simulation: Simulation, filed: RunReference | None, seconds: float) -> RenderableType:
    """A simulation on one screen."""
    about, kind = simulation.gathered.about, simulation.label
    users = about["users"]
    chosen = f"cut-offs chosen on {users['validation']:,} (validation), valued on " if simulation.leader else ""
    lines = [
        f"{about['origin']}: {users['all']:,} users; {chosen}{users['test']:,} (test); answered in {seconds:.2f} s"
    ]
    lines += [f"Assumed, not measured: {simulation.assumption}."] if simulation.assumption else []
    lines += [f"Left out: {action} {why}." for action, why in about["excluded"].items()]
    against = against_leader(simulation)
    regret = any("regret_per_user" in row for row in simulation.values.values())
    heads = ["contestant", f"{simulation.currency} per user\n({kind})", f"{about['outcome']} per\n1,000 ({kind})"]
    hidden = bool(simulation.hidden)
    heads += [
        "acted on,\nof 1,000",
        *(["regret"] if regret else []),
        *(["sign open from\nodds times"] if hidden else []),
    ]
    heads += ["is … than\nthe leader"] if against else []
    best_first = "Policies on test, best first, the leader in bold; ± is half a 95 % interval"
    title = best_first if simulation.leader else "Policies on test, in the order asked"
    table = plain_table(title, heads)
    table.columns[0].no_wrap, table.columns[0].overflow = False, "fold"
    shown, more = _listed(simulation)
    for name, label in shown.items():
        row = simulation.values[name]
        cells = [_within(row["uplift_per_user"], 3), _within(row["uplift_per_1000"], 1)]
        cells.append(f"{row['contacts_per_1000'].value:.0f}")
        cells += [f"{row['regret_per_user'].value:.2f}" if "regret_per_user" in row else "–"] if regret else []
        cells += [odds_times(simulation.flips_from(name), MOST_ODDS)] if hidden else []
        cells += [against.get(name, "leader")] if against else []
        table.add_row(label, *cells, style="bold" if name == simulation.leader else "")
    rest = [Text(f"{more} more in the run's tables/values.csv.", style="dim")] if more else []
    best = simulation.cut_offs()
    rests = evidence_in_words(simulation.kind, simulation.vetoed)
    lines_after = [f"Uplift over everyone getting none: {rests}." + (f" {REGRET}" if regret else "")]
    lines_after += [*leader_in_words(simulation), *beyond_the_log(simulation)]
    lines_after += _chosen(simulation, best) if best else []
    lines_after += budget_left_aside(simulation)
    lines_after += learnt(simulation)
    lines_after += along_score(simulation)
    lines_after += tied(simulation)
    lines_after += _measures(simulation)
    lines_after += in_words(simulation.guardrails, simulation.label)
    lines_after += [_needed(simulation)] if simulation.verdicts else []
    lines_after += _assumed(simulation)
    if len(simulation.tornado):
        top = simulation.tornado.iloc[0]
        low, high = (top.iloc[1], top.iloc[2])
        lines_after.append(
            f"{simulation.first} is most sensitive to {top['price']}: {low:+.3f} to {high:+.3f} when it is moved by"
            f" {simulation.asked.sensitivity:.0%} down and up ({kind})."
        )
    lines_after += simulation.asked.unused
    where = _filed(filed, about["per_user_prices"]) if filed else []
    found = diagnosed(simulation.findings)
    box = of_simulation(simulation).render()
    return Group(box, *map(Text, lines), table, *rest, *map(Text, lines_after), *found, *where)


def _filed(filed: RunReference, per_user_prices: bool) -> list[Text]:
    """Where the simulation is, and what to type for other prices."""
    what = ("budgets", "budget.contacts=…") if per_user_prices else ("prices", "economics.price=…")
    anew = Text(f"Other {what[0]}, at once: tippingpoint simulate {override('models', [filed.run_id])} {what[1]}")
    return [*pages({"MLflow": filed.page} | filed.views), anew]


def against_leader(simulation: Simulation) -> dict[str, str]:
    """What is said of every other contestant against the leader; empty under assumed evidence."""
    leader = simulation.leader
    turned = {"better": "worse", "worse": "better", "inconclusive": "inconclusive"}
    return {v.first: v.verdict for v in simulation.verdicts if v.second == leader} | {
        v.second: turned[v.verdict] for v in simulation.verdicts if v.first == leader
    }


def leader_in_words(simulation: Simulation) -> list[str]:
    """Which contestant leads and why, and which model is registered where that is another; empty under assumed."""
    if simulation.leader is None:
        return []
    model, others = simulation.leader.split(PAIR)[0], simulation.gathered.about["models"]
    lines = [
        f"Leader: {simulation.leader}, by its uplift on validation ({simulation.on_validation:+,.3f}"
        f" {simulation.currency} per user), the largest of a model's policy with an interval there; the order on test"
        " chooses nothing."
    ]
    if "registered" not in others[model]:
        lines += [
            f"Registered is {name} ({of['registered']}), chosen by {of['chosen_by']} on validation"
            + (
                ", under the policy and prices of its own job."
                if of["chosen_by"] == "value"
                else ": how well it predicts, not what its policy adds."
            )
            for name, of in others.items()
            if "registered" in of
        ]
    return lines


def learnt(simulation: Simulation) -> list[str]:
    """The rules that the policy shown first has learnt, in words; empty for other policies."""
    model, policy = simulation.first.removesuffix(THEN).split(PAIR)
    words = said(simulation.gathered.about["bound"][model].get(policy, {}))
    return [f"{simulation.first}. {words}"] if words else []


def along_score(simulation: Simulation) -> list[str]:
    """Whether there is any heterogeneity along the score of the one shown first; empty where that is not measured."""
    about, table = simulation.gathered.about, simulation.gathered.tables.get("heterogeneity")
    if table is None:
        return []
    said = heterogeneity_in_words(table, simulation.first.split(PAIR)[0], wanted(about["outcome"], about["good"]))
    moved = table[(table["rule"] == EFFECT) & (table["effect"] == "rises")]["action"].tolist()
    told = [f"That of {' and '.join(moved)} rises along the {EFFECT}."] if moved else []
    return [" ".join([said, *told])] if said else []


def beyond_the_log(simulation: Simulation) -> list[str]:
    """What a hidden driver could do to what is shown first; and whom something can be said of where overlap fails."""
    first = simulation.first
    flips_from = simulation.flips_from(first)
    lines = [] if flips_from is None else [hidden_driver_in_words(flips_from, f"the uplift of {first}", MOST_ODDS)]
    return lines + [f"{name}: {of}" for name, of in simulation.common.items() if PAIR in name]


def tied(simulation: Simulation) -> list[str]:
    """How many users tie at the cut-off of policies that take a share, which are never treated apart."""
    found: dict[str, list[str]] = {}
    for model, policies in simulation.gathered.about["bound"].items():
        for name, bound in policies.items():
            if (share := bound.get("share_at_cut")) is not None and bound["tied_share"] >= LEAST_TIED:
                told = f"{model} acts on {share:.1%} and leaves {bound['tied_share']:.1%} out"
                found.setdefault(name, []).append(told)
    return [
        f"{name}, whose next users all tie in score and are left out together (shares of validation): "
        f"{'; '.join(told)}."
        for name, told in found.items()
    ]


def _listed(simulation: Simulation) -> tuple[dict[str, str], int]:
    """Contestants shown, in order, and what they are called; and how many are not.

    A policy that decides alike with several models stands there once. The first and all that is no model's are kept.
    """
    models, label = len(simulation.gathered.about["models"]), dict[str, str]()
    for name in simulation.ordered:
        alike = simulation.as_decided_by(name) if PAIR in name else [name]
        one = simulation.first if simulation.first in alike else next((n for n in alike if n in label), name)
        every = f"{name.split(PAIR)[-1]}, any model" if len(alike) == models else f"{one}, and others"
        label.setdefault(one, every if len(alike) > 1 else name)
    kept = {n for n in label if PAIR not in n} | {simulation.first}
    room = [n for n in label if n not in kept][: max(MOST - len(kept), 0)]
    shown = {n: of for n, of in label.items() if n in kept or n in room}
    return shown, len(label) - len(shown)


def _within(estimate: Estimate, digits: int) -> str:
    """The value and half its interval."""
    value = f"{estimate.value:+,.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} ±{(estimate.high - estimate.low) / 2:.{digits}f}"


def _signed(estimate: Estimate, digits: int) -> str:
    value = f"{estimate.value:+,.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} [{estimate.low:,.{digits}f}, {estimate.high:,.{digits}f}]"


def _chosen(simulation: Simulation, cut_offs: CutOffs) -> list[str]:
    """Cut-offs: honest beside apparent, the inconclusive set, the budget."""
    if cut_offs.choice is None:
        return []
    unit = f"{simulation.currency} per user"
    lines = []
    honest, apparent = cut_offs.choice.honest, cut_offs.choice.apparent
    who = who_gets_what(simulation.shares(cut_offs, honest))
    lines.append(
        f"{cut_offs.model}, honest cut-offs {_cuts(honest.cuts)} ({who}): {_signed(honest.uplift, 3)} {unit}"
        f" (chosen on validation, valued on test); apparent {_cuts(apparent.cuts)}:"
        f" {_signed(apparent.uplift, 3)} (chosen and valued on test: too good)"
    )
    lines += may_be_as_good(cut_offs)
    if cut_offs.budgeted is not None:
        of, limit = cut_offs.budgeted.honest, simulation.asked.budget
        assert limit is not None
        lines.append(
            f"Within {budget_in_words(simulation)}: {cut_offs.model}, cut-offs {_cuts(of.cuts)}"
            f" ({who_gets_what(simulation.shares(cut_offs, of))}): {_spent(of.spend.value * limit.users, simulation)}"
            f" and {_signed(of.uplift.scaled(limit.users), 0)}"
            f" {simulation.currency} in all expected, by test."
        )
    return lines


def who_gets_what(shares: dict[str, float]) -> str:
    """Shares of users by action as a clause.

    >>> who_gets_what({"none": 0.003, "prompt": 0.997}), who_gets_what({"none": 0.25, "prompt": 0.75, "other": 0.001})
    ('nearly everyone gets prompt', '25% get none, 75% prompt')
    """
    action = max(shares, key=shares.__getitem__)
    if shares[action] > 0.97:
        return f"{'everyone' if shares[action] == 1 else 'nearly everyone'} gets {action}"
    told = [f"{share:.0%} {action}" for action, share in shares.items() if share >= 0.005]
    return ", ".join(told).replace("% ", "% get ", 1)


def may_be_as_good(cut_offs: CutOffs) -> list[str]:
    """The span of each cut-off in which the choice may be as good as the best; empty where that is so everywhere."""
    spans = [
        f"{cut_offs.bands[k]} ({cut_offs.actions[k]}) from anywhere between {low:.3f} and {high:.3f}"
        for k, (low, high) in enumerate(cut_offs.inconclusive_ranges, start=1)
    ]
    return [f"What may be as good, for all these users can tell: {', '.join(spans)}."] if spans else []


def budget_in_words(simulation: Simulation) -> str:
    """The budget as it was typed, and for whom."""
    limit = simulation.asked.budget
    assert limit is not None
    unit = simulation.currency if limit.unit == "money" else limit.unit
    return f"{limit.total:,g} {unit} for {limit.users:,} users"


def _spent(total: float, simulation: Simulation) -> str:
    limit = simulation.asked.budget
    assert limit is not None
    return f"{total:,.0f} {simulation.currency} spent" if limit.unit == "money" else f"{total:,.0f} contacts"


def budget_left_aside(simulation: Simulation) -> list[str]:
    """What a budget means where nothing is chosen: whether what is shown first keeps it; empty without one."""
    limit = simulation.asked.budget
    if limit is None or simulation.measured:
        return []
    row = simulation.values[simulation.first]
    each = row["action_cost_per_user"] if limit.unit == "money" else row["contacts_per_1000"].scaled(1 / 1000)
    total = each.value * limit.users
    why = f"vetoed ({', '.join(simulation.vetoed)})" if simulation.vetoed else "assumed"
    return [
        f"No cut-offs are chosen for the budget of {budget_in_words(simulation)}: uplift is {why}. As written,"
        f" {simulation.first} is {'over' if total > limit.total else 'within'} it, with {_spent(total, simulation)}."
        + _kept_by_rank(simulation, total)
    ]


def _kept_by_rank(simulation: Simulation, total: float) -> str:
    """What to type to keep a budget of contacts by rank alone, which takes no evidence; '' where it is kept."""
    limit = simulation.asked.budget
    assert limit is not None
    policy = simulation.asked.policies.get(simulation.first.removesuffix(THEN).split(PAIR)[-1])
    acts = [action for action in (policy.actions.values() if policy else ()) if action != "none"]
    if limit.unit != "contacts" or total <= limit.total or not acts or not limit.total:
        return ""
    per_1000 = math.floor(1e4 * limit.total / limit.users) / 10 or 1000 * limit.total / limit.users
    words = f"policy=budget policy.per_1000={per_1000:g} {override('policy.actions.top', acts[-1])}"
    return f" Those of highest score keep it: in place of budget.contacts type {words}."


def _cuts(cuts: Iterable[float] | None) -> str:
    return "none (act on no one)" if cuts is None else " and ".join(f"{cut:.3f}" for cut in cuts)


def _measures(simulation: Simulation) -> list[str]:
    """Further numeric outcomes: what the one shown first adds to them, or why nothing is said."""
    about, row = simulation.gathered.about, simulation.values[simulation.first]
    lines = [
        f"{simulation.first} adds to {name} {_signed(row[f'measure_{name}_per_user'], 3)} per user ({about['kind']})."
        for name in about["measures"]
    ]
    if about["unvalued"]:
        why = "nothing was logged" if simulation.kind == "assumed" else "evidence=experiment or logged values them"
        lines.append(f"Not valued: {', '.join(about['unvalued'])} ({simulation.kind} knows the outcome only; {why}).")
    return lines


def _needed(simulation: Simulation) -> str:
    smallest, leader = simulation.smallest_uplift, simulation.leader
    rivals: list[Contrast] = [v for v in simulation.verdicts if leader in (v.first, v.second)]
    open_ = [v for v in rivals if v.verdict == "inconclusive" and PAIR in v.first and PAIR in v.second]
    needed = [v.users_needed(smallest) or 0 for v in open_] if smallest else []
    if not any(needed):
        return f"Intervals hold for all {len(simulation.verdicts)} pairs together (95 %, max-t)."
    own = simulation.asked.smallest_uplift is not None
    stated = "as stated" if own else "1 % of a user's worth with no action; smallest_uplift=…"
    return (
        f"To tell {smallest:g} {simulation.currency} per user ({stated}) between {leader} and the models' policies it"
        f" cannot be told from: {max(needed):,} test users."
    )


def _assumed(simulation: Simulation) -> list[str]:
    """From which response on actions pay: one line a segment, over all models."""
    lines, table = [], simulation.break_even_table()
    for (policy, segment, action), rows in (
        table.groupby(["policy", "segment", "action"], sort=False) if len(table) else ()
    ):
        low, high = rows["break_even_response"].min(), rows["break_even_response"].max()
        spread = f"{low:.3f}" if f"{low:.3f}" == f"{high:.3f}" else f"{low:.3f} to {high:.3f}, by model,"
        stated = rows["assumed_response"].iloc[0]
        lines.append(f"{policy}, {segment}: {action} pays from a response of {spread} on (assumed: {stated:.3f}).")
    more = [f"{len(lines) - SEGMENTS} more in the run's tables/break_even.csv."] if len(lines) > SEGMENTS else []
    return lines[:SEGMENTS] + more


def simulation_card(simulation: Simulation) -> str:
    """A simulation: the decision, contestants, cut-offs, verdicts, segments, and sensitivity to prices."""
    return render(
        "simulation.md.j2",
        decision=of_simulation(simulation),
        simulation=simulation,
        led=" ".join(leader_in_words(simulation)),
        beyond=beyond_the_log(simulation),
    )
