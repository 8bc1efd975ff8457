"""What came of comparing accounts with their brokers."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_OPEN = sa.text("finding = 'MISMATCH' AND settle_time_ns IS NULL")


def upgrade() -> None:
    op.create_table(
        "reconciliations",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("reconciliation_id", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("first_ns", sa.BigInteger(), nullable=False),
        sa.Column("as_of_ns", sa.BigInteger(), nullable=False),
        sa.Column("rounds", sa.BigInteger(), nullable=False),
        sa.Column("differences", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("good_ns", sa.BigInteger(), nullable=True),
        sa.Column("baseline", sa.Text(), nullable=False),
        sa.Column("settled_by", sa.Text(), nullable=False),
        sa.Column("settle_time_ns", sa.BigInteger(), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("reconciliation_id", name="pk_reconciliations"),
    )
    op.create_index(
        "ix_reconciliations_account_id_reconciliation_id", "reconciliations", ["account_id", "reconciliation_id"]
    )
    op.create_index(
        "ix_reconciliations_open", "reconciliations", ["account_id"], sqlite_where=_OPEN, postgresql_where=_OPEN
    )
    op.create_table(
        "reconciliation_policies",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("positions", sa.Text(), nullable=False),
        sa.Column("cash", sa.Text(), nullable=False),
        sa.Column("cash_tolerance", sa.Text(), nullable=False),
        sa.Column("update_time_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_reconciliation_policies"),
    )
    op.create_table(
        "reconciliation_requests",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("request_time_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_reconciliation_requests"),
    )


def downgrade() -> None:
    op.drop_table("reconciliation_requests")
    op.drop_table("reconciliation_policies")
    op.drop_index("ix_reconciliations_open", "reconciliations")
    op.drop_index("ix_reconciliations_account_id_reconciliation_id", "reconciliations")
    op.drop_table("reconciliations")
