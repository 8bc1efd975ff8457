"""Clients under chaos: each has one call open at a time, chooses by its seed, and asks again what was not answered."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any, Final, TypeAlias

import grpc
from brokerapi.v1 import orders_pb2, trading_pb2

from tests.chaos.goods import Goods, Item
from tests.chaos.history import Answer, Call
from tests.fixtures.bare_client import BareClient, error_info

Request: TypeAlias = orders_pb2.SubmitOrderRequest | orders_pb2.ModifyOrderRequest | orders_pb2.CancelOrderRequest

_CALL_S: Final = 8.0
_THINK_S_MAX: Final = 0.03
_LEAVE_SHARE: Final = 0.06
_LEAVE_S_MAX: Final = 0.03
_AGAIN_S: Final = 0.15
_TOO_MUCH: Final = "1000000"
_RESTS: Final = frozenset({"ACCEPTED", "WORKING"})
_WEIGHTS: Final = {"rest": 40, "market": 20, "deny": 5, "cancel": 13, "modify": 10, "replay": 12}
_STATE: Final = "ORDER_STATE_"
_LIFE: Final = "TIME_IN_FORCE_"


@dataclass
class Book:
    """What all clients of a chain have asked and heard.

    `unanswered` are the requests whose key must be asked again, by key; `answered` the others, for replays; `resting`
    the orders that may be changed, with what they are for.
    """

    account: str
    goods: Goods
    now_ns: Callable[[], int]
    trial: int = 0
    calls: list[Call] = field(default_factory=list)
    unanswered: dict[str, Request] = field(default_factory=dict)
    answered: dict[str, Request] = field(default_factory=dict)
    resting: dict[str, Item] = field(default_factory=dict)
    sizes: Iterator[int] = field(default_factory=lambda: count(1))


class Client:
    """One client; it lives as long as the chain and opens a connection for each gateway."""

    def __init__(self, name: str, api_key: str, book: Book, seed: str) -> None:
        self._name = name
        self._api_key = api_key
        self._book = book
        self._random = Random(seed)

    async def work(self, target: str) -> None:
        """Call until the gateway is gone; what was unanswered before comes first."""
        async with BareClient(target, self._api_key) as bare:
            for key in self._mine():
                if not await self._ask(bare, self._book.unanswered[key]):
                    return
            while await self._ask(bare, self._next()):
                await asyncio.sleep(self._random.uniform(0, _THINK_S_MAX))

    async def settle(self, target: str) -> None:
        """Ask again until every request has its final answer."""
        async with BareClient(target, self._api_key) as bare:
            while mine := self._mine():
                for key in mine:
                    await self._ask(bare, self._book.unanswered[key], may_leave=False)
                if self._mine():
                    await asyncio.sleep(_AGAIN_S)

    def _mine(self) -> list[str]:
        # By key, so that each request has one client that asks for it, in this trial and the next.
        return [key for key in list(self._book.unanswered) if key.startswith(self._name)]

    def _key(self) -> str:
        value = uuid.UUID(int=self._random.getrandbits(128), version=4)
        return self._name + str(value)[len(self._name) :]

    def _next(self) -> Request:
        kinds = [kind for kind in _WEIGHTS if kind != "modify" or self._book.goods.changes]
        kind = self._random.choices(kinds, [_WEIGHTS[kind] for kind in kinds])[0]
        item = self._random.choice(self._book.goods.of(self._book.trial))
        match kind:
            case "cancel" | "modify" if self._book.resting:
                return self._change(kind)
            case "replay" if self._book.answered:
                return self._random.choice(list(self._book.answered.values()))
            case "deny":
                return self._submit(item.symbol, _TOO_MUCH, item.price(self._random))
            case "market":
                return self._submit(item.symbol, self._quantity(item, rests=False))
            case _:
                return self._submit(item.symbol, self._quantity(item, rests=True), item.price(self._random))

    def _quantity(self, item: Item, *, rests: bool) -> str:
        return str(next(self._book.sizes)) if self._book.goods.unlike else item.quantity(self._random, rests=rests)

    def _submit(self, symbol: str, quantity: str, limit_price: str | None = None) -> orders_pb2.SubmitOrderRequest:
        type_ = trading_pb2.ORDER_TYPE_MARKET if limit_price is None else trading_pb2.ORDER_TYPE_LIMIT
        goods = self._book.goods
        life = goods.market_life if limit_price is None else goods.resting_life
        return orders_pb2.SubmitOrderRequest(
            idempotency_key=self._key(),
            account_id=self._book.account,
            order=orders_pb2.OrderSpec(
                symbol=symbol,
                side=trading_pb2.SIDE_BUY,
                quantity=quantity,
                type=type_,
                limit_price=limit_price,
                time_in_force=trading_pb2.TimeInForce.Value(_LIFE + life),
            ),
        )

    def _change(self, kind: str) -> Request:
        order_id, item = self._random.choice(list(self._book.resting.items()))
        if kind == "cancel":
            del self._book.resting[order_id]
            return orders_pb2.CancelOrderRequest(idempotency_key=self._key(), order_id=order_id)
        return orders_pb2.ModifyOrderRequest(
            idempotency_key=self._key(), order_id=order_id, limit_price=item.price(self._random)
        )

    async def _ask(self, bare: BareClient, request: Request, *, may_leave: bool = True) -> bool:
        """Make one call and keep book of it; False once the gateway is gone."""
        key = request.idempotency_key
        if key not in self._book.answered:
            self._book.unanswered[key] = request
        begin_ns = self._book.now_ns()
        answer, gone = await self._answer(bare, request, may_leave=may_leave)
        method = type(request).__name__.removesuffix("Request")
        self._book.calls.append(
            Call(
                trial=self._book.trial,
                method=method,
                key=key,
                begin_ns=begin_ns,
                end_ns=self._book.now_ns(),
                answer=answer,
            )
        )
        if answer is not None and answer.final:
            self._book.unanswered.pop(key, None)
            self._book.answered[key] = request
            if answer.ok and answer.state in _RESTS and isinstance(request, orders_pb2.SubmitOrderRequest):
                item = next(each for each in self._book.goods.items if each.symbol == request.order.symbol)
                self._book.resting[answer.order_id] = item
        return not gone

    async def _answer(self, bare: BareClient, request: Request, *, may_leave: bool) -> tuple[Answer | None, bool]:
        method = getattr(bare.orders, type(request).__name__.removesuffix("Request"))
        call = method(request, metadata=bare.identity, timeout=_CALL_S)
        if may_leave and self._random.random() < _LEAVE_SHARE:
            return None, await self._leave(call)
        try:
            return _ok(await call), False
        except grpc.aio.AioRpcError as failure:
            info = error_info(failure)
            if not info.reason:
                return None, failure.code() is grpc.StatusCode.UNAVAILABLE
            return _refusal(failure.code().name, info), False

    async def _leave(self, call: Any) -> bool:
        """Leave in mid-call, whatever it would have come to."""
        await asyncio.sleep(self._random.uniform(0, _LEAVE_S_MAX))
        call.cancel()
        with suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
            await call
        return bool(await call.code() is grpc.StatusCode.UNAVAILABLE)


def _ok(message: Any) -> Answer:
    order = message.order
    return Answer(
        ok=True,
        order_id=order.order_id,
        state=orders_pb2.OrderState.Name(order.state).removeprefix(_STATE),
        version=order.version,
        broker_order_ids=tuple(order.broker_order_ids),
        replayed=message.replayed,
        code="OK",
    )


def _refusal(code: str, info: Any) -> Answer:
    return Answer(
        ok=False,
        order_id=info.metadata.get("order_id", ""),
        code=code,
        reason=info.reason,
        effect=info.metadata.get("order_effect", ""),
        retry=info.metadata.get("retry", ""),
    )
