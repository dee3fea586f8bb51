"""Why a score is what it is, in the user's own columns: SHAP values, effects, coefficients, reasons, stability."""

from tippingpoint.explanation.effects import Effect, effects, interactions
from tippingpoint.explanation.line import coefficients
from tippingpoint.explanation.partner import ranks, strongest_partner
from tippingpoint.explanation.reasons import CAVEAT, Move, Typical, shown, typical_table, typical_users, what_moves
from tippingpoint.explanation.stability import Stability, stability
from tippingpoint.explanation.values import Explanation, background_of, explain, raw_columns

__all__ = [
    "CAVEAT",
    "Effect",
    "Explanation",
    "Move",
    "Stability",
    "Typical",
    "background_of",
    "coefficients",
    "effects",
    "explain",
    "interactions",
    "ranks",
    "raw_columns",
    "shown",
    "stability",
    "strongest_partner",
    "typical_table",
    "typical_users",
    "what_moves",
]
