"""One pass over users: models score them, policies decide, and what is left is statistics."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from tippingpoint.config.settings import Split
from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.overrides import override
from tippingpoint.core.strict import Component, validate
from tippingpoint.data.model_output import probability
from tippingpoint.data.source import Source
from tippingpoint.data.splits import Parts, split
from tippingpoint.data.users import Users
from tippingpoint.economics import Economics
from tippingpoint.experiment.assumption import evidence_in_words
from tippingpoint.experiment.baselines import decided_by_column
from tippingpoint.experiment.collected_evidence import EvidenceModels, PartEvidence
from tippingpoint.experiment.collected_tables import break_even_responses, movement, segments_of
from tippingpoint.experiment.diagnostics import Chosen, Finding, Findings, data, evidence
from tippingpoint.experiment.evidence import kind_of, measure_names, rarely_taken
from tippingpoint.experiment.score_effects import ranks_by
from tippingpoint.experiment.settings import SimulateSettings
from tippingpoint.experiment.valuation import BindingUsers
from tippingpoint.models.learners.effects import output
from tippingpoint.offpolicy.cells import gather, grid
from tippingpoint.offpolicy.evidence import LEAST_ARM, MEASURE, Kind
from tippingpoint.offpolicy.sufficient_statistics import (
    PAIR,
    ScoreCells,
    SufficientStatistics,
    join,
    segment_cells,
)
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.best_action import BestAction
from tippingpoint.policies.direction import check_direction
from tippingpoint.policies.policy import Policy
from tippingpoint.tracking.models import LoadedModel

CUTS = 200
"""Cut-offs of the grid, where nothing else is asked."""


def gather_users(
    settings: SimulateSettings,
    models: dict[str, LoadedModel],
    policies: dict[str, Policy],
    economics: Economics,
    source: Source | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> SufficientStatistics:
    """Read users and gather what any price needs; `say` is told what is assumed, before anything rests on it.

    They come from `source`, else from `settings.data`, else they are those that the models were judged on.

    Raises
    ------
    InputError
        Where users, models, policies and economics do not fit each other.
    """
    chosen = Chosen.of(settings.diagnostics, *(model.config for model in models.values()))
    source, users, parts = users_of(settings, models, source)
    first, seed, cuts = next(iter(models.values())), settings.seed or 0, settings.cuts or CUTS
    kind = kind_of(settings.evidence, users)
    _check_directions(settings, models, policies, users)
    actions, excluded = _actions(kind, parts, policies, economics, _added(settings, first))
    of_users = _of_users(first.question, source, users, kind)
    say(evidence_in_words(of_users, actions, economics))
    policies, beside, of_all = _without_best(policies, actions)
    fitted = EvidenceModels.on(kind, parts.train, seed)
    assigned = evidence.of_assignment(users, kind, seed, chosen)
    given = actions, economics, seed, (assigned.vetoed, tuple(chosen.accept))
    validation, test = (PartEvidence.of(kind, fitted, parts.train, of, *given) for of in (parts.validation, parts.test))
    known = {"validation": validation, "test": test}
    scores = _score_both(models, users, parts)
    binding = BindingUsers.of(parts.train, parts.validation, economics, seed, fitted.outcomes)
    bound = _bind(binding, models, policies, of_all, scores["validation"])
    policies |= {name: policy for name, policy in of_all.items() if any(name in of for of in bound.values())}
    decisions = {name: of.decide(bound, scores[name], beside) for name, of in known.items()}
    decisions["validation"] |= _held_out(binding, models, policies, scores["validation"], actions, seed)
    of_first = next(iter(bound.values())), probability(next(iter(scores["validation"].values())))
    for part, of in {"validation": parts.validation, "test": parts.test}.items():
        decisions[part] |= decided_by_column(binding, *of_first, of, actions, seed)
    segments, groups = segments_of(parts.test, scores["test"], bound)
    if kind == "assumed" and economics.per_user:
        segments["break_even_response"] = break_even_responses(segments, groups, test.valued)
    ranked = {m: ranks_by(scores["test"][m], of.actions, actions, users.contract.good) for m, of in models.items()}
    tables = {"movement": movement(groups, bound)} | test.tables(ranked, decisions["test"])
    found = (*chosen.settle(data.of_users(users)), *assigned.findings, *chosen.settle(evidence.of_kind(users, kind)))
    kept = {name: _kept(model, users) for name, model in models.items()}
    found += tuple(test.findings(chosen, bound, scores["test"], assigned.vetoed, kept))
    about = of_users | _of_prices(economics, actions, excluded, users, test)
    about |= {"vetoed": list(assigned.vetoed), "findings": [finding.to_dict() for finding in found]}
    about |= {"users": {"all": len(users), "validation": len(parts.validation), "test": len(parts.test)}}
    about |= {"accepted": dict(chosen.accept), "cuts": cuts, "seed": seed} | _of_contestants(models, policies, bound)
    of_models = {m: {part: scores[part][m] for part in known} for m in models}
    return SufficientStatistics(
        about=about,
        scored={key: cells for m, of in of_models.items() for key, cells in _scored(cuts, m, of, known, bound[m])},
        validation=join(decisions["validation"], validation.valued.evidence, validation.further),
        test=join(decisions["test"], test.valued.evidence, test.further, test.log_blocks()),
        segments=segments,
        segment_cells=segment_cells(_sizes(groups, bound), test.valued.evidence, test.further),
        tables={name: table for name, table in tables.items() if len(table)},
    )


def _check_directions(
    settings: SimulateSettings, models: dict[str, LoadedModel], policies: dict[str, Policy], users: Users
) -> None:
    """Refuse a policy that acts on the wrong end of the outcome."""
    own = {model.config["policy"].get("name") for model in models.values()}
    for name, policy in policies.items():
        again = f"{override('policy', name)} " if name in settings.policies else ""
        check_direction(policy, users.contract, said=policy.name not in own, again=again, where=f"policy {name}")


def _bind(
    binding: BindingUsers,
    models: dict[str, LoadedModel],
    policies: dict[str, Policy],
    of_effects: dict[str, Policy],
    scores: dict[str, np.ndarray],
) -> dict[str, dict[str, Policy]]:
    """By model, the policies bound on validation users; those `of_effects` for models that predict effects alone."""
    return {
        name: {
            p: binding.bind(policy, scores[name], model.actions)
            for p, policy in (policies | (of_effects if model.actions else {})).items()
        }
        for name, model in models.items()
    }


def _held_out(
    binding: BindingUsers,
    models: dict[str, LoadedModel],
    policies: dict[str, Policy],
    scores: dict[str, np.ndarray],
    actions: tuple[str, ...],
    seed: int,
) -> dict[str, np.ndarray]:
    """What policies that learn on validation users decide for those they did not learn from, by contestant."""
    return {
        f"{m}{PAIR}{name}": binding.decide_held_out(policy, scores[m], actions, seed, model.actions)
        for m, model in models.items()
        for name, policy in policies.items()
        if policy.learns_on_validation
    }


def _sizes(
    groups: dict[tuple[str, str], np.ndarray], bound: dict[str, dict[str, Policy]]
) -> list[tuple[np.ndarray, int]]:
    """Segments of users by contestant, and how many there are."""
    return [(code, len(bound[m][p].segments)) for (m, p), code in groups.items()]


def _kept(model: LoadedModel, users: Users) -> Findings | None:
    """What was found of a model where it was judged; None where that was on other users, or was not kept."""
    if model.findings is None or model.data_digest != users.digest:
        return None
    return tuple(Finding.from_dict(node) for node in model.findings if node["code"].startswith("TP2"))


def _score_both(models: dict[str, LoadedModel], users: Users, parts: Parts) -> dict[str, dict[str, np.ndarray]]:
    """By part and model what it gives of its users."""
    return {
        "validation": {m: score_validation(m, model, users, parts) for m, model in models.items()},
        "test": {m: score_users(m, model, parts.test) for m, model in models.items()},
    }


def _without_best(
    policies: dict[str, Policy], actions: tuple[str, ...]
) -> tuple[dict[str, Policy], bool, dict[str, Policy]]:
    """The policies but for the best of all actions, which stands in every contest, once and not once a model.

    Also whether it is to stand there beside them: not where it is all that was asked for. And those left out, which
    models that predict effects decide by themselves.
    """
    of_all = {n for n, p in policies.items() if isinstance(p, BestAction) and set(p.actions.values()) == set(actions)}
    if len(of_all) == len(policies):
        return policies, False, {}
    left = {name: policy for name, policy in policies.items() if name in of_all}
    return {name: policy for name, policy in policies.items() if name not in of_all}, True, left


def _of_contestants(
    models: dict[str, LoadedModel], policies: dict[str, Policy], bound: dict[str, dict[str, Policy]]
) -> dict[str, Any]:
    return {
        "models": {name: _of_model(model) for name, model in models.items()},
        "own": {name: _own(model) for name, model in models.items() if model.registered},
        "policies": {name: policy.specification() for name, policy in policies.items()},
        "bound": {m: {n: p.bound() | {"digest": p.bound_digest} for n, p in of.items()} for m, of in bound.items()},
    }


def _added(settings: SimulateSettings, first: LoadedModel) -> set[str]:
    """Actions that are priced here, and were not where the models were judged."""
    if "_target_" in settings.economics:
        return set()
    before = first.config["economics"]
    return {*settings.economics.get("actions", {})} - {*before.get("actions", {}), *before.get("costs", {})}


def _of_users(question: str, source: Source, users: Users, kind: Kind) -> dict[str, Any]:
    """What is kept of the question and its users."""
    return {
        "question": question,
        "outcome": users.contract.outcome,
        "good": users.contract.good,
        "outcome_rate": float(users.outcome.mean()),
        "origin": source.origin,
        "data_digest": users.digest,
        "kind": kind,
    }


def _of_prices(
    economics: Economics, actions: tuple[str, ...], excluded: dict[str, str], users: Users, test: PartEvidence
) -> dict[str, Any]:
    """What is kept of actions, prices, and the blocks of statistics they count."""
    measures = [name for name in measure_names(users) if f"{MEASURE}{name}" in test.further]
    return {
        "actions": list(actions),
        "blocks": ["phi", *test.further],
        "per_user_prices": economics.per_user,
        "measures": measures,
        "unvalued": [name for name in measure_names(users) if name not in measures],
        "excluded": excluded,
        "economics": economics.specification(),
        "prices": economics.specification(),
        "response": economics.response(actions).tolist(),
    }


def _of_model(model: LoadedModel) -> dict[str, str]:
    """What is kept of a model; where it is registered, by which measure it was chosen too."""
    kept = {"run_id": model.run_id, "model_id": model.model_id}
    if model.registered:
        by_effect = {*model.config.get("learner", {})} - {"response"}  # such jobs choose by what the policy brings
        kept |= {"registered": model.registered, "chosen_by": "value" if by_effect else model.config["select_by"]}
    return kept


def _own(model: LoadedModel) -> dict[str, Any]:
    """The policy and the prices that a registered version was made with."""
    policy = Component.of(model.config["policy"], "policy").build(Policy, "policy")
    economics = Component.of(model.config["economics"], "economics").build(Economics, "economics")
    return {"policy": policy.specification(), "prices": economics.specification()}


def users_of(
    settings: SimulateSettings, models: dict[str, LoadedModel], source: Source | None
) -> tuple[Source, Users, Parts]:
    """The users all models were judged on, or those of `data`, split as the models' runs did.

    Raises
    ------
    InputError
        When none are unseen by all models, or they are not what they were.
    """
    first, *others = models.values()
    for key in ("data", "split") if settings.data is None else ("split",):
        for other in others:
            if other.config[key] != first.config[key]:
                raise InputError(
                    "models",
                    f"runs {first.run_id} and {other.run_id} differ in {key}: no users are unseen by both",
                    "Simulate them apart, or fit both on the same users.",
                )
    if source is None:
        source = (settings.data or Component.of(first.config["data"], "data")).build(Source, "data")
    users = source.loaded
    if settings.data is None and users.digest != first.data_digest:
        raise InputError(
            "data",
            f"{source.origin} no longer holds the users run {first.run_id} was judged on"
            f" (digest {users.digest}, was {first.data_digest})",
            "Bring them back, or type data=… to simulate on other users.",
        )
    if users.digest != first.data_digest and users.contract.user_id is None:
        what = f"users of {source.origin} carry no id, so that those the models were fitted on may be among them"
        raise InputError("data", what, "Name their id column: data.id=…")
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
        return f"Leave {name} out: the best of all actions that were given stands in every contest by itself."
    return (
        f"Type {override('policy', name)} {override(f'policy.actions.{segment}', 'none')}, or another action, without"
        f" {name} in policies; or name a YAML file of your own there."
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
    score = output(model.classifier, users.features[list(model.columns)])
    if broken := int((~np.isfinite(probability(score))).sum()):
        raise InputError(f"models.{name}", f"{broken} of {len(users)} scores are missing or infinite", "Fit it again.")
    return np.asarray(score)


def score_validation(name: str, model: LoadedModel, users: Users, parts: Parts) -> np.ndarray:
    """(n,) scores of the validation users, out of fold where the model was fitted on them itself.

    Parameters
    ----------
    users
        All users that `parts` are of.

    Raises
    ------
    InputError
        As `score_users` does, or where the scores that were kept are of other users.
    """
    if model.out_of_fold is None or users.digest != model.data_digest:
        return score_users(name, model, parts.validation)
    if len(model.out_of_fold) != len(parts.validation):
        what = f"kept scores of {len(model.out_of_fold):,} validation users, where there are {len(parts.validation):,}"
        raise InputError(f"models.{name}", what, "Search again, or name another model.")
    return model.out_of_fold


def _scored(
    cuts: int, model: str, found: dict[str, np.ndarray], known: Mapping[str, PartEvidence], policies: dict[str, Policy]
) -> Iterator[tuple[str, ScoreCells]]:
    """Cells along the model's score, and along what each policy of bands of effects cuts, by `along`'s keys.

    Parameters
    ----------
    found
        By part what the model gives of its users.
    """
    banded = {name: policy for name, policy in policies.items() if isinstance(policy, Bands)}
    by_score = [policy for policy in banded.values() if not policy.reads_effects]

    def cells(axes: dict[str, np.ndarray], bands: Iterable[Bands]) -> ScoreCells:
        edges = grid(axes["validation"], cuts, [cut for policy in bands for cut in policy.grid_cuts])
        of = {name: (known[name].valued.evidence, known[name].further) for name in known}
        return ScoreCells(*(gather(edges, axes[part], *of[part]) for part in ("validation", "test")))

    yield model, cells({part: probability(of) for part, of in found.items()}, by_score)
    for name, policy in banded.items():
        if policy.reads_effects:
            yield f"{model}{PAIR}{name}", cells({part: policy.axis(of) for part, of in found.items()}, [policy])
