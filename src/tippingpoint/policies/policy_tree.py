"""Rules of one or two questions, learnt from what actions were measured to bring: the best there are."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field, field_validator, model_validator

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.policies.policy import FitContext
from tippingpoint.policies.rules import SCORE, Rule, Rules
from tippingpoint.policies.tree_search import Coded, Held, Leaf, Tree, best_trees, decided

DIGITS = 2
"""Decimals of a threshold in units of the power of ten below the feature's spread, so that rules can be read."""
SURELY = 1.645
"""Standard errors by which a tree must bring more than a smaller one on users held out."""
MOST_CHOSEN = 20_000
"""Users that the number of questions is chosen on at most: with more a tree of two learns what there is."""
PLAIN = str.maketrans({'"': "", "'": ""})


class PolicyTree(Rules):
    """Segments are actions; which users get which is a tree of largest doubly robust reward on validation.

    Exact among all trees whose questions are `x > threshold`, at no more than `thresholds` quantiles of a number, or
    `x = 'value'`, one value of a category against the rest, of the `thresholds` most frequent. A missing value answers
    no; where a number may be missing, `x IS NOT NULL` is a question too. A tree is bound at the prices of then; it
    chooses for what it was bound on, so what it brings is said on test. It acts at all, and asks a question more, only
    where trees so searched on other folds bring more on users held out, beyond chance (5 %, one-sided).

    Examples
    --------
    >>> tree = PolicyTree(actions={"none": "none", "email": "email"}, depth=1, least=1)
    >>> users = pd.DataFrame({"visits": np.tile([1.0, 2.0, 3.0, 4.0], 50)})
    >>> money = np.column_stack([np.zeros(200), np.where(users["visits"] > 2, 2.0, -1.0)])
    >>> bound = tree.bind(FitContext(users, users, np.zeros(200), measured=lambda actions: (money, np.zeros((200, 2)))))
    >>> bound.learnt_in_words
    'Rules: if visits > 2: email; otherwise: none.'
    """

    learnt: ClassVar = ("rules", "otherwise", "levels", "edges")
    learns_on_validation: ClassVar = True
    chosen_by_outcomes: ClassVar = True
    unsaid: ClassVar = ("least_outcomes",)

    name: str = Field(default="policy_tree", min_length=1)
    actions: dict[str, str] = Field(
        default={"none": "none", "discount_10": "discount_10", "checkout_prompt": "checkout_prompt"}, min_length=1
    )
    depth: Literal[1, 2] = 2
    """Questions on the way to an action, at most; how many is chosen on users held out."""
    thresholds: int = Field(default=64, ge=1, le=64)
    """At most so many questions a feature."""
    least: int = Field(default=100, ge=1)
    """Users of validation that each leaf must hold..."""
    least_outcomes: int = Field(default=20, ge=0)
    """...and so many of them with the rarer outcome."""
    features: tuple[str, ...] | None = None
    """Those it may ask about, `score` among them; None: all, and the score."""
    contacts_per_1000: float | None = Field(default=None, ge=0)
    """At most so many contacts per 1,000 users of validation..."""
    spend_per_1000: float | None = Field(default=None, ge=0)
    """...or so much money spent on actions, over giving everyone none."""
    rules: tuple[Rule, ...] = ()
    otherwise: str = ""

    @field_validator("actions")
    @classmethod
    def _none_is_among_them(cls, actions: dict[str, str]) -> dict[str, str]:
        if "none" not in actions.values():
            raise ValueError("must name none too: acting is not always best")
        return actions

    @model_validator(mode="after")
    def _no_more_than_it_takes(self) -> Self:
        if self.contacts_per_1000 is not None and self.spend_per_1000 is not None:
            raise ValueError("contacts_per_1000 and spend_per_1000: give one of them")
        if self.levels:
            raise ValueError("levels: a tree finds thresholds itself")
        return self

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(self.actions)

    @property
    def bound_by_scores(self) -> bool:
        return self.features is None or SCORE in self.features

    @property
    def learnt_in_words(self) -> str:
        parts = [f"{rule.when}: {rule.segment}" for rule in self.rules]
        said = [f"{'if' if k == 0 else 'otherwise if'} {part}" for k, part in enumerate(parts)]
        words = "Rules: " + "; ".join([*said, f"{'otherwise' if parts else 'everyone'}: {self.otherwise}"])
        for sql, word in {" AND ": " and ", " IS NOT NULL": " is known", " = ": " is "}.items():
            words = words.replace(sql, word)
        return f"{words}.".translate(PLAIN)

    def bind(self, context: FitContext) -> Self:
        if context.measured is None:
            what = f"{self.name} needs logged actions to learn from; these users have none"
            raise InputError("policy", what, "Use scores: policy=top_fraction.")
        names = tuple(self.actions.values())
        order = sorted(range(len(names)), key=lambda k: names[k] != "none")  # none first: of equal trees it wins
        reward, spend = context.measured(tuple(names[k] for k in order))
        coded = self._coded(context)
        cost, limit = self._budget(spend)
        segments = [self.segments[k] for k in order]
        tree = self._chosen(_Ground(reward, [of for of, _ in coded], cost, limit, context))
        rules = _rules(tree, [words for _, words in coded], segments)
        otherwise = rules.pop()[1]
        while rules and rules[-1][1] == otherwise:
            rules.pop()
        made = tuple(Rule(segment=segment, when=" AND ".join(when)) for when, segment in rules)
        return type(self).model_validate(self.model_dump() | {"rules": made, "otherwise": otherwise})

    def _chosen(self, ground: "_Ground") -> Tree:
        """The best tree of as many questions as pay on users that no tree was searched on; else none for all."""
        least = self.least, self.least_outcomes
        held_out = ground.held_out(self.depth, *least)
        brings, depth = ground.reward[: len(held_out), 0], -1
        for deeper in range(self.depth + 1):
            more = held_out[:, deeper] - brings
            if more.mean() > SURELY * more.std() / np.sqrt(len(more)):
                brings, depth = held_out[:, deeper], deeper
        return Leaf(0) if depth < 0 else ground.trees(np.arange(len(ground.reward)), depth, *least)[depth]

    def segment(self, score: np.ndarray, features: pd.DataFrame) -> np.ndarray:
        if not self.otherwise:
            raise InputError("policy", f"{self.name} has learnt no rules yet", "Bind it to a model first.")
        if not self.rules:
            return np.full(len(score), self.segments.index(self.otherwise))
        return super().segment(score, features)

    def _budget(self, spend: np.ndarray) -> tuple[np.ndarray | None, float]:
        """(n, K) cost of each action over none, and the most it may be a user."""
        if self.contacts_per_1000 is not None:
            return np.tile(np.arange(spend.shape[1]) > 0, (len(spend), 1)).astype(
                np.float64
            ), self.contacts_per_1000 / 1000
        if self.spend_per_1000 is None:
            return None, np.inf
        if not np.isfinite(spend).all():
            what = "the economics say no spend of an action: their prices are of each user"
            raise InputError("policy.spend_per_1000", what, "Take policy.contacts_per_1000 instead.")
        return spend - spend[:, :1], self.spend_per_1000 / 1000

    def _coded(self, context: FitContext) -> list[tuple[Coded, list[str]]]:
        """Features that ask something, as the search sees them, and each question in SQL."""
        there = [*map(str, context.features.columns), SCORE]
        found: list[tuple[Coded, list[str]]] = []
        for column in self.features or there:
            if column not in there:
                raise InputError("policy.features", f"no column {column!r}", nearest(column, there))
            values = pd.Series(context.score) if column == SCORE else context.features[column]
            of = _number if values.dtype.kind in "fiu" else _category
            coded, words = of(column, values, self.thresholds)
            if words:
                found.append((coded, words))
        return found


@dataclass(frozen=True)
class _Ground:
    """What trees are searched on: (n, K) reward and cost of n users, what may be asked of them, and the rest."""

    reward: np.ndarray
    features: list[Coded]
    cost: np.ndarray | None
    limit: float
    context: FitContext

    def trees(self, rows: np.ndarray, depth: int, least: int, outcomes: int) -> list[Tree]:
        """The best trees of 0 to `depth` questions by some of the users."""
        rarer = None if self.context.rarer is None else self.context.rarer[rows].astype(np.float64)
        held = Held.of(len(rows), least, rarer, outcomes)
        coded = [Coded(of.code[rows], of.asks) for of in self.features]
        cost = None if self.cost is None else self.cost[rows]
        return best_trees(self.reward[rows], coded, depth, held, cost, self.limit)

    def held_out(self, depth: int, least: int, outcomes: int) -> np.ndarray:
        """(m, depth + 1) reward of users by trees that others chose; leaves hold their share of users and outcomes."""
        n = min(len(self.reward), MOST_CHOSEN)
        fold = np.arange(n) % 3 if self.context.fold is None else self.context.fold[:n]
        found = np.empty((n, depth + 1))
        for of in np.unique(fold):
            outside, inside = np.flatnonzero(fold != of), np.flatnonzero(fold == of)
            share = len(outside) / n
            trees = self.trees(outside, depth, int(np.ceil(share * least)), int(np.ceil(share * outcomes)))
            coded = [Coded(of.code[inside], of.asks) for of in self.features]
            for k, tree in enumerate(trees):
                found[inside, k] = self.reward[inside, decided(tree, coded)]
        return found


def _number(column: str, values: pd.Series, most: int) -> tuple[Coded, list[str]]:
    """A number by thresholds at its quantiles; a missing value lies below all of them."""
    x = values.to_numpy(np.float64)
    known = x[np.isfinite(x)]
    edges = np.unique(known)
    if len(edges) > most:
        edges = np.quantile(known, np.arange(1, most + 1) / (most + 1), method="inverted_cdf")
        spread = float(np.subtract(*np.quantile(known, [0.95, 0.05]))) or 1.0
        edges = np.unique(np.round(edges, DIGITS - int(np.floor(np.log10(spread)))))
    edges = edges[[bool((known > edge).any() and (known <= edge).any()) for edge in edges]] if len(edges) else edges
    if 0 < len(known) < len(x):  # the first question is whether anything is known
        edges = np.concatenate([[-np.inf], edges[: most - 1]])
    code = np.searchsorted(edges, np.where(np.isnan(x), -np.inf, x), side="left")
    asks = np.arange(len(edges) + 1)[None] > np.arange(len(edges))[:, None]
    name = _quoted(column)
    words = [f"{name} IS NOT NULL" if np.isinf(edge) else f"{name} > {_written(edge)}" for edge in edges]
    return Coded(code, asks), words


def _category(column: str, values: pd.Series, most: int) -> tuple[Coded, list[str]]:
    """A category by its most frequent values, each against the rest; a missing value is none of them."""
    frequent = [str(value) for value in values.value_counts().index[:most]]
    code = pd.Categorical(values.astype(object), categories=frequent).codes.astype(np.int64) + 1
    asks = np.eye(len(frequent) + 1, dtype=bool)[1:]
    literal = [value.replace("'", "''") for value in frequent]
    return Coded(code, asks), [f"{_quoted(column)} = '{value}'" for value in literal] if len(frequent) > 1 else []


def _rules(tree: Tree, words: list[list[str]], segments: list[str]) -> list[tuple[list[str], str]]:
    """Conditions and segment of each leaf, the answer yes first: the first whose conditions hold decides."""
    if isinstance(tree, Leaf):
        return [([], segments[tree.action])]
    asked = words[tree.feature][tree.question]
    yes = [([asked, *when], segment) for when, segment in _rules(tree.yes, words, segments)]
    return yes + _rules(tree.no, words, segments)


def _quoted(column: str) -> str:
    return column if column.isidentifier() and column.isascii() else '"' + column.replace('"', '""') + '"'


def _written(number: float) -> str:
    """A number as SQL reads it back exactly."""
    return str(int(number)) if float(number).is_integer() and abs(number) < 1e15 else np.format_float_positional(number)


def said(bound: dict[str, Any]) -> str:
    """What a bound tree learnt, of its JSON, in words; empty for another policy."""
    if "thresholds" not in bound:
        return ""
    return PolicyTree.model_validate(
        {k: v for k, v in bound.items() if k not in ("_target_", "digest")}
    ).learnt_in_words
