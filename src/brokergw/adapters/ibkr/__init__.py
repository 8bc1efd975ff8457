"""Interactive Brokers through the Client Portal gateway; start at README.md."""

from brokergw.adapters.ibkr.adapter import IbkrBroker, IbkrConnection
from brokergw.adapters.ibkr.config import IbkrConfig

__all__ = ["IbkrBroker", "IbkrConfig", "IbkrConnection"]
