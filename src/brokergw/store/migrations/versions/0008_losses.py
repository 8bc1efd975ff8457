"""Opening equity and cash flows of trading days."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "risk_days",
        *map(_text, ("account_id", "trading_day", "user_id", "environment", "opening_equity", "opening_source")),
        _time("opening_time_ns"),
        *map(_text, ("known_lines", "flows", "fees", "doubt", "equity")),
        _time("equity_time_ns"),
        sa.Column("exposed", sa.Boolean(), nullable=False),
        *map(_text, ("equity_low", "equity_high")),
        _time("crossed_time_ns", nullable=True),
        sa.PrimaryKeyConstraint("account_id", "trading_day", name="pk_risk_days"),
    )
    op.create_index("ix_risk_days_equity_time_ns", "risk_days", ["equity_time_ns"])


def downgrade() -> None:
    op.drop_table("risk_days")
