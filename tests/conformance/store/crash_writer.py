"""Trades until it is killed, and prints the id of each order once its commits have been acknowledged."""

import asyncio
import sys

from brokergw.store import Store
from tests.conformance.store.making import ACCOUNT, OTHER_ACCOUNT, add_accounts, admit, an_order, committed, settle
from tests.fixtures.stores import open_for_test


async def trade(store: Store, account_id: str) -> None:
    """Admit and settle orders for ever."""
    while True:
        order = an_order(account_id)
        await committed(store, admit(order))
        print("admitted", order.order_id, flush=True)  # noqa: T201 - what the other process reads
        await committed(store, settle(order))
        print("settled", order.order_id, flush=True)  # noqa: T201 - what the other process reads


async def main(url: str) -> None:
    """Trade on two accounts at once."""
    store = open_for_test(url)
    await add_accounts(store)
    await asyncio.gather(*(trade(store, account_id) for account_id in (ACCOUNT, OTHER_ACCOUNT) * 8))


asyncio.run(main(sys.argv[1]))
