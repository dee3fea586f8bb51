"""Diagnostics: numbered, documented, able to veto. `registry` says what one is; a module a family of codes has them.

`data` TP1xx, `model` TP2xx, `evidence` TP3xx, `policy` TP4xx, `operation` TP5xx. What a job found is computed once and
shown in the same words everywhere: terminal, JSON, card, report, MLflow, gate and dashboard.
"""

from tippingpoint.experiment.diagnostics.registry import (
    Chosen,
    Diagnostic,
    Finding,
    Findings,
    catalogue,
    diagnosed,
    tags,
    vetoes,
)

__all__ = ["Chosen", "Diagnostic", "Finding", "Findings", "catalogue", "diagnosed", "tags", "vetoes"]
