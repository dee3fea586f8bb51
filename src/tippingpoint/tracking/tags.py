"""Names of the tags by which runs are found again; no MLflow is needed to read them."""

JOB = "tippingpoint.job"
"""The verb that made a run; `trial` and `sweep` for runs that stand for those."""
PARENT = "mlflow.parentRunId"
"""MLflow's own: the run another is shown under."""
DATA = "data_digest"
"""Tag of the content of the users a run is about."""
BOUND_FROM, FITTED_IN = "bound_from", "fitted_in"
"""Tags of a version, and of its run, whose model was fitted before: the version it was bound from, the run that
fitted it."""
CHOSEN_ON = "chosen_on"
"""Tag of a model's run: whose scores the metric is of that winners are chosen by."""
