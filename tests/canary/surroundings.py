"""What stands around the gateway and keeps what it sends: a collector of traces, an issuer of tokens, a receiver."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from joserfc import jwt
from joserfc.jwk import ECKey

AUDIENCE = "brokergw"


class Collector:
    """An OpenTelemetry collector that keeps every byte."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self._server = grpc.server(ThreadPoolExecutor(2))
        self._server.add_generic_rpc_handlers((self._handler(),))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def close(self) -> None:
        """Stop."""
        self._server.stop(None)

    def _handler(self) -> grpc.GenericRpcHandler:
        def take(body: bytes, _: grpc.ServicerContext) -> bytes:
            self.received.append(body)
            return b""

        handlers: dict[str, Any] = {"Export": grpc.unary_unary_rpc_method_handler(take)}
        return grpc.method_handlers_generic_handler("opentelemetry.proto.collector.trace.v1.TraceService", handlers)


class Web:
    """Answers with the issuer's keys to every GET, and keeps every POST with its headers."""

    def __init__(self) -> None:
        self._key = ECKey.generate_key("P-256", {"kid": "one", "use": "sig", "alg": "ES256"})
        keys = json.dumps({"keys": [self._key.as_dict(private=False)]}).encode()
        received = self.received = list[bytes]()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(keys)

            def do_POST(self) -> None:
                received.append(str(self.headers).encode() + self.rfile.read(int(self.headers["Content-Length"])))
                self._answer(b"{}")

            def _answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def token(self, user_id: str, **claims: Any) -> str:
        """Sign a token for a user."""
        now = int(time.time())
        whole = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": user_id,
            "iat": now,
            "exp": now + 600,
            "scope": "orders.read accounts.read",
            **claims,
        }
        return jwt.encode({"alg": "ES256", "kid": "one", "typ": "at+jwt"}, whole, self._key, algorithms=["ES256"])

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def surroundings() -> Iterator[tuple[Collector, Web]]:
    """Open both for a while."""
    collector, web = Collector(), Web()
    try:
        yield collector, web
    finally:
        web.close()
        collector.close()
