"""To come."""

import streamlit as st


def page() -> None:
    """To come."""
    st.title("registry")
