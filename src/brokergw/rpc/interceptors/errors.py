"""The only place that makes a status: a GatewayError as the client may see it, anything else as an incident."""

import asyncio
import traceback

import structlog
from grpc import aio

from brokergw.model.errors import UNWRITTEN, GatewayError, Reason
from brokergw.model.ids import new_id
from brokergw.rpc.call import Call, Handler
from brokergw.rpc.policy import MethodPolicy
from brokergw.rpc.wire.details import pushback_ms, status_of
from brokergw.rpc.wire.errors import ROWS

_log = structlog.get_logger("brokergw.rpc")


class Errors:
    """Turns what was raised into a status with details. A client that is gone needs none: its cancel passes."""

    def wrap(self, policy: MethodPolicy, proceed: Handler) -> Handler:
        """Stand around every method."""

        async def handle(call: Call) -> bytes | None:
            try:
                return await proceed(call)
            except GatewayError as error:
                refusal = unread(error) if policy.keyed and not call.recalled else error
            except Exception as error:  # noqa: BLE001 - whatever it is, its class and text stay inside
                refusal = incident(error, call)
            await refuse(call, refusal, mutation=policy.keyed)
            return None

        return handle


def unread(error: GatewayError) -> GatewayError:
    """Say that a key could not be looked up: an earlier call under it may have left an order, so nothing is claimed."""
    if error.reason not in UNWRITTEN:
        return error
    return GatewayError(
        Reason.JOURNAL_OUTCOME_UNKNOWN,
        "the record cannot be read, so what this key stands for is not known",
        metadata=error.metadata,
        retry_after_s=error.retry_after_s,
    )


def incident(error: Exception, call: Call) -> GatewayError:
    """Log a fault with its traceback and give what may be told of it."""
    incident_id = new_id("inc")
    # As text: a renderer of exceptions might show local variables, and among them are API keys.
    lines = "".join(traceback.format_exception(error))
    _log.error("call failed", incident_id=incident_id, method=call.policy.method, traceback=lines)
    return GatewayError(
        Reason.INTERNAL_ERROR,
        "the gateway failed; the incident id finds the cause in its logs",
        metadata={"incident_id": incident_id},
    )


async def refuse(call: Call, error: GatewayError, *, mutation: bool) -> None:
    """End the call with the error's status; always raises."""
    status = status_of(error, call.request_id, mutation=mutation)
    trailing = [*call.trailing, ("grpc-status-details-bin", status.SerializeToString())]
    pushback = pushback_ms(error)
    if pushback is not None:
        trailing.append(("grpc-retry-pushback-ms", pushback))
    try:
        await call.context.abort(ROWS[error.reason].code, status.message, tuple(trailing))
    except aio.InternalError:
        # The client left while this was on its way; that is its right, and no fault of ours.
        raise asyncio.CancelledError from None
