"""Alerts that have not been delivered, in the database."""

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, delete, select, text, update

from brokergw.model.alerts import Alert, AlertKind, Severity
from brokergw.model.whose import everyone
from brokergw.ports.alerts import AlertMessage, Undelivered
from brokergw.store.database.reader import Reader
from brokergw.store.database.work import RunsWork
from brokergw.store.encoding.rows import free_text
from brokergw.store.tables import ALERTS

_OUTBOX: Final = everyone("alerts about all users leave by one outbox, and most of them go to operators")
_ADD: Final = text(
    "INSERT INTO alerts (alert_id, channel, kind, severity, subject, message, time_ns, user_id, facts, count, tries,"
    " next_try_ns) VALUES (:alert_id, :channel, :kind, :severity, :subject, :message, :time_ns, :user_id, :facts,"
    " :count, :tries, :next_try_ns) ON CONFLICT DO NOTHING"
)


class SqlAlertOutbox:
    """Implements `ports.alerts.AlertOutbox`."""

    def __init__(self, run: RunsWork, reader: Reader) -> None:
        self._run = run
        self._reader = reader

    async def add(self, rows: Sequence[Undelivered]) -> None:
        """Put messages on record; one that is there already stays as it is."""
        values = [_values(row) for row in rows]
        await self._run(_OUTBOX, lambda database: database.execute(_ADD, values) and None)

    async def take_due(self, now_ns: int, until_ns: int, limit: int) -> Sequence[Undelivered]:
        """Give up to so many whose next try has come, and put that off; nothing is written where nothing is due."""
        due = select(ALERTS).where(ALERTS.c.next_try_ns <= now_ns).order_by(ALERTS.c.time_ns).limit(limit)
        rows = await self._reader.query(_OUTBOX, lambda database: database.execute(due).mappings().all())
        if not rows:
            return ()
        taken: list[Undelivered] = await self._run(_OUTBOX, lambda database: _take(database, rows, now_ns, until_ns))
        return taken

    async def put_off(self, alert_id: str, channel: str, next_try_ns: int) -> None:
        """Count a failed try, and say when the next one is."""
        changed = update(ALERTS).where(_is(alert_id, channel))
        later = changed.values(tries=ALERTS.c.tries + 1, next_try_ns=next_try_ns)
        await self._run(_OUTBOX, lambda database: database.execute(later) and None)

    async def delivered(self, alert_id: str, channel: str) -> None:
        """Forget what was delivered, or given up."""
        gone = delete(ALERTS).where(_is(alert_id, channel))
        await self._run(_OUTBOX, lambda database: database.execute(gone) and None)


def _is(alert_id: str, channel: str) -> Any:
    return (ALERTS.c.alert_id == alert_id) & (ALERTS.c.channel == channel)


def _take(database: Connection, rows: Sequence[RowMapping], now_ns: int, until_ns: int) -> list[Undelivered]:
    """Put each off unless another process was faster; gives those that are ours."""
    taken = []
    for row in rows:
        ours = (
            update(ALERTS)
            .where(_is(row["alert_id"], row["channel"]), ALERTS.c.next_try_ns <= now_ns)
            .values(next_try_ns=until_ns)
        )
        if database.execute(ours).rowcount:
            taken.append(_read(row, until_ns))
    return taken


def _values(row: Undelivered) -> dict[str, Any]:
    alert = row.message.alert
    return {
        "alert_id": row.message.alert_id,
        "channel": row.channel,
        "kind": alert.kind.value,
        "severity": alert.severity.value,
        "subject": free_text(alert.subject),
        "message": free_text(alert.message),
        "time_ns": alert.time_ns,
        "user_id": free_text(alert.user_id),
        "facts": json.dumps(alert.facts),
        "count": row.message.count,
        "tries": row.tries,
        "next_try_ns": row.next_try_ns,
    }


def _read(row: RowMapping, next_try_ns: int) -> Undelivered:
    alert = Alert(
        kind=AlertKind(row["kind"]),
        severity=Severity(row["severity"]),
        subject=row["subject"],
        message=row["message"],
        time_ns=row["time_ns"],
        user_id=row["user_id"],
        facts=tuple((name, value) for name, value in json.loads(row["facts"])),
    )
    message = AlertMessage(alert_id=row["alert_id"], alert=alert, count=row["count"])
    return Undelivered(message=message, channel=row["channel"], tries=row["tries"], next_try_ns=next_try_ns)
