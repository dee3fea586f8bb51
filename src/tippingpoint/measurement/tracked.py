"""What a registered version promised, and what is noted on it once that was measured."""

import re
from collections.abc import Mapping

from tippingpoint.core import stopping
from tippingpoint.tracking.backend import store_errors
from tippingpoint.tracking.registry import Client

NOTED = "**Measured**"
"""Beginning of the line that a measurement leaves in a version's description."""
FIRST_LOOK = "measured_first_look_"
"""Beginning of the tags that outlive a measurement: to what all later ones are tuned."""
DESCRIPTION = 5_000
"""Characters MLflow keeps of it."""


def noted(client: Client, version: str) -> dict[str, str]:
    """Tags of a version (`models:/name/3`).

    Raises
    ------
    OutsideError
        When the store cannot be read.
    """
    name, _, number = version.removeprefix("models:/").rpartition("/")
    with store_errors():
        return dict(client.get_model_version(name, number).tags)


def note(client: Client, version: str, tags: Mapping[str, str], line: str) -> None:
    """Put tags and one line on a version (`models:/name/3`), in place of an earlier measurement's.

    Raises
    ------
    OutsideError
        When the store cannot be written.
    """
    name, _, number = version.removeprefix("models:/").rpartition("/")
    stopping.check()
    with store_errors():
        found = client.get_model_version(name, number)
        for key in found.tags:
            if key.startswith("measured_") and not key.startswith(FIRST_LOOK) and key not in tags:
                client.delete_model_version_tag(name, number, key)
        for key, value in tags.items():
            client.set_model_version_tag(name, number, key, value)
        before = found.description or ""
        rest = re.sub(rf"^{re.escape(NOTED)}.*\n*", "", before, flags=re.MULTILINE)
        client.update_model_version(name, number, f"{NOTED} {line}\n\n{rest}"[:DESCRIPTION])
