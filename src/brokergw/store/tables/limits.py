"""Limits of users and strategies, broker configurations, and every version that either has had."""

from typing import Final

from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Table

from brokergw.store.tables.columns import METADATA, decimal_column, flag_column, number_column, text_column, time_column

USER_BROKER_LIMITS: Final = Table(
    "user_broker_limits",
    METADATA,
    text_column("user_id"),
    text_column("source"),
    text_column("strategy_id"),
    text_column("limits"),
    text_column("region"),
    number_column("version"),
    text_column("set_by"),
    time_column("set_time_ns"),
    PrimaryKeyConstraint("user_id", "source", "strategy_id"),
)
"""`source` is a `LimitSource`; the platform's row has no user. `limits` is JSON, its decimals texts."""

BROKER_CONFIGS: Final = Table(
    "broker_configs",
    METADATA,
    text_column("broker"),
    flag_column("enabled"),
    decimal_column("fee_bps"),
    decimal_column("fee_per_contract"),
    Column("requests_per_minute", BigInteger, nullable=True),
    text_column("regions"),
    text_column("paper_url"),
    text_column("live_url"),
    text_column("data_url"),
    text_column("limits"),
    number_column("version"),
    text_column("set_by"),
    time_column("set_time_ns"),
    PrimaryKeyConstraint("broker"),
)
"""`regions` is a JSON list; empty text is every region."""

LIMITS_HISTORY: Final = Table(
    "limits_history",
    METADATA,
    text_column("subject"),
    number_column("version"),
    text_column("content"),
    text_column("set_by"),
    time_column("set_time_ns"),
    text_column("user_id"),
    PrimaryKeyConstraint("subject", "version"),
)
"""Each version as it was set; `subject` is `BROKER/<broker>`, or `<source>/<user>/<strategy>` with its parts quoted.

The platform's own, and a broker's, have no user."""
