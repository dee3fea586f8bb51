"""`score`: decisions for tables of users, in batches of any size, once, over kills.

`job.score` does it; `readers` read users, `batch` and `stream` decide them chunk by chunk, `writers`, `parts` and
`tables` write decisions, `id_index` finds repeated ids, `report` is what is said and `tracked` what is filed in
MLflow.
"""
