"""What all model families share: a scikit-learn pipeline from the user's columns to a score."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from pydantic import Field
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from tippingpoint.data.users import Contract
from tippingpoint.settings import Closed


class Family(Closed, ABC):
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
    explained_as: ClassVar[Literal["trees", "line"]]
    """What the last step of the pipeline is, for exact SHAP values."""
    packages: ClassVar[tuple[str, ...]] = ("scikit-learn", "numpy", "pandas", "skops")
    """Packages a saved pipeline needs to be loaded and to score."""

    when_fitted: ClassVar[dict[str, object]] = {}
    """Parameters of the pipeline that change once it is fitted."""

    calibrate: bool
    """Whether a sigmoid may be put on the scores, where it helps on validation."""
    search: dict[str, dict[str, object]] = Field(default_factory=dict)
    """Search space of the hyper-parameters, for tuning."""

    @abstractmethod
    def pipeline(self, contract: Contract, seed: int) -> Pipeline:
        """An unfitted pipeline, steps `prepare` and `model`, for the contract's columns."""


def one_hot() -> OneHotEncoder:
    """Categories to 0/1 columns; rare ones share a column, and unseen ones join it (or get zeros)."""
    return OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20, sparse_output=False)


def prepare(contract: Contract, numbers: object) -> ColumnTransformer:
    """Numbers through `numbers` (a transformer or 'passthrough'), categories one-hot; any other column is ignored."""
    return ColumnTransformer(
        [("number", numbers, contract.names("number")), ("category", one_hot(), contract.names("category"))],
    )
