"""A typed asynchronous client: deadlines, safe repetitions under one key, streams that resume by themselves."""

from brokergw.client.channel import TlsOptions
from brokergw.client.client import NOT_REACHED, Client
from brokergw.client.encode import Amount, BadArgument, Moment, Start
from brokergw.client.errors import FieldViolation, GatewayCallError, PreflightViolation, StreamBroken
from brokergw.client.fills import FillMessage
from brokergw.client.halts import halt_scope
from brokergw.client.keys import new_idempotency_key
from brokergw.client.orders import OrderMessage
from brokergw.client.positions import PositionMessage
from brokergw.client.subscription import Subscription
from brokergw.client.terms import Leg, OrderTerms
from brokergw.client.timing import Backoff, Timing

__all__ = [
    "NOT_REACHED",
    "Amount",
    "Backoff",
    "BadArgument",
    "Client",
    "FieldViolation",
    "FillMessage",
    "GatewayCallError",
    "Leg",
    "Moment",
    "OrderMessage",
    "OrderTerms",
    "PositionMessage",
    "PreflightViolation",
    "Start",
    "StreamBroken",
    "Subscription",
    "Timing",
    "TlsOptions",
    "halt_scope",
    "new_idempotency_key",
]
