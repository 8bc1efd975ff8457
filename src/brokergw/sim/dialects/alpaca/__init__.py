"""Alpaca's wire protocol: Trading API v2, trade updates and market data."""

from brokergw.sim.dialects.alpaca.app import AlpacaDialect, serve_alpaca
from brokergw.sim.dialects.alpaca.options import DEFAULT_KEY, DEFAULT_SECRET, AlpacaOptions

__all__ = ["DEFAULT_KEY", "DEFAULT_SECRET", "AlpacaDialect", "AlpacaOptions", "serve_alpaca"]
