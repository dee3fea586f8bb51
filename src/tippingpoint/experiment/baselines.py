"""What a model must beat: a constant score, each action for everyone, and the best single column."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tippingpoint.data.users import Users
from tippingpoint.evaluation import accuracy
from tippingpoint.evaluation.baselines import best_column
from tippingpoint.experiment.build import fitted_on
from tippingpoint.experiment.diagnostics.data import leaks
from tippingpoint.experiment.diagnostics.policy import reads
from tippingpoint.experiment.judged import Baseline, SingleColumn
from tippingpoint.experiment.simulation_result import COLUMN, EVERYONE
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.experiment.valuation import BindingUsers, ValuedUsers
from tippingpoint.offpolicy.value import PolicyValue
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.policy import Policy
from tippingpoint.policies.share_bands import ShareBands
from tippingpoint.policies.top_fraction import lowest_cut


def with_baselines(question: ExperimentSpec, development: Users | None = None) -> ExperimentSpec:
    """The question with what a model must beat: the outcome rate as a score, an action for everyone, the best column.

    Parameters
    ----------
    development
        Train and validation together where the model is fitted on both; then these learn from both too.
    """
    parts, seed, test = question.parts, question.seed, question.parts.test
    train, validation = (parts.train, parts.validation) if development is None else (development, development)
    seen = train.take(fitted_on(question, train))
    best, alone = best_column(seen, np.random.default_rng([seed, 7]))
    score = best.score(test.features)
    metrics = accuracy(test.outcome, score, test.codes)
    column = SingleColumn(f"{COLUMN}{best.column}", best.score(validation.features), score, metrics)
    constant = accuracy(test.outcome, np.full(len(test), float(seen.outcome.mean())), test.codes)
    values = everyone(question.valued, question.economics.priced)
    baselines = (Baseline("constant", constant), *(Baseline(name, value=of) for name, of in values.items()))
    found = replace(question, baselines=baselines, column=column, alone=alone)
    leaking = question.chosen.settle([leaks(found.suspects, alone)])
    return replace(found, findings=(*leaking, *(of for of in question.findings if of.code != "TP103")))


def everyone(valued: ValuedUsers, priced: set[str]) -> dict[str, PolicyValue]:
    """By name the value of giving each action that has a price to everyone, `none` first."""
    codes = {action: np.full(len(valued.users), k) for k, action in enumerate(valued.actions)}
    return {f"{EVERYONE}{action}": valued.value_of(codes[action]) for action in valued.actions if action in priced}


def of_column(
    question: ExperimentSpec, binding: BindingUsers, policy: Policy, score: np.ndarray, reads_score: bool
) -> Baseline | None:
    """The best single column under a policy, at the shares of users that a model's cut-offs take.

    Parameters
    ----------
    policy, score
        The policy bound to the model, and the model's (n,) scores of the users it was bound on.
    """
    column = question.column
    if column is None:
        return None
    if not reads_score:
        return Baseline(column.name, column.metrics)
    value = question.valued.value(at_shares(binding, policy, score, column.validation), column.test)
    return Baseline(column.name, column.metrics, value)


def at_shares(binding: BindingUsers, policy: Policy, score: np.ndarray, other: np.ndarray) -> Policy:
    """The policy for another score of the same users, that acts on no larger shares of them.

    Cut-offs that are written are of one score: of another they are those that no larger a share is at or above.
    Policies that learn their cut-offs learn them anew.
    """
    if not isinstance(policy, Bands) or isinstance(policy, ShareBands):
        return binding.bind(policy, other)
    code = policy.assign(score, binding.validation.features)
    shares = [float((code > k).mean()) for k in range(len(policy.cuts))]
    cuts = tuple(lowest_cut(other, share)[0] for share in shares)
    return policy.model_copy(update={"cuts": cuts, "cut_belongs": ("above",) * len(cuts)})


def decided_by_column(
    binding: BindingUsers,
    policies: Mapping[str, Policy],
    score: np.ndarray,
    users: Users,
    actions: tuple[str, ...],
    seed: int,
) -> dict[str, np.ndarray]:
    """By contestant what the best single column decides for users, (n,) codes, under each policy that reads a score.

    Parameters
    ----------
    policies, score
        Those bound to a model, and the model's (n,) scores of the users they were bound on.
    """
    read = {name: policy for name, policy in policies.items() if reads(policy, users.features)}
    if not read:
        return {}
    column, _ = best_column(binding.train, np.random.default_rng([seed, 7]))
    other, here = column.score(binding.validation.features), column.score(users.features)
    decided = {name: at_shares(binding, policy, score, other).decide(here, users.features, actions)
               for name, policy in read.items()}  # fmt: skip
    alone = f"{COLUMN}{column.column}"
    return {alone if len(decided) == 1 else f"{alone}, {name}": of for name, of in decided.items()}
