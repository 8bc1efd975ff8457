"""The token endpoints of brokers."""
