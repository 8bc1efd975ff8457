"""The calls of OrderService."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, TypeAlias, Unpack, overload

from brokerapi.v1 import orders_pb2, orders_pb2_grpc, streams_pb2

from brokergw.client import encode
from brokergw.client.base import CallGroup
from brokergw.client.encode import Amount, Moment, Start
from brokergw.client.subscription import Subscription, event_item, raw_item
from brokergw.client.terms import OrderTerms, order_spec

OrderMessage: TypeAlias = (
    orders_pb2.Order
    | orders_pb2.OrderEvent
    | streams_pb2.Subscribed
    | streams_pb2.SnapshotComplete
    | streams_pb2.Heartbeat
    | streams_pb2.Gap
    | streams_pb2.Terminating
)
"""What a raw stream of orders yields."""


class OrderCalls(CallGroup):
    """Place, change, cancel, ask for and follow orders.

    Every mutation goes under one idempotency key: `idempotency_key`, or a fresh UUIDv7. It is repeated under that key
    while its outcome is in doubt and time is left. `timeout_s` bounds all of it, in seconds.
    """

    async def submit(
        self,
        account_id: str,
        *,
        client_order_id: str = "",
        strategy_id: str = "",
        run_id: str = "",
        labels: Mapping[str, str] | None = None,
        validate_only: bool = False,
        client_time: Moment | None = None,
        allow_duplicate: bool = False,
        idempotency_key: str | None = None,
        timeout_s: float | None = None,
        **terms: Unpack[OrderTerms],
    ) -> orders_pb2.SubmitOrderResponse:
        """Place one order.

        The answer's order is in state IN_DOUBT when the broker's answer was lost: the gateway finds out; never place it
        again under another key. `client_time` is when the order was decided on: one that arrives more than 30 s later
        is refused. `allow_duplicate` says that the same order as one of the last two seconds is meant twice.

        Raises:
            GatewayCallError: it was refused, or its outcome could not be learned in time (`order_effect` tells which).
            TypeError: an amount is a float.
            BadArgument: a name of the terms is unknown.
        """
        request = orders_pb2.SubmitOrderRequest(
            idempotency_key=self._key(idempotency_key),
            account_id=account_id,
            order=order_spec(**terms),
            client_order_id=client_order_id,
            strategy_id=strategy_id,
            run_id=run_id,
            labels=labels,
            validate_only=validate_only,
            client_time=encode.timestamp("client_time", client_time),
            allow_duplicate=allow_duplicate,
        )
        return await self._caller.mutate(self._orders.SubmitOrder, request, timeout_s, request.idempotency_key)

    async def modify(
        self,
        order_id: str,
        *,
        quantity: Amount | None = None,
        limit_price: Amount | None = None,
        stop_price: Amount | None = None,
        trail: Amount | None = None,
        etag: str = "",
        idempotency_key: str | None = None,
        timeout_s: float | None = None,
    ) -> orders_pb2.ModifyOrderResponse:
        """Change a working order: what is not given stays; `quantity` is the new total, what has filled included."""
        request = orders_pb2.ModifyOrderRequest(
            idempotency_key=self._key(idempotency_key),
            order_id=order_id,
            etag=etag,
            quantity=encode.optional_decimal("quantity", quantity),
            limit_price=encode.optional_decimal("limit_price", limit_price),
            stop_price=encode.optional_decimal("stop_price", stop_price),
            trail=encode.optional_decimal("trail", trail),
        )
        return await self._caller.mutate(self._orders.ModifyOrder, request, timeout_s, request.idempotency_key)

    async def cancel(
        self, order_id: str, *, etag: str = "", idempotency_key: str | None = None, timeout_s: float | None = None
    ) -> orders_pb2.CancelOrderResponse:
        """Ask for a cancel; the order may still fill before the broker has carried it out."""
        request = orders_pb2.CancelOrderRequest(
            idempotency_key=self._key(idempotency_key), order_id=order_id, etag=etag
        )
        return await self._caller.mutate(self._orders.CancelOrder, request, timeout_s, request.idempotency_key)

    async def cancel_all(
        self, account_id: str, *, symbol: str = "", idempotency_key: str | None = None, timeout_s: float | None = None
    ) -> orders_pb2.CancelAllOrdersResponse:
        """Ask for the cancel of every open order of an account, or of one symbol in it."""
        request = orders_pb2.CancelAllOrdersRequest(
            idempotency_key=self._key(idempotency_key), account_id=account_id, symbol=symbol
        )
        return await self._caller.mutate(self._orders.CancelAllOrders, request, timeout_s, request.idempotency_key)

    async def get_order(
        self,
        order_id: str = "",
        *,
        account_id: str = "",
        client_order_id: str = "",
        min_cursor: str = "",
        timeout_s: float | None = None,
    ) -> orders_pb2.Order:
        """Get one order, by the gateway's id or by account and the client's own id."""
        request = orders_pb2.GetOrderRequest(
            order_id=order_id, account_id=account_id, client_order_id=client_order_id, min_cursor=min_cursor
        )
        return (await self._caller.read(self._orders.GetOrder, request, timeout_s)).order

    async def list_orders(
        self,
        account_ids: Sequence[str] = (),
        *,
        status: str = "ALL",
        symbol: str = "",
        since_time: Moment | None = None,
        until_time: Moment | None = None,
        page_size: int = 0,
        page_token: str = "",
        min_cursor: str = "",
        timeout_s: float | None = None,
    ) -> orders_pb2.ListOrdersResponse:
        """List one page of orders, newest first; `status` is ALL, OPEN or CLOSED."""
        request = orders_pb2.ListOrdersRequest(
            account_ids=account_ids,
            status=encode.order_status(status),
            symbol=symbol,
            since_time=encode.timestamp("since_time", since_time),
            until_time=encode.timestamp("until_time", until_time),
            page_size=page_size,
            page_token=page_token,
            min_cursor=min_cursor,
        )
        return await self._caller.read(self._orders.ListOrders, request, timeout_s)

    async def list_order_events(
        self, order_id: str, *, timeout_s: float | None = None
    ) -> orders_pb2.ListOrderEventsResponse:
        """List every version of one order, oldest first."""
        request = orders_pb2.ListOrderEventsRequest(order_id=order_id)
        return await self._caller.read(self._orders.ListOrderEvents, request, timeout_s)

    @overload
    def orders(
        self,
        account_ids: Sequence[str] = (),
        *,
        symbols: Sequence[str] = (),
        start: Start | None = None,
        heartbeat_s: float | None = None,
        raw: Literal[False] = False,
    ) -> Subscription[orders_pb2.OrderEvent]: ...

    @overload
    def orders(
        self,
        account_ids: Sequence[str] = (),
        *,
        symbols: Sequence[str] = (),
        start: Start | None = None,
        heartbeat_s: float | None = None,
        raw: Literal[True],
    ) -> Subscription[OrderMessage]: ...

    def orders(
        self,
        account_ids: Sequence[str] = (),
        *,
        symbols: Sequence[str] = (),
        start: Start | None = None,
        heartbeat_s: float | None = None,
        raw: bool = False,
    ) -> Subscription[Any]:
        """Follow every change of the caller's orders; see `Subscription`.

        Args:
            account_ids: only these accounts; empty means all.
            symbols: only these symbols; empty means all.
            start: "now" (the default), "snapshot", a cursor, or a point in time.
            heartbeat_s: how often the gateway shows that it is alive, 1 to 60 s.
            raw: yield heartbeats, gaps and the other bookkeeping too.
        """
        return self._subscribe(
            orders_pb2_grpc.OrderServiceStub(self._stream_channel).SubscribeOrders,
            orders_pb2.SubscribeOrdersRequest,
            raw_item if raw else event_item(lambda order: orders_pb2.OrderEvent(order=order)),
            account_ids=account_ids,
            symbols=symbols,
            start=start,
            heartbeat_s=heartbeat_s,
        )

    @cached_property
    def _orders(self) -> orders_pb2_grpc.OrderServiceStub:
        return orders_pb2_grpc.OrderServiceStub(self._channel)
