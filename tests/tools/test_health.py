import subprocess
from pathlib import Path

import pytest

from tests.fixtures.gateway_process import GatewayProcess, GatewayStarter
from tests.tools.following import following

ORDERS = "brokerapi.v1.OrderService"


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("service", ["", ORDERS])
def test_health_check_says_serving(go_tools: Path, shared_gateway: GatewayProcess, service: str) -> None:
    """The whole server and each of its services can be checked, without a credential."""
    checked = run(go_tools / "health", "check", shared_gateway.target, service)
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.split() == ["SERVING"]


def test_health_check_of_an_unknown_service_is_not_found(go_tools: Path, shared_gateway: GatewayProcess) -> None:
    """A service that the server does not have is NOT_FOUND, and not merely unwell."""
    checked = run(go_tools / "health", "check", shared_gateway.target, "no.such.Service")
    assert checked.returncode == 1
    assert checked.stderr.startswith("NotFound:")


def test_health_list_names_every_service(go_tools: Path, shared_gateway: GatewayProcess) -> None:
    """One call shows the health of the whole server and of each service."""
    listed = run(go_tools / "health", "list", shared_gateway.target)
    assert listed.returncode == 0, listed.stderr
    assert {"=SERVING", f"{ORDERS}=SERVING", "brokerapi.v1.FillService=SERVING"} <= set(listed.stdout.split())


@pytest.mark.parametrize("service", ["", ORDERS])
def test_health_watch_follows_a_drain(go_tools: Path, start_gateway: GatewayStarter, service: str) -> None:
    """Who watches sees SERVING at once and NOT_SERVING when the gateway is told to end; the gateway exits 0."""
    gateway = start_gateway()
    with following([go_tools / "health", "watch", gateway.target, service]) as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline().strip() == "SERVING"
        gateway.terminate()
        assert watch.stdout.readline().strip() == "NOT_SERVING"
        assert gateway.wait() == 0


def test_grpcurl_checks_health_by_reflection(go_tools: Path, shared_gateway: GatewayProcess, shared_key: str) -> None:
    """The health service is reflected like every other."""
    key = f"authorization: Bearer {shared_key}"
    checked = run(go_tools / "grpcurl", "-plaintext", "-H", key, shared_gateway.target, "grpc.health.v1.Health/Check")
    assert checked.returncode == 0, checked.stderr
    assert '"SERVING"' in checked.stdout


class TestTheProbe:
    """grpc-health-probe, as orchestrators run it."""

    def test_a_serving_gateway_passes(self, health_probe: Path, shared_gateway: GatewayProcess) -> None:
        """The probe exits 0 for the server and for a service."""
        assert self._probe(health_probe, shared_gateway).returncode == 0
        assert self._probe(health_probe, shared_gateway, f"-service={ORDERS}").returncode == 0

    def test_an_unknown_service_fails(self, health_probe: Path, shared_gateway: GatewayProcess) -> None:
        """The probe's exit code for a failed call tells it from an unhealthy server."""
        assert self._probe(health_probe, shared_gateway, "-service=no.such.Service").returncode == 3

    def test_a_stopped_gateway_fails(self, health_probe: Path, start_gateway: GatewayStarter) -> None:
        """The probe cannot connect once the gateway has ended."""
        gateway = start_gateway()
        gateway.terminate()
        assert gateway.wait() == 0
        assert self._probe(health_probe, gateway, "-connect-timeout=1s").returncode == 2

    def _probe(self, program: Path, gateway: GatewayProcess, *options: str) -> subprocess.CompletedProcess[str]:
        return run(program, f"-addr={gateway.target}", *options)
