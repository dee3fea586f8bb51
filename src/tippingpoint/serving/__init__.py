"""`serve`: the champion over HTTP, with its decisions, reasons and prices; follows promotions.

`job.serve` starts it, `api` answers requests, `request` reads them, `version` is a version in use,
`compiled_pipeline` and `compiled_trees` are its fast forms, `alias_watcher` notices promotions, `openapi` describes
it.
"""
