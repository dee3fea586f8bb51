"""How much there is to read in a fitted model."""

from typing import Any

import numpy as np


def used(model: Any, rounds: int | None = None) -> np.ndarray:
    """Positions of the prepared columns a model uses; of boosting, in the first `rounds` trees if given."""
    if hasattr(model, "get_booster"):
        booster = model.get_booster()
        return np.array([int(f[1:]) for f in booster[: rounds or booster.num_boosted_rounds()].get_score()], dtype=int)
    if hasattr(model, "coef_") or hasattr(model, "feature_importances_"):
        return np.flatnonzero(model.coef_[0] if hasattr(model, "coef_") else model.feature_importances_)
    return np.arange(model.n_features_in_)


def nodes(model: Any, rounds: int | None = None) -> int:
    """Nodes of a model's trees, of the first `rounds` of them if given; of a line its terms that are not 0.

    Of a model that is neither, the numbers that it learnt.
    """
    if hasattr(model, "estimators_"):
        return sum(tree.tree_.node_count for tree in model.estimators_)
    if hasattr(model, "get_booster"):
        booster = model.get_booster()
        return sum(tree.count("\n") for tree in booster[: rounds or booster.num_boosted_rounds()].get_dump())
    if hasattr(model, "coef_"):
        return int(np.count_nonzero(model.coef_))
    learnt = (of for name, of in vars(model).items() if name.endswith("_") and isinstance(of, np.ndarray))
    return sum(of.size for of in learnt)
