"""The dialogue on `/stream`, and what is told there."""

import aiohttp
import msgpack  # type: ignore[import-untyped]  # it has no types; one call of it is used
import pytest

from tests.fixtures.sim_wire import MakeWire, Wire

BRACKET = {"order_class": "bracket", "time_in_force": "gtc"}


async def test_authentication_comes_first(wire: Wire) -> None:
    """Listening before authentication, and a wrong secret, are answered `unauthorized`."""
    async with wire.stream() as stream:
        assert await stream.listen("trade_updates") == {
            "stream": "authorization",
            "data": {"status": "unauthorized", "action": "listen"},
        }
        assert await stream.authenticate(secret="wrong") == {
            "stream": "authorization",
            "data": {
                "status": "unauthorized",
                "action": "authenticate",
                "message": "access key verification failed",
            },
        }
        assert await stream.authenticate() == {
            "stream": "authorization",
            "data": {"status": "authorized", "action": "authenticate"},
        }
        assert await stream.listen("trade_updates", "weather") == {
            "stream": "listening",
            "data": {"streams": ["trade_updates"]},
        }


async def test_the_newer_form_of_authentication_works_too(wire: Wire) -> None:
    """`auth` carries key and secret beside the action."""
    async with wire.stream() as stream:
        await stream.say(action="auth", key="PKSIMULATOR", secret="simulator-secret")
        assert (await stream.hear())["data"]["status"] == "authorized"


async def test_what_cannot_be_read_is_answered(wire: Wire) -> None:
    """Broken JSON and unknown actions get an error and leave the connection open."""
    async with wire.stream() as stream:
        await stream.socket.send_str("{")
        assert (await stream.hear())["stream"] == "error"
        await stream.say(action="dance")
        assert (await stream.hear())["stream"] == "error"
        assert (await stream.authenticate())["data"]["status"] == "authorized"


async def test_a_second_connection_is_turned_away(wire: Wire) -> None:
    """An account has one connection: the next handshake gets HTTP 429 until the first is gone."""
    async with wire.listening():
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with wire.stream():
                pass
        assert refused.value.status == 429
    async with wire.listening() as stream:
        assert stream.socket.closed is False


async def test_with_several_accounts_the_key_decides(make_wire: MakeWire) -> None:
    """A handshake passes as long as some account is free; a key that is connected already is sent away."""
    wire = await make_wire(keys={"PKONE": "one", "PKTWO": "two"})
    async with wire.stream() as first, wire.stream() as second:
        assert (await first.authenticate("PKONE", "one"))["data"]["status"] == "authorized"
        answer = await second.authenticate("PKONE", "one")
        assert answer["data"]["message"] == "connection limit exceeded"
        assert (await second.socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
    async with wire.stream() as third:
        assert (await third.authenticate("PKTWO", "two"))["data"]["status"] == "authorized"


async def test_an_empty_list_unsubscribes(wire: Wire) -> None:
    """The list replaces the one before it."""
    async with wire.listening() as stream:
        assert (await stream.listen())["data"] == {"streams": []}
        await wire.placed()
        await stream.listen("trade_updates")
        await wire.placed(type="limit", limit_price=150)
        assert await stream.hear_events(2) == ["pending_new", "new"]


async def test_a_fill_tells_of_itself_and_of_the_order(wire: Wire) -> None:
    """Price and quantity are the execution's, the order's are totals, the position is signed and after it."""
    async with wire.listening() as stream:
        order = await wire.placed(qty=3, side="sell")
        await stream.hear_events(2)
        fill = await stream.hear_event()
        assert (fill["price"], fill["qty"], fill["position_qty"]) == ("199.98", "3", "-3")
        shown = fill["order"]
        assert (shown["id"], shown["status"], shown["filled_qty"]) == (order["id"], "filled", "3")
        assert (shown["position_intent"], fill["timestamp"]) == ("sell_to_open", shown["filled_at"])


async def test_a_bracket_is_told_order_by_order(wire: Wire) -> None:
    """Exits are held at first; after the entry's fill the profit exit is new, and its fill cancels the stop."""
    async with wire.listening() as stream:
        exits = {"take_profit": {"limit_price": 220}, "stop_loss": {"stop_price": 180}}
        bracket = await wire.placed(**BRACKET, **exits)
        names = {bracket["id"]: "entry", bracket["legs"][0]["id"]: "profit", bracket["legs"][1]["id"]: "loss"}
        wire.price("221")
        events = [await stream.hear_event() for _ in range(8)]
        assert [(event["event"], names[event["order"]["id"]]) for event in events] == [
            ("pending_new", "entry"),
            ("new", "entry"),
            ("held", "profit"),
            ("held", "loss"),
            ("fill", "entry"),
            ("new", "profit"),
            ("fill", "profit"),
            ("canceled", "loss"),
        ]


async def test_a_day_order_expires_at_the_end_of_its_day(make_wire: MakeWire) -> None:
    """In New York's hours a day order ends with the session, told as `expired`."""
    wire = await make_wire(always_open=False)
    wire.later(7 * 3600)
    order = await wire.placed(type="limit", limit_price=150)
    assert order["expires_at"] == "2027-01-15T21:00:00Z"
    async with wire.listening() as stream:
        wire.later(6 * 3600)
        assert await stream.hear_events(1) == ["expired"]
    assert (await wire.found(order["id"]))["expired_at"] is not None


async def test_frames_can_be_messagepack(wire: Wire) -> None:
    """A handshake that asks for MessagePack gets every frame in it."""
    async with wire.stream(**{"Content-Type": "application/msgpack"}) as stream:
        await stream.say(action="authenticate", data={"key_id": "PKSIMULATOR", "secret_key": "simulator-secret"})
        assert msgpack.unpackb(await stream.socket.receive_bytes())["data"]["status"] == "authorized"
        await stream.say(action="listen", data={"streams": ["trade_updates"]})
        await stream.socket.receive_bytes()
        order = await wire.placed()
        update = msgpack.unpackb(await stream.socket.receive_bytes())
        assert (update["data"]["event"], update["data"]["order"]) == ("pending_new", {**order})
