"""One row for every audited call: who, what, and how it ended; also when it was refused, or the client had gone."""

from typing import Final

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.ports.clock import Clock
from brokergw.rpc.call import Call, Handler
from brokergw.rpc.interceptors.telemetry import ending_of
from brokergw.rpc.needs import AuditBook
from brokergw.rpc.payload import payload_of
from brokergw.rpc.policy import MethodPolicy

_NANOSECONDS: Final = 1_000_000_000
_NOBODY: Final = ""


class Audit:
    """Puts the ending of each audited call on the record."""

    def __init__(self, book: AuditBook, clock: Clock) -> None:
        self._book = book
        self._clock = clock

    def wrap(self, policy: MethodPolicy, proceed: Handler) -> Handler:
        """Stand around the methods that are audited."""
        if not policy.audited:
            return proceed

        async def handle(call: Call) -> bytes | None:
            try:
                answer = await proceed(call)
            except BaseException as error:
                self._write(call, *ending_of(error), error)
                raise
            self._write(call, "OK", "", None)
            return answer

        return handle

    def _write(self, call: Call, outcome: str, reason: str, error: BaseException | None) -> None:
        policy = call.policy
        caller = getattr(call, "caller", None)
        message = getattr(call, "message", None)
        order_id = call.order_id
        if isinstance(error, GatewayError) and error.order_id and error.reason is not Reason.IDEMPOTENCY_KEY_REUSED:
            order_id = error.order_id
        self._book.record(
            AuditRow(
                time_ns=self._clock.now_ns(),
                request_id=call.request_id,
                user_id=caller.principal.user_id if caller else _NOBODY,
                key_id=caller.principal.key_id if caller else _NOBODY,
                action=policy.method[1:],
                outcome=outcome,
                reason=reason,
                account_id=getattr(call.command, "account_id", ""),
                order_id=order_id or getattr(call.command, "order_id", ""),
                duration_ns=round((self._clock.monotonic() - call.started) * _NANOSECONDS),
                principal_kind=caller.principal.kind.value if caller else _NOBODY,
                address=call.peer,
                method_class=policy.scope.value if policy.scope is not None else "",
                payload="" if message is None else payload_of(message),
            )
        )
