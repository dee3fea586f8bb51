"""ROC, PR and gains curves with bands, lift by decile, and confusion at a policy's cuts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tippingpoint.evaluation.association import wilson
from tippingpoint.evaluation.metrics import reliability
from tippingpoint.offpolicy.statistics import LEVEL

GRID = np.linspace(0, 1, 101)
REPLICATES = 200
CELLS = 1000
SECTION = "curve/"
"""What the names of curves logged as metric steps begin with."""
SECTIONS = (SECTION, "roc/", "pr/", "gains/", "lift/", "calibration/", "learning/")
"""And what they began with in stores of before."""


@dataclass(frozen=True)
class Curve:
    """A curve over whole per cents of its x axis, with a pointwise 95 % band.

    Parameters
    ----------
    value, low, high
        (101,) at x = 0, 1 %, …, 100 %.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Curves:
    """How scores rank users.

    Parameters
    ----------
    roc
        True positive rate over false positive rate.
    pr
        Precision over recall.
    gains
        Share of all outcomes over the share of users taken from the highest score down.
    """

    roc: Curve
    pr: Curve
    gains: Curve


def curves(outcome: np.ndarray, score: np.ndarray, rng: np.random.Generator, group: np.ndarray | None = None) -> Curves:
    """The three curves of (n,) scores against (n,) 0/1 outcomes, with bands of 200 bootstrap replicates.

    Users of equal score are never apart: between two scores the curves go straight in users and outcomes, which is
    the mean over the orders that ties may come in. Replicates are drawn of at most 1,000 score cells, so that they
    take the same time for any number of users; in a picture that cannot be seen. With (n,) numbers of groups these are
    drawn whole.
    """
    distinct, cell = np.unique(-score, return_inverse=True)
    counts = np.stack([np.bincount(cell[outcome == y], minlength=len(distinct)) for y in (0, 1)])
    exact = _curves(counts[None].astype(np.float64))
    if len(distinct) > CELLS:
        edge = np.searchsorted(np.cumsum(counts.sum(axis=0)), np.arange(CELLS) * len(score) / CELLS, side="right")
        starts = np.unique(edge)
        counts, cell = np.add.reduceat(counts, starts, axis=1), np.searchsorted(starts, cell, side="right") - 1
    if group is None:
        drawn = rng.multinomial(len(score), counts.ravel() / len(score), REPLICATES).reshape(REPLICATES, *counts.shape)
    else:
        drawn = _drawn_by_group(outcome * counts.shape[1] + cell, counts.shape, group, rng)
    both = (drawn.sum(axis=2) > 0).all(axis=1)
    ends = np.quantile(_curves(drawn[both].astype(np.float64)), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return Curves(*(Curve(exact[0, k], ends[0, k], ends[1, k]) for k in range(3)))


def _drawn_by_group(
    place: np.ndarray, shape: tuple[int, ...], group: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """(replicates, 2, cells) counts of users whose groups are drawn with replacement, from their (n,) places there."""
    size = int(group.max()) + 1
    drawn = (np.bincount(rng.integers(size, size=size), minlength=size)[group] for _ in range(REPLICATES))
    return np.stack([np.bincount(place, weight, shape[0] * shape[1]).reshape(shape) for weight in drawn])


def _curves(counts: np.ndarray) -> np.ndarray:
    """(replicates, 3, 101) curves of (replicates, 2, groups) users by outcome and falling score."""
    found = np.empty((len(counts), 3, len(GRID)))
    for r, (others, hits) in enumerate(np.concatenate([np.zeros((len(counts), 2, 1)), counts], axis=2)):
        false, true = np.cumsum(others), np.cumsum(hits)
        users = false + true
        found[r, 0] = _upper(GRID, false / false[-1], true / true[-1])
        at = np.interp(GRID, true / true[-1], users)
        found[r, 1] = np.divide(GRID * true[-1], at, out=np.full(len(GRID), np.nan), where=at > 0)
        found[r, 1, 0] = found[r, 1, 1]  # of nobody there is no precision
        found[r, 2] = np.interp(GRID, users / users[-1], true / true[-1])
    return found


def _upper(x: np.ndarray, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """Interpolation of a rising curve that may climb straight up: there the upper end counts."""
    last = np.append(np.diff(xs) > 0, True)
    return np.interp(x, xs[last], ys[last])


def deciles(outcome: np.ndarray, score: np.ndarray, parts: int = 10) -> pd.DataFrame:
    """Users in ten parts of equal size, the highest scores first.

    Returns
    -------
    pandas.DataFrame
        `decile`, `users`, `outcomes`, `mean_score`; `rate`, `lift` (over the rate of all), `captured` (share of all
        outcomes so far), each with its interval (Wilson's; for lift the rate of all counts as known, and of the last
        tenth nothing is left to capture, which needs none). Outcomes of
        users of equal score on both sides of an edge are shared out, so they need be no whole numbers.
    """
    order = np.argsort(-score, kind="stable")
    _, group = np.unique(-score, return_inverse=True)
    rate = (np.bincount(group, outcome) / np.bincount(group))[group][order]  # of all users of that score
    pieces = [piece for piece in np.array_split(np.arange(len(score)), parts) if len(piece)]
    users = np.array([len(piece) for piece in pieces])
    outcomes = np.array([rate[piece].sum() for piece in pieces])
    captured, total = np.cumsum(outcomes), outcomes.sum()
    table = pd.DataFrame(
        {
            "decile": np.arange(1, len(pieces) + 1),
            "users": users,
            "outcomes": outcomes,
            "mean_score": [score[order[piece]].mean() for piece in pieces],
        }
    )
    of = {
        "rate": (outcomes, users, 1.0),
        "lift": (outcomes, users, total / len(score)),
        "captured": (captured, total, 1),
    }
    for name, (part, whole, unit) in of.items():
        low, high = wilson(part, whole)
        table[name], table[f"{name}_low"], table[f"{name}_high"] = part / whole / unit, low / unit, high / unit
    table.loc[len(table) - 1, ["captured_low", "captured_high"]] = np.nan
    return table


def confusion(
    outcome: np.ndarray, code: np.ndarray, segments: Sequence[str], cuts: Sequence[float] | None
) -> pd.DataFrame:
    """Right and wrong at a policy's cuts; of a policy that is no bands, outcomes by segment.

    Parameters
    ----------
    code
        (n,) segment of each user.
    cuts
        The score between each segment and the next; None where segments do not follow the score.

    Returns
    -------
    pandas.DataFrame
        With cuts, one row for each: `cut`, `from` (the segment above it), `tp`, `fp`, `fn`, `tn` where the users
        above count as predicted, `precision` and `recall` with Wilson's intervals. Without, one row a segment:
        `segment`, `users`, `outcomes`, and `precision` (its outcome rate) and `recall` (its share of all outcomes).
    """
    hit = outcome == 1
    if cuts is None:
        users = np.bincount(code, minlength=len(segments))
        tp = np.bincount(code[hit], minlength=len(segments))
        table = pd.DataFrame({"segment": list(segments), "users": users, "outcomes": tp})
    else:
        above = code[None] >= np.arange(1, len(segments))[:, None]
        tp, fp = (above & hit).sum(axis=1), (above & ~hit).sum(axis=1)
        users, fn = tp + fp, int(hit.sum()) - tp
        table = pd.DataFrame({"cut": list(cuts), "from": list(segments[1:]), "tp": tp, "fp": fp, "fn": fn})
        table["tn"] = int((~hit).sum()) - fp
    for name, whole in (("precision", users), ("recall", np.full(len(tp), hit.sum()))):
        with np.errstate(divide="ignore", invalid="ignore"):
            low, high = wilson(tp, whole)
            table[name], table[f"{name}_low"], table[f"{name}_high"] = tp / whole, low, high
    return table


def steps(
    outcome: np.ndarray, score: np.ndarray, found: Curves, by_decile: pd.DataFrame
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The curves as metric steps that overlay between runs: at most 101 each, in whole per cents of the x axis.

    `curve/calibration/rate` alone is over permille of the mean score: where outcomes are rare its ten bins would
    share a few per cents.
    """
    percent = np.arange(101)
    mean, outcomes, users = reliability(outcome, score)
    return {
        f"{SECTION}roc/tpr": (percent, found.roc.value),
        f"{SECTION}pr/precision": (percent[1:], found.pr.value[1:]),
        f"{SECTION}gains/captured": (percent, found.gains.value),
        f"{SECTION}lift/decile": (10 * by_decile["decile"].to_numpy(), by_decile["lift"].to_numpy()),
        f"{SECTION}calibration/rate": (np.round(1000 * mean).astype(int), outcomes / users),
    }
