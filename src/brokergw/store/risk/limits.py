"""Limits and broker configurations in the database, each version kept."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import BigInteger, ColumnElement, Connection, Table, cast, func, insert, select, update

from brokergw.model.broker_config import BrokerConfig
from brokergw.model.events import AuditRow
from brokergw.model.limits import LimitSource, LimitsScope, ScopeLimits
from brokergw.model.money import format_decimal
from brokergw.model.whose import everyone, only, these
from brokergw.ports.limits import LimitsRecord
from brokergw.store.audit.chain import write_audit
from brokergw.store.database.polls import Poll
from brokergw.store.database.reader import Reader
from brokergw.store.database.work import Work
from brokergw.store.risk.limits_codec import (
    Unreadable,
    count_from,
    decimal_from_text,
    limits_from_text,
    limits_to_text,
    texts_from,
)
from brokergw.store.tables import BROKER_CONFIGS, LIMITS_HISTORY, USER_BROKER_LIMITS, USERS
from brokergw.store.writing.writer import Writer

_EVERYBODYS: Final = everyone("each process holds the limits of all users in memory, to judge any order at once")


@dataclass(frozen=True, slots=True)
class _Raw:
    """What was read, before anything is made of it."""

    limits: Sequence[Any]
    brokers: Sequence[Any]
    revision: int


class SqlLimits:
    """Implements `ports.limits.LimitsStore`. No row is ever removed, so the versions' sum only rises."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader
        self._raw = _Raw([], [], 0)
        self._record = LimitsRecord()

    async def revision(self) -> int:
        """Tell how far changes have come."""
        return await self._reader.poll(_REVISION)

    async def load(self) -> LimitsRecord:
        """Read everything as of one moment; gives the very record of before while nothing has changed."""

        def read(database: Connection) -> _Raw:
            limits = database.execute(select(USER_BROKER_LIMITS)).all()
            brokers = database.execute(select(BROKER_CONFIGS)).all()
            return _Raw(limits, brokers, _revision(database))

        raw = await self._reader.query(_EVERYBODYS, read, at_one_moment=True)
        if raw != self._raw:
            limits, brokers = tuple(map(_scope_limits, raw.limits)), tuple(map(_broker_config, raw.brokers))
            self._raw, self._record = raw, LimitsRecord(limits, brokers, raw.revision)
        return self._record

    async def knows_user(self, user_id: str) -> bool:
        """Tell whether there is such a user."""
        wanted = select(USERS.c.user_id).where(USERS.c.user_id == user_id)
        return await self._reader.query(only(user_id), lambda database: database.scalar(wanted)) is not None

    async def put_limits(self, limits: ScopeLimits, audit: AuditRow) -> bool:
        """Replace a scope's limits unless they have moved on."""
        scope = limits.scope
        key = {"user_id": scope.user_id, "source": scope.source.value, "strategy_id": scope.strategy_id}
        row = {
            "limits": limits_to_text(limits.limits),
            "region": limits.region,
            "version": limits.version,
            "set_by": limits.set_by,
            "set_time_ns": limits.set_time_ns,
        }
        subject = "/".join(quote(part, safe="") for part in (scope.source.value, scope.user_id, scope.strategy_id))
        history = {"user_id": scope.user_id, "subject": subject}
        work = _replacing(USER_BROKER_LIMITS, key, row, history, audit)
        return bool(await self._writer.run(these((scope.user_id, audit.user_id)), work))

    async def put_broker(self, config: BrokerConfig, audit: AuditRow) -> bool:
        """Replace a broker's configuration unless it has moved on."""
        row = {
            "enabled": config.enabled,
            "fee_bps": format_decimal(config.fee_bps),
            "fee_per_contract": format_decimal(config.fee_per_contract),
            "requests_per_minute": config.requests_per_minute,
            "regions": "" if config.regions is None else json.dumps(sorted(config.regions)),
            "paper_url": config.paper_url,
            "live_url": config.live_url,
            "data_url": config.data_url,
            "limits": limits_to_text(config.limits),
            "version": config.version,
            "set_by": config.set_by,
            "set_time_ns": config.set_time_ns,
        }
        history = {"user_id": "", "subject": f"BROKER/{quote(config.broker, safe='')}"}
        work = _replacing(BROKER_CONFIGS, {"broker": config.broker}, row, history, audit)
        return bool(await self._writer.run(these(("", audit.user_id)), work))


def _replacing(
    table: Table, key: dict[str, str], row: dict[str, Any], history: dict[str, str], audit: AuditRow
) -> Work:
    """Make the write of a new version: only over the version before it, with its history and its audit row."""
    version = row["version"]
    same = [table.c[name] == value for name, value in key.items()]
    change = update(table).where(*same, table.c.version == version - 1).values(row)
    kept = {
        **history,
        "version": version,
        "content": json.dumps({name: value for name, value in row.items() if name not in _WHO_AND_WHEN}),
        "set_by": row["set_by"],
        "set_time_ns": row["set_time_ns"],
    }

    def work(database: Connection) -> bool:
        if version > 1:
            if database.execute(change).rowcount == 0:
                return False
        elif not _insert_first(database, table, key | row):
            return False
        database.execute(insert(LIMITS_HISTORY).values(kept))
        write_audit(database, audit)
        return True

    return work


_WHO_AND_WHEN: Final = frozenset({"version", "set_by", "set_time_ns"})


def _insert_first(database: Connection, table: Table, row: dict[str, Any]) -> bool:
    if database.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as insert_or_not  # noqa: PLC0415 - one of two dialects
    else:
        from sqlalchemy.dialects.postgresql import insert as insert_or_not  # type: ignore[assignment] # noqa: PLC0415 - the other
    return (
        database.scalar(insert_or_not(table).values(row).on_conflict_do_nothing().returning(table.c.version))
        is not None
    )


def _sum(versions: ColumnElement[int]) -> ColumnElement[int]:
    return select(cast(func.coalesce(func.sum(versions), 0), BigInteger)).scalar_subquery()


# Asked several times a second, so it is put together once.
_VERSIONS: Final = select(_sum(USER_BROKER_LIMITS.c.version) + _sum(BROKER_CONFIGS.c.version))


def _revision(database: Connection) -> int:
    return int(database.execute(_VERSIONS).scalar_one())


_REVISION: Final = Poll(_EVERYBODYS, _revision)


def _scope_limits(row: Any) -> ScopeLimits:
    source = LimitSource.USER
    fault, values = "", {}
    try:
        source = LimitSource(row.source)
    except ValueError:
        # Whoever made this row meant to limit the user; not knowing how, nobody may say that it does not.
        fault = f"{row.source!r} is nobody who sets limits"
    try:
        values["limits"] = limits_from_text(row.limits)
    except Unreadable as error:
        fault = fault or str(error)
    return ScopeLimits(
        scope=LimitsScope(source=source, user_id=row.user_id, strategy_id=row.strategy_id),
        region=row.region,
        version=row.version,
        set_by=row.set_by,
        set_time_ns=row.set_time_ns,
        fault=fault,
        **values,
    )


def _broker_config(row: Any) -> BrokerConfig:
    told: dict[str, Any] = {}
    fault = ""
    try:
        told["fee_bps"] = decimal_from_text("fee_bps", row.fee_bps)
        told["fee_per_contract"] = decimal_from_text("fee_per_contract", row.fee_per_contract)
        if row.requests_per_minute is not None:
            told["requests_per_minute"] = count_from("requests_per_minute", row.requests_per_minute)
        if row.regions:
            told["regions"] = texts_from("regions", json.loads(row.regions))
        told["limits"] = limits_from_text(row.limits)
    except ValueError as error:
        fault = str(error)
    return BrokerConfig(
        broker=row.broker,
        enabled=bool(row.enabled),
        paper_url=row.paper_url,
        live_url=row.live_url,
        data_url=row.data_url,
        version=row.version,
        set_by=row.set_by,
        set_time_ns=row.set_time_ns,
        fault=fault,
        **told,
    )
