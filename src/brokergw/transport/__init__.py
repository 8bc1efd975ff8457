"""Plumbing that only adapters use: HTTP that tells sent from not sent, supervised websockets, request budgets."""
