"""What accounts have lost, one row for each account and trading day."""

from typing import Final

from sqlalchemy import Index, PrimaryKeyConstraint, Table

from brokergw.store.tables.columns import (
    METADATA,
    decimal_column,
    flag_column,
    text_column,
    time_column,
    time_or_null_column,
)

RISK_DAYS: Final = Table(
    "risk_days",
    METADATA,
    text_column("account_id"),
    text_column("trading_day"),
    text_column("user_id"),
    text_column("environment"),
    decimal_column("opening_equity"),
    text_column("opening_source"),
    time_column("opening_time_ns"),
    text_column("known_lines"),
    decimal_column("flows"),
    decimal_column("fees"),
    decimal_column("doubt"),
    decimal_column("equity"),
    time_column("equity_time_ns"),
    flag_column("exposed"),
    decimal_column("equity_low"),
    decimal_column("equity_high"),
    time_or_null_column("crossed_time_ns"),
    PrimaryKeyConstraint("account_id", "trading_day"),
    Index(None, "equity_time_ns"),
)
"""`known_lines` is a JSON list of transaction ids."""
