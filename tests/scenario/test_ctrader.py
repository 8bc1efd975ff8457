"""A whole gateway in front of cTrader: a login in the browser, orders over one websocket, and what goes wrong on it."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from brokerapi.v1 import connections_pb2, orders_pb2

from brokergw.client import Client, GatewayCallError
from brokergw.model.remedy import WORDS, Remedy
from brokergw.sim.dialects.ctrader import DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, CtraderOptions
from brokergw.sim.oauth import AuthorizationServer
from tests.fixtures.ctrader_sim import CtraderHandle, authorization_server, ctrader_sim
from tests.fixtures.gateway_process import GatewayProcess
from tests.fixtures.oauth_world import BASE
from tests.fixtures.patience import until
from tests.oauth.test_gateway import walk

FILLED, IN_DOUBT = orders_pb2.ORDER_STATE_FILLED, orders_pb2.ORDER_STATE_IN_DOUBT
HEALTHY = connections_pb2.CONNECTION_HEALTH_HEALTHY
REAUTHORIZE = connections_pb2.CONNECTION_HEALTH_REAUTHORIZATION_REQUIRED


@dataclass(frozen=True, slots=True)
class Place:
    """A gateway with one account at cTrader, authorised by a person."""

    sim: CtraderHandle
    server: AuthorizationServer
    gateway: GatewayProcess
    api_key: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Start the broker and the gateway."""
    server = authorization_server(f"{BASE}/oauth/callback/ctrader")
    with ctrader_sim(tmp_path_factory.mktemp("ctrader"), CtraderOptions(authorization=server)) as sim:
        settings = {
            "OAUTH_REDIRECT_BASE_URL": BASE,
            "BROKERGW_WEB_LISTEN": "127.0.0.1:0",
            "BROKERGW_CTRADER_OAUTH_URL": sim.url,
            "BROKERGW_CTRADER_PAPER_URL": sim.url,
        }
        gateway = GatewayProcess(tmp_path_factory.mktemp("gateway"), settings)
        gateway.start()
        yield Place(sim, server, gateway, gateway.api_key())
        gateway.stop()


@pytest.fixture
async def client(place: Place) -> AsyncIterator[Client]:
    """A strategy whose user has authorised the gateway at cTrader, with a healthy connection."""
    async with Client(place.gateway.target, place.api_key) as opened:
        made = await of_ctrader(opened)
        if made is None:
            begun = await opened.begin_oauth(
                "ctrader", "PAPER", client_id=DEFAULT_CLIENT_ID, client_secret=DEFAULT_CLIENT_SECRET
            )
            await walk(place.gateway, begun.start_url)
        await health(opened, HEALTHY)
        yield opened


async def of_ctrader(client: Client) -> connections_pb2.Connection | None:
    """Give the connection to cTrader, if there is one."""
    return next((c for c in (await client.list_connections()).connections if c.broker == "ctrader"), None)


async def health(client: Client, wanted: Any) -> connections_pb2.Connection:
    """Wait until the connection fares so."""
    made = await of_ctrader(client)
    assert made is not None
    return await until(lambda: client.get_connection(made.connection_id), lambda c: c.health == wanted)


async def buy(
    client: Client, key: str, quantity: str = "2000", timeout_s: float = 10.0
) -> orders_pb2.SubmitOrderResponse:
    """Buy euros at market."""
    made = await of_ctrader(client)
    assert made is not None
    return await client.submit(
        made.account_id,
        symbol="EUR/USD",
        side="BUY",
        quantity=quantity,
        type="MARKET",
        time_in_force="IOC",
        idempotency_key=key,
        timeout_s=timeout_s,
    )


async def filled(client: Client, order_id: str) -> orders_pb2.Order:
    """Wait until an order is filled."""
    return await until(lambda: client.get_order(order_id), lambda order: order.state == FILLED)


async def euros(client: Client, account_id: str) -> Decimal:
    """Give how many euros the account holds."""
    held = await client.get_positions([account_id])
    return sum((Decimal(row.quantity) for row in held.positions if row.symbol == "EUR/USD"), Decimal(0))


async def test_an_order_is_filled_and_told_once(place: Place, client: Client) -> None:
    """An order under one key is sent once, filled, and its position shown in units."""
    made = await of_ctrader(client)
    assert made is not None
    before, key = await euros(client, made.account_id), str(uuid.uuid4())
    place.sim.control("DELETE", "journal")
    first = await buy(client, key)
    order = await filled(client, first.order.order_id)
    assert order.cum_quantity == "2000"
    again = await buy(client, key)
    assert again.replayed
    assert len(place.sim.journal("NewOrderReq")) == 1
    assert await euros(client, made.account_id) == before + 2000


async def test_flattening_closes_each_of_several_positions(place: Place, client: Client) -> None:
    """In a hedged account two purchases are two positions; flattening closes each by an order that names it."""
    made = await of_ctrader(client)
    assert made is not None
    for quantity in ("2000", "3000"):
        await filled(client, (await buy(client, str(uuid.uuid4()), quantity)).order.order_id)
    place.sim.control("DELETE", "journal")
    closing = await client.flatten(made.account_id, symbol="EUR/USD")
    assert not closing.residuals
    for order in closing.orders:
        await filled(client, order.order_id)
    sent = place.sim.journal("NewOrderReq")
    assert len(sent) == len(closing.orders) >= 2
    assert await euros(client, made.account_id) == 0


@pytest.mark.parametrize("fault", ["lost_reply", "error_after", "garbled_reply", "hanging_reply"])
async def test_what_was_taken_without_an_answer_is_found_by_its_tag(place: Place, client: Client, fault: str) -> None:
    """An order whose answer goes wrong is in doubt, found among the broker's orders, and never sent again."""
    place.sim.control("DELETE", "journal")
    place.sim.control("POST", "faults", {"name": fault, "method": "NEW", "count": 1})
    answer = await buy(client, str(uuid.uuid4()))
    order = await filled(client, answer.order.order_id)
    assert order.broker_order_ids
    assert len(place.sim.journal("NewOrderReq")) == 1


async def test_orders_that_meet_a_renewal_are_filled_once_each(place: Place, client: Client) -> None:
    """A token that dies under orders costs a client none of them: each is filled under its one key, and once."""
    made = await of_ctrader(client)
    assert made is not None
    before = await euros(client, made.account_id)
    place.server.memory.by_access.clear()
    bought = await asyncio.gather(*(buy(client, str(uuid.uuid4()), timeout_s=40) for _ in range(3)))
    for answer in bought:
        await filled(client, answer.order.order_id)
    assert await euros(client, made.account_id) == before + 3 * 2000
    await health(client, HEALTHY)


async def test_a_revoked_login_asks_for_a_person_and_sends_nothing(place: Place, client: Client) -> None:
    """Access that was taken away is said so and lets no order leave, until a person has authorised again."""
    made = await of_ctrader(client)
    assert made is not None
    place.sim.control("DELETE", "journal")
    for grant in place.server.memory.grants:
        place.server.memory.end(grant)
    assert (await health(client, REAUTHORIZE)).health_detail.endswith(f": {WORDS[Remedy.AUTHORIZE_AGAIN]}")
    with pytest.raises(GatewayCallError) as refused:
        await buy(client, str(uuid.uuid4()))
    assert refused.value.reason in {"CONNECTION_NOT_USABLE", "BROKER_CREDENTIALS_REFUSED"}
    assert refused.value.order_effect == "NONE"
    assert place.sim.journal("NewOrderReq") == []
    begun = await client.begin_oauth(connection_id=made.connection_id)
    await walk(place.gateway, begun.start_url)
    await health(client, HEALTHY)
    await filled(client, (await buy(client, str(uuid.uuid4()))).order.order_id)


def test_secrets_stay_out_of_the_log(place: Place) -> None:
    """Neither the application's secret nor a token is in anything that the gateway has written."""
    tokens = [grant.access_token for grant in place.server.memory.grants]
    told = Path(place.gateway.log_path).read_text("utf-8")
    assert not [secret for secret in (DEFAULT_CLIENT_SECRET, *tokens) if secret and secret in told]
