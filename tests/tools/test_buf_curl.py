import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.fixtures.gateway_process import GatewayProcess
from tests.tools.orders import submit_document

BUF = Path(sys.executable).with_name("buf")


def buf_curl(
    gateway: GatewayProcess, api_key: str, *arguments: str, path: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `buf curl` over gRPC without TLS."""
    options = ["--protocol", "grpc", "--http2-prior-knowledge", "--reflect-header", "*"]
    options += ["-H", f"authorization: Bearer {api_key}", *arguments]
    command: list[str | Path] = [BUF, "curl", *options, f"http://{gateway.target}{path}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("version", ["grpc-v1", "grpc-v1alpha"])
def test_reflection_serves_both_versions(shared_gateway: GatewayProcess, shared_key: str, version: str) -> None:
    """A client that speaks only one version of the reflection protocol lists the methods with it."""
    listed = buf_curl(shared_gateway, shared_key, "--reflect-protocol", version, "--list-methods")
    assert listed.returncode == 0, listed.stderr
    methods = listed.stdout.split()
    assert "brokerapi.v1.OrderService/SubmitOrder" in methods
    assert "brokerapi.v1.FillService/SubscribeFills" in methods
    assert "grpc.health.v1.Health/Check" in methods


def test_buf_curl_submits_an_order(shared_gateway: GatewayProcess, shared_key: str) -> None:
    """Without any generated code an order is placed, and placed once under its key."""
    accounts = buf_curl(shared_gateway, shared_key, "-d", "{}", path="/brokerapi.v1.AccountService/ListAccounts")
    assert accounts.returncode == 0, accounts.stderr
    account = json.loads(accounts.stdout)["accounts"][0]["accountId"]
    order = json.dumps(submit_document(account, str(uuid.uuid4())))
    first, second = (
        buf_curl(shared_gateway, shared_key, "-d", order, path="/brokerapi.v1.OrderService/SubmitOrder")
        for _ in range(2)
    )
    assert first.returncode == 0, first.stderr
    assert second.returncode == 0, second.stderr
    placed, replayed = json.loads(first.stdout), json.loads(second.stdout)
    assert "replayed" not in placed
    assert replayed["replayed"] is True
    assert replayed["order"]["orderId"] == placed["order"]["orderId"]
