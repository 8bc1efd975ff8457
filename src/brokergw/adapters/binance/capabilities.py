"""What Binance can do, one row for each product (rest-api.md, enums.md; futures: New Order, New Algo Order)."""

from typing import Final

from brokergw.model.account import Environment
from brokergw.model.capability import AROUND_THE_CLOCK, Authentication, Capabilities, Feature, ResolutionClass
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import OrderClass, OrderType, TimeInForce

_ENVIRONMENTS: Final = frozenset({Environment.PAPER, Environment.LIVE})

SPOT: Final = Capabilities(
    broker="binance",
    name="Binance Spot",
    asset_classes=frozenset({AssetClass.CRYPTO}),
    order_types={AssetClass.CRYPTO: frozenset(OrderType)},
    times_in_force={AssetClass.CRYPTO: frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK})},
    order_classes=frozenset({OrderClass.SIMPLE, OrderClass.OCO, OrderClass.OTO, OrderClass.BRACKET}),
    features=frozenset(
        {
            Feature.FRACTIONAL,
            Feature.NOTIONAL,
            Feature.CANCEL_ALL,
            Feature.CLOSE_POSITION,
            Feature.ORDER_STREAM,
            Feature.FIND_BY_CLIENT_ORDER_ID,
            Feature.ORDER_HISTORY,
            Feature.QUOTES,
        }
    ),
    environments=_ENVIRONMENTS,
    authentication=Authentication.API_KEY_SECRET,
    resolution=ResolutionClass.BY_CLIENT_ID,
    client_order_id_length_max=36,
    markets={AssetClass.CRYPTO: AROUND_THE_CLOCK},
)
"""Without MODIFY: cancelling and placing anew is not one step at Binance and forgets what was filled, and what is one
step (amend) only ever takes quantity away.
"""

FUTURES: Final = Capabilities(
    broker="binance-futures",
    name="Binance USDⓈ-M Futures",
    asset_classes=frozenset({AssetClass.FUTURE}),
    order_types={AssetClass.FUTURE: frozenset(OrderType)},
    times_in_force={
        AssetClass.FUTURE: frozenset({TimeInForce.GTC, TimeInForce.GTD, TimeInForce.IOC, TimeInForce.FOK}),
    },
    order_classes=frozenset({OrderClass.SIMPLE}),
    features=frozenset(Feature) - {Feature.NOTIONAL, Feature.EXTENDED_HOURS},
    environments=_ENVIRONMENTS,
    authentication=Authentication.API_KEY_SECRET,
    resolution=ResolutionClass.BY_CLIENT_ID,
    client_order_id_length_max=36,
    markets={AssetClass.FUTURE: AROUND_THE_CLOCK},
)
