import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from brokergw.model.errors import GatewayError, Reason
from brokergw.ports.journal import Commit
from brokergw.store import Store
from tests.conformance.store.making import (
    ACCOUNT,
    MINE,
    OTHER_ACCOUNT,
    USER,
    add_accounts,
    admit,
    an_order,
    committed,
    log_of,
    scope_of,
    settle,
)
from tests.conformance.store.rival import CHANGES, KEYS
from tests.conformance.store.test_crash import check_consistent
from tests.fixtures.stores import OwnServer, open_for_test
from tests.fixtures.two_roles import served

ROOT = Path(__file__).parents[3]
PROCESSES = 3


def race(url: str, shared: list[str]) -> list[dict[str, Any]]:
    """Let processes race; give what each of them printed."""
    command = [sys.executable, "-m", "tests.conformance.store.rival", url, *shared]
    started = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [json.loads(process.communicate(timeout=60)[0]) for process in started]


async def test_processes_agree_on_every_winner(postgresql_url: str) -> None:
    """Three processes on the same keys, orders and accounts: one winner each, no change lost, no gap, no error."""
    async with open_for_test(postgresql_url) as store:
        await add_accounts(store)
        shared = [an_order(account_id) for account_id in (ACCOUNT, OTHER_ACCOUNT, ACCOUNT)]
        for order in shared:
            await committed(store, admit(order))
        told = await asyncio.to_thread(race, postgresql_url, [order.order_id for order in shared])
        assert [each["errors"] for each in told] == [{}] * PROCESSES
        won = [key for each in told for key in each["won"]]
        assert sorted(won) == sorted(f"race-{number}" for number in range(KEYS))
        for order in shared:
            stored = await store.journal.order(MINE, order.order_id)
            assert stored is not None
            assert (stored.version, stored.attempt) == (PROCESSES * CHANGES + 1,) * 2
        await check_consistent(store)
        written = len(await log_of(store)) + len(await log_of(store, OTHER_ACCOUNT))
        assert written == len(shared) * (1 + PROCESSES * CHANGES) + KEYS


class Trader:
    """Admits and settles orders, through whatever happens to the server, and remembers what it was told of each."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.stop = False
        self.told: dict[str, list[Reason | None]] = {}
        self.orders: dict[str, Any] = {}

    @property
    def durable(self) -> int:
        """How many commits were acknowledged."""
        return sum(reasons.count(None) for reasons in self.told.values())

    async def trade(self, account_id: str) -> None:
        """Trade until told to stop; an order whose first commit is not certain is left alone."""
        while not self.stop:
            order = an_order(account_id)
            self.orders[order.order_id] = order
            told = self.told[order.order_id] = [await self._commit(admit(order))]
            if told == [None]:
                told.append(await self._commit(settle(order)))
            else:
                await asyncio.sleep(0.01)

    async def until(self, durable: int) -> None:
        """Wait until so many commits were acknowledged."""
        async with asyncio.timeout(30):
            while self.durable < durable:
                await asyncio.sleep(0.005)

    async def _commit(self, unit: Commit) -> Reason | None:
        try:
            await committed(self._store, unit)
        except GatewayError as error:
            return error.reason
        return None


async def test_killed_server_leaves_every_unit_whole_or_absent(own_postgresql: OwnServer) -> None:
    """A server killed in mid-batch and started again: what was acknowledged is there, what was refused is not, and
    what was unknown is there whole or not at all; the same store goes on.
    """
    async with open_for_test(served(own_postgresql.url), upgrade_tables=True, owner_url=own_postgresql.url) as store:
        await add_accounts(store)
        trader = Trader(store)
        trading = [asyncio.ensure_future(trader.trade(account_id)) for account_id in (ACCOUNT, OTHER_ACCOUNT) * 8]
        for _ in range(2):
            await trader.until(trader.durable + 150)
            await asyncio.to_thread(own_postgresql.kill)
            await asyncio.to_thread(own_postgresql.start)
        await trader.until(trader.durable + 150)
        trader.stop = True
        await asyncio.gather(*trading)

        reasons = {reason for told in trader.told.values() for reason in told}
        assert reasons <= {None, Reason.JOURNAL_UNAVAILABLE, Reason.JOURNAL_OUTCOME_UNKNOWN}
        assert len(reasons) > 1
        for order_id, told in trader.told.items():
            await _check(store, trader.orders[order_id], told)
        await check_consistent(store)


async def _check(store: Store, order: Any, told: list[Reason | None]) -> None:
    stored = await store.journal.order(MINE, order.order_id)
    key = await store.journal.key_of(scope_of(order))
    assert (stored is None) == (key is None)
    if told[0] is not Reason.JOURNAL_OUTCOME_UNKNOWN:
        assert (stored is not None) == (told[0] is None)
    if stored is None or key is None:
        return
    settled = stored.version == 2
    assert (key.decision != "") == settled
    assert (await store.journal.fills(USER, [order.account_id], order_id=order.order_id) != []) == settled
    if told[-1] is not Reason.JOURNAL_OUTCOME_UNKNOWN:
        assert settled == (told == [None, None])
