"""Sufficient statistics of a simulation: all that any price needs, small, without a single user."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy.cells import Cells, gather
from tippingpoint.offpolicy.evidence import Evidence, Log
from tippingpoint.offpolicy.support import Support

VERSION, WITHOUT_SUPPORT = 4, 3
"""Of the saved form, and of the one before, which is read where no log is behind it: it knew no expected outcomes."""


PARTS = ("validation", "test")
LOG = ("phi", "w", "wy", "p")
"""Blocks of a log's cells, as `estimators.estimates` reads them."""
PAIR = " · "
"""Between a model and a policy, in the name of a contestant."""
MONEY = "money"
"""The block of columns of value at per-user prices."""
Measures = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class ScoreCells:
    """Score cells of one model, on one grid."""

    validation: Cells
    test: Cells


@dataclass(frozen=True)
class Joint:
    """Users by what all contestants decide for them.

    Parameters
    ----------
    cells
        One cell a combination of decisions that occurs.
    decisions
        For each contestant (cells,) action codes.
    log
        The same cells with what every estimator of a policy's value reads; None where nothing was logged.
    """

    cells: Cells
    decisions: dict[str, np.ndarray]
    log: Cells | None = None


@dataclass(frozen=True)
class SufficientStatistics:
    """What one pass over users leaves.

    Parameters
    ----------
    about
        JSON: question, outcome, good, origin, digest, kind, findings, vetoed codes, actions, economics, response,
        users, models, policies, blocks, cuts, seed, excluded actions; what the numbers are about. Decisions rest on
        `economics`; `prices` and what else was `asked` are the last ones.
    scored
        By model along its score; by `model · policy` along what a policy's cut-offs compare, where that is an effect.
    validation, test
        Joint cells of either part; contestants are `model · policy`, `best_action`, and, where truth is known,
        `oracle`.
    segments
        One row a model, policy and segment, all but money...
    segment_cells
        ...and the users of each, as one cell a row of `segments`.
    tables
        Tables that no price changes: ranking, movement, evidence, clusters…
    """

    about: dict[str, Any]
    scored: dict[str, ScoreCells]
    validation: Joint
    test: Joint
    segments: pd.DataFrame
    segment_cells: Cells
    tables: dict[str, pd.DataFrame]

    def along(self, model: str, policy: str) -> ScoreCells:
        """Cells along what a policy's cut-offs compare."""
        return self.scored.get(f"{model}{PAIR}{policy}") or self.scored[model]

    def dump(self) -> bytes:
        """As a compressed npz without pickled objects."""
        arrays = _arrays("segments", self.segment_cells)
        for k, scored in enumerate(self.scored.values()):
            arrays |= {f"scored/{k}/cuts": scored.test.cuts}
            arrays |= _arrays(f"scored/{k}/validation", scored.validation) | _arrays(f"scored/{k}/test", scored.test)
        for part, joint in {"validation": self.validation, "test": self.test}.items():
            arrays |= _arrays(part, joint.cells)
            arrays[f"{part}/decisions"] = np.stack(list(joint.decisions.values()))
            arrays |= {} if joint.log is None else _arrays(f"{part}/log", joint.log)
        tables = {name: table.to_dict("split") for name, table in {**self.tables, "segments": self.segments}.items()}
        text = {
            "version": VERSION,
            "about": self.about,
            "models": list(self.scored),
            "contestants": list(self.test.decisions),
            "tables": tables,
        }
        encoded = np.frombuffer(json.dumps(text, default=float).encode(), dtype=np.uint8)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, text=encoded, **arrays)
        return buffer.getvalue()

    @classmethod
    def load(cls, data: bytes) -> "SufficientStatistics":
        """What `dump` wrote.

        Raises
        ------
        InputError
            When it is not that, or of another version.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in arrays.files}
            text = json.loads(found["text"].tobytes())
            about = {"vetoed": [], "findings": [], "accepted": {}} | text["about"]
            if text["version"] not in (VERSION, *([WITHOUT_SUPPORT] if about["kind"] in ("truth", "assumed") else [])):
                raise ValueError(f"version {text['version']}, not {VERSION}")

            def cells(where: str, cuts: np.ndarray | None = None, blocks: Sequence[str] | None = None) -> Cells:
                gram, support = found[f"{where}/gram" if f"{where}/gram" in found else where], f"{where}/support/"
                edges = np.arange(len(gram) - 1) + 0.5 if cuts is None else cuts
                there = {name.removeprefix(support): Support(found[name]) for name in found if name.startswith(support)}
                together, groups = found.get(f"{where}/together"), int(found.get(f"{where}/groups", 0))
                names, vetoed = tuple(blocks or about["blocks"]), tuple(about.get("vetoed", ()))
                return Cells(about["kind"], edges, len(about["actions"]), names, gram, there, together, groups, vetoed)

            scored = {
                model: ScoreCells(*(cells(f"scored/{k}/{p}", found[f"scored/{k}/cuts"]) for p in PARTS))
                for k, model in enumerate(text["models"])
            }
            joint = {
                p: Joint(
                    cells(p),
                    dict(zip(text["contestants"], found[f"{p}/decisions"], strict=True)),
                    cells(f"{p}/log", blocks=LOG) if f"{p}/log/gram" in found else None,
                )
                for p in PARTS
            }
            tables = {name: pd.DataFrame(t["data"], t["index"], t["columns"]) for name, t in text["tables"].items()}
            segments = tables.pop("segments")
        except (KeyError, ValueError, OSError) as error:
            raise InputError("models", f"the saved statistics cannot be read ({error})", "Simulate again.") from error
        return cls(about, scored, joint["validation"], joint["test"], segments, cells("segments"), tables)


def _arrays(where: str, cells: Cells) -> dict[str, np.ndarray]:
    """What is saved of cells, by name."""
    support = {f"{where}/support/{block}": of.moments for block, of in cells.support.items()}
    groups = {} if cells.together is None else {f"{where}/together": cells.together, f"{where}/groups": cells.groups}
    return {f"{where}/gram": cells.gram} | support | {name: np.asarray(of) for name, of in groups.items()}


def join(
    decisions: dict[str, np.ndarray],
    evidence: Evidence,
    measures: Measures | None = None,
    log: Measures | None = None,
) -> Joint:
    """Gather users by the combination of decisions, and by which actions' chances they lack (`Support`).

    Parameters
    ----------
    decisions
        (n,) action codes for each contestant.
    measures
        As in `gather`.
    log
        The blocks `LOG` of the same users, (n, K) each, where other estimators are wanted.
    """
    code = np.zeros(len(evidence.outcome_scores), dtype=np.int64)
    for decided in (*decisions.values(), *_lacking(evidence)):  # numbered anew after each, so that codes stay small
        _, code = np.unique(code * evidence.outcome_scores.shape[1] + decided, return_inverse=True)
    _, first = np.unique(code, return_index=True)
    cells = by_group(code, len(first), evidence, measures)
    padding = len(cells.count) - len(first)
    of_log = None
    if log is not None and evidence.group is None:  # over groups the other estimators' errors have no such sums
        scores, *others = LOG
        support = evidence.support.get(MONEY, evidence.support.get(scores))  # in money where prices are per user
        kept = {} if support is None else {scores: support}
        of_scores = replace(evidence, outcome_scores=log[scores], support=kept)
        of_log = by_group(code, len(first), of_scores, {name: log[name] for name in others})
    return Joint(cells, {name: np.pad(decided[first], (0, padding)) for name, decided in decisions.items()}, of_log)


def _lacking(evidence: Evidence) -> list[np.ndarray]:
    """(n,) 1 for users who lack the chance of an action, 0 for others; of each action that somebody lacks."""
    if not evidence.support:
        return []
    lacking = next(iter(evidence.support.values())).moments[2]  # the same in every block
    return [column.astype(np.int64) for column in lacking.T if column.any()]


def log_blocks(log: Log, keep: Sequence[int], reward_intercept: np.ndarray, reward_slope: np.ndarray) -> Measures:
    """What `join` takes of a log, (n, K) for the K actions that are kept, in units intercept + slope·outcome.

    Parameters
    ----------
    reward_intercept, reward_slope
        (K,) or (n, K): zeros and ones for outcomes; each user's own prices, which no line can add later.
    """
    assert log.predicted is not None
    w, predicted = log.weight[:, keep], reward_intercept + reward_slope * log.predicted[:, keep]
    wy = w * (reward_intercept + reward_slope * log.outcome[:, None])
    residual = wy - w * predicted  # 0 but for the action taken
    return {"phi": predicted + residual, "w": w, "wy": wy, "p": predicted}


def by_group(group: np.ndarray, groups: int, evidence: Evidence, measures: Measures | None = None) -> Cells:
    """One cell a group of users: (n,) numbers from 0; at least two cells, the last one maybe empty."""
    return gather(np.arange(max(groups, 2) - 1) + 0.5, group.astype(np.float64), evidence, measures)


def segment_cells(
    groups: Sequence[tuple[np.ndarray, int]], evidence: Evidence, measures: Measures | None = None
) -> Cells:
    """Cells of several groupings of the same users, one after the other: (n,) numbers from 0, and how many."""
    gathered = [by_group(group, size, evidence, measures) for group, size in groups]
    sizes, first = [size for _, size in groups], gathered[0]
    gram = np.concatenate([c.gram[:size] for c, size in zip(gathered, sizes, strict=True)])
    support = {
        block: Support(
            np.concatenate(
                [c.support[block].moments[:, :size] for c, size in zip(gathered, sizes, strict=True)], axis=1
            )
        )
        for block in first.support
    }
    together = None
    if first.together is not None:  # of one grouping each: no figure is of several
        width = gram.shape[1]
        together, start = np.zeros((len(gram), width, len(gram), width)), 0
        for c, size in zip(gathered, sizes, strict=True):
            assert c.together is not None
            own = slice(start, start + size)
            together[own, :, own] = c.together[:size, :, :size]
            start += size
    cuts = np.arange(len(gram) - 1) + 0.5
    return replace(first, cuts=cuts, gram=gram, support=support, together=together)
