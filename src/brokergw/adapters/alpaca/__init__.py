"""Alpaca, Trading API v2: stocks, options and crypto, paper and live; start at README.md."""

from brokergw.adapters.alpaca.adapter import AlpacaBroker, AlpacaConnection
from brokergw.adapters.alpaca.config import AlpacaConfig, stream_of

__all__ = ["AlpacaBroker", "AlpacaConfig", "AlpacaConnection", "stream_of"]
