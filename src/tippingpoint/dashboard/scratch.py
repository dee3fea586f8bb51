"""Files of a moment, in a folder that whoever started the server removes, however the server ends."""

import os
import tempfile

from tippingpoint.dashboard.job import SCRATCH


def scratch() -> "tempfile.TemporaryDirectory[str]":
    """A folder that is gone with its context; with the server, were it killed within."""
    return tempfile.TemporaryDirectory(prefix="tippingpoint-", dir=os.environ.get(SCRATCH))
