"""Decisions made for others: in batches, and one user at a time."""
