"""The only importers of mlflow."""
