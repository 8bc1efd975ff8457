"""What every story about orders ends with: the wire, the broker and the audit must tell the same."""

import json
import sqlite3
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

from brokerapi.v1 import orders_pb2, trading_pb2

from tests.fixtures.bare_client import market_buy
from tests.fixtures.gateway_process import GatewayProcess
from tests.fixtures.sim import SimHandle

ORDERS = "/v2/orders"
_SPENT = "SELECT count(*) FROM broker_audit_log WHERE detail = 'permit spent'"


def limit_buy(account: str, quantity: str = "1", **more: Any) -> orders_pb2.SubmitOrderRequest:
    """Make a request for an order that rests far below the price."""
    request = market_buy(account, quantity=quantity, **more)
    request.order.type = trading_pb2.ORDER_TYPE_LIMIT
    request.order.limit_price = "100.00"
    return request


def at_broker(sim: SimHandle, method: str = "GET", path: str = "?status=all&limit=500", body: Any = None) -> Any:
    """Speak to the simulator as another client of the same account would."""
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{sim.url}{ORDERS}{path}",
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={"APCA-API-KEY-ID": sim.key_id, "APCA-API-SECRET-KEY": sim.secret_key},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
        return json.load(answer)


def posts(sim: SimHandle) -> list[dict[str, Any]]:
    """Give every order that arrived on the wire, taken or not."""
    return [entry for entry in sim.journal(method="POST", path=ORDERS) if entry["path"] == ORDERS]


@dataclass
class Witness:
    """Compares the three records of one story; made before it begins."""

    gateway: GatewayProcess
    sim: SimHandle
    before: set[str] = field(default_factory=set)
    audited: int = 0

    @classmethod
    def of(cls, gateway: GatewayProcess, sim: SimHandle) -> Self:
        """Note what is there already."""
        witness = cls(gateway, sim)
        witness.before = {order["id"] for order in at_broker(sim)}
        witness.audited = witness._spent()
        return witness

    def born(self) -> list[dict[str, Any]]:
        """Give the orders that the broker has since then."""
        return [order for order in at_broker(self.sim) if order["id"] not in self.before]

    def permits_spent(self) -> int:
        """Count the permits that were spent since then, as the audit has it."""
        return self._spent() - self.audited

    def agrees(self, *, wire: int, orders: int) -> None:
        """Insist that so many POSTs arrived, each under a permit of its own, and that so many orders came of them."""
        arrived = [entry["body"]["client_order_id"] if entry["body"] else "" for entry in posts(self.sim)]
        born = self.born()
        assert len(arrived) == wire
        assert self.permits_spent() == wire
        assert len(born) == orders
        assert max(Counter(order["client_order_id"] for order in born).values(), default=1) == 1

    def _spent(self) -> int:
        with sqlite3.connect(f"file:{self.gateway.directory / 'gateway.db'}?mode=ro", uri=True) as database:
            found: int = database.execute(_SPENT).fetchone()[0]
        database.close()
        return found
