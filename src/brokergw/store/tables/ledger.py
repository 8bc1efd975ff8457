"""The ledger: what each account and strategy holds and has open, and what has been used of the limits on that."""

from typing import Final

from sqlalchemy import Index, PrimaryKeyConstraint, Table

from brokergw.store.tables.columns import METADATA, decimal_column, number_column, text_column, time_column

RISK_POSITIONS: Final = Table(
    "risk_positions",
    METADATA,
    text_column("user_id"),
    text_column("account_id"),
    text_column("symbol"),
    text_column("strategy_id"),
    decimal_column("quantity"),
    decimal_column("cost"),
    decimal_column("buy_quantity"),
    decimal_column("buy_worth"),
    decimal_column("buy_top"),
    decimal_column("sell_quantity"),
    decimal_column("sell_worth"),
    decimal_column("sell_top"),
    decimal_column("anchored"),
    number_column("version"),
    PrimaryKeyConstraint("account_id", "symbol", "strategy_id"),
    sqlite_with_rowid=False,
)
"""A holding of everybody (no strategy) or of one strategy; `anchored` is how much of it no order on record made."""

RISK_USAGE: Final = Table(
    "risk_usage",
    METADATA,
    text_column("user_id"),
    text_column("subject"),
    text_column("name"),
    decimal_column("exposure"),
    number_column("open_orders"),
    decimal_column("unacknowledged"),
    text_column("trading_day"),
    number_column("day_orders"),
    decimal_column("day_volume"),
    text_column("seconds"),
    number_column("version"),
    PrimaryKeyConstraint("user_id", "subject", "name"),
    sqlite_with_rowid=False,
)
"""The counts of a user (no name), of one strategy, of one account; `seconds` are `second:count` pairs."""

RISK_REPEATS: Final = Table(
    "risk_repeats",
    METADATA,
    text_column("user_id"),
    text_column("account_id"),
    text_column("likeness"),
    text_column("order_id"),
    time_column("time_ns"),
    PrimaryKeyConstraint("account_id", "likeness"),
    sqlite_with_rowid=False,
)
"""The latest order of each likeness; kept for hours at most, and only where several processes may write."""
Index("ix_risk_repeats_time_ns", RISK_REPEATS.c.time_ns)
