"""How good scores are: metrics, curves, slices, baselines and learning curves, each with its intervals."""

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
