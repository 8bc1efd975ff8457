"""What each order holds, and the ledger of positions and counts that the caps of an admission are checked against."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("hold_quantity", "hold_price"):
        op.add_column("broker_orders", sa.Column(name, sa.Text(), nullable=False, server_default="0"))
    op.add_column("broker_orders", sa.Column("trading_day", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    for name in ("trading_day", "hold_price", "hold_quantity"):
        op.drop_column("broker_orders", name)
