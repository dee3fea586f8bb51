"""Whether actions were assigned with the chances that are stated: how many got each, and who."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

HALF = 0.5
"""Weight of the fitted chances against the stated ones: no user can take more than this share of the evidence away."""
CERTAIN = 1e-12
"""A variance below this is 0: an action everybody gets for certain, or nobody."""


@dataclass(frozen=True)
class Ratio:
    """Counts of the K actions against their stated chances.

    Parameters
    ----------
    counts, expected
        (K,) users, or groups' users, that got each action, and that should have.
    statistic, freedom, p
        Of the chi-square test.
    """

    counts: np.ndarray
    expected: np.ndarray
    statistic: float
    freedom: int
    p: float


def sample_ratio(action: np.ndarray, chances: np.ndarray, group: np.ndarray | None = None) -> Ratio:
    """Test (n,) codes of actions against (n, K) stated chances.

    Counts of independent assignments have mean Σe and covariance Σ(diag e − eeᵀ); with one chance for all this is
    Pearson's chi-square. In groups that are assigned together the covariance is that of the groups' sums as they are
    observed.

    Parameters
    ----------
    group
        (n,) numbers from 0 of those assigned together; None: every user by themselves.
    """
    n, k = chances.shape
    taken = np.zeros((n, k))
    taken[np.arange(n), action] = 1
    apart = taken - chances
    if group is None:
        covariance = np.diag(chances.sum(axis=0)) - chances.T @ chances
    else:
        sums = np.stack([np.bincount(group, apart[:, j]) for j in range(k)], axis=1)
        covariance = sums.T @ sums
    return _ratio(taken.sum(axis=0), chances.sum(axis=0), covariance)


def ratio_of_counts(counts: np.ndarray, chances: np.ndarray) -> Ratio:
    """Test (K,) counts against (K,) chances that all users share: Pearson's chi-square, as `sample_ratio` has it."""
    n = counts.sum()
    return _ratio(counts.astype(np.float64), n * chances, n * (np.diag(chances) - np.outer(chances, chances)))


def _ratio(counts: np.ndarray, expected: np.ndarray, covariance: np.ndarray) -> Ratio:
    off = counts - expected
    values, vectors = np.linalg.eigh(covariance)
    kept = values > max(CERTAIN, 1e-9 * float(values.max(initial=0.0)))
    statistic = float((((off @ vectors)[kept] ** 2) / values[kept]).sum())
    freedom = int(kept.sum())
    p = float(chi2.sf(statistic, freedom)) if freedom else 1.0
    return Ratio(counts, expected, statistic, freedom, p)


def log_e_value(
    action: np.ndarray,
    chances: np.ndarray,
    halves: tuple[np.ndarray, np.ndarray],
    fit: Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]],
) -> float:
    """Return the log of an e-value against "each action was drawn with its stated chance, whatever the features".

    For each half q is fitted on the other one, mixed with the stated chances e, and Π q(aᵢ)/e(aᵢ) taken: under the
    stated chances its mean is 1 whatever q is, so that it exceeds t with a chance of at most 1/t (Ville). The mean of
    both halves is an e-value again.

    Parameters
    ----------
    action, chances
        (n,) codes and (n, K) stated chances.
    halves
        Rows of either half.
    fit
        Takes rows; returns what gives (m, K) chances for m rows.

    References
    ----------
    Grünwald, de Heide & Koolen (2024): Safe testing. J. R. Stat. Soc. B 86. Pandeva et al. (2024): E-valuating
    classifier two-sample tests. TMLR.
    """
    found = []
    for learn, held in (halves, halves[::-1]):
        rows = np.arange(len(held)), action[held]
        stated = chances[held][rows]
        fitted = fit(learn)(held)[rows]
        found.append(float(np.log(HALF + (1 - HALF) * fitted / stated).sum()))
    return float(np.logaddexp(found[0], found[1]) - np.log(2))
