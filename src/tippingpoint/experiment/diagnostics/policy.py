"""TP4xx: what a policy does with the scores."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tippingpoint.data.users import Users
from tippingpoint.experiment.diagnostics.data import named
from tippingpoint.experiment.diagnostics.registry import Finding, Found, diagnostic
from tippingpoint.offpolicy.contest import Contrast
from tippingpoint.policies.policy import Policy
from tippingpoint.policies.top_fraction import Ranked
from tippingpoint.reports.estimates import interval

LEAST_ACTED_ON = 0.01
"""Share of users acted on below which a policy is called inactive."""
READS_NO_SCORE = "TP406"
PROBED = 1000
"""Users that are given other scores, to see whether a policy reads them..."""
PROBES = (*np.linspace(0.02, 1, 50).tolist(), np.inf)
"""...and these scores; a cut-off above 1 acts on no one."""


def typed(moved_by: str | None) -> str:
    """What makes a policy act on more, or others; `moved_by` is the key of what moves its cut-offs, if it has any."""
    moved = "" if moved_by is None else f"policy.{moved_by}='[…]' policy.version=…, or "
    return f"{moved}policy=top_fraction policy.share=0.1"


@dataclass(frozen=True)
class Decided:
    """What a bound policy decides for users.

    Parameters
    ----------
    sizes
        Users in each segment, in order.
    reads_score
        Whether other scores would decide otherwise.
    good
        Whether outcome 1 is wanted.
    which
        What users they are, in words.
    """

    policy: Policy
    sizes: Mapping[str, int]
    reads_score: bool
    good: bool
    which: str = "test users"

    @classmethod
    def of(cls, policy: Policy, users: Users, score: np.ndarray) -> "Decided":
        """Decide for n users, of what a model gives of them."""
        code = policy.assign(score, users.features)
        sizes = np.bincount(code, minlength=len(policy.segments)).tolist()
        of_scores = policy.bound_by_scores or policy.reads_effects or reads(policy, users.features)
        return cls(policy, dict(zip(policy.segments, sizes, strict=True)), of_scores, users.contract.good)


def reads(policy: Policy, features: pd.DataFrame) -> bool:
    """Whether some score puts a user of the first of these into another segment than some other score."""
    if policy.reads_effects:
        return False
    features = features.head(PROBED)
    first = policy.segment(np.zeros(len(features)), features)
    others = (policy.segment(np.full(len(features), score), features) for score in PROBES)
    return any(not np.array_equal(first, other) for other in others)


def of_policy(decided: Decided) -> Iterator[Finding | None]:
    """What is found of a policy with one model's scores."""
    acted = sum(size for segment, size in decided.sizes.items() if decided.policy.actions[segment] != "none")
    acts = any(action != "none" for action in decided.policy.actions.values())
    moved_by = getattr(decided.policy, "moved_by", None)
    yield hardly_acts(acted, sum(decided.sizes.values()), decided.which, moved_by) if acts else None
    yield tied(decided.policy)
    yield wrong_way_round(decided.policy, decided.good)
    yield empty_segments(decided.sizes, decided.which, moved_by)
    yield reads_no_score(decided.policy.name, decided.reads_score)


@diagnostic(
    "TP401",
    "warning",
    "hardly acts",
    what="The share of users that get an action.",
    threshold=f"below {LEAST_ACTED_ON:.0%}",
    why="Cut-offs that nearly no score reaches change nothing, whatever the model is worth.",
    remedy=f"Type {typed('cuts')}.",
)
def hardly_acts(acted: int, users: int, which: str, moved_by: str | None = "cuts") -> Found | None:
    """Whether a policy acts on almost nobody."""
    if acted >= LEAST_ACTED_ON * users:
        return None
    said = f"The policy acts on {acted:,} of {users:,} {which}: it hardly meets these scores."
    return Found(said, {"acted_on": acted, "users": users}, f"Type {typed(moved_by)}.")


@diagnostic(
    "TP402",
    "warning",
    "ties",
    what="Users that tie at the cut-off of a policy that takes a share, and are left out together.",
    threshold=f"less than half of the wanted share is taken, for a tie of at least {LEAST_ACTED_ON:.0%}",
    why="One score has one treatment: where many tie, fewer are acted on than was asked for, or nobody.",
    remedy="Take a model whose scores differ, or another share.",
)
def tied(policy: Policy) -> Found | None:
    """Whether ties leave users out."""
    if not isinstance(policy, Ranked) or policy.share_at_cut is None or policy.tied_share is None:
        return None
    if policy.share_at_cut >= policy.wanted / 2 or policy.tied_share < LEAST_ACTED_ON:
        return None
    said = f"{policy.name} acts on {policy.share_at_cut:.1%} instead of {policy.wanted:.1%} of validation: the next"
    said += f" {policy.tied_share:.1%} all tie in score."
    return Found(said, {"share": policy.share_at_cut, "wanted": policy.wanted, "tied": policy.tied_share})


@diagnostic(
    "TP403",
    "veto",
    "better without a model",
    what="The uplift of the policy with this model's scores, less that of one action for everyone, none among them, and"
    " of the best single column under the same policy, which acts on no larger shares of users; all pairs at once, on"
    " test.",
    threshold="one of those is better (95 %, max-t)",
    why="A model that loses to no model has not won, whatever it does among other models.",
    remedy="Take that policy, or other cut-offs (tippingpoint simulate).",
)
def better_without_a_model(model: str, verdicts: Iterable[Contrast], unit: str) -> Found | None:
    """Whether one of the contestants that need no model is better than a model's policy."""
    told, figures = [], {}
    for verdict in verdicts:
        if (against := verdict.seen_from(model)) is not None and against.verdict == "worse":
            told.append(f"{against.second} earns {interval(against.difference.turned, 3)} {unit} more")
            figures[against.second] = -against.difference.value
    return Found(f"Without a model {' and '.join(told)}, user by user.", figures) if told else None


@diagnostic(
    "TP404",
    "warning",
    "bands read the score the wrong way round",
    what="Which end of the score gets an action, where outcome 1 is not wanted.",
    threshold="the lowest scores get one and the highest none",
    why="Where outcome 1 is to leave, high scores are those likely to leave: an offer then goes to those who stay.",
    remedy="Turn the bands' actions round, or data.good if outcome 1 is wanted.",
)
def wrong_way_round(policy: Policy, good: bool) -> Found | None:
    """Whether bands act on those least likely to have an outcome that is not wanted."""
    first, last = policy.actions[policy.segments[0]], policy.actions[policy.segments[-1]]
    if good or policy.score_cuts is None or first == "none" or last != "none":
        return None
    said = f"The outcome is not wanted, and {first} goes to the users least likely to have it ({policy.segments[0]});"
    return Found(f"{said} those likeliest ({policy.segments[-1]}) get none.", {"first": first, "last": last})


@diagnostic(
    "TP405",
    "warning",
    "empty segments",
    what="Users in each segment.",
    threshold="none in one",
    why="Nothing is known of how a policy does where nobody is.",
    remedy=f"Consider another policy: {typed('cuts')}.",
)
def empty_segments(sizes: Mapping[str, int], which: str, moved_by: str | None = "cuts") -> Found | None:
    """Whether segments are empty."""
    if not (empty := [segment for segment, size in sizes.items() if not size]):
        return None
    said = f"Nobody of the {sum(sizes.values()):,} {which} is in {named(empty)}: nothing is known of how it does there."
    return Found(said, {"segments": empty}, f"Consider another policy: {typed(moved_by)}.")


@diagnostic(
    READS_NO_SCORE,
    "warning",
    "reads no score",
    what="Whether other scores would put a user into another segment.",
    threshold="none does",
    why="A policy that reads no score decides alike with every model, so that it cannot tell one model from another.",
    remedy="Compare models by ROC AUC or log loss, or take a policy of bands.",
)
def reads_no_score(name: str, reads_score: bool) -> Found | None:
    """Whether a policy reads no score."""
    if reads_score:
        return None
    return Found(f"{name} reads no score: its uplift is the same with every model.", {"policy": name})
