"""The first tables: people and connections, orders and their keys, fills, events and audit."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _make_people()
    _make_connections()
    _make_orders()
    _make_fills()
    _make_record()


def downgrade() -> None:
    for table in (
        "store_meta",
        "broker_audit_log",
        "events",
        "broker_fills",
        "broker_order_ids",
        "broker_orders",
        "idempotency_keys",
        "broker_accounts",
        "user_broker_credentials",
        "user_broker_connections",
        "api_keys",
        "users",
    ):
        op.drop_table(table)


def _texts(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _texts_or_null(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text(), nullable=True) for name in names]


def _numbers(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _numbers_or_null(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.BigInteger(), nullable=True) for name in names]


def _flags(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Boolean(), nullable=False) for name in names]


def _primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def _unique(table: str, column: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(column, name=f"uq_{table}_{column}")


def _refers(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.{column}"], name=f"fk_{table}_{column}")


def _index(name: str, table: str, columns: list[str], *, unique: bool = False, where: str | None = None) -> None:
    condition = None if where is None else sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def _make_people() -> None:
    op.create_table(
        "users",
        *_texts("user_id"),
        *_numbers("create_time_ns"),
        _primary("users", "user_id"),
    )
    op.create_table(
        "api_keys",
        *_texts("user_id", "key_id", "key_hash", "name", "scopes"),
        *_numbers("create_time_ns"),
        *_numbers_or_null("expire_time_ns", "revoke_time_ns", "last_used_time_ns"),
        _primary("api_keys", "key_id"),
        _unique("api_keys", "key_hash"),
        _refers("api_keys", "user_id", "users"),
    )
    _index("ix_api_keys_user_id", "api_keys", ["user_id"])


def _make_connections() -> None:
    op.create_table(
        "user_broker_connections",
        *_texts("user_id", "connection_id", "broker", "environment", "account_label"),
        *_flags("has_key"),
        *_texts("key_last_four"),
        *_numbers("create_time_ns"),
        *_numbers_or_null("revoke_time_ns"),
        _primary("user_broker_connections", "connection_id"),
        _refers("user_broker_connections", "user_id", "users"),
    )
    _index("ix_user_broker_connections_user_id", "user_broker_connections", ["user_id"])
    op.create_table(
        "user_broker_credentials",
        *_texts("user_id", "connection_id", "field", "sealed"),
        _primary("user_broker_credentials", "connection_id", "field"),
        _refers("user_broker_credentials", "user_id", "users"),
        _refers("user_broker_credentials", "connection_id", "user_broker_connections"),
    )
    op.create_table(
        "broker_accounts",
        *_texts("user_id", "account_id", "connection_id"),
        *_numbers("last_sequence"),
        _primary("broker_accounts", "account_id"),
        _unique("broker_accounts", "connection_id"),
        _refers("broker_accounts", "user_id", "users"),
        _refers("broker_accounts", "connection_id", "user_broker_connections"),
    )
    _index("ix_broker_accounts_user_id", "broker_accounts", ["user_id"])


def _make_orders() -> None:
    op.create_table(
        "idempotency_keys",
        *_texts("user_id", "method", "key", "fingerprint", "subject"),
        *_numbers("claim_time_ns"),
        *_texts("decision"),
        *_numbers_or_null("decision_time_ns"),
        _primary("idempotency_keys", "user_id", "method", "key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "broker_orders",
        *_texts("user_id", "account_id", "order_id", "broker", "state"),
        *_flags("is_open"),
        *_numbers("version", "create_time_ns", "update_time_ns"),
        *_numbers_or_null("submit_time_ns", "complete_time_ns"),
        *_texts("symbol", "side", "order_type", "time_in_force"),
        *_texts_or_null("quantity", "notional", "limit_price", "stop_price", "trail_amount", "trail_percent"),
        *_numbers_or_null("expire_time_ns"),
        *_flags("extended_hours"),
        *_texts("position_effect", "order_class"),
        *_texts_or_null("take_profit_limit_price", "stop_loss_stop_price", "stop_loss_limit_price"),
        *_texts("legs", "cum_quantity"),
        *_texts_or_null("average_price"),
        *_texts("canceled_quantity", "idempotency_key", "client_order_id", "broker_client_order_id"),
        *_texts("broker_order_ids", "parent_order_id", "strategy_id", "run_id", "labels"),
        *_numbers("attempt"),
        *_texts("reject_reason", "rejected_by", "broker_message"),
        *_flags("late_fill", "external"),
        _primary("broker_orders", "order_id"),
        _refers("broker_orders", "account_id", "broker_accounts"),
    )
    for column in ("client_order_id", "broker_client_order_id"):
        _index(
            f"uq_broker_orders_{column}", "broker_orders", ["account_id", column], unique=True, where=f"{column} <> ''"
        )
    _index("ix_broker_orders_user_id_create_time_ns", "broker_orders", ["user_id", "create_time_ns", "order_id"])
    _index("ix_broker_orders_open", "broker_orders", ["account_id"], where="is_open")
    op.create_table(
        "broker_order_ids",
        *_texts("account_id", "broker_order_id", "order_id"),
        _primary("broker_order_ids", "account_id", "broker_order_id"),
        _refers("broker_order_ids", "order_id", "broker_orders"),
        sqlite_with_rowid=False,
    )


def _make_fills() -> None:
    op.create_table(
        "broker_fills",
        *_texts("user_id", "account_id", "fill_id", "order_id", "broker", "client_order_id", "idempotency_key"),
        *_texts("broker_order_id", "execution_id", "symbol", "side", "quantity", "price", "cum_quantity"),
        *_texts("leaves_quantity", "average_price"),
        *_numbers("trade_time_ns", "receive_time_ns"),
        *_texts("kind", "refers_to_fill_id"),
        *_flags("fill_id_synthetic"),
        *_texts("liquidity", "venue", "fees"),
        _primary("broker_fills", "fill_id"),
        _refers("broker_fills", "order_id", "broker_orders"),
    )
    _index("ix_broker_fills_order_id", "broker_fills", ["order_id"])
    _index("ix_broker_fills_account_id_trade_time_ns", "broker_fills", ["account_id", "trade_time_ns", "fill_id"])


def _make_record() -> None:
    op.create_table(
        "events",
        *_texts("user_id", "account_id"),
        *_numbers("sequence"),
        *_texts("kind", "order_id", "origin"),
        *_numbers("event_time_ns", "receive_time_ns", "publish_time_ns"),
        *_texts("payload"),
        _primary("events", "account_id", "sequence"),
        sqlite_with_rowid=False,
    )
    _index("ix_events_order_id", "events", ["order_id"], where="order_id <> ''")
    op.create_table(
        "broker_audit_log",
        sa.Column("audit_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        *_texts("user_id"),
        *_numbers("time_ns"),
        *_texts("request_id", "key_id", "action", "outcome", "reason", "account_id", "order_id", "detail"),
        *_numbers_or_null("duration_ns"),
        _primary("broker_audit_log", "audit_id"),
    )
    _index("ix_broker_audit_log_user_id_time_ns", "broker_audit_log", ["user_id", "time_ns"])
    op.create_table(
        "store_meta",
        *_texts("name", "value"),
        _primary("store_meta", "name"),
    )
