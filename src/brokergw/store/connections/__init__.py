"""Connections to brokers, and which process works for which."""
