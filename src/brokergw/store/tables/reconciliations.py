"""What comparisons of accounts with their brokers came to, what they tolerate, and which of them are asked for."""

from typing import Final

from sqlalchemy import Column, Index, Table, Text, text

from brokergw.store.tables.columns import METADATA, number_column, text_column, time_column, time_or_null_column

RECONCILIATIONS: Final = Table(
    "reconciliations",
    METADATA,
    text_column("user_id"),
    text_column("account_id"),
    Column("reconciliation_id", Text, primary_key=True),
    text_column("trigger"),
    text_column("finding"),
    time_column("first_ns"),
    time_column("as_of_ns"),
    number_column("rounds"),
    text_column("differences"),
    text_column("detail"),
    time_or_null_column("good_ns"),
    text_column("baseline"),
    text_column("settled_by"),
    time_or_null_column("settle_time_ns"),
    text_column("evidence"),
)
"""One row for each finding for as long as it stood; `differences` and `baseline` are JSON."""

Index(
    "ix_reconciliations_account_id_reconciliation_id",
    RECONCILIATIONS.c.account_id,
    RECONCILIATIONS.c.reconciliation_id,
)

_OPEN: Final = text("finding = 'MISMATCH' AND settle_time_ns IS NULL")
Index("ix_reconciliations_open", RECONCILIATIONS.c.account_id, sqlite_where=_OPEN, postgresql_where=_OPEN)

RECONCILIATION_POLICIES: Final = Table(
    "reconciliation_policies",
    METADATA,
    Column("user_id", Text, primary_key=True),
    text_column("positions"),
    text_column("cash"),
    text_column("cash_tolerance"),
    time_column("update_time_ns"),
)

RECONCILIATION_REQUESTS: Final = Table(
    "reconciliation_requests",
    METADATA,
    Column("account_id", Text, primary_key=True),
    time_column("request_time_ns"),
    text_column("user_id"),
)
