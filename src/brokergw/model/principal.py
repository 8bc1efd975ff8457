"""Who calls, and what a key allows."""

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from brokergw.model.account import Connection, Environment
from brokergw.model.modes import above
from brokergw.model.quick import quick


@unique
class Scope(StrEnum):
    """A class of methods that a key may call."""

    ORDERS_READ = "orders.read"
    ORDERS_WRITE = "orders.write"
    ACCOUNTS_READ = "accounts.read"
    CONNECTIONS_READ = "connections.read"
    CONNECTIONS_WRITE = "connections.write"
    MARKET_DATA_READ = "market_data.read"
    RISK_READ = "risk.read"
    RISK_WRITE = "risk.write"
    OPERATIONS_READ = "operations.read"
    OPERATIONS_WRITE = "operations.write"
    ADMIN_READ = "admin.read"
    ADMIN_WRITE = "admin.write"
    AUDIT_READ = "audit.read"
    KEYS_READ = "keys.read"
    KEYS_WRITE = "keys.write"


@unique
class Role(StrEnum):
    """What somebody is to the platform; a method says which roles may call it.

    USER trades its own accounts. OPERATOR runs the gateway: doubts, reconciliations, halts, never limits or money.
    RISK_OFFICER sets limits and halts, and lifts them. ADMIN also grants: live trading, keys, broker configurations.
    """

    USER = "USER"
    OPERATOR = "OPERATOR"
    RISK_OFFICER = "RISK_OFFICER"
    ADMIN = "ADMIN"


@unique
class CredentialKind(StrEnum):
    """How a caller showed who it is."""

    API_KEY = "API_KEY"
    JWT = "JWT"
    CERTIFICATE = "CERTIFICATE"


RISK_KEEPERS: Final = frozenset({Role.RISK_OFFICER, Role.ADMIN})
"""Who sets limits, and who lifts what stops trading."""

ADMINS: Final = frozenset({Role.ADMIN})

OPERATORS: Final = frozenset(
    {Scope.OPERATIONS_READ, Scope.OPERATIONS_WRITE, Scope.ADMIN_READ, Scope.ADMIN_WRITE, Scope.KEYS_WRITE}
)
"""The scopes that reach beyond the caller's own; a key has them only when they are asked for by name."""


@quick
@dataclass(frozen=True, slots=True)
class Principal:
    """The caller behind a credential.

    `key_id` names the credential: an API key's public id, a token's `jti`, a certificate's fingerprint. With `accounts`
    only those of the user's accounts are there for it (None: all of them), and of those only the ones whose
    environment lies within `mode_max`. From `expire_time_ns` on the credential is nobody's.
    """

    user_id: str
    key_id: str
    scopes: frozenset[Scope]
    roles: frozenset[Role] = frozenset({Role.USER})
    kind: CredentialKind = CredentialKind.API_KEY
    accounts: frozenset[str] | None = None
    mode_max: Environment = Environment.LIVE
    expire_time_ns: int | None = None

    @property
    def restricted(self) -> bool:
        """Whether some accounts of the user may not be there for it."""
        return self.accounts is not None or self.mode_max is not Environment.LIVE

    def reaches(self, account_id: str, environment: Environment) -> bool:
        """Tell whether an account of the user, in its environment, is there for it."""
        if self.accounts is not None and account_id not in self.accounts:
            return False
        return not above(environment, self.mode_max)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as the store knows it: everything but the key itself.

    `scopes` is what it was made for; what it may call also depends on the `roles` that its user has now
    (`model/roles.py`). `accounts`, `mode_max` and `addresses` (CIDR blocks; empty: from anywhere) restrict it. After a
    rotation the secret of before works until `old_secret_until_ns`; a key found by it is marked `by_old_secret`.
    """

    key_id: str
    user_id: str
    name: str
    scopes: frozenset[Scope]
    create_time_ns: int
    expire_time_ns: int | None
    revoke_time_ns: int | None
    last_used_time_ns: int | None = None
    last_used_address: str = ""
    accounts: frozenset[str] | None = None
    mode_max: Environment = Environment.LIVE
    addresses: tuple[str, ...] = ()
    old_secret_until_ns: int | None = None
    by_old_secret: bool = False
    roles: frozenset[Role] = frozenset({Role.USER})

    @property
    def good_until_ns(self) -> int | None:
        """When it ends by itself, as it was presented; None is never."""
        ends = [self.expire_time_ns, self.old_secret_until_ns if self.by_old_secret else None]
        return min((end for end in ends if end is not None), default=None)


@quick
@dataclass(frozen=True, slots=True)
class Caller:
    """A principal in the middle of one call."""

    principal: Principal
    request_id: str

    @property
    def user_id(self) -> str:
        """Whose orders the call is about."""
        return self.principal.user_id

    def reaches(self, connection: Connection) -> bool:
        """Tell whether a connection and its account are the user's, and there for the credential."""
        principal = self.principal
        if connection.user_id != principal.user_id:
            return False
        return not principal.restricted or principal.reaches(connection.account_id, connection.environment)
