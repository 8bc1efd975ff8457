"""Orders over a token, from the login to its revocation, through two processes on one PostgreSQL."""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from brokerapi.v1 import connections_pb2 as pb
from brokerapi.v1 import orders_pb2, streams_pb2

from brokergw.client import Client
from tests.fixtures.bare_client import BareClient, error_info, market_buy
from tests.fixtures.gateway_process import GatewayProcess, settings_for_sim
from tests.fixtures.oauth_world import APPLICATION, BASE, BrokerSide, broker_side, visit
from tests.fixtures.patience import BUSY, until
from tests.scenario.broker_record import placed
from tests.scenario.streams import OrderSubscriber

pytestmark = pytest.mark.timeout(180)

ENDED_S = 3_700.0
"""By then the broker takes no token that it has given before."""
FILLED = orders_pb2.ORDER_STATE_FILLED
PERSON_NEEDED = pb.CONNECTION_HEALTH_REAUTHORIZATION_REQUIRED
SECRETS = {
    name: base64.b64encode(bytes([number]) * 32).decode()
    for number, name in enumerate(("BROKERGW_SIGNING_KEY", "CREDENTIALS_ENCRYPTION_KEY"), start=1)
}


@dataclass
class Scene:
    """Two processes, the broker behind them, and a user's clients of both."""

    side: BrokerSide
    people: list[Client]
    clients: list[BareClient]

    async def authorize(self, connection_id: str = "") -> pb.Connection:
        """Begin at one process, agree at the broker, and complete at the other."""
        first = not connection_id
        begun = await self.people[0].begin_oauth(
            "alpaca" if first else "",
            "PAPER" if first else "",
            connection_id=connection_id,
            client_id=APPLICATION.client_id if first else "",
            client_secret=APPLICATION.client_secret if first else "",
        )
        told = await visit(begun.authorization_url)
        return await self.people[1].complete_oauth("alpaca", begun.state, code=told["code"])

    async def shown(self, connection_id: str) -> list[pb.Connection]:
        """Give the connection as both processes show it."""
        return [await each.get_connection(connection_id) for each in self.people]

    async def until_all(self, connection_id: str, health: "pb.ConnectionHealth.ValueType") -> list[pb.Connection]:
        """Wait until both processes show it in some health."""
        return await until(
            lambda: self.shown(connection_id), lambda shown: {each.health for each in shown} == {health}, 40
        )

    async def filled(self, request: orders_pb2.SubmitOrderRequest) -> orders_pb2.Order:
        """Place one order at both processes at once, under its one key, and wait until it is filled."""
        answers = await asyncio.gather(*(each.answer(request) for each in self.clients))
        assert len({answer.order.order_id for answer in answers}) == 1
        order_id = answers[0].order.order_id
        return await until(lambda: self.clients[1].order(order_id), lambda order: order.state == FILLED, 30)


@pytest.fixture
def side() -> Iterator[BrokerSide]:
    """A broker whose tokens end, change, and can be revoked."""
    with broker_side() as opened:
        yield opened


@pytest.fixture
async def scene(side: BrokerSide, postgresql_url: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """Start two processes; whatever becomes of the test they end with it."""
    settings = {
        **settings_for_sim(side.sim),
        **SECRETS,
        "BROKERGW_DATABASE_URL": postgresql_url,
        "OAUTH_REDIRECT_BASE_URL": BASE,
        "BROKERGW_ALPACA_OAUTH_URL": side.sim.url,
    }
    async with AsyncExitStack() as stack:
        gateways = []
        for number in range(2):
            directory = tmp_path / f"replica-{number}"
            directory.mkdir()
            gateway = GatewayProcess(directory, settings, (sys.executable, "-m", "tests.oauth.serve"))
            stack.callback(gateway.stop)
            await asyncio.to_thread(gateway.start)
            gateways.append(gateway)
        key = await asyncio.to_thread(gateways[0].api_key)
        yield Scene(
            side,
            [await stack.enter_async_context(Client(each.target, key)) for each in gateways],
            [await stack.enter_async_context(BareClient(each.target, key, BUSY)) for each in gateways],
        )


async def refused(client: BareClient, account: str) -> tuple[str, str]:
    """Try an order; gives the reason of the refusal, and what it says of the order."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.submit(market_buy(account))
    info = error_info(caught.value)
    return info.reason, info.metadata["order_effect"]


async def test_orders_over_a_token_from_login_to_login(scene: Scene) -> None:
    """A login trades; an ended token is renewed once and the order placed once; a revoked one stops until a login."""
    side = scene.side
    made = await scene.authorize()
    account, connection_id = made.account_id, made.connection_id
    await scene.until_all(connection_id, pb.CONNECTION_HEALTH_HEALTHY)
    follower = OrderSubscriber(account, streams_pb2.StreamStart(from_now=True))
    following = asyncio.create_task(follower.follow(scene.clients[0]))
    await follower.until_opened()
    first = await scene.filled(market_buy(account))
    assert len(placed(side.sim)) == 1
    assert side.token_requests == 1

    # The broker takes the token no more, and cuts the stream that was opened with it.
    side.server.advance(ENDED_S)
    side.sim.control("POST", "stream/drop")
    second = await scene.filled(market_buy(account))
    assert len(placed(side.sim)) == 2
    assert side.token_requests == 2
    assert side.server.memory.grants[0].refreshes == 1
    orders = (first.order_id, second.order_id)
    await follower.until(lambda: {e.order.order_id for e in follower.events if e.order.state == FILLED} == set(orders))
    await scene.until_all(connection_id, pb.CONNECTION_HEALTH_HEALTHY)

    # The person takes the application's access away at the broker.
    side.server.memory.end(side.server.memory.grants[0])
    side.sim.control("POST", "stream/drop")
    for shown in await scene.until_all(connection_id, PERSON_NEEDED):
        assert any("authorize again" in each.message for each in shown.warnings)
    for client in scene.clients:
        assert await refused(client, account) == ("CONNECTION_NOT_USABLE", "NONE")
    assert len(placed(side.sim)) == 2

    again = await scene.authorize(connection_id)
    assert again.account_id == account
    await scene.until_all(connection_id, pb.CONNECTION_HEALTH_HEALTHY)
    third = await scene.filled(market_buy(account))
    assert len(placed(side.sim)) == 3
    await follower.until(lambda: any(e.order.order_id == third.order_id for e in follower.events))
    assert not following.done()
    following.cancel()

    # Revoked here, the tokens end there, and both processes say so.
    await scene.people[0].revoke_connection(connection_id)
    await scene.until_all(connection_id, pb.CONNECTION_HEALTH_REVOKED)
    # What was replaced by the second login has ended before; now it is about the tokens of that one.
    await until(
        lambda: scene.shown(connection_id),
        lambda shown: all("has ended the tokens too" in each.warnings[0].message for each in shown),
        40,
    )
    assert all(grant.ended for grant in side.server.memory.grants)
    for client in scene.clients:
        assert await refused(client, account) == ("CONNECTION_NOT_USABLE", "NONE")
    assert len(placed(side.sim)) == 3
