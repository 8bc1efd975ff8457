"""AuditService."""

from brokerapi.v1 import audit_pb2 as pb

from brokergw.desk.audit.trail import AuditTrail
from brokergw.ports.audit import AuditEntry, AuditQuery
from brokergw.rpc.call import Call
from brokergw.rpc.wire.audit import event_to_proto, position_from_text, position_to_text, report_to_proto
from brokergw.rpc.wire.paging import PageTokens, limit_of
from brokergw.rpc.wire.times import NANOSECONDS


class AuditService:
    """The audit log, and whether it is whole."""

    def __init__(self, trail: AuditTrail, pages: PageTokens) -> None:
        self._trail = trail
        self._pages = pages

    async def list_audit_events(self, call: Call) -> bytes:
        """List rows, a page at a time."""
        request: pb.ListAuditEventsRequest = call.command
        caller = call.caller
        query = AuditQuery(
            user_id=None if request.all_users else request.user_id or caller.user_id,
            broker=request.broker,
            account_ids=frozenset({request.account_id}) if request.account_id else None,
            order_id=request.order_id,
            action=request.action,
            since_ns=_time(request, "since_time"),
            until_ns=_time(request, "until_time"),
            before=position_from_text(self._pages.after(caller.user_id, request)),
            limit=limit_of(request),
        )
        found = await self._trail.list(caller, query)
        page, token = self._pages.cut(caller.user_id, request, found, _place)
        events = map(event_to_proto, page)
        return pb.ListAuditEventsResponse(events=events, next_page_token=token).SerializeToString()

    async def verify_audit_chain(self, _call: Call) -> bytes:
        """Check the whole log."""
        return report_to_proto(await self._trail.verify()).SerializeToString()


def _place(entry: AuditEntry) -> str:
    return position_to_text(entry.position)


def _time(request: pb.ListAuditEventsRequest, field: str) -> int | None:
    if not request.HasField(field):  # type: ignore[arg-type]
        return None
    stamp = getattr(request, field)
    return int(stamp.seconds) * NANOSECONDS + int(stamp.nanos)
