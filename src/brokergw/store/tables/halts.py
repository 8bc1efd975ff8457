"""Halts of trading, the processes that live by them, and the sweeps that clear away what rests in their scopes."""

from typing import Final

from sqlalchemy import Column, ForeignKeyConstraint, PrimaryKeyConstraint, Table, Text

from brokergw.store.tables.columns import METADATA, flag_column, number_column, text_column, time_column

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

HALT_WATCHERS: Final = Table(
    "halt_watchers",
    METADATA,
    Column("instance_id", Text, primary_key=True),
    number_column("epoch"),
)
"""Each process that may send, and the last epoch of the halts that it has confirmed."""

HALT_SWEEPS: Final = Table(
    "halt_sweeps",
    METADATA,
    Column("sweep_id", Text, primary_key=True),
    text_column("scope"),
    text_column("cause"),
    flag_column("flatten"),
    text_column("user_id"),
    text_column("key_id"),
    text_column("request_id"),
    time_column("begin_time_ns"),
    ForeignKeyConstraint(["scope", "cause"], ["trading_halts.scope", "trading_halts.cause"], ondelete="CASCADE"),
)

HALT_FINDINGS: Final = Table(
    "halt_findings",
    METADATA,
    Column("sweep_id", Text, nullable=False),
    text_column("account_id"),
    text_column("user_id"),
    text_column("state"),
    text_column("residuals"),
    text_column("why"),
    time_column("time_ns"),
    PrimaryKeyConstraint("sweep_id", "account_id"),
    ForeignKeyConstraint(["sweep_id"], ["halt_sweeps.sweep_id"], ondelete="CASCADE"),
)
"""What a sweep came to in one account; `residuals` is a JSON list."""
