"""Alerts that wait for their delivery."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    texts = ("alert_id", "channel", "kind", "severity", "subject", "message")
    op.create_table(
        "alerts",
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("count", "tries", "next_try_ns")),
        sa.PrimaryKeyConstraint("alert_id", "channel", name="pk_alerts"),
    )
    op.create_index("ix_alerts_next_try_ns", "alerts", ["next_try_ns"])


def downgrade() -> None:
    op.drop_table("alerts")
