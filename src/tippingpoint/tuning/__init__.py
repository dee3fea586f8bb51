"""The search for hyper-parameters: Optuna asks, folds answer, processes come and go."""
