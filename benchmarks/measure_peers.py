"""What tea-tasting and statsmodels make of an experiment's table; run by `measure.py` in an environment that has them.

    python measure_peers.py TABLE.parquet

The table has `arm` (0 or 1), `retained`, `watched`, `sessions`, `before` and `household`. Prints JSON.
"""

import json
import sys
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm  # type: ignore[import-not-found]  # in the other environment
import tea_tasting as tt  # type: ignore[import-not-found]  # likewise


def main() -> None:
    """Print what the peers find."""
    table = pd.read_parquet(sys.argv[1])
    print(json.dumps(tea_tasting(table) | statsmodels(table)))


def tea_tasting(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Means, ratios, and both with CUPED; normal intervals, as ours are."""
    plain: dict[str, Any] = {"use_t": False}
    experiment = tt.Experiment(
        {
            "retained": tt.Mean("retained", **plain),
            "watched": tt.Mean("watched", **plain),
            "retained, cuped": tt.Mean("retained", "before", **plain),
            "watched, cuped": tt.Mean("watched", "before", **plain),
            "ratio": tt.RatioOfMeans("watched", "sessions", **plain),
            "ratio, cuped": tt.RatioOfMeans("watched", "sessions", "before", **plain),
        },
        variant="arm",
    )
    found = experiment.analyze(table[["arm", "retained", "watched", "sessions", "before"]], control=0)
    names = {
        "reference": "control",
        "value": "treatment",
        "difference": "effect_size",
        "low": "effect_size_ci_lower",
        "high": "effect_size_ci_upper",
        "relative": "rel_effect_size",
        "relative_low": "rel_effect_size_ci_lower",
        "relative_high": "rel_effect_size_ci_upper",
    }
    return {name: {ours: float(getattr(of, theirs)) for ours, theirs in names.items()} for name, of in found.items()}


def statsmodels(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Least squares by arm at the overall mean (Lin's estimator), and means with errors over households."""
    mean, n = table["before"].mean(), len(table)
    value, variance, slope, clustered = [], [], [], []
    for arm in (0, 1):
        rows = table[table["arm"] == arm]
        fitted = sm.OLS(rows["watched"], sm.add_constant(rows["before"])).fit()
        at = fitted.get_prediction(np.array([[1.0, mean]]))
        value.append(float(at.predicted_mean[0]))
        variance.append(float(at.se_mean[0]) ** 2)
        slope.append(float(fitted.params["before"]))
        groups = {"groups": rows["household"]}
        robust = sm.OLS(rows["watched"], np.ones(len(rows))).fit(cov_type="cluster", cov_kwds=groups)
        clustered.append((float(robust.params.iloc[0]), float(robust.bse.iloc[0])))
    drift = (slope[1] - slope[0]) ** 2 * table["before"].var() / n
    return {
        "watched, regression": {
            "reference": value[0],
            "value": value[1],
            "difference": value[1] - value[0],
            "se": float(np.sqrt(sum(variance) + drift)),
        },
        "watched, households": {
            "difference": clustered[1][0] - clustered[0][0],
            "se": float(np.hypot(clustered[0][1], clustered[1][1])),
        },
    }


if __name__ == "__main__":
    main()
