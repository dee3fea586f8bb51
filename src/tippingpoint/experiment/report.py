"""What every verb says of the users it worked on, and the card of one model."""

from rich.text import Text

from tippingpoint.core.run_reference import Provenance
from tippingpoint.data.outcome import words
from tippingpoint.data.users import unseen
from tippingpoint.experiment.spec import Candidate, ExperimentSpec
from tippingpoint.experiment.warnings import known_limits
from tippingpoint.reports.markdown import render


def about(question: ExperimentSpec) -> list[Text]:
    """Whose users a job worked on, and what their validation found."""
    users, contract, parts = question.users, question.users.contract, question.parts
    numbers, categories = len(contract.names("number")), len(contract.names("category"))
    sides = f"train {len(parts.train):,}, validation {len(parts.validation):,}, test {len(parts.test):,}"
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
    lines += [f"{column!r} {why}." for column, why in contract.remarks.items()]
    if contract.dropped:
        lines.append("Not seen by models: " + ", ".join(unseen(contract.dropped)))
    lines += [f"Assumed, not measured: {question.assumption}."] if question.assumption else []
    return [Text(line) for line in lines]


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n} {one if n == 1 else many or one + 's'}"


def uplift_heads(question: ExperimentSpec) -> list[str]:
    """Two column heads: uplift in outcomes and in money, with the evidence behind them."""
    kind = question.evidence.kind
    outcome = question.users.contract.outcome
    return [f"{outcome}\nper 1,000\n({kind})", f"{question.economics.currency}\nper user\n({kind})"]


def card(candidate: Candidate, question: ExperimentSpec, provenance: Provenance, model_uri: str) -> str:
    """One model: what it is, on which users, how good, the value of its policy, how to load it."""
    limits = known_limits(candidate, question)
    of = {"candidate": candidate, "question": question, "provenance": provenance}
    return render("model.md.j2", **of, limits=limits, model_uri=model_uri)
