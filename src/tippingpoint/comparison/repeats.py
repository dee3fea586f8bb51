"""The same comparison on further splits: how far the split moves a verdict. Never an interval.

The splits share their users, so their spread is neither the error of one nor that of their mean.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.comparison.refits import Kept, refit
from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.settings import Split
from tippingpoint.data.splits import split
from tippingpoint.evaluation import LOWER_IS_BETTER
from tippingpoint.experiment.build import asked_of
from tippingpoint.experiment.candidate import Candidate
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.offpolicy.contest import Contrast
from tippingpoint.offpolicy.value import PolicyValue, contest_of_values


@dataclass(frozen=True)
class Repeats:
    """What further splits said of each family.

    Parameters
    ----------
    rows
        One row a split and family: its metric on `validation`, uplift per user and per 1,000 on test, whether it was
        `chosen` there, whether its uplift was the `largest`, and whether it was `better` than each other, `worse`
        than one, or neither (`inconclusive`).
    splits
        How many further splits there were.
    kind
        Kind of evidence of the uplift.
    """

    rows: pd.DataFrame
    splits: int
    kind: str

    @property
    def uplift(self) -> str:
        """The column of uplift, which names its evidence."""
        return f"uplift_per_user_{self.kind}"

    def table(self) -> pd.DataFrame:
        """One row a family: in how many splits it was chosen, largest, better; and where its uplift lay."""
        rows = []
        for family, of in self.rows.groupby("model", sort=False):
            counts = {f"{name}_in": int(of[name].sum()) for name in ("chosen", "largest")}
            counts |= {f"{verdict}_in": int((of["verdict"] == verdict).sum()) for verdict in VERDICTS}
            uplift = of[self.uplift]
            spread = {"smallest": uplift.min(), "median": uplift.median(), "largest": uplift.max()}
            rows.append({"model": family, **counts} | {f"{self.uplift}_{end}": float(v) for end, v in spread.items()})
        return pd.DataFrame(rows)

    @property
    def steps(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """By name of a metric whose steps are the splits, these and the uplift of a family."""
        of = self.rows.groupby("model", sort=False)
        name = f"repeats/{self.kind}/uplift_per_user"
        return {f"{name}/{family}": (r["split"].to_numpy(), r[self.uplift].to_numpy()) for family, r in of}

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"splits": self.splits, "leaderboard": self.table().to_dict("records")}

    def words(self, family: str, currency: str) -> str:
        """How far the split moves the verdict on one family."""
        table = self.table().to_dict("records")
        of = next(row for row in table if row["model"] == family)
        where = f"{of[f'{self.uplift}_smallest']:+.3f} to {of[f'{self.uplift}_largest']:+.3f} {currency} per user"
        said = f"Over {self.splits} further split{'' if self.splits == 1 else 's'}"
        if len(table) == 1:
            return f"{said} the uplift of {family} is {where}."
        said += f" {family} is chosen on validation in {of['chosen_in']}"
        if (self.rows.groupby("split")[self.uplift].nunique() == 1).all():  # of a policy that reads no score
            return f"{said}; the policy's uplift is {where}."
        said += f" and has the largest uplift of the models in {of['largest_in']} ({where})"
        return f"{said}; whether its uplift is larger or smaller is inconclusive in {of['inconclusive_in']}."


VERDICTS = ("better", "worse", "inconclusive")


def repeats(
    question: ExperimentSpec,
    candidates: Iterable[Candidate],
    settings: CompareSettings,
    kept: Kept,
    step: Callable[[str], None],
) -> Repeats:
    """Compare the families again on `settings.repeats` further splits, each by a salt of its own.

    Raises
    ------
    InputError
        When a part of a split has too few users of an outcome.
    """
    shares = {f"split {number}": _salted(settings.split, number) for number in range(1, settings.repeats + 1)}
    sides = {name: partial(split, question.users, of) for name, of in shares.items()}
    found = refit(question, sides, kept, settings.workers, step)
    families, rows = [candidate.family for candidate in candidates], []
    sign = -1 if question.select_by in LOWER_IS_BETTER else 1
    for number, name in enumerate(sides, 1):
        valued = asked_of(question, sides[name]()).valued
        values = {family: valued.value_of(found[family][name].decision) for family in families}
        rng = np.random.default_rng([question.seed, 15, number])
        told = _told(families, contest_of_values(values, rng) if question.evidence.measured else [])
        validation = {family: found[family][name].validation for family in families}
        rows += _rows(number, values, validation, told, sign, question.evidence.kind)
    return Repeats(pd.DataFrame(rows), settings.repeats, question.evidence.kind)


def _salted(shares: Split, number: int) -> Split:
    return shares.model_copy(update={"salt": f"{shares.salt} {number}"})


def _rows(
    number: int,
    values: dict[str, PolicyValue],
    validation: dict[str, float],
    told: dict[str, str],
    sign: int,
    kind: str,
) -> list[dict[str, Any]]:
    chosen = max(validation, key=lambda family: sign * validation[family])
    largest = max(values.values(), key=lambda of: of.uplift.value).uplift.value
    return [
        {
            "split": number,
            "model": family,
            "validation": validation[family],
            f"uplift_per_user_{kind}": value.uplift.value,
            f"uplift_per_1000_{kind}": value.outcomes_per_1000.value,
            "chosen": family == chosen,
            "largest": value.uplift.value == largest,
            "verdict": told[family],
        }
        for family, value in values.items()
    ]


def _told(families: list[str], contrasts: list[Contrast]) -> dict[str, str]:
    """`better` than each other, `worse` than one of them, or `inconclusive`."""
    opposite = {"better": "worse", "worse": "better", "inconclusive": "inconclusive"}
    told = {}
    for family in families:
        of: list[str] = [v.verdict for v in contrasts if v.first == family]
        of += [opposite[v.verdict] for v in contrasts if v.second == family]
        alone = "worse" if "worse" in of else "inconclusive"
        told[family] = "better" if of and set(of) == {"better"} else alone
    return told
