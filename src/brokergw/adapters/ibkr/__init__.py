"""Interactive Brokers through the Client Portal gateway; start at README.md."""

from brokergw.adapters.ibkr.adapter import IbkrBroker, IbkrConnection
from brokergw.adapters.ibkr.config import LIST_EVERY_S, IbkrConfig

__all__ = ["LIST_EVERY_S", "IbkrBroker", "IbkrConfig", "IbkrConnection"]
