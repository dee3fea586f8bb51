"""One pass over users: models score them, policies decide, and what is left is statistics."""

from collections.abc import Mapping

import numpy as np

from tippingpoint.config.settings import SimulateSettings, Split
from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.strict import Component, validate
from tippingpoint.data.source import Source
from tippingpoint.data.splits import Parts, split
from tippingpoint.data.users import Users
from tippingpoint.economics import Economics
from tippingpoint.experiment.collected_tables import (
    break_even_responses,
    calibration_of_rewards,
    diagnostics,
    movement,
    ranking,
    segments_of,
)
from tippingpoint.experiment.evidence import (
    fit_logging,
    fit_measure,
    fit_rewards,
    gather_evidence,
    kind_of,
    log_of,
    rarely_taken,
    reward_model,
)
from tippingpoint.experiment.simulation_result import BEST, ORACLE, PAIR
from tippingpoint.offpolicy.cells import gather, grid
from tippingpoint.offpolicy.evidence import LEAST_ARM, Evidence, Kind, doubly_robust
from tippingpoint.offpolicy.sufficient_statistics import (
    MEASURE,
    MONEY,
    Measures,
    ScoreCells,
    SufficientStatistics,
    join,
    log_blocks,
    segment_cells,
)
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.best_action import BestAction
from tippingpoint.policies.policy import FitContext, Policy
from tippingpoint.tracking.models import LoadedModel

CUTS = 200
"""Cut-offs of the grid, where nothing else is asked."""


def gather_users(
    settings: SimulateSettings, models: dict[str, LoadedModel], policies: dict[str, Policy], economics: Economics
) -> SufficientStatistics:
    """Read the users the models were judged on, or others, and gather what any price needs.

    Raises
    ------
    InputError
        Where users, models, policies and economics do not fit each other.
    """
    source, users, parts = _users(settings, models)
    first = next(iter(models.values()))
    kind = kind_of(settings.evidence, users)
    logged = {*first.config["economics"].get("actions", {}), *first.config["economics"].get("costs", {})}
    typed = set() if "_target_" in settings.economics else {*settings.economics.get("actions", {})} - logged
    actions, excluded = _actions(kind, parts, policies, economics, typed)
    whole = {n for n, p in policies.items() if isinstance(p, BestAction) and set(p.actions.values()) == set(actions)}
    if len(whole) < len(policies):  # it stands in every contest, once and not once a model
        policies = {name: policy for name, policy in policies.items() if name not in whole}
    keep = [users.actions.index(a) for a in actions] if kind != "assumed" else list(range(len(actions)))
    response = economics.response(actions)
    both = {"validation": parts.validation, "test": parts.test}
    cuts, seed = settings.cuts or CUTS, settings.seed or 0
    experimented, measured = users.action is not None, kind in ("experiment", "logged")
    predict = fit_rewards(parts.train, seed) if experimented else None
    chances = fit_logging(parts.train, seed) if kind == "logged" else None
    logs = {
        name: log_of(kind, parts.train, part, seed, predict, chances) if measured else None
        for name, part in both.items()
    }
    evidence = {
        name: Evidence(
            kind, gather_evidence(kind, parts.train, part, response, seed, logs[name]).outcome_scores[:, keep]
        )
        for name, part in both.items()
    }

    rewards = {name: economics.rewards(actions, users.contract.good, part.costs) for name, part in both.items()}
    money = {
        name: reward_intercept + reward_slope * evidence[name].outcome_scores
        for name, (reward_intercept, reward_slope) in rewards.items()
    }
    further: dict[str, dict[str, np.ndarray]] = {
        name: {MONEY: money[name]} if economics.per_user else {} for name in both
    }
    measures = [] if users.measures is None or not measured else [str(name) for name in users.measures]
    for measure in measures:
        expected = fit_measure(parts.train, measure, seed)
        for name, part in both.items():
            log = logs[name]
            assert log is not None
            assert part.measures is not None
            observed = part.measures[measure].to_numpy(np.float64)
            if not np.isfinite(observed).all():
                raise InputError(f"data.measures.{measure}", "values are missing", "Fill them, or leave it out.")
            outcome_scores = doubly_robust(observed, log.action, log.logging_probability, expected(part.features))
            further[name][f"{MEASURE}{measure}"] = outcome_scores[:, keep]
    worth = reward_model(parts.train, economics, seed, predict) if experimented else None

    scores = {
        name: {model: score_users(model, of, part) for model, of in models.items()} for name, part in both.items()
    }
    bound: dict[str, dict[str, Policy]] = {}
    for model in models:
        known = FitContext(
            parts.train.features,
            parts.validation.features,
            scores["validation"][model],
            worth,
        )
        bound[model] = {name: policy.bind(known) for name, policy in policies.items()}
    decisions: dict[str, dict[str, np.ndarray]] = {}
    for name, part in both.items():
        decisions[name] = {
            f"{model}{PAIR}{policy}": of.decide(scores[name][model], part.features, actions)
            for model in models
            for policy, of in bound[model].items()
        }
        if predict is not None and not whole & set(policies):
            reward_intercept, reward_slope = rewards[name]
            decisions[name][BEST] = np.nanargmax(
                reward_intercept + reward_slope * predict(part.features)[:, keep], axis=1
            )
        if kind == "truth":
            decisions[name][ORACLE] = np.nanargmax(money[name], axis=1)
    segments, groups = segments_of(parts.test, scores["test"], bound)
    if kind == "assumed" and economics.per_user:
        segments["break_even_response"] = break_even_responses(
            segments, groups, evidence["test"], *rewards["test"], actions, users.contract.good
        )
    tables = {"movement": movement(groups, bound)}
    if kind != "assumed":
        effect = None
        if predict is not None:
            expected_outcome = predict(parts.test.features)[:, keep]
            effect = expected_outcome - expected_outcome[:, :1]
        tables["ranking"] = ranking(scores["test"], effect, evidence["test"], actions, users.contract.good)
    blocks = None
    if (log := logs["test"]) is not None:
        everyone = {f"everyone {a}": np.full(len(parts.test), k) for k, a in enumerate(actions)}
        tables["evidence"] = diagnostics(kind, log, decisions["test"] | everyone, keep)
        tables["reward_model"] = calibration_of_rewards(log, users.actions)
        own = rewards["test"] if economics.per_user else (np.zeros(len(actions)), np.ones(len(actions)))
        blocks = log_blocks(log, keep, *own)
    return SufficientStatistics(
        about={
            "question": first.question,
            "outcome": users.contract.outcome,
            "good": users.contract.good,
            "origin": source.origin,
            "data_digest": users.digest,
            "kind": kind,
            "actions": list(actions),
            "blocks": ["phi", *further["test"]],
            "per_user_prices": economics.per_user,
            "measures": measures,
            "unvalued": [] if users.measures is None or measured else [str(name) for name in users.measures],
            "excluded": excluded,
            "economics": economics.specification(),
            "prices": economics.specification(),
            "response": response.tolist(),
            "users": {"all": len(users), **{name: len(part) for name, part in both.items()}},
            "models": {name: _of_model(model) for name, model in models.items()},
            "policies": {name: policy.specification() for name, policy in policies.items()},
            "bound": {m: {n: p.bound() | {"digest": p.bound_digest} for n, p in of.items()} for m, of in bound.items()},
            "cuts": cuts,
            "seed": seed,
        },
        scored={
            model: _scored(cuts, {p: scores[p][model] for p in both}, evidence, further, policies) for model in models
        },
        validation=join(decisions["validation"], evidence["validation"], further["validation"]),
        test=join(decisions["test"], evidence["test"], further["test"], blocks),
        segments=segments,
        segment_cells=segment_cells(
            [(code, len(bound[m][p].segments)) for (m, p), code in groups.items()], evidence["test"], further["test"]
        ),
        tables={name: table for name, table in tables.items() if len(table)},
    )


def _of_model(model: LoadedModel) -> dict[str, str]:
    """What is kept of a model; where it is registered, by which measure it was chosen too."""
    told = {"run_id": model.run_id, "model_id": model.model_id}
    if model.registered:
        told |= {"registered": model.registered, "chosen_by": model.config["select_by"]}
    return told


def _users(settings: SimulateSettings, models: dict[str, LoadedModel]) -> tuple[Source, Users, Parts]:
    """The users all models were judged on, or those of `data`, split as the models' runs did."""
    first, *others = models.values()
    for key in ("data", "split") if settings.data is None else ("split",):
        for other in others:
            if other.config[key] != first.config[key]:
                raise InputError(
                    "models",
                    f"runs {first.run_id} and {other.run_id} differ in {key}: no users are unseen by both",
                    "Simulate them apart, or fit both on the same users.",
                )
    component = settings.data or Component.model_validate(first.config["data"])
    source = component.build(Source, "data")
    users = source.load()
    if settings.data is None and users.digest != first.data_digest:
        raise InputError(
            "data",
            f"{source.origin} no longer holds the users run {first.run_id} was judged on"
            f" (digest {users.digest}, was {first.data_digest})",
            "Bring them back, or type data=… to simulate on other users.",
        )
    if users.digest != first.data_digest and users.contract.user_id is None:
        what = f"users of {source.origin} carry no id, so that those the models were fitted on may be among them"
        raise InputError("data", what, "Name their id column: data.user_id=…")
    for name, model in models.items():
        check_columns(name, model, users)
    return source, users, split(users, validate(Split, first.config["split"], "split"))


def _actions(
    kind: Kind, parts: Parts, policies: dict[str, Policy], economics: Economics, added: set[str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Actions that are priced and were taken often enough, and why the others are left out.

    Those `added` to the prices the models were judged at must be of use: a slip of the pen is not.
    """
    decided = {action for policy in policies.values() for action in policy.actions.values()}
    there = decided | ({*parts.test.actions} if kind != "assumed" else {"none"})
    for action in sorted(added - there):
        what = "no policy gives this action, and no user ever got it"
        raise InputError(f"economics.actions.{action}", what, nearest(action, sorted(economics.priced - added)))
    if kind == "assumed":
        return ("none", *sorted(economics.priced - {"none"})), {}
    logged = parts.test.actions
    for name, policy in policies.items():
        for segment, action in policy.actions.items():
            if action not in logged:
                what = f"no user ever got {action!r}, so nothing is known about it"
                raise InputError(f"policy {name}", what, f"{nearest(action, logged)} {_instead(name, policy, segment)}")
    excluded = {action: "has no price" for action in logged if action not in economics.priced}
    if kind != "truth":
        for part in (parts.validation, parts.test):
            rare = rarely_taken(part, decided)
            excluded |= dict.fromkeys(rare, f"was taken for fewer than {LEAST_ARM} users")
    return tuple(action for action in logged if action not in excluded), excluded


def check_prices(policies: dict[str, Policy], economics: Economics) -> None:
    """Refuse a policy with an action that has no price; users need not be read for that.

    Raises
    ------
    InputError
        Naming the policy, the action, and what to type.
    """
    economics.check({"none"})
    for name, policy in policies.items():
        for segment, action in policy.actions.items():
            if action not in economics.priced:
                there = nearest(action, economics.priced)
                raise InputError(
                    f"policy {name}", f"{action!r} has no price", f"{there} {_instead(name, policy, segment)}"
                )


def _instead(name: str, policy: Policy, segment: str) -> str:
    """How to give a segment of a policy another action."""
    if isinstance(policy, BestAction):
        return f"Leave {name} out: best_action, of all actions that were given, is in every contest."
    return (
        f"Type policy={name} policy.actions.{segment}=ACTION, without {name} in policies; or name a YAML file of your"
        " own there."
    )


def check_columns(name: str, model: LoadedModel, users: Users) -> None:
    """Refuse users without the columns a model reads."""
    there = {column.name: column.kind for column in users.contract.columns}
    for column, kind in model.columns.items():
        if column not in there:
            raise InputError("data", f"{name} reads {column!r}, which is not there", nearest(column, there))
        if there[column] != kind:
            raise InputError("data", f"{name} reads {column!r} as a {kind}, here it is a {there[column]}")


def score_users(name: str, model: LoadedModel, users: Users) -> np.ndarray:
    """(n,) scores of users whose columns the model must find.

    Raises
    ------
    InputError
        Where columns do not fit or scores come out missing.
    """
    check_columns(name, model, users)
    score = model.classifier.predict_proba(users.features[list(model.columns)])[:, 1].astype(np.float64)
    if broken := int((~np.isfinite(score)).sum()):
        raise InputError(f"models.{name}", f"{broken} of {len(users)} scores are missing or infinite", "Fit it again.")
    return np.asarray(score)


def _scored(
    cuts: int,
    scores: dict[str, np.ndarray],
    evidence: dict[str, Evidence],
    further: Mapping[str, Measures],
    policies: dict[str, Policy],
) -> ScoreCells:
    own = [cut for policy in policies.values() if isinstance(policy, Bands) for cut in policy.grid_cuts]
    edges = grid(scores["validation"], cuts, own)
    return ScoreCells(*(gather(edges, scores[part], evidence[part], further[part]) for part in ("validation", "test")))
