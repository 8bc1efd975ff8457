"""Statements as both databases understand them, and how their failures are told."""
