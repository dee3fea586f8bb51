"""Which version of a registered model `promote` is asked for."""

from tippingpoint.config.settings import VERSION
from tippingpoint.core.errors import InputError
from tippingpoint.core.overrides import override
from tippingpoint.promotion.settings import PromoteSettings
from tippingpoint.tracking import backend
from tippingpoint.tracking.journal import CHAMPION
from tippingpoint.tracking.promotion import aliases, version_of, versions
from tippingpoint.tracking.registry import CHALLENGER, Client
from tippingpoint.tracking.stored import find


def wanted(client: Client, name: str, settings: PromoteSettings) -> str:
    """Number of the version that is meant.

    Raises
    ------
    InputError
        When nothing is, or the run was not registered.
    """
    if settings.run is not None:
        run = find(client, settings.run)[0].info.run_id
        mine = [str(version.version) for version in versions(client, name, f"run_id = '{run}'")]
        if not mine:
            what = f"run {run} is not registered as {name}"
            raise InputError("run", what, "Type model=…, or fit it again without tracking.register_model=false.")
        return mine[0]
    if settings.model is not None:
        typed = str(settings.model)
        found = VERSION.fullmatch(typed)
        if not found:
            return str(version_of(client, name, typed).version)
        if found[1] != name:
            raise InputError("model", f"{typed} is not of {name}", f"Type {override('name', found[1])} too.")
        if found[2]:
            return found[2]
        there = aliases(client, name)
        if found[3] not in there:
            raise InputError("model", f"models:/{name} has no alias {found[3]}", "Type model=NUMBER.")
        return there[found[3]]
    there = aliases(client, name)
    if CHALLENGER not in there:
        if settings.to is not None and (champion := there.get(CHAMPION)):
            return champion  # what has proven itself goes on to the environment
        numbers = ", ".join(str(version.version) for version in versions(client, name, newest=12)) or "none"
        what = f"models:/{name} has no challenger"
        raise InputError("model", what, f"Type tippingpoint compare, or model=…; there are: {numbers}.")
    return there[CHALLENGER]


def number_there(client: Client, name: str, number: str, model: str) -> str:
    """The version's number in the registered model that is meant; '' where it was not copied there yet."""
    if model == name:
        return number
    source = f"models:/{name}/{number}"
    copies = versions(client, model, f"source_path = {backend.literal(source)}")
    return str(copies[-1].version) if copies else ""
