"""The container's health check, against real health services on loopback."""

from collections.abc import Iterator
from concurrent import futures
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer

from brokergw.app import probe
from brokergw.app.settings import Settings

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Peer:
    """A health service that says what it is told to say."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self.health = HealthServicer()
        self.server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        if credentials is None:
            self.port = self.server.add_insecure_port("127.0.0.1:0")
        else:
            self.port = self.server.add_secure_port("127.0.0.1:0", credentials)
        self.server.start()


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A plaintext peer."""
    made = Peer()
    yield made
    made.server.stop(None).wait()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate for a name that no resolver knows, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("gateway.invalid")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "tls.crt", tmp_path / "tls.key"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@pytest.mark.parametrize(("status", "said", "code"), [(SERVING, "SERVING", 0), (NOT_SERVING, "NOT_SERVING", 1)])
def test_the_exit_code_follows_the_gateways_own_word(
    peer: Peer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: int,
    said: str,
    code: int,
) -> None:
    """0 while it serves; 1 while it drains, with its word for it."""
    peer.health.set("", status)
    monkeypatch.setenv("BROKERGW_LISTEN", f"0.0.0.0:{peer.port}")
    assert probe.main() == code
    assert capsys.readouterr().out == f"{said}\n"


def test_a_gateway_that_is_gone_is_unhealthy(
    peer: Peer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody at the address means 1, and no traceback."""
    peer.server.stop(None).wait()
    monkeypatch.setenv("BROKERGW_LISTEN", f"127.0.0.1:{peer.port}")
    assert probe.main() == 1
    assert capsys.readouterr().out == "UNAVAILABLE\n"


@pytest.mark.parametrize("both_sides", [False, True], ids=["server certificate", "client certificate too"])
def test_a_gateway_with_tls_is_asked_under_its_own_name(certificate: tuple[Path, Path], *, both_sides: bool) -> None:
    """The certificate names no address of this machine, and the probe trusts it all the same, and nothing else."""
    chain, key = certificate
    pair = (key.read_bytes(), chain.read_bytes())
    credentials = grpc.ssl_server_credentials([pair], chain.read_bytes() if both_sides else None, both_sides)
    peer = Peer(credentials)
    peer.health.set("", SERVING)
    settings = Settings(
        listen=f"127.0.0.1:{peer.port}",
        tls_certificate=str(chain),
        tls_private_key=str(key),
        tls_client_ca=str(chain) if both_sides else "",
    )
    try:
        assert probe.check(settings) == "SERVING"
    finally:
        peer.server.stop(None).wait()


@pytest.mark.parametrize(
    ("listen", "target"),
    [
        ("0.0.0.0:50051", "127.0.0.1:50051"),
        ("[::]:50051", "[::1]:50051"),
        ("10.1.2.3:7", "10.1.2.3:7"),
        ("[fd00::1]:7", "[fd00::1]:7"),
    ],
)
def test_an_address_that_means_everywhere_is_reached_on_loopback(listen: str, target: str) -> None:
    """A server listens at addresses that no client can call."""
    assert probe.target_of(listen) == target
