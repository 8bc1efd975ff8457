"""Charles Schwab, Trader API for individuals: stocks, funds and options, live only; start at README.md."""

from brokergw.adapters.schwab.adapter import SchwabBroker, SchwabConnection
from brokergw.adapters.schwab.config import SchwabConfig
from brokergw.adapters.schwab.oauth import SCHWAB_OAUTH

__all__ = ["SCHWAB_OAUTH", "SchwabBroker", "SchwabConfig", "SchwabConnection"]
