"""Comparing each account's record with its broker: what is looked at, what counts, and what is done about it."""
