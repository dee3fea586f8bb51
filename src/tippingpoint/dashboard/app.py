"""What `tippingpoint dashboard` has Streamlit run: says that it starts, then shows the pages."""

from importlib import import_module

import numpy as np
import streamlit as st
from PIL import Image

from tippingpoint.dashboard import login
from tippingpoint.reports.palette import COLOURS

PAGES = "tippingpoint.dashboard.pages"


def main() -> None:
    """Show the chosen page, once somebody is logged in where that is asked; until all is loaded, say that it loads."""
    st.set_page_config("tippingpoint", _icon(), layout="wide")
    if not login.passed():
        return
    with st.spinner("Starting: the first visit waits some seconds for what decides"):
        pages = import_module(PAGES)
    pages.main()


def _icon() -> Image.Image:
    """A tipping point: below the line one colour, above it another."""
    low, high = (np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.uint8) for c in (COLOURS[0], COLOURS[2]))
    line = np.add.outer(np.arange(32), np.arange(32)) < 32
    return Image.fromarray(np.where(line[..., None], low, high))


if __name__ == "__main__":
    main()
