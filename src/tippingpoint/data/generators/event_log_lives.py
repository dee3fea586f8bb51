"""How the people of the event log live: when intent shows, when they subscribe and leave, what they do.

Everything is drawn for a block of profiles at once. Time is in days since sign-up (free) or since the
subscription began (paid). Each part of life has its own random stream, so that what happens before the
cut-off is the same whatever is done at it.
"""

from dataclasses import dataclass, fields

import numpy as np
from scipy.special import expit

DAYS = 60
"""A profile is followed so long from sign-up, and a subscriber so long from the start of the subscription."""
DAY = 86_400
"""Seconds."""
PLATFORMS = ("mobile", "smart_tv", "tablet", "web")
COUNTRIES = ("BR", "DE", "FR", "IN", "US")
KINDS = ("Sign In", "Playback", "Search", "Download", "Pricing Page", "Limit Notification", "Account Page")
"""What can happen in a session; the first happens once in each."""


@dataclass(frozen=True)
class Profiles:
    """Who n profiles are: what shows (platform, country) and what only simulation knows."""

    platform: np.ndarray
    country: np.ndarray
    engagement: np.ndarray
    intent: np.ndarray
    limits: np.ndarray
    """How soon one meets the limits of the free plan."""
    discontent: np.ndarray
    intent_from: np.ndarray
    discontent_from: np.ndarray
    """Day on which it begins to show, in what is done and in what comes of it."""
    noise: np.ndarray
    index: np.ndarray
    """Log-odds of subscribing that the above speak for, once intent shows."""
    grievance: np.ndarray
    """Log-odds of leaving, likewise."""

    def take(self, rows: np.ndarray) -> "Profiles":
        """The profiles at `rows`."""
        return Profiles(*(getattr(self, f.name)[rows] for f in fields(self)))

    @classmethod
    def draw(cls, rng: np.random.Generator, n: int, early: float) -> "Profiles":
        """Draw n profiles; a share `early` shows its intent within the first days, the others weeks later."""
        engagement, intent, limits, other, noise = rng.normal(size=(5, n))
        platform = rng.choice(len(PLATFORMS), n, p=[0.45, 0.2, 0.1, 0.25])
        country = rng.choice(len(COUNTRIES), n, p=[0.15, 0.2, 0.15, 0.2, 0.3])
        intent_from, discontent_from = np.where(
            rng.random((2, n)) < early, rng.exponential(1.0, (2, n)) - 0.5, 4 + rng.exponential(10.0, (2, n))
        )
        discontent = 0.9 * other - 0.4 * engagement
        taste = np.array([-0.2, 0.4, 0.0, 0.0])[platform] + np.array([-0.2, 0.2, 0.1, -0.4, 0.3])[country]
        index = 1.4 * intent + 0.6 * limits + 0.5 * engagement + taste
        return cls(
            platform, country, engagement, intent, limits, discontent, intent_from, discontent_from,
            0.3 * noise, index, 1.5 * discontent - 0.3 * taste,
        )  # fmt: skip


@dataclass(frozen=True)
class Fate:
    """When what is predicted happens to each of n profiles, and how likely it was.

    Parameters
    ----------
    day
        (n,) day on which it happens; `DAYS` where it does not.
    at_risk
        (n,) whether it had not happened yet at the cut-off.
    truth
        (n, K) P(it happens between cut-off and horizon | action, not before), given the whole profile.
    """

    day: np.ndarray
    at_risk: np.ndarray
    truth: np.ndarray

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        log_odds: np.ndarray,
        push: np.ndarray,
        action: np.ndarray,
        window: int,
        horizon: int,
    ) -> "Fate":
        """Draw the day from daily log-odds; from the cut-off to the horizon an action pushes them.

        Parameters
        ----------
        log_odds
            (n, DAYS) of its happening on a day, if not before.
        push
            (n, K) log-odds each action adds to the days of the horizon; 0 for none.
        action
            (n,) what is done at the cut-off to those still at risk.
        window, horizon
            Days before and after the cut-off.
        """
        # It happens on the first day on which the summed hazard -log(1 - p) exceeds an Exp(1) draw: so the
        # chance of its happening in the horizon, if not before, is 1 - exp(-hazard summed over the horizon).
        patience = rng.exponential(size=len(log_odds))
        hazard = -np.log1p(-expit(log_odds))
        days = slice(window, window + horizon)
        truth = np.empty(push.shape)
        for k in range(push.shape[1]):
            pushed = -np.log1p(-expit(log_odds[:, days] + push[:, k : k + 1]))
            truth[:, k] = -np.expm1(-pushed.sum(axis=1))
            taken = action == k
            hazard[taken, days] = pushed[taken]
        total = np.cumsum(hazard, axis=1)
        day = (total < patience[:, None]).sum(axis=1)
        return cls(day, day >= window, truth)


def free_log_odds(who: Profiles, base: np.ndarray) -> np.ndarray:
    """(n, DAYS) daily log-odds of subscribing: intent and the rest count from the day intent shows."""
    shows = np.arange(DAYS) >= who.intent_from[:, None]
    total: np.ndarray = (base + who.noise)[:, None] + shows * who.index[:, None] - 0.3 * ~shows
    return total


@dataclass(frozen=True)
class Trouble:
    """What goes wrong for n subscribers, and the day on which; DAYS where it does not."""

    first_fails: np.ndarray
    renewal_fails: np.ndarray
    """Whether the payment of that month fails at first."""
    retried: np.ndarray
    """Day on which a first payment that failed goes through after all."""
    owing: np.ndarray
    """Day from which they owe a payment."""
    paused: np.ndarray
    refunded: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, who: Profiles) -> "Trouble":
        """Draw it; the discontented pause and ask for their money more often."""
        n = len(who.noise)
        first, renewal, again, pause, refund = rng.random((5, n))
        bitter = np.exp(0.5 * who.discontent)
        first_fails, renewal_fails = first < 0.07, renewal < 0.06
        retried = np.where(again < 0.75, 1 + 2 * again, DAYS)
        return cls(
            first_fails,
            renewal_fails,
            retried,
            np.where(first_fails & (retried == DAYS), 0.0, np.where(renewal_fails, 30.0, DAYS)),
            np.where(pause < 0.05 * bitter, rng.uniform(1, 40, n), DAYS),
            np.where(refund < 0.03 * bitter, rng.uniform(1, 20, n), DAYS),
        )


def paid_log_odds(who: Profiles, base: np.ndarray, trouble: Trouble) -> np.ndarray:
    """(n, DAYS) daily log-odds of leaving: discontent once it shows, trouble from its day, the renewal."""
    day = np.arange(DAYS)
    total: np.ndarray = (base + who.noise)[:, None] + (day >= who.discontent_from[:, None]) * who.grievance[:, None]
    for since, weight in ((trouble.owing, 0.9), (trouble.paused, 0.7), (trouble.refunded, 0.8)):
        total += weight * (day >= since[:, None])
    total += 0.8 * ((day >= 28) & (day < 33))
    return total


@dataclass(frozen=True)
class Happenings:
    """m things done: `profile` is a row, `kind` a code into KINDS, `playback` in seconds (-1: none)."""

    profile: np.ndarray
    kind: np.ndarray
    day: np.ndarray
    playback: np.ndarray


def free_sessions(rng: np.random.Generator, who: Profiles, until: np.ndarray, sessions: float) -> Happenings:
    """What free users do, from sign-up to the day `until` (n,): less and less, unless they took to it."""
    counts = 1 + rng.poisson((sessions - 1) * np.exp(0.5 * who.engagement - 0.125))
    row = np.repeat(np.arange(len(counts)), counts)
    scale = 10 * np.exp(0.5 * who.engagement[row])
    day = -scale * np.log1p(-rng.random(len(row)) * -np.expm1(-DAYS / scale))
    day[np.cumsum(counts) - counts] = 0.001  # the first session starts when they have signed up
    shows = (day >= who.intent_from[row]) * who.intent[row]
    active = np.exp(0.3 * who.engagement)[row]
    rates = np.stack(
        [
            1.2 * active,
            np.full(len(row), 0.9),
            0.35 * active,
            np.minimum(np.exp(-2.4 + 1.4 * shows), 3),
            np.minimum(np.exp(-1.7 + 1.1 * who.limits), 3)[row],
            np.full(len(row), 0.05),
        ],
        axis=1,
    )
    return _unfold(rng, row, day, rates, day < until[row])


def paid_sessions(rng: np.random.Generator, who: Profiles, until: np.ndarray, paused: np.ndarray) -> Happenings:
    """What subscribers do, from the start of the subscription to the day `until` (n,)."""
    counts = rng.poisson(22 * np.exp(0.4 * who.engagement))
    row = np.repeat(np.arange(len(counts)), counts)
    day = rng.random(len(row)) * DAYS
    shows = (day >= who.discontent_from[row]) * who.discontent[row]
    stays = rng.random(len(row)) < np.exp(-0.9 * np.maximum(shows, 0) - 1.0 * (day >= paused[row]))
    active = np.exp(0.3 * who.engagement)[row]
    rates = np.stack(
        [
            1.8 * active,
            np.full(len(row), 1.0),
            0.5 * active,
            np.full(len(row), 0.03),
            np.zeros(len(row)),
            np.minimum(np.exp(-2.4 + 1.4 * shows), 3),
        ],
        axis=1,
    )
    return _unfold(rng, row, day, rates, stays & (day < until[row]))


def _unfold(
    rng: np.random.Generator, row: np.ndarray, day: np.ndarray, rates: np.ndarray, keep: np.ndarray
) -> Happenings:
    """From sessions to what was done in them; what is not kept is drawn all the same, so streams stay."""
    counts = np.ones((len(row), len(KINDS)), dtype=np.int64)
    counts[:, 1:] = rng.poisson(rates)
    session, kind = np.divmod(np.repeat(np.arange(counts.size), counts.ravel()), len(KINDS))
    after = np.where(kind == 0, 0.0, rng.integers(1, 1_800, len(kind)) / DAY)  # within half an hour
    playback = np.where(kind == 1, (60 + rng.exponential(1_500, len(kind))).astype(np.int64), -1)
    kept = keep[session]
    return Happenings(row[session][kept], kind[kept], (day[session] + after)[kept], playback[kept])
