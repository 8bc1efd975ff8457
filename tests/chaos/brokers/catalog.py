"""Every broker that chaos can be let loose before: a new one is one line here."""

from collections.abc import Mapping
from typing import Final

from tests.chaos.broker import ChaosBroker
from tests.chaos.brokers.alpaca import AlpacaChaos
from tests.chaos.brokers.binance import FuturesChaos, SpotChaos
from tests.chaos.brokers.ctrader import CtraderChaos
from tests.chaos.brokers.ibkr import IbkrChaos
from tests.chaos.brokers.schwab import SchwabChaos

BROKERS: Final[Mapping[str, type[ChaosBroker]]] = {
    each.capabilities.broker: each
    for each in (AlpacaChaos, SpotChaos, FuturesChaos, IbkrChaos, CtraderChaos, SchwabChaos)
}
