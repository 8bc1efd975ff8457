"""Who stands behind an API key: looked up by its hash, trusted for a second, restricted as it was made."""

import asyncio
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import structlog

from brokergw.desk.halts.waiting import within
from brokergw.desk.identity.addresses import Addresses
from brokergw.desk.identity.key_form import hash_key, is_key
from brokergw.desk.identity.uses import Uses
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.principal import ApiKey, Principal, Scope
from brokergw.model.roles import scopes_left
from brokergw.ports.clock import Clock
from brokergw.ports.identity import KeyDirectory

_TRUSTED_FOR_S: Final = 1.0
_RENEWED_AFTER_S: Final = 0.5
"""Looked up again from then on, while the answer at hand still counts, so that busy callers never wait for it."""

_LATELY_AFTER_S: Final = 0.1
_REMEMBERED_MAX: Final = 10_000

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Known:
    """A key as it was looked up at a time of the monotonic clock."""

    looked_up: float
    key: ApiKey
    principal: Principal
    addresses: Addresses
    used_from: str | None = None


class ApiKeys:
    """Turns a presented key into the principal behind it; a revocation acts within a second."""

    def __init__(self, keys: KeyDirectory, pepper: bytes, clock: Clock) -> None:
        self._keys = keys
        self._pepper = pepper
        self._clock = clock
        self.uses: Final = Uses(keys.touch, clock)
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._operators: dict[str, ApiKey] = {}
        self._running: dict[str, asyncio.Task[_Known | None]] = {}

    async def authenticate(self, token: str, address: str = "", *, lately: bool = False) -> Principal:
        """Give the principal behind a key.

        With `lately`, where the record does not answer at once, it is enough that the key was good when it was last
        looked up: for calls that stop trading, which a record that stands still must not keep back.
        Raises API_KEY_INVALID (malformed or unknown, the same answer), API_KEY_REVOKED or API_KEY_EXPIRED, and
        ADDRESS_NOT_ALLOWED.
        """
        known = await (self._find_lately(token) if lately else self._find(token))
        if known is None:
            raise GatewayError(Reason.API_KEY_INVALID, "the API key is not valid")
        principal = known.principal
        if known.key.revoke_time_ns is not None:
            raise GatewayError(Reason.API_KEY_REVOKED, "the API key was revoked")
        if principal.expire_time_ns is not None and principal.expire_time_ns <= self._clock.now_ns():
            raise GatewayError(Reason.API_KEY_EXPIRED, "the API key has expired")
        known.addresses.require(address)
        if known.used_from != address:
            # Once for each look-up, and so about once a second.
            known.used_from = address
            self.uses.note(principal.key_id, address)
        return principal

    def forget(self) -> None:
        """Look every key up again before it is trusted: somebody's rights have changed."""
        for known in self._known.values():
            known.looked_up = -math.inf
        # What was asked before the change may be answered by what was true before it.
        self._running.clear()

    async def know_operators(self) -> None:
        """Learn the keys of those who may stop everything, so that they may when the record stands still."""
        self._operators = dict(await self._keys.holders(Scope.ADMIN_WRITE))

    async def _find(self, token: str) -> _Known | None:
        known = self._known.get(token)
        age_s = self._clock.monotonic() - known.looked_up if known is not None else _TRUSTED_FOR_S
        if known is not None and age_s < _TRUSTED_FOR_S:
            if age_s >= _RENEWED_AFTER_S:
                self._look_up(token)
            return known
        if not is_key(token):
            return None
        return await asyncio.shield(self._look_up(token))

    async def _find_lately(self, token: str) -> _Known | None:
        finding = asyncio.ensure_future(self._find(token))
        if await within(self._clock, _LATELY_AFTER_S, [finding]) and finding.exception() is None:
            return finding.result()
        known = self._known.get(token)
        if known is None and is_key(token):
            key = self._operators.get(hash_key(token, self._pepper))
            known = _known(key, 0.0) if key is not None else None
        if known is None:
            return await finding
        # Marks a failure as seen; a slow answer is kept for whoever asks next.
        finding.add_done_callback(lambda done: done.cancelled() or done.exception())
        log.error("a call that stops trading is let through by what was known of its key", key_id=known.key.key_id)
        return known

    def _look_up(self, token: str) -> "asyncio.Task[_Known | None]":
        """Look a key up, once for all calls that come with it meanwhile; none of them may take it from the others."""
        running = self._running.get(token)
        if running is None:
            running = self._running[token] = asyncio.create_task(self._ask(token), name="look up a key")
            running.add_done_callback(lambda done: self._ended(token, done))
        return running

    def _ended(self, token: str, look_up: "asyncio.Task[_Known | None]") -> None:
        if self._running.get(token) is look_up:
            del self._running[token]
        if not look_up.cancelled():
            # Marks a failure as seen: where nobody waited, the next look-up fails in front of those who do.
            look_up.exception()

    async def _ask(self, token: str) -> _Known | None:
        now = self._clock.monotonic()
        task = asyncio.current_task()
        key = await self._keys.by_hash(hash_key(token, self._pepper))
        found = None if key is None else _known(key, now)
        if self._running.get(token) is not task:
            # Somebody's rights have changed since the question was asked: the answer is this call's at most.
            return found
        if found is None:
            self._known.pop(token, None)
            return None
        self._known[token] = found
        self._known.move_to_end(token)
        if len(self._known) > _REMEMBERED_MAX:
            self._known.popitem(last=False)
        return found


def _known(key: ApiKey, looked_up: float) -> _Known:
    principal = Principal(
        key.user_id,
        key.key_id,
        scopes_left(key.scopes, key.roles, key.accounts, key.mode_max),
        roles=key.roles,
        accounts=key.accounts,
        mode_max=key.mode_max,
        expire_time_ns=key.good_until_ns,
    )
    return _Known(looked_up, key, principal, Addresses(key.addresses))
