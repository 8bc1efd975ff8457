"""Broker configurations, and the limits of users and strategies."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "user_broker_limits",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("strategy_id", sa.Text(), nullable=False),
        sa.Column("limits", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_time_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "source", "strategy_id", name="pk_user_broker_limits"),
    )
    op.create_table(
        "broker_configs",
        sa.Column("broker", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("fee_bps", sa.Text(), nullable=False),
        sa.Column("fee_per_contract", sa.Text(), nullable=False),
        sa.Column("requests_per_minute", sa.BigInteger(), nullable=True),
        sa.Column("regions", sa.Text(), nullable=False),
        sa.Column("paper_url", sa.Text(), nullable=False),
        sa.Column("live_url", sa.Text(), nullable=False),
        sa.Column("data_url", sa.Text(), nullable=False),
        sa.Column("limits", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_time_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("broker", name="pk_broker_configs"),
    )
    op.create_table(
        "limits_history",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_time_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "version", name="pk_limits_history"),
    )


def downgrade() -> None:
    op.drop_table("limits_history")
    op.drop_table("broker_configs")
    op.drop_table("user_broker_limits")
