"""Users made of raw events: sources, exports of Mixpanel and Stripe, the SQL of features.

`source.Events` is the source, `mixpanel` and `stripe` read exports into the two tables of `exports`, `features` makes
users of them with the `*.sql` files that `sql` reads, `funnel` counts how many get how far.
"""

from tippingpoint.data.events.source import Events

__all__ = ["Events"]
