"""What the Client Portal gateway can do, as its documentation says and the exam proves."""

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
_PLAIN: Final = frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT})
_TIMES: Final = frozenset({TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC})

IBKR: Final = Capabilities(
    broker="ibkr",
    name="Interactive Brokers",
    asset_classes=frozenset(
        {AssetClass.STOCK, AssetClass.OPTION, AssetClass.FUTURE, AssetClass.FOREX, AssetClass.BOND}
    ),
    order_types={
        AssetClass.STOCK: frozenset(OrderType),
        AssetClass.OPTION: _PLAIN,
        AssetClass.FUTURE: frozenset(OrderType),
        AssetClass.FOREX: _PLAIN,
        AssetClass.BOND: frozenset({OrderType.LIMIT}),
    },
    times_in_force={
        AssetClass.STOCK: _TIMES | {TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE},
        AssetClass.OPTION: _TIMES,
        AssetClass.FUTURE: _TIMES,
        AssetClass.FOREX: _TIMES,
        AssetClass.BOND: frozenset({TimeInForce.DAY, TimeInForce.GTC}),
    },
    order_classes=frozenset({OrderClass.SIMPLE}),
    features=frozenset(
        {
            Feature.EXTENDED_HOURS,
            Feature.SHORT,
            Feature.MODIFY,
            Feature.CANCEL_ALL,
            Feature.CLOSE_POSITION,
            Feature.ORDER_STREAM,
            Feature.FIND_BY_CLIENT_ORDER_ID,
            Feature.ORDER_HISTORY,
            Feature.QUOTES,
        }
    ),
    environments=frozenset({Environment.PAPER, Environment.LIVE}),
    authentication=Authentication.SESSION,
    # Ids are repeated by lists of the day, there is no look-up by them, and they are only unique for 24 hours.
    resolution=ResolutionClass.BY_TAG,
    client_order_id_length_max=64,
    markets={
        AssetClass.STOCK: _SHARES,
        AssetClass.OPTION: MarketRules(calendar="XNYS", queues=True),
        AssetClass.FUTURE: MarketRules(calendar="CME", queues=True),
        AssetClass.FOREX: MarketRules(calendar="FX", queues=True),
        AssetClass.BOND: MarketRules(calendar="XNYS", queues=True),
    },
    visibility_s=60,
    requests_per_minute=600,
)
