"""MLflow: the store, runs, registered versions, the journal of promotions. The only importer of MLflow."""
