"""The audit log in chains, the chains there are, and the signed checkpoints over them."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, Text, text

from brokergw.store.tables.columns import METADATA, number_column, text_column, time_column, time_or_null_column

AUDIT: Final = Table(
    "broker_audit_log",
    METADATA,
    text_column("chain"),
    number_column("sequence"),
    text_column("previous_hash"),
    text_column("hash"),
    text_column("user_id"),
    time_column("time_ns"),
    text_column("request_id"),
    text_column("key_id"),
    text_column("principal_kind"),
    text_column("address"),
    text_column("action"),
    text_column("method_class"),
    text_column("outcome"),
    text_column("reason"),
    text_column("account_id"),
    text_column("order_id"),
    text_column("detail"),
    text_column("payload"),
    Column("duration_ns", BigInteger, nullable=True),
    PrimaryKeyConstraint("chain", "sequence"),
)
Index("ix_broker_audit_log_user_id_time_ns", AUDIT.c.user_id, AUDIT.c.time_ns)
# On SQLite the writer pays for each index, three rows an order: there it stays empty, and everybody's rows are merged
# from each user's.
Index("ix_broker_audit_log_time_ns", AUDIT.c.time_ns, sqlite_where=text("time_ns < 0"))
Index(
    "ix_broker_audit_log_order_id_user_id",
    AUDIT.c.order_id,
    # Whoever asks for another user's order meets as many rows as for one that nobody has: none.
    AUDIT.c.user_id,
    sqlite_where=text("order_id <> ''"),
    postgresql_where=text("order_id <> ''"),
)

AUDIT_CHAINS: Final = Table(
    "audit_chains",
    METADATA,
    Column("chain", Text, primary_key=True),
    text_column("instance_id"),
    text_column("writer"),
    time_column("open_time_ns"),
    number_column("signed_sequence"),
    time_column("sign_time_ns"),
    time_or_null_column("close_time_ns"),
    number_column("pruned_sequence"),
)
Index("ix_audit_chains_close_time_ns", AUDIT_CHAINS.c.close_time_ns)

AUDIT_CHECKPOINTS: Final = Table(
    "audit_checkpoints",
    METADATA,
    text_column("instance_id"),
    number_column("number"),
    time_column("time_ns"),
    number_column("horizon_ns"),
    text_column("body"),
    text_column("hash"),
    text_column("key_id"),
    text_column("signature"),
    PrimaryKeyConstraint("instance_id", "number"),
    sqlite_with_rowid=False,
)
Index("ix_audit_checkpoints_time_ns", AUDIT_CHECKPOINTS.c.time_ns)

ONLY_ADDED: Final = (AUDIT, AUDIT_CHECKPOINTS)
"""Tables that nobody changes or takes from: on PostgreSQL the serving role is granted SELECT and INSERT on them, no
more. Retention goes through the function `brokergw_prune_audit`, which belongs to the tables' owner."""
