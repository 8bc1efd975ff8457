"""Limits and broker configurations on record, on every database."""

import asyncio
import json
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import select, text

from brokergw.model.broker_config import BrokerConfig
from brokergw.model.events import AuditRow
from brokergw.model.instrument import AssetClass
from brokergw.model.limits import Limits, LimitSource, LimitsScope, ScopeLimits, TradingHours
from brokergw.store import Store
from brokergw.store.audit.chain import OPENED
from brokergw.store.tables import AUDIT, LIMITS_HISTORY
from tests.conformance.store.making import ALL, START_NS, USER
from tests.fixtures.stores import open_for_test

D = Decimal
SCOPE = LimitsScope(source=LimitSource.USER, user_id=USER)
EVERYTHING = Limits(
    order_notional_max=D("5000.50"),
    order_quantity_max=D(0),
    exposure_max=D(100_000),
    daily_loss_max=D("0.01"),
    orders_per_day_max=0,
    open_orders_max=7,
    market_orders=False,
    asset_classes=frozenset({AssetClass.STOCK, AssetClass.CRYPTO}),
    symbols_allowed=frozenset(),
    symbols_restricted=frozenset({"GME", "ÄÖ/USD"}),
    trading_hours=(TradingHours(zone="Asia/Tokyo", days=frozenset({0, 6}), start_minute=1_380, end_minute=60),),
)


def an_audit(detail: str = "") -> AuditRow:
    """Make the audit row of a change."""
    return AuditRow(
        time_ns=START_NS, request_id="req", user_id=USER, key_id="key", action="limits.set", outcome="", detail=detail
    )


def a_version(version: int, limits: Limits = EVERYTHING, scope: LimitsScope = SCOPE) -> ScopeLimits:
    """Make a version of some limits."""
    return ScopeLimits(scope=scope, limits=limits, version=version, set_by=USER, set_time_ns=START_NS + version)


async def test_limits_come_back_as_they_were_set(store: Store) -> None:
    """Every field, zeros and empty lists included, in each of the scopes."""
    strategy = LimitsScope(source=LimitSource.STRATEGY, user_id=USER, strategy_id="s/1")
    platform = LimitsScope(source=LimitSource.PLATFORM)
    wanted = {scope: a_version(1, scope=scope) for scope in (SCOPE, strategy, platform)}
    wanted[SCOPE] = replace(wanted[SCOPE], region="EU")
    for each in wanted.values():
        assert await store.limits.put_limits(each, an_audit())
    found = await store.limits.load()
    assert {each.scope: each for each in found.limits} == wanted
    assert found.revision == 3


async def test_a_broker_comes_back_as_it_was_set(store: Store) -> None:
    """The configuration survives, no regions being another thing than an empty list of them."""
    config = BrokerConfig(
        broker="alpaca",
        enabled=False,
        fee_bps=D("1.5"),
        fee_per_contract=D("0.65"),
        requests_per_minute=150,
        regions=frozenset(),
        paper_url="http://127.0.0.1:1",
        limits=Limits(daily_volume_max=D(1)),
        version=1,
        set_by="admin",
        set_time_ns=START_NS,
    )
    other = BrokerConfig(broker="mock", version=1)
    assert await store.limits.put_broker(config, an_audit())
    assert await store.limits.put_broker(other, an_audit())
    assert set((await store.limits.load()).brokers) == {config, other}


async def test_a_version_follows_the_one_before_it_only(store: Store) -> None:
    """What is put over another version than was read changes nothing, neither row, history nor audit."""
    assert not await store.limits.put_limits(a_version(2), an_audit())
    assert await store.limits.put_limits(a_version(1), an_audit())
    for version in (1, 3):
        assert not await store.limits.put_limits(a_version(version, Limits()), an_audit("never"))
    assert await store.limits.put_limits(a_version(2, Limits(open_orders_max=1)), an_audit())
    (kept,) = (await store.limits.load()).limits
    assert (kept.version, kept.limits) == (2, Limits(open_orders_max=1))
    rows = await store._reader.query(
        ALL, lambda database: database.execute(select(AUDIT).where(AUDIT.c.action != OPENED)).all()
    )
    assert [row.detail for row in rows] == ["", ""]


async def test_of_two_racing_changes_one_is_taken(store: Store) -> None:
    """However many replace the same version at once, one does; first versions race alike."""
    for version in (1, 2):
        changes = [a_version(version, Limits(open_orders_max=number)) for number in range(8)]
        taken = await asyncio.gather(*(store.limits.put_limits(each, an_audit()) for each in changes))
        assert sum(taken) == 1
        (kept,) = (await store.limits.load()).limits
        assert kept.limits.open_orders_max == taken.index(True)


async def test_of_two_processes_that_race_one_is_taken(store_url: str) -> None:
    """The same over two stores on one PostgreSQL."""
    if store_url.startswith("sqlite"):
        return
    async with open_for_test(store_url) as one, open_for_test(store_url) as two:
        for version in range(1, 20):
            changes = [(side, a_version(version, Limits(open_orders_max=n))) for n, side in enumerate((one, two))]
            taken = await asyncio.gather(*(side.limits.put_limits(each, an_audit()) for side, each in changes))
            assert sum(taken) == 1
            assert await one.limits.revision() == await two.limits.revision() == version


async def test_every_version_is_kept(store: Store) -> None:
    """The history has what each version was, who set it and when."""
    for version in (1, 2, 3):
        await store.limits.put_limits(a_version(version, Limits(open_orders_max=version)), an_audit())
    rows = await store._reader.query(
        ALL, lambda database: database.execute(select(LIMITS_HISTORY).order_by(LIMITS_HISTORY.c.version)).all()
    )
    assert [(row.subject, row.version, row.set_by, row.set_time_ns - START_NS) for row in rows] == [
        (f"USER/{USER}/", version, USER, version) for version in (1, 2, 3)
    ]
    kept = [json.loads(json.loads(row.content)["limits"]) for row in rows]
    assert kept == [{"open_orders_max": 1}, {"open_orders_max": 2}, {"open_orders_max": 3}]


@pytest.mark.parametrize(
    "broken",
    [
        '{"exposure_max": "-1"}',
        '{"exposure_max": "NaN"}',
        '{"exposure_max": "Infinity"}',
        '{"exposure_max": NaN}',
        '{"exposure_max": 1e999}',
        '{"exposure_max": 5}',
        '{"exposure_max": null}',
        '{"open_orders_max": -1}',
        '{"open_orders_max": true}',
        '{"open_orders_max": "5"}',
        '{"market_orders": 1}',
        '{"asset_classes": ["GOLD"]}',
        '{"symbols_allowed": "AAPL"}',
        '{"trading_hours": [{"zone": "Mars", "days": [0], "start": 0, "end": 1}]}',
        '{"trading_hours": [{"zone": "UTC", "days": [7], "start": 0, "end": 1}]}',
        '{"a_newer_limit": "5"}',
        "[]",
        "nonsense",
        "",
    ],
)
async def test_what_is_no_limit_is_told_as_a_fault(store: Store, broken: str) -> None:
    """A row edited into something else stops its own scope only, by a fault that names it; never by being left out."""
    await store.limits.put_limits(a_version(1), an_audit())
    other = LimitsScope(source=LimitSource.USER, user_id="somebody else")
    await store.limits.put_limits(a_version(1, scope=other), an_audit())
    change = text("UPDATE user_broker_limits SET limits = :broken WHERE user_id = :user").bindparams(
        broken=broken, user=USER
    )
    await store._writer.run(ALL, lambda database: database.execute(change) and None)
    found = {each.scope: each for each in (await store.limits.load()).limits}
    assert found[SCOPE].fault
    assert found[SCOPE].limits == Limits()
    assert (found[other].fault, found[other].limits) == ("", EVERYTHING)


@pytest.mark.parametrize(
    ("column", "broken"),
    [("fee_bps", "-1"), ("fee_per_contract", "NaN"), ("regions", '"EU"'), ("regions", "{"), ("limits", "no")],
)
async def test_a_broken_configuration_is_told_as_a_fault(store: Store, column: str, broken: str) -> None:
    """The same for a broker's row."""
    await store.limits.put_broker(BrokerConfig(broker="mock", version=1), an_audit())
    change = text(f"UPDATE broker_configs SET {column} = :broken").bindparams(broken=broken)  # noqa: S608 - our own words
    await store._writer.run(ALL, lambda database: database.execute(change) and None)
    (config,) = (await store.limits.load()).brokers
    assert config.fault


async def test_a_source_that_nobody_is_blocks_its_user(store: Store) -> None:
    """A row of an unknown source is a fault of its user's, not a limit that is overlooked."""
    await store.limits.put_limits(a_version(1), an_audit())
    await store._writer.run(
        ALL, lambda database: database.execute(text("UPDATE user_broker_limits SET source = 'OWNER'")) and None
    )
    (found,) = (await store.limits.load()).limits
    assert (found.scope.user_id, found.fault) == (USER, "'OWNER' is nobody who sets limits")


async def test_a_record_that_has_not_changed_is_the_same_one(store: Store) -> None:
    """Reading again costs those who hold it nothing; any change, by hand too, gives another."""
    await store.limits.put_limits(a_version(1), an_audit())
    first = await store.limits.load()
    assert await store.limits.load() is first
    change = text("UPDATE user_broker_limits SET region = 'EU'")
    await store._writer.run(ALL, lambda database: database.execute(change) and None)
    second = await store.limits.load()
    assert second is not first
    assert second.limits[0].region == "EU"
