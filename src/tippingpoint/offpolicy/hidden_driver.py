"""How far a driver of the logged action that is in no feature could move a figure."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from tippingpoint.offpolicy.statistics import pointwise, squares, standard_error, units

FACTORS = np.array([1, 1.05, 1.1, 1.2, 1.3, 1.4, 1.5, 1.75, 2, 2.5, 3, 4, 5, 7, 10])
"""Λ at which bounds are computed: by so much a hidden driver multiplies or divides the odds of getting an action."""
FLIPS_FROM = "sign_open_from_odds_times"
"""Column: by how much a hidden driver must change the odds of the action for the sign of an uplift to be open."""
OFTEN = 0.5
"""Chance of the outcome from which on those without it, not those with it, are the few that a driver could add."""


@dataclass(frozen=True)
class HiddenDriver:
    """By user and action, what a hidden driver could move an outcome score by.

    Marginal sensitivity model (Tan 2006; Zhao, Small & Bhattacharya 2019): the odds of getting an action differ from
    those estimated at most by a factor Λ, up or down, so that the weight of who got it lies between 1 + (1/e - 1)/Λ
    and 1 + (1/e - 1)·Λ, and weights average to 1/e. For an outcome of 0 or 1 with chance p among those who got the
    action, its chance among those who did not is then at most Λp and at most 1 - (1 - p)/Λ, and likewise downward
    (Dorn & Guo 2023). The smaller bound counts below p = 1/(1 + Λ); here the first below `OFTEN`, the second from it
    on, for every Λ. Either bound is right for any p, so that the pair is valid always, the sharpest where p lies
    outside 1/(1 + Λ) to Λ/(1 + Λ), and two columns tell all Λ. As doubly robust scores (Dorn, Guo & Kallus 2025) a
    score moves up by (Λ - 1)·seldom + (1 - 1/Λ)·often, and down by (1 - 1/Λ)·seldom + (Λ - 1)·often.

    Parameters
    ----------
    seldom, often
        (n, K) outcomes that those without the action have, and that they lack, as far as p̂ < `OFTEN` and p̂ >= `OFTEN`.
    """

    seldom: np.ndarray
    often: np.ndarray

    @classmethod
    def of(
        cls, outcome: np.ndarray, action: np.ndarray, logging_probability: np.ndarray, predicted: np.ndarray
    ) -> Self:
        """From the arrays that `evidence.doubly_robust` takes."""
        rows = np.arange(len(action))
        have, without = predicted.astype(np.float64, copy=True), np.ones(predicted.shape)
        odds = 1 / logging_probability[rows, action] - 1
        have[rows, action] = odds * (outcome - predicted[rows, action])
        without[rows, action] = 0
        often = predicted >= OFTEN
        return cls(np.where(often, 0, have), np.where(often, without - have, 0))

    def among(self, codes: list[int]) -> Self:
        """The same under some of the actions."""
        return type(self)(self.seldom[:, codes], self.often[:, codes])

    def scaled(self, slope: np.ndarray) -> Self:
        """In money, (K,) or (n, K) an outcome; where an outcome costs, up is down."""
        up, down = np.maximum(slope, 0), np.maximum(-slope, 0)
        return type(self)(up * self.seldom + down * self.often, up * self.often + down * self.seldom)

    def behind(self, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Two (n,) columns that say for a figure, which counts score k `weight[i, k]` times, what they say of a score.

        Parameters
        ----------
        weight
            (n, K).
        """
        of = self.scaled(weight)
        return of.seldom.sum(axis=1), of.often.sum(axis=1)


@dataclass(frozen=True)
class Bounds:
    """A figure at each Λ of `FACTORS`, along the first axis.

    Parameters
    ----------
    low, high
        What it could be.
    low_end, high_end
        Ends of 95 % intervals of these (Dorn, Guo & Kallus 2025).
    """

    low: np.ndarray
    high: np.ndarray
    low_end: np.ndarray
    high_end: np.ndarray

    @classmethod
    def of(cls, mean: np.ndarray, square: np.ndarray, noise: np.ndarray | float, n: int, independent: int) -> Self:
        """From sums over n users of which so many, or their groups, are `independent`.

        Parameters
        ----------
        mean, square
            (3, …) means, and (3, 3, …) sums of products of what is left of them, of the figure's contributions and of
            the two columns behind it.
        noise
            What `square` is at least for the figure (`statistics.estimate`).
        """
        factors = FACTORS.reshape(-1, *[1] * (mean.ndim - 1))
        more, fewer, one = factors - 1, 1 - 1 / factors, np.ones_like(factors)
        ends = []
        for sign, by in ((-1, (one, -fewer, -more)), (1, (one, more, fewer))):
            value = sum(by[k] * mean[k] for k in range(3))
            of = sum(by[k] * by[j] * square[k, j] for k in range(3) for j in range(3))
            error = standard_error(np.maximum(of, noise), n, independent)
            ends += [np.asarray(value), np.asarray(value + sign * pointwise() * error)]
        return cls(ends[0], ends[2], ends[1], ends[3])

    @classmethod
    def of_users(cls, columns: np.ndarray, noise: float, group: np.ndarray | None) -> Self:
        """From (3, n) contributions and columns; (n,) numbers of groups where users are in some."""
        mean = columns.mean(axis=1)
        about = columns - mean[:, None]
        square = np.array([[_product(a, b, group) for a in about] for b in about])
        n = columns.shape[1]
        return cls.of(mean, square, noise, n, units(n, group))

    def rows(self, name: str) -> list[dict[str, float]]:
        """One a factor, of a single figure: its bounds and their ends, in columns that begin with its name."""
        ends = {"could_be_low": self.low, "could_be_high": self.high, "low": self.low_end, "high": self.high_end}
        return [
            {"odds_times": float(factor)} | {f"{name}_{end}": float(of[k]) for end, of in ends.items()}
            for k, factor in enumerate(FACTORS)
        ]

    def steps(self, prefix: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Curves as metric steps, of a single figure: a step is a hundredth of the factor of the odds."""
        at = np.rint(FACTORS * 100).astype(np.int64)
        return {
            f"{prefix}/with_hidden_driver_{end}": (at, of) for end, of in {"low": self.low, "high": self.high}.items()
        }

    @property
    def flips_from(self) -> np.ndarray:
        """(…) Λ from which on the interval of what it could be holds 0; the largest of `FACTORS` where none does.

        1 says that the sign is open without any hidden driver.
        """
        clear = np.maximum(self.low_end, -self.high_end)
        open_ = clear <= 0
        at = np.where(open_.any(axis=0), open_.argmax(axis=0), len(FACTORS))[None]
        before, after = np.clip(at - 1, 0, len(FACTORS) - 1), np.minimum(at, len(FACTORS) - 1)
        left, right = (np.take_along_axis(clear, of, axis=0)[0] for of in (before, after))
        share = np.divide(left, left - right, out=np.zeros_like(left), where=left > right)
        start, end = FACTORS[before[0]], FACTORS[after[0]]
        return np.asarray(np.where(at[0] == 0, 1.0, start + share * (end - start)))


def _product(first: np.ndarray, second: np.ndarray, group: np.ndarray | None) -> float:
    """Sum of products over users, or over groups of them."""
    return (squares(first + second, group) - squares(first - second, group)) / 4
