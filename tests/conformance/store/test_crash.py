import signal
import subprocess
import sys
from pathlib import Path

import pytest

from brokergw.model.events import EventKind
from brokergw.model.lifecycle import State
from brokergw.ports.journal import OrderQuery
from brokergw.store import Store
from tests.conformance.store.making import ACCOUNT, MINE, OTHER_ACCOUNT, USER, scope_of
from tests.fixtures.stores import open_for_test

ROOT = Path(__file__).parents[3]


def killed_in_mid_load(url: str, lines: int) -> list[tuple[str, str]]:
    """Let a process trade, kill it, and give everything it had acknowledged."""
    command = [sys.executable, "-m", "tests.conformance.store.crash_writer", url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        heard = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        heard += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    # The kill may cut the last line.
    words = [line.split() for line in heard if line.endswith("\n")]
    return [(what, order_id) for what, order_id in words]


async def check_consistent(store: Store) -> None:
    """Check that the log has no gaps and agrees with orders, fills and keys."""
    for account_id in (ACCOUNT, OTHER_ACCOUNT):
        log = await store.journal.events(USER, account_id, 0, 100_000)
        last = (await store.journal.sequences(MINE, [account_id]))[account_id]
        assert [event.sequence for event in log] == list(range(1, last + 1))
        orders = {event.payload.order_id: event.payload for event in log if event.kind is EventKind.ORDER}  # type: ignore[union-attr]
        query = OrderQuery(user_id=USER, account_ids=(account_id,), limit=100_000)
        assert {order.order_id: order for order in await store.journal.orders(query)} == orders
        fills = {event.payload for event in log if event.kind is EventKind.FILL}
        assert set(await store.journal.fills(USER, [account_id], limit=100_000)) == fills


@pytest.mark.parametrize("lines", [1, 400])
async def test_killed_writer_loses_nothing_acknowledged(store_url: str, lines: int) -> None:
    """After kill -9 in mid-load every acknowledged commit is there, whole, and the log has no gap."""
    acknowledged = killed_in_mid_load(store_url, lines)
    assert len(acknowledged) >= lines
    async with open_for_test(store_url) as store:
        for what, order_id in acknowledged:
            order = await store.journal.order(MINE, order_id)
            assert order is not None
            record = await store.journal.key_of(scope_of(order))
            assert record is not None
            assert record.subject == order_id
            if what == "settled":
                assert order.state is State.FILLED
                assert record.decision != ""
        await check_consistent(store)
