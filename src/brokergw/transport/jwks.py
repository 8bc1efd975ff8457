"""The issuer's published keys over HTTP, from one address, with bounds on time and size; redirects are not followed."""

import json
from typing import Any, Final
from urllib.parse import urlsplit

from brokergw.model.errors import GatewayError, Reason
from brokergw.transport.http import Http, NotSentError, Timeouts, UnknownError

_TIMEOUTS: Final = Timeouts(connect=1.0, pool=1.0, read=2.0, total=3.0)
_ANSWER_BYTES_MAX: Final = 262_144
_OK: Final = 200
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class HttpKeySource:
    """Implements `ports.identity.KeySource`.

    Without `keys_url` the address is taken from the issuer's own description (OpenID Connect Discovery 1.0), which must
    name the very issuer. Raises ValueError for an address that is not HTTPS (plain HTTP is taken on this machine only).
    """

    def __init__(self, issuer: str, keys_url: str = "", http: Http | None = None) -> None:
        self._issuer = issuer
        self._keys_url = keys_url
        self._discovery_url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        for url in (keys_url, self._discovery_url):
            if url and not _is_safe(url):
                raise ValueError("the issuer's addresses must be HTTPS")
        self._http = http or Http(timeouts=_TIMEOUTS, answer_bytes_max=_ANSWER_BYTES_MAX, connections_max=2)
        self._http.retain()

    async def fetch(self) -> bytes:
        """Fetch the key set as it is now; raises ISSUER_UNAVAILABLE."""
        if not self._keys_url:
            self._keys_url = self._discovered(await self._get(self._discovery_url))
        return await self._get(self._keys_url)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.release()

    def _discovered(self, body: bytes) -> str:
        try:
            described: Any = json.loads(body)
            issuer, url = described["issuer"], described["jwks_uri"]
        except (ValueError, KeyError, TypeError):
            raise _unavailable("its description cannot be read") from None
        if issuer != self._issuer or not isinstance(url, str) or not _is_safe(url):
            raise _unavailable("its description is of another issuer, or leads to an unsafe address")
        return url

    async def _get(self, url: str) -> bytes:
        try:
            reply = await self._http.send("GET", url, {}, b"")
        except (NotSentError, UnknownError) as error:
            raise _unavailable(f"it does not answer ({type(error).__name__})") from None
        if reply.status != _OK:
            raise _unavailable(f"it answers {reply.status}")
        return reply.body


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _unavailable(why: str) -> GatewayError:
    return GatewayError(Reason.ISSUER_UNAVAILABLE, f"the issuer's keys cannot be fetched: {why}", retry_after_s=1.0)
