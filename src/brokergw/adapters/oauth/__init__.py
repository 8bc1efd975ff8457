"""OAuth profiles of brokers whose rooms are still to be built; a room takes its file over."""

from brokergw.adapters.oauth.akoya import AKOYA
from brokergw.adapters.oauth.coinbase import COINBASE
from brokergw.adapters.oauth.ctrader import CTRADER
from brokergw.adapters.oauth.tastytrade import TASTYTRADE

__all__ = ["AKOYA", "COINBASE", "CTRADER", "TASTYTRADE"]
