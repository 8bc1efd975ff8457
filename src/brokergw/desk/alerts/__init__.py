"""Telling people at once of what they must hear of."""
