"""Diagnostics: numbered, documented, able to veto. `registry` says what one is; a module a family of codes has them.

`data` TP1xx, `model` TP2xx, `evidence` TP3xx, `policy` TP4xx, `operation` TP5xx. What a job found is computed once and
shown in the same words everywhere: terminal, JSON, card, report, MLflow, gate and dashboard.
"""

from tippingpoint.experiment.diagnostics import data, evidence, model, operation, policy
from tippingpoint.experiment.diagnostics.registry import REGISTRY, Chosen, Diagnostic, Finding, Findings, tags, vetoes

__all__ = [
    "REGISTRY",
    "Chosen",
    "Diagnostic",
    "Finding",
    "Findings",
    "data",
    "evidence",
    "model",
    "operation",
    "policy",
    "tags",
    "vetoes",
]
