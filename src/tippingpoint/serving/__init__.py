"""Decisions for others: one user at a time over HTTP."""
