"""What the calls about risk share: the stubs of RiskService and AdminService."""

from functools import cached_property

from brokerapi.v1 import admin_pb2_grpc, risk_pb2_grpc

from brokergw.client.base import CallGroup


class RiskCalls(CallGroup):
    """The ground that calls about limits, modes and halts stand on."""

    @cached_property
    def _risk(self) -> risk_pb2_grpc.RiskServiceStub:
        return risk_pb2_grpc.RiskServiceStub(self._channel)

    @cached_property
    def _admin(self) -> admin_pb2_grpc.AdminServiceStub:
        return admin_pb2_grpc.AdminServiceStub(self._channel)
