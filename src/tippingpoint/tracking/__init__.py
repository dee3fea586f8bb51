"""MLflow: the store, runs, registered versions, the journal of promotions. The only importer of MLflow.

`backend` opens the store, `runs` opens, fills and closes runs, `registry` registers versions and sets `challenger`,
`promotion` moves `champion` to what `journal` says, `entries` writes that, `champion` tells what is true and what is
amiss. `actor` says who acts, `grants` who may write. `stored` finds runs and versions, `models` and `deciders` load
them, `reload` scores with one in a clean process, `spark` decides on Spark. `provenance` says which code and packages a
run was made with, `tags` names the tags by which runs are found, `views` are the saved views in the MLflow UI.
"""
