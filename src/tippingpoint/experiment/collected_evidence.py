"""All that is known of one part's users under each action, and what policies decide for them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from tippingpoint.data.model_output import probability
from tippingpoint.data.users import Users
from tippingpoint.economics import Economics
from tippingpoint.experiment.collected_tables import calibration_of_rewards, diagnostics
from tippingpoint.experiment.diagnostics import Chosen, Finding, Findings, evidence
from tippingpoint.experiment.diagnostics import model as model_findings
from tippingpoint.experiment.diagnostics import policy as policy_findings
from tippingpoint.experiment.evidence import (
    MeasureModel,
    Predict,
    expected_measures,
    fit_logging,
    fit_measures,
    fit_rewards,
    log_of,
    measure_names,
)
from tippingpoint.experiment.score_effects import ByAction, along_scores, ranking
from tippingpoint.experiment.simulation_result import BEST, ORACLE
from tippingpoint.experiment.valuation import ValuedUsers
from tippingpoint.offpolicy.evidence import MEASURE, Kind, Log
from tippingpoint.offpolicy.sensitivity import blocks
from tippingpoint.offpolicy.sufficient_statistics import MONEY, PAIR, Measures, log_blocks
from tippingpoint.policies.policy import Policy


@dataclass(frozen=True)
class EvidenceModels:
    """What evidence rests on, fitted on train once for both parts.

    Parameters
    ----------
    outcomes
        Outcome under each action; None where no action was ever logged.
    chances
        Chance of each action; None unless it must be estimated.
    measures
        Each further measure under each action; empty where evidence is not from a log.
    """

    outcomes: Predict | None
    chances: Predict | None
    measures: dict[str, MeasureModel]

    @classmethod
    def on(cls, kind: Kind, train: Users, seed: int) -> Self:
        """Fit them on train."""
        logged = kind in ("experiment", "logged") and train.measures is not None
        return cls(
            outcomes=fit_rewards(train, seed) if train.action is not None else None,
            chances=fit_logging(train, seed) if kind == "logged" else None,
            measures=fit_measures(train, measure_names(train) if logged else (), seed),
        )


@dataclass(frozen=True)
class PartEvidence:
    """The users of one part, with all that is known of them before any model.

    Parameters
    ----------
    log
        What was done to them, over all of their actions; None where evidence is not from a log.
    kept
        Codes, among all of their actions, of those that are valued.
    further
        (n, K) blocks of statistics besides the outcome scores: money where prices are per user, what a hidden driver
        could move, and measures.
    predicted
        (n, K) outcomes that `EvidenceModels.outcomes` predicts; None where there is no such model.
    predicted_measures
        (n, K) money that is expected of measures; None where only the outcome counts.
    """

    valued: ValuedUsers
    log: Log | None
    kept: list[int]
    further: Measures
    predicted: np.ndarray | None
    predicted_measures: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        kind: Kind,
        models: EvidenceModels,
        train: Users,
        users: Users,
        actions: tuple[str, ...],
        economics: Economics,
        seed: int,
        allowed: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
    ) -> Self:
        """Gather what is known of users; `train` are others, which the models were fitted on.

        Parameters
        ----------
        allowed
            Codes of the vetoes of the whole evidence, and of those that were accepted.

        Raises
        ------
        InputError
            Where a measure has missing values.
        """
        log = None
        if kind in ("experiment", "logged"):
            log = log_of(kind, train, users, seed, models.outcomes, models.chances)
        valued = ValuedUsers.of(kind, train, users, actions, economics, seed, log, *allowed, models.measures)
        kept = [users.actions.index(a) for a in actions] if kind != "assumed" else list(range(len(actions)))
        further = {MONEY: valued.reward} if economics.per_user else {}
        hidden = valued.evidence.hidden
        if hidden is not None and economics.per_user:
            hidden = hidden.scaled(np.nan_to_num(valued.reward_slope))
        further |= blocks(hidden)
        further |= {f"{MEASURE}{name}": scores for name, scores in valued.evidence.measures.items()}
        predicted = None if log is None else log.predicted
        if predicted is None and models.outcomes is not None:
            predicted = models.outcomes(users.features)
        expected = expected_measures(models.measures, economics, users.features)
        behind = (None if of is None else of[:, kept] for of in (predicted, expected))
        return cls(valued, log, kept, further, *behind)

    def findings(
        self,
        chosen: Chosen,
        bound: Mapping[str, Mapping[str, Policy]],
        scores: Mapping[str, np.ndarray],
        vetoed: tuple[str, ...],
        kept: Mapping[str, Findings | None],
    ) -> Iterator[Finding]:
        """What diagnostics find of each model's scores and policies on these users.

        Parameters
        ----------
        kept
            By model what was found of it on these users where it was fitted; None: what its scores tell is found anew.
        """
        valued, log, told = self.valued, self.log, set[str]()
        for model, policies in bound.items():
            known = kept.get(model)
            anew = model_findings.at_a_glance(valued.users, probability(scores[model])) if known is None else known
            yield from chosen.settle(anew, model)
            for name, policy in policies.items():
                of = f"{model}{PAIR}{name}"
                if log is not None and not vetoed:
                    codes = np.asarray(self.kept)[valued.decide(policy, scores[model])]
                    slope = np.zeros((len(valued.users), log.logging_probability.shape[1]))
                    slope[:, self.kept] = valued.reward_slope
                    estimated = valued.evidence.kind == "logged"
                    measured = valued.measured_basis(valued.decide(policy, scores[model]))
                    weights = evidence.Weights.of(log, codes, slope, estimated, valued.evidence.group, measured)
                    yield from chosen.settle(evidence.of_weights(weights), of)
                decided = policy_findings.Decided.of(policy, valued.users, scores[model])
                found = [f for f in policy_findings.of_policy(decided) if f is not None]
                again = [f for f in found if f.code == policy_findings.READS_NO_SCORE and name in told]
                yield from chosen.settle((f for f in found if f not in again), of)
                told.add(name)

    def decide(
        self, bound: Mapping[str, Mapping[str, Policy]], scores: Mapping[str, np.ndarray], best: bool
    ) -> dict[str, np.ndarray]:
        """(n,) action codes of each contestant: bound policies by model, the best action if asked, the oracle."""
        valued = self.valued
        found = {
            f"{model}{PAIR}{name}": valued.decide(policy, scores[model])
            for model, policies in bound.items()
            for name, policy in policies.items()
        }
        if best and self.predicted is not None:
            expected = valued.reward_intercept + valued.reward_slope * self.predicted
            further = self.predicted_measures
            found[BEST] = np.nanargmax(expected if further is None else expected + further, axis=1)
        if valued.evidence.kind == "truth":
            found[ORACLE] = np.nanargmax(valued.reward, axis=1)
        return found

    def tables(self, scores: ByAction, decisions: dict[str, np.ndarray]) -> dict[str, pd.DataFrame]:
        """How well scores rank users, and what the log can say; nothing of what was never tried.

        Parameters
        ----------
        scores
            By model and action, as `ranking` takes them.
        """
        known, actions, users = self.valued.evidence, self.valued.actions, self.valued.users
        if known.kind == "assumed":
            return {}
        effect = None if self.predicted is None else self.predicted - self.predicted[:, :1]
        of = scores, effect, known, actions, users.contract.good
        heterogeneity, groups = along_scores(*of)
        found = {"ranking": ranking(*of), "heterogeneity": heterogeneity, "uplift_by_score_group": groups}
        if self.log is not None:
            everyone = {f"everyone {action}": np.full(len(users), k) for k, action in enumerate(actions)}
            found["evidence"] = diagnostics(known.kind, self.log, decisions | everyone, self.kept)
            found["reward_model"] = calibration_of_rewards(self.log, users.actions)
        return found

    def log_blocks(self) -> Measures | None:
        """The log as `join` takes it, in money where prices are per user; None without a log."""
        if self.log is None:
            return None
        one = np.zeros(len(self.kept)), np.ones(len(self.kept))
        per_user = MONEY in self.further
        return log_blocks(
            self.log, self.kept, *((self.valued.reward_intercept, self.valued.reward_slope) if per_user else one)
        )
