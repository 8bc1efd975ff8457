"""Alpaca's wire protocol: Trading API v2, trade updates and market data."""

from brokergw.sim.dialects.alpaca.app import AlpacaDialect, make_alpaca, serve_alpaca
from brokergw.sim.dialects.alpaca.options import DEFAULT_KEY, DEFAULT_SECRET, AlpacaOptions

__all__ = ["DEFAULT_KEY", "DEFAULT_SECRET", "AlpacaDialect", "AlpacaOptions", "make_alpaca", "serve_alpaca"]
