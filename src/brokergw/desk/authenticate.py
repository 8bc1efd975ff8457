"""API keys: how one is made, what a valid one looks like, and who stands behind it.

A key is `bgw_<id>_<secret><checksum>`: a prefix that scanners of leaked secrets can find, and a checksum that tells a
mistyped key without asking the store. Only an HMAC of the key is stored, under a secret that is not in the database.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import re
import zlib
from collections import OrderedDict
from typing import Final

import structlog

from brokergw.desk.halts.waiting import within
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.principal import ApiKey, Principal, Scope
from brokergw.ports.clock import Clock
from brokergw.ports.directory import KeyDirectory

_FORM: Final = re.compile(r"bgw_([a-z2-7]{10})_([a-z2-7]{32})([0-9a-f]{8})", re.ASCII)
_TRUSTED_FOR_S: Final = 1.0
_RENEWED_AFTER_S: Final = 0.5
"""Looked up again from then on, while the answer at hand still counts, so that busy callers never wait for it."""

_OPERATORS_EVERY_S: Final = 2.0
_LATELY_AFTER_S: Final = 0.1
_REMEMBERED_MAX: Final = 10_000

log = structlog.get_logger(__name__)


def mint_key() -> tuple[str, str]:
    """Make a new key; gives its public id and the key itself, which is shown once and kept nowhere."""
    key_id, secret = _random_text(10), _random_text(32)
    body = f"bgw_{key_id}_{secret}"
    return key_id, body + _checksum(body)


def hash_key(key: str, pepper: bytes) -> str:
    """Hash a key for the store."""
    return hmac.new(pepper, key.encode(), hashlib.sha256).hexdigest()


class Authenticator:
    """Turns a presented key into the principal behind it; a revocation acts within a second."""

    def __init__(self, keys: KeyDirectory, pepper: bytes, clock: Clock) -> None:
        self._keys = keys
        self._pepper = pepper
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, ApiKey]] = OrderedDict()
        self._operators: dict[str, ApiKey] = {}
        self._running: dict[str, asyncio.Task[ApiKey | None]] = {}

    async def authenticate(self, token: str, *, lately: bool = False) -> Principal:
        """Give the principal behind a key.

        With `lately`, where the record does not answer at once, it is enough that the key was good when it was last
        looked up: for calls that stop trading, which a record that stands still must not keep back.
        Raises API_KEY_INVALID (malformed or unknown, the same answer), API_KEY_REVOKED or API_KEY_EXPIRED.
        """
        key = await (self._find_lately(token) if lately else self._find(token))
        if key is None:
            raise GatewayError(Reason.API_KEY_INVALID, "the API key is not valid")
        if key.revoke_time_ns is not None:
            raise GatewayError(Reason.API_KEY_REVOKED, "the API key was revoked")
        if key.expire_time_ns is not None and key.expire_time_ns <= self._clock.now_ns():
            raise GatewayError(Reason.API_KEY_EXPIRED, "the API key has expired")
        return Principal(key.user_id, key.key_id, key.scopes)

    async def _find(self, token: str) -> ApiKey | None:
        known = self._known.get(token)
        age_s = self._clock.monotonic() - known[0] if known is not None else _TRUSTED_FOR_S
        if known is not None and age_s < _TRUSTED_FOR_S:
            if age_s >= _RENEWED_AFTER_S:
                self._look_up(token)
            return known[1]
        match = _FORM.fullmatch(token)
        if match is None or _checksum(token[:-8]) != match.group(3):
            return None
        return await asyncio.shield(self._look_up(token))

    async def watch(self) -> None:
        """Know the keys of those who may stop everything, so that they may when the record stands still."""
        while True:
            try:
                self._operators = dict(await self._keys.holders(Scope.ADMIN_WRITE))
            except GatewayError as error:
                log.warning("the operators' keys are those of before", reason=error.reason.value)
            await self._clock.sleep(_OPERATORS_EVERY_S)

    async def _find_lately(self, token: str) -> ApiKey | None:
        finding = asyncio.ensure_future(self._find(token))
        if await within(self._clock, _LATELY_AFTER_S, [finding]) and finding.exception() is None:
            return finding.result()
        known = self._known.get(token)
        key = known[1] if known is not None else self._operators.get(hash_key(token, self._pepper))
        if key is None:
            return await finding
        # Marks a failure as seen; a slow answer is kept for whoever asks next.
        finding.add_done_callback(lambda done: done.cancelled() or done.exception())
        log.error("a call that stops trading is let through by what was known of its key", key_id=key.key_id)
        return key

    def _look_up(self, token: str) -> asyncio.Task[ApiKey | None]:
        """Look a key up, once for all calls that come with it meanwhile; none of them may take it from the others."""
        running = self._running.get(token)
        if running is None:
            running = self._running[token] = asyncio.create_task(self._ask(token), name="look up a key")
            running.add_done_callback(lambda done: self._ended(token, done))
        return running

    def _ended(self, token: str, look_up: asyncio.Task[ApiKey | None]) -> None:
        del self._running[token]
        if not look_up.cancelled():
            # Marks a failure as seen: where nobody waited, the next look-up fails in front of those who do.
            look_up.exception()

    async def _ask(self, token: str) -> ApiKey | None:
        now = self._clock.monotonic()
        key = await self._keys.by_hash(hash_key(token, self._pepper))
        if key is None:
            self._known.pop(token, None)
            return None
        self._known[token] = (now, key)
        self._known.move_to_end(token)
        if len(self._known) > _REMEMBERED_MAX:
            self._known.popitem(last=False)
        await self._keys.touch(key.key_id, self._clock.now_ns())
        return key


def _random_text(length: int) -> str:
    return base64.b32encode(os.urandom(length)).decode().lower()[:length]


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
