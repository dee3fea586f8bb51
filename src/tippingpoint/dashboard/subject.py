"""What the pages are about: the champion of a registry, or a demonstration; its users, and what a simulation says."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.dashboard.job import scratch
from tippingpoint.data.source import Source
from tippingpoint.data.users import Users
from tippingpoint.decisions import Decider
from tippingpoint.decisions.reasons import Reasons
from tippingpoint.experiment.answer import answer
from tippingpoint.experiment.build import ask
from tippingpoint.experiment.collect import CUTS, gather_users
from tippingpoint.experiment.explanation_figures import shap_summary
from tippingpoint.experiment.revaluation import price
from tippingpoint.experiment.settings import SimulateSettings
from tippingpoint.experiment.simulation_result import Simulation
from tippingpoint.experiment.thresholds import SimulationRequest
from tippingpoint.explanation import Explanation
from tippingpoint.models.family import Family
from tippingpoint.offpolicy.statistics import LEAST_CHANGED
from tippingpoint.offpolicy.sufficient_statistics import SufficientStatistics
from tippingpoint.policies.policy import Policy
from tippingpoint.simulation.job import SENSITIVITY
from tippingpoint.tracking import backend
from tippingpoint.tracking.deciders import load_decider
from tippingpoint.tracking.journal import CHAMPION
from tippingpoint.tracking.models import LoadedModel, with_findings
from tippingpoint.tracking.promotion import aliases, questions
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.stored import STATISTICS, fetch, find_version
from tippingpoint.tracking.tags import DATA, JOB

DEMOS: dict[str, tuple[str, ...]] = {
    "conversion": ("data=case_study", "model=logistic"),
    "retention": ("data=retention", "policy=retention", "model=logistic"),
}
"""Demonstrations: generated users and a small model, fitted when the page is first opened."""
SHAP = "figures/shap.png"
LOOKED_AT = 10
"""Of the simulations of these users, so many of the latest are looked into."""
"""The SHAP values of the test users, as a run's report draws them."""


@dataclass(frozen=True)
class Subject:
    """What decides, for whom, and what is known of it.

    Parameters
    ----------
    reference
        The exact version (`models:/conversion/3`), or `demo conversion`.
    users
        The users it was fitted and judged on, as a table of raw columns; None where they cannot be read any more.
    hidden
        Columns of users that are no features: the outcome, what was done to them, and what was measured since.
    changed
        Whether the users are no longer those it was fitted and judged on.
    simulation
        Its policy under every choice of cut-offs; None where that cannot be told, and then `why_not` says why.
    shap
        The picture of its SHAP values, PNG, as its run filed it; None where it did not.
    """

    reference: str
    demo: bool
    decider: Decider
    policy_digest: str
    family: Family
    origin: str
    users: pl.DataFrame | None
    simulation: Simulation | None
    model: str
    why_not: str
    shap: bytes | None
    hidden: tuple[str, ...] = ()
    changed: bool = False

    @property
    def policy(self) -> Policy:
        """What decides, once there is a score."""
        return self.decider.policy

    @property
    def reasons(self) -> Reasons:
        """What explains its scores."""
        return Reasons.of(self.family, self.decider)


def store_file() -> Path | None:
    """The file that is the store; None where a server is."""
    path = backend.sqlite_path(backend.uri())
    return None if path is None else path.absolute()


def store_is_there() -> bool:
    """Whether there is a store to ask; a server is taken to be there."""
    path = store_file()
    return path is None or (path.is_file() and path.stat().st_size > 0)


def champions() -> list[str]:
    """Exact references of the store's champions, by question; a store that is not there yet is not made.

    Raises
    ------
    OutsideError
        When the store cannot be used.
    """
    if not store_is_there():
        return []
    client = backend.connect(writing=False)
    with backend.store_errors():
        led = {name: aliases(client, name).get(CHAMPION) for name in questions(client)}
        return [f"models:/{name}/{version}" for name, version in sorted(led.items()) if version]


def exact(asked: str) -> str:
    """The exact reference of the version asked for, an alias followed.

    Raises
    ------
    InputError
        When there is no such version.
    """
    client = backend.connect(writing=False)
    with backend.store_errors():
        found = find_version(client, asked)
    return f"models:/{found.name}/{found.version}"


def registered(reference: str) -> Subject:
    """A registered version; it is loaded without trusting what its files ask for.

    Raises
    ------
    InputError
        When there is no such version, or its files are not what was registered.
    """
    client = backend.connect(writing=False)
    with backend.store_errors():
        loaded = load_decider(client, reference)
    decider, model = loaded.decider, loaded.model
    family = model.family
    users, origin, changed = None, "", False
    hidden: tuple[str, ...] = (decider.deployment.outcome,)
    try:
        source = Component.of(model.config["data"], "data").build(Source, "data")
        there = source.load()
        users, origin, hidden = pl.from_pandas(there.table()), source.origin, _hidden(there)
        changed = there.digest != model.data_digest
        gathered, name = _gathered(client, model, decider)
        simulation, why_not = _simulation(gathered, decider), ""
    except InputError as error:  # its users are gone, or changed: what needs none of them still stands
        simulation, why_not, name = None, str(error), model.name
    shap = None
    with suppress(InputError):  # a run with report=none files none
        shap = fetch(client, model.run_id, SHAP)
    return Subject(
        reference=decider.reference,
        demo=False,
        decider=decider,
        policy_digest=loaded.policy_digest,
        family=family,
        origin=origin,
        users=users,
        simulation=simulation,
        model=name,
        why_not=why_not,
        shap=shap,
        hidden=hidden,
        changed=changed,
    )


def demonstration(name: str) -> Subject:
    """Generated users and a small model fitted on them, nowhere filed."""
    settings = Settings.from_config(compose("run", [*DEMOS[name], "report=none"]))
    question = ask(settings)
    (family,) = question.families
    found = answer(question, family)
    assert found.deployment is not None
    columns = {c.name: c.kind for c in question.users.contract.columns}
    reference = f"demo {name}"
    decider = Decider(reference, found.model.classifier, dict(columns), found.policy, found.deployment)
    model = LoadedModel(
        name=family,
        run_id="",
        model_id="",
        config=settings.model_dump(mode="json"),
        columns=dict(columns),
        data_digest=question.users.digest,
        question=question.name,
        experiment="",
        registered=None,
        classifier=found.model.classifier,
        findings=tuple(finding.to_dict() for finding in found.findings),
    )
    gathered = _gather(model, decider)
    return Subject(
        reference=reference,
        demo=True,
        decider=decider,
        policy_digest=found.policy.bound_digest,
        family=question.families[family],
        origin=question.origin,
        users=pl.from_pandas(question.users.table()),
        simulation=_simulation(gathered, decider),
        model=family,
        why_not="",
        shap=_drawn(found.explanation, family),
        hidden=_hidden(question.users),
    )


def generated(reference: str, users: int, seed: int) -> Users:
    """Users like those of a demonstration, that its model has not seen; reproducible by the seed."""
    words = [*DEMOS[reference.removeprefix("demo ")], f"data.users={users}", f"data.seed={seed}"]
    return Settings.from_config(compose("run", words)).data.build(Source, "data").load()


def _drawn(explanation: Explanation, family: str) -> bytes:
    """As a run's report draws it."""
    with scratch() as folder:
        path = Path(folder, "shap.png")
        shap_summary(path, explanation, family)
        return path.read_bytes()


def _hidden(users: Users) -> tuple[str, ...]:
    measures = () if users.measures is None else tuple(users.measures.columns)
    return (users.contract.outcome, *(() if users.action is None else ("action",)), *measures)


def _gathered(client: Client, model: LoadedModel, decider: Decider) -> tuple[SufficientStatistics, str]:
    """Statistics of the latest simulation of this model and policy, and its name there; gathered now if none is.

    One that was asked for other evidence, a coarser grid or another seed says something else, and is not taken.
    """
    wanted = {"kind": decider.deployment.evidence, "data_digest": model.data_digest, "cuts": CUTS, "seed": 0}
    tags = {JOB: "simulate", DATA: wanted["data_digest"], "evidence": wanted["kind"], "seed": wanted["seed"]}
    asked = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    finished = f"{asked} and attributes.status = 'FINISHED'"
    for run in client.search_runs([model.experiment], finished, max_results=LOOKED_AT):
        try:
            gathered = SufficientStatistics.load(fetch(client, run.info.run_id, STATISTICS))
        except InputError:  # of another version, or lost
            continue
        names = [name for name, of in gathered.about["models"].items() if of["run_id"] == model.run_id]
        same = gathered.about["policies"].get(decider.policy.name) == decider.policy.specification()
        if names and same and all(gathered.about[name] == value for name, value in wanted.items()):
            return gathered, names[0]
    return _gather(with_findings(client, model), decider), model.name


def _gather(model: LoadedModel, decider: Decider) -> SufficientStatistics:
    settings = SimulateSettings.from_config(compose("simulate"))
    economics = decider.deployment.economics
    return gather_users(settings, {model.name: model}, {decider.policy.name: decider.policy}, economics)


def _simulation(gathered: SufficientStatistics, decider: Decider) -> Simulation:
    written: Mapping[str, Any] = gathered.about["policies"]
    policies = {n: Component.of(node, f"policies.{n}").build(Policy, f"policies.{n}") for n, node in written.items()}
    asked = SimulationRequest(
        economics=decider.deployment.economics,
        policies=policies,
        budget=None,
        smallest_uplift=None,
        sensitivity=SENSITIVITY,
        least=LEAST_CHANGED,
        seed=gathered.about["seed"],
    )
    return price(gathered, asked)
