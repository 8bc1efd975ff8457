"""Binance's wire protocol: spot and USDⓈ-M futures, REST and websockets."""

from brokergw.sim.dialects.binance.app import BinanceDialect, serve_binance
from brokergw.sim.dialects.binance.options import DEFAULT_KEY, DEFAULT_SECRET, BinanceOptions

__all__ = ["DEFAULT_KEY", "DEFAULT_SECRET", "BinanceDialect", "BinanceOptions", "serve_binance"]
