"""One version as it is served: compiled, held against its own pipeline, warmed."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV

from tippingpoint.core.errors import InputError
from tippingpoint.data.model_output import effects
from tippingpoint.decisions import Decided, Decider, Deployment
from tippingpoint.decisions.deployment import refuse_day
from tippingpoint.decisions.drift import UNSEEN
from tippingpoint.decisions.randomization import Randomization
from tippingpoint.decisions.reasons import Reasons
from tippingpoint.explanation import CAVEAT, Move, what_moves
from tippingpoint.explanation.reasons import REASONS
from tippingpoint.models.calibration import Model, pipeline_of
from tippingpoint.models.effect_table import Columns
from tippingpoint.models.family import Family
from tippingpoint.serving.compiled_pipeline import EQUAL, CannotCompileError, Scorer, compiled, gap
from tippingpoint.serving.openapi import document, example_user
from tippingpoint.serving.request import Given, Reader

ROWS = 256
NO_FEATURES = pd.DataFrame()
Json = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """How much one request may ask for.

    Parameters
    ----------
    users, explained
        Users to score, and to explain.
    body
        Bytes.
    """

    users: int
    explained: int
    body: int


@dataclass(frozen=True)
class Served:
    """A version that answers.

    Parameters
    ----------
    name, version
        As registered.
    scorer
        The compiled pipeline; None where it is not equal, or cannot be compiled: then the pipeline itself scores.
    slow
        Why there is none.
    exploration
        Which users get a random action; None: none do.
    """

    name: str
    version: str
    policy_digest: str
    decider: Decider
    model: Model
    reader: Reader
    scorer: Scorer | None
    slow: str
    reasons: Reasons
    background: pd.DataFrame
    openapi: Json
    exploration: Randomization | None = None

    @property
    def reference(self) -> str:
        """`models:/conversion/3`."""
        return f"models:/{self.name}/{self.version}"

    def head(self) -> Json:
        """What every answer carries."""
        dated = {"as_of": self.reader.as_of.date().isoformat()} if self.decider.deployment.dated else {}
        return {"model": self.reference, "policy_digest": self.policy_digest, **dated}

    def decide(self, users: list[Json]) -> Json:
        """The answer to users who ask for decisions.

        Raises
        ------
        RefusedUsersError
            Where they break the contract.
        """
        return {**self.head(), "decisions": self._decided(self.reader.read(users))}

    def explain(self, users: list[Json]) -> Json:
        """The same with the largest SHAP values, and the least change of one column that moves each user."""
        given = self.reader.read(users)
        frame, decided = self.reader.frame(given), self._decided(given)
        values, space = self.reasons.values(frame)
        found = []
        for i, decision in enumerate(decided):
            largest = np.abs(values[i]).argsort(kind="stable")[::-1][:REASONS]
            reasons = [
                {"column": c, "value": _plain(frame[c].iloc[i]), "contribution": float(values[i, j])}
                for j, c in ((j, list(self.reasons.columns)[j]) for j in largest)
            ]
            own = {"reasons": reasons, "contributions_are_in": space}
            change = self._least_change(frame.iloc[[i]].reset_index(drop=True), decision["segment"])
            found.append({**decision, **own, "least_change": change, "caveat": CAVEAT})
        return {**self.head(), "explanations": found}

    def _decided(self, given: Given) -> list[Json]:
        policy, deployment = self.decider.policy, self.decider.deployment
        # Segments that follow the score alone need no table of users, which costs more than all else.
        frame = self.reader.frame(given) if self.scorer is None or policy.score_cuts is None else NO_FEATURES
        found = (
            self.decider.output(frame) if self.scorer is None else self.scorer.score(given.numbers, given.categories)
        )
        columns: dict[str, Any] = {name: given.numbers[:, j] for j, name in enumerate(self.reader.numbers)}
        columns |= dict(zip(self.reader.categories, given.categories, strict=True))
        decided = self.decider.act(found, frame, columns=columns)
        ids = given.ids if given.ids is not None else [None] * len(found)
        effects = self._effects(found, columns, decided.segment) if found.ndim == 2 else [{}] * len(found)
        if self.exploration is not None and given.ids is not None:
            decided, drawn = self._drawn(self.exploration, given.ids, decided, columns)
            effects = [{**more, **of} for more, of in zip(effects, drawn, strict=True)]
        if deployment.tells_gains:
            effects = [
                {"expected_gain": _plain(gain), **more}
                for gain, more in zip(decided.gain.tolist(), effects, strict=True)
            ]
        of = decided.score, decided.segment, decided.action, decided.value
        rows = zip(ids, *(column.tolist() for column in of), effects, strict=True)
        segments, actions, own = policy.segments, deployment.actions, deployment.terms.id
        return [
            {
                **({own: user} if own is not None else {}),
                "propensity_score": chance,
                "segment": segments[segment],
                "action": actions[action],
                "expected_value": value if value == value else None,
                **more,
            }
            for user, chance, segment, action, value, more in rows
        ]

    def _drawn(
        self, exploration: Randomization, ids: list[str | None], decided: Decided, columns: Columns
    ) -> tuple[Decided, list[Json]]:
        """The same with random actions for a share of users, and what each answer says of that."""
        actions = self.decider.deployment.actions
        named = np.array([str(user).strip() for user in ids], dtype=object)
        taken, explored = exploration.draw(named, decided.action)
        value, gain = decided.value, decided.gain
        if explored.any():
            value, gain = self.decider.expected(decided.found, columns, decided.segment, taken)
        chance = exploration.chances(decided.action, len(actions))[np.arange(len(taken)), taken]
        own = zip(explored.tolist(), decided.action.tolist(), chance.tolist(), strict=True)
        told = [{"explored": e, "policy_action": actions[a], "logging_probability": c} for e, a, c in own]
        return replace(decided, action=taken, value=value, gain=gain), told

    def _effects(self, found: np.ndarray, columns: Columns, segment: np.ndarray) -> list[Json]:
        """What each action but none adds to the chance of the outcome, and in money over none; null where not known."""
        gained, added = self.decider.deployment.gains(found, columns), effects(found)
        gained[self.decider.withheld(segment)] = np.nan
        actions = self.decider.deployment.actions
        return [
            {
                "effects": {
                    action: {"effect": float(added[i, k]), "gain": _plain(gained[i, k])}
                    for k, action in enumerate(actions)
                    if k
                }
            }
            for i in range(len(found))
        ]

    def _least_change(self, user: pd.DataFrame, segment: str) -> Json | None:
        policy = self.decider.policy
        moves: list[tuple[Move, str]] = []
        for code, other in enumerate(policy.segments):
            if other == segment:
                continue
            move = what_moves(self.model, user, self.background, policy.assign, code)
            if move is not None:
                moves.append((move, other))
        if not moves:
            return None
        move, other = min(moves, key=lambda found: found[0].size)
        return {
            "column": move.column,
            "before": _plain(move.before),
            "after": _plain(move.after),
            "segment": other,
            "propensity_score": move.score,
            "share_passed": move.size,
        }


def serve_version(
    name: str,
    version: str,
    policy_digest: str,
    decider: Decider,
    family: Family,
    limits: Limits,
    key: bool,
    day: datetime | None = None,
    exploration: Randomization | None = None,
    by_id: bool = False,
) -> Served:
    """Compile a version, hold it against its pipeline on users at the edges of its contract, and let it answer once.

    Parameters
    ----------
    day
        What times are counted to, where no column says it; None: the day of each request, UTC.
    exploration
        Which users get a random action; None: none do.
    by_id
        Whether decisions go by ids: every user must have one.

    Raises
    ------
    InputError
        When it cannot answer, or its users may have no id where one is needed.
    """
    deployment, columns = decider.deployment, decider.columns
    if day is not None:
        refuse_day(deployment)
    users = edge_users(deployment, columns)
    reader = Reader(deployment.terms, columns, None if deployment.dated else deployment.as_of, day)
    if (by_id or exploration) and not any(field.is_id and not field.spec.missing for field in reader.fields):
        what = "its contract asks for no id, by which decisions are drawn and found again"
        raise InputError(
            f"models:/{name}/{version}",
            what,
            "Type holdout=0 log=null, without split; or fit it on users that have an id.",
        )
    scorer, slow = _scorer(decider, users, reader)
    calibration = "sigmoid" if isinstance(decider.classifier, CalibratedClassifierCV) else "none"
    model = Model(family, decider.classifier, pipeline_of(decider.classifier), calibration, actions=decider.of_effects)
    of = f"models:/{name}/{version}", deployment, decider.policy.segments, limits.users, limits.explained, key
    openapi = document(*of, decider.of_effects, exploration is not None)
    background = deployment.reference.drawn(columns)
    reasons = Reasons.of(family, decider)
    served = Served(
        name, version, policy_digest, decider, model, reader, scorer, slow, reasons, background, openapi, exploration
    )
    example = example_user(deployment)
    (answer,) = served.explain([example])["explanations"]
    if not 0 <= answer["propensity_score"] <= 1:
        raise InputError(served.reference, f"scores its example {answer['propensity_score']}", "Look at its run.")
    return served


def edge_users(deployment: Deployment, columns: dict[str, str]) -> pd.DataFrame:
    """256 users where a mistake would show: bounds, quantiles, zeros, missing values, unseen categories, and all so."""
    rng = np.random.default_rng(0)
    found: dict[str, Any] = {}
    for name, kind in columns.items():
        terms, reference = deployment.terms.columns[name], deployment.reference
        if kind == "number":
            bounds = [b for b in (terms.min, terms.max, terms.typical) if isinstance(b, float)]
            edges = reference.edges.get(name, [])
            spread = rng.normal(np.mean(edges) if edges else 0, 1 + np.std(edges) if edges else 1, 20)
            values = np.array([*bounds, *edges, *np.nextafter(edges, np.inf), *spread, 0.0, -1.0, np.nan])
            found[name] = np.append(np.nan, rng.choice(values, ROWS - 1))
        else:
            seen = [*(terms.values or []), *reference.categories.get(name, []), UNSEEN, None]
            drawn = [seen[i] for i in rng.integers(0, len(seen), ROWS)]
            found[name] = pd.Series([None, UNSEEN, *drawn[2:]], dtype="str")
    return pd.DataFrame(found)


def _scorer(decider: Decider, users: pd.DataFrame, reader: Reader) -> tuple[Scorer | None, str]:
    if decider.of_effects:
        return None, "it predicts effects"
    try:
        scorer = compiled(decider.classifier)
    except CannotCompileError as error:
        return None, str(error)
    apart = gap(scorer, decider.classifier, users, reader.numbers, reader.categories)
    return (scorer, "") if apart <= EQUAL else (None, f"the compiled scores differ by {apart:.1e}")


def _plain(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else float(value)
    return None if value is None or value is pd.NA else str(value)
