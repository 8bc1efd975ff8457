"""The record's own count of what is held, open and used, moved in the commit that changes an order."""
