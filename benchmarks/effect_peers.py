"""What a learner of causalml or EconML predicts; run by `effect.py` in an environment that has them.

    python effect_peers.py LIBRARY LEARNER FOLDER

The folder holds `train.npz` (x, action, outcome, chance), `test.npz` (x) and `parameters.json` of the base learners.
Writes `effect.npy` there and prints JSON: the processor's seconds to fit, megabytes at the peak, and of one learner
the seconds of a bootstrap.
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier
from xgboost import XGBClassifier, XGBRegressor

BOOTSTRAPS = 3
"""Of causalml's thousand, as they take long; so many are timed."""
Fit = tuple[Any, dict[str, Any], dict[str, Any]]
"""An unfitted learner, and what its `fit` and its prediction take besides columns, action and outcome."""


def causalml(learner: str, outcome: dict[str, Any], effect: dict[str, Any], chance: np.ndarray, n: int) -> Fit:
    """A learner of causalml, with known chances."""
    from causalml.inference import meta  # type: ignore[import-not-found]  # in the other environment

    known = np.full(n, chance[0])
    if learner == "t":
        return meta.BaseTClassifier(learner=XGBClassifier(**outcome)), {}, {}
    if learner == "dr":
        of_outcomes = XGBRegressor(**outcome | {"objective": "binary:logistic"})
        of_effects = XGBRegressor(**effect)
        return meta.BaseDRLearner(learner=of_outcomes, treatment_effect_learner=of_effects), {"p": chance}, {}
    of = meta.BaseXClassifier if learner == "x" else meta.BaseRClassifier
    more = {"random_state": 0, "n_fold": 3} if learner == "r" else {}
    found = of(outcome_learner=XGBClassifier(**outcome), effect_learner=XGBRegressor(**effect), **more)
    return found, {"p": chance}, {"p": known} if learner == "x" else {}


def econml(learner: str, outcome: dict[str, Any], effect: dict[str, Any], chance: np.ndarray, n: int) -> Fit:
    """A learner of EconML; of R it is `NonParamDML`."""
    from econml.dml import NonParamDML  # type: ignore[import-not-found]  # in the other environment
    from econml.dr import DRLearner  # type: ignore[import-not-found]  # likewise
    from econml.metalearners import TLearner, XLearner  # type: ignore[import-not-found]  # likewise

    def of_outcomes() -> XGBRegressor:  # its T and X learners read `predict`
        return XGBRegressor(**outcome | {"objective": "binary:logistic"})

    drawn = DummyClassifier(strategy="prior")  # the chance is the same for all
    shared = {"discrete_outcome": True, "cv": 3, "random_state": 0, "model_final": XGBRegressor(**effect)}
    if learner == "t":
        return TLearner(models=of_outcomes()), {}, {}
    if learner == "x":
        return XLearner(models=of_outcomes(), cate_models=XGBRegressor(**effect), propensity_model=drawn), {}, {}
    if learner == "dr":
        return DRLearner(model_propensity=drawn, model_regression=XGBClassifier(**outcome), **shared), {}, {}
    models = {"model_y": XGBClassifier(**outcome), "model_t": drawn, "discrete_treatment": True}
    return NonParamDML(**models, **shared), {}, {}


def main() -> None:
    """Fit, predict, print."""
    library, learner, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    train, test = np.load(folder / "train.npz"), np.load(folder / "test.npz")
    x, action, outcome, chance = (train[name] for name in ("x", "action", "outcome", "chance"))
    given = json.loads((folder / "parameters.json").read_text())
    make = {"causalml": causalml, "econml": econml}[library]
    of, fitted_with, predicted_with = make(learner, given["outcome"], given["effect"], chance, len(test["x"]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    if library == "causalml":
        of.fit(x, action, outcome, **fitted_with)
    elif learner in ("t", "x"):
        of.fit(outcome.astype(np.float64), action, X=x)
    else:
        of.fit(outcome, action, X=x)
    said = {"fit": time.process_time() - start}
    found = of.predict(test["x"], **predicted_with) if library == "causalml" else of.effect(test["x"])
    said |= {"before": before / 1024, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    np.save(folder / "effect.npy", np.asarray(found, dtype=np.float64).ravel())
    if library == "causalml" and learner == "t":
        start = time.process_time()
        of.fit_predict(x, action, outcome, return_ci=True, n_bootstraps=BOOTSTRAPS, bootstrap_size=len(x))
        said["bootstrap"] = (time.process_time() - start - said["fit"]) / BOOTSTRAPS
    print(json.dumps(said))


if __name__ == "__main__":
    main()
