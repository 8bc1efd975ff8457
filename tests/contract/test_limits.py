"""Limits over a real channel: who may, what is asked, what is answered."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import grpc
import pytest
from brokerapi.v1 import limits_pb2 as pb
from brokerapi.v1 import trading_pb2
from google.protobuf.message import Message

from brokergw.desk.limits.verbs import Usage
from brokergw.model.principal import OPERATORS, Scope
from brokergw.ports.journal import Measure
from tests.fixtures.edge import KEY, Edge, numbered, refused

WEEK = pb.TradingHours(zone="America/New_York", days=[pb.WEEKDAY_MONDAY, pb.WEEKDAY_FRIDAY], start="09:30", end="16:00")
EVERYTHING = pb.Limits(
    order_notional_max="5000",
    order_quantity_max="100",
    position_notional_max="20000.5",
    exposure_max="0",
    daily_volume_max="100000",
    daily_loss_max="250.25",
    orders_per_day_max=100,
    orders_per_minute_max=10,
    open_orders_max=0,
    leverage_max=5,
    price_collar_percent="2.5",
    market_orders=False,
    asset_classes=pb.AssetClassList(asset_classes=[trading_pb2.ASSET_CLASS_STOCK, trading_pb2.ASSET_CLASS_CRYPTO]),
    symbols_allowed=pb.SymbolList(symbols=["AAPL", "KO"]),
    symbols_restricted=pb.SymbolList(),
    trading_hours=pb.TradingHoursList(windows=[WEEK]),
)


def hours(**changes: Any) -> dict[str, Any]:
    """Make trading hours of one window that nothing is wrong with, but for the changes."""
    fields = {"zone": WEEK.zone, "days": list(WEEK.days), "start": WEEK.start, "end": WEEK.end, **changes}
    return {"trading_hours": pb.TradingHoursList(windows=[pb.TradingHours(**fields)])}


async def test_every_limit_comes_back_as_it_was_set(edge: Edge) -> None:
    """All fields survive the way in and out, zeros and empty lists as such; what was unset stays unset."""
    answer = await edge.risk.UpdateLimits(pb.UpdateLimitsRequest(limits=EVERYTHING, etag='"0"'), metadata=KEY)
    assert answer.limits.etag == '"1"'
    shown = await edge.risk.GetLimits(pb.GetLimitsRequest(), metadata=KEY)
    expected = pb.Limits()
    expected.CopyFrom(EVERYTHING)
    expected.asset_classes.asset_classes[:] = [trading_pb2.ASSET_CLASS_CRYPTO, trading_pb2.ASSET_CLASS_STOCK]
    assert shown.user.limits == expected
    assert (shown.user.set_by, shown.user.set_time.seconds > 0) == ("ann", True)
    assert shown.platform.limits == pb.Limits()
    assert shown.mandatory.order_notional_max == "10000"
    assert not shown.HasField("strategy")
    words = {each.name: each.value for each in shown.effective}
    assert words["trading_hours"] == "MON,FRI 09:30-16:00 America/New_York"
    assert words["asset_classes"] == "CRYPTO,STOCK"
    assert (words["market_orders"], words["symbols_restricted"]) == ("false", "none")


async def test_what_binds_is_shown_with_its_source(edge: Edge) -> None:
    """Each limit has the strictest value and names who set it; a strategy's own counts stand by themselves."""
    await edge.admin.UpdateUserLimits(
        pb.UpdateUserLimitsRequest(user_id="ann", limits=pb.Limits(exposure_max="900"), etag='"0"', region="EU"),
        metadata=KEY,
    )
    own = pb.Limits(exposure_max="1", orders_per_day_max=7)
    await edge.risk.UpdateLimits(pb.UpdateLimitsRequest(strategy_id="s1", limits=own, etag='"0"'), metadata=KEY)
    shown = await edge.risk.GetLimits(pb.GetLimitsRequest(strategy_id="s1"), metadata=KEY)
    found = {each.name: (each.value, each.source) for each in shown.effective}
    assert found["exposure_max"] == ("900", pb.LIMIT_SOURCE_ADMIN)
    assert found["orders_per_day_max"] == ("10000", pb.LIMIT_SOURCE_PLATFORM)
    strategy = {each.name: (each.value, each.source) for each in shown.strategy_effective}
    assert strategy == {
        "exposure_max": ("1", pb.LIMIT_SOURCE_STRATEGY),
        "orders_per_day_max": ("7", pb.LIMIT_SOURCE_STRATEGY),
    }
    assert (shown.region, shown.limits_version) == ("EU", 2)


NO_LIMITS: list[tuple[str, Any]] = [
    ("limits.order_notional_max", {"order_notional_max": "-1"}),
    ("limits.order_notional_max", {"order_notional_max": "NaN"}),
    ("limits.exposure_max", {"exposure_max": "1e3"}),
    ("limits.daily_loss_max", {"daily_loss_max": ""}),
    ("limits.orders_per_day_max", {"orders_per_day_max": -1}),
    ("limits.asset_classes", {"asset_classes": pb.AssetClassList(asset_classes=[trading_pb2.ASSET_CLASS_UNSPECIFIED])}),
    ("limits.symbols_allowed[0]", {"symbols_allowed": pb.SymbolList(symbols=[" "])}),
    ("limits.trading_hours.windows[0].zone", hours(zone="Mars/Olympus")),
    ("limits.trading_hours.windows[0].start", hours(start="9:30")),
    ("limits.trading_hours.windows[0].end", hours(end="09:30")),
    ("limits.trading_hours.windows[0].end", hours(start="24:00")),
    ("limits.trading_hours.windows[0].days", hours(days=[])),
    ("limits.trading_hours.windows[0].days", hours(days=[0])),
]


@pytest.mark.parametrize(("field", "limits"), NO_LIMITS, ids=numbered(NO_LIMITS, 0))
async def test_what_is_no_limit_is_refused(edge: Edge, field: str, limits: dict[str, Any]) -> None:
    """The broken field is named, and nothing is set."""
    request = pb.UpdateLimitsRequest(limits=pb.Limits(**limits), etag='"0"')
    refusal = await refused(edge.risk.UpdateLimits(request, metadata=KEY))
    assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])
    assert (await edge.risk.GetLimits(pb.GetLimitsRequest(), metadata=KEY)).user.etag == '"0"'


async def test_limits_and_etag_are_required(edge: Edge) -> None:
    """Nobody clears all limits by forgetting them, or without having read them."""
    refusal = await refused(edge.risk.UpdateLimits(pb.UpdateLimitsRequest(), metadata=KEY))
    assert refusal.fields == ["limits", "etag"]


async def test_what_is_used_is_shown_beside_what_holds(edge: Edge) -> None:
    """Where the gateway counts, use and rest are there, the rest never below zero; elsewhere neither is."""

    async def usage(_user_id: str, strategy_id: str) -> Usage:
        of_strategy = {Measure.EXPOSURE: Decimal(7)} if strategy_id else {}
        return Usage({Measure.EXPOSURE: Decimal("100000.5"), Measure.OPEN_ORDERS: Decimal(2)}, of_strategy)

    edge.desk.limits._usage = usage
    edge.desk.limits.loss_of = lambda _: Decimal(1_200)
    own = pb.UpdateLimitsRequest(strategy_id="s1", limits=pb.Limits(exposure_max="10"), etag='"0"')
    await edge.risk.UpdateLimits(own, metadata=KEY)
    shown = await edge.risk.GetLimits(pb.GetLimitsRequest(strategy_id="s1"), metadata=KEY)
    found = {each.name: (each.used, each.remaining) for each in shown.effective}
    assert found["exposure_max"] == ("100000.5", "0")
    assert found["open_orders_max"] == ("2", "498")
    assert found["daily_loss_max"] == ("1200", "3800")
    (strategy,) = shown.strategy_effective
    assert (strategy.used, strategy.remaining) == ("7", "3")
    (uncounted,) = [each for each in shown.effective if each.name == "order_notional_max"]
    assert not uncounted.HasField("used")
    assert not uncounted.HasField("remaining")


@pytest.mark.parametrize(("asked", "refusals"), [("9999.99", 0), ("10000", 0), ("10000.01", 5)])
async def test_nobody_sets_a_limit_above_the_platforms(edge: Edge, asked: str, refusals: int) -> None:
    """At the platform's bound it is taken, above it refused with the field and the bound; over every call alike."""
    limits = pb.Limits(order_notional_max=asked)
    config = pb.BrokerConfig(broker="mock", enabled=True, limits=limits, etag='"0"')
    calls: list[tuple[Any, Message]] = [
        (edge.risk.UpdateLimits, pb.UpdateLimitsRequest(limits=limits, etag='"0"')),
        (edge.risk.UpdateLimits, pb.UpdateLimitsRequest(strategy_id="s1", limits=limits, etag='"0"')),
        (edge.admin.UpdateUserLimits, pb.UpdateUserLimitsRequest(user_id="ann", limits=limits, etag='"0"')),
        (edge.admin.UpdatePlatformLimits, pb.UpdatePlatformLimitsRequest(limits=limits, etag='"0"')),
        (edge.admin.UpdateBrokerConfig, pb.UpdateBrokerConfigRequest(config=config)),
    ]
    for method, request in calls:
        if not refusals:
            await method(request, metadata=KEY)
            continue
        refusal = await refused(method(request, metadata=KEY))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "LIMIT_ABOVE_PLATFORM")
        assert (refusal.metadata["field"], refusal.metadata["bound"]) == ("order_notional_max", "10000")


async def test_a_stale_etag_changes_nothing(edge: Edge) -> None:
    """Who has read an older version is told the present one, with ABORTED."""
    request = pb.UpdateLimitsRequest(limits=pb.Limits(open_orders_max=5), etag='"0"')
    await edge.risk.UpdateLimits(request, metadata=KEY)
    refusal = await refused(edge.risk.UpdateLimits(request, metadata=KEY))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    assert refusal.metadata["etag"] == '"1"'


async def test_broker_configurations_are_listed_and_set(edge: Edge) -> None:
    """Every broker has one, set or not; all that is set comes back."""
    configs = (await edge.admin.ListBrokerConfigs(pb.ListBrokerConfigsRequest(), metadata=KEY)).configs
    assert [(each.broker, each.enabled, each.etag) for each in configs] == [
        ("alpaca", True, '"0"'),
        ("mock", True, '"0"'),
    ]
    wanted = pb.BrokerConfig(
        broker="alpaca",
        enabled=False,
        fee_bps="1.5",
        fee_per_contract="0.65",
        requests_per_minute=150,
        regions=pb.RegionList(regions=["EU", "US"]),
        paper_url="http://127.0.0.1:8080",
        live_url="https://api.example.com/v2",
        limits=pb.Limits(daily_volume_max="1000"),
        etag='"0"',
    )
    answer = await edge.admin.UpdateBrokerConfig(pb.UpdateBrokerConfigRequest(config=wanted), metadata=KEY)
    assert (answer.config.etag, answer.config.set_by) == ('"1"', "ann")
    for name in ("etag", "set_by", "set_time"):
        answer.config.ClearField(name)
        wanted.ClearField(name)
    assert answer.config == wanted


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("config.fee_bps", {"fee_bps": "-1"}),
        ("config.requests_per_minute", {"requests_per_minute": 9}),
        ("config.regions", {"regions": pb.RegionList(regions=["eu"])}),
        ("config.live_url", {"live_url": "http://api.example.com"}),
        ("config.paper_url", {"paper_url": "https://user@api.example.com"}),
        ("config.data_url", {"data_url": "ftp://api.example.com"}),
        ("config.etag", {"etag": ""}),
        ("config.broker", {"broker": ""}),
    ],
)
async def test_a_configuration_that_is_not_whole_is_refused(edge: Edge, field: str, changes: dict[str, Any]) -> None:
    """Keys never travel readable beyond this machine, and no number is negative."""
    config = pb.BrokerConfig(**{"broker": "mock", "enabled": True, "etag": '"0"', **changes})
    refusal = await refused(edge.admin.UpdateBrokerConfig(pb.UpdateBrokerConfigRequest(config=config), metadata=KEY))
    assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


async def test_what_does_not_exist_is_not_found(edge: Edge) -> None:
    """Unknown users and brokers are named as such."""
    wrong_user = await refused(edge.admin.GetUserLimits(pb.GetUserLimitsRequest(user_id="bob"), metadata=KEY))
    assert (wrong_user.code, wrong_user.reason) == (grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND")
    wrong_broker = await refused(edge.risk.GetLimits(pb.GetLimitsRequest(broker="nobody"), metadata=KEY))
    assert (wrong_broker.code, wrong_broker.reason) == (grpc.StatusCode.NOT_FOUND, "BROKER_NOT_FOUND")


async def test_each_call_needs_its_scope(edge: Edge) -> None:
    """A trader's key reaches its own limits only, one without risk scopes not even those."""
    full = edge.authenticator.keys["brk_good"]
    own: list[tuple[Any, Message]] = [
        (edge.risk.GetLimits, pb.GetLimitsRequest()),
        (edge.risk.UpdateLimits, pb.UpdateLimitsRequest(limits=pb.Limits(), etag='"0"')),
    ]
    everybodys: list[tuple[Any, Message]] = [
        (edge.admin.ListBrokerConfigs, pb.ListBrokerConfigsRequest()),
        (edge.admin.UpdateBrokerConfig, pb.UpdateBrokerConfigRequest()),
        (edge.admin.GetUserLimits, pb.GetUserLimitsRequest(user_id="ann")),
        (edge.admin.UpdateUserLimits, pb.UpdateUserLimitsRequest(user_id="ann")),
        (edge.admin.UpdatePlatformLimits, pb.UpdatePlatformLimitsRequest()),
    ]
    for missing, calls in (({Scope.RISK_READ, Scope.RISK_WRITE}, own), (OPERATORS, everybodys)):
        edge.authenticator.keys["brk_good"] = replace(full, scopes=full.scopes - missing)
        for method, request in calls:
            refusal = await refused(method(request, metadata=KEY))
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING")


async def test_changes_are_on_record(edge: Edge) -> None:
    """Each change leaves an audit row of its own with what changed from what to what, beside the call's row."""
    await edge.risk.UpdateLimits(
        pb.UpdateLimitsRequest(limits=pb.Limits(open_orders_max=5, exposure_max="10.50"), etag='"0"'), metadata=KEY
    )
    (row,) = edge.desk.limits_store.audit
    assert (row.action, row.outcome, row.user_id) == ("limits.set", "version 1", "ann")
    assert row.detail == "USER/ann: exposure_max: unset -> 10.5; open_orders_max: unset -> 5"
    assert [each.action for each in edge.book.rows] == ["brokerapi.v1.RiskService/UpdateLimits"]
