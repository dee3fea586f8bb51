"""Book is kept of promises: over all promoted versions the uplift that was promised, beside what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from tippingpoint.core.errors import InputError
from tippingpoint.experiment.promise import promised
from tippingpoint.offpolicy.statistics import Estimate, normal, pointwise
from tippingpoint.tracking.journal import moves
from tippingpoint.tracking.promotion import version_of
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.stored import stored_run

PLAIN = 0.025
"""One-sided level of a plain 95 % interval, as that of a first look."""
MEASURED = "measured_uplift_per_1000"
"""Tags of a version that `measure` leaves: the uplift in outcomes per 1,000 users, with the ends of its interval."""


@dataclass(frozen=True)
class KeptPromise:
    """One version: what was promised of it and what came, in outcomes per 1,000 users over everyone getting none.

    Parameters
    ----------
    promised
        On test users, of a policy that was chosen on others; with a plain 95 % interval.
    level
        One-sided level of the look at these test users by which it was promoted.
    """

    version: str
    kind: str
    promised: Estimate
    realised: Estimate
    until: str
    level: float = PLAIN

    @property
    def at_its_look(self) -> Estimate:
        """The promise with an interval as wide as its look had to be sure.

        The gate judges on the test users that the promise comes from, so that of several versions looked at there the
        one that passes is flattered. The levels of all looks there may be sum to the gate's alpha: so low ends of all
        of them hold at once, that of the one that passed too.
        """
        error = _error(self.promised)
        if error is None:
            return self.promised
        half = float(norm.isf(min(self.level, PLAIN))) * error
        return Estimate(self.promised.value, error, self.promised.value - half, self.promised.value + half)

    @property
    def held(self) -> bool:
        """Whether the measured interval reaches up to the promised one."""
        of = self.at_its_look
        least = of.value if of.low is None else of.low
        most = self.realised.value if self.realised.high is None else self.realised.high
        return most >= least


@dataclass(frozen=True)
class PromiseBook:
    """All promises of a registered model's promoted versions that have been measured.

    The promise is the uplift on test users of a policy chosen on others, so that choosing it does not flatter it; being
    promoted on these users does, and the interval makes room for that.
    """

    promises: Sequence[KeptPromise]

    @property
    def shortfall(self) -> Estimate | None:
        """Mean of promised less realised, by errors of both; None without any promise, no interval without theirs."""
        if not self.promises:
            return None
        mean = float(np.mean([of.promised.value - of.realised.value for of in self.promises]))
        errors = [_error(end) for of in self.promises for end in (of.promised, of.realised)]
        if any(error is None for error in errors):
            return Estimate(mean)
        return normal(mean, float(np.sqrt(sum(error**2 for error in errors if error is not None))) / len(self.promises))

    @property
    def share(self) -> float | None:
        """What was realised of all that was promised; None where nothing above 0 was."""
        total = sum(of.promised.value for of in self.promises)
        return sum(of.realised.value for of in self.promises) / total if total > 0 else None

    def __str__(self) -> str:
        """One line; empty where nothing was measured."""
        if not self.promises or (short := self.shortfall) is None:
            return ""
        held, count = sum(of.held for of in self.promises), len(self.promises)
        said = f"Of {count} promise{'s'[: count > 1]} {held} held"
        said += f"; realised {self.share:.2f} of promised" if self.share is not None else ""
        more = short.turned
        ends = "" if more.low is None else f" [{more.low:+.1f}, {more.high:+.1f}]"
        return f"{said}; realised less promised {more.value:+.1f}{ends} per 1,000 users on average."

    def table(self) -> pd.DataFrame:
        """One row a version."""
        rows = [
            {
                "version": of.version,
                "evidence": of.kind,
                "promised": of.promised.value,
                "promised_low": of.at_its_look.low,
                "promised_high": of.at_its_look.high,
                "realised": of.realised.value,
                "realised_low": of.realised.low,
                "realised_high": of.realised.high,
                "until": of.until,
                "held": of.held,
            }
            for of in self.promises
        ]
        columns = ["version", "evidence", "promised", "promised_low", "promised_high", "realised", "realised_low"]
        return pd.DataFrame(rows, columns=[*columns, "realised_high", "until", "held"])

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        short = self.shortfall
        return {
            "promises": self.table().to_dict("records"),
            "held": sum(of.held for of in self.promises),
            "realised_of_promised": self.share,
            "shortfall_per_1000": None if short is None else [short.value, short.low, short.high],
        }


def _error(of: Estimate) -> float | None:
    """The standard error that an interval stands for."""
    return None if of.low is None or of.high is None else (of.high - of.low) / 2 / pointwise()


def promise_book(client: Client, name: str) -> PromiseBook:
    """The promises of a registered model's versions that were promoted, and were measured; in that order.

    Raises
    ------
    OutsideError
        When the store cannot be read.
    """
    found = []
    promotions = [entry for entry in moves(client, name).counting if entry.kind == "promote"]
    first = {entry.version: entry for entry in reversed(promotions)}
    for number in dict.fromkeys(entry.version for entry in promotions):  # also those that were rolled back
        try:
            version = version_of(client, name, number)
        except InputError:  # deleted by now
            continue
        ends = [version.tags.get(f"{MEASURED}{end}") for end in ("", "_low", "_high")]
        if ends[0] is None or version.run_id is None:
            continue
        promise = promised(stored_run(client, version.run_id))
        if promise.per_1000 is None:
            continue
        value, low, high = (None if end is None else float(end) for end in ends)
        realised = Estimate(value or 0.0, None, low, high)
        sure = float(first[number].judgement.get("alpha", PLAIN))
        until = version.tags.get("measured_until", "")
        found.append(KeptPromise(f"models:/{name}/{number}", promise.kind, promise.per_1000, realised, until, sure))
    return PromiseBook(tuple(found))
