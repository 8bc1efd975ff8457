"""Who calls, and what a key allows."""

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from brokergw.model.account import Environment
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


OPERATORS: Final = frozenset(
    {Scope.OPERATIONS_READ, Scope.OPERATIONS_WRITE, Scope.ADMIN_READ, Scope.ADMIN_WRITE, Scope.KEYS_WRITE}
)
"""The scopes that reach beyond the caller's own; a key has them only when they are asked for by name."""


@quick
@dataclass(frozen=True, slots=True)
class Principal:
    """The caller behind a credential.

    `key_id` names the credential: an API key's public id, a token's `jti`, a certificate's fingerprint. With `accounts`
    only those of the user's accounts may be touched (None: all of them), and no order may go further than `mode_max`.
    """

    user_id: str
    key_id: str
    scopes: frozenset[Scope]
    roles: frozenset[Role] = frozenset({Role.USER})
    kind: CredentialKind = CredentialKind.API_KEY
    accounts: frozenset[str] | None = None
    mode_max: Environment = Environment.LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as the store knows it: everything but the key itself."""

    key_id: str
    user_id: str
    name: str
    scopes: frozenset[Scope]
    create_time_ns: int
    expire_time_ns: int | None
    revoke_time_ns: int | None
    last_used_time_ns: int | None = None


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
