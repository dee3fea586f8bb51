"""What the file of a saved model may ask for, so that loading it runs nothing but what its family trusts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tippingpoint.core.errors import InputError
from tippingpoint.core.foreign import of_ours
from tippingpoint.data.users import Users
from tippingpoint.models.calibration import sigmoid_on
from tippingpoint.models.family import Family

SAMPLE = 250
"""Users of either outcome that a family of the user's own is fitted on, to see what its saved form asks for."""

HELD: dict[str, dict[str, str | None]] = {
    "python_function": {
        "loader_module": "mlflow.sklearn",
        "model_path": "model.skops",
    },
    "sklearn": {"code": None, "pickled_model": "model.skops", "serialization_format": "skops"},
}
"""What each flavour of an MLmodel of ours says. MLflow runs what other keys name (`code`, `data`, `model_config`)."""
TOLD = {
    "python_function": {"env", "predict_fn", "python_version"},
    "sklearn": {"sklearn_version", "skops_trusted_types"},
}
"""And what it may say besides: packages, which loading does not read, and types, which are held to the family's."""


def foreign(written: Mapping[str, Any], trust: Sequence[str]) -> list[str]:
    """What an MLmodel asks for beyond what one of ours does, in clauses; empty where loading it runs nothing else.

    Whoever lets MLflow load a folder asks this first: scoring in a clean process and on Spark do.

    Parameters
    ----------
    trust
        Types the family trusts.
    """
    there = written.get("flavors")
    flavours = there if isinstance(there, Mapping) else {}
    if set(flavours) != set(HELD) or not all(isinstance(flavour, Mapping) for flavour in flavours.values()):
        named = ", ".join(sorted(map(str, flavours))) or "none"
        return [f"its flavours are {named}, not {', '.join(HELD)} as we write them"]
    wrong = []
    for name, held in HELD.items():
        own = flavours[name]
        wrong += [
            f"its {name}.{key} is {own.get(key)}, not {value}" for key, value in held.items() if own.get(key) != value
        ]
        if name == "python_function" and own.get("predict_fn") not in ("predict_proba", "predict"):
            wrong.append(f"its {name}.predict_fn is {own.get('predict_fn')}, not one of ours")
        if more := sorted(set(map(str, own)) - set(held) - TOLD[name]):
            wrong.append(f"its {name} has {', '.join(more)}, which may be code of its own")
    asked = flavours["sklearn"].get("skops_trusted_types") or ()
    if more := sorted(set(map(str, asked)) - set(trust)):
        wrong.append(f"it asks to trust {', '.join(more)}")
    return wrong


def check_trusted(family: Family, train: Users, seed: int) -> None:
    """Refuse a family of the user's own whose saved form would not load, before it is fitted on all users.

    Raises
    ------
    InputError
        When skops cannot save it, or it holds types that its family does not trust.
    """
    import skops.io
    from skops.io.exceptions import UnsupportedTypeException

    if of_ours(type(family)):
        return
    where = f"{type(family).__module__}.{type(family).__qualname__}.trusted"
    few = train.take(np.sort(np.concatenate([np.flatnonzero(train.outcome == k)[:SAMPLE] for k in (0, 1)])))
    pipeline = family.pipeline(few.contract, seed).fit(few.features, few.outcome)
    pipeline.set_params(**family.when_fitted)
    try:
        saved = skops.io.dumps(sigmoid_on(pipeline).fit(few.features, few.outcome).set_params(estimator=None))
    except UnsupportedTypeException as error:
        what = f"a fitted model cannot be saved ({error})"
        raise InputError(where, what, "Make it of classes and numbers.") from error
    if lacking := sorted(set(skops.io.get_untrusted_types(data=saved)) - set(family.trusted)):
        remedy = f"If you trust them, write in the class: trusted = {(*family.trusted, *lacking)}."
        raise InputError(where, f"lacks {', '.join(lacking)}, which a saved model holds", remedy)
