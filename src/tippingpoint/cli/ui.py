"""`tippingpoint ui`: serve the store's pages and print the link."""

from tippingpoint.config.settings import Serve
from tippingpoint.reports.web_server import PagesResult, serve_pages
from tippingpoint.tracking import backend


def ui(settings: Serve) -> PagesResult:
    """Serve the store of the working folder until interrupted; a store that is a server is only linked to.

    Raises
    ------
    OutsideError
        When the store cannot be used, or the port is taken.
    """
    backend.connect()
    page = backend.page("experiments", settings.host, settings.port)
    if backend.is_server():
        return PagesResult(page)
    return serve_pages("MLflow", page, settings.host, settings.port, *backend.server(settings.host, settings.port))
