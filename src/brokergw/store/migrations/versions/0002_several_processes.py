"""What several processes on one database must know of each other, and keys that outlive what they came to."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


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


def downgrade() -> None:
    op.drop_table("leases")
    op.drop_table("instances")
    op.drop_index("ix_idempotency_keys_retired_claim_time_ns", "idempotency_keys")
    op.drop_column("idempotency_keys", "retired")
    op.drop_column("broker_orders", "sender")
