"""Clearing away what rests in a halted scope, and closing what is held there where that was asked for."""
