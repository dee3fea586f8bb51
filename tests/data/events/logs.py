"""Event logs, drawn and by hand."""

from typing import Any

import polars as pl

from tippingpoint.config.compose import compose
from tippingpoint.core.strict import Component
from tippingpoint.data.events.exports import PAYMENTS, PRODUCT
from tippingpoint.data.events.features import Definition, Vocabulary
from tippingpoint.data.generators.event_log import EventLog

HOUR, DAY = 3_600, 86_400
T0 = 1_700_000_000
WORDS = Vocabulary(sign_up="Sign Up", exposure=None, counted={"signins": "Sign In", "pricing_pages": "Pricing"})
ASKED = Definition("conversion", 7, 30, WORDS, until=T0 + 400 * DAY)


def log(**settings: Any) -> EventLog:
    overrides = ["data=event_log", *(f"data.{key}={value}" for key, value in settings.items())]
    node = Component.model_validate(dict(compose("run", overrides).data))
    return node.build(EventLog, "data")


def did(who: str, event: str, at: float, **further: Any) -> dict[str, Any]:
    """One product event; `at` in seconds after T0, received at once."""
    time = T0 + int(at)
    return {"distinct_id": who, "event": event, "time": time, "received": time, "insert_id": None, **further}


def paid(customer: str, kind: str, at: float, **further: Any) -> dict[str, Any]:
    return {"customer": customer, "type": kind, "created": T0 + int(at), **further}


def tables(product: list[dict[str, Any]], payments: list[dict[str, Any]] = ()) -> dict[str, pl.DataFrame]:
    product = [{**row, "insert_id": row["insert_id"] or f"i{k}"} for k, row in enumerate(product)]
    payments = [{"event_id": f"e{k}", **row} for k, row in enumerate(payments)]
    return {
        "product_events": pl.DataFrame(product, schema=PRODUCT),
        "payment_events": pl.DataFrame(payments, schema=PAYMENTS),
    }


SIGNED_UP = did("ann", "Sign Up", 0, platform="web", country="DE")
