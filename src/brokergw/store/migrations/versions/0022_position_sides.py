"""Which of a symbol's two positions an order moves, in hedge mode; of orders before it nobody knows."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("broker_orders", sa.Column("position_side", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("broker_orders", "position_side")
