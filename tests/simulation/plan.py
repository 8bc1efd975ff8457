"""What is to happen in one world, drawn from its seed."""

import uuid
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Final

from brokergw.model.commands import SubmitOrder
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce

ACCOUNT: Final = "acc_simulation"
_SYMBOLS: Final = ("AAPL", "MSFT", "TSLA")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of what: the shares are probabilities for one request, commit or stream event."""

    replicas: int
    clients: int
    orders_each: int
    crashes: int
    freezes: int
    outages: int
    span_s: float
    bad_road: float
    bad_weather: float
    bad_stream: float


def draw_plan(random: Random) -> Plan:
    """Draw a plan: some worlds are calm and crash often, others are one long storm."""
    return Plan(
        replicas=random.choice((1, 1, 2, 3)),
        clients=random.randint(1, 4),
        orders_each=random.randint(2, 5),
        crashes=random.choice((0, 1, 1, 2, 3)),
        freezes=random.choice((0, 0, 1)),
        outages=random.choice((0, 0, 1, 2)),
        span_s=random.uniform(3.0, 20.0),
        bad_road=random.choice((0.0, 0.05, 0.15, 0.3)),
        bad_weather=random.choice((0.0, 0.0, 0.05, 0.15)),
        bad_stream=random.choice((0.0, 0.1, 0.3)),
    )


def draw_key(random: Random) -> str:
    """Draw an idempotency key."""
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def draw_order(random: Random, key: str = "") -> SubmitOrder:
    """Draw an order; some fill at once, some rest, some are refused by a gate."""
    market = random.random() < 0.4
    terms = OrderTerms(
        symbol=random.choice(_SYMBOLS),
        side=random.choice((Side.BUY, Side.BUY, Side.SELL)),
        type=OrderType.MARKET if market else OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        quantity=Decimal(random.randint(1, 20)),
        limit_price=None if market else Decimal(random.choice((5, 50, 150, 250, 400))),
    )
    return SubmitOrder(idempotency_key=key or draw_key(random), account_id=ACCOUNT, terms=terms)
