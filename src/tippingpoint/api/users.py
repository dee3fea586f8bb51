"""Users for the verbs: read from a file or a frame, or generated."""

from pathlib import Path

import pandas as pd
import polars as pl

from tippingpoint.api.components import option_of
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component, validate
from tippingpoint.data.files import Table
from tippingpoint.data.frame import Frame
from tippingpoint.data.source import Source


def read_users(source: str | Path | pd.DataFrame | pl.DataFrame, target: str | None = None, **roles: object) -> Source:
    """Read a table of users; which columns are features, ids and times is inferred.

    Parameters
    ----------
    source
        A CSV (also gzipped) or Parquet file, a folder of them, or a frame of pandas or Polars.
    target
        The column to predict; None where `contract=` names it.
    **roles
        Corrections, as in `conf/data/csv.yaml`: `id`, `drop`, `positive`, `good`, `action`, `control`,
        `logging_probability`, `measures`, `costs`, `as_of`, `contract`, `train_on`, `name`, …

    Returns
    -------
    Source
        With the users in `.loaded`; every verb takes it.

    Raises
    ------
    InputError
        When the table is not what was said of it.

    Examples
    --------
    >>> import pandas as pd
    >>> import tippingpoint as tp
    >>> frame = pd.DataFrame({"visits": [1, 2, 3, 9], "plan": list("abab"), "adopter": [0, 0, 1, 1]})
    >>> users = tp.read_users(frame, target="adopter")
    >>> len(users.loaded), float(users.loaded.outcome.mean())
    (4, 0.5)
    """
    given = {"target": target} | roles
    if isinstance(source, pd.DataFrame | pl.DataFrame):
        users: Source = Frame.of(source, **given)
    else:
        users = validate(Table, {"path": str(source), **given}, "data")
    assert len(users.loaded)  # what is wrong with the table is said here
    return users


def generate(name: str = "case_study", **settings: object) -> Source:
    """Draw users of a generated world, whose truth is known.

    Parameters
    ----------
    name
        An option of `conf/data`: case_study, streamzone, retention, criteo_like, event_log.
    **settings
        Changes to it, as in its YAML: `users`, `seed`, `logging`, …

    Examples
    --------
    >>> import tippingpoint as tp
    >>> len(tp.generate("case_study", users=500).loaded)
    500
    """
    node = option_of("data", name) | settings
    if "???" in node.values():
        raise InputError("data", f"{name} reads users and does not generate them", "Use tp.read_users(…).")
    return Component.of(node, "data").build(Source, "data")
