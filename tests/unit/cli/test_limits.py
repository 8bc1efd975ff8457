"""`brokergw limits`."""

import json

import pytest
from brokerapi.v1 import limits_pb2 as pb
from brokerapi.v1 import trading_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from tests.fixtures.command_line import CommandLine
from tests.fixtures.fake_gateway import FakeGateway

STORED = pb.StoredLimits(
    limits=pb.Limits(exposure_max="500", open_orders_max=7, market_orders=False),
    etag='"3"',
    set_by="ann",
    set_time=Timestamp(seconds=1_800_000_000),
)
SHOWN = pb.GetLimitsResponse(
    platform=pb.StoredLimits(etag='"1"', limits=pb.Limits(order_notional_max="9000"), set_by="root"),
    admin=pb.StoredLimits(etag='"2"', limits=pb.Limits(exposure_max="900"), set_by="root"),
    user=STORED,
    strategy=pb.StoredLimits(etag='"0"'),
    effective=[
        pb.EffectiveLimit(
            name="exposure_max", value="500", source=pb.LIMIT_SOURCE_USER, used="120.5", remaining="379.5"
        )
    ],
    region="EU",
)


@pytest.fixture
def gateway(fake_gateway: FakeGateway) -> FakeGateway:
    """Give a gateway that shows some limits and takes all changes."""
    fake_gateway.answers["GetLimits"] = SHOWN
    fake_gateway.answers["GetUserLimits"] = pb.GetUserLimitsResponse(limits=SHOWN)
    fake_gateway.answers["ListBrokerConfigs"] = pb.ListBrokerConfigsResponse(
        configs=[
            pb.BrokerConfig(broker="alpaca", enabled=True, fee_bps="0", fee_per_contract="0", etag='"4"'),
            pb.BrokerConfig(broker="mock", enabled=True, fee_bps="0", fee_per_contract="0", etag='"0"'),
        ]
    )
    fake_gateway.answers["UpdateBrokerConfig"] = lambda request: pb.UpdateBrokerConfigResponse(config=request.config)
    return fake_gateway


async def test_what_holds_is_shown_with_its_use(gateway: FakeGateway, command: CommandLine) -> None:
    """Value, use, rest and source of each limit, and each scope that somebody has set; or all of it as JSON."""
    typed = await command("limits", "show", "--broker", "alpaca", "--strategy", "s1")
    assert typed.status == 0
    for word in ("exposure_max", "500", "120.5", "379.5", "user", "admin", "900", "9000", "by ann"):
        assert word in typed.out
    request = gateway.seen("GetLimits")[0].request
    assert (request.broker, request.strategy_id) == ("alpaca", "s1")
    as_json = await command("limits", "show", "--json")
    assert json.loads(as_json.out)["user"]["limits"]["exposure_max"] == "500"


async def test_a_change_keeps_what_it_does_not_name(gateway: FakeGateway, command: CommandLine) -> None:
    """What stands is read, changed and sent back under its etag."""
    typed = await command(
        "limits",
        "set",
        "daily_loss_max=250.5",
        "open_orders_max=unset",
        "asset_classes=stock,CRYPTO",
        "symbols_allowed=none",
        "symbols_restricted=GME,AMC",
        "market_orders=true",
        "orders_per_day_max=0",
        "trading_hours=FRI-MON,WED 09:30-16:00 America/New_York; SUN 18:00-24:00 UTC",
        "--code",
        "123456",
    )
    assert typed.status == 0
    request = gateway.seen("UpdateLimits")[0].request
    week = [pb.WEEKDAY_FRIDAY, pb.WEEKDAY_SATURDAY, pb.WEEKDAY_SUNDAY, pb.WEEKDAY_MONDAY, pb.WEEKDAY_WEDNESDAY]
    expected = pb.Limits(
        exposure_max="500",
        daily_loss_max="250.5",
        orders_per_day_max=0,
        market_orders=True,
        asset_classes=pb.AssetClassList(asset_classes=[trading_pb2.ASSET_CLASS_STOCK, trading_pb2.ASSET_CLASS_CRYPTO]),
        symbols_allowed=pb.SymbolList(),
        symbols_restricted=pb.SymbolList(symbols=["GME", "AMC"]),
        trading_hours=pb.TradingHoursList(
            windows=[
                pb.TradingHours(zone="America/New_York", days=week, start="09:30", end="16:00"),
                pb.TradingHours(zone="UTC", days=[pb.WEEKDAY_SUNDAY], start="18:00", end="24:00"),
            ]
        ),
    )
    assert request.limits == expected
    assert (request.etag, request.strategy_id, request.mfa_code) == ('"3"', "", "123456")


async def test_each_scope_is_changed_under_its_own_etag(gateway: FakeGateway, command: CommandLine) -> None:
    """A strategy's, the administrator's of a user, and the platform's."""
    await command("limits", "set", "--strategy", "s1", "exposure_max=5")
    strategy = gateway.seen("UpdateLimits")[0].request
    assert (strategy.strategy_id, strategy.etag, strategy.limits) == ("s1", '"0"', pb.Limits(exposure_max="5"))
    await command("limits", "user", "bob", "exposure_max=5")
    admin = gateway.seen("UpdateUserLimits")[0].request
    assert (admin.user_id, admin.etag, admin.region, admin.limits.exposure_max) == ("bob", '"2"', "EU", "5")
    await command("limits", "user", "bob", "--region", "unset")
    assert gateway.seen("UpdateUserLimits")[1].request.region == ""
    await command("limits", "platform", "market_orders=false")
    platform = gateway.seen("UpdatePlatformLimits")[0].request
    assert (platform.etag, platform.limits) == ('"1"', pb.Limits(order_notional_max="9000", market_orders=False))


async def test_a_user_without_a_change_is_only_shown(gateway: FakeGateway, command: CommandLine) -> None:
    """Nothing is set by looking."""
    typed = await command("limits", "user", "bob")
    assert "379.5" in typed.out
    assert gateway.seen("UpdateUserLimits") == []


async def test_brokers_are_shown_and_configured(gateway: FakeGateway, command: CommandLine) -> None:
    """All of them, one of them, or a change of one, its limits included."""
    everything = await command("limits", "broker")
    assert "alpaca" in everything.out
    assert "mock" in everything.out
    assert "mock" not in (await command("limits", "broker", "alpaca")).out
    typed = await command(
        "limits",
        "broker",
        "alpaca",
        "enabled=false",
        "fee_bps=1.5",
        "regions=US,EU",
        "requests_per_minute=150",
        "paper_url=http://127.0.0.1:1",
        "daily_volume_max=1000",
    )
    assert "only those that reduce a position" in typed.out
    assert gateway.seen("UpdateBrokerConfig")[0].request.config == pb.BrokerConfig(
        broker="alpaca",
        fee_bps="1.5",
        fee_per_contract="0",
        regions=pb.RegionList(regions=["US", "EU"]),
        requests_per_minute=150,
        paper_url="http://127.0.0.1:1",
        limits=pb.Limits(daily_volume_max="1000"),
        etag='"4"',
    )
    await command("limits", "broker", "alpaca", "regions=none", "requests_per_minute=unset")
    config = gateway.seen("UpdateBrokerConfig")[1].request.config
    assert config.HasField("regions")
    assert not config.regions.regions
    assert not config.HasField("requests_per_minute")


@pytest.mark.parametrize(
    "wrong",
    [
        "exposure",
        "exposure_max=",
        "no_limit=5",
        "open_orders_max=many",
        "market_orders=maybe",
        "asset_classes=GOLD",
        "trading_hours=always",
        "trading_hours=MON 09:30 UTC",
        "trading_hours=XXX 09:30-10:00 UTC",
        "trading_hours=MON-XXX 09:30-10:00 UTC",
    ],
)
async def test_what_is_no_limit_is_a_wrong_command_line(gateway: FakeGateway, command: CommandLine, wrong: str) -> None:
    """Nothing is sent."""
    typed = await command("limits", "set", wrong)
    assert typed.status == 2
    assert gateway.seen("UpdateLimits") == []


async def test_an_unknown_broker_is_a_wrong_command_line(gateway: FakeGateway, command: CommandLine) -> None:
    """Nothing is set for what is not there."""
    assert (await command("limits", "broker", "nobody", "enabled=false")).status == 2
    assert gateway.seen("UpdateBrokerConfig") == []
