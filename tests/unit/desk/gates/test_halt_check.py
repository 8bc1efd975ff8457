"""Gate 1 under halts."""

from decimal import Decimal
from typing import Any

import pytest

from brokergw.desk.halts.halting import Halting
from brokergw.model.account import Position
from brokergw.model.errors import GatewayError, PreflightDenied, Reason
from brokergw.model.instrument import AssetClass
from brokergw.model.lifecycle import State
from brokergw.model.terms import Side
from brokergw.model.trading import PLATFORM, HaltCause, ScopeKind, TradingScope, TradingState
from brokergw.model.whose import only
from tests.fixtures.memory_halts import MemoryHaltBook
from tests.fixtures.scripted_broker import Bench

D = Decimal


@pytest.fixture
def halting(bench: Bench) -> Halting:
    """Give the halts of the bench's desk, over a book."""
    halting = bench.desk._halting
    halting.book = halting.switch._book = MemoryHaltBook(bench.clock)  # type: ignore[misc]
    return halting


async def halt(halting: Halting, state: TradingState, scope: TradingScope = PLATFORM) -> None:
    """Halt a scope."""
    await halting.switch.halt(scope, HaltCause.KILL_SWITCH, state, "prices are wrong", "root")


def held(quantity: str) -> Position:
    """Make a position in ACME."""
    return Position(
        symbol="ACME",
        asset_class=AssetClass.STOCK,
        quantity=D(quantity),
        available_quantity=abs(D(quantity)),
        average_price=D(50),
        market_price=D(50),
        market_value=D(quantity) * 50,
        cost_basis=D(quantity) * 50,
        unrealized_profit=D(0),
        as_of_ns=0,
    )


async def denied(bench: Bench, **terms: Any) -> PreflightDenied:
    """Submit an order that must be denied."""
    with pytest.raises(PreflightDenied) as refusal:
        await bench.desk.clear(bench.caller, bench.order(**terms))
    return refusal.value


async def test_a_halt_denies_with_its_scope_cause_and_reason(bench: Bench, halting: Halting) -> None:
    """The denial says what is halted, why and by which sentence, and is the key's final answer on the record."""
    await halt(halting, TradingState.HALTED)
    denial = await denied(bench)
    (objection,) = [each for each in denial.objections if each.reason is Reason.TRADING_HALTED]
    assert denial.gate == "authority"
    assert (objection.subject, objection.observed, objection.source) == ("PLATFORM", "KILL_SWITCH", "PLATFORM")
    assert "prices are wrong" in objection.description
    order = await bench.journal.order(only("alice"), denial.order_id or "")
    assert order is not None
    assert (order.state, order.reject_reason) == (State.DENIED, "TRADING_HALTED")


@pytest.mark.parametrize(
    ("position", "side", "quantity", "passes"),
    [
        ("10", Side.SELL, "9", True),
        ("10", Side.SELL, "10", True),
        ("10", Side.SELL, "11", False),
        ("10", Side.BUY, "1", False),
        ("-10", Side.BUY, "10", True),
        ("-10", Side.BUY, "11", False),
        ("0", Side.SELL, "1", False),
    ],
)
async def test_reduce_only_lets_through_what_makes_a_position_smaller(
    bench: Bench, halting: Halting, position: str, side: Side, quantity: str, *, passes: bool
) -> None:
    """Up to the whole position may be closed, just above it nothing passes, nor what adds to it."""
    bench.broker.positions = [held(position)] if position != "0" else []
    await halt(halting, TradingState.REDUCE_ONLY)
    if passes:
        cleared = await bench.desk.clear(bench.caller, bench.order(side=side, quantity=D(quantity)))
        assert cleared.admission.reduces
    else:
        denial = await denied(bench, side=side, quantity=D(quantity))
        assert denial.reason is Reason.REDUCE_ONLY_MODE


async def test_a_process_that_must_not_send_uses_no_key_up(bench: Bench, halting: Halting) -> None:
    """Without a clearance an order is refused before anything is on the record, to be sent again under its key."""
    halting.clearance._expires = True
    bench.clock.advance(1)
    with pytest.raises(GatewayError) as refusal:
        await bench.desk.clear(bench.caller, bench.order())
    assert refusal.value.reason is Reason.JOURNAL_UNAVAILABLE
    assert refusal.value.retry_after_s
    assert await bench.journal.open_orders(only("alice")) == []


async def test_another_scope_is_left_alone(bench: Bench, halting: Halting) -> None:
    """A halt of another symbol stops nothing here."""
    await halt(halting, TradingState.HALTED, TradingScope(ScopeKind.SYMBOL, ("ZZZ",)))
    await bench.desk.clear(bench.caller, bench.order())
