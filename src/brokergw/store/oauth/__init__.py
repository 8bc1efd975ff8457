"""OAuth on the record: attempts that were begun, and grants."""
