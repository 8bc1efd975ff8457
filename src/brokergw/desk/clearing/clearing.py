"""Sweeps at work: each connection's by the process that holds it, pass after pass until the broker shows nothing more.

A pass cancels what rests in the scopes that are swept, whosever it is and through the path of every cancel, asks the
broker what is still open, closes what is held once nothing rests, and writes down what is not confirmed gone. Where
the broker no longer lists an order that the record has open, its end was not told, and the broker is asked for it by
its id, not to cancel it once more (`unlisted.py`): a listing alone ends nothing. A pass that fails is tried again for
as long as its halt stands, also by another process. What was found done is looked at again now and then, because an
order of unknown outcome may be born late.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog

from brokergw.desk.clearing.closing_orders import ClosingOrders
from brokergw.desk.clearing.leftovers import Leftovers
from brokergw.desk.clearing.unlisted import Unlisted
from brokergw.desk.emergency.cancels import EmergencyCancels
from brokergw.desk.feeds.upkeep import Upkeep
from brokergw.desk.halts.halting import Halting
from brokergw.desk.halts.latch import order_scopes
from brokergw.desk.keys.derived import derived_key
from brokergw.desk.results import Cleared
from brokergw.desk.sessions import Session, Sessions
from brokergw.desk.telling import audit_row
from brokergw.desk.verbs.cancel import Cancel
from brokergw.desk.verbs.closing import ToClose, closing_admission, closing_hold, closing_terms, to_close
from brokergw.desk.verbs.submit import Submit
from brokergw.model.account import Connection, Position
from brokergw.model.commands import CancelOrder, SubmitOrder
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.lifecycle import AT_BROKER, OPEN
from brokergw.model.money import format_decimal
from brokergw.model.order import Order
from brokergw.model.outcome import BrokerOrder
from brokergw.model.principal import Caller, Principal
from brokergw.model.trading import ScopeKind
from brokergw.model.whose import only
from brokergw.ports.clock import Clock
from brokergw.ports.halts import Finding, FindingState, Residual, Sweep
from brokergw.ports.journal import Journal, OrderQuery
from brokergw.ports.notifier import Notifier

_EVERY_S: Final = 0.5
_DONE_AGAIN_S: Final = 30.0
_CANCEL_AGAIN_NS: Final = 6 * 1_000_000_000
_UNLISTED: Final = "the broker lists it no longer, and has not told its end yet"
_ON_ITS_WAY: Final = "a closing order is on its way"
_RECENT_ORDERS: Final = 1_000

log = structlog.get_logger(__name__)


class Clearing:
    """Works on the sweeps of the connections that this process holds; implements `halts.states.Progress`."""

    def __init__(
        self,
        halting: Halting,
        sessions: Sessions,
        journal: Journal,
        upkeep: Upkeep,
        cancel: Cancel,
        submit: Submit,
        emergency: EmergencyCancels,
        notifier: Notifier,
        clock: Clock,
    ) -> None:
        self._halting = halting
        self._sessions = sessions
        self._journal = journal
        self._upkeep = upkeep
        self._cancel = cancel
        self._submit = submit
        self._emergency = emergency
        self._known: Sequence[Sweep] = ()
        self._clock = clock
        self._leftovers = Leftovers(notifier)
        self._done_at: dict[tuple[str, str], float] = {}
        self._unlisted = Unlisted(clock)
        self._bell = asyncio.Event()
        halting.on_change(self._bell.set)

    def done(self, sweep: Sweep, findings: Sequence[Finding]) -> bool:
        """Tell whether every account of a sweep's scope is found done."""
        found = {each.account_id for each in findings if each.state is FindingState.DONE}
        meant = [s.connection for s in self._sessions.all() if not s.connection.revoked]
        return all(each.account_id in found for each in meant if concerns(sweep, each))

    async def run(self) -> None:
        """Look for sweeps until cancelled; nothing is asked of the database while nothing is halted."""
        while True:
            try:
                free = self._halting.standing.free
                self._known = () if free else await self._halting.book.sweeps()
                self._start(self._known)
            except GatewayError as error:
                for sweep in self._known:
                    self._emergency.sweep(sweep.scope, sweep.order)
                log.warning("what is to be swept is not known", reason=error.reason.value)
            except Exception:
                log.exception("sweeps were not looked for")
            await self._next_look()

    async def _next_look(self) -> None:
        sleeping = asyncio.ensure_future(self._clock.sleep(_EVERY_S))
        ringing = asyncio.ensure_future(self._bell.wait())
        try:
            await asyncio.wait({sleeping, ringing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            ringing.cancel()
            self._bell.clear()

    def _start(self, sweeps: Sequence[Sweep]) -> None:
        now = self._clock.monotonic()
        for session in self._sessions.all():
            account_id = session.connection.account_id
            meant = [sweep for sweep in sweeps if concerns(sweep, session.connection)]
            if not meant:
                # What the last listing left out says nothing to whoever sweeps here next.
                self._unlisted.forget(account_id)
            due = any(now >= self._done_at.get((sweep.sweep_id, account_id), now) for sweep in meant)
            if due and not session.connection.revoked:
                session.later("clear halted scopes", partial(self._pass, session, meant))

    async def _pass(self, session: Session, sweeps: Sequence[Sweep]) -> None:
        """Do what can be done for all sweeps of one account at once, and write down what is left of each."""
        why = ""
        listed: Sequence[BrokerOrder] | None = None
        positions: Sequence[Position] | None = None
        closing = await self._closing_orders(session, sweeps)
        resting = await self._resting(session.connection, sweeps, closing)
        account_id = session.connection.account_id
        unlisted = self._unlisted.of(account_id)
        asked = [each for each in resting if each[1].order_id not in unlisted]
        refused = dict(await asyncio.gather(*(self._cancel_one(sweep, order) for sweep, order in asked)))
        try:
            session.require_usable()
            listed = await session.adapter.get_open_orders()
            positions = await session.adapter.get_positions() if any(s.order.flatten for s in sweeps) else ()
        except GatewayError as error:
            why = f"{error.reason}: {error.message}"
        resting = await self._resting(session.connection, sweeps, closing)
        if listed is None:
            self._unlisted.forget(account_id)
        else:
            self._unlisted.take(account_id, unlisted | refused.keys(), [order for _, order in resting], listed)
            self._upkeep.ask_about(account_id, self._unlisted.overdue(account_id))
        refused |= dict.fromkeys(self._unlisted.of(account_id), _UNLISTED)
        for sweep in sweeps:
            left = [_of_order(order, refused) for each, order in resting if each is sweep or _covers(sweep, order)]
            strange = await self._strange(session, sweep, listed or (), closing)
            held: list[Residual] = []
            if sweep.order.flatten and positions is not None:
                held = await self._close_all(session, sweep, positions, closing, clear=not left and not strange)
            await self._report(session, sweep, [*left, *strange, *held], why)

    async def _closing_orders(self, session: Session, sweeps: Sequence[Sweep]) -> ClosingOrders:
        connection = session.connection
        flattening = [sweep for sweep in sweeps if sweep.order.flatten]
        orders: Sequence[Order] = ()
        if flattening:
            query = OrderQuery(
                user_id=connection.user_id,
                account_ids=(connection.account_id,),
                since_ns=min(sweep.begin_time_ns for sweep in flattening),
                limit=_RECENT_ORDERS,
            )
            orders = await self._journal.orders(query)
        return ClosingOrders(flattening, connection.account_id, orders)

    async def _resting(
        self, connection: Connection, sweeps: Sequence[Sweep], closing: ClosingOrders
    ) -> list[tuple[Sweep, Order]]:
        """Find the open orders on record that are in some scope, each with the first sweep that covers it."""
        found = []
        for order in await self._journal.open_orders(only(connection.user_id), connection.account_id):
            sweep = next((each for each in sweeps if _covers(each, order)), None)
            if sweep is not None and not closing.owns(order):
                found.append((sweep, order))
        return found

    async def _cancel_one(self, sweep: Sweep, order: Order) -> tuple[str, str]:
        """Ask for one cancel in its owner's name; gives why it was not taken, empty where it was."""
        if order.state not in AT_BROKER:
            return order.order_id, f"its outcome is open: {order.state}"
        # A cancel without an answer is asked for again after a while, never twice at once.
        turn = self._clock.now_ns() // _CANCEL_AGAIN_NS
        key = derived_key("cancel", sweep.sweep_id, order.order_id, str(order.version), str(turn))
        try:
            await self._cancel(
                _in_name_of(sweep, order.user_id), CancelOrder(idempotency_key=key, order_id=order.order_id)
            )
        except GatewayError as error:
            if error.reason in {Reason.ORDER_TERMINAL, Reason.ORDER_PENDING}:
                return order.order_id, ""
            return order.order_id, f"{error.reason}: {error.message}"
        self._audit(sweep, "sweep.cancel", "ASKED", order)
        return order.order_id, ""

    async def _strange(
        self, session: Session, sweep: Sweep, listed: Sequence[BrokerOrder], closing: ClosingOrders
    ) -> list[Residual]:
        """Name the orders that the broker has open in a scope and the record has not."""
        if sweep.scope.kind is ScopeKind.STRATEGY:
            return []
        found = []
        own = session.connection
        for seen in listed:
            if sweep.scope.kind is ScopeKind.SYMBOL and seen.terms.symbol != sweep.scope.names[0]:
                continue
            order = await self._journal.order_by_broker_id(
                own.user_id, own.account_id, seen.broker_order_id, seen.client_order_id
            )
            if order is None:
                why = "the broker has it open, and the record does not know it yet"
            elif order.state in OPEN or closing.owns(order):
                continue
            else:
                why = f"the broker has it open, and the record has it as {order.state}"
            found.append(
                Residual(
                    symbol=seen.terms.symbol,
                    order_id="" if order is None else order.order_id,
                    broker_order_id=seen.broker_order_id,
                    why=why,
                )
            )
        return found

    async def _close_all(
        self, session: Session, sweep: Sweep, positions: Sequence[Position], closing: ClosingOrders, *, clear: bool
    ) -> list[Residual]:
        """Close what is held in a scope, once nothing rests there that holds it; gives what is held still."""
        symbol = sweep.scope.names[0] if sweep.scope.kind is ScopeKind.SYMBOL else ""
        held = [each for each in positions if to_close(each) and symbol in {"", each.symbol}]
        left = []
        for position in held:
            parts = to_close(position)
            keys = closing.next_keys(sweep, position.symbol, self._clock.now_ns(), len(parts)) if clear else []
            for number, part in enumerate(parts):
                why = _ON_ITS_WAY if clear else "orders rest in the scope still"
                if number < len(keys):
                    why = await self._close(session, sweep, part, keys[number])
                quantity = format_decimal(part.position.quantity)
                left.append(Residual(symbol=position.symbol, quantity=quantity, why=why))
        return left

    async def _close(self, session: Session, sweep: Sweep, part: ToClose, key: str) -> str:
        connection, position = session.connection, part.position
        submit = SubmitOrder(
            idempotency_key=key, account_id=connection.account_id, terms=closing_terms(position), run_id=sweep.sweep_id
        )
        cleared = Cleared(
            submit,
            connection,
            None,
            hold=closing_hold(part, session.instrument_at_hand(position.symbol)),
            admission=closing_admission(part, through_halts=True),
        )
        try:
            result = await self._submit(_in_name_of(sweep, connection.user_id), cleared)
        except GatewayError as error:
            return f"{error.reason}: {error.message}"
        self._audit(sweep, "sweep.close", "SENT", result.order)
        return _ON_ITS_WAY

    async def _report(self, session: Session, sweep: Sweep, residuals: Sequence[Residual], why: str) -> None:
        connection = session.connection
        state = FindingState.WORKING if residuals else FindingState.DONE
        if why:
            state = FindingState.BLOCKED
        name = (sweep.sweep_id, connection.account_id)
        if state is FindingState.DONE:
            self._done_at[name] = self._clock.monotonic() + _DONE_AGAIN_S
        else:
            self._done_at.pop(name, None)
        finding = Finding(
            sweep_id=sweep.sweep_id,
            account_id=connection.account_id,
            user_id=connection.user_id,
            state=state,
            residuals=tuple(residuals),
            why=why,
            time_ns=self._clock.now_ns(),
        )
        await self._halting.book.report(finding)
        self._leftovers.take(sweep, finding)

    def _audit(self, sweep: Sweep, action: str, outcome: str, order: Order) -> None:
        """Say in the name of the person who threw the switch which step was taken."""
        person = _in_name_of(sweep, sweep.order.user_id)
        row = audit_row(
            person,
            self._clock.now_ns(),
            action,
            outcome,
            account_id=order.account_id,
            order_id=order.order_id,
            detail=f"{sweep.scope.key} {sweep.cause}",
        )
        try:
            self._journal.record(row)
        except GatewayError as error:
            log.warning("a step of a sweep is not audited", order_id=order.order_id, reason=error.reason.value)


def concerns(sweep: Sweep, connection: Connection) -> bool:
    """Tell whether anything in a connection's account can be in a sweep's scope."""
    names = sweep.scope.names
    match sweep.scope.kind:
        case ScopeKind.PLATFORM | ScopeKind.SYMBOL:
            return True
        case ScopeKind.BROKER:
            return names[0] == connection.broker
        case ScopeKind.USER | ScopeKind.STRATEGY:
            return names[0] == connection.user_id
        case ScopeKind.USER_BROKER:
            return names == (connection.user_id, connection.broker)
        case ScopeKind.ACCOUNT:
            return names[0] == connection.account_id


def _covers(sweep: Sweep, order: Order) -> bool:
    return sweep.scope in order_scopes(order)


def _of_order(order: Order, refused: dict[str, str]) -> Residual:
    return Residual(
        symbol=order.terms.symbol,
        order_id=order.order_id,
        broker_order_id=order.broker_order_id,
        why=refused.get(order.order_id) or f"the broker has not confirmed the cancel: {order.state}",
    )


def _in_name_of(sweep: Sweep, user_id: str) -> Caller:
    """Make the caller of a step: under the account's owner, by the key and the call of who threw the switch."""
    return Caller(Principal(user_id, sweep.order.key_id, frozenset()), sweep.order.request_id)
