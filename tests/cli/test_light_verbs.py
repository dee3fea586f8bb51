"""Verbs that only look answer without loading what fits, draws or explains."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("verb", ["history", "status"])
def test_what_reads_no_model_imports_nothing_that_scores_one(verb: str) -> None:
    heavy = "('sklearn', 'skops', 'scipy.stats', 'xgboost', 'shap', 'plotly')"
    code = f"import sys; import tippingpoint.promotion.{verb}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=240)
    assert done.stdout.strip() == "[]"
