"""Comparing an account as the desk does: what stops a user, what is taken over, and what proves nothing."""

from dataclasses import replace
from decimal import Decimal

import pytest

from brokergw.model.account import Transaction
from brokergw.model.alerts import AlertKind, Severity
from brokergw.model.errors import PreflightDenied, Reason
from brokergw.model.lifecycle import State
from brokergw.model.outcome import Budget
from brokergw.model.reconciliation import (
    DifferenceKind,
    Explanation,
    Finding,
    PositionPolicy,
    ReconciliationPolicy,
)
from brokergw.model.terms import Leg, OrderClass, OrderTerms, OrderType, Side, TimeInForce
from brokergw.model.trading import HaltCause, TradingState
from brokergw.ports.broker import BrokerUnavailable
from tests.fixtures.books import ALICE, EVERY_S, Books, a_position, begun, no_anchor
from tests.fixtures.scripted_broker import (
    broker_order,
    filled,
    report,
)

D = Decimal


async def test_what_agrees_is_one_row_however_often(books: Books) -> None:
    """R2: comparing again and again what agrees writes no second finding, halts nothing and tells nobody."""
    await begun(books)
    for _ in range(3):
        await books.cycle()
    assert books.found.findings() == [Finding.AGREED]
    assert books.latest.rounds >= 3
    assert (books.switch.halts, books.told.alerts) == ([], [])


async def test_what_is_older_than_the_gateway_is_taken_over(books: Books) -> None:
    """R10, R6: what an account holds before its first comparison is the record's from then on, without an alarm."""
    books.broker.positions = [a_position("ACME", "7"), a_position("OLD", "-3")]
    await begun(books)
    assert books.latest.finding is Finding.WARNED
    assert {d.explanation for d in books.latest.differences} == {Explanation.OLDER}
    assert await books.held() == {"ACME": D(7), "OLD": D(-3)}
    assert [alert.severity for alert in books.told.alerts] == [Severity.INFO]
    assert books.switch.halts == []
    assert (await books.cycle()).finding is Finding.AGREED


async def test_an_injected_difference_halts_within_one_cycle(books: Books) -> None:
    """T9: a position that nothing explains stops all of its user's strategies, and tells of symbol and both figures."""
    await begun(books)
    books.broker.positions = [a_position("ACME", "1")]
    mismatch = await books.cycle()
    assert mismatch.finding is Finding.MISMATCH
    assert mismatch.is_open
    [(scope, cause, state, reason)] = books.switch.halts
    assert (scope, cause, state) == (ALICE, HaltCause.RECONCILIATION, TradingState.HALTED)
    assert "ACME: record 0, broker 1" in reason
    [alert] = books.told.alerts
    assert (alert.kind, alert.severity) == (AlertKind.RECONCILIATION_MISMATCH, Severity.CRITICAL)
    assert dict(alert.facts) == {"POSITION/ACME/record": "0", "POSITION/ACME/broker": "1"}


async def test_the_same_mismatch_halts_and_tells_once(books: Books) -> None:
    """R2: a mismatch that stands is one finding, one halt and one alert, and a person's resume is not overruled."""
    await begun(books)
    books.broker.positions = [a_position("ACME", "1")]
    await books.cycle()
    await books.cycle()
    again = await books.cycle()
    assert again.rounds >= 2
    assert len(books.switch.halts) == len(books.told.alerts) == 1
    books.broker.positions = [a_position("ACME", "2")]
    worse = await books.cycle()
    assert len(books.switch.halts) == 2
    assert [each.reconciliation_id for each in await books.found.open()] == [worse.reconciliation_id]


async def test_an_open_mismatch_denies_what_adds_risk(books: Books) -> None:
    """While a mismatch stands, the account's orders that add risk are denied by name even where nobody is halted."""
    await begun(books)
    books.broker.positions = [a_position("ACME", "1")]
    await books.cycle()
    with pytest.raises(PreflightDenied) as denied:
        await books.bench.submit(books.bench.order())
    assert denied.value.reason is Reason.RECONCILIATION_DRIFT


async def test_a_difference_that_goes_by_itself_is_none(books: Books) -> None:
    """R8: what the broker shows for a moment, and no longer two seconds later, is no mismatch."""
    await begun(books)
    books.broker.positions = [a_position("ACME", "1")]
    while books.broker.account_asked < 2:
        await books.bench.clock.pass_time(0.5)
    books.broker.positions = []
    assert (await books.cycle(10)).finding is Finding.AGREED
    assert books.switch.halts == []


async def test_a_fill_that_is_told_late_is_no_mismatch(books: Books) -> None:
    """R8: the broker's position shows a trade before its fill is on the record, and nobody is halted for it."""
    await begun(books)
    await books.bench.submit(books.bench.order())
    order, fill = filled(*books.broker.sent[-1])
    books.broker.positions = [a_position("ACME", "10")]
    while books.broker.account_asked < 3:
        await books.bench.clock.pass_time(0.5)
    await books.bench.tell(report(order, fill))
    books.broker.cash -= 500
    assert (await books.cycle(10)).finding is Finding.AGREED
    assert books.switch.halts == []


async def test_a_trade_that_only_the_history_tells_is_taken_in(books: Books) -> None:
    """R6: an order made at the broker's own site that no stream told of is found, adopted, and explains itself."""
    await begun(books)
    terms = OrderTerms(
        symbol="ACME", side=Side.BUY, type=OrderType.MARKET, time_in_force=TimeInForce.DAY, quantity=D(4)
    )
    order, fill = filled("elsewhere", terms, "x9")
    order = replace(order, submit_time_ns=books.bench.clock.now_ns())
    books.broker.entered = lambda: [order]
    books.broker.fills = (report(order, fill),)
    books.broker.positions = [a_position("ACME", "4")]
    books.broker.cash -= 200
    assert (await books.cycle()).finding is Finding.AGREED
    assert await books.held() == {"ACME": D(4)}
    [adopted] = books.bench.journal.by_id.values()
    assert (adopted.external, adopted.state) == (True, State.FILLED)
    assert books.switch.halts == []


@pytest.mark.parametrize("kind", ["SPLIT", "REORG"])
async def test_a_corporate_action_is_taken_over_with_a_warning(books: Books, kind: str) -> None:
    """R7: a split changes a quantity without a trade; the history names it, so it is anchored and nobody is halted."""
    books.broker.positions = [a_position("ACME", "10")]
    await begun(books)
    books.broker.positions = [a_position("ACME", "40")]
    now = books.bench.clock.now_ns()
    books.broker.history.append(
        Transaction(transaction_id="t1", kind="CORPORATE_ACTION", broker_kind=kind, time_ns=now, symbol="ACME")
    )
    warned = await books.cycle()
    assert warned.finding is Finding.WARNED
    assert [d.explanation for d in warned.differences] == [Explanation.CORPORATE_ACTION]
    assert await books.held() == {"ACME": D(40)}
    assert books.switch.halts == []
    assert [a.severity for a in books.told.alerts] == [Severity.INFO, Severity.WARNING]
    assert (await books.cycle()).finding is Finding.AGREED


@pytest.mark.parametrize(
    ("told", "finding"), [("-2", Finding.WARNED), ("-1", Finding.MISMATCH), ("-3", Finding.MISMATCH)]
)
async def test_a_transfer_explains_exactly_its_quantity(books: Books, told: str, finding: Finding) -> None:
    """A line of the history that moves shares explains that many: one less or one more stops the user."""
    books.broker.positions = [a_position("ACME", "10")]
    await begun(books)
    books.broker.positions = [a_position("ACME", "8")]
    line = Transaction(
        transaction_id="t1",
        kind="TRANSFER",
        broker_kind="ACATS",
        time_ns=books.bench.clock.now_ns(),
        symbol="ACME",
        quantity=D(told),
    )
    books.broker.history.append(line)
    assert (await books.cycle()).finding is finding
    assert bool(books.switch.halts) is (finding is Finding.MISMATCH)


async def test_a_line_explains_once(books: Books) -> None:
    """R7: a corporate action that was taken over excuses no later change of the same symbol."""
    books.broker.positions = [a_position("ACME", "10")]
    await begun(books)
    now = books.bench.clock.now_ns()
    books.broker.history.append(
        Transaction(transaction_id="t1", kind="CORPORATE_ACTION", broker_kind="SPLIT", time_ns=now, symbol="ACME")
    )
    books.broker.positions = [a_position("ACME", "40")]
    assert (await books.cycle()).finding is Finding.WARNED
    books.broker.positions = [a_position("ACME", "41")]
    assert (await books.cycle()).finding is Finding.MISMATCH


async def test_adopting_is_a_policy(books: Books) -> None:
    """A user whose account others trade on too may have its changes taken over; it is told, and not halted."""
    await begun(books)
    books.found.policies["alice"] = ReconciliationPolicy(positions=PositionPolicy.ADOPT)
    books.broker.positions = [a_position("ACME", "1")]
    warned = await books.cycle()
    assert warned.finding is Finding.WARNED
    assert await books.held() == {"ACME": D(1)}
    assert books.switch.halts == []
    assert [a.severity for a in books.told.alerts] == [Severity.WARNING]


async def test_a_broker_that_cannot_be_read_is_no_flat_account(books: Books) -> None:
    """R15, R4: a failed question is a finding of its own, with the age of what was read last; nothing is changed."""
    await books.trade()
    books.broker.positions = [a_position("ACME", "10")]
    await begun(books)
    good_ns = books.latest.as_of_ns
    books.broker.away = BrokerUnavailable(Reason.BROKER_UNREACHABLE, "no answer")
    failed = await books.cycle()
    assert (failed.finding, failed.good_ns) == (Finding.FAILED, good_ns)
    assert "no answer" in failed.detail
    assert not books.switch.halts
    assert await books.held() == {"ACME": D(10)}
    books.broker.away = None
    assert (await books.cycle()).finding is Finding.AGREED


async def test_wrong_legs_with_the_right_net_are_a_mismatch(books: Books) -> None:
    """R12: at a broker that keeps both legs, the same net with other legs is not the same position."""
    books.broker.positions = [a_position("ACME", "7"), a_position("ACME", "-3")]
    await begun(books)
    assert (await books.cycle()).finding is Finding.AGREED
    books.broker.positions = [a_position("ACME", "4")]
    mismatch = await books.cycle()
    assert mismatch.finding is Finding.MISMATCH
    [legs] = mismatch.differences
    assert (legs.kind, legs.record, legs.broker) == (DifferenceKind.LEGS, "3", "0")


async def test_an_order_in_doubt_makes_its_symbol_inconclusive(books: Books) -> None:
    """A position that an order of unknown outcome may have made is left to the look-up of that order."""
    await begun(books)
    await books.bench.submit(books.bench.order())
    [order] = books.bench.journal.by_id.values()
    books.bench.journal.by_id[order.order_id] = replace(order, state=State.MANUAL)
    books.broker.positions = [a_position("ACME", "10")]
    assert (await books.cycle()).finding is Finding.INCONCLUSIVE
    assert books.switch.halts == []
    books.broker.positions = [a_position("ACME", "11")]
    assert (await books.cycle()).finding is Finding.MISMATCH


async def test_an_order_that_the_broker_denies_is_a_mismatch(books: Books) -> None:
    """An order open on the record, of which the broker says time and again that it does not know it, stops the user."""
    await begun(books)
    await books.bench.submit(books.bench.order())
    mismatch = await books.cycle(4 * EVERY_S)
    assert mismatch.finding is Finding.MISMATCH
    assert [d.kind for d in mismatch.differences] == [DifferenceKind.ORDER_ABSENT]


async def test_an_order_made_elsewhere_is_adopted_and_agrees(books: Books) -> None:
    """R6: an open order that nobody placed here becomes the record's own, and the account agrees."""
    await begun(books)
    terms = OrderTerms(
        symbol="ACME",
        side=Side.BUY,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        quantity=D(4),
        limit_price=D(9),
    )
    seen = broker_order("elsewhere", terms)
    books.broker.open_now = lambda: [seen]
    assert (await books.cycle()).finding is Finding.AGREED
    assert [order.external for order in books.bench.journal.by_id.values()] == [True]


async def test_a_mismatch_that_goes_is_closed_and_its_halt_stays(books: Books) -> None:
    """Two comparisons that agree close a mismatch; nothing but a person lets the user trade again."""
    await begun(books)
    books.broker.positions = [a_position("ACME", "1")]
    mismatch = await books.cycle()
    books.broker.positions = []
    await books.cycle()
    assert await books.found.open()
    await books.cycle()
    closed = books.found.by_id[mismatch.reconciliation_id]
    assert (closed.is_open, closed.settled_by) == (False, "")
    assert books.switch.resumed == []


async def test_an_anchor_that_comes_too_late_is_refused(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that moved since it was compared is not overwritten; the next comparison looks again."""
    with monkeypatch.context() as moving:
        moving.setattr(books.bench.journal, "anchor", no_anchor)
        books.broker.positions = [a_position("ACME", "7")]
        assert (await books.cycle(8)).finding is Finding.INCONCLUSIVE
    await books.cycle()
    assert await books.held() == {"ACME": D(7)}


async def test_an_account_that_is_never_decided_on_is_told_of(books: Books) -> None:
    """Five comparisons in a row without a result are a warning, since a difference could hide there; four are not."""
    await begun(books)
    books.broker.away = BrokerUnavailable(Reason.BROKER_UNREACHABLE, "no answer")
    while books.latest.rounds < 4 or books.latest.finding is not Finding.FAILED:
        await books.cycle(EVERY_S / 2)
    assert books.told.alerts == []
    await books.cycle()
    [alert] = books.told.alerts
    assert alert.severity is Severity.WARNING
    assert "no answer" in alert.message


@pytest.mark.parametrize(("remaining", "more"), [(49, 0), (50, 1), (51, 1)])
async def test_a_short_budget_is_left_to_orders(books: Books, remaining: int, more: int) -> None:
    """With less than a quarter of the broker's budget left a comparison waits, a whole cycle at most."""
    await begun(books)
    rounds = books.latest.rounds
    books.broker.budgeted = Budget(200, remaining, None)
    await books.cycle()
    assert books.latest.rounds == rounds + more
    await books.cycle()
    assert books.latest.rounds > rounds + more


async def test_the_legs_of_a_spread_are_its_fills(books: Books) -> None:
    """What a multi-leg order traded of each leg is no mismatch, though it fills as one order without a symbol."""
    await begun(books)
    legs = (
        Leg(symbol="ACME261218C00100000", ratio=1, side=Side.BUY),
        Leg(symbol="ACME261218C00110000", ratio=2, side=Side.SELL),
    )
    terms = OrderTerms(
        symbol="",
        side=Side.BUY,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        quantity=D(3),
        order_class=OrderClass.MULTI_LEG,
        legs=legs,
    )
    order, fill = filled("elsewhere", terms, "x9")
    await books.bench.tell(report(order, fill))
    books.broker.positions = [a_position(legs[0].symbol, "3"), a_position(legs[1].symbol, "-6")]
    warned = await books.cycle()
    assert warned.finding is Finding.WARNED
    assert {each.detail for each in warned.differences} == {"the legs of a spread traded it"}
    assert await books.held() == {legs[0].symbol: D(3), legs[1].symbol: D(-6)}
    books.broker.positions = [a_position(legs[0].symbol, "3"), a_position(legs[1].symbol, "-5")]
    assert (await books.cycle()).finding is Finding.MISMATCH
