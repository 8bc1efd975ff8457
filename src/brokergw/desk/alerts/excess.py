"""More orders at a broker than permits were given: the one thing that must never be."""

import re
from typing import Final

from brokergw.model.alerts import Alert, AlertKind, Severity
from brokergw.model.order import Order
from brokergw.model.outcome import BrokerOrder

OURS: Final = re.compile(r"ord-[0-9a-f]{32}")
"""What the gateway calls its orders at brokers; nobody else does."""


def is_second(order: Order, seen: BrokerOrder) -> bool:
    """Tell whether a broker's order is another one than ours, though it bears ours' own id."""
    return (
        bool(order.broker_order_ids)
        and not seen.replaces
        and seen.broker_order_id not in order.broker_order_ids
        and OURS.fullmatch(order.broker_client_order_id) is not None
        and seen.client_order_id == order.broker_client_order_id
    )


def excess(order: Order, seen: BrokerOrder, why: str, now_ns: int) -> Alert:
    """Word the alert; one for each of the broker's orders."""
    return Alert(
        kind=AlertKind.EXCESS_SENDS,
        severity=Severity.CRITICAL,
        subject=seen.broker_order_id,
        message=why,
        time_ns=now_ns,
        user_id=order.user_id,
        facts=(
            ("order_id", order.order_id),
            ("account_id", order.account_id),
            ("client_order_id", seen.client_order_id),
            ("symbol", seen.terms.symbol),
        ),
    )
