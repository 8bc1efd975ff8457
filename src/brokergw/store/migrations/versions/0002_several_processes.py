"""What several processes on one database must know of each other, keys that outlive what they came to, and a guard
over the moves of orders.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# A move to the same state is no move. The moves are filled in from the lifecycle table at each upgrade.
_ILLEGAL = """NEW.version <= OLD.version OR (NEW.state <> OLD.state AND NOT EXISTS (
    SELECT 1 FROM order_edges WHERE from_state = OLD.state AND to_state = NEW.state))"""

_SQLITE_GUARD = f"""
CREATE TRIGGER broker_orders_guard BEFORE UPDATE OF state, version ON broker_orders
WHEN {_ILLEGAL}
BEGIN SELECT RAISE(ABORT, 'an order may not move so'); END
"""

_POSTGRESQL_GUARD_FUNCTION = f"""
CREATE OR REPLACE FUNCTION broker_orders_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF {_ILLEGAL} THEN
    RAISE EXCEPTION 'an order may not move so' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$
"""

_POSTGRESQL_GUARD = """
CREATE TRIGGER broker_orders_guard BEFORE UPDATE OF state, version ON broker_orders
FOR EACH ROW EXECUTE FUNCTION broker_orders_guard()
"""


def upgrade() -> None:
    op.add_column("broker_orders", sa.Column("sender", sa.Text(), nullable=False, server_default=""))
    op.add_column("idempotency_keys", sa.Column("retired", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("ix_idempotency_keys_retired_claim_time_ns", "idempotency_keys", ["retired", "claim_time_ns"])
    op.create_table(
        "instances",
        sa.Column("instance_id", sa.Text(), nullable=False),
        sa.Column("start_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("renew_time_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", name="pk_instances"),
    )
    op.create_table(
        "leases",
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("instance_id", sa.Text(), nullable=False),
        sa.Column("health", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("stream_up", sa.Boolean(), nullable=False),
        sa.Column("last_message_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("connection_id", name="pk_leases"),
    )
    op.create_index("ix_leases_instance_id", "leases", ["instance_id"])
    op.create_table(
        "order_edges",
        sa.Column("from_state", sa.Text(), nullable=False),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("from_state", "to_state", name="pk_order_edges"),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(_SQLITE_GUARD)
    else:
        op.execute(_POSTGRESQL_GUARD_FUNCTION)
        op.execute(_POSTGRESQL_GUARD)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER broker_orders_guard")
    else:
        op.execute("DROP FUNCTION broker_orders_guard() CASCADE")
    op.drop_table("order_edges")
    op.drop_table("leases")
    op.drop_table("instances")
    op.drop_index("ix_idempotency_keys_retired_claim_time_ns", "idempotency_keys")
    op.drop_column("idempotency_keys", "retired")
    op.drop_column("broker_orders", "sender")
