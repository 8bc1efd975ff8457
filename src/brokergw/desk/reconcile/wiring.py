"""The parts of comparing accounts, put together."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from brokergw.desk.feeds.adoption import Adoption
from brokergw.desk.feeds.holding import Holding
from brokergw.desk.feeds.upkeep import Upkeep
from brokergw.desk.gates.gates import GateChecks
from brokergw.desk.reconcile.comparison import Comparison
from brokergw.desk.reconcile.drift import Drift
from brokergw.desk.reconcile.explaining import Explaining
from brokergw.desk.reconcile.findings import Findings
from brokergw.desk.reconcile.look import Looker
from brokergw.desk.reconcile.needs import Switch
from brokergw.desk.reconcile.rounds import Rounds
from brokergw.desk.reconcile.schedule import ReconcileSettings, Schedule
from brokergw.desk.reconcile.settling import Settling
from brokergw.desk.record.book import OrderBook
from brokergw.model.errors import GatewayError
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Journal
from brokergw.ports.notifier import Notifier
from brokergw.ports.reconciliations import Reconciliations

_LEARN_EVERY_S: Final = 1.0
_PRUNE_EVERY_S: Final = 3600.0
_PRUNED_AT_ONCE: Final = 500
_DAY_NS: Final = 24 * 3600 * 1_000_000_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReconcileNeeds:
    """What comparing takes from outside the desk."""

    reconciliations: Reconciliations
    switch: Switch
    notifier: Notifier
    settings: ReconcileSettings = field(default_factory=ReconcileSettings)


@dataclass(frozen=True, slots=True)
class ReconcileParts:
    """The desk's own parts that comparing works with."""

    journal: Journal
    book: OrderBook
    adoption: Adoption
    upkeep: Upkeep
    holding: Holding
    clock: Clock


class Reconciling:
    """Comparing accounts, whole."""

    def __init__(self, needs: ReconcileNeeds, parts: ReconcileParts) -> None:
        journal, clock = parts.journal, parts.clock
        self._needs = needs
        self._journal = journal
        self._clock = clock
        reconciliations = needs.reconciliations
        looker = Looker(journal, clock)
        self.findings = Findings(reconciliations, needs.switch, needs.notifier, clock)
        self.rounds = Rounds(
            Comparison(looker, journal, parts.book, parts.adoption, parts.upkeep, clock),
            Explaining(journal, looker, clock),
            self.findings,
            journal,
            reconciliations,
            needs.settings.policy,
            clock,
        )
        self.schedule = Schedule(self.rounds, reconciliations, journal, needs.settings, clock)
        self.reconciliations = reconciliations
        self.settling = Settling(looker, self.findings, reconciliations, journal, needs.switch, clock)
        self.drift = Drift(reconciliations, clock)
        self.findings.on_change(self.drift.refresh)
        parts.holding.on_take(self.schedule.start)

    def guarding(self, checks: GateChecks) -> GateChecks:
        """Put the check for open mismatches behind those of the exposure gate."""
        return replace(checks, exposure=(*checks.exposure, self.drift))

    async def run(self) -> None:
        """Do what is not any one account's: until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.drift.keep(), name="open mismatches")
            tasks.create_task(self._prune(), name="old comparisons")
            if self._journal.shared:
                tasks.create_task(self._learn(), name="comparisons asked for")

    async def _learn(self) -> None:
        while True:
            try:
                await self.schedule.learn()
            except GatewayError as error:
                log.warning("comparisons asked for are not known", reason=error.reason.value)
            await self._clock.sleep(_LEARN_EVERY_S)

    async def _prune(self) -> None:
        keep_ns = self._needs.settings.keep_days * _DAY_NS
        while True:
            await self._clock.sleep(_PRUNE_EVERY_S)
            try:
                while await self._needs.reconciliations.prune(self._clock.now_ns() - keep_ns, _PRUNED_AT_ONCE):
                    await self._clock.sleep(1.0)
            except GatewayError as error:
                log.warning("old comparisons stay", reason=error.reason.value)
