"""What generated worlds share: users in blocks, ways of responding, logging policies, the best score."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from inspect import getfile
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field, field_validator, model_validator
from scipy.special import expit, softmax

from tippingpoint.core.foreign import of_ours
from tippingpoint.core.strict import StrictModel
from tippingpoint.data.contract import TableSchema, read_contract, shipped_contract
from tippingpoint.data.source import Source
from tippingpoint.data.users import FeatureSchema, Users

BLOCK = 16_384
"""Users drawn at a time. Block b has its own stream, so user i is the same whatever the size asked for."""


class Responses(StrictModel):
    """Shares of users by what an action does to them; they sum to 1."""

    base: ClassVar = np.array([0.0, 1.2, -1.2, 0.0])
    """Log-odds a way of responding adds whatever is done, in the order of the fields."""
    effect: ClassVar = np.array([1.0, 0.0, 0.0, -1.0])
    """What an action's strength is multiplied by."""

    persuadable: float = Field(default=0.35, gt=0, lt=1)
    sure_thing: float = Field(default=0.2, gt=0, lt=1)
    lost_cause: float = Field(default=0.35, gt=0, lt=1)
    sleeping_dog: float = Field(default=0.1, gt=0, lt=1)

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        if abs(sum(self.model_dump().values()) - 1) > 1e-6:
            raise ValueError("the shares must sum to 1")
        return self

    def fit(self, affinity: np.ndarray) -> np.ndarray:
        """Find the (4,) log-weights under which the mean of softmax(affinity + log-weights) is the shares.

        Parameters
        ----------
        affinity
            (n, 4) log-odds, in the order of the fields, that features speak for each way of responding.
        """
        shares = np.array(list(self.model_dump().values()))
        weight: np.ndarray = np.log(shares)
        for _ in range(50):  # iterative proportional fitting: each pass moves the means towards the shares
            weight = weight + np.log(shares / softmax(affinity + weight, axis=1).mean(axis=0))
        return weight


class Logging(StrictModel):
    """How the logged action came to be taken."""

    kind: Literal["randomised", "by_score", "confounded"] = "randomised"
    """At random; likelier at a high index; or by what no column holds, so that the chances are unknown."""
    chances: dict[str, float] = {"none": 0.5, "discount_10": 0.25, "checkout_prompt": 0.25}
    """Action and its chance for the average user; `none` first."""
    slope: float = Field(default=1.5, ge=0)
    """For by_score and confounded: the odds of an action against none move by at most e^±slope."""

    @field_validator("chances")
    @classmethod
    def _is_a_distribution(cls, chances: dict[str, float]) -> dict[str, float]:
        if next(iter(chances), None) != "none":
            raise ValueError("the first logged action must be none")
        if min(chances.values()) <= 0 or abs(sum(chances.values()) - 1) > 1e-6:
            raise ValueError("probabilities must be above 0 and sum to 1")
        return chances

    def probabilities(self, index: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        """Chance of each action.

        Parameters
        ----------
        index, hidden
            (n,) what the features say of the outcome and what nobody records of it, both standardised.

        Returns
        -------
        numpy.ndarray
            (n, K), above 0; rows sum to 1.
        """
        tilt = {"randomised": np.zeros(len(index)), "by_score": index, "confounded": hidden}[self.kind]
        odds = np.tile(list(self.chances.values()), (len(index), 1))
        odds[:, 1:] *= np.exp(self.slope * np.tanh(tilt))[:, None]
        chance: np.ndarray = odds / odds.sum(axis=1, keepdims=True)
        return chance


class Drift(StrictModel):
    """How the world moves from the first cohort on; users are numbered in the order they were met."""

    over: int = Field(default=10_000, ge=1)
    """Users met while it moves, evenly; later ones find it where it came to rest."""
    log_odds: float = 0.0
    """Log-odds of the outcome added by the end."""
    effect: float = Field(default=0.0, ge=-1)
    """Share of their strength that actions have won (or, below 0, lost) by the end."""

    def progress(self, number: np.ndarray) -> np.ndarray:
        """(n,) from 0 to 1: how far the world has moved when a user is met."""
        return np.minimum(number / self.over, 1.0)


class World(Source):
    """A generated population, drawn block by block; subclasses say what features are and what they mean.

    The log-odds of the outcome are what the features say, plus noise no model sees, plus the user's way of
    responding: a base, and a multiple (1, 0 or -1) of the strength of the action taken.
    """

    file: ClassVar[str | None] = None
    """Where its table is kept, from the folder of the repository; None where it is written only on demand."""

    users: int = Field(default=10_000, ge=1)
    seed: int = Field(ge=0, lt=2**64)
    logging: Logging = Logging()
    intercept: float
    noise: float = Field(ge=0)
    """Standard deviation of the log-odds no model sees; under confounded logging these drive the action."""
    responses: Responses = Responses()
    strength: dict[str, float] = {"discount_10": 0.9, "checkout_prompt": 1.2}
    """Log-odds an action adds for persuadable users, and takes away from sleeping dogs."""
    drift: Drift = Drift()

    @model_validator(mode="after")
    def _strengths_of_the_actions(self) -> Self:
        if set(self.strength) != set(self.actions[1:]):
            raise ValueError(f"strength must name the logged actions but none: {', '.join(self.actions[1:])}")
        return self

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A world with other settings, checked; nothing worked out for the old ones is carried over."""
        return type(self).model_validate(self.model_dump() | dict(update or {}))

    @property
    def actions(self) -> tuple[str, ...]:
        """The K actions; the first is `none`."""
        return tuple(self.logging.chances)

    @property
    def origin(self) -> str:
        return type(self).__module__.rpartition(".")[2]

    def content(self) -> str | None:
        return self.content_of(()) if of_ours(type(self)) else None  # what a plugin reads is not known

    @cached_property
    def written(self) -> TableSchema:
        """The world's own contract: what its columns are called, mean and hold. A plugin's is beside its file."""
        beside = Path(getfile(type(self))).with_suffix(".yaml")
        return read_contract(beside) if beside.is_file() else shipped_contract(self.origin)

    @cached_property
    def meaning(self) -> FeatureSchema:
        """What that says to models."""
        assert self.written.outcome is not None
        return self.written.meaning(self.written.outcome)

    @cached_property
    def terms(self) -> TableSchema:
        """The contract that validation uses: the one given, else the world's own with the actions of the config."""
        if self.contract is not None:
            return read_contract(Path(self.contract))
        return self.written.with_actions(self.actions)

    @abstractmethod
    def features(self, rng: np.random.Generator) -> pd.DataFrame:
        """Draw what a model may see of BLOCK users: the contract's columns in its order."""

    @abstractmethod
    def index(self, features: pd.DataFrame) -> np.ndarray:
        """(n,) log-odds of the outcome that features speak for, less the intercept."""

    @abstractmethod
    def affinity(self, features: pd.DataFrame) -> np.ndarray:
        """(n, 4) log-odds that features speak for each way of responding, in the order of `Responses`."""

    def measures(self, rng: np.random.Generator, features: pd.DataFrame, pull: np.ndarray) -> pd.DataFrame | None:
        """Further numeric outcomes, under the action taken; `pull` is the (n,) log-odds it added."""
        return None

    def table(self, users: Users) -> pd.DataFrame:
        """The users as a file would hold them: id, features, action by name, measures, outcome."""
        return users.table()

    def block(self, b: int) -> Users:
        """Draw the BLOCK users from number `b * BLOCK` on."""
        rng = _stream(self.seed, b)
        features = self.features(rng)
        number = np.arange(b * BLOCK, (b + 1) * BLOCK)
        hidden = rng.normal(size=BLOCK)
        way = np.argmax(self._log_weights(features) + rng.gumbel(size=(BLOCK, 4)), axis=1)
        index, effect = self.index(features), self.responses.effect[way][:, None] * self._strength(number)
        log_odds = self._level(number) + index + self.responses.base[way] + self.noise * hidden
        truth = expit(log_odds[:, None] + effect)
        # Only now the logging policy enters: another one meets the same users, with the same truth.
        chance = self.logging.probabilities(self._standard(index), hidden)
        taken = (rng.random((BLOCK, 1)) > np.cumsum(chance[:, :-1], axis=1)).sum(axis=1)
        rows = np.arange(BLOCK)
        return Users(
            outcome=(rng.random(BLOCK) < truth[rows, taken]).astype(np.int64),
            features=features,
            user_id=np.array([f"u{i:09d}" for i in number], dtype=object),
            contract=self.meaning,
            actions=self.actions,
            action=taken.astype(np.int64),
            logging_probability=None if self.logging.kind == "confounded" else chance,
            measures=self.measures(rng, features, effect[rows, taken]),
            truth=truth,
        )

    def blocks(self) -> Iterator[Users]:
        """The users in order, a block at a time; memory stays bounded whatever the size."""
        for first in range(0, self.users, BLOCK):
            drawn = self.block(first // BLOCK)
            yield drawn if first + BLOCK <= self.users else drawn.take(np.arange(self.users - first))

    def load(self) -> Users:
        parts = list(self.blocks())
        stacked: dict[str, Any] = {}
        for name in ("features", "outcome", "user_id", "action", "logging_probability", "measures", "truth"):
            values = [getattr(part, name) for part in parts]
            if isinstance(values[0], pd.DataFrame):
                stacked[name] = pd.concat(values, ignore_index=True)
            else:
                stacked[name] = None if values[0] is None else np.concatenate(values)
        users = replace(parts[0], **stacked)
        return self.valid_users(users, self.table(users))

    def score(self, users: Users) -> np.ndarray:
        """The best score there is: P(outcome = 1 | features) under the logged mix of actions.

        What no model sees is integrated out: the way of responding over its probabilities, the noise (and
        with it confounded actions) by Gauss-Hermite quadrature. Drift alone is known here and not to a model:
        with drift this is more than any model could know.

        Parameters
        ----------
        users
            n users of this world.

        Returns
        -------
        numpy.ndarray
            (n,) float64.
        """
        number = np.array([int(u[1:]) for u in users.user_id])
        index = self.index(users.features)
        ways = softmax(self._log_weights(users.features), axis=1)
        level, strength = self._level(number) + index, self._strength(number)
        score = np.zeros(len(users))
        nodes, weights = np.polynomial.hermite_e.hermegauss(15)
        for node, weight in zip(nodes, weights / weights.sum(), strict=True):
            chance = self.logging.probabilities(self._standard(index), np.full(len(users), node))
            for way, base, effect in zip(ways.T, self.responses.base, self.responses.effect, strict=True):
                log_odds = (level + base + self.noise * node)[:, None] + effect * strength
                score += weight * way * (chance * expit(log_odds)).sum(axis=1)
        return score

    def best_auc(self, users: Users) -> float:
        """The expected ROC AUC of the best score there is: what no model can beat but by chance."""
        return expected_auc(self.score(users))

    @cached_property
    def _reference(self) -> tuple[float, float, np.ndarray]:
        """Mean and standard deviation of the index, and log-weights of the ways, over users of no block."""
        # Their stream is no seed's: another seed draws other users of the same world.
        features = self.features(_stream(0, 2**64 - 1))
        index = self.index(features)
        return float(index.mean()), float(index.std()), self.responses.fit(self.affinity(features))

    def _standard(self, index: np.ndarray) -> np.ndarray:
        mean, deviation, _ = self._reference
        standard: np.ndarray = (index - mean) / deviation
        return standard

    def _log_weights(self, features: pd.DataFrame) -> np.ndarray:
        weights: np.ndarray = self.affinity(features) + self._reference[2]
        return weights

    def _level(self, number: np.ndarray) -> np.ndarray:
        level: np.ndarray = self.intercept + self.drift.log_odds * self.drift.progress(number)
        return level

    def _strength(self, number: np.ndarray) -> np.ndarray:
        """(n, K) log-odds each action adds for a persuadable user."""
        moved = 1 + self.drift.effect * self.drift.progress(number)
        return np.outer(moved, [0.0, *(self.strength[action] for action in self.actions[1:])])


def expected_auc(probability: np.ndarray) -> float:
    """The ROC AUC of a score that is the (n,) probability of the outcome itself.

    With s = P(outcome = 1), it is the chance that a user drawn with weight s is scored above one drawn with
    weight 1 - s; the outcomes that happened to come out do not enter.
    """
    s = np.sort(probability)
    below = np.cumsum(1 - s) - (1 - s) / 2
    return float((s * below).sum() / (s.sum() * (1 - s).sum()))


def strings(names: Sequence[str], codes: np.ndarray) -> pd.Series:
    """(n,) strings, `names` by code."""
    return pd.Series(pd.array(names, dtype="str").take(codes))


def _stream(seed: int, b: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.array([seed, b], dtype=np.uint64)))
