"""Limits over three real processes on one PostgreSQL: how soon they bind, and that nobody gets round them."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from brokergw.client import Client, GatewayCallError
from brokergw.client.messages import Limits
from tests.fixtures.pace import Pace
from tests.fixtures.replica_processes import ReplicasAtSim

SCOPES = ("admin.read", "admin.write", "risk.read", "risk.write")
BINDS_WITHIN_S = 1.0
MANDATORY = 1_000_000


@dataclass(frozen=True, slots=True)
class Stage:
    """The processes as alice's clients see them, and an administrator at the first."""

    replicas: ReplicasAtSim
    clients: tuple[Client, ...]
    admin: Client

    async def denial(self, client: Client, **terms: Any) -> str:
        """Try an order without placing it, and give the reason why not; empty when it would be taken."""
        order = {"symbol": "AAPL", "side": "BUY", "quantity": "10", "type": "LIMIT", "limit_price": "100", **terms}
        try:
            await client.submit(self.replicas.account, time_in_force="GTC", validate_only=True, **order)
        except GatewayCallError as refusal:
            return refusal.reason
        return ""

    def edit(self, statement: str, *values: str) -> None:
        """Write into the database behind every process's back."""
        with psycopg.connect(self.replicas.database_url, autocommit=True) as connection:
            connection.execute(statement, values)


@pytest.fixture
async def stage(replicas_at_sim: ReplicasAtSim) -> AsyncIterator[Stage]:
    """Give three clients of alice's and one of root's; every limit is unset before and after."""
    options = [word for scope in SCOPES for word in ("--scope", scope)]
    root = replicas_at_sim.gateways[0].api_key("root", "--role", "admin", *options)
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(Client(gateway.target, replicas_at_sim.api_key))
            for gateway in replicas_at_sim.gateways
        ]
        admin = await stack.enter_async_context(Client(replicas_at_sim.gateways[0].target, root))
        opened = Stage(replicas_at_sim, tuple(clients), admin)
        yield opened
        await _unset(opened)


async def _unset(stage: Stage) -> None:
    shown = await stage.admin.get_user_limits("alice")
    await stage.admin.update_platform_limits(Limits(), etag=shown.platform.etag)
    await stage.admin.update_user_limits("alice", Limits(), etag=shown.admin.etag)
    await stage.clients[0].update_limits(Limits(), etag=shown.user.etag)
    for config in await stage.admin.list_broker_configs():
        if not config.enabled:
            config.enabled = True
            await stage.admin.update_broker_config(config)


async def binds_everywhere(stage: Stage, reason: str) -> float:
    """Ask every process until each answers with a reason; tell when the last question began that had another answer."""
    began = time.monotonic()

    async def binds(client: Client) -> float:
        latest = 0.0
        while True:
            asked = time.monotonic() - began
            if await stage.denial(client) == reason:
                return latest
            assert asked < 20, "it never came to bind"
            latest = asked
            await asyncio.sleep(0.01)

    return max(await asyncio.gather(*map(binds, stage.clients)))


async def test_what_is_lowered_binds_in_every_process_within_a_second(stage: Stage, pace: Pace) -> None:
    """A user's own limit, the platform's, and a broker that is closed, each set at one process."""
    assert [await stage.denial(client) for client in stage.clients] == ["", "", ""]
    own = await stage.clients[0].update_limits(Limits(order_notional_max="999.99"), etag=await own_etag(stage))
    assert await binds_everywhere(stage, "ORDER_NOTIONAL_EXCEEDS_LIMIT") < pace.allows(BINDS_WITHIN_S)
    await stage.clients[1].update_limits(Limits(order_notional_max="1000"), etag=own.etag)
    assert await binds_everywhere(stage, "") < pace.allows(BINDS_WITHIN_S)
    shown = await stage.admin.get_user_limits("alice")
    await stage.admin.update_platform_limits(Limits(order_quantity_max="9"), etag=shown.platform.etag)
    assert await binds_everywhere(stage, "ORDER_QUANTITY_EXCEEDS_LIMIT") < pace.allows(BINDS_WITHIN_S)
    (alpaca,) = [each for each in await stage.admin.list_broker_configs() if each.broker == "alpaca"]
    alpaca.enabled = False
    await stage.admin.update_broker_config(alpaca)
    assert await binds_everywhere(stage, "BROKER_DISABLED") < pace.allows(BINDS_WITHIN_S)


async def own_etag(stage: Stage) -> str:
    """Read the etag of alice's own limits."""
    return (await stage.clients[0].get_limits()).user.etag


async def test_calls_that_race_over_processes_raise_nothing(stage: Stage) -> None:
    """Of calls with one etag at three processes one is taken; what is above the platform's is taken by none."""
    for round_number in range(5):
        etag = await own_etag(stage)
        asked = ["5000", str(MANDATORY + 1), "6000"]
        results = await asyncio.gather(
            *(
                client.update_limits(Limits(order_notional_max=amount), etag=etag)
                for client, amount in zip(stage.clients, asked, strict=True)
            ),
            return_exceptions=True,
        )
        reasons = sorted(each.reason if isinstance(each, GatewayCallError) else "taken" for each in results)
        assert reasons.count("taken") == 1, f"round {round_number}: {reasons}"
        assert isinstance(results[1], GatewayCallError)
        assert results[1].reason in {"LIMIT_ABOVE_PLATFORM", "ETAG_MISMATCH"}
        for client in stage.clients:
            (held,) = [each for each in (await client.get_limits()).effective if each.name == "order_notional_max"]
            assert held.value in {"5000", "6000"}


async def test_own_rows_edited_in_the_database_raise_nothing(stage: Stage) -> None:
    """However high a row is made by hand, for a user, a strategy or as the administrator's, the platform's holds."""
    shown = await stage.admin.get_user_limits("alice")
    await stage.admin.update_platform_limits(Limits(order_notional_max="2000"), etag=shown.platform.etag)
    await stage.clients[0].update_limits(Limits(order_notional_max="500"), etag=await own_etag(stage))
    huge = json.dumps(dict.fromkeys(("order_notional_max", "exposure_max", "daily_loss_max"), "99999999999"))
    stage.edit(
        "UPDATE user_broker_limits SET limits = %s, version = version + 1 WHERE user_id = 'alice' AND source = 'USER'",
        huge,
    )
    for source, strategy in (("STRATEGY", "s1"), ("ADMIN", "")):
        stage.edit(
            "INSERT INTO user_broker_limits VALUES ('alice', %s, %s, %s, '', 1, 'alice', 0) ON CONFLICT (user_id, "
            "source, strategy_id) DO UPDATE SET limits = excluded.limits, version = user_broker_limits.version + 1",
            source,
            strategy,
            huge,
        )
    for client in stage.clients:
        shown_now = await client.get_limits(strategy_id="s1")
        held = {each.name: each.value for each in shown_now.effective}
        assert (held["order_notional_max"], held["exposure_max"]) == ("2000", "50000000")
        assert await stage.denial(client, quantity="20", strategy_id="s1") == ""
        assert await stage.denial(client, quantity="21", strategy_id="s1") == "ORDER_NOTIONAL_EXCEEDS_LIMIT"
    stage.edit("DELETE FROM user_broker_limits WHERE source = 'STRATEGY'")


async def test_a_row_that_is_no_limit_stops_its_user(stage: Stage, pace: Pace) -> None:
    """Made unreadable by hand it lets nothing through that adds risk, and setting it anew mends it."""
    await stage.clients[0].update_limits(Limits(order_notional_max="5000"), etag=await own_etag(stage))
    stage.edit(
        "UPDATE user_broker_limits SET limits = %s, version = version + 1 WHERE user_id = 'alice' AND source = 'USER'",
        '{"order_notional_max": "NaN"}',
    )
    assert await binds_everywhere(stage, "LIMITS_UNREADABLE") < pace.allows(BINDS_WITHIN_S)
    shown = await stage.clients[0].get_limits()
    assert "order_notional_max" in shown.user.fault
    await stage.clients[0].update_limits(Limits(order_notional_max="5000"), etag=shown.user.etag)
    assert await binds_everywhere(stage, "") < pace.allows(BINDS_WITHIN_S)


async def test_what_is_used_is_shown_beside_what_holds(stage: Stage) -> None:
    """An order that rests takes its worth from the exposure and one from the counts, until it is cancelled."""
    client = stage.clients[0]

    async def used() -> dict[str, str]:
        return {each.name: each.used for each in (await client.get_limits()).effective if each.used}

    before = await used()
    placed = await client.submit(
        stage.replicas.account,
        symbol="KO",
        side="BUY",
        quantity="7",
        type="LIMIT",
        limit_price="10",
        time_in_force="GTC",
        idempotency_key=str(uuid.uuid4()),
    )
    now = await used()
    assert int(now["open_orders_max"]) == int(before.get("open_orders_max", "0")) + 1
    assert int(now["orders_per_day_max"]) == int(before.get("orders_per_day_max", "0")) + 1
    assert float(now["exposure_max"]) == float(before.get("exposure_max", "0")) + 70
    await client.cancel(placed.order.order_id)
    for _ in range(500):
        if (await used())["open_orders_max"] == before.get("open_orders_max", "0"):
            break
        await asyncio.sleep(0.02)
    assert (await used())["exposure_max"] == before.get("exposure_max", "0")
