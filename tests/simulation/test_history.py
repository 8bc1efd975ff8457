"""The checks themselves: each one speaks when its promise is broken."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from brokergw.model.errors import OrderEffect
from brokergw.model.events import EventKind, LogEvent
from brokergw.model.lifecycle import State
from brokergw.model.order import Fill, Order, Origin
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.ports.ledger import LedgerDifference
from tests.simulation.history import Answer, History

_TERMS = OrderTerms(
    symbol="AAPL",
    side=Side.BUY,
    type=OrderType.MARKET,
    time_in_force=TimeInForce.DAY,
    quantity=Decimal(5),
)
_SENDING = Order(
    order_id="ord_1",
    user_id="usr_1",
    account_id="acc_1",
    broker="alpaca",
    terms=_TERMS,
    idempotency_key="key-1",
    state=State.SENDING,
    version=1,
    create_time_ns=10,
    update_time_ns=10,
    broker_client_order_id="ord-1",
)
_FILLED = _SENDING.next(
    30,
    state=State.FILLED,
    broker_order_ids=("b1",),
    cum_quantity=Decimal(5),
    average_price=Decimal(7),
    complete_time_ns=30,
)
_FILL = Fill(
    fill_id="fil_1",
    order_id="ord_1",
    user_id="usr_1",
    account_id="acc_1",
    broker="alpaca",
    client_order_id="",
    idempotency_key="key-1",
    broker_order_id="b1",
    execution_id="x1",
    symbol="AAPL",
    side=Side.BUY,
    quantity=Decimal(5),
    price=Decimal(7),
    cum_quantity=Decimal(5),
    leaves_quantity=Decimal(0),
    average_price=Decimal(7),
    trade_time_ns=25,
    receive_time_ns=30,
)


def _event(sequence: int, time_ns: int, payload: Order | Fill) -> LogEvent:
    return LogEvent(
        kind=EventKind.ORDER if isinstance(payload, Order) else EventKind.FILL,
        account_id="acc_1",
        sequence=sequence,
        origin=Origin.LIVE,
        event_time_ns=time_ns,
        receive_time_ns=time_ns,
        publish_time_ns=time_ns,
        payload=payload,
    )


def _whole() -> History:
    """Make the history of one order that was sent once and filled, of which everybody heard."""
    history = History(
        answers=[Answer(time_ns=31, key="key-1", method="SubmitOrder", order=_FILLED)],
        orders=[_FILLED],
        events={"acc_1": [_event(1, 11, _SENDING), _event(2, 30, _FILLED), _event(3, 30, _FILL)]},
        fills=[_FILL],
        sends={"ord-1": [20]},
        broker_orders=[
            {"id": "b1", "client_order_id": "ord-1", "status": "filled", "filled_qty": "5", "replaces": None}
        ],
        executions={"b1": Decimal(5)},
        held={"AAPL": Decimal(5)},
        findings=Counter(AGREED=2),
    )
    history.told["subscriber"] = history.events["acc_1"][:2]
    return history


def _twice_at_the_broker(history: History) -> None:
    history.broker_orders.append({**history.broker_orders[0], "id": "b2"})


def _two_orders_for_a_key(history: History) -> None:
    history.orders.append(replace(_FILLED, order_id="ord_2", broker_order_ids=()))


def _sent_twice(history: History) -> None:
    history.sends["ord-1"].append(21)


def _sent_early(history: History) -> None:
    history.sends["ord-1"] = [5]


def _unknown_at_the_gateway(history: History) -> None:
    history.orders, history.events["acc_1"], history.fills = [], [], []


def _left_in_doubt(history: History) -> None:
    history.orders[0] = replace(_FILLED, state=State.IN_DOUBT)


def _made_up_broker_order(history: History) -> None:
    history.orders[0] = replace(_FILLED, broker_order_ids=("b0", "b1"))


def _told_of_nothing(history: History) -> None:
    history.answers.append(Answer(time_ns=40, key="key-1", method="SubmitOrder", effect=OrderEffect.NONE, reason="X"))


def _told_of_another_order(history: History) -> None:
    history.answers[0] = replace(history.answers[0], order=replace(_FILLED, order_id="ord_9"))


def _gap_in_the_log(history: History) -> None:
    del history.events["acc_1"][1]


def _silent_change(history: History) -> None:
    history.orders[0] = history.orders[0].next(50)


def _illegal_step(history: History) -> None:
    history.events["acc_1"][0] = _event(1, 11, replace(_SENDING, state=State.DENIED))


def _filled_twice(history: History) -> None:
    history.fills.append(replace(_FILL, fill_id="fil_2"))


def _fill_missing(history: History) -> None:
    history.fills.clear()


def _another_total_at_the_broker(history: History) -> None:
    history.executions["b1"] = Decimal(4)


def _ledger_above_its_orders(history: History) -> None:
    history.differences.append(
        LedgerDifference(subject="USER/usr_1", measure="exposure", recorded=Decimal(5), counted=Decimal(4))
    )


def _position_of_nobody(history: History) -> None:
    history.held["MSFT"] = Decimal(1)


def _position_lost(history: History) -> None:
    history.held.clear()


def _subscriber_missed_one(history: History) -> None:
    history.told["subscriber"] = history.told["subscriber"][1:]


def _subscriber_saw_one_twice(history: History) -> None:
    history.told["subscriber"] = [*history.told["subscriber"], history.told["subscriber"][1]]


def _shared_broker_order(history: History) -> None:
    history.orders.append(replace(_FILLED, order_id="ord_2", idempotency_key="key-2"))


def _taken_for_a_strangers(history: History) -> None:
    history.orders[0] = replace(_FILLED, external=True)
    history.events["acc_1"][1] = _event(2, 30, history.orders[0])
    history.told["subscriber"] = history.events["acc_1"][:2]


def _halted_for_nothing(history: History) -> None:
    history.halts.append("record 5, broker 4")


def _never_compared(history: History) -> None:
    history.findings = Counter(FAILED=3)


def test_a_whole_history_passes() -> None:
    """An order that was sent once, filled, recorded and told has nothing to object to."""
    assert not list(_whole().faults())


@pytest.mark.parametrize(
    "broken",
    [
        _twice_at_the_broker,
        _two_orders_for_a_key,
        _sent_twice,
        _sent_early,
        _unknown_at_the_gateway,
        _left_in_doubt,
        _made_up_broker_order,
        _told_of_nothing,
        _told_of_another_order,
        _gap_in_the_log,
        _silent_change,
        _illegal_step,
        _filled_twice,
        _fill_missing,
        _another_total_at_the_broker,
        _ledger_above_its_orders,
        _halted_for_nothing,
        _taken_for_a_strangers,
        _never_compared,
        _position_of_nobody,
        _position_lost,
        _subscriber_missed_one,
        _subscriber_saw_one_twice,
        _shared_broker_order,
    ],
)
def test_each_broken_promise_is_seen(broken: Callable[[History], None]) -> None:
    """A history in which one promise is broken does not pass."""
    history = _whole()
    broken(history)
    assert list(history.faults())


def test_an_order_may_wait_for_a_person_who_was_asked() -> None:
    """An order by content alone may be unclaimed while another of its symbol is an operator's, and not otherwise."""
    history = _whole()
    history.broker_orders.append({**history.broker_orders[0], "id": "b2", "client_order_id": "none", "symbol": "AAPL"})
    assert any("b2" in fault for fault in history.faults())
    history.orders.append(replace(_FILLED, order_id="ord_2", broker_order_ids=(), state=State.MANUAL))
    assert not any("b2" in fault for fault in history.faults())
