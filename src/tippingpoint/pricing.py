"""From statistics and prices to answers: surface, choice, contest, segments, sensitivity; no user is touched."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from tippingpoint.economics import Economics
from tippingpoint.gathered import Gathered, Joint
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.policy import Policy
from tippingpoint.simulation.cells import Cells, Line, contacts, linear, outcomes
from tippingpoint.simulation.choice import Choice, Step, Valued, choose, cut_regret, frontier, untold
from tippingpoint.simulation.contest import Verdict, contest_of_cells
from tippingpoint.simulation.ranking import Curve, curve
from tippingpoint.simulation.statistics import Estimate
from tippingpoint.simulation.surface import Surface, surface
from tippingpoint.simulation.value import break_even_response

NONE, RANDOM, ORACLE = "everyone none", "random of equal size", "oracle"
PAIR = " · "
LARGEST_COARSE = 40
"""Cut-offs of the grid once three are swept: more choices than anyone looks at."""


@dataclass(frozen=True)
class Asked:
    """What is asked of the statistics.

    Parameters
    ----------
    policies
        By name; those of kind bands are swept.
    budget, budget_in
        Largest expected spend per user, in `contacts` or `money`; None is no limit.
    smallest_uplift
        Smallest difference of interest, money per user, stated beforehand.
    sensitivity
        Share by which the tornado moves each price.
    """

    economics: Economics
    policies: dict[str, Policy]
    budget: float | None
    budget_in: str
    smallest_uplift: float
    sensitivity: float
    least: int
    seed: int
    leader_only: bool = False
    """Whether only the leader's model gets a surface, for speed; choices are made for all."""


@dataclass(frozen=True)
class Sweep:
    """One model under every choice of cut-offs of one policy of bands.

    Parameters
    ----------
    surface
        None where there are too many bands for it.
    choice, budgeted
        Best cut-offs, without and with the budget; None under assumed evidence, which is no objective.
    told
        Whether each entry of the surface is told from the best; None where there is no choice or surface.
    frontier, frontier_in
        What more spend buys, and the unit of spend.
    regret
        What the honest choice leaves on the table against the best cut-offs, where truth is known.
    curves
        By action: outcomes if all from a cut-off upward get it.
    """

    model: str
    policy: str
    written: tuple[float, ...]
    bands: tuple[str, ...]
    surface: Surface | None
    choice: Choice | None
    budgeted: Choice | None
    told: np.ndarray | None
    frontier: list[Step]
    frontier_in: str
    regret: Estimate | None
    curves: dict[str, Curve]

    @property
    def untold_ranges(self) -> list[tuple[float, float]]:
        """For each cut-off the span of those choices that cannot be told from the best."""
        if self.told is None or self.surface is None or self.told.all():
            return []
        cuts = self.surface.cuts
        return [(float(cuts[i.min()]), float(cuts[i.max()])) for i in np.nonzero(~self.told)]


@dataclass(frozen=True)
class Simulation:
    """Everything one `simulate` finds.

    Parameters
    ----------
    leader
        The contestant `model · policy` of largest uplift on validation; the first one under assumed evidence.
    values
        One row a contestant: value, uplift, outcomes, users acted on, spend and regret, on test.
    verdicts
        All pairs of contestants; empty under assumed evidence.
    tornado
        Uplift of the leader when each price is moved down and up; the widest swing first.
    """

    gathered: Gathered
    asked: Asked
    leader: str
    values: dict[str, dict[str, Estimate]]
    verdicts: list[Verdict]
    sweeps: list[Sweep]
    segments: pd.DataFrame
    tornado: pd.DataFrame

    @property
    def kind(self) -> str:
        """The kind of evidence."""
        return str(self.gathered.about["kind"])

    @property
    def currency(self) -> str:
        """The unit of money."""
        return self.asked.economics.currency

    def sweep(self) -> Sweep | None:
        """The leader's own sweep; where its policy has no bands, that of its model."""
        model, policy = self.leader.split(PAIR)
        own = [s for s in self.sweeps if s.model == model]
        return next((s for s in own if s.policy == policy), own[0] if own else None)

    def surface_table(self) -> pl.DataFrame | None:
        """One row a choice of cut-offs of the leader's sweep that rises: value, uplift, outcomes, intervals, bands."""
        sweep = self.sweep()
        if sweep is None or sweep.surface is None:
            return None
        of, kind = sweep.surface, self.kind
        rise = np.isfinite(of.uplift.value)
        at = np.nonzero(rise)
        columns = {f"cut_{k + 1}": of.cuts[i] for k, i in enumerate(at)}
        for name, sheet in {"value": of.value, "uplift": of.uplift, "uplift_per_1000": of.outcomes}.items():
            numbers = {"": sheet.value, "_se": sheet.se, "_low": sheet.low, "_high": sheet.high}
            numbers |= {"_band_low": sheet.band_low, "_band_high": sheet.band_high}
            if kind == "assumed":
                numbers = {"": sheet.value}
            columns |= {f"{name}_{kind}{end}": values[rise] for end, values in numbers.items()}
        columns |= {"acted_on": of.uplift.changed[rise], "supported": of.uplift.supported[rise]}
        if sweep.told is not None:
            columns["told_from_best"] = sweep.told[rise]
        return pl.DataFrame(columns)

    def value_table(self) -> pd.DataFrame:
        """`values` flat: one row a contestant, names that carry the kind."""
        rows = []
        for name, numbers in self.values.items():
            row: dict[str, Any] = {"contestant": name}
            for column, e in numbers.items():
                row |= {f"{column}_{self.kind}{end}": v for end, v in _ends(e).items()}
            rows.append(row)
        return pd.DataFrame(rows).dropna(axis="columns", how="all")

    def verdict_table(self) -> pd.DataFrame:
        """One row a pair, with the users needed to tell the smallest uplift of interest."""
        smallest = self.asked.smallest_uplift
        return pd.DataFrame(
            [
                {
                    "first": v.first,
                    "second": v.second,
                    **{f"difference_{self.kind}{end}": value for end, value in _ends(v.difference).items()},
                    "verdict": v.word,
                    "users_who_differ": v.changed,
                    f"users_needed_for_{smallest:g}": v.users_needed(smallest),
                }
                for v in self.verdicts
            ]
        )

    def choice_table(self) -> pd.DataFrame:
        """One row a sweep and choice: honest beside apparent, with and without the budget."""
        rows = []
        for s in self.sweeps:
            for limit, choice in {"none": s.choice, self.asked.budget_in: s.budgeted}.items():
                for how in ("honest", "apparent") if choice else ():
                    of: Valued = getattr(choice, how)
                    row: dict[str, Any] = {"model": s.model, "policy": s.policy, "budget": limit, "choice": how}
                    row["cuts"] = "no one" if of.cuts is None else " ".join(f"{c:.4g}" for c in of.cuts)
                    named = {"uplift_per_user": of.uplift, "per_1000": of.outcomes, "spend_per_user": of.spend}
                    for column, e in named.items():
                        row |= {f"{column}_{self.kind}{end}": v for end, v in _ends(e).items()}
                    rows.append(row)
        return pd.DataFrame(rows)

    def frontier_table(self) -> pd.DataFrame:
        """One row a point of the value-spend frontier, by sweep."""
        rows = []
        for s in self.sweeps:
            for step in s.frontier:
                cuts = step.point.cuts
                row: dict[str, Any] = {"model": s.model, "policy": s.policy, "spend_in": s.frontier_in}
                row["cuts"] = "no one" if cuts is None else " ".join(f"{c:.4g}" for c in cuts)
                marginal = step.marginal or Estimate(float("nan"))
                named = {"spend_per_user": step.point.spend, "uplift_per_user": step.point.uplift}
                for column, e in {**named, "uplift_per_further_unit": marginal}.items():
                    row |= {f"{column}_{self.kind}{end}": v for end, v in _ends(e).items()}
                rows.append(row)
        return pd.DataFrame(rows)

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name, those without rows left out."""
        found = {
            "values": self.value_table(),
            "contest": self.verdict_table(),
            "choice": self.choice_table(),
            "frontier": self.frontier_table(),
            "segments": self.segments,
            "tornado": self.tornado,
            **self.gathered.tables,
        }
        return {name: table for name, table in found.items() if len(table)}

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        tables = {n: t.astype(object).where(t.notna(), None).to_dict("records") for n, t in self.tables().items()}
        best = self.sweep()
        told = {"untold_cuts": best.untold_ranges} if best else {}
        return {
            **{key: value for key, value in self.gathered.about.items() if key != "economics"},
            "evidence": self.kind,
            "economics": {"name": self.asked.economics.name, "currency": self.currency},
            "leader": self.leader,
            **told,
            **tables,
        }


def price(gathered: Gathered, asked: Asked) -> Simulation:
    """Answer everything at the prices asked, values and standard errors exact.

    Raises
    ------
    InputError
        Where a policy's action has no price.
    """
    about, economics = gathered.about, asked.economics
    actions = tuple(about["actions"])
    economics.check({actions[k] for d in gathered.test.decisions.values() for k in np.unique(d)} | {"none"})
    line = priced_line(about, economics)
    pairs = [name for name in gathered.test.decisions if PAIR in name]
    leader = pairs[0]
    if about["kind"] != "assumed":
        on_validation = {
            name: uplift(gathered.validation, line, gathered.validation.decisions[name]).value for name in pairs
        }
        leader = max(on_validation, key=on_validation.__getitem__)
    worth = _contestants(gathered.test, line, leader, actions)
    verdicts = []
    if about["kind"] != "assumed":
        verdicts = contest_of_cells(gathered.test.cells, worth, np.random.default_rng([asked.seed, 5]))
    swept = {name: policy for name, policy in asked.policies.items() if isinstance(policy, Bands)}
    return Simulation(
        gathered=gathered,
        asked=asked,
        leader=leader,
        values=_values(gathered, asked, line, worth, leader),
        verdicts=verdicts,
        sweeps=[
            _sweep(gathered, asked, line, m, n, p, full=m == leader.split(PAIR)[0] or not asked.leader_only)
            for m in gathered.scored
            for n, p in swept.items()
        ],
        segments=_segments(gathered, economics, line),
        tornado=_tornado(gathered, asked, leader),
    )


def priced_line(about: Mapping[str, Any], economics: Economics) -> Line:
    """Money per user, linear in the outcome scores as they were gathered.

    Under assumed evidence these hold the response stated then; another response rescales them, which the line takes
    in: phi' = phi·r for a good outcome, 1 - phi' = (1 - phi)·r for one that is not wanted.
    """
    actions, good = tuple(about["actions"]), bool(about["good"])
    alpha, beta = economics.line(actions, good)
    if about["kind"] == "assumed":
        ratio = economics.response(actions) / np.array(about["response"], dtype=np.float64)
        alpha, beta = alpha if good else alpha + beta * (1 - ratio), beta * ratio
    return Line(alpha, beta)


def uplift(joint: Joint, line: Line, decision: np.ndarray) -> Estimate:
    """Money per user over everyone getting none."""
    L = joint.cells.coefficients(line, {0, *np.unique(decision).tolist()})
    return linear(joint.cells, L[decision] - L[0])


def _contestants(joint: Joint, line: Line, leader: str, actions: tuple[str, ...]) -> dict[str, np.ndarray]:
    """By contestant (cells, C) coefficients of worth; what has no price stands nowhere."""
    cells = joint.cells
    usable = [k for k in range(len(actions)) if np.isfinite(line.alpha[k] + line.beta[k])]
    L = cells.coefficients(line, usable)
    worth = {name: L[d] for name, d in joint.decisions.items() if name != ORACLE}
    for k in usable:
        worth[f"everyone {actions[k]}"] = np.tile(L[k], (len(cells.count), 1))
    shares = np.bincount(joint.decisions[leader], cells.count, minlength=len(actions)) / cells.users
    worth[RANDOM] = np.tile(shares[usable] @ L[usable], (len(cells.count), 1))
    return worth


def _values(
    gathered: Gathered, asked: Asked, line: Line, worth: dict[str, np.ndarray], leader: str
) -> dict[str, dict[str, Estimate]]:
    about, joint = gathered.about, gathered.test
    actions = tuple(about["actions"])
    lines = {
        "uplift_per_user": line,
        "uplift_per_1000": _outcomes(about, asked.economics),
        "contacts_per_1000": contacts(len(actions)),
        "spend_per_user": Line(*asked.economics.spend(actions, about["good"])),
    }
    found = {}
    by_line = {column: _contestants(joint, of, leader, actions) for column, of in lines.items()}
    for name in worth:
        row = {"value_per_user": linear(joint.cells, worth[name])}
        for column, of in by_line.items():
            e = linear(joint.cells, of[name] - of[NONE])
            row[column] = e.scaled(1000) if column.endswith("1000") else e
        row["contacts_per_1000"] = Estimate(row["contacts_per_1000"].value)  # as many as these users had
        if ORACLE in joint.decisions and asked.economics.model_dump(mode="json") == about["economics"]:
            L = joint.cells.coefficients(line, {0, *np.unique(joint.decisions[ORACLE]).tolist()})
            row["regret_per_user"] = linear(joint.cells, L[joint.decisions[ORACLE]] - worth[name])
        found[name] = row
    return found


def _outcomes(about: Mapping[str, Any], economics: Economics) -> Line:
    """The line that counts outcomes, at the response stated now."""
    actions = tuple(about["actions"])
    line = outcomes(len(actions))
    if about["kind"] != "assumed":
        return line
    ratio = economics.response(actions) / np.array(about["response"], dtype=np.float64)
    return Line(line.alpha if about["good"] else 1 - ratio, ratio)


def _sweep(gathered: Gathered, asked: Asked, line: Line, model: str, name: str, policy: Bands, full: bool) -> Sweep:
    about, scored = gathered.about, gathered.scored[model]
    actions = tuple(about["actions"])
    bands = [actions.index(policy.actions[s]) for s in policy.segments]
    rng = np.random.default_rng([asked.seed, 6])
    test, validation = scored.test, scored.validation
    if len(policy.cuts) == 3:
        keep = np.unique(np.linspace(0, len(test.cuts) - 1, LARGEST_COARSE).astype(int)).tolist()
        test, validation = test.coarsen(keep), validation.coarsen(keep)
    found = surface(test, bands, line, rng, asked.least) if full and len(policy.cuts) < 4 else None
    choice = budgeted = told = regret = None
    steps: list[Step] = []
    money = Line(*asked.economics.spend(actions, about["good"]))
    by_money = bool(np.nansum(np.abs(money.alpha) + np.abs(money.beta)) > 0)
    spend = money if by_money else contacts(len(actions))
    if about["kind"] != "assumed":
        choice = choose(validation, test, bands, line, least=asked.least)
        if found is not None:
            stays, _ = untold(test, bands, line, choice.honest.at, rng, asked.least)
            told = ~stays
        if asked.budget is not None:
            limit = money if asked.budget_in == "money" else contacts(len(actions))
            budgeted = choose(validation, test, bands, line, limit, asked.budget, asked.least)
        if full and len(policy.cuts) < 3:
            steps = frontier(validation, test, bands, line, spend, asked.least)
        if about["kind"] == "truth":
            regret = cut_regret(test, bands, line, choice.honest.at)
    curves = {
        action: curve(scored.test, k, np.random.default_rng([asked.seed, 7]))
        for k, action in enumerate(actions)
        if full and k in bands and k
    }
    return Sweep(
        model=model,
        policy=name,
        written=policy.cuts,
        bands=policy.segments,
        surface=found,
        choice=choice,
        budgeted=budgeted,
        told=told,
        frontier=steps,
        frontier_in="money" if by_money else "contacts",
        regret=regret,
        curves=curves,
    )


def _segments(gathered: Gathered, economics: Economics, line: Line) -> pd.DataFrame:
    about, kind = gathered.about, gathered.about["kind"]
    table, actions = gathered.segments, tuple(about["actions"])
    column = f"uplift_per_user_{kind}"
    rows = []
    for s, action in enumerate(table["action"]):
        own, k = _only(gathered.segment_cells, s), actions.index(action)
        row: dict[str, float | None] = {}
        if own.users > 1:
            L = own.coefficients(line, {0, k})
            e = linear(own, np.tile(L[k] - L[0], (2, 1)))
            row = {f"{column}{end}": value for end, value in _ends(e).items() if value is not None}
            if kind == "assumed" and k:
                base = float(own.gram[0, 0, own.columns("phi").start]) / own.users
                row["break_even_response"] = _break_even(economics, about, base, k)
        rows.append(row)
    return pd.concat([table.reset_index(drop=True), pd.DataFrame(rows)], axis=1)


def _break_even(economics: Economics, about: Mapping[str, Any], base: float, action: int) -> float:
    """Ratio P(pays | action) / P(pays | none) from which on the action earns more than it costs."""
    alpha, beta = (of[[0, action]] for of in economics.line(tuple(about["actions"]), about["good"]))
    if not about["good"]:  # in terms of those who pay, whose outcome is 0
        alpha, beta, base = alpha + beta, -beta, 1 - base
    return float(break_even_response(base, alpha, beta)[1])


def _only(cells: Cells, s: int) -> Cells:
    gram = np.stack([cells.gram[s], np.zeros_like(cells.gram[s])])
    return Cells(cells.kind, np.array([0.5]), cells.actions, cells.blocks, gram)


def _tornado(gathered: Gathered, asked: Asked, leader: str) -> pd.DataFrame:
    about, joint = gathered.about, gathered.test
    decision = joint.decisions[leader]
    used = [about["actions"][k] for k in np.unique(decision) if k]
    share, written = asked.sensitivity, asked.economics.model_dump()
    fields: list[tuple[str, ...]] = [("price",), ("months",), ("ad_revenue",)]
    leaves = ["contact_cost", "discount", "discount_months"]
    leaves += ["assumed_response"] if about["kind"] == "assumed" else []
    fields += [("actions", action, leaf) for action in used for leaf in leaves]
    rows: list[dict[str, Any]] = []
    for path in fields:
        ends = []
        for factor in (1 - share, 1 + share):
            moved = Economics.model_validate(_scaled(written, path, factor))
            ends.append(uplift(joint, priced_line(about, moved), decision).value)
        if ends[0] != ends[1]:
            low, high = f"uplift_{about['kind']}_at_{1 - share:g}", f"uplift_{about['kind']}_at_{1 + share:g}"
            rows.append({"price": ".".join(path), low: ends[0], high: ends[1], "swing": abs(ends[1] - ends[0])})
    return pd.DataFrame([rows[k] for k in np.argsort([-row["swing"] for row in rows], kind="stable")])


def _scaled(node: Mapping[str, Any], path: tuple[str, ...], factor: float) -> dict[str, Any]:
    head, *rest = path
    if rest:
        return {**node, head: _scaled(node[head], tuple(rest), factor)}
    value = node[head] * factor
    return {**node, head: min(value, 1.0) if head == "discount" else value}


def _ends(e: Estimate) -> dict[str, float | None]:
    return {"": e.value, "_low": e.low, "_high": e.high}
