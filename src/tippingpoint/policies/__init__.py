"""Policies: from score and features to segment and action; a policy never touches a model."""
