"""A user's own daily loss over the real gateway and the broker's wire protocol."""

import asyncio
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace

import grpc
import pytest
from brokerapi.v1 import limits_pb2, orders_pb2, risk_pb2_grpc, trading_pb2

from tests.fixtures.bare_client import CALL_S, BareClient, ClientOpener, error_info
from tests.fixtures.gateway_process import GatewayStarter, settings_for_sim
from tests.fixtures.pace import Pace
from tests.fixtures.patience import until
from tests.fixtures.receivers import WebReceiver, web_receiver
from tests.fixtures.sim import SimHandle, sim_in_process

SECRET = "a secret of the receiver's"
LOSER, OTHER = ("loser-key", "loser-secret"), ("other-key", "other-secret")


@pytest.fixture
def sim() -> Iterator[SimHandle]:
    """A broker with two accounts."""
    with sim_in_process("--key", ":".join(LOSER), "--key", ":".join(OTHER)) as handle:
        yield handle


def order(account: str, side: trading_pb2.Side.ValueType, quantity: str, limit: str) -> orders_pb2.SubmitOrderRequest:
    """Make a limit order."""
    return orders_pb2.SubmitOrderRequest(
        account_id=account,
        idempotency_key=str(uuid.uuid4()),
        order=orders_pb2.OrderSpec(
            symbol="AAPL",
            side=side,
            quantity=quantity,
            type=trading_pb2.ORDER_TYPE_LIMIT,
            limit_price=limit,
            time_in_force=trading_pb2.TIME_IN_FORCE_DAY,
        ),
    )


async def reason_of(client: BareClient, request: orders_pb2.SubmitOrderRequest) -> str:
    """Give the reason that an order is refused for; empty when it is taken."""
    try:
        await client.submit(request)
    except grpc.aio.AioRpcError as error:
        return str(error_info(error).reason)
    return ""


async def lower_loss_limit(client: BareClient, amount: str) -> None:
    """Let a user set its own limit."""
    risk = risk_pb2_grpc.RiskServiceStub(client.channel)
    request = limits_pb2.UpdateLimitsRequest(limits=limits_pb2.Limits(daily_loss_max=amount), etag='"0"')
    await risk.UpdateLimits(request, metadata=client.identity, timeout=CALL_S)


async def lost_today(client: BareClient) -> str:
    """Give what a user has lost today, as its limits show it."""
    risk = risk_pb2_grpc.RiskServiceStub(client.channel)
    shown = await risk.GetLimits(limits_pb2.GetLimitsRequest(), metadata=client.identity, timeout=CALL_S)
    return next((each.used for each in shown.effective if each.name == "daily_loss_max"), "")


def kinds(receiver: WebReceiver) -> list[str]:
    """List the kinds of the alerts that have arrived."""
    return [json.loads(posted.body)["kind"] for posted in receiver.posted]


async def test_a_users_own_loss_stops_that_user_in_five_seconds_and_nobody_else(
    start_gateway: GatewayStarter, open_client: ClientOpener, sim: SimHandle, pace: Pace
) -> None:
    """T12: the platform allows a million, the user a thousand. A deposit and a withdrawal change nothing; the price
    does. Reducing goes on, another user trades on, and a restart lifts nothing.
    """
    buy, sell = trading_pb2.SIDE_BUY, trading_pb2.SIDE_SELL
    sim.control("POST", "price", {"symbol": "AAPL", "price": "200"})
    async with web_receiver() as receiver:
        alerts = {"BROKERGW_ALERT_WEBHOOK_URL": receiver.url, "BROKERGW_ALERT_WEBHOOK_SECRET": SECRET}
        gateway = start_gateway(**settings_for_sim(sim), **alerts)
        alice, bob = (open_client(gateway, gateway.api_key(user)) for user in ("alice", "bob"))
        mine = await alice.connect_alpaca(replace(sim, key_id=LOSER[0], secret_key=LOSER[1]))
        others = await bob.connect_alpaca(replace(sim, key_id=OTHER[0], secret_key=OTHER[1]))
        await lower_loss_limit(alice, "1000")
        assert await reason_of(alice, order(mine, buy, "100", "201")) == ""
        assert await reason_of(bob, order(others, buy, "100", "201")) == ""
        sim.control("POST", "entry", {"key_id": LOSER[0], "money": "-20000", "activity": "CSW"})
        await asyncio.sleep(6)
        assert kinds(receiver) == []
        sim.control("POST", "entry", {"key_id": LOSER[0], "money": "30000", "activity": "CSD"})
        await asyncio.sleep(4)

        sim.control("POST", "price", {"symbol": "AAPL", "price": "189"})
        moved_at = time.monotonic()
        await until(lambda: _kinds(receiver), lambda seen: {"LIMIT_REACHED", "HALTED"} <= set(seen), 40)
        took = time.monotonic() - moved_at
        assert took < pace.allows(5), f"{took:.1f} s"
        assert kinds(receiver).count("HALTED") == 1

        assert await reason_of(alice, order(mine, buy, "1", "189")) == "REDUCE_ONLY_MODE"
        assert await reason_of(alice, order(mine, sell, "50", "188")) == ""
        assert await reason_of(bob, order(others, buy, "1", "190")) == ""
        assert float(await lost_today(alice)) == pytest.approx(1_102, abs=10)

        gateway.kill()
        gateway.start()
        alice, bob = (open_client(gateway, gateway.api_key(user)) for user in ("alice", "bob"))
        assert await reason_of(alice, order(mine, buy, "1", "189")) == "REDUCE_ONLY_MODE"
        assert await reason_of(bob, order(others, buy, "1", "190")) == ""


async def _kinds(receiver: WebReceiver) -> list[str]:
    return kinds(receiver)
