"""What is installed: the whole of tippingpoint, or tippingpoint-core, which scores and serves only."""

from importlib.metadata import PackageNotFoundError, version

from tippingpoint.core.errors import InputError

CORE, WHOLE = "tippingpoint-core", "tippingpoint"
EXTRAS_OF_CORE = {
    "alembic": "sql",
    "duckdb": "warehouse",
    "llvmlite": "trees",
    "numba": "trees",
    "sqlalchemy": "sql",
    "xgboost": "trees",
}
"""Packages that tippingpoint has and tippingpoint-core only with an extra."""
OTHER_NAMES = {"mlflow": ("mlflow-skinny",), "tippingpoint": ("tippingpoint-core",), "xgboost": ("xgboost-cpu",)}
"""Distributions that bring the same modules as another; of each pair one is installed."""


def is_core() -> bool:
    """Whether it is tippingpoint-core that is installed."""
    return _is_there(CORE) and not _is_there(WHOLE)


def extra(name: str) -> str:
    """What to type for an extra of what is installed.

    >>> extra("serve")
    "pip install 'tippingpoint[serve]'"
    """
    return f"pip install '{CORE if is_core() else WHOLE}[{name}]'"


def lacking(where: str, error: ModuleNotFoundError, own: str | None = None) -> InputError | None:
    """Return what to say of a package that is not there; None where its absence is nothing that one chose.

    Parameters
    ----------
    where
        The command or key that needs it.
    own
        The extra that the command itself needs.
    """
    package = (error.name or "").partition(".")[0]
    what = f"{package} is not installed"
    if is_core() and package in EXTRAS_OF_CORE:
        return InputError(where, what, f"Type {extra(EXTRAS_OF_CORE[package])}.")
    if own is not None:
        return InputError(where, what, f"Type {extra(own)}.")
    if is_core() and package != "tippingpoint":
        what = f"{what}: {CORE} scores and serves only"
        return InputError(where, what, f"Type pip install {WHOLE} in an environment without {CORE}.")
    return None


def version_of(package: str) -> str:
    """The version of a package that is installed, by whichever name it came.

    Raises
    ------
    PackageNotFoundError
        When it is not.
    """
    names = (package, *OTHER_NAMES.get(package, ()))
    return version(next((name for name in names if _is_there(name)), package))


def _is_there(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
