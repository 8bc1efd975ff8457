"""API keys given out, shown, replaced and taken back: never wider than what their user may, never for ever."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from brokergw.desk.identity.addresses import block_of
from brokergw.desk.identity.key_form import hash_key, mint_key
from brokergw.desk.telling import audit_row
from brokergw.model.account import Connection, Environment
from brokergw.model.errors import FieldViolation, GatewayError, InvalidRequest, NotFound, Reason
from brokergw.model.ids import new_id
from brokergw.model.principal import OPERATORS, ApiKey, Caller, Role, Scope
from brokergw.model.roles import ROLES_OF, scopes_allowed, scopes_left
from brokergw.ports.clock import Clock
from brokergw.ports.directory import ConnectionDirectory
from brokergw.ports.identity import KeyDirectory, RoleDirectory

_DAY_NS: Final = 86_400_000_000_000
_SECOND_NS: Final = 1_000_000_000
OVERLAP_MAX_S: Final = 7 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRules:
    """How long a key may live, and how many usable ones a user may have."""

    days_max: int = 90
    live_max: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """What a new key shall be. No scopes means all that its restrictions leave of a user's own.

    `accounts` None is all of the user's; `addresses` are CIDR blocks, none is from anywhere; without `expire_time_ns`
    the key lives as long as keys may.
    """

    name: str
    scopes: frozenset[Scope] = frozenset()
    accounts: frozenset[str] | None = None
    mode_max: Environment = Environment.LIVE
    addresses: tuple[str, ...] = ()
    expire_time_ns: int | None = None


class Issuing:
    """What users do with their own keys, and administrators with anybody's."""

    def __init__(
        self,
        keys: KeyDirectory,
        roles: RoleDirectory,
        connections: ConnectionDirectory,
        clock: Clock,
        pepper: bytes,
        rules: KeyRules,
    ) -> None:
        self._keys = keys
        self._roles = roles
        self._connections = connections
        self._clock = clock
        self._pepper = pepper
        self._rules = rules

    async def issue(
        self, caller: Caller, user_id: str, request: KeyRequest, *, granting: frozenset[Role] = frozenset()
    ) -> tuple[ApiKey, str]:
        """Make a key for a user, who becomes known with it; gives what is stored, and the key, once.

        `granting` are roles that the user gets with it. Raises ROLE_MISSING for scopes that the user's roles do not
        allow, ACCOUNT_NOT_FOUND, FIELD_INVALID, API_KEYS_EXCEED_LIMIT.
        """
        now = self._clock.now_ns()
        roles = await self._roles.of(user_id) | granting
        scopes = _scopes(request, roles)
        await self._require_own(user_id, request.accounts)
        key_id, secret = mint_key()
        key = ApiKey(
            key_id=key_id,
            user_id=user_id,
            name=request.name,
            scopes=scopes,
            create_time_ns=now,
            expire_time_ns=self._end(request.expire_time_ns, now),
            revoke_time_ns=None,
            accounts=request.accounts,
            mode_max=request.mode_max,
            addresses=_blocks(request.addresses),
            roles=roles,
        )
        audit = audit_row(caller, now, "key.issued", "OK", detail=_told(key))
        await self._keys.add(key, hash_key(secret, self._pepper), audit, live_max=self._rules.live_max)
        if not await self._connections.list(user_id):
            await self._connections.add(_mock_connection(user_id, now), None)
        return key, secret

    async def list(self, user_id: str | None) -> Sequence[ApiKey]:
        """List a user's keys, or everybody's, newest first."""
        return await self._keys.list(user_id)

    async def revoke(self, caller: Caller, key_id: str, user_id: str | None) -> ApiKey:
        """Revoke a key, of a certain user unless None; done again it changes nothing. Raises API_KEY_NOT_FOUND."""
        key = await self._owned(key_id, user_id)
        if key.revoke_time_ns is not None:
            return key
        now = self._clock.now_ns()
        await self._keys.revoke(key_id, now, audit_row(caller, now, "key.revoked", "OK", detail=_told(key)))
        return replace(key, revoke_time_ns=now)

    async def rotate(self, caller: Caller, key_id: str, overlap_s: float, user_id: str | None) -> tuple[ApiKey, str]:
        """Give a key another secret; the one of before works for the overlap, any earlier one no more.

        The key's end stays where it was. Raises API_KEY_NOT_FOUND, API_KEY_NOT_USABLE.
        """
        key = await self._owned(key_id, user_id)
        now = self._clock.now_ns()
        if key.expire_time_ns is not None and key.expire_time_ns <= now:
            raise GatewayError(Reason.API_KEY_NOT_USABLE, "the key has expired; make a new one")
        until = now + round(overlap_s * _SECOND_NS)
        _, secret = mint_key(key_id)
        audit = audit_row(caller, now, "key.rotated", "OK", detail=f"{_told(key)} overlap={overlap_s:g}s")
        if not await self._keys.rotate(key_id, hash_key(secret, self._pepper), until, audit):
            raise GatewayError(Reason.API_KEY_NOT_USABLE, "the key was revoked; make a new one")
        return replace(key, old_secret_until_ns=until), secret

    async def _owned(self, key_id: str, user_id: str | None) -> ApiKey:
        # Another user's key is looked for as a missing one is, so that not even the work tells them apart.
        key = await self._keys.get(key_id, user_id)
        if key is None:
            raise NotFound(Reason.API_KEY_NOT_FOUND, "API key", key_id)
        return key

    async def _require_own(self, user_id: str, accounts: frozenset[str] | None) -> None:
        if accounts is None:
            return
        own = {connection.account_id for connection in await self._connections.list(user_id)}
        for account_id in sorted(accounts - own):
            raise NotFound(Reason.ACCOUNT_NOT_FOUND, "account", account_id)

    def _end(self, expire_time_ns: int | None, now: int) -> int:
        latest = now + self._rules.days_max * _DAY_NS
        if expire_time_ns is None:
            return latest
        if not now < expire_time_ns <= latest:
            rule = f"must lie in the future, and at most {self._rules.days_max} days away"
            raise InvalidRequest((FieldViolation("expire_time", rule),))
        return expire_time_ns


def _scopes(request: KeyRequest, roles: frozenset[Role]) -> frozenset[Scope]:
    if not request.scopes:
        return scopes_left(frozenset(Scope) - OPERATORS, roles, request.accounts, request.mode_max)
    for scope in sorted(request.scopes - scopes_allowed(roles)):
        raise GatewayError(
            Reason.ROLE_MISSING,
            f"the user has no role that allows {scope.value}",
            metadata={"scope": scope.value, "roles": " ".join(sorted(ROLES_OF[scope]))},
        )
    left = scopes_left(request.scopes, roles, request.accounts, request.mode_max)
    if lost := request.scopes - left:
        names = " ".join(sorted(lost))
        trades = Scope.ORDERS_WRITE in request.scopes and Scope.KEYS_WRITE in lost
        why = (
            "a key that trades manages no keys" if trades else "a key restricted to accounts or modes has nothing wider"
        )
        raise InvalidRequest((FieldViolation("scopes", f"{names} must not be there: {why}"),))
    return request.scopes


def _blocks(addresses: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(str(block_of(each)) for each in addresses)
    except ValueError as error:
        raise InvalidRequest((FieldViolation("addresses", str(error)),)) from None


def _told(key: ApiKey) -> str:
    return f"key={key.key_id} user={key.user_id} scopes={','.join(sorted(key.scopes))}"


def _mock_connection(user_id: str, now_ns: int) -> Connection:
    """Every user starts at the mock broker."""
    account_id = new_id("acc")
    return Connection(
        connection_id=new_id("con"),
        user_id=user_id,
        broker="mock",
        environment=Environment.MOCK,
        account_id=account_id,
        account_label=f"Mock ****{account_id[-4:]}",
        has_key=False,
        key_last_four="",
        create_time_ns=now_ns,
    )
