"""What Alpaca can do, as documented in its Trading API (Orders at Alpaca; Options; Crypto)."""

from typing import Final

from brokergw.model.account import Environment
from brokergw.model.capability import (
    AROUND_THE_CLOCK,
    Auctions,
    Authentication,
    Capabilities,
    Feature,
    MarketRules,
    ResolutionClass,
)
from brokergw.model.instrument import AssetClass
from brokergw.model.sessions import SessionKind
from brokergw.model.terms import OrderClass, OrderType, TimeInForce

_SHARES: Final = MarketRules(
    calendar="XNYS",
    told=True,
    queues=True,
    extended=frozenset({SessionKind.PRE, SessionKind.POST, SessionKind.OVERNIGHT}),
    extended_types=frozenset({OrderType.LIMIT}),
    extended_times_in_force=frozenset({TimeInForce.DAY, TimeInForce.GTC}),
    extended_classes=frozenset({OrderClass.SIMPLE}),
    # Orders at Alpaca, time in force: opg from 19:00 until 9:28, cls from 19:00 until 15:50, New York time.
    auctions=Auctions(open_cutoff_s=2 * 60, close_cutoff_s=10 * 60, from_minute=19 * 60),
)
"""Orders at Alpaca: what comes while the market is closed is queued for the next session."""

_OPTIONS: Final = MarketRules(calendar="XNYS", told=True, queues=True, open_only_types=frozenset({OrderType.MARKET}))
"""Options: market orders are only taken during market hours."""

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
    features=frozenset(Feature) - {Feature.LEVERAGE},
    environments=frozenset({Environment.PAPER, Environment.LIVE}),
    authentication=Authentication.API_KEY_SECRET,
    resolution=ResolutionClass.BY_CLIENT_ID,
    client_order_id_length_max=128,
    markets={
        AssetClass.STOCK: _SHARES,
        AssetClass.OPTION: _OPTIONS,
        AssetClass.CRYPTO: AROUND_THE_CLOCK,
    },
    requests_per_minute=200,
)
