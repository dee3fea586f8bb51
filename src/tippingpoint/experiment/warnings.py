"""What a reader must know before a model is used, in sentences, each from what was measured."""

from tippingpoint.data.users import missing_words, unseen
from tippingpoint.experiment.spec import Candidate, ExperimentSpec
from tippingpoint.reports.estimates import interval

GAP = 1e-4
"""Distance of base and SHAP values from the output from which on it is no rounding."""
FEW = 100
"""Test users of the rarer outcome below which intervals are called wide."""
NAMED = 6
LEAST_ACTED_ON = 0.01
"""Share of users acted on below which a policy is called inactive."""
TO_TYPE = "policy.cuts='[…]' policy.version=…, or policy=top_fraction policy.share=0.1"
"""What makes it act on more."""


def known_limits(candidate: Candidate, question: ExperimentSpec) -> list[str]:
    """The limits of a candidate, the gravest first."""
    return [
        *_evidence(candidate, question),
        *_size(candidate, question),
        *_calibration(candidate),
        *_slices(candidate),
        *_baselines(candidate, question),
        *_policy(candidate, question),
        *_columns(question),
        "Test users are a part of the same table: nothing here speaks of a later time or of other users.",
    ]


def _evidence(candidate: Candidate, question: ExperimentSpec) -> list[str]:
    kind, uplift = question.evidence.kind, candidate.value.uplift
    found = []
    if question.suspects:
        found.append(
            f"{_named(question.suspects)} may know the outcome: alone it tells almost all of it"
            f" (ROC AUC {question.alone[question.suspects[0]]:.3f}, cross-validated). If so: `data.drop`."
        )
    if kind == "assumed":
        found.append(
            "The uplift is an assumption, not a measurement: no experiment stands behind it."
            " Only a randomised one can tell."
        )
    if kind == "logged":
        found.append("The uplift is right only if the features say what drove the logged actions.")
    if question.evidence.measured and uplift.low is not None and uplift.low <= 0:
        found.append(f"That the policy brings money cannot be told: {interval(uplift, 3)} per user.")
    return found


def _size(candidate: Candidate, question: ExperimentSpec) -> list[str]:
    outcome = question.parts.test.outcome
    rarer = int(min(outcome.sum(), len(outcome) - outcome.sum()))
    if rarer >= FEW:
        return []
    none = "" if candidate.evaluation.slices["roc_auc"].notna().any() else ", and no slice is large enough to tell"
    return [f"Only {rarer:,} test users have the rarer outcome: all intervals are wide{none}."]


def _slices(candidate: Candidate) -> list[str]:
    worse = candidate.evaluation.worse
    if not len(worse):
        return []
    names = [f"{row.column} = {row.slice} ({row.worse})" for row in worse.head(3).itertuples()]
    more = f", and {len(worse) - 3} more below" if len(worse) > 3 else ""
    return [f"Worse than on the rest for: {'; '.join(names)}{more}."]


def _baselines(candidate: Candidate, question: ExperimentSpec) -> list[str]:
    if not question.baselines:
        return []
    column, gain = question.baselines[-1].name, candidate.beside(question).iloc[-1]
    found = []
    if gain.get("roc_auc_gain_low", 0.0) <= 0:
        found.append(f"It cannot be told to rank better than {column} alone ({gain['roc_auc_gain']:+.3f} ROC AUC).")
    if gain.get(f"uplift_gain_{question.evidence.kind}_high", 0.0) < 0:
        found.append(f"Under this policy {column} alone brings more: its cut-offs do not fit these scores.")
    return found


def _policy(candidate: Candidate, question: ExperimentSpec) -> list[str]:
    found = []
    if candidate.explanation.gap > GAP:
        found.append(f"SHAP values miss the score by up to {candidate.explanation.gap:.1e}: they do not explain it.")
    if few := hardly_acts(candidate, question):
        found.append(f"{few} Set `policy.cuts` (with `policy.version`), or take `policy=top_fraction`.")
    if empty := candidate.segments.loc[candidate.segments["users"] == 0, "segment"].tolist():
        found.append(f"No test user is in {_named(empty)}: nothing is known of how it does there.")
    return found


def _columns(question: ExperimentSpec) -> list[str]:
    found, intake = [], question.users.intake
    if intake and intake.quarantined:
        found.append(f"{intake.quarantined:,} of {intake.rows:,} rows were set aside: {intake.worst}.")
    if missing := question.users.contract.odd:
        words = [f"{column} ({missing_words(those)})" for column, those in missing.items()]
        found.append(f"Words among numbers count as missing: {_named(words)}.")
    if dropped := question.users.contract.dropped:
        found.append(f"Not seen by the model: {_named(unseen(dropped))}.")
    if days := question.users.contract.days:
        found.append(f"Times are read as numbers: {days}; `tippingpoint score` counts them, MLflow alone does not.")
    odd = question.users.contract.remarks
    found += [f"{column!r} {why}." for column, why in list(odd.items())[:NAMED]]
    return found


def hardly_acts(candidate: Candidate, question: ExperimentSpec) -> str:
    """Says so where the policy acts on almost nobody; empty elsewhere."""
    acted_on = int(candidate.segments.loc[candidate.segments["action"] != "none", "users"].sum())
    return inactive(acted_on, len(question.parts.test), "test users")


def inactive(acted_on: int, users: int, which: str = "users") -> str:
    """A sentence where a policy acts on too few users; empty elsewhere."""
    if acted_on >= LEAST_ACTED_ON * users:
        return ""
    return f"The policy acts on {acted_on:,} of {users:,} {which}: it hardly meets these scores."


def _calibration(candidate: Candidate) -> list[str]:
    slope, intercept = (candidate.metrics[f"calibration_{name}"] for name in ("slope", "intercept"))
    found = []
    if slope.low is not None and slope.high is not None and not slope.low <= 1 <= slope.high:
        word = "too extreme" if slope.value < 1 else "too timid"
        found.append(f"Scores are {word}: calibration slope {interval(slope, 2)}, where 1 is right.")
    if intercept.low is not None and intercept.high is not None and not intercept.low <= 0 <= intercept.high:
        word = "low" if intercept.value > 0 else "high"
        found.append(f"Scores are too {word} on the whole: intercept {interval(intercept, 2)}, where 0 is right.")
    return found


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"
