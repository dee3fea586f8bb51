"""Users made of raw events: sources, exports of Mixpanel and Stripe, the SQL of features."""

from tippingpoint.data.events.source import Events

__all__ = ["Events"]
