"""`simulate` and `policy`: cut-offs, policies, budgets and prices on models that are there already.

`job.simulate` does it, `policy_tools` holds `policy lint` and `policy diff`, `artifacts` what is filed, `report`,
`page` and `figures` what is shown, `plots` the figures of a notebook. The statistics are in `offpolicy`, what is asked
of users in `experiment`.
"""
