"""The connections to a gateway: one channel for calls, one for streams."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import grpc

from brokergw.client.encode import BadArgument

KEEPALIVE_S: Final = 30
"""How often a connection is probed; the gateway ends a connection that probes more often than every 10 s."""

_OPTIONS: Final = (
    ("grpc.keepalive_time_ms", KEEPALIVE_S * 1000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A gateway that restarts is back within seconds; the default would leave it alone for up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # Whether a call may be repeated depends on its status details, which only this client reads.
    ("grpc.enable_retries", 0),
    # Without it both channels would share one connection, and streams would hold up calls.
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """How to trust the gateway, and how to prove oneself to it; all fields are PEM.

    Attributes:
        root_certificates: who may vouch for the gateway; None takes the roots that gRPC ships.
        certificate_chain: the client's certificate, where the gateway asks for one.
        private_key: the client's key; never shown.
        server_name: the name to expect in the gateway's certificate when it is not the target's.
    """

    root_certificates: bytes | None = None
    certificate_chain: bytes | None = None
    private_key: bytes | None = field(default=None, repr=False)
    server_name: str = ""

    @classmethod
    def from_files(
        cls,
        ca: Path | str | None = None,
        certificate: Path | str | None = None,
        key: Path | str | None = None,
        server_name: str = "",
    ) -> Self:
        """Read the PEM files; raises OSError when one cannot be read."""
        read = [None if path is None else Path(path).read_bytes() for path in (ca, certificate, key)]
        return cls(root_certificates=read[0], certificate_chain=read[1], private_key=read[2], server_name=server_name)


def open_channel(target: str, tls: TlsOptions | None, *, allow_plaintext: bool) -> grpc.aio.Channel:
    """Make a channel; it connects with its first call.

    Raises:
        BadArgument: without TLS the target must be on this machine, unless plaintext is allowed: the API key would
            travel readable.
    """
    if tls is None:
        if not (allow_plaintext or is_loopback(target)):
            raise BadArgument(f"refusing to send an API key to {target} without TLS")
        return grpc.aio.insecure_channel(target, options=_OPTIONS)
    credentials = grpc.ssl_channel_credentials(tls.root_certificates, tls.private_key, tls.certificate_chain)
    named = (("grpc.ssl_target_name_override", tls.server_name),) if tls.server_name else ()
    return grpc.aio.secure_channel(target, credentials, options=(*_OPTIONS, *named))


def is_loopback(target: str) -> bool:
    """Tell whether a target is on this machine."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    host = target.removeprefix("dns:///").rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
