"""The order of concerns: one list, outermost first, composed once per method when the server is built."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry

from brokergw.ports.clock import Clock
from brokergw.ports.identity import Identity
from brokergw.rpc.answers import Answers
from brokergw.rpc.budgets import Budgets
from brokergw.rpc.call import Handler, Interceptor
from brokergw.rpc.flight import Flight
from brokergw.rpc.guard import StreamGuard
from brokergw.rpc.interceptors.audit import Audit
from brokergw.rpc.interceptors.auth import Auth
from brokergw.rpc.interceptors.context import Context
from brokergw.rpc.interceptors.decode import Decode
from brokergw.rpc.interceptors.errors import Errors
from brokergw.rpc.interceptors.idempotency import Idempotency
from brokergw.rpc.interceptors.preflight import Preflight
from brokergw.rpc.interceptors.rate_limit import RateLimit
from brokergw.rpc.interceptors.telemetry import Telemetry
from brokergw.rpc.needs import AuditBook, DeskFace
from brokergw.rpc.policy import MethodPolicy
from brokergw.rpc.settings import RpcSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the steps are made from."""

    desk: DeskFace
    book: AuditBook
    identity: Identity
    settings: RpcSettings
    clock: Clock
    registry: CollectorRegistry
    tracer: Tracer | None
    flight: Flight
    budgets: Budgets
    answers: Answers


@dataclass(frozen=True, slots=True)
class Step:
    """One concern: what it stands inside of, how it is made, and why it stands there."""

    name: str
    inside: tuple[str, ...]
    make: Callable[[Parts], Interceptor]
    why: str


CHAIN: Final = (
    Step(
        "context",
        (),
        lambda parts: Context(parts.clock, parts.flight),
        "Every other step, and every error, needs the call's name.",
    ),
    Step(
        "errors",
        ("context",),
        lambda _: Errors(),
        "An exception that escapes would show its class and text to the client.",
    ),
    Step(
        "telemetry",
        ("errors",),
        lambda parts: Telemetry(parts.registry, parts.clock, parts.tracer),
        "Sees what was raised, not the status made of it, and times all that follows.",
    ),
    Step(
        "audit",
        ("telemetry",),
        lambda parts: Audit(parts.book, parts.clock),
        "A refused caller is still on record.",
    ),
    Step(
        "auth",
        ("audit",),
        lambda parts: Auth(
            parts.identity,
            StreamGuard(parts.identity, parts.clock),
            parts.clock,
            parts.settings,
        ),
        "Nothing is done for a stranger, not even reading its request.",
    ),
    Step(
        "rate_limit",
        ("auth",),
        lambda parts: RateLimit(parts.budgets, parts.flight, parts.settings.unary_in_flight_max),
        "Budgets belong to a principal.",
    ),
    Step(
        "decode",
        ("rate_limit",),
        lambda parts: Decode(parts.settings),
        "Reading costs time, which only a caller with budget may have.",
    ),
    Step(
        "idempotency",
        ("decode", "rate_limit"),
        lambda parts: Idempotency(parts.desk, parts.answers),
        "The key and the fingerprint are in the command; a replay gives its cost back.",
    ),
    Step(
        "preflight",
        ("idempotency",),
        lambda parts: Preflight(parts.desk),
        "A replay must not meet the gates again: its first call has passed or failed them.",
    ),
)


def compose(interceptors: Sequence[Interceptor], policy: MethodPolicy, endpoint: Handler) -> Handler:
    """Put the steps around a method; the first of them ends up outermost."""
    handler = endpoint
    for interceptor in reversed(interceptors):
        handler = interceptor.wrap(policy, handler)
    return handler
