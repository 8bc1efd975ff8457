"""A strategy under load: places orders as fast as it is answered, and keeps book of every call's ending."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import grpc
from brokerapi.v1 import orders_pb2, positions_pb2, positions_pb2_grpc

from tests.fixtures.bare_client import BareClient, market_buy

QUANTITY: Final = "0.01"


@dataclass
class Load:
    """Each worker has one call open at a time, rests between two, and ends with its first call that fails."""

    account: str
    rest_s: float = 0.0
    acknowledged: dict[str, str] = field(default_factory=dict)
    failed: list[tuple[orders_pb2.SubmitOrderRequest, grpc.aio.AioRpcError]] = field(default_factory=list)
    workers: list[asyncio.Task[None]] = field(default_factory=list)
    enough: bool = False

    def start(self, clients: Sequence[BareClient]) -> None:
        """Put one worker on each client."""
        self.workers += [asyncio.create_task(self._work(client)) for client in clients]

    async def ended(self) -> None:
        """Wait until every worker has ended."""
        await asyncio.gather(*self.workers)

    async def stopped(self) -> None:
        """Let every worker end with the call that it has open."""
        self.enough = True
        await self.ended()

    async def _work(self, client: BareClient) -> None:
        while not self.enough:
            request = market_buy(self.account, quantity=QUANTITY)
            try:
                answer = await client.submit(request)
            except grpc.aio.AioRpcError as failure:
                self.failed.append((request, failure))
                return
            self.acknowledged[request.idempotency_key] = answer.order.order_id
            await asyncio.sleep(self.rest_s)


async def held(client: BareClient, account: str) -> Decimal:
    """Give how many units the broker says that the account holds."""
    stub = positions_pb2_grpc.PositionServiceStub(client.channel)
    request = positions_pb2.GetPositionsRequest(account_ids=[account])
    answer = await stub.GetPositions(request, metadata=client.identity, timeout=10)
    return sum((Decimal(position.quantity) for position in answer.positions), Decimal(0))
