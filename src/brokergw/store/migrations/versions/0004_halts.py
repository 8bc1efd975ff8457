"""Halts of trading, which process has heard of them, and what is done about what rests in their scopes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trading_halts",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "cause", name="pk_trading_halts"),
    )
    op.create_table(
        "halt_watchers",
        sa.Column("instance_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", name="pk_halt_watchers"),
    )
    op.create_table(
        "halt_sweeps",
        sa.Column("sweep_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("flatten", sa.Boolean(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("begin_time_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sweep_id", name="pk_halt_sweeps"),
        sa.ForeignKeyConstraint(
            ["scope", "cause"],
            ["trading_halts.scope", "trading_halts.cause"],
            name="fk_halt_sweeps_scope_cause",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "halt_findings",
        sa.Column("sweep_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("residuals", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sweep_id", "account_id", name="pk_halt_findings"),
        sa.ForeignKeyConstraint(
            ["sweep_id"], ["halt_sweeps.sweep_id"], name="fk_halt_findings_sweep_id", ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    for table in ("halt_findings", "halt_sweeps", "halt_watchers", "trading_halts"):
        op.drop_table(table)
