"""`compare` and `run`: model families under one policy on the same users; the best is registered.

`job.compare` and `run.run` do it, `result.Comparison` is what was found, `report` what the terminal and the card say,
`crossfit` values the policy on all users by folds, `repeats` on further splits, `refits` fits the models of both;
`page` and `figures` the interactive report, `plots` the figures of a notebook. Cut-offs and further policies on the
fitted models are in `simulation`.
"""
