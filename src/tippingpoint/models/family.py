"""What all model families share: a scikit-learn pipeline from the user's columns to a score."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import ValidationError, field_validator, model_validator
from scipy.sparse import issparse
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.strict import StrictModel
from tippingpoint.data.inference import FEWEST
from tippingpoint.data.users import FeatureSchema
from tippingpoint.models.space import Dimension, Value

Watch = Callable[[int, float], bool]
"""Told each round and its loss on the users held out; True ends the fit."""


class Family(StrictModel, ABC):
    """A model family and its hyper-parameters; the base of every `model=` option.

    The pipeline is made of scikit-learn and numpy parts only, so that the saved model loads where tippingpoint is
    not installed.
    """

    trusted: ClassVar[tuple[str, ...]] = (
        "numpy.dtype",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
    )
    """Types skops may load besides its own list; a constant, never what a file asks for."""
    trusted_of_effects: ClassVar[tuple[str, ...]] = ()
    """And where it is the base of an effect learner."""
    explained_as: ClassVar[Literal["trees", "line", "any"]] = "any"
    """What the last step of the pipeline is, for exact SHAP values; of `any` they are sampled by permutations."""
    unit: ClassVar[str] = "prepared number"
    """What a line's coefficient of a number counts in."""
    packages: ClassVar[tuple[str, ...]] = ("scikit-learn", "numpy", "pandas", "skops")
    """Packages a saved pipeline needs to be loaded and to score."""

    rounds: ClassVar[str | None] = None
    """The hyper-parameter that counts boosting rounds, where a fit can be watched round by round."""
    when_fitted: ClassVar[dict[str, object]] = {}
    """Parameters of the pipeline that change once it is fitted."""

    calibrate: bool = True
    """Whether a sigmoid may be put on the scores, where it helps on validation."""
    search: dict[str, Dimension] = {}
    """What tuning may try for each hyper-parameter, in the order it is tried; null is nothing."""

    @field_validator("search", mode="before")
    @classmethod
    def _null_is_nothing(cls, search: Any) -> Any:
        return {} if search is None else search

    @model_validator(mode="after")
    def _searches_what_it_has(self) -> Self:
        own = self.parameters()
        earlier: set[str] = set()
        for name, dimension in self.search.items():
            if name not in own:
                raise ValueError(f"search names {name!r}, which the family lacks. {nearest(name, own)}")
            if dimension.patience and name != self.rounds:
                raise ValueError(f"search.{name} has a patience, but counts no rounds. Give it low and high.")
            for other in set(dimension.when) - earlier:
                raise ValueError(f"search.{name} depends on {other!r}. Put that into search, and above it.")
            for value in dimension.ends():
                self._takes(name, value)
            earlier.add(name)
        return self

    def _takes(self, name: str, value: Value) -> None:
        try:
            type(self).model_validate({**self.parameters(), "calibrate": self.calibrate, "search": {}, name: value})
        except ValidationError as error:
            raise ValueError(f"search.{name} tries {value!r}: {_must(error)}") from None

    def searched_whole(self) -> Self:
        """The family without the rounds that a search watches: an effect learner is fitted to its end."""
        return self.model_copy(update={"search": {k: v for k, v in self.search.items() if v.patience is None}})

    def parameters(self) -> dict[str, Any]:
        """The hyper-parameters."""
        return self.model_dump(exclude={"calibrate", "search"})

    def having(self, parameters: Mapping[str, Any]) -> Self:
        """The family with these hyper-parameters instead of its own."""
        return type(self).model_validate({**self.model_dump(), **parameters})

    @abstractmethod
    def pipeline(self, contract: FeatureSchema, seed: int) -> Pipeline:
        """An unfitted pipeline, steps `prepare` and `model`, for the contract's columns."""

    def regression(self, contract: FeatureSchema, seed: int, variance: float) -> Any:
        """An unfitted regression of prepared columns on a noisy target, for effect learners.

        By default that of the same library: the class whose name ends in Regressor where the classifier's ends in
        Classifier, with the parameters that both have.

        Parameters
        ----------
        variance
            Of the outcome, p(1 − p).

        Raises
        ------
        InputError
            When there is no such class.
        """
        model = self.pipeline(contract, seed).named_steps["model"]
        name, there = type(model).__name__, sys.modules[type(model).__module__]
        found = getattr(there, name.replace("Classifier", "Regressor"), None)
        if found is None or found is type(model):
            what = f"no regression goes with {name}, which this learner needs"
            raise InputError("learner", what, "Type learner=t or learner=s; or give the family a method `regression`.")
        of_both = set(model.get_params()) & set(found().get_params()) - {"criterion", "objective", "loss"}
        return found(**{key: value for key, value in model.get_params().items() if key in of_both})

    def fit_watched(
        self, model: Any, x: np.ndarray, y: np.ndarray, held: tuple[np.ndarray, np.ndarray], patience: int, watch: Watch
    ) -> np.ndarray:
        """Fit the last step of a pipeline round by round, for families with `rounds`.

        Parameters
        ----------
        held
            Prepared columns and outcomes of users held out: the fit ends after `patience` rounds without a lower log
            loss on them, or when `watch` says so.

        Returns
        -------
        numpy.ndarray
            (rounds,) log loss on the users held out after each round.
        """
        raise NotImplementedError

    def score_after(self, model: Any, x: np.ndarray, rounds: int) -> np.ndarray:
        """(n,) scores of prepared columns by the first rounds of a model fitted by `fit_watched`."""
        raise NotImplementedError


def _must(error: ValidationError) -> str:
    return error.errors()[0]["msg"].removeprefix("Value error, ").replace("Input should be", "it must be")


SPARSE = 0.1
"""Share of cells other than 0 below which the prepared columns are a sparse matrix."""


def one_hot() -> OneHotEncoder:
    """Categories to 0/1 columns; rare ones share a column, and unseen ones join it (or get zeros)."""
    return OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=FEWEST)


def prepare(contract: FeatureSchema, numbers: object) -> ColumnTransformer:
    """Numbers through `numbers` (a transformer or 'passthrough'), categories one-hot; any other column is ignored.

    Columns of thousands of categories come out as a sparse matrix, which gives the same model in a hundredth of the
    memory.
    """
    return ColumnTransformer(
        [("number", numbers, contract.names("number")), ("category", one_hot(), contract.names("category"))],
        sparse_threshold=SPARSE,
    )


def dense(prepared: Any) -> np.ndarray:
    """Return prepared columns as an array of float64, whichever matrix they are."""
    return np.asarray(prepared.toarray() if issparse(prepared) else prepared, dtype=np.float64)
