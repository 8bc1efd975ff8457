"""Ask the gateway of this machine whether it serves: `python -m brokergw.app.probe`, the container's health check.

Where to ask, and with which certificate, stands in the gateway's own settings. Exit code 0 means SERVING; 1 anything
else, with one line that says what.
"""

import sys
from pathlib import Path
from typing import Final

import grpc
from cryptography import x509
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from brokergw.app.settings import Settings, split_address

TIMEOUT_S: Final = 3.0

# What a server calls "every address" is no address to call.
_REACHED_AT: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - the point is not to use it


def check(settings: Settings) -> str:
    """Give the gateway's word for its health (SERVING, NOT_SERVING …); raises grpc.RpcError when it is silent."""
    with _channel(settings) as channel:
        ask = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=HealthCheckRequest.SerializeToString,
            response_deserializer=HealthCheckResponse.FromString,
        )
        answer = ask(HealthCheckRequest(), timeout=TIMEOUT_S)
    return str(HealthCheckResponse.ServingStatus.Name(answer.status))


def target_of(listen: str) -> str:
    """Say where to reach a gateway that listens at `host:port`."""
    host, port = split_address(listen)
    host = _REACHED_AT.get(host, host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _channel(settings: Settings) -> grpc.Channel:
    target = target_of(settings.listen)
    if not settings.tls_certificate:
        return grpc.insecure_channel(target)
    certificate = Path(settings.tls_certificate).read_bytes()
    # The gateway's own certificate is all that is trusted, under the first name in it. Where clients must show a
    # certificate too, it is this one, so the same authority has to have signed it.
    key = Path(settings.tls_private_key).read_bytes() if settings.tls_client_ca else None
    credentials = grpc.ssl_channel_credentials(certificate, key, certificate if key else None)
    return grpc.secure_channel(target, credentials, (("grpc.ssl_target_name_override", _first_name(certificate)),))


def _first_name(certificate: bytes) -> str:
    extensions = x509.load_pem_x509_certificate(certificate).extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))][0]


def main() -> int:
    """Print one line and give the exit code."""
    try:
        status = check(Settings())
    except grpc.RpcError as error:
        status = error.code().name if isinstance(error, grpc.Call) else "no answer"
    sys.stdout.write(f"{status}\n")
    return 0 if status == "SERVING" else 1


if __name__ == "__main__":
    sys.exit(main())
