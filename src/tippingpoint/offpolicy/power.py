"""What an experiment will tell: power and smallest effects, known before any outcome is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from tippingpoint.offpolicy.confidence_sequence import LEAST_SEEN, boundary
from tippingpoint.offpolicy.statistics import max_t, pointwise
from tippingpoint.offpolicy.support import LEAST_EXPECTED

POWER = 0.8
PATHS = 4_000
"""Random walks by which the power of many looks is told."""


@dataclass(frozen=True)
class Stratum:
    """Users of one kind, who get an action or the reference by lot.

    Parameters
    ----------
    share
        Of all users.
    mean
        What comes of them under the reference: a rate, or the mean of a number.
    chance, chance_reference
        Of the action and of the reference.
    deviation
        Standard deviation of a number; None of a yes or no, whose rate says it.
    cost
        Money the action costs more than the reference, whatever comes of the user.
    slope, slope_reference
        Money a unit of the outcome is worth under either.
    """

    share: float
    mean: float
    chance: float
    chance_reference: float
    deviation: float | None = None
    cost: float = 0.0
    slope: float = 1.0
    slope_reference: float = 1.0

    def variance(self, effect: float) -> tuple[float, float]:
        """Of the outcome under the action, which adds `effect`, and under the reference."""
        if self.deviation is not None:
            return self.deviation**2, self.deviation**2
        after = min(max(self.mean + effect, 0.0), 1.0)
        return after * (1 - after), self.mean * (1 - self.mean)

    def gain(self, effect: float) -> float:
        """What the action brings a user more than the reference."""
        return self.slope * (self.mean + effect) - self.slope_reference * self.mean - self.cost


@dataclass(frozen=True)
class Design:
    """An experiment as it would be, user by user.

    Parameters
    ----------
    strata
        Users who may be treated differently; all others bring nothing.
    centred
        Whether each arm's own mean is taken from its outcomes, as in a difference of means; else a score's prediction
        is, as where decisions are measured, and the effect itself adds to the noise.
    inflation
        How much more the variance is than that of users who stand alone and are adjusted by nothing: the design effect
        of groups, times one less the share that an adjustment saves.
    critical
        |t| from which on an effect is told; None: of one interval at 95 %.
    apart
        Groups a user.
    """

    strata: tuple[Stratum, ...]
    centred: bool = False
    inflation: float = 1.0
    critical: float | None = None
    apart: float = 1.0

    @property
    def z(self) -> float:
        """|t| from which on an effect is told."""
        return pointwise() if self.critical is None else self.critical

    @property
    def largest(self) -> float:
        """The largest effect there can be."""
        if all(of.deviation is not None for of in self.strata):
            return 100 * max(of.deviation or 0.0 for of in self.strata)
        return min(1 - of.mean for of in self.strata)

    def moments(self, effect: float) -> tuple[float, float]:
        """Mean gain per user of all, and the variance of one user's contribution, where the action adds `effect`."""
        mean = second = 0.0
        for of in self.strata:
            gain, (after, before) = of.gain(effect), of.variance(effect)
            own = 0.0 if self.centred else effect**2 * (1 / of.chance - 1)
            noise = of.slope**2 * (after / of.chance + own) + of.slope_reference**2 * before / of.chance_reference
            mean += of.share * gain
            second += of.share * (noise * self.inflation + gain**2)
        if self.centred:  # means of arms: what users gain alike does not vary
            second -= sum(of.share * of.gain(effect) ** 2 for of in self.strata)
            return mean, second
        return mean, second - mean**2

    def error(self, effect: float, users: float) -> float:
        """Standard error of the mean gain of so many users."""
        return float(np.sqrt(self.moments(effect)[1] / users))

    def expected(self, users: float) -> float:
        """Effective number of expected outcomes a difference of means rests on (TP304); infinite of a number."""
        if any(of.deviation is not None for of in self.strata):
            return float("inf")
        spread = [(of, of.share * of.mean * (1 - of.mean)) for of in self.strata]
        noise = sum(own * (1 / of.chance + 1 / of.chance_reference) for of, own in spread)
        fourth = sum(own * (1 / of.chance**3 + 1 / of.chance_reference**3) for of, own in spread)
        return float(self.apart * users * noise**2 / fourth) if fourth else float("inf")

    def told(self, users: float) -> bool:
        """Whether there would be an interval at all."""
        if self.centred:
            return self.expected(users) >= LEAST_EXPECTED
        return users >= self.first

    @property
    def first(self) -> float:
        """Users by whom each outcome is expected `LEAST_SEEN` times of those left alone, and of those acted on."""
        if any(of.deviation is not None for of in self.strata):
            return 2.0
        each = [
            (of.share * chance * of.mean, of.share * chance * (1 - of.mean), k)
            for of in self.strata
            for k, chance in enumerate((of.chance, of.chance_reference))
        ]
        rarest = min(sum(row[came] for row in each if row[2] == k) for k in (0, 1) for came in (0, 1))
        return max(LEAST_SEEN / rarest, 2.0) if rarest > 0 else float("inf")

    def power(self, effect: float, users: float) -> float:
        """Chance that the interval of one planned look lies above 0.

        It does where the gain that is seen is above the least that is told. At that the noise is what it is there, not
        what it is at the true effect: of rare outcomes the interval is narrower then, and power larger.
        """
        return self._power(effect, users) if self.told(users) else 0.0

    def _power(self, effect: float, users: float) -> float:
        if (least := self._effect(self.z / np.sqrt(users))) is None:
            return 0.0
        mean, variance = self.moments(effect)
        return float(norm.sf((self.moments(least)[0] - mean) / np.sqrt(variance / users)))

    def smallest(self, users: float, power: float = POWER) -> float | None:
        """The smallest effect told so surely at one planned look; None where none is."""
        if not self.told(users):
            return None
        least = self._effect(self.z / np.sqrt(users))
        return None if least is None else self._effect(float(norm.ppf(power)) / np.sqrt(users), self.moments(least)[0])

    def needed(self, effect: float, power: float = POWER) -> int | None:
        """Users on whom an effect is told so surely at one planned look; None where it brings nothing."""
        mean, variance = self.moments(effect)
        if mean <= 0:
            return None
        near = (self.z + norm.ppf(power)) ** 2 * variance / mean**2
        users = brentq(lambda n: self._power(effect, n) - power, near / 10, near * 10)
        least = users * LEAST_EXPECTED / self.expected(users) if self.centred else self.first
        return int(np.ceil(max(users, least)))

    def smallest_of_many(
        self, looks: Sequence[float], rng: np.random.Generator, power: float = POWER
    ) -> list[float | None]:
        """The smallest effect told so surely by each of many looks, of intervals that hold at all of them at once.

        A walk with drift r per standard deviation crosses by look t once r exceeds the least of (boundary - walk) so
        far: so the effect is that whose drift is the quantile of that over walks.

        Parameters
        ----------
        looks
            Users seen by each, rising.
        """
        seen = np.asarray(looks, dtype=np.float64)
        there = seen >= self.first
        found: list[float | None] = [None] * len(seen)
        if not there.any():
            return found
        first = int(there.argmax())
        at = seen[first:]
        steps = np.diff(np.append(0.0, at))
        walks = np.cumsum(rng.standard_normal((PATHS, len(at))) * np.sqrt(steps), axis=1) / at
        crossed = np.minimum.accumulate(boundary(at, int(at[0])) - walks, axis=1)
        for k, drift in enumerate(np.quantile(crossed, power, axis=0)):
            found[first + k] = self._effect(float(drift))
        return found

    def _effect(self, deviations: float, beyond: float = 0.0) -> float | None:
        """The effect whose mean gain lies so many standard deviations of a user's contribution beyond another gain."""

        def short(effect: float) -> float:
            mean, variance = self.moments(effect)
            return float(mean - beyond - deviations * np.sqrt(variance))

        most = self.largest
        if most <= 0 or short(most) < 0:
            return None
        return float(brentq(short, 0.0, most)) if short(0.0) < 0 else 0.0


def held_out(share: float, actions: int, only_none: bool) -> tuple[float, float]:
    """Chance of a user's action and of none, where a share is drawn from all actions, or left alone."""
    if only_none:
        return 1 - share, share
    return 1 - share + share / actions, share / actions


def arms_design(
    chances: Sequence[float],
    mean: float,
    deviation: float | None,
    inflation: float,
    rng: np.random.Generator,
    apart: float = 1.0,
) -> list[Design]:
    """Each arm against the first, all pairs held at once as `measure` holds them."""
    pairs = np.array([[i, j] for i in range(len(chances)) for j in range(i + 1, len(chances))])
    critical = None
    if len(pairs) > 1:
        variance = 1 / np.asarray(chances)
        critical = max_t(np.diag(variance), pairs, np.sqrt(variance[pairs].sum(axis=1)), rng)
    control = chances[0]
    return [
        Design((Stratum(1.0, mean, chance, control, deviation),), True, inflation, critical, apart)
        for chance in chances[1:]
    ]


def priced(design: Design, cost: float, slope: float, slope_reference: float) -> Design:
    """The same design in money."""
    strata = tuple(replace(of, cost=cost, slope=slope, slope_reference=slope_reference) for of in design.strata)
    return replace(design, strata=strata)
