"""Halts of trading: one row for each scope and cause that stands."""

from typing import Final

from sqlalchemy import PrimaryKeyConstraint, Table

from brokergw.store.tables.columns import METADATA, number_column, text_column, time_column

TRADING_HALTS: Final = Table(
    "trading_halts",
    METADATA,
    text_column("scope"),
    text_column("cause"),
    text_column("state"),
    text_column("reason"),
    text_column("set_by"),
    time_column("set_time_ns"),
    number_column("epoch"),
    PrimaryKeyConstraint("scope", "cause"),
)
"""`scope` is the key of a `TradingScope`; a scope that trades freely has no row."""
