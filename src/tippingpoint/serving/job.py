"""`tippingpoint serve`: the champion over HTTP."""

import os
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from tippingpoint.core.errors import InputError
from tippingpoint.core.installed import lacking
from tippingpoint.reports.result import Result
from tippingpoint.reports.web_server import by_others
from tippingpoint.serving.place import counted_together
from tippingpoint.serving.settings import ServeSettings

KEY = "TIPPINGPOINT_API_KEY"


@dataclass(frozen=True, repr=False)
class ServeResult(Result):
    """What was served last, and how much."""

    model: str
    requests: int

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"model": self.model, "requests": self.requests}

    def render(self) -> RenderableType:
        """One line."""
        return Text(f"stopped; {self.requests:,} requests answered, the last version was {self.model}")


def serve(settings: ServeSettings) -> ServeResult:
    """Serve a version, by default the champion, until stopped; a new champion takes over.

    Raises
    ------
    InputError
        When there is no such version, it cannot be served, or others could reach the service without a key.
    OutsideError
        When the store cannot be used, or the port is taken.
    """
    key = os.environ.get(KEY, "")
    if by_others(settings.host) and not key:
        what = f"{settings.host} can be reached by others, and no key is asked for"
        raise InputError("host", what, f"Set {KEY} in the environment, or type host=127.0.0.1.")
    try:
        if settings.workers > 1:
            with counted_together():
                from tippingpoint.serving.workers import run_workers

                return ServeResult(*run_workers(settings, key))
        from tippingpoint.serving.service import run
    except ModuleNotFoundError as error:
        raise lacking("tippingpoint serve", error, own="serve") or error from error
    return ServeResult(*run(settings, key))
