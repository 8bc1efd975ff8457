"""One comparison: looks at the broker until what differs either stands or has gone.

Theory of operation: a first look that agrees settles it. What differs gets a second look about two seconds later,
after the open orders were swept and the orders entered lately taken in, so that whatever was on its way has come. A
difference counts when it is seen again with the same figures, or, where the record keeps moving, in three looks in a
row; what does neither is inconclusive and left to the next comparison.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from brokergw.desk.feeds.adoption import Adoption
from brokergw.desk.feeds.upkeep import Upkeep
from brokergw.desk.reconcile.cash import cash_move
from brokergw.desk.reconcile.compare import suspects_of
from brokergw.desk.reconcile.look import Look, Looker, RecordSince
from brokergw.desk.record.book import OrderBook
from brokergw.desk.sessions import Session
from brokergw.model.lifecycle import is_terminal
from brokergw.model.money import format_decimal
from brokergw.model.order import ZERO
from brokergw.model.outcome import BrokerOrder
from brokergw.model.reconciliation import Baseline, Difference, DifferenceKind
from brokergw.model.whose import only
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Journal

AGAIN_AFTER_S: Final = 2.0
_LOOKS_MAX: Final = 4
_MOVING_LOOKS: Final = 3
_FILLS_COUNTED_MAX: Final = 5_000
_LOOK_BACK_NS: Final = 300 * 1_000_000_000
_HISTORY_NS: Final = 7 * 24 * 3600 * 1_000_000_000
_AHEAD_NS: Final = 60 * 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a comparison saw: the last look, what stands, and what keeps changing.

    `quiet` says that nothing traded on the record during the last look, so that its cash belongs to its place in the
    log. `cash_excesses` are what cash may have moved too far, where it did: more than one while it is open whether an
    early fill was in the baseline.
    """

    look: Look
    standing: tuple[Difference, ...] = ()
    restless: tuple[str, ...] = ()
    quiet: bool = True
    cash_excesses: tuple[Decimal, ...] = ()


@dataclass(frozen=True, slots=True)
class _Judged:
    differences: tuple[Difference, ...] = ()
    unclear: tuple[str, ...] = ()
    quiet: bool = True
    cash_excesses: tuple[Decimal, ...] = ()


@dataclass(slots=True)
class _Memory:
    last: tuple[Difference, ...] = ()
    streaks: dict[tuple[DifferenceKind, str], int] = field(default_factory=dict)

    def standing(self, judged: _Judged) -> tuple[Difference, ...]:
        """Give what was seen before in the same way, or often enough in any."""
        return tuple(
            each
            for each in judged.differences
            if each in self.last or self.streaks.get((each.kind, each.subject), 0) + 1 >= _MOVING_LOOKS
        )

    def remember(self, differences: tuple[Difference, ...]) -> None:
        self.last = differences
        seen = [(each.kind, each.subject) for each in differences]
        self.streaks = {each: self.streaks.get(each, 0) + 1 for each in seen}


class Comparison:
    """Compares accounts."""

    def __init__(
        self, looker: Looker, journal: Journal, book: OrderBook, adoption: Adoption, upkeep: Upkeep, clock: Clock
    ) -> None:
        self._looker = looker
        self._journal = journal
        self._book = book
        self._adoption = adoption
        self._upkeep = upkeep
        self._clock = clock

    async def __call__(self, session: Session, baseline: Baseline | None, cash_tolerance: Decimal) -> Seen:
        """Look until it is clear what stands; raises GatewayError when the broker or the record cannot be read.

        `cash_tolerance` is what cash may be off in the account's currency.
        """
        memory = _Memory()
        for turn in range(_LOOKS_MAX):
            look = await self._looker.look(session)
            judged = await self._judge(session, look, baseline, cash_tolerance)
            standing = memory.standing(judged)
            if len(standing) == len(judged.differences) and not judged.unclear:
                return _seen(look, judged, standing)
            if turn == 0:
                await self._catch_up(session, judged, baseline)
            await self._clock.sleep(AGAIN_AFTER_S)
            # What the record has come to meanwhile may be what the broker showed.
            memory.remember((await self._judge(session, look, baseline, cash_tolerance)).differences)
        return _seen(look, judged, standing)

    async def _judge(self, session: Session, look: Look, baseline: Baseline | None, cash_tolerance: Decimal) -> _Judged:
        since = await self._looker.since(look)
        holdings = look.holdings
        unclear = [s for s, way in since.way.items() if not way.clear]
        suspects = suspects_of(since.way, holdings.net).values()
        found = [
            _difference(DifferenceKind.POSITION, each.symbol, each.record, each.broker)
            for each in suspects
            if each.symbol not in unclear
        ]
        if baseline is not None:
            found += _legs(dict(baseline.legs), dict(holdings.legs))
        excesses = await self._cash(session, look, since, baseline)
        if excesses and abs(excesses[0]) > cash_tolerance:
            account = look.state.account
            found.append(_difference(DifferenceKind.CASH, account.currency, account.cash - excesses[0], account.cash))
        found += await self._orders(session, look)
        return _Judged(tuple(found), tuple(unclear), quiet=not since.fills, cash_excesses=excesses)

    async def _cash(
        self, session: Session, look: Look, since: RecordSince, baseline: Baseline | None
    ) -> tuple[Decimal, ...]:
        """Tell what cash moved too far; nothing while trades are being recorded, or after too many to count."""
        account = look.state.account
        if since.fills or baseline is None or baseline.cash is None or account.currency != baseline.currency:
            return ()
        fills = await self._looker.fills(look, baseline.sequence, _FILLS_COUNTED_MAX + 1)
        if len(fills) > _FILLS_COUNTED_MAX:
            return ()
        move = await cash_move(session, baseline, fills)
        return () if move is None else move.excesses(account.cash - baseline.cash)

    async def _orders(self, session: Session, look: Look) -> list[Difference]:
        heads = await self._journal.open_heads(look.user_id, look.account_id)
        names = {name for head in heads for name in head.names}
        found: list[Difference] = []
        for seen in look.open_orders:
            if names.isdisjoint((seen.broker_order_id, seen.client_order_id, seen.replaces)):
                found += await self._unknown(session, look, seen)
        for order_id in self._upkeep.denied(look.account_id):
            head = next((head for head in heads if head.order_id == order_id), None)
            if head is not None:
                found.append(_order(DifferenceKind.ORDER_ABSENT, order_id, head.state.value, "ABSENT"))
        return found

    async def _unknown(self, session: Session, look: Look, seen: BrokerOrder) -> list[Difference]:
        """Say what the record has of an order that is open at the broker and not here."""
        order = await self._book.by_broker(look.user_id, look.account_id, seen.broker_order_id, seen.client_order_id)
        if order is None:
            if await self._adoption.maybe_ours(session, seen):
                return []
            return [_order(DifferenceKind.ORDER_UNKNOWN, seen.broker_order_id, "ABSENT", seen.state.value)]
        current = await self._journal.order(only(order.user_id), order.order_id)
        if current is None or not is_terminal(current.state) or current.update_time_ns >= look.asked_ns:
            return []
        return [_order(DifferenceKind.ORDER_UNKNOWN, order.order_id, current.state.value, seen.state.value)]

    async def _catch_up(self, session: Session, judged: _Judged, baseline: Baseline | None) -> None:
        """Bring the record up to what the broker tells of orders, those made elsewhere included.

        Only where this process does the account's background work; elsewhere whoever does it sweeps by itself.
        """
        if session.lease is None:
            return
        asked_ns = self._clock.now_ns()
        await self._upkeep.sweep(session)
        symbols = {each.subject for each in judged.differences if each.kind is DifferenceKind.POSITION}
        if not symbols:
            return
        since_ns = max(asked_ns - _HISTORY_NS, session.connection.create_time_ns)
        if baseline is not None:
            since_ns = baseline.as_of_ns
        entered = await session.adapter.order_history(since_ns - _LOOK_BACK_NS, asked_ns + _AHEAD_NS)
        for seen in _about(entered, symbols):
            await self._upkeep.take_in(session, seen, asked_ns)


def _seen(look: Look, judged: _Judged, standing: tuple[Difference, ...]) -> Seen:
    restless = [each.subject for each in judged.differences if each not in standing]
    return Seen(
        look=look,
        standing=standing,
        restless=(*restless, *judged.unclear),
        quiet=judged.quiet,
        cash_excesses=judged.cash_excesses,
    )


def _about(orders: Sequence[BrokerOrder], symbols: set[str]) -> list[BrokerOrder]:
    return [
        seen
        for seen in orders
        if seen.cum_quantity > ZERO
        and (seen.terms.symbol in symbols or any(leg.terms.symbol in symbols for leg in seen.legs))
    ]


def _legs(record: dict[str, Decimal], broker: dict[str, Decimal]) -> list[Difference]:
    symbols = [*record, *(symbol for symbol in broker if symbol not in record)]
    return [
        Difference(
            kind=DifferenceKind.LEGS,
            subject=symbol,
            record=format_decimal(record.get(symbol, ZERO)),
            broker=format_decimal(broker.get(symbol, ZERO)),
        )
        for symbol in symbols
        if record.get(symbol, ZERO) != broker.get(symbol, ZERO)
    ]


def _difference(kind: DifferenceKind, subject: str, record: Decimal, broker: Decimal) -> Difference:
    return Difference(kind=kind, subject=subject, record=format_decimal(record), broker=format_decimal(broker))


def _order(kind: DifferenceKind, order_id: str, record: str, broker: str) -> Difference:
    return Difference(kind=kind, subject=order_id, record=record, broker=broker)
