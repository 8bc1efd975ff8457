"""What the witness reads out of bytes, and what the judge makes of their stamps."""

import asyncio
import os
import signal
import socket
import time
from typing import Any

import pytest

from tests.killing.flatten import closings_faults
from tests.killing.http_bytes import Messages, Requests, Seen
from tests.killing.judge import CLOCK_MOVES_MAX_NS, Inconclusive, acknowledgement, late, written_after
from tests.killing.witness import is_order
from tests.killing.witness_process import WitnessProcess

ACKNOWLEDGED_NS = 1_000_000_000
_ORDER = b'POST /v2/orders HTTP/1.1\r\nHost: broker\r\nContent-Length: 29\r\n\r\n{"client_order_id":"ord-123"}'


def an_order(last_ns: int, name: str = "ord-1") -> dict[str, Any]:
    return {"first_ns": 1, "last_ns": last_ns, "method": "POST", "path": "/v2/orders", "client_order_id": name}


def told(**changes: Any) -> dict[str, Any]:
    return {"asked": [1], "answered": [ACKNOWLEDGED_NS], "unstamped": 0, "clock_moved_ns": 0, **changes}


@pytest.mark.parametrize(("last_ns", "objections"), [(-1, 0), (0, 1), (1, 1)])
def test_an_order_is_late_from_the_acknowledgement_on(last_ns: int, objections: int) -> None:
    """K4: an order whose last byte came a nanosecond before the answer is in time, at it and after it is late."""
    assert len(late([an_order(ACKNOWLEDGED_NS + last_ns)], ACKNOWLEDGED_NS, {})) == objections


def test_a_late_order_stays_one_whenever_it_was_let_out() -> None:
    """An order let out in time that arrived too late is told with both moments, and is a breach all the same."""
    (found,) = late([an_order(ACKNOWLEDGED_NS + 2_000_000)], ACKNOWLEDGED_NS, {"ord-1": ACKNOWLEDGED_NS - 500_000})
    assert str(found).endswith("arrived 2.000 ms after the acknowledgement, let out 0.500 ms before it")


@pytest.mark.parametrize(("spent_ns", "objections"), [(-1, 0), (0, 1), (1, 1)])
def test_a_permit_is_spent_in_vain_from_the_acknowledgement_on(spent_ns: int, objections: int) -> None:
    """A permit spent at or after the answer is a breach, whatever arrived."""
    assert len(written_after({"ord-1": ACKNOWLEDGED_NS + spent_ns}, ACKNOWLEDGED_NS)) == objections


@pytest.mark.parametrize(
    "changes",
    [
        {"unstamped": 1},
        {"clock_moved_ns": CLOCK_MOVES_MAX_NS + 1},
        {"answered": []},
        {"answered": [1, 2]},
        {"asked": []},
    ],
)
def test_stamps_that_do_not_decide_are_no_verdict(changes: dict[str, Any]) -> None:
    """Without a stamp, with a clock that was moved, or without one question and one answer nothing is judged."""
    with pytest.raises(Inconclusive):
        acknowledgement(told(**changes))


@pytest.mark.parametrize("moved_ns", [CLOCK_MOVES_MAX_NS - 1, CLOCK_MOVES_MAX_NS])
def test_a_clock_that_drifts_decides_still(moved_ns: int) -> None:
    """Up to its limit the clocks may drift apart."""
    assert acknowledgement(told(clock_moved_ns=moved_ns)).took_s == pytest.approx(1.0)


@pytest.mark.parametrize("cut", range(1, len(_ORDER)))
def test_a_request_is_read_however_it_is_cut(cut: int) -> None:
    """A request in two parts, cut anywhere, is one request from the first part's stamp to the second's."""
    found: list[Seen] = []
    requests = Requests(found)
    requests.feed(_ORDER[:cut], 10)
    assert is_order(found[0]), "what is not known yet counts as an order"
    requests.feed(_ORDER[cut:], 20)
    (seen,) = found
    assert (seen.method, seen.path, seen.first_ns, seen.last_ns) == ("POST", "/v2/orders", 10, 20)


def test_one_request_follows_another_on_a_connection() -> None:
    """Questions without a body, orders and cancels are told apart, though they come in one part."""
    found: list[Seen] = []
    question = b"GET /v2/account HTTP/1.1\r\nHost: broker\r\n\r\n"
    cancel = b"DELETE /v2/orders/1 HTTP/1.1\r\nHost: broker\r\n\r\n"
    Requests(found).feed(question + _ORDER + cancel, 5)
    assert [(each.method, is_order(each)) for each in found] == [("GET", False), ("POST", True), ("DELETE", False)]


@pytest.mark.parametrize("head", [b"nonsense", b"POST /v2/orders HTTP/1.1\r\nTransfer-Encoding: chunked"])
def test_what_cannot_be_read_counts_as_an_order(head: bytes) -> None:
    """Bytes that are no request, or one whose end cannot be told, are judged as an order is."""
    found: list[Seen] = []
    Requests(found).feed(head + b"\r\n\r\nabc", 5)
    (seen,) = found
    assert is_order(seen)


def test_a_websocket_is_not_read_on() -> None:
    """What follows a websocket's handshake is no request."""
    found: list[Seen] = []
    Requests(found).feed(b"GET /stream HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\x81\x05POST ", 5)
    assert [each.path for each in found] == ["/stream"]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_only_messages_count_as_answers(size: int) -> None:
    """Of HTTP/2's frames those with data are messages, by the stamp of the part in which the frame's head was whole."""
    settings, head, data = b"\0\0\0\x04\0\0\0\0\0", b"\0\0\x03\x01\x04\0\0\0\x01abc", b"\0\0\x05\0\0\0\0\0\x01hello"
    stream = settings + head + data + head
    found: list[int] = []
    messages = Messages(found, of_client=False)
    for start in range(0, len(stream), size):
        messages.feed(stream[start : start + size], start)
    ends = len(settings + head) + 8
    assert found == [ends // size * size]


async def test_a_witness_that_is_held_up_knows_when_the_bytes_came() -> None:
    """An order that lies in the socket while the witness stands still is stamped with its arrival, not its reading."""
    broker = socket.create_server(("127.0.0.1", 0))
    witness = await WitnessProcess.start()
    try:
        port = await witness.relay("127.0.0.1", broker.getsockname()[1], broker=True)
        with socket.create_connection(("127.0.0.1", port)) as gateway:
            gateway.sendall(b"GET / HTTP/1.1\r\n\r\n")
            while not await _passed(witness):
                await asyncio.sleep(0.005)
            os.kill(witness.pid, signal.SIGSTOP)
            before_ns = time.time_ns()
            gateway.sendall(_ORDER)
            await asyncio.sleep(0.2)
            woken_ns = time.time_ns()
            os.kill(witness.pid, signal.SIGCONT)
            while not await witness.orders():
                await asyncio.sleep(0.005)
            (order,) = (await witness.tell())["orders"]
    finally:
        await witness.stop()
        broker.close()
    assert before_ns <= order["first_ns"] <= order["last_ns"] <= woken_ns


async def _passed(witness: WitnessProcess) -> int:
    return int((await witness.tell())["passed"])


def at_broker(side: str, at: str, *, filled: str = "", quantity: str = "5", symbol: str = "AAPL") -> dict[str, Any]:
    """Make an order as the broker lists it; times are clock times of one day."""
    return {
        "symbol": symbol,
        "side": side,
        "qty": quantity,
        "filled_qty": quantity if filled else "0",
        "submitted_at": at,
        "filled_at": filled or None,
        "canceled_at": None,
        "failed_at": None,
    }


def post(client_order_id: str, side: str = "sell") -> dict[str, Any]:
    """Make an order's request as the simulator's journal has it."""
    return {"body": {"client_order_id": client_order_id, "side": side}}


BOUGHT = at_broker("buy", "10:00", filled="10:01")
CLOSED = at_broker("sell", "10:02", filled="10:03")


@pytest.mark.parametrize(
    ("orders", "found"),
    [
        ([BOUGHT, CLOSED], []),
        ([BOUGHT, CLOSED, at_broker("sell", "10:02", filled="10:03", symbol="MSFT")], []),
        ([BOUGHT, CLOSED, at_broker("sell", "10:03", filled="10:04")], ["closed once more"]),
        ([BOUGHT, CLOSED, at_broker("sell", "10:02:30", filled="10:04")], ["open at once"]),
        ([BOUGHT, at_broker("sell", "10:02"), CLOSED], ["open at once"]),
        (
            [BOUGHT, CLOSED, at_broker("buy", "10:00", filled="10:02:30"), at_broker("sell", "10:05", filled="10:06")],
            [],
        ),
    ],
    ids=["once", "another symbol", "again", "before the first ended", "beside an open one", "more was bought"],
)
def test_a_position_that_is_closed_twice_is_told(orders: list[dict[str, Any]], found: list[str]) -> None:
    """A second closing order is one too many, unless the first has ended and something was bought since it was sent."""
    faults = closings_faults(orders, [post("a"), post("b"), post("c", "buy"), post("c", "buy")])
    assert len(faults) == len(found)
    assert all(words in fault for words, fault in zip(found, faults, strict=True))


def test_a_closing_order_that_is_sent_twice_is_told() -> None:
    """Also where the broker refused the second, so that its list of orders does not show it."""
    (fault,) = closings_faults([BOUGHT, CLOSED], [post("a"), post("b"), post("a")])
    assert fault == "the closing order a was sent 2 times"
