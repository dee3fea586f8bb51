"""What a comparison comes to: ship, do not ship or test first."""

from tippingpoint.comparison.result import Comparison
from tippingpoint.core.run_reference import RunReference
from tippingpoint.experiment.decided import decided, ranks
from tippingpoint.experiment.decision import Decision


def of_comparison(comparison: Comparison, filed: RunReference | None) -> Decision:
    """The decision on the winner of a comparison."""
    winner = comparison.winner
    pairs = [pair for of in comparison.auc if (pair := of.seen_from(winner.family)) is not None]
    of = winner, comparison.contestant, comparison.baselines, comparison.uplift
    return decided(comparison.question, *of, ranks(winner, pairs), filed)
