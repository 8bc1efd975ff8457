"""Idempotency keys: what one stands for, the first call that runs under it, and how long it is remembered."""
