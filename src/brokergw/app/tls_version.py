"""The least version of TLS, which gRPC can only be told of by way of its ciphers."""

import os
import sys
from typing import Final

from brokergw.app.settings import Settings

CIPHERS: Final = "GRPC_SSL_CIPHER_SUITES"
"""What gRPC reads its ciphers for TLS 1.2 from, once, as its library is loaded. Those of TLS 1.3 are fixed."""

_NONE_OF_1_2: Final = "ECDHE-PSK-CHACHA20-POLY1305"
"""It needs a secret that both sides share beforehand, which nobody has: so no handshake of TLS 1.2 comes about."""


def choose_tls_version(settings: Settings) -> None:
    """Have gRPC speak TLS 1.3 alone where that is set: this program begins anew, since gRPC is loaded already."""
    if settings.tls_certificate and settings.tls_version_min == "1.3" and os.environ.get(CIPHERS) != _NONE_OF_1_2:
        os.environ[CIPHERS] = _NONE_OF_1_2
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - itself, with its own arguments
