"""Addresses of pages that others see."""

import mlflow
import pytest

from tippingpoint.tracking import backend


@pytest.mark.parametrize("store", ["https://ann:secret@host:5000", "https://ann@host:5000/", "https://host:5000"])
def test_a_link_holds_nobodys_password(store, monkeypatch):
    monkeypatch.setattr(mlflow, "get_tracking_uri", lambda: store)
    assert backend.page("models/a@b/versions/1").startswith("https://host:5000/#/models/a@b/versions/1?")
