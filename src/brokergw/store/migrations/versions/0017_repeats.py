"""The latest order of each likeness, so that the same order again is seen whichever process takes it."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    names = ("user_id", "account_id", "likeness", "order_id")
    op.create_table(
        "risk_repeats",
        *(sa.Column(name, sa.Text(), nullable=False) for name in names),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "likeness", name="pk_risk_repeats"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_risk_repeats_time_ns", "risk_repeats", ["time_ns"])


def downgrade() -> None:
    op.drop_table("risk_repeats")
