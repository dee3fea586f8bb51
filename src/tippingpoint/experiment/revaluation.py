"""From statistics and prices to answers: surface, choice, contest, segments, sensitivity; no user is touched."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.economics import Economics
from tippingpoint.experiment.diagnostics.policy import better_without_a_model
from tippingpoint.experiment.simulation_result import (
    BEST,
    DEFAULT,
    EVERYONE,
    NONE,
    ORACLE,
    RANDOM,
    THEN,
    WITHOUT_MODEL,
    Simulation,
    ends,
)
from tippingpoint.experiment.thresholds import CutOffs, SimulationRequest, cut_offs
from tippingpoint.offpolicy.cells import Line, contacts, linear, outcomes
from tippingpoint.offpolicy.common_support import Common, common_support
from tippingpoint.offpolicy.contest import contest_of_cells
from tippingpoint.offpolicy.estimators import estimates
from tippingpoint.offpolicy.evidence import MEASURE, factor
from tippingpoint.offpolicy.hidden_driver import Bounds
from tippingpoint.offpolicy.sensitivity import bounds
from tippingpoint.offpolicy.statistics import LEAST_CHANGED, Estimate
from tippingpoint.offpolicy.sufficient_statistics import MONEY, PAIR, Joint, SufficientStatistics
from tippingpoint.offpolicy.value import break_even_response
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.share_bands import ShareBands

INTEREST = 0.01
"""Share of a user's value with no action: the smallest uplift of interest, where none is stated."""


def price(gathered: SufficientStatistics, asked: SimulationRequest) -> Simulation:
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
    named = _names(gathered, asked, line)
    test, validation = (_renamed(joint, named) for joint in (gathered.test, gathered.validation))
    pairs = [name for name in test.decisions if PAIR in name]
    first, on_validation = pairs[0], None
    if measured := test.cells.measured:
        on = {name: uplift(validation, line, validation.decisions[name]) for name in pairs}
        each = {name: of.value for name, of in on.items() if of.low is not None}  # what is vetoed leads nothing
        if each:
            first = max(each, key=each.__getitem__)
            on_validation = each[first]
    coefficients = _contestants(test, line, first, actions, usable(economics, actions))
    verdicts = []
    if measured:
        again = _again(test.decisions, first)
        contested = {name: of for name, of in coefficients.items() if name not in again}
        verdicts = contest_of_cells(test.cells, contested, np.random.default_rng([asked.seed, 5]))
    no_model = [v for v in verdicts if any(of.startswith(WITHOUT_MODEL) for of in (v.first, v.second))]
    unit = f"{economics.currency} per user"
    found = asked.chosen.settle([better_without_a_model(first, no_model, unit)], first)
    banded = {name: policy for name, policy in asked.policies.items() if isinstance(policy, Bands)}
    own, by = first.split(PAIR)
    shown = own, by if by in banded else next(iter(banded), "")
    segments = _segments(gathered, economics, line)
    both = segments["model"] + PAIR + segments["policy"]
    values = _values(about, asked, line, test, coefficients, first)
    untouched = abs(values[NONE]["value_per_user"].value)
    block = MONEY if about["per_user_prices"] else "phi"
    return Simulation(
        gathered=gathered,
        asked=asked,
        smallest_uplift=asked.smallest_uplift or float(f"{INTEREST * untouched:.2g}") or None,
        decided={name: test.decisions[name] for name in coefficients if name in test.decisions},
        first=first,
        on_validation=on_validation,
        values=values,
        verdicts=verdicts,
        at_these_prices=found,
        estimators=_estimators(about, line, test, coefficients),
        all_cut_offs=_all_cut_offs(gathered, asked, line, banded, shown),
        segments=segments.assign(policy=[named[name].split(PAIR)[1] for name in both]),
        tornado=_tornado(about, asked, test, test.decisions[first]),
        hidden=_hidden(test, coefficients, block),
        common=_common(about, line, test, coefficients, block),
    )


def _all_cut_offs(
    gathered: SufficientStatistics,
    asked: SimulationRequest,
    line: Line,
    banded: Mapping[str, Bands],
    shown: tuple[str, str],
) -> list[CutOffs]:
    """By model and policy; where something is chosen, policies with the same actions from low to high share all of it.

    Their own cut-offs are one point among all choices.
    """
    about, found, shared = gathered.about, [], dict[tuple[int, tuple[str, ...], bool], CutOffs]()
    for m in about["models"]:
        for n, p in banded.items():
            bound, full = _bound(about, m, n, p), (m, n) == shown or not asked.first_only
            key = id(gathered.along(m, n)), tuple(bound.actions[s] for s in bound.segments), full
            if (there := shared.get(key)) is not None:
                found.append(replace(there, policy=n, written=bound.cuts, bands=bound.segments))
                continue
            found.append(cut_offs(gathered, asked, line, m, n, bound, full))
            if found[-1].choice is not None:
                shared[key] = found[-1]
    return found


def _hidden(joint: Joint, coefficients: dict[str, np.ndarray], block: str) -> dict[str, Bounds]:
    """By contestant, what its uplift could be with a hidden driver; empty where chances are known."""
    each = {name: of - coefficients[NONE] for name, of in coefficients.items() if name != NONE}
    found = {name: bounds(joint.cells, of, block) for name, of in each.items()}
    return {name: of for name, of in found.items() if of is not None}


def _common(
    about: Mapping[str, Any], line: Line, joint: Joint, contestants: Iterable[str], block: str
) -> dict[str, Common]:
    """By contestant whose overlap is vetoed, what can be said of those who could have got either."""
    found = {}
    for name in contestants:
        decision = _decision(about, joint, name)
        if decision is None or not decision.any():
            continue
        L = joint.cells.coefficients(line, {0, *np.unique(decision).tolist()})
        found[name] = common_support(joint.cells, L[decision] - L[0], decision, block)
    return {name: of for name, of in found.items() if of is not None}


def _decision(about: Mapping[str, Any], joint: Joint, name: str) -> np.ndarray | None:
    """(cells,) action codes of a contestant; None of one that is picked at random."""
    actions = {f"{EVERYONE}{action}": k for k, action in enumerate(about["actions"])}
    if name in actions:
        return np.full(len(joint.cells.count), actions[name])
    return joint.decisions.get(name)


def _again(decisions: Mapping[str, np.ndarray], first: str) -> set[str]:
    """Contestants that decide as their policy does with another model: it counts once, as `first` where that is one."""
    kept: dict[tuple[str, bytes], str] = {}
    pairs = [name for name in decisions if PAIR in name]
    for name in [first, *pairs]:
        kept.setdefault((name.split(PAIR)[-1], decisions[name].tobytes()), name)
    return {*pairs} - {*kept.values()}


def _bound(about: Mapping[str, Any], model: str, name: str, policy: Bands) -> Bands:
    """A policy of bands with the cut-offs it has under a model's scores."""
    if not isinstance(policy, ShareBands):
        return policy
    return policy.model_copy(update={"cuts": tuple(about["bound"][model][name]["cuts"])})


def _names(gathered: SufficientStatistics, asked: SimulationRequest, line: Line) -> dict[str, str]:
    """What each contestant is called here: those whose decisions rest on prices say so where prices are others now."""
    same = gathered.about["per_user_prices"]
    if not same:
        then = priced_line(gathered.about, Economics.model_validate(gathered.about["economics"]))
        same = np.array_equal(
            [then.reward_intercept, then.reward_slope, *then.measures.values()],
            [line.reward_intercept, line.reward_slope, *line.measures.values()],
            equal_nan=True,
        ) and list(then.measures) == list(line.measures)
    resting = {BEST, ORACLE} | {name for name, of in asked.policies.items() if of.chosen_by_outcomes}
    names = gathered.test.decisions
    return {n: n if same or n.split(PAIR)[-1] not in resting else f"{n}{THEN}" for n in names}


def _renamed(joint: Joint, named: Mapping[str, str]) -> Joint:
    return replace(joint, decisions={named[name]: decision for name, decision in joint.decisions.items()})


def priced_line(about: Mapping[str, Any], economics: Economics) -> Line:
    """Money per user, linear in the outcome scores as they were gathered.

    Under assumed evidence these hold the response stated then; another response rescales them, which the line takes in.
    """
    actions, good = tuple(about["actions"]), bool(about["good"])
    if about["per_user_prices"]:  # gathered as they were: no price can change without users
        return only(MONEY, len(actions))
    reward_intercept, reward_slope = economics.line(actions, good)
    if about["kind"] == "assumed":
        reward_slope = reward_slope * _rescaled(about, economics)
    for name in economics.measures:
        if name not in about["measures"]:
            what = f"no measure {name!r} was gathered"
            raise InputError("economics.reward", what, nearest(name, map(str, about["measures"])))
    worth = {f"{MEASURE}{name}": np.full(len(actions), of) for name, of in economics.measures.items()}
    return Line(reward_intercept, reward_slope, worth)


def asked_of_measures(line: Line) -> bool:
    """Whether a line counts measures besides the outcome."""
    return any(block.startswith(MEASURE) for block in line.measures)


def only(block: str, actions: int) -> Line:
    """The line that counts a further measure alone, for K actions."""
    return Line(np.zeros(actions), np.zeros(actions), {block: np.ones(actions)})


def uplift(joint: Joint, line: Line, decision: np.ndarray) -> Estimate:
    """Money per user over everyone getting none."""
    L = joint.cells.coefficients(line, {0, *np.unique(decision).tolist()})
    return linear(joint.cells, L[decision] - L[0])


def usable(economics: Economics, actions: tuple[str, ...]) -> list[int]:
    """Codes of the actions that have a price."""
    return [k for k, action in enumerate(actions) if action in economics.priced]


def _contestants(
    joint: Joint, line: Line, first: str, actions: tuple[str, ...], usable: list[int]
) -> dict[str, np.ndarray]:
    """By contestant (cells, C) coefficients of value; actions without a price are left out."""
    cells = joint.cells
    L = cells.coefficients(line, usable)
    coefficients = {name: L[d] for name, d in joint.decisions.items() if not name.startswith(ORACLE)}
    for k in usable:
        coefficients[f"{EVERYONE}{actions[k]}"] = np.tile(L[k], (len(cells.count), 1))
    shares = np.bincount(joint.decisions[first], cells.count, minlength=len(actions)) / cells.users
    coefficients[RANDOM] = np.tile(shares[usable] @ L[usable], (len(cells.count), 1))
    return coefficients


def _values(
    about: Mapping[str, Any],
    asked: SimulationRequest,
    line: Line,
    joint: Joint,
    coefficients: dict[str, np.ndarray],
    first: str,
) -> dict[str, dict[str, Estimate]]:
    actions = tuple(about["actions"])
    lines = {
        "uplift_per_user": line,
        "uplift_per_1000": outcome_line(about, asked.economics),
        "contacts_per_1000": contacts(len(actions)),
        **{f"measure_{name}_per_user": only(f"{MEASURE}{name}", len(actions)) for name in map(str, about["measures"])},
    }
    if not about["per_user_prices"]:
        lines["action_cost_per_user"] = Line(*asked.economics.spend(actions, about["good"]))
    found = {}
    known = usable(asked.economics, actions)
    by_line = {column: _contestants(joint, of, first, actions, known) for column, of in lines.items()}
    for name in coefficients:
        row = {"value_per_user": linear(joint.cells, coefficients[name])}
        for column, of in by_line.items():
            e = linear(joint.cells, of[name] - of[NONE])
            row[column] = e.scaled(1000) if column.endswith("1000") else e
        row["contacts_per_1000"] = Estimate(row["contacts_per_1000"].value)  # as many as these users had
        if ORACLE in joint.decisions:  # one of other prices has another name
            L = joint.cells.coefficients(line, {0, *np.unique(joint.decisions[ORACLE]).tolist()})
            row["regret_per_user"] = linear(joint.cells, L[joint.decisions[ORACLE]] - coefficients[name])
        found[name] = row
    return found


def _estimators(about: Mapping[str, Any], line: Line, joint: Joint, contestants: Iterable[str]) -> pd.DataFrame:
    """One row a contestant that decides and estimator; empty where nothing was logged."""
    if (log := joint.log) is None or asked_of_measures(line):  # the log's cells hold outcomes only
        return pd.DataFrame()
    if about["per_user_prices"]:  # in money already
        line = outcomes(log.actions)
    none, rows = np.zeros(len(log.count), dtype=np.int64), []
    for name in contestants:
        if (decision := _decision(about, joint, name)) is None:
            continue
        value, gain = estimates(log, line, decision), estimates(log, line, decision, none)
        for estimator in sorted(value, key=lambda one: one != DEFAULT):
            row: dict[str, Any] = {"contestant": name, "estimator": estimator, "default": estimator == DEFAULT}
            for column, e in {"value_per_user": value[estimator], "uplift_per_user": gain[estimator]}.items():
                row |= {f"{column}_{about['kind']}{end}": v for end, v in ({**ends(e), "_se": e.se}).items()}
            rows.append(row)
    return pd.DataFrame(rows)


def outcome_line(about: Mapping[str, Any], economics: Economics) -> Line:
    """The line that counts outcomes, at the response stated now."""
    actions = tuple(about["actions"])
    line = outcomes(len(actions))
    if about["kind"] != "assumed":
        return line
    return Line(line.reward_intercept, _rescaled(about, economics))


def _rescaled(about: Mapping[str, Any], economics: Economics) -> np.ndarray:
    """(K,) by how much the responses stated now move outcome scores that were gathered at those stated then."""
    ratio = economics.response(tuple(about["actions"])) / np.array(about["response"], dtype=np.float64)
    return factor(ratio, about["good"])


def _segments(gathered: SufficientStatistics, economics: Economics, line: Line) -> pd.DataFrame:
    about, kind = gathered.about, gathered.about["kind"]
    table, actions = gathered.segments, tuple(about["actions"])
    column = f"uplift_per_user_{kind}"
    rows = []
    for s, action in enumerate(table["action"]):
        own, k = gathered.segment_cells.only(s), actions.index(action)
        row: dict[str, float | None] = {}
        if own.users > 1:
            L = own.coefficients(line, {0, k})
            e = linear(own, np.tile(L[k] - L[0], (2, 1)))
            e = e if own.users >= LEAST_CHANGED or not k else Estimate(e.value)  # too few for a normal interval
            known_ends = list(ends(e)) if own.measured else [""]
            row = {f"{column}{end}": np.nan if (value := ends(e)[end]) is None else value for end in known_ends}
            if kind == "assumed" and k and not about["per_user_prices"]:
                base = float(own.gram[0, 0, own.columns("phi").start]) / own.users
                row["break_even_response"] = _break_even(economics, about, base, k)
        rows.append(row)
    return pd.concat([table.reset_index(drop=True), pd.DataFrame(rows)], axis=1)


def _break_even(economics: Economics, about: Mapping[str, Any], base: float, action: int) -> float:
    """The response from which on the action earns more than it costs; inf: none does."""
    reward_intercept, reward_slope = (of[[0, action]] for of in economics.line(tuple(about["actions"]), about["good"]))
    return break_even_response(base, reward_intercept, reward_slope, about["good"])


def _tornado(about: Mapping[str, Any], asked: SimulationRequest, joint: Joint, decision: np.ndarray) -> pd.DataFrame:
    used = [about["actions"][k] for k in np.unique(decision) if k]
    if about["per_user_prices"]:
        return pd.DataFrame()
    share, written = asked.sensitivity, asked.economics.model_dump()
    fields: list[tuple[str, ...]] = [("price",), ("months",), ("ad_revenue",)]
    leaves = ["contact_cost", "discount", "discount_months"]
    leaves += ["assumed_response"] if about["kind"] == "assumed" else []
    fields += [("actions", action, leaf) for action in used for leaf in leaves]
    rows: list[dict[str, Any]] = []
    for path in fields:
        ends = []
        for times in (1 - share, 1 + share):
            moved = Economics.model_validate(_scaled(written, path, times))
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
