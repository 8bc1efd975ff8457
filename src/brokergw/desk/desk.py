"""The desk: every use case of the gateway behind one face, wired once at start-up."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

import structlog

from brokergw.desk.alerts.limits import LimitAlerts
from brokergw.desk.alerts.logged import LoggedAlerts
from brokergw.desk.clearing.clearing import Clearing
from brokergw.desk.connections.card import ConnectionCard
from brokergw.desk.connections.cards import Cards
from brokergw.desk.connections.watch import ConnectionWatch
from brokergw.desk.doubt.left_answers import LeftAnswers
from brokergw.desk.doubt.recovery import Recovery
from brokergw.desk.doubt.resolver import Resolver
from brokergw.desk.emergency.parts import EmergencyParts
from brokergw.desk.emergency.replay import ReplayParts
from brokergw.desk.feeds.adoption import Adoption
from brokergw.desk.feeds.feed import Feeds
from brokergw.desk.feeds.holding import Holding
from brokergw.desk.feeds.upkeep import Upkeep, UpkeepSettings
from brokergw.desk.gates.choosing import ChoosingGate
from brokergw.desk.gates.gates import GateChecks, Gates
from brokergw.desk.gates.one_at_a_time import OneAtATime
from brokergw.desk.gates.own_orders import OwnOrders
from brokergw.desk.gates.standard import GateSettings, standard_checks
from brokergw.desk.halts.halting import Halting
from brokergw.desk.halts.states import TradingStates
from brokergw.desk.halts.unbooked import NoHaltBook
from brokergw.desk.hours.parts import HoursParts, HoursSources
from brokergw.desk.identity.reach import Reach
from brokergw.desk.keys.recall import Recall
from brokergw.desk.keys.retention import Retention
from brokergw.desk.keys.sends import Sends
from brokergw.desk.limits.desk import LimitsDesk
from brokergw.desk.live.live import Live
from brokergw.desk.loss.losses import Losses, LossParts
from brokergw.desk.oauth.authorizing import Beginning, Begun, Callback
from brokergw.desk.oauth.wiring import OAuthParts, OAuthSources, require_oauth
from brokergw.desk.reconcile.wiring import ReconcileNeeds, ReconcileParts, Reconciling
from brokergw.desk.record.admission import Admission
from brokergw.desk.record.answers import Answers
from brokergw.desk.record.book import OrderBook
from brokergw.desk.record.ledger_sweep import LedgerSweep
from brokergw.desk.record.recorder import Recorder
from brokergw.desk.results import Cleared, OrderResult, Result, SweepResult
from brokergw.desk.rules import DeskRules
from brokergw.desk.sessions import Session, Sessions
from brokergw.desk.streams.tail import Tail
from brokergw.desk.streams.watch import Watch, WatchItem, WatchRequest
from brokergw.desk.verbs.cancel import Cancel
from brokergw.desk.verbs.change import Changes
from brokergw.desk.verbs.connections import Connections
from brokergw.desk.verbs.modify import Modify
from brokergw.desk.verbs.parts import Parts
from brokergw.desk.verbs.query import BrokerQuery, RecordQuery
from brokergw.desk.verbs.reconcile import Reconcile
from brokergw.desk.verbs.submit import Submit
from brokergw.desk.verbs.sweep import Sweep
from brokergw.desk.verbs.trading_settings import SettingsVerbs
from brokergw.desk.verbs.verdict import Verdicts
from brokergw.model.commands import (
    CancelAllOrders,
    CancelOrder,
    CloseAll,
    Flatten,
    KeyedCommand,
    ModifyOrder,
    SubmitOrder,
)
from brokergw.model.errors import GatewayError, PreflightDenied, Reason
from brokergw.model.limits import Limits
from brokergw.model.principal import Caller
from brokergw.model.whose import only
from brokergw.ports.broker import AdapterFactory
from brokergw.ports.clock import Clock
from brokergw.ports.directory import ConnectionDirectory
from brokergw.ports.emergency import EmergencyJournal
from brokergw.ports.evidence import EvidenceFile
from brokergw.ports.journal import Journal
from brokergw.ports.leases import Leases
from brokergw.ports.losses import RiskDays
from brokergw.ports.notifier import Notifier

_DISCOVER_EVERY_S: Final = 0.5

log = structlog.get_logger(__name__)


class Desk:
    """What a caller can do, each verb and each question under one name.

    Questions and connection verbs are limited to the caller's own; foreign and missing things answer alike.
    """

    oauth: OAuthParts | None = None

    def __init__(
        self,
        journal: Journal,
        directory: ConnectionDirectory,
        catalog: Mapping[str, AdapterFactory],
        clock: Clock,
        gate_settings: GateSettings,
        leases: Leases,
        live: Live,
        upkeep_settings: UpkeepSettings | None = None,
        evidence: EvidenceFile | None = None,
        rules: DeskRules | None = None,
        *,
        reconcile: ReconcileNeeds | None = None,
        limits: LimitsDesk | None = None,
        hours: HoursSources | None = None,
        notifier: Notifier | None = None,
        halting: Halting | None = None,
        risk_days: RiskDays | None = None,
        emergency: EmergencyJournal | None = None,
    ) -> None:
        self._journal, self._clock, self.live = journal, clock, live
        self._draining, self._background = False, list[asyncio.Task[None]]()
        self._book, self._sends, self._tail = OrderBook(journal), Sends(), Tail(journal, clock)
        self.limits = limits or LimitsDesk.of_settings(_mandatory(gate_settings), clock)
        self._sessions = Sessions(directory, catalog, clock, self.limits.book.broker, self._book.record_of)
        self._notifier = notifier or LoggedAlerts()
        recorder = Recorder(journal, self._book, clock, self._notifier)
        self._rules, self._gate_settings = rules or DeskRules(), gate_settings
        self._resolver = Resolver(recorder, self._book, clock, self._rules, self._notifier)
        adoption = Adoption(journal, self._book, self._sends, clock, self._notifier)
        self._upkeep = upkeep = Upkeep(
            journal, self._book, recorder, adoption, clock, upkeep_settings or UpkeepSettings()
        )
        self._feeds = Feeds(
            journal, self._book, recorder, self._sends, clock,
            adoption=adoption, upkeep=upkeep, notifier=self._notifier,
        )  # fmt: skip
        recovery = Recovery(journal, self._book, self._sends, self._resolver, clock)
        self._holding = Holding(leases, self._sessions, self._feeds, recovery, clock)
        self._ledger_sweep = LedgerSweep(journal, leases, self._notifier, clock)
        self._recall = Recall(journal, self._book, self._sends, clock, self._rules)
        one_at_a_time = OneAtATime(journal)
        self._hours = HoursParts(self._sessions, clock, hours or HoursSources())
        self._halting = halting or Halting(NoHaltBook(), clock)
        self._own_orders = OwnOrders(journal, self._sessions, clock, gate_settings.duplicate_window_s)
        followed = LossParts(journal, self._sessions, self._holding, self.limits, self._halting, self._notifier, clock)
        self.losses = Losses(risk_days, followed) if risk_days is not None else None
        compared = ReconcileParts(journal, self._book, adoption, upkeep, self._holding, clock)
        self._reconciling = Reconciling(reconcile, compared) if reconcile is not None else None
        self._gates = Gates(self._sessions, self._checks(one_at_a_time))
        parts = Parts(
            journal=journal,
            book=self._book,
            answers=Answers(recorder, evidence, clock),
            admission=Admission(journal, recorder, clock),
            sends=self._sends,
            sessions=self._sessions,
            recall=self._recall,
            resolver=self._resolver,
            one_at_a_time=one_at_a_time,
            halting=self._halting,
            limit_alerts=LimitAlerts(self._notifier, self.limits.days.of, clock),
            clock=clock,
            instance_id=leases.instance_id,
            day_of=self.limits.days.of,
        )
        self._wire_verbs(parts, recorder, emergency)
        self._left = LeftAnswers(journal, recorder, self._sessions, evidence, clock) if evidence is not None else None
        self._wire_questions(journal, directory)

    def _without_record(self, file: EmergencyJournal | None) -> EmergencyParts:
        """Make what works while the record is away."""
        replayed = ReplayParts(
            journal=self._journal, book=self._book, sessions=self._sessions, upkeep=self._upkeep, clock=self._clock
        )
        return EmergencyParts(replayed, file)

    def _checks(self, one_at_a_time: OneAtATime) -> GateChecks:
        """List what an order must pass."""
        checks = standard_checks(
            one_at_a_time,
            self._clock,
            self._gate_settings,
            self.live,
            self.limits,
            self._hours,
            self._halting,
            self._own_orders,
            self.losses,
        )
        return checks if self._reconciling is None else self._reconciling.guarding(checks)

    def _wire_verbs(self, parts: Parts, recorder: Recorder, file: EmergencyJournal | None) -> None:
        """Make each verb that does something."""
        journal, clock = self._journal, self._clock
        self._emergency, self._admission = self._without_record(file), parts.admission
        self._submit, self._changes = Submit(parts), Changes(parts)
        self._modify, self._cancel = (
            Modify(self._changes, parts.halting.latch, clock),
            Cancel(self._changes, self._emergency.cancels),
        )
        verdicts = Verdicts(parts, journal, recorder)
        self.list_orders_in_doubt, self.settle_order = verdicts.in_doubt, verdicts.settle
        cancels = self._emergency.cancels
        self._sweep = Sweep(
            journal, self._sends, self._sessions, self._recall, self._submit, self._cancel, cancels, clock
        )
        choosing = ChoosingGate(self.live, self.limits.book, parts.halting, clock)
        self.settings = SettingsVerbs(self._sessions, choosing, journal.record, clock)
        self._watch = Watch(journal, self._tail, self._sessions, clock)
        self._halting.storms.follow(journal)
        self._halting.switch.on_kept(self._emergency.cancels.halted)
        self._clearing = Clearing(
            self._halting,
            self._sessions,
            journal,
            self._upkeep,
            self._cancel,
            self._submit,
            self._emergency.cancels,
            self._notifier,
            clock,
        )
        self.halts = TradingStates(self._halting, self.live.mfa, self._sessions, self._clearing, clock)

    def _wire_questions(self, journal: Journal, directory: ConnectionDirectory) -> None:
        """Put each question under its name."""
        clock = self._clock
        self._reach = Reach(self._sessions, journal)
        record = RecordQuery(journal, self._sessions, self._tail, clock)
        self.get_order, self.get_order_by_client_id = record.order, record.order_by_client_id
        self.list_orders, self.list_order_events = record.orders, record.order_events
        self.list_fills = record.fills
        self.wait_for = record.wait_for

        broker = BrokerQuery(self._sessions, clock)
        self.list_accounts, self.get_account = broker.accounts, broker.account
        self.get_positions = broker.positions
        self.list_transactions = broker.transactions
        self.get_quotes, self.get_instrument = broker.quotes, broker.instrument
        self.brokers = broker.brokers
        self.ping_broker = broker.ping
        self.budgets = broker.budgets

        reconcile = Reconcile(self._reconciling, self._sessions, clock)
        self.reconcile_account, self.list_reconciliations = reconcile.account, reconcile.list
        self.list_mismatches, self.settle_reconciliation = reconcile.mismatches, reconcile.settle
        self.get_reconciliation_policy, self.set_reconciliation_policy = reconcile.policy, reconcile.set_policy

        self._cards = cards = Cards(self.live, self._halting.standing, self.limits.book, clock)
        self._connection_watch = ConnectionWatch(self._sessions, cards, clock)
        self.watch_connections = self._connection_watch.stream
        self._directory = directory
        connections = self._connections = Connections(directory, self._sessions, cards, self._tail, self.live, clock)
        self.create_connection, self.update_connection = connections.create, connections.update
        self.get_connection, self.list_connections = connections.get, connections.list
        self.test_connection, self.revoke_connection = connections.test, connections.revoke

    async def recall(self, caller: Caller, command: KeyedCommand) -> Result | None:
        """Give the answer that a command's key stands for already, or None when the call is to go on."""
        try:
            if caller.principal.restricted:
                known = await self._reach.recalled(caller, command, lambda: self._recall(caller, command))
            else:
                known = await self._recall(caller, command)
        except GatewayError as error:
            if not self._emergency.cancels.takes(command, error):
                raise
            # What the key stands for is not known, and asking twice for an end does no harm.
            known = None
        if known is None and self._draining:
            raise GatewayError(Reason.SERVER_DRAINING, "the server is shutting down", retry_after_s=1.0)
        return known

    async def clear(self, caller: Caller, command: SubmitOrder | ModifyOrder) -> Cleared[SubmitOrder | ModifyOrder]:
        """Run the gates. A gate's refusal of an order is recorded as the key's final answer."""
        if isinstance(command, ModifyOrder):
            order = await self._changes.owned(caller, command.order_id)
            return await self._gates.clear_modify(caller, command, order)
        try:
            return await self._gates.clear_submit(caller, command)
        except PreflightDenied as denial:
            session = await self._sessions.of_account(only(caller.user_id), command.account_id)
            if session is not None and not command.validate_only:
                await self._submit.deny(caller, command, session.connection.broker, denial)
            raise

    def authorize_by(self, sources: OAuthSources) -> None:
        """Authorise connections by OAuth; before the start."""
        self.oauth = OAuthParts(sources, self._sessions, self._directory, self._notifier, self._clock)
        self._connections.revoking = self.oauth.revoking

    async def begin_oauth(self, caller: Caller, wanted: Beginning) -> Begun:
        """Begin an authorization at a broker."""
        return await require_oauth(self.oauth).begin(caller, wanted)

    async def complete_oauth(self, caller: Caller, callback: Callback) -> ConnectionCard:
        """Complete an authorization at a broker."""
        status = await require_oauth(self.oauth).complete(caller.user_id, callback)
        return await self._cards.of(await self._sessions.open(status.connection))

    async def submit(self, caller: Caller, cleared: Cleared[SubmitOrder]) -> OrderResult:
        """Place a cleared order."""
        return await self._submit(caller, cleared)

    async def modify(self, caller: Caller, cleared: Cleared[ModifyOrder]) -> OrderResult:
        """Change a working order."""
        return await self._modify(caller, cleared)

    async def cancel(self, caller: Caller, command: CancelOrder) -> OrderResult:
        """Ask for the cancel of one order."""
        return await self._cancel(caller, command)

    async def cancel_all(self, caller: Caller, command: CancelAllOrders) -> SweepResult:
        """Ask for the cancel of every open order of an account."""
        return await self._sweep.cancel_all(caller, command)

    async def flatten(self, caller: Caller, command: Flatten) -> SweepResult:
        """Cancel and close an account or one symbol of it."""
        return await self._sweep.flatten(caller, command)

    async def close_all(self, caller: Caller, command: CloseAll) -> SweepResult:
        """Cancel and close everything the caller owns."""
        result = await self._sweep.close_all(caller, command)
        return await self._reach.showable(caller, result) if caller.principal.restricted else result

    def watch(self, caller: Caller, request: WatchRequest) -> AsyncIterator[WatchItem]:
        """Run a stream."""
        return self._watch.stream(caller, request)

    def sessions(self) -> Sequence[Session]:
        """The open sessions, for health and metrics."""
        return self._sessions.all()

    async def start(self) -> None:
        """Open the sessions, take the connections that nobody holds, and start finding out what dead senders left."""
        await self.limits.book.refresh()
        self._background.append(asyncio.create_task(self.limits.book.run(), name="limits"))
        await self._halting.start()
        await self._sessions.open_all()
        if self._reconciling is not None:
            await self._reconciling.drift.refresh()
            self._background.append(asyncio.create_task(self._reconciling.run(), name="comparisons"))
        if self.losses is not None:
            self._background.extend(await self.losses.start())
        self._background.extend(await self._hours.start())
        await self._holding.start()
        if self.oauth is not None:
            self._background.append(self.oauth.start())
        self._background.append(asyncio.create_task(self._clearing.run(), name="clear halted scopes"))
        self._background.append(asyncio.create_task(self._discover(), name="discover connections"))
        self._background.append(asyncio.create_task(self._own_orders.run(), name="own orders"))
        retention = Retention(self._journal, self._sessions, self._clock, self._rules)
        self._background.append(asyncio.create_task(retention.run(), name="key retention"))
        self._background.append(asyncio.create_task(self._ledger_sweep.run(), name="ledger sweep"))
        self._background.extend(self._emergency.start())
        if self._left is not None:
            self._background.append(asyncio.create_task(self._left.take_up(), name="answers left over"))

    async def _discover(self) -> None:
        """Find connections that another process has made or revoked."""
        while True:
            await self._clock.sleep(_DISCOVER_EVERY_S)
            try:
                if await self._sessions.open_all():
                    # Streams of a connection that was revoked end now, not with their next heartbeat.
                    self._tail.ring()
            except GatewayError as error:
                log.warning("connections could not be looked for", reason=error.reason.value)
            except Exception:
                log.exception("discovery of connections failed")

    def drain(self) -> None:
        """Refuse new mutations and end the streams."""
        self._draining = True
        self._watch.drain()
        self._connection_watch.drain()

    async def settle(self, grace_s: float) -> int:
        """Wait for the sends in flight; gives how many had not ended in time."""
        return await self._sends.settle(grace_s)

    async def stop(self) -> None:
        """End everything that runs in the background."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        if self.oauth is not None:
            await self.oauth.stop()
        await self.settings.stop()
        await self._admission.stop()
        await self._emergency.cancels.stop()
        await self._halting.stop()
        await self._holding.stop()
        await self._sessions.stop()


def _mandatory(settings: GateSettings) -> Limits:
    """Give the limits of a desk that keeps no others."""
    return Limits(order_notional_max=settings.order_notional_max)
