"""`promote`, `rollback`, `history`, `status`: which version decides, and why it may.

`job.promote` does it, `judge` values challenger and champion on the same users, `quality_checks` and
`soundness_checks` are where the gate says no, `verdict` is what a check says, `alpha_spending` the level that each
further look is held to. The journal and the aliases themselves are in `tracking`.
"""
