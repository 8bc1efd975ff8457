"""The calls of PositionService."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, TypeAlias, overload

from brokerapi.v1 import positions_pb2, positions_pb2_grpc, streams_pb2

from brokergw.client.base import CallGroup
from brokergw.client.encode import Start
from brokergw.client.subscription import Subscription, event_item, raw_item

PositionMessage: TypeAlias = (
    positions_pb2.Position
    | positions_pb2.PositionEvent
    | streams_pb2.Subscribed
    | streams_pb2.SnapshotComplete
    | streams_pb2.Heartbeat
    | streams_pb2.Gap
    | streams_pb2.Terminating
)
"""What a raw stream of positions yields."""


class PositionCalls(CallGroup):
    """Ask for, follow and close positions."""

    async def get_positions(
        self,
        account_ids: Sequence[str] = (),
        *,
        return_partial_success: bool = False,
        timeout_s: float | None = None,
    ) -> positions_pb2.GetPositionsResponse:
        """Ask the brokers for the open positions.

        A broker that cannot be reached fails the call, unless `return_partial_success`: then its accounts stand in
        `unreachable`, and their positions are not known.
        """
        request = positions_pb2.GetPositionsRequest(
            account_ids=account_ids, return_partial_success=return_partial_success
        )
        return await self._caller.read(self._positions.GetPositions, request, timeout_s)

    async def flatten(
        self, account_id: str, *, symbol: str = "", idempotency_key: str | None = None, timeout_s: float | None = None
    ) -> positions_pb2.FlattenResponse:
        """Cancel the open orders of a symbol (of all when empty) and close its position at market."""
        request = positions_pb2.FlattenRequest(
            idempotency_key=self._key(idempotency_key), account_id=account_id, symbol=symbol
        )
        return await self._caller.mutate(self._positions.Flatten, request, timeout_s, request.idempotency_key)

    async def close_all(
        self, *, idempotency_key: str | None = None, timeout_s: float | None = None
    ) -> positions_pb2.CloseAllResponse:
        """Cancel everything and close everything, over every account of the caller."""
        request = positions_pb2.CloseAllRequest(idempotency_key=self._key(idempotency_key))
        return await self._caller.mutate(self._positions.CloseAll, request, timeout_s, request.idempotency_key)

    @overload
    def positions(
        self,
        account_ids: Sequence[str] = (),
        *,
        symbols: Sequence[str] = (),
        start: Start | None = None,
        heartbeat_s: float | None = None,
        raw: Literal[False] = False,
    ) -> Subscription[positions_pb2.PositionEvent]: ...

    @overload
    def positions(
        self,
        account_ids: Sequence[str] = (),
        *,
        symbols: Sequence[str] = (),
        start: Start | None = None,
        heartbeat_s: float | None = None,
        raw: Literal[True],
    ) -> Subscription[PositionMessage]: ...

    def positions(
        self,
        account_ids: Sequence[str] = (),
        *,
        symbols: Sequence[str] = (),
        start: Start | None = None,
        heartbeat_s: float | None = None,
        raw: bool = False,
    ) -> Subscription[Any]:
        """Follow the positions as fills change them; the arguments are those of `orders`."""
        return self._subscribe(
            positions_pb2_grpc.PositionServiceStub(self._stream_channel).SubscribePositions,
            positions_pb2.SubscribePositionsRequest,
            raw_item if raw else event_item(lambda position: positions_pb2.PositionEvent(position=position)),
            account_ids=account_ids,
            symbols=symbols,
            start=start,
            heartbeat_s=heartbeat_s,
        )

    @cached_property
    def _positions(self) -> positions_pb2_grpc.PositionServiceStub:
        return positions_pb2_grpc.PositionServiceStub(self._channel)
