"""A version that has the champion's model under another policy: judged on the policy's value and lint alone."""

from collections.abc import Callable

from tippingpoint.config.gate_settings import Gate, Margin
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.experiment.diagnostics import Chosen
from tippingpoint.policies.lint import ANSWERED, Lint
from tippingpoint.policies.policy import Policy
from tippingpoint.promotion import soundness_checks
from tippingpoint.promotion.alpha_spending import level
from tippingpoint.promotion.contestants import Contestant, judged_users, test_of
from tippingpoint.promotion.policy_ground import FiledGround, PolicyValues, UsersGround, filed_ground
from tippingpoint.promotion.quality_checks import guardrails, value_of
from tippingpoint.promotion.verdict import Check, Judgement
from tippingpoint.tracking.registry import Client


def ground(
    client: Client,
    source: Contestant,
    champion: Contestant,
    policy: Policy | str,
    data: Component | None,
    path: str | None = None,
) -> FiledGround | UsersGround:
    """Where it is read off what a bound policy brings: filed statistics where they answer, else users.

    Parameters
    ----------
    policy
        Why it cannot be bound without users, where that is so.
    data, path
        Where the users are now; then they are read.

    Raises
    ------
    InputError
        When statistics do not answer, and the users are not what they were.
    """
    why = "data is given" if data is not None else "users is given" if path is not None else ""
    if not why and not source.has_model_of(champion):
        why = f"the champion, {champion.uri}, has another model"
    if not why and isinstance(policy, str):
        why = policy
    if not why and champion.decider is not None:
        assert isinstance(policy, Policy)
        found = filed_ground(client, source, (policy, champion.decider.policy))
        if isinstance(found, FiledGround):
            return found
        why = found
    try:
        return UsersGround.of(judged_users(client, source, data, path), why)
    except InputError as error:
        if data is not None or path is not None:
            raise
        what = f"its users are needed, as {why}, and are not there: {error.where}: {error.what}"
        raise InputError("data", what, "Type data=… with where they are now.") from error


def judge_policy(
    gate: Gate,
    candidate: Contestant,
    champion: Contestant,
    of: FiledGround | UsersGround,
    look: int,
    reported: int,
    picked: bool,
    chosen: Chosen,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Judgement, PolicyValues]:
    """Judge the candidate's policy against the champion's, at the candidate's prices, on the candidate's test users.

    Parameters
    ----------
    look, reported, picked, chosen
        As `judge` takes them.

    Raises
    ------
    InputError
        Where the candidate's columns do not fit its users, or an action has no price.
    """
    say("valuing both policies")
    sure = level(look, gate.alpha) / (max(reported, 1) if picked else 1)
    values = of.values(candidate, champion, chosen)
    checks = [linted(values.lint)]
    asked = gate.value or Margin(margin=0, inconclusive="blocks")
    checks.append(_value(values, champion, asked.margin, sure).when_inconclusive(asked.inconclusive))
    if gate.guardrails and candidate.guardrails:
        checks.append(_guarded(values, candidate, sure).when_inconclusive(gate.guardrails.inconclusive))
    if looks := gate.looks:
        found = soundness_checks.test_set_looks(look, reported, picked, sure, looks.most)
        checks.append(found.when_inconclusive(looks.inconclusive))
    if gate.diagnostics:
        checks.append(soundness_checks.diagnosed(values.findings).when_inconclusive(gate.diagnostics.inconclusive))
    asked_of, test = gate.title, test_of(candidate.model)
    said = tuple(checks)
    return (
        Judgement(asked_of, candidate.uri, champion.uri, test, values.users, look, sure, said, values.findings),
        values,
    )


def linted(found: Lint) -> Check:
    """Whether nothing about a policy waits for an answer."""
    open_ = [remark for remark in found.remarks if remark.kind not in ANSWERED]
    told = [f"{remark.kind}: {remark.what}" for remark in found.remarks]
    said = "; ".join(told) if told else "nothing to answer"
    return Check("lint", "fails" if open_ else "passes", said, {"remarks": float(len(open_))})


def _guarded(values: PolicyValues, candidate: Contestant, sure: float) -> Check:
    told = [name for name, *_ in values.guarded]
    if lacking := [name for name in candidate.guardrails if name not in told]:
        why = values.not_valued or f"what {' and '.join(lacking)} would be under another action is in no log"
        return Check("guardrails", "inconclusive", why)
    return guardrails(values.guarded, values.kind, sure)


def _value(values: PolicyValues, champion: Contestant, margin: float, sure: float) -> Check:
    gain = next((gain for gain in values.gains if gain.over == champion.uri), None)
    if values.not_valued or gain is None:
        return Check("value", "inconclusive", values.not_valued or "the two cannot be compared")
    return value_of(gain.estimate, gain.changed, values.kind, margin, sure, gain.basis)
