"""What Schwab can do, as its Trader API's schema says and as its users have found; there is no paper trading."""

from typing import Final

from brokergw.model.account import Environment
from brokergw.model.capability import Authentication, Capabilities, Feature, MarketRules, ResolutionClass
from brokergw.model.instrument import AssetClass
from brokergw.model.sessions import SessionKind
from brokergw.model.terms import OrderClass, OrderType, TimeInForce

_SHARES: Final = MarketRules(
    calendar="XNYS",
    queues=True,
    extended=frozenset({SessionKind.PRE, SessionKind.POST}),
    extended_types=frozenset({OrderType.LIMIT}),
    extended_times_in_force=frozenset({TimeInForce.DAY, TimeInForce.GTC}),
    extended_classes=frozenset({OrderClass.SIMPLE}),
)
"""What comes while the market is closed waits for it (status PENDING_ACTIVATION)."""

_OPTIONS: Final = MarketRules(calendar="XNYS", queues=True)
_SHARE_TYPES: Final = frozenset(OrderType)
_SHARE_TIMES: Final = frozenset({TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK})

SCHWAB: Final = Capabilities(
    broker="schwab",
    name="Schwab",
    asset_classes=frozenset({AssetClass.STOCK, AssetClass.ETF, AssetClass.OPTION}),
    order_types={
        AssetClass.STOCK: _SHARE_TYPES,
        AssetClass.ETF: _SHARE_TYPES,
        AssetClass.OPTION: frozenset({OrderType.MARKET, OrderType.LIMIT}),
    },
    times_in_force={
        AssetClass.STOCK: _SHARE_TIMES,
        AssetClass.ETF: _SHARE_TIMES,
        AssetClass.OPTION: frozenset({TimeInForce.DAY, TimeInForce.GTC}),
    },
    order_classes=frozenset(OrderClass),
    # Fractions, and orders by money, are in the schema; that they are filled is not known.
    features=frozenset(Feature)
    - {Feature.FRACTIONAL, Feature.NOTIONAL, Feature.FIND_BY_CLIENT_ORDER_ID, Feature.LEVERAGE},
    environments=frozenset({Environment.LIVE}),
    authentication=Authentication.OAUTH2,
    resolution=ResolutionClass.BY_CONTENT,
    # Nothing of ours goes along with an order; the length is that of our own ids.
    client_order_id_length_max=128,
    markets={AssetClass.STOCK: _SHARES, AssetClass.ETF: _SHARES, AssetClass.OPTION: _OPTIONS},
    # Entry times are told in whole seconds, and were seen a second before the answer's own Date.
    entry_early_s=2,
    requests_per_minute=120,
)
