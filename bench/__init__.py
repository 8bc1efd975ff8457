"""The bench: the gateway beside bare peers that do the least possible, in one run on one machine."""
