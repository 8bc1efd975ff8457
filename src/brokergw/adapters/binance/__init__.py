"""Binance, spot and USDⓈ-M futures, live and testnet; start at README.md."""

from brokergw.adapters.binance.adapter import BinanceBroker, BinanceConnection
from brokergw.adapters.binance.config import BinanceConfig, Product, stream_of

__all__ = ["BinanceBroker", "BinanceConfig", "BinanceConnection", "Product", "stream_of"]
