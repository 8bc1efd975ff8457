"""The large verbs: cancel all, flatten, close all. Each is made of single orders and cancels on the record.

Closing goes through the gateway's own orders, not through a broker's "close everything" call, so that each closing
order has an id, a key and a place in the log, and is found again if its answer is lost.
"""

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from brokergw.desk.emergency.cancels import EmergencyCancels
from brokergw.desk.keys.recall import Recall, in_progress, scope_of
from brokergw.desk.keys.sends import Sends
from brokergw.desk.record import decisions
from brokergw.desk.record.admission import nothing_to_undo
from brokergw.desk.results import CancelItem, Cleared, OrderResult, Positions, ResidualItem, SweepResult
from brokergw.desk.sessions import Session, Sessions
from brokergw.desk.telling import audit_row
from brokergw.desk.verbs.cancel import Cancel
from brokergw.desk.verbs.closing import ToClose, closing_admission, closing_hold, closing_terms, to_close
from brokergw.desk.verbs.submit import Submit
from brokergw.model.commands import CancelAllOrders, CancelOrder, CloseAll, Flatten, KeyedCommand, SubmitOrder
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.model.lifecycle import AT_BROKER
from brokergw.model.order import Order
from brokergw.model.principal import Caller
from brokergw.model.terms import OrderType
from brokergw.model.whose import only
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Commit, Decision, Journal, KeyClaim, KeyTaken

_CANCELS_WAIT_S: Final = 5.0
_CANCELS_POLL_S: Final = 0.05


class Sweep:
    """Cancels and closes in bulk."""

    def __init__(
        self,
        journal: Journal,
        sends: Sends,
        sessions: Sessions,
        recall: Recall,
        submit: Submit,
        cancel: Cancel,
        emergency: EmergencyCancels,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._sends = sends
        self._sessions = sessions
        self._recall = recall
        self._submit = submit
        self._cancel = cancel
        self._emergency = emergency
        self._clock = clock

    async def cancel_all(self, caller: Caller, command: CancelAllOrders) -> SweepResult:
        """Ask for the cancel of every open order of an account, or of one symbol in it."""
        session = await self._sessions.usable_by(caller, command.account_id)

        async def work() -> SweepResult:
            return SweepResult(cancels=await self._cancels(caller, command, session, command.symbol))

        try:
            return await self._once(caller, command, command.account_id, work)
        except GatewayError as error:
            if not self._emergency.takes(command, error):
                raise
            return await self._emergency.cancel_all(caller, command, error)

    async def flatten(self, caller: Caller, command: Flatten) -> SweepResult:
        """Cancel the open orders of an account (or one symbol) and close what it holds."""
        session = await self._sessions.usable_by(caller, command.account_id)

        async def work() -> SweepResult:
            return await self._flatten(caller, command, session, command.symbol)

        return await self._once(caller, command, command.account_id, work)

    async def close_all(self, caller: Caller, command: CloseAll) -> SweepResult:
        """Flatten every account that the caller owns."""
        sessions = await self._sessions.of_caller(caller)

        async def work() -> SweepResult:
            parts = await asyncio.gather(*(self._flatten(caller, command, session, "") for session in sessions))
            return _joined(parts)

        return await self._once(caller, command, caller.user_id, work)

    async def _once(
        self, caller: Caller, command: KeyedCommand, subject: str, work: Callable[[], Coroutine[Any, Any, SweepResult]]
    ) -> SweepResult:
        """Run a sweep under its key, or give the answer that the key stands for."""

        async def run() -> SweepResult:
            claimed = await self._claim(caller, command, subject)
            if claimed is not None:
                return claimed
            result = await work()
            return await self._decide(caller, command, subject, result)

        scope = scope_of(caller, command)
        answer = await self._sends.once(scope, command.fingerprint, f"sweep {subject}", run)
        assert isinstance(answer, SweepResult)
        return answer

    async def _claim(self, caller: Caller, command: KeyedCommand, subject: str) -> SweepResult | None:
        now = self._clock.now_ns()
        claim = KeyClaim(scope=scope_of(caller, command), fingerprint=command.fingerprint, subject=subject, time_ns=now)
        audit = self._audit(caller, command, subject, "ADMITTED")
        unit = Commit(claim=claim, audit=(audit,), late=nothing_to_undo)
        result = await self._journal.commit(unit)
        if not isinstance(result, KeyTaken):
            return None
        if not result.record.decision and not result.record.retired:
            # The first call died in the middle. Its steps have keys of their own, so going through them again
            # repeats nothing that was done.
            return None
        known = await self._recall.of_record(result.record, command.fingerprint)
        if not isinstance(known, SweepResult):
            raise in_progress("")
        return known

    async def _decide(self, caller: Caller, command: KeyedCommand, subject: str, result: SweepResult) -> SweepResult:
        cancels = [(item.order.order_id, item.accepted, item.reason) for item in result.cancels]
        residuals = [(r.account_id, r.symbol, r.reason, r.description) for r in result.residuals]
        text = decisions.of_sweep(cancels, [order.order_id for order in result.orders], residuals)
        decision = Decision(scope_of(caller, command), text, self._clock.now_ns())
        outcome = "COMPLETE" if not result.residuals else "RESIDUALS"
        unit = Commit(decision=decision, audit=(self._audit(caller, command, subject, outcome),))
        try:
            await self._journal.commit(unit)
        except GatewayError as error:
            # The steps are done and on record. Under the same key they are found again, none is done twice.
            raise GatewayError(
                Reason.JOURNAL_OUTCOME_UNKNOWN,
                f"the steps were taken, their sum could not be recorded: {error.message}",
            ) from error
        return result

    async def _flatten(self, caller: Caller, command: KeyedCommand, session: Session, symbol: str) -> SweepResult:
        account_id = session.connection.account_id
        try:
            own = await self._own_keys(caller, command, session)
            cancels = await self._cancels(caller, command, session, symbol, own)
            await self._wait_for_cancels(caller, command, account_id, symbol, own)
            positions = await session.adapter.get_positions()
        except GatewayError as error:
            residual = ResidualItem(account_id, symbol, error.reason.value, error.message)
            return SweepResult(residuals=(residual,))
        held = [each for p in positions if symbol in {"", p.symbol} for each in to_close(p)]
        closed = await asyncio.gather(*(self._close(caller, command, session, each) for each in held))
        orders = tuple(r.order for r in closed if isinstance(r, OrderResult))
        residuals = tuple(r for r in closed if isinstance(r, ResidualItem))
        reached = [r.positions for r in closed if isinstance(r, OrderResult)]
        return SweepResult(cancels=cancels, orders=orders, residuals=residuals, positions=_furthest(reached))

    async def _cancels(
        self, caller: Caller, command: KeyedCommand, session: Session, symbol: str, own: frozenset[str] = frozenset()
    ) -> tuple[CancelItem, ...]:
        resting = await self._resting(caller, command, session.connection.account_id, symbol, own)
        return tuple(await asyncio.gather(*(self._cancel_one(caller, command, order) for order in resting)))

    async def _own_keys(self, caller: Caller, command: KeyedCommand, session: Session) -> frozenset[str]:
        """Give the keys of closing orders for parts of positions, where one of them may be open from an earlier way."""
        account_id = session.connection.account_id
        orders = await self._journal.open_orders(only(caller.user_id), account_id)
        if not any(order.terms.reduce_only and order.terms.type is OrderType.MARKET for order in orders):
            return frozenset()
        parts = [each for position in await session.adapter.get_positions() for each in to_close(position)]
        return frozenset(_closing_key(command, account_id, each.position.symbol, each.part) for each in parts)

    async def _resting(
        self, caller: Caller, command: KeyedCommand, account_id: str, symbol: str, own: frozenset[str]
    ) -> list[Order]:
        """Find the open orders a sweep is about: all but the closing orders that it has placed itself."""
        return [
            order
            for order in await self._journal.open_orders(only(caller.user_id), account_id)
            if symbol in {"", order.terms.symbol}
            and order.idempotency_key not in own | {_closing_key(command, account_id, order.terms.symbol)}
        ]

    async def _cancel_one(self, caller: Caller, command: KeyedCommand, order: Order) -> CancelItem:
        key = _derived(command, f"cancel {order.order_id}")
        try:
            result = await self._cancel(caller, CancelOrder(idempotency_key=key, order_id=order.order_id))
        except GatewayError as error:
            gone = error.reason in {Reason.ORDER_TERMINAL, Reason.ORDER_PENDING}
            return CancelItem(order, accepted=gone, reason="" if gone else error.reason.value)
        return CancelItem(result.order, accepted=True)

    async def _wait_for_cancels(
        self, caller: Caller, command: KeyedCommand, account_id: str, symbol: str, own: frozenset[str]
    ) -> None:
        """Wait until resting orders no longer hold what is to be closed, or it has taken too long."""
        until = self._clock.monotonic() + _CANCELS_WAIT_S
        while self._clock.monotonic() < until:
            resting = await self._resting(caller, command, account_id, symbol, own)
            if not any(order.state in AT_BROKER for order in resting):
                return
            await self._clock.sleep(_CANCELS_POLL_S)

    async def _close(
        self, caller: Caller, command: KeyedCommand, session: Session, closed: ToClose
    ) -> OrderResult | ResidualItem:
        """Close one position by a market order; the gates for new risk do not apply to taking risk away."""
        account_id, position = session.connection.account_id, closed.position
        submit = SubmitOrder(
            idempotency_key=_closing_key(command, account_id, position.symbol, closed.part),
            account_id=account_id,
            terms=closing_terms(position),
        )
        cleared = Cleared(
            submit,
            session.connection,
            None,
            hold=closing_hold(closed, session.instrument_at_hand(position.symbol)),
            admission=closing_admission(closed, through_halts=False),
        )
        try:
            return await self._submit(caller, cleared)
        except GatewayError as error:
            return ResidualItem(account_id, position.symbol, error.reason.value, error.message)

    def _audit(self, caller: Caller, command: KeyedCommand, subject: str, outcome: str) -> AuditRow:
        account_id = subject if subject != caller.user_id else ""
        return audit_row(caller, self._clock.now_ns(), f"sweep.{command.method}", outcome, account_id=account_id)


def _closing_key(command: KeyedCommand, account_id: str, symbol: str, part: str = "") -> str:
    return _derived(command, f"close {account_id} {symbol} {part}".rstrip())


def _derived(command: KeyedCommand, step: str) -> str:
    """Make the key of one step of a sweep: always the same for the same sweep and step."""
    name = f"{command.method} {command.idempotency_key.lower()} {step}"
    digest = uuid.uuid5(uuid.NAMESPACE_URL, name).int
    # The layout of version 4, so that the key passes wherever a client's own does.
    return str(uuid.UUID(int=digest, version=4))


def _joined(parts: Sequence[SweepResult]) -> SweepResult:
    return SweepResult(
        cancels=tuple(item for part in parts for item in part.cancels),
        orders=tuple(order for part in parts for order in part.orders),
        residuals=tuple(residual for part in parts for residual in part.residuals),
        positions=_furthest([part.positions for part in parts]),
    )


def _furthest(positions: Sequence[Positions]) -> Positions:
    furthest: Positions = {}
    for part in positions:
        for account_id, sequence in part.items():
            furthest[account_id] = max(sequence, furthest.get(account_id, 0))
    return furthest
