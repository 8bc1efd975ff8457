"""Clearing away what rests in a halted scope."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import pytest

from brokergw.desk.clearing.leftovers import AFTER_S
from brokergw.desk.results import Cleared
from brokergw.model.account import Position, PositionPart
from brokergw.model.alerts import AlertKind
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.instrument import AssetClass
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.model.outcome import Accepted, BrokerOrder, Outcome, Rejected
from brokergw.model.terms import OrderType, Side
from brokergw.model.trading import PLATFORM, HaltCause, TradingState
from brokergw.ports.broker import BrokerUnavailable
from brokergw.ports.halts import Finding, FindingState, Sweep
from tests.fixtures.memory_alerts import HeardAlerts
from tests.fixtures.memory_halts import MemoryHaltBook
from tests.fixtures.scripted_broker import Bench, broker_order

CANCEL_AGAIN_S = 6.0


def alone(bench: Bench, asked: list[str]) -> None:
    """Leave passes to the test, and note what they would have asked about."""

    class Asked:
        def ask_about(self, account_id: str, order_ids: Iterable[str]) -> None:
            asked.extend(order_ids)

    def nothing(sweeps: Sequence[Sweep]) -> None:
        pass

    bench.desk._clearing._upkeep = Asked()  # type: ignore[assignment]
    bench.desk._clearing._start = nothing  # type: ignore[method-assign]


async def resting(bench: Bench) -> Order:
    """Place an order that rests."""

    async def accept(client_order_id: str, terms: object) -> Outcome:
        return Accepted(broker_order(client_order_id, terms, State.WORKING))  # type: ignore[arg-type]

    bench.broker.submit = accept
    cleared = await bench.desk.clear(bench.caller, bench.order())
    assert isinstance(cleared, Cleared)
    return (await bench.desk.submit(bench.caller, cleared)).order  # type: ignore[arg-type]


async def kill(bench: Bench, *, flatten: bool = False) -> MemoryHaltBook:
    """Throw the switch, with a sweep."""
    halting = bench.desk._halting
    book = MemoryHaltBook(bench.clock)
    halting.book = halting.switch._book = book  # type: ignore[misc]
    await halting.switch.halt(
        PLATFORM, HaltCause.KILL_SWITCH, TradingState.HALTED, "enough", "root", sweep=True, flatten=flatten
    )
    return book


async def one_pass(bench: Bench, book: MemoryHaltBook) -> Finding:
    """Do one pass over the only account."""
    (session,) = bench.desk.sessions()
    await bench.desk._clearing._pass(session, await book.sweeps())
    (finding,) = await book.findings()
    return finding


async def test_an_order_is_left_until_the_broker_no_longer_has_it(bench: Bench) -> None:
    """K3: the cancel is asked for, and the account is not done before record and broker both say that nothing rests."""
    order = await resting(bench)
    canceled: list[str] = []

    async def cancel(broker_order_id: str) -> Outcome:
        canceled.append(broker_order_id)
        return Accepted()

    bench.broker.cancel = cancel
    book = await kill(bench)
    finding = await one_pass(bench, book)
    assert canceled == [order.broker_order_id]
    assert finding.state is FindingState.WORKING
    assert [(left.order_id, left.symbol) for left in finding.residuals] == [(order.order_id, "ACME")]
    assert not bench.desk._clearing.done((await book.sweeps())[0], [finding])
    finding = await one_pass(bench, book)
    assert len(canceled) == 1, "a cancel that is on its way is not asked for again"


async def test_a_lifted_sweep_leaves_nothing_behind(bench: Bench) -> None:
    """K3: an order that a sweep found unlisted, and that outlives it, is cancelled at once by the next sweep."""
    order = await resting(bench)
    canceled: list[str] = []

    async def cancel(broker_order_id: str) -> Outcome:
        canceled.append(broker_order_id)
        return Accepted()

    bench.broker.cancel = cancel
    clearing = bench.desk._clearing
    await one_pass(bench, await kill(bench))
    assert clearing._unlisted.of(order.account_id) == {order.order_id}
    clearing._start([])
    assert clearing._unlisted.of(order.account_id) == frozenset()
    bench.clock.advance(CANCEL_AGAIN_S)
    await one_pass(bench, await kill(bench))
    assert canceled == [order.broker_order_id] * 2


async def test_a_broker_that_is_down_is_said_to_block(bench: Bench) -> None:
    """K6: while the broker does not answer, nothing counts as gone, and what is left is listed with the reason."""
    order = await resting(bench)

    async def down() -> Sequence[BrokerOrder]:
        raise BrokerUnavailable(Reason.BROKER_UNREACHABLE, "it is down")

    bench.broker.open_orders = down
    book = await kill(bench)
    finding = await one_pass(bench, book)
    assert finding.state is FindingState.BLOCKED
    assert finding.why == "BROKER_UNREACHABLE: it is down"
    assert [left.order_id for left in finding.residuals] == [order.order_id]


async def test_what_a_sweep_does_not_get_rid_of_is_told(bench: Bench) -> None:
    """K3: the desk's own notifier hears of a cancel that the broker never confirms."""
    heard = HeardAlerts()
    bench.desk._clearing._leftovers._notifier = heard
    order = await resting(bench)

    async def cancel(_: str) -> Outcome:
        return Accepted()

    bench.broker.cancel = cancel
    book = await kill(bench)
    await one_pass(bench, book)
    assert heard.alerts == []
    bench.clock.advance(AFTER_S)
    await one_pass(bench, book)
    (alert,) = heard.alerts
    assert alert.kind is AlertKind.NOT_CLEARED
    assert order.order_id in alert.facts[0][1]


async def test_an_account_where_nothing_rests_is_done(bench: Bench) -> None:
    """Only the broker's own empty list makes an account done, and all accounts done make the sweep."""
    book = await kill(bench)
    finding = await one_pass(bench, book)
    assert (finding.state, finding.residuals) == (FindingState.DONE, ())
    assert bench.desk._clearing.done((await book.sweeps())[0], [finding])


async def test_positions_are_closed_once_by_orders_that_pass_the_halt(bench: Bench) -> None:
    """Flattening sends one market order for what is held; the next pass, by whomever, sends no second one."""
    held = Decimal(7)
    bench.broker.positions = [
        Position(
            symbol="ACME",
            asset_class=AssetClass.STOCK,
            quantity=held,
            available_quantity=held,
            average_price=Decimal(50),
            cost_basis=held * 50,
            market_price=Decimal(50),
            market_value=held * 50,
            unrealized_profit=Decimal(0),
            as_of_ns=0,
        )
    ]
    book = await kill(bench, flatten=True)
    for _ in range(2):
        finding = await one_pass(bench, book)
        assert finding.state is FindingState.WORKING
        assert [(left.symbol, left.quantity) for left in finding.residuals] == [("ACME", "7")]
    ((_, terms),) = bench.broker.sent
    assert (terms.side, terms.type, terms.quantity) == (Side.SELL, OrderType.MARKET, held)
    (closing,) = bench.journal.by_id.values()
    assert closing.trading_day == bench.desk.limits.days.of(bench.clock.now_ns())
    bench.broker.positions = []
    steps = [(row.user_id, row.action) for row in bench.journal.audit if row.action.startswith("sweep.")]
    assert steps == [("root", "sweep.close")]


async def test_each_of_several_positions_is_closed_once(bench: Bench) -> None:
    """Positions that stand against each other get an order each in one pass, and the next pass sends none again."""
    parts = (PositionPart("p1", Decimal(7), Decimal(50)), PositionPart("p2", Decimal(-7), Decimal(50)))
    bench.broker.positions = [
        Position(
            symbol="ACME",
            asset_class=AssetClass.STOCK,
            quantity=Decimal(0),
            available_quantity=Decimal(0),
            average_price=None,
            cost_basis=None,
            market_price=Decimal(50),
            market_value=None,
            unrealized_profit=None,
            as_of_ns=0,
            parts=parts,
        )
    ]
    book = await kill(bench, flatten=True)
    for _ in range(2):
        finding = await one_pass(bench, book)
        assert [left.quantity for left in finding.residuals] == ["7", "-7"]
    assert [(terms.side, terms.quantity) for _, terms in bench.broker.sent] == [
        (Side.SELL, Decimal(7)),
        (Side.BUY, Decimal(7)),
    ]


async def test_nothing_but_the_sweep_passes_the_halt(bench: Bench) -> None:
    """T16: while the sweep works, a caller's own order is denied."""
    await kill(bench, flatten=True)
    with pytest.raises(GatewayError) as refusal:
        await bench.desk.clear(bench.caller, bench.order())
    assert refusal.value.reason is Reason.TRADING_HALTED


async def test_an_order_whose_end_was_not_told_is_asked_for(bench: Bench) -> None:
    """K3: a cancel whose event is lost keeps the account from being done no longer than a question takes."""
    order = await resting(bench)
    asked: list[str] = []

    async def cancel(broker_order_id: str) -> Outcome:
        return Accepted()

    async def nothing() -> Sequence[BrokerOrder]:
        return ()

    bench.broker.cancel, bench.broker.open_orders = cancel, nothing
    alone(bench, asked)
    book = await kill(bench)
    assert (await one_pass(bench, book)).state is FindingState.WORKING
    assert asked == [], "the stream is given a moment"
    bench.clock.advance(1.0)
    assert (await one_pass(bench, book)).state is FindingState.WORKING, "a listing alone ends nothing"
    assert asked == [order.order_id]


async def test_what_the_broker_lists_no_longer_is_not_cancelled_again(bench: Bench) -> None:
    """K3: an order whose end is only waiting to be told is asked for although its cancel is refused, and is not asked
    to be cancelled once more until the broker lists it again.
    """
    order = await resting(bench)
    asked: list[str] = []
    canceled: list[str] = []
    listed: list[BrokerOrder] = []

    async def cancel(broker_order_id: str) -> Outcome:
        canceled.append(broker_order_id)
        return Rejected("not open")

    async def listing() -> Sequence[BrokerOrder]:
        return listed

    bench.broker.cancel, bench.broker.open_orders = cancel, listing
    alone(bench, asked)
    book = await kill(bench)
    for _ in range(4):
        finding = await one_pass(bench, book)
        bench.clock.advance(0.5)
    assert (len(canceled), set(asked)) == (1, {order.order_id})
    assert [left.why for left in finding.residuals] == ["the broker lists it no longer, and has not told its end yet"]
    listed.append(broker_order(order.broker_client_order_id, order.terms, State.WORKING))
    await one_pass(bench, book)
    bench.clock.advance(CANCEL_AGAIN_S)
    await one_pass(bench, book)
    assert len(canceled) == 2


async def test_a_broker_that_does_not_list_has_everything_cancelled_again(bench: Bench) -> None:
    """K6: what it listed before it went away says nothing afterwards."""
    await resting(bench)
    canceled: list[str] = []

    async def cancel(broker_order_id: str) -> Outcome:
        canceled.append(broker_order_id)
        return Rejected("not open")

    async def nothing() -> Sequence[BrokerOrder]:
        return ()

    async def down() -> Sequence[BrokerOrder]:
        raise BrokerUnavailable(Reason.BROKER_UNREACHABLE, "it is down")

    bench.broker.cancel = cancel
    alone(bench, [])
    book = await kill(bench)
    for listing in (nothing, down, down):
        bench.broker.open_orders = listing
        await one_pass(bench, book)
        bench.clock.advance(CANCEL_AGAIN_S)
    assert len(canceled) == 2
