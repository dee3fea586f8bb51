"""The OpenAPI of a deployed model: its own columns, types, ranges and categories, and an example that works."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from tippingpoint.data.column_rules import stand_ins
from tippingpoint.data.contract import NOUN, ColumnSpec, TableSchema
from tippingpoint.decisions import Deployment
from tippingpoint.serving.request import limits

KEY = "X-API-Key"
Schema = dict[str, Any]


def document(
    reference: str,
    deployment: Deployment,
    segments: tuple[str, ...],
    most: int,
    explained: int,
    key: bool,
    of_effects: tuple[str, ...] = (),
    randomised: bool = False,
) -> Schema:
    """Return the document.

    Parameters
    ----------
    reference
        The version that answers (`models:/conversion/3`).
    most, explained
        Users in one request, and in one that asks for reasons.
    key
        Whether a key is asked for.
    of_effects
        The K actions whose effects are predicted, none first; empty where none are.
    randomised
        Whether a share of users gets a random action.
    """
    examples = example_user(deployment), example_user(deployment, 2)
    decision = _decision(deployment, segments, of_effects, randomised)
    found: Schema = {
        "openapi": "3.1.0",
        "info": {
            "title": f"tippingpoint: {deployment.question}",
            "version": reference.rpartition("/")[2],
            "description": f"Decisions of {reference}: how likely {deployment.outcome}=1 is, and what to do.",
        },
        "paths": _paths(examples, key),
        "components": {"schemas": _schemas(deployment, decision, most, explained, examples[0])},
    }
    if key:
        found["components"]["securitySchemes"] = {"key": {"type": "apiKey", "in": "header", "name": KEY}}
        found["security"] = [{"key": []}]
    return found


def _schemas(deployment: Deployment, decision: Schema, most: int, explained: int, example: dict[str, Any]) -> Schema:
    answers: Schema = {"model": {"type": "string"}, "policy_digest": {"type": "string"}}
    answers |= {"as_of": {"type": "string", "format": "date"}} if deployment.dated else {}

    def users(at_most: int) -> Schema:
        return _object({"users": {"type": "array", "items": _ref("User"), "minItems": 1, "maxItems": at_most}})

    return {
        "User": {**user_schema(deployment.terms), "examples": [example]},
        "Users": users(most),
        "FewUsers": users(explained),
        "Decisions": _object({**answers, "decisions": {"type": "array", "items": decision}}),
        "Explanations": _object({**answers, "explanations": {"type": "array", "items": _explanation(decision)}}),
        "Refused": _object({"detail": {"type": "array", "items": _object(_PROBLEM, ["loc", "msg", "type"])}}),
        "Error": _object({"detail": {"type": "string"}}),
    }


def _paths(examples: tuple[dict[str, Any], dict[str, Any]], key: bool) -> Schema:
    many = "too many keys that are missing or wrong"
    secured = {"401": _answer("the key is missing or wrong", "Error"), "429": _answer(many, "Error")} if key else {}

    def asks(summary: str, many: str, answer: str) -> Schema:
        content = {
            "schema": {"anyOf": [_ref("User"), _ref(many)]},
            "examples": {"one": {"value": examples[0]}, "many": {"value": {"users": list(examples)}}},
        }
        return {
            "post": {
                "summary": summary,
                "requestBody": {"required": True, "content": {"application/json": content}},
                "responses": {"200": _answer(summary, answer), **_REFUSALS, **secured},
            }
        }

    def shows(summary: str, kind: str = "application/json", free: bool = False) -> Schema:
        content = {kind: {"schema": {"type": "string" if kind == "text/plain" else "object"}}}
        answers = {"200": {"description": summary, "content": content}, **({} if free else secured)}
        return {"get": {"summary": summary, "responses": answers, **({"security": []} if free and key else {})}}

    return {
        "/": shows("what can be asked, and where this document is"),
        "/score": asks("score, segment, action and expected value of each user", "Users", "Decisions"),
        "/explain": asks("the same, with the reasons and the least change that moves", "FewUsers", "Explanations"),
        "/policy": shows("the policy that decides"),
        "/health": shows("whether the process is alive", free=True),
        "/ready": shows("which version serves, and what it follows", free=True),
        "/metrics": shows("counts and latencies for Prometheus", "text/plain"),
    }


def user_schema(contract: TableSchema) -> Schema:
    """Return what one user must hold; null where a value may be missing. Further fields are ignored."""
    return _object({n: _column(spec, n == contract.id) for n, spec in contract.columns.items()}) | {
        "description": "One user. Every column is there; a value that may be missing is null. Others are ignored."
    }


def example_user(deployment: Deployment, number: int = 1) -> dict[str, Any]:
    """Return a usual user: typical numbers and frequent categories of the training data; the number is in the id."""
    reference = deployment.reference
    found: dict[str, Any] = {}
    for name, spec in deployment.terms.columns.items():
        if name == deployment.terms.id:
            found[name] = number if spec.numeric else f"user_{number}"
        elif spec.type == "category":
            frequent = reference.categories.get(name, [])
            usual = [c for c in frequent if not spec.values or c in spec.values] or spec.values
            found[name] = usual[0] if usual else None
        elif spec.type == "time":
            found[name] = _usual_time(spec, reference.edges.get(name, []))
        else:
            found[name] = _usual(spec, reference.edges.get(name, []))
    return found


def _usual(spec: ColumnSpec, edges: list[float]) -> float | int | None:
    middle = spec.typical if spec.typical is not None else edges[len(edges) // 2] if edges else 0.0
    low, high = limits(spec)
    value = float(np.clip(middle, low, high))
    whole = int(np.clip(round(value), np.ceil(low), np.floor(high)))
    return whole if spec.type == "whole" or value == whole else value


def _usual_time(spec: ColumnSpec, edges: list[float]) -> str:
    """A time so many days ago as is usual."""
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    time = now - timedelta(days=edges[len(edges) // 2] if edges else 0)
    latest = [end for end in (spec.max, None if spec.future else now) if isinstance(end, datetime)]
    time = max(time, spec.min) if isinstance(spec.min, datetime) else time
    return min([time, *latest]).isoformat()


def _column(spec: ColumnSpec, is_id: bool) -> Schema:
    found: Schema
    if spec.numeric:
        low, high = limits(spec)
        found = {"type": "integer" if spec.type == "whole" else "number", "minimum": low, "maximum": high}
        if spec.written or spec.also_missing:
            found = {
                "anyOf": [found, {"type": "string", "description": f"as {spec.written}" if spec.written else "as text"}]
            }
    elif spec.type == "category" and not is_id:
        words: Schema = {"enum": spec.values} if spec.values else {"pattern": r"\S", "not": {"enum": stand_ins(None)}}
        found = {"type": "string", **words}
    elif spec.type == "time":
        found = {"type": "string", "examples": ["2026-03-01", "2026-03-01T06:00:00Z"]}
    else:
        found = {"anyOf": [{"type": "string", "pattern": r"\S"}, {"type": "integer"}]}
    if spec.missing:
        found = {"anyOf": [found, {"type": "null"}]}
    return found | {"description": spec.meaning or NOUN[spec.type]}


def _decision(
    deployment: Deployment, segments: tuple[str, ...], of_effects: tuple[str, ...], randomised: bool
) -> Schema:
    own: Schema = {deployment.terms.id: {}} if deployment.terms.id else {}
    return _object(
        {
            **own,
            "propensity_score": {"type": "number", "minimum": 0, "maximum": 1},
            "segment": {"type": "string", "enum": list(segments)},
            "action": {"type": "string", "enum": list(deployment.actions)},
            "expected_value": {
                "type": ["number", "null"],
                "description": "money the action lets expect; null where that is not known",
            },
            **({"expected_gain": _gain(deployment)} if deployment.tells_gains else {}),
            **({"effects": _object(dict.fromkeys(of_effects[1:], _EFFECT))} if of_effects else {}),
            **(_DRAWN | {"policy_action": {"type": "string", "enum": list(deployment.actions)}} if randomised else {}),
        }
    )


def _gain(deployment: Deployment) -> Schema:
    said = "money the action lets expect over doing nothing; null where that is not known"
    if away := deployment.withheld_in_words:
        said += f". {away}"
    return {"type": ["number", "null"], "description": said}


_DRAWN: Schema = {
    "explored": {"type": "boolean", "description": "whether the action was drawn at random"},
    "logging_probability": {"type": "number", "description": "the chance this action had", "maximum": 1},
}
_EFFECT: Schema = {
    "type": "object",
    "description": "what the action adds to the chance of the outcome, and in money, over doing nothing",
    "properties": {"effect": {"type": "number"}, "gain": {"type": ["number", "null"]}},
    "required": ["effect", "gain"],
}


def _explanation(decision: Schema) -> Schema:
    reason = _object({"column": {"type": "string"}, "value": {}, "contribution": {"type": "number"}})
    change = _object(
        {
            "column": {"type": "string"},
            "before": {},
            "after": {},
            "segment": {"type": "string"},
            "propensity_score": {"type": "number"},
            "share_passed": {"type": "number"},
        }
    )
    more: Schema = {
        "reasons": {"type": "array", "items": reason},
        "contributions_are_in": {"type": "string"},
        "least_change": {"anyOf": [change, {"type": "null"}]},
        "caveat": {"type": "string"},
    }
    return _object({**decision["properties"], **more})


_PROBLEM: Mapping[str, Schema] = {
    "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
    "msg": {"type": "string"},
    "type": {"type": "string", "description": "the rule"},
}


def _object(properties: Mapping[str, Schema], required: list[str] | None = None) -> Schema:
    return {"type": "object", "properties": dict(properties), "required": required or list(properties)}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(said: str, name: str) -> Schema:
    return {"description": said, "content": {"application/json": {"schema": _ref(name)}}}


_REFUSALS: Mapping[str, Schema] = {
    "400": _answer("the body is no JSON", "Error"),
    "408": _answer("the body did not arrive", "Error"),
    "413": _answer("the body is too large", "Error"),
    "415": _answer("the body is not said to be JSON", "Error"),
    "422": _answer("a user breaks the contract; field and rule are named", "Refused"),
}
