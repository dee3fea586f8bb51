"""`data describe`, `data explore`, `data write`: a table of users before any model.

One file a verb (`describe.describe`, `explore.explore`, `write.write`), `describe_report` is what the first one prints,
`page` what the second one draws. Needs no MLflow.
"""
