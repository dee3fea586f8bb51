"""How sure a look at a test table must be, so that many looks are together as sure as one."""

import numpy as np
from scipy.stats import norm


def level(look: int, alpha: float) -> float:
    """One-sided level of the k-th look, alpha / (k(k + 1)): over all looks there may ever be they sum to alpha.

    The first look at alpha = 0.05 has 0.025, the lower end of a plain 95 % interval; the tenth 0.00045.

    >>> [round(level(k, 0.05), 5) for k in (1, 2, 10)]
    [0.025, 0.00833, 0.00045]
    """
    return alpha / (look * (look + 1))


def critical(one_sided: float) -> float:
    """z that a normal estimate exceeds with that chance."""
    return float(norm.isf(one_sided))


def power(difference: float, se: float, one_sided: float) -> float:
    """Chance that a true difference is found to be above 0, when its estimate has this standard error.

    >>> round(power(0.02, 0.01, 0.025), 3)
    0.516
    """
    if se <= 0:
        return 1.0 if difference > 0 else 0.0
    return float(norm.sf(critical(one_sided) - difference / se))


def ends(value: float, se: float, one_sided: float) -> tuple[float, float]:
    """Both one-sided bounds of a normal estimate."""
    half = critical(one_sided) * se
    return float(value - half), float(value + half)


def fewest(outcome: np.ndarray) -> int:
    """Users of the rarer outcome."""
    return int(np.bincount(outcome, minlength=2).min())
