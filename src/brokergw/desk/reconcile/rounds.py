"""One round of an account: compare, explain, anchor what is explained, and act on the rest."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Final
from weakref import WeakValueDictionary

import structlog

from brokergw.desk.reconcile.comparison import Comparison, Seen
from brokergw.desk.reconcile.explaining import Explained, Explaining
from brokergw.desk.reconcile.findings import Findings
from brokergw.desk.reconcile.history import News
from brokergw.desk.reconcile.look import Look
from brokergw.desk.sessions import Session
from brokergw.model.account import Transaction
from brokergw.model.errors import GatewayError
from brokergw.model.order import ZERO
from brokergw.model.reconciliation import (
    Baseline,
    Difference,
    DifferenceKind,
    Finding,
    Reconciliation,
    ReconciliationPolicy,
    Trigger,
)
from brokergw.ports.clock import Clock
from brokergw.ports.ledger import Ledger
from brokergw.ports.reconciliations import Reconciliations

_TRANSACTIONS_KEPT_MAX: Final = 1_000

log = structlog.get_logger(__name__)


class Rounds:
    """Runs rounds, one at a time for each account."""

    def __init__(
        self,
        comparison: Comparison,
        explaining: Explaining,
        findings: Findings,
        ledger: Ledger,
        reconciliations: Reconciliations,
        default_policy: ReconciliationPolicy,
        clock: Clock,
    ) -> None:
        self._comparison = comparison
        self._explaining = explaining
        self._findings = findings
        self._ledger = ledger
        self._reconciliations = reconciliations
        self._default_policy = default_policy
        self._clock = clock
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def policy_of(self, user_id: str) -> ReconciliationPolicy:
        """Give what a user's comparisons tolerate."""
        return await self._reconciliations.policy(user_id) or self._default_policy

    async def run(self, session: Session, trigger: Trigger) -> Reconciliation:
        """Compare an account and act on it; raises GatewayError only when the record cannot be read or written.

        A broker that cannot be read is a finding of its own: it says nothing about what the account holds.
        """
        lock = self._turns.setdefault(session.connection.account_id, asyncio.Lock())
        async with lock:
            return await self._run(session, trigger)

    async def _run(self, session: Session, trigger: Trigger) -> Reconciliation:
        own = session.connection
        latest = await self._reconciliations.latest(own.user_id, own.account_id)
        baseline = latest.baseline if latest is not None else None
        policy = await self.policy_of(own.user_id)
        if baseline is None:
            trigger = Trigger.FIRST
        try:
            seen = await self._comparison(session, baseline, policy.cash_tolerance)
            explained = Explained((), (), News())
            if seen.standing or baseline is None:
                explained = await self._explaining(session, seen, baseline, policy)
        except GatewayError as error:
            now = self._clock.now_ns()
            detail = f"{error.reason}: {error.message}"
            return await self._findings.conclude(session, trigger, Finding.FAILED, as_of_ns=now, detail=detail)
        return await self._act(session, trigger, seen, explained, baseline)

    async def _act(
        self, session: Session, trigger: Trigger, seen: Seen, explained: Explained, baseline: Baseline | None
    ) -> Reconciliation:
        as_of_ns = seen.look.as_of_ns
        unexplained = tuple(each for each in explained.differences if not each.explained)
        taken = tuple([each for each in explained.differences if each.explained and await self._anchor(seen, each)])
        refused = [each.subject for each in explained.differences if each.explained and each not in taken]
        restless = (*seen.restless, *explained.doubtful, *refused)
        if unexplained:
            return await self._findings.conclude(
                session, trigger, Finding.MISMATCH, as_of_ns=as_of_ns, differences=(*unexplained, *taken)
            )
        if restless:
            detail = f"still on the move: {', '.join(sorted(restless))}"
            return await self._findings.conclude(
                session, trigger, Finding.INCONCLUSIVE, as_of_ns=as_of_ns, differences=taken, detail=detail
            )
        return await self._findings.conclude(
            session,
            trigger,
            Finding.WARNED if taken else Finding.AGREED,
            as_of_ns=as_of_ns,
            differences=taken,
            baseline=baseline_of(seen.look, explained.news.lines, baseline, quiet=seen.quiet),
        )

    async def _anchor(self, seen: Seen, difference: Difference) -> bool:
        """Take the broker's position over; False when the record has moved since it was compared."""
        if difference.kind is not DifferenceKind.POSITION:
            return True
        shown = next((p for p in seen.look.state.positions if p.symbol == difference.subject), None)
        cost = (shown.average_price if shown is not None else None) or ZERO
        return await self._ledger.anchor(
            seen.look.user_id,
            seen.look.account_id,
            difference.subject,
            Decimal(difference.broker),
            cost,
            Decimal(difference.record),
        )


def baseline_of(look: Look, history: Iterable[Transaction], before: Baseline | None, *, quiet: bool) -> Baseline:
    """Say where an account stands: with its cash, if it was quiet enough to tell to which fills that belongs."""
    account = look.state.account
    known = before.transactions if before is not None else frozenset()
    fresh = Baseline(
        as_of_ns=look.as_of_ns,
        cash=account.cash,
        currency=account.currency,
        sequence=look.sequence,
        legs=tuple(sorted(look.holdings.legs.items())),
        # Lines outside the days that are asked for need not be remembered; ids of most brokers begin with the day.
        transactions=frozenset(sorted(known | News.of(history, known).ids)[-_TRANSACTIONS_KEPT_MAX:]),
    )
    if quiet:
        return fresh
    if before is None:
        return replace(fresh, cash=None)
    return replace(
        fresh, cash=before.cash, currency=before.currency, sequence=before.sequence, as_of_ns=before.as_of_ns
    )
