"""Comparisons of accounts with their brokers."""

from decimal import Decimal
from typing import Final

from brokerapi.v1 import reconciliation_pb2 as pb

from brokergw.desk.verbs.reconcile import SettleReconciliation
from brokergw.model.errors import Reason
from brokergw.model.money import format_decimal, parse_decimal
from brokergw.model.order import ZERO
from brokergw.model.reconciliation import (
    CashPolicy,
    Difference,
    DifferenceKind,
    Explanation,
    Finding,
    PositionPolicy,
    Reconciliation,
    ReconciliationPolicy,
    Trigger,
)
from brokergw.rpc.wire.found import Found, enum_from, token_from
from brokergw.rpc.wire.paging import page_size_from
from brokergw.rpc.wire.times import time_to_proto

_EVIDENCE_LENGTH_MIN: Final = 10
_EVIDENCE_LENGTH_MAX: Final = 1_000

FINDING_TO: Final = {
    Finding.AGREED: pb.RECONCILIATION_FINDING_AGREED,
    Finding.WARNED: pb.RECONCILIATION_FINDING_WARNED,
    Finding.MISMATCH: pb.RECONCILIATION_FINDING_MISMATCH,
    Finding.INCONCLUSIVE: pb.RECONCILIATION_FINDING_INCONCLUSIVE,
    Finding.FAILED: pb.RECONCILIATION_FINDING_FAILED,
}
TRIGGER_TO: Final = {
    Trigger.FIRST: pb.RECONCILIATION_TRIGGER_FIRST,
    Trigger.PERIODIC: pb.RECONCILIATION_TRIGGER_PERIODIC,
    Trigger.ON_DEMAND: pb.RECONCILIATION_TRIGGER_ON_DEMAND,
    Trigger.SETTLEMENT: pb.RECONCILIATION_TRIGGER_SETTLEMENT,
}
KIND_TO: Final = {
    DifferenceKind.POSITION: pb.DIFFERENCE_KIND_POSITION,
    DifferenceKind.LEGS: pb.DIFFERENCE_KIND_LEGS,
    DifferenceKind.CASH: pb.DIFFERENCE_KIND_CASH,
    DifferenceKind.ORDER_UNKNOWN: pb.DIFFERENCE_KIND_ORDER_UNKNOWN,
    DifferenceKind.ORDER_ABSENT: pb.DIFFERENCE_KIND_ORDER_ABSENT,
}
EXPLANATION_TO: Final = {
    Explanation.NONE: pb.DIFFERENCE_EXPLANATION_UNSPECIFIED,
    Explanation.OLDER: pb.DIFFERENCE_EXPLANATION_OLDER,
    Explanation.TRANSACTION: pb.DIFFERENCE_EXPLANATION_TRANSACTION,
    Explanation.CORPORATE_ACTION: pb.DIFFERENCE_EXPLANATION_CORPORATE_ACTION,
    Explanation.TOLERATED: pb.DIFFERENCE_EXPLANATION_TOLERATED,
}
POSITIONS_TO: Final = {
    PositionPolicy.HALT: pb.POSITION_POLICY_HALT,
    PositionPolicy.ADOPT: pb.POSITION_POLICY_ADOPT,
}
CASH_TO: Final = {
    CashPolicy.HALT: pb.CASH_POLICY_HALT,
    CashPolicy.WARN: pb.CASH_POLICY_WARN,
    CashPolicy.IGNORE: pb.CASH_POLICY_IGNORE,
}
_POSITIONS_FROM: Final = {int(number): value for value, number in POSITIONS_TO.items()}
_CASH_FROM: Final = {int(number): value for value, number in CASH_TO.items()}


def reconcile_from_proto(request: pb.ReconcileAccountRequest, found: Found) -> pb.ReconcileAccountRequest:
    """Check ReconcileAccountRequest."""
    token_from(request.account_id, "account_id", found)
    return request


def list_from_proto(request: pb.ListReconciliationsRequest, found: Found) -> pb.ListReconciliationsRequest:
    """Check ListReconciliationsRequest."""
    for place, account_id in enumerate(request.account_ids):
        token_from(account_id, f"account_ids[{place}]", found)
    page_size_from(request.page_size, found)
    return request


def mismatches_from_proto(request: pb.ListMismatchesRequest, found: Found) -> pb.ListMismatchesRequest:
    """Check ListMismatchesRequest."""
    page_size_from(request.page_size, found)
    return request


def settle_from_proto(request: pb.SettleReconciliationRequest, found: Found) -> SettleReconciliation:
    """Read SettleReconciliationRequest."""
    evidence = request.evidence.strip()
    if not _EVIDENCE_LENGTH_MIN <= len(evidence) <= _EVIDENCE_LENGTH_MAX:
        found.add("evidence", f"must be {_EVIDENCE_LENGTH_MIN} to {_EVIDENCE_LENGTH_MAX} characters")
    elif not evidence.isprintable():
        found.add("evidence", "must be printable, on one line")
    return SettleReconciliation(
        reconciliation_id=token_from(request.reconciliation_id, "reconciliation_id", found), evidence=evidence
    )


def get_policy_from_proto(
    request: pb.GetReconciliationPolicyRequest, found: Found
) -> pb.GetReconciliationPolicyRequest:
    """Check GetReconciliationPolicyRequest."""
    token_from(request.user_id, "user_id", found)
    return request


def update_policy_from_proto(
    request: pb.UpdateReconciliationPolicyRequest, found: Found
) -> tuple[str, ReconciliationPolicy]:
    """Read UpdateReconciliationPolicyRequest: the user and the policy."""
    user_id = token_from(request.user_id, "user_id", found)
    policy = request.policy
    invalid = Reason.FIELD_INVALID
    return user_id, ReconciliationPolicy(
        positions=enum_from(_POSITIONS_FROM, policy.positions, "policy.positions", found, invalid, PositionPolicy.HALT),
        cash=enum_from(_CASH_FROM, policy.cash, "policy.cash", found, invalid, CashPolicy.HALT),
        cash_tolerance=_tolerance(policy.cash_tolerance, found),
    )


def _tolerance(text: str, found: Found) -> Decimal:
    try:
        tolerance = parse_decimal(text)
    except ValueError as error:
        found.add("policy.cash_tolerance", str(error))
        return ZERO
    if tolerance < ZERO:
        found.add("policy.cash_tolerance", "must not be negative")
    return tolerance


def policy_to_proto(policy: ReconciliationPolicy) -> pb.ReconciliationPolicy:
    """Write a policy."""
    return pb.ReconciliationPolicy(
        positions=POSITIONS_TO[policy.positions],
        cash=CASH_TO[policy.cash],
        cash_tolerance=format_decimal(policy.cash_tolerance),
    )


def reconciliation_to_proto(finding: Reconciliation) -> pb.Reconciliation:
    """Write a finding."""
    return pb.Reconciliation(
        reconciliation_id=finding.reconciliation_id,
        user_id=finding.user_id,
        account_id=finding.account_id,
        trigger=TRIGGER_TO[finding.trigger],
        finding=FINDING_TO[finding.finding],
        first_time=time_to_proto(finding.first_ns),
        as_of=time_to_proto(finding.as_of_ns),
        rounds=finding.rounds,
        differences=map(_difference_to_proto, finding.differences),
        detail=finding.detail,
        good_time=None if finding.good_ns is None else time_to_proto(finding.good_ns),
        open=finding.is_open,
        settle_time=None if finding.settle_time_ns is None else time_to_proto(finding.settle_time_ns),
        settled_by=finding.settled_by,
        evidence=finding.evidence,
    )


def _difference_to_proto(difference: Difference) -> pb.Difference:
    return pb.Difference(
        kind=KIND_TO[difference.kind],
        subject=difference.subject,
        record=difference.record,
        broker=difference.broker,
        explanation=EXPLANATION_TO[difference.explanation],
        detail=difference.detail,
    )
