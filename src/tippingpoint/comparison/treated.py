"""What acting on a share of users brings, by each contestant's ranking of them, on test."""

from tippingpoint.comparison.result import Comparison
from tippingpoint.experiment.by_share import score_cells
from tippingpoint.experiment.revaluation import usable
from tippingpoint.experiment.treated_curves import Treated, TreatedCurve, TreatedPoint, curves
from tippingpoint.offpolicy.cells import outcomes


def treated(comparison: Comparison) -> Treated:
    """Curves along what each model's policy ranks users by, and the contestants of the comparison."""
    question = comparison.question
    names = question.actions
    actions = {k: names[k] for k in usable(question.economics, names) if k}
    along: list[TreatedCurve] = []
    for candidate in comparison.candidates:
        (test, money), validation = score_cells(candidate, question), None
        if question.evidence.measured and len(candidate.out_of_fold) == len(question.parts.validation):
            validation = score_cells(candidate, question, test.cuts)[0]
        lines = money, outcomes(len(names))
        along += curves(candidate.family, test, validation, lines, actions, question.seed)
    points = [
        TreatedPoint(name, float((of.weight[:, 1:] != 0).any(axis=1).mean()), of.uplift, of.outcomes_per_1000)
        for name, of in comparison.values.items()
    ]
    of = comparison.uplift, question.economics.currency, question.users.contract.outcome, question.evidence.label
    return Treated(along, points, comparison.contestant, *of, question.evidence.measured)
