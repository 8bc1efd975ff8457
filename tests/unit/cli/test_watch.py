import asyncio
import os
import signal
import sys
from typing import Any

import grpc
from brokerapi.v1 import fills_pb2, orders_pb2, streams_pb2

from tests.fixtures.command_line import CommandLine
from tests.fixtures.fake_gateway import API_KEY, Failure, FakeGateway, Silence
from tests.fixtures.fake_streams import fill, header, heartbeat, subscribed

Orders = orders_pb2.SubscribeOrdersResponse


def told(sequence: int) -> Any:
    """Tell a fill with its figures."""
    message = fill(sequence)
    message.event.fill.MergeFrom(fills_pb2.Fill(symbol="AAPL", quantity="3", price="190.5"))
    return message


async def test_fills_are_told_over_a_reconnect_with_the_cursor_to_go_on(
    fake_gateway: FakeGateway, command: CommandLine
) -> None:
    """A lost connection is not noticed, and at the end stderr has the cursor."""
    fake_gateway.script(
        "SubscribeFills",
        [subscribed(), told(7), Failure(grpc.StatusCode.UNAVAILABLE)],
        [subscribed(), told(8), Silence()],
    )

    typed = await command("watch", "fills", "--count", "2", "--account", "acc_1", "--symbol", "AAPL", "--from", "c5")

    assert typed.status == 0
    assert typed.out.count("3 AAPL at 190.5") == 2
    assert "--from c8" in typed.err
    first, second = (call.request for call in fake_gateway.calls)
    assert (first.account_ids, first.symbols, first.start.cursor) == (["acc_1"], ["AAPL"], "c5")
    assert second.start.cursor == "c7"


async def test_json_lines_are_the_streams_messages(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """Each line has the name of its message; bookkeeping comes with --all only."""
    script = [subscribed(), heartbeat("c6"), told(7), Silence()]
    fake_gateway.script("SubscribeFills", script, script)

    events = (await command("watch", "fills", "--count", "1", "--json")).lines
    everything = (await command("watch", "fills", "--count", "1", "--json", "--all")).lines

    assert [list(line) for line in events] == [["event"]]
    assert events[0]["event"]["fill"]["price"] == "190.5"
    assert events[0]["event"]["header"]["cursor"] == "c7"
    assert [list(line) for line in everything] == [["subscribed"], ["heartbeat"], ["event"]]


async def test_orders_begin_with_the_snapshot_when_asked(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """Open orders first, then changes; a gap at a broker is told to the person."""
    order = orders_pb2.Order(order_id="ord_1", state=orders_pb2.ORDER_STATE_WORKING)
    filled = orders_pb2.Order(order_id="ord_1", state=orders_pb2.ORDER_STATE_FILLED)
    gap = streams_pb2.Gap(broker="alpaca", account_id="acc_1", state=streams_pb2.GAP_STATE_OPEN)
    fake_gateway.script(
        "SubscribeOrders",
        [
            Orders(subscribed=streams_pb2.Subscribed()),
            Orders(snapshot_item=order),
            Orders(snapshot_complete=streams_pb2.SnapshotComplete(cursor="c5")),
            Orders(gap=gap),
            Orders(event=orders_pb2.OrderEvent(header=header(6), order=filled)),
            Silence(),
        ],
    )

    typed = await command("watch", "orders", "--from", "snapshot", "--count", "2")

    assert typed.status == 0
    first, second = typed.out.splitlines()
    assert "WORKING" in first
    assert "FILLED" in second
    assert "gap at alpaca (acc_1): OPEN" in typed.err
    assert fake_gateway.calls[0].request.start.snapshot


async def test_an_expired_cursor_is_told(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """The stream's refusal ends the watch with status 3."""
    fake_gateway.script("SubscribeFills", [Failure(grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED")])

    typed = await command("watch", "fills", "--from", "c1")

    assert typed.status == 3
    assert "CURSOR_EXPIRED" in typed.err


_MAIN = """
import signal
from brokergw.cli.main import main
# Whoever is started in the background of a shell inherits that it is not to be interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""


async def test_ctrl_c_ends_a_watch_well(fake_gateway: FakeGateway) -> None:
    """SIGINT is how a person ends a watch: status 0, and the cursor to go on from."""
    fake_gateway.script("SubscribeFills", [subscribed(), told(7), Silence()])
    reach = {**os.environ, "BROKERGW_TARGET": fake_gateway.target, "BROKERGW_API_KEY": API_KEY}
    watch = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "faulthandler", "-c", _MAIN, "watch", "fills"),
        env=reach,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert watch.stdout is not None
    async with asyncio.timeout(60):
        assert b"AAPL" in await watch.stdout.readline()
    watch.send_signal(signal.SIGINT)
    ending = asyncio.create_task(watch.communicate())
    await asyncio.wait([ending], timeout=30)
    if not ending.done():
        # Whoever hangs tells where.
        watch.send_signal(signal.SIGABRT)
    _, err = await ending

    assert watch.returncode == 0, err.decode()
    assert b"--from c7" in err
    assert b"Traceback" not in err
