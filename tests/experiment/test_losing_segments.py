"""The retention demonstration: one of its segments loses money, and the decision says so."""

from tippingpoint.comparison.decision import of_comparison
from tippingpoint.comparison.job import compare
from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose


def test_the_box_says_to_drop_the_segment_that_loses() -> None:
    words = ["data=retention", "policy=retention", "model=logistic", "report=none", "tracking.log=false"]
    comparison = compare(CompareSettings.from_config(compose("compare", [*words, "explain_rows=10"]))).comparison
    why = of_comparison(comparison, None).why
    assert "Drop risky_medium: there discount_10 brings -" in why
    assert "Drop dormant" not in why
    winner = comparison.winner
    rows = winner.segments.set_index("segment")
    dropped = rows.loc["risky_medium"]
    without = winner.value.uplift.value - dropped["share"] * dropped["uplift_per_user_truth"]
    assert f"Without risky_medium the policy brings {without:+.3f} [" in why
