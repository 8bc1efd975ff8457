"""A gateway in front of Interactive Brokers: doubt settled by lists, questions, a session that a person opens."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from brokergw.app.keys import add_key, request_of
from brokergw.app.settings import Settings
from brokergw.client import Client, GatewayCallError
from brokergw.client.messages import SubmitOrderResponse, words
from brokergw.model.account import Environment
from brokergw.model.remedy import WORDS, Remedy
from brokergw.sim.dialects.ibkr import DEFAULT_ACCOUNT, IbkrDialect, IbkrOptions, serve_ibkr
from brokergw.sim.faults import Fault, FaultName
from brokergw.sim.server import SimServer
from tests.fixtures.gateway_here import gateway_here
from tests.fixtures.gateway_process import GatewayStarter
from tests.fixtures.patience import until

CODE = "code-of-the-scenario"
_IN_USE = (
    "Interactive Brokers: the username is in use in another session (TWS, phone, another gateway): "
    f"{WORDS[Remedy.END_OTHER_SESSION]}"
)
ORDERS = "/v1/api/iserver/account/*/orders"


@pytest.fixture
async def sim() -> AsyncIterator[SimServer]:
    """A simulated Client Portal gateway with a person logged in."""
    async with await serve_ibkr(options=IbkrOptions(tick_interval_s=0.05)) as server:
        yield server


def settings_for(sim: SimServer) -> dict[str, Any]:
    """Say yes to limit orders far from the market and to nothing else."""
    return {
        "ibkr_gateway_url": f"{sim.url}/v1/api",
        "ibkr_access_code": CODE,
        "ibkr_confirmed_questions": "o163",
        "ibkr_requests_per_second": 0,
    }


@pytest.fixture
async def client(sim: SimServer, tmp_path: Path) -> AsyncIterator[Client]:
    """A user's client of a gateway in this process."""
    settings = Settings(
        listen="127.0.0.1:0",
        metrics_listen="",
        data_dir=tmp_path,
        database_url="",
        initial_mode=Environment.PAPER,
        duplicate_window_s=0,
        **settings_for(sim),
    )
    async with gateway_here(settings) as (gateway, target):
        _, key = await add_key(gateway.store, gateway.secrets, "alice", request_of("scenario", (), 1))
        async with Client(target, key) as made:
            yield made


def dialect(sim: SimServer) -> IbkrDialect:
    """Give the broker behind the wire."""
    assert isinstance(sim.dialect, IbkrDialect)
    return sim.dialect


def sent(sim: SimServer) -> int:
    """Count the orders that arrived, taken or not."""
    return sum(entry.path.endswith("/orders") for entry in sim.journal.select(method="POST"))


async def connect(client: Client) -> str:
    """Connect the account and give its id."""
    return (await client.create_connection("ibkr", "PAPER", key=DEFAULT_ACCOUNT, secret=CODE)).account_id


async def submit(client: Client, account: str, key: str = "", **terms: str) -> SubmitOrderResponse:
    """Place an order, again under its key for as long as the gateway cannot judge it."""
    key = key or str(uuid.uuid4())
    base = {"symbol": "AAPL", "side": "BUY", "quantity": "1", "type": "MARKET", "time_in_force": "DAY"}

    spec: dict[str, Any] = base | terms

    async def once() -> SubmitOrderResponse | None:
        try:
            return await client.submit(account, idempotency_key=key, **spec)
        except GatewayCallError as error:
            if error.order_effect == "NONE" and error.retry == "SAME_KEY":
                return None
            raise

    answer = await until(once, lambda seen: seen is not None)
    assert answer is not None
    return answer


def state_of(client: Client, order_id: str) -> Callable[[], Awaitable[str]]:
    """Give a look at an order's state."""

    async def look() -> str:
        return str(words(await client.get_order(order_id), "state"))

    return look


async def health(client: Client) -> tuple[str, str]:
    """Give the connection's health, and the reason for it in words."""
    (connection,) = [each for each in (await client.list_connections()).connections if each.broker == "ibkr"]
    return str(words(connection, "health")), connection.health_detail


@pytest.mark.parametrize("fault", [FaultName.LOST_REPLY, FaultName.ERROR_AFTER, FaultName.GARBLED_REPLY])
async def test_a_lost_reply_is_settled_by_the_lists(sim: SimServer, client: Client, fault: FaultName) -> None:
    """The caller learns that nobody knows; then the order is found by its tag, and was sent once (D1)."""
    account = await connect(client)
    sim.faults.arm(Fault(name=FaultName.DROPPED_EVENTS, count=None))
    sim.faults.arm(Fault(name=fault, method="POST", path=ORDERS))
    answer = await submit(client, account)
    assert words(answer.order, "state") == "IN_DOUBT"
    await until(state_of(client, answer.order.order_id), lambda state: state == "FILLED")
    assert sent(sim) == len(dialect(sim).brokerage.notes) == 1


async def test_an_order_that_the_lists_show_late_is_found(sim: SimServer, client: Client) -> None:
    """Empty lists settle nothing too soon: the order that shows up later is the one, and was sent once."""
    account = await connect(client)
    sim.faults.arm(Fault(name=FaultName.DROPPED_EVENTS, count=None))
    sim.faults.arm(Fault(name=FaultName.LATE_BIRTH, method="POST", path=ORDERS, seconds=4))
    sim.faults.arm(Fault(name=FaultName.LOST_REPLY, method="POST", path=ORDERS))
    answer = await submit(client, account)
    assert words(answer.order, "state") == "IN_DOUBT"
    await until(state_of(client, answer.order.order_id), lambda state: state == "FILLED")
    assert sent(sim) == len(dialect(sim).brokerage.notes) == 1


async def test_while_one_order_is_in_doubt_none_like_it_is_sent(sim: SimServer, client: Client) -> None:
    """A broker that does not check our ids gets one order of a symbol and side at a time."""
    account = await connect(client)
    sim.faults.arm(Fault(name=FaultName.ERROR_BEFORE, method="POST", path=ORDERS, status=503))
    first = await submit(client, account)
    assert words(first.order, "state") == "IN_DOUBT"
    with pytest.raises(GatewayCallError) as caught:
        await submit(client, account, quantity="2")
    assert caught.value.reason == "IN_DOUBT_ORDER_EXISTS"
    assert sent(sim) == 1
    assert dialect(sim).brokerage.notes == {}


async def test_only_listed_questions_are_confirmed(sim: SimServer, client: Client) -> None:
    """A far limit order goes in after its question; a stop, whose question is not listed, is refused by its id."""
    account = await connect(client)
    far = await submit(client, account, type="LIMIT", limit_price="215", time_in_force="GTC")
    await until(state_of(client, far.order.order_id), lambda state: state == "WORKING")
    with pytest.raises(GatewayCallError) as caught:
        await submit(client, account, type="STOP", stop_price="250", time_in_force="GTC")
    assert (caught.value.reason, caught.value.order_effect) == ("BROKER_REJECTED", "NONE")
    assert [note.reference for note in dialect(sim).brokerage.notes.values()] != []
    assert len(dialect(sim).brokerage.notes) == 1


async def test_a_question_is_not_confirmed_after_a_crash(sim: SimServer, start_gateway: GatewayStarter) -> None:
    """A process that dies over an open question leaves it open: the next one asks the lists, and says no yes (C14)."""
    settings = {f"BROKERGW_{name.upper()}": str(value) for name, value in settings_for(sim).items()}
    gateway = await asyncio.to_thread(start_gateway, **settings)
    key = await asyncio.to_thread(gateway.api_key)
    # The question is asked, and its text never arrives.
    sim.faults.arm(Fault(name=FaultName.HANGING_REPLY, method="POST", path=ORDERS))
    dialect(sim).questions.ask_next("o163")
    async with Client(gateway.target, key) as client:
        account = await connect(client)
        call = asyncio.create_task(
            client.submit(account, symbol="AAPL", side="BUY", quantity="1", type="MARKET", time_in_force="DAY")
        )
        await until(lambda: _value(sent(sim)), lambda count: count == 1)
        await asyncio.to_thread(gateway.kill)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    await asyncio.to_thread(gateway.start)
    async with Client(gateway.target, key) as client:
        (order,) = (await client.list_orders([account])).orders
        await until(state_of(client, order.order_id), lambda state: state == "IN_DOUBT", 60)
        asked = _lists(sim)
        await until(lambda: _value(_lists(sim)), lambda count: count >= asked + 3)
    assert not [each for each in sim.journal.select(method="POST") if "/reply/" in each.path]
    assert dialect(sim).brokerage.notes == {}


async def test_a_login_that_ends_is_a_persons_matter(sim: SimServer, client: Client) -> None:
    """The health says that somebody must log in, nothing is sent meanwhile, and after the login orders go through."""
    account = await connect(client)
    assert words((await submit(client, account)).order, "state") != "REJECTED"
    before = sent(sim)
    dialect(sim).session.log_out()
    await dialect(sim).drop_streams()
    _, detail = await until(lambda: health(client), lambda seen: seen[0] == "REAUTHORIZATION_REQUIRED")
    assert detail.endswith(f": {WORDS[Remedy.LOG_IN]}")
    with pytest.raises(GatewayCallError) as caught:
        await client.submit(account, symbol="MSFT", side="BUY", quantity="1", type="MARKET", time_in_force="DAY")
    assert caught.value.order_effect == "NONE"
    assert sent(sim) == before
    dialect(sim).session.log_in()
    await until(lambda: health(client), lambda seen: seen[0] == "HEALTHY", 60)
    answer = await submit(client, account, symbol="MSFT")
    await until(state_of(client, answer.order.order_id), lambda state: state == "FILLED")


async def test_a_competing_session_is_told_and_left_alone(sim: SimServer, client: Client) -> None:
    """While the username is in use elsewhere the connection says which session to end, and takes nothing over."""
    account = await connect(client)
    dialect(sim).session.elsewhere()
    dialect(sim).stream.tell_status()
    await until(lambda: health(client), lambda seen: seen == ("DEGRADED", _IN_USE))
    before = sent(sim)
    with pytest.raises(GatewayCallError) as caught:
        await client.submit(account, symbol="AAPL", side="BUY", quantity="1", type="MARKET", time_in_force="DAY")
    assert caught.value.order_effect == "NONE"
    assert sent(sim) == before
    assert not [each for each in sim.journal.select(method="POST") if each.path.endswith("/ssodh/init")]


async def test_a_stranger_does_not_get_at_the_account(client: Client, sim: SimServer) -> None:
    """Whoever does not know the gateway's code connects nothing, and learns nothing of the account."""
    with pytest.raises(GatewayCallError) as caught:
        await client.create_connection("ibkr", "PAPER", key=DEFAULT_ACCOUNT, secret="x" * 20)
    assert caught.value.reason == "BROKER_CREDENTIALS_REFUSED"
    assert sim.journal.arrived == 0


def _lists(sim: SimServer) -> int:
    return len([each for each in sim.journal.select(method="GET") if each.path.endswith("/account/orders")])


async def _value(value: Any) -> Any:
    return value
