import random
from dataclasses import replace

import pytest

from brokergw.model.lifecycle import State
from brokergw.model.order import Fill, Order
from brokergw.ports.journal import Commit, Committed, Decision
from brokergw.store import Store
from tests.conformance.store.making import (
    ACCOUNT,
    ALL,
    OTHER_ACCOUNT,
    START_NS,
    USER,
    a_fill,
    about,
    add_accounts,
    an_order,
    audit,
    claim_of,
    in_one_batch,
    log_of,
    scope_of,
)
from tests.fixtures.stores import open_for_test


class Chaos:
    """Makes units that clash: few keys, ids, orders and fills, drawn again and again."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._orders = [self._order(n) for n in range(5)]
        self._versions = dict.fromkeys(range(5), 1)

    def unit(self) -> Commit:
        """Make a unit of one to three parts that may or may not go through."""
        unit = Commit()
        for _ in range(self._random.randint(1, 3)):
            unit = self._with_a_part(unit)
        return unit

    def _with_a_part(self, unit: Commit) -> Commit:
        order = self._random.choice(self._orders)
        match self._random.randrange(5):
            case 0:
                return replace(unit, claim=claim_of(order))
            case 1:
                return replace(unit, inserts=(*unit.inserts, order), events=(*unit.events, about(order)))
            case 2:
                update = self._update(order)
                return replace(unit, updates=(*unit.updates, update), events=(*unit.events, about(update)))
            case 3:
                fill = self._fill(order)
                row = audit("order.reported", order_id=order.order_id)
                return replace(
                    unit, fills=(*unit.fills, fill), events=(*unit.events, about(fill)), audit=(*unit.audit, row)
                )
            case _:
                return replace(unit, decision=Decision(scope_of(order), str(self._random.random()), START_NS))

    def _order(self, number: int) -> Order:
        return an_order(
            self._random.choice((ACCOUNT, OTHER_ACCOUNT)),
            idempotency_key=f"key-{number % 3}",
            client_order_id=self._random.choice(("", "c1", "c2")),
            broker_client_order_id=f"sent-{number}",
            broker_order_ids=self._random.choice(((), ("b1",), ("b2", "b3"))),
        )

    def _update(self, order: Order) -> Order:
        number = self._orders.index(order)
        version = self._versions[number] = self._versions[number] + self._random.choice((0, 1, 1, 1))
        return replace(
            order,
            version=version,
            state=self._random.choice((State.WORKING, State.FILLED)),
            broker_client_order_id=self._random.choice((order.broker_client_order_id, "sent-0", "renamed")),
            broker_order_ids=(*order.broker_order_ids, *self._random.choice(((), ("b1",), ("b4",)))),
        )

    def _fill(self, order: Order) -> Fill:
        return a_fill(order, f"e{self._random.randrange(4)}", trade_time_ns=START_NS)


async def state_of(store: Store) -> list[object]:
    """Read everything that units may have changed."""
    journal = store.journal
    orders = await journal.open_orders(ALL)
    fills = await journal.fills(USER, [ACCOUNT, OTHER_ACCOUNT], limit=1_000)
    logs = [await journal.events(USER, account_id, 0, 1_000) for account_id in (ACCOUNT, OTHER_ACCOUNT)]
    keys = [await journal.key_of(scope_of(an_order(idempotency_key=f"key-{n}"))) for n in range(3)]
    ids = [
        await journal.order_by_broker_id(USER, account_id, broker_id, "")
        for account_id in (ACCOUNT, OTHER_ACCOUNT)
        for broker_id in ("b1", "b2", "b3", "b4")
    ]
    return [list(orders), list(fills), list(map(list, logs)), keys, ids]


def told(result: object) -> object:
    """Give what can be compared of a result."""
    return type(result) if isinstance(result, Exception) else result


@pytest.mark.parametrize("seed", range(12))
async def test_batch_is_as_if_one_after_another(store: Store, second_sqlite_url: str, seed: int) -> None:
    """A batch of clashing units ends as the same units do one by one: same results, same record."""
    chaos = Chaos(seed)
    units = [chaos.unit() for _ in range(60)]
    async with open_for_test(second_sqlite_url) as alone:
        for each in (store, alone):
            await add_accounts(each)
        batched: list[object] = []
        for start in (0, 20, 40):
            batched += await in_one_batch(store, *units[start : start + 20])
        singly = [result for unit in units for result in await in_one_batch(alone, unit)]
        assert [told(result) for result in batched] == [told(result) for result in singly]
        assert await state_of(store) == await state_of(alone)
        assert any(isinstance(result, Committed) for result in singly)
        assert len({type(result) for result in singly}) >= 4
        assert await log_of(store) == list(range(1, len(await log_of(store)) + 1))
