"""TP3xx: what the evidence behind an uplift can say."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tippingpoint.core.overrides import override
from tippingpoint.data.users import Users
from tippingpoint.experiment.diagnostics.balance import Balance
from tippingpoint.experiment.diagnostics.data import named
from tippingpoint.experiment.diagnostics.registry import Chosen, Finding, Findings, Found, diagnostic, vetoes
from tippingpoint.offpolicy.assignment import sample_ratio
from tippingpoint.offpolicy.evidence import Kind
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.reports.estimates import interval

SURELY, PERHAPS = 0.001, 0.01
"""p-values below which arm counts veto, and warn."""
UNBALANCED = 1000.0
"""The e-value from which on features are said to tell the action."""
WHOLE = ("TP302", "TP303")
"""Vetoes of all of the evidence, not of single figures."""


@dataclass(frozen=True)
class Assigned:
    """What was found of how actions were assigned.

    Parameters
    ----------
    vetoed
        Codes that take every interval away.
    """

    findings: Findings = ()
    vetoed: tuple[str, ...] = ()


def of_assignment(users: Users, kind: Kind, seed: int, chosen: Chosen) -> Assigned:
    """Hold all users' actions against the chances that are stated; other kinds of evidence state none."""
    if kind != "experiment":
        return Assigned()
    found = chosen.settle(_of_assignment(users, seed))
    return Assigned(found, tuple(code for code in vetoes(found) if code in WHOLE))


def _of_assignment(users: Users, seed: int) -> Iterator[Finding | None]:
    yield unequal_arms(users)
    balance = Balance.of(users, seed)
    log_e = balance.log_e() if balance.names else 0.0
    yield unbalanced(log_e)
    if log_e >= np.log(UNBALANCED):
        yield after_the_action(balance.carriers(float(np.log(UNBALANCED))))


def of_kind(kind: Kind) -> Iterator[Finding | None]:
    """What is found of a kind of evidence by itself."""
    yield assumed(kind)
    yield chances_unknown(kind)


@diagnostic(
    "TP302",
    "veto",
    "sample ratio",
    what="How many users got each action, against the stated chances; all users, chi-square.",
    threshold=f"p < {SURELY} vetoes, p < {PERHAPS} warns",
    why="Where an arm has too few or too many users, some were lost or assigned otherwise, and the stated chances are"
    " not those that were used: every weight is wrong.",
    remedy="Find out who is missing, or state the chances that were used (data.logging_probability); without them leave"
    " it out: the evidence is `logged` then.",
)
def unequal_arms(users: Users) -> Found | None:
    """Whether arms are as large as the stated chances let expect."""
    assert users.action is not None
    assert users.logging_probability is not None
    of = sample_ratio(users.action, users.logging_probability)
    if of.p >= PERHAPS:
        return None
    arms = zip(users.actions, of.counts, of.expected, strict=True)
    told = [f"{action} {count:,.0f} (expected {expected:,.0f})" for action, count, expected in arms]
    said = f"Users by action are {named(told)}: by chance that far off in {of.p:.2g} of all experiments."
    figures = {"p": of.p, "chi_square": of.statistic, "freedom": of.freedom}
    return Found(said, figures, level="veto" if of.p < SURELY else "warning")


@diagnostic(
    "TP303",
    "veto",
    "balance",
    what="An e-value: how much better a classifier tells the action than the stated chances do, on users it was not"
    " fitted on.",
    threshold=f"e-value of {UNBALANCED:,.0f} or more, which sound assignments reach in at most one of"
    f" {UNBALANCED:,.0f} experiments",
    why="Features that tell the action say that it was not drawn with the stated chances. Who got it differs from who"
    " did not, and the difference counts as an effect.",
    remedy="Mend the assignment, or leave data.logging_probability out: the evidence is `logged` then, which estimates"
    " the chances from the features.",
)
def unbalanced(log_e: float) -> Found | None:
    """Whether features tell the action."""
    if log_e < np.log(UNBALANCED):
        return None
    said = "Features tell who got which action beyond the stated chances"
    said += f" (log e-value {log_e:,.1f}; {np.log(UNBALANCED):.1f} is the limit)."
    return Found(said, {"log_e_value": log_e, "limit": float(np.log(UNBALANCED))})


@diagnostic(
    "TP307",
    "warning",
    "post-treatment feature",
    what="The one or two columns without which features no longer tell the action.",
    threshold="TP303 without them below its limit",
    why="Either the assignment followed them, and TP303 is right; or they were measured after the action and are its"
    " consequences. No figure can tell which, and a consequence is no feature: it is not known when users are scored.",
    remedy="",
)
def after_the_action(columns: list[str]) -> Found | None:
    """Name the columns that carry an imbalance; empty where no two do."""
    if not columns:
        return None
    one = len(columns) == 1
    said = f"Without {' and '.join(columns)} features do not tell the action: the assignment followed"
    said += f" {'it, or it is its consequence' if one else 'them, or they are its consequences'}."
    remedy = f"Only if measured after the action: {override('data.after', columns)}."
    return Found(said, {"columns": columns}, remedy)


@diagnostic(
    "TP308",
    "warning",
    "assumed uplift",
    what="Whether anything was tried on these users.",
    threshold="nothing was",
    why="What an action adds is then whatever economics.actions.NAME.assumed_response says.",
    remedy="Only a randomised experiment can tell: score … holdout=0.05, then measure.",
)
def assumed(kind: Kind) -> Found | None:
    """Whether the uplift is assumed."""
    if kind != "assumed":
        return None
    return Found("The uplift is an assumption, not a measurement: no experiment stands behind it.")


@diagnostic(
    "TP309",
    "warning",
    "chances not known",
    what="Whether the chance of each logged action is known.",
    threshold="it is estimated from the features",
    why="What drove the action and is in no feature counts as an effect of it.",
    remedy="State the chances (data.logging_probability) where they are known; else draw a part of the actions by lot.",
)
def chances_unknown(kind: Kind) -> Found | None:
    """Whether chances are estimated."""
    if kind != "logged":
        return None
    return Found("The uplift is right only if the features say what drove the logged actions.")


@diagnostic(
    "TP310",
    "warning",
    "uplift inconclusive",
    what="The 95 % interval of the policy's uplift on test.",
    threshold="it reaches 0",
    why="That the policy brings money at all is then not shown.",
    remedy="Bring more users, or a policy that acts where more is at stake.",
)
def inconclusive_uplift(uplift: Estimate) -> Found | None:
    """Whether the uplift may be nothing."""
    if uplift.low is None or uplift.low > 0:
        return None
    return Found(f"That the policy brings money is inconclusive: {interval(uplift, 3)} per user.", {"low": uplift.low})
