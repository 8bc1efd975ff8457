"""Users' modes over a SQL database."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, text

from brokergw.model.account import Environment
from brokergw.model.errors import NotFound, Reason
from brokergw.model.events import AuditRow
from brokergw.model.modes import Acknowledgement, ModeBinding, PaperHistory, Standing
from brokergw.model.whose import Whose, everyone, only, these
from brokergw.store.audit.chain import write_audit
from brokergw.store.database.reader import Reader
from brokergw.store.database.work import RunsWork
from brokergw.store.risk.mode_changes import touch
from brokergw.store.tables import (
    MFA_AUTHENTICATORS,
    MODE_BINDINGS,
    RISK_ACKNOWLEDGEMENTS,
    USER_MODES,
    USERS,
)

_CHANGES: Final = everyone("each process holds the modes of all users in memory, to judge any order at once")
_DAY_NS: Final = 86_400_000_000_000
_AT_ONCE: Final = 500
_HISTORY: Final = text("""
SELECT count(DISTINCT fills.order_id), count(DISTINCT fills.trade_time_ns / :day)
FROM broker_fills AS fills
JOIN broker_accounts AS accounts ON accounts.account_id = fills.account_id
JOIN user_broker_connections AS connections ON connections.connection_id = accounts.connection_id
WHERE fills.user_id = :user AND connections.user_id = :user AND connections.environment = 'PAPER'
""")


class SqlModes:
    """Implements `ports.modes.Modes`."""

    def __init__(self, run: RunsWork, reader: Reader) -> None:
        self._run = run
        self._reader = reader

    async def changed_since(self, change: int) -> tuple[int, Sequence[Standing]]:
        """Give the newest change's number, and how every user stands whom a change after this one was about."""
        return await self._reader.query(_CHANGES, lambda database: _changed_since(database, change), at_one_moment=True)

    async def get(self, user_id: str) -> Standing:
        """Read how a user stands."""
        return await self._reader.query(
            only(user_id), lambda database: _standing(database, user_id), at_one_moment=True
        )

    async def known(self, user_id: str) -> bool:
        """Tell whether there is such a user."""
        wanted = select(USERS.c.user_id).where(USERS.c.user_id == user_id)
        return await self._reader.query(only(user_id), lambda database: database.scalar(wanted) is not None)

    async def change(self, user_id: str, step: Callable[[Standing], Standing], audit: AuditRow) -> Standing:
        """Change mode, grant, escalation or bindings in one transaction, which no other change of a user's crosses."""

        def work(database: Connection) -> Standing:
            _touch(database, user_id)
            before = _standing(database, user_id)
            after = step(before)
            touch(database, user_id, **_columns(after))
            if after.bindings != before.bindings:
                _write_bindings(database, after)
            write_audit(database, audit)
            return after

        return await self._written(these((user_id, audit.user_id)), work)

    async def acknowledge(self, user_id: str, acknowledgement: Acknowledgement, audit: AuditRow) -> Standing:
        """Put on record that a risk text was read, once for each version; raises USER_NOT_FOUND."""

        def work(database: Connection) -> Standing:
            _touch(database, user_id)
            if acknowledgement.version not in _standing(database, user_id).acknowledged:
                database.execute(
                    insert(RISK_ACKNOWLEDGEMENTS).values(
                        user_id=user_id,
                        version=acknowledgement.version,
                        text_hash=acknowledgement.text_hash,
                        time_ns=acknowledgement.time_ns,
                        key_id=acknowledgement.key_id,
                        request_id=acknowledgement.request_id,
                    )
                )
                write_audit(database, audit)
            return _standing(database, user_id)

        return await self._written(these((user_id, audit.user_id)), work)

    async def paper_history(self, user_id: str) -> PaperHistory:
        """Count what a user has traded on paper."""
        values = {"user": user_id, "day": _DAY_NS}
        orders, days = await self._reader.query(
            only(user_id), lambda database: tuple(database.execute(_HISTORY, values).one())
        )
        return PaperHistory(orders=orders, days=days)

    async def _written(self, whose: Whose, work: Callable[[Connection], Standing]) -> Standing:
        standing: Standing = await self._run(whose, work)
        return standing


def _touch(database: Connection, user_id: str) -> None:
    if not touch(database, user_id):
        raise NotFound(Reason.USER_NOT_FOUND, "user", user_id)


def _changed_since(database: Connection, change: int) -> tuple[int, Sequence[Standing]]:
    newest: int = database.scalar(select(func.max(USER_MODES.c.change))) or 0
    if newest == change:
        return change, ()
    changed = database.execute(select(USER_MODES).where(USER_MODES.c.change > change)).all()
    standings: list[Standing] = []
    for start in range(0, len(changed), _AT_ONCE):
        standings += _standings(database, changed[start : start + _AT_ONCE])
    return newest, standings


def _standing(database: Connection, user_id: str) -> Standing:
    row = database.execute(select(USER_MODES).where(USER_MODES.c.user_id == user_id)).one_or_none()
    return Standing(user_id=user_id) if row is None else _standings(database, [row])[0]


def _standings(database: Connection, rows: Sequence[Row[Any]]) -> list[Standing]:
    users = [row.user_id for row in rows]
    bindings = _by_user(database.execute(select(MODE_BINDINGS).where(MODE_BINDINGS.c.user_id.in_(users))))
    risks = RISK_ACKNOWLEDGEMENTS
    read = _by_user(database.execute(select(risks.c.user_id, risks.c.version).where(risks.c.user_id.in_(users))))
    mfa = MFA_AUTHENTICATORS.c
    codes = _by_user(
        database.execute(
            select(mfa.user_id, mfa.confirm_time_ns, mfa.lock_time_ns, mfa.code_time_ns).where(mfa.user_id.in_(users))
        )
    )
    return [_read(row, bindings[row.user_id], read[row.user_id], codes[row.user_id]) for row in rows]


def _read(row: Row[Any], bindings: Sequence[Row[Any]], read: Sequence[Row[Any]], codes: Sequence[Row[Any]]) -> Standing:
    code = codes[0] if codes else None
    return Standing(
        user_id=row.user_id,
        mode=Environment(row.mode) if row.mode else None,
        grant_by=row.grant_by,
        grant_time_ns=row.grant_time_ns,
        live_risk_version=row.live_risk_version,
        bindings=tuple(
            ModeBinding(
                account_id=each.account_id,
                strategy_id=each.strategy_id,
                mode=Environment(each.mode),
                set_time_ns=each.set_time_ns,
            )
            for each in sorted(bindings, key=lambda each: (each.account_id, each.strategy_id))
        ),
        acknowledged=tuple(sorted(each.version for each in read)),
        mfa_confirmed=code is not None and code.confirm_time_ns is not None,
        mfa_locked=code is not None and code.lock_time_ns is not None,
        code_time_ns=None if code is None else code.code_time_ns,
    )


def _by_user(rows: Iterable[Row[Any]]) -> Mapping[str, list[Row[Any]]]:
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        found[row.user_id].append(row)
    return found


def _columns(standing: Standing) -> dict[str, Any]:
    return {
        "mode": standing.mode.value if standing.mode is not None else "",
        "grant_by": standing.grant_by,
        "grant_time_ns": standing.grant_time_ns,
        "live_risk_version": standing.live_risk_version,
    }


def _write_bindings(database: Connection, standing: Standing) -> None:
    database.execute(delete(MODE_BINDINGS).where(MODE_BINDINGS.c.user_id == standing.user_id))
    rows = [
        {
            "user_id": standing.user_id,
            "account_id": each.account_id,
            "strategy_id": each.strategy_id,
            "mode": each.mode.value,
            "set_time_ns": each.set_time_ns,
        }
        for each in standing.bindings
    ]
    if rows:
        database.execute(insert(MODE_BINDINGS), rows)
