"""The calls of OperationsService, for those who run the gateway."""

from functools import cached_property

from brokerapi.v1 import operations_pb2, operations_pb2_grpc

from brokergw.client.base import CallGroup


class OperationCalls(CallGroup):
    """See and settle the orders in doubt of every user."""

    async def list_orders_in_doubt(
        self, *, page_size: int = 0, page_token: str = "", timeout_s: float | None = None
    ) -> operations_pb2.ListOrdersInDoubtResponse:
        """List one page of the orders whose outcome is open, oldest first."""
        request = operations_pb2.ListOrdersInDoubtRequest(page_size=page_size, page_token=page_token)
        return await self._caller.read(self._operations.ListOrdersInDoubt, request, timeout_s)

    async def settle_order(
        self,
        order_id: str,
        *,
        etag: str,
        evidence: str,
        placed_as: str = "",
        override_mismatch: bool = False,
        idempotency_key: str | None = None,
        timeout_s: float | None = None,
    ) -> operations_pb2.SettleOrderResponse:
        """Say what became of an order in doubt: the broker's id of it, or, when that is empty, that it was not placed.

        Raises:
            GatewayCallError: no verdict is taken on it, or the broker's answer speaks against this one.
        """
        request = operations_pb2.SettleOrderRequest(
            idempotency_key=self._key(idempotency_key),
            order_id=order_id,
            etag=etag,
            evidence=evidence,
            override_mismatch=override_mismatch,
        )
        if placed_as:
            request.placed_as = placed_as
        else:
            request.not_placed = True
        return await self._caller.mutate(self._operations.SettleOrder, request, timeout_s, request.idempotency_key)

    @cached_property
    def _operations(self) -> operations_pb2_grpc.OperationsServiceStub:
        return operations_pb2_grpc.OperationsServiceStub(self._channel)
