"""A fitted model at hand: what it was asked with it, so that it predicts, decides and is simulated without a store."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import polars as pl

from tippingpoint.data.frame import as_polars, model_columns
from tippingpoint.decisions import Decider
from tippingpoint.experiment.candidate import Candidate
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.policies.policy import Policy
from tippingpoint.tracking.deciders import Loaded
from tippingpoint.tracking.models import LoadedModel


@dataclass(frozen=True, repr=False)
class FittedModel:
    """A candidate of a result, and the question it answers.

    Parameters
    ----------
    reference
        The registered version it is, or `memory:NAME` where it is none.
    """

    candidate: Candidate
    question: ExperimentSpec
    reference: str

    @property
    def name(self) -> str:
        """Its family's name."""
        return self.candidate.family

    @property
    def policy(self) -> Policy:
        """The policy it was valued with, bound to its scores."""
        return self.candidate.policy

    @cached_property
    def columns(self) -> dict[str, str]:
        """The features it reads, in order, and whether each is a `number` or a `category`."""
        return {column.name: column.kind for column in self.question.users.contract.columns}

    def predict(self, frame: pd.DataFrame | pl.DataFrame) -> np.ndarray:
        """Return (n,) calibrated probabilities of the outcome for the n users of a frame.

        Raises
        ------
        InputError
            When the frame lacks a column that the model reads, or holds text where it reads numbers.
        """
        decider = self.loaded.decider
        return decider.score(model_columns(as_polars(frame), self.columns, decider.deployment.terms.columns))

    @cached_property
    def loaded(self) -> Loaded:
        """The model as if it were filed and loaded again."""
        name, _, version = self.reference.rpartition("/")
        of = self.question.learners.get(self.name)
        model = LoadedModel(
            name=self.name,
            run_id="",
            model_id="",
            config=self.question.config,
            columns=self.columns,
            data_digest=self.question.users.digest,
            question=self.question.name,
            experiment="",
            registered=None,
            classifier=self.candidate.model.classifier,
            out_of_fold=self.candidate.out_of_fold,
            base=of.family if of else self.name,
            learner=of.learner if of else "",
            actions=self.question.users.actions if of else None,
            findings=tuple(finding.to_dict() for finding in self.candidate.findings),
        )
        decider = Decider(self.reference, model.classifier, self.columns, self.policy, self.candidate.deployment)
        return Loaded(name, version, self.policy.bound_digest, model, decider)

    def __repr__(self) -> str:
        area = self.candidate.metrics["roc_auc"]
        return f"{self.name} for {self.question.name}: ROC AUC {area.value:.3f} on test, policy {self.policy.name}"
