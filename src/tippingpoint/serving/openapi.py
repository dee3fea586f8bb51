"""The OpenAPI of a deployed model: its own columns, types, ranges and categories, and an example that works."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tippingpoint.data.contract import NOUN, ColumnSpec, TableSchema
from tippingpoint.data.validation import stand_ins
from tippingpoint.decisions import Deployment
from tippingpoint.serving.request import LARGEST, WHOLE

KEY = "X-API-Key"
Schema = dict[str, Any]


def document(
    reference: str, deployment: Deployment, segments: tuple[str, ...], most: int, explained: int, key: bool
) -> Schema:
    """The document.

    Parameters
    ----------
    reference
        The version that answers (`models:/conversion/3`).
    most, explained
        Users in one request, and in one that asks for reasons.
    key
        Whether a key is asked for.
    """
    example, other = example_user(deployment), example_user(deployment, 2)
    user = user_schema(deployment.terms)
    decision = _decision(deployment, segments)
    answers = {"model": {"type": "string"}, "policy_digest": {"type": "string"}}
    scored = _object({**answers, "decisions": {"type": "array", "items": decision}})
    reasons = _object({**answers, "explanations": {"type": "array", "items": _explanation(decision)}})
    schemas = {
        "User": {**user, "examples": [example]},
        "Users": _object({"users": {"type": "array", "items": _ref("User"), "minItems": 1, "maxItems": most}}),
        "FewUsers": _object({"users": {"type": "array", "items": _ref("User"), "minItems": 1, "maxItems": explained}}),
        "Decisions": scored,
        "Explanations": reasons,
        "Refused": _object({"detail": {"type": "array", "items": _object(_PROBLEM, ["loc", "msg", "type"])}}),
        "Error": _object({"detail": {"type": "string"}}),
    }
    secured = {"401": _answer("the key is missing or wrong", "Error")} if key else {}

    def asks(summary: str, many: str, answer: str) -> Schema:
        content = {
            "schema": {"anyOf": [_ref("User"), _ref(many)]},
            "examples": {"one": {"value": example}, "many": {"value": {"users": [example, other]}}},
        }
        refusals = {
            "400": _answer("the body is no JSON", "Error"),
            "408": _answer("the body did not arrive", "Error"),
            "413": _answer("the body is too large", "Error"),
            "415": _answer("the body is not said to be JSON", "Error"),
            "422": _answer("a user breaks the contract; field and rule are named", "Refused"),
        }
        return {
            "post": {
                "summary": summary,
                "requestBody": {"required": True, "content": {"application/json": content}},
                "responses": {"200": _answer(summary, answer), **refusals, **secured},
            }
        }

    def shows(summary: str, kind: str = "application/json", codes: tuple[str, ...] = ("200",)) -> Schema:
        content = {kind: {"schema": {"type": "string" if kind == "text/plain" else "object"}}}
        answers = {code: {"description": summary, "content": content} for code in codes}
        return {"get": {"summary": summary, "responses": answers | secured}}

    free: Schema = {"security": []}
    alive, ready = shows("whether the process is alive"), shows("which version serves, and what it follows")
    for path in (alive, ready):
        path["get"] |= free if key else {}
        path["get"]["responses"].pop("401", None)
    found: Schema = {
        "openapi": "3.1.0",
        "info": {
            "title": f"tippingpoint: {deployment.question}",
            "version": reference.rpartition("/")[2],
            "description": f"Decisions of {reference}: how likely {deployment.outcome}=1 is, and what to do.",
        },
        "paths": {
            "/": shows("what can be asked, and where this document is"),
            "/score": asks("score, segment, action and expected value of each user", "Users", "Decisions"),
            "/explain": asks("the same, with the reasons and the least change that moves", "FewUsers", "Explanations"),
            "/policy": shows("the policy that decides"),
            "/health": alive,
            "/ready": ready,
            "/metrics": shows("counts and latencies for Prometheus", "text/plain"),
        },
        "components": {"schemas": schemas},
    }
    if key:
        found["components"]["securitySchemes"] = {"key": {"type": "apiKey", "in": "header", "name": KEY}}
        found["security"] = [{"key": []}]
    return found


def user_schema(contract: TableSchema) -> Schema:
    """What one user must hold; null where a value may be missing. Further fields are ignored."""
    return _object({n: _column(terms, n == contract.id) for n, terms in contract.columns.items()}) | {
        "description": "One user. Every column is there; a value that may be missing is null. Others are ignored."
    }


def example_user(deployment: Deployment, number: int = 1) -> dict[str, Any]:
    """A usual user: typical numbers and frequent categories, as the model learnt from; the number is in the id."""
    reference = deployment.reference
    found: dict[str, Any] = {}
    for name, terms in deployment.terms.columns.items():
        if name == deployment.terms.id:
            found[name] = number if terms.type in ("number", "whole") else f"user_{number}"
        elif terms.type == "category":
            seen = reference.categories.get(name, [])
            found[name] = next(
                (c for c in seen if not terms.values or c in terms.values), terms.values[0] if terms.values else None
            )
        else:
            found[name] = _usual(terms, reference.edges.get(name, []))
    return found


def _usual(terms: ColumnSpec, edges: list[float]) -> float | int | None:
    middle = terms.typical if terms.typical is not None else edges[len(edges) // 2] if edges else 0.0
    low = -np.inf if terms.min is None else float(terms.min)  # type: ignore[arg-type]  # of a number they are numbers
    high = np.inf if terms.max is None else float(terms.max)  # type: ignore[arg-type]  # of a number they are numbers
    value = float(np.clip(middle, low, high))
    whole = int(np.clip(round(value), np.ceil(low), np.floor(high)))
    return whole if terms.type == "whole" or value == whole else value


def _column(terms: ColumnSpec, is_id: bool) -> Schema:
    found: Schema
    if terms.type in ("number", "whole"):
        # A whole number stays below 2^53: a float tells neighbours apart up to there.
        farthest = WHOLE - 1 if terms.type == "whole" else LARGEST
        low = -farthest if terms.min is None else max(float(terms.min), -farthest)  # type: ignore[arg-type]  # of a number they are numbers
        high = farthest if terms.max is None else min(float(terms.max), farthest)  # type: ignore[arg-type]  # of a number they are numbers
        found = {"type": "integer" if terms.type == "whole" else "number", "minimum": low, "maximum": high}
    elif terms.type == "category" and not is_id:
        words: Schema = (
            {"enum": list(terms.values)} if terms.values else {"pattern": r"\S", "not": {"enum": stand_ins(None)}}
        )
        found = {"type": "string", **words}
    else:
        found = {"anyOf": [{"type": "string", "pattern": r"\S"}, {"type": "integer"}]}
    if terms.missing:
        found = {"anyOf": [found, {"type": "null"}]}
    return found | {"description": terms.meaning or NOUN[terms.type]}


def _decision(deployment: Deployment, segments: tuple[str, ...]) -> Schema:
    own: Schema = {deployment.terms.id: {}} if deployment.terms.id else {}
    return _object(
        {
            **own,
            "propensity_score": {"type": "number", "minimum": 0, "maximum": 1},
            "segment": {"type": "string", "enum": list(segments)},
            "action": {"type": "string", "enum": list(deployment.actions)},
            "expected_value": {
                "type": ["number", "null"],
                "description": "money the action lets expect; null where nobody got it before",
            },
        }
    )


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
