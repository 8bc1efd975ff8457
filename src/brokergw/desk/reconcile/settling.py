"""Settling a mismatch by a person's word: what the broker has becomes the record's."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from brokergw.desk.reconcile.compare import suspects_of
from brokergw.desk.reconcile.findings import Findings
from brokergw.desk.reconcile.look import Look, Looker
from brokergw.desk.reconcile.needs import Switch
from brokergw.desk.reconcile.rounds import baseline_of
from brokergw.desk.sessions import Session
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.model.order import ZERO
from brokergw.model.reconciliation import DifferenceKind, Finding, Reconciliation, Trigger
from brokergw.model.trading import HaltCause, ScopeKind, TradingScope
from brokergw.model.whose import only
from brokergw.ports.clock import Clock
from brokergw.ports.ledger import Ledger
from brokergw.ports.reconciliations import Reconciliations

_HISTORY_NS: Final = 3 * 24 * 3600 * 1_000_000_000
_MINUTE_NS: Final = 60 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Settled:
    """A settled mismatch, and whether its halt was lifted."""

    reconciliation: Reconciliation
    halt_lifted: bool


class Settling:
    """Takes a person's verdict on a mismatch."""

    def __init__(
        self,
        looker: Looker,
        findings: Findings,
        reconciliations: Reconciliations,
        ledger: Ledger,
        switch: Switch,
        clock: Clock,
    ) -> None:
        self._looker = looker
        self._findings = findings
        self._reconciliations = reconciliations
        self._ledger = ledger
        self._switch = switch
        self._clock = clock

    async def __call__(
        self, session: Session, mismatch: Reconciliation, by: str, evidence: str, audit: AuditRow
    ) -> Settled:
        """Take the broker's positions over, if they still are those of the mismatch, and lift the halt.

        Raises RECONCILIATION_MOVED when the broker shows something else by now, RECONCILIATION_SETTLED when a person
        has settled it already. A mismatch that went away by itself, or whose connection was revoked, is settled
        without a look.
        """
        if mismatch.is_open and not session.connection.revoked:
            await self._take_over(session, mismatch)
        if not await self._findings.close(mismatch, evidence, by, audit):
            raise _settled(mismatch)
        lifted = await self._lift(mismatch, by, evidence)
        settled = await self._reconciliations.get(only(mismatch.user_id), mismatch.reconciliation_id)
        assert settled is not None, "what was settled a moment ago is on the record"
        return Settled(settled, lifted)

    async def _take_over(self, session: Session, mismatch: Reconciliation) -> None:
        look = await self._looker.look(session)
        since = await self._looker.since(look)
        seen = {each.subject: each for each in mismatch.differences if each.kind is DifferenceKind.POSITION}
        suspects = suspects_of(since.way, look.holdings.net)
        for suspect in suspects.values():
            known = seen.get(suspect.symbol)
            if known is None or Decimal(known.broker) != suspect.broker:
                raise _moved(f"{suspect.symbol}: record {suspect.record}, broker {suspect.broker}")
        for suspect in suspects.values():
            cost = _average_price(look, suspect.symbol)
            held = await self._ledger.anchor(
                look.user_id, look.account_id, suspect.symbol, suspect.broker, cost, suspect.record
            )
            if not held:
                raise _moved(f"{suspect.symbol} is trading")
        history = await session.adapter.transactions(mismatch.first_ns - _HISTORY_NS, self._clock.now_ns() + _MINUTE_NS)
        await self._findings.conclude(
            session,
            Trigger.SETTLEMENT,
            Finding.AGREED,
            as_of_ns=look.as_of_ns,
            detail=f"settles {mismatch.reconciliation_id}",
            baseline=baseline_of(look, history, mismatch.baseline, quiet=not since.fills),
        )

    async def _lift(self, mismatch: Reconciliation, by: str, evidence: str) -> bool:
        standing = await self._reconciliations.open()
        if any(each.user_id == mismatch.user_id for each in standing):
            return False
        scope = TradingScope(ScopeKind.USER, (mismatch.user_id,))
        try:
            await self._switch.resume(scope, HaltCause.RECONCILIATION, evidence, by)
        except GatewayError as error:
            if error.reason is Reason.HALT_NOT_FOUND:
                return False
            raise
        return True


def _average_price(look: Look, symbol: str) -> Decimal:
    return next((p.average_price for p in look.state.positions if p.symbol == symbol and p.average_price), ZERO)


def _moved(how: str) -> GatewayError:
    return GatewayError(
        Reason.RECONCILIATION_MOVED, f"the account is no longer as the mismatch has it: {how}", metadata={"now": how}
    )


def _settled(mismatch: Reconciliation) -> GatewayError:
    return GatewayError(
        Reason.RECONCILIATION_SETTLED,
        "the mismatch has been settled already",
        metadata={"settledBy": mismatch.settled_by},
    )
