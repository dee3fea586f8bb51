"""Worlds whose truth is known; one file and one YAML each."""
