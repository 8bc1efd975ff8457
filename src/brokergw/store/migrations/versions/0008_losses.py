"""Opening equity and cash flows of trading days."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TEXTS = ("account_id", "trading_day", "user_id", "environment", "opening_equity", "opening_source", "known_lines")
_DECIMALS = ("flows", "fees", "doubt", "equity", "equity_low", "equity_high")


def upgrade() -> None:
    op.create_table(
        "risk_days",
        *(sa.Column(name, sa.Text(), nullable=False) for name in (*_TEXTS, *_DECIMALS)),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("opening_time_ns", "equity_time_ns")),
        sa.Column("exposed", sa.Boolean(), nullable=False),
        sa.Column("crossed_time_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", "trading_day", name="pk_risk_days"),
    )
    op.create_index("ix_risk_days_equity_time_ns", "risk_days", ["equity_time_ns"])


def downgrade() -> None:
    op.drop_table("risk_days")
