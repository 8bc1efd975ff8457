"""What the broker itself saw: the judge of every scenario."""

from collections import Counter
from decimal import Decimal
from typing import Any

from tests.fixtures.sim import SimHandle


def placed(sim: SimHandle) -> list[dict[str, Any]]:
    """Give every order request that arrived and was acted on, oldest first."""
    return [entry for entry in sim.journal(method="POST", path="/v2/orders") if entry["handled"]]


def assert_no_order_was_sent_twice(sim: SimHandle) -> None:
    """Each client order id arrived at most once, whatever became of it."""
    arrived = Counter(entry["body"]["client_order_id"] for entry in sim.journal(method="POST", path="/v2/orders"))
    assert {name: times for name, times in arrived.items() if times > 1} == {}


def bought(sim: SimHandle) -> Decimal:
    """Give how many units all accepted orders asked for."""
    return sum((Decimal(entry["body"]["qty"]) for entry in placed(sim)), Decimal(0))
