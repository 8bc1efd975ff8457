"""How each reason of the last two gates, and of the commit behind them, is provoked, and what the caller reads then."""

from typing import Final

from brokerapi.v1 import trading_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from brokergw.desk.gates.standard import GateSettings
from brokergw.model.capability import ResolutionClass
from brokergw.model.errors import Reason
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import TimeInForce
from brokergw.ports.broker import BrokerUnavailable
from tests.contract import gate_acts as acts
from tests.contract.gate_case import LATER, MALFORMED, SELL, Case, D, S, at_limit
from tests.fixtures.clock import START_NS
from tests.fixtures.edge_samples import ACCOUNT

SANITY: Final = (
    Case(
        reason=Reason.EXPIRE_TIME_INVALID,
        gate="sanity",
        world={"capabilities": {"times_in_force": {AssetClass.STOCK: frozenset(TimeInForce)}}},
        order={"time_in_force": trading_pb2.TIME_IN_FORCE_GTD, "expire_time": Timestamp(seconds=START_NS // S)},
    ),
    Case(
        reason=Reason.QUANTITY_BELOW_MINIMUM,
        gate="sanity",
        answer=MALFORMED,
        facts={"limit": "11", "observed": "10"},
        before=acts.broker(described={"quantity_min": D(11)}),
    ),
    Case(
        reason=Reason.PRICE_OFF_TICK,
        answer=MALFORMED,
        facts={"field": "order.limit_price"},
        order={"limit_price": "50.001"},
    ),
    Case(
        reason=Reason.QUANTITY_OFF_STEP,
        answer=MALFORMED,
        facts={"field": "order.quantity"},
        before=acts.broker(described={"quantity_step": D(3)}),
    ),
    Case(
        reason=Reason.ORDER_NOTIONAL_EXCEEDS_LIMIT,
        gate="sanity",
        facts=at_limit("order_notional_max", "499.99", "0", "500"),
        before=acts.limits(order_notional_max="499.99"),
    ),
    Case(
        reason=Reason.ORDER_QUANTITY_EXCEEDS_LIMIT,
        gate="sanity",
        facts=at_limit("order_quantity_max", "9", "0", "10"),
        before=acts.limits(order_quantity_max="9"),
    ),
    Case(
        reason=Reason.STOP_PRICE_WRONG_SIDE,
        gate="sanity",
        facts={"limit": "50", "observed": "50"},
        order={"type": trading_pb2.ORDER_TYPE_STOP, "limit_price": None, "stop_price": "50"},
    ),
    Case(reason=Reason.REFERENCE_PRICE_MISSING, gate="sanity", before=acts.broker(bid=None, ask=None)),
    Case(
        reason=Reason.REFERENCE_PRICE_STALE,
        gate="sanity",
        facts={"limit": "15", "observed": "16"},
        before=acts.broker(quote_age_s=16),
    ),
    Case(
        reason=Reason.PRICE_OUTSIDE_COLLAR,
        gate="sanity",
        facts={"limit_name": "price_collar_percent", "source": "USER", "limit": "51", "observed": "51.01"},
        before=acts.limits(price_collar_percent="2"),
        order={"limit_price": "51.01"},
    ),
    Case(
        reason=Reason.MARKET_ORDER_NOT_ALLOWED,
        gate="sanity",
        facts={"limit_name": "market_orders", "source": "USER"},
        before=acts.limits(market_orders=False),
        order={"type": trading_pb2.ORDER_TYPE_MARKET, "limit_price": None},
    ),
    Case(
        reason=Reason.DUPLICATIVE_ORDER,
        gate="sanity",
        facts={"limit": "2", "observed": "0.00"},
        world={"settings": GateSettings(D(10_000), duplicate_window_s=2.0)},
        before=acts.one_order,
    ),
    Case(
        reason=Reason.SELF_MATCH_RISK,
        gate="sanity",
        facts={"limit": "50.01"},
        before=acts.rest_a_buy,
        order=SELL,
    ),
    Case(
        reason=Reason.REDUCE_ONLY_WOULD_INCREASE,
        gate="sanity",
        facts={"limit": "9", "observed": "10"},
        before=acts.holding(9),
        order={**SELL, "reduce_only": True},
    ),
    Case(
        # The broker tells of a position that the record does not have: only the commit knows.
        reason=Reason.REDUCE_ONLY_WOULD_INCREASE,
        gate="sanity",
        facts={"limit": "0", "observed": "10"},
        before=acts.holding(10),
        order={**SELL, "reduce_only": True},
    ),
    Case(
        reason=Reason.ORDER_TOO_OLD,
        gate="sanity",
        facts={"limit": "30", "observed": "31.0"},
        call={"client_time": Timestamp(seconds=START_NS // S - 31)},
    ),
    Case(
        reason=Reason.IN_DOUBT_ORDER_EXISTS,
        gate="sanity",
        world={"capabilities": {"resolution": ResolutionClass.BY_TAG}},
        before=acts.one_in_doubt,
    ),
)

EXPOSURE: Final = (
    Case(
        reason=Reason.INSUFFICIENT_BUYING_POWER,
        gate="exposure",
        facts={"limit": "499.99", "observed": "500"},
        before=acts.broker(buying_power=D("499.99")),
    ),
    Case(
        reason=Reason.INSUFFICIENT_BUYING_POWER,
        gate="exposure",
        facts=at_limit("buying_power", "700", "500", "500", "BROKER"),
        before=acts.orders_on_their_way,
    ),
    Case(
        reason=Reason.INSUFFICIENT_POSITION,
        gate="exposure",
        facts={"limit": "4", "observed": "10"},
        before=acts.holding(10, 4),
        order=SELL,
    ),
    Case(
        reason=Reason.SHORT_NOT_PERMITTED,
        gate="exposure",
        facts={"limit": "0", "observed": "10"},
        order=SELL,
    ),
    Case(
        reason=Reason.RISK_DATA_UNAVAILABLE,
        answer=LATER,
        facts={"cause": "BROKER_UNREACHABLE"},
        before=acts.broker(away=BrokerUnavailable(Reason.BROKER_UNREACHABLE, "down")),
    ),
    Case(
        reason=Reason.RISK_DATA_STALE,
        answer=LATER,
        facts={"limit": "60", "observed": "61"},
        before=acts.broker(account_age_s=61),
    ),
    Case(
        reason=Reason.RISK_DATA_STALE,
        answer=LATER,
        before=acts.limits_not_read,
    ),
    Case(
        reason=Reason.RISK_DATA_STALE,
        answer=LATER,
        facts={"limit": "60", "account": ACCOUNT},
        before=acts.contradict,
    ),
    Case(
        reason=Reason.FX_RATE_STALE,
        gate="exposure",
        facts={"observed": "EUR"},
        before=acts.broker(described={"currency": "EUR"}),
    ),
    Case(
        reason=Reason.SYMBOL_POSITION_EXCEEDS_LIMIT,
        gate="exposure",
        facts=at_limit("position_notional_max", "999.99", "500", "500"),
        before=acts.used_by_one(position_notional_max="999.99"),
    ),
    Case(
        reason=Reason.GROSS_EXPOSURE_EXCEEDS_LIMIT,
        gate="exposure",
        facts=at_limit("exposure_max", "999.99", "500", "500"),
        before=acts.used_by_one(exposure_max="999.99"),
    ),
    Case(
        reason=Reason.OPEN_ORDERS_EXCEED_LIMIT,
        gate="exposure",
        facts=at_limit("open_orders_max", "1", "1", "1"),
        before=acts.used_by_one(open_orders_max=1),
    ),
    Case(
        reason=Reason.ORDER_COUNT_EXCEEDS_LIMIT,
        gate="exposure",
        facts=at_limit("orders_per_day_max", "1", "1", "1"),
        before=acts.used_by_one(orders_per_day_max=1),
    ),
    Case(
        reason=Reason.ORDER_COUNT_EXCEEDS_LIMIT,
        gate="exposure",
        facts=at_limit("orders_per_minute_max", "1", "1", "1"),
        before=acts.used_by_one(orders_per_minute_max=1),
    ),
    Case(
        reason=Reason.DAY_NOTIONAL_EXCEEDS_LIMIT,
        gate="exposure",
        facts=at_limit("daily_volume_max", "999.99", "500", "500"),
        before=acts.used_by_one(daily_volume_max="999.99"),
    ),
    Case(
        reason=Reason.DAILY_LOSS_LIMIT_REACHED,
        gate="exposure",
        facts=at_limit("daily_loss_max", "5000", "5000", "0", "PLATFORM"),
        before=acts.lose,
    ),
    Case(
        reason=Reason.RECONCILIATION_DRIFT,
        gate="exposure",
        facts={"limit": "3", "observed": "5"},
        before=acts.differ,
    ),
)
