"""Counts and times every call, and opens its span where tracing is on."""

import asyncio
from typing import Final

from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from brokergw.model.errors import GatewayError, Reason
from brokergw.ports.clock import Clock
from brokergw.rpc.call import Call, Handler
from brokergw.rpc.policy import MethodPolicy
from brokergw.rpc.wire.errors import ROWS

_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_PROPAGATOR: Final = TraceContextTextMapPropagator()


class Telemetry:
    """Prometheus metrics by method, code and reason; a stream is counted when it ends, and not timed."""

    def __init__(self, registry: CollectorRegistry, clock: Clock, tracer: Tracer | None = None) -> None:
        self._clock = clock
        self._tracer = tracer
        self._calls = Counter(
            "brokergw_rpc_calls", "Calls that have ended.", ("method", "code", "reason"), registry=registry
        )
        self._seconds = Histogram(
            "brokergw_rpc_seconds", "How long unary calls took.", ("method",), buckets=_SECONDS, registry=registry
        )
        self._in_flight = Gauge("brokergw_rpc_in_flight", "Calls that have begun.", ("method",), registry=registry)

    def wrap(self, policy: MethodPolicy, proceed: Handler) -> Handler:
        """Stand around every method."""
        method = policy.method
        succeeded = self._calls.labels(method, "OK", "")
        in_flight = self._in_flight.labels(method)
        observe = None if policy.streams else self._seconds.labels(method).observe
        monotonic = self._clock.monotonic
        inner = proceed if self._tracer is None else _traced(self._tracer, policy, proceed)

        async def handle(call: Call) -> bytes | None:
            in_flight.inc()
            try:
                answer = await inner(call)
            except BaseException as error:
                self._calls.labels(method, *ending_of(error)).inc()
                raise
            else:
                succeeded.inc()
                return answer
            finally:
                in_flight.dec()
                if observe is not None:
                    observe(monotonic() - call.started)

        return handle


def ending_of(error: BaseException) -> tuple[str, str]:
    """Name the gRPC code and the reason that an exception ends a call with."""
    if isinstance(error, GatewayError):
        return ROWS[error.reason].code.name, error.reason.value
    if isinstance(error, asyncio.CancelledError):
        return "CANCELLED", ""
    return ROWS[Reason.INTERNAL_ERROR].code.name, Reason.INTERNAL_ERROR.value


class _Carrier(Getter[Call]):
    """Reads trace headers out of a call's metadata."""

    def get(self, carrier: Call, key: str) -> list[str] | None:
        value = carrier.text(key)
        return [value] if value else None

    def keys(self, carrier: Call) -> list[str]:
        return list(carrier.metadata)


def _traced(tracer: Tracer, policy: MethodPolicy, proceed: Handler) -> Handler:
    carrier = _Carrier()
    attributes = {"rpc.system": "grpc", "rpc.service": policy.service, "rpc.method": policy.name}

    async def handle(call: Call) -> bytes | None:
        parent = _PROPAGATOR.extract(call, getter=carrier)
        with tracer.start_as_current_span(
            policy.method[1:],
            context=parent,
            kind=SpanKind.SERVER,
            attributes={**attributes, "request_id": call.request_id},
            # The span would hold the exception's text, which may hold what the caller sent.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                return await proceed(call)
            except BaseException as error:
                code, reason = ending_of(error)
                span.set_status(Status(StatusCode.ERROR, reason or code))
                raise

    return handle
