"""What the broker says of the account, and how far ahead an order may end."""

from dataclasses import replace
from decimal import Decimal

import pytest

from brokergw.desk.gates.sanity import expiry_objections
from brokergw.model.account import Position
from brokergw.model.errors import PreflightDenied, Reason
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import Side, TimeInForce
from tests.fixtures.scripted_broker import Bench

DAY_NS = 86_400_000_000_000


def holding(quantity: int) -> Position:
    return Position(
        symbol="ACME",
        asset_class=AssetClass.STOCK,
        quantity=Decimal(quantity),
        available_quantity=Decimal(quantity),
        average_price=Decimal(50),
        cost_basis=None,
        market_price=Decimal(50),
        market_value=None,
        unrealized_profit=None,
        as_of_ns=0,
    )


async def test_a_blocked_account_is_refused_at_the_first_gate(bench: Bench) -> None:
    """Whatever else would be wrong, nothing can be sent."""
    bench.broker.blocked = True
    with pytest.raises(PreflightDenied) as caught:
        await bench.submit(bench.order())
    assert (caught.value.gate, caught.value.reason) == ("authority", Reason.ACCOUNT_DISABLED)


@pytest.mark.parametrize(("sell", "refused"), [(9, False), (10, False), (11, True)])
async def test_a_close_only_account_takes_what_makes_the_position_smaller(
    bench: Bench, sell: int, *, refused: bool
) -> None:
    """Less than all of it, all of it, and one more."""
    bench.broker.close_only, bench.broker.shorting = True, True
    bench.broker.positions = [holding(10)]
    command = bench.order(side=Side.SELL, quantity=Decimal(sell))
    if not refused:
        await bench.submit(command)
        return
    with pytest.raises(PreflightDenied) as caught:
        await bench.submit(command)
    assert (caught.value.gate, caught.value.reason) == ("authority", Reason.ACCOUNT_CLOSE_ONLY)


async def test_a_close_only_account_buys_nothing(bench: Bench) -> None:
    """A way in is closed."""
    bench.broker.close_only = True
    with pytest.raises(PreflightDenied) as caught:
        await bench.submit(bench.order())
    assert caught.value.reason is Reason.ACCOUNT_CLOSE_ONLY


@pytest.mark.parametrize(("ahead_ns", "refused"), [(-1, True), (0, True), (1, False), (90, False), (91, True)])
def test_an_expiry_lies_ahead_and_within_what_the_broker_takes(bench: Bench, ahead_ns: int, *, refused: bool) -> None:
    """A moment before, now, a moment after; ninety days, and one nanosecond more."""
    now_ns = 1_800_000_000_000_000_000
    ahead = {90: 90 * DAY_NS, 91: 90 * DAY_NS + 1}.get(ahead_ns, ahead_ns)
    terms = replace(bench.order().terms, time_in_force=TimeInForce.GTD, expire_time_ns=now_ns + ahead)
    assert bool(list(expiry_objections(terms, now_ns, 90))) is refused
