"""Schwab's wire protocol: the Trader API for individuals, its streamer's account activity, and market data."""

from brokergw.sim.dialects.schwab.app import SchwabDialect, serve_schwab
from brokergw.sim.dialects.schwab.options import DEFAULT_LOGIN, DEFAULT_NUMBER, DEFAULT_TOKEN, SchwabOptions

__all__ = [
    "DEFAULT_LOGIN",
    "DEFAULT_NUMBER",
    "DEFAULT_TOKEN",
    "SchwabDialect",
    "SchwabOptions",
    "serve_schwab",
]
