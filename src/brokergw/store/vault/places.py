"""Where sealed values lie: each column that holds them, and how its rows tell their places."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Select, Table, select

from brokergw.store.tables import CONNECTIONS, CREDENTIALS, MFA_AUTHENTICATORS, OAUTH_ATTEMPTS
from brokergw.store.vault.seal import Place


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of sealed values. `rows` selects all columns of its table and what else `place_of` needs of a row."""

    column: Column[str]
    rows: Select[Any]
    place_of: Callable[[Any], Place]

    @property
    def table(self) -> Table:
        """The table that it is in."""
        return self.column.table

    @property
    def key(self) -> tuple[ColumnElement[Any], ...]:
        """The columns that name a row."""
        return tuple(self.table.primary_key)

    def text_of(self, row: Any) -> str:
        """Give the sealed text of a row."""
        return str(getattr(row, self.column.name))

    def key_of(self, row: Any) -> tuple[Any, ...]:
        """Give what names a row."""
        return tuple(getattr(row, column.name) for column in self.table.primary_key)


def place_of_credential(row: Any) -> Place:
    """Tell the place of a field of a connection's credentials; the row needs the connection's broker beside it."""
    return Place(row.user_id, row.connection_id, row.broker, row.field, version=row.version)


def place_of_seed(user_id: str, authenticator_id: str) -> Place:
    """Tell the place of an authenticator's secret: another secret is another authenticator, so there is one version."""
    return Place(user_id, authenticator_id, "mfa", "secret")


def place_of_attempt(row: Any) -> Place:
    """Tell the place of what an authorization that was begun keeps to itself; it is never changed."""
    return Place(row.user_id, row.connection_id, row.broker, f"attempt {row.attempt_id}")


_CREDENTIALS: Final = select(CREDENTIALS, CONNECTIONS.c.broker).join(
    CONNECTIONS, CONNECTIONS.c.connection_id == CREDENTIALS.c.connection_id
)

SEALED_COLUMNS: Final = (
    SealedColumn(CREDENTIALS.c.sealed, _CREDENTIALS, place_of_credential),
    SealedColumn(
        MFA_AUTHENTICATORS.c.sealed_secret,
        select(MFA_AUTHENTICATORS),
        lambda row: place_of_seed(row.user_id, row.authenticator_id),
    ),
    SealedColumn(OAUTH_ATTEMPTS.c.sealed, select(OAUTH_ATTEMPTS), place_of_attempt),
)
"""Every column whose values a rotation must reach."""
