"""What accounts have lost on each trading day, in the database."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, RowMapping, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from brokergw.model.account import Environment
from brokergw.model.loss import OpeningSource, RiskDay
from brokergw.model.whose import everyone, only
from brokergw.store.database.reader import Reader
from brokergw.store.database.work import RunsWork
from brokergw.store.tables import RISK_DAYS

_EVERYBODYS: Final = everyone("each process holds the days of all accounts in memory, to judge any order at once")
_DECIMALS: Final = ("opening_equity", "flows", "fees", "doubt", "equity", "equity_low", "equity_high")
_MOVES: Final = ("flows", "fees", "doubt", "equity", "equity_time_ns", "exposed", "equity_low", "equity_high")
_NAMES: Final = ("account_id", "trading_day")


def _new(name: str) -> BindParameter[Any]:
    """Give a place for a column's new value, which must not have the column's own name."""
    return bindparam(f"new_{name}", type_=RISK_DAYS.c[name].type)


# Done once a second for each account that trades, so it is put together once.
_KEEP: Final = (
    update(RISK_DAYS)
    .where(
        *(RISK_DAYS.c[name] == _new(name) for name in _NAMES),
        # Of two processes that follow an account for a moment, the later look stands.
        RISK_DAYS.c.equity_time_ns <= _new("equity_time_ns"),
    )
    .values(
        {name: _new(name) for name in _MOVES}
        | {"crossed_time_ns": func.coalesce(RISK_DAYS.c.crossed_time_ns, _new("crossed_time_ns"))}
    )
)


class SqlRiskDays:
    """Implements `ports.losses.RiskDays`."""

    def __init__(self, run: RunsWork, reader: Reader) -> None:
        self._run = run
        self._reader = reader

    async def open(self, day: RiskDay) -> RiskDay:
        """Begin an account's day, unless another process has."""
        stands: RiskDay = await self._run(only(day.user_id), lambda database: _open(database, day))
        return stands

    async def keep(self, day: RiskDay) -> None:
        """Write how a day stands."""
        values = _values(day)
        told = {f"new_{name}": values[name] for name in (*_NAMES, *_MOVES, "crossed_time_ns")}
        await self._run(only(day.user_id), lambda database: database.execute(_KEEP, told) and None)

    async def changed_since(self, time_ns: int) -> Sequence[RiskDay]:
        """Give the days whose equity was last seen at or after a time, in no order."""
        wanted = select(RISK_DAYS).where(RISK_DAYS.c.equity_time_ns >= time_ns)
        rows = await self._reader.query(_EVERYBODYS, lambda database: database.execute(wanted).mappings().all())
        return [_read(row) for row in rows]


def _is(day: RiskDay) -> Any:
    return (RISK_DAYS.c.account_id == day.account_id) & (RISK_DAYS.c.trading_day == day.trading_day)


def _open(database: Connection, day: RiskDay) -> RiskDay:
    standing = select(RISK_DAYS).where(_is(day))
    row = database.execute(standing).mappings().first()
    if row is None:
        try:
            with database.begin_nested():
                database.execute(insert(RISK_DAYS), [_values(day)])
        except IntegrityError:
            # Another process was faster.
            row = database.execute(standing).mappings().first()
    return day if row is None else _read(row)


def _values(day: RiskDay) -> dict[str, Any]:
    return {
        "account_id": day.account_id,
        "trading_day": day.trading_day,
        "user_id": day.user_id,
        "environment": day.environment.value,
        "opening_source": day.opening_source.value,
        "opening_time_ns": day.opening_time_ns,
        "known_lines": json.dumps(sorted(day.known_lines)),
        "equity_time_ns": day.equity_time_ns,
        "exposed": day.exposed,
        "crossed_time_ns": day.crossed_time_ns,
        **{name: str(getattr(day, name)) for name in _DECIMALS},
    }


def _read(row: RowMapping) -> RiskDay:
    return RiskDay(
        account_id=row["account_id"],
        trading_day=row["trading_day"],
        user_id=row["user_id"],
        environment=Environment(row["environment"]),
        opening_source=OpeningSource(row["opening_source"]),
        opening_time_ns=row["opening_time_ns"],
        known_lines=frozenset(json.loads(row["known_lines"])),
        equity_time_ns=row["equity_time_ns"],
        exposed=bool(row["exposed"]),
        crossed_time_ns=row["crossed_time_ns"],
        **{name: Decimal(row[name]) for name in _DECIMALS},
    )
