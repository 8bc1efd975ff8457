"""The calls of AuditService."""

from functools import cached_property
from typing import Final

from brokerapi.v1 import audit_pb2, audit_pb2_grpc

from brokergw.client import encode
from brokergw.client.base import CallGroup
from brokergw.client.encode import Moment

_VERIFYING_S: Final = 600.0


class AuditCalls(CallGroup):
    """Read the audit log, and have it verified."""

    async def list_audit_events(
        self,
        *,
        user_id: str = "",
        all_users: bool = False,
        broker: str = "",
        account_id: str = "",
        order_id: str = "",
        action: str = "",
        since: Moment | None = None,
        until: Moment | None = None,
        page_size: int = 0,
        page_token: str = "",
        timeout_s: float | None = None,
    ) -> audit_pb2.ListAuditEventsResponse:
        """List one page of the log, newest first: your own, or for those who run the platform anybody's.

        Args:
            user_id: another user.
            all_users: everybody's, and what nobody known has tried.
            broker: only accounts at this broker.
            account_id: only this account.
            order_id: only this order.
            action: a full name, a method's own name, or the beginning of names, such as `order.`.
            since: only at or after this time.
            until: only before this time.
            page_size: how many at most; 0 is 100.
            page_token: where to go on, from the answer before.
            timeout_s: how long it may take.

        Raises:
            GatewayCallError: what was asked for is not the caller's to see, or the token is of another list.
        """
        request = audit_pb2.ListAuditEventsRequest(
            user_id=user_id,
            all_users=all_users,
            broker=broker,
            account_id=account_id,
            order_id=order_id,
            action=action,
            since_time=encode.timestamp("since", since),
            until_time=encode.timestamp("until", until),
            page_size=page_size,
            page_token=page_token,
        )
        return await self._caller.read(self._audit.ListAuditEvents, request, timeout_s)

    async def verify_audit_chain(self, *, timeout_s: float | None = None) -> audit_pb2.VerifyAuditChainResponse:
        """Have the whole log checked against its hashes and its signatures; for those who run the platform.

        Raises:
            GatewayCallError: the caller has no role for it, or the time was not enough.
        """
        request = audit_pb2.VerifyAuditChainRequest()
        return await self._caller.read(self._audit.VerifyAuditChain, request, timeout_s or _VERIFYING_S)

    @cached_property
    def _audit(self) -> audit_pb2_grpc.AuditServiceStub:
        return audit_pb2_grpc.AuditServiceStub(self._channel)
