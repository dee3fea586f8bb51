"""`plan`: how many users and days an experiment takes, and the smallest effect it tells; `plan lock` files it.

`job.plan` does it and files it, `design.Planned` is the experiment made out of rates or of a version's filed segments,
`result` what was found, `report` what is shown. The arithmetic is in `offpolicy/power.py`.
"""
