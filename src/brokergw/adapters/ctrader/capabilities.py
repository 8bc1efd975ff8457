"""What cTrader can do, as its Open API documents it."""

from typing import Final

from brokergw.model.account import Environment
from brokergw.model.capability import AROUND_THE_CLOCK, Authentication, Capabilities, Feature, ResolutionClass
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import OrderClass, OrderType, TimeInForce

_TYPES: Final = frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT})
_TIMES: Final = frozenset({TimeInForce.GTC, TimeInForce.GTD, TimeInForce.IOC, TimeInForce.FOK})
"""There are no orders for the day at cTrader."""

CTRADER: Final = Capabilities(
    broker="ctrader",
    name="Pepperstone (cTrader)",
    asset_classes=frozenset({AssetClass.FOREX, AssetClass.CFD}),
    order_types={AssetClass.FOREX: _TYPES, AssetClass.CFD: _TYPES},
    times_in_force={AssetClass.FOREX: _TIMES, AssetClass.CFD: _TIMES},
    order_classes=frozenset({OrderClass.SIMPLE}),
    features=frozenset(
        {
            Feature.FRACTIONAL,
            Feature.SHORT,
            Feature.MODIFY,
            Feature.CANCEL_ALL,
            Feature.CLOSE_POSITION,
            Feature.ORDER_STREAM,
            Feature.FIND_BY_CLIENT_ORDER_ID,
            Feature.ORDER_HISTORY,
            Feature.TRANSACTIONS,
            Feature.QUOTES,
        }
    ),
    environments=frozenset({Environment.PAPER, Environment.LIVE}),
    authentication=Authentication.OAUTH2,
    # The client order id is told back with the order, and neither looked up by nor kept unique.
    resolution=ResolutionClass.BY_TAG,
    client_order_id_length_max=50,
    # Each symbol has hours of its own, and the broker refuses outside of them.
    markets={AssetClass.FOREX: AROUND_THE_CLOCK, AssetClass.CFD: AROUND_THE_CLOCK},
    needs_application=True,
    visibility_s=60,
    requests_per_minute=3_000,
)
