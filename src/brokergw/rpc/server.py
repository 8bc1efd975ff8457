"""The gRPC server: assembled from a desk, started, and drained so that no admitted call fails."""

import asyncio
from typing import Final

from grpc import aio
from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry

from brokergw.desk.audit.trail import AuditTrail
from brokergw.desk.identity.access import Access
from brokergw.ports.clock import Clock
from brokergw.ports.identity import Identity
from brokergw.rpc.answers import Answers
from brokergw.rpc.budgets import Budgets
from brokergw.rpc.chain import CHAIN, Parts
from brokergw.rpc.flight import Flight
from brokergw.rpc.health import HEALTH_POLICIES, Health
from brokergw.rpc.health import SERVICE as HEALTH_SERVICE
from brokergw.rpc.listener import listener_of
from brokergw.rpc.methods import POLICIES, SERVICES
from brokergw.rpc.needs import AuditBook, DeskFace
from brokergw.rpc.policy import MethodPolicy
from brokergw.rpc.reflection import REFLECTION_POLICIES, REFLECTION_SERVICES, Reflection
from brokergw.rpc.routes import Routes
from brokergw.rpc.services.accounts import AccountService
from brokergw.rpc.services.admin import AdminService
from brokergw.rpc.services.audit import AuditService
from brokergw.rpc.services.brokers import BrokerService
from brokergw.rpc.services.connection_stream import ConnectionStream
from brokergw.rpc.services.connections import ConnectionService
from brokergw.rpc.services.fills import FillService
from brokergw.rpc.services.keys import KeyService
from brokergw.rpc.services.market_data import MarketDataService
from brokergw.rpc.services.operations import OperationsService
from brokergw.rpc.services.orders import OrderService
from brokergw.rpc.services.positions import PositionService
from brokergw.rpc.services.quotas import QuotaService
from brokergw.rpc.services.reconciliation import ReconciliationService
from brokergw.rpc.services.risk import RiskService
from brokergw.rpc.services.streams import Streams
from brokergw.rpc.settings import RpcSettings
from brokergw.rpc.tls import LOOPBACKS, TLS_1_3, StartRefused, credentials_of, speaks_tls_1_2
from brokergw.rpc.wire.cursor import Cursors
from brokergw.rpc.wire.paging import PageTokens

_SETTLE_SHARE: Final = 0.5
_LINGER_SHARE: Final = 0.1


class RpcServer:
    """The edge, ready to start."""

    def __init__(
        self,
        routes: Routes,
        settings: RpcSettings,
        desk: DeskFace,
        flight: Flight,
        budgets: Budgets,
        health: Health,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self.health = health
        self.budgets = budgets
        self._routes = routes
        self._settings = settings
        self._desk = desk
        self._flight = flight
        self._server: aio.Server | None = None

    async def start(self) -> int:
        """Listen, and give the port; raises StartRefused when it must not or cannot."""
        credentials = credentials_of(self._settings)
        options = dict(options_of(self._settings))
        calls_max = self._settings.client_connections.calls_max
        server = listener_of(self._routes, self._routes.methods, options, calls_max)
        address = _address(self._settings)
        try:
            if credentials is None:
                port = server.add_insecure_port(address)
            else:
                port = server.add_secure_port(address, credentials)
        except RuntimeError:
            raise StartRefused(f"cannot listen on {address}; the port may be taken") from None
        await server.start()
        self._server = server
        await self._require_tls_version(port)
        self.health.enter_service()
        return port

    async def _require_tls_version(self, port: int) -> None:
        """Stop, and raise StartRefused, where a version of TLS is spoken that shall not be."""
        tls = self._settings.tls
        if tls is None or tls.version_min != TLS_1_3:
            return
        host = LOOPBACKS.get(self._settings.host, self._settings.host)
        try:
            spoken = await asyncio.to_thread(speaks_tls_1_2, host, port)
        except OSError:
            spoken = True
        if spoken:
            await self.stop()
            raise StartRefused(
                "TLS 1.2 is spoken although 1.3 is the least: gRPC reads GRPC_SSL_CIPHER_SUITES once, when its library "
                "is loaded; start with `brokergw serve`, which sees to it"
            )

    async def drain(self, grace_s: float) -> None:
        """Leave without failing a call that was admitted.

        Health turns NOT_SERVING; the desk ends the streams, each with its cursor, and takes no new mutation; calls in
        flight end; then the server stops. What is still open after the grace is cut.
        """
        assert self._server is not None
        ends = asyncio.get_running_loop().time() + grace_s
        self.health.enter_drain()
        self._desk.drain()
        try:
            async with asyncio.timeout(grace_s * _SETTLE_SHARE):
                await self._flight.unary.empty()
                await self._flight.subscriptions.empty()
                # A client whose last call has just ended may be sending its next one: it gets SERVER_DRAINING with all
                # its details, where a stopping server would only cut it off.
                if self._settings.drain_linger_s > 0:
                    await self._clock.sleep(min(self._settings.drain_linger_s, grace_s * _LINGER_SHARE))
                    await self._flight.unary.empty()
        except TimeoutError:
            # stop() waits for these calls too, and no longer lets new ones in.
            pass
        self.health.close()
        await self._server.stop(max(0.0, ends - asyncio.get_running_loop().time()))

    async def stop(self) -> None:
        """Stop at once; every open call is cut."""
        if self._server is not None:
            await self._server.stop(None)

    async def wait(self) -> None:
        """Wait until the server has stopped."""
        assert self._server is not None
        await self._server.wait_for_termination()


def build_server(
    desk: DeskFace,
    journal: AuditBook,
    identity: Identity,
    settings: RpcSettings,
    *,
    access: Access,
    trail: AuditTrail,
    cursor_key: bytes,
    clock: Clock,
    registry: CollectorRegistry,
    tracer: Tracer | None = None,
) -> RpcServer:
    """Put the edge together.

    `cursor_key` signs cursors and page tokens: at least 16 bytes, the same on every replica.
    """
    flight = Flight()
    budgets = Budgets(settings.rates, clock)
    cursors = Cursors(cursor_key, lambda: journal.epoch)
    answers = Answers(cursors)
    parts = Parts(
        desk=desk,
        book=journal,
        identity=identity,
        settings=settings,
        clock=clock,
        registry=registry,
        tracer=tracer,
        flight=flight,
        budgets=budgets,
        answers=answers,
    )
    health = Health((*SERVICES, HEALTH_SERVICE))
    pages = PageTokens(cursor_key)
    streams = Streams(desk, cursors, identity, clock, settings.stream_age_max_s, settings.stream_stall_max_s)
    rooms = _rooms(
        OrderService(desk, answers, cursors, pages, streams),
        FillService(desk, cursors, pages, streams),
        PositionService(desk, answers, streams),
        AccountService(desk, pages, clock),
        BrokerService(desk, pages),
        MarketDataService(desk),
        ConnectionService(
            desk, pages, ConnectionStream(desk, clock, settings.stream_age_max_s, settings.stream_stall_max_s)
        ),
        QuotaService(desk, budgets),
        OperationsService(desk, answers, pages),
        RiskService(desk),
        AdminService(desk, access, pages),
        KeyService(access),
        ReconciliationService(desk, pages),
        AuditService(trail, pages),
    )
    rooms[HEALTH_SERVICE] = health
    policies: list[MethodPolicy] = [*POLICIES, *HEALTH_POLICIES]
    if settings.reflection:
        policies += REFLECTION_POLICIES
        reflection = Reflection((*SERVICES, HEALTH_SERVICE, *REFLECTION_SERVICES))
        rooms |= dict.fromkeys(REFLECTION_SERVICES, reflection)
    routes = Routes([step.make(parts) for step in CHAIN], policies, rooms)
    return RpcServer(routes, settings, desk, flight, budgets, health, clock)


def options_of(settings: RpcSettings) -> list[tuple[str, int]]:
    """Give gRPC's own options."""
    keepalive, connections = settings.keepalive, settings.client_connections
    options = [
        ("grpc.max_allowed_incoming_connections", connections.total_max),
        ("grpc.max_concurrent_streams", connections.streams_max),
        ("grpc.max_connection_idle_ms", round(connections.idle_max_s * 1_000)),
        ("grpc.server_handshake_timeout_ms", round(connections.handshake_max_s * 1_000)),
        # How else would one know which connections stand? (rpc/peer_slots.py)
        ("grpc.enable_channelz", 1),
        ("grpc.max_receive_message_length", settings.message_bytes_max),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", settings.metadata_bytes_max),
        ("grpc.absolute_max_metadata_size", settings.metadata_bytes_max),
        ("grpc.keepalive_time_ms", round(keepalive.time_s * 1_000)),
        ("grpc.keepalive_timeout_ms", round(keepalive.timeout_s * 1_000)),
        ("grpc.keepalive_permit_without_calls", 1),
        # The server's own pings go on over quiet connections, or it would not notice that a client is gone.
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", round(keepalive.ping_interval_min_s * 1_000)),
        # A second server on the same port would silently take half of the calls.
        ("grpc.so_reuseport", 0),
    ]
    if settings.connection_age_max_s is not None:
        options += [
            ("grpc.max_connection_age_ms", round(settings.connection_age_max_s * 1_000)),
            ("grpc.max_connection_age_grace_ms", round(settings.connection_age_grace_s * 1_000)),
        ]
    return options


def _rooms(*services: object) -> dict[str, object]:
    return {f"brokerapi.v1.{type(service).__name__}": service for service in services}


def _address(settings: RpcSettings) -> str:
    if settings.host.startswith("unix:"):
        return settings.host
    host = f"[{settings.host}]" if ":" in settings.host and not settings.host.startswith("[") else settings.host
    return f"{host}:{settings.port}"
