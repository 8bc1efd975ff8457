"""The composition root: the only place that knows every part."""

import asyncio
from collections.abc import Awaitable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, Self, runtime_checkable

import structlog
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

from brokergw.app.alerts import open_alerts
from brokergw.app.audit import audit_keeping
from brokergw.app.calendar_file import hours_sources
from brokergw.app.catalog import open_catalog
from brokergw.app.chaos import crashes_of, require_no_live_money, simulated_live
from brokergw.app.clock import SystemClock
from brokergw.app.clocks import ClockGauge
from brokergw.app.database import owner_url
from brokergw.app.doubts import Doubts
from brokergw.app.identity import IdentityParts
from brokergw.app.oauth import open_oauth, open_web
from brokergw.app.secrets import Secrets, load_secrets
from brokergw.app.settings import Settings, split_address
from brokergw.app.tracing import open_tracing
from brokergw.app.vault import watch_keys
from brokergw.desk.alerts.delivery import Alerts
from brokergw.desk.audit.trail import AuditTrail
from brokergw.desk.desk import Desk
from brokergw.desk.feeds.upkeep import UpkeepSettings
from brokergw.desk.halts.halting import Halting
from brokergw.desk.limits.codes import CodeToRaise
from brokergw.desk.limits.desk import LimitsDesk
from brokergw.desk.limits.usage import UsageByLedger
from brokergw.desk.live.live import Live, LiveParts
from brokergw.desk.reconcile.wiring import ReconcileNeeds
from brokergw.desk.rules import DeskRules
from brokergw.model.account import ConnectionHealth
from brokergw.model.errors import GatewayError
from brokergw.ports.broker import AdapterFactory
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Journal
from brokergw.rpc.server import RpcServer, build_server
from brokergw.rpc.settings import RateSettings, RpcSettings, TlsSettings
from brokergw.store.emergency import JsonLinesEmergency
from brokergw.store.evidence import JsonLinesEvidence
from brokergw.store.halts.file import JsonHaltFile
from brokergw.store.open import Store, open_store
from brokergw.transport.oauth.client import TokenClient
from brokergw.web.server import WebServer

_HEALTH_EVERY_S: Final = 1.0

log = structlog.get_logger(__name__)


@runtime_checkable
class _Closable(Protocol):
    def close(self) -> Awaitable[None] | None:
        """Give up what all connections of a broker share."""
        ...


@dataclass(slots=True, repr=False)
class Gateway:
    """One gateway process, whole: start it, drain it, stop it."""

    settings: Settings
    secrets: Secrets
    store: Store
    desk: Desk
    identity: IdentityParts
    server: RpcServer
    registry: CollectorRegistry
    closing: tuple[_Closable, ...]
    tracing: TracerProvider | None
    doubts: Doubts
    clocks: ClockGauge
    alerts: Alerts
    web: WebServer | None = None
    web_port: int | None = None
    _watching: tuple[asyncio.Task[None], ...] = ()

    @classmethod
    def build(cls, settings: Settings) -> Self:
        """Wire every part; must run inside the event loop that will serve. Nothing is listening yet."""
        clock = SystemClock()
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        secrets = load_secrets(settings)
        store = open_store(
            settings.store_url,
            clock=clock,
            credentials_key=secrets.credentials_keys,
            audit=audit_keeping(settings, secrets),
            upgrade_tables=settings.upgrades_itself,
            owner_url=owner_url(settings),
        )
        catalog = open_catalog(settings, clock)
        journal: Journal = store.journal
        crashes = crashes_of(settings)
        if crashes is not None:
            journal, catalog = crashes.journal(journal), crashes.catalog(catalog)
        gates = settings.gate_settings
        upkeep = UpkeepSettings(live_s=settings.sweep_live_s, blind_s=settings.sweep_blind_s)
        evidence = JsonLinesEvidence(settings.data_dir / "evidence")
        emergency = JsonLinesEmergency(settings.data_dir / "emergency")
        live = _open_live(settings, store, clock)
        alerts = open_alerts(settings, store.alerts, clock)
        limits = _open_limits(settings, store, catalog, live, clock)
        halts_kept = JsonHaltFile(settings.data_dir / "halts")
        halting = Halting(store.halts, clock, file=halts_kept, notify=alerts.notify)
        endpoint = TokenClient()
        desk = Desk(
            journal,
            store.connections,
            catalog,
            clock,
            gates,
            store.leases,
            live,
            upkeep,
            evidence,
            _rules_of(settings),
            limits=limits,
            notifier=alerts,
            hours=hours_sources(settings, store),
            halting=halting,
            reconcile=ReconcileNeeds(store.reconciliations, halting.switch, alerts, settings.reconcile),
            risk_days=store.risk_days,
            emergency=emergency,
        )
        desk.authorize_by(open_oauth(settings, store, endpoint))
        tracing = open_tracing(settings.otlp_endpoint) if settings.otlp_endpoint else None
        registry = CollectorRegistry()
        doubts, clocks = Doubts(registry, store.journal, clock), ClockGauge(registry)
        identity = IdentityParts(settings, store, secrets, clock)
        server = build_server(
            desk if crashes is None else crashes.desk(desk),
            store.journal,
            identity.caller,
            rpc_settings(settings),
            access=identity.access,
            trail=AuditTrail(store.audit),
            cursor_key=secrets.cursor_key,
            clock=clock,
            registry=registry,
            tracer=tracing.get_tracer("brokergw") if tracing is not None else None,
        )
        closing = _closing(catalog, evidence, emergency, halts_kept, endpoint)
        return cls(settings, secrets, store, desk, identity, server, registry, closing, tracing, doubts, clocks, alerts)

    async def start(self) -> int:
        """Recover, open the sessions, then listen; gives the port. Raises StoreServed."""
        await self.store.claim()
        if self.settings.chaos:
            await require_no_live_money(self.store.connections, simulated_live(self.settings))
        self.alerts.start()
        await self.desk.start()
        port = await self.server.start()
        self.store.begin_service()
        self.web = open_web(self.settings, self.desk, self.store, SystemClock())
        if self.web is not None:
            self.web_port = await self.web.start()
        self._watching = (
            asyncio.create_task(self._watch_health(), name="watch health"),
            *self.identity.start(),
            asyncio.create_task(watch_keys(self.store.vault, SystemClock()), name="watch the keys that seal"),
        )
        return port

    async def drain(self) -> None:
        """End in order: refuse new work, end the streams, let calls and sends finish."""
        grace = self.settings.drain_grace_s
        await self.server.drain(grace)
        if left := await self.desk.settle(grace):
            log.error("sends had not ended when the grace was over; they are in doubt now", sends=left)

    async def stop(self) -> None:
        """Give up everything."""
        for task in self._watching:
            task.cancel()
        if self.web is not None:
            await self.web.stop()
        await self.desk.stop()
        await self.alerts.stop()
        for part in self.closing:
            waiting = part.close()
            if waiting is not None:
                await waiting
        await self.identity.stop()
        await self.store.close()
        if self.tracing is not None:
            self.tracing.shutdown()

    async def _watch_health(self) -> None:
        """Show readiness (ours alone) and each broker's health, kept apart."""
        while True:
            try:
                await self.store.ping()
                await self.doubts.look()
                self.server.health.set_ready(ready=True)
            except GatewayError as error:
                log.error("not ready", reason=error.reason.value)  # noqa: TRY400 - the reason says it all
                self.server.health.set_ready(ready=False)
            self.clocks.look(self.desk.sessions())
            healthy: dict[str, bool] = {}
            for session in self.desk.sessions():
                broker = session.connection.broker
                healthy[broker] = healthy.get(broker, False) or session.health is ConnectionHealth.HEALTHY
            for broker, up in healthy.items():
                self.server.health.set_broker(broker, serving=up)
            await asyncio.sleep(_HEALTH_EVERY_S)


def _closing(catalog: Mapping[str, AdapterFactory], *others: _Closable) -> tuple[_Closable, ...]:
    """List what is given up at the end, in order."""
    return *(factory for factory in catalog.values() if isinstance(factory, _Closable)), *others


def _rules_of(settings: Settings) -> DeskRules:
    return DeskRules(
        absence_quarantine_s=settings.absence_quarantine_s,
        key_retention_days=settings.key_retention_days,
        key_tombstone_days=settings.key_tombstone_days,
        event_retention_days=settings.event_retention_days,
    )


def _open_limits(settings: Settings, store: Store, brokers: Collection[str], live: Live, clock: Clock) -> LimitsDesk:
    """Wire what is set in each scope to who may set it and what is used of it."""
    days = settings.trading_days()
    return LimitsDesk(
        store.limits,
        settings.mandatory_limits,
        brokers,
        clock,
        days,
        CodeToRaise(store.authenticators, live.mfa),
        UsageByLedger(store.journal, days, clock),
    )


def _open_live(settings: Settings, store: Store, clock: SystemClock) -> Live:
    parts = LiveParts(
        modes=store.modes,
        authenticators=store.authenticators,
        directory=store.connections,
        record=store.journal.record,
        clock=clock,
    )
    return Live(parts, settings.live_rules)


def rpc_settings(settings: Settings) -> RpcSettings:
    """Give the edge its part of the settings."""
    host, port = split_address(settings.listen)
    tls = None
    if settings.tls_certificate:
        tls = TlsSettings(
            certificate=settings.tls_certificate,
            private_key=settings.tls_private_key,
            client_ca=settings.tls_client_ca,
            version_min=settings.tls_version_min,
        )
    return RpcSettings(
        host=host,
        port=port,
        tls=tls,
        allow_plaintext=settings.allow_plaintext,
        reflection=settings.reflection,
        stream_age_max_s=settings.stream_age_max_s,
        stream_stall_max_s=settings.stream_stall_max_s,
        client_connections=settings.client_connections,
        rates=RateSettings(
            orders_per_minute=settings.orders_per_minute,
            reads_per_minute=settings.reads_per_minute,
            connections_per_minute=settings.connections_per_minute,
            streams_max=settings.streams_max,
            calls_in_flight_max=settings.calls_in_flight_max,
            unread_bytes_max=settings.user_unread_bytes_max,
            client_connections_max=settings.user_client_connections_max,
            address_client_connections_max=settings.address_client_connections_max,
            public_streams_max=settings.public_streams_max,
            address_calls_per_minute=settings.address_calls_per_minute,
            failed_credentials_per_minute=settings.failed_credentials_per_minute,
        ),
    )
