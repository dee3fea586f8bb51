"""`serve`: the champion over HTTP, with its decisions, reasons and prices; follows promotions.

`job.serve` starts it, `service` puts it together, `workers` starts several processes of it, `api` answers requests,
`request` reads them, `trace` tells them apart and `spans` has them collected, `version` is a version in use, `split`
says which answers whom, `decision_log` keeps what was answered, `compiled_pipeline` and `compiled_trees` are its fast
forms, `alias_watcher` notices promotions, `openapi` describes it.
"""
