"""Alpaca, Trading API v2: stocks, options and crypto, paper and live; start at README.md."""

from brokergw.adapters.alpaca.adapter import AlpacaBroker, AlpacaConnection
from brokergw.adapters.alpaca.config import AlpacaConfig, stream_of
from brokergw.adapters.alpaca.oauth import ALPACA_OAUTH

__all__ = ["ALPACA_OAUTH", "AlpacaBroker", "AlpacaConfig", "AlpacaConnection", "stream_of"]
