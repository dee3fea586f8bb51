"""`measure`: what decisions brought over everyone getting none, beside what the simulation had promised.

`job.measure` does it, `result.Measured` is what was found of one version, `report` what is said, `tracked` what is
filed; `outcomes` and `post_metrics` read what came afterwards, `join` matches it with the decisions,
`next_experiment` writes the joined table as experiment evidence for the next `compare`.
"""
