"""Limits: what was set in which scope, what that comes to, and who may change it."""
