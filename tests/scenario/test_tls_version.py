"""The least version of TLS of a real gateway, set by its environment."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from brokergw.rpc.tls import speaks_tls_1_2
from tests.fixtures.bare_client import CALL_S
from tests.fixtures.certificates import Authority
from tests.fixtures.gateway_process import GatewayStarter


@pytest.mark.parametrize(("least", "spoken"), [("1.2", True), ("1.3", False)])
async def test_tls_1_2_is_spoken_only_where_it_is_the_least(
    start_gateway: GatewayStarter, tmp_path: Path, least: str, *, spoken: bool
) -> None:
    """With 1.3 as the least a client that has only 1.2 is refused, and others are served."""
    authority = Authority("server")
    certificate, key = authority.leaf().write(tmp_path)
    gateway = start_gateway(
        BROKERGW_TLS_CERTIFICATE=certificate, BROKERGW_TLS_PRIVATE_KEY=key, BROKERGW_TLS_VERSION_MIN=least
    )
    host, _, port = gateway.target.rpartition(":")
    assert await asyncio.to_thread(speaks_tls_1_2, host, int(port)) is spoken

    credentials = grpc.ssl_channel_credentials(root_certificates=authority.pem)
    options = (("grpc.ssl_target_name_override", "localhost"),)
    async with grpc.aio.secure_channel(gateway.target, credentials, options=options) as channel:
        request = health_pb2.HealthCheckRequest()
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(request, timeout=CALL_S)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
