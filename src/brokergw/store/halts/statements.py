"""The SQL of the book of halts, for one kind of database: each change is one journey, since a caller waits for it."""

from functools import cache
from typing import Final

from brokergw.model.trading import TradingState
from brokergw.store.reading.numbering import RAISED
from brokergw.store.sql.many import Ask, ColumnType, ManyRows
from brokergw.store.sql.statements import column_types, listed, names
from brokergw.store.tables import HALT_SWEEPS, TRADING_HALTS

EPOCH_ROW: Final = "halts"
"""The row of `store_meta` that holds the epoch."""


class HaltStatements:
    """Statements over the book of halts; every one but `lock` and `ring` is understood by both databases."""

    def __init__(self, dialect: str) -> None:
        def many(statement: str, *types: ColumnType) -> ManyRows:
            return ManyRows(statement, types, dialect=dialect)

        self.lock = many("SELECT pg_advisory_xact_lock(column1) FROM ({rows}) AS asked", "bigint")
        self.raise_epoch = many(
            f"INSERT INTO store_meta (name, value) SELECT column1, '1' FROM ({{rows}}) AS raised WHERE true {RAISED}",  # noqa: S608 - a text of our own
            "text",
        )
        self.place = many(_PLACE, *column_types(TRADING_HALTS))
        self.begin_sweep = many(_BEGIN_SWEEP, *column_types(HALT_SWEEPS))
        self.widen_sweep = many(
            "UPDATE halt_sweeps SET flatten = true FROM ({rows}) AS asked WHERE scope = column1 AND cause = column2",
            "text",
            "text",
        )
        self.read = many(
            "SELECT CAST(m.value AS BIGINT), h.scope, h.cause, h.state, h.reason, h.set_by, h.set_time_ns, h.epoch"
            " FROM ({rows}) AS asked CROSS JOIN store_meta m LEFT JOIN trading_halts h ON true WHERE m.name = column1",
            "text",
        )
        self.ring = many(
            "SELECT pg_notify(column1, m.value) FROM ({rows}) AS rung CROSS JOIN store_meta m WHERE m.name = column2",
            "text",
            "text",
        )

    @property
    def raised(self) -> Ask:
        """Raise the epoch."""
        return self.raise_epoch, [(EPOCH_ROW,)]

    @property
    def standing(self) -> Ask:
        """Read the epoch and every halt, in one statement, so that they belong together."""
        return self.read, [(EPOCH_ROW,)]


@cache
def halt_statements(dialect: str) -> HaltStatements:
    """Give the statements for one kind of database."""
    return HaltStatements(dialect)


def _severity(column: str) -> str:
    cases = " ".join(f"WHEN '{state.value}' THEN {state.severity}" for state in TradingState)
    return f"CASE {column} {cases} END"


_CHANGED: Final = ", ".join(
    f"{name} = excluded.{name}" for name in names(TRADING_HALTS) if name not in {"scope", "cause"}
)
_PLACE: Final = (
    # The epoch is the one that was raised a moment ago in the same transaction.
    f"INSERT INTO trading_halts ({listed(TRADING_HALTS)}) SELECT column1, column2, column3, column4, column5, column6,"  # noqa: S608 - names of our own tables only
    f" CAST(m.value AS BIGINT) FROM ({{rows}}) AS placed CROSS JOIN store_meta m WHERE m.name = '{EPOCH_ROW}'"
    f" ON CONFLICT (scope, cause) DO UPDATE SET {_CHANGED}"
    f" WHERE {_severity('excluded.state')} > {_severity('trading_halts.state')}"
)
_BEGIN_SWEEP: Final = (
    f"INSERT INTO halt_sweeps ({listed(HALT_SWEEPS)})"  # noqa: S608 - names of our own tables only
    " SELECT column1, column2, column3, column4, column5, column6, column7, column8 FROM ({rows}) AS begun"
    " WHERE NOT EXISTS (SELECT 1 FROM halt_sweeps WHERE scope = column2 AND cause = column3)"
)
