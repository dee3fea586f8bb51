"""What a fitted pipeline computes, without its DataFrames: for one user or a few thousand.

A one-row DataFrame through scikit-learn's ColumnTransformer costs milliseconds, the mathematics behind it microseconds.
Here the fitted steps are read once into arrays, dictionaries and compiled trees. Compare the
result with the pipeline before using it (`gap`), and keep the pipeline where they differ.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from tippingpoint.decisions.drift import UNSEEN
from tippingpoint.models.boosting import KEPT, is_boosting
from tippingpoint.models.calibration import pipeline_of
from tippingpoint.models.family import dense

EQUAL = 1e-9
"""How far scores may differ from the pipeline's."""
Step = Callable[[np.ndarray], np.ndarray]


class CannotCompileError(Exception):
    """A step of the pipeline is of a kind that is not known here."""


@dataclass(frozen=True)
class Block:
    """One category's columns: a row for each value, one for unseen and one for missing ones."""

    row: dict[str, int]
    unseen: int
    missing: int
    table: np.ndarray

    def of(self, values: Sequence[str | None]) -> np.ndarray:
        """(n, width) 0/1 columns of n values."""
        known, unseen, missing = self.row, self.unseen, self.missing
        return self.table[[missing if value is None else known.get(value, unseen) for value in values]]


@dataclass(frozen=True)
class Scorer:
    """A pipeline compiled: number columns as an array and categories as lists go in, scores come out."""

    numbers: Step
    blocks: tuple[Block, ...]
    output: Step

    def score(self, numbers: np.ndarray, categories: Sequence[Sequence[str | None]]) -> np.ndarray:
        """(n,) probabilities of the outcome.

        Parameters
        ----------
        numbers
            (n, k) float64 number columns as the pipeline was fitted with, NaN where missing.
        categories
            Each category column's n values, None where missing.
        """
        parts = [self.numbers(numbers)] if numbers.shape[1] else []
        parts += [block.of(values) for block, values in zip(self.blocks, categories, strict=True)]
        x = np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
        return np.asarray(self.output(x), dtype=np.float64)


def compiled(classifier: Any) -> Scorer:
    """Compile a fitted pipeline, plain or under a sigmoid.

    Raises
    ------
    CannotCompileError
        Where a step before the last is not one of those our families are made of.
    """
    pipeline = pipeline_of(classifier)
    transformer, estimator = pipeline.named_steps["prepare"], pipeline.named_steps["model"]
    if transformer.sparse_output_:
        raise CannotCompileError("its prepared columns are a sparse matrix")
    steps = transformer.named_transformers_
    columns = {name: list(names) for name, _, names in transformer.transformers_}
    if set(columns) - {"number", "category", "remainder"}:
        raise CannotCompileError(f"columns go through {', '.join(columns)}")
    numbers = _number(steps["number"]) if columns.get("number") else _same
    blocks = _blocks(steps["category"], columns["category"]) if columns.get("category") else ()
    return Scorer(numbers, blocks, _output(classifier, estimator))


def gap(scorer: Scorer, classifier: Any, features: pd.DataFrame, numbers: list[str], categories: list[str]) -> float:
    """Largest difference to the pipeline's scores of users: all at once, and the first few one at a time."""
    x, c = arrays(features, numbers, categories)
    expected = np.asarray(classifier.predict_proba(features)[:, 1], dtype=np.float64)
    few = range(min(len(features), 8))
    single = [scorer.score(x[i : i + 1], [values[i : i + 1] for values in c])[0] for i in few]
    found = np.concatenate([scorer.score(x, c), single])
    return float(np.abs(found - np.concatenate([expected, expected[: len(few)]])).max())


def arrays(
    features: pd.DataFrame, numbers: list[str], categories: list[str]
) -> tuple[np.ndarray, list[list[str | None]]]:
    """A table of users as a scorer takes it."""
    missing = [features[name].isna() for name in categories]
    texts = [features[name].astype(object) for name in categories]
    lists = [text.where(~gone, None).tolist() for text, gone in zip(texts, missing, strict=True)]
    return features[numbers].to_numpy(np.float64), lists


def _same(x: np.ndarray) -> np.ndarray:
    return x


def _number(step: Any) -> Step:
    """What a fitted step does to number columns."""
    if step == "passthrough":
        return _same
    if isinstance(step, Pipeline):
        inner = [_number(part) for _, part in step.steps]

        def in_turn(x: np.ndarray) -> np.ndarray:
            for part in inner:
                x = part(x)
            return x

        return in_turn
    if isinstance(step, FunctionTransformer) and step.func in (None, np.arcsinh):
        return step.func or _same
    if isinstance(step, FunctionTransformer) and isinstance(step.func, partial) and step.func.args == (KEPT,):
        return _same  # in XGBoost's 32 bits
    if isinstance(step, StandardScaler):
        mean = 0.0 if step.mean_ is None else step.mean_
        scale = 1.0 if step.scale_ is None else step.scale_
        return lambda x: (x - mean) / scale
    if isinstance(step, SimpleImputer):
        fill = step.statistics_
        flagged = step.indicator_.features_ if step.indicator_ is not None else np.array([], int)

        def impute(x: np.ndarray) -> np.ndarray:
            gone = np.isnan(x)
            filled = np.where(gone, fill, x) if gone.any() else x
            return np.concatenate([filled, gone[:, flagged]], axis=1) if len(flagged) else filled

        return impute
    raise CannotCompileError(f"numbers go through {type(step).__name__}")


def _blocks(encoder: Any, names: list[str]) -> tuple[Block, ...]:
    """Asks the fitted encoder itself what it makes of each value."""
    if not isinstance(encoder, OneHotEncoder):
        raise CannotCompileError(f"categories go through {type(encoder).__name__}")
    blocks, start = [], 0
    usual = {name: levels[0] for name, levels in zip(names, encoder.categories_, strict=True)}
    for name, levels, rare in zip(names, encoder.categories_, encoder.infrequent_categories_, strict=True):
        width = len(levels) if rare is None else len(levels) - len(rare) + 1
        values = [level for level in levels if isinstance(level, str)]
        asked = pd.DataFrame({n: pd.Series([usual[n]] * (len(values) + 2), dtype="str") for n in names})
        asked[name] = pd.Series([*values, UNSEEN, None], dtype="str")
        table = dense(encoder.transform(asked))[:, start : start + width]
        blocks.append(Block({v: i for i, v in enumerate(values)}, len(values), len(values) + 1, table))
        start += width
    return tuple(blocks)


def _output(classifier: Any, estimator: Any) -> Step:
    """From prepared columns to the probability, through the sigmoid if there is one."""
    if not isinstance(classifier, CalibratedClassifierCV):
        return _chance(estimator)
    (calibrated,) = classifier.calibrated_classifiers_
    (sigmoid,) = calibrated.calibrators
    if classifier.method != "sigmoid":
        raise CannotCompileError(f"scores go through {type(sigmoid).__name__}")
    raw = _margin(estimator) if hasattr(estimator, "decision_function") else _chance(estimator)
    a, b = sigmoid.a_, sigmoid.b_
    return lambda x: np.asarray(expit(-(a * raw(x) + b)), dtype=np.float64)


def _margin(estimator: Any) -> Step:
    if not isinstance(estimator, LogisticRegression):
        return lambda x: np.asarray(estimator.decision_function(x))
    weights, bias = np.ascontiguousarray(estimator.coef_[0]), estimator.intercept_[0]
    return lambda x: x @ weights + bias


def _chance(estimator: Any) -> Step:
    """From prepared columns to the uncalibrated probability of outcome 1."""
    if isinstance(estimator, LogisticRegression):
        line = _margin(estimator)
        return lambda x: np.asarray(expit(line(x)))
    if isinstance(estimator, RandomForestClassifier | ExtraTreesClassifier):
        from tippingpoint.serving.compiled_trees import add_up, of_forest  # numba takes half a second to load

        forest, count = of_forest(estimator), len(estimator.estimators_)
        return lambda x: add_up(forest, x) / count
    if is_boosting(estimator):
        from tippingpoint.serving.compiled_trees import add_up, chance, of_boosting

        boosting = of_boosting(estimator)
        return lambda x: chance(add_up(boosting, x))
    return lambda x: np.asarray(estimator.predict_proba(x)[:, 1])
