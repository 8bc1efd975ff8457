"""The RPCs of the audit log, one row each."""

from typing import Final

from brokerapi.v1 import audit_pb2 as pb

from brokergw.desk.audit.trail import AUDITORS
from brokergw.model.principal import Scope
from brokergw.rpc.policy import MethodPolicy
from brokergw.rpc.settings import Budget
from brokergw.rpc.wire import audit

AUDIT: Final = (
    MethodPolicy(
        method="/brokerapi.v1.AuditService/ListAuditEvents",
        request=pb.ListAuditEventsRequest,
        decode=audit.list_from_proto,
        scope=Scope.AUDIT_READ,
        budget=Budget.READS,
        cost=5,
    ),
    # It reads and hashes the whole log, for as long as that takes.
    MethodPolicy(
        method="/brokerapi.v1.AuditService/VerifyAuditChain",
        request=pb.VerifyAuditChainRequest,
        decode=audit.verify_from_proto,
        scope=Scope.AUDIT_READ,
        only=AUDITORS,
        budget=Budget.CONNECTIONS,
    ),
)
