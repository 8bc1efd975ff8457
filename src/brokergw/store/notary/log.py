"""The audit log as the rest of the gateway sees it: listed, and verified."""

from collections.abc import Sequence
from dataclasses import replace
from heapq import nlargest
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, literal_column, or_, select, text, tuple_

from brokergw.model.events import AuditRow
from brokergw.model.whose import everyone, only
from brokergw.ports.audit import AuditEntry, AuditPosition, AuditQuery, AuditReport
from brokergw.store.audit.signing import TrustedKeys
from brokergw.store.database.reader import Reader
from brokergw.store.encoding.rows import is_storable
from brokergw.store.notary.pages import LogPages
from brokergw.store.notary.verify import Verification
from brokergw.store.tables import ACCOUNTS, AUDIT, CONNECTIONS

_ORDER = AUDIT.c.time_ns.desc(), AUDIT.c.chain.desc(), AUDIT.c.sequence.desc()
_ORDER_OF_FEW = (AUDIT.c.time_ns + literal_column("0")).desc(), *_ORDER[1:]
"""The same, which no index gives: the rows of one order are found by it and then put in order."""

_PLACE = tuple_(AUDIT.c.time_ns, AUDIT.c.chain, AUDIT.c.sequence)

_LOG = everyone("an operator reads the audit of all users")

_ABOUT_AN_ORDER = text("broker_audit_log.order_id <> ''")
"""As the index by order has it; with a parameter in place of the empty text it would not serve."""

_USERS = text("""
WITH RECURSIVE seen(user_id) AS (
    SELECT min(user_id) FROM broker_audit_log
    UNION ALL
    SELECT (SELECT min(user_id) FROM broker_audit_log WHERE user_id > seen.user_id) FROM seen
    WHERE seen.user_id IS NOT NULL)
SELECT user_id FROM seen WHERE user_id IS NOT NULL
""")
"""Every user in the log, each found by one step in the index."""


class SqlAuditLog:
    """Implements `ports.audit.AuditLog`. `keys` are those that a verification believes."""

    def __init__(self, reader: Reader, keys: TrustedKeys, folders: Sequence[Path], dialect: str) -> None:
        self._reader = reader
        self._keys = keys
        self._folders = folders
        self._dialect = dialect

    async def list(self, query: AuditQuery) -> Sequence[AuditEntry]:
        """List rows, newest first."""
        texts = (query.user_id or "", query.broker, query.order_id, query.action, *(query.account_ids or ()))
        if not all(map(is_storable, texts)):
            return ()
        whose = _LOG if query.user_id is None else only(query.user_id)
        # Orders are found by an index of their own; so is time, but for SQLite.
        merged = self._dialect == "sqlite" and query.user_id is None and not query.order_id
        read = _merged if merged else _plain
        rows = await self._reader.query(whose, lambda database: read(database, query))
        return [entry_of(row) for row in rows]

    async def verify(self) -> AuditReport:
        """Check everything."""
        return await Verification(LogPages(self._reader, self._dialect), self._keys, self._folders).run()


def _plain(database: Connection, query: AuditQuery) -> Sequence[Any]:
    return database.execute(_wanted(query)).all()


def _merged(database: Connection, query: AuditQuery) -> Sequence[Any]:
    """Read the newest rows of each user, and keep the newest of all."""
    found: list[Any] = []
    for user_id in list(database.scalars(_USERS)):
        found += _plain(database, replace(query, user_id=user_id))
        found = nlargest(query.limit, found, key=lambda row: (row.time_ns, row.chain, row.sequence))
    return found


def _wanted(query: AuditQuery) -> Select[Any]:
    wanted = select(AUDIT).order_by(*(_ORDER_OF_FEW if query.order_id else _ORDER)).limit(query.limit)
    column = AUDIT.c
    if query.user_id is not None:
        wanted = wanted.where(column.user_id == query.user_id)
    if query.order_id:
        wanted = wanted.where(column.order_id == query.order_id, _ABOUT_AN_ORDER)
    if query.account_ids is not None:
        wanted = wanted.where(column.account_id.in_(sorted(query.account_ids)))
    if query.broker:
        at_broker = (
            select(ACCOUNTS.c.account_id)
            .join(CONNECTIONS, CONNECTIONS.c.connection_id == ACCOUNTS.c.connection_id)
            .where(CONNECTIONS.c.broker == query.broker)
        )
        wanted = wanted.where(column.account_id.in_(at_broker))
    if query.action.endswith((".", "/")):
        wanted = wanted.where(column.action.startswith(query.action, autoescape=True))
    elif query.action:
        wanted = wanted.where(
            or_(column.action == query.action, column.action.endswith("/" + query.action, autoescape=True))
        )
    if query.since_ns is not None:
        wanted = wanted.where(column.time_ns >= query.since_ns)
    if query.until_ns is not None:
        wanted = wanted.where(column.time_ns < query.until_ns)
    if query.before is not None:
        place = query.before
        wanted = wanted.where(column.time_ns <= place.time_ns, (place.time_ns, place.chain, place.sequence) > _PLACE)
    return wanted


def entry_of(row: Any) -> AuditEntry:
    """Read a row of `broker_audit_log`."""
    told = AuditRow(
        time_ns=row.time_ns,
        request_id=row.request_id,
        user_id=row.user_id,
        key_id=row.key_id,
        principal_kind=row.principal_kind,
        address=row.address,
        action=row.action,
        method_class=row.method_class,
        outcome=row.outcome,
        reason=row.reason,
        account_id=row.account_id,
        order_id=row.order_id,
        detail=row.detail,
        payload=row.payload,
        duration_ns=row.duration_ns,
    )
    return AuditEntry(AuditPosition(row.time_ns, row.chain, row.sequence), row.previous_hash, row.hash, told)
