"""Whatever way round a broker tells its story, the record ends with the same order."""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from brokergw.desk.record.book import OrderBook
from brokergw.desk.record.recorder import Recorder, Step
from brokergw.desk.record.tally import execution_of, totals_of
from brokergw.desk.record.transitions import merge
from brokergw.model.lifecycle import State, is_terminal
from brokergw.model.order import FillKind, Order
from brokergw.model.outcome import BrokerFill, BrokerOrder, OrderReport
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_journal import MemoryJournal

T = TypeVar("T")
D = Decimal
QUANTITY = D(10)
TERMS = OrderTerms(
    symbol="ACME",
    side=Side.BUY,
    type=OrderType.LIMIT,
    time_in_force=TimeInForce.DAY,
    quantity=QUANTITY,
    limit_price=D(60),
)
ORDER = Order(
    order_id="ord_1",
    user_id="alice",
    account_id="acc_1",
    broker="scripted",
    terms=TERMS,
    idempotency_key="k",
    state=State.WORKING,
    version=1,
    create_time_ns=1,
    update_time_ns=1,
    broker_order_ids=("b-1",),
)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run work that never really waits."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("it waits")


@dataclass
class Broker:
    """The truth: executions that stand, and whether the order has been cancelled."""

    standing: dict[str, tuple[Decimal, Decimal]]
    ended: State | None = None
    time_ns: int = 10
    executions: int = 0

    def order(self) -> BrokerOrder:
        """Show the order as it is."""
        cum = sum((q for q, _ in self.standing.values()), D(0))
        value = sum((q * p for q, p in self.standing.values()), D(0))
        live = State.FILLED if cum == QUANTITY else State.PARTIAL if cum else State.WORKING
        return BrokerOrder(
            broker_order_id="b-1",
            client_order_id="",
            terms=TERMS,
            state=State.FILLED if live is State.FILLED else self.ended or live,
            cum_quantity=cum,
            average_price=value / cum if cum else None,
            submit_time_ns=1,
            update_time_ns=self.time_ns,
        )

    def report(self, fill: BrokerFill | None = None) -> OrderReport:
        """Tell what has just happened."""
        return OrderReport(self.order(), self.time_ns, fill)

    def execution(self, kind: FillKind, quantity: Decimal, price: Decimal, refers_to: str = "") -> BrokerFill:
        """Name what has just happened."""
        self.executions += 1
        return BrokerFill(
            execution_id=f"x{self.executions}",
            quantity=quantity,
            price=price,
            trade_time_ns=self.time_ns,
            kind=kind,
            refers_to_execution_id=refers_to,
        )


@st.composite
def stories(draw: st.DrawFn) -> list[OrderReport]:
    """Draw what a broker says of one order, in the order in which it happened."""
    broker = Broker({})
    told = [broker.report()]
    for _ in range(draw(st.integers(1, 8))):
        broker.time_ns += 1
        left = QUANTITY - broker.order().cum_quantity
        acts = ["cancel"] if broker.ended is None else []
        acts += ["fill"] if left and broker.ended is None else []
        acts += ["bust", "correct"] if broker.standing else []
        if not acts:
            break
        act = draw(st.sampled_from(acts))
        if act == "cancel":
            broker.ended = draw(st.sampled_from([State.CANCELED, State.EXPIRED]))
            told.append(broker.report())
            continue
        if act == "fill":
            quantity = D(draw(st.integers(1, int(left))))
            fill = broker.execution(FillKind.NEW, quantity, D(draw(st.integers(50, 52))))
            broker.standing[fill.execution_id] = (fill.quantity, fill.price)
        else:
            name = draw(st.sampled_from(sorted(broker.standing)))
            quantity, price = broker.standing.pop(name)
            if act == "bust":
                fill = broker.execution(FillKind.BUST, quantity, price, name)
            else:
                most = int(quantity + QUANTITY - broker.order().cum_quantity - quantity)
                fill = broker.execution(FillKind.CORRECTION, D(draw(st.integers(1, most))), price + 1, name)
                broker.standing[fill.execution_id] = (fill.quantity, fill.price)
            # What was done cannot be traded again: a filled order that loses a part of it has ended short.
            broker.ended = broker.ended or (State.CANCELED if told[-1].order.state is State.FILLED else None)
        told.append(broker.report(fill))
    return told


class Record:
    """A recorder over a record that holds one order, fed as a feed does."""

    def __init__(self) -> None:
        self.journal = MemoryJournal(by_id={ORDER.order_id: ORDER})
        self.clock = FakeClock()
        self.recorder = Recorder(self.journal, OrderBook(self.journal), self.clock)

    def hear(self, report: OrderReport) -> None:
        """Take a report, and check what must hold after each one."""
        before = dict(self.journal.by_fill_id)
        run(self.recorder.write(self.order, lambda order: self._step(order, report)))
        order = self.order
        rows = {fill.fill_id: execution_of(fill) for fill in self.journal.by_fill_id.values()}
        assert order.cum_quantity == totals_of(rows).quantity
        assert before.items() <= self.journal.by_fill_id.items()
        if order.state is not State.REJECTED_BY_BROKER:
            # A bust that is still on its way leaves more on record than was ever ordered.
            whole = max(QUANTITY, order.cum_quantity)
            assert whole == order.cum_quantity + order.leaves_quantity + order.canceled_quantity
        assert (order.complete_time_ns is not None) is is_terminal(order.state)

    @property
    def order(self) -> Order:
        """The order as it stands."""
        return self.journal.by_id[ORDER.order_id]

    def _step(self, order: Order, report: OrderReport) -> Step | None:
        after = merge(order, report.order, self.clock.now_ns())
        fills = (report.fill,) if report.fill is not None else ()
        return Step(order=after, fills=fills, told=report.order) if after is not None or fills else None


def heard(reports: Sequence[OrderReport]) -> Record:
    record = Record()
    for report in reports:
        record.hear(report)
    return record


@settings(max_examples=150, deadline=None)
@given(stories(), st.data())
def test_the_order_of_reports_does_not_matter(told: list[OrderReport], data: st.DataObject) -> None:
    """Shuffled and repeated, with corrections and busts among them, reports end in what they end in when told in turn,
    once the broker has been asked for the order as it is.
    """
    straight = heard(told)
    assert straight.order.state is told[-1].order.state
    assert straight.order.cum_quantity == told[-1].order.cum_quantity
    repeated = told + data.draw(st.lists(st.sampled_from(told), max_size=4))
    mixed = heard(data.draw(st.permutations(repeated)))
    mixed.hear(replace(told[-1], fill=None))
    facts = ("state", "cum_quantity", "average_price", "canceled_quantity", "leaves_quantity")
    assert [getattr(mixed.order, fact) for fact in facts] == [getattr(straight.order, fact) for fact in facts]
    assert mixed.journal.by_fill_id.keys() == straight.journal.by_fill_id.keys()
