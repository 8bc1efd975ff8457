"""The calls of FillService."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, TypeAlias, overload

from brokerapi.v1 import fills_pb2, fills_pb2_grpc, streams_pb2

from brokergw.client import encode
from brokergw.client.base import CallGroup
from brokergw.client.encode import Moment, Start
from brokergw.client.subscription import Subscription, event_item, raw_item

FillMessage: TypeAlias = (
    fills_pb2.FillEvent
    | streams_pb2.Subscribed
    | streams_pb2.SnapshotComplete
    | streams_pb2.Heartbeat
    | streams_pb2.Gap
    | streams_pb2.Terminating
)
"""What a raw stream of fills yields."""


class FillCalls(CallGroup):
    """Ask for and follow executions."""

    async def list_fills(
        self,
        account_ids: Sequence[str] = (),
        *,
        order_id: str = "",
        since_time: Moment | None = None,
        page_size: int = 0,
        page_token: str = "",
        min_cursor: str = "",
        timeout_s: float | None = None,
    ) -> fills_pb2.ListFillsResponse:
        """List one page of fills, newest first."""
        request = fills_pb2.ListFillsRequest(
            account_ids=account_ids,
            order_id=order_id,
            since_time=encode.timestamp("since_time", since_time),
            page_size=page_size,
            page_token=page_token,
            min_cursor=min_cursor,
        )
        return await self._caller.read(self._fills.ListFills, request, timeout_s)

    @overload
    def fills(
        self,
        account_ids: Sequence[str] = (),
        *,
        symbols: Sequence[str] = (),
        start: Start | None = None,
        heartbeat_s: float | None = None,
        raw: Literal[False] = False,
    ) -> Subscription[fills_pb2.FillEvent]: ...

    @overload
    def fills(
        self,
        account_ids: Sequence[str] = (),
        *,
        symbols: Sequence[str] = (),
        start: Start | None = None,
        heartbeat_s: float | None = None,
        raw: Literal[True],
    ) -> Subscription[FillMessage]: ...

    def fills(
        self,
        account_ids: Sequence[str] = (),
        *,
        symbols: Sequence[str] = (),
        start: Start | None = None,
        heartbeat_s: float | None = None,
        raw: bool = False,
    ) -> Subscription[Any]:
        """Follow every fill of the caller's orders; the arguments are those of `orders`.

        Each event comes once for each stream; a program that resumes from a cursor it stored deduplicates on `fill_id`.
        """
        return self._subscribe(
            fills_pb2_grpc.FillServiceStub(self._stream_channel).SubscribeFills,
            fills_pb2.SubscribeFillsRequest,
            raw_item if raw else event_item(lambda item: item),
            account_ids=account_ids,
            symbols=symbols,
            start=start,
            heartbeat_s=heartbeat_s,
        )

    @cached_property
    def _fills(self) -> fills_pb2_grpc.FillServiceStub:
        return fills_pb2_grpc.FillServiceStub(self._channel)
