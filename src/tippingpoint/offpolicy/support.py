"""How much a log can say about a figure, known before any outcome is: expected outcomes, and chances too small."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Self

import numpy as np

LEAST_EXPECTED = 10.0
"""Expected outcomes a figure must rest on before it has an interval: with fewer, coverage falls (TP304)."""
LOW_CHANCE = 0.02
"""An estimated chance below this says that hardly anyone like this user got the action..."""
MOST_LACKING = 0.01
"""...and a larger share of such users takes a figure's interval away (TP301)."""


@dataclass(frozen=True)
class Basis:
    """What figures rest on: numbers for one, arrays for many.

    Parameters
    ----------
    noise
        Sum over users of the variance that outcomes alone are expected to give a figure's contributions.
    fourth
        The same of their fourth moment, to leading order in the weights.
    users, lacking
        Users who count in the figure, and those among them without support.
    apart
        Groups a user, where users come in groups: the outcomes of one may all go together, so they count as one.
    """

    noise: np.ndarray
    fourth: np.ndarray
    users: np.ndarray
    lacking: np.ndarray
    apart: float = 1.0

    def total(self) -> "Basis":
        """Summed over the last axis, users or cells."""
        return self.mapped(lambda of: of.sum(axis=-1))

    def mapped(self, turn: Callable[[np.ndarray], np.ndarray]) -> "Basis":
        """The same of other sums."""
        return Basis(turn(self.noise), turn(self.fourth), turn(self.users), turn(self.lacking), self.apart)

    def scaled(self, weight: np.ndarray) -> "Basis":
        """The same where each contribution counts `weight` times."""
        return Basis(self.noise * weight**2, self.fourth * weight**4, self.users, self.lacking, self.apart)

    def among(self, members: np.ndarray) -> "Basis":
        """Of the users that (n,) bool `members` marks."""
        return self.mapped(lambda of: of[members])

    def __add__(self, other: "Basis") -> "Basis":
        both = np.maximum(self.users, other.users)
        return Basis(
            self.noise + other.noise, self.fourth + other.fourth, both, self.lacking + other.lacking, self.apart
        )

    @property
    def expected(self) -> np.ndarray:
        """Effective number of independent expected outcomes, noise² / fourth; infinite where no outcome counts.

        In one arm of constant chance e it is Σ e·p·(1 - p). Of several arms each counts by its share of the noise, as
        in the degrees of freedom of Welch and Satterthwaite: an arm that hardly moves the figure takes nothing away.
        """
        some = self.fourth > 0
        return np.where(some, self.apart * self.noise**2 / np.where(some, self.fourth, 1), np.inf)

    @property
    def share_lacking(self) -> np.ndarray:
        """Share of the users who count in the figure that lack support."""
        return np.asarray(self.lacking / np.maximum(self.users, 1))

    @property
    def sound(self) -> np.ndarray:
        """Whether an interval may be given."""
        return (self.expected >= LEAST_EXPECTED) & (self.share_lacking <= MOST_LACKING)


@dataclass(frozen=True)
class Support:
    """What a log can say about each action's outcome scores, by user or summed in cells.

    Parameters
    ----------
    moments
        (3, n or cells, K): the expected variance of a score given the user, p̂(1 - p̂)/e, where p̂ was fitted on other
        users; its expected fourth moment to leading order, p̂(1 - p̂)/e³; and 1 where the chance of the action was
        estimated and is below `LOW_CHANCE`.
    """

    moments: np.ndarray

    @classmethod
    def of(cls, logging_probability: np.ndarray, predicted: np.ndarray, estimated: bool) -> Self:
        """Support of (n, K) chances, known or `estimated`, and outcomes predicted under each action."""
        spread = np.clip(predicted, 0, 1) * (1 - np.clip(predicted, 0, 1))
        lacking = (logging_probability < LOW_CHANCE) & estimated
        return cls(np.stack([spread / logging_probability, spread / logging_probability**3, lacking]))

    def together(self, residual: np.ndarray, group: np.ndarray | None) -> "Support":
        """Support where outcomes of a group go together, and their sum varies more than that of as many users alone.

        By how much, one number says: the ratio of groups' squared sums of residuals to users' squares, of all actions.

        Parameters
        ----------
        residual
            (n, K) outcome scores less predictions.
        group
            (n,) numbers from 0 of the groups users belong to; None changes nothing.
        """
        if group is None or not residual.any():
            return self
        sums = np.stack([np.bincount(group, of) for of in residual.T])
        effect = max(float((sums**2).sum() / (residual**2).sum()), 1.0)
        noise, fourth, lacking = self.moments
        return Support(np.stack([noise * effect, fourth * effect**2, lacking]))

    def waived(self, codes: Collection[str]) -> "Support":
        """Support that no interval fails for where TP301 or TP304 was accepted."""
        noise, fourth, lacking = self.moments
        kept = fourth * ("TP304" not in codes), lacking * ("TP301" not in codes)
        return Support(np.stack([noise, *kept]))

    def scaled(self, slope: np.ndarray) -> "Support":
        """Support of the scores times a slope, (K,) or (n, K)."""
        noise, fourth, lacking = self.moments
        return Support(np.stack([noise * slope**2, fourth * slope**4, lacking]))

    def __add__(self, other: "Support") -> "Support":
        (noise, fourth, lacking), (more, higher, too) = self.moments, other.moments
        return Support(np.stack([noise + more, fourth + higher, np.maximum(lacking, too)]))

    def summed(self, group: np.ndarray, groups: int) -> "Support":
        """Sums over the users of each group; (n,) numbers from 0."""
        return Support(
            np.stack([[np.bincount(group, column, groups) for column in of.T] for of in self.moments]).swapaxes(1, 2)
        )

    def behind(self, weight: np.ndarray, count: np.ndarray | float = 1.0, apart: float = 1.0) -> Basis:
        """What each user, or cell of `count` users, gives to a figure that counts score k `weight[…, k]` times.

        Parameters
        ----------
        weight
            (…, n, K); the figure's contributions are weight · scores.
        apart
            As of `Basis`.

        Returns
        -------
        Basis of (…, n) arrays, to be summed (`Basis.total`).
        """
        noise, fourth, lacking = self.moments
        square = weight**2

        def total(of: np.ndarray, by: np.ndarray) -> np.ndarray:  # of a short last axis several times as fast as sum
            return np.asarray(np.einsum("...k,...k->...", of, by))

        counted = np.asarray((np.einsum("...k->...", square) > 0) * count)
        return Basis(total(square, noise), total(square**2, fourth), counted, total(square > 0, lacking), apart)
