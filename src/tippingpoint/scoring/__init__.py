"""`score`: decisions for tables of users, in batches of any size, once, over kills.

`job.score` does it; `readers` read users (`frame` those in memory), `batch` and `stream` decide them chunk by chunk,
`writers`, `parts` and `tables` write decisions, `report` is what is said and `tracked` what is filed in MLflow.
Repeated ids are found in `batch`, from `id_index`.
"""
