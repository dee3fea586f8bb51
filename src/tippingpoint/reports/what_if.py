"""What the terminal shows of a simulation: one screen."""

from rich.console import Group, RenderableType
from rich.text import Text

from tippingpoint.findings import Filed
from tippingpoint.reports.tables import EVIDENCE, plain_table, stacked
from tippingpoint.simulated import Simulation
from tippingpoint.simulation.contest import Verdict
from tippingpoint.simulation.statistics import Estimate
from tippingpoint.sweeps import Sweep


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
    table = plain_table("Policies", [*heads, *(["regret"] if regret else []), *([against] if against else [])])
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
