"""`measure`: what decisions brought, beside what the simulation had promised; and what the arms of any experiment did.

`arms_job.measure_arms` reads an experiment's table: `arms_table` its roles, `arms_sums` its sums, of which
`offpolicy/arms.py` makes differences; `arms_result` is what was found.

Of decisions `job.measure` does it, `result.Measured` is what was found of one version, `report` what is said, `tracked`
what is filed; `by_outcome` tells several outcomes; `outcomes` and `post_metrics` read what came afterwards, `join`
matches it with the decisions, `next_experiment` writes the joined table as experiment evidence for the next `compare`.
"""
