"""Every broker that worlds are played before, by its name."""

from typing import Final

from tests.simulation.alpaca import SimAlpaca
from tests.simulation.binance import SimFutures, SimSpot
from tests.simulation.broker import SimBroker
from tests.simulation.ctrader import SimCtrader
from tests.simulation.ibkr import SimIbkr
from tests.simulation.schwab import SimSchwab

BROKERS: Final[dict[str, SimBroker]] = {
    broker.name: broker for broker in (SimAlpaca(), SimSpot(), SimFutures(), SimIbkr(), SimCtrader(), SimSchwab())
}
