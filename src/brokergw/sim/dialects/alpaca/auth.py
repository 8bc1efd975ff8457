"""Who is asking: key headers, bearer tokens and websocket credentials (Alpaca docs, Authentication)."""

import hmac
from collections.abc import Iterable, Mapping
from typing import Any, Final

from brokergw.sim.dialects.alpaca.brokerage import Brokerage
from brokergw.sim.dialects.alpaca.options import AlpacaOptions
from brokergw.sim.dialects.alpaca.refusals import unauthorized, unauthorized_page
from brokergw.sim.dialects.alpaca.room import Room
from brokergw.sim.wire import WireReply

_KEY: Final = "APCA-API-KEY-ID"
_SECRET: Final = "APCA-API-SECRET-KEY"  # noqa: S105 - the name of a header
_BEARER: Final = "Bearer "


class Gate:
    """Knows which credentials open which account."""

    def __init__(self, options: AlpacaOptions, brokerage: Brokerage) -> None:
        self._options = options
        self._brokerage = brokerage

    def admit(self, headers: Mapping[str, str]) -> Room | WireReply:
        """Give the account a REST request speaks for, or the 401 it gets."""
        key_id = headers.get(_KEY)
        if key_id is not None:
            return self._by_key(key_id, headers.get(_SECRET, "")) or unauthorized()
        authorization = headers.get("Authorization")
        if authorization is None:
            return unauthorized() if _SECRET in headers else unauthorized_page()
        if not authorization.startswith(_BEARER):
            return unauthorized()
        return self._by_token(authorization.removeprefix(_BEARER)) or unauthorized()

    def recognise(self, credentials: Mapping[str, Any]) -> Room | None:
        """Give the account that a websocket's credentials open."""
        token = credentials.get("oauth_token")
        if isinstance(token, str):
            return self._by_token(token)
        key_id = credentials.get("key_id", credentials.get("key"))
        secret = credentials.get("secret_key", credentials.get("secret"))
        if not isinstance(key_id, str) or not isinstance(secret, str):
            return None
        return self._by_key(key_id, secret)

    def candidates(self, headers: Mapping[str, str]) -> Iterable[Room]:
        """Give the accounts a websocket handshake may be for: every one unless its headers tell."""
        room = self.admit(headers)
        return (room,) if isinstance(room, Room) else self._brokerage.rooms.values()

    def _by_key(self, key_id: str, secret: str) -> Room | None:
        known = self._options.keys.get(key_id)
        if known is None or not hmac.compare_digest(known.encode(), secret.encode()):
            return None
        return self._brokerage.by_key[key_id]

    def _by_token(self, token: str) -> Room | None:
        key_id = self._options.oauth_tokens.get(token)
        if key_id is None and self._options.authorization is not None:
            key_id = self._options.authorization.account_of(token)
        return None if key_id is None else self._brokerage.by_key[key_id]
