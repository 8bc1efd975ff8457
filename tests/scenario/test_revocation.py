"""A right that was taken away is gone everywhere within a second: two gateways, one PostgreSQL, an open stream."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from brokerapi.v1 import fills_pb2, fills_pb2_grpc, halts_pb2
from grpc import aio

from brokergw.client import Client, GatewayCallError
from tests.fixtures.edge import refusal_of
from tests.fixtures.gateway_process import GatewayStarter
from tests.fixtures.pace import Pace
from tests.fixtures.sim import SimHandle
from tests.scenario.test_way_to_live import replicas

ACTS_WITHIN_S: Final = 1.0
ACTS_AT_ALL_S: Final = 30.0


async def seconds_until_refused(call: Callable[[], Awaitable[Any]], reason: str) -> float:
    """Repeat a call until it is refused; gives how long that took."""
    began = time.monotonic()
    while time.monotonic() - began < ACTS_AT_ALL_S:
        try:
            await call()
        except GatewayCallError as error:
            assert error.reason == reason  # noqa: PT017 - until then it is answered
            return time.monotonic() - began
        await asyncio.sleep(0.01)
    raise AssertionError(f"still answered, where {reason} was due")


async def ended(call: Any) -> tuple[float, str]:
    """Read a stream to its end; gives when that was and why."""
    try:
        while await call.read() is not aio.EOF:
            pass
    except aio.AioRpcError as error:
        return time.monotonic(), refusal_of(error).reason
    raise AssertionError("the stream ended well")


async def test_a_revocation_acts_on_every_replica_and_on_open_streams(
    start_gateway: GatewayStarter, broker_sim: SimHandle, postgresql_of_module: str, pace: Pace
) -> None:
    """S1: a key that is revoked on one process is refused, and its stream ended, on the other; so is a role."""
    first, second = replicas(start_gateway, broker_sim, postgresql_of_module)
    alice = first.api_key("alice")
    own = ("--scope", "admin.read", "--scope", "keys.read", "--scope", "keys.write")
    root = first.api_key("root", "--role", "admin", *own)
    olga = first.api_key("olga", "--role", "operator", "--scope", "admin.read")
    async with (
        Client(first.target, root) as admin,
        Client(second.target, alice) as elsewhere,
        Client(second.target, olga) as operator,
        aio.insecure_channel(second.target) as channel,
    ):
        stream = fills_pb2_grpc.FillServiceStub(channel).SubscribeFills(
            fills_pb2.SubscribeFillsRequest(), metadata=(("x-api-key", alice),)
        )
        await stream.read()
        await elsewhere.list_accounts()
        (key,) = (await admin.list_api_keys("alice")).keys

        reading = asyncio.ensure_future(ended(stream))
        await admin.revoke_api_key(key.key_id)
        revoked_at = time.monotonic()
        assert await seconds_until_refused(elsewhere.list_accounts, "API_KEY_REVOKED") <= pace.allows(ACTS_WITHIN_S)
        ended_at, reason = await asyncio.wait_for(reading, ACTS_AT_ALL_S)
        assert reason == "API_KEY_REVOKED"
        assert ended_at - revoked_at <= pace.allows(ACTS_WITHIN_S)

        async def look() -> None:
            await operator._caller.read(operator._admin.GetKillSwitch, halts_pb2.GetKillSwitchRequest(), None)

        await look()
        await admin.revoke_role("olga", "operator")
        assert await seconds_until_refused(look, "ROLE_MISSING") <= pace.allows(ACTS_WITHIN_S)
    assert alice not in first.log() + second.log()
