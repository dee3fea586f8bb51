"""`tune`: hyper-parameters searched to a target of complete trials, over kills, workers and machines.

`job.tune` does it, `result` is what was found, `report` what is said of it; `search`, `worker` and `studies` drive
Optuna, `task` and `winner` prepare a search's users and file its winner, `search_lock` gives one process a search's
run, `trial_log` files trials in MLflow. Only this folder imports Optuna.
"""
