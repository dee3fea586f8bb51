"""`tippingpoint simulate`: value of cut-offs, policies and prices with models that are fitted already."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from rich.console import RenderableType

from tippingpoint.config.compose import option, overlay
from tippingpoint.core.errors import InputError
from tippingpoint.core.overrides import override
from tippingpoint.core.run_reference import RunReference
from tippingpoint.core.strict import Component, validate
from tippingpoint.data.source import Source
from tippingpoint.economics import Economics
from tippingpoint.experiment.assumption import assumption
from tippingpoint.experiment.collect import check_prices, gather_users
from tippingpoint.experiment.diagnostics import Chosen, Finding
from tippingpoint.experiment.guardrails import check_guardrails
from tippingpoint.experiment.revaluation import price
from tippingpoint.experiment.settings import BudgetLimit, SimulateSettings
from tippingpoint.experiment.simulation_result import Simulation
from tippingpoint.experiment.thresholds import Limit, SimulationRequest
from tippingpoint.offpolicy.statistics import LEAST_CHANGED
from tippingpoint.offpolicy.sufficient_statistics import SufficientStatistics
from tippingpoint.policies.policy import Policy
from tippingpoint.policies.share_bands import ShareBands
from tippingpoint.reports.progress import progress
from tippingpoint.reports.result import Result
from tippingpoint.simulation import report
from tippingpoint.simulation.artifacts import record
from tippingpoint.simulation.decision import of_simulation
from tippingpoint.simulation.plots import SimulationPlots
from tippingpoint.simulation.unused_keys import refuse_idle_budget, unused
from tippingpoint.tracking import backend
from tippingpoint.tracking.models import LoadedModel, load, with_findings
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.rights import check_experiment
from tippingpoint.tracking.runs import StoredRun, reap
from tippingpoint.tracking.stored import STATISTICS, config_of, fetch, find
from tippingpoint.tracking.tags import JOB, PARENT

SENSITIVITY = 0.2
"""Share by which the tornado moves prices, where nothing else is asked."""


@dataclass(frozen=True, repr=False)
class SimulateResult(Result):
    """What a simulation found, where it is filed, and how long the answer took once statistics were there."""

    simulation: Simulation
    filed: RunReference | None
    """None where nothing was to be written."""
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        filed = {"run_id": self.filed.run_id, "page": self.filed.page} if self.filed else {}
        decision = of_simulation(self.simulation).to_dict()
        return {"decision": decision, **self.simulation.to_dict(), **filed, "answer_seconds": self.seconds}

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        return report.simulate_summary(self.simulation, self.filed, self.seconds)

    def leaderboard(self) -> pd.DataFrame:
        """One row a contestant, the best first: what it brings, with intervals."""
        return self.simulation.value_table()

    @property
    def plot(self) -> SimulationPlots:
        """Figures: `.plot.uplift()`, `.cut_offs()`, `.targeting()`, `.frontier()`."""
        return SimulationPlots(self.simulation)


def simulate(
    settings: SimulateSettings, further: Sequence[Policy] = (), source: Source | None = None
) -> SimulateResult:
    """Load models without fitting them again, gather statistics of their users, and answer from those.

    A finished simulate run is answered from its saved statistics, at other prices, without any user.

    Parameters
    ----------
    further
        Policies for the contest, besides those that `settings.policies` names.
    source
        Where users come from, if that is at hand.

    Raises
    ------
    InputError
        When the config, the models or the users are wrong or do not fit each other.
    OutsideError
        When the store cannot be used.
    """
    with progress(6) as step:
        step("opening the store")
        client = backend.connect(writing=settings.tracking.log)
        if settings.tracking.log:
            reap(client)
        runs = _runs(client, settings, source)
        saved = [r for r in runs.values() if r.data.tags.get(JOB) == "simulate"]
        if saved and len(runs) > 1:
            raise InputError("models", "a finished simulation is priced anew alone", "Name it only, or models only.")
        if saved:
            experiment = _destination(client, settings, saved[0].info.experiment_id)
            step("reading statistics")
            gathered = SufficientStatistics.load(fetch(client, saved[0].info.run_id, STATISTICS))
            gathered = _told(gathered, settings)
            policies = {n: _policy(node, f"policies.{n}") for n, node in gathered.about["policies"].items()}
            economics = _economics(gathered.about["prices"], settings)
            _refuse_what_needs_users(settings, gathered.about, economics)
            refuse_idle_budget(settings, policies)
            settings = _asked_again(settings, gathered.about["asked"])
            margins = settings.guardrails or {}
        else:
            step("loading models")
            configs = [config_of(client, run) for run in runs.values()]
            policies = _policies(settings, [config["policy"] for config in configs], further)
            economics = _economics(configs[0]["economics"], settings)
            check_prices(policies, economics)  # all that is typed is checked before anything large is read
            refuse_idle_budget(settings, policies)
            margins = configs[0].get("guardrails") or {} if settings.guardrails is None else settings.guardrails
            models = _named([with_findings(client, load(client, run)) for run in runs.values()])
            experiment = _destination(client, settings, next(iter(models.values())).experiment)
            step("scoring users, gathering statistics")
            gathered = gather_users(settings, models, policies, economics, source, step)
        if saved and (said := assumption(gathered.about, tuple(gathered.about["actions"]), economics)):
            step(f"uplift is assumed: {said}")
        step("answering")
        simulation, seconds = _answered(settings, gathered, policies, economics, margins, first_only=bool(saved))
        if not settings.tracking.log:
            return SimulateResult(simulation, None, seconds)
        step("filing")
        filed = record(client, experiment, simulation, settings, [r.info.run_id for r in saved])
    return SimulateResult(simulation, filed, seconds)


def _runs(client: Client, settings: SimulateSettings, source: Source | None) -> dict[str, StoredRun]:
    """The runs that are named; or those of the latest compare of the question that the users are asked, which is said.

    Raises
    ------
    InputError
        When there are none.
    """
    if settings.models:
        named = (run for word in settings.models for run in find(client, word))
        return {run.info.run_id: run for run in named}
    if source is None and settings.data is not None:
        source = settings.data.build(Source, "data")
    question = None if source is None else source.question
    found = find(client, "", settings.tracking.experiment, question)
    of = found[0].data
    print(f"models of compare {of.tags[PARENT]}: {of.tags['question']}, {of.params['data']}", file=sys.stderr)
    return {run.info.run_id: run for run in found}


def _destination(client: Client, settings: SimulateSettings, own: str) -> str:
    """Id of the experiment that the simulation is filed in: the models' own, or the one that is named."""
    if not settings.tracking.log:
        return own
    found = backend.experiment_id(client, settings.tracking.experiment) if settings.tracking.experiment else own
    check_experiment(client, found)
    return found


def simulate_in_memory(
    settings: SimulateSettings,
    models: dict[str, LoadedModel],
    policies: Sequence[Policy],
    economics: Economics,
    source: Source | None,
) -> SimulateResult:
    """Answer the same of models that are at hand; no store is read or written.

    Raises
    ------
    InputError
        When models, policies, prices and users do not fit each other.
    """
    named = _by_name([*policies, *_named_options(settings)])
    check_prices(named, economics)
    refuse_idle_budget(settings, named)
    with progress(3) as step:
        step("scoring users, gathering statistics")
        gathered = gather_users(settings, models, named, economics, source, step)
        step("answering")
        own = next(iter(models.values())).config.get("guardrails") or {}
        margins = own if settings.guardrails is None else settings.guardrails
        simulation, seconds = _answered(settings, gathered, named, economics, margins)
    return SimulateResult(simulation, None, seconds)


def _told(gathered: SufficientStatistics, settings: SimulateSettings) -> SufficientStatistics:
    """The statistics without the findings that are silenced now."""
    chosen = Chosen.of(settings.diagnostics)
    found = [Finding.from_dict(node) for node in gathered.about.get("findings", ())]
    kept = [finding.to_dict() for finding in found if finding.code not in chosen.silence]
    return replace(gathered, about=gathered.about | {"findings": kept})


def _answered(
    settings: SimulateSettings,
    gathered: SufficientStatistics,
    policies: dict[str, Policy],
    economics: Economics,
    guardrails: Mapping[str, float],
    first_only: bool = False,
) -> tuple[Simulation, float]:
    """Return the answer to what is asked of the statistics, and the seconds it took."""
    about = gathered.about
    check_guardrails(about["kind"], [*about["measures"], *about["unvalued"]], guardrails, about["kind"] != "assumed")
    start = time.perf_counter()
    looked_at = {name: policies[name] for name in gathered.about["policies"]}
    simulation = price(gathered, _asked(settings, gathered, looked_at, economics, guardrails, first_only))
    return simulation, time.perf_counter() - start


def _named(models: list[LoadedModel]) -> dict[str, LoadedModel]:
    """Models by family; those of one family carry the start of their run's id too."""
    families = [model.name for model in models]
    return {
        model.name if families.count(model.name) == 1 else f"{model.name} {model.run_id[:6]}": model for model in models
    }


def _policies(
    settings: SimulateSettings, own: list[dict[str, Any]], further: Sequence[Policy] = ()
) -> dict[str, Policy]:
    """Each model's own policy, as its run has it, with `policy` on top, then `policies` and `further`."""
    built = [_on_top(node, settings.policy) for node in own]
    return _by_name([*built, *_named_options(settings), *further])


def _on_top(node: dict[str, Any], given: dict[str, Any]) -> Policy:
    """A policy as it was logged, with what is given on top; cut-offs that are given end shares of users."""
    cuts = given.get("cuts")
    if cuts and "_target_" not in given and isinstance(shares := _policy(node, "policy"), ShareBands):
        node = shares.at(tuple(cuts), shares.version).specification()
    return _policy(overlay(node, given), "policy")


def _named_options(settings: SimulateSettings) -> list[Policy]:
    return [_policy(option("policy", name, settings.config_dir), f"policies.{name}") for name in settings.policies]


def _by_name(policies: Sequence[Policy]) -> dict[str, Policy]:
    """Policies by name; by version and digest too where names repeat."""
    distinct = list({policy.digest: policy for policy in policies}.values())
    names = [policy.name for policy in distinct]
    return {
        policy.name if names.count(policy.name) == 1 else f"{policy.name} v{policy.version} {policy.digest[:4]}": policy
        for policy in distinct
    }


def _policy(node: dict[str, Any], where: str) -> Policy:
    if "_target_" not in node:
        raise InputError(where, "names no class: a `_target_` is missing", "See conf/policy for examples.")
    return Component.of(node, where).build(Policy, where)


def _economics(written: dict[str, Any], settings: SimulateSettings) -> Economics:
    node = overlay(written, settings.economics)
    if "_target_" in node:
        return Component.of(node, "economics").build(Economics, "economics")
    return validate(Economics, node, "economics")


def _asked_again(settings: SimulateSettings, before: dict[str, Any]) -> SimulateSettings:
    """What a finished simulation was asked, but for what is asked otherwise now."""
    now = {key: getattr(settings, key) for key in ("least", "smallest_uplift", "sensitivity", "guardrails")}
    budget = settings.budget
    if budget.contacts is None and budget.money is None:
        kept = BudgetLimit(**before["budget"])
        budget = kept.model_copy(update={"of_users": budget.of_users or kept.of_users})
    update = {key: before.get(key) if value is None else value for key, value in now.items()}
    return settings.model_copy(update={**update, "budget": budget})


def _asked(
    settings: SimulateSettings,
    gathered: SufficientStatistics,
    policies: dict[str, Policy],
    economics: Economics,
    guardrails: Mapping[str, float],
    first_only: bool,
) -> SimulationRequest:
    budget, limit = settings.budget, None
    for unit, total in {"contacts": budget.contacts, "money": budget.money}.items():
        if total is not None:
            limit = Limit(total, unit, budget.of_users or gathered.about["users"]["all"])
    if limit is None and budget.of_users is not None:
        raise InputError("budget.of_users", "is no budget by itself", "Type budget.contacts=… or budget.money=… too.")
    if budget.money is not None and economics.per_user:
        what = f"{economics.name} says what each user costs with either outcome, not what is spent"
        raise InputError("budget.money", what, "Type budget.money=null budget.contacts=…")
    return SimulationRequest(
        economics=economics,
        policies=policies,
        budget=limit,
        smallest_uplift=settings.smallest_uplift,
        sensitivity=SENSITIVITY if settings.sensitivity is None else settings.sensitivity,
        least=LEAST_CHANGED if settings.least is None else settings.least,
        seed=gathered.about["seed"],
        chosen=Chosen.of(settings.diagnostics, {"diagnostics": {"accept": gathered.about.get("accepted")}}),
        unused=unused(settings, policies, gathered),
        guardrails=guardrails,
        first_only=first_only,
    )


def _refuse_what_needs_users(settings: SimulateSettings, about: dict[str, Any], economics: Economics) -> None:
    """Refuse all that saved statistics cannot answer, in one message that says what to type instead."""
    written = about["economics"]
    unknown = economics.priced - set(about["actions"]) - set(written["actions"]) - set(written.get("costs", {}))
    # Prices of each user's own went into the statistics user by user.
    own = economics.per_user or about["per_user_prices"]
    same = economics.specification() == about["prices"]
    asked = {
        "data": settings.data is not None,
        "policies": bool(settings.policies),
        "policy": any(value is not None for value in settings.policy.values()),
        "cuts": settings.cuts not in (None, about["cuts"]),
        "evidence": settings.evidence not in ("auto", about["kind"]),
        "seed": settings.seed not in (None, about["seed"]),
        "diagnostics.accept": bool(settings.diagnostics.accept),
        "economics (prices of each user's own need a pass over users)": own and not same,
        f"economics.actions ({', '.join(sorted(unknown))})": bool(unknown) and not own,
    }
    if not (named := [where for where, there in asked.items() if there]):
        return
    runs = override("models", [model["run_id"] for model in about["models"].values()])
    raise InputError(
        ", ".join(named),
        f"fixed when the statistics of this run were gathered ({about['kind']}, {about['cuts']} cut-offs, seed"
        f" {about['seed']}); prices, budget, least, smallest_uplift and sensitivity can change without users",
        f"Simulate the models again: type {runs} instead of this run's id.",
    )
