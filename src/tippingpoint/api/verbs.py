"""The verbs as functions of objects."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import polars as pl

from tippingpoint.api.components import component_of, economics_of, families_of, option_of, policy_of, source_of
from tippingpoint.comparison import job as comparison
from tippingpoint.comparison.job import CompareResult
from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.settings import Settings
from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.strict import validate
from tippingpoint.data.decisions import read as decisions_of
from tippingpoint.data.frame import as_polars
from tippingpoint.data.source import Source
from tippingpoint.economics import Economics
from tippingpoint.experiment.diagnostics import Chosen
from tippingpoint.experiment.fitted import FittedModel
from tippingpoint.experiment.promise import Promise
from tippingpoint.experiment.settings import SimulateSettings
from tippingpoint.measurement import job as measurement
from tippingpoint.measurement.arms_job import MeasureArmsResult
from tippingpoint.measurement.arms_job import measure_arms as measured_arms
from tippingpoint.measurement.job import DecidingVersion, MeasureResult
from tippingpoint.measurement.settings import MeasureArmsSettings, MeasureSettings
from tippingpoint.models.family import Family
from tippingpoint.planning.job import PlanResult
from tippingpoint.planning.job import plan as planned
from tippingpoint.planning.settings import PlanSettings
from tippingpoint.policies.policy import Policy
from tippingpoint.scoring import job as scoring
from tippingpoint.scoring.frame import ScoredFrame, score_frame
from tippingpoint.scoring.job import ScoreResult
from tippingpoint.scoring.settings import ScoreSettings
from tippingpoint.simulation import job as simulation
from tippingpoint.simulation.job import SimulateResult
from tippingpoint.tracking import backend
from tippingpoint.tracking.deciders import Loaded, load_decider, reference_of
from tippingpoint.tracking.registry import Client
from tippingpoint.tuning import job as tuning
from tippingpoint.tuning.job import TuneResult
from tippingpoint.tuning.settings import TuneSettings

S = TypeVar("S", bound=Settings)
Frame = pd.DataFrame | pl.DataFrame
NAMES = ("decisions", "outcomes")


def compare(
    users: Source,
    models: str | Family | Iterable[str | Family] = "all",
    policy: str | Policy | None = None,
    economics: str | Economics | None = None,
    *,
    track: bool = True,
    **settings: Any,
) -> CompareResult:
    """Fit model families, evaluate one policy with each, and compare all pairs on the same users.

    Parameters
    ----------
    users
        What `read_users` or `generate` returned.
    models
        Names of `conf/model`, families with parameters of your own, or `all`.
    policy, economics
        Who gets which action, and what outcomes and actions are worth; names of `conf/policy` and `conf/economics` or
        objects.
    track
        Whether runs are filed in MLflow and the winner is registered, as the command line does. With False nothing is
        written anywhere.
    **settings
        Keys of `conf/compare.yaml` and `conf/config.yaml`: `evaluate`, `repeats`, `seed`, `select_by`, `evidence`,
        `explain_rows`, `split`, `tracking`, …

    Returns
    -------
    CompareResult
        `.leaderboard()`, `.plot`, `.best`, `.to_dict()`; in a notebook a table.

    Raises
    ------
    InputError
        For anything that is wrong with users, models, policy or prices.

    Examples
    --------
    >>> import tippingpoint as tp
    >>> users = tp.generate("case_study", users=1_000)
    >>> result = tp.compare(users, models="logistic", explain_rows=20, track=False)
    >>> result.best.name
    'logistic'
    """
    asked = _asked(CompareSettings, users, models, policy, economics, track, settings)
    return comparison.compare(asked, source_of(users))


def tune(
    users: Source,
    models: str | Family | Iterable[str | Family] = "boosting",
    trials: int = 50,
    policy: str | Policy | None = None,
    economics: str | Economics | None = None,
    *,
    track: bool = True,
    **settings: Any,
) -> TuneResult:
    """Search the hyper-parameters of one family or several; refit the winner and measure it once on test.

    Parameters
    ----------
    trials
        Complete trials that the search shall have.
    users, models, policy, economics, track
        As of `compare`.
    **settings
        Keys of `conf/tune.yaml`; those of its group `tune` as `tune={"folds": 5}`.

    Returns
    -------
    TuneResult
        `.leaderboard()` of the trials, `.best`, `.to_dict()`.

    Raises
    ------
    InputError
        For anything that is wrong with users, models, policy or prices, or when most trials fail.

    Examples
    --------
    >>> import tippingpoint as tp
    >>> users = tp.generate("case_study", users=1_000)
    >>> result = tp.tune(users, "logistic", trials=2, explain_rows=20, track=False)
    >>> len(result.leaderboard())
    2
    """
    searched = {"trials": trials} | _group(settings, "tune")
    asked = _asked(TuneSettings, users, models, policy, economics, track, settings | {"tune": searched})
    return tuning.tune(asked, source_of(users))


def simulate(
    result: CompareResult | TuneResult,
    policies: str | Policy | Iterable[str | Policy] = (),
    economics: str | Economics | None = None,
    *,
    track: bool | None = None,
    **settings: Any,
) -> SimulateResult:
    """Evaluate other cut-offs, policies, prices and budgets with the models of a result.

    Parameters
    ----------
    result
        What `compare` or `tune` returned.
    policies
        Names of `conf/policy` or policies, for the contest beside the result's own.
    economics
        Other prices than the result's.
    track
        Whether a run is filed; None does as the result did.
    **settings
        Keys of `conf/simulate.yaml`: `cuts`, `budget`, `smallest_uplift`, `sensitivity`, `seed`, `tracking`.

    Returns
    -------
    SimulateResult
        `.leaderboard()` of all contestants, `.plot`, `.to_dict()`.

    Raises
    ------
    InputError
        When policies, prices and the result's users do not fit each other.

    Examples
    --------
    >>> import tippingpoint as tp
    >>> result = tp.compare(tp.generate("case_study", users=1_000), "logistic", explain_rows=20, track=False)
    >>> what_if = tp.simulate(result, policies=[tp.TopFraction(share=0.1)], cuts=20)
    >>> what_if.simulation.leader
    'logistic · intent_bands'
    """
    if not hasattr(result, "models"):
        what = f"takes what tp.compare or tp.tune returned; got a {type(result).__name__}"
        raise InputError("result", what, "Compare first.")
    filed, question = result.filed, result.models[0].question
    users = question.source
    assert users is not None
    prices = economics_of(economics, users) if economics is not None else None
    further = [policy_of(policy, users) for policy in ([policies] if isinstance(policies, str | Policy) else policies)]
    track = filed is not None if track is None else track
    _refuse(settings, ("models", "policy", "data", "evidence"), "on the models of a result")
    asked = validate(SimulateSettings, {"tracking": {"log": track} | _group(settings, "tracking")} | settings, "")
    if track:
        if filed is None:
            raise InputError("track", "nothing is filed of this result", "Compare with track=True, or leave track out.")
        written = {} if prices is None else component_of(prices).as_written()
        asked = asked.model_copy(update={"models": [filed.run_id], "economics": written})
        return simulation.simulate(asked, further, users)
    loaded, prices = {model.name: model.loaded.model for model in result.models}, prices or question.economics
    return simulation.simulate_in_memory(asked, loaded, [question.policy, *further], prices, users)


def score(
    users: str | Path | Frame,
    model: FittedModel | str | None = None,
    to: str | Path | None = None,
    *,
    track: bool = True,
    **settings: Any,
) -> ScoredFrame | ScoreResult:
    """Score users and apply the policy: segment, action and expected value of each.

    Parameters
    ----------
    users
        A frame of pandas or Polars, decided in memory; or a file, folder or database's URL, decided chunk by chunk.
    model
        `result.best`, or a registered version (`models:/conversion/3`, `models:/conversion@challenger`); None for the
        champion.
    to
        Where decisions of a file go.
    track
        Whether the batch of a file is filed as a run.
    **settings
        Keys of `conf/score.yaml`: `only`, `reasons`, `holdout`, `holdout_actions`, `parts`, …

    Returns
    -------
    ScoredFrame or ScoreResult
        Of a frame `.decisions` and `.quarantined`; of a file what was written.

    Raises
    ------
    InputError
        When the users are not what the model reads, or there is no such version.

    Examples
    --------
    >>> import tippingpoint as tp
    >>> users = tp.generate("case_study", users=1_000)
    >>> result = tp.compare(users, models="logistic", explain_rows=20, track=False)
    >>> frame = tp.generate("case_study", users=5, seed=1).loaded.table()
    >>> tp.score(frame, result.best).decisions.shape[0]
    5
    """
    if isinstance(users, pd.DataFrame | pl.DataFrame):
        placed = settings | ({} if to is None else {"to": to})
        _refuse(placed, ("to", "parts", "input_query", "input_parameters", "quarantine"), "on a frame")
        asked = validate(ScoreSettings, settings, "")
        fitted = model if isinstance(model, FittedModel) else None
        batch = scoring.batch_of(asked, _loaded(model), scoring.moment(asked.scored_at))
        return score_frame(as_polars(users), batch, asked.holdout, fitted, Chosen.of(asked.diagnostics))
    if isinstance(model, FittedModel):
        if model.reference.startswith("memory:"):
            raise InputError("model", f"{model.name} is not registered", "Compare with track=True, or score a frame.")
        model = model.reference
    places = {"input": str(users), "to": None if to is None else str(to), "model": model}
    tracking = {"log": track} | _group(settings, "tracking")
    return scoring.score(validate(ScoreSettings, places | {"tracking": tracking} | settings, ""))


def measure(
    decisions: str | Path | Frame | ScoredFrame, outcomes: str | Path | Frame, *, track: bool = True, **settings: Any
) -> MeasureResult:
    """Estimate the uplift of past decisions from the share of users that got a random action.

    Parameters
    ----------
    decisions
        What `score(…, holdout=0.1)` returned for a frame, or wrote.
    outcomes
        What came of them, one row a user.
    track
        Whether a run is filed and noted on the version; of files only.
    **settings
        Keys of `conf/measure.yaml`: `outcome`, `at`, `within`, `absent`, `since`, `until`, …

    Returns
    -------
    MeasureResult
        `.leaderboard()` by version and day, `.versions`, `.to_dict()`.

    Raises
    ------
    InputError
        When the tables are not what they should be, or hold no random share.

    Examples
    --------
    >>> import tippingpoint as tp
    >>> users = tp.generate("case_study", users=1_000)
    >>> result = tp.compare(users, models="logistic", explain_rows=20, track=False)
    >>> new = tp.generate("case_study", users=2_000, seed=1).loaded.table()
    >>> decided = tp.score(new, result.best, holdout=0.5)
    >>> came = tp.measure(decided, new[["user_id", "converted"]])
    >>> came.versions[0].version
    'memory:logistic'
    """
    if isinstance(decisions, str | Path) and isinstance(outcomes, str | Path) and track:
        given = {"decisions": str(decisions), "outcomes": str(outcomes)}
        return measurement.measure(validate(MeasureSettings, given | settings, ""))
    _refuse(settings, ("to", "users", "users_id"), "where nothing is filed")
    asked = validate(MeasureSettings, dict.fromkeys(NAMES, "frame") | settings, "")
    known = None
    if isinstance(decisions, ScoredFrame):
        if (model := decisions.model) is not None:
            known = {model.reference: _deciding(model)}
        decisions = decisions.decisions
    tables = (of if isinstance(of, str | Path) else as_polars(of) for of in (decisions, outcomes))
    read = [decisions_of(str(t), n) if isinstance(t, str | Path) else t for t, n in zip(tables, NAMES, strict=True)]
    if known is None:
        _store()
    return measurement.measure_in_memory(asked, read[0], read[1], known)


def measure_arms(users: Source, *, track: bool = True, **settings: Any) -> MeasureArmsResult:
    """Compare the arms of an experiment: what each brought over the control, all pairs at once.

    Parameters
    ----------
    users
        The table, as `read_users` returned it, with `target`, `action`, `control` and `logging_probability`.
    track
        Whether a run is filed.
    **settings
        Keys of `conf/measure_arms.yaml`: `pre`, `segments`, `ratios`, `assigned`, `within`, `guardrails`, `plan`, …;
        `economics` a name of `conf/economics` or an object.

    Returns
    -------
    MeasureArmsResult
        `.leaderboard()` by measure and pair of arms, `.arms.decision`, `.to_dict()`.

    Raises
    ------
    InputError
        When the table is no experiment.

    Examples
    --------
    >>> import tippingpoint as tp
    >>> found = tp.measure_arms(tp.generate("streamzone", users=2_000), track=False)
    >>> found.arms.arms
    ('none', 'checkout_prompt', 'discount_10')
    """
    source = source_of(users)
    prices = settings.pop("economics", None)
    parts: dict[str, Any] = {"data": component_of(source), "tracking": {"log": track} | _group(settings, "tracking")}
    parts |= {} if prices is None else {"economics": component_of(economics_of(prices, source))}
    return measured_arms(validate(MeasureArmsSettings, parts | settings, ""), source)


def plan(**settings: Any) -> PlanResult:
    """Say how many users and days an experiment takes, and the smallest effect it tells.

    Parameters
    ----------
    **settings
        Keys of `conf/plan.yaml`: `rate`, `deviation`, `model` or `run`; `users_per_day`, `days`, `arms`, `holdout`, …

    Returns
    -------
    PlanResult
        `.tables.curve`, `.to_dict()`.

    Raises
    ------
    InputError
        When what is given does not make an experiment.

    Examples
    --------
    >>> import tippingpoint as tp
    >>> found = tp.plan(rate=0.04, users_per_day=500, days=28)
    >>> round(float(found.tables.at_horizon()["smallest"].iloc[0]), 1)
    9.7
    """
    prices = settings.pop("economics", None)
    if prices is not None:
        given = component_of(prices) if isinstance(prices, Economics) else option_of("economics", prices)
        settings["economics"] = given
    return planned(validate(PlanSettings, settings, ""))


def _deciding(model: FittedModel) -> DecidingVersion:
    """What a measurement needs to know of a model at hand."""
    question, value = model.question, model.candidate.value
    promise = Promise(question.evidence.kind, value.outcomes_per_1000, value.uplift)
    contract = question.users.contract
    return DecidingVersion(question.economics, contract.good, promise, positive=contract.positive)


def _store() -> Client:
    """A client of a store that is there: reading makes none."""
    path = backend.sqlite_path(backend.uri())
    if path and not path.is_file():
        raise InputError("model", f"there is no store at {path}", "Compare first, or set MLFLOW_TRACKING_URI.")
    return backend.connect(writing=False)


def _refuse(settings: dict[str, Any], names: tuple[str, ...], where: str) -> None:
    """Refuse keys that would change nothing."""
    for name in names:
        if name in settings:
            raise InputError(name, f"has no effect {where}", "Leave it out.")


def _group(settings: dict[str, Any], name: str) -> dict[str, Any]:
    """Take a group of keys, or the name of an option of it, out of the settings."""
    given = settings.pop(name, {})
    return option_of(name, given) if isinstance(given, str) else dict(given)


def _loaded(model: FittedModel | str | None) -> Loaded:
    if isinstance(model, FittedModel):
        return model.loaded
    if not (model is None or isinstance(model, str)):
        raise InputError("model", f"takes result.best or a version; got {model!r}", "Give model='models:/NAME/1'.")
    client = _store()
    return load_decider(client, reference_of(client, model))


SPELLED = ("models", "policy", "economics", "track")
"""Arguments that are spelled here as the command line does not."""


def _asked(
    kind: type[S],
    users: Source,
    models: str | Family | Iterable[str | Family],
    policy: str | Policy | None,
    economics: str | Economics | None,
    track: bool,
    settings: dict[str, Any],
) -> S:
    """Return a verb's settings, as the command line would have composed them."""
    users = source_of(users)
    tracking = {"log": track} | _group(settings, "tracking")
    parts = {
        "model": {name: component_of(family) for name, family in families_of(models).items()},
        "data": component_of(users),
        "policy": component_of(policy_of(policy, users)),
        "economics": component_of(economics_of(economics, users)),
        "tracking": tracking,
    }
    for name in settings:
        if name not in kind.model_fields:
            raise InputError(name, "unknown key", nearest(name, [*SPELLED, *kind.model_fields]))
    return validate(kind, parts | settings, "")
