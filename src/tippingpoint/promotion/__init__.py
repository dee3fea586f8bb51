"""`promote`, `rollback`, `history`, `status`: which version decides, and why it may.

`job.promote` does it. `judge` values challenger and champion on the same users: `quality_checks` and
`soundness_checks` hold the checks, `judge` runs them, `verdict.Judgement` says whether any stops the promotion,
`alpha_spending` gives the level of each further look at the test set. `rollback`, `history` and `status` hold the
verbs of those names, `registry_status` what all four share, `report` what is shown. The journal is
`tracking.journal`; the champion's alias moves in `tracking.promotion`, and `tracking.champion` says who it is.
"""
