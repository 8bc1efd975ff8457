"""Races with other processes for the same keys, orders and accounts, and prints what it won.

One line of JSON at the end: the keys won, the changes made to each shared order, and every kind of error.
"""

import asyncio
import json
import sys
from collections import Counter
from typing import Any

from brokergw.ports.journal import Committed, KeyTaken, Stale
from brokergw.store import Store
from tests.conformance.store.making import ACCOUNT, MINE, OTHER_ACCOUNT, START_NS, admit, an_order, change
from tests.fixtures.stores import open_for_test

KEYS = 150
CHANGES = 40
"""How many changes each process gets into each shared order."""


class Rival:
    """One process's race."""

    def __init__(self, store: Store, shared: list[str]) -> None:
        self._store = store
        self._shared = shared
        self.won: list[str] = []
        self.changes: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()

    async def run(self) -> None:
        """Claim every key and change every shared order, all at once."""
        keys = [self._claim(number) for number in range(KEYS)]
        changes = [self._change(order_id) for order_id in self._shared]
        await asyncio.gather(*keys, *changes)

    async def _claim(self, number: int) -> None:
        order = an_order(
            (ACCOUNT, OTHER_ACCOUNT)[number % 2], idempotency_key=f"race-{number}", broker_client_order_id=""
        )
        result = await self._commit(admit(order))
        if isinstance(result, Committed):
            self.won.append(order.idempotency_key)
        elif not isinstance(result, KeyTaken):
            self.errors[repr(result)] += 1

    async def _change(self, order_id: str) -> None:
        while self.changes[order_id] < CHANGES and not self.errors:
            present = await self._store.journal.order(MINE, order_id)
            assert present is not None
            result = await self._commit(change(present.next(START_NS, attempt=present.attempt + 1)))
            self.changes[order_id] += isinstance(result, Committed)
            if not isinstance(result, Committed | Stale):
                self.errors[repr(result)] += 1

    async def _commit(self, unit: Any) -> object:
        try:
            return await self._store.journal.commit(unit)
        except Exception as error:  # noqa: BLE001 - counted, and judged by the test
            return error


async def main(url: str, *shared: str) -> None:
    """Race as soon as told to, so that all begin together."""
    async with open_for_test(url) as store:
        rival = Rival(store, list(shared))
        print("ready", flush=True)  # noqa: T201 - what the test reads
        await asyncio.to_thread(sys.stdin.readline)
        await rival.run()
    print(json.dumps({"won": rival.won, "changes": rival.changes, "errors": rival.errors}), flush=True)  # noqa: T201 - what the test reads


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
