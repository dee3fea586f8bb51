"""How good scores are: metrics, curves, slices, baselines and learning curves, each with its intervals.

`evaluation.Evaluation` is all that test says of one model's scores: `metrics`, `curves`, `calibration_bins`, `slices`
(groups of users that score worse), `baselines` (what a model must beat). `learning` says whether more users help,
`association` holds the outcome against one column at a time.
"""

from tippingpoint.evaluation.metrics import (
    CONTRIBUTIONS,
    LOWER_IS_BETTER,
    accuracy,
    auc_contributions,
    calibration_error,
    calibration_line,
    evaluate,
    point,
    reliability,
)

__all__ = [
    "CONTRIBUTIONS",
    "LOWER_IS_BETTER",
    "accuracy",
    "auc_contributions",
    "calibration_error",
    "calibration_line",
    "evaluate",
    "point",
    "reliability",
]
