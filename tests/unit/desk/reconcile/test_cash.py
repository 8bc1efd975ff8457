"""Cash that trades, fees and known transactions do not come to."""

from decimal import Decimal

import pytest

from brokergw.model.account import Transaction
from brokergw.model.reconciliation import (
    CashPolicy,
    DifferenceKind,
    Finding,
    ReconciliationPolicy,
)
from tests.fixtures.books import Books, a_position, begun

D = Decimal


@pytest.mark.parametrize(("moved", "finding"), [("0.99", "AGREED"), ("1.00", "AGREED"), ("1.01", "WARNED")])
async def test_cash_may_be_off_by_its_tolerance(books: Books, moved: str, finding: str) -> None:
    """Cash that moved without a reason is a warning from just above the tolerance on, up or down, and halts nobody."""
    await begun(books)
    books.broker.cash -= D(moved)
    assert (await books.cycle()).finding.value == finding
    assert books.switch.halts == []
    assert (await books.cycle()).finding is Finding.AGREED


async def test_cash_that_trades_and_transactions_explain_is_right(books: Books) -> None:
    """Cash moves by what fills cost and by what the history has: a deposit is no warning."""
    await begun(books)
    await books.trade()
    books.broker.positions = [a_position("ACME", "10")]
    books.broker.cash += 1_000 - 500
    now = books.bench.clock.now_ns()
    books.broker.history.append(
        Transaction(transaction_id="d", kind="DEPOSIT", broker_kind="CSD", time_ns=now, net_amount=D(1_000))
    )
    assert (await books.cycle()).finding is Finding.AGREED


async def test_cash_halts_where_the_policy_says_so(books: Books) -> None:
    """A user's policy may stop trading for cash too."""
    await begun(books)
    books.found.policies["alice"] = ReconciliationPolicy(cash=CashPolicy.HALT)
    books.broker.cash -= 5
    mismatch = await books.cycle()
    assert [d.kind for d in mismatch.differences] == [DifferenceKind.CASH]
    assert len(books.switch.halts) == 1
