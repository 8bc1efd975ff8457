"""Every RPC of the contract has its row."""

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from brokergw.model.principal import Scope
from brokergw.rpc.health import HEALTH_POLICIES
from brokergw.rpc.methods import POLICIES, SERVICES
from brokergw.rpc.reflection import REFLECTION_POLICIES
from brokergw.rpc.settings import Budget
from tests.fixtures.fake_gateway import FILES

ROWS = {policy.method: policy for policy in POLICIES}


def _methods() -> dict[str, MethodDescriptor]:
    return {
        f"/{service.full_name}/{method.name}": method
        for file in FILES
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }


def test_every_rpc_has_one_row_and_every_row_an_rpc() -> None:
    """The rows and the RPCs of the contract are the same set, and no row stands twice."""
    assert len(ROWS) == len(POLICIES)
    assert set(ROWS) == set(_methods())


def test_rows_agree_with_the_contract() -> None:
    """Request type, streaming, and whether a call may change something at a broker are as the contract says."""
    for name, method in _methods().items():
        row = ROWS[name]
        assert row.request.DESCRIPTOR.full_name == method.input_type.full_name
        assert row.streams == method.server_streaming
        assert not method.client_streaming
        assert row.keyed == ("idempotency_key" in method.input_type.fields_by_name)
        if row.keyed:
            assert method.GetOptions().idempotency_level == MethodOptions.IDEMPOTENT


def test_what_changes_something_is_written_down_paid_for_and_answered_again() -> None:
    """Each mutation has an audit row, a cost in the order budget, a write scope, and an answer for replays."""
    for row in POLICIES:
        if row.keyed:
            assert row.audited
            assert row.respond is not None
            operator = row.service.endswith("OperationsService")
            assert row.scope is (Scope.OPERATIONS_WRITE if operator else Scope.ORDERS_WRITE)
            assert row.budget is Budget.ORDERS
            assert row.cost >= 1
        else:
            assert not row.preflight


def test_only_health_is_public() -> None:
    """Everything but health asks for a key, and everything but one's own quota and reflection for a scope."""
    assert all(row.public for row in HEALTH_POLICIES)
    assert not any(row.public for row in (*POLICIES, *REFLECTION_POLICIES))
    unscoped = {row.name for row in POLICIES if row.scope is None}
    assert unscoped == {"GetQuota"}


def test_what_adds_risk_passes_the_gates() -> None:
    """Placing and changing orders go through preflight; cancelling and closing, which take risk away, do not."""
    assert {row.name for row in POLICIES if row.preflight} == {"SubmitOrder", "ModifyOrder"}


def test_the_services_are_those_of_the_contract() -> None:
    """The list that health and reflection show is the contract's."""
    assert set(SERVICES) == {service.full_name for f in FILES for service in f.DESCRIPTOR.services_by_name.values()}
