"""The tables: one definition for SQLite and PostgreSQL.

Decimals are text, because SQLite has no exact decimal type. Times are Unix nanoseconds. Rows of user data are led by
their user, so that a database that separates users by row has the column in every table it must guard.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _decimal(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _decimal_or_null(name: str) -> Column[Any]:
    return Column(name, Text, nullable=True)


def _time(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _time_or_null(name: str) -> Column[Any]:
    return Column(name, BigInteger, nullable=True)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


def _unique_unless_empty(name: str, account: Column[str], column: Column[str]) -> Index:
    present = text(f"{column.name} <> ''")
    return Index(name, account, column, unique=True, sqlite_where=present, postgresql_where=present)


USERS: Final = Table(
    "users",
    METADATA,
    Column("user_id", Text, primary_key=True),
    _time("create_time_ns"),
)

API_KEYS: Final = Table(
    "api_keys",
    METADATA,
    Column("user_id", ForeignKey("users.user_id"), nullable=False, index=True),
    Column("key_id", Text, primary_key=True),
    Column("key_hash", Text, nullable=False, unique=True),
    _text("name"),
    _text("scopes"),
    _time("create_time_ns"),
    _time_or_null("expire_time_ns"),
    _time_or_null("revoke_time_ns"),
    _time_or_null("last_used_time_ns"),
)

CONNECTIONS: Final = Table(
    "user_broker_connections",
    METADATA,
    Column("user_id", ForeignKey("users.user_id"), nullable=False, index=True),
    Column("connection_id", Text, primary_key=True),
    _text("broker"),
    _text("environment"),
    _text("account_label"),
    _flag("has_key"),
    _text("key_last_four"),
    _time("create_time_ns"),
    _time_or_null("revoke_time_ns"),
)

CREDENTIALS: Final = Table(
    "user_broker_credentials",
    METADATA,
    Column("user_id", ForeignKey("users.user_id"), nullable=False),
    Column("connection_id", ForeignKey("user_broker_connections.connection_id"), nullable=False),
    _text("field"),
    _text("sealed"),
    PrimaryKeyConstraint("connection_id", "field"),
)

ACCOUNTS: Final = Table(
    "broker_accounts",
    METADATA,
    Column("user_id", ForeignKey("users.user_id"), nullable=False, index=True),
    Column("account_id", Text, primary_key=True),
    Column("connection_id", ForeignKey("user_broker_connections.connection_id"), nullable=False, unique=True),
    _number("last_sequence"),
)

KEYS: Final = Table(
    "idempotency_keys",
    METADATA,
    _text("user_id"),
    _text("method"),
    _text("key"),
    _text("fingerprint"),
    _text("subject"),
    _time("claim_time_ns"),
    _text("decision"),
    _time_or_null("decision_time_ns"),
    _flag("retired"),
    PrimaryKeyConstraint("user_id", "method", "key"),
    sqlite_with_rowid=False,
)
Index("ix_idempotency_keys_retired_claim_time_ns", KEYS.c.retired, KEYS.c.claim_time_ns)

ORDERS: Final = Table(
    "broker_orders",
    METADATA,
    _text("user_id"),
    Column("account_id", ForeignKey("broker_accounts.account_id"), nullable=False),
    Column("order_id", Text, primary_key=True),
    _text("broker"),
    _text("state"),
    _flag("is_open"),
    _number("version"),
    _time("create_time_ns"),
    _time("update_time_ns"),
    _time_or_null("submit_time_ns"),
    _time_or_null("complete_time_ns"),
    _text("symbol"),
    _text("side"),
    _text("order_type"),
    _text("time_in_force"),
    _decimal_or_null("quantity"),
    _decimal_or_null("notional"),
    _decimal_or_null("limit_price"),
    _decimal_or_null("stop_price"),
    _decimal_or_null("trail_amount"),
    _decimal_or_null("trail_percent"),
    _time_or_null("expire_time_ns"),
    _flag("extended_hours"),
    _text("position_effect"),
    _text("order_class"),
    _decimal_or_null("take_profit_limit_price"),
    _decimal_or_null("stop_loss_stop_price"),
    _decimal_or_null("stop_loss_limit_price"),
    _text("legs"),
    _decimal("cum_quantity"),
    _decimal_or_null("average_price"),
    _decimal("canceled_quantity"),
    _text("idempotency_key"),
    _text("client_order_id"),
    _text("broker_client_order_id"),
    _text("broker_order_ids"),
    _text("parent_order_id"),
    _text("strategy_id"),
    _text("run_id"),
    _text("labels"),
    _number("attempt"),
    _text("reject_reason"),
    _text("rejected_by"),
    _text("broker_message"),
    _flag("late_fill"),
    _flag("external"),
    _text("sender"),
    _decimal("hold_quantity"),
    _decimal("hold_price"),
    _text("trading_day"),
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
    _text("from_state"),
    _text("to_state"),
    PrimaryKeyConstraint("from_state", "to_state"),
    sqlite_with_rowid=False,
)
"""The legal moves of an order; a trigger on `broker_orders` refuses any other, and a version that does not rise."""

BROKER_ORDER_IDS: Final = Table(
    "broker_order_ids",
    METADATA,
    _text("account_id"),
    _text("broker_order_id"),
    Column("order_id", ForeignKey("broker_orders.order_id"), nullable=False),
    PrimaryKeyConstraint("account_id", "broker_order_id"),
    sqlite_with_rowid=False,
)

FILLS: Final = Table(
    "broker_fills",
    METADATA,
    _text("user_id"),
    _text("account_id"),
    Column("fill_id", Text, primary_key=True),
    Column("order_id", ForeignKey("broker_orders.order_id"), nullable=False, index=True),
    _text("broker"),
    _text("client_order_id"),
    _text("idempotency_key"),
    _text("broker_order_id"),
    _text("execution_id"),
    _text("symbol"),
    _text("side"),
    _decimal("quantity"),
    _decimal("price"),
    _decimal("cum_quantity"),
    _decimal("leaves_quantity"),
    _decimal("average_price"),
    _time("trade_time_ns"),
    _time("receive_time_ns"),
    _text("kind"),
    _text("refers_to_fill_id"),
    _flag("fill_id_synthetic"),
    _text("liquidity"),
    _text("venue"),
    _text("fees"),
)
Index("ix_broker_fills_account_id_trade_time_ns", FILLS.c.account_id, FILLS.c.trade_time_ns, FILLS.c.fill_id)

EVENTS: Final = Table(
    "events",
    METADATA,
    _text("user_id"),
    _text("account_id"),
    _number("sequence"),
    _text("kind"),
    _text("order_id"),
    _text("origin"),
    _time("event_time_ns"),
    _time("receive_time_ns"),
    _time("publish_time_ns"),
    _text("payload"),
    PrimaryKeyConstraint("account_id", "sequence"),
    sqlite_with_rowid=False,
)
Index(
    "ix_events_order_id",
    EVENTS.c.order_id,
    sqlite_where=text("order_id <> ''"),
    postgresql_where=text("order_id <> ''"),
)

AUDIT: Final = Table(
    "broker_audit_log",
    METADATA,
    Column("audit_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    _text("user_id"),
    _time("time_ns"),
    _text("request_id"),
    _text("key_id"),
    _text("action"),
    _text("outcome"),
    _text("reason"),
    _text("account_id"),
    _text("order_id"),
    _text("detail"),
    Column("duration_ns", BigInteger, nullable=True),
)
Index("ix_broker_audit_log_user_id_time_ns", AUDIT.c.user_id, AUDIT.c.time_ns)

INSTANCES: Final = Table(
    "instances",
    METADATA,
    Column("instance_id", Text, primary_key=True),
    _time("start_time_ns"),
    _time("renew_time_ns"),
)

LEASES: Final = Table(
    "leases",
    METADATA,
    Column("connection_id", Text, primary_key=True),
    _number("epoch"),
    Column("instance_id", Text, nullable=False, index=True),
    _text("health"),
    _text("detail"),
    _flag("stream_up"),
    _time_or_null("last_message_ns"),
)

META: Final = Table(
    "store_meta",
    METADATA,
    Column("name", Text, primary_key=True),
    _text("value"),
)
