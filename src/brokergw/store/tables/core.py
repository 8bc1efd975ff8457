"""Users, connections, orders, fills, events and leases: one definition for SQLite and PostgreSQL.

Decimals are text, because SQLite has no exact decimal type. Times are Unix nanoseconds. Rows of user data are led by
their user, so that a database that separates users by row has the column in every table it must guard.
"""

from typing import Final

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from brokergw.store.tables.columns import (
    METADATA,
    decimal_column,
    decimal_or_null_column,
    flag_column,
    number_column,
    text_column,
    time_column,
    time_or_null_column,
)


def _unique_unless_empty(name: str, account: Column[str], column: Column[str]) -> Index:
    present = text(f"{column.name} <> ''")
    return Index(name, account, column, unique=True, sqlite_where=present, postgresql_where=present)


USERS: Final = Table(
    "users",
    METADATA,
    Column("user_id", Text, primary_key=True),
    time_column("create_time_ns"),
)

API_KEYS: Final = Table(
    "api_keys",
    METADATA,
    Column("user_id", ForeignKey("users.user_id"), nullable=False, index=True),
    Column("key_id", Text, primary_key=True),
    Column("key_hash", Text, nullable=False, unique=True),
    text_column("name"),
    text_column("scopes"),
    time_column("create_time_ns"),
    time_or_null_column("expire_time_ns"),
    time_or_null_column("revoke_time_ns"),
    time_or_null_column("last_used_time_ns"),
    text_column("last_used_address"),
    Column("accounts", Text, nullable=True),
    text_column("mode_max"),
    text_column("addresses"),
    Column("old_hash", Text, nullable=True, unique=True),
    time_or_null_column("old_until_ns"),
)
"""`accounts` is NULL for all of the user's, or ids with spaces between them; `addresses` are CIDR blocks likewise."""

CONNECTIONS: Final = Table(
    "user_broker_connections",
    METADATA,
    Column("user_id", ForeignKey("users.user_id"), nullable=False, index=True),
    Column("connection_id", Text, primary_key=True),
    text_column("broker"),
    text_column("environment"),
    text_column("account_label"),
    flag_column("has_key"),
    text_column("key_last_four"),
    time_column("create_time_ns"),
    time_or_null_column("revoke_time_ns"),
    number_column("credentials_version"),
    text_column("label"),
    Column("change", number_column("change").type, nullable=False, index=True),
    text_column("broker_revocation"),
)
"""`change` numbers the last change of a row, over all rows."""

CREDENTIALS: Final = Table(
    "user_broker_credentials",
    METADATA,
    Column("user_id", ForeignKey("users.user_id"), nullable=False),
    Column("connection_id", ForeignKey("user_broker_connections.connection_id"), nullable=False),
    text_column("field"),
    text_column("sealed"),
    number_column("version"),
    PrimaryKeyConstraint("connection_id", "field"),
)

ACCOUNTS: Final = Table(
    "broker_accounts",
    METADATA,
    Column("user_id", ForeignKey("users.user_id"), nullable=False, index=True),
    Column("account_id", Text, primary_key=True),
    Column("connection_id", ForeignKey("user_broker_connections.connection_id"), nullable=False, unique=True),
    number_column("last_sequence"),
)

KEYS: Final = Table(
    "idempotency_keys",
    METADATA,
    text_column("user_id"),
    text_column("method"),
    text_column("key"),
    text_column("fingerprint"),
    text_column("subject"),
    time_column("claim_time_ns"),
    text_column("decision"),
    time_or_null_column("decision_time_ns"),
    flag_column("retired"),
    PrimaryKeyConstraint("user_id", "method", "key"),
    sqlite_with_rowid=False,
)
Index("ix_idempotency_keys_retired_claim_time_ns", KEYS.c.retired, KEYS.c.claim_time_ns)

ORDERS: Final = Table(
    "broker_orders",
    METADATA,
    text_column("user_id"),
    Column("account_id", ForeignKey("broker_accounts.account_id"), nullable=False),
    Column("order_id", Text, primary_key=True),
    text_column("broker"),
    text_column("state"),
    flag_column("is_open"),
    number_column("version"),
    time_column("create_time_ns"),
    time_column("update_time_ns"),
    time_or_null_column("submit_time_ns"),
    time_or_null_column("complete_time_ns"),
    text_column("symbol"),
    text_column("side"),
    text_column("order_type"),
    text_column("time_in_force"),
    decimal_or_null_column("quantity"),
    decimal_or_null_column("notional"),
    decimal_or_null_column("limit_price"),
    decimal_or_null_column("stop_price"),
    decimal_or_null_column("trail_amount"),
    decimal_or_null_column("trail_percent"),
    time_or_null_column("expire_time_ns"),
    flag_column("extended_hours"),
    text_column("position_effect"),
    text_column("order_class"),
    decimal_or_null_column("take_profit_limit_price"),
    decimal_or_null_column("stop_loss_stop_price"),
    decimal_or_null_column("stop_loss_limit_price"),
    text_column("legs"),
    decimal_column("cum_quantity"),
    decimal_or_null_column("average_price"),
    decimal_column("canceled_quantity"),
    text_column("idempotency_key"),
    text_column("client_order_id"),
    text_column("broker_client_order_id"),
    text_column("broker_order_ids"),
    text_column("parent_order_id"),
    text_column("strategy_id"),
    text_column("run_id"),
    text_column("labels"),
    number_column("attempt"),
    text_column("reject_reason"),
    text_column("rejected_by"),
    text_column("broker_message"),
    flag_column("late_fill"),
    flag_column("external"),
    text_column("sender"),
    decimal_column("hold_quantity"),
    decimal_column("hold_price"),
    decimal_column("unit_worth"),
    text_column("trading_day"),
    flag_column("reduce_only"),
    text_column("position_side"),
)
_unique_unless_empty("uq_broker_orders_client_order_id", ORDERS.c.account_id, ORDERS.c.client_order_id)
_unique_unless_empty("uq_broker_orders_broker_client_order_id", ORDERS.c.account_id, ORDERS.c.broker_client_order_id)
Index("ix_broker_orders_user_id_create_time_ns", ORDERS.c.user_id, ORDERS.c.create_time_ns, ORDERS.c.order_id)
Index(
    "ix_broker_orders_open",
    ORDERS.c.account_id,
    sqlite_where=text("is_open"),
    postgresql_where=text("is_open"),
)

ORDER_EDGES: Final = Table(
    "order_edges",
    METADATA,
    text_column("from_state"),
    text_column("to_state"),
    PrimaryKeyConstraint("from_state", "to_state"),
    sqlite_with_rowid=False,
)
"""The legal moves of an order; a trigger on `broker_orders` refuses any other, and a version that does not rise."""

BROKER_ORDER_IDS: Final = Table(
    "broker_order_ids",
    METADATA,
    text_column("account_id"),
    text_column("broker_order_id"),
    Column("order_id", ForeignKey("broker_orders.order_id"), nullable=False),
    text_column("user_id"),
    PrimaryKeyConstraint("account_id", "broker_order_id"),
    sqlite_with_rowid=False,
)

FILLS: Final = Table(
    "broker_fills",
    METADATA,
    text_column("user_id"),
    text_column("account_id"),
    Column("fill_id", Text, primary_key=True),
    Column("order_id", ForeignKey("broker_orders.order_id"), nullable=False, index=True),
    text_column("broker"),
    text_column("client_order_id"),
    text_column("idempotency_key"),
    text_column("broker_order_id"),
    text_column("execution_id"),
    text_column("symbol"),
    text_column("side"),
    decimal_column("quantity"),
    decimal_column("price"),
    decimal_column("cum_quantity"),
    decimal_column("leaves_quantity"),
    decimal_column("average_price"),
    time_column("trade_time_ns"),
    time_column("receive_time_ns"),
    text_column("kind"),
    text_column("refers_to_fill_id"),
    flag_column("fill_id_synthetic"),
    text_column("liquidity"),
    text_column("venue"),
    text_column("fees"),
)
Index("ix_broker_fills_account_id_trade_time_ns", FILLS.c.account_id, FILLS.c.trade_time_ns, FILLS.c.fill_id)

EVENTS: Final = Table(
    "events",
    METADATA,
    text_column("user_id"),
    text_column("account_id"),
    number_column("sequence"),
    text_column("kind"),
    text_column("order_id"),
    text_column("origin"),
    time_column("event_time_ns"),
    time_column("receive_time_ns"),
    time_column("publish_time_ns"),
    text_column("payload"),
    PrimaryKeyConstraint("account_id", "sequence"),
    sqlite_with_rowid=False,
)
Index(
    "ix_events_order_id",
    EVENTS.c.order_id,
    sqlite_where=text("order_id <> ''"),
    postgresql_where=text("order_id <> ''"),
)

INSTANCES: Final = Table(
    "instances",
    METADATA,
    Column("instance_id", Text, primary_key=True),
    time_column("start_time_ns"),
    time_column("renew_time_ns"),
)

LEASES: Final = Table(
    "leases",
    METADATA,
    Column("connection_id", Text, primary_key=True),
    number_column("epoch"),
    Column("instance_id", Text, nullable=False, index=True),
    text_column("health"),
    text_column("detail"),
    flag_column("stream_up"),
    time_or_null_column("last_message_ns"),
    time_or_null_column("last_sync_ns"),
    time_or_null_column("next_sync_ns"),
)

META: Final = Table(
    "store_meta",
    METADATA,
    Column("name", Text, primary_key=True),
    text_column("value"),
)
