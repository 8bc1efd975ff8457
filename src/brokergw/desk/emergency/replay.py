"""Reading the emergency journal back into the record: oldest first, exactly once, also after a crash.

Each entry has a claim of its own in the commit that writes its audit rows, so an entry that was written before a crash
is not written again. The key of the call that asked for it gets its answer after that, where nobody else has it. What
came of the order the broker tells by itself; where it does not, it is asked.

An emergency leaves hundreds of entries, and the record has its hands full when it is back: so they are written side by
side, a handful at a time, which the record makes durable together.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from brokergw.desk.emergency.cancels import EmergencyCancels
from brokergw.desk.feeds.upkeep import Upkeep
from brokergw.desk.record.book import OrderBook
from brokergw.desk.sessions import Sessions
from brokergw.model.commands import CancelOrder
from brokergw.model.errors import GatewayError
from brokergw.model.events import AuditRow
from brokergw.ports.clock import Clock
from brokergw.ports.emergency import EmergencyCancel, EmergencyJournal
from brokergw.ports.journal import Commit, Decision, Journal, KeyClaim, KeyScope, KeyTaken

METHOD: Final = "EmergencyCancel"
"""What an entry's own claim is called: no RPC has this name."""

ACTION: Final = "order.cancel.emergency"
_EVERY_S: Final = 0.5
_AT_ONCE: Final = 64

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayParts:
    """What an entry is checked against and written to."""

    journal: Journal
    book: OrderBook
    sessions: Sessions
    upkeep: Upkeep
    clock: Clock


class Replay:
    """Puts on the record what was done without it."""

    def __init__(self, parts: ReplayParts, file: EmergencyJournal, cancels: EmergencyCancels) -> None:
        self._at = parts
        self._file = file
        self._cancels = cancels

    async def run(self) -> None:
        """Look for entries until cancelled; costs nothing while there are none."""
        while True:
            try:
                await self.once()
            except GatewayError as error:
                log.warning("the emergency journal waits for the record", reason=error.reason.value)
            except Exception:
                log.exception("the emergency journal could not be read back")
            await self._at.clock.sleep(_EVERY_S)

    async def once(self) -> None:
        """Write every entry that has its answer; raises the record's refusal, and goes on from there the next time."""
        while entries := self._next():
            done = await asyncio.gather(*(self._write(entry) for entry in entries), return_exceptions=True)
            written = [entry for entry, failure in zip(entries, done, strict=True) if failure is None]
            await self._recorded(written)
            for failure in done:
                if failure is not None:
                    raise failure

    def _next(self) -> Sequence[EmergencyCancel]:
        """Give the oldest entries that have their answers, as they are by now; of one order, its oldest alone."""
        found: dict[str, EmergencyCancel] = {}
        for entry in self._file.pending():
            if not self._cancels.running(entry.entry_id) and len(found) < _AT_ONCE:
                found.setdefault(entry.order_id, entry)
        return tuple(found.values())

    async def _recorded(self, entries: Sequence[EmergencyCancel]) -> None:
        """Let go of entries, and have the broker asked about those whose orders it does not tell of."""
        if not entries:
            return
        await self._file.recorded([entry.entry_id for entry in entries])
        for entry in entries:
            self._cancels.forget(_scope(entry), entry.order_id)
            self._at.upkeep.ask_about(entry.account_id, (entry.order_id,))
        log.warning("emergency cancels are on the record", number=len(entries), newest=entries[-1].entry_id)

    async def _write(self, entry: EmergencyCancel) -> None:
        now = self._at.clock.now_ns()
        claim = KeyClaim(
            scope=KeyScope(entry.user_id, METHOD, entry.entry_id),
            fingerprint=entry.fingerprint,
            subject=entry.order_id,
            time_ns=now,
        )
        done = Decision(claim.scope, entry.decision, now)
        unit = Commit(claim=claim, decision=done, audit=_rows(entry), user_id=entry.user_id)
        if isinstance(await self._at.journal.commit(unit), KeyTaken):
            log.warning("an emergency cancel was on the record already", entry_id=entry.entry_id)
        await self._answer_key(entry, now)

    async def _answer_key(self, entry: EmergencyCancel, now: int) -> None:
        """Give the call's key its answer; a key whose outcome is open may ask again, which does no harm."""
        if not entry.decision:
            return
        claim = KeyClaim(
            scope=_scope(entry), fingerprint=entry.fingerprint, subject=entry.order_id, time_ns=entry.time_ns
        )
        decision = Decision(claim.scope, entry.decision, now)
        await self._at.journal.commit(Commit(claim=claim, decision=decision, user_id=entry.user_id))


def _scope(entry: EmergencyCancel) -> KeyScope:
    return KeyScope(entry.user_id, CancelOrder.method, entry.idempotency_key.lower())


def _rows(entry: EmergencyCancel) -> tuple[AuditRow, ...]:
    """Tell when it was asked for, and what the broker said; an answer that nobody heard is told as unknown."""
    asked = _row(entry, entry.time_ns, "ASKED")
    return asked, _row(entry, entry.answer_time_ns or entry.time_ns, entry.ending or "UNKNOWN")


def _row(entry: EmergencyCancel, time_ns: int, outcome: str) -> AuditRow:
    return AuditRow(
        time_ns=time_ns,
        request_id=entry.request_id,
        user_id=entry.user_id,
        key_id=entry.key_id,
        action=ACTION,
        outcome=outcome,
        account_id=entry.account_id,
        order_id=entry.order_id,
        detail=f"entry={entry.entry_id} broker_order={entry.broker_order_id}",
    )
