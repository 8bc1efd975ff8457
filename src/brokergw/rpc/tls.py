"""Whom the server talks to, and how privately: TLS that follows its files, plaintext only where nobody listens in."""

import contextlib
import ipaddress
import socket
import ssl
from pathlib import Path
from typing import Final

import grpc
import structlog

from brokergw.rpc.settings import RpcSettings, TlsSettings

TLS_1_3: Final = "1.3"
LOOPBACKS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "::1", "": "127.0.0.1"}  # noqa: S104 - not to bind to
"""Where a server that listens everywhere can be reached from here."""

_PROBE_S: Final = 10.0
_HANDSHAKE_RECORD: Final = b"\x16"

_log = structlog.get_logger("brokergw.rpc")


class StartRefused(Exception):
    """The server cannot start with these settings; the text says what to change."""


class TlsFiles:
    """Certificate, key and client CA, read again at the first handshake after any of them has changed."""

    def __init__(self, settings: TlsSettings) -> None:
        self._settings = settings
        self._paths = [Path(p) for p in (settings.certificate, settings.private_key, settings.client_ca) if p]
        self._seen = self._stamps()

    def credentials(self) -> grpc.ServerCredentials:
        """Make the credentials; raises StartRefused when a file cannot be read."""
        try:
            first = self._read()
        except ssl.SSLError:
            raise StartRefused("TLS: certificate and private key are unusable, or do not belong together") from None
        except OSError as error:
            raise StartRefused(f"TLS: {error.filename} cannot be read ({error.strerror})") from None
        return grpc.dynamic_ssl_server_credentials(
            first,
            self._fetch,  # type: ignore[arg-type]  # the stubs forget that None means unchanged
            require_client_authentication=bool(self._settings.client_ca),
        )

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """Give the new configuration, or None while nothing has changed; called by gRPC before each handshake."""
        try:
            stamps = self._stamps()
            if stamps == self._seen:
                return None
            fresh = self._read()
        except OSError as error:
            # An SSLError is one too: a certificate may have been exchanged before its key.
            _log.warning("TLS files cannot be used; the old ones stay in use", error=error.strerror)
            return None
        self._seen = stamps
        _log.info("TLS files have changed and are in use")
        return fresh

    def _read(self) -> grpc.ServerCertificateConfiguration:
        settings = self._settings
        pair = (Path(settings.private_key).read_bytes(), Path(settings.certificate).read_bytes())
        roots = Path(settings.client_ca).read_bytes() if settings.client_ca else None
        # gRPC takes a mismatched pair without a word, and then fails every handshake.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.certificate, settings.private_key)
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=roots)

    def _stamps(self) -> list[tuple[int, int, int]]:
        stats = [path.stat() for path in self._paths if path.exists()]
        return [(stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats]


def speaks_tls_1_2(host: str, port: int) -> bool:
    """Offer a server TLS 1.2 and nothing newer, and tell whether it goes on with that.

    What comes first is a handshake record where it does, and an alert or the end of the connection where it does not.
    Raises OSError where nobody answers.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    said, heard = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(heard, said).do_handshake()
    with socket.create_connection((host, port), _PROBE_S) as wire:
        wire.sendall(said.read())
        return wire.recv(1) == _HANDSHAKE_RECORD


def credentials_of(settings: RpcSettings) -> grpc.ServerCredentials | None:
    """Give the credentials to serve with; None is plaintext, which is refused beyond loopback unless forced."""
    if settings.tls is not None:
        return TlsFiles(settings.tls).credentials()
    if not (settings.allow_plaintext or is_loopback(settings.host)):
        raise StartRefused(
            f"refusing to serve plaintext on {settings.host}: API keys would cross the network in the clear. "
            "Give a TLS certificate and key, listen on 127.0.0.1, or allow plaintext (behind a proxy that ends TLS)."
        )
    return None


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    if host == "localhost" or host.startswith("unix:"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
