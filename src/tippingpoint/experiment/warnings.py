"""What a reader must know before a model is used, in sentences, each from what was measured."""

from tippingpoint.experiment.spec import Candidate, ExperimentSpec
from tippingpoint.reports.estimates import interval
from tippingpoint.reports.inactive_policy import idle

GAP = 1e-4
"""Distance of base and SHAP values from the output from which on it is no rounding."""
FEW = 100
"""Test users of the rarer outcome below which intervals are called wide."""
NAMED = 6


def known_limits(candidate: Candidate, question: ExperimentSpec) -> list[str]:
    """The limits of a candidate, the gravest first."""
    contract, test, kind = question.users.contract, question.parts.test, question.evidence.kind
    found: list[str] = []
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
    if question.evidence.measured and candidate.value.uplift.low is not None and candidate.value.uplift.low <= 0:
        found.append(f"That the policy brings money cannot be told: {interval(candidate.value.uplift, 3)} per user.")
    rarer = int(min(test.outcome.sum(), len(test) - test.outcome.sum()))
    if rarer < FEW:
        untold = (
            "" if candidate.evaluation.slices["roc_auc"].notna().any() else ", and no slice is large enough to tell"
        )
        found.append(f"Only {rarer:,} test users have the rarer outcome: all intervals are wide{untold}.")
    found += _calibration(candidate)
    if len(worse := candidate.evaluation.worse):
        names = [f"{row.column} = {row.slice} ({row.worse})" for row in worse.head(3).itertuples()]
        more = f", and {len(worse) - 3} more below" if len(worse) > 3 else ""
        found.append(f"Worse than on the rest for: {'; '.join(names)}{more}.")
    if question.baselines:
        table, column = candidate.beside(question), question.baselines[-1].name
        gain = table.iloc[-1]
        if gain.get("roc_auc_gain_low", 0.0) <= 0:
            found.append(f"It cannot be told to rank better than {column} alone ({gain['roc_auc_gain']:+.3f} ROC AUC).")
        if gain.get(f"uplift_gain_{kind}_high", 0.0) < 0:
            found.append(f"Under this policy {column} alone brings more: its cut-offs do not fit these scores.")
    if candidate.explanation.gap > GAP:
        found.append(f"SHAP values miss the score by up to {candidate.explanation.gap:.1e}: they do not explain it.")
    if few := hardly_acts(candidate, question):
        found.append(f"{few} Set `policy.cuts` (with `policy.version`), or take `policy=top_fraction`.")
    empty = candidate.segments.loc[candidate.segments["users"] == 0, "segment"].tolist()
    if empty:
        found.append(f"No test user is in {_named(empty)}: nothing is known of how it does there.")
    intake = question.users.intake
    if intake and intake.quarantined:
        found.append(f"{intake.quarantined:,} of {intake.rows:,} rows broke the contract and were set aside.")
    if contract.dropped:
        told = [f"{column} ({why})" for column, why in contract.dropped.items()]
        found.append(f"Not seen by the model: {_named(told)}.")
    found.append("Test users are a part of the same table: nothing here speaks of a later time or of other users.")
    return found


def hardly_acts(candidate: Candidate, question: ExperimentSpec) -> str:
    """Says so where the policy acts on almost nobody; empty elsewhere."""
    acted = int(candidate.segments.loc[candidate.segments["action"] != "none", "users"].sum())
    return idle(acted, len(question.parts.test), "test users")


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
