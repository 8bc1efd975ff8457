"""What became of an order whose outcome is unknown: searched for at the broker, proved absent, or put to a person."""
