"""What everything stands on: errors that say where and what to type, models that refuse unknown keys, leases, threads.

Errors are in `errors`, the base class of all settings in `strict` (`StrictModel`), leases of work that a killed process
may leave in `leases`, credentials removed from text in `redaction`, the version in `version`, and the reference to a
filed run in `run_reference`. Nothing here knows users, models or MLflow.
"""
