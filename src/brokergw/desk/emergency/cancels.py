"""Cancels without the record: asked of the broker by what this process remembers, and written to the emergency journal.

A cancel takes risk away, so it does not wait for a record that is away; but nothing is done without a trace either: it
is on the disk before the broker hears of it. What is not in memory is refused, since nobody can tell then whose order
it is. The answer is provisional: that the broker was asked is certain, what stands on record is not known.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from brokergw.desk.halts.latch import order_scopes
from brokergw.desk.keys.derived import derived_key
from brokergw.desk.keys.recall import scope_of
from brokergw.desk.keys.sends import key_reused, sent
from brokergw.desk.record import decisions
from brokergw.desk.record.book import OrderBook
from brokergw.desk.results import CancelItem, OrderResult, SweepResult
from brokergw.desk.sessions import Session, Sessions
from brokergw.desk.telling import broker_refusal, nothing_sent
from brokergw.model.commands import CancelAllOrders, CancelOrder, KeyedCommand
from brokergw.model.errors import RECORD_AWAY, GatewayError, Reason
from brokergw.model.ids import new_id
from brokergw.model.lifecycle import AT_BROKER, is_terminal
from brokergw.model.order import Order
from brokergw.model.outcome import Accepted, NotSent, Outcome, Rejected, Unknown
from brokergw.model.principal import Caller, Principal
from brokergw.model.trading import TradingScope
from brokergw.model.whose import only
from brokergw.ports.clock import Clock
from brokergw.ports.emergency import EmergencyCancel, EmergencyJournal
from brokergw.ports.halts import HaltWish, SweepOrder
from brokergw.ports.journal import KeyScope

ENDINGS: Final = {Accepted: "ACCEPTED", Rejected: "REJECTED", NotSent: "NOT_SENT", Unknown: "UNKNOWN"}
_RETRY_AFTER_S: Final = 1.0
_STOP_WITHIN_S: Final = 2.0
_AT_ONCE: Final = 16

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Given:
    """A cancel under way or answered, for whoever comes with its key again."""

    fingerprint: str
    task: asyncio.Task[OrderResult]


class EmergencyCancels:
    """Cancels while the record is away; without a journal of their own there are none."""

    def __init__(self, book: OrderBook, sessions: Sessions, journal: EmergencyJournal | None, clock: Clock) -> None:
        self._book = book
        self._sessions = sessions
        self._journal = journal
        self._clock = clock
        self._given: dict[KeyScope, _Given] = {}
        self._running: set[str] = set()
        self._accepted: set[str] = set()
        self._sweeps: set[asyncio.Task[None]] = set()

    def takes(self, command: KeyedCommand, why: GatewayError) -> bool:
        """Tell whether a command that the record kept back may be carried out here."""
        return (
            self._journal is not None
            and isinstance(command, CancelOrder | CancelAllOrders)
            and why.reason in RECORD_AWAY
        )

    def running(self, entry_id: str) -> bool:
        """Tell whether a cancel still waits for the broker's answer."""
        return entry_id in self._running

    async def cancel(self, caller: Caller, command: CancelOrder, why: GatewayError) -> OrderResult:
        """Ask for a cancel; `why` is what the record said, and what is said of an order that is not in memory."""
        if not self.takes(command, why):
            raise why
        log.error("a cancel is asked for without the record", order_id=command.order_id)
        return await self._once(caller, command)

    async def _once(self, caller: Caller, command: CancelOrder) -> OrderResult:
        scope = scope_of(caller, command)
        given = self._given.get(scope)
        if given is not None:
            if given.fingerprint != command.fingerprint:
                raise key_reused("")
            return (await asyncio.shield(given.task)).as_replay()
        order, session = await self._known(caller, command)
        task = asyncio.create_task(self._run(caller, command, order, session), name="emergency cancel")
        self._given[scope] = _Given(command.fingerprint, task)
        task.add_done_callback(partial(self._done, scope))
        return await asyncio.shield(task)

    async def cancel_all(self, caller: Caller, command: CancelAllOrders, why: GatewayError) -> SweepResult:
        """Ask for the cancel of every order that is known here to be open."""
        if not self.takes(command, why):
            raise why
        resting = [
            order
            for order in self._book.at_broker(command.account_id)
            if order.user_id == caller.user_id and command.symbol in {"", order.terms.symbol}
        ]
        name = partial(derived_key, command.method, command.idempotency_key.lower(), "emergency")
        cancels = await self._each((caller, order, name(order.order_id)) for order in resting)
        return SweepResult(cancels=tuple(cancels), provisional=True)

    def halted(self, wish: HaltWish) -> None:
        """Clear away, for a halt that the book could not take, what is known here to rest in its scope."""
        if wish.sweep is not None:
            self.sweep(wish.scope, wish.sweep)

    def sweep(self, scope: TradingScope, order: SweepOrder) -> None:
        """Begin to ask for the cancel of what is known here to rest in a halted scope; each order is asked for once."""
        if self._journal is None:
            return
        task = asyncio.create_task(self._sweep(scope, order), name="emergency sweep")
        self._sweeps.add(task)
        task.add_done_callback(self._sweeps.discard)

    def forget(self, scope: KeyScope, order_id: str) -> None:
        """Let the record answer for a key and its order from here on."""
        self._accepted.discard(order_id)
        given = self._given.get(scope)
        if given is not None and given.task.done():
            del self._given[scope]

    async def stop(self) -> None:
        """Let what is on its way be answered, for a moment; what is not is on the disk as asked for."""
        left = {*self._sweeps, *(given.task for given in self._given.values() if not given.task.done())}
        if left:
            await asyncio.wait(left, timeout=_STOP_WITHIN_S)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _sweep(self, scope: TradingScope, by: SweepOrder) -> None:
        resting = [order for order in self._book.at_broker() if scope in order_scopes(order)]
        key = partial(derived_key, "emergency", by.sweep_id)
        await self._each((_person(by, order.user_id), order, key(order.order_id)) for order in resting)

    async def _each(self, asked: Iterable[tuple[Caller, Order, str]]) -> list[CancelItem]:
        """Ask for the cancel of each, a few at a time: whoever throws the switch meanwhile must not wait for them."""
        free = asyncio.Semaphore(_AT_ONCE)

        async def one(caller: Caller, order: Order, key: str) -> CancelItem:
            async with free:
                return await self._item(caller, order, key)

        items = await asyncio.gather(*(one(*each) for each in asked))
        taken = sum(item.accepted for item in items)
        log.error("resting orders are cancelled without the record", asked=len(items), accepted=taken)
        return items

    async def _item(self, caller: Caller, order: Order, key: str) -> CancelItem:
        if order.order_id in self._accepted:
            # Its end is on the way, and cannot be recorded yet.
            return CancelItem(order, accepted=True)
        command = CancelOrder(idempotency_key=key, order_id=order.order_id)
        try:
            result = await self._once(caller, command)
        except GatewayError as error:
            gone = error.reason is Reason.ORDER_TERMINAL
            return CancelItem(order, accepted=gone, reason="" if gone else error.reason.value)
        return CancelItem(result.order, accepted=True)

    async def _known(self, caller: Caller, command: CancelOrder) -> tuple[Order, Session]:
        """Find an order in memory; one that is missing there, or foreign, is refused alike."""
        order = self._book.in_memory(command.order_id)
        if order is None or order.user_id != caller.user_id:
            raise _away(command.order_id)
        session = await self._sessions.of_account(only(caller.user_id), order.account_id)
        if session is None or not caller.reaches(session.connection):
            raise _away(command.order_id)
        facts = {"state": order.state.value, "etag": order.etag}
        if command.etag and command.etag != order.etag:
            raise GatewayError(
                Reason.ETAG_MISMATCH, f"the order was last {order.etag}", metadata=facts, order_id=order.order_id
            )
        if is_terminal(order.state):
            raise GatewayError(
                Reason.ORDER_TERMINAL, f"the order has ended: {order.state}", metadata=facts, order_id=order.order_id
            )
        if order.state not in AT_BROKER or not order.broker_order_id:
            raise _away(command.order_id)
        session.require_usable()
        return order, session

    async def _run(self, caller: Caller, command: CancelOrder, order: Order, session: Session) -> OrderResult:
        assert self._journal is not None
        entry = self._entry(caller, command, order)
        self._running.add(entry.entry_id)
        try:
            try:
                await self._journal.asked(entry)
            except OSError as error:
                log.exception("a cancel could not be kept, and so was not asked for", order_id=order.order_id)
                raise GatewayError(
                    Reason.AUDIT_UNAVAILABLE,
                    "neither the record nor the emergency journal can be written; nothing was asked of the broker",
                    retry_after_s=_RETRY_AFTER_S,
                    order_id=order.order_id,
                ) from error
            outcome = await sent(session.adapter.cancel_order(order.broker_order_id), session.ready.breaker)
            ending, now = ENDINGS[type(outcome)], self._clock.now_ns()
            try:
                await self._journal.answered(entry.entry_id, ending, _decision(order, outcome), now)
            except OSError:
                # That it was asked for is on the disk, and so the broker will be asked what came of it.
                log.exception("the answer to a cancel could not be kept", order_id=order.order_id)
        finally:
            self._running.discard(entry.entry_id)
        if isinstance(outcome, Rejected):
            raise broker_refusal(Reason.CANCEL_REFUSED, "to cancel the order", outcome, order.order_id)
        if isinstance(outcome, NotSent):
            raise nothing_sent(outcome, order.order_id)
        if isinstance(outcome, Accepted):
            self._accepted.add(order.order_id)
        return OrderResult(order=self._book.newest(order), provisional=True)

    def _entry(self, caller: Caller, command: CancelOrder, order: Order) -> EmergencyCancel:
        return EmergencyCancel(
            entry_id=new_id("emg"),
            time_ns=self._clock.now_ns(),
            user_id=caller.user_id,
            key_id=caller.principal.key_id,
            request_id=caller.request_id,
            account_id=order.account_id,
            order_id=order.order_id,
            broker_order_id=order.broker_order_id,
            idempotency_key=command.idempotency_key,
            fingerprint=command.fingerprint,
        )

    def _done(self, scope: KeyScope, task: asyncio.Task[OrderResult]) -> None:
        """See a failure; what was not sent may be asked for again under its key."""
        error = None if task.cancelled() else task.exception()
        kept = error is None or (isinstance(error, GatewayError) and error.reason is Reason.CANCEL_REFUSED)
        if task.cancelled() or not kept:
            self._given.pop(scope, None)


def _person(by: SweepOrder, user_id: str) -> Caller:
    """Make the caller of a step: under the account's owner, by the key and the call of who threw the switch."""
    return Caller(Principal(user_id, by.key_id, frozenset()), by.request_id)


def _decision(order: Order, outcome: Outcome) -> str:
    match outcome:
        case Accepted():
            return decisions.of_order(order.order_id, order.version)
        case Rejected():
            refusal = broker_refusal(Reason.CANCEL_REFUSED, "to cancel the order", outcome, order.order_id)
            return decisions.of_error(refusal)
        case NotSent():
            return decisions.NOT_SENT
        case Unknown():
            return ""


def _away(order_id: str) -> GatewayError:
    """Say that the record is away and memory does not have the order: of its key nothing is known either."""
    return GatewayError(
        Reason.JOURNAL_OUTCOME_UNKNOWN,
        "the record is away, and the order is not among those at hand; nothing was asked of the broker by this call",
        retry_after_s=_RETRY_AFTER_S,
        order_id=order_id,
    )
