"""One round: sixty-four orders of three tenths of the cap at once, changes, cancels, fills, and a gateway killed."""

import asyncio
import uuid
from collections import Counter
from decimal import Decimal
from random import Random
from typing import Any, Final

import grpc
from brokerapi.v1 import orders_pb2, positions_pb2, positions_pb2_grpc, trading_pb2

from tests.caps.arena import SYMBOLS, Arena, User
from tests.fixtures.bare_client import BareClient, error_info

ORDERS: Final = 64
SHARE: Final = Decimal("0.3")
_CALL_S: Final = 15.0
_TRIES: Final = 6
_AGAIN: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED, grpc.StatusCode.DEADLINE_EXCEEDED})
_CENT: Final = Decimal("0.01")


class Storm:
    """One user's round."""

    def __init__(self, arena: Arena, user: User, cap: Decimal, random: Random) -> None:
        self._arena = arena
        self._user = user
        self._cap = cap
        self._random = random
        self._prices = arena.prices()
        self._clients: list[BareClient] = []
        self.outcomes: Counter[str] = Counter()

    async def run(self, *, kill: bool) -> None:
        """Let it rage, and start the killed gateway again."""
        async with self._arena.clients(self._user) as self._clients:
            works = [self._trade(number) for number in range(ORDERS)]
            victim = self._random.randrange(len(self._clients)) if kill else -1
            await asyncio.gather(*works, self._kill(victim))
        if victim >= 0:
            await self._arena.start(victim)

    async def clear(self) -> None:
        """Cancel what is open and close what is held."""
        async with self._arena.clients(self._user) as clients:
            stub = positions_pb2_grpc.PositionServiceStub(clients[0].channel)
            request = positions_pb2.FlattenRequest(idempotency_key=str(uuid.uuid4()), account_id=self._user.account_id)
            await stub.Flatten(request, metadata=clients[0].identity, timeout=30)

    async def _kill(self, victim: int) -> None:
        if victim < 0:
            return
        await asyncio.sleep(self._random.uniform(0.0, 0.5))
        await self._arena.gateways[victim].kill()
        self.outcomes["killed"] += 1

    async def _trade(self, number: int) -> None:
        random = Random(self._random.getrandbits(32))
        request = self._request(random)
        answer = await self._call("SubmitOrder", request, number)
        if answer is None:
            return
        order_id = answer.order.order_id
        for _ in range(random.choice((1, 1, 2, 3))):
            if random.random() < 0.7:
                await self._call("ModifyOrder", self._change(order_id, request, random), number)
            else:
                cancel = orders_pb2.CancelOrderRequest(idempotency_key=str(uuid.uuid4()), order_id=order_id)
                await self._call("CancelOrder", cancel, number)

    def _request(self, random: Random) -> orders_pb2.SubmitOrderRequest:
        symbol = random.choice(SYMBOLS)
        bid, ask = self._prices[symbol]
        side, crosses = random.random() < 0.85, random.random() < 0.3
        price = (ask * Decimal("1.01") if crosses else bid * Decimal("0.97")) if side else bid * Decimal("0.99")
        price = price.quantize(_CENT)
        quantity = (self._cap * SHARE / price).quantize(Decimal(1))
        return orders_pb2.SubmitOrderRequest(
            idempotency_key=str(uuid.uuid4()),
            account_id=self._user.account_id,
            allow_duplicate=True,
            order=orders_pb2.OrderSpec(
                symbol=symbol,
                side=trading_pb2.SIDE_BUY if side else trading_pb2.SIDE_SELL,
                quantity=str(quantity),
                limit_price=str(price),
                type=trading_pb2.ORDER_TYPE_LIMIT,
                time_in_force=trading_pb2.TIME_IN_FORCE_DAY,
            ),
        )

    def _change(
        self, order_id: str, request: orders_pb2.SubmitOrderRequest, random: Random
    ) -> orders_pb2.ModifyOrderRequest:
        change = orders_pb2.ModifyOrderRequest(idempotency_key=str(uuid.uuid4()), order_id=order_id)
        if random.random() < 0.5:
            share = Decimal(random.choice(("0.5", "0.8", "1.2", "2")))
            change.quantity = str(max(Decimal(1), (Decimal(request.order.quantity) * share).quantize(Decimal(1))))
        else:
            share = Decimal(random.choice(("0.98", "1.01", "1.03")))
            change.limit_price = str((Decimal(request.order.limit_price) * share).quantize(_CENT))
        return change

    async def _call(self, method: str, request: Any, number: int) -> Any:
        """Call, and repeat at the next gateway what got no final answer; None for a refusal."""
        for attempt in range(_TRIES):
            client = self._clients[(number + attempt) % len(self._clients)]
            try:
                call = getattr(client.orders, method)
                answer = await call(request, metadata=client.identity, timeout=_CALL_S)
            except grpc.aio.AioRpcError as error:
                reason = error_info(error).reason or error.code().name
                self.outcomes[f"{method} {reason}"] += 1
                if error.code() not in _AGAIN:
                    return None
                await asyncio.sleep(0.05 * (attempt + 1))
                continue
            self.outcomes[f"{method} OK"] += 1
            return answer
        return None
