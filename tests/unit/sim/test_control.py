"""The control plane: a running simulator is steered over HTTP."""

from typing import Any

import pytest

from brokergw.sim.dialects.alpaca import serve_alpaca
from tests.fixtures.sim_wire import MakeWire, Wire


async def test_the_journal_can_be_read_and_cleared(wire: Wire) -> None:
    """Entries are selected by sequence, method and the beginning of the path."""
    await wire.placed()
    await wire.ask("GET", "/v2/account")
    every = (await wire.ask("GET", "/_sim/journal")).document
    assert (every["arrived"], [entry["path"] for entry in every["entries"]]) == (2, ["/v2/orders", "/v2/account"])
    posts = (await wire.ask("GET", "/_sim/journal", method="POST", path="/v2/o")).document["entries"]
    assert [entry["sequence"] for entry in posts] == [1]
    assert (await wire.ask("GET", "/_sim/journal", after="1")).document["entries"][0]["path"] == "/v2/account"
    await wire.ask("DELETE", "/_sim/journal")
    assert (await wire.ask("GET", "/_sim/journal")).document == {"arrived": 2, "entries": []}


async def test_faults_are_switched_on_and_off(wire: Wire) -> None:
    """A fault is armed, shows how often it fired, and is disarmed by id or with all others."""
    armed = (await wire.ask("POST", "/_sim/faults", {"name": "error_before", "path": "/v2/account"})).document
    assert (await wire.ask("GET", "/v2/account")).status == 503
    shown = (await wire.ask("GET", "/_sim/faults")).document["faults"]
    assert [(fault["fault_id"], fault["fired"]) for fault in shown] == [(armed["fault_id"], 1)]
    assert (await wire.ask("DELETE", f"/_sim/faults/{armed['fault_id']}")).status == 200
    assert (await wire.ask("DELETE", f"/_sim/faults/{armed['fault_id']}")).status == 400
    await wire.ask("POST", "/_sim/faults", {"name": "latency", "count": None})
    await wire.ask("DELETE", "/_sim/faults")
    assert (await wire.ask("GET", "/_sim/faults")).document == {"faults": []}


async def test_a_fault_may_last_a_part_of_a_second(wire: Wire) -> None:
    """A fraction is taken, and shown as it was given."""
    armed = (await wire.ask("POST", "/_sim/faults", {"name": "latency", "seconds": 0.25, "probability": 0.5})).document
    assert (armed["seconds"], armed["probability"]) == (0.25, 0.5)


async def test_a_price_can_be_held_and_let_go(wire: Wire) -> None:
    """A held price is quoted at once and resting orders see it; let go, it runs again."""
    order = await wire.placed(symbol="KO", type="limit", limit_price=50)
    await wire.ask("POST", "/_sim/price", {"symbol": "KO", "price": "49.5"})
    assert (await wire.found(order["id"]))["status"] == "filled"
    quote = (await wire.ask("GET", "/v2/stocks/KO/quotes/latest")).document["quote"]
    assert (quote["bp"], quote["ap"]) == (49.49, 49.51)
    await wire.ask("DELETE", "/_sim/price", symbol="KO")
    assert (await wire.ask("GET", "/v2/stocks/KO/quotes/latest")).document["quote"]["bp"] > 60


async def test_time_passes_when_told(wire: Wire) -> None:
    """Each tick fills what the best price has room for; ticking by itself can be turned on and off."""
    order = await wire.placed(symbol="F", qty=12_000)
    assert (await wire.found(order["id"]))["filled_qty"] == "5000"
    await wire.ask("POST", "/_sim/tick", {"times": 2})
    assert (await wire.found(order["id"]))["status"] == "filled"
    assert (await wire.ask("GET", "/_sim/state")).document["ticking"] is False
    assert (await wire.ask("POST", "/_sim/ticking", {"on": True})).document == {"on": True}


async def test_the_market_is_opened_and_shut(wire: Wire) -> None:
    """Shut, orders queue and the clock says so; held open, they work; by the hours, New York decides."""
    await wire.ask("POST", "/_sim/market", {"open": False})
    order = await wire.placed()
    assert order["status"] == "accepted"
    assert (await wire.ask("GET", "/v2/clock")).document["is_open"] is False
    await wire.ask("POST", "/_sim/market", {"open": True})
    await wire.ask("POST", "/_sim/tick")
    assert (await wire.found(order["id"]))["status"] == "filled"
    await wire.ask("POST", "/_sim/market", {"mode": "hours"})
    clock = (await wire.ask("GET", "/v2/clock")).document
    assert clock == {
        "timestamp": "2027-01-15T03:00:00-05:00",
        "is_open": False,
        "next_open": "2027-01-15T09:30:00-05:00",
        "next_close": "2027-01-15T16:00:00-05:00",
    }


async def test_a_fill_can_be_forced(wire: Wire) -> None:
    """A part or the rest of a resting order trades at a price of one's own, whatever the market says."""
    order = await wire.placed(qty=5, type="limit", limit_price=150)
    part = await wire.ask("POST", "/_sim/execution", {"order_id": order["id"], "quantity": "2", "price": "149"})
    assert (part.document["status"], part.document["filled_qty"]) == ("partially_filled", "2")
    too_much = await wire.ask("POST", "/_sim/execution", {"order_id": order["id"], "quantity": "4"})
    assert too_much.status == 400
    rest = await wire.ask("POST", "/_sim/execution", {"order_id": order["id"], "price": "150"})
    assert (rest.document["status"], rest.document["filled_avg_price"]) == ("filled", "149.6")
    assert (await wire.ask("POST", "/_sim/execution", {"order_id": order["id"]})).status == 400


async def test_streams_are_cut_at_once(wire: Wire) -> None:
    """Every connection ends, and their number is told."""
    async with wire.listening() as stream:
        assert (await wire.ask("POST", "/_sim/stream/drop")).document == {"dropped": 1}
        await stream.socket.receive(timeout=5)
        assert stream.socket.closed
    assert (await wire.ask("GET", "/_sim/state")).document["streams"] == 0


async def test_the_state_shows_accounts_positions_and_orders(make_wire: MakeWire) -> None:
    """Every account is there with its positions and orders, so that a test can compare."""
    wire = await make_wire(keys={"PKSIMULATOR": "simulator-secret", "PKTWO": "two"})
    order = await wire.placed(qty=2)
    state = (await wire.ask("GET", "/_sim/state")).document
    assert (state["dialect"], state["market"]) == ("alpaca", "open")
    first, second = state["accounts"]
    assert (first["positions"], second["positions"]) == ({"AAPL": "2"}, {})
    assert [row["id"] for row in first["orders"]] == [order["id"]]
    assert second["orders"] == []


@pytest.mark.parametrize(
    ("method", "verb", "body"),
    [
        ("POST", "price", {"symbol": "ZZZZ", "price": "1"}),
        ("POST", "price", {"symbol": "AAPL", "price": "-1"}),
        ("POST", "price", {"symbol": "AAPL", "price": "much"}),
        ("POST", "price", {"symbol": "AAPL"}),
        ("DELETE", "price", None),
        ("POST", "tick", {"times": "often"}),
        ("POST", "tick", {"times": -1}),
        ("POST", "ticking", {"on": "yes"}),
        ("POST", "market", {"open": 1}),
        ("POST", "market", {"mode": "ajar"}),
        ("POST", "execution", {"order_id": "nobody"}),
        ("POST", "faults", {"name": "earthquake"}),
        ("POST", "faults", [1]),
        ("GET", "journal?after=x", None),
    ],
)
async def test_a_control_request_that_makes_no_sense_is_refused(wire: Wire, method: str, verb: str, body: Any) -> None:
    """Bad input gets 400 and words, and nothing breaks."""
    reply = await wire.ask(method, f"/_sim/{verb}", body)
    assert reply.status == 400
    assert reply.document["error"]


async def test_an_unknown_control_names_the_known_ones(wire: Wire) -> None:
    """404 comes with the list of what there is."""
    reply = await wire.ask("GET", "/_sim/nothing")
    assert reply.status == 404
    assert "POST /_sim/faults" in reply.document["error"]


async def test_a_port_that_is_taken_is_an_error(wire: Wire) -> None:
    """A second simulator on the same port does not start."""
    with pytest.raises(OSError, match="in use"):
        await serve_alpaca("127.0.0.1", wire.server.port)


async def test_an_entry_moves_the_account_without_an_order(wire: Wire) -> None:
    """A position and the cash change as told, at no cost to the average; only a named activity tells of it."""
    await wire.placed(symbol="KO", qty=10, type="limit", limit_price=90)
    held = (await wire.ask("GET", "/v2/positions/KO")).document
    cash = (await wire.ask("GET", "/v2/account")).document["cash"]
    told = await wire.ask("POST", "/_sim/entry", {"symbol": "KO", "quantity": "30", "activity": "SPLIT"})
    assert told.document["quantity"] == "40"
    split = (await wire.ask("GET", "/v2/positions/KO")).document
    assert (split["qty"], split["cost_basis"]) == ("40", held["cost_basis"])
    [line] = (await wire.ask("GET", "/v2/account/activities/SPLIT")).document
    assert (line["symbol"], line["qty"], line["net_amount"]) == ("KO", "30", "0")
    await wire.ask("POST", "/_sim/entry", {"money": "-2.5"})
    assert float((await wire.ask("GET", "/v2/account")).document["cash"]) == float(cash) - 2.5
    await wire.ask("POST", "/_sim/entry", {"symbol": "F", "quantity": "-3"})
    assert (await wire.ask("GET", "/v2/positions/F")).document["qty"] == "-3"
    kinds = [row["activity_type"] for row in (await wire.ask("GET", "/v2/account/activities")).document]
    assert sorted(kinds) == ["FILL", "JNLC", "SPLIT"]


@pytest.mark.parametrize(
    "entry", [{"quantity": "1"}, {"symbol": "NONE"}, {"money": "x"}, {"money": "NaN"}, {"key_id": "PKNOBODY"}]
)
async def test_an_entry_that_makes_no_sense_is_refused(wire: Wire, entry: dict[str, Any]) -> None:
    """A quantity of nothing, an unlisted symbol, no number, or nobody's account."""
    assert (await wire.ask("POST", "/_sim/entry", entry)).status == 400
