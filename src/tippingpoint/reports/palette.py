"""Colours that survive colour-blindness (Okabe & Ito 2008); one family has one colour everywhere."""

COLOURS = ("#0072B2", "#009E73", "#D55E00", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
FAMILIES = {"logistic": COLOURS[0], "random_forest": COLOURS[1], "boosting": COLOURS[2]}
GREY = "#666666"
UP, DOWN = COLOURS[2], COLOURS[0]
"""What raises a score, and what lowers it."""


def colour(family: str) -> str:
    """A family's colour; families of the user's own get one of the rest, always the same."""
    rest = COLOURS[len(FAMILIES) :]
    return FAMILIES.get(family) or rest[sum(map(ord, family)) % len(rest)]
