"""The outside world, faked: one thin wire dialect per broker over the exchange, with faults and a wire journal."""
