"""Models are found by version or run; what is not ours is refused before anything is loaded."""

from pathlib import Path

import pytest

from tippingpoint.errors import InputError
from tippingpoint.tracking.backend import connect
from tippingpoint.tracking.models import find


def test_a_run_of_someone_else_is_refused(workspace: Path) -> None:
    client = connect()
    run = client.create_run(client.create_experiment("theirs"))
    with pytest.raises(InputError, match="was not made by tippingpoint"):
        find(client, run.info.run_id)


def test_an_empty_store_says_what_to_type(workspace: Path) -> None:
    with pytest.raises(InputError, match="Type tippingpoint compare first"):
        find(connect(), "")
