"""What the file of a saved model may ask for, so that loading it runs nothing but what its family trusts."""

from collections.abc import Mapping, Sequence
from typing import Any

HELD: dict[str, dict[str, str | None]] = {
    "python_function": {
        "loader_module": "mlflow.sklearn",
        "model_path": "model.skops",
        "predict_fn": "predict_proba",
    },
    "sklearn": {"code": None, "pickled_model": "model.skops", "serialization_format": "skops"},
}
"""What each flavour of an MLmodel of ours says. MLflow runs what other keys name (`code`, `data`, `model_config`)."""
TOLD = {"python_function": {"env", "python_version"}, "sklearn": {"sklearn_version", "skops_trusted_types"}}
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
        if more := sorted(set(map(str, own)) - set(held) - TOLD[name]):
            wrong.append(f"its {name} has {', '.join(more)}, which may be code of its own")
    asked = flavours["sklearn"].get("skops_trusted_types") or ()
    if more := sorted(set(map(str, asked)) - set(trust)):
        wrong.append(f"it asks to trust {', '.join(more)}")
    return wrong
