"""What a key already stands for: a fresh call, a call still running, or an answer that was given before."""

from functools import lru_cache
from typing import Any, Final

from brokergw.desk.keys.sends import Sends, key_reused
from brokergw.desk.record import decisions
from brokergw.desk.record.book import OrderBook
from brokergw.desk.results import CancelItem, OrderResult, ResidualItem, Result, SweepResult
from brokergw.desk.rules import DeskRules
from brokergw.desk.telling import not_placed
from brokergw.model.commands import KeyedCommand, SettleOrder, SubmitOrder
from brokergw.model.errors import FieldViolation, GatewayError, InvalidRequest, Reason
from brokergw.model.ids import key_time_ns
from brokergw.model.lifecycle import UNRESOLVED, State
from brokergw.model.order import Order
from brokergw.model.principal import Caller
from brokergw.model.whose import Whose, everyone, only
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Journal, KeyRecord, KeyScope

ATTEMPTS_MAX: Final = 3
"""How often one key may be tried again after a proof that nothing was sent."""

_FIRST_CALL_MAX_NS: Final = 30_000_000_000
_DAY_NS: Final = 24 * 3600 * 1_000_000_000


def scope_of(caller: Caller, command: KeyedCommand) -> KeyScope:
    """Name whose key for which method a command carries."""
    return _scope(caller.user_id, command.method, command.idempotency_key)


@lru_cache(maxsize=1_024)
def _scope(user_id: str, method: str, key: str) -> KeyScope:
    # Named four times in the course of one order.
    return KeyScope(user_id, method, key.lower())


class Recall:
    """Answers for keys that were used before."""

    def __init__(self, journal: Journal, book: OrderBook, sends: Sends, clock: Clock, rules: DeskRules) -> None:
        self._journal = journal
        self._book = book
        self._sends = sends
        self._clock = clock
        self._retention_ns = rules.key_retention_days * _DAY_NS

    async def __call__(self, caller: Caller, command: KeyedCommand) -> Result | None:
        """Give the earlier answer under a command's key, or None when the call is to go on."""
        self._check_age(command.idempotency_key)
        scope = scope_of(caller, command)
        running = self._sends.in_flight(scope)
        if running is not None:
            return (await self._sends.join(running, command.fingerprint)).as_replay()
        record = await self._journal.key_of(scope)
        if record is None:
            return None
        return await self.of_record(record, command.fingerprint)

    async def of_record(self, record: KeyRecord, fingerprint: str) -> Result | None:
        """Give the answer that a stored key stands for; None when it may be tried again."""
        if record.retired:
            raise key_expired(record.subject)
        if record.fingerprint != fingerprint:
            raise key_reused(record.subject if record.subject.startswith("ord_") else "")
        if record.decision == decisions.NOT_SENT:
            return await self._unsent(record)
        if not record.decision:
            return await self._undecided(record)
        decision = decisions.read(record.decision)
        if "error" in decision:
            error = decisions.error_from(decision["error"])
            if error.reason is Reason.ORDER_NOT_PLACED:
                return await self._believed_absent(record)
            raise error
        if "order" in decision:
            return await self._order(decision, record)
        return await self._sweep(only(record.scope.user_id), decision)

    def _check_age(self, key: str) -> None:
        """Refuse a key that was made before the record reaches back, or that cannot have been made yet."""
        made_ns = key_time_ns(key)
        if made_ns is None:
            return
        now = self._clock.now_ns()
        if made_ns < now - self._retention_ns:
            raise key_expired("")
        if made_ns > now + _DAY_NS:
            rule = "must not be made in the future"
            raise InvalidRequest((FieldViolation("idempotency_key", rule, Reason.IDEMPOTENCY_KEY_INVALID),))

    async def _unsent(self, record: KeyRecord) -> Result | None:
        """Tell whether a proof that nothing was sent still is the last word: a later attempt may be on its way."""
        if record.scope.method != SubmitOrder.method:
            return None
        order = await self._book.get(_whose(record), record.subject)
        if order is None or order.state is State.NOT_SENT:
            return None
        return await self._undecided(record)

    async def _undecided(self, record: KeyRecord) -> Result | None:
        """Tell of a first call that has no ending yet: it runs elsewhere, its outcome is unknown, or it died.

        A sweep that died is gone through again: its steps have keys of their own, so none of them is done twice. So is
        a verdict that did not reach its order.
        """
        order = await self._book.get(_whose(record), record.subject)
        if record.scope.method == SettleOrder.method and order is not None and order.state in UNRESOLVED:
            return None
        recent = self._clock.now_ns() - record.claim_time_ns < _FIRST_CALL_MAX_NS
        if recent and (order is None or order.state is State.SENDING):
            raise in_progress(record.subject if order is not None else "")
        if order is None:
            return None
        return OrderResult(order=order, replayed=True)

    async def _believed_absent(self, record: KeyRecord) -> OrderResult:
        """Tell of an order that the broker did not know; it may have turned up since."""
        order = await self._required(_whose(record), record.subject)
        if order.state in {State.RESOLVED_ABSENT, State.ABSENT}:
            raise not_placed(order)
        return OrderResult(order=order, replayed=True, decision_time_ns=record.decision_time_ns)

    async def _order(self, decision: dict[str, Any], record: KeyRecord) -> OrderResult:
        order = await self._required(_whose(record), decision["order"])
        original = order
        if order.version != decision["version"]:
            events = await self._journal.order_events(order.user_id, order.order_id)
            versions = [e.payload for e in events if isinstance(e.payload, Order)]
            original = next((o for o in versions if o.version == decision["version"]), order)
        return OrderResult(order=order, replayed=True, original=original, decision_time_ns=record.decision_time_ns)

    async def _sweep(self, whose: Whose, decision: dict[str, Any]) -> SweepResult:
        cancels = [CancelItem(await self._required(whose, i), ok, why) for i, ok, why in decision["cancels"]]
        orders = [await self._required(whose, order_id) for order_id in decision["orders"]]
        residuals = tuple(ResidualItem(*residual) for residual in decision["residuals"])
        return SweepResult(cancels=tuple(cancels), orders=tuple(orders), residuals=residuals, replayed=True)

    async def _required(self, whose: Whose, order_id: str) -> Order:
        order = await self._book.get(whose, order_id)
        if order is None:
            raise GatewayError(Reason.INTERNAL_ERROR, "an order vanished from the record", order_id=order_id)
        return order


def _whose(record: KeyRecord) -> Whose:
    """Tell whose the order is that a key is about."""
    if record.scope.method == SettleOrder.method:
        return everyone("an operator's verdict is about the order of any user")
    return only(record.scope.user_id)


def key_expired(subject: str) -> GatewayError:
    """Say that a key is too old to be told what it came to."""
    return GatewayError(
        Reason.IDEMPOTENCY_KEY_EXPIRED,
        "this idempotency key is older than answers are kept",
        order_id=subject if subject.startswith("ord_") else None,
    )


def in_progress(order_id: str) -> GatewayError:
    """Say that the first call under a key has not ended."""
    return GatewayError(
        Reason.IDEMPOTENCY_IN_PROGRESS,
        "the first call under this key is still running",
        retry_after_s=0.5,
        order_id=order_id or None,
    )
