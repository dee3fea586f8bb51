"""`python -m tippingpoint.dashboard`: Streamlit over the pages, which load what they need while it starts."""

import gc
import sys
import threading
from importlib import import_module
from pathlib import Path

from streamlit.web import cli


def main() -> None:
    """Serve with Streamlit's own options; nobody's first visit waits for what the server can do before it."""
    threading.Thread(target=_load, daemon=True).start()
    sys.argv = ["streamlit", "run", str(Path(__file__).with_name("app.py")), *sys.argv[1:]]
    cli.main()


def _load() -> None:
    import_module("tippingpoint.dashboard.state").load()
    gc.freeze()  # what stays for good is not gone through again and again while people click


if __name__ == "__main__":
    main()
