"""Who calls, and whether its credential and its roles allow the method."""

from brokergw.model.errors import GatewayError, Reason, Throttled
from brokergw.model.principal import Caller
from brokergw.ports.clock import Clock
from brokergw.ports.identity import Identity, Presented
from brokergw.rpc.buckets import Buckets
from brokergw.rpc.call import Call, Handler
from brokergw.rpc.guard import StreamGuard
from brokergw.rpc.peer_slots import PeerSlots
from brokergw.rpc.peers import address_of, neighbourhood_of
from brokergw.rpc.policy import UNSURE, MethodPolicy, require_allowed
from brokergw.rpc.settings import RpcSettings
from brokergw.rpc.wire.counts import too_large


class Auth:
    """Looks the credential up; an address that calls too often, keeps failing, or comes over too many connections is
    held up before any look-up.

    A stream is ended as soon as its credential no longer holds.
    """

    def __init__(self, identity: Identity, guard: StreamGuard, clock: Clock, settings: RpcSettings) -> None:
        rates, tls = settings.rates, settings.tls
        self._identity = identity
        self._certificates = tls is not None and bool(tls.client_ca)
        self._metadata_max = settings.metadata_bytes_max
        self._guard = guard
        self._calls = Buckets(clock, rates.address_calls_per_minute) if rates.address_calls_per_minute else None
        connections = rates.address_client_connections_max
        self._connections = PeerSlots(connections, "client connections of the address", clock) if connections else None
        failures = rates.failed_credentials_per_minute
        self._failures = Buckets(clock, failures) if failures else None

    def wrap(self, policy: MethodPolicy, proceed: Handler) -> Handler:
        """Stand around everything that is not public."""
        if policy.public:
            return proceed
        if policy.streams:
            proceed = self._guard.around(proceed)

        async def handle(call: Call) -> bytes | None:
            peer = call.peer
            self._slow_down(peer)
            if call.metadata_bytes > self._metadata_max:
                # gRPC looks at the size of each HTTP/2 frame of them alone.
                raise too_large("bytes of metadata", call.metadata_bytes, self._metadata_max)
            if self._connections is not None and not policy.stops:
                self._connections.take(neighbourhood_of(peer), peer)
            try:
                call.presented = presented = _presented(call, peer, certificates=self._certificates)
                principal = await self._identity.authenticate(presented, lately=policy.stops)
            except GatewayError as error:
                if self._failures is not None and error.reason not in UNSURE:
                    self._failures.take(neighbourhood_of(peer))
                raise
            call.caller = Caller(principal, call.request_id)
            require_allowed(policy, principal)
            return await proceed(call)

        return handle

    def _slow_down(self, peer: str) -> None:
        """Count a call, and raise RATE_LIMITED where its address has had its calls, or its failures, for a while."""
        neighbourhood = neighbourhood_of(peer)
        if self._failures is not None and (wait_s := self._failures.wait_s(neighbourhood)) > 0:
            raise Throttled(Reason.RATE_LIMITED, "failed credentials from this address", wait_s)
        if self._calls is not None and (wait_s := self._calls.take(neighbourhood)) > 0:
            raise Throttled(Reason.RATE_LIMITED, "calls from this address", wait_s)


def _presented(call: Call, peer: str, *, certificates: bool) -> Presented:
    if call.repeated & {"authorization", "x-api-key"} or (
        "authorization" in call.metadata and "x-api-key" in call.metadata
    ):
        raise GatewayError(Reason.CREDENTIALS_AMBIGUOUS, "the call carries more than one credential")
    certificate = _certificate(call) if certificates else b""
    return Presented(token=_token(call), certificate=certificate, address=address_of(peer))


def _certificate(call: Call) -> bytes:
    """Give the client's certificate as the transport checked it; no header has a say in it."""
    shown = call.context.auth_context().get("x509_pem_cert")
    return next(iter(shown), b"") if shown else b""


def _token(call: Call) -> str:
    bearer = call.text("authorization")
    if bearer:
        kind, _, token = bearer.partition(" ")
        if kind.lower() == "bearer" and token:
            return token
        raise GatewayError(Reason.CREDENTIALS_MISSING, "the call carries no API key")
    return call.text("x-api-key")
