import json
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.gateway_process import GatewayProcess
from tests.tools.following import following
from tests.tools.orders import submit_document

SERVICES = {
    "brokerapi.v1.AccountService",
    "brokerapi.v1.AdminService",
    "brokerapi.v1.AuditService",
    "brokerapi.v1.BrokerService",
    "brokerapi.v1.ConnectionService",
    "brokerapi.v1.FillService",
    "brokerapi.v1.KeyService",
    "brokerapi.v1.MarketDataService",
    "brokerapi.v1.OrderService",
    "brokerapi.v1.PositionService",
    "brokerapi.v1.OperationsService",
    "brokerapi.v1.ReconciliationService",
    "brokerapi.v1.QuotaService",
    "brokerapi.v1.RiskService",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
}


class Grpcurl:
    """grpcurl aimed at one gateway, with one API key."""

    def __init__(self, program: Path, gateway: GatewayProcess, api_key: str) -> None:
        self._command: list[str | Path] = [program, "-plaintext", "-max-time", "60"]
        self._command += ["-H", f"authorization: Bearer {api_key}"]
        self._target = gateway.target

    def arguments(self, *words: str, data: Any = None) -> list[str | Path]:
        """Give the command line; options come before the target, verb and symbol after it."""
        options = [] if data is None else ["-d", json.dumps(data)]
        flags = [word for word in words if word.startswith("-")]
        return [*self._command, *flags, *options, self._target, *(word for word in words if word not in flags)]

    def run(self, *words: str, data: Any = None) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            self.arguments(*words, data=data), capture_output=True, text=True, timeout=60, check=False
        )

    def ask(self, method: str, data: Any) -> Any:
        """Call a unary method that must succeed and give its answer."""
        done = self.run(method, data=data)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def mock_account(self) -> str:
        """Give the caller's account at the mock broker."""
        accounts = self.ask("brokerapi.v1.AccountService/ListAccounts", {})["accounts"]
        account: str = next(account["account_id"] for account in accounts if account["broker"] == "mock")
        return account


@pytest.fixture
def grpcurl(go_tools: Path, shared_gateway: GatewayProcess, shared_key: str) -> Grpcurl:
    """Grpcurl aimed at a gateway."""
    return Grpcurl(go_tools / "grpcurl", shared_gateway, shared_key)


def test_grpcurl_lists_the_services(grpcurl: Grpcurl) -> None:
    """The whole published contract, health and both reflections are in the list, and nothing else."""
    listed = grpcurl.run("list")
    assert listed.returncode == 0, listed.stderr
    assert set(listed.stdout.split()) == SERVICES


def test_grpcurl_describes_a_message(grpcurl: Grpcurl) -> None:
    """A message can be read from the server alone, with the types it is made of."""
    described = grpcurl.run("describe", "brokerapi.v1.SubmitOrderRequest")
    assert described.returncode == 0, described.stderr
    assert "string idempotency_key = 1;" in described.stdout
    assert ".brokerapi.v1.OrderSpec order = 3;" in described.stdout


def test_grpcurl_submits_an_order(grpcurl: Grpcurl) -> None:
    """One order is placed and can be read again."""
    key = str(uuid.uuid4())
    placed = grpcurl.ask("brokerapi.v1.OrderService/SubmitOrder", submit_document(grpcurl.mock_account(), key))
    order = placed["order"]
    assert order["idempotency_key"] == key
    found = grpcurl.ask("brokerapi.v1.OrderService/GetOrder", {"order_id": order["order_id"]})
    assert found["order"]["order_id"] == order["order_id"]


def test_grpcurl_shows_the_typed_error(grpcurl: Grpcurl) -> None:
    """A refusal shows its reason, what became of the order, and the bad field."""
    bad = submit_document(grpcurl.mock_account(), str(uuid.uuid4()), quantity="0")
    refused = grpcurl.run("-format-error", "brokerapi.v1.OrderService/SubmitOrder", data=bad)
    assert refused.returncode != 0
    status = json.loads(refused.stderr)
    details = {detail["@type"].rpartition(".")[2]: detail for detail in status["details"]}
    assert status["code"] == 3
    assert details["ErrorInfo"]["reason"] == "INVALID_ORDER_FIELD"
    assert details["ErrorInfo"]["metadata"]["order_effect"] == "NONE"
    assert [violation["field"] for violation in details["BadRequest"]["field_violations"]] == ["order.quantity"]


def test_without_a_key_nothing_is_shown(go_tools: Path, shared_gateway: GatewayProcess) -> None:
    """Reflection asks for a credential like any other call."""
    stranger = Grpcurl(go_tools / "grpcurl", shared_gateway, "wrong")
    listed = stranger.run("list")
    assert listed.returncode != 0
    assert "brokerapi" not in listed.stdout


def test_grpcurl_streams_fills(grpcurl: Grpcurl) -> None:
    """A stream opened by hand shows the fill of an order placed by hand."""
    account = grpcurl.mock_account()
    start = {"accountIds": [account], "start": {"snapshot": True}}
    with following(grpcurl.arguments("brokerapi.v1.FillService/SubscribeFills", data=start)) as stream:
        assert stream.stdout is not None
        seen = ""
        while "snapshot_complete" not in seen:
            line = stream.stdout.readline()
            assert line, seen
            seen += line
        submitted = submit_document(account, str(uuid.uuid4()))
        placed = grpcurl.ask("brokerapi.v1.OrderService/SubmitOrder", submitted)
        while placed["order"]["order_id"] not in seen:
            line = stream.stdout.readline()
            assert line, seen
            seen += line
