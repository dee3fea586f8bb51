"""Errors of a user's own classes are told from the store's and from ours."""

from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from tests.models.test_family_contract import users
from tests.refusals import Refusal
from tippingpoint.core import strict
from tippingpoint.core.errors import InputError, OutsideError
from tippingpoint.core.foreign import as_theirs
from tippingpoint.data.users import FeatureSchema
from tippingpoint.models.calibration import fit
from tippingpoint.models.family import Family, prepare
from tippingpoint.models.logistic import Logistic
from tippingpoint.models.saved_form import check_trusted
from tippingpoint.tracking.backend import probe, store_errors


class Regression(LogisticRegression):
    """A class that no one trusts yet."""


class Own(Family):
    """A family as a package of one's own brings it."""

    explained_as: ClassVar[Literal["trees", "line"]] = "line"
    error: str = ""
    C: float = 1.0

    def pipeline(self, contract: FeatureSchema, seed: int) -> Pipeline:
        if self.error:
            raise OSError(self.error)
        return Pipeline([("prepare", prepare(contract, SimpleImputer())), ("model", Regression(C=self.C))])


def test_an_error_of_a_family_is_theirs_before_the_store_is_blamed() -> None:
    with pytest.raises(InputError) as raised, store_errors():
        fit(Own(error="no weights"), users(200), users(100, 1), 0)
    assert raised.value.where == f"{__name__}.Own"
    assert "OSError: no weights" in raised.value.what
    assert "test_foreign.py:" in raised.value.what
    assert isinstance(raised.value.__cause__, OSError)


def test_an_error_that_their_pipeline_makes_a_library_raise_is_theirs() -> None:
    with pytest.raises(ValueError, match="C") as raised:
        fit(Own(C=-1.0), users(200), users(100, 1), 0)
    theirs = as_theirs(raised.value)
    assert theirs is not None
    assert theirs.where == f"{__name__}.Own"


def test_an_error_of_the_store_is_the_store_s() -> None:
    with pytest.raises(OutsideError), store_errors():
        probe("sqlite:////nowhere/mlflow.db")


def test_an_error_of_ours_is_not_theirs() -> None:
    with pytest.raises(AttributeError) as raised:
        fit(Logistic(), None, users(100, 1), 0)  # type: ignore[arg-type]  # None is the error
    assert as_theirs(raised.value) is None


def test_types_that_are_not_trusted_are_named_before_the_fit_as_the_class_may_name_them() -> None:
    with pytest.raises(InputError) as raised:
        check_trusted(Own(), users(300), 0)
    assert raised.value.where == f"{__name__}.Own.trusted"
    wanted = raised.value.remedy.partition("trusted = ")[2].rstrip(".")

    class Trusting(Own):
        trusted = eval(wanted)

    assert f"{__name__}.Regression" in Trusting.trusted
    check_trusted(Trusting(), users(300), 0)


def test_the_command_line_says_whose_error_it_is(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., Refusal], call: Callable[..., int]
) -> None:
    entry = EntryPoint("own", f"{__name__}:Own", "tippingpoint.models")
    monkeypatch.setattr(strict, "entry_points", lambda group: [entry] if group == entry.group else [])
    (workspace / "groups/model").mkdir(parents=True)
    (workspace / "groups/model/own.yaml").write_text(f"own: {{_target_: {__name__}.Own, error: no weights}}\n")
    words = ("run", "--config-dir", "groups", "model=own", "data.users=600", "report=none")
    said = refused(*words)
    assert said.key == f"{__name__}.Own"
    assert "OSError: no weights" in said
    assert not (workspace / "mlflow.db").exists(), "it is looked at before the store is opened"
    with pytest.raises(InputError) as raised:
        call(*words, *said.typed[0])
    assert isinstance(raised.value.__cause__, OSError)
