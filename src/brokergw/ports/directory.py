"""Who is who: users, keys, connections and their sealed credentials."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from brokergw.model.account import Connection
from brokergw.model.principal import ApiKey, Scope
from brokergw.ports.broker import Credentials
from brokergw.ports.vault import Purpose


class KeyDirectory(Protocol):
    """API keys: only a keyed hash of each is stored."""

    async def add(self, key: ApiKey, key_hash: str) -> None:
        """Store a new key; makes its user known."""
        ...

    async def by_hash(self, key_hash: str) -> ApiKey | None:
        """Find the key behind a hash, also when it is revoked or expired."""
        ...

    async def holders(self, scope: Scope) -> Mapping[str, ApiKey]:
        """Give the keys that have a scope and are not revoked, by their hashes."""
        ...

    async def list(self, user_id: str | None = None) -> Sequence[ApiKey]:
        """List keys, newest first."""
        ...

    async def revoke(self, key_id: str, time_ns: int) -> bool:
        """Revoke a key; False when there is none."""
        ...

    async def touch(self, key_id: str, time_ns: int) -> None:
        """Note that a key was used."""
        ...


class ConnectionDirectory(Protocol):
    """Connections and the accounts behind them."""

    async def add(self, connection: Connection, credentials: Credentials | None) -> None:
        """Store a connection; credentials are sealed before they touch the disk."""
        ...

    async def get(self, connection_id: str) -> Connection | None:
        """Read one connection."""
        ...

    async def by_account(self, account_id: str) -> Connection | None:
        """Read the connection that an account belongs to."""
        ...

    async def list(self, user_id: str | None = None) -> Sequence[Connection]:
        """List connections, oldest first; of every user when None."""
        ...

    async def credentials(self, connection_id: str, purpose: Purpose) -> Credentials | None:
        """Open a connection's credentials, which the audit tells; raises CONNECTION_NOT_USABLE when they do not."""
        ...

    async def put_credentials(self, connection: Connection, credentials: Credentials) -> Connection:
        """Replace or add fields, each as a new version; raises CredentialsMoved when another change came first."""
        ...

    async def revoke(self, connection_id: str, time_ns: int) -> bool:
        """Revoke a connection and destroy its credentials; False when there is none."""
        ...
