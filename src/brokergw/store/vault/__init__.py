"""Secrets at rest: the keys that wrap, the seal of one value, where sealed values lie, and their rotation."""
