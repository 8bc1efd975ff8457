"""Alerts as HTTP requests: one POST of JSON to an address of the operator's, signed so that the receiver can tell.

The signature is HMAC-SHA256 over the timestamp's digits, a full stop and the body's bytes, under the shared secret.
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from brokergw.ports.alerts import AlertMessage, AlertNotDelivered
from brokergw.transport.http import Http, NotSentError, Timeouts, UnknownError

_NS: Final = 1_000_000_000
_TIMEOUTS: Final = Timeouts(connect=1.0, pool=1.0, read=2.0, total=3.0)
_ANSWER_BYTES_MAX: Final = 65_536


class Webhook:
    """Implements `ports.alerts.AlertChannel`; `now_ns` is the wall time that requests are signed with.

    Raises ValueError unless `url` is an absolute HTTP address. Nothing of it is ever logged: such addresses hold keys.
    """

    name: Final = "webhook"

    def __init__(self, url: str, secret: str, now_ns: Callable[[], int], http: Http | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("the alert webhook must be an address such as https://host/path")
        self._url = url
        self._secret = secret.encode()
        self._now_ns = now_ns
        self._http = http or Http(timeouts=_TIMEOUTS, answer_bytes_max=_ANSWER_BYTES_MAX, connections_max=16)
        self._http.retain()

    async def deliver(self, message: AlertMessage) -> None:
        """POST once; anything but a 2xx answer raises AlertNotDelivered, a redirect too."""
        body = json.dumps(as_json(message), separators=(",", ":")).encode()
        timestamp = str(self._now_ns() // _NS)
        headers = {
            "Content-Type": "application/json",
            "Brokergw-Alert-Id": message.alert_id,
            "Brokergw-Timestamp": timestamp,
            "Brokergw-Signature": f"v1={signature(self._secret, timestamp, body)}",
        }
        try:
            reply = await self._http.send("POST", self._url, headers, body)
        except (NotSentError, UnknownError) as error:
            raise AlertNotDelivered(f"the receiver did not answer ({type(error).__name__})") from None
        if not 200 <= reply.status < 300:
            raise AlertNotDelivered(f"the receiver answered {reply.status}")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.release()


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """Sign a request: hexadecimal HMAC-SHA256 over `timestamp.body`."""
    return hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def as_json(message: AlertMessage) -> dict[str, object]:
    """Give a message as the receiver sees it; `time` is UTC."""
    alert = message.alert
    return {
        "alert_id": message.alert_id,
        "kind": alert.kind.value,
        "severity": alert.severity.value,
        "subject": alert.subject,
        "message": alert.message,
        "time": datetime.fromtimestamp(alert.time_ns / _NS, UTC).isoformat(timespec="milliseconds"),
        "user_id": alert.user_id,
        "facts": dict(alert.facts),
        "count": message.count,
    }
