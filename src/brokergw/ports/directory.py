"""The links of users to brokers, and their sealed credentials."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from brokergw.model.account import BrokerRevocation, Connection
from brokergw.model.events import AuditRow
from brokergw.model.whose import Whose
from brokergw.ports.broker import Credentials
from brokergw.ports.vault import Purpose


@dataclass(frozen=True, slots=True)
class Destroyed:
    """What a revocation took away: the tokens of a connection that had any, unless they did not open."""

    credentials: Credentials | None = None
    unreadable: bool = False


class ConnectionDirectory(Protocol):
    """Connections and the accounts behind them."""

    async def add(self, connection: Connection, credentials: Credentials | None, audit: AuditRow | None = None) -> None:
        """Store a connection; credentials are sealed before they touch the disk. The audit is told in one with it."""
        ...

    async def get(self, whose: Whose, connection_id: str) -> Connection | None:
        """Read one connection."""
        ...

    async def by_account(self, whose: Whose, account_id: str) -> Connection | None:
        """Read the connection that an account belongs to."""
        ...

    async def list(self, user_id: str | None = None) -> Sequence[Connection]:
        """List connections, oldest first; of every user when None."""
        ...

    async def changed(self, since: int) -> tuple[Sequence[Connection], int]:
        """List every user's connections that were made or changed after a change, and tell the latest change.

        In the order of their changes; all of them from -1 on.
        """
        ...

    async def credentials(self, user_id: str, connection_id: str, purpose: Purpose) -> Credentials | None:
        """Open a connection's credentials, which the audit tells; raises CONNECTION_NOT_USABLE when they do not."""
        ...

    async def put_credentials(
        self, connection: Connection, credentials: Credentials, audit: AuditRow | None = None
    ) -> Connection:
        """Replace or add fields, each as a new version; raises CredentialsMoved when another change came first."""
        ...

    async def set_label(self, user_id: str, connection_id: str, label: str, audit: AuditRow) -> bool:
        """Name a connection as its user wants it; False when there is none that is not revoked."""
        ...

    async def revoke(
        self,
        user_id: str,
        connection_id: str,
        time_ns: int,
        audit: AuditRow | None = None,
        *,
        at_broker: BrokerRevocation = BrokerRevocation.NOTHING,
    ) -> Destroyed | None:
        """Revoke a connection, destroy its credentials and end what is bound to its account; None when there is none.

        `at_broker` goes onto the record with it where there were tokens of OAuth. Done again it changes nothing, and
        the audit is told once.
        """
        ...

    async def note_broker_revocation(
        self, user_id: str, connection_id: str, outcome: BrokerRevocation, audit: AuditRow
    ) -> None:
        """Put on record what became of a connection's former tokens at the broker."""
        ...
