"""Who asks while a broker is sick: a measured load at the well broker, and callers of every kind at the sick one.

Both come at their own pace, whether they are answered or not, so that a slow answer does not make the load smaller.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final

import grpc
from brokerapi.v1 import (
    brokers_pb2,
    brokers_pb2_grpc,
    market_data_pb2,
    market_data_pb2_grpc,
    orders_pb2,
    positions_pb2,
    positions_pb2_grpc,
)

from brokergw.client import GatewayCallError, new_idempotency_key
from brokergw.client.messages import words
from brokergw.client.terms import order_spec
from tests.fixtures.patience import info_in
from tests.sickbroker.ward import Ward

_SICK_CALL_S: Final = 20.0
_SOON_S: Final = 1.0
_WELL_CALL_S: Final = 30.0


@dataclass
class Measured:
    """Orders at the well broker: how long each took, in seconds, and how those ended that were not taken.

    `busy_s` is how long the gateway had a processor meanwhile, of `passed_s`.
    """

    took_s: list[float] = field(default_factory=list)
    busy_s: float = 0.0
    passed_s: float = 0.0
    failed: Counter[str] = field(default_factory=Counter)


@dataclass
class Pace:
    """Begins one call after the other at a rate, no more than `most` at once."""

    call: Callable[[], Awaitable[None]]
    rate: float
    most: int
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    async def for_seconds(self, seconds: float) -> None:
        """Begin calls for a while."""
        began = time.monotonic()
        number = 0
        while (due := began + number / self.rate) < began + seconds:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            number += 1
            if len(self._under_way) < self.most:
                task = asyncio.ensure_future(self._one())
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)

    async def ended(self) -> None:
        """Wait for the calls that are under way."""
        if self._under_way:
            await asyncio.gather(*self._under_way)

    async def _one(self) -> None:
        await self.call()


class WellLoad:
    """Orders at the well broker; `into` is where the present window's figures go."""

    def __init__(self, ward: Ward, rate: float) -> None:
        self._ward = ward
        self.into = Measured()
        self.pace = Pace(self._order, rate, most=500)

    async def _order(self) -> None:
        into, began = self.into, time.perf_counter()
        bed = self._ward.well
        try:
            answer = await self._ward.client.submit(bed.account_id, timeout_s=_WELL_CALL_S, **bed.broker.buy)
        except GatewayCallError as error:
            into.failed[error.reason or str(error.code)] += 1
            return
        into.took_s.append(time.perf_counter() - began)
        if (state := words(answer.order, "state")) in {"IN_DOUBT", "REJECTED", "NOT_SENT"}:
            into.failed[state] += 1


class SickCallers:
    """Orders, cancels and reads at the sick broker, each made once, and what became of them."""

    def __init__(self, ward: Ward, rate: float) -> None:
        self._ward = ward
        self.endings: Counter[str] = Counter()
        self._resting: list[str] = []
        self._kinds = cycle((self._submit, self._positions, self._quotes, self._ping, self._cancel))
        self.pace = Pace(self._any, rate, most=60)

    async def _any(self) -> None:
        kind = next(self._kinds)
        began = time.perf_counter()
        try:
            ending = await kind()
        except grpc.aio.AioRpcError as error:
            ending = info_in(error.trailing_metadata()).reason or error.code().name
        slow = " late" if time.perf_counter() - began > _SOON_S else ""
        self.endings[f"{kind.__name__.lstrip('_')}: {ending}{slow}"] += 1

    async def _submit(self) -> str:
        bed = self._ward.sick
        terms = bed.broker.buying(self._ward.asked["submit"])
        self._ward.asked["submit"] += 1
        request = orders_pb2.SubmitOrderRequest(
            account_id=bed.account_id, idempotency_key=new_idempotency_key(), order=order_spec(**terms)
        )
        answer = await self._once(self._ward.bare.orders.SubmitOrder, request)
        self._resting.append(answer.order.order_id)
        return words(answer.order, "state")

    async def _positions(self) -> str:
        request = positions_pb2.GetPositionsRequest(account_ids=[self._ward.sick.account_id])
        await self._once(positions_pb2_grpc.PositionServiceStub(self._ward.bare.channel).GetPositions, request)
        return "answered"

    async def _quotes(self) -> str:
        bed = self._ward.sick
        request = market_data_pb2.GetQuotesRequest(account_id=bed.account_id, symbols=[bed.broker.buy["symbol"]])
        await self._once(market_data_pb2_grpc.MarketDataServiceStub(self._ward.bare.channel).GetQuotes, request)
        return "answered"

    async def _ping(self) -> str:
        request = brokers_pb2.PingBrokerRequest(connection_id=self._ward.sick.connection_id)
        await self._once(brokers_pb2_grpc.BrokerServiceStub(self._ward.bare.channel).PingBroker, request)
        return "answered"

    async def _cancel(self) -> str:
        if not self._resting:
            return "nothing to cancel"
        request = orders_pb2.CancelOrderRequest(idempotency_key=new_idempotency_key(), order_id=self._resting.pop())
        answer = await self._once(self._ward.bare.orders.CancelOrder, request)
        return words(answer.order, "state")

    async def _once(self, call: Any, request: Any) -> Any:
        return await call(request, metadata=self._ward.bare.identity, timeout=_SICK_CALL_S)
