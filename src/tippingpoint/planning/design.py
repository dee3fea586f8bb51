"""The experiment that is planned: arms at a rate, or a policy beside a share that is drawn, of a version's segments."""

import io
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tippingpoint.core.errors import InputError
from tippingpoint.decisions.deployment import Deployment
from tippingpoint.economics import Economics
from tippingpoint.offpolicy.power import Design, Stratum, arms_design, held_out, priced
from tippingpoint.offpolicy.sufficient_statistics import PAIR, SufficientStatistics
from tippingpoint.planning.settings import PlanSettings
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.runs import StoredRun
from tippingpoint.tracking.stored import STATISTICS, fetch, fetch_version, find, stored_run
from tippingpoint.tracking.tags import JOB


@dataclass(frozen=True)
class Planned:
    """What is planned.

    Parameters
    ----------
    what
        In words.
    measure
        What is measured.
    designs
        By name: each arm against the control; or the policy as a whole, then its segments.
    money
        The same in money; empty without prices.
    shares
        Users of all that each is about.
    policy
        Whether a policy is planned, which is measured per 1,000 of all users.
    number
        Whether the measure is a number.
    actions
        How many actions a policy's users may get.
    promised
        Uplift per 1,000 that the version promised; None where none was.
    """

    what: str
    measure: str
    designs: dict[str, Design]
    money: dict[str, Design]
    shares: dict[str, float]
    policy: bool
    number: bool = False
    currency: str = ""
    promised: float | None = None
    actions: int = 0
    experiment: str | None = None


def of_rate(settings: PlanSettings) -> Planned:
    """Arms at a stated rate or deviation."""
    arms = settings.arms or {"A": 0.5, "B": 0.5}
    rng = np.random.default_rng([settings.seed, 23])
    number = settings.deviation is not None
    mean = 0.0 if number else float(settings.rate or 0)
    inflation = settings.design_effect * (1 - settings.variance_saved)
    designs = arms_design([*arms.values()], mean, settings.deviation, inflation, rng, 1 / settings.group_size)
    control, *others = arms
    shared = ", ".join(f"{name} {share:.0%}" for name, share in arms.items())
    at = f"a number with standard deviation {settings.deviation:g}" if number else f"a rate of {mean:.2%}"
    money: dict[str, Design] = {}
    currency = ""
    if settings.economics is not None:
        economics = settings.economics.build(Economics, "economics")
        economics.check({"none", *others})
        intercept, slope = economics.line(("none", *others), settings.good)
        currency = economics.currency
        money = {
            name: priced(design, float(intercept[0] - intercept[k]), float(slope[k]), float(slope[0]))
            for k, (name, design) in enumerate(zip(others, designs, strict=True), 1)
        }
    return Planned(
        what=f"{shared}; control {control}; {at}",
        measure=settings.measure or ("measure" if number else "outcome"),
        designs=dict(zip(others, designs, strict=True)),
        money=money,
        shares=dict.fromkeys(others, 1.0),
        policy=False,
        number=number,
        currency=currency,
    )


def of_policy(client: Client, settings: PlanSettings) -> Planned:
    """A policy beside the share that is drawn: of a version's or a simulation's segments on test users.

    Raises
    ------
    InputError
        When the run has no segments, or the policy acts on none of them.
    """
    if settings.model is not None:
        run = find(client, settings.model)[0]
        kind = run.data.tags["evidence"]
        segments = pd.read_csv(io.BytesIO(fetch(client, run.info.run_id, f"tables/policy_{kind}.csv")))
        version = Deployment.model_validate_json(fetch_version(client, settings.model, "deployment.json"))
        actions, economics, good = version.actions, version.economics, version.good
        of, outcome = settings.model, version.outcome
        promised = run.data.metrics.get(f"policy/{kind}/uplift_per_1000")
    else:
        run = stored_run(client, str(settings.run))
        if run.data.tags.get(JOB) != "simulate":
            what = f"run {settings.run} is no simulation"
            raise InputError("run", what, "Type tippingpoint simulate, and the id it shows; or model=models:/NAME/1.")
        statistics = SufficientStatistics.load(fetch(client, run.info.run_id, STATISTICS))
        about = statistics.about
        leader = run.data.tags.get("leader") or next(iter(statistics.test.decisions))
        segments = _simulated(statistics, leader, settings.between)
        actions, good, outcome = tuple(about["actions"]), bool(about["good"]), str(about["outcome"])
        economics = Economics.model_validate({k: v for k, v in about["prices"].items() if k != "_target_"})
        of, promised = leader, run.data.metrics.get(f"policy/{about['kind']}/uplift_per_1000")
        promised = None if settings.between else promised
    return _of_segments(settings, segments, actions, economics, good, of, outcome, promised, run)


def _simulated(statistics: SufficientStatistics, leader: str, between: list[float] | None) -> pd.DataFrame:
    """Segments of a simulation's leader; or the users between two cut-offs, of a model's score."""
    model, _, policy = leader.partition(PAIR)
    segments = statistics.segments
    segments = segments[(segments["model"] == model) & (segments["policy"] == policy)]
    if between is None:
        return segments
    cells = statistics.along(model, policy).test
    low, high = between
    inside = np.flatnonzero(np.append(cells.cuts, np.inf) > low)
    inside = inside[np.append(-np.inf, cells.cuts)[inside] >= low]
    inside = inside[np.append(cells.cuts, np.inf)[inside] <= high]
    users = float(cells.count[inside].sum())
    if not users:
        what = f"no cell of the simulation lies between {low:g} and {high:g}"
        raise InputError("between", what, "Simulate with more cut-offs: tippingpoint simulate cuts=200.")
    reference = float(cells.gram[inside, 0, cells.columns("phi")][:, 0].sum() / users)
    acted = segments[segments["action"] != "none"]
    action = acted["action"].iloc[0] if len(acted) else "none"
    name = f"score from {low:g} to {high:g}"
    row = {"segment": name, "action": action, "users": users, "share": users / cells.users, "outcome_rate": reference}
    return pd.DataFrame([row])


def _of_segments(
    settings: PlanSettings,
    segments: pd.DataFrame,
    actions: tuple[str, ...],
    economics: Economics,
    good: bool,
    of: str,
    outcome: str,
    promised: float | None,
    run: StoredRun,
) -> Planned:
    acted = segments[(segments["action"] != "none") & (segments["users"] > 0)]
    if not len(acted):
        raise InputError("model" if settings.model else "run", f"{of} acts on nobody", "Plan another policy.")
    among = settings.holdout_actions or list(actions)
    if unknown := [name for name in among if name not in actions]:
        said = f"there is no action {unknown[0]!r}"
        raise InputError("holdout_actions", said, f"There are: {', '.join(actions)}.")
    if "none" not in among:
        raise InputError("holdout_actions", "nobody would get none", "Type holdout_actions='[none]'.")
    inflation = settings.design_effect * (1 - settings.variance_saved)
    in_money = not economics.per_user and not economics.measures
    strata: dict[str, Stratum] = {}
    money: dict[str, Stratum] = {}
    for row in acted.to_dict("records"):
        drawn = settings.holdout / len(among)
        chance = 1 - settings.holdout + (drawn if row["action"] in among else 0)
        name = str(row["segment"])
        strata[name] = Stratum(float(row["share"]), float(row["outcome_rate"]), chance, drawn)
        if in_money:
            intercept, slope = economics.line(("none", str(row["action"])), good)
            of_money = {"cost": float(intercept[0] - intercept[1]), "slope": float(slope[1])}
            own = (float(row["share"]), float(row["outcome_rate"]), chance, drawn)
            money[name] = Stratum(*own, **of_money, slope_reference=float(slope[0]))

    def designs(parts: dict[str, Stratum]) -> dict[str, Design]:
        each = {f"segment {name}": (part,) for name, part in parts.items()} if len(parts) > 1 else {}
        all_of = {"the policy": tuple(parts.values())} | each
        return {name: Design(part, False, inflation) for name, part in all_of.items()}

    drawn_from = "none alone" if among == ["none"] else f"{len(among)} actions"
    return Planned(
        what=f"{of} beside {settings.holdout:.0%} of users drawn from {drawn_from}",
        measure=settings.measure or outcome,
        designs=designs(strata),
        money=designs(money) if in_money else {},
        shares={name: sum(part.share for part in design.strata) for name, design in designs(strata).items()},
        policy=True,
        currency=economics.currency,
        promised=promised,
        actions=len(actions),
        experiment=run.info.experiment_id,
    )


def other_holdout(design: Design, share: float, actions: int, only_none: bool) -> Design:
    """The same with another share drawn, from so many actions or left alone."""
    chance, reference = held_out(share, actions, only_none)
    return replace(design, strata=tuple(replace(of, chance=chance, chance_reference=reference) for of in design.strata))
