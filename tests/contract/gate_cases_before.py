"""How each reason of the first two gates is provoked by a call, and what the caller must read then."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from brokerapi.v1 import halts_pb2, limits_pb2, trading_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode

from brokergw.desk.live.rules import LiveRules
from brokergw.model.account import Environment
from brokergw.model.errors import Reason
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import OrderType
from brokergw.ports.broker import BrokerUnavailable
from tests.contract import gate_acts as acts
from tests.contract.gate_case import FORBIDDEN, LATER, LIVE, NEW_YORK, Case, D, S
from tests.fixtures.clock import START_NS
from tests.fixtures.market_hours import QUEUING, TOLD, at


async def no_days() -> Sequence[Any]:
    raise BrokerUnavailable(Reason.BROKER_UNREACHABLE, "down")


AUTHORITY: Final = (
    Case(
        reason=Reason.ACCOUNT_NOT_FOUND,
        answer=(StatusCode.NOT_FOUND, "NEW_KEY"),
        facts={"kind": "account", "name": "acc_nobodys"},
        call={"account_id": "acc_nobodys"},
    ),
    Case(reason=Reason.CONNECTION_NOT_USABLE, before=acts.revoke),
    Case(reason=Reason.BROKER_SESSION_DOWN, answer=LATER, before=acts.five_failures),
    Case(reason=Reason.ACCOUNT_DISABLED, gate="authority", before=acts.broker(blocked=True)),
    Case(reason=Reason.ACCOUNT_CLOSE_ONLY, gate="authority", before=acts.broker(close_only=True)),
    Case(reason=Reason.POSITION_EFFECT_REQUIRED, gate="authority", before=acts.broker(hedged=True)),
    Case(reason=Reason.BROKER_DISABLED, gate="authority", before=acts.configured(enabled=False)),
    Case(
        reason=Reason.REGION_NOT_PERMITTED,
        gate="authority",
        facts={"source": "BROKER"},
        before=acts.configured(regions=limits_pb2.RegionList(regions=["EU"])),
    ),
    Case(reason=Reason.LIMITS_UNREADABLE, gate="authority", world={"arrange": acts.unreadable}),
    Case(
        reason=Reason.ENVIRONMENT_MISMATCH,
        gate="authority",
        facts={"limit": "MOCK", "observed": "PAPER"},
        world={"environment": Environment.PAPER, "rules": LiveRules(initial_mode=Environment.MOCK)},
    ),
    Case(
        reason=Reason.LIVE_NOT_ENABLED,
        gate="authority",
        answer=FORBIDDEN,
        facts={"missing": "GRANT RISK_ACKNOWLEDGEMENT MFA ESCALATION"},
        world=LIVE,
    ),
    Case(
        reason=Reason.MFA_REQUIRED,
        gate="authority",
        answer=FORBIDDEN,
        facts={"limit": "43200", "observed": "43201"},
        world={**LIVE, "arrange": partial(acts.traded_live, code_age_s=43_201)},
    ),
    Case(
        reason=Reason.MFA_REQUIRED,
        gate="exposure",
        answer=FORBIDDEN,
        facts={"limit": "300", "observed": "301"},
        world={
            **LIVE,
            "rules": LiveRules(step_up_notional=D("499.99")),
            "arrange": partial(acts.traded_live, code_age_s=301),
        },
    ),
    Case(
        reason=Reason.TRADING_HALTED,
        gate="authority",
        facts={"limit_name": "trading_state", "limit": "HALTED", "observed": "KILL_SWITCH", "source": "PLATFORM"},
        before=acts.killed(halts_pb2.TRADING_STATE_HALTED),
    ),
    Case(
        reason=Reason.REDUCE_ONLY_MODE,
        gate="authority",
        facts={"limit_name": "trading_state", "limit": "REDUCE_ONLY", "observed": "KILL_SWITCH", "source": "PLATFORM"},
        before=acts.killed(halts_pb2.TRADING_STATE_REDUCE_ONLY),
    ),
    Case(
        reason=Reason.STRATEGY_DISABLED,
        gate="authority",
        facts={"limit_name": "trading_state", "limit": "HALTED", "observed": "REJECT_STORM", "source": "STRATEGY"},
        before=acts.storm,
        call={"strategy_id": "s1"},
    ),
)

INSTRUMENT: Final = (
    Case(reason=Reason.INSTRUMENT_NOT_FOUND, gate="instrument", order={"symbol": "NOPE"}),
    Case(reason=Reason.INSTRUMENT_NOT_TRADABLE, gate="instrument", before=acts.broker(described={"tradable": False})),
    Case(
        reason=Reason.UNSUPPORTED_ORDER_TYPE,
        gate="instrument",
        world={"capabilities": {"order_types": {AssetClass.STOCK: frozenset({OrderType.MARKET})}}},
    ),
    Case(
        reason=Reason.UNSUPPORTED_TIME_IN_FORCE,
        gate="instrument",
        order={"time_in_force": trading_pb2.TIME_IN_FORCE_GTD, "expire_time": Timestamp(seconds=START_NS // S + 60)},
    ),
    Case(reason=Reason.UNSUPPORTED_FEATURE, gate="instrument", order={"quantity": "1.5"}),
    Case(
        reason=Reason.INSTRUMENT_RESTRICTED,
        gate="instrument",
        facts={"limit_name": "symbols_restricted", "source": "USER", "observed": "ACME"},
        before=acts.limits(symbols_restricted=limits_pb2.SymbolList(symbols=["ACME"])),
    ),
    Case(
        reason=Reason.INSTRUMENT_RESTRICTED,
        gate="instrument",
        facts={"limit_name": "symbols_allowed", "source": "USER", "observed": "ACME"},
        before=acts.limits(symbols_allowed=limits_pb2.SymbolList(symbols=["OTHER"])),
    ),
    Case(
        reason=Reason.ASSET_CLASS_NOT_ALLOWED,
        gate="instrument",
        facts={"limit_name": "asset_classes", "source": "USER", "observed": "STOCK"},
        before=acts.limits(asset_classes=limits_pb2.AssetClassList(asset_classes=[trading_pb2.ASSET_CLASS_CRYPTO])),
    ),
    Case(
        reason=Reason.OUTSIDE_TRADING_HOURS,
        gate="instrument",
        facts={"limit_name": "trading_hours", "source": "USER"},
        before=acts.limits(
            trading_hours=limits_pb2.TradingHoursList(
                windows=[
                    limits_pb2.TradingHours(zone="UTC", days=[limits_pb2.WEEKDAY_MONDAY], start="09:30", end="16:00")
                ]
            )
        ),
    ),
    Case(
        reason=Reason.MARKET_CLOSED,
        gate="instrument",
        world={"start_ns": at("2026-11-23 03:00"), "capabilities": {"markets": NEW_YORK}},
    ),
    Case(
        reason=Reason.SESSION_NOT_ALLOWED,
        gate="instrument",
        world={"start_ns": at("2026-11-23 12:00"), "capabilities": {"markets": {AssetClass.STOCK: QUEUING}}},
        order={"extended_hours": True, "type": trading_pb2.ORDER_TYPE_MARKET, "limit_price": None},
    ),
    Case(
        reason=Reason.SESSION_CLOSING,
        gate="instrument",
        world={"start_ns": at("2026-11-23 15:59:58"), "capabilities": {"markets": NEW_YORK}},
    ),
    Case(
        reason=Reason.CALENDAR_UNAVAILABLE,
        answer=LATER,
        world={"capabilities": {"markets": {AssetClass.STOCK: TOLD}}, "broker": {"market_days": no_days}},
    ),
    Case(
        reason=Reason.CLOCK_SKEW,
        answer=LATER,
        facts={"clock": "database", "apart_s": "0.501", "apart_max_s": "0.5"},
        world={"arrange": acts.skewed(0.501)},
    ),
    Case(
        reason=Reason.CLOCK_SKEW,
        answer=LATER,
        facts={"clock": "broker", "apart_s": "2.001", "apart_max_s": "2"},
        world={"broker": {"apart_s": 2.001}},
    ),
)
