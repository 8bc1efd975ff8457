"""Who calls, and whether its key allows the method."""

from brokergw.model.errors import GatewayError, Reason, Throttled
from brokergw.model.principal import Caller
from brokergw.ports.clock import Clock
from brokergw.rpc.buckets import Buckets
from brokergw.rpc.call import Call, Handler
from brokergw.rpc.needs import Authenticator
from brokergw.rpc.policy import MethodPolicy


class Auth:
    """Looks the credential up; an address that keeps failing is slowed down before any look-up."""

    def __init__(self, authenticator: Authenticator, clock: Clock, failures_per_minute: int) -> None:
        self._authenticator = authenticator
        self._failures = Buckets(clock, failures_per_minute) if failures_per_minute else None

    def wrap(self, policy: MethodPolicy, proceed: Handler) -> Handler:
        """Stand around everything that is not public."""
        if policy.public:
            return proceed
        scope = policy.scope

        async def handle(call: Call) -> bytes | None:
            token = _token(call)
            if self._failures is not None:
                self._slow_down(call)
            try:
                principal = await self._authenticator.authenticate(token, lately=policy.stops)
            except GatewayError as error:
                # While the record is away nobody's key is known to be wrong.
                if self._failures is not None and error.reason is not Reason.JOURNAL_UNAVAILABLE:
                    self._failures.take(_address(call.peer))
                raise
            call.caller = Caller(principal, call.request_id)
            call.token = token
            if scope is not None and scope not in principal.scopes:
                raise GatewayError(
                    Reason.SCOPE_MISSING, "the key does not allow this method", metadata={"scope": scope.value}
                )
            return await proceed(call)

        return handle

    def _slow_down(self, call: Call) -> None:
        assert self._failures is not None
        wait_s = self._failures.wait_s(_address(call.peer))
        if wait_s > 0:
            raise Throttled(Reason.RATE_LIMITED, "failed credentials from this address", wait_s)


def _token(call: Call) -> str:
    bearer = call.text("authorization")
    if bearer:
        kind, _, token = bearer.partition(" ")
        if kind.lower() == "bearer" and token:
            return token
    token = call.text("x-api-key")
    if not token:
        raise GatewayError(Reason.CREDENTIALS_MISSING, "the call carries no API key")
    return token


def _address(peer: str) -> str:
    """Cut the port off a peer such as `ipv4:10.0.0.1:50000`."""
    return peer.rpartition(":")[0] or peer
