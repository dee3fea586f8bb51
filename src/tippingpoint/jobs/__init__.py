"""One file a verb: plain functions of typed settings, where the wings meet."""

from tippingpoint.jobs.compare import compare
from tippingpoint.jobs.doctor import doctor
from tippingpoint.jobs.policy import policy_diff, policy_lint
from tippingpoint.jobs.run import run
from tippingpoint.jobs.simulate import simulate
from tippingpoint.jobs.ui import ui

__all__ = ["compare", "doctor", "policy_diff", "policy_lint", "run", "simulate", "ui"]
