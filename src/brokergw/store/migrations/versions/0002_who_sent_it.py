"""Which process was permitted to send an order last."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("broker_orders", sa.Column("sender", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("broker_orders", "sender")
