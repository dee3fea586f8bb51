"""Act on so many of every 1,000 users, those of highest score."""

from pydantic import Field

from tippingpoint.policies.top_fraction import Ranked


class Budget(Ranked):
    """A number of contacts per 1,000 users; the cut-off that keeps it is fixed on validation.

    Examples
    --------
    >>> Budget(per_1000=50).wanted
    0.05
    """

    name: str = Field(default="budget", min_length=1)
    per_1000: float = Field(default=100, gt=0, le=1000)

    @property
    def wanted(self) -> float:
        return self.per_1000 / 1000
