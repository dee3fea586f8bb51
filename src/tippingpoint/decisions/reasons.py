"""Why each user's score is what it is: the columns that moved it most, in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from tippingpoint.core.errors import InputError
from tippingpoint.data.users import Column, FeatureSchema
from tippingpoint.decisions.decider import Decider
from tippingpoint.decisions.drift import Reference
from tippingpoint.explanation.reasons import REASONS, shown
from tippingpoint.explanation.values import explain, raw_columns
from tippingpoint.models.calibration import Model, pipeline_of
from tippingpoint.models.family import Family, dense


@dataclass(frozen=True)
class Reasons:
    """What explains the scores of a registered version.

    Parameters
    ----------
    columns
        The features, in order, and whether each is a `number` or a `category`.
    reference
        How users it learnt from are spread: where the mean of a category's columns is read, and what users effects
        are explained from.
    actions
        The K actions whose effects it predicts, none first; empty where it predicts none.
    labels
        What people read instead of a column's name, where its contract has a label.
    """

    family: Family
    classifier: Any
    columns: dict[str, str]
    reference: Reference
    actions: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, family: Family, decider: Decider) -> Self:
        """Return what explains the scores of a decider, whose model is of a family."""
        reference = decider.deployment.reference
        labels = decider.deployment.terms.labels
        return cls(family, decider.classifier, decider.columns, reference, decider.of_effects, labels)

    def values(self, features: pd.DataFrame) -> tuple[np.ndarray, str]:
        """(n, d) SHAP values of n users, and what they are in: log-odds or probability, before calibration.

        Of a model that predicts effects: of the effect that differs most, in outcomes per user. Of a family that is
        neither trees nor a line they are sampled.
        Trees: path-dependent. A line: coefficient times distance from the mean of the users it was fitted on.
        """
        contract = FeatureSchema(tuple(Column(n, k) for n, k in self.columns.items()), outcome="")  # type: ignore[arg-type]  # number or category
        pipeline = pipeline_of(self.classifier)
        if self.actions or self.family.explained_as == "any":
            model = Model(self.family, self.classifier, pipeline, "", actions=self.actions)
            found = explain(model, contract, features[list(self.columns)], self.reference.drawn(self.columns))
            return found.values, found.space
        if self.family.explained_as != "line":
            model = Model(self.family, self.classifier, pipeline, "")
            found = explain(model, contract, features, features.head(0))
            return found.values, found.space
        transformer, line = pipeline.named_steps["prepare"], pipeline.named_steps["model"]
        x = dense(transformer.transform(features[list(self.columns)]))
        folded = np.zeros((len(x), len(self.columns)))
        np.add.at(folded.T, raw_columns(transformer, contract), ((x - self._centre(transformer)) * line.coef_[0]).T)
        return folded, "log-odds before calibration"

    def words(self, features: pd.DataFrame) -> list[np.ndarray]:
        """Three columns of (n,) texts: label, value and direction of the largest values, the largest first.

        A value of 0 gives no reason (None).
        """
        values, _ = self.values(features)
        largest = np.abs(values).argsort(axis=1, kind="stable")[:, ::-1][:, :REASONS]
        texts = [np.full(len(values), None, dtype=object) for _ in range(REASONS)]
        for j, name in enumerate(self.columns):
            codes, distinct = pd.factorize(features[name], use_na_sentinel=False)
            called = self.labels.get(name, name)
            written = np.array([f"{called} {shown(value)}" for value in distinct], dtype=object)
            for k in range(largest.shape[1]):
                rows = np.flatnonzero((largest[:, k] == j) & (values[:, j] != 0))
                ways = np.where(values[rows, j] > 0, " raises it", " lowers it").astype(object)
                texts[k][rows] = written[codes[rows]] + ways
        return texts

    def _centre(self, transformer: Any) -> np.ndarray:
        """The mean of the prepared columns of the users the line was fitted on."""
        names = list(self.columns)
        numbers = [n for n in names if self.columns[n] == "number"]
        categories = [n for n in names if self.columns[n] == "category"]
        parts = []
        if numbers:
            steps = transformer.named_transformers_["number"]
            if not (isinstance(steps, Pipeline) and isinstance(steps[-1], StandardScaler)):
                raise InputError("reasons", "the model's numbers are not standardised", "Type reasons=false.")
            parts.append(np.zeros(len(steps[-1].mean_)))  # of what is standardised the mean is 0
        if categories:
            one_hot = transformer.named_transformers_["category"]
            start = 0
            for j, name in enumerate(categories):
                rare = one_hot.infrequent_categories_[j]
                width = len(one_hot.categories_[j]) - (0 if rare is None else len(rare) - 1)
                levels = [*self.reference.categories[name], "\0", None]  # any other, and missing
                frame = pd.DataFrame({n: pd.Series(levels, dtype="str") for n in categories})
                block = dense(one_hot.transform(frame))[:, start : start + width]
                parts.append(np.asarray(self.reference.shares[name]) @ block)
                start += width
        return np.concatenate(parts)
