"""The audit log on the wire."""

from typing import Final

from brokerapi.v1 import audit_pb2 as pb

from brokergw.ports.audit import AuditEntry, AuditFault, AuditPosition, AuditProblem, AuditReport
from brokergw.rpc.wire.found import Found, optional_token_from
from brokergw.rpc.wire.paging import page_size_from
from brokergw.rpc.wire.times import optional_time, time_from, time_to_proto

_ACTION_LENGTH_MAX: Final = 128

FAULT_TO: Final = {
    AuditFault.ROW_CHANGED: pb.AUDIT_FAULT_ROW_CHANGED,
    AuditFault.ROW_MISSING: pb.AUDIT_FAULT_ROW_MISSING,
    AuditFault.ROW_REWRITTEN: pb.AUDIT_FAULT_ROW_REWRITTEN,
    AuditFault.ROW_FORGED: pb.AUDIT_FAULT_ROW_FORGED,
    AuditFault.CHAIN_MISSING: pb.AUDIT_FAULT_CHAIN_MISSING,
    AuditFault.CHAIN_FORGED: pb.AUDIT_FAULT_CHAIN_FORGED,
    AuditFault.CHECKPOINT_MISSING: pb.AUDIT_FAULT_CHECKPOINT_MISSING,
    AuditFault.CHECKPOINT_FORGED: pb.AUDIT_FAULT_CHECKPOINT_FORGED,
    AuditFault.KEY_UNKNOWN: pb.AUDIT_FAULT_KEY_UNKNOWN,
}


def list_from_proto(request: pb.ListAuditEventsRequest, found: Found) -> pb.ListAuditEventsRequest:
    """Check ListAuditEventsRequest."""
    for field in ("user_id", "broker", "account_id", "order_id"):
        optional_token_from(getattr(request, field), field, found)
    if request.user_id and request.all_users:
        found.add("all_users", "cannot be asked for together with user_id")
    if len(request.action) > _ACTION_LENGTH_MAX or not request.action.isascii():
        found.add("action", f"must be at most {_ACTION_LENGTH_MAX} ASCII characters")
    page_size_from(request.page_size, found)
    since = time_from(request.since_time, "since_time", found)
    until = time_from(request.until_time, "until_time", found)
    if request.HasField("since_time") and request.HasField("until_time") and since >= until:
        found.add("until_time", "must be after since_time")
    return request


def verify_from_proto(request: pb.VerifyAuditChainRequest, _found: Found) -> pb.VerifyAuditChainRequest:
    """Take VerifyAuditChainRequest, which asks for everything."""
    return request


def position_to_text(position: AuditPosition) -> str:
    """Write where a page ends."""
    return f"{position.time_ns} {position.chain} {position.sequence}"


def position_from_text(text: str) -> AuditPosition | None:
    """Read where a page goes on; None for the first. The token was sealed, so it is what we wrote."""
    if not text:
        return None
    time_ns, chain, sequence = text.split(" ")
    return AuditPosition(int(time_ns), chain, int(sequence))


def event_to_proto(entry: AuditEntry) -> pb.AuditEvent:
    """Write a row."""
    row = entry.row
    return pb.AuditEvent(
        time=time_to_proto(row.time_ns),
        chain=entry.position.chain,
        sequence=entry.position.sequence,
        previous_hash=entry.previous_hash,
        hash=entry.hash,
        request_id=row.request_id,
        user_id=row.user_id,
        key_id=row.key_id,
        principal_kind=row.principal_kind,
        address=row.address,
        action=row.action,
        method_class=row.method_class,
        outcome=row.outcome,
        reason=row.reason,
        account_id=row.account_id,
        order_id=row.order_id,
        detail=row.detail,
        payload=row.payload,
        duration_ns=row.duration_ns,
    )


def report_to_proto(report: AuditReport) -> pb.VerifyAuditChainResponse:
    """Write what a verification came to."""
    return pb.VerifyAuditChainResponse(
        whole=report.whole,
        problems=map(_problem_to_proto, report.problems),
        rows=report.rows,
        chains=report.chains,
        checkpoints=report.checkpoints,
        unsigned_rows=report.unsigned,
        found_rows=report.found,
        pruned_rows=report.pruned,
        sign_time=optional_time(report.signed_time_ns),
        public_keys=report.public_keys,
    )


def _problem_to_proto(problem: AuditProblem) -> pb.AuditProblem:
    return pb.AuditProblem(
        fault=FAULT_TO[problem.fault],
        subject=problem.subject,
        position=problem.position,
        position_last=problem.position_last,
        detail=problem.detail,
    )
