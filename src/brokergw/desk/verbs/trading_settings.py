"""Leverage, margin type and position mode: read from the broker, and chosen there.

A change is no order, and what it chooses is what shall be, so it needs no key: repeated, it finds everything as wanted
and sends nothing. Changes of one account go one after another in a task of their own, which a caller that leaves does
not end. Whatever came of it, what is told at the end is what the broker says then.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias
from weakref import WeakValueDictionary

from brokergw.desk.gates.choosing import ChoosingGate
from brokergw.desk.keys.sends import sent
from brokergw.desk.sessions import Session, Sessions
from brokergw.desk.telling import audit_row, broker_refusal, nothing_sent
from brokergw.model.account import Connection
from brokergw.model.errors import GatewayError, NotFound, Reason
from brokergw.model.events import AuditRow
from brokergw.model.outcome import Accepted, NotSent, Outcome, Rejected
from brokergw.model.principal import Caller
from brokergw.model.trading_settings import NOTHING_CHOSEN, SettingsChoice, TradingSettings
from brokergw.ports.clock import Clock
from brokergw.ports.permit import Permit
from brokergw.ports.trading_settings import AdjustableBroker, adjustable

_STOP_S: Final = 5.0
Step: TypeAlias = tuple[SettingsChoice, Callable[[Permit], Awaitable[Outcome]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsChange:
    """What a caller wants chosen for a symbol; with an `etag` only of what still is as that says."""

    account_id: str
    symbol: str
    choice: SettingsChoice
    etag: str = ""


class SettingsVerbs:
    """Reads and changes settings; `record` takes audit rows."""

    def __init__(
        self, sessions: Sessions, gate: ChoosingGate, record: Callable[[AuditRow], None], clock: Clock
    ) -> None:
        self._sessions = sessions
        self._gate = gate
        self._record = record
        self._clock = clock
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._running: set[asyncio.Task[TradingSettings]] = set()

    async def get(self, caller: Caller, account_id: str, symbol: str) -> tuple[Connection, TradingSettings]:
        """Ask the broker; raises ACCOUNT_NOT_FOUND, SYMBOL_NOT_FOUND, UNSUPPORTED_FEATURE, or what the broker says."""
        session = await self._sessions.usable_by(caller, account_id)
        return session.connection, await _asked(session, symbol)

    async def update(self, caller: Caller, change: SettingsChange) -> tuple[Connection, TradingSettings]:
        """Choose, and give what the broker then tells.

        Raises as `get` does; ETAG_MISMATCH; what the gate says; BROKER_REJECTED; where nothing was sent, why not; and
        SETTINGS_OUTCOME_UNKNOWN where the answer was lost and the broker does not show the change.
        """
        session = await self._sessions.usable_by(caller, change.account_id)
        adjustable(session.adapter)
        task = asyncio.create_task(self._update(caller, session, change), name=f"settings of {change.account_id}")
        self._running.add(task)
        task.add_done_callback(self._ended)
        return session.connection, await asyncio.shield(task)

    async def stop(self) -> None:
        """Let what is on its way be answered, for a while."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=_STOP_S)
            for task in late:
                task.cancel()

    def _ended(self, task: "asyncio.Task[TradingSettings]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Marks it as seen: the caller may have left.
            task.exception()

    async def _update(self, caller: Caller, session: Session, change: SettingsChange) -> TradingSettings:
        async with self._changing.setdefault(change.account_id, asyncio.Lock()):
            stands = await _asked(session, change.symbol)
            choice = change.choice.beyond(stands)
            if choice == NOTHING_CHOSEN:
                return stands
            if change.etag not in {"", stands.etag}:
                metadata = {"etag": stands.etag}
                raise GatewayError(Reason.ETAG_MISMATCH, f"the settings are now {stands.words}", metadata=metadata)
            await self._gate.require(session.connection, choice, stands)
            return await self._told(caller, session, stands, choice)

    async def _told(
        self, caller: Caller, session: Session, before: TradingSettings, choice: SettingsChoice
    ) -> TradingSettings:
        """Carry a choice out, and leave on record what came of it."""
        outcome, ending, reason = "FAILED", "not known", ""
        try:
            after = await self._carry_out(session, before, choice)
            outcome, ending = "OK", after.words
        except GatewayError as error:
            ending, reason = error.message, error.reason.value
            raise
        finally:
            self._record(
                audit_row(
                    caller,
                    self._clock.now_ns(),
                    "settings.changed",
                    outcome,
                    account_id=session.connection.account_id,
                    reason=reason,
                    detail=f"{before.symbol}: {before.words} -> {ending}",
                )
            )
        return after

    async def _carry_out(self, session: Session, before: TradingSettings, choice: SettingsChoice) -> TradingSettings:
        broker, applied = adjustable(session.adapter), ""
        permitted = self._permit(session, before, choice)
        for wanted, send in _steps(broker, before.symbol, choice):
            permit = permitted()
            outcome = await sent(send(permit), permit=permit)
            if not isinstance(outcome, Accepted):
                error = await self._not_done(session, before, wanted, outcome)
                if error is not None:
                    error.metadata |= {"setting": wanted.named, "applied": applied}
                    raise error
            applied = f"{applied} {wanted.named}".strip()
        return await broker.get_trading_settings(before.symbol)

    def _permit(self, session: Session, before: TradingSettings, choice: SettingsChoice) -> Callable[[], Permit]:
        """Give the right to send one step, which ends where a halt has come since; lowering goes through those."""
        connection, lowers = session.connection, choice.only_lowers(before)

        def stopped() -> GatewayError | None:
            return None if lowers else self._gate.why_not(connection, before.symbol)

        return lambda: Permit(
            order_id="",
            attempt=0,
            client_order_id="",
            granted_at=self._clock.monotonic(),
            monotonic=self._clock.monotonic,
            stopped=stopped,
        )

    async def _not_done(
        self, session: Session, before: TradingSettings, wanted: SettingsChoice, outcome: Outcome
    ) -> GatewayError | None:
        """Give the error for a step that was not accepted; None where its answer was lost and the broker shows it."""
        match outcome:
            case Rejected():
                return broker_refusal(Reason.BROKER_REJECTED, wanted.named, outcome, "")
            case NotSent():
                return nothing_sent(outcome, "")
            case _:
                return await _after_a_lost_answer(session, before.symbol, wanted)


async def _asked(session: Session, symbol: str) -> TradingSettings:
    broker = adjustable(session.adapter)
    if await session.instrument(symbol) is None:
        raise NotFound(Reason.SYMBOL_NOT_FOUND, "instrument", symbol)
    return await broker.get_trading_settings(symbol)


def _steps(broker: AdjustableBroker, symbol: str, choice: SettingsChoice) -> Iterator[Step]:
    """Give what is to be sent, one setting a request: first what is refused most often, the leverage last."""
    mode, margin, leverage = choice.position_mode, choice.margin_type, choice.leverage
    if mode is not None:
        yield SettingsChoice(position_mode=mode), lambda permit: broker.set_position_mode(permit, mode)
    if margin is not None:
        yield SettingsChoice(margin_type=margin), lambda permit: broker.set_margin_type(permit, symbol, margin)
    if leverage is not None:
        yield SettingsChoice(leverage=leverage), lambda permit: broker.set_leverage(permit, symbol, leverage)


async def _after_a_lost_answer(session: Session, symbol: str, wanted: SettingsChoice) -> GatewayError | None:
    try:
        now = await adjustable(session.adapter).get_trading_settings(symbol)
    except GatewayError as error:
        shown, etag = f"reading the settings failed: {error.message}", ""
    else:
        if wanted.beyond(now) == NOTHING_CHOSEN:
            return None
        shown, etag = f"the broker says {now.words}", now.etag
    return GatewayError(
        Reason.SETTINGS_OUTCOME_UNKNOWN,
        f"the broker's answer to the change of {wanted.named} was lost; {shown}",
        metadata={"etag": etag} if etag else {},
        retry_after_s=1.0,
    )
