"""What Alpaca can do, as documented in its Trading API (Orders at Alpaca; Options; Crypto)."""

from typing import Final

from brokergw.model.account import Environment
from brokergw.model.capability import Authentication, Capabilities, Feature, ResolutionClass
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import OrderClass, OrderType, TimeInForce

ALPACA: Final = Capabilities(
    broker="alpaca",
    name="Alpaca",
    asset_classes=frozenset({AssetClass.STOCK, AssetClass.OPTION, AssetClass.CRYPTO}),
    order_types={
        AssetClass.STOCK: frozenset(OrderType),
        AssetClass.OPTION: frozenset({OrderType.MARKET, OrderType.LIMIT}),
        AssetClass.CRYPTO: frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT}),
    },
    times_in_force={
        # Alpaca takes no date for an order to end at.
        AssetClass.STOCK: frozenset(TimeInForce) - {TimeInForce.GTD},
        AssetClass.OPTION: frozenset({TimeInForce.DAY}),
        AssetClass.CRYPTO: frozenset({TimeInForce.GTC, TimeInForce.IOC}),
    },
    order_classes=frozenset(OrderClass),
    features=frozenset(Feature),
    environments=frozenset({Environment.PAPER, Environment.LIVE}),
    authentication=Authentication.API_KEY_SECRET,
    resolution=ResolutionClass.BY_CLIENT_ID,
    client_order_id_length_max=128,
    requests_per_minute=200,
)
