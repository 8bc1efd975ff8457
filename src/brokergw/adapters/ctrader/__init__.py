"""cTrader's Open API, by which Pepperstone is traded: currencies and contracts for difference; start at README.md."""

from brokergw.adapters.ctrader.adapter import CtraderBroker, CtraderConnection
from brokergw.adapters.ctrader.config import CtraderConfig

__all__ = ["CtraderBroker", "CtraderConfig", "CtraderConnection"]
