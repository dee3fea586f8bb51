"""To come."""

import streamlit as st


def page() -> None:
    """To come."""
    st.title("over_time")
