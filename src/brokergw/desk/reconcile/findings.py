"""What is done about a comparison: trading is stopped, it goes on the record, and people are told."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Final

import structlog

from brokergw.desk.reconcile.needs import Switch
from brokergw.desk.sessions import Session
from brokergw.model.account import Connection
from brokergw.model.alerts import Alert, AlertKind, Severity
from brokergw.model.events import AuditRow
from brokergw.model.ids import new_id
from brokergw.model.reconciliation import Baseline, Difference, Explanation, Finding, Reconciliation, Trigger
from brokergw.model.trading import HaltCause, ScopeKind, TradingScope, TradingState
from brokergw.model.whose import only
from brokergw.ports.clock import Clock
from brokergw.ports.notifier import Notifier
from brokergw.ports.reconciliations import ReconciliationQuery, Reconciliations

GATEWAY: Final = "gateway:reconciliation"
"""Who halts, in the gateway's own name."""

_AGREEING_ROUNDS: Final = 2
_UNDECIDED_ROUNDS: Final = 5
_NAMED_MAX: Final = 5

log = structlog.get_logger(__name__)


class Findings:
    """Acts on what comparisons came to.

    A mismatch stops its user first and is written down after that, so that no failure in between lets an order
    through. Only a mismatch that was not known stops: whoever has resumed trading in its presence is not overruled by
    the next look at the same one.
    """

    def __init__(self, reconciliations: Reconciliations, switch: Switch, notifier: Notifier, clock: Clock) -> None:
        self._reconciliations = reconciliations
        self._switch = switch
        self._notifier = notifier
        self._clock = clock
        self._on_change: Callable[[], Awaitable[None]] | None = None

    def on_change(self, listener: Callable[[], Awaitable[None]]) -> None:
        """Await a function whenever a mismatch came to stand, or was settled."""
        self._on_change = listener

    async def open_of(self, own: Connection) -> Reconciliation | None:
        """Give the account's mismatch that stands."""
        query = ReconciliationQuery(whose=only(own.user_id), account_ids=(own.account_id,), open_only=True, limit=1)
        return next(iter(await self._reconciliations.list(query)), None)

    async def conclude(
        self,
        session: Session,
        trigger: Trigger,
        finding: Finding,
        *,
        as_of_ns: int,
        differences: tuple[Difference, ...] = (),
        detail: str = "",
        baseline: Baseline | None = None,
    ) -> Reconciliation:
        """Act on a finding and write it down; gives it as it stands on the record."""
        own = session.connection
        latest = await self._reconciliations.latest(own.user_id, own.account_id)
        standing = await self.open_of(own)
        read = finding is not Finding.FAILED
        fresh = Reconciliation(
            reconciliation_id=new_id("rec"),
            user_id=own.user_id,
            account_id=own.account_id,
            trigger=trigger,
            finding=finding,
            first_ns=as_of_ns,
            as_of_ns=as_of_ns,
            differences=differences,
            detail=detail,
            good_ns=as_of_ns if read else latest.good_ns if latest is not None else None,
            baseline=baseline or (latest.baseline if latest is not None else None),
        )
        if finding is Finding.MISMATCH and standing is not None and _same(standing, fresh):
            return await self._again(standing, fresh)
        if latest is not None and latest.settle_time_ns is None and _same(latest, fresh):
            again = await self._again(latest, fresh)
            await self._close_if_agreed(session, again, standing)
            return again
        await self._act(session, fresh, standing)
        return fresh

    async def _again(self, known: Reconciliation, fresh: Reconciliation) -> Reconciliation:
        again = replace(
            known,
            as_of_ns=fresh.as_of_ns,
            rounds=known.rounds + 1,
            detail=fresh.detail,
            good_ns=fresh.good_ns,
            baseline=fresh.baseline,
        )
        await self._reconciliations.put(again)
        if again.rounds == _UNDECIDED_ROUNDS and again.finding in {Finding.INCONCLUSIVE, Finding.FAILED}:
            self._tell(again, Severity.WARNING)
        return again

    async def _act(self, session: Session, fresh: Reconciliation, standing: Reconciliation | None) -> None:
        account_id = session.connection.account_id
        log.log(_LEVELS[fresh.finding], "account compared", account_id=account_id, **_facts(fresh))
        if fresh.finding is Finding.MISMATCH:
            await self._switch.halt(
                _scope(session), HaltCause.RECONCILIATION, TradingState.HALTED, _sentence(fresh), GATEWAY
            )
        await self._reconciliations.put(fresh, _audit(session, fresh))
        if fresh.finding is Finding.MISMATCH:
            if standing is not None:
                await self.close(standing, f"replaced by {fresh.reconciliation_id}")
            await self._changed()
        severity = _severity(fresh)
        if severity is not None:
            self._tell(fresh, severity)

    def _tell(self, finding: Reconciliation, severity: Severity) -> None:
        self._notifier.notify(
            Alert(
                kind=AlertKind.RECONCILIATION_MISMATCH,
                severity=severity,
                subject=finding.account_id,
                message=_sentence(finding),
                time_ns=self._clock.now_ns(),
                user_id=finding.user_id,
                facts=tuple(_told(finding.differences)),
            )
        )

    async def _close_if_agreed(self, session: Session, agreed: Reconciliation, standing: Reconciliation | None) -> None:
        """Close a mismatch once two comparisons in a row found nothing; the halt is left to a person."""
        if standing is None or agreed.finding is not Finding.AGREED or agreed.rounds < _AGREEING_ROUNDS:
            return
        await self.close(standing, "record and broker agree again")
        log.warning("mismatch gone", account_id=session.connection.account_id, mismatch=standing.reconciliation_id)

    async def close(
        self, standing: Reconciliation, evidence: str, settled_by: str = "", audit: AuditRow | None = None
    ) -> bool:
        """Settle a mismatch, by itself or by the person whose audit row is given; False when a person has before."""
        now_ns = self._clock.now_ns()
        settled = await self._reconciliations.settle(
            standing.user_id,
            standing.reconciliation_id,
            settled_by,
            now_ns,
            evidence,
            audit or _closed(standing, now_ns, evidence),
        )
        await self._changed()
        return settled

    async def _changed(self) -> None:
        if self._on_change is not None:
            await self._on_change()


_LEVELS: Final = {
    Finding.AGREED: 20,
    Finding.WARNED: 30,
    Finding.MISMATCH: 50,
    Finding.INCONCLUSIVE: 30,
    Finding.FAILED: 30,
}


def _same(known: Reconciliation, fresh: Reconciliation) -> bool:
    return known.finding is fresh.finding and known.differences == fresh.differences


def _scope(session: Session) -> TradingScope:
    return TradingScope(ScopeKind.USER, (session.connection.user_id,))


def _severity(fresh: Reconciliation) -> Severity | None:
    if fresh.finding is Finding.MISMATCH:
        return Severity.CRITICAL
    if fresh.finding is not Finding.WARNED:
        return None
    older = all(each.explanation is Explanation.OLDER for each in fresh.differences)
    return Severity.INFO if older else Severity.WARNING


def _sentence(fresh: Reconciliation) -> str:
    """Say what differs, a few things by name, or why that is not known."""
    if fresh.finding in {Finding.INCONCLUSIVE, Finding.FAILED}:
        return f"account {fresh.account_id} could not be compared {fresh.rounds} times in a row: {fresh.detail}"
    shown = [_in_words(each) for each in fresh.differences if fresh.finding is Finding.WARNED or not each.explained]
    more = f" and {len(shown) - _NAMED_MAX} more" if len(shown) > _NAMED_MAX else ""
    return f"account {fresh.account_id}: {'; '.join(shown[:_NAMED_MAX])}{more}"


def _in_words(difference: Difference) -> str:
    words = f"{difference.kind} {difference.subject}: record {difference.record}, broker {difference.broker}"
    return f"{words} ({difference.detail})" if difference.detail else words


def _told(differences: Iterable[Difference]) -> Iterable[tuple[str, str]]:
    for each in differences:
        name = f"{each.kind}/{each.subject}"
        yield f"{name}/record", each.record
        yield f"{name}/broker", each.broker


def _facts(fresh: Reconciliation) -> dict[str, object]:
    return {
        "finding": fresh.finding.value,
        "trigger": fresh.trigger.value,
        "differences": [_in_words(each) for each in fresh.differences],
        "detail": fresh.detail,
    }


def _closed(standing: Reconciliation, now_ns: int, evidence: str) -> AuditRow:
    return AuditRow(
        time_ns=now_ns,
        request_id="",
        user_id=standing.user_id,
        key_id="",
        action="account.settled",
        outcome="BY_ITSELF",
        reason=standing.reconciliation_id,
        account_id=standing.account_id,
        detail=evidence,
    )


def _audit(session: Session, fresh: Reconciliation) -> AuditRow:
    return AuditRow(
        time_ns=fresh.as_of_ns,
        request_id="",
        user_id=session.connection.user_id,
        key_id="",
        action="account.compared",
        outcome=fresh.finding.value,
        account_id=fresh.account_id,
        detail="; ".join(map(_in_words, fresh.differences))[:1_000] or fresh.detail,
    )
