import uuid
from pathlib import Path

import pytest

from brokergw.client import Client, TlsOptions, new_idempotency_key
from brokergw.client.channel import is_loopback
from brokergw.client.timing import Backoff


@pytest.mark.parametrize(
    "target", ["127.0.0.1:50051", "localhost:1", "[::1]:1", "unix:/run/x.sock", "dns:///127.0.0.1:1"]
)
def test_this_machine_is_known(target: str) -> None:
    """Loopback targets may be plaintext."""
    assert is_loopback(target)


@pytest.mark.parametrize("target", ["10.0.0.1:50051", "gateway:50051", "localhost.evil.example:1", "example.com:443"])
async def test_a_key_does_not_travel_readable_to_another_machine(target: str) -> None:
    """Without TLS a remote target is refused, unless it is allowed on purpose."""
    with pytest.raises(ValueError, match="without TLS"):
        Client(target, "key")
    async with Client(target, "key", allow_plaintext=True):
        pass


def test_tls_options_read_their_files_and_hide_the_key(tmp_path: Path) -> None:
    """The private key is in no repr."""
    for name in ("ca", "certificate", "key"):
        (tmp_path / name).write_text(f"pem of {name}")

    options = TlsOptions.from_files(tmp_path / "ca", tmp_path / "certificate", tmp_path / "key", "gateway.local")

    assert options.root_certificates == b"pem of ca"
    assert options.private_key == b"pem of key"
    assert "pem of key" not in repr(options)


def test_a_key_is_a_uuid_of_version_7_that_tells_its_time() -> None:
    """Keys are RFC 9562 version 7: 48 bits of Unix milliseconds first."""
    key = uuid.UUID(new_idempotency_key(lambda: 1_700_000_000_123_456_789))

    assert key.version == 7
    assert key.variant == uuid.RFC_4122
    assert key.int >> 80 == 1_700_000_000_123


def test_keys_of_one_moment_differ() -> None:
    """Two intents of the same millisecond have two keys."""
    assert len({new_idempotency_key(lambda: 0) for _ in range(1000)}) == 1000


def test_the_wait_doubles_up_to_its_limit_and_never_undercuts_the_server() -> None:
    """Half of each step is certain, and the server's wish is the least."""
    backoff = Backoff(first_s=0.1, longest_s=1.0)

    assert [backoff.wait_s(n, 1.0) for n in (1, 2, 3, 4, 5, 10_000)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert backoff.wait_s(1, 0.0) == 0.05
    assert backoff.wait_s(1, 0.0, at_least_s=3.0) == 3.0
