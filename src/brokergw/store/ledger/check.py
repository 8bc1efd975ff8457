"""What an admission must pass: halts first, then every cap; an order that really reduces passes all caps.

In between an order is refused that repeats another one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeAlias

from brokergw.model.ledger import Holding, Stake
from brokergw.model.order import ZERO, Order
from brokergw.model.quick import quick
from brokergw.model.terms import Side
from brokergw.model.trading import Halt, TradingState, scopes_of, strictest
from brokergw.ports.journal import (
    Admission,
    AdmissionRefused,
    CapReached,
    CapsReached,
    Measure,
    Repeated,
    Subject,
    TradingStopped,
    WouldIncrease,
)
from brokergw.store.ledger.lines import Place

Asked: TypeAlias = tuple[Decimal, Decimal]
"""What a measure stands at, and what an order adds to it."""

_ONE: Final = Decimal(1)


@quick
@dataclass(frozen=True, slots=True)
class Case:
    """An order about to be admitted: what it asks for, and the lines of the ledger as they would be with it."""

    order: Order
    admission: Admission
    stake_before: Stake
    stake: Stake
    place: Place
    now_s: int


def scope_keys(order: Order) -> frozenset[str]:
    """Give the keys of every scope whose halt concerns an order, each leg's symbol among them."""
    scopes = scopes_of(
        user_id=order.user_id,
        broker=order.broker,
        account_id=order.account_id,
        strategy_id=order.strategy_id,
        symbols=order.terms.symbols,
    )
    return frozenset(scope.key for scope in scopes)


def objection(case: Case, halts: Sequence[Halt], repeated: Repeated | None = None) -> AdmissionRefused | None:
    """Give what stands in the order's way, a repetition that was found among it; None where it may go."""
    reduces = _reduces(case)
    if case.admission.must_reduce and not reduces:
        return WouldIncrease(_reducible(case))
    stopped = _stopped(case, halts, reduces=reduces) if halts else None
    if stopped is not None or repeated is not None or reduces or not case.admission.caps:
        return stopped or repeated
    reached = tuple(_reached(case))
    return CapsReached(reached) if reached else None


def _stopped(case: Case, halts: Sequence[Halt], *, reduces: bool) -> TradingStopped | None:
    keys = scope_keys(case.order)
    halt = strictest(halt for halt in halts if halt.scope.key in keys)
    if halt is None or case.admission.closing or halt.state is TradingState.ACTIVE:
        return None
    return None if reduces and halt.state is TradingState.REDUCE_ONLY else TradingStopped(halt)


def _reduces(case: Case) -> bool:
    """Tell whether the order only makes a position smaller, all open orders on its side counted with it."""
    admission, before, after = case.admission, case.stake_before, case.stake
    if not admission.reduces:
        return False
    if before.held and after.held <= before.held and after.price <= before.price:
        return True
    return ZERO < after.held <= _reducible(case)


def _reducible(case: Case) -> Decimal:
    """Give how much of the position the order could take, beside all the others on its side."""
    admission, after = case.admission, case.stake
    holding = case.place.account.holding.then.holding
    sign = 1 if after.side is Side.SELL else -1
    held = sign * holding.quantity
    if admission.position is not None:
        told = sign * admission.position
        held = told if admission.broker_decides else min(held, told)
    on_its_side = holding.sell_quantity if after.side is Side.SELL else holding.buy_quantity
    return max(ZERO, held - (on_its_side - after.held))


def _reached(case: Case) -> Iterator[CapReached]:
    for cap in case.admission.caps:
        asked = _ASKED[cap.measure._value_](case, cap.subject)
        above = [each for each in asked if each[1] > 0 and each[0] + each[1] > cap.limit]
        if above:
            yield CapReached(cap, *max(above, key=sum))


def _exposure(case: Case, subject: Subject) -> Sequence[Asked]:
    around = case.place.of(subject)
    others = around.usage.now.usage.exposure - around.holding.now.worst
    if subject is not Subject.STRATEGY:
        others += _untold(case)
    return [(others + used, requested) for used, requested in _position(case, subject)]


def _untold(case: Case) -> Decimal:
    """Give what the broker has of the symbol's other side, and the ledger does not know of."""
    admission = case.admission
    told = admission.beside * (admission.mark if admission.mark is not None else case.stake.price)
    beside = case.place.beside
    return max(ZERO, told if beside is None else told - beside.now.worst)


def _position(case: Case, subject: Subject) -> Sequence[Asked]:
    """Give the symbol's worst case without the order, and what the order adds to it, by every view of the position.

    The cap must hold in each of them by itself: what the order adds in one may be hidden in a worse one. The ledger has
    one, at what the position cost; another is at its price now, where that is dearer; the broker may tell a third. Of a
    strategy's part the broker knows nothing.
    """
    line = case.place.of(subject).holding
    before, after = line.now, line.then
    asked = [(before.worst, after.worst - before.worst)]
    if subject is not Subject.STRATEGY:
        for quantity, cost in _views(before.holding, case):
            used = before.holding.worst_at(quantity, cost)
            asked.append((used, after.holding.worst_at(quantity, cost) - used))
    return asked


def _views(holding: Holding, case: Case) -> Iterator[tuple[Decimal, Decimal]]:
    """Give the positions that may be the true one, beside the ledger's, with what each is worth."""
    told, mark = case.admission.position, case.admission.mark
    quantity, cost = holding.quantity, holding.cost
    if mark is not None and abs(quantity) * mark > cost:
        yield quantity, abs(quantity) * mark
    if told is not None and told != quantity:
        unit = max(mark or ZERO, cost / abs(quantity) if quantity else ZERO) or case.stake.price
        yield told, abs(told) * unit


def _open_orders(case: Case, subject: Subject) -> Sequence[Asked]:
    line = case.place.of(subject).usage
    used = line.now.usage.open_orders
    return ((Decimal(used), Decimal(line.then.usage.open_orders - used)),)


def _day_orders(case: Case, subject: Subject) -> Sequence[Asked]:
    line, day = case.place.of(subject).usage, case.stake.trading_day
    used = line.now.usage.of_day(day)[0]
    return ((Decimal(used), Decimal(line.then.usage.of_day(day)[0] - used)),)


def _minute_orders(case: Case, subject: Subject) -> Sequence[Asked]:
    return ((Decimal(case.place.of(subject).usage.now.usage.minute_orders(case.now_s)), _ONE),)


def _day_volume(case: Case, subject: Subject) -> Sequence[Asked]:
    line, day = case.place.of(subject).usage, case.stake.trading_day
    used = line.now.usage.of_day(day)[1]
    return ((used, line.then.usage.of_day(day)[1] - used),)


def _unacknowledged(case: Case, _subject: Subject) -> Sequence[Asked]:
    line = case.place.account.usage
    used = line.now.usage.unacknowledged
    return ((used, line.then.usage.unacknowledged - used),)


_ASKED: Final = {
    Measure.EXPOSURE._value_: _exposure,
    Measure.POSITION._value_: _position,
    Measure.OPEN_ORDERS._value_: _open_orders,
    Measure.DAY_ORDERS._value_: _day_orders,
    Measure.MINUTE_ORDERS._value_: _minute_orders,
    Measure.DAY_VOLUME._value_: _day_volume,
    Measure.UNACKNOWLEDGED._value_: _unacknowledged,
}
"""By a measure's text, because to hash an enumeration's member costs a call of Python."""
