"""`tippingpoint ui`: serve the store's pages and print the link."""

from dataclasses import dataclass
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from tippingpoint.errors import OutsideError
from tippingpoint.settings import Serve
from tippingpoint.tracking import backend


@dataclass(frozen=True)
class UiResult:
    """Where the pages were."""

    page: str

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"page": self.page}

    def render(self) -> RenderableType:
        """One line."""
        return Text(self.page)


def ui(settings: Serve) -> UiResult:
    """Serve the store of the working folder until interrupted; a store that is a server is only linked to.

    Raises
    ------
    OutsideError
        When the store cannot be used, or the port is taken.
    """
    backend.connect()
    page = backend.page("experiments", settings.host, settings.port)
    if not backend.is_server():
        Console(stderr=True).print(f"MLflow: {page}   (Ctrl-C stops it)", highlight=False, soft_wrap=True)
        code = backend.serve(settings.host, settings.port)
        if code > 0:
            raise OutsideError("mlflow ui", f"ended with code {code}", "Is the port taken? Type port=5001.")
    return UiResult(page)
