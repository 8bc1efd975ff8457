"""What an admission must pass: halts first, then every cap; an order that really reduces passes all caps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from brokergw.model.ledger import Holding, Stake
from brokergw.model.order import ZERO, Order
from brokergw.model.quick import quick
from brokergw.model.terms import Side
from brokergw.model.trading import Halt, TradingState, scopes_of, strictest
from brokergw.model.usage import Usage
from brokergw.ports.journal import (
    Admission,
    AdmissionRefused,
    Cap,
    CapReached,
    CapsReached,
    Measure,
    Subject,
    TradingStopped,
    WouldIncrease,
)


@quick
@dataclass(frozen=True, slots=True)
class Around:
    """A subject's counts, and the holding of the order's symbol that goes with them, before and after the order."""

    usage_before: Usage
    usage_after: Usage
    before: Holding
    after: Holding


@quick
@dataclass(frozen=True, slots=True)
class Case:
    """An order about to be admitted: what it asks for, and what it would make of the ledger, by subject."""

    order: Order
    admission: Admission
    stake_before: Stake
    stake: Stake
    around: dict[Subject, Around]
    now_s: int


def scope_keys(order: Order) -> frozenset[str]:
    """Give the keys of every scope whose halt concerns an order, each leg's symbol among them."""
    symbols = {order.terms.symbol, *(leg.symbol for leg in order.terms.legs)}
    return frozenset(
        scope.key
        for symbol in symbols
        for scope in scopes_of(
            user_id=order.user_id,
            broker=order.broker,
            account_id=order.account_id,
            strategy_id=order.strategy_id,
            symbol=symbol,
        )
    )


def objection(case: Case, halts: Sequence[Halt]) -> AdmissionRefused | None:
    """Give what stands in the order's way; None where it may go."""
    reduces = _reduces(case)
    if case.admission.must_reduce and not reduces:
        return WouldIncrease(_reducible(case))
    stopped = _stopped(case, halts, reduces=reduces) if halts else None
    if stopped is not None or reduces or not case.admission.caps:
        return stopped
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
    holding = case.around[Subject.ACCOUNT].after
    sign = 1 if after.side is Side.SELL else -1
    held = sign * holding.quantity
    if admission.position is not None:
        held = min(held, sign * admission.position)
    on_its_side = holding.sell_quantity if after.side is Side.SELL else holding.buy_quantity
    return max(ZERO, held - (on_its_side - after.held))


def _reached(case: Case) -> Iterator[CapReached]:
    for cap in case.admission.caps:
        used, requested = _asked(case, cap)
        if requested > 0 and used + requested > cap.limit:
            yield CapReached(cap, used, requested)


def _asked(case: Case, cap: Cap) -> tuple[Decimal, Decimal]:
    """Give what a cap's measure stands at, and what the order adds to it."""
    day, around = case.stake.trading_day, case.around[cap.subject]
    before, after = around.usage_before, around.usage_after
    match cap.measure:
        case Measure.POSITION:
            return _worst(case, around, cap.subject)
        case Measure.EXPOSURE:
            used, requested = _worst(case, around, cap.subject)
            return before.exposure - around.before.worst + used, requested
        case Measure.OPEN_ORDERS:
            return Decimal(before.open_orders), Decimal(after.open_orders - before.open_orders)
        case Measure.DAY_ORDERS:
            used_orders = before.of_day(day)[0]
            return Decimal(used_orders), Decimal(after.of_day(day)[0] - used_orders)
        case Measure.MINUTE_ORDERS:
            return Decimal(before.minute_orders(case.now_s)), Decimal(1)
        case Measure.DAY_VOLUME:
            used = before.of_day(day)[1]
            return used, after.of_day(day)[1] - used
        case Measure.UNACKNOWLEDGED:
            account = case.around[Subject.ACCOUNT]
            used = account.usage_before.unacknowledged
            return used, account.usage_after.unacknowledged - used


def _worst(case: Case, around: Around, subject: Subject) -> tuple[Decimal, Decimal]:
    """Give the symbol's worst case without the order, and what the order adds to it.

    Of what the ledger knows and what the broker told, the worse counts; of a strategy's part the broker knows nothing.
    """
    if subject is Subject.STRATEGY:
        return around.before.worst, around.after.worst - around.before.worst
    used = _worse_of(around.before, case)
    return used, _worse_of(around.after, case) - used


def _worse_of(holding: Holding, case: Case) -> Decimal:
    mark = case.admission.mark if case.admission.mark is not None else ZERO
    quantity = holding.quantity
    worst = holding.worst_at(quantity, max(holding.cost, abs(quantity) * mark))
    told = case.admission.position
    if told is None or told == quantity:
        return worst
    unit = max(mark, holding.cost / abs(quantity) if quantity else ZERO) or case.stake.price
    return max(worst, holding.worst_at(told, abs(told) * unit))
