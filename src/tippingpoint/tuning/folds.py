"""Users cut for cross-validation and prepared for each family once, on disk for any process to map."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, issparse

from tippingpoint.core.errors import InputError
from tippingpoint.data.splits import folds as drawn
from tippingpoint.data.users import FeatureSchema, Users
from tippingpoint.explanation import raw_columns
from tippingpoint.models.family import Family
from tippingpoint.policies.policy import Policy

SPARSE_PARTS = ("data", "indices", "indptr", "shape")


@dataclass(frozen=True)
class Priced:
    """Reward and spend of each action for each of the n users, for objectives in money.

    Parameters
    ----------
    policy
        Bound anew on each fold, by the users outside it.
    features
        (n, d) columns a policy may read.
    reward, spend
        (n, K) money per user and action: its value, and its cost over doing nothing. A fold's are estimated
        on the users outside it.
    """

    policy: Policy
    features: pd.DataFrame
    actions: tuple[str, ...]
    reward: np.ndarray
    spend: np.ndarray


@dataclass(frozen=True)
class Folds:
    """Stratified folds of n users.

    Parameters
    ----------
    outcome
        (n,) 0/1.
    fold
        (n,) the fold each user is held out in.
    fits
        (n,) whether models are fitted on a user, when held out elsewhere; all are judged on.
    source
        For each family and fold, the position of the raw column behind each prepared one.
    group
        (n,) numbers of the groups that folds keep whole; None where each user stands alone.
    """

    folder: Path
    contract: FeatureSchema
    outcome: np.ndarray
    fold: np.ndarray
    fits: np.ndarray
    source: Mapping[str, list[np.ndarray]]
    seed: int
    group: np.ndarray | None = None

    @property
    def number(self) -> int:
        """How many folds there are."""
        return int(self.fold.max()) + 1

    def prepared(self, family: str, fold: int) -> tuple[Any, Any]:
        """Prepared columns of the users a fold's model is fitted on, and of those in it; mapped, never copied."""
        return _mapped(self.folder / f"{family}_{fold}_fit"), _mapped(self.folder / f"{family}_{fold}_held")


def cut(users: Users, fits: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """(n,) fold of each user, stratified by outcome and by whether models are fitted on them.

    Raises
    ------
    InputError
        When an outcome is rarer there than there are folds.
    """
    if (rarest := int(np.bincount(users.outcome[fits], minlength=2).min())) < folds:
        what = f"{folds} folds need {folds} users of either outcome"
        raise InputError("tune.folds", f"{what}; there are {rarest} to fit on", "Take fewer folds.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of those not fitted on, an outcome may be rarer than folds
        return drawn(users.outcome + 2 * fits, folds, seed, users.codes)


def prepare(
    users: Users, fits: np.ndarray, fold: np.ndarray, families: Mapping[str, Family], seed: int, folder: Path
) -> Folds:
    """Prepare the columns of each family for each fold, learnt on the users it is fitted on, and write them down."""
    source: dict[str, list[np.ndarray]] = {name: [] for name in families}
    for name, family in families.items():
        dtype = np.float32 if family.explained_as == "trees" else np.float64  # what their fits would cast them to
        for number in range(int(fold.max()) + 1):
            outside = (fold != number) & fits
            step = family.pipeline(users.contract, seed).named_steps["prepare"]
            fit = step.fit_transform(users.features[outside], users.outcome[outside])
            held = step.transform(users.features[fold == number])
            _write(fit.astype(dtype), folder / f"{name}_{number}_fit")
            _write(held.astype(dtype), folder / f"{name}_{number}_held")
            source[name].append(raw_columns(step, users.contract))
    return Folds(folder, users.contract, users.outcome, fold, fits, source, seed, users.codes)


def _write(matrix: Any, folder: Path) -> None:
    """Write an array, or the parts of a sparse matrix, as files that can be mapped."""
    folder.mkdir(exist_ok=True)
    parts = {name: getattr(matrix, name) for name in SPARSE_PARTS} if issparse(matrix) else {"array": matrix}
    for name, part in parts.items():
        np.save(folder / f"{name}.npy", part)


def _mapped(folder: Path) -> Any:
    parts = {file.stem: np.load(file, mmap_mode="r") for file in folder.glob("*.npy")}
    if "array" in parts:
        return parts["array"]
    data, indices, indptr, shape = (parts[name] for name in SPARSE_PARTS)
    return csr_matrix((data, indices, indptr), tuple(shape))
