"""Families fitted again, on the other folds of each fold and on further splits: in processes, and never twice."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Protocol

from joblib import Parallel, delayed  # type: ignore[import-untyped]  # it ships no types

from tippingpoint.data.splits import Parts
from tippingpoint.experiment.fitting import Decided, decide
from tippingpoint.experiment.spec import ExperimentSpec

SidesByName = Mapping[str, Callable[[], Parts]]
"""Sides under the name of the fold or split they belong to, cut when they are asked for."""


class Kept(Protocol):
    """Where refits are kept, so that a job that was cut short goes on with what it had."""

    def get(self, name: str) -> Decided | None:
        """Return the refit of this name, if it is there."""
        ...

    def put(self, name: str, decided: Decided) -> None:
        """Keep a refit under a name."""
        ...


@dataclass(frozen=True)
class Memory:
    """Keeps nothing: a comparison that is filed nowhere."""

    def get(self, name: str) -> Decided | None:
        """Return nothing."""
        return None

    def put(self, name: str, decided: Decided) -> None:
        """Keep nothing."""


def refit(
    question: ExperimentSpec, sides: SidesByName, kept: Kept, workers: int, step: Callable[[str], None]
) -> dict[str, dict[str, Decided]]:
    """Fit each family on each of the sides and let the policy decide for the users who are test there.

    Returns
    -------
    dict of dict
        By family, then by the name of the sides.
    """
    found: dict[str, dict[str, Decided]] = {family: {} for family in question.families}
    missing: list[tuple[str, str]] = []
    for name in sides:
        for family in question.families:
            if (there := kept.get(f"{name} {family}")) is not None:
                found[family][name] = there
                step(f"{family}, {name}: kept from before")
            else:
                missing.append((name, family))

    def units() -> Iterator[Callable[[], Decided]]:
        for name, of in groupby(missing, key=itemgetter(0)):
            parts = sides[name]()
            on_sides = replace(question, parts=parts, users=parts.test, source=None)  # its effect learners share parts
            yield from (delayed(decide)(on_sides, family) for _, family in of)

    done = Parallel(n_jobs=workers, return_as="generator", pre_dispatch="n_jobs")(units())
    for (name, family), decided in zip(missing, done, strict=True):
        step(f"{family}, {name}: fitted")
        kept.put(f"{name} {family}", decided)
        found[family][name] = decided
    return found
