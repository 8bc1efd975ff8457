"""Several processes' writers, each with a connection of its own, against one cap."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from decimal import Decimal
from typing import Final

from brokergw.model.lifecycle import State
from brokergw.model.terms import Side
from brokergw.ports.journal import Admission, CapReached, CapsReached, Committed, Measure
from brokergw.store import Store
from tests.conformance.store.ledgers import asking, cap, holding, traded
from tests.conformance.store.making import START_NS, USER, add_accounts, change, committed
from tests.fixtures.stores import open_for_test

WRITERS: Final = 4
ORDERS: Final = 32
ROUNDS: Final = 5


async def stores_on(url: str, stack: AsyncExitStack) -> list[Store]:
    return [await stack.enter_async_context(open_for_test(url)) for _ in range(WRITERS)]


async def test_orders_of_four_writers_never_pass_a_cap_together(postgresql_url: str) -> None:
    """K7. Of thirty-two orders of 300 at once against 1,000 three are admitted, and the others hear what stands."""
    async with AsyncExitStack() as stack:
        stores = await stores_on(postgresql_url, stack)
        for number in range(ROUNDS):
            account_id, user_id = f"acc_round_{number}", f"usr_round_{number}"
            await add_accounts(stores[0], account_id, user_id=user_id)
            orders = [holding(3, 100, account_id=account_id, user_id=user_id) for _ in range(ORDERS)]
            one = cap(Measure.EXPOSURE, 1000)
            results = await asyncio.gather(
                *(stores[n % WRITERS].journal.commit(asking(order, one)) for n, order in enumerate(orders))
            )
            admitted = [result for result in results if isinstance(result, Committed)]
            assert len(admitted) == 3
            reached = (CapReached(one, Decimal(900), Decimal(300)),)
            assert {each for each in results if isinstance(each, CapsReached)} == {CapsReached(reached)}
        assert await stores[0].journal.recount() == []


async def test_fills_cancels_and_admissions_of_four_writers_leave_a_true_ledger(postgresql_url: str) -> None:
    """Whoever writes what of whose order: nothing is lost between the writers, and none waits for ever."""
    async with AsyncExitStack() as stack:
        stores = await stores_on(postgresql_url, stack)
        await add_accounts(stores[0])

        async def live(number: int) -> None:
            side = Side.BUY if number % 3 else Side.SELL
            order = holding(10, 90 + number, side=side, strategy_id=f"s{number % 3}")
            mine, other = stores[number % WRITERS], stores[(number + 1) % WRITERS]
            await committed(mine, asking(order))
            working = order.next(START_NS, state=State.WORKING)
            await committed(other, change(working))
            if number % 4 == 0:
                larger = working.next(START_NS, state=State.PENDING_MODIFY, hold_quantity=Decimal(15))
                await committed(mine, replace(change(larger), admission=Admission()))
                working = larger.next(START_NS, state=State.WORKING)
                await committed(other, change(working))
            part = traded(working, number % 10, 80)
            await committed(other, change(part))
            if number % 2:
                await committed(mine, change(part.next(START_NS, state=State.CANCELED)))

        async with asyncio.timeout(60):
            await asyncio.gather(*(live(number) for number in range(48)))
        assert await stores[0].journal.recount() == []
        (position,) = await stores[0].journal.positions_on_record(USER, "acc_1")
        bought = sum(number % 10 for number in range(48) if number % 3)
        sold = sum(number % 10 for number in range(48) if not number % 3)
        assert position.quantity == bought - sold
        counts = await stores[0].journal.usage(USER)
        (everything,) = [each for each in counts if not each.account_id and not each.strategy_id]
        assert everything.day_orders == 48 + 12
