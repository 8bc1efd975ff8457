"""What a user calls a connection, and when its account was last, and is next, in step with its broker."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("user_broker_connections", sa.Column("label", sa.Text(), nullable=False, server_default=""))
    for name in ("last_sync_ns", "next_sync_ns"):
        op.add_column("leases", sa.Column(name, sa.BigInteger(), nullable=True))


def downgrade() -> None:
    for name in ("next_sync_ns", "last_sync_ns"):
        op.drop_column("leases", name)
    op.drop_column("user_broker_connections", "label")
