"""TP3xx: what the evidence behind an uplift can say."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tippingpoint.core.overrides import override
from tippingpoint.data.identity import names_id
from tippingpoint.data.users import Users
from tippingpoint.experiment.diagnostics.data import named
from tippingpoint.experiment.diagnostics.registry import Chosen, Finding, Findings, Found, diagnostic, vetoes
from tippingpoint.offpolicy.assignment import Ratio, sample_ratio
from tippingpoint.offpolicy.evidence import LEAST_ARM, Kind, Log
from tippingpoint.offpolicy.statistics import Estimate, units
from tippingpoint.offpolicy.support import LEAST_EXPECTED, LOW_CHANCE, MOST_LACKING, Basis, Support
from tippingpoint.reports.estimates import interval

SURELY, PERHAPS = 0.001, 0.01
"""p-values below which arm counts veto, and warn."""
UNBALANCED = 1000.0
"""The e-value from which on features are said to tell the action."""
DISTINCT = re.compile(r"([\d,]+) (different )?values")
"""How many values a column has, in the reason why no model sees it."""
LARGEST = 0.1
"""Share of all weight that one user may have."""
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
    assert users.action is not None
    assert users.logging_probability is not None
    yield unequal_arms(sample_ratio(users.action, users.logging_probability, users.codes), users.actions)
    yield from of_balance(users, seed)


def of_balance(users: Users, seed: int) -> Iterator[Finding | None]:
    """Whether features tell the action beyond its stated chances, and which do."""
    from tippingpoint.experiment.diagnostics.balance import Balance  # XGBoost takes a second to load

    balance = Balance.of(users, seed, users.codes)
    log_e = balance.log_e() if balance.names else 0.0
    yield unbalanced(log_e)
    if log_e >= np.log(UNBALANCED):
        yield after_the_action(balance.carriers(float(np.log(UNBALANCED))))


def of_kind(users: Users, kind: Kind) -> Iterator[Finding | None]:
    """What is found of a kind of evidence by itself."""
    yield repeated_groups(users)
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
def unequal_arms(of: Ratio, actions: Sequence[str]) -> Found | None:
    """Whether arms are as large as the stated chances let expect."""
    if of.p >= PERHAPS:
        return None
    arms = zip(actions, of.counts, of.expected, strict=True)
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
    remedy="Correct the assignment, or leave data.logging_probability out: the evidence is `logged` then, which"
    " estimates the chances from the features.",
)
def unbalanced(log_e: float) -> Found | None:
    """Whether features tell the action."""
    if log_e < np.log(UNBALANCED):
        return None
    said = "Features tell who got which action beyond the stated chances"
    said += f" (log e-value {log_e:,.1f}; {np.log(UNBALANCED):.1f} is the limit)."
    return Found(said, {"log_e_value": log_e, "limit": float(np.log(UNBALANCED))})


@dataclass(frozen=True)
class Weights:
    """Whom a policy's uplift rests on.

    Parameters
    ----------
    basis
        Expected outcomes, and users without support, of the uplift.
    users
        Users it acts on.
    arms
        By arm, decided and `none`, the effective number of these users and the largest weight's share of all.
    """

    basis: Basis
    users: int
    arms: Mapping[str, tuple[float, float]]

    @classmethod
    def of(
        cls,
        log: Log,
        decision: np.ndarray,
        slope: np.ndarray,
        estimated: bool,
        group: np.ndarray | None = None,
        measured: Basis | None = None,
    ) -> "Weights":
        """Look at a log of n users and a policy's (n,) codes.

        Parameters
        ----------
        slope
            (K,) or (n, K) money that an outcome counts under each action; the log's actions.
        estimated
            Whether chances are.
        group
            (n,) numbers of the groups users belong to; None where each stands alone.
        measured
            What the uplift rests on besides outcomes, where measures count.
        """
        assert log.predicted is not None
        acted = np.flatnonzero(decision != 0)
        weight = np.zeros_like(log.predicted)
        slope = np.broadcast_to(np.nan_to_num(slope), weight.shape)
        weight[acted, decision[acted]] = slope[acted, decision[acted]]
        weight[acted, 0] -= slope[acted, 0]
        apart = units(len(weight), group) / max(len(weight), 1)
        basis = Support.of(log.logging_probability, log.predicted, estimated).behind(weight, apart=apart).total()
        basis = basis if measured is None else basis + measured
        arms = {}
        for name, code in {"decided": decision[acted], "none": np.zeros(len(acted), dtype=np.int64)}.items():
            w = (log.action[acted] == code) / log.logging_probability[acted, code]
            total = float(w.sum())
            effective = total**2 / float(w @ w) if total else 0.0
            arms[name] = effective, float(w.max(initial=0.0)) / total if total else 1.0
        return cls(basis, len(acted), arms)


def of_weights(weights: Weights) -> Iterator[Finding | None]:
    """What is found of the users an uplift rests on."""
    if weights.users:
        yield no_overlap(weights.basis)
        yield few_expected(weights.basis)
        yield heavy_weights(weights.arms)


@diagnostic(
    "TP301",
    "veto",
    "overlap",
    what="Estimated chances, before they are raised, of the decided action and of `none`, of the users acted on.",
    threshold=f"more than {MOST_LACKING:.0%} of them have one below {LOW_CHANCE}",
    why="Nobody like them got the action, or nobody got none: what it does to them was never seen, whatever the model"
    " of the outcome says.",
    remedy="Act only where both were tried, or give the action to a random share of all.",
)
def no_overlap(basis: Basis) -> Found | None:
    """Whether users are acted on for whom one of the two was hardly ever done."""
    share = float(basis.share_lacking)
    if share <= MOST_LACKING:
        return None
    said = f"Of {int(basis.users):,} users acted on, {min(share, 1):.1%} have an estimated chance below {LOW_CHANCE}"
    said += " of the decided action or of none: what it does to them was never tried."
    return Found(said, {"users": int(basis.users), "share": share})


@diagnostic(
    "TP304",
    "veto",
    "few outcomes",
    what="The effective number of expected outcomes that a figure rests on: predicted outcomes times stated chances,"
    " over the users acted on, in the decided arm and in `none`. In groups of m users on average m count as one.",
    threshold=f"fewer than {LEAST_EXPECTED:g}",
    why="With so few the estimate is not normal, and its interval misses too often on one side.",
    remedy="Bring more users, a larger share in the small arm, or an outcome that is less rare.",
)
def few_expected(basis: Basis) -> Found | None:
    """Whether a figure rests on few expected outcomes."""
    expected = float(basis.expected)
    if expected >= LEAST_EXPECTED:
        return None
    return Found(f"The uplift rests on {expected:.1f} expected outcomes.", {"expected": expected})


@diagnostic(
    "TP305",
    "warning",
    "weights",
    what="Effective sample size (Σw)²/Σw² and the largest weight's share, of the users acted on, in the decided arm and"
    " in `none`.",
    threshold=f"fewer than {LEAST_ARM} effective users, or one user with more than {LARGEST:.0%} of all weight",
    why="A few users then decide the estimate.",
    remedy="Act on users whose chances were larger, or give the action to a larger random share.",
)
def heavy_weights(arms: Mapping[str, tuple[float, float]]) -> Found | None:
    """Whether a few users carry an estimate."""
    heavy = {arm: of for arm, of in arms.items() if of[0] < LEAST_ARM or of[1] > LARGEST}
    if not heavy:
        return None
    told = [
        f"{arm} {of[0]:,.0f} effective users, the heaviest with {of[1]:.1%} of the weight" for arm, of in heavy.items()
    ]
    return Found(f"Among the users acted on: {'; '.join(told)}.", {arm: of[0] for arm, of in heavy.items()})


@diagnostic(
    "TP306",
    "warning",
    "repeated group",
    what="Columns that are like an id, and in which rows repeat; and columns of which each value's users all got the"
    " same action; where data.group names none.",
    threshold="any; of the latter, what chance would do in less than one of a million tables",
    why="Rows of one household or account are no independent users: intervals that take them for such are too narrow,"
    " and one of them in train tells of another on test.",
    remedy="",
)
def repeated_groups(users: Users) -> Found | None:
    """Whether rows share a group that no key names."""
    if users.group is not None:
        return None
    values = {name: DISTINCT.search(why) for name, why in users.contract.dropped.items() if names_id(name)}
    shared = [name for name, of in values.items() if of is not None and int(of[1].replace(",", "")) < len(users)]
    together = users.contract.together
    if not shared and not together:
        return None
    said = [f"Several rows share one {named(shared)}: if they belong together they are no independent users."]
    said = said if shared else []
    if together:
        each = [f"each of {values:,} values of {name}" for name, values in together.items()]
        said.append(f"Of {named(each)} all users got the same action: it was given to them together.")
    remedy = f"If so: {override('data.group', next(iter(together), shared[0] if shared else ''))}."
    return Found(" ".join(said), {"columns": list(dict.fromkeys([*together, *shared]))}, remedy)


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
    remedy="Only a randomised experiment can tell: score … holdout=0.1, then measure.",
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
    remedy="State the chances (data.logging_probability) where they are known; else assign a part of the actions at"
    " random.",
)
def chances_unknown(kind: Kind) -> Found | None:
    """Whether chances are estimated."""
    if kind != "logged":
        return None
    return Found("The uplift is right only if the features say what drove the logged actions.")


@diagnostic(
    "TP310",
    "warning",
    "no gain shown",
    what="The 95 % interval of the policy's uplift on test.",
    threshold="it reaches 0, or lies below",
    why="That the policy brings money at all is then not shown.",
    remedy="Bring more users, or a policy that acts where more is at stake.",
)
def inconclusive_uplift(uplift: Estimate) -> Found | None:
    """Whether the uplift may be nothing."""
    if uplift.low is None or uplift.low > 0:
        return None
    said = f"That the policy brings money is inconclusive: {interval(uplift, 3)} per user."
    if uplift.high is not None and uplift.high < 0:
        said = f"The policy loses money: {interval(uplift, 3)} per user."
    return Found(said, {"low": uplift.low, "high": uplift.high})
