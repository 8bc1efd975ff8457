from dataclasses import replace

import pytest

from brokergw.model.lifecycle import State
from brokergw.model.terms import Side
from brokergw.model.trading import PLATFORM, ScopeKind, TradingScope
from brokergw.ports.journal import (
    Committed,
    TradingStopped,
)
from brokergw.store import Store
from tests.conformance.store.ledgers import (
    STRATEGY,
    asking,
    halt,
    holding,
    traded,
)
from tests.conformance.store.making import (
    ACCOUNT,
    START_NS,
    USER,
    add_accounts,
    change,
    committed,
)


@pytest.fixture(autouse=True)
async def _accounts(store: Store) -> None:
    await add_accounts(store)


@pytest.mark.parametrize(
    "scope",
    [
        PLATFORM,
        TradingScope(ScopeKind.BROKER, ("mock",)),
        TradingScope(ScopeKind.USER, (USER,)),
        TradingScope(ScopeKind.USER_BROKER, (USER, "mock")),
        TradingScope(ScopeKind.ACCOUNT, (ACCOUNT,)),
        TradingScope(ScopeKind.SYMBOL, ("AAPL",)),
        TradingScope(ScopeKind.STRATEGY, (USER, STRATEGY)),
    ],
    ids=lambda scope: scope.kind.value,
)
async def test_halt_stops_what_belongs_to_it(store: Store, scope: TradingScope) -> None:
    """No order of a halted scope is admitted, not even one that closes a position; what does not ask goes on."""
    working = holding(strategy_id=STRATEGY)
    await committed(store, asking(working))
    await halt(store, scope, "HALTED")
    result = await store.journal.commit(asking(holding(strategy_id=STRATEGY), reduces=True))
    assert isinstance(result, TradingStopped)
    assert result.halt.scope == scope
    await committed(store, change(working.next(START_NS, state=State.PENDING_CANCEL)))
    closing = await store.journal.commit(asking(holding(strategy_id=STRATEGY), closing=True))
    assert isinstance(closing, Committed)


async def test_halt_of_others_stops_nobody_else(store: Store) -> None:
    """Halts of other users, brokers, accounts, strategies and symbols do not matter, however many there are."""
    for number in range(70):
        await halt(store, TradingScope(ScopeKind.USER, (f"usr_other_{number}",)), "HALTED")
    assert isinstance(await store.journal.commit(asking(holding())), Committed)
    await halt(store, TradingScope(ScopeKind.USER, (USER,)), "HALTED")
    assert isinstance(await store.journal.commit(asking(holding())), TradingStopped)


async def test_reduce_only_lets_what_reduces_through(store: Store) -> None:
    """In a scope that only reduces, an order that closes part of a position goes and one that opens does not."""
    bought = holding(10, 100)
    await committed(store, asking(bought))
    await committed(store, change(traded(bought, 10, 100)))
    await halt(store, PLATFORM, "REDUCE_ONLY")
    sell = holding(10, 100, side=Side.SELL)
    assert isinstance(await store.journal.commit(asking(holding(), reduces=True)), TradingStopped)
    assert isinstance(await store.journal.commit(asking(replace(sell, order_id="ord_2"))), TradingStopped)
    assert isinstance(await store.journal.commit(asking(sell, reduces=True)), Committed)
