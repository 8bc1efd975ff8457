"""Who is asking: the key's header, and the signature over the very bytes that arrived (rest-api.md, Request Security).

The payload of a signed request is its query string immediately followed by its body, both as they came, without
`signature`. A WebSocket API request signs its parameters sorted by name, as plain text.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_plus

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from brokergw.sim.dialects.binance.options import BinanceOptions
from brokergw.sim.dialects.binance.refusals import BAD_KEY, BAD_KEY_FORMAT, BAD_SIGNATURE, ApiError, missing
from brokergw.sim.wire import WireRequest

KEY_HEADER: Final = "X-MBX-APIKEY"
_AHEAD_MS: Final = 1000
_WINDOW_MS: Final = 5000
_WINDOW_MAX_MS: Final = 60_000
SIGNING: Final = frozenset({"timestamp", "recvWindow", "signature"})


@dataclass(frozen=True, slots=True)
class Sent:
    """A request's parameters: where a name came in query and body, the query's value holds."""

    values: Mapping[str, str]
    payload: str
    signature: str


def read_parameters(request: WireRequest) -> Sent:
    """Read query and form body; raises -1105 for an empty value."""
    parts: list[str] = []
    values: dict[str, str] = {}
    for text in (request.body.decode("utf-8", "replace"), request.query_string):
        pairs = parse_qsl(text, keep_blank_values=True)
        for name, value in pairs:
            if not value:
                raise ApiError(-1105, f"Parameter '{name}' was empty.")
            values[name] = value
    for text in (request.query_string, request.body.decode("utf-8", "replace")):
        kept = [part for part in text.split("&") if part and not part.startswith("signature=")]
        parts.append("&".join(kept))
    return Sent(values, "".join(parts), values.get("signature", ""))


class Gate:
    """Knows the keys, and what is signed with them."""

    def __init__(self, options: BinanceOptions) -> None:
        self._secrets = options.keys
        self._public = {key: _public_key(pem) for key, pem in options.public_keys.items()}

    def recognise(self, key: str | None) -> str:
        """Give a key that is known; raises -2014 or -2015."""
        if not key or not key.isalnum():
            raise ApiError(*BAD_KEY_FORMAT, status=401)
        if key not in self._secrets and key not in self._public:
            raise ApiError(*BAD_KEY, status=401)
        return key

    def verify(self, key: str, sent: Sent, now_ms: int) -> None:
        """Check the signature and its time; raises -1102, -1022 or -1021."""
        if not sent.signature:
            raise missing("signature")
        if "timestamp" not in sent.values:
            raise missing("timestamp")
        if not self._signed(key, sent.payload, sent.signature):
            raise ApiError(*BAD_SIGNATURE)
        check_time(sent.values, now_ms)

    def verify_socket(self, params: Mapping[str, Any], now_ms: int) -> str:
        """Check a WebSocket API request and give its key; raises as above."""
        key = self.recognise(params.get("apiKey"))
        values = {name: str(value) for name, value in params.items()}
        payload = "&".join(f"{name}={values[name]}" for name in sorted(values) if name != "signature")
        self.verify(key, Sent(values, payload, values.get("signature", "")), now_ms)
        return key

    def is_ed25519(self, key: str) -> bool:
        """Tell whether a key may open a session, which is for Ed25519 only."""
        return key in self._public

    def _signed(self, key: str, payload: str, signature: str) -> bool:
        if key in self._public:
            try:
                self._public[key].verify(base64.b64decode(signature, validate=True), payload.encode())
            except (InvalidSignature, binascii.Error):
                return False
            return True
        ours = hmac.new(self._secrets[key].encode(), payload.encode(), hashlib.sha256).hexdigest()
        return hmac.compare_digest(ours, unquote_plus(signature).lower())


def check_time(values: Mapping[str, str], now_ms: int) -> None:
    """Check a request's time against the server's; raises -1021 or -1131."""
    try:
        sent_ms, window = int(values["timestamp"]), Decimal(values.get("recvWindow", _WINDOW_MS))
    except (ValueError, InvalidOperation):
        raise ApiError(
            -1100, "Illegal characters found in parameter 'timestamp'; legal range is '^[0-9]{1,20}$'."
        ) from None
    if window > _WINDOW_MAX_MS:
        raise ApiError(-1131, "recvWindow must be less than 60000")
    if sent_ms > 10**15:
        sent_ms //= 1000
    if sent_ms >= now_ms + _AHEAD_MS:
        raise ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - sent_ms > window:
        raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


def _public_key(pem: str) -> Ed25519PublicKey:
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("public_keys takes Ed25519 keys")  # noqa: TRY004 - a wrong setting, whatever its type
    return key
