"""`plan`: how many users and days an experiment takes, and the smallest effect it tells; `plan lock` files it.

`job.plan` does it, `design` makes the experiment out of rates or of a version's filed segments, `result.Planned` is
what was found, `report` what is shown, `tracked` what is filed. The arithmetic is in `offpolicy/power.py`.
"""
