"""Faults: whom they strike, how often, and what they do on the wire."""

import asyncio
from email.utils import formatdate
from typing import Any

import aiohttp
import pytest

from brokergw.sim.faults import Fault, FaultName, Faults, fault_from_json
from tests.fixtures.sim_wire import Wire

ORDERS = "/v2/orders"


def test_a_fault_strikes_only_what_it_is_meant_for() -> None:
    """Method, path glob and text in the body all have to fit."""
    faults = Faults()
    faults.arm(Fault(name=FaultName.LOST_REPLY, method="POST", path="/v2/orders*", contains="AAPL", count=None))
    strike = faults.strike
    assert strike(FaultName.LOST_REPLY, "POST", ORDERS, b'{"symbol":"AAPL"}') is not None
    assert strike(FaultName.LOST_REPLY, "DELETE", ORDERS, b'{"symbol":"AAPL"}') is None
    assert strike(FaultName.LOST_REPLY, "POST", "/v2/positions", b'{"symbol":"AAPL"}') is None
    assert strike(FaultName.LOST_REPLY, "POST", ORDERS, b'{"symbol":"KO"}') is None
    assert strike(FaultName.ERROR_AFTER, "POST", ORDERS, b'{"symbol":"AAPL"}') is None


def test_a_fault_skips_then_strikes_its_number_of_times() -> None:
    """The first matches pass, the next ones are struck, the rest pass again."""
    faults = Faults()
    armed = faults.arm(Fault(name=FaultName.LATENCY, skip=1, count=2))
    struck = [faults.strike(FaultName.LATENCY, "GET", "/") is not None for _ in range(5)]
    assert struck == [False, True, True, False, False]
    assert (armed.met, armed.fired, armed.spent) == (5, 2, True)


def test_chance_comes_from_a_seed() -> None:
    """The same seed strikes the same requests, about as often as the probability says."""

    def run() -> list[bool]:
        faults = Faults()
        faults.arm(Fault(name=FaultName.LATENCY, count=None, probability=0.3, seed=7))
        return [faults.strike(FaultName.LATENCY, "GET", "/") is not None for _ in range(1000)]

    assert run() == run()
    assert 250 < sum(run()) < 350


def test_a_fault_can_be_switched_off() -> None:
    """A disarmed fault strikes no more; an unknown id is told apart."""
    faults = Faults()
    armed = faults.arm(Fault(name=FaultName.LATENCY, count=None))
    assert faults.disarm(armed.fault_id) is True
    assert faults.disarm(armed.fault_id) is False
    assert faults.strike(FaultName.LATENCY, "GET", "/") is None
    assert not faults


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"name": "earthquake"},
        {"name": "latency", "colour": "red"},
        {"name": "latency", "count": 0},
        {"name": "latency", "count": "many"},
        {"name": "latency", "path": 5},
        {"name": "latency", "skip": -1},
        {"name": "latency", "probability": 1.5},
        {"name": "latency", "seconds": -1},
        {"name": "error_after", "status": 200},
        {"name": "wrong_position", "symbol": "AAPL"},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(document: Any) -> None:
    """Unknown names and fields, wrong types and values out of range raise ValueError with words."""
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        fault_from_json(document)


async def test_a_lost_reply_leaves_the_order_behind(wire: Wire) -> None:
    """The connection breaks without an answer, the order exists once, and the journal shows an arrival unanswered."""
    wire.arm(Fault(name=FaultName.LOST_REPLY, method="POST", path=ORDERS))
    with pytest.raises(aiohttp.ClientConnectionError):
        await wire.order(client_order_id="mine")
    found = await wire.ask("GET", "/v2/orders:by_client_order_id", client_order_id="mine")
    assert (found.status, found.document["status"]) == (200, "filled")
    entry = wire.server.journal.select(method="POST")[0]
    assert (entry.status, entry.handled, entry.faults) == (None, True, ["lost_reply"])


async def test_a_reset_connection_leaves_nothing_behind(wire: Wire) -> None:
    """The connection breaks before the request is read: no order, and the journal says it was not acted on."""
    wire.arm(Fault(name=FaultName.CONNECTION_RESET, path=ORDERS))
    with pytest.raises(aiohttp.ClientConnectionError):
        await wire.order(client_order_id="mine")
    assert (await wire.ask("GET", "/v2/orders:by_client_order_id", client_order_id="mine")).status == 404
    entry = wire.server.journal.select(method="POST")[0]
    assert (entry.status, entry.handled, entry.body) == (None, False, b"")


@pytest.mark.parametrize(("name", "exists"), [(FaultName.ERROR_AFTER, True), (FaultName.ERROR_BEFORE, False)])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_server_error_says_nothing_about_the_order(
    wire: Wire, name: FaultName, status: int, *, exists: bool
) -> None:
    """The same 5xx comes with and without an order behind it; gateways answer with a web page."""
    wire.arm(Fault(name=name, path=ORDERS, status=status))
    reply = await wire.order(client_order_id="mine")
    assert reply.status == status
    assert isinstance(reply.document, str) is (status != 500)
    found = await wire.ask("GET", "/v2/orders:by_client_order_id", client_order_id="mine")
    assert (found.status == 200) is exists


async def test_a_broker_that_is_away_may_say_for_how_long(wire: Wire) -> None:
    """A maintenance has its own words, and an end where it is given one."""
    wire.arm(Fault(name=FaultName.ERROR_BEFORE, status=503, answer="maintenance", seconds=600, count=2))
    reply = await wire.ask("GET", "/v2/account")
    assert (reply.status, reply.headers["Retry-After"]) == (503, "600")
    assert (await wire.order()).status == 503


async def test_a_hanging_reply_never_comes(wire: Wire) -> None:
    """The order is placed, the client waits in vain."""
    wire.arm(Fault(name=FaultName.HANGING_REPLY, path=ORDERS))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wire.order(client_order_id="mine"), 0.2)
    assert (await wire.ask("GET", "/v2/orders:by_client_order_id", client_order_id="mine")).status == 200


async def test_a_garbled_reply_is_no_json(wire: Wire) -> None:
    """The order is placed and the 200 cannot be read."""
    wire.arm(Fault(name=FaultName.GARBLED_REPLY, path=ORDERS))
    reply = await wire.order()
    assert (reply.status, reply.document) == (200, '{"id":"')


async def test_latency_delays_and_changes_nothing_else(wire: Wire) -> None:
    """The answer comes late and is right."""
    wire.arm(Fault(name=FaultName.LATENCY, path="/v2/account", seconds=0.15))
    loop = asyncio.get_running_loop()
    start = loop.time()
    assert (await wire.ask("GET", "/v2/account")).status == 200
    assert loop.time() - start >= 0.14


async def test_too_many_requests_come_with_their_headers(wire: Wire) -> None:
    """429 tells when the budget is whole again; the order is not placed."""
    wire.arm(Fault(name=FaultName.RATE_LIMITED, path=ORDERS))
    reply = await wire.order(client_order_id="mine")
    assert (reply.status, reply.document["code"]) == (429, 42910000)
    assert (reply.headers["X-RateLimit-Limit"], reply.headers["X-RateLimit-Remaining"]) == ("200", "0")
    assert "X-RateLimit-Reset" in reply.headers
    assert (await wire.ask("GET", "/v2/orders:by_client_order_id", client_order_id="mine")).status == 404


async def test_an_expired_key_is_unauthorized_everywhere(wire: Wire) -> None:
    """While the fault lasts, REST and the stream refuse a key they knew."""
    armed = wire.server.faults.arm(Fault(name=FaultName.UNAUTHORIZED, count=None))
    assert (await wire.ask("GET", "/v2/account")).document == {"message": "unauthorized."}
    wire.server.faults.disarm(armed.fault_id)
    wire.arm(Fault(name=FaultName.UNAUTHORIZED, method="WS"))
    async with wire.stream() as stream:
        assert (await stream.authenticate())["data"]["status"] == "unauthorized"
        assert (await stream.authenticate())["data"]["status"] == "authorized"


async def test_a_late_birth_hides_an_order_for_a_while(wire: Wire) -> None:
    """Look-ups and lists do not see the order at first, while its client id is taken from the start."""
    wire.arm(Fault(name=FaultName.LATE_BIRTH, seconds=2))
    order = await wire.placed(client_order_id="mine", type="limit", limit_price=150)
    paths = (f"/v2/orders/{order['id']}", "/v2/orders:by_client_order_id?client_order_id=mine")
    assert [(await wire.ask("GET", path)).status for path in paths] == [404, 404]
    assert (await wire.ask("GET", ORDERS)).document == []
    assert (await wire.order(client_order_id="mine")).document["message"] == "client_order_id must be unique"
    wire.later(2)
    assert [(await wire.ask("GET", path)).status for path in paths] == [200, 200]
    assert len((await wire.ask("GET", ORDERS)).document) == 1


@pytest.mark.parametrize("quantity", ["7", "-3", "0"])
async def test_a_wrong_position_is_shown_while_it_lasts(wire: Wire, quantity: str) -> None:
    """The list shows the quantity the fault gives, none for zero, then the truth again."""
    await wire.placed(qty=2)
    wire.arm(Fault(name=FaultName.WRONG_POSITION, path="/v2/positions", symbol="AAPL", quantity=quantity))
    shown = (await wire.ask("GET", "/v2/positions")).document
    assert [row["qty"] for row in shown] == ([] if quantity == "0" else [quantity])
    assert [row["qty"] for row in (await wire.ask("GET", "/v2/positions")).document] == ["2"]


async def test_a_fill_may_come_before_its_reply(wire: Wire) -> None:
    """The stream tells of the fill while the client still waits for the answer, which then says pending_new."""
    wire.arm(Fault(name=FaultName.FILL_BEFORE_REPLY, path=ORDERS, seconds=0.2))
    async with wire.listening() as stream:
        reply = asyncio.create_task(wire.placed())
        assert await stream.hear_events(3) == ["pending_new", "new", "fill"]
        assert not reply.done()
        assert (await reply)["status"] == "pending_new"


async def test_a_slow_cancel_lets_the_order_trade_on(wire: Wire) -> None:
    """The order is pending_cancel after the 204 and may still fill, which then wins."""
    order = await wire.placed(type="limit", limit_price=150)
    wire.arm(Fault(name=FaultName.SLOW_CANCEL, seconds=30))
    async with wire.listening() as stream:
        assert (await wire.ask("DELETE", f"/v2/orders/{order['id']}")).status == 204
        assert (await wire.found(order["id"]))["status"] == "pending_cancel"
        wire.price("149")
        assert await stream.hear_events(2) == ["pending_cancel", "fill"]
    assert (await wire.found(order["id"]))["status"] == "filled"


async def test_a_slow_cancel_comes_in_the_end(wire: Wire) -> None:
    """An order nobody traded with is canceled when the time has passed."""
    order = await wire.placed(type="limit", limit_price=150)
    wire.arm(Fault(name=FaultName.SLOW_CANCEL, seconds=0.05))
    async with wire.listening() as stream:
        await wire.ask("DELETE", f"/v2/orders/{order['id']}")
        assert await stream.hear_events(2) == ["pending_cancel", "canceled"]


async def test_duplicate_events_carry_the_same_execution(wire: Wire) -> None:
    """An event told twice is the same one, to the letter."""
    wire.arm(Fault(name=FaultName.DUPLICATE_EVENTS, event="fill"))
    async with wire.listening() as stream:
        await wire.placed()
        assert await stream.hear_events(2) == ["pending_new", "new"]
        first, second = await stream.hear_event(), await stream.hear_event()
        assert first == second
        assert first["event"] == "fill"


async def test_reordered_events_come_after_the_next(wire: Wire) -> None:
    """An event is overtaken by the one after it."""
    wire.arm(Fault(name=FaultName.REORDERED_EVENTS, event="new"))
    async with wire.listening() as stream:
        await wire.placed()
        assert await stream.hear_events(3) == ["pending_new", "fill", "new"]


async def test_dropped_events_never_come(wire: Wire) -> None:
    """One event is missing and nothing else."""
    wire.arm(Fault(name=FaultName.DROPPED_EVENTS, event="fill"))
    async with wire.listening() as stream:
        await wire.placed()
        await wire.placed()
        assert await stream.hear_events(5) == ["pending_new", "new", "pending_new", "new", "fill"]


async def test_a_dropped_stream_ends_instead_of_an_event(wire: Wire) -> None:
    """The connection closes where the fill should have come; another one can be opened."""
    wire.arm(Fault(name=FaultName.DROPPED_STREAM, event="fill"))
    async with wire.listening() as stream:
        await wire.placed()
        assert await stream.hear_events(2) == ["pending_new", "new"]
        assert (await stream.socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
    async with wire.listening() as stream:
        await wire.placed()
        assert await stream.hear_events(1) == ["pending_new"]


@pytest.mark.parametrize(
    ("fault", "status"),
    [(Fault(name=FaultName.ERROR_BEFORE, status=503), 503), (Fault(name=FaultName.RATE_LIMITED), 429)],
)
async def test_a_handshake_can_fail(wire: Wire, fault: Fault, status: int) -> None:
    """Faults strike the websocket's handshake as they do any request."""
    wire.arm(fault)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with wire.stream():
            pass
    assert refused.value.status == status


async def test_answers_tell_the_simulators_time_and_not_the_machines(wire: Wire) -> None:
    """Every Date is of its own clock, refusals and websockets included."""
    second = wire.clock.now_ns() // 1_000_000_000
    wire.clock.advance(0.999)
    assert (await wire.ask("GET", "/v2/account")).headers["Date"] == formatdate(second, usegmt=True)
    wire.clock.advance(0.001)
    for path in ("/v2/account", "/v2/nothing"):
        assert (await wire.ask("GET", path)).headers["Date"] == formatdate(second + 1, usegmt=True)
    async with wire.stream() as stream:
        response = stream.socket._response
        assert response.headers["Date"] == formatdate(second + 1, usegmt=True)


@pytest.mark.parametrize(("seconds", "shown"), [(None, 0), (3, 3), (2.999, 2), (-3, -3), (-2.5, -3)])
async def test_a_date_can_be_skewed(wire: Wire, seconds: float | None, shown: int) -> None:
    """Ahead or behind, cut off as any other, for the traffic that is meant."""
    second = wire.clock.now_ns() // 1_000_000_000
    fault = {"name": "skewed_date", "path": "/v2/account", "seconds": seconds}
    assert (await wire.ask("POST", "/_sim/faults", fault)).status == 200
    assert (await wire.ask("GET", "/v2/positions")).headers["Date"] == formatdate(second, usegmt=True)
    assert (await wire.ask("GET", "/v2/account")).headers["Date"] == formatdate(second + shown, usegmt=True)
    assert (await wire.ask("GET", "/v2/account")).headers["Date"] == formatdate(second, usegmt=True)
