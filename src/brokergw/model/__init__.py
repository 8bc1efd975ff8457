"""Pure values: what an order, a fill, an account and an error are. Nothing here does I/O."""
