"""From what a free user does to a priced decision: models, policies and money, compared in MLflow."""
