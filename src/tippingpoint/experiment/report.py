"""What every verb says of the users it worked on, and the card of one model."""

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from tippingpoint.config.settings import Split
from tippingpoint.core.run_reference import Provenance
from tippingpoint.core.strict import validate
from tippingpoint.data.outcome import words
from tippingpoint.data.users import unseen
from tippingpoint.experiment.candidate import Candidate
from tippingpoint.experiment.decision import Decision
from tippingpoint.experiment.findings import all_of
from tippingpoint.experiment.score_effects import heterogeneity_in_words, shown
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.offpolicy.hidden_driver import FACTORS
from tippingpoint.offpolicy.value import PolicyValue
from tippingpoint.reports.estimates import hidden_driver_in_words, open_in_words
from tippingpoint.reports.markdown import render

NAMED = 6
"""Columns a card names of those no model sees."""


def about(question: ExperimentSpec) -> list[Text]:
    """Whose users a job worked on, and what their validation found."""
    users, contract, parts = question.users, question.users.contract, question.parts
    numbers, categories = len(contract.names("number")), len(contract.names("category"))
    sides = f"train {len(parts.train):,}, validation {len(parts.validation):,}, test {len(parts.test):,}"
    if left := len(users) - len(parts.train) - len(parts.validation) - len(parts.test):
        sides += f" of later; {left:,} in between are left out"
    lines = [
        f"{question.origin}: {len(users):,} users ({sides}), {contract.outcome} = {words(contract.positive)}"
        f" {users.outcome.mean():.1%}{'' if contract.good else ' (not wanted)'};"
        f" id {contract.user_id or 'by row number'}; {_count(numbers, 'number')},"
        f" {_count(categories, 'category', 'categories')}"
    ]
    lines += [f"{users.intake}."] if users.intake else []
    lines += [f"Log: {contract.log}."] if contract.log else []
    lines += [f"Numbers read from text: {contract.reading}."] if contract.reading else []
    lines += [f"Times: {contract.days}."] if contract.days else []
    if contract.dropped:
        lines.append("Not seen by models: " + ", ".join(unseen(contract.dropped)))
    lines += [f"Assumed, not measured: {question.assumption}."] if question.assumption else []
    lines.append(f"Prices ({question.economics.name}): {question.economics.in_words}.")
    return [Text(line) for line in lines]


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n} {one if n == 1 else many or one + 's'}"


def uplift_heads(question: ExperimentSpec) -> list[str]:
    """Two column heads: uplift in outcomes and in money, with the evidence behind them."""
    kind = question.evidence.label
    outcome = question.users.contract.outcome
    return [f"{outcome}\nper 1,000\n({kind})", f"{question.economics.currency}\nper user\n({kind})"]


def beyond_the_log(values: Mapping[str, PolicyValue], models: int = 1) -> list[str]:
    """What a hidden driver could do to each uplift, in full of the first; and whom something can be said of without
    overlap.

    Parameters
    ----------
    models
        How many of the first are of a model; of the others what overlap leaves stands in JSON only.
    """
    most, first = float(FACTORS[-1]), next(iter(values))
    open_from = {name: float(of.bounds.flips_from) for name, of in values.items() if of.bounds is not None}
    lines = []
    if first in open_from:
        lines.append(hidden_driver_in_words(open_from[first], f"the uplift of {first}", most))
    if others := [f"{name} {open_in_words(of, most)}" for name, of in open_from.items() if name != first]:
        lines.append(f"Signs of the others are open with such a driver: {', '.join(others)}.")
    return lines + [f"{name}: {of.common}" for name, of in [*values.items()][:models] if of.common is not None]


def card(
    candidate: Candidate, question: ExperimentSpec, provenance: Provenance, model_uri: str, decision: Decision
) -> str:
    """One model: the decision, what it is, on which users, how good, the value of its policy, how to load it."""
    limits = [*map(str, all_of(question, candidate)), *_always(question)]
    of: dict[str, Any] = {"candidate": candidate, "question": question, "provenance": provenance, "decision": decision}
    of["along"] = heterogeneity_in_words(candidate.heterogeneity, candidate.family, question.wanted)
    of["groups"] = shown(candidate.score_groups, question.wanted)
    of["beyond"] = beyond_the_log({candidate.family: candidate.value})
    return render("model.md.j2", **of, limits=limits, model_uri=model_uri)


def _always(question: ExperimentSpec) -> list[str]:
    """What holds without any measurement."""
    told, contract = [], question.users.contract
    if contract.dropped:
        shown = unseen(contract.dropped)
        told.append(f"Not seen by the model: {', '.join(shown[:NAMED])}{'…' * (len(shown) > NAMED)}.")
    if days := contract.days:
        told.append(f"Times are read as numbers: {days}; `tippingpoint score` counts them, MLflow alone does not.")
    if (shares := validate(Split, question.config["split"], "split")).by == "time":
        of = f"Test users are those of {shares.test_from} and later; the same users may have been seen before."
        return [*told, of]
    return [*told, "Test users are a part of the same table: nothing here speaks of a later time or of other users."]
